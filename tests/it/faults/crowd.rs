//! A crowd of objects is deleted at once, on every way there is on a real cluster. Ten keys go on their way to deletion, and a person is asked about the rest.
//! On each way there are more than the budget has room for, and each has a provider of its own, so that what comes of it is told way by way.
//!
//! Two objects and their keys are made by the operator. The others are copies of these, written into the storage and into the KMS while no operator runs, with
//! UIDs, keys and marks of their own. What deletes them is real, and so is the operator that comes back. `make crowd` runs this with three hundred objects on
//! each way; how it is with three hundred in memory, all made by the operator, is in `reconcile::crowd`.
//!
//! A chapter of the test in [`alone`](super::alone), which ends with the deletion of the CRD.
//!
//! Shows S1.

use std::{collections::BTreeSet, time::Duration};

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use keyward::api::{FINALIZER, KeyProvider, ManagedKey, annotation, mark};
use kms_double::{ACCOUNT, KeyState, KeyView, Options, Plant};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, PostParams},
};
use serde_json::{Value, json};

use crate::support::{
    control_plane::ControlPlane,
    eventually, nowhere,
    operator::{CLUSTER, Operator, Post, WITHIN},
    scene::{REGION, Scene},
    storage::{Place, Storage},
};

/// How many objects are deleted on each way, if `CROWD` does not say it.
const EACH: usize = 50;
/// What `maxPerHour` is by default.
const BUDGET: usize = 10;

/// The ways: each has a namespace of its own, and a provider of the same name.
pub const WAYS: [&str; 6] = ["all", "prune", "owner", "absence", "namespace", "crd"];

/// The crowd after five of the ways. Its CRD is to be deleted next.
pub struct Crowd {
    scene: Scene,
    namespaces: Vec<String>,
    each: usize,
}

/// How many objects are deleted on each way.
fn each() -> usize {
    std::env::var("CROWD").map_or(EACH, |text| text.parse().expect("CROWD is a number"))
}

/// How many of these say Retain.
pub const fn retained(each: usize) -> usize {
    each / 5
}

fn keys(scene: &Scene, namespace: &str) -> Api<ManagedKey> {
    Api::namespaced(scene.client.clone(), namespace)
}

/// An object that the operator made a key for, and that key.
pub struct Made {
    object: Value,
    key: KeyView,
}

pub async fn made(scene: &Scene, policy: &str) -> Made {
    let name = format!("made-{}", policy.to_lowercase());
    scene.create(&name, json!({ "deletionPolicy": policy })).await;
    let object = scene.until_ready(&name, "True", "Available").await;
    // A look that knows everything: what is copied needs no second one.
    scene.look_at_all(&name).await;
    let key = scene.key(&name).await;
    assert_eq!(object.metadata.finalizers.is_some_and(|all| all == [FINALIZER]), policy == "Delete");
    Made { object: serde_json::to_value(scene.keys().get(&name).await.unwrap()).unwrap(), key }
}

impl Made {
    /// The same object with another name, at the provider of its namespace, with a key of its own that the KMS has from here on. A prune needs the label and
    /// the annotation.
    pub fn copy(&self, scene: &Scene, namespace: &str, number: usize, owner: Option<&ConfigMap>) -> (Place, Value) {
        let (name, uid) = (format!("key-{number}"), uuid::Uuid::new_v4().to_string());
        let alias = format!("alias/keyward/{CLUSTER}/{namespace}/{name}");
        let planted = scene.double.plant(&Plant { alias: Some(alias), ..Plant::new(ACCOUNT, REGION) }).unwrap();
        for (tag, value) in &self.key.tags {
            let value = match tag.as_str() {
                mark::OWNER => format!("{namespace}.{name}"),
                mark::UID => uid.clone(),
                _ => value.clone(),
            };
            scene.double.set_tag(&planted.arn(), tag, Some(&value)).unwrap();
        }
        let mut object: Value = serde_json::from_str(&self.object.to_string().replace(&self.key.key_id, &planted.id)).unwrap();
        object["spec"]["providerRef"]["name"] = json!(namespace);
        let metadata = object["metadata"].as_object_mut().unwrap();
        metadata.remove("resourceVersion");
        metadata.insert("labels".into(), json!({ "app": "crowd" }));
        if let Some(owner) = owner {
            let reference = json!({ "apiVersion": "v1", "kind": "ConfigMap", "name": owner.name_any(), "uid": owner.uid() });
            metadata.insert("ownerReferences".into(), json!([reference]));
        }
        let annotations = metadata.entry("annotations").or_insert(json!({}));
        annotations[annotation::KEY] = json!(format!("{namespace}/{name}/{}", planted.arn()));
        annotations["kubectl.kubernetes.io/last-applied-configuration"] = json!("{}");
        (metadata["name"], metadata["namespace"], metadata["uid"]) = (json!(name), json!(namespace), json!(uid));
        (Place::of_key(namespace, &name), object)
    }
}

/// Makes the objects, and deletes them on all ways but the last.
pub async fn gathered(control_plane: &'static ControlPlane, post: &Post, operator: Operator) -> (Crowd, Operator) {
    let (each, storage) = (each(), Storage::of(control_plane));
    let within = WITHIN.max(Duration::from_secs(3 * each as u64));
    let scene = Scene::on(control_plane, post, "crowd", Options::default(), json!({ "resyncSeconds": 86_400 })).await;
    let mut namespaces = Vec::new();
    for way in WAYS {
        namespaces.push(scene.another_namespace(&format!("crowd-{way}")).await);
        scene.provide(namespaces.last().unwrap(), json!({ "resyncSeconds": 86_400 })).await;
    }
    let [all, prune, owner, absence, namespace, _] = &namespaces[..] else { panic!("a way without a namespace") };
    let owners = Api::<ConfigMap>::namespaced(scene.client.clone(), owner);
    let one: ConfigMap = serde_json::from_value(json!({ "metadata": { "name": "owner" } })).unwrap();
    let one = owners.create(&PostParams::default(), &one).await.unwrap();
    let (retain, delete) = (made(&scene, "Retain").await, made(&scene, "Delete").await);

    // All of it happens while no operator runs to see it come.
    drop(operator);
    let copies = namespaces.iter().flat_map(|within| {
        let owner = (within == owner).then_some(&one);
        let (scene, retain, delete) = (&scene, &retain, &delete);
        (0..each).map(move |number| {
            let made = if number < retained(each) { retain } else { delete };
            made.copy(scene, within, number, owner)
        })
    });
    for copy in copies {
        storage.put(&copy).await;
    }
    let kubectl = async |arguments: &[&str]| control_plane.kubectl(arguments).await.expect(arguments[0]);
    kubectl(&["delete", "managedkeys", "--all", "-n", all, "--wait=false"]).await;
    // What Git does not have any more. Of what it has, one is left.
    let left = json!({
        "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey",
        "metadata": { "name": "key-0", "namespace": prune, "labels": { "app": "crowd" } },
        "spec": { "providerRef": { "name": prune }, "deletionPolicy": "Retain" },
    });
    let left = left.to_string();
    let pruning =
        ["apply", "-n", prune.as_str(), "-f", "-", "--prune", "-l", "app=crowd", "--prune-allowlist=keyward.dev/v1alpha1/ManagedKey"];
    control_plane.kubectl_with(&pruning, &left).await.expect("kubectl apply --prune");
    owners.delete("owner", &DeleteParams::default()).await.unwrap();
    keys(&scene, absence).delete_collection(&DeleteParams::default(), &ListParams::default()).await.unwrap();
    Api::<Namespace>::all(scene.client.clone()).delete(namespace, &DeleteParams::default()).await.unwrap();
    // One way after the other: a list of all takes long to read, again and again.
    for way in &namespaces[..4] {
        let going = each - retained(each);
        let there = going + usize::from(way == prune);
        eventually("all are to go", within, async || {
            let objects = keys(&scene, way).list_metadata(&ListParams::default()).await.unwrap().items;
            let deleted = objects.iter().filter(|object| object.metadata.deletion_timestamp.is_some()).count();
            if (deleted, objects.len()) == (going, there) { Ok(()) } else { Err(format!("{way}: {deleted} of {}", objects.len())) }
        })
        .await;
    }

    let (socket, address) = nowhere();
    drop(socket);
    let operator = post.start_with(&["--listen", &address.to_string()]);
    let waiting = each - retained(each) - BUDGET;
    let books = Api::<KeyProvider>::all(scene.client.clone());
    for way in &namespaces[..4] {
        eventually("the provider says how many wait", within, async || {
            let book = books.get(way).await.unwrap().status.and_then(|status| status.deletions).unwrap_or_default();
            let (waits, is_stopped) = (book.waiting.unwrap_or_default(), book.tripped.is_some());
            let is_told = is_stopped && usize::try_from(waits).ok() == Some(waiting) && book.recent.len() == BUDGET;
            if is_told { Ok(()) } else { Err(format!("{way}: {waits}, {is_stopped}, {}", book.recent.len())) }
        })
        .await;
    }
    let namespaces_left = Api::<Namespace>::all(scene.client.clone());
    eventually("the namespace goes", within, async || match namespaces_left.get_opt(namespace).await.unwrap() {
        None => Ok(()),
        Some(left) => Err(format!("{:?}", left.status)),
    })
    .await;
    // A namespace that goes asks for no deletion, so its provider has none in its book.
    let book = books.get(namespace).await.unwrap().status.and_then(|status| status.deletions);
    assert_eq!(book, None);
    each_way_has_its_ten(&scene, &namespaces, each);
    let mut held = Vec::new();
    for way in &namespaces[..4] {
        let number = held_in(&scene, way).await;
        held.extend([
            format!("keyward_provider_deletions_held{{provider=\"{way}\"}} {waiting}"),
            format!("keyward_managedkey_deletion_held{{namespace=\"{way}\",name=\"key-{number}\",reason=\"BudgetExhausted\"}} 1"),
        ]);
    }
    eventually("the metrics say how many are held", WITHIN, async || {
        let text = reqwest::get(format!("http://{address}/metrics")).await.map_err(|error| error.to_string())?.text().await.unwrap();
        let series = text.lines().filter(|line| line.starts_with("keyward_managedkey_deletion_held{")).count();
        let said = held.iter().all(|held| text.lines().any(|line| line == held));
        if said && series == 4 * waiting { Ok(()) } else { Err(format!("{series} of {}", 4 * waiting)) }
    })
    .await;
    (Crowd { scene, namespaces, each }, operator)
}

/// The number of an object there that is held.
async fn held_in(scene: &Scene, namespace: &str) -> String {
    let objects = keys(scene, namespace).list_metadata(&ListParams::default()).await.unwrap().items;
    let held = objects.iter().find(|object| object.metadata.deletion_timestamp.is_some()).expect("one that waits");
    held.name_any().replace("key-", "")
}

/// The CRD was deleted, and all objects with it, those that were held as well.
pub fn scattered(crowd: &Crowd) {
    assert_eq!(crowd.namespaces.len(), WAYS.len());
    each_way_has_its_ten(&crowd.scene, &crowd.namespaces, crowd.each);
}

/// On the first four ways ten keys are pending deletion. All others are as they were: those of objects that say Retain, those that are held, and all keys of the
/// namespace and of the CRD.
pub fn each_way_has_its_ten(scene: &Scene, namespaces: &[String], each: usize) {
    let keys = scene.double.keys();
    // And the two that were copied.
    assert_eq!(keys.len(), WAYS.len() * each + 2);
    for (way, namespace) in WAYS.iter().zip(namespaces) {
        let number = |key: &KeyView| key.tags[mark::OWNER].strip_prefix(&format!("{namespace}.key-")).map(|number| number.parse().unwrap());
        let of: Vec<(usize, &KeyView)> = keys.iter().filter_map(|key| Some((number(key)?, key))).collect();
        let (pending, left): (Vec<_>, Vec<_>) = of.iter().partition(|(_, key)| key.state == KeyState::PendingDeletion);
        let expected = if ["namespace", "crd"].contains(way) { 0 } else { BUDGET };
        assert_eq!((of.len(), pending.len()), (each, expected), "{way}");
        assert!(pending.iter().all(|(number, _)| *number >= retained(each)), "{way}: Retain");
        assert!(left.iter().all(|(_, key)| key.state == KeyState::Enabled), "{way}");
        let ids: BTreeSet<&str> = of.iter().filter(|(number, _)| *number < retained(each)).map(|(_, key)| key.key_id.as_str()).collect();
        let calls = scene.operator_calls();
        let touched =
            calls.iter().filter(|call| call.changed && call.key.as_deref().is_some_and(|key| ids.iter().any(|id| key.ends_with(id))));
        assert_eq!(touched.count(), 0, "{way}: nothing is called for Retain");
    }
    assert_eq!((scene.calls("ScheduleKeyDeletion").len(), scene.calls("DisableKey").len()), (4 * BUDGET, 0));
}
