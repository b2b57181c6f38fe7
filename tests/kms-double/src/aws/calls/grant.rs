//! `CreateGrant`, `RetireGrant`, `RevokeGrant`.

use serde_json::json;

use super::grant_terms;
use crate::aws::call::{Answer, Call, nothing};
use crate::aws::failure::Failure;
use crate::aws::members::missing;
use crate::aws::target::{Aliases, Target};
use crate::aws::{grant_token, granted};
use crate::world::{Grant, KeyRef};

/// The maximum number of grants of a key.
const GRANTS_MAX: usize = 50_000;
/// The maximum length of a grant id in a request.
pub(super) const GRANT_ID_MAX: usize = 128;

/// The same request again returns the same grant, but only if it has a name.
pub(super) fn create(call: &mut Call<'_>) -> Answer {
    let terms = grant_terms::read(call.members)?;
    let key = call.open()?;
    grant_terms::check_key(&terms, &key)?;
    let named = terms.name.is_some();
    let existing = call.world.grants(&key.at).find(|grant| named && grant.terms == terms).map(|grant| grant.id.clone());
    if existing.is_none() && call.world.grants(&key.at).count() >= GRANTS_MAX {
        return Err(Failure::new("LimitExceededException", format!("{} has {GRANTS_MAX} grants already", key.at.arn())));
    }
    call.check_dry_run()?;
    let id = existing.unwrap_or_else(|| {
        let grant = Grant { id: new_id(), created: call.now, issuer: call.caller.account.clone(), terms };
        let id = grant.id.clone();
        call.world.put_grant(&key.at, grant);
        id
    });
    Ok(json!({ "GrantId": id, "GrantToken": grant_token::mint(&key, &id) }))
}

/// Only those who may change the key can revoke a grant.
pub(super) fn revoke(call: &mut Call<'_>) -> Answer {
    let id = read_id(call)?.ok_or_else(|| missing("GrantId"))?;
    let key = call.open()?;
    find(call, &key.at, &id)?;
    call.check_dry_run()?;
    call.world.remove_grant(&key.at, &id);
    Ok(nothing())
}

/// A grant is named by a token, or by its id and its key. It is retired by its key's account, by its retiring principal, or by its
/// grantee if the grant says so. All three may be in different accounts.
pub(super) fn retire(call: &mut Call<'_>) -> Answer {
    let id = read_id(call)?;
    let (at, id) = match (call.members.sized("GrantToken", 1, 8192)?, id) {
        (Some(token), _) => grant_token::read(call.world, token)?,
        (None, Some(id)) => (read_key(call)?, id),
        (None, None) => return Err(nameless()),
    };
    if call.world.key(&at).is_none() {
        return Err(Failure::no_key(&at));
    }
    let found = call.world.grants(&at).find(|grant| grant.id == id).cloned();
    let own = call.rights.may(&call.operation.action()) && at.account == call.caller.account;
    let permitted = found.as_ref().map_or(own, |grant| own || may_retire(grant, call));
    if !permitted {
        return Err(call.denied(&at.arn()));
    }
    if found.is_none() {
        return Err(unknown(&id));
    }
    call.touched = Some(at.clone());
    call.check_dry_run()?;
    call.world.remove_grant(&at, &id);
    Ok(nothing())
}

/// A new id of a grant.
pub(crate) fn new_id() -> String {
    format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
}

/// The `GrantId` of a request, if it can be one.
pub(super) fn read_id(call: &Call<'_>) -> Result<Option<String>, Failure> {
    let Some(id) = call.members.sized("GrantId", 1, GRANT_ID_MAX)? else {
        return Ok(None);
    };
    if id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(Some(id.to_owned()));
    }
    Err(Failure::new("InvalidGrantIdException", format!("{id} is not a grant ID")))
}

fn may_retire(grant: &Grant, call: &Call<'_>) -> bool {
    let retiring = grant.terms.retiring.as_deref().is_some_and(|principal| granted::is(principal, call.caller));
    let named = grant.terms.operations.iter().any(|operation| operation == "RetireGrant");
    retiring || (named && granted::is(&grant.terms.grantee, call.caller))
}

/// The key of a grant to retire, which may belong to another account.
fn read_key(call: &Call<'_>) -> Result<KeyRef, Failure> {
    let text = call.members.sized("KeyId", 1, 2048)?.ok_or_else(nameless)?;
    if let Some(at) = KeyRef::of_arn(text).filter(|at| at.region == call.caller.region && at.account != call.caller.account) {
        return Ok(at);
    }
    match call.target(text, Aliases::Refused)? {
        Target::Key(at) => Ok(at),
        Target::Alias(_) => Err(Failure::not_found(format!("Invalid keyId '{text}'"))),
    }
}

fn find(call: &Call<'_>, at: &KeyRef, id: &str) -> Result<(), Failure> {
    call.world.grants(at).find(|grant| grant.id == id).map(|_| ()).ok_or_else(|| unknown(id))
}

fn unknown(id: &str) -> Failure {
    Failure::not_found(format!("Grant '{id}' does not exist"))
}

fn nameless() -> Failure {
    Failure::validation("A grant is named by its token, or by its key and its grant ID")
}
