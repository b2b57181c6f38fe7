//! The forms of answers that the documents allow. These tests show what the double answers in each form. `tests/it/port` shows that the adapters accept all of them.

use kms_double::{Double, Form, Options};
use serde_json::json;

use crate::ciphertrust_client;
use crate::client::{Client, days, start};
use crate::huawei_client::Huawei;

async fn double(forms: &[Form]) -> Double {
    Double::start(Options { forms: forms.to_vec(), ..ciphertrust_client::options() }).await.unwrap()
}

#[tokio::test]
async fn aws_tells_dates_at_midnight_and_aliases_without_a_key() {
    let (_plain, plain) = start().await;
    assert_eq!(plain.ok("ListAliases", json!({})).await["Aliases"], json!([]));

    let double = double(&[Form::MidnightDates, Form::IdleAliases]).await;
    let client = Client::new(&double);
    let key = client.create(json!({})).await;
    client.ok("CreateAlias", json!({ "AliasName": "alias/bank", "TargetKeyId": key })).await;
    let scheduled = client.ok("ScheduleKeyDeletion", json!({ "KeyId": key, "PendingWindowInDays": 7 })).await["DeletionDate"].clone();
    assert_eq!(scheduled.as_i64().unwrap() % (24 * 60 * 60), 0, "{scheduled}");
    assert_eq!(client.describe(&key).await["DeletionDate"], scheduled);
    double.advance(days(7) - jiff::SignedDuration::from_mins(1)).unwrap();
    assert_eq!(client.describe(&key).await["KeyState"], "PendingDeletion", "the days are not shorter for it");

    let first = client.ok("ListAliases", json!({ "Limit": 3 })).await;
    let rest = client.ok("ListAliases", json!({ "Marker": first["NextMarker"] })).await;
    let listed: Vec<_> = [first, rest].iter().flat_map(|page| page["Aliases"].as_array().unwrap().clone()).collect();
    let names: Vec<_> = listed.iter().map(|alias| alias["AliasName"].as_str().unwrap()).collect();
    assert_eq!(names, ["alias/aws/dynamodb", "alias/aws/ebs", "alias/aws/rds", "alias/aws/redshift", "alias/aws/s3", "alias/bank"]);
    assert!(listed.iter().all(|alias| alias.get("TargetKeyId").is_some() == (alias["AliasName"] == "alias/bank")), "{listed:?}");
}

#[tokio::test]
async fn huawei_writes_numbers_or_text() {
    let plain = double(&[]).await;
    let texts = double(&[Form::HuaweiTexts]).await;
    let numbers = double(&[Form::HuaweiSdkTypes, Form::HuaweiNumbers]).await;
    let mut seen = Vec::new();
    for double in [&plain, &numbers, &texts] {
        let client = Huawei::new(double);
        let key = client.create("orders").await;
        let info = client.ok("describe-key", json!({ "key_id": key })).await["key_info"].clone();
        let rotation = client.ok("get-key-rotation-status", json!({ "key_id": key })).await;
        let aliases = client.send("GET", &format!("/v1.0/{}/kms/aliases", client.project), "").await.unwrap().json();
        seen.push(json!([
            info["key_state"],
            info["key_rotation_enabled"],
            rotation["rotation_interval"],
            rotation["key_rotation_enabled"],
            aliases.is_array()
        ]));
    }
    assert_eq!(
        seen,
        [json!(["2", "false", 365, false, false]), json!([2, false, 365, false, true]), json!(["2", "false", "365", "false", false])]
    );
}

#[tokio::test]
async fn cckm_tells_state_and_date_beside_what_aws_says() {
    let double = double(&[Form::CckmTopLevel]).await;
    let client = ciphertrust_client::Client::login(&double).await;
    let key = ciphertrust_client::id(&client.create(json!({})).await);
    let pending = client.done(&key, "schedule-deletion", json!({ "days": 7 })).await;
    assert_eq!(pending["key_state"], "PendingDeletion");
    assert!(pending["deletion_date"].is_string(), "{pending}");
    assert!(pending["aws_param"].get("DeletionDate").is_none() && pending["aws_param"].get("KeyState").is_none(), "{pending}");
}
