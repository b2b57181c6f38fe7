//! What the process remembers of aliases that move from one object to another: which objects wait for which alias, and which aliases were moved a moment ago.
//!
//! A KMS shows a move late. So this memory keeps two objects of one process from taking the same alias at once, and keeps one from removing what another just
//! moved. Nothing else depends on it: an object that waits is looked at again with the next regular read in any case.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use kube::{api::ObjectMeta, runtime::reflector::ObjectRef};

use super::watched::Watched;
use crate::controller::waits;
use crate::{
    api::ManagedKey,
    domain::{handover, requeue::SOON},
};

/// A namespace and the name of a provider. Aliases move only between objects that have both in common.
type Among = (String, String);

/// An object that waits for aliases of others.
#[derive(Debug)]
struct Waiter {
    object: ObjectRef<Watched<ManagedKey>>,
    aliases: BTreeSet<String>,
    /// By UID: the stake of each other object in these aliases when it was last seen. Objects without a stake are left out.
    stakes: HashMap<String, Stake>,
}

/// For each alias: whether an object declares it, and whether the object put it on its key.
type Stake = Vec<(bool, bool)>;

/// The memory.
#[derive(Debug, Default)]
pub struct Aliases {
    waiters: Mutex<HashMap<Among, HashMap<String, Waiter>>>,
    /// By provider and alias: the object that moves or moved it.
    moved: Mutex<HashMap<(String, String), Moved>>,
}

/// A move of an alias.
#[derive(Debug)]
struct Moved {
    /// The UID of the object that gets the alias.
    by: String,
    until: Until,
}

/// How long no other object may touch an alias that is moved.
#[derive(Clone, Copy, Debug)]
enum Until {
    /// Until the round that moves it ends, however long that takes.
    Ended,
    /// Until the KMS shows the move.
    Shown(Instant),
}

impl Moved {
    /// How long other objects leave it alone; `None`: they need not.
    fn left(&self, now: Instant) -> Option<Duration> {
        match self.until {
            Until::Ended => Some(SOON),
            Until::Shown(at) => at.checked_duration_since(now).filter(|left| !left.is_zero()),
        }
    }
}

/// A move that is under way until this value is dropped: at the end of its round, or of the process. So no move lasts for ever.
#[derive(Debug)]
pub struct Move<'a> {
    aliases: &'a Aliases,
    alias: (String, String),
    by: String,
    consistency: Duration,
}

impl Drop for Move<'_> {
    fn drop(&mut self) {
        if let Some(moved) = self.aliases.moved().get_mut(&self.alias).filter(|moved| moved.by == self.by)
            && matches!(moved.until, Until::Ended)
        {
            // Nobody said how it ended, so its request may still take effect.
            moved.until = Until::Shown(later(Instant::now(), waits::REQUEST_LATE.saturating_add(self.consistency)));
        }
    }
}

fn among(object: &ManagedKey) -> Among {
    (object.metadata.namespace.clone().unwrap_or_default(), object.spec.provider_ref.name.clone())
}

fn stake(object: &ManagedKey, aliases: &BTreeSet<String>) -> Option<Stake> {
    let stake: Stake = aliases.iter().map(|alias| handover::stake(object, alias)).collect();
    stake.iter().any(|(declared, applied)| *declared || *applied).then_some(stake)
}

impl Aliases {
    fn waiters(&self) -> MutexGuard<'_, HashMap<Among, HashMap<String, Waiter>>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn moved(&self) -> MutexGuard<'_, HashMap<(String, String), Moved>> {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers that an object waits for an alias. This comes before anything is concluded from the other objects, so that no change of theirs is missed.
    /// Returns whether the object did not wait for it yet: if so, what it read until now may be from before such a change.
    pub fn wait<'a>(&self, waiting: &ObjectMeta, provider: &str, alias: &str, others: impl Iterator<Item = &'a ManagedKey>) -> bool {
        let uid = waiting.uid.clone().unwrap_or_default();
        let namespace = waiting.namespace.clone().unwrap_or_default();
        let name = waiting.name.as_deref().unwrap_or_default();
        let among_these = (namespace, provider.to_owned());
        let mut waiters = self.waiters();
        let object = ObjectRef::new(name).within(&among_these.0);
        let waiters = waiters.entry(among_these.clone()).or_default();
        let waiter = waiters.entry(uid.clone()).or_insert_with(|| Waiter { object, aliases: BTreeSet::new(), stakes: HashMap::new() });
        let is_new = waiter.aliases.insert(alias.into());
        let others = others.filter(|other| among(other) == among_these && other.metadata.uid.as_deref() != Some(&uid));
        let staked = others.filter_map(|other| Some((other.metadata.uid.clone()?, stake(other, &waiter.aliases)?)));
        waiter.stakes = staked.collect();
        is_new
    }

    /// An object waits for no alias any more, or is about to say anew what it waits for.
    pub fn forget(&self, uid: &str) {
        self.waiters().retain(|_, waiters| {
            waiters.remove(uid);
            !waiters.is_empty()
        });
    }

    /// The objects, with their UIDs, that wait for an alias which this object let go, took, or now declares.
    pub fn told(&self, object: &ManagedKey) -> Vec<(String, ObjectRef<Watched<ManagedKey>>)> {
        let (Some(uid), mut waiters) = (object.metadata.uid.as_deref(), self.waiters()) else { return Vec::new() };
        let Some(waiters) = waiters.get_mut(&among(object)) else { return Vec::new() };
        let mut woken = Vec::new();
        for (waiting, waiter) in waiters.iter_mut().filter(|(waiting, _)| *waiting != uid) {
            let now = stake(object, &waiter.aliases);
            if waiter.stakes.get(uid) != now.as_ref() {
                woken.push((waiting.clone(), waiter.object.clone()));
                match now {
                    Some(now) => waiter.stakes.insert(uid.into(), now),
                    None => waiter.stakes.remove(uid),
                };
            }
        }
        woken
    }

    /// Reserves an alias for the object that is about to move it, until the returned value is dropped. Fails with the time to wait if another object moves the
    /// alias, or moved it a moment ago and the KMS may not show that yet.
    pub fn begin_move(&self, provider: &str, alias: &str, uid: &str, consistency: Duration) -> Result<Move<'_>, Duration> {
        let now = Instant::now();
        let mut moved = self.moved();
        moved.retain(|_, moved| moved.left(now).is_some());
        let key = (provider.to_owned(), alias.to_owned());
        if let Some(left) = moved.get(&key).filter(|moved| moved.by != uid).and_then(|moved| moved.left(now)) {
            return Err(left);
        }
        moved.insert(key.clone(), Moved { by: uid.into(), until: Until::Ended });
        Ok(Move { aliases: self, alias: key, by: uid.into(), consistency })
    }

    /// A move took effect.
    pub fn end_move(&self, provider: &str, alias: &str, uid: &str, consistency: Duration) {
        let moved = Moved { by: uid.into(), until: Until::Shown(later(Instant::now(), consistency)) };
        self.moved().insert((provider.into(), alias.into()), moved);
    }

    /// Whether another object moves the alias, or moved it a moment ago. If so, a read may still show it where it was before.
    pub fn was_moved(&self, provider: &str, alias: &str, uid: &str) -> bool {
        let moved = self.moved();
        let known = moved.get(&(provider.to_owned(), alias.to_owned())).filter(|moved| moved.by != uid);
        known.is_some_and(|moved| moved.left(Instant::now()).is_some())
    }

    /// Forgets objects that are gone.
    pub fn sweep(&self, there: &HashSet<String>) {
        self.waiters().retain(|_, waiters| {
            waiters.retain(|uid, _| there.contains(uid));
            !waiters.is_empty()
        });
    }
}

/// `now + wait`, at most so far ahead that the clock can always represent it.
fn later(now: Instant, wait: Duration) -> Instant {
    now.checked_add(wait.min(waits::ALIAS_AHEAD)).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(name: &str, declared: &[&str], applied: &[&str]) -> ManagedKey {
        serde_json::from_value(json!({
            "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": { "name": name, "namespace": "shop", "uid": format!("u-{name}") },
            "spec": { "aliases": declared }, "status": { "applied": { "generation": 1, "aliases": applied } },
        }))
        .unwrap()
    }

    #[test]
    fn an_object_that_waits_for_an_alias_is_woken_once_by_each_object_with_a_stake() {
        let aliases = Aliases::default();
        let (green, blue) = (object("green", &["live"], &[]), object("blue", &["live"], &["live"]));
        let names = |object: &ManagedKey| aliases.told(object).into_iter().map(|(_, object)| object.name).collect::<Vec<_>>();
        assert_eq!(names(&blue), [""; 0], "nobody waits");
        let waits = || aliases.wait(&green.metadata, "default", "alias/live", [&green, &blue].into_iter());
        assert!(waits() && !waits(), "it waits once");
        assert_eq!(names(&blue), [""; 0], "it is as it was");
        assert_eq!(names(&object("other", &["else"], &["else"])), [""; 0]);
        let lets_go = object("blue", &[], &["live"]);
        assert_eq!(names(&lets_go), ["green"], "it declares it no more");
        assert_eq!(names(&lets_go), [""; 0], "once");
        assert_eq!(names(&object("blue", &[], &[])), ["green"], "it took it off its key");
        assert_eq!(names(&object("red", &["live"], &[])), ["green"]);
        let mut elsewhere = object("red", &[], &["live"]);
        elsewhere.metadata.namespace = Some("bank".into());
        assert_eq!(names(&elsewhere), [""; 0]);
        aliases.forget("u-green");
        assert_eq!(names(&blue), [""; 0]);
    }

    #[test]
    fn one_object_moves_an_alias_at_a_time() {
        let aliases = Aliases::default();
        let begin = |provider, alias, uid| aliases.begin_move(provider, alias, uid, Duration::MAX);
        let moves = begin("aws", "alias/live", "u1").unwrap();
        assert!(begin("aws", "alias/live", "u1").is_ok(), "again");
        assert!(begin("aws", "alias/live", "u2").is_err_and(|left| !left.is_zero()));
        assert!(begin("other", "alias/live", "u2").is_ok() && begin("aws", "alias/next", "u2").is_ok());
        assert!(aliases.was_moved("aws", "alias/live", "u2") && !aliases.was_moved("aws", "alias/live", "u1"));
        aliases.end_move("aws", "alias/live", "u1", Duration::ZERO);
        assert!(!aliases.was_moved("aws", "alias/live", "u2"));
        drop(moves);
        assert!(!aliases.was_moved("aws", "alias/live", "u2"), "its end is known");
        assert!(begin("aws", "alias/live", "u2").is_ok());
    }

    #[test]
    fn a_move_lasts_as_long_as_its_round_and_then_until_it_is_shown() {
        let aliases = Aliases::default();
        let moves = aliases.begin_move("aws", "alias/live", "u1", Duration::ZERO).unwrap();
        let until = || aliases.moved().values().map(|moved| moved.until).next().unwrap();
        assert!(matches!(until(), Until::Ended), "no clock ends it");
        let in_a_day = Instant::now() + Duration::from_hours(24);
        let lasts = || aliases.moved().values().next().unwrap().left(in_a_day).is_some();
        assert!(lasts());
        drop(moves);
        assert!(aliases.was_moved("aws", "alias/live", "u2") && !lasts(), "its request may still take effect, for a while");
    }
}
