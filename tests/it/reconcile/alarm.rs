//! The alert about a key that is going to be deleted outlives its object.
//!
//! Shows S12.

use futures::future::join_all;
use jiff::SignedDuration;
use keyward::api::{ConditionType, FIELD_MANAGER, KeyProvider, key_provider::PendingDeletion};
use kms_double::{Fault, FaultAction, KeyState as Actual, Options};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::support::{
    eventually,
    memory::{Hand, Memory},
    operator::WITHIN,
    scene::{Scene, find},
    vendor::AWS,
};

/// What the provider lists of pending keys without an object.
async fn listed(scene: &Scene) -> Vec<PendingDeletion> {
    let provider = Api::<KeyProvider>::all(scene.client.clone()).get(&scene.provider).await.unwrap();
    provider.status.unwrap_or_default().pending_deletions
}

async fn until_listed(scene: &Scene, key: Option<&str>) {
    eventually(&format!("the list has {key:?}"), WITHIN, async || {
        let listed = listed(scene).await;
        let keys: Vec<_> = listed.iter().map(|entry| entry.key.as_str()).collect();
        if keys.iter().copied().eq(key) { Ok(()) } else { Err(format!("{listed:?}")) }
    })
    .await;
}

/// Whether the key is watched while its object is there.
async fn until_watched(scene: &Scene, key: &str) {
    eventually("the key is watched", WITHIN, async || {
        let provider = Api::<KeyProvider>::all(scene.client.clone()).get(&scene.provider).await.unwrap();
        let watched = provider.status.unwrap_or_default().watched_deletions;
        if watched.iter().any(|entry| entry.key == key) { Ok(()) } else { Err(format!("{watched:?}")) }
    })
    .await;
}

/// A warning with the date of the key's deletion, in a namespace.
async fn until_told(scene: &Scene, namespace: &str, key: &str) {
    let date = format!("{:.10}", scene.double.key(key).unwrap().deletion_date.unwrap().to_string());
    eventually(&format!("{namespace} is told"), WITHIN, async || {
        let events = scene.events_in(namespace, "orders").await;
        let told = |(reason, note): &(String, String)| reason == "KeyReleased" && note.contains(key) && note.contains(&date);
        if events.iter().any(told) { Ok(()) } else { Err(format!("{events:?}")) }
    })
    .await;
}

/// The provider reads its lists every two seconds. A real API server accepts no less than 30.
fn soon() -> Value {
    json!({ "resyncSeconds": 2 })
}

/// A scene for operators that the test starts and kills.
async fn alone(name: &str) -> (Memory, Scene) {
    let memory = Memory::new().await;
    let scene = Scene::within(&memory, &AWS, name, Options::default(), soon()).await;
    (memory, scene)
}

/// Starts an operator with a series for each object.
fn start(memory: &Memory) -> Hand {
    memory.start_with(|settings| settings.per_object_metrics = true)
}

/// The series about the keys of an object: key, state and value.
fn series(operator: &Hand, scene: &Scene, name: &str) -> Vec<(String, String, i64)> {
    let start = format!("keyward_managedkey_deletion_timestamp_seconds{{namespace=\"{}\",name=\"{name}\",key=\"", scene.namespace);
    let text = operator.metrics.encode();
    let found = text.lines().filter_map(|line| line.strip_prefix(&start)).map(|rest| {
        let (key, rest) = rest.split_once("\",state=\"").unwrap();
        let (state, value) = rest.split_once("\"} ").unwrap();
        // A gauge is a number with a point.
        (key.to_owned(), state.to_owned(), value.trim_end_matches(".0").parse().unwrap())
    });
    found.collect()
}

/// Waits until an object has exactly that series: key, state and value.
async fn until_the_series(operator: &Hand, scene: &Scene, name: &str, expected: &[(&str, &str, i64)]) {
    eventually(&format!("the series of {name}: {expected:?}"), WITHIN, async || {
        let found = series(operator, scene, name);
        let as_expected = found.iter().map(|(key, state, at)| (&**key, &**state, *at)).eq(expected.iter().copied());
        if as_expected { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
}

/// The same for a key of `orders` that is pending until its date, or is not.
async fn until_series(operator: &Hand, scene: &Scene, key: &str, is: bool) {
    let date = scene.double.key(key).unwrap().deletion_date.map_or(0, jiff::Timestamp::as_second);
    let pending = [(key, "PendingDeletion", date)];
    until_the_series(operator, scene, "orders", if is { &pending } else { &[] }).await;
}

#[tokio::test]
async fn a_pending_key_is_alerted_on_until_it_is_cancelled_whatever_becomes_of_its_object_and_the_operator() {
    let (memory, scene) = alone("alarm").await;
    let mut operator = start(&memory);
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;
    scene.spec("orders", json!({ "deletionScheduleDays": 9 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    until_series(&operator, &scene, &key, true).await;
    until_watched(&scene, &key).await;
    assert!(listed(&scene).await.is_empty(), "its object is there");

    // Its object goes, and no operator sees it go.
    operator.kill();
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    let mut operator = start(&memory);
    until_listed(&scene, Some(&key)).await;
    let entry = listed(&scene).await.remove(0);
    assert_eq!(entry.owner, format!("{}/orders", scene.namespace));
    assert_eq!(entry.date.unwrap().0.as_second(), scene.double.key(&key).unwrap().deletion_date.unwrap().as_second());
    assert!(entry.rescue.contains("enabled: true") && entry.rescue.contains("CancelKeyDeletion"), "{}", entry.rescue);
    until_series(&operator, &scene, &key, true).await;
    until_told(&scene, &scene.namespace, &key).await;
    until_told(&scene, "default", &key).await;

    // The list alone keeps the series over a restart.
    operator.kill();
    let operator = start(&memory);
    until_series(&operator, &scene, &key, true).await;

    scene.person().cancel_key_deletion().key_id(&key).send().await.unwrap();
    until_listed(&scene, None).await;
    until_series(&operator, &scene, &key, false).await;
    a_key_is_alerted_on_however_it_is_pending(&scene, &operator).await;
}

/// The key's state, the owner in its marks and the one who scheduled it do not matter.
async fn a_key_is_alerted_on_however_it_is_pending(scene: &Scene, operator: &Hand) {
    // Its date is not known before its replica is gone.
    scene.create("primary", json!({ "key": { "multiRegion": true } })).await;
    scene.until_ready("primary", "True", "Available").await;
    let primary = scene.key("primary").await.arn;
    scene.person().replicate_key().key_id(&primary).replica_region("us-east-1").send().await.unwrap();
    scene.double.advance(SignedDuration::from_mins(1)).unwrap();
    scene.spec("primary", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("primary", "True", "DeletionScheduled").await;
    until_the_series(operator, scene, "primary", &[(&primary, "PendingReplicaDeletion", 0)]).await;

    // A person scheduled it, and its mark is another object's.
    scene.create("taken", json!({})).await;
    scene.until_ready("taken", "True", "Available").await;
    let taken = scene.key("taken").await.arn;
    scene.double.set_tag(&taken, "keyward-uid", Some("somebody-else")).unwrap();
    scene.set_outside("taken", Actual::PendingDeletion).await;
    let date = |key: &str| scene.double.key(key).unwrap().deletion_date.unwrap().as_second();
    scene.look_at_all("taken").await;
    let object = scene.until_ready("taken", "False", "OwnedByAnother").await;
    assert!(find(&object, ConditionType::Stalled).is_some());
    until_the_series(operator, scene, "taken", &[(&taken, "PendingDeletion", date(&taken))]).await;

    // The end of its object scheduled it.
    scene.create("ended", json!({ "deletionPolicy": "Delete" })).await;
    scene.until_ready("ended", "True", "Available").await;
    let ended = scene.key("ended").await.arn;
    scene.delete("ended").await;
    scene.until_gone("ended").await;
    until_the_series(operator, scene, "ended", &[(&ended, "PendingDeletion", date(&ended))]).await;
    scene.person().cancel_key_deletion().key_id(&ended).send().await.unwrap();
    until_the_series(operator, scene, "ended", &[]).await;
}

#[tokio::test]
async fn a_key_that_is_scheduled_with_its_object_is_listed_before_the_object_goes_and_until_another_takes_it_up() {
    let scene = Scene::with("alarm-end", Options::default(), soon()).await;
    scene.create("orders", json!({ "deletionPolicy": "Delete" })).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    assert_eq!(listed(&scene).await.first().map(|entry| entry.key.clone()), Some(key.clone()), "before the finalizer goes");
    until_told(&scene, "default", &key).await;

    scene.create("orders", json!({ "enabled": true })).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.double.key(&key).unwrap().state, Actual::Enabled);
    until_listed(&scene, None).await;
}

#[tokio::test]
async fn a_key_stays_listed_until_another_object_rests_on_it() {
    let scene = Scene::new("alarm-rest").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;
    scene.spec("orders", json!({ "deletionScheduleDays": 9 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    until_watched(&scene, &key).await;
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    until_listed(&scene, Some(&key)).await;
    until_told(&scene, "default", &key).await;

    scene.create("orders", json!({ "deletionScheduleDays": 9 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    until_listed(&scene, None).await;
    until_watched(&scene, &key).await;
}

#[tokio::test]
async fn a_key_whose_object_goes_while_it_is_scheduled_is_listed_and_told_of() {
    // Longer than an answer is waited for, and shorter.
    let all = |millis| Fault::on("ScheduleKeyDeletion", FaultAction::LateReply { millis });
    let each = [("alarm-late", all(2500)), ("alarm-lost", all(60_000))].map(async |(name, fault)| {
        let scene = Scene::with(name, Options::default(), soon()).await;
        scene.create("orders", json!({})).await;
        scene.until_ready("orders", "True", "Available").await;
        let key = scene.key("orders").await.arn;
        scene.double.inject(fault);
        scene.spec("orders", json!({ "deletionScheduleDays": 9 })).await;
        eventually("the key is scheduled", WITHIN, async || {
            let state = scene.double.key(&key).unwrap().state;
            if state == Actual::PendingDeletion { Ok(()) } else { Err(format!("{state:?}")) }
        })
        .await;
        // The KMS has not answered yet, so nothing says that the key is pending but the key itself.
        scene.delete("orders").await;
        scene.until_gone("orders").await;
        until_listed(&scene, Some(&key)).await;
        eventually("both namespaces are told", WITHIN, async || {
            for namespace in [scene.namespace.as_str(), "default"] {
                let events = scene.events_in(namespace, "orders").await;
                if !events.iter().any(|(reason, note)| reason == "KeyReleased" && note.contains(&key)) {
                    return Err(format!("{namespace}: {events:?}"));
                }
            }
            Ok(())
        })
        .await;
    });
    join_all(each).await;
}

#[tokio::test]
async fn a_pending_key_whose_marks_are_gone_or_anothers_is_told_of_and_outlives_its_object() {
    for (name, uid) in [("alarm-stripped", None), ("alarm-marked", Some("somebody-else"))] {
        let scene = Scene::new(name).await;
        scene.create("orders", json!({})).await;
        scene.until_ready("orders", "True", "Available").await;
        let key = scene.key("orders").await.arn;
        for mark in ["keyward-cluster", "keyward-owner", "keyward-intent"].iter().filter(|_| uid.is_none()) {
            scene.double.set_tag(&key, mark, None).unwrap();
        }
        scene.double.set_tag(&key, "keyward-uid", uid).unwrap();
        scene.set_outside("orders", Actual::PendingDeletion).await;
        let object = scene.until("orders", "PendingDeletion", |object| find(object, ConditionType::PendingDeletion).is_some()).await;
        assert!(object.status.unwrap().deletion_date.is_some(), "{name}");
        scene.until_event("orders", "DriftDetected").await;
        until_watched(&scene, &key).await;
        scene.delete("orders").await;
        scene.until_gone("orders").await;
        until_listed(&scene, Some(&key)).await;
    }
}

#[tokio::test]
async fn unlisted_objects_that_were_deleted_unseen_are_counted() {
    let (memory, scene) = alone("alarm-more").await;
    let mut operator = start(&memory);
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    operator.kill();

    // An earlier process counted them, and they went while none ran.
    let providers = Api::<KeyProvider>::all(scene.client.clone());
    let mut status = serde_json::to_value(providers.get(&scene.provider).await.unwrap().status).unwrap();
    status["moreWatchedDeletions"] = json!([{
        "namespace": "bank", "count": 3, "earliest": "2099-01-01T00:00:00Z", "latest": "2099-02-01T00:00:00Z",
    }]);
    let patch = json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "KeyProvider", "status": status });
    let as_operator = PatchParams::apply(FIELD_MANAGER).force();
    providers.patch_status(&scene.provider, &as_operator, &Patch::Apply(&patch)).await.unwrap();

    let operator = start(&memory);
    eventually("they are counted as gone", WITHIN, async || {
        let status = providers.get(&scene.provider).await.unwrap().status.unwrap_or_default();
        let counts: Vec<_> = status.more_pending_deletions.iter().map(|more| (more.namespace.as_str(), more.count)).collect();
        if counts == [("bank", 3)] && status.more_watched_deletions.is_empty() { Ok(()) } else { Err(format!("{status:?}")) }
    })
    .await;
    let series = format!(
        "keyward_managedkey_deletion_timestamp_seconds{{namespace=\"bank\",name=\"\",key=\"KeyProvider/{}\",state=\"PendingDeletion\"}} 4070908800",
        scene.provider
    );
    eventually("their series is there", WITHIN, async || {
        let text = operator.metrics.encode();
        if text.lines().any(|line| line.starts_with(&series)) { Ok(()) } else { Err(text) }
    })
    .await;
}
