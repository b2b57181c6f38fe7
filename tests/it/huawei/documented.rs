//! The exchange that Huawei prints for `schedule-key-deletion`, and the three errors that its page lists, as they are on the wire.

use axum::http::StatusCode;
use keyward::{
    domain::{
        failure::{FailureKind, Outcome},
        observed::State,
    },
    kms::huawei::HuaweiKms,
};
use kms_double::HUAWEI_PROJECT;
use serde_json::{Value, json};

use super::{password, settings};
use crate::support::fixtures::Destroy as _;
use crate::support::recorder::{Recorded, Recorder};

const ID: &str = "0d0466b0-e727-4d9c-b35d-f84bb474a37f";
const TOKEN: &str = "token-of-iam";

/// An adapter, and what it sends. IAM gives a token, and a schedule gets that answer; all else is not found.
async fn answered(status: u16, body: Value, with_password: bool) -> (HuaweiKms, Recorder) {
    let recorder = Recorder::answering(move |request: &Recorded, _| {
        let (status, body) = match request.target.rsplit('/').next() {
            Some("schedule-key-deletion") => (status, body.clone()),
            Some(rest) if rest.starts_with("tokens") => (201, json!({})),
            _ => (404, error("KMS.0207")),
        };
        (StatusCode::from_u16(status).unwrap(), [("x-subject-token", TOKEN)], body.to_string())
    })
    .await;
    let mut settings = settings(&recorder.endpoint);
    if with_password {
        settings.credentials = password("hush");
    }
    (HuaweiKms::new(settings).unwrap(), recorder)
}

/// The answer that is printed, for the key of the printed request.
fn answer() -> Value {
    json!({ "key_id": ID, "key_state": "4" })
}

fn error(code: &str) -> Value {
    json!({ "error": { "error_code": code, "error_msg": "XXX" } })
}

fn schedules(recorder: &Recorder) -> Vec<Recorded> {
    recorder.requests().into_iter().filter(|request| request.target.ends_with("/schedule-key-deletion")).collect()
}

#[tokio::test]
async fn the_request_is_the_printed_one() {
    for with_password in [false, true] {
        let (kms, recorder) = answered(200, answer(), with_password).await;
        assert_eq!(kms.schedule(ID, 7).await.unwrap().state, State::PendingDeletion);
        let sent = schedules(&recorder);
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].method, "POST");
        assert_eq!(sent[0].target, format!("/v1.0/{HUAWEI_PROJECT}/kms/schedule-key-deletion"));
        // Both members are texts, and there is no third.
        assert_eq!(sent[0].body, r#"{"key_id":"0d0466b0-e727-4d9c-b35d-f84bb474a37f","pending_days":"7"}"#);
        assert_eq!(sent[0].header("content-type"), "application/json");
    }
}

#[tokio::test]
async fn a_user_s_request_bears_the_token_of_iam() {
    let (kms, recorder) = answered(200, answer(), true).await;
    kms.schedule(ID, 7).await.unwrap();
    assert_eq!(recorder.requests()[0].target, "/v3/auth/tokens?nocatalog=true");
    let sent = &schedules(&recorder)[0];
    assert_eq!((sent.header("x-auth-token"), sent.header("authorization")), (TOKEN, ""));

    // Whoever has an access key needs no token: each request is signed.
    let (kms, recorder) = answered(200, answer(), false).await;
    kms.schedule(ID, 7).await.unwrap();
    let sent = &schedules(&recorder)[0];
    assert_eq!(sent.header("x-auth-token"), "");
    assert!(sent.header("authorization").starts_with("SDK-HMAC-SHA256 Access="), "{:?}", sent.headers);
}

#[tokio::test]
async fn every_listed_error_is_told_apart() {
    for (status, code, kind) in [
        (400, "KMS.0205", FailureKind::Invalid),
        (400, "KMS.1401", FailureKind::Invalid),
        (403, "KMS.0301", FailureKind::Credentials),
        (403, "KMS.0307", FailureKind::Denied),
        (404, "KMS.0207", FailureKind::NotFound),
        // `KMS.XXX` in the document is a placeholder, not a code. The HTTP status alone says nothing about the key, nor whether something
        // was done.
        (400, "KMS.XXX", FailureKind::Unknown),
        (403, "KMS.XXX", FailureKind::Unknown),
        (404, "KMS.XXX", FailureKind::Unknown),
    ] {
        let outcome = if kind == FailureKind::Unknown { Outcome::Unknown } else { Outcome::Refused };
        let (kms, recorder) = answered(status, error(code), false).await;
        let failure = kms.schedule(ID, 7).await.unwrap_err();
        assert_eq!((failure.kind, failure.outcome), (kind, outcome), "{status} {code}: {failure}");
        assert_eq!(schedules(&recorder).len(), 1, "{status} {code}");
    }
}

#[tokio::test]
async fn what_huawei_says_of_an_error_is_passed_on() {
    let (kms, _recorder) = answered(400, error("KMS.1401"), false).await;
    let failure = kms.schedule(ID, 7).await.unwrap_err();
    assert!(failure.message.contains("XXX"), "{failure}");
}
