//! Two replicas of the operator, while a call to the KMS is under way: whatever becomes of the one that leads, the other one finishes the work, and nothing is
//! done twice.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use kms_double::{Fault, FaultAction, Options};
use kube::config::Kubeconfig;
use serde_json::json;

use crate::support::{
    control_plane::{ControlPlane, own},
    eventually,
    operator::{CLUSTER, Post, WITHIN},
    program::Program,
    proxy::{Mode, Proxy},
    scene::Scene,
};

/// After this a kubelet kills.
const GRACE: Duration = Duration::from_secs(30);

/// The KMS has carried the call out, and says so much later than all of this takes.
const MUCH_LATER: FaultAction = FaultAction::LateReply { millis: 90_000 };

fn replica(kubeconfig: &Path, namespace: &str) -> Program {
    let flags = ["--cluster-id", CLUSTER, "--namespace", namespace];
    let environment = [
        ("KEYWARD_CONSISTENCY", "300ms"),
        ("KEYWARD_MISSING_AFTER", "2s"),
        ("KEYWARD_ATTEMPT_WAIT", "4s"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    Program::within(kubeconfig, "127.0.0.1:0", &flags, &environment)
}

/// Works, or stands by; it is ready in both cases.
async fn until_leader(program: &Program, expected: u8) {
    eventually("keyward_leader", WITHIN, async || {
        let (_, metrics) = program.get("/metrics").await;
        let leads = metrics.lines().any(|line| line == format!("keyward_leader {expected}"));
        let (ready, gates) = program.get("/readyz?verbose").await;
        if leads && ready == 200 && gates.contains("[+] lease ok") { Ok(()) } else { Err(gates) }
    })
    .await;
}

/// The same kubeconfig, but everything goes through a proxy.
async fn through_proxy(control_plane: &ControlPlane, kubeconfig: &Path) -> (PathBuf, Proxy) {
    let mut config = Kubeconfig::read_from(kubeconfig).unwrap();
    let cluster = config.clusters[0].cluster.as_mut().unwrap();
    let proxy = Proxy::start(cluster.server.as_ref().unwrap().strip_prefix("https://").unwrap().parse().unwrap()).await;
    cluster.server = Some(format!("https://{}", proxy.address));
    let path = control_plane.dir.join(format!("proxy-{}.kubeconfig", proxy.address.port()));
    std::fs::write(&path, serde_json::to_string(&config).unwrap()).unwrap();
    (path, proxy)
}

/// A key whose deletion is being scheduled: the KMS has done it, and the leader does not know yet.
async fn in_flight(scene: &Scene, name: &str, answer: FaultAction) {
    scene.create(name, json!({})).await;
    scene.until_ready(name, "True", "Available").await;
    let key = scene.key(name).await.arn;
    scene.double.inject(Fault::on("ScheduleKeyDeletion", answer).for_key(&key).times(1));
    scene.spec(name, json!({ "deletionScheduleDays": 7 })).await;
    eventually("the call is under way", WITHIN, async || {
        let sent = scene.calls("ScheduleKeyDeletion").iter().any(|entry| entry.key.as_deref() == Some(&*key));
        if sent { Ok(()) } else { Err("it is not") }
    })
    .await;
}

/// What is declared is so, and was done once.
async fn done_once(scene: &Scene, name: &str) {
    scene.until_ready(name, "True", "DeletionScheduled").await;
    let key = scene.key(name).await.arn;
    // A request whose answer is late may be sent again, and is refused then: the key is pending already.
    let calls: Vec<_> = scene.operator_calls().into_iter().filter(|entry| entry.changed && entry.key.as_deref() == Some(&*key)).collect();
    let operations: Vec<_> = calls.iter().map(|entry| &*entry.operation).collect();
    assert_eq!(operations.iter().filter(|operation| **operation == "CreateKey").count(), 1, "{operations:?}");
    assert_eq!(operations.iter().filter(|operation| **operation == "ScheduleKeyDeletion").count(), 1, "{operations:?}");
    assert!(!operations.contains(&"CancelKeyDeletion"), "{operations:?}");
}

/// Shows S9.
#[tokio::test]
async fn whatever_becomes_of_the_leader_the_other_finishes_the_work_once() {
    let control_plane = own();
    let control_plane = control_plane.get();
    let namespace = control_plane.namespace("operator").await;
    let kubeconfig = control_plane.service_account_kubeconfig(&namespace).await;
    let post = Post::installed(control_plane, &namespace, kubeconfig.clone());
    let scene = Scene::on(control_plane, &post, "leaders", Options::default(), json!({})).await;

    // Killed.
    let first = replica(&kubeconfig, &namespace);
    until_leader(&first, 1).await;
    let second = replica(&kubeconfig, &namespace);
    until_leader(&second, 0).await;
    in_flight(&scene, "killed", MUCH_LATER).await;
    first.signal("KILL");
    until_leader(&second, 1).await;
    done_once(&scene, "killed").await;

    // Stopped for longer than the lease, and woken up.
    let mut third = replica(&kubeconfig, &namespace);
    until_leader(&third, 0).await;
    let mut second = second;
    in_flight(&scene, "stopped", MUCH_LATER).await;
    second.signal("STOP");
    until_leader(&third, 1).await;
    done_once(&scene, "stopped").await;
    let before = scene.now();
    second.signal("CONT");
    assert_eq!(second.ended(WITHIN).await.code(), Some(1), "{}", second.log());
    assert_eq!(scene.changes(before), [""; 0], "who wakes up changes nothing");

    // Cut off from the API server, and not from the KMS.
    third.signal("TERM");
    assert_eq!(third.ended(GRACE).await.code(), Some(0), "{}", third.log());
    let (cut, proxy) = through_proxy(control_plane, &kubeconfig).await;
    let mut fourth = replica(&cut, &namespace);
    until_leader(&fourth, 1).await;
    let fifth = replica(&kubeconfig, &namespace);
    until_leader(&fifth, 0).await;
    in_flight(&scene, "cut", MUCH_LATER).await;
    proxy.set(Mode::Silent);
    // It ends before the lease does, so at most one of them works at any time.
    assert_eq!(fourth.ended(WITHIN).await.code(), Some(1), "{}", fourth.log());
    until_leader(&fifth, 1).await;
    done_once(&scene, "cut").await;

    // Rolled: it is told to end while a call is slow, and the other one follows at once.
    let sixth = replica(&kubeconfig, &namespace);
    until_leader(&sixth, 0).await;
    let mut fifth = fifth;
    in_flight(&scene, "rolled", FaultAction::LateReply { millis: 8_000 }).await;
    fifth.signal("TERM");
    assert_eq!(fifth.ended(GRACE).await.code(), Some(0), "{}", fifth.log());
    until_leader(&sixth, 1).await;
    done_once(&scene, "rolled").await;
}
