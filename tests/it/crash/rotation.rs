//! The operator is killed, or its answer is lost, where it has a key rotated on demand. No text rotates a key twice.

use std::time::Duration;

use keyward::{
    api::{ConditionType, ManagedKey, annotation, managed_key::OnDemand},
    domain::limits::Limits,
};
use kms_double::{Fault, FaultAction, Options};
use serde_json::json;

use super::{Try, each, hold, struck};
use crate::support::{
    eventually,
    gate::{At, Fate},
    memory::{Hand, Memory},
    operator::WITHIN,
    scene::{Scene, describe, find},
    vendor::{AWS, CIPHER_TRUST, HUAWEI, Vendor},
};

/// Shows S9.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_rotated_once_whatever_happens_to_the_request() {
    let mut tries: Vec<Try> = Vec::new();
    for vendor in [&AWS, &CIPHER_TRUST, &HUAWEI] {
        for ends in Fate::ALL {
            tries.push(Box::pin(rotate_once(vendor, ends)));
        }
    }
    each(tries).await;
}

/// Shows S9.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_rotated_once_at_whichever_write_the_operator_is_killed() {
    let mut tries: Vec<Try> = Vec::new();
    for vendor in [&AWS, &CIPHER_TRUST, &HUAWEI] {
        for at in [At::Before, At::After] {
            tries.push(Box::pin(async move {
                let mut write = 1;
                while killed_at_write(vendor, write, at).await {
                    write += 1;
                }
                assert!(write > 2, "the record comes before the call, and the status after it");
            }));
        }
    }
    each(tries).await;
}

/// An operator that waits a second until a call without an answer certainly took no effect.
fn start(memory: &Memory) -> Hand {
    memory.start_with(|settings| settings.attempt_wait = Duration::from_secs(1))
}

fn record(object: &ManagedKey) -> OnDemand {
    object.status.clone().and_then(|status| status.rotation?.on_demand).unwrap_or_default()
}

async fn request(scene: &Scene) {
    scene.patch("orders", json!({ "metadata": { "annotations": { (annotation::ROTATE_REQUESTED_AT): "now" } } })).await;
}

/// The text was handled, and the key was rotated once. Looks that come later change nothing.
async fn rotated_once(scene: &Scene, point: &str) {
    scene.until("orders", point, |object| record(object).last_handled.as_deref() == Some("now")).await;
    scene.double.advance(jiff::SignedDuration::from_mins(1)).unwrap();
    scene.look_at_all("orders").await;
    let object = scene.until("orders", point, |object| record(object).request.is_none()).await;
    let times = scene.calls(scene.vendor.operations.rotate_now).iter().filter(|call| call.took_effect).count();
    let rotated = scene.key("orders").await.rotation.rotated;
    assert_eq!((times, rotated.len()), (1, 1), "{point}: {}", describe(&object));
    scene.until_ready("orders", "True", "Available").await;
}

async fn rotate_once(vendor: &'static Vendor, ends: Fate) {
    let operation = vendor.operations.rotate_now;
    let point = format!("{operation}: {ends:?}");
    let memory = Memory::new().await;
    let scene = Scene::within(&memory, vendor, "crash", Options::default(), json!({})).await;
    let mut operator = start(&memory);
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    match ends {
        Fate::Killed(at) => hold(&scene, operation, at),
        Fate::Lost => scene.double.inject(Fault::on(operation, FaultAction::LoseReply).nth(1)),
        Fate::Cut => scene.double.inject(Fault::on(operation, FaultAction::Cut).nth(1)),
    }
    request(&scene).await;
    struck(&scene, operation, &point).await;
    if let Fate::Killed(_) = ends {
        operator.kill();
        scene.double.clear_faults();
        operator = start(&memory);
    }
    let is_done = matches!(ends, Fate::Killed(At::After) | Fate::Lost);
    if Limits::of(vendor.provider).lists_rotations_late && !is_done {
        // Its list cannot prove that the key was not rotated.
        scene.until_ready("orders", "False", "RotationHeld").await;
        scene.patch("orders", json!({ "metadata": { "annotations": { (annotation::ROTATE_CONFIRM): "now" } } })).await;
    }
    rotated_once(&scene, &point).await;
    drop(operator);
}

/// Where the KMS's list cannot prove that the key was not rotated, a person looks, and confirms the request if it was not.
async fn confirmed_if_held(scene: &Scene, point: &str) {
    eventually(point, WITHIN, async || {
        let object = scene.keys().get("orders").await.unwrap();
        let is_held = find(&object, ConditionType::Ready).is_some_and(|ready| ready.reason == "RotationHeld");
        let was_rotated = scene.calls(scene.vendor.operations.rotate_now).iter().any(|call| call.took_effect);
        if is_held && !was_rotated {
            scene.patch("orders", json!({ "metadata": { "annotations": { (annotation::ROTATE_CONFIRM): "now" } } })).await;
        }
        if is_held || record(&object).last_handled.is_some() { Ok(()) } else { Err(describe(&object)) }
    })
    .await;
}

/// Kills the operator at that write after the request. Returns whether there is such a write.
async fn killed_at_write(vendor: &'static Vendor, nth: usize, at: At) -> bool {
    let point = format!("{:?}: killed {at:?} write {nth}", vendor.provider);
    let (memory, gate) = Memory::new().await.behind_gate();
    let scene = Scene::within(&memory, vendor, "crash", Options::default(), json!({})).await;
    let mut operator = start(&memory);
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    // The look that follows the creation would be held in the place of the first write.
    scene.look("orders").await;
    gate.hold(nth, at);
    request(&scene).await;
    let died = eventually(&point, WITHIN, async || {
        let object = scene.keys().get("orders").await.unwrap();
        let handled = record(&object).last_handled.is_some();
        match (gate.has_struck(), handled && !gate.is_reached()) {
            (true, _) => Ok(true),
            (false, true) => Ok(false),
            (false, false) => Err(describe(&object)),
        }
    })
    .await;
    operator.kill();
    gate.open();
    let _operator = start(&memory);
    if Limits::of(vendor.provider).lists_rotations_late {
        confirmed_if_held(&scene, &point).await;
    }
    rotated_once(&scene, &point).await;
    died
}
