//! The outcome of a call, and its format on the wire.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::failure::Failure;
use super::request::{Request, Service};
use super::sts;
use crate::ledger::OK;
use crate::world::KeyRef;

/// A reply before it is written to the wire.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) body: String,
}

/// The outcome of a call, for the ledger.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) reply: Reply,
    pub(super) result: String,
    pub(super) message: Option<String>,
    pub(super) key: Option<KeyRef>,
    /// A mutating operation was done.
    pub(super) took_effect: bool,
    pub(super) changed: bool,
}

pub(super) fn succeed(service: Service, body: String) -> Outcome {
    let reply = Reply { status: 200, content_type: service.content_type(), body };
    Outcome { reply, result: OK.to_owned(), message: None, key: None, took_effect: false, changed: false }
}

pub(super) fn refuse(request: &Request, failure: &Failure, request_id: &str) -> Outcome {
    let Failure { code, status, message } = failure;
    let service = request.service();
    let body = match service {
        // If AWS sends no message, the member is absent, not empty.
        Service::Kms if message.is_empty() => serde_json::json!({ "__type": code }).to_string(),
        Service::Kms => serde_json::json!({ "__type": code, "message": message }).to_string(),
        Service::Sts => sts::error_document(code, message, request_id),
    };
    let reply = Reply { status: *status, content_type: service.content_type(), body };
    let message = (!message.is_empty()).then(|| message.clone());
    Outcome { reply, result: code.clone(), message, key: None, took_effect: false, changed: false }
}

pub(super) fn send(reply: Reply, request_id: &str) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = [(header::CONTENT_TYPE.as_str(), reply.content_type), ("x-amzn-requestid", request_id)];
    (status, headers, reply.body).into_response()
}
