//! Somebody changes the key, or something fails, between two reads. Holds stay, keys are rescued all the same, and our own changes are
//! reported as ours.
//!
//! Shows S8.

use keyward::api::{ConditionType, ManagedKey, annotation};
use kms_double::{Fault, FaultAction, KeyState as Actual, Options};
use serde_json::{Value, json};

use crate::support::{
    scene::{Scene, find, message},
    vendor::Vendor,
};

async fn new(vendor: &'static Vendor, name: &str) -> Scene {
    Scene::of(vendor, name, Options::default(), json!({ "resyncSeconds": 600 })).await
}

/// An object whose key is alive.
async fn alive(vendor: &'static Vendor, name: &str, spec: Value) -> Scene {
    let scene = new(vendor, name).await;
    scene.create("orders", spec).await;
    scene.until_ready("orders", "True", "Available").await;
    scene
}

/// The KMS refuses every call of that operation.
fn deny(scene: &Scene, operation: &str) {
    let (code, status) = scene.vendor.denied;
    scene.double.inject(Fault::on(operation, FaultAction::Error { code: code.into(), status, message: String::new() }));
}

/// The KMS throttles the next calls of that operation.
fn throttle(scene: &Scene, operation: &str, times: u64) {
    let (code, status) = scene.vendor.throttled;
    scene.double.inject(Fault::on(operation, FaultAction::Error { code: code.into(), status, message: String::new() }).times(times));
}

/// Waits until the object says that its deletion is held for that reason. Other conditions do not matter.
async fn until_held(scene: &Scene, reason: &str) -> ManagedKey {
    scene
        .until("orders", &format!("held: {reason}"), |object| {
            find(object, ConditionType::DeletionHeld).is_some_and(|held| held.reason == reason && held.status == "True")
        })
        .await
}

async fn pause(scene: &Scene, paused: bool) {
    let value = if paused { json!("true") } else { json!(null) };
    scene.patch("orders", json!({ "metadata": { "annotations": { (annotation::PAUSED): value } } })).await;
}

fn never_scheduled(scene: &Scene) {
    assert!(scene.calls(scene.vendor.operations.schedule).is_empty());
}

async fn intent(scene: &Scene) -> String {
    scene.key("orders").await.tags["keyward-intent"].clone()
}

/// A responder disables the key while Keyward does not read it; the field is set; the hold cannot be written; somebody enables the key to save it.
///
/// Shows S10.
pub async fn a_hold_that_cannot_be_written_outlives_a_rescue(vendor: &'static Vendor) {
    let scene = alive(vendor, "unwritten", json!({})).await;
    pause(&scene, true).await;
    scene.set_outside("orders", Actual::Disabled).await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    deny(&scene, vendor.operations.tag);
    pause(&scene, false).await;
    let object = until_held(&scene, "CancelledOutside").await;
    assert_eq!(find(&object, ConditionType::Ready).unwrap().reason, "AccessDenied");
    let said = &find(&object, ConditionType::DeletionHeld).unwrap().message;
    assert!(said.contains("not on the key yet"), "{said}");
    scene.set_outside("orders", Actual::Enabled).await;
    scene.look("orders").await;
    scene.double.clear_faults();
    scene.look("orders").await;
    let object = scene.until_ready("orders", "False", "CancelledOutside").await;
    scene.look_at_all("orders").await;
    never_scheduled(&scene);
    assert_eq!(scene.key("orders").await.state, Actual::Enabled);

    scene.confirm(&object).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
}

/// The same for an object that is deleted with its key, at a KMS that only throttles.
///
/// Shows S10.
pub async fn a_hold_of_a_deleted_object_outlives_a_rescue(vendor: &'static Vendor) {
    let scene = alive(vendor, "unwritten-end", json!({ "deletionPolicy": "Delete" })).await;
    pause(&scene, true).await;
    scene.set_outside("orders", Actual::Disabled).await;
    throttle(&scene, vendor.operations.tag, 60);
    scene.delete("orders").await;
    pause(&scene, false).await;
    scene
        .until("orders", "the hold is on record", |object| {
            object.status.as_ref().is_some_and(|status| status.intent_word.as_ref().is_some_and(|word| word.starts_with("held-")))
        })
        .await;
    scene.set_outside("orders", Actual::Enabled).await;
    scene.double.clear_faults();
    scene.patch("orders", json!({ "metadata": { "annotations": { (annotation::RECONCILE_REQUESTED_AT): "now" } } })).await;
    let object = scene.until_ready("orders", "False", "CancelledOutside").await;
    assert!(message(&object).contains("deletionPolicy: Retain"), "{}", message(&object));
    never_scheduled(&scene);
    scene.spec("orders", json!({ "deletionPolicy": "Retain" })).await;
    scene.until_gone("orders").await;
    never_scheduled(&scene);
}

/// A tool that restores tags writes the word `live` back.
pub async fn a_mark_that_goes_back_is_no_edge(vendor: &'static Vendor) {
    let scene = alive(vendor, "mark-back", json!({})).await;
    let key = scene.key("orders").await.key_id;
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    scene.create("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "False", "NotSeenLive").await;
    let held = intent(&scene).await;
    scene.tag_outside("orders", "keyward-intent", Some("1.1.live")).await;
    scene.look_at_all("orders").await;
    scene.until_ready("orders", "False", "NotSeenLive").await;
    assert_eq!(intent(&scene).await, held, "the word is written again, with its number and its letters");
    never_scheduled(&scene);
    assert_eq!(scene.double.key(&key).unwrap().state, Actual::Enabled);
}

/// Our own cancel, on the way to other days, is not taken for somebody else's.
pub async fn other_days_come_about_though_the_schedule_is_throttled(vendor: &'static Vendor) {
    let scene = alive(vendor, "throttled-days", json!({})).await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    throttle(&scene, vendor.operations.schedule, 12);
    scene.spec("orders", json!({ "deletionScheduleDays": 14 })).await;
    scene.until_ready("orders", "False", "Throttled").await;
    assert_eq!(scene.key("orders").await.state, Actual::Disabled);
    scene.double.clear_faults();
    scene.look("orders").await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    assert_eq!(scene.key("orders").await.pending_window_days, Some(14));
    assert_eq!(scene.events("orders").await.iter().filter(|reason| *reason == "DeletionHeld").count(), 0);
}

/// Other days are asked for while the first ones are still refused.
pub async fn other_days_replace_those_that_were_refused(vendor: &'static Vendor) {
    let scene = alive(vendor, "refused-days", json!({})).await;
    deny(&scene, vendor.operations.schedule);
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "False", "AccessDenied").await;
    scene.double.clear_faults();
    scene.spec("orders", json!({ "deletionScheduleDays": 14 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    assert_eq!(scene.key("orders").await.pending_window_days, Some(14));
}

/// A rescue waits for no mark.
pub async fn a_withdrawn_deletion_brings_the_key_back_though_no_tag_can_be_written(vendor: &'static Vendor) {
    let scene = alive(vendor, "untagged-rescue", json!({})).await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    deny(&scene, vendor.operations.tag);
    scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
    scene.until_ready("orders", "False", "AccessDenied").await;
    assert_eq!(scene.key("orders").await.state, Actual::Enabled);
    scene.double.clear_faults();
    scene.look("orders").await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(intent(&scene).await.rsplit('.').next(), Some("live"));
}

/// A new object of the same name gets the key, but its deletion is held.
pub async fn a_key_that_was_taken_up_lately_is_not_deleted_without_a_confirmation(vendor: &'static Vendor) {
    let scene = alive(vendor, "taken-up", json!({})).await;
    let key = scene.key("orders").await.key_id;
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    scene.create("orders", json!({ "deletionPolicy": "Delete" })).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.key("orders").await.key_id, key);
    scene.delete("orders").await;
    let object = scene.until_ready("orders", "False", "NotSeenLive").await;
    never_scheduled(&scene);
    scene.confirm(&object).await;
    scene.until_gone("orders").await;
    assert_eq!(scene.double.key(&key).unwrap().state, Actual::PendingDeletion);
}

/// The key and the number of its next word can be guessed; the letters cannot.
pub async fn a_token_that_was_written_before_its_hold_confirms_nothing(vendor: &'static Vendor) {
    let scene = alive(vendor, "forged-token", json!({})).await;
    let object = scene.keys().get("orders").await.unwrap();
    let id = object.status.unwrap().key_id.unwrap();
    pause(&scene, true).await;
    scene.set_outside("orders", Actual::Disabled).await;
    let token = format!("{id}@2");
    let annotations = json!({ (annotation::CONFIRM_DELETION): token, (annotation::PAUSED): null });
    scene.patch("orders", json!({ "metadata": { "annotations": annotations }, "spec": { "deletionScheduleDays": 7 } })).await;
    scene.until_ready("orders", "False", "CancelledOutside").await;
    assert!(intent(&scene).await.starts_with("2."), "the number was the right one");
    scene.look_at_all("orders").await;
    never_scheduled(&scene);
}

/// Under `EnforceOnChange` a withdrawal is not forgotten because enabling failed once.
pub async fn a_withdrawal_is_finished_though_enabling_was_throttled(vendor: &'static Vendor) {
    let scene = alive(vendor, "throttled-enable", json!({ "managementPolicy": "EnforceOnChange" })).await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    scene.set_outside("orders", Actual::Disabled).await;
    scene.look("orders").await;
    scene.until_ready("orders", "False", "CancelledOutside").await;
    throttle(&scene, vendor.operations.enable, 30);
    scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
    scene.until_ready("orders", "False", "Throttled").await;
    scene.double.clear_faults();
    scene.look("orders").await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.key("orders").await.state, Actual::Enabled);
}

/// The way back that the event of the deletion names.
pub async fn an_object_that_is_made_again_rescues_its_key_under_enforce_on_change(vendor: &'static Vendor) {
    let spec = json!({ "managementPolicy": "EnforceOnChange", "deletionPolicy": "Delete" });
    let scene = alive(vendor, "rescue", spec).await;
    let key = scene.key("orders").await.key_id;
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    assert_eq!(scene.double.key(&key).unwrap().state, Actual::PendingDeletion);
    let told = scene.until_event("orders", "KeyDeletionScheduled").await;
    assert!(told.contains("again with enabled: true"), "{told}");
    scene.create("orders", json!({ "managementPolicy": "EnforceOnChange", "deletionPolicy": "Delete", "enabled": true })).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.double.key(&key).unwrap().state, Actual::Enabled);
}
