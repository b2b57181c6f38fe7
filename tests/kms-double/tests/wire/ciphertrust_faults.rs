//! `CipherTrust`: faults by rule, throttling, and where the text of a refusal stands.

use std::time::{Duration, Instant};

use kms_double::{CIPHERTRUST_KMS, CIPHERTRUST_USER, Double, Fault, FaultAction, Options};
use serde_json::{Value, json};

use crate::ciphertrust_client::{Client, id, options, start};
use crate::client::{REGION, admin, eventually};

fn error(code: &str, status: u16, message: &str) -> FaultAction {
    FaultAction::Error { code: code.to_owned(), status, message: message.to_owned() }
}

#[tokio::test]
async fn errors_come_in_cckm_s_words_or_wrapped_in_them() {
    let (double, client) = start().await;
    let key = id(&client.create(json!({})).await);
    double.inject(Fault::on("disable", error("NCERRUnauthorized", 401, "gone")).times(1));
    double.inject(Fault::on("disable", error("ThrottlingException", 400, "Rate exceeded")).times(1).for_caller(CIPHERTRUST_USER));
    double.inject(Fault::on("*", error("NCERRInternalServerError", 500, "")).times(1).for_caller(kms_double::ACCOUNT));
    assert_eq!(client.refused(&key, "disable", Value::Null).await, (401, "NCERRUnauthorized: gone".to_owned()));
    let (status, text) = client.refused(&key, "disable", Value::Null).await;
    assert_eq!(status, 400);
    assert_eq!(text, "NCERRBadRequest: Bad HTTP request: Error Updating AWS Key : ThrottlingException: Rate exceeded");
    assert_eq!(client.get("keys").await.status, 500);
    assert_eq!(client.done(&key, "disable", Value::Null).await["aws_param"]["KeyState"], "Disabled");
    let faults: Vec<_> = double.ledger().into_iter().filter(|entry| entry.fault.is_some()).collect();
    assert_eq!(faults.len(), 3);
    assert!(faults.iter().all(|entry| !entry.took_effect && entry.replied && entry.account.as_deref() == Some(kms_double::ACCOUNT)));
    assert_eq!((faults[1].result.as_str(), faults[1].key.as_deref()), ("ThrottlingException", Some(double.keys()[0].arn.as_str())));

    double.inject(Fault::on("login", error("NCERRUnauthorized", 401, "")).times(1));
    let login = json!({ "username": CIPHERTRUST_USER, "password": kms_double::CIPHERTRUST_PASSWORD });
    assert_eq!(client.post("/api/v1/auth/tokens", login.clone()).await.status, 401);
    assert_eq!(client.post("/api/v1/auth/tokens", login).await.status, 200);
}

#[tokio::test]
async fn connections_are_cut_and_replies_are_lost() {
    let (double, client) = start().await;
    let path = "/api/v1/cckm/aws/keys";
    let body = json!({ "kms": CIPHERTRUST_KMS, "region": REGION, "aws_param": { "Alias": "a" } }).to_string();
    double.inject(Fault::on("create-key", FaultAction::Cut).times(1));
    double.inject(Fault::on("create-key", FaultAction::LoseReply).times(1));
    assert!(client.send("POST", path, &body).await.is_none());
    assert_eq!(double.keys().len(), 0);
    assert!(client.send("POST", path, &body).await.is_none());
    // It took effect: the alias finds it, and a second creation is refused.
    let key = id(&client.list(&format!("alias=a&region={REGION}&kms={CIPHERTRUST_KMS}")).await[0]);
    assert_eq!(client.send("POST", path, &body).await.unwrap().status, 409);
    let told: Vec<_> = double.ledger().into_iter().filter(|entry| entry.operation == "create-key").collect();
    let told: Vec<_> = told.iter().map(|entry| (entry.result.as_str(), entry.took_effect, entry.replied)).collect();
    assert_eq!(told, [(kms_double::NOT_CARRIED_OUT, false, false), ("OK", true, false), ("NCERRKeyAlreadyExists", false, true)]);

    let arn = double.keys()[0].arn.clone();
    double.inject(Fault::on("disable", FaultAction::Delay { millis: 50 }).for_key(&arn).times(1));
    let begun = Instant::now();
    client.done(&key, "disable", Value::Null).await;
    assert!(begun.elapsed() >= Duration::from_millis(50));

    double.inject(Fault::on("enable", FaultAction::LateReply { millis: 60_000 }));
    double.inject(Fault::on("get-key", FaultAction::Hang));
    let late = tokio::spawn({
        let (client, key) = (client.clone(), key.clone());
        async move { client.send("POST", &format!("/api/v1/cckm/aws/keys/{key}/enable"), "").await }
    });
    eventually(|| double.keys()[0].state == kms_double::KeyState::Enabled).await;
    let hanging = tokio::spawn({
        let client = client.clone();
        async move { client.send("GET", &format!("/api/v1/cckm/aws/keys/{key}"), "").await }
    });
    eventually(|| double.ledger().iter().any(|entry| entry.fault.as_deref() == Some("hang"))).await;
    double.stop().await;
    assert!(hanging.await.unwrap().is_none());
    assert!(late.await.unwrap().is_none());
}

#[tokio::test]
async fn aws_s_throttling_is_passed_on() {
    let double = Double::start(Options { quotas: true, ..options() }).await.unwrap();
    let client = Client::login(&double).await;
    let mut throttled = 0;
    for index in 0..30 {
        let body = json!({ "kms": CIPHERTRUST_KMS, "region": REGION, "aws_param": { "Alias": format!("a{index}") } });
        let reply = client.post("/api/v1/cckm/aws/keys", body).await;
        if reply.status == 400 {
            assert!(reply.text.contains("ThrottlingException"), "{reply:?}");
            throttled += 1;
        }
    }
    assert!(throttled > 0);
    assert_eq!(double.keys().len() + throttled, 30);
    assert!(double.keys().iter().all(|key| key.aliases.len() == 1));
    assert_eq!(client.list("limit=-1").await.len(), double.keys().len());
}

#[tokio::test]
async fn the_text_of_a_refusal_can_stand_in_the_message() {
    let (double, client) = start().await;
    double.set_ciphertrust_text_in_message(true);
    let key = id(&client.create(json!({})).await);
    let reply = client.act(&key, "cancel-deletion", Value::Null).await.json();
    assert_eq!(reply["codeDesc"], "NCERRBadRequest: Bad HTTP request");
    assert!(reply["message"].as_str().unwrap().contains("KMSInvalidStateException: "), "{reply}");
    // CCKM's own refusals are as ever.
    assert!(client.refused(&key, "schedule-deletion", json!({})).await.1.contains("days is required"));
}

#[tokio::test]
async fn admin_routes_steer_it_from_outside() {
    let (double, client) = start().await;
    double.plant(&kms_double::Plant::new(kms_double::ACCOUNT, REGION)).unwrap();
    assert_eq!(admin(&double, "POST", "ciphertrust/sync", Value::Null).await.0, 204);
    assert_eq!(client.list("").await.len(), 1);
    assert_eq!(admin(&double, "POST", "ciphertrust/refresh-delay", json!({ "millis": 0 })).await.0, 204);
    let user = json!({ "username": "u", "password": "p", "account": kms_double::ACCOUNT });
    assert_eq!(admin(&double, "POST", "ciphertrust/users", user).await.0, 204);
    Client::login_as(&double, json!({ "username": "u", "password": "p" })).await;
    assert_eq!(admin(&double, "DELETE", "ciphertrust/tokens", Value::Null).await.0, 204);
    assert_eq!(client.get("keys").await.status, 401);
}
