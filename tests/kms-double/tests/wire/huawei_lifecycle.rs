//! The life of a key of Huawei Cloud as time passes: creation, deletion, rotation, replication.

use jiff::SignedDuration;
use kms_double::{Entry, HUAWEI_DOMAIN, HUAWEI_PROJECT, HUAWEI_REGION, HuaweiCredential, HuaweiProject, KeyState};
use serde_json::{Value, json};

use crate::client::days;
use crate::huawei_client::{Huawei, start};

/// A date as the wire has it.
fn millis(value: &Value) -> i64 {
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_key_is_created_and_everything_about_it_is_text() {
    let (double, client) = start().await;
    let body = json!({ "key_alias": "app/orders", "key_description": "commandes été 密钥", "tags": [{ "key": "a", "value": "b" }] });
    let created = client.ok("create-key", body).await;
    let key = created["key_info"]["key_id"].as_str().unwrap();
    assert_eq!(created, json!({ "key_info": { "key_id": key, "domain_id": HUAWEI_DOMAIN, "region_id": HUAWEI_REGION } }));
    let described = client.describe(key).await;
    assert!((millis(&described["creation_date"]) - double.now().as_millisecond()).abs() < 60_000);
    let expected = json!({
        "key_id": key,
        "domain_id": HUAWEI_DOMAIN,
        "key_alias": "app/orders",
        "realm": HUAWEI_REGION,
        "key_spec": "AES_256",
        "key_usage": "ENCRYPT_DECRYPT",
        "key_description": "commandes été 密钥",
        "creation_date": described["creation_date"],
        "scheduled_deletion_date": "",
        "key_state": "2",
        "default_key_flag": "0",
        "key_type": "1",
        "expiration_time": "",
        "origin": "kms",
        "key_rotation_enabled": "false",
        "sys_enterprise_project_id": "0",
        "keystore_id": "0",
    });
    assert_eq!(described, expected);
    let view = double.key(&format!("{HUAWEI_REGION}:{HUAWEI_PROJECT}/{key}")).unwrap();
    assert_eq!(
        (view.account.as_str(), view.region.as_str(), view.aliases),
        (HUAWEI_PROJECT, HUAWEI_REGION, vec!["alias/app/orders".to_owned()])
    );
    assert!(view.tags.is_empty(), "a creation takes no tags");
}

#[tokio::test]
async fn a_deletion_is_scheduled_cancelled_and_at_last_carried_out() {
    let (double, client) = start().await;
    let key = client.create("doomed").await;
    let before = double.now();
    let scheduled = client.ok("schedule-key-deletion", json!({ "key_id": key, "pending_days": "7" })).await;
    assert_eq!(scheduled, json!({ "key_id": key, "key_state": "4" }));
    let date = millis(&client.describe(&key).await["scheduled_deletion_date"]);
    assert!((date - (before + days(7)).as_millisecond()).abs() < 60_000);
    let again = client.outcome("schedule-key-deletion", json!({ "key_id": key, "pending_days": "30" })).await;
    assert_eq!(again, "400 KMS.1402");
    assert_eq!(millis(&client.describe(&key).await["scheduled_deletion_date"]), date, "the date stays");
    assert_eq!(client.outcome("create-key", json!({ "key_alias": "doomed" })).await, "400 KMS.1104");

    let cancelled = client.ok("cancel-key-deletion", json!({ "key_id": key })).await;
    assert_eq!(cancelled, json!({ "key_id": key, "key_state": "3" }));
    assert_eq!(client.describe(&key).await["scheduled_deletion_date"], "");
    assert_eq!(client.outcome("cancel-key-deletion", json!({ "key_id": key })).await, "400 KMS.1501");

    client.ok("schedule-key-deletion", json!({ "key_id": key, "pending_days": "1096" })).await;
    double.advance(days(1096) - SignedDuration::from_secs(60)).unwrap();
    assert_eq!(client.describe(&key).await["key_state"], "4");
    double.advance(SignedDuration::from_secs(61)).unwrap();
    for operation in ["describe-key", "enable-key", "cancel-key-deletion", "get-key-rotation-status"] {
        assert_eq!(client.outcome(operation, json!({ "key_id": key })).await, "404 KMS.0207", "{operation}");
    }
    let died: Vec<Entry> = double.ledger().into_iter().filter(|entry| entry.operation == "DeleteKey").collect();
    assert_eq!(died.len(), 1);
    assert_eq!((died[0].service.as_str(), died[0].state_before), ("huawei-kms", Some(KeyState::PendingDeletion)));
    client.create("doomed").await;
}

#[tokio::test]
async fn pending_days_are_text_from_7_to_1096() {
    let (_double, client) = start().await;
    let key = client.create("kept").await;
    for (days, code) in [
        (json!(7), "400 KMS.0202"),
        (json!("6"), "400 KMS.1401"),
        (json!("1097"), "400 KMS.1401"),
        (json!("seven"), "400 KMS.1401"),
        (json!("-7"), "400 KMS.1401"),
        (Value::Null, "400 KMS.0204"),
    ] {
        let body = json!({ "key_id": key, "pending_days": days });
        assert_eq!(client.outcome("schedule-key-deletion", body).await, code, "{days}");
    }
    assert_eq!(client.describe(&key).await["key_state"], "2");
}

#[tokio::test]
async fn rotation_follows_the_clock_and_stays_set_while_the_key_cannot_rotate() {
    let (double, client) = start().await;
    let key = client.create("rotated").await;
    let body = json!({ "key_id": key });
    let status = async || client.ok("get-key-rotation-status", body.clone()).await;
    let fresh = status().await;
    assert_eq!((&fresh["key_rotation_enabled"], &fresh["rotation_interval"]), (&json!(false), &json!(365)));
    assert_eq!((&fresh["number_of_rotations"], fresh.get("last_rotation_time")), (&json!(0), None));
    assert_eq!(client.ok("enable-key-rotation", body.clone()).await, Value::Null, "the reply has no body");
    assert_eq!(client.outcome("enable-key-rotation", body.clone()).await, "400 KMS.2901");
    client.ok("update-key-rotation-interval", json!({ "key_id": key, "rotation_interval": 30 })).await;
    assert_eq!(client.describe(&key).await["key_rotation_enabled"], "true");
    double.advance(days(65)).unwrap();
    let running = status().await;
    assert_eq!((&running["key_rotation_enabled"], &running["rotation_interval"]), (&json!(true), &json!(30)));
    assert_eq!(running["number_of_rotations"], 2);
    let last = double.now() - days(5);
    assert!((millis(&running["last_rotation_time"]) - last.as_millisecond()).abs() < 60_000);
    let materials = running["key_materials"].as_array().unwrap();
    assert_eq!(materials.len(), 3);
    assert!(materials.iter().all(|material| material["state"] == 2 && material["create_time"].is_string()));

    assert_eq!(client.ok("rotate-on-demand", body.clone()).await, body);
    assert_eq!(status().await["number_of_rotations"], 3);

    // A disabled and a pending key keep the setting and do not rotate; what is overdue happens once the key is enabled.
    client.ok("disable-key", body.clone()).await;
    client.ok("schedule-key-deletion", json!({ "key_id": key, "pending_days": "1096" })).await;
    double.advance(days(400)).unwrap();
    assert_eq!((&status().await["key_rotation_enabled"], &status().await["number_of_rotations"]), (&json!(true), &json!(3)));
    client.ok("cancel-key-deletion", body.clone()).await;
    assert_eq!(status().await["number_of_rotations"], 3);
    client.ok("enable-key", body.clone()).await;
    assert_eq!(status().await["number_of_rotations"], 4);
    client.ok("disable-key-rotation", body.clone()).await;
    assert_eq!(client.outcome("disable-key-rotation", body.clone()).await, "400 KMS.0313");
    assert_eq!(status().await["rotation_interval"], 365);
}

#[tokio::test]
async fn a_key_is_replicated_and_its_primary_moves() {
    let (double, client) = start().await;
    let project = HuaweiProject::new("11112222333344445555666677778888", "eu-west-0");
    double.add_huawei_project(project.clone());
    double.add_huawei_credential(HuaweiCredential::new("AKOTHER", "s", &project.id));
    let there = Huawei { project: project.id.clone(), ..client.signing_as("AKOTHER", "s") };
    let key = client.create("family").await;
    let v2 = async |method: &str, action: &str, body: Value| {
        let target = format!("/v2/{}/kms/keys/{key}/{action}", client.project);
        client.send(method, &target, &body.to_string()).await.unwrap()
    };
    assert_eq!(v2("POST", "replicate", json!({ "replica_region": "eu-west-9" })).await.outcome(), "400 KMS.0308");
    assert_eq!(v2("PUT", "update-primary-region", json!({ "primary_region": "eu-west-0" })).await.outcome(), "400 KMS.0308");
    let tags = json!([{ "key": "a", "value": "b" }]);
    let body = json!({ "key_id": key, "replica_region": "eu-west-0", "replica_project_id": project.id, "key_alias": "copy", "tags": tags });
    let replicated = v2("POST", "replicate", body.clone()).await;
    assert_eq!(replicated.json(), json!({ "key_id": key, "domain_id": HUAWEI_DOMAIN, "region": "eu-west-0" }));
    assert_eq!(v2("POST", "replicate", body).await.outcome(), "400 KMS.0308", "it is there already");
    assert_eq!(there.describe(&key).await["key_alias"], "copy");
    assert_eq!(there.outcome("enable-key-rotation", json!({ "key_id": key })).await, "400 KMS.0106");
    client.ok("enable-key-rotation", json!({ "key_id": key })).await;
    assert_eq!(v2("PUT", "update-primary-region", json!({ "primary_region": "eu-west-0" })).await.status, 200);
    there.ok("enable-key-rotation", json!({ "key_id": key })).await;
    assert_eq!(client.outcome("disable-key-rotation", json!({ "key_id": key })).await, "400 KMS.0106");
    let regions = client.send("GET", &format!("/v2/{}/kms/regions", client.project), "").await.unwrap().json();
    assert_eq!(regions, json!({ "regions": ["eu-west-0", HUAWEI_REGION] }));
    // Each lives its own life.
    client.ok("schedule-key-deletion", json!({ "key_id": key, "pending_days": "7" })).await;
    double.advance(days(8)).unwrap();
    assert_eq!(client.outcome("describe-key", json!({ "key_id": key })).await, "404 KMS.0207");
    assert_eq!(there.describe(&key).await["key_state"], "2");
}
