//! The edge on a real API server: whatever brings a manifest, a status or a mark back, no key is scheduled that nobody asked for after it was seen alive.
//!
//! Each row is one way around the edge. All of them run at once on the shared control plane, each with a KMS of its own, whose ledger says how often a deletion
//! was scheduled. What needs a restored database, or an operator that is killed, is in `faults::rollback`.
//!
//! Shows S8.

use std::pin::Pin;

use futures::future::join_all;
use keyward::api::annotation;
use kms_double::{ACCESS_KEY, Fault, FaultAction, KeyState as Actual, Options};
use serde_json::{Value, json};

use crate::support::scene::{Scene, describe, find, message};

/// A way around the edge, and how many schedules of the operator may take effect on it.
type Way = Pin<Box<dyn Future<Output = (Scene, usize)>>>;

#[tokio::test]
async fn no_way_around_the_edge_schedules_a_deletion() {
    let ways: [(&str, Way); 13] = [
        ("the field is removed while the mark is live", Box::pin(removed_while_the_mark_was_live())),
        ("created again with the field, and changed", Box::pin(created_again_with_the_field_and_changed())),
        ("created again without the field, and changed", Box::pin(created_again_without_the_field_and_changed())),
        ("adopted with the field, and changed", Box::pin(adopted_with_the_field_and_changed())),
        ("a lost reply, then cancelled outside", Box::pin(a_lost_reply_then_cancelled_outside())),
        ("scheduled by Keyward, cancelled outside", Box::pin(scheduled_by_us_and_cancelled_outside())),
        ("scheduled and cancelled outside", Box::pin(scheduled_and_cancelled_outside())),
        ("a token that is older than a cancel outside", Box::pin(a_token_that_is_older_than_an_outside_cancel())),
        ("a mark that is no mark", Box::pin(a_mark_that_is_none())),
        ("a mark at the end of its numbers", Box::pin(a_mark_at_its_end())),
        ("marks that cannot be read", Box::pin(marks_that_cannot_be_read())),
        ("other days, up and down", Box::pin(other_days_up_and_down())),
        ("other days of another's schedule", Box::pin(other_days_of_anothers_schedule())),
    ];
    let ends = ways.map(async |(name, way)| {
        let (scene, expected) = way.await;
        let scheduled = scene.calls("ScheduleKeyDeletion").into_iter().filter(|call| call.took_effect).count();
        assert_eq!(scheduled, expected, "{name}");
    });
    join_all(ends).await;
}

/// Keyward reads a key only when the object changes, or when the test asks.
async fn new(name: &str) -> Scene {
    let spec = json!({ "resyncSeconds": 600, "adoption": { "from": "Rules", "rules": [{ "namespaces": ["*"], "keys": ["*"] }] } });
    Scene::real_with(name, Options::default(), spec).await
}

async fn alive(name: &str) -> Scene {
    let scene = new(name).await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    scene
}

async fn asks(scene: &Scene, days: impl Into<Value>) {
    scene.spec("orders", json!({ "deletionScheduleDays": days.into() })).await;
}

async fn pause(scene: &Scene, paused: bool) {
    let value = paused.then_some("true");
    scene.patch("orders", json!({ "metadata": { "annotations": { (annotation::PAUSED): value } } })).await;
    if paused {
        scene.until_paused("orders").await;
    }
}

/// The object is held for that reason, in this round and in the next ones.
async fn held(scene: &Scene, reason: &str) {
    scene.until_ready("orders", "False", reason).await;
    scene.look_at_all("orders").await;
    scene.until_ready("orders", "False", reason).await;
}

/// The object is deleted and made again.
async fn again(scene: &Scene, spec: Value) {
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    scene.create("orders", spec).await;
}

fn deny(scene: &Scene, operation: &str) {
    let denied = FaultAction::Error { code: "AccessDeniedException".into(), status: 400, message: "not authorized".into() };
    scene.double.inject(Fault::on(operation, denied).for_caller(ACCESS_KEY));
}

/// The wish is on record, its mark could not be written, and it is withdrawn while the mark is the old `live`. A backup from between brings the wish back.
async fn removed_while_the_mark_was_live() -> (Scene, usize) {
    let scene = alive("edge-removed").await;
    deny(&scene, "TagResource");
    asks(&scene, 7).await;
    let asked = scene.until_ready("orders", "False", "AccessDenied").await.status.unwrap();
    assert_eq!((asked.intent_seq, asked.intent_word.as_deref()), (Some(2), Some("7")));
    assert_eq!(scene.key("orders").await.tags["keyward-intent"], "1.1.live");
    asks(&scene, Value::Null).await;
    scene.until_ready("orders", "False", "AccessDenied").await;
    scene.double.clear_faults();
    scene.look("orders").await;
    scene.until_ready("orders", "True", "Available").await;
    // The old `live` would be an edge for the wish in the backup. This one is newer.
    assert_eq!(scene.key("orders").await.tags["keyward-intent"], "3.3.live");

    pause(&scene, true).await;
    scene.patch_status("orders", serde_json::to_value(&asked).unwrap()).await;
    asks(&scene, 7).await;
    pause(&scene, false).await;
    held(&scene, "RollbackSuspected").await;
    (scene, 0)
}

async fn created_again_with_the_field_and_changed() -> (Scene, usize) {
    let scene = alive("edge-again").await;
    again(&scene, json!({ "deletionScheduleDays": 7 })).await;
    held(&scene, "NotSeenLive").await;
    asks(&scene, 9).await;
    held(&scene, "NotSeenLive").await;
    scene.spec("orders", json!({ "description": "edited", "deletionPolicy": "Delete" })).await;
    held(&scene, "NotSeenLive").await;
    // The same wish by another field.
    scene.delete("orders").await;
    held(&scene, "NotSeenLive").await;
    scene.spec("orders", json!({ "deletionPolicy": "Retain" })).await;
    scene.until_gone("orders").await;
    (scene, 0)
}

async fn created_again_without_the_field_and_changed() -> (Scene, usize) {
    let scene = alive("edge-new").await;
    again(&scene, json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    // The name alone is weak evidence, for a day.
    asks(&scene, 7).await;
    held(&scene, "NotSeenLive").await;
    asks(&scene, Value::Null).await;
    scene.until_ready("orders", "True", "Available").await;
    asks(&scene, 9).await;
    held(&scene, "NotSeenLive").await;
    (scene, 0)
}

async fn adopted_with_the_field_and_changed() -> (Scene, usize) {
    let scene = new("edge-adopted").await;
    let key = scene.foreign_key().await;
    scene.create("orders", json!({ "keyId": key, "deletionScheduleDays": 7 })).await;
    held(&scene, "NotSeenLive").await;
    asks(&scene, 9).await;
    held(&scene, "NotSeenLive").await;
    assert_eq!(scene.double.key(&key).unwrap().state, Actual::Enabled);
    (scene, 0)
}

/// The call took effect and nobody told Keyward. A person saves the key before Keyward reads it again.
async fn a_lost_reply_then_cancelled_outside() -> (Scene, usize) {
    let scene = alive("edge-lost").await;
    scene.double.inject(Fault::on("ScheduleKeyDeletion", FaultAction::LoseReply));
    asks(&scene, 7).await;
    scene.until_ready("orders", "False", "ProviderUnavailable").await;
    let key = scene.key("orders").await.arn;
    scene.person().cancel_key_deletion().key_id(&key).send().await.unwrap();
    scene.double.clear_faults();
    scene.look("orders").await;
    held(&scene, "CancelledOutside").await;
    assert_eq!(scene.double.key(&key).unwrap().state, Actual::Disabled);
    (scene, 1)
}

async fn scheduled_by_us_and_cancelled_outside() -> (Scene, usize) {
    let scene = alive("edge-cancelled").await;
    asks(&scene, 7).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    let key = scene.key("orders").await.arn;
    scene.person().cancel_key_deletion().key_id(&key).send().await.unwrap();
    scene.person().enable_key().key_id(&key).send().await.unwrap();
    scene.look("orders").await;
    held(&scene, "CancelledOutside").await;
    // Neither other days nor another edit are a new wish.
    asks(&scene, 9).await;
    held(&scene, "CancelledOutside").await;
    assert_eq!(scene.double.key(&key).unwrap().state, Actual::Enabled);
    (scene, 1)
}

/// Somebody else schedules the key and cancels that, while the object asks for the same.
async fn scheduled_and_cancelled_outside() -> (Scene, usize) {
    let scene = alive("edge-outside").await;
    let key = scene.key("orders").await.arn;
    pause(&scene, true).await;
    scene.person().schedule_key_deletion().key_id(&key).pending_window_in_days(14).send().await.unwrap();
    asks(&scene, 7).await;
    pause(&scene, false).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    scene.look_at_all("orders").await;
    scene.person().cancel_key_deletion().key_id(&key).send().await.unwrap();
    scene.person().enable_key().key_id(&key).send().await.unwrap();
    scene.look("orders").await;
    held(&scene, "CancelledOutside").await;
    (scene, 0)
}

async fn a_token_that_is_older_than_an_outside_cancel() -> (Scene, usize) {
    let scene = alive("edge-token").await;
    asks(&scene, 7).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    let key = scene.key("orders").await.arn;
    scene.person().cancel_key_deletion().key_id(&key).send().await.unwrap();
    scene.look("orders").await;
    let shown = scene.until_ready("orders", "False", "CancelledOutside").await;
    // Another schedule is seen, and cancelled by a person. After that the command of before is run.
    scene.person().schedule_key_deletion().key_id(&key).pending_window_in_days(7).send().await.unwrap();
    scene.look("orders").await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    scene.person().cancel_key_deletion().key_id(&key).send().await.unwrap();
    scene.confirm(&shown).await;
    held(&scene, "CancelledOutside").await;
    let object = scene.keys().get("orders").await.unwrap();
    assert!(message(&object).contains("which is not the token of this hold"), "{}", message(&object));
    assert_eq!(scene.double.key(&key).unwrap().state, Actual::Disabled);
    (scene, 1)
}

async fn a_mark_that_is_none() -> (Scene, usize) {
    let scene = alive("edge-mark").await;
    let key = scene.key("orders").await.arn;
    for mark in [Some("yes"), Some("1.1"), Some("-1.1.live"), None] {
        pause(&scene, true).await;
        scene.double.set_tag(&key, "keyward-intent", mark).unwrap();
        asks(&scene, 7).await;
        pause(&scene, false).await;
        held(&scene, "NotSeenLive").await;
        asks(&scene, Value::Null).await;
        scene.until_ready("orders", "True", "Available").await;
    }
    (scene, 0)
}

async fn a_mark_at_its_end() -> (Scene, usize) {
    let scene = alive("edge-end").await;
    let key = scene.key("orders").await.arn;
    pause(&scene, true).await;
    scene.double.set_tag(&key, "keyward-intent", Some("9007199254740992.1.live")).unwrap();
    asks(&scene, 7).await;
    pause(&scene, false).await;
    held(&scene, "RollbackSuspected").await;
    let object = scene.keys().get("orders").await.unwrap();
    assert!(message(&object).contains("is held for ever") && !message(&object).contains("confirm-deletion"), "{}", message(&object));
    (scene, 0)
}

async fn marks_that_cannot_be_read() -> (Scene, usize) {
    let scene = alive("edge-unread").await;
    let key = scene.key("orders").await.arn;
    deny(&scene, "ListResourceTags");
    asks(&scene, 7).await;
    scene.until_ready("orders", "False", "AccessDenied").await;
    scene.look_at_all("orders").await;
    assert!(scene.changes(0).iter().all(|operation| ["CreateKey", "CreateAlias"].contains(&operation.as_str())), "{:?}", scene.changes(0));
    // What somebody does to the key meanwhile is not forgotten.
    scene.person().disable_key().key_id(&key).send().await.unwrap();
    scene.look("orders").await;
    scene.person().enable_key().key_id(&key).send().await.unwrap();
    scene.double.clear_faults();
    scene.look("orders").await;
    held(&scene, "CancelledOutside").await;
    (scene, 0)
}

async fn other_days_up_and_down() -> (Scene, usize) {
    let scene = alive("edge-days").await;
    for (number, days) in [7, 14, 8, 7].into_iter().enumerate() {
        asks(&scene, days).await;
        scene.until_ready("orders", "True", "DeletionScheduled").await;
        scene.look_at_all("orders").await;
        assert_eq!(scene.key("orders").await.pending_window_days, Some(days));
        assert_eq!(scene.calls("ScheduleKeyDeletion").len(), number + 1);
    }
    // What was cancelled outside is not scheduled again by other days.
    scene.person().cancel_key_deletion().key_id(scene.key("orders").await.arn).send().await.unwrap();
    scene.look("orders").await;
    scene.until_ready("orders", "False", "CancelledOutside").await;
    for days in [9, 7] {
        asks(&scene, days).await;
        held(&scene, "CancelledOutside").await;
    }
    (scene, 4)
}

/// Somebody else's schedule has the days that the object had. It is not ours to replace.
async fn other_days_of_anothers_schedule() -> (Scene, usize) {
    let scene = alive("edge-theirs").await;
    asks(&scene, 7).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    let key = scene.key("orders").await.arn;
    pause(&scene, true).await;
    scene.person().cancel_key_deletion().key_id(&key).send().await.unwrap();
    // Another date.
    scene.double.advance(jiff::SignedDuration::from_hours(1)).unwrap();
    scene.person().schedule_key_deletion().key_id(&key).pending_window_in_days(7).send().await.unwrap();
    let date = scene.double.key(&key).unwrap().deletion_date;
    pause(&scene, false).await;
    scene.look_at_all("orders").await;
    asks(&scene, 9).await;
    scene.look_at_all("orders").await;
    let object = scene.keys().get("orders").await.unwrap();
    assert!(find(&object, keyward::api::ConditionType::DeletionHeld).is_some(), "{}", describe(&object));
    assert_eq!(scene.double.key(&key).unwrap().deletion_date, date);
    (scene, 1)
}
