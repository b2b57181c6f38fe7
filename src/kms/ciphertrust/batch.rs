//! Gathers reads of single rows into one request while another request is under way, so that reads of many keys cost few requests.
//!
//! A request is put together when it is sent, so no read is answered by a request that was sent before it. A row that is missing from the
//! list is read alone, because only CCKM's own refusal makes a key absent.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use tokio::{
    sync::oneshot::{self, error::TryRecvError},
    time::timeout,
};

use super::{
    CipherTrustKms,
    convert::Row,
    id::CckmId,
    operation::Operation,
    read::{KEYS, Seen},
};
use crate::domain::failure::{
    Failure,
    FailureKind::{self, Credentials, Throttled, Unavailable},
};
use crate::kms::waits;

/// How many rows one request asks for. That many ids fit into a URL.
const MOST: usize = 50;

/// The waiting reads. The holder of `sending` sends the next request.
#[derive(Debug, Default)]
pub(super) struct Batch {
    waiting: Mutex<Vec<Waiting>>,
    sending: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Waiting {
    id: CckmId,
    answer: oneshot::Sender<BatchAnswer>,
}

/// What a waiting read gets from the read that sent the request.
#[derive(Debug)]
enum BatchAnswer {
    Row(Box<Seen>),
    /// Nothing: it has to read alone.
    Nothing,
    /// A failure that every request would have now.
    Failed(FailureKind, String),
}

impl Batch {
    fn waits(&self, waiting: Waiting) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(waiting);
    }

    /// Those that wait still, as many as go into one request.
    fn take(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|one| !one.answer.is_closed());
        let most = waiting.len().min(MOST);
        waiting.drain(..most).collect()
    }
}

impl CipherTrustKms {
    /// The row of that id; `None` if CCKM says that it has none.
    pub(super) async fn get(&self, id: &CckmId, subject: &str) -> Result<Option<Seen>, Failure> {
        let (sender, mut answer) = oneshot::channel();
        self.batch.waits(Waiting { id: id.clone(), answer: sender });
        let lock = tokio::select! {
            biased;
            answered = &mut answer => return self.use_answer(answered.unwrap_or(BatchAnswer::Nothing), id, subject).await,
            lock = timeout(waits::BATCH, self.batch.sending.lock()) => lock,
        };
        match answer.try_recv() {
            Ok(answer) => {
                drop(lock);
                return self.use_answer(answer, id, subject).await;
            }
            // The read that asked for this one was given up.
            Err(TryRecvError::Closed) => {}
            Err(TryRecvError::Empty) => drop(answer),
        }
        // Kept until there is an answer, so that those who come meanwhile gather.
        let others = if lock.is_ok() { self.batch.take() } else { Vec::new() };
        if others.is_empty() {
            return self.get_alone(id, subject).await;
        }
        let answer = self.get_together(id, others).await;
        drop(lock);
        self.use_answer(answer, id, subject).await
    }

    async fn use_answer(&self, answer: BatchAnswer, id: &CckmId, subject: &str) -> Result<Option<Seen>, Failure> {
        match answer {
            BatchAnswer::Row(seen) => Ok(Some(*seen)),
            BatchAnswer::Nothing => self.get_alone(id, subject).await,
            BatchAnswer::Failed(kind, message) => Err(self.caller.refuse(Operation::ListKeys, subject, kind, message)),
        }
    }

    /// Asks for a row along with those that others wait for, and tells them.
    async fn get_together(&self, id: &CckmId, others: Vec<Waiting>) -> BatchAnswer {
        let mut ids: Vec<&str> = others.iter().map(|other| other.id.as_str()).chain([id.as_str()]).collect();
        ids.sort_unstable();
        ids.dedup();
        let filter: Vec<_> = ids.into_iter().map(|id| ("id", id.to_owned())).collect();
        let listed = match self.list::<Row>(Operation::ListKeys, "", KEYS, &filter, Row::id_text).await {
            Ok(listed) => listed,
            Err(failure) => {
                let told = || match failure.kind {
                    Unavailable | Throttled | Credentials => BatchAnswer::Failed(failure.kind, failure.message.clone()),
                    _ => BatchAnswer::Nothing,
                };
                for other in others {
                    _ = other.answer.send(told());
                }
                return told();
            }
        };
        let now = listed.now;
        let rows: HashMap<String, Row> = listed.items.into_iter().map(|row| (row.id_text().to_owned(), row)).collect();
        let told = |id: &CckmId| match rows.get(id.as_str()) {
            Some(row) => {
                self.learn(row);
                BatchAnswer::Row(Box::new(Seen { row: row.clone(), now }))
            }
            None => BatchAnswer::Nothing,
        };
        for Waiting { id, answer } in others {
            // Whoever has given up needs no answer.
            _ = answer.send(told(&id));
        }
        told(id)
    }
}
