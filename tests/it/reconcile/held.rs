//! Deletions that are held, because the key was not seen alive before they were asked for, and the command that goes on.

use keyward::api::{ConditionType, ManagedKey};
use kms_double::{Fault, FaultAction, KeyState as Actual};
use serde_json::json;

use crate::support::scene::{Scene, find, message};

/// What a held object says; a person has to act.
fn held(object: &ManagedKey) -> &str {
    let held = find(object, ConditionType::DeletionHeld).expect("DeletionHeld");
    assert!(find(object, ConditionType::Stalled).is_some());
    assert_eq!(find(object, ConditionType::Ready).unwrap().reason, held.reason);
    &held.message
}

#[tokio::test]
async fn an_object_created_with_the_field_and_without_a_key_creates_none() {
    let scene = Scene::new("nothing").await;
    scene.create("orders", json!({ "deletionScheduleDays": 7 })).await;
    let object = scene.until_ready("orders", "False", "NothingToDelete").await;
    assert!(find(&object, ConditionType::Stalled).is_some());
    assert!(message(&object).contains("deletionPolicy"), "{}", message(&object));
    scene.look_at_all("orders").await;
    assert_eq!(scene.changes(0), [""; 0]);
    // Without the field it is an object like any other.
    scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
    scene.until_ready("orders", "True", "Available").await;
}

#[tokio::test]
async fn an_object_created_with_the_field_is_held_over_a_living_key_until_the_command_is_run() {
    let scene = Scene::real("not-seen").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;
    scene.delete("orders").await;
    scene.until_gone("orders").await;

    scene.create("orders", json!({ "deletionScheduleDays": 7 })).await;
    let object = scene.until_ready("orders", "False", "NotSeenLive").await;
    assert!(held(&object).contains("kubectl-client-side-apply"), "{}", held(&object));
    scene.until_event("orders", "DeletionHeld").await;
    assert_eq!(scene.key("orders").await.arn, key);
    scene.look_at_all("orders").await;
    assert_eq!(scene.double.key(&key).unwrap().state, Actual::Enabled);
    assert!(scene.calls("ScheduleKeyDeletion").is_empty());

    scene.confirm(&object).await;
    let object = scene.until_ready("orders", "True", "DeletionScheduled").await;
    assert!(find(&object, ConditionType::DeletionHeld).is_none());
    assert_eq!(scene.double.key(&key).unwrap().pending_window_days, Some(7));
    assert_eq!(scene.calls("CreateKey").len(), 1);
}

#[tokio::test]
async fn an_object_that_took_its_key_up_lately_needs_the_command_though_it_was_seen_without_the_field() {
    let scene = Scene::new("seen").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    scene.create("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "False", "NotSeenLive").await;
    scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    let object = scene.until_ready("orders", "False", "NotSeenLive").await;
    assert!(scene.calls("ScheduleKeyDeletion").is_empty());
    scene.confirm(&object).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
}

/// Shows S10.
#[tokio::test]
async fn a_deletion_cancelled_outside_stays_cancelled_until_a_person_asks_again() {
    let scene = Scene::new("cancelled").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    let key = scene.key("orders").await.arn;
    scene.person().cancel_key_deletion().key_id(&key).send().await.unwrap();
    scene.look("orders").await;
    let object = scene.until_ready("orders", "False", "CancelledOutside").await;
    held(&object);
    assert!(find(&object, ConditionType::PendingDeletion).is_none());
    scene.look_at_all("orders").await;
    assert_eq!(scene.key("orders").await.state, Actual::Disabled);
    // Not even an edit that has nothing to do with it brings the deletion back.
    scene.spec("orders", json!({ "description": "saved" })).await;
    scene.until_ready("orders", "False", "CancelledOutside").await;
    assert_eq!(scene.calls("ScheduleKeyDeletion").len(), 1);
    assert_eq!(scene.key("orders").await.state, Actual::Disabled);

    let object = scene.look("orders").await;
    scene.confirm(&object).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    assert_eq!(scene.key("orders").await.state, Actual::PendingDeletion);
}

/// A deletion is confirmed, and cancelled outside, again and again. `attacks::shared` tells this with admission on and off.
pub async fn a_token_is_spent(scene: Scene) {
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    let key = scene.key("orders").await.arn;
    for round in 1..=2 {
        scene.person().cancel_key_deletion().key_id(&key).send().await.unwrap();
        scene.look("orders").await;
        let object = scene.until_ready("orders", "False", "CancelledOutside").await;
        assert_eq!(scene.calls("ScheduleKeyDeletion").len(), round, "the token of the round before is still there, and worthless");
        scene.confirm(&object).await;
        scene.until_ready("orders", "True", "DeletionScheduled").await;
    }
}

#[tokio::test]
async fn a_key_disabled_outside_is_not_scheduled_when_the_field_comes() {
    let scene = Scene::with("disabled-asked", kms_double::Options::default(), json!({ "resyncSeconds": 600 })).await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;
    scene.person().disable_key().key_id(&key).send().await.unwrap();
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    let object = scene.until_ready("orders", "False", "CancelledOutside").await;
    held(&object);
    scene.look_at_all("orders").await;
    assert_eq!(scene.key("orders").await.state, Actual::Disabled);
    assert!(scene.calls("ScheduleKeyDeletion").is_empty());
    scene.confirm(&object).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
}

/// A responder disables the key, and somebody enables it to save it, while its tags cannot be read.
#[tokio::test]
async fn a_disable_that_was_seen_is_not_forgotten_while_tags_cannot_be_read() {
    let scene = Scene::with("unread-tags", kms_double::Options::default(), json!({ "resyncSeconds": 600 })).await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    let paused = |value| json!({ "metadata": { "annotations": { "keyward.dev/paused": value } } });
    scene.patch("orders", paused(json!("true"))).await;
    scene.set_outside("orders", Actual::Disabled).await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    let denied = FaultAction::Error { code: "AccessDeniedException".into(), status: 400, message: String::new() };
    scene.double.inject(Fault::on("ListResourceTags", denied));
    scene.patch("orders", paused(json!(null))).await;
    scene.until_ready("orders", "False", "AccessDenied").await;
    scene.set_outside("orders", Actual::Enabled).await;
    scene.look("orders").await;
    scene.double.clear_faults();
    scene.look("orders").await;
    scene.until_ready("orders", "False", "CancelledOutside").await;
    assert!(scene.calls("ScheduleKeyDeletion").is_empty());
}

/// Shows S9.
#[tokio::test]
async fn an_object_whose_status_went_back_is_held() {
    let scene = Scene::new("rollback").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.spec("orders", json!({ "description": "second" })).await;
    let object = scene.until_ready("orders", "True", "Available").await;
    assert_eq!(object.status.unwrap().intent_seq, Some(2));

    // A restored database brings status and spec back together; the pause stands for the moment in which no operator runs.
    let paused = |value| json!({ "metadata": { "annotations": { "keyward.dev/paused": value } } });
    scene.patch("orders", paused(json!("true"))).await;
    scene.until_paused("orders").await;
    scene.patch_status("orders", json!({ "intentSeq": 1, "intentWord": "live" })).await;
    scene.patch("orders", json!({ "spec": { "deletionScheduleDays": 7 } })).await;
    scene.patch("orders", paused(json!(null))).await;
    let object = scene.until_ready("orders", "False", "RollbackSuspected").await;
    held(&object);
    scene.look_at_all("orders").await;
    assert!(scene.calls("ScheduleKeyDeletion").is_empty());
    assert_eq!(scene.key("orders").await.state, Actual::Enabled);
    scene.confirm(&object).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
}

#[tokio::test]
async fn a_restored_object_that_asks_for_a_deletion_is_held_over_its_own_key() {
    let scene = Scene::new("restored").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    let backup = scene.until_ready("orders", "True", "DeletionScheduled").await;
    let key = scene.key("orders").await.arn;
    scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    scene.restore(&backup).await;
    let object = scene.until_ready("orders", "False", "NotSeenLive").await;
    held(&object);
    assert_eq!(scene.double.key(&key).unwrap().state, Actual::Enabled);
    assert_eq!(scene.calls("ScheduleKeyDeletion").len(), 1);
}
