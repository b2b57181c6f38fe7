//! What each operation does in each key state: the table of AWS's page "Key states of AWS KMS keys", as data.
//!
//! If that page is not clear, the choices are:
//! - a key pending deletion refuses `CreateGrant`, `ReplicateKey`, `UpdatePrimaryRegion` and cryptographic operations with
//!   `KMSInvalidStateException` (the page allows `DisabledException` as well);
//! - our copy of the page is older than `RotateKeyOnDemand`, `ListKeyRotations` and `GetKeyLastUsage`. The first follows
//!   `EnableKeyRotation`, except for `PendingImport`, because imported keys can be rotated on demand. The others only read, and always
//!   work, except that keys of a custom key store have no rotations to list;
//! - `DeleteImportedKeyMaterial` works while a deletion is pending, and leaves that state, as its own page says;
//! - `ReplicateKey` and `UpdatePrimaryRegion` do not apply to keys of a custom key store (Unavailable); they are refused as
//!   `UnsupportedOperationException`.
//!
//! If a call works in a state, the rules that do not depend on the state still apply, for example that only symmetric keys with material
//! made by KMS rotate.

use super::failure::Verdict;
use super::operation::Operation;
use crate::world::KeyState;

const YES: Verdict = Verdict::Works;
const DIS: Verdict = Verdict::Disabled;
const INV: Verdict = Verdict::InvalidState;
const UNS: Verdict = Verdict::Unsupported;

/// The states in the order of the columns.
const COLUMNS: [KeyState; 8] = [
    KeyState::Enabled,
    KeyState::Disabled,
    KeyState::PendingDeletion,
    KeyState::PendingReplicaDeletion,
    KeyState::PendingImport,
    KeyState::Unavailable,
    KeyState::Creating,
    KeyState::Updating,
];

/// The operations on key stores, `CreateKey`, `GenerateRandom`, `ListKeys`, `ListAliases` and `ListRetirableGrants` have no row, because they are not about one key.
#[rustfmt::skip]
const TABLE: [(Operation, [Verdict; 8]); 45] = [
    //                                  Enabled Disabled Pending PendRepl Import Unavail Creating Updating
    (Operation::DescribeKey,          [ YES,    YES,     YES,    YES,     YES,   YES,    YES,     YES ]),
    (Operation::GetKeyPolicy,         [ YES,    YES,     YES,    YES,     YES,   YES,    YES,     YES ]),
    (Operation::PutKeyPolicy,         [ YES,    YES,     YES,    YES,     YES,   YES,    YES,     YES ]),
    (Operation::ListResourceTags,     [ YES,    YES,     YES,    YES,     YES,   YES,    YES,     YES ]),
    (Operation::ListGrants,           [ YES,    YES,     YES,    YES,     YES,   YES,    YES,     YES ]),
    (Operation::ListKeyPolicies,      [ YES,    YES,     YES,    YES,     YES,   YES,    YES,     YES ]),
    (Operation::RetireGrant,          [ YES,    YES,     YES,    YES,     YES,   YES,    YES,     YES ]),
    (Operation::RevokeGrant,          [ YES,    YES,     YES,    YES,     YES,   YES,    YES,     YES ]),
    (Operation::DeleteAlias,          [ YES,    YES,     YES,    YES,     YES,   YES,    YES,     YES ]),
    (Operation::GetKeyLastUsage,      [ YES,    YES,     YES,    YES,     YES,   YES,    YES,     YES ]),
    (Operation::EnableKey,            [ YES,    YES,     INV,    INV,     INV,   YES,    INV,     INV ]),
    (Operation::DisableKey,           [ YES,    YES,     INV,    INV,     INV,   YES,    INV,     INV ]),
    (Operation::ScheduleKeyDeletion,  [ YES,    YES,     INV,    INV,     YES,   YES,    YES,     INV ]),
    (Operation::CancelKeyDeletion,    [ INV,    INV,     YES,    YES,     INV,   INV,    INV,     INV ]),
    (Operation::EnableKeyRotation,    [ YES,    DIS,     INV,    INV,     UNS,   UNS,    INV,     YES ]),
    (Operation::DisableKeyRotation,   [ YES,    DIS,     INV,    INV,     UNS,   UNS,    INV,     YES ]),
    (Operation::GetKeyRotationStatus, [ YES,    YES,     YES,    YES,     UNS,   UNS,    YES,     YES ]),
    (Operation::RotateKeyOnDemand,    [ YES,    DIS,     INV,    INV,     INV,   UNS,    INV,     YES ]),
    (Operation::ListKeyRotations,     [ YES,    YES,     YES,    YES,     YES,   UNS,    YES,     YES ]),
    (Operation::GetParametersForImport, [ YES,  YES,     INV,    INV,     YES,   UNS,    INV,     YES ]),
    (Operation::ImportKeyMaterial,    [ YES,    YES,     INV,    INV,     YES,   UNS,    INV,     YES ]),
    (Operation::DeleteImportedKeyMaterial, [ YES, YES,   YES,    YES,     YES,   UNS,    INV,     YES ]),
    (Operation::TagResource,          [ YES,    YES,     INV,    INV,     YES,   YES,    YES,     YES ]),
    (Operation::UntagResource,        [ YES,    YES,     INV,    INV,     YES,   YES,    YES,     YES ]),
    (Operation::UpdateKeyDescription, [ YES,    YES,     INV,    INV,     YES,   YES,    YES,     YES ]),
    (Operation::CreateAlias,          [ YES,    YES,     INV,    INV,     YES,   YES,    YES,     YES ]),
    // The new key of the alias. The old key may be in any state.
    (Operation::UpdateAlias,          [ YES,    YES,     INV,    INV,     YES,   YES,    YES,     YES ]),
    (Operation::CreateGrant,          [ YES,    DIS,     INV,    INV,     INV,   YES,    INV,     YES ]),
    (Operation::ReplicateKey,         [ YES,    DIS,     INV,    INV,     INV,   UNS,    INV,     INV ]),
    (Operation::UpdatePrimaryRegion,  [ YES,    DIS,     INV,    INV,     INV,   UNS,    INV,     YES ]),
    (Operation::Encrypt,              [ YES,    DIS,     INV,    INV,     INV,   INV,    INV,     YES ]),
    (Operation::Decrypt,              [ YES,    DIS,     INV,    INV,     INV,   INV,    INV,     YES ]),
    (Operation::DeriveSharedSecret,   [ YES,    DIS,     INV,    INV,     INV,   INV,    INV,     YES ]),
    (Operation::Encapsulate,          [ YES,    DIS,     INV,    INV,     INV,   INV,    INV,     YES ]),
    (Operation::Decapsulate,          [ YES,    DIS,     INV,    INV,     INV,   INV,    INV,     YES ]),
    (Operation::GenerateDataKey,      [ YES,    DIS,     INV,    INV,     INV,   INV,    INV,     YES ]),
    (Operation::GenerateDataKeyPair,  [ YES,    DIS,     INV,    INV,     INV,   INV,    INV,     YES ]),
    (Operation::GenerateDataKeyPairWithoutPlaintext,[ YES,    DIS,     INV,    INV,     INV,   INV,    INV,     YES ]),
    (Operation::GenerateDataKeyWithoutPlaintext,[ YES,    DIS,     INV,    INV,     INV,   INV,    INV,     YES ]),
    (Operation::GenerateMac,          [ YES,    DIS,     INV,    INV,     INV,   INV,    INV,     YES ]),
    (Operation::GetPublicKey,         [ YES,    DIS,     INV,    INV,     INV,   INV,    INV,     YES ]),
    (Operation::ReEncrypt,            [ YES,    DIS,     INV,    INV,     INV,   INV,    INV,     YES ]),
    (Operation::Sign,                 [ YES,    DIS,     INV,    INV,     INV,   INV,    INV,     YES ]),
    (Operation::Verify,               [ YES,    DIS,     INV,    INV,     INV,   INV,    INV,     YES ]),
    (Operation::VerifyMac,            [ YES,    DIS,     INV,    INV,     INV,   INV,    INV,     YES ]),
];

/// What `operation` does to a key in `state`.
pub(crate) fn verdict(operation: Operation, state: KeyState) -> Verdict {
    let row = TABLE.iter().find(|(candidate, _)| *candidate == operation);
    let column = COLUMNS.iter().position(|candidate| *candidate == state);
    row.zip(column).and_then(|((_, row), column)| row.get(column)).copied().unwrap_or(YES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_on_a_key_has_a_row() {
        let without = [
            Operation::ConnectCustomKeyStore,
            Operation::CreateKey,
            Operation::DescribeCustomKeyStores,
            Operation::DisconnectCustomKeyStore,
            Operation::GenerateRandom,
            Operation::ListAliases,
            Operation::ListKeys,
            Operation::ListRetirableGrants,
        ];
        for operation in Operation::ALL {
            let rows = TABLE.iter().filter(|(candidate, _)| candidate == operation).count();
            assert_eq!(rows, usize::from(!without.contains(operation)), "{operation:?}");
        }
        assert!(KeyState::ALL.iter().all(|state| COLUMNS.contains(state)));
    }
}
