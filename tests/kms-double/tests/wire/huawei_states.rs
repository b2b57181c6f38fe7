//! Huawei Cloud's table of key states, cell by cell.

use kms_double::{Double, GrantTerms, HUAWEI_PROJECT, HUAWEI_REGION, KeyState, Manager, Origin, Plant};
use serde_json::{Value, json};

use crate::huawei_client::{Huawei, start};

/// Enabled, disabled, pending deletion, pending import, waiting for activation, frozen, and their numbers.
const STATES: [(KeyState, &str); 6] = [
    (KeyState::Enabled, "2"),
    (KeyState::Disabled, "3"),
    (KeyState::PendingDeletion, "4"),
    (KeyState::PendingImport, "5"),
    (KeyState::Creating, "1"),
    (KeyState::Unavailable, "7"),
];

/// The id of a user, who gets a grant.
const USER: &str = "0d0466b00d0466b00d0466b00d0466b0";

/// Y works; else the code. Rotation is off at first but for the calls that need it to be on.
const CELLS: &str = "
    describe-key                 Y    Y    Y    Y    Y    Y
    get-key-rotation-status      Y    Y    Y    Y    Y    Y
    list-tags                    Y    Y    Y    Y    Y    Y
    enable-key                   1201 Y    0210 1201 1201 0320
    disable-key                  Y    1301 0210 1301 1301 0320
    schedule-key-deletion        Y    Y    1402 Y    0308 0320
    cancel-key-deletion          1501 1501 Y    1501 1501 0320
    enable-key-rotation          Y    0209 0210 0312 0209 0320
    disable-key-rotation         Y    0209 0210 0312 0209 0320
    update-key-rotation-interval Y    0209 0210 0312 0209 0320
    rotate-on-demand             Y    0209 0210 0312 0209 0320
    update-key-alias             Y    Y    0210 Y    Y    0320
    update-key-description       Y    Y    0210 Y    Y    0320
    create-alias                 Y    Y    0210 Y    Y    0320
    associate-alias              Y    Y    0210 Y    Y    0320
    delete-alias                 Y    Y    0210 Y    Y    0320
    create-grant                 Y    0209 0210 0312 0209 0320
    list-grants                  Y    Y    Y    Y    Y    Y
    revoke-grant                 Y    Y    Y    Y    Y    Y
    create-tag                   Y    Y    Y    Y    Y    Y
    batch-tags                   Y    Y    Y    Y    Y    Y
    delete-tag                   Y    Y    Y    Y    Y    Y
";

#[tokio::test]
async fn every_operation_does_in_every_state_what_the_table_says() {
    let (double, client) = start().await;
    let mut cells = 0;
    for row in CELLS.lines().map(str::trim).filter(|row| !row.is_empty()) {
        let mut words = row.split_whitespace();
        let operation = words.next().unwrap();
        for ((state, number), word) in STATES.into_iter().zip(words) {
            let key = prepare(&double, &client, operation, state).await;
            assert_eq!(client.describe(&key).await["key_state"], number);
            let seen = double.ledger().last().map_or(0, |entry| entry.seq);
            let expected = if word == "Y" { "OK".to_owned() } else { format!("400 KMS.{word}") };
            assert_eq!(call(&client, operation, &key, state).await, expected, "{operation} on a key that is {state:?}");
            // A call may need another before it.
            let entry = double.ledger_after(seen).pop().unwrap();
            assert_eq!((entry.operation.as_str(), entry.state_before), (operation, Some(state)));
            assert_eq!(entry.service, "huawei-kms");
            if word != "Y" {
                assert!(!entry.took_effect && !entry.changed, "{operation} on {state:?}: {entry:?}");
                assert_eq!(entry.state_after, Some(state), "{operation}");
            }
            cells += 1;
        }
    }
    assert_eq!(cells, 22 * 6);
}

/// A key in that state, with all that a call of the operation needs.
async fn prepare(double: &Double, client: &Huawei, operation: &str, state: KeyState) -> String {
    let origin = if state == KeyState::PendingImport { Origin::External } else { Origin::AwsKms };
    let plant = Plant { origin, state: Some(KeyState::Enabled), ..Plant::new(HUAWEI_PROJECT, HUAWEI_REGION) };
    let key = double.plant(&plant).unwrap().id;
    if matches!(operation, "disable-key-rotation" | "update-key-rotation-interval") && origin == Origin::AwsKms {
        client.ok("enable-key-rotation", json!({ "key_id": key })).await;
    }
    if operation == "delete-alias" {
        client.ok("aliases", json!({ "key_id": key, "alias": alias(operation, state) })).await;
    }
    if operation == "associate-alias" {
        let other = double.plant(&Plant::new(HUAWEI_PROJECT, HUAWEI_REGION)).unwrap().id;
        client.ok("aliases", json!({ "key_id": other, "alias": alias(operation, state) })).await;
    }
    if operation == "delete-tag" {
        let tag = json!({ "tag": { "key": "a", "value": "b" } });
        assert_eq!(client.kms("POST", &format!("{key}/tags"), &tag).await.status, 204);
    }
    if operation == "revoke-grant" {
        let terms = GrantTerms { grantee: USER.to_owned(), operations: vec!["describe-key".to_owned()], ..GrantTerms::default() };
        double.plant_grants(&key, &terms, 1).unwrap();
    }
    double.set_state(&key, state).unwrap();
    key
}

fn grant(key: &str) -> Value {
    json!({ "key_id": key, "grantee_principal": USER, "operations": ["describe-key"] })
}

fn alias(operation: &str, state: KeyState) -> String {
    format!("alias/{operation}-{state:?}")
}

async fn call(client: &Huawei, operation: &str, key: &str, state: KeyState) -> String {
    let alias = alias(operation, state);
    let tag = json!({ "key": "a", "value": "b" });
    let (method, path, body) = match operation {
        "schedule-key-deletion" => ("POST", operation.to_owned(), json!({ "key_id": key, "pending_days": "7" })),
        "update-key-rotation-interval" => ("POST", operation.to_owned(), json!({ "key_id": key, "rotation_interval": 30 })),
        "update-key-alias" => ("POST", operation.to_owned(), json!({ "key_id": key, "key_alias": format!("{state:?}") })),
        "update-key-description" => ("POST", operation.to_owned(), json!({ "key_id": key, "key_description": "new" })),
        "create-alias" => ("POST", "aliases".to_owned(), json!({ "key_id": key, "alias": alias })),
        "associate-alias" => ("POST", "alias/associate".to_owned(), json!({ "target_key_id": key, "alias": alias })),
        "delete-alias" => ("DELETE", "aliases".to_owned(), json!({ "key_id": key, "aliases": [alias] })),
        "create-grant" => ("POST", operation.to_owned(), grant(key)),
        "revoke-grant" => {
            let listed = client.ok("list-grants", json!({ "key_id": key })).await;
            ("POST", operation.to_owned(), json!({ "key_id": key, "grant_id": listed["grants"][0]["grant_id"] }))
        }
        "list-tags" => ("GET", format!("{key}/tags"), Value::Null),
        "create-tag" => ("POST", format!("{key}/tags"), json!({ "tag": tag })),
        "batch-tags" => ("POST", format!("{key}/tags/action"), json!({ "action": "create", "tags": [tag] })),
        "delete-tag" => ("DELETE", format!("{key}/tags/a"), Value::Null),
        _ => ("POST", operation.to_owned(), json!({ "key_id": key })),
    };
    client.kms(method, &path, &body).await.outcome()
}

#[tokio::test]
async fn a_key_that_never_got_material_waits_for_it_again_after_a_cancel() {
    let (double, client) = start().await;
    let key = client.create_with(json!({ "key_alias": "imported", "origin": "external" })).await;
    assert_eq!(client.describe(&key).await["key_state"], "5");
    assert_eq!(client.describe(&key).await["origin"], "external");
    client.ok("schedule-key-deletion", json!({ "key_id": key, "pending_days": "7" })).await;
    assert_eq!(client.ok("cancel-key-deletion", json!({ "key_id": key })).await["key_state"], "5");
    // With material it is as any other key.
    double.set_state(&key, KeyState::Enabled).unwrap();
    client.ok("schedule-key-deletion", json!({ "key_id": key, "pending_days": "7" })).await;
    assert_eq!(client.ok("cancel-key-deletion", json!({ "key_id": key })).await["key_state"], "3");
}

#[tokio::test]
async fn a_default_key_is_the_service_s_own() {
    let (double, client) = start().await;
    let plant = Plant { manager: Manager::Aws, alias: Some("alias/obs/default".to_owned()), ..Plant::new(HUAWEI_PROJECT, HUAWEI_REGION) };
    let key = double.plant(&plant).unwrap().id;
    let described = client.describe(&key).await;
    assert_eq!((&described["default_key_flag"], &described["key_alias"]), (&json!("1"), &json!("obs/default")));
    for operation in [
        "enable-key",
        "disable-key",
        "schedule-key-deletion",
        "cancel-key-deletion",
        "enable-key-rotation",
        "disable-key-rotation",
        "update-key-rotation-interval",
        "rotate-on-demand",
        "update-key-alias",
        "update-key-description",
        "create-alias",
        "create-tag",
    ] {
        assert_eq!(call(&client, operation, &key, KeyState::Enabled).await, "400 KMS.0211", "{operation}");
    }
    assert_eq!(client.ok("list-keys", json!({})).await["keys"], json!([key]), "it is listed as well");
    assert_eq!(client.kms("GET", "user-instances", &Value::Null).await.json(), json!({ "instance_num": 0 }));
    assert_eq!(client.outcome("create-key", json!({ "key_alias": "mine/default" })).await, "400 KMS.1101");
}
