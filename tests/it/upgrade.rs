//! A new version takes a cluster over from an older one, which `make upgrade` builds: about 200 objects, in every state.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use futures::{StreamExt, stream};
use jiff::SignedDuration;
use keyward::api::{ConditionType, ManagedKey, annotation};
use kms_double::{KeyState, Options};
use kube::{ResourceExt, api::ListParams};
use serde_json::{Value, json};

use crate::support::{
    control_plane::{ControlPlane, bare},
    eventually,
    operator::{Operator, Post, WITHIN},
    program::signal,
    scene::{Scene, find, merge},
};

/// So many objects are in each state.
const OF_EACH: usize = 16;

/// So many of them are made, or read, at the same time.
const AT_ONCE: usize = 16;

/// The states, each with what is declared at first, and the reason that `Ready` has in the end.
fn states() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("plain", json!({ "deletionPolicy": "Delete" }), "Available"),
        ("tagged", json!({ "description": "orders", "tags": { "team": "shop" }, "aliases": ["orders-NAME"] }), "Available"),
        ("rotated", json!({ "autoRotation": true, "rotationPeriodDays": 180, "deletionPolicy": "Disable" }), "Available"),
        ("disabled", json!({ "enabled": false }), "Disabled"),
        ("scheduled", json!({}), "DeletionScheduled"),
        ("held", json!({}), "ConfirmationRequired"),
        ("cancelled", json!({}), "Available"),
        ("paused", json!({}), "Available"),
        ("drifted", json!({ "managementPolicy": "EnforceOnChange" }), "Drifted"),
        ("gone", json!({}), "KeyMissing"),
        ("absent", json!({ "keyId": "11111111-2222-3333-4444-555555555555" }), "KeyMissing"),
        ("adopted", json!({}), "Available"),
        ("leaving", json!({ "deletionPolicy": "Delete" }), ""),
    ]
}

fn names(state: &str) -> impl Iterator<Item = String> {
    (0..OF_EACH).map(move |number| format!("{state}-{number}"))
}

/// Installs the CRDs of that program.
async fn install(control_plane: &'static ControlPlane, program: &Path) {
    let crds = Command::new(program).arg("crds").output().unwrap();
    let crds = String::from_utf8(crds.stdout).unwrap();
    control_plane.kubectl_with(&["apply", "--server-side", "--force-conflicts", "-f", "-"], &crds).await.expect("CRDs");
    control_plane.kubectl(&["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"]).await.expect("CRDs");
}

async fn stop(mut operator: Operator) {
    signal(operator.id(), "TERM");
    eventually("the operator ends", WITHIN, async || if operator.is_running() { Err(operator.tail()) } else { Ok(()) }).await;
}

/// The same is done for each object of a state.
async fn each(state: &str, act: impl AsyncFn(String)) {
    let act = &act;
    stream::iter(names(state)).for_each_concurrent(AT_ONCE, |name| act(name)).await;
}

/// Waits until the present spec of an object was carried out, or it was told why not.
async fn settled(scene: &Scene, name: &str) -> ManagedKey {
    scene
        .until(name, "settled", |object| {
            find(object, ConditionType::Ready).is_some_and(|ready| {
                ready.observed_generation == object.metadata.generation && !["Creating", "Adopting", "Updating"].contains(&&*ready.reason)
            })
        })
        .await
}

/// Has everything read of every object that can be read.
async fn look_at_each(scene: &Scene) {
    for (state, ..) in states().into_iter().filter(|(state, ..)| !["paused", "leaving"].contains(state)) {
        each(state, async |name| drop(scene.look_at_all(&name).await)).await;
    }
}

/// What users and their tools go by.
async fn seen(scene: &Scene) -> BTreeMap<String, String> {
    let of = |object: &ManagedKey| {
        let status = object.status.clone().unwrap_or_default();
        let condition = |kind| find(object, kind).map(|found| (found.status.clone(), found.reason.clone()));
        let ready = condition(ConditionType::Ready);
        let held = condition(ConditionType::DeletionHeld);
        format!("{:?} {:?} {:?} Ready {ready:?} DeletionHeld {held:?}", status.key_arn, status.key_state, status.deletion_date)
    };
    let list = scene.keys().list(&ListParams::default()).await.unwrap();
    list.items.iter().map(|object| (object.name_any(), of(object))).collect()
}

/// Shows S9.
#[tokio::test]
#[ignore = "make upgrade runs it, with an older version of the program"]
async fn a_new_version_changes_no_key() {
    let older =
        PathBuf::from(std::env::var_os("KEYWARD_OLDER").expect("KEYWARD_OLDER is the path of the older program; make upgrade sets it"));
    let control_plane = bare();
    let control_plane = control_plane.get();
    install(control_plane, &older).await;
    let post = Post::new(control_plane).await;
    let rules = json!({
        "deletionGuard": { "maxPerHour": 1000 },
        "adoption": { "from": "Rules", "rules": [{ "namespaces": ["*"], "keys": ["*"] }] },
    });
    let scene = Scene::on(control_plane, &post, "upgrade", Options::default(), rules.clone()).await;
    let careful = format!("{}-careful", scene.provider);
    let mut spec = rules;
    merge(&mut spec, json!({ "deletionGuard": { "requireConfirmation": true } }));
    scene.provide(&careful, spec).await;
    let before = post.of(&older).start();

    for (state, spec, _) in states() {
        each(state, async |name| {
            let mut spec = serde_json::from_str::<Value>(&spec.to_string().replace("NAME", &name)).unwrap();
            match state {
                "adopted" => spec["keyId"] = scene.plant_outside(None).into(),
                "held" => spec["providerRef"] = json!({ "name": careful }),
                _ => {}
            }
            scene.create(&name, spec).await;
            settled(&scene, &name).await;
        })
        .await;
    }
    for state in ["scheduled", "held", "cancelled"] {
        each(state, async |name| drop(scene.spec(&name, json!({ "deletionScheduleDays": 9 })).await)).await;
    }
    each("scheduled", async |name| drop(scene.until_ready(&name, "True", "DeletionScheduled").await)).await;
    each("cancelled", async |name| {
        scene.until_ready(&name, "True", "DeletionScheduled").await;
        scene.spec(&name, json!({ "deletionScheduleDays": null })).await;
        settled(&scene, &name).await;
    })
    .await;
    each("held", async |name| {
        let held = |object: &ManagedKey| find(object, ConditionType::DeletionHeld).is_some_and(|held| held.status == "True");
        scene.until(&name, "held", held).await;
    })
    .await;
    each("paused", async |name| {
        scene.patch(&name, json!({ "metadata": { "annotations": { (annotation::PAUSED): "true" } }, "spec": { "enabled": false } })).await;
        scene.until_paused(&name).await;
    })
    .await;
    each("drifted", async |name| {
        scene.set_outside(&name, KeyState::Disabled).await;
    })
    .await;
    each("leaving", async |name| {
        scene.delete(&name).await;
        scene.until_gone(&name).await;
    })
    .await;
    stop(before).await;
    // These keys are deleted while no version runs, and the older one tells it.
    each("gone", async |name| {
        let key = scene.key(&name).await.key_id;
        scene.person().schedule_key_deletion().key_id(key).pending_window_in_days(7).send().await.unwrap();
    })
    .await;
    scene.double.advance(SignedDuration::from_hours(8 * 24)).unwrap();
    let again = post.of(&older).start();
    look_at_each(&scene).await;
    stop(again).await;

    let told = seen(&scene).await;
    let mut others = Vec::new();
    for (state, _, reason) in states().into_iter().filter(|(state, ..)| *state != "leaving") {
        others.extend(
            names(state).filter(|name| !told[name].contains(&format!("\"{reason}\""))).map(|name| format!("{name}: {}", told[&name])),
        );
    }
    assert_eq!(others, [""; 0], "the older version did not lead these where they are to be");
    let calls = scene.now();
    install(control_plane, Path::new(env!("CARGO_BIN_EXE_keyward"))).await;
    let after = post.start();
    look_at_each(&scene).await;
    assert_eq!(scene.changes(calls), [""; 0]);
    let now = seen(&scene).await;
    for (name, told) in told {
        assert_eq!(now[&name], told, "{name}");
    }
    stop(after).await;
}
