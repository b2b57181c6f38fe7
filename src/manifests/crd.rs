//! The CRDs of all kinds. kube derives them from [`crate::api`]; this module adds what the derive cannot express.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube::CustomResourceExt;
use serde_json::json;

use super::{labels, yaml};
use crate::api::{KeyGrant, KeyProvider, ManagedKey};

/// All CRDs, in reading order.
#[must_use]
pub fn crds() -> Vec<CustomResourceDefinition> {
    [ManagedKey::crd(), KeyGrant::crd(), KeyProvider::crd()].into_iter().map(complete).collect()
}

/// All CRDs as one YAML stream for `kubectl apply -f -`.
pub fn crds_yaml() -> anyhow::Result<String> {
    let documents = crds().iter().map(crd_yaml).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(yaml::stream(&documents))
}

/// One CRD as a single document.
pub fn crd_yaml(crd: &CustomResourceDefinition) -> anyhow::Result<String> {
    yaml::document(crd)
}

/// Adds the labels and the default of `status`, and joins the lines of descriptions.
fn complete(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    crd.metadata.labels = Some(labels());
    for version in &mut crd.spec.versions {
        let Some(root) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) else { continue };
        reflow(root);
        if let Some(status) = property(root, "status") {
            // Before the first read, kstatus, Flux and Argo CD see this as "in progress". The default must be on `status` itself. The API
            // server applies a default inside `status` only if `status` exists, and a new object has none.
            status.default = Some(JSON(json!({ "observedGeneration": -1 })));
        }
    }
    crd
}

/// Joins the lines of a doc comment, because its line breaks have no meaning in the schema.
fn reflow(schema: &mut JSONSchemaProps) {
    if let Some(description) = &mut schema.description {
        *description = description.replace('\n', " ");
    }
    schema.properties.iter_mut().flat_map(|properties| properties.values_mut()).for_each(reflow);
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        reflow(items);
    }
}

fn property<'schema>(schema: &'schema mut JSONSchemaProps, name: &str) -> Option<&'schema mut JSONSchemaProps> {
    schema.properties.as_mut()?.get_mut(name)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaPropsOrBool;

    use super::*;

    /// Calls `check` for each node of all schemas, with its path and whether its parent requires it.
    fn walk(check: &mut dyn FnMut(&str, &JSONSchemaProps, bool)) {
        fn descend(path: &str, schema: &JSONSchemaProps, required: bool, check: &mut dyn FnMut(&str, &JSONSchemaProps, bool)) {
            check(path, schema, required);
            for (name, property) in schema.properties.iter().flatten() {
                let required = schema.required.iter().flatten().any(|required| required == name);
                descend(&format!("{path}.{name}"), property, required, check);
            }
            if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
                descend(&format!("{path}[]"), items, true, check);
            }
            if let Some(JSONSchemaPropsOrBool::Schema(values)) = &schema.additional_properties {
                descend(&format!("{path}{{}}"), values, true, check);
            }
        }
        for crd in crds() {
            let schema = crd.spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema.as_ref().unwrap();
            descend(&crd.spec.names.kind, schema, true, check);
        }
    }

    /// The API server estimates the cost of CEL rules from the bounds, and takes 3 MiB where there is none.
    #[test]
    fn everything_has_bounds() {
        let way_out = "give the field one in src/api, such as #[schemars(length(max = 256))] or #[schemars(range(min = 0, max = 23))]";
        walk(&mut |path, schema, _| match schema.type_.as_deref() {
            Some("string") => {
                let bounded = schema.max_length.is_some() || schema.enum_.is_some() || schema.format.as_deref() == Some("date-time");
                assert!(bounded, "{path} has no bound; {way_out}");
            }
            Some("array") => assert!(schema.max_items.is_some(), "{path} has no bound; {way_out}"),
            Some("object") if schema.additional_properties.is_some() => {
                assert!(schema.max_properties.is_some(), "{path} has no bound; {way_out}");
            }
            Some("integer") if path.contains(".spec.") => {
                assert!(schema.minimum.is_some() && schema.maximum.is_some(), "{path} has no bound; {way_out}");
            }
            Some("integer" | "boolean" | "object") => {}
            other => panic!("{path} is of type {other:?}"),
        });
    }

    #[test]
    fn optional_fields_of_a_spec_take_null() {
        walk(&mut |path, schema, required| {
            // A null for a field with a default becomes the default, so null means absent there as well.
            if path.contains(".spec.") && !path.contains(".selector.") && !required {
                assert!(schema.nullable == Some(true) || schema.default.is_some(), "{path} refuses null");
            }
        });
    }

    #[test]
    fn no_enum_has_null_for_a_value_and_no_format_is_unknown_to_the_server() {
        walk(&mut |path, schema, _| {
            assert!(!schema.enum_.iter().flatten().any(|JSON(value)| value.is_null()), "{path}");
            assert!(matches!(schema.format.as_deref(), None | Some("int32" | "int64" | "date-time")), "{path}: {:?}", schema.format);
        });
    }

    #[test]
    fn every_field_is_explained() {
        walk(&mut |path, schema, _| {
            let is_field = path.contains('.') && !path.ends_with("[]") && !path.ends_with("{}");
            assert!(!is_field || schema.description.as_ref().is_some_and(|text| text.ends_with('.')), "{path}: {:?}", schema.description);
        });
    }

    #[test]
    fn status_starts_before_every_generation() {
        for crd in crds() {
            let root = crd.spec.versions[0].schema.clone().unwrap().open_api_v3_schema.unwrap();
            assert_eq!(root.properties.unwrap()["status"].default, Some(JSON(json!({ "observedGeneration": -1 }))));
        }
    }
}
