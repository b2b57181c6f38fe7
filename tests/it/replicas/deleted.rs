//! A primary key waits for its replicas, or goes without them once another one is the primary key.

use jiff::SignedDuration;
use keyward::api::ManagedKey;
use kms_double::KeyState;
use serde_json::json;

use super::{ABROAD, made, primary, scene, settled, states};
use crate::support::{
    scene::{Scene, describe, message},
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

/// A primary key tells for which replicas it waits. Replicas that are declared to be deleted too need no order.
#[tokio::test]
async fn a_primary_key_says_which_replicas_it_waits_for_and_until_when() {
    says_which_it_waits_for(&AWS).await;
}

#[tokio::test]
async fn a_primary_key_behind_ciphertrust_says_which_replicas_it_waits_for_and_until_when() {
    says_which_it_waits_for(&CIPHER_TRUST).await;
}

/// A look after CCKM has read everything from AWS.
async fn look(scene: &Scene, name: &str) -> ManagedKey {
    scene.double.ciphertrust_sync();
    scene.look(name).await
}

async fn says_which_it_waits_for(vendor: &'static Vendor) {
    let scene = scene(vendor, "waits-for").await;
    primary(&scene).await;
    made(&scene, "there", json!({})).await;
    let of = scene.key("orders").await.arn;
    scene.person().replicate_key().key_id(&of).replica_region("us-west-2").send().await.unwrap();
    let theirs = of.replace("eu-west-1", "us-west-2");
    scene.double.ciphertrust_sync();
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    let object = look(&scene, "orders").await;
    let deletion = object.status.clone().unwrap().deletion.unwrap();
    let told: Vec<_> =
        deletion.waits_for.iter().map(|waits| (&*waits.region, waits.object.as_deref(), waits.key_state.as_deref())).collect();
    assert_eq!(told, [(ABROAD, Some("there"), Some("Enabled")), ("us-west-2", None, None)], "{}", describe(&object));
    assert_eq!(deletion.earliest_deletion_date, None);
    assert!(message(&object).contains("(ManagedKey there, Enabled)"), "{}", message(&object));
    assert!(message(&object).contains("(of no ManagedKey of this namespace)"), "{}", message(&object));

    // The replica of this namespace is scheduled by its own object, and the other one by whoever has it.
    scene.spec("there", json!({ "deletionScheduleDays": 10 })).await;
    let replica = scene.until_ready("there", "True", "DeletionScheduled").await;
    scene.person_in("us-west-2").schedule_key_deletion().key_id(&theirs).pending_window_in_days(7).send().await.unwrap();
    assert_eq!(
        look(&scene, "orders").await.status.unwrap().deletion.unwrap().earliest_deletion_date,
        None,
        "the date of the other one is not known"
    );
    scene.double.advance(SignedDuration::from_hours(24 * 8)).unwrap();
    let deletion = look(&scene, "orders").await.status.unwrap().deletion.unwrap();
    let date = replica.status.unwrap().deletion_date.unwrap().0;
    assert_eq!(deletion.waits_for.len(), 1, "{deletion:?}");
    assert_eq!(deletion.waits_for[0].deletion_date.as_ref().map(|date| date.0), Some(date));
    let expected = date + SignedDuration::from_hours(24 * 7);
    assert_eq!(deletion.earliest_deletion_date.map(|date| date.0), Some(expected));
    scene.double.advance(SignedDuration::from_hours(24 * 3)).unwrap();
    let object = look(&scene, "orders").await;
    let deletion = object.status.clone().unwrap().deletion.unwrap();
    assert!(deletion.waits_for.is_empty() && deletion.earliest_deletion_date.is_none(), "{}", describe(&object));
    assert!(object.status.unwrap().deletion_date.is_some(), "its own window has begun");
    scene.double.advance(SignedDuration::from_hours(24 * 8)).unwrap();
    assert!(scene.double.keys().is_empty(), "all are deleted, and nobody had to keep an order");
}
