//! All providers, with one client each for the rounds of keys.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::Stream;
use kube::{
    Resource, ResourceExt,
    runtime::reflector::{ObjectRef, Store},
};
use tokio::sync::watch::Sender;

use super::{breaker::Breaker, lists::Lists};
use crate::{
    api::{KeyProvider, key_provider::NamespacesFrom},
    controller::{crowd::Crowd, watched::Watched},
    domain::{
        provider::Unusable,
        requeue::{Cause, Failures},
    },
    kms::{AnyKms, Identity},
};

/// A client for a provider, and the identity of its credentials.
#[derive(Debug)]
pub struct Connected {
    /// The provider, spec and secrets that it was made for.
    pub made_for: MadeFor,
    /// The client.
    pub kms: AnyKms,
    /// The identity of the credentials.
    pub identity: Identity,
    /// Whether the KMS answers.
    pub breaker: Breaker,
    /// The rounds that are under way.
    pub crowd: Crowd,
}

#[cfg(test)]
impl Connected {
    /// A client that a test made.
    pub fn for_tests(kms: AnyKms, identity: Identity) -> Self {
        let made_for = MadeFor { uid: "p1".into(), generation: 1, secrets: Vec::new() };
        Self { made_for, kms, identity, breaker: Breaker::default(), crowd: Crowd::new(1) }
    }
}

/// What a client was made for. When any of it changes, a new client is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeFor {
    pub(super) uid: String,
    pub(super) generation: i64,
    pub(super) secrets: Vec<String>,
}

impl MadeFor {
    /// UID and generation of the provider.
    #[must_use]
    pub fn spec(&self) -> (&str, i64) {
        (&self.uid, self.generation)
    }

    /// Whether it was made for this provider with this spec.
    #[must_use]
    pub fn is(&self, provider: &KeyProvider) -> bool {
        Some(&self.uid) == provider.metadata.uid.as_ref() && Some(self.generation) == provider.metadata.generation
    }
}

/// All providers, and their clients.
#[derive(Clone)]
pub struct Providers {
    pub(super) store: Store<Watched<KeyProvider>>,
    clients: Arc<Mutex<HashMap<String, Entry>>>,
    /// Failures in a row, by the provider's name.
    failures: Arc<Mutex<HashMap<String, Failures>>>,
    /// Lists of pending keys that are being written.
    pub(super) lists: Arc<Lists>,
    /// Those through which all deletions are stopped, as their keys' rounds were told last.
    stopped: Arc<Mutex<HashSet<String>>>,
    changes: Sender<()>,
}

/// Identifies a provider with its present spec.
fn tried(provider: &KeyProvider) -> (Option<String>, Option<i64>) {
    (provider.metadata.uid.clone(), provider.metadata.generation)
}

#[derive(Debug)]
struct Entry {
    /// The provider and spec that were tried. A provider that was made again starts at generation 1 again, so the UID is part of it.
    tried: (Option<String>, Option<i64>),
    /// Grows with every change that concerns the provider's keys.
    epoch: u64,
    client: Result<Arc<Connected>, Unusable>,
}

impl std::fmt::Debug for Providers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Providers").field("clients", &self.clients).finish_non_exhaustive()
    }
}

impl Providers {
    /// The providers in the store, without clients so far.
    pub(in crate::controller) fn new(store: Store<Watched<KeyProvider>>) -> Self {
        Self {
            store,
            clients: Arc::default(),
            failures: Arc::default(),
            lists: Arc::default(),
            stopped: Arc::default(),
            changes: Sender::new(()),
        }
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failures(&self) -> MutexGuard<'_, HashMap<String, Failures>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a failed round, and returns how many there were in a row for that cause.
    pub(super) fn failed(&self, name: &str, cause: Cause) -> u32 {
        self.failures().entry(name.into()).or_default().count(cause)
    }

    /// A round was reported in the status of its provider.
    pub(super) fn reported(&self, name: &str) {
        self.failures().entry(name.into()).or_default().reported();
    }

    /// The provider can be used.
    pub(super) fn succeeded(&self, name: &str) {
        self.failures().entry(name.into()).or_default().succeeded();
    }

    /// Waits until all providers are listed. Before that a key would report that its provider does not exist.
    pub async fn seen(&self) {
        // An error means that the store is gone, and the controllers with it.
        if self.store.wait_until_ready().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The provider of that name, as the watch has it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<Watched<KeyProvider>>> {
        self.store.get(&ObjectRef::new(name))
    }

    /// The client for the present spec of a provider; `None`: it was not tried yet.
    #[must_use]
    pub fn client(&self, provider: &KeyProvider) -> Option<Result<Arc<Connected>, Unusable>> {
        let clients = self.clients();
        let entry = clients.get(&provider.name_any())?;
        (entry.tried == tried(provider)).then(|| entry.client.clone())
    }

    /// The clients of all providers that can be used, by the names of the providers.
    #[must_use]
    pub fn connected(&self) -> Vec<(String, Arc<Connected>)> {
        let clients = self.clients();
        let connected = |(name, entry): (&String, &Entry)| Some((name.clone(), Arc::clone(entry.client.as_ref().ok()?)));
        clients.iter().filter_map(connected).collect()
    }

    /// Whether a provider admits namespaces by their labels.
    #[must_use]
    pub fn select_by_labels(&self) -> bool {
        let selects = |provider: &KeyProvider| provider.spec.namespaces.from == NamespacesFrom::Selector;
        self.store.state().iter().any(|provider| provider.decoded().is_ok_and(selects))
    }

    /// Whether there is a provider with that UID.
    #[must_use]
    pub fn is_there(&self, uid: &str) -> bool {
        self.store.state().iter().any(|provider| provider.meta().uid.as_deref() == Some(uid))
    }

    /// Grows whenever the keys of that provider should be looked at because of the provider.
    #[must_use]
    pub fn epoch(&self, name: &str) -> u64 {
        let exists = u64::from(self.get(name).is_some());
        self.clients().get(name).map_or(exists, |entry| entry.epoch * 2 + exists)
    }

    pub(super) fn known(&self, name: &str) -> Option<Result<Arc<Connected>, Unusable>> {
        self.clients().get(name).map(|entry| entry.client.clone())
    }

    /// One item for every change that concerns the keys of some provider.
    pub fn changes(&self) -> impl Stream<Item = ()> + Send + 'static {
        futures::stream::unfold(self.changes.subscribe(), |mut changes| async {
            changes.changed().await.ok()?;
            Some(((), changes))
        })
    }

    pub(super) fn put(&self, provider: &KeyProvider, client: Result<Arc<Connected>, Unusable>) {
        let (name, tried) = (provider.name_any(), tried(provider));
        let mut clients = self.clients();
        let before = clients.get(&name);
        let same = before.is_some_and(|entry| {
            entry.tried == tried
                && match (&entry.client, &client) {
                    (Ok(one), Ok(other)) => Arc::ptr_eq(one, other),
                    (Err(one), Err(other)) => one == other,
                    _ => false,
                }
        });
        let epoch = before.map_or(0, |entry| entry.epoch) + u64::from(!same);
        clients.insert(name, Entry { tried, epoch, client });
        drop(clients);
        if !same {
            self.changes.send_replace(());
        }
    }

    /// Whether all deletions through a provider are stopped now and were not when this was last asked, or the other way.
    pub(super) fn turned(&self, name: &str, stopped: bool) -> bool {
        let mut known = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        if stopped { known.insert(name.to_owned()) } else { known.remove(name) }
    }

    /// Has all keys of a provider looked at.
    pub fn wake(&self, name: &str) {
        if let Some(entry) = self.clients().get_mut(name) {
            entry.epoch += 1;
        }
        self.changes.send_replace(());
    }

    /// Drops all clients: after the storage was set back, the same generation or version may stand for another spec or secret.
    pub fn disconnect(&self) {
        self.clients().clear();
    }

    /// Whether an object's key is watched, or is remembered to be watched. The alert about it lasts until the key is listed as one without an object.
    #[must_use]
    pub fn is_watched(&self, uid: &str) -> bool {
        let is_unlisted = self.lists.inner().unlisted.values().any(|unlisted| unlisted.keys.contains_key(uid));
        let is_listed =
            |provider: &KeyProvider| provider.status.iter().flat_map(|status| &status.watched_deletions).any(|entry| entry.uid == uid);
        is_unlisted || self.store.state().iter().any(|provider| provider.decoded().is_ok_and(is_listed))
    }

    /// Drops the clients of providers that are gone. kube does not report deleted objects to a controller, so this also wakes their keys.
    /// Gives the names of the providers that are gone.
    #[must_use]
    pub fn forget(&self) -> Vec<String> {
        let mut clients = self.clients();
        let gone: Vec<_> = clients.extract_if(|name, _| self.store.get(&ObjectRef::new(name)).is_none()).map(|(name, _)| name).collect();
        drop(clients);
        self.failures().retain(|name, _| self.store.get(&ObjectRef::new(name)).is_some());
        let listed = |provider: &Arc<Watched<KeyProvider>>| {
            let status = provider.decoded().ok().and_then(|provider| provider.status.as_ref());
            status.into_iter().flat_map(|status| &status.pending_deletions).map(|entry| entry.key.clone()).collect::<Vec<_>>()
        };
        let listed = self.store.state().iter().flat_map(listed).collect();
        self.lists.forget(|name| self.store.get(&ObjectRef::new(name)).is_some(), &listed);
        if !gone.is_empty() {
            self.changes.send_replace(());
        }
        gone
    }
}
