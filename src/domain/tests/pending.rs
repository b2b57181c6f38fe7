//! The list of pending keys that a provider keeps: bounded, each key once, and judged by what a look shows.

use jiff::{SignedDuration, Timestamp};

use super::fixtures::{days_on, key, minutes, now};
use crate::{
    api::{
        KeyProviderStatus,
        condition::seconds,
        key_provider::{MOST_PENDING, PendingDeletion, WatchedDeletion},
    },
    domain::{
        observed::{Observed, Searched, State},
        pending::{Change, Unfound, Verdict, beyond, changed, judge},
    },
};

fn entry(key: &str, date: Option<Timestamp>) -> PendingDeletion {
    PendingDeletion { key: key.into(), date: date.map(seconds), owner: "shop/orders".into(), rescue: "cancel it".into() }
}

fn watched(key: &str, uid: &str) -> WatchedDeletion {
    WatchedDeletion { key: key.into(), date: Some(seconds(days_on(7))), owner: "shop/orders".into(), uid: uid.into() }
}

fn keys(status: &KeyProviderStatus) -> (Vec<&str>, Vec<&str>) {
    let pending = status.pending_deletions.iter().map(|entry| entry.key.as_str()).collect();
    (pending, status.watched_deletions.iter().map(|entry| entry.key.as_str()).collect())
}

#[test]
fn each_key_stands_in_one_list_and_moves_between_them_with_its_object() {
    let vanished = |uid: &str| Change::Vanished { key: "k".into(), uid: uid.into(), rescue: "cancel it".into() };
    let empty = KeyProviderStatus::default();
    let (seen, gone) = changed(&empty, &[Change::Watched(watched("k", "u1"))]);
    assert_eq!((keys(&seen), gone.len()), ((vec![], vec!["k"]), 0));
    let (same, gone) = changed(&seen, &[vanished("u0")]);
    assert_eq!((&same, gone.len()), (&seen, 0), "another object was meant, and this one is there");
    let (left, gone) = changed(&seen, &[vanished("u1")]);
    assert_eq!((keys(&left), gone), ((vec!["k"], vec![]), vec!["k".to_owned()]));
    let (again, gone) = changed(&left, &[vanished("u1"), Change::Gone(entry("k", Some(days_on(7))))]);
    assert_eq!((keys(&again), gone.len()), ((vec!["k"], vec![]), 0), "it is told once");
    let (taken, _) = changed(&left, &[Change::Watched(watched("k", "u2"))]);
    assert_eq!(keys(&taken), (vec![], vec!["k"]), "another object has it");
    for status in [&left, &taken] {
        assert_eq!(changed(status, &[Change::Over("k".into())]).0, empty);
    }
    let (moved, _) = changed(&left, &[Change::Dated("k".into(), Some(seconds(days_on(30))))]);
    assert_eq!(moved.pending_deletions.first().unwrap().date, Some(seconds(days_on(30))));
}

#[test]
fn a_full_list_keeps_those_that_are_due_first_and_counts_the_rest_until_the_last_of_them_is_due() {
    let days = |day: usize| days_on(i32::try_from(day).unwrap());
    let all: Vec<_> = (1..=MOST_PENDING + 2).map(|day| Change::Gone(entry(&format!("k{day:04}"), Some(days(day))))).collect();
    let (full, gone) = changed(&KeyProviderStatus::default(), &all);
    assert_eq!((full.pending_deletions.len(), gone.len()), (MOST_PENDING, MOST_PENDING + 2), "all are told of");
    assert_eq!(full.pending_deletions.first().unwrap().key, "k0001");
    let rest = full.pending_deletions_beyond.clone().unwrap();
    assert_eq!((rest.count, rest.latest), (2, Some(seconds(days(MOST_PENDING + 2)))));
    let (more, _) = changed(&full, &[Change::Gone(entry("replica", None))]);
    assert_eq!(more.pending_deletions.first().unwrap().key, "replica", "what has no date may be due any day");
    assert_eq!(beyond(&more, days(MOST_PENDING + 1)).unwrap().count, 3);
    assert_eq!(beyond(&more, days(MOST_PENDING + 2)), None);
}

#[test]
fn what_stands_in_a_status_is_input() {
    let twice = vec![entry("k", Some(Timestamp::MAX)), entry("k", Some(Timestamp::MIN)), entry("", None)];
    let many = (0..3 * MOST_PENDING).map(|number| watched(&format!("w{number}"), "u")).chain([watched("k", "u")]).collect();
    let mut status = KeyProviderStatus { pending_deletions: twice, watched_deletions: many, ..KeyProviderStatus::default() };
    for count in [i32::MAX, i32::MIN, -1] {
        status.pending_deletions_beyond.get_or_insert_default().count = count;
        let full: Vec<_> = (0..MOST_PENDING).map(|number| Change::Gone(entry(&format!("p{number}"), None))).collect();
        let (after, _) = changed(&status, &full);
        assert_eq!((after.pending_deletions.len(), after.watched_deletions.len()), (MOST_PENDING, MOST_PENDING));
        assert!(after.pending_deletions_beyond.clone().unwrap().count > 0, "{count}");
        assert_eq!(keys(&after).0.iter().filter(|key| **key == "k").count(), 0, "it is due last");
    }
}

#[test]
fn a_listed_key_goes_once_a_look_shows_that_it_is_not_pending() {
    let date = Some(days_on(7));
    let listed = entry("k", date);
    let pending = |date| {
        let mut key = key(State::PendingDeletion);
        key.deletion_date = date;
        Observed::Present(Box::new(key))
    };
    let alive = |age: Option<SignedDuration>| {
        let mut key = key(State::Disabled);
        key.age = age;
        Observed::Present(Box::new(key))
    };
    let absent = Observed::Absent(Searched::Reference);
    let over = Verdict::Changes(Change::Over("k".into()));
    let long_ago = now().checked_sub(minutes(60)).unwrap();
    let seen = |seen: &Observed, before, at, shows| judge(&listed, seen, before, at, shows, minutes(5));
    assert_eq!(seen(&pending(date), None, now(), long_ago), Verdict::Stays);
    let later = Verdict::Changes(Change::Dated("k".into(), Some(seconds(days_on(9)))));
    assert_eq!(seen(&pending(Some(days_on(9))), None, now(), long_ago), later);
    assert_eq!(seen(&alive(None), None, now(), long_ago), over, "cancelled");
    assert_eq!(seen(&alive(None), None, now(), days_on(1)), Verdict::Stays, "it may show what was before it was scheduled");
    assert_eq!(seen(&alive(Some(minutes(120))), None, now(), long_ago), Verdict::Stays, "a copy from before it was scheduled");
    assert_eq!(seen(&absent, None, days_on(8), long_ago), over, "past its date");
    let once = Unfound { count: 1, since: now() };
    assert_eq!(seen(&absent, None, now(), long_ago), Verdict::Unsure(once), "one such answer proves nothing");
    let (soon, late) = (now().checked_add(minutes(1)).unwrap(), now().checked_add(minutes(6)).unwrap());
    let often = Unfound { count: u32::MAX, ..once };
    assert_eq!(seen(&absent, Some(often), soon, long_ago), Verdict::Unsure(often));
    assert_eq!(seen(&absent, Some(often), late, long_ago), over);
    assert_eq!(seen(&absent, Some(once), late, long_ago), Verdict::Unsure(Unfound { count: 2, ..once }));
}
