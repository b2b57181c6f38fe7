//! The CRDs of both kinds, as kube derives them from [`crate::api`], with the two things that its derive cannot say.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{CustomResourceDefinition, JSON, JSONSchemaProps};
use kube::CustomResourceExt;
use serde_json::json;

use super::{labels, yaml};
use crate::api::{KeyProvider, ManagedKey};

/// Both CRDs, in the order in which they are to be read.
#[must_use]
pub fn crds() -> Vec<CustomResourceDefinition> {
    [ManagedKey::crd(), KeyProvider::crd()].into_iter().map(complete).collect()
}

/// Both CRDs as one YAML stream, ready for `kubectl apply -f -`.
pub fn crds_yaml() -> anyhow::Result<String> {
    let documents = crds().iter().map(yaml::document).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(yaml::stream(&documents))
}

/// Adds the labels and the default of `status`.
fn complete(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    crd.metadata.labels = Some(labels());
    for version in &mut crd.spec.versions {
        let root = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut());
        if let Some(status) = root.and_then(|root| property(root, "status")) {
            // Until the first look, this reads as "in progress" to kstatus, Flux and Argo CD. It has to stand here: the API server applies a
            // default inside `status` only where `status` is there, and a new object has none.
            status.default = Some(JSON(json!({ "observedGeneration": -1 })));
        }
    }
    crd
}

fn property<'schema>(schema: &'schema mut JSONSchemaProps, name: &str) -> Option<&'schema mut JSONSchemaProps> {
    schema.properties.as_mut()?.get_mut(name)
}
