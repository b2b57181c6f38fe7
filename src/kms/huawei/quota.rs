//! Huawei's request quotas, by operation.

use super::operation::Operation;
use crate::kms::quota::{Books, Grant, Quotas};

/// The quota of an operation. Huawei documents only that of `describe-key`: 1000 per second and customer. Operations without a known quota,
/// and those that bring a key back, are not limited here; the gateway throttles them, and the caller waits.
fn grant(operation: Operation) -> Option<Grant> {
    (operation == Operation::DescribeKey).then_some(Grant { per_second: 1000, urgent: false })
}

/// Limits to that share of a project's quotas.
pub(super) fn quotas(share_percent: u32, books: &Books, account: &str) -> Quotas<Operation> {
    let grants = Operation::ALL.iter().filter_map(|operation| Some((*operation, operation.as_str(), grant(*operation)?)));
    Quotas::new(grants, share_percent, books, account)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_call_of_a_rescue_waits_for_a_turn() {
        let limited: Vec<_> = Operation::ALL.iter().filter(|operation| grant(**operation).is_some()).collect();
        assert_eq!(limited, [&Operation::DescribeKey]);
    }
}
