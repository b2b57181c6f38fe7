//! What is recorded of a key's rotation, and when the KMS is asked whether it rotated the key.
//!
//! Only what the KMS's own record of rotations says is a rotation. A next date that moves on is none: rotation that is switched off and on again begins a
//! new period. Where the KMS has no record, or does not tell it, nothing is claimed. A date that is still to come is of no rotation that was.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::observed::Rotation;
use crate::api::{condition::seconds, managed_key::RotationStatus};

/// How far the clock of a KMS may be ahead of ours. AWS refuses the requests of whoever is further off (IAM User Guide, "Troubleshoot Signature Version 4").
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Whether the KMS may have rotated the key since `before` was recorded: its date came, and is no longer the next one.
#[must_use]
pub fn is_suspected(before: Option<&RotationStatus>, found: Rotation, now: Timestamp) -> bool {
    let was = before.and_then(|before| before.next_rotation_time.as_ref());
    was.is_some_and(|was| was.0.duration_since(now) <= SKEW && found.next.map(seconds).as_ref() != Some(was))
}

/// The newest of those dates that is not still to come.
#[must_use]
pub fn newest(dates: &[Timestamp], now: Timestamp) -> Option<Time> {
    dates.iter().filter(|date| **date <= now).max().copied().map(seconds)
}

/// Rotation as it was found. `listed` are the dates that the KMS has on record; `None`: it was not asked, or did not say.
#[must_use]
pub fn record(before: Option<&RotationStatus>, found: Rotation, listed: Option<&[Timestamp]>, now: Timestamp) -> RotationStatus {
    let told = newest(listed.unwrap_or(found.last.as_slice()), now);
    // A rotation that was is not undone by a list that does not have it any more, and would be told a second time when it has it again. What an earlier version or
    // somebody else wrote may be a date to come.
    let known = before.and_then(|before| before.last_rotation_time.clone()).filter(|last| last.0 <= now);
    let last = told.max(known);
    RotationStatus {
        enabled: found.enabled,
        period_days: found.period_days,
        next_rotation_time: found.next.map(seconds),
        last_rotation_time: last,
    }
}
