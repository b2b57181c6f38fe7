//! Signs of life of the watches: when the API server last sent something on each of them.
//!
//! A watch without events may be quiet or dead: if a proxy silences a connection without closing it, the watch only looks quiet. So the API server is asked to
//! end each watch after [`RENEWED`] seconds, and it sends a bookmark before it does. So a watch that works is never quiet for long. This module reads the
//! answers of the API server themselves, because kube's watcher does not pass bookmarks on.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures::{FutureExt, future::BoxFuture};
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, combinators::MapFrame};
use tower::{Layer, Service};

use crate::controller::waits;
use crate::{metrics::Metrics, server::Gate};

/// After how many seconds the API server ends a watch. The watch then continues from where it was.
pub const RENEWED: u32 = 15;

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WatchKind {
    /// `KeyGrant`s.
    KeyGrants,
    /// `KeyProvider`s.
    KeyProviders,
    /// `ManagedKey`s.
    ManagedKeys,
    /// The metadata of namespaces, while a provider selects namespaces by labels.
    Namespaces,
    /// The metadata of the secrets in the operator's own namespace.
    Secrets,
}

impl WatchKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::KeyGrants, Self::KeyProviders, Self::ManagedKeys, Self::Namespaces, Self::Secrets];

    /// The resource, as in the URL of a watch.
    #[must_use]
    pub const fn resource(self) -> &'static str {
        match self {
            Self::KeyGrants => "keygrants",
            Self::KeyProviders => "keyproviders",
            Self::ManagedKeys => "managedkeys",
            Self::Namespaces => "namespaces",
            Self::Secrets => "secrets",
        }
    }

    /// The name of its readiness check.
    #[must_use]
    pub const fn gate(self) -> &'static str {
        match self {
            Self::KeyGrants => "watch-keygrants",
            Self::KeyProviders => "watch-keyproviders",
            Self::ManagedKeys => "watch-managedkeys",
            Self::Namespaces => "watch-namespaces",
            Self::Secrets => "watch-secrets",
        }
    }

    /// The kind that a request watches, if it is a watch.
    fn of<B>(request: &Request<B>) -> Option<Self> {
        let uri = request.uri();
        let watches = uri.query().is_some_and(|query| query.split('&').any(|part| part == "watch=true" || part == "watch=1"));
        let resource = uri.path().rsplit('/').next()?;
        Self::ALL.into_iter().find(|kind| watches && kind.resource() == resource)
    }
}

/// When something last came on each watch. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Signs(Arc<Mutex<BTreeMap<WatchKind, Sign>>>);

#[derive(Clone, Copy, Debug)]
struct Sign {
    /// When something came.
    heard: Instant,
    /// When the watch started again after that.
    begun: Instant,
    /// How often it started again.
    times: u32,
}

impl Sign {
    /// How long nothing may come after `begun`. It grows with each start, for lists that take long.
    fn limit(self) -> Duration {
        waits::WATCH_STALE.saturating_mul(1 << self.times.saturating_sub(1).min(4))
    }
}

impl Signs {
    fn signs(&self) -> MutexGuard<'_, BTreeMap<WatchKind, Sign>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A watch starts, with a list.
    pub fn begun(&self, kind: WatchKind) {
        let now = Instant::now();
        let mut signs = self.signs();
        let sign = signs.entry(kind).or_insert(Sign { heard: now, begun: now, times: 0 });
        (sign.begun, sign.times) = (now, sign.times.saturating_add(1));
    }

    /// The watch ended.
    pub fn ended(&self, kind: WatchKind) {
        self.signs().remove(&kind);
    }

    /// Something came. This does not bring back a watch that ended.
    pub fn heard(&self, kind: WatchKind) {
        let now = Instant::now();
        if let Some(sign) = self.signs().get_mut(&kind) {
            *sign = Sign { heard: now, begun: now, times: 0 };
        }
    }

    /// How long ago something came, for every watch that there is.
    #[must_use]
    pub fn ages(&self) -> BTreeMap<WatchKind, Duration> {
        self.signs().iter().map(|(kind, sign)| (*kind, sign.heard.elapsed())).collect()
    }

    /// Waits until nothing came on a watch for too long.
    pub async fn stale(&self, kind: WatchKind) {
        loop {
            let left = self.signs().get(&kind).map_or(waits::WATCH_STALE, |sign| sign.limit().saturating_sub(sign.begun.elapsed()));
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }
}

/// Reports how long nothing came on each watch: as a metric, and by closing the gate of a watch that is [too old](waits::WATCH_DEAD).
pub fn tell(ages: &BTreeMap<WatchKind, Duration>, watches: &[(WatchKind, Gate)], metrics: &Metrics) {
    for (kind, gate) in watches {
        let age = ages.get(kind).copied();
        metrics.watch_age(kind.resource(), age);
        // A kind that is not watched does not make the process unready.
        if age.is_none_or(|age| age < waits::WATCH_DEAD) { gate.open() } else { gate.close() }
    }
}

/// Listens to all answers of the API server.
impl<S> Layer<S> for Signs {
    type Service = Listening<S>;

    fn layer(&self, inner: S) -> Listening<S> {
        Listening { inner, signs: self.clone() }
    }
}

/// A connection to the API server whose answers are noted.
#[derive(Clone, Debug)]
pub struct Listening<S> {
    inner: S,
    signs: Signs,
}

/// Notes that a part of an answer came, and passes it on.
type Noting<D> = Box<dyn FnMut(Frame<D>) -> Frame<D> + Send>;

impl<S, A, B> Service<Request<A>> for Listening<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
    B: Body + Send + 'static,
{
    type Response = Response<MapFrame<B, Noting<B::Data>>>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let watched = WatchKind::of(&request);
        let signs = self.signs.clone();
        let answered = self.inner.call(request);
        let listened = async move {
            let answer = answered.await?;
            let is_success = answer.status().is_success();
            let note: Noting<B::Data> = Box::new(move |frame| {
                if let Some(kind) = watched.filter(|_| is_success) {
                    signs.heard(kind);
                }
                frame
            });
            Ok(answer.map(|body| body.map_frame(note)))
        };
        listened.boxed()
    }
}

/// Shows L2.
#[cfg(test)]
mod tests {
    use futures::{StreamExt, channel::mpsc::UnboundedReceiver, channel::mpsc::unbounded};
    use http_body_util::StreamBody;

    use super::*;
    use crate::server::Readiness;

    /// An API server that answers with what comes.
    async fn ask(
        signs: &Signs,
        path: &str,
        status: u16,
        pieces: UnboundedReceiver<&'static [u8]>,
    ) -> impl futures::Stream<Item = ()> + use<> {
        let pieces = Mutex::new(Some(pieces));
        let server = tower::service_fn(move |_: Request<()>| {
            let frames = pieces.lock().unwrap().take().unwrap().map(|piece| Ok::<_, std::convert::Infallible>(Frame::data(piece)));
            std::future::ready(Ok::<_, std::convert::Infallible>(Response::builder().status(status).body(StreamBody::new(frames)).unwrap()))
        });
        let answer = signs.layer(server).call(Request::get(path).body(()).unwrap()).await.unwrap();
        answer.into_body().into_data_stream().map(|piece| assert_eq!(piece.unwrap(), b"piece"))
    }

    #[tokio::test]
    async fn only_what_comes_on_a_watch_shows_that_it_works() {
        let watch = "/apis/keyward.dev/v1alpha1/managedkeys?allowWatchBookmarks=true&watch=true";
        for (path, status, counts) in [
            (watch, 200, true),
            ("/apis/keyward.dev/v1alpha1/managedkeys?watch=true&resourceVersion=7", 200, true),
            (watch, 403, false),
            ("/apis/keyward.dev/v1alpha1/managedkeys?limit=500", 200, false),
            ("/apis/keyward.dev/v1alpha1/keyproviders?watch=true", 200, false),
            ("/apis/keyward.dev/v1alpha1/namespaces/shop/managedkeys/orders?watch=true", 200, false),
        ] {
            let signs = Signs::default();
            signs.begun(WatchKind::ManagedKeys);
            let begun = signs.signs()[&WatchKind::ManagedKeys];
            let (server, pieces) = unbounded();
            let mut answer = Box::pin(ask(&signs, path, status, pieces).await);
            assert!(futures::poll!(answer.next()).is_pending());
            assert_eq!(signs.signs()[&WatchKind::ManagedKeys].heard, begun.heard, "{path}: that it was answered says nothing of the watch");
            server.unbounded_send(b"piece").unwrap();
            answer.next().await.unwrap();
            let heard = signs.signs()[&WatchKind::ManagedKeys];
            assert_eq!((heard.heard > begun.heard, heard.times), (counts, u32::from(!counts)), "{path} {status}");
        }
    }

    #[test]
    fn what_is_not_watched_has_no_age() {
        let signs = Signs::default();
        signs.heard(WatchKind::Namespaces);
        assert!(signs.ages().is_empty());
        signs.begun(WatchKind::Namespaces);
        assert_eq!(signs.ages().into_keys().collect::<Vec<_>>(), [WatchKind::Namespaces]);
        signs.ended(WatchKind::Namespaces);
        signs.heard(WatchKind::Namespaces);
        assert!(signs.ages().is_empty(), "what comes late brings it not back");
    }

    #[test]
    fn an_old_watch_makes_the_process_not_ready_and_an_ended_watch_does_not() {
        let (readiness, metrics) = (Readiness::default(), Metrics::new(true));
        let watches = WatchKind::ALL.map(|kind| (kind, readiness.gate(kind.gate())));
        let series = |kind: WatchKind, age: f64| format!("keyward_watch_age_seconds{{resource=\"{}\"}} {age:?}\n", kind.resource());
        let kind = WatchKind::ManagedKeys;
        for (seconds, ready) in [(89, true), (90, false), (4000, false), (1, true)] {
            tell(&[(kind, Duration::from_secs(seconds)), (WatchKind::Secrets, Duration::ZERO)].into(), &watches, &metrics);
            assert_eq!(readiness.is_ready(), ready, "{seconds} s");
            let text = metrics.encode();
            for line in [series(kind, f64::from(u16::try_from(seconds).unwrap())), series(WatchKind::Secrets, 0.0)] {
                assert!(text.contains(&line), "no {line} in {text}");
            }
        }
        tell(&[(kind, waits::WATCH_DEAD)].into(), &watches, &metrics);
        assert!(!readiness.is_ready() && !metrics.encode().contains("resource=\"secrets\""), "{}", metrics.encode());
        tell(&BTreeMap::new(), &watches, &metrics);
        assert!(readiness.is_ready() && !metrics.encode().contains("keyward_watch_age_seconds{"), "{}", metrics.encode());
    }

    #[test]
    fn a_watch_has_more_time_each_time_that_nothing_comes() {
        let signs = Signs::default();
        let limit = || signs.signs()[&WatchKind::Secrets].limit().as_secs();
        let patiences = std::iter::repeat_with(|| {
            signs.begun(WatchKind::Secrets);
            limit()
        });
        assert_eq!(patiences.take(6).collect::<Vec<_>>(), [30, 60, 120, 240, 480, 480]);
        signs.heard(WatchKind::Secrets);
        assert_eq!(limit(), 30);
    }
}
