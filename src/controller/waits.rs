//! How long the controller waits for anything but the next round of an object, which is in [`crate::domain::requeue`]: for watches, lists, surveys and moves
//! of aliases, and between the runs of tasks in the background. What a call to a KMS waits for is in `src/kms/waits.rs`.

use std::time::Duration;

// Rounds.

/// The deadline of a round of a `ManagedKey`: longer than every call in it.
pub const ROUND: Duration = Duration::from_mins(2);
/// The deadline of a round of a `KeyProvider`.
pub const PROVIDER_ROUND: Duration = Duration::from_mins(1);
/// After this time a round of a provider reads no further keys of its lists. The keys that will be deleted first come first.
pub const LISTED_READS: Duration = Duration::from_secs(20);
/// How long a bind is under way at most if nothing more is heard of it: longer than a round.
pub const BINDING: Duration = Duration::from_mins(3);
/// In this time, rescues that were turned away are counted. The count decides how long each of them waits.
pub const TURNED_AWAY_COUNT: Duration = Duration::from_secs(1);
/// How long a KMS must be unreachable before keys report it that were not probed themselves. One lost reply says nothing about them.
pub const OUTAGE_REPORTED: Duration = Duration::from_secs(30);

/// How old a key must be, and how long ago the KMS was asked, before it is asked when the key was last used.
pub const LAST_USE: Duration = Duration::from_hours(24);

// Watches.

/// How long the watch may take to bring what a live read showed. After that everything is listed again.
pub const WATCH_LATE: Duration = Duration::from_secs(5);
/// The pause between two such lists, in case a list brings nothing new either.
pub const BETWEEN_LISTS: Duration = Duration::from_mins(1);
/// The pause between two checks whether the watch brings what live reads showed.
pub const WATCH_CHECK: Duration = Duration::from_secs(1);
/// After this time without a sign a watch starts again, with a list.
pub const WATCH_STALE: Duration = Duration::from_secs(30);
/// After this time without a sign, although the watch started again, the process is not ready.
pub const WATCH_DEAD: Duration = Duration::from_secs(90);
/// The pause between two checks whether the storage of the API server was set back. It is that of the leader election.
pub const SETBACK_CHECK: Duration = Duration::from_secs(2);
/// How long a write of a provider's lists is remembered: longer than the watch takes to show it.
pub const LIST_SHOWN: Duration = Duration::from_mins(10);

// Surveys and aliases.

/// How long a round waits for a survey that is under way. In a large account a survey takes longer, and the round comes again.
pub const SURVEY: Duration = Duration::from_secs(2);
/// How long a survey is kept at least that is too old for the record of a creation in an annotation. Making it reads every key of an account.
pub const SURVEY_KEPT: Duration = Duration::from_mins(10);
/// How long a name is remembered at least that was written into the marks of a key, so that a new survey shows it.
pub const NAME_SHOWN: Duration = Duration::from_mins(15);
/// How long the list of keys without an owner's mark is used. Making it reads every key of an account.
pub const UNMARKED_KEPT: Duration = Duration::from_mins(10);
/// How long an alias stays on its key for the object that declares it now.
pub const ALIAS_STAYS: Duration = Duration::from_mins(2);
/// The longest time ahead for which the end of a move is noted. The flags that it is made of allow no more.
pub const ALIAS_AHEAD: Duration = Duration::from_hours(24);
/// How long a request may still take effect after Keyward gave up waiting for its answer.
pub const REQUEST_LATE: Duration = Duration::from_mins(1);

/// How long a list of grants may still lack a grant that was made: five minutes if the consistency is 10 seconds, its default (AWS KMS API reference,
/// `CreateGrant`: "it usually takes less than five minutes"). It is also longer than [`REQUEST_LATE`] then.
#[must_use]
pub fn grant_is_shown(consistency: Duration) -> Duration {
    consistency.saturating_mul(30)
}

// Tasks in the background.

/// The pause between two sweeps, each of which forgets objects that are gone.
pub const SWEEP: Duration = Duration::from_secs(15);
/// How long a sweep waits after one object went, so that it covers others that go together with it.
pub const SWEEP_GATHERS: Duration = Duration::from_millis(100);
/// The longest and the shortest pause between two checks whether a count of orphans is due. The flag `--orphans-every` says how often it is.
pub const ORPHANS_CHECK: (Duration, Duration) = (Duration::from_mins(1), Duration::from_millis(50));
/// How long the API server may take to accept one event.
pub const EVENT: Duration = Duration::from_secs(5);
/// How long events are posted after a stop. The controller has a second more to end before the process ends without it.
pub const LAST_EVENTS: Duration = Duration::from_secs(4);
