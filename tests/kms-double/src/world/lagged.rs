//! A value that readers see late.
//!
//! AWS says that a change may take seconds, at times minutes, to be visible everywhere. With a lag of N ms, a reader sees the state
//! from before any change that is younger than that, `NotFound` after a creation included. Writers always see the newest state.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The present value and those that a reader may still see.
#[derive(Debug)]
pub(crate) struct Lagged<T> {
    present: Option<T>,
    /// Each with the time from which on its successor is visible; oldest first.
    past: VecDeque<(Instant, Option<T>)>,
}

impl<T> Default for Lagged<T> {
    fn default() -> Self {
        Self { present: None, past: VecDeque::new() }
    }
}

impl<T: Clone> Lagged<T> {
    /// The newest value.
    pub(crate) fn present(&self) -> Option<&T> {
        self.present.as_ref()
    }

    /// What a reader sees at `now`.
    pub(crate) fn seen(&self, now: Instant) -> Option<&T> {
        let stale = self.past.iter().find(|(until, _)| *until > now);
        stale.map_or(self.present.as_ref(), |(_, value)| value.as_ref())
    }

    /// Opens the value for a change that readers see `lag` after `now`.
    pub(crate) fn change(&mut self, now: Instant, lag: Duration) -> &mut Option<T> {
        self.past.retain(|(until, _)| *until > now);
        if !lag.is_zero() {
            self.past.push_back((now + lag, self.present.clone()));
        }
        &mut self.present
    }

    /// Whether neither writers nor readers can see anything any more.
    pub(crate) fn is_gone(&self, now: Instant) -> bool {
        self.present.is_none() && self.seen(now).is_none() && self.past.iter().all(|(until, _)| *until <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_see_the_state_before_the_oldest_young_change() {
        let lag = Duration::from_millis(100);
        let start = Instant::now();
        let mut value = Lagged::default();
        *value.change(start, lag) = Some(1);
        *value.change(start + Duration::from_millis(60), lag) = Some(2);

        assert_eq!(value.present(), Some(&2));
        assert_eq!(value.seen(start + Duration::from_millis(99)), None);
        assert_eq!(value.seen(start + Duration::from_millis(100)), Some(&1));
        assert_eq!(value.seen(start + Duration::from_millis(160)), Some(&2));

        *value.change(start + Duration::from_millis(200), lag) = None;
        assert!(!value.is_gone(start + Duration::from_millis(201)));
        assert!(value.is_gone(start + Duration::from_millis(300)));
    }

    #[test]
    fn without_a_lag_a_change_shows_at_once() {
        let now = Instant::now();
        let mut value = Lagged::default();
        *value.change(now, Duration::ZERO) = Some(1);
        assert_eq!(value.seen(now), Some(&1));
    }
}
