//! Whose account the KMS is asked in. In a wrong one every key looks absent.

use crate::{
    domain::failure::{Failure, FailureKind, Outcome},
    kms::{AnyKms, Kms},
};

/// Whether the credentials still belong to the account that the round went out from. Asked before a key is called absent: in a wrong account every
/// key is.
pub(super) async fn same_account(kms: &AnyKms, account: &str) -> Result<(), Failure> {
    let found = kms.identity().await?;
    if found.account == account {
        return Ok(());
    }
    Err(Failure {
        kind: FailureKind::WrongAccount,
        operation: "GetCallerIdentity",
        message: format!("the credentials now belong to account {}, not {account}; give the provider its own again", found.account),
        outcome: Outcome::Refused,
        source: None,
    })
}
