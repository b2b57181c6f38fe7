//! The list of pending keys in a provider's status. A key is put on it before its object goes, the provider's rounds read it, and it comes off when the
//! key is deleted or alive.
//!
//! Rounds of keys and of the provider write the same status. Every write has the version that was read as its precondition, and starts again if another
//! write came between, so that no entry is lost. If many writes come at once, one of them writes for all.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{FutureExt, future::join_all};
use kube::Api;

use super::{clients::Connected, lists::Ticket, status::write};
use crate::controller::waits;
use crate::{
    api::{
        KeyProvider, KeyProviderStatus,
        key_provider::{MOST_PENDING, MoreDeletions, PendingDeletion, WatchedDeletion},
    },
    controller::{
        Context,
        account::same_account,
        alarms::{Alarm, Source},
        error::Error,
        now,
        watched::Watched,
    },
    domain::{
        observed::{Facets, Observed, Searched},
        pending::{self, Change, Changed, Look, Verdict},
        provider, rules,
    },
    kms::Kms,
    lease::is_before,
    metrics::PendingKey,
};

/// How often a write starts again because another one came between.
const TRIES: usize = 8;
/// How many keys are read at the same time.
const READS: usize = 4;

/// Writes these changes into the lists of a provider. Returns the keys that lost their objects by these changes. A provider that is gone has no list.
pub async fn commit(context: &Context, provider: &str, changes: Vec<Change>) -> Result<Vec<String>, Error> {
    let lists = &context.providers.lists;
    let (ticket, lock) = {
        let mut inner = lists.inner();
        let shown = Instant::now();
        inner.noted.extend(changes.iter().filter_map(listed).map(|key| (key.to_owned(), shown)));
        let queue = inner.queues.entry(provider.to_owned()).or_default();
        let number = queue.next;
        queue.next += 1;
        queue.waiting.insert(number, changes);
        (Ticket { lists, provider, number }, Arc::clone(&queue.writing))
    };
    let _writing = lock.lock().await;
    let number = ticket.number;
    let all = {
        let mut inner = lists.inner();
        let queue = inner.queues.entry(provider.to_owned()).or_default();
        if let Some(gone) = queue.done.remove(&number) {
            return Ok(gone);
        }
        queue.waiting.clone()
    };
    let gone = write_all(context, provider, &all).await?;
    let mut inner = lists.inner();
    let queue = inner.queues.entry(provider.to_owned()).or_default();
    // Each of those that waited gets its own part of the result.
    for (&other, changes) in all.iter().filter(|(other, _)| **other != number) {
        if queue.waiting.remove(&other).is_some() {
            let own = gone.iter().filter(|key| changes.iter().any(|change| names(change, key)));
            queue.done.insert(other, own.cloned().collect());
        }
    }
    let own = all.get(&number).map(Vec::as_slice).unwrap_or_default();
    Ok(gone.into_iter().filter(|key| own.iter().any(|change| names(change, key))).collect())
}

/// The key that loses its object by a change. It may have been scheduled a moment ago, so an earlier answer of the KMS proves nothing.
const fn listed(change: &Change) -> Option<&String> {
    match change {
        Change::Gone(PendingDeletion { key, .. }) | Change::Told(PendingDeletion { key, .. }) | Change::Vanished { key, .. } => Some(key),
        _ => None,
    }
}

fn names(change: &Change, key: &str) -> bool {
    listed(change).is_some_and(|named| named == key)
}

async fn write_all(context: &Context, provider: &str, all: &BTreeMap<u64, Vec<Change>>) -> Result<Vec<String>, Error> {
    let api = Api::<Watched<KeyProvider>>::all(context.client.clone());
    let mut tries = 0;
    loop {
        tries += 1;
        let read = api.get_opt(provider).await.map_err(|error| Error::Api("a live read of the provider", Box::new(error)))?;
        let Some(read) = read else { return Ok(Vec::new()) };
        // A provider that this version does not understand is left alone, and objects do not wait for it.
        let Ok(read) = read.into_decoded() else { return Ok(Vec::new()) };
        let before = provider::ours(&read).unwrap_or_default();
        let Changed { status, gone, unlisted } = pending::changed(&before, all.values().flatten());
        let version = match write(context, &read, &status).await {
            Ok(stored) => stored.version,
            Err(error) if error.is_conflict() && tries < TRIES => continue,
            // The provider was deleted meanwhile.
            Err(error) if error.is_not_found() => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        for entry in unlisted {
            remember(context, provider, entry);
        }
        let more = |status: &KeyProviderStatus| status.more_pending_deletions.iter().map(|more| i64::from(more.count)).sum::<i64>();
        if more(&status) > more(&before) {
            tracing::warn!(
                provider,
                more = more(&status),
                "status.pendingDeletions of the provider is full; further keys are counted in morePendingDeletions and are not read"
            );
        }
        say(context, provider, version.as_deref(), &status);
        return Ok(gone);
    }
}

/// Remembers a pending key whose object exists and for which the provider's list has no room.
pub fn remember(context: &Context, provider: &str, entry: WatchedDeletion) {
    let mut inner = context.providers.lists.inner();
    inner.unlisted.entry(provider.to_owned()).or_default().keys.insert(entry.uid.clone(), entry);
}

/// Forgets the key of an object: it is not pending any more, or is listed as one without an object.
pub fn over(context: &Context, provider: &str, uid: &str) {
    if let Some(unlisted) = context.providers.lists.inner().unlisted.get_mut(provider) {
        unlisted.keys.remove(uid);
    }
}

/// Sets the metrics of a provider's keys from its status, unless a later status was written.
pub(super) fn say(context: &Context, provider: &str, version: Option<&str>, status: &KeyProviderStatus) {
    let mut inner = context.providers.lists.inner();
    let queue = inner.queues.entry(provider.to_owned()).or_default();
    if is_before(version, queue.version.as_deref()) {
        return;
    }
    queue.version = version.map(str::to_owned);
    drop(inner);
    let more = status.more_pending_deletions.iter().map(|more| alarm_of_more(provider, more));
    let alarms = status.pending_deletions.iter().map(alarm).chain(more).collect();
    context.alarms.say(&Source::Provider(provider.to_owned()), alarms);
}

/// The alarm about a key without an object. It is the same series as that of its object.
#[must_use]
pub fn alarm(entry: &PendingDeletion) -> Alarm {
    let (namespace, name) = pending::owner(&entry.owner).unwrap_or_default();
    let at = entry.date.as_ref().map_or(0, |date| date.0.as_second());
    let state = pending::state(entry.date.as_ref()).as_str();
    (PendingKey { namespace: namespace.to_owned(), name: name.to_owned(), key: entry.key.clone(), state }, at)
}

/// The alarm about keys without objects for which the list has no room: one for each namespace, with the earliest of their dates.
fn alarm_of_more(provider: &str, more: &MoreDeletions) -> Alarm {
    let at = more.earliest.as_ref().map_or(0, |earliest| earliest.0.as_second());
    let (namespace, key) = (more.namespace.clone(), format!("KeyProvider/{provider}"));
    (PendingKey { namespace, name: String::new(), key, state: "PendingDeletion" }, at)
}

/// Reads the listed keys. The credentials must be of the right account.
pub(super) async fn refresh(context: &Context, name: &str, provider: &KeyProvider, connected: &Connected) {
    let Some(status) = &provider.status else { return };
    if status.pending_deletions.is_empty() {
        return;
    }
    let (begun, endpoint) = ((now(), Instant::now()), pending::place(&rules::endpoint(&provider.spec)));
    let mut seen = Vec::new();
    for some in status.pending_deletions.chunks(READS) {
        // A KMS that is slow to answer must not hold up the provider.
        if begun.1.elapsed() >= waits::LISTED_READS {
            break;
        }
        let reads = some.iter().map(|entry| connected.kms.read(&entry.key, Facets::NONE).boxed());
        seen.extend(some.iter().zip(join_all(reads).await));
    }
    let absent = seen.iter().any(|(_, seen)| matches!(seen, Ok(None)));
    // In another account no key exists.
    if absent && same_account(&connected.kms, &connected.identity.account).await.is_err() {
        return;
    }
    let mut changes = Vec::new();
    for (entry, seen) in seen {
        let seen = match seen {
            Ok(read) => read.map_or(Observed::Absent(Searched::Reference), |read| Observed::Present(Box::new(read.key))),
            Err(failure) => {
                tracing::warn!(
                    key = entry.key,
                    error = &failure as &dyn std::error::Error,
                    "a pending key without an object could not be read"
                );
                continue;
            }
        };
        match judged(context, entry, &seen, &endpoint, begun) {
            Verdict::Changes(change) => {
                if let Change::Over(key) = &change {
                    tracing::info!(provider = name, key, owner = entry.owner, "a key without an object is not pending deletion any more");
                }
                changes.push(change);
            }
            Verdict::Stays | Verdict::Unsure(_) => {}
        }
    }
    if changes.is_empty() {
        return;
    }
    if let Err(error) = commit(context, name, changes).await {
        tracing::warn!(
            provider = name,
            error = &error as &dyn std::error::Error,
            "the provider's list of pending keys could not be written; a later read writes it"
        );
    }
}

fn judged(
    context: &Context,
    entry: &PendingDeletion,
    seen: &Observed,
    endpoint: &str,
    (time, began): (jiff::Timestamp, Instant),
) -> Verdict {
    let settings = &context.settings;
    let mut inner = context.providers.lists.inner();
    // At first the KMS may not show what an earlier process did last.
    let noted = inner.noted.get(&entry.key).copied().unwrap_or(context.started);
    let waits = noted.checked_add(settings.consistency).map_or(Duration::MAX, |shows| shows.saturating_duration_since(began));
    let since = began.saturating_duration_since(noted.checked_add(settings.consistency).unwrap_or(began));
    let shows = if waits.is_zero() {
        jiff::SignedDuration::try_from(since).ok().and_then(|since| time.checked_sub(since).ok())
    } else {
        jiff::SignedDuration::try_from(waits).ok().and_then(|waits| time.checked_add(waits).ok())
    };
    let shows = shows.unwrap_or(jiff::Timestamp::MAX);
    let missing_after = settings.missing_after.try_into().unwrap_or(jiff::SignedDuration::MAX);
    let verdict = pending::judge(entry, &Look { seen, endpoint, now: time, shows }, inner.unfound.get(&entry.key).copied(), missing_after);
    match &verdict {
        Verdict::Unsure(unfound) => _ = inner.unfound.insert(entry.key.clone(), *unfound),
        Verdict::Stays => _ = inner.unfound.remove(&entry.key),
        Verdict::Changes(_) => {
            inner.unfound.remove(&entry.key);
            inner.noted.remove(&entry.key);
        }
    }
    verdict
}

/// A pending key whose object is gone, without a round that let it go.
#[derive(Debug)]
pub struct Left {
    /// The provider's name.
    pub provider: String,
    /// Its entry in the list.
    pub entry: PendingDeletion,
    /// UID of the object.
    pub uid: String,
}

/// Moves the watched keys whose objects are gone to the list of keys without objects. Such an object had no finalizer, as with `Retain`, or somebody
/// removed it. `is_there` knows objects by namespace, name and UID. `pending` returns the pending keys of a provider's objects that exist.
pub async fn vanished(
    context: &Context,
    is_there: impl Fn(&str, &str, &str) -> bool,
    pending: impl Fn(&str) -> Vec<WatchedDeletion>,
) -> Vec<Left> {
    let mut left = Vec::new();
    for provider in context.providers.store.state() {
        let Ok(provider) = provider.decoded() else { continue };
        let name = provider.metadata.name.clone().unwrap_or_default();
        let cancel = crate::domain::limits::Limits::of(provider.spec.type_).calls.cancel;
        let Some(status) = &provider.status else { continue };
        let is_gone =
            |entry: &WatchedDeletion| pending::owner(&entry.owner).is_some_and(|(namespace, name)| !is_there(namespace, name, &entry.uid));
        let left_behind = |WatchedDeletion { key, date, owner, uid, endpoint }: &WatchedDeletion| {
            let (rescue, endpoint) = (pending::rescue(key, owner, cancel), endpoint.clone());
            (PendingDeletion { key: key.clone(), date: date.clone(), owner: owner.clone(), rescue, endpoint }, uid.clone())
        };
        let mut lost: Vec<(PendingDeletion, String)> =
            status.watched_deletions.iter().filter(|entry| is_gone(entry)).map(left_behind).collect();
        let vanished = |(entry, uid): &(PendingDeletion, String)| Change::Vanished {
            key: entry.key.clone(),
            uid: uid.clone(),
            rescue: entry.rescue.clone(),
        };
        let mut changes: Vec<_> = lost.iter().map(vanished).collect();
        let (went, counts) = unlisted(context, &name, status, is_gone, || pending(&name));
        let went: Vec<_> = went.iter().map(left_behind).collect();
        changes.extend(went.iter().map(|(entry, _)| Change::Told(entry.clone())));
        changes.extend(counts);
        lost.extend(went);
        if changes.is_empty() {
            compared(context, &name);
            continue;
        }
        match commit(context, &name, changes).await {
            Ok(gone) => {
                compared(context, &name);
                for (_, uid) in &lost {
                    over(context, &name, uid);
                }
                let told = lost.into_iter().filter(|(entry, _)| gone.contains(&entry.key));
                left.extend(told.map(|(entry, uid)| Left { provider: name.clone(), entry, uid }));
            }
            Err(error) => {
                tracing::warn!(
                    provider = name,
                    error = &error as &dyn std::error::Error,
                    "a pending key without an object could not be put on the provider's list; it is tried again"
                );
            }
        }
    }
    left
}

/// The counts of an earlier process were compared with the objects that exist, and the result is written.
fn compared(context: &Context, provider: &str) {
    if let Some(unlisted) = context.providers.lists.inner().unlisted.get_mut(provider) {
        unlisted.compared = true;
    }
}

/// For the keys without room on the list: those whose objects are gone, and how the counts change. A process that just started knows only the number of
/// keys whose objects went before that.
fn unlisted(
    context: &Context,
    provider: &str,
    status: &KeyProviderStatus,
    is_gone: impl Fn(&WatchedDeletion) -> bool,
    pending: impl Fn() -> Vec<WatchedDeletion>,
) -> (Vec<WatchedDeletion>, Vec<Change>) {
    let mut inner = context.providers.lists.inner();
    let unlisted = inner.unlisted.entry(provider.to_owned()).or_default();
    let is_full = status.watched_deletions.len() >= MOST_PENDING;
    if !is_full && unlisted.keys.is_empty() && status.more_watched_deletions.is_empty() {
        return (Vec::new(), Vec::new());
    }
    // Keys whose objects are gone stay here until they are listed.
    let went: Vec<_> = unlisted.keys.values().filter(|entry| is_gone(entry)).cloned().collect();
    let there = pending();
    let pends: HashSet<&str> = there.iter().map(|entry| entry.uid.as_str()).collect();
    let listed: HashSet<&str> = status.watched_deletions.iter().map(|entry| entry.key.as_str()).collect();
    unlisted.keys.retain(|uid, entry| !listed.contains(entry.key.as_str()) && (pends.contains(uid.as_str()) || is_gone(entry)));
    for entry in there.iter().filter(|entry| !entry.key.is_empty() && !listed.contains(entry.key.as_str())) {
        unlisted.keys.insert(entry.uid.clone(), entry.clone());
    }
    let counts = pending::unlisted(unlisted.keys.values().filter(|entry| !is_gone(entry)));
    let mut changes = Vec::new();
    if !unlisted.compared {
        // Keys whose objects are gone and that are known here are listed by name.
        let known = pending::unlisted(unlisted.keys.values());
        changes.extend(pending::lost(&status.more_watched_deletions, &known).into_iter().map(Change::Lost));
    }
    if counts != status.more_watched_deletions {
        changes.push(Change::Unlisted(counts));
    }
    (went, changes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::controller::fixtures;

    #[test]
    fn a_read_from_before_a_key_was_listed_proves_nothing() {
        let (key, rescue) = (String::from("k"), String::from("cancel it"));
        let entry = PendingDeletion { key: key.clone(), date: None, owner: "shop/orders".into(), rescue: rescue.clone(), endpoint: None };
        let (gone, vanished) = (Change::Gone(entry), Change::Vanished { key: key.clone(), uid: "u".into(), rescue });
        assert_eq!((listed(&gone), listed(&vanished)), (Some(&key), Some(&key)));
        assert_eq!(listed(&Change::Over(key)), None);
    }
    #[tokio::test]
    async fn objects_deleted_while_no_operator_ran_are_counted_once_the_list_can_be_written() {
        let counted = json!({ "moreWatchedDeletions": [{ "namespace": "shop", "count": 2, "earliest": "2026-12-20T10:00:00Z" }] });
        let (context, server) = fixtures::context(&counted, &[]);
        server.refuse(1);
        let pass = async || vanished(&context, |_, _, _| false, |_| Vec::new()).await;
        assert!(pass().await.is_empty());
        assert_eq!(server.status(), counted, "it was refused");
        assert!(pass().await.is_empty());
        let status = server.status();
        let more = status.pointer("/morePendingDeletions/0").unwrap_or_else(|| panic!("{status}"));
        assert_eq!((&more["namespace"], &more["count"], status.get("moreWatchedDeletions")), (&json!("shop"), &json!(2), None));
        // The watch may still show the status from before.
        let written = server.writes().len();
        pass().await;
        assert!(server.writes().len() <= written + 1);
        assert_eq!(server.status().pointer("/morePendingDeletions/0/count"), Some(&json!(2)), "once");
    }

    #[tokio::test]
    async fn counted_keys_that_are_known_again_are_listed_by_name() {
        let counted = json!({ "moreWatchedDeletions": [{ "namespace": "shop", "count": 2 }] });
        let (context, server) = fixtures::context(&counted, &[]);
        let known = WatchedDeletion { key: "k".into(), date: None, owner: "shop/orders".into(), uid: "u".into(), endpoint: None };
        remember(&context, fixtures::PROVIDER, known);
        vanished(&context, |_, _, _| false, |_| Vec::new()).await;
        let status = server.status();
        let found = (status.pointer("/pendingDeletions/0/key"), status.pointer("/morePendingDeletions/0/count"));
        assert_eq!(found, (Some(&json!("k")), Some(&json!(1))), "{status}");
    }
}
