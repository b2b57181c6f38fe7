//! The shell around the pure core: it watches objects, reads and changes keys, and writes the result into the status.
//!
//! Start reading in `managed_key/reconcile.rs`. The clock that decides is read in `clock.rs` and handed to the core as a parameter.

mod account;
mod alarms;
mod aliases;
mod bounded;
mod clock;
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
mod settings;
mod signs;
mod step_backoff;
mod survey;
mod task;
pub mod uninstall;
mod unmarked;
mod waits;
mod watch;
mod watched;

use std::sync::Arc;

use kube::Client;
use tokio_util::sync::CancellationToken;

pub(crate) use self::{clock::now, contained::is_contained};
pub use self::{contained::contained, settings::Settings, signs::Signs};
use self::{
    context::{Context, Requests, Seen},
    lane::Lanes,
    task::{action, spawned},
    watch::Anew,
};
use crate::{lease::Held, metrics::Metrics, server::Readiness};

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
            context.metrics.set_leader(true);
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
