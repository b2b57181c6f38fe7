//! `ScheduleKeyDeletion`, `CancelKeyDeletion`.

use serde_json::json;

use super::describe::deletion_date;
use crate::aws::call::{Answer, Call};
use crate::aws::failure::Failure;
use crate::world::KeyState;

/// The window if the caller gives none.
pub(crate) const DEFAULT_WINDOW_DAYS: u32 = 30;

/// The date is now plus the window, to the millisecond. It is not documented whether AWS rounds it; see [`crate::Form::MidnightDates`].
pub(super) fn schedule(call: &mut Call<'_>) -> Answer {
    let window = call.members.int("PendingWindowInDays", 7, 30)?.unwrap_or(DEFAULT_WINDOW_DAYS);
    let key = call.open()?;
    let now = call.now;
    call.world.change(&key.at, |key| key.schedule_deletion(window, now));
    let scheduled = call.world.key(&key.at).ok_or_else(|| Failure::no_key(&key.at))?;
    let date = scheduled.deletion.as_ref().and_then(|deletion| deletion.date);
    let mut answer = json!({ "KeyId": key.at.arn(), "KeyState": scheduled.state.name(), "PendingWindowInDays": window });
    if let (Some(date), Some(members)) = (date, answer.as_object_mut()) {
        let date = deletion_date(call, date);
        members.insert("DeletionDate".to_owned(), date);
    }
    Ok(answer)
}

pub(super) fn cancel(call: &mut Call<'_>) -> Answer {
    let key = call.open()?;
    let (now, cut_off) = (call.now, call.world.is_cut_off(&key.at));
    call.world.change(&key.at, |key| {
        key.cancel_deletion();
        if cut_off {
            key.force(KeyState::Unavailable, now);
        }
    });
    Ok(json!({ "KeyId": key.at.arn() }))
}
