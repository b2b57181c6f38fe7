//! The real program, as a process of its own, with the rights of its `ServiceAccount`.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

use serde_json::json;

use super::{
    control_plane::{self, ControlPlane},
    gate::Gate,
};

/// The cluster id of every operator under test.
pub const CLUSTER: &str = "it";

/// A running operator. Dropping it kills it.
pub struct Operator {
    process: Child,
    /// What it logged.
    pub log: PathBuf,
}

/// What an operator needs to be started, and started again.
#[derive(Clone)]
pub struct Post {
    /// Its own namespace, where the secrets of its providers are.
    pub namespace: String,
    kubeconfig: PathBuf,
    dir: PathBuf,
    program: PathBuf,
}

impl Post {
    /// Makes the namespace and the `ServiceAccount` with exactly the rights that `keyward rbac` prints.
    pub async fn new(control_plane: &ControlPlane) -> Self {
        let namespace = control_plane.namespace("operator").await;
        let kubeconfig = control_plane.service_account_kubeconfig(&namespace).await;
        Self::installed(control_plane, &namespace, kubeconfig)
    }

    /// The post of an operator that somebody installed: its namespace, and what says who it is.
    pub fn installed(control_plane: &ControlPlane, namespace: &str, kubeconfig: PathBuf) -> Self {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_keyward"));
        Self { namespace: namespace.to_owned(), kubeconfig, dir: control_plane.dir.clone(), program }
    }

    /// The same post for another program, such as an older version.
    pub fn of(&self, program: &Path) -> Self {
        Self { program: program.to_owned(), ..self.clone() }
    }

    /// The same post, from where all requests to the API server go through a gate.
    pub async fn behind_gate(&self, control_plane: &ControlPlane) -> (Self, Gate) {
        let gate = Gate::start(control_plane.client_of(&self.kubeconfig).await).await;
        let kubeconfig = self.dir.join(format!("{}-{}.kubeconfig", self.namespace, gate.address().port()));
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "gate",
            "contexts": [{ "name": "gate", "context": { "cluster": "gate", "user": "gate" } }],
            "clusters": [{ "name": "gate", "cluster": { "server": format!("http://{}", gate.address()) } }],
            "users": [{ "name": "gate", "user": {} }],
        });
        std::fs::write(&kubeconfig, config.to_string()).unwrap();
        (Self { kubeconfig, ..self.clone() }, gate)
    }

    /// Starts the operator. Waits of minutes are seconds here, and the order between them is kept.
    pub fn start(&self) -> Operator {
        self.start_with(&[])
    }

    /// The same with more flags.
    pub fn start_with(&self, flags: &[&str]) -> Operator {
        let arguments = [&["controller", "--cluster-id", CLUSTER, "--namespace", &self.namespace], flags].concat();
        // By environment, so that a flag can say otherwise.
        let environment = [
            ("KEYWARD_LISTEN", "127.0.0.1:0"),
            ("KEYWARD_LOG_FORMAT", "json"),
            ("KEYWARD_LOG_LEVEL", "info,keyward=debug"),
            ("KEYWARD_LEADER_ELECTION", "false"),
            // As the Deployment sets it.
            ("MALLOC_ARENA_MAX", "1"),
        ];
        self.start_as(&arguments, &environment)
    }

    /// Starts it with these arguments and this environment, as a kubelet does.
    pub fn start_as(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Operator {
        let log = self.dir.join(format!("{}-{}.log", self.namespace, uuid::Uuid::new_v4()));
        let process = Command::new(&self.program)
            .args(arguments)
            .env_clear()
            .envs([("KEYWARD_CONSISTENCY", "300ms"), ("KEYWARD_MISSING_AFTER", "2s"), ("KEYWARD_ATTEMPT_WAIT", "4s")])
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("KUBECONFIG", &self.kubeconfig)
            // No instance metadata, and no credentials but those that a test gives.
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("RUST_BACKTRACE", "1")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Operator { process, log }
    }
}

impl Operator {
    /// Kills it, as the kernel would.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The last lines that it logged.
    pub fn tail(&self) -> String {
        tail(&self.log)
    }
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The operator that tests share, on the shared control plane. Each test has its own namespace, provider and KMS.
pub struct Shared {
    /// Where its secrets are.
    pub post: Post,
    /// Its log.
    pub log: PathBuf,
}

/// Starts it, by the first test that asks. It ends with the test process: its API server does.
pub fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(|| {
        // A runtime of its own, because each test has another one, and the first one's ends with the first test.
        std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let control_plane = control_plane::shared();
                let post = Post::new(control_plane).await;
                let operator = post.start();
                let log = operator.log.clone();
                end_with_this_process(operator);
                Shared { post, log }
            })
        })
        .join()
        .unwrap()
    })
}

/// Statics are not dropped at the end of a process, so a shell that waits for the end of its own input ends the operator: that pipe closes with this process,
/// however it ends.
fn end_with_this_process(operator: Operator) {
    let watch = Command::new("sh")
        .args(["-c", "cat >/dev/null; kill -9 \"$0\" 2>/dev/null", &operator.id().to_string()])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    std::mem::forget(operator);
    std::mem::forget(watch);
}

/// How long a test waits for what an operator does in well under a second on a quiet machine.
pub const WITHIN: Duration = Duration::from_mins(1);
