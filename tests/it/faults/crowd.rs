//! A crowd of objects is deleted at once, on every way there is on a real cluster. Ten keys go on their way to deletion, and a person is asked about the rest.
//! On each way there are more than the budget has room for. How it is with three hundred is in `reconcile::crowd`.
//!
//! A chapter of the test in [`alone`](super::alone), which ends with the deletion of the CRD.
//!
//! Shows S1.

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use keyward::api::{ConditionType, KeyProvider, ManagedKey};
use kms_double::{KeyState, Options};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::support::{
    control_plane::ControlPlane,
    eventually, nowhere,
    operator::{Operator, Post, WITHIN},
    scene::{Scene, describe, find},
};

/// How many objects are deleted on each way, and how many of these say Retain.
const EACH: usize = 14;
const RETAINED: usize = 3;
/// What `maxPerHour` is by default.
const BUDGET: usize = 10;

/// The ways: each has a namespace of its own.
const WAYS: [&str; 6] = ["all", "prune", "owner", "absence", "namespace", "crd"];

/// The crowd after five of the ways. Its CRD is to be deleted next.
pub struct Crowd {
    scene: Scene,
    namespaces: Vec<String>,
}

fn keys(scene: &Scene, namespace: &str) -> Api<ManagedKey> {
    Api::namespaced(scene.client.clone(), namespace)
}

/// The manifest of one object. A prune needs the label.
fn manifest(scene: &Scene, namespace: &str, number: usize, owner: Option<&ConfigMap>) -> Value {
    let policy = if number < RETAINED { "Retain" } else { "Delete" };
    let owners = owner.map(|owner| json!([{ "apiVersion": "v1", "kind": "ConfigMap", "name": owner.name_any(), "uid": owner.uid() }]));
    json!({
        "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey",
        "metadata": { "name": format!("key-{number}"), "namespace": namespace, "labels": { "app": "crowd" }, "ownerReferences": owners },
        "spec": { "providerRef": { "name": scene.provider }, "deletionPolicy": policy },
    })
}

/// Makes the objects, and deletes them on all ways but the last.
pub async fn gathered(control_plane: &'static ControlPlane, post: &Post, operator: Operator) -> (Crowd, Operator) {
    let scene = Scene::on(control_plane, post, "crowd", Options::default(), json!({ "resyncSeconds": 86_400 })).await;
    let mut namespaces = Vec::new();
    for way in WAYS {
        namespaces.push(scene.another_namespace(&format!("crowd-{way}")).await);
    }
    let [all, prune, owner, absence, namespace, _] = &namespaces[..] else { panic!("a way without a namespace") };
    let owners = Api::<ConfigMap>::namespaced(scene.client.clone(), owner);
    let one: ConfigMap = serde_json::from_value(json!({ "metadata": { "name": "owner" } })).unwrap();
    let one = owners.create(&PostParams::default(), &one).await.unwrap();
    // What `kubectl apply` prunes is what it made.
    let made: Vec<_> = (0..EACH).map(|number| manifest(&scene, prune, number, None)).collect();
    let made = json!({ "apiVersion": "v1", "kind": "List", "items": made }).to_string();
    control_plane.kubectl_with(&["apply", "-n", prune, "-f", "-"], &made).await.expect("kubectl apply");
    let manifests = namespaces.iter().filter(|within| *within != prune).flat_map(|within| {
        let owner = (within == owner).then_some(&one);
        (0..EACH).map(|number| manifest(&scene, within, number, owner)).collect::<Vec<_>>()
    });
    let applied = stream::iter(manifests).for_each_concurrent(16, async |manifest| {
        let api = keys(&scene, manifest["metadata"]["namespace"].as_str().unwrap());
        let name = manifest["metadata"]["name"].as_str().unwrap().to_owned();
        api.patch(&name, &PatchParams::apply("kubectl"), &Patch::Apply(manifest)).await.unwrap();
    });
    applied.await;
    // One after the other: a list of all takes long to read, again and again.
    for within in &namespaces {
        for number in 0..EACH {
            let name = format!("key-{number}");
            eventually(&format!("{within}/{name} is Ready"), WITHIN, async || {
                let object = keys(&scene, within).get(&name).await.unwrap();
                if find(&object, ConditionType::Ready).is_some_and(|ready| ready.status == "True") {
                    Ok(())
                } else {
                    Err(describe(&object))
                }
            })
            .await;
        }
    }

    // All of it happens while no operator runs to see it come.
    drop(operator);
    let kubectl = async |arguments: &[&str]| control_plane.kubectl(arguments).await.expect(arguments[0]);
    kubectl(&["delete", "managedkeys", "--all", "-n", all, "--wait=false"]).await;
    // What Git does not have any more. Of what it has, one is left.
    let left = manifest(&scene, prune, 0, None).to_string();
    let pruning =
        ["apply", "-n", prune.as_str(), "-f", "-", "--prune", "-l", "app=crowd", "--prune-allowlist=keyward.dev/v1alpha1/ManagedKey"];
    control_plane.kubectl_with(&pruning, &left).await.expect("kubectl apply --prune");
    owners.delete("owner", &DeleteParams::default()).await.unwrap();
    keys(&scene, absence).delete_collection(&DeleteParams::default(), &ListParams::default()).await.unwrap();
    Api::<Namespace>::all(scene.client.clone()).delete(namespace, &DeleteParams::default()).await.unwrap();
    let asked = 4 * (EACH - RETAINED);
    until(&scene, &namespaces[..4], "all are to go", |objects| {
        let going = objects.iter().filter(|object| object.metadata.deletion_timestamp.is_some()).count();
        going == asked && objects.len() == asked + 1
    })
    .await;

    let (socket, address) = nowhere();
    drop(socket);
    let operator = post.start_with(&["--listen", &address.to_string()]);
    let waiting = asked - BUDGET;
    eventually("the provider says how many wait", WITHIN, async || {
        let provider = Api::<KeyProvider>::all(scene.client.clone()).get(&scene.provider).await.unwrap();
        let book = provider.status.and_then(|status| status.deletions).unwrap_or_default();
        let (waits, is_stopped) = (book.waiting.unwrap_or_default(), book.tripped.is_some());
        if is_stopped && usize::try_from(waits).ok() == Some(waiting) { Ok(()) } else { Err(format!("{waits}, {is_stopped}")) }
    })
    .await;
    let namespaces_left = Api::<Namespace>::all(scene.client.clone());
    eventually("the namespace goes", WITHIN, async || match namespaces_left.get_opt(namespace).await.unwrap() {
        None => Ok(()),
        Some(left) => Err(format!("{:?}", left.status)),
    })
    .await;
    ten_are_pending(&scene);
    let held = [
        format!("keyward_provider_deletions_held{{provider=\"{}\"}} {waiting}", scene.provider),
        format!(
            "keyward_managedkey_deletion_held{{namespace=\"{all}\",name=\"key-{}\",reason=\"BudgetExhausted\"}} 1",
            held_in(&scene, all).await
        ),
    ];
    eventually("the metrics say how many are held", WITHIN, async || {
        let text = reqwest::get(format!("http://{address}/metrics")).await.map_err(|error| error.to_string())?.text().await.unwrap();
        let series = text.lines().filter(|line| line.starts_with("keyward_managedkey_deletion_held{")).count();
        let said = held.iter().all(|held| text.lines().any(|line| line == held));
        if said && series == waiting { Ok(()) } else { Err(format!("{series} of {waiting}")) }
    })
    .await;
    (Crowd { scene, namespaces }, operator)
}

/// The number of an object there that is held.
async fn held_in(scene: &Scene, namespace: &str) -> String {
    let first = keys(scene, namespace).list(&ListParams::default()).await.unwrap().items.remove(0);
    first.name_any().replace("key-", "")
}

/// The CRD was deleted, and all objects with it, those that were held as well.
pub fn scattered(crowd: &Crowd) {
    assert_eq!(crowd.namespaces.len(), WAYS.len());
    ten_are_pending(&crowd.scene);
}

fn ten_are_pending(scene: &Scene) {
    let keys = scene.double.keys();
    let pending = keys.iter().filter(|key| key.state == KeyState::PendingDeletion).count();
    let alive = keys.iter().filter(|key| key.state == KeyState::Enabled).count();
    assert_eq!((keys.len(), pending, alive), (WAYS.len() * EACH, BUDGET, WAYS.len() * EACH - BUDGET));
    assert_eq!((scene.calls("ScheduleKeyDeletion").len(), scene.calls("DisableKey").len()), (BUDGET, 0));
}

/// Waits until the objects of these namespaces are as asked.
async fn until(scene: &Scene, namespaces: &[String], what: &str, ask: impl Fn(&[ManagedKey]) -> bool) {
    eventually(what, WITHIN, async || {
        let mut objects = Vec::new();
        for namespace in namespaces {
            objects.extend(keys(scene, namespace).list(&ListParams::default()).await.unwrap().items);
        }
        if ask(&objects) { Ok(()) } else { Err(format!("{} objects", objects.len())) }
    })
    .await;
}
