//! One request from its bytes to its reply.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use jiff::Timestamp;

use super::call::{self, Caller, Request};
use super::failure::{Code, Failure, Service};
use super::iam::Login;
use super::members::Members;
use super::operation::{Operation, Route};
use super::percent;
use super::perform::{Outcome, perform};
use super::reply::{Reply, send};
use super::signature::Sent;
use super::who::{self, Stranger};
use crate::fault::{FaultAction, FaultedCall};
use crate::ledger::{Entry, NOT_CARRIED_OUT};
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
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let request_id = uuid::Uuid::new_v4().simple().to_string();
    let (request, body) = understand(&method, &uri, &headers, body);
    let body = match body {
        Ok(body) => body,
        Err(failure) => {
            let outcome = Outcome::refused(&request, &failure, &request_id);
            return send(record(&mut shared.lock(), &request, Who::default(), None, outcome, None, &request_id), &request_id);
        }
    };
    let sent = Sent { method: method.as_str(), uri: &uri, headers: &headers, body: &body };
    // This is not in the match itself, because the lock would be held in its arms.
    let recognised = recognise(&mut shared.lock(), &request, sent);
    let caller = match recognised {
        Ok(caller) => caller,
        Err(stranger) => {
            let outcome = Outcome::refused(&request, &stranger.failure, &request_id);
            let who = Who { name: stranger.name.as_deref(), caller: None };
            return send(record(&mut shared.lock(), &request, who, None, outcome, None, &request_id), &request_id);
        }
    };

    let fault = strike(&mut shared.lock(), &request, caller.as_ref());
    let fault = shared.hold_back(fault).await;
    let reply = carry_out(&shared, &request, caller.as_ref(), fault.as_ref(), &request_id);
    shared.let_go(fault, &cut).await;
    send(reply, &request_id)
}

/// The checks of the gateway before the caller is known: the API exists, and the request is not too large.
fn understand(method: &Method, uri: &Uri, headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> (Request, Result<Bytes, Failure>) {
    let query = percent::pairs(uri.query().unwrap_or_default());
    let project_header = headers.get("x-project-id").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let line = format!("{method} {}", uri.path());
    let Some(route) = Route::find(method.as_str(), uri.path()) else {
        let request = Request { route: Route::unknown(), name: line.clone(), line, project_header, query, members: Ok(Members::default()) };
        return (request, Err(Failure::of(Code::NoSuchApi)));
    };
    let name = route.operation.map_or_else(|| line.clone(), |operation| operation.name().to_owned());
    let body = body.map_err(|error| Failure::because(Code::TooLarge, error));
    let members = body.as_ref().map_or_else(|_| Ok(Members::default()), |body| Members::parse(body));
    (Request { route, name, line, project_header, query, members }, body)
}

/// The caller. Everybody may list the versions. For a token request the caller is the claimed user until the password is checked.
fn recognise(inner: &mut Inner, request: &Request, sent: Sent<'_>) -> Result<Option<Caller>, Stranger> {
    let double = inner.pass_time();
    match request.route.operation {
        Some(Operation::ListVersions) => Ok(None),
        Some(Operation::CreateToken) => {
            let login = request.members.as_ref().ok().and_then(|members| Login::read(members).ok());
            let found = login.and_then(|login| login.project(&inner.huawei).map(|project| (login.name, project)));
            Ok(found.map(|(name, project)| Caller { name, project, allow: None }))
        }
        _ => who::recognise(&inner.huawei, request.route.service, sent, Timestamp::now(), double).map(Some),
    }
}

fn strike(inner: &mut Inner, request: &Request, caller: Option<&Caller>) -> Option<FaultAction> {
    let key = caller.and_then(|caller| call::locate(&inner.world, caller, request));
    let (access_key, account) = caller.map_or(("", ""), |caller| (&caller.name, &caller.project.id));
    inner.faults.strike(&FaultedCall { operation: &request.name, key: key.as_ref(), access_key, account })
}

/// Does the call, unless a fault forbids it, and records it.
fn carry_out(shared: &Shared, request: &Request, caller: Option<&Caller>, fault: Option<&FaultAction>, request_id: &str) -> Reply {
    let mut inner = shared.lock();
    let now = inner.pass_time();
    let located = caller.and_then(|caller| call::locate(&inner.world, caller, request));
    let before = located.as_ref().and_then(|at| inner.world.key(at)).map(|key| key.state);
    let outcome = match fault {
        Some(FaultAction::Error { code, status, message }) => {
            let failure = Failure { code: code.clone(), status: *status, message: message.clone() };
            Outcome { key: located, ..Outcome::refused(request, &failure, request_id) }
        }
        Some(FaultAction::Cut | FaultAction::Hang) => {
            let failure = Failure { code: NOT_CARRIED_OUT.to_owned(), status: 0, message: String::new() };
            Outcome { key: located, ..Outcome::refused(request, &failure, request_id) }
        }
        None | Some(FaultAction::Delay { .. } | FaultAction::LateReply { .. } | FaultAction::LoseReply) => {
            perform(&mut inner, shared, request, caller, now, located, request_id)
        }
    };
    let who = Who { name: caller.map(|caller| caller.name.as_str()), caller };
    record(&mut inner, request, who, before, outcome, fault, request_id)
}

/// The caller, if known.
#[derive(Clone, Copy, Debug, Default)]
struct Who<'a> {
    name: Option<&'a str>,
    caller: Option<&'a Caller>,
}

fn record(
    inner: &mut Inner,
    request: &Request,
    who: Who<'_>,
    state_before: Option<KeyState>,
    outcome: Outcome,
    fault: Option<&FaultAction>,
    request_id: &str,
) -> Reply {
    let state_after = outcome.key.as_ref().and_then(|at| inner.world.key(at)).map(|key| key.state);
    let double_time = inner.clock.now();
    inner.ledger.append(Entry {
        seq: 0,
        time: Timestamp::now(),
        double_time,
        service: request.route.service.name().to_owned(),
        access_key: who.name.map(str::to_owned),
        account: who.caller.map(|caller| caller.project.id.clone()),
        region: who.caller.map(|caller| caller.project.region.clone()),
        operation: request.name.clone(),
        key: outcome.key.as_ref().map(KeyRef::arn),
        params: request.for_ledger(),
        result: outcome.result,
        message: outcome.message,
        status: outcome.reply.status,
        state_before,
        state_after,
        took_effect: outcome.took_effect,
        changed: outcome.changed,
        fault: fault.map(|fault| fault.name().to_owned()),
        replied: !matches!(fault, Some(FaultAction::LoseReply | FaultAction::Cut | FaultAction::Hang)),
        request_id: request_id.to_owned(),
    });
    let Reply { status, ref body, .. } = outcome.reply;
    if request.route.service == Service::Kms {
        let any_scalars = inner.any_scalars;
        inner.check(fault, |models| models.check_huawei(&request.line, status, body, any_scalars));
    }
    outcome.reply
}
