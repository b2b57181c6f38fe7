//! The aliases that a key may have in addition to its own name: `create-alias`, `list-aliases`, `delete-alias`, `associate-alias`.
//!
//! They share one name space with the keys' own names. These calls do not list, move or remove a key's own name.

use serde_json::{Value, json};

use super::describe::millis;
use super::page::{Paging, page};
use super::{ALIAS_PREFIX, create};
use crate::huawei::call::{Answer, Call, Result};
use crate::huawei::failure::{Code, Failure};
use crate::huawei::members::missing;
use crate::world::{Alias, KeyRef};

pub(super) fn create(call: &mut Call<'_>) -> Result {
    let name = read_name(call)?;
    let key = call.open()?;
    if call.world.alias(&key.at.account, &key.at.region, &name).is_some() {
        return Err(Failure::of(Code::AliasTaken));
    }
    let alias = Alias { name, target: key.at.id.clone(), created: call.now, updated: call.now };
    Ok(Answer::json(put(call, alias)))
}

/// Moves an alias to another key of the project.
pub(super) fn associate(call: &mut Call<'_>) -> Result {
    let name = read_name(call)?;
    let key = call.find("target_key_id")?;
    call.permit(&key)?;
    let alias = extra(call, &name)?;
    let alias = Alias { target: key.at.id.clone(), updated: call.now, ..alias };
    Ok(Answer::json(put(call, alias)))
}

/// Removes all named aliases of a key. If one of them does not belong to the key, it removes none.
pub(super) fn delete(call: &mut Call<'_>) -> Result {
    let names = call.members.list("aliases")?.ok_or_else(|| missing("aliases"))?;
    let names: Option<Vec<&str>> = names.iter().map(Value::as_str).collect();
    let names = names.ok_or_else(|| Failure::because(Code::Json, "aliases is no list of strings"))?;
    let key = call.open()?;
    for name in &names {
        if extra(call, name)?.target != key.at.id {
            return Err(Failure::because(Code::Parameter, format!("{name} is not an alias of {}", key.at.id)));
        }
    }
    for name in names {
        call.world.put_alias(&key.at.account, &key.at.region, name, None);
    }
    Ok(Answer::no_content())
}

/// The answer has the form of the documents, one object with `page_info`. The SDKs' type is a list of such objects; see
/// [`crate::Form::HuaweiSdkTypes`].
pub(super) fn list(call: &mut Call<'_>) -> Result {
    let paging = Paging { default: 50, max: 1000, limit: call.request.parameter("limit"), marker: call.request.parameter("marker") };
    let of_key = if call.request.parameter("key_id").is_some() { Some(call.read()?) } else { None };
    let place = call.project_at();
    let all = call.world.seen_aliases(&place.account, &place.region, call.seen);
    let wanted = all.filter(|alias| of_key.as_ref().is_none_or(|key| alias.target == key.at.id));
    let wanted = wanted.filter(|alias| !is_own_name(call, alias));
    let shown = page(paging, wanted, |alias| alias.name.clone())?;
    let aliases: Vec<Value> = shown.items.iter().map(|alias| show(call, alias)).collect();
    let page_info = json!({ "next_marker": shown.next.unwrap_or_default(), "current_count": aliases.len() });
    Ok(Answer::json(json!({ "aliases": aliases, "page_info": page_info })))
}

fn put(call: &mut Call<'_>, alias: Alias) -> Value {
    let place = call.project_at();
    let shown = show(call, &alias);
    call.world.put_alias(&place.account, &place.region, &alias.name.clone(), Some(alias));
    shown
}

fn show(call: &Call<'_>, alias: &Alias) -> Value {
    let project = &call.caller.project;
    json!({
        "domain_id": project.domain,
        "key_id": alias.target,
        "alias": alias.name,
        "alias_urn": format!("kms:{}:{}:{}", project.region, project.domain, alias.name),
        "create_time": millis(alias.created),
        "update_time": millis(alias.updated),
    })
}

/// An existing alias that is not a key's own name.
fn extra(call: &Call<'_>, name: &str) -> Result<Alias> {
    let place = call.project_at();
    let alias = call.world.alias(&place.account, &place.region, name).cloned();
    let alias = alias.ok_or_else(|| Failure { message: format!("The alias {name} does not exist."), ..Failure::of(Code::KeyGone) })?;
    if is_own_name(call, &alias) {
        return Err(Failure::because(Code::Parameter, format!("{name} is the key's own name; call update-key-alias")));
    }
    Ok(alias)
}

fn is_own_name(call: &Call<'_>, alias: &Alias) -> bool {
    let at = KeyRef { id: alias.target.clone(), ..call.project_at() };
    call.world.key(&at).is_some_and(|key| key.built_in_name.as_deref() == Some(alias.name.as_str()))
}

/// With its prefix, unlike a key's own name.
fn read_name(call: &Call<'_>) -> Result<String> {
    let name = call.members.required("alias")?;
    let bare = name.strip_prefix(ALIAS_PREFIX).ok_or_else(|| Failure::because(Code::Alias, "expected alias/NAME"))?;
    create::check_bare(bare)?;
    Ok(name.to_owned())
}
