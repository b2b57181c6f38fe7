//! Faults, quotas, read lag and the ledger, as Huawei Cloud's half has them.

use std::time::Duration;

use kms_double::{Double, Entry, Fault, FaultAction, HUAWEI_ACCESS_KEY, HUAWEI_PROJECT, HUAWEI_REGION, KeyState, Options};
use serde_json::{Value, json};

use crate::client::eventually;
use crate::huawei_client::{Huawei, start};

fn error(code: &str, status: u16) -> FaultAction {
    FaultAction::Error { code: code.to_owned(), status, message: "oh".to_owned() }
}

#[tokio::test]
async fn faults_strike_on_the_wire_in_their_senders_words() {
    let (double, client) = start().await;
    let key = client.create("a").await;
    let body = json!({ "key_id": key, "pending_days": "7" });
    let path = format!("/v1.0/{HUAWEI_PROJECT}/kms/schedule-key-deletion");
    double.inject(Fault::on("schedule-key-deletion", error("APIGW.0308", 429)).times(1));
    let throttled = client.post("schedule-key-deletion", body.clone()).await;
    assert_eq!(throttled.outcome(), "429 APIGW.0308");
    assert_eq!(throttled.json()["request_id"].as_str(), throttled.header("x-request-id"));
    double.inject(Fault::on("schedule-key-deletion", error("KMS.0104", 503)).times(1));
    let broken = client.post("schedule-key-deletion", body.clone()).await;
    assert_eq!((broken.status, broken.json()), (503, json!({ "error": { "error_code": "KMS.0104", "error_msg": "oh" } })));
    double.inject(Fault::on("schedule-key-deletion", FaultAction::Cut).times(1));
    assert!(client.send("POST", &path, &body.to_string()).await.is_none());
    assert_eq!(client.describe(&key).await["key_state"], "2", "nothing has taken effect so far");

    // The reply is lost, the effect is not.
    double.inject(Fault::on("schedule-key-deletion", FaultAction::LoseReply).times(1));
    assert!(client.send("POST", &path, &body.to_string()).await.is_none());
    assert_eq!(client.describe(&key).await["key_state"], "4");
    let told: Vec<Entry> = double.ledger().into_iter().filter(|entry| entry.operation == "schedule-key-deletion").collect();
    let told: Vec<_> = told.iter().map(|entry| (entry.fault.as_deref().unwrap(), entry.took_effect, entry.replied)).collect();
    assert_eq!(told, [("error", false, true), ("error", false, true), ("cut", false, false), ("loseReply", true, false)]);

    // IAM's faults, and a key's: by any reference that ends in the id.
    double.inject(Fault::on("list-projects", error("500", 500)).times(1));
    assert_eq!(client.send("GET", "/v3/projects", "").await.unwrap().outcome(), "500 500");
    double.inject(Fault::on("create-token", error("APIGW.0308", 429)).times(1));
    assert_eq!(client.send("POST", "/v3/auth/tokens", "{}").await.unwrap().outcome(), "429 APIGW.0308");
    let other = client.create("b").await;
    double.inject(Fault::on("describe-key", error("KMS.0101", 500)).for_key(&format!("{HUAWEI_PROJECT}/{key}")).for_caller(HUAWEI_PROJECT));
    assert_eq!(client.outcome("describe-key", json!({ "key_id": key })).await, "500 KMS.0101");
    assert_eq!(client.outcome("describe-key", json!({ "key_id": "alias/a" })).await, "500 KMS.0101");
    assert_eq!(client.outcome("describe-key", json!({ "key_id": other })).await, "OK");
}

#[tokio::test]
async fn a_call_that_hangs_ends_with_the_double_and_a_late_reply_comes_after_its_effect() {
    let (double, client) = start().await;
    double.inject(Fault::on("create-key", FaultAction::LateReply { millis: 60_000 }).times(1));
    let late = tokio::spawn({
        let client = client.clone();
        async move { client.post("create-key", json!({ "key_alias": "late" })).await }
    });
    eventually(|| double.keys().len() == 1).await;
    late.abort();
    double.inject(Fault::on("list-keys", FaultAction::Hang));
    let hanging = tokio::spawn(async move { client.send("POST", &format!("/v1.0/{HUAWEI_PROJECT}/kms/list-keys"), "{}").await });
    eventually(|| double.ledger().last().is_some_and(|entry| entry.fault.as_deref() == Some("hang"))).await;
    double.stop().await;
    assert!(hanging.await.unwrap().is_none());
}

#[tokio::test]
async fn quotas_throttle_when_they_are_on() {
    let double = Double::start(Options { quotas: true, ..Options::default() }).await.unwrap();
    let client = Huawei::new(&double);
    let key = client.create("a").await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (client, key) = (client.clone(), key.clone());
        tasks.spawn(async move {
            for _ in 0..1000 {
                if client.outcome("describe-key", json!({ "key_id": key })).await == "429 APIGW.0308" {
                    return;
                }
            }
        });
    }
    tasks.join_all().await;
    // How many are let through depends on the time that they took, so a slow machine is throttled never and a fast one soon.
    let entries = double.ledger();
    let describes: Vec<&Entry> = entries.iter().filter(|entry| entry.operation == "describe-key").collect();
    let lasted = describes.last().unwrap().time.duration_since(describes[0].time).as_secs_f64();
    let passed = u32::try_from(describes.iter().filter(|entry| entry.succeeded()).count()).unwrap();
    // A call takes its turn a little before its entry is written: a tenth of a second is more than that.
    assert!(f64::from(passed) <= 1000.0 * (1.1 + lasted), "{passed} in {lasted} s");
    assert!(describes.iter().filter(|entry| !entry.succeeded()).all(|entry| entry.result == "APIGW.0308"));
    for index in 1..100 {
        client.create(&format!("k{index}")).await;
    }
    assert_eq!(client.outcome("create-key", json!({ "key_alias": "one-more" })).await, "400 KMS.1105");
}

#[tokio::test]
async fn reads_lag_behind_changes() {
    let double = Double::start(Options { read_lag: Duration::from_hours(1), ..Options::default() }).await.unwrap();
    let client = Huawei::new(&double);
    let key = client.create("a").await;
    assert_eq!(client.outcome("describe-key", json!({ "key_id": key })).await, "404 KMS.0207");
    assert_eq!(client.outcome("describe-key", json!({ "key_id": "alias/a" })).await, "404 KMS.0207");
    assert_eq!(client.ok("list-keys", json!({})).await["keys"], json!([]));
    // Writes see the newest state, and so does the test.
    assert_eq!(client.outcome("create-key", json!({ "key_alias": "a" })).await, "400 KMS.1104");
    client.ok("disable-key", json!({ "key_id": key })).await;
    assert_eq!(double.key(&key).unwrap().state, KeyState::Disabled);
}

#[tokio::test]
async fn the_ledger_tells_who_did_what() {
    let (double, client) = start().await;
    let key = client.create("a").await;
    client.ok("disable-key", json!({ "key_id": key })).await;
    client.outcome("disable-key", json!({ "key_id": key })).await;
    client.kms("GET", "aliases?limit=5", &Value::Null).await;
    let entries = double.ledger();
    let told: Vec<_> = entries.iter().map(|entry| (entry.operation.as_str(), entry.result.as_str(), entry.changed)).collect();
    let expected =
        [("create-key", "OK", true), ("disable-key", "OK", true), ("disable-key", "KMS.1301", false), ("list-aliases", "OK", false)];
    assert_eq!(told, expected);
    let [created, disabled, refused, listed] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!(created.key, disabled.key);
    assert!(created.key.as_deref().unwrap().ends_with(&key));
    assert_eq!((created.state_before, created.state_after), (None, Some(KeyState::Enabled)));
    assert_eq!((disabled.state_before, disabled.state_after), (Some(KeyState::Enabled), Some(KeyState::Disabled)));
    assert_eq!((refused.status, refused.took_effect), (400, false));
    assert_eq!((created.account.as_deref(), created.region.as_deref()), (Some(HUAWEI_PROJECT), Some(HUAWEI_REGION)));
    assert_eq!(created.access_key.as_deref(), Some(HUAWEI_ACCESS_KEY));
    assert_eq!(created.params, json!({ "key_alias": "a" }));
    assert_eq!(listed.params, json!({ "limit": "5" }));

    let tag = json!({ "tag": { "key": "cost centre", "value": "a" } });
    assert_eq!(client.kms("POST", &format!("{key}/tags"), &tag).await.status, 204);
    assert_eq!(client.kms("DELETE", &format!("{key}/tags/cost%20centre"), &Value::Null).await.status, 204);
    let untagged = double.ledger().pop().unwrap();
    assert_eq!((untagged.operation.as_str(), untagged.changed), ("delete-tag", true));
    assert_eq!((&untagged.key, untagged.params), (&created.key, json!({ "key": "cost centre" })));
}
