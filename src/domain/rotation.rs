//! What the status records about a key's rotation, and when Keyward asks the KMS whether it rotated the key.
//!
//! Only the KMS's own record of rotations proves a rotation. A next date that changes proves none, because the period starts again when
//! rotation is switched off and on. If the KMS has no record, or does not report it, the status reports no rotation. A date in the future
//! is not the date of a past rotation.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    observed::{Rotation, Rotations},
    periods::CLOCK_SKEW,
};
use crate::api::{
    condition::seconds,
    managed_key::{RotationStatus, RotationType},
};

/// Whether the KMS may have rotated the key since `before` was recorded: the next rotation date has passed, and the KMS now reports another
/// one.
#[must_use]
pub fn is_suspected(before: Option<&RotationStatus>, found: Rotation, now: Timestamp) -> bool {
    let was = before.and_then(|before| before.next_rotation_time.as_ref());
    was.is_some_and(|was| was.0.duration_since(now) <= CLOCK_SKEW && found.next.map(seconds).as_ref() != Some(was))
}

/// The newest of these rotations that is not in the future.
#[must_use]
pub fn newest(listed: &Rotations, now: Timestamp) -> Option<(Time, Option<RotationType>)> {
    listed.newest(now).map(|rotated| (seconds(rotated.date), rotated.kind))
}

/// The rotation as it was read. `listed` has the rotations that the KMS has on record. `None`: the KMS was not asked, or did not report them.
#[must_use]
pub fn record(before: Option<&RotationStatus>, found: Rotation, listed: Option<&Rotations>, now: Timestamp) -> RotationStatus {
    let along = found.told();
    let told = listed.or(along.as_ref()).and_then(|listed| newest(listed, now));
    // A rotation that was recorded stays recorded, even if the KMS's list does not have it any more. Otherwise it would be told a second
    // time if it came back to the list. A date in the future is ignored; an earlier version or somebody else may have written it.
    let known = before.and_then(|before| Some((before.last_rotation_time.clone()?, before.last_rotation_type)));
    let known = known.filter(|(last, _)| last.0 <= now);
    let last = match (told, known) {
        (Some(told), Some(known)) if told.0 < known.0 => Some(known),
        // What is known of the same rotation stays, if this answer does not say what caused it.
        (Some((time, None)), Some((same, kind))) if time == same => Some((time, kind)),
        (told, known) => told.or(known),
    };
    let (last_rotation_time, last_rotation_type) = last.map_or((None, None), |(time, kind)| (Some(time), kind));
    RotationStatus {
        enabled: Some(found.enabled),
        period_days: found.period_days,
        next_rotation_time: found.next.map(seconds),
        last_rotation_time,
        last_rotation_type,
        on_demand: before.and_then(|before| before.on_demand.clone()),
    }
}
