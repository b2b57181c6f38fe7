//! Publishing on a real API server: the right of its own, a reader that sees no gap, the example that reads it, and Kubernetes' garbage collection.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use futures::TryStreamExt;
use k8s_openapi::{
    ByteString,
    api::core::v1::{ConfigMap, Secret},
};
use keyward::{
    api::{ConditionType, ManagedKey, publish_to::PublishKind},
    manifests::{NAME, rbac},
};
use kms_double::KeyState;
use kube::{
    Api,
    api::{ObjectMeta, PostParams},
    runtime::{WatchStreamExt, watcher},
};
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;

use crate::support::{
    eventually,
    operator::{self, WITHIN},
    scene::{Scene, describe, find, message},
};

/// The object in an example.
fn example(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/aws").join(file);
    serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Gives the operator these verbs on that kind in the namespace of the scene.
pub async fn grant(scene: &Scene, kind: PublishKind, verbs: &[String]) {
    let version = "rbac.authorization.k8s.io/v1";
    let name = format!("publish-{}", kind.plural());
    let metadata = json!({ "name": name, "namespace": scene.namespace });
    let subject = json!({ "kind": "ServiceAccount", "name": NAME, "namespace": scene.operator_namespace });
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": [
        { "apiVersion": version, "kind": "Role", "metadata": metadata, "rules": [{ "apiGroups": [""], "resources": [kind.plural()], "verbs": verbs }] },
        { "apiVersion": version, "kind": "RoleBinding", "metadata": metadata, "subjects": [subject],
          "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name } },
    ] });
    scene.control_plane().kubectl_with(&["apply", "-f", "-"], &list.to_string()).await.expect("rights");
}

/// Asks for looks until the object is as asked: the authorizer learns of rights a moment later.
async fn look_until(scene: &Scene, name: &str, what: &str, ask: impl Fn(&ManagedKey) -> bool) -> ManagedKey {
    eventually(what, WITHIN, async || {
        let object = scene.look(name).await;
        if ask(&object) { Ok(object) } else { Err(describe(&object)) }
    })
    .await
}

fn is_published(object: &ManagedKey) -> bool {
    object.status.as_ref().is_some_and(|status| status.published_to.is_some())
}

/// The contents of an object, one version after the other; `None`: it is not there.
type Versions = Arc<Mutex<Vec<Option<BTreeMap<String, String>>>>>;

/// Every version of a `ConfigMap` that a reader sees; `None`: it is not there.
fn read_along(api: Api<ConfigMap>, name: &str) -> (Versions, AbortOnDropHandle<()>) {
    let seen = Versions::default();
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let reader = {
        let seen = Arc::clone(&seen);
        let versions = watcher::watcher(api, config).default_backoff();
        async move {
            versions
                .try_for_each(|event| {
                    let version = match event {
                        watcher::Event::Apply(object) | watcher::Event::InitApply(object) => Some(object.data.unwrap_or_default()),
                        watcher::Event::Delete(_) => None,
                        watcher::Event::Init | watcher::Event::InitDone => return futures::future::ready(Ok(())),
                    };
                    seen.lock().unwrap().push(version);
                    futures::future::ready(Ok(()))
                })
                .await
                .unwrap();
        }
    };
    (seen, AbortOnDropHandle::new(tokio::spawn(reader)))
}

#[tokio::test]
async fn an_application_reads_its_key_and_sees_no_gap() {
    let scene = Scene::real("publishing").await;
    let mut spec = example("published-key.yaml")["spec"].take();
    spec.as_object_mut().unwrap().remove("providerRef");
    spec["tags"] = json!({ "team": "shop" });
    scene.create("payments", spec).await;

    // Without the right: said with what gives it, and nothing else waits.
    let object = scene.until_ready("payments", "False", "PublishNotPermitted").await;
    for part in ["Keyward has no right to read ConfigMap payments-key", "publish.kinds of the Helm chart", "deploy/publish/configmaps"] {
        assert!(message(&object).contains(part), "{}", message(&object));
    }
    assert!(find(&object, ConditionType::Stalled).is_some() && !is_published(&object));
    assert_eq!(&*scene.key("payments").await.tags["team"], "shop");
    scene.spec("payments", json!({ "enabled": false })).await;
    eventually("the life of the key does not wait", WITHIN, async || match scene.key("payments").await.state {
        KeyState::Disabled => Ok(()),
        state => Err(format!("{state:?}")),
    })
    .await;
    scene.spec("payments", json!({ "enabled": true })).await;

    // With a part of the right.
    grant(&scene, PublishKind::ConfigMap, &["get".into()]).await;
    look_until(&scene, "payments", "it may read", |object| message(object).contains("does not let Keyward create ConfigMap payments-key"))
        .await;

    let right = rbac::publish_right(PublishKind::ConfigMap).rule;
    grant(&scene, PublishKind::ConfigMap, &right.verbs).await;
    look_until(&scene, "payments", "it is published", is_published).await;
    scene.until_ready("payments", "True", "Available").await;
    let api = Api::<ConfigMap>::namespaced(scene.client.clone(), &scene.namespace);
    let arn = scene.key("payments").await.arn;

    // The example reads it.
    let mut deployment = example("deployment.yaml");
    deployment["metadata"]["namespace"] = json!(scene.namespace);
    let apply = ["apply", "--server-side", "--validate=strict", "-f", "-"];
    scene.control_plane().kubectl_with(&apply, &deployment.to_string()).await.expect("the Deployment");
    let data = api.get("payments-key").await.unwrap().data.unwrap();
    let environment = deployment["spec"]["template"]["spec"]["containers"][0]["env"].as_array().unwrap();
    assert_eq!(environment.len(), 3);
    for variable in environment {
        let from = &variable["valueFrom"]["configMapKeyRef"];
        assert!(from["name"] == "payments-key" && data.contains_key(from["key"].as_str().unwrap()), "{variable}: {data:?}");
    }
    assert_eq!((&data["KMS_KEY_ARN"], &*data["KMS_KEY_ALIAS"]), (&arn, "alias/payments"));

    // The object is edited in every way that has to do with it.
    let (seen, _reader) = read_along(api.clone(), "payments-key");
    eventually("the reader", WITHIN, async || if seen.lock().unwrap().is_empty() { Err("saw nothing") } else { Ok(()) }).await;
    for (edit, published) in [
        (json!({ "aliases": ["pay"] }), ("KMS_KEY_ALIAS", "alias/pay")),
        (json!({ "publishTo": { "keys": { "region": "REGION" } } }), ("REGION", "eu-west-1")),
        (
            json!({ "tags": { "team": "bank" }, "description": "pays", "publishTo": { "keys": { "account": "ACCOUNT" } } }),
            ("ACCOUNT", "111122223333"),
        ),
    ] {
        scene.spec("payments", edit).await;
        eventually(published.0, WITHIN, async || {
            let data = api.get("payments-key").await.unwrap().data.unwrap();
            if data.get(published.0).is_some_and(|value| value == published.1) { Ok(()) } else { Err(format!("{data:?}")) }
        })
        .await;
    }
    let versions = seen.lock().unwrap().clone();
    assert!(versions.len() >= 3, "{versions:?}");
    for version in &versions {
        let arn_there = version.as_ref().is_some_and(|data| data.get("KMS_KEY_ARN") == Some(&arn) && data.len() == 5);
        assert!(arn_there, "a gap: {versions:?}");
    }

    // Kubernetes removes it with its object.
    scene.delete("payments").await;
    eventually("it goes with its object", WITHIN, async || match api.get_opt("payments-key").await.unwrap() {
        None => Ok(()),
        Some(object) => Err(format!("{:?}", object.metadata.owner_references)),
    })
    .await;
    assert_eq!(scene.double.key(&arn).unwrap().state, KeyState::Enabled, "the key stays");
}

/// The right goes first, then the field. What was published stays until the right is back, and that is said.
#[tokio::test]
async fn without_the_right_what_was_published_is_not_removed_and_that_is_said() {
    let scene = Scene::real("withdrawn").await;
    let right = rbac::publish_right(PublishKind::ConfigMap).rule;
    grant(&scene, PublishKind::ConfigMap, &right.verbs).await;
    scene.create("orders", json!({ "publishTo": { "kind": "ConfigMap", "name": "orders-key" } })).await;
    look_until(&scene, "orders", "it is published", is_published).await;
    scene.control_plane().kubectl(&["delete", "rolebinding", "publish-configmaps", "-n", &scene.namespace]).await.expect("no right");
    scene.spec("orders", json!({ "publishTo": { "keys": { "keyId": "ID" } } })).await;
    let says = |object: &ManagedKey, parts: [&str; 2]| parts.iter().all(|part| message(object).contains(part));
    look_until(&scene, "orders", "not done", |object| {
        says(object, ["no right to read ConfigMap orders-key in namespace ", "so spec.publishTo is not done; "])
    })
    .await;
    scene.spec("orders", json!({ "publishTo": null })).await;
    look_until(&scene, "orders", "not removed", |object| {
        says(object, ["no right to read and remove ConfigMap orders-key in namespace ", "so it is not removed; "])
    })
    .await;
    let api = Api::<ConfigMap>::namespaced(scene.client.clone(), &scene.namespace);
    assert!(api.get_opt("orders-key").await.unwrap().is_some());
    grant(&scene, PublishKind::ConfigMap, &right.verbs).await;
    look_until(&scene, "orders", "it is removed", |object| !is_published(object)).await;
    assert!(api.get_opt("orders-key").await.unwrap().is_none());
}

/// A Secret of somebody else: it is not overwritten, and nothing of it gets into the log.
#[tokio::test]
async fn a_secret_of_somebody_else_is_left_and_never_logged() {
    let scene = Scene::real("publishing-secret").await;
    grant(&scene, PublishKind::Secret, &rbac::publish_right(PublishKind::Secret).rule.verbs).await;
    let password = uuid::Uuid::new_v4().to_string();
    let data = BTreeMap::from([("password".to_owned(), ByteString(password.clone().into_bytes()))]);
    let metadata = ObjectMeta { name: Some("database".into()), ..ObjectMeta::default() };
    let api = Api::<Secret>::namespaced(scene.client.clone(), &scene.namespace);
    let before = api.create(&PostParams::default(), &Secret { metadata, data: Some(data), ..Secret::default() }).await.unwrap();
    scene.create("orders", json!({ "publishTo": { "kind": "Secret", "name": "database", "keys": { "keyArn": "password" } } })).await;
    look_until(&scene, "orders", "it is taken", |object| message(object).contains("Secret database was not created for this object")).await;
    assert_eq!(api.get("database").await.unwrap(), before);

    scene.spec("orders", json!({ "publishTo": { "name": "orders-key" } })).await;
    scene.until("orders", "it is published", is_published).await;
    let stored = api.get("orders-key").await.unwrap();
    let arn = scene.key("orders").await.arn;
    assert_eq!((stored.data.unwrap()["password"].0.as_slice(), stored.type_.as_deref()), (arn.as_bytes(), Some("Opaque")));
    // One that nobody may change is told, and not made again under its readers.
    let frozen = json!({ "immutable": true }).to_string();
    scene
        .control_plane()
        .kubectl(&["patch", "secret", "orders-key", "-n", &scene.namespace, "--type=merge", "-p", &frozen])
        .await
        .expect("patch");
    scene.spec("orders", json!({ "publishTo": { "keys": { "keyId": "ID" } } })).await;
    let object = scene.until_ready("orders", "False", "PublishNotPermitted").await;
    assert!(message(&object).contains("does not let Keyward change Secret orders-key"), "{}", message(&object));

    let log = std::fs::read_to_string(&operator::shared().log).unwrap();
    assert!(log.contains(&scene.namespace) && !log.contains(&password) && !log.contains(&BASE64_STANDARD.encode(&password)));
}
