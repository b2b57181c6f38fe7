//! `CreateAlias`, `UpdateAlias`, `DeleteAlias`, `ListAliases`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::describe::seconds;
use super::page::{Paging, page};
use crate::aws::call::{Answer, Call, nothing};
use crate::aws::failure::Failure;
use crate::aws::operation::Operation;
use crate::aws::spec;
use crate::aws::target::Aliases;
use crate::form::Form;
use crate::world::{Alias, Key, KeyRef};

/// Aliases that AWS has for services that an account has not used. They have no key.
const IDLE: [&str; 5] = ["alias/aws/dynamodb", "alias/aws/ebs", "alias/aws/rds", "alias/aws/redshift", "alias/aws/s3"];

/// The maximum number of aliases of a key.
const ALIASES_MAX: usize = 50;

pub(super) fn create(call: &mut Call<'_>) -> Answer {
    let name = read_name(call)?;
    let key = find_target(call)?;
    call.permit(&key)?;
    if call.world.alias(&key.at.account, &key.at.region, &name).is_some() {
        let arn = call.alias_arn(&name);
        return Err(Failure::new("AlreadyExistsException", format!("An alias with the name {arn} already exists")));
    }
    check_room(call, &key)?;
    let alias = Alias { name: name.clone(), target: key.at.id.clone(), created: call.now, updated: call.now };
    call.world.put_alias(&key.at.account, &key.at.region, &name, Some(alias));
    Ok(nothing())
}

pub(super) fn update(call: &mut Call<'_>) -> Answer {
    let name = read_name(call)?;
    let key = find_target(call)?;
    let alias = call.world.alias(&key.at.account, &key.at.region, &name).cloned();
    let alias = alias.ok_or_else(|| call.no_alias(&name))?;
    call.permit(&key)?;
    let old = KeyRef { id: alias.target.clone(), ..key.at.clone() };
    if let Some(old) = call.world.key(&old)
        && (old.usage != key.usage || family(old) != family(&key))
    {
        return Err(Failure::validation("The current and new KMS key must be the same type and have the same key usage"));
    }
    if alias.target != key.at.id {
        check_room(call, &key)?;
    }
    let moved = Alias { target: key.at.id.clone(), updated: call.now, ..alias };
    call.world.put_alias(&key.at.account, &key.at.region, &name, Some(moved));
    Ok(nothing())
}

pub(super) fn delete(call: &mut Call<'_>) -> Answer {
    let name = read_name(call)?;
    let (account, region) = (call.caller.account.clone(), call.caller.region.clone());
    if call.world.alias(&account, &region, &name).is_none() {
        return Err(call.no_alias(&name));
    }
    call.world.put_alias(&account, &region, &name, None);
    Ok(nothing())
}

pub(super) fn list(call: &mut Call<'_>) -> Answer {
    let paging = Paging { list: "Aliases", default: 50, max: 100 };
    let of_key = if call.members.string("KeyId")?.is_some() { Some(call.read(Aliases::Refused)?) } else { None };
    let call = &*call;
    let name = |alias: &&Alias| alias.name.clone();
    let show = |alias: &Alias| {
        json!({
            "AliasName": alias.name,
            "AliasArn": call.alias_arn(&alias.name),
            "TargetKeyId": alias.target,
            "CreationDate": seconds(alias.created),
            "LastUpdatedDate": seconds(alias.updated),
        })
    };
    if let Some(key) = of_key {
        let aliases = call.world.seen_aliases_of(&key.at, call.seen).into_iter();
        return page(call.members, call.operation, paging, aliases, name, show);
    }
    let aliases = call.world.seen_aliases(&call.caller.account, &call.caller.region, call.seen);
    if !call.forms.contains(&Form::IdleAliases) {
        return page(call.members, call.operation, paging, aliases, name, show);
    }
    let idle = |name: &str| json!({ "AliasName": name, "AliasArn": call.alias_arn(name) });
    let mut shown: BTreeMap<String, Value> = IDLE.iter().map(|name| ((*name).to_owned(), idle(name))).collect();
    shown.extend(aliases.map(|alias| (alias.name.clone(), show(alias))));
    page(call.members, call.operation, paging, shown.into_iter(), |(name, _)| name.clone(), |(_, alias)| alias)
}

/// The rules for names: `alias/` and at least one character of the model, no colon, not `alias/aws/`. Only `CreateAlias` has the error
/// `InvalidAliasNameException`. The others answer `ValidationException`, and so do all for a name without the prefix.
fn read_name(call: &Call<'_>) -> Result<String, Failure> {
    let name = call.members.required("AliasName", 1, 256)?;
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":/_-".contains(&byte)) {
        let constraint = "Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$";
        return Err(Failure::constraint(name, "AliasName", constraint));
    }
    let code = match call.operation {
        Operation::CreateAlias => "InvalidAliasNameException",
        _ => "ValidationException",
    };
    let invalid = |why: &str| Err(Failure::new(code, format!("{name} {why}")));
    match name.strip_prefix("alias/") {
        None => Err(Failure::validation(
            "Alias must start with the prefix \"alias/\". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html",
        )),
        Some("") => invalid("has nothing after alias/"),
        Some(rest) if rest.starts_with("aws/") => invalid("begins with alias/aws/, which is reserved for AWS managed keys"),
        Some(rest) if rest.contains(':') => invalid("contains a colon"),
        Some(_) => Ok(name.to_owned()),
    }
}

fn find_target(call: &mut Call<'_>) -> Result<Key, Failure> {
    if call.members.string("TargetKeyId")?.is_some_and(|text| text.contains("alias/")) {
        return Err(Failure::validation("Aliases must refer to keys. Not aliases"));
    }
    call.find("TargetKeyId")
}

fn check_room(call: &Call<'_>, key: &Key) -> Result<(), Failure> {
    if call.world.aliases_of(&key.at).len() < ALIASES_MAX {
        return Ok(());
    }
    Err(Failure::new("LimitExceededException", format!("{} has {ALIASES_MAX} aliases already", key.at.arn())))
}

/// Symmetric, asymmetric or HMAC.
fn family(key: &Key) -> u8 {
    if key.spec == spec::SYMMETRIC {
        0
    } else if key.spec.starts_with("HMAC_") {
        1
    } else {
        2
    }
}
