//! Which keys a creation of unknown outcome may have made.
//!
//! A key with the marks of the object is found by its marks. What is left are keys whose marks somebody removed, or that never got any. Nothing here proves
//! that a key is the one, so the keys are only named, and a person decides.

use jiff::{SignedDuration, Timestamp};

use super::{
    observed::Key,
    ownership::{Owner, Tags},
    periods::CLOCK_SKEW,
};
use crate::api::mark;

/// How many keys a message names.
const NAMED: usize = 5;

/// The keys of the account and Region that no mark gives to an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Unmarked {
    /// They were listed.
    Listed {
        /// The keys.
        keys: Vec<UnmarkedKey>,
        /// How many further keys could not be read.
        denied: usize,
    },
    /// They could not be listed.
    Unread,
}

/// A key that no mark gives to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnmarkedKey {
    /// Its id at the KMS.
    pub id: String,
    /// When it was created, if the KMS tells it.
    pub created: Option<Timestamp>,
    /// Its description.
    pub description: Option<String>,
}

impl From<Key> for UnmarkedKey {
    fn from(Key { id, creation_time: created, description, .. }: Key) -> Self {
        Self { id, created, description }
    }
}

/// Whether no mark gives the key to an object.
#[must_use]
pub fn is_unmarked(tags: &Tags) -> bool {
    ![mark::CLUSTER, mark::OWNER, mark::UID].iter().any(|mark| tags.contains_key(*mark))
}

/// When the key of a creation may have been created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    from: Timestamp,
    to: Timestamp,
    /// The same for people.
    when: &'static str,
}

impl Window {
    /// For a creation that was begun then, and that is certainly over after `wait`.
    #[must_use]
    pub fn of_attempt(begun: Timestamp, wait: SignedDuration) -> Self {
        let to = begun.checked_add(wait).unwrap_or(Timestamp::MAX);
        Self { to, when: "at the time of that call", ..Self::of_object(begun) }
    }

    /// For a creation of unknown time, for an object that was made then.
    #[must_use]
    pub fn of_object(made: Timestamp) -> Self {
        let from = made.checked_sub(CLOCK_SKEW).unwrap_or(Timestamp::MIN);
        Self { from, to: Timestamp::MAX, when: "since this object was made" }
    }
}

/// The keys among `keys` that a creation for this object may have made, the oldest first.
#[must_use]
pub fn could_be<'a>(keys: &'a [UnmarkedKey], owner: &Owner, window: Window) -> Vec<&'a UnmarkedKey> {
    let is_in_time = |key: &&UnmarkedKey| key.created.is_some_and(|created| (window.from..=window.to).contains(&created));
    let mut found: Vec<_> = keys.iter().filter(is_in_time).filter(|key| !is_of_another(key, owner)).collect();
    found.sort_unstable_by(|one, other| (one.created, &one.id).cmp(&(other.created, &other.id)));
    found
}

/// Whether the description says that another object created the key, at a KMS that creates keys without tags.
fn is_of_another(key: &UnmarkedKey, owner: &Owner) -> bool {
    let born = Owner { uid: String::new(), ..owner.clone() }.birth();
    key.description.as_deref().is_some_and(|text| text.starts_with(&born) && text != owner.birth())
}

impl Unmarked {
    /// What is known of the keys that a creation for this object may have made, as the rest of a sentence. `adopt` says how one of them becomes the object's.
    #[must_use]
    pub fn sentence(&self, owner: &Owner, window: Window, adopt: &str) -> String {
        let Self::Listed { keys, denied } = self else {
            return "the keys that it may have made are not known, because the keys of the account could not be listed".into();
        };
        let (found, when) = (could_be(keys, owner, window), window.when);
        let ids: Vec<&str> = found.iter().take(NAMED).map(|key| key.id.as_str()).collect();
        let found = match (ids.len(), found.len() - ids.len()) {
            (0, _) => format!("no key without an owner's mark was created {when}"),
            (1, 0) => format!("one key without an owner's mark was created {when}: {}; {adopt}", ids.concat()),
            (_, 0) => format!("these keys without an owner's mark were created {when}: {}; {adopt}", ids.join(", ")),
            (_, more) => {
                format!("these keys without an owner's mark were created {when}: {}, and {more} more; {adopt}", ids.join(", "))
            }
        };
        let mut told = vec![found];
        let undated = keys.iter().filter(|key| key.created.is_none() && !is_of_another(key, owner)).count();
        if undated > 0 {
            told.push(format!("the KMS does not tell when {} without an owner's mark {} created", counted(undated), were(undated)));
        }
        if *denied > 0 {
            told.push(format!("{} could not be read", counted(*denied)));
        }
        told.join("; ")
    }
}

fn counted(count: usize) -> String {
    if count == 1 { "1 key".into() } else { format!("{count} keys") }
}

const fn were(count: usize) -> &'static str {
    if count == 1 { "was" } else { "were" }
}
