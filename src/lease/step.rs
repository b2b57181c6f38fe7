//! The rule of the election: what a candidate may do next. It follows from what the candidate has just read and what it remembers.
//!
//! It is pure: time is a parameter. It must never answer `Take` or `Create` while the holder may still believe that it holds the lease. So
//! it never reads a time that another process wrote. It uses only how long *this process* has seen the Lease unchanged, on a clock that
//! nobody can set (the rule of client-go's elector).
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;

/// The relevant parts of a Lease, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// `metadata.resourceVersion`. It changes with every write, so if it is unchanged, the Lease was not renewed.
    version: String,
    /// The holder. `None` after a release.
    holder: Option<String>,
    /// How long a renewal is valid, as the holder wrote it. `None` if there is no valid value.
    duration: Option<Duration>,
}

impl From<&Lease> for Record {
    fn from(lease: &Lease) -> Self {
        let spec = lease.spec.as_ref();
        Self {
            version: lease.metadata.resource_version.clone().unwrap_or_default(),
            holder: spec.and_then(|spec| spec.holder_identity.clone()).filter(|holder| !holder.is_empty()),
            duration: spec
                .and_then(|spec| spec.lease_duration_seconds)
                .and_then(|seconds| u64::try_from(seconds).ok())
                .filter(|seconds| *seconds > 0)
                .map(Duration::from_secs),
        }
    }
}

/// This candidate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Me<'a> {
    /// The value that it writes into `spec.holderIdentity`. No two processes share it.
    pub identity: &'a str,
    /// Whether it holds the lease at this moment.
    pub holds: bool,
    /// How long its own renewals are valid.
    pub duration: Duration,
}

/// A lease of another process. It is remembered until it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rival {
    holder: String,
    version: String,
    duration: Duration,
    since: Instant,
}

impl Rival {
    /// What to remember after `record` was read at `now`.
    ///
    /// A deleted lease stays in memory. A deletion is not a release, because the holder notices it only in its next attempt.
    pub fn remember(before: Option<Self>, record: Option<&Record>, me: Me<'_>, now: Instant) -> Option<Self> {
        let Some(record) = record else { return before };
        let holder = record.holder.as_ref().filter(|holder| *holder != me.identity)?;
        match before {
            Some(rival) if rival.version == record.version => Some(rival),
            _ => Some(Self {
                holder: holder.clone(),
                version: record.version.clone(),
                // The wait is never shorter than our own duration. A wait that is too long costs seconds, but a wait that is too short
                // breaks the guarantee.
                duration: record.duration.unwrap_or_default().max(me.duration),
                since: now,
            }),
        }
    }

    fn ran_out(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= self.duration
    }
}

/// What the candidate does in this attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// There is no Lease: create one with us as the holder.
    Create,
    /// It was released, or its holder did not renew it for its whole duration: write our name into it.
    Take,
    /// We hold it: renew it.
    Renew,
    /// Another process holds it. This is its name.
    Wait(String),
    /// We held it, but it names another process or nobody, because somebody overwrote it. Stop being the leader.
    Yield(Option<String>),
}

/// Decides the step from the Lease that was read at `now` (`None`: it does not exist) and from `rival`, which [`Rival::remember`] returned
/// for the same read.
pub(super) fn step(record: Option<&Record>, rival: Option<&Rival>, me: Me<'_>, now: Instant) -> Step {
    let holder = record.map(|record| record.holder.as_deref());
    match (holder, rival) {
        (Some(Some(holder)), _) if holder == me.identity => Step::Renew,
        (Some(holder), _) if me.holds => Step::Yield(holder.map(str::to_owned)),
        (Some(None), _) => Step::Take,
        // The Lease that we held is gone. The creation fails if somebody else was faster.
        (None, _) if me.holds => Step::Create,
        (Some(Some(_)), Some(rival)) if rival.ran_out(now) => Step::Take,
        (None, Some(rival)) if !rival.ran_out(now) => Step::Wait(rival.holder.clone()),
        (Some(Some(holder)), _) => Step::Wait(holder.to_owned()),
        (None, _) => Step::Create,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DURATION: Duration = Duration::from_secs(15);

    fn record(version: &str, holder: &str, seconds: u64) -> Record {
        Record {
            version: version.into(),
            holder: (!holder.is_empty()).then(|| holder.into()),
            duration: (seconds > 0).then(|| Duration::from_secs(seconds)),
        }
    }

    fn me(holds: bool) -> Me<'static> {
        Me { identity: "me", holds, duration: DURATION }
    }

    /// Reads the Lease at each of these seconds, and returns the last step.
    fn last_step(holds: bool, readings: &[(u64, Option<Record>)]) -> Step {
        let start = Instant::now();
        let mut rival = None;
        let mut last = None;
        for (second, record) in readings {
            let now = start + Duration::from_secs(*second);
            rival = Rival::remember(rival, record.as_ref(), me(holds), now);
            last = Some(step(record.as_ref(), rival.as_ref(), me(holds), now));
        }
        last.expect("a reading")
    }

    /// A name, whether we hold, what is read in which second, and the last step.
    type Row<'a> = (&'a str, bool, &'a [(u64, Option<Record>)], Step);

    #[test]
    fn steps() {
        let other = || Some(record("7", "other", 15));
        let wait = || Step::Wait("other".into());
        let rows: &[Row<'_>] = &[
            ("no lease", false, &[(0, None)], Step::Create),
            ("released", false, &[(0, Some(record("7", "", 1)))], Step::Take),
            ("released after it was another's", false, &[(0, other()), (1, Some(record("8", "", 1)))], Step::Take),
            ("ours although we do not know it: the answer to a take was lost", false, &[(0, Some(record("7", "me", 15)))], Step::Renew),
            ("another's, seen for the first time", false, &[(0, other())], wait()),
            ("another's, unchanged for less than its duration", false, &[(0, other()), (14, other())], wait()),
            ("another's, unchanged for its duration", false, &[(0, other()), (15, other())], Step::Take),
            ("another's, not looked at meanwhile", false, &[(0, other()), (100, other())], Step::Take),
            (
                "another's, renewed meanwhile",
                false,
                &[(0, other()), (14, Some(record("8", "other", 15))), (28, Some(record("8", "other", 15)))],
                wait(),
            ),
            (
                "another's, that is a third one's now",
                false,
                &[(0, other()), (15, Some(record("8", "third", 15)))],
                Step::Wait("third".into()),
            ),
            (
                "another's, of a longer duration",
                false,
                &[(0, Some(record("7", "other", 60))), (59, Some(record("7", "other", 60)))],
                wait(),
            ),
            (
                "another's, of a longer duration, run out",
                false,
                &[(0, Some(record("7", "other", 60))), (60, Some(record("7", "other", 60)))],
                Step::Take,
            ),
            (
                "another's, that says a duration shorter than ours",
                false,
                &[(0, Some(record("7", "other", 1))), (14, Some(record("7", "other", 1)))],
                wait(),
            ),
            ("another's, without a duration", false, &[(0, Some(record("7", "other", 0))), (14, Some(record("7", "other", 0)))], wait()),
            (
                "another's, without a duration, run out",
                false,
                &[(0, Some(record("7", "other", 0))), (15, Some(record("7", "other", 0)))],
                Step::Take,
            ),
            ("another's, deleted: no release", false, &[(0, other()), (14, None)], wait()),
            ("another's, deleted, and its holder must have noticed", false, &[(0, other()), (15, None)], Step::Create),
            (
                "another's, deleted, then made again by its holder",
                false,
                &[(0, other()), (5, None), (15, Some(record("9", "other", 15)))],
                wait(),
            ),
            ("ours", true, &[(0, Some(record("7", "me", 15)))], Step::Renew),
            ("ours, deleted", true, &[(0, Some(record("7", "me", 15))), (2, None)], Step::Create),
            ("ours, overwritten", true, &[(0, other())], Step::Yield(Some("other".into()))),
            ("ours, cleared", true, &[(0, Some(record("7", "", 15)))], Step::Yield(None)),
        ];
        for (name, holds, readings, expected) in rows {
            assert_eq!(last_step(*holds, readings), *expected, "{name}");
        }
    }

    #[test]
    fn a_reading_keeps_only_what_makes_sense() {
        for (json, expected) in [
            (r#"{"metadata":{"resourceVersion":"7"}}"#, record("7", "", 0)),
            (r#"{"metadata":{"resourceVersion":"7"},"spec":{"holderIdentity":"","leaseDurationSeconds":1}}"#, record("7", "", 1)),
            (r#"{"metadata":{"resourceVersion":"7"},"spec":{"holderIdentity":"a","leaseDurationSeconds":-3}}"#, record("7", "a", 0)),
            (r#"{"metadata":{"resourceVersion":"7"},"spec":{"holderIdentity":"a","leaseDurationSeconds":0}}"#, record("7", "a", 0)),
            (r#"{"metadata":{"resourceVersion":"7"},"spec":{"holderIdentity":"a","leaseDurationSeconds":15}}"#, record("7", "a", 15)),
        ] {
            let lease: Lease = serde_json::from_str(json).unwrap();
            assert_eq!(Record::from(&lease), expected, "{json}");
        }
    }
}
