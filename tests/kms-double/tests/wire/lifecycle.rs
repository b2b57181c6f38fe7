//! Deletion, rotation and use of a key as time passes.

use jiff::SignedDuration;
use kms_double::{Double, Entry, KeyState, Manager, Options, Origin, Plant};
use serde_json::{Value, json};

use crate::client::{Client, REGION, admin, days, seconds, start};

#[tokio::test]
async fn a_deletion_is_scheduled_cancelled_and_at_last_carried_out() {
    let (double, client) = start().await;
    let key = client.create(json!({})).await;
    client.ok("CreateAlias", json!({ "AliasName": "alias/doomed", "TargetKeyId": key })).await;
    let before = double.now();
    let scheduled = client.ok("ScheduleKeyDeletion", json!({ "KeyId": key, "PendingWindowInDays": 7, "Unknown": [] })).await;
    let arn = format!("arn:aws:kms:{REGION}:{}:key/{key}", kms_double::ACCOUNT);
    assert_eq!(scheduled["KeyId"], arn);
    assert_eq!(scheduled["KeyState"], "PendingDeletion");
    assert_eq!(scheduled["PendingWindowInDays"], 7);
    let wait = seconds(&scheduled["DeletionDate"]) - seconds(&json!(before.as_second()));
    assert!((wait - 7.0 * 86_400.0).abs() < 60.0, "{wait}");
    assert_eq!(client.describe(&key).await["DeletionDate"], scheduled["DeletionDate"]);

    assert_eq!(client.ok("CancelKeyDeletion", json!({ "KeyId": key })).await, json!({ "KeyId": arn }));
    let cancelled = client.describe(&key).await;
    assert_eq!((&cancelled["KeyState"], &cancelled["Enabled"]), (&json!("Disabled"), &json!(false)));
    assert!(cancelled.get("DeletionDate").is_none());

    assert_eq!(client.ok("ScheduleKeyDeletion", json!({ "KeyId": key })).await["PendingWindowInDays"], 30);
    double.advance(days(30) - SignedDuration::from_secs(60)).unwrap();
    assert_eq!(client.describe(&key).await["KeyState"], "PendingDeletion");
    let (status, _) = admin(&double, "POST", "clock", json!({ "advanceSeconds": 61 })).await;
    assert_eq!(status, 200);
    for operation in ["DescribeKey", "CancelKeyDeletion", "ScheduleKeyDeletion", "EnableKey", "ListResourceTags"] {
        assert_eq!(client.refused(operation, json!({ "KeyId": key })).await, "NotFoundException", "{operation}");
    }
    assert_eq!(client.ok("ListAliases", json!({})).await["Aliases"], json!([]));
    assert_eq!(client.refused("DescribeKey", json!({ "KeyId": "alias/doomed" })).await, "NotFoundException");
    assert!(double.keys().is_empty());
    let died: Vec<Entry> = double.ledger().into_iter().filter(|entry| entry.operation == "DeleteKey").collect();
    assert_eq!(died.len(), 1);
    assert_eq!((died[0].key.as_deref(), died[0].access_key.as_deref()), (Some(arn.as_str()), None));
    assert!(double.advance(SignedDuration::from_secs(-1)).is_err());
}

#[tokio::test]
async fn a_window_has_to_be_a_number_from_7_to_30() {
    let (_double, client) = start().await;
    let key = client.create(json!({})).await;
    for window in [0, 6, 31, -1] {
        let code = client.refused("ScheduleKeyDeletion", json!({ "KeyId": key, "PendingWindowInDays": window })).await;
        assert_eq!(code, "ValidationException", "{window}");
    }
    let code = client.refused("ScheduleKeyDeletion", json!({ "KeyId": key, "PendingWindowInDays": "7" })).await;
    assert_eq!(code, "SerializationException");
    assert_eq!(client.describe(&key).await["KeyState"], "Enabled");
}

#[tokio::test]
async fn a_key_may_die_later_than_its_date() {
    let double = Double::start(Options { deletion_delay: days(1), ..Options::default() }).await.unwrap();
    let client = Client::new(&double);
    let key = client.create(json!({})).await;
    client.ok("ScheduleKeyDeletion", json!({ "KeyId": key, "PendingWindowInDays": 7 })).await;
    double.advance(days(7) + SignedDuration::from_hours(23)).unwrap();
    assert_eq!(client.describe(&key).await["KeyState"], "PendingDeletion");
    double.advance(SignedDuration::from_hours(2)).unwrap();
    assert_eq!(client.refused("DescribeKey", json!({ "KeyId": key })).await, "NotFoundException");
}

#[tokio::test]
async fn rotation_follows_the_clock_and_hides_while_deletion_is_pending() {
    let (double, client) = start().await;
    let key = client.create(json!({})).await;
    for period in [89, 2561] {
        let code = client.refused("EnableKeyRotation", json!({ "KeyId": key, "RotationPeriodInDays": period })).await;
        assert_eq!(code, "ValidationException", "{period}");
    }
    client.ok("EnableKeyRotation", json!({ "KeyId": key, "RotationPeriodInDays": 90 })).await;
    double.advance(days(185)).unwrap();
    let rotations = client.ok("ListKeyRotations", json!({ "KeyId": key })).await;
    let kinds: Vec<&Value> = rotations["Rotations"].as_array().unwrap().iter().map(|entry| &entry["RotationType"]).collect();
    assert_eq!(kinds, ["AUTOMATIC", "AUTOMATIC"]);
    assert_eq!(client.describe(&key).await["CurrentKeyMaterialId"], rotations["Rotations"][1]["KeyMaterialId"]);

    let status = client.ok("GetKeyRotationStatus", json!({ "KeyId": key })).await;
    assert_eq!((&status["KeyRotationEnabled"], &status["RotationPeriodInDays"]), (&json!(true), &json!(90)));
    client.ok("ScheduleKeyDeletion", json!({ "KeyId": key, "PendingWindowInDays": 30 })).await;
    let pending = client.ok("GetKeyRotationStatus", json!({ "KeyId": key })).await;
    assert_eq!(pending["KeyRotationEnabled"], false);
    assert!(double.keys()[0].rotation.enabled);
    client.ok("CancelKeyDeletion", json!({ "KeyId": key })).await;
    assert_eq!(client.ok("GetKeyRotationStatus", json!({ "KeyId": key })).await, status);

    // A disabled key does not rotate; when it is enabled past its date, it rotates at once.
    double.advance(days(200)).unwrap();
    assert_eq!(double.keys()[0].rotation.rotated.len(), 2);
    client.ok("EnableKey", json!({ "KeyId": key })).await;
    assert_eq!(double.keys()[0].rotation.rotated.len(), 3);
}

#[tokio::test]
async fn rotation_on_demand_takes_its_time_and_ends_at_25() {
    let (double, client) = start().await;
    let key = client.create(json!({})).await;
    for _ in 0..25 {
        client.ok("RotateKeyOnDemand", json!({ "KeyId": key })).await;
        assert_eq!(client.refused("RotateKeyOnDemand", json!({ "KeyId": key })).await, "ConflictException");
        let status = client.ok("GetKeyRotationStatus", json!({ "KeyId": key })).await;
        assert!(status["OnDemandRotationStartDate"].is_number(), "{status}");
        double.advance(SignedDuration::from_secs(6)).unwrap();
    }
    assert_eq!(client.refused("RotateKeyOnDemand", json!({ "KeyId": key })).await, "LimitExceededException");
    assert_eq!(double.keys()[0].rotation.rotated.len(), 25);

    for members in
        [json!({ "KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY" }), json!({ "KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC" })]
    {
        let other = client.create(members).await;
        for operation in ["EnableKeyRotation", "DisableKeyRotation", "GetKeyRotationStatus", "RotateKeyOnDemand", "ListKeyRotations"] {
            let code = client.refused(operation, json!({ "KeyId": other })).await;
            assert_eq!(code, "UnsupportedOperationException", "{operation}");
        }
    }
}

#[tokio::test]
async fn an_unavailable_key_takes_switching_when_it_is_back() {
    let (double, client) = start().await;
    let plant = Plant { origin: Origin::AwsCloudHsm, state: Some(KeyState::Unavailable), ..Plant::new(kms_double::ACCOUNT, REGION) };
    let key = double.plant(&plant).unwrap().id;
    client.ok("DisableKey", json!({ "KeyId": key })).await;
    assert_eq!(client.describe(&key).await["KeyState"], "Unavailable");
    double.resume(&key).unwrap();
    assert_eq!(client.describe(&key).await["KeyState"], "Disabled");
}

#[tokio::test]
async fn a_key_that_aws_manages_can_only_be_looked_at() {
    let (double, client) = start().await;
    let plant = Plant { manager: Manager::Aws, alias: Some("alias/aws/s3".to_owned()), ..Plant::new(kms_double::ACCOUNT, REGION) };
    let key = double.plant(&plant).unwrap().id;
    assert_eq!(client.describe("alias/aws/s3").await["KeyManager"], "AWS");
    let status = client.ok("GetKeyRotationStatus", json!({ "KeyId": key })).await;
    assert_eq!(status["KeyRotationEnabled"], true);
    for operation in ["ScheduleKeyDeletion", "DisableKey", "EnableKeyRotation"] {
        assert_eq!(client.refused(operation, json!({ "KeyId": key })).await, "AccessDeniedException", "{operation}");
    }
    assert!(double.ledger().iter().all(|entry| !entry.took_effect));
}

#[tokio::test]
async fn a_ciphertext_shows_whether_its_key_works() {
    let (double, client) = start().await;
    let key = client.create(json!({})).await;
    assert_eq!(client.ok("GetKeyLastUsage", json!({ "KeyId": key })).await["KeyLastUsage"], json!({}));
    let context = json!({ "purpose": "test" });
    let sealed = client.ok("Encrypt", json!({ "KeyId": key, "Plaintext": "aGVsbG8=", "EncryptionContext": context })).await;
    let blob = &sealed["CiphertextBlob"];
    let open = json!({ "CiphertextBlob": blob, "EncryptionContext": context });
    assert_eq!(client.ok("Decrypt", open.clone()).await["Plaintext"], "aGVsbG8=");
    assert_eq!(client.refused("Decrypt", json!({ "CiphertextBlob": blob })).await, "InvalidCiphertextException");
    let usage = client.ok("GetKeyLastUsage", json!({ "KeyId": key })).await;
    assert_eq!(usage["KeyLastUsage"]["Operation"], "Decrypt");
    assert_eq!(double.keys()[0].last_use.as_ref().unwrap().operation, "Decrypt");

    let other = client.create(json!({})).await;
    let with_other = json!({ "CiphertextBlob": blob, "EncryptionContext": context, "KeyId": other });
    assert_eq!(client.refused("Decrypt", with_other).await, "IncorrectKeyException");
    client.ok("DisableKey", json!({ "KeyId": key })).await;
    assert_eq!(client.refused("Decrypt", open.clone()).await, "DisabledException");
    client.ok("ScheduleKeyDeletion", json!({ "KeyId": key, "PendingWindowInDays": 7 })).await;
    assert_eq!(client.refused("Decrypt", open.clone()).await, "KMSInvalidStateException");
    double.advance(days(7)).unwrap();
    assert_eq!(client.refused("Decrypt", open).await, "AccessDeniedException");
    assert!(double.ledger().iter().all(|entry| entry.params.get("Plaintext").is_none()));
}
