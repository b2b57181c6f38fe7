//! The list of pending keys that a provider keeps: bounded, each key once, and judged by what a read shows.
//!
//! Shows S12.

use jiff::{SignedDuration, Timestamp};

use super::fixtures::{days_on, key, minutes, now};
use crate::{
    api::{
        KeyProviderStatus,
        condition::seconds,
        key_provider::{LONGEST_PLACE, MOST_COUNTED, MOST_PENDING, MoreDeletions, PendingDeletion, WatchedDeletion},
    },
    domain::{
        observed::{Observed, Searched, State},
        pending::{self, Change, Changed, Look, Unfound, Verdict, has_room, judge, lost, more, place, unlisted},
    },
};

/// The endpoint of the provider.
const HERE: &str = "kms.example.com";

fn found(date: Option<Timestamp>) -> Change {
    Change::Found { key: "k".into(), date: date.map(seconds), endpoint: Some(HERE.into()) }
}

fn entry(key: &str, date: Option<Timestamp>) -> PendingDeletion {
    PendingDeletion {
        key: key.into(),
        date: date.map(seconds),
        owner: "shop/orders".into(),
        rescue: "cancel it".into(),
        endpoint: Some(HERE.into()),
    }
}

fn watched(key: &str, uid: &str) -> WatchedDeletion {
    WatchedDeletion {
        key: key.into(),
        date: Some(seconds(days_on(7))),
        owner: "shop/orders".into(),
        uid: uid.into(),
        endpoint: Some(HERE.into()),
    }
}

/// The status after these changes, and the keys that came to be without an object.
fn changed(before: &KeyProviderStatus, changes: &[Change]) -> (KeyProviderStatus, Vec<String>) {
    let Changed { status, gone, unlisted: _ } = pending::changed(before, changes);
    (status, gone)
}

fn of(namespace: &str, entry: PendingDeletion) -> Change {
    Change::Gone(PendingDeletion { owner: format!("{namespace}/orders"), ..entry })
}

fn counts(more: &[MoreDeletions]) -> Vec<(&str, i32)> {
    more.iter().map(|more| (more.namespace.as_str(), more.count)).collect()
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
    let undated = Change::Gone(entry("k", None));
    for (name, before) in [("listed", &left), ("watched", &taken)] {
        let (after, _) = changed(before, std::slice::from_ref(&undated));
        assert_eq!(after.pending_deletions.first().unwrap().date, Some(seconds(days_on(7))), "{name}: its date is known");
    }
    for status in [&left, &taken] {
        assert_eq!(changed(status, &[Change::Over("k".into())]).0, empty);
    }
    let (moved, _) = changed(&left, &[found(Some(days_on(30)))]);
    assert_eq!(moved.pending_deletions.first().unwrap().date, Some(seconds(days_on(30))));
}

/// A status can be forged, and then names a key of another object.
#[test]
fn what_only_a_status_says_replaces_no_entry_of_another_object() {
    let forged = PendingDeletion { owner: "mallory/x".into(), ..entry("k", Some(Timestamp::MIN)) };
    let told = [Change::Told(forged.clone())];
    for of_another in [Change::Gone(entry("k", Some(days_on(7)))), Change::Watched(watched("k", "u1"))] {
        let (before, _) = changed(&KeyProviderStatus::default(), &[of_another]);
        let (after, gone) = changed(&before, &told);
        assert_eq!((&after, gone.len()), (&before, 0));
    }
    // What was read counts, and so does what is told of a key that no other object has.
    let (before, _) = changed(&KeyProviderStatus::default(), &[Change::Gone(entry("k", Some(days_on(7))))]);
    assert_eq!(changed(&before, &[Change::Gone(forged.clone())]).0.pending_deletions, std::slice::from_ref(&forged));
    assert_eq!(changed(&KeyProviderStatus::default(), &told).0.pending_deletions, [forged]);
    let own = Change::Told(entry("k", Some(days_on(9))));
    assert_eq!(changed(&before, &[own]).0.pending_deletions, [entry("k", Some(days_on(9)))], "it is its own entry");
}

fn days(day: usize) -> Timestamp {
    days_on(i32::try_from(day).unwrap())
}

#[test]
fn a_full_list_keeps_those_that_are_due_first_and_counts_the_rest_until_the_last_of_them_is_gone() {
    let all: Vec<_> = (1..=MOST_PENDING + 2).map(|day| Change::Gone(entry(&format!("k{day:04}"), Some(days(day))))).collect();
    let (full, gone) = changed(&KeyProviderStatus::default(), &all);
    assert_eq!((full.pending_deletions.len(), gone.len()), (MOST_PENDING, MOST_PENDING + 2), "all are told of");
    assert_eq!(full.pending_deletions.first().unwrap().key, "k0001");
    let date = |day| Some(seconds(days(day)));
    let rest = MoreDeletions { namespace: "shop".into(), count: 2, earliest: date(MOST_PENDING + 1), latest: date(MOST_PENDING + 2) };
    assert_eq!(full.more_pending_deletions, std::slice::from_ref(&rest));
    assert_eq!(more(&full, days(MOST_PENDING + 2)), [rest], "AWS deletes a key up to a day after its date");
    assert_eq!(more(&full, days(MOST_PENDING + 3)), []);
    let (replica, _) = changed(&full, &[Change::Gone(entry("replica", None))]);
    assert_eq!(replica.pending_deletions.last().unwrap().key, "replica", "what has no date comes last, and is not the first to go");
    assert_eq!(counts(&replica.more_pending_deletions), [("shop", 3)]);
}

#[test]
fn one_namespace_does_not_push_out_the_keys_of_another_and_no_key_goes_uncounted() {
    let name = |kind: &str, number: usize| format!("{kind}{number:04}");
    // One tenant has more keys than the list takes, all due before those of the others, and as many without a date.
    let flood = (0..MOST_PENDING)
        .flat_map(|number| [of("flood", entry(&name("early", number), Some(days(1)))), of("flood", entry(&name("undated", number), None))]);
    let others = (0..20).map(|number| of(&name("tenant", number), entry(&name("own", number), Some(days(30)))));
    for (order, all) in
        [("first", others.clone().chain(flood.clone()).collect::<Vec<_>>()), ("last", flood.chain(others).collect::<Vec<_>>())]
    {
        let (at_once, _) = changed(&KeyProviderStatus::default(), &all);
        let one_by_one = all.iter().fold(KeyProviderStatus::default(), |before, change| changed(&before, std::slice::from_ref(change)).0);
        for status in [&at_once, &one_by_one] {
            let listed = |kind: &str| status.pending_deletions.iter().filter(|entry| entry.key.starts_with(kind)).count();
            assert_eq!((listed("own"), listed("early"), listed("undated")), (20, 240, 240), "{order}");
            assert_eq!(counts(&status.more_pending_deletions), [("flood", i32::try_from(2 * MOST_PENDING).unwrap() - 480)], "{order}");
        }
    }

    // What is watched is told to the caller, which knows its objects.
    let flood = (0..=MOST_PENDING).map(|number| Change::Watched(watched(&name("w", number), &name("u", number))));
    let own = WatchedDeletion { owner: "bank/pay".into(), date: None, ..watched("own", "u") };
    let before = pending::changed(&KeyProviderStatus::default(), &flood.collect::<Vec<_>>());
    assert!(has_room(&before.status, &own) && !has_room(&before.status, &before.unlisted[0]));
    let after = pending::changed(&before.status, &[Change::Watched(own)]);
    assert!(after.status.watched_deletions.iter().any(|entry| entry.key == "own"));
    assert_eq!((before.unlisted.len(), after.unlisted.len()), (1, 1));
}

#[test]
fn objects_that_were_deleted_unseen_are_counted() {
    let (one, other) = (watched("a", "u1"), WatchedDeletion { owner: "bank/pay".into(), ..watched("b", "u2") });
    let before = unlisted([&one, &one, &one, &other]);
    assert_eq!(counts(&before), [("bank", 1), ("shop", 3)]);
    assert_eq!(lost(&before, &before), []);
    let gone = lost(&before, &unlisted([&one]));
    assert_eq!(counts(&gone), [("bank", 1), ("shop", 2)]);
    let all: Vec<_> = gone.into_iter().map(Change::Lost).chain([Change::Unlisted(unlisted([&one]))]).collect();
    let (status, _) = changed(&KeyProviderStatus { more_watched_deletions: before, ..KeyProviderStatus::default() }, &all);
    assert_eq!(counts(&status.more_pending_deletions), [("bank", 1), ("shop", 2)]);
    assert_eq!(counts(&status.more_watched_deletions), [("shop", 1)]);
    assert_eq!(status.more_pending_deletions[0].latest, other.date, "so long the alert lasts");

    // So many namespaces have a count of their own; the rest is counted together.
    let many: Vec<_> =
        (0..2 * MOST_COUNTED).map(|number| WatchedDeletion { owner: format!("n{number:03}/orders"), ..watched("k", "u") }).collect();
    let before = unlisted(&many);
    assert_eq!((before.len(), before.iter().map(|more| more.count).sum::<i32>()), (MOST_COUNTED, i32::try_from(many.len()).unwrap()));
    assert_eq!(lost(&before, &before), []);
    let gone = lost(&before, &unlisted(&many[1..]));
    assert_eq!(gone.iter().map(|more| more.count).sum::<i32>(), 1, "{gone:?}");
}

#[test]
fn the_lists_in_a_status_are_input() {
    let twice = vec![entry("k", Some(Timestamp::MAX)), entry("k", Some(Timestamp::MIN)), entry("", None)];
    let many = (0..3 * MOST_PENDING).map(|number| watched(&format!("w{number}"), "u")).chain([watched("k", "u")]).collect();
    let mut status = KeyProviderStatus { pending_deletions: twice, watched_deletions: many, ..KeyProviderStatus::default() };
    for count in [i32::MAX, i32::MIN, -1] {
        status.more_pending_deletions = vec![MoreDeletions { namespace: "shop".into(), count, earliest: None, latest: None }];
        let full: Vec<_> = (0..MOST_PENDING).map(|number| Change::Gone(entry(&format!("p{number}"), Some(days(1))))).collect();
        let (after, _) = changed(&status, &full);
        assert_eq!((after.pending_deletions.len(), after.watched_deletions.len()), (MOST_PENDING, MOST_PENDING));
        assert!(after.more_pending_deletions[0].count > 0, "{count}");
        assert_eq!(keys(&after).0.iter().filter(|key| **key == "k").count(), 0, "it is due last");
    }
}

#[test]
fn a_listed_key_goes_once_a_read_shows_that_it_is_not_pending() {
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
    let seen = |seen: &Observed, before, now, shows| judge(&listed, &Look { seen, endpoint: HERE, now, shows }, before, minutes(5));
    let undated = |before, now| judge(&entry("k", None), &Look { seen: &absent, endpoint: HERE, now, shows: long_ago }, before, minutes(5));
    assert_eq!(seen(&pending(date), None, now(), long_ago), Verdict::Stays);
    let later = Verdict::Changes(found(Some(days_on(9))));
    assert_eq!(seen(&pending(Some(days_on(9))), None, now(), long_ago), later);
    assert_eq!(seen(&pending(None), None, now(), long_ago), Verdict::Stays, "its date was not told this time");
    let mut replica = key(State::PendingReplicaDeletion);
    replica.deletion_date = None;
    let waits = Verdict::Changes(found(None));
    assert_eq!(seen(&Observed::Present(Box::new(replica)), None, now(), long_ago), waits, "it waits for its replicas");
    assert_eq!(seen(&alive(None), None, now(), long_ago), over, "cancelled");
    assert_eq!(seen(&alive(None), None, now(), days_on(1)), Verdict::Stays, "it may show what was before it was scheduled");
    assert_eq!(seen(&alive(Some(minutes(120))), None, now(), long_ago), Verdict::Stays, "a copy from before it was scheduled");
    assert_eq!(seen(&absent, None, days_on(8), long_ago), over, "past its date");
    let once = Unfound { count: 1, since: now() };
    assert_eq!(undated(None, now()), Verdict::Unsure(once), "one such answer proves nothing");
    let (soon, late) = (now().checked_add(minutes(1)).unwrap(), now().checked_add(minutes(6)).unwrap());
    let often = Unfound { count: u32::MAX, ..once };
    assert_eq!(undated(Some(often), soon), Verdict::Unsure(often));
    assert_eq!(undated(Some(often), late), over);
    assert_eq!(undated(Some(once), late), Verdict::Unsure(Unfound { count: 2, ..once }));
    assert_eq!(seen(&absent, Some(often), late, long_ago), Verdict::Stays, "no key goes before its date");
}

/// Shows S12.
#[test]
fn a_listed_key_is_not_gone_because_the_provider_names_another_endpoint() {
    let elsewhere = |date| PendingDeletion { endpoint: Some("old.example.com".into()), ..entry("k", date) };
    let absent = Observed::Absent(Searched::Reference);
    let often = Some(Unfound { count: 9, since: now().checked_sub(minutes(600)).unwrap() });
    let judged = |entry: &PendingDeletion, seen: &Observed, at| {
        judge(entry, &Look { seen, endpoint: HERE, now: at, shows: now().checked_sub(minutes(60)).unwrap() }, often, minutes(5))
    };
    let (over, date) = (Verdict::Changes(Change::Over("k".into())), Some(days_on(7)));
    assert_eq!(judged(&elsewhere(None), &absent, now()), Verdict::Stays, "it may wait for its replicas where it was");
    assert_eq!(judged(&elsewhere(date), &absent, days_on(7)), Verdict::Stays);
    assert_eq!(judged(&elsewhere(date), &absent, days_on(8)), over, "it is deleted wherever it was");
    assert_eq!(judged(&entry("k", date), &absent, days_on(7)), over);
    // Where it is found, it is.
    let mut pending = key(State::PendingDeletion);
    pending.deletion_date = date;
    assert_eq!(judged(&elsewhere(date), &Observed::Present(Box::new(pending)), now()), Verdict::Changes(found(date)));
    let alive = Observed::Present(Box::new(key(State::Enabled)));
    assert_eq!(judged(&elsewhere(date), &alive, now()), over);
    // An entry of an earlier version names no endpoint.
    let unnamed = PendingDeletion { endpoint: None, ..entry("k", None) };
    assert_eq!(judged(&unnamed, &absent, now()), over);
    let long = "k".repeat(200);
    assert_ne!(place(&long), place(&"k".repeat(201)));
    assert!(place(&long).len() <= LONGEST_PLACE && place(HERE) == HERE);
}
