//! A stricter CRD over objects that were stored under an older one.
//!
//! Whatever else is wrong with an object by today's rules, its deletion can be cancelled, its finalizer can go and its status can be written. A rule in
//! the wrong place would make a key unsavable, and it would be noticed on the worst day.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use keyward::api::FINALIZER;
use keyward::manifests::crds;
use kube::api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::{attempt, store};
use crate::support::control_plane::{apply, shared};
use crate::support::eventually;

const WITHIN: Duration = Duration::from_mins(1);

/// The CRD of `kind` under another name, so that other tests keep theirs.
fn renamed(kind: &str) -> CustomResourceDefinition {
    let mut crd = crds().into_iter().find(|crd| crd.spec.names.kind == kind).unwrap();
    crd.spec.group = "stored.keyward.dev".into();
    crd.spec.names.kind = format!("Stored{kind}");
    crd.spec.names.plural = format!("stored{}", crd.spec.names.plural);
    crd.spec.names.singular = None;
    crd.spec.names.short_names = None;
    crd.spec.names.categories = None;
    crd.metadata.name = Some(format!("{}.{}", crd.spec.names.plural, crd.spec.group));
    crd
}

/// The same without a single rule or bound: what an older version may have let in.
fn older(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    fn loosen(schema: &mut JSONSchemaProps) {
        schema.x_kubernetes_validations = None;
        schema.enum_ = None;
        schema.pattern = None;
        (schema.minimum, schema.maximum) = (None, None);
        (schema.min_length, schema.max_length) = (None, None);
        (schema.min_items, schema.max_items) = (None, None);
        (schema.min_properties, schema.max_properties) = (None, None);
        schema.properties.iter_mut().flat_map(|properties| properties.values_mut()).for_each(loosen);
        if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
            loosen(items);
        }
        if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
            loosen(values);
        }
    }
    for version in &mut crd.spec.versions {
        loosen(version.schema.as_mut().unwrap().open_api_v3_schema.as_mut().unwrap());
    }
    crd
}

fn object(crd: &CustomResourceDefinition, name: &str, spec: Value) -> Value {
    let api_version = format!("{}/{}", crd.spec.group, crd.spec.versions[0].name);
    json!({ "apiVersion": api_version, "kind": crd.spec.names.kind, "metadata": { "name": name, "finalizers": [FINALIZER] }, "spec": spec })
}

/// Stores objects under the older CRD and lays today's over them; `refused` is a spec by which it is seen to be in force.
async fn stored(crd: &CustomResourceDefinition, namespace: Option<&str>, objects: &[Value], refused: Value) -> Api<DynamicObject> {
    let client = shared().client().await;
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let kind = GroupVersionKind::gvk(&crd.spec.group, &crd.spec.versions[0].name, &crd.spec.names.kind);
    let resource = ApiResource::from_gvk_with_plural(&kind, &crd.spec.names.plural);
    let api = match namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, &resource),
        None => Api::all_with(client, &resource),
    };
    apply(&definitions, &older(crd.clone())).await;
    eventually("the older CRD", WITHIN, async || api.list(&kube::api::ListParams::default()).await).await;
    for object in objects {
        store(&api, object, &json!({ "observedGeneration": 1, "keyId": "k-1" })).await;
    }
    apply(&definitions, crd).await;
    let probe = super::Write::Create(object(crd, "probe", refused));
    eventually("today's CRD", WITHIN, async || match attempt(&api, &probe).await {
        Ok(_) => Err("the older one is still in force"),
        Err(_) => Ok(()),
    })
    .await;
    api
}

#[tokio::test]
async fn a_stricter_crd_locks_no_one_out() {
    let crd = renamed("ManagedKey");
    let wrongs = [
        ("a-reserved-tag", json!({ "tags": { "aws:a": "b" } })),
        ("too-long-a-tag", json!({ "tags": { "k": "x".repeat(300) } })),
        ("a-reserved-alias", json!({ "aliases": ["aws/s3", "alias/a", "b c"] })),
        ("a-period-without-rotation", json!({ "rotationPeriodDays": 365 })),
        ("too-short-a-period", json!({ "autoRotation": true, "rotationPeriodDays": 5 })),
        ("too-long-a-description", json!({ "description": "x".repeat(9000) })),
        ("an-unknown-policy", json!({ "managementPolicy": "Ignore", "deletionPolicy": "Orphan" })),
        ("an-unknown-key", json!({ "key": { "spec": "RSA-2048" } })),
        ("too-long-an-id", json!({ "keyId": "x".repeat(3000), "providerRef": { "name": "x".repeat(300) } })),
        ("nothing-wrong", json!({})),
    ];
    let long = "n".repeat(200);
    let mut objects = Vec::new();
    let mut all = json!({});
    for (name, spec) in &wrongs {
        objects.push(object(&crd, name, super::with(spec.clone(), json!({ "deletionScheduleDays": 7 }))));
        all = super::with(all, spec.clone());
    }
    // Rotation without a period cannot be wrong in both ways at once.
    all = super::with(all, json!({ "autoRotation": null, "deletionScheduleDays": 3 }));
    objects.push(object(&crd, &long, all));
    let namespace = shared().namespace("stored").await;
    let api = stored(&crd, Some(&namespace), &objects, json!({ "deletionScheduleDays": 3 })).await;

    for name in wrongs.iter().map(|(name, _)| *name).chain([long.as_str()]) {
        let status = json!({
            "apiVersion": objects[0]["apiVersion"], "kind": objects[0]["kind"],
            "status": { "observedGeneration": 2, "keyState": "PendingDeletion", "keyId": "k-1" },
        });
        let as_keyward = PatchParams::apply("keyward").force();
        let told =
            api.patch_status(name, &as_keyward, &Patch::Apply(&status)).await.unwrap_or_else(|error| panic!("{name}, status: {error}"));
        assert_eq!(told.data["status"]["keyState"], "PendingDeletion");
        for (what, patch) in [
            ("cancel by 0", json!({ "spec": { "deletionScheduleDays": 0 } })),
            ("schedule again", json!({ "spec": { "deletionScheduleDays": 7 } })),
            ("cancel by taking the field out", json!({ "spec": { "deletionScheduleDays": null } })),
            ("annotate", json!({ "metadata": { "annotations": { "keyward.dev/paused": "true" } } })),
            ("take the finalizer off", json!({ "metadata": { "finalizers": null } })),
        ] {
            let patched = api.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await;
            patched.unwrap_or_else(|error| panic!("{name}, {what}: {error}"));
        }
        let now = api.get(name).await.unwrap();
        assert!(now.data["spec"].get("deletionScheduleDays").is_none() && now.finalizers().is_empty(), "{now:?}");
        api.delete(name, &DeleteParams::default()).await.unwrap();
    }
}

/// Too many deletions go through a provider. It can be stopped even if something else in it is wrong.
#[tokio::test]
async fn a_stored_provider_can_be_stopped() {
    let crd = renamed("KeyProvider");
    let aws = json!({ "type": "AWS", "aws": { "region": "eu-west-1" }, "namespaces": { "from": "All" } });
    let huawei = json!({ "region": "a", "projectId": "b", "credentialsSecretRef": { "name": "c" } });
    let wrongs = [
        ("two-members", json!({ "huawei": huawei })),
        ("no-member", json!({ "aws": null })),
        ("too-long-a-minimum", json!({ "deletionGuard": { "minimumScheduleDays": 100 } })),
        ("names-with-all", json!({ "namespaces": { "names": ["a"] } })),
        ("an-endpoint-that-is-none", json!({ "aws": { "endpoint": "kms", "accountId": "1" } })),
        ("an-endpoint-in-plain-text", json!({ "aws": { "endpoint": "http://kms.example.com", "stsEndpoint": "https://169.254.169.254" } })),
        ("nothing-wrong", json!({})),
    ];
    let objects: Vec<_> = wrongs.iter().map(|(name, wrong)| object(&crd, name, super::with(aws.clone(), wrong.clone()))).collect();
    let api = stored(&crd, None, &objects, super::with(aws, json!({ "resyncSeconds": 1 }))).await;
    for (name, _) in &wrongs {
        let status = json!({
            "apiVersion": objects[0]["apiVersion"], "kind": objects[0]["kind"],
            "status": { "observedGeneration": 2, "identity": { "account": "1", "region": "a", "principal": "p" } },
        });
        let as_keyward = PatchParams::apply("keyward").force();
        api.patch_status(name, &as_keyward, &Patch::Apply(&status)).await.unwrap_or_else(|error| panic!("{name}, status: {error}"));
        let stop = Patch::Merge(json!({ "spec": { "deletionGuard": { "maxPerHour": 0 } } }));
        api.patch(name, &PatchParams::default(), &stop).await.unwrap_or_else(|error| panic!("{name}, stop: {error}"));
        let release = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
        api.patch(name, &PatchParams::default(), &release).await.unwrap_or_else(|error| panic!("{name}, finalizer: {error}"));
        api.delete(name, &DeleteParams::default()).await.unwrap();
    }
}
