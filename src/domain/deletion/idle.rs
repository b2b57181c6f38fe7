//! Whether a key was used lately: somebody still needs it then, whatever its object asks for.

use jiff::{SignedDuration, Timestamp};

/// When the key was last used, as the KMS tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastUse {
    /// The KMS was not asked: the provider demands no days without use, or the key is pending deletion and cannot be used.
    NotAsked,
    /// The KMS does not tell: it keeps no such record, or the key is older than the record and was not used since.
    Untold,
    /// Never since the key was made.
    Never,
    /// Then.
    At(Timestamp),
}

impl LastUse {
    /// Until when the key counts as used lately; `None`: it does not.
    #[must_use]
    pub fn busy_until(self, minimum_idle_days: i32, now: Timestamp) -> Option<Timestamp> {
        let Self::At(used) = self else { return None };
        let idle = SignedDuration::from_hours(24 * i64::from(minimum_idle_days.max(0)));
        // If the sum overflows, the latest time is used.
        let until = used.checked_add(idle).unwrap_or(Timestamp::MAX);
        (minimum_idle_days > 0 && until > now).then_some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_in_use_for_the_days_after_its_last_use() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let now = at("2026-11-22T12:00:00Z");
        for (used, days, until) in [
            (LastUse::At(at("2026-11-20T12:00:00Z")), 7, Some("2026-11-27T12:00:00Z")),
            (LastUse::At(at("2026-11-15T12:00:01Z")), 7, Some("2026-11-22T12:00:01Z")),
            (LastUse::At(at("2026-11-15T12:00:00Z")), 7, None),
            (LastUse::At(now), 0, None),
            (LastUse::At(now), -1, None),
            // The clock of the KMS is ahead.
            (LastUse::At(at("2026-11-22T13:00:00Z")), 1, Some("2026-11-23T13:00:00Z")),
            (LastUse::At(Timestamp::MAX), 365, Some("9999-12-30T22:00:00.999999999Z")),
            (LastUse::Never, 365, None),
            (LastUse::Untold, 365, None),
            (LastUse::NotAsked, 365, None),
        ] {
            assert_eq!(used.busy_until(days, now), until.map(at), "{used:?} {days}");
        }
    }
}
