//! What each operation does in each key state, as data, and the states' numbers.
//!
//! The documents name the states from which enabling, disabling, scheduling, cancelling and changes of names and descriptions work, and
//! their codes. If they are not clear, the choices are:
//! - rotation is for enabled keys: a disabled key answers `KMS.0209`, a pending one `KMS.0210`;
//! - a frozen key answers `KMS.0320` to every change; a key that waits for activation answers like a disabled one; if no documented code
//!   fits, the answer is `KMS.0308`;
//! - tags can change in every state, and grants can be listed and revoked, because no document forbids it; a new grant needs an enabled key.

use super::failure::{Code, Failure};
use super::operation::Operation;
use crate::world::KeyState;

/// A row: enabled, disabled, pending deletion, pending import, waiting for activation, frozen. None: it works.
type Row = [Option<Code>; 6];

const YES: Option<Code> = None;
const DIS: Option<Code> = Some(Code::KeyDisabled);
const DEL: Option<Code> = Some(Code::KeyPending);
const FRO: Option<Code> = Some(Code::KeyFrozen);
const EXT: Option<Code> = Some(Code::ExternalKey);
const PAR: Option<Code> = Some(Code::Parameter);
const NOT_DIS: Option<Code> = Some(Code::NotDisabled);
const NOT_ENA: Option<Code> = Some(Code::NotEnabled);
const NOT_DEL: Option<Code> = Some(Code::NotPending);
const TWICE: Option<Code> = Some(Code::AlreadyPending);

/// The rows. An operation without a row works in every state.
#[rustfmt::skip]
const TABLE: [(Operation, Row); 16] = [
    //                                         2        3        4        5        1        7
    (Operation::EnableKey,                 [ NOT_DIS, YES,     DEL,     NOT_DIS, NOT_DIS, FRO ]),
    (Operation::DisableKey,                [ YES,     NOT_ENA, DEL,     NOT_ENA, NOT_ENA, FRO ]),
    (Operation::ScheduleKeyDeletion,       [ YES,     YES,     TWICE,   YES,     PAR,     FRO ]),
    (Operation::CancelKeyDeletion,         [ NOT_DEL, NOT_DEL, YES,     NOT_DEL, NOT_DEL, FRO ]),
    (Operation::EnableKeyRotation,         [ YES,     DIS,     DEL,     EXT,     DIS,     FRO ]),
    (Operation::DisableKeyRotation,        [ YES,     DIS,     DEL,     EXT,     DIS,     FRO ]),
    (Operation::UpdateKeyRotationInterval, [ YES,     DIS,     DEL,     EXT,     DIS,     FRO ]),
    (Operation::RotateOnDemand,            [ YES,     DIS,     DEL,     EXT,     DIS,     FRO ]),
    (Operation::UpdateKeyAlias,            [ YES,     YES,     DEL,     YES,     YES,     FRO ]),
    (Operation::UpdateKeyDescription,      [ YES,     YES,     DEL,     YES,     YES,     FRO ]),
    (Operation::CreateAlias,               [ YES,     YES,     DEL,     YES,     YES,     FRO ]),
    (Operation::DeleteAlias,               [ YES,     YES,     DEL,     YES,     YES,     FRO ]),
    (Operation::AssociateAlias,            [ YES,     YES,     DEL,     YES,     YES,     FRO ]),
    (Operation::CreateGrant,               [ YES,     DIS,     DEL,     EXT,     DIS,     FRO ]),
    (Operation::Replicate,                 [ YES,     DIS,     DEL,     EXT,     DIS,     FRO ]),
    (Operation::UpdatePrimaryRegion,       [ YES,     DIS,     DEL,     EXT,     DIS,     FRO ]),
];

/// Refuses the operation if the state forbids it.
pub(crate) fn permit(operation: Operation, state: KeyState) -> Result<(), Failure> {
    let row = TABLE.iter().find(|(candidate, _)| *candidate == operation);
    let code = row.and_then(|(_, row)| row.get(column(state)).copied().flatten());
    code.map_or(Ok(()), |code| Err(Failure::of(code)))
}

/// The number on the wire. There is no state 6.
pub(crate) fn number(state: KeyState) -> u8 {
    match state {
        KeyState::Creating | KeyState::Updating => 1,
        KeyState::Enabled => 2,
        KeyState::Disabled => 3,
        KeyState::PendingDeletion | KeyState::PendingReplicaDeletion => 4,
        KeyState::PendingImport => 5,
        KeyState::Unavailable => 7,
    }
}

fn column(state: KeyState) -> usize {
    match number(state) {
        2 => 0,
        3 => 1,
        4 => 2,
        5 => 3,
        1 => 4,
        _ => 5,
    }
}
