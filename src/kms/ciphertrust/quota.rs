//! AWS's request quotas beneath CCKM's operations. CCKM documents none of its own.

use super::operation::Operation;
use crate::kms::quota::{Books, Grant, Quotas};

/// Requests per second that AWS allows by default to an account and Region, for the requests that CCKM sends to AWS (AWS KMS Developer
/// Guide, "Request quotas"). CCKM's answers from its own copy use no quota. A refresh reads the key, its tags, its policy and its aliases;
/// the aliases have the lowest quota.
const fn per_second(operation: Operation) -> Option<u32> {
    match operation {
        Operation::AddAlias
        | Operation::CancelDeletion
        | Operation::CreateKey
        | Operation::Disable
        | Operation::DisableAutoRotation
        | Operation::Enable
        | Operation::RemoveTags
        | Operation::ReplicateKey
        | Operation::RotateMaterial
        | Operation::UpdateDescription
        | Operation::UpdatePrimaryRegion => Some(5),
        Operation::AddTags => Some(10),
        Operation::DeleteAlias | Operation::EnableAutoRotation | Operation::Policy | Operation::ScheduleDeletion => Some(15),
        Operation::ListRotations => Some(100),
        Operation::Refresh => Some(500),
        Operation::GetKeyRotationStatus => Some(1000),
        Operation::GetKey
        | Operation::GetSynchronization
        | Operation::Synchronize
        | Operation::GetKms
        | Operation::ListKeys
        | Operation::ListKms
        | Operation::Login => None,
    }
}

/// The quota of an operation. Operations that bring a key back may use all of it.
fn grant(operation: Operation) -> Option<Grant> {
    let urgent = matches!(operation, Operation::CancelDeletion | Operation::Enable);
    per_second(operation).map(|per_second| Grant { per_second, urgent })
}

/// Limits to that share of an account's quotas.
pub(super) fn quotas(share_percent: u32, books: &Books, account: &str) -> Quotas<Operation> {
    let grants = Operation::ALL.iter().filter_map(|operation| Some((*operation, operation.name(), grant(*operation)?)));
    Quotas::new(grants, share_percent, books, account)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kms::rest::Operation as _;

    #[test]
    fn every_change_has_a_quota_and_rescues_may_use_all_of_it() {
        for operation in Operation::ALL {
            assert!(!operation.changes() || grant(*operation).is_some(), "{operation:?}");
        }
        let urgent: Vec<_> = Operation::ALL.iter().filter(|operation| grant(**operation).is_some_and(|grant| grant.urgent)).collect();
        assert_eq!(urgent, [&Operation::CancelDeletion, &Operation::Enable]);
    }
}
