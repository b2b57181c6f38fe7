//! `KeyGrant`s: the rounds that keep a grant as declared.
//!
//! `reconcile.rs` has the round, `keep.rs` what it does for an object that lives, `release.rs` for one that is being deleted, and `report.rs`
//! how it ends. Both revoke through `revoke.rs`. What is decided is in [`crate::domain::grant`]. A round that may not conclude anything changes nothing.

mod fingerprint;
mod keep;
mod memory;
mod object;
mod provider;
mod reconcile;
mod release;
mod report;
mod revoke;
mod shared;

use std::{convert::Infallible, sync::Arc};

use futures::{FutureExt, Stream, StreamExt, stream};
use kube::{
    Api, Client, Resource,
    runtime::{
        controller,
        reflector::{ObjectRef, Store},
        watcher,
    },
};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use self::{
    memory::Memory,
    shared::{Named, Shared},
};
use super::{
    Context,
    signs::WatchKind,
    waits,
    watch::{self, Anew},
    watched::Watched,
};
use crate::api::KeyGrant;

/// A queue of objects to look at, and all objects as the watch has them.
pub fn prepare(client: &Client, anew: &Anew) -> (impl Stream<Item = watcher::Result<Named>> + Send + 'static, Store<Watched<KeyGrant>>) {
    let (store, queue) = watch::objects(Api::<Watched<KeyGrant>>::all(client.clone()), WatchKind::KeyGrants, anew);
    (queue, store)
}

/// Runs rounds until it is stopped. They begin when all providers and keys are known: before that a grant would say that its key does not
/// exist.
pub async fn run(
    queue: impl Stream<Item = watcher::Result<Named>> + Send + 'static,
    grants: Store<Watched<KeyGrant>>,
    context: Arc<Context>,
    stop: CancellationToken,
) {
    let shared = Arc::new(Shared { context, grants: grants.clone(), memory: Memory::default() });
    let woken = woken(&shared);
    let known = {
        let context = Arc::clone(&shared.context);
        async move {
            context.providers.seen().await;
            // An error means that the store is gone, and the controllers with it.
            if context.keys().wait_until_ready().await.is_err() {
                std::future::pending::<()>().await;
            }
            stream::empty()
        }
    };
    let queue = queue.filter_map(|told| {
        let told = told.inspect_err(|error| tracing::debug!(error = error as &dyn std::error::Error, "the watch of grants is begun again"));
        std::future::ready(told.ok())
    });
    let all = stream::select(queue, woken);
    // Nothing is taken from the queue before.
    let queue = known.flatten_stream().chain(all).take_until(stop.clone().cancelled_owned()).map(Ok::<_, Infallible>);
    // The number of workers is not limited here. Rounds wait for a permit of their provider.
    let config = controller::Config::default().concurrency(0);
    let round = |grant, shared| Box::pin(reconcile::reconcile(grant, shared));
    let rounds = controller::applier(round, reconcile::retry, Arc::clone(&shared), grants.clone(), queue, config).for_each(|result| {
        if let Err(error) = result {
            tracing::debug!(error = &error as &dyn std::error::Error, "a grant will be looked at again");
        }
        std::future::ready(())
    });
    let sweep = async {
        loop {
            tokio::time::sleep(waits::SWEEP).await;
            shared.memory.sweep(&shared.grants);
        }
    };
    tokio::select! {
        () = rounds => {}
        () = watch::stopped_unlisted(&grants, &stop) => {}
        () = sweep => {}
    }
}

/// The grants of keys that may have changed, and all grants when a provider may have changed. A grant for which nothing changed is left
/// alone again at once.
fn woken(shared: &Arc<Shared>) -> impl Stream<Item = Named> + Send + 'static {
    let of_keys = stream::unfold((shared.context.key_changes(), Arc::clone(shared)), async |(mut changes, shared)| {
        let mut keys = std::collections::HashSet::new();
        let mut next = changes.recv().await;
        // Whatever came together is looked for in one pass over all grants.
        let grants = loop {
            match next {
                Ok(key) => drop(keys.insert((key.namespace.unwrap_or_default(), key.name))),
                Err(RecvError::Lagged(_)) => break shared.all(),
                Err(RecvError::Closed) => return None,
            }
            match changes.try_recv() {
                Ok(key) => next = Ok(key),
                Err(tokio::sync::broadcast::error::TryRecvError::Lagged(count)) => next = Err(RecvError::Lagged(count)),
                Err(_) => break of(&shared, &keys),
            }
        };
        Some((stream::iter(grants), (changes, shared)))
    });
    let of_providers = shared.context.providers.changes().map({
        let shared = Arc::clone(shared);
        move |()| stream::iter(shared.all())
    });
    stream::select(of_keys.flatten(), of_providers.flatten())
}

/// The grants of those keys, each by namespace and name.
fn of(shared: &Shared, keys: &std::collections::HashSet<(String, String)>) -> Vec<Named> {
    let is_of = |grant: &Watched<KeyGrant>| {
        let namespace = grant.meta().namespace.clone().unwrap_or_default();
        grant.decoded().is_ok_and(|decoded| keys.contains(&(namespace, decoded.spec.key_ref.name.clone())))
    };
    shared.grants.state().iter().filter(|grant| is_of(grant)).map(|grant| ObjectRef::from_obj(&**grant)).collect()
}
