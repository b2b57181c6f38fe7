//! Keys in custom key stores of AWS.

use keyward::api::ConditionType;
use kms_double::{ACCOUNT, KeyState as Actual, KeyStore, Options, Origin};
use serde_json::{Value, json};

use crate::support::{
    scene::{REGION, Scene, find, message},
    vendor::{CIPHER_TRUST, HUAWEI},
};

fn external(store: &str, key: &str) -> Value {
    json!({ "key": { "origin": "EXTERNAL_KEY_STORE", "customKeyStoreId": store, "xksKeyId": key } })
}

#[tokio::test]
async fn a_key_is_made_in_a_cluster_and_what_its_deletion_leaves_there_is_told() {
    let scene = Scene::new("cluster").await;
    let store = scene.double.plant_key_store(&KeyStore::new(ACCOUNT, REGION, "hsm", Origin::AwsCloudHsm)).unwrap();
    scene.create("orders", json!({ "key": { "origin": "AWS_CLOUDHSM", "customKeyStoreId": store } })).await;
    let object = scene.until_ready("orders", "True", "Available").await;
    let facts = object.status.unwrap().key.unwrap();
    assert_eq!((facts.origin.as_str(), facts.custom_key_store_id.as_ref(), facts.xks_key_id), ("AWS_CLOUDHSM", Some(&store), None));
    assert_eq!(scene.key("orders").await.origin, Origin::AwsCloudHsm);

    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    let object = scene.until_ready("orders", "True", "DeletionScheduled").await;
    assert_eq!(scene.key("orders").await.state, Actual::PendingDeletion);
    let left = "AWS then tries to delete the key material in the CloudHSM cluster; what is left there or in backups";
    let pending = &find(&object, ConditionType::PendingDeletion).unwrap().message;
    assert!(pending.contains(left), "{pending}");
    let told = scene.until_event("orders", "KeyDeletionScheduled").await;
    assert!(told.contains(left), "{told}");
}

#[tokio::test]
async fn an_external_key_serves_one_object_and_a_store_that_is_not_connected_is_waited_for() {
    let scene = Scene::new("external").await;
    let keys = Some(vec!["one".to_owned(), "two".to_owned()]);
    let store = KeyStore { external_keys: keys, ..KeyStore::new(ACCOUNT, REGION, "xks", Origin::ExternalKeyStore) };
    let store = scene.double.plant_key_store(&store).unwrap();
    scene.create("first", external(&store, "one")).await;
    let object = scene.until_ready("first", "True", "Available").await;
    assert_eq!(object.status.unwrap().key.unwrap().xks_key_id.as_deref(), Some("one"));

    for (name, spec, word) in [
        ("second", external(&store, "one"), "The external key one belongs to another KMS key"),
        ("unknown", external(&store, "three"), "The external key three does not exist"),
        ("nowhere", external("cks-none", "two"), "Custom key store cks-none does not exist"),
        ("unnamed", json!({ "key": { "origin": "EXTERNAL_KEY_STORE", "customKeyStoreId": store } }), "spec.key.xksKeyId is absent"),
    ] {
        scene.create(name, spec).await;
        let object = scene.until_ready(name, "False", "InvalidSpec").await;
        assert!(message(&object).contains(word), "{name}: {}", message(&object));
    }

    scene.person().disconnect_custom_key_store().custom_key_store_id(&store).send().await.unwrap();
    scene.create("late", external(&store, "two")).await;
    let object = scene.until_ready("late", "False", "KeyUnavailable").await;
    assert!(message(&object).contains("connect it"), "{}", message(&object));
    // The key that the store has is unavailable, and nothing is changed on it.
    let before = scene.now();
    scene.look("first").await;
    scene.until_ready("first", "False", "KeyUnavailable").await;
    assert!(scene.changes(before).iter().all(|call| call == "CreateKey"), "{:?}", scene.changes(before));

    scene.person().connect_custom_key_store().custom_key_store_id(&store).send().await.unwrap();
    scene.double.advance(jiff::SignedDuration::from_mins(30)).unwrap();
    scene.look("late").await;
    scene.until_ready("late", "True", "Available").await;
    scene.look("first").await;
    scene.until_ready("first", "True", "Available").await;
}

#[tokio::test]
async fn what_the_deletion_of_an_external_key_leaves_behind_is_told() {
    let scene = Scene::new("external-left").await;
    let keys = Some(vec!["one".to_owned()]);
    let store = KeyStore { external_keys: keys, ..KeyStore::new(ACCOUNT, REGION, "xks", Origin::ExternalKeyStore) };
    let store = scene.double.plant_key_store(&store).unwrap();
    scene.create("orders", external(&store, "one")).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    let object = scene.until_ready("orders", "True", "DeletionScheduled").await;
    assert_eq!(scene.key("orders").await.state, Actual::PendingDeletion);
    let left = "; the key in the external key manager stays, but cannot decrypt without the KMS key";
    let pending = &find(&object, ConditionType::PendingDeletion).unwrap().message;
    assert!(pending.contains(left), "{pending}");
    let told = scene.until_event("orders", "KeyDeletionScheduled").await;
    assert!(told.contains(left), "{told}");
}

#[tokio::test]
async fn the_other_kms_have_no_key_stores_and_say_so() {
    for vendor in [&CIPHER_TRUST, &HUAWEI] {
        let scene = Scene::alone(vendor, "no-store", Options::default(), json!({})).await;
        let before = scene.now();
        scene.create("orders", external("cks-1", "one")).await;
        let object = scene.until_ready("orders", "False", "InvalidSpec").await;
        assert!(
            message(&object).contains("spec.key names a custom key store, but Keyward creates no keys in key stores"),
            "{}",
            message(&object)
        );
        assert_eq!(scene.changes(before), [""; 0]);
    }
}
