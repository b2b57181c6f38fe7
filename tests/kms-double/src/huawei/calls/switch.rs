//! `enable-key`, `disable-key`, `update-key-alias`, `update-key-description`.

use serde_json::json;

use super::create::{read_description, read_name};
use super::describe::own_name;
use crate::huawei::call::{Answer, Call, Result};
use crate::huawei::failure::{Code, Failure};
use crate::huawei::members::missing;
use crate::huawei::states::number;
use crate::world::{Alias, Key};

pub(super) fn enable(call: &mut Call<'_>) -> Result {
    let key = call.open()?;
    let now = call.now;
    call.world.change(&key.at, |key| key.enable(now));
    Ok(tell_state(call, &key))
}

pub(super) fn disable(call: &mut Call<'_>) -> Result {
    let key = call.open()?;
    call.world.change(&key.at, Key::disable);
    Ok(tell_state(call, &key))
}

/// Gives the key another name. Its current name does not count as taken.
pub(super) fn rename(call: &mut Call<'_>) -> Result {
    let name = read_name(call.members)?;
    let key = call.open()?;
    if key.built_in_name.as_deref() != Some(name.as_str()) {
        let (account, region) = (&key.at.account, &key.at.region);
        if call.world.alias(account, region, &name).is_some() {
            return Err(Failure::of(Code::AliasTaken));
        }
        if let Some(old) = &key.built_in_name {
            call.world.put_alias(account, region, old, None);
        }
        let alias = Alias { name: name.clone(), target: key.at.id.clone(), created: call.now, updated: call.now };
        call.world.put_alias(account, region, &name, Some(alias));
        call.world.change(&key.at, |key| key.built_in_name = Some(name));
    }
    let key = call.world.key(&key.at).unwrap_or(&key);
    Ok(Answer::json(json!({ "key_info": { "key_id": key.at.id, "key_alias": own_name(key) } })))
}

pub(super) fn describe(call: &mut Call<'_>) -> Result {
    let description = read_description(call.members)?.ok_or_else(|| missing("key_description"))?;
    let key = call.open()?;
    call.world.change(&key.at, |key| description.clone_into(&mut key.description));
    Ok(Answer::json(json!({ "key_info": { "key_id": key.at.id, "key_description": description } })))
}

fn tell_state(call: &Call<'_>, key: &Key) -> Answer {
    let state = call.world.key(&key.at).map_or(key.state, |key| key.state);
    Answer::json(json!({ "key_info": { "key_id": key.at.id, "key_state": number(state).to_string() } }))
}
