//! What the process knows of the lists of pending keys beside what stands in the providers' statuses.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    api::key_provider::WatchedDeletion,
    domain::pending::{Change, Unfound},
};

/// Longer than a write takes, and the watch to show it.
const SHOWN: Duration = Duration::from_mins(10);

/// What waits to be written, and what was.
#[derive(Debug, Default)]
pub struct Lists {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
pub(super) struct Inner {
    /// By the provider's name.
    pub(super) queues: HashMap<String, Queue>,
    /// When an entry was written by this process, by key: answers from before may show the key alive.
    pub(super) noted: HashMap<String, Instant>,
    /// Keys that were not found.
    pub(super) unfound: HashMap<String, Unfound>,
    /// By the provider's name: pending keys whose objects are there, and that its list has no room for.
    pub(super) unlisted: HashMap<String, Unlisted>,
}

#[derive(Debug, Default)]
pub(super) struct Unlisted {
    /// Whether what an earlier process counted was held against the objects that are there, and what came of it was written.
    pub(super) compared: bool,
    /// By the UID of their objects.
    pub(super) keys: HashMap<String, WatchedDeletion>,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) next: u64,
    pub(super) waiting: BTreeMap<u64, Vec<Change>>,
    /// The keys that came to be without an object by those that were written for others.
    pub(super) done: HashMap<u64, Vec<String>>,
    /// The version of the provider that was written last.
    pub(super) version: Option<String>,
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
}

impl Lists {
    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what is known of providers that are gone, and of keys that are not listed any more.
    pub fn forget(&self, is_there: impl Fn(&str) -> bool, listed: &HashSet<String>) {
        let mut inner = self.inner();
        inner.noted.retain(|key, noted| listed.contains(key) || noted.elapsed() < SHOWN);
        inner.unfound.retain(|key, _| listed.contains(key));
        inner.queues.retain(|name, queue| is_there(name) || !queue.waiting.is_empty());
        inner.unlisted.retain(|name, _| is_there(name));
    }
}

/// Takes part in a write, however that ends.
pub(super) struct Ticket<'a> {
    pub(super) lists: &'a Lists,
    pub(super) provider: &'a str,
    pub(super) number: u64,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if let Some(queue) = self.lists.inner().queues.get_mut(self.provider) {
            queue.waiting.remove(&self.number);
            queue.done.remove(&self.number);
        }
    }
}
