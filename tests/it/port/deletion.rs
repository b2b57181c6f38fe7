//! Schedule, cancel, and the end.

use jiff::SignedDuration;
use keyward::{
    domain::{
        failure::{FailureKind, Outcome},
        observed::State,
    },
    kms::Kms,
};

use super::bench::Bench;
use crate::support::fixtures::{Destroy as _, ReadKey as _};

const fn days(days: i32) -> SignedDuration {
    SignedDuration::from_hours(24 * days as i64)
}

/// Schedules a key and sees that it says the same when it is read.
async fn scheduled(bench: &Bench, window: i32) -> String {
    let key = bench.key("orders").await.arn;
    let scheduled = bench.kms.schedule(&key, window).await.unwrap();
    assert_eq!(scheduled.state, State::PendingDeletion);
    let found = bench.found(&key).await;
    assert_eq!((found.state, found.deletion_date), (scheduled.state, scheduled.deletion_date));
    let distance = scheduled.deletion_date.unwrap().duration_since(bench.double.now());
    assert!((distance - days(window)).abs() < bench.dates_within, "{distance:?}");
    key
}

pub async fn the_shortest_window_is_kept(bench: Bench) {
    scheduled(&bench, bench.ways.limits().window.0).await;
}

pub async fn the_longest_window_is_kept(bench: Bench) {
    scheduled(&bench, bench.ways.limits().window.1).await;
}

pub async fn a_schedule_that_stands_is_told_as_it_is(bench: Bench) {
    let (shortest, longest) = bench.ways.limits().window;
    let key = scheduled(&bench, shortest).await;
    let date = bench.found(&key).await.deletion_date;
    let again = bench.kms.schedule(&key, longest).await.unwrap();
    assert_eq!((again.state, again.deletion_date), (State::PendingDeletion, date), "the window of a schedule that stands does not change");
    assert_eq!(bench.effects(bench.ways.operations.schedule), 1);
}

pub async fn a_cancelled_key_is_disabled(bench: Bench) {
    let key = scheduled(&bench, 7).await;
    bench.kms.cancel_deletion(&key).await.unwrap();
    let found = bench.found(&key).await;
    assert_eq!((found.state, found.deletion_date), (State::Disabled, None));
}

pub async fn a_cancel_of_nothing_changes_nothing(bench: Bench) {
    let key = scheduled(&bench, 7).await;
    bench.kms.cancel_deletion(&key).await.unwrap();
    let before = bench.changes();
    bench.kms.cancel_deletion(&key).await.unwrap();
    assert_eq!(bench.changes(), before);
}

pub async fn a_cancelled_key_is_enabled_and_scheduled_again(bench: Bench) {
    let key = scheduled(&bench, 7).await;
    bench.kms.cancel_deletion(&key).await.unwrap();
    bench.kms.enable(&key).await.unwrap();
    assert_eq!(bench.found(&key).await.state, State::Enabled);
    assert_eq!(bench.kms.schedule(&key, 9).await.unwrap().state, State::PendingDeletion);
}

pub async fn a_disabled_key_is_scheduled(bench: Bench) {
    let key = bench.key("orders").await.arn;
    bench.kms.disable(&key).await.unwrap();
    assert_eq!(bench.kms.schedule(&key, 7).await.unwrap().state, State::PendingDeletion);
}

pub async fn a_pending_key_is_not_enabled(bench: Bench) {
    let key = scheduled(&bench, 7).await;
    let refused = bench.kms.enable(&key).await.unwrap_err();
    assert_eq!((refused.kind, refused.outcome), (FailureKind::Conflict, Outcome::Refused), "{refused}");
    assert_eq!(bench.found(&key).await.state, State::PendingDeletion);
}

pub async fn a_pending_key_is_not_disabled(bench: Bench) {
    let key = scheduled(&bench, 7).await;
    let refused = bench.kms.disable(&key).await.unwrap_err();
    assert_eq!((refused.kind, refused.outcome), (FailureKind::Conflict, Outcome::Refused), "{refused}");
    assert_eq!(bench.found(&key).await.state, State::PendingDeletion);
}

pub async fn a_pending_key_is_saved_on_its_last_day(bench: Bench) {
    let key = scheduled(&bench, 7).await;
    bench.double.advance(days(6)).unwrap();
    bench.kms.cancel_deletion(&key).await.unwrap();
    bench.double.advance(days(2)).unwrap();
    assert_eq!(bench.found(&key).await.state, State::Disabled);
}

pub async fn a_key_is_gone_after_its_date(bench: Bench) {
    let key = scheduled(&bench, 7).await;
    let id = bench.found(&key).await.id;
    bench.double.advance(days(8)).unwrap();
    assert_eq!(bench.kms.describe(&key).await.unwrap(), None);
    assert_eq!(bench.another().describe(&id).await.unwrap(), None);
    let gone = bench.kms.cancel_deletion(&key).await.unwrap_err();
    assert_eq!(gone.kind, FailureKind::NotFound, "{gone}");
}
