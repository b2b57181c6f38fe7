//! The way out: what an uninstall leaves behind, and how objects are let go.
//!
//! It runs beside the operator or without it. It must never call a KMS to change something: an object that is let go keeps its key or its grant. So it
//! sets `deletionPolicy: Retain` in the write that removes a finalizer, and an operator that still runs leaves the key as well. It must never remove the
//! finalizer of anybody else.

use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api, Client, CustomResourceExt, ResourceExt,
    api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use super::{
    now,
    orphans::{self, Query},
};
use crate::{
    api::{CLI_FIELD_MANAGER, FINALIZER, GRANT_FINALIZER, KeyGrant, KeyProvider, ManagedKey},
    domain::uninstall::{Check, Held, Pending, Published, Released},
};

/// How many objects are listed in one request.
const PAGE: u32 = 500;
/// How many objects are let go at the same time.
const AT_ONCE: usize = 8;
/// How often an object is tried while others change it.
const TRIES: usize = 5;

/// What to look for.
#[derive(Clone, Debug)]
pub struct Leaving {
    /// The cluster id in the marks.
    pub cluster_id: String,
    /// The operator's namespace, with the Secrets of providers.
    pub namespace: String,
    /// How long after it was begun a creation may have made a key.
    pub attempt_wait: SignedDuration,
}

/// The Lease that an operator holds while it works.
#[derive(Clone, Debug)]
pub struct LeaseName {
    /// The operator's namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A kind whose objects can have a finalizer of Keyward.
struct Kind {
    resource: ApiResource,
    name: &'static str,
    finalizer: &'static str,
}

impl Kind {
    fn managed_key() -> Self {
        Self { resource: ManagedKey::api_resource(), name: "ManagedKey", finalizer: FINALIZER }
    }

    fn key_grant() -> Self {
        Self { resource: KeyGrant::api_resource(), name: "KeyGrant", finalizer: GRANT_FINALIZER }
    }

    /// The name of an object, as people write it.
    fn named(&self, object: &DynamicObject) -> String {
        format!("{} {}/{}", self.name, object.namespace().unwrap_or_default(), object.name_any())
    }

    /// Whether an object has the finalizer.
    fn holds(&self, object: &DynamicObject) -> bool {
        object.finalizers().iter().any(|finalizer| finalizer == self.finalizer)
    }
}

/// Every object of a kind, as it is, so that one that this version does not understand is let go too. None, if the cluster does not have the kind.
async fn all(client: &Client, resource: &ApiResource) -> Result<Vec<DynamicObject>, String> {
    let api = Api::<DynamicObject>::all_with(client.clone(), resource);
    let mut page = ListParams::default().limit(PAGE);
    let mut objects = Vec::new();
    loop {
        let list = match api.list(&page).await {
            // The answer about a kind that the API server does not have is no Status with a reason.
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(objects),
            answer => answer.map_err(|error| format!("the {}s could not be listed: {error}", resource.kind))?,
        };
        objects.extend(list.items);
        match list.metadata.continue_.filter(|next| !next.is_empty()) {
            Some(next) => page = page.continue_token(&next),
            None => return Ok(objects),
        }
    }
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Reads what an uninstall leaves behind. It changes nothing. What cannot be read is in the report.
pub async fn check(client: Client, leaving: &Leaving) -> Check {
    let mut found = Check::default();
    for kind in [Kind::managed_key(), Kind::key_grant()] {
        match all(&client, &kind.resource).await {
            Ok(objects) => objects.iter().for_each(|object| note(&mut found, &kind, object)),
            Err(error) => found.unread.push(error),
        }
    }
    let providers = all(&client, &KeyProvider::api_resource()).await.unwrap_or_else(|error| {
        found.unread.push(error);
        Vec::new()
    });
    for provider in providers {
        for entry in provider.data.pointer("/status/pendingDeletions").and_then(Value::as_array).into_iter().flatten() {
            let key = text(entry, "/key");
            if found.pending.iter().all(|pending| pending.key != key) {
                found.pending.push(Pending { key, date: text(entry, "/date").parse().ok(), owner: text(entry, "/owner") });
            }
        }
        let Leaving { cluster_id, namespace, attempt_wait } = leaving.clone();
        let name = provider.name_any();
        let report = orphans::list(client.clone(), &Query { cluster_id, namespace, provider: name.clone(), attempt_wait }).await;
        found.providers.push((name, report.map_err(|error| format!("{error:#}"))));
    }
    found
}

fn note(found: &mut Check, kind: &Kind, object: &DynamicObject) {
    let field = |pointer| text(&object.data, pointer);
    if kind.holds(object) {
        let policy = field("/spec/deletionPolicy");
        found.held.push(Held { object: kind.named(object), policy, deleted: object.metadata.deletion_timestamp.is_some() });
    }
    if ["PendingDeletion", "PendingReplicaDeletion"].contains(&&*field("/status/keyState")) {
        let date = field("/status/deletionDate").parse().ok();
        found.pending.push(Pending { key: field("/status/keyArn"), date, owner: kind.named(object) });
    }
    if object.data.pointer("/status/publishedTo").is_some_and(Value::is_object) {
        let target = format!("{} {}", field("/status/publishedTo/kind"), field("/status/publishedTo/name"));
        found.published.push(Published { target, object: kind.named(object) });
    }
}

/// Lets all objects go. Their keys and grants stay as they are. What cannot be let go is in the result, and the others are let go.
pub async fn release_all(client: &Client, lease: &LeaseName) -> Released {
    let mut released = Released::default();
    for kind in [Kind::managed_key(), Kind::key_grant()] {
        let objects = match all(client, &kind.resource).await {
            Ok(objects) => objects,
            Err(error) => {
                released.failed.push(error);
                continue;
            }
        };
        // An operator gives a grant its finalizer back, whatever its policy is, because it tells what it leaves when the object goes.
        if kind.finalizer == GRANT_FINALIZER && !objects.is_empty() {
            released.again = still_runs(client, lease).await;
        }
        let kind = &kind;
        let each = stream::iter(objects).map(|object| async move { (kind.named(&object), release(client, kind, object).await) });
        for (name, ended) in each.buffered(AT_ONCE).collect::<Vec<_>>().await {
            match ended {
                Ok(true) => released.objects.push(name),
                Ok(false) => {}
                Err(error) => released.failed.push(format!("{name}: {error}")),
            }
        }
    }
    released
}

/// Lets an object go. False, if there is nothing to do.
async fn release(client: &Client, kind: &Kind, mut object: DynamicObject) -> kube::Result<bool> {
    let namespace = object.namespace().unwrap_or_default();
    let api = Api::<DynamicObject>::namespaced_with(client.clone(), &namespace, &kind.resource);
    let params = PatchParams { field_manager: Some(CLI_FIELD_MANAGER.into()), ..PatchParams::default() };
    let name = object.name_any();
    let mut tried = 0;
    loop {
        if text(&object.data, "/spec/deletionPolicy") == "Retain" && !kind.holds(&object) {
            return Ok(false);
        }
        let finalizers: Vec<&String> = object.finalizers().iter().filter(|finalizer| *finalizer != kind.finalizer).collect();
        // One write, so that nobody sees the one without the other, and only over what was read.
        let metadata = json!({ "uid": object.uid(), "resourceVersion": object.resource_version(), "finalizers": finalizers });
        let patch = Patch::Merge(json!({ "metadata": metadata, "spec": { "deletionPolicy": "Retain" } }));
        tried += 1;
        match api.patch(&name, &params, &patch).await {
            Err(kube::Error::Api(status)) if status.code == 409 && tried < TRIES => match api.get_opt(&name).await? {
                Some(current) => object = current,
                None => return Ok(true),
            },
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(true),
            written => return written.map(|_| true),
        }
    }
}

/// Why this has to be done again, if it has to: an operator works, or nobody knows.
async fn still_runs(client: &Client, LeaseName { namespace, name }: &LeaseName) -> Option<String> {
    const AGAIN: &str = "it gives KeyGrants their finalizer back; remove the operator, and run this again";
    match Api::<Lease>::namespaced(client.clone(), namespace).get_opt(name).await {
        Ok(lease) => holder(&lease?, now()).map(|holder| format!("{holder} holds Lease {namespace}/{name}: Keyward runs, and {AGAIN}")),
        Err(error) => Some(format!("if Keyward runs, {AGAIN}. Lease {namespace}/{name}, which would show it, could not be read: {error}")),
    }
}

/// Who holds a Lease. Nobody does once it has expired.
fn holder(lease: &Lease, now: Timestamp) -> Option<String> {
    let spec = lease.spec.as_ref()?;
    let duration = SignedDuration::from_secs(spec.lease_duration_seconds?.into());
    let until = spec.renew_time.as_ref()?.0.checked_add(duration).ok()?;
    spec.holder_identity.clone().filter(|holder| !holder.is_empty() && now < until)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use http::{Method, Request, Response};
    use kube::client::Body;

    use super::*;

    /// A request: its method, path with query, and body.
    type Asked = (Method, String, Value);

    /// A client of an API server that answers with what the function says: a status and a body. It notes every request.
    fn server(answer: impl Fn(&Asked) -> (u16, Value) + Clone + Send + Sync + 'static) -> (Client, Arc<Mutex<Vec<Asked>>>) {
        let log = Arc::<Mutex<Vec<Asked>>>::default();
        let into = Arc::clone(&log);
        let service = tower::service_fn(move |request: Request<Body>| {
            let (answer, into) = (answer.clone(), Arc::clone(&into));
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect_bytes().await.unwrap();
                let asked = (head.method, head.uri.to_string(), serde_json::from_slice(&body).unwrap_or_default());
                let (status, body) = answer(&asked);
                into.lock().unwrap().push(asked);
                let body = match (status, &body) {
                    (..300, _) => body.to_string(),
                    // As an API server answers about a kind that it does not have.
                    (_, Value::Null) => "404 page not found".to_owned(),
                    _ => json!({ "kind": "Status", "status": "Failure", "code": status, "reason": reason(status), "message": body })
                        .to_string(),
                };
                Ok::<_, std::convert::Infallible>(Response::builder().status(status).body(Body::from(body.into_bytes())).unwrap())
            }
        });
        (Client::new(service, "default"), log)
    }

    fn reason(status: u16) -> &'static str {
        match status {
            403 => "Forbidden",
            404 => "NotFound",
            409 => "Conflict",
            _ => "",
        }
    }

    fn object(name: &str, version: &str, finalizers: &[&str]) -> Value {
        json!({
            "apiVersion": "keyward.dev/v1alpha1", "kind": "Any", "spec": { "deletionPolicy": "Delete", "notKnownYet": [] },
            "metadata": { "namespace": "shop", "name": name, "uid": format!("u-{name}"), "resourceVersion": version, "finalizers": finalizers },
        })
    }

    fn list(items: &[Value], next: &str) -> (u16, Value) {
        (200, json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "List", "metadata": { "continue": next }, "items": items }))
    }

    fn lease() -> LeaseName {
        LeaseName { namespace: "keyward-system".into(), name: "keyward".into() }
    }

    fn patches(log: &Mutex<Vec<Asked>>) -> Vec<(String, Value)> {
        let log = log.lock().unwrap();
        let path = |path: &str| path.split('?').next().unwrap().rsplit('/').next().unwrap().to_owned();
        log.iter().filter(|(method, ..)| *method == Method::PATCH).map(|(_, at, body)| (path(at), body.clone())).collect()
    }

    #[tokio::test]
    async fn objects_of_every_page_lose_only_the_finalizer_of_keyward() {
        let (client, log) = server(|(method, path, _)| match (method, path) {
            (&Method::PATCH, _) => (200, object("any", "9", &[])),
            (_, path) if path.contains("/managedkeys") && path.contains("continue=next") => list(&[object("b", "2", &[FINALIZER])], ""),
            (_, path) if path.contains("/managedkeys") => list(&[object("a", "1", &["example.com/a", FINALIZER, "example.com/b"])], "next"),
            (_, path) if path.contains("/keygrants") => (404, Value::Null),
            _ => panic!("{method} {path}"),
        });
        let released = release_all(&client, &lease()).await;
        assert_eq!((released.objects.len(), released.exit_code()), (2, 0), "{released:?}");
        let expected = |name: &str, version: &str, left: &[&str]| {
            let metadata = json!({ "uid": format!("u-{name}"), "resourceVersion": version, "finalizers": left });
            (name.to_owned(), json!({ "metadata": metadata, "spec": { "deletionPolicy": "Retain" } }))
        };
        assert_eq!(patches(&log), [expected("a", "1", &["example.com/a", "example.com/b"]), expected("b", "2", &[])]);
    }

    #[tokio::test]
    async fn an_object_that_others_change_is_read_again() {
        let (client, log) = server(|(method, path, body)| match (method, path) {
            (&Method::PATCH, _) if body["metadata"]["resourceVersion"] == "2" => (200, object("a", "3", &[])),
            (&Method::PATCH, _) => (409, "the object has been modified".into()),
            (_, path) if path.contains("/managedkeys/a") => (200, object("a", "2", &[FINALIZER, "example.com/new"])),
            (_, path) if path.contains("/managedkeys") => list(&[object("a", "1", &[FINALIZER])], ""),
            _ => list(&[], ""),
        });
        let released = release_all(&client, &lease()).await;
        assert_eq!((released.objects.len(), released.exit_code()), (1, 0), "{released:?}");
        let written = patches(&log);
        assert_eq!((written.len(), &written[1].1["metadata"]["finalizers"]), (2, &json!(["example.com/new"])), "{written:?}");

        // One that never comes to rest is reported.
        let (client, log) = server(|(method, path, _)| match (method, path) {
            (&Method::PATCH, _) => (409, "the object has been modified".into()),
            (_, path) if path.contains("/managedkeys/a") => (200, object("a", "2", &[FINALIZER])),
            (_, path) if path.contains("/managedkeys") => list(&[object("a", "1", &[FINALIZER])], ""),
            _ => list(&[], ""),
        });
        let released = release_all(&client, &lease()).await;
        assert_eq!((patches(&log).len(), released.exit_code()), (TRIES, 1), "{released:?}");
    }

    #[tokio::test]
    async fn what_is_forbidden_is_said_and_the_others_are_let_go() {
        let (client, _) = server(|(method, path, _)| match (method, path) {
            (&Method::PATCH, path) if path.contains("/managedkeys/a") => (403, "user jane cannot patch".into()),
            (&Method::PATCH, _) => (200, object("b", "3", &[])),
            (_, path) if path.contains("/managedkeys") => list(&[object("a", "1", &[FINALIZER]), object("b", "1", &[FINALIZER])], ""),
            _ => (403, "user jane cannot list".into()),
        });
        let released = release_all(&client, &lease()).await;
        assert_eq!((released.objects.clone(), released.exit_code()), (vec!["ManagedKey shop/b".to_owned()], 1));
        let [one, kind] = &*released.failed else { panic!("{released:?}") };
        assert!(one.starts_with("ManagedKey shop/a: ") && one.contains("user jane cannot patch"), "{one}");
        assert!(kind.starts_with("the KeyGrants could not be listed: ") && kind.contains("user jane cannot list"), "{kind}");

        let leaving = Leaving { cluster_id: "a".into(), namespace: "a".into(), attempt_wait: SignedDuration::ZERO };
        let checked = check(client, &leaving).await;
        assert_eq!((checked.held.len(), checked.unread.len(), checked.exit_code()), (2, 2, 1), "{checked:?}");
        assert!(checked.to_string().contains("the KeyProviders could not be listed: "), "{checked}");
    }

    #[tokio::test]
    async fn pending_keys_and_published_objects_are_on_the_list() {
        let (client, _) = server(|(_, path, _)| {
            if !path.contains("/managedkeys") {
                return list(&[], "");
            }
            let mut object = object("a", "1", &[]);
            object["status"] = json!({
                "keyState": "PendingDeletion", "keyArn": "arn:a", "deletionDate": "2026-12-01T00:00:00Z",
                "publishedTo": { "kind": "Secret", "name": "payments-key" },
            });
            list(&[object], "")
        });
        let leaving = Leaving { cluster_id: "a".into(), namespace: "a".into(), attempt_wait: SignedDuration::ZERO };
        let checked = check(client, &leaving).await;
        let owner = "ManagedKey shop/a".to_owned();
        let pending = Pending { key: "arn:a".into(), date: Some("2026-12-01T00:00:00Z".parse().unwrap()), owner: owner.clone() };
        assert_eq!((&*checked.pending, checked.held.len(), checked.exit_code()), (&[pending][..], 0, 2));
        assert_eq!(checked.published, [Published { target: "Secret payments-key".into(), object: owner }]);
        assert!(checked.to_string().contains("Secret payments-key   ManagedKey shop/a"), "{checked}");
    }

    #[tokio::test]
    async fn an_operator_that_gives_a_grant_its_finalizer_back_is_said() {
        let renewed = |ago: i64, holder: Value| {
            let renew = (now() - SignedDuration::from_secs(ago)).to_string();
            let spec = json!({ "holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": renew });
            (200, json!({ "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": { "name": "keyward" }, "spec": spec }))
        };
        for (grants, (status, found), expected) in [
            (1, renewed(1, "pod_1".into()), "pod_1 holds Lease keyward-system/keyward: Keyward runs"),
            (1, (403, "user jane cannot get".into()), "could not be read"),
            (1, renewed(60, "pod_1".into()), ""),
            (1, renewed(1, Value::Null), ""),
            (1, (404, "no such Lease".into()), ""),
            (0, renewed(1, "pod_1".into()), ""),
        ] {
            let answer = (status, found);
            let (client, _) = server(move |(method, path, _)| match (method, path) {
                (&Method::PATCH, _) => (200, object("a", "3", &[])),
                (_, path) if path.contains("/leases/") => answer.clone(),
                (_, path) if path.contains("/keygrants") => list(&vec![object("a", "1", &[GRANT_FINALIZER]); grants], ""),
                _ => list(&[], ""),
            });
            let released = release_all(&client, &lease()).await;
            assert_eq!((released.again.is_some(), released.exit_code()), (!expected.is_empty(), if expected.is_empty() { 0 } else { 2 }));
            assert!(released.to_string().contains(expected), "{released}");
        }
    }
}
