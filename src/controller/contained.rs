//! Keeps the panic of one round from ending the others.
//!
//! kube polls all rounds in one task, and tokio ends a task that panics. So the panic is caught where the round is polled, and only its object is left alone
//! for a while. A panic anywhere else still ends the process.

use std::{
    any::Any,
    cell::Cell,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

thread_local! {
    /// Whether this thread polls a contained future at this moment.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// The message of a panic that was caught.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Panicked(pub String);

/// Whether [`contained`] would catch a panic at this moment. The panic hook asks this, and ends the process otherwise.
#[must_use]
pub fn is_contained() -> bool {
    INSIDE.get()
}

/// Runs a future until it ends or panics.
///
/// # Errors
/// The panic. Everything that the future owned is dropped by then. What it shares with other rounds must tolerate that it stopped in the middle. Here these
/// are maps behind locks, whose poison is ignored, and counts that are given back on drop.
pub async fn contained<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    poll_fn(move |context| {
        let _inside = Inside::enter();
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panic) => Poll::Ready(Err(Panicked(text(&*panic)))),
        }
    })
    .await
}

/// Marks this thread as inside while it lives. The mark from before comes back however the poll ends.
struct Inside(bool);

impl Inside {
    fn enter() -> Self {
        Self(INSIDE.replace(true))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(self.0);
    }
}

fn text(panic: &(dyn Any + Send)) -> String {
    let literal = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    literal.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_reported_and_other_rounds_continue() {
        let rounds = (0..3).map(|number| {
            contained(async move {
                tokio::task::yield_now().await;
                assert!(is_contained());
                assert!(number != 1, "round {number} met a fault");
                number
            })
        });
        let ended = futures::future::join_all(rounds).await;
        assert_eq!(ended, [Ok(0), Err(Panicked("round 1 met a fault".into())), Ok(2)]);
        assert!(!is_contained(), "only while a round is polled");
        assert_eq!(contained(async { std::panic::panic_any(7) }).await.map(|()| 0), Err(Panicked("no message".into())));
    }
}
