//! `KeyProvider`s: their credentials are tried, their account is pinned, and one client each is kept for the rounds of keys.

mod connect;
mod listed;
mod reach;
mod reconcile;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{Stream, StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, Resource, ResourceExt,
    runtime::{WatchStreamExt, controller, reflector::ObjectRef, reflector::Store, watcher},
};
use tokio::sync::watch::Sender;
use tokio_util::sync::CancellationToken;

pub use crate::domain::provider::{Awaits, Unusable};

pub use self::{
    listed::{Lists, alarm, commit, is_watched, over, remember, vanished},
    reach::{Reach, Silent},
};
use super::{
    Context, Settings,
    crowd::Crowd,
    signs::Kind,
    spawned,
    watch::{self, Anew},
    watched::Watched,
};
use crate::{api::KeyProvider, api::key_provider::NamespacesFrom, kms::AnyKms, kms::Identity};

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
    pub reach: Reach,
    /// The rounds that are under way.
    pub crowd: Crowd,
}

/// What a client was made for. When any of it changes, the client is made anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeFor {
    uid: String,
    generation: i64,
    secrets: Vec<String>,
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
    store: Store<Watched<KeyProvider>>,
    clients: Arc<Mutex<HashMap<String, Entry>>>,
    /// Failures in a row, by name.
    failures: Arc<Mutex<HashMap<String, u32>>>,
    /// Lists of pending keys that are being written.
    lists: Arc<Lists>,
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
    fn clients(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failures(&self) -> MutexGuard<'_, HashMap<String, u32>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a failed round; gives how many there were in a row.
    fn failed(&self, name: &str) -> u32 {
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

    fn known(&self, name: &str) -> Option<Result<Arc<Connected>, Unusable>> {
        self.clients().get(name).map(|entry| entry.client.clone())
    }

    /// Something for every change that the keys of some provider have to know of.
    pub fn changes(&self) -> impl Stream<Item = ()> + Send + 'static {
        futures::stream::unfold(self.changes.subscribe(), |mut changes| async {
            changes.changed().await.ok()?;
            Some(((), changes))
        })
    }

    fn put(&self, provider: &KeyProvider, client: Result<Arc<Connected>, Unusable>) {
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

    /// Drops the clients of providers that are gone. A controller is not told of objects that go, so this is how their keys come to know.
    pub fn forget(&self) {
        let mut clients = self.clients();
        let before = clients.len();
        clients.retain(|name, _| self.store.get(&ObjectRef::new(name)).is_some());
        let gone = clients.len() < before;
        drop(clients);
        self.failures().retain(|name, _| self.store.get(&ObjectRef::new(name)).is_some());
        self.lists.forget(|name| self.store.get(&ObjectRef::new(name)).is_some());
        if gone {
            self.changes.send_replace(());
        }
    }
}

/// The providers that are to be looked at, and all providers as the rounds of keys use them.
pub fn prepare(
    client: &Client,
    settings: &Settings,
    anew: &Anew,
) -> (impl Stream<Item = watcher::Result<ObjectRef<Watched<KeyProvider>>>> + Send + 'static, Providers) {
    let (store, queue) = watch::objects(Api::<Watched<KeyProvider>>::all(client.clone()), Kind::KeyProviders, anew);
    let providers = Providers {
        store: store.clone(),
        clients: Arc::default(),
        failures: Arc::default(),
        lists: Arc::default(),
        changes: Sender::new(()),
    };
    // A secret is watched by its metadata alone: what it holds is read when a client is made, and not kept.
    let secrets = Api::<Secret>::namespaced(client.clone(), &settings.namespace);
    let secrets = watch::events(secrets_metadata(secrets), Kind::Secrets, anew).touched_objects();
    let users = secrets.map_ok(move |secret| stream::iter(users_of(&store, &secret.name_any()).into_iter().map(Ok))).try_flatten();
    (stream::select(queue, users), providers)
}

fn secrets_metadata(secrets: Api<Secret>) -> Api<kube::core::PartialObjectMeta<Secret>> {
    let namespace = secrets.namespace().unwrap_or_default().to_owned();
    Api::namespaced(secrets.into_client(), &namespace)
}

fn users_of(store: &Store<Watched<KeyProvider>>, secret: &str) -> Vec<ObjectRef<Watched<KeyProvider>>> {
    let uses = |provider: &Arc<Watched<KeyProvider>>| {
        provider.decoded().is_ok_and(|provider| connect::secrets_of(&provider.spec).contains(&secret))
    };
    store.state().iter().filter(|provider| uses(provider)).map(|provider| ObjectRef::from_obj(provider.as_ref())).collect()
}

/// Runs rounds until it is stopped.
pub async fn run(
    queue: impl Stream<Item = watcher::Result<ObjectRef<Watched<KeyProvider>>>> + Send + 'static,
    context: Arc<Context>,
    stop: CancellationToken,
) {
    let queue = queue.take_until(stop.clone().cancelled_owned());
    let round = |provider, context| spawned(reconcile::reconcile(provider, context));
    let store = context.providers.store.clone();
    // Unbounded: a round is one call, and a provider that does not answer must not hold up another.
    let config = controller::Config::default().concurrency(0);
    let rounds = controller::applier(round, reconcile::retry, context, store.clone(), queue, config).for_each(|result| {
        if let Err(error) = result {
            tracing::debug!(error = &error as &dyn std::error::Error, "a provider will be tried again");
        }
        std::future::ready(())
    });
    tokio::select! {
        () = rounds => {}
        () = watch::stopped_unlisted(&store, &stop) => {}
    }
}

/// Names the provider in logs and metrics.
fn name(provider: &Watched<KeyProvider>) -> String {
    provider.meta().name.clone().unwrap_or_default()
}
