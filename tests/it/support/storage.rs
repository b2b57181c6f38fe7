//! The storage of a control plane, written past the API server: nothing is admitted, defaulted or checked, and nobody's rights are asked.
//!
//! etcd has each object as JSON, and the revision of its last write is its `resourceVersion`. The API server reads what is there, and its watches bring it.

use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::{control_plane::ControlPlane, scene::merge};

/// How often an edit begins again because somebody else wrote meanwhile.
const TRIES: usize = 100;

/// The storage.
#[derive(Clone, Debug)]
pub struct Storage {
    etcd: String,
    http: reqwest::Client,
}

/// Where an object is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place(String);

impl Place {
    /// The place of a `ManagedKey`.
    pub fn of_key(namespace: &str, name: &str) -> Self {
        Self(format!("/registry/keyward.dev/managedkeys/{namespace}/{name}"))
    }

    fn text(&self) -> String {
        BASE64_STANDARD.encode(&self.0)
    }
}

impl Storage {
    /// The storage of that control plane.
    pub fn of(control_plane: &ControlPlane) -> Self {
        // As `main` does first. A second call finds it there already.
        let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Self { etcd: control_plane.etcd.clone(), http: reqwest::Client::new() }
    }

    async fn ask(&self, call: &str, question: Value) -> Value {
        let url = format!("http://{}/v3/kv/{call}", self.etcd);
        let answer = self.http.post(url).body(question.to_string()).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "etcd: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Writes an object, whatever was there. Gives the revision of the write.
    ///
    /// Each has a revision of its own, as from an API server. A watch that is closed within a revision goes on after it, and never tells the rest.
    pub async fn put(&self, object: &(Place, Value)) -> String {
        self.transact(json!({ "success": [write(object)] })).await.expect("nothing is compared")
    }

    /// Runs a transaction. Gives its revision; `None`: what it compares is otherwise.
    async fn transact(&self, transaction: Value) -> Option<String> {
        let answer = self.ask("txn", transaction).await;
        let revision = answer.pointer("/header/revision").and_then(Value::as_str).expect("a revision").to_owned();
        (answer["succeeded"] == true).then_some(revision)
    }

    /// The revision of the last write of an object; `None`: there is no such object.
    pub async fn revision(&self, place: &Place) -> Option<String> {
        let answer = self.ask("range", json!({ "key": place.text(), "keysOnly": true })).await;
        answer.pointer("/kvs/0/mod_revision").and_then(Value::as_str).map(str::to_owned)
    }

    /// Stores a new object, with what the API server gives each object: a UID, a time and a generation.
    pub async fn create(&self, object: Value) -> DynamicObject {
        let mut whole = json!({ "metadata": {
            "uid": uuid::Uuid::new_v4().to_string(), "generation": 1, "creationTimestamp": format!("{:.0}", Timestamp::now()),
        } });
        merge(&mut whole, object);
        let stored: DynamicObject = serde_json::from_value(whole.clone()).unwrap();
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let place = Place::of_key(&text(&stored.metadata.namespace), &text(&stored.metadata.name));
        let revision = self.put(&(place, whole)).await;
        versioned(stored, revision)
    }

    /// Lays a merge patch over what `read` gives, an object with its version, and stores that. A change of the spec is a new generation.
    pub async fn edit(&self, patch: &Value, read: impl AsyncFn() -> Result<DynamicObject, String>) -> Result<DynamicObject, String> {
        for _ in 0..TRIES {
            let mut known = read().await?;
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            let place = Place::of_key(&text(&known.metadata.namespace), &text(&known.metadata.name));
            let version = known.metadata.resource_version.take().unwrap_or_default();
            let mut object = serde_json::to_value(&known).unwrap();
            let before = object["spec"].clone();
            merge(&mut object, patch.clone());
            if object["spec"] != before {
                object["metadata"]["generation"] = json!(known.metadata.generation.unwrap_or_default() + 1);
            }
            let compare = json!([{ "key": place.text(), "target": "MOD", "result": "EQUAL", "modRevision": version }]);
            let stored = serde_json::from_value(object.clone()).unwrap();
            if let Some(revision) = self.transact(json!({ "compare": compare, "success": [write(&(place, object))] })).await {
                return Ok(versioned(stored, revision));
            }
        }
        Err("others write it all the time".into())
    }
}

fn write((place, object): &(Place, Value)) -> Value {
    json!({ "requestPut": { "key": place.text(), "value": BASE64_STANDARD.encode(object.to_string()) } })
}

fn versioned(mut object: DynamicObject, revision: String) -> DynamicObject {
    object.metadata.resource_version = Some(revision);
    object
}
