//! Whose a key is.

use keyward::{
    api::ConditionType,
    domain::{limits::Limits, ownership::Owner},
};
use kms_double::{KeyState as Actual, Options};
use serde_json::{Value, json};

use crate::support::{
    scene::{Scene, find, message},
    vendor::Vendor,
};

/// Any key, for any namespace.
fn any() -> Value {
    json!({ "adoption": { "from": "Rules", "rules": [{ "namespaces": ["*"], "keys": ["*"] }] } })
}

pub async fn a_new_object_of_the_name_takes_the_key_up(vendor: &'static Vendor) {
    let scene = Scene::of(vendor, "takeup", Options::default(), json!({})).await;
    scene.create("orders", json!({ "tags": { "team": "shop" } })).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.key_id;
    scene.delete("orders").await;
    scene.until_gone("orders").await;

    scene.create("orders", json!({ "tags": { "team": "shop" } })).await;
    let object = scene.until_ready("orders", "True", "Available").await;
    let taken = scene.key("orders").await;
    assert_eq!((&taken.key_id, &taken.tags["keyward-uid"]), (&key, &object.metadata.uid.unwrap()));
    scene.until_event("orders", "KeyTakenUp").await;
    assert_eq!(scene.calls(vendor.operations.create).len(), 1);

    // Pending, and wanted alive: it is cancelled first, and marked then.
    scene.set_outside("orders", Actual::PendingDeletion).await;
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    assert_eq!(scene.double.key(&key).unwrap().state, Actual::PendingDeletion, "what becomes of an object says nothing about its key");
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.key("orders").await.state, Actual::Enabled);
    assert_eq!(scene.calls(vendor.operations.create).len(), 1);
    let events = scene.events("orders").await;
    assert!(!events.contains(&"SyncFailed".to_owned()), "an object that is gone stands in nobody's way: {events:?}");
}

pub async fn a_key_is_adopted_where_the_rules_admit_it(vendor: &'static Vendor) {
    let scene = Scene::of(vendor, "adopt", Options::default(), any()).await;
    let by_alias = scene.plant_outside(Some("alias/legacy"));
    scene.create("orders", json!({ "keyId": "alias/legacy", "tags": { "team": "shop" } })).await;
    let object = scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await;
    assert_eq!(object.status.as_ref().unwrap().key_id.as_ref(), Some(&by_alias));
    assert_eq!(key.tags["keyward-uid"], object.metadata.uid.clone().unwrap());
    assert_eq!(key.tags["team"], "shop");
    scene.until_event("orders", "KeyAdopted").await;
    assert!(scene.calls(vendor.operations.create).is_empty());

    // By its canonical reference, and by its id, in an object of its own each.
    let id = scene.plant_outside(None);
    scene.create("by-id", json!({ "keyId": id })).await;
    let object = scene.until_ready("by-id", "True", "Available").await;
    let reference = object.status.unwrap().key_arn.unwrap();
    scene.delete("by-id").await;
    scene.until_gone("by-id").await;
    scene.create("by-reference", json!({ "keyId": reference })).await;
    let object = scene.until_ready("by-reference", "True", "Available").await;
    assert_eq!(scene.key("by-reference").await.tags["keyward-uid"], object.metadata.uid.unwrap());

    // Without rules no key is.
    scene.provide(&scene.provider, json!({ "adoption": { "from": "None", "rules": null } })).await;
    let other = scene.plant_outside(None);
    let before = scene.now();
    scene.create("invoices", json!({ "keyId": other })).await;
    scene.until_ready("invoices", "False", "AdoptionNotAllowed").await;
    assert_eq!(scene.changes(before), [""; 0]);
}

pub async fn a_key_of_another_object_is_left_alone(vendor: &'static Vendor) {
    let scene = Scene::of(vendor, "owned", Options::default(), any()).await;
    scene.create("orders", json!({})).await;
    let owner = scene.until_ready("orders", "True", "Available").await;
    let before = scene.now();
    let key = owner.status.unwrap().key_id.unwrap();
    scene.create("thief", json!({ "keyId": key, "deletionScheduleDays": 7 })).await;
    let object = scene.until_ready("thief", "False", "OwnedByAnother").await;
    assert!(find(&object, ConditionType::Stalled).is_some());
    scene.look_at_all("thief").await;
    assert_eq!(scene.changes(before), [""; 0]);

    // Another UID on the key of a bound object: it is never written back.
    scene.tag_outside("orders", "keyward-uid", Some("another")).await;
    let before = scene.now();
    scene.look_at_all("orders").await;
    let object = scene.until_ready("orders", "False", "OwnedByAnother").await;
    assert!(message(&object).contains("another object of this name"), "{}", message(&object));
    // The mark is not written back in later rounds either.
    for _ in 0..3 {
        let object = scene.look("orders").await;
        assert_eq!(find(&object, ConditionType::Ready).unwrap().reason, "OwnedByAnother");
    }
    assert_eq!(scene.changes(before), [""; 0]);
}

/// No object of this cluster has the name in the marks. That makes a key an orphan only if the key has this cluster's mark.
pub async fn a_key_of_a_stranger_is_not_adopted(vendor: &'static Vendor) {
    let scene = Scene::of(vendor, "stranger", Options::default(), any()).await;
    scene.plant_outside(Some("alias/pay"));
    let owner = Owner { cluster: "elsewhere".into(), namespace: "bank".into(), name: "pay".into(), uid: "u7".into() };
    let mut marks = owner.marks("1.1.live".parse().unwrap(), Limits::of(vendor.provider).owner_mark);
    marks.remove("keyward-cluster");
    for (mark, value) in &marks {
        scene.tag_key_outside("alias/pay", mark, Some(value));
    }
    scene.create("orders", json!({ "keyId": "alias/pay" })).await;
    let object = scene.until_ready("orders", "False", "OwnedByAnother").await;
    assert!(find(&object, ConditionType::Stalled).is_some());
    assert!(message(&object).contains(&format!("keyward-owner={}", marks["keyward-owner"])), "{}", message(&object));
    scene.look_at_all("orders").await;
    assert_eq!(scene.changes(0), [""; 0]);

    // The message's way out.
    for mark in marks.keys() {
        scene.tag_key_outside("alias/pay", mark, None);
    }
    scene.look("orders").await;
    scene.until_ready("orders", "True", "Available").await;
}

pub async fn a_key_whose_marks_are_gone_is_left_alone(vendor: &'static Vendor) {
    let scene = Scene::of(vendor, "unmarked", Options::default(), json!({})).await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    for mark in ["keyward-cluster", "keyward-owner", "keyward-uid", "keyward-intent"] {
        scene.tag_outside("orders", mark, None).await;
    }
    scene.look_at_all("orders").await;
    let before = scene.now();
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until("orders", "held off", |object| find(object, ConditionType::Stalled).is_some()).await;
    scene.look_at_all("orders").await;
    assert_eq!(scene.changes(before), [""; 0]);
    assert_eq!(scene.key("orders").await.state, Actual::Enabled);
}

pub async fn an_object_that_lost_its_status_keeps_its_key(vendor: &'static Vendor) {
    let scene = Scene::of(vendor, "wiped", Options::default(), json!({})).await;
    scene.create("orders", json!({})).await;
    let backup = scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.key_id;
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    // A backup tool brings it back without its status, and someone has added the field meanwhile.
    let mut backup = backup;
    backup.spec.deletion_schedule_days = Some(7);
    scene.restore(&backup).await;
    scene.until_ready("orders", "False", "NotSeenLive").await;
    assert_eq!(scene.key("orders").await.key_id, key);
    assert_eq!(scene.calls(vendor.operations.create).len(), 1);
    assert!(scene.calls(vendor.operations.schedule).is_empty());
}
