//! The way out: what is left behind is said before, and objects and namespaces are freed when nobody does it any more. No key changes.

use std::path::Path;

use keyward::api::{FINALIZER, GRANT_FINALIZER, managed_key::DeletionPolicy};
use kms_double::{KeyState, Options};
use serde_json::json;

use crate::{
    grants,
    pages::blocks,
    support::{
        control_plane::own,
        eventually,
        operator::{CLUSTER, Operator, Post, WITHIN},
        program::{signal, told},
        scene::Scene,
    },
};

/// The command of the page that begins with these words.
fn command(begin: &str) -> Vec<&'static str> {
    let page = include_str!("../../docs/uninstall.md");
    let line = page.lines().find(|line| line.starts_with(begin)).unwrap_or_else(|| panic!("docs/uninstall.md has no {begin:?}"));
    line.split_whitespace().skip(1).collect()
}

/// Runs it, and gives its exit code and what it says.
async fn run(kubeconfig: &Path, command: &[&str]) -> (Option<i32>, String) {
    let output = told(kubeconfig, command).await;
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

/// Ends it as a kubelet does, so that it gives the Lease back.
async fn stop(mut operator: Operator) {
    signal(operator.id(), "TERM");
    eventually("the end of the program", WITHIN, async || if operator.is_running() { Err(operator.tail()) } else { Ok(()) }).await;
}

/// Deletes the namespace of a scene. It waits for Keyward, which is gone, until `free` was done.
async fn freed(scene: &Scene, check: &[&str], free: impl AsyncFn()) {
    let cluster = scene.control_plane();
    cluster.kubectl(&["delete", "namespace", &scene.namespace, "--wait=false"]).await.expect("delete");
    eventually("the namespace waits", WITHIN, async || {
        let (_, said) = run(&cluster.kubeconfig, check).await;
        if said.matches("is deleted already, and waits for Keyward").count() == 2 { Ok(()) } else { Err(said) }
    })
    .await;
    free().await;
    eventually("the namespace is gone", WITHIN, async || {
        let left = cluster.kubectl(&["get", "namespace", &scene.namespace, "-o", "yaml"]).await;
        if left.success { Err(left.stdout) } else { Ok(()) }
    })
    .await;
}

/// Shows S5.
#[tokio::test]
async fn namespaces_are_freed_without_keyward_and_no_key_changes() {
    let cluster = own();
    let cluster = cluster.get();
    let post = Post::new(cluster).await;
    let start = || post.start_with(&["--leader-election=true"]);
    let operator = start();
    let scene = Scene::on(cluster, &post, "leaving", Options::default(), grants::any()).await;
    let kubeconfig = &cluster.kubeconfig;
    let in_namespace = ["--namespace", &post.namespace];
    let release = [command("keyward release"), in_namespace.to_vec()].concat();
    let mut check = [command("keyward uninstall-check"), in_namespace.to_vec()].concat();
    *check.iter_mut().find(|word| **word == "prod-eu").unwrap() = CLUSTER;

    let (code, said) = run(kubeconfig, &check).await;
    assert_eq!(code, Some(0), "nothing is left behind yet: {said}");

    // While Keyward runs, it does not bring the finalizer of a key back.
    let finalizers = async || scene.look("orders").await.metadata.finalizers.unwrap_or_default();
    scene.create("orders", json!({ "deletionPolicy": "Delete" })).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(finalizers().await, [FINALIZER]);
    let (code, said) = run(kubeconfig, &release).await;
    assert!(code == Some(0) && said.contains(&format!("let go: ManagedKey {}/orders", scene.namespace)), "{code:?} {said}");
    assert_eq!(finalizers().await, [""; 0]);
    assert_eq!(scene.keys().get("orders").await.unwrap().spec.deletion_policy, DeletionPolicy::Retain);

    // It brings that of a grant back, and the command says so.
    grants::is_made(&scene).await;
    let (code, said) = run(kubeconfig, &release).await;
    assert!(code == Some(2) && said.contains(&format!("holds Lease {}/keyward: Keyward runs", post.namespace)), "{code:?} {said}");
    let grant = ["keygrant", "reader", "--namespace", &scene.namespace];
    eventually("the finalizer of the grant is back", WITHIN, async || {
        let told = cluster.kubectl(&[&["get", "-o", "jsonpath={.metadata.finalizers}"], &grant[..]].concat()).await.expect("get");
        if told.contains(GRANT_FINALIZER) { Ok(()) } else { Err(told) }
    })
    .await;
    let revoke = json!({ "spec": { "deletionPolicy": "Revoke" } }).to_string();
    cluster.kubectl(&[&["patch", "--type=merge", "-p", &revoke], &grant[..]].concat()).await.expect("patch");
    scene.spec("orders", json!({ "deletionPolicy": "Delete" })).await;
    assert_eq!(finalizers().await, [FINALIZER]);

    for name in ["old", "kept", "gone"] {
        scene.create(name, json!({})).await;
        scene.until_ready(name, "True", "Available").await;
    }
    let keys = [scene.key("orders").await, scene.key("old").await, scene.key("kept").await, scene.key("gone").await];
    scene.spec("old", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("old", "True", "DeletionScheduled").await;
    scene.delete("gone").await;
    scene.until_gone("gone").await;
    stop(operator).await;

    let (code, said) = run(kubeconfig, &check).await;
    assert_eq!(code, Some(2), "{said}");
    let [held, pending, provider] = said.split("\n\n").take(3).collect::<Vec<_>>().try_into().unwrap();
    assert!(held.contains(&format!("ManagedKey {}/orders", scene.namespace)), "{said}");
    assert!(held.contains(&format!("KeyGrant {}/reader", scene.namespace)) && !held.contains("/kept"), "{said}");
    assert!(pending.contains(&keys[1].arn) && pending.contains(&format!("ManagedKey {}/old", scene.namespace)), "{said}");
    assert!(provider.contains(&format!("KeyProvider {}", scene.provider)), "{said}");
    assert!(said.contains(&keys[3].arn) && said.contains("2 objects have a finalizer of Keyward; `keyward release --all`"), "{said}");

    let before = scene.now();
    let states = || keys.each_ref().map(|key| scene.double.key(&key.arn).unwrap().state);
    let was = states();
    assert_eq!(was, [KeyState::Enabled, KeyState::PendingDeletion, KeyState::Enabled, KeyState::Enabled]);
    freed(&scene, &check, async || {
        let (code, said) = run(kubeconfig, &release).await;
        assert!(code == Some(0) && said.contains("2 objects let go, 0 not"), "{code:?} {said}");
    })
    .await;
    assert_eq!((states(), scene.changes(before)), (was, Vec::new()), "a key changed");
    let (code, said) = run(kubeconfig, &release).await;
    assert!(code == Some(0) && said.contains("0 objects let go, 0 not"), "{said}");
    assert!(run(kubeconfig, &["release"]).await.1.contains("--all"), "it says what it is to let go");

    // The same with kubectl alone.
    let operator = start();
    let scene = Scene::on(cluster, &post, "left", Options::default(), grants::any()).await;
    scene.create("orders", json!({ "deletionPolicy": "Delete" })).await;
    scene.until_ready("orders", "True", "Available").await;
    grants::is_made(&scene).await;
    let key = scene.key("orders").await;
    stop(operator).await;
    let before = scene.now();
    let page = blocks(include_str!("../../docs/uninstall.md"), "sh").find(|block| block.contains("go-template")).unwrap();
    freed(&scene, &check, async || _ = cluster.shell(page).await.expect("the commands of the page")).await;
    assert_eq!((scene.double.key(&key.arn).unwrap().state, scene.changes(before)), (KeyState::Enabled, Vec::new()), "a key changed");
}
