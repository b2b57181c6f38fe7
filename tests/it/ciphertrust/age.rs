//! Copies: how old they are, when they are made new, and what is not concluded from them.

use std::time::{Duration, Instant};

use futures::future::join_all;
use jiff::SignedDuration;
use keyward::{
    domain::{
        failure::FailureKind,
        observed::{Key, State},
    },
    kms::Kms,
};
use kms_double::{Fault, FaultAction};

use super::{STALENESS, Scene};
use crate::support::fixtures::{Destroy as _, ReadKey as _};

/// Longer than a copy may be old.
const LONG: SignedDuration = SignedDuration::from_mins(11);

fn age(key: &Key) -> SignedDuration {
    key.age.unwrap()
}

fn is_stale(key: &Key) -> bool {
    age(key) > SignedDuration::try_from(STALENESS).unwrap()
}

#[tokio::test]
async fn a_young_copy_is_one_read_and_tells_its_age() {
    let scene = Scene::new().await;
    let key = scene.key("orders").await;
    scene.double.advance(SignedDuration::from_mins(4)).unwrap();
    let before = scene.double.ledger().len();
    let found = scene.found(&key.arn).await;
    // `Date` has whole seconds.
    assert!((239..245).contains(&age(&found).as_secs()), "{found:?}");
    assert_eq!(scene.double.ledger().len(), before + 1);
    assert!(found.tags.is_some() && found.aliases.is_some() && found.rotation.is_some());
}

#[tokio::test]
async fn what_was_changed_in_aws_is_seen_once_the_copy_is_too_old() {
    let scene = Scene::new().await;
    let key = scene.key("orders").await.arn;
    scene.aws.disable(&key).await.unwrap();
    assert_eq!(scene.found(&key).await.state, State::Enabled, "nobody read it");
    scene.double.advance(LONG).unwrap();
    let found = scene.found(&key).await;
    assert_eq!(found.state, State::Disabled);
    assert!(age(&found).as_secs() < 5, "{found:?}");
    assert_eq!(scene.calls("refresh").len(), 1);
}

#[tokio::test]
async fn a_refresh_that_hangs_is_asked_for_once_and_the_old_copy_is_told_as_old() {
    let scene = Scene::new().await;
    let key = scene.key("orders").await.arn;
    scene.double.advance(LONG).unwrap();
    scene.double.set_refresh_delay(None);
    let started = Instant::now();
    assert!(is_stale(&scene.found(&key).await));
    assert!((Duration::from_secs(2)..Duration::from_secs(5)).contains(&started.elapsed()), "{:?}", started.elapsed());
    let started = Instant::now();
    // A write moves `updatedAt` and shows in the row, but nobody has looked at AWS.
    scene.kms.disable(&key).await.unwrap();
    let found = scene.found(&key).await;
    assert!(is_stale(&found) && found.state == State::Disabled, "{found:?}");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(scene.calls("refresh").len(), 1);
}

#[tokio::test]
async fn a_refresh_that_is_refused_leaves_the_old_copy() {
    let scene = Scene::new().await;
    let key = scene.key("orders").await.arn;
    scene.double.advance(LONG).unwrap();
    let refused = FaultAction::Error { code: "NCERRForbidden".into(), status: 403, message: "no".into() };
    scene.double.inject(Fault::on("refresh", refused));
    for _ in 0..2 {
        assert!(is_stale(&scene.found(&key).await));
    }
    assert_eq!(scene.calls("refresh").len(), 1);
}

#[tokio::test]
async fn a_key_whose_date_has_passed_is_gone_only_when_aws_was_asked() {
    let scene = Scene::new().await;
    let key = scene.key("orders").await.arn;
    scene.kms.schedule(&key, 7).await.unwrap();
    scene.double.advance(SignedDuration::from_hours(7 * 24 - 1)).unwrap();
    assert!(scene.found(&key).await.state.is_pending());
    let refreshes = scene.calls("refresh").len();
    // The copy is young, but the date has passed.
    scene.double.set_refresh_delay(None);
    scene.double.advance(SignedDuration::from_mins(61)).unwrap();
    let young = scene.with(|settings| settings.max_staleness = Duration::from_hours(1000));
    assert!(young.describe(&key).await.unwrap().unwrap().state.is_pending(), "that it should be gone is no proof");
    assert_eq!(scene.calls("refresh").len(), refreshes + 1);
    scene.double.ciphertrust_sync();
    assert_eq!(young.describe(&key).await.unwrap(), None);
    assert_eq!(scene.kms.describe(&key).await.unwrap(), None);
}

#[tokio::test]
async fn a_schedule_made_in_aws_is_told_as_it_stands() {
    let scene = Scene::new().await;
    let key = scene.key("orders").await.arn;
    let theirs = scene.aws.schedule(&key, 9).await.unwrap();
    assert_eq!(scene.found(&key).await.state, State::Enabled, "the copy does not show it");
    assert_eq!(scene.kms.schedule(&key, 30).await.unwrap(), theirs);
}

#[tokio::test]
async fn a_cancel_made_in_aws_is_as_good_as_ours() {
    let scene = Scene::new().await;
    let key = scene.key("orders").await.arn;
    scene.kms.schedule(&key, 9).await.unwrap();
    scene.aws.cancel_deletion(&key).await.unwrap();
    assert!(scene.found(&key).await.state.is_pending(), "the copy does not show it");
    scene.kms.cancel_deletion(&key).await.unwrap();
    assert_eq!(scene.found(&key).await.state, State::Disabled);
}

#[tokio::test]
async fn an_alias_given_in_aws_is_the_key_s_own_or_taken() {
    let scene = Scene::new().await;
    let (key, other) = (scene.key("orders").await.arn, scene.key("invoices").await.arn);
    scene.aws.add_alias(&key, "alias/a").await.unwrap();
    let taken = scene.kms.add_alias(&other, "alias/a").await.unwrap_err();
    assert_eq!(taken.kind, FailureKind::AliasTaken, "{taken}");
    assert!(taken.message.contains("alias/a") && taken.message.contains("synchronise"), "{taken}");
    scene.kms.add_alias(&key, "alias/a").await.unwrap();
    let taken = scene.kms.add_alias(&other, "alias/a").await.unwrap_err();
    assert!(taken.message.contains(&key), "{taken}");
}

#[tokio::test]
async fn two_rows_with_one_alias_are_read_again() {
    let scene = Scene::new().await;
    let (key, other) = (scene.key("orders").await.arn, scene.key("invoices").await.arn);
    scene.kms.add_alias(&key, "alias/a").await.unwrap();
    scene.aws.remove_alias(&key, "alias/a").await.unwrap();
    scene.kms.add_alias(&other, "alias/a").await.unwrap();
    let unsure = scene.kms.describe("alias/a").await.unwrap_err();
    assert_eq!(unsure.kind, FailureKind::Unknown, "{unsure}");
    assert!(unsure.message.contains(&key) && unsure.message.contains(&other), "{unsure}");
    scene.double.advance(LONG).unwrap();
    assert_eq!(scene.found("alias/a").await.arn, other);
}

#[tokio::test]
async fn reads_that_come_together_are_one_request() {
    let scene = Scene::new().await;
    let mut keys = Vec::new();
    for number in 0..20 {
        keys.push(scene.key(&format!("key-{number}")).await);
    }
    let before = scene.double.ledger().len();
    scene.double.inject(Fault::on("get-key", FaultAction::Delay { millis: 300 }).times(1));
    let absent = "0123456789abcdef0123456789abcdef";
    let (reads, nothing) = tokio::join!(join_all(keys.iter().map(|key| scene.kms.describe(&key.arn))), scene.kms.describe(absent));
    for (read, key) in reads.into_iter().zip(&keys) {
        assert_eq!(read.unwrap().unwrap().id, key.id);
    }
    assert_eq!(nothing.unwrap(), None);
    let calls: Vec<_> = scene.double.ledger().split_off(before).into_iter().map(|entry| entry.operation).collect();
    assert_eq!(calls, ["get-key", "list-keys", "get-key"], "the first, all others, and the one that no list has");
}

#[tokio::test]
async fn a_read_is_not_answered_by_an_earlier_one() {
    let scene = Scene::new().await;
    let key = scene.key("orders").await.arn;
    scene.double.inject(Fault::on("get-key", FaultAction::LateReply { millis: 500 }).times(1));
    let before = scene.double.ledger().len();
    let early = scene.kms.describe(&key);
    let late = async {
        while scene.double.ledger().len() == before {
            tokio::task::yield_now().await;
        }
        scene.kms.disable(&key).await.unwrap();
        scene.found(&key).await
    };
    let (early, late) = tokio::join!(early, late);
    assert_eq!((early.unwrap().unwrap().state, late.state), (State::Enabled, State::Disabled));
}

#[tokio::test]
async fn a_read_that_hangs_holds_up_no_other() {
    let scene = Scene::new().await;
    let (key, other) = (scene.key("orders").await.arn, scene.key("invoices").await.arn);
    scene.double.inject(Fault::on("get-key", FaultAction::Hang).times(1));
    let before = scene.double.ledger().len();
    let hanging = scene.kms.describe(&key);
    let late = async {
        while scene.double.ledger().len() == before {
            tokio::task::yield_now().await;
        }
        let started = Instant::now();
        scene.found(&other).await;
        started.elapsed()
    };
    let (hanging, waited) = tokio::join!(hanging, late);
    assert!(hanging.unwrap().is_some(), "it was sent again");
    assert!(waited < Duration::from_secs(2), "{waited:?}");
}
