//! A new object of the same name, in this cluster or in one that was rebuilt under the same id, finds the key of the old one. It never makes another.
//!
//! Shows S9.

use keyward::api::ConditionType;
use kms_double::{KeyState as Actual, Options};
use serde_json::json;

use crate::support::scene::{Scene, find, message};

/// A scene in which `orders` has a key and is gone again.
async fn left_behind(name: &str) -> (Scene, String) {
    let scene = Scene::new(name).await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;
    (scene, key)
}

async fn delete(scene: &Scene) {
    scene.delete("orders").await;
    scene.until_gone("orders").await;
}

#[tokio::test]
async fn a_new_object_takes_the_key_of_the_old_one_up() {
    let (scene, key) = left_behind("takeup").await;
    let before = scene.now();
    delete(&scene).await;
    assert_eq!(scene.changes(before), [""; 0], "the key is retained");
    let object = scene.create("orders", json!({ "tags": { "team": "shop" } })).await;
    scene.until_ready("orders", "True", "Available").await;
    let view = scene.key("orders").await;
    assert_eq!(view.arn, key);
    assert_eq!(view.tags["keyward-uid"], object.metadata.uid.unwrap());
    assert_eq!(view.tags["team"], "shop");
    assert_eq!(scene.calls("CreateKey").len(), 1);
    scene.until_event("orders", "KeyTakenUp").await;
}

#[tokio::test]
async fn a_key_whose_claim_alias_is_gone_is_found_by_its_marks() {
    // The alias is how a key is found at once; its marks are how it is found at all before another would be created.
    let (scene, key) = left_behind("takeup-marks").await;
    delete(&scene).await;
    scene.person().delete_alias().alias_name(scene.claim("orders")).send().await.unwrap();
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    let found = scene.key("orders").await;
    assert_eq!((&found.arn, found.aliases.contains(&scene.claim("orders"))), (&key, true));
    assert_eq!(scene.calls("CreateKey").len(), 1);
}

#[tokio::test]
async fn a_rebuilt_cluster_rests_on_a_pending_key_without_touching_it() {
    let (scene, key) = left_behind("rebuilt").await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    let old = scene.double.key(&key).unwrap();
    delete(&scene).await;
    let before = scene.now();
    let object = scene.create("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    let rested = scene.look_at_all("orders").await;
    assert_eq!(scene.changes(before), [""; 0]);
    let status = rested.status.clone().unwrap();
    assert_eq!(status.key_id, None, "it rests on the key without being bound to it");
    assert_eq!(status.deletion_date.map(|date| date.0.as_second()), old.deletion_date.map(jiff::Timestamp::as_second));
    assert!(find(&rested, ConditionType::PendingDeletion).is_some());

    // Wanted alive, the key is cancelled first, because a pending one takes no marks, and bound then.
    scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
    scene.until_ready("orders", "True", "Available").await;
    let view = scene.key("orders").await;
    assert_eq!((view.arn.as_str(), view.state), (key.as_str(), Actual::Enabled));
    assert_eq!(view.tags["keyward-uid"], object.metadata.uid.unwrap());
    assert_eq!(scene.changes(before)[..2], ["CancelKeyDeletion", "TagResource"]);
    assert_eq!(scene.calls("CreateKey").len(), 1);
}

#[tokio::test]
async fn a_rebuilt_cluster_cancels_the_deletion_of_a_key_that_is_to_live() {
    let (scene, key) = left_behind("rebuilt-live").await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    delete(&scene).await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    let view = scene.key("orders").await;
    assert_eq!((view.arn.as_str(), view.state), (key.as_str(), Actual::Enabled));
}

#[tokio::test]
async fn a_key_under_the_claim_alias_that_bears_no_marks_is_not_taken() {
    let scene = Scene::new("unclear").await;
    let key = scene.foreign_key().await;
    scene.person().create_alias().alias_name(scene.claim("orders")).target_key_id(&key).send().await.unwrap();
    scene.create("orders", json!({})).await;
    let object = scene.until_ready("orders", "False", "ClaimUnclear").await;
    assert!(find(&object, ConditionType::Stalled).is_some());
    assert!(message(&object).contains(&key), "{}", message(&object));
    scene.look_at_all("orders").await;
    assert_eq!(scene.changes(0), [""; 0]);
    // Without the alias there is nothing in the way.
    scene.person().delete_alias().alias_name(scene.claim("orders")).send().await.unwrap();
    scene.look("orders").await;
    scene.until_ready("orders", "True", "Available").await;
    assert_ne!(scene.key("orders").await.arn, key);
}

#[tokio::test]
async fn an_object_that_was_bound_never_writes_its_uid_over_another() {
    let (scene, key) = left_behind("other-uid").await;
    scene.tag(&key, &[("keyward-uid", "00000000-0000-4000-8000-000000000000")]).await;
    let before = scene.now();
    scene.spec("orders", json!({ "enabled": false })).await;
    scene.until_ready("orders", "False", "OwnedByAnother").await;
    scene.look_at_all("orders").await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "False", "OwnedByAnother").await;
    assert_eq!(scene.changes(before), [""; 0]);

    // The one case in which that is dangerous is said as an alarm, with the way out.
    scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
    scene.person().schedule_key_deletion().key_id(&key).pending_window_in_days(7).send().await.unwrap();
    scene.look_at_all("orders").await;
    let object = scene.until_ready("orders", "False", "OwnedByAnother").await;
    assert!(message(&object).contains("delete this object and make it again with enabled: true"), "{}", message(&object));
    delete(&scene).await;
    scene.create("orders", json!({ "enabled": true })).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.key("orders").await.arn, key);
}

#[tokio::test]
async fn the_alarm_over_a_forged_owner_names_a_way_out_that_works() {
    let (scene, key) = left_behind("forged-owner").await;
    scene.tag(&key, &[("keyward-owner", "bank.pay")]).await;
    scene.person().schedule_key_deletion().key_id(&key).pending_window_in_days(7).send().await.unwrap();
    scene.look_at_all("orders").await;
    let object = scene.until_ready("orders", "False", "OwnedByAnother").await;
    let right = format!("{}.orders", scene.namespace);
    for part in [
        "its tag keyward-owner is bank.pay",
        "the key is PENDING DELETION, but this object declares it alive",
        &format!("cancel the deletion with CancelKeyDeletion, then set keyward-owner={right} with TagResource"),
    ] {
        assert!(message(&object).contains(part), "{part}: {}", message(&object));
    }
    scene.person().cancel_key_deletion().key_id(&key).send().await.unwrap();
    scene.tag(&key, &[("keyward-owner", &right)]).await;
    scene.look("orders").await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.key("orders").await.state, kms_double::KeyState::Enabled);
}

/// Shows S3.
#[tokio::test]
async fn the_oldest_of_the_objects_that_name_one_key_has_it_in_any_spelling() {
    let rules = json!({ "adoption": { "from": "Rules", "rules": [{ "namespaces": ["*"], "keys": ["*"] }] } });
    let scene = Scene::with("rivals", Options::default(), rules.clone()).await;
    let arn = scene.foreign_key().await;
    let id = arn.rsplit('/').next().unwrap().to_owned();
    scene.person().create_alias().alias_name("alias/one").target_key_id(&arn).send().await.unwrap();
    // All of them are there before the provider is, so that they start at once.
    let late = format!("{}-late", scene.provider);
    let mut ages = Vec::new();
    for (name, key) in [("by-alias", "alias/one"), ("by-arn", &arn), ("by-id", &id)] {
        let object = scene.create(name, json!({ "keyId": key, "providerRef": { "name": late } })).await;
        ages.push((object.metadata.creation_timestamp.unwrap().0, object.metadata.uid.unwrap(), name));
    }
    for (_, _, name) in &ages {
        scene.until_ready(name, "False", "ProviderNotFound").await;
    }
    ages.sort();
    scene.provide(&late, rules).await;
    let (_, winner, oldest) = ages.remove(0);
    scene.until_ready(oldest, "True", "Available").await;
    for (_, _, name) in &ages {
        scene.until_ready(name, "False", "OwnedByAnother").await;
        scene.look_at_all(name).await;
        scene.until_ready(name, "False", "OwnedByAnother").await;
    }
    assert_eq!(scene.double.key(&arn).unwrap().tags["keyward-uid"], winner);
    let uids: std::collections::BTreeSet<String> = scene.calls("TagResource").iter().map(|entry| entry.params.to_string()).collect();
    assert!(uids.iter().all(|params| params.contains(&winner)), "{uids:?}");
}
