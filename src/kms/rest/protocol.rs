//! What an adapter says of the protocol of its KMS: operations, requests, answers and refusals.

use std::{
    fmt::{self, Debug},
    hash::Hash,
};

use reqwest::{Method, Request, header::HeaderMap};
use serde_json::Value;

use crate::domain::failure::{Failure, FailureKind};

/// An operation of a KMS.
pub(in crate::kms) trait Operation: Copy + Debug + Eq + Hash + Send + Sync + 'static {
    /// The KMS's own name for it, as metrics, spans and messages have it.
    fn as_str(self) -> &'static str;
    /// Whether it changes something at the KMS.
    fn changes(self) -> bool;
    /// Whether a request may be repeated when its answer was lost.
    fn repeats(self) -> bool;
}

/// What is asked of the KMS.
#[derive(Clone)]
pub(in crate::kms) struct Call<'a, O> {
    /// The operation.
    pub(in crate::kms) operation: O,
    /// The key or alias that it is about; empty for the whole account.
    pub(in crate::kms) subject: &'a str,
    /// The HTTP method.
    pub(in crate::kms) method: Method,
    /// The path from the root of the server. Its segments are already percent-encoded.
    pub(in crate::kms) path: String,
    /// The query, in order.
    pub(in crate::kms) query: Vec<(&'static str, String)>,
    /// The body.
    pub(in crate::kms) body: Option<Value>,
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
    pub(in crate::kms) const fn new(operation: O, subject: &'a str, method: Method, path: String) -> Self {
        Self { operation, subject, method, path, query: Vec::new(), body: None }
    }

    /// With this body.
    pub(in crate::kms) fn with(self, body: Value) -> Self {
        Self { body: Some(body), ..self }
    }

    /// With this query.
    pub(in crate::kms) fn query(self, query: Vec<(&'static str, String)>) -> Self {
        Self { query, ..self }
    }
}

/// A whole answer, whatever its status.
#[derive(Clone)]
pub(in crate::kms) struct Answer {
    /// The HTTP status.
    pub(in crate::kms) status: u16,
    /// The headers.
    pub(in crate::kms) headers: HeaderMap,
    /// The body.
    pub(in crate::kms) body: Vec<u8>,
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
pub(in crate::kms) struct Refusal {
    /// The kind of failure.
    pub(in crate::kms) kind: FailureKind,
    /// The KMS's own code. An answer without one is not from the KMS, but from something in between.
    pub(in crate::kms) code: Option<String>,
    /// The KMS's own text.
    pub(in crate::kms) text: String,
}

impl Refusal {
    /// The text for messages and for the log. A server that does not accept credentials may repeat them.
    fn shown(&self) -> &str {
        if self.kind.is_of_credentials() { "its text is not shown" } else { &self.text }
    }

    /// The same for a request that has a password: whatever kind of refusal it is, its text may repeat that.
    pub(super) fn of_login(&self) -> Self {
        Self { kind: self.kind, code: self.code.clone(), text: "its text is not shown".to_owned() }
    }
}

impl Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal").field("kind", &self.kind).field("code", &self.code).field("text", &self.shown()).finish()
    }
}

/// The wire protocol of a KMS.
pub(in crate::kms) trait Dialect: Debug + Send + Sync + 'static {
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
