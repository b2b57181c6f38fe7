//! The rotation calls. They are not idempotent, and the call that enables rotation has no interval.

use serde_json::{Value, json};

use super::describe::millis;
use crate::clock::days;
use crate::huawei::call::{Answer, Call, Result};
use crate::huawei::failure::{Code, Failure};
use crate::huawei::members::missing;
use crate::huawei::spec;
use crate::world::{Key, MultiRegion, Origin, Rotation, RotationKind};

/// The interval after rotation was enabled.
const DEFAULT_DAYS: u32 = 365;

pub(super) fn enable(call: &mut Call<'_>) -> Result {
    let key = open(call)?;
    if key.rotation.is_some() {
        return Err(Failure::of(Code::AlreadyRotating));
    }
    turn(call, &key, DEFAULT_DAYS);
    Ok(Answer::empty())
}

pub(super) fn disable(call: &mut Call<'_>) -> Result {
    let key = open(call)?;
    if key.rotation.is_none() {
        return Err(Failure::of(Code::NotRotating));
    }
    call.world.change(&key.at, |key| key.rotation = None);
    Ok(Answer::empty())
}

/// The interval starts now.
pub(super) fn set_interval(call: &mut Call<'_>) -> Result {
    let days = call.members.number("rotation_interval")?.ok_or_else(|| missing("rotation_interval"))?;
    let days = u32::try_from(days).ok().filter(|days| (30..=365).contains(days));
    let days = days.ok_or_else(|| Failure::because(Code::Interval, "expected 30 to 365"))?;
    let key = open(call)?;
    let rotation = key.rotation.as_ref().ok_or_else(|| Failure::of(Code::NotRotating))?;
    if rotation.period_days != days {
        turn(call, &key, days);
    }
    Ok(Answer::empty())
}

/// It is done at once, with or without automatic rotation, and does not change the next date.
pub(super) fn on_demand(call: &mut Call<'_>) -> Result {
    let key = open(call)?;
    let now = call.now;
    call.world.change(&key.at, |key| key.rotate(now, RotationKind::OnDemand));
    Ok(Answer::json(json!({ "key_id": key.at.id })))
}

/// The setting, in every state. A key that is disabled or pending deletion keeps its rotation setting, but does not rotate.
pub(super) fn status(call: &mut Call<'_>) -> Result {
    let key = call.read()?;
    let first = (key.created, key.first_material.as_str());
    let materials = std::iter::once(first).chain(key.rotated.iter().map(|rotated| (rotated.date, rotated.material.as_str())));
    let materials: Vec<Value> = materials
        .map(|(created, material)| {
            json!({ "material_id": material, "create_time": millis(created), "expiration_time": "", "state": material_state(&key) })
        })
        .collect();
    let mut status = json!({
        "key_rotation_enabled": key.rotation.is_some(),
        "rotation_interval": key.rotation.as_ref().map_or(DEFAULT_DAYS, |rotation| rotation.period_days),
        "number_of_rotations": key.rotated.len(),
        "key_materials": materials,
    });
    if let (Some(last), Some(members)) = (key.rotated.last(), status.as_object_mut()) {
        members.insert("last_rotation_time".to_owned(), json!(millis(last.date)));
    }
    Ok(Answer::json(status))
}

/// Waiting for its import, or there.
fn material_state(key: &Key) -> u8 {
    if key.lacks_material() { 0 } else { 2 }
}

/// The key that the request names, if its state, origin and spec allow it to rotate.
fn open(call: &mut Call<'_>) -> Result<Key> {
    let key = call.open()?;
    if key.origin != Origin::AwsKms {
        return Err(Failure::of(Code::ExternalKey));
    }
    if let Some(code) = spec::find(&key.spec).and_then(|spec| spec.no_rotation) {
        return Err(Failure::of(code));
    }
    match key.multi_region {
        Some(MultiRegion::Replica { .. }) => Err(Failure::of(Code::ReplicaKey)),
        Some(MultiRegion::Primary { .. }) | None => Ok(key),
    }
}

fn turn(call: &mut Call<'_>, key: &Key, period_days: u32) {
    let next = call.now.checked_add(days(period_days)).unwrap_or(jiff::Timestamp::MAX);
    call.world.change(&key.at, |key| key.rotation = Some(Rotation { period_days, next }));
}
