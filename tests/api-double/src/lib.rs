//! The part of the Kubernetes API server that Keyward uses, in memory.
//!
//! A test makes a client of its [service](ApiDouble::service), and needs no process, no socket and no TLS. It keeps objects, versions, generations, finalizers and watches as
//! the API server does, and it refuses a write whose `resourceVersion` is old.
//!
//! What it does **not** do: it checks no schema, no CEL rule and no right; it fills in no defaults; it records no field managers in an object; it deletes
//! neither the content of a namespace nor what an owner leaves behind. A test that rests on one of these needs a real control plane.

mod merge;
mod request;
mod store;

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::Service;

pub use crate::store::Write;
use crate::{
    request::{Request, Verb},
    store::{Refusal, Store},
};

/// The body of an answer.
pub type Answer = UnsyncBoxBody<Bytes, Infallible>;

/// A stand-in for the API server. Clones are the same server.
#[derive(Clone, Debug, Default)]
pub struct ApiDouble(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    store: Mutex<Store>,
    /// The version of the last change.
    changed: watch::Sender<u64>,
}

impl ApiDouble {
    /// What answers the requests of a client.
    #[must_use]
    pub fn service<B>(
        &self,
    ) -> impl Service<http::Request<B>, Response = Response<Answer>, Error = Infallible, Future: Send + 'static> + Send + Clone + 'static
    where
        B: http_body::Body<Data: Send> + Send + 'static,
        B::Error: Send,
    {
        let server = self.clone();
        tower::service_fn(move |request: http::Request<B>| {
            let server = server.clone();
            async move {
                let (parts, body) = request.into_parts();
                // The body is in memory already, so that reading it does not fail.
                let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
                Ok(server.answer(&parts, &body))
            }
        })
    }

    /// What was written so far, oldest first. Neither a refused write nor a dry run is in it.
    #[must_use]
    pub fn writes(&self) -> Vec<Write> {
        self.store().writes.clone()
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.0.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, parts: &http::request::Parts, body: &[u8]) -> Response<Answer> {
        let request = match Request::read(parts, body) {
            Ok(request) => request,
            Err(why) => return refused(&Refusal::Invalid(why)),
        };
        if request.verb == Verb::Watch {
            return self.watch(request);
        }
        let (answered, version) = {
            let mut store = self.store();
            (store.answer(&request), store.version())
        };
        self.0.changed.send_if_modified(|known| std::mem::replace(known, version) != version);
        match answered {
            Ok(answer) => json_answer(StatusCode::OK, &answer),
            Err(refusal) => refused(&refusal),
        }
    }

    /// Every change of the kind after the version that the client has, as it comes.
    fn watch(&self, request: Request) -> Response<Answer> {
        let after: u64 = request.query("resourceVersion").and_then(|version| version.parse().ok()).unwrap_or_default();
        let state = (self.clone(), self.0.changed.subscribe(), request, after);
        let lines = stream::unfold(state, async |(server, mut changed, request, after)| {
            loop {
                // Marked as seen before the changes are read: what comes in between is not missed.
                changed.borrow_and_update();
                let (text, last) = server.store().changes(&request, after);
                if !text.is_empty() {
                    return Some((text, (server, changed, request, last)));
                }
                changed.changed().await.ok()?;
            }
        });
        let frames = lines.map(|text| Ok::<_, Infallible>(Frame::data(Bytes::from(text))));
        Response::new(StreamBody::new(frames).boxed_unsync())
    }
}

fn json_answer(status: StatusCode, answer: &Value) -> Response<Answer> {
    let mut response = Response::new(Full::new(Bytes::from(answer.to_string())).boxed_unsync());
    *response.status_mut() = status;
    response
}

fn refused(refusal: &Refusal) -> Response<Answer> {
    let (code, reason) = refusal.code();
    let answer = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code.as_u16(), "reason": reason, "message": refusal.to_string(),
    });
    json_answer(code, &answer)
}
