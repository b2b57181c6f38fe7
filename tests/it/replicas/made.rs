//! A replica is made in one request with its marks, and kept as declared by itself.

use keyward::api::{managed_key::KeyState, replica_of::MultiRegionRole};
use serde_json::{Value, json};

use super::{ABROAD, abroad, made, primary, replica, scene};
use crate::support::{
    scene::{describe, find, message},
    vendor::{AWS, CIPHER_TRUST, HUAWEI, Vendor},
};

#[tokio::test]
async fn a_replica_is_made_with_its_marks_and_kept_by_itself() {
    is_made_and_kept(&AWS, "ReplicateKey").await;
}

#[tokio::test]
async fn a_replica_is_made_behind_ciphertrust_and_kept_by_itself() {
    is_made_and_kept(&CIPHER_TRUST, "replicate-key").await;
}

async fn is_made_and_kept(vendor: &'static Vendor, operation: &str) {
    let scene = scene(vendor, "replica").await;
    primary(&scene).await;
    let of = scene.key("orders").await;
    let wanted = json!({ "description": "there", "tags": { "team": "shop" }, "aliases": ["there"] });
    let object = made(&scene, "there", wanted).await;
    let key = scene.key("there").await;
    assert_eq!((&*key.key_id, &*key.arn), (&*of.key_id, &*of.arn.replace("eu-west-1", ABROAD)));
    assert_eq!((&*key.description, &*key.tags["team"]), ("there", "shop"));
    assert_eq!(key.tags["keyward-uid"], object.metadata.uid.clone().unwrap(), "{key:?}");
    assert!(key.aliases.contains(&"alias/there".to_owned()) && key.aliases.contains(&scene.claim("there")), "{key:?}");

    // One request made it, with all its marks.
    let calls = scene.calls(operation);
    assert_eq!(calls.len(), 1, "{calls:?}");
    let sent = calls[0].params.to_string();
    for mark in ["keyward-cluster", "keyward-owner", "keyward-uid", "keyward-intent"] {
        assert!(sent.contains(mark), "{mark}: {sent}");
    }
    let facts = object.status.as_ref().unwrap().multi_region.clone().unwrap();
    assert_eq!((facts.role, facts.primary_key_arn), (MultiRegionRole::Replica, Some(of.arn.clone())), "{}", describe(&object));
    assert!(scene.until_event("there", "KeyCreated").await.contains("a replica of ManagedKey orders"));
    scene.double.ciphertrust_sync();
    let facts = scene.look("orders").await.status.unwrap().multi_region.unwrap();
    assert_eq!((facts.role, facts.replica_key_arns), (MultiRegionRole::Primary, vec![key.arn.clone()]));

    // Each has a life of its own.
    scene.spec("there", json!({ "enabled": false, "tags": { "team": "bank" } })).await;
    scene.until_ready("there", "True", "Disabled").await;
    assert_eq!(scene.key("orders").await.state, kms_double::KeyState::Enabled);
    assert_eq!(scene.key("there").await.tags["team"], "bank");
    assert!(!scene.key("orders").await.tags.contains_key("team"));
    // Drift is corrected on the replica as on any key.
    scene.double.set_state(&key.arn, kms_double::KeyState::Enabled).unwrap();
    scene.double.ciphertrust_sync();
    scene.look("there").await;
    scene.until_ready("there", "True", "Disabled").await;
    assert_eq!(scene.key("there").await.state, kms_double::KeyState::Disabled);
    scene.look_at_all("there").await;
    assert_eq!(scene.calls(operation).len(), 1, "nothing is replicated again");
}

#[tokio::test]
async fn a_replica_has_the_rotation_of_its_primary_and_says_so() {
    let scene = scene(&AWS, "rotation").await;
    primary(&scene).await;
    scene.create("there", replica(&scene, json!({ "autoRotation": true }))).await;
    let refused = scene.until_ready("there", "False", "InvalidSpec").await;
    assert!(message(&refused).contains("which has the rotation of its primary"), "{}", message(&refused));
    assert!(scene.calls("ReplicateKey").is_empty());
    scene.spec("there", json!({ "autoRotation": null })).await;
    super::settled(&scene, "there").await;
    scene.spec("orders", json!({ "autoRotation": true, "rotationPeriodDays": 100 })).await;
    scene.until_ready("orders", "True", "Available").await;
    let object = scene.look_at_all("there").await;
    assert_eq!(object.status.unwrap().rotation.unwrap().period_days, Some(100), "it is shown on the replica too");
}

#[tokio::test]
async fn a_replica_begins_with_the_policy_of_its_primary() {
    let scene = super::scene(&AWS, "policy").await;
    primary(&scene).await;
    let narrow = json!({ "Version": "2012-10-17", "Statement": [{
        "Sid": "Narrow", "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::111122223333:root" }, "Action": "kms:*", "Resource": "*",
    }] });
    let of = scene.key("orders").await;
    scene.person().put_key_policy().key_id(&of.arn).policy_name("default").policy(narrow.to_string()).send().await.unwrap();
    made(&scene, "there", json!({})).await;
    assert_eq!(serde_json::from_str::<Value>(&scene.key("there").await.policy).unwrap(), narrow);

    // A policy that it declares is its own, and the primary key keeps the other.
    super::provide_abroad(&scene, json!({ "allow": { "policies": { "from": "Any" } } })).await;
    let own = narrow.to_string().replace("Narrow", "Own");
    scene.spec("there", json!({ "policy": own })).await;
    scene.until_event("there", "PolicyChanged").await;
    assert_eq!(scene.key("there").await.policy, own);
    assert_eq!(serde_json::from_str::<Value>(&scene.key("orders").await.policy).unwrap(), narrow);
}

#[tokio::test]
async fn a_replica_waits_for_its_primary() {
    let scene = scene(&AWS, "waits").await;
    scene.create("there", replica(&scene, json!({}))).await;
    let waits = scene.until_ready("there", "False", "KeyNotReady").await;
    assert!(message(&waits).contains("ManagedKey orders does not exist in this namespace"), "{}", message(&waits));
    assert!(find(&waits, keyward::api::ConditionType::Stalled).is_none(), "{}", describe(&waits));
    scene.create("orders", json!({ "key": { "multiRegion": true }, "enabled": false })).await;
    scene.until_ready("orders", "True", "Disabled").await;
    scene.look("there").await;
    let waits = scene.until("there", "waits for the key", |object| message(object).contains("is Disabled")).await;
    assert_eq!(waits.status.unwrap().key_state, None);
    scene.spec("orders", json!({ "enabled": true })).await;
    scene.until_ready("orders", "True", "Available").await;
    super::settled(&scene, "there").await;
}

#[tokio::test]
async fn a_replica_of_a_named_key_goes_through_the_provider_that_is_named() {
    let scene = scene(&AWS, "by-arn").await;
    primary(&scene).await;
    let of = scene.key("orders").await;
    let by_arn = |provider: &str| json!({ "replicaOf": { "name": null, "keyArn": of.arn, "providerRef": { "name": provider } } });
    scene.create("wrong", replica(&scene, by_arn(&abroad(&scene)))).await;
    let wrong = scene.until_ready("wrong", "False", "InvalidSpec").await;
    assert!(message(&wrong).contains("name the provider of that key's Region"), "{}", message(&wrong));
    let object = made(&scene, "there", by_arn(&scene.provider)).await;
    assert_eq!(object.status.unwrap().key_state, Some(KeyState::Enabled));
}

#[tokio::test]
async fn an_object_that_is_made_again_takes_its_replica_up() {
    let scene = scene(&AWS, "again").await;
    primary(&scene).await;
    made(&scene, "there", json!({})).await;
    scene.delete("there").await;
    scene.until_gone("there").await;
    let key = scene.double.keys().into_iter().find(|key| key.arn.contains(ABROAD)).unwrap();
    scene.person_in(ABROAD).delete_alias().alias_name(scene.claim("there")).send().await.unwrap();
    let object = made(&scene, "there", json!({})).await;
    let now = scene.key("there").await;
    assert_eq!((&now.arn, &now.tags["keyward-uid"]), (&key.arn, object.metadata.uid.as_ref().unwrap()));
    assert_eq!(scene.calls("ReplicateKey").len(), 1);
    // A key of another set is no replica of this one, whatever its marks say.
    scene.create("plain", json!({ "providerRef": { "name": abroad(&scene) } })).await;
    scene.until_ready("plain", "True", "Available").await;
    scene.delete("plain").await;
    scene.until_gone("plain").await;
    scene.create("plain", replica(&scene, json!({}))).await;
    let refused = scene.until_ready("plain", "False", "AdoptionMismatch").await;
    assert!(message(&refused).contains("is no replica of key"), "{}", message(&refused));
}

#[tokio::test]
async fn huawei_has_no_replicas() {
    let scene = crate::support::scene::Scene::alone(&HUAWEI, "none", kms_double::Options::default(), json!({})).await;
    scene.create("there", json!({ "replicaOf": { "name": "orders" } })).await;
    let stalled = scene.until_ready("there", "False", "InvalidSpec").await;
    assert!(message(&stalled).contains("no multi-Region keys that Keyward can replicate"), "{}", message(&stalled));
    scene.create("orders", json!({ "primary": true })).await;
    let object = scene.until_ready("orders", "False", "NotAPrimary").await;
    assert!(message(&object).contains("is no multi-Region key"), "{}", message(&object));
}
