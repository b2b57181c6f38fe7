//! `CipherTrust`: how old a row is, what brings it up to date, and lists.

use std::time::Duration;

use jiff::SignedDuration;
use kms_double::{CIPHERTRUST_KMS, Double, Options, Plant};
use serde_json::{Value, json};

use crate::ciphertrust_client::{Client, id, instant, options, start};
use crate::client::{self, REGION, days, eventually};

const JOBS: &str = "/api/v1/cckm/aws/synchronization-jobs";

#[tokio::test]
async fn what_happens_at_aws_stays_unseen_until_a_refresh() {
    let (double, client) = start().await;
    let aws = client::Client::new(&double);
    let made = client.create(json!({ "Description": "d" })).await;
    let (key, arn) = (id(&made), made["aws_param"]["KeyID"].clone());
    aws.ok("DisableKey", json!({ "KeyId": arn })).await;
    double.advance(SignedDuration::from_hours(1)).unwrap();
    let client = Client::login(&double).await;
    assert_eq!(client.key(&key).await, made);
    // Another change through CCKM shows AWS as it is, and the row was not read back by that.
    let changed = client.done(&key, "update-description", json!({ "description": "e" })).await;
    assert_eq!((&changed["aws_param"]["KeyState"], &changed["synced_at"]), (&json!("Disabled"), &made["synced_at"]));
    aws.ok("EnableKey", json!({ "KeyId": arn })).await;

    let reply = client.act(&key, "refresh", Value::Null).await;
    assert_eq!((reply.status, reply.json()), (202, json!({ "message": format!("AWS key '{key}' will be refreshed and persisted") })));
    let read = client.until(&key, |key| key["updatedAt"] != changed["updatedAt"]).await;
    assert_eq!((&read["aws_param"]["KeyState"], &read["createdAt"]), (&json!("Enabled"), &made["createdAt"]));
    assert!(instant(&read["synced_at"]) >= instant(&made["synced_at"]) + SignedDuration::from_hours(1));
    let entry = double.ledger().into_iter().find(|entry| entry.operation == "refresh").unwrap();
    assert!(!entry.took_effect && !entry.changed);
}

#[tokio::test]
async fn a_refresh_can_take_forever() {
    let (double, client) = start().await;
    let made = client.create(json!({})).await;
    let key = id(&made);
    double.set_refresh_delay(None);
    client.done(&key, "refresh", Value::Null).await;
    double.set_refresh_delay(Some(Duration::from_hours(1)));
    client.done(&key, "refresh", Value::Null).await;
    // What was asked for later and is quick is over before.
    double.set_refresh_delay(Some(Duration::ZERO));
    let other = id(&client.create(json!({})).await);
    client.refresh(&other).await;
    assert_eq!(client.key(&key).await, made);
    client.refresh(&key).await;
}

#[tokio::test]
async fn a_key_whose_time_is_up_is_gone_when_cckm_looks() {
    let (double, client) = start().await;
    let key = id(&client.create(json!({ "Alias": "a" })).await);
    let pending = client.done(&key, "schedule-deletion", json!({ "days": 7 })).await;
    double.advance(days(8)).unwrap();
    assert_eq!(double.keys().len(), 0);
    let client = Client::login(&double).await;
    assert_eq!(client.key(&key).await, pending);
    let (status, text) = client.refused(&key, "cancel-deletion", Value::Null).await;
    assert!(status == 400 && text.contains("NotFoundException"), "{text}");
    let gone = client.refresh(&key).await;
    assert_eq!(gone["gone"], true);
    assert_eq!(client.list("gone=true").await.len(), 1);
    assert_eq!(client.list("gone=false").await.len(), 0);
    // The name is free again.
    client.create(json!({ "Alias": "a" })).await;

    let reply = client.send("DELETE", &format!("/api/v1/cckm/aws/keys/{key}"), "").await.unwrap();
    assert_eq!((reply.status, reply.text.as_str()), (204, ""));
    assert_eq!(client.get(&format!("keys/{key}")).await.status, 404);
}

#[tokio::test]
async fn a_deleted_row_leaves_the_key_and_comes_back_by_a_synchronization() {
    let (double, client) = start().await;
    let made = client.create(json!({})).await;
    let reply = client.send("DELETE", &format!("/api/v1/cckm/aws/keys/{}", id(&made)), "").await.unwrap();
    assert_eq!(reply.status, 204);
    let entry = double.ledger().pop().unwrap();
    assert_eq!((entry.operation.as_str(), entry.took_effect, entry.changed), ("delete-key", true, true));
    assert_eq!((double.keys().len(), client.list("").await.len()), (1, 0));

    let reply = client.post(JOBS, json!({ "kms": [CIPHERTRUST_KMS], "regions": [REGION] })).await;
    assert_eq!((reply.status, &reply.json()["overall_status"]), (201, &json!("in_progress")));
    let job = id(&reply.json());
    eventually(|| double.ciphertrust_id(made["aws_param"]["Arn"].as_str().unwrap()).is_some()).await;
    let job = client.get(&format!("synchronization-jobs/{job}")).await.json();
    assert_eq!((&job["overall_status"], job["completed_at"].is_string()), (&json!("completed"), true));
    let place = format!("{}/{REGION}", kms_double::ACCOUNT);
    assert_eq!(job["detailed_status"], json!({ place: "region synchronized successfully" }));
    let back = client.list("").await;
    assert_eq!(back[0]["aws_param"], made["aws_param"]);
    assert_ne!(back[0]["id"], made["id"]);
}

#[tokio::test]
async fn a_second_synchronization_waits_for_the_first() {
    let (double, client) = start().await;
    double.set_refresh_delay(None);
    let first = client.post(JOBS, json!({ "synchronize_all": true })).await.json();
    let second = client.post(JOBS, json!({ "kms": [CIPHERTRUST_KMS] })).await;
    assert_eq!(second.status, 409);
    assert!(second.json()["codeDesc"].as_str().unwrap().starts_with("NCERRConflict"));
    let jobs = client.get("synchronization-jobs?overall_status=in_progress").await.json();
    assert_eq!(jobs["resources"], json!([first]));
    let cancelled = client.post(&format!("{JOBS}/{}/cancel", id(&first)), Value::Null).await;
    assert_eq!((cancelled.status, &cancelled.json()["overall_status"]), (200, &json!("canceled")));
    assert_eq!(client.post(&format!("{JOBS}/{}/cancel", id(&first)), Value::Null).await.status, 409);
    for body in [
        json!({}),
        json!({ "kms": [CIPHERTRUST_KMS], "synchronize_all": true }),
        json!({ "kms": [CIPHERTRUST_KMS], "regions": ["mars-1"] }),
    ] {
        assert_eq!(client.post(JOBS, body.clone()).await.status, 400, "{body}");
    }
    assert_eq!(client.post(JOBS, json!({ "kms": ["unknown"] })).await.status, 404);
    assert_eq!(client.post(JOBS, json!({ "synchronize_all": true })).await.status, 201);
}

#[tokio::test]
async fn planted_keys_are_imported_but_not_from_regions_that_were_not_chosen() {
    let (double, client) = start().await;
    for region in [REGION, "us-east-1", "sa-east-1"] {
        double.plant(&Plant { alias: Some("alias/p".to_owned()), ..Plant::new(kms_double::ACCOUNT, region) }).unwrap();
    }
    double.plant(&Plant::new(kms_double::SECOND_ACCOUNT, REGION)).unwrap();
    double.plant(&Plant { manager: kms_double::Manager::Aws, ..Plant::new(kms_double::ACCOUNT, REGION) }).unwrap();
    assert_eq!(client.list("").await.len(), 0);
    double.ciphertrust_sync();
    assert_eq!(client.list("").await.len(), 3);
    assert_eq!(client.list("alias=p").await.len(), 2);
    let found = client.list(&format!("alias=p&region={REGION}&kms={CIPHERTRUST_KMS}")).await;
    assert_eq!((found.len(), &found[0]["region"]), (1, &json!(REGION)));
    let managed = client.list("keymanager=AWS").await;
    let (_, text) = client.refused(&id(&managed[0]), "schedule-deletion", json!({ "days": 7 })).await;
    assert!(text.contains("AccessDeniedException"), "{text}");
}

#[tokio::test]
async fn lists_come_in_pages_of_ten() {
    let (double, client) = start().await;
    for _ in 0..23 {
        double.plant(&Plant::new(kms_double::ACCOUNT, REGION)).unwrap();
    }
    double.ciphertrust_sync();
    let page = async |query: &str| client.get(&format!("keys?{query}")).await.json();
    let first = page("").await;
    assert_eq!((&first["skip"], &first["limit"], &first["total"]), (&json!(0), &json!(10), &json!(23)));
    let mut seen: Vec<Value> = Vec::new();
    while seen.len() < 23 {
        let next = page(&format!("skip={}", seen.len())).await;
        seen.extend(next["resources"].as_array().unwrap().iter().map(|key| key["id"].clone()));
    }
    let all: Vec<Value> = page("limit=-1").await["resources"].as_array().unwrap().iter().map(|key| key["id"].clone()).collect();
    assert_eq!(seen, all);
    assert_eq!(page("skip=20&limit=5").await["resources"].as_array().unwrap().len(), 3);
    assert_eq!(page("skip=40").await["resources"], json!([]));
    let mut sorted = all.clone();
    sorted.sort_by_key(|id| std::cmp::Reverse(id.as_str().unwrap().to_owned()));
    let down: Vec<Value> = client.list("sort=-id&limit=-1").await.iter().map(|key| key["id"].clone()).collect();
    assert_eq!(down, sorted);
    for query in ["skip=-1", "limit=-2", "limit=x", "nonsense=1", "enabled=maybe", "tags=x"] {
        assert_eq!(client.get(&format!("keys?{query}")).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn filters_must_all_hold_and_a_repeated_one_means_any() {
    let (_double, client) = start().await;
    let tags = |env: &str| json!([{ "TagKey": "env", "TagValue": env }, { "TagKey": "team", "TagValue": "a b" }]);
    let one = client.create(json!({ "Alias": "one", "Tags": tags("prod") })).await;
    let two = client.create(json!({ "Alias": "two", "Tags": tags("test"), "MultiRegion": true })).await;
    let three = client.create(json!({ "CustomerMasterKeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY" })).await;
    client.done(&id(&two), "disable", Value::Null).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let arn = text(&one["aws_param"]["Arn"]);
    let cases = [
        (format!("id={}", id(&one)), "1"),
        (format!("keyid={}", text(&one["aws_param"]["KeyID"])), "1"),
        (format!("arn={}", arn.replace('/', "%2F")), "1"),
        ("alias=one".to_owned(), "1"),
        ("alias=alias/one".to_owned(), ""),
        ("alias=on".to_owned(), ""),
        ("alias=one&alias=two".to_owned(), "12"),
        (format!("id={}&id={}", id(&one), id(&three)), "13"),
        ("alias=one&keystate=Disabled".to_owned(), ""),
        ("keystate=Disabled&keystate=Enabled".to_owned(), "123"),
        ("enabled=false".to_owned(), "2"),
        ("gone=false&multi_region=true".to_owned(), "2"),
        ("multi_region=false".to_owned(), "13"),
        (format!("kms={CIPHERTRUST_KMS}&kms_id={}", text(&one["kms_id"])), "123"),
        (format!("kms={}", text(&one["kms_id"])), "123"),
        (format!("region={REGION}&cloud_name=aws"), "123"),
        ("region=us-east-1".to_owned(), ""),
        ("CustomerMasterKeySpec=RSA_2048&keyusage=SIGN_VERIFY&origin=AWS_KMS".to_owned(), "3"),
        ("tags=%7B%22env%22%3A%22prod%22%7D".to_owned(), "1"),
        ("tags=%7B%22env%22%3A%22prod%22%7D&tags=%7B%22env%22%3A%22test%22%7D".to_owned(), "12"),
        ("tags=%7B%22env%22%3A%22prod%22%2C%22team%22%3A%22c%22%7D".to_owned(), ""),
        ("tags=%7B%22team%22%3A%22a%20b%22%7D&key_material_origin=native".to_owned(), "12"),
        ("rotation_job_enabled=false&blocked=false".to_owned(), "123"),
        ("job_config_id=x".to_owned(), ""),
    ];
    let ids = [id(&one), id(&two), id(&three)];
    for (query, expected) in cases {
        let found = client.list(&query).await;
        let numbers: String = found.iter().map(|key| (ids.iter().position(|known| *known == id(key)).unwrap() + 1).to_string()).collect();
        assert_eq!(numbers, expected, "{query}");
    }
}

#[tokio::test]
async fn a_read_lag_of_aws_does_not_reach_the_rows() {
    let double = Double::start(Options { read_lag: Duration::from_hours(1), ..options() }).await.unwrap();
    let client = Client::login(&double).await;
    let key = id(&client.create(json!({})).await);
    assert_eq!(client.done(&key, "disable", Value::Null).await["aws_param"]["KeyState"], "Disabled");
    assert_eq!(client.refresh(&key).await["aws_param"]["KeyState"], "Disabled");
}
