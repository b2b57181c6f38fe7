//! `ListGrants`, `ListRetirableGrants`.

use serde_json::{Map, Value, json};

use super::describe::seconds;
use super::grant::read_id;
use super::grant_terms::read_principal;
use super::page::{Paging, page};
use crate::aws::call::{Answer, Call};
use crate::aws::failure::Failure;
use crate::aws::partition;
use crate::aws::target::Aliases;
use crate::world::{Grant, KeyRef};

/// "It must be between 1 and 100", although the model allows 1000.
const PAGING: Paging = Paging { list: "Grants", default: 50, max: 100 };

/// A filter that no grant meets is an empty list.
pub(super) fn of_key(call: &mut Call<'_>) -> Answer {
    let id = read_id(call)?;
    let grantee = read_principal(call.members, "GranteePrincipal")?;
    refuse_service(call, "GranteeServicePrincipal")?;
    let key = call.read(Aliases::Refused)?;
    let call = &*call;
    let grants = call
        .world
        .seen_grants(&key.at, call.seen)
        .filter(|grant| id.as_ref().is_none_or(|id| grant.id == *id) && grantee.is_none_or(|grantee| grant.terms.grantee == grantee));
    page(call.members, call.operation, PAGING, grants, |grant| grant.id.clone(), |grant| show(&key.at, grant))
}

/// Grants of all accounts' keys in the Region that the principal, which must be of the caller's account, can retire.
pub(super) fn retirable(call: &mut Call<'_>) -> Answer {
    refuse_service(call, "RetiringServicePrincipal")?;
    let principal = read_principal(call.members, "RetiringPrincipal")?;
    let principal =
        principal.ok_or_else(|| Failure::validation("You must specify either RetiringPrincipal or RetiringServicePrincipal"))?;
    if principal.split(':').nth(4) != Some(call.caller.account.as_str()) {
        return Err(call.denied(principal));
    }
    let call = &*call;
    let grants = call.world.seen_grants_in(&call.caller.region, call.seen);
    let mut grants: Vec<(KeyRef, &Grant)> = grants.filter(|(_, grant)| grant.terms.retiring.as_deref() == Some(principal)).collect();
    grants.sort_by(|(_, one), (_, other)| one.id.cmp(&other.id));
    page(call.members, call.operation, PAGING, grants.into_iter(), |(_, grant)| grant.id.clone(), |(at, grant)| show(&at, grant))
}

/// "This filter is only usable by callers in a service principal", which no caller here is.
fn refuse_service(call: &Call<'_>, member: &str) -> Result<(), Failure> {
    match call.members.sized(member, 1, 128)? {
        Some(service) => Err(call.denied(service)),
        None => Ok(()),
    }
}

/// An entry of both lists. What the grant does not have is left out.
fn show(at: &KeyRef, grant: &Grant) -> Value {
    let Grant { id, created, issuer, terms } = grant;
    let mut entry = Map::new();
    let mut put = |name: &str, value: Value| entry.insert(name.to_owned(), value);
    put("KeyId", json!(at.arn()));
    put("GrantId", json!(id));
    put("CreationDate", seconds(*created));
    put("IssuingAccount", json!(format!("arn:{}:iam::{issuer}:root", partition::of(&at.region))));
    put(if is_service(&terms.grantee) { "GranteeServicePrincipal" } else { "GranteePrincipal" }, json!(terms.grantee));
    put("Operations", json!(terms.operations));
    if let Some(name) = &terms.name {
        put("Name", json!(name));
    }
    if let Some(retiring) = &terms.retiring {
        put(if is_service(retiring) { "RetiringServicePrincipal" } else { "RetiringPrincipal" }, json!(retiring));
    }
    let constraints = [
        ("EncryptionContextSubset", terms.context_subset.as_ref().map(|pairs| json!(pairs))),
        ("EncryptionContextEquals", terms.context_equals.as_ref().map(|pairs| json!(pairs))),
        ("SourceArn", terms.source_arn.as_ref().map(|arn| json!(arn))),
    ];
    let constraints: Map<String, Value> =
        constraints.into_iter().filter_map(|(name, value)| value.map(|value| (name.to_owned(), value))).collect();
    if !constraints.is_empty() {
        put("Constraints", Value::Object(constraints));
    }
    Value::Object(entry)
}

fn is_service(principal: &str) -> bool {
    !principal.starts_with("arn:")
}
