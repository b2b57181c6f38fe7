//! The deadline of a round.

use std::{pin::pin, time::Instant};

use super::{
    contained::{Panicked, contained},
    error::Error,
    waits,
};
use crate::kms::Patience;

/// Runs a round until it ends, panics, or is out of time. Time that was spent waiting for turns does not count.
///
/// # Errors
/// It is out of time.
pub async fn bounded<T>(patience: Option<&Patience>, round: impl Future<Output = T>) -> Result<Result<T, Panicked>, Error> {
    let started = Instant::now();
    let mut round = pin!(contained(round));
    let mut limit = waits::ROUND;
    loop {
        if let Ok(ended) = tokio::time::timeout(limit.saturating_sub(started.elapsed()), &mut round).await {
            return Ok(ended);
        }
        let longer = waits::ROUND.saturating_add(patience.map(Patience::waited).unwrap_or_default());
        if longer <= started.elapsed() {
            return Err(Error::Timeout(waits::ROUND));
        }
        limit = longer;
    }
}
