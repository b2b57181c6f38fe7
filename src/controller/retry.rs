//! When an object is looked at again.

use std::time::Duration;

/// How soon a round begins again that gave up its place in a line. Its object changed, or it waited so long that what it saw is too old.
pub(super) const AGAIN: Duration = Duration::from_secs(1);
/// Between two looks at a key whose KMS is not done with it.
pub(super) const SOON: Duration = Duration::from_secs(10);

/// The wait, up to a fifth more: a thousand objects that were looked at together are not looked at together for ever. Never less, or a look that waits for
/// what a KMS shows late would come before it, and have to be repeated.
pub(super) fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(1.0 + 0.2 * fastrand::f64())
}

/// How long to wait for the watch to show what a live read showed already, after that many rounds without it: from half a second to half a minute, before jitter.
pub(super) fn unseen(rounds: u32) -> Duration {
    jittered(Duration::from_millis(500).saturating_mul(1 << rounds.saturating_sub(1).min(6)).min(Duration::from_secs(30)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_adds_up_to_a_fifth_and_takes_nothing_away() {
        for _ in 0..1000 {
            let wait = jittered(Duration::from_mins(10)).as_secs();
            assert!((600..=720).contains(&wait), "{wait}");
        }
    }
}
