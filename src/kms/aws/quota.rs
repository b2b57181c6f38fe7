//! AWS's request quotas, by operation.

use std::sync::OnceLock;

use super::operation::Operation;
use crate::kms::quota::{Books, Grant, Quotas};

/// Requests per second that AWS allows to an account and Region by default (AWS KMS Developer Guide, "Request quotas"). STS is called once
/// per hour and once per round of a provider, far below any quota.
const fn per_second(operation: Operation) -> Option<u32> {
    match operation {
        Operation::CancelKeyDeletion
        | Operation::CreateAlias
        | Operation::CreateKey
        | Operation::DisableKey
        | Operation::DisableKeyRotation
        | Operation::EnableKey
        | Operation::GetKeyLastUsage
        | Operation::ReplicateKey
        | Operation::RotateKeyOnDemand
        | Operation::UntagResource
        | Operation::UpdateAlias
        | Operation::UpdateKeyDescription
        | Operation::UpdatePrimaryRegion => Some(5),
        Operation::TagResource => Some(10),
        Operation::DeleteAlias | Operation::EnableKeyRotation | Operation::PutKeyPolicy | Operation::ScheduleKeyDeletion => Some(15),
        Operation::CreateGrant | Operation::RevokeGrant => Some(50),
        Operation::ListGrants | Operation::ListKeyRotations => Some(100),
        Operation::ListAliases | Operation::ListKeys => Some(500),
        Operation::GetKeyPolicy | Operation::GetKeyRotationStatus => Some(1000),
        Operation::DescribeKey | Operation::ListResourceTags => Some(2000),
        Operation::AssumeRole | Operation::GetCallerIdentity => None,
    }
}

/// The quota of an operation. Operations that bring a key back may use all of it.
fn grant(operation: Operation) -> Option<Grant> {
    let urgent = matches!(operation, Operation::CancelKeyDeletion | Operation::EnableKey);
    per_second(operation).map(|per_second| Grant { per_second, urgent })
}

/// The quotas of a client, which are those of its account and Region. The account is known once AWS was asked for it.
#[derive(Debug)]
pub(super) struct Account {
    books: Books,
    /// Another endpoint is another KMS.
    endpoint: String,
    share_percent: u32,
    quotas: OnceLock<Quotas<Operation>>,
    number: OnceLock<String>,
}

impl Account {
    pub(super) fn new(books: Books, region: &str, endpoint: Option<&str>, share_percent: u32) -> Self {
        let endpoint = format!("AWS {region} {}", endpoint.unwrap_or_default());
        Self { books, endpoint, share_percent, quotas: OnceLock::new(), number: OnceLock::new() }
    }

    /// Notes the account.
    pub(super) fn is(&self, account: &str) {
        self.quotas.get_or_init(|| self.open(account));
        self.number.get_or_init(|| account.to_owned());
    }

    /// Its number, if it is known.
    pub(super) fn number(&self) -> Option<&str> {
        self.number.get().map(String::as_str)
    }

    /// Its quotas. Only tests, which have one client each, call an operation with a quota before the account is known.
    pub(super) fn quotas(&self) -> &Quotas<Operation> {
        self.quotas.get_or_init(|| self.open("unknown"))
    }

    fn open(&self, account: &str) -> Quotas<Operation> {
        let grants = Operation::ALL.iter().filter_map(|operation| Some((*operation, operation.as_str(), grant(*operation)?)));
        Quotas::new(grants, self.share_percent, &self.books, &format!("{} {account}", self.endpoint))
    }
}

/// Whether an operation has a quota. If it is throttled, it waits in line for another turn.
pub(super) fn is_limited(operation: Operation) -> bool {
    grant(operation).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_of_kms_has_a_quota_and_rescues_may_use_all_of_it() {
        for operation in Operation::ALL {
            assert_eq!(grant(*operation).is_some(), operation.action().starts_with("kms:"), "{operation:?}");
        }
        let urgent: Vec<_> = Operation::ALL.iter().filter(|operation| grant(**operation).is_some_and(|grant| grant.urgent)).collect();
        assert_eq!(urgent, [&Operation::CancelKeyDeletion, &Operation::EnableKey]);
    }
}
