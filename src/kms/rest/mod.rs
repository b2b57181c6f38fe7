//! Calls to a KMS that speaks JSON over HTTP and has no SDK: what is the same whatever it is called.
//!
//! An adapter says in a [`Dialect`] how a request is made and how a refusal is read; [`Caller`] sends, repeats where that helps and does no harm, counts,
//! and turns what came of it into a failure. It must never send a creation twice, nor anything that changes a key once this process has lost its lease.

mod attempts;
mod call;
mod client;
mod messages;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by panicking")]
mod tests;

use std::{fmt::Debug, hash::Hash};

use reqwest::{Method, Request, header::HeaderMap};
use serde_json::Value;

use crate::domain::failure::{Failure, FailureKind};

pub(super) use self::{
    call::Caller,
    client::{Authorities, base_url, client},
};

/// An operation of a KMS.
pub(super) trait Operation: Copy + Debug + Eq + Hash + Send + Sync + 'static {
    /// The KMS's own name for it, as metrics, spans and messages have it.
    fn as_str(self) -> &'static str;
    /// Whether it changes something at the KMS.
    fn changes(self) -> bool;
    /// Whether a request may be repeated when its answer was lost.
    fn repeats(self) -> bool;
}

/// What is asked of the KMS.
#[derive(Clone, Debug)]
pub(super) struct Ask<'a, O> {
    /// What is called.
    pub(super) operation: O,
    /// The key or alias that it is about; empty for the account as a whole.
    pub(super) subject: &'a str,
    /// The HTTP method.
    pub(super) method: Method,
    /// The path, from the root of the server; its segments are percent-encoded already.
    pub(super) path: String,
    /// The query, in its order.
    pub(super) query: Vec<(&'static str, String)>,
    /// The body.
    pub(super) body: Option<Value>,
}

impl<'a, O> Ask<'a, O> {
    /// A request without query and body.
    pub(super) const fn new(operation: O, subject: &'a str, method: Method, path: String) -> Self {
        Self { operation, subject, method, path, query: Vec::new(), body: None }
    }

    /// With this body.
    pub(super) fn with(self, body: Value) -> Self {
        Self { body: Some(body), ..self }
    }

    /// With this query.
    pub(super) fn query(self, query: Vec<(&'static str, String)>) -> Self {
        Self { query, ..self }
    }
}

/// A whole answer, whatever its status.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// The HTTP status.
    pub(super) status: u16,
    /// The headers.
    pub(super) headers: HeaderMap,
    /// The body.
    pub(super) body: Vec<u8>,
}

/// What a KMS says when it does not do what was asked. It is the source of the failure that follows, so that an adapter can tell by the code what was
/// done before from what cannot be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {text}", code.as_deref().unwrap_or("no code"))]
pub(super) struct Refusal {
    /// What kind of failure it is.
    pub(super) kind: FailureKind,
    /// The KMS's own code. Without one the answer is not the KMS's, but that of something between here and there.
    pub(super) code: Option<String>,
    /// The KMS's own text.
    pub(super) text: String,
}

/// How a KMS is spoken to.
pub(super) trait Dialect: Debug + Send + Sync + 'static {
    /// Its operations.
    type Operation: Operation;
    /// The KMS, as metrics, spans and messages name it.
    const NAME: &'static str;
    /// Where to put the authority that signed the server's certificate.
    const AUTHORITY: &'static str = "the authorities of the system";

    /// The request of one attempt, with the credentials as they are now.
    fn request(&self, ask: &Ask<'_, Self::Operation>) -> impl Future<Output = Result<Request, Failure>> + Send;
    /// Reads an answer that is no success. The code decides the kind, and never a text that the KMS may word otherwise tomorrow.
    fn refusal(&self, answer: &Answer) -> Refusal;
    /// The credentials were refused: whether others can be had at once, such as a new token. It is asked at most once in a call.
    fn renew(&self, refused: &Request) -> bool;
    /// The KMS did what was asked, and so took the credentials.
    fn accepted(&self, _request: &Request) {}
    /// What to do where the KMS denies an operation.
    fn permission(&self, operation: Self::Operation) -> &'static str;
    /// What to do where the KMS does not accept the credentials.
    fn credentials(&self, refusal: &Refusal) -> &'static str;
}
