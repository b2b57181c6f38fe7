//! Multi-Region keys.

use jiff::SignedDuration;
use kms_double::Credential;
use serde_json::{Value, json};

use crate::client::{Client, REGION, days, start};

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

#[tokio::test]
async fn a_primary_waits_for_the_last_of_several_replicas() {
    let (double, client) = start().await;
    let regions = ["us-east-1", "us-west-2", "ap-south-1"];
    let key = client.create(json!({ "MultiRegion": true })).await;
    for region in regions {
        client.ok("ReplicateKey", json!({ "KeyId": key, "ReplicaRegion": region })).await;
    }
    double.advance(SignedDuration::from_secs(5)).unwrap();
    client.ok("ScheduleKeyDeletion", json!({ "KeyId": key, "PendingWindowInDays": 7 })).await;
    // A second order is refused in every Region, and each Region counts for itself.
    assert_eq!(client.refused("ScheduleKeyDeletion", json!({ "KeyId": key })).await, "KMSInvalidStateException");
    for (region, window) in regions.into_iter().zip([7, 10, 20]) {
        let there = client.in_region(region);
        assert_eq!(there.describe(&key).await["KeyState"], "Enabled", "{region}");
        there.ok("ScheduleKeyDeletion", json!({ "KeyId": key, "PendingWindowInDays": window })).await;
    }
    double.advance(days(11)).unwrap();
    let waiting = client.describe(&key).await;
    assert_eq!((&waiting["KeyState"], &waiting["PendingDeletionWindowInDays"]), (&json!("PendingReplicaDeletion"), &json!(7)));
    let left: Vec<&Value> =
        waiting["MultiRegionConfiguration"]["ReplicaKeys"].as_array().unwrap().iter().map(|key| &key["Region"]).collect();
    assert_eq!(left, ["ap-south-1"]);
    // The last replica is rescued, so the primary waits for ever, until its own deletion is cancelled.
    client.in_region("ap-south-1").ok("CancelKeyDeletion", json!({ "KeyId": key })).await;
    double.advance(days(400)).unwrap();
    assert_eq!(client.describe(&key).await["KeyState"], "PendingReplicaDeletion");
    client.ok("CancelKeyDeletion", json!({ "KeyId": key })).await;
    assert_eq!(client.describe(&key).await["KeyState"], "Disabled");
    // The Regions of the deleted replicas are free again.
    client.ok("EnableKey", json!({ "KeyId": key })).await;
    client.ok("ReplicateKey", json!({ "KeyId": key, "ReplicaRegion": "us-east-1" })).await;
    assert_eq!(client.refused("ReplicateKey", json!({ "KeyId": key, "ReplicaRegion": "ap-south-1" })).await, "AlreadyExistsException");
}

#[tokio::test]
async fn the_primary_moves_so_that_the_old_one_can_be_deleted() {
    let (double, client) = start().await;
    let other = client.in_region("us-east-1");
    let key = client.create(json!({ "MultiRegion": true })).await;
    client.ok("ReplicateKey", json!({ "KeyId": key, "ReplicaRegion": "us-east-1" })).await;
    double.advance(SignedDuration::from_secs(5)).unwrap();
    client.ok("RotateKeyOnDemand", json!({ "KeyId": key })).await;
    let status = other.ok("GetKeyRotationStatus", json!({ "KeyId": key })).await;
    assert!(status["OnDemandRotationStartDate"].is_number(), "a replica shares the rotation: {status}");
    assert_eq!(other.refused("RotateKeyOnDemand", json!({ "KeyId": key })).await, "UnsupportedOperationException");
    client.ok("UpdatePrimaryRegion", json!({ "KeyId": key, "PrimaryRegion": "us-east-1" })).await;
    assert_eq!(client.refused("ScheduleKeyDeletion", json!({ "KeyId": key })).await, "KMSInvalidStateException");
    double.advance(SignedDuration::from_secs(5)).unwrap();
    for client in [&client, &other] {
        let rotations = client.ok("ListKeyRotations", json!({ "KeyId": key })).await;
        assert_eq!(rotations["Rotations"][0]["RotationType"], "ON_DEMAND", "the rotation moved with the primary: {rotations}");
        assert_eq!(client.describe(&key).await["CurrentKeyMaterialId"], rotations["Rotations"][0]["KeyMaterialId"]);
    }
    let scheduled = client.ok("ScheduleKeyDeletion", json!({ "KeyId": key, "PendingWindowInDays": 7 })).await;
    assert_eq!(scheduled["KeyState"], "PendingDeletion");
    double.advance(days(7)).unwrap();
    assert_eq!(client.refused("DescribeKey", json!({ "KeyId": key })).await, "NotFoundException");
    assert_eq!(other.describe(&key).await["MultiRegionConfiguration"]["ReplicaKeys"], json!([]));
}

#[tokio::test]
async fn a_move_needs_two_enabled_keys_of_one_family() {
    let (double, client) = start().await;
    let other = client.in_region("us-east-1");
    let key = client.create(json!({ "MultiRegion": true })).await;
    let to = |region: &str| json!({ "KeyId": key, "PrimaryRegion": region });
    client.ok("ReplicateKey", json!({ "KeyId": key, "ReplicaRegion": "us-east-1" })).await;
    assert_eq!(client.refused("UpdatePrimaryRegion", to("us-east-1")).await, "KMSInvalidStateException", "the replica is Creating");
    double.advance(SignedDuration::from_secs(5)).unwrap();
    other.ok("DisableKey", json!({ "KeyId": key })).await;
    assert_eq!(client.refused("UpdatePrimaryRegion", to("us-east-1")).await, "DisabledException");
    other.ok("EnableKey", json!({ "KeyId": key })).await;
    client.ok("DisableKey", json!({ "KeyId": key })).await;
    assert_eq!(client.refused("UpdatePrimaryRegion", to("us-east-1")).await, "DisabledException");
    client.ok("EnableKey", json!({ "KeyId": key })).await;
    assert_eq!(client.refused("UpdatePrimaryRegion", to("us-west-2")).await, "NotFoundException");
    assert_eq!(client.refused("UpdatePrimaryRegion", to("Ireland")).await, "ValidationException");
    assert_eq!(other.refused("UpdatePrimaryRegion", to("us-east-1")).await, "UnsupportedOperationException");
    assert_eq!(
        client.refused("ReplicateKey", json!({ "KeyId": key, "ReplicaRegion": "cn-north-1" })).await,
        "UnsupportedOperationException"
    );
}

#[tokio::test]
async fn a_replica_needs_the_right_to_create_it() {
    let (double, client) = start().await;
    let key = client.create(json!({ "MultiRegion": true })).await;
    let with = |allow: &[&str]| {
        let allow = Some(allow.iter().map(|action| (*action).to_owned()).collect());
        let access_key = "AKIAREPLICATOR00000";
        double.add_credential(Credential { allow, ..Credential::new(access_key, "secret", kms_double::ACCOUNT) });
        Client { access_key: access_key.to_owned(), secret: "secret".to_owned(), ..client.clone() }
    };
    let replicate = json!({ "KeyId": key, "ReplicaRegion": "us-east-1", "Tags": [{ "TagKey": "a", "TagValue": "b" }] });
    for allow in [&["kms:ReplicateKey"][..], &["kms:ReplicateKey", "kms:CreateKey"]] {
        assert_eq!(with(allow).refused("ReplicateKey", replicate.clone()).await, "AccessDeniedException", "{allow:?}");
    }
    with(&["kms:ReplicateKey", "kms:CreateKey", "kms:TagResource"]).ok("ReplicateKey", replicate).await;
    let create = json!({ "Tags": [{ "TagKey": "a", "TagValue": "b" }] });
    assert_eq!(with(&["kms:CreateKey"]).refused("CreateKey", create.clone()).await, "AccessDeniedException");
    with(&["kms:CreateKey", "kms:TagResource"]).ok("CreateKey", create).await;
    with(&["kms:CreateKey"]).ok("CreateKey", json!({})).await;
}
