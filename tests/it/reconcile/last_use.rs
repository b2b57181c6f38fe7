//! When a key was last used: for people, once a day, and never in the way of the guard.

use aws_sdk_kms::primitives::Blob;
use futures::future::join_all;
use jiff::SignedDuration;
use keyward::api::ManagedKey;
use kms_double::{Fault, FaultAction, Options};
use serde_json::json;

use crate::support::{
    eventually,
    operator::WITHIN,
    scene::{Scene, describe, find},
};

/// A KMS whose keys are two days old.
fn behind(quotas: bool) -> Options {
    Options { clock_behind: SignedDuration::from_hours(48), quotas, ..Options::default() }
}

fn told(object: &ManagedKey) -> Option<jiff::Timestamp> {
    object.status.as_ref()?.latest_use.as_ref().map(|time| time.0)
}

async fn use_key(scene: &Scene, name: &str) {
    let key = scene.key(name).await.arn;
    scene.person().encrypt().key_id(key).plaintext(Blob::new("data")).send().await.unwrap();
}

#[tokio::test]
async fn the_last_use_is_told_once_a_day_and_a_new_key_is_not_asked_about() {
    let scene = Scene::new("used-new").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    use_key(&scene, "orders").await;
    scene.look_at_all("orders").await;
    assert!(scene.calls("GetKeyLastUsage").is_empty(), "it was created today");

    let scene = Scene::with("used", behind(false), json!({})).await;
    let key = scene.foreign_key().await;
    scene.person().encrypt().key_id(&key).plaintext(Blob::new("data")).send().await.unwrap();
    scene.provide(&scene.provider, json!({ "adoption": { "from": "Rules", "rules": [{ "namespaces": ["*"], "keys": ["*"] }] } })).await;
    scene.create("orders", json!({ "keyId": key })).await;
    scene.create("unused", json!({})).await;
    let object = scene.until("orders", "the use is told", |object| told(object).is_some()).await;
    let used = scene.key("orders").await.last_use.unwrap().time;
    assert_eq!(told(&object).map(jiff::Timestamp::as_second), Some(used.as_second()), "in whole seconds");
    scene.until_ready("unused", "True", "Available").await;
    let object = scene.look_at_all("unused").await;
    assert_eq!(told(&object), None, "it was never used");
    scene.look_at_all("orders").await;
    assert_eq!(scene.calls("GetKeyLastUsage").len(), 2, "once for each key");
    let at_rest = scene.writes("orders").await.len();
    use_key(&scene, "orders").await;
    assert_eq!(told(&scene.look("orders").await).map(jiff::Timestamp::as_second), Some(used.as_second()), "at most a day old");
    assert!(scene.writes("orders").await.len() <= at_rest + 1, "only the answer to the request is written");
}

/// Without the right, nothing is said, and nothing else changes.
#[tokio::test]
async fn a_last_use_that_may_not_be_read_is_left_out() {
    let scene = Scene::with("used-denied", behind(false), json!({})).await;
    let denied = FaultAction::Error { code: "AccessDeniedException".into(), status: 400, message: "not authorized".into() };
    scene.double.inject(Fault::on("GetKeyLastUsage", denied));
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    let object = scene.look_at_all("orders").await;
    assert_eq!((told(&object), scene.calls("GetKeyLastUsage").len()), (None, 1));
    let synced = find(&object, keyward::api::ConditionType::Synced).unwrap();
    assert_eq!((synced.status.as_str(), synced.message.as_str()), ("True", "the key is as declared"));
    assert!(!scene.events("orders").await.contains(&"SyncFailed".to_owned()));
}

/// Shows S1.
#[tokio::test]
async fn the_guard_does_not_believe_the_status() {
    let scene = Scene::new("used-forged").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    use_key(&scene, "orders").await;
    scene.patch_status("orders", json!({ "lastUsedTime": "2026-05-01T00:00:00Z" })).await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    let object = scene.until_ready("orders", "False", "KeyInUse").await;
    assert!(scene.calls("ScheduleKeyDeletion").is_empty(), "{}", describe(&object));
}

/// AWS answers five of these requests a second. Those for the status take no turn for which another waits.
#[tokio::test]
async fn many_last_uses_for_the_status_do_not_keep_the_guard_waiting() {
    const KEYS: usize = 12;
    let limited = json!({ "resyncSeconds": 600, "quotaSharePercent": null });
    let scene = Scene::with("used-many", behind(true), limited).await;
    let names: Vec<_> = (0..KEYS).map(|number| format!("key-{number}")).collect();
    join_all(names.iter().map(|name| scene.create(name, json!({})))).await;
    for name in &names {
        scene.until_ready(name, "True", "Available").await;
    }
    // All are looked at again and again, and one is to be deleted.
    let began = std::time::Instant::now();
    let looks = join_all(names[1..].iter().map(|name| scene.look_at_all(name)));
    let deletion = async {
        scene.spec(&names[0], json!({ "deletionScheduleDays": 7 })).await;
        scene.until_ready(&names[0], "True", "DeletionScheduled").await;
        began.elapsed()
    };
    let (_, deleted) = futures::join!(looks, deletion);
    assert!(deleted < WITHIN / 4, "{deleted:?}");
    eventually("each key was asked about", WITHIN, async || {
        for name in &names[1..] {
            scene.look(name).await;
        }
        let calls = scene.calls("GetKeyLastUsage");
        let keys: std::collections::BTreeSet<_> = calls.iter().filter_map(|call| call.key.clone()).collect();
        if keys.len() == KEYS { Ok(()) } else { Err(format!("{} of {KEYS}", keys.len())) }
    })
    .await;
    let calls = scene.calls("GetKeyLastUsage");
    assert!(calls.iter().all(|call| call.result == "OK"), "{calls:?}");
    assert!(calls.len() <= KEYS + 2, "the guard asks itself, and the status once a day: {calls:?}");
}
