//! The lines in which callers wait for a turn: one for each kind of work, first come, first served.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use tokio::time::sleep;

use super::rate::Rate;
use crate::kms::waits;

/// A line. Callers in an earlier line of this list have their turns first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Line {
    /// Work that brings a key back.
    Rescues,
    /// Requests that had a turn and were throttled.
    Again,
    /// Everything else.
    Others,
}

/// The lines for one operation at one KMS, shared by all who send it there.
#[derive(Debug)]
pub(super) struct Limiter {
    rate: Mutex<Rate>,
    /// The holder of a lock is at the front of that line. The others get the lock in their order.
    fronts: [tokio::sync::Mutex<()>; 3],
    waiting: [AtomicUsize; 3],
}

/// Counts one waiting caller until it is dropped.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Limiter {
    pub(super) fn new(per_second: f64) -> Self {
        Self { rate: Mutex::new(Rate::new(per_second, Instant::now())), fronts: Default::default(), waiting: Default::default() }
    }

    fn rate(&self) -> MutexGuard<'_, Rate> {
        self.rate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Raises the limit: a client has settings that allow more.
    pub(super) fn raise(&self, per_second: f64) {
        self.rate().raise(per_second);
    }

    /// Waits for a turn.
    pub(super) async fn turn(self: &Arc<Self>, line: Line) -> Turn {
        let [rescues, again, others] = &self.waiting;
        let [first, second, third] = &self.fronts;
        let (waiting, front, ahead): (_, _, &[&AtomicUsize]) = match line {
            Line::Rescues => (rescues, first, &[]),
            Line::Again => (again, second, &[rescues]),
            Line::Others => (others, third, &[rescues, again]),
        };
        let _waits = Waits::new(waiting);
        let _front = front.lock().await;
        let mut waited = None;
        let turn = loop {
            let wait = if ahead.iter().any(|ahead| ahead.load(Ordering::Relaxed) > 0) {
                waits::GIVE_WAY
            } else {
                let now = Instant::now();
                match self.rate().take(line == Line::Rescues, now) {
                    Ok(number) => break Turn { limiter: Arc::clone(self), number, granted: now },
                    Err(wait) => wait,
                }
            };
            waited = Some(wait);
            sleep(wait).await;
        };
        if let Some(wait) = waited.filter(|_| line != Line::Rescues) {
            sleep(waits::TURN_JITTER.min(wait / 2).mul_f64(fastrand::f64())).await;
        }
        turn
    }
}

/// A turn to send one request. It is dropped when the answer is there. An unused turn goes to the next in line.
#[derive(Debug)]
pub struct Turn {
    limiter: Arc<Limiter>,
    number: u64,
    granted: Instant,
}

impl Turn {
    /// Whether the turn is of that limiter.
    pub(super) fn is_of(&self, limiter: &Arc<Limiter>) -> bool {
        Arc::ptr_eq(&self.limiter, limiter)
    }

    /// The request is sent now.
    pub(in crate::kms) fn sent(&self) {
        self.limiter.rate().sent(self.number, Instant::now());
    }

    /// The KMS throttled the request.
    pub(in crate::kms) fn throttled(&self) {
        self.limiter.rate().throttled(self.granted, Instant::now());
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.limiter.rate().ended(self.number);
    }
}
