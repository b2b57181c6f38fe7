//! `CipherTrust`: logging in, tokens and their ends, domains and users.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use kms_double::{
    CIPHERTRUST_DOMAIN, CIPHERTRUST_KMS, CIPHERTRUST_PASSWORD, CIPHERTRUST_SECOND_KMS, CIPHERTRUST_SECOND_PASSWORD,
    CIPHERTRUST_SECOND_USER, CIPHERTRUST_USER, CiphertrustUser,
};
use serde_json::{Value, json};

use crate::ciphertrust_client::{Answer, Client, id, start};

const TOKENS: &str = "/api/v1/auth/tokens";

fn password(more: &Value) -> Value {
    let mut body = json!({ "username": CIPHERTRUST_USER, "password": CIPHERTRUST_PASSWORD });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn text(reply: &Answer) -> String {
    reply.json()["codeDesc"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_login_answers_a_token_of_five_minutes() {
    let (double, client) = start().await;
    let reply = client.post(TOKENS, password(&json!({ "grant_type": "password" }))).await.json();
    assert_eq!((&reply["duration"], &reply["token_type"]), (&json!(300), &json!("Bearer")));
    assert_eq!(reply["refresh_token_expires_in"], 1799);
    let claims = reply["jwt"].as_str().unwrap().split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 300);
    assert!((double.now().as_second() - claims["iat"].as_i64().unwrap()).abs() < 10);
    // No ledger shows a password.
    assert!(!format!("{:?}", double.ledger()).contains(CIPHERTRUST_PASSWORD));
    assert_eq!(double.ledger().last().unwrap().params["username"], CIPHERTRUST_USER);
}

#[tokio::test]
async fn a_bearer_ends_on_the_double_s_clock_and_a_refresh_token_gets_another() {
    let (double, _client) = start().await;
    let stranger = Client::stranger(&double);
    let reply = stranger.post(TOKENS, password(&json!({}))).await.json();
    let client = Client { token: reply["jwt"].as_str().unwrap().to_owned(), ..stranger.clone() };
    double.advance(SignedDuration::from_secs(290)).unwrap();
    assert_eq!(client.get("keys").await.status, 200);
    double.advance(SignedDuration::from_secs(60)).unwrap();
    let late = client.get("keys").await;
    assert_eq!(late.status, 401);
    assert!(text(&late).starts_with("NCERRUnauthorized: Bearer token malformed: Token is expired by 5"), "{late:?}");

    let refresh =
        |token: &Value, renew: bool| json!({ "grant_type": "refresh_token", "refresh_token": token, "renew_refresh_token": renew });
    let kept = stranger.post(TOKENS, refresh(&reply["refresh_token"], false)).await.json();
    assert!(kept.get("refresh_token").is_none());
    let renewed = stranger.post(TOKENS, refresh(&reply["refresh_token"], true)).await.json();
    assert_ne!(renewed["refresh_token"], reply["refresh_token"]);
    let client = Client { token: renewed["jwt"].as_str().unwrap().to_owned(), ..stranger.clone() };
    assert_eq!(client.get("keys").await.status, 200);
    // The one that was replaced is no good any more, and the new one dies unused.
    assert_eq!(stranger.post(TOKENS, refresh(&reply["refresh_token"], false)).await.status, 401);
    double.advance(SignedDuration::from_secs(1801)).unwrap();
    assert_eq!(stranger.post(TOKENS, refresh(&renewed["refresh_token"], false)).await.status, 401);
}

#[tokio::test]
async fn strangers_are_refused() {
    let (double, client) = start().await;
    let unknown = Client { token: "a.b.c".to_owned(), ..client.clone() };
    for reply in [Client::stranger(&double).get("keys").await, unknown.get("keys").await, unknown.get("nothing").await] {
        assert_eq!(reply.status, 401);
        assert!(text(&reply).starts_with("NCERRUnauthorized: Bearer token"), "{reply:?}");
    }
    let cases = [
        (password(&json!({ "password": "wrong" })), 401),
        (password(&json!({ "username": "nobody" })), 401),
        (password(&json!({ "domain": "unknown" })), 401),
        (password(&json!({ "auth_domain": "unknown" })), 401),
        (password(&json!({ "auth_domain": CIPHERTRUST_DOMAIN })), 401),
        (password(&json!({ "connection": "ldap" })), 401),
        (password(&json!({ "grant_type": "client_credentials" })), 400),
        (json!({ "username": CIPHERTRUST_USER }), 400),
        (json!({ "grant_type": "refresh_token", "refresh_token": "none" }), 401),
    ];
    for (body, status) in cases {
        let reply = client.post(TOKENS, body.clone()).await;
        assert_eq!(reply.status, status, "{body}: {reply:?}");
    }
    let garbage = client.send("POST", TOKENS, "{").await.unwrap();
    assert_eq!(garbage.status, 400);
}

#[tokio::test]
async fn the_forms_of_a_login_that_clients_send_are_taken() {
    let (double, client) = start().await;
    let stranger = Client::stranger(&double);
    let forms = [
        json!({ "auth_domain": "", "domain": "" }),
        json!({ "grant_type": "password", "connection": "local_account", "domain": "root" }),
        json!({ "auth_domain_path": "/", "auth_domain": "unknown", "domain": CIPHERTRUST_DOMAIN }),
    ];
    for form in forms {
        let reply = stranger.post("/api/v1/auth/tokens/", password(&form)).await;
        assert_eq!(reply.status, 200, "{form}");
    }
    drop(client);
}

#[tokio::test]
async fn a_child_domain_has_rows_of_its_own() {
    let (double, client) = start().await;
    let made = client.create(json!({})).await;
    let tenant = Client::login_as(&double, password(&json!({ "domain": CIPHERTRUST_DOMAIN }))).await;
    assert_eq!(tenant.get(&format!("keys/{}", id(&made))).await.status, 404);
    double.ciphertrust_sync();
    let seen = tenant.list("").await;
    assert_eq!((seen.len(), &seen[0]["aws_param"]), (1, &made["aws_param"]));
    assert_ne!(seen[0]["kms_id"], made["kms_id"]);
    assert!(seen[0]["uri"].as_str().unwrap().starts_with("kylo:kylo-"), "{}", seen[0]["uri"]);

    double.put_ciphertrust_user(CiphertrustUser {
        domain: Some(CIPHERTRUST_DOMAIN.to_owned()),
        ..CiphertrustUser::new("local", "p", kms_double::ACCOUNT)
    });
    let at_home = json!({ "username": "local", "password": "p", "domain": CIPHERTRUST_DOMAIN, "auth_domain_path": "/tenant" });
    assert_eq!(Client::login_as(&double, at_home).await.list("").await.len(), 1);
    let abroad = json!({ "username": "local", "password": "p", "auth_domain": CIPHERTRUST_DOMAIN });
    assert_eq!(client.post(TOKENS, abroad).await.status, 401);
}

#[tokio::test]
async fn a_user_sees_the_kms_and_keys_of_one_account() {
    let (double, client) = start().await;
    let second = json!({ "username": CIPHERTRUST_SECOND_USER, "password": CIPHERTRUST_SECOND_PASSWORD });
    let second = Client::login_as(&double, second).await;
    let key = id(&client.create(json!({})).await);
    let names = |reply: Answer| reply.json()["resources"].as_array().unwrap().iter().map(|kms| kms["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names(client.get("kms").await), [CIPHERTRUST_KMS]);
    assert_eq!(names(second.get("kms").await), [CIPHERTRUST_SECOND_KMS]);
    let kms = client.get(&format!("kms?name={CIPHERTRUST_KMS}")).await.json()["resources"][0].clone();
    assert_eq!((&kms["account_id"], &kms["status"]), (&json!(kms_double::ACCOUNT), &json!("active")));
    assert!(kms["regions"].as_array().unwrap().contains(&json!("eu-west-1")));
    assert_eq!(client.get(&format!("kms/{}", id(&kms))).await.json(), kms);
    assert_eq!(client.get(&format!("kms/{CIPHERTRUST_KMS}")).await.status, 404);
    assert_eq!(second.get(&format!("kms/{}", id(&kms))).await.status, 404);
    assert_eq!(second.get(&format!("keys/{key}")).await.status, 404);
    assert_eq!(second.refused(&key, "disable", Value::Null).await.0, 404);
    assert_eq!(second.list("").await.len(), 0);
    let body = json!({ "kms": CIPHERTRUST_KMS, "region": "eu-west-1" });
    assert_eq!(second.post("/api/v1/cckm/aws/keys", body).await.status, 404);
}

#[tokio::test]
async fn users_change_while_it_runs() {
    let (double, client) = start().await;
    let key = id(&client.create(json!({})).await);
    let user = CiphertrustUser::new(CIPHERTRUST_USER, "new", kms_double::ACCOUNT);
    double.put_ciphertrust_user(CiphertrustUser { allow: Some(vec!["get-key".to_owned()]), ..user });
    assert_eq!(client.post(TOKENS, password(&json!({}))).await.status, 401);
    assert_eq!(client.post(TOKENS, password(&json!({ "password": "new" }))).await.status, 200);
    let (status, text) = client.refused(&key, "disable", Value::Null).await;
    assert_eq!((status, text.starts_with("NCERRForbidden")), (403, true));
    client.key(&key).await;
    assert!(double.remove_ciphertrust_user(CIPHERTRUST_USER));
    assert!(!double.remove_ciphertrust_user(CIPHERTRUST_USER));
    assert_eq!(client.post(TOKENS, password(&json!({ "password": "new" }))).await.status, 401);
    client.key(&key).await;
    double.kill_ciphertrust_tokens();
    assert_eq!(client.get("keys").await.status, 401);
}
