//! A KMS that answers from a copy: nothing destructive follows from one that is too old, and the object says so.
//!
//! Shows S7.

use jiff::SignedDuration;
use keyward::api::ConditionType;
use kms_double::{KeyState as Actual, Options};
use serde_json::json;

use crate::support::{
    scene::{Scene, find, message},
    vendor::CIPHER_TRUST,
};

/// An object with a key, and a KMS whose copy of it has grown old.
async fn aged(name: &str) -> Scene {
    let scene = Scene::of(&CIPHER_TRUST, name, Options::default(), json!({ "resyncSeconds": 600 })).await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.double.advance(SignedDuration::from_hours(1)).unwrap();
    scene
}

#[tokio::test]
async fn a_copy_that_is_too_old_is_made_new_before_a_deletion_is_scheduled() {
    let scene = aged("fresh").await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    assert!(!scene.calls("refresh").is_empty());
    assert_eq!(scene.calls("schedule-deletion").len(), 1);
}

#[tokio::test]
async fn what_others_did_in_aws_is_seen_before_a_deletion_is_scheduled() {
    let scene = aged("seen").await;
    // Another cluster's mark, written in AWS behind CipherTrust's back.
    let key = scene.key("orders").await.key_id;
    scene.double.set_tag(&key, "keyward-uid", Some("another")).unwrap();
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "False", "OwnedByAnother").await;
    assert!(scene.calls("schedule-deletion").is_empty());
}

#[tokio::test]
async fn while_a_refresh_does_not_end_a_deletion_waits_and_says_so() {
    let scene = aged("hangs").await;
    scene.double.set_refresh_delay(None);
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    let object = scene.until_ready("orders", "False", "StaleView").await;
    assert!(message(&object).contains("maxStalenessSeconds (600)"), "{}", message(&object));
    assert!(find(&object, ConditionType::Stalled).is_none(), "it may pass by itself");
    scene.look_at_all("orders").await;
    assert_eq!(scene.changes(0), ["create-key"], "nothing is changed on the strength of an old copy");
    assert_eq!(scene.calls("refresh").len(), 1, "one refresh is under way, and no other is asked for");
    assert_eq!(scene.key("orders").await.state, Actual::Enabled);

    // A rescue does not wait.
    scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
    scene.double.set_state(&scene.key("orders").await.key_id, Actual::PendingDeletion).unwrap();
    scene.double.ciphertrust_sync();
    scene.double.advance(SignedDuration::from_hours(1)).unwrap();
    scene.look("orders").await;
    scene
        .until("orders", "saved", |object| {
            object.status.as_ref().and_then(|status| status.key_state) == Some(keyward::api::managed_key::KeyState::Enabled)
        })
        .await;
    assert_eq!(scene.key("orders").await.state, Actual::Enabled);
}

#[tokio::test]
async fn an_old_copy_that_is_as_declared_is_said_and_writes_nothing_while_it_is_not_old() {
    let scene = aged("idle").await;
    scene.double.set_refresh_delay(None);
    scene.look("orders").await;
    let object = scene
        .until("orders", "said", |object| find(object, ConditionType::Synced).is_some_and(|synced| synced.reason == "StaleView"))
        .await;
    assert_eq!(find(&object, ConditionType::Ready).unwrap().status, "True");
    // It says the same at each read.
    let written = scene.writes("orders").await.len();
    scene.look("orders").await;
    scene.double.advance(SignedDuration::from_hours(1)).unwrap();
    scene.look("orders").await;
    assert_eq!(scene.writes("orders").await.len(), written + 2, "the two answers to the person, and nothing else");
}
