//! Calls from inside of the process. Another protocol of the double uses them for its own actions.
//!
//! They use the same code and the same tables as calls on the wire, so that two protocols cannot disagree about a key in some state. They
//! write no ledger entry, because the outer call writes it. Nothing is signed, so the caller must name its account.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;

use super::call::{self, Call, Caller, Rights};
use super::calls;
use super::denial::{self, Asked};
use super::failure::Failure;
use super::kms::within_quota;
use super::members::Members;
use super::operation::{Kind, Operation};
use crate::state::{Inner, Shared};
use crate::world::KeyRef;

/// Longer than any read lag, so that a caller in the process sees the newest state.
const BEYOND_LAG: Duration = Duration::from_hours(24 * 365);

/// The account and the time of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inside<'a> {
    /// Twelve digits.
    pub(crate) account: &'a str,
    pub(crate) region: &'a str,
    /// The double's time.
    pub(crate) now: Timestamp,
    pub(crate) request_id: &'a str,
    /// Whether a mutation counts against the quotas. Reads never do.
    pub(crate) counted: bool,
}

/// Does `operation`, and returns its answer and the key that it created or used.
pub(crate) fn call(
    inner: &mut Inner,
    shared: &Shared,
    inside: Inside<'_>,
    operation: Operation,
    members: Value,
) -> Result<(Value, Option<KeyRef>), Failure> {
    let Inside { account, region, now, request_id, counted } = inside;
    let Value::Object(members) = members else {
        return Err(Failure::serialization("Start of structure or map found where not expected."));
    };
    let members = Members(members);
    let caller = Caller {
        access_key: String::new(),
        account: account.to_owned(),
        principal: format!("arn:aws:iam::{account}:user/cckm"),
        user_id: String::new(),
        region: region.to_owned(),
    };
    let counted = counted && operation.kind() == Kind::Mutation;
    if shared.throttles && counted && !within_quota(inner, operation, &caller, &members) {
        return Err(Failure::throttled());
    }
    let key = call::locate(&inner.world, &caller, &members);
    let asked = Asked { operation, caller: &caller, members: &members, key: key.as_ref() };
    if let Some(denied) = denial::refusal(&inner.denials, &asked, &inner.world, now) {
        return Err(denied);
    }
    let mut call = Call {
        operation,
        world: &mut inner.world,
        now,
        seen: Instant::now() + BEYOND_LAG,
        settling: shared.settling,
        caller: &caller,
        members: &members,
        rights: Rights::All,
        request_id,
        forms: &shared.forms,
        touched: None,
    };
    let answer = calls::carry_out(&mut call)?;
    Ok((answer, call.touched))
}
