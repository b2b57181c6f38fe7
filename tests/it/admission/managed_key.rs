//! Each rule and each bound of `ManagedKey`: a value that passes and one that is refused.

use keyward::api::{ManagedKey, ManagedKeySpec, managed_key::MOST_APPLIED};
use keyward::manifests::crds;
use kube::api::{ApiResource, DynamicObject, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Map, Value, json};

use super::{Row, Write, assert_complete, dynamic, passes, refused, try_all};
use crate::support::control_plane::shared;

fn object(spec: Value) -> Value {
    json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": { "generateName": "key-" }, "spec": spec })
}

fn create(spec: Value) -> Write {
    Write::Create(object(spec))
}

fn named(length: usize) -> Write {
    let mut object = object(json!({}));
    object["metadata"] = json!({ "name": "n".repeat(length) });
    Write::Create(object)
}

/// A change of the spec of an object that has no key yet.
fn change(before: Value, patch: Value) -> Write {
    Write::Patch { object: object(before), status: Value::Null, patch: json!({ "spec": patch }) }
}

/// A change of the spec of an object that is bound to key `k-1`.
fn change_bound(before: Value, patch: Value) -> Write {
    Write::Patch { object: object(before), status: bound(), patch: json!({ "spec": patch }) }
}

/// That many tags and aliases, each as long as it can be.
fn applied(tags: usize, aliases: usize) -> Value {
    let names = |count: usize, length: usize| (0..count).map(|number| format!("{number:0length$}")).collect::<Vec<_>>();
    json!({ "generation": 1, "tagKeys": names(tags, 128), "aliases": names(aliases, 250) })
}

fn status(patch: Value) -> Write {
    Write::Status { object: object(json!({})), status: bound(), patch: json!({ "status": patch }) }
}

fn bound() -> Value {
    json!({ "keyId": "k-1", "keyArn": "arn:aws:kms:eu-west-1:111122223333:key/k-1" })
}

fn text(length: usize) -> String {
    "x".repeat(length)
}

fn tags(count: usize) -> Value {
    (0..count).map(|index| (format!("tag-{index}"), json!("v"))).collect::<Map<_, _>>().into()
}

fn tag(key: &str, value: &str) -> Value {
    json!({ "tags": { key: value } })
}

fn aliases(count: usize) -> Value {
    (0..count).map(|index| format!("alias-{index}")).collect()
}

fn creations() -> Vec<Row> {
    let days = |days: Value| create(json!({ "deletionScheduleDays": days }));
    let rotation = |days: i32| create(json!({ "autoRotation": true, "rotationPeriodDays": days }));
    let description = |length| create(json!({ "description": text(length) }));
    let key_id = |text: String| create(json!({ "keyId": text }));
    let provider = |name: String| create(json!({ "providerRef": { "name": name } }));
    let alias = |alias: &str| create(json!({ "aliases": [alias] }));
    let key = |field: &str, value: String| create(json!({ "key": { field: value } }));
    let publish = |to: Value| create(json!({ "publishTo": to }));
    let replica = |of: Value| create(json!({ "replicaOf": of }));
    let multi = "arn:aws:kms:eu-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab";
    let names = |names: Value| publish(json!({ "kind": "ConfigMap", "name": "a", "keys": names }));
    let only_with_arn = "keyArn needs providerRef, the KeyProvider of that key's Region; name needs none";
    let only_rotation = "rotationPeriodDays needs autoRotation: true";
    let zero_or_seven = "deletionScheduleDays is 0 (no deletion) or at least 7 days";
    let reserved_tag = "tag keys that begin with aws: or keyward- are reserved";
    let reserved_alias = "aliases that begin with aws/ or keyward/ are reserved";
    vec![
        passes("an empty spec", create(json!({}))),
        refused(
            "no spec",
            Write::Create(json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": { "name": "a" } })),
            "spec: Required value",
        ),
        passes(
            "every field",
            create(json!({
                "providerRef": { "name": "aws-eu-west-1" }, "keyId": "1234abcd-12ab-34cd-56ef-1234567890ab", "managementPolicy": "Enforce", "enabled": true,
                "autoRotation": true, "rotationPeriodDays": 365, "deletionScheduleDays": 7, "deletionPolicy": "Retain", "description": "order signing",
                "tags": { "team": "shop" }, "aliases": ["orders"], "policy": "{}", "primary": true,
                "publishTo": { "kind": "ConfigMap", "name": "orders-key", "keys": { "keyId": "a", "keyArn": "b", "alias": "c", "region": "d", "account": "e" } },
                "key": { "spec": "SYMMETRIC_DEFAULT", "usage": "ENCRYPT_DECRYPT", "origin": "AWS_KMS", "multiRegion": false },
            })),
        ),
        passes("a name of 141", named(141)),
        refused("a name of 142", named(142), "the name can have at most 141 characters, so that the alias made of it fits"),
        // providerRef
        passes("a provider's name of 253", provider(text(253))),
        refused("a provider's name of 254", provider(text(254)), "spec.providerRef.name: Too long"),
        refused(
            "a provider without a name",
            provider(String::new()),
            "spec.providerRef.name: Invalid value: \"\": spec.providerRef.name in body should be at least 1 chars long",
        ),
        // keyId
        passes("a key id of 2048", key_id(text(2048))),
        refused("a key id of 2049", key_id(text(2049)), "spec.keyId: Too long"),
        refused(
            "an empty key id",
            key_id(String::new()),
            "spec.keyId: Invalid value: \"\": spec.keyId in body should be at least 1 chars long",
        ),
        // managementPolicy, deletionPolicy, enabled
        passes("EnforceOnChange", create(json!({ "managementPolicy": "EnforceOnChange" }))),
        passes("Observe", create(json!({ "managementPolicy": "Observe" }))),
        refused(
            "another management policy",
            create(json!({ "managementPolicy": "Ignore" })),
            "spec.managementPolicy: Unsupported value: \"Ignore\": supported values: \"Enforce\", \"EnforceOnChange\", \"Observe\"",
        ),
        passes("Disable", create(json!({ "deletionPolicy": "Disable" }))),
        passes("Delete", create(json!({ "deletionPolicy": "Delete" }))),
        refused(
            "another deletion policy",
            create(json!({ "deletionPolicy": "Orphan" })),
            "spec.deletionPolicy: Unsupported value: \"Orphan\": supported values: \"Retain\", \"Disable\", \"Delete\"",
        ),
        refused(
            "a word for a boolean",
            create(json!({ "enabled": "yes" })),
            "spec.enabled: Invalid value: \"string\": spec.enabled in body must be of type boolean",
        ),
        // deletionScheduleDays
        passes("no deletion, said outright", days(json!(0))),
        passes("the shortest window", days(json!(7))),
        passes("a window that only some providers accept", days(json!(31))),
        passes("the longest window", days(json!(1096))),
        refused("a window of 6", days(json!(6)), zero_or_seven),
        refused("a window of 1", days(json!(1)), zero_or_seven),
        refused(
            "a window of -1",
            days(json!(-1)),
            "spec.deletionScheduleDays: Invalid value: -1: spec.deletionScheduleDays in body should be greater than or equal to 0",
        ),
        refused(
            "a window of 1097",
            days(json!(1097)),
            "spec.deletionScheduleDays: Invalid value: 1097: spec.deletionScheduleDays in body should be less than or equal to 1096",
        ),
        refused(
            "a window in quotes",
            days(json!("7")),
            "spec.deletionScheduleDays: Invalid value: \"string\": spec.deletionScheduleDays in body must be of type integer",
        ),
        refused("half a day", days(json!(7.5)), "Checked value must be of type integer with format int32 in spec.deletionScheduleDays"),
        // rotation
        passes("the shortest period", rotation(30)),
        passes("the longest period", rotation(2560)),
        passes("a period that only some providers accept", rotation(89)),
        refused(
            "a period of 29",
            rotation(29),
            "spec.rotationPeriodDays: Invalid value: 29: spec.rotationPeriodDays in body should be greater than or equal to 30",
        ),
        refused(
            "a period of 2561",
            rotation(2561),
            "spec.rotationPeriodDays: Invalid value: 2561: spec.rotationPeriodDays in body should be less than or equal to 2560",
        ),
        refused("a period alone", create(json!({ "rotationPeriodDays": 365 })), only_rotation),
        refused("a period without rotation", create(json!({ "autoRotation": false, "rotationPeriodDays": 365 })), only_rotation),
        refused("a period with rotation left alone", create(json!({ "autoRotation": null, "rotationPeriodDays": 365 })), only_rotation),
        // description
        passes("a description of 8192", description(8192)),
        passes("an empty description", description(0)),
        refused("a description of 8193", description(8193), "spec.description: Too long"),
        // tags
        passes("46 tags", create(json!({ "tags": tags(46) }))),
        refused("47 tags", create(json!({ "tags": tags(47) })), "spec.tags: Too many: 47: must have at most 46 items"),
        passes("a tag key of 128", create(tag(&text(128), "v"))),
        refused("a tag key of 129", create(tag(&text(129), "v")), "a tag key has 1 to 128 characters"),
        refused("a tag without a key", create(tag("", "v")), "a tag key has 1 to 128 characters"),
        passes("a tag value of 256", create(tag("k", &text(256)))),
        passes("an empty tag value", create(tag("k", ""))),
        refused("a tag value of 257", create(tag("k", &text(257))), "spec.tags.k: Too long"),
        passes("tags that only look reserved", create(json!({ "tags": { "aws-team": "v", "keyward": "v", "my-keyward-x": "v" } }))),
        refused("a tag of AWS", create(tag("aws:team", "v")), reserved_tag),
        refused("a mark of Keyward", create(tag("keyward-uid", "v")), reserved_tag),
        // aliases
        passes("49 aliases", create(json!({ "aliases": aliases(49) }))),
        refused("50 aliases", create(json!({ "aliases": aliases(50) })), "spec.aliases: Too many: 50: must have at most 49 items"),
        refused("an alias twice", create(json!({ "aliases": ["a", "a"] })), "spec.aliases[1]: Duplicate value: \"a\""),
        passes("an alias of 250", alias(&text(250))),
        passes("an alias with a path", alias("shop/orders_2-a")),
        refused("an alias of 251", alias(&text(251)), "spec.aliases[0]: Too long"),
        refused(
            "an empty alias",
            alias(""),
            "spec.aliases[0]: Invalid value: \"\": spec.aliases[0] in body should be at least 1 chars long",
        ),
        refused(
            "an alias with a space",
            alias("my orders"),
            "spec.aliases[0]: Invalid value: \"my orders\": spec.aliases[0] in body should match '^[a-zA-Z0-9/_-]+$'",
        ),
        refused("an alias with its prefix", alias("alias/orders"), "write the alias without the prefix alias/"),
        refused("an alias of AWS", alias("aws/s3"), reserved_alias),
        refused("an alias of Keyward", alias("keyward/prod/shop/orders"), reserved_alias),
        // policy
        passes("a policy of 32768", create(json!({ "policy": text(32_768) }))),
        refused("a policy of 32769", create(json!({ "policy": text(32_769) })), "spec.policy: Too long"),
        refused(
            "an empty policy",
            create(json!({ "policy": "" })),
            "spec.policy: Invalid value: \"\": spec.policy in body should be at least 1 chars long",
        ),
        // publishTo
        passes("publish to a Secret", publish(json!({ "kind": "Secret", "name": "a.b-c" }))),
        passes("no names of values", publish(json!({ "kind": "ConfigMap", "name": "a", "keys": { "keyId": null } }))),
        passes("two names exchanged", names(json!({ "keyId": "keyArn", "keyArn": "keyId" }))),
        passes("a name of a value of 253", names(json!({ "keyId": text(253) }))),
        refused("publish without a kind", publish(json!({ "name": "a" })), "spec.publishTo.kind: Required value"),
        refused("publish without a name", publish(json!({ "kind": "Secret" })), "spec.publishTo.name: Required value"),
        refused("publish to a Pod", publish(json!({ "kind": "Pod", "name": "a" })), "spec.publishTo.kind: Unsupported value: \"Pod\""),
        refused("publish to a long name", publish(json!({ "kind": "Secret", "name": text(254) })), "spec.publishTo.name: Too long"),
        refused(
            "publish to a path",
            publish(json!({ "kind": "Secret", "name": "../a" })),
            "spec.publishTo.name: Invalid value: \"../a\": spec.publishTo.name in body should match",
        ),
        refused(
            "publish to an object of Kubernetes",
            publish(json!({ "kind": "ConfigMap", "name": "kube-root-ca.crt" })),
            "names that begin with kube- are reserved",
        ),
        refused(
            "an id with a slash",
            names(json!({ "keyId": "a/b" })),
            "spec.publishTo.keys.keyId: Invalid value: \"a/b\": spec.publishTo.keys.keyId in body should match '^[-._a-zA-Z0-9]+$'",
        ),
        refused(
            "an ARN with a space",
            names(json!({ "keyArn": "a b" })),
            "spec.publishTo.keys.keyArn: Invalid value: \"a b\": spec.publishTo.keys.keyArn in body should match",
        ),
        refused(
            "an alias with a tab",
            names(json!({ "alias": "a\tb" })),
            "spec.publishTo.keys.alias: Invalid value: \"a\\tb\": spec.publishTo.keys.alias in body should match",
        ),
        refused(
            "a Region with a colon",
            names(json!({ "region": "a:b" })),
            "spec.publishTo.keys.region: Invalid value: \"a:b\": spec.publishTo.keys.region in body should match",
        ),
        refused(
            "an account with a star",
            names(json!({ "account": "*" })),
            "spec.publishTo.keys.account: Invalid value: \"*\": spec.publishTo.keys.account in body should match",
        ),
        refused(
            "a value without a name",
            names(json!({ "keyId": "" })),
            "spec.publishTo.keys.keyId in body should be at least 1 chars long",
        ),
        refused("a name of a value of 254", names(json!({ "keyId": text(254) })), "spec.publishTo.keys.keyId: Too long"),
        refused("a value named .", names(json!({ "keyId": "." })), "the name of a value is not . and does not begin with .."),
        refused("a value named ..a", names(json!({ "account": "..a" })), "the name of a value is not . and does not begin with .."),
        refused(
            "two values of one name",
            names(json!({ "keyId": "a", "alias": "a" })),
            "two values have one name; a value without a name has the name of its field",
        ),
        refused(
            "the name of another field",
            names(json!({ "keyId": "region" })),
            "two values have one name; a value without a name has the name of its field",
        ),
        // replicaOf
        passes("a replica of a named object", replica(json!({ "name": "orders" }))),
        passes("a name of 141", replica(json!({ "name": text(141) }))),
        passes("a replica of a key", replica(json!({ "keyArn": multi, "providerRef": { "name": "aws" } }))),
        passes("a provider's name of 253 for the primary key", replica(json!({ "keyArn": multi, "providerRef": { "name": text(253) } }))),
        refused("a replica of nothing", replica(json!({})), "set either name or keyArn"),
        refused(
            "a replica of two keys",
            replica(json!({ "name": "a", "keyArn": multi, "providerRef": { "name": "aws" } })),
            "set either name or keyArn",
        ),
        refused("a replica of a key without its provider", replica(json!({ "keyArn": multi })), only_with_arn),
        refused(
            "a replica of an object with a provider",
            replica(json!({ "name": "a", "providerRef": { "name": "aws" } })),
            "name needs none",
        ),
        refused(
            "a replica of an object without a name",
            replica(json!({ "name": "" })),
            "spec.replicaOf.name: Invalid value: \"\": spec.replicaOf.name in body should be at least 1 chars long",
        ),
        refused("a replica of a long name", replica(json!({ "name": text(142) })), "spec.replicaOf.name: Too long"),
        refused(
            "a replica of a key of one Region",
            replica(json!({ "keyArn": "arn:aws:kms:eu-west-1:111122223333:key/1234", "providerRef": { "name": "aws" } })),
            "spec.replicaOf.keyArn: Invalid value: \"arn:aws:kms:eu-west-1:111122223333:key/1234\": spec.replicaOf.keyArn in body should match",
        ),
        refused(
            "a replica of a long ARN",
            replica(json!({ "keyArn": format!("{multi}{}", "0".repeat(256)), "providerRef": { "name": "aws" } })),
            "spec.replicaOf.keyArn: Too long",
        ),
        refused(
            "a replica of an empty ARN",
            replica(json!({ "keyArn": "", "providerRef": { "name": "aws" } })),
            "spec.replicaOf.keyArn in body should be at least 1 chars long",
        ),
        refused(
            "a provider of the primary key without a name",
            replica(json!({ "keyArn": multi, "providerRef": { "name": "" } })),
            "spec.replicaOf.providerRef.name: Invalid value: \"\": spec.replicaOf.providerRef.name in body should be at least 1 chars long",
        ),
        refused(
            "a provider of the primary key with a long name",
            replica(json!({ "keyArn": multi, "providerRef": { "name": text(254) } })),
            "spec.replicaOf.providerRef.name: Too long",
        ),
        refused(
            "a replica that is adopted",
            create(json!({ "replicaOf": { "name": "a" }, "keyId": "k-1" })),
            "replicaOf makes a new replica; to adopt one that exists, set keyId without replicaOf",
        ),
        refused(
            "a replica of another kind",
            create(json!({ "replicaOf": { "name": "a" }, "key": {} })),
            "a replica is of the kind of its primary; remove key",
        ),
        // key
        passes("an empty key", create(json!({ "key": {} }))),
        passes("a key spec of 64", key("spec", text(64))),
        refused("a key spec of 65", key("spec", text(65)), "spec.key.spec: Too long"),
        refused(
            "a key spec with a dash",
            key("spec", "RSA-2048".into()),
            "spec.key.spec: Invalid value: \"RSA-2048\": spec.key.spec in body should match '^[A-Za-z0-9_]+$'",
        ),
        refused(
            "an empty usage",
            key("usage", String::new()),
            "spec.key.usage: Invalid value: \"\": spec.key.usage in body should be at least 1 chars long",
        ),
        refused(
            "a usage of two words",
            key("usage", "SIGN VERIFY".into()),
            "spec.key.usage: Invalid value: \"SIGN VERIFY\": spec.key.usage in body should match '^[A-Za-z0-9_]+$'",
        ),
        refused(
            "an origin with a slash",
            key("origin", "AWS/KMS".into()),
            "spec.key.origin: Invalid value: \"AWS/KMS\": spec.key.origin in body should match '^[A-Za-z0-9_]+$'",
        ),
    ]
}

fn changes() -> Vec<Row> {
    let key = || json!({ "key": { "spec": "RSA_2048", "usage": "SIGN_VERIFY" } });
    let no_other_key = "key cannot be added or removed; make a new object for a key of another kind";
    vec![
        // deletionScheduleDays: the way in, and above all the way out.
        passes("schedule", change_bound(json!({}), json!({ "deletionScheduleDays": 7 }))),
        passes("another window", change_bound(json!({ "deletionScheduleDays": 7 }), json!({ "deletionScheduleDays": 30 }))),
        passes(
            "cancel by taking the field out",
            change_bound(json!({ "deletionScheduleDays": 7 }), json!({ "deletionScheduleDays": null })),
        ),
        passes("cancel by 0", change_bound(json!({ "deletionScheduleDays": 7 }), json!({ "deletionScheduleDays": 0 }))),
        // keyId
        passes("adopt while no key is bound", change(json!({}), json!({ "keyId": "k-2" }))),
        refused(
            "another key to adopt",
            change(json!({ "keyId": "k-2" }), json!({ "keyId": "k-3" })),
            "keyId cannot be changed; make a new object for another key",
        ),
        refused(
            "no key to adopt any more",
            change(json!({ "keyId": "k-2" }), json!({ "keyId": null })),
            "keyId cannot be removed; make a new object for another key",
        ),
        passes("name the bound key by its id", change_bound(json!({}), json!({ "keyId": "k-1" }))),
        passes("name the bound key by its ARN", change_bound(json!({}), json!({ "keyId": "arn:aws:kms:eu-west-1:111122223333:key/k-1" }))),
        refused(
            "adopt another key than the bound one",
            change_bound(json!({}), json!({ "keyId": "k-2" })),
            "spec.keyId: Invalid value: this object already manages key k-1; make a new object to adopt another one",
        ),
        passes("edit what was adopted by an alias", change_bound(json!({ "keyId": "alias/orders" }), json!({ "enabled": false }))),
        // providerRef
        refused(
            "another provider",
            change(json!({}), json!({ "providerRef": { "name": "other" } })),
            "providerRef is immutable; make a new object for a key elsewhere",
        ),
        passes("the default provider, named", change(json!({}), json!({ "providerRef": { "name": "default" } }))),
        passes(
            "the default provider, no longer named",
            change(json!({ "providerRef": { "name": "default" } }), json!({ "providerRef": null })),
        ),
        refused(
            "no provider any more",
            change(json!({ "providerRef": { "name": "other" } }), json!({ "providerRef": null })),
            "providerRef is immutable",
        ),
        // replicaOf
        refused(
            "a replica of another key",
            change(json!({ "replicaOf": { "name": "a" } }), json!({ "replicaOf": { "name": "b" } })),
            "replicaOf is immutable; make a new object for another replica",
        ),
        refused(
            "a replica of no key any more",
            change(json!({ "replicaOf": { "name": "a" } }), json!({ "replicaOf": null })),
            "replicaOf cannot be added or removed; make a new object",
        ),
        refused(
            "a replica after all",
            change(json!({}), json!({ "replicaOf": { "name": "a" } })),
            "replicaOf cannot be added or removed; make a new object",
        ),
        passes("the primary key, and not any more", change(json!({ "primary": true }), json!({ "primary": null }))),
        // key
        refused("a template where there was none", change(json!({}), key()), no_other_key),
        refused("no template any more", change(key(), json!({ "key": null })), no_other_key),
        refused(
            "another template",
            change(key(), json!({ "key": { "spec": "RSA_4096" } })),
            "key is immutable; make a new object for a key of another kind",
        ),
        refused(
            "a key store for a key of AWS's own",
            create(json!({ "key": { "customKeyStoreId": "cks-1" } })),
            "customKeyStoreId needs origin AWS_CLOUDHSM or EXTERNAL_KEY_STORE",
        ),
        refused(
            "an external key in a cluster",
            create(json!({ "key": { "origin": "AWS_CLOUDHSM", "customKeyStoreId": "cks-1", "xksKeyId": "a" } })),
            "xksKeyId needs origin EXTERNAL_KEY_STORE",
        ),
        refused(
            "an external key with a slash",
            create(json!({ "key": { "origin": "EXTERNAL_KEY_STORE", "customKeyStoreId": "cks-1", "xksKeyId": "a/b" } })),
            "spec.key.xksKeyId: Invalid value: \"a/b\": spec.key.xksKeyId in body should match '^[a-zA-Z0-9_.-]+$'",
        ),
        refused(
            "a key store without a name",
            create(json!({ "key": { "origin": "AWS_CLOUDHSM", "customKeyStoreId": "" } })),
            "spec.key.customKeyStoreId: Invalid value: \"\": spec.key.customKeyStoreId in body should be at least 1 chars long",
        ),
        refused(
            "a key store with a long name",
            create(json!({ "key": { "origin": "AWS_CLOUDHSM", "customKeyStoreId": "c".repeat(65) } })),
            "spec.key.customKeyStoreId: Too long",
        ),
        passes(
            "an external key",
            create(json!({ "key": { "origin": "EXTERNAL_KEY_STORE", "customKeyStoreId": "cks-1", "xksKeyId": "a.b-C_1" } })),
        ),
        passes("a key in a store that the manifest does not name", create(json!({ "keyId": "k-1", "key": { "origin": "AWS_CLOUDHSM" } }))),
        passes("the template's defaults, said outright", change(key(), json!({ "key": { "multiRegion": false } }))),
        // rotation
        refused(
            "rotation off with a period left behind",
            change(json!({ "autoRotation": true, "rotationPeriodDays": 90 }), json!({ "autoRotation": false })),
            "rotationPeriodDays needs autoRotation: true",
        ),
        passes(
            "rotation off, and no period",
            change(json!({ "autoRotation": true, "rotationPeriodDays": 90 }), json!({ "autoRotation": false, "rotationPeriodDays": null })),
        ),
        // the rest can be changed at any time
        passes(
            "settings of a bound key",
            change_bound(
                json!({ "tags": { "a": "b" }, "aliases": ["c"] }),
                json!({ "tags": null, "aliases": ["d"], "description": "e", "enabled": false, "deletionPolicy": "Delete", "managementPolicy": "Observe" }),
            ),
        ),
        // status
        passes("another state of the same key", status(json!({ "keyState": "PendingDeletion", "deletionDate": "2026-12-01T00:00:00Z" }))),
        // Those of two specs, of which the first is not forgotten before the second is applied in full.
        passes("what was applied, of two specs", status(json!({ "applied": applied(46 + 46, 49 + 49) }))),
        passes("what was applied, at most", status(json!({ "applied": applied(MOST_APPLIED, MOST_APPLIED) }))),
        refused("more tags", status(json!({ "applied": applied(MOST_APPLIED + 1, 0) })), "status.applied.tagKeys: Too many"),
        refused("more aliases", status(json!({ "applied": applied(0, MOST_APPLIED + 1) })), "status.applied.aliases: Too many"),
        refused("another key in status", status(json!({ "keyId": "k-2" })), "status.keyId cannot be changed or removed once it is set"),
        refused("no key in status any more", status(json!({ "keyId": null })), "status.keyId cannot be changed or removed once it is set"),
        passes(
            "the largest number of a word",
            status(json!({ "intentSeq": 9_007_199_254_740_992_i64, "intentWord": "held-abcdef", "intentReason": "CancelledOutside" })),
        ),
        refused("a number beyond it", status(json!({ "intentSeq": 9_007_199_254_740_993_i64 })), "status.intentSeq"),
        refused("the largest number there is", status(json!({ "intentSeq": i64::MAX })), "status.intentSeq"),
        refused("a number below none", status(json!({ "intentSeq": -1 })), "status.intentSeq"),
        refused("a word that Keyward does not write", status(json!({ "intentWord": "held-ABC" })), "status.intentWord"),
        refused("a reason that holds nothing", status(json!({ "intentReason": "Available" })), "status.intentReason"),
        refused(
            "more answers than are counted",
            status(json!({ "missing": { "count": i32::MAX, "firstTime": "2026-11-29T00:00:00Z" } })),
            "status.missing.count",
        ),
        refused(
            "more attempts to publish",
            status(
                json!({ "publishAttempts": (0..9).map(|number| json!({ "kind": "Secret", "name": number.to_string() })).collect::<Vec<_>>() }),
            ),
            "status.publishAttempts: Too many",
        ),
        refused("a state that no key has", status(json!({ "keyState": "Zombie" })), "status.keyState: Unsupported value: \"Zombie\""),
    ]
}

fn api(namespace: &str, client: kube::Client) -> Api<DynamicObject> {
    Api::namespaced_with(client, namespace, &ApiResource::erase::<ManagedKey>(&()))
}

/// Shows S6.
#[tokio::test]
async fn what_can_be_created() {
    let cluster = shared();
    try_all(&api(&cluster.namespace("create").await, cluster.client().await), &creations()).await;
}

/// Shows S4.
#[tokio::test]
async fn what_can_be_changed() {
    let cluster = shared();
    try_all(&api(&cluster.namespace("change").await, cluster.client().await), &changes()).await;
}

#[test]
fn each_rule_and_bound_has_a_row() {
    let rows: Vec<_> = creations().into_iter().chain(changes()).collect();
    let crds = crds();
    assert_complete(crds.iter().find(|crd| crd.spec.names.kind == "ManagedKey").unwrap(), &rows);
}

/// Null means absent, for each field alone and for all of them.
#[tokio::test]
async fn null_means_absent() {
    let cluster = shared();
    let api = api(&cluster.namespace("null").await, cluster.client().await);
    let crds = crds();
    let schema = crds[0].spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema.as_ref().unwrap();
    let fields: Vec<_> = schema.properties.as_ref().unwrap()["spec"].properties.as_ref().unwrap().keys().cloned().collect();
    let null = |fields: &[String]| fields.iter().map(|field| (field.clone(), Value::Null)).collect::<Map<_, _>>();
    for spec in fields.iter().map(|field| null(std::slice::from_ref(field))).chain([null(&fields)]) {
        let object = object(spec.clone().into());
        let stored = api.create(&PostParams::default(), &dynamic(&object)).await.unwrap_or_else(|error| panic!("{spec:?}: {error}"));
        let stored: ManagedKey = api.get(&stored.name_any()).await.unwrap().try_parse().unwrap();
        assert_eq!(stored.spec, ManagedKeySpec::default(), "{spec:?}");
    }
    for field in ["spec", "usage", "origin", "multiRegion", "customKeyStoreId", "xksKeyId"] {
        let object = object(json!({ "key": { field: null }, "providerRef": { "name": null } }));
        let stored: ManagedKey = api.create(&PostParams::default(), &dynamic(&object)).await.unwrap().try_parse().unwrap();
        assert_eq!(
            stored.spec,
            ManagedKeySpec { key: Some(keyward::api::managed_key::KeyTemplate::default()), ..ManagedKeySpec::default() }
        );
    }
}

/// Tools take an object for "in progress" until Keyward has looked at it.
#[tokio::test]
async fn a_fresh_object_was_never_observed() {
    let cluster = shared();
    let api = api(&cluster.namespace("fresh").await, cluster.client().await);
    let stored = api.create(&PostParams::default(), &dynamic(&object(json!({})))).await.unwrap();
    assert_eq!(stored.data["status"], json!({ "observedGeneration": -1 }));
}
