//! A key that is not there any more. One answer proves nothing, and nothing is ever created in its place.

use jiff::SignedDuration;
use keyward::api::{ConditionType, managed_key::KeyState};
use kms_double::{Fault, FaultAction, KeyState as Actual, Options};
use serde_json::json;

use crate::support::scene::{Scene, find, message};

fn weeks(weeks: i64) -> SignedDuration {
    SignedDuration::from_hours(weeks * 7 * 24)
}

#[tokio::test]
async fn a_key_whose_date_has_passed_is_deleted_after_three_answers() {
    // The KMS's clock starts behind, so that a date in it is past for the operator, too.
    let scene = Scene::with("vanish", Options { clock_behind: weeks(2), ..Options::default() }, json!({ "resyncSeconds": 600 })).await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    let key = scene.key("orders").await.arn;
    scene.double.advance(SignedDuration::from_hours(8 * 24)).unwrap();
    assert!(scene.double.key(&key).is_none());
    let object = scene.look("orders").await;
    assert!(find(&object, ConditionType::Reconciling).is_some(), "one answer proves nothing: {:?}", object.status);
    assert_ne!(object.status.unwrap().key_state, Some(KeyState::Deleted));
    // It is asked again by itself.
    let object = scene.until_ready("orders", "False", "KeyDeleted").await;
    let status = object.status.clone().unwrap();
    assert_eq!((status.key_state, status.missing.unwrap().count), (Some(KeyState::Deleted), 3));
    assert!(find(&object, ConditionType::Stalled).is_some());
    assert!(find(&object, ConditionType::PendingDeletion).is_none());
    assert!(message(&object).contains("remove this object"), "{}", message(&object));
    scene.until_event("orders", "KeyDeleted").await;

    // A cancelled deletion or a new spec does not bring a deleted key back.
    scene.spec("orders", json!({ "deletionScheduleDays": null, "description": "again" })).await;
    scene.until_ready("orders", "False", "KeyDeleted").await;
    scene.look_at_all("orders").await;
    assert_eq!(scene.calls("CreateKey").len(), 1);
}

#[tokio::test]
async fn a_key_gone_without_a_known_deletion_is_missing_and_never_replaced() {
    let scene = Scene::with("lost", Options::default(), json!({ "resyncSeconds": 600 })).await;
    scene.create("orders", json!({ "deletionPolicy": "Delete" })).await;
    let backup = scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;
    scene.person().schedule_key_deletion().key_id(&key).pending_window_in_days(7).send().await.unwrap();
    scene.double.advance(weeks(2)).unwrap();
    scene.look("orders").await;
    let object = scene.until("orders", "taken for gone", |object| find(object, ConditionType::Stalled).is_some()).await;
    assert_eq!(find(&object, ConditionType::Ready).unwrap().reason, "KeyMissing");
    assert!(message(&object).contains(&key) && message(&object).contains("make a new object"), "{}", message(&object));
    scene.spec("orders", json!({ "description": "again" })).await;
    scene.until_ready("orders", "False", "KeyMissing").await;
    scene.delete("orders").await;
    scene.until_gone("orders").await;

    // A backup brings the object back without its status; what it knows of its key is in an annotation.
    let mut backup = backup;
    backup.spec.deletion_policy = keyward::api::managed_key::DeletionPolicy::Retain;
    scene.restore(&backup).await;
    let object = scene.until("orders", "taken for gone", |object| find(object, ConditionType::Stalled).is_some()).await;
    assert_eq!(find(&object, ConditionType::Ready).unwrap().reason, "KeyMissing");
    assert_eq!(scene.calls("CreateKey").len(), 1);

    // To start over, a person makes a new object.
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.calls("CreateKey").len(), 2);
}

#[tokio::test]
async fn a_key_that_is_found_again_is_kept() {
    let scene = Scene::with("back", Options::default(), json!({ "resyncSeconds": 600 })).await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;
    let absent = FaultAction::Error { code: "NotFoundException".into(), status: 400, message: format!("Key '{key}' does not exist") };
    scene.double.inject(Fault::on("DescribeKey", absent).times(2));
    let object = scene.look("orders").await;
    assert!((1..=2).contains(&object.status.as_ref().unwrap().missing.as_ref().unwrap().count), "{:?}", object.status);
    assert_eq!(find(&object, ConditionType::Ready).unwrap().reason, "KeyMissing");
    let object = scene.until_ready("orders", "True", "Available").await;
    assert!(object.status.unwrap().missing.is_none());
    assert_eq!(scene.key("orders").await.state, Actual::Enabled);
    assert_eq!(scene.calls("CreateKey").len(), 1);
}

#[tokio::test]
async fn an_object_whose_key_is_deleted_can_be_deleted() {
    let scene = Scene::with("vanish-release", Options { clock_behind: weeks(2), ..Options::default() }, json!({})).await;
    scene.create("orders", json!({ "deletionPolicy": "Delete" })).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    scene.double.advance(SignedDuration::from_hours(8 * 24)).unwrap();
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    assert_eq!(scene.calls("ScheduleKeyDeletion").len(), 1);
}
