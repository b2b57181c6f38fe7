//! A rescue waits for nothing else: neither for hanging calls about other keys, nor for objects that wait for a quota.
//!
//! A control plane and an operator of their own, as the workers of the shared one are everyone's.

use std::time::Duration;

use futures::future::join_all;
use kms_double::{ACCESS_KEY, Fault, FaultAction, KeyState, Options};
use serde_json::json;

use crate::support::{eventually, memory::Memory, operator::WITHIN, scene::Scene, vendor::AWS};

/// How soon a key is back, on a machine that has much else to do; on a quiet one it takes well under a second.
const BOUND: Duration = Duration::from_secs(10);
/// Many more than there are workers.
const OTHERS: usize = 30;

/// Shows S11.
#[tokio::test(flavor = "multi_thread")]
async fn a_rescue_waits_for_no_other_key() {
    let memory = Memory::new().await;
    // Fewer workers than usual, so that fewer others hold all of them.
    let _operator = memory.start_with(|settings| settings.concurrency = 4);
    not_for_a_quota_of_another_provider(&memory).await;
    not_for_calls_that_hang(&memory).await;
}

/// Makes a key that is pending as declared, and settled.
async fn scheduled(scene: &Scene, name: &str) {
    scene.create(name, json!({})).await;
    scene.until_ready(name, "True", "Available").await;
    scene.spec(name, json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready(name, "True", "DeletionScheduled").await;
    scene.look_at_all(name).await;
}

/// Withdraws the deletion, and waits for the key no longer than the bound.
async fn withdraw(scene: &Scene, name: &str) {
    scene.spec(name, json!({ "deletionScheduleDays": null })).await;
    eventually(&format!("{name} is enabled again"), BOUND, async || match scene.key(name).await.state {
        KeyState::Enabled => Ok(()),
        state => Err(format!("{state:?}")),
    })
    .await;
}

async fn not_for_calls_that_hang(memory: &Memory) {
    let scene = Scene::within(memory, &AWS, "hang", Options::default(), json!({})).await;
    let others: Vec<_> = (0..OTHERS).map(|number| format!("other-{number}")).collect();
    join_all(others.iter().map(async |name| scene.create(name, json!({})).await)).await;
    scheduled(&scene, "orders").await;
    scheduled(&scene, "invoices").await;
    for name in &others {
        scene.until_ready(name, "True", "Available").await;
        let hang = Fault::on("*", FaultAction::Hang).for_key(&scene.key(name).await.arn).for_caller(ACCESS_KEY);
        scene.double.inject(hang);
    }
    join_all(others.iter().map(async |name| scene.spec(name, json!({ "description": "hangs" })).await)).await;
    eventually("calls hang", WITHIN, async || {
        let hanging = scene.operator_calls().iter().filter(|call| !call.replied).count();
        if hanging >= 4 { Ok(()) } else { Err(format!("{hanging} calls")) }
    })
    .await;
    withdraw(&scene, "orders").await;

    // By now it is known that the KMS does not answer, and few go on asking.
    scene.until_any_ready(&others, "False", "ProviderUnavailable").await;
    withdraw(&scene, "invoices").await;
}

async fn not_for_a_quota_of_another_provider(memory: &Memory) {
    let scene = Scene::within(memory, &AWS, "lively", Options::default(), json!({})).await;
    scheduled(&scene, "orders").await;
    // One creation in twenty seconds.
    let crowded = Scene::within(memory, &AWS, "crowded", Options::default(), json!({ "quotaSharePercent": 1 })).await;
    scheduled(&crowded, "lost").await;
    let lost = crowded.key("lost").await.arn;
    crowded.delete("lost").await;
    crowded.until_gone("lost").await;
    // More than are begun to be made at the same time.
    let names: Vec<_> = (0..300).map(|number| format!("key-{number}")).collect();
    join_all(names.iter().map(async |name| crowded.create(name, json!({})).await)).await;
    withdraw(&scene, "orders").await;
    // A new object has its round first, though so many wait to have their keys made.
    crowded.create("lost", json!({ "enabled": true })).await;
    eventually("the key of an earlier object is rescued", WITHIN, async || match crowded.double.key(&lost).unwrap().state {
        KeyState::Enabled => Ok(()),
        state => Err(format!("{state:?}")),
    })
    .await;
    assert!(crowded.double.keys().len() < names.len() / 2, "nobody waited");
}

/// Shows S11.
#[tokio::test(flavor = "multi_thread")]
async fn a_kms_that_is_slow_to_answer_holds_up_no_object_of_another_provider() {
    let memory = &Memory::new().await;
    let _operator = memory.start_with(|settings| settings.concurrency = 1);
    let slow = Scene::within(memory, &AWS, "slow", Options::default(), json!({})).await;
    let other = Scene::within(memory, &AWS, "quick", Options::default(), json!({})).await;
    for scene in [&slow, &other] {
        scene.create("first", json!({})).await;
        scene.until_ready("first", "True", "Available").await;
    }
    // Just within the time in which an answer is waited for.
    slow.double.inject(Fault::on("*", FaultAction::LateReply { millis: 2500 }).for_caller(ACCESS_KEY));
    let names: Vec<_> = (0..8).map(|number| format!("key-{number}")).collect();
    let before = slow.operator_calls().len();
    join_all(names.iter().map(async |name| slow.create(name, json!({})).await)).await;
    eventually("it is asked", WITHIN, async || if slow.operator_calls().len() > before { Ok(()) } else { Err("not yet") }).await;
    other.create("orders", json!({})).await;
    other.until_ready("orders", "True", "Available").await;
    assert!(slow.double.keys().len() < names.len(), "its objects had their rounds first");
}
