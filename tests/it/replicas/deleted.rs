//! A primary key waits for its replicas, or goes without them once another one is the primary key.

use jiff::SignedDuration;
use kms_double::KeyState;
use serde_json::json;

use super::{ABROAD, made, primary, scene, settled, states};
use crate::support::{
    scene::describe,
    vendor::{AWS, CIPHER_TRUST, Vendor},
};

/// The documented way to delete a primary key and keep a replica (AWS KMS API reference, `ScheduleKeyDeletion`): first make the replica the primary key.
#[tokio::test]
async fn a_primary_key_is_deleted_without_its_replica() {
    goes_alone(&AWS).await;
}

#[tokio::test]
async fn a_primary_key_behind_ciphertrust_is_deleted_without_its_replica() {
    goes_alone(&CIPHER_TRUST).await;
}

async fn goes_alone(vendor: &'static Vendor) {
    let scene = scene(vendor, "alone").await;
    primary(&scene).await;
    made(&scene, "there", json!({ "primary": true })).await;
    scene.until_event("there", "PrimaryMoved").await;
    settled(&scene, "there").await;
    settled(&scene, "orders").await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    let object = scene.until_ready("orders", "True", "DeletionScheduled").await;
    assert!(object.status.as_ref().unwrap().deletion_date.is_some(), "it has a date and waits for nobody: {}", describe(&object));
    assert_eq!(states(&scene, ["orders", "there"]).await, [KeyState::PendingDeletion, KeyState::Enabled]);
    scene.double.advance(SignedDuration::from_hours(24 * 8)).unwrap();
    settled(&scene, "there").await;
    assert_eq!(scene.double.keys().len(), 1, "the new primary key stays");
    assert!(scene.key("there").await.arn.contains(ABROAD));
}
