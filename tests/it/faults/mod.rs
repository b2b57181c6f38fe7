//! Bad input and failing surroundings: a sentence that says what to change, no call too many, nothing lost, and nobody else held up.
//!
//! The scenarios of what is declared are in `reconcile`; here something is wrong, and the KMS's ledger says what was done about it.

mod alone;
mod book;
pub mod crowd;
mod edits;
mod endpoint;
mod input;
mod late;
mod logged;
mod lost;
mod records;
mod refused;
mod rescue;
mod restored;
mod rollback;
mod told;
mod unsure;

use kms_double::{ACCESS_KEY, Fault, FaultAction};

/// The operator's calls of `operation` are answered with that error; a person's are not.
fn refusal(operation: &str, code: &str, status: u16) -> Fault {
    let message = "for a test".into();
    Fault::on(operation, FaultAction::Error { code: code.into(), status, message }).for_caller(ACCESS_KEY)
}
