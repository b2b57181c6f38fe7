//! The last step of each part of a key: how soon the same may be done again, and how soon a look shows what was done.
//!
//! A KMS may answer with the state from before a change. And where a KMS, or another program, never leaves a part of a key as declared, the same step is
//! due for ever: it is done less and less often.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::domain::step::{Part, Step};

/// The longest wait between two equal steps.
const LONGEST: Duration = Duration::from_mins(10);

/// The last steps on one key.
#[derive(Debug, Default)]
pub struct Recent(HashMap<Part, Done>);

#[derive(Debug)]
struct Done {
    generation: i64,
    step: Step,
    at: Instant,
    /// How often it was done before, each time soon after the last.
    repeats: u32,
}

impl Done {
    fn is(&self, generation: i64, step: &Step) -> bool {
        (self.generation, &self.step) == (generation, step)
    }

    /// How long the same step has to wait from `at` on. What brings a key back waits no longer than the KMS needs to show it.
    fn wait(&self, consistency: Duration) -> Duration {
        if self.step.saves() {
            return consistency;
        }
        consistency.saturating_mul(1 << self.repeats.min(10)).min(LONGEST.max(consistency))
    }

    /// Whether the same step, done now, would be a repeat.
    fn is_recent(&self, consistency: Duration, now: Instant) -> bool {
        now.saturating_duration_since(self.at) < self.wait(consistency).saturating_mul(2)
    }
}

impl Recent {
    /// How long the same step for the same spec has to wait. A KMS shows a change within `consistency`.
    pub fn too_soon(&self, generation: i64, step: &Step, consistency: Duration, now: Instant) -> Option<Duration> {
        let done = self.0.get(&step.part()).filter(|done| done.is(generation, step))?;
        done.wait(consistency).checked_sub(now.saturating_duration_since(done.at))
    }

    /// How long a look has to wait until the KMS shows all that was done for the same spec. One that came sooner may have seen the state from before, and
    /// what follows from that is neither done nor reported. Marks that were set to bind a key are waited for whatever the spec: another cluster may have set
    /// its own.
    pub fn unsettled(&self, generation: i64, consistency: Duration, now: Instant) -> Option<Duration> {
        let done = self.0.values().filter(|done| done.generation == generation || matches!(done.step, Step::Bind { .. }));
        done.filter_map(|done| consistency.checked_sub(now.saturating_duration_since(done.at))).max()
    }

    /// Remembers a step.
    pub fn stepped(&mut self, generation: i64, step: &Step, consistency: Duration, now: Instant) {
        let before = self.0.get(&step.part()).filter(|done| done.is(generation, step));
        let soon = before.filter(|done| done.is_recent(consistency, now));
        let repeats = soon.map_or(0, |done| done.repeats.saturating_add(1));
        self.0.insert(step.part(), Done { generation, step: step.clone(), at: now, repeats });
    }

    /// Forgets steps so long ago that the same would not count as repeated.
    pub fn forget(&mut self, consistency: Duration, now: Instant) {
        self.0.retain(|_, done| done.is_recent(consistency, now));
        self.0.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{deletion::Saying, step::How};

    const TEN: Duration = Duration::from_secs(10);

    /// Does a step as soon as it may be done, again and again; gives the waits.
    fn waits(step: &Step, times: usize) -> Vec<u64> {
        let (mut recent, mut now) = (Recent::default(), Instant::now());
        let mut waits = Vec::new();
        for _ in 0..times {
            recent.stepped(1, step, TEN, now);
            let wait = recent.too_soon(1, step, TEN, now).unwrap_or_default();
            waits.push(wait.as_secs());
            now += wait;
        }
        waits
    }

    #[test]
    fn what_is_never_as_declared_is_put_right_less_and_less_often() {
        let describe = Step::Describe { description: "orders".into() };
        assert_eq!(waits(&describe, 8), [10, 20, 40, 80, 160, 320, 600, 600]);
        assert_eq!(waits(&Step::Enable, 4), [10; 4], "a key is brought back at once, each time");
    }

    #[test]
    fn what_is_forgotten_changes_no_wait() {
        let describe = Step::Describe { description: "orders".into() };
        let (mut recent, mut now) = (Recent::default(), Instant::now());
        recent.stepped(1, &describe, TEN, now);
        now += TEN;
        recent.stepped(1, &describe, TEN, now);
        recent.forget(TEN, now + Duration::from_secs(39));
        assert_eq!(recent.too_soon(1, &describe, TEN, now), Some(2 * TEN), "a repeat is remembered for twice its wait");
        recent.forget(TEN, now + 4 * TEN);
        assert!(recent.0.is_empty());
    }

    #[test]
    fn another_step_or_spec_does_not_wait_and_after_a_quiet_time_none_does() {
        let (mut recent, now) = (Recent::default(), Instant::now());
        let describe = |text: &str| Step::Describe { description: text.into() };
        recent.stepped(1, &describe("orders"), TEN, now);
        assert_eq!(recent.too_soon(1, &describe("orders"), TEN, now), Some(TEN));
        assert_eq!(recent.too_soon(1, &describe("invoices"), TEN, now), None);
        assert_eq!(recent.too_soon(2, &describe("orders"), TEN, now), None);
        assert_eq!((recent.unsettled(1, TEN, now), recent.unsettled(2, TEN, now)), (Some(TEN), None));

        let bind = Step::Bind { how: How::Adopt, say: Saying::Live };
        recent.stepped(1, &bind, TEN, now);
        assert_eq!(recent.unsettled(2, TEN, now), Some(TEN), "marks are read back first");

        let later = now + 2 * TEN;
        recent.stepped(1, &describe("orders"), TEN, later);
        assert_eq!(recent.too_soon(1, &describe("orders"), TEN, later), Some(TEN));
    }
}
