//! Something goes wrong at each step of writing a hold, and somebody saves the key before the next read: the hold stays.
//!
//! Shows S10.

use keyward::api::key_provider::ProviderType;
use kms_double::{Fault, FaultAction, KeyState as Actual, Options};
use serde_json::json;

use super::{Try, each, hold, struck};
use crate::support::{
    eventually,
    gate::At,
    memory::Memory,
    operator::WITHIN,
    scene::Scene,
    vendor::{self, Vendor},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_outlives_whatever_happens_while_it_is_written() {
    a_hold_outlives_all(&vendor::AWS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_about_ciphertrust_outlives_whatever_happens_while_it_is_written() {
    a_hold_outlives_all(&vendor::CIPHER_TRUST).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_about_huawei_outlives_whatever_happens_while_it_is_written() {
    a_hold_outlives_all(&vendor::HUAWEI).await;
}

/// What goes wrong. The first write of the object is the record; the second is the report. Before the record is written nothing was decided.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    KilledAtWrite(usize, At),
    KilledAtMark(At),
    MarkDenied,
    MarkThrottled,
    ReplyLost,
}

/// What asks for the deletion.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Asker {
    TheField,
    TheEnd,
}

async fn a_hold_outlives_all(vendor: &'static Vendor) {
    use Trouble::{KilledAtMark, KilledAtWrite, MarkDenied, MarkThrottled, ReplyLost};
    let all = [
        KilledAtWrite(1, At::After),
        KilledAtMark(At::Before),
        KilledAtMark(At::After),
        KilledAtWrite(2, At::Before),
        KilledAtWrite(2, At::After),
        MarkDenied,
        MarkThrottled,
        ReplyLost,
    ];
    // The order of writes is the same whatever the KMS; what differs is the tag call.
    let about_tags = [KilledAtMark(At::After), MarkDenied, ReplyLost];
    let is_aws = vendor.provider == ProviderType::Aws;
    let troubles = if is_aws { &all[..] } else { &about_tags };
    let each_asker = |trouble: &Trouble| [Asker::TheField, Asker::TheEnd].map(|asker| Box::pin(holds(vendor, asker, *trouble)) as Try);
    each(troubles.iter().flat_map(each_asker).collect()).await;
}

async fn holds(vendor: &'static Vendor, asker: Asker, trouble: Trouble) {
    let point = format!("{asker:?}, {trouble:?}");
    let (memory, gate) = Memory::new().await.behind_gate();
    let scene = Scene::within(&memory, vendor, "crash-hold", Options::default(), json!({})).await;
    let mut operator = memory.start();
    scene.create("orders", json!({ "managementPolicy": "EnforceOnChange", "deletionPolicy": "Delete" })).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.look_at_all("orders").await;
    let key = scene.key("orders").await.key_id;
    operator.kill();

    scene.set_outside("orders", Actual::Disabled).await;
    if asker == Asker::TheField {
        scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    } else {
        scene.delete("orders").await;
    }
    let tag = vendor.operations.tag;
    let error = |(code, status): (&str, u16)| FaultAction::Error { code: code.into(), status, message: String::new() };
    match trouble {
        Trouble::KilledAtWrite(nth, at) => gate.hold(nth, at),
        Trouble::KilledAtMark(at) => hold(&scene, tag, at),
        Trouble::MarkDenied => scene.double.inject(Fault::on(tag, error(vendor.denied))),
        Trouble::MarkThrottled => scene.double.inject(Fault::on(tag, error(vendor.throttled))),
        Trouble::ReplyLost => scene.double.inject(Fault::on(tag, FaultAction::LoseReply)),
    }
    operator = memory.start();
    if let Trouble::KilledAtWrite(..) = trouble {
        eventually(&point, WITHIN, async || if gate.has_struck() { Ok(()) } else { Err("not held") }).await;
    } else {
        struck(&scene, tag, &point).await;
    }
    operator.kill();
    gate.open();
    scene.double.clear_faults();

    scene.set_outside("orders", Actual::Enabled).await;
    let _operator = memory.start();
    scene.until_ready("orders", "False", "CancelledOutside").await;
    scene.until("orders", &point, |_| scene.double.key(&key).is_some_and(|key| key.tags["keyward-intent"].contains(".held-"))).await;
    assert!(scene.calls(vendor.operations.schedule).is_empty(), "{point}");
    assert_eq!(scene.double.key(&key).unwrap().state, Actual::Enabled, "{point}");

    scene.spec("orders", json!({ "deletionPolicy": "Retain" })).await;
    if asker == Asker::TheField {
        scene.delete("orders").await;
    }
    scene.until_gone("orders").await;
    assert!(scene.calls(vendor.operations.schedule).is_empty(), "{point}");
}
