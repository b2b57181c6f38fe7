//! `create-key`, and the rules for names and descriptions.

use serde_json::json;

use super::ALIAS_PREFIX;
use super::account::KEYS_MAX;
use crate::huawei::call::{Answer, Call, Result};
use crate::huawei::failure::{Code, Failure};
use crate::huawei::members::{Members, missing};
use crate::huawei::spec::{self, AES_256, Spec};
use crate::world::{Alias, Key, KeyRef, Origin};

/// The only key store and enterprise project.
const NONE_OTHER: &str = "0";

/// A name is taken until its key is gone, also while the key is pending deletion.
pub(super) fn create(call: &mut Call<'_>) -> Result {
    let members = call.members;
    let name = read_name(members)?;
    let spec = read_spec(members)?;
    let usage = read_usage(members, spec)?;
    let origin = match members.string("origin")? {
        None | Some("kms") => Origin::AwsKms,
        Some("external") => Origin::External,
        Some(other) => return Err(Failure::because(Code::Parameter, format!("origin {other}"))),
    };
    let description = read_description(members)?.unwrap_or_default();
    for member in ["enterprise_project_id", "keystore_id"] {
        if members.string(member)?.is_some_and(|id| id != NONE_OTHER) {
            return Err(Failure::because(Code::Parameter, format!("{member}: there is only {NONE_OTHER}")));
        }
    }
    let place = call.project_at();
    if call.world.alias(&place.account, &place.region, &name).is_some() {
        return Err(Failure::of(Code::AliasTaken));
    }
    if call.counts_keys && super::account::count(call) >= KEYS_MAX {
        return Err(Failure::of(Code::KeysFull));
    }
    let at = KeyRef { id: uuid::Uuid::new_v4().to_string(), ..place };
    let mut key = Key::new(at.clone(), call.now, spec.name, usage, origin);
    description.clone_into(&mut key.description);
    add_named(call, key, &name);
    call.touched = Some(at.clone());
    let region = &call.caller.project.region;
    Ok(Answer::json(json!({ "key_info": { "key_id": at.id, "domain_id": call.caller.project.domain, "region_id": region } })))
}

/// Adds a key with its own name.
pub(super) fn add_named(call: &mut Call<'_>, mut key: Key, name: &str) {
    let at = key.at.clone();
    key.built_in_name = Some(name.to_owned());
    call.world.add(key);
    let alias = Alias { name: name.to_owned(), target: at.id, created: call.now, updated: call.now };
    call.world.put_alias(&at.account, &at.region, name, Some(alias));
}

/// The `key_alias` of a request, in its stored form.
pub(super) fn read_name(members: &Members) -> Result<String> {
    let name = members.string("key_alias")?.ok_or_else(|| missing("key_alias"))?;
    check_bare(name)?;
    Ok(format!("{ALIAS_PREFIX}{name}"))
}

/// `^[a-zA-Z0-9:/_-]{1,255}$`, and not the name of a default key.
pub(super) fn check_bare(name: &str) -> Result<()> {
    let allowed = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":/_-".contains(&byte));
    if !allowed || !(1..=255).contains(&name.len()) {
        return Err(Failure::because(Code::Alias, "expected 1 to 255 letters, digits and :/_-"));
    }
    if name.ends_with("/default") {
        return Err(Failure::because(Code::Alias, "names that end in /default are those of default keys"));
    }
    Ok(())
}

/// The `key_description` of a request: at most 255 characters.
pub(super) fn read_description(members: &Members) -> Result<Option<&str>> {
    let description = members.string("key_description")?;
    if description.is_some_and(|description| description.chars().count() > 255) {
        return Err(Failure::of(Code::Description));
    }
    Ok(description)
}

fn read_spec(members: &Members) -> Result<&'static Spec> {
    let name = members.string("key_spec")?.unwrap_or(AES_256);
    spec::find(name).ok_or_else(|| Failure::because(Code::Parameter, format!("key_spec {name}")))
}

fn read_usage(members: &Members, spec: &'static Spec) -> Result<&'static str> {
    let asked = members.string("key_usage")?;
    let usage = spec.usages.iter().find(|usage| asked.is_none_or(|asked| asked == **usage)).copied();
    usage.ok_or_else(|| Failure::because(Code::Parameter, format!("key_usage {} of {}", asked.unwrap_or_default(), spec.name)))
}
