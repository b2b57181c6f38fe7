//! AWS denies a call, or the credentials expire. The status names the cause once, and Keyward changes nothing else until somebody corrects it.

use std::time::Duration;

use keyward::api::ConditionType;
use kms_double::{ACCOUNT, Credential, KeyState, Options, SECRET_KEY};
use serde_json::{Value, json};

use super::refusal;
use crate::support::{
    eventually,
    operator::WITHIN,
    scene::{Scene, describe, find, message},
};

/// An edit that needs an operation, and the changes up to that operation. The spec is new, so the mark is written first, except before a
/// rescue.
struct Denied {
    operation: &'static str,
    edit: Value,
    changes: &'static [&'static str],
    /// `Ready`'s reason once it is allowed.
    then: &'static str,
}

#[tokio::test]
async fn each_change_that_is_denied_is_named_and_the_others_are_made() {
    let scene = Scene::with("denied", Options::default(), json!({ "resyncSeconds": 600 })).await;
    scene.double.inject(refusal("CreateKey", "AccessDeniedException", 400));
    scene.create("orders", json!({ "tags": { "team": "shop" }, "aliases": ["orders"], "description": "first" })).await;
    let object = denied(&scene, "CreateKey").await;
    assert_eq!(object.status.unwrap().create_attempt, None);
    assert_eq!(scene.changes(0), ["CreateKey"]);
    scene.double.clear_faults();
    scene.look("orders").await;
    scene.until_ready("orders", "True", "Available").await;

    // The steps after the denied one are made all the same.
    let row = |operation, edit, changes, then| Denied { operation, edit, changes, then };
    let rows = [
        row(
            "EnableKeyRotation",
            json!({ "autoRotation": true, "description": "second", "tags": { "cost": "42" } }),
            &["TagResource", "EnableKeyRotation", "UpdateKeyDescription", "TagResource"][..],
            "Available",
        ),
        row("DisableKeyRotation", json!({ "autoRotation": false }), &["TagResource", "DisableKeyRotation"], "Available"),
        row(
            "UpdateKeyDescription",
            json!({ "description": "third", "tags": { "cost": "43" } }),
            &["TagResource", "UpdateKeyDescription", "TagResource"],
            "Available",
        ),
        row(
            "UntagResource",
            json!({ "tags": { "cost": null }, "aliases": ["orders", "more"] }),
            &["TagResource", "UntagResource", "CreateAlias"],
            "Available",
        ),
        row("CreateAlias", json!({ "aliases": ["orders", "more", "most"] }), &["TagResource", "CreateAlias"], "Available"),
        row("DeleteAlias", json!({ "aliases": ["orders"], "enabled": false }), &["TagResource", "DisableKey", "DeleteAlias"], "Disabled"),
        row(
            "EnableKey",
            json!({ "enabled": true, "description": "fourth" }),
            &["EnableKey", "TagResource", "UpdateKeyDescription"],
            "Available",
        ),
        row("DisableKey", json!({ "enabled": false }), &["TagResource", "DisableKey"], "Disabled"),
        row("TagResource", json!({ "enabled": true, "tags": { "team": "bank" } }), &["EnableKey", "TagResource"], "Available"),
        row("ScheduleKeyDeletion", json!({ "deletionScheduleDays": 7 }), &["TagResource", "ScheduleKeyDeletion"], "DeletionScheduled"),
        row("CancelKeyDeletion", json!({ "deletionScheduleDays": null, "description": "fifth" }), &["CancelKeyDeletion"], "Available"),
    ];
    for Denied { operation, edit, changes, then } in rows {
        // Names are not reused, so `more` is another alias by the time that it is refused.
        scene.double.inject(refusal(operation, "AccessDeniedException", 400));
        let before = scene.now();
        scene.spec("orders", edit).await;
        denied(&scene, operation).await;
        // What brings a key back does not wait for what the KMS shows of the step before, and the rest does: then it is tried once more with it.
        let mut made = scene.changes(before);
        made.dedup();
        assert_eq!(made, changes, "{operation}");
        scene.double.clear_faults();
        scene.look("orders").await;
        scene.until_ready("orders", "True", then).await;
    }
    let key = scene.key("orders").await;
    assert_eq!((key.state, key.description.as_str(), key.tags["team"].as_str()), (KeyState::Enabled, "fifth", "bank"));
    assert_eq!(scene.double.keys().len(), 1);
}

/// Waits until `orders` says that AWS denies it that operation, by the name of the action to be allowed.
async fn denied(scene: &Scene, operation: &str) -> keyward::api::ManagedKey {
    let object = scene.until_ready("orders", "False", "AccessDenied").await;
    assert!(find(&object, ConditionType::Stalled).is_some(), "{operation}");
    for word in [&*format!("kms:{operation} "), "allow it in the policy"] {
        assert!(message(&object).contains(word), "no {word:?} in: {}", message(&object));
    }
    object
}

#[tokio::test]
async fn a_key_that_cannot_be_claimed_is_known_and_can_be_deleted_all_the_same() {
    let scene = Scene::with("unclaimed", Options::default(), json!({ "resyncSeconds": 600 })).await;
    scene.double.inject(refusal("CreateAlias", "AccessDeniedException", 400));
    scene.create("orders", json!({ "autoRotation": true })).await;
    let object = denied(&scene, "CreateAlias").await;
    let status = object.status.unwrap();
    assert_eq!((status.intent_seq, status.applied.and_then(|applied| applied.enabled)), (Some(1), Some(true)));
    assert_eq!(scene.key("orders").await.aliases, [""; 0]);
    assert_eq!(scene.changes(0), ["CreateKey", "CreateAlias"]);
    scene.until_event("orders", "KeyCreated").await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    assert_eq!(scene.changes(0), ["CreateKey", "CreateAlias", "TagResource", "ScheduleKeyDeletion"]);
    scene.double.clear_faults();
    scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.key("orders").await.aliases, [scene.claim("orders")]);
}

/// Nobody asks for a look here, and the resync is far. A denied call is tried again by itself after 30 seconds, whichever call it was.
#[tokio::test]
async fn a_permission_that_is_given_is_used_long_before_the_resync() {
    let adoption = json!({ "resyncSeconds": 3600, "adoption": { "from": "Rules", "rules": [{ "namespaces": ["*"], "keys": ["*"] }] } });
    let scene = Scene::with("permitted", Options::default(), adoption).await;
    let foreign = scene.foreign_key().await;
    for name in ["seen", "described"] {
        scene.create(name, json!({})).await;
        scene.until_ready(name, "True", "Available").await;
        scene.look(name).await;
    }
    let denied = |operation| refusal(operation, "AccessDeniedException", 400);
    for fault in [
        denied("CreateKey"),
        denied("UpdateKeyDescription"),
        denied("DescribeKey").for_key(&scene.key("seen").await.arn),
        denied("TagResource").for_key(&foreign),
    ] {
        scene.double.inject(fault);
    }
    scene.create("created", json!({})).await;
    scene.create("adopted", json!({ "keyId": foreign })).await;
    scene.spec("described", json!({ "description": "first" })).await;
    scene.look("seen").await;
    scene.until_synced("seen", "False", "AccessDenied").await;
    scene.until_synced("described", "False", "AccessDenied").await;
    scene.until_ready("created", "False", "AccessDenied").await;
    scene.until_ready("adopted", "False", "MarksNotWritable").await;
    scene.double.clear_faults();
    // The third try is after 90 seconds, and a fifth of it.
    eventually("all are well", Duration::from_secs(150), async || {
        let mut objects = scene.keys().list(&kube::api::ListParams::default()).await.unwrap().items;
        objects.retain(|object| {
            let is_true = |kind| find(object, kind).is_some_and(|told| told.status == "True");
            !is_true(ConditionType::Synced) || !is_true(ConditionType::Ready)
        });
        if objects.is_empty() { Ok(()) } else { Err(objects.iter().map(describe).collect::<Vec<_>>().join("\n")) }
    })
    .await;
}

#[tokio::test]
async fn a_used_up_quota_is_named_and_asked_again_only_when_a_person_asks() {
    let scene = Scene::with("quota", Options::default(), json!({ "resyncSeconds": 600 })).await;
    scene.double.inject(refusal("CreateKey", "LimitExceededException", 400));
    // The finalizer that this policy needs is written with the attempt, and must not wake the object once more.
    scene.create("orders", json!({ "deletionPolicy": "Delete" })).await;
    let object = scene.until_ready("orders", "False", "QuotaExceeded").await;
    assert!(find(&object, ConditionType::Stalled).is_some());
    assert!(message(&object).contains("the quota of keys in this account and Region"), "{}", message(&object));
    assert_eq!(object.status.unwrap().create_attempt, None, "nothing is under way");
    // Another object's whole creation passes meanwhile; it is refused once as well, and by itself nothing is asked again.
    scene.create("other", json!({ "deletionPolicy": "Disable" })).await;
    scene.until_ready("other", "False", "QuotaExceeded").await;
    scene.look("other").await;
    assert_eq!(scene.calls("CreateKey").len(), 3, "once each, and once more as it was asked for");
    scene.double.clear_faults();
    for name in ["orders", "other"] {
        scene.look(name).await;
        scene.until_ready(name, "True", "Available").await;
    }
    assert_eq!(scene.double.keys().len(), 2);
}

#[tokio::test]
async fn a_creation_without_a_turn_waits_and_records_nothing() {
    // One creation in twenty seconds.
    let scene = Scene::with("turn", Options::default(), json!({ "quotaSharePercent": 1 })).await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.create("invoices", json!({})).await;
    let looked = async || scene.calls("DescribeKey").iter().filter(|call| call.params["KeyId"] == scene.claim("invoices")).count();
    eventually("it was looked for", WITHIN, async || if looked().await == 1 { Ok(()) } else { Err("not yet") }).await;
    // Others do what they like meanwhile.
    scene.spec("orders", json!({ "enabled": false })).await;
    scene.until_ready("orders", "True", "Disabled").await;
    assert_eq!((scene.writes("invoices").await, looked().await), (Vec::new(), 1), "it waits for its turn, and says nothing");

    // A waiting object is looked at at once if it or its provider changes.
    scene.provide(&scene.provider, json!({})).await;
    scene.until_ready("invoices", "True", "Available").await;
    assert_eq!((scene.calls("CreateKey").len(), looked().await), (2, 2));
    assert_eq!(scene.writes("invoices").await, ["status", "object", "status"]);
}

#[tokio::test]
async fn expired_credentials_are_reported_and_new_ones_are_used() {
    let scene = Scene::with("expired", Options::default(), json!({ "resyncSeconds": 600 })).await;
    let first = Credential::new("AKIAFIRSTEXAMPLE0000", SECRET_KEY, ACCOUNT);
    scene.double.add_credential(first.clone());
    scene.secret(&scene.provider, &first.access_key, SECRET_KEY).await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    let before = scene.now();
    // As AWS answers once a temporary key has ended.
    let ended = kms_double::FaultAction::Error { code: "ExpiredTokenException".into(), status: 400, message: "for a test".into() };
    scene.double.inject(kms_double::Fault::on("*", ended).for_caller(&first.access_key));
    // The key did not change, and somebody may be about to renew the credentials.
    scene.look("orders").await;
    let object = scene.until_synced("orders", "False", "CredentialsInvalid").await;
    let ready = find(&object, ConditionType::Ready).unwrap();
    assert_eq!((&*ready.status, &*ready.reason), ("True", "Available"));
    scene.spec("orders", json!({ "description": "second" })).await;
    let object = scene.until_ready("orders", "False", "CredentialsInvalid").await;
    assert!(find(&object, ConditionType::Reconciling).is_some() && find(&object, ConditionType::Stalled).is_none());
    assert!(message(&object).contains("expired") && message(&object).contains("secret"), "{}", message(&object));
    assert_eq!(scene.changes(before), [""; 0]);
    scene.secret(&scene.provider, kms_double::ACCESS_KEY, SECRET_KEY).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.key("orders").await.description, "second");
    assert_eq!(scene.calls("CreateKey").len(), 1);
}
