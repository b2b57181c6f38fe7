//! What is said of a grant beyond what the planner, the rules and the KMS say.

use super::Terms;
use crate::{
    api::Reason,
    domain::{grant::release::WAY_OUT, plan::Note},
};

/// The grant is as declared.
#[must_use]
pub fn granted(id: &str, key: &str, terms: &Terms) -> String {
    let operations: Vec<_> = terms.operations.iter().map(String::as_str).collect();
    format!("grant {id} lets {} use key {key} for {}", terms.grantee, operations.join(", "))
}

/// There is no such `ManagedKey`.
#[must_use]
pub fn no_managed_key(name: &str, namespace: &str) -> String {
    format!("ManagedKey {name} does not exist in namespace {namespace}, and Keyward waits for it; create it, or correct spec.keyRef")
}

/// The `ManagedKey` is being deleted.
#[must_use]
pub fn going(name: &str) -> String {
    format!("ManagedKey {name} is being deleted, so no grant of its key is made")
}

/// The `ManagedKey` has no key of its own yet.
#[must_use]
pub fn no_key(name: &str) -> String {
    format!("ManagedKey {name} has no key yet, and Keyward waits for it; the conditions of that object say why")
}

/// The `ManagedKey` is paused.
#[must_use]
pub fn paused(name: &str) -> String {
    format!("the annotation keyward.dev/paused of ManagedKey {name} stops all work on its grants; remove it to go on")
}

/// That message, and that the grant on record still gives access. No message may hide that.
#[must_use]
pub fn stays(message: &str, grant: Option<&str>) -> String {
    let stays = grant.map(|id| format!("; grant {id} stays until this object is deleted")).unwrap_or_default();
    format!("{message}{stays}")
}

/// The object waits for its `ManagedKey`.
#[must_use]
pub fn not_ready(message: &str, grant: Option<&str>) -> Note {
    Note { reason: Reason::KeyNotReady, message: stays(message, grant) }
}

/// An earlier grant on another key is still there.
#[must_use]
pub fn left(key: &str, note: &Note) -> Note {
    let message = format!("an earlier grant of this object on key {key} is not revoked yet: {}", note.message);
    Note { reason: note.reason, message }
}

/// Why an object that is being deleted stays, and how to let it go.
#[must_use]
pub fn with_way_out(note: Note) -> Note {
    let Note { reason, mut message } = note;
    message.push_str(WAY_OUT);
    Note { reason, message }
}
