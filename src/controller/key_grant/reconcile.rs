//! One round of one `KeyGrant`: **observe → plan → execute → report**.

use std::{sync::Arc, time::Instant};

use kube::{Resource, runtime::controller::Action};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{
    fingerprint::fingerprint,
    keep,
    object::Object,
    release,
    report::{self, named},
    shared::Shared,
};
use crate::{
    api::KeyGrant,
    controller::{
        action,
        bounded::bounded,
        contained,
        crowd::{Begun, RoundKind},
        error::Error,
        fair::Permit,
        managed_key::provider,
        spawned, waits,
        watched::Watched,
    },
    domain::{
        failure::Retry,
        requeue::{Cause, Next, RESYNC},
    },
    kms::{self, Patience},
    metrics::RoundResult,
};

/// Keeps one grant as declared.
pub(super) async fn reconcile(watched: Arc<Watched<KeyGrant>>, shared: Arc<Shared>) -> Result<Action, Error> {
    let (namespace, name) = named(&*watched);
    if !shared.context.settings.works_in(&namespace) {
        return Ok(Action::await_change());
    }
    let span = tracing::info_span!("round", kind = "KeyGrant", namespace, name);
    let Ok(grant) = watched.decoded().cloned() else {
        let error = watched.decoded().err().map(|undecodable| undecodable.error.clone());
        tracing::warn!(error, "this version of Keyward does not understand the object and leaves it alone");
        shared.context.metrics.reconciled("keygrant", RoundResult::Undecodable, std::time::Duration::ZERO);
        return Ok(Action::await_change());
    };
    let uid = grant.metadata.uid.clone().unwrap_or_default();
    let fingerprint = fingerprint(&shared, &grant);
    if let Some(left) = shared.memory.settled(&uid, fingerprint) {
        return Ok(Action::requeue(left));
    }
    let (begun, permit) = permits(&shared, &grant).await;
    let round = async move {
        // A change does not end the wait for the quota. The next round handles the change.
        let patience = Arc::new(Patience::new(Box::new(permit), CancellationToken::new()));
        let _begun = begun;
        let ended = ended(&shared, &grant, fingerprint, &patience);
        kms::patiently(Arc::clone(&patience), ended).await
    };
    spawned(Box::pin(round.instrument(span))).await
}

/// Waits until the round may begin at its provider, and for a worker permit. Namespaces get both in turn.
async fn permits(shared: &Shared, grant: &KeyGrant) -> (Option<Begun>, Option<Permit>) {
    let metadata = &grant.metadata;
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    let uid = metadata.uid.as_deref().unwrap_or_default();
    let target = shared.target(namespace, &grant.spec.key_ref.name).map(|target| target.provider);
    let recorded = || grant.status.as_ref()?.provider.as_ref().map(|provider| provider.name.clone());
    let connected = target.or_else(recorded).and_then(|name| provider::connected(&shared.context, &name));
    // Access that is to be taken away does not wait for settings.
    let kind = if metadata.deletion_timestamp.is_some() { RoundKind::Life } else { RoundKind::Settings };
    match connected {
        Some(connected) => (connected.crowd.enter(kind, namespace, uid).await, connected.crowd.worker_permit(namespace).await),
        None => (None, shared.context.permits.take(namespace).await),
    }
}

/// Runs a round until it ends, panics, or is out of time.
async fn ended(shared: &Shared, grant: &KeyGrant, fingerprint: u64, patience: &Patience) -> Result<Action, Error> {
    let started = Instant::now();
    let result = match bounded(Some(patience), Box::pin(round(shared, grant, fingerprint))).await {
        Ok(Ok(ended)) => ended,
        Ok(Err(_logged)) => Ok((quarantine(shared, grant, fingerprint).await, RoundResult::Panic)),
        Err(error) => Err(error),
    };
    let label = result.as_ref().map_or_else(Error::result, |(_, label)| *label);
    shared.context.metrics.reconciled("keygrant", label, started.elapsed());
    tracing::debug!(outcome = label.as_str(), duration = started.elapsed().as_secs_f64(), "a round ended");
    result.map(|(action, _)| action)
}

async fn round(shared: &Shared, grant: &KeyGrant, fingerprint: u64) -> Result<(Action, RoundResult), Error> {
    let mut object = Object::new(shared, grant);
    let ended = if object.metadata.deletion_timestamp.is_some() {
        Box::pin(release::let_go(&mut object)).await
    } else {
        Box::pin(keep::keep(&mut object)).await
    };
    let (wait, result) = report::finish(&mut object, fingerprint, ended).await?;
    Ok((action(wait), result))
}

/// Leaves an object alone whose round panicked, longer each time, and says so in its status.
async fn quarantine(shared: &Shared, grant: &KeyGrant, fingerprint: u64) -> Action {
    let uid = grant.metadata.uid.as_deref().unwrap_or_default();
    let wait = shared.context.wait(Next::Retry(Retry::Backoff, shared.memory.failed(uid, Cause::Panicked)), RESYNC);
    match tokio::time::timeout(waits::ROUND, contained(Box::pin(report::panicked(shared, grant)))).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(ending))) => tracing::warn!(%ending, "the status does not say that the round panicked"),
        Ok(Err(panicked)) => {
            tracing::error!(error = &panicked as &dyn std::error::Error, "the status does not say that the round panicked");
        }
        Err(_) => tracing::warn!("the status does not say that the round panicked: the API server does not answer"),
    }
    if let Some(wait) = wait {
        shared.memory.looked(uid, fingerprint, wait);
    }
    action(wait)
}

/// A round that did not end is tried again, later and later.
#[allow(clippy::needless_pass_by_value, reason = "the signature is kube's")]
pub(super) fn retry(watched: Arc<Watched<KeyGrant>>, error: &Error, shared: Arc<Shared>) -> Action {
    let (namespace, name) = named(&*watched);
    tracing::warn!(kind = "KeyGrant", namespace, name, error = error as &dyn std::error::Error, "a round did not end");
    let failures = shared.memory.failed(watched.meta().uid.as_deref().unwrap_or_default(), Cause::Unended);
    action(shared.context.wait(Next::Retry(Retry::Backoff, failures), RESYNC))
}
