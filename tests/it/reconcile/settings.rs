//! Rotation, description, tags and aliases: Keyward keeps the declared ones and leaves those of others.

use keyward::api::ConditionType;
use serde_json::json;

use crate::support::scene::{Scene, find, message};

#[tokio::test]
async fn tags_taken_out_of_the_spec_are_removed_if_they_are_ours() {
    let scene = Scene::new("tags").await;
    scene.create("orders", json!({ "tags": { "team": "shop", "cost": "42" } })).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;
    scene.tag(&key, &[("auditor", "ann")]).await;
    scene.spec("orders", json!({ "tags": { "team": "bank", "cost": null } })).await;
    scene.until_ready("orders", "True", "Available").await;
    let tags = scene.key("orders").await.tags;
    assert_eq!((tags.get("team").map(String::as_str), tags.get("cost")), (Some("bank"), None));
    assert_eq!(tags["auditor"], "ann");

    // One that was never declared is not ours to remove, and one that is declared is ours from then on.
    scene.spec("orders", json!({ "tags": { "auditor": "ann" } })).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.spec("orders", json!({ "tags": null })).await;
    scene.until_ready("orders", "True", "Available").await;
    let tags = scene.key("orders").await.tags;
    assert!(tags.keys().all(|key| key.starts_with("keyward-")), "{tags:?}");
}

#[tokio::test]
async fn aliases_taken_out_of_the_spec_are_removed_if_they_are_ours() {
    let scene = Scene::new("aliases").await;
    scene.create("orders", json!({ "aliases": ["one", "two"] })).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;
    scene.person().create_alias().alias_name("alias/theirs").target_key_id(&key).send().await.unwrap();
    scene.spec("orders", json!({ "aliases": ["two", "three"] })).await;
    scene.until_ready("orders", "True", "Available").await;
    let mut aliases = scene.key("orders").await.aliases;
    aliases.sort();
    assert_eq!(aliases, [scene.claim("orders").as_str(), "alias/theirs", "alias/three", "alias/two"]);
}

#[tokio::test]
async fn an_alias_of_another_key_is_never_moved() {
    let scene = Scene::new("alias-taken").await;
    let other = scene.foreign_key().await;
    scene.person().create_alias().alias_name("alias/orders").target_key_id(&other).send().await.unwrap();
    scene.create("orders", json!({ "aliases": ["orders"] })).await;
    let object = scene.until_ready("orders", "False", "AliasTaken").await;
    assert!(find(&object, ConditionType::Stalled).is_some());
    assert!(message(&object).contains(&other), "{}", message(&object));
    assert_eq!(scene.double.key(&other).unwrap().aliases, ["alias/orders"]);
    assert!(scene.calls("UpdateAlias").is_empty() && scene.calls("DeleteAlias").is_empty());

    // Its owner gives it free.
    scene.person().delete_alias().alias_name("alias/orders").send().await.unwrap();
    scene.look("orders").await;
    scene.until_ready("orders", "True", "Available").await;
    assert!(scene.key("orders").await.aliases.contains(&"alias/orders".to_owned()));
}

#[tokio::test]
async fn a_description_is_kept_if_declared_and_left_if_not() {
    let scene = Scene::new("description").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;
    scene.person().update_key_description().key_id(&key).description("theirs").send().await.unwrap();
    scene.look_at_all("orders").await;
    assert_eq!(scene.key("orders").await.description, "theirs");
    scene.spec("orders", json!({ "description": "ours" })).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.key("orders").await.description, "ours");
    scene.person().update_key_description().key_id(&key).description("theirs").send().await.unwrap();
    scene.look("orders").await;
    assert_eq!(scene.key("orders").await.description, "ours");
    assert_eq!(scene.calls("UpdateKeyDescription").len(), 2);
    // It goes with its field, and another's does not.
    scene.spec("orders", json!({ "description": null })).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.key("orders").await.description, "");
    scene.person().update_key_description().key_id(&key).description("theirs").send().await.unwrap();
    scene.look("orders").await;
    assert_eq!(scene.key("orders").await.description, "theirs");
}

#[tokio::test]
async fn the_rotation_period_changes_and_rotation_is_switched_off() {
    let scene = Scene::new("rotation").await;
    scene.create("orders", json!({ "autoRotation": true, "rotationPeriodDays": 90 })).await;
    let object = scene.until_ready("orders", "True", "Available").await;
    assert_eq!(object.status.unwrap().rotation.unwrap().period_days, Some(90));
    scene.spec("orders", json!({ "rotationPeriodDays": 180 })).await;
    let object = scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.key("orders").await.rotation.period_days, Some(180));
    assert_eq!(object.status.unwrap().rotation.unwrap().period_days, Some(180));
    scene.spec("orders", json!({ "autoRotation": false, "rotationPeriodDays": null })).await;
    let object = scene.until_ready("orders", "True", "Available").await;
    assert!(!scene.key("orders").await.rotation.enabled);
    assert_eq!(object.status.unwrap().rotation.unwrap().enabled, Some(false));
    scene.until_event("orders", "RotationDisabled").await;
    assert_eq!((scene.calls("EnableKeyRotation").len(), scene.calls("DisableKeyRotation").len()), (2, 1));
}

#[tokio::test]
async fn rotation_that_is_not_declared_is_left_alone() {
    let scene = Scene::new("rotation-left").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;
    scene.person().enable_key_rotation().key_id(&key).rotation_period_in_days(200).send().await.unwrap();
    let object = scene.look_at_all("orders").await;
    assert_eq!(object.status.unwrap().rotation.unwrap().period_days, Some(200), "it is shown all the same");
    // To be on, without a word about the period: the one in force stays.
    scene.spec("orders", json!({ "autoRotation": true })).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.key("orders").await.rotation.period_days, Some(200));
    assert!(scene.calls("EnableKeyRotation").is_empty() && scene.calls("DisableKeyRotation").is_empty());
}
