//! What grants permit. They are the only permissions that the double evaluates besides the lists of its credentials: a grant lets a caller do
//! what its credential does not allow, also with a key of another account.

use std::collections::BTreeMap;

use super::call::Caller;
use super::members::Members;
use super::operation::{Kind, Operation};
use crate::world::{Grant, KeyRef, World};

/// Whether a call that the credential does not allow can still be permitted by a grant.
pub(super) fn may_try(world: &World, caller: &Caller, operation: Operation, members: &Members, key: Option<&KeyRef>) -> bool {
    // Which grant it is about is found later, and with it who may retire it.
    operation == Operation::RetireGrant || key.is_some_and(|key| permits(world, caller, operation, members, key))
}

/// Whether a grant of the key permits this call.
pub(super) fn permits(world: &World, caller: &Caller, operation: Operation, members: &Members, key: &KeyRef) -> bool {
    world.grants(key).any(|grant| {
        let named = grant.terms.operations.iter().any(|granted| granted == operation.name());
        named && is(&grant.terms.grantee, caller) && fits(grant, operation, members)
    })
}

/// Whether the caller is this principal: itself, its role, or its account.
pub(super) fn is(principal: &str, caller: &Caller) -> bool {
    let parts: Vec<&str> = principal.splitn(6, ':').collect();
    let ["arn", _, _, _, account, resource] = parts.as_slice() else {
        return false;
    };
    if *account != caller.account {
        return false;
    }
    // A session is named by its role too. The path of the role is not in the name of the session.
    let role = caller.principal.split_once(":assumed-role/").and_then(|(_, session)| session.split('/').next());
    let named_role = resource.strip_prefix("role/").and_then(|name| name.rsplit('/').next());
    principal == caller.principal || *resource == "root" || (role.is_some() && role == named_role)
}

/// Constraints on the encryption context apply to cryptographic operations. No request here is made for another resource, so a grant
/// with a source ARN permits nothing.
fn fits(grant: &Grant, operation: Operation, members: &Members) -> bool {
    if grant.terms.source_arn.is_some() {
        return false;
    }
    if operation.kind() != Kind::Cryptographic {
        return true;
    }
    let Ok(pairs) = members.string_map("EncryptionContext") else {
        return false;
    };
    // "In a grant constraint, the key in each pair is not case sensitive, but the value is."
    let context: BTreeMap<String, &str> = pairs.into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect();
    let holds = |wanted: &BTreeMap<String, String>| {
        wanted.iter().all(|(name, value)| context.get(&name.to_lowercase()).is_some_and(|given| given == value))
    };
    let equals = |wanted: &BTreeMap<String, String>| holds(wanted) && wanted.len() == context.len();
    grant.terms.context_subset.as_ref().is_none_or(holds) && grant.terms.context_equals.as_ref().is_none_or(equals)
}
