//! Keeps requests within the request quotas of a KMS, which all programs of an account share.
//!
//! Each operation has its own quota. Keyward uses the whole quota until the KMS throttles; then the rate falls, and rises again slowly. All
//! clients of this process that send an operation to the same account and Region wait in one line and are served in order. Waiting is no
//! failure and delays no other object. A creation takes its turns before it is recorded. Work that brings a key back must never be slowed
//! down: it may use the whole quota, and its turn comes before all others.

mod line;
mod patience;
mod rate;

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use tokio::time::sleep_until;

use super::waits::CATCH_UP;

pub(super) use self::patience::NotYet;
pub use self::{
    line::Turn,
    patience::{Patience, hastily, if_free, patiently},
};
use self::{
    line::{Limiter, Line},
    patience::wait,
};

tokio::task_local! {
    /// Set while work runs that brings a key back.
    static RESCUE: ();
    /// Turns that were taken in advance.
    static TAKEN: Mutex<Vec<Turn>>;
}

/// Runs work that brings a key back: its calls have turns of their own. The task carries this, as it carries a span, so that no call can
/// forget it.
pub async fn rescuing<T>(work: impl Future<Output = T>) -> T {
    RESCUE.scope((), work).await
}

/// Whether this is work that brings a key back.
#[must_use]
pub fn is_rescuing() -> bool {
    RESCUE.try_with(|()| ()).is_ok()
}

/// Runs work that already has turns. Turns that it does not use go to others.
pub async fn in_turn<T>(turns: Vec<Turn>, work: impl Future<Output = T>) -> T {
    TAKEN.scope(Mutex::new(turns), work).await
}

/// The quota of one operation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Grant {
    /// Requests per second, for all programs of the account together.
    pub(super) per_second: u32,
    /// Whether the operation may use the whole quota whatever the share, because it brings a key back.
    pub(super) urgent: bool,
}

impl Grant {
    /// Requests per second at that share, in percent. A share above 100 is for an account whose quotas were raised. A share outside of 1 to
    /// 10,000 is limited to that range, because a rate cannot be zero.
    fn rate(self, share_percent: u32) -> f64 {
        f64::from(self.per_second) * f64::from(share_percent.clamp(1, 10_000)) / 100.0
    }
}

/// Limiters by account and operation, as long as somebody uses them.
type ByPlace = HashMap<(String, &'static str), Weak<Limiter>>;

/// The limiters of every KMS that the process calls. Clones share them.
#[derive(Clone, Default)]
pub struct Books(Arc<Mutex<ByPlace>>);

impl fmt::Debug for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Books").finish_non_exhaustive()
    }
}

impl Books {
    /// The limiter of an operation of that account. It is the same for all clients as long as one of them uses it.
    fn limiter(&self, account: &str, operation: &'static str, per_second: f64) -> Arc<Limiter> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, limiter| limiter.strong_count() > 0);
        let known = all.entry((account.to_owned(), operation)).or_default();
        if let Some(limiter) = known.upgrade() {
            limiter.raise(per_second);
            return limiter;
        }
        let limiter = Arc::new(Limiter::new(per_second));
        *known = Arc::downgrade(&limiter);
        limiter
    }
}

/// The limits of one client, by operation.
#[derive(Debug)]
pub(super) struct Quotas<O>(HashMap<O, Limit>);

#[derive(Debug)]
struct Limit {
    /// How much of the quota the client may use, if that is not all. What brings a key back may use all of it.
    cap: Option<Cap>,
    /// What all clients of the account use together.
    limiter: Arc<Limiter>,
}

/// A client's own line, which moves on at a steady pace.
#[derive(Debug)]
struct Cap {
    /// When the next in line may go.
    next: tokio::sync::Mutex<Instant>,
    pace: Duration,
}

impl Cap {
    fn new(per_second: f64) -> Self {
        let pace = Duration::try_from_secs_f64(1.0 / per_second).unwrap_or_default();
        Self { next: tokio::sync::Mutex::new(Instant::now()), pace }
    }

    async fn turn(&self) {
        let mut next = self.next.lock().await;
        sleep_until((*next).into()).await;
        let now = Instant::now();
        *next = now.checked_sub(CATCH_UP).unwrap_or(now).max(*next) + self.pace;
    }
}

impl<O: Copy + Eq + Hash> Quotas<O> {
    /// Limits to that share of the quotas of an account. An operation without a quota is not limited.
    pub(super) fn new(
        grants: impl IntoIterator<Item = (O, &'static str, Grant)>,
        share_percent: u32,
        books: &Books,
        account: &str,
    ) -> Self {
        let limit = |(operation, name, grant): (O, &'static str, Grant)| {
            let cap = (share_percent < 100 && !grant.urgent).then(|| Cap::new(grant.rate(share_percent)));
            (operation, Limit { cap, limiter: books.limiter(account, name, grant.rate(share_percent.max(100))) })
        };
        Self(grants.into_iter().map(limit).collect())
    }

    /// Waits for a turn. `None`: the operation is not limited. `again`: the KMS throttled it in its last turn.
    pub(super) async fn turn(&self, operation: O, again: bool) -> Result<Option<Turn>, NotYet> {
        let Some(Limit { cap, limiter }) = self.0.get(&operation) else { return Ok(None) };
        if let Some(turn) = taken(limiter) {
            return Ok(Some(turn));
        }
        let rescues = is_rescuing();
        let turn = async {
            let line = match (rescues, again) {
                (true, _) => Line::Rescues,
                (false, true) => Line::Again,
                (false, false) => Line::Others,
            };
            if let Some(cap) = cap.as_ref().filter(|_| line == Line::Others) {
                cap.turn().await;
            }
            limiter.turn(line).await
        };
        wait(rescues, turn).await.map(Some)
    }
}

/// A turn of that limiter that was taken in advance.
fn taken(limiter: &Arc<Limiter>) -> Option<Turn> {
    let take = |turns: &Mutex<Vec<Turn>>| {
        let mut turns = turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.iter().position(|turn| turn.is_of(limiter)).map(|at| turns.swap_remove(at))
    };
    TAKEN.try_with(take).ok().flatten()
}

/// Shows S11.
#[cfg(test)]
mod tests {
    use futures::future::join_all;
    use tokio_util::sync::CancellationToken;

    use super::*;

    const FIVE: Grant = Grant { per_second: 5, urgent: false };

    fn quotas(share_percent: u32, books: &Books) -> Quotas<&'static str> {
        let grants = ["create", "alias"].map(|name| (name, name, FIVE));
        Quotas::new(grants.into_iter().chain([("cancel", "cancel", Grant { urgent: true, ..FIVE })]), share_percent, books, "here")
    }

    /// Takes a turn and sends something that is answered at once; how long it took from `started`.
    async fn send(quotas: &Quotas<&'static str>, operation: &'static str, started: Instant) -> Duration {
        let turn = quotas.turn(operation, false).await.unwrap();
        turn.iter().for_each(Turn::sent);
        started.elapsed()
    }

    #[tokio::test]
    async fn clients_of_one_account_stand_in_one_line_and_are_served_in_turn() {
        let books = Books::default();
        let (one, other) = (quotas(100, &books), quotas(100, &books));
        let elsewhere = Quotas::new([("create", "create", FIVE)], 100, &books, "there");
        let started = Instant::now();
        let sends = (0..8).map(|number| send(if number % 2 == 0 { &one } else { &other }, "create", started));
        let (times, alias, there) = tokio::join!(join_all(sends), send(&one, "alias", started), send(&elsewhere, "create", started));
        assert!(times.is_sorted(), "{times:?}");
        let last = times.last().unwrap().as_millis();
        assert!((1390..2500).contains(&last), "seven pauses of 200 ms: {times:?}");
        assert!(alias < Duration::from_millis(150) && there < Duration::from_millis(150), "a line for each operation and account");
        assert!(one.turn("other", false).await.unwrap().is_none(), "what nothing is granted for is not limited");
    }

    #[tokio::test]
    async fn a_share_limits_its_client_but_not_rescues() {
        let books = Books::default();
        // One in twenty seconds.
        let (one, other) = (quotas(1, &books), quotas(100, &books));
        let started = Instant::now();
        let patience = Arc::new(Patience::new(Box::new(()), CancellationToken::new()));
        send(&one, "create", started).await;
        let unwanted = CancellationToken::new();
        unwanted.cancel();
        let gives_up = patiently(Arc::new(Patience::new(Box::new(()), unwanted)), one.turn("create", false));
        assert!(gives_up.await.is_err());
        for _ in 0..3 {
            rescuing(send(&one, "create", started)).await;
            send(&one, "cancel", started).await;
        }
        patiently(patience, send(&other, "create", started)).await;
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
        let raised = quotas(10_000, &Books::default());
        let started = Instant::now();
        for _ in 0..40 {
            send(&raised, "create", started).await;
        }
        assert!(started.elapsed() < Duration::from_secs(3), "where the quota was raised: {:?}", started.elapsed());
    }

    #[tokio::test]
    async fn rescues_are_served_first() {
        let quotas = quotas(100, &Books::default());
        let started = Instant::now();
        for _ in 0..5 {
            rescuing(send(&quotas, "cancel", started)).await;
        }
        assert!(started.elapsed() < Duration::from_millis(150), "a second's worth at once: {:?}", started.elapsed());
        let others = join_all((0..5).map(|_| send(&quotas, "cancel", started)));
        let rescues = join_all((0..3).map(|_| rescuing(send(&quotas, "cancel", started))));
        let (others, rescues) = tokio::join!(others, rescues);
        let (first, last) = (others.iter().min().unwrap(), rescues.iter().max().unwrap());
        assert!(last < first, "{rescues:?} {others:?}");
        assert!((590..1300).contains(&last.as_millis()), "three turns of 200 ms each: {rescues:?}");
    }

    #[tokio::test]
    async fn turns_taken_in_advance_are_used_and_the_rest_goes_to_others() {
        let quotas = quotas(100, &Books::default());
        let started = Instant::now();
        let turns = vec![quotas.turn("create", false).await.unwrap().unwrap(), quotas.turn("alias", false).await.unwrap().unwrap()];
        in_turn(turns, send(&quotas, "create", started)).await;
        send(&quotas, "alias", started).await;
        assert!(started.elapsed() < Duration::from_millis(150), "{:?}", started.elapsed());
        send(&quotas, "create", started).await;
        assert!(started.elapsed() >= Duration::from_millis(190), "{:?}", started.elapsed());
    }

    #[tokio::test]
    async fn throttled_requests_come_before_new_ones() {
        let quotas = quotas(100, &Books::default());
        let started = Instant::now();
        let turn = quotas.turn("create", false).await.unwrap().unwrap();
        turn.sent();
        turn.throttled();
        drop(turn);
        let others = join_all((0..2).map(|_| send(&quotas, "create", started)));
        let again = async {
            let _turn = quotas.turn("create", true).await.unwrap();
            started.elapsed()
        };
        let (others, again) = tokio::join!(others, again);
        assert!(others.iter().all(|other| again < *other), "{again:?} {others:?}");
        assert!(again >= Duration::from_millis(280), "more slowly: {again:?}");
    }
}
