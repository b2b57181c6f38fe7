//! When an object is looked at again.

use std::time::Duration;

/// The wait, a tenth more or less: a thousand objects that were looked at together are not looked at together for ever.
pub(super) fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(0.9 + 0.2 * fastrand::f64())
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
