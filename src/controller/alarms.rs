//! The series of keys that are going to be deleted. A key has one as long as anything says so of it: its object, or the list of its provider once the object is
//! gone. Whichever of the two speaks, the series is the same, so that an alert does not end and begin anew between them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::metrics::{Metrics, PendingKey};

/// A pending key, and when it will be deleted, as UNIX time; 0: the KMS has told none.
pub type Alarm = (PendingKey, i64);

/// Who says that a key is pending.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The object with that UID.
    Object(String),
    /// The list in the status of the provider of that name.
    Provider(String),
}

/// All alarms.
#[derive(Debug)]
pub struct Alarms {
    metrics: Metrics,
    said: Mutex<HashMap<Source, Vec<Alarm>>>,
}

impl Alarms {
    /// None yet.
    pub fn new(metrics: Metrics) -> Self {
        Self { metrics, said: Mutex::default() }
    }

    fn said(&self) -> MutexGuard<'_, HashMap<Source, Vec<Alarm>>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What one of them says from now on, in place of what it said before.
    pub fn say(&self, source: &Source, alarms: Vec<Alarm>) {
        let mut said = self.said();
        let before = if alarms.is_empty() { said.remove(source) } else { said.insert(source.clone(), alarms) };
        self.end(&said, before.unwrap_or_default());
        for (key, at) in said.get(source).into_iter().flatten() {
            self.metrics.deletion_pends(key, *at);
        }
    }

    /// The key that an object is alarmed about.
    pub fn key_of(&self, uid: &str) -> Option<String> {
        let said = self.said();
        said.get(&Source::Object(uid.to_owned()))?.first().map(|(key, _)| key.key.clone())
    }

    /// Whether an object says so of the key.
    #[cfg(test)]
    pub fn is_told_by_object(&self, key: &str) -> bool {
        let of_object = |(source, alarms): (&Source, &Vec<Alarm>)| {
            matches!(source, Source::Object(_)) && alarms.iter().any(|(pending, _)| pending.key == key)
        };
        self.said().iter().any(of_object)
    }

    /// Those who are gone say nothing any more.
    pub fn forget(&self, is_there: impl Fn(&Source) -> bool) {
        let mut said = self.said();
        let gone: Vec<Alarm> = said.extract_if(|source, _| !is_there(source)).flat_map(|(_, alarms)| alarms).collect();
        self.end(&said, gone);
    }

    /// Ends the series of which nobody speaks any more. Where somebody still does, it shows what that one says.
    fn end(&self, said: &HashMap<Source, Vec<Alarm>>, before: Vec<Alarm>) {
        if before.is_empty() {
            return;
        }
        let mut left = BTreeMap::new();
        for (key, at) in said.values().flatten() {
            left.entry((&key.key, &key.namespace, &key.name, key.state)).or_insert(*at);
        }
        for (key, _) in before {
            match left.get(&(&key.key, &key.namespace, &key.name, key.state)) {
                Some(at) => self.metrics.deletion_pends(&key, *at),
                None => self.metrics.deletion_ended(&key),
            }
        }
    }
}

/// Shows S12.
#[cfg(test)]
mod tests {
    use super::*;

    fn key(state: &'static str) -> PendingKey {
        PendingKey { namespace: "shop".into(), name: "orders".into(), key: "k1".into(), state }
    }

    #[test]
    fn a_series_lasts_until_the_last_who_speaks_of_it_ends() {
        let metrics = Metrics::new(true);
        let alarms = Alarms::new(metrics.clone());
        let series = || metrics.encode().lines().filter(|line| line.starts_with("keyward_managedkey_deletion")).count();
        let (object, provider) = (|| Source::Object("u1".into()), || Source::Provider("default".into()));
        alarms.say(&object(), vec![(key("PendingDeletion"), 5)]);
        assert_eq!((alarms.key_of("u1").as_deref(), series()), (Some("k1"), 1));
        alarms.say(&provider(), vec![(key("PendingDeletion"), 5)]);
        assert_eq!(series(), 1, "it is one series");
        alarms.forget(|source| *source != object());
        assert_eq!((alarms.is_told_by_object("k1"), series()), (false, 1), "its provider speaks of it");
        alarms.say(&provider(), Vec::new());
        assert_eq!(series(), 0);
        alarms.say(&object(), vec![(key("PendingReplicaDeletion"), 0)]);
        alarms.say(&object(), vec![(key("PendingDeletion"), 5)]);
        assert_eq!((alarms.is_told_by_object("k1"), series()), (true, 1), "another state is another series");
    }
}
