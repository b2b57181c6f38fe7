//! A real control plane with Keyward's CRDs, one for all tests of a process.
//!
//! `tests/control-plane/run` ends by itself when its stdin is closed. We hold the other end for as long as this process lives, so nothing is left
//! behind, not even after SIGKILL. A [`kube::Client`] belongs to the runtime that made it and each test has its own: facts alone are kept here.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use keyward::manifests::{self, rbac::Scope};
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::eventually;

/// How long the API server may take for anything that it does in milliseconds on a quiet machine.
const WITHIN: Duration = Duration::from_mins(1);

/// Facts about a running control plane. Dropping it ends the servers.
pub struct ControlPlane {
    /// Of an administrator.
    pub kubeconfig: PathBuf,
    /// Folder of logs, certificates and whatever a test wants to have removed at the end.
    pub dir: PathBuf,
    /// Address of the API server.
    pub server: String,
    /// Host and port of etcd.
    pub etcd: String,
    /// One JSON event a line.
    pub audit_log: PathBuf,
    /// Processes, to be stopped or killed by tests of failure; not on the shared control plane.
    pub pids: Pids,
    kubectl: PathBuf,
    script: Child,
    stdin: Option<ChildStdin>,
}

/// Processes of a control plane.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pids {
    pub etcd: u32,
    pub apiserver: u32,
    pub controller_manager: u32,
}

/// What a program answered.
#[derive(Clone, Debug)]
pub struct Output {
    pub success: bool,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// What a program left behind.
    pub fn of(output: &std::process::Output) -> Self {
        Self {
            success: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// stdout, or a panic with what the program complained of.
    pub fn expect(self, what: &str) -> String {
        assert!(self.success, "{what}: {}", self.stderr);
        self.stdout
    }
}

/// The control plane that all tests of this process share; started, with our CRDs, by the first that asks.
pub fn shared() -> &'static ControlPlane {
    // An error is kept as well, so that one broken machine fails each test at once and not after its own two minutes.
    static SHARED: OnceLock<Result<ControlPlane, String>> = OnceLock::new();
    match SHARED.get_or_init(|| ControlPlane::start().and_then(ControlPlane::with_crds)) {
        Ok(control_plane) => control_plane,
        Err(reason) => panic!("no control plane: {reason}"),
    }
}

/// A control plane of a test's own, with our CRDs. Its servers end with it: each costs the machine something even when nobody asks it.
pub struct Own(&'static ControlPlane);

/// Starts one.
pub fn own() -> Own {
    Own(Box::leak(Box::new(ControlPlane::start().and_then(ControlPlane::with_crds).unwrap())))
}

/// Starts one without our CRDs.
pub fn bare() -> Own {
    Own(Box::leak(Box::new(ControlPlane::start().unwrap())))
}

impl Own {
    /// The control plane, for a scene that does not outlive this.
    pub fn get(&self) -> &'static ControlPlane {
        self.0
    }
}

impl std::ops::Deref for Own {
    type Target = ControlPlane;

    fn deref(&self) -> &ControlPlane {
        self.0
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // The script ends its servers. A failure has no one to be told.
        let _ = Command::new("kill").arg(self.0.script.id().to_string()).status();
    }
}

impl ControlPlane {
    /// Starts one without our CRDs. The first start on a machine builds the servers, which takes minutes and says so on stderr.
    pub fn start() -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Facts {
            kubeconfig: PathBuf,
            dir: PathBuf,
            server: String,
            etcd: String,
            bin: PathBuf,
            audit_log: PathBuf,
            pids: Pids,
        }
        let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/control-plane/run");
        let mut script = Command::new(&run)
            .env_remove("KEEP")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", run.display()))?;
        let stdin = script.stdin.take();
        let mut line = String::new();
        let stdout = script.stdout.take().ok_or("no stdout")?;
        BufReader::new(stdout).read_line(&mut line).map_err(|error| error.to_string())?;
        // Without a line the script has ended and has said why on stderr.
        let facts: Facts = serde_json::from_str(&line).map_err(|error| format!("{} printed {line:?}: {error}", run.display()))?;
        let Facts { kubeconfig, dir, server, etcd, bin, audit_log, pids } = facts;
        Ok(Self { kubeconfig, dir, server, etcd, audit_log, pids, kubectl: bin.join("kubectl"), script, stdin })
    }

    /// Applies our CRDs and waits until all kinds are served.
    pub fn with_crds(self) -> Result<Self, String> {
        let run = |args: &[&str], stdin: &str| {
            let Output { success, stdout, stderr } = self.run_kubectl(&self.kubeconfig, args, stdin);
            if success { Ok(stdout) } else { Err(format!("kubectl {}: {stderr}", args.join(" "))) }
        };
        let crds = manifests::crds_yaml().map_err(|error| error.to_string())?;
        run(&["apply", "--server-side", "-f", "-"], &crds)?;
        run(&["wait", "--for=condition=Established", "--timeout=60s", "-f", "-"], &crds)?;
        // "Established" comes a moment before the endpoint of each kind does, and the schema that `kubectl explain` reads
        // is published by a queue of its own, some seconds later on a busy machine.
        let served = || {
            let openapi = run(&["get", "--raw", "/openapi/v3/apis/keyward.dev/v1alpha1"], "")?;
            for kind in ["managedkeys", "keygrants", "keyproviders"] {
                run(&["get", "--raw", &format!("/apis/keyward.dev/v1alpha1/{kind}")], "")?;
                if !openapi.contains(&format!("/{kind}/{{name}}\"")) {
                    return Err(format!("no {kind} in the OpenAPI schema"));
                }
            }
            Ok(())
        };
        let started = std::time::Instant::now();
        while let Err(complaint) = served() {
            if started.elapsed() > WITHIN {
                return Err(complaint);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(self)
    }

    /// Keeps what etcd has now.
    pub async fn snapshot(&self) {
        self.tell("snapshot").await;
    }

    /// Puts back what etcd had then, under the API server as it runs.
    pub async fn restore(&self) {
        self.tell("restore").await;
    }

    /// Ends the API server and starts another.
    pub async fn restart(&self) {
        self.tell("restart").await;
    }

    /// Tells the script a word, and waits until that is done and the API server answers.
    async fn tell(&self, word: &str) {
        let done = self.dir.join(word);
        // A file of the last time, if there was one.
        let _ = std::fs::remove_file(&done);
        let mut stdin = self.stdin.as_ref().unwrap();
        stdin.write_all(format!("{word}\n").as_bytes()).unwrap();
        // The script gives each server two minutes, and says on stderr if it takes longer.
        let etcd = self.dir.join("etcd.log");
        eventually(word, 3 * WITHIN, async || {
            if done.exists() {
                return Ok(());
            }
            let log = std::fs::read_to_string(&etcd).unwrap_or_else(|error| error.to_string());
            Err(log.lines().rev().take(5).collect::<Vec<_>>().join("\n"))
        })
        .await;
        let namespaces = Api::<Namespace>::all(self.client().await);
        eventually("the API server answers", WITHIN, async || namespaces.get("default").await.map(drop)).await;
    }

    /// A client of the administrator, for the runtime that calls.
    pub async fn client(&self) -> Client {
        self.client_of(&self.kubeconfig).await
    }

    /// A client of whom a kubeconfig speaks, for the runtime that calls.
    pub async fn client_of(&self, kubeconfig: &Path) -> Client {
        // The tests' own TLS; a second call finds it there already, which is as good.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        Client::try_from(config).unwrap()
    }

    /// A client of that user, as the administrator impersonates them.
    pub async fn client_as(&self, user: &str) -> Client {
        let kubeconfig = Kubeconfig::read_from(&self.kubeconfig).unwrap();
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        config.auth_info.impersonate = Some(user.into());
        Client::try_from(config).unwrap()
    }

    /// Runs the real `kubectl` as the administrator.
    pub async fn kubectl(&'static self, args: &[&str]) -> Output {
        self.kubectl_with(args, "").await
    }

    /// Runs the real `kubectl` as the administrator, with `stdin`: the manifest that `-f -` reads.
    pub async fn kubectl_with(&'static self, args: &[&str], stdin: &str) -> Output {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let stdin = stdin.to_owned();
        // Off the test's runtime, so that a server that runs in it goes on answering.
        tokio::task::spawn_blocking(move || {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            self.run_kubectl(&self.kubeconfig, &args, &stdin)
        })
        .await
        .unwrap()
    }

    /// Runs shell commands as the administrator, with the real `kubectl`.
    pub async fn shell(&'static self, commands: &str) -> Output {
        let folder = self.kubectl.parent().unwrap().to_str().unwrap();
        let output = tokio::process::Command::new("bash")
            .args(["-euo", "pipefail", "-c", commands])
            .env("PATH", format!("{folder}:{}", std::env::var("PATH").unwrap()))
            .env("KUBECONFIG", &self.kubeconfig)
            .env("KUBERC", "off")
            .env("KUBECACHEDIR", self.dir.join("kubectl-cache"))
            .output()
            .await
            .unwrap();
        Output::of(&output)
    }

    fn run_kubectl(&self, kubeconfig: &Path, args: &[&str], stdin: &str) -> Output {
        let mut child = Command::new(&self.kubectl)
            .arg("--kubeconfig")
            .arg(kubeconfig)
            // Ports come round again, and the cache is by port.
            .arg("--cache-dir")
            .arg(self.dir.join("kubectl-cache"))
            .args(args)
            .env("KUBERC", "off")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Manifests are smaller than a pipe's buffer or kubectl reads them before it prints, so this cannot wait for ever. A kubectl that does not
        // read its stdin closes it early; what it makes of that is in its own output.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        Output::of(&child.wait_with_output().unwrap())
    }

    /// A fresh namespace whose name begins with `prefix`.
    pub async fn namespace(&self, prefix: &str) -> String {
        let metadata = ObjectMeta { generate_name: Some(format!("{prefix}-")), ..ObjectMeta::default() };
        let namespace = Namespace { metadata, ..Namespace::default() };
        Api::all(self.client().await).create(&PostParams::default(), &namespace).await.unwrap().name_any()
    }

    /// A kubeconfig of the operator's `ServiceAccount` in `namespace`, with the rights that `keyward rbac` prints for it and no others.
    pub async fn service_account_kubeconfig(&self, namespace: &str) -> PathBuf {
        self.kubeconfig_of(&Scope::whole(namespace)).await
    }

    /// The same for an operator that works in some namespaces.
    pub async fn kubeconfig_of(&self, scope: &Scope) -> PathBuf {
        let namespace = scope.namespace.as_str();
        let client = self.client().await;
        let mut rbac = manifests::rbac(scope);
        // Several operators share this cluster. In a real one the single binding of that name belongs to the single operator.
        rbac.cluster_role_binding.metadata.name = Some(format!("{}-{namespace}", manifests::NAME));
        apply(&Api::namespaced(client.clone(), namespace), &rbac.service_account).await;
        apply(&Api::all(client.clone()), &rbac.cluster_role).await;
        apply(&Api::all(client.clone()), &rbac.cluster_role_binding).await;
        apply(&Api::all(client.clone()), &rbac.object_role).await;
        if let Some(mut binding) = rbac.object_cluster_role_binding {
            binding.metadata.name = Some(format!("{}-objects-{namespace}", manifests::NAME));
            apply(&Api::all(client.clone()), &binding).await;
        }
        for binding in &rbac.object_role_bindings {
            apply(&Api::namespaced(client.clone(), binding.metadata.namespace.as_deref().unwrap()), binding).await;
        }
        apply(&Api::namespaced(client.clone(), namespace), &rbac.role).await;
        apply(&Api::namespaced(client.clone(), namespace), &rbac.role_binding).await;

        let path = self.dir.join(format!("{namespace}.kubeconfig"));
        let token = token(client, namespace).await;
        std::fs::write(&path, self.kubeconfig_with(&token)).unwrap();
        // The authorizer learns of roles and bindings by watching them, a moment later.
        let operator = self.client_of(&path).await;
        for attributes in [
            ResourceAttributes {
                verb: Some("list".into()),
                group: Some("keyward.dev".into()),
                resource: Some("managedkeys".into()),
                ..ResourceAttributes::default()
            },
            ResourceAttributes {
                verb: Some("list".into()),
                resource: Some("secrets".into()),
                namespace: Some(namespace.into()),
                ..ResourceAttributes::default()
            },
            ResourceAttributes {
                verb: Some("patch".into()),
                group: Some("keyward.dev".into()),
                resource: Some("managedkeys".into()),
                namespace: scope.watch_namespaces.last().cloned(),
                ..ResourceAttributes::default()
            },
        ] {
            eventually("the rights of the ServiceAccount", WITHIN, async || may(&operator, attributes.clone()).await).await;
        }
        path
    }

    /// The administrator's kubeconfig with a token in place of the certificate. JSON is YAML.
    pub fn kubeconfig_with(&self, token: &str) -> String {
        let admin = Kubeconfig::read_from(&self.kubeconfig).unwrap();
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "operator",
            "contexts": [{ "name": "operator", "context": { "cluster": "test", "user": "operator" } }],
            "clusters": [{ "name": "test", "cluster": admin.clusters[0].cluster }],
            "users": [{ "name": "operator", "user": { "token": token } }],
        })
        .to_string()
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // It removes its folder before it ends. A failure to wait has no one to be told.
        let _ = self.script.wait();
    }
}

/// Server-side apply, as `kubectl apply --server-side` does it.
pub async fn apply<K>(api: &Api<K>, object: &K) -> K
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Serialize + DeserializeOwned,
{
    api.patch(&object.name_any(), &PatchParams::apply("keyward-tests").force(), &Patch::Apply(object)).await.unwrap()
}

/// A token of the operator's `ServiceAccount`, good for longer than any test runs.
async fn token(client: Client, namespace: &str) -> String {
    let spec = TokenRequestSpec { audiences: Vec::new(), expiration_seconds: Some(4 * 3600), ..TokenRequestSpec::default() };
    let request = TokenRequest { spec, ..TokenRequest::default() };
    let accounts: Api<ServiceAccount> = Api::namespaced(client, namespace);
    accounts.create_token_request(manifests::NAME, &PostParams::default(), &request).await.unwrap().status.unwrap().token
}

/// Whether the client's own user may do that; otherwise what the API server says of it.
pub async fn may(client: &Client, attributes: ResourceAttributes) -> Result<(), String> {
    let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..SelfSubjectAccessReviewSpec::default() };
    let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
    let review = Api::all(client.clone()).create(&PostParams::default(), &review).await.map_err(|error| error.to_string())?;
    match review.status {
        Some(status) if status.allowed => Ok(()),
        status => Err(format!("{status:?}")),
    }
}

/// A suite that leaves servers behind fills the machine that runs it.
#[test]
fn nothing_is_left_behind() {
    let control_plane = ControlPlane::start().unwrap();
    let Pids { etcd, apiserver, controller_manager } = control_plane.pids;
    let (dir, audit_log) = (control_plane.dir.clone(), control_plane.audit_log.clone());
    assert!(control_plane.server.starts_with("https://127.0.0.1:"), "{}", control_plane.server);
    let running = |pid: u32| Path::new("/proc").join(pid.to_string()).exists();
    assert!(running(etcd) && running(apiserver) && running(controller_manager));
    assert!(std::fs::metadata(audit_log).unwrap().len() > 0, "the API server writes no audit log");
    drop(control_plane);
    assert!(!running(etcd) && !running(apiserver) && !running(controller_manager));
    assert!(!dir.exists());
}
