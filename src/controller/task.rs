//! A round as kube's controller runs it.

use std::time::Duration;

use futures::FutureExt;
use kube::runtime::controller::Action;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::error::Error;

/// Runs a round in a task of its own. If its caller is dropped, the task is aborted.
pub fn spawned(
    round: impl Future<Output = Result<Action, Error>> + Send + 'static,
) -> impl Future<Output = Result<Action, Error>> + Send + Unpin + 'static {
    let task = AbortOnDropHandle::new(tokio::spawn(round.in_current_span()));
    task.map(|ended| ended.unwrap_or_else(|error| Err(Error::Ended(error))))
}

/// A wait in kube's words; `None`: until the object changes.
pub fn action(wait: Option<Duration>) -> Action {
    wait.map_or_else(Action::await_change, Action::requeue)
}
