//! Keys that this cluster marked and that no object has, objects whose key is gone, and claim aliases that lead to no key of their cluster.
//!
//! It is a list for people. No call that changes a key may follow from it, and a key that could not be read is never on it.

mod report;
mod table;

use std::collections::HashMap;

use super::{
    memory::{Attempt, Memory},
    observed::Key,
    ownership::{Owner, OwnerMark, Tags, is_of, names},
    plan::not_here,
    rules::Rules,
};
use crate::api::{ManagedKey, mark};

pub use self::report::{LostKey, ObjectName, OpenCreation, Orphan, Report, StrayAlias, Totals, Unread, UnreadKind, Why};

/// A key and its tags, as a search of the account told them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkedKey {
    /// A reference by which the KMS finds the key: its canonical reference, or its id.
    pub reference: String,
    /// Its tags.
    pub tags: Tags,
}

/// An alias, and the key that it points to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pointer {
    /// With `alias/`.
    pub alias: String,
    /// A reference of the key, in the form of [`MarkedKey::reference`]. `None`: the KMS says that it points to none.
    pub key: Option<String>,
}

/// An object, as far as the question matters which key is whose.
#[derive(Clone, Debug, PartialEq)]
pub struct Holder {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// The name of its provider; empty if it cannot be read.
    pub provider: String,
    /// The key that its spec names: an id, a canonical reference or an alias.
    pub declared: Option<String>,
    /// What its status says of its key.
    pub holds: Holds,
}

/// What an object's status says of its key.
#[derive(Clone, Debug, PartialEq)]
pub enum Holds {
    /// It has no key.
    Nothing,
    /// It has no key so far, and a creation was begun whose outcome is not on record.
    Creation(Attempt),
    /// It has the key with these references, the canonical one first.
    Key {
        /// The references; at least one.
        references: Vec<String>,
        /// Why the key is not read at the provider: it is on record as one of another place.
        elsewhere: Option<String>,
        /// What the status says of it, for the list.
        lost: LostKey,
    },
    /// This version of Keyward does not understand the object.
    Unread,
}

impl Holder {
    /// Reads an object. `rules` are those of the provider whose keys are searched.
    #[must_use]
    pub fn of(object: &ManagedKey, rules: &Rules) -> Self {
        let memory = Memory::of(object);
        let provider = object.spec.provider_ref.name.clone();
        let metadata = &object.metadata;
        let named =
            ObjectName { namespace: metadata.namespace.clone().unwrap_or_default(), name: metadata.name.clone().unwrap_or_default() };
        let status = &memory.status;
        let references: Vec<String> = status.key_arn.iter().chain(&status.key_id).cloned().collect();
        let holds = match (references.first(), memory.open_attempt()) {
            (Some(key), _) => Holds::Key {
                elsewhere: not_here(key, &memory, rules).filter(|_| provider == rules.name).map(|note| note.message),
                lost: LostKey {
                    object: named.clone(),
                    key: key.clone(),
                    state: status.key_state,
                    missing_since: status.missing.as_ref().map(|missing| missing.first_time.0),
                },
                references,
            },
            (None, Some(attempt)) => Holds::Creation(attempt),
            (None, None) => Holds::Nothing,
        };
        let declared = object.spec.key_id.clone();
        Self { namespace: named.namespace, name: named.name, uid: metadata.uid.clone().unwrap_or_default(), provider, declared, holds }
    }

    /// Its namespace and name.
    #[must_use]
    pub fn object(&self) -> ObjectName {
        ObjectName { namespace: self.namespace.clone(), name: self.name.clone() }
    }

    /// The object as the owner of keys in that cluster.
    #[must_use]
    pub fn owner(&self, cluster: &str) -> Owner {
        Owner { cluster: cluster.into(), namespace: self.namespace.clone(), name: self.name.clone(), uid: self.uid.clone() }
    }

    /// Whether the object has this key, or names it in `spec.keyId`, by any of its references.
    #[must_use]
    pub fn names(&self, key: &Key) -> bool {
        let is_key = |reference: &String| {
            *reference == key.arn || *reference == key.id || key.aliases.iter().flatten().any(|alias| alias == reference)
        };
        self.references().iter().chain(&self.declared).any(is_key)
    }

    /// The references of its key.
    #[must_use]
    pub fn references(&self) -> &[String] {
        if let Holds::Key { references, .. } = &self.holds { references } else { &[] }
    }
}

/// A key that no object has, why, and the object that its marks name if that exists.
pub type Unheld<'a> = (&'a MarkedKey, Why, Option<&'a Holder>);

/// Which of the keys with that cluster's mark no object has. The objects must have been listed after the keys: an object is always older than its key.
///
/// A key is held if an object's status names it, or if its UID mark is that of an object that has no key so far. A status can be forged. That can only take a
/// key off this list.
#[must_use]
pub fn unheld<'a>(keys: &'a [MarkedKey], holders: &'a [Holder]) -> Vec<Unheld<'a>> {
    let by_reference: HashMap<&str, &Holder> =
        holders.iter().flat_map(|holder| holder.references().iter().map(move |reference| (reference.as_str(), holder))).collect();
    let by_uid: HashMap<&str, &Holder> = holders.iter().map(|holder| (holder.uid.as_str(), holder)).collect();
    let marks = |holder: &'a Holder| [OwnerMark::Name, OwnerMark::Digest].map(|form| (holder.owner("").mark_as(form), holder));
    let by_mark: HashMap<String, &Holder> = holders.iter().flat_map(marks).collect();
    let named = |tags: &Tags| {
        let uid = tags.get(mark::UID).and_then(|uid| by_uid.get(uid.as_str()));
        uid.or_else(|| by_mark.get(tags.get(mark::OWNER)?)).copied()
    };
    let free: Vec<_> =
        keys.iter().filter(|key| !by_reference.contains_key(key.reference.as_str())).map(|key| (key, named(&key.tags))).collect();
    let mut waiting: HashMap<&str, usize> = HashMap::new();
    for holder in free.iter().filter_map(|(_, holder)| *holder) {
        *waiting.entry(holder.uid.as_str()).or_default() += 1;
    }
    let why = |key: &MarkedKey, holder: Option<&Holder>| {
        let Some(holder) = holder else {
            return Some(if key.tags.contains_key(mark::OWNER) { Why::NoObject } else { Why::NoOwnerMark });
        };
        let several = waiting.get(holder.uid.as_str()).is_some_and(|count| *count > 1);
        match &holder.holds {
            // Nothing is known of what it has.
            Holds::Unread => None,
            Holds::Key { .. } => Some(Why::AnotherKey),
            Holds::Creation(_) => Some(Why::CreationUnderWay),
            Holds::Nothing if several => Some(Why::SeveralKeys),
            Holds::Nothing if key.tags.get(mark::UID) == Some(&holder.uid) => None,
            Holds::Nothing => Some(Why::NotTakenUp),
        }
    };
    free.into_iter().filter_map(|(key, holder)| why(key, holder).map(|why| (key, why, holder))).collect()
}

/// The object that an owner mark names. A digest tells it only if one of the key's aliases is the claim of that object.
#[must_use]
pub fn last_owner<'a>(cluster: &str, mark: &str, aliases: impl IntoIterator<Item = &'a str>) -> Option<ObjectName> {
    if let Some((namespace, name)) = mark.split_once('.').filter(|(namespace, name)| is_name(namespace) && is_name(name)) {
        return Some(ObjectName { namespace: namespace.into(), name: name.into() });
    }
    let prefix = claims_of(cluster);
    let claimed = |alias: &'a str| {
        let (namespace, name) = alias.strip_prefix(&prefix)?.split_once('/')?;
        Some((namespace, name.replace('_', ".")))
    };
    let mut claims = aliases.into_iter().filter_map(claimed);
    let (namespace, name) = claims.find(|(namespace, name)| names(mark, namespace, name))?;
    Some(ObjectName { namespace: namespace.into(), name })
}

/// Whether a text can be the name of an object. A mark may have been written by anybody.
fn is_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    !text.is_empty() && text.len() <= 253 && text.chars().all(allowed)
}

/// What the claim aliases of every cluster begin with.
pub const CLAIMS: &str = "alias/keyward/";

/// Whether a claim alias leads to no key of its cluster, if the key that it points to has these tags. An alias that names no cluster, as Keyward makes none, needs
/// a key of any cluster.
#[must_use]
pub fn is_stray(alias: &str, tags: &Tags) -> bool {
    cluster_of(alias).map_or_else(|| !tags.contains_key(mark::CLUSTER), |cluster| !is_of(cluster, tags))
}

/// The cluster that a claim alias names.
#[must_use]
pub fn cluster_of(alias: &str) -> Option<&str> {
    let (cluster, object) = alias.strip_prefix(CLAIMS)?.split_once('/')?;
    let is_object = object.split_once('/').is_some_and(|(namespace, name)| !namespace.is_empty() && !name.is_empty());
    (is_object && !cluster.is_empty()).then_some(cluster)
}

/// What the claim aliases of a cluster begin with.
#[must_use]
pub fn claims_of(cluster: &str) -> String {
    format!("{CLAIMS}{cluster}/")
}
