//! The shell around the pure core: it watches objects, reads and changes keys, and writes the result into the status.
//!
//! Start reading in `managed_key/reconcile.rs`. The clock that decides is read here and handed to the core as a parameter.

mod account;
mod alarms;
mod aliases;
mod bounded;
mod contained;
mod context;
mod crowd;
mod error;
mod events;
mod fair;
#[cfg(test)]
mod fixtures;
mod key_grant;
mod key_provider;
mod lane;
mod late;
mod managed_key;
mod orphan_count;
pub mod orphans;
mod policy_wait;
mod room;
mod setback;
mod signs;
mod step_backoff;
mod survey;
mod unmarked;
mod waits;
mod watch;
mod watched;

use std::{sync::Arc, time::Duration};

use futures::FutureExt;
use kube::{Client, runtime::controller::Action};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::Instrument;

pub(crate) use self::contained::is_contained;
pub use self::{contained::contained, signs::Signs};
use self::{
    context::{Context, Requests, Seen},
    error::Error,
    lane::Lanes,
    watch::Anew,
};
use crate::{lease::Held, metrics::Metrics, server::Readiness};

/// What the flags of `keyward controller` say.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name of the cluster in the marks of every key. It stays the same when the cluster is rebuilt.
    pub cluster_id: String,
    /// The operator's own namespace, where secrets are read.
    pub namespace: String,
    /// The name of this process in events.
    pub instance: String,
    /// How many rounds work at the same time. Rescues are not counted.
    pub concurrency: u16,
    /// How long a KMS may answer with the state from before a change.
    pub consistency: Duration,
    /// How long a key must not be found, in at least three answers, before it counts as gone.
    pub missing_after: Duration,
    /// How long a creation of unknown outcome prevents another one.
    pub attempt_wait: Duration,
    /// How often the keys without an object are counted.
    pub orphans_every: Duration,
    /// Whether each object has its own series of metrics.
    pub per_object_metrics: bool,
}

/// Runs the controllers of all kinds until `stop`, and ends once the rounds under way have.
///
/// # Errors
/// None at present; what the API server refuses is tried again.
pub async fn run(
    client: Client,
    settings: Settings,
    held: Held,
    metrics: Metrics,
    readiness: Readiness,
    signs: Signs,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let caches = readiness.gate("caches");
    let watches = signs::WatchKind::ALL.map(|kind| (kind, readiness.gate(kind.gate())));
    let anew = Anew::new(signs.clone());
    let (provider_queue, providers) = key_provider::prepare(&client, &settings, &anew);
    let (key_queue, keys, namespaces) = managed_key::prepare(&client, &providers, &anew);
    let (grant_queue, grants) = key_grant::prepare(&client, &anew);
    let seen = providers.clone();
    let (lanes, queues) = Lanes::new();
    let context = Arc::new(Context::new(client.clone(), settings, held, metrics, providers, keys.clone(), namespaces, anew, lanes));

    let events = Arc::clone(&context);
    let sweep = {
        let (context, keys, stop) = (Arc::clone(&context), keys.clone(), stop.clone());
        async move {
            // An error means that the store is gone, and the controllers with it.
            if keys.wait_until_ready().await.is_err() {
                return;
            }
            caches.open();
            managed_key::told_as_known(&context);
            context.providers.seen().await;
            // The first sweep comes at once: objects that went while no operator ran are compared with the counts of the last process before anything changes.
            loop {
                managed_key::told_of_the_vanished(&context).await;
                key_provider::count_waiting(&context).await;
                managed_key::release_the_waiting(&context).await;
                context.sweep();
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = context.gone() => tokio::time::sleep(waits::SWEEP_GATHERS).await,
                    () = tokio::time::sleep(waits::SWEEP) => {}
                }
            }
        }
    };
    let check_watches = {
        let (context, stop) = (Arc::clone(&context), stop.clone());
        async move {
            while tokio::time::timeout(waits::WATCH_CHECK, stop.cancelled()).await.is_err() {
                context.restart_stale_watches();
                signs::tell(&signs.ages(), &watches, &context.metrics);
            }
        }
    };
    let setbacks = {
        let (context, stop) = (Arc::clone(&context), stop.clone());
        async move {
            tokio::select! {
                () = setback::watch(client, &context) => {}
                () = stop.cancelled() => {}
            }
        }
    };
    let orphans = {
        let (context, stop) = (Arc::clone(&context), stop.clone());
        async move {
            tokio::select! {
                () = orphan_count::count(&context) => {}
                () = stop.cancelled() => {}
            }
        }
    };
    let provider_rounds = key_provider::run(provider_queue, Arc::clone(&context), stop.clone());
    let grant_rounds = key_grant::run(grant_queue, grants, Arc::clone(&context), stop.clone());
    let key_rounds = async {
        tokio::select! {
            () = seen.seen() => managed_key::run(key_queue, queues, context, stop.clone()).await,
            () = stop.cancelled() => {}
        }
    };
    let sweep = async {
        tokio::select! {
            () = sweep => {}
            () = stop.cancelled() => {}
        }
    };
    let ended = CancellationToken::new();
    let rounds = async {
        tokio::join!(provider_rounds, key_rounds, grant_rounds, sweep, check_watches, setbacks, orphans);
        ended.cancel();
    };
    tokio::join!(rounds, events.events.post(&stop, &ended));
    Ok(())
}

/// Runs a round in a task of its own. If its caller is dropped, the task is aborted.
fn spawned(
    round: impl Future<Output = Result<Action, Error>> + Send + 'static,
) -> impl Future<Output = Result<Action, Error>> + Send + Unpin + 'static {
    let task = AbortOnDropHandle::new(tokio::spawn(round.in_current_span()));
    task.map(|ended| ended.unwrap_or_else(|error| Err(Error::Ended(error))))
}

/// A wait in kube's words; `None`: until the object changes.
fn action(wait: Option<Duration>) -> Action {
    wait.map_or_else(Action::await_change, Action::requeue)
}

/// The time, for what is written into statuses and events.
#[must_use]
pub(crate) fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
