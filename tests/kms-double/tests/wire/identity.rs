//! Signatures, accounts, Regions and roles.

use jiff::{SignedDuration, Timestamp};
use kms_double::{Credential, KeyState, Role};
use serde_json::json;

use crate::client::{Client, days, exchange, start};

#[tokio::test]
async fn a_signature_is_verified() {
    let (double, client) = start().await;
    let code = async |client: &Client| client.refused("ListKeys", json!({})).await;
    let unknown = Client { access_key: "AKIAUNKNOWN".to_owned(), ..client.clone() };
    assert_eq!(code(&unknown).await, "UnrecognizedClientException");
    let wrong = Client { secret: "wrong".to_owned(), ..client.clone() };
    assert_eq!(code(&wrong).await, "InvalidSignatureException");
    let foreign_token = Client { token: Some("token".to_owned()), ..client.clone() };
    assert_eq!(code(&foreign_token).await, "UnrecognizedClientException");
    for minutes in [-6, 6] {
        let skewed = Client { skew: SignedDuration::from_mins(minutes), ..client.clone() };
        assert_eq!(code(&skewed).await, "InvalidSignatureException", "{minutes}");
    }
    let expired = Credential {
        session_token: Some("token".to_owned()),
        expires: Some(Timestamp::now() - SignedDuration::from_secs(1)),
        ..Credential::new("ASIAEXPIRED", "secret", kms_double::ACCOUNT)
    };
    double.add_credential(expired);
    let expired =
        Client { access_key: "ASIAEXPIRED".to_owned(), secret: "secret".to_owned(), token: Some("token".to_owned()), ..client.clone() };
    assert_eq!(code(&expired).await, "ExpiredTokenException");
    let headers = [("x-amz-target", "TrentService.ListKeys")];
    let (status, body) = exchange(double.address(), "POST", "/", &headers, "{}").await.unwrap();
    assert_eq!(status, 400);
    assert!(body.contains("MissingAuthenticationTokenException"), "{body}");
    let (_, body) = client.send("sts", &headers, "{}").await.unwrap();
    assert!(body.contains("correct service: 'kms'"), "{body}");

    // The client's clock is the real one, wherever the double's is.
    double.advance(days(400)).unwrap();
    client.ok("ListKeys", json!({})).await;
    assert!(double.ledger().iter().filter(|entry| entry.result != "OK").all(|entry| entry.account.is_none()));
}

#[tokio::test]
async fn accounts_and_regions_are_apart() {
    let (double, client) = start().await;
    let key = client.create(json!({})).await;
    let arn = double.keys()[0].arn.clone();
    let second = Client::second(&double);
    assert_eq!(second.refused("DescribeKey", json!({ "KeyId": key })).await, "NotFoundException");
    assert_eq!(second.refused("DescribeKey", json!({ "KeyId": arn })).await, "AccessDeniedException");
    assert_eq!(second.refused("ScheduleKeyDeletion", json!({ "KeyId": arn })).await, "AccessDeniedException");
    assert_eq!(client.in_region("us-east-1").refused("DescribeKey", json!({ "KeyId": key })).await, "NotFoundException");
    assert_eq!(client.in_region("us-east-1").ok("ListKeys", json!({})).await["Keys"], json!([]));
    assert_eq!(client.describe(&arn).await["KeyState"], "Enabled");
}

#[tokio::test]
async fn sts_tells_who_calls_and_lends_roles() {
    let (double, client) = start().await;
    let version = "Version=2011-06-15";
    let (status, body) = client.sts(&format!("Action=GetCallerIdentity&{version}")).await;
    assert_eq!(status, 200);
    assert!(body.contains("<Account>111122223333</Account>"), "{body}");

    double.add_role(Role::new("arn:aws:iam::444455556666:role/lent").with_external_id("x-1"));
    let assume = format!("Action=AssumeRole&{version}&RoleArn=arn%3Aaws%3Aiam%3A%3A444455556666%3Arole%2Flent&RoleSessionName=tests");
    let (status, body) = client.sts(&assume).await;
    assert_eq!(status, 403);
    assert!(body.contains("<Code>AccessDenied</Code>"), "{body}");
    let (status, body) = client.sts(&format!("{assume}&ExternalId=x-1")).await;
    assert_eq!(status, 200, "{body}");
    let element = |name: &str| body.split(&format!("<{name}>")).nth(1).unwrap().split('<').next().unwrap().to_owned();
    let lent = Client {
        access_key: element("AccessKeyId"),
        secret: element("SecretAccessKey"),
        token: Some(element("SessionToken")),
        ..client.clone()
    };
    let (_, body) = lent.sts(&format!("Action=GetCallerIdentity&{version}")).await;
    assert!(body.contains("arn:aws:sts::444455556666:assumed-role/lent/tests"), "{body}");
    lent.create(json!({})).await;
    assert_eq!(double.keys()[0].account, "444455556666");
    let without_token = Client { token: None, ..lent };
    assert_eq!(without_token.refused("ListKeys", json!({})).await, "UnrecognizedClientException");

    for (client, expected) in [
        (Client { access_key: "AKIAUNKNOWN".to_owned(), ..client.clone() }, "InvalidClientTokenId"),
        (Client { secret: "wrong".to_owned(), ..client.clone() }, "SignatureDoesNotMatch"),
    ] {
        let (status, body) = client.sts(&format!("Action=GetCallerIdentity&{version}")).await;
        assert_eq!(status, 403);
        assert!(body.contains(&format!("<Code>{expected}</Code>")), "{body}");
    }
}

#[tokio::test]
async fn a_credential_may_be_narrow() {
    let (double, client) = start().await;
    let narrow = Credential { allow: Some(vec!["kms:CreateKey".to_owned()]), ..Credential::new("AKIANARROW", "s", kms_double::ACCOUNT) };
    double.add_credential(narrow);
    let narrow = Client { access_key: "AKIANARROW".to_owned(), secret: "s".to_owned(), ..client };
    let key = narrow.create(json!({})).await;
    assert_eq!(narrow.refused("ScheduleKeyDeletion", json!({ "KeyId": key })).await, "AccessDeniedException");
    assert_eq!(double.keys()[0].state, KeyState::Enabled);
}
