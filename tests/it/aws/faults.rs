//! Replies that are lost, late or refuse: what is sent again, what is not, and what is known afterwards.

use std::time::{Duration, Instant};

use keyward::{
    api::managed_key::KeyTemplate,
    domain::{
        failure::{FailureKind, Outcome},
        observed::State,
    },
    kms::{Kms, aws::AwsKms},
};
use kms_double::{Fault, FaultAction};

use super::{Bench, assert_steady, creation, settings, tags};
use crate::support::fixtures::{Destroy as _, ReadKey as _};
use crate::support::nowhere;

fn refusal(code: &str, status: u16) -> FaultAction {
    FaultAction::Error { code: code.into(), status, message: "for a test (Request ID: 1-2-3)".into() }
}

/// Shows S2.
#[tokio::test]
async fn a_creation_is_sent_once_whatever_becomes_of_it() {
    let cases = [
        // The key is there, and nobody was told.
        (FaultAction::LoseReply, FailureKind::Unavailable, Outcome::Unknown, 1),
        (FaultAction::Cut, FailureKind::Unavailable, Outcome::Unknown, 0),
        (FaultAction::Hang, FailureKind::Unavailable, Outcome::Unknown, 0),
        (refusal("KMSInternalException", 500), FailureKind::Faulted, Outcome::Unknown, 0),
        (refusal("DependencyTimeoutException", 503), FailureKind::Unavailable, Outcome::Unknown, 0),
        (refusal("ThrottlingException", 400), FailureKind::Throttled, Outcome::Refused, 0),
        (refusal("LimitExceededException", 400), FailureKind::Quota, Outcome::Refused, 0),
        (refusal("AccessDeniedException", 400), FailureKind::Denied, Outcome::Refused, 0),
        (refusal("NeverHeardOfException", 400), FailureKind::Unknown, Outcome::Unknown, 0),
    ];
    for (action, kind, outcome, made) in cases {
        let bench = Bench::new().await;
        bench.double.inject(Fault::on("CreateKey", action.clone()));
        let failure = bench.kms.create(&creation(KeyTemplate::default())).await.unwrap_err();
        assert_eq!((failure.kind, failure.outcome, failure.operation), (kind, outcome, "CreateKey"), "{action:?}: {failure}");
        assert_eq!(bench.calls("CreateKey").len(), 1, "{action:?}");
        assert_eq!(bench.double.keys().len(), made, "{action:?}");
        assert_steady(&bench, &failure);
    }
}

#[tokio::test]
async fn reads_and_repeatable_changes_get_over_two_bad_answers() {
    for action in [refusal("ThrottlingException", 400), refusal("KMSInternalException", 500), FaultAction::Cut, FaultAction::LoseReply] {
        let bench = Bench::new().await;
        let key = bench.key().await.arn;
        bench.double.inject(Fault::on("DescribeKey", action.clone()).times(2));
        bench.double.inject(Fault::on("DisableKey", action.clone()).times(2));
        assert_eq!(bench.found(&key).await.state, State::Enabled, "{action:?}");
        bench.kms.disable(&key).await.unwrap();
        assert_eq!((bench.calls("DescribeKey").len(), bench.calls("DisableKey").len()), (3, 3), "{action:?}");
    }
}

#[tokio::test]
async fn a_third_bad_answer_is_the_last() {
    let bench = Bench::new().await;
    let key = bench.key().await.arn;
    let cases = [
        (refusal("ThrottlingException", 400), FailureKind::Throttled, Outcome::Refused),
        (refusal("KMSInternalException", 500), FailureKind::Faulted, Outcome::Unknown),
        (FaultAction::LoseReply, FailureKind::Unavailable, Outcome::Unknown),
    ];
    for (number, (action, kind, outcome)) in cases.into_iter().enumerate() {
        bench.double.inject(Fault::on("EnableKey", action.clone()));
        let failure = bench.kms.enable(&key).await.unwrap_err();
        assert_eq!((failure.kind, failure.outcome), (kind, outcome), "{action:?}: {failure}");
        assert_eq!(bench.calls("EnableKey").len(), 3 * (number + 1), "{action:?}");
        assert_steady(&bench, &failure);
        bench.double.clear_faults();
    }
}

#[tokio::test]
async fn a_refusal_does_not_settle_what_an_earlier_attempt_left_open() {
    let bench = Bench::new().await;
    let key = bench.key().await.arn;
    bench.double.inject(Fault::on("DisableKey", FaultAction::LoseReply).times(1));
    bench.double.inject(Fault::on("DisableKey", refusal("AccessDeniedException", 400)));
    let failure = bench.kms.disable(&key).await.unwrap_err();
    assert_eq!((failure.kind, failure.outcome), (FailureKind::Denied, Outcome::Unknown), "{failure}");
    assert_eq!(bench.found(&key).await.state, State::Disabled);
}

#[tokio::test]
async fn a_used_up_quota_is_not_asked_again() {
    let bench = Bench::new().await;
    let key = bench.key().await.arn;
    bench.double.inject(Fault::on("*", refusal("LimitExceededException", 400)));
    let failures = [
        bench.kms.add_alias(&key, "alias/a").await.unwrap_err(),
        bench.kms.tag(&key, &tags(&[("a", "b")])).await.unwrap_err(),
        bench.kms.enable(&key).await.unwrap_err(),
    ];
    for failure in &failures {
        assert_eq!((failure.kind, failure.outcome), (FailureKind::Quota, Outcome::Refused), "{failure}");
        assert_eq!(bench.calls(failure.operation).len(), 1, "{failure}");
        assert_steady(&bench, failure);
    }
}

#[tokio::test]
async fn a_schedule_whose_reply_was_lost_is_told_as_it_stands() {
    let bench = Bench::new().await;
    let key = bench.key().await.arn;
    bench.double.inject(Fault::on("ScheduleKeyDeletion", FaultAction::LoseReply).times(1));
    let scheduled = bench.kms.schedule(&key, 9).await.unwrap();
    assert_eq!(scheduled.state, State::PendingDeletion);
    assert_eq!(scheduled.deletion_date, bench.found(&key).await.deletion_date);
    let results: Vec<_> = bench.calls("ScheduleKeyDeletion").into_iter().map(|entry| entry.result).collect();
    assert_eq!(results, ["OK", "KMSInvalidStateException"]);
}

#[tokio::test]
async fn a_cancel_and_an_alias_whose_replies_were_lost_are_done() {
    let bench = Bench::new().await;
    let key = bench.key().await.arn;
    bench.kms.schedule(&key, 7).await.unwrap();
    for operation in ["CancelKeyDeletion", "CreateAlias", "DeleteAlias"] {
        bench.double.inject(Fault::on(operation, FaultAction::LoseReply).times(1));
    }
    bench.kms.cancel_deletion(&key).await.unwrap();
    bench.kms.add_alias(&key, "alias/a").await.unwrap();
    bench.kms.remove_alias(&key, "alias/a").await.unwrap();
    assert_eq!(bench.found(&key).await.state, State::Disabled);
    let changes = bench.double.ledger().into_iter().filter(|entry| entry.changed && entry.fault.is_some());
    assert_eq!(changes.map(|entry| entry.operation).collect::<Vec<_>>(), ["CancelKeyDeletion", "CreateAlias", "DeleteAlias"]);
}

#[tokio::test]
async fn a_refusal_keeps_its_outcome_if_the_read_after_it_fails() {
    let bench = Bench::new().await;
    let key = bench.key().await.arn;
    bench.double.inject(Fault::on("ScheduleKeyDeletion", FaultAction::LoseReply).times(1));
    bench.double.inject(Fault::on("DescribeKey", refusal("AccessDeniedException", 400)));
    let failure = bench.kms.schedule(&key, 7).await.unwrap_err();
    assert_eq!((failure.kind, failure.operation), (FailureKind::Denied, "DescribeKey"), "{failure}");
    assert_eq!(failure.outcome, Outcome::Unknown, "the key is scheduled, and this call did not see it");
}

#[tokio::test]
async fn every_call_ends() {
    let bench = Bench::new().await;
    let key = bench.key().await.arn;
    bench.double.inject(Fault::on("DescribeKey", FaultAction::Hang));
    bench.double.inject(Fault::on("EnableKey", FaultAction::Hang));
    let started = Instant::now();
    let (read, change) = tokio::join!(bench.kms.describe(&key), bench.kms.enable(&key));
    assert!(started.elapsed() < Duration::from_secs(14), "{:?}", started.elapsed());
    let (read, change) = (read.unwrap_err(), change.unwrap_err());
    assert_eq!((read.kind, read.outcome), (FailureKind::Unavailable, Outcome::Refused), "{read}");
    assert_eq!((change.kind, change.outcome), (FailureKind::Unavailable, Outcome::Unknown), "{change}");
    let host = bench.double.address().to_string();
    assert_eq!(read.message, format!("{host} did not answer DescribeKey on {key} in time; it is tried again"));
    // All three attempts are counted, those that the end of the call cut short included.
    let counted: u32 = samples(&bench, "EnableKey").iter().map(|(_, count)| count).sum();
    assert_eq!(counted as usize, bench.calls("EnableKey").len());
}

#[tokio::test]
async fn a_host_that_does_not_listen_is_named() {
    let (_closed, address) = nowhere();
    let kms = AwsKms::new(settings(&format!("http://{address}"))).unwrap();
    let failure = kms.describe("alias/a").await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unavailable);
    assert_eq!(
        failure.message,
        format!("cannot reach {address}, or lost the connection to it; check the endpoint, its certificate and the network")
    );
}

/// Codes and counts of an operation among the metrics.
fn samples(bench: &Bench, operation: &str) -> Vec<(String, u32)> {
    let start = format!(r#"keyward_provider_requests_total{{provider="",type="AWS",operation="{operation}",code=""#);
    let text = bench.metrics.encode();
    let lines = text.lines().filter_map(|line| line.strip_prefix(&start)?.split_once("\"} "));
    lines.map(|(code, count)| (code.to_owned(), count.parse().unwrap())).collect()
}

#[tokio::test]
async fn every_request_is_counted_by_its_answer() {
    let bench = Bench::new().await;
    let key = bench.key().await.arn;
    bench.double.inject(Fault::on("DescribeKey", refusal("ThrottlingException", 400)).times(1));
    bench.double.inject(Fault::on("DescribeKey", FaultAction::Cut).nth(1));
    bench.found(&key).await;
    bench.kms.identity().await.unwrap();
    let mut counted = samples(&bench, "DescribeKey");
    counted.sort_unstable();
    assert_eq!(counted, [("NoAnswer".into(), 1), ("OK".into(), 1), ("ThrottlingException".into(), 1)]);
    assert_eq!(samples(&bench, "CreateKey"), [("OK".into(), 1)]);
    assert_eq!(samples(&bench, "GetCallerIdentity"), [("OK".into(), 1)]);
    assert!(bench.metrics.encode().contains("keyward_provider_throttled_total{provider=\"\",type=\"AWS\"} 1\n"));
}
