//! What cannot be tried where other tests run: another CRD, none, and no API server. One control plane of its own, one chapter after the other.

use std::{collections::BTreeSet, fs::File, os::unix::fs::FileExt, time::Duration};

use keyward::manifests;
use kms_double::{Fault, FaultAction, KeyState, Options};
use kube::ResourceExt;
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
async fn a_kms_behind_its_time_another_crd_none_and_no_api_server() {
    let own = control_plane::own();
    let control_plane = own.get();
    let post = Post::new(control_plane).await;
    let mut operator = post.start_with(&["--consistency", "3s"]);
    a_kms_that_shows_changes_late_is_not_told_twice(control_plane, &post).await;
    nothing_is_concluded_from_what_a_kms_shows_late(control_plane, &post).await;
    an_annotation_permits_no_second_key(control_plane, &post).await;
    drop(operator);
    a_watch_that_is_silent_is_not_waited_for(control_plane, &post).await;
    operator = post.start();
    operator = a_budget_is_counted_over_a_restart(control_plane, &post, operator).await;
    two_controllers_at_once_make_one_key_each(control_plane, &post).await;
    what_is_from_the_future_is_left_alone(control_plane, &post, &operator).await;
    let crowd;
    (crowd, operator) = crowd::gathered(control_plane, &post, operator).await;
    keys_outlive_their_crd(control_plane, &post).await;
    crowd::scattered(&crowd);
    without_an_api_server_nothing_is_changed(control_plane, &post, operator).await;
}

/// The book of deletions is in the provider's status, and not in a process.
async fn a_budget_is_counted_over_a_restart(control_plane: &'static ControlPlane, post: &Post, operator: Operator) -> Operator {
    let budget = json!({ "deletionGuard": { "maxPerHour": 2 } });
    let scene = Scene::on(control_plane, post, "budget", Options::default(), budget).await;
    let names = ["before", "while-away", "over", "over-too"];
    for name in names {
        scene.create(name, json!({ "deletionPolicy": "Delete" })).await;
        scene.until_ready(name, "True", "Available").await;
    }
    scene.delete("before").await;
    scene.until_gone("before").await;
    // Objects that are deleted while no operator runs are counted by the next operator.
    drop(operator);
    for name in &names[1..] {
        scene.delete(name).await;
    }
    let operator = post.start();
    eventually("two are held", WITHIN, async || {
        let objects = scene.keys().list(&kube::api::ListParams::default()).await.unwrap().items;
        let held = objects.iter().filter(|object| message(object).contains("resume-deletions=")).count();
        if held == 2 && objects.len() == 2 { Ok(()) } else { Err(format!("{held} of {}", objects.len())) }
    })
    .await;
    assert_eq!(scene.calls("ScheduleKeyDeletion").len(), 2);
    for object in scene.keys().list(&kube::api::ListParams::default()).await.unwrap().items {
        scene.spec(&object.name_any(), json!({ "deletionPolicy": "Retain" })).await;
        scene.until_gone(&object.name_any()).await;
    }
    operator
}

/// A lease only makes it rare that two act. The second reads nothing of the first's writes in the KMS, and its view of the object may be older than they.
///
/// Shows S2.
async fn two_controllers_at_once_make_one_key_each(control_plane: &'static ControlPlane, post: &Post) {
    const OBJECTS: u64 = 30;
    let scene = Scene::on(control_plane, post, "two", Options::default(), json!({})).await;
    let _second = post.start();
    // Of two who look for a key and find none, one often hears so only when the other has gone on.
    for look in (1..=2 * OBJECTS).step_by(2) {
        scene.double.inject(Fault::on("DescribeKey", FaultAction::LateReply { millis: 500 }).nth(look));
    }
    let names: Vec<_> = (0..OBJECTS).map(|number| format!("key-{number}")).collect();
    for name in &names {
        scene.create(name, json!({})).await;
    }
    for name in &names {
        scene.until_ready(name, "True", "Available").await;
    }
    assert_eq!((scene.calls("CreateKey").len(), scene.double.keys().len()), (names.len(), names.len()));
}

/// Two seconds behind, within the three that the operator was told of.
async fn a_kms_that_shows_changes_late_is_not_told_twice(control_plane: &'static ControlPlane, post: &Post) {
    let late = Options { read_lag: Duration::from_secs(2), ..Options::default() };
    let scene = Scene::on(control_plane, post, "late", late, json!({})).await;
    // A policy with a finalizer, which is one more change of the object itself.
    scene
        .create("orders", json!({ "autoRotation": true, "tags": { "team": "shop" }, "aliases": ["late"], "deletionPolicy": "Disable" }))
        .await;
    scene.until_ready("orders", "True", "Available").await;
    // Each look is asked for while the KMS still shows the state before.
    scene.look_at_all("orders").await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.changes(0), ["CreateKey", "CreateAlias", "EnableKeyRotation", "CreateAlias"]);
    let key = scene.key("orders").await.arn;
    scene.person().enable_key_rotation().key_id(&key).rotation_period_in_days(180).send().await.unwrap();
    let mut before = scene.now();
    for (spec, reason, changes) in [
        (json!({ "description": "late", "enabled": false }), "Disabled", &["TagResource", "DisableKey", "UpdateKeyDescription"][..]),
        (json!({ "enabled": true }), "Available", &["EnableKey", "TagResource"]),
        (json!({ "deletionScheduleDays": 7 }), "DeletionScheduled", &["TagResource", "ScheduleKeyDeletion"]),
        // A period that a person chose comes back with the key, though the KMS goes on showing rotation as off for a while.
        (json!({ "deletionScheduleDays": null }), "Available", &["CancelKeyDeletion", "EnableKey", "TagResource"]),
    ] {
        scene.spec("orders", spec).await;
        scene.until_ready("orders", "True", reason).await;
        scene.look_at_all("orders").await;
        scene.until_ready("orders", "True", reason).await;
        assert_eq!(scene.changes(before), changes, "{reason}");
        before = scene.now();
    }
    let key = scene.key("orders").await;
    assert_eq!((key.state, key.rotation.period_days), (KeyState::Enabled, Some(180)));
    // Events before the key was created do not count: the operator may not have seen the provider yet.
    let events: Vec<_> = scene.events("orders").await.into_iter().skip_while(|event| event != "KeyCreated").collect();
    assert!(
        !events.is_empty() && !events.iter().any(|event| ["DriftDetected", "DeletionHeld", "SyncFailed"].contains(&event.as_str())),
        "{events:?}"
    );
    scene.delete("orders").await;
    scene.until_gone("orders").await;
}

/// A deletion is withdrawn and asked for again at once. What the KMS shows then is from before the cancel, and no schedule that stands.
///
/// Shows S7.
async fn nothing_is_concluded_from_what_a_kms_shows_late(control_plane: &'static ControlPlane, post: &Post) {
    let late = Options { read_lag: Duration::from_secs(2), ..Options::default() };
    let scene = Scene::on(control_plane, post, "again", late, json!({})).await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    scene.look_at_all("orders").await;
    let before = scene.now();
    scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
    // An edit that comes before the word `live` is held: the KMS does not tell whose the cancel was.
    eventually("the key is enabled and marked again", WITHIN, async || {
        let key = scene.key("orders").await;
        let is_live = key.tags.get("keyward-intent").is_some_and(|intent| intent.split('.').next_back() == Some("live"));
        if is_live && key.state == KeyState::Enabled { Ok(()) } else { Err(format!("{:?} {:?}", key.state, key.tags)) }
    })
    .await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    assert_eq!(scene.key("orders").await.state, KeyState::PendingDeletion, "Ready says what the KMS showed before the cancel");
    scene.look_at_all("orders").await;
    let changes = ["CancelKeyDeletion", "EnableKey", "TagResource", "TagResource", "ScheduleKeyDeletion"];
    assert_eq!(scene.changes(before), changes);
    assert!(!scene.events("orders").await.contains(&"DeletionHeld".to_owned()));
}

/// The reply to `CreateKey` is lost, and the object is made again at once. An annotation has the record of a creation of long ago. The
/// annotation only forbids: Keyward still waits for the key that the KMS does not show yet.
async fn an_annotation_permits_no_second_key(control_plane: &'static ControlPlane, post: &Post) {
    let late = Options { read_lag: Duration::from_secs(2), ..Options::default() };
    let scene = Scene::on(control_plane, post, "second", late, json!({})).await;
    // By then the marks of all keys were read.
    scene.create("first", json!({})).await;
    scene.until_ready("first", "True", "Available").await;
    scene.double.inject(Fault::on("CreateKey", FaultAction::LoseReply).times(3));
    let object = scene.create("orders", json!({})).await;
    scene
        .until("orders", "its creation is under way", |object| object.status.as_ref().is_some_and(|status| status.create_attempt.is_some()))
        .await;
    eventually("a key was made", WITHIN, async || if scene.double.keys().len() == 2 { Ok(()) } else { Err("one key") }).await;
    scene.double.clear_faults();
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    let mut again = object;
    let long_ago = "x/111122223333/eu-west-1/2020-01-01T00:00:00Z".to_owned();
    again.metadata.annotations = Some([(keyward::api::annotation::CREATE_ATTEMPT.to_owned(), long_ago)].into());
    scene.restore(&again).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.double.keys().len(), 2, "one for each object");
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
