//! How fast one operation may be sent. The caller passes the time, so tests need not wait.
//!
//! A KMS counts requests when they arrive. They can arrive later than they were sent, and several at once. So requests under way count as
//! well: the pace and the limit on requests under way make sure that a bucket of one second's worth is never empty, however late each
//! request arrives within [`ON_ITS_WAY`]. Other programs use the same quota, and Keyward cannot see them: when the KMS throttles, the rate
//! falls at once, and rises again slowly.

use std::time::{Duration, Instant};

use crate::kms::waits::{ARRIVAL_CHECK, CATCH_UP, ON_ITS_WAY};

/// The part of the rate that is left when the KMS throttles. A bucket gives back unused requests at once, so the rate need not fall
/// further.
const LEFT: f64 = 0.7;
/// Seconds in which the rate rises from zero to the whole quota.
const RECOVERY: f64 = 60.0;
/// The smallest part of a quota that is used. Some requests have to be sent to find out when there is more.
const LEAST: f64 = 0.02;

/// The rate of one operation.
#[derive(Debug)]
pub(super) struct Rate {
    /// The quota per second, for all programs of the account together.
    whole: f64,
    /// How much of it is used at present, and since when.
    used: f64,
    since: Instant,
    /// When the rate was last lowered.
    lowered: Option<Instant>,
    /// When the next request is due at the present rate.
    next: Instant,
    /// When the whole quota would be available again if nothing more were sent. Work that brings a key back may use all of it.
    full: Instant,
    /// Turns whose requests may not have arrived: the number, and until when it counts. `None`: not sent yet.
    under_way: Vec<(u64, Option<Instant>)>,
    granted: u64,
}

impl Rate {
    pub(super) const fn new(whole: f64, now: Instant) -> Self {
        Self { whole, used: whole, since: now, lowered: None, next: now, full: now, under_way: Vec::new(), granted: 0 }
    }

    /// Raises the quota.
    pub(super) fn raise(&mut self, whole: f64) {
        if whole > self.whole {
            (self.whole, self.used) = (whole, whole);
        }
    }

    /// How many requests may be sent at once after a quiet time. At a high rate, timers are too coarse to wait for each single turn.
    fn burst(&self) -> f64 {
        (self.whole / 10.0).floor().max(1.0)
    }

    /// How many requests may be under way. Together with a burst they are no more than one second's worth.
    fn room(&self) -> f64 {
        (self.whole * (1.0 - CATCH_UP.as_secs_f64()) - self.burst()).floor().max(1.0)
    }

    fn recover(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.since).as_secs_f64();
        self.used = (self.used + passed * self.whole / RECOVERY).min(self.whole);
        self.since = self.since.max(now);
        self.under_way.retain(|(_, until)| until.is_none_or(|until| until > now));
    }

    /// The number of a turn, or how long to wait before asking again. Work that brings a key back may use the whole quota, whatever is
    /// under way.
    pub(super) fn take(&mut self, rescues: bool, now: Instant) -> Result<u64, Duration> {
        self.recover(now);
        let due = if rescues {
            self.full.checked_sub(seconds((self.whole - 1.0).max(0.0) / self.whole))
        } else {
            #[allow(clippy::cast_precision_loss, reason = "there are no more than a few thousand")]
            if self.under_way.len() as f64 >= self.room() {
                return Err(ARRIVAL_CHECK);
            }
            // After work that brought a key back, wait until the quota that it took is available again.
            let full = self.full.checked_sub(CATCH_UP).unwrap_or(self.full);
            self.next.max(full).checked_sub(seconds((self.burst() - 1.0) / self.used))
        };
        // `checked_sub` fails for a time before the machine started. Such a turn is due.
        if let Some(wait) = due.and_then(|due| due.checked_duration_since(now)).filter(|wait| !wait.is_zero()) {
            return Err(wait);
        }
        self.next = self.next.max(now.checked_sub(CATCH_UP).unwrap_or(now)) + seconds(1.0 / self.used);
        self.full = self.full.max(now) + seconds(1.0 / self.whole);
        self.granted = self.granted.wrapping_add(1);
        self.under_way.push((self.granted, None));
        Ok(self.granted)
    }

    /// The request of that turn is sent.
    pub(super) fn sent(&mut self, turn: u64, now: Instant) {
        if let Some((_, until)) = self.under_way.iter_mut().find(|(number, _)| *number == turn) {
            *until = now.checked_add(ON_ITS_WAY);
        }
    }

    /// The request of that turn has its answer. An unused turn is given back.
    pub(super) fn ended(&mut self, turn: u64) {
        let Some(at) = self.under_way.iter().position(|(number, _)| *number == turn) else { return };
        if self.under_way.swap_remove(at).1.is_none() {
            self.next = self.next.checked_sub(seconds(1.0 / self.used)).unwrap_or(self.next);
            self.full = self.full.checked_sub(seconds(1.0 / self.whole)).unwrap_or(self.full);
        }
    }

    /// The KMS throttled a request whose turn came at `granted`. Of several requests that were under way together, only the first lowers
    /// the rate.
    pub(super) fn throttled(&mut self, granted: Instant, now: Instant) {
        self.recover(now);
        if self.lowered.is_none_or(|lowered| lowered <= granted) {
            self.used = (self.used * LEFT).max(self.whole * LEAST);
            self.lowered = Some(now);
        }
        self.next = self.next.max(now + seconds(1.0 / self.used));
        // The KMS's bucket was empty.
        self.full = self.full.max(now + seconds(1.0));
    }
}

/// Rates are between 0.05 and 200,000 per second, or a fiftieth of that.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// Shows S11.
#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    const STEP: Duration = Duration::from_millis(5);

    /// The bucket of a KMS, as its documents and the double have it.
    struct Bucket {
        rate: f64,
        tokens: f64,
        filled: Instant,
    }

    impl Bucket {
        fn new(rate: f64, now: Instant) -> Self {
            Self { rate, tokens: rate, filled: now }
        }

        fn take(&mut self, now: Instant) -> bool {
            self.tokens = (self.tokens + now.duration_since(self.filled).as_secs_f64() * self.rate).min(self.rate);
            self.filled = now;
            let enough = self.tokens >= 1.0;
            if enough {
                self.tokens -= 1.0;
            }
            enough
        }
    }

    /// What came of a run.
    #[derive(Debug, Default)]
    struct Run {
        done: usize,
        throttled: usize,
        others_done: usize,
        others_throttled: usize,
        took: Duration,
    }

    /// Sends `requests` at a quota of `quota` per second, each of which arrives after what `late` says and is answered as long after that.
    /// Another program sends one every `other`.
    fn run(quota: f64, requests: usize, other: Option<Duration>, mut late: impl FnMut() -> Duration) -> Run {
        let start = Instant::now();
        let (mut rate, mut bucket, mut run) = (Rate::new(quota, start), Bucket::new(quota, start), Run::default());
        let (mut now, mut waiting, mut next_other) = (start, requests, start);
        // When it arrives, when it is answered, its turn, and when that was granted.
        let mut on_its_way: VecDeque<(Instant, Duration, u64, Instant)> = VecDeque::new();
        let mut answers: Vec<(Instant, bool, u64, Instant)> = Vec::new();
        while run.done < requests {
            assert!(now < start + Duration::from_hours(1), "{run:?}");
            for (_, done, turn, granted) in answers.extract_if(.., |answer| answer.0 <= now) {
                rate.ended(turn);
                if done {
                    run.done += 1;
                } else {
                    run.throttled += 1;
                    waiting += 1;
                    rate.throttled(granted, now);
                }
            }
            while waiting > 0 {
                let Ok(turn) = rate.take(false, now) else { break };
                rate.sent(turn, now);
                waiting -= 1;
                let late = late();
                on_its_way.push_back((now + late, late, turn, now));
            }
            on_its_way.make_contiguous().sort_by_key(|request| request.0);
            while on_its_way.front().is_some_and(|request| request.0 <= now) {
                let (_, late, turn, granted) = on_its_way.pop_front().unwrap();
                answers.push((now + late, bucket.take(now), turn, granted));
            }
            if let Some(every) = other.filter(|_| next_other <= now) {
                next_other += every;
                if bucket.take(now) { run.others_done += 1 } else { run.others_throttled += 1 }
            }
            now += STEP;
        }
        run.took = now.duration_since(start);
        run
    }

    #[test]
    fn all_of_a_quota_is_used_and_none_is_throttled_however_late_each_arrives() {
        let mut random = fastrand::Rng::with_seed(7);
        for (what, most) in [("soon", 10), ("late", 300), ("as late as may be", 390)] {
            let run = run(5.0, 200, None, || Duration::from_millis(random.u64(0..most)));
            assert_eq!(run.throttled, 0, "{what}: {run:?}");
            assert!(run.took < Duration::from_secs(42), "{what}: {run:?}");
        }
        // A KMS, or the way to it, that stands still now and then, and lets all through at once.
        let mut number = 0;
        let stops = || {
            number += 1;
            if number % 20 < 6 { Duration::from_millis(900 - number % 20 * 40) } else { Duration::from_millis(3) }
        };
        let stopped = run(5.0, 200, None, stops);
        assert_eq!(stopped.throttled, 0, "{stopped:?}");
        for quota in [10.0, 15.0, 500.0, 2000.0] {
            let run = run(quota, 5000, None, || Duration::from_millis(random.u64(0..200)));
            assert_eq!(run.throttled, 0, "{quota}: {run:?}");
            assert!(run.took.as_secs_f64() < 5000.0 / quota * 1.02 + 1.0, "{quota}: {run:?}");
        }
    }

    #[test]
    fn the_part_of_a_quota_that_another_program_leaves_is_used() {
        let mut random = fastrand::Rng::with_seed(7);
        for (every, left) in [(400, 2.5), (250, 1.0), (1000, 4.0)] {
            // On its way, and for the jitter.
            let run = run(5.0, 200, Some(Duration::from_millis(every)), || Duration::from_millis(random.u64(0..120)));
            let ideal = 200.0 / left;
            assert!(run.took.as_secs_f64() < ideal * 1.1, "one in {every} ms: {run:?}");
            let others = run.others_done + run.others_throttled;
            assert!(run.others_throttled * 3 < others, "one in {every} ms: {run:?}");
            assert!(run.throttled * 6 < run.done, "one in {every} ms: {run:?}");
        }
    }

    #[test]
    fn a_rate_falls_once_for_what_was_under_way_together_and_rises_again() {
        let start = Instant::now();
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let mut rate = Rate::new(5.0, start);
        for _ in 0..4 {
            rate.throttled(start, at(0.1));
        }
        assert!((rate.used - 3.5).abs() < 0.1, "{rate:?}");
        for second in 1..40 {
            rate.throttled(at(f64::from(second)), at(f64::from(second) + 0.1));
        }
        assert!(rate.used >= 0.1 && rate.used < 0.7, "{rate:?}");
        rate.recover(at(110.0));
        assert!((rate.used - 5.0).abs() < f64::EPSILON, "{rate:?}");
    }

    #[test]
    fn an_unused_turn_is_given_back() {
        let now = Instant::now();
        let mut rate = Rate::new(5.0, now);
        let turn = rate.take(false, now).unwrap();
        assert!(rate.take(false, now).is_err());
        rate.ended(turn);
        let turn = rate.take(false, now).unwrap();
        rate.sent(turn, now);
        rate.ended(turn);
        assert!(rate.take(false, now).is_err());
    }

    #[test]
    fn rescues_may_use_the_whole_quota_whatever_is_under_way_or_was_throttled() {
        let now = Instant::now();
        let mut rate = Rate::new(5.0, now);
        rate.take(false, now).unwrap();
        for _ in 0..4 {
            rate.take(true, now).unwrap();
        }
        assert_eq!(rate.take(true, now), Err(Duration::from_millis(200)));
        for second in 1..20 {
            let now = now + Duration::from_secs(second);
            rate.throttled(now, now);
        }
        let later = now + Duration::from_secs(19);
        let waits: Vec<_> = [0, 200, 400].map(|millis| rate.take(true, later + Duration::from_millis(millis)).is_ok()).into();
        assert_eq!(waits, [false, true, true], "at the pace of the whole quota: {rate:?}");
        assert!(rate.take(false, later + Duration::from_millis(600)).is_err());
    }
}
