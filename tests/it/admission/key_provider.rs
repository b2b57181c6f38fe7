//! Each rule and each bound of `KeyProvider`: a value that passes and one that is refused.

use keyward::api::KeyProvider;
use keyward::manifests::crds;
use kube::api::{ApiResource, DynamicObject, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::{Row, Write, assert_complete, dynamic, passes, refused, try_all, with};
use crate::support::control_plane::shared;

fn object(spec: Value) -> Value {
    json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "KeyProvider", "metadata": { "generateName": "provider-" }, "spec": spec })
}

fn aws() -> Value {
    json!({ "type": "AWS", "aws": { "region": "eu-west-1" }, "namespaces": { "from": "All" } })
}

fn cipher_trust() -> Value {
    json!({
        "type": "CipherTrust",
        "cipherTrust": { "url": "https://ciphertrust.example.com", "kms": "prod", "region": "eu-west-1", "credentialsSecretRef": { "name": "ciphertrust" } },
        "namespaces": { "from": "All" },
    })
}

fn huawei() -> Value {
    json!({
        "type": "Huawei",
        "huawei": { "region": "eu-west-101", "projectId": "0123456789abcdef", "credentialsSecretRef": { "name": "huawei" } },
        "namespaces": { "from": "All" },
    })
}

/// A new provider: an AWS one with a merge patch on it.
fn create(patch: Value) -> Write {
    Write::Create(object(with(aws(), patch)))
}

fn create_aws(patch: Value) -> Write {
    create(json!({ "aws": patch }))
}

fn create_cipher_trust(patch: Value) -> Write {
    Write::Create(object(with(cipher_trust(), json!({ "cipherTrust": patch }))))
}

fn create_huawei(patch: Value) -> Write {
    Write::Create(object(with(huawei(), json!({ "huawei": patch }))))
}

fn change(before: Value, patch: Value) -> Write {
    Write::Patch { object: object(before), status: Value::Null, patch: json!({ "spec": patch }) }
}

fn text(length: usize) -> String {
    "x".repeat(length)
}

fn list(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("n-{index}")).collect()
}

/// Spaced, for who reads a row: what the server says of a text that is too short.
macro_rules! too_short {
    ($path:literal) => {
        concat!($path, ": Invalid value: \"\": ", $path, " in body should be at least 1 chars long")
    };
}

macro_rules! at_least {
    ($path:literal, $value:literal, $least:literal) => {
        concat!($path, ": Invalid value: ", $value, ": ", $path, " in body should be greater than or equal to ", $least)
    };
}

macro_rules! at_most {
    ($path:literal, $value:literal, $most:literal) => {
        concat!($path, ": Invalid value: ", $value, ": ", $path, " in body should be less than or equal to ", $most)
    };
}

fn aws_rows() -> Vec<Row> {
    let member = "exactly the member named by type must be set: aws, cipherTrust or huawei";
    vec![
        passes("the smallest provider", create(json!({}))),
        passes(
            "every field",
            create(json!({
                "aws": {
                    "accountId": "111122223333", "roleArn": "arn:aws:iam::111122223333:role/keyward", "externalId": "shop",
                    "endpoint": "https://vpce-1.kms.eu-west-1.vpce.amazonaws.com", "fips": true, "dualStack": true,
                    "caSecretRef": { "name": "ca" }, "credentialsSecretRef": { "name": "aws" },
                },
                "namespaces": { "from": "Selector", "selector": { "matchLabels": { "keys": "yes" } } },
                "adoption": { "from": "Rules", "rules": [{ "namespaces": ["shop-*"], "keys": ["arn:aws:kms:*:111122223333:key/*"] }], "fromClusters": ["old"] },
                "allow": {
                    "tagKeys": ["team"], "aliases": ["shop/*"],
                    "policies": { "from": "Accounts", "accounts": ["444455556666"], "services": ["logs.eu-west-1.amazonaws.com"] },
                },
                "deletionGuard": { "minimumScheduleDays": 14, "objectDeletionDays": 30, "minimumIdleDays": 0, "maxPerHour": 0, "requireConfirmation": true },
                "resyncSeconds": 300, "quotaSharePercent": 50, "defaultTags": { "cost": "42" },
            })),
        ),
        refused("no type", create(json!({ "type": null })), "spec.type: Required value"),
        refused(
            "another type",
            create(json!({ "type": "GCP" })),
            "spec.type: Unsupported value: \"GCP\": supported values: \"AWS\", \"CipherTrust\", \"Huawei\"",
        ),
        refused("no member", create(json!({ "aws": null })), member),
        refused("another member", create(json!({ "type": "Huawei" })), member),
        refused("two members", create(json!({ "huawei": huawei()["huawei"] })), member),
        refused("AWS with a CipherTrust member as well", create(json!({ "cipherTrust": cipher_trust()["cipherTrust"] })), member),
        // region
        passes("a region with four parts", create_aws(json!({ "region": "us-gov-west-1" }))),
        passes("a region of the European Sovereign Cloud", create_aws(json!({ "region": "eusc-de-east-1" }))),
        passes("a region of an isolated partition", create_aws(json!({ "region": "us-isob-east-1" }))),
        refused("no region", create_aws(json!({ "region": null })), "spec.aws.region: Required value"),
        refused(
            "an availability zone",
            create_aws(json!({ "region": "eu-west-1a" })),
            "spec.aws.region: Invalid value: \"eu-west-1a\": spec.aws.region in body should match",
        ),
        refused("a region of 65", create_aws(json!({ "region": format!("eu-{}-1", text(60)) })), "spec.aws.region: Too long"),
        // accountId, roleArn, externalId
        refused(
            "an account of 11 digits",
            create_aws(json!({ "accountId": "11112222333" })),
            "spec.aws.accountId: Invalid value: \"11112222333\": spec.aws.accountId in body should match '^[0-9]{12}$'",
        ),
        refused(
            "an account that YAML reads as a number",
            create_aws(json!({ "accountId": 111_122_223_333_i64 })),
            "spec.aws.accountId in body must be of type string",
        ),
        refused(
            "a user for a role",
            create_aws(json!({ "roleArn": "arn:aws:iam::111122223333:user/a" })),
            "spec.aws.roleArn: Invalid value: \"arn:aws:iam::111122223333:user/a\": spec.aws.roleArn in body should match",
        ),
        passes("a role of another partition", create_aws(json!({ "roleArn": "arn:aws-us-gov:iam::111122223333:role/path/keyward" }))),
        passes("an external id of 1224", create_aws(json!({ "externalId": text(1224) }))),
        refused("an external id of 1225", create_aws(json!({ "externalId": text(1225) })), "spec.aws.externalId: Too long"),
        refused(
            "an external id of 1",
            create_aws(json!({ "externalId": "x" })),
            "spec.aws.externalId: Invalid value: \"x\": spec.aws.externalId in body should be at least 2 chars long",
        ),
        // endpoint, secret
        passes("an endpoint for tests", create_aws(json!({ "endpoint": "http://127.0.0.1:4599" }))),
        refused(
            "an endpoint without a scheme",
            create_aws(json!({ "endpoint": "kms.example.com" })),
            "endpoint must be an https URL, such as https://vpce-",
        ),
        refused(
            "an endpoint of another scheme",
            create_aws(json!({ "endpoint": "ftp://kms.example.com" })),
            "endpoint must be an https URL, such as https://vpce-….kms.eu-west-1.vpce.amazonaws.com, and not of an address such as 169.254.169.254; http is accepted for 127.0.0.1 and [::1] only",
        ),
        refused("an empty endpoint", create_aws(json!({ "endpoint": "" })), too_short!("spec.aws.endpoint")),
        refused("an endpoint of 2049", create_aws(json!({ "endpoint": format!("https://{}", text(2041)) })), "spec.aws.endpoint: Too long"),
        passes("two endpoints", create_aws(json!({ "endpoint": "https://kms.example.com", "stsEndpoint": "http://127.0.0.1:4599" }))),
        refused(
            "an endpoint of STS without a scheme",
            create_aws(json!({ "stsEndpoint": "sts.example.com" })),
            "stsEndpoint must be an https URL, such as https://vpce-….sts.eu-west-1.vpce.amazonaws.com, and not of an address such as 169.254.169.254; http is accepted for 127.0.0.1 and [::1] only",
        ),
        refused("an empty endpoint of STS", create_aws(json!({ "stsEndpoint": "" })), too_short!("spec.aws.stsEndpoint")),
        refused(
            "an endpoint of STS of 2049",
            create_aws(json!({ "stsEndpoint": format!("https://{}", text(2041)) })),
            "spec.aws.stsEndpoint: Too long",
        ),
        refused(
            "a choice among endpoints where both are named",
            create_aws(json!({ "endpoint": "https://kms.example.com", "stsEndpoint": "https://sts.example.com", "fips": true })),
            "fips and dualStack select the Region's own endpoints, so they have no effect if endpoint and stsEndpoint are both set; remove fips and dualStack, or one of the endpoints",
        ),
        refused(
            "an authority's name of 254",
            create_aws(json!({ "caSecretRef": { "name": text(254) } })),
            "spec.aws.caSecretRef.name: Too long",
        ),
        refused("an authority without a name", create_aws(json!({ "caSecretRef": {} })), "spec.aws.caSecretRef.name: Required value"),
        refused(
            "an authority with an empty name",
            create_aws(json!({ "caSecretRef": { "name": "" } })),
            too_short!("spec.aws.caSecretRef.name"),
        ),
        refused(
            "a secret without a name",
            create_aws(json!({ "credentialsSecretRef": {} })),
            "spec.aws.credentialsSecretRef.name: Required value",
        ),
        refused(
            "a secret with an empty name",
            create_aws(json!({ "credentialsSecretRef": { "name": "" } })),
            too_short!("spec.aws.credentialsSecretRef.name"),
        ),
        refused(
            "a secret's name of 254",
            create_aws(json!({ "credentialsSecretRef": { "name": text(254) } })),
            "spec.aws.credentialsSecretRef.name: Too long",
        ),
    ]
}

fn other_rows() -> Vec<Row> {
    vec![
        passes("CipherTrust", create_cipher_trust(json!({}))),
        passes(
            "CipherTrust, all of it",
            create_cipher_trust(json!({ "domain": "d", "authDomain": "a", "caSecretRef": { "name": "ca" }, "maxStalenessSeconds": 30 })),
        ),
        refused(
            "CipherTrust over http",
            create_cipher_trust(json!({ "url": "http://127.0.0.1:4600" })),
            "url must be an https URL, such as https://ciphertrust.example.com",
        ),
        refused(
            "CipherTrust without a scheme",
            create_cipher_trust(json!({ "url": "ciphertrust.example.com" })),
            "url must be that of a host or IP address in its usual form, such as https://ciphertrust.example.com, and not of an address such as 169.254.169.254",
        ),
        refused("an empty url", create_cipher_trust(json!({ "url": "" })), too_short!("spec.cipherTrust.url")),
        refused(
            "a url of 2049",
            create_cipher_trust(json!({ "url": format!("https://{}", text(2041)) })),
            "spec.cipherTrust.url: Too long",
        ),
        refused("no kms", create_cipher_trust(json!({ "kms": null })), "spec.cipherTrust.kms: Required value"),
        refused("an empty kms", create_cipher_trust(json!({ "kms": "" })), too_short!("spec.cipherTrust.kms")),
        refused("a kms of 257", create_cipher_trust(json!({ "kms": text(257) })), "spec.cipherTrust.kms: Too long"),
        refused("an empty region", create_cipher_trust(json!({ "region": "" })), too_short!("spec.cipherTrust.region")),
        refused("a region of 65", create_cipher_trust(json!({ "region": text(65) })), "spec.cipherTrust.region: Too long"),
        refused("a domain of 257", create_cipher_trust(json!({ "domain": text(257) })), "spec.cipherTrust.domain: Too long"),
        refused("an authDomain of 257", create_cipher_trust(json!({ "authDomain": text(257) })), "spec.cipherTrust.authDomain: Too long"),
        refused(
            "no credentials",
            create_cipher_trust(json!({ "credentialsSecretRef": null })),
            "spec.cipherTrust.credentialsSecretRef: Required value",
        ),
        refused(
            "credentials with an empty name",
            create_cipher_trust(json!({ "credentialsSecretRef": { "name": "" } })),
            too_short!("spec.cipherTrust.credentialsSecretRef.name"),
        ),
        refused(
            "credentials with a name of 254",
            create_cipher_trust(json!({ "credentialsSecretRef": { "name": text(254) } })),
            "spec.cipherTrust.credentialsSecretRef.name: Too long",
        ),
        refused(
            "authorities with an empty name",
            create_cipher_trust(json!({ "caSecretRef": { "name": "" } })),
            too_short!("spec.cipherTrust.caSecretRef.name"),
        ),
        refused(
            "authorities with a name of 254",
            create_cipher_trust(json!({ "caSecretRef": { "name": text(254) } })),
            "spec.cipherTrust.caSecretRef.name: Too long",
        ),
        refused(
            "a staleness of 29",
            create_cipher_trust(json!({ "maxStalenessSeconds": 29 })),
            at_least!("spec.cipherTrust.maxStalenessSeconds", 29, 30),
        ),
        refused(
            "a staleness of 86401",
            create_cipher_trust(json!({ "maxStalenessSeconds": 86401 })),
            at_most!("spec.cipherTrust.maxStalenessSeconds", 86401, 86400),
        ),
        passes("Huawei", create_huawei(json!({}))),
        passes(
            "Huawei, all of it",
            create_huawei(json!({ "endpoint": "https://kms.example.com", "iamEndpoint": "https://iam.example.com", "auth": "Password" })),
        ),
        refused("an empty region", create_huawei(json!({ "region": "" })), too_short!("spec.huawei.region")),
        refused("a region of 65", create_huawei(json!({ "region": text(65) })), "spec.huawei.region: Too long"),
        refused("an empty project", create_huawei(json!({ "projectId": "" })), too_short!("spec.huawei.projectId")),
        refused("a project of 65", create_huawei(json!({ "projectId": text(65) })), "spec.huawei.projectId: Too long"),
        refused(
            "an endpoint that is none",
            create_huawei(json!({ "endpoint": "kms" })),
            "endpoint must be an https URL, and not of an address such as 169.254.169.254; http is accepted for 127.0.0.1 and [::1] only",
        ),
        refused("an empty endpoint", create_huawei(json!({ "endpoint": "" })), too_short!("spec.huawei.endpoint")),
        refused(
            "an endpoint of 2049",
            create_huawei(json!({ "endpoint": format!("https://{}", text(2041)) })),
            "spec.huawei.endpoint: Too long",
        ),
        refused(
            "an IAM endpoint that is none",
            create_huawei(json!({ "iamEndpoint": "iam" })),
            "iamEndpoint must be an https URL, and not of an address such as 169.254.169.254; http is accepted for 127.0.0.1 and [::1] only",
        ),
        refused("an empty IAM endpoint", create_huawei(json!({ "iamEndpoint": "" })), too_short!("spec.huawei.iamEndpoint")),
        refused(
            "an IAM endpoint of 2049",
            create_huawei(json!({ "iamEndpoint": format!("https://{}", text(2041)) })),
            "spec.huawei.iamEndpoint: Too long",
        ),
        refused(
            "another way to authenticate",
            create_huawei(json!({ "auth": "Token" })),
            "spec.huawei.auth: Unsupported value: \"Token\": supported values: \"AccessKey\", \"Password\"",
        ),
        refused(
            "credentials with an empty name",
            create_huawei(json!({ "credentialsSecretRef": { "name": "" } })),
            too_short!("spec.huawei.credentialsSecretRef.name"),
        ),
        refused(
            "credentials with a name of 254",
            create_huawei(json!({ "credentialsSecretRef": { "name": text(254) } })),
            "spec.huawei.credentialsSecretRef.name: Too long",
        ),
    ]
}

fn rules_of_use() -> Vec<Row> {
    let namespaces = |value: Value| create(json!({ "namespaces": value }));
    let adoption = |value: Value| create(json!({ "adoption": value }));
    let rule = |namespaces: Vec<String>, keys: Vec<String>| {
        create(json!({ "adoption": { "from": "Rules", "rules": [{ "namespaces": namespaces, "keys": keys }] } }))
    };
    let allow = |value: Value| create(json!({ "allow": value }));
    let defaults = |value: Value| create(json!({ "defaultTags": value }));
    let tags = |count: usize| (0..count).map(|number| (format!("tag-{number}"), json!("v"))).collect::<serde_json::Map<_, _>>().into();
    let policies = |value: Value| allow(json!({ "policies": value }));
    let accounts = |count: u64| (0..count).map(|number| format!("{number:012}")).collect::<Vec<_>>();
    let one = || vec!["*".to_owned()];
    let which = "set names with from: Names, selector with from: Selector, and neither with from: All";
    vec![
        refused("no namespaces", create(json!({ "namespaces": null })), "spec.namespaces: Required value"),
        refused("namespaces from nowhere", namespaces(json!({ "from": null })), "spec.namespaces.from: Required value"),
        refused(
            "namespaces from elsewhere",
            namespaces(json!({ "from": "Same" })),
            "spec.namespaces.from: Unsupported value: \"Same\": supported values: \"All\", \"Names\", \"Selector\"",
        ),
        passes("names", namespaces(json!({ "from": "Names", "names": ["shop"] }))),
        passes("no name at all", namespaces(json!({ "from": "Names", "names": [] }))),
        refused("Names without names", namespaces(json!({ "from": "Names" })), which),
        refused("Selector without a selector", namespaces(json!({ "from": "Selector" })), which),
        refused("All with names", namespaces(json!({ "from": "All", "names": ["shop"] })), which),
        refused("All with a selector", namespaces(json!({ "from": "All", "selector": {} })), which),
        passes("256 names", namespaces(json!({ "from": "Names", "names": list(256) }))),
        refused(
            "257 names",
            namespaces(json!({ "from": "Names", "names": list(257) })),
            "spec.namespaces.names: Too many: 257: must have at most 256 items",
        ),
        refused(
            "a name twice",
            namespaces(json!({ "from": "Names", "names": ["shop", "shop"] })),
            "spec.namespaces.names[1]: Duplicate value: \"shop\"",
        ),
        refused("an empty name", namespaces(json!({ "from": "Names", "names": [""] })), too_short!("spec.namespaces.names[0]")),
        refused("a name of 64", namespaces(json!({ "from": "Names", "names": [text(64)] })), "spec.namespaces.names[0]: Too long"),
        passes(
            "an expression",
            namespaces(
                json!({ "from": "Selector", "selector": { "matchExpressions": [{ "key": "team", "operator": "In", "values": ["a", "b"] }] } }),
            ),
        ),
        refused(
            "an expression with another operator",
            namespaces(json!({ "from": "Selector", "selector": { "matchExpressions": [{ "key": "team", "operator": "Like" }] } })),
            "spec.namespaces.selector.matchExpressions[0].operator: Unsupported value: \"Like\"",
        ),
        // adoption
        passes("adoption by tag", adoption(json!({ "from": "Tagged" }))),
        refused(
            "adoption of anything",
            adoption(json!({ "from": "All" })),
            "spec.adoption.from: Unsupported value: \"All\": supported values: \"None\", \"Tagged\", \"Rules\"",
        ),
        refused(
            "a rule without namespaces",
            rule(vec![], one()),
            "spec.adoption.rules[0].namespaces: Invalid value: 0: spec.adoption.rules[0].namespaces in body should have at least 1 items",
        ),
        refused(
            "a rule without keys",
            rule(one(), vec![]),
            "spec.adoption.rules[0].keys: Invalid value: 0: spec.adoption.rules[0].keys in body should have at least 1 items",
        ),
        refused(
            "a rule with 65 namespaces",
            rule(list(65), one()),
            "spec.adoption.rules[0].namespaces: Too many: 65: must have at most 64 items",
        ),
        refused("a rule with 65 keys", rule(one(), list(65)), "spec.adoption.rules[0].keys: Too many: 65: must have at most 64 items"),
        refused("a rule with an empty namespace", rule(vec![String::new()], one()), too_short!("spec.adoption.rules[0].namespaces[0]")),
        refused("a rule with an empty key", rule(one(), vec![String::new()]), too_short!("spec.adoption.rules[0].keys[0]")),
        refused("a rule with a namespace of 64", rule(vec![text(64)], one()), "spec.adoption.rules[0].namespaces[0]: Too long"),
        refused("a rule with a key of 2049", rule(one(), vec![text(2049)]), "spec.adoption.rules[0].keys[0]: Too long"),
        refused(
            "65 rules",
            adoption(json!({ "from": "Rules", "rules": vec![json!({ "namespaces": ["*"], "keys": ["*"] }); 65] })),
            "spec.adoption.rules: Too many: 65: must have at most 64 items",
        ),
        refused(
            "33 clusters",
            adoption(json!({ "fromClusters": list(33) })),
            "spec.adoption.fromClusters: Too many: 33: must have at most 32 items",
        ),
        refused(
            "a cluster that cannot be",
            adoption(json!({ "fromClusters": ["Prod"] })),
            "spec.adoption.fromClusters[0]: Invalid value: \"Prod\": spec.adoption.fromClusters[0] in body should match '^[a-z0-9-]+$'",
        ),
        refused("a cluster of 37", adoption(json!({ "fromClusters": [text(37)] })), "spec.adoption.fromClusters[0]: Too long"),
        // defaultTags
        passes("46 default tags", defaults(tags(46))),
        passes("a default tag without a value", defaults(json!({ "k": "" }))),
        refused("47 default tags", defaults(tags(47)), "spec.defaultTags: Too many: 47: must have at most 46 items"),
        refused("a default tag of AWS", defaults(json!({ "aws:team": "v" })), "tag keys that begin with aws: or keyward- are reserved"),
        refused("a default mark", defaults(json!({ "keyward-uid": "v" })), "tag keys that begin with aws: or keyward- are reserved"),
        refused("a default tag without a key", defaults(json!({ "": "v" })), "a tag key has 1 to 128 characters"),
        refused("a default tag key of 129", defaults(json!({ (text(129)): "v" })), "a tag key has 1 to 128 characters"),
        refused("a default tag value of 257", defaults(json!({ "k": text(257) })), "spec.defaultTags.k: Too long"),
        // allow
        passes("nothing allowed", allow(json!({ "tagKeys": [], "aliases": [] }))),
        refused("65 tag keys", allow(json!({ "tagKeys": list(65) })), "spec.allow.tagKeys: Too many: 65: must have at most 64 items"),
        refused("65 aliases", allow(json!({ "aliases": list(65) })), "spec.allow.aliases: Too many: 65: must have at most 64 items"),
        refused("an empty tag key", allow(json!({ "tagKeys": [""] })), too_short!("spec.allow.tagKeys[0]")),
        refused("an empty alias", allow(json!({ "aliases": [""] })), too_short!("spec.allow.aliases[0]")),
        refused("a tag key of 129", allow(json!({ "tagKeys": [text(129)] })), "spec.allow.tagKeys[0]: Too long"),
        refused("an alias of 251", allow(json!({ "aliases": [text(251)] })), "spec.allow.aliases[0]: Too long"),
        passes("any policy", policies(json!({ "from": "Any" }))),
        passes("no policy", policies(json!({ "from": "None" }))),
        refused(
            "policies from elsewhere",
            policies(json!({ "from": "Some" })),
            "spec.allow.policies.from: Unsupported value: \"Some\": supported values: \"None\", \"Any\", \"Accounts\"",
        ),
        refused(
            "65 accounts",
            policies(json!({ "accounts": accounts(65) })),
            "spec.allow.policies.accounts: Too many: 65: must have at most 64 items",
        ),
        refused(
            "an account of letters",
            policies(json!({ "accounts": ["shop"] })),
            "spec.allow.policies.accounts[0]: Invalid value: \"shop\": spec.allow.policies.accounts[0] in body should match '^[0-9]{12}$'",
        ),
        refused(
            "65 services",
            policies(json!({ "services": list(65) })),
            "spec.allow.policies.services: Too many: 65: must have at most 64 items",
        ),
        refused("an empty service", policies(json!({ "services": [""] })), too_short!("spec.allow.policies.services[0]")),
        refused("a service of 129", policies(json!({ "services": [text(129)] })), "spec.allow.policies.services[0]: Too long"),
        passes("grants of everything", allow(json!({ "grants": { "principals": ["*"], "operations": ["*"] } }))),
        passes("no grants", allow(json!({ "grants": { "principals": [], "operations": [] } }))),
        refused(
            "65 principals",
            allow(json!({ "grants": { "principals": list(65) } })),
            "spec.allow.grants.principals: Too many: 65: must have at most 64 items",
        ),
        refused(
            "65 operations",
            allow(json!({ "grants": { "operations": list(65) } })),
            "spec.allow.grants.operations: Too many: 65: must have at most 64 items",
        ),
        refused("an empty principal", allow(json!({ "grants": { "principals": [""] } })), too_short!("spec.allow.grants.principals[0]")),
        refused("an empty operation", allow(json!({ "grants": { "operations": [""] } })), too_short!("spec.allow.grants.operations[0]")),
        refused(
            "a principal of 257",
            allow(json!({ "grants": { "principals": [text(257)] } })),
            "spec.allow.grants.principals[0]: Too long",
        ),
        refused(
            "an operation of 65",
            allow(json!({ "grants": { "operations": [text(65)] } })),
            "spec.allow.grants.operations[0]: Too long",
        ),
        // pace
        refused("a read every 29 s", create(json!({ "resyncSeconds": 29 })), at_least!("spec.resyncSeconds", 29, 30)),
        refused("a read every 86401 s", create(json!({ "resyncSeconds": 86401 })), at_most!("spec.resyncSeconds", 86401, 86400)),
        refused("no share of the quotas", create(json!({ "quotaSharePercent": 0 })), at_least!("spec.quotaSharePercent", 0, 1)),
        passes("a hundred times the quotas, where the provider raised them", create(json!({ "quotaSharePercent": 10000 }))),
        refused("more than that", create(json!({ "quotaSharePercent": 10001 })), at_most!("spec.quotaSharePercent", 10001, 10000)),
    ]
}

fn guard_rows() -> Vec<Row> {
    let guard = |value: Value| create(json!({ "deletionGuard": value }));
    let at_most_30 = "deletionGuard.minimumScheduleDays can be at most 30, the longest window that AWS and CipherTrust accept";
    let last_at_most_30 = "deletionGuard.objectDeletionDays can be at most 30, the longest window that AWS and CipherTrust accept";
    vec![
        passes("a minimum of 30", guard(json!({ "minimumScheduleDays": 30 }))),
        refused("a minimum that AWS cannot take", guard(json!({ "minimumScheduleDays": 31 })), at_most_30),
        passes("the same at Huawei", Write::Create(object(with(huawei(), json!({ "deletionGuard": { "minimumScheduleDays": 1096 } }))))),
        refused("a minimum of 6", guard(json!({ "minimumScheduleDays": 6 })), at_least!("spec.deletionGuard.minimumScheduleDays", 6, 7)),
        refused(
            "a minimum of 1097",
            guard(json!({ "minimumScheduleDays": 1097 })),
            at_most!("spec.deletionGuard.minimumScheduleDays", 1097, 1096),
        ),
        refused(
            "objectDeletionDays of 6",
            guard(json!({ "objectDeletionDays": 6 })),
            at_least!("spec.deletionGuard.objectDeletionDays", 6, 7),
        ),
        passes("objectDeletionDays of 30", guard(json!({ "objectDeletionDays": 30 }))),
        refused("objectDeletionDays of 31", guard(json!({ "objectDeletionDays": 31 })), last_at_most_30),
        refused("objectDeletionDays of 40", guard(json!({ "objectDeletionDays": 40 })), last_at_most_30),
        passes("the same at Huawei", Write::Create(object(with(huawei(), json!({ "deletionGuard": { "objectDeletionDays": 1096 } }))))),
        refused(
            "objectDeletionDays of 1097",
            guard(json!({ "objectDeletionDays": 1097 })),
            at_most!("spec.deletionGuard.objectDeletionDays", 1097, 1096),
        ),
        refused("minimumIdleDays of -1", guard(json!({ "minimumIdleDays": -1 })), at_least!("spec.deletionGuard.minimumIdleDays", -1, 0)),
        refused(
            "minimumIdleDays of 366",
            guard(json!({ "minimumIdleDays": 366 })),
            at_most!("spec.deletionGuard.minimumIdleDays", 366, 365),
        ),
        refused("maxPerHour of -1", guard(json!({ "maxPerHour": -1 })), at_least!("spec.deletionGuard.maxPerHour", -1, 0)),
        refused("maxPerHour of 1001", guard(json!({ "maxPerHour": 1001 })), at_most!("spec.deletionGuard.maxPerHour", 1001, 1000)),
        // changes
        refused(
            "another type",
            change(aws(), json!({ "type": "Huawei", "aws": null, "huawei": huawei()["huawei"] })),
            "type is immutable; make another KeyProvider",
        ),
        refused(
            "another region",
            change(aws(), json!({ "aws": { "region": "eu-west-2" } })),
            "spec.aws: Invalid value: region is immutable; make another KeyProvider",
        ),
        refused(
            "another region at Huawei",
            change(huawei(), json!({ "huawei": { "region": "eu-west-102" } })),
            "spec.huawei: Invalid value: region is immutable; make another KeyProvider",
        ),
        refused("a second member", change(aws(), json!({ "huawei": huawei()["huawei"] })), "exactly the member named by type must be set"),
        refused("a minimum raised too far", change(aws(), json!({ "deletionGuard": { "minimumScheduleDays": 31 } })), at_most_30),
        refused(
            "objectDeletionDays raised too far",
            change(aws(), json!({ "deletionGuard": { "objectDeletionDays": 40 } })),
            last_at_most_30,
        ),
        passes(
            "another role, account and endpoint",
            change(
                aws(),
                json!({ "aws": { "roleArn": "arn:aws:iam::111122223333:role/k", "accountId": "111122223333", "endpoint": "https://kms.example.com" } }),
            ),
        ),
        passes("an emergency stop", change(aws(), json!({ "deletionGuard": { "maxPerHour": 0 } }))),
    ]
}

fn rows() -> Vec<Row> {
    [aws_rows(), other_rows(), rules_of_use(), guard_rows()].into_iter().flatten().collect()
}

fn api(client: kube::Client) -> Api<DynamicObject> {
    Api::all_with(client, &ApiResource::erase::<KeyProvider>(&()))
}

#[tokio::test]
async fn what_can_be_created_and_changed() {
    try_all(&api(shared().client().await), &rows()).await;
}

#[test]
fn each_rule_and_bound_has_a_row() {
    let crds = crds();
    assert_complete(crds.iter().find(|crd| crd.spec.names.kind == "KeyProvider").unwrap(), &rows());
}

/// Null means absent. An absent field has its documented default.
#[tokio::test]
async fn null_means_absent() {
    let api = api(shared().client().await);
    let create = async |spec: Value| -> KeyProvider {
        let stored = api.create(&PostParams::default(), &dynamic(&object(spec))).await.unwrap();
        api.get(&stored.name_any()).await.unwrap().try_parse().unwrap()
    };
    let smallest = create(aws()).await.spec;
    let nulls = json!({
        "type": "AWS",
        "aws": { "region": "eu-west-1", "accountId": null, "roleArn": null, "externalId": null, "endpoint": null, "stsEndpoint": null, "fips": null, "dualStack": null,
                 "caSecretRef": null, "credentialsSecretRef": null },
        "cipherTrust": null, "huawei": null,
        "namespaces": { "from": "All", "names": null, "selector": null },
        "adoption": null, "allow": null, "deletionGuard": null, "defaultTags": null, "resyncSeconds": null, "quotaSharePercent": null,
    });
    assert_eq!(create(nulls.clone()).await.spec, smallest);
    let mut deeper = nulls;
    deeper["adoption"] = json!({ "from": null, "rules": null, "fromClusters": null });
    deeper["allow"] = json!({ "tagKeys": null, "aliases": null, "policies": { "from": null, "accounts": null, "services": null } });
    deeper["deletionGuard"] = json!({ "minimumScheduleDays": null, "objectDeletionDays": null, "minimumIdleDays": null, "maxPerHour": null, "requireConfirmation": null });
    assert_eq!(create(deeper).await.spec, smallest);
    assert_eq!(
        serde_json::to_value(&smallest.deletion_guard).unwrap(),
        json!({ "minimumScheduleDays": 7, "objectDeletionDays": 30, "minimumIdleDays": 7, "maxPerHour": 10, "requireConfirmation": false })
    );
    assert_eq!((smallest.resync_seconds, smallest.quota_share_percent), (600, 100));

    let nulls = json!({ "domain": null, "authDomain": null, "caSecretRef": null, "maxStalenessSeconds": null });
    let mut spec = cipher_trust();
    spec["cipherTrust"].as_object_mut().unwrap().extend(nulls.as_object().unwrap().clone());
    assert_eq!(create(spec).await.spec, create(cipher_trust()).await.spec);
    let nulls = json!({ "endpoint": null, "iamEndpoint": null, "auth": null });
    let mut spec = huawei();
    spec["huawei"].as_object_mut().unwrap().extend(nulls.as_object().unwrap().clone());
    assert_eq!(create(spec).await.spec, create(huawei()).await.spec);
}
