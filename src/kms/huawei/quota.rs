//! Huawei's request quotas, by operation.

use super::operation::Operation;
use crate::kms::quota::{Books, Grant, Quotas};

/// What is granted for an operation: only that of `describe-key` is documented (1000 per second and customer). What is not known is not limited here,
/// and what brings a key back never is; the gateway throttles, and that is waited for.
fn grant(operation: Operation) -> Option<Grant> {
    (operation == Operation::DescribeKey).then_some(Grant { per_second: 1000, urgent: false })
}

/// Limits within that share of the quotas of a project.
pub(super) fn quotas(share_percent: u32, books: &Books, place: &str) -> Quotas<Operation> {
    let grants = Operation::ALL.iter().filter_map(|operation| Some((*operation, operation.as_str(), grant(*operation)?)));
    Quotas::new(grants, share_percent, books, place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_brings_a_key_back_waits_for_no_turn() {
        let limited: Vec<_> = Operation::ALL.iter().filter(|operation| grant(**operation).is_some()).collect();
        assert_eq!(limited, [&Operation::DescribeKey]);
    }
}
