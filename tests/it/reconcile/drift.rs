//! What others change at the KMS comes back, but never towards deletion.

use std::time::Duration;

use keyward::api::ConditionType;
use kms_double::{ACCESS_KEY, Fault, FaultAction, KeyState as Actual, Options};
use serde_json::json;

use crate::support::{
    eventually,
    operator::WITHIN,
    scene::{Scene, find},
};

/// Shows L2.
#[tokio::test]
async fn a_key_disabled_outside_is_enabled_again() {
    let scene = Scene::new("drift-off").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;
    scene.person().disable_key().key_id(&key).send().await.unwrap();
    scene.look("orders").await;
    assert_eq!(scene.key("orders").await.state, Actual::Enabled);
    scene.until_ready("orders", "True", "Available").await;
    let note = scene.until_event("orders", "DriftDetected").await;
    assert!(note.contains("corrected: the state from Disabled to Enabled"), "{note}");
    assert_eq!(scene.events("orders").await.iter().filter(|reason| *reason == "DriftDetected").count(), 1);
}

#[tokio::test]
async fn a_key_enabled_outside_is_disabled_again() {
    let scene = Scene::new("drift-on").await;
    scene.create("orders", json!({ "enabled": false })).await;
    scene.until_ready("orders", "True", "Disabled").await;
    let key = scene.key("orders").await.arn;
    scene.person().enable_key().key_id(&key).send().await.unwrap();
    scene.look("orders").await;
    assert_eq!(scene.key("orders").await.state, Actual::Disabled);
    scene.until_event("orders", "DriftDetected").await;
}

#[tokio::test]
async fn a_deletion_scheduled_outside_is_cancelled_and_the_key_enabled() {
    let scene = Scene::new("drift-end").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;
    let before = scene.now();
    scene.person().schedule_key_deletion().key_id(&key).pending_window_in_days(7).send().await.unwrap();
    scene.look("orders").await;
    let object = scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.key("orders").await.state, Actual::Enabled);
    let changes = scene.changes(before);
    let count = |operation: &str| changes.iter().filter(|change| *change == operation).count();
    assert_eq!((count("CancelKeyDeletion"), count("EnableKey")), (1, 1), "{changes:?}");
    assert!(find(&object, ConditionType::PendingDeletion).is_none());
    assert_eq!(object.status.unwrap().deletion, None);
    scene.until_event("orders", "DriftDetected").await;
    scene.until_event("orders", "KeyDeletionCancelled").await;
}

/// Another program, or a KMS that hides what it was told, undoes a tag each time. Keyward does not fight with it.
#[tokio::test]
async fn a_setting_that_never_sticks_is_reported_once_and_set_less_and_less_often() {
    let scene = Scene::new("unkept").await;
    scene.create("orders", json!({ "tags": { "team": "shop" } })).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.look("orders").await;
    let key = scene.key("orders").await.arn;
    let undo = async || {
        loop {
            if scene.double.key(&key).unwrap().tags.contains_key("team") {
                scene.double.set_tag(&key, "team", None).unwrap();
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let set = || scene.calls("TagResource").iter().filter(|call| call.params.to_string().contains("team")).count();
    let drifts = async || scene.events("orders").await.iter().filter(|reason| *reason == "DriftDetected").count();
    let check = async {
        let object = eventually("it is told that the tag does not stick", WITHIN, async || {
            let object = scene.look("orders").await;
            if find(&object, ConditionType::Synced).unwrap().reason == "Drifted" { Ok(object) } else { Err(format!("set {} times", set())) }
        })
        .await;
        let synced = find(&object, ConditionType::Synced).unwrap();
        assert!(synced.message.contains("set the tags team"), "{}", synced.message);
        assert_eq!(find(&object, ConditionType::Ready).unwrap().status, "True", "its life is as declared");
        // An event comes after the status of its round, and before the next round.
        scene.look("orders").await;
        let told = drifts().await;
        for _ in 0..30 {
            let object = scene.look("orders").await;
            assert_eq!(find(&object, ConditionType::Synced), Some(synced), "nothing changes");
        }
        // Thirty reads take a second or more; the waits double from 0.3 seconds.
        assert!(set() <= 10, "set {} times", set());
        assert_eq!(drifts().await, told);
    };
    tokio::select! {
        () = check => {}
        () = undo() => unreachable!(),
    }

    // And it is over once the tag stays.
    let object = scene.until_synced("orders", "True", "Synced").await;
    assert_eq!(find(&object, ConditionType::Ready).unwrap().status, "True");
    assert_eq!(scene.key("orders").await.tags["team"], "shop");
}

/// Shows L2.
#[tokio::test]
async fn rotation_and_tags_and_aliases_come_back_within_three_reads() {
    let scene = Scene::new("drift-rest").await;
    scene
        .create("orders", json!({ "autoRotation": true, "rotationPeriodDays": 100, "tags": { "team": "shop" }, "aliases": ["orders"] }))
        .await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;
    let person = scene.person();
    person.disable_key_rotation().key_id(&key).send().await.unwrap();
    scene.look_at_all("orders").await;
    assert_eq!(scene.key("orders").await.rotation.period_days, Some(100));

    // Again and again: right after a change the next one of its kind waits for what the KMS may still answer, and is not forgotten over that.
    for _ in 0..4 {
        scene.tag(&key, &[("team", "thieves")]).await;
        scene.look_at_all("orders").await;
        assert_eq!(scene.key("orders").await.tags["team"], "shop");
    }
    person.untag_resource().key_id(&key).tag_keys("team").send().await.unwrap();
    scene.look_at_all("orders").await;
    assert_eq!(scene.key("orders").await.tags["team"], "shop");

    person.delete_alias().alias_name("alias/orders").send().await.unwrap();
    scene.look_at_all("orders").await;
    assert!(scene.key("orders").await.aliases.contains(&"alias/orders".to_owned()));
    scene.until_event("orders", "DriftDetected").await;
}

#[tokio::test]
async fn a_key_as_declared_costs_two_requests_per_read_and_no_write() {
    let scene = Scene::with("idle", Options::default(), json!({ "resyncSeconds": 600 })).await;
    scene.create("orders", json!({ "autoRotation": true, "tags": { "team": "shop" } })).await;
    scene.until_ready("orders", "True", "Available").await;
    // The read that follows a change comes by itself.
    scene.look_at_all("orders").await;
    for _ in 0..6 {
        let reads = scene.look_by_itself("orders").await;
        assert!((1..=2).contains(&reads), "{reads}");
        // A read that is asked for reads everything.
        let before = scene.now();
        let object = scene.look("orders").await;
        let calls: Vec<_> = scene.operator_calls().into_iter().filter(|entry| entry.seq > before && entry.service == "kms").collect();
        let read: std::collections::BTreeSet<_> = calls.iter().map(|entry| &*entry.operation).collect();
        assert_eq!(read, ["DescribeKey", "GetKeyRotationStatus", "ListAliases", "ListKeyRotations", "ListResourceTags"].into());
        assert_eq!(find(&object, ConditionType::Synced).unwrap().status, "True");
    }
}

#[tokio::test]
async fn a_requested_read_corrects_whatever_it_sees() {
    let scene = Scene::with("asked", Options::default(), json!({ "resyncSeconds": 600 })).await;
    scene.create("orders", json!({ "aliases": ["orders"] })).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.look_by_itself("orders").await;
    scene.person().delete_alias().alias_name("alias/orders").send().await.unwrap();
    scene.look("orders").await;
    assert!(scene.key("orders").await.aliases.contains(&"alias/orders".to_owned()));
}

#[tokio::test]
async fn a_part_of_the_key_that_cannot_be_read_is_said_until_it_can() {
    for (name, spec) in [("unreadable", json!({ "autoRotation": true })), ("unreadable-off", json!({ "enabled": true }))] {
        let scene = Scene::with(name, Options::default(), json!({ "resyncSeconds": 600 })).await;
        scene.create("orders", spec).await;
        scene.until_ready("orders", "True", "Available").await;
        scene.look_at_all("orders").await;
        let key = scene.key("orders").await.arn;
        let denied = FaultAction::Error { code: "AccessDeniedException".into(), status: 400, message: "not authorized".into() };
        scene.double.inject(Fault::on("GetKeyRotationStatus", denied).for_caller(ACCESS_KEY));
        scene.person().disable_key().key_id(&key).send().await.unwrap();
        scene.look_at_all("orders").await;
        assert_eq!(scene.key("orders").await.state, Actual::Enabled, "{name}: its life does not wait for what cannot be read");
        for _ in 0..3 {
            let object = scene.look("orders").await;
            let synced = find(&object, ConditionType::Synced).unwrap();
            assert_eq!((&*synced.status, &*synced.reason), ("False", "AccessDenied"), "{name}: the other reads do not make it good");
            assert!(synced.message.contains("GetKeyRotationStatus"), "{name}: {}", synced.message);
            // It says nothing against the key, which is seen to be enabled.
            assert_eq!(find(&object, ConditionType::Ready).unwrap().status, "True", "{name}");
        }
        scene.double.clear_faults();
        let object = scene.look("orders").await;
        assert_eq!(find(&object, ConditionType::Synced).unwrap().status, "True", "{name}");
    }
}
