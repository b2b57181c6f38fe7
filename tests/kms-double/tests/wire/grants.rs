//! Grants: which can be made, what they permit, and how they end.

use jiff::SignedDuration;
use kms_double::{ACCOUNT, Credential, Double, GrantTerms, SECOND_ACCOUNT};
use serde_json::{Value, json};

use crate::client::{Client, REGION, days, seconds, start};

const READER: &str = "arn:aws:iam::111122223333:user/reader";
const AUDITOR: &str = "arn:aws:iam::111122223333:role/auditor";

/// The members of a `CreateGrant`, with changes. Null removes a member.
fn grant(key: &str, changes: &Value) -> Value {
    let mut members =
        json!({ "KeyId": key, "GranteePrincipal": READER, "RetiringPrincipal": AUDITOR, "Operations": ["Encrypt", "Decrypt"] });
    for (name, value) in changes.as_object().unwrap() {
        members[name] = value.clone();
    }
    members
}

/// A client whose credential allows nothing but these actions.
fn restricted(double: &Double, arn: &str, allow: &[&str]) -> Client {
    let access_key = format!("AKIA{}", arn.rsplit('/').next().unwrap().to_uppercase());
    let account = arn.split(':').nth(4).unwrap();
    let allow = Some(allow.iter().map(|action| (*action).to_owned()).collect());
    double.add_credential(Credential { arn: Some(arn.to_owned()), allow, ..Credential::new(&access_key, "secret", account) });
    Client { access_key, secret: "secret".to_owned(), ..Client::new(double) }
}

#[tokio::test]
async fn a_grant_is_made_listed_and_revoked() {
    let (double, client) = start().await;
    let key = client.create(json!({})).await;
    let before = double.now();
    let constraints = json!({ "EncryptionContextSubset": { "tenant": "a" } });
    let made = client.ok("CreateGrant", grant(&key, &json!({ "Name": "reader-1", "Constraints": constraints }))).await;
    let id = made["GrantId"].as_str().unwrap();
    assert_eq!(id.len(), 64);
    let mut listed = client.ok("ListGrants", json!({ "KeyId": key })).await;
    let created = listed["Grants"][0].as_object_mut().unwrap().remove("CreationDate").unwrap();
    assert!(seconds(&created) >= seconds(&json!(before.as_second())));
    let entry = json!({
        "KeyId": format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{key}"),
        "GrantId": id,
        "Name": "reader-1",
        "IssuingAccount": format!("arn:aws:iam::{ACCOUNT}:root"),
        "GranteePrincipal": READER,
        "RetiringPrincipal": AUDITOR,
        "Operations": ["Encrypt", "Decrypt"],
        "Constraints": constraints,
    });
    assert_eq!(listed, json!({ "Grants": [entry], "Truncated": false }));
    assert_eq!(double.grants(&key).unwrap()[0].terms.name.as_deref(), Some("reader-1"));

    let of = json!({ "KeyId": key, "GrantId": id });
    let mut rehearsed = of.clone();
    rehearsed["DryRun"] = json!(true);
    assert_eq!(client.refused("RevokeGrant", rehearsed).await, "DryRunOperationException");
    assert_eq!(client.ok("RevokeGrant", of.clone()).await, Value::Null);
    assert_eq!(client.refused("RevokeGrant", of).await, "NotFoundException");
    assert_eq!(client.ok("ListGrants", json!({ "KeyId": key })).await["Grants"], json!([]));
    let effects: Vec<_> = double.ledger().iter().filter(|entry| entry.changed).map(|entry| entry.operation.clone()).collect();
    assert_eq!(effects, ["CreateKey", "CreateGrant", "RevokeGrant"]);
}

#[tokio::test]
async fn a_name_makes_the_same_request_one_grant() {
    let (double, client) = start().await;
    let key = client.create(json!({})).await;
    let named = grant(&key, &json!({ "Name": "uid:1" }));
    let first = client.ok("CreateGrant", named.clone()).await;
    let again = client.ok("CreateGrant", named.clone()).await;
    assert_eq!(again["GrantId"], first["GrantId"]);
    assert_ne!(again["GrantToken"], first["GrantToken"], "each request has a token of its own");
    let others = [
        grant(&key, &json!({ "Name": "uid:1", "Operations": ["Encrypt"] })),
        grant(&key, &json!({ "Name": "uid:1", "GranteePrincipal": AUDITOR })),
        grant(&key, &json!({ "Name": "uid:1", "RetiringPrincipal": null })),
        grant(&key, &json!({ "Name": "uid:1", "Constraints": { "EncryptionContextEquals": { "a": "b" } } })),
        grant(&key, &json!({ "Name": "uid:2" })),
        grant(&key, &json!({})),
        grant(&key, &json!({})),
    ];
    for other in others {
        client.ok("CreateGrant", other).await;
    }
    assert_eq!(double.grants(&key).unwrap().len(), 8);
    // A token of either request names the grant. After it is gone, the name makes a new one.
    client.ok("RetireGrant", json!({ "GrantToken": first["GrantToken"] })).await;
    assert_eq!(client.refused("RetireGrant", json!({ "GrantToken": again["GrantToken"] })).await, "NotFoundException");
    assert_ne!(client.ok("CreateGrant", named).await["GrantId"], first["GrantId"]);
}

#[tokio::test]
async fn what_a_grant_may_say_is_checked_as_documented() {
    let (double, client) = start().await;
    let key = client.create(json!({})).await;
    let rsa = client.create(json!({ "KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT" })).await;
    let signer = client.create(json!({ "KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY" })).await;
    let agree = client.create(json!({ "KeySpec": "ECC_NIST_P256", "KeyUsage": "KEY_AGREEMENT" })).await;
    let hmac = client.create(json!({ "KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC" })).await;
    let kem = client.create(json!({ "KeySpec": "ML_KEM_768", "KeyUsage": "ENCAPSULATE_DECAPSULATE" })).await;
    let pairs = |count: usize| -> Value { (0..count).map(|n| (format!("k{n}"), json!("v"))).collect::<serde_json::Map<_, _>>().into() };
    let source = "arn:aws:s3:::111122223333:bucket";
    let service = json!({ "GranteePrincipal": null, "GranteeServicePrincipal": "s3.eu-west-1.amazonaws.com" });
    let with = |mut one: Value, other: Value| {
        one.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
        one
    };
    let refused = [
        (grant(&key, &json!({ "Operations": null })), "ValidationException"),
        (grant(&key, &json!({ "Operations": [] })), "ValidationException"),
        (grant(&key, &json!({ "Operations": ["ScheduleKeyDeletion"] })), "ValidationException"),
        (grant(&key, &json!({ "Operations": "Encrypt" })), "SerializationException"),
        (grant(&key, &json!({ "Operations": ["Sign"] })), "ValidationException"),
        (grant(&key, &json!({ "Operations": ["Encrypt", "GetPublicKey"] })), "ValidationException"),
        (grant(&rsa, &json!({ "Operations": ["GenerateDataKey"] })), "ValidationException"),
        (grant(&signer, &json!({ "Operations": ["DeriveSharedSecret"] })), "ValidationException"),
        (grant(&hmac, &json!({ "Operations": ["GetPublicKey"] })), "ValidationException"),
        (grant(&key, &json!({ "GranteePrincipal": null })), "ValidationException"),
        (grant(&key, &json!({ "GranteePrincipal": "reader" })), "InvalidArnException"),
        (grant(&key, &json!({ "GranteePrincipal": "arn:aws:iam::1:user/reader" })), "InvalidArnException"),
        (grant(&key, &json!({ "RetiringPrincipal": "arn:aws:s3:::bucket" })), "InvalidArnException"),
        (grant(&key, &json!({ "GranteePrincipal": "a b" })), "ValidationException"),
        (grant(&key, &service), "ValidationException"),
        (grant(&key, &json!({ "GranteeServicePrincipal": "s3.eu-west-1.amazonaws.com" })), "ValidationException"),
        (grant(&key, &json!({ "RetiringServicePrincipal": "s3.eu-west-1.amazonaws.com" })), "ValidationException"),
        (grant(&key, &json!({ "Name": "a b" })), "ValidationException"),
        (grant(&key, &json!({ "Name": "x".repeat(257) })), "ValidationException"),
        (grant(&key, &json!({ "Constraints": { "EncryptionContextEquals": pairs(9) } })), "ValidationException"),
        (grant(&key, &json!({ "Constraints": { "EncryptionContextSubset": { "k": "v".repeat(385) } } })), "ValidationException"),
        (grant(&rsa, &json!({ "Constraints": { "EncryptionContextEquals": pairs(1) } })), "ValidationException"),
        (grant(&key, &json!({ "GrantTokens": ["bm9uZQ=="] })), "InvalidGrantTokenException"),
        (grant(&key, &json!({ "GrantTokens": vec!["x"; 11] })), "ValidationException"),
        (grant("alias/none", &json!({})), "NotFoundException"),
        (grant(&key, &json!({ "DryRun": true })), "DryRunOperationException"),
    ];
    for (members, code) in refused {
        assert_eq!(client.refused("CreateGrant", members.clone()).await, code, "{members}");
    }
    assert!(double.ledger().iter().all(|entry| !entry.changed || entry.operation == "CreateKey"));
    let accepted = [
        grant(
            &key,
            &json!({ "Operations": ["GenerateDataKeyPair", "ReEncryptFrom", "ReEncryptTo", "CreateGrant", "RetireGrant", "DescribeKey"] }),
        ),
        grant(
            &key,
            &json!({ "Constraints": { "EncryptionContextEquals": pairs(8), "EncryptionContextSubset": { "k0": "v".repeat(384) } } }),
        ),
        grant(&key, &with(service, json!({ "Constraints": { "SourceArn": source } }))),
        grant(&key, &json!({ "GranteePrincipal": format!("arn:aws:iam::{SECOND_ACCOUNT}:root"), "RetiringPrincipal": null })),
        grant(&rsa, &json!({ "Operations": ["Encrypt", "Decrypt", "ReEncryptTo", "GetPublicKey"] })),
        grant(&signer, &json!({ "Operations": ["Sign", "Verify", "GetPublicKey"], "Constraints": { "SourceArn": source } })),
        grant(&agree, &json!({ "Operations": ["DeriveSharedSecret", "GetPublicKey"] })),
        grant(&hmac, &json!({ "Operations": ["GenerateMac", "VerifyMac"] })),
        grant(&kem, &json!({ "Operations": ["Encapsulate", "Decapsulate"] })),
    ];
    for members in accepted {
        client.ok("CreateGrant", members).await;
    }
    let services = client.ok("ListGrants", json!({ "KeyId": key, "Limit": 100 })).await["Grants"].clone();
    let services: Vec<&Value> = services.as_array().unwrap().iter().filter(|grant| grant.get("GranteePrincipal").is_none()).collect();
    assert_eq!(services[0]["GranteeServicePrincipal"], "s3.eu-west-1.amazonaws.com");
}

#[tokio::test]
async fn a_key_takes_fifty_thousand_grants() {
    let (double, client) = start().await;
    let key = client.create(json!({})).await;
    let terms = GrantTerms { grantee: READER.to_owned(), operations: vec!["Decrypt".to_owned()], ..GrantTerms::default() };
    double.plant_grants(&key, &terms, 49_999).unwrap();
    let named = grant(&key, &json!({ "Name": "the-last" }));
    let last = client.ok("CreateGrant", named.clone()).await;
    assert_eq!(client.refused("CreateGrant", grant(&key, &json!({}))).await, "LimitExceededException");
    // The same request again makes no grant, so the quota does not matter.
    assert_eq!(client.ok("CreateGrant", named).await["GrantId"], last["GrantId"]);
}

#[tokio::test]
async fn grants_are_listed_page_by_page_and_by_filter() {
    let (_double, client) = start().await;
    let key = client.create(json!({})).await;
    let other = client.create(json!({})).await;
    let mut ids = Vec::new();
    for index in 0..5 {
        let grantee = format!("arn:aws:iam::{ACCOUNT}:user/u{}", index % 2);
        let made = client.ok("CreateGrant", grant(&key, &json!({ "GranteePrincipal": grantee }))).await;
        ids.push(made["GrantId"].as_str().unwrap().to_owned());
    }
    client.ok("CreateGrant", grant(&other, &json!({ "RetiringPrincipal": null }))).await;
    let mut sorted = ids.clone();
    sorted.sort();
    for (operation, mut members) in
        [("ListGrants", json!({ "KeyId": key, "Limit": 2 })), ("ListRetirableGrants", json!({ "RetiringPrincipal": AUDITOR, "Limit": 2 }))]
    {
        let mut listed = Vec::new();
        loop {
            let page = client.ok(operation, members.clone()).await;
            listed.extend(page["Grants"].as_array().unwrap().iter().map(|grant| grant["GrantId"].as_str().unwrap().to_owned()));
            if page["Truncated"] == false {
                break;
            }
            members["Marker"] = page["NextMarker"].clone();
        }
        assert_eq!(listed, sorted, "{operation}");
    }
    let of = |filter: Value| {
        let mut members = json!({ "KeyId": key });
        members.as_object_mut().unwrap().extend(filter.as_object().unwrap().clone());
        members
    };
    let count = |page: &Value| page["Grants"].as_array().unwrap().len();
    assert_eq!(count(&client.ok("ListGrants", of(json!({ "GranteePrincipal": format!("arn:aws:iam::{ACCOUNT}:user/u1") }))).await), 2);
    assert_eq!(count(&client.ok("ListGrants", of(json!({ "GrantId": ids[3] }))).await), 1);
    assert_eq!(count(&client.ok("ListGrants", of(json!({ "GrantId": "0".repeat(64) }))).await), 0);
    let elsewhere = client.in_region("us-east-1");
    assert_eq!(count(&elsewhere.ok("ListRetirableGrants", json!({ "RetiringPrincipal": AUDITOR })).await), 0);
    let refused = [
        ("ListGrants", of(json!({ "GrantId": "none" })), "InvalidGrantIdException"),
        ("ListGrants", of(json!({ "Limit": 101 })), "ValidationException"),
        ("ListGrants", of(json!({ "GranteeServicePrincipal": "s3.eu-west-1.amazonaws.com" })), "AccessDeniedException"),
        ("ListGrants", json!({}), "ValidationException"),
        ("ListRetirableGrants", json!({}), "ValidationException"),
        ("ListRetirableGrants", json!({ "RetiringPrincipal": "auditor" }), "InvalidArnException"),
        ("ListRetirableGrants", json!({ "RetiringPrincipal": format!("arn:aws:iam::{SECOND_ACCOUNT}:root") }), "AccessDeniedException"),
        ("ListRetirableGrants", json!({ "RetiringPrincipal": AUDITOR, "Marker": "x" }), "InvalidMarkerException"),
        ("RevokeGrant", of(json!({ "GrantId": "none" })), "InvalidGrantIdException"),
        ("RevokeGrant", of(json!({})), "ValidationException"),
        ("RevokeGrant", json!({ "KeyId": other, "GrantId": ids[0] }), "NotFoundException"),
        ("RetireGrant", json!({}), "ValidationException"),
        ("RetireGrant", json!({ "GrantId": ids[0] }), "ValidationException"),
        ("RetireGrant", json!({ "GrantToken": "bm9uZQ==" }), "InvalidGrantTokenException"),
        ("RetireGrant", json!({ "KeyId": key, "GrantId": "0".repeat(64) }), "NotFoundException"),
    ];
    for (operation, members, code) in refused {
        assert_eq!(client.refused(operation, members.clone()).await, code, "{operation} {members}");
    }
    assert_eq!(client.ok("ListKeyPolicies", json!({ "KeyId": key })).await, json!({ "PolicyNames": ["default"], "Truncated": false }));
}

#[tokio::test]
async fn a_grant_permits_what_it_says_until_it_ends() {
    let (double, client) = start().await;
    let key = client.create(json!({})).await;
    let reader = restricted(&double, READER, &[]);
    let context = json!({ "Tenant": "a", "file": "1" });
    let encrypt = json!({ "KeyId": key, "Plaintext": "aGk=", "EncryptionContext": context });
    assert_eq!(reader.refused("Encrypt", encrypt.clone()).await, "AccessDeniedException");
    let constraints = json!({ "EncryptionContextSubset": { "tenant": "a" } });
    let made = client.ok("CreateGrant", grant(&key, &json!({ "Operations": ["Encrypt"], "Constraints": constraints }))).await;
    reader.ok("Encrypt", encrypt.clone()).await;
    reader
        .ok("Encrypt", json!({ "KeyId": key, "Plaintext": "aGk=", "EncryptionContext": context, "GrantTokens": [made["GrantToken"]] }))
        .await;
    for other in [json!({}), json!({ "tenant": "A" }), json!({ "file": "1" })] {
        let members = json!({ "KeyId": key, "Plaintext": "aGk=", "EncryptionContext": other });
        assert_eq!(reader.refused("Encrypt", members).await, "AccessDeniedException");
    }
    assert_eq!(reader.refused("DescribeKey", json!({ "KeyId": key })).await, "AccessDeniedException");
    client.ok("RevokeGrant", json!({ "KeyId": key, "GrantId": made["GrantId"] })).await;
    assert_eq!(reader.refused("Encrypt", encrypt).await, "AccessDeniedException");

    // A key of another account, named by its ARN.
    let arn = format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{key}");
    let stranger = Client::second(&double);
    assert_eq!(stranger.refused("DescribeKey", json!({ "KeyId": arn })).await, "AccessDeniedException");
    let to_account = json!({ "GranteePrincipal": format!("arn:aws:iam::{SECOND_ACCOUNT}:root"), "Operations": ["DescribeKey"] });
    client.ok("CreateGrant", grant(&key, &to_account)).await;
    assert_eq!(stranger.ok("DescribeKey", json!({ "KeyId": arn })).await["KeyMetadata"]["Arn"], arn);
    assert_eq!(stranger.refused("DisableKey", json!({ "KeyId": arn })).await, "AccessDeniedException");
}

#[tokio::test]
async fn those_that_a_grant_names_may_retire_it() {
    let (double, client) = start().await;
    let key = client.create(json!({})).await;
    let arn = format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{key}");
    let auditor = restricted(&double, &AUDITOR.replace(":iam:", ":sts:").replace("role/auditor", "assumed-role/auditor/audit"), &[]);
    let reader = restricted(&double, READER, &[]);
    let stranger = Client::second(&double);
    let abroad = json!({ "RetiringPrincipal": format!("arn:aws:iam::{SECOND_ACCOUNT}:user/keyward") });
    let cases = [
        (&auditor, json!({}), &reader),
        (&reader, json!({ "Operations": ["RetireGrant", "Decrypt"] }), &stranger),
        (&stranger, abroad, &auditor),
        (&client, json!({}), &stranger),
    ];
    for (may, changes, may_not) in cases {
        let made = client.ok("CreateGrant", grant(&key, &changes)).await;
        let named = json!({ "KeyId": arn, "GrantId": made["GrantId"] });
        assert_eq!(may_not.refused("RetireGrant", named.clone()).await, "AccessDeniedException", "{changes}");
        assert_eq!(may_not.refused("RetireGrant", json!({ "GrantToken": made["GrantToken"] })).await, "AccessDeniedException");
        may.ok("RetireGrant", named).await;
    }
    assert_eq!(double.grants(&key).unwrap(), []);
}

#[tokio::test]
async fn grants_go_with_their_key_and_come_late_to_readers() {
    let double =
        Double::start(kms_double::Options { read_lag: std::time::Duration::from_millis(300), ..Default::default() }).await.unwrap();
    let client = Client::new(&double);
    let key = double.plant(&kms_double::Plant::new(ACCOUNT, REGION)).unwrap().id;
    let made = client.ok("CreateGrant", grant(&key, &json!({}))).await;
    let retirable = json!({ "RetiringPrincipal": AUDITOR });
    assert_eq!(client.ok("ListRetirableGrants", retirable.clone()).await["Grants"], json!([]), "a new grant is not seen at once");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while client.ok("ListRetirableGrants", retirable.clone()).await["Grants"] == json!([]) {
        assert!(std::time::Instant::now() < deadline);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    client.ok("ScheduleKeyDeletion", json!({ "KeyId": key, "PendingWindowInDays": 7 })).await;
    double.advance(days(7) + SignedDuration::from_secs(1)).unwrap();
    assert_eq!(client.ok("ListRetirableGrants", retirable).await["Grants"], json!([]));
    let code = client.refused("RetireGrant", json!({ "GrantToken": made["GrantToken"] })).await;
    assert_eq!(code, "InvalidGrantTokenException");
}
