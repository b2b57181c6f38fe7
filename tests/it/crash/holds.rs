//! Something goes wrong at each step of writing a hold, and somebody saves the key before the next look: what was decided stays decided.
//!
//! Shows S10.

use keyward::api::key_provider::ProviderType;
use kms_double::{Fault, FaultAction, KeyState as Actual, Options};
use serde_json::json;

use super::{hold, struck};
use crate::support::{
    control_plane::ControlPlane,
    eventually,
    gate::{At, Gate},
    operator::{PATIENCE, Post},
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
    let control_plane: &'static ControlPlane = Box::leak(Box::new(ControlPlane::start().unwrap().with_crds().unwrap()));
    let (post, gate) = Post::new(control_plane).await.behind_gate(control_plane).await;
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
    for trouble in if is_aws { &all[..] } else { &about_tags } {
        for asker in [Asker::TheField, Asker::TheEnd] {
            holds(control_plane, &post, &gate, vendor, asker, *trouble).await;
        }
    }
}

async fn holds(control_plane: &'static ControlPlane, post: &Post, gate: &Gate, vendor: &'static Vendor, asker: Asker, trouble: Trouble) {
    let point = format!("{asker:?}, {trouble:?}");
    let scene = Scene::at(control_plane, post, vendor, "crash-hold", Options::default(), json!({})).await;
    let mut operator = post.start();
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
    operator = post.start();
    if let Trouble::KilledAtWrite(..) = trouble {
        eventually(&point, PATIENCE, async || if gate.has_struck() { Ok(()) } else { Err(operator.tail()) }).await;
    } else {
        struck(&scene, &operator, tag, &point).await;
    }
    operator.kill();
    gate.open();
    scene.double.clear_faults();

    scene.set_outside("orders", Actual::Enabled).await;
    let _operator = post.start();
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
