//! When an alias may be moved from the key of another object, and when not.
//!
//! Shows S3.

use serde_json::{Value, json};

use super::fixtures::{key, owner, rules, word};
use crate::{
    api::{ManagedKey, mark},
    domain::{
        deletion::Word,
        handover::{Taker, barred, stake},
        observed::{Key, State},
        ownership::{Owner, OwnerMark},
    },
};

fn blue() -> Owner {
    Owner { name: "blue".into(), uid: "u2".into(), ..owner() }
}

/// The object that has `alias/live` on its key and declares it no more, with a change.
fn object(over: Value) -> ManagedKey {
    let mut object = json!({
        "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": { "name": "blue", "namespace": "shop", "uid": "u2" },
        "spec": { "providerRef": { "name": "aws" }, "aliases": ["next"] }, "status": { "applied": { "generation": 1, "aliases": ["live"] } },
    });
    merge(&mut object, over);
    serde_json::from_value(object).unwrap()
}

fn merge(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            over.into_iter().for_each(|(key, value)| merge(base.entry(key).or_insert(Value::Null), value));
        }
        (base, over) => *base = over,
    }
}

/// Its key, with a change.
fn holder(change: impl FnOnce(&mut Key)) -> Key {
    let mut key = key(State::Enabled);
    key.arn.push_str("-blue");
    key.tags = Some(blue().marks(word(Word::Live), OwnerMark::Name));
    change(&mut key);
    key
}

fn why(holder: &Key, object: &ManagedKey) -> Option<String> {
    barred("alias/live", Taker { owner: &owner(), rules: &rules() }, holder, object)
}

#[test]
fn an_alias_comes_from_a_key_that_is_ours_and_whose_object_let_it_go() {
    assert_eq!(why(&holder(|_| {}), &object(json!({}))), None);
    for state in State::ALL {
        assert_eq!(why(&holder(|key| key.state = state), &object(json!({}))), None, "{state:?}");
    }
    let digest = holder(|key| key.tags = Some(blue().marks(word(Word::Live), OwnerMark::Digest)));
    assert_eq!(why(&digest, &object(json!({}))), None);
}

#[test]
fn in_every_other_case_the_alias_stays() {
    let is_left = |holder: &Key, object: &ManagedKey, says: &str| {
        let why = why(holder, object).unwrap_or_else(|| panic!("moved, though {says}"));
        assert!(why.contains("alias/live belongs to the key") && why.contains("is not moved") && why.contains(says), "{why}");
    };
    // By the marks of the key.
    let tag = |name: &'static str, value: Option<&'static str>| {
        holder(|key| {
            let tags = key.tags.as_mut().unwrap();
            tags.remove(name);
            tags.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        })
    };
    for (name, value) in [
        (mark::CLUSTER, None),
        (mark::CLUSTER, Some("elsewhere")),
        (mark::OWNER, None),
        (mark::OWNER, Some("shop.other")),
        (mark::OWNER, Some("bank.blue")),
        (mark::UID, None),
        (mark::UID, Some("u7")),
        (mark::UID, Some("u1")),
    ] {
        is_left(&tag(name, value), &object(json!({})), "choose another alias");
    }
    is_left(&holder(|key| key.tags = None), &object(json!({})), "choose another alias");
    is_left(&holder(|key| key.account = "444455556666".into()), &object(json!({})), "KeyProvider");
    is_left(&holder(|key| key.region = "us-east-1".into()), &object(json!({})), "KeyProvider");
    // By its object.
    for (over, says) in [
        (json!({ "metadata": { "uid": "u9" } }), "choose another alias"),
        (json!({ "metadata": { "namespace": "bank" } }), "choose another alias"),
        (json!({ "spec": { "providerRef": { "name": "other" } } }), "another KeyProvider"),
        (json!({ "spec": { "aliases": ["live"] } }), "ManagedKey blue declares it"),
        (json!({ "spec": { "managementPolicy": "Observe" } }), "only observes its key"),
        (json!({ "spec": { "deletionScheduleDays": 3 } }), "choose another alias"),
        (json!({ "metadata": { "annotations": { "keyward.dev/paused": "true" } } }), "is paused"),
        (json!({ "metadata": { "deletionTimestamp": "2026-11-22T12:00:00Z" } }), "is being deleted"),
        (json!({ "status": { "applied": { "aliases": [] } } }), "ManagedKey blue did not put it there"),
        (json!({ "status": null }), "ManagedKey blue did not put it there"),
    ] {
        is_left(&holder(|_| {}), &object(over), says);
    }
    // Its own key is no other.
    let own = Owner { uid: "u1".into(), ..blue() };
    let marked = holder(|key| key.tags = Some(own.marks(word(Word::Live), OwnerMark::Name)));
    is_left(&marked, &object(json!({ "metadata": { "uid": "u1" } })), "choose another alias");
}

#[test]
fn an_object_has_a_stake_in_an_alias_that_it_declares_or_applied() {
    assert_eq!(stake(&object(json!({})), "alias/live"), (false, true));
    assert_eq!(stake(&object(json!({})), "alias/next"), (true, false));
    assert_eq!(stake(&object(json!({ "spec": { "managementPolicy": "Observe" } })), "alias/next"), (false, false), "it takes none");
}
