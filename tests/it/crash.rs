//! The operator is killed before or after any request takes effect. The next run finishes the work and does nothing twice.
//!
//! The operator is stopped in the middle of a request, because the KMS does not answer it, and killed there. It runs in memory: every task of it is dropped
//! where it waits, and the next one knows nothing of it. One story is told with the real program as well, which is killed as the kernel would.

mod holds;
mod policy;
mod publish;
mod rotation;
mod writes;

use std::{pin::Pin, time::Duration};

use futures::StreamExt;
use keyward::{api::annotation, domain::limits::Limits};
use kms_double::{Fault, FaultAction, KeyState, Options};
use serde_json::{Value, json};

use crate::support::{
    control_plane, eventually,
    gate::At,
    memory::{Hand, Memory},
    operator::{Post, WITHIN},
    scene::Scene,
    vendor::{self, Operations, Vendor},
};

/// What is declared, one after the other, and the `Ready` reason that each leads to.
fn story() -> [(Value, &'static str); 3] {
    [
        (
            json!({ "managementPolicy": "EnforceOnChange", "autoRotation": true, "tags": { "team": "shop" }, "aliases": ["crash"] }),
            "Available",
        ),
        (json!({ "deletionScheduleDays": 7 }), "DeletionScheduled"),
        (json!({ "deletionScheduleDays": null }), "Available"),
    ]
}

/// The requests of the story that change something: in which chapter, and the operation.
fn requests(vendor: &Vendor) -> Vec<(usize, &'static str)> {
    let Operations { create, claim, alias, tag, rotate, enable, schedule, cancel, .. } = vendor.operations;
    let mut requests = vec![(0, create)];
    // A key that is made without tags gets its marks next.
    requests.extend((!Limits::of(vendor.provider).creates_with_tags).then_some((0, tag)));
    requests.extend(claim.is_none().then_some((0, alias)));
    requests.extend(claim.map(|claim| (0, claim)));
    requests.extend([(0, rotate), (1, tag), (1, schedule), (2, cancel), (2, tag), (2, enable)]);
    requests
}

/// Shows S2 and S9.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_request_the_next_run_finishes_the_work_once() {
    killed_at_any_request(&vendor::AWS).await;
}

/// Shows S2 and S9.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_request_to_ciphertrust_the_next_run_finishes_the_work_once() {
    killed_at_any_request(&vendor::CIPHER_TRUST).await;
}

/// Shows S2 and S9.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_request_to_huawei_the_next_run_finishes_the_work_once() {
    killed_at_any_request(&vendor::HUAWEI).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_killed_is_followed_by_one_that_finishes_the_work_once() {
    let control_plane = control_plane::own();
    let post = Post::new(&control_plane).await;
    let scene = Scene::on(control_plane.get(), &post, "killed", Options::default(), json!({})).await;
    let Operations { create, schedule, cancel, .. } = vendor::AWS.operations;
    let mut operator = post.start();
    for ((spec, reason), (operation, at)) in story().into_iter().zip([(create, At::After), (schedule, At::After), (cancel, At::Before)]) {
        hold(&scene, operation, at);
        if operation == create {
            scene.create("orders", spec).await;
        } else {
            scene.spec("orders", spec).await;
        }
        struck(&scene, operation, operation).await;
        operator.kill();
        scene.double.clear_faults();
        operator = post.start();
        scene.until_ready("orders", "True", reason).await;
    }
    all_is_applied(&scene).await;
    for operation in [create, schedule, cancel] {
        let times = scene.calls(operation).iter().filter(|call| call.took_effect).count();
        assert_eq!(times, 1, "{operation} took effect {times} times\n{}", operator.tail());
    }
}

/// The number of tries at the same time. They wait for most of their time.
const AT_ONCE: usize = 8;

/// One try, with an API server, an operator and a KMS of its own.
type Try = Pin<Box<dyn Future<Output = ()>>>;

/// Runs all of them, some at a time.
async fn each(tries: Vec<Try>) {
    futures::stream::iter(tries).buffer_unordered(AT_ONCE).collect::<()>().await;
}

async fn killed_at_any_request(vendor: &'static Vendor) {
    let mut tries: Vec<Try> = Vec::new();
    // A read has no effect that could come before its reply is lost.
    tries.push(Box::pin(die_once(vendor, 0, vendor.operations.first, At::Before)));
    for (chapter, operation) in requests(vendor) {
        for at in [At::Before, At::After] {
            tries.push(Box::pin(die_once(vendor, chapter, operation, at)));
        }
    }
    for operation in [vendor.operations.tag, vendor.operations.schedule] {
        for at in [At::Before, At::After] {
            tries.push(Box::pin(die_at_the_end(vendor, operation, at)));
        }
    }
    for (operation, at, ends) in between_two_schedules(vendor) {
        tries.push(Box::pin(die_between_two_schedules(vendor, operation, at, ends)));
    }
    for meanwhile in [Meanwhile::Replaced, Meanwhile::MadeAgain, Meanwhile::NamesAnother] {
        tries.push(Box::pin(die_while_the_object_changes(vendor, meanwhile)));
    }
    tries.push(Box::pin(die_after_something_was_told(vendor)));
    if !Limits::of(vendor.provider).creates_with_tags {
        tries.push(Box::pin(look_before_the_marks_are_read_back(vendor)));
    }
    each(tries).await;
}

/// How the next process ends a change of days that was interrupted.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ends {
    /// The key is scheduled with the new days.
    Scheduled,
    /// The key was cancelled, and by whom last cannot be known: a person is asked.
    Held,
}

/// The requests by which days are changed: a cancel, a mark, because only now the key takes tags, and a schedule.
fn between_two_schedules(vendor: &Vendor) -> [(&'static str, At, Ends); 6] {
    let Operations { tag, schedule, cancel, .. } = vendor.operations;
    [
        (cancel, At::Before, Ends::Scheduled),
        (cancel, At::After, Ends::Held),
        (tag, At::Before, Ends::Held),
        (tag, At::After, Ends::Held),
        (schedule, At::Before, Ends::Held),
        (schedule, At::After, Ends::Scheduled),
    ]
}

/// Dies while 7 days become 14. Nobody but the operator was at the key, and nobody else is blamed.
async fn die_between_two_schedules(vendor: &'static Vendor, operation: &'static str, at: At, ends: Ends) {
    let point = format!("killed {at:?} {operation} between two schedules");
    let memory = Memory::new().await;
    let scene = Scene::within(&memory, vendor, "crash", Options::default(), json!({})).await;
    let mut operator = memory.start();
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    scene.look("orders").await;
    hold(&scene, operation, at);
    scene.spec("orders", json!({ "deletionScheduleDays": 14 })).await;
    struck(&scene, operation, &point).await;
    operator.kill();
    scene.double.clear_faults();

    let _operator = memory.start();
    if ends == Ends::Held {
        let object = scene.until_ready("orders", "False", "Interrupted").await;
        scene.look_at_all("orders").await;
        assert_eq!(scene.key("orders").await.state, KeyState::Disabled, "{point}");
        scene.confirm(&object).await;
    }
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    let key = scene.key("orders").await;
    assert_eq!((key.state, key.pending_window_days), (KeyState::PendingDeletion, Some(14)), "{point}");
    scene.look_at_all("orders").await;
    let schedules = scene.calls(vendor.operations.schedule).iter().filter(|call| call.took_effect).count();
    assert_eq!(schedules, 2, "{point}: once for 7 days and once for 14");
    for (reason, note) in scene.events_in(&scene.namespace, "orders").await {
        assert!(!note.contains("outside Keyward") && reason != "DriftDetected", "{point}: {reason} {note}");
    }
}

/// What somebody does to an object between two processes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Meanwhile {
    /// A manifest replaces it. Fields that are not in the manifest are gone.
    Replaced,
    /// It is deleted and made again.
    MadeAgain,
    /// Another key is named.
    NamesAnother,
}

/// The operator is killed after it made the key. The next process learns of the key only from the key itself.
async fn die_while_the_object_changes(vendor: &'static Vendor, meanwhile: Meanwhile) {
    let point = format!("killed after the creation; {meanwhile:?}");
    let adoption = json!({ "adoption": { "from": "Rules", "rules": [{ "namespaces": ["*"], "keys": ["*"] }] } });
    let memory = Memory::new().await;
    let scene = Scene::within(&memory, vendor, "crash", Options::default(), adoption).await;
    let mut operator = memory.start();
    let other = scene.plant_outside(None);
    hold(&scene, vendor.operations.create, At::After);
    scene.create("orders", json!({})).await;
    struck(&scene, vendor.operations.create, &point).await;
    operator.kill();
    scene.double.clear_faults();
    match meanwhile {
        Meanwhile::Replaced => scene.replace("orders", json!({})).await,
        Meanwhile::MadeAgain => {
            scene.delete("orders").await;
            scene.until_gone("orders").await;
            scene.create("orders", json!({})).await;
        }
        Meanwhile::NamesAnother => drop(scene.spec("orders", json!({ "keyId": other })).await),
    }
    let _operator = memory.start();
    // A key that is made without marks is that of the object that made it, and of no other: a person says whose it is.
    let unclear = meanwhile == Meanwhile::MadeAgain && !Limits::of(vendor.provider).creates_with_tags;
    let (status, reason) = if unclear { ("False", "ClaimUnclear") } else { ("True", "Available") };
    let object = scene.until_ready("orders", status, reason).await;
    if !unclear {
        assert_eq!(scene.key("orders").await.tags["keyward-uid"], object.metadata.uid.unwrap(), "{point}");
    }
    scene.look("orders").await;
    let made = scene.calls(vendor.operations.create).iter().filter(|call| call.took_effect).count();
    let marked = scene.double.keys().iter().filter(|key| key.tags.contains_key("keyward-uid")).count();
    assert_eq!((made, scene.double.keys().len(), marked), (1, 2, usize::from(!unclear)), "{point}");
}

/// The operator is killed after it recorded the key and before it did anything else. The status still has the conditions from before.
async fn die_after_something_was_told(vendor: &'static Vendor) {
    let memory = Memory::new().await;
    let scene = Scene::within(&memory, vendor, "crash", Options::default(), json!({})).await;
    let mut operator = memory.start();
    let late = format!("{}-late", scene.provider);
    let [(mut spec, reason), ..] = story();
    spec["providerRef"] = json!({ "name": late });
    scene.create("orders", spec).await;
    scene.until_ready("orders", "False", "ProviderNotFound").await;
    scene.double.inject(Fault::on(vendor.operations.rotate, FaultAction::Hang).nth(1));
    scene.provide(&late, json!({})).await;
    struck(&scene, vendor.operations.rotate, "killed with a status of before").await;
    operator.kill();
    scene.double.clear_faults();
    let _operator = memory.start();
    scene.until_ready("orders", "True", reason).await;
    all_is_applied(&scene).await;
}

/// A key that was made and not marked is marked by the next process, which reads the marks back when the KMS has to show them. Who asks for a look before then
/// gets one, and it takes nothing away.
async fn look_before_the_marks_are_read_back(vendor: &'static Vendor) {
    let memory = Memory::new().await;
    let scene = Scene::within(&memory, vendor, "crash", Options::default(), json!({})).await;
    let mut operator = memory.start();
    scene.double.inject(Fault::on(vendor.operations.tag, FaultAction::Hang).nth(1));
    let [(spec, reason), ..] = story();
    scene.create("orders", spec).await;
    struck(&scene, vendor.operations.tag, "killed before the marks").await;
    operator.kill();
    scene.double.clear_faults();
    let _operator = memory.start_with(|settings| settings.consistency = Duration::from_secs(2));
    scene.until_ready("orders", "False", "Creating").await;
    let seen = scene.now();
    scene.patch("orders", json!({ "metadata": { "annotations": { (annotation::RECONCILE_REQUESTED_AT): "now" } } })).await;
    eventually("the look that was asked for", WITHIN, async || {
        let looked = scene.calls(vendor.operations.look).iter().any(|call| call.seq > seen);
        if looked { Ok(()) } else { Err("no look") }
    })
    .await;
    scene.until_ready("orders", "True", reason).await;
    all_is_applied(&scene).await;
}

/// The key is as the first chapter declares it.
async fn all_is_applied(scene: &Scene) {
    let key = scene.key("orders").await;
    assert!(key.rotation.enabled && key.aliases.iter().any(|alias| alias == "alias/crash"), "{key:?}");
    assert_eq!(key.tags.get("team").map(String::as_str), Some("shop"), "{key:?}");
    assert_eq!(scene.double.keys().len(), 1);
}

async fn die_once(vendor: &'static Vendor, fatal: usize, operation: &'static str, at: At) {
    let point = format!("killed {at:?} {operation} of chapter {fatal}");
    let memory = Memory::new().await;
    let scene = Scene::within(&memory, vendor, "crash", Options::default(), json!({})).await;
    let mut operator = memory.start();
    for (chapter, (spec, reason)) in story().into_iter().enumerate() {
        if chapter == fatal {
            hold(&scene, operation, at);
        }
        if chapter == 0 {
            scene.create("orders", spec).await;
        } else {
            scene.spec("orders", spec).await;
        }
        if chapter == fatal {
            struck(&scene, operation, &point).await;
            operator.kill();
            scene.double.clear_faults();
            operator = memory.start();
        }
        scene.until_ready("orders", "True", reason).await;
    }
    assert!(scene.key("orders").await.aliases.contains(&scene.claim("orders")), "{point}");
    ended(&scene, 1, operator, &memory, &point).await;
}

/// The KMS does not answer that request.
fn hold(scene: &Scene, operation: &str, at: At) {
    let action = match at {
        At::Before => FaultAction::Hang,
        At::After => FaultAction::LateReply { millis: 120_000 },
    };
    scene.double.inject(Fault::on(operation, action).nth(1));
}

/// The operator is killed while an object is deleted and its key with it.
async fn die_at_the_end(vendor: &'static Vendor, operation: &'static str, at: At) {
    let point = format!("killed {at:?} {operation} of the last act");
    let memory = Memory::new().await;
    let scene = Scene::within(&memory, vendor, "crash", Options::default(), json!({})).await;
    let mut operator = memory.start();
    let arn = with_last_act(&scene).await;
    hold(&scene, operation, at);
    scene.delete("orders").await;
    struck(&scene, operation, &point).await;
    operator.kill();
    scene.double.clear_faults();
    let _operator = memory.start();
    released(&scene, &arn, &point).await;
}

/// Makes an object whose key is to be deleted with it; gives the key.
async fn with_last_act(scene: &Scene) -> String {
    scene.create("orders", json!({ "deletionPolicy": "Delete" })).await;
    scene.until_ready("orders", "True", "Available").await;
    // The look that follows the creation would be held in the place of the last act.
    scene.look("orders").await;
    scene.key("orders").await.arn
}

/// The object went, and its key was scheduled once.
async fn released(scene: &Scene, arn: &str, point: &str) {
    scene.until_gone("orders").await;
    assert_eq!(scene.double.key(arn).unwrap().state, KeyState::PendingDeletion, "{point}");
    let schedules = scene.calls(scene.vendor.operations.schedule);
    assert_eq!(schedules.iter().filter(|call| call.took_effect).count(), 1, "{point}");
}

/// The story, which began with that many keys made, came to its end as if nobody had died, and nothing was done twice.
async fn ended(scene: &Scene, made: usize, operator: Hand, memory: &Memory, point: &str) {
    let key = scene.key("orders").await;
    assert_eq!(key.state, KeyState::Enabled, "{point}");
    assert!(key.rotation.enabled, "{point}");
    assert_eq!(key.tags["team"], "shop", "{point}");
    assert!(key.aliases.iter().any(|alias| alias == "alias/crash"), "{point}: {:?}", key.aliases);
    let keys = scene.double.keys().len();
    assert_eq!(keys, 1, "{point}: {keys} keys where one belongs");
    let Operations { create, schedule, cancel, .. } = scene.vendor.operations;
    for (operation, expected) in [(create, made), (schedule, 1), (cancel, 1)] {
        let times = scene.calls(operation).iter().filter(|call| call.took_effect).count();
        assert_eq!(times, expected, "{point}: {operation} took effect {times} times");
    }
    restarted(scene, operator, memory, point).await;
}

/// A restart finds everything as it was told, and tells nothing.
async fn restarted(scene: &Scene, mut operator: Hand, memory: &Memory, point: &str) {
    // The look that follows a change is still to come.
    let settled = scene.look("orders").await;
    operator.kill();
    let seen = scene.double.ledger().len();
    let _operator = memory.start();
    // If a process must first learn the key's id at the KMS, its first look is a search.
    let looks = [scene.vendor.operations.look, scene.vendor.operations.first];
    eventually(point, WITHIN, async || {
        let looked = scene.double.ledger().iter().skip(seen).any(|call| looks.contains(&call.operation.as_str()));
        if looked { Ok(()) } else { Err("no look since the restart") }
    })
    .await;
    scene.look("orders").await;
    let told = scene.keys().get("orders").await.unwrap();
    assert_eq!(told.status.map(|status| status.conditions), settled.status.map(|status| status.conditions), "{point}");
    let failures = scene.events("orders").await.iter().filter(|reason| *reason == "SyncFailed").count();
    assert_eq!(failures, 0, "{point}: a restart is no failure");
}

/// Waits until the fault has struck.
async fn struck(scene: &Scene, operation: &str, point: &str) {
    eventually(point, WITHIN, async || {
        let struck = scene.calls(operation).iter().any(|call| call.fault.is_some());
        if struck { Ok(()) } else { Err(format!("{operation} was not called")) }
    })
    .await;
}

/// Shows S2.
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_objects_at_once_get_one_key_each() {
    const OBJECTS: usize = 200;
    let scene = Scene::new("many").await;
    let names: Vec<String> = (0..OBJECTS).map(|number| format!("key-{number}")).collect();
    for name in &names {
        scene.create(name, json!({ "autoRotation": true, "tags": { "team": "shop" } })).await;
    }
    for name in &names {
        // Edited while they converge, which is where views are old.
        scene.spec(name, json!({ "description": "edited" })).await;
    }
    for name in &names {
        scene.until_ready(name, "True", "Available").await;
    }
    assert_eq!(scene.calls("CreateKey").len(), OBJECTS);
    assert_eq!(scene.calls("ListKeys").len(), 1, "one search for all of them");
    let keys = scene.double.keys();
    assert_eq!(keys.len(), OBJECTS);
    eventually("every key is described", Duration::from_mins(1), async || {
        let missing = scene.double.keys().iter().filter(|key| key.description != "edited").count();
        if missing == 0 { Ok(()) } else { Err(format!("{missing} keys are not")) }
    })
    .await;
}
