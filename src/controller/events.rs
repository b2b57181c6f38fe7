//! Posts events on objects, beside the rounds that publish them.
//!
//! An event is a courtesy: it tells a person at once what the status, or the list in the status of a provider, goes on to say. So no round waits for one. A
//! round puts its events into a queue, and one worker posts them in the order in which they came, so the events of an object keep their order. What the
//! queue has no room for, and what the API server does not take in time, is dropped, logged and counted in `keyward_events_lost_total`.
//!
//! If the process is killed, the events that are still in the queue are lost.

use std::sync::{Mutex, PoisonError};

use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event as ApiEvent},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client, Resource,
    api::{ObjectMeta, PostParams},
};
use tokio::{
    sync::mpsc::{self, error::TrySendError},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::now;
use crate::controller::waits;
use crate::{
    api::{FIELD_MANAGER, KeyGrant, KeyProvider, ManagedKey},
    domain::{event::Event, ownership::Owner},
    metrics::{EventLost, Metrics},
    text::shown,
};

/// Where an event goes that the object's own namespace does not take, or may not keep.
const ELSEWHERE: &str = "default";
/// The longest note that the API server accepts, in bytes.
const LONGEST: usize = 1024;
/// How much of an object's name is in the names of its events.
const LONGEST_NAME: usize = 200;
/// How many events wait to be posted.
const QUEUE: usize = 1024;
/// How many places of the queue are kept for events about keys that outlive their objects.
const KEPT: usize = 128;

/// The queue of events, and what its worker needs.
pub struct Events {
    client: Client,
    instance: String,
    metrics: Metrics,
    queue: mpsc::Sender<Posting>,
    /// For the one worker.
    waiting: Mutex<Option<mpsc::Receiver<Posting>>>,
}

/// An event on its way.
struct Posting {
    event: ApiEvent,
    goes: Goes,
}

/// Where an event goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Goes {
    /// Into the object's namespace, or into `default` if that namespace takes no events.
    Once,
    /// Into both.
    Widely,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").field("room", &self.queue.capacity()).finish_non_exhaustive()
    }
}

impl Events {
    /// An empty queue. `instance` names this process.
    pub fn new(client: Client, instance: &str, metrics: Metrics) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        Self { client, instance: instance.chars().take(128).collect(), metrics, queue, waiting: Mutex::new(Some(waiting)) }
    }

    /// Puts an event on the object. A namespace that is being deleted refuses events: it goes to `default` then.
    pub fn publish(&self, owner: &Owner, event: &Event) {
        self.queue(owner, event, Goes::Once);
    }

    /// Puts an event on the object, and a second one beside it where nobody deletes it together with the object's namespace.
    pub fn publish_widely(&self, owner: &Owner, event: &Event) {
        self.queue(owner, event, Goes::Widely);
    }

    /// Puts an event on a provider. Events about what has no namespace are in `default`.
    pub fn publish_on_provider(&self, provider: &KeyProvider, event: &Event) {
        self.post_later(reference::<KeyProvider>(provider.meta()), event, Goes::Once);
    }

    /// Puts an event on a grant.
    pub fn publish_on_grant(&self, grant: &ObjectMeta, event: &Event) {
        self.post_later(reference::<KeyGrant>(grant), event, Goes::Once);
    }

    fn queue(&self, owner: &Owner, event: &Event, goes: Goes) {
        let Owner { namespace, name, uid, .. } = owner;
        let metadata =
            ObjectMeta { namespace: Some(namespace.clone()), name: Some(name.clone()), uid: Some(uid.clone()), ..ObjectMeta::default() };
        self.post_later(reference::<ManagedKey>(&metadata), event, goes);
    }

    fn post_later(&self, object: ObjectReference, event: &Event, goes: Goes) {
        if event.warning {
            tracing::warn!(reason = event.reason, "{}", event.note);
        } else {
            tracing::info!(reason = event.reason, "{}", event.note);
        }
        let posting = Posting { event: self.event(object, event), goes };
        if goes == Goes::Once && self.queue.capacity() <= KEPT {
            return self.lost(&posting, EventLost::Full);
        }
        match self.queue.try_send(posting) {
            Ok(()) => {}
            Err(TrySendError::Full(posting)) => self.lost(&posting, EventLost::Full),
            Err(TrySendError::Closed(posting)) => self.lost(&posting, EventLost::Stopped),
        }
    }

    fn event(&self, object: ObjectReference, event: &Event) -> ApiEvent {
        let time = now();
        // The name of an event has to be a valid one too, and a provider's name may be as long as any.
        let name: String = object.name.iter().flat_map(|name| name.chars()).take(LONGEST_NAME).collect();
        ApiEvent {
            metadata: ObjectMeta {
                name: Some(format!("{}.{:x}", name.trim_end_matches(['.', '-']), time.as_nanosecond())),
                namespace: Some(object.namespace.as_deref().unwrap_or(ELSEWHERE).into()),
                ..ObjectMeta::default()
            },
            event_time: Some(MicroTime(time)),
            reporting_controller: Some(FIELD_MANAGER.into()),
            reporting_instance: Some(self.instance.clone()),
            action: Some(event.action.into()),
            reason: Some(event.reason.into()),
            type_: Some(if event.warning { "Warning" } else { "Normal" }.into()),
            note: Some(fitting(&event.note)),
            regarding: Some(object),
            ..ApiEvent::default()
        }
    }

    /// The worker: posts one event after the other. It ends once `ended`, when no round publishes any more, and what is left was posted; and no later than
    /// a few seconds after `stop`.
    pub async fn post(&self, stop: &CancellationToken, ended: &CancellationToken) {
        let Some(mut queue) = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let mut under_way = 0;
        let all = async {
            loop {
                let posting = tokio::select! {
                    biased;
                    posting = queue.recv() => posting,
                    () = ended.cancelled() => None,
                };
                let Some(posting) = posting else { return };
                under_way = 1;
                self.post_one(&posting).await;
                under_way = 0;
            }
        };
        let over = async {
            tokio::select! {
                () = stop.cancelled() => {}
                () = ended.cancelled() => {}
            }
            sleep(waits::LAST_EVENTS).await;
        };
        tokio::select! {
            () = all => {}
            () = over => {}
        }
        queue.close();
        let left = std::iter::from_fn(|| queue.try_recv().ok()).count() + under_way;
        if left > 0 {
            tracing::warn!(left, "the process stops, and the API server did not take all events in time");
            (0..left).for_each(|_| self.metrics.event_lost(EventLost::Stopped));
        }
    }

    async fn post_one(&self, posting: &Posting) {
        let own = posting.event.metadata.namespace.as_deref().unwrap_or(ELSEWHERE);
        let first = self.is_taken(posting, own).await;
        let is_enough = posting.goes == Goes::Once && first != Ok(false);
        let posted = if is_enough || own == ELSEWHERE { first } else { self.is_taken(posting, ELSEWHERE).await };
        match posted {
            Ok(true) => {}
            Ok(false) => self.lost(posting, EventLost::Refused),
            Err(cause) => self.lost(posting, cause),
        }
    }

    /// Whether the namespace takes the event. It does not while it is being deleted, nor once it is gone.
    async fn is_taken(&self, posting: &Posting, namespace: &str) -> Result<bool, EventLost> {
        let mut event = posting.event.clone();
        event.metadata.namespace = Some(namespace.into());
        let api = Api::<ApiEvent>::namespaced(self.client.clone(), namespace);
        match timeout(waits::EVENT, api.create(&PostParams::default(), &event)).await {
            Ok(Ok(_)) => Ok(true),
            // Forbidden while it is being deleted, not found once it is gone.
            Ok(Err(kube::Error::Api(status))) if status.is_forbidden() || status.is_not_found() => Ok(false),
            Ok(Err(error)) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    reason = posting.event.reason,
                    "the API server did not take an event"
                );
                Err(EventLost::Refused)
            }
            Err(_) => Err(EventLost::Late),
        }
    }

    fn lost(&self, posting: &Posting, cause: EventLost) {
        self.metrics.event_lost(cause);
        let regarding = posting.event.regarding.as_ref();
        tracing::warn!(
            namespace = regarding.and_then(|object| object.namespace.as_deref()),
            name = regarding.and_then(|object| object.name.as_deref()),
            reason = posting.event.reason,
            cause = cause.as_str(),
            "an event is lost; the status says the same"
        );
    }
}

/// A note as the API server accepts it: on one line, and not too long. It may quote what others wrote.
fn fitting(note: &str) -> String {
    let mut note = shown(note).into_owned();
    let end = note.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= LONGEST).last();
    note.truncate(end.unwrap_or_default());
    note
}

/// What an event is about.
fn reference<K: Resource<DynamicType = ()>>(metadata: &ObjectMeta) -> ObjectReference {
    ObjectReference {
        api_version: Some(K::api_version(&()).into()),
        kind: Some(K::kind(&()).into()),
        namespace: metadata.namespace.clone(),
        name: metadata.name.clone(),
        uid: metadata.uid.clone(),
        ..ObjectReference::default()
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, sync::Arc, time::Instant};

    use http::{Request, Response};
    use http_body_util::BodyExt;
    use kube::client::Body;
    use serde_json::{Value, json};

    use super::*;

    /// The events that came, as `namespace reason`.
    type Came = Arc<Mutex<Vec<String>>>;

    /// Before an API server that answers an event in a namespace with that status, or never.
    fn events(answers: impl Fn(&str) -> Option<u16> + Send + Sync + 'static) -> (Events, Came) {
        let came = Came::default();
        let (comes, answers) = (Arc::clone(&came), Arc::new(answers));
        let service = tower::service_fn(move |request: Request<Body>| {
            let (comes, answers) = (Arc::clone(&comes), Arc::clone(&answers));
            async move {
                let (parts, body) = request.into_parts();
                let body: Value = serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap();
                let namespace = parts.uri.path().split('/').nth(5).unwrap().to_owned();
                comes.lock().unwrap().push(format!("{namespace} {}", body["reason"].as_str().unwrap()));
                let Some(status) = answers(&namespace) else { return std::future::pending().await };
                let answer = if status < 300 {
                    body
                } else {
                    json!({ "kind": "Status", "status": "Failure", "code": status, "message": "no", "reason": reason(status) })
                };
                Ok::<_, Infallible>(Response::builder().status(status).body(Body::from(answer.to_string().into_bytes())).unwrap())
            }
        });
        (Events::new(Client::new(service, "default"), "test", Metrics::new(false)), came)
    }

    fn reason(status: u16) -> &'static str {
        match status {
            403 => "Forbidden",
            404 => "NotFound",
            _ => "InternalError",
        }
    }

    fn owner() -> Owner {
        Owner { cluster: "prod".into(), namespace: "shop".into(), name: "orders".into(), uid: "u1".into() }
    }

    const fn event(reason: &'static str) -> Event {
        Event { reason, action: "Test", warning: false, note: String::new() }
    }

    /// Runs the worker until the queue is empty.
    async fn drain(events: &Events) {
        let ended = CancellationToken::new();
        ended.cancel();
        events.post(&CancellationToken::new(), &ended).await;
    }

    fn lost(events: &Events, cause: EventLost) -> String {
        let start = format!("keyward_events_lost_total{{cause=\"{}\"}} ", cause.as_str());
        let text = events.metrics.encode();
        text.lines().find_map(|line| line.strip_prefix(&start)).unwrap_or("0").to_owned()
    }

    #[test]
    fn a_note_is_one_line_of_bytes_that_the_api_server_accepts() {
        assert_eq!(fitting("a\nb\u{1b}[1m\u{202e}"), "a\\nb\\u{1b}[1m\\u{202e}");
        for (text, bytes) in [("x".repeat(2000), LONGEST), ("ä".repeat(2000), LONGEST), ("鍵".repeat(2000), 1023)] {
            assert_eq!(fitting(&text).len(), bytes);
        }
    }

    #[tokio::test]
    async fn events_are_posted_in_the_order_in_which_they_were_published() {
        let (events, came) = events(|_| Some(201));
        for reason in ["KeyCreated", "KeyDisabled", "KeyDeletionScheduled"] {
            events.publish(&owner(), &event(reason));
        }
        assert!(came.lock().unwrap().is_empty(), "beside the round");
        drain(&events).await;
        assert_eq!(*came.lock().unwrap(), ["shop KeyCreated", "shop KeyDisabled", "shop KeyDeletionScheduled"]);
    }

    #[tokio::test]
    async fn an_event_goes_to_default_where_its_namespace_does_not_take_it_or_may_not_keep_it() {
        let shop = |status: u16| move |namespace: &str| Some(if namespace == "shop" { status } else { 201 });
        // How the object's namespace answers, where an event goes then, and how many are lost.
        for (status, once, lost_once) in
            [(201, "shop A", "0"), (403, "shop A, default A", "0"), (404, "shop A, default A", "0"), (500, "shop A", "1")]
        {
            let (ordinary, came) = events(shop(status));
            ordinary.publish(&owner(), &event("A"));
            drain(&ordinary).await;
            assert_eq!((&*came.lock().unwrap().join(", "), &*lost(&ordinary, EventLost::Refused)), (once, lost_once), "{status}");
            let (widely, came) = events(shop(status));
            widely.publish_widely(&owner(), &event("A"));
            drain(&widely).await;
            assert_eq!((&*came.lock().unwrap().join(", "), &*lost(&widely, EventLost::Refused)), ("shop A, default A", "0"), "{status}");
        }
    }

    #[tokio::test]
    async fn a_full_queue_drops_and_counts_and_has_room_for_keys_that_outlive_their_objects() {
        let (events, came) = events(|_| Some(201));
        for _ in 0..QUEUE {
            events.publish(&owner(), &event("SyncFailed"));
        }
        assert_eq!(lost(&events, EventLost::Full), KEPT.to_string());
        for _ in 0..KEPT {
            events.publish_widely(&owner(), &event("KeyReleased"));
        }
        assert_eq!(lost(&events, EventLost::Full), KEPT.to_string());
        events.publish_widely(&owner(), &event("KeyReleased"));
        assert_eq!(lost(&events, EventLost::Full), (KEPT + 1).to_string());
        drain(&events).await;
        assert_eq!(came.lock().unwrap().len(), QUEUE + KEPT, "those that go widely go twice");
        events.publish(&owner(), &event("SyncFailed"));
        assert_eq!(lost(&events, EventLost::Stopped), "1", "nobody posts it any more");
    }

    #[tokio::test]
    async fn an_api_server_that_hangs_holds_up_the_end_of_the_process_for_a_few_seconds_at_most() {
        let (events, came) = events(|_| None);
        for reason in ["A", "B", "C"] {
            events.publish(&owner(), &event(reason));
        }
        let (began, stop) = (Instant::now(), CancellationToken::new());
        stop.cancel();
        // Rounds go on, and publish no more.
        events.post(&stop, &CancellationToken::new()).await;
        assert!(began.elapsed() < waits::LAST_EVENTS * 2, "{:?}", began.elapsed());
        assert_eq!((came.lock().unwrap().len(), &*lost(&events, EventLost::Stopped)), (1, "3"));
    }
}
