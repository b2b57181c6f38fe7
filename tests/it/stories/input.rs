//! What a person gets wrong in a provider, its secret or a `keyId`: a sentence that says what to change, no storm of requests, and nobody else held up.

use std::net::SocketAddr;

use keyward::api::{ConditionType, key_provider::ProviderType};
use kms_double::{
    CIPHERTRUST_USER, Fault, FaultAction, HUAWEI_ACCESS_KEY, HUAWEI_SECOND_PROJECT, HUAWEI_SECRET_KEY, Options, SECOND_ACCOUNT,
};
use serde_json::{Value, json};

use crate::support::{
    nowhere,
    scene::{Scene, find, merge, message},
    vendor::{self, Vendor},
};

/// A provider that is wrong.
struct Wrong {
    name: &'static str,
    /// Laid over the provider's spec.
    spec: Value,
    /// Laid over its secret.
    secret: Value,
    reason: &'static str,
    /// What its objects have to say.
    words: &'static [&'static str],
}

fn wrong(name: &'static str, spec: Value, secret: Value, reason: &'static str, words: &'static [&'static str]) -> Wrong {
    Wrong { name, spec, secret, reason, words }
}

/// How a provider is pointed somewhere else.
fn elsewhere(vendor: &Vendor, address: SocketAddr) -> Value {
    match vendor.provider {
        ProviderType::CipherTrust => json!({ "cipherTrust": { "url": format!("https://{address}") } }),
        ProviderType::Aws => json!({ "aws": { "endpoint": format!("http://{address}"), "stsEndpoint": format!("http://{address}") } }),
        ProviderType::Huawei => json!({ "huawei": { "endpoint": format!("http://{address}") } }),
    }
}

async fn told(scene: &Scene, rows: &[Wrong]) {
    for row in rows {
        let name = format!("{}-{}", scene.provider, row.name);
        let mut secret = scene.vendor.secret(&scene.double);
        merge(&mut secret, row.secret.clone());
        scene.secret_of(&name, secret).await;
        let reference = json!({ "name": name });
        let mut spec = match scene.vendor.provider {
            ProviderType::CipherTrust => json!({ "cipherTrust": { "credentialsSecretRef": reference, "caSecretRef": reference } }),
            ProviderType::Aws => json!({ "aws": { "credentialsSecretRef": reference } }),
            ProviderType::Huawei => json!({ "huawei": { "credentialsSecretRef": reference } }),
        };
        merge(&mut spec, row.spec.clone());
        if row.spec.pointer("/cipherTrust/caSecretRef").is_some_and(Value::is_null) {
            // For the provider to lack it, too.
            spec["cipherTrust"]["caSecretRef"] = Value::Null;
        }
        scene.provide(&name, spec).await;
        scene.create(row.name, json!({ "providerRef": { "name": name } })).await;
    }
    for row in rows {
        let object = scene.until_ready(row.name, "False", row.reason).await;
        for word in row.words {
            assert!(message(&object).contains(word), "{}: no {word:?} in: {}", row.name, message(&object));
        }
        for secret in ["wrong-secret", HUAWEI_SECRET_KEY] {
            assert!(!message(&object).contains(secret), "{}: {}", row.name, message(&object));
        }
        // An unreachable KMS may come back by itself. All other errors wait for a person.
        let passes = row.reason == "ProviderUnavailable";
        assert_eq!(find(&object, ConditionType::Stalled).is_none(), passes, "{}: {:?}", row.name, object.status);
    }
    scene.create("good", json!({})).await;
    scene.until_ready("good", "True", "Available").await;
    for row in rows {
        let before = scene.operator_calls().len();
        scene.look(row.name).await;
        let calls = scene.operator_calls().len() - before;
        assert!(calls <= 5, "{}: {calls} calls for a look", row.name);
    }
    assert_eq!(scene.calls(scene.vendor.operations.create).len(), 1, "nothing is created through a provider that is wrong");
}

#[tokio::test]
async fn what_is_wrong_in_a_provider_of_ciphertrust_is_said() {
    let scene = Scene::of(&vendor::CIPHER_TRUST, "ct-input", Options::default(), json!({ "resyncSeconds": 600 })).await;
    let (_closed, address) = nowhere();
    let rows = [
        wrong("password", json!({}), json!({ "password": "wrong-secret" }), "CredentialsInvalid", &["password"]),
        wrong("user", json!({}), json!({ "username": "nobody" }), "CredentialsInvalid", &["username"]),
        wrong("domain", json!({ "cipherTrust": { "domain": "nowhere" } }), json!({}), "CredentialsInvalid", &["domain"]),
        wrong(
            "authority",
            json!({ "cipherTrust": { "caSecretRef": null } }),
            json!({}),
            "ProviderUnavailable",
            &["certificate", "caSecretRef"],
        ),
        wrong("no-pem", json!({}), json!({ "ca.crt": "no certificate" }), "InvalidSpec", &["PEM", "ca.crt"]),
        wrong("kms", json!({ "cipherTrust": { "kms": "nobodys" } }), json!({}), "InvalidSpec", &["nobodys"]),
        wrong("region", json!({ "cipherTrust": { "region": "xx-north-9" } }), json!({}), "InvalidSpec", &["xx-north-9", "eu-west-1"]),
        wrong("no-key", json!({}), json!({ "password": "" }), "CredentialsInvalid", &["password", "add it"]),
        wrong("host", elsewhere(scene.vendor, address), json!({}), "ProviderUnavailable", &["cannot reach", "127.0.0.1"]),
    ];
    told(&scene, &rows).await;
}

#[tokio::test]
async fn what_is_wrong_in_a_provider_of_huawei_is_said() {
    let scene = Scene::of(&vendor::HUAWEI, "hw-input", Options::default(), json!({ "resyncSeconds": 600 })).await;
    let (_closed, address) = nowhere();
    let rows = [
        wrong("secret", json!({}), json!({ "secretKey": "wrong-secret" }), "CredentialsInvalid", &["secretKey", "clock"]),
        wrong("access-key", json!({}), json!({ "accessKey": "NOBODY" }), "CredentialsInvalid", &["accessKey"]),
        wrong("project", json!({ "huawei": { "projectId": HUAWEI_SECOND_PROJECT } }), json!({}), "WrongAccount", &["project"]),
        wrong("no-key", json!({}), json!({ "secretKey": "" }), "CredentialsInvalid", &["secretKey", "add it"]),
        wrong(
            "login",
            json!({ "huawei": { "auth": "Password" } }),
            json!({ "username": "nobody", "password": "wrong-secret" }),
            "CredentialsInvalid",
            &["password"],
        ),
        wrong("host", elsewhere(scene.vendor, address), json!({}), "ProviderUnavailable", &["cannot reach", "127.0.0.1"]),
    ];
    told(&scene, &rows).await;
}

#[tokio::test]
async fn a_clock_that_is_off_is_said_and_passes_when_it_is_right() {
    let scene = Scene::of(&vendor::HUAWEI, "hw-clock", Options::default(), json!({})).await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    // What Huawei answers to a request that is signed 20 minutes off.
    let skewed = FaultAction::Error { code: "APIGW.0301".into(), status: 401, message: "Incorrect IAM authentication information".into() };
    scene.double.inject(Fault::on("*", skewed).for_caller(HUAWEI_ACCESS_KEY));
    scene.look("orders").await;
    let object = scene.until_ready("orders", "False", "CredentialsInvalid").await;
    assert!(message(&object).contains("clock"), "{}", message(&object));
    assert!(object.status.unwrap().missing.is_none(), "it is not taken for absent");
    scene.double.clear_faults();
    scene.look("orders").await;
    scene.until_ready("orders", "True", "Available").await;
}

#[tokio::test]
async fn a_token_that_has_expired_is_replaced() {
    for vendor in [&vendor::CIPHER_TRUST, &vendor::HUAWEI] {
        let spec = match vendor.provider {
            ProviderType::Huawei => json!({ "huawei": { "auth": "Password" } }),
            _ => json!({}),
        };
        let scene = Scene::of(vendor, "token", Options::default(), json!({})).await;
        if vendor.provider == ProviderType::Huawei {
            let login = json!({
                "username": kms_double::HUAWEI_USER, "password": kms_double::HUAWEI_PASSWORD, "domain": kms_double::HUAWEI_DOMAIN_NAME,
            });
            scene.secret_of(&scene.provider, login).await;
            scene.provide(&scene.provider, spec).await;
        }
        scene.create("orders", json!({})).await;
        scene.until_ready("orders", "True", "Available").await;
        // A day and more at the KMS; here no time has passed.
        scene.double.advance(jiff::SignedDuration::from_hours(25)).unwrap();
        scene.spec("orders", json!({ "enabled": false })).await;
        scene.until_ready("orders", "True", "Disabled").await;
        assert!(!scene.events("orders").await.contains(&"SyncFailed".to_owned()), "nobody is told of it");
    }
}

/// A KMS, and objects with a `keyId` that is none of its own: name, id, reason.
type Foreign = (&'static Vendor, Vec<(&'static str, String, &'static str)>);

#[tokio::test]
async fn a_key_id_of_a_foreign_cloud_or_place_is_refused_with_the_way_out() {
    let id = "12345678-1234-1234-1234-123456789012";
    let arn = |account: &str, region: &str| format!("arn:aws:kms:{region}:{account}:key/{id}");
    let urn = |region: &str| format!("kms:{region}:0123456789abcdef0123456789abcdef:KeyId:{id}");
    let rows: [Foreign; 3] = [
        (&vendor::AWS, vec![("urn", urn("eu-west-101"), "KeyMissing")]),
        (
            &vendor::CIPHER_TRUST,
            vec![
                ("urn", urn("eu-west-101"), "InvalidSpec"),
                ("account", arn(SECOND_ACCOUNT, "eu-west-1"), "AdoptionNotAllowed"),
                ("region", arn(vendor::CIPHER_TRUST.account, "us-east-1"), "AdoptionNotAllowed"),
                ("nobodys", id.into(), "KeyMissing"),
            ],
        ),
        (
            &vendor::HUAWEI,
            vec![
                ("arn", arn(vendor::AWS.account, "eu-west-1"), "InvalidSpec"),
                ("upper", id.to_uppercase().replace('1', "A"), "InvalidSpec"),
                ("region", urn("cn-north-4"), "InvalidSpec"),
                ("nobodys", id.into(), "KeyMissing"),
            ],
        ),
    ];
    for (vendor, rows) in rows {
        let any = json!({ "adoption": { "from": "Rules", "rules": [{ "namespaces": ["*"], "keys": ["*"] }] } });
        let scene = Scene::of(vendor, "foreign", Options::default(), any).await;
        for (name, id, _) in &rows {
            scene.create(name, json!({ "keyId": id })).await;
        }
        for (name, id, reason) in &rows {
            let object = scene.until_ready(name, "False", reason).await;
            assert!(find(&object, ConditionType::Stalled).is_some(), "{name}: {:?}", object.status);
            assert!(message(&object).contains(id.as_str()), "{name}: {}", message(&object));
        }
        assert_eq!(scene.changes(0), [""; 0], "{:?}", vendor.provider);
        let caller = scene.operator_calls().into_iter().filter_map(|entry| entry.access_key).next_back();
        assert!(vendor.provider != ProviderType::CipherTrust || caller.as_deref() == Some(CIPHERTRUST_USER));
    }
}
