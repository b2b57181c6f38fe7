//! One request from its bytes to its reply.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::Value;

use super::calls::{self, Call, Reply};
use super::failure::Failure;
use super::form::in_form;
use super::operation::{Effect, Operation};
use super::request::Request;
use super::session::Session;
use super::sync;
use crate::fault::{FaultAction, FaultedCall};
use crate::ledger::{Entry, NOT_CARRIED_OUT, OK};
use crate::state::{Inner, Shared};
use crate::wire::Cut;
use crate::world::{KeyRef, KeyState};

/// Serves one request.
pub(crate) async fn serve(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request = Request::parse(&method, &uri, &headers, &body);
    let request_id = uuid::Uuid::new_v4().to_string();

    // This is not in the match itself, because the lock would be held in its arms.
    let recognised = recognise(&mut shared.lock(), &request);
    let session = match recognised {
        Ok(session) => session,
        Err(failure) => {
            let outcome = Outcome::refused(failure, None);
            let reply = record(&mut shared.lock(), &request, None, None, outcome, None, &request_id);
            return send(&shared, &reply);
        }
    };

    let fault = strike(&mut shared.lock(), &request, &session);
    let fault = shared.hold_back(fault).await;
    let reply = perform(&shared, &request, &session, fault.as_ref(), &request_id);
    shared.let_go(fault, &cut).await;
    send(&shared, &reply)
}

/// The sender of the request. The sender of a login is the claimed user; the login itself decides whether this is accepted.
fn recognise(inner: &mut Inner, request: &Request) -> Result<Session, Failure> {
    let now = inner.pass_time();
    if request.route.as_ref().is_some_and(|route| route.operation == Operation::Login) {
        let claimed = request.body.as_ref().ok().and_then(|body| body.text("username").ok().flatten()).unwrap_or_default();
        let account = inner.appliance.user(claimed).map(|user| user.account.clone()).unwrap_or_default();
        return Ok(Session { username: claimed.to_owned(), account, domain: String::new() });
    }
    inner.appliance.sessions.bearer(request.bearer.as_deref(), now)
}

fn strike(inner: &mut Inner, request: &Request, session: &Session) -> Option<FaultAction> {
    let key = locate(inner, request, session);
    let call = FaultedCall { operation: request.name(), key: key.as_ref(), access_key: &session.username, account: &session.account };
    inner.faults.strike(&call)
}

/// The key that the path names.
fn locate(inner: &Inner, request: &Request, session: &Session) -> Option<KeyRef> {
    let id = request.route.as_ref()?.row()?;
    inner.appliance.row(session, id).map(|row| row.at.clone())
}

/// Does the call, unless a fault forbids it, and records it.
fn perform(shared: &Arc<Shared>, request: &Request, session: &Session, fault: Option<&FaultAction>, request_id: &str) -> Reply {
    let mut inner = shared.lock();
    let now = inner.pass_time();
    sync::watch_passing(&mut inner, shared, now);
    let located = locate(&inner, request, session);
    let before = located.as_ref().and_then(|at| inner.world.key(at)).map(|key| key.state);
    let operation = request.route.as_ref().map(|route| route.operation);
    let outcome = match (fault, operation) {
        (Some(FaultAction::Cut | FaultAction::Hang), _) => Outcome::refused(Failure::new(0, NOT_CARRIED_OUT, ""), located),
        (_, None) => Outcome::refused(Failure::not_found(), None),
        (Some(FaultAction::Error { code, status, message }), Some(operation)) => {
            Outcome::refused(Failure::injected(operation, *status, code, message), located)
        }
        (None | Some(FaultAction::Delay { .. } | FaultAction::LateReply { .. } | FaultAction::LoseReply), Some(operation)) => {
            let revision = inner.world.revision();
            let mut call = Call::new(shared, &mut inner, now, request, session, operation, request_id, located);
            let answer = calls::carry_out(&mut call);
            let (touched, region) = (call.touched, call.region);
            let mutates = operation.effect() == Effect::Changes;
            match answer {
                Ok(reply) => Outcome {
                    changed: mutates && (inner.world.revision() != revision || operation == Operation::DeleteKey),
                    took_effect: mutates,
                    answer: Ok(reply),
                    key: touched,
                    region,
                },
                Err(failure) => Outcome { region, ..Outcome::refused(failure, touched) },
            }
        }
    };
    record(&mut inner, request, Some(session), before, outcome, fault, request_id)
}

/// The outcome of a call, for the ledger.
#[derive(Debug)]
struct Outcome {
    answer: Result<Reply, Failure>,
    key: Option<KeyRef>,
    region: Option<String>,
    took_effect: bool,
    changed: bool,
}

impl Outcome {
    fn refused(failure: Failure, key: Option<KeyRef>) -> Self {
        Self { answer: Err(failure), key, region: None, took_effect: false, changed: false }
    }
}

fn record(
    inner: &mut Inner,
    request: &Request,
    session: Option<&Session>,
    state_before: Option<KeyState>,
    outcome: Outcome,
    fault: Option<&FaultAction>,
    request_id: &str,
) -> Reply {
    let Outcome { answer, key, region, took_effect, changed } = outcome;
    let (result, message) = match &answer {
        Ok(_) => (OK.to_owned(), None),
        Err(failure) => (failure.code.clone(), Some(failure.text.clone()).filter(|text| !text.is_empty())),
    };
    let wording = inner.appliance.wording;
    let reply = answer.unwrap_or_else(|failure| Reply { status: failure.status, body: failure.body(wording) });
    let state_after = key.as_ref().and_then(|at| inner.world.key(at)).map(|key| key.state);
    let account = session.map(|session| session.account.clone()).filter(|account| !account.is_empty());
    let double_time = inner.clock.now();
    inner.ledger.append(Entry {
        seq: 0,
        time: Timestamp::now(),
        double_time,
        service: "ciphertrust".to_owned(),
        access_key: session.map(|session| session.username.clone()),
        account,
        region: region.or_else(|| key.as_ref().map(|at| at.region.clone())),
        operation: request.name().to_owned(),
        key: key.as_ref().map(KeyRef::arn),
        params: request.for_ledger(),
        result,
        message,
        status: reply.status,
        state_before,
        state_after,
        took_effect,
        changed,
        fault: fault.map(|fault| fault.name().to_owned()),
        replied: !matches!(fault, Some(FaultAction::LoseReply | FaultAction::Cut | FaultAction::Hang)),
        request_id: request_id.to_owned(),
    });
    reply
}

/// Writes a reply to the wire, with the time of the double's clock.
fn send(shared: &Shared, reply: &Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let now = shared.lock().clock.now();
    let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if reply.body == Value::Null {
        return (status, [(header::DATE, date)]).into_response();
    }
    let headers = [(header::DATE, date), (header::CONTENT_TYPE, "application/json".to_owned())];
    (status, headers, in_form(reply.body.clone(), &shared.forms).to_string()).into_response()
}
