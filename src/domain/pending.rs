//! The lists of keys pending deletion in a provider's status. With them an alert continues when the object of the key is gone.
//!
//! The lists are a view for people and alerts, and they are untrusted input: somebody else may have written them. They must never lead to a
//! call that changes a key. Keyward only reads the key of an entry, and removes the entry when the key is not pending deletion any more.

use std::collections::{HashMap, HashSet};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sha2::{Digest, Sha256};

use super::{
    observed::{Key, Observed, State},
    ownership::Owner,
    periods::AFTER_ITS_DATE,
    status::when,
};
use crate::api::{
    KeyProviderStatus,
    condition::seconds,
    key_provider::{
        LONGEST_KEY, LONGEST_PLACE, LONGEST_RESCUE, MOST_COUNTED, MOST_PENDING, MoreDeletions, PendingDeletion, WatchedDeletion,
    },
    managed_key::KeyState,
};

/// A change of the lists.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The object is being deleted, and a read showed that its key is pending deletion.
    Gone(PendingDeletion),
    /// The same, but only the object's status says so. It may name a key of another object, so the entry of another object stays as it is.
    Told(PendingDeletion),
    /// The object of this key is gone. The key was watched under this UID.
    Vanished {
        /// The key.
        key: String,
        /// UID of the object.
        uid: String,
        /// How to rescue the key.
        rescue: String,
    },
    /// The object exists, and its key is pending deletion.
    Watched(WatchedDeletion),
    /// This many objects are gone whose keys were pending deletion. Nothing more is known of them.
    Lost(MoreDeletions),
    /// The existing objects that the list of watched keys has no room for.
    Unlisted(Vec<MoreDeletions>),
    /// The key is pending, and has another date or was found at another endpoint.
    Found {
        /// The key.
        key: String,
        /// Its date.
        date: Option<Time>,
        /// Where it was found.
        endpoint: Option<String>,
    },
    /// The key is not pending deletion any more.
    Over(String),
}

/// A key in a list.
trait Entry {
    fn key(&self) -> &str;
    fn date(&self) -> Option<&Time>;
    /// Namespace of its object.
    fn namespace(&self) -> &str;
}

impl Entry for PendingDeletion {
    fn key(&self) -> &str {
        &self.key
    }

    fn date(&self) -> Option<&Time> {
        self.date.as_ref()
    }

    fn namespace(&self) -> &str {
        owner(&self.owner).map_or("", |(namespace, _)| namespace)
    }
}

impl Entry for WatchedDeletion {
    fn key(&self) -> &str {
        &self.key
    }

    fn date(&self) -> Option<&Time> {
        self.date.as_ref()
    }

    fn namespace(&self) -> &str {
        owner(&self.owner).map_or("", |(namespace, _)| namespace)
    }
}

/// Sorts by date. Entries without a date come last.
fn sort(entries: &mut [impl Entry]) {
    fn due(entry: &impl Entry) -> (bool, Option<&Time>, &str) {
        (entry.date().is_none(), entry.date(), entry.key())
    }
    entries.sort_by(|one, other| due(one).cmp(&due(other)));
}

/// Splits entries into those that a list keeps and those that it has no room for. Each namespace gets the same share, and the others get
/// what it does not need, so that the keys of one namespace cannot push out all others. Within a share the earliest date comes first. Keys
/// without a date have their own share: they are due when their replicas are gone, which may be before any date.
fn room<E: Entry>(mut entries: Vec<E>) -> (Vec<E>, Vec<E>) {
    sort(&mut entries);
    if entries.len() <= MOST_PENDING {
        return (entries, Vec::new());
    }
    let mut shares = HashMap::<(String, bool), usize>::new();
    let rank = |entry: E| {
        let before = shares.entry((entry.namespace().to_owned(), entry.date().is_some())).or_default();
        *before += 1;
        (*before, entry)
    };
    let mut ranked: Vec<_> = entries.into_iter().map(rank).collect();
    // The sort is stable, so entries with the same rank stay sorted by date.
    ranked.sort_by_key(|(rank, _)| *rank);
    let mut kept: Vec<E> = ranked.into_iter().map(|(_, entry)| entry).collect();
    let rest = kept.split_off(MOST_PENDING);
    sort(&mut kept);
    (kept, rest)
}

/// Whether the list of watched keys would keep one more.
#[must_use]
pub fn has_room(status: &KeyProviderStatus, entry: &WatchedDeletion) -> bool {
    let others = status.watched_deletions.iter().filter(|known| known.key != entry.key);
    room(others.chain([entry]).cloned().collect()).0.contains(entry)
}

/// Adds keys of a namespace to the counts of keys that a list has no room for.
fn add(counts: &mut Vec<MoreDeletions>, more: MoreDeletions) {
    if more.count <= 0 {
        return;
    }
    let is_known = counts.iter().any(|known| known.namespace == more.namespace);
    let namespace = if is_known || counts.len() < MOST_COUNTED - 1 { more.namespace } else { String::new() };
    let Some(known) = counts.iter_mut().find(|known| known.namespace == namespace) else {
        return counts.push(MoreDeletions { namespace, ..more });
    };
    known.count = known.count.max(0).saturating_add(more.count);
    known.earliest = [known.earliest.take(), more.earliest].into_iter().flatten().min();
    known.latest = known.latest.take().zip(more.latest).map(|(one, other)| one.max(other));
}

/// Counts keys by the namespaces of their objects.
fn counted<E: Entry>(entries: impl IntoIterator<Item = E>) -> Vec<MoreDeletions> {
    let mut counts = Vec::new();
    for entry in entries {
        let (namespace, date) = (entry.namespace().to_owned(), entry.date().cloned());
        add(&mut counts, MoreDeletions { namespace, count: 1, earliest: date.clone(), latest: date });
    }
    counts.sort_by(|one, other| one.namespace.cmp(&other.namespace));
    counts
}

/// Counts the pending keys of existing objects that the list has no room for.
#[must_use]
pub fn unlisted<'a>(entries: impl IntoIterator<Item = &'a WatchedDeletion>) -> Vec<MoreDeletions> {
    counted(entries.into_iter().cloned())
}

/// How many objects are gone without an entry: they were counted before and are not `there` any more. A count without a namespace stands
/// for all namespaces that have no count of their own.
#[must_use]
pub fn lost(before: &[MoreDeletions], there: &[MoreDeletions]) -> Vec<MoreDeletions> {
    let named = |namespace: &str| before.iter().any(|known| known.namespace == namespace);
    let mut lost = Vec::new();
    for known in before {
        let is_counted =
            |found: &&MoreDeletions| found.namespace == known.namespace || (known.namespace.is_empty() && !named(&found.namespace));
        let found = there.iter().filter(is_counted).fold(0_i32, |count, found| count.saturating_add(found.count));
        add(&mut lost, MoreDeletions { count: known.count.saturating_sub(found), ..known.clone() });
    }
    lost
}

/// The result of changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed {
    /// The status.
    pub status: KeyProviderStatus,
    /// The keys that now have no object.
    pub gone: Vec<String>,
    /// Keys whose object exists and that the list has no room for any more.
    pub unlisted: Vec<WatchedDeletion>,
}

/// The status after these changes. Both lists are bounded, and each key is in them once.
#[must_use]
pub fn changed<'a>(before: &KeyProviderStatus, changes: impl IntoIterator<Item = &'a Change>) -> Changed {
    let mut seen = HashSet::new();
    let mut pending: Vec<_> = before.pending_deletions.iter().filter(|entry| seen.insert(entry.key.as_str())).cloned().collect();
    let mut watched: Vec<_> = before.watched_deletions.iter().filter(|entry| seen.insert(entry.key.as_str())).cloned().collect();
    let (mut more_pending, mut more_watched) = (before.more_pending_deletions.clone(), before.more_watched_deletions.clone());
    let mut gone = Vec::new();
    for change in changes {
        match change {
            Change::Told(entry) if is_of_another(&pending, &watched, entry) => {}
            Change::Gone(entry) | Change::Told(entry) => {
                // The caller may not know the date or the endpoint, so what is known of them stays.
                let listed = pending.iter().find(|known| known.key == entry.key);
                let seen = watched.iter().find(|known| known.key == entry.key);
                let known = listed.and_then(|known| known.date.clone()).or_else(|| seen?.date.clone());
                let place = listed.and_then(|known| known.endpoint.clone()).or_else(|| seen?.endpoint.clone());
                watched.retain(|known| known.key != entry.key);
                if pending.iter().all(|known| known.key != entry.key) {
                    gone.push(entry.key.clone());
                }
                pending.retain(|known| known.key != entry.key);
                let (date, endpoint) = (entry.date.clone().or(known), entry.endpoint.clone().or(place));
                pending.push(PendingDeletion { date, endpoint, ..entry.clone() });
            }
            Change::Vanished { key, uid, rescue } => {
                let at = watched.iter().position(|known| (&known.key, &known.uid) == (key, uid));
                if let Some(WatchedDeletion { key, date, owner, uid: _, endpoint }) = at.map(|at| watched.remove(at)) {
                    gone.push(key.clone());
                    pending.push(PendingDeletion { key, date, owner, rescue: rescue.clone(), endpoint });
                }
            }
            Change::Watched(entry) => {
                pending.retain(|known| known.key != entry.key);
                watched.retain(|known| known.key != entry.key);
                watched.push(entry.clone());
            }
            Change::Lost(more) => add(&mut more_pending, more.clone()),
            Change::Unlisted(counts) => more_watched.clone_from(counts),
            Change::Found { key, date, endpoint } => {
                for known in pending.iter_mut().filter(|known| known.key == *key) {
                    known.date.clone_from(date);
                    known.endpoint.clone_from(endpoint);
                }
            }
            Change::Over(key) => {
                pending.retain(|known| known.key != *key);
                watched.retain(|known| known.key != *key);
            }
        }
    }
    let ((pending_deletions, rest), (watched_deletions, unlisted)) = (room(pending), room(watched));
    for more in counted(rest) {
        add(&mut more_pending, more);
    }
    let status = KeyProviderStatus {
        pending_deletions,
        more_pending_deletions: more_pending,
        watched_deletions,
        more_watched_deletions: more_watched,
        ..before.clone()
    };
    Changed { status, gone, unlisted }
}

/// Whether another object than that of the entry is known to have the key.
fn is_of_another(pending: &[PendingDeletion], watched: &[WatchedDeletion], entry: &PendingDeletion) -> bool {
    let listed = pending.iter().any(|known| known.key == entry.key && known.owner != entry.owner);
    listed || watched.iter().any(|known| known.key == entry.key && known.owner != entry.owner)
}

/// The counts of keys without an object that are still valid at that time. Keyward does not read these keys, so a count ends when the last
/// of them must be deleted.
#[must_use]
pub fn more(status: &KeyProviderStatus, now: Timestamp) -> Vec<MoreDeletions> {
    let over = |latest: &Time| is_deleted_by(latest, now);
    let stands = |known: &&MoreDeletions| known.count > 0 && !known.latest.as_ref().is_some_and(over);
    status.more_pending_deletions.iter().filter(stands).cloned().collect()
}

/// Whether a key with that date is certainly deleted: AWS deletes a key up to 24 hours after its date (AWS KMS, "Delete an AWS KMS key").
fn is_deleted_by(date: &Time, now: Timestamp) -> bool {
    now.duration_since(date.0) >= AFTER_ITS_DATE
}

/// Namespace and name of the object that an entry names.
#[must_use]
pub fn owner(text: &str) -> Option<(&str, &str)> {
    text.split_once('/').filter(|(namespace, name)| !namespace.is_empty() && !name.is_empty())
}

fn name(owner: &Owner) -> String {
    format!("{}/{}", owner.namespace, owner.name)
}

/// The entry for a pending key whose object is being deleted. `endpoint`: where the key was seen, if that is known.
#[must_use]
pub fn gone(key: &str, date: Option<Time>, owner: &Owner, cancel: &str, endpoint: Option<&str>) -> Option<PendingDeletion> {
    let (rescue, endpoint) = (rescue(key, &name(owner), cancel), endpoint.map(place));
    (key.len() <= LONGEST_KEY).then(|| PendingDeletion { key: key.to_owned(), date, owner: name(owner), rescue, endpoint })
}

/// The entry for a pending key whose object exists. `date`: when it will be deleted, if that is known.
#[must_use]
pub fn watched(key: &Key, date: Option<Time>, owner: &Owner, endpoint: &str) -> Option<WatchedDeletion> {
    let entry =
        || WatchedDeletion { key: key.arn.clone(), date, owner: name(owner), uid: owner.uid.clone(), endpoint: Some(place(endpoint)) };
    (key.arn.len() <= LONGEST_KEY).then(entry)
}

/// An endpoint as the lists have it. They have to fit into an object, so a long one is replaced by its digest, which is as good for a comparison.
#[must_use]
pub fn place(endpoint: &str) -> String {
    if endpoint.len() <= LONGEST_PLACE { endpoint.to_owned() } else { URL_SAFE_NO_PAD.encode(Sha256::digest(endpoint)) }
}

/// The state of a pending key for its metric. It follows from the date, because every source knows the date but not always the state. So
/// the series does not end and start again when the alert moves from the object to the list.
#[must_use]
pub fn state(date: Option<&Time>) -> KeyState {
    if date.is_some() { KeyState::PendingDeletion } else { KeyState::PendingReplicaDeletion }
}

/// How to rescue a key without an object.
#[must_use]
pub fn rescue(key: &str, owner: &str, cancel: &str) -> String {
    let text =
        format!("create {owner} again with enabled: true, which takes the key up and cancels its deletion; or call {cancel} for {key}");
    text.chars().take(LONGEST_RESCUE).collect()
}

/// The text of the event about an entry.
#[must_use]
pub fn note(entry: &PendingDeletion, provider: &str) -> String {
    let PendingDeletion { key, date, owner: _, rescue, endpoint: _ } = entry;
    let when = when(date.as_ref().map(|date| date.0));
    format!(
        "key {key} is PENDING DELETION, and its object is gone: it will be deleted {when}; to rescue it, {rescue}. \
         KeyProvider {provider} keeps it in status.pendingDeletions"
    )
}

/// How often a listed key was not found, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfound {
    /// The number of such answers in a row.
    pub count: u32,
    /// When the first of them came.
    pub since: Timestamp,
}

/// The result of a read of a listed key.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The entry stays as it is.
    Stays,
    /// The entry stays, but the key was not found.
    Unsure(Unfound),
    /// The list changes.
    Changes(Change),
}

/// A read of a listed key.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// What it showed.
    pub seen: &'a Observed,
    /// Where the key was asked for, as [`place`] names it.
    pub endpoint: &'a str,
    /// When it began.
    pub now: Timestamp,
    /// An answer as of this time or later shows the deletion that led to the entry.
    pub shows: Timestamp,
}

/// Judges a read of a listed key. That a key is not found says nothing if it was last seen at another endpoint: another KMS may be there (ADR 0043).
#[must_use]
pub fn judge(entry: &PendingDeletion, look: &Look<'_>, before: Option<Unfound>, missing_after: SignedDuration) -> Verdict {
    let &Look { seen, endpoint, now, shows } = look;
    let is_elsewhere = entry.endpoint.as_deref().is_some_and(|known| known != endpoint);
    match seen {
        Observed::Present(key) if key.state.is_pending() => {
            // If the KMS does not report the date this time, the known date is still right, because a window cannot be changed.
            let date = key.deletion_date.map(seconds).or_else(|| entry.date.clone().filter(|_| key.state == State::PendingDeletion));
            if date == entry.date && entry.endpoint.as_deref() == Some(endpoint) {
                return Verdict::Stays;
            }
            Verdict::Changes(Change::Found { key: entry.key.clone(), date, endpoint: Some(endpoint.to_owned()) })
        }
        // An answer from a copy is as old as its stated age.
        Observed::Present(key) => match now.checked_sub(key.age.unwrap_or_default()) {
            Ok(as_of) if as_of >= shows => Verdict::Changes(Change::Over(entry.key.clone())),
            _ => Verdict::Stays,
        },
        // Wherever the key is, its KMS has deleted it by then.
        Observed::Absent(_) if is_elsewhere => match &entry.date {
            Some(date) if is_deleted_by(date, now) => Verdict::Changes(Change::Over(entry.key.clone())),
            _ => Verdict::Stays,
        },
        Observed::Absent(_) if entry.date.as_ref().is_some_and(|date| date.0 <= now) => Verdict::Changes(Change::Over(entry.key.clone())),
        // No KMS deletes a key before its date, so this answer is wrong or incomplete.
        Observed::Absent(_) if entry.date.is_some() => Verdict::Stays,
        // A single such answer proves nothing.
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
