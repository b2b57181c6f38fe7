//! An API server and operators in this process, for what needs neither a schema nor a right.
//!
//! The controllers are the real ones, and so are the clients of the KMS, which talk to the double over a socket. In the place of the API server stands
//! [`ApiDouble`]. An operator has a thread and a runtime of its own, so that it can be killed: every task of it is dropped where it waits, and nothing that
//! it remembers is left.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use api_double::ApiDouble;
use keyward::{
    controller::{self, Settings, Signs},
    lease::Held,
    metrics::Metrics,
    server::Readiness,
};
use kube::{
    Client,
    api::{Api, ApiResource, DynamicObject, PostParams},
};
use serde_json::json;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{gate::Gate, operator::CLUSTER};

/// Namespace of every operator.
pub const OPERATOR: &str = "keyward-system";

/// An API server in memory, and the way on which operators get to it. Clones are the same server.
#[derive(Clone)]
pub struct Memory {
    pub server: ApiDouble,
    /// Makes an operator's client, in the runtime of the operator.
    way: Arc<dyn Fn() -> Client + Send + Sync>,
}

impl Memory {
    /// One with the namespaces `default` and [`OPERATOR`], and the CRDs of keys and grants.
    pub async fn new() -> Self {
        // As `main` does first.
        let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let server = ApiDouble::default();
        let way = {
            Arc::new({
                let server = server.clone();
                move || client(&server)
            })
        };
        let memory = Self { server, way };
        for namespace in ["default", OPERATOR] {
            memory.make("v1", "Namespace", "namespaces", namespace).await;
        }
        for crd in ["managedkeys.keyward.dev", "keygrants.keyward.dev"] {
            memory.make("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", crd).await;
        }
        memory
    }

    /// A client of a person, for the runtime that calls.
    pub fn client(&self) -> Client {
        client(&self.server)
    }

    /// Makes a fresh namespace whose name begins with `prefix`.
    pub async fn namespace(&self, prefix: &str) -> String {
        static NAMESPACES: AtomicU64 = AtomicU64::new(0);
        let name = format!("{prefix}-{}", NAMESPACES.fetch_add(1, Ordering::Relaxed));
        self.make("v1", "Namespace", "namespaces", &name).await;
        name
    }

    async fn make(&self, version: &str, kind: &str, plural: &str, name: &str) {
        let group = version.split_once('/').map_or("", |(group, _)| group);
        let resource = ApiResource {
            group: group.into(),
            version: "v1".into(),
            api_version: version.into(),
            kind: kind.into(),
            plural: plural.into(),
        };
        let object = json!({ "apiVersion": version, "kind": kind, "metadata": { "name": name }, "spec": {} });
        let api = Api::<DynamicObject>::all_with(self.client(), &resource);
        api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    }

    /// The same server, to which all requests of operators go through a gate.
    pub fn behind_gate(&self) -> (Self, Gate) {
        let gate = Gate::over(self.client());
        let way = gate.way();
        (Self { server: self.server.clone(), way: Arc::new(way) }, gate)
    }

    /// Starts an operator. Waits of minutes are seconds here, and the order between them is kept.
    pub fn start(&self) -> Hand {
        self.start_with(|_| {})
    }

    /// The same with other settings.
    pub fn start_with(&self, change: impl FnOnce(&mut Settings)) -> Hand {
        let mut settings = Settings {
            cluster_id: CLUSTER.into(),
            namespace: OPERATOR.into(),
            instance: "memory".into(),
            watch_namespaces: Vec::new(),
            concurrency: 16,
            consistency: Duration::from_millis(100),
            missing_after: Duration::from_secs(2),
            attempt_wait: Duration::from_secs(4),
            // As long as that of the program, unless a test says so.
            principal_wait: Settings::PRINCIPAL_WAIT,
            // No test lasts until the first count, unless it says so.
            orphans_every: Duration::from_hours(24),
            per_object_metrics: false,
        };
        change(&mut settings);
        let (way, metrics) = (Arc::clone(&self.way), Metrics::new(settings.per_object_metrics));
        let its_own = metrics.clone();
        let (kill, killed) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let running = controller::run(
                    way(),
                    settings,
                    Held::always(),
                    its_own,
                    Readiness::default(),
                    Signs::default(),
                    CancellationToken::new(),
                );
                tokio::select! {
                    ended = running => panic!("the controllers ended by themselves: {ended:?}"),
                    // An error means that the `Hand` was dropped.
                    _ = killed => {}
                }
            });
            runtime.shutdown_background();
        });
        Hand { kill: Some(kill), thread: Some(thread), metrics }
    }
}

fn client(server: &ApiDouble) -> Client {
    Client::new(server.service::<kube::client::Body>(), "default")
}

/// An operator in this process. Dropping it kills it.
pub struct Hand {
    pub metrics: Metrics,
    kill: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Hand {
    /// Ends it at once and drops all that it awaits.
    pub fn kill(&mut self) {
        drop(self.kill.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the controllers fails the test, unless it fails already.
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the operator panicked");
        }
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.kill();
    }
}
