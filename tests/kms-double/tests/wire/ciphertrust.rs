//! `CipherTrust`: the life of a key, and the shapes of the sample replies.

use kms_double::{Double, KeyState, Options};
use serde_json::{Value, json};

use crate::ciphertrust_client::{Client, id, start};
use crate::client;

#[tokio::test]
async fn a_key_lives_and_is_scheduled_and_saved() {
    let (double, client) = start().await;
    let made = client.create(json!({ "Alias": "mine", "Description": "d", "Tags": [{ "TagKey": "k", "TagValue": "v" }] })).await;
    let key = id(&made);
    assert_eq!(client.key(&key).await, made);
    assert_eq!(client.list("alias=mine").await, [made.clone()]);
    assert_eq!(made["aws_param"]["Alias"], json!(["alias/mine"]));

    let pending = client.done(&key, "schedule-deletion", json!({ "days": 7 })).await;
    assert_eq!((&pending["aws_param"]["KeyState"], &pending["aws_param"]["Enabled"]), (&json!("PendingDeletion"), &json!(false)));
    let (date, updated) = (instant(&pending["aws_param"]["DeletionDate"]), instant(&pending["updatedAt"]));
    assert!(date.duration_since(updated + client::days(7)).abs().as_micros() < 1000, "{pending}");
    assert_eq!(pending["synced_at"], made["synced_at"]);
    assert_ne!(pending["updatedAt"], made["updatedAt"]);

    let saved = client.done(&key, "cancel-deletion", Value::Null).await;
    assert_eq!(saved["aws_param"]["KeyState"], "Disabled");
    assert!(saved["aws_param"].get("DeletionDate").is_none());
    assert_eq!(client.key(&key).await, saved);
    assert_eq!(double.keys()[0].state, KeyState::Disabled);
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
    let options = Options { ciphertrust: true, ciphertrust_port: port, ..Options::default() };
    let double = Double::start(options).await.unwrap();
    Client::login(&double).await;
}

fn instant(value: &Value) -> jiff::Timestamp {
    value.as_str().unwrap().parse().unwrap()
}
