//! How a round waits for a turn. Meanwhile it gives up its permit to be among the rounds that work, its time limit does not run, and it stops
//! waiting if its object changes.

use std::{
    fmt,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::kms::waits;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

tokio::task_local! {
    static PATIENCE: Arc<Patience>;
    /// Set while work runs that must not rest on old reads.
    static HASTE: ();
    /// Set while work runs that nothing depends on.
    static IF_FREE: ();
}

/// Runs work that must not rest on old reads, such as a step that the guard let pass. A call that gets no turn soon is not sent at all.
pub async fn hastily<T>(work: impl Future<Output = T>) -> T {
    HASTE.scope((), work).await
}

/// Runs work that nothing depends on. A call that would have to wait for the quota is not sent. So other calls
/// wait for at most one request.
pub async fn if_free<T>(work: impl Future<Output = T>) -> T {
    IF_FREE.scope((), work).await
}

/// What a round gives up while it waits for a turn, and what ends the wait.
pub struct Patience {
    /// Its permit to be among the rounds that work. Another round takes it, and this one does not get it back: turns come one by one anyway.
    permit: Mutex<Option<Box<dyn Send>>>,
    /// Cancelled when its object has changed, or when the lane that brings keys back takes the object.
    unwanted: CancellationToken,
    clock: Mutex<Clock>,
}

#[derive(Default)]
struct Clock {
    waited: Duration,
    since: Option<Instant>,
}

impl fmt::Debug for Patience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Patience").field("unwanted", &self.unwanted).finish_non_exhaustive()
    }
}

/// Stops the clock until it is dropped.
struct Waits<'a>(&'a Patience);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        let mut clock = self.0.clock();
        let waited = clock.since.take().map(|since| since.elapsed()).unwrap_or_default();
        clock.waited += waited;
    }
}

impl Patience {
    /// For a round that has that permit. It stops waiting once `unwanted` is cancelled.
    #[must_use]
    pub fn new(permit: Box<dyn Send>, unwanted: CancellationToken) -> Self {
        Self { permit: Mutex::new(Some(permit)), unwanted, clock: Mutex::default() }
    }

    fn clock(&self) -> MutexGuard<'_, Clock> {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long the round has waited for turns so far.
    #[must_use]
    pub fn waited(&self) -> Duration {
        let clock = self.clock();
        clock.waited + clock.since.map(|since| since.elapsed()).unwrap_or_default()
    }

    fn wait(&self) -> Waits<'_> {
        drop(self.permit.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.clock().since = Some(Instant::now());
        Waits(self)
    }
}

/// Runs a round. The task carries its patience, as it carries a span, so that no call can forget it.
pub async fn patiently<T>(patience: Arc<Patience>, round: impl Future<Output = T>) -> T {
    PATIENCE.scope(patience, round).await
}

/// The wait ended before the turn came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kms) struct NotYet;

/// Waits for a turn as long as the round may. Work outside of a round, such as a survey, waits as long as it takes.
pub(super) async fn wait<T>(rescues: bool, turn: impl Future<Output = T>) -> Result<T, NotYet> {
    let round = PATIENCE.try_with(Arc::clone).ok();
    let mut turn = pin!(turn);
    if IF_FREE.try_with(|()| ()).is_ok() {
        return timeout(Duration::ZERO, turn).await.map_err(|_| NotYet);
    }
    if rescues {
        return timeout(waits::LONGEST_RESCUE, turn).await.map_err(|_| NotYet);
    }
    if HASTE.try_with(|()| ()).is_ok() {
        return timeout(waits::LONGEST_HASTE, turn).await.map_err(|_| NotYet);
    }
    let Some(round) = round else { return Ok(turn.await) };
    if let Ok(turn) = timeout(waits::SHORT_TURN, &mut turn).await {
        return Ok(turn);
    }
    let _waits = round.wait();
    tokio::select! {
        biased;
        () = round.unwanted.cancelled() => Err(NotYet),
        turn = turn => Ok(turn),
        () = sleep(waits::LONGEST_TURN) => Err(NotYet),
    }
}

/// Shows S11.
#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_step_on_fresh_reads_waits_only_seconds_for_a_turn() {
        let (permit, mut gone) = oneshot::channel::<()>();
        let patience = Arc::new(Patience::new(Box::new(permit), CancellationToken::new()));
        let began = Instant::now();
        let destroys = hastily(wait(false, std::future::pending::<()>()));
        assert_eq!(patiently(Arc::clone(&patience), destroys).await, Err(NotYet));
        assert!(began.elapsed() < waits::LONGEST_TURN / 2, "{:?}", began.elapsed());
        assert!(gone.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Empty), "it keeps its permit");
    }

    #[tokio::test]
    async fn work_that_nothing_depends_on_waits_for_no_turn() {
        assert_eq!(if_free(wait(false, std::future::ready(1))).await, Ok(1));
        let began = Instant::now();
        assert_eq!(if_free(wait(false, std::future::pending::<()>())).await, Err(NotYet));
        assert_eq!(if_free(rescued()).await, Err(NotYet));
        assert!(began.elapsed() < waits::LONGEST_HASTE / 2, "{:?}", began.elapsed());
    }

    async fn rescued() -> Result<(), NotYet> {
        wait(true, std::future::pending::<()>()).await
    }

    #[tokio::test]
    async fn a_waiting_round_gives_up_its_permit_and_its_time_limit_does_not_run() {
        let (permit, mut gone) = oneshot::channel::<()>();
        let unwanted = CancellationToken::new();
        let patience = Arc::new(Patience::new(Box::new(permit), unwanted.clone()));
        let (give, turn) = oneshot::channel();
        let (taken, was_taken) = oneshot::channel();
        let works = async {
            assert_eq!(wait(false, async { 1 }).await, Ok(1), "nothing to wait for");
            assert_eq!(wait(false, async { turn.await.unwrap() }).await, Ok(2));
            taken.send(()).unwrap();
            assert_eq!(wait(false, std::future::pending::<()>()).await, Err(NotYet));
        };
        let round = patiently(Arc::clone(&patience), works);
        let others = async {
            assert!(gone.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Empty), "it works");
            assert!((&mut gone).await.is_err());
            assert!(patience.clock().since.is_some());
            give.send(2).unwrap();
            was_taken.await.unwrap();
            unwanted.cancel();
        };
        tokio::join!(round, others);
        assert!(patience.clock().since.is_none());
    }
}
