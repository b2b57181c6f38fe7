//! Specs that the API server takes and a key cannot: a sentence that says what to change, and no key that nobody asked for.

use keyward::api::ConditionType;
use serde_json::{Value, json};

use crate::support::scene::{Scene, find, message};

/// Creates `orders`, and sees that it is refused with those words and that nothing is called for it but reads.
async fn refused(name: &str, spec: Value, words: &[&str]) {
    let scene = Scene::new(name).await;
    scene.create("orders", spec).await;
    let object = scene.until_ready("orders", "False", "InvalidSpec").await;
    assert!(find(&object, ConditionType::Stalled).is_some());
    for word in words {
        assert!(message(&object).contains(word), "{word}: {}", message(&object));
    }
    scene.look("orders").await;
    assert_eq!(scene.changes(0), [""; 0]);
    let calls = scene.operator_calls().into_iter().filter(|entry| entry.service == "kms").count();
    assert!(calls <= 5, "{calls} calls for an object that waits for a person");
}

#[tokio::test]
async fn rotation_of_keys_that_the_kms_does_not_rotate_is_refused_before_one_is_made() {
    for (spec, usage, origin) in [
        ("RSA_2048", "SIGN_VERIFY", "AWS_KMS"),
        ("HMAC_256", "GENERATE_VERIFY_MAC", "AWS_KMS"),
        ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "EXTERNAL"),
    ] {
        let key = json!({ "spec": spec, "usage": usage, "origin": origin });
        refused("unrotated", json!({ "autoRotation": true, "key": key }), &["spec.autoRotation", spec, origin]).await;
    }
}

#[tokio::test]
async fn a_rotation_period_that_the_kms_does_not_accept_is_refused() {
    refused("period", json!({ "autoRotation": true, "rotationPeriodDays": 89 }), &["spec.rotationPeriodDays", "90 to 2560"]).await;
}

#[tokio::test]
async fn a_replica_takes_its_rotation_from_its_primary() {
    let rules = json!({ "adoption": { "from": "Rules", "rules": [{ "namespaces": ["*"], "keys": ["*"] }] } });
    let scene = Scene::with("replica-rotation", kms_double::Options::default(), rules).await;
    let made = scene.person_in("us-east-1").create_key().multi_region(true).send().await.unwrap();
    let primary = made.key_metadata.and_then(|key| key.arn).unwrap();
    scene.person_in("us-east-1").replicate_key().key_id(&primary).replica_region("eu-west-1").send().await.unwrap();
    scene.double.advance(jiff::SignedDuration::from_mins(1)).unwrap();
    let replica = primary.replace("us-east-1", "eu-west-1");
    scene.create("orders", json!({ "keyId": replica, "autoRotation": true })).await;
    let object = scene.until_ready("orders", "False", "InvalidSpec").await;
    assert!(message(&object).contains(&primary), "{}", message(&object));
    assert!(scene.calls("EnableKeyRotation").is_empty());
    scene.spec("orders", json!({ "autoRotation": null })).await;
    scene.until_ready("orders", "True", "Available").await;
}

#[tokio::test]
async fn what_the_provider_does_not_allow_is_refused() {
    let allow = json!({ "allow": { "tagKeys": ["team"], "aliases": ["shop-*"] } });
    let scene = Scene::with("allow", kms_double::Options::default(), allow).await;
    scene.create("orders", json!({ "tags": { "team": "shop", "admin": "yes" } })).await;
    let object = scene.until_ready("orders", "False", "InvalidSpec").await;
    assert!(message(&object).contains("admin") && message(&object).contains("spec.allow.tagKeys"), "{}", message(&object));
    scene.spec("orders", json!({ "tags": { "admin": null }, "aliases": ["bank-orders"] })).await;
    let object = scene.until("orders", "the alias is refused", |object| message(object).contains("bank-orders")).await;
    assert!(message(&object).contains("spec.allow.aliases"), "{}", message(&object));
    assert_eq!(scene.changes(0), [""; 0]);
    scene.spec("orders", json!({ "aliases": ["shop-orders"] })).await;
    scene.until_ready("orders", "True", "Available").await;
}
