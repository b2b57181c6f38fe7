//! Notices that the storage of the API server was set back to an earlier revision, as an etcd that was restored from a snapshot is.
//!
//! The elector sees it at the Lease, which it reads all the time. Without leader election nobody does, so it is looked for here, and only by reading.

use std::time::Duration;

use kube::{Api, Client, ResourceExt, api::ListParams};

use super::{Context, managed_key, watched::Watched};
use crate::{
    api::KeyProvider,
    lease::{Revision, is_before},
};

/// Between two reads: the pace of the elector.
const PAUSE: Duration = Duration::from_secs(2);

/// How many objects are read at most, for one that is still there.
const NEWEST: usize = 5;

/// Has everything read anew whenever it is noticed. Does not end by itself.
pub async fn watch(client: Client, context: &Context) {
    if let Some(mut told) = context.held.set_back() {
        // It may have been seen already, while another process held the lease.
        while told.changed().await.is_ok() {
            context.set_back();
        }
        return;
    }
    let mut revision = Revision::default();
    loop {
        tokio::time::sleep(PAUSE).await;
        match is_set_back(&client, context, &mut revision).await {
            Ok(true) => context.set_back(),
            Ok(false) => {}
            Err(error) => tracing::debug!(error = &*error as &dyn std::error::Error, "the revision of the storage is not known"),
        }
    }
}

/// The version of a list is that of the storage; an API server that was not restarted may answer from before, but not when it is asked for one object.
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
    // Once that is known every object may show it.
    if context.era() > 0 {
        return Ok(false);
    }
    for (namespace, name, known) in context.newest(NEWEST) {
        // One that is gone proves nothing: it may have been deleted.
        if let Some(read) = managed_key::read_live(context, &namespace, &name).await? {
            return Ok(is_before(read.resource_version().as_deref(), Some(&known)));
        }
    }
    Ok(false)
}
