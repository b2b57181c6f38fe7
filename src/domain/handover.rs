//! Whether an alias may be moved from the key of another object.
//!
//! A program finds its key by an alias, so moving an alias gives every program that uses it another key. Keyward moves an alias only
//! between two keys that it owns, in one namespace and one provider, and only when the object that has the alias no longer declares it. The
//! marks of the other key and a live read of its object prove that Keyward owns the other key. The status and annotations of the object
//! that asks do not count. In every other case the alias stays on its key.

use super::{
    desired::Desired,
    observed::Key,
    ownership::{self, Owner},
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

/// Why the alias `alias/…` stays on `holder`. The tags of `holder` were read, its marks name `object`, and `object` comes from a live read.
/// `None`: the alias may be moved.
#[must_use]
pub fn barred(alias: &str, taker: Taker<'_>, holder: &Key, object: &ManagedKey) -> Option<String> {
    let Taker { owner, rules } = taker;
    let desired = Desired::of(object, &owner.cluster).ok();
    let Some(desired) = desired
        .filter(|desired| holder.is_of(&desired.owner) && desired.owner.namespace == owner.namespace && desired.owner.uid != owner.uid)
    else {
        return Some(stays(alias, holder, "choose another alias, or remove it there"));
    };
    let (name, bare) = (&desired.owner.name, alias.strip_prefix("alias/").unwrap_or(alias));
    let stays = |way_out: &str| Some(stays(alias, holder, way_out));
    if object.spec.provider_ref.name != rules.name || (&holder.account, &holder.region) != (&rules.account, &rules.region) {
        return stays(&format!("ManagedKey {name} has another KeyProvider; remove it there"));
    }
    if desired.aliases.contains(alias) {
        return stays(&format!("ManagedKey {name} declares it; remove it from spec.aliases there, and it is moved"));
    }
    if object.metadata.deletion_timestamp.is_some() || desired.paused || desired.policy == ManagementPolicy::Observe {
        let why = if desired.paused { "is paused" } else { "is being deleted, or only observes its key" };
        return stays(&format!("ManagedKey {name} {why}; remove it there"));
    }
    let applied = object.status.iter().flat_map(|status| &status.applied).any(|applied| applied.aliases.iter().any(|known| known == bare));
    if !applied {
        return stays(&format!("ManagedKey {name} did not put it there; choose another alias, or remove it there"));
    }
    None
}

fn stays(alias: &str, holder: &Key, way_out: &str) -> String {
    ownership::alias_of(alias, &holder.arn, way_out)
}

/// Why an alias stays on the key of an object that does not declare it any more: `taker` is the name of the object that declares it now.
#[must_use]
pub fn stays_for(alias: &str, taker: &str) -> String {
    format!("{alias} stays on this key until ManagedKey {taker}, which declares it now, has taken it")
}

/// For any other object of the cluster: whether it declares an alias, and whether it is known to have put the alias on its key.
#[must_use]
pub fn stake(object: &ManagedKey, alias: &str) -> (bool, bool) {
    let bare = alias.strip_prefix("alias/").unwrap_or(alias);
    let among = |all: &[String]| all.iter().any(|known| known == bare);
    let takes = object.metadata.deletion_timestamp.is_none() && object.spec.management_policy != ManagementPolicy::Observe;
    let applied = object.status.iter().flat_map(|status| &status.applied).any(|applied| among(&applied.aliases));
    (takes && object.spec.aliases.as_deref().is_some_and(among), applied)
}
