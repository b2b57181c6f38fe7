//! For tests: a context with one provider, and an API server that has only this provider.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Request, Response};
use http_body_util::BodyExt;
use kube::{
    Client,
    client::Body,
    runtime::{reflector, watcher},
};
use serde_json::{Value, json};

use super::{Context, Settings, key_provider::Providers, lane::Lanes, watch::Anew};
use crate::{api::ManagedKey, lease::Held, metrics::Metrics};

/// The name of the provider.
pub const PROVIDER: &str = "default";

/// The API server.
#[derive(Clone, Debug)]
pub struct Server(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    provider: Value,
    refuses: usize,
    writes: Vec<Value>,
}

impl Server {
    /// Refuses this many writes from now on.
    pub fn refuse(&self, count: usize) {
        self.0.lock().unwrap().refuses = count;
    }

    /// The bodies of all writes, including those that were refused.
    pub fn writes(&self) -> Vec<Value> {
        self.0.lock().unwrap().writes.clone()
    }

    /// The provider's status.
    pub fn status(&self) -> Value {
        self.0.lock().unwrap().provider["status"].clone()
    }

    fn answer(&self, method: &http::Method, path: &str, body: &[u8]) -> (u16, Value) {
        let mut inner = self.0.lock().unwrap();
        if !path.contains("/keyproviders/") {
            let refused =
                json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404, "message": "no" });
            return (404, refused);
        }
        if method == http::Method::GET {
            return (200, inner.provider.clone());
        }
        let body: Value = serde_json::from_slice(body).unwrap();
        inner.writes.push(body.clone());
        if inner.refuses > 0 {
            inner.refuses -= 1;
            let refused = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "InternalError", "code": 500, "message": "no" });
            return (500, refused);
        }
        let version = inner.provider["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap() + 1;
        inner.provider["metadata"]["resourceVersion"] = json!(version.to_string());
        inner.provider["status"] = body["status"].clone();
        (200, inner.provider.clone())
    }
}

/// The provider, with that status.
pub fn provider(status: &Value) -> Value {
    json!({
        "apiVersion": "keyward.dev/v1alpha1", "kind": "KeyProvider",
        "metadata": { "name": PROVIDER, "uid": "p1", "resourceVersion": "1", "generation": 1 },
        "spec": { "type": "AWS", "aws": { "region": "eu-west-1" }, "namespaces": { "from": "All" } },
        "status": status,
    })
}

/// A context whose watches show that provider and these objects, and go on to show them.
pub fn context(status: &Value, objects: &[ManagedKey]) -> (Context, Server) {
    let provider = provider(status);
    let server = Server(Arc::new(Mutex::new(Inner { provider: provider.clone(), refuses: 0, writes: Vec::new() })));
    let answering = server.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let server = answering.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let (status, answer) = server.answer(&parts.method, parts.uri.path(), &body);
            Ok::<_, Infallible>(Response::builder().status(status).body(Body::from(answer.to_string().into_bytes())).unwrap())
        }
    });
    (context_at(Client::new(service, "default"), &provider, objects), server)
}

/// The same at any API server.
pub fn context_at(client: Client, provider: &Value, objects: &[ManagedKey]) -> Context {
    let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let settings = Settings {
        cluster_id: "prod".into(),
        namespace: "keyward-system".into(),
        instance: "test".into(),
        watch_namespaces: Vec::new(),
        concurrency: 1,
        consistency: Duration::ZERO,
        missing_after: Duration::ZERO,
        attempt_wait: Duration::ZERO,
        principal_wait: Duration::ZERO,
        orphans_every: Duration::from_hours(24),
        per_object_metrics: true,
    };
    let (providers, mut writer) = reflector::store();
    writer.apply_watcher_event(&watcher::Event::Apply(serde_json::from_value(provider.clone()).unwrap()));
    let (keys, mut writer) = reflector::store();
    for object in objects {
        let object = serde_json::from_value(serde_json::to_value(object).unwrap()).unwrap();
        writer.apply_watcher_event(&watcher::Event::Apply(object));
    }
    let (metrics, anew) = (Metrics::new(true), Anew::default());
    let providers = Providers::new(providers);
    let namespaces = reflector::store().0;
    Context::new(client, settings, Held::always(), metrics, providers, keys, namespaces, anew, Lanes::new().0)
}
