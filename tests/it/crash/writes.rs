//! Killed before or after any write of the object or its status.

use kms_double::Options;
use serde_json::json;

use super::{Try, each, ended, hold, released, story, struck, with_last_act};
use crate::support::{
    eventually,
    gate::{At, Gate},
    memory::Memory,
    operator::WITHIN,
    scene::{Scene, find, merge},
    vendor::{self, Vendor},
};

/// Shows S2 and S9.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_write_the_next_run_finishes_the_work_once() {
    killed_at_any_write(&vendor::AWS).await;
}

/// Shows S2 and S9.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_write_about_ciphertrust_the_next_run_finishes_the_work_once() {
    killed_at_any_write(&vendor::CIPHER_TRUST).await;
}

/// Shows S2 and S9.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_write_about_huawei_the_next_run_finishes_the_work_once() {
    killed_at_any_write(&vendor::HUAWEI).await;
}

/// Where in the story the operator dies.
#[derive(Clone, Copy, Debug)]
struct Death {
    chapter: usize,
    write: usize,
    at: At,
    beginning: Beginning,
}

/// How the story begins.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Beginning {
    /// A key is made.
    Creates,
    /// A key was made, and the reply was lost with the operator that would have had it: this death is the second.
    FindsAgain,
    /// Somebody else made the key.
    Adopts,
}

async fn killed_at_any_write(vendor: &'static Vendor) {
    use Beginning::{Adopts, Creates, FindsAgain};

    let mut tries: Vec<Try> = Vec::new();
    for at in [At::Before, At::After] {
        for (beginning, chapter) in [(Creates, 0), (Creates, 1), (Creates, 2), (FindsAgain, 0), (Adopts, 0)] {
            tries.push(Box::pin(async move {
                let mut death = Death { chapter, write: 1, at, beginning };
                while die_once(vendor, death).await {
                    death.write += 1;
                }
                assert!(death.write > 2, "{death:?} is too early: a word comes before a change, and the status after it");
            }));
        }
        tries.push(Box::pin(async move {
            let mut write = 1;
            while die_at_the_end(vendor, write, at).await {
                write += 1;
            }
            assert!(
                write > 2,
                "write {write} of the last act is too early: a word comes before the schedule, and the finalizer goes after it"
            );
        }));
    }
    each(tries).await;
}

/// Kills the operator at that write, while it deletes an object and its key. Returns whether there is such a write.
async fn die_at_the_end(vendor: &'static Vendor, nth: usize, at: At) -> bool {
    let point = format!("killed {at:?} write {nth} of the last act");
    let (memory, gate) = Memory::new().await.behind_gate();
    let scene = Scene::within(&memory, vendor, "crash", Options::default(), json!({})).await;
    let mut operator = memory.start();
    let arn = with_last_act(&scene).await;
    gate.hold(nth, at);
    scene.delete("orders").await;
    let died = eventually(&point, WITHIN, async || {
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
    let _operator = memory.start();
    released(&scene, &arn, &point).await;
    died
}

/// Whether the chapter has that many writes.
async fn die_once(vendor: &'static Vendor, death: Death) -> bool {
    let point = format!("{death:?}");
    let adoption = json!({ "adoption": { "from": "Rules", "rules": [{ "namespaces": ["*"], "keys": ["*"] }] } });
    let (memory, gate) = Memory::new().await.behind_gate();
    let scene = Scene::within(&memory, vendor, "crash", Options::default(), adoption).await;
    let foreign = (death.beginning == Beginning::Adopts).then(|| scene.plant_outside(None));
    let mut operator = memory.start();
    let mut died = false;
    for (chapter, (mut spec, reason)) in story().into_iter().enumerate() {
        let lost = vendor.operations.create;
        if chapter == 0 && death.beginning == Beginning::FindsAgain {
            hold(&scene, lost, At::After);
        } else if chapter == death.chapter {
            gate.hold(death.write, death.at);
        }
        if chapter == 0 {
            if let Some(key) = &foreign {
                // `EnforceOnChange` leaves an adopted key as it was found.
                merge(&mut spec, json!({ "keyId": key, "managementPolicy": "Enforce" }));
            }
            scene.create("orders", spec).await;
        } else {
            scene.spec("orders", spec).await;
        }
        if chapter == 0 && death.beginning == Beginning::FindsAgain {
            struck(&scene, lost, &point).await;
            operator.kill();
            scene.double.clear_faults();
            gate.hold(death.write, death.at);
            operator = memory.start();
        }
        if chapter == death.chapter && struck_before(&scene, &gate, reason, &point).await {
            died = true;
            operator.kill();
            gate.open();
            operator = memory.start();
        }
        scene.until_ready("orders", "True", reason).await;
        gate.open();
    }
    if foreign.is_none() {
        assert!(scene.key("orders").await.aliases.contains(&scene.claim("orders")), "{point}");
    }
    ended(&scene, usize::from(foreign.is_none()), operator, &memory, &point).await;
    died
}

/// Whether the write is held before the chapter ends without it.
async fn struck_before(scene: &Scene, gate: &Gate, reason: &str, point: &str) -> bool {
    eventually(point, WITHIN, async || {
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
