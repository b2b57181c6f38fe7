//! What is declared against what is observed.

use keyward::api::{ConditionType, managed_key::KeyState};
use kms_double::{KeyState as Actual, Options};
use serde_json::json;

use crate::support::{
    scene::{Scene, find, message},
    vendor::Vendor,
};

async fn new(vendor: &'static Vendor, name: &str) -> Scene {
    Scene::of(vendor, name, Options::default(), json!({})).await
}

/// An object with a key that is scheduled in seven days.
async fn scheduled(vendor: &'static Vendor, name: &str) -> Scene {
    let scene = new(vendor, name).await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    scene
}

pub async fn a_key_is_created_with_all_that_is_declared(vendor: &'static Vendor) {
    let scene = new(vendor, "create").await;
    let spec = json!({
        "autoRotation": true, "rotationPeriodDays": vendor.period, "tags": { "team": "shop" }, "aliases": ["orders"], "description": "order signing",
    });
    scene.create("orders", spec).await;
    let object = scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await;
    assert_eq!(key.state, Actual::Enabled);
    assert_eq!((key.rotation.enabled, key.rotation.period_days), (true, Some(vendor.period)));
    assert_eq!((&*key.description, &*key.tags["team"]), ("order signing", "shop"));
    assert_eq!(key.tags["keyward-uid"], object.metadata.uid.clone().unwrap());
    assert_eq!(key.tags["keyward-intent"], "1.1.live");
    assert!(key.aliases.contains(&scene.claim("orders")) && key.aliases.contains(&"alias/orders".to_owned()), "{:?}", key.aliases);
    let status = object.status.unwrap();
    assert_eq!(status.key_state, Some(KeyState::Enabled));
    let provider = status.provider.unwrap();
    assert_eq!((&*provider.account, &*provider.region), (vendor.account, vendor.region));
    assert_eq!(scene.calls(vendor.operations.create).len(), 1);
    scene.until_event("orders", "KeyCreated").await;
    // Later rounds change nothing.
    let before = scene.now();
    scene.look_at_all("orders").await;
    assert_eq!(scene.changes(before), [""; 0]);
}

pub async fn a_key_is_created_disabled(vendor: &'static Vendor) {
    let scene = new(vendor, "create-off").await;
    scene.create("orders", json!({ "enabled": false })).await;
    scene.until_ready("orders", "True", "Disabled").await;
    assert_eq!(scene.key("orders").await.state, Actual::Disabled);
    scene.spec("orders", json!({ "enabled": true })).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.key("orders").await.state, Actual::Enabled);
}

pub async fn a_key_is_scheduled_with_its_days_then_cancelled_and_enabled(vendor: &'static Vendor) {
    let scene = scheduled(vendor, "schedule").await;
    let object = scene.keys().get("orders").await.unwrap();
    let pending = find(&object, ConditionType::PendingDeletion).expect("says that it is pending");
    assert_eq!(pending.reason, "Declared");
    let key = scene.key("orders").await;
    assert_eq!((key.state, key.pending_window_days), (Actual::PendingDeletion, Some(7)));
    assert_eq!(object.status.unwrap().deletion_date.map(|date| date.0.as_second()), key.deletion_date.map(jiff::Timestamp::as_second));

    scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
    let object = scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.key("orders").await.state, Actual::Enabled);
    let status = object.status.unwrap();
    assert_eq!((status.deletion_date, status.deletion), (None, None));
    scene.until_event("orders", "KeyDeletionCancelled").await;
    for operation in [vendor.operations.schedule, vendor.operations.cancel] {
        assert_eq!(scene.calls(operation).len(), 1, "{operation}");
    }
}

pub async fn a_cancelled_key_that_is_to_be_disabled_stays_disabled(vendor: &'static Vendor) {
    let scene = scheduled(vendor, "cancel-off").await;
    scene.spec("orders", json!({ "deletionScheduleDays": null, "enabled": false })).await;
    scene.until_ready("orders", "True", "Disabled").await;
    assert_eq!(scene.key("orders").await.state, Actual::Disabled);
    assert!(scene.calls(vendor.operations.enable).is_empty());
}

pub async fn other_days_are_one_cancel_and_one_schedule(vendor: &'static Vendor) {
    let scene = scheduled(vendor, "renew").await;
    let before = scene.now();
    scene.spec("orders", json!({ "deletionScheduleDays": 9 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    let key = scene.key("orders").await;
    assert_eq!((key.state, key.pending_window_days), (Actual::PendingDeletion, Some(9)));
    assert_eq!(scene.changes(before), [vendor.operations.cancel, vendor.operations.tag, vendor.operations.schedule]);
    let settled = scene.now();
    scene.look_at_all("orders").await;
    assert_eq!(scene.changes(settled), [""; 0]);
}

pub async fn days_that_the_kms_cannot_take_change_nothing(vendor: &'static Vendor) {
    let scene = scheduled(vendor, "refused").await;
    let before = scene.now();
    scene.spec("orders", json!({ "deletionScheduleDays": vendor.too_long })).await;
    let object = scene.until_ready("orders", "False", "InvalidSpec").await;
    assert!(message(&object).contains(vendor.window), "{}", message(&object));
    assert!(find(&object, ConditionType::Stalled).is_some());
    // Days below the provider's minimum are refused too.
    scene.provide(&scene.provider, json!({ "deletionGuard": { "minimumScheduleDays": 30 } })).await;
    scene.spec("orders", json!({ "deletionScheduleDays": 8 })).await;
    scene.until_ready("orders", "False", "InvalidSpec").await;
    scene.look_at_all("orders").await;
    assert_eq!(scene.changes(before), [""; 0]);
    assert_eq!(scene.key("orders").await.pending_window_days, Some(7));
}

pub async fn a_disabled_key_is_scheduled(vendor: &'static Vendor) {
    let scene = new(vendor, "off-end").await;
    scene.create("orders", json!({ "enabled": false })).await;
    scene.until_ready("orders", "True", "Disabled").await;
    scene.spec("orders", json!({ "deletionScheduleDays": 8 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    assert_eq!(scene.key("orders").await.pending_window_days, Some(8));
}

pub async fn settings_change_and_go(vendor: &'static Vendor) {
    let scene = new(vendor, "settings").await;
    scene.create("orders", json!({ "autoRotation": true, "tags": { "team": "shop", "tier": "1" }, "aliases": ["one", "two"] })).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.key("orders").await.rotation.period_days, Some(365));
    scene.tag_outside("orders", "cost", Some("42")).await;

    let spec = json!({ "rotationPeriodDays": vendor.period, "tags": { "team": "bank", "tier": null }, "aliases": ["two", "three"], "description": "new" });
    scene.spec("orders", spec).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await;
    assert_eq!(key.rotation.period_days, Some(vendor.period));
    assert_eq!((&*key.tags["team"], key.tags.get("tier"), &*key.description), ("bank", None, "new"));
    assert_eq!(key.tags["cost"], "42", "what others set is left alone");
    let has = |alias: &str| key.aliases.iter().any(|found| found == alias);
    assert!(!has("alias/one") && has("alias/two") && has("alias/three") && has(&scene.claim("orders")), "{:?}", key.aliases);

    scene.spec("orders", json!({ "autoRotation": false, "rotationPeriodDays": null })).await;
    scene.until_ready("orders", "True", "Available").await;
    assert!(!scene.key("orders").await.rotation.enabled);
}

pub async fn what_a_state_does_not_allow_is_said(vendor: &'static Vendor) {
    let scene = new(vendor, "states").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    let before = scene.now();
    for (state, reason) in [(Actual::Unavailable, "KeyUnavailable"), (Actual::PendingImport, "PendingImport")] {
        scene.set_outside("orders", state).await;
        scene.look("orders").await;
        scene.until_ready("orders", "False", reason).await;
        assert_eq!(scene.changes(before), [""; 0], "{state:?}");
    }
    scene.set_outside("orders", Actual::Enabled).await;
    scene.look("orders").await;
    scene.until_ready("orders", "True", "Available").await;
}

pub async fn a_settled_key_costs_at_most_two_requests_a_read_and_no_write(vendor: &'static Vendor) {
    let scene = Scene::of(vendor, "idle", Options::default(), json!({ "resyncSeconds": 600 })).await;
    scene.create("orders", json!({ "autoRotation": true, "tags": { "team": "shop" } })).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.look_at_all("orders").await;
    for look in 0..3 {
        let changes = scene.now();
        let reads = scene.look_by_itself("orders").await;
        assert!((1..=2).contains(&reads), "look {look} took {reads} calls");
        assert_eq!(scene.changes(changes), [""; 0]);
    }
}

pub async fn what_is_observed_is_not_changed(vendor: &'static Vendor) {
    let scene = Scene::of(
        vendor,
        "observe",
        Options::default(),
        json!({ "adoption": { "from": "Rules", "rules": [{ "namespaces": ["*"], "keys": ["*"] }] } }),
    )
    .await;
    let key = scene.plant_outside(None);
    scene.create("orders", json!({ "keyId": key, "managementPolicy": "Observe", "enabled": false, "tags": { "team": "shop" } })).await;
    let object = scene.until("orders", "seen", |object| find(object, ConditionType::Drifted).is_some()).await;
    assert_eq!(object.status.unwrap().key_state, Some(KeyState::Enabled));
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.look_at_all("orders").await;
    assert_eq!(scene.changes(0), [""; 0]);
}
