//! A first run in which something is missing: within ten seconds one line says what, where, and which command helps, and SIGTERM gives the lease back.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::{coordination::v1::Lease, rbac::v1::ClusterRoleBinding},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use keyward::manifests;
use kms_double::{Double, Options};
use kube::{Api, api::DeleteParams, config::Kubeconfig};
use serde_json::{Value, json};

use crate::support::{
    control_plane::{ControlPlane, apply},
    eventually, nowhere,
    program::Program,
    tunnel::Tunnel,
};

/// How long a person waits for a line.
const SOON: SignedDuration = SignedDuration::from_secs(10);
/// How long a busy machine may take for it in a test.
const WITHIN: Duration = Duration::from_mins(1);
/// After SIGTERM, as in `program`.
const BOUND: Duration = Duration::from_secs(20);

/// The lines at ERROR or WARN: when each was written, and what it says, with the cause that it names.
fn complaints(program: &Program) -> Vec<(Timestamp, String)> {
    let lines = program.log();
    let read = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let grave = read.filter(|line| line["level"] == "ERROR" || line["level"] == "WARN");
    let text = |line: &Value, member: &str| line[member].as_str().unwrap_or_default().to_owned();
    grave.map(|line| (text(&line, "timestamp").parse().unwrap(), format!("{} {}", text(&line, "message"), text(&line, "error")))).collect()
}

/// Waits for a line that has all of these words, and sees that it came soon.
async fn told(program: &Program, words: &[&str]) {
    let time = eventually("a line that helps", WITHIN, async || {
        let found = complaints(program).into_iter().find(|(_, line)| words.iter().all(|word| line.contains(word)));
        found.map(|(time, _)| time).ok_or_else(|| program.log())
    })
    .await;
    let within = time.duration_since(program.started);
    assert!(within < SOON, "it took {within}\n{}", program.log());
    assert!(!program.log().contains("panic"), "{}", program.log());
}

/// The program ends soon, by itself and with that code. Its last output has these words. A wrong flag is reported before there is a log.
async fn ended(program: &mut Program, code: i32, words: &[&str]) {
    assert_eq!(program.ended(WITHIN).await.code(), Some(code), "{}", program.log());
    eventually(
        "the reason",
        WITHIN,
        async || {
            if words.iter().all(|word| program.log().contains(word)) { Ok(()) } else { Err(program.log()) }
        },
    )
    .await;
    match complaints(program).as_slice() {
        [] => assert_eq!(code, 1, "{}", program.log()),
        [(time, line)] => {
            assert!(time.duration_since(program.started) < SOON, "{}", program.log());
            assert!(words.iter().all(|word| line.contains(word)), "{line}");
        }
        lines => panic!("more than one line: {lines:?}"),
    }
}

/// Ends it with SIGTERM, in order.
async fn stopped(program: &mut Program) {
    program.signal("TERM");
    assert_eq!(program.ended(BOUND).await.code(), Some(0), "{}", program.log());
}

/// A cluster, and the operator's namespace in it.
struct Site {
    control_plane: ControlPlane,
    namespace: String,
    kubeconfig: PathBuf,
}

impl Site {
    async fn new() -> Self {
        let control_plane = ControlPlane::start().unwrap();
        let namespace = control_plane.namespace("first").await;
        let kubeconfig = control_plane.service_account_kubeconfig(&namespace).await;
        Self { control_plane, namespace, kubeconfig }
    }

    fn start(&self, environment: &[(&str, &str)]) -> Program {
        Program::within(&self.kubeconfig, "127.0.0.1:0", &["--cluster-id", "first", "--namespace", &self.namespace], environment)
    }

    /// The holder of the lease. The lease exists after a program has led.
    async fn holder(&self) -> Option<String> {
        let leases: Api<Lease> = Api::namespaced(self.control_plane.client().await, &self.namespace);
        leases.get_opt("keyward").await.unwrap().and_then(|lease| lease.spec?.holder_identity)
    }

    async fn led(&self) {
        eventually("the lease is held", WITHIN, async || self.holder().await.ok_or("nobody's")).await;
    }

    /// Starts one, waits for the line, and sees that the lease is taken and given back.
    async fn leads_and_tells(&self, words: &[&str]) -> Program {
        let mut program = self.start(&[]);
        told(&program, words).await;
        self.led().await;
        assert_eq!(program.get("/readyz").await.0, 503, "not ready while something is missing");
        self.stopped(&mut program).await;
        program
    }

    /// Ends it, and sees that nobody holds the lease any more, if anybody did.
    async fn stopped(&self, program: &mut Program) {
        stopped(program).await;
        assert_eq!(self.holder().await, None, "the lease is given back: {}", program.log());
    }
}

#[tokio::test]
async fn what_a_cluster_lacks_is_logged_and_the_lease_is_released() {
    let site = Site::new().await;
    let server = site.control_plane.server.clone();
    let client = site.control_plane.client().await;

    // No CRDs.
    let program = site
        .leads_and_tells(&[
            "CustomResourceDefinition managedkeys.keyward.dev does not exist",
            &server,
            "keyward crds | kubectl apply --server-side",
        ])
        .await;
    assert_eq!(complaints(&program).iter().filter(|(_, line)| line.contains("managedkeys.keyward.dev")).count(), 1, "it is told once");

    // CRDs of an older version, from which a field is missing that holds a deletion.
    for crd in manifests::crds() {
        let mut crd = serde_json::to_value(crd).unwrap();
        let status = crd.pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties/status/properties").unwrap();
        status.as_object_mut().unwrap().remove("intentWord");
        apply::<CustomResourceDefinition>(&Api::all(client.clone()), &serde_json::from_value(crd).unwrap()).await;
    }
    site.leads_and_tells(&[
        "managedkeys.keyward.dev",
        "older than this version",
        "lacks status.intentWord",
        "keyward crds | kubectl apply",
    ])
    .await;

    // They are renewed under a running program, which then begins.
    let mut program = site.start(&[]);
    told(&program, &["lacks status.intentWord"]).await;
    for crd in manifests::crds() {
        apply::<CustomResourceDefinition>(&Api::all(client.clone()), &crd).await;
    }
    eventually("ready", WITHIN, async || match program.get("/readyz?verbose").await {
        (200, text) if text.contains("[+] caches ok") => Ok(()),
        (_, text) => Err(text),
    })
    .await;
    program.logged("nothing is missing in the cluster any more").await;
    site.stopped(&mut program).await;

    // No rights in the cluster, only in the namespace.
    let bindings: Api<ClusterRoleBinding> = Api::all(client.clone());
    let binding = format!("{}-{}", manifests::NAME, site.namespace);
    let kept = bindings.get(&binding).await.unwrap();
    bindings.delete(&binding, &DeleteParams::default()).await.unwrap();
    site.leads_and_tells(&["does not let this process", "managedkeys.keyward.dev", &server, "keyward rbac --namespace", &site.namespace])
        .await;
    let mut kept = serde_json::to_value(kept).unwrap();
    kept["metadata"] = json!({ "name": binding });
    apply::<ClusterRoleBinding>(&bindings, &serde_json::from_value(kept).unwrap()).await;

    // A proxy: it is used, and one that is not there is named.
    let tunnel = Tunnel::start();
    let proxy = format!("http://{}", tunnel.address);
    let mut program = site.start(&[("HTTPS_PROXY", &proxy)]);
    eventually("ready", WITHIN, async || match program.get("/readyz").await {
        (200, _) => Ok(()),
        (_, text) => Err(text),
    })
    .await;
    site.stopped(&mut program).await;
    assert!(tunnel.asked().iter().all(|host| server.ends_with(host)) && !tunnel.asked().is_empty(), "{:?}", tunnel.asked());
    let (_closed, address) = nowhere();
    let mut program = site.start(&[("HTTPS_PROXY", &format!("http://user:hush@{address}"))]);
    told(&program, &["cannot be reached", &server, &format!("through the proxy http://{address}"), "HTTPS_PROXY", "kubectl cluster-info"])
        .await;
    assert!(!program.log().contains("hush"), "{}", program.log());
    site.stopped(&mut program).await;
    // What NO_PROXY names is reached without it.
    let mut program = site.start(&[("HTTPS_PROXY", &format!("http://{address}")), ("NO_PROXY", "127.0.0.1")]);
    eventually("ready", WITHIN, async || match program.get("/readyz").await {
        (200, _) => Ok(()),
        (_, text) => Err(text),
    })
    .await;
    site.stopped(&mut program).await;

    // Another authority, and credentials that nobody knows.
    let double = Double::start(Options { ciphertrust: true, ..Options::default() }).await.unwrap();
    let other = site.changed("authority", |config| {
        config["clusters"][0]["cluster"]["certificate-authority-data"] = json!(base64(double.ca_pem()));
        config["clusters"][0]["cluster"].as_object_mut().unwrap().remove("certificate-authority");
    });
    let mut program = Program::controller(&other, &["--cluster-id", "first", "--namespace", &site.namespace]);
    told(&program, &["cannot be reached", &server, "invalid peer certificate", "certificate-authority", "kubectl cluster-info"]).await;
    site.stopped(&mut program).await;
    let stranger = site.changed("stranger", |config| config["users"][0]["user"] = json!({ "token": "nobody" }));
    let mut program = Program::controller(&stranger, &["--cluster-id", "first", "--namespace", &site.namespace]);
    told(&program, &["does not accept the credentials (401)", &server, "kubectl auth whoami"]).await;
    site.stopped(&mut program).await;

    // No namespace: as the administrator, whom nothing else stops.
    let mut program = Program::controller(&site.control_plane.kubeconfig, &["--cluster-id", "first", "--namespace", "nowhere"]);
    told(&program, &["namespace nowhere, which must have the Lease", &server, "kubectl create namespace nowhere"]).await;
    site.stopped(&mut program).await;
}

impl Site {
    /// The kubeconfig with something else in it.
    fn changed(&self, name: &str, change: impl FnOnce(&mut Value)) -> PathBuf {
        let mut config = serde_json::to_value(Kubeconfig::read_from(&self.kubeconfig).unwrap()).unwrap();
        // Serializing a `Kubeconfig` does not write its secrets, so the users are copied from the file.
        let token: Value = serde_json::from_str(&std::fs::read_to_string(&self.kubeconfig).unwrap()).unwrap();
        config["users"] = token["users"].clone();
        change(&mut config);
        let path = self.kubeconfig.with_file_name(format!("{name}.kubeconfig"));
        std::fs::write(&path, config.to_string()).unwrap();
        path
    }
}

fn base64(text: &str) -> String {
    use base64::{Engine, prelude::BASE64_STANDARD};
    BASE64_STANDARD.encode(text)
}

fn kubeconfig(path: &Path, server: &str) {
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "first",
        "contexts": [{ "name": "first", "context": { "cluster": "first", "user": "nobody" } }],
        "clusters": [{ "name": "first", "cluster": { "server": server } }],
        "users": [{ "name": "nobody", "user": {} }],
    });
    std::fs::write(path, kubeconfig.to_string()).unwrap();
}

/// The table of what needs no cluster: what is wrong, and the words of the line.
#[tokio::test]
async fn a_cluster_that_cannot_be_used_is_logged_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kubeconfig");
    let (_closed, address) = nowhere();
    let server = format!("http://{address}");
    kubeconfig(&path, &server);
    for level in ["info", "warning", "error", "off"] {
        let mut program = Program::controller(&path, &["--cluster-id", "first", "--namespace", "x", "--log-level", level]);
        told(&program, &["cannot be reached", &server, "Connection refused", "KUBECONFIG", "kubectl cluster-info"]).await;
        if level == "info" {
            stopped(&mut program).await;
        }
    }

    // A kubeconfig that is not there, or is none.
    let broken = dir.path().join("broken");
    std::fs::write(&broken, "clusters: 3").unwrap();
    for file in [dir.path().join("none"), broken] {
        for level in ["info", "off"] {
            let mut program = Program::controller(&file, &["--cluster-id", "first", "--log-level", level]);
            ended(&mut program, 1, &["keyward stops because of an error", "set KUBECONFIG", file.to_str().unwrap()]).await;
        }
    }

    // A proxy of a kind that is not spoken.
    kubeconfig(&path, "https://127.0.0.1:6443");
    let mut program = Program::within(&path, "127.0.0.1:0", &["--cluster-id", "first"], &[("HTTPS_PROXY", "ftp://proxy.example.com")]);
    ended(&mut program, 1, &["https://127.0.0.1:6443", "check the kubeconfig, and check that HTTPS_PROXY"]).await;

    // A port that is taken.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let mut program = Program::listening(&path, &listen, &["--cluster-id", "first"]);
    ended(&mut program, 1, &[&format!("cannot listen on {listen}; choose another --listen")]).await;

    // A level that is none, a flag that is none, and one that is needed.
    for (flags, words) in [
        (["--cluster-id", "first", "--log-level", "verbose"].as_slice(), "use error, warn, info, debug or trace"),
        (&["--cluster-id", "first", "--resync", "30"], "--resync"),
        (&["--namespace", "x"], "--cluster-id"),
        (&["--cluster-id", "First"], "lower-case letters"),
    ] {
        ended(&mut Program::controller(&path, flags), 1, &[words]).await;
    }
}
