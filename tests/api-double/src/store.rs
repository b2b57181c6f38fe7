//! The objects, and what becomes of a write.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    merge::{apply, map, merge},
    request::{Request, Verb},
};

/// Kinds that have a status of its own, which a write of the object does not touch.
const WITH_STATUS: [&str; 3] = ["keygrants", "managedkeys", "keyproviders"];

/// A write that stands.
#[derive(Clone, Debug)]
pub struct Write {
    /// The kind, as `managedkeys`.
    pub plural: String,
    /// Its namespace; empty if it has none.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether the status was written.
    pub status: bool,
    /// Who wrote, by the name that the writer gave itself.
    pub manager: String,
    /// What was sent.
    pub body: Value,
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Invalid(String),
    NotFound(String),
    AlreadyExists(String),
    Conflict(String),
    Terminating(String),
}

impl Refusal {
    pub(crate) const fn code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "Invalid"),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "NotFound"),
            Self::AlreadyExists(_) => (StatusCode::CONFLICT, "AlreadyExists"),
            Self::Conflict(_) => (StatusCode::CONFLICT, "Conflict"),
            Self::Terminating(_) => (StatusCode::FORBIDDEN, "Forbidden"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(why) => write!(f, "{why}"),
            Self::NotFound(what) => write!(f, "{what} not found"),
            Self::AlreadyExists(what) => write!(f, "{what} already exists"),
            Self::Conflict(what) => write!(f, "{what}: the object has been modified"),
            Self::Terminating(namespace) => write!(f, "namespace {namespace} is being terminated"),
        }
    }
}

/// Kind, namespace and name.
type Id = (String, String, String);

/// The objects and their history.
#[derive(Debug, Default)]
pub(crate) struct Store {
    version: u64,
    objects: BTreeMap<Id, Value>,
    /// Every change, oldest first, with its version.
    history: Vec<(u64, &'static str, Id, Value)>,
    /// What each manager applied last, by object and whether it is the status.
    applied: HashMap<(Id, bool, String), Value>,
    pub(crate) writes: Vec<Write>,
}

impl Store {
    /// The version of the last change.
    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn answer(&mut self, request: &Request) -> Result<Value, Refusal> {
        let id = id_of(request);
        match request.verb {
            Verb::Get => self.get(&id).map(|object| shown(object, request)),
            Verb::List | Verb::Watch => Ok(self.list(request)),
            Verb::Create => self.create(request),
            Verb::Replace | Verb::Merge | Verb::Apply => self.change(request, id),
            Verb::Delete => self.delete(request, &id),
            Verb::DeleteAll => {
                let all: Vec<Id> = self.objects.iter().filter(|(id, _)| is_of(id, request)).map(|(id, _)| id.clone()).collect();
                for id in all {
                    self.delete(request, &id)?;
                }
                Ok(self.list(request))
            }
        }
    }

    fn get(&self, id: &Id) -> Result<&Value, Refusal> {
        self.objects.get(id).ok_or_else(|| Refusal::NotFound(named(id)))
    }

    fn list(&self, request: &Request) -> Value {
        let items: Vec<Value> =
            self.objects.iter().filter(|(id, _)| is_of(id, request)).map(|(_, object)| shown(object, request)).collect();
        json!({ "apiVersion": "v1", "kind": "List", "metadata": { "resourceVersion": self.version.to_string() }, "items": items })
    }

    /// The changes of a kind after that version, a line each, and the version of the last of them.
    pub(crate) fn changes(&self, request: &Request, after: u64) -> (String, u64) {
        let (mut text, mut last) = (String::new(), after);
        let from = self.history.partition_point(|(version, ..)| *version <= after);
        for (version, kind, id, object) in self.history.iter().skip(from) {
            if is_of(id, request) {
                last = *version;
                text.push_str(&json!({ "type": kind, "object": shown(object, request) }).to_string());
                text.push('\n');
            }
        }
        (text, last)
    }

    fn create(&mut self, request: &Request) -> Result<Value, Refusal> {
        let mut object = request.body.clone();
        let metadata = map(map(&mut object).entry("metadata").or_insert(Value::Null));
        if !metadata.contains_key("name") {
            let begin = metadata.get("generateName").and_then(Value::as_str).unwrap_or_default();
            let random = uuid::Uuid::new_v4().simple().to_string();
            metadata.insert("name".into(), format!("{begin}{}", random.get(..8).unwrap_or_default()).into());
        }
        let name = metadata.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let id = (request.plural.clone(), request.namespace.clone(), name);
        if self.objects.contains_key(&id) {
            return Err(Refusal::AlreadyExists(named(&id)));
        }
        self.admits(&request.namespace)?;
        if WITH_STATUS.contains(&&*request.plural) {
            map(&mut object).remove("status");
        }
        Ok(self.begin(request, id, object))
    }

    /// Whether a namespace takes new objects.
    fn admits(&self, namespace: &str) -> Result<(), Refusal> {
        if namespace.is_empty() {
            return Ok(());
        }
        let found = self.get(&("namespaces".into(), String::new(), namespace.into()))?;
        if found.pointer("/metadata/deletionTimestamp").is_some() { Err(Refusal::Terminating(namespace.into())) } else { Ok(()) }
    }

    fn begin(&mut self, request: &Request, id: Id, mut object: Value) -> Value {
        encode_secret(&mut object);
        let metadata = map(map(&mut object).entry("metadata").or_insert(Value::Null));
        metadata.insert("name".into(), id.2.clone().into());
        if !id.1.is_empty() {
            metadata.insert("namespace".into(), id.1.clone().into());
        }
        metadata.insert("uid".into(), uuid::Uuid::new_v4().to_string().into());
        metadata.insert("creationTimestamp".into(), now().into());
        metadata.insert("generation".into(), 1.into());
        self.keep("ADDED", request, id, object)
    }

    /// Gives the object its version, and keeps it, unless the request only tries.
    fn keep(&mut self, kind: &'static str, request: &Request, id: Id, mut object: Value) -> Value {
        if request.query("dryRun").is_some() {
            return shown(&object, request);
        }
        self.version += 1;
        map(map(&mut object).entry("metadata").or_insert(Value::Null)).insert("resourceVersion".into(), self.version.to_string().into());
        self.writes.push(Write {
            plural: id.0.clone(),
            namespace: id.1.clone(),
            name: id.2.clone(),
            status: request.status,
            manager: manager(request),
            body: request.body.clone(),
        });
        self.history.push((self.version, kind, id.clone(), object.clone()));
        let answer = shown(&object, request);
        if kind == "DELETED" {
            self.objects.remove(&id);
            self.applied.retain(|(known, ..), _| *known != id);
        } else {
            self.objects.insert(id, object);
        }
        answer
    }

    fn change(&mut self, request: &Request, id: Id) -> Result<Value, Refusal> {
        let owner = (id.clone(), request.status, manager(request));
        let Some(before) = self.objects.get(&id).cloned() else {
            if request.verb != Verb::Apply || request.status {
                return Err(Refusal::NotFound(named(&id)));
            }
            self.admits(&request.namespace)?;
            self.applied.insert(owner, request.body.clone());
            return Ok(self.begin(request, id, request.body.clone()));
        };
        precondition(&id, &before, &request.body)?;
        let mut object = before.clone();
        match request.verb {
            Verb::Replace => object = replaced(&before, &request.body),
            Verb::Apply => {
                let nothing = Value::Null;
                let known = self.applied.get(&owner).unwrap_or(&nothing);
                apply(&mut object, &without_version(known), &without_version(&request.body));
            }
            _ => merge(&mut object, &without_version(&request.body)),
        }
        encode_secret(&mut object);
        settle(&mut object, &before, request);
        if request.verb == Verb::Apply && request.query("dryRun").is_none() {
            self.applied.insert(owner, request.body.clone());
        }
        // What changes nothing makes no version, and nobody hears of it.
        if object == before {
            return Ok(shown(&before, request));
        }
        let is_free = object.pointer("/metadata/finalizers").and_then(Value::as_array).is_none_or(Vec::is_empty);
        let goes = object.pointer("/metadata/deletionTimestamp").is_some() && is_free;
        Ok(self.keep(if goes { "DELETED" } else { "MODIFIED" }, request, id, object))
    }

    fn delete(&mut self, request: &Request, id: &Id) -> Result<Value, Refusal> {
        let mut object = self.get(id)?.clone();
        precondition(id, &object, &json!({ "metadata": request.body.get("preconditions") }))?;
        let is_free = object.pointer("/metadata/finalizers").and_then(Value::as_array).is_none_or(Vec::is_empty);
        if is_free {
            self.keep("DELETED", request, id.clone(), object);
            return Ok(json!({ "kind": "Status", "apiVersion": "v1", "status": "Success", "code": 200 }));
        }
        if object.pointer("/metadata/deletionTimestamp").is_some() {
            return Ok(shown(&object, request));
        }
        let generation = object.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or_default() + 1;
        let metadata = map(map(&mut object).entry("metadata").or_insert(Value::Null));
        metadata.insert("deletionTimestamp".into(), now().into());
        metadata.insert("deletionGracePeriodSeconds".into(), 0.into());
        metadata.insert("generation".into(), generation.into());
        Ok(self.keep("MODIFIED", request, id.clone(), object))
    }
}

fn id_of(request: &Request) -> Id {
    (request.plural.clone(), request.namespace.clone(), request.name.clone())
}

fn is_of(id: &Id, request: &Request) -> bool {
    id.0 == request.plural && (request.namespace.is_empty() || id.1 == request.namespace)
}

fn named((plural, namespace, name): &Id) -> String {
    format!("{plural} \"{namespace}/{name}\"")
}

/// The one who writes, by the name that it gives itself.
fn manager(request: &Request) -> String {
    request.query("fieldManager").unwrap_or_default().to_owned()
}

fn now() -> String {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}

/// The object as it was asked for.
fn shown(object: &Value, request: &Request) -> Value {
    if !request.metadata_only {
        return object.clone();
    }
    json!({ "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": object.get("metadata") })
}

/// Whether the object is still the one that the writer read.
fn precondition(id: &Id, object: &Value, body: &Value) -> Result<(), Refusal> {
    for field in ["/metadata/resourceVersion", "/metadata/uid"] {
        let wanted = body.pointer(field).and_then(Value::as_str).filter(|wanted| !wanted.is_empty());
        if wanted.is_some() && wanted != object.pointer(field).and_then(Value::as_str) {
            return Err(Refusal::Conflict(named(id)));
        }
    }
    Ok(())
}

/// What a writer says without what only says which version it read.
fn without_version(body: &Value) -> Value {
    let mut body = body.clone();
    if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("resourceVersion");
    }
    body
}

/// A whole object in the place of another: what the server sets stays.
fn replaced(before: &Value, body: &Value) -> Value {
    let mut object = body.clone();
    let metadata = map(map(&mut object).entry("metadata").or_insert(Value::Null));
    for field in [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "generation",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ] {
        match before.pointer(&format!("/metadata/{field}")) {
            Some(value) => metadata.insert(field.into(), value.clone()),
            None => metadata.remove(field),
        };
    }
    object
}

/// Puts back what the write may not touch, drops what is empty, and counts the generations.
fn settle(object: &mut Value, before: &Value, request: &Request) {
    let kept: &[&str] = match (WITH_STATUS.contains(&&*request.plural), request.status) {
        (true, true) => &["spec", "metadata"],
        (true, false) => &["status"],
        (false, _) => &[],
    };
    for field in kept {
        match before.get(*field) {
            Some(value) => map(object).insert((*field).into(), value.clone()),
            None => map(object).remove(*field),
        };
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in ["annotations", "labels", "finalizers"] {
            let is_empty =
                |value: &Value| value.as_object().is_some_and(serde_json::Map::is_empty) || value.as_array().is_some_and(Vec::is_empty);
            if metadata.get(field).is_some_and(is_empty) {
                metadata.remove(field);
            }
        }
    }
    if object.get("spec") != before.get("spec") {
        let generation = before.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or_default() + 1;
        map(map(object).entry("metadata").or_insert(Value::Null)).insert("generation".into(), generation.into());
    }
}

/// What a secret is written with is encoded into what it is read with.
fn encode_secret(object: &mut Value) {
    let Some(Value::Object(plain)) = map(object).remove("stringData") else { return };
    let data = map(map(object).entry("data").or_insert(Value::Null));
    for (key, value) in plain {
        data.insert(key, BASE64_STANDARD.encode(value.as_str().unwrap_or_default()).into());
    }
}
