//! Tags, description, aliases, rotation.

use jiff::{SignedDuration, Timestamp};
use keyward::{
    domain::{
        failure::{FailureKind, Outcome},
        observed::{Facets, KeyPolicy, Rotation},
        ownership::Tags,
    },
    kms::Kms,
};

use serde_json::{Value, json};

use super::bench::{Bench, tags};
use crate::support::fixtures::{Destroy as _, ReadKey as _};

/// A key without tags.
async fn bare(bench: &Bench) -> String {
    let mut creation = bench.creation("orders");
    creation.tags = Tags::new();
    bench.kms.create(&creation).await.unwrap().arn
}

pub async fn tags_are_set_and_replaced(bench: Bench) {
    let key = bare(&bench).await;
    bench.kms.tag(&key, &tags(&[("team", "shop"), ("tier", "1")])).await.unwrap();
    bench.kms.tag(&key, &tags(&[("tier", "2")])).await.unwrap();
    assert_eq!(bench.kms.tags(&key).await.unwrap(), tags(&[("team", "shop"), ("tier", "2")]));
}

pub async fn tags_are_removed_and_removed_again(bench: Bench) {
    let key = bare(&bench).await;
    bench.kms.tag(&key, &tags(&[("team", "shop"), ("tier", "1")])).await.unwrap();
    for _ in 0..2 {
        bench.kms.untag(&key, &["team".into()]).await.unwrap();
        assert_eq!(bench.kms.tags(&key).await.unwrap(), tags(&[("tier", "1")]));
    }
}

pub async fn all_tags_are_read(bench: Bench) {
    let key = bare(&bench).await;
    let all: Tags = (0..bench.ways.limits().tags.count).map(|number| (format!("tag-{number}"), number.to_string())).collect();
    bench.kms.tag(&key, &all).await.unwrap();
    assert_eq!(bench.kms.tags(&key).await.unwrap(), all);
}

pub async fn the_description_is_set_and_replaced_and_cleared(bench: Bench) {
    let key = bench.key("orders").await.arn;
    for description in ["signing of orders", "signing of all orders", ""] {
        bench.kms.set_description(&key, description).await.unwrap();
        bench.assert_told(bench.found(&key).await.description.as_deref(), description);
        assert_eq!(bench.double.key(&key).unwrap().description, description);
    }
}

/// A policy that lets the account, and that principal, do everything.
pub(super) fn policy(bench: &Bench, principal: &str) -> String {
    let allow = |principal: &str| json!({ "Effect": "Allow", "Principal": { "AWS": principal }, "Action": "kms:*", "Resource": "*" });
    let root = format!("arn:aws:iam::{}:root", bench.account());
    json!({ "Version": "2012-10-17", "Statement": [allow(&root), allow(principal)] }).to_string()
}

/// A KMS without key policies sends nothing, and says so.
async fn without_policies(bench: &Bench, key: &str) -> bool {
    if bench.ways.limits().key_policies {
        return false;
    }
    let before = bench.changes();
    let refused = bench.kms.set_policy(key, &policy(bench, "*")).await.unwrap_err();
    assert_eq!((refused.kind, refused.outcome), (FailureKind::Invalid, Outcome::Refused), "{refused}");
    assert!(refused.message.contains("has no key policies"), "{refused}");
    bench.assert_steady(&refused);
    let described = bench.found(key).await;
    let calls = bench.double.ledger().len();
    let read = bench.kms.complete(described, Facets::POLICY).await.whole().unwrap();
    assert_eq!((read.policy, bench.double.ledger().len()), (Some(KeyPolicy::Untold), calls), "there is nothing to ask for");
    assert_eq!(bench.changes(), before, "nothing is sent");
    true
}

pub async fn a_policy_is_set_and_set_again(bench: Bench) {
    let key = bench.key("orders").await.arn;
    if without_policies(&bench, &key).await {
        return;
    }
    let first = policy(&bench, "*");
    let second = policy(&bench, bench.account());
    for wanted in [&first, &first, &second] {
        bench.kms.set_policy(&key, wanted).await.unwrap();
        let read = bench.kms.read(&key, Facets::POLICY).await.unwrap().unwrap().whole().unwrap();
        let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        match read.policy {
            Some(KeyPolicy::Text(found)) => assert_eq!(value(&found), value(wanted)),
            other => assert!(bench.sparse && other == Some(KeyPolicy::Untold), "{other:?}"),
        }
        assert_eq!(value(&bench.double.key(&key).unwrap().policy), value(wanted));
    }
}

pub async fn a_policy_of_a_deleted_principal_is_refused_as_such(bench: Bench) {
    let key = bench.key("orders").await.arn;
    if without_policies(&bench, &key).await {
        return;
    }
    let before = bench.double.key(&key).unwrap().policy;
    let refused = bench.kms.set_policy(&key, &policy(&bench, "AROAEXAMPLEIDEXAMPLEX")).await.unwrap_err();
    assert_eq!((refused.kind, refused.outcome), (FailureKind::Policy, Outcome::Refused), "{refused}");
    bench.assert_steady(&refused);
    assert_eq!(bench.double.key(&key).unwrap().policy, before);
}

/// The aliases of a key that it did not get at its creation.
async fn given(bench: &Bench, key: &str) -> Vec<String> {
    let mut aliases = bench.kms.aliases(key).await.unwrap();
    aliases.retain(|alias| !alias.starts_with("alias/keyward/"));
    aliases.sort_unstable();
    aliases
}

pub async fn an_alias_is_given_and_given_again(bench: Bench) {
    let (key, other) = (bench.key("orders").await.arn, bench.key("invoices").await.arn);
    for _ in 0..2 {
        bench.kms.add_alias(&key, "alias/a").await.unwrap();
    }
    bench.kms.add_alias(&key, "alias/b").await.unwrap();
    assert_eq!(given(&bench, &key).await, ["alias/a", "alias/b"]);
    assert_eq!(given(&bench, &other).await, [""; 0]);
}

pub async fn an_alias_is_taken_away_and_away_again(bench: Bench) {
    let key = bench.key("orders").await.arn;
    for alias in ["alias/a", "alias/b"] {
        bench.kms.add_alias(&key, alias).await.unwrap();
    }
    for _ in 0..2 {
        bench.kms.remove_alias(&key, "alias/a").await.unwrap();
        assert_eq!(given(&bench, &key).await, ["alias/b"]);
    }
    assert_eq!(bench.kms.describe("alias/a").await.unwrap(), None);
}

/// Somebody else moved the alias. Keyward's last read, or the KMS's copy, may still show the old place.
pub async fn an_alias_that_moved_is_left_where_it_is(bench: Bench) {
    let (key, other) = (bench.key("orders").await.arn, bench.key("invoices").await.arn);
    for alias in ["alias/a", "alias/b"] {
        bench.kms.add_alias(&key, alias).await.unwrap();
    }
    bench.double.point_alias("alias/a", &other).unwrap();
    let before = bench.changes();
    for _ in 0..2 {
        bench.kms.remove_alias(&key, "alias/a").await.unwrap();
    }
    assert_eq!(bench.changes(), before, "nothing is sent");
    let aliases = |key: &str| bench.double.key(key).unwrap().aliases;
    assert!(aliases(&other).contains(&"alias/a".to_owned()), "{:?}", aliases(&other));
    assert!(aliases(&key).contains(&"alias/b".to_owned()), "{:?}", aliases(&key));
}

pub async fn an_alias_of_another_key_is_refused_and_stays(bench: Bench) {
    let (key, other) = (bench.key("orders").await, bench.key("invoices").await);
    bench.kms.add_alias(&key.arn, "alias/a").await.unwrap();
    let taken = bench.kms.add_alias(&other.arn, "alias/a").await.unwrap_err();
    assert_eq!((taken.kind, taken.outcome), (FailureKind::AliasTaken, Outcome::Refused), "{taken}");
    assert!(taken.message.contains("alias/a") && taken.message.contains(&key.arn), "{taken}");
    bench.assert_steady(&taken);
    assert_eq!(bench.found("alias/a").await.id, key.id);
}

pub async fn an_alias_is_moved_from_the_key_that_is_named_or_not_at_all(bench: Bench) {
    let (blue, green, other) = (bench.key("blue").await.arn, bench.key("green").await.arn, bench.key("other").await.arn);
    for alias in ["alias/live", "alias/next"] {
        bench.kms.add_alias(&blue, alias).await.unwrap();
    }
    let before = bench.changes().len();
    let Some(moves) = bench.ways.operations.move_alias else {
        assert!(!bench.ways.limits().moves_aliases);
        let refused = bench.kms.move_alias(&green, "alias/live", &blue).await.unwrap_err();
        assert_eq!((refused.kind, refused.outcome), (FailureKind::AliasTaken, Outcome::Refused), "{refused}");
        assert_eq!(bench.changes().len(), before, "nothing is sent");
        return;
    };
    assert!(bench.ways.limits().moves_aliases);
    for _ in 0..2 {
        bench.kms.move_alias(&green, "alias/live", &blue).await.unwrap();
        assert_eq!(
            (given(&bench, &blue).await, given(&bench, &green).await),
            (vec!["alias/next".to_owned()], vec!["alias/live".to_owned()])
        );
    }
    assert_eq!(bench.changes()[before..], [moves], "one request, and none where it is there already");
    // It is not where the caller believes.
    bench.double.point_alias("alias/next", &other).unwrap();
    let taken = bench.kms.move_alias(&green, "alias/next", &blue).await.unwrap_err();
    assert_eq!((taken.kind, taken.outcome), (FailureKind::AliasTaken, Outcome::Refused), "{taken}");
    assert!(taken.message.contains("alias/next") && taken.message.contains(&other), "{taken}");
    bench.assert_steady(&taken);
    // It is nowhere.
    let gone = bench.kms.move_alias(&green, "alias/none", &blue).await.unwrap_err();
    assert_eq!((gone.kind, gone.outcome), (FailureKind::Conflict, Outcome::Refused), "{gone}");
    // A pending key gives one away and takes none.
    bench.kms.schedule(&green, 7).await.unwrap();
    bench.kms.move_alias(&blue, "alias/live", &green).await.unwrap();
    let refused = bench.kms.move_alias(&green, "alias/live", &blue).await.unwrap_err();
    assert_eq!((refused.kind, refused.outcome), (FailureKind::Conflict, Outcome::Refused), "{refused}");
    assert_eq!(bench.changes().iter().filter(|change| *change == moves).count(), 2);
}

pub async fn an_alias_finds_its_key_alone(bench: Bench) {
    let (key, other) = (bench.key("orders").await, bench.key("invoices").await);
    bench.kms.add_alias(&key.arn, "alias/shop").await.unwrap();
    bench.kms.add_alias(&other.arn, "alias/shop-2").await.unwrap();
    assert_eq!(bench.found("alias/shop").await.id, key.id, "not by a part of another's");
    assert_eq!(bench.found("alias/shop-2").await.id, other.id);
    assert_eq!(bench.kms.describe("alias/sho").await.unwrap(), None);
}

pub async fn a_new_key_is_not_rotated(bench: Bench) {
    let key = bench.key("orders").await.arn;
    assert!(!bench.kms.rotation(&key).await.unwrap().enabled);
}

async fn rotated(bench: &Bench, key: &str, days: i32) -> Rotation {
    bench.kms.start_rotation(key, days).await.unwrap();
    let rotation = bench.kms.rotation(key).await.unwrap();
    assert!(rotation.enabled);
    bench.assert_told(rotation.period_days, days);
    assert_eq!(bench.double.key(key).unwrap().rotation.period_days.map(u32::cast_signed), Some(days));
    rotation
}

pub async fn rotation_has_the_shortest_period(bench: Bench) {
    let key = bench.key("orders").await.arn;
    rotated(&bench, &key, bench.ways.limits().rotation.0).await;
}

pub async fn rotation_has_the_longest_period(bench: Bench) {
    let key = bench.key("orders").await.arn;
    rotated(&bench, &key, bench.ways.limits().rotation.1).await;
}

pub async fn the_period_of_rotation_changes(bench: Bench) {
    let key = bench.key("orders").await.arn;
    for days in [365, 100, bench.ways.limits().default_rotation] {
        rotated(&bench, &key, days).await;
    }
}

pub async fn rotation_with_the_same_period_is_as_it_was(bench: Bench) {
    let key = bench.key("orders").await.arn;
    let first = rotated(&bench, &key, 100).await;
    let second = rotated(&bench, &key, 100).await;
    assert_eq!((first.enabled, first.period_days), (second.enabled, second.period_days));
}

pub async fn rotation_is_switched_off_and_off_again(bench: Bench) {
    let key = bench.key("orders").await.arn;
    rotated(&bench, &key, 100).await;
    for _ in 0..2 {
        bench.kms.stop_rotation(&key).await.unwrap();
        assert!(!bench.kms.rotation(&key).await.unwrap().enabled);
    }
}

/// The newest rotation that the KMS tells, in whichever way.
async fn last_rotation(bench: &Bench, key: &str) -> Option<Timestamp> {
    let listed = bench.kms.rotations(key).await.unwrap().0.iter().map(|rotated| rotated.date).max();
    if let Some(along) = bench.kms.rotation(key).await.unwrap().last {
        assert_eq!(Some(along), listed, "told along with the rest");
    }
    listed
}

pub async fn rotations_are_told_with_their_dates(bench: Bench) {
    let key = bench.key("orders").await;
    rotated(&bench, &key.arn, 100).await;
    assert_eq!(last_rotation(&bench, &key.arn).await, None);
    for _ in 0..2 {
        bench.double.advance(SignedDuration::from_hours(100 * 24)).unwrap();
        let held = bench.double.key(&key.arn).unwrap().rotation.rotated;
        let date = Timestamp::from_second(held.last().unwrap().date.as_second()).unwrap();
        assert_eq!(last_rotation(&bench, &key.arn).await, Some(date));
    }
    bench.kms.stop_rotation(&key.arn).await.unwrap();
    assert!(last_rotation(&bench, &key.arn).await.is_some(), "what was stays");
}

pub async fn what_moves_the_next_date_alone_is_no_rotation(bench: Bench) {
    let key = bench.key("orders").await.arn;
    rotated(&bench, &key, 100).await;
    bench.kms.stop_rotation(&key).await.unwrap();
    bench.double.advance(SignedDuration::from_hours(101 * 24)).unwrap();
    rotated(&bench, &key, 100).await;
    rotated(&bench, &key, 300).await;
    assert_eq!(last_rotation(&bench, &key).await, None);
}

/// How often the key was rotated on demand, as the KMS tells it.
async fn on_demand(bench: &Bench, key: &str) -> usize {
    bench.kms.rotations(key).await.unwrap().on_demand().count()
}

pub async fn a_key_is_rotated_now(bench: Bench) {
    let key = bench.key("orders").await.arn;
    let Rotation { next, period_days, .. } = rotated(&bench, &key, 100).await;
    let before = bench.changes().len();
    bench.kms.rotate_on_demand(&key).await.unwrap();
    assert_eq!(bench.changes()[before..], [bench.ways.operations.rotate_now], "one request");
    bench.double.advance(SignedDuration::from_mins(1)).unwrap();
    let held = bench.double.key(&key).unwrap().rotation.rotated;
    let date = Timestamp::from_second(held.last().unwrap().date.as_second()).unwrap();
    assert_eq!((held.len(), last_rotation(&bench, &key).await, on_demand(&bench, &key).await), (1, Some(date), 1));
    let rotation = bench.kms.rotation(&key).await.unwrap();
    assert_eq!((rotation.next, rotation.period_days, rotation.rotating_since), (next, period_days, None), "the schedule stays");
    // A KMS that says why it rotated a key says so of the others too.
    bench.double.advance(SignedDuration::from_hours(101 * 24)).unwrap();
    let listed = bench.kms.rotations(&key).await.unwrap().0;
    if listed.iter().any(|rotated| rotated.kind.is_some()) {
        assert_eq!((listed.len(), on_demand(&bench, &key).await), (2, 1), "{listed:?}");
    }
}

pub async fn a_disabled_key_is_not_rotated_now(bench: Bench) {
    let key = bench.key("orders").await.arn;
    bench.kms.disable(&key).await.unwrap();
    let refused = bench.kms.rotate_on_demand(&key).await.unwrap_err();
    assert_eq!((refused.kind, refused.outcome), (FailureKind::Conflict, Outcome::Refused), "{refused}");
    bench.assert_steady(&refused);
    assert!(bench.double.key(&key).unwrap().rotation.rotated.is_empty());
}

pub async fn a_period_outside_is_refused(bench: Bench) {
    let key = bench.key("orders").await.arn;
    let (shortest, longest) = bench.ways.limits().rotation;
    for days in [shortest - 1, longest + 1] {
        let refused = bench.kms.start_rotation(&key, days).await.unwrap_err();
        assert_eq!((refused.kind, refused.outcome), (FailureKind::Invalid, Outcome::Refused), "{days}: {refused}");
        let rotation = bench.kms.rotation(&key).await.unwrap();
        assert!(rotation.period_days != Some(days), "{rotation:?}");
    }
}
