//! One round of a `KeyProvider`: make a client, ask for the identity of its credentials, and write the status.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kube::{Resource, runtime::controller::Action};
use tracing::Instrument;

use super::{book::trip_id, clients::Connected, connect, listed, status::write};
use crate::controller::waits;
use crate::{
    api::{KeyProvider, Reason, key_provider::IdentityStatus},
    controller::{Context, action, contained, error::Error, now, watched::Watched},
    domain::{
        failure::Retry,
        plan::Note,
        provider::{Awaits, Unusable, right_account, status},
        requeue::{Cause, Next, RESYNC},
    },
    kms::{Identity, Kms},
    metrics::RoundResult,
};

/// Brings the client and the status of a provider up to date.
pub(super) async fn reconcile(provider: Arc<Watched<KeyProvider>>, context: Arc<Context>) -> Result<Action, Error> {
    let span = tracing::info_span!("round", kind = "KeyProvider", name = name(&provider));
    ended(provider, context).instrument(span).await
}

/// Runs a round until it ends, panics, or is out of time.
async fn ended(provider: Arc<Watched<KeyProvider>>, context: Arc<Context>) -> Result<Action, Error> {
    let started = Instant::now();
    let (result, label) = match tokio::time::timeout(waits::PROVIDER_ROUND, contained(round(&provider, &context))).await {
        Ok(Ok(Ok(action))) => (Ok(action), RoundResult::Ok),
        Ok(Ok(Err(error))) => {
            let label = error.result();
            (Err(error), label)
        }
        Ok(Err(_logged)) => (Ok(action(quarantine(&provider, &context).await)), RoundResult::Panic),
        Err(_) => (Err(Error::Timeout(waits::PROVIDER_ROUND)), RoundResult::Timeout),
    };
    let took = started.elapsed();
    context.metrics.reconciled("keyprovider", label, took);
    tracing::debug!(outcome = label.as_str(), duration = took.as_secs_f64(), "a round ended");
    result
}

/// Leaves a provider alone whose round panicked, and says so in its status. Its keys go on with their client, if it is for this spec. Returns for how long the
/// provider is left alone: longer each time.
async fn quarantine(watched: &Watched<KeyProvider>, context: &Context) -> Option<Duration> {
    let name = name(watched);
    let wait = context.wait(Next::Retry(Retry::Backoff, context.providers.failed(&name, Cause::Panicked)), RESYNC);
    let message = "Keyward met a fault of its own at this provider and leaves it alone for a while; \
                   the operator's log has it: report it, and look for a newer version";
    let unusable = Unusable { note: Note { reason: Reason::UnknownError, message: message.into() }, awaits: Awaits::Passing };
    // Writing the status may panic too.
    let told = contained(async {
        let Ok(provider) = watched.decoded() else { return };
        if context.providers.client(provider).is_none_or(|client| client.is_err()) {
            context.providers.put(provider, Err(unusable.clone()));
        }
        let status = status(provider, Err(&unusable), None, now(), &trip_id());
        match tokio::time::timeout(waits::PROVIDER_ROUND, write(context, provider, &status)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(error = &error as &dyn std::error::Error, "the status does not say that the round panicked"),
            Err(_) => tracing::warn!("the status does not say that the round panicked: the API server does not answer"),
        }
    });
    if let Err(panicked) = told.await {
        tracing::error!(error = &panicked as &dyn std::error::Error, "the status does not say that the round panicked");
    }
    wait
}

async fn round(watched: &Watched<KeyProvider>, context: &Context) -> Result<Action, Error> {
    let name = name(watched);
    let provider = match watched.decoded() {
        Ok(provider) => provider,
        Err(undecodable) => {
            tracing::warn!(
                provider = name,
                error = undecodable.error,
                "this version of Keyward does not understand the provider and leaves it alone"
            );
            return Ok(Action::await_change());
        }
    };
    // The metrics of listed keys do not depend on whether the KMS can be reached.
    if let Some(status) = &provider.status {
        listed::say(context, &name, provider.metadata.resource_version.as_deref(), status);
    }
    // By now the rounds of its keys see a stop, or its end, as well. No stop is missed: this round is also the one that ends it.
    let stopped = provider.status.as_ref().and_then(|status| status.deletions.as_ref()).is_some_and(|book| book.tripped.is_some());
    if context.providers.turned(&name, stopped) {
        context.providers.wake(&name);
    }
    let resync = u64::try_from(provider.spec.resync_seconds).map_or(RESYNC, Duration::from_secs);
    let client = match client(context, &name, provider).await.map_err(|unusable| unusable.tried_again(&name, resync)) {
        // A failure that passes by itself does not take away a client that worked.
        Err(unusable) if unusable.awaits == Awaits::Passing => match context.providers.known(&name) {
            Some(Ok(known)) if known.made_for.is(provider) => Err((unusable, Some(known))),
            _ => Err((unusable, None)),
        },
        Err(unusable) => Err((unusable, None)),
        Ok(client) => Ok(client),
    };
    context.metrics.of_provider(&name).provider_is_ready(client.is_ok());
    let identity = client.as_ref().ok().map(|client| identity_of(&client.identity));
    let status = status(provider, client.as_ref().map(|_| ()).map_err(|(unusable, _)| unusable), identity, now(), &trip_id());
    let next = if let Err((unusable, _)) = &client {
        Next::Retry(unusable.retried(), context.providers.failed(&name, Cause::Kms))
    } else {
        context.providers.succeeded(&name);
        Next::Regular
    };
    // The account is on record before a key is read in it.
    if let Err(error) = write(context, provider, &status).await {
        if !error.is_conflict() {
            let message = "its status could not be written; the operator's log says why".into();
            context
                .providers
                .put(provider, Err(Unusable { note: Note { reason: Reason::ProviderNotReady, message }, awaits: Awaits::Passing }));
        }
        return Err(error);
    }
    context.providers.reported(&name);
    let connected = client.as_ref().ok().cloned();
    context.providers.put(provider, client.or_else(|(unusable, known)| known.ok_or(unusable)));
    if let Some(connected) = connected {
        listed::refresh(context, &name, provider, &connected).await;
    }
    Ok(action(context.wait(next, resync)))
}

fn identity_of(Identity { account, region, principal }: &Identity) -> IdentityStatus {
    IdentityStatus { account: account.clone(), region: region.clone(), principal: principal.clone() }
}

/// The client for the present spec and secrets. An old client that still fits is kept after asking for its identity again.
async fn client(context: &Context, name: &str, provider: &KeyProvider) -> Result<Arc<Connected>, Unusable> {
    if let Some(Ok(known)) = context.providers.known(name) {
        let same = known.made_for.is(provider)
            && connect::secret_versions(context, &provider.spec).await.as_ref() == Some(&known.made_for.secrets);
        if same {
            let identity = known.kms.identity().await?;
            right_account(provider, &identity.account)?;
            // The name of a session may change with each renewal of the credentials. Only the account and the Region matter.
            if (&identity.account, &identity.region) == (&known.identity.account, &known.identity.region) {
                return Ok(known);
            }
        }
    }
    connect::connect(context, name, provider).await.map(Arc::new)
}

/// A write that the API server refused is tried again soon: most often the provider changed in between.
#[allow(clippy::needless_pass_by_value, reason = "the signature is kube's")]
pub(super) fn retry(provider: Arc<Watched<KeyProvider>>, error: &Error, context: Arc<Context>) -> Action {
    tracing::warn!(kind = "KeyProvider", name = name(&provider), error = error as &dyn std::error::Error, "a round did not end");
    action(context.wait(Next::Unseen(context.providers.failed(&name(&provider), Cause::Unended)), RESYNC))
}

/// The name of the provider, for logs and metrics.
fn name(provider: &Watched<KeyProvider>) -> String {
    provider.meta().name.clone().unwrap_or_default()
}
