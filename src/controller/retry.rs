//! When an object is looked at again.

use std::time::Duration;

/// The wait, a tenth more or less: a thousand objects that were looked at together are not looked at together for ever.
pub(super) fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(0.9 + 0.2 * fastrand::f64())
}

/// How long to wait for the watch to show what a live read showed already, after that many rounds without it: from half a second to half a minute.
pub(super) fn unseen(rounds: u32) -> Duration {
    jittered(Duration::from_millis(500).saturating_mul(1 << rounds.saturating_sub(1).min(6)).min(Duration::from_secs(30)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_a_tenth() {
        for _ in 0..1000 {
            let wait = jittered(Duration::from_mins(10)).as_secs();
            assert!((540..=660).contains(&wait), "{wait}");
        }
    }
}
