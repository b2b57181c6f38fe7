//! The last steps on a key: how soon the same step may be done again, and how soon a read shows its effect.
//!
//! A KMS may answer with the state from before a change, even if the object changed since. And if a KMS, or another program, always puts a part of a key back,
//! the same step is due for ever. Such a step is done less and less often, however rarely the key is looked at, until a read shows that it stuck.

use std::time::{Duration, Instant};

use crate::domain::{
    requeue,
    step::{Part, Step},
};

/// How many steps on settings are remembered whose effect no read has shown yet. A key has more of them only while it is set up.
const MOST: usize = 128;

/// The last steps on one key.
#[derive(Debug, Default)]
pub struct StepBackoff {
    /// The last finished step of each part of the key. For settings, which do not exclude each other: every step whose effect no read has shown yet.
    done: Vec<Done>,
    /// When a step failed that may have taken effect anyway.
    unsure: Option<Instant>,
}

#[derive(Debug)]
struct Done {
    generation: i64,
    step: Step,
    at: Instant,
    /// How often it was done before, and was due again.
    repeats: u32,
}

impl Done {
    fn is(&self, generation: i64, step: &Step) -> bool {
        (self.generation, &self.step) == (generation, step)
    }

    /// How long the same step has to wait after `at`. A rescue waits only until the KMS must show the last one.
    fn wait(&self, consistency: Duration) -> Duration {
        if self.step.saves() {
            return consistency;
        }
        requeue::repeat(consistency, self.repeats)
    }

    /// Whether the same step would be a repeat if it was done now. A step on a setting would be, until a read shows that the last one stuck.
    fn is_recent(&self, consistency: Duration, now: Instant) -> bool {
        self.step.is_setting() || now.saturating_duration_since(self.at) < self.wait(consistency).saturating_mul(2)
    }
}

impl StepBackoff {
    /// How long the same step for the same spec has to wait. A KMS shows a change within `consistency`.
    pub fn too_soon(&self, generation: i64, step: &Step, consistency: Duration, now: Instant) -> Option<Duration> {
        let done = self.done.iter().find(|done| done.is(generation, step))?;
        done.wait(consistency).checked_sub(now.saturating_duration_since(done.at))
    }

    /// How long a read has to wait until the KMS shows all steps. A read before that may show the state from before them, so nothing may be concluded from it,
    /// not even that the key is as declared. It does not matter for which spec a step was done.
    pub fn unsettled(&self, consistency: Duration, now: Instant) -> Option<Duration> {
        let times = self.done.iter().map(|done| done.at).chain(self.unsure);
        times.filter_map(|at| consistency.checked_sub(now.saturating_duration_since(at))).max()
    }

    /// The same for a rescue. It waits only for steps that it would repeat: a key that is seen pending or disabled is brought back at once, even if it was
    /// scheduled a moment ago. After a bind the marks are read back first, because another cluster may have set its own.
    pub fn unsaved(&self, step: &Step, consistency: Duration, now: Instant) -> Option<Duration> {
        let waits = |done: &&Done| match (&done.step, step) {
            // A key that was enabled had its deletion cancelled just before that.
            (Step::Bind { .. }, _) | (Step::Enable, Step::Cancel) => true,
            (before, step) => before == step,
        };
        let done = self.done.iter().filter(waits);
        done.filter_map(|done| consistency.checked_sub(now.saturating_duration_since(done.at))).max()
    }

    /// Remembers a step, and returns how often it was done before and did not stick.
    pub fn stepped(&mut self, generation: i64, step: &Step, consistency: Duration, now: Instant) -> u32 {
        let before = self.done.iter().find(|done| done.is(generation, step));
        let soon = before.filter(|done| done.is_recent(consistency, now));
        let repeats = soon.map_or(0, |done| done.repeats.saturating_add(1));
        let stands =
            |done: &Done| done.step.part() != step.part() || (step.is_setting() && done.generation == generation && done.step != *step);
        self.done.retain(stands);
        if self.done.len() >= MOST {
            self.done.remove(0);
        }
        self.done.push(Done { generation, step: step.clone(), at: now, repeats });
        repeats
    }

    /// A read shows that this part of the key is as declared.
    pub fn stuck(&mut self, part: Part) {
        self.done.retain(|done| done.step.part() != part);
        self.done.shrink_to_fit();
    }

    /// Remembers that a step failed and may have taken effect, at least in part.
    pub const fn unsure(&mut self, now: Instant) {
        self.unsure = Some(now);
    }

    /// Forgets steps that are so old that the same step would not be a repeat.
    pub fn forget(&mut self, consistency: Duration, now: Instant) {
        self.done.retain(|done| done.is_recent(consistency, now));
        self.done.shrink_to_fit();
    }
}

/// Shows S7.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        deletion::{Passed, Saying},
        step::{Destruction, How},
    };

    const TEN: Duration = Duration::from_secs(10);

    /// Does a step again and again, each time as soon as allowed, and returns the waits.
    fn waits(step: &Step, times: usize) -> Vec<u64> {
        let (mut recent, mut now) = (StepBackoff::default(), Instant::now());
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
    fn a_key_that_is_never_as_declared_is_changed_less_and_less_often() {
        let describe = Step::Describe { description: "orders".into() };
        assert_eq!(waits(&describe, 8), [10, 20, 40, 80, 160, 320, 600, 600]);
        assert_eq!(waits(&Step::Enable, 4), [10; 4], "a key is brought back at once, each time");
    }

    #[test]
    fn forgetting_a_step_changes_no_wait() {
        let (mut recent, mut now) = (StepBackoff::default(), Instant::now());
        recent.stepped(1, &Step::Disable, TEN, now);
        now += TEN;
        recent.stepped(1, &Step::Disable, TEN, now);
        recent.forget(TEN, now + Duration::from_secs(39));
        assert_eq!(recent.too_soon(1, &Step::Disable, TEN, now), Some(2 * TEN), "a repeat is remembered for twice its wait");
        recent.forget(TEN, now + 4 * TEN);
        assert!(recent.done.is_empty());
    }

    #[test]
    fn a_setting_that_never_sticks_is_put_right_less_often_however_rarely_it_is_seen() {
        let day = Duration::from_hours(24);
        let aliases = ["alias/one", "alias/two"].map(|alias| Step::AddAlias { alias: alias.into() });
        let (mut recent, mut now) = (StepBackoff::default(), Instant::now());
        let mut waits = Vec::new();
        for _ in 0..8 {
            for alias in &aliases {
                recent.stepped(1, alias, TEN, now);
            }
            recent.forget(TEN, now + day);
            waits.push(aliases.each_ref().map(|alias| recent.too_soon(1, alias, TEN, now).unwrap_or_default().as_secs()));
            now += day;
        }
        assert_eq!(waits, [10, 20, 40, 80, 160, 320, 600, 600].map(|wait| [wait; 2]));

        recent.stuck(Part::Tags);
        assert_eq!(recent.stepped(1, &aliases[0], TEN, now), 8, "that was another part");
        recent.stuck(Part::Aliases);
        assert_eq!((recent.stepped(1, &aliases[0], TEN, now), recent.stepped(2, &aliases[1], TEN, now)), (0, 0));
        recent.stepped(2, &aliases[0], TEN, now);
        assert_eq!(recent.stepped(3, &aliases[0], TEN, now), 0, "another spec");
        assert_eq!(recent.done.len(), 1, "what was for an earlier spec is forgotten");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut recent, now) = (StepBackoff::default(), Instant::now());
        for number in 0..10 * MOST {
            recent.stepped(1, &Step::AddAlias { alias: format!("alias/{number}") }, TEN, now);
        }
        assert_eq!(recent.done.len(), MOST);
    }

    #[test]
    fn another_step_or_spec_does_not_wait_and_neither_does_a_step_that_stuck() {
        let (mut recent, now) = (StepBackoff::default(), Instant::now());
        let describe = |text: &str| Step::Describe { description: text.into() };
        recent.stepped(1, &describe("orders"), TEN, now);
        assert_eq!(recent.too_soon(1, &describe("orders"), TEN, now), Some(TEN));
        assert_eq!(recent.too_soon(1, &describe("invoices"), TEN, now), None);
        assert_eq!(recent.too_soon(2, &describe("orders"), TEN, now), None);
        let later = now + 2 * TEN;
        recent.stuck(Part::Description);
        recent.stepped(1, &describe("orders"), TEN, later);
        assert_eq!(recent.too_soon(1, &describe("orders"), TEN, later), Some(TEN));
    }
    #[test]
    fn nothing_is_concluded_until_the_kms_shows_what_was_done() {
        let (mut recent, now) = (StepBackoff::default(), Instant::now());
        assert_eq!(recent.unsettled(TEN, now), None);
        recent.stepped(1, &Step::Enable, TEN, now);
        recent.stepped(2, &Step::Describe { description: "orders".into() }, TEN, now + TEN / 2);
        assert_eq!(recent.unsettled(TEN, now + TEN / 2), Some(TEN), "the last step counts");
        assert_eq!(recent.unsettled(TEN, now + TEN), Some(TEN / 2));
        assert_eq!(recent.unsettled(TEN, now + TEN * 3 / 2 + Duration::from_millis(1)), None);

        let mut recent = StepBackoff::default();
        recent.unsure(now);
        assert_eq!(recent.unsettled(TEN, now), Some(TEN), "a lost reply may have been to a change");
    }

    #[test]
    fn a_key_is_brought_back_at_once_unless_that_was_just_done() {
        let passed = Passed::Edge;
        let bind = Step::Bind { how: How::Adopt, say: Saying::Live };
        let rows = [
            (Step::Destroy(Destruction::Schedule { days: 7, passed }), Step::Cancel, None),
            (Step::Disable, Step::Enable, None),
            (Step::Cancel, Step::Enable, None),
            (Step::Mark { say: Saying::Live }, Step::Enable, None),
            (Step::Cancel, Step::Cancel, Some(TEN)),
            (Step::Enable, Step::Cancel, Some(TEN)),
            (Step::Enable, Step::Enable, Some(TEN)),
            (bind.clone(), Step::Enable, Some(TEN)),
        ];
        for (before, step, wait) in rows {
            let (mut recent, now) = (StepBackoff::default(), Instant::now());
            recent.stepped(1, &before, TEN, now);
            recent.unsure(now);
            assert_eq!(recent.unsaved(&step, TEN, now), wait, "{step} after {before}");
        }
    }
}
