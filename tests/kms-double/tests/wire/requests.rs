//! What requests may say, and lists.

use serde_json::{Value, json};

use crate::client::start;

#[tokio::test]
async fn what_a_request_says_is_checked_as_documented() {
    let (_double, client) = start().await;
    let key = client.create(json!({})).await;
    let tag = |name: &str, value: &str| json!({ "TagKey": name, "TagValue": value });
    let tags = |count: usize| -> Value { (0..count).map(|index| tag(&format!("k{index}"), "v")).collect() };
    let alias = |name: &str| json!({ "AliasName": name, "TargetKeyId": key });
    let cases = [
        ("CreateKey", json!({ "KeySpec": "RSA_2048" }), "ValidationException"),
        ("CreateKey", json!({ "KeySpec": "HMAC_256" }), "ValidationException"),
        ("CreateKey", json!({ "KeySpec": "RSA_1024" }), "ValidationException"),
        ("CreateKey", json!({ "KeyUsage": "SIGN_VERIFY" }), "ValidationException"),
        ("CreateKey", json!({ "Origin": "AWS_CLOUDHSM" }), "ValidationException"),
        ("CreateKey", json!({ "Origin": "AWS_CLOUDHSM", "CustomKeyStoreId": "cks-1" }), "CustomKeyStoreNotFoundException"),
        ("CreateKey", json!({ "Description": "x".repeat(8193) }), "ValidationException"),
        ("CreateKey", json!({ "Description": 1 }), "SerializationException"),
        ("CreateKey", json!({ "Tags": [tag("aws:x", "y")] }), "TagException"),
        ("CreateKey", json!({ "Tags": [tag("a", "1"), tag("a", "2")] }), "TagException"),
        ("CreateKey", json!({ "Tags": tags(51) }), "TagException"),
        ("CreateKey", json!({ "Policy": "{" }), "MalformedPolicyDocumentException"),
        ("CreateKey", json!({ "Policy": "{\"Statement\":[]}" }), "MalformedPolicyDocumentException"),
        ("TagResource", json!({ "KeyId": key, "Tags": [tag(&"k".repeat(129), "v")] }), "ValidationException"),
        ("TagResource", json!({ "KeyId": key, "Tags": [tag("k", &"v".repeat(257))] }), "ValidationException"),
        ("TagResource", json!({ "KeyId": key, "Tags": [tag("k*", "v")] }), "TagException"),
        ("TagResource", json!({ "KeyId": key }), "ValidationException"),
        ("UntagResource", json!({ "KeyId": key, "TagKeys": ["aws:x"] }), "TagException"),
        ("UpdateKeyDescription", json!({ "KeyId": key, "Description": "x".repeat(8193) }), "ValidationException"),
        ("CreateAlias", alias("alias/aws/x"), "InvalidAliasNameException"),
        ("CreateAlias", alias("x"), "ValidationException"),
        ("CreateAlias", alias("alias/"), "InvalidAliasNameException"),
        ("CreateAlias", alias("alias/a b"), "ValidationException"),
        ("CreateAlias", alias(&format!("alias/{}", "x".repeat(251))), "ValidationException"),
        ("CreateAlias", json!({ "AliasName": "alias/a", "TargetKeyId": "alias/b" }), "ValidationException"),
        ("UpdateAlias", alias("alias/none"), "NotFoundException"),
        ("DeleteAlias", json!({ "AliasName": "alias/none" }), "NotFoundException"),
        ("DeleteAlias", json!({ "AliasName": "alias/aws/s3" }), "ValidationException"),
        ("DescribeKey", json!({}), "ValidationException"),
        ("DescribeKey", json!({ "KeyId": "" }), "ValidationException"),
        ("DescribeKey", json!({ "KeyId": "garbage" }), "NotFoundException"),
        ("DescribeKey", json!({ "KeyId": "1234abcd-12ab-34cd-56ef-1234567890ab" }), "NotFoundException"),
        ("DescribeKey", json!({ "KeyId": "arn:aws:kms:eu-west-1" }), "InvalidArnException"),
        ("DescribeKey", json!({ "KeyId": format!("arn:aws:kms:us-east-1:{}:key/{key}", kms_double::ACCOUNT) }), "NotFoundException"),
        ("ScheduleKeyDeletion", json!({ "PendingWindowInDays": 7 }), "ValidationException"),
        ("ScheduleKeyDeletion", json!({ "KeyId": "" }), "ValidationException"),
        ("ScheduleKeyDeletion", json!({ "KeyId": "x".repeat(2049) }), "ValidationException"),
        ("ScheduleKeyDeletion", json!({ "KeyId": "x".repeat(2048) }), "NotFoundException"),
        ("ScheduleKeyDeletion", json!({ "KeyId": "arn:aws:kms:eu-west-1" }), "InvalidArnException"),
        ("ListKeys", json!({ "Limit": 1001 }), "ValidationException"),
        ("ListKeys", json!({ "ResourceOwners": [] }), "ValidationException"),
        ("ListKeys", json!({ "ResourceOwners": ["ALL"] }), "ValidationException"),
        ("ListKeys", json!({ "Marker": "nonsense" }), "InvalidMarkerException"),
        ("GetKeyPolicy", json!({ "KeyId": key, "PolicyName": "other" }), "NotFoundException"),
        ("GenerateRandom", json!({}), "ValidationException"),
        ("CreateCustomKeyStore", json!({}), "AccessDeniedException"),
        ("GenerateRandomly", json!({}), "UnknownOperationException"),
    ];
    for (operation, members, code) in cases {
        assert_eq!(client.refused(operation, members.clone()).await, code, "{operation} {members}");
    }
}

#[tokio::test]
async fn aliases_and_tags_have_their_limits() {
    let (_double, client) = start().await;
    let key = client.create(json!({})).await;
    let alias = |name: &str| json!({ "AliasName": name, "TargetKeyId": key });
    let tag = |name: &str| json!({ "TagKey": name, "TagValue": "v" });
    let tags: Value = (0..50).map(|index| tag(&format!("k{index}"))).collect();
    client.ok("CreateAlias", alias("alias/mine")).await;
    assert_eq!(client.refused("CreateAlias", alias("alias/mine")).await, "AlreadyExistsException");
    // A management operation takes no alias.
    for operation in ["ScheduleKeyDeletion", "DisableKey", "ListResourceTags", "GetKeyRotationStatus"] {
        assert_eq!(client.refused(operation, json!({ "KeyId": "alias/mine" })).await, "NotFoundException", "{operation}");
    }
    let signer = client.create(json!({ "KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY" })).await;
    let other_type = json!({ "AliasName": "alias/mine", "TargetKeyId": signer });
    assert_eq!(client.refused("UpdateAlias", other_type).await, "ValidationException");
    for index in 1..50 {
        client.ok("CreateAlias", alias(&format!("alias/mine-{index}"))).await;
    }
    assert_eq!(client.refused("CreateAlias", alias("alias/one-more")).await, "LimitExceededException");
    client.ok("TagResource", json!({ "KeyId": key, "Tags": tags })).await;
    let one_more = json!({ "KeyId": key, "Tags": [tag("more")] });
    assert_eq!(client.refused("TagResource", one_more).await, "TagException");
    let external = client.create(json!({ "Origin": "EXTERNAL" })).await;
    assert_eq!(client.describe(&external).await["KeyState"], "PendingImport");
}

#[tokio::test]
async fn lists_come_in_pages() {
    let (_double, client) = start().await;
    let mut keys = Vec::new();
    for _ in 0..5 {
        keys.push(client.create(json!({})).await);
    }
    keys.sort();
    let mut listed = Vec::new();
    let mut members = json!({ "Limit": 2 });
    loop {
        let page = client.ok("ListKeys", members.clone()).await;
        listed.extend(page["Keys"].as_array().unwrap().iter().map(|key| key["KeyId"].as_str().unwrap().to_owned()));
        if page["Truncated"] == false {
            assert!(page.get("NextMarker").is_none());
            break;
        }
        members["Marker"] = page["NextMarker"].clone();
        // What one operation gave out is no marker of another.
        assert_eq!(client.refused("ListAliases", json!({ "Marker": page["NextMarker"] })).await, "InvalidMarkerException");
    }
    assert_eq!(listed, keys);
    for (owners, count) in [(json!(["SELF"]), 5), (json!(["OTHER_ACCOUNTS_VIA_RAM"]), 0), (json!(["OTHER_ACCOUNTS_VIA_RAM", "SELF"]), 5)] {
        let page = client.ok("ListKeys", json!({ "ResourceOwners": owners })).await;
        assert_eq!(page["Keys"].as_array().unwrap().len(), count, "{owners}");
    }

    for index in 0..60 {
        let target = &keys[usize::from(index >= 45)];
        client.ok("CreateAlias", json!({ "AliasName": format!("alias/a{index:02}"), "TargetKeyId": target })).await;
    }
    let first = client.ok("ListAliases", json!({})).await;
    assert_eq!((first["Aliases"].as_array().unwrap().len(), &first["Truncated"]), (50, &json!(true)));
    let rest = client.ok("ListAliases", json!({ "Marker": first["NextMarker"] })).await;
    assert_eq!(rest["Aliases"].as_array().unwrap().len(), 10);
    let of_key = client.ok("ListAliases", json!({ "KeyId": keys[1] })).await;
    assert_eq!(of_key["Aliases"].as_array().unwrap().len(), 15);
    client.ok("UpdateAlias", json!({ "AliasName": "alias/a00", "TargetKeyId": keys[1] })).await;
    assert_eq!(client.ok("ListAliases", json!({ "KeyId": keys[1] })).await["Aliases"][0]["AliasName"], "alias/a00");
}
