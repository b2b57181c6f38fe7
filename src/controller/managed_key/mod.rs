//! `ManagedKey`s: the rounds that keep a key as declared.
//!
//! [`reconcile`] is the driver and reads as the five steps. What an object's deletion leads to is in [`deletion`].

mod deletion;
mod execute;
mod guard;
mod object;
mod observe;
mod provider;
mod reconcile;
mod report;

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use futures::{Stream, StreamExt};
use kube::{
    Api, Client, ResourceExt,
    runtime::{Controller, controller, reflector::Store, watcher},
};
use tokio_util::sync::CancellationToken;

use super::{Context, watched::Watched};
use crate::{
    api::{ConditionType, ManagedKey, Reason, annotation, condition},
    controller::key_provider::Providers,
};

/// The controller of `ManagedKey`s, not yet running, and the objects as it sees them.
pub fn prepare(client: &Client, providers: &Providers) -> (Controller<Watched<ManagedKey>>, Store<Watched<ManagedKey>>) {
    let controller = Controller::new(Api::<Watched<ManagedKey>>::all(client.clone()), watcher::Config::default());
    let store = controller.store();
    // Whoever is settled under an unchanged provider is left alone again at once.
    let controller = controller.reconcile_all_on(providers.changes());
    (controller, store)
}

/// Runs the controller until it is stopped.
pub fn run(
    controller: Controller<Watched<ManagedKey>>,
    config: controller::Config,
    context: Arc<Context>,
    stop: CancellationToken,
) -> impl Stream<Item = ()> {
    controller
        .with_config(config)
        .graceful_shutdown_on(async move { stop.cancelled().await })
        .run(reconcile::reconcile, reconcile::retry, context)
        .map(|result| {
            if let Err(error) = result {
                tracing::debug!(error = &error as &dyn std::error::Error, "a key will be looked at again");
            }
        })
}

/// What of an object matters to a round: its spec, the annotations that are read, whether it is being deleted, and its provider. Status and finalizers are
/// not among it, so that a round's own writing does not call for another.
fn fingerprint(object: &ManagedKey, providers: &Providers) -> u64 {
    let mut hasher = DefaultHasher::new();
    let metadata = &object.metadata;
    (metadata.generation, metadata.deletion_timestamp.is_some()).hash(&mut hasher);
    for key in [annotation::PAUSED, annotation::RECONCILE_REQUESTED_AT, annotation::FLUX_REQUESTED_AT, annotation::CONFIRM_DELETION] {
        object.annotations().get(key).hash(&mut hasher);
    }
    // Where a person is asked to remove a record of a creation, that it goes is an answer.
    let conditions = object.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let asks = [Reason::CreateUnresolved.as_str(), Reason::KeyMissing.as_str()];
    let asked = condition::find(conditions, ConditionType::Ready).is_some_and(|ready| asks.contains(&ready.reason.as_str()));
    for key in [annotation::CREATE_ATTEMPT, annotation::KEY] {
        (asked && object.annotations().contains_key(key)).hash(&mut hasher);
    }
    providers.epoch(&object.spec.provider_ref.name).hash(&mut hasher);
    hasher.finish()
}
