//! Calls to a KMS that speaks JSON over HTTP and has no SDK.
//!
//! An adapter says in a [`Dialect`] how to make a request and how to read a refusal. [`Caller`] sends the request, repeats it where that
//! helps and does no harm, counts it, and makes a failure of an error. [`Session`] keeps the token of a user who logs in. Nothing here may
//! send a creation twice, or change a key after this process has lost its lease.

mod attempts;
mod call;
mod client;
mod session;

#[cfg(test)]
mod tests;

use std::{
    fmt::{self, Debug},
    hash::Hash,
};

use reqwest::{Method, Request, header::HeaderMap};
use serde_json::Value;

use crate::domain::failure::{Failure, FailureKind};

pub(super) use self::{
    call::Caller,
    client::{Authorities, client},
    session::{Grant, Login, Session},
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
#[derive(Clone)]
pub(super) struct Call<'a, O> {
    /// The operation.
    pub(super) operation: O,
    /// The key or alias that it is about; empty for the whole account.
    pub(super) subject: &'a str,
    /// The HTTP method.
    pub(super) method: Method,
    /// The path from the root of the server. Its segments are already percent-encoded.
    pub(super) path: String,
    /// The query, in order.
    pub(super) query: Vec<(&'static str, String)>,
    /// The body.
    pub(super) body: Option<Value>,
}

/// Without the body: that of a login has the password.
impl<O: Debug> Debug for Call<'_, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, subject, method, path, query, body: _ } = self;
        let mut shown = f.debug_struct("Call");
        shown.field("operation", operation).field("subject", subject).field("method", method).field("path", path).field("query", query);
        shown.finish_non_exhaustive()
    }
}

impl<'a, O> Call<'a, O> {
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
#[derive(Clone)]
pub(super) struct Answer {
    /// The HTTP status.
    pub(super) status: u16,
    /// The headers.
    pub(super) headers: HeaderMap,
    /// The body.
    pub(super) body: Vec<u8>,
}

/// Only its status: the answer to a login has the token, in a header or in the body.
impl Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).finish_non_exhaustive()
    }
}

/// A refusal by a KMS. It is the source of the failure that follows, so that an adapter can tell by the code whether the change was already
/// done before.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}", code.as_deref().unwrap_or("no code"), self.shown())]
pub(super) struct Refusal {
    /// The kind of failure.
    pub(super) kind: FailureKind,
    /// The KMS's own code. An answer without one is not from the KMS, but from something in between.
    pub(super) code: Option<String>,
    /// The KMS's own text.
    pub(super) text: String,
}

impl Refusal {
    /// The text for messages and for the log. A server that does not accept credentials may repeat them.
    fn shown(&self) -> &str {
        if self.kind.is_of_credentials() { "its text is not shown" } else { &self.text }
    }

    /// The same for a request that has a password: whatever kind of refusal it is, its text may repeat that.
    fn of_login(&self) -> Self {
        Self { kind: self.kind, code: self.code.clone(), text: "its text is not shown".to_owned() }
    }
}

impl Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal").field("kind", &self.kind).field("code", &self.code).field("text", &self.shown()).finish()
    }
}

/// The wire protocol of a KMS.
pub(super) trait Dialect: Debug + Send + Sync + 'static {
    /// Its operations.
    type Operation: Operation;
    /// The KMS, as metrics, spans and messages name it.
    const NAME: &'static str;
    /// Whether its requests have a password, which a refusal may repeat.
    const LOGS_IN: bool = false;
    /// Where a person puts the authority that signed the server's certificate.
    const AUTHORITY: &'static str = "the authorities of the system";

    /// The request of one attempt, with the current credentials.
    fn request(&self, call: &Call<'_, Self::Operation>) -> impl Future<Output = Result<Request, Failure>> + Send;
    /// Reads an answer that is no success. The code decides the kind, never the text, which the KMS may change.
    fn refusal(&self, answer: &Answer) -> Refusal;
    /// The credentials were refused. Whether others are available at once, such as a new token. Called at most once in a call.
    fn renew(&self, refused: &Request) -> bool;
    /// The request succeeded, so the KMS accepted the credentials.
    fn accepted(&self, _request: &Request) {}
    /// What a person can do if the KMS denies the operation.
    fn permission(&self, operation: Self::Operation) -> &'static str;
    /// What a person can do if the KMS does not accept the credentials.
    fn credentials(&self, refusal: &Refusal) -> &'static str;
}
