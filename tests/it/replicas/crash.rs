//! The operator is killed, or its answer is lost, at each request that makes a replica or moves the primary key.

use keyward::api::replica_of::MultiRegionRole;
use kms_double::{Fault, FaultAction};
use serde_json::json;

use super::{ABROAD, made, primary, replica, settled, within};
use crate::support::{
    eventually,
    gate::{At, Fate},
    memory::Memory,
    operator::WITHIN,
    scene::{Scene, describe},
    vendor::{AWS, CIPHER_TRUST, Vendor},
};

/// Has the next call of an operation end so.
fn fail(scene: &Scene, operation: &str, ends: Fate) {
    let action = match ends {
        Fate::Killed(At::Before) => FaultAction::Hang,
        Fate::Killed(At::After) => FaultAction::LateReply { millis: 120_000 },
        Fate::Lost => FaultAction::LoseReply,
        Fate::Cut => FaultAction::Cut,
    };
    scene.double.inject(Fault::on(operation, action).nth(1));
}

async fn struck(scene: &Scene, operation: &str, point: &str) {
    eventually(point, WITHIN, async || {
        let struck = scene.calls(operation).iter().any(|call| call.fault.is_some());
        if struck { Ok(()) } else { Err(format!("{operation} was not called")) }
    })
    .await;
}

async fn each(tries: Vec<std::pin::Pin<Box<dyn Future<Output = ()>>>>) {
    use futures::StreamExt as _;
    futures::stream::iter(tries).buffer_unordered(4).collect::<()>().await;
}

/// Shows S2 and S9.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_made_once_whatever_happens_to_the_requests() {
    let mut tries: Vec<std::pin::Pin<Box<dyn Future<Output = ()>>>> = Vec::new();
    for (vendor, operations) in [(&AWS, ["ReplicateKey", "CreateAlias"]), (&CIPHER_TRUST, ["replicate-key", "add-alias"])] {
        for operation in operations {
            for ends in Fate::ALL {
                tries.push(Box::pin(made_once(vendor, operation, operations[0], ends)));
            }
        }
    }
    each(tries).await;
}

async fn made_once(vendor: &'static Vendor, operation: &'static str, replicate: &'static str, ends: Fate) {
    let point = format!("{operation}: {ends:?}");
    let memory = Memory::new().await;
    let scene = within(&memory, vendor, "crash").await;
    let mut operator = memory.start();
    primary(&scene).await;
    fail(&scene, operation, ends);
    scene.create("there", replica(&scene, json!({ "tags": { "team": "shop" } }))).await;
    struck(&scene, operation, &point).await;
    if let Fate::Killed(_) = ends {
        operator.kill();
        scene.double.clear_faults();
        operator = memory.start();
    }
    let object = settled(&scene, "there").await;
    let key = scene.key("there").await;
    assert_eq!((&key.tags["keyward-uid"], &*key.tags["team"]), (object.metadata.uid.as_ref().unwrap(), "shop"), "{point}");
    assert!(key.aliases.contains(&scene.claim("there")), "{point}: {:?}", key.aliases);
    let took = scene.calls(replicate).iter().filter(|call| call.took_effect).count();
    assert_eq!((took, scene.double.keys().len()), (1, 2), "{point}: {}", describe(&object));
    // A replica that is found again is no failure.
    let events = scene.events_in(&scene.namespace, "there").await;
    assert!(events.iter().all(|(reason, _)| reason != "SyncFailed"), "{point}: {events:?}");
    drop(operator);
}

/// The status is lost together with the reply: the marks on the replica say whose it is. Shows S9.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_found_again_if_nothing_is_on_record() {
    let memory = Memory::new().await;
    let scene = within(&memory, &AWS, "record").await;
    let mut operator = memory.start();
    primary(&scene).await;
    fail(&scene, "ReplicateKey", Fate::Killed(At::After));
    scene.create("there", replica(&scene, json!({}))).await;
    struck(&scene, "ReplicateKey", "the replica").await;
    operator.kill();
    scene.double.clear_faults();
    scene.patch_status("there", json!({ "createAttempt": null, "conditions": null })).await;
    let _operator = memory.start();
    settled(&scene, "there").await;
    assert_eq!(scene.calls("ReplicateKey").len(), 1);
}

/// Shows S9.
#[tokio::test(flavor = "multi_thread")]
async fn the_primary_key_is_moved_once_whatever_happens_to_the_request() {
    let mut tries: Vec<std::pin::Pin<Box<dyn Future<Output = ()>>>> = Vec::new();
    for (vendor, operation) in [(&AWS, "UpdatePrimaryRegion"), (&CIPHER_TRUST, "update-primary-region")] {
        for ends in Fate::ALL {
            tries.push(Box::pin(moved_once(vendor, operation, ends)));
        }
    }
    each(tries).await;
}

async fn moved_once(vendor: &'static Vendor, operation: &'static str, ends: Fate) {
    let point = format!("{operation}: {ends:?}");
    let memory = Memory::new().await;
    let scene = within(&memory, vendor, "crash").await;
    let mut operator = memory.start();
    primary(&scene).await;
    made(&scene, "there", json!({})).await;
    fail(&scene, operation, ends);
    scene.spec("there", json!({ "primary": true })).await;
    struck(&scene, operation, &point).await;
    if let Fate::Killed(_) = ends {
        operator.kill();
        scene.double.clear_faults();
        operator = memory.start();
    }
    eventually(&point, WITHIN, async || {
        let object = settled(&scene, "there").await;
        let facts = object.status.as_ref().and_then(|status| status.multi_region.as_ref());
        if facts.is_some_and(|facts| facts.role == MultiRegionRole::Primary) { Ok(()) } else { Err(describe(&object)) }
    })
    .await;
    settled(&scene, "orders").await;
    let took = scene.calls(operation).iter().filter(|call| call.took_effect).count();
    assert_eq!(took, 1, "{point}");
    assert!(scene.key("there").await.arn.contains(ABROAD));
    drop(operator);
}
