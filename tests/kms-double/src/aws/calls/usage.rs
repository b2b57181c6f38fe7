//! What a key may be used for, and when it was last used: `GetKeyLastUsage`.

use serde_json::json;

use super::describe::seconds;
use crate::aws::call::{Answer, Call};
use crate::aws::failure::Failure;
use crate::aws::target::Aliases;
use crate::world::{Key, LastUse};

/// When AWS began to track usage: 2026-04-23, in seconds since 1970.
pub(crate) const TRACKING_START: u32 = 1_776_902_400;

pub(super) fn last(call: &mut Call<'_>) -> Answer {
    let key = call.read(Aliases::Refused)?;
    let usage = key.last_use.as_ref().map_or_else(
        || json!({}),
        |last| json!({ "Operation": last.operation, "Timestamp": seconds(last.time), "KmsRequestId": last.request_id }),
    );
    Ok(json!({
        "KeyId": key.at.arn(),
        "KeyLastUsage": usage,
        "TrackingStartDate": TRACKING_START,
        "KeyCreationDate": seconds(key.created),
    }))
}

/// Records a successful cryptographic operation.
pub(super) fn note(call: &mut Call<'_>, key: &Key) {
    let last = LastUse { time: call.now, operation: call.operation.name().to_owned(), request_id: call.request_id.to_owned() };
    call.world.change(&key.at, |key| key.last_use = Some(last));
}

/// Refuses a key that was made for another usage.
pub(super) fn check(call: &Call<'_>, key: &Key, usage: &str) -> Result<(), Failure> {
    if key.usage == usage {
        return Ok(());
    }
    let (arn, own, name) = (key.at.arn(), &key.usage, call.operation.name());
    Err(Failure::key_usage(format!("{arn} key usage is {own} which is not valid for {name}.")))
}

/// Refuses an algorithm that the spec of the key does not have.
pub(super) fn check_algorithm(key: &Key, algorithm: &str, known: &[&str]) -> Result<(), Failure> {
    if known.contains(&algorithm) {
        return Ok(());
    }
    Err(Failure::key_usage(format!("Algorithm {algorithm} and key spec {} of {} are not compatible.", key.spec, key.at.arn())))
}
