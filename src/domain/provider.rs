//! The sentences and conditions about a provider: whether it can be used, why not, and what helps.
//!
//! No sentence here may contain the value of a secret. Keyward reads keys only if the account is right, because in a wrong account every
//! key looks absent.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;

use super::{
    command,
    deletion::budget,
    event::Event,
    failure::{Failure, Retry},
    pending,
    plan::Note,
    rules::default_tags,
};
use crate::{
    api::{
        ConditionType, KeyProvider, KeyProviderStatus, Reason, annotation, condition,
        key_provider::{IdentityStatus, MOST_DEFAULTS, Namespaces, NamespacesFrom},
    },
    text,
};

/// Why a provider cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// For conditions, of the provider and of its keys.
    pub note: Note,
    /// What must happen first.
    pub awaits: Awaits,
}

/// What must happen before a provider can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaits {
    /// A person must correct something. Retrying alone will not help.
    Person,
    /// A named object is missing. Keyward notices when it appears. A client that was made with the old object is not used any more.
    Arrival,
    /// The cause will pass without a person. A client that worked may still be used.
    Passing,
}

impl Unusable {
    /// A person must correct something.
    #[must_use]
    pub fn by_a_person(reason: Reason, message: impl Into<String>) -> Self {
        Self { note: Note { reason, message: message.into() }, awaits: Awaits::Person }
    }

    /// Whether a person must act.
    #[must_use]
    pub fn is_stalled(&self) -> bool {
        self.awaits == Awaits::Person
    }

    /// When Keyward tries again.
    #[must_use]
    pub fn retried(&self) -> Retry {
        if self.is_stalled() { Retry::Slow } else { Retry::Backoff }
    }

    /// Adds how often Keyward tries again, and how a person can make it try again at once.
    #[must_use]
    pub fn tried_again(self, name: &str, resync: Duration) -> Self {
        let Some(told) = self.retried().told(resync) else { return self };
        let message = format!(
            "{}; {told}, and at once when the provider or its secret changes; to try it now: {}",
            self.note.message,
            command::look_at_provider(name)
        );
        Self { note: Note { message, ..self.note }, ..self }
    }
}

impl From<Failure> for Unusable {
    fn from(failure: Failure) -> Self {
        let verdict = failure.kind.verdict();
        let awaits = if verdict.stalled { Awaits::Person } else { Awaits::Passing };
        Self { note: Note { reason: verdict.reason, message: failure.message }, awaits }
    }
}

/// There is no provider with this name.
#[must_use]
pub fn none(name: &str) -> Unusable {
    let message = format!(
        "KeyProvider {} does not exist, and Keyward waits for it; create it, or delete this object and make it again with another spec.providerRef",
        text::name(name)
    );
    Unusable { note: Note { reason: Reason::ProviderNotFound, message }, awaits: Awaits::Arrival }
}

/// The provider does not admit the namespace of an object.
#[must_use]
pub fn not_admitted(name: &str, namespaces: &Namespaces, namespace: &str) -> Unusable {
    let (awaits, message) = match namespaces.from {
        NamespacesFrom::Selector => (
            Awaits::Arrival,
            format!(
                "KeyProvider {name} admits namespaces by their labels, and namespace {namespace} does not have these labels; Keyward waits for them: \
                 ask the administrator of the provider (spec.namespaces.selector)"
            ),
        ),
        NamespacesFrom::All | NamespacesFrom::Names => {
            (Awaits::Person, format!("KeyProvider {name} does not admit namespace {namespace}; ask its administrator (spec.namespaces)"))
        }
    };
    Unusable { note: Note { reason: Reason::NamespaceNotAllowed, message }, awaits }
}

/// The problem of a provider, in the words of the status of its objects.
#[must_use]
pub fn told_by_objects(name: &str, Unusable { note, awaits }: Unusable) -> Unusable {
    Unusable { note: Note { message: format!("KeyProvider {name} cannot be used: {}", note.message), ..note }, awaits }
}

/// A secret of the provider is missing. `namespace` is the operator's own namespace.
#[must_use]
pub fn no_secret(name: &str, namespace: &str) -> Unusable {
    let message =
        format!("secret {name} does not exist in the operator's own namespace {namespace}, and Keyward waits for it; create it there");
    Unusable { note: Note { reason: Reason::ProviderNotReady, message }, awaits: Awaits::Arrival }
}

/// The API server did not return a secret of the provider.
#[must_use]
pub fn unread_secret(name: &str, namespace: &str) -> Unusable {
    let message = format!("secret {name} in namespace {namespace} could not be read; Keyward tries again");
    Unusable { note: Note { reason: Reason::ProviderNotReady, message }, awaits: Awaits::Passing }
}

/// A secret of the provider lacks a key, or the key is empty.
#[must_use]
pub fn lacks(secret: &str, key: &str) -> Unusable {
    Unusable::by_a_person(Reason::CredentialsInvalid, format!("secret {secret} has no key {key}; add it"))
}

/// Whether the account is the declared one, and the one that was seen first. Otherwise Keyward reads no key, because a key that is not
/// found in a wrong account would count as gone.
///
/// # Errors
/// The account is another one.
pub fn right_account(provider: &KeyProvider, account: &str) -> Result<(), Unusable> {
    let declared = provider.spec.aws.as_ref().and_then(|aws| aws.account_id.as_deref());
    let pinned = provider.status.as_ref().and_then(|status| status.identity.as_ref()).map(|identity| identity.account.as_str());
    match (declared, pinned) {
        (Some(expected), _) if expected != account => Err(Unusable::by_a_person(
            Reason::WrongAccount,
            format!(
                "the credentials belong to account {account}, but spec.aws.accountId is {expected}; correct the credentials or spec.aws.accountId"
            ),
        )),
        (_, Some(expected)) if expected != account => Err(Unusable::by_a_person(
            Reason::WrongAccount,
            format!(
                "the credentials belong to account {account}, but this provider was first used with account {expected}; \
                 give it credentials of that account, or make another KeyProvider"
            ),
        )),
        _ => Ok(()),
    }
}

/// The status after a round. `identity`: the identity of the accepted credentials. `trip`: the id of a new stop, if `maxPerHour` is 0.
#[must_use]
pub fn status(
    provider: &KeyProvider,
    outcome: Result<(), &Unusable>,
    identity: Option<IdentityStatus>,
    now: Timestamp,
    trip: &str,
) -> KeyProviderStatus {
    let mut status = ours(provider).unwrap_or_default();
    let generation = provider.metadata.generation.unwrap_or_default();
    status.observed_generation = Some(generation);
    status.more_pending_deletions = pending::more(&status, now);
    let resume = provider.metadata.annotations.as_ref().and_then(|all| all.get(annotation::RESUME_DELETIONS));
    status.deletions =
        budget::kept(status.deletions.as_ref(), provider.spec.deletion_guard.max_per_hour, resume.map(String::as_str), now, trip);
    say_stopped(&mut status, provider, now);
    if identity.is_some() {
        status.identity = identity;
    }
    // They are on record before a key gets them, because a key is looked at with these rules only after this is written.
    let mut keys: BTreeSet<String> = std::mem::take(&mut status.default_tag_keys).into_iter().collect();
    for tag in default_tags(&provider.spec).into_keys() {
        if keys.len() < MOST_DEFAULTS {
            keys.insert(tag);
        }
    }
    status.default_tag_keys = keys.into_iter().collect();
    let conditions = &mut status.conditions;
    match outcome {
        Ok(()) => {
            condition::set(conditions, ConditionType::Ready, true, Reason::Ready, "the credentials were accepted", generation, now);
            condition::remove(conditions, ConditionType::Reconciling);
            condition::remove(conditions, ConditionType::Stalled);
        }
        Err(unusable) => {
            let Unusable { note, awaits: _ } = unusable;
            let (is, is_not) = if unusable.is_stalled() {
                (ConditionType::Stalled, ConditionType::Reconciling)
            } else {
                (ConditionType::Reconciling, ConditionType::Stalled)
            };
            condition::set(conditions, ConditionType::Ready, false, note.reason, &note.message, generation, now);
            condition::set(conditions, is, true, note.reason, &note.message, generation, now);
            condition::remove(conditions, is_not);
        }
    }
    status
}

/// Says on the provider whether all deletions through it are stopped, and how they go on.
pub fn say_stopped(status: &mut KeyProviderStatus, provider: &KeyProvider, now: Timestamp) {
    let Some(trip) = status.deletions.as_ref().and_then(|book| book.tripped.as_ref()) else {
        condition::remove(&mut status.conditions, ConditionType::DeletionsStopped);
        return;
    };
    let name = provider.metadata.name.as_deref().unwrap_or_default();
    let most = provider.spec.deletion_guard.max_per_hour;
    let why = if most <= 0 {
        let raise = command::patch_provider(name, r#"{"deletionGuard":{"maxPerHour":10}}"#);
        format!("deletionGuard.maxPerHour is 0; to resume them, raise it ({raise}) and then run")
    } else {
        format!(
            "deletionGuard.maxPerHour was 0, or more than that many were asked for within an hour (it is {most}); no key is scheduled for deletion, and none is \
             disabled with its object; look at what is held (kubectl get managedkeys -A, condition DeletionHeld); to resume them, run"
        )
    };
    let message = format!(
        "all deletions through this provider are stopped: {why}: {}; each deletion that is held needs its own token after that",
        command::annotate_provider(name, annotation::RESUME_DELETIONS, &trip.id)
    );
    let generation = provider.metadata.generation.unwrap_or_default();
    condition::set(&mut status.conditions, ConditionType::DeletionsStopped, true, Reason::BudgetExhausted, message, generation, now);
}

/// The event of a status that stops all deletions through a provider, or lets them go on. The id of a stop tells one from another.
#[must_use]
pub fn turned(before: &KeyProvider, after: &KeyProviderStatus) -> Option<Event> {
    fn trip(status: &KeyProviderStatus) -> Option<&str> {
        status.deletions.as_ref()?.tripped.as_ref().map(|trip| trip.id.as_str())
    }
    let name = before.metadata.name.as_deref().unwrap_or_default();
    match (before.status.as_ref().and_then(trip), trip(after)) {
        (known, Some(new)) if known != Some(new) => {
            let note = condition::find(&after.conditions, ConditionType::DeletionsStopped)?.message.clone();
            Some(Event { reason: "DeletionsStopped", action: "StopDeletions", warning: true, note })
        }
        (Some(_), None) => {
            let note = format!("deletions through KeyProvider {name} are resumed; each deletion that is held still needs its own token");
            Some(Event { reason: "DeletionsResumed", action: "ResumeDeletions", warning: false, note })
        }
        _ => None,
    }
}

/// The status without conditions that are not Keyward's.
#[must_use]
pub fn ours(provider: &KeyProvider) -> Option<KeyProviderStatus> {
    let mut status = provider.status.clone()?;
    status.conditions.retain(|known| condition::is_ours(&known.type_));
    Some(status)
}
