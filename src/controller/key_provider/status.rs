//! Writes the status of a provider.

use kube::{
    Api, Resource,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::{
    api::{FIELD_MANAGER, KeyProvider, KeyProviderStatus, key_provider::DeletionBook},
    controller::{Context, error::Error, room, watched::Watched},
    domain::provider::{ours, turned},
};

/// The provider as the API server has it after a write.
#[derive(Debug)]
pub(super) struct Stored {
    /// Its version.
    pub(super) version: Option<String>,
    /// The book of deletions.
    pub(super) book: Option<DeletionBook>,
}

impl Stored {
    fn of(provider: &KeyProvider) -> Self {
        let book = provider.status.as_ref().and_then(|status| status.deletions.clone());
        Self { version: provider.metadata.resource_version.clone(), book }
    }
}

/// Writes the status if it changed.
pub(super) async fn write(context: &Context, provider: &KeyProvider, status: &KeyProviderStatus) -> Result<Stored, Error> {
    if ours(provider).as_ref() == Some(status) {
        return Ok(Stored::of(provider));
    }
    if !context.held.is_held() {
        return Err(Error::NotLeader);
    }
    let mut metadata = provider.meta().clone();
    let failed = |error| Error::Api("the provider's status", Box::new(error));
    if room::others(provider.status.iter().flat_map(|status| &status.conditions)) > room::OTHERS {
        metadata.resource_version = room::make::<KeyProvider>(context.client.clone(), &metadata).await.map_err(failed)?;
    }
    // A field that another field manager owns too, for example after a restore, is not removed by leaving it out.
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
    let version = written.meta().resource_version.clone();
    Ok(written.decoded().map_or(Stored { version, book: None }, Stored::of))
}
