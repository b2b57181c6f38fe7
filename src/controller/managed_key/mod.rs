//! `ManagedKey`s: the rounds that keep a key as declared.
//!
//! [`reconcile`] is the driver and reads as the five steps. What an object's deletion leads to is in [`deletion`].

mod deletion;
mod events;
mod execute;
mod fingerprint;
mod guard;
mod handover;
#[cfg(test)]
mod in_memory;
mod object;
mod observe;
mod pending;
mod provider;
mod reconcile;
mod report;
mod round;
#[cfg(test)]
mod tests;

pub(super) use pending::{told_as_known, told_of_the_vanished};

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

use self::fingerprint::looks;
pub use self::object::read_live;
use super::{
    Context,
    lane::{Lane, Queues, RESCUERS},
    signs::Kind,
    watch::{self, Anew, Labelled},
    watched::Watched,
};
use crate::{api::ManagedKey, controller::key_provider::Providers};

/// An object that is to be looked at, as a watch tells.
type Told = watcher::Result<ObjectRef<Watched<ManagedKey>>>;

/// The objects that are to be looked at, all objects as the watch has them, and the namespaces whose labels count.
pub fn prepare(
    client: &Client,
    providers: &Providers,
    anew: &Anew,
) -> (impl Stream<Item = Told> + Send + 'static, Store<Watched<ManagedKey>>, Store<Labelled>) {
    let (store, queue) = watch::objects(Api::<Watched<ManagedKey>>::all(client.clone()), Kind::ManagedKeys, anew);
    // Labels of namespaces are nobody's business but of a provider that selects by them.
    let selects = {
        let providers = providers.clone();
        move || providers.select_by_labels()
    };
    let namespaces = Api::<Labelled>::all(client.clone());
    let (namespaces, labelled) = watch::objects_while(namespaces, Kind::Namespaces, anew, selects, providers.changes());
    let inside = store.clone();
    let labelled = labelled.map_ok(move |namespace| {
        let is_inside = |object: &Arc<Watched<ManagedKey>>| object.meta().namespace.as_ref() == Some(&namespace.name);
        stream::iter(inside.state().into_iter().filter(is_inside).map(|object| Ok(ObjectRef::from_obj(&*object))).collect::<Vec<_>>())
    });
    let labelled = labelled.try_flatten();
    let all = store.clone();
    // Whoever is settled under an unchanged provider is left alone again at once.
    let woken = providers.changes().flat_map(move |()| stream::iter(all.state()).map(|object| Ok(ObjectRef::from_obj(&*object))));
    (stream::select(stream::select(queue, woken), labelled), store, namespaces)
}

/// Runs rounds, in both lanes, until it is stopped.
pub async fn run(queue: impl Stream<Item = Told> + Send + 'static, queues: Queues, context: Arc<Context>, stop: CancellationToken) {
    let told = queue.take_until(stop.clone().cancelled_owned()).for_each(|told| {
        match told {
            Ok(object) => {
                let watched = context.keys().get(&object);
                for (uid, waiting) in
                    watched.iter().filter_map(|object| object.decoded().ok()).flat_map(|object| context.aliases.told(object))
                {
                    context.wake(&uid);
                    looked_at_anew(&context, &waiting);
                    context.lanes.queue(Lane::Ordinary, waiting);
                }
                let lane = watched.as_deref().map_or(Lane::Ordinary, Lane::of);
                looked_at_anew(&context, &object);
                if watched.is_some() {
                    context.lanes.queue(lane, object);
                }
            }
            Err(error) => tracing::debug!(error = &error as &dyn std::error::Error, "the watch of keys is begun again"),
        }
        std::future::ready(())
    });
    let Queues { ordinary, rescue } = queues;
    // All are begun at once, and wait for a place: one that waits for its turn within a quota has none.
    let ordinary = rounds(Lane::Ordinary, ordinary, 0, &context, &stop);
    let rescue = rounds(Lane::Rescue, rescue, RESCUERS, &context, &stop);
    tokio::join!(told, ordinary, rescue);
}

/// A round about the object that waits for a turn is not to go on if the object, or what is known of it, is another by now.
fn looked_at_anew(context: &Context, object: &ObjectRef<Watched<ManagedKey>>) {
    context.lanes.changed(object, || context.keys().get(object).as_deref().map_or(0, |watched| looks(watched, context)));
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
