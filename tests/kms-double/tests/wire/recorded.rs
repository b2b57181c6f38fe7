//! Answers of the real AWS KMS that `LocalStack`'s authors recorded and keep as snapshots beside their tests. Where a page of AWS says something else, these win.

use jiff::SignedDuration;
use kms_double::{ACCOUNT, KeyState};
use serde_json::{Value, json};

use crate::client::{Client, REGION, days, start};

/// The code of a refusal, and its message if it has one.
async fn refusal(client: &Client, operation: &str, members: Value) -> (String, Option<String>) {
    let (status, body) = client.call(operation, members).await.unwrap();
    assert_eq!(status, 400, "{operation}: {body}");
    let body: Value = serde_json::from_str(&body).unwrap();
    (body["__type"].as_str().unwrap().to_owned(), body.get("message").map(|message| message.as_str().unwrap().to_owned()))
}

#[tokio::test]
async fn refusals_are_in_the_words_of_aws() {
    let (double, client) = start().await;
    let arn = |id: &str| format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{id}");
    let key = client.create(json!({})).await;
    let hmac = client.create(json!({ "KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC" })).await;
    let disabled = client.create(json!({ "KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC" })).await;
    client.ok("DisableKey", json!({ "KeyId": disabled })).await;
    let waiting = client.create(json!({ "Origin": "EXTERNAL" })).await;
    let external = client.create(json!({ "Origin": "EXTERNAL" })).await;
    double.set_state(&external, KeyState::Enabled).unwrap();
    let primary = client.create(json!({ "MultiRegion": true })).await;
    client.ok("ReplicateKey", json!({ "KeyId": primary, "ReplicaRegion": "us-east-1" })).await;
    double.advance(SignedDuration::from_secs(5)).unwrap();
    for _ in 0..25 {
        client.ok("RotateKeyOnDemand", json!({ "KeyId": key })).await;
        double.advance(days(1)).unwrap();
    }
    let tags = |key: &str, value: &str| json!([{ "TagKey": "a", "TagValue": "b" }, { "TagKey": key, "TagValue": value }]);
    let (long_key, long_value) = ("k".repeat(129), "v".repeat(257));
    let too_long = |value: &str, at: &str, most: usize| {
        format!(
            "1 validation error detected: Value '{value}' at '{at}' failed to satisfy constraint: Member must have length less than or equal to {most}"
        )
    };
    let many: Value = (0..51).map(|index| json!({ "TagKey": format!("k{index}"), "TagValue": "v" })).collect();
    let of = |id: &str| json!({ "KeyId": id });
    let text = |text: &str| Some(text.to_owned());
    let cases = [
        (
            "CreateAlias",
            json!({ "AliasName": "no-prefix", "TargetKeyId": key }),
            "ValidationException",
            text(
                "Alias must start with the prefix \"alias/\". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html",
            ),
        ),
        ("CreateKey", json!({ "Tags": tags("AWS:x", "y") }), "TagException", text("Tags beginning with aws: are reserved")),
        (
            "CreateKey",
            json!({ "Tags": tags(&long_key, "y") }),
            "ValidationException",
            Some(too_long(&long_key, "tags.2.member.tagKey", 128)),
        ),
        (
            "CreateKey",
            json!({ "Tags": tags("k", &long_value) }),
            "ValidationException",
            Some(too_long(&long_value, "tags.2.member.tagValue", 256)),
        ),
        ("CreateKey", json!({ "Tags": many }), "TagException", text("Too many tags")),
        ("TagResource", json!({ "KeyId": key, "Tags": tags("a", "c") }), "TagException", text("Duplicate tag keys")),
        ("DescribeKey", of("mrk-fake-key-id"), "NotFoundException", text("Invalid keyId 'mrk-fake-key-id'")),
        ("RotateKeyOnDemand", of(&disabled), "DisabledException", Some(format!("{} is disabled.", arn(&disabled)))),
        ("RotateKeyOnDemand", of(&hmac), "UnsupportedOperationException", None),
        (
            "RotateKeyOnDemand",
            of(&external),
            "KMSInvalidStateException",
            Some(format!("No available key material pending rotation for the key: {}.", arn(&external))),
        ),
        ("RotateKeyOnDemand", of(&waiting), "KMSInvalidStateException", Some(format!("{} is pending import.", arn(&waiting)))),
        (
            "Encrypt",
            json!({ "KeyId": hmac, "Plaintext": "eA==" }),
            "InvalidKeyUsageException",
            Some(format!("{} key usage is GENERATE_VERIFY_MAC which is not valid for Encrypt.", arn(&hmac))),
        ),
        (
            "Encrypt",
            json!({ "KeyId": key, "Plaintext": "eA==", "DryRun": true }),
            "DryRunOperationException",
            text("The request would have succeeded, but the DryRun option is set."),
        ),
        ("Decrypt", json!({ "CiphertextBlob": "eA==" }), "InvalidCiphertextException", None),
    ];
    for (operation, members, code, message) in cases {
        assert_eq!(refusal(&client, operation, members.clone()).await, (code.to_owned(), message), "{operation} {members}");
    }
    let (code, message) = refusal(&client, "RotateKeyOnDemand", of(&key)).await;
    assert_eq!(code, "LimitExceededException");
    assert!(message.unwrap().starts_with("The on-demand rotations limit has been reached for the given keyId. No more"));
    let replica = client.in_region("us-east-1");
    let (code, message) = refusal(&replica, "ReplicateKey", json!({ "KeyId": primary, "ReplicaRegion": "us-west-2" })).await;
    assert_eq!(
        (code.as_str(), message),
        (
            "UnsupportedOperationException",
            Some(format!("arn:aws:kms:us-east-1:{ACCOUNT}:key/{primary} is not a multi-region primary key."))
        )
    );
}

#[tokio::test]
async fn what_is_not_there_is_told_in_the_words_of_aws() {
    let (_double, client) = start().await;
    let arn = |id: &str| format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{id}");
    let abroad = client.in_region("us-east-1").create(json!({})).await;
    let waiting = client.create(json!({ "Origin": "EXTERNAL" })).await;
    let nobody = "1234abcd-12ab-34cd-56ef-1234567890ab";
    let of = |id: &str| json!({ "KeyId": id });
    let gone = |id: &str| format!("Key '{}' does not exist", arn(id));
    let cases = [
        ("DescribeKey", of(nobody), "NotFoundException", gone(nobody)),
        ("DescribeKey", of(&arn(nobody)), "NotFoundException", gone(nobody)),
        ("DescribeKey", of(&abroad), "NotFoundException", gone(&abroad)),
        ("DescribeKey", of(&format!("arn:aws:kms:us-east-1:{ACCOUNT}:key/{abroad}")), "NotFoundException", "Invalid arn us-east-1".into()),
        (
            "CreateKey",
            json!({ "KeySpec": "HMAC_256" }),
            "ValidationException",
            "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.".into(),
        ),
        (
            "Encrypt",
            json!({ "KeyId": waiting, "Plaintext": "eA==" }),
            "KMSInvalidStateException",
            format!("{} is pending import.", arn(&waiting)),
        ),
    ];
    for (operation, members, code, message) in cases {
        assert_eq!(refusal(&client, operation, members.clone()).await, (code.to_owned(), Some(message)), "{operation} {members}");
    }
}

#[tokio::test]
async fn answers_have_the_members_that_aws_was_seen_to_send() {
    let (double, client) = start().await;
    let primary = client.create(json!({ "MultiRegion": true })).await;
    let replicated = client.ok("ReplicateKey", json!({ "KeyId": primary, "ReplicaRegion": "us-east-1" })).await;
    assert!(replicated.get("ReplicaTags").is_none(), "{replicated}");
    assert!(replicated["ReplicaKeyMetadata"].get("CurrentKeyMaterialId").is_none(), "{replicated}");
    let tagged = json!({ "KeyId": primary, "ReplicaRegion": "us-west-2", "Tags": [{ "TagKey": "a", "TagValue": "b" }] });
    assert_eq!(client.ok("ReplicateKey", tagged).await["ReplicaTags"], json!([{ "TagKey": "a", "TagValue": "b" }]));
    double.advance(SignedDuration::from_secs(5)).unwrap();
    let material = client.describe(&primary).await["CurrentKeyMaterialId"].clone();
    let encrypted = client.ok("Encrypt", json!({ "KeyId": primary, "Plaintext": "eA==" })).await;
    let decrypted = client.in_region("us-east-1").ok("Decrypt", json!({ "CiphertextBlob": encrypted["CiphertextBlob"] })).await;
    assert_eq!((&decrypted["Plaintext"], &decrypted["KeyMaterialId"]), (&json!("eA=="), &material));
}
