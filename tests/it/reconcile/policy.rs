//! `managementPolicy`: what `EnforceOnChange` leaves, and that `Observe` changes nothing at all.

use keyward::api::{ConditionType, ManagedKey, managed_key::KeyState};
use kms_double::{KeyState as Actual, Options};
use serde_json::json;

use crate::support::scene::{Scene, find};

/// Any key, for any namespace.
fn admitted() -> serde_json::Value {
    json!({ "adoption": { "from": "Rules", "rules": [{ "namespaces": ["*"], "keys": ["*"] }] } })
}

fn reason(object: &ManagedKey, kind: ConditionType) -> Option<&str> {
    find(object, kind).map(|condition| condition.reason.as_str())
}

#[tokio::test]
async fn enforce_on_change_reports_drift_and_leaves_it() {
    let scene = Scene::new("on-change").await;
    scene.create("orders", json!({ "managementPolicy": "EnforceOnChange", "tags": { "team": "shop" } })).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;
    let before = scene.now();
    scene.person().disable_key().key_id(&key).send().await.unwrap();
    scene.tag(&key, &[("team", "responders")]).await;
    let object = scene.look_at_all("orders").await;
    assert_eq!(scene.changes(before), [""; 0]);
    assert_eq!(reason(&object, ConditionType::Ready), Some("Drifted"));
    assert_eq!(reason(&object, ConditionType::Stalled), Some("Drifted"));
    assert!(find(&object, ConditionType::Drifted).is_some());
    assert_eq!(object.status.unwrap().key_state, Some(KeyState::Disabled));
    scene.until_event("orders", "DriftDetected").await;
}

#[tokio::test]
async fn with_enforce_on_change_an_edit_of_a_tag_does_not_enable_a_key() {
    let scene = Scene::new("on-change-tag").await;
    scene.create("orders", json!({ "managementPolicy": "EnforceOnChange", "enabled": true, "tags": { "team": "shop" } })).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;
    scene.person().disable_key().key_id(&key).send().await.unwrap();
    scene.spec("orders", json!({ "tags": { "team": "bank" } })).await;
    scene.until_ready("orders", "False", "Drifted").await;
    let view = scene.key("orders").await;
    assert_eq!((view.state, view.tags["team"].as_str()), (Actual::Disabled, "bank"));
    assert!(scene.calls("EnableKey").is_empty());

    // The key is enabled again only after an edit of `enabled`: to off, which the key is, and on again.
    scene.spec("orders", json!({ "enabled": false })).await;
    scene.until_ready("orders", "True", "Disabled").await;
    scene.spec("orders", json!({ "enabled": true })).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.key("orders").await.state, Actual::Enabled);
}

#[tokio::test]
async fn enforce_on_change_applies_new_settings_and_leaves_old_ones() {
    let scene = Scene::new("on-change-set").await;
    scene.create("orders", json!({ "managementPolicy": "EnforceOnChange", "autoRotation": true, "rotationPeriodDays": 90 })).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;
    scene.person().disable_key_rotation().key_id(&key).send().await.unwrap();
    let object = scene.look_at_all("orders").await;
    assert!(!scene.key("orders").await.rotation.enabled);
    assert_eq!(find(&object, ConditionType::Ready).unwrap().status, "True", "the key's life is as declared");
    assert_eq!(reason(&object, ConditionType::Synced), Some("Drifted"));
    assert!(find(&object, ConditionType::Drifted).unwrap().message.contains("rotation is off, declared every 90 days"));
    // It stays said from read to read.
    for _ in 0..3 {
        assert!(find(&scene.look("orders").await, ConditionType::Drifted).is_some());
    }

    scene.spec("orders", json!({ "rotationPeriodDays": 120 })).await;
    let object = scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.key("orders").await.rotation.period_days, Some(120));
    assert!(find(&object, ConditionType::Drifted).is_none());
}

#[tokio::test]
async fn enforce_on_change_leaves_a_deletion_scheduled_outside_and_says_so() {
    let scene = Scene::new("on-change-end").await;
    scene.create("orders", json!({ "managementPolicy": "EnforceOnChange" })).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;
    let before = scene.now();
    scene.person().schedule_key_deletion().key_id(&key).pending_window_in_days(7).send().await.unwrap();
    let object = scene.look_at_all("orders").await;
    assert_eq!(scene.changes(before), [""; 0]);
    assert_eq!(reason(&object, ConditionType::Ready), Some("PendingDeletion"));
    assert_eq!(find(&object, ConditionType::Ready).unwrap().status, "False");
    assert_eq!(reason(&object, ConditionType::PendingDeletion), Some("External"));
    assert!(find(&object, ConditionType::Stalled).is_some());
}

#[tokio::test]
async fn enforce_on_change_schedules_and_cancels_when_the_field_changes() {
    let scene = Scene::new("on-change-life").await;
    scene.create("orders", json!({ "managementPolicy": "EnforceOnChange" })).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.key("orders").await.state, Actual::Enabled);
}

/// Shows S10.
#[tokio::test]
async fn with_enforce_on_change_a_deletion_cancelled_outside_stays_cancelled() {
    let scene = Scene::new("on-change-held").await;
    scene.create("orders", json!({ "managementPolicy": "EnforceOnChange" })).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    let key = scene.key("orders").await.arn;
    scene.person().cancel_key_deletion().key_id(&key).send().await.unwrap();
    scene.look_at_all("orders").await;
    scene.until_ready("orders", "False", "CancelledOutside").await;
    assert_eq!(scene.key("orders").await.state, Actual::Disabled);
    assert_eq!(scene.calls("ScheduleKeyDeletion").len(), 1);
}

#[tokio::test]
async fn with_enforce_on_change_a_key_that_differs_when_it_is_adopted_waits_for_the_way_out_that_is_named() {
    let scene = Scene::with("on-change-adopted", Options::default(), admitted()).await;
    let key = scene.foreign_key().await;
    scene.create("orders", json!({ "managementPolicy": "EnforceOnChange", "keyId": key, "tags": { "team": "shop" } })).await;
    scene.until_ready("orders", "True", "Available").await;
    // An edit is not enough, because it is not known which part of the spec is new.
    scene.spec("orders", json!({ "tags": { "team": "orders" } })).await;
    let object = scene.look_at_all("orders").await;
    assert!(!scene.double.key(&key).unwrap().tags.contains_key("team"));
    let drifted = &find(&object, ConditionType::Drifted).unwrap().message;
    assert!(drifted.contains("team") && drifted.contains("set Enforce until the spec is applied"), "{drifted}");
    scene.spec("orders", json!({ "managementPolicy": "Enforce" })).await;
    scene.until("orders", "applied", |object| reason(object, ConditionType::Synced) == Some("Synced")).await;
    // From here on edits are applied.
    scene.spec("orders", json!({ "managementPolicy": "EnforceOnChange", "tags": { "team": "shop" } })).await;
    scene
        .until("orders", "applied", |object| {
            reason(object, ConditionType::Synced) == Some("Synced")
                && object.status.as_ref().and_then(|status| status.observed_generation) == object.metadata.generation
        })
        .await;
    assert_eq!(scene.double.key(&key).unwrap().tags["team"], "shop");
}

#[tokio::test]
async fn observe_fills_the_status_and_changes_nothing() {
    let scene = Scene::with("observe", Options::default(), admitted()).await;
    let key = scene.foreign_key().await;
    scene
        .create(
            "orders",
            json!({ "managementPolicy": "Observe", "keyId": key, "enabled": true, "autoRotation": true, "tags": { "team": "shop" }, "deletionPolicy": "Delete" }),
        )
        .await;
    let object = scene.until_ready("orders", "True", "Available").await;
    let status = object.status.as_ref().unwrap();
    assert_eq!((status.key_arn.as_deref(), status.key_state), (Some(key.as_str()), Some(KeyState::Enabled)));
    assert!(find(&object, ConditionType::Drifted).unwrap().message.contains("team"));

    scene.person().disable_key().key_id(&key).send().await.unwrap();
    let object = scene.look("orders").await;
    assert_eq!(reason(&object, ConditionType::Ready), Some("Drifted"));
    scene.person().schedule_key_deletion().key_id(&key).pending_window_in_days(9).send().await.unwrap();
    let object = scene.look_at_all("orders").await;
    assert_eq!(reason(&object, ConditionType::Ready), Some("PendingDeletion"));
    assert_eq!(reason(&object, ConditionType::PendingDeletion), Some("External"));
    assert!(object.status.unwrap().deletion_date.is_some());

    scene.spec("orders", json!({ "deletionScheduleDays": 7, "description": "watched" })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
    scene.until_ready("orders", "False", "PendingDeletion").await;
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    assert_eq!(scene.changes(0), [""; 0]);
}

#[tokio::test]
async fn observe_shows_a_disabled_key_as_it_is() {
    let scene = Scene::with("observe-off", Options::default(), admitted()).await;
    let key = scene.foreign_key().await;
    scene.person().disable_key().key_id(&key).send().await.unwrap();
    scene.create("orders", json!({ "managementPolicy": "Observe", "keyId": key })).await;
    // `Observe` adopts nothing, so a disabled key needs no special word. The spec declares nothing that could differ.
    let object =
        scene.until("orders", "it was read", |object| object.status.as_ref().is_some_and(|status| status.key_state.is_some())).await;
    assert_eq!(object.status.unwrap().key_state, Some(KeyState::Disabled));
    for _ in 0..3 {
        let object = scene.look("orders").await;
        assert!(find(&object, ConditionType::Stalled).is_none(), "{:?}", object.status);
        assert_eq!(reason(&object, ConditionType::Ready), Some("Disabled"));
    }
    assert_eq!(scene.changes(0), [""; 0]);
}

#[tokio::test]
async fn observe_without_a_key_creates_none() {
    let scene = Scene::new("observe-none").await;
    scene.create("orders", json!({ "managementPolicy": "Observe" })).await;
    let object = scene.until_ready("orders", "False", "KeyMissing").await;
    assert!(find(&object, ConditionType::Stalled).is_some());
    scene.look_at_all("orders").await;
    assert_eq!(scene.changes(0), [""; 0]);
}

#[tokio::test]
async fn a_key_that_is_only_observed_from_now_on_is_left_alone() {
    let scene = Scene::new("observe-later").await;
    scene.create("orders", json!({ "tags": { "team": "shop" } })).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;
    let before = scene.now();
    scene.spec("orders", json!({ "managementPolicy": "Observe", "tags": { "team": "bank" } })).await;
    scene.until("orders", "drifted", |object| find(object, ConditionType::Drifted).is_some()).await;
    scene.person().disable_key().key_id(&key).send().await.unwrap();
    scene.look_at_all("orders").await;
    assert_eq!(scene.changes(before), [""; 0]);
    scene.spec("orders", json!({ "managementPolicy": "Enforce" })).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await;
    assert_eq!((key.state, key.tags["team"].as_str()), (Actual::Enabled, "bank"));
}
