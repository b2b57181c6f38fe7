//! Multi-Region keys.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::client::{REGION, days, start};

#[tokio::test]
async fn a_primary_waits_for_its_replicas() {
    let (double, client) = start().await;
    let other = client.in_region("us-east-1");
    let key = client.create(json!({ "MultiRegion": true, "Description": "first" })).await;
    assert!(key.starts_with("mrk-") && key.len() == 36, "{key}");
    let answer = client.ok("ReplicateKey", json!({ "KeyId": key, "ReplicaRegion": "us-east-1" })).await;
    assert_eq!(answer["ReplicaKeyMetadata"]["KeyState"], "Creating");
    assert_eq!(client.refused("ReplicateKey", json!({ "KeyId": key, "ReplicaRegion": "us-east-1" })).await, "AlreadyExistsException");
    assert_eq!(other.refused("DisableKey", json!({ "KeyId": key })).await, "KMSInvalidStateException");
    double.advance(SignedDuration::from_secs(5)).unwrap();
    let replica = other.describe(&key).await;
    assert_eq!((&replica["KeyState"], &replica["Description"]), (&json!("Enabled"), &json!("")));
    assert_eq!(replica["MultiRegionConfiguration"]["MultiRegionKeyType"], "REPLICA");
    assert_eq!(replica["MultiRegionConfiguration"]["PrimaryKey"]["Region"], REGION);

    // Rotation is set on the primary and shared.
    assert_eq!(other.refused("EnableKeyRotation", json!({ "KeyId": key })).await, "UnsupportedOperationException");
    client.ok("EnableKeyRotation", json!({ "KeyId": key })).await;
    assert_eq!(other.ok("GetKeyRotationStatus", json!({ "KeyId": key })).await["RotationPeriodInDays"], 365);

    let scheduled = client.ok("ScheduleKeyDeletion", json!({ "KeyId": key, "PendingWindowInDays": 8 })).await;
    assert_eq!(scheduled["KeyState"], "PendingReplicaDeletion");
    assert!(scheduled.get("DeletionDate").is_none());
    let waiting = client.describe(&key).await;
    assert!(waiting.get("DeletionDate").is_none());
    assert_eq!(waiting["PendingDeletionWindowInDays"], 8);
    double.advance(days(100)).unwrap();
    other.ok("ScheduleKeyDeletion", json!({ "KeyId": key, "PendingWindowInDays": 7 })).await;
    assert_eq!(client.describe(&key).await["KeyState"], "PendingReplicaDeletion", "the replica is only scheduled");
    double.advance(days(7)).unwrap();
    let running = client.describe(&key).await;
    assert_eq!(running["KeyState"], "PendingDeletion");
    assert!(running["DeletionDate"].is_number() && running.get("PendingDeletionWindowInDays").is_none());
    double.advance(days(8)).unwrap();
    assert!(double.keys().is_empty());
}

#[tokio::test]
async fn the_primary_moves() {
    let (double, client) = start().await;
    let other = client.in_region("us-east-1");
    let key = client.create(json!({ "MultiRegion": true })).await;
    for region in ["us-east-1", "us-west-2"] {
        client.ok("ReplicateKey", json!({ "KeyId": key, "ReplicaRegion": region })).await;
    }
    double.advance(SignedDuration::from_secs(5)).unwrap();
    client.ok("EnableKeyRotation", json!({ "KeyId": key })).await;
    client.ok("UpdatePrimaryRegion", json!({ "KeyId": key, "PrimaryRegion": "us-east-1" })).await;
    for client in [&client, &other] {
        assert_eq!(client.describe(&key).await["KeyState"], "Updating");
        assert_eq!(client.refused("ScheduleKeyDeletion", json!({ "KeyId": key })).await, "KMSInvalidStateException");
    }
    double.advance(SignedDuration::from_secs(5)).unwrap();
    for region in [REGION, "us-east-1", "us-west-2"] {
        let described = client.in_region(region).describe(&key).await;
        assert_eq!(described["KeyState"], "Enabled");
        let family = &described["MultiRegionConfiguration"];
        assert_eq!(family["PrimaryKey"]["Region"], "us-east-1", "{region}");
        let replicas: Vec<&Value> = family["ReplicaKeys"].as_array().unwrap().iter().map(|key| &key["Region"]).collect();
        assert_eq!(replicas, [REGION, "us-west-2"]);
    }
    assert_eq!(client.ok("GetKeyRotationStatus", json!({ "KeyId": key })).await["KeyRotationEnabled"], true);
    other.ok("DisableKeyRotation", json!({ "KeyId": key })).await;
    assert_eq!(client.ok("GetKeyRotationStatus", json!({ "KeyId": key })).await["KeyRotationEnabled"], false);
}
