//! What the process knows of the lists of pending keys beyond the statuses of the providers.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use crate::controller::waits;
use crate::{
    api::key_provider::WatchedDeletion,
    domain::pending::{Change, Unfound},
};

/// The changes that wait to be written, and what was written.
#[derive(Debug, Default)]
pub struct Lists {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
pub(super) struct Inner {
    /// By the provider's name.
    pub(super) queues: HashMap<String, Queue>,
    /// By key: when this process wrote an entry. Answers of the KMS from before may show the key alive.
    pub(super) noted: HashMap<String, Instant>,
    /// Listed keys that the KMS did not find.
    pub(super) unfound: HashMap<String, Unfound>,
    /// By the provider's name: pending keys whose objects exist, and for which its list has no room.
    pub(super) unlisted: HashMap<String, Unlisted>,
}

#[derive(Debug, Default)]
pub(super) struct Unlisted {
    /// Whether the counts of an earlier process were compared with the objects that exist, and the result was written.
    pub(super) compared: bool,
    /// By the UID of their objects.
    pub(super) keys: HashMap<String, WatchedDeletion>,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) next: u64,
    pub(super) waiting: BTreeMap<u64, Vec<Change>>,
    /// By the number of a change that another one wrote: the keys that lost their objects by it.
    pub(super) done: HashMap<u64, Vec<String>>,
    /// The version of the provider that was written last.
    pub(super) version: Option<String>,
    pub(super) writing: Arc<tokio::sync::Mutex<()>>,
}

impl Lists {
    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Only its holder writes the status of a provider.
    pub(super) fn write_lock(&self, provider: &str) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(&self.inner().queues.entry(provider.to_owned()).or_default().writing)
    }

    /// Forgets providers that are gone, and keys that are not listed any more.
    pub fn forget(&self, is_there: impl Fn(&str) -> bool, listed: &HashSet<String>) {
        let mut inner = self.inner();
        inner.noted.retain(|key, noted| listed.contains(key) || noted.elapsed() < waits::LIST_SHOWN);
        inner.unfound.retain(|key, _| listed.contains(key));
        inner.queues.retain(|name, queue| is_there(name) || !queue.waiting.is_empty());
        inner.unlisted.retain(|name, _| is_there(name));
    }
}

/// A change that waits to be written, until this value is dropped.
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
