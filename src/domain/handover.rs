//! Whether an alias may be moved from the key of another object.
//!
//! An alias is how a program finds its key, and moving one gives all who use it another key. So it is moved only between two keys that are both ours, of one
//! namespace and one provider, once the object that has it no longer declares it. That the other key is ours is proved by its own marks and by a live read of
//! its object; no status and no annotation of the object that asks counts. In every other case an alias stays where it is.

use super::{
    desired::Desired,
    observed::Key,
    ownership::{self, Owner, Ownership},
    rules::Rules,
};
use crate::api::{ManagedKey, managed_key::ManagementPolicy};

/// The object that asks for an alias.
#[derive(Clone, Copy, Debug)]
pub struct Taker<'a> {
    /// The object.
    pub owner: &'a Owner,
    /// What its provider allows.
    pub rules: &'a Rules,
}

/// Why the alias `alias/…` stays on `holder`, whose tags were read and whose marks name `object`, as a live read has it. `None`: it may be moved.
#[must_use]
pub fn barred(alias: &str, taker: Taker<'_>, holder: &Key, object: &ManagedKey) -> Option<String> {
    let Taker { owner, rules } = taker;
    let desired = Desired::of(object, &owner.cluster).ok();
    let ours = |desired: &Desired| holder.tags.as_ref().is_some_and(|tags| Ownership::of(tags, &desired.owner) == Ownership::Ours);
    let Some(desired) =
        desired.filter(|desired| ours(desired) && desired.owner.namespace == owner.namespace && desired.owner.uid != owner.uid)
    else {
        return Some(stays(alias, holder, "choose another alias, or remove it there"));
    };
    let (name, bare) = (&desired.owner.name, alias.strip_prefix("alias/").unwrap_or(alias));
    let stays = |way_out: &str| Some(stays(alias, holder, way_out));
    if object.spec.provider_ref.name != rules.name || (&holder.account, &holder.region) != (&rules.account, &rules.region) {
        return stays(&format!("ManagedKey {name} has another KeyProvider; remove it there"));
    }
    if desired.aliases.contains(alias) {
        return stays(&format!("ManagedKey {name} declares it; once its spec.aliases has it no more, it is moved"));
    }
    if object.metadata.deletion_timestamp.is_some() || desired.paused || desired.policy == ManagementPolicy::Observe {
        let why = if desired.paused { "is paused" } else { "keeps its key no more, or only watches it" };
        return stays(&format!("ManagedKey {name} {why}; remove it there"));
    }
    let applied = object.status.iter().flat_map(|status| &status.applied).any(|applied| applied.aliases.iter().any(|known| known == bare));
    if !applied {
        return stays(&format!("it was not ManagedKey {name} that put it there; choose another alias, or remove it there"));
    }
    None
}

fn stays(alias: &str, holder: &Key, way_out: &str) -> String {
    ownership::alias_of(alias, &holder.arn, way_out)
}

/// Whether an object that may be any other of the cluster declares an alias, or is known to have put it on its key.
#[must_use]
pub fn stake(object: &ManagedKey, alias: &str) -> (bool, bool) {
    let bare = alias.strip_prefix("alias/").unwrap_or(alias);
    let among = |all: &[String]| all.iter().any(|known| known == bare);
    let takes = object.metadata.deletion_timestamp.is_none() && object.spec.management_policy != ManagementPolicy::Observe;
    let applied = object.status.iter().flat_map(|status| &status.applied).any(|applied| among(&applied.aliases));
    (takes && object.spec.aliases.as_deref().is_some_and(among), applied)
}
