//! A deletion that AWS denies because of a condition of a policy: it is told with the values of the call, the other changes go on, and it is tried again slowly.

use aws_sdk_kms::primitives::Blob;
use futures::future::join_all;
use jiff::SignedDuration;
use keyward::api::{ConditionType, ManagedKey};
use kms_double::{ACCOUNT, Denial, Fault, FaultAction, KeyState as Actual, Options};
use serde_json::json;

use crate::support::{
    scene::{Scene, find, message},
    vendor::{AWS, CIPHER_TRUST},
};

const WINDOW: &str = "kms:ScheduleKeyDeletionPendingWindowInDays";
const IDLE: &str = "kms:TrailingDaysWithoutKeyUsage";

/// Sees that a deletion is denied, with those words, and is not tried again while other objects live their lives.
async fn denied(scene: &Scene, operation: &str, words: &[&str]) -> ManagedKey {
    let object = scene.until_ready("orders", "False", "AccessDenied").await;
    assert!(find(&object, ConditionType::Stalled).is_some(), "{:?}", object.status);
    for word in words {
        assert!(message(&object).contains(word), "no {word:?} in: {}", message(&object));
    }
    let sent = scene.calls(operation).len();
    scene.create("other", json!({})).await;
    scene.until_ready("other", "True", "Available").await;
    scene.spec("other", json!({ "description": "later" })).await;
    scene.until_ready("other", "True", "Available").await;
    scene.delete("other").await;
    scene.until_gone("other").await;
    assert_eq!(scene.calls(operation).len(), sent, "it is tried again slowly");
    // The message is the same at each try.
    let again = scene.look("orders").await;
    assert_eq!(message(&again), message(&object));
    again
}

#[tokio::test]
async fn a_window_that_a_policy_denies_is_told_and_a_longer_one_is_the_way_out() {
    join_all([&AWS, &CIPHER_TRUST].map(async |vendor| {
        let scene = Scene::alone(vendor, "window", Options::default(), json!({ "resyncSeconds": 600 })).await;
        scene.double.set_denials(vec![Denial { account: ACCOUNT.into(), window_below: Some(14), idle_below: None }]);
        scene.create("orders", json!({})).await;
        scene.until_ready("orders", "True", "Available").await;
        scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
        let words = [WINDOW, IDLE, "the 7 days of this call", "does not say whether a condition"];
        denied(&scene, vendor.operations.schedule, &words).await;
        assert_eq!(scene.key("orders").await.state, Actual::Enabled);
        scene.spec("orders", json!({ "deletionScheduleDays": 14 })).await;
        scene.until_ready("orders", "True", "DeletionScheduled").await;
        assert_eq!(scene.key("orders").await.pending_window_days, Some(14));
    }))
    .await;
}

#[tokio::test]
async fn a_use_that_a_policy_denies_is_told_with_its_date_and_passes_by_itself() {
    // The key was used three days ago, for which the provider has no objection.
    let behind = Options { clock_behind: SignedDuration::from_hours(3 * 24), ..Options::default() };
    let spec = json!({ "resyncSeconds": 600, "deletionGuard": { "minimumIdleDays": 1 } });
    let scene = Scene::with("idle", behind, spec).await;
    scene.double.set_denials(vec![Denial { account: ACCOUNT.into(), window_below: None, idle_below: Some(5) }]);
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;
    scene.person().encrypt().key_id(key).plaintext(Blob::new("data")).send().await.unwrap();
    let used = scene.double.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    denied(&scene, "ScheduleKeyDeletion", &[IDLE, &format!("AWS reports its last use on {used}")]).await;
    let asked = scene.calls("GetKeyLastUsage").len();
    assert!(asked <= scene.calls("ScheduleKeyDeletion").len() + 2, "once for each try, and once for the status of each object: {asked}");

    // Each day it is read, and one day the policy lets it pass.
    scene.double.advance(SignedDuration::from_hours(5 * 24)).unwrap();
    scene.look("orders").await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
}

#[tokio::test]
async fn an_object_that_goes_tells_which_condition_keeps_its_key() {
    let scene =
        Scene::with("idle-gone", Options::default(), json!({ "resyncSeconds": 600, "deletionGuard": { "minimumIdleDays": 1 } })).await;
    scene.double.set_denials(vec![Denial { account: ACCOUNT.into(), window_below: None, idle_below: Some(7) }]);
    scene.create("orders", json!({ "deletionPolicy": "Disable" })).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.delete("orders").await;
    // The policy denies it for a new key as well, which nobody used.
    let words = [IDLE, "AWS reports no use of it", "set deletionPolicy: Retain"];
    let told = |object: &ManagedKey| words.iter().all(|word| message(object).contains(word));
    let object = scene.until("orders", "it is told", told).await;
    assert!(!message(&object).contains(WINDOW), "{}", message(&object));
    assert_eq!(scene.key("orders").await.state, Actual::Enabled);
    scene.spec("orders", json!({ "deletionPolicy": "Retain" })).await;
    scene.until_gone("orders").await;
}

/// A denial of another kind of call names no condition of deletions, and neither does one of `CipherTrust` itself.
#[tokio::test]
async fn only_aws_s_denial_of_a_deletion_names_conditions() {
    join_all([(&AWS, "EnableKeyRotation"), (&CIPHER_TRUST, "schedule-deletion")].map(async |(vendor, operation)| {
        let scene = Scene::alone(vendor, "other-denial", Options::default(), json!({ "resyncSeconds": 600 })).await;
        scene.create("orders", json!({})).await;
        scene.until_ready("orders", "True", "Available").await;
        let (code, status) = vendor.denied;
        scene.double.inject(Fault::on(operation, FaultAction::Error { code: code.into(), status, message: "for a test".into() }));
        let edit = if operation == "schedule-deletion" { json!({ "deletionScheduleDays": 7 }) } else { json!({ "autoRotation": true }) };
        scene.spec("orders", edit).await;
        let object = scene.until_ready("orders", "False", "AccessDenied").await;
        assert!(!message(&object).contains(WINDOW) && !message(&object).contains(IDLE), "{}", message(&object));
    }))
    .await;
}

/// AWS answers five requests for the last use a second.
#[tokio::test]
async fn the_last_uses_of_many_keys_are_asked_for_within_the_quota() {
    const KEYS: usize = 8;
    let scene = Scene::with(
        "last-uses",
        Options { quotas: true, ..Options::default() },
        json!({ "resyncSeconds": 600, "quotaSharePercent": null }),
    )
    .await;
    let names: Vec<_> = (0..KEYS).map(|number| format!("key-{number}")).collect();
    let created = scene.double.keys().len();
    join_all(names.iter().map(async |name| scene.create(name, json!({})).await)).await;
    for name in &names {
        scene.until_ready(name, "True", "Available").await;
    }
    assert_eq!(scene.double.keys().len(), created + KEYS);
    join_all(names.iter().map(async |name| scene.spec(name, json!({ "deletionScheduleDays": 7 })).await)).await;
    for name in &names {
        scene.until_ready(name, "True", "DeletionScheduled").await;
    }
    let throttled = scene.operator_calls().into_iter().filter(|call| call.result == "ThrottlingException");
    assert_eq!(throttled.map(|call| call.operation).collect::<Vec<_>>(), Vec::<String>::new());
    assert!(scene.calls("GetKeyLastUsage").len() >= KEYS);
}
