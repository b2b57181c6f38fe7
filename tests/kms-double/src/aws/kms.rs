//! A call of the KMS API from its quota to its outcome.

use std::time::Instant;

use jiff::Timestamp;
use serde_json::Value;

use super::call::{self, Call, Caller, Rights};
use super::calls;
use super::denial::{self, Asked};
use super::failure::Failure;
use super::granted;
use super::members::Members;
use super::operation::{Kind, NOT_SERVED, Operation};
use super::reply::{Outcome, refuse, succeed};
use super::request::{Request, Service};
use super::sparse::thin;
use crate::Form;
use crate::state::{Inner, Shared};
use crate::world::KeyRef;

/// Does the call, if quota, policy and format allow it. `located` is the key of the call, if it is known.
pub(super) fn perform(
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
            Request::Kms { name, .. } if NOT_SERVED.contains(&name.as_str()) => {
                let resource = located.as_ref().map_or_else(|| "*".to_owned(), KeyRef::arn);
                Failure::access_denied(&caller.principal, &format!("kms:{name}"), &resource, "identity")
            }
            _ => Failure::unknown_operation(),
        };
        return Outcome { key: located, ..refuse(request, &failure, request_id) };
    };
    let operation = *operation;
    if shared.throttles && !within_quota(inner, operation, caller, members) {
        return Outcome { key: located, ..refuse(request, &Failure::throttled(), request_id) };
    }
    let credential = inner.identities.credential(&caller.access_key);
    let allowed = credential.is_some_and(|credential| operation.actions().iter().all(|action| credential.may(action)));
    let granted = || granted::may_try(&inner.world, caller, operation, members, located.as_ref());
    let Some(rights) = credential.filter(|_| allowed || granted()).map(Rights::Of) else {
        let resource = located.as_ref().map_or_else(|| "*".to_owned(), KeyRef::arn);
        let failure = Failure::access_denied(&caller.principal, &operation.action(), &resource, "identity");
        return Outcome { key: located, ..refuse(request, &failure, request_id) };
    };
    let asked = Asked { operation, caller, members, key: located.as_ref() };
    if let Some(failure) = denial::refusal(&inner.denials, &asked, &inner.world, now) {
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
        rights,
        request_id,
        forms: &shared.forms,
        touched: located,
    };
    let answer = calls::carry_out(&mut call);
    let touched = call.touched;
    match answer {
        Ok(mut answer) => {
            for form in [Form::AwsSparse, Form::AwsStateOnly].into_iter().filter(|form| shared.forms.contains(form)) {
                thin(&mut answer, form);
            }
            let mutated = operation.kind() == Kind::Mutation;
            let changed = mutated && inner.world.revision() != revision;
            Outcome { key: touched, took_effect: mutated, changed, ..succeed(Service::Kms, body_of(operation, &answer)) }
        }
        Err(failure) => Outcome { key: touched, ..refuse(request, &failure, request_id) },
    }
}

/// If the model of an operation has no output, its answer is an empty body. The output of the two on key stores has no members.
fn body_of(operation: Operation, answer: &Value) -> String {
    let stores = matches!(operation, Operation::ConnectCustomKeyStore | Operation::DisconnectCustomKeyStore);
    let silent = answer.as_object().is_some_and(serde_json::Map::is_empty) && operation.kind() == Kind::Mutation && !stores;
    if silent { String::new() } else { answer.to_string() }
}

/// `ReplicateKey` counts as two creations in the replica's Region, `UpdatePrimaryRegion` once in each Region.
pub(super) fn within_quota(inner: &mut Inner, operation: Operation, caller: &Caller, members: &Members) -> bool {
    let now = Instant::now();
    let pair = members.string("KeyPairSpec").ok().flatten();
    let key = call::locate(&inner.world, caller, members).and_then(|at| inner.world.key(&at)).map(|key| key.spec.as_str());
    let (bucket, quota) = operation.bucket(pair.or(key));
    let quotas = &mut inner.quotas;
    let mut take = |region: &str, bucket, quota, count| quotas.take(&caller.account, region, bucket, quota, count, now);
    let elsewhere = |name: &str| members.string(name).ok().flatten();
    take(&caller.region, bucket, quota, 1)
        && match operation {
            Operation::ReplicateKey => elsewhere("ReplicaRegion").is_none_or(|region| {
                let creation = Operation::CreateKey;
                take(region, creation.name(), creation.quota(), 2)
            }),
            Operation::UpdatePrimaryRegion => elsewhere("PrimaryRegion").is_none_or(|region| take(region, bucket, quota, 1)),
            _ => true,
        }
}
