//! What the process remembers of grants between two rounds. Nothing depends on it but when an object is looked at again.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use kube::{Resource, runtime::reflector::Store};

use crate::{
    api::KeyGrant,
    controller::{policy_wait::PolicyWait, watched::Watched},
    domain::requeue::{Cause, Failures},
};

/// What is remembered of each grant, by UID.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<HashMap<String, Remembered>>);

#[derive(Debug, Default)]
struct Remembered {
    /// The fingerprint at the last round, and when the object is looked at again while it stays the same.
    fingerprint: u64,
    due: Option<Instant>,
    /// When Keyward last changed something at the KMS, or may have.
    changed: Option<Instant>,
    /// When the KMS last told about the grant.
    heard: Option<Instant>,
    failures: Failures,
    /// Since when the KMS does not know a principal.
    principal: PolicyWait,
}

impl Memory {
    fn objects(&self) -> MutexGuard<'_, HashMap<String, Remembered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of<T>(&self, uid: &str, change: impl FnOnce(&mut Remembered) -> T) -> T {
        change(self.objects().entry(uid.to_owned()).or_default())
    }

    /// How long an object with this fingerprint may still be left alone.
    pub(super) fn settled(&self, uid: &str, fingerprint: u64) -> Option<Duration> {
        let objects = self.objects();
        let known = objects.get(uid).filter(|known| known.fingerprint == fingerprint)?;
        known.due?.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    /// The object is due again after `wait`.
    pub(super) fn looked(&self, uid: &str, fingerprint: u64, wait: Duration) {
        self.of(uid, |known| (known.fingerprint, known.due) = (fingerprint, Instant::now().checked_add(wait)));
    }

    /// Something was changed at the KMS, or may have been.
    pub(super) fn changed(&self, uid: &str) {
        self.of(uid, |known| known.changed = Some(Instant::now()));
    }

    /// For how long a list may still show the grants from before the last change. `started`: when the process began. An earlier process may
    /// have changed something until then.
    pub(super) fn unsettled(&self, uid: &str, started: Instant, consistency: Duration) -> Option<Duration> {
        let changed = self.of(uid, |known| known.changed.unwrap_or(started));
        consistency.checked_sub(changed.elapsed()).filter(|left| !left.is_zero())
    }

    /// The KMS told about the grant.
    pub(super) fn heard(&self, uid: &str) {
        self.of(uid, |known| known.heard = Some(Instant::now()));
    }

    /// Since when nothing was heard of the grant. `started`: when the process began.
    pub(super) fn unheard(&self, uid: &str, started: Instant) -> Duration {
        self.of(uid, |known| known.heard.unwrap_or(started)).elapsed()
    }

    /// Counts a failure, and returns how many there were in a row for that cause.
    pub(super) fn failed(&self, uid: &str, cause: Cause) -> u32 {
        self.of(uid, |known| known.failures.count(cause))
    }

    /// A round was reported. `succeeded`: calls to the KMS succeeded.
    pub(super) fn reported(&self, uid: &str, succeeded: bool) {
        self.of(uid, |known| {
            known.failures.reported();
            if succeeded {
                known.failures.succeeded();
            }
        });
    }

    /// The KMS does not know a principal of that generation. Returns whether it may still be too new.
    pub(super) fn principal_refused(&self, uid: &str, generation: i64, principal_wait: Duration) -> bool {
        self.of(uid, |known| known.principal.refused(generation, Instant::now(), principal_wait))
    }

    /// Forgets objects that are gone.
    pub(super) fn sweep(&self, grants: &Store<Watched<KeyGrant>>) {
        let there: HashSet<String> = grants.state().iter().filter_map(|grant| grant.meta().uid.clone()).collect();
        self.objects().retain(|uid, _| there.contains(uid));
    }
}
