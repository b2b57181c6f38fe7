//! The format of a reply on the wire.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// A reply before it is written to the wire.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// JSON, or nothing.
    pub(super) body: String,
    /// The token that IAM issued. It is sent in a header.
    pub(super) token: Option<String>,
}

pub(super) fn send(reply: Reply, request_id: &str) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, [("x-request-id", request_id)], reply.body).into_response();
    let headers = response.headers_mut();
    if status == StatusCode::NO_CONTENT {
        headers.remove(header::CONTENT_TYPE);
    } else {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    if let Some(token) = reply.token.and_then(|token| HeaderValue::try_from(token).ok()) {
        headers.insert("x-subject-token", token);
    }
    response
}
