//! When an object is looked at again: every wait between two rounds, in one table.
//!
//! A round ends with one [`Next`], and [`Next::wait`] turns it into a time. To add a rule, add a variant with its sentence, its constant, its arm in
//! `Next::length`, and a row in the test below. Then return it where the round ends: `finish` in `src/controller/managed_key/report.rs` for a key,
//! `round` in `src/controller/key_provider/reconcile.rs` for a provider.
//!
//! Times that do not decide when one object is looked at again, such as the deadlines of calls and rounds and the pace of tasks in the background, are in
//! `src/controller/waits.rs` and `src/kms/waits.rs`. How long something counts in a decision is in `src/domain/periods.rs`.

use std::time::Duration;

use super::{
    deletion::hold::Hold,
    failure::Retry,
    plan::{Gone, Plan},
};
use crate::api::Reason;

/// The wait between two regular reads, for an object whose provider is not there to say how long.
pub const RESYNC: Duration = Duration::from_mins(10);
/// Between two reads of something that is expected to change by itself: a key that the KMS is still working on, a provider that is being tried.
pub const SOON: Duration = Duration::from_secs(10);
/// The shortest wait after a round that came to its end, however short the times are that the flags set.
pub const SHORTEST: Duration = Duration::from_millis(100);
/// How soon to see whether the round of the same object in the other lane is over.
pub const BUSY: Duration = Duration::from_millis(200);
/// How soon a round begins again that gave up its turn within a quota. Its object changed, or what it had read is too old by now.
pub const TURN_GIVEN_UP: Duration = Duration::from_secs(1);
/// The first and the longest wait of [`Retry::Backoff`].
pub const BACKOFF: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(10));
/// The first wait of [`Retry::Slow`].
pub const SLOW: Duration = Duration::from_secs(30);
/// The first and the longest wait for the watch to show a change that was already seen without it.
pub const UNSEEN: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// The shortest and the longest wait of a rescue that was turned away because too many others are at the same KMS.
pub const TURNED_AWAY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));
/// The longest wait before a step is repeated that did not stick.
pub const LONGEST_REPEAT: Duration = Duration::from_mins(10);
/// How long a key policy is tried again that names a principal and that the KMS does not accept. AWS advises to wait, because it may not know a new principal
/// yet (AWS KMS API reference, `PutKeyPolicy`).
pub const NEW_PRINCIPAL: Duration = Duration::from_mins(10);
/// How much longer a wait can become by jitter, as a share of it.
const JITTER: f64 = 0.2;

/// The times that people set, as far as waits depend on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Between two regular reads: `resyncSeconds` of the provider.
    pub resync: Duration,
    /// How long a KMS may answer with the state from before a change.
    pub consistency: Duration,
    /// For how long a key must not be found before it is taken for gone.
    pub missing_after: Duration,
    /// For how long a creation whose outcome is not known bars another.
    pub attempt_wait: Duration,
}

/// When an object is looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Only when it changes: the object is gone, or this version does not understand it.
    OnChange,
    /// At once: it changed while it waited for its permit, or the next round has to begin as one of another kind.
    AtOnce,
    /// A round of the same object is under way in the other lane.
    Busy,
    /// Nothing is left to do, or a person has to act: at the next regular read.
    Regular,
    /// Something is expected to change by itself.
    Soon,
    /// The round changed the key: once the KMS must show the change.
    Changed,
    /// The key was not found, and that is not certain yet: twice until it would be.
    NotFound,
    /// A creation of unknown outcome is waited for, and each round reads the tags of every key: ten times until another creation is allowed.
    Searching,
    /// The KMS is not done yet, or the round had no time left: soon, and before another creation is allowed.
    Working,
    /// A call failed, so often in a row.
    Retry(Retry, u32),
    /// Somebody else changed the object, so often in a row: when the watch is expected to show it.
    Unseen(u32),
    /// The round gave up its turn within a quota.
    TurnGivenUp,
    /// A rescue was turned away for so long because too many others are at the same KMS.
    TurnedAway(Duration),
    /// Exactly when this time is over: until then nothing can be done, or concluded from a read.
    Until(Duration),
    /// In so long, which [`Next::after_plan`] made of several rules.
    In(Duration),
}

/// What a round that came to the end of its plan leaves for a later one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leftover {
    /// How soon a setting may be set again that did not stick.
    pub unkept: Option<Duration>,
    /// How soon an alias is looked at again that stays on the key for now, or a rotation on demand whose outcome is not known.
    pub lingers: Option<Duration>,
    /// When what failed, and without which the round went on, is tried again.
    pub failed: Vec<Retry>,
    /// In how many rounds in a row a call failed.
    pub failures: u32,
}

impl Next {
    /// After a round that came to the end of its plan. `changed`: it did steps. `attempt_open`: the outcome of a creation is not known.
    #[must_use]
    pub const fn of_plan(plan: &Plan, changed: bool, attempt_open: bool) -> Self {
        match plan {
            Plan::Rest(_) if changed => Self::Changed,
            Plan::Hold(hold) => Self::of_hold(hold),
            Plan::Rest(_) | Plan::Stall(_) | Plan::Missing(_, _, Gone::Deleted | Gone::Lost) => Self::Regular,
            Plan::Missing(_, _, Gone::Unsure) => Self::NotFound,
            Plan::Wait(_) if attempt_open => Self::Searching,
            Plan::Wait(_) | Plan::Do(_) | Plan::Read(_) => Self::Working,
        }
    }

    /// After a deletion was held, by the plan or by the guard. A view that was too old is soon replaced. Other holds end with a change of the object or of
    /// its provider, or after days.
    #[must_use]
    pub const fn of_hold(hold: &Hold) -> Self {
        if matches!(hold.reason, Reason::StaleObject | Reason::StaleView) { Self::Soon } else { Self::Regular }
    }

    /// The same while something is left for a later round.
    #[must_use]
    pub fn after_plan(self, left: &Leftover, pace: &Pace) -> Self {
        let planned = left.unkept.map_or_else(|| self.length(pace).unwrap_or(pace.resync), |unkept| pace.resync.min(unkept));
        let planned = left.lingers.map_or(planned, |lingers| planned.min(lingers.max(SHORTEST)));
        let retried = left.failed.iter().map(|retry| retry.wait(left.failures, pace.resync)).min();
        match retried {
            None if left.unkept.is_none() && left.lingers.is_none() => self,
            None => Self::In(planned),
            Some(retried) if left.lingers.is_some() => Self::In(retried.min(planned)),
            Some(retried) => Self::In(retried),
        }
    }

    /// The table: how long it is, before jitter; `None`: until the object changes.
    fn length(self, pace: &Pace) -> Option<Duration> {
        Some(match self {
            Self::OnChange => return None,
            Self::AtOnce => Duration::ZERO,
            Self::Busy => BUSY,
            Self::Regular => pace.resync,
            Self::Soon => SOON,
            Self::Changed => pace.consistency.max(SHORTEST),
            Self::NotFound => (pace.missing_after / 2).max(SHORTEST),
            Self::Searching => pace.attempt_wait / 10,
            Self::Working => SOON.min(pace.attempt_wait),
            Self::Retry(retry, failures) => retry.wait(failures, pace.resync),
            Self::Unseen(rounds) => doubled(UNSEEN.0, rounds).min(UNSEEN.1),
            Self::TurnGivenUp => TURN_GIVEN_UP,
            Self::TurnedAway(wait) | Self::Until(wait) | Self::In(wait) => wait,
        })
    }

    /// Whether the time is exact. Every other wait has jitter.
    const fn is_exact(self) -> bool {
        matches!(self, Self::OnChange | Self::AtOnce | Self::TurnGivenUp | Self::Until(_))
    }

    /// How long it is; `None`: until the object changes. `chance`, from 0 to 1, chooses the jitter.
    #[must_use]
    pub fn wait(self, pace: &Pace, chance: f64) -> Option<Duration> {
        let length = self.length(pace)?;
        Some(if self.is_exact() { length } else { jittered(length, chance) })
    }
}

/// The wait, up to a fifth longer, so that a thousand objects that were looked at together are not looked at together for ever. It is never shorter: a read
/// that waits until the KMS shows a change must not come before that.
fn jittered(wait: Duration, chance: f64) -> Duration {
    wait.mul_f64(1.0 + JITTER * chance.clamp(0.0, 1.0))
}

/// How long a step waits that was done `repeats` times before and did not stick. A KMS shows a change within `consistency`.
#[must_use]
pub fn repeat(consistency: Duration, repeats: u32) -> Duration {
    doubled(consistency, repeats.saturating_add(1)).min(LONGEST_REPEAT.max(consistency))
}

impl Retry {
    /// How long to wait after `failures` failures in a row, before jitter; `resync` is the wait between regular reads.
    #[must_use]
    pub fn wait(self, failures: u32, resync: Duration) -> Duration {
        match self {
            Self::Resync => resync,
            // A schedule that was denied is sent again for 15 minutes after the denial, so the wait is shorter than that.
            Self::Slow => doubled(SLOW, failures).min(resync).min(BACKOFF.1),
            Self::Backoff => doubled(BACKOFF.0, failures).min(BACKOFF.1),
        }
    }

    /// How often it is tried again, for a person who mends what is wrong and waits for it; `None`: it passes by itself, or nothing is tried until something
    /// changes.
    #[must_use]
    pub fn told(self, resync: Duration) -> Option<String> {
        if self != Self::Slow {
            return None;
        }
        let (first, last) = (self.wait(1, resync).as_secs(), self.wait(u32::MAX, resync).as_secs());
        Some(if first == last {
            format!("it is tried again every {last} seconds")
        } else {
            format!("it is tried again after {first} seconds, then less often, and at least every {last} seconds")
        })
    }
}

/// A wait that doubles with each failure.
const fn doubled(first: Duration, failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1);
    first.saturating_mul(1 << if doublings < 10 { doublings } else { 10 })
}

/// Why rounds fail. Each cause is counted by itself, so that none makes the wait of another longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A call to the KMS failed, or the provider cannot be used.
    Kms,
    /// Somebody else changed the object during the round.
    Changed,
    /// The API server refused or did not answer, or the round did not end in time.
    Unended,
    /// The round panicked.
    Panicked,
}

/// How often in a row rounds of one object failed, for each cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    kms: u32,
    changed: u32,
    unended: u32,
    panicked: u32,
}

impl Failures {
    /// Counts one more failure, and returns how many there were in a row.
    pub const fn count(&mut self, cause: Cause) -> u32 {
        let count = match cause {
            Cause::Kms => &mut self.kms,
            Cause::Changed => &mut self.changed,
            Cause::Unended => &mut self.unended,
            Cause::Panicked => &mut self.panicked,
        };
        *count = count.saturating_add(1);
        *count
    }

    /// A round was reported in the status. Whatever the KMS said, every other row of failures is over.
    pub const fn reported(&mut self) {
        *self = Self { kms: self.kms, changed: 0, unended: 0, panicked: 0 };
    }

    /// Calls to the KMS succeeded.
    pub const fn succeeded(&mut self) {
        self.kms = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::managed_key::Missing,
        domain::plan::{Note, Read, Rest},
    };

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    const PACE: Pace = Pace { resync: seconds(3600), consistency: seconds(20), missing_after: seconds(300), attempt_wait: seconds(1800) };

    #[test]
    fn each_rule_has_its_wait() {
        let millis = Duration::from_millis;
        for (next, least, most) in [
            (Next::AtOnce, seconds(0), seconds(0)),
            (Next::Busy, millis(200), millis(240)),
            (Next::Regular, seconds(3600), seconds(4320)),
            (Next::Soon, seconds(10), seconds(12)),
            (Next::Changed, seconds(20), seconds(24)),
            (Next::NotFound, seconds(150), seconds(180)),
            (Next::Searching, seconds(180), seconds(216)),
            (Next::Working, seconds(10), seconds(12)),
            (Next::Retry(Retry::Resync, 1), seconds(3600), seconds(4320)),
            (Next::Retry(Retry::Slow, 1), seconds(30), seconds(36)),
            (Next::Retry(Retry::Slow, 9), seconds(600), seconds(720)),
            (Next::Retry(Retry::Backoff, 1), seconds(5), seconds(6)),
            (Next::Retry(Retry::Backoff, 3), seconds(20), seconds(24)),
            (Next::Retry(Retry::Backoff, u32::MAX), seconds(600), seconds(720)),
            (Next::Unseen(1), millis(500), millis(600)),
            (Next::Unseen(3), seconds(2), millis(2400)),
            (Next::Unseen(u32::MAX), seconds(30), seconds(36)),
            (Next::TurnGivenUp, seconds(1), seconds(1)),
            (Next::TurnedAway(seconds(10)), seconds(10), seconds(12)),
            (Next::Until(seconds(7)), seconds(7), seconds(7)),
            (Next::In(seconds(10)), seconds(10), seconds(12)),
        ] {
            assert_eq!((next.wait(&PACE, 0.0), next.wait(&PACE, 1.0)), (Some(least), Some(most)), "{next:?}");
        }
        assert_eq!(Next::OnChange.wait(&PACE, 0.0), None);
        // Tests set these times to nothing, and a round must not follow another at once.
        let none = Pace { resync: RESYNC, consistency: Duration::ZERO, missing_after: Duration::ZERO, attempt_wait: Duration::ZERO };
        assert_eq!([Next::Changed, Next::NotFound].map(|next| next.wait(&none, 0.0)), [Some(SHORTEST); 2]);
    }

    #[test]
    fn each_plan_has_its_rule() {
        let note = || Note { reason: Reason::Creating, message: "x".into() };
        let hold = |reason, passes| Plan::Hold(Hold { reason, message: "x".into(), passes, used: None });
        let missing = |gone| {
            let time = crate::api::condition::seconds(jiff::Timestamp::UNIX_EPOCH);
            Plan::Missing(Missing { count: 1, first_time: time }, note(), gone)
        };
        for (plan, changed, attempt_open, next) in [
            (Plan::Rest(Rest::default()), false, false, Next::Regular),
            (Plan::Rest(Rest::default()), true, false, Next::Changed),
            (Plan::Stall(note()), true, true, Next::Regular),
            (hold(Reason::NotOwned, false), true, false, Next::Regular),
            (hold(Reason::OtherFinalizers, true), false, false, Next::Regular),
            (hold(Reason::KeyInUse, true), false, false, Next::Regular),
            (hold(Reason::StaleObject, true), false, false, Next::Soon),
            (hold(Reason::StaleView, true), false, false, Next::Soon),
            (missing(Gone::Unsure), false, false, Next::NotFound),
            (missing(Gone::Deleted), false, false, Next::Regular),
            (missing(Gone::Lost), false, false, Next::Regular),
            (Plan::Wait(note()), false, true, Next::Searching),
            (Plan::Wait(note()), false, false, Next::Working),
            (Plan::Read(Read::Facets), false, false, Next::Working),
        ] {
            assert_eq!(Next::of_plan(&plan, changed, attempt_open), next, "{plan:?}");
        }
    }

    #[test]
    fn what_is_left_for_later_brings_the_next_round_forward() {
        let left = |unkept: Option<u64>, lingers: Option<u64>, failed: &[Retry]| Leftover {
            unkept: unkept.map(seconds),
            lingers: lingers.map(seconds),
            failed: failed.to_vec(),
            failures: 2,
        };
        for (left, next) in [
            (left(None, None, &[]), Next::Regular),
            (left(Some(40), None, &[]), Next::In(seconds(40))),
            (left(Some(9999), None, &[]), Next::In(PACE.resync)),
            (left(None, Some(10), &[]), Next::In(seconds(10))),
            (left(Some(40), Some(0), &[]), Next::In(SHORTEST)),
            (left(None, None, &[Retry::Slow, Retry::Backoff]), Next::In(seconds(10))),
            (left(Some(5), None, &[Retry::Backoff]), Next::In(seconds(10))),
            (left(None, Some(5), &[Retry::Backoff]), Next::In(seconds(5))),
            (left(None, Some(50), &[Retry::Backoff]), Next::In(seconds(10))),
        ] {
            assert_eq!(Next::Regular.after_plan(&left, &PACE), next, "{left:?}");
        }
    }

    #[test]
    fn a_step_that_does_not_stick_is_repeated_less_and_less_often() {
        let waits: Vec<_> = (0..8).map(|repeats| repeat(seconds(10), repeats).as_secs()).collect();
        assert_eq!(waits, [10, 20, 40, 80, 160, 320, 600, 600]);
        assert_eq!(repeat(seconds(900), 3), seconds(900), "never before the KMS must show it");
    }

    #[test]
    fn no_cause_of_failures_makes_the_wait_of_another_longer() {
        let mut failures = Failures::default();
        for _ in 0..5 {
            failures.count(Cause::Changed);
            failures.count(Cause::Unended);
            failures.count(Cause::Panicked);
        }
        assert_eq!(failures.count(Cause::Kms), 1);
        failures.reported();
        assert_eq!([Cause::Changed, Cause::Unended, Cause::Panicked].map(|cause| failures.count(cause)), [1; 3]);
        assert_eq!(failures.count(Cause::Kms), 2, "a reported failure is still a failure");
        failures.succeeded();
        assert_eq!(failures.count(Cause::Kms), 1);
    }

    #[test]
    fn backoff_doubles_from_five_seconds_to_ten_minutes() {
        let waits: Vec<_> = (1..=9).map(|n| Retry::Backoff.wait(n, Duration::ZERO).as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 600, 600]);
    }

    #[test]
    fn it_is_said_how_often_what_was_denied_is_tried_again() {
        let told = |retry: Retry, resync| retry.told(seconds(resync));
        assert_eq!(
            told(Retry::Slow, 3600).as_deref(),
            Some("it is tried again after 30 seconds, then less often, and at least every 600 seconds")
        );
        assert_eq!(told(Retry::Slow, 30).as_deref(), Some("it is tried again every 30 seconds"));
        assert_eq!((told(Retry::Backoff, 30), told(Retry::Resync, 30)), (None, None));
    }

    #[test]
    fn what_was_denied_is_tried_again_within_the_resync() {
        let waits = |resync: u64| (1..=7).map(|n| Retry::Slow.wait(n, seconds(resync)).as_secs()).collect::<Vec<_>>();
        assert_eq!(waits(600), [30, 60, 120, 240, 480, 600, 600]);
        assert_eq!(waits(30), [30; 7]);
        assert_eq!(waits(86_400), [30, 60, 120, 240, 480, 600, 600], "a denied schedule is sent again before it is held");
    }
}
