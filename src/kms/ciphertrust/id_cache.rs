//! What is remembered between calls: CCKM's ids by ARN, and the requested refreshes.
//!
//! Neither stands for the key itself. If CCKM does not know an id any more, the id is looked up again; a refresh under way only prevents
//! another one.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use jiff::Timestamp;

use super::id::{Arn, CckmId};
use crate::kms::waits;

/// How many ids are kept. Beyond that the ids that were not used for longest are forgotten, which costs one search each.
const MOST: usize = 50_000;

/// The memory of one client.
#[derive(Debug, Default)]
pub(super) struct IdCache(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    ids: Ids,
    refreshes: HashMap<CckmId, Asked>,
}

/// Ids in two generations. An id that is used moves to the young one. When that has half of what is kept, it becomes the old one, and the
/// old one is forgotten: so what was used lately stays, and no order has to be kept.
#[derive(Debug, Default)]
struct Ids {
    young: HashMap<Arn, CckmId>,
    old: HashMap<Arn, CckmId>,
}

impl Ids {
    fn get(&mut self, arn: &Arn) -> Option<CckmId> {
        if let Some(id) = self.young.get(arn) {
            return Some(id.clone());
        }
        let (arn, id) = self.old.remove_entry(arn)?;
        self.insert(arn, id.clone());
        Some(id)
    }

    fn insert(&mut self, arn: Arn, id: CckmId) {
        self.old.remove(&arn);
        self.young.insert(arn, id);
        if self.young.len() >= MOST / 2 {
            self.old = std::mem::take(&mut self.young);
        }
    }

    fn remove(&mut self, arn: &Arn) {
        self.young.remove(arn);
        self.old.remove(arn);
    }
}

/// A refresh that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asked {
    at: Instant,
    /// When CCKM had last read the row from AWS.
    from: Timestamp,
}

/// Whether the caller asks for a refresh, and when the refresh was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refresh {
    /// The caller asks for it now.
    Request(Instant),
    /// It was asked for at that time and is not finished.
    Wait(Instant),
}

impl IdCache {
    pub(super) fn id(&self, arn: &Arn) -> Option<CckmId> {
        self.memory().ids.get(arn)
    }

    pub(super) fn learn(&self, arn: Arn, id: CckmId) {
        self.memory().ids.insert(arn, id);
    }

    pub(super) fn forget(&self, arn: &Arn) {
        self.memory().ids.remove(arn);
    }

    /// Whether to ask for a refresh of a row that CCKM last read from AWS at `from`.
    pub(super) fn refresh(&self, id: &CckmId, from: Timestamp) -> Refresh {
        let mut memory = self.memory();
        memory.refreshes.retain(|_, asked| asked.at.elapsed() < waits::REFRESH_UNFINISHED);
        match memory.refreshes.get(id) {
            Some(asked) if asked.from == from => Refresh::Wait(asked.at),
            _ => {
                let at = Instant::now();
                memory.refreshes.insert(id.clone(), Asked { at, from });
                Refresh::Request(at)
            }
        }
    }

    /// Forgets a refresh that could not be requested after all.
    pub(super) fn unrequest(&self, id: &CckmId) {
        self.memory().refreshes.remove(id);
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_that_is_not_finished_is_asked_for_once() {
        let cache = IdCache::default();
        let (one, other) = (CckmId::parse("1").unwrap(), CckmId::parse("2").unwrap());
        let time = |second| Timestamp::from_second(second).unwrap();
        let Refresh::Request(at) = cache.refresh(&one, time(1)) else { panic!("nobody asked before") };
        assert_eq!(cache.refresh(&one, time(1)), Refresh::Wait(at));
        assert!(matches!(cache.refresh(&other, time(1)), Refresh::Request(_)));
        assert!(matches!(cache.refresh(&one, time(2)), Refresh::Request(_)), "the row was read anew, so that one is finished");
    }

    #[test]
    fn the_ids_that_were_not_used_for_longest_are_forgotten() {
        let cache = IdCache::default();
        let arn = |number: usize| Arn::parse(&format!("arn:aws:kms:eu-west-1:111122223333:key/{number}")).unwrap();
        let id = CckmId::parse("1").unwrap();
        let kept = |cache: &IdCache| {
            let memory = cache.memory();
            memory.ids.young.len() + memory.ids.old.len()
        };
        for number in 0..2 * MOST {
            cache.learn(arn(number), id.clone());
            assert_eq!(cache.id(&arn(0)), Some(id.clone()), "it is used all the time, also at {number}");
            assert!(kept(&cache) <= MOST, "{number}");
        }
        let lately = 2 * MOST - MOST / 3..2 * MOST;
        assert!(lately.clone().all(|number| cache.id(&arn(number)) == Some(id.clone())));
        assert!(lately.clone().all(|number| cache.id(&arn(number)) == Some(id.clone())), "looking does not drive them out");
        assert_eq!(cache.id(&arn(1)), None);
        cache.learn(arn(1), CckmId::parse("2").unwrap());
        assert_eq!(cache.id(&arn(1)), CckmId::parse("2"));
        cache.forget(&arn(1));
        assert_eq!(cache.id(&arn(1)), None);
    }
}
