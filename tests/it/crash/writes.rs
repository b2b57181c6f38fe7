//! Killed before or after any write of the object or its status.

use kms_double::Options;
use serde_json::json;

use super::{ended, released, story, with_last_act};
use crate::support::{
    control_plane::ControlPlane,
    eventually,
    gate::{At, Gate},
    operator::{PATIENCE, Post},
    scene::{Scene, find},
    vendor::{self, Vendor},
};

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_write_the_next_run_finishes_the_work_once() {
    killed_at_any_write(&vendor::AWS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_write_about_ciphertrust_the_next_run_finishes_the_work_once() {
    killed_at_any_write(&vendor::CIPHER_TRUST).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_write_about_huawei_the_next_run_finishes_the_work_once() {
    killed_at_any_write(&vendor::HUAWEI).await;
}

async fn killed_at_any_write(vendor: &'static Vendor) {
    let control_plane: &'static ControlPlane = Box::leak(Box::new(ControlPlane::start().unwrap().with_crds().unwrap()));
    let (post, gate) = Post::new(control_plane).await.behind_gate(control_plane).await;
    for chapter in 0..story().len() {
        for at in [At::Before, At::After] {
            let mut writes = 0;
            while die_once(control_plane, &post, &gate, vendor, chapter, writes + 1, at).await {
                writes += 1;
            }
            assert!(writes >= 2, "chapter {chapter} has {writes} writes: a word before a change, and the status after it");
        }
    }
    for at in [At::Before, At::After] {
        let mut writes = 0;
        while die_at_the_end(control_plane, &post, &gate, vendor, writes + 1, at).await {
            writes += 1;
        }
        assert!(writes >= 2, "the last act has {writes} writes: a word before the schedule, and the finalizer after it");
    }
}

/// Whether the last act, of an object that takes its key along, has that many writes.
async fn die_at_the_end(
    control_plane: &'static ControlPlane,
    post: &Post,
    gate: &Gate,
    vendor: &'static Vendor,
    nth: usize,
    at: At,
) -> bool {
    let point = format!("killed {at:?} write {nth} of the last act");
    let scene = Scene::at(control_plane, post, vendor, "crash", Options::default(), json!({})).await;
    let mut operator = post.start();
    let arn = with_last_act(&scene).await;
    gate.hold(nth, at);
    scene.delete("orders").await;
    let died = eventually(&point, PATIENCE, async || {
        let object = scene.keys().get_opt("orders").await.unwrap();
        match (gate.has_struck(), object.is_none() && !gate.is_reached()) {
            (true, _) => Ok(true),
            (false, true) => Ok(false),
            (false, false) => Err(format!("{:?}", object.and_then(|object| object.status))),
        }
    })
    .await;
    operator.kill();
    gate.open();
    let _operator = post.start();
    released(&scene, &arn, &point).await;
    died
}

/// Whether the chapter has that many writes.
async fn die_once(
    control_plane: &'static ControlPlane,
    post: &Post,
    gate: &Gate,
    vendor: &'static Vendor,
    fatal: usize,
    nth: usize,
    at: At,
) -> bool {
    let point = format!("killed {at:?} write {nth} of chapter {fatal}");
    let scene = Scene::at(control_plane, post, vendor, "crash", Options::default(), json!({})).await;
    let mut operator = post.start();
    let mut died = false;
    for (chapter, (spec, reason)) in story().into_iter().enumerate() {
        if chapter == fatal {
            gate.hold(nth, at);
        }
        if chapter == 0 {
            scene.create("orders", spec).await;
        } else {
            scene.spec("orders", spec).await;
        }
        if chapter == fatal && struck_before(&scene, gate, reason, &point).await {
            died = true;
            operator.kill();
            gate.open();
            operator = post.start();
        }
        scene.until_ready("orders", "True", reason).await;
        gate.open();
    }
    ended(&scene, operator, post, &point).await;
    died
}

/// Whether the write is held before the chapter ends without it.
async fn struck_before(scene: &Scene, gate: &Gate, reason: &str, point: &str) -> bool {
    eventually(point, PATIENCE, async || {
        let object = scene.keys().get("orders").await.unwrap();
        let ready = find(&object, keyward::api::ConditionType::Ready);
        let is_over = ready.is_some_and(|ready| ready.reason == reason && ready.observed_generation == object.metadata.generation);
        match (gate.has_struck(), is_over && !gate.is_reached()) {
            (true, _) => Ok(true),
            (false, true) => Ok(false),
            (false, false) => Err(format!("{:?}", object.status)),
        }
    })
    .await
}
