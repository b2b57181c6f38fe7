//! One round of a `KeyProvider`: make a client, see whose it is, say so.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use kube::{
    Api, Resource,
    api::{Patch, PatchParams},
    runtime::controller::Action,
};
use serde_json::json;

use super::{Connected, Unusable, connect, name};
use crate::{
    api::{ConditionType, FIELD_MANAGER, KeyProvider, KeyProviderStatus, Reason, condition, key_provider::IdentityStatus},
    controller::{Context, error::Error, now, retry, watched::Watched},
    kms::Kms,
};

/// How long one round may take.
const ROUND: Duration = Duration::from_mins(1);

/// Brings the client and the status of a provider up to date.
pub(super) async fn reconcile(provider: Arc<Watched<KeyProvider>>, context: Arc<Context>) -> Result<Action, Error> {
    tokio::time::timeout(ROUND, round(&provider, &context)).await.unwrap_or(Err(Error::Timeout(ROUND)))
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
    let client = match client(context, &name, provider).await {
        // What passes by itself takes no client away that worked.
        Err(unusable) if !unusable.stalled => match context.providers.known(&name) {
            Some(Ok(known)) if known.made_for.generation == provider.metadata.generation.unwrap_or_default() => {
                Err((unusable, Some(known)))
            }
            _ => Err((unusable, None)),
        },
        Err(unusable) => Err((unusable, None)),
        Ok(client) => Ok(client),
    };
    let generation = provider.metadata.generation.unwrap_or_default();
    let identity = client.as_ref().ok().map(|client| client.identity.clone());
    let status = status(provider, client.as_ref().map(|_| ()).map_err(|(unusable, _)| unusable), identity.as_ref(), now());
    let wait = match &client {
        Err((unusable, _)) if unusable.stalled => Duration::from_mins(1),
        Err(_) => crate::domain::failure::Retry::Backoff.wait(context.failed(&name), Duration::ZERO),
        Ok(_) => {
            context.succeeded(&name);
            Duration::from_secs(u64::try_from(provider.spec.resync_seconds).unwrap_or(600))
        }
    };
    // An account is on record before a key is looked at in it.
    write(context, provider, &status).await?;
    context.providers.put(&name, generation, client.or_else(|(unusable, known)| known.ok_or(unusable)));
    Ok(Action::requeue(retry::jittered(wait)))
}

/// The client for the present spec and secret; an old one that still fits is kept, and asked again whose it is.
async fn client(context: &Context, name: &str, provider: &KeyProvider) -> Result<Arc<Connected>, Unusable> {
    if let Some(Ok(known)) = context.providers.known(name) {
        let same = known.made_for.uid == provider.metadata.uid.clone().unwrap_or_default()
            && known.made_for.generation == provider.metadata.generation.unwrap_or_default()
            && known.made_for.secret == connect::secret_version(context, &provider.spec).await;
        if same {
            let identity = known.kms.identity().await?;
            connect::right_account(provider, &identity.account)?;
            if identity == known.identity {
                return Ok(known);
            }
        }
    }
    connect::connect(context, name, provider).await.map(Arc::new)
}

fn status(
    provider: &KeyProvider,
    outcome: Result<(), &Unusable>,
    identity: Option<&crate::kms::Identity>,
    now: Timestamp,
) -> KeyProviderStatus {
    let mut status = provider.status.clone().unwrap_or_default();
    let generation = provider.metadata.generation.unwrap_or_default();
    status.observed_generation = Some(generation);
    if let Some(crate::kms::Identity { account, region, principal }) = identity {
        status.identity = Some(IdentityStatus { account: account.clone(), region: region.clone(), principal: principal.clone() });
    }
    let conditions = &mut status.conditions;
    match outcome {
        Ok(()) => {
            condition::set(conditions, ConditionType::Ready, true, Reason::Ready, "the credentials were accepted", generation, now);
            condition::remove(conditions, ConditionType::Reconciling);
            condition::remove(conditions, ConditionType::Stalled);
        }
        Err(Unusable { note, stalled }) => {
            let (is, is_not) = if *stalled {
                (ConditionType::Stalled, ConditionType::Reconciling)
            } else {
                (ConditionType::Reconciling, ConditionType::Stalled)
            };
            condition::set(conditions, ConditionType::Ready, false, note.reason, &note.message, generation, now);
            condition::set(conditions, is, true, note.reason, &note.message, generation, now);
            condition::remove(conditions, is_not);
        }
    }
    status
}

/// Writes the status if it changed.
async fn write(context: &Context, provider: &KeyProvider, status: &KeyProviderStatus) -> Result<(), Error> {
    if provider.status.as_ref() == Some(status) {
        return Ok(());
    }
    if !context.held.is_held() {
        return Err(Error::NotLeader);
    }
    let metadata = provider.meta();
    let patch = json!({
        "apiVersion": KeyProvider::api_version(&()), "kind": KeyProvider::kind(&()),
        "metadata": { "name": metadata.name, "resourceVersion": metadata.resource_version },
        "status": status,
    });
    let name = metadata.name.as_deref().unwrap_or_default();
    let api = Api::<Watched<KeyProvider>>::all(context.client.clone());
    api.patch_status(name, &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(&patch))
        .await
        .map(drop)
        .map_err(|error| Error::Api("the provider's status", Box::new(error)))
}

/// What the API server refused is tried again soon: most often the object changed in between.
pub(super) fn retry(_: Arc<Watched<KeyProvider>>, error: &Error, _: Arc<Context>) -> Action {
    tracing::warn!(error = error as &dyn std::error::Error, "a round of a provider did not end");
    Action::requeue(retry::jittered(Duration::from_secs(2)))
}
