//! Watches that can be restarted from outside.
//!
//! A watch can be silent without being broken: a proxy swallows its events, or the storage of the API server went back and the watch waits for revisions that
//! come much later. In the first case [signs of life](super::signs) are missing. Whoever notices the second says so here, and everything is listed again. An
//! object is queued only after the store has it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use futures::{
    FutureExt, Stream, StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Resource,
    core::PartialObjectMeta,
    runtime::{
        WatchStreamExt,
        reflector::{self, ObjectRef, Store},
        watcher::{self, Event},
    },
};
use serde::de::DeserializeOwned;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::signs::{RENEWED, Signs, WatchKind};

/// A namespace as it is watched. Only its metadata is transferred.
pub type Labelled = PartialObjectMeta<Namespace>;

/// Restarts watches on request. Clones share the requests.
#[derive(Clone, Debug, Default)]
pub struct Anew {
    asked: Arc<Asked>,
    signs: Signs,
}

#[derive(Debug, Default)]
struct Asked {
    lists: watch::Sender<u64>,
    era: AtomicU64,
    gone: Arc<Notify>,
}

impl Anew {
    /// For watches whose signs of life are noted in `signs`.
    #[must_use]
    pub fn new(signs: Signs) -> Self {
        Self { asked: Arc::default(), signs }
    }

    /// One item for each request from now on.
    fn asks(&self) -> BoxStream<'static, ()> {
        stream::unfold(self.asked.lists.subscribe(), async |mut lists| Some((lists.changed().await.ok()?, lists))).boxed()
    }

    /// Lists everything again.
    pub fn list(&self) {
        self.asked.lists.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Lists everything again, and has every object looked at again even if it did not change.
    pub fn everything(&self) {
        self.asked.era.fetch_add(1, Ordering::Relaxed);
        self.list();
    }

    /// Ends once an object may be gone.
    pub async fn gone(&self) {
        self.asked.gone.notified().await;
    }

    /// How often everything had to be looked at again. It is part of the fingerprint of every object.
    #[must_use]
    pub fn era(&self) -> u64 {
        self.asked.era.load(Ordering::Relaxed)
    }
}

/// How many objects one page of a list has. A page is in memory as a whole, and an object may have more than a megabyte.
const PAGE: u32 = 50;

/// The events of a watch. The watch restarts on request, and when nothing comes on it for too long.
pub fn events<K>(api: Api<K>, kind: WatchKind, anew: &Anew) -> impl Stream<Item = watcher::Result<Event<K>>> + Send + 'static
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    events_while(api, kind, anew, || true, stream::pending())
}

/// The same while it is `wanted`, which is asked again after each of the `changes`.
fn events_while<K>(
    api: Api<K>,
    kind: WatchKind,
    anew: &Anew,
    wanted: impl Fn() -> bool + Send + Sync + 'static,
    changes: impl Stream<Item = ()> + Send + 'static,
) -> impl Stream<Item = watcher::Result<Event<K>>> + Send + 'static
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    let is_wanted = Arc::new(wanted);
    let (signs, wanted) = (anew.signs.clone(), Arc::clone(&is_wanted));
    let begin = move || {
        if !wanted() {
            signs.ended(kind);
            return stream::pending().boxed();
        }
        signs.begun(kind);
        kube::runtime::watcher(api.clone(), watcher::Config::default().timeout(RENEWED).page_size(PAGE)).default_backoff().boxed()
    };
    let mut was = is_wanted();
    let toggles = changes.filter_map(move |()| std::future::ready((std::mem::replace(&mut was, is_wanted()) != was).then_some(())));
    let restarts = stream::select_all([anew.asks(), stale(anew.signs.clone(), kind).boxed(), toggles.boxed()]);
    let signs = anew.signs.clone();
    begun(begin, restarts.boxed()).inspect_ok(move |_| signs.heard(kind))
}

/// One item whenever nothing came on a watch for too long.
fn stale(signs: Signs, kind: WatchKind) -> impl Stream<Item = ()> + Send + 'static {
    stream::unfold(signs, move |signs| async move {
        signs.stale(kind).await;
        Some(((), signs))
    })
}

/// All objects of a kind, and a queue of those to look at, because they changed or because all were listed.
pub fn objects<K>(
    api: Api<K>,
    kind: WatchKind,
    anew: &Anew,
) -> (Store<K>, impl Stream<Item = watcher::Result<ObjectRef<K>>> + Send + 'static)
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug + Send + Sync + 'static,
{
    stored(events(api, kind, anew), Arc::clone(&anew.asked.gone))
}

/// The same while they are `wanted`, which is asked again after each of the `changes`.
pub fn objects_while<K>(
    api: Api<K>,
    kind: WatchKind,
    anew: &Anew,
    wanted: impl Fn() -> bool + Send + Sync + 'static,
    changes: impl Stream<Item = ()> + Send + 'static,
) -> (Store<K>, impl Stream<Item = watcher::Result<ObjectRef<K>>> + Send + 'static)
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug + Send + Sync + 'static,
{
    stored(events_while(api, kind, anew, wanted, changes), Arc::default())
}

/// Ends after the stop if nothing was listed until then. kube's applier starts no round before the first list, and does not end before it either. So without
/// this an API server that never answers the list would keep the process from ending in order.
pub async fn stopped_unlisted<K>(store: &Store<K>, stop: &CancellationToken)
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    stop.cancelled().await;
    if store.wait_until_ready().now_or_never().is_some() {
        std::future::pending::<()>().await;
    }
}

/// The events of the stream that `begin` starts. Each item of `restarts` replaces it by a new one.
fn begun<E: Send + 'static>(
    begin: impl Fn() -> BoxStream<'static, E> + Send + 'static,
    restarts: BoxStream<'static, ()>,
) -> impl Stream<Item = E> + Send + 'static {
    let first = begin();
    stream::unfold((begin, first, restarts), async |(begin, mut events, mut restarts)| {
        loop {
            tokio::select! {
                biased;
                Some(()) = restarts.next() => events = begin(),
                event = events.next() => return event.map(|event| (event, (begin, events, restarts))),
            }
        }
    })
}

fn stored<K>(
    events: impl Stream<Item = watcher::Result<Event<K>>> + Send + 'static,
    gone: Arc<Notify>,
) -> (Store<K>, impl Stream<Item = watcher::Result<ObjectRef<K>>> + Send + 'static)
where
    K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
{
    let (store, mut writer) = reflector::store();
    let reader = store.clone();
    let queue = events.map_ok(move |event| {
        writer.apply_watcher_event(&event);
        if matches!(event, Event::Delete(_) | Event::InitDone) {
            gone.notify_one();
        }
        let (one, all) = match event {
            // A deleted object is queued too, so that its round stops waiting.
            Event::Apply(object) | Event::Delete(object) => (Some(ObjectRef::from_obj(&object)), Vec::new()),
            // Before this event the store still has the objects from before the list.
            Event::InitDone => (None, reader.state()),
            Event::Init | Event::InitApply(_) => (None, Vec::new()),
        };
        stream::iter(one.into_iter().chain(all.into_iter().map(|object| ObjectRef::from_obj(&*object))).map(Ok))
    });
    (store, queue.try_flatten())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::channel::mpsc::{UnboundedReceiver, unbounded};
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    fn object(name: &str, version: &str) -> ConfigMap {
        let mut object = ConfigMap::default();
        (object.metadata.name, object.metadata.namespace) = (Some(name.into()), Some("shop".into()));
        object.metadata.resource_version = Some(version.into());
        object
    }

    #[tokio::test]
    async fn a_list_is_asked_for_in_small_pages() {
        let (asked, mut came) = unbounded();
        let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            // The other end is there for as long as the test.
            let _sent = asked.unbounded_send(request.uri().to_string());
            std::future::pending::<Result<http::Response<kube::client::Body>, std::convert::Infallible>>()
        });
        let objects: Api<ConfigMap> = Api::all(kube::Client::new(service, "default"));
        let events = events(objects, WatchKind::ManagedKeys, &Anew::default());
        let uri = tokio::select! {
            count = events.count() => panic!("the watch ended after {count} events"),
            uri = came.next() => uri.unwrap(),
        };
        assert!(uri.contains(&format!("limit={PAGE}")), "{uri}");
    }

    fn listed(objects: &[(&str, &str)]) -> Vec<watcher::Result<Event<ConfigMap>>> {
        let objects = objects.iter().map(|(name, version)| Ok(Event::InitApply(object(name, version))));
        [Ok(Event::Init)].into_iter().chain(objects).chain([Ok(Event::InitDone)]).collect()
    }

    #[tokio::test]
    async fn a_stale_watch_is_started_again_and_its_store_has_what_was_listed_then() {
        let anew = Anew::default();
        // Each beginning takes the next of these, and stays silent at its end.
        let (first, silent) = unbounded();
        let lists: Vec<UnboundedReceiver<_>> = vec![unbounded_of(listed(&[("b", "7"), ("c", "7")])), silent];
        let lists = Mutex::new(lists);
        let begin = move || lists.lock().unwrap().pop().unwrap().boxed();
        let (store, queue) = stored(begun(begin, anew.asks()), Arc::default());
        let mut queue = Box::pin(queue);
        for event in listed(&[("a", "9"), ("b", "9")]) {
            first.unbounded_send(event).unwrap();
        }
        let names = |queue: Vec<ObjectRef<ConfigMap>>| {
            let mut names: Vec<_> = queue.into_iter().map(|object| object.name).collect();
            names.sort();
            names
        };
        let two = [queue.next().await.unwrap().unwrap(), queue.next().await.unwrap().unwrap()];
        assert_eq!(names(two.into()), ["a", "b"]);
        assert!(futures::poll!(queue.next()).is_pending(), "silent");

        anew.list();
        let two = [queue.next().await.unwrap().unwrap(), queue.next().await.unwrap().unwrap()];
        assert_eq!(names(two.into()), ["b", "c"]);
        let versions =
            |name: &str| store.get(&ObjectRef::new(name).within("shop")).and_then(|object| object.metadata.resource_version.clone());
        assert_eq!((versions("a"), versions("b")), (None, Some("7".into())), "what is gone is gone, and what went back is back");
        assert!(first.is_closed(), "the silent watch is not kept");
    }

    #[tokio::test]
    async fn a_queued_object_is_in_the_store() {
        let (store, queue) = stored(stream::iter(listed(&[("a", "1")]).into_iter().chain(listed(&[("a", "2")]))), Arc::default());
        let versions = queue.map_ok(|object| store.get(&object).unwrap().metadata.resource_version.clone().unwrap());
        assert_eq!(versions.try_collect::<Vec<_>>().await.unwrap(), ["1", "2"]);
    }

    #[tokio::test]
    async fn a_deleted_object_is_queued_and_not_in_the_store() {
        let deleted = Ok(Event::Delete(object("a", "2")));
        let (store, queue) = stored(stream::iter(listed(&[("a", "1")]).into_iter().chain([deleted])), Arc::default());
        let seen = queue.map_ok(|object| (store.get(&object).is_some(), object.name));
        assert_eq!(seen.try_collect::<Vec<_>>().await.unwrap(), [(true, "a".to_owned()), (false, "a".to_owned())]);
    }

    #[tokio::test]
    async fn a_controller_that_never_got_a_list_ends_at_the_stop() {
        let stop = CancellationToken::new();
        let (empty, _queue) = stored(stream::pending::<watcher::Result<Event<ConfigMap>>>(), Arc::default());
        let (full, queue) = stored(stream::iter(listed(&[("a", "1")])), Arc::default());
        assert_eq!(queue.count().await, 1);
        let (mut unlisted, mut done) = (Box::pin(stopped_unlisted(&empty, &stop)), Box::pin(stopped_unlisted(&full, &stop)));
        assert!(futures::poll!(&mut unlisted).is_pending() && futures::poll!(&mut done).is_pending(), "it goes on");
        stop.cancel();
        assert!(futures::poll!(&mut unlisted).is_ready());
        assert!(futures::poll!(&mut done).is_pending(), "its rounds end first");
    }

    fn unbounded_of<T>(items: Vec<T>) -> UnboundedReceiver<T> {
        let (sender, receiver) = unbounded();
        for item in items {
            sender.unbounded_send(item).unwrap();
        }
        // Never closed: a watch that has nothing to say goes on.
        std::mem::forget(sender);
        receiver
    }
}
