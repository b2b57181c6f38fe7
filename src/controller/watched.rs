//! The form in which objects are watched and read. It is small, and decoding it never fails.
//!
//! A typed watch stops for all objects when one of them cannot be decoded. It also keeps what other programs write into the metadata, which is most of the
//! memory of an object: `managedFields`, the last manifest of `kubectl apply`, labels. This type keeps the metadata of an object that it cannot decode, who
//! set `deletionScheduleDays` in place of `managedFields`, and only the annotations that Keyward reads.
//!
//! The metadata of one object may have more than a megabyte, and everybody who may create objects chooses it. So what is kept of it has a limit.

use std::borrow::Cow;

use kube::{Resource, api::ObjectMeta};
use serde::{Deserialize, Deserializer, de::DeserializeOwned, de::Error as _};
use serde_json::Value;

use crate::{
    api::{CLI_FIELD_MANAGER, FINALIZER, GRANT_FINALIZER, annotation},
    domain::status::SetBy,
    text::name,
};

/// An object as it was read.
#[derive(Clone, Debug)]
pub struct Watched<K> {
    object: Result<K, Box<Undecodable>>,
    /// Who set `spec.deletionScheduleDays`, as the API server recorded it.
    pub set_by: Option<Box<SetBy>>,
}

/// An object that this version of Keyward does not understand.
#[derive(Clone, Debug)]
pub struct Undecodable {
    metadata: ObjectMeta,
    /// The provider that its spec names, if that can be read.
    pub provider: Option<String>,
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
            set_by = metadata.remove("managedFields").as_ref().and_then(setter).map(Box::new);
            metadata.remove("labels");
            metadata.remove("ownerReferences");
            if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
                annotations.retain(|key, _| annotation::READ.contains(&&**key));
                annotations.values_mut().for_each(shorten);
            }
            if let Some(all) = metadata.get_mut("finalizers").and_then(Value::as_array_mut) {
                // Keyward's own are kept wherever they are.
                let own =
                    [FINALIZER, GRANT_FINALIZER].map(|own| all.iter().skip(MOST_FINALIZERS).any(|name| name == own).then(|| own.into()));
                all.truncate(MOST_FINALIZERS);
                all.extend(own.into_iter().flatten());
            }
        }
        let metadata = value.get("metadata").cloned().unwrap_or_default();
        let provider = value.pointer("/spec/providerRef/name").and_then(Value::as_str).map(|named| name(named).into_owned());
        let object = match serde_json::from_value(value) {
            Ok(object) => Ok(object),
            Err(error) => {
                Err(Box::new(Undecodable { metadata: identity(metadata).map_err(D::Error::custom)?, provider, error: error.to_string() }))
            }
        };
        Ok(Self { object, set_by })
    }
}

/// The most finalizers of an object that are kept, besides Keyward's own. A list that is shorter is the whole list.
pub const MOST_FINALIZERS: usize = 64;
/// The longest annotation that Keyward reads, in bytes. It is longer than every annotation that means something, so one that was cut means nothing too.
const LONGEST_ANNOTATION: usize = 4096;

/// Cuts an annotation that is too long.
fn shorten(value: &mut Value) {
    if let Value::String(text) = value {
        let end = text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= LONGEST_ANNOTATION).last();
        text.truncate(end.unwrap_or_default());
        text.shrink_to_fit();
    }
}

/// The metadata of an object that cannot be decoded. If that is the fault of its metadata, then what names the object is kept: an error here would end the watch
/// of all objects.
fn identity(metadata: Value) -> Result<ObjectMeta, serde_json::Error> {
    let named = ["name", "namespace", "uid", "resourceVersion"]
        .map(|field| (field, metadata.get(field).filter(|value| value.is_string()).cloned()));
    serde_json::from_value(metadata)
        .or_else(|_| serde_json::from_value(named.into_iter().filter_map(|(field, value)| Some((field.to_owned(), value?))).collect()))
}

/// The field managers of clients that apply manifests without server-side apply.
const APPLIERS: [&str; 5] = ["kubectl-client-side-apply", "argocd-controller", "helm", "helm-controller", "kustomize-controller"];

/// The managers that own `spec.deletionScheduleDays`, joined, and whether the field stays when the manifest is applied without it. Applying removes the field
/// only if the manager that applies the manifest set it, and no other manager did.
fn setter(managed: &Value) -> Option<SetBy> {
    let text = |entry: &Value, key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let entries: Vec<&Value> = managed.as_array()?.iter().filter(|entry| entry.pointer("/fieldsV1/f:spec").is_some()).collect();
    let applies = |entry: &Value| {
        let who = text(entry, "manager");
        (text(entry, "operation") == "Apply" && who != CLI_FIELD_MANAGER) || APPLIERS.contains(&&*who)
    };
    let owns = |entry: &&Value| entry.pointer("/fieldsV1/f:spec/f:deletionScheduleDays").is_some();
    let (owners, others): (Vec<&Value>, Vec<&Value>) = entries.into_iter().partition(owns);
    let [first, rest @ ..] = &*owners else { return None };
    let stays = !rest.is_empty() || !applies(first) || others.into_iter().any(applies);
    Some(SetBy { managers: owners.iter().map(|entry| name(&text(entry, "manager")).into_owned()).collect::<Vec<_>>().join(", "), stays })
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
    fn only_annotations_that_keyward_reads_are_kept() {
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

    /// What is kept of an object does not grow with what somebody writes into its metadata.
    #[test]
    fn of_metadata_of_a_megabyte_little_is_kept() {
        let long = "x".repeat(1_400_000);
        let many = |one: &Value| vec![one.clone(); 20_000];
        let owner = json!({ "apiVersion": "v1", "kind": "ConfigMap", "name": "x".repeat(50), "uid": "u" });
        for (part, value, is_read) in [
            (
                "annotations",
                json!({ "keyward.dev/confirm-deletion": long, "keyward.dev/paused": long, "keyward.dev/key": "ä".repeat(700_000) }),
                true,
            ),
            ("annotations", (0..10_000).map(|number| (format!("a{number}"), json!("x".repeat(100)))).collect(), true),
            ("ownerReferences", many(&owner).into(), true),
            ("labels", json!({ "a": long }), true),
            ("managedFields", many(&json!({ "manager": "x".repeat(50), "operation": "Update", "fieldsV1": {} })).into(), true),
            ("finalizers", (0..20_000).map(|number| json!(format!("a.example/{number}"))).collect(), true),
        ] {
            let mut object = json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": { "name": "a", "namespace": "n" }, "spec": {} });
            object["metadata"][part] = value;
            let watched = read(object);
            assert_eq!(watched.decoded().is_ok(), is_read, "{part}");
            let kept = serde_json::to_string(watched.meta()).unwrap().len();
            assert!(kept < 4 * LONGEST_ANNOTATION, "{part}: {kept} bytes are kept");
        }
    }

    #[test]
    fn of_many_finalizers_the_first_and_our_own_are_kept() {
        let kept = |ours: &str, own: usize| {
            let mut all: Vec<String> = (0..100).map(|number| format!("a.example/{number}")).collect();
            all.insert(own, ours.into());
            let metadata = json!({ "name": "a", "namespace": "n", "finalizers": all });
            let object = read(json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": metadata, "spec": {} }));
            object.decoded().unwrap().metadata.finalizers.clone().unwrap()
        };
        for (own, at, count) in
            [(0, 0, MOST_FINALIZERS), (63, 63, MOST_FINALIZERS), (64, 64, MOST_FINALIZERS + 1), (100, 64, MOST_FINALIZERS + 1)]
        {
            for ours in [FINALIZER, GRANT_FINALIZER] {
                let kept = kept(ours, own);
                assert_eq!((kept.iter().position(|name| name == ours), kept.len()), (Some(at), count), "{ours} at {own}");
            }
        }
    }

    /// Otherwise one object would end the watch of all.
    #[test]
    fn an_object_whose_metadata_cannot_be_decoded_keeps_its_name() {
        for metadata in [
            json!({ "annotations": { "keyward.dev/paused": 5 } }),
            json!({ "finalizers": "none" }),
            json!({ "creationTimestamp": "yesterday" }),
            json!({ "generation": "many" }),
            json!({ "deletionTimestamp": [] }),
            json!({ "uid": 7 }),
        ] {
            let mut object = json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": metadata, "spec": {} });
            (object["metadata"]["name"], object["metadata"]["namespace"]) = (json!("a"), json!("n"));
            let watched = read(object);
            assert!(watched.decoded().is_err(), "{metadata}");
            assert_eq!((watched.meta().name.as_deref(), watched.meta().namespace.as_deref()), (Some("a"), Some("n")), "{metadata}");
        }
    }

    #[test]
    fn only_the_manager_that_set_the_field_is_kept() {
        let object = |managers: &[(&str, &str, bool)]| {
            let entry = |(manager, operation, owns): &(&str, &str, bool)| {
                let field = if *owns { "f:deletionScheduleDays" } else { "f:enabled" };
                json!({ "manager": manager, "operation": operation, "fieldsV1": { "f:spec": { (field): {} } } })
            };
            let managed: Vec<_> = managers.iter().map(entry).collect();
            read(
                json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": { "name": "a", "namespace": "n", "managedFields": managed },
                "spec": {} }),
            )
        };
        let two = object(&[("kubectl-patch", "Update", true), ("helm", "Update", false)]);
        assert!(two.decoded().unwrap().metadata.managed_fields.is_none());
        for (managers, set_by) in [
            (&[("helm", "Update", false)][..], None),
            (&[("kubectl-patch", "Update", true), ("helm", "Update", false)], Some(("kubectl-patch", true))),
            (&[("kubectl-edit", "Update", true)], Some(("kubectl-edit", true))),
            (&[("kubectl-create", "Update", true)], Some(("kubectl-create", true))),
            (&[("keyward-cli", "Update", true), ("argocd-controller", "Apply", false)], Some(("keyward-cli", true))),
            (&[("node-fetch", "Update", true), ("kustomize-controller", "Apply", false)], Some(("node-fetch", true))),
            // Whoever applies the manifest.
            (&[("helm", "Update", true)], Some(("helm", false))),
            (&[("kubectl-client-side-apply", "Update", true)], Some(("kubectl-client-side-apply", false))),
            (&[("argocd-controller", "Apply", true), ("kubectl-edit", "Update", false)], Some(("argocd-controller", false))),
            (&[("terraform", "Apply", true)], Some(("terraform", false))),
            // Whoever writes chooses the name of the manager.
            (&[("x); to keep it, run: $(reboot", "Update", true)], Some(("\"x); to keep it, run: $(reboot\"", true))),
            // One applied it, and another applies now.
            (&[("argocd-controller", "Update", true), ("kustomize-controller", "Apply", false)], Some(("argocd-controller", true))),
            (&[("helm", "Update", true), ("kubectl-patch", "Update", true)], Some(("helm, kubectl-patch", true))),
        ] {
            let found = object(managers).set_by;
            assert_eq!(found.as_deref().map(|by| (&*by.managers, by.stays)), set_by, "{managers:?}");
        }
    }
}
