//! Writes the status of a provider.

use kube::{
    Api, Resource,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::{
    api::{FIELD_MANAGER, KeyProvider, KeyProviderStatus},
    controller::{Context, error::Error, room, watched::Watched},
    domain::provider::{ours, turned},
};

/// Writes the status if it changed, and returns the version after that.
pub(super) async fn write(context: &Context, provider: &KeyProvider, status: &KeyProviderStatus) -> Result<Option<String>, Error> {
    if ours(provider).as_ref() == Some(status) {
        return Ok(provider.metadata.resource_version.clone());
    }
    if !context.held.is_held() {
        return Err(Error::NotLeader);
    }
    let mut metadata = provider.meta().clone();
    let failed = |error| Error::Api("the provider's status", Box::new(error));
    if room::others(provider.status.iter().flat_map(|status| &status.conditions)) > room::OTHERS {
        metadata.resource_version = room::make::<KeyProvider>(context.client.clone(), &metadata).await.map_err(failed)?;
    }
    // What another manager owns too, as in a status that was restored, stays when it is only left out.
    let tripped = |status: &KeyProviderStatus| status.deletions.as_ref().is_some_and(|book| book.tripped.is_some());
    if provider.status.as_ref().is_some_and(tripped) && !tripped(status) {
        let lift = json!({ "metadata": { "resourceVersion": metadata.resource_version }, "status": { "deletions": { "tripped": null } } });
        let name = metadata.name.as_deref().unwrap_or_default();
        let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
        let api = Api::<Watched<KeyProvider>>::all(context.client.clone());
        let lifted = api.patch_status(name, &parameters, &Patch::Merge(&lift)).await.map_err(failed)?;
        metadata.resource_version.clone_from(&lifted.meta().resource_version);
    }
    let patch = json!({
        "apiVersion": KeyProvider::api_version(&()), "kind": KeyProvider::kind(&()),
        "metadata": { "name": metadata.name, "resourceVersion": metadata.resource_version },
        "status": status,
    });
    let name = metadata.name.as_deref().unwrap_or_default();
    let api = Api::<Watched<KeyProvider>>::all(context.client.clone());
    let written = api.patch_status(name, &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(&patch)).await.map_err(failed)?;
    // Every stop and its end is written here, with the version that was read as its precondition, so each is told once.
    if let Some(event) = turned(provider, status) {
        context.events.publish_on_provider(provider, &event);
    }
    Ok(written.meta().resource_version.clone())
}
