//! The providers that are known, with one client each for the rounds of keys.

use std::{
    collections::HashMap,
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
    domain::provider::Unusable,
    kms::{AnyKms, Identity},
};

/// A client for a provider, and whose credentials it has.
#[derive(Debug)]
pub struct Connected {
    /// Which provider, spec and secret it was made for.
    pub made_for: MadeFor,
    /// The client.
    pub kms: AnyKms,
    /// Whose credentials they are.
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

/// What a client was made for. When any of it changes, the client is made anew.
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

    /// Whether it was made for this object and spec.
    #[must_use]
    pub fn is(&self, provider: &KeyProvider) -> bool {
        Some(&self.uid) == provider.metadata.uid.as_ref() && Some(self.generation) == provider.metadata.generation
    }
}

/// The providers that are known, and their clients.
#[derive(Clone)]
pub struct Providers {
    pub(super) store: Store<Watched<KeyProvider>>,
    clients: Arc<Mutex<HashMap<String, Entry>>>,
    /// Failures in a row, by name.
    failures: Arc<Mutex<HashMap<String, u32>>>,
    /// Lists of pending keys that are being written.
    pub(super) lists: Arc<Lists>,
    changes: Sender<()>,
}

/// Which object and spec that is.
fn tried(provider: &KeyProvider) -> (Option<String>, Option<i64>) {
    (provider.metadata.uid.clone(), provider.metadata.generation)
}

#[derive(Debug)]
struct Entry {
    /// Which object and spec it was tried for. A re-created provider begins again at generation 1.
    tried: (Option<String>, Option<i64>),
    /// Grows with every change that the provider's keys have to know of.
    epoch: u64,
    client: Result<Arc<Connected>, Unusable>,
}

impl std::fmt::Debug for Providers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Providers").field("clients", &self.clients).finish_non_exhaustive()
    }
}

impl Providers {
    /// Those that the watch shows, without a client yet.
    pub(in crate::controller) fn new(store: Store<Watched<KeyProvider>>) -> Self {
        Self { store, clients: Arc::default(), failures: Arc::default(), lists: Arc::default(), changes: Sender::new(()) }
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn failures(&self) -> MutexGuard<'_, HashMap<String, u32>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a failed round; gives how many there were in a row.
    pub(super) fn failed(&self, name: &str) -> u32 {
        let mut failures = self.failures();
        let count = failures.entry(name.into()).or_default();
        *count = count.saturating_add(1);
        *count
    }

    /// Waits until every provider that there is was seen. A key whose provider was not seen yet would be told that there is none.
    pub async fn seen(&self) {
        // An error means that the store is gone, and with it the controllers.
        if self.store.wait_until_ready().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The provider of that name, as last seen.
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

    /// Grows whenever the keys of that provider should be looked at because of it.
    #[must_use]
    pub fn epoch(&self, name: &str) -> u64 {
        let exists = u64::from(self.get(name).is_some());
        self.clients().get(name).map_or(exists, |entry| entry.epoch * 2 + exists)
    }

    pub(super) fn known(&self, name: &str) -> Option<Result<Arc<Connected>, Unusable>> {
        self.clients().get(name).map(|entry| entry.client.clone())
    }

    /// Something for every change that the keys of some provider have to know of.
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

    /// Has all keys of a provider looked at.
    pub fn wake(&self, name: &str) {
        if let Some(entry) = self.clients().get_mut(name) {
            entry.epoch += 1;
        }
        self.changes.send_replace(());
    }

    /// Drops all clients: the spec or the secret that one was made for may be another by now, under the same generation or version.
    pub fn disconnect(&self) {
        self.clients().clear();
    }

    /// Whether an object's key is watched, or to be, until it is seen that the object is gone and its key is listed as one without an object. Its alert lasts as long.
    #[must_use]
    pub fn is_watched(&self, uid: &str) -> bool {
        let is_unlisted = self.lists.inner().unlisted.values().any(|unlisted| unlisted.keys.contains_key(uid));
        let is_listed =
            |provider: &KeyProvider| provider.status.iter().flat_map(|status| &status.watched_deletions).any(|entry| entry.uid == uid);
        is_unlisted || self.store.state().iter().any(|provider| provider.decoded().is_ok_and(is_listed))
    }

    /// Drops the clients of providers that are gone. A controller is not told of objects that go, so this is how their keys come to know.
    pub fn forget(&self) {
        let mut clients = self.clients();
        let before = clients.len();
        clients.retain(|name, _| self.store.get(&ObjectRef::new(name)).is_some());
        let gone = clients.len() < before;
        drop(clients);
        self.failures().retain(|name, _| self.store.get(&ObjectRef::new(name)).is_some());
        let listed = |provider: &Arc<Watched<KeyProvider>>| {
            let status = provider.decoded().ok().and_then(|provider| provider.status.as_ref());
            status.into_iter().flat_map(|status| &status.pending_deletions).map(|entry| entry.key.clone()).collect::<Vec<_>>()
        };
        let listed = self.store.state().iter().flat_map(listed).collect();
        self.lists.forget(|name| self.store.get(&ObjectRef::new(name)).is_some(), &listed);
        if gone {
            self.changes.send_replace(());
        }
    }
}
