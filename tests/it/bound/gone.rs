//! A key counts as gone only after three answers over the whole wait, whatever restarts, and whatever somebody wrote into the count. What is no such answer is
//! never counted.

use std::time::Duration;

use axum::http::StatusCode;
use futures::future::join_all;
use jiff::SignedDuration;
use keyward::api::{ConditionType, ManagedKey, key_provider::ProviderType, managed_key::Missing};
use kms_double::{Fault, FaultAction, KeyState as Actual, Options};
use serde_json::json;

use super::on_each;
use crate::support::{
    memory::Memory,
    recorder::Recorder,
    scene::{Scene, describe, find},
    vendor::{AWS, HUAWEI, Vendor},
};

const WAIT: Duration = Duration::from_secs(3);

fn missing(object: &ManagedKey) -> Option<&Missing> {
    object.status.as_ref()?.missing.as_ref()
}

#[tokio::test]
async fn a_restart_neither_resets_nor_shortens_the_count() {
    on_each(async |vendor| {
        let memory = Memory::new().await;
        let scene = Scene::within(&memory, vendor, "counted", Options::default(), json!({ "resyncSeconds": 600 })).await;
        let mut operator = memory.start_with(|settings| settings.missing_after = WAIT);
        scene.create("orders", json!({})).await;
        scene.until_ready("orders", "True", "Available").await;
        let key = scene.key("orders").await.key_id;
        operator.kill();
        // Somebody scheduled it, and its date passed while no operator ran.
        scene.double.set_state(&key, Actual::PendingDeletion).unwrap();
        scene.double.advance(SignedDuration::from_hours(60 * 24)).unwrap();
        let mut first = None;
        for counted in 1..=2 {
            operator = memory.start_with(|settings| settings.missing_after = WAIT);
            let object = scene.until("orders", "it is not found", |object| missing(object).is_some_and(|it| it.count >= counted)).await;
            operator.kill();
            assert!(find(&object, ConditionType::Stalled).is_none(), "{}", describe(&object));
            let began = missing(&object).unwrap().first_time.clone();
            assert_eq!(*first.get_or_insert_with(|| began.clone()), began);
        }
        operator = memory.start_with(|settings| settings.missing_after = WAIT);
        let object = scene.until("orders", "taken for gone", |object| find(object, ConditionType::Stalled).is_some()).await;
        let (count, began) = missing(&object).map(|it| (it.count, it.first_time.clone())).unwrap();
        assert_eq!((count, Some(&began)), (3, first.as_ref()), "{}", describe(&object));
        assert_eq!(find(&object, ConditionType::Ready).unwrap().reason, "KeyMissing");
        let since = find(&object, ConditionType::Stalled).unwrap().last_transition_time.0;
        assert!(since.duration_since(began.0) >= SignedDuration::try_from(WAIT).unwrap(), "{}", describe(&object));
        operator.kill();
        assert_eq!(scene.calls(vendor.operations.create).len(), 1);
    })
    .await;
}

/// Code and HTTP status with which a KMS says that it has no such key. `None`: a `CipherTrust` Manager is asked for the key in two ways.
fn absent(vendor: &Vendor) -> Option<(&'static str, u16)> {
    match vendor.provider {
        ProviderType::Aws => Some(("NotFoundException", 400)),
        ProviderType::Huawei => Some(("KMS.0207", 404)),
        ProviderType::CipherTrust => None,
    }
}

fn error(code: &str, status: u16) -> FaultAction {
    FaultAction::Error { code: code.into(), status, message: "for a test".into() }
}

/// Nobody but the operator may write a status. Whoever can anyway brings no key nearer to being gone than what this operator saw.
#[tokio::test]
async fn a_forged_count_begins_again() {
    on_each(async |vendor| {
        let Some((code, status)) = absent(vendor) else { return };
        let scene = Scene::alone(vendor, "forged-count", Options::default(), json!({ "resyncSeconds": 600 })).await;
        scene.create("orders", json!({})).await;
        scene.until_ready("orders", "True", "Available").await;
        let rows = [
            ("the past", json!({ "count": 3, "firstTime": "2020-01-01T00:00:00Z" })),
            ("the future", json!({ "count": 3, "firstTime": "2100-01-01T00:00:00Z" })),
            ("the beginning of time", json!({ "count": 2, "firstTime": "0001-01-01T00:00:00Z" })),
            ("the end of time", json!({ "count": i32::MAX, "firstTime": "9999-12-30T22:00:00Z" })),
            ("below zero", json!({ "count": i32::MIN, "firstTime": "2020-01-01T00:00:00Z" })),
        ];
        for (name, forged) in rows {
            // After this one, no read is due by itself.
            scene.look("orders").await;
            let begun = scene.now();
            scene.double.inject(Fault::on(vendor.operations.look, error(code, status)).times(1));
            // A finalizer would go with a key that is gone, and its date is past.
            scene.patch_status("orders", json!({ "missing": forged, "deletionDate": "2020-01-02T00:00:00Z" })).await;
            let object = scene.look("orders").await;
            assert!(find(&object, ConditionType::Stalled).is_none(), "{name}: {}", describe(&object));
            assert!(missing(&object).is_none_or(|it| it.count == 1), "{name}: {}", describe(&object));
            scene.double.clear_faults();
            scene.look("orders").await;
            scene.until_ready("orders", "True", "Available").await;
            assert_eq!(scene.changes(begun), [""; 0], "{name}");
        }
    })
    .await;
}

/// Shows S7.
#[tokio::test]
async fn no_other_answer_is_taken_for_absence() {
    on_each(async |vendor| {
        let scene = Scene::alone(vendor, "answers", Options::default(), json!({ "resyncSeconds": 600 })).await;
        scene.create("orders", json!({})).await;
        scene.until_ready("orders", "True", "Available").await;
        scene.look_at_all("orders").await;
        let begun = scene.now();
        let common = [vendor.denied, vendor.throttled, vendor.broken, ("FromTheFuture", 400), ("FromTheFuture", 404)];
        let own: &[(&str, u16)] = match vendor.provider {
            ProviderType::Aws => &[
                ("ExpiredTokenException", 400),
                ("UnrecognizedClientException", 400),
                ("InvalidSignatureException", 400),
                // The code is that of a key that does not exist, and the status that of other services.
                ("NotFoundException", 404),
                ("ResourceNotFoundException", 400),
                ("NotFound", 404),
            ],
            ProviderType::CipherTrust => {
                &[("NCERRUnauthorized", 401), ("NCERRNotFound", 404), ("NCERRNoSuchRoute", 404), ("NCERRResourceNotFound", 400)]
            }
            ProviderType::Huawei => &[("APIGW.0301", 401), ("KMS.0303", 401), ("APIGW.0101", 404), ("KMS.0416", 404), ("KMS.0321", 403)],
        };
        for (code, status) in common.into_iter().chain(own.iter().copied()) {
            for operation in [vendor.operations.look, vendor.operations.first] {
                scene.double.inject(Fault::on(operation, error(code, status)));
            }
            let object = scene.look("orders").await;
            let reason = find(&object, ConditionType::Synced).map(|synced| synced.reason.clone()).unwrap();
            assert!(!["Synced", "KeyMissing", "KeyDeleted"].contains(&&*reason), "{code} {status}: {}", describe(&object));
            assert_eq!(missing(&object), None, "{code} {status}");
            assert_eq!(scene.changes(begun), [""; 0], "{code} {status}");
            scene.double.clear_faults();
            scene.look("orders").await;
            scene.until_ready("orders", "True", "Available").await;
        }
    })
    .await;
}

/// A proxy, or another service, is at the endpoint.
#[tokio::test]
async fn what_is_no_kms_says_nothing_of_a_key() {
    let answers: [(StatusCode, &str); 6] = [
        (StatusCode::NOT_FOUND, r#"{"__type":"NotFoundException","message":"no such thing"}"#),
        (StatusCode::NOT_FOUND, "<html>not found</html>"),
        (StatusCode::NOT_FOUND, ""),
        (StatusCode::OK, ""),
        (StatusCode::OK, "{}"),
        (StatusCode::OK, "<html>welcome</html>"),
    ];
    join_all([(&AWS, "aws"), (&HUAWEI, "huawei")].map(async |(vendor, member)| {
        let scene = Scene::alone(vendor, "no-kms", Options::default(), json!({ "resyncSeconds": 600 })).await;
        scene.create("orders", json!({})).await;
        scene.until_ready("orders", "True", "Available").await;
        let begun = scene.now();
        for (resync, (status, body)) in (601..).step_by(2).zip(answers) {
            let server = Recorder::answering(move |_, _| (status, body)).await;
            let provide = async |resync: i32, endpoint: &str| {
                let spec = json!({ "resyncSeconds": resync, member: { "endpoint": endpoint } });
                scene.provide(&scene.provider, spec).await;
            };
            provide(resync, &server.endpoint).await;
            let name = format!("new-{resync}");
            scene.create(&name, json!({})).await;
            scene.until_ready(&name, "False", "UnknownError").await;
            scene.until_synced("orders", "False", "UnknownError").await;
            let object = scene.look("orders").await;
            assert_eq!(missing(&object), None, "{status} {body}: {}", describe(&object));
            assert_eq!(scene.changes(begun), [""; 0], "{status} {body}");
            let sent = server.requests();
            assert!(!sent.iter().any(|request| request.header("x-amz-target").contains("CreateKey")), "{status} {body}");
            scene.delete(&name).await;
            scene.until_gone(&name).await;
            provide(resync + 1, &scene.double.endpoint()).await;
            scene.until_ready("orders", "True", "Available").await;
        }
        assert_eq!(scene.changes(begun), [""; 0]);
    }))
    .await;
}

/// Two answers, then another one: the row is not three answers long.
#[tokio::test]
async fn a_row_of_answers_is_ended_by_a_denial() {
    let scene = Scene::with("row", Options::default(), json!({ "resyncSeconds": 600 })).await;
    scene.create("orders", json!({ "deletionPolicy": "Disable" })).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.look_at_all("orders").await;
    let gone = || Fault::on("DescribeKey", error("NotFoundException", 400)).times(2);
    scene.double.inject(gone());
    scene.double.inject(Fault::on("DescribeKey", error("AccessDeniedException", 400)).times(1));
    let object = scene.look("orders").await;
    assert!(missing(&object).is_some(), "{}", describe(&object));
    scene.until_ready("orders", "False", "AccessDenied").await;
    let object = scene.keys().get("orders").await.unwrap();
    assert_eq!(missing(&object), None);
}
