//! Objects are edited, deleted or made anew while a round decides, and statuses are lost. A request that was taken back is not carried out.
//!
//! The KMS holds the guard's last read back, so that the edit comes at the latest moment at which it can be noticed.

use futures::future::join_all;
use keyward::api::{ConditionType, annotation};
use kms_double::{ACCESS_KEY, Fault, FaultAction, KeyState};
use serde_json::{Value, json};

use super::refusal;
use crate::support::{
    eventually,
    operator::WITHIN,
    scene::{Scene, find},
};

/// How long the guard waits: longer than an edit takes on a busy machine, shorter than the call's deadline.
const HELD_BACK: FaultAction = FaultAction::Delay { millis: 2500 };

/// A scene with `orders` Ready, read, and left alone until something changes.
async fn ready(name: &str, spec: Value) -> Scene {
    let scene = Scene::real_with(name, kms_double::Options::default(), json!({ "resyncSeconds": 600 })).await;
    scene.create("orders", spec).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.look_at_all("orders").await;
    scene
}

/// Holds the guard of the next round back: the tags are read once to decide, and once more by the guard.
fn hold_back(scene: &Scene) {
    scene.double.inject(Fault::on("ListResourceTags", HELD_BACK).for_caller(ACCESS_KEY).nth(2));
}

/// Waits until the guard of the round that began after `before` reads the tags: it has read the key's state, the second time in the round.
async fn until_guarded(scene: &Scene, before: u64) {
    eventually("the guard reads", WITHIN, async || {
        let reads = scene.calls("DescribeKey").iter().filter(|call| call.seq > before).count();
        if reads >= 2 { Ok(()) } else { Err(format!("{reads} reads")) }
    })
    .await;
}

/// Shows S1.
#[tokio::test]
async fn a_deletion_that_is_withdrawn_while_the_guard_reads_is_not_scheduled() {
    let scene = ready("withdrawn", json!({})).await;
    let before = scene.now();
    hold_back(&scene);
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    until_guarded(&scene, before).await;
    scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
    scene.until_ready("orders", "True", "Available").await;
    let object = scene.look_at_all("orders").await;
    assert!(find(&object, ConditionType::DeletionHeld).is_none());
    assert!(scene.calls("ScheduleKeyDeletion").is_empty());
    assert_eq!(scene.key("orders").await.state, KeyState::Enabled);
}

#[tokio::test]
async fn a_deletion_that_is_tried_again_is_not_if_it_was_withdrawn_meanwhile() {
    let scene = ready("withdrawn-late", json!({})).await;
    // All is written that has to be before the call, and the call is refused: from here on only the guard stands before it.
    scene.double.inject(refusal("ScheduleKeyDeletion", "ThrottlingException", 400));
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "False", "Throttled").await;
    scene.double.clear_faults();
    let (before, tried) = (scene.now(), scene.calls("ScheduleKeyDeletion").len());
    hold_back(&scene);
    let now = json!({ "metadata": { "annotations": { (keyward::api::annotation::RECONCILE_REQUESTED_AT): "now" } } });
    scene.patch("orders", now).await;
    until_guarded(&scene, before).await;
    scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.look_at_all("orders").await;
    assert_eq!(scene.calls("ScheduleKeyDeletion").len(), tried, "nobody asked for it any more");
    assert_eq!(scene.key("orders").await.state, KeyState::Enabled);
}

/// Shows S1.
#[tokio::test]
async fn an_object_that_is_made_anew_while_the_guard_reads_does_not_inherit_the_deletion() {
    let scene = ready("anew", json!({})).await;
    let (before, key) = (scene.now(), scene.key("orders").await.arn);
    hold_back(&scene);
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    until_guarded(&scene, before).await;
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    scene.create("orders", json!({})).await;
    let object = scene.until_ready("orders", "True", "Available").await;
    assert_eq!(object.status.unwrap().key_arn.as_ref(), Some(&key), "the same key, taken up");
    scene.look_at_all("orders").await;
    assert!(scene.calls("ScheduleKeyDeletion").is_empty());
    assert_eq!((scene.key("orders").await.state, scene.calls("CreateKey").len()), (KeyState::Enabled, 1));
}

#[tokio::test]
async fn a_key_is_retained_if_that_is_asked_for_while_the_last_act_is_decided() {
    let each = ["Disable", "Delete"].map(async |policy| {
        let scene = ready("retained-late", json!({ "deletionPolicy": policy })).await;
        let (before, key) = (scene.now(), scene.key("orders").await.arn);
        hold_back(&scene);
        scene.delete("orders").await;
        until_guarded(&scene, before).await;
        scene.spec("orders", json!({ "deletionPolicy": "Retain" })).await;
        scene.until_gone("orders").await;
        assert_eq!(scene.changes(before), [""; 0], "{policy}");
        assert_eq!(scene.double.key(&key).unwrap().state, KeyState::Enabled, "{policy}");
    });
    join_all(each).await;
}

/// Pauses the object, and takes away all of its status that can be.
async fn pause_and_wipe(scene: &Scene) {
    scene.patch("orders", json!({ "metadata": { "annotations": { (annotation::PAUSED): "true" } } })).await;
    let status = serde_json::to_value(scene.until_paused("orders").await.status).unwrap();
    let names = status.as_object().unwrap().keys().filter(|name| *name != "keyId");
    scene.patch_status("orders", names.map(|name| (name.clone(), Value::Null)).collect::<serde_json::Map<_, _>>().into()).await;
}

async fn resume(scene: &Scene) {
    scene.patch("orders", json!({ "metadata": { "annotations": { (annotation::PAUSED): null } } })).await;
}

#[tokio::test]
async fn with_enforce_on_change_no_setting_is_applied_after_the_status_was_wiped() {
    let scene = ready("wiped-on-change", json!({ "managementPolicy": "EnforceOnChange", "tags": { "team": "shop" } })).await;
    let key = scene.key("orders").await.arn;
    pause_and_wipe(&scene).await;
    scene.tag(&key, &[("team", "responders")]).await;
    resume(&scene).await;
    scene.until("orders", "drift is told", |object| find(object, ConditionType::Drifted).is_some()).await;
    scene.look_at_all("orders").await;
    assert_eq!(scene.double.key(&key).unwrap().tags["team"], "responders");
}

/// Shows S9.
#[tokio::test]
async fn a_status_that_is_wiped_makes_no_second_key_and_no_edge() {
    let scene = ready("wiped", json!({})).await;
    let whole = scene.keys().get("orders").await.unwrap();
    // Not even an administrator can take the id away; all the rest can be.
    let refused = scene
        .control_plane()
        .kubectl(&[
            "patch",
            "managedkey",
            "orders",
            "-n",
            &scene.namespace,
            "--subresource=status",
            "--type=json",
            "-p",
            r#"[{"op": "replace", "path": "/status", "value": {}}]"#,
        ])
        .await;
    assert!(refused.stderr.contains("status.keyId cannot be changed or removed"), "{refused:?}");
    pause_and_wipe(&scene).await;
    scene.patch("orders", json!({ "metadata": { "annotations": { (annotation::KEY): null } } })).await;
    resume(&scene).await;
    let object = scene.until_ready("orders", "True", "Available").await;
    assert_eq!(object.status.unwrap().key_arn, whole.status.unwrap().key_arn);

    // Wiped and asked for at once: this object never saw its key alive.
    pause_and_wipe(&scene).await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    resume(&scene).await;
    let object = scene.until_ready("orders", "False", "RollbackSuspected").await;
    assert!(find(&object, ConditionType::DeletionHeld).is_some());
    scene.look_at_all("orders").await;
    assert_eq!((scene.calls("CreateKey").len(), scene.calls("ScheduleKeyDeletion").len()), (1, 0));
    assert_eq!(scene.key("orders").await.state, KeyState::Enabled);
}
