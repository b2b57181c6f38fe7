//! What cannot be tried where other tests run: another CRD, none, and no API server. One control plane of its own, one chapter after the other.

use std::{collections::BTreeSet, fs::File, os::unix::fs::FileExt, time::Duration};

use keyward::manifests;
use kms_double::{KeyState, Options};
use serde_json::{Value, json};

use super::{crowd, refusal};
use crate::support::{
    control_plane::{self, ControlPlane},
    eventually,
    operator::{Operator, Post, WITHIN},
    program,
    scene::{Scene, message},
};

/// After SIGTERM, with room for a busy machine; below the 30 s after which a kubelet kills.
const BOUND: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn silent_watches_another_crd_none_and_no_api_server() {
    let own = control_plane::own();
    let control_plane = own.get();
    let post = Post::new(control_plane).await;
    a_watch_that_is_silent_is_not_waited_for(control_plane, &post).await;
    let operator = post.start();
    what_is_from_the_future_is_left_alone(control_plane, &post, &operator).await;
    let (crowd, operator) = crowd::gathered(control_plane, &post, operator).await;
    keys_outlive_their_crd(control_plane, &post).await;
    crowd::scattered(&crowd);
    without_an_api_server_nothing_is_changed(control_plane, &post, operator).await;
}

/// Something between swallows what the watches bring, and answers all the rest. A pending key is not left to its end because of that.
///
/// Shows L2.
async fn a_watch_that_is_silent_is_not_waited_for(control_plane: &'static ControlPlane, post: &Post) {
    let (post, gate) = post.behind_gate(control_plane).await;
    let _operator = post.start();
    let scene = Scene::on(control_plane, &post, "silent", Options::default(), json!({})).await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    scene.look_at_all("orders").await;
    // Changes that the other watches would bring: a provider, the namespaces that it admits, and its credentials.
    let named = |name: &str| format!("{}-{name}", scene.provider);
    let selector = json!({ "from": "Selector", "selector": { "matchLabels": { "keys": "yes" } } });
    scene.provide(&named("labels"), json!({ "namespaces": selector, "resyncSeconds": 3600 })).await;
    scene.provide(&named("names"), json!({ "namespaces": { "from": "Names", "names": ["elsewhere"] }, "resyncSeconds": 3600 })).await;
    let secret = json!({ "credentialsSecretRef": { "name": named("secret") } });
    scene.provide(&named("secret"), json!({ "aws": secret, "resyncSeconds": 3600 })).await;
    let others = ["labels", "names", "secret", "provider"];
    for (name, reason) in others.iter().zip(["NamespaceNotAllowed", "NamespaceNotAllowed", "ProviderNotReady", "ProviderNotFound"]) {
        scene.create(name, json!({ "providerRef": { "name": named(name) } })).await;
        scene.until_ready(name, "False", reason).await;
    }
    let before = scene.now();
    gate.silence();
    scene.create("unseen", json!({})).await;
    control_plane.kubectl(&["label", "namespace", &scene.namespace, "keys=yes"]).await.expect("kubectl label");
    scene.provide(&named("names"), json!({ "namespaces": { "from": "All", "names": null } })).await;
    scene.secret(&named("secret"), kms_double::ACCESS_KEY, kms_double::SECRET_KEY).await;
    scene.provide(&named("provider"), json!({})).await;
    scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
    // Within a resync of half a minute.
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;
    let changes = scene.operator_calls().into_iter().filter(|call| call.seq > before && call.changed && call.key.as_ref() == Some(&key));
    let changes: Vec<_> = changes.map(|call| call.operation).collect();
    assert!(changes.starts_with(&["CancelKeyDeletion", "EnableKey", "TagResource"].map(str::to_owned)), "{changes:?}");
    // It is known by then, or soon, that no watch is to be waited for.
    for name in others.into_iter().chain(["unseen"]) {
        scene.until_ready(name, "True", "Available").await;
    }
}

/// The CRD, with `managementPolicy` open to every word.
fn laxer_crd() -> String {
    let crd = manifests::crds().into_iter().find(|crd| crd.spec.names.kind == "ManagedKey").unwrap();
    let mut crd = serde_json::to_value(crd).unwrap();
    let policy = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/managementPolicy";
    crd.pointer_mut(policy).unwrap().as_object_mut().unwrap().remove("enum").expect("the policies are an enum");
    crd.to_string()
}

/// An operator that is older than the CRD meets a word that it does not know, on an object that has a key and on one that has none.
async fn what_is_from_the_future_is_left_alone(control_plane: &'static ControlPlane, post: &Post, operator: &Operator) {
    let scene = Scene::on(control_plane, post, "future", Options::default(), json!({})).await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;
    let before = scene.now();
    control_plane.kubectl_with(&["apply", "--server-side", "--force-conflicts", "-f", "-"], &laxer_crd()).await.expect("the laxer CRD");
    let future = json!({ "spec": { "managementPolicy": "FromTheFuture", "deletionScheduleDays": 7 } });
    let patch = ["patch", "managedkey", "orders", "-n", &scene.namespace, "--type=merge", "-p", &future.to_string()];
    // The API server takes the new schema a moment after it took the CRD.
    eventually("the word is taken", WITHIN, async || {
        let output = control_plane.kubectl(&patch).await;
        if output.success { Ok(()) } else { Err(output.stderr) }
    })
    .await;
    let new = json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": { "name": "new", "namespace": scene.namespace },
        "spec": { "providerRef": { "name": scene.provider }, "managementPolicy": "FromTheFuture" } });
    control_plane.kubectl_with(&["apply", "-f", "-"], &new.to_string()).await.expect("an object from the future");
    eventually("both are left alone", WITHIN, async || {
        let log = std::fs::read_to_string(&operator.log).unwrap();
        let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let says = |line: &Value| line["message"].as_str().is_some_and(|message| message.contains("does not understand the object"));
        let left = |name: &str| lines.iter().any(|line| says(line) && line["name"] == name && line["namespace"] == *scene.namespace);
        if ["orders", "new"].into_iter().all(left) { Ok(()) } else { Err(operator.tail()) }
    })
    .await;
    // The others go on.
    scene.create("other", json!({})).await;
    scene.until_ready("other", "True", "Available").await;
    assert_eq!(scene.changes(before), ["CreateKey", "CreateAlias"], "those of the other one");
    assert_eq!(scene.double.key(&key).unwrap().state, KeyState::Enabled);
    // After its fields are valid again, this object goes on too. The deletion that it asked for meanwhile no longer counts.
    let known = json!({ "spec": { "managementPolicy": "Enforce", "deletionScheduleDays": null } }).to_string();
    control_plane.kubectl(&["patch", "managedkey", "orders", "-n", &scene.namespace, "--type=merge", "-p", &known]).await.expect("patch");
    scene.until_ready("orders", "True", "Available").await;
    control_plane.kubectl(&["delete", "managedkeys", "--all", "-n", &scene.namespace]).await.expect("delete");
    assert_eq!(scene.double.key(&key).unwrap().state, KeyState::Enabled);
}

/// `kubectl delete crd` deletes the objects too, straight from the storage and past admission. Nobody asked to lose their keys.
///
/// Shows S1.
async fn keys_outlive_their_crd(control_plane: &'static ControlPlane, post: &Post) {
    let scene = Scene::on(control_plane, post, "crd", Options::default(), json!({})).await;
    for (name, spec) in [
        ("deleted", json!({ "deletionPolicy": "Delete" })),
        ("disabled", json!({ "deletionPolicy": "Disable" })),
        ("paused", json!({ "deletionPolicy": "Delete" })),
    ] {
        scene.create(name, spec).await;
        let object = scene.until_ready(name, "True", "Available").await;
        assert!(object.metadata.finalizers.is_some_and(|finalizers| !finalizers.is_empty()), "{name}");
    }
    scene.patch("paused", json!({ "metadata": { "annotations": { "keyward.dev/paused": "true" } } })).await;
    let before = scene.now();
    control_plane
        .kubectl(&["delete", "crd", "managedkeys.keyward.dev", "--timeout=300s"])
        .await
        .expect("the CRD goes, and its objects with it");
    assert_eq!(scene.changes(before), [""; 0]);
    assert!(scene.double.keys().len() == 3 && scene.double.keys().iter().all(|key| key.state == KeyState::Enabled));
    control_plane.kubectl_with(&["apply", "--server-side", "-f", "-"], &manifests::crds_yaml().unwrap()).await.expect("the CRDs");
    control_plane.kubectl(&["wait", "--for=condition=Established", "crd/managedkeys.keyward.dev", "--timeout=60s"]).await.expect("served");
    // The operator finds its way back to the new CRD by itself, and the objects to their keys.
    eventually("the kind is served", WITHIN, async || scene.keys().list(&kube::api::ListParams::default()).await.map(drop)).await;
    scene.create("deleted", json!({})).await;
    scene.until_ready("deleted", "True", "Available").await;
    assert_eq!(scene.calls("CreateKey").len(), 3);
    scene.delete("deleted").await;
    scene.until_gone("deleted").await;
}

/// The API server is killed. What the object says now cannot be read, so that nothing is done about what the KMS says.
async fn without_an_api_server_nothing_is_changed(control_plane: &'static ControlPlane, post: &Post, mut operator: Operator) {
    let scene = Scene::on(control_plane, post, "headless", Options::default(), json!({})).await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.create("scheduled", json!({})).await;
    scene.until_ready("scheduled", "True", "Available").await;
    let key = scene.key("orders").await.arn;
    // Both are due for another try within seconds.
    scene.double.inject(refusal("DescribeKey", "KMSInternalException", 500));
    scene.spec("scheduled", json!({ "deletionScheduleDays": 7 })).await;
    scene.spec("orders", json!({ "description": "second" })).await;
    for name in ["orders", "scheduled"] {
        let object = scene.until_ready(name, "False", "ProviderUnavailable").await;
        assert!(message(&object).contains("KMSInternalException"), "{}", message(&object));
    }
    // The control plane deletes its folder when one of its servers ends. A file that is already open stays readable.
    let log = std::fs::File::open(&operator.log).unwrap();
    program::signal(control_plane.pids.apiserver, "KILL");
    scene.person().disable_key().key_id(&key).send().await.unwrap();
    let before = scene.now();
    scene.double.clear_faults();
    eventually("both keys are looked at, and nothing comes of it", WITHIN, async || {
        let reads = scene.calls("DescribeKey").into_iter().filter(|call| call.seq > before && call.succeeded());
        let keys: BTreeSet<_> = reads.filter_map(|call| call.key).collect();
        let ended = logged(&log).matches("a round did not end").count();
        if keys.len() == 2 && ended >= 2 { Ok(()) } else { Err(format!("{keys:?}\n{}", logged(&log))) }
    })
    .await;
    assert!(operator.is_running());
    program::signal(operator.id(), "TERM");
    eventually("the operator ends", BOUND, async || if operator.is_running() { Err(logged(&log)) } else { Ok(()) }).await;
    assert_eq!(scene.changes(before), [""; 0]);
    assert_eq!(scene.double.key(&key).unwrap().state, KeyState::Disabled);
}

/// The last of what is in a log.
fn logged(log: &File) -> String {
    const LAST: usize = 16 * 1024;
    let mut bytes = vec![0; LAST];
    let read = log.read_at(&mut bytes, log.metadata().unwrap().len().saturating_sub(LAST as u64)).unwrap();
    String::from_utf8_lossy(&bytes[..read]).into_owned()
}
