//! One request from its bytes to its reply.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use jiff::Timestamp;

use super::call::{self, Caller};
use super::failure::Failure;
use super::reply::{Outcome, Reply, refuse, send, succeed};
use super::request::{self, Request, Service};
use super::sigv4::Signed;
use super::{kms, sts};
use crate::fault::{FaultAction, FaultedCall};
use crate::ledger::{Entry, NOT_CARRIED_OUT};
use crate::state::{Inner, Shared};
use crate::wire::Cut;
use crate::world::{KeyRef, KeyState};

/// The one action without a signature.
const WEB_IDENTITY: &str = "AssumeRoleWithWebIdentity";

/// Serves one request.
pub(crate) async fn serve(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request = Request::parse(&headers, &body);
    let signed = Signed { method: method.as_str(), uri: &uri, headers: &headers, body: &body };
    let request_id = uuid::Uuid::new_v4().to_string();

    if let Request::Sts { action, form } = &request
        && action == WEB_IDENTITY
    {
        let mut inner = shared.lock();
        let outcome = match sts::assume_role_with_web_identity(form, &mut inner.identities, Timestamp::now()) {
            Ok(result) => succeed(Service::Sts, sts::answer_document(action, &result, &request_id)),
            Err(failure) => {
                let failure = Failure { code: failure.code.to_owned(), status: failure.status, message: failure.message };
                refuse(&request, &failure, &request_id)
            }
        };
        let nobody = Who { access_key: None, account: None, region: None };
        return send(record(&mut inner, &request, nobody, None, outcome, None, &request_id), &request_id);
    }

    // This is not in the match itself, because the lock would be held in its arms.
    let recognised = request::authenticate(&shared.lock().identities, &request, signed, Timestamp::now());
    let caller = match recognised {
        Ok(caller) => caller,
        Err(stranger) => {
            let mut inner = shared.lock();
            let outcome = refuse(&request, &stranger.failure, &request_id);
            let who = Who { access_key: stranger.access_key.as_deref(), account: None, region: stranger.region.as_deref() };
            return send(record(&mut inner, &request, who, None, outcome, None, &request_id), &request_id);
        }
    };

    let fault = strike(&mut shared.lock(), &request, &caller);
    let fault = shared.hold_back(fault).await;
    let reply = perform(&shared, &request, &caller, fault.as_ref(), &request_id);
    shared.let_go(fault, &cut).await;
    send(reply, &request_id)
}

fn strike(inner: &mut Inner, request: &Request, caller: &Caller) -> Option<FaultAction> {
    let key = request.members().and_then(|members| call::locate(&inner.world, caller, members));
    let call = FaultedCall { operation: request.name(), key: key.as_ref(), access_key: &caller.access_key, account: &caller.account };
    inner.faults.strike(&call)
}

/// Does the call, unless a fault forbids it, and records it.
fn perform(shared: &Shared, request: &Request, caller: &Caller, fault: Option<&FaultAction>, request_id: &str) -> Reply {
    let mut inner = shared.lock();
    let now = inner.pass_time();
    let located = request.members().and_then(|members| call::locate(&inner.world, caller, members));
    let before = located.as_ref().and_then(|at| inner.world.key(at)).map(|key| key.state);
    let outcome = match fault {
        Some(FaultAction::Error { code, status, message }) => {
            let failure = Failure { code: code.clone(), status: *status, message: message.clone() };
            Outcome { key: located, ..refuse(request, &failure, request_id) }
        }
        Some(FaultAction::Cut | FaultAction::Hang) => {
            let failure = Failure { code: NOT_CARRIED_OUT.to_owned(), status: 0, message: String::new() };
            Outcome { key: located, ..refuse(request, &failure, request_id) }
        }
        None | Some(FaultAction::Delay { .. } | FaultAction::LateReply { .. } | FaultAction::LoseReply) => match request {
            Request::Kms { .. } => kms::perform(&mut inner, shared, request, caller, now, located, request_id),
            Request::Sts { action, form } => match sts::carry_out(action, form, caller, &mut inner.identities, Timestamp::now()) {
                Ok(result) => succeed(Service::Sts, sts::answer_document(action, &result, request_id)),
                Err(failure) => {
                    let failure = Failure { code: failure.code.to_owned(), status: failure.status, message: failure.message };
                    refuse(request, &failure, request_id)
                }
            },
        },
    };
    let who = Who { access_key: Some(&caller.access_key), account: Some(&caller.account), region: Some(&caller.region) };
    record(&mut inner, request, who, before, outcome, fault, request_id)
}

/// The caller, if known.
#[derive(Clone, Copy, Debug)]
struct Who<'a> {
    access_key: Option<&'a str>,
    account: Option<&'a str>,
    region: Option<&'a str>,
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
        service: request.service().name().to_owned(),
        access_key: who.access_key.map(str::to_owned),
        account: who.account.map(str::to_owned),
        region: who.region.map(str::to_owned),
        operation: request.name().to_owned(),
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
    inner.check(fault, |models| match request.service() {
        Service::Kms => models.check_kms(request.name(), status, body),
        Service::Sts => models.check_sts(request.name(), status, body),
    });
    outcome.reply
}
