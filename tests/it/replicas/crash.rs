//! The operator is killed, or its answer is lost, at each request and at each write with which it makes a replica or moves the primary key.

use aws_sdk_kms::types::Tag;
use keyward::api::{ConditionType, ManagedKey, managed_key::KeyState, replica_of::MultiRegionRole};
use kms_double::{Fault, FaultAction};
use serde_json::json;

use super::{ABROAD, made, primary, replica, settled, within};
use crate::support::{
    eventually,
    gate::{At, Fate, Gate},
    memory::Memory,
    operator::WITHIN,
    scene::{Scene, describe, find, message},
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

/// Shows S2 and S9.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_made_once_at_whichever_write_the_operator_is_killed() {
    let mut tries: Vec<std::pin::Pin<Box<dyn Future<Output = ()>>>> = Vec::new();
    for (vendor, replicate) in [(&AWS, "ReplicateKey"), (&CIPHER_TRUST, "replicate-key")] {
        for at in [At::Before, At::After] {
            tries.push(Box::pin(async move {
                let mut write = 1;
                while made_at_write(vendor, replicate, write, at).await {
                    write += 1;
                }
                assert!(write > 3, "{replicate} {at:?} {write}: the attempt, the key, the status");
            }));
        }
    }
    each(tries).await;
}

/// Kills the operator at that write while it makes a replica. Returns whether there is such a write.
async fn made_at_write(vendor: &'static Vendor, replicate: &'static str, nth: usize, at: At) -> bool {
    let point = format!("{replicate}: killed {at:?} write {nth}");
    let (memory, gate) = Memory::new().await.behind_gate();
    let scene = within(&memory, vendor, "crash").await;
    let mut operator = memory.start();
    primary(&scene).await;
    // What follows the creation would be held in the place of the first write.
    scene.look_at_all("orders").await;
    gate.hold(nth, at);
    scene.create("there", replica(&scene, json!({ "tags": { "team": "shop" } }))).await;
    let died = struck_at_write(&scene, &gate, &point, is_enabled).await;
    operator.kill();
    gate.open();
    let _operator = memory.start();
    let object = settled(&scene, "there").await;
    let key = scene.key("there").await;
    assert_eq!((&key.tags["keyward-uid"], &*key.tags["team"]), (object.metadata.uid.as_ref().unwrap(), "shop"), "{point}");
    assert!(key.aliases.contains(&scene.claim("there")), "{point}: {:?}", key.aliases);
    let took = scene.calls(replicate).iter().filter(|call| call.took_effect).count();
    assert_eq!((took, scene.double.keys().len()), (1, 2), "{point}: {}", describe(&object));
    died
}

fn is_enabled(object: &ManagedKey) -> bool {
    let status = object.status.as_ref();
    let is_ready = find(object, ConditionType::Ready).is_some_and(|ready| ready.status == "True" && ready.reason == "Available");
    is_ready
        && status
            .is_some_and(|status| status.key_state == Some(KeyState::Enabled) && status.observed_generation == object.metadata.generation)
}

/// Waits until the operator is held at a write, or until `there` is as `ends` says without that. A look would be a write more, so none is asked for.
async fn struck_at_write(scene: &Scene, gate: &Gate, point: &str, ends: impl Fn(&ManagedKey) -> bool) -> bool {
    eventually(point, WITHIN, async || {
        scene.double.ciphertrust_sync();
        let object = scene.keys().get("there").await.unwrap();
        match (gate.has_struck(), ends(&object) && !gate.is_reached()) {
            (true, _) => Ok(true),
            (false, true) => Ok(false),
            (false, false) => Err(describe(&object)),
        }
    })
    .await
}

/// The replica appears between the search and the request. Its marks tell whose it is.
///
/// Shows S3.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_appears_before_its_request_is_taken_only_with_the_marks_of_its_object() {
    for is_own in [true, false] {
        let mut nth = 1;
        while !appears_after_write(nth, is_own).await {
            nth += 1;
        }
    }
}

/// Has a replica appear at that write, which is not the attempt if the result is false.
async fn appears_after_write(nth: usize, is_own: bool) -> bool {
    let (memory, gate) = Memory::new().await.behind_gate();
    let scene = within(&memory, &AWS, "appears").await;
    let _operator = memory.start();
    primary(&scene).await;
    scene.look_at_all("orders").await;
    gate.hold(nth, At::After);
    let object = scene.create("there", replica(&scene, json!({}))).await;
    let struck = struck_at_write(&scene, &gate, "the attempt", is_enabled).await;
    assert!(struck, "no write is the attempt");
    let held = scene.keys().get("there").await.unwrap();
    if held.status.is_none_or(|status| status.create_attempt.is_none()) {
        return false;
    }
    assert!(scene.calls("ReplicateKey").is_empty(), "the attempt comes before the request");
    let of = scene.key("orders").await;
    let mut request = scene.person().replicate_key().key_id(&of.arn).replica_region(ABROAD);
    if is_own {
        let uid = object.metadata.uid.unwrap();
        for (tag, value) in &of.tags {
            let value = match tag.as_str() {
                "keyward-uid" => uid.clone(),
                "keyward-owner" => value.replace("orders", "there"),
                _ => value.clone(),
            };
            request = request.tags(Tag::builder().tag_key(tag).tag_value(value).build().unwrap());
        }
    }
    request.send().await.unwrap();
    gate.open();
    let there = of.arn.replace("eu-west-1", ABROAD);
    if is_own {
        settled(&scene, "there").await;
        assert_eq!(scene.key("there").await.arn, there);
        let events = scene.events_in(&scene.namespace, "there").await;
        assert!(events.iter().all(|(reason, _)| reason != "SyncFailed"), "it is no failure: {events:?}");
    } else {
        let refused = "which does not have this object's marks; to adopt it, delete this object and make one with spec.keyId";
        let object = scene.until("there", "it is not taken", |object| message(object).contains(refused)).await;
        assert!(message(&object).contains(&there), "{}", describe(&object));
        let theirs = scene.double.key(&there).unwrap();
        assert!(theirs.tags.is_empty() && theirs.aliases.is_empty(), "{theirs:?}");
    }
    let calls = scene.calls("ReplicateKey");
    assert!(!calls.is_empty() && calls.iter().all(|call| !call.took_effect), "{calls:?}");
    true
}

/// The KMS says that there is a replica, and does not show it: it is looked for, and nothing is concluded from the answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_there_and_is_not_shown_is_looked_for_again() {
    let memory = Memory::new().await;
    let scene = within(&memory, &AWS, "unseen").await;
    let _operator = memory.start();
    primary(&scene).await;
    let exists = FaultAction::Error { code: "AlreadyExistsException".into(), status: 400, message: "it exists".into() };
    scene.double.inject(Fault::on("ReplicateKey", exists).nth(1));
    scene.create("there", replica(&scene, json!({}))).await;
    let waits = |object: &ManagedKey| message(object).contains("which that Region does not show yet; Keyward looks for it again");
    let object = scene.until("there", "it is looked for", waits).await;
    assert!(find(&object, ConditionType::Stalled).is_none(), "{}", describe(&object));
    settled(&scene, "there").await;
    assert_eq!(scene.calls("ReplicateKey").iter().filter(|call| call.took_effect).count(), 1);
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
        if is_primary(&object) { Ok(()) } else { Err(describe(&object)) }
    })
    .await;
    settled(&scene, "orders").await;
    let took = scene.calls(operation).iter().filter(|call| call.took_effect).count();
    assert_eq!(took, 1, "{point}");
    assert!(scene.key("there").await.arn.contains(ABROAD));
    drop(operator);
}

/// Shows S9.
#[tokio::test(flavor = "multi_thread")]
async fn the_primary_key_is_moved_once_at_whichever_write_the_operator_is_killed() {
    let mut tries: Vec<std::pin::Pin<Box<dyn Future<Output = ()>>>> = Vec::new();
    for (vendor, operation) in [(&AWS, "UpdatePrimaryRegion"), (&CIPHER_TRUST, "update-primary-region")] {
        for at in [At::Before, At::After] {
            tries.push(Box::pin(async move {
                let mut write = 1;
                while moved_at_write(vendor, operation, write, at).await {
                    write += 1;
                }
                assert!(write > 1, "{operation} {at:?} {write}: the status");
            }));
        }
    }
    each(tries).await;
}

/// Kills the operator at that write while it moves the primary key. Returns whether there is such a write.
async fn moved_at_write(vendor: &'static Vendor, operation: &'static str, nth: usize, at: At) -> bool {
    let point = format!("{operation}: killed {at:?} write {nth}");
    let (memory, gate) = Memory::new().await.behind_gate();
    let scene = within(&memory, vendor, "crash").await;
    let mut operator = memory.start();
    primary(&scene).await;
    made(&scene, "there", json!({})).await;
    for name in ["orders", "there"] {
        scene.look_at_all(name).await;
    }
    gate.hold(nth, at);
    scene.spec("there", json!({ "primary": true })).await;
    let died = struck_at_write(&scene, &gate, &point, |object| is_enabled(object) && is_primary(object)).await;
    operator.kill();
    gate.open();
    let _operator = memory.start();
    eventually(&point, WITHIN, async || {
        let object = settled(&scene, "there").await;
        if is_primary(&object) { Ok(()) } else { Err(describe(&object)) }
    })
    .await;
    settled(&scene, "orders").await;
    let took = scene.calls(operation).iter().filter(|call| call.took_effect).count();
    assert_eq!(took, 1, "{point}");
    assert!(scene.key("there").await.arn.contains(ABROAD));
    died
}

fn is_primary(object: &ManagedKey) -> bool {
    let facts = object.status.as_ref().and_then(|status| status.multi_region.as_ref());
    facts.is_some_and(|facts| facts.role == MultiRegionRole::Primary)
}
