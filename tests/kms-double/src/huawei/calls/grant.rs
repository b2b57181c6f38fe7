//! `create-grant`, `list-grants`, `revoke-grant`.
//!
//! The documents name no idempotency: a name is a name, and the same request again makes another grant. They do not say which states of a
//! key allow a grant, except that the console offers it for enabled keys. A revocation works in every state, because it takes access away.

use serde_json::{Map, Value, json};

use super::account::KEYS_MAX;
use super::describe::millis;
use super::page::{Paging, page};
use crate::huawei::call::{Answer, Call, Result};
use crate::huawei::failure::{Code, Failure};
use crate::huawei::members::{Members, missing};
use crate::world::{Grant, GrantTerms};

/// What a grant can allow.
const OPERATIONS: [&str; 9] = [
    "create-datakey",
    "create-datakey-without-plaintext",
    "create-grant",
    "decrypt-data",
    "decrypt-datakey",
    "describe-key",
    "encrypt-data",
    "encrypt-datakey",
    "retire-grant",
];
/// How the grantee of a grant is stored if it is an account and no user.
const DOMAIN: &str = "domain/";

pub(super) fn create(call: &mut Call<'_>) -> Result {
    let terms = read(call.members)?;
    let key = call.open()?;
    if call.world.grants(&key.at).count() >= KEYS_MAX {
        return Err(Failure::of(Code::GrantsFull));
    }
    let grant = Grant { id: new_id(), created: call.now, issuer: call.caller.name.clone(), terms };
    let id = grant.id.clone();
    call.world.put_grant(&key.at, grant);
    Ok(Answer::json(json!({ "grant_id": id })))
}

pub(super) fn list(call: &mut Call<'_>) -> Result {
    let paging = Paging { default: 10, max: KEYS_MAX, limit: call.members.string("limit")?, marker: call.members.string("marker")? };
    let key = call.read()?;
    let all: Vec<&Grant> = call.world.seen_grants(&key.at, call.seen).collect();
    let total = all.len();
    let shown = page(paging, all.into_iter(), |grant| grant.id.clone())?;
    let grants: Vec<Value> = shown.items.iter().map(|grant| show(&key.at.id, grant)).collect();
    Ok(Answer::json(json!({
        "grants": grants,
        "next_marker": shown.next.clone().unwrap_or_default(),
        "truncated": shown.next.is_some().to_string(),
        "total": total,
    })))
}

pub(super) fn revoke(call: &mut Call<'_>) -> Result {
    let id = call.members.required("grant_id")?;
    if id.len() != 64 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Failure::because(Code::Parameter, "grant_id"));
    }
    let id = id.to_owned();
    let key = call.open()?;
    if !call.world.grants(&key.at).any(|grant| grant.id == id) {
        return Err(Failure::of(Code::GrantGone));
    }
    call.world.remove_grant(&key.at, &id);
    Ok(Answer::empty())
}

fn read(members: &Members) -> Result<GrantTerms> {
    let grantee = members.required("grantee_principal")?;
    let retiring = members.string("retiring_principal")?;
    if [Some(grantee), retiring].into_iter().flatten().any(|principal| !is_principal(principal)) {
        return Err(Failure::of(Code::GrantPrincipal));
    }
    let grantee = match members.string("grantee_principal_type")? {
        None | Some("user") => grantee.to_owned(),
        Some("domain") => format!("{DOMAIN}{grantee}"),
        Some(other) => return Err(Failure::because(Code::Parameter, format!("grantee_principal_type {other}"))),
    };
    let operations = members.list("operations")?.ok_or_else(|| missing("operations"))?;
    let operations: Option<Vec<String>> = operations.iter().map(|operation| operation.as_str().map(str::to_owned)).collect();
    let operations = operations.ok_or_else(|| Failure::because(Code::Json, "operations is no list of strings"))?;
    if operations.is_empty() || operations.iter().any(|operation| !OPERATIONS.contains(&operation.as_str())) {
        return Err(Failure::because(Code::Parameter, "operations"));
    }
    if operations.iter().all(|operation| operation == "create-grant") {
        return Err(Failure::of(Code::GrantAlone));
    }
    let name = members.string("name")?;
    let is_name = |name: &str| (1..=255).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || ":/_-".contains(c));
    if name.is_some_and(|name| !is_name(name)) {
        return Err(Failure::because(Code::Parameter, "name"));
    }
    Ok(GrantTerms { name: name.map(str::to_owned), grantee, retiring: retiring.map(str::to_owned), operations, ..GrantTerms::default() })
}

/// `^[a-zA-Z0-9]{1,64}$`
fn is_principal(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn show(key: &str, grant: &Grant) -> Value {
    let Grant { id, created, issuer, terms } = grant;
    let (kind, grantee) = match terms.grantee.strip_prefix(DOMAIN) {
        Some(domain) => ("domain", domain),
        None => ("user", terms.grantee.as_str()),
    };
    let mut entry = Map::new();
    let mut put = |name: &str, value: Value| entry.insert(name.to_owned(), value);
    put("key_id", json!(key));
    put("grant_id", json!(id));
    put("grantee_principal", json!(grantee));
    put("grantee_principal_type", json!(kind));
    put("operations", json!(terms.operations));
    put("issuing_principal", json!(issuer));
    put("creation_date", json!(millis(*created)));
    if let Some(name) = &terms.name {
        put("name", json!(name));
    }
    if let Some(retiring) = &terms.retiring {
        put("retiring_principal", json!(retiring));
    }
    entry.into()
}

fn new_id() -> String {
    format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
}
