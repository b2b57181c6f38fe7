//! Keeps within a share of a KMS's request quotas, which all programs of an account divide among themselves.
//!
//! Each operation has its own quota and its own limiter, one per client. Waiting is in turn, and it soon ends: what would wait longer fails as
//! throttled, without a request. A creation takes its turn before it is written down. It must never slow down what brings a key back: whatever such work
//! calls may use the whole of a quota, and its turn comes before those of all others.

use std::{
    collections::HashMap,
    hash::Hash,
    num::NonZeroU32,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use governor::{
    DefaultDirectRateLimiter, Jitter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};
use tokio::{
    sync::Mutex,
    time::{sleep, timeout},
};

/// The longest wait for a turn. Whoever waits holds up other keys, of other providers too, so it is short: what does not come up in it is tried again later.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// The longest wait of what brings a key back. It holds up nobody but others of its kind, and a key that is left to wait for another try waits longer.
const LONGEST_RESCUE: Duration = Duration::from_secs(10);

/// How long those that give way wait before they look again.
const GIVE_WAY: Duration = Duration::from_millis(20);

tokio::task_local! {
    /// There while work is done that brings a key back.
    static RESCUE: ();
}

/// Does work that brings a key back: its calls have turns of their own. It goes with the task, as a span does, so that no call can forget to say so.
pub async fn rescuing<T>(work: impl Future<Output = T>) -> T {
    RESCUE.scope((), work).await
}

/// Whether this is work that brings a key back.
#[must_use]
pub fn is_rescuing() -> bool {
    RESCUE.try_with(|()| ()).is_ok()
}

/// Spreads those that wait, so that several replicas or providers of one account do not move in step.
const JITTER: Duration = Duration::from_millis(50);

/// What is granted for one operation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Grant {
    /// Requests per second, to all programs of the account.
    pub(super) per_second: u32,
    /// Whether all of it may be used, whatever the share: the operation brings a key back.
    pub(super) urgent: bool,
}

impl Grant {
    /// Requests per second at that share, 1 to 10,000 percent: above 100 where the quotas were raised; what lies outside is taken for the nearer end,
    /// as a rate cannot be zero.
    pub(super) fn rate(self, share_percent: u32) -> f64 {
        let share = share_percent.clamp(1, 10_000);
        let share = if self.urgent { share.max(100) } else { share };
        f64::from(self.per_second) * f64::from(share) / 100.0
    }
}

/// One limiter per operation.
#[derive(Debug)]
pub(super) struct Quotas<O>(HashMap<O, Limiter>);

/// The queues make the limiter fair: who waits at the front of one is served next.
#[derive(Debug)]
struct Limiter {
    queue: Mutex<()>,
    /// Of what brings a key back, and how many there are in it.
    rescues: Mutex<()>,
    waiting: AtomicUsize,
    /// What may be used of the quota.
    share: DefaultDirectRateLimiter,
    /// The quota itself, or the share where that is more. What brings a key back uses this alone, and is served first.
    whole: DefaultDirectRateLimiter,
}

/// Counts one that waits until it is dropped.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Limiter {
    fn new(grant: Grant, share_percent: u32) -> Option<Self> {
        let limiter =
            |rate: f64| Some(RateLimiter::direct(Quota::with_period(Duration::from_secs_f64(1.0 / rate))?.allow_burst(burst(rate))));
        Some(Self {
            queue: Mutex::default(),
            rescues: Mutex::default(),
            waiting: AtomicUsize::default(),
            share: limiter(grant.rate(share_percent))?,
            whole: limiter(grant.rate(share_percent.max(100)))?,
        })
    }

    async fn turn(&self) {
        let _front = self.queue.lock().await;
        self.share.until_ready_with_jitter(Jitter::up_to(JITTER)).await;
        loop {
            let wait = if self.waiting.load(Ordering::Relaxed) > 0 {
                GIVE_WAY
            } else {
                match self.whole.check() {
                    Ok(()) => return,
                    Err(early) => early.wait_time_from(DefaultClock::default().now()),
                }
            };
            sleep(wait).await;
        }
    }

    async fn rescue_turn(&self) {
        let _waits = Waits::new(&self.waiting);
        let _front = self.rescues.lock().await;
        self.whole.until_ready_with_jitter(Jitter::up_to(JITTER)).await;
    }
}

/// No turn came in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Crowded;

impl<O: Copy + Eq + Hash> Quotas<O> {
    /// Limiters for that share of what is granted. An operation without a grant is not limited.
    pub(super) fn new(grants: impl IntoIterator<Item = (O, Grant)>, share_percent: u32) -> Self {
        let limiter = |(operation, grant): (O, Grant)| Some((operation, Limiter::new(grant, share_percent)?));
        Self(grants.into_iter().filter_map(limiter).collect())
    }

    /// Waits for a turn, at most [`LONGEST_WAIT`], or longer for work that brings a key back.
    pub(super) async fn admit(&self, operation: O) -> Result<(), Crowded> {
        self.admit_within(operation, if is_rescuing() { LONGEST_RESCUE } else { LONGEST_WAIT }).await
    }

    async fn admit_within(&self, operation: O, longest: Duration) -> Result<(), Crowded> {
        let Some(limiter) = self.0.get(&operation) else {
            return Ok(());
        };
        let turn = async {
            if is_rescuing() {
                limiter.rescue_turn().await;
            } else {
                limiter.turn().await;
            }
        };
        timeout(longest, turn).await.map_err(|_| Crowded)
    }
}

/// What may be sent at once after a quiet time: a second's worth.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rates are between 0.05 and 200,000")]
fn burst(rate: f64) -> NonZeroU32 {
    NonZeroU32::new(rate as u32).unwrap_or(NonZeroU32::MIN)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by panicking")]
mod tests {
    use super::*;

    const FIVE: Grant = Grant { per_second: 5, urgent: false };

    #[test]
    fn a_share_is_taken_of_each_quota_but_not_of_what_brings_a_key_back() {
        let rate = |grant: Grant, share| (grant.rate(share) * 100.0).round() / 100.0;
        let urgent = Grant { urgent: true, ..FIVE };
        for (grant, share, expected) in [
            (FIVE, 25, 1.25),
            (FIVE, 1, 0.05),
            (FIVE, 0, 0.05),
            (FIVE, 900, 45.0),
            (FIVE, 20_000, 500.0),
            (urgent, 1, 5.0),
            (urgent, 900, 45.0),
        ] {
            assert!((rate(grant, share) - expected).abs() < 0.001, "{grant:?} at {share}");
        }
    }

    #[tokio::test]
    async fn requests_above_the_rate_wait_for_their_turn() {
        let quotas = Quotas::new([("create", FIVE)], 100);
        let started = std::time::Instant::now();
        // Five at once, then one every 200 ms.
        for _ in 0..8 {
            quotas.admit("create").await.unwrap();
        }
        assert!(started.elapsed() >= Duration::from_millis(550), "{:?}", started.elapsed());
    }

    #[tokio::test]
    async fn waiting_ends() {
        // One in twenty seconds.
        let quotas = Quotas::new([("create", FIVE), ("alias", FIVE)], 1);
        let soon = Duration::from_millis(20);
        assert_eq!(quotas.admit_within("create", soon).await, Ok(()));
        assert_eq!(quotas.admit_within("create", soon).await, Err(Crowded));
        assert_eq!(quotas.admit_within("alias", soon).await, Ok(()), "each operation has its own quota");
        assert_eq!(quotas.admit_within("other", soon).await, Ok(()), "what nothing is granted for is not limited");
    }

    #[tokio::test]
    async fn what_brings_a_key_back_may_use_the_whole_quota_whatever_others_have_used() {
        // One in twenty seconds, of five in one.
        let quotas = Quotas::new([("describe", FIVE)], 1);
        let soon = Duration::from_millis(20);
        assert_eq!(quotas.admit_within("describe", soon).await, Ok(()));
        assert_eq!(quotas.admit_within("describe", soon).await, Err(Crowded));
        for _ in 0..4 {
            assert_eq!(rescuing(quotas.admit_within("describe", soon)).await, Ok(()), "the rest of a second's worth");
        }
    }

    #[tokio::test]
    async fn what_brings_a_key_back_is_served_first_and_all_stay_within_the_quota() {
        let quotas = Quotas::new([("cancel", Grant { per_second: 5, urgent: true })], 100);
        for _ in 0..5 {
            quotas.admit("cancel").await.unwrap();
        }
        let started = std::time::Instant::now();
        let others = futures::future::join_all((0..10).map(|_| quotas.admit("cancel")));
        let rescues = futures::future::join_all((0..3).map(|_| async {
            rescuing(quotas.admit("cancel")).await.unwrap();
            started.elapsed()
        }));
        let (others, rescues) = tokio::join!(others, rescues);
        let last = rescues.into_iter().max().unwrap();
        assert!((550..1300).contains(&last.as_millis()), "three turns of 200 ms each: {last:?}");
        // The last of those that had to give way have no turn within their two seconds.
        assert!(others.first().unwrap().is_ok() && others.last().unwrap().is_err(), "{others:?}");
    }
}
