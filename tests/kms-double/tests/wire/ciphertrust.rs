//! `CipherTrust`: the life of a key, and the shapes of the replies in Thales's documentation.

use kms_double::{CIPHERTRUST_KMS, Double, KeyState, Options};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::ciphertrust_client::{Client, id, instant, options, start};
use crate::client::{self, days};

#[tokio::test]
async fn a_key_lives_and_is_scheduled_and_saved() {
    let (double, client) = start().await;
    let made = client.create(json!({ "Alias": "mine", "Description": "d", "Tags": [{ "TagKey": "k", "TagValue": "v" }] })).await;
    let key = id(&made);
    assert_eq!(client.key(&key).await, made);
    assert_eq!(client.list("alias=mine").await[0], made);
    assert_eq!(made["aws_param"]["Alias"], json!(["alias/mine"]));

    let pending = client.done(&key, "schedule-deletion", json!({ "days": 7 })).await;
    assert_eq!((&pending["aws_param"]["KeyState"], &pending["aws_param"]["Enabled"]), (&json!("PendingDeletion"), &json!(false)));
    let (date, updated) = (instant(&pending["aws_param"]["DeletionDate"]), instant(&pending["updatedAt"]));
    assert!(date.duration_since(updated + days(7)).abs().as_micros() < 1000, "{pending}");
    assert_eq!(pending["synced_at"], made["synced_at"]);
    assert_ne!(pending["updatedAt"], made["updatedAt"]);

    let saved = client.done(&key, "cancel-deletion", Value::Null).await;
    assert_eq!(saved["aws_param"]["KeyState"], "Disabled");
    assert!(saved["aws_param"].get("DeletionDate").is_none());
    assert_eq!(client.key(&key).await, saved);
    assert_eq!(double.keys()[0].state, KeyState::Disabled);

    // One entry for each call, and none for what CCKM had AWS do.
    let told: Vec<_> =
        double.ledger().into_iter().map(|entry| (entry.service, entry.operation, entry.took_effect, entry.changed)).collect();
    let expected = [
        ("login", false),
        ("create-key", true),
        ("get-key", false),
        ("list-keys", false),
        ("schedule-deletion", true),
        ("cancel-deletion", true),
        ("get-key", false),
    ];
    let expected = expected.map(|(operation, effect)| ("ciphertrust".to_owned(), operation.to_owned(), effect, effect));
    assert_eq!(told, expected);
    let entry = &double.ledger()[4];
    assert_eq!((entry.state_before, entry.state_after), (Some(KeyState::Enabled), Some(KeyState::PendingDeletion)));
    assert_eq!(entry.key.as_deref(), made["aws_param"]["Arn"].as_str());
    assert_eq!((entry.access_key.as_deref(), entry.account.as_deref()), (Some(kms_double::CIPHERTRUST_USER), Some(kms_double::ACCOUNT)));
    assert_eq!((entry.region.as_deref(), &entry.params), (Some(client::REGION), &json!({ "days": 7 })));
}

/// The body that the documentation shows for `schedule-deletion`.
const SAMPLE: &str = r#"{
"id": "baf58871-2503-4d13-a84a-339aeb8fdfaf",
"uri": "kylo:kylo:cckm:aws-key:baf58871-2503-4d13-a84a-339aeb8fdfaf",
"account": "kylo:kylo:admin:accounts:kylo",
"application": "ncryptify:gemalto:admin:apps:kylo",
"devAccount": "ncryptify:gemalto:admin:accounts:gemalto",
"createdAt": "2020-11-05T06:35:42.443457Z",
"updatedAt": "2020-11-05T06:48:43.972188229Z",
"kms_id": "0b90f8de-8617-498d-ad63-ca18eb717ae7",
"kms": "kms",
"synced_at": "2020-11-05T06:38:27.581643Z",
"rotation_status": "",
"cloud_name": "aws",
"key_type": "symmetric",
"basic_view_enabled": false,
"region": "ap-south-1",
"gone": false,
"key_material_origin": "native",
"aws_param": {
    "AWSAccountId": "123456789012",
    "Arn": "arn:aws:kms:ap-south-1:123456789012:key/623321f4-a7d4-4d52-89bf-a9f26a29360e",
    "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
    "Description": "key-description",
    "Enabled": false,
    "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
    "KeyID": "623321f4-a7d4-4d52-89bf-a9f26a29360e",
    "KeyManager": "CUSTOMER",
    "KeyState": "PendingDeletion",
    "KeyUsage": "ENCRYPT_DECRYPT",
    "Origin": "AWS_KMS",
    "CreationDate": "2020-11-05T06:35:29Z",
    "Policy": {
        "Id": "key-default-1",
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "Enable IAM User Permissions",
            "Action": "kms:*",
            "Effect": "Allow",
            "Resource": "*",
            "Principal": { "AWS": "arn:aws:iam::123456789012:root" }
        }]
    },
    "Alias": ["alias/aws-test-key"],
    "Tags": [{ "TagKey": "key", "TagValue": "value" }],
    "DeletionDate": "2020-11-12T06:48:43.971985424Z",
    "KeyRotationEnabled": false
}
}"#;

/// The same for a key that lives: what the two other pages show.
fn sample(state: &str, enabled: bool, rotates: bool) -> Value {
    let mut sample: Value = serde_json::from_str(SAMPLE).unwrap();
    let aws = sample["aws_param"].as_object_mut().unwrap();
    aws.remove("DeletionDate");
    aws.extend(
        [("KeyState", json!(state)), ("Enabled", json!(enabled)), ("KeyRotationEnabled", json!(rotates))].map(|(n, v)| (n.to_owned(), v)),
    );
    sample
}

#[tokio::test]
async fn replies_have_the_fields_of_the_documented_ones() {
    let (_double, client) = start().await;
    let aws = json!({ "Alias": "aws-test-key", "Description": "key-description", "Tags": [{ "TagKey": "key", "TagValue": "value" }] });
    let body = json!({ "kms": CIPHERTRUST_KMS, "region": "ap-south-1", "aws_param": aws });
    let key = id(&client.post("/api/v1/cckm/aws/keys", body).await.json());

    let rotating = client.done(&key, "enable-auto-rotation", Value::Null).await;
    resembles(&rotating, &sample("Enabled", true, true), &["MultiRegion", "NextRotationDate", "RotationPeriodInDays"]);
    let pending = client.done(&key, "schedule-deletion", json!({ "days": 7 })).await;
    resembles(&pending, &serde_json::from_str(SAMPLE).unwrap(), &["MultiRegion"]);
    let saved = client.done(&key, "cancel-deletion", Value::Null).await;
    // Here the documented key had no rotation that could come back.
    resembles(&saved, &sample("Disabled", false, true), &["MultiRegion", "NextRotationDate", "RotationPeriodInDays"]);
    client.done(&key, "enable", Value::Null).await;
    client.done(&key, "disable-auto-rotation", Value::Null).await;
    client.done(&key, "schedule-deletion", json!({ "days": 7 })).await;
    let saved = client.done(&key, "cancel-deletion", json!({})).await;
    resembles(&saved, &sample("Disabled", false, false), &["MultiRegion"]);
}

/// The same members with the same values, but for ids, names and times, which have the same form; and no others in `aws_param` than
/// those that newer versions add.
fn resembles(key: &Value, sample: &Value, newer: &[&str]) {
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(key), names(sample));
    let mut key = key.clone();
    assert_eq!(key["uri"], format!("kylo:kylo:cckm:aws-key:{}", id(&key)));
    let arn = format!("arn:aws:kms:ap-south-1:{}:key/{}", kms_double::ACCOUNT, key["aws_param"]["KeyID"].as_str().unwrap());
    assert_eq!(key["aws_param"]["Arn"], arn);
    assert_eq!(key["aws_param"]["Policy"]["Statement"][0]["Principal"]["AWS"], format!("arn:aws:iam::{}:root", kms_double::ACCOUNT));
    for time in ["createdAt", "updatedAt", "synced_at"] {
        instant(&key[time]);
    }
    for time in ["CreationDate", "DeletionDate"] {
        key["aws_param"].get(time).map(instant);
    }
    for varying in ["id", "uri", "createdAt", "updatedAt", "kms_id", "kms", "synced_at"] {
        assert!(key[varying].is_string());
        key[varying] = sample[varying].clone();
    }
    let aws = key["aws_param"].as_object_mut().unwrap();
    for name in newer {
        assert!(aws.remove(*name).is_some(), "{name}");
    }
    for varying in ["AWSAccountId", "Arn", "KeyID", "CreationDate", "DeletionDate"] {
        if aws.contains_key(varying) {
            aws.insert(varying.to_owned(), sample["aws_param"][varying].clone());
        }
    }
    aws["Policy"]["Statement"][0]["Principal"] = sample["aws_param"]["Policy"]["Statement"][0]["Principal"].clone();
    assert_eq!(key, *sample);
}

#[tokio::test]
async fn every_reply_bears_the_date_of_the_double_s_clock() {
    let double = Double::start(Options { clock_behind: days(400), ..options() }).await.unwrap();
    let client = Client::login(&double).await;
    let stranger = Client::stranger(&double);
    for reply in [client.get("keys").await, client.get("nothing").await, stranger.get("keys").await] {
        let date = reply.header("date").unwrap();
        let date = jiff::fmt::rfc2822::parse(date).map(|zoned| zoned.timestamp());
        assert!(double.now().duration_since(date.unwrap()).abs().as_secs() < 10, "{}", reply.head);
        assert_eq!(reply.head.to_lowercase().matches("date:").count(), 1);
    }
}

#[tokio::test]
async fn a_client_that_does_not_shake_hands_holds_up_nobody() {
    let (double, client) = start().await;
    let mut silent = TcpStream::connect(client.address).await.unwrap();
    let mut plain = TcpStream::connect(client.address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut bytes = Vec::new();
    // TLS's own alert, or nothing: no reply of HTTP.
    let _ended = plain.read_to_end(&mut bytes).await;
    assert!(!bytes.starts_with(b"HTTP"));
    client.create(json!({})).await;
    double.stop().await;
    assert_eq!(silent.read(&mut [0; 1]).await.unwrap_or_default(), 0);
}

#[tokio::test]
async fn each_double_has_an_authority_of_its_own() {
    let (double, client) = start().await;
    let (other, _client) = start().await;
    assert_ne!(double.ca_pem(), other.ca_pem());
    let misled = Client::trusting(client.address, other.ca_pem());
    let stream = TcpStream::connect(client.address).await.unwrap();
    assert!(misled.tls.connect("127.0.0.1".try_into().unwrap(), stream).await.is_err());
    let stream = TcpStream::connect(client.address).await.unwrap();
    assert!(client.tls.connect("localhost".try_into().unwrap(), stream).await.is_ok());
    let stream = TcpStream::connect(client.address).await.unwrap();
    assert!(client.tls.connect("elsewhere".try_into().unwrap(), stream).await.is_err());
}

#[tokio::test]
async fn a_double_that_is_not_asked_serves_no_ciphertrust() {
    let double = Double::start(Options::default()).await.unwrap();
    assert_eq!((double.ciphertrust_endpoint().as_str(), double.ca_pem()), ("", ""));
}

#[tokio::test]
async fn stopping_frees_the_port() {
    let (double, _client) = start().await;
    let port = double.ciphertrust_endpoint().rsplit(':').next().unwrap().parse().unwrap();
    double.stop().await;
    let double = Double::start(Options { ciphertrust_port: port, ..options() }).await.unwrap();
    Client::login(&double).await;
}
