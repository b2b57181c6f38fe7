//! A key that is not there any more.

use jiff::SignedDuration;
use keyward::api::{ConditionType, managed_key::KeyState};
use kms_double::{KeyState as Actual, Options};
use serde_json::json;

use crate::support::{
    scene::{Scene, find, message},
    vendor::Vendor,
};

pub async fn a_key_whose_date_has_passed_is_deleted(vendor: &'static Vendor) {
    // The KMS's clock starts behind, so that a date in it is past for the operator, too.
    let behind = Options { clock_behind: SignedDuration::from_hours(14 * 24), ..Options::default() };
    let scene = Scene::of(vendor, "vanish", behind, json!({ "resyncSeconds": 600 })).await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    let key = scene.key("orders").await.key_id;
    scene.double.advance(SignedDuration::from_hours(8 * 24)).unwrap();
    assert!(scene.double.key(&key).is_none());
    scene.look("orders").await;
    let object = scene.until_ready("orders", "False", "KeyDeleted").await;
    assert_eq!(object.status.clone().unwrap().key_state, Some(KeyState::Deleted));
    assert!(message(&object).contains("remove this object"), "{}", message(&object));
    scene.until_event("orders", "KeyDeleted").await;
    scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
    scene.until_ready("orders", "False", "KeyDeleted").await;
    assert_eq!(scene.calls(vendor.operations.create).len(), 1);
}

pub async fn a_key_gone_without_a_known_deletion_is_missing_and_never_replaced(vendor: &'static Vendor) {
    let scene = Scene::of(vendor, "lost", Options::default(), json!({ "resyncSeconds": 600 })).await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.key_id;
    // Somebody schedules the key, and its date passes. Keyward does not read the key meanwhile.
    scene.double.set_state(&key, Actual::PendingDeletion).unwrap();
    scene.double.advance(SignedDuration::from_hours(60 * 24)).unwrap();
    assert!(scene.double.key(&key).is_none());
    scene.look("orders").await;
    let object = scene.until("orders", "taken for gone", |object| find(object, ConditionType::Stalled).is_some()).await;
    assert_eq!(find(&object, ConditionType::Ready).unwrap().reason, "KeyMissing");
    assert!(message(&object).contains("make a new object"), "{}", message(&object));
    scene.spec("orders", json!({ "description": "again" })).await;
    scene.until_ready("orders", "False", "KeyMissing").await;
    assert_eq!(scene.calls(vendor.operations.create).len(), 1);
}
