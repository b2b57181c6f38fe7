//! The operator is killed at any write while it publishes a key, and the spec has changed when the next one starts.

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use keyward::api::publish_to::PublishKind;
use kms_double::Options;
use kube::{Api, ResourceExt, api::ListParams};
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

fn to(kind: PublishKind, name: &str) -> Value {
    json!({ "publishTo": { "kind": kind, "name": name } })
}

/// Shows S9.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_write_the_next_run_publishes_once_and_leaves_nothing_behind() {
    let mut tries: Vec<Try> = Vec::new();
    for at in [At::Before, At::After] {
        for (kind, before) in PublishKind::ALL.into_iter().flat_map(|kind| [(kind, None), (kind, Some("one"))]) {
            tries.push(Box::pin(async move {
                let mut write = 1;
                while die_once(kind, before, write, at).await {
                    write += 1;
                }
                assert!(write > 3, "{kind:?} {before:?} {at:?}: the record, the new object, the status");
            }));
        }
    }
    each(tries).await;
}

/// The names of the objects of a kind.
async fn names(scene: &Scene, kind: PublishKind) -> Vec<String> {
    let (client, all) = (scene.client.clone(), ListParams::default());
    match kind {
        PublishKind::ConfigMap => {
            let found = Api::<ConfigMap>::namespaced(client, &scene.namespace).list(&all).await.unwrap();
            found.iter().map(ResourceExt::name_any).collect()
        }
        PublishKind::Secret => {
            let found = Api::<Secret>::namespaced(client, &scene.namespace).list(&all).await.unwrap();
            found.iter().map(ResourceExt::name_any).collect()
        }
    }
}

/// Where the key is published, and which objects of the kind there are.
async fn until_only(scene: &Scene, kind: PublishKind, name: &str, point: &str) {
    eventually(&format!("{point}: only {name}"), WITHIN, async || {
        let object = scene.keys().get("orders").await.unwrap();
        let names = names(scene, kind).await;
        let status = object.status.clone().unwrap_or_default();
        let is_done = status.published_to.is_some_and(|to| to.name == name) && status.publish_attempts.is_empty();
        if is_done && names == [name] { Ok(()) } else { Err(format!("{names:?} {}", describe(&object))) }
    })
    .await;
}

/// Kills the operator at that write while it publishes to `two`. Returns whether there is such a write.
async fn die_once(kind: PublishKind, before: Option<&str>, nth: usize, at: At) -> bool {
    let point = format!("{kind:?} {before:?}, killed {at:?} write {nth}");
    let (memory, gate) = Memory::new().await.behind_gate();
    let scene = Scene::within(&memory, &AWS, "crash", Options::default(), json!({})).await;
    let mut operator = memory.start();
    scene.create("orders", before.map_or(json!({}), |before| to(kind, before))).await;
    scene.until_ready("orders", "True", "Available").await;
    if let Some(before) = before {
        until_only(&scene, kind, before, &point).await;
    }
    gate.hold(nth, at);
    scene.spec("orders", to(kind, "two")).await;
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
    scene.spec("orders", to(kind, "three")).await;
    let _operator = memory.start();
    until_only(&scene, kind, "three", &point).await;
    died
}
