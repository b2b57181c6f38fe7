//! `KeyProvider`s: their credentials are tried, their account is pinned, and each keeps one client for the rounds of keys.

mod book;
mod breaker;
mod clients;
mod connect;
mod listed;
mod lists;
mod reconcile;
mod status;

use std::sync::Arc;

use futures::{Stream, StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, ResourceExt,
    runtime::{
        WatchStreamExt, controller,
        reflector::{ObjectRef, Store},
        watcher,
    },
};
use tokio_util::sync::CancellationToken;

pub use crate::domain::provider::Unusable;

pub use self::{
    book::{Entered, count_waiting, enter, give_back},
    breaker::Rejected,
    clients::{Connected, Providers},
    connect::{ReadOnly, read_only},
    listed::{alarm, commit, over, remember, vanished},
};
use super::{
    Context, Settings,
    signs::WatchKind,
    spawned,
    watch::{self, Anew},
    watched::Watched,
};
use crate::api::KeyProvider;

/// A queue of providers to look at, and all providers as the rounds of keys use them.
pub fn prepare(
    client: &Client,
    settings: &Settings,
    anew: &Anew,
) -> (impl Stream<Item = watcher::Result<ObjectRef<Watched<KeyProvider>>>> + Send + 'static, Providers) {
    let (store, queue) = watch::objects(Api::<Watched<KeyProvider>>::all(client.clone()), WatchKind::KeyProviders, anew);
    let providers = Providers::new(store.clone());
    // Only the metadata of secrets is watched. Their data is read when a client is made, and not kept.
    let secrets = Api::<Secret>::namespaced(client.clone(), &settings.namespace);
    let secrets = watch::events(secrets_metadata(secrets), WatchKind::Secrets, anew).touched_objects();
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
    // Not limited: a round is one call, and a provider that does not answer must not hold up another.
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
