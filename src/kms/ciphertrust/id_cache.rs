//! What is remembered between calls: CCKM's ids by ARN, and the refreshes that were asked for.
//!
//! Neither is ever taken for the key itself: an id is looked up again when CCKM does not know it, and a refresh only keeps another from being asked for.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::id::{Arn, CckmId};

/// How many ids are kept. Beyond that all are forgotten, which costs one search each.
const MOST: usize = 50_000;
/// For how long a refresh that does not end keeps another from being asked for.
const UNFINISHED: Duration = Duration::from_mins(1);

/// The memory of one client.
#[derive(Debug, Default)]
pub(super) struct IdCache(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    ids: HashMap<Arn, CckmId>,
    refreshes: HashMap<CckmId, Asked>,
}

/// A refresh that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asked {
    at: Instant,
    /// When the row had been read from AWS.
    from: Timestamp,
}

/// Whose turn it is to ask for a refresh, and when it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// The caller's.
    Ask(Instant),
    /// Nobody's: that one is not finished.
    Wait(Instant),
}

impl IdCache {
    pub(super) fn id(&self, arn: &Arn) -> Option<CckmId> {
        self.memory().ids.get(arn).cloned()
    }

    pub(super) fn learn(&self, arn: Arn, id: CckmId) {
        let mut memory = self.memory();
        if memory.ids.len() >= MOST && !memory.ids.contains_key(&arn) {
            memory.ids.clear();
        }
        memory.ids.insert(arn, id);
    }

    pub(super) fn forget(&self, arn: &Arn) {
        self.memory().ids.remove(arn);
    }

    /// Whether to ask for a refresh of a row that was last read `from` then.
    pub(super) fn turn(&self, id: &CckmId, from: Timestamp) -> Turn {
        let mut memory = self.memory();
        memory.refreshes.retain(|_, asked| asked.at.elapsed() < UNFINISHED);
        match memory.refreshes.get(id) {
            Some(asked) if asked.from == from => Turn::Wait(asked.at),
            _ => {
                let at = Instant::now();
                memory.refreshes.insert(id.clone(), Asked { at, from });
                Turn::Ask(at)
            }
        }
    }

    /// A refresh could not be asked for after all.
    pub(super) fn unask(&self, id: &CckmId) {
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
        let Turn::Ask(at) = cache.turn(&one, time(1)) else { panic!("nobody asked before") };
        assert_eq!(cache.turn(&one, time(1)), Turn::Wait(at));
        assert!(matches!(cache.turn(&other, time(1)), Turn::Ask(_)));
        assert!(matches!(cache.turn(&one, time(2)), Turn::Ask(_)), "the row was read anew, so that one is finished");
    }

    #[test]
    fn ids_are_kept_until_they_are_too_many() {
        let cache = IdCache::default();
        let arn = |number: usize| Arn::parse(&format!("arn:aws:kms:eu-west-1:111122223333:key/{number}")).unwrap();
        let id = CckmId::parse("1").unwrap();
        for number in 0..MOST {
            cache.learn(arn(number), id.clone());
        }
        cache.learn(arn(0), id.clone());
        assert_eq!(cache.id(&arn(1)), Some(id.clone()), "what is known already makes no room");
        cache.learn(arn(MOST), id.clone());
        assert_eq!((cache.id(&arn(1)), cache.id(&arn(MOST))), (None, Some(id)));
        cache.forget(&arn(MOST));
        assert_eq!(cache.id(&arn(MOST)), None);
    }
}
