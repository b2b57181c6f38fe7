//! Replies that are lost, late or refuse: what is sent again, what is not, and what is known afterwards.
//!
//! Shows S7.

use std::time::{Duration, Instant};

use keyward::{
    domain::{
        failure::{Failure, FailureKind, Outcome},
        observed::State,
    },
    kms::{Grants as _, Kms},
};
use kms_double::FaultAction;

use super::{
    bench::{Bench, refusal},
    grants::grant,
    replicas::{pair, settle},
    settings::policy,
};
use crate::support::fixtures::{Destroy as _, ReadKey as _};
use crate::support::nowhere;

/// How a read of a key fails when it is answered so.
async fn read_answered(bench: &Bench, action: FaultAction) -> Failure {
    let key = bench.key("orders").await;
    bench.fault(bench.ways.operations.describe, action, None);
    let failure = bench.kms.describe(&key.arn).await.unwrap_err();
    assert_eq!(failure.outcome, Outcome::Refused, "what changes nothing leaves nothing open: {failure}");
    bench.assert_steady(&failure);
    failure
}

pub async fn a_refusal_is_not_absence(bench: Bench) {
    let failure = read_answered(&bench, refusal(bench.ways.errors.denied)).await;
    assert_eq!(failure.kind, FailureKind::Denied, "{failure}");
}

pub async fn an_error_that_nobody_knows_is_not_absence(bench: Bench) {
    let failure = read_answered(&bench, refusal(bench.ways.errors.unheard)).await;
    assert_eq!(failure.kind, FailureKind::Unknown, "{failure}");
}

/// At this call alone, or altogether: a KMS that has no code for the first is not told apart.
const fn is_the_server_s(kind: FailureKind) -> bool {
    matches!(kind, FailureKind::Faulted | FailureKind::Unavailable)
}

pub async fn an_error_of_the_server_is_not_absence(bench: Bench) {
    let failure = read_answered(&bench, refusal(bench.ways.errors.server)).await;
    assert!(is_the_server_s(failure.kind), "{failure}");
}

pub async fn a_lost_reply_is_not_absence(bench: Bench) {
    let failure = read_answered(&bench, FaultAction::LoseReply).await;
    assert_eq!(failure.kind, FailureKind::Unavailable, "{failure}");
}

pub async fn throttling_is_told_as_such(bench: Bench) {
    let key = bench.key("orders").await;
    bench.refuse(bench.ways.operations.disable, bench.ways.errors.throttled);
    let failure = bench.kms.disable(&key.arn).await.unwrap_err();
    assert_eq!((failure.kind, failure.outcome), (FailureKind::Throttled, Outcome::Refused), "{failure}");
    assert!(bench.metrics.encode().contains("keyward_provider_throttled_total{"));
}

pub async fn credentials_that_are_wrong_are_told_as_such(bench: Bench) {
    let impostor = bench.impostor();
    for failure in [impostor.identity().await.unwrap_err(), impostor.describe("alias/orders").await.unwrap_err()] {
        assert_eq!((failure.kind, failure.outcome), (FailureKind::Credentials, Outcome::Refused), "{failure}");
        bench.assert_steady(&failure);
    }
}

pub async fn a_read_gets_over_two_bad_answers(bench: Bench) {
    let key = bench.key("orders").await;
    for action in [refusal(bench.ways.errors.server), FaultAction::Cut, FaultAction::LoseReply] {
        let before = bench.calls(bench.ways.operations.describe).len();
        bench.fault(bench.ways.operations.describe, action.clone(), Some(2));
        assert_eq!(bench.found(&key.arn).await.state, State::Enabled, "{action:?}");
        assert_eq!(bench.calls(bench.ways.operations.describe).len(), before + 3, "{action:?}");
    }
}

/// A creation that is answered so, once and for all.
async fn creation_answered(bench: &Bench, action: FaultAction) -> Failure {
    bench.fault(bench.ways.operations.create, action, None);
    let failure = bench.kms.create(&bench.creation("orders")).await.unwrap_err();
    assert_eq!(bench.calls(bench.ways.operations.create).len(), 1, "it is sent once: {failure}");
    bench.assert_steady(&failure);
    failure
}

/// Shows S2.
pub async fn a_creation_whose_reply_is_lost_is_sent_once(bench: Bench) {
    let failure = creation_answered(&bench, FaultAction::LoseReply).await;
    assert_eq!((failure.kind, failure.outcome), (FailureKind::Unavailable, Outcome::Unknown), "{failure}");
    assert_eq!(bench.effects(bench.ways.operations.create), 1, "the key is there, and nobody was told");
}

/// Shows S2.
pub async fn a_creation_that_is_cut_is_sent_once(bench: Bench) {
    let failure = creation_answered(&bench, FaultAction::Cut).await;
    assert_eq!((failure.kind, failure.outcome), (FailureKind::Unavailable, Outcome::Unknown), "{failure}");
    assert_eq!(bench.effects(bench.ways.operations.create), 0);
}

/// Shows S2.
pub async fn a_creation_that_is_refused_is_known_to_be(bench: Bench) {
    let failure = creation_answered(&bench, refusal(bench.ways.errors.denied)).await;
    assert_eq!((failure.kind, failure.outcome), (FailureKind::Denied, Outcome::Refused), "{failure}");
    bench.double.clear_faults();
    bench.key("orders").await;
}

/// Shows S2.
pub async fn a_creation_that_fails_in_an_unknown_way_is_open(bench: Bench) {
    let failure = creation_answered(&bench, refusal(bench.ways.errors.unheard)).await;
    assert_eq!((failure.kind, failure.outcome), (FailureKind::Unknown, Outcome::Unknown), "{failure}");
}

/// Shows S2.
pub async fn a_creation_that_fails_at_the_server_is_open(bench: Bench) {
    let failure = creation_answered(&bench, refusal(bench.ways.errors.server)).await;
    assert!(is_the_server_s(failure.kind) && failure.outcome == Outcome::Unknown, "{failure}");
}

pub async fn a_schedule_whose_reply_is_lost_takes_effect_once(bench: Bench) {
    let key = bench.key("orders").await.arn;
    bench.fault(bench.ways.operations.schedule, FaultAction::LoseReply, Some(1));
    let scheduled = match bench.kms.schedule(&key, 9).await {
        Ok(scheduled) => scheduled,
        Err(failure) => {
            assert_eq!((failure.kind, failure.outcome), (FailureKind::Unavailable, Outcome::Unknown), "{failure}");
            bench.kms.schedule(&key, 9).await.unwrap()
        }
    };
    assert_eq!((scheduled.state, scheduled.deletion_date), (State::PendingDeletion, bench.found(&key).await.deletion_date));
    assert_eq!(bench.effects(bench.ways.operations.schedule), 1);
}

pub async fn a_cancel_whose_reply_is_lost_takes_effect_once(bench: Bench) {
    let key = bench.key("orders").await.arn;
    bench.kms.schedule(&key, 9).await.unwrap();
    bench.fault(bench.ways.operations.cancel, FaultAction::LoseReply, Some(1));
    if let Err(failure) = bench.kms.cancel_deletion(&key).await {
        assert_eq!((failure.kind, failure.outcome), (FailureKind::Unavailable, Outcome::Unknown), "{failure}");
        bench.kms.cancel_deletion(&key).await.unwrap();
    }
    assert_eq!(bench.effects(bench.ways.operations.cancel), 1);
    assert_eq!(bench.found(&key).await.state, State::Disabled);
}

pub async fn a_change_whose_reply_is_lost_is_open_or_done(bench: Bench) {
    let key = bench.key("orders").await.arn;
    bench.fault(bench.ways.operations.disable, FaultAction::LoseReply, Some(1));
    if let Err(failure) = bench.kms.disable(&key).await {
        assert_eq!((failure.kind, failure.outcome), (FailureKind::Unavailable, Outcome::Unknown), "{failure}");
    }
    assert_eq!(bench.found(&key).await.state, State::Disabled);
    bench.kms.disable(&key).await.unwrap();
}

pub async fn a_read_without_an_answer_ends(bench: Bench) {
    let started = Instant::now();
    let failure = read_answered(&bench, FaultAction::Hang).await;
    assert!(started.elapsed() < Duration::from_secs(14), "{:?}", started.elapsed());
    assert_eq!(failure.kind, FailureKind::Unavailable, "{failure}");
    assert!(failure.message.contains("did not answer"), "{failure}");
}

pub async fn a_change_without_an_answer_ends(bench: Bench) {
    let key = bench.key("orders").await.arn;
    bench.fault(bench.ways.operations.disable, FaultAction::Hang, None);
    let started = Instant::now();
    let failure = bench.kms.disable(&key).await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(14), "{:?}", started.elapsed());
    assert_eq!((failure.kind, failure.outcome), (FailureKind::Unavailable, Outcome::Unknown), "{failure}");
}

pub async fn a_host_that_does_not_listen_is_named(bench: Bench) {
    let (_closed, address) = nowhere();
    let kms = bench.elsewhere(&format!("{}://{address}", bench.scheme()));
    let failure = kms.describe("alias/a").await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unavailable, "{failure}");
    assert!(failure.message.contains(&address.to_string()) && failure.message.contains("check"), "{failure}");
}

pub async fn failures_are_the_same_from_try_to_try(bench: Bench) {
    let key = bench.key("orders").await.arn;
    let errors = &bench.ways.errors;
    for error in [errors.denied, errors.unheard, errors.server] {
        bench.refuse(bench.ways.operations.describe, error);
        let mut said = Vec::new();
        for _ in 0..2 {
            said.push(bench.kms.describe(&key).await.unwrap_err().message);
        }
        assert_eq!(said[0], said[1]);
        bench.double.clear_faults();
    }
}

pub async fn every_call_is_counted(bench: Bench) {
    let key = bench.key("first").await.arn;
    bench.kms.disable(&key).await.unwrap();
    bench.refuse(bench.ways.operations.disable, bench.ways.errors.denied);
    bench.kms.disable(&key).await.unwrap_err();
    // The other calls that change a key, as far as the KMS has them.
    let operations = &bench.ways.operations;
    let (other, mut done) = (bench.key("other").await.arn, vec![operations.rotate_now]);
    bench.kms.rotate_on_demand(&other).await.unwrap();
    if let Some(set_policy) = operations.set_policy {
        bench.kms.set_policy(&other, &policy(&bench, "*")).await.unwrap();
        done.push(set_policy);
    }
    if let Some(create_grant) = operations.create_grant {
        bench.kms.create_grant(&other, &grant(&bench, "counted")).await.unwrap();
        done.push(create_grant);
    }
    if let (Some(replicate), Some(move_primary)) = (operations.replicate, operations.move_primary) {
        let (primary, replication) = pair(&bench).await.expect("the KMS has replicas");
        bench.kms.replicate(&replication).await.unwrap();
        settle(&bench);
        bench.kms.move_primary(&primary.arn, &replication.region).await.unwrap();
        done.extend([replicate, move_primary]);
    }
    let text = bench.metrics.encode();
    let counted = |operation: &str| {
        let start = format!(
            "keyward_provider_requests_total{{provider=\"\",type=\"{}\",operation=\"{operation}\",code=\"",
            bench.ways.provider.as_str()
        );
        text.lines().filter(|line| line.starts_with(&start)).count()
    };
    assert_eq!((counted(operations.create), counted(operations.disable)), (1, 2), "{text}");
    for operation in done {
        assert_eq!(counted(operation), 1, "{operation}: {text}");
    }
}
