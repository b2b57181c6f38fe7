//! The exchange that AWS prints for `ScheduleKeyDeletion`, and every error that its page lists, as they are on the wire.

use axum::http::StatusCode;
use keyward::{
    domain::{
        failure::{FailureKind, Outcome},
        observed::State,
    },
    kms::{Scheduled, aws::AwsKms},
};
use serde_json::{Value, json};

use super::settings;
use crate::support::fixtures::Destroy as _;
use crate::support::recorder::{Recorded, Recorder};

const ID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";
const ARN: &str = "arn:aws:kms:us-east-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const TARGET: &str = "TrentService.ScheduleKeyDeletion";

/// The printed answer, and the state, which the page lists among its members and leaves out of its example.
fn answer() -> Value {
    json!({ "DeletionDate": 1.482_019_2E9, "KeyId": ARN, "KeyState": "PendingDeletion", "PendingWindowInDays": 7 })
}

/// An adapter in the example's Region, and what it sends; each request gets that answer.
async fn answered(answer: impl Fn(&Recorded, usize) -> (u16, Value) + Clone + Send + Sync + 'static) -> (AwsKms, Recorder) {
    let recorder = Recorder::answering(move |request, before| {
        let (status, body) = answer(request, before);
        (StatusCode::from_u16(status).unwrap(), [("content-type", "application/x-amz-json-1.1")], body.to_string())
    })
    .await;
    let mut settings = settings(&recorder.endpoint);
    settings.region = "us-east-2".into();
    (AwsKms::new(settings).unwrap(), recorder)
}

#[tokio::test]
async fn the_request_is_the_printed_one() {
    let (kms, recorder) = answered(|_, _| (200, answer())).await;
    for reference in [ID, ARN] {
        kms.schedule(reference, 7).await.unwrap();
        let sent = recorder.requests().pop().unwrap();
        assert_eq!(sent.body, format!(r#"{{"KeyId":"{reference}","PendingWindowInDays":7}}"#));
        assert_eq!((sent.method.as_str(), sent.target.as_str()), ("POST", "/"));
        assert_eq!((sent.header("x-amz-target"), sent.header("content-type")), (TARGET, "application/x-amz-json-1.1"));
        assert_eq!(sent.header("content-length"), sent.body.len().to_string());
        assert!(recorder.endpoint.ends_with(sent.header("host")), "{:?}", sent.headers);
        let (date, authorization) = (sent.header("x-amz-date"), sent.header("authorization"));
        let day = date.split_once('T').unwrap().0;
        let scope = format!("AWS4-HMAC-SHA256 Credential={}/{day}/us-east-2/kms/aws4_request, ", kms_double::ACCESS_KEY);
        assert!(authorization.starts_with(&scope) && authorization.contains(", Signature="), "{authorization}");
        let signed = authorization.split_once("SignedHeaders=").unwrap().1.split_once(',').unwrap().0;
        for name in ["content-type", "host", "x-amz-date", "x-amz-target"] {
            assert!(signed.split(';').any(|header| header == name), "{name} is not signed: {authorization}");
        }
    }
    assert_eq!(recorder.requests().len(), 2);
}

#[tokio::test]
async fn the_answer_is_read() {
    let (kms, _recorder) = answered(|_, _| (200, answer())).await;
    let date = "2016-12-18T00:00:00Z".parse().unwrap();
    let expected = Scheduled { state: State::PendingDeletion, deletion_date: Some(date) };
    assert_eq!(kms.schedule(ID, 7).await.unwrap(), expected);
}

/// The page's example is older than `KeyState`. Its date says that the key is pending.
#[tokio::test]
async fn an_answer_without_a_state_is_read_by_its_date() {
    let (kms, _recorder) = answered(|_, _| {
        let mut printed = answer();
        printed.as_object_mut().unwrap().remove("KeyState");
        (200, printed)
    })
    .await;
    let scheduled = kms.schedule(ID, 7).await.unwrap();
    assert_eq!((scheduled.state, scheduled.deletion_date), (State::PendingDeletion, "2016-12-18T00:00:00Z".parse().ok()));
}

/// An answer without `KeyState`, date and window tells no state, and Keyward does not guess one. The next read shows whether the key is
/// scheduled.
#[tokio::test]
async fn a_change_whose_answer_has_no_state_has_an_unknown_outcome() {
    let (kms, recorder) = answered(|_, _| {
        let mut printed = answer();
        for member in ["KeyState", "DeletionDate", "PendingWindowInDays"] {
            printed.as_object_mut().unwrap().remove(member);
        }
        (200, printed)
    })
    .await;
    let failure = kms.schedule(ID, 7).await.unwrap_err();
    assert_eq!((failure.kind, failure.outcome), (FailureKind::Unknown, Outcome::Unknown), "{failure}");
    assert!(failure.message.contains("KeyState"), "{failure}");
    assert_eq!(recorder.requests().len(), 1);
}

fn error(code: &str) -> Value {
    json!({ "__type": code, "message": "for a test" })
}

#[tokio::test]
async fn every_listed_error_is_told_apart() {
    for (code, status, kind, outcome, times) in [
        ("DependencyTimeoutException", 500, FailureKind::Unavailable, Outcome::Unknown, 3),
        ("InvalidArnException", 400, FailureKind::Invalid, Outcome::Refused, 1),
        ("KMSInternalException", 500, FailureKind::Faulted, Outcome::Unknown, 3),
        ("KMSInvalidStateException", 400, FailureKind::Conflict, Outcome::Refused, 1),
        ("NotFoundException", 400, FailureKind::NotFound, Outcome::Refused, 1),
    ] {
        let (kms, recorder) = answered(move |_, _| (status, error(code))).await;
        let failure = kms.schedule(ID, 7).await.unwrap_err();
        assert_eq!((failure.kind, failure.outcome), (kind, outcome), "{code}: {failure}");
        // After a refusal for its state the key is read.
        let sent = recorder.requests().iter().filter(|request| request.header("x-amz-target") == TARGET).count();
        assert_eq!(sent, times, "{code}");
    }
}

#[tokio::test]
async fn what_may_be_tried_again_is_tried_again() {
    for code in ["DependencyTimeoutException", "KMSInternalException"] {
        let (kms, recorder) = answered(move |_, before| if before == 0 { (500, error(code)) } else { (200, answer()) }).await;
        assert_eq!(kms.schedule(ID, 7).await.unwrap().state, State::PendingDeletion);
        let bodies: Vec<_> = recorder.requests().into_iter().map(|request| request.body).collect();
        assert!(bodies.len() == 2 && bodies[0] == bodies[1], "{code}: {bodies:?}");
    }
}
