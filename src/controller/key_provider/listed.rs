//! The list of pending keys in a provider's status: written before the object that told of a key goes, looked at with the provider, and ended with the deletion.
//!
//! Keys' rounds and the provider's own write the same status. Every write has the version that was read as its precondition, and is begun anew where another
//! came between, so that no entry is lost. Of many at once one writes for all.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{FutureExt, future::join_all};
use kube::Api;

use super::{clients::Connected, lists::Ticket, status::write};
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
        pending::{self, Change, Changed, Verdict},
        provider,
    },
    kms::Kms,
    lease::is_before,
    metrics::PendingKey,
};

/// How often a write is begun anew because another came between.
const TRIES: usize = 8;
/// How many keys are looked at at the same time.
const LOOKS: usize = 4;
/// After how long no further keys are looked at in a round of the provider. Those that are due first are the first.
const LONGEST_LOOK: Duration = Duration::from_secs(20);

/// Writes these changes into the lists of a provider; gives the keys that came to be without an object by them. A provider that is gone has no list.
pub async fn commit(context: &Context, provider: &str, changes: Vec<Change>) -> Result<Vec<String>, Error> {
    let lists = &context.providers.lists;
    let (ticket, turn) = {
        let mut inner = lists.inner();
        let shown = Instant::now();
        inner.noted.extend(changes.iter().filter_map(listed).map(|key| (key.to_owned(), shown)));
        let queue = inner.queues.entry(provider.to_owned()).or_default();
        let number = queue.next;
        queue.next += 1;
        queue.waiting.insert(number, changes);
        (Ticket { lists, provider, number }, Arc::clone(&queue.turn))
    };
    let _turn = turn.lock().await;
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
    // Whoever waited is told of its own.
    for (&other, changes) in all.iter().filter(|(other, _)| **other != number) {
        if queue.waiting.remove(&other).is_some() {
            let own = gone.iter().filter(|key| changes.iter().any(|change| names(change, key)));
            queue.done.insert(other, own.cloned().collect());
        }
    }
    let own = all.get(&number).map(Vec::as_slice).unwrap_or_default();
    Ok(gone.into_iter().filter(|key| own.iter().any(|change| names(change, key))).collect())
}

/// The key that comes to be without an object by a change. It may have been scheduled a moment ago, so an answer from before proves nothing.
const fn listed(change: &Change) -> Option<&String> {
    match change {
        Change::Gone(PendingDeletion { key, .. }) | Change::Vanished { key, .. } => Some(key),
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
        // A provider of another version is left alone, and an object does not wait for it.
        let Ok(read) = read.into_decoded() else { return Ok(Vec::new()) };
        let before = provider::ours(&read).unwrap_or_default();
        let Changed { status, gone, unlisted } = pending::changed(&before, all.values().flatten());
        let version = match write(context, &read, &status).await {
            Ok(version) => version,
            Err(error) if error.is_conflict() && tries < TRIES => continue,
            // It went meanwhile.
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
                "status.pendingDeletions of the provider is full; what it has no room for is counted in morePendingDeletions, and not looked at"
            );
        }
        say(context, provider, version.as_deref(), &status);
        return Ok(gone);
    }
}

/// Remembers a pending key that the list of its provider has no room for, while its object is there.
pub fn remember(context: &Context, provider: &str, entry: WatchedDeletion) {
    let mut inner = context.providers.lists.inner();
    inner.unlisted.entry(provider.to_owned()).or_default().keys.insert(entry.uid.clone(), entry);
}

/// The key of that object is not pending any more, or is listed as one without an object.
pub fn over(context: &Context, provider: &str, uid: &str) {
    if let Some(unlisted) = context.providers.lists.inner().unlisted.get_mut(provider) {
        unlisted.keys.remove(uid);
    }
}

/// Has the series of a provider's keys say what its status says, unless a later one was written.
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

/// The alarm about a key without an object; the same series as its object had.
#[must_use]
pub fn alarm(entry: &PendingDeletion) -> Alarm {
    let (namespace, name) = pending::owner(&entry.owner).unwrap_or_default();
    let at = entry.date.as_ref().map_or(0, |date| date.0.as_second());
    let state = pending::state(entry.date.as_ref()).as_str();
    (PendingKey { namespace: namespace.to_owned(), name: name.to_owned(), key: entry.key.clone(), state }, at)
}

/// The alarm about keys without an object that the list has no room for: one for each namespace, with the earliest of their dates.
fn alarm_of_more(provider: &str, more: &MoreDeletions) -> Alarm {
    let at = more.earliest.as_ref().map_or(0, |earliest| earliest.0.as_second());
    let (namespace, key) = (more.namespace.clone(), format!("KeyProvider/{provider}"));
    (PendingKey { namespace, name: String::new(), key, state: "PendingDeletion" }, at)
}

/// Looks at the listed keys, with credentials of the right account.
pub(super) async fn refresh(context: &Context, name: &str, provider: &KeyProvider, connected: &Connected) {
    let Some(status) = &provider.status else { return };
    if status.pending_deletions.is_empty() {
        return;
    }
    let begun = (now(), Instant::now());
    let mut seen = Vec::new();
    for some in status.pending_deletions.chunks(LOOKS) {
        // One that is slow to answer does not hold up the provider.
        if begun.1.elapsed() >= LONGEST_LOOK {
            break;
        }
        let looks = some.iter().map(|entry| connected.kms.read(&entry.key, Facets::NONE).boxed());
        seen.extend(some.iter().zip(join_all(looks).await));
    }
    let absent = seen.iter().any(|(_, seen)| matches!(seen, Ok(None)));
    // In a wrong account no key is there.
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
                    "a pending key without an object could not be looked at"
                );
                continue;
            }
        };
        match judged(context, entry, &seen, begun) {
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
            "the list of pending keys is brought up to date by a later look"
        );
    }
}

fn judged(context: &Context, entry: &PendingDeletion, seen: &Observed, (time, began): (jiff::Timestamp, Instant)) -> Verdict {
    let settings = &context.settings;
    let mut inner = context.providers.lists.inner();
    // What an earlier process did last may not be shown at first.
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
    let verdict = pending::judge(entry, seen, inner.unfound.get(&entry.key).copied(), time, shows, missing_after);
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

/// A key whose object went without asking.
#[derive(Debug)]
pub struct Left {
    /// The provider's name.
    pub provider: String,
    /// What its list says of it now.
    pub entry: PendingDeletion,
    /// UID of the object.
    pub uid: String,
}

/// Moves the watched keys whose objects are gone to those without an object. Nobody asked: with `Retain` an object has no finalizer, or it went while no
/// operator ran. `is_there` knows objects by namespace, name and UID; `pending` gives the pending keys of a provider's objects that are there.
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
        let left_behind = |WatchedDeletion { key, date, owner, uid }: &WatchedDeletion| {
            let rescue = pending::rescue(key, owner, cancel);
            (PendingDeletion { key: key.clone(), date: date.clone(), owner: owner.clone(), rescue }, uid.clone())
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
        changes.extend(went.iter().map(|(entry, _)| Change::Gone(entry.clone())));
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
                    "a pending key without an object is not listed yet; it is tried again"
                );
            }
        }
    }
    left
}

/// What an earlier process counted was held against the objects that are there, and what came of it is written.
fn compared(context: &Context, provider: &str) {
    if let Some(unlisted) = context.providers.lists.inner().unlisted.get_mut(provider) {
        unlisted.compared = true;
    }
}

/// Of the keys that the list of a provider has no room for: those whose objects went, and how the counts change by what is there. A process that has just been
/// started knows of those that went before only how many there were.
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
    // Those that went stay here until they are listed.
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
        // Those that went and are known are listed by their names.
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
    fn what_was_seen_before_a_key_was_listed_proves_nothing_whoever_listed_it() {
        let (key, rescue) = (String::from("k"), String::from("cancel it"));
        let entry = PendingDeletion { key: key.clone(), date: None, owner: "shop/orders".into(), rescue: rescue.clone() };
        let (gone, vanished) = (Change::Gone(entry), Change::Vanished { key: key.clone(), uid: "u".into(), rescue });
        assert_eq!((listed(&gone), listed(&vanished)), (Some(&key), Some(&key)));
        assert_eq!(listed(&Change::Over(key)), None);
    }
    #[tokio::test]
    async fn what_went_while_no_operator_ran_is_counted_once_it_can_be_written() {
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
        // The watch may still show what was before.
        let written = server.writes().len();
        pass().await;
        assert!(server.writes().len() <= written + 1);
        assert_eq!(server.status().pointer("/morePendingDeletions/0/count"), Some(&json!(2)), "once");
    }

    #[tokio::test]
    async fn of_what_was_counted_those_that_are_known_are_listed_by_name() {
        let counted = json!({ "moreWatchedDeletions": [{ "namespace": "shop", "count": 2 }] });
        let (context, server) = fixtures::context(&counted, &[]);
        let known = WatchedDeletion { key: "k".into(), date: None, owner: "shop/orders".into(), uid: "u".into() };
        remember(&context, fixtures::PROVIDER, known);
        vanished(&context, |_, _, _| false, |_| Vec::new()).await;
        let status = server.status();
        let found = (status.pointer("/pendingDeletions/0/key"), status.pointer("/morePendingDeletions/0/count"));
        assert_eq!(found, (Some(&json!("k")), Some(&json!(1))), "{status}");
    }
}
