//! Custom key stores, and the keys in them.

use jiff::SignedDuration;
use kms_double::{ACCOUNT, KeyState, KeyStore, Origin};
use serde_json::{Value, json};

use crate::client::{REGION, admin, days, start};

#[tokio::test]
async fn a_key_is_made_in_a_connected_store() {
    let (double, client) = start().await;
    let hsm = double.plant_key_store(&KeyStore::new(ACCOUNT, REGION, "hsm", Origin::AwsCloudHsm)).unwrap();
    let known = Some(vec!["key-1".to_owned()]);
    let external = KeyStore { external_keys: known, ..KeyStore::new(ACCOUNT, REGION, "external", Origin::ExternalKeyStore) };
    let external = double.plant_key_store(&external).unwrap();
    assert!(double.plant_key_store(&KeyStore::new(ACCOUNT, REGION, "hsm", Origin::AwsCloudHsm)).is_err());
    let in_hsm = json!({ "Origin": "AWS_CLOUDHSM", "CustomKeyStoreId": hsm });
    let outside = json!({ "Origin": "EXTERNAL_KEY_STORE", "CustomKeyStoreId": external, "XksKeyId": "key-1" });
    let made = client.ok("CreateKey", in_hsm.clone()).await["KeyMetadata"].clone();
    assert_eq!((&made["Origin"], &made["CustomKeyStoreId"]), (&json!("AWS_CLOUDHSM"), &json!(hsm)));
    assert!(made["CloudHsmClusterId"].is_string() && made.get("CurrentKeyMaterialId").is_none(), "{made}");
    let made = client.ok("CreateKey", outside.clone()).await["KeyMetadata"].clone();
    assert_eq!((&made["CustomKeyStoreId"], &made["XksKeyConfiguration"]), (&json!(external), &json!({ "Id": "key-1" })));
    let with = |members: &Value, name: &str, value: Value| {
        let mut members = members.clone();
        members[name] = value;
        members
    };
    let refused = [
        (outside.clone(), "XksKeyAlreadyInUseException"),
        (with(&outside, "XksKeyId", json!("key-2")), "XksKeyNotFoundException"),
        (with(&outside, "XksKeyId", json!("key 1")), "ValidationException"),
        (with(&outside, "XksKeyId", Value::Null), "ValidationException"),
        (with(&outside, "CustomKeyStoreId", json!(hsm)), "ValidationException"),
        (with(&in_hsm, "XksKeyId", json!("key-1")), "ValidationException"),
        (with(&in_hsm, "CustomKeyStoreId", json!("cks-1")), "CustomKeyStoreNotFoundException"),
        (with(&in_hsm, "CustomKeyStoreId", Value::Null), "ValidationException"),
        (with(&in_hsm, "Origin", json!("AWS_KMS")), "ValidationException"),
        (with(&in_hsm, "MultiRegion", json!(true)), "UnsupportedOperationException"),
        (with(&with(&in_hsm, "KeySpec", json!("RSA_2048")), "KeyUsage", json!("SIGN_VERIFY")), "UnsupportedOperationException"),
    ];
    for (members, code) in refused {
        assert_eq!(client.refused("CreateKey", members.clone()).await, code, "{members}");
    }
    client.ok("GenerateRandom", json!({ "NumberOfBytes": 8, "CustomKeyStoreId": hsm })).await;
    let of_external = json!({ "NumberOfBytes": 8, "CustomKeyStoreId": external });
    assert_eq!(client.refused("GenerateRandom", of_external).await, "UnsupportedOperationException");
}

#[tokio::test]
async fn stores_are_described() {
    let (double, client) = start().await;
    let hsm = double.plant_key_store(&KeyStore::new(ACCOUNT, REGION, "hsm", Origin::AwsCloudHsm)).unwrap();
    let planted = json!({ "account": ACCOUNT, "region": REGION, "name": "external", "origin": "EXTERNAL_KEY_STORE", "connected": false });
    let (status, planted) = admin(&double, "POST", "key-stores", planted).await;
    assert_eq!(status, 200, "{planted}");
    let external = &planted["customKeyStoreId"];
    let of = |filter: Value| client.ok("DescribeCustomKeyStores", filter);
    assert_eq!(of(json!({})).await["CustomKeyStores"].as_array().unwrap().len(), 2);
    let first = of(json!({ "CustomKeyStoreName": "hsm" })).await["CustomKeyStores"][0].clone();
    assert_eq!((&first["CustomKeyStoreId"], &first["ConnectionState"]), (&json!(hsm), &json!("CONNECTED")));
    let second = of(json!({ "CustomKeyStoreId": external })).await["CustomKeyStores"][0].clone();
    assert_eq!((&second["CustomKeyStoreType"], &second["ConnectionState"]), (&json!("EXTERNAL_KEY_STORE"), &json!("DISCONNECTED")));
    let page = of(json!({ "Limit": 1 })).await;
    let rest = of(json!({ "Limit": 1, "Marker": page["NextMarker"] })).await;
    assert_ne!(page["CustomKeyStores"], rest["CustomKeyStores"]);
    assert_eq!(client.in_region("us-east-1").ok("DescribeCustomKeyStores", json!({})).await["CustomKeyStores"], json!([]));
    let refused = [
        ("DescribeCustomKeyStores", json!({ "CustomKeyStoreName": "none" }), "CustomKeyStoreNotFoundException"),
        ("DescribeCustomKeyStores", json!({ "CustomKeyStoreName": "hsm", "CustomKeyStoreId": hsm }), "ValidationException"),
        ("ConnectCustomKeyStore", json!({ "CustomKeyStoreId": "cks-1" }), "CustomKeyStoreNotFoundException"),
        ("ConnectCustomKeyStore", json!({}), "ValidationException"),
        ("DisconnectCustomKeyStore", json!({ "CustomKeyStoreId": external }), "CustomKeyStoreInvalidStateException"),
        ("GenerateRandom", json!({ "NumberOfBytes": 1, "CustomKeyStoreId": "cks-1" }), "CustomKeyStoreNotFoundException"),
    ];
    for (operation, members, code) in refused {
        assert_eq!(client.refused(operation, members.clone()).await, code, "{operation} {members}");
    }
}

#[tokio::test]
async fn keys_are_unavailable_while_their_store_is_disconnected() {
    let (double, client) = start().await;
    let hsm = double.plant_key_store(&KeyStore::new(ACCOUNT, REGION, "hsm", Origin::AwsCloudHsm)).unwrap();
    let store = json!({ "CustomKeyStoreId": hsm });
    let make = json!({ "Origin": "AWS_CLOUDHSM", "CustomKeyStoreId": hsm });
    let (used, scheduled) = (client.create(make.clone()).await, client.create(make.clone()).await);
    let own = client.create(json!({})).await;
    let sealed = client.ok("Encrypt", json!({ "KeyId": used, "Plaintext": "aGk=" })).await;
    let open = json!({ "CiphertextBlob": sealed["CiphertextBlob"] });
    client.ok("ScheduleKeyDeletion", json!({ "KeyId": scheduled, "PendingWindowInDays": 7 })).await;
    client.ok("DisconnectCustomKeyStore", store.clone()).await;
    let states = || [&used, &scheduled, &own].map(|key| double.key(key).unwrap().state);
    assert_eq!(states(), [KeyState::Unavailable, KeyState::PendingDeletion, KeyState::Enabled]);
    assert_eq!(client.refused("Decrypt", open.clone()).await, "KMSInvalidStateException");
    assert_eq!(client.refused("CreateKey", make.clone()).await, "CustomKeyStoreInvalidStateException");
    let random = json!({ "NumberOfBytes": 1, "CustomKeyStoreId": hsm });
    assert_eq!(client.refused("GenerateRandom", random).await, "CustomKeyStoreInvalidStateException");
    // What is rescued now waits for its store too, and a switch takes effect later.
    client.ok("CancelKeyDeletion", json!({ "KeyId": scheduled })).await;
    assert_eq!(states()[1], KeyState::Unavailable);
    client.ok("DisableKey", json!({ "KeyId": used })).await;

    client.ok("ConnectCustomKeyStore", store.clone()).await;
    let state = || client.ok("DescribeCustomKeyStores", store.clone());
    assert_eq!(state().await["CustomKeyStores"][0]["ConnectionState"], "CONNECTING");
    assert_eq!(client.refused("CreateKey", make.clone()).await, "CustomKeyStoreInvalidStateException");
    double.advance(SignedDuration::from_secs(6)).unwrap();
    assert_eq!(state().await["CustomKeyStores"][0]["ConnectionState"], "CONNECTED");
    assert_eq!(states(), [KeyState::Disabled, KeyState::Disabled, KeyState::Enabled]);
    client.ok("EnableKey", json!({ "KeyId": used })).await;
    client.ok("Decrypt", open).await;
    let pair = json!({ "KeyId": used, "KeyPairSpec": "ECC_NIST_P256" });
    assert_eq!(client.refused("GenerateDataKeyPair", pair).await, "UnsupportedOperationException");
    // A deletion goes on while the store is disconnected.
    client.ok("ScheduleKeyDeletion", json!({ "KeyId": used, "PendingWindowInDays": 7 })).await;
    client.ok("DisconnectCustomKeyStore", store).await;
    double.advance(days(7)).unwrap();
    assert_eq!(client.refused("DescribeKey", json!({ "KeyId": used })).await, "NotFoundException");
}
