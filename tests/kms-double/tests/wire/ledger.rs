//! The ledger.

use kms_double::{Entry, KeyState};
use serde_json::{Value, json};

use crate::client::{admin, start};

#[tokio::test]
async fn the_ledger_tells_everything_in_order() {
    let (double, client) = start().await;
    let key = client.create(json!({ "Tags": [{ "TagKey": "a", "TagValue": "b" }] })).await;
    client.ok("EnableKey", json!({ "KeyId": key })).await;
    client.ok("DisableKey", json!({ "KeyId": key })).await;
    let (_, all) = admin(&double, "GET", "ledger", Value::Null).await;
    let all: Vec<Entry> = serde_json::from_value(all).unwrap();
    assert_eq!(all, double.ledger());
    let told: Vec<_> = all.iter().map(|entry| (entry.seq, entry.operation.as_str(), entry.took_effect, entry.changed)).collect();
    assert_eq!(told, [(1, "CreateKey", true, true), (2, "EnableKey", true, false), (3, "DisableKey", true, true)]);
    assert_eq!((all[2].state_before, all[2].state_after), (Some(KeyState::Enabled), Some(KeyState::Disabled)));
    assert_eq!((all[0].state_before, all[0].state_after), (None, Some(KeyState::Enabled)));
    assert_eq!(all[0].key.as_deref(), Some(double.keys()[0].arn.as_str()));
    assert_eq!(all[0].params["Tags"][0]["TagKey"], "a");
    assert_eq!(all[0].account.as_deref(), Some(kms_double::ACCOUNT));
    let (_, later) = admin(&double, "GET", "ledger?after=2", Value::Null).await;
    assert_eq!(later.as_array().unwrap().len(), 1);
    assert_eq!(admin(&double, "GET", "ledger?since=2", Value::Null).await.0, 400);
    let (_, keys) = admin(&double, "GET", "keys", Value::Null).await;
    assert_eq!(keys[0]["tags"]["a"], "b");
}
