//! The wire protocols of AWS: KMS (JSON 1.1) and STS (query), on one port and one path.
//!
//! A call goes through the same stations as on AWS: who is it (signature), may it (quota, policy), what does it say (members), does
//! the key's state allow it. Faults come after the signature. The effect and its ledger entry are made under one lock.

mod call;
mod calls;
mod failure;
mod form;
mod members;
mod operation;
mod request;
mod sigv4;
mod spec;
mod states;
mod sts;
mod target;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::Value;

use crate::fault::{FaultAction, FaultedCall};
use crate::ledger::{Entry, OK};
use crate::state::{Inner, Shared};
use crate::wire::Cut;
use crate::world::KeyRef;
use call::{Call, Caller};
use failure::Failure;
use operation::{Kind, Operation};
use request::{Request, Service};
use sigv4::Signed;

pub(crate) use calls::default_policy;
pub(crate) use spec::{USAGES, find as find_spec};

/// A reply before it is put on the wire.
#[derive(Clone, Debug)]
struct Reply {
    status: u16,
    content_type: &'static str,
    body: String,
}

/// What came of a call, for the ledger.
#[derive(Debug)]
struct Outcome {
    reply: Reply,
    result: String,
    message: Option<String>,
    key: Option<KeyRef>,
    /// A mutating operation was carried out.
    took_effect: bool,
    changed: bool,
}

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

    // Not in the match itself: the lock would be held in its arms.
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
    if let Some(delay) = fault.as_ref().and_then(FaultAction::delay) {
        tokio::time::sleep(delay).await;
    }
    let reply = perform(&shared, &request, &caller, fault.as_ref(), &request_id);
    match fault {
        None | Some(FaultAction::Error { .. } | FaultAction::Delay { .. }) => {}
        Some(FaultAction::LateReply { millis }) => tokio::time::sleep(Duration::from_millis(millis)).await,
        Some(FaultAction::LoseReply | FaultAction::Cut) => cut.pull(),
        Some(FaultAction::Hang) => {
            shared.stopped().await;
            cut.pull();
        }
    }
    send(reply, &request_id)
}

fn strike(inner: &mut Inner, request: &Request, caller: &Caller) -> Option<FaultAction> {
    let key = request.members().and_then(|members| call::locate(&inner.world, caller, members));
    let call = FaultedCall { operation: request.name(), key: key.as_ref(), access_key: &caller.access_key, account: &caller.account };
    inner.faults.strike(&call)
}

/// Carries the call out, unless a fault forbids that, and records it.
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
            let failure = Failure { code: "NotCarriedOut".to_owned(), status: 0, message: String::new() };
            Outcome { key: located, ..refuse(request, &failure, request_id) }
        }
        None | Some(FaultAction::Delay { .. } | FaultAction::LateReply { .. } | FaultAction::LoseReply) => match request {
            Request::Kms { .. } => kms(&mut inner, shared, request, caller, now, located, request_id),
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

fn kms(
    inner: &mut Inner,
    shared: &Shared,
    request: &Request,
    caller: &Caller,
    now: Timestamp,
    located: Option<KeyRef>,
    request_id: &str,
) -> Outcome {
    let Request::Kms { operation: Some(operation), members: Ok(members), .. } = request else {
        let failure = match request {
            Request::Kms { operation: Some(_), members: Err(failure), .. } => failure.clone(),
            _ => Failure::unknown_operation(),
        };
        return Outcome { key: located, ..refuse(request, &failure, request_id) };
    };
    let operation = *operation;
    if shared.throttles && !within_quota(inner, operation, caller, members) {
        return Outcome { key: located, ..refuse(request, &Failure::throttled(), request_id) };
    }
    let allowed = inner.identities.credential(&caller.access_key).is_some_and(|credential| credential.may(&operation.action()));
    if !allowed {
        let resource = located.as_ref().map_or_else(|| "*".to_owned(), KeyRef::arn);
        let failure = Failure::access_denied(&caller.principal, &operation.action(), &resource, "identity");
        return Outcome { key: located, ..refuse(request, &failure, request_id) };
    }
    let revision = inner.world.revision();
    let mut call = Call {
        operation,
        world: &mut inner.world,
        now,
        seen: Instant::now(),
        settling: shared.settling,
        caller,
        members,
        request_id,
        touched: located,
    };
    let answer = calls::carry_out(&mut call);
    let touched = call.touched;
    match answer {
        Ok(answer) => {
            let mutated = operation.kind() == Kind::Mutation;
            let changed = mutated && inner.world.revision() != revision;
            Outcome { key: touched, took_effect: mutated, changed, ..succeed(Service::Kms, body_of(operation, &answer)) }
        }
        Err(failure) => Outcome { key: touched, ..refuse(request, &failure, request_id) },
    }
}

/// Operations whose model has no output answer an empty body.
fn body_of(operation: Operation, answer: &Value) -> String {
    let silent = answer.as_object().is_some_and(serde_json::Map::is_empty) && operation.kind() == Kind::Mutation;
    if silent { String::new() } else { answer.to_string() }
}

/// ReplicateKey counts as two creations in the replica's Region, UpdatePrimaryRegion once in each Region.
fn within_quota(inner: &mut Inner, operation: Operation, caller: &Caller, members: &members::Members) -> bool {
    let now = Instant::now();
    let quotas = &mut inner.quotas;
    let mut take =
        |region: &str, operation: Operation, count| quotas.take(&caller.account, region, operation.bucket(), operation.quota(), count, now);
    let elsewhere = |name: &str| members.string(name).ok().flatten().map(str::to_owned);
    take(&caller.region, operation, 1)
        && match operation {
            Operation::ReplicateKey => elsewhere("ReplicaRegion").is_none_or(|region| take(&region, Operation::CreateKey, 2)),
            Operation::UpdatePrimaryRegion => elsewhere("PrimaryRegion").is_none_or(|region| take(&region, operation, 1)),
            _ => true,
        }
}

/// Who made a call, as far as is known.
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
    state_before: Option<crate::world::KeyState>,
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
    outcome.reply
}

fn succeed(service: Service, body: String) -> Outcome {
    let reply = Reply { status: 200, content_type: service.content_type(), body };
    Outcome { reply, result: OK.to_owned(), message: None, key: None, took_effect: false, changed: false }
}

fn refuse(request: &Request, failure: &Failure, request_id: &str) -> Outcome {
    let Failure { code, status, message } = failure;
    let service = request.service();
    let body = match service {
        Service::Kms => serde_json::json!({ "__type": code, "message": message }).to_string(),
        Service::Sts => sts::error_document(code, message, request_id),
    };
    let reply = Reply { status: *status, content_type: service.content_type(), body };
    let message = (!message.is_empty()).then(|| message.clone());
    Outcome { reply, result: code.clone(), message, key: None, took_effect: false, changed: false }
}

fn send(reply: Reply, request_id: &str) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = [(header::CONTENT_TYPE.as_str(), reply.content_type), ("x-amzn-requestid", request_id)];
    (status, headers, reply.body).into_response()
}
