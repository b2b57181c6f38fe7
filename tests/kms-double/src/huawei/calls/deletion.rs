//! `schedule-key-deletion`, `cancel-key-deletion`. The answers of both are flat, unlike those of enabling and disabling.

use serde_json::json;

use crate::huawei::call::{Answer, Call, Result};
use crate::huawei::failure::{Code, Failure};
use crate::huawei::states::number;
use crate::world::{Key, KeyState};

/// `pending_days` is text. The date is now plus this many days of 24 hours. A key that is already pending deletion keeps its date.
pub(super) fn schedule(call: &mut Call<'_>) -> Result {
    let text = call.members.required("pending_days")?;
    let days = text.parse().ok().filter(|days| (7..=1096).contains(days));
    let days = days.ok_or_else(|| Failure::because(Code::PendingDays, "expected 7 to 1096"))?;
    let key = call.open()?;
    let now = call.now;
    call.world.change(&key.at, |key| key.schedule_deletion(days, now));
    Ok(tell_state(call, &key))
}

/// After that the key is disabled, whatever its state was before. But a key that never got material waits for its import again.
pub(super) fn cancel(call: &mut Call<'_>) -> Result {
    let key = call.open()?;
    call.world.change(&key.at, |key| {
        let state = if key.lacks_material() { KeyState::PendingImport } else { KeyState::Disabled };
        key.cancel_deletion();
        key.state = state;
    });
    Ok(tell_state(call, &key))
}

fn tell_state(call: &Call<'_>, key: &Key) -> Answer {
    let state = call.world.key(&key.at).map_or(key.state, |key| key.state);
    Answer::json(json!({ "key_id": key.at.id, "key_state": number(state).to_string() }))
}
