//! Faults, quotas and read lag.

use std::time::{Duration, Instant};

use kms_double::{Double, Entry, Fault, FaultAction, Options};
use serde_json::{Value, json};

use crate::client::{Client, admin, eventually, start};

#[tokio::test]
async fn faults_strike_on_the_wire() {
    let (double, client) = start().await;
    let fault = |action: Value| json!({ "operation": "CreateKey", "times": 1, "action": action });
    let inject = async |action: Value| {
        assert_eq!(admin(&double, "POST", "faults", fault(action)).await.0, 204);
    };

    inject(json!({ "type": "cut" })).await;
    assert_eq!(client.call("CreateKey", json!({})).await, None);
    assert_eq!(double.keys().len(), 0);
    inject(json!({ "type": "loseReply" })).await;
    assert_eq!(client.call("CreateKey", json!({})).await, None);
    assert_eq!(double.keys().len(), 1);
    inject(json!({ "type": "error", "code": "KMSInternalException", "status": 500, "message": "oh" })).await;
    assert_eq!(client.outcome("CreateKey", json!({})).await, "500 KMSInternalException");
    assert_eq!(double.keys().len(), 1);
    let entries: Vec<Entry> = double.ledger();
    let told: Vec<_> = entries.iter().map(|entry| (entry.fault.as_deref().unwrap(), entry.took_effect, entry.replied)).collect();
    assert_eq!(told, [("cut", false, false), ("loseReply", true, false), ("error", false, true)]);

    inject(json!({ "type": "delay", "millis": 50 })).await;
    let begun = Instant::now();
    client.create(json!({})).await;
    assert!(begun.elapsed() >= Duration::from_millis(50));

    // A delayed call whose client has gone has no effect. The second call waits just as long, so it ends after the first would have.
    let keys = double.keys().len();
    let delay = FaultAction::Delay { millis: 500 };
    double.inject(Fault::on("CreateKey", delay).times(2));
    let patience = Duration::from_millis(100);
    assert!(tokio::time::timeout(patience, client.call("CreateKey", json!({}))).await.is_err());
    client.create(json!({})).await;
    assert_eq!(double.keys().len(), keys + 1);

    // A late reply comes after the effect.
    inject(json!({ "type": "lateReply", "millis": 60_000 })).await;
    let keys = double.keys().len();
    let late = tokio::spawn({
        let client = client.clone();
        async move { client.call("CreateKey", json!({})).await }
    });
    eventually(|| double.keys().len() == keys + 1).await;
    late.abort();

    // A call that hangs ends with the double.
    double.inject(Fault::on("DescribeKey", FaultAction::Hang));
    assert_eq!(admin(&double, "GET", "faults", Value::Null).await.1.as_array().unwrap().len(), 7);
    let hanging = tokio::spawn({
        let client = client.clone();
        async move { client.call("DescribeKey", json!({ "KeyId": "x" })).await }
    });
    eventually(|| double.ledger().last().is_some_and(|entry| entry.fault.as_deref() == Some("hang"))).await;
    assert_eq!(admin(&double, "DELETE", "faults", Value::Null).await.0, 204);
    client.ok("ListKeys", json!({})).await;
    let address = double.address();
    double.stop().await;
    assert_eq!(hanging.await.unwrap(), None);
    // The port is free again.
    let options = Options { port: address.port(), ..Options::default() };
    assert_eq!(Double::start(options).await.unwrap().address(), address);
}

#[tokio::test]
async fn quotas_throttle_when_they_are_on() {
    let double = Double::start(Options { quotas: true, ..Options::default() }).await.unwrap();
    let client = Client::new(&double);
    let mut throttled = 0;
    for _ in 0..50 {
        throttled += usize::from(client.outcome("CreateKey", json!({})).await == "400 ThrottlingException");
    }
    assert!(throttled > 0);
    assert_eq!(double.keys().len() + throttled, 50);
    client.ok("ListKeys", json!({})).await;
    Client::second(&double).create(json!({})).await;
}

#[tokio::test]
async fn reads_lag_behind_changes() {
    let double = Double::start(Options { read_lag: Duration::from_hours(1), ..Options::default() }).await.unwrap();
    let client = Client::new(&double);
    let planted = client.ok("CreateKey", json!({})).await;
    let key = planted["KeyMetadata"]["KeyId"].as_str().unwrap();
    assert_eq!(client.refused("DescribeKey", json!({ "KeyId": key })).await, "NotFoundException");
    assert_eq!(client.ok("ListKeys", json!({})).await["Keys"], json!([]));
    // Writes see the newest state, and so does the test.
    client.ok("CreateAlias", json!({ "AliasName": "alias/a", "TargetKeyId": key })).await;
    assert_eq!(client.refused("CreateAlias", json!({ "AliasName": "alias/a", "TargetKeyId": key })).await, "AlreadyExistsException");
    assert_eq!(double.keys()[0].aliases, ["alias/a"]);

    let double = Double::start(Options { read_lag: Duration::from_millis(50), ..Options::default() }).await.unwrap();
    let client = Client::new(&double);
    let key = client.create(json!({})).await;
    let deadline = Instant::now() + Duration::from_secs(10);
    while client.outcome("DescribeKey", json!({ "KeyId": key })).await != "OK" {
        assert!(Instant::now() < deadline, "the key did not become visible");
    }
}
