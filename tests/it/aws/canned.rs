//! Answers that no KMS should give, from a server that says whatever it is told to.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Router, http::StatusCode};
use keyward::{
    api::managed_key::KeyTemplate,
    domain::failure::{Failure, FailureKind, Outcome},
    kms::{Kms, aws::AwsKms},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{creation, settings, tags};
use crate::support::fixtures::{Destroy as _, ReadKey as _};

/// An adapter whose nth request gets the nth answer, and every one after the last the last. The counter tells how many came.
async fn answered(answers: Vec<(u16, String)>) -> (AwsKms, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let router = Router::new().fallback(move || {
        let number = counter.fetch_add(1, Ordering::Relaxed);
        let (status, body) = answers[number.min(answers.len() - 1)].clone();
        async move { (StatusCode::from_u16(status).unwrap(), body) }
    });
    // It ends with the runtime of the test.
    tokio::spawn(async move { axum::serve(listener, router).await });
    (AwsKms::new(settings(&endpoint)).unwrap(), count)
}

async fn told(body: &Value) -> AwsKms {
    answered(vec![(200, body.to_string())]).await.0
}

fn metadata(change: impl FnOnce(&mut Value)) -> Value {
    let mut metadata = json!({
        "AWSAccountId": "111122223333", "KeyId": "1234", "Arn": "arn:aws:kms:eu-west-1:111122223333:key/1234", "CreationDate": 1_700_000_000.25,
        "Enabled": true, "Description": "", "KeyUsage": "ENCRYPT_DECRYPT", "KeyState": "Enabled", "Origin": "AWS_KMS", "KeyManager": "CUSTOMER",
        "KeySpec": "SYMMETRIC_DEFAULT", "MultiRegion": false,
    });
    change(&mut metadata);
    json!({ "KeyMetadata": metadata })
}

/// Shows S7.
#[tokio::test]
async fn an_answer_that_cannot_be_used_is_no_key() {
    assert!(told(&metadata(|_| {})).await.describe("1234").await.unwrap().is_some());
    let unusable = [
        metadata(|key| key["KeyState"] = json!("Dreaming")),
        // Neither enabled nor pending: with a key store of one's own that leaves more than one state.
        metadata(|key| (key["KeyState"], key["Enabled"], key["Origin"]) = (Value::Null, json!(false), json!("AWS_CLOUDHSM"))),
        metadata(|key| key["Arn"] = json!("1234")),
        // All that AWS requires: nothing says in which state the key is.
        json!({ "KeyMetadata": { "KeyId": "1234" } }),
        metadata(|key| (key["KeyState"], key["Enabled"]) = (Value::Null, Value::Null)),
        json!({}),
    ];
    for body in unusable {
        let kms = told(&body).await;
        let read = kms.describe("1234").await.unwrap_err();
        assert_eq!((read.kind, read.outcome), (FailureKind::Unknown, Outcome::Refused), "{body}: {read}");
        assert!(read.message.starts_with("cannot use AWS's answer to DescribeKey on 1234: it"), "{read}");
        let created = kms.create(&creation(KeyTemplate::default())).await.unwrap_err();
        assert_eq!((created.kind, created.outcome), (FailureKind::Unknown, Outcome::Unknown), "{body}: {created}");
    }
    let scheduled = told(&json!({ "KeyId": "1234", "KeyState": "Dreaming" })).await.schedule("1234", 7).await.unwrap_err();
    assert_eq!((scheduled.kind, scheduled.outcome), (FailureKind::Unknown, Outcome::Unknown), "{scheduled}");
}

#[tokio::test]
async fn a_creation_whose_answer_cannot_be_read_is_sent_once() {
    for body in ["", "no JSON", "{\"KeyMetadata\":"] {
        let (kms, count) = answered(vec![(200, body.into())]).await;
        let failure = kms.create(&creation(KeyTemplate::default())).await.unwrap_err();
        assert_eq!((failure.kind, failure.outcome), (FailureKind::Unknown, Outcome::Unknown), "{body:?}: {failure}");
        assert_eq!(count.load(Ordering::Relaxed), 1, "{body:?}");
    }
}

async fn refused(status: u16, body: &str) -> (Failure, Failure) {
    let (kms, _) = answered(vec![(status, body.into())]).await;
    (kms.describe("1234").await.unwrap_err(), kms.enable("1234").await.unwrap_err())
}

#[tokio::test]
async fn an_answer_of_a_proxy_is_not_taken_for_one_of_aws() {
    for status in [400, 403, 404, 407] {
        let (read, change) = refused(status, "<html>go away</html>").await;
        assert_eq!(read.kind, FailureKind::Unknown, "{status}: {read}");
        assert!(read.message.contains(&format!("HTTP {status} and no code of AWS")), "{read}");
        assert_eq!(change.outcome, Outcome::Unknown, "nothing says that AWS did not carry it out");
    }
    let (read, _) = refused(502, "<html>bad gateway</html>").await;
    assert_eq!(read.kind, FailureKind::Unavailable, "{read}");
}

#[tokio::test]
async fn codes_are_read_in_every_spelling() {
    for code in [
        "DisabledException",
        "com.amazonaws.kms#DisabledException",
        "DisabledException:http://internal.amazon.com/coral/com.amazonaws.kms/",
    ] {
        let (read, change) = refused(400, &json!({ "__type": code, "message": "it is disabled" }).to_string()).await;
        assert_eq!((read.kind, change.kind, change.outcome), (FailureKind::Conflict, FailureKind::Conflict, Outcome::Refused), "{code}");
    }
}

#[tokio::test]
async fn every_page_is_read_short_and_empty_ones_too() {
    let page = |tags: &[(&str, &str)], next: Option<&str>| {
        let tags: Vec<_> = tags.iter().map(|(key, value)| json!({ "TagKey": key, "TagValue": value })).collect();
        (200, json!({ "Tags": tags, "Truncated": next.is_some(), "NextMarker": next }).to_string())
    };
    let pages = vec![page(&[], Some("1")), page(&[("a", "1")], Some("2")), page(&[], Some("3")), page(&[("b", "2"), ("c", "")], None)];
    let (kms, count) = answered(pages).await;
    assert_eq!(kms.tags("1234").await.unwrap(), tags(&[("a", "1"), ("b", "2"), ("c", "")]));
    assert_eq!(count.load(Ordering::Relaxed), 4);

    let (kms, count) = answered(vec![page(&[("a", "1")], Some("again"))]).await;
    assert_eq!(kms.tags("1234").await.unwrap_err().kind, FailureKind::Unknown, "a list that goes round in circles is not read for ever");
    assert_eq!(count.load(Ordering::Relaxed), 2);
    let (kms, _) = answered(vec![(200, json!({ "Tags": [], "Truncated": true }).to_string())]).await;
    assert_eq!(kms.tags("1234").await.unwrap_err().kind, FailureKind::Unknown);
}

#[tokio::test]
async fn a_primary_that_waits_for_its_replicas_has_no_date() {
    let kms = told(&json!({ "KeyId": "1234", "KeyState": "PendingReplicaDeletion", "PendingWindowInDays": 7 })).await;
    let scheduled = kms.schedule("1234", 7).await.unwrap();
    assert_eq!(scheduled.deletion_date, None);
    assert_eq!(scheduled.state, keyward::domain::observed::State::PendingReplicaDeletion);
}

#[tokio::test]
async fn a_missing_optional_member_is_unknown() {
    let kms = told(&json!({})).await;
    let refused = [
        kms.describe("1234").await.map(drop).unwrap_err(),
        // Rotation that is off would be switched on, with another period.
        kms.rotation("1234").await.map(drop).unwrap_err(),
        kms.rotations("1234").await.map(drop).unwrap_err(),
        // A key without its marks would be another's, and an account without keys would get a second one.
        kms.tags("1234").await.map(drop).unwrap_err(),
        kms.aliases("1234").await.map(drop).unwrap_err(),
        kms.owners("prod").await.map(drop).unwrap_err(),
        kms.schedule("1234", 7).await.map(drop).unwrap_err(),
    ];
    for failure in refused {
        assert_eq!(failure.kind, FailureKind::Unknown, "{failure}");
        assert!(failure.message.starts_with("cannot use AWS's answer to "), "{failure}");
    }
    let off = told(&json!({ "KeyRotationEnabled": false })).await.rotation("1234").await.unwrap();
    assert_eq!(off, keyward::domain::observed::Rotation::default());
    let disabled = told(&metadata(|key| (key["KeyState"], key["Enabled"]) = (Value::Null, json!(false)))).await;
    assert_eq!(disabled.describe("1234").await.unwrap().unwrap().state, keyward::domain::observed::State::Disabled);
}

#[tokio::test]
async fn a_page_with_a_marker_for_the_next_is_not_the_last() {
    let page =
        |tag: &str, next: Option<&str>| (200, json!({ "Tags": [{ "TagKey": tag, "TagValue": "1" }], "NextMarker": next }).to_string());
    let (kms, count) = answered(vec![page("a", Some("2")), page("b", None)]).await;
    assert_eq!(kms.tags("1234").await.unwrap(), tags(&[("a", "1"), ("b", "1")]));
    assert_eq!(count.load(Ordering::Relaxed), 2);
}
