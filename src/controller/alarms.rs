//! The metrics of keys that are pending deletion. A key has a series as long as its object reports it, or the list of its provider once the object is gone.
//! Both use the same series, so an alert does not end and start again when the second takes over.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::metrics::{Metrics, PendingKey};

/// A pending key, and the time of its deletion in UNIX seconds; 0 if the KMS gave none.
pub type Alarm = (PendingKey, i64);

/// Who reports a pending key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The object with that UID.
    Object(String),
    /// The list in the status of the provider of that name.
    Provider(String),
}

/// The alarms of all sources.
#[derive(Debug)]
pub struct Alarms {
    metrics: Metrics,
    said: Mutex<HashMap<Source, Vec<Alarm>>>,
}

impl Alarms {
    /// Without any alarm.
    pub fn new(metrics: Metrics) -> Self {
        Self { metrics, said: Mutex::default() }
    }

    fn said(&self) -> MutexGuard<'_, HashMap<Source, Vec<Alarm>>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces everything that this source reported before.
    pub fn say(&self, source: &Source, alarms: Vec<Alarm>) {
        let mut said = self.said();
        let before = if alarms.is_empty() { said.remove(source) } else { said.insert(source.clone(), alarms) };
        self.end(&said, before.unwrap_or_default());
        for (key, at) in said.get(source).into_iter().flatten() {
            self.metrics.deletion_pends(key, *at);
        }
    }

    /// The pending key that an object reports.
    pub fn key_of(&self, uid: &str) -> Option<String> {
        let said = self.said();
        said.get(&Source::Object(uid.to_owned()))?.first().map(|(key, _)| key.key.clone())
    }

    /// Drops the alarms of sources that are gone.
    pub fn forget(&self, is_there: impl Fn(&Source) -> bool) {
        let mut said = self.said();
        let gone: Vec<Alarm> = said.extract_if(|source, _| !is_there(source)).flat_map(|(_, alarms)| alarms).collect();
        self.end(&said, gone);
    }

    /// Ends the series that no source reports any more. If another source still reports one, the series shows the time of that source.
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
    fn a_series_lasts_until_no_source_reports_it() {
        let metrics = Metrics::new(true);
        let alarms = Alarms::new(metrics.clone());
        let series = || metrics.encode().lines().filter(|line| line.starts_with("keyward_managedkey_deletion")).count();
        let (object, provider) = (|| Source::Object("u1".into()), || Source::Provider("default".into()));
        alarms.say(&object(), vec![(key("PendingDeletion"), 5)]);
        assert_eq!((alarms.key_of("u1").as_deref(), series()), (Some("k1"), 1));
        alarms.say(&provider(), vec![(key("PendingDeletion"), 5)]);
        assert_eq!(series(), 1, "both are one series");
        alarms.forget(|source| *source != object());
        assert_eq!((alarms.key_of("u1").is_some(), series()), (false, 1), "its provider still reports it");
        alarms.say(&provider(), Vec::new());
        assert_eq!(series(), 0);
        alarms.say(&object(), vec![(key("PendingReplicaDeletion"), 0)]);
        alarms.say(&object(), vec![(key("PendingDeletion"), 5)]);
        assert_eq!((alarms.key_of("u1").is_some(), series()), (true, 1), "another state is another series");
    }
}
