//! `enabled`: a key that is not to be used, from its first moment or for a while.

use keyward::api::ConditionType;
use kms_double::KeyState as Actual;
use serde_json::json;

use crate::support::scene::{Scene, find};

#[tokio::test]
async fn a_key_declared_disabled_is_set_up_first_and_disabled_last() {
    let scene = Scene::new("disabled").await;
    scene.create("orders", json!({ "enabled": false, "autoRotation": true, "rotationPeriodDays": 90, "description": "spare" })).await;
    let object = scene.until_ready("orders", "True", "Disabled").await;
    let key = scene.key("orders").await;
    assert_eq!(key.state, Actual::Disabled);
    assert_eq!((key.rotation.enabled, key.rotation.period_days), (true, Some(90)));
    assert_eq!(key.description, "spare");
    assert_eq!(scene.changes(0), ["CreateKey", "CreateAlias", "EnableKeyRotation", "DisableKey"]);
    assert_eq!(find(&object, ConditionType::Synced).unwrap().status, "True");
    assert!(find(&object, ConditionType::Stalled).is_none());
}

#[tokio::test]
async fn a_key_is_disabled_and_enabled_as_declared() {
    let scene = Scene::new("toggle").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.spec("orders", json!({ "enabled": false })).await;
    scene.until_ready("orders", "True", "Disabled").await;
    assert_eq!(scene.key("orders").await.state, Actual::Disabled);
    scene.until_event("orders", "KeyDisabled").await;
    scene.spec("orders", json!({ "enabled": null })).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.key("orders").await.state, Actual::Enabled);
    scene.until_event("orders", "KeyEnabled").await;
    assert_eq!((scene.calls("DisableKey").len(), scene.calls("EnableKey").len()), (1, 1));
}

#[tokio::test]
async fn rotation_of_a_disabled_key_waits_and_the_key_stays_disabled() {
    let scene = Scene::new("waits").await;
    scene.create("orders", json!({ "enabled": false })).await;
    scene.until_ready("orders", "True", "Disabled").await;
    let before = scene.now();
    scene.spec("orders", json!({ "autoRotation": true, "rotationPeriodDays": 200, "tags": { "team": "shop" } })).await;
    let object = scene.until_ready("orders", "True", "Disabled").await;
    let synced = find(&object, ConditionType::Synced).unwrap();
    assert_eq!((synced.status.as_str(), synced.reason.as_str()), ("False", "Disabled"));
    assert!(synced.message.contains("rotate the key every 200 days") && synced.message.contains("enabled"), "{}", synced.message);
    // What a disabled key allows is done: the word of the new generation, and the tag.
    assert_eq!(scene.changes(before), ["TagResource", "TagResource"]);
    // It stays said, whichever part of the key is read.
    for _ in 0..3 {
        assert_eq!(find(&scene.look("orders").await, ConditionType::Synced).unwrap().status, "False");
    }

    scene.spec("orders", json!({ "enabled": true })).await;
    let object = scene.until_ready("orders", "True", "Available").await;
    assert_eq!(find(&object, ConditionType::Synced).unwrap().status, "True");
    let key = scene.key("orders").await;
    assert_eq!((key.state, key.rotation.period_days), (Actual::Enabled, Some(200)));
}
