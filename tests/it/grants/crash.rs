//! The operator is killed, or its answer is lost, at each request about a grant and at each write of its object. The next run finishes the
//! work: one grant while the object declares one, none when it is gone.

use futures::StreamExt;
use keyward::api::{ConditionType, KeyGrant};
use kms_double::{Fault, FaultAction, Options};
use kube::api::DeleteParams;
use serde_json::json;

use super::{any, api, create, find, of_orders, own, patch, with_key, words};
use crate::support::{
    eventually,
    gate::{At, Fate, Gate},
    memory::{Hand, Memory},
    operator::WITHIN,
    scene::Scene,
    vendor::{AWS, HUAWEI, Vendor},
};

/// What kills the operator.
enum Death {
    /// The nth request of that operation.
    Request(&'static str, u64, Fate),
    /// The nth write of the object, counted from its creation.
    Write(Gate, usize, At),
}

/// Shows S9.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_request_about_a_grant_the_next_run_finishes_the_work() {
    let mut tries = Vec::new();
    let requests = [(&AWS, "CreateGrant"), (&AWS, "RevokeGrant"), (&HUAWEI, "create-grant"), (&HUAWEI, "revoke-grant")];
    for ((vendor, operation), nth) in requests.into_iter().flat_map(|request| [(request, 1), (request, 2)]) {
        for ends in Fate::ALL {
            let point = format!("{operation} {nth} {ends:?}");
            tries.push(async move {
                let memory = Memory::new().await;
                let struck = story(vendor, &memory, Death::Request(operation, nth, ends), &point).await;
                assert!(struck, "{point} never came");
            });
        }
    }
    futures::stream::iter(tries).buffer_unordered(8).collect::<()>().await;
}

/// Shows S9.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_write_of_a_grant_the_next_run_finishes_the_work() {
    let points = [&AWS, &HUAWEI].into_iter().flat_map(|vendor| [(vendor, At::Before), (vendor, At::After)]);
    let tries = points.map(|(vendor, at)| async move {
        let mut nth = 1;
        loop {
            let (memory, gate) = Memory::new().await.behind_gate();
            let point = format!("{:?}: write {nth} {at:?}", vendor.provider);
            if !story(vendor, &memory, Death::Write(gate, nth, at), &point).await {
                break;
            }
            nth += 1;
        }
        // The object may be gone before the gate tells that the last write came.
        assert!(nth > 4, "{:?} {nth}: the finalizer, the record, the status twice, and the end", vendor.provider);
    });
    futures::future::join_all(tries).await;
}

/// A grant is made, changed and revoked. Returns whether the operator was struck.
async fn story(vendor: &'static Vendor, memory: &Memory, death: Death, point: &str) -> bool {
    let scene = Scene::within(memory, vendor, "crash", Options::default(), any()).await;
    let mut operator = memory.start();
    with_key(&scene).await;
    scene.look_at_all("orders").await;
    match &death {
        Death::Request(operation, nth, ends) => {
            let action = match ends {
                Fate::Killed(At::Before) => FaultAction::Hang,
                Fate::Killed(At::After) => FaultAction::LateReply { millis: 120_000 },
                Fate::Lost => FaultAction::LoseReply,
                Fate::Cut => FaultAction::Cut,
            };
            scene.double.inject(Fault::on(operation, action).nth(*nth));
        }
        Death::Write(gate, nth, at) => gate.hold(*nth, *at),
    }
    let mut struck = false;
    let (user, [decrypt, encrypt]) = words(vendor);
    let mut grant =
        create(&scene, "reader", json!({ "keyRef": { "name": "orders" }, "granteePrincipal": user, "operations": [decrypt] })).await;
    for operations in [&[decrypt][..], &[decrypt, encrypt], &[]] {
        match operations {
            [_] => {}
            [] => drop(api(&scene).delete("reader", &DeleteParams::default()).await.unwrap()),
            operations => grant = patch(&scene, "reader", json!({ "spec": { "operations": operations } })).await,
        }
        if ended(&scene, &grant, operations.is_empty(), (!struck).then_some(&death), point).await {
            struck = true;
            revive(&mut operator, memory, &scene, &death);
            ended(&scene, &grant, operations.is_empty(), None, point).await;
        }
        let made = own(&scene, &grant).await;
        let permitted: Vec<_> = made.iter().map(|grant| grant.terms.operations.iter().map(String::as_str).collect::<Vec<_>>()).collect();
        let declared: Vec<_> = (!operations.is_empty()).then(|| operations.to_vec()).into_iter().collect();
        assert_eq!(permitted, declared, "{point}");
    }
    assert!(of_orders(&scene).await.is_empty(), "{point}");
    for (reason, note) in scene.events_in(&scene.namespace, "reader").await {
        assert!(reason != "DriftDetected", "{point}: nobody else was there: {note}");
    }
    struck
}

/// Waits until the grant is as declared, or gone, or until the death comes. Returns whether it came.
async fn ended(scene: &Scene, grant: &KeyGrant, goes: bool, death: Option<&Death>, point: &str) -> bool {
    eventually(point, WITHIN, async || {
        if death.is_some_and(|death| strikes(scene, death)) {
            return Ok(true);
        }
        let found = api(scene).get_opt("reader").await.unwrap();
        let is_as_declared = |found: &KeyGrant| {
            let ready = find(found, ConditionType::Ready);
            ready.is_some_and(|ready| ready.reason == "Granted" && ready.observed_generation == grant.metadata.generation)
        };
        let is_done = found.as_ref().map_or(goes, |found| !goes && is_as_declared(found));
        // The last write may have come meanwhile.
        if is_done { Ok(death.is_some_and(|death| strikes(scene, death))) } else { Err(format!("{:?}", found.map(|found| found.status))) }
    })
    .await
}

fn strikes(scene: &Scene, death: &Death) -> bool {
    match death {
        Death::Request(operation, ..) => scene.calls(operation).iter().any(|call| call.fault.is_some()),
        Death::Write(gate, ..) => gate.has_struck(),
    }
}

/// A process that is killed is followed by another one. One that lost an answer goes on.
fn revive(operator: &mut Hand, memory: &Memory, scene: &Scene, death: &Death) {
    if matches!(death, Death::Request(_, _, Fate::Lost | Fate::Cut)) {
        return;
    }
    operator.kill();
    scene.double.clear_faults();
    if let Death::Write(gate, ..) = death {
        gate.open();
    }
    *operator = memory.start();
}
