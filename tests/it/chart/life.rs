//! The page on installing, from the first command to the last: Helm and kubectl run them on a real API server, and the program runs as the
//! Deployment says it, with the token of its `ServiceAccount`. There is no kubelet, so the tests start it.

use std::time::Duration;

use kms_double::{ACCESS_KEY, Double, KeyState, Options, SECRET_KEY};
use serde_json::{Value, json};

use crate::{
    pages::blocks,
    support::{
        control_plane::{ControlPlane, Output, bare},
        eventually, helm,
        operator::{Operator, Post},
        program::signal,
        scene::Scene,
    },
};

const NAMESPACE: &str = "keyward-system";
/// After SIGTERM the program ends within 20 seconds.
const STOP: Duration = Duration::from_secs(25);

/// The commands of the page, block by block.
fn commands() -> Vec<&'static str> {
    blocks(include_str!("../../../docs/install.md"), "sh").collect()
}

/// The one block that begins with these words.
fn block(begin: &str) -> &'static str {
    let found: Vec<_> = commands().into_iter().filter(|block| block.starts_with(begin)).collect();
    assert_eq!(found.len(), 1, "docs/install.md has {} blocks that begin with {begin:?}", found.len());
    found[0]
}

/// The one block that is just this command.
fn whole(command: &str) -> &str {
    assert!(commands().iter().any(|block| block.trim_end() == command), "docs/install.md has no block with just {command:?}");
    command
}

/// Runs commands of the page, in the folder of the repository.
async fn run(cluster: &'static ControlPlane, commands: &str) -> Output {
    cluster.shell(&format!("cd '{}'; {}\n{commands}", env!("CARGO_MANIFEST_DIR"), helm::in_a_shell(cluster))).await
}

async fn get(cluster: &'static ControlPlane, arguments: &[&str]) -> Value {
    let told = cluster.kubectl(&[&["get", "--namespace", NAMESPACE, "-o", "json"], arguments].concat()).await.expect("get");
    serde_json::from_str(&told).unwrap()
}

/// The value of a variable of the container, as a kubelet makes it.
async fn value(cluster: &'static ControlPlane, variable: &Value) -> String {
    if let Some(value) = variable["value"].as_str() {
        return value.to_owned();
    }
    let from = &variable["valueFrom"];
    if let Some(map) = from["configMapKeyRef"]["name"].as_str() {
        let map = get(cluster, &["configmap", map]).await;
        return map["data"][from["configMapKeyRef"]["key"].as_str().unwrap()].as_str().unwrap().to_owned();
    }
    match from["fieldRef"]["fieldPath"].as_str() {
        Some("metadata.name") => "keyward-0".to_owned(),
        Some("metadata.namespace") => NAMESPACE.to_owned(),
        _ => panic!("a kubelet knows more than this test: {variable}"),
    }
}

/// Starts the program as the one Deployment of the namespace says it, and as its `ServiceAccount`.
async fn start(cluster: &'static ControlPlane) -> Operator {
    let deployments = get(cluster, &["deployments"]).await;
    let [deployment] = deployments["items"].as_array().unwrap().as_slice() else { panic!("{deployments}") };
    let pod = &deployment["spec"]["template"]["spec"];
    let account = pod["serviceAccountName"].as_str().unwrap();
    let token = cluster.kubectl(&["create", "token", account, "--namespace", NAMESPACE, "--duration=4h"]).await.expect("a token");
    let kubeconfig = cluster.dir.join("installed.kubeconfig");
    std::fs::write(&kubeconfig, cluster.kubeconfig_with(token.trim_end())).unwrap();

    let container = &pod["containers"][0];
    assert_eq!(container["image"], "REGISTRY/keyward:TAG");
    // Tests listen on loopback, where more than one of them runs.
    let here = |argument: &str| if argument == "--listen=0.0.0.0:8080" { "--listen=127.0.0.1:0".into() } else { argument.to_owned() };
    let arguments: Vec<String> = container["args"].as_array().unwrap().iter().map(|one| here(one.as_str().unwrap())).collect();
    assert!(arguments.contains(&"--listen=127.0.0.1:0".into()), "{arguments:?}");
    let mut environment = Vec::new();
    for variable in container["env"].as_array().unwrap() {
        environment.push((variable["name"].as_str().unwrap(), value(cluster, variable).await));
    }
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Post::installed(cluster, NAMESPACE, kubeconfig).start_as(&arguments, &environment)
}

/// Ends it as a kubelet does, so that it gives the Lease back.
async fn stop(mut operator: Operator) {
    signal(operator.id(), "TERM");
    eventually("the end of the program", STOP, async || if operator.is_running() { Err(operator.tail()) } else { Ok(()) }).await;
}

/// A KMS and a namespace with objects, for the operator that was installed.
async fn scene(cluster: &'static ControlPlane) -> Scene {
    let post = Post::installed(cluster, NAMESPACE, cluster.kubeconfig.clone());
    let crds = ["managedkeys", "keygrants", "keyproviders"].map(|kind| format!("crd/{kind}.keyward.dev"));
    let wait = [&["wait", "--for=condition=Established", "--timeout=60s"], &crds.each_ref().map(String::as_str)[..]].concat();
    cluster.kubectl(&wait).await.expect("established");
    Scene::on(cluster, &post, "shop", Options::default(), json!({})).await
}

/// The operator that runs now works: it does what is declared from now on, to the same key.
async fn works(scene: &Scene, tag: &str, key: &str) {
    scene.spec("orders", json!({ "tags": { "by": tag } })).await;
    eventually("the tag", Duration::from_mins(1), async || {
        let found = scene.key("orders").await;
        assert_eq!(found.arn, key, "the object has another key");
        if found.tags.get("by").is_some_and(|by| by == tag) { Ok(()) } else { Err(format!("{:?}", found.tags)) }
    })
    .await;
}

/// The object with its finalizer, and its key, are as they were, and nobody asked the KMS for a change.
async fn kept(scene: &Scene, since: u64) {
    let object = scene.keys().get("orders").await.expect("the object is there");
    assert_eq!(object.metadata.finalizers.unwrap_or_default(), ["keyward.dev/key"]);
    assert!(object.metadata.deletion_timestamp.is_none());
    assert_eq!(scene.changes(since), [""; 0]);
}

#[tokio::test]
async fn a_release_is_installed_upgraded_rolled_back_removed_and_renamed() {
    let own = bare();
    let cluster = own.get();
    let told =
        run(cluster, block("helm install keyward charts/keyward --namespace keyward-system --create-namespace")).await.expect("install");
    assert!(told.contains("WARNING: this release has no credentials"), "{told}");
    let scene = scene(cluster).await;
    let operator = start(cluster).await;
    scene.create("orders", json!({ "deletionPolicy": "Delete" })).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;

    let upgrade = block("helm upgrade");
    let other = format!("{} --set clusterId=other", upgrade.trim_end());
    let refused = run(cluster, &other).await;
    assert!(
        !refused.success && refused.stderr.contains("from prod-eu to other") && refused.stderr.contains("previousClusterId=prod-eu"),
        "{refused:?}"
    );
    run(cluster, &format!("{other} --set previousClusterId=prod-eu --dry-run=server")).await.expect("a change that is wanted");
    let told = run(cluster, &format!("{} --set log.level=debug --set replicaCount=2", upgrade.trim_end())).await.expect("upgrade");
    assert!(!told.contains("WARNING") && told.contains("kubectl get keyproviders"), "it has providers now: {told}");
    stop(operator).await;
    let operator = start(cluster).await;
    works(&scene, "upgraded", &key).await;
    let log = std::fs::read_to_string(&operator.log).unwrap();
    assert!(log.contains(r#""level":"DEBUG""#), "the new level: {}", operator.tail());

    run(cluster, block("helm rollback")).await.expect("rollback");
    let deployment = get(cluster, &["deployment", "keyward"]).await;
    assert_eq!(deployment["spec"]["replicas"], 1);
    stop(operator).await;
    let operator = start(cluster).await;
    works(&scene, "rolled-back", &key).await;
    stop(operator).await;

    let before = scene.now();
    run(cluster, whole("helm uninstall keyward --namespace keyward-system")).await.expect("uninstall");
    let left =
        cluster.kubectl(&["get", "deployments,services,serviceaccounts,roles,rolebindings", "--namespace", NAMESPACE, "-o", "name"]).await;
    assert_eq!(left.expect("get").lines().filter(|name| !name.ends_with("/default")).collect::<Vec<_>>(), [""; 0]);
    kept(&scene, before).await;

    let another = block("helm install kms");
    let refused = run(cluster, &another.replace("--take-ownership", "")).await;
    assert!(!refused.success && refused.stderr.contains("ownership"), "{refused:?}");
    run(cluster, another).await.expect("another name");
    let operator = start(cluster).await;
    works(&scene, "renamed", &key).await;
    stop(operator).await;
    let before = scene.now();
    run(cluster, "helm uninstall kms --namespace keyward-system").await.expect("uninstall");
    kept(&scene, before).await;
    // The first name has the CRDs of the second then.
    run(
        cluster,
        &format!(
            "{} --take-ownership",
            block("helm install keyward charts/keyward --namespace keyward-system --create-namespace").trim_end()
        ),
    )
    .await
    .expect("the first name again");
    let operator = start(cluster).await;
    works(&scene, "first", &key).await;
    stop(operator).await;
}

#[tokio::test]
async fn helm_takes_over_from_kustomize_and_gives_back() {
    let own = bare();
    let cluster = own.get();
    run(cluster, block("kubectl apply --server-side -k crds")).await.expect("kustomize");
    let scene = scene(cluster).await;
    let operator = start(cluster).await;
    scene.create("orders", json!({ "deletionPolicy": "Delete" })).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;

    let over = block("helm install keyward charts/keyward --namespace keyward-system --take-ownership --force-conflicts");
    let refused = run(cluster, &over.replace("clusterIdFrom.configMap=keyward", "clusterId=other")).await;
    assert!(!refused.success && refused.stderr.contains("from prod-eu to other"), "{refused:?}");
    let before = scene.now();
    stop(operator).await;
    run(cluster, over).await.expect("from kustomize to Helm");
    kept(&scene, before).await;
    let operator = start(cluster).await;
    works(&scene, "helm", &key).await;
    stop(operator).await;

    let before = scene.now();
    run(cluster, block("helm uninstall keyward --namespace keyward-system\nkubectl")).await.expect("from Helm to kustomize");
    kept(&scene, before).await;
    let operator = start(cluster).await;
    works(&scene, "kustomize", &key).await;
    stop(operator).await;

    let before = scene.now();
    run(cluster, "kubectl delete -k deploy").await.expect("delete");
    kept(&scene, before).await;
}

/// The page that leads to a first key, block by block. The account and the image are the only things that it cannot have: the double is the account.
#[tokio::test]
async fn the_first_page_leads_to_a_rotated_key_and_out_again() {
    let own = bare();
    let cluster = own.get();
    let double = Double::start(Options::default()).await.unwrap();
    let page = include_str!("../../../docs/first-key.md");
    let [install, secret, provider, key, rotate, look, out] = blocks(page, "sh").collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(install, block("helm install keyward charts/keyward --namespace keyward-system --create-namespace"));
    run(cluster, install).await.expect("install");
    let crds = ["wait", "--for=condition=Established", "--timeout=60s", "crd/managedkeys.keyward.dev", "crd/keyproviders.keyward.dev"];
    cluster.kubectl(&crds).await.expect("established");
    let operator = start(cluster).await;

    let put = |text: &str, place: &str, value: &str| {
        assert_eq!(text.matches(place).count(), 1, "{text}");
        text.replace(place, value)
    };
    let secret = put(&put(secret, "=ACCESS_KEY_ID", &format!("={ACCESS_KEY}")), "=SECRET_ACCESS_KEY", &format!("={SECRET_KEY}"));
    run(cluster, &secret).await.expect("the Secret");
    let region = "    region: eu-west-1\n";
    let there = format!("{region}    endpoint: {0}\n    stsEndpoint: {0}\n", double.endpoint());
    run(cluster, &put(provider, region, &there)).await.expect("the provider");
    let told = run(cluster, key).await.expect("the key");
    let keys = double.keys();
    let [made] = &keys[..] else { panic!("{keys:?}") };
    assert!(told.contains(&made.key_id) && made.rotation.enabled && made.aliases.contains(&"alias/orders".to_owned()), "{told} {made:?}");
    run(cluster, rotate).await.expect("the request");
    let rotations = || double.ledger().iter().filter(|entry| entry.operation == "RotateKeyOnDemand" && entry.took_effect).count();
    let within = Duration::from_mins(2);
    eventually("the rotation", within, async || if rotations() == 1 { Ok(()) } else { Err(operator.tail()) }).await;
    // The record of the KMS is late, so the look is asked for until it shows it.
    let (ask, _wait) = look.split_once('\n').unwrap();
    let asked = eventually("the record of the rotation", within, async || {
        run(cluster, ask).await.expect("a look");
        let told = get(cluster, &["managedkey", "orders", "--namespace", "shop"]).await;
        if told["status"]["rotation"]["lastRotationType"] == "OnDemand" { Ok(()) } else { Err(told.to_string()) }
    });
    let ((), waited) = tokio::join!(asked, run(cluster, look));
    waited.expect("the wait for the record");
    assert_eq!(rotations(), 1);

    run(cluster, out).await.expect("out");
    stop(operator).await;
    let left = double.key(&made.key_id).unwrap();
    assert_eq!((left.state, left.rotation.enabled), (KeyState::Enabled, true));
}
