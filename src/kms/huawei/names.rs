//! A key's own name, from the look at it to the question for its aliases.
//!
//! The list of aliases lacks the name that a key was made with, and a look has just read it. It is handed on once, and only while it is as fresh as the look:
//! asking again would be a third request in a round, and an older name could be another key's by now.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// For how long a name is as fresh as the look that brought it.
const FRESH: Duration = Duration::from_secs(2);
/// How many are kept before those that nobody came for are thrown away.
const MANY: usize = 64;

/// Names that were just read, by the id of the key.
#[derive(Debug, Default)]
pub(super) struct Names(Mutex<HashMap<String, (String, Instant)>>);

impl Names {
    fn names(&self) -> MutexGuard<'_, HashMap<String, (String, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what a look has read.
    pub(super) fn keep(&self, id: &str, name: String, now: Instant) {
        let mut names = self.names();
        if names.len() >= MANY {
            names.retain(|_, (_, read)| now.saturating_duration_since(*read) < FRESH);
        }
        names.insert(id.to_owned(), (name, now));
    }

    /// Hands the name on, if it was read a moment ago. It is not handed on twice.
    pub(super) fn take(&self, id: &str, now: Instant) -> Option<String> {
        let (name, read) = self.names().remove(id)?;
        (now.saturating_duration_since(read) < FRESH).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_handed_on_once_and_while_it_is_fresh() {
        let (names, now) = (Names::default(), Instant::now());
        names.keep("key", "orders".into(), now);
        assert_eq!(names.take("key", now + FRESH / 2).as_deref(), Some("orders"));
        assert_eq!(names.take("key", now), None);
        names.keep("key", "orders".into(), now);
        assert_eq!(names.take("key", now + FRESH), None);
    }

    #[test]
    fn names_that_nobody_comes_for_are_thrown_away() {
        let (names, now) = (Names::default(), Instant::now());
        (0..MANY).for_each(|number| names.keep(&number.to_string(), String::new(), now));
        names.keep("key", "orders".into(), now + FRESH);
        assert_eq!(names.names().len(), 1);
    }
}
