//! The leader check that every change makes: is this process the leader now?
//!
//! It must never say yes after the moment at which another process may have taken the lease. So it does not repeat the last result of the
//! elector. Each check compares the clocks with the end of the last renewal.
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;

/// One moment on two clocks.
///
/// The monotonic clock cannot be set, but on Linux it stops while the machine sleeps. The wall clock continues then, but can be set back.
/// So both are needed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    monotonic: Instant,
    wall: SystemTime,
}

impl Moment {
    pub fn now() -> Self {
        Self { monotonic: Instant::now(), wall: SystemTime::now() }
    }

    /// The moment `later` after this one.
    pub fn plus(self, later: Duration) -> Self {
        Self { monotonic: self.monotonic + later, wall: self.wall + later }
    }

    /// Whether this moment has passed at `now` on one of the clocks.
    pub fn passed(self, now: Self) -> bool {
        now.monotonic >= self.monotonic || now.wall >= self.wall
    }

    /// The time from `now` until this moment has passed on one of the clocks. Zero if it has passed.
    pub fn remaining(self, now: Self) -> Duration {
        let monotonic = self.monotonic.saturating_duration_since(now.monotonic);
        monotonic.min(self.wall.duration_since(now.wall).unwrap_or_default())
    }
}

/// The state of a candidate. It moves down in this list, and never up.
#[derive(Clone, Debug)]
pub(super) enum Standing {
    /// It has not read the Lease yet.
    Joining,
    /// It has read the Lease, which another process holds.
    Waiting,
    /// It holds the Lease until this moment, or longer if a renewal succeeds before.
    Holding(Moment),
    /// It does not hold the Lease, and never will again. Work in progress has been informed.
    Over(Lost),
}

/// Why this process is not the leader any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// Someone wrote another holder into the Lease while this process held it.
    #[error("lease {lease} was taken by {by} while this process held it; find out who writes it (metadata.managedFields)")]
    Taken {
        /// Namespace and name.
        lease: String,
        /// The identity written there.
        by: String,
    },
    /// Someone removed the name of this process from the Lease.
    #[error("lease {lease} was cleared by someone else while this process held it; find out who writes it (metadata.managedFields)")]
    Cleared {
        /// Namespace and name.
        lease: String,
    },
    /// No renewal succeeded in time.
    #[error("lease {lease} could not be renewed in time; see the warnings before this line for the answers of the API server")]
    Expired {
        /// Namespace and name.
        lease: String,
    },
    /// This process gave up the lease.
    #[error("the lease was given up")]
    Withdrawn,
}

/// Says whether this process may act. Clones share one answer.
#[derive(Clone, Debug)]
pub struct Held(Option<Reports>);

/// What the elector reports.
#[derive(Clone, Debug)]
struct Reports {
    standing: watch::Receiver<Standing>,
    set_back: watch::Receiver<u64>,
}

impl Held {
    /// For a process without leader election. It may always act.
    #[must_use]
    pub fn always() -> Self {
        Self(None)
    }

    pub(super) fn of(standing: watch::Receiver<Standing>, set_back: watch::Receiver<u64>) -> Self {
        Self(Some(Reports { standing, set_back }))
    }

    /// Changes whenever the Lease shows that the storage of the API server went back to an earlier state. `None` without leader election,
    /// because nobody reads a Lease then.
    #[must_use]
    pub fn set_back(&self) -> Option<watch::Receiver<u64>> {
        self.0.as_ref().map(|reports| reports.set_back.clone())
    }

    /// Whether this process is the leader at this moment.
    ///
    /// Call it directly before **every** change, not once per reconcile. It costs two clock readings and a read lock. When it changes from
    /// true to false, it stays false.
    #[must_use]
    pub fn is_held(&self) -> bool {
        let Some(reports) = &self.0 else { return true };
        matches!(*reports.standing.borrow(), Standing::Holding(until) if !until.passed(Moment::now()))
    }

    /// Returns when the Lease was read, whoever holds it. This shows that the API server answers and that the rights on the Lease
    /// are sufficient.
    pub async fn joined(&self) {
        self.until(|standing| !matches!(standing, Standing::Joining)).await;
    }

    /// Returns when this process is the leader. Wait for [`lost`](Self::lost) at the same time, because this future stays pending after the
    /// lease is lost.
    pub async fn acquired(&self) {
        self.until(|standing| matches!(standing, Standing::Holding(_))).await;
    }

    /// Returns the reason when this process may never act again. It stays pending without leader election.
    pub async fn lost(&self) -> Lost {
        match self.until(|standing| matches!(standing, Standing::Over(_))).await {
            Some(Standing::Over(lost)) => lost,
            _ => std::future::pending().await,
        }
    }

    /// Waits for a standing. `None` without leader election. It stays pending if the elector ended without such a standing.
    async fn until(&self, wanted: impl FnMut(&Standing) -> bool) -> Option<Standing> {
        let mut standing = self.0.clone()?.standing;
        let found = standing.wait_for(wanted).await.map(|standing| standing.clone());
        match found {
            Ok(standing) => Some(standing),
            Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_moment_has_passed_when_either_clock_says_so() {
        let start = Moment::now();
        let until = start.plus(10 * SECOND);
        let at = |monotonic: u32, wall: i32| Moment {
            monotonic: start.monotonic + monotonic * SECOND,
            wall: if wall < 0 { start.wall - wall.unsigned_abs() * SECOND } else { start.wall + wall.unsigned_abs() * SECOND },
        };
        for (name, now, passed, remaining) in [
            ("both before", at(4, 3), false, 6),
            ("the machine slept: monotonic stood still", at(1, 22), true, 0),
            ("the wall clock was set back", at(11, -3600), true, 0),
            ("the wall clock was set back, in time", at(4, -3600), false, 6),
            ("the wall clock was set forward, a little", at(1, 8), false, 2),
            ("both exactly", at(10, 10), true, 0),
        ] {
            assert_eq!(until.passed(now), passed, "{name}");
            assert_eq!(until.remaining(now), remaining * SECOND, "{name}");
        }
    }

    #[test]
    fn held_only_while_holding_and_in_time() {
        let (sender, receiver) = watch::channel(Standing::Joining);
        let held = Held::of(receiver, watch::channel(0).1);
        let now = Moment::now();
        let past = Moment { monotonic: now.monotonic, wall: now.wall + 60 * SECOND };
        for (standing, expected) in [
            (Standing::Joining, false),
            (Standing::Waiting, false),
            (Standing::Holding(now.plus(60 * SECOND)), true),
            (Standing::Holding(past), false),
            (Standing::Over(Lost::Withdrawn), false),
        ] {
            sender.send_replace(standing.clone());
            assert_eq!(held.is_held(), expected, "{standing:?}");
        }
        assert!(Held::always().is_held());
    }

    #[tokio::test]
    async fn waiting_ends_with_the_standing_waited_for() {
        let (sender, receiver) = watch::channel(Standing::Joining);
        let held = Held::of(receiver, watch::channel(0).1);
        let (first, second) = tokio::join!(held.lost(), async {
            sender.send_replace(Standing::Waiting);
            held.joined().await;
            sender.send_replace(Standing::Holding(Moment::now().plus(60 * SECOND)));
            held.acquired().await;
            sender.send_replace(Standing::Over(Lost::Withdrawn));
            held.lost().await
        });
        assert_eq!((first, second), (Lost::Withdrawn, Lost::Withdrawn));
    }
}
