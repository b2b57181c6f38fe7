//! Automatic rotation and rotation on demand.
//!
//! Rotation is for symmetric encryption keys whose material KMS made. It is shared by a multi-Region family and changed at its primary.
//! Whether a key can rotate at all is checked before its state, because it never changes. For a rotation on demand it is checked after the
//! state, as AWS's answers show.

use jiff::SignedDuration;
use serde_json::json;

use super::describe::{lead, seconds};
use super::import;
use super::page::{Paging, page};
use crate::aws::call::{Answer, Call, nothing};
use crate::aws::failure::Failure;
use crate::aws::spec;
use crate::aws::target::Aliases;
use crate::clock::days;
use crate::world::{Key, MultiRegion, Origin, Rotated, Rotating, Rotation, RotationKind};

/// "If no value is specified, the default value is 365 days". This also applies to a key that had another period.
const DEFAULT_PERIOD_DAYS: u32 = 365;
/// The maximum number of on-demand rotations of a key.
const ON_DEMAND_MAX: usize = 25;
/// If an automatic rotation is this near, a rotation on demand is refused.
const AUTOMATIC_NEAR: SignedDuration = SignedDuration::from_mins(20);

pub(super) fn enable(call: &mut Call<'_>) -> Answer {
    let period_days = call.members.int("RotationPeriodInDays", 90, 2560)?.unwrap_or(DEFAULT_PERIOD_DAYS);
    let key = open_rotating(call)?;
    let next = call.now.checked_add(days(period_days)).map_err(|_| Failure::validation("the next rotation is out of range"))?;
    call.world.change(&key.at, |key| {
        // The period starts at the call that sets it. The same call again does not restart it.
        if key.rotation.as_ref().is_none_or(|rotation| rotation.period_days != period_days) {
            key.rotation = Some(Rotation { period_days, next });
        }
    });
    Ok(nothing())
}

pub(super) fn disable(call: &mut Call<'_>) -> Answer {
    let key = open_rotating(call)?;
    call.world.change(&key.at, |key| key.rotation = None);
    Ok(nothing())
}

/// While a deletion is pending the answer is "off". After a cancel the setting is back.
pub(super) fn status(call: &mut Call<'_>) -> Answer {
    let key = call.read(Aliases::Refused)?;
    check_kind(&key, Imported::Refused)?;
    let lead = lead(call, &key);
    let mut answer = json!({ "KeyId": key.at.arn(), "KeyRotationEnabled": false });
    let Some(members) = answer.as_object_mut() else {
        return Ok(answer);
    };
    if key.state.is_pending_deletion() {
        return Ok(answer);
    }
    if let Some(rotation) = &lead.rotation {
        members.insert("KeyRotationEnabled".to_owned(), json!(true));
        members.insert("RotationPeriodInDays".to_owned(), json!(rotation.period_days));
        members.insert("NextRotationDate".to_owned(), seconds(rotation.next));
    }
    if let Some(rotating) = &lead.rotating {
        members.insert("OnDemandRotationStartDate".to_owned(), seconds(rotating.started));
    }
    Ok(answer)
}

pub(super) fn on_demand(call: &mut Call<'_>) -> Answer {
    let key = call.find("KeyId")?;
    call.permit(&key)?;
    // AWS returns nothing more about it.
    check_kind(&key, Imported::Taken).map_err(|failure| Failure { message: String::new(), ..failure })?;
    check_primary(&key)?;
    let ready = key.pending_material.as_ref().is_some_and(|pending| import::everywhere(call, &key, pending));
    if key.origin == Origin::External && !ready {
        return Err(Failure::new(
            "KMSInvalidStateException",
            format!("No available key material pending rotation for the key: {}.", key.at.arn()),
        ));
    }
    let near = call.now.checked_add(AUTOMATIC_NEAR).unwrap_or(call.now);
    if key.rotating.is_some() || key.rotation.as_ref().is_some_and(|rotation| rotation.next <= near) {
        return Err(Failure::new("ConflictException", format!("{} is being rotated, or will be within 20 minutes.", key.at.arn())));
    }
    if key.rotated.iter().filter(|rotated| rotated.kind == RotationKind::OnDemand).count() >= ON_DEMAND_MAX {
        return Err(Failure::new(
            "LimitExceededException",
            format!(
                "The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be performed for this key: {}",
                key.at.arn()
            ),
        ));
    }
    let started = call.now;
    let ends = started.checked_add(call.settling).unwrap_or(started);
    call.world.change(&key.at, |key| {
        key.rotating = Some(Rotating { started, ends });
    });
    Ok(json!({ "KeyId": key.at.arn() }))
}

/// With `ALL_KEY_MATERIAL` the list has the first material too, and imported material that waits for a rotation. Both have no date.
pub(super) fn list(call: &mut Call<'_>) -> Answer {
    let include = call.members.one_of("IncludeKeyMaterial", &["ALL_KEY_MATERIAL", "ROTATIONS_ONLY"])?;
    let key = call.read(Aliases::Refused)?;
    check_kind(&key, Imported::Taken)?;
    let lead = lead(call, &key);
    let all = include == Some("ALL_KEY_MATERIAL");
    let waits = key.origin == Origin::External && lead.imports.is_empty();
    let first = (all && !waits).then_some((lead.first_material.as_str(), None));
    let rotated = lead.rotated.iter().map(|rotated| (rotated.material.as_str(), Some(rotated)));
    let pending = lead.pending_material.as_deref().filter(|_| all).map(|material| (material, None));
    let entries = first.into_iter().chain(rotated).chain(pending).enumerate();
    let call = &*call;
    let show = |(_, (material, rotated)): (usize, (&str, Option<&Rotated>))| {
        let state = match lead.pending_material.as_deref() {
            Some(pending) if pending == material && import::everywhere(call, &lead, pending) => "PENDING_ROTATION",
            Some(pending) if pending == material => "PENDING_MULTI_REGION_IMPORT_AND_ROTATION",
            _ if material == lead.material() => "CURRENT",
            _ => "NON_CURRENT",
        };
        let mut entry = json!({ "KeyId": key.at.arn(), "KeyMaterialId": material, "KeyMaterialState": state });
        let Some(members) = entry.as_object_mut() else {
            return entry;
        };
        if let Some(rotated) = rotated {
            members.insert("RotationDate".to_owned(), seconds(rotated.date));
            members.insert("RotationType".to_owned(), json!(rotated.kind));
        }
        if key.origin == Origin::External {
            import::show(&key, material, members);
        }
        entry
    };
    let paging = Paging { list: "Rotations", default: 100, max: 1000 };
    page(call.members, call.operation, paging, entries, |(index, _)| format!("{index:08}"), show)
}

/// Whether a key with imported material is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Imported {
    Taken,
    Refused,
}

fn open_rotating(call: &mut Call<'_>) -> Result<Key, Failure> {
    let key = call.find("KeyId")?;
    check_kind(&key, Imported::Refused)?;
    call.permit(&key)?;
    check_primary(&key)?;
    Ok(key)
}

fn check_kind(key: &Key, imported: Imported) -> Result<(), Failure> {
    let origin = key.origin == Origin::AwsKms || (imported == Imported::Taken && key.origin == Origin::External);
    if key.spec == spec::SYMMETRIC && origin {
        return Ok(());
    }
    Err(Failure::unsupported(format!("{} cannot be rotated by KMS", key.at.arn())))
}

fn check_primary(key: &Key) -> Result<(), Failure> {
    match &key.multi_region {
        Some(MultiRegion::Replica { primary }) => {
            Err(Failure::unsupported(format!("{} is a replica; set its rotation at the primary key in {primary}", key.at.arn())))
        }
        Some(MultiRegion::Primary { .. }) | None => Ok(()),
    }
}
