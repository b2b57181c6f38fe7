//! The form in which objects are watched and read: small, and never undecodable.
//!
//! A typed watch stops for all objects when one cannot be decoded, and keeps what other programs wrote into an object's metadata, which is most of its
//! memory: the field managers' records, the manifest as `kubectl apply` last sent it, labels. This type keeps the metadata of an object that it cannot
//! decode, of the managers' records only who set `deletionScheduleDays`, and of the annotations those that Keyward reads.

use std::borrow::Cow;

use kube::{Resource, api::ObjectMeta};
use serde::{Deserialize, Deserializer, de::DeserializeOwned, de::Error as _};
use serde_json::Value;

use crate::api::annotation;

/// An object as it was read.
#[derive(Clone, Debug)]
pub struct Watched<K> {
    object: Result<K, Box<Undecodable>>,
    /// Who set `spec.deletionScheduleDays`, as the API server recorded it.
    pub set_by: Option<Box<str>>,
}

/// An object that this version of Keyward does not understand.
#[derive(Clone, Debug)]
pub struct Undecodable {
    metadata: ObjectMeta,
    /// What is wrong with it.
    pub error: String,
}

impl<K> Watched<K> {
    /// The object, if it could be decoded.
    pub fn decoded(&self) -> Result<&K, &Undecodable> {
        self.object.as_ref().map_err(Box::as_ref)
    }

    /// The object itself, if it could be decoded.
    pub fn into_decoded(self) -> Result<K, Box<Undecodable>> {
        self.object
    }
}

impl<K: Resource> Watched<K> {
    /// Its name.
    pub fn meta_name(&self) -> Option<String> {
        self.meta().name.clone()
    }
}

impl<'de, K: DeserializeOwned> Deserialize<'de> for Watched<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut value = Value::deserialize(deserializer)?;
        let mut set_by = None;
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            set_by = metadata.remove("managedFields").as_ref().and_then(setter).map(String::into_boxed_str);
            metadata.remove("labels");
            if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
                annotations.retain(|key, _| annotation::READ.contains(&&**key));
            }
        }
        let metadata = value.get("metadata").cloned().unwrap_or_default();
        let object = match serde_json::from_value(value) {
            Ok(object) => Ok(object),
            Err(error) => {
                let metadata = serde_json::from_value(metadata).map_err(D::Error::custom)?;
                Err(Box::new(Undecodable { metadata, error: error.to_string() }))
            }
        };
        Ok(Self { object, set_by })
    }
}

/// The managers that own `spec.deletionScheduleDays`, joined.
fn setter(managed: &Value) -> Option<String> {
    let owns = |entry: &&Value| entry.pointer("/fieldsV1/f:spec/f:deletionScheduleDays").is_some();
    let names: Vec<_> = managed.as_array()?.iter().filter(owns).filter_map(|entry| entry.get("manager")?.as_str()).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

impl<K: Resource> Resource for Watched<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::kind(dt)
    }

    fn group(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::group(dt)
    }

    fn version(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::version(dt)
    }

    fn plural(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::plural(dt)
    }

    fn metadata_api() -> bool {
        K::metadata_api()
    }

    fn meta(&self) -> &ObjectMeta {
        self.object.as_ref().map_or_else(|undecodable| &undecodable.metadata, K::meta)
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.object.as_mut().map_or_else(|undecodable| &mut undecodable.metadata, K::meta_mut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ManagedKey;
    use serde_json::json;

    fn read(value: Value) -> Watched<ManagedKey> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn an_undecodable_object_keeps_its_metadata() {
        let object =
            read(json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": { "name": "a", "namespace": "n" },
            "spec": { "managementPolicy": "FromTheFuture" } }));
        assert_eq!(object.meta().name.as_deref(), Some("a"));
        assert!(object.decoded().unwrap_err().error.contains("FromTheFuture"));
    }

    #[test]
    fn of_the_annotations_those_that_are_read_are_kept() {
        let kept = [
            "keyward.dev/confirm-deletion",
            "keyward.dev/create-attempt",
            "keyward.dev/key",
            "keyward.dev/paused",
            "keyward.dev/reconcile-requested-at",
            "reconcile.fluxcd.io/requestedAt",
        ];
        let all = kept.iter().chain(&["kubectl.kubernetes.io/last-applied-configuration"]).map(|key| ((*key).to_owned(), json!("x")));
        let annotations: serde_json::Map<_, _> = all.collect();
        let metadata = json!({ "name": "a", "labels": { "team": "shop" }, "annotations": annotations });
        let object = read(json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": metadata, "spec": {} }));
        assert!(object.meta().labels.is_none());
        assert!(object.meta().annotations.iter().flatten().map(|(key, _)| &**key).eq(kept), "{:?}", object.meta().annotations);
    }

    #[test]
    fn of_the_managers_only_the_setter_is_kept() {
        let object =
            read(json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": { "name": "a", "managedFields": [
            { "manager": "kubectl-patch", "fieldsV1": { "f:spec": { "f:deletionScheduleDays": {} } } },
            { "manager": "helm", "fieldsV1": { "f:spec": { "f:enabled": {} } } } ] }, "spec": {} }));
        assert_eq!(object.set_by.as_deref(), Some("kubectl-patch"));
        assert!(object.decoded().unwrap().metadata.managed_fields.is_none());
    }
}
