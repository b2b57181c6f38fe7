//! A KMS that shows changes late, and two operators that do not know of each other.

use std::time::Duration;

use kms_double::{Fault, FaultAction, KeyState, Options};
use kube::ResourceExt;
use serde_json::json;

use crate::support::{
    eventually,
    memory::{Hand, Memory},
    operator::WITHIN,
    scene::{Scene, message},
    vendor::{AWS, CIPHER_TRUST, HUAWEI, Vendor},
};

/// AWS that is two seconds behind, within the three that the operator is told of.
async fn behind(name: &str) -> (Scene, Hand) {
    vendor_behind(&AWS, name).await
}

/// The same for any KMS.
async fn vendor_behind(vendor: &'static Vendor, name: &str) -> (Scene, Hand) {
    let late = Options { read_lag: Duration::from_secs(2), ..Options::default() };
    let memory = Memory::new().await;
    let scene = Scene::within(&memory, vendor, name, late, json!({})).await;
    (scene, memory.start_with(|settings| settings.consistency = Duration::from_secs(3)))
}

/// What was done about the life of the key, in order.
fn lives(scene: &Scene, after: u64) -> Vec<String> {
    let of = &scene.vendor.operations;
    let life = [of.create, of.enable, of.disable, of.schedule, of.cancel];
    scene.changes(after).into_iter().filter(|operation| life.contains(&&**operation)).collect()
}

/// Each wish is one call, on each KMS, though answers contradict it for a while and more looks are asked for than there are answers that agree.
///
/// Shows S7.
#[tokio::test]
async fn no_kms_that_shows_changes_late_is_told_twice() {
    let story = async |vendor: &'static Vendor| {
        let (scene, _operator) = vendor_behind(vendor, "late-each").await;
        let of = &vendor.operations;
        let mut before = 0;
        for (number, (spec, status, reason, calls)) in [
            (json!({}), "True", "Available", vec![of.create]),
            (json!({ "enabled": false }), "True", "Disabled", vec![of.disable]),
            (json!({ "enabled": true }), "True", "Available", vec![of.enable]),
            (json!({ "deletionScheduleDays": 7 }), "True", "DeletionScheduled", vec![of.schedule]),
            (json!({ "deletionScheduleDays": null }), "True", "Available", vec![of.cancel, of.enable]),
            (json!({ "deletionScheduleDays": 9 }), "True", "DeletionScheduled", vec![of.schedule]),
            (json!({ "deletionScheduleDays": 8 }), "True", "DeletionScheduled", vec![of.cancel, of.schedule]),
        ]
        .into_iter()
        .enumerate()
        {
            if number == 0 {
                scene.create("orders", spec).await;
            } else {
                scene.spec("orders", spec).await;
            }
            scene.until_ready("orders", status, reason).await;
            scene.look_at_all("orders").await;
            scene.until_ready("orders", status, reason).await;
            assert_eq!(lives(&scene, before), calls, "{:?}: {number}", vendor.provider);
            before = scene.now();
        }
        assert_eq!((scene.double.keys().len(), scene.key("orders").await.pending_window_days), (1, Some(8)), "{:?}", vendor.provider);
        let events: Vec<_> = scene.events("orders").await.into_iter().skip_while(|event| event != "KeyCreated").collect();
        let wrong = ["DriftDetected", "DeletionHeld", "KeyDeleted"];
        assert!(!events.iter().any(|event| wrong.contains(&event.as_str())), "{:?}: {events:?}", vendor.provider);
    };
    futures::join!(story(&AWS), story(&CIPHER_TRUST), story(&HUAWEI));
}

#[tokio::test]
async fn a_kms_that_shows_changes_late_is_not_told_twice() {
    let (scene, _operator) = behind("late").await;
    // A policy with a finalizer, which is one more change of the object itself.
    scene
        .create("orders", json!({ "autoRotation": true, "tags": { "team": "shop" }, "aliases": ["late"], "deletionPolicy": "Disable" }))
        .await;
    scene.until_ready("orders", "True", "Available").await;
    // Each look is asked for while the KMS still shows the state before.
    scene.look_at_all("orders").await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.changes(0), ["CreateKey", "CreateAlias", "EnableKeyRotation", "CreateAlias"]);
    let key = scene.key("orders").await.arn;
    scene.person().enable_key_rotation().key_id(&key).rotation_period_in_days(180).send().await.unwrap();
    let mut before = scene.now();
    for (spec, reason, changes) in [
        (json!({ "description": "late", "enabled": false }), "Disabled", &["TagResource", "DisableKey", "UpdateKeyDescription"][..]),
        (json!({ "enabled": true }), "Available", &["EnableKey", "TagResource"]),
        (json!({ "deletionScheduleDays": 7 }), "DeletionScheduled", &["TagResource", "ScheduleKeyDeletion"]),
        // A period that a person chose comes back with the key, though the KMS goes on showing rotation as off for a while.
        (json!({ "deletionScheduleDays": null }), "Available", &["CancelKeyDeletion", "EnableKey", "TagResource"]),
    ] {
        scene.spec("orders", spec).await;
        scene.until_ready("orders", "True", reason).await;
        scene.look_at_all("orders").await;
        scene.until_ready("orders", "True", reason).await;
        assert_eq!(scene.changes(before), changes, "{reason}");
        before = scene.now();
    }
    let key = scene.key("orders").await;
    assert_eq!((key.state, key.rotation.period_days), (KeyState::Enabled, Some(180)));
    // Events before the key was created do not count: the operator may not have seen the provider yet.
    let events: Vec<_> = scene.events("orders").await.into_iter().skip_while(|event| event != "KeyCreated").collect();
    assert!(
        !events.is_empty() && !events.iter().any(|event| ["DriftDetected", "DeletionHeld", "SyncFailed"].contains(&event.as_str())),
        "{events:?}"
    );
    scene.delete("orders").await;
    scene.until_gone("orders").await;
}

/// A deletion is withdrawn and asked for again at once. What the KMS shows then is from before the cancel, and no schedule that stands.
///
/// Shows S7.
#[tokio::test]
async fn nothing_is_concluded_from_what_a_kms_shows_late() {
    let (scene, _operator) = behind("again").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    scene.look_at_all("orders").await;
    let before = scene.now();
    scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
    // An edit that comes before the word `live` is held: the KMS does not tell whose the cancel was.
    eventually("the key is enabled and marked again", WITHIN, async || {
        let key = scene.key("orders").await;
        let is_live = key.tags.get("keyward-intent").is_some_and(|intent| intent.split('.').next_back() == Some("live"));
        if is_live && key.state == KeyState::Enabled { Ok(()) } else { Err(format!("{:?} {:?}", key.state, key.tags)) }
    })
    .await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    assert_eq!(scene.key("orders").await.state, KeyState::PendingDeletion, "Ready says what the KMS showed before the cancel");
    scene.look_at_all("orders").await;
    let changes = ["CancelKeyDeletion", "EnableKey", "TagResource", "TagResource", "ScheduleKeyDeletion"];
    assert_eq!(scene.changes(before), changes);
    assert!(!scene.events("orders").await.contains(&"DeletionHeld".to_owned()));
}

/// The reply to `CreateKey` is lost, and the object is made again at once. An annotation has the record of a creation of long ago. The
/// annotation only forbids: Keyward still waits for the key that the KMS does not show yet.
#[tokio::test]
async fn an_annotation_permits_no_second_key() {
    let (scene, _operator) = behind("second").await;
    // By then the marks of all keys were read.
    scene.create("first", json!({})).await;
    scene.until_ready("first", "True", "Available").await;
    scene.double.inject(Fault::on("CreateKey", FaultAction::LoseReply).times(3));
    let object = scene.create("orders", json!({})).await;
    scene
        .until("orders", "its creation is under way", |object| object.status.as_ref().is_some_and(|status| status.create_attempt.is_some()))
        .await;
    eventually("a key was made", WITHIN, async || if scene.double.keys().len() == 2 { Ok(()) } else { Err("one key") }).await;
    scene.double.clear_faults();
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    let mut again = object;
    let long_ago = "x/111122223333/eu-west-1/2020-01-01T00:00:00Z".to_owned();
    again.metadata.annotations = Some([(keyward::api::annotation::CREATE_ATTEMPT.to_owned(), long_ago)].into());
    scene.restore(&again).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.double.keys().len(), 2, "one for each object");
}

/// A lease only makes it rare that two act. The second reads nothing of the first's writes in the KMS, and its view of the object may be older than they.
///
/// Shows S2.
#[tokio::test]
async fn two_controllers_at_once_make_one_key_each() {
    const OBJECTS: u64 = 30;
    let memory = Memory::new().await;
    let scene = Scene::within(&memory, &AWS, "two", Options::default(), json!({})).await;
    let _both = [memory.start(), memory.start()];
    // Of two who look for a key and find none, one often hears so only when the other has gone on.
    for look in (1..=2 * OBJECTS).step_by(2) {
        scene.double.inject(Fault::on("DescribeKey", FaultAction::LateReply { millis: 500 }).nth(look));
    }
    let names: Vec<_> = (0..OBJECTS).map(|number| format!("key-{number}")).collect();
    for name in &names {
        scene.create(name, json!({})).await;
    }
    for name in &names {
        scene.until_ready(name, "True", "Available").await;
    }
    assert_eq!((scene.calls("CreateKey").len(), scene.double.keys().len()), (names.len(), names.len()));
}

/// The book of deletions is in the provider's status, and not in a process.
#[tokio::test]
async fn a_budget_is_counted_over_a_restart() {
    let budget = json!({ "deletionGuard": { "maxPerHour": 2 } });
    let memory = Memory::new().await;
    let scene = Scene::within(&memory, &AWS, "budget", Options::default(), budget).await;
    let operator = memory.start();
    let names = ["before", "while-away", "over", "over-too"];
    for name in names {
        scene.create(name, json!({ "deletionPolicy": "Delete" })).await;
        scene.until_ready(name, "True", "Available").await;
    }
    scene.delete("before").await;
    scene.until_gone("before").await;
    // Objects that are deleted while no operator runs are counted by the next operator.
    drop(operator);
    for name in &names[1..] {
        scene.delete(name).await;
    }
    let _operator = memory.start();
    eventually("two are held", WITHIN, async || {
        let objects = scene.keys().list(&kube::api::ListParams::default()).await.unwrap().items;
        let held = objects.iter().filter(|object| message(object).contains("resume-deletions=")).count();
        if held == 2 && objects.len() == 2 { Ok(()) } else { Err(format!("{held} of {}", objects.len())) }
    })
    .await;
    assert_eq!(scene.calls("ScheduleKeyDeletion").len(), 2);
    for object in scene.keys().list(&kube::api::ListParams::default()).await.unwrap().items {
        scene.spec(&object.name_any(), json!({ "deletionPolicy": "Retain" })).await;
        scene.until_gone(&object.name_any()).await;
    }
}
