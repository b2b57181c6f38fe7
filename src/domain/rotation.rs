//! What the status records about a key's rotation, and when Keyward asks the KMS whether it rotated the key.
//!
//! Only the KMS's own record of rotations proves a rotation. A next date that changes proves none, because the period starts again when
//! rotation is switched off and on. If the KMS has no record, or does not report it, the status reports no rotation. A date in the future
//! is not the date of a past rotation.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{observed::Rotation, periods::CLOCK_SKEW};
use crate::api::{condition::seconds, managed_key::RotationStatus};

/// Whether the KMS may have rotated the key since `before` was recorded: the next rotation date has passed, and the KMS now reports another
/// one.
#[must_use]
pub fn is_suspected(before: Option<&RotationStatus>, found: Rotation, now: Timestamp) -> bool {
    let was = before.and_then(|before| before.next_rotation_time.as_ref());
    was.is_some_and(|was| was.0.duration_since(now) <= CLOCK_SKEW && found.next.map(seconds).as_ref() != Some(was))
}

/// The newest of these dates that is not in the future.
#[must_use]
pub fn newest(dates: &[Timestamp], now: Timestamp) -> Option<Time> {
    dates.iter().filter(|date| **date <= now).max().copied().map(seconds)
}

/// The rotation as it was read. `listed` has the dates that the KMS has on record. `None`: the KMS was not asked, or did not report it.
#[must_use]
pub fn record(before: Option<&RotationStatus>, found: Rotation, listed: Option<&[Timestamp]>, now: Timestamp) -> RotationStatus {
    let told = newest(listed.unwrap_or(found.last.as_slice()), now);
    // A rotation that was recorded stays recorded, even if the KMS's list does not have it any more. Otherwise it would be told a second
    // time if it came back to the list. A date in the future is ignored; an earlier version or somebody else may have written it.
    let known = before.and_then(|before| before.last_rotation_time.clone()).filter(|last| last.0 <= now);
    let last = told.max(known);
    RotationStatus {
        enabled: found.enabled,
        period_days: found.period_days,
        next_rotation_time: found.next.map(seconds),
        last_rotation_time: last,
    }
}
