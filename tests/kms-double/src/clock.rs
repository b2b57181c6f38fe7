//! The double's own clock, so that a window of 30 days can end within a test.
//!
//! It starts at the real time, or behind it, and runs at the same speed. [`Clock::advance`] moves it ahead. It never goes back. A client
//! sees a deletion date pass on its own clock only if the double started behind by more than the window. Everything that depends on the
//! client (signatures, session tokens, quotas, read lag) must use the real time, because the client's clock does not move with the
//! double's.

use jiff::{SignedDuration, Timestamp};

/// The real time plus an offset.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    ahead: SignedDuration,
}

impl Clock {
    /// A clock that starts behind the real time.
    pub(crate) fn behind(by: SignedDuration) -> anyhow::Result<Self> {
        anyhow::ensure!(!by.is_negative(), "the clock cannot start {by:#} behind; advance it instead");
        anyhow::ensure!(Timestamp::now().checked_sub(by).is_ok(), "the clock cannot start {by:#} behind: that is before the first year");
        Ok(Self { ahead: -by })
    }

    /// The double's time in whole milliseconds, which is the precision of the wire formats.
    pub(crate) fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        let shifted = now.checked_add(self.ahead).unwrap_or(Timestamp::MAX);
        whole_millis(shifted)
    }

    /// Moves the clock ahead. Refuses to move it back or beyond the maximum time.
    pub(crate) fn advance(&mut self, by: SignedDuration) -> anyhow::Result<()> {
        anyhow::ensure!(!by.is_negative(), "the clock cannot go back by {by:#}; start a new double");
        let ahead = self.ahead.checked_add(by).filter(|ahead| Timestamp::now().checked_add(*ahead).is_ok());
        self.ahead = ahead.ok_or_else(|| anyhow::anyhow!("the clock cannot go {by:#} ahead: that is past the year 9999"))?;
        Ok(())
    }
}

/// Cuts a time to whole milliseconds.
pub(crate) fn whole_millis(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time)
}

/// `days` days of 24 hours.
pub(crate) fn days(days: u32) -> SignedDuration {
    SignedDuration::from_hours(24 * i64::from(days))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_behind_and_catches_up() {
        let mut clock = Clock::behind(days(8)).unwrap();
        assert!(clock.now() <= Timestamp::now() - days(8));
        clock.advance(days(8)).unwrap();
        assert!(clock.now() >= whole_millis(Timestamp::now() - SignedDuration::from_mins(1)));
        assert!(Clock::behind(days(1_000_000_000)).is_err());
        assert!(Clock::behind(-days(1)).is_err());
    }

    #[test]
    fn goes_ahead_and_never_back() {
        let mut clock = Clock::default();
        let before = clock.now();
        clock.advance(days(40)).unwrap();
        assert!(clock.now() >= before + days(40));
        assert!(clock.advance(SignedDuration::from_secs(-1)).is_err());
        assert!(clock.advance(SignedDuration::MAX).is_err());
        assert!(clock.now() >= before + days(40));
    }
}
