//! The guard's book at a real API server: an entry is stored only over the version that was read, and counts for every process.
//!
//! How the entries of two writers meet in every order is in `controller::key_provider::book`.
//!
//! Shows S1.

use std::collections::BTreeSet;

use keyward::api::{ConditionType, KeyProvider, key_provider::DeletionBook};
use kms_double::Options;
use kube::{Api, ResourceExt, api::ListParams};
use serde_json::json;

use crate::support::{
    control_plane::{self, ControlPlane},
    eventually,
    operator::{Post, WITHIN},
    scene::{Scene, describe, find},
};

#[tokio::test(flavor = "multi_thread")]
async fn every_process_writes_one_book_and_none_over_another_write() {
    let own = control_plane::own();
    let control_plane = own.get();
    let post = Post::new(control_plane).await;
    an_entry_is_written_over_no_other_write(control_plane, &post).await;
    a_restart_counts_along(control_plane, &post).await;
    two_processes_share_one_budget(control_plane, &post).await;
}

/// A scene with that budget. Each of its operators may write, so a precondition and nothing else keeps their entries apart.
async fn scene(control_plane: &'static ControlPlane, post: &Post, name: &str, max_per_hour: usize) -> Scene {
    let guard = json!({ "deletionGuard": { "maxPerHour": max_per_hour }, "resyncSeconds": 86_400 });
    Scene::on(control_plane, post, name, Options::default(), guard).await
}

async fn fill(scene: &Scene, names: &[String]) {
    for name in names {
        scene.create(name, json!({ "deletionPolicy": "Delete" })).await;
    }
    for name in names {
        scene.until_ready(name, "True", "Available").await;
    }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("key-{number}")).collect()
}

async fn book(scene: &Scene) -> DeletionBook {
    let provider = Api::<KeyProvider>::all(scene.client.clone()).get(&scene.provider).await.unwrap();
    provider.status.and_then(|status| status.deletions).unwrap_or_default()
}

/// The keys whose deletion was scheduled.
fn scheduled(scene: &Scene) -> BTreeSet<String> {
    scene.calls("ScheduleKeyDeletion").into_iter().filter(|call| call.took_effect).filter_map(|call| call.key).collect()
}

/// Waits until so many objects are left, and all of them are held by the brake.
async fn until_held(scene: &Scene, count: usize) {
    eventually(&format!("{count} are held"), WITHIN, async || {
        let objects = scene.keys().list(&ListParams::default()).await.unwrap().items;
        let is_held = |object| find(object, ConditionType::DeletionHeld).is_some_and(|held| held.reason == "BudgetExhausted");
        if objects.len() == count && objects.iter().all(is_held) {
            Ok(())
        } else {
            Err(objects.iter().map(describe).collect::<Vec<_>>().join("\n"))
        }
    })
    .await;
}

/// Right before each write of the book somebody else writes the provider. The API server refuses such an entry, and it is made anew on what is there then.
async fn an_entry_is_written_over_no_other_write(control_plane: &'static ControlPlane, post: &Post) {
    const OVERTAKEN: usize = 3;
    let (post, gate) = post.behind_gate(control_plane).await;
    let _operator = post.start();
    let scene = scene(control_plane, &post, "book-conflict", 2).await;
    let names = names(2);
    fill(&scene, &names).await;
    for (number, name) in names.iter().enumerate() {
        gate.overtake(scene.client.clone(), OVERTAKEN);
        scene.delete(name).await;
        scene.until_gone(name).await;
        let (conflicts, entries) = (gate.conflicts(), book(&scene).await.recent);
        assert!(conflicts >= OVERTAKEN, "{name}: only {conflicts} writes were refused");
        assert_eq!((entries.len(), scheduled(&scene).len()), (number + 1, number + 1), "{entries:?}");
    }
}

/// An operator that comes later, and objects that were deleted while none ran.
async fn a_restart_counts_along(control_plane: &'static ControlPlane, post: &Post) {
    let mut operator = post.start();
    let scene = scene(control_plane, post, "book-restart", 2).await;
    let names = names(4);
    fill(&scene, &names).await;
    scene.delete(&names[0]).await;
    scene.until_gone(&names[0]).await;
    operator.kill();
    operator = post.start();
    scene.delete(&names[1]).await;
    scene.until_gone(&names[1]).await;
    operator.kill();
    for name in &names[2..] {
        scene.delete(name).await;
    }
    let _operator = post.start();
    until_held(&scene, 2).await;
    assert_eq!((scheduled(&scene).len(), book(&scene).await.recent.len()), (2, 2));
}

/// A lease only makes it rare that two act. Here both do.
async fn two_processes_share_one_budget(control_plane: &'static ControlPlane, post: &Post) {
    const BUDGET: usize = 4;
    let mut first = post.start();
    let scene = scene(control_plane, post, "book-two", BUDGET).await;
    let names = names(3 * BUDGET);
    fill(&scene, &names).await;
    first.kill();
    control_plane.kubectl(&["delete", "managedkeys", "--all", "-n", &scene.namespace, "--wait=false"]).await.expect("kubectl delete");
    let _both = [post.start(), post.start()];
    until_held(&scene, names.len() - BUDGET).await;
    let (scheduled, book) = (scheduled(&scene), book(&scene).await);
    let booked: BTreeSet<String> = book.recent.into_iter().map(|entry| entry.key).collect();
    assert_eq!((scheduled.len(), booked.len(), book.tripped.is_some()), (BUDGET, BUDGET, true), "{scheduled:?} {booked:?}");
    assert!(scheduled.iter().all(|key| booked.iter().any(|id| key.ends_with(id))), "{scheduled:?} {booked:?}");
    let left: Vec<_> = scene.keys().list(&ListParams::default()).await.unwrap().into_iter().map(|object| object.name_any()).collect();
    assert_eq!(left.len(), names.len() - BUDGET, "{left:?}");
}
