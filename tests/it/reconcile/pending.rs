//! A deletion that is scheduled: it is cancelled, it changes its days, and what a provider cannot take is refused before anything else happens.

use keyward::api::ConditionType;
use kms_double::{KeyState as Actual, Options};
use serde_json::{Value, json};

use crate::support::scene::{Scene, find, message};

/// An object with a key that is scheduled as declared.
async fn scheduled(name: &str, spec: Value, days: i32) -> Scene {
    let scene = Scene::new(name).await;
    scene.create("orders", spec).await;
    scene.until("orders", "Ready", |object| find(object, ConditionType::Ready).is_some_and(|ready| ready.status == "True")).await;
    scene.spec("orders", json!({ "deletionScheduleDays": days })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    scene
}

#[tokio::test]
async fn a_cancelled_key_that_is_to_be_disabled_stays_disabled() {
    let scene = scheduled("cancel-off", json!({ "enabled": false }), 7).await;
    let before = scene.now();
    scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
    let object = scene.until_ready("orders", "True", "Disabled").await;
    let key = scene.key("orders").await;
    assert_eq!(key.state, Actual::Disabled);
    assert_eq!(scene.changes(before), ["CancelKeyDeletion", "TagResource"]);
    let intent = format!("{}.{}.live", object.status.unwrap().intent_seq.unwrap(), object.metadata.generation.unwrap());
    assert_eq!(key.tags["keyward-intent"], intent);
}

#[tokio::test]
async fn zero_days_cancel_as_a_missing_field_does() {
    let scene = scheduled("zero", json!({}), 7).await;
    scene.spec("orders", json!({ "deletionScheduleDays": 0 })).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.key("orders").await.state, Actual::Enabled);
}

#[tokio::test]
async fn other_days_are_one_cancel_and_one_schedule_with_a_new_date() {
    let scene = scheduled("renew", json!({}), 7).await;
    let old = scene.key("orders").await.deletion_date.unwrap();
    let before = scene.now();
    scene.spec("orders", json!({ "deletionScheduleDays": 9 })).await;
    let object = scene.until_ready("orders", "True", "DeletionScheduled").await;
    let key = scene.key("orders").await;
    assert_eq!((key.state, key.pending_window_days), (Actual::PendingDeletion, Some(9)));
    assert!(key.deletion_date.unwrap() > old);
    assert_eq!(scene.changes(before), ["CancelKeyDeletion", "TagResource", "ScheduleKeyDeletion"]);
    assert!(key.tags["keyward-intent"].ends_with(".9"), "{:?}", key.tags);
    let status = object.status.unwrap();
    assert_eq!(status.deletion_date.map(|date| date.0.as_second()), key.deletion_date.map(jiff::Timestamp::as_second));
    assert_eq!(status.deletion.unwrap().schedule_days, Some(9));

    let settled = scene.now();
    scene.look_at_all("orders").await;
    assert_eq!(scene.changes(settled), [""; 0]);
}

/// Shows S6.
#[tokio::test]
async fn days_that_the_provider_cannot_take_change_nothing_on_a_pending_key() {
    let scene = scheduled("refused", json!({}), 7).await;
    let date = scene.key("orders").await.deletion_date;
    let before = scene.now();
    scene.spec("orders", json!({ "deletionScheduleDays": 31 })).await;
    let object = scene.until_ready("orders", "False", "InvalidSpec").await;
    assert!(message(&object).contains("AWS accepts 7 to 30 days"), "{}", message(&object));
    assert!(find(&object, ConditionType::Stalled).is_some());
    assert!(find(&object, ConditionType::PendingDeletion).is_some(), "the key is pending whatever the spec says");
    scene.look_at_all("orders").await;
    assert_eq!(scene.changes(before), [""; 0]);
    assert_eq!(scene.key("orders").await.deletion_date, date);

    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    assert_eq!(scene.changes(before), [""; 0]);
}

/// Shows S6.
#[tokio::test]
async fn days_below_the_providers_minimum_are_refused_and_the_key_lives() {
    let scene = Scene::with("minimum", Options::default(), json!({ "deletionGuard": { "minimumScheduleDays": 14 } })).await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.spec("orders", json!({ "deletionScheduleDays": 13 })).await;
    let object = scene.until_ready("orders", "False", "InvalidSpec").await;
    assert!(message(&object).contains("at least 14 days"), "{}", message(&object));
    assert_eq!(scene.key("orders").await.state, Actual::Enabled);
    assert!(scene.calls("ScheduleKeyDeletion").is_empty());
    scene.spec("orders", json!({ "deletionScheduleDays": 14 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    assert_eq!(scene.key("orders").await.pending_window_days, Some(14));
}

#[tokio::test]
async fn a_pending_key_says_who_set_the_field_and_how_to_cancel() {
    let scene = Scene::real("who").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    let patch = r#"{"spec":{"deletionScheduleDays":7}}"#;
    let patched =
        scene.control_plane().kubectl(&["patch", "-n", &scene.namespace, "managedkey", "orders", "--type=merge", "-p", patch]).await;
    patched.expect("kubectl patch");
    let object = scene.until_ready("orders", "True", "DeletionScheduled").await;
    let pending = find(&object, ConditionType::PendingDeletion).unwrap();
    assert!(pending.message.contains("kubectl-patch"), "{}", pending.message);
    assert!(message(&object).contains("kubectl-patch"), "{}", message(&object));
    let date = scene.key("orders").await.deletion_date.unwrap();
    let note = scene.until_event("orders", "KeyDeletionScheduled").await;
    assert!(note.contains("kubectl-patch"), "{note}");
    assert!(note.contains(&format!("{:.10}", date.to_string())), "{note} does not say {date}");
    assert!(note.contains("to cancel: kubectl patch"), "{note}");
}
