//! The real program from start to end: what it says, what it holds, and that it ends.

use std::path::Path;
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use crate::support::control_plane::ControlPlane;
use crate::support::eventually;
use crate::support::gate::Gate;
use crate::support::program::{Killed, Program, tied};

const WITHIN: Duration = Duration::from_mins(1);

/// After SIGTERM: 5 s for the controller, 4 s for the release, 1 s for the server, and room for a busy machine. Below
/// the 30 s after which a kubelet kills.
const BOUND: Duration = Duration::from_secs(20);

/// A control plane without objects, for the tests of this file: on the one that all tests share another operator
/// works already, and a second one would work against it.
fn control_plane() -> &'static ControlPlane {
    static ALONE: OnceLock<ControlPlane> = OnceLock::new();
    ALONE.get_or_init(|| ControlPlane::start().and_then(ControlPlane::with_crds).unwrap())
}

async fn leader(program: &Program, expected: u8) {
    eventually("keyward_leader", WITHIN, async || {
        let (_, text) = program.get("/metrics").await;
        if text.lines().any(|line| line == format!("keyward_leader {expected}")) { Ok(()) } else { Err(text) }
    })
    .await;
}

/// Ready, and this gate is there and open.
async fn ready(program: &Program, gate: &str) {
    eventually("ready", WITHIN, async || match program.get("/readyz?verbose").await {
        (200, text) if text.contains(&format!("[+] {gate} ok")) => Ok(()),
        (status, text) => Err(format!("{status} {text}")),
    })
    .await;
}

/// Leads and has seen all objects.
async fn working(program: &Program) {
    ready(program, "caches").await;
}

#[tokio::test]
async fn of_two_replicas_both_are_ready_one_leads_and_the_other_follows_at_once() {
    let namespace = control_plane().namespace("program").await;
    let kubeconfig = control_plane().service_account_kubeconfig(&namespace).await;
    let flags = ["--cluster-id", "program", "--namespace", &namespace];
    let mut first = Program::controller(&kubeconfig, &flags);
    leader(&first, 1).await;
    working(&first).await;
    let mut second = Program::controller(&kubeconfig, &flags);
    ready(&second, "lease").await;
    leader(&second, 0).await;
    assert_eq!(second.get("/livez").await.0, 200);
    // The age of each watch is told, and whether it is not too old.
    for kind in ["keygrants", "keyproviders", "managedkeys", "secrets"] {
        ready(&first, &format!("watch-{kind}")).await;
        let (_, text) = first.get("/metrics").await;
        assert!(text.contains(&format!("keyward_watch_age_seconds{{resource=\"{kind}\"}} ")), "{text}");
    }

    first.signal("TERM");
    assert_eq!(first.ended(BOUND).await.code(), Some(0), "{}", first.log());
    let stopped = Instant::now();
    leader(&second, 1).await;
    assert!(stopped.elapsed() < Duration::from_secs(10), "followed after {:?}", stopped.elapsed());
    second.signal("INT");
    assert_eq!(second.ended(BOUND).await.code(), Some(0), "{}", second.log());
    let lease = Api::<Lease>::namespaced(control_plane().client().await, &namespace).get("keyward").await.unwrap();
    assert_eq!(lease.spec.unwrap().holder_identity, None);
}

/// The rights to list may be taken away, or the CRDs, between the look at them and the first list.
#[tokio::test]
async fn a_leader_that_never_gets_a_list_gives_the_lease_back() {
    let namespace = control_plane().namespace("program").await;
    let kubeconfig = control_plane().service_account_kubeconfig(&namespace).await;
    for refused in ["managedkeys", "keyproviders"] {
        let gate = Gate::start(control_plane().client_of(&kubeconfig).await).await;
        gate.refuse_lists(refused);
        let dir = tempfile::tempdir().unwrap();
        let through = dir.path().join("kubeconfig");
        write_kubeconfig(&through, &format!("http://{}", gate.address()));
        let mut program = Program::controller(&through, &["--cluster-id", "program", "--namespace", &namespace]);
        // It is asked for again and again; by the third time everything that waits for it is waiting.
        eventually("lists are refused", WITHIN, async || if gate.refusals() > 2 { Ok(()) } else { Err(program.log()) }).await;
        let (status, text) = program.get("/readyz?verbose").await;
        assert!(status == 503 && text.contains("[+] cluster ok"), "{text}");
        // It holds the lease and does not work, which must be seen from outside.
        assert!(program.log().contains("this process holds the lease"), "{}", program.log());
        leader(&program, 0).await;
        program.signal("TERM");
        assert_eq!(program.ended(BOUND).await.code(), Some(0), "{}", program.log());
        let lease = Api::<Lease>::namespaced(control_plane().client().await, &namespace).get("keyward").await.unwrap();
        assert_eq!(lease.spec.unwrap().holder_identity, None, "{refused}: {}", program.log());
    }
}

#[tokio::test]
async fn a_leader_that_loses_its_lease_ends_with_a_failure() {
    let namespace = control_plane().namespace("program").await;
    let kubeconfig = control_plane().service_account_kubeconfig(&namespace).await;
    let mut program = Program::controller(&kubeconfig, &["--cluster-id", "program", "--namespace", &namespace]);
    leader(&program, 1).await;
    let theirs = json!({"spec": {"holderIdentity": "somebody"}});
    let leases: Api<Lease> = Api::namespaced(control_plane().client().await, &namespace);
    leases.patch("keyward", &PatchParams::default(), &Patch::Merge(&theirs)).await.unwrap();
    assert_eq!(program.ended(WITHIN).await.code(), Some(1));
    assert!(program.log().contains("was taken by somebody"), "{}", program.log());
}

/// A server that accepts connections and never answers. kube's controller does not end by itself then.
#[tokio::test]
async fn sigterm_ends_it_when_the_api_server_never_answered() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let (asked, mut connections) = tokio::sync::mpsc::unbounded_channel();
    let _accepting = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            asked.send(silent.accept().await.unwrap()).unwrap(); // the receiver keeps it open
        }
    }));
    let dir = tempfile::tempdir().unwrap();
    let kubeconfig = dir.path().join("kubeconfig");
    write_kubeconfig(&kubeconfig, &format!("http://{address}"));
    for election in ["true", "false"] {
        let mut program = Program::controller(&kubeconfig, &["--cluster-id", "program", "--leader-election", election]);
        program.logged("keyward starts").await;
        if election == "true" {
            let connected = tokio::time::timeout(WITHIN, connections.recv());
            connected.await.expect("asks the API server").expect("the listener lives");
            assert_eq!(program.get("/readyz").await.0, 503, "it has not read the lease");
        }
        assert_eq!(program.get("/livez").await.0, 200);
        program.signal("TERM");
        assert_eq!(program.ended(BOUND).await.code(), Some(0), "with leader election {election}");
    }
}

#[tokio::test]
async fn a_panic_in_a_task_ends_the_process() {
    let child = tied(&std::env::current_exe().unwrap())
        .args(["program::panics_in_a_task", "--exact", "--ignored", "--nocapture"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut child = Killed(child.unwrap());
    let status = eventually("the end of the child", WITHIN, async || child.0.try_wait().unwrap().ok_or("it still runs")).await;
    // The harness of a test that merely fails ends with 101 too; but this one waits for ever unless the process ends.
    assert_eq!(status.code(), Some(101));
}

/// The child of the test above: a program with a task that panics, which nobody waits for.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it is started by another test, as a process of its own"]
async fn panics_in_a_task() {
    keyward::run::end_on_panic();
    tokio::spawn(async { panic!("on purpose") });
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_panic_in_a_round_does_not() {
    let child = tied(&std::env::current_exe().unwrap())
        .args(["program::panics_in_a_round", "--exact", "--ignored", "--nocapture"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("the others went on"), "{child:?}");
}

/// The child of the test above: a program with a round that panics beside one that does not.
#[tokio::test]
#[ignore = "it is started by another test, as a process of its own"]
async fn panics_in_a_round() {
    keyward::run::end_on_panic();
    let rounds = [true, false].map(|panics| keyward::contained(async move { assert!(!panics, "for a test") }));
    let ended = futures::future::join_all(rounds).await;
    assert!(ended[0].is_err() && ended[1].is_ok(), "{ended:?}");
    println!("the others went on");
}

fn write_kubeconfig(path: &Path, server: &str) {
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "silent",
        "contexts": [{ "name": "silent", "context": { "cluster": "silent", "user": "nobody" } }],
        "clusters": [{ "name": "silent", "cluster": { "server": server } }],
        "users": [{ "name": "nobody", "user": {} }],
    });
    std::fs::write(path, kubeconfig.to_string()).unwrap();
}
