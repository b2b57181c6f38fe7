//! Three hundred objects are deleted at once, while no operator runs. Ten keys go on their way to deletion. The others wait for a person, say so, cost nothing
//! meanwhile, and go without a call once their keys are to be retained.
//!
//! Then three hundred on each of the six ways on which a cluster deletes so many, each with a namespace and a provider of its own. In memory a way is the
//! requests that it makes; the real ones, with `kubectl`, the garbage collector and the controller of namespaces, are in `faults::crowd`.
//!
//! Shows S1.

use std::collections::{BTreeMap, BTreeSet};

use api_double::Write;
use k8s_openapi::{api::core::v1::Namespace, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition};
use keyward::api::{ConditionType, FIELD_MANAGER, KeyProvider, ManagedKey, mark};
use kms_double::{KeyState, Options};
use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions},
};
use serde_json::{Value, json};

use crate::{
    faults::crowd::{Made, WAYS, each_way_has_its_ten, made, retained},
    support::{
        eventually,
        memory::Memory,
        operator::WITHIN,
        scene::{Scene, describe, find},
        vendor::AWS,
    },
};

const ALL: usize = 300;
/// What `maxPerHour` is by default.
const BUDGET: usize = 10;
const WAIT: usize = ALL - BUDGET;

async fn crowd(memory: &Memory, name: &str) -> Scene {
    Scene::within(memory, &AWS, name, Options::default(), json!({ "resyncSeconds": 86_400 })).await
}

async fn fill(scene: &Scene, spec: Value) {
    for name in names() {
        scene.create(&name, spec.clone()).await;
    }
    // One after the other: a list of all takes long to read, again and again.
    for name in names() {
        scene.until_ready(&name, "True", "Available").await;
    }
}

fn names() -> impl Iterator<Item = String> {
    (0..ALL).map(|number| format!("key-{number}"))
}

/// Waits until each object is gone, or is as asked; gives how many are there.
async fn until_settled(scene: &Scene, ask: impl Fn(&ManagedKey) -> bool) -> usize {
    let mut left = 0;
    for name in names() {
        left += eventually(&name, WITHIN, async || match scene.keys().get_opt(&name).await.unwrap() {
            None => Ok(0),
            Some(object) if ask(&object) => Ok(1),
            Some(object) => Err(describe(&object)),
        })
        .await;
    }
    left
}

/// The operator's writes so far of all but the others.
fn writes(memory: &Memory) -> Vec<Write> {
    let writes = memory.server.writes().into_iter();
    writes.filter(|write| write.manager == FIELD_MANAGER && !write.name.starts_with("other")).collect()
}

/// Edits the other object, and waits until its key is as declared.
async fn edited(scene: &Scene, description: &str) {
    scene.spec("other", json!({ "description": description })).await;
    scene.until_ready("other", "True", "Available").await;
    assert_eq!(scene.key("other").await.description, description);
}

/// How often each object had such an event.
async fn events(scene: &Scene, reason: &str) -> BTreeMap<String, usize> {
    let api = Api::<k8s_openapi::api::events::v1::Event>::namespaced(scene.client.clone(), &scene.namespace);
    let mut counts = BTreeMap::new();
    for event in api.list(&ListParams::default()).await.unwrap() {
        if let Some(name) = event.regarding.and_then(|object| object.name).filter(|_| event.reason.as_deref() == Some(reason)) {
            *counts.entry(name).or_default() += 1;
        }
    }
    counts
}

#[tokio::test]
async fn of_three_hundred_deleted_objects_ten_keys_are_scheduled_and_the_others_wait_without_a_write() {
    let memory = Memory::new().await;
    let scene = crowd(&memory, "crowd").await;
    let mut operator = memory.start();
    // Nobody deletes this one.
    scene.create("other", json!({})).await;
    fill(&scene, json!({ "deletionPolicy": "Delete" })).await;
    operator.kill();
    for name in names() {
        scene.delete(&name).await;
    }
    operator = memory.start();
    let waits = |object: &ManagedKey| {
        let held = find(object, ConditionType::DeletionHeld).is_some_and(|held| held.reason == "BudgetExhausted");
        let said = object.status.as_ref().and_then(|status| status.intent_word.as_deref()).is_some_and(|word| word.starts_with("held-"));
        held && said
    };
    assert_eq!(until_settled(&scene, waits).await, WAIT);
    let providers = Api::<KeyProvider>::all(scene.client.clone());
    let waiting =
        async || providers.get(&scene.provider).await.unwrap().status.and_then(|status| status.deletions).and_then(|book| book.waiting);
    eventually("the provider says how many wait", WITHIN, async || match waiting().await {
        Some(count) if usize::try_from(count) == Ok(WAIT) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    let scheduled = || scene.calls("ScheduleKeyDeletion").len();
    assert_eq!(scheduled(), BUDGET);
    // They hold up nobody.
    edited(&scene, "first").await;

    // Another process looks at each of them, finds all as it was told, and writes nothing.
    operator.kill();
    let (before, written) = (scene.now(), writes(&memory).len());
    operator = memory.start();
    eventually("all are looked at", WITHIN, async || {
        let read = scene.double.ledger_after(before).into_iter().filter(|call| call.operation == "ListResourceTags");
        let count = read.filter_map(|call| call.key).collect::<BTreeSet<_>>().len();
        if count >= WAIT { Ok(()) } else { Err(count) }
    })
    .await;
    edited(&scene, "second").await;
    operator.kill();
    let all = writes(&memory);
    assert_eq!(all.len(), written, "{:#?}", all.get(written..));
    assert_eq!((scheduled(), scene.keys().list(&ListParams::default()).await.unwrap().items.len()), (BUDGET, WAIT + 1));
    let held = events(&scene, "DeletionHeld").await;
    assert!(held.len() == WAIT && held.values().all(|times| *times == 1), "{held:?}");

    // With Retain nothing is called.
    let before = scene.now();
    for object in scene.keys().list(&ListParams::default()).await.unwrap() {
        scene.spec(&object.name_any(), json!({ "deletionPolicy": "Retain" })).await;
    }
    let _operator = memory.start();
    assert_eq!(until_settled(&scene, |_| false).await, 0);
    assert_eq!(scene.changes(before), [""; 0]);
    let alive = scene.double.keys().iter().filter(|key| key.state == KeyState::Enabled).count();
    assert_eq!(alive, WAIT + 1);
}

fn keys_of(scene: &Scene, namespace: &str) -> Api<ManagedKey> {
    Api::namespaced(scene.client.clone(), namespace)
}

/// Puts a copy of an object and of its key into a namespace, as the operator would have left it.
async fn copy(scene: &Scene, made: &Made, namespace: &str, number: usize) {
    let (_, object) = made.copy(scene, namespace, number, None);
    let api = keys_of(scene, namespace);
    let created = api.create(&PostParams::default(), &serde_json::from_value(object.clone()).unwrap()).await.unwrap();
    // The API server gives it another UID than the copy has.
    let key = object["status"]["keyArn"].as_str().unwrap();
    scene.double.set_tag(key, mark::UID, created.metadata.uid.as_deref()).unwrap();
    let status = Patch::Merge(json!({ "status": object["status"] }));
    api.patch_status(&created.name_any(), &PatchParams::default(), &status).await.unwrap();
}

/// Deletes an object that goes only later, as the API server does it with a namespace and a CRD.
async fn goes<K>(api: &Api<K>, name: &str)
where
    K: Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let waits = Patch::Merge(json!({ "metadata": { "finalizers": ["tests/waits"] } }));
    api.patch(name, &PatchParams::default(), &waits).await.unwrap();
    api.delete(name, &DeleteParams::default()).await.unwrap();
}

#[tokio::test]
async fn on_each_way_of_three_hundred_ten_keys_are_scheduled_or_none_and_the_provider_says_how_many_wait() {
    // Those that say Delete and find no room.
    const HELD: usize = ALL - retained(ALL) - BUDGET;
    let memory = Memory::new().await;
    let scene = crowd(&memory, "ways").await;
    let mut operator = memory.start();
    let (retain, delete) = (made(&scene, "Retain").await, made(&scene, "Delete").await);
    operator.kill();
    let mut namespaces = Vec::new();
    for way in WAYS {
        let namespace = scene.another_namespace(way).await;
        scene.provide(&namespace, json!({ "resyncSeconds": 86_400 })).await;
        for number in 0..ALL {
            copy(&scene, if number < retained(ALL) { &retain } else { &delete }, &namespace, number).await;
        }
        namespaces.push(namespace);
    }
    let [all, prune, owner, absence, namespace, crd] = &namespaces[..] else { panic!("a way without a namespace") };
    let one_by_one = async |namespace: &str, how: &dyn Fn(&ManagedKey) -> DeleteParams| {
        let api = keys_of(&scene, namespace);
        for object in api.list(&ListParams::default()).await.unwrap() {
            api.delete(&object.name_any(), &how(&object)).await.unwrap();
        }
    };
    one_by_one(absence, &|_| DeleteParams::default()).await;
    let _operator = memory.start();
    one_by_one(all, &|_| DeleteParams::default()).await;
    one_by_one(prune, &|_| DeleteParams::background()).await;
    // The garbage collector deletes exactly the object that it saw.
    let seen = |object: &ManagedKey| Preconditions { uid: object.metadata.uid.clone(), resource_version: None };
    one_by_one(owner, &|object| DeleteParams::background().preconditions(seen(object))).await;
    goes(&Api::<Namespace>::all(scene.client.clone()), namespace).await;
    keys_of(&scene, namespace).delete_collection(&DeleteParams::default(), &ListParams::default()).await.unwrap();

    let left = async |namespace: &str| keys_of(&scene, namespace).list(&ListParams::default()).await.unwrap().items.len();
    let books = Api::<KeyProvider>::all(scene.client.clone());
    for (way, namespace) in WAYS.iter().zip(&namespaces).take(4) {
        eventually(way, 3 * WITHIN, async || {
            let book = books.get(namespace).await.unwrap().status.and_then(|status| status.deletions).unwrap_or_default();
            let told = (book.waiting.and_then(|count| usize::try_from(count).ok()), book.recent.len(), book.tripped.is_some());
            if told == (Some(HELD), BUDGET, true) { Ok(()) } else { Err(format!("{told:?}")) }
        })
        .await;
        assert_eq!(left(namespace).await, HELD, "{way}");
    }
    eventually("all of the namespace go", WITHIN, async || match left(namespace).await {
        0 => Ok(()),
        count => Err(count),
    })
    .await;
    assert_eq!(books.get(namespace).await.unwrap().status.and_then(|status| status.deletions), None);
    each_way_has_its_ten(&scene, &namespaces, ALL);

    goes(&Api::<CustomResourceDefinition>::all(scene.client.clone()), "managedkeys.keyward.dev").await;
    keys_of(&scene, crd).delete_collection(&DeleteParams::default(), &ListParams::default()).await.unwrap();
    // Those that were held go as well.
    for (way, namespace) in WAYS.iter().zip(&namespaces) {
        eventually(way, WITHIN, async || match left(namespace).await {
            0 => Ok(()),
            count => Err(count),
        })
        .await;
    }
    assert_eq!(books.get(crd).await.unwrap().status.and_then(|status| status.deletions), None);
    each_way_has_its_ten(&scene, &namespaces, ALL);
}
