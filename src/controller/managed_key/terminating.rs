//! Whether a namespace or the CRD is being deleted. Nobody asked to lose their keys then, so keys are left as they are and objects go.
//!
//! An object that is being deleted already, and waits, does not change when its namespace or the CRD is deleted as well: no watch tells of it. So this module
//! also looks for such objects, by reads alone.

use std::collections::BTreeSet;

use k8s_openapi::{api::core::v1::Namespace, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition};
use kube::{Api, Client, Resource, ResourceExt, api::ListParams, runtime::reflector::ObjectRef};

use super::stop_waiting_if_changed;
use crate::{
    api::FINALIZER,
    controller::{
        Context,
        error::{Ending, api},
        lane::Lane,
    },
};

/// The CRD of the objects.
const CRD: &str = "managedkeys.keyward.dev";

/// Whether the namespace or the CRD is being deleted, by a live read.
pub(super) async fn is_terminating(client: &Client, namespace: &str) -> Result<bool, Ending> {
    let namespaces = Api::<Namespace>::all(client.clone());
    let namespace = namespaces.get(namespace).await.map_err(api("a live read of the namespace"))?;
    if namespace.metadata.deletion_timestamp.is_some() {
        return Ok(true);
    }
    is_uninstalled(client, CRD).await
}

/// Whether that CRD is being deleted, by a live read.
pub(in crate::controller) async fn is_uninstalled(client: &Client, crd: &str) -> Result<bool, Ending> {
    let kinds = Api::<CustomResourceDefinition>::all(client.clone());
    let kind = kinds.get(crd).await.map_err(api("a live read of the CRD"))?;
    let conditions = kind.status.iter().flat_map(|status| status.conditions.iter().flatten());
    Ok(kind.metadata.deletion_timestamp.is_some()
        || conditions.into_iter().any(|condition| condition.type_ == "Terminating" && condition.status == "True"))
}

/// Has each object looked at that is being deleted and waits, if its namespace or the CRD is being deleted by now.
pub(in crate::controller) async fn release_the_waiting(context: &Context) {
    let waits = |metadata: &kube::api::ObjectMeta| {
        metadata.deletion_timestamp.is_some() && metadata.finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER)
    };
    let waiting: Vec<_> = context.keys().state().into_iter().filter(|object| waits(object.meta())).collect();
    if waiting.is_empty() {
        return;
    }
    let (all, namespaces) = match being_deleted(&context.client).await {
        Ok(found) => found,
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            return tracing::debug!(error, "whether namespaces or the CRD are being deleted is asked again");
        }
    };
    for object in waiting.into_iter().filter(|object| all || object.namespace().is_some_and(|within| namespaces.contains(&within))) {
        context.wake(&object.uid().unwrap_or_default());
        let object = ObjectRef::from_obj(&*object);
        stop_waiting_if_changed(context, &object);
        context.lanes.queue(Lane::Ordinary, object);
    }
}

/// Whether the CRD is being deleted, and which namespaces are.
async fn being_deleted(client: &Client) -> kube::Result<(bool, BTreeSet<String>)> {
    let kinds = Api::<CustomResourceDefinition>::all(client.clone());
    let all = kinds.get_metadata(CRD).await?.metadata.deletion_timestamp.is_some();
    let terminating = ListParams::default().fields("status.phase=Terminating");
    let namespaces = Api::<Namespace>::all(client.clone()).list_metadata(&terminating).await?;
    let namespaces = namespaces.into_iter().filter(|namespace| namespace.metadata.deletion_timestamp.is_some());
    Ok((all, namespaces.filter_map(|namespace| namespace.metadata.name).collect()))
}
