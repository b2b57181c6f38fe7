//! What applications read: the `ConfigMap` or Secret of `spec.publishTo` says which key they are to use, and nothing else is ever touched.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use keyward::api::{ConditionType, ManagedKey, publish_to::PublishKind};
use kms_double::{ACCOUNT, KeyView, Options};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::support::{
    eventually,
    memory::Memory,
    operator::WITHIN,
    scene::{REGION, Scene, describe, find, message},
    vendor::{AWS, CIPHER_TRUST, HUAWEI},
};

/// A spec that publishes to a `ConfigMap` of that name.
fn to(name: &str) -> Value {
    json!({ "publishTo": { "kind": "ConfigMap", "name": name } })
}

fn config_maps(scene: &Scene) -> Api<ConfigMap> {
    Api::namespaced(scene.client.clone(), &scene.namespace)
}

async fn published(scene: &Scene, name: &str) -> Option<BTreeMap<String, String>> {
    config_maps(scene).get_opt(name).await.unwrap().map(|object| object.data.unwrap_or_default())
}

fn values(key: &KeyView, alias: &str) -> BTreeMap<String, String> {
    [("keyId", &*key.key_id), ("keyArn", &*key.arn), ("alias", alias), ("region", REGION), ("account", ACCOUNT)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// Where the status says that the key is published.
fn place(object: &ManagedKey) -> Option<(PublishKind, &str)> {
    let published = object.status.as_ref()?.published_to.as_ref()?;
    Some((published.kind, published.name.as_str()))
}

async fn until_published(scene: &Scene, name: &str, kind: PublishKind, target: &str) -> ManagedKey {
    scene
        .until(name, &format!("published to {target}"), |object| {
            place(object) == Some((kind, target)) && object.status.as_ref().is_some_and(|status| status.publish_attempts.is_empty())
        })
        .await
}

/// Creates a `ConfigMap` that is not Keyward's.
async fn foreign(scene: &Scene, name: &str) -> ConfigMap {
    let object = json!({ "metadata": { "name": name }, "data": { "ca.crt": "trusted" } });
    config_maps(scene).create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap()
}

async fn patch(scene: &Scene, name: &str, patch: Value) {
    config_maps(scene).patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
}

#[tokio::test]
async fn a_key_is_published_and_what_is_published_is_kept() {
    let scene = Scene::new("publish").await;
    let mut spec = to("orders-key");
    spec["aliases"] = json!(["orders"]);
    let object = scene.create("orders", spec).await;
    let ready = scene.until_ready("orders", "True", "Available").await;
    assert_eq!(place(&ready), Some((PublishKind::ConfigMap, "orders-key")), "it is there when the key is Ready: {}", describe(&ready));
    let expected = values(&scene.key("orders").await, "alias/orders");
    assert_eq!(published(&scene, "orders-key").await.unwrap(), expected);
    let stored = config_maps(&scene).get("orders-key").await.unwrap();
    let owner = &stored.owner_references()[0];
    assert_eq!((owner.kind.as_str(), Some(&owner.uid), owner.controller), ("ManagedKey", object.metadata.uid.as_ref(), Some(true)));
    let note = scene.until_event("orders", "KeyPublished").await;
    assert!(note.ends_with("to ConfigMap orders-key"), "{note}");

    // At rest it is read, and neither written nor a reason for more requests to the KMS.
    let version = stored.resource_version();
    let before = scene.operator_calls().len();
    scene.look_by_itself("orders").await;
    scene.look_at_all("orders").await;
    assert_eq!(config_maps(&scene).get("orders-key").await.unwrap().resource_version(), version);
    assert!(scene.operator_calls().len() > before);

    // What others change is put back.
    patch(
        &scene,
        "orders-key",
        json!({ "data": { "keyArn": "arn:of:another", "keyId": null, "more": "x" }, "binaryData": { "b": "eA==" } }),
    )
    .await;
    scene.look("orders").await;
    assert_eq!(published(&scene, "orders-key").await.unwrap(), expected);
    assert_eq!(config_maps(&scene).get("orders-key").await.unwrap().binary_data, None);
    config_maps(&scene).delete("orders-key", &DeleteParams::default()).await.unwrap();
    scene.look("orders").await;
    assert_eq!(published(&scene, "orders-key").await.unwrap(), expected);

    // It stays while the deletion of the key is pending, and while the key is disabled.
    for (spec, reason) in
        [(json!({ "deletionScheduleDays": 7 }), "DeletionScheduled"), (json!({ "deletionScheduleDays": 0, "enabled": false }), "Disabled")]
    {
        scene.spec("orders", spec).await;
        scene.until_ready("orders", "True", reason).await;
        scene.look("orders").await;
        assert_eq!(published(&scene, "orders-key").await.unwrap(), expected, "{reason}");
    }
}

#[tokio::test]
async fn the_names_are_the_users_and_the_new_object_is_there_before_the_old_one_goes() {
    let memory = Memory::new().await;
    let scene = Scene::within(&memory, &AWS, "publish-names", Options::default(), json!({})).await;
    let _operator = memory.start();
    scene.create("orders", to("one")).await;
    until_published(&scene, "orders", PublishKind::ConfigMap, "one").await;
    let key = scene.key("orders").await;
    let claim = scene.claim("orders");
    assert_eq!(published(&scene, "one").await.unwrap(), values(&key, &claim), "without an alias of its own the key has its claim");

    scene.spec("orders", json!({ "publishTo": { "keys": { "keyArn": "KMS_KEY", "alias": "keyId", "keyId": "key.id" } } })).await;
    eventually("the names", WITHIN, async || match published(&scene, "one").await {
        Some(found) if found.contains_key("KMS_KEY") => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    let renamed: BTreeMap<_, _> =
        [("KMS_KEY", &*key.arn), ("keyId", &*claim), ("key.id", &*key.key_id), ("region", REGION), ("account", ACCOUNT)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
    assert_eq!(published(&scene, "one").await.unwrap(), renamed);

    scene.spec("orders", json!({ "publishTo": { "kind": "Secret", "name": "two", "keys": null } })).await;
    until_published(&scene, "orders", PublishKind::Secret, "two").await;
    assert_eq!(published(&scene, "one").await, None);
    let secret = Api::<Secret>::namespaced(scene.client.clone(), &scene.namespace).get("two").await.unwrap();
    let data: BTreeMap<_, _> = secret.data.unwrap().into_iter().map(|(name, value)| (name, String::from_utf8(value.0).unwrap())).collect();
    assert_eq!((data, secret.type_.as_deref()), (values(&key, &claim), Some("Opaque")));
    let ours =
        |kind: &str| memory.server.writes().iter().rposition(|write| write.plural == kind && write.namespace == scene.namespace).unwrap();
    assert!(ours("secrets") < ours("configmaps"), "the last write of a ConfigMap is its removal");
    let note = scene.until_event("orders", "KeyUnpublished").await;
    assert!(note.ends_with("no longer published to ConfigMap one"), "{note}");

    scene.spec("orders", json!({ "publishTo": null })).await;
    scene.until("orders", "nothing is published", |object| place(object).is_none()).await;
    assert!(Api::<Secret>::namespaced(scene.client.clone(), &scene.namespace).get_opt("two").await.unwrap().is_none());
}

/// Shows S3.
#[tokio::test]
async fn what_is_not_this_objects_is_neither_adopted_nor_overwritten_nor_removed() {
    let scene = Scene::new("publish-taken").await;
    let trusted = foreign(&scene, "trusted").await;
    let mut spec = to("trusted");
    spec["tags"] = json!({ "team": "shop" });
    scene.create("orders", spec).await;
    let object = scene.until_ready("orders", "False", "PublishTargetTaken").await;
    assert!(
        message(&object).starts_with("ConfigMap trusted was not created for this object, so Keyward leaves it as it is; change"),
        "{}",
        message(&object)
    );
    assert!(find(&object, ConditionType::Stalled).is_some() && place(&object).is_none());
    assert_eq!(&*scene.key("orders").await.tags["team"], "shop", "the rest of the spec is applied");

    // Neither a status that names it, nor one that names a path, gives a right to remove it.
    let forged = json!({ "kind": "ConfigMap", "name": "trusted" });
    let paths: Vec<_> = ["../secrets/x", "trusted?x=", "/"].map(|name| json!({ "kind": "ConfigMap", "name": name })).into();
    scene.patch_status("orders", json!({ "publishedTo": forged, "publishAttempts": [forged, paths[0], paths[1], paths[2]] })).await;
    scene.spec("orders", json!({ "publishTo": null })).await;
    let object = scene.until_ready("orders", "True", "Available").await;
    assert!(
        object.status.as_ref().is_some_and(|status| status.published_to.is_none() && status.publish_attempts.is_empty()),
        "{}",
        describe(&object)
    );
    assert_eq!(config_maps(&scene).get("trusted").await.unwrap(), trusted);

    // An owner that only looks like this object gives none either.
    let uid = object.metadata.uid.clone().unwrap();
    for owner in [
        json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "name": "orders", "uid": uid }),
        json!({ "apiVersion": "example.com/v1", "kind": "ManagedKey", "name": "orders", "uid": uid, "controller": true }),
        json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "KeyProvider", "name": "orders", "uid": uid, "controller": true }),
    ] {
        patch(&scene, "trusted", json!({ "metadata": { "ownerReferences": [owner] } })).await;
        scene.spec("orders", to("trusted")).await;
        scene.until_ready("orders", "False", "PublishTargetTaken").await;
        scene.spec("orders", json!({ "publishTo": null })).await;
        scene.until_ready("orders", "True", "Available").await;
        assert_eq!(published(&scene, "trusted").await.unwrap()["ca.crt"], "trusted", "{owner}");
    }
}

#[tokio::test]
async fn of_two_objects_that_name_one_target_the_first_stays() {
    let scene = Scene::new("publish-two").await;
    scene.create("first", to("shared")).await;
    until_published(&scene, "first", PublishKind::ConfigMap, "shared").await;
    let firsts = published(&scene, "shared").await;
    scene.create("second", to("shared")).await;
    let object = scene.until_ready("second", "False", "PublishTargetTaken").await;
    let says = format!("ConfigMap shared belongs to the object {}/first, so this object does not publish to it", scene.namespace);
    assert!(message(&object).starts_with(&says), "{}", message(&object));
    scene.look("second").await;
    scene.look("first").await;
    assert_eq!(published(&scene, "shared").await, firsts);
    assert_eq!(scene.key("second").await.state, kms_double::KeyState::Enabled);

    // Once the first publishes elsewhere, the second follows.
    scene.spec("first", to("own")).await;
    until_published(&scene, "first", PublishKind::ConfigMap, "own").await;
    scene.look("second").await;
    until_published(&scene, "second", PublishKind::ConfigMap, "shared").await;
    assert_eq!(published(&scene, "shared").await.unwrap()["keyArn"], scene.key("second").await.arn);

    // What an earlier object of this name had is left to Kubernetes, and published again when it is gone.
    scene.delete("second").await;
    scene.until_gone("second").await;
    scene.create("second", to("shared")).await;
    let object = scene.until_ready("second", "False", "PublishTargetTaken").await;
    assert!(message(&object).contains("belongs to an earlier object of this name"), "{}", message(&object));
    assert!(find(&object, ConditionType::Stalled).is_none() && find(&object, ConditionType::Reconciling).is_some());
    config_maps(&scene).delete("shared", &DeleteParams::default()).await.unwrap();
    until_published(&scene, "second", PublishKind::ConfigMap, "shared").await;
}

/// The marks say whose the key is, and the KMS says which aliases it has. Nothing else is published.
///
/// Shows S3.
#[tokio::test]
async fn neither_a_forged_status_nor_a_wish_is_published() {
    let scene = Scene::new("publish-forged").await;
    scene.create("bank", json!({ "aliases": ["bank"] })).await;
    scene.until_ready("bank", "True", "Available").await;
    let bank = scene.key("bank").await;

    let mut spec = to("orders-key");
    spec["aliases"] = json!(["bank", "orders"]);
    scene.create("orders", spec).await;
    scene.until_ready("orders", "False", "AliasTaken").await;
    let key = scene.key("orders").await;
    let expected = values(&key, "alias/orders");
    assert_eq!(published(&scene, "orders-key").await.unwrap(), expected, "the alias of another key is not published");

    config_maps(&scene).delete("orders-key", &DeleteParams::default()).await.unwrap();
    scene.patch_status("orders", json!({ "keyArn": bank.arn, "keyId": bank.key_id, "provider": null })).await;
    let object = scene.look("orders").await;
    assert_eq!(find(&object, ConditionType::Ready).map(|ready| &*ready.reason), Some("OwnedByAnother"));
    assert_eq!(published(&scene, "orders-key").await, None, "a key of another is not published");
    scene.patch_status("orders", json!({ "keyArn": key.arn, "keyId": key.key_id })).await;
    scene.look("orders").await;
    assert_eq!(published(&scene, "orders-key").await.unwrap(), expected);
}

#[tokio::test]
async fn an_object_that_only_observes_publishes_the_key_that_it_names() {
    let adoption = json!({ "adoption": { "from": "Rules", "rules": [{ "namespaces": ["*"], "keys": ["*"] }] } });
    let scene = Scene::with("publish-observe", Options::default(), adoption).await;
    let (key, other) = (scene.foreign_key().await, scene.foreign_key().await);
    let mut spec = to("orders-key");
    spec["keyId"] = json!(key);
    spec["managementPolicy"] = json!("Observe");
    scene.create("orders", spec).await;
    until_published(&scene, "orders", PublishKind::ConfigMap, "orders-key").await;
    let found = published(&scene, "orders-key").await.unwrap();
    assert_eq!((found["keyArn"].as_str(), found.get("alias")), (key.as_str(), None));
    assert!(scene.changes(0).is_empty(), "nothing changes at the KMS");

    // A status that names another key is not believed.
    config_maps(&scene).delete("orders-key", &DeleteParams::default()).await.unwrap();
    scene.patch_status("orders", json!({ "keyArn": other, "keyId": null })).await;
    scene.look("orders").await;
    scene.look("orders").await;
    let found = published(&scene, "orders-key").await;
    assert!(found.is_none_or(|found| found["keyArn"] == key), "another key is published");
}

#[tokio::test]
async fn nothing_is_published_in_keywards_own_namespace() {
    let scene = Scene::new("publish-own").await;
    let spec = json!({ "providerRef": { "name": scene.provider }, "publishTo": { "kind": "ConfigMap", "name": "keyward", "keys": { "keyId": "cluster-id" } } });
    let object = json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": { "name": "orders" }, "spec": spec });
    let keys = Api::<ManagedKey>::namespaced(scene.client.clone(), &scene.operator_namespace);
    keys.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    eventually("it is refused", WITHIN, async || {
        let object = keys.get("orders").await.unwrap();
        let ready = find(&object, ConditionType::Ready);
        if ready.is_some_and(|ready| ready.reason == "InvalidSpec" && ready.message.contains("in its own namespace")) {
            Ok(())
        } else {
            Err(describe(&object))
        }
    })
    .await;
    let there = Api::<ConfigMap>::namespaced(scene.client.clone(), &scene.operator_namespace).get_opt("keyward").await.unwrap();
    assert_eq!(there, None);
}

/// Past admission, a name that is none, or two values of one name, is told and removes nothing.
#[tokio::test]
async fn what_admission_should_have_refused_leaves_what_is_published() {
    let scene = Scene::new("publish-invalid").await;
    scene.create("orders", to("orders-key")).await;
    until_published(&scene, "orders", PublishKind::ConfigMap, "orders-key").await;
    let before = published(&scene, "orders-key").await;
    for (publish_to, says) in [
        (json!({ "name": "../secrets/x" }), "spec.publishTo.name is ../secrets/x, which is no name of a ConfigMap"),
        (json!({ "name": "kube-root-ca.crt" }), "names that begin with kube- belong to Kubernetes"),
        (json!({ "name": "orders-key", "keys": { "keyId": "region" } }), "gives two values the name region"),
        (json!({ "keys": { "keyId": "..x" } }), "spec.publishTo.keys.keyId is ..x"),
    ] {
        scene.spec("orders", json!({ "publishTo": publish_to, "description": says })).await;
        let object = scene.until_ready("orders", "False", "InvalidSpec").await;
        assert!(message(&object).contains(says), "{}", message(&object));
        assert_eq!(published(&scene, "orders-key").await, before);
        assert_eq!(scene.key("orders").await.description, says, "the rest is applied");
    }
}

#[tokio::test]
async fn keys_of_the_other_kms_are_published() {
    for (vendor, part) in [(&CIPHER_TRUST, "arn:aws:kms:"), (&HUAWEI, "kms:")] {
        let scene = Scene::alone(vendor, "publish", Options::default(), json!({})).await;
        scene.create("orders", to("orders-key")).await;
        let object = until_published(&scene, "orders", PublishKind::ConfigMap, "orders-key").await;
        let status = object.status.unwrap();
        let found = published(&scene, "orders-key").await.unwrap();
        assert_eq!((Some(&found["keyId"]), Some(&found["keyArn"])), (status.key_id.as_ref(), status.key_arn.as_ref()));
        assert!(found["keyArn"].starts_with(part) && found["alias"].starts_with("alias/keyward/"), "{found:?}");
    }
}

/// The status has no room for one more object, and those that it names were never created.
#[tokio::test]
async fn objects_that_were_never_created_do_not_keep_a_new_one_out() {
    let scene = Scene::new("publish-room").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    let attempts: Vec<_> = (0..8).map(|number| json!({ "kind": "ConfigMap", "name": format!("never-{number}") })).collect();
    scene.patch_status("orders", json!({ "publishAttempts": attempts })).await;
    scene.spec("orders", json!({ "publishTo": { "kind": "ConfigMap", "name": "orders-key" } })).await;
    let object = until_published(&scene, "orders", PublishKind::ConfigMap, "orders-key").await;
    assert_eq!(object.status.unwrap().publish_attempts, []);
}
