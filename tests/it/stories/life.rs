//! The life of a key never waits for its settings. Settings may be refused, denied, throttled or unreadable: the key is still disabled,
//! enabled, scheduled and rescued, and it is disabled at the end of its object.

use keyward::{
    api::{ConditionType, mark},
    domain::limits::Limits,
};
use kms_double::{Fault, FaultAction, KeyState as Actual, Options};
use serde_json::{Value, json};

use crate::support::{
    eventually,
    operator::WITHIN,
    scene::{Scene, describe, find},
    vendor::Vendor,
};

/// How many tags the schema of objects lets in.
const MOST_TAGS: usize = 46;

/// What goes wrong: its name, the settings before and what is laid over them, the operations that the KMS refuses, with the answer, and how many tags others put
/// on the key.
struct Trouble {
    name: &'static str,
    before: Value,
    settings: Value,
    refused: Vec<&'static str>,
    answer: (&'static str, u16),
    strange: usize,
}

fn troubles(vendor: &Vendor) -> Vec<Trouble> {
    let (denied, throttled, operations) = (vendor.denied, vendor.throttled, vendor.operations);
    let row = |name, settings, refused, answer| Trouble { name, before: json!({}), settings, refused, answer, strange: 0 };
    let room = Limits::of(vendor.provider).tags.count - mark::COUNT;
    let one_tag = json!({ "tags": { "team": "shop" } });
    let mut troubles = vec![
        row("rotation-denied", json!({ "autoRotation": true }), vec![operations.rotate], denied),
        row("rotation-throttled", json!({ "autoRotation": true }), vec![operations.rotate], throttled),
        row("description-denied", json!({ "description": "order signing" }), vec![operations.describe], denied),
        row("description-broken", json!({ "description": "order signing" }), vec![operations.describe], vendor.broken),
        row("period-out-of-range", json!({ "autoRotation": true, "rotationPeriodDays": vendor.no_period }), vec![], denied),
        Trouble { strange: room, ..row("full-of-tags", one_tag.clone(), vec![], denied) },
        row("alias-denied", json!({ "aliases": ["denied"] }), vec![operations.alias], denied),
        row("alias-taken", json!({ "aliases": ["taken"] }), vec![], denied),
        row("alias-not-allowed", json!({ "aliases": ["forbidden"] }), vec![], denied),
        row("tag-not-allowed", json!({ "tags": { "forbidden": "1" } }), vec![], denied),
    ];
    // More than the schema lets in cannot be declared.
    if room < MOST_TAGS {
        let tags: serde_json::Map<String, Value> = (0..=room).map(|tag| (format!("team-{tag}"), "shop".into())).collect();
        troubles.push(row("too-many-tags", json!({ "tags": tags }), vec![], denied));
    }
    if let Some(untag) = operations.untag {
        troubles.push(Trouble { before: one_tag, ..row("untag-denied", json!({ "tags": null }), vec![untag], denied) });
    }
    if !operations.facets.is_empty() {
        let settings = json!({ "autoRotation": true, "aliases": ["unread"] });
        troubles.push(row("not-readable", settings, operations.facets.to_vec(), denied));
    }
    troubles
}

pub async fn no_setting_holds_up_the_life_of_a_key(vendor: &'static Vendor) {
    for trouble in troubles(vendor) {
        let rules = json!({ "resyncSeconds": 600, "allow": { "aliases": ["taken", "denied", "unread"], "tagKeys": ["team*"] } });
        let scene = Scene::of(vendor, trouble.name, Options::default(), rules).await;
        scene.plant_outside(Some("alias/taken"));
        scene.create("orders", trouble.before.clone()).await;
        scene.until_ready("orders", "True", "Available").await;
        let key = scene.key("orders").await.key_id;
        if let Some(others) = trouble.strange.checked_sub(1) {
            for tag in 0..others {
                scene.double.set_tag(&key, &format!("strange-{tag}"), Some("theirs")).unwrap();
            }
            scene.tag_outside("orders", "strange", Some("theirs")).await;
        }
        let (code, status) = trouble.answer;
        for &operation in &trouble.refused {
            let answer = FaultAction::Error { code: code.into(), status, message: String::new() };
            scene.double.inject(Fault::on(operation, answer));
        }
        let is = async |what: &str, state: Actual| {
            eventually(&format!("{}, {}: {what}", vendor.provider.as_str(), trouble.name), WITHIN, async || {
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
        assert!(
            ["AccessDenied", "Throttled", "AliasTaken", "InvalidSpec", "QuotaExceeded", "ProviderUnavailable"]
                .contains(&said.reason.as_str()),
            "{}: {said:?}",
            trouble.name
        );

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
