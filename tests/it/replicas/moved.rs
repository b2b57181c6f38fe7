//! The primary key moves to another Region.

use keyward::api::{ConditionType, replica_of::MultiRegionRole};
use serde_json::{Value, json};

use super::{ABROAD, made, primary, replica, scene, settled};
use crate::support::{
    eventually,
    operator::WITHIN,
    scene::{Scene, describe, find, message},
    vendor::{AWS, CIPHER_TRUST, Vendor},
};

#[tokio::test]
async fn a_replica_becomes_the_primary_key() {
    moves(&AWS, "UpdatePrimaryRegion").await;
}

#[tokio::test]
async fn a_replica_becomes_the_primary_key_behind_ciphertrust() {
    moves(&CIPHER_TRUST, "update-primary-region").await;
}

async fn moves(vendor: &'static Vendor, operation: &str) {
    let scene = scene(vendor, "moves").await;
    primary(&scene).await;
    made(&scene, "there", json!({})).await;
    // What a replica cannot have is declared for the time after that.
    scene.spec("there", json!({ "primary": true, "autoRotation": true })).await;
    let moved = scene.until_event("there", "PrimaryMoved").await;
    assert!(moved.contains(&scene.key("orders").await.arn), "{moved}");
    let object = settled(&scene, "there").await;
    let facts = object.status.as_ref().unwrap().multi_region.clone().unwrap();
    assert_eq!(facts.role, MultiRegionRole::Primary, "{}", describe(&object));
    let former = settled(&scene, "orders").await;
    assert_eq!(former.status.unwrap().multi_region.unwrap().primary_key_arn, object.status.unwrap().key_arn);
    assert!(scene.key("there").await.rotation.enabled);
    scene.look_at_all("there").await;
    scene.look_at_all("orders").await;
    assert_eq!(scene.calls(operation).len(), 1, "it is moved once");
}

#[tokio::test]
async fn of_two_objects_the_older_one_has_the_primary_key() {
    let scene = scene(&AWS, "two").await;
    primary(&scene).await;
    // The time of a creation has whole seconds, and the second object has to be younger by it.
    let created = scene.keys().get("orders").await.unwrap().metadata.creation_timestamp.unwrap().0.as_second();
    eventually("the next second", WITHIN, async || if jiff::Timestamp::now().as_second() > created { Ok(()) } else { Err("the same") })
        .await;
    made(&scene, "there", json!({ "primary": true })).await;
    settled(&scene, "orders").await;
    scene.until_event("there", "PrimaryMoved").await;
    // The older object wants it back.
    scene.spec("orders", json!({ "primary": true })).await;
    scene.until_event("orders", "PrimaryMoved").await;
    settled(&scene, "orders").await;
    let stalled = scene.look("there").await;
    let stalled = if message(&stalled).contains("older") { stalled } else { scene.until_ready("there", "False", "NotAPrimary").await };
    assert!(message(&stalled).contains("the older ManagedKey orders declares spec.primary"), "{}", message(&stalled));
    assert!(find(&stalled, ConditionType::Stalled).is_some(), "{}", describe(&stalled));
    scene.look("orders").await;
    scene.look("there").await;
    assert_eq!(scene.calls("UpdatePrimaryRegion").len(), 2, "it does not go back and forth");
    scene.spec("there", json!({ "primary": false })).await;
    scene.until_ready("there", "True", "Available").await;
}

#[tokio::test]
async fn the_primary_key_moves_when_both_keys_are_enabled() {
    let scene = scene(&AWS, "both").await;
    primary(&scene).await;
    made(&scene, "there", json!({})).await;
    scene.spec("orders", json!({ "enabled": false })).await;
    scene.until_ready("orders", "True", "Disabled").await;
    scene.spec("there", json!({ "primary": true })).await;
    let waits = scene.until("there", "waits", |object| {
        find(object, ConditionType::Synced).is_some_and(|synced| synced.message.contains("which is Disabled, is enabled"))
    });
    waits.await;
    assert!(scene.calls("UpdatePrimaryRegion").is_empty());
    scene.spec("orders", json!({ "enabled": true })).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.look("there").await;
    scene.until_event("there", "PrimaryMoved").await;
}

#[tokio::test]
async fn a_move_by_somebody_else_is_corrected_or_reported() {
    let scene = scene(&AWS, "drift").await;
    primary(&scene).await;
    made(&scene, "there", json!({ "primary": true })).await;
    settled(&scene, "there").await;
    settled(&scene, "orders").await;
    let back = async || {
        let arn = scene.key("there").await.arn;
        scene.person_in(ABROAD).update_primary_region().key_id(arn).primary_region("eu-west-1").send().await.unwrap();
        scene.double.advance(jiff::SignedDuration::from_secs(5)).unwrap();
    };
    scene.spec("there", json!({ "managementPolicy": "EnforceOnChange" })).await;
    settled(&scene, "there").await;
    back().await;
    scene.look("there").await;
    let drifted = scene.until_synced("there", "False", "Drifted").await;
    let told = find(&drifted, ConditionType::Drifted).unwrap();
    assert!(told.message.contains("the primary key is"), "{}", told.message);
    scene.spec("there", json!({ "managementPolicy": "Enforce" })).await;
    scene
        .until("there", "the primary key again", |object| {
            object
                .status
                .as_ref()
                .and_then(|status| status.multi_region.as_ref())
                .is_some_and(|facts| facts.role == MultiRegionRole::Primary)
        })
        .await;
}

/// Shows S3.
/// A replica of a key without marks is to be the primary key. The rules let its namespace adopt every key.
pub async fn the_primary_key_of_others(scene: &Scene) -> String {
    let foreign = scene.person().create_key().multi_region(true).send().await.unwrap().key_metadata.and_then(|key| key.arn).unwrap();
    let by_arn = json!({ "replicaOf": { "name": null, "keyArn": foreign, "providerRef": { "name": scene.provider } }, "primary": true });
    scene.create("there", replica(scene, by_arn)).await;
    let refused = scene.until_ready("there", "False", "OwnedByAnother").await;
    assert!(message(&refused).contains("does not have the marks of an object of namespace"), "{}", message(&refused));
    assert!(scene.calls("UpdatePrimaryRegion").is_empty());
    foreign
}

/// Rules that let every namespace adopt every key.
pub fn all_keys() -> Value {
    json!({ "adoption": { "from": "Rules", "rules": [{ "namespaces": ["*"], "keys": ["*"] }] } })
}

#[tokio::test]
async fn the_primary_key_of_others_is_not_moved() {
    let scene = Scene::with("others", kms_double::Options::default(), all_keys()).await;
    super::provide_abroad(&scene, json!({})).await;
    let foreign = the_primary_key_of_others(&scene).await;
    // An adopted replica has no way to the primary key at all. The older object would come first.
    scene.spec("there", json!({ "primary": null })).await;
    scene.person().replicate_key().key_id(&foreign).replica_region("us-west-2").send().await.unwrap();
    let west = format!("{}-west", scene.provider);
    let mut spec = all_keys();
    spec["aws"] = json!({ "region": "us-west-2" });
    scene.provide(&west, spec).await;
    let adopted = foreign.replace("eu-west-1", "us-west-2");
    scene.create("adopted", json!({ "providerRef": { "name": west }, "keyId": adopted, "primary": true })).await;
    let refused = scene.until("adopted", "refused", |object| message(object).contains("no ManagedKey of namespace")).await;
    assert!(find(&refused, ConditionType::Stalled).is_some(), "{}", describe(&refused));
    assert!(scene.calls("UpdatePrimaryRegion").is_empty());
}
