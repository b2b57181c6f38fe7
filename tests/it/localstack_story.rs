//! The main story once more, over a KMS that no one here wrote.

use aws_sdk_kms::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
    types::KeyState,
};
use keyward::api::ConditionType;
use kms_double::{ACCESS_KEY, Options, SECRET_KEY};
use serde_json::json;

use crate::support::{
    localstack,
    scene::{REGION, Scene, find, message},
};

/// A person at `LocalStack`, in the operator's account.
fn person(endpoint: &str) -> Client {
    let config = aws_sdk_kms::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "tests"))
        .build();
    Client::from_conf(config)
}

async fn state(kms: &Client, key: &str) -> KeyState {
    kms.describe_key().key_id(key).send().await.unwrap().key_metadata.unwrap().key_state.unwrap()
}

#[tokio::test]
#[allow(clippy::await_holding_lock, reason = "the clock is this test's alone until it ends, and its runtime has one thread")]
async fn the_main_story_on_localstack() {
    let localstack = localstack::with_a_clock_to_move();
    let endpoint = localstack.endpoint.clone();
    let scene = Scene::real_with(
        "localstack",
        Options::default(),
        json!({
            "aws": { "endpoint": endpoint, "stsEndpoint": endpoint },
            // LocalStack does not tell when a key was used.
            "deletionGuard": { "minimumIdleDays": 0 },
        }),
    )
    .await;
    let kms = person(&endpoint);

    scene.create("orders", json!({ "autoRotation": true, "rotationPeriodDays": 180, "tags": { "team": "shop" } })).await;
    let object = scene.until_ready("orders", "True", "Available").await;
    let key = object.status.and_then(|status| status.key_arn).unwrap();
    assert_eq!(state(&kms, &key).await, KeyState::Enabled);
    let rotation = kms.get_key_rotation_status().key_id(&key).send().await.unwrap();
    assert_eq!((rotation.key_rotation_enabled, rotation.rotation_period_in_days), (true, Some(180)));

    kms.disable_key().key_id(&key).send().await.unwrap();
    scene.look("orders").await;
    assert_eq!(state(&kms, &key).await, KeyState::Enabled);
    scene.until_event("orders", "DriftDetected").await;

    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    let object = scene.until_ready("orders", "True", "DeletionScheduled").await;
    assert_eq!(state(&kms, &key).await, KeyState::PendingDeletion);
    assert_eq!(find(&object, ConditionType::PendingDeletion).unwrap().reason, "Declared");

    scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(state(&kms, &key).await, KeyState::Enabled);

    scene.delete("orders").await;
    scene.until_gone("orders").await;
    assert_eq!(state(&kms, &key).await, KeyState::Enabled);
    scene.create("orders", json!({ "autoRotation": true, "rotationPeriodDays": 180 })).await;
    let object = scene.until_ready("orders", "True", "Available").await;
    assert_eq!(object.status.and_then(|status| status.key_arn).as_ref(), Some(&key), "the same key, taken up again");
    assert_eq!(kms.list_keys().send().await.unwrap().keys().len(), 1, "and no other");

    // A key that was taken up lately is not scheduled without a person's word.
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    let object = scene.until_ready("orders", "False", "NotSeenLive").await;
    scene.confirm(&object).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    // Only the server's clock moves, so that the key goes before its date by the operator's.
    localstack.pass_days(8).await.unwrap();
    let object = scene
        .until("orders", "it is missed", |object| {
            find(object, ConditionType::Stalled).is_some_and(|stalled| stalled.reason == "KeyMissing")
        })
        .await;
    assert!(message(&object).contains("its deletion was due later"), "{}", message(&object));
}
