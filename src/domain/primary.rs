//! Which key an object may replicate, and which primary key it may move.
//!
//! A replica has the material of its primary key, so whoever may make one has the key in another Region. The marks of the primary key decide this, as they
//! decide who owns a key: they must name an object of the same namespace. A key without any mark can be replicated only where the adoption rules of its own
//! provider give it to the namespace. A move changes the primary key itself, so it is done only if the marks name this namespace.

use super::{
    candidates::is_unmarked,
    observed::{Key, MultiRegion, State},
    ownership::{Owner, Tags, owner_in},
    rules::Rules,
};
use crate::api::{Reason, managed_key::KeyState};

/// What a round learned of a primary key.
#[derive(Clone, Debug, PartialEq)]
pub enum Primary {
    /// It was read, through the provider of its Region.
    Seen(Box<SeenPrimary>),
    /// It could not be read, or must not be used.
    Barred(Barred),
}

/// A primary key that was read in this round.
#[derive(Clone, Debug, PartialEq)]
pub struct SeenPrimary {
    /// The key, with its tags.
    pub key: Key,
    /// The rules of the provider through which it was read.
    pub rules: Rules,
}

/// Why a primary key is not replicated, or not moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Barred {
    /// For conditions.
    pub reason: Reason,
    /// What was seen, and what to do next.
    pub message: String,
    /// Whether a person must act. Otherwise it passes by itself.
    pub stalled: bool,
}

impl Barred {
    /// A person must act.
    #[must_use]
    pub fn stalled(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), stalled: true }
    }

    /// It passes by itself, or when something comes that is declared already.
    #[must_use]
    pub fn for_now(message: impl Into<String>) -> Self {
        Self { reason: Reason::KeyNotReady, message: message.into(), stalled: false }
    }
}

/// Whether the marks of a key name an object of this cluster and namespace.
fn is_of_namespace(tags: &Tags, owner: &Owner) -> bool {
    owner_in(&owner.cluster, tags).and_then(|name| name.split_once('.')).is_some_and(|(namespace, _)| namespace == owner.namespace)
}

/// Why `owner` may not replicate a key, whatever its state is.
#[must_use]
pub fn not_to_replicate(owner: &Owner, key: &Key, rules: &Rules) -> Option<Barred> {
    let tags = key.tags.clone().unwrap_or_default();
    if key.tags.is_some() && is_of_namespace(&tags, owner) {
        return None;
    }
    // Nobody who may not have the key is told more of it.
    if key.tags.is_none() || !is_unmarked(&tags) {
        return Some(Barred::stalled(
            Reason::OwnedByAnother,
            format!(
                "key {} has the marks of an object that is not in namespace {}, so it is not replicated for this object; make a new \
                 object whose spec.replicaOf names a key of this namespace",
                key.arn, owner.namespace
            ),
        ));
    }
    (!rules.admits_adoption(&owner.namespace, &key.arn, &tags)).then(|| {
        Barred::stalled(
            Reason::AdoptionNotAllowed,
            format!(
                "key {} has no marks of Keyward, and KeyProvider {} does not let namespace {} have it, so it is not replicated; let a ManagedKey of this \
                 namespace manage it, or ask the administrator to admit it in spec.adoption of that provider",
                key.arn, rules.name, owner.namespace
            ),
        )
    })
}

/// Why `owner`, whose provider has `rules`, cannot make a replica of that key now.
#[must_use]
pub fn bars_replica(owner: &Owner, rules: &Rules, primary: &SeenPrimary) -> Option<Barred> {
    let SeenPrimary { key, rules: theirs } = primary;
    let invalid = |message: String| Some(Barred::stalled(Reason::InvalidSpec, message));
    if let Some(barred) = not_to_replicate(owner, key, theirs) {
        return Some(barred);
    }
    if theirs.provider != rules.provider {
        return invalid(format!(
            "KeyProvider {} is for {}, but key {} is reached through KeyProvider {}, which is for {}; make a new object whose provider is for {}",
            rules.name,
            rules.provider.as_str(),
            key.arn,
            theirs.name,
            theirs.provider.as_str(),
            theirs.provider.as_str()
        ));
    }
    if key.account != rules.account {
        return invalid(format!(
            "key {} is in account {}, but KeyProvider {} is for account {}; a replica is in the account of its primary, so make a new object with a \
             provider for that account",
            key.arn, key.account, rules.name, rules.account
        ));
    }
    if key.region == rules.region {
        return invalid(format!(
            "key {} is in Region {}, for which KeyProvider {} is too; a replica is in another Region, so make a new object with a provider for one",
            key.arn, key.region, rules.name
        ));
    }
    if !key.customer_managed || !key.kind.multi_region {
        return Some(Barred::stalled(
            Reason::NotAPrimary,
            format!("key {} is no multi-Region key, so it can have no replica; make a new object that names a multi-Region key", key.arn),
        ));
    }
    if matches!(key.multi_region, Some(MultiRegion::Replica(_))) {
        return Some(Barred::for_now(format!("key {} is not the primary key any more; Keyward looks for the primary key", key.arn)));
    }
    not_enabled(key).map(|state| {
        let barred = Barred::for_now(format!("the primary key {} is {state}; Keyward makes the replica when it is enabled", key.arn));
        Barred { stalled: key.state.is_pending(), ..barred }
    })
}

/// Why `owner` may not make its replica the primary key in place of that one.
#[must_use]
pub fn bars_move(owner: &Owner, primary: &SeenPrimary) -> Option<Barred> {
    let key = &primary.key;
    if !key.tags.as_ref().is_some_and(|tags| is_of_namespace(tags, owner)) {
        return Some(Barred::stalled(
            Reason::OwnedByAnother,
            format!(
                "the primary key {} does not have the marks of an object of namespace {}, so this key does not become the primary key in its place; let a \
                 ManagedKey of this namespace manage that key, or remove spec.primary",
                key.arn, owner.namespace
            ),
        ));
    }
    not_enabled(key).map(|state| {
        Barred::for_now(format!("this key becomes the primary key when the primary key {}, which is {state}, is enabled", key.arn))
    })
}

/// AWS replicates and moves only an enabled primary key (AWS KMS Developer Guide, "Key states of AWS KMS keys").
fn not_enabled(key: &Key) -> Option<&'static str> {
    (key.state != State::Enabled).then(|| KeyState::from(key.state).as_str())
}
