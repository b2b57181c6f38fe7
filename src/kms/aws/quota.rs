//! Keeps within a share of AWS's request quotas, which all programs of an account divide among themselves.
//!
//! Each operation has its own quota and its own limiter, one per client. Waiting is in turn, and it soon ends: what would wait longer fails as
//! throttled, without a request. A creation takes its turn before it is written down. It must never slow down what brings a key back, hence [`Operation::CancelKeyDeletion`] and
//! [`Operation::EnableKey`] have all of their quota.

use std::{collections::HashMap, num::NonZeroU32, time::Duration};

use governor::{DefaultDirectRateLimiter, Jitter, Quota, RateLimiter};
use tokio::{sync::Mutex, time::timeout};

use super::operation::Operation;

/// The longest wait for a turn. Whoever waits holds up other keys, of other providers too, so it is short: what does not come up in it is tried again later.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Spreads those that wait, so that several replicas or providers of one account do not move in step.
const JITTER: Duration = Duration::from_millis(50);

/// Requests per second that AWS grants to an account and Region by default (AWS KMS Developer Guide, "Request quotas"). STS is called once per
/// hour and look at a provider, far below any quota.
const fn per_second(operation: Operation) -> Option<u32> {
    match operation {
        Operation::CancelKeyDeletion
        | Operation::CreateAlias
        | Operation::CreateKey
        | Operation::DisableKey
        | Operation::DisableKeyRotation
        | Operation::EnableKey
        | Operation::UntagResource
        | Operation::UpdateKeyDescription => Some(5),
        Operation::TagResource => Some(10),
        Operation::DeleteAlias | Operation::EnableKeyRotation | Operation::ScheduleKeyDeletion => Some(15),
        Operation::ListAliases | Operation::ListKeys => Some(500),
        Operation::GetKeyRotationStatus => Some(1000),
        Operation::DescribeKey | Operation::ListResourceTags => Some(2000),
        Operation::AssumeRole | Operation::GetCallerIdentity => None,
    }
}

/// Whether it may use all of its quota: it brings a key back.
const fn urgent(operation: Operation) -> bool {
    matches!(operation, Operation::CancelKeyDeletion | Operation::EnableKey)
}

/// Requests per second at that share, in percent.
fn rate(operation: Operation, share_percent: u32) -> Option<f64> {
    let share = share_percent.clamp(1, 10_000);
    let share = if urgent(operation) { share.max(100) } else { share };
    per_second(operation).map(|quota| f64::from(quota) * f64::from(share) / 100.0)
}

/// One limiter per operation.
#[derive(Debug)]
pub(super) struct Quotas(HashMap<Operation, Limiter>);

/// The queue makes the limiter fair: who waits at its front is served next.
#[derive(Debug)]
struct Limiter {
    queue: Mutex<()>,
    rate: DefaultDirectRateLimiter,
}

/// No turn came in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Crowded;

impl Quotas {
    /// Limiters for that share of the quotas, 1 to 10,000 percent: above 100 where AWS raised them; what lies outside is taken for the nearer end, as a rate cannot be zero.
    pub(super) fn new(share_percent: u32) -> Self {
        let limiter = |operation: &Operation| {
            let rate = rate(*operation, share_percent)?;
            let quota = Quota::with_period(Duration::from_secs_f64(1.0 / rate))?.allow_burst(burst(rate));
            Some((*operation, Limiter { queue: Mutex::new(()), rate: RateLimiter::direct(quota) }))
        };
        Self(Operation::ALL.iter().filter_map(limiter).collect())
    }

    /// Waits for a turn, at most [`LONGEST_WAIT`].
    pub(super) async fn admit(&self, operation: Operation) -> Result<(), Crowded> {
        self.admit_within(operation, LONGEST_WAIT).await
    }

    async fn admit_within(&self, operation: Operation, longest: Duration) -> Result<(), Crowded> {
        let Some(limiter) = self.0.get(&operation) else {
            return Ok(());
        };
        let turn = async {
            let _front = limiter.queue.lock().await;
            limiter.rate.until_ready_with_jitter(Jitter::up_to(JITTER)).await;
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
#[allow(clippy::unwrap_used)] // A test says what it expects by panicking.
mod tests {
    use super::*;

    #[test]
    fn a_share_is_taken_of_each_quota_but_not_of_what_brings_a_key_back() {
        assert_eq!(rate(Operation::CreateKey, 25), Some(1.25));
        assert_eq!(rate(Operation::ScheduleKeyDeletion, 25), Some(3.75));
        assert_eq!(rate(Operation::DescribeKey, 1), Some(20.0));
        assert_eq!(rate(Operation::CancelKeyDeletion, 1), Some(5.0));
        assert_eq!(rate(Operation::EnableKey, 1), Some(5.0));
        assert_eq!(rate(Operation::GetCallerIdentity, 1), None);
        assert_eq!(rate(Operation::CreateKey, 0), rate(Operation::CreateKey, 1));
        assert_eq!(rate(Operation::CreateKey, 900), Some(45.0));
        assert_eq!(rate(Operation::CancelKeyDeletion, 900), Some(45.0));
        assert_eq!(rate(Operation::CreateKey, 20_000), rate(Operation::CreateKey, 10_000));
    }

    #[test]
    fn every_operation_of_kms_has_a_limiter() {
        for share in [1, 25, 100] {
            let quotas = Quotas::new(share);
            for operation in Operation::ALL {
                assert_eq!(quotas.0.contains_key(operation), operation.action().starts_with("kms:"), "{operation:?} at {share}");
            }
        }
    }

    #[tokio::test]
    async fn requests_above_the_rate_wait_for_their_turn() {
        let quotas = Quotas::new(100);
        let started = std::time::Instant::now();
        // Five at once, then one every 200 ms.
        for _ in 0..8 {
            quotas.admit(Operation::CreateKey).await.unwrap();
        }
        assert!(started.elapsed() >= Duration::from_millis(550), "{:?}", started.elapsed());
    }

    #[tokio::test]
    async fn waiting_ends() {
        // One in twenty seconds.
        let quotas = Quotas::new(1);
        let soon = Duration::from_millis(20);
        assert_eq!(quotas.admit_within(Operation::CreateKey, soon).await, Ok(()));
        assert_eq!(quotas.admit_within(Operation::CreateKey, soon).await, Err(Crowded));
        assert_eq!(quotas.admit_within(Operation::CreateAlias, soon).await, Ok(()), "each operation has its own quota");
    }
}
