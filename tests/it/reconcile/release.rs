//! What happens to the key when its object is deleted, and when the object may go.

use keyward::api::{ConditionType, FINALIZER, ManagedKey};
use kms_double::{ACCESS_KEY, Fault, FaultAction, KeyState as Actual, Options};
use kube::{
    Api,
    api::{DeleteParams, ListParams},
};
use serde_json::{Value, json};

use crate::support::{
    eventually,
    operator::WITHIN,
    scene::{Scene, describe, find, message},
};

/// A scene with a provider of that spec, and `orders` with a key.
async fn ready(name: &str, spec: Value, provider: Value) -> (Scene, String) {
    with_key(Scene::with(name, Options::default(), provider).await, spec).await
}

/// The same on a real API server, for what rests on its finalizers and its namespaces.
async fn really(name: &str, spec: Value) -> (Scene, String) {
    with_key(Scene::real(name).await, spec).await
}

async fn with_key(scene: Scene, spec: Value) -> (Scene, String) {
    scene.create("orders", spec).await;
    scene.until("orders", "Ready", |object| find(object, ConditionType::Ready).is_some_and(|ready| ready.status == "True")).await;
    let key = scene.key("orders").await.arn;
    (scene, key)
}

fn has_finalizer(object: &ManagedKey) -> bool {
    object.metadata.finalizers.iter().flatten().any(|name| name == FINALIZER)
}

/// Waits until an object that is being deleted says what it waits for, and names the way out.
async fn waits(scene: &Scene, reason: &str) -> ManagedKey {
    let what = format!("{reason}, and the way out");
    let object = scene.until("orders", &what, |object| {
        let ready = find(object, ConditionType::Ready);
        object.metadata.deletion_timestamp.is_some()
            && ready.is_some_and(|ready| ready.status == "False" && ready.reason == reason)
            && message(object).contains("deletionPolicy: Retain")
    });
    let object = object.await;
    assert!(has_finalizer(&object));
    object
}

async fn retain(scene: &Scene) {
    scene.spec("orders", json!({ "deletionPolicy": "Retain" })).await;
    scene.until_gone("orders").await;
}

#[tokio::test]
async fn retain_needs_no_finalizer_and_leaves_the_key_as_it_is_a_schedule_included() {
    let (scene, key) = ready("retain", json!({}), json!({})).await;
    scene.spec("orders", json!({ "deletionScheduleDays": 9 })).await;
    let object = scene.until_ready("orders", "True", "DeletionScheduled").await;
    assert!(!has_finalizer(&object));
    let view = scene.double.key(&key).unwrap();
    let before = scene.now();
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    assert_eq!(scene.changes(before), [""; 0]);
    let after = scene.double.key(&key).unwrap();
    assert_eq!((after.state, after.deletion_date, after.tags), (Actual::PendingDeletion, view.deletion_date, view.tags));
}

#[tokio::test]
async fn a_disable_waits_for_a_person_where_the_provider_demands_it() {
    let strict = json!({ "deletionGuard": { "requireConfirmation": true } });
    let (scene, key) = ready("confirmed-off", json!({ "deletionPolicy": "Disable" }), strict).await;
    scene.delete("orders").await;
    let object = waits(&scene, "ConfirmationRequired").await;
    assert!(message(&object).starts_with("disabling key "), "{}", message(&object));
    scene.look_at_all("orders").await;
    assert_eq!(scene.double.key(&key).unwrap().state, Actual::Enabled);
    scene.confirm(&object).await;
    scene.until_gone("orders").await;
    assert_eq!(scene.double.key(&key).unwrap().state, Actual::Disabled);
}

#[tokio::test]
async fn a_disable_waits_while_the_provider_is_stopped() {
    let (scene, key) = ready("braked-off", json!({ "deletionPolicy": "Disable" }), json!({ "deletionGuard": { "maxPerHour": 0 } })).await;
    scene.delete("orders").await;
    waits(&scene, "BudgetExhausted").await;
    assert_eq!(scene.double.key(&key).unwrap().state, Actual::Enabled);
    retain(&scene).await;
}

#[tokio::test]
async fn the_finalizer_follows_the_policy() {
    let (scene, _) = really("finalizer", json!({})).await;
    for (policy, wanted) in [("Disable", true), ("Delete", true), ("Retain", false)] {
        scene.spec("orders", json!({ "deletionPolicy": policy })).await;
        let object = scene.until_ready("orders", "True", "Available").await;
        assert_eq!(has_finalizer(&object), wanted, "{policy}");
    }
}

#[tokio::test]
async fn disable_disables_the_key_and_lets_the_object_go() {
    let (scene, key) = really("off", json!({ "deletionPolicy": "Disable" })).await;
    let before = scene.now();
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    assert_eq!(scene.double.key(&key).unwrap().state, Actual::Disabled);
    assert_eq!(scene.changes(before), ["DisableKey"]);
    scene.until_event("orders", "KeyDisabled").await;
    scene.until_event("orders", "KeyReleased").await;
}

#[tokio::test]
async fn disable_leaves_a_pending_and_a_disabled_key_as_they_are() {
    for spec in [json!({ "enabled": false, "deletionPolicy": "Disable" }), json!({ "deletionPolicy": "Disable" })] {
        let pending = spec.get("enabled").is_none();
        let (scene, key) = ready("off-already", spec, json!({})).await;
        if pending {
            scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
            scene.until_ready("orders", "True", "DeletionScheduled").await;
        }
        let before = scene.now();
        let state = scene.double.key(&key).unwrap().state;
        scene.delete("orders").await;
        scene.until_gone("orders").await;
        assert_eq!(scene.changes(before), [""; 0]);
        assert_eq!(scene.double.key(&key).unwrap().state, state);
    }
}

#[tokio::test]
async fn disable_leaves_a_key_without_material() {
    let scene = Scene::new("off-import").await;
    scene.create("orders", json!({ "key": { "origin": "EXTERNAL" }, "deletionPolicy": "Disable" })).await;
    scene.until_ready("orders", "False", "PendingImport").await;
    let before = scene.now();
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    assert_eq!(scene.changes(before), [""; 0]);
}

#[tokio::test]
async fn delete_schedules_with_the_providers_thirty_days() {
    let (scene, key) = really("end", json!({ "deletionPolicy": "Delete" })).await;
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    let view = scene.double.key(&key).unwrap();
    assert_eq!((view.state, view.pending_window_days), (Actual::PendingDeletion, Some(30)));
    assert_eq!(scene.calls("ScheduleKeyDeletion").len(), 1);
    let note = scene.until_event("orders", "KeyDeletionScheduled").await;
    assert!(note.contains(&format!("{:.10}", view.deletion_date.unwrap().to_string())), "{note}");
    assert!(!note.contains("managedkey orders"), "the object that it would name is gone: {note}");
    scene.until_event("orders", "KeyReleased").await;
}

#[tokio::test]
async fn delete_schedules_with_what_the_provider_says() {
    let (scene, key) =
        ready("end-days", json!({ "deletionPolicy": "Delete" }), json!({ "deletionGuard": { "objectDeletionDays": 12 } })).await;
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    assert_eq!(scene.double.key(&key).unwrap().pending_window_days, Some(12));
}

#[tokio::test]
async fn delete_leaves_a_pending_key_with_its_date() {
    let (scene, key) = ready("end-pending", json!({ "deletionPolicy": "Delete" }), json!({})).await;
    scene.spec("orders", json!({ "deletionScheduleDays": 8 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    let date = scene.double.key(&key).unwrap().deletion_date;
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    let view = scene.double.key(&key).unwrap();
    assert_eq!((view.deletion_date, view.pending_window_days), (date, Some(8)));
    assert_eq!(scene.calls("ScheduleKeyDeletion").len(), 1);
}

#[tokio::test]
async fn delete_is_held_for_an_object_that_never_saw_its_key_alive() {
    let (scene, key) = ready("end-held", json!({}), json!({})).await;
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    scene.create("orders", json!({ "deletionScheduleDays": 7, "deletionPolicy": "Delete" })).await;
    scene.until_ready("orders", "False", "NotSeenLive").await;
    scene.delete("orders").await;
    let object = waits(&scene, "NotSeenLive").await;
    scene.look_at_all("orders").await;
    assert_eq!(scene.double.key(&key).unwrap().state, Actual::Enabled);
    assert!(scene.calls("ScheduleKeyDeletion").is_empty());
    // The command in the message works here as well; the days are those that the object declares.
    scene.confirm(&object).await;
    scene.until_gone("orders").await;
    assert_eq!(scene.double.key(&key).unwrap().pending_window_days, Some(7));
}

#[tokio::test]
async fn a_held_object_goes_once_its_key_is_to_be_retained() {
    let (scene, key) = ready("end-retain", json!({}), json!({})).await;
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    scene.create("orders", json!({ "deletionScheduleDays": 7, "deletionPolicy": "Delete" })).await;
    scene.until_ready("orders", "False", "NotSeenLive").await;
    scene.delete("orders").await;
    waits(&scene, "NotSeenLive").await;
    retain(&scene).await;
    assert_eq!(scene.double.key(&key).unwrap().state, Actual::Enabled);
}

#[tokio::test]
async fn an_object_goes_at_once_if_its_key_is_anothers_or_bears_no_marks() {
    for uid in [Some("00000000-0000-4000-8000-000000000000"), None] {
        let (scene, key) = ready("end-marks", json!({ "deletionPolicy": "Delete" }), json!({})).await;
        if let Some(uid) = uid {
            scene.tag(&key, &[("keyward-uid", uid)]).await;
        } else {
            let marks = ["keyward-cluster", "keyward-owner", "keyward-uid", "keyward-intent"].map(str::to_owned);
            scene.person().untag_resource().key_id(&key).set_tag_keys(Some(marks.to_vec())).send().await.unwrap();
        }
        let before = scene.now();
        scene.delete("orders").await;
        scene.until_gone("orders").await;
        assert_eq!(scene.changes(before), [""; 0]);
        assert_eq!(scene.double.key(&key).unwrap().state, Actual::Enabled);
    }
}

#[tokio::test]
async fn an_observed_key_is_left_whatever_the_deletion_policy() {
    let (scene, key) = ready("end-observe", json!({ "deletionPolicy": "Delete" }), json!({})).await;
    scene.spec("orders", json!({ "managementPolicy": "Observe" })).await;
    scene
        .until("orders", "observed", |object| {
            object.status.as_ref().and_then(|status| status.observed_generation) == object.metadata.generation
        })
        .await;
    let before = scene.now();
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    assert_eq!(scene.changes(before), [""; 0]);
    assert_eq!(scene.double.key(&key).unwrap().state, Actual::Enabled);
}

/// Shows S1.
#[tokio::test]
async fn a_namespace_finishes_and_its_keys_stay() {
    let (scene, key) = really("end-namespace", json!({ "deletionPolicy": "Delete" })).await;
    scene.create("paused", json!({ "deletionPolicy": "Delete" })).await;
    scene.until_ready("paused", "True", "Available").await;
    scene.patch("paused", json!({ "metadata": { "annotations": { "keyward.dev/paused": "true" } } })).await;
    let before = scene.now();
    let namespaces = Api::<k8s_openapi::api::core::v1::Namespace>::all(scene.client.clone());
    namespaces.delete(&scene.namespace, &DeleteParams::default()).await.unwrap();
    eventually("the namespace is gone", WITHIN, async || match namespaces.get_opt(&scene.namespace).await.unwrap() {
        None => Ok(()),
        Some(namespace) => {
            let left = scene.keys().list(&ListParams::default()).await.map(|list| list.items.iter().map(describe).collect::<Vec<_>>());
            Err(format!("{:?} {left:?}", namespace.status))
        }
    })
    .await;
    assert_eq!(scene.changes(before), [""; 0]);
    assert_eq!(scene.double.key(&key).unwrap().state, Actual::Enabled);
    // Its own namespace takes no events any more.
    eventually("what became of the key is told", WITHIN, async || {
        let events = scene.events_in("default", "orders").await;
        let told = events.iter().any(|(reason, note)| reason == "KeyReleased" && note.contains(&key));
        if told { Ok(()) } else { Err(format!("{events:?}")) }
    })
    .await;
}

/// The object does not change when its namespace is deleted after it, so nothing tells of that.
///
/// Shows S1.
#[tokio::test]
async fn an_object_that_is_held_goes_once_its_namespace_is_deleted_too() {
    let stopped = json!({ "deletionGuard": { "maxPerHour": 0 }, "resyncSeconds": 86_400 });
    let scene = Scene::real_with("end-held-namespace", Options::default(), stopped).await;
    let (scene, key) = with_key(scene, json!({ "deletionPolicy": "Delete" })).await;
    scene.delete("orders").await;
    waits(&scene, "BudgetExhausted").await;
    let namespaces = Api::<k8s_openapi::api::core::v1::Namespace>::all(scene.client.clone());
    namespaces.delete(&scene.namespace, &DeleteParams::default()).await.unwrap();
    scene.until_gone("orders").await;
    assert_eq!(scene.double.key(&key).unwrap().state, Actual::Enabled);
    assert!(scene.calls("ScheduleKeyDeletion").is_empty());
}

#[tokio::test]
async fn a_paused_object_waits_and_goes_once_its_key_is_to_be_retained() {
    let (scene, key) = ready("end-paused", json!({ "deletionPolicy": "Delete" }), json!({})).await;
    scene.patch("orders", json!({ "metadata": { "annotations": { "keyward.dev/paused": "true" } } })).await;
    scene.delete("orders").await;
    let object = scene
        .until("orders", "it waits", |object| {
            object.metadata.deletion_timestamp.is_some()
                && find(object, ConditionType::Synced).is_some_and(|synced| synced.reason == "Paused")
        })
        .await;
    assert!(object.metadata.deletion_timestamp.is_some() && has_finalizer(&object));
    assert_eq!(find(&object, ConditionType::Synced).unwrap().reason, "Paused");
    assert_eq!(scene.double.key(&key).unwrap().state, Actual::Enabled);
    retain(&scene).await;
    assert!(scene.calls("ScheduleKeyDeletion").is_empty());
    assert_eq!(scene.double.key(&key).unwrap().state, Actual::Enabled);
}

#[tokio::test]
async fn a_paused_object_does_what_its_policy_says_once_it_goes_on() {
    let (scene, key) = ready("end-resumed", json!({ "deletionPolicy": "Disable" }), json!({})).await;
    scene.patch("orders", json!({ "metadata": { "annotations": { "keyward.dev/paused": "true" } } })).await;
    scene.delete("orders").await;
    scene.until_paused("orders").await;
    scene.patch("orders", json!({ "metadata": { "annotations": { "keyward.dev/paused": null } } })).await;
    scene.until_gone("orders").await;
    assert_eq!(scene.double.key(&key).unwrap().state, Actual::Disabled);
}

#[tokio::test]
async fn an_object_without_its_provider_waits_and_names_the_way_out() {
    let (scene, key) = ready("end-provider", json!({ "deletionPolicy": "Delete" }), json!({})).await;
    Api::<keyward::api::KeyProvider>::all(scene.client.clone()).delete(&scene.provider, &DeleteParams::default()).await.unwrap();
    scene.until_ready("orders", "False", "ProviderNotFound").await;
    scene.delete("orders").await;
    let object = waits(&scene, "ProviderNotFound").await;
    assert!(find(&object, ConditionType::Reconciling).is_some());
    retain(&scene).await;
    assert_eq!(scene.double.key(&key).unwrap().state, Actual::Enabled);
}

#[tokio::test]
async fn an_object_whose_secret_is_gone_waits_and_names_the_way_out() {
    let (scene, key) = ready("end-secret", json!({ "deletionPolicy": "Disable" }), json!({})).await;
    let secrets = Api::<k8s_openapi::api::core::v1::Secret>::namespaced(scene.client.clone(), &scene.operator_namespace);
    secrets.delete(&scene.provider, &DeleteParams::default()).await.unwrap();
    scene.until_ready("orders", "False", "ProviderNotReady").await;
    scene.delete("orders").await;
    waits(&scene, "ProviderNotReady").await;
    scene.secret(&scene.provider, kms_double::ACCESS_KEY, kms_double::SECRET_KEY).await;
    scene.until_gone("orders").await;
    assert_eq!(scene.double.key(&key).unwrap().state, Actual::Disabled);
}

#[tokio::test]
async fn an_object_of_a_namespace_that_is_no_longer_admitted_goes_and_leaves_its_key() {
    let (scene, key) = ready("end-admitted", json!({ "deletionPolicy": "Delete" }), json!({})).await;
    scene.provide(&scene.provider, json!({ "namespaces": { "from": "Names", "names": ["elsewhere"] } })).await;
    scene.until_ready("orders", "False", "NamespaceNotAllowed").await;
    let before = scene.now();
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    assert_eq!(scene.changes(before), [""; 0]);
    assert_eq!(scene.double.key(&key).unwrap().state, Actual::Enabled);
}

#[tokio::test]
async fn an_object_that_has_no_key_goes() {
    let scene = Scene::with("end-keyless", Options::default(), json!({ "deletionGuard": { "minimumScheduleDays": 7 } })).await;
    scene.create("orders", json!({ "deletionPolicy": "Delete", "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "False", "NothingToDelete").await;
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    assert_eq!(scene.changes(0), [""; 0]);
}

#[tokio::test]
async fn an_object_whose_key_the_kms_is_not_done_with_waits_for_it() {
    let (scene, key) = ready("end-settling", json!({ "deletionPolicy": "Disable" }), json!({})).await;
    scene.double.set_state(&key, Actual::Updating).unwrap();
    scene.delete("orders").await;
    waits(&scene, "Updating").await;
    assert!(scene.calls("DisableKey").is_empty());
    scene.double.resume(&key).unwrap();
    scene.until_gone("orders").await;
    assert_eq!(scene.double.key(&key).unwrap().state, Actual::Disabled);
}

#[tokio::test]
async fn an_object_whose_kms_denies_or_does_not_answer_waits_and_names_the_way_out() {
    let answers = [
        ("AccessDenied", FaultAction::Error { code: "AccessDeniedException".into(), status: 400, message: "not authorized".into() }),
        ("ProviderUnavailable", FaultAction::Error { code: "KMSInternalException".into(), status: 500, message: String::new() }),
    ];
    for (reason, answer) in answers {
        let (scene, key) = ready("end-fault", json!({ "deletionPolicy": "Delete" }), json!({})).await;
        scene.double.inject(Fault::on("ScheduleKeyDeletion", answer).for_caller(ACCESS_KEY));
        scene.delete("orders").await;
        waits(&scene, reason).await;
        retain(&scene).await;
        assert_eq!(scene.double.key(&key).unwrap().state, Actual::Enabled);
    }
}

#[tokio::test]
async fn a_provider_that_demands_a_confirmation_holds_the_deletion_of_an_object() {
    let (scene, key) =
        ready("end-confirm", json!({ "deletionPolicy": "Delete" }), json!({ "deletionGuard": { "requireConfirmation": true } })).await;
    scene.delete("orders").await;
    let object = waits(&scene, "ConfirmationRequired").await;
    assert_eq!(scene.double.key(&key).unwrap().state, Actual::Enabled);
    scene.confirm(&object).await;
    scene.until_gone("orders").await;
    assert_eq!(scene.double.key(&key).unwrap().pending_window_days, Some(30));
}

#[tokio::test]
async fn a_key_is_not_scheduled_while_another_finalizer_stands_on_its_object() {
    const OTHER: &str = "shop.example/backup";
    let (scene, key) = ready("finalizers", json!({ "deletionPolicy": "Delete" }), json!({})).await;
    scene.patch("orders", json!({ "metadata": { "finalizers": [FINALIZER, OTHER] } })).await;
    scene.delete("orders").await;
    let object = waits(&scene, "OtherFinalizers").await;
    assert!(message(&object).contains(OTHER), "{}", message(&object));
    scene.look_at_all("orders").await;
    assert!(scene.calls("ScheduleKeyDeletion").is_empty());
    // Its going wakes the object by itself.
    scene.patch("orders", json!({ "metadata": { "finalizers": [FINALIZER] } })).await;
    scene.until_gone("orders").await;
    assert_eq!(scene.double.key(&key).unwrap().state, Actual::PendingDeletion);
}

/// Somebody says with a finalizer that the key is in use, and the object itself is not being deleted.
#[tokio::test]
async fn a_declared_deletion_waits_for_the_finalizers_of_others_too() {
    const OTHER: &str = "shop.example/backup";
    let (scene, key) = really("finalizers-live", json!({})).await;
    scene.patch("orders", json!({ "metadata": { "finalizers": [OTHER] } })).await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    let object = scene.until_ready("orders", "False", "OtherFinalizers").await;
    assert!(
        find(&object, ConditionType::Stalled).is_none() && find(&object, ConditionType::DeletionHeld).is_some(),
        "{}",
        describe(&object)
    );
    // A round that fails does not forget it.
    scene.look_at_all("orders").await;
    assert!(scene.calls("ScheduleKeyDeletion").is_empty());
    // The command in the message removes it, and the key is scheduled without another edit.
    let (command, patch) =
        message(&object).split_once("run: kubectl ").and_then(|(_, command)| command.split_once(" -p '")).expect("a command");
    let words = command.split(' ').chain(["-p", patch.split('\'').next().unwrap_or_default()]);
    scene.control_plane().kubectl(&words.collect::<Vec<_>>()).await.expect("the command in the message");
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    assert_eq!(scene.double.key(&key).unwrap().pending_window_days, Some(7));
    // One that comes later cancels nothing, and no other days are scheduled while it is there.
    scene.patch("orders", json!({ "metadata": { "finalizers": [OTHER] } })).await;
    scene.spec("orders", json!({ "deletionScheduleDays": 9 })).await;
    let object = scene.until_ready("orders", "False", "OtherFinalizers").await;
    assert!(message(&object).contains("the deletion that was scheduled with 7 days stands"), "{}", message(&object));
    assert_eq!(scene.double.key(&key).unwrap().pending_window_days, Some(7));
    // It never holds up a rescue.
    scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
    scene.until_ready("orders", "True", "Available").await;
}

/// Shows S11.
#[tokio::test]
async fn more_finalizers_than_are_kept_hold_up_no_rescue_and_none_of_them_is_lost() {
    let (scene, key) = ready("finalizers-many", json!({}), json!({})).await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    let others: Vec<String> = (0..100).map(|number| format!("shop.example/backup-{number}")).collect();
    scene.patch("orders", json!({ "metadata": { "finalizers": others } })).await;
    scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.double.key(&key).unwrap().state, Actual::Enabled);
    // Keyward's own comes and goes, and the others stay as they are.
    scene.spec("orders", json!({ "deletionPolicy": "Delete" })).await;
    let all = |own: bool| [others.clone(), own.then(|| FINALIZER.to_owned()).into_iter().collect()].concat();
    scene.until("orders", "its finalizer", |object| object.metadata.finalizers == Some(all(true))).await;
    scene.delete("orders").await;
    waits(&scene, "OtherFinalizers").await;
    scene.spec("orders", json!({ "deletionPolicy": "Retain" })).await;
    scene.until("orders", "no finalizer of Keyward", |object| object.metadata.finalizers == Some(all(false))).await;
    assert_eq!(scene.calls("ScheduleKeyDeletion").len(), 1);
}
