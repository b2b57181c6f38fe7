//! What is done next for a grant whose object lives. [`super::allowed`] was asked before.

use super::{Grant, Names, Terms, allowed, target::Target};
use crate::{
    api::{Reason, managed_key::ManagementPolicy},
    domain::{
        observed::{Key, State},
        ownership::Ownership,
        plan::Note,
        rules::Rules,
    },
    text,
};

/// What is known when the next step is planned.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// What is declared.
    pub terms: &'a Terms,
    /// The names of this object's grants.
    pub names: &'a Names,
    /// The `ManagedKey`.
    pub target: &'a Target,
    /// Its key, with tags.
    pub key: &'a Key,
    /// The grants of the key.
    pub grants: &'a [Grant],
    /// The provider.
    pub rules: &'a Rules,
    /// The id and the name of the grant that the KMS confirmed last, by the status.
    pub recorded: Option<(&'a str, &'a str)>,
    /// The id that the KMS answered in this round. Its list may not show the grant yet.
    pub made: Option<&'a str>,
}

/// The next step, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// The grant with this id is as declared, and there is no other of this object on this key.
    Rest(String),
    /// Makes the grant. `again`: somebody revoked it.
    Create {
        /// The id of the grant that is gone.
        again: Option<String>,
    },
    /// Revokes a grant of this object that is not declared any more.
    Revoke(String),
    /// The KMS differs from what is declared, and the management policy says not to correct it.
    Drifted(String),
    /// Something is expected to change by itself, or by somebody who was not asked here.
    Wait(Note),
    /// A person must act.
    Stall(Note),
}

/// The next step.
#[must_use]
pub fn plan(s: &Situation<'_>) -> Plan {
    if let Some(plan) = not_ours(s) {
        return plan;
    }
    let own = || s.grants.iter().filter(|grant| s.names.has(&grant.name));
    let recorded = s.recorded.filter(|(_, name)| *name == s.names.current).map(|(id, _)| id);
    let confirmed = |grant: &&Grant| [recorded, s.made].into_iter().flatten().any(|id| id == grant.id);
    // An id that the KMS answered to this very request is the grant. AWS may show a principal in its own way. Without such an id the whole
    // grant is compared: somebody else may have used the name.
    let is_named = |grant: &&Grant| grant.name == s.names.current;
    let current = own().filter(is_named).find(confirmed).or_else(|| own().filter(is_named).find(|grant| grant.terms == *s.terms));
    let current = match (current, s.made) {
        (Some(grant), _) => {
            if let Some(note) = lost_grantee(s, grant) {
                return Plan::Stall(note);
            }
            grant.id.as_str()
        }
        (None, Some(made)) => made,
        (None, None) => return missing(s, recorded),
    };
    match own().find(|grant| grant.id != current) {
        Some(_) if s.target.policy == ManagementPolicy::Observe => Plan::Drifted(format!(
            "key {} has an earlier grant of this object, and managementPolicy Observe of ManagedKey {} revokes none",
            s.key.arn, s.target.owner.name
        )),
        Some(old) => Plan::Revoke(old.id.clone()),
        None => Plan::Rest(current.to_owned()),
    }
}

/// Why nothing may follow from what was read of the key: its marks do not name the `ManagedKey`.
fn not_ours(s: &Situation<'_>) -> Option<Plan> {
    let (key, name) = (&s.key.arn, &s.target.owner.name);
    let own = s.grants.iter().find(|grant| s.names.has(&grant.name));
    let stays = own.map(|grant| format!("; grant {} stays until this object is deleted", grant.id)).unwrap_or_default();
    let by = match s.key.tags.as_ref().map(|tags| Ownership::of(tags, &s.target.owner)) {
        Some(Ownership::Ours) => return None,
        None | Some(Ownership::Unmarked | Ownership::Namesake) => {
            let message =
                format!("key {key} does not have the marks of ManagedKey {name} yet; Keyward waits until that object has the key{stays}");
            return Some(Plan::Wait(Note { reason: Reason::KeyNotReady, message }));
        }
        Some(Ownership::Other(owner)) => format!("ManagedKey {}", text::name(&owner)),
        Some(Ownership::OtherCluster(cluster)) => format!("cluster {}", text::name(&cluster)),
        Some(Ownership::Stranger(_) | Ownership::Nameless) => "somebody else".to_owned(),
    };
    let message = format!(
        "key {key} belongs to {by} by its marks, and not to ManagedKey {name}, so no grant of it is made; correct spec.keyRef, or see the conditions of that object{stays}"
    );
    Some(Plan::Stall(Note { reason: Reason::OwnedByAnother, message }))
}

/// The grant does not exist.
fn missing(s: &Situation<'_>, recorded: Option<&str>) -> Plan {
    let (name, arn) = (&s.target.owner.name, &s.key.arn);
    match (s.target.policy, recorded) {
        (ManagementPolicy::Observe, _) => {
            let message = format!(
                "key {arn} has no such grant, and managementPolicy Observe of ManagedKey {name} makes none; set it to Enforce to have the grant made"
            );
            return Plan::Drifted(message);
        }
        (ManagementPolicy::EnforceOnChange, Some(id)) => {
            let message = format!(
                "somebody revoked grant {id} of key {arn}, and managementPolicy EnforceOnChange of ManagedKey {name} does not make it again; \
                 to have it made again, change this spec, or set Enforce"
            );
            return Plan::Drifted(message);
        }
        (ManagementPolicy::Enforce | ManagementPolicy::EnforceOnChange, _) => {}
    }
    if let Some(note) = allowed::refused_for(s.terms, s.key, s.rules) {
        return Plan::Stall(note);
    }
    let wait = |next: &str| {
        let message = format!("key {arn} is {}, and the KMS makes no grant of it; {next}", kms_word(s.key.state));
        Plan::Wait(Note { reason: Reason::KeyUnavailable, message })
    };
    match s.key.state {
        // AWS KMS Developer Guide, "Key states of AWS KMS keys": CreateGrant.
        State::Enabled | State::Unavailable | State::Updating => Plan::Create { again: recorded.map(str::to_owned) },
        State::Disabled => wait(&format!("Keyward makes it once the key is enabled (spec.enabled of ManagedKey {name})")),
        State::PendingDeletion | State::PendingReplicaDeletion => {
            wait("Keyward makes it once the deletion is cancelled and the key is enabled")
        }
        State::PendingImport => wait("Keyward makes it once the key has its material"),
        State::Creating => wait("Keyward makes it once the key exists"),
    }
}

fn kms_word(state: State) -> &'static str {
    crate::api::managed_key::KeyState::from(state).as_str()
}

/// AWS shows the unique id of a principal that was deleted (IAM User Guide, "IAM identifiers": `AIDA…`, `AROA…`). A principal that is made
/// again under the same name has another id, and the grant is of no use to it.
fn lost_grantee(s: &Situation<'_>, grant: &Grant) -> Option<Note> {
    let shown = &grant.terms.grantee;
    let is_id = shown.len() >= 16 && shown.starts_with('A') && shown.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    if !is_id || *shown == s.terms.grantee {
        return None;
    }
    let message = format!(
        "granteePrincipal {} was deleted: AWS shows {} in grant {}, which is of no use to a principal that is made again under that name; \
         delete this object, and create it again once the principal exists",
        text::name(&s.terms.grantee),
        text::name(shown),
        grant.id
    );
    Some(Note { reason: Reason::InvalidSpec, message })
}
