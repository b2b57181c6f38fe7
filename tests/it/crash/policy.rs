//! The operator is killed, or its answer is lost, where it sets a key policy.

use kms_double::{Fault, FaultAction, Options};
use serde_json::{Value, json};

use super::{Try, each, hold, restarted, struck};
use crate::support::{
    gate::Fate,
    memory::Memory,
    scene::Scene,
    vendor::{AWS, CIPHER_TRUST, Vendor},
};

/// Shows S9.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_set_whatever_happens_to_its_request() {
    let mut tries: Vec<Try> = Vec::new();
    for (vendor, operation) in [(&AWS, "PutKeyPolicy"), (&CIPHER_TRUST, "policy")] {
        for ends in Fate::ALL {
            tries.push(Box::pin(set_once(vendor, operation, ends)));
        }
    }
    each(tries).await;
}

async fn set_once(vendor: &'static Vendor, operation: &'static str, ends: Fate) {
    let point = format!("{operation}: {ends:?}");
    let memory = Memory::new().await;
    let any = json!({ "allow": { "policies": { "from": "Any" } } });
    let scene = Scene::within(&memory, vendor, "crash", Options::default(), any).await;
    let mut operator = memory.start();
    match ends {
        Fate::Killed(at) => hold(&scene, operation, at),
        Fate::Lost => scene.double.inject(Fault::on(operation, FaultAction::LoseReply).nth(1)),
        Fate::Cut => scene.double.inject(Fault::on(operation, FaultAction::Cut).nth(1)),
    }
    let statement =
        json!({ "Sid": "AllowAccount", "Effect": "Allow", "Principal": { "AWS": "111122223333" }, "Action": "kms:*", "Resource": "*" });
    let policy = json!({ "Version": "2012-10-17", "Statement": [statement] });
    scene.create("orders", json!({ "policy": policy.to_string(), "tags": { "team": "shop" } })).await;
    struck(&scene, operation, &point).await;
    if let Fate::Killed(_) = ends {
        operator.kill();
        scene.double.clear_faults();
        operator = memory.start();
    }
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await;
    assert_eq!(serde_json::from_str::<Value>(&key.policy).unwrap(), policy, "{point}");
    assert_eq!((scene.double.keys().len(), &*key.tags["team"]), (1, "shop"), "{point}");
    // A reply that was lost is asked for again, which changes nothing.
    let most = if matches!(ends, Fate::Lost) { 2 } else { 1 };
    let times = scene.calls(operation).iter().filter(|call| call.took_effect).count();
    assert!((1..=most).contains(&times), "{point}: it took effect {times} times");
    for (reason, note) in scene.events_in(&scene.namespace, "orders").await {
        assert!(reason != "DriftDetected", "{point}: {reason} {note}");
    }
    restarted(&scene, operator, &memory, &point).await;
}
