//! The budget: how many deletions may be scheduled, and how many keys disabled with their objects, through one provider within an hour. If there are more, the
//! brake stops all of them.
//!
//! The book is in the provider's status. Keyward writes an entry before the call, with the version that it read as the precondition. So the count stays right
//! after a restart, and if two replicas act:
//!
//! ```text
//!             room for one more: the entry is written
//!           ┌──────┐
//!           ▼      │   no room, or maxPerHour is 0                 resume-deletions: <id>, and maxPerHour is not 0
//!         open ────┴──────────────────────────────►  stopped <id>  ───────────────────────────────────────────────►  open, with an empty book
//! ```
//!
//! While it is stopped, nothing is scheduled and no key is disabled with its object. A deletion that was held by the brake gets the word `held` on its key, so
//! it needs a token of its own after the brake is lifted.
//!
//! An entry counts from the last call that may have taken effect. An entry whose call was not sent, or was certainly refused, is [given back](given_back), so
//! that keys whose deletion the KMS denies do not fill the book.
//!
//! A [`Booked`] proves that an entry was stored. Only [`Entry::written`] gives one, for the book that the API server answered with. Its field is private:
//!
//! ```
//! # use keyward::domain::deletion::budget::Booked;
//! fn booked(proof: Booked) -> Booked { proof }
//! ```
//!
//! ```compile_fail,E0451
//! # use keyward::domain::deletion::budget::Booked;
//! fn booked(proof: Booked) -> Booked { Booked { ..proof } }
//! ```

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::{
    api::{
        condition::seconds,
        key_provider::{DeletionBook, LONGEST_BOOKED, MOST_BOOKED, RecentDeletion, Tripped},
    },
    domain::periods::{BOOKED, ROUNDED},
};

/// The longest id of a trip, as its schema has it.
const LONGEST_ID: usize = 64;

/// What the book says to one more deletion.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// There is room. The deletion may go on once the entry is written.
    Room(Entry),
    /// There is none. Everything stops once this book is written.
    Trips(DeletionBook),
    /// Everything is stopped already.
    Stopped,
}

/// The book with one more entry, to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    key: String,
    /// When the key was entered before, if that entry still counts.
    before: Option<Time>,
    book: DeletionBook,
}

/// Proof that a deletion of one key is in the book. The guard clears nothing without it.
#[derive(Debug, PartialEq)]
#[must_use = "the deletion was counted"]
pub struct Booked {
    pub(super) key: String,
    slot: Slot,
}

/// The place of one call in the book, to be given back if the call takes no effect.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    entry: RecentDeletion,
    /// When an earlier call for the key was entered, if that entry still counted.
    before: Option<Time>,
}

impl Booked {
    /// The place in the book.
    #[must_use]
    pub fn slot(self) -> Slot {
        self.slot
    }
}

impl Entry {
    /// The book to write.
    #[must_use]
    pub const fn book(&self) -> &DeletionBook {
        &self.book
    }

    /// The book was written, and the API server stored this one. `None`: the entry is not in it.
    #[must_use]
    pub fn written(self, stored: Option<&DeletionBook>) -> Option<Booked> {
        let entry = self.book.recent.last()?;
        let slot = Slot { entry: entry.clone(), before: self.before };
        stored?.recent.contains(entry).then_some(Booked { key: self.key, slot })
    }
}

/// The key as it stands in the book: no longer than its schema takes.
fn named(key: &str) -> String {
    key.chars().take(LONGEST_BOOKED).collect()
}

/// Whether an entry still counts. If its time is in the future, a clock was wrong; the entry then counts until an hour after its time.
fn counts(entry: &RecentDeletion, now: Timestamp) -> bool {
    now.duration_since(entry.time.0) < BOOKED
}

/// Asks the book whether there is room for the deletion of `key`. If not, the brake is tripped, and `id` becomes the id of the trip. A key counts once, because
/// a call that is sent again is the same deletion.
#[must_use]
pub fn check(book: Option<&DeletionBook>, max_per_hour: i32, key: &str, now: Timestamp, id: &str) -> Answer {
    let mut book = book.cloned().unwrap_or_default();
    if book.tripped.is_some() {
        return Answer::Stopped;
    }
    let name = named(key);
    let known = book.recent.iter().find(|entry| entry.key == name && counts(entry, now)).map(|entry| entry.time.0);
    book.recent.retain(|entry| counts(entry, now) && entry.key != name);
    if book.recent.len() >= usize::try_from(max_per_hour).unwrap_or(0).min(MOST_BOOKED) {
        book.tripped = Some(tripped(id, now));
        return Answer::Trips(book);
    }
    // An entry never gets older: a clock that went back makes no room sooner. Each call has a time of its own, so that the entry of one writer is not given
    // back by another.
    let next = |known: Timestamp| known.checked_add(ROUNDED).unwrap_or(known);
    let time = known.map_or(now, |known| next(known).max(now));
    book.recent.push(RecentDeletion { time: seconds(time), key: name });
    Answer::Room(Entry { key: key.into(), before: known.map(seconds), book })
}

/// The book after a call that certainly took no effect gave its place back. An earlier call for the same key keeps its own: its reply may have been lost.
/// `None`: the entry is not in the book any more, or another call for the key was entered since.
#[must_use]
pub fn given_back(book: Option<&DeletionBook>, slot: &Slot) -> Option<DeletionBook> {
    let mut book = book?.clone();
    let at = book.recent.iter().position(|entry| *entry == slot.entry)?;
    let entry = book.recent.remove(at);
    if let Some(time) = slot.before.clone() {
        book.recent.push(RecentDeletion { time, ..entry });
    }
    Some(book)
}

fn tripped(id: &str, now: Timestamp) -> Tripped {
    Tripped { id: id.into(), time: seconds(now) }
}

/// Whether this text can be the id of a trip. Messages print the id as a part of a command. Somebody else may have written the status, so no other text may
/// get there.
#[must_use]
pub fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_ID && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The book after a round of the provider. `maxPerHour: 0` trips the brake. A higher value does not lift the brake: a person lifts it with the id of the trip.
/// Then the book is empty. `resume`: the annotation.
#[must_use]
pub fn kept(book: Option<&DeletionBook>, max_per_hour: i32, resume: Option<&str>, now: Timestamp, id: &str) -> Option<DeletionBook> {
    let mut book = book.cloned().unwrap_or_default();
    book.recent.retain(|entry| counts(entry, now));
    match &book.tripped {
        None if max_per_hour <= 0 => book.tripped = Some(tripped(id, now)),
        // Somebody else wrote this id. The brake stays, and gets a new id.
        Some(trip) if !is_id(&trip.id) => book.tripped = Some(tripped(id, now)),
        Some(trip) if max_per_hour > 0 && resume == Some(&*trip.id) => {
            book = DeletionBook { waiting: book.waiting, ..DeletionBook::default() }
        }
        _ => {}
    }
    (book != DeletionBook::default()).then_some(book)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + 60 * minute).unwrap()
    }

    /// The book after that many deletions, one a minute.
    fn after(count: i64) -> DeletionBook {
        (0..count).fold(DeletionBook::default(), |book, number| {
            let Answer::Room(entry) = check(Some(&book), 1000, &format!("key-{number}"), at(number), "id") else { panic!("no room") };
            entry.book().clone()
        })
    }

    #[test]
    fn one_deletion_above_the_limit_stops_all_and_time_does_not_resume_them() {
        let book = after(10);
        let Answer::Trips(stopped) = check(Some(&book), 10, "one-more", at(11), "abcdef") else { panic!("it has no room") };
        assert_eq!((stopped.recent.len(), stopped.tripped.clone().unwrap().id.as_str()), (10, "abcdef"));
        for minute in [11, 120, 100_000] {
            assert_eq!(check(Some(&stopped), 1000, "one-more", at(minute), "other"), Answer::Stopped, "{minute}");
        }
        assert_eq!(book.tripped, None);
    }

    #[test]
    fn an_hour_later_there_is_room_again() {
        let book = after(10);
        assert!(matches!(check(Some(&book), 10, "one-more", at(59), "id"), Answer::Trips(_)));
        let Answer::Room(entry) = check(Some(&book), 10, "one-more", at(60), "id") else { panic!("the first is an hour old") };
        assert_eq!(entry.book().recent.len(), 10);
        let stored = entry.book().clone();
        assert_eq!(entry.written(Some(&stored)).unwrap().key, "one-more");
    }

    /// The book with an entry for that key, and its place in it.
    fn entered(book: &DeletionBook, key: &str, minute: i64) -> (DeletionBook, Slot) {
        let Answer::Room(entry) = check(Some(book), 10, key, at(minute), "id") else { panic!("there is room for {key}") };
        let stored = entry.book().clone();
        let slot = entry.written(Some(&stored)).unwrap().slot();
        (stored, slot)
    }

    #[test]
    fn a_call_that_took_no_effect_gives_its_place_back() {
        let book = after(9);
        let (full, slot) = entered(&book, "denied", 10);
        assert!(matches!(check(Some(&full), 10, "one-more", at(11), "id"), Answer::Trips(_)));
        assert_eq!(given_back(Some(&full), &slot), Some(book.clone()));
        assert_eq!(given_back(Some(&book), &slot), None, "once");
        assert_eq!(given_back(None, &slot), None);
        // However often it is tried, it takes nobody's place.
        let tried = (10..200).fold(DeletionBook::default(), |book, minute| {
            let (full, slot) = entered(&book, "denied", minute);
            given_back(Some(&full), &slot).unwrap()
        });
        assert_eq!(tried, DeletionBook::default());
    }

    #[test]
    fn the_place_of_a_call_whose_reply_was_lost_is_not_given_back_with_a_later_one() {
        let (lost, _) = entered(&DeletionBook::default(), "key", 0);
        let (again, slot) = entered(&lost, "key", 10);
        assert_eq!(again.recent.len(), 1);
        assert_eq!(given_back(Some(&again), &slot), Some(lost.clone()));
        // An hour after the first call nothing is left of it.
        let (later, slot) = entered(&lost, "key", 70);
        assert_eq!(given_back(Some(&later), &slot), Some(DeletionBook::default()));
    }

    #[test]
    fn one_writer_does_not_give_the_place_of_another_back() {
        let (book, first) = entered(&DeletionBook::default(), "key", 0);
        let (book, second) = entered(&book, "key", 0);
        assert_eq!(given_back(Some(&book), &first), None);
        assert_eq!(given_back(Some(&book), &second).unwrap().recent.len(), 1, "the first call still counts");
        let forged =
            DeletionBook { recent: vec![RecentDeletion { time: Time(Timestamp::MAX), key: "key".into() }], ..DeletionBook::default() };
        assert_eq!(entered(&forged, "key", 0).0.recent.len(), 1);
    }

    #[test]
    fn a_key_counts_once_and_its_call_may_be_sent_again() {
        let book = after(10);
        let Answer::Room(entry) = check(Some(&book), 10, "key-0", at(30), "id") else { panic!("it is in the book") };
        assert_eq!(entry.book().recent.len(), 10);
        assert!(matches!(check(Some(entry.book()), 10, "one-more", at(61), "id"), Answer::Room(_)), "that of key-1 is over");
        assert!(matches!(check(Some(entry.book()), 9, "one-more", at(61), "id"), Answer::Trips(_)), "that of key-0 is not");
    }

    #[test]
    fn a_clock_that_was_set_back_makes_no_room() {
        let book = after(10);
        for minute in [-1, -1_000_000] {
            assert!(matches!(check(Some(&book), 10, "one-more", at(minute), "id"), Answer::Trips(_)), "{minute}");
            let Answer::Room(entry) = check(Some(&book), 10, "key-9", at(minute), "id") else { panic!("it is in the book") };
            let time = |book: &DeletionBook| book.recent.last().unwrap().time.0;
            assert!(time(entry.book()) > time(&book) && entry.book().recent.len() == 10, "its time does not go back: {:?}", entry.book());
        }
    }

    #[test]
    fn a_limit_of_zero_stops_all_and_raising_it_does_not_resume_them() {
        assert!(matches!(check(None, 0, "key", at(0), "id"), Answer::Trips(_)));
        assert!(matches!(check(None, -1, "key", at(0), "id"), Answer::Trips(_)));
        let stopped = kept(None, 0, None, at(0), "abcdef").unwrap();
        assert_eq!(kept(Some(&stopped), 0, None, at(1), "other").as_ref(), Some(&stopped), "it is one trip");
        assert_eq!(kept(Some(&stopped), 0, Some("abcdef"), at(1), "other").as_ref(), Some(&stopped), "as long as it is 0");
        assert_eq!(kept(Some(&stopped), 10, None, at(1), "other").as_ref(), Some(&stopped), "raising it is not enough");
    }

    #[test]
    fn only_the_id_of_a_stop_resumes_deletions_and_empties_the_book() {
        let Answer::Trips(stopped) = check(Some(&after(10)), 10, "one-more", at(11), "abcdef") else { panic!("it has no room") };
        for resume in [None, Some(""), Some("abcdeg"), Some("true")] {
            assert_eq!(kept(Some(&stopped), 10, resume, at(12), "id").as_ref(), Some(&stopped), "{resume:?}");
        }
        assert_eq!(kept(Some(&stopped), 10, Some("abcdef"), at(12), "id"), None);
        // An annotation that is left behind lifts no later trip.
        let Answer::Trips(again) = check(Some(&after(10)), 10, "one-more", at(11), "ghijkl") else { panic!("it has no room") };
        assert!(kept(Some(&again), 10, Some("abcdef"), at(12), "id").unwrap().tripped.is_some());
    }

    #[test]
    fn old_entries_go_and_nothing_is_kept_of_an_empty_book() {
        assert_eq!(kept(Some(&after(10)), 10, None, at(65), "id").unwrap().recent.len(), 4);
        assert_eq!(kept(Some(&after(10)), 10, None, at(1000), "id"), None);
        assert_eq!(kept(None, 10, None, at(0), "id"), None);
    }

    #[test]
    fn a_reference_that_is_too_long_is_cut_and_counted() {
        let long = "k".repeat(LONGEST_BOOKED + 7);
        let Answer::Room(entry) = check(None, 10, &long, at(0), "id") else { panic!("there is room") };
        assert_eq!(entry.book().recent.first().unwrap().key.len(), LONGEST_BOOKED);
        let stored = entry.book().clone();
        assert_eq!(entry.written(Some(&stored)).unwrap().key, long);
    }

    /// Shows S1.
    #[test]
    fn only_an_entry_that_was_stored_counts() {
        let entry = || match check(Some(&after(3)), 10, "one-more", at(4), "id") {
            Answer::Room(entry) => entry,
            other => panic!("there is room: {other:?}"),
        };
        let mut other_time = entry().book().clone();
        other_time.recent.last_mut().unwrap().time = seconds(at(-60));
        for stored in [None, Some(&DeletionBook::default()), Some(&after(3)), Some(&other_time)] {
            assert_eq!(entry().written(stored), None, "{stored:?}");
        }
    }
}
