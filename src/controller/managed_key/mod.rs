//! `ManagedKey`s: the rounds that keep a key as declared.
//!
//! [`reconcile`] is the driver: it reads as the five steps, for every object. [`keep`] has the steps that keep a key as declared, and [`deletion`] those of an
//! object that is being deleted. [`report`] ends every round.

mod deletion;
mod execute;
mod fingerprint;
mod guard;
mod handover;
#[cfg(test)]
mod in_memory;
mod keep;
mod object;
mod observe;
mod pending;
mod primary;
pub(super) mod provider;
mod publish;
mod reconcile;
mod report;
mod round;
mod terminating;
#[cfg(test)]
mod tests;

pub(super) use self::{
    pending::{told_as_known, told_of_the_vanished},
    terminating::{is_uninstalled, release_the_waiting},
};

use std::{convert::Infallible, sync::Arc};

use futures::{Stream, StreamExt, TryStreamExt, stream};
use kube::{
    Api, Client, Resource,
    runtime::{
        controller,
        reflector::{ObjectRef, Store},
        watcher,
    },
};
use tokio_util::sync::CancellationToken;

use self::fingerprint::stop_waiting_if_changed;
pub use self::object::read_live;
use super::{
    Context,
    lane::{Lane, Queues, RESCUERS},
    signs::WatchKind,
    watch::{self, Anew, Labelled},
    watched::Watched,
};
use crate::{api::ManagedKey, controller::key_provider::Providers};

/// An object to look at, or an error of a watch.
type Queued = watcher::Result<ObjectRef<Watched<ManagedKey>>>;

/// A queue of objects to look at, all objects as the watch has them, and the namespaces whose labels matter.
pub fn prepare(
    client: &Client,
    providers: &Providers,
    anew: &Anew,
) -> (impl Stream<Item = Queued> + Send + 'static, Store<Watched<ManagedKey>>, Store<Labelled>) {
    let (store, queue) = watch::objects(Api::<Watched<ManagedKey>>::all(client.clone()), WatchKind::ManagedKeys, anew);
    // Namespaces are watched only while a provider selects them by labels.
    let selects = {
        let providers = providers.clone();
        move || providers.select_by_labels()
    };
    let namespaces = Api::<Labelled>::all(client.clone());
    let (namespaces, labelled) = watch::objects_while(namespaces, WatchKind::Namespaces, anew, selects, providers.changes());
    let inside = store.clone();
    let labelled = labelled.map_ok(move |namespace| {
        let is_inside = |object: &Arc<Watched<ManagedKey>>| object.meta().namespace.as_ref() == Some(&namespace.name);
        stream::iter(inside.state().into_iter().filter(is_inside).map(|object| Ok(ObjectRef::from_obj(&*object))).collect::<Vec<_>>())
    });
    let labelled = labelled.try_flatten();
    let all = store.clone();
    // An object whose own provider did not change is left alone again at once.
    let woken = providers.changes().flat_map(move |()| stream::iter(all.state()).map(|object| Ok(ObjectRef::from_obj(&*object))));
    (stream::select(stream::select(queue, woken), labelled), store, namespaces)
}

/// Runs rounds, in both lanes, until it is stopped.
pub async fn run(queue: impl Stream<Item = Queued> + Send + 'static, queues: Queues, context: Arc<Context>, stop: CancellationToken) {
    let told = queue.take_until(stop.clone().cancelled_owned()).for_each(|told| {
        match told {
            Ok(object) => {
                context.key_changed(object.clone());
                let watched = context.keys().get(&object);
                for (uid, waiting) in
                    watched.iter().filter_map(|object| object.decoded().ok()).flat_map(|object| context.aliases.told(object))
                {
                    context.wake(&uid);
                    stop_waiting_if_changed(&context, &waiting);
                    context.lanes.queue(Lane::Ordinary, waiting);
                }
                let lane = watched.as_deref().map_or(Lane::Ordinary, Lane::of);
                stop_waiting_if_changed(&context, &object);
                if watched.is_some() {
                    context.lanes.queue(lane, object);
                }
            }
            Err(error) => tracing::debug!(error = &error as &dyn std::error::Error, "the watch of keys is begun again"),
        }
        std::future::ready(())
    });
    let Queues { ordinary, rescue } = queues;
    // The number of workers is not limited here. Rounds wait for a permit, and a round that waits for its turn within a quota has none.
    let ordinary = rounds(Lane::Ordinary, ordinary, 0, &context, &stop);
    let rescue = rounds(Lane::Rescue, rescue, RESCUERS, &context, &stop);
    tokio::join!(told, ordinary, rescue);
}

async fn rounds(
    lane: Lane,
    queue: impl Stream<Item = ObjectRef<Watched<ManagedKey>>> + Send + 'static,
    workers: u16,
    context: &Arc<Context>,
    stop: &CancellationToken,
) {
    let queue = queue.take_until(stop.clone().cancelled_owned()).map(Ok::<_, Infallible>);
    let round = move |watched, context| Box::pin(reconcile::reconcile(watched, context, lane));
    let config = controller::Config::default().concurrency(workers);
    let store = context.keys().clone();
    let ended = controller::applier(round, reconcile::retry, Arc::clone(context), store, queue, config);
    ended
        .for_each(|result| {
            if let Err(error) = result {
                tracing::debug!(error = &error as &dyn std::error::Error, "a key will be looked at again");
            }
            std::future::ready(())
        })
        .await;
}
