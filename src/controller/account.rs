//! Checks that the credentials still belong to the expected account. In another account every key looks absent.

use crate::{
    domain::failure::{Failure, FailureKind, Outcome},
    kms::{AnyKms, Kms},
};

/// Fails if the credentials do not belong to `account` any more. This is asked before a key counts as absent, because in another account every key is absent.
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
