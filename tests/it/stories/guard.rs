//! Which requests schedule a deletion and which do not, and what others do at the KMS.

use keyward::api::ConditionType;
use kms_double::{KeyState as Actual, Options};
use serde_json::json;

use crate::support::{
    scene::{Scene, find, message},
    vendor::Vendor,
};

async fn new(vendor: &'static Vendor, name: &str) -> Scene {
    Scene::of(vendor, name, Options::default(), json!({})).await
}

pub async fn a_deletion_without_a_key_creates_none(vendor: &'static Vendor) {
    let scene = new(vendor, "nothing").await;
    scene.create("orders", json!({ "deletionScheduleDays": 7 })).await;
    let object = scene.until_ready("orders", "False", "NothingToDelete").await;
    assert!(find(&object, ConditionType::Stalled).is_some());
    assert!(message(&object).contains("deletionPolicy"), "{}", message(&object));
    scene.look_at_all("orders").await;
    assert_eq!(scene.changes(0), [""; 0]);
}

pub async fn a_deletion_that_was_there_from_the_start_is_held_until_the_command_is_run(vendor: &'static Vendor) {
    let scene = new(vendor, "not-seen").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.key_id;
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    scene.create("orders", json!({ "deletionScheduleDays": 7 })).await;
    let object = scene.until_ready("orders", "False", "NotSeenLive").await;
    scene.look_at_all("orders").await;
    assert!(scene.calls(vendor.operations.schedule).is_empty());

    scene.confirm(&object).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    let pending = scene.double.key(&key).unwrap();
    assert_eq!((pending.state, pending.pending_window_days), (Actual::PendingDeletion, Some(7)));
}

pub async fn a_deletion_cancelled_outside_stays_cancelled(vendor: &'static Vendor) {
    let scene = new(vendor, "cancelled").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    scene.set_outside("orders", Actual::Disabled).await;
    scene.look("orders").await;
    let object = scene.until_ready("orders", "False", "CancelledOutside").await;
    assert!(find(&object, ConditionType::DeletionHeld).is_some());
    scene.look_at_all("orders").await;
    assert_eq!(scene.calls(vendor.operations.schedule).len(), 1);
    let intent = scene.key("orders").await.tags["keyward-intent"].clone();
    assert!(intent.rsplit('.').next().is_some_and(|word| word.starts_with("held-")), "{intent}");
}

pub async fn a_key_disabled_outside_is_enabled_again(vendor: &'static Vendor) {
    let scene = new(vendor, "drift-off").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.set_outside("orders", Actual::Disabled).await;
    scene.look("orders").await;
    scene.until_event("orders", "DriftDetected").await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.key("orders").await.state, Actual::Enabled);
}

pub async fn a_key_scheduled_outside_is_cancelled(vendor: &'static Vendor) {
    let scene = new(vendor, "drift-end").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.set_outside("orders", Actual::PendingDeletion).await;
    scene.look("orders").await;
    scene.until_event("orders", "KeyDeletionCancelled").await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.key("orders").await.state, Actual::Enabled);
    assert_eq!(scene.calls(vendor.operations.cancel).len(), 1);
}

pub async fn tags_that_others_change_come_back(vendor: &'static Vendor) {
    let scene = new(vendor, "drift-tags").await;
    scene.create("orders", json!({ "tags": { "team": "shop" } })).await;
    scene.until_ready("orders", "True", "Available").await;
    for value in [Some("thieves"), None] {
        scene.tag_outside("orders", "team", value).await;
        scene.look_at_all("orders").await;
        assert_eq!(scene.key("orders").await.tags["team"], "shop");
    }
    scene.until_event("orders", "DriftDetected").await;
}

pub async fn the_object_s_end_does_what_its_policy_says(vendor: &'static Vendor) {
    let scene = new(vendor, "release").await;
    for (policy, state, days) in [
        ("Retain", Actual::Enabled, None),
        ("Disable", Actual::Disabled, None),
        // The provider's objectDeletionDays.
        ("Delete", Actual::PendingDeletion, Some(30)),
    ] {
        let name = policy.to_lowercase();
        scene.create(&name, json!({ "deletionPolicy": policy })).await;
        scene.until_ready(&name, "True", "Available").await;
        let key = scene.key(&name).await.key_id;
        scene.delete(&name).await;
        scene.until_gone(&name).await;
        let left = scene.double.key(&key).unwrap();
        assert_eq!((left.state, left.pending_window_days), (state, days), "{policy}");
    }
}
