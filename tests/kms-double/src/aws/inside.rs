//! Calls that come from inside the process: another protocol of the double carries out its own actions through these.
//!
//! They run the same code against the same tables as calls on the wire, so that two protocols cannot disagree on what a key in
//! some state can do. They write no ledger entry: that is the outer call's. Nothing is signed, so the caller has to say for whom
//! it acts.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;

use super::call::{Call, Caller};
use super::calls;
use super::failure::Failure;
use super::kms::within_quota;
use super::members::Members;
use super::operation::{Kind, Operation};
use crate::state::{Inner, Shared};
use crate::world::KeyRef;

/// Longer than any read lag: a caller in the process is shown the newest state.
const BEYOND_LAG: Duration = Duration::from_hours(24 * 365);

/// For whom and when a call is made.
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

/// Carries out `operation` and says what it answers and which key it made or concerned.
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
    let mut call = Call {
        operation,
        world: &mut inner.world,
        now,
        seen: Instant::now() + BEYOND_LAG,
        settling: shared.settling,
        caller: &caller,
        members: &members,
        request_id,
        forms: &shared.forms,
        touched: None,
    };
    let answer = calls::carry_out(&mut call)?;
    Ok((answer, call.touched))
}
