//! A rotation is what the KMS has on record, with the KMS's date, and nothing else is told as one.

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use keyward::api::{ConditionType, ManagedKey, annotation, condition::seconds};
use kms_double::{Fault, FaultAction, Options};
use serde_json::json;

use crate::support::{
    eventually,
    operator::WITHIN,
    scene::{Scene, describe, find},
    vendor::{self, Vendor},
};

/// An object whose key is rotated, and a KMS whose clock is behind by a period, so that its dates are past for the operator once it has moved on. Nobody looks
/// meanwhile.
async fn rotating(vendor: &'static Vendor, name: &str) -> Scene {
    let behind = Options { clock_behind: days(vendor.period), ..Options::default() };
    let scene = Scene::of(vendor, name, behind, json!({ "resyncSeconds": 600 })).await;
    scene.create("orders", json!({ "autoRotation": true, "rotationPeriodDays": vendor.period })).await;
    scene.until_ready("orders", "True", "Available").await;
    let object = scene.look_at_all("orders").await;
    assert_eq!(last(&object), None);
    scene
}

fn days(days: u32) -> SignedDuration {
    SignedDuration::from_hours(24 * i64::from(days))
}

fn last(object: &ManagedKey) -> Option<Time> {
    object.status.clone()?.rotation?.last_rotation_time
}

/// How often a rotation was told.
async fn told(scene: &Scene) -> usize {
    // An event comes after the status of its round, and before the next round.
    scene.look("orders").await;
    scene.events("orders").await.iter().filter(|reason| *reason == "KeyRotated").count()
}

/// Has the key read without being asked, until all was read in turn.
async fn read_by_itself(scene: &Scene) {
    for _ in 0..3 {
        let before = scene.now();
        let token = uuid::Uuid::new_v4().to_string();
        // It changes what a round goes by, and asks for nothing.
        scene.patch("orders", json!({ "metadata": { "annotations": { (annotation::CONFIRM_DELETION): token } } })).await;
        eventually("a read", WITHIN, async || {
            if scene.calls(scene.vendor.operations.look).iter().any(|call| call.seq > before) { Ok(()) } else { Err("none") }
        })
        .await;
    }
}

pub async fn a_rotation_is_told_once_with_the_date_of_the_kms(vendor: &'static Vendor) {
    let scene = rotating(vendor, "rotated").await;
    scene.double.advance(days(vendor.period)).unwrap();
    read_by_itself(&scene).await;
    let date = scene.key("orders").await.rotation.rotated.last().expect("a period is over").date;
    let object = scene.until("orders", "its rotation is told", |object| last(object).is_some()).await;
    assert_eq!(last(&object), Some(seconds(date)));
    let note = scene.until_event("orders", "KeyRotated").await;
    assert!(note.contains(&seconds(date).0.to_string()), "{note}");
    let asked = scene.calls(vendor.operations.rotations).len();
    assert_eq!(told(&scene).await, 1);
    read_by_itself(&scene).await;
    assert_eq!(told(&scene).await, 1, "and no second time");
    assert!(scene.calls(vendor.operations.rotations).len() > asked, "though it was asked for");
    let object = scene.look("orders").await;
    assert_eq!(last(&object), Some(seconds(date)));
    assert_eq!(find(&object, ConditionType::Synced).unwrap().status, "True");
}

pub async fn rotation_that_is_switched_off_outside_and_corrected_is_none(vendor: &'static Vendor) {
    let scene = rotating(vendor, "corrected").await;
    scene.rotation_outside("orders", None).await;
    let object = scene.look_at_all("orders").await;
    assert_eq!(scene.key("orders").await.rotation.period_days, Some(vendor.period), "it is on again");
    assert_eq!((last(&object), told(&scene).await), (None, 0));
    // The date that it would have had passes, and the new one is still to come.
    scene.double.advance(days(vendor.period) - SignedDuration::from_hours(1)).unwrap();
    let object = scene.look_at_all("orders").await;
    assert_eq!((last(&object), told(&scene).await), (None, 0));
}

pub async fn rotation_that_was_off_on_its_date_is_none(vendor: &'static Vendor) {
    let scene = rotating(vendor, "off-and-on").await;
    scene.double.advance(days(vendor.period) - SignedDuration::from_hours(1)).unwrap();
    scene.rotation_outside("orders", None).await;
    scene.double.advance(SignedDuration::from_hours(1)).unwrap();
    scene.rotation_outside("orders", Some(vendor.period)).await;
    let key = scene.key("orders").await.rotation;
    assert!(key.enabled && key.rotated.is_empty(), "{key:?}");
    read_by_itself(&scene).await;
    let object = scene.look_at_all("orders").await;
    assert_eq!((last(&object), told(&scene).await), (None, 0), "its date has passed with rotation on before and after");
    let next = object.status.unwrap().rotation.unwrap().next_rotation_time;
    assert!(next.is_none_or(|next| next == seconds(key.next.unwrap())));
}

/// Keyward does not need that read, so it asks nobody to allow it.
#[tokio::test]
async fn without_the_right_to_read_rotations_only_rotations_are_missing() {
    for vendor in [&vendor::AWS, &vendor::CIPHER_TRUST] {
        let scene = rotating(vendor, "unlisted").await;
        scene.double.advance(days(vendor.period)).unwrap();
        for (code, status) in [vendor.denied, vendor.throttled] {
            scene
                .double
                .inject(Fault::on(vendor.operations.rotations, FaultAction::Error { code: code.into(), status, message: "no".into() }));
            let before = scene.calls(vendor.operations.rotations).len();
            let object = scene.look_at_all("orders").await;
            assert!(scene.calls(vendor.operations.rotations).len() > before);
            for kind in [ConditionType::Ready, ConditionType::Synced] {
                assert_eq!(find(&object, kind).unwrap().status, "True", "{code}: {}", describe(&object));
            }
            assert_eq!((last(&object), told(&scene).await), (None, 0), "{code}");
            scene.double.clear_faults();
        }
        assert!(last(&scene.look("orders").await).is_some());
        assert_eq!(told(&scene).await, 1);
    }
}
