//! The operator is killed at any write while it publishes a key, and the spec has changed when the next one starts.

use k8s_openapi::api::core::v1::ConfigMap;
use kms_double::Options;
use kube::{Api, api::ListParams};
use serde_json::{Value, json};

use super::{Try, each};
use crate::support::{
    eventually,
    gate::At,
    memory::Memory,
    operator::WITHIN,
    scene::{Scene, describe},
    vendor::AWS,
};

fn to(name: &str) -> Value {
    json!({ "publishTo": { "kind": "ConfigMap", "name": name } })
}

/// Shows S9.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_write_the_next_run_publishes_once_and_leaves_nothing_behind() {
    let mut tries: Vec<Try> = Vec::new();
    for at in [At::Before, At::After] {
        for before in [None, Some("one")] {
            tries.push(Box::pin(async move {
                let mut write = 1;
                while die_once(before, write, at).await {
                    write += 1;
                }
                assert!(write > 3, "{before:?} {at:?}: the record, the new object, the status");
            }));
        }
    }
    each(tries).await;
}

/// Where the key is published, and which `ConfigMap`s there are.
async fn until_only(scene: &Scene, name: &str, point: &str) {
    let all = Api::<ConfigMap>::namespaced(scene.client.clone(), &scene.namespace);
    eventually(&format!("{point}: only {name}"), WITHIN, async || {
        let object = scene.keys().get("orders").await.unwrap();
        let found = all.list(&ListParams::default()).await.unwrap().items;
        let names: Vec<_> = found.iter().filter_map(|found| found.metadata.name.as_deref()).collect();
        let status = object.status.clone().unwrap_or_default();
        let is_done = status.published_to.is_some_and(|to| to.name == name) && status.publish_attempts.is_empty();
        if is_done && names == [name] { Ok(()) } else { Err(format!("{names:?} {}", describe(&object))) }
    })
    .await;
}

/// Kills the operator at that write while it publishes to `two`. Returns whether there is such a write.
async fn die_once(before: Option<&str>, nth: usize, at: At) -> bool {
    let point = format!("{before:?}, killed {at:?} write {nth}");
    let (memory, gate) = Memory::new().await.behind_gate();
    let scene = Scene::within(&memory, &AWS, "crash", Options::default(), json!({})).await;
    let mut operator = memory.start();
    scene.create("orders", before.map_or(json!({}), to)).await;
    scene.until_ready("orders", "True", "Available").await;
    if let Some(before) = before {
        until_only(&scene, before, &point).await;
    }
    gate.hold(nth, at);
    scene.spec("orders", to("two")).await;
    let died = eventually(&point, WITHIN, async || {
        let object = scene.keys().get("orders").await.unwrap();
        let status = object.status.clone().unwrap_or_default();
        let is_over = status.published_to.is_some_and(|to| to.name == "two") && status.observed_generation == object.metadata.generation;
        match (gate.has_struck(), is_over && !gate.is_reached()) {
            (true, _) => Ok(true),
            (false, true) => Ok(false),
            (false, false) => Err(describe(&object)),
        }
    })
    .await;
    operator.kill();
    gate.open();
    scene.spec("orders", to("three")).await;
    let _operator = memory.start();
    until_only(&scene, "three", &point).await;
    died
}
