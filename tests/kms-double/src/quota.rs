//! Request quotas: one token bucket per account, Region and operation.
//!
//! A bucket holds the quota of one second. It fills by real time, because clients pace their calls by real time.

use std::collections::HashMap;
use std::time::Instant;

/// The buckets that were used so far.
#[derive(Debug, Default)]
pub(crate) struct Quotas {
    buckets: HashMap<(String, String, &'static str), Bucket>,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Quotas {
    /// Takes `count` tokens at `per_second`. False if there are fewer.
    pub(crate) fn take(&mut self, account: &str, region: &str, operation: &'static str, per_second: u32, count: u32, now: Instant) -> bool {
        let rate = f64::from(per_second);
        let key = (account.to_owned(), region.to_owned(), operation);
        let bucket = self.buckets.entry(key).or_insert(Bucket { tokens: rate, filled: now });
        let passed = now.saturating_duration_since(bucket.filled).as_secs_f64();
        bucket.tokens = (bucket.tokens + passed * rate).min(rate);
        bucket.filled = now;
        let enough = bucket.tokens >= f64::from(count);
        if enough {
            bucket.tokens -= f64::from(count);
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn gives_a_second_s_worth_and_refills() {
        let mut quotas = Quotas::default();
        let start = Instant::now();
        let mut take = |account: &str, at: Duration| quotas.take(account, "eu-west-1", "CreateKey", 5, 1, start + at);
        assert_eq!((0..7).filter(|_| take("1", Duration::ZERO)).count(), 5);
        assert!(take("2", Duration::ZERO), "another account has its own bucket");
        assert!(take("1", Duration::from_millis(200)));
        assert!(!take("1", Duration::from_millis(200)));
    }
}
