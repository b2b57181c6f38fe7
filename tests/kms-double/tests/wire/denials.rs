//! Policies of an organization that deny deletions by AWS's condition keys.

use kms_double::{ACCOUNT, Denial, SECOND_ACCOUNT};
use serde_json::json;

use crate::client::{days, start};

#[tokio::test]
async fn a_deletion_is_denied_by_its_window_and_by_the_last_use_and_the_condition_is_not_named() {
    let (double, client) = start().await;
    let key = client.ok("CreateKey", json!({})).await["KeyMetadata"]["Arn"].clone();
    let denial = |window, idle| Denial { account: ACCOUNT.into(), window_below: window, idle_below: idle };
    let schedule = |days| json!({ "KeyId": key, "PendingWindowInDays": days });

    double.set_denials(vec![denial(Some(14), None), Denial { account: SECOND_ACCOUNT.into(), ..denial(None, Some(100)) }]);
    assert_eq!(client.refused("ScheduleKeyDeletion", schedule(13)).await, "AccessDeniedException");
    let told = double.ledger().last().unwrap().message.clone().unwrap();
    assert!(told.ends_with("with an explicit deny in a service control policy") && !told.contains("Window"), "{told}");
    // The default window is 30 days, and the window is no matter of `DisableKey`.
    client.ok("DisableKey", json!({ "KeyId": key })).await;
    client.ok("EnableKey", json!({ "KeyId": key })).await;
    client.ok("ScheduleKeyDeletion", json!({ "KeyId": key })).await;
    client.ok("CancelKeyDeletion", json!({ "KeyId": key })).await;
    client.ok("EnableKey", json!({ "KeyId": key })).await;

    // A key that was never used is idle since it was created.
    double.set_denials(vec![denial(None, Some(3))]);
    for operation in ["ScheduleKeyDeletion", "DisableKey"] {
        assert_eq!(client.refused(operation, json!({ "KeyId": key })).await, "AccessDeniedException", "{operation}");
    }
    double.advance(days(3)).unwrap();
    client.ok("DisableKey", json!({ "KeyId": key })).await;
    client.ok("EnableKey", json!({ "KeyId": key })).await;
    client.ok("Encrypt", json!({ "KeyId": key, "Plaintext": "YQ==" })).await;
    assert_eq!(client.refused("DisableKey", json!({ "KeyId": key })).await, "AccessDeniedException");
    double.advance(days(2)).unwrap();
    assert_eq!(client.refused("ScheduleKeyDeletion", schedule(7)).await, "AccessDeniedException");
    double.advance(days(1)).unwrap();
    client.ok("ScheduleKeyDeletion", schedule(7)).await;
}
