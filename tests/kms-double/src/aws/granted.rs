//! What grants permit. They are the only permissions that the double evaluates besides the lists of its credentials: a grant lets a caller do
//! what its credential does not allow, also with a key of another account.

use std::collections::BTreeMap;

use super::call::Caller;
use super::members::Members;
use super::operation::{Kind, Operation};
use crate::world::{Grant, KeyRef, World};

/// Whether a call that the credential does not allow can still be permitted by a grant.
pub(super) fn may_try(world: &World, caller: &Caller, operation: Operation, members: &Members, key: Option<&KeyRef>) -> bool {
    // Which grant or which two keys it is about is found later, and the permission is checked there.
    matches!(operation, Operation::RetireGrant | Operation::ReEncrypt)
        || key.is_some_and(|key| permits(world, caller, operation, members, key))
}

/// Whether a grant of the key permits this call.
pub(super) fn permits(world: &World, caller: &Caller, operation: Operation, members: &Members, key: &KeyRef) -> bool {
    if operation == Operation::ReEncrypt {
        return [Half::From, Half::To].iter().any(|half| permits_half(world, caller, *half, members, key));
    }
    let context = (operation.kind() == Kind::Cryptographic).then_some("EncryptionContext");
    permits_named(world, caller, operation.name(), context, members, key)
}

/// The two halves of `ReEncrypt`, each of which has an action and an encryption context of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    From,
    To,
}

impl Half {
    /// The name of the grant operation and of the action.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::From => "ReEncryptFrom",
            Self::To => "ReEncryptTo",
        }
    }

    fn context(self) -> &'static str {
        match self {
            Self::From => "SourceEncryptionContext",
            Self::To => "DestinationEncryptionContext",
        }
    }
}

/// Whether a grant of the key permits this half of a `ReEncrypt`.
pub(super) fn permits_half(world: &World, caller: &Caller, half: Half, members: &Members, key: &KeyRef) -> bool {
    permits_named(world, caller, half.name(), Some(half.context()), members, key)
}

fn permits_named(world: &World, caller: &Caller, name: &str, context: Option<&str>, members: &Members, key: &KeyRef) -> bool {
    world.grants(key).any(|grant| {
        let named = grant.terms.operations.iter().any(|granted| granted == name);
        named && is(&grant.terms.grantee, caller) && fits(grant, context, members)
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
fn fits(grant: &Grant, context: Option<&str>, members: &Members) -> bool {
    if grant.terms.source_arn.is_some() {
        return false;
    }
    let Some(context) = context else {
        return true;
    };
    let Ok(pairs) = members.string_map(context) else {
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
