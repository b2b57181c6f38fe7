//! `EnableKey`, `DisableKey`, `UpdateKeyDescription`.

use super::create::DESCRIPTION_MAX;
use crate::aws::call::{Answer, Call, nothing};
use crate::aws::members::missing;
use crate::world::Key;

pub(super) fn enable(call: &mut Call<'_>) -> Answer {
    let key = call.open()?;
    let now = call.now;
    call.world.change(&key.at, |key| key.enable(now));
    Ok(nothing())
}

pub(super) fn disable(call: &mut Call<'_>) -> Answer {
    let key = call.open()?;
    call.world.change(&key.at, Key::disable);
    Ok(nothing())
}

pub(super) fn describe(call: &mut Call<'_>) -> Answer {
    let description = call.members.sized("Description", 0, DESCRIPTION_MAX)?;
    let description = description.ok_or_else(|| missing("Description"))?;
    let key = call.open()?;
    call.world.change(&key.at, |key| description.clone_into(&mut key.description));
    Ok(nothing())
}
