//! The brake: more than `maxPerHour` deletions within an hour stop all, until an administrator resumes them and a person confirms each.
//!
//! Shows S1.

use k8s_openapi::api::{core::v1::ConfigMap, events::v1::Event};
use keyward::api::{ConditionType, KeyProvider, KeyProviderStatus, ManagedKey, condition};
use kms_double::{Fault, FaultAction, KeyState as Actual, Options};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, PostParams},
};
use serde_json::{Value, json};

use crate::support::{
    eventually,
    memory::Memory,
    operator::WITHIN,
    scene::{Scene, describe, find, message},
    vendor::{AWS, CIPHER_TRUST, HUAWEI},
};

const BUDGET: usize = 3;

/// The spec of a provider with that budget.
fn guard() -> Value {
    json!({ "deletionGuard": { "maxPerHour": BUDGET } })
}

/// A scene with a budget of three and that many objects, each with a key.
async fn with_keys(name: &str, count: usize, spec: Value) -> Scene {
    let scene = Scene::with(name, Options::default(), guard()).await;
    fill(&scene, count, spec).await;
    scene
}

async fn fill(scene: &Scene, count: usize, spec: Value) {
    for number in 0..count {
        scene.create(&format!("key-{number}"), spec.clone()).await;
    }
    for number in 0..count {
        scene.until_ready(&format!("key-{number}"), "True", "Available").await;
    }
}

/// Waits until so many calls of that operation were made. The last of them may come after the others are held.
async fn until_called(scene: &Scene, operation: &str, count: usize) {
    eventually(&format!("{count} of {operation}"), WITHIN, async || match scene.calls(operation).len() {
        calls if calls == count => Ok(()),
        calls => Err(calls),
    })
    .await;
}

/// As `kubectl delete --all` does it.
async fn delete_all(scene: &Scene) {
    for object in scene.keys().list(&ListParams::default()).await.unwrap() {
        scene.delete(&object.name_any()).await;
    }
}

async fn provider(scene: &Scene) -> KeyProvider {
    Api::<KeyProvider>::all(scene.client.clone()).get(&scene.provider).await.unwrap()
}

async fn status(scene: &Scene) -> KeyProviderStatus {
    provider(scene).await.status.unwrap_or_default()
}

/// What the provider says of its stop.
async fn stopped(scene: &Scene) -> Option<String> {
    condition::find(&status(scene).await.conditions, ConditionType::DeletionsStopped).map(|found| found.message.clone())
}

/// Runs, as it stands, the command that the provider's condition names.
async fn resume(scene: &Scene) {
    let message = eventually("the provider says that it is stopped", WITHIN, async || stopped(scene).await.ok_or("it does not")).await;
    let command = message.split("kubectl annotate").nth(1).unwrap_or_else(|| panic!("no command in: {message}"));
    let command = command.split(';').next().unwrap_or_default();
    let words: Vec<&str> = ["annotate"].into_iter().chain(command.split_whitespace()).collect();
    scene.annotate(&words).await;
    eventually("deletions are resumed", WITHIN, async || stopped(scene).await.map_or(Ok(()), Err)).await;
}

/// Type and reason of the provider's own events, oldest first.
async fn told(scene: &Scene) -> Vec<(String, String)> {
    let api = Api::<Event>::namespaced(scene.client.clone(), "default");
    let mut events = api.list(&ListParams::default()).await.unwrap().items;
    events.sort_by_key(|event| event.event_time.clone().map(|time| time.0));
    events.retain(|event| {
        let object = event.regarding.as_ref();
        object.is_some_and(|object| object.kind.as_deref() == Some("KeyProvider") && object.name.as_deref() == Some(&scene.provider))
    });
    events.into_iter().map(|event| (event.type_.unwrap_or_default(), event.reason.unwrap_or_default())).collect()
}

/// Waits until the provider had exactly these events.
async fn until_told(scene: &Scene, expected: &[(&str, &str)]) {
    eventually(&format!("{expected:?}"), WITHIN, async || {
        let found = told(scene).await;
        if found.iter().map(|(kind, reason)| (&**kind, &**reason)).eq(expected.iter().copied()) {
            Ok(())
        } else {
            Err(format!("{found:?}"))
        }
    })
    .await;
}

fn is_held(object: &ManagedKey) -> bool {
    find(object, ConditionType::DeletionHeld).is_some_and(|held| held.reason == "BudgetExhausted")
}

/// Waits until so many objects are held by the brake, each with the word on its key, and gives them.
async fn until_held(scene: &Scene, count: usize) -> Vec<ManagedKey> {
    eventually(&format!("{count} are held"), WITHIN, async || {
        let held: Vec<_> = scene.keys().list(&ListParams::default()).await.unwrap().into_iter().filter(is_held).collect();
        let said = held.iter().all(|object| {
            let word = object.status.as_ref().and_then(|status| status.intent_word.as_deref());
            word.is_some_and(|word| word.starts_with("held-"))
        });
        if held.len() == count && said { Ok(held) } else { Err(held.iter().map(describe).collect::<Vec<_>>().join("\n")) }
    })
    .await
}

fn schedules(scene: &Scene) -> usize {
    scene.calls(scene.vendor.operations.schedule).len()
}

/// `kubectl delete --all` over more objects than the budget has room for.
async fn all_are_deleted(scene: Scene) {
    fill(&scene, BUDGET + 3, json!({ "deletionPolicy": "Delete" })).await;
    delete_all(&scene).await;
    let held = until_held(&scene, 3).await;
    until_called(&scene, scene.vendor.operations.schedule, BUDGET).await;
    for object in &held {
        assert!(
            message(object).contains("keyward.dev/resume-deletions=") && message(object).contains("deletionPolicy: Retain"),
            "{}",
            message(object)
        );
    }
    eventually("the provider says how many wait", WITHIN, async || {
        let waiting = status(&scene).await.deletions.and_then(|book| book.waiting);
        if waiting == Some(3) { Ok(()) } else { Err(format!("{waiting:?}")) }
    })
    .await;

    until_told(&scene, &[("Warning", "DeletionsStopped")]).await;
    resume(&scene).await;
    // Lifting the brake schedules nothing by itself.
    let first = held[0].name_any();
    for object in &held {
        let looked = scene.look_at_all(&object.name_any()).await;
        assert!(is_held(&looked), "{}", describe(&looked));
    }
    assert_eq!(schedules(&scene), BUDGET);
    let told = scene.until(&first, "the token", |object| message(object).contains("confirm-deletion=")).await;
    scene.confirm(&told).await;
    scene.until_gone(&first).await;
    assert_eq!(schedules(&scene), BUDGET + 1);
    // One that is to be kept goes without a call.
    let second = held[1].name_any();
    scene.spec(&second, json!({ "deletionPolicy": "Retain" })).await;
    scene.until_gone(&second).await;
    assert_eq!(schedules(&scene), BUDGET + 1);
    until_told(&scene, &[("Warning", "DeletionsStopped"), ("Normal", "DeletionsResumed")]).await;
}

/// A pending key takes no word, so there is no token for other days: the status keeps that they were held, until somebody asks for them again.
#[tokio::test]
async fn other_days_that_were_held_stay_held_once_deletions_are_resumed() {
    let guard = json!({ "deletionGuard": { "maxPerHour": 1 }, "resyncSeconds": 600 });
    let memory = Memory::new().await;
    let scene = Scene::within(&memory, &AWS, "budget-other", Options::default(), guard).await;
    let mut operator = memory.start();
    fill(&scene, 2, json!({})).await;
    scene.spec("key-0", json!({ "deletionScheduleDays": 30 })).await;
    scene.until_ready("key-0", "True", "DeletionScheduled").await;
    scene.spec("key-1", json!({ "deletionScheduleDays": 7 })).await;
    until_held(&scene, 1).await;
    let asks = async |days: i32| scene.spec("key-0", json!({ "deletionScheduleDays": days })).await;
    asks(7).await;
    scene.until_ready("key-0", "False", "BudgetExhausted").await;
    let pends = async || (schedules(&scene), scene.key("key-0").await.pending_window_days);
    assert_eq!(pends().await, (1, Some(30)));
    resume(&scene).await;
    // Not after a restart, and not with another edit.
    for edit in ["first", "second"] {
        operator.kill();
        operator = memory.start();
        scene.spec("key-0", json!({ "description": edit })).await;
        scene.until_ready("key-0", "False", "BudgetExhausted").await;
        let object = scene.look_at_all("key-0").await;
        assert!(is_held(&object) && message(&object).contains("and set it again"), "{}", describe(&object));
        assert_eq!(pends().await, (1, Some(30)));
    }
    asks(30).await;
    scene.until_ready("key-0", "True", "DeletionScheduled").await;
    asks(7).await;
    eventually("the other days come about", WITHIN, async || match pends().await {
        (2, Some(7)) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    scene.until_ready("key-0", "True", "DeletionScheduled").await;
    assert!(is_held(&scene.look("key-1").await));
}

#[tokio::test]
async fn a_deletion_above_the_budget_is_held_and_needs_its_own_token() {
    // The commands that the conditions name are run as they stand.
    all_are_deleted(Scene::real_with("budget", Options::default(), guard()).await).await;
}

#[tokio::test]
async fn a_deletion_above_the_budget_is_held_at_ciphertrust() {
    all_are_deleted(Scene::alone(&CIPHER_TRUST, "budget-ct", Options::default(), guard()).await).await;
}

#[tokio::test]
async fn a_deletion_above_the_budget_is_held_at_huawei() {
    all_are_deleted(Scene::alone(&HUAWEI, "budget-hw", Options::default(), guard()).await).await;
}

#[tokio::test]
async fn keys_that_are_disabled_with_their_objects_count_too() {
    let scene = with_keys("budget-off", BUDGET + 2, json!({ "deletionPolicy": "Disable" })).await;
    delete_all(&scene).await;
    let held = until_held(&scene, 2).await;
    until_called(&scene, "DisableKey", BUDGET).await;
    resume(&scene).await;
    let name = held[0].name_any();
    let told = scene.until(&name, "the token", |object| message(object).contains("-disable")).await;
    assert_eq!(scene.calls("DisableKey").len(), BUDGET);
    scene.confirm(&told).await;
    scene.until_gone(&name).await;
    assert_eq!(scene.calls("DisableKey").len(), BUDGET + 1);
}

#[tokio::test]
async fn objects_that_go_with_their_owner_count_too() {
    let scene = Scene::real_with("budget-owner", Options::default(), guard()).await;
    let owners = Api::<ConfigMap>::namespaced(scene.client.clone(), &scene.namespace);
    let owner = serde_json::from_value(json!({ "metadata": { "name": "owner" } })).unwrap();
    let owner = owners.create(&PostParams::default(), &owner).await.unwrap();
    fill(&scene, BUDGET + 2, json!({ "deletionPolicy": "Delete" })).await;
    for number in 0..BUDGET + 2 {
        let of = json!([{ "apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner.metadata.uid }]);
        scene.patch(&format!("key-{number}"), json!({ "metadata": { "ownerReferences": of } })).await;
    }
    owners.delete("owner", &DeleteParams::default()).await.unwrap();
    until_held(&scene, 2).await;
    until_called(&scene, "ScheduleKeyDeletion", BUDGET).await;
}

#[tokio::test]
async fn a_deletion_that_is_declared_is_held_like_that_of_an_object() {
    let scene = with_keys("budget-days", BUDGET + 1, json!({})).await;
    for number in 0..BUDGET {
        let name = format!("key-{number}");
        scene.spec(&name, json!({ "deletionScheduleDays": 7 })).await;
        scene.until_ready(&name, "True", "DeletionScheduled").await;
    }
    let last = format!("key-{BUDGET}");
    scene.spec(&last, json!({ "deletionScheduleDays": 7 })).await;
    until_held(&scene, 1).await;
    // Only deletions are stopped: a rescue goes on.
    scene.spec("key-0", json!({ "deletionScheduleDays": null })).await;
    scene.until_ready("key-0", "True", "Available").await;
    // The held object keeps its key if its deletion is taken back.
    scene.spec(&last, json!({ "deletionScheduleDays": null })).await;
    scene.until_ready(&last, "True", "Available").await;
    assert_eq!(schedules(&scene), BUDGET);
}

#[tokio::test]
async fn max_per_hour_0_stops_all_and_raising_it_does_not_resume_them() {
    let scene = Scene::with("brake", Options::default(), json!({ "deletionGuard": { "maxPerHour": 0 } })).await;
    fill(&scene, 1, json!({})).await;
    scene.spec("key-0", json!({ "deletionScheduleDays": 7 })).await;
    let held = until_held(&scene, 1).await;
    assert!(message(&held[0]).contains("maxPerHour is 0"), "{}", message(&held[0]));
    scene.provide(&scene.provider, json!({ "deletionGuard": { "maxPerHour": 10 } })).await;
    let raised = scene.until("key-0", "the command that resumes", |object| !message(object).contains("maxPerHour is 0")).await;
    assert!(is_held(&raised), "{}", describe(&raised));
    resume(&scene).await;
    let told = scene.until("key-0", "the token", |object| message(object).contains("confirm-deletion=")).await;
    assert_eq!(schedules(&scene), 0);
    scene.confirm(&told).await;
    scene.until_ready("key-0", "True", "DeletionScheduled").await;
    assert_eq!(schedules(&scene), 1);
}

/// What the KMS denies takes nobody's place, however often it is tried: neither a denied mark nor a denied schedule.
#[tokio::test]
async fn deletions_that_the_kms_denies_do_not_fill_the_budget() {
    let guard = json!({ "deletionGuard": { "maxPerHour": 2 }, "resyncSeconds": 600 });
    let scene = Scene::with("budget-denied", Options::default(), guard).await;
    fill(&scene, 4, json!({})).await;
    let denied = || FaultAction::Error { code: "AccessDeniedException".into(), status: 400, message: "not authorized".into() };
    scene.double.inject(Fault::on("TagResource", denied()));
    scene.spec("key-0", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("key-0", "False", "AccessDenied").await;
    scene.double.clear_faults();
    scene.double.inject(Fault::on("ScheduleKeyDeletion", denied()));
    for name in ["key-0", "key-1", "key-2", "key-3", "key-0", "key-1"] {
        scene.spec(name, json!({ "deletionScheduleDays": 7 })).await;
        scene.look(name).await;
        scene.until_ready(name, "False", "AccessDenied").await;
    }
    assert!(schedules(&scene) >= 4);
    assert_eq!(status(&scene).await.deletions, None, "nothing is counted, and nothing is stopped");

    // Once it is allowed, it counts.
    scene.double.clear_faults();
    for name in ["key-0", "key-1"] {
        scene.look(name).await;
        scene.until_ready(name, "True", "DeletionScheduled").await;
    }
    let booked = status(&scene).await.deletions.unwrap_or_default().recent.len();
    assert_eq!(booked, 2);
    scene.look("key-2").await;
    until_held(&scene, 2).await;
    let pending = ["key-2", "key-3"].map(|name| scene.key(name));
    for key in pending {
        assert_eq!(key.await.state, Actual::Enabled);
    }
}
