//! Who may not have a replica, and which keys are never taken for one.

use keyward::api::ConditionType;
use serde_json::{Value, json};

use super::{ABROAD, made, primary, provide_abroad, replica, scene};
use crate::support::{
    scene::{Scene, find, message},
    vendor::AWS,
};

/// Shows S3.
#[tokio::test]
async fn a_key_of_another_namespace_is_not_replicated() {
    let rules = json!({ "adoption": { "from": "Rules", "rules": [{ "namespaces": ["*"], "keys": ["*"] }] } });
    let scene = Scene::with("tenant", kms_double::Options::default(), rules).await;
    provide_abroad(&scene, json!({})).await;
    let bank = scene.another_namespace("bank").await;
    let other: keyward::api::ManagedKey = serde_json::from_value(json!({
        "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": { "name": "orders" },
        "spec": { "providerRef": { "name": scene.provider }, "key": { "multiRegion": true } },
    }))
    .unwrap();
    let api = kube::Api::<keyward::api::ManagedKey>::namespaced(scene.client.clone(), &bank);
    api.create(&kube::api::PostParams::default(), &other).await.unwrap();
    let arn = crate::support::eventually("the key of the bank", crate::support::operator::WITHIN, async || {
        api.get("orders").await.unwrap().status.and_then(|status| status.key_id.and(status.key_arn)).ok_or("no key")
    })
    .await;
    scene.create("mine", by_arn(&scene, &arn)).await;
    let refused = scene.until_ready("mine", "False", "OwnedByAnother").await;
    assert!(find(&refused, ConditionType::Stalled).is_some() && !message(&refused).contains(&bank), "{}", message(&refused));
    // The name of an object is that of this namespace.
    scene.create("named", replica(&scene, json!({}))).await;
    scene.until_ready("named", "False", "KeyNotReady").await;

    // A key that nobody has is replicated where the adoption rules admit it, and not elsewhere.
    let foreign = scene.person().create_key().multi_region(true).send().await.unwrap().key_metadata.and_then(|key| key.arn).unwrap();
    scene.create("admitted", by_arn(&scene, &foreign)).await;
    super::settled(&scene, "admitted").await;
    scene.provide(&scene.provider, json!({ "adoption": { "from": "None", "rules": null } })).await;
    let foreign = scene.person().create_key().multi_region(true).send().await.unwrap().key_metadata.and_then(|key| key.arn).unwrap();
    scene.create("not-admitted", by_arn(&scene, &foreign)).await;
    scene.until_ready("not-admitted", "False", "AdoptionNotAllowed").await;
    assert_eq!(scene.calls("ReplicateKey").len(), 1);
}

fn by_arn(scene: &Scene, arn: &str) -> Value {
    replica(scene, json!({ "replicaOf": { "name": null, "keyArn": arn, "providerRef": { "name": scene.provider } } }))
}

/// Shows S3.
#[tokio::test]
async fn a_replica_that_somebody_else_made_is_not_taken() {
    let scene = scene(&AWS, "theirs").await;
    primary(&scene).await;
    let of = scene.key("orders").await;
    scene.person().replicate_key().key_id(&of.arn).replica_region(ABROAD).send().await.unwrap();
    let theirs = of.arn.replace("eu-west-1", ABROAD);
    scene.create("there", replica(&scene, json!({}))).await;
    let refused = scene.until_ready("there", "False", "ClaimUnclear").await;
    assert!(message(&refused).contains("to adopt it, delete this object and make one with spec.keyId"), "{}", message(&refused));
    assert!(scene.double.key(&theirs).unwrap().tags.is_empty() && scene.calls("ReplicateKey").is_empty());

    // The second of two objects finds the replica of the first one.
    scene.person_in(ABROAD).schedule_key_deletion().key_id(&theirs).pending_window_in_days(7).send().await.unwrap();
    scene.double.advance(jiff::SignedDuration::from_hours(24 * 8)).unwrap();
    scene.look("there").await;
    super::settled(&scene, "there").await;
    scene.create("second", replica(&scene, json!({}))).await;
    let refused = scene.until_ready("second", "False", "OwnedByAnother").await;
    assert!(message(&refused).contains(&theirs), "{}", message(&refused));
    assert_eq!(scene.calls("ReplicateKey").len(), 1);
}

#[tokio::test]
async fn a_key_that_cannot_be_replicated_is_named() {
    let scene = scene(&AWS, "not-primary").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.create("there", replica(&scene, json!({}))).await;
    let refused = scene.until_ready("there", "False", "NotAPrimary").await;
    assert!(message(&refused).contains("is no multi-Region key"), "{}", message(&refused));
    // In its own Region there is no room for a replica.
    scene.create("multi", json!({ "key": { "multiRegion": true } })).await;
    scene.until_ready("multi", "True", "Available").await;
    scene.create("here", replica(&scene, json!({ "providerRef": { "name": scene.provider }, "replicaOf": { "name": "multi" } }))).await;
    let refused = scene.until_ready("here", "False", "InvalidSpec").await;
    assert!(message(&refused).contains("a replica is in another Region"), "{}", message(&refused));
    scene.create("itself", replica(&scene, json!({ "replicaOf": { "name": "itself" } }))).await;
    scene.until_ready("itself", "False", "InvalidSpec").await;
    assert!(scene.calls("ReplicateKey").is_empty());
}

/// Shows S4.
#[tokio::test]
async fn a_replica_that_is_lost_is_not_made_again() {
    let scene = scene(&AWS, "lost").await;
    primary(&scene).await;
    made(&scene, "there", json!({})).await;
    let arn = scene.key("there").await.arn;
    scene.person_in(ABROAD).schedule_key_deletion().key_id(&arn).pending_window_in_days(7).send().await.unwrap();
    scene.double.advance(jiff::SignedDuration::from_hours(24 * 8)).unwrap();
    for _ in 0..3 {
        scene.look("there").await;
    }
    scene.until_synced("there", "False", "KeyMissing").await;
    assert_eq!(scene.calls("ReplicateKey").len(), 1);
}
