//! A cluster is put back under a running operator: etcd has an earlier revision, and a watch says nothing until that passes the old one.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kms_double::{KeyState, Options};
use kube::{Api, ResourceExt};
use serde_json::json;

use super::rollback;
use crate::support::{
    control_plane::{self, ControlPlane},
    eventually,
    operator::{Operator, Post, WITHIN},
    program,
    scene::Scene,
};

/// How soon it is noticed: sooner than the next read of a key would come.
const SOON: Duration = Duration::from_secs(20);

/// Shows L2.
#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_after_a_restore_is_acted_on() {
    let own = control_plane::own();
    let control_plane = own.get();
    let post = Post::new(control_plane).await;
    let operator = post.start_with(&["--leader-election", "true"]);
    seen_at_the_lease(control_plane, &post, operator).await;
    // The API server's lists are still from the history before the restore.
    control_plane.restart().await;
    let mut operator = post.start();
    seen_without_a_lease(control_plane, &post, &mut operator).await;
    rollback::no_restore_is_an_edge(control_plane, &post, operator).await;
}

/// Makes a key that is pending as declared, and settled.
async fn scheduled(scene: &Scene) {
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    scene.look_at_all("orders").await;
}

/// Many writes that are lost again.
async fn write(scene: &Scene) {
    for number in 0..50 {
        scene.secret(&format!("lost-{number}"), "a", "b").await;
    }
}

/// Waits until the operator has said that it noticed, and the key is enabled again.
async fn noticed_and_cancelled(scene: &Scene, operator: &mut Operator) {
    eventually("the operator notices", SOON, async || {
        let log = std::fs::read_to_string(&operator.log).unwrap();
        if log.contains("was set back to an earlier revision") { Ok(()) } else { Err(operator.tail()) }
    })
    .await;
    eventually("the key is enabled again", WITHIN, async || match scene.key("orders").await.state {
        KeyState::Enabled => Ok(()),
        state => Err(format!("{state:?}\n{}", operator.tail())),
    })
    .await;
    assert!(operator.is_running(), "{}", operator.tail());
}

/// The API server goes on, so its lists still show the old state. Only reads by name are correct, so Keyward reads the object of a pending
/// key by name in each round.
async fn seen_at_the_lease(control_plane: &'static ControlPlane, post: &Post, mut operator: Operator) {
    let scene = Scene::on(control_plane, post, "lease", Options::default(), json!({})).await;
    scheduled(&scene).await;
    control_plane.snapshot().await;
    write(&scene).await;
    // The holder reads what it will read again: a lease that was renewed since.
    let leases = Api::<Lease>::namespaced(scene.client.clone(), &post.namespace);
    let version = async || leases.get("keyward").await.unwrap().resource_version();
    for _ in 0..2 {
        let before = version().await;
        eventually("the lease is renewed", WITHIN, async || if version().await == before { Err("not yet") } else { Ok(()) }).await;
    }
    control_plane.restore().await;
    scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
    noticed_and_cancelled(&scene, &mut operator).await;
}

/// The deletion is withdrawn before the operator reads anything, and no read of the key is due for a day.
async fn seen_without_a_lease(control_plane: &'static ControlPlane, post: &Post, operator: &mut Operator) {
    let scene = Scene::on(control_plane, post, "alone", Options::default(), json!({ "resyncSeconds": 86_400 })).await;
    scheduled(&scene).await;
    control_plane.snapshot().await;
    write(&scene).await;
    // The object itself is written, and its watch brings that.
    scene.look("orders").await;
    program::signal(operator.id(), "STOP");
    control_plane.restore().await;
    scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
    program::signal(operator.id(), "CONT");
    noticed_and_cancelled(&scene, operator).await;
}
