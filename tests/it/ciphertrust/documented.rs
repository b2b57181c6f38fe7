//! What Thales documents of `schedule-deletion`, `cancel-deletion` and `enable-auto-rotation`: what the double was sent, and what is read of its answers.

use jiff::SignedDuration;
use keyward::{
    api::managed_key::KeyTemplate,
    domain::{
        failure::{FailureKind, Outcome},
        observed::{MultiRegion, State},
    },
    kms::{Creation, Kms, Scheduled},
};
use kms_double::{ACCESS_KEY, Fault, FaultAction, SECRET_KEY};
use serde_json::json;

use super::{REGION, Scene, creation};
use crate::support::fixtures::Destroy as _;

#[tokio::test]
async fn a_schedule_sends_its_days_and_reads_state_and_date() {
    let scene = Scene::new().await;
    let key = scene.key("orders").await.arn;
    let scheduled = scene.kms.schedule(&key, 7).await.unwrap();
    let sent = scene.calls("schedule-deletion").pop().unwrap();
    assert_eq!((&sent.params, sent.key.as_deref(), sent.status), (&json!({ "days": 7 }), Some(key.as_str()), 200));
    assert_eq!(scheduled.state, State::PendingDeletion);
    let distance = scheduled.deletion_date.unwrap().duration_since(scene.double.now());
    assert!((distance - SignedDuration::from_hours(7 * 24)).abs() < SignedDuration::from_mins(5), "{distance:?}");
}

#[tokio::test]
async fn a_cancel_sends_nothing_and_leaves_the_key_disabled() {
    let scene = Scene::new().await;
    let key = scene.key("orders").await.arn;
    scene.kms.schedule(&key, 7).await.unwrap();
    scene.kms.cancel_deletion(&key).await.unwrap();
    let sent = scene.calls("cancel-deletion").pop().unwrap();
    assert_eq!((&sent.params, sent.key.as_deref(), sent.status), (&json!({}), Some(key.as_str()), 200));
    let found = scene.found(&key).await;
    assert_eq!((found.state, found.deletion_date), (State::Disabled, None));
    scene.kms.enable(&key).await.unwrap();
    assert_eq!(scene.found(&key).await.state, State::Enabled);
}

/// The page is older than the period: it sends nothing and gets a year. Keyward always says the period that was declared.
#[tokio::test]
async fn rotation_is_switched_on_with_its_period_and_shows_in_the_row() {
    let scene = Scene::new().await;
    let key = scene.key("orders").await.arn;
    assert!(!scene.found(&key).await.rotation.unwrap().enabled);
    scene.kms.start_rotation(&key, 365).await.unwrap();
    let sent = scene.calls("enable-auto-rotation").pop().unwrap();
    assert_eq!((&sent.params, sent.key.as_deref(), sent.status), (&json!({ "rotation_period_in_days": 365 }), Some(key.as_str()), 200));
    let rotation = scene.found(&key).await.rotation.unwrap();
    assert_eq!((rotation.enabled, rotation.period_days), (true, Some(365)));
}

#[tokio::test]
async fn a_key_whose_material_aws_did_not_make_is_not_rotated() {
    let scene = Scene::new().await;
    let kind = KeyTemplate { origin: "EXTERNAL".into(), ..KeyTemplate::default() };
    let key = scene.kms.create(&Creation { kind, ..creation("orders") }).await.unwrap().arn;
    let refused = scene.kms.start_rotation(&key, 365).await.unwrap_err();
    assert_eq!((refused.kind, refused.outcome), (FailureKind::Invalid, Outcome::Refused), "{refused}");
}

#[tokio::test]
async fn a_primary_waits_for_its_replicas_without_a_date() {
    let scene = Scene::new().await;
    let kind = KeyTemplate { multi_region: true, ..KeyTemplate::default() };
    let key = scene.kms.create(&Creation { kind, ..creation("orders") }).await.unwrap().arn;
    replicate(&scene, &key).await;
    scene.double.ciphertrust_sync();
    let replicas = vec![key.replace(REGION, "us-east-1")];
    assert_eq!(scene.found(&key).await.multi_region, Some(MultiRegion::Primary(replicas)));

    let waiting = Scheduled { state: State::PendingReplicaDeletion, deletion_date: None };
    assert_eq!(scene.kms.schedule(&key, 7).await.unwrap(), waiting);
    scene.double.advance(SignedDuration::from_hours(8 * 24)).unwrap();
    let found = scene.found(&key).await;
    assert_eq!((found.state, found.deletion_date), (waiting.state, None), "it does not go before its replica");
    scene.kms.cancel_deletion(&key).await.unwrap();
    assert_eq!(scene.found(&key).await.state, State::Disabled);
}

/// A person makes a replica, with tools of their own.
async fn replicate(scene: &Scene, key: &str) {
    use aws_sdk_kms::config::{BehaviorVersion, Credentials, Region};
    let config = aws_sdk_kms::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(scene.double.endpoint())
        .region(Region::from_static(REGION))
        .credentials_provider(Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "a person"))
        .build();
    aws_sdk_kms::Client::from_conf(config).replicate_key().key_id(key).replica_region("us-east-1").send().await.unwrap();
}

#[tokio::test]
async fn client_errors_and_server_errors_are_told_apart() {
    let scene = Scene::new().await;
    let key = scene.key("orders").await.arn;
    for (status, code, kind, outcome) in [
        (400, "NCERRInvalidParamValue", FailureKind::Invalid, Outcome::Refused),
        (401, "NCERRUnauthorized", FailureKind::Credentials, Outcome::Refused),
        (403, "NCERRForbidden", FailureKind::Denied, Outcome::Refused),
        (404, "NCERRResourceNotFound", FailureKind::NotFound, Outcome::Refused),
        (500, "NCERRInternalServerError", FailureKind::Unavailable, Outcome::Unknown),
    ] {
        for operation in ["schedule-deletion", "cancel-deletion", "enable-auto-rotation"] {
            scene.double.clear_faults();
            scene.double.inject(Fault::on(operation, FaultAction::Error { code: code.into(), status, message: "for a test".into() }));
            let failure = match operation {
                "schedule-deletion" => scene.kms.schedule(&key, 7).await.map(drop),
                "cancel-deletion" => scene.kms.cancel_deletion(&key).await,
                _ => scene.kms.start_rotation(&key, 365).await,
            }
            .unwrap_err();
            assert_eq!((failure.kind, failure.outcome), (kind, outcome), "{operation} {code}: {failure}");
        }
    }
    assert_eq!(scene.found(&key).await.state, State::Enabled);
}
