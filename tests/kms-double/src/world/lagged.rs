//! A value that readers see late.
//!
//! AWS says that a change may take seconds, sometimes minutes, until it is visible everywhere. With a lag of N ms, a reader does not see
//! changes that are younger than N ms. So after a creation it sees `NotFound`. Writers always see the newest state.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The current value, and older values that a reader may still see.
#[derive(Debug)]
pub(crate) struct Lagged<T> {
    present: Option<T>,
    /// Each with the time when the next value becomes visible; oldest first.
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

    /// The value for a reader at `now`.
    pub(crate) fn seen(&self, now: Instant) -> Option<&T> {
        let stale = self.past.iter().find(|(until, _)| *until > now);
        stale.map_or(self.present.as_ref(), |(_, value)| value.as_ref())
    }

    /// Starts a change of the value. Readers see it `lag` after `now`.
    pub(crate) fn change(&mut self, now: Instant, lag: Duration) -> &mut Option<T> {
        self.past.retain(|(until, _)| *until > now);
        if !lag.is_zero() {
            self.past.push_back((now + lag, self.present.clone()));
        }
        &mut self.present
    }

    /// Whether writers and readers see nothing any more.
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
