//! How a hold is told: by one event of type Warning that has the command, and by a series with its reason, for each reason that lasts.
//!
//! The reasons that pass within one round, or that let the object go, are in `controller::managed_key::in_memory`.

use aws_sdk_kms::primitives::Blob;
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::events::v1::Event;
use keyward::api::{ConditionType, annotation};
use kms_double::Options;
use kube::{Api, api::ListParams};
use serde_json::{Value, json};

use crate::support::{
    eventually,
    memory::Memory,
    operator::WITHIN,
    scene::{Scene, find},
    vendor::AWS,
};

/// Type, reason and note of the events that tell of a hold of that object.
async fn told(scene: &Scene, name: &str) -> Vec<(String, String)> {
    let api = Api::<Event>::namespaced(scene.client.clone(), &scene.namespace);
    let of_it = |event: &Event| {
        let is_regarding = event.regarding.as_ref().is_some_and(|object| object.name.as_deref() == Some(name));
        is_regarding && event.reason.as_deref() == Some("DeletionHeld")
    };
    let events = api.list(&ListParams::default()).await.unwrap().items.into_iter().filter(of_it);
    events.map(|event| (event.type_.unwrap_or_default(), event.note.unwrap_or_default())).collect()
}

async fn alive(scene: &Scene, name: &str, spec: Value) {
    scene.create(name, spec).await;
    scene.until_ready(name, "True", "Available").await;
}

async fn asks(scene: &Scene, name: &str, days: i32) {
    scene.spec(name, json!({ "deletionScheduleDays": days })).await;
}

async fn pause(scene: &Scene, name: &str, paused: bool) {
    let value = paused.then_some("true");
    scene.patch(name, json!({ "metadata": { "annotations": { (annotation::PAUSED): value } } })).await;
    if paused {
        scene.until_paused(name).await;
    }
}

#[tokio::test]
async fn a_hold_is_told_by_one_warning_of_the_api_server_whose_command_goes_on() {
    let scene = Scene::real("hold-event").await;
    alive(&scene, "orders", json!({})).await;
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    scene.create("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "False", "NotSeenLive").await;
    scene.until_event("orders", "DeletionHeld").await;
    // Neither further reads nor an edit beside it tell it again.
    scene.look_at_all("orders").await;
    scene.spec("orders", json!({ "description": "beside it" })).await;
    scene.until_ready("orders", "False", "NotSeenLive").await;
    scene.look("orders").await;
    let events = told(&scene, "orders").await;
    let [(kind, note)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(kind, "Warning");
    // The command of the event, as it stands.
    let command = note.split("run: kubectl ").nth(1).unwrap_or_else(|| panic!("no command in: {note}"));
    let words: Vec<&str> = command.split_whitespace().collect();
    let end = words.iter().position(|word| word.contains("confirm-deletion=")).unwrap_or_else(|| panic!("no token in: {note}"));
    let mut words = words[..=end].to_vec();
    words[end] = words[end].trim_end_matches(';');
    scene.annotate(&words).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    assert_eq!(told(&scene, "orders").await.len(), 1);
}

/// Brings an object to be held for that reason, which is its name in lower case.
async fn hold(scene: &Scene, reason: &str, providers: [&str; 2]) {
    let name = &reason.to_lowercase();
    let [confirming, stopped] = providers;
    match reason {
        "NotSeenLive" => {
            alive(scene, name, json!({})).await;
            scene.delete(name).await;
            scene.until_gone(name).await;
            scene.create(name, json!({ "deletionScheduleDays": 7 })).await;
        }
        "RollbackSuspected" => {
            alive(scene, name, json!({})).await;
            scene.spec(name, json!({ "description": "second" })).await;
            scene.until_ready(name, "True", "Available").await;
            pause(scene, name, true).await;
            scene.patch_status(name, json!({ "intentSeq": 1, "intentWord": "live" })).await;
            asks(scene, name, 7).await;
            pause(scene, name, false).await;
        }
        "CancelledOutside" | "Interrupted" => {
            alive(scene, name, json!({})).await;
            asks(scene, name, 7).await;
            let object = scene.until_ready(name, "True", "DeletionScheduled").await;
            let key = scene.key(name).await.arn;
            if reason == "Interrupted" {
                // What a process leaves that ended between its cancel and its schedule with other days.
                pause(scene, name, true).await;
                let seq = object.status.and_then(|status| status.intent_seq).unwrap();
                let since = Timestamp::now() - SignedDuration::from_mins(1);
                let open = json!({ "scheduleDays": 14, "origin": "Keyward", "call": "Open", "requestedTime": format!("{since:.0}") });
                scene.patch_status(name, json!({ "intentSeq": seq + 1, "intentWord": "14", "deletion": open })).await;
                asks(scene, name, 14).await;
            }
            scene.person().cancel_key_deletion().key_id(key).send().await.unwrap();
            if reason == "Interrupted" {
                pause(scene, name, false).await;
            } else {
                scene.look(name).await;
            }
        }
        "ConfirmationRequired" | "BudgetExhausted" => {
            let provider = if reason == "BudgetExhausted" { stopped } else { confirming };
            alive(scene, name, json!({ "providerRef": { "name": provider } })).await;
            asks(scene, name, 7).await;
        }
        "KeyInUse" => {
            alive(scene, name, json!({})).await;
            scene.person().encrypt().key_id(scene.key(name).await.arn).plaintext(Blob::new("data")).send().await.unwrap();
            asks(scene, name, 7).await;
        }
        "OtherFinalizers" => {
            alive(scene, name, json!({})).await;
            scene.patch(name, json!({ "metadata": { "finalizers": ["shop.example/backup"] } })).await;
            asks(scene, name, 7).await;
        }
        other => panic!("no story for {other}"),
    }
}

#[tokio::test]
async fn every_hold_that_lasts_is_one_warning_and_one_series_with_its_reason() {
    const REASONS: [&str; 8] = [
        "NotSeenLive",
        "RollbackSuspected",
        "CancelledOutside",
        "Interrupted",
        "ConfirmationRequired",
        "KeyInUse",
        "OtherFinalizers",
        "BudgetExhausted",
    ];
    let memory = Memory::new().await;
    let scene = &Scene::within(&memory, &AWS, "reasons", Options::default(), json!({ "resyncSeconds": 600 })).await;
    let operator = memory.start_with(|settings| settings.per_object_metrics = true);
    let [confirming, stopped] = ["confirming", "stopped"].map(|name| format!("{}-{name}", scene.provider));
    scene.provide(&confirming, json!({ "deletionGuard": { "requireConfirmation": true } })).await;
    scene.provide(&stopped, json!({ "deletionGuard": { "maxPerHour": 0 } })).await;
    let series = || {
        let text = operator.metrics.encode();
        let mut series: Vec<_> =
            text.lines().filter(|line| line.starts_with("keyward_managedkey_deletion_held{")).map(str::to_owned).collect();
        series.sort();
        series
    };
    assert!(series().is_empty());
    join_all(REASONS.map(async |reason| {
        let name = &reason.to_lowercase();
        hold(scene, reason, [&confirming, &stopped]).await;
        let is_held = |object: &_| find(object, ConditionType::DeletionHeld).is_some_and(|held| held.reason == reason);
        scene.until(name, reason, is_held).await;
        scene.until_event(name, "DeletionHeld").await;
        scene.look_at_all(name).await;
        let events = told(scene, name).await;
        assert!(matches!(&events[..], [(kind, _)] if kind == "Warning"), "{reason}: {events:?}");
        let note = &events[0].1;
        assert!(note.contains("kubectl ") || note.contains("nothing has to be typed"), "{reason}: {note}");
    }))
    .await;
    let mut expected = REASONS.map(|reason| {
        let (namespace, name) = (&scene.namespace, reason.to_lowercase());
        format!("keyward_managedkey_deletion_held{{namespace=\"{namespace}\",name=\"{name}\",reason=\"{reason}\"}} 1")
    });
    expected.sort();
    assert_eq!(series(), expected);
    // The series goes with the hold.
    for reason in REASONS {
        scene.spec(&reason.to_lowercase(), json!({ "deletionScheduleDays": null })).await;
    }
    eventually("no hold is left", WITHIN, async || match series() {
        left if left.is_empty() => Ok(()),
        left => Err(left.join("\n")),
    })
    .await;
}
