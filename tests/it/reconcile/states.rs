//! The states in which a key cannot be used, or not yet.

use jiff::SignedDuration;
use keyward::api::{ConditionType, managed_key::KeyState};
use kms_double::KeyState as Actual;
use serde_json::json;

use crate::support::scene::{Scene, find, message};

#[tokio::test]
async fn a_key_that_waits_for_its_material_is_not_enabled() {
    let scene = Scene::new("import").await;
    scene.create("orders", json!({ "key": { "origin": "EXTERNAL" } })).await;
    let object = scene.until_ready("orders", "False", "PendingImport").await;
    assert!(find(&object, ConditionType::Stalled).is_some());
    assert_eq!(scene.key("orders").await.state, Actual::PendingImport);

    scene.spec("orders", json!({ "enabled": false })).await;
    scene
        .until("orders", "rests", |object| {
            let ready = find(object, ConditionType::Ready).unwrap();
            ready.status == "True" && ready.observed_generation == object.metadata.generation
        })
        .await;
    assert!(scene.calls("EnableKey").is_empty() && scene.calls("DisableKey").is_empty());
}

#[tokio::test]
async fn a_key_without_material_is_scheduled_and_cancelled_like_any_other() {
    let scene = Scene::new("import-end").await;
    scene.create("orders", json!({ "key": { "origin": "EXTERNAL" } })).await;
    scene.until_ready("orders", "False", "PendingImport").await;
    scene.spec("orders", json!({ "deletionScheduleDays": 8 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    assert_eq!(scene.key("orders").await.pending_window_days, Some(8));
    scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
    scene.until_ready("orders", "False", "PendingImport").await;
    assert_eq!(scene.key("orders").await.state, Actual::PendingImport);
}

#[tokio::test]
async fn a_key_whose_store_is_disconnected_is_reported_and_left() {
    let scene = Scene::new("unavailable").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;
    let before = scene.now();
    scene.double.set_state(&key, Actual::Unavailable).unwrap();
    scene.look("orders").await;
    let object = scene.until_ready("orders", "False", "KeyUnavailable").await;
    assert!(find(&object, ConditionType::Stalled).is_some());
    scene.look_at_all("orders").await;
    assert_eq!(scene.changes(before), [""; 0]);

    scene.double.resume(&key).unwrap();
    scene.look("orders").await;
    scene.until_ready("orders", "True", "Available").await;
}

#[tokio::test]
async fn a_key_whose_store_is_disconnected_rests_if_it_is_to_be_disabled_and_is_scheduled_if_it_is_to_go() {
    let scene = Scene::new("unavailable-end").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;
    scene.double.set_state(&key, Actual::Unavailable).unwrap();
    scene.spec("orders", json!({ "enabled": false })).await;
    scene.until_ready("orders", "True", "Disabled").await;
    assert!(scene.calls("DisableKey").is_empty());

    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    assert_eq!(scene.key("orders").await.pending_window_days, Some(7));
}

#[tokio::test]
async fn a_key_that_the_kms_is_not_done_with_is_waited_for() {
    for (state, reason) in [(Actual::Creating, "Creating"), (Actual::Updating, "Updating")] {
        let scene = Scene::new("settling").await;
        scene.create("orders", json!({})).await;
        scene.until_ready("orders", "True", "Available").await;
        let key = scene.key("orders").await.arn;
        scene.double.set_state(&key, state).unwrap();
        let before = scene.now();
        scene.spec("orders", json!({ "description": "later" })).await;
        let object = scene.until_ready("orders", "False", reason).await;
        assert!(find(&object, ConditionType::Reconciling).is_some());
        assert_eq!(scene.changes(before), [""; 0]);
        scene.double.resume(&key).unwrap();
        // Nobody has to ask for the next read.
        scene.until_ready("orders", "True", "Available").await;
        assert_eq!(scene.key("orders").await.description, "later");
    }
}

#[tokio::test]
async fn a_primary_with_a_replica_says_what_it_waits_for() {
    let scene = Scene::new("replica").await;
    scene.create("orders", json!({ "key": { "multiRegion": true } })).await;
    scene.until_ready("orders", "True", "Available").await;
    let primary = scene.key("orders").await;
    scene.person().replicate_key().key_id(&primary.arn).replica_region("us-east-1").send().await.unwrap();
    let replica = primary.arn.replace("eu-west-1", "us-east-1");
    scene.double.advance(SignedDuration::from_mins(1)).unwrap();

    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    let object = scene.until_ready("orders", "True", "DeletionScheduled").await;
    assert_eq!(object.status.as_ref().unwrap().key_state, Some(KeyState::PendingReplicaDeletion));
    assert!(object.status.as_ref().unwrap().deletion_date.is_none());
    assert!(message(&object).contains(&replica), "{}", message(&object));
    assert!(find(&object, ConditionType::PendingDeletion).is_some());
    let before = scene.now();
    scene.look_at_all("orders").await;
    assert_eq!(scene.changes(before), [""; 0]);

    // The window begins once the last replica is gone.
    scene.person_in("us-east-1").schedule_key_deletion().key_id(&replica).pending_window_in_days(7).send().await.unwrap();
    scene.double.advance(SignedDuration::from_hours(8 * 24)).unwrap();
    let object = scene.look("orders").await;
    let status = object.status.unwrap();
    assert_eq!(status.key_state, Some(KeyState::PendingDeletion));
    assert!(status.deletion_date.is_some());

    scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.key("orders").await.state, Actual::Enabled);
}

#[tokio::test]
async fn a_primary_that_waits_for_its_replica_is_cancelled_and_enabled() {
    let scene = Scene::new("replica-back").await;
    scene.create("orders", json!({ "key": { "multiRegion": true } })).await;
    scene.until_ready("orders", "True", "Available").await;
    let primary = scene.key("orders").await;
    scene.person().replicate_key().key_id(&primary.arn).replica_region("us-east-1").send().await.unwrap();
    scene.double.advance(SignedDuration::from_mins(1)).unwrap();
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    scene.spec("orders", json!({ "deletionScheduleDays": 0 })).await;
    let object = scene.until_ready("orders", "True", "Available").await;
    assert!(find(&object, ConditionType::PendingDeletion).is_none());
    assert_eq!(scene.key("orders").await.state, Actual::Enabled);
    assert_eq!(scene.calls("CancelKeyDeletion").len(), 1);
}
