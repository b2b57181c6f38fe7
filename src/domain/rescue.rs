//! Whether a key may have to be brought back. The answer comes from the object alone, before any call, so that the work gets the right lane
//! and priority.
//!
//! The answer is only a hint, because a status can be old or forged. Every change of a key follows from a read of the key.

use super::deletion::Record;
use crate::api::{
    ManagedKey, annotation,
    managed_key::{KeyState, ManagementPolicy},
};

/// Whether the object declares its key alive, but the key was last seen pending deletion, or disabled against the spec, or may soon be.
#[must_use]
pub fn suspected(object: &ManagedKey) -> bool {
    let spec = &object.spec;
    let Some(status) = &object.status else { return false };
    let paused = object.metadata.annotations.as_ref().and_then(|all| all.get(annotation::PAUSED)).is_some_and(|value| value == "true");
    let live = matches!(spec.deletion_schedule_days, None | Some(0));
    if !live || paused || object.metadata.deletion_timestamp.is_some() {
        return false;
    }
    let wants_enabled = spec.enabled.unwrap_or(true);
    let enforced = match (spec.management_policy, &status.applied) {
        (ManagementPolicy::Enforce, _) => true,
        (ManagementPolicy::Observe, _) | (ManagementPolicy::EnforceOnChange, None) => false,
        (ManagementPolicy::EnforceOnChange, Some(applied)) => {
            applied.deletion_schedule_days.is_some() || applied.enabled != Some(wants_enabled)
        }
    };
    let down = match status.key_state {
        Some(KeyState::PendingDeletion | KeyState::PendingReplicaDeletion) => true,
        Some(KeyState::Disabled) => wants_enabled,
        // The reply to a call that schedules a deletion may have been lost. If the state of the key is not known any more, only such an
        // open call is a sign.
        None => status.deletion.as_ref().is_some_and(|deletion| deletion.call.is_some()),
        Some(_) => Record::of(status).has_deletion(),
    };
    enforced && down
}

/// Shows S11.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{
        ManagedKeyStatus,
        managed_key::{Applied, Deletion, DeletionCall, DeletionOrigin},
    };

    fn key(state: KeyState) -> ManagedKey {
        let status = ManagedKeyStatus { key_state: Some(state), ..ManagedKeyStatus::default() };
        ManagedKey { status: Some(status), ..ManagedKey::default() }
    }

    fn with(state: KeyState, change: impl FnOnce(&mut ManagedKey)) -> ManagedKey {
        let mut object = key(state);
        change(&mut object);
        object
    }

    fn applied(object: &mut ManagedKey, enabled: bool, days: Option<i32>) {
        object.spec.management_policy = ManagementPolicy::EnforceOnChange;
        let status = object.status.get_or_insert_default();
        status.applied = Some(Applied { enabled: Some(enabled), deletion_schedule_days: days, ..Applied::default() });
    }

    #[test]
    fn a_rescue_is_told_from_the_object() {
        use KeyState::{Disabled, Enabled, PendingDeletion, PendingReplicaDeletion};
        let paused = |object: &mut ManagedKey| {
            object.metadata.annotations = Some([(annotation::PAUSED.to_owned(), "true".to_owned())].into());
        };
        let deletion = Deletion {
            schedule_days: Some(7),
            requested_time: None,
            origin: DeletionOrigin::Keyward,
            call: None,
            last_used_time: None,
            last_use: None,
            waits_for: Vec::new(),
            earliest_deletion_date: None,
        };
        let unknown = |deletion: Deletion| {
            with(Enabled, |object| {
                let status = object.status.get_or_insert_default();
                (status.key_state, status.deletion) = (None, Some(deletion));
            })
        };
        let rows = vec![
            ("never looked at", ManagedKey::default(), false),
            ("healthy", key(Enabled), false),
            ("pending", key(PendingDeletion), true),
            ("pending, a primary", key(PendingReplicaDeletion), true),
            ("disabled", key(Disabled), true),
            ("disabled as declared", with(Disabled, |object| object.spec.enabled = Some(false)), false),
            ("pending, then to be disabled", with(PendingDeletion, |object| object.spec.enabled = Some(false)), true),
            ("zero days", with(PendingDeletion, |object| object.spec.deletion_schedule_days = Some(0)), true),
            ("pending as declared", with(PendingDeletion, |object| object.spec.deletion_schedule_days = Some(7)), false),
            (
                "a schedule on its way",
                with(Enabled, |object| object.status.get_or_insert_default().deletion = Some(deletion.clone())),
                true,
            ),
            ("the same, of a key that was lost since", unknown(Deletion { call: Some(DeletionCall::Open), ..deletion.clone() }), true),
            ("a schedule that is over", unknown(deletion.clone()), false),
            ("paused", with(PendingDeletion, paused), false),
            ("watched", with(PendingDeletion, |object| object.spec.management_policy = ManagementPolicy::Observe), false),
            ("an incident's key", with(Disabled, |object| applied(object, true, None)), false),
            ("a deletion withdrawn on change", with(PendingDeletion, |object| applied(object, true, Some(7))), true),
            ("enabled on change", with(Disabled, |object| applied(object, false, None)), true),
        ];
        for (name, object, expected) in rows {
            assert_eq!(suspected(&object), expected, "{name}");
        }
    }
}
