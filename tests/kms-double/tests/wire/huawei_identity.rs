//! Who may call Huawei Cloud's part: signatures, temporary credentials, tokens, projects.

use jiff::{SignedDuration, Timestamp};
use kms_double::{
    HUAWEI_DOMAIN, HUAWEI_DOMAIN_NAME, HUAWEI_PASSWORD, HUAWEI_PROJECT, HUAWEI_REGION, HUAWEI_SECOND_DOMAIN_NAME, HUAWEI_SECOND_PROJECT,
    HUAWEI_USER, HuaweiCredential, HuaweiProject, HuaweiUser,
};
use serde_json::{Value, json};

use crate::client::{admin, days};
use crate::huawei_client::{Answer, Huawei, Proof, start};

async fn listed(client: &Huawei) -> String {
    client.outcome("list-keys", json!({})).await
}

#[tokio::test]
async fn a_signature_is_verified() {
    let (double, client) = start().await;
    assert_eq!(listed(&client).await, "OK");
    let refused = client.signing_as("AKUNKNOWN", "x").post("list-keys", json!({})).await;
    assert_eq!(refused.outcome(), "401 APIGW.0301");
    let flat = refused.json();
    assert!(flat["error_msg"].is_string() && flat.get("error").is_none(), "{flat}");
    assert_eq!(flat["request_id"].as_str(), refused.header("x-request-id"));
    assert_eq!(listed(&client.signing_as(kms_double::HUAWEI_ACCESS_KEY, "wrong")).await, "401 APIGW.0301");
    for (minutes, expected) in [(-14, "OK"), (14, "OK"), (-16, "401 APIGW.0301"), (16, "401 APIGW.0301")] {
        let skewed = Huawei { skew: SignedDuration::from_mins(minutes), ..client.clone() };
        assert_eq!(listed(&skewed).await, expected, "{minutes}");
    }
    // Whatever further headers a client signs.
    let more = client.with_header("content-type", "application/json").with_header("user-agent", "tests/1");
    assert_eq!(listed(&more).await, "OK");
    let mistaken = client.with_header("x-security-token", "token");
    assert_eq!(listed(&mistaken).await, "401 APIGW.0301");
    let other_scheme = Huawei { proof: Proof::None, ..client.with_header("authorization", "Bearer x") };
    assert_eq!(listed(&other_scheme).await, "401 APIGW.0301");

    // The client's clock is the real one, wherever the double's is.
    double.advance(days(400)).unwrap();
    assert_eq!(listed(&client).await, "OK");
    assert!(double.ledger().iter().filter(|entry| entry.result != "OK").all(|entry| entry.account.is_none()));
}

#[tokio::test]
async fn temporary_credentials_need_their_token_until_they_end() {
    let (double, client) = start().await;
    let credential = |expires: Timestamp| HuaweiCredential {
        security_token: Some("token/with+chars==".to_owned()),
        expires: Some(expires),
        ..HuaweiCredential::new("AKTEMPORARY", "secret", HUAWEI_PROJECT)
    };
    double.add_huawei_credential(credential(Timestamp::now() + SignedDuration::from_hours(1)));
    let without = client.signing_as("AKTEMPORARY", "secret");
    let with = without.with_header("x-security-token", "token/with+chars==");
    assert_eq!(listed(&with).await, "OK");
    assert_eq!(listed(&without).await, "401 APIGW.0301");
    double.add_huawei_credential(credential(Timestamp::now() - SignedDuration::from_secs(1)));
    assert_eq!(listed(&with).await, "401 APIGW.0301");
    assert!(double.remove_huawei_credential("AKTEMPORARY"));
    assert!(!double.remove_huawei_credential("AKTEMPORARY"));
    assert_eq!(listed(&with).await, "401 APIGW.0301");
}

#[tokio::test]
async fn projects_are_apart() {
    let (double, client) = start().await;
    let key = client.create("mine").await;
    let second = Huawei::second(&double);
    assert_eq!(second.outcome("describe-key", json!({ "key_id": key })).await, "404 KMS.0207");
    assert_eq!(second.ok("list-keys", json!({})).await["keys"], json!([]));
    second.create("mine").await;
    let trespasser = Huawei { project: HUAWEI_SECOND_PROJECT.to_owned(), ..client.clone() };
    assert_eq!(trespasser.outcome("describe-key", json!({ "key_id": key })).await, "403 KMS.0321");
    assert_eq!(listed(&client.with_header("x-project-id", HUAWEI_SECOND_PROJECT)).await, "403 KMS.0321");
    assert_eq!(listed(&client.with_header("x-project-id", HUAWEI_PROJECT)).await, "OK");
}

#[tokio::test]
async fn a_credential_may_be_narrow() {
    let (double, client) = start().await;
    let narrow = HuaweiCredential { allow: Some(vec!["create-key".to_owned()]), ..HuaweiCredential::new("AKNARROW", "s", HUAWEI_PROJECT) };
    double.add_huawei_credential(narrow);
    let narrow = client.signing_as("AKNARROW", "s");
    let key = narrow.create("a").await;
    let body = json!({ "key_id": key, "pending_days": "7" });
    assert_eq!(narrow.outcome("schedule-key-deletion", body).await, "403 KMS.0307");
}

fn login(domain: &str, user: &str, password: &str, project: &Value) -> Value {
    let user = json!({ "domain": { "name": domain }, "name": user, "password": password });
    json!({ "auth": { "identity": { "methods": ["password"], "password": { "user": user } }, "scope": { "project": project } } })
}

async fn log_in(client: &Huawei, body: Value) -> Answer {
    let nobody = Huawei { proof: Proof::None, ..client.clone() };
    nobody.send("POST", "/v3/auth/tokens?nocatalog=true", &body.to_string()).await.unwrap()
}

#[tokio::test]
async fn a_user_gets_a_token_that_lives_a_day_on_the_double_s_clock() {
    let (double, client) = start().await;
    let by_name = login(HUAWEI_DOMAIN_NAME, HUAWEI_USER, HUAWEI_PASSWORD, &json!({ "name": HUAWEI_REGION }));
    let issued = log_in(&client, by_name.clone()).await;
    assert_eq!(issued.status, 201, "{issued:?}");
    let body = issued.json()["token"].clone();
    assert_eq!((&body["project"]["id"], &body["user"]["name"]), (&json!(HUAWEI_PROJECT), &json!(HUAWEI_USER)));
    let expires = body["expires_at"].as_str().unwrap();
    assert_eq!(expires.len(), "2020-01-04T09:05:22.701000Z".len());
    let life = expires.parse::<Timestamp>().unwrap().duration_since(double.now());
    assert!((life - SignedDuration::from_hours(24)).abs() < SignedDuration::from_mins(1), "{life}");
    let entry = double.ledger().last().unwrap().clone();
    assert_eq!((entry.service.as_str(), entry.operation.as_str()), ("huawei-iam", "create-token"));
    assert_eq!(entry.access_key.as_deref(), Some(HUAWEI_USER));
    assert!(!entry.params.to_string().contains(HUAWEI_PASSWORD), "{}", entry.params);

    let token = issued.header("x-subject-token").unwrap().to_owned();
    assert!(token.len() > 1000, "real tokens are long");
    let user = Huawei { proof: Proof::Token(token), ..client.clone() };
    user.create("by-token").await;
    assert_eq!(listed(&Huawei { project: HUAWEI_SECOND_PROJECT.to_owned(), ..user.clone() }).await, "403 KMS.0321");
    let with = |proof: Proof| Huawei { proof, ..client.clone() };
    assert_eq!(listed(&with(Proof::None)).await, "403 KMS.0301");
    assert_eq!(listed(&with(Proof::Token(String::new()))).await, "403 KMS.0301");
    assert_eq!(listed(&with(Proof::Token("MIIunknown".to_owned()))).await, "403 KMS.0302");

    double.advance(SignedDuration::from_hours(24) - SignedDuration::from_mins(1)).unwrap();
    assert_eq!(listed(&user).await, "OK");
    double.advance(SignedDuration::from_mins(2)).unwrap();
    assert_eq!(listed(&user).await, "403 KMS.0303");

    // Another password ends the tokens of the old one.
    let by_id = login(HUAWEI_DOMAIN_NAME, HUAWEI_USER, HUAWEI_PASSWORD, &json!({ "id": HUAWEI_PROJECT }));
    let token = log_in(&client, by_id).await.header("x-subject-token").unwrap().to_owned();
    let user = Huawei { proof: Proof::Token(token), ..client.clone() };
    assert_eq!(listed(&user).await, "OK");
    double.add_huawei_user(HuaweiUser::new(HUAWEI_DOMAIN_NAME, HUAWEI_USER, "another"));
    assert_eq!(listed(&user).await, "403 KMS.0302");
    assert_eq!(log_in(&client, by_name).await.outcome(), "401 401");
}

#[tokio::test]
async fn a_bad_login_is_refused_in_iam_s_words() {
    let (_double, client) = start().await;
    let here = json!({ "name": HUAWEI_REGION });
    for (body, status) in [
        (login(HUAWEI_DOMAIN_NAME, HUAWEI_USER, "wrong", &here), 401),
        (login(HUAWEI_DOMAIN_NAME, "nobody", HUAWEI_PASSWORD, &here), 401),
        (login(HUAWEI_SECOND_DOMAIN_NAME, HUAWEI_USER, HUAWEI_PASSWORD, &here), 401),
        (login(HUAWEI_DOMAIN_NAME, HUAWEI_USER, HUAWEI_PASSWORD, &json!({ "name": "eu-west-9" })), 401),
        (login(HUAWEI_DOMAIN_NAME, HUAWEI_USER, HUAWEI_PASSWORD, &json!({ "id": HUAWEI_SECOND_PROJECT })), 401),
        (json!({ "auth": { "identity": { "methods": ["hw_ak_sk"] } } }), 400),
        (json!({}), 400),
    ] {
        let refused = log_in(&client, body.clone()).await;
        let error = refused.json()["error"].clone();
        assert_eq!((refused.status, &error["code"]), (status, &json!(status)), "{body}");
        assert!(error["title"].is_string() && error["message"].is_string() && refused.header("x-subject-token").is_none(), "{error}");
    }
}

#[tokio::test]
async fn the_projects_of_the_own_account_can_be_looked_up() {
    let (double, client) = start().await;
    let other = HuaweiProject::new("11112222333344445555666677778888", "eu-west-0");
    let (status, _) = admin(&double, "POST", "huawei/projects", serde_json::to_value(&other).unwrap()).await;
    assert_eq!(status, 204);
    let get = async |client: &Huawei, target: &str| client.send("GET", target, "").await.unwrap();
    let found = get(&client, &format!("/v3/projects?name={HUAWEI_REGION}")).await.json();
    let ids: Vec<&Value> = found["projects"].as_array().unwrap().iter().map(|project| &project["id"]).collect();
    assert_eq!(ids, [HUAWEI_PROJECT]);
    assert_eq!(found["projects"][0]["domain_id"], HUAWEI_DOMAIN);
    assert_eq!(get(&client, "/v3/projects").await.json()["projects"].as_array().unwrap().len(), 2);
    let shown = get(&client, &format!("/v3/projects/{}", other.id)).await.json();
    assert_eq!(shown["project"]["name"], "eu-west-0");
    assert_eq!(get(&client, &format!("/v3/projects/{HUAWEI_SECOND_PROJECT}")).await.outcome(), "404 404");
    assert_eq!(get(&client.signing_as("AKUNKNOWN", "x"), "/v3/projects").await.outcome(), "401 APIGW.0301");
    let nobody = Huawei { proof: Proof::None, ..client };
    assert_eq!(get(&nobody, "/v3/projects").await.outcome(), "401 401");
}
