//! The list of pending keys that a provider's status keeps, so that an alert outlives the object that it was about.
//!
//! It is a view for people and alerts, and input: whatever stands in it was perhaps written by somebody else. It must never lead to a call that changes a key;
//! an entry is looked at, and goes when the key is not pending any more.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    observed::{Key, Observed},
    ownership::Owner,
    rules::Rules,
    status::when,
};
use crate::api::{
    KeyProviderStatus,
    condition::seconds,
    key_provider::{LONGEST_KEY, LONGEST_RESCUE, MOST_PENDING, PendingBeyond, PendingDeletion, WatchedDeletion},
};

/// A change of the list.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The object goes, and its key is pending.
    Gone(PendingDeletion),
    /// The object of that key was found to be gone, and it was watched under that UID.
    Vanished {
        /// The key.
        key: String,
        /// UID of the object.
        uid: String,
        /// How the key is rescued.
        rescue: String,
    },
    /// The object is there, and its key is pending.
    Watched(WatchedDeletion),
    /// The key has another date.
    Dated(String, Option<Time>),
    /// The key is not pending any more.
    Over(String),
}

/// Both lists as they stand in a status, made such that everything below holds: bounded, and each key once.
fn lists(status: &KeyProviderStatus) -> (Vec<PendingDeletion>, Vec<WatchedDeletion>) {
    let mut seen = HashSet::new();
    let pending = status.pending_deletions.iter().filter(|entry| seen.insert(entry.key.as_str())).take(MOST_PENDING).cloned().collect();
    let watched = status.watched_deletions.iter().filter(|entry| seen.insert(entry.key.as_str())).take(MOST_PENDING).cloned().collect();
    (pending, watched)
}

/// The status after these changes, and the keys that came to be without an object by them.
#[must_use]
pub fn changed<'a>(before: &KeyProviderStatus, changes: impl IntoIterator<Item = &'a Change>) -> (KeyProviderStatus, Vec<String>) {
    let (mut pending, mut watched) = lists(before);
    let mut beyond = before.pending_deletions_beyond.clone();
    let mut gone = Vec::new();
    for change in changes {
        match change {
            Change::Gone(entry) => {
                watched.retain(|known| known.key != entry.key);
                if pending.iter().all(|known| known.key != entry.key) {
                    gone.push(entry.key.clone());
                }
                pending.retain(|known| known.key != entry.key);
                pending.push(entry.clone());
            }
            Change::Vanished { key, uid, rescue } => {
                let at = watched.iter().position(|known| (&known.key, &known.uid) == (key, uid));
                if let Some(WatchedDeletion { key, date, owner, uid: _ }) = at.map(|at| watched.remove(at)) {
                    gone.push(key.clone());
                    pending.push(PendingDeletion { key, date, owner, rescue: rescue.clone() });
                }
            }
            Change::Watched(entry) => {
                pending.retain(|known| known.key != entry.key);
                watched.retain(|known| known.key != entry.key);
                watched.push(entry.clone());
            }
            Change::Dated(key, date) => {
                for known in pending.iter_mut().filter(|known| known.key == *key) {
                    known.date.clone_from(date);
                }
            }
            Change::Over(key) => {
                pending.retain(|known| known.key != *key);
                watched.retain(|known| known.key != *key);
            }
        }
    }
    // What is due first is listed first, and a key without a date is due whenever its replicas are gone.
    let due = |date: &Option<Time>| date.as_ref().map(|date| date.0);
    pending.sort_by(|one, other| (due(&one.date), &one.key).cmp(&(due(&other.date), &other.key)));
    watched.sort_by(|one, other| (due(&one.date), &one.key).cmp(&(due(&other.date), &other.key)));
    watched.truncate(MOST_PENDING);
    for entry in pending.drain(MOST_PENDING.min(pending.len())..) {
        let known = beyond.get_or_insert_default();
        known.count = known.count.max(0).saturating_add(1);
        known.latest = match (known.latest.take(), entry.date) {
            (None, date) if known.count == 1 => date,
            (Some(known), Some(date)) => Some(Time(known.0.max(date.0))),
            _ => None,
        };
    }
    let status =
        KeyProviderStatus { pending_deletions: pending, watched_deletions: watched, pending_deletions_beyond: beyond, ..before.clone() };
    (status, gone)
}

/// The count of what is not listed ends with the last of their dates.
#[must_use]
pub fn beyond(status: &KeyProviderStatus, now: Timestamp) -> Option<PendingBeyond> {
    let known = status.pending_deletions_beyond.clone()?;
    let over = known.latest.as_ref().is_some_and(|latest| latest.0 <= now);
    (!over && known.count > 0).then_some(known)
}

/// Namespace and name of the object that an entry names.
#[must_use]
pub fn owner(text: &str) -> Option<(&str, &str)> {
    text.split_once('/').filter(|(namespace, name)| !namespace.is_empty() && !name.is_empty())
}

fn name(owner: &Owner) -> String {
    format!("{}/{}", owner.namespace, owner.name)
}

/// The entry of a pending key whose object goes.
#[must_use]
pub fn gone(key: &str, date: Option<Timestamp>, owner: &Owner, cancel: &str) -> Option<PendingDeletion> {
    let rescue = rescue(key, &name(owner), cancel);
    (key.len() <= LONGEST_KEY).then(|| PendingDeletion { key: key.to_owned(), date: date.map(seconds), owner: name(owner), rescue })
}

/// The entry of a pending key whose object is there.
#[must_use]
pub fn watched(key: &Key, owner: &Owner) -> Option<WatchedDeletion> {
    let entry =
        || WatchedDeletion { key: key.arn.clone(), date: key.deletion_date.map(seconds), owner: name(owner), uid: owner.uid.clone() };
    (key.arn.len() <= LONGEST_KEY).then(entry)
}

/// How a key without an object is rescued.
#[must_use]
pub fn rescue(key: &str, owner: &str, cancel: &str) -> String {
    let text =
        format!("create {owner} again with enabled: true, which takes the key up and cancels its deletion; or call {cancel} for {key}");
    text.chars().take(LONGEST_RESCUE).collect()
}

/// The call that cancels a deletion, as the KMS names it.
#[must_use]
pub fn cancel(rules: &Rules) -> &'static str {
    rules.limits().calls.cancel
}

/// The sentence of the event that tells of it.
#[must_use]
pub fn note(entry: &PendingDeletion, provider: &str) -> String {
    let PendingDeletion { key, date, owner: _, rescue } = entry;
    let when = when(date.as_ref().map(|date| date.0));
    format!(
        "the object is gone, and its key {key} is PENDING DELETION: it will be deleted {when}; to rescue it, {rescue}. \
         KeyProvider {provider} keeps it in status.pendingDeletions"
    )
}

/// How often, and since when, a listed key was not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfound {
    /// How many answers in a row.
    pub count: u32,
    /// The first of them.
    pub since: Timestamp,
}

/// What follows from a look at a listed key.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It stays as it is.
    Stays,
    /// It stays, and was not found.
    Unsure(Unfound),
    /// The list changes.
    Changes(Change),
}

/// Judges a look at a listed key, begun at `now`. `shows`: from when on every answer shows what led to the entry.
#[must_use]
pub fn judge(
    entry: &PendingDeletion,
    seen: &Observed,
    before: Option<Unfound>,
    now: Timestamp,
    shows: Timestamp,
    missing_after: SignedDuration,
) -> Verdict {
    match seen {
        Observed::Present(key) if key.state.is_pending() => match key.deletion_date.map(seconds) {
            date if date == entry.date => Verdict::Stays,
            date => Verdict::Changes(Change::Dated(entry.key.clone(), date)),
        },
        // An answer from a copy is as old as it says.
        Observed::Present(key) => match now.checked_sub(key.age.unwrap_or_default()) {
            Ok(as_of) if as_of >= shows => Verdict::Changes(Change::Over(entry.key.clone())),
            _ => Verdict::Stays,
        },
        Observed::Absent(_) if entry.date.as_ref().is_some_and(|date| date.0 <= now) => Verdict::Changes(Change::Over(entry.key.clone())),
        // One such answer proves nothing.
        Observed::Absent(_) => {
            let before = before.unwrap_or(Unfound { count: 0, since: now });
            let unfound = Unfound { count: before.count.saturating_add(1), ..before };
            if unfound.count >= 3 && now.duration_since(unfound.since) >= missing_after {
                Verdict::Changes(Change::Over(entry.key.clone()))
            } else {
                Verdict::Unsure(unfound)
            }
        }
        Observed::Several(_) => Verdict::Stays,
    }
}
