//! Keyward's annotations are overwritten or copied. They forbid a second creation. Keyward does not read a key only because an
//! annotation names it.
//!
//! Shows S4.

use jiff::SignedDuration;
use keyward::api::{ManagedKey, annotation};
use kms_double::{KeyState, Options};
use serde_json::{Value, json};

use crate::support::scene::{Scene, message};

/// Every key may be adopted by everyone.
fn admitting() -> Value {
    json!({ "resyncSeconds": 600, "adoption": { "from": "Rules", "rules": [{ "namespaces": ["*"], "keys": ["*"] }] } })
}

async fn ready(name: &str, spec: Value) -> (Scene, String) {
    with_key(Scene::with(name, Options::default(), spec).await).await
}

async fn with_key(scene: Scene) -> (Scene, String) {
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;
    (scene, key)
}

async fn overwrite(scene: &Scene, name: &str, value: Value) {
    scene.patch(name, json!({ "metadata": { "annotations": { (annotation::KEY): value } } })).await;
}

/// Waits until the annotation of an object says that it has that key.
async fn until_recorded(scene: &Scene, name: &str, key: &str) {
    let right = format!("{}/{name}/{key}", scene.namespace);
    scene
        .until(name, "the annotation is right", |object| {
            object.metadata.annotations.as_ref().and_then(|all| all.get(annotation::KEY)) == Some(&right)
        })
        .await;
}

/// How often it was told that an annotation said something else.
async fn told(scene: &Scene, name: &str) -> usize {
    let events = scene.events_in(&scene.namespace, name).await;
    events.iter().filter(|(reason, note)| reason == "DriftDetected" && note.contains(annotation::KEY)).count()
}

/// The operator's calls about a key.
fn calls_about(scene: &Scene, key: &str) -> Vec<String> {
    let id = key.rsplit('/').next().unwrap();
    let about = |entry: &kms_double::Entry| entry.params.to_string().contains(id);
    scene.operator_calls().into_iter().filter(about).map(|entry| entry.operation).collect()
}

#[tokio::test]
async fn a_pending_key_is_rescued_though_the_annotation_names_another() {
    let (scene, key) = ready("overwritten", json!({ "resyncSeconds": 600 })).await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    let gone = "arn:aws:kms:eu-west-1:111122223333:key/00000000-0000-4000-8000-000000000000";
    overwrite(&scene, "orders", gone.into()).await;
    scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.double.key(&key).unwrap().state, KeyState::Enabled);
    until_recorded(&scene, "orders", &key).await;
    scene.until_event("orders", "DriftDetected").await;
    scene.look_at_all("orders").await;
    assert_eq!((told(&scene, "orders").await, calls_about(&scene, gone)), (1, vec![]));
}

/// A change to an annotation that Keyward reads leads to a round at once.
#[tokio::test]
async fn an_annotation_that_is_changed_is_read_without_being_asked() {
    let (scene, key) = ready("wakes", json!({ "resyncSeconds": 600 })).await;
    scene.look("orders").await;
    overwrite(&scene, "orders", "nobody knows".into()).await;
    until_recorded(&scene, "orders", &key).await;
    overwrite(&scene, "orders", Value::Null).await;
    until_recorded(&scene, "orders", &key).await;
    // As often as there are facets that a read gets in turn: it does not matter whose turn it is.
    for number in 0..4 {
        scene.patch("orders", json!({ "metadata": { "annotations": { (annotation::CREATE_ATTEMPT): format!("x{number}") } } })).await;
        let is_gone = |it: &ManagedKey| !it.metadata.annotations.as_ref().unwrap().contains_key(annotation::CREATE_ATTEMPT);
        scene.until("orders", "the annotation is gone", is_gone).await;
    }
    assert_eq!(scene.calls("CreateKey").len(), 1);
}

#[tokio::test]
async fn a_key_that_only_the_annotation_names_is_never_read() {
    let (scene, key) = ready("address", admitting()).await;
    let other = scene.foreign_key().await;
    overwrite(&scene, "orders", format!("{}/orders/{other}", scene.namespace).into()).await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    let object = scene.until_ready("orders", "True", "DeletionScheduled").await;
    assert_eq!(object.status.unwrap().key_arn.as_ref(), Some(&key));
    until_recorded(&scene, "orders", &key).await;
    assert_eq!(scene.double.key(&key).unwrap().state, KeyState::PendingDeletion);
    assert_eq!(scene.double.key(&other).unwrap().state, KeyState::Enabled);
    assert_eq!(calls_about(&scene, &other), [""; 0]);
    scene.until_event("orders", "DriftDetected").await;
    assert_eq!(told(&scene, "orders").await, 1);
}

#[tokio::test]
async fn an_attempt_that_somebody_writes_on_a_bound_object_changes_nothing() {
    let (scene, key) = ready("attempt-forged", admitting()).await;
    let other = scene.foreign_key().await;
    scene.create("adopts", json!({ "keyId": other })).await;
    scene.until_ready("adopts", "True", "Available").await;
    let before = scene.now();
    for name in ["orders", "adopts"] {
        scene.patch(name, json!({ "metadata": { "annotations": { (annotation::CREATE_ATTEMPT): "x" } } })).await;
        scene.look_at_all(name).await;
        scene.until_ready(name, "True", "Available").await;
        let told = scene.events(name).await;
        assert!(!told.contains(&"DriftDetected".to_owned()), "{name}: {told:?}");
    }
    scene
        .until("orders", "the annotation is gone", |it| !it.metadata.annotations.as_ref().unwrap().contains_key(annotation::CREATE_ATTEMPT))
        .await;
    assert_eq!((scene.key("orders").await.arn, scene.key("adopts").await.arn), (key, other));
    assert_eq!(scene.changes(before), [""; 0]);
}

/// Waits until a copy has a key of its own, and says what was told of it.
async fn until_its_own(scene: &Scene, copy: &str, key: &str) -> String {
    scene.until_ready(copy, "True", "Available").await;
    let own = scene.key(copy).await.arn;
    assert_ne!(own, key);
    until_recorded(scene, copy, &own).await;
    assert_eq!(scene.key(copy).await.tags["keyward-owner"], format!("{}.{copy}", scene.namespace));
    scene.until_event(copy, "DriftDetected").await
}

#[tokio::test]
async fn a_copy_of_an_object_gets_a_key_of_its_own() {
    let (scene, key) = ready("copied", json!({})).await;
    let mut copy = scene.keys().get("orders").await.unwrap();
    copy.metadata.name = Some("invoices".into());
    scene.restore(&copy).await;
    let note = until_its_own(&scene, "invoices", &key).await;
    assert!(note.contains(&format!("{}/orders", scene.namespace)) && note.contains("not valid"), "{note}");
    scene.look_at_all("invoices").await;
    assert_eq!((told(&scene, "invoices").await, scene.calls("CreateKey").len()), (1, 2));
}

#[tokio::test]
async fn a_copy_of_an_object_in_another_namespace_gets_a_key_of_its_own() {
    let (mut scene, key) = ready("copied-from", json!({})).await;
    let copy = scene.keys().get("orders").await.unwrap();
    let from = std::mem::take(&mut scene.namespace);
    scene.namespace = scene.another_namespace("copied-to").await;
    scene.restore(&copy).await;
    let note = until_its_own(&scene, "orders", &key).await;
    assert!(note.contains(&format!("{from}/orders")) && note.contains("not valid"), "{note}");
    scene.look_at_all("orders").await;
    assert_eq!(told(&scene, "orders").await, 1, "it is said once");
    scene.delete("orders").await;

    scene.namespace = from;
    scene.look_at_all("orders").await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!((scene.key("orders").await.arn, told(&scene, "orders").await), (key.clone(), 0));
    assert_eq!(scene.double.key(&key).unwrap().tags["keyward-owner"], format!("{}.orders", scene.namespace));
    assert_eq!(scene.calls("CreateKey").len(), 2);
}

/// The annotation of an attempt is from an earlier version and names no object. On a copy of its object it is void, too: the copy was made long after it.
#[tokio::test]
async fn an_attempt_that_was_copied_is_void() {
    let scene = Scene::with("copied-attempt", Options::default(), admitting()).await;
    let other = scene.foreign_key().await;
    // Begun in another account, so that no wait ends it.
    let attempt = "0198c5a2-7a3b-7000-8000-000000000000/444455556666/eu-west-1/2026-01-01T10:00:00Z";
    let record = format!("elsewhere/orders/{other}");
    let rows = [
        ("orders", json!({}), json!({ (annotation::CREATE_ATTEMPT): attempt }), 1),
        ("adopts", json!({ "keyId": other }), json!({ (annotation::CREATE_ATTEMPT): attempt, (annotation::KEY): record }), 2),
    ];
    for (name, mut spec, annotations, _) in rows.clone() {
        spec["providerRef"] = json!({ "name": scene.provider });
        let object = json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "spec": spec,
            "metadata": { "name": name, "annotations": annotations } });
        scene.restore(&serde_json::from_value(object).unwrap()).await;
    }
    for (name, _, annotations, times) in rows {
        scene.until_ready(name, "True", "Available").await;
        scene
            .until(name, "what was copied is gone", |it| {
                let stands = |(key, value): (&String, &Value)| {
                    it.metadata.annotations.as_ref().and_then(|all| all.get(key)).map(String::as_str) == value.as_str()
                };
                !annotations.as_object().unwrap().iter().any(stands)
            })
            .await;
        scene.look_at_all(name).await;
        let told = scene.events_in(&scene.namespace, name).await;
        let told: Vec<_> = told.into_iter().filter(|(reason, _)| reason == "DriftDetected").map(|(_, note)| note).collect();
        assert!(told.len() == times && told.iter().all(|note| note.contains("not valid")), "{name}, each once: {told:?}");
    }
    assert_eq!(scene.key("adopts").await.arn, other);
    assert_eq!(scene.calls("CreateKey").len(), 1);
}

#[tokio::test]
async fn an_object_that_lost_its_status_is_found_by_its_marks_and_not_by_its_annotation() {
    let (scene, key) = ready("restored", admitting()).await;
    let mut backup = scene.keys().get("orders").await.unwrap();
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    scene.person().delete_alias().alias_name(scene.claim("orders")).send().await.unwrap();
    let other = scene.foreign_key().await;
    let text = format!("{}/orders/{other}", scene.namespace);
    backup.metadata.annotations.get_or_insert_default().insert(annotation::KEY.into(), text);
    scene.restore(&backup).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.key("orders").await.arn, key);
    // A search reads the tags of every key, and of this one nothing else.
    assert!(calls_about(&scene, &other).iter().all(|call| call == "ListResourceTags"), "{:?}", calls_about(&scene, &other));
    assert_eq!(scene.calls("CreateKey").len(), 1);
}

/// A status proves nothing about who owns a key. The message speaks of the status, not of an alias that nobody set.
#[tokio::test]
async fn a_key_that_a_forged_status_names_is_reported_and_left_alone() {
    let scene = Scene::with("status-forged", Options::default(), json!({ "resyncSeconds": 600 })).await;
    let other = scene.foreign_key().await;
    let object = json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey",
        "metadata": { "name": "orders", "annotations": { (annotation::PAUSED): "true" } }, "spec": { "providerRef": { "name": scene.provider } } });
    scene.restore(&serde_json::from_value(object).unwrap()).await;
    scene.until_paused("orders").await;
    scene.patch_status("orders", json!({ "keyArn": other })).await;
    scene.patch("orders", json!({ "metadata": { "annotations": { (annotation::PAUSED): null } } })).await;
    let object = scene.until_ready("orders", "False", "ClaimUnclear").await;
    let said = message(&object);
    assert!(said.contains(&format!("this object's status names key {other}")) && !said.contains("alias"), "{said}");
    assert!(said.contains("delete this object and make it again"), "{said}");
    scene.look_at_all("orders").await;
    assert_eq!(scene.changes(0), [""; 0]);
    // The advice in the message works.
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_ne!(scene.key("orders").await.arn, other);
}

#[tokio::test]
async fn a_key_can_be_created_once_an_annotation_about_a_lost_key_is_removed() {
    let scene = Scene::real_with("only-record", Options::default(), json!({ "resyncSeconds": 600 })).await;
    let object = json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey",
        "metadata": { "name": "orders", "annotations": { (annotation::KEY): "nobody knows" } },
        "spec": { "providerRef": { "name": scene.provider } } });
    creates_once_the_annotation_is_removed(&scene, &serde_json::from_value(object).unwrap(), "nobody knows").await;
    assert_eq!(scene.calls("CreateKey").len(), 1);
}

/// As one who makes it again from `kubectl get -o yaml` has it.
#[tokio::test]
async fn an_object_whose_key_was_destroyed_is_made_again_with_its_record_and_says_how_it_gets_another_key() {
    let (scene, key) = with_key(Scene::real_with("record-of-gone", Options::default(), json!({ "resyncSeconds": 600 })).await).await;
    until_recorded(&scene, "orders", &key).await;
    let object = scene.keys().get("orders").await.unwrap();
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    scene.double.set_state(&key, KeyState::PendingDeletion).unwrap();
    scene.double.advance(SignedDuration::from_hours(60 * 24)).unwrap();
    assert!(scene.double.key(&key).is_none());
    creates_once_the_annotation_is_removed(&scene, &object, &key).await;
    assert_ne!(scene.key("orders").await.arn, key);
    assert_eq!(scene.calls("CreateKey").len(), 2);
}

/// Makes the object, of which its annotation alone says that it had that key. It says which command lets one be created, and the command does.
async fn creates_once_the_annotation_is_removed(scene: &Scene, object: &ManagedKey, key: &str) {
    let before = scene.now();
    scene.restore(object).await;
    let object = scene
        .until("orders", "taken for gone", |object| {
            keyward::api::condition::find(&object.status.clone().unwrap_or_default().conditions, keyward::api::ConditionType::Stalled)
                .is_some()
        })
        .await;
    let said = message(&object);
    assert!(said.contains(annotation::KEY) && said.contains(key), "{said}");
    let (_, command) = said.split_once("run: kubectl ").unwrap_or_else(|| panic!("no command in: {said}"));
    assert_eq!(scene.changes(before), [""; 0]);
    scene.control_plane().kubectl(&command.split(' ').collect::<Vec<_>>()).await.expect("the command in the message");
    scene.until_ready("orders", "True", "Available").await;
}
