//! What a refused change means. A KMS refuses to do again what is done already, so the key is read before a refusal counts as a failure.
//!
//! The read is boxed: it is rarely made, and should take no room in the call that it follows.

use futures::future::BoxFuture;

use super::Scheduled;
use crate::domain::{
    failure::{Failure, FailureKind},
    observed::Key,
    ownership,
};

/// What the KMS has now, after it refused a change. If that cannot be read, the failure leaves open what the refusal left open: an earlier
/// attempt of the same call may have taken effect.
pub(super) async fn after<T>(refused: &Failure, read: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    read.await.map_err(|failure| Failure { outcome: refused.outcome, ..failure })
}

/// The result of a schedule. A KMS refuses to schedule a key whose deletion is pending; then the pending schedule counts as made by this
/// call.
pub(super) async fn schedule(
    sent: Result<Scheduled, Failure>,
    read: BoxFuture<'_, Result<Option<Key>, Failure>>,
) -> Result<Scheduled, Failure> {
    let refused = match sent {
        Err(failure) if failure.kind == FailureKind::Conflict => failure,
        done => return done,
    };
    match after(&refused, read).await? {
        Some(found) if found.state.is_pending() => Ok(Scheduled { state: found.state, deletion_date: found.deletion_date }),
        _ => Err(refused),
    }
}

/// The result of a change of the key's state that a KMS refuses if the key is in that state already, such as a cancel. `is_done` says
/// whether it is.
pub(super) async fn change(
    sent: Result<(), Failure>,
    read: BoxFuture<'_, Result<Option<Key>, Failure>>,
    is_done: impl FnOnce(&Key) -> bool,
) -> Result<(), Failure> {
    let refused = match sent {
        Err(failure) if failure.kind == FailureKind::Conflict => failure,
        done => return done,
    };
    match after(&refused, read).await? {
        Some(found) if is_done(&found) => Ok(()),
        _ => Err(refused),
    }
}

/// The result of giving a key an alias that the KMS says is taken. `holder` reads the key that has the alias, and `is_key` says whether it
/// is the one.
pub(super) async fn alias(
    refused: Failure,
    (name, alias): (&str, &str),
    holder: BoxFuture<'_, Result<Option<Key>, Failure>>,
    is_key: impl FnOnce(&Key) -> bool,
) -> Result<(), Failure> {
    match after(&refused, holder).await? {
        Some(holder) if is_key(&holder) => Ok(()),
        Some(holder) => Err(Failure { kind: FailureKind::AliasTaken, message: taken(alias, &holder), ..refused }),
        None if refused.kind == FailureKind::Conflict => Err(refused),
        None => {
            let message = format!("{alias}: {name} says that the alias exists and that it does not exist; it is tried again");
            Err(Failure { kind: FailureKind::Conflict, message, ..refused })
        }
    }
}

/// Why an alias cannot be moved from the key that has it now. `is_key` and `is_from` say whether a key is the one that is to have it, or
/// the one that it is moved from. `Ok(true)`: move it; `Ok(false)`: the key has it already.
pub(super) fn may_move(
    alias: &str,
    holder: Option<Key>,
    is_key: impl FnOnce(&Key) -> bool,
    is_from: impl FnOnce(&Key) -> bool,
) -> Result<bool, (FailureKind, String)> {
    match holder {
        Some(holder) if is_key(&holder) => Ok(false),
        Some(holder) if is_from(&holder) => Ok(true),
        Some(holder) => Err((FailureKind::AliasTaken, taken(alias, &holder))),
        None => Err((FailureKind::Conflict, format!("{alias} is on no key any more; it is looked at again"))),
    }
}

/// The message about an alias that another key has.
pub(super) fn taken(alias: &str, holder: &Key) -> String {
    ownership::alias_of(alias, &holder.arn, "choose another alias, or remove it there")
}
