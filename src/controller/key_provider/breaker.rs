//! The circuit breaker of one KMS. While the KMS does not answer, only a few rounds probe it. The others report what the probes heard, so they do not hold
//! worker permits while they wait.
//!
//! The breaker does not stop rescues: calls about one key may hang while calls about another are answered.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::controller::waits;
use crate::{
    controller::lane::Lane,
    domain::{
        failure::{Failure, FailureKind, Outcome},
        requeue::TURNED_AWAY,
    },
};

/// How many rounds probe a KMS that does not answer, at the same time. Each holds a worker permit of its provider until its deadline, and the other rounds need
/// permits to report the outage meanwhile.
const PROBES: usize = 2;
/// How many rescues are at one KMS at the same time, whether it answers or not. Rescues have workers of their own, and one KMS that does not answer, or
/// throttles, must not hold all of them.
const RESCUES: usize = 32;

/// Whether a KMS answers, and how many rounds probe it.
#[derive(Debug, Default)]
pub struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    outage: Option<Outage>,
    probes: usize,
    rescues: usize,
    away: Option<Away>,
}

/// Rescues that were turned away and come again. The more there are, the longer each waits, so that all of them together ask about equally often.
#[derive(Debug)]
struct Away {
    pause: Duration,
    since: Instant,
    count: u32,
}

impl Away {
    fn next(before: Option<&Self>, now: Instant) -> Self {
        let Some(&Self { pause, since, count }) = before else { return Self { pause: TURNED_AWAY.0, since: now, count: 1 } };
        if now.saturating_duration_since(since) < waits::TURNED_AWAY_COUNT {
            return Self { pause, since, count: count.saturating_add(1) };
        }
        let pause = match count {
            0..=15 => pause / 2,
            16..=64 => pause,
            _ => pause.saturating_mul(2),
        };
        Self { pause: pause.clamp(TURNED_AWAY.0, TURNED_AWAY.1), since: now, count: 1 }
    }
}

impl State {
    const fn rounds(&mut self, lane: Lane) -> &mut usize {
        match lane {
            Lane::Ordinary => &mut self.probes,
            Lane::Rescue => &mut self.rescues,
        }
    }
}

#[derive(Debug)]
struct Outage {
    since: Instant,
    operation: &'static str,
    message: String,
}

/// The permission to ask the KMS, until this value is dropped.
#[derive(Debug)]
pub struct Permit<'a>(&'a Breaker, Lane);

/// Why a round gets no permit: the KMS does not answer and others probe it, or too many rescues run there.
#[derive(Debug)]
pub enum Rejected {
    /// The limit of rescues at one KMS is reached. Whether the KMS answers is not known. Trying again makes sense after this time.
    Busy(Duration),
    /// It has not answered since a moment ago.
    Lately,
    /// It has not answered for long: the last failure.
    Long(Failure),
}

impl Breaker {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long a rescue should wait before it asks for anything, if the limit of rescues is reached.
    pub fn turns_away(&self) -> Option<Duration> {
        if self.state().rescues < RESCUES {
            return None;
        }
        if let Err(Rejected::Busy(pause)) = self.permit(Lane::Rescue) { Some(pause) } else { None }
    }

    /// Gives a permit, or says why there is none.
    pub fn permit(&self, lane: Lane) -> Result<Permit<'_>, Rejected> {
        self.permit_at(lane, Instant::now())
    }

    fn permit_at(&self, lane: Lane, now: Instant) -> Result<Permit<'_>, Rejected> {
        let mut state = self.state();
        match (lane, &state.outage) {
            (Lane::Rescue, _) if state.rescues >= RESCUES => {
                let away = Away::next(state.away.as_ref(), now);
                let pause = away.pause;
                state.away = Some(away);
                return Err(Rejected::Busy(pause));
            }
            (Lane::Ordinary, Some(outage)) if state.probes >= PROBES => {
                return Err(if now.saturating_duration_since(outage.since) < waits::OUTAGE_REPORTED {
                    Rejected::Lately
                } else {
                    Rejected::Long(Failure {
                        kind: FailureKind::Unavailable,
                        operation: outage.operation,
                        message: outage.message.clone(),
                        outcome: Outcome::Refused,
                        source: None,
                    })
                });
            }
            _ => {}
        }
        *state.rounds(lane) += 1;
        Ok(Permit(self, lane))
    }

    /// Notes that the KMS answered. Returns whether keys may be waiting that reported a long outage.
    #[must_use]
    pub fn answered(&self) -> bool {
        self.answered_at(Instant::now())
    }

    fn answered_at(&self, now: Instant) -> bool {
        self.state().outage.take().is_some_and(|outage| now.saturating_duration_since(outage.since) >= waits::OUTAGE_REPORTED)
    }

    /// Notes how a call failed. A refusal is an answer, and so is a fault at one call. Returns the same as [`answered`](Self::answered).
    #[must_use]
    pub fn failed(&self, failure: &Failure) -> bool {
        self.failed_at(failure, Instant::now())
    }

    fn failed_at(&self, failure: &Failure, now: Instant) -> bool {
        // The request was not sent.
        if failure.kind == FailureKind::Waiting {
            return false;
        }
        if failure.kind != FailureKind::Unavailable {
            return self.answered_at(now);
        }
        let mut state = self.state();
        let since = state.outage.as_ref().map_or(now, |outage| outage.since);
        state.outage = Some(Outage { since, operation: failure.operation, message: failure.message.clone() });
        false
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        let rounds = state.rounds(self.1);
        *rounds = rounds.saturating_sub(1);
    }
}

/// Shows S11.
#[cfg(test)]
mod tests {
    use super::*;

    fn failure(kind: FailureKind) -> Failure {
        Failure { kind, operation: "DescribeKey", message: "kms.test did not answer".into(), outcome: Outcome::Refused, source: None }
    }

    #[test]
    fn few_rounds_probe_a_kms_that_does_not_answer_and_the_others_report_it() {
        let (breaker, began) = (Breaker::default(), Instant::now());
        let answering: Vec<_> = (0..10).map(|_| breaker.permit(Lane::Ordinary).unwrap()).collect();
        assert!(!breaker.failed_at(&failure(FailureKind::Unavailable), began));
        assert!(matches!(breaker.permit_at(Lane::Ordinary, began), Err(Rejected::Lately)));
        drop(answering);

        let probes: Vec<_> = (0..PROBES).map(|_| breaker.permit_at(Lane::Ordinary, began).unwrap()).collect();
        // The outage goes on, and counts from the first failure.
        assert!(!breaker.failed_at(&failure(FailureKind::Unavailable), began + waits::OUTAGE_REPORTED / 2));
        let Err(Rejected::Long(said)) = breaker.permit_at(Lane::Ordinary, began + waits::OUTAGE_REPORTED) else { panic!("permit") };
        assert_eq!((said.kind, said.message.as_str()), (FailureKind::Unavailable, "kms.test did not answer"));
        drop(probes);
        assert!(breaker.permit_at(Lane::Ordinary, began + waits::OUTAGE_REPORTED).is_ok(), "somebody has to find out");
        assert!(
            breaker.answered_at(began + waits::OUTAGE_REPORTED) && !breaker.answered_at(began + waits::OUTAGE_REPORTED),
            "it is news once"
        );
    }

    #[test]
    fn the_more_are_turned_away_the_longer_each_waits() {
        let (breaker, began) = (Breaker::default(), Instant::now());
        let under_way: Vec<_> = (0..RESCUES).map(|_| breaker.permit(Lane::Rescue).unwrap()).collect();
        let turned_away = |waiting: u32, second: u64| {
            let at = began + Duration::from_secs(second);
            let pauses: Vec<_> = (0..waiting)
                .map(|_| if let Err(Rejected::Busy(pause)) = breaker.permit_at(Lane::Rescue, at) { pause } else { panic!("permit") })
                .collect();
            pauses.last().copied().unwrap()
        };
        assert_eq!(turned_away(10, 0), TURNED_AWAY.0);
        for second in 1..12 {
            turned_away(1000, second);
        }
        assert_eq!(turned_away(1000, 12), TURNED_AWAY.1);
        for second in 13..24 {
            turned_away(3, second);
        }
        assert_eq!(turned_away(3, 24), TURNED_AWAY.0, "and again less when they are few");
        assert!(breaker.turns_away().is_some());
        drop(under_way);
        assert!(breaker.turns_away().is_none());
    }

    #[test]
    fn a_refusal_is_an_answer() {
        let breaker = Breaker::default();
        let refused = |breaker: &Breaker| breaker.failed(&failure(FailureKind::Denied));
        // A fault at one key says nothing about the others.
        let faulted = |breaker: &Breaker| breaker.failed(&failure(FailureKind::Faulted));
        for heard in [Breaker::answered, refused, faulted] {
            assert!(!breaker.failed(&failure(FailureKind::Unavailable)));
            assert!(!heard(&breaker), "a short outage was reported to nobody");
            let all: Vec<_> = (0..10).map(|_| breaker.permit(Lane::Ordinary)).collect();
            assert!(all.iter().all(Result::is_ok));
        }
    }

    #[test]
    fn the_breaker_stops_no_rescue_and_rescues_do_not_take_all_workers() {
        let breaker = Breaker::default();
        assert!(!breaker.failed(&failure(FailureKind::Unavailable)));
        let probes: Vec<_> = (0..PROBES).map(|_| breaker.permit(Lane::Ordinary).unwrap()).collect();
        assert!(matches!(breaker.permit(Lane::Ordinary), Err(Rejected::Lately)));
        let mut rescues: Vec<_> = (0..RESCUES).map(|_| breaker.permit(Lane::Rescue).unwrap()).collect();
        assert!(matches!(breaker.permit(Lane::Rescue), Err(Rejected::Busy(_))));
        rescues.pop();
        assert!(breaker.permit(Lane::Rescue).is_ok());
        drop(probes);
        assert!(breaker.permit(Lane::Ordinary).is_ok(), "each lane for itself");
    }
}
