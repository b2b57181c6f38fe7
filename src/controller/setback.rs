//! Notices that the storage of the API server went back to an earlier revision, for example because etcd was restored from a snapshot.
//!
//! With leader election the elector notices it on the Lease. Without leader election this module looks for it, by reads alone.

use kube::{Api, Client, ResourceExt, api::ListParams};

use super::{Context, managed_key, watched::Watched};
use crate::controller::waits;
use crate::{
    api::KeyProvider,
    lease::{Revision, is_before},
};

/// How many objects are read at most to find one that still exists.
const NEWEST: usize = 5;

/// Has everything read again whenever the storage went back. Does not end by itself.
pub async fn watch(client: Client, context: &Context) {
    if let Some(mut told) = context.held.set_back() {
        // The elector may have noticed it already while another process held the lease.
        while told.changed().await.is_ok() {
            context.set_back();
        }
        return;
    }
    let mut revision = Revision::default();
    loop {
        tokio::time::sleep(waits::SETBACK_CHECK).await;
        match is_set_back(&client, context, &mut revision).await {
            Ok(true) => context.set_back(),
            Ok(false) => {}
            Err(error) => tracing::debug!(
                error = &*error as &dyn std::error::Error,
                "the API server did not tell the revision of its storage; it is asked again"
            ),
        }
    }
}

/// Whether the storage went back. The version of a list is that of the storage. An API server that was not restarted may answer a list from its cache, but it
/// reads a single object from the storage.
async fn is_set_back(
    client: &Client,
    context: &Context,
    revision: &mut Revision,
) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
    let providers = Api::<Watched<KeyProvider>>::all(client.clone());
    let listed = providers.list_metadata(&ListParams::default().limit(1)).await?;
    if revision.went_back(listed.metadata.resource_version.as_deref()) {
        return Ok(true);
    }
    // Once it is known, every object may show an earlier version.
    if context.era() > 0 {
        return Ok(false);
    }
    for (namespace, name, known) in context.newest(NEWEST) {
        // An object that is gone proves nothing: it may have been deleted.
        if let Some(read) = managed_key::read_live(context, &namespace, &name).await? {
            return Ok(is_before(read.resource_version().as_deref(), Some(&known)));
        }
    }
    Ok(false)
}
