//! A call from the check of its project to its outcome.

use std::time::Instant;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::call::{Answer, Call, Caller, Request};
use super::calls;
use super::failure::{Code, Failure};
use super::form::in_form;
use super::iam::{self, Login};
use super::operation::{Kind, Operation};
use super::reply::Reply;
use crate::ledger::OK;
use crate::state::{Inner, Shared};
use crate::world::KeyRef;

/// The maximum rate of describe calls per second and customer. It is the only documented rate.
const DESCRIBE_PER_SECOND: u32 = 1000;

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

impl Outcome {
    fn succeeded(reply: Reply) -> Self {
        Self { reply, result: OK.to_owned(), message: None, key: None, took_effect: false, changed: false }
    }

    pub(super) fn refused(request: &Request, failure: &Failure, request_id: &str) -> Self {
        let body = failure.body(request.route.service, request_id).to_string();
        let reply = Reply { status: failure.status, body, token: None };
        let message = (!failure.message.is_empty()).then(|| failure.message.clone());
        Self { reply, result: failure.code.clone(), message, key: None, took_effect: false, changed: false }
    }
}

/// Does the call, if method, quota, project, rights and format allow it. `located` is the key of the call, if it is known.
pub(super) fn perform(
    inner: &mut Inner,
    shared: &Shared,
    request: &Request,
    caller: Option<&Caller>,
    now: Timestamp,
    located: Option<KeyRef>,
    request_id: &str,
) -> Outcome {
    let place = located.clone();
    let refuse = |failure: &Failure| Outcome { key: place.clone(), ..Outcome::refused(request, failure, request_id) };
    let Some(operation) = request.route.operation else {
        return refuse(&Failure::of(Code::Method));
    };
    let caller = match (operation, caller) {
        (Operation::ListVersions, _) => return Outcome::succeeded(json_reply(200, &versions())),
        (Operation::CreateToken, _) => return login(inner, request, now).unwrap_or_else(|failure| refuse(&failure)),
        (_, Some(caller)) => caller,
        // The caller is always known here.
        (_, None) => return refuse(&Failure::of(Code::NoToken)),
    };
    if let Err(failure) = admit(inner, shared, operation, request, caller) {
        return refuse(&failure);
    }
    let members = match &request.members {
        Ok(members) => members,
        Err(failure) => return refuse(failure),
    };
    let revision = inner.world.revision();
    let mut call = Call {
        operation,
        world: &mut inner.world,
        known: &inner.huawei,
        now,
        seen: Instant::now(),
        caller,
        request,
        members,
        counts_keys: shared.throttles,
        touched: located,
    };
    let answer = calls::carry_out(&mut call);
    let key = call.touched;
    match answer {
        Ok(Answer { status, body }) => {
            let took_effect = operation.kind() == Kind::Mutation;
            let changed = took_effect && inner.world.revision() != revision;
            let body = body.map(|body| in_form(operation, body, &shared.forms).to_string()).unwrap_or_default();
            Outcome { key, took_effect, changed, ..Outcome::succeeded(Reply { status, body, token: None }) }
        }
        Err(failure) => Outcome { key, ..Outcome::refused(request, &failure, request_id) },
    }
}

/// Whether the call is within the caller's rate, in its own project, and allowed.
fn admit(inner: &mut Inner, shared: &Shared, operation: Operation, request: &Request, caller: &Caller) -> Result<(), Failure> {
    let own = &caller.project;
    if shared.throttles
        && operation == Operation::DescribeKey
        && !inner.quotas.take(&own.id, &own.region, operation.name(), DESCRIBE_PER_SECOND, 1, Instant::now())
    {
        return Err(Failure::of(Code::Throttled));
    }
    let in_path = request.route.project.as_deref();
    let in_header = request.project_header.as_deref().filter(|_| in_path.is_some());
    if in_path.into_iter().chain(in_header).any(|project| project != own.id) {
        return Err(Failure::of(Code::OtherProject));
    }
    let may = caller.allow.as_ref().is_none_or(|allowed| allowed.iter().any(|allowed| allowed == operation.name()));
    if may { Ok(()) } else { Err(Failure::because(Code::NotPermitted, operation.name())) }
}

fn login(inner: &mut Inner, request: &Request, now: Timestamp) -> Result<Outcome, Failure> {
    let members = request.members.as_ref().map_err(|_| Failure::iam(400, "The request body is not JSON."))?;
    let issued = iam::create_token(&mut inner.huawei, &Login::read(members)?, now)?;
    Ok(Outcome::succeeded(Reply { token: Some(issued.token), ..json_reply(201, &issued.body) }))
}

fn json_reply(status: u16, body: &Value) -> Reply {
    Reply { status, body: body.to_string(), token: None }
}

fn versions() -> Value {
    let version = |id: &str, status: &str| json!({ "id": id, "links": [], "version": "", "status": status, "updated": "2016-10-29T02:00:00Z", "min_version": "" });
    json!({ "versions": [version("v1.0", "CURRENT"), version("v2", "SUPPORTED")] })
}
