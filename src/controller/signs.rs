//! Signs of life of the watches: when the API server last sent something on each of them.
//!
//! A watch that brings nothing may be quiet or dead: one that a proxy silenced without closing it looks like a quiet one. So the API server is asked to end
//! each watch after [`RENEWED`], and it sends a bookmark before it does: a watch that is alive is never quiet for long. Bookmarks are seen here, where
//! answers come in, because kube's watcher keeps them to itself.

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

use crate::{metrics::Metrics, server::Gate};

/// After how many seconds the API server ends a watch, which then goes on from where it was.
pub const RENEWED: u32 = 15;
/// A watch on which nothing came for so long is begun anew, with a list.
const SILENT: Duration = Duration::from_secs(30);
/// A watch on which nothing came for so long, though it was begun anew, makes the process not ready.
const OLD: Duration = Duration::from_secs(90);

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `KeyProvider`s.
    KeyProviders,
    /// `ManagedKey`s.
    ManagedKeys,
    /// Metadata of namespaces, while a provider selects by their labels.
    Namespaces,
    /// Metadata of the secrets in the operator's own namespace.
    Secrets,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::KeyProviders, Self::ManagedKeys, Self::Namespaces, Self::Secrets];

    /// The resource, as it stands in the address of a watch.
    #[must_use]
    pub const fn resource(self) -> &'static str {
        match self {
            Self::KeyProviders => "keyproviders",
            Self::ManagedKeys => "managedkeys",
            Self::Namespaces => "namespaces",
            Self::Secrets => "secrets",
        }
    }

    /// The name of its condition of readiness.
    #[must_use]
    pub const fn gate(self) -> &'static str {
        match self {
            Self::KeyProviders => "watch-keyproviders",
            Self::ManagedKeys => "watch-managedkeys",
            Self::Namespaces => "watch-namespaces",
            Self::Secrets => "watch-secrets",
        }
    }

    /// What a request watches, if it is a watch.
    fn of<B>(request: &Request<B>) -> Option<Self> {
        let uri = request.uri();
        let watches = uri.query().is_some_and(|query| query.split('&').any(|part| part == "watch=true" || part == "watch=1"));
        let resource = uri.path().rsplit('/').next()?;
        Self::ALL.into_iter().find(|kind| watches && kind.resource() == resource)
    }
}

/// When something last came on each watch. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Signs(Arc<Mutex<BTreeMap<Kind, Sign>>>);

#[derive(Clone, Copy, Debug)]
struct Sign {
    /// When something came.
    heard: Instant,
    /// When the watch was begun anew after that.
    begun: Instant,
    /// How often it was.
    times: u32,
}

impl Sign {
    /// How long nothing may come from `begun` on. A list that takes long is given more time the next time.
    fn patience(self) -> Duration {
        SILENT.saturating_mul(1 << self.times.saturating_sub(1).min(4))
    }
}

impl Signs {
    fn signs(&self) -> MutexGuard<'_, BTreeMap<Kind, Sign>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A watch is begun, with a list.
    pub fn begun(&self, kind: Kind) {
        let now = Instant::now();
        let mut signs = self.signs();
        let sign = signs.entry(kind).or_insert(Sign { heard: now, begun: now, times: 0 });
        (sign.begun, sign.times) = (now, sign.times.saturating_add(1));
    }

    /// It is watched no more.
    pub fn ended(&self, kind: Kind) {
        self.signs().remove(&kind);
    }

    /// Something came. What is not watched any more stays so.
    pub fn heard(&self, kind: Kind) {
        let now = Instant::now();
        if let Some(sign) = self.signs().get_mut(&kind) {
            *sign = Sign { heard: now, begun: now, times: 0 };
        }
    }

    /// How long ago something came, for all that is watched.
    #[must_use]
    pub fn ages(&self) -> BTreeMap<Kind, Duration> {
        self.signs().iter().map(|(kind, sign)| (*kind, sign.heard.elapsed())).collect()
    }

    /// Waits until nothing came on a watch for too long.
    pub async fn silence(&self, kind: Kind) {
        loop {
            let left = self.signs().get(&kind).map_or(SILENT, |sign| sign.patience().saturating_sub(sign.begun.elapsed()));
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }
}

/// Tells how long nothing came on each watch: as a metric, and in the gate of a watch that is [too old](OLD).
pub fn tell(ages: &BTreeMap<Kind, Duration>, watches: &[(Kind, Gate)], metrics: &Metrics) {
    for (kind, gate) in watches {
        let age = ages.get(kind).copied();
        metrics.watch_age(kind.resource(), age);
        // What is not watched is not missed.
        if age.is_none_or(|age| age < OLD) { gate.open() } else { gate.close() }
    }
}

/// Listens to all answers of the API server.
impl<S> Layer<S> for Signs {
    type Service = Listening<S>;

    fn layer(&self, inner: S) -> Listening<S> {
        Listening { inner, signs: self.clone() }
    }
}

/// A way to the API server that is listened to.
#[derive(Clone, Debug)]
pub struct Listening<S> {
    inner: S,
    signs: Signs,
}

/// Notes that a piece of an answer came, and passes it on.
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
        let watched = Kind::of(&request);
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
#[allow(clippy::unwrap_used, reason = "a test says what it expects by panicking")]
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
    async fn what_comes_on_a_watch_is_a_sign_of_its_life_and_nothing_else_is() {
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
            signs.begun(Kind::ManagedKeys);
            let begun = signs.signs()[&Kind::ManagedKeys];
            let (server, pieces) = unbounded();
            let mut answer = Box::pin(ask(&signs, path, status, pieces).await);
            assert!(futures::poll!(answer.next()).is_pending());
            assert_eq!(signs.signs()[&Kind::ManagedKeys].heard, begun.heard, "{path}: that it was answered says nothing of the watch");
            server.unbounded_send(b"piece").unwrap();
            answer.next().await.unwrap();
            let heard = signs.signs()[&Kind::ManagedKeys];
            assert_eq!((heard.heard > begun.heard, heard.times), (counts, u32::from(!counts)), "{path} {status}");
        }
    }

    #[test]
    fn what_is_not_watched_has_no_age() {
        let signs = Signs::default();
        signs.heard(Kind::Namespaces);
        assert!(signs.ages().is_empty());
        signs.begun(Kind::Namespaces);
        assert_eq!(signs.ages().into_keys().collect::<Vec<_>>(), [Kind::Namespaces]);
        signs.ended(Kind::Namespaces);
        signs.heard(Kind::Namespaces);
        assert!(signs.ages().is_empty(), "what comes late brings it not back");
    }

    #[test]
    fn an_old_watch_is_told_and_makes_the_process_not_ready_and_one_that_is_not_watched_does_neither() {
        let (readiness, metrics) = (Readiness::default(), Metrics::new(true));
        let watches = Kind::ALL.map(|kind| (kind, readiness.gate(kind.gate())));
        let series = |kind: Kind, age: f64| format!("keyward_watch_age_seconds{{resource=\"{}\"}} {age:?}\n", kind.resource());
        let kind = Kind::ManagedKeys;
        for (seconds, ready) in [(89, true), (90, false), (4000, false), (1, true)] {
            tell(&[(kind, Duration::from_secs(seconds)), (Kind::Secrets, Duration::ZERO)].into(), &watches, &metrics);
            assert_eq!(readiness.is_ready(), ready, "{seconds} s");
            let text = metrics.encode();
            for line in [series(kind, f64::from(u16::try_from(seconds).unwrap())), series(Kind::Secrets, 0.0)] {
                assert!(text.contains(&line), "no {line} in {text}");
            }
        }
        tell(&[(kind, OLD)].into(), &watches, &metrics);
        assert!(!readiness.is_ready() && !metrics.encode().contains("resource=\"secrets\""), "{}", metrics.encode());
        tell(&BTreeMap::new(), &watches, &metrics);
        assert!(readiness.is_ready() && !metrics.encode().contains("keyward_watch_age_seconds{"), "{}", metrics.encode());
    }

    #[test]
    fn a_watch_has_more_time_each_time_that_nothing_comes() {
        let signs = Signs::default();
        let patience = || signs.signs()[&Kind::Secrets].patience().as_secs();
        let patiences = std::iter::repeat_with(|| {
            signs.begun(Kind::Secrets);
            patience()
        });
        assert_eq!(patiences.take(6).collect::<Vec<_>>(), [30, 60, 120, 240, 480, 480]);
        signs.heard(Kind::Secrets);
        assert_eq!(patience(), 30);
    }
}
