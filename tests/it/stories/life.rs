//! The life of a key never waits for its settings: whatever is refused, denied, throttled or cannot be read, the key is disabled, enabled, scheduled, brought
//! back, and disabled at the end of its object.

use keyward::api::ConditionType;
use kms_double::{Fault, FaultAction, KeyState as Actual, Options};
use serde_json::{Value, json};

use crate::support::{
    eventually,
    operator::PATIENCE,
    scene::{Scene, describe, find},
    vendor::Vendor,
};

/// What goes wrong: its name, what is laid over the settings, and the operations that the KMS refuses, with the answer.
struct Trouble {
    name: &'static str,
    settings: Value,
    refused: Vec<&'static str>,
    answer: (&'static str, u16),
}

fn troubles(vendor: &Vendor) -> Vec<Trouble> {
    let (denied, throttled, operations) = (vendor.denied, vendor.throttled, vendor.operations);
    let row = |name, settings, refused, answer| Trouble { name, settings, refused, answer };
    let mut troubles = vec![
        row("rotation-denied", json!({ "autoRotation": true }), vec![operations.rotate], denied),
        row("rotation-throttled", json!({ "autoRotation": true }), vec![operations.rotate], throttled),
        row("description-denied", json!({ "description": "order signing" }), vec![operations.describe], denied),
        row("alias-denied", json!({ "aliases": ["denied"] }), vec![operations.alias], denied),
        row("alias-taken", json!({ "aliases": ["taken"] }), vec![], denied),
        row("alias-not-allowed", json!({ "aliases": ["forbidden"] }), vec![], denied),
        row("tag-not-allowed", json!({ "tags": { "forbidden": "1" } }), vec![], denied),
    ];
    if !operations.facets.is_empty() {
        let settings = json!({ "autoRotation": true, "aliases": ["unread"] });
        troubles.push(row("not-readable", settings, operations.facets.to_vec(), denied));
    }
    troubles
}

pub async fn no_setting_holds_up_the_life_of_a_key(vendor: &'static Vendor) {
    for trouble in troubles(vendor) {
        let rules = json!({ "resyncSeconds": 600, "allow": { "aliases": ["taken", "denied", "unread"], "tagKeys": ["team"] } });
        let scene = Scene::of(vendor, trouble.name, Options::default(), rules).await;
        scene.plant_outside(Some("alias/taken"));
        scene.create("orders", json!({})).await;
        scene.until_ready("orders", "True", "Available").await;
        let key = scene.key("orders").await.key_id;
        let (code, status) = trouble.answer;
        for &operation in &trouble.refused {
            let answer = FaultAction::Error { code: code.into(), status, message: String::new() };
            scene.double.inject(Fault::on(operation, answer));
        }
        let is = async |what: &str, state: Actual| {
            eventually(&format!("{}, {}: {what}", vendor.provider.as_str(), trouble.name), PATIENCE, async || {
                let found = scene.double.key(&key).map(|key| key.state);
                if found == Some(state) {
                    Ok(())
                } else {
                    Err(format!("{found:?} {:?}", scene.keys().get_opt("orders").await.unwrap().map(|object| describe(&object))))
                }
            })
            .await;
        };
        let mut settings = trouble.settings.clone();
        settings["enabled"] = json!(false);
        scene.spec("orders", settings).await;
        is("disabled", Actual::Disabled).await;
        let object = scene
            .until("orders", "what went wrong is said", |object| {
                find(object, ConditionType::Synced).is_some_and(|synced| synced.status == "False" && synced.observed_generation == Some(2))
            })
            .await;
        let said = find(&object, ConditionType::Synced).unwrap();
        assert!(["AccessDenied", "Throttled", "AliasTaken", "InvalidSpec"].contains(&said.reason.as_str()), "{}: {said:?}", trouble.name);

        scene.spec("orders", json!({ "enabled": true })).await;
        is("enabled", Actual::Enabled).await;
        scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
        is("scheduled", Actual::PendingDeletion).await;
        scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
        is("brought back", Actual::Enabled).await;
        scene.spec("orders", json!({ "deletionPolicy": "Disable" })).await;
        scene.until("orders", "its finalizer", |object| object.metadata.finalizers.is_some()).await;
        scene.delete("orders").await;
        scene.until_gone("orders").await;
        is("disabled at the end", Actual::Disabled).await;
    }
}
