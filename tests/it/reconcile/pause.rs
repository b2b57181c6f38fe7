//! `keyward.dev/paused` and `keyward.dev/reconcile-requested-at`.

use keyward::api::ConditionType;
use kms_double::{KeyState as Actual, Options};
use serde_json::{Value, json};

use crate::support::scene::{Scene, find};

fn paused(value: &Value) -> Value {
    json!({ "metadata": { "annotations": { "keyward.dev/paused": value } } })
}

#[tokio::test]
async fn a_paused_object_is_left_until_the_pause_ends() {
    let scene = Scene::new("paused").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;
    scene.patch("orders", paused(&json!("true"))).await;
    scene.until_paused("orders").await;
    let before = scene.double.ledger().len();
    scene.person().disable_key().key_id(&key).send().await.unwrap();
    scene.spec("orders", json!({ "autoRotation": true, "deletionScheduleDays": 7 })).await;
    // Keyward does not read the key of a paused object, so it does not confirm the request either.
    let request = "during the pause";
    scene.patch("orders", json!({ "metadata": { "annotations": { "keyward.dev/reconcile-requested-at": request } } })).await;
    scene.create("later", json!({})).await;
    scene.until_ready("later", "True", "Available").await;
    let object = scene.keys().get("orders").await.unwrap();
    assert_eq!(object.status.as_ref().unwrap().last_handled_reconcile_at, None);
    let ready = find(&object, ConditionType::Ready).unwrap();
    assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("True", "Available"), "it is as it was");
    let synced = find(&object, ConditionType::Synced).unwrap();
    assert_eq!((synced.status.as_str(), synced.reason.as_str()), ("False", "Paused"));
    assert_eq!(object.status.as_ref().unwrap().observed_generation, Some(1));
    assert_eq!(object.metadata.generation, Some(2));
    // Not even a read: the one call is the person's.
    let id = key.rsplit('/').next().unwrap();
    let mut calls = scene.double.ledger().split_off(before);
    calls.retain(|entry| entry.service == "kms" && entry.params.to_string().contains(id));
    assert_eq!(calls.len(), 1, "{calls:?}");

    scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
    scene.patch("orders", paused(&json!(null))).await;
    let object = scene.until_ready("orders", "True", "Available").await;
    let status = object.status.unwrap();
    assert_eq!(status.observed_generation, object.metadata.generation);
    assert_eq!(status.last_handled_reconcile_at.as_deref(), Some(request));
    let key = scene.key("orders").await;
    assert_eq!((key.state, key.rotation.enabled), (Actual::Enabled, true));
    assert!(scene.calls("ScheduleKeyDeletion").is_empty(), "what was asked for and withdrawn during the pause was never seen");
}

#[tokio::test]
async fn an_object_created_paused_creates_nothing() {
    let scene = Scene::real("paused-new").await;
    let manifest = json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey",
        "metadata": { "name": "orders", "namespace": scene.namespace, "annotations": { "keyward.dev/paused": "true" } },
        "spec": { "providerRef": { "name": scene.provider } } });
    scene.control_plane().kubectl_with(&["apply", "-f", "-"], &manifest.to_string()).await.expect("kubectl apply");
    let object = scene.until_paused("orders").await;
    assert_eq!(find(&object, ConditionType::Ready).unwrap().reason, "Paused");
    assert_eq!(scene.changes(0), [""; 0]);
    scene.patch("orders", paused(&json!(null))).await;
    scene.until_ready("orders", "True", "Available").await;
}

#[tokio::test]
async fn any_other_value_of_the_annotation_is_no_pause() {
    let scene = Scene::new("not-paused").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.patch("orders", paused(&json!("false"))).await;
    scene.spec("orders", json!({ "enabled": false })).await;
    scene.until_ready("orders", "True", "Disabled").await;
}

#[tokio::test]
async fn the_annotation_of_flux_requests_a_read_too() {
    let scene = Scene::with("asked", Options::default(), json!({ "resyncSeconds": 600 })).await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;
    for (annotation, value) in [
        ("reconcile.fluxcd.io/requestedAt", "flux-1"),
        ("keyward.dev/reconcile-requested-at", "by hand"),
        ("reconcile.fluxcd.io/requestedAt", "2026-11-20T11:00:00Z"),
        ("keyward.dev/reconcile-requested-at", "by hand again"),
    ] {
        scene.person().disable_key().key_id(&key).send().await.unwrap();
        scene.patch("orders", json!({ "metadata": { "annotations": { (annotation): value } } })).await;
        scene
            .until("orders", "it was looked at", |object| {
                object.status.as_ref().is_some_and(|status| status.last_handled_reconcile_at.as_deref() == Some(value))
            })
            .await;
        assert_eq!(scene.key("orders").await.state, Actual::Enabled);
    }
}
