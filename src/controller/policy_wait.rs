//! Since when the KMS does not accept the key policy of an object. A principal that was created moments ago may not be known to the KMS yet, so the policy is
//! tried again for a while before a person is asked.

use std::time::{Duration, Instant};

/// The first refusal of a policy.
#[derive(Debug, Default)]
pub struct PolicyWait(Option<(i64, Instant)>);

impl PolicyWait {
    /// The policy of that generation was refused. Returns whether it is worth to try it again soon. `principal_wait`: for how long after the first refusal it
    /// is.
    pub fn refused(&mut self, generation: i64, now: Instant, principal_wait: Duration) -> bool {
        match self.0 {
            Some((known, since)) if known == generation => now.saturating_duration_since(since) < principal_wait,
            _ => {
                self.0 = Some((generation, now));
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::requeue::NEW_PRINCIPAL;

    #[test]
    fn a_policy_is_tried_for_ten_minutes_and_a_changed_one_anew() {
        let (mut wait, start) = (PolicyWait::default(), Instant::now());
        let mut at = |generation, minutes| wait.refused(generation, start + Duration::from_mins(minutes), NEW_PRINCIPAL);
        assert!(at(1, 0) && at(1, 9) && !at(1, 10) && !at(1, 60));
        assert!(at(2, 60) && at(2, 69) && !at(2, 70));
    }
}
