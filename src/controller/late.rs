//! Objects of which a live read showed another version than the watch has. If the watch does not bring a new version soon, everything is listed again.

use crate::controller::waits;
use std::{collections::HashMap, time::Instant};

/// The objects that the watch is expected to bring.
#[derive(Debug, Default)]
pub struct Late {
    /// By namespace and name.
    awaited: HashMap<(String, String), Awaited>,
    listed: Option<Instant>,
}

#[derive(Debug)]
struct Awaited {
    /// The version that the watch had brought.
    stored: String,
    since: Instant,
}

impl Late {
    /// Notes that a live read showed version `live`, or that the object is gone, while the store had version `stored`.
    pub fn read(&mut self, namespace: &str, name: &str, stored: Option<&str>, live: Option<&str>, now: Instant) {
        let key = (namespace.to_owned(), name.to_owned());
        match stored {
            Some(stored) if live != Some(stored) => {
                if self.awaited.get(&key).is_none_or(|awaited| awaited.stored != stored) {
                    self.awaited.insert(key, Awaited { stored: stored.into(), since: now });
                }
            }
            _ => drop(self.awaited.remove(&key)),
        }
    }

    /// Whether to list everything again: some object has had its old version in the store for too long. `stored` returns the version in the store.
    pub fn is_due(&mut self, stored: impl Fn(&str, &str) -> Option<String>, now: Instant) -> bool {
        self.awaited.retain(|(namespace, name), awaited| stored(namespace, name).as_ref() == Some(&awaited.stored));
        let paused = self.listed.is_some_and(|listed| now.saturating_duration_since(listed) < waits::BETWEEN_LISTS);
        let late = |awaited: &Awaited| now.saturating_duration_since(awaited.since) >= waits::WATCH_LATE;
        if paused || !self.awaited.values().any(late) {
            return false;
        }
        self.listed = Some(now);
        self.awaited.clear();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_listed_again_if_the_watch_does_not_bring_what_was_read() {
        let (mut late, now) = (Late::default(), Instant::now());
        let has = |version: &str| {
            let version = version.to_owned();
            move |_: &str, name: &str| (name == "orders").then(|| version.clone())
        };
        late.read("shop", "orders", Some("7"), Some("7"), now);
        assert!(!late.is_due(has("7"), now + waits::WATCH_LATE), "as it was read");

        late.read("shop", "orders", Some("7"), Some("9"), now);
        assert!(!late.is_due(has("7"), now + waits::WATCH_LATE / 2), "the watch has time");
        late.read("shop", "orders", Some("7"), Some("10"), now + waits::WATCH_LATE / 2);
        assert!(late.is_due(has("7"), now + waits::WATCH_LATE), "it is the same silence");
        assert!(!late.is_due(has("7"), now + waits::WATCH_LATE), "it was asked for");

        let now = now + waits::BETWEEN_LISTS;
        late.read("shop", "orders", Some("7"), Some("9"), now);
        assert!(!late.is_due(has("8"), now + waits::WATCH_LATE), "the watch goes on");

        late.read("shop", "orders", Some("8"), None, now);
        assert!(late.is_due(has("8"), now + 2 * waits::WATCH_LATE), "an object that is gone, too");
        late.read("shop", "orders", Some("8"), None, now + 2 * waits::WATCH_LATE);
        assert!(!late.is_due(has("8"), now + 4 * waits::WATCH_LATE), "a list that did not help is not repeated at once");
        assert!(late.is_due(has("8"), now + 2 * waits::WATCH_LATE + waits::BETWEEN_LISTS));
    }
}
