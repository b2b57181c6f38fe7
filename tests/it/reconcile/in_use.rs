//! A key that was used lately is not scheduled for deletion until it is idle for the days that the provider demands.
//!
//! Shows S1.

use aws_sdk_kms::primitives::Blob;
use jiff::{SignedDuration, Timestamp};
use keyward::api::{ConditionType, ManagedKey};
use kms_double::{Fault, FaultAction, KeyState as Actual, Options};
use serde_json::{Value, json};

use crate::support::{
    scene::{Scene, describe, find, message},
    vendor::{CIPHER_TRUST, HUAWEI},
};

async fn used(name: &str, spec: Value) -> Scene {
    let scene = Scene::with(name, Options::default(), json!({})).await;
    scene.create("orders", spec).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;
    scene.person().encrypt().key_id(key).plaintext(Blob::new("data")).send().await.unwrap();
    scene
}

#[tokio::test]
async fn a_key_that_was_used_lately_is_held_and_goes_on_by_itself() {
    let scene = used("in-use", json!({})).await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    let object = scene.until_ready("orders", "False", "KeyInUse").await;
    assert!(
        message(&object).contains("the key was used on ") && message(&object).contains("deletionGuard.minimumIdleDays"),
        "{}",
        message(&object)
    );
    // It passes by itself, so nobody has to act.
    assert!(
        find(&object, ConditionType::Reconciling).is_some() && find(&object, ConditionType::Stalled).is_none(),
        "{}",
        describe(&object)
    );
    assert!(find(&object, ConditionType::DeletionHeld).is_some_and(|held| held.reason == "KeyInUse"));
    scene.until_event("orders", "DeletionHeld").await;
    let used = |object: &ManagedKey| object.status.as_ref()?.deletion.as_ref()?.last_used_time.clone();
    let first = used(&object).expect("the use that holds it");
    // It is used on and on. That is no reason to write.
    scene.person().encrypt().key_id(scene.key("orders").await.arn).plaintext(Blob::new("data")).send().await.unwrap();
    assert_eq!(used(&scene.look_at_all("orders").await), Some(first));
    assert_eq!((scene.calls("ScheduleKeyDeletion").len(), scene.key("orders").await.state), (0, Actual::Enabled));
    // The mark says still that it was seen alive.
    scene.provide(&scene.provider, json!({ "deletionGuard": { "minimumIdleDays": 0 } })).await;
    let object = scene.until_ready("orders", "True", "DeletionScheduled").await;
    assert_eq!((scene.calls("ScheduleKeyDeletion").len(), used(&object)), (1, None));
}

#[tokio::test]
async fn a_deletion_that_is_withdrawn_is_held_by_no_use() {
    let scene = used("in-use-withdrawn", json!({})).await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "False", "KeyInUse").await;
    scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
    let object = scene.until_ready("orders", "True", "Available").await;
    assert_eq!(object.status.unwrap().deletion, None);
}

#[tokio::test]
async fn an_object_that_goes_waits_for_its_key_to_be_idle() {
    let scene = used("in-use-gone", json!({ "deletionPolicy": "Disable" })).await;
    scene.delete("orders").await;
    let told =
        scene.until("orders", "held", |object| find(object, ConditionType::DeletionHeld).is_some_and(|held| held.reason == "KeyInUse"));
    assert!(message(&told.await).contains("deletionPolicy: Retain"));
    assert!(scene.calls("DisableKey").is_empty());
    scene.spec("orders", json!({ "deletionPolicy": "Retain" })).await;
    scene.until_gone("orders").await;
    assert!(scene.calls("DisableKey").is_empty());
}

#[tokio::test]
async fn a_use_that_cannot_be_read_holds_the_deletion() {
    let scene = used("in-use-denied", json!({})).await;
    let denied = FaultAction::Error { code: "AccessDeniedException".into(), status: 400, message: "not authorized".into() };
    scene.double.inject(Fault::on("GetKeyLastUsage", denied));
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    let object = scene.until_synced("orders", "False", "AccessDenied").await;
    assert!(message(&object).contains("kms:GetKeyLastUsage"), "{}", message(&object));
    assert!(scene.calls("ScheduleKeyDeletion").is_empty());
}

/// The hold writes no word, so its condition is all there is of it. A round that fails must not forget it, or it would be told again.
#[tokio::test]
async fn a_hold_for_a_use_outlives_rounds_that_fail_and_is_told_once() {
    let scene = used("in-use-failed", json!({})).await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "False", "KeyInUse").await;
    scene.until_event("orders", "DeletionHeld").await;
    for operation in ["DescribeKey", "ListResourceTags", "GetKeyLastUsage"] {
        let denied = FaultAction::Error { code: "AccessDeniedException".into(), status: 400, message: "not authorized".into() };
        scene.double.inject(Fault::on(operation, denied));
        scene.look("orders").await;
        let object = scene.until_synced("orders", "False", "AccessDenied").await;
        let held = find(&object, ConditionType::DeletionHeld).unwrap_or_else(|| panic!("{operation}: {}", describe(&object)));
        assert_eq!(held.reason, "KeyInUse", "{operation}");
        assert!(object.status.as_ref().and_then(|status| status.deletion.as_ref()?.last_used_time.as_ref()).is_some(), "{operation}");
        scene.double.clear_faults();
        scene.look("orders").await;
        scene.until_synced("orders", "False", "KeyInUse").await;
    }
    let told = scene.events("orders").await.into_iter().filter(|reason| reason == "DeletionHeld").count();
    assert_eq!(told, 1);
    // It ends with the field, also in a round that fails.
    scene.double.inject(Fault::on("DescribeKey", FaultAction::Cut));
    scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
    let ended = |object: &ManagedKey| find(object, ConditionType::DeletionHeld).is_none();
    scene.until("orders", "no hold", ended).await;
}

/// What is said of a deletion whose key may be in use for all that the KMS tells.
const UNTOLD: &str = "the KMS did not tell when the key was last used";

fn is_untold(object: &ManagedKey) -> bool {
    object.status.as_ref().and_then(|status| status.deletion.as_ref()?.last_use).is_some()
}

/// Has the key of an object that is ready deleted, and sees that nothing held it and that this is said.
async fn scheduled_untold(scene: &Scene) {
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    let object = scene.look("orders").await;
    let pending = &find(&object, ConditionType::PendingDeletion).unwrap().message;
    assert!(is_untold(&object) && pending.contains(UNTOLD), "{pending}");
    let note = scene.until_event("orders", "KeyDeletionScheduled").await;
    assert!(note.contains(UNTOLD), "{note}");
    assert!(!scene.events("orders").await.contains(&"DeletionHeld".to_owned()));
}

#[tokio::test]
async fn a_key_whose_last_use_is_not_told_is_scheduled_and_the_status_says_so() {
    for vendor in [&HUAWEI, &CIPHER_TRUST] {
        let scene = Scene::of(vendor, "in-use-untold", Options::default(), json!({})).await;
        scene.create("orders", json!({})).await;
        scene.until_ready("orders", "True", "Available").await;
        scheduled_untold(&scene).await;
    }

    // Where it is told, or where no days are demanded, nothing is said.
    let scene = Scene::with("in-use-told", Options::default(), json!({})).await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    let object = scene.until_ready("orders", "True", "DeletionScheduled").await;
    assert!(!is_untold(&object), "{}", describe(&object));
}

/// Keys that somebody else made that many days ago, by the clock of the KMS, and used then. Any object may adopt them. With each comes what it encrypted.
async fn used_days_ago<const N: usize>(name: &str, days: i64, is_used: bool) -> (Scene, [(String, Option<Blob>); N]) {
    let ago = SignedDuration::from_hours(24 * days);
    let adoption = json!({ "adoption": { "from": "Rules", "rules": [{ "namespaces": ["*"], "keys": ["*"] }] } });
    let scene = Scene::with(name, Options { clock_behind: ago, ..Options::default() }, adoption).await;
    let mut keys = [const { (String::new(), None) }; N];
    for (key, encrypted) in &mut keys {
        *key = scene.foreign_key().await;
        if is_used {
            let answer = scene.person().encrypt().key_id(&*key).plaintext(Blob::new("data")).send().await.unwrap();
            *encrypted = answer.ciphertext_blob;
        }
    }
    scene.double.advance(ago).unwrap();
    (scene, keys)
}

/// AWS has no record from before 2026-04-23, so it does not tell whether an older key was ever used.
#[tokio::test]
async fn a_key_of_aws_that_is_older_than_its_record_of_uses_is_scheduled_and_the_status_says_so() {
    // Longer ago than that day is by now.
    let began: Timestamp = "2026-04-23T00:00:00Z".parse().unwrap();
    let days = Timestamp::now().duration_since(began).as_hours() / 24 + 30;
    let (scene, [(key, _)]) = used_days_ago("in-use-old", days, false).await;
    scene.create("orders", json!({ "keyId": key })).await;
    scene.until_ready("orders", "True", "Available").await;
    scheduled_untold(&scene).await;
    let asked = scene.calls("GetKeyLastUsage");
    assert!(asked.iter().any(|call| call.key.as_ref() == Some(&key) && call.result == "OK"), "{asked:?}");
}

/// The data was encrypted long ago, and somebody reads it today. The KMS has both in its own record.
#[tokio::test]
async fn a_decrypt_of_today_holds_a_key_that_encrypted_long_ago_and_no_other() {
    let (scene, keys) = used_days_ago::<2>("in-use-read", 10, true).await;
    for (name, (key, _)) in ["orders", "archive"].into_iter().zip(&keys) {
        scene.create(name, json!({ "keyId": key })).await;
        scene.until_ready(name, "True", "Available").await;
    }
    let [(orders, encrypted), _] = keys;
    let decrypted = scene.person().decrypt().key_id(&orders).ciphertext_blob(encrypted.unwrap()).send().await.unwrap();
    assert_eq!(decrypted.plaintext.map(Blob::into_inner), Some(b"data".to_vec()));
    for name in ["orders", "archive"] {
        scene.spec(name, json!({ "deletionScheduleDays": 7 })).await;
    }
    scene.until_ready("archive", "True", "DeletionScheduled").await;
    let object = scene.until_ready("orders", "False", "KeyInUse").await;
    let today = scene.double.now().to_string();
    assert!(message(&object).contains(&format!("the key was used on {}", &today[..10])), "{}", message(&object));
    assert_eq!((scene.calls("ScheduleKeyDeletion").len(), scene.key("orders").await.state), (1, Actual::Enabled));
}
