//! The table of key states, cell by cell.

use kms_double::{Double, KeyState, Origin, Plant};
use serde_json::{Value, json};

use crate::client::{Client, REGION, start};

/// Of AWS's page "Key states of AWS KMS keys", as `aws-kms` tells it: Y works, D `DisabledException`, I `KMSInvalidStateException`,
/// U `UnsupportedOperationException`.
const STATES: [KeyState; 8] = [
    KeyState::Enabled,
    KeyState::Disabled,
    KeyState::PendingDeletion,
    KeyState::PendingReplicaDeletion,
    KeyState::PendingImport,
    KeyState::Unavailable,
    KeyState::Creating,
    KeyState::Updating,
];
const CELLS: &str = "
    DescribeKey          Y Y Y Y Y Y Y Y
    GetKeyPolicy         Y Y Y Y Y Y Y Y
    PutKeyPolicy         Y Y Y Y Y Y Y Y
    ListAliases          Y Y Y Y Y Y Y Y
    ListResourceTags     Y Y Y Y Y Y Y Y
    ListGrants           Y Y Y Y Y Y Y Y
    ListKeyPolicies      Y Y Y Y Y Y Y Y
    RetireGrant          Y Y Y Y Y Y Y Y
    RevokeGrant          Y Y Y Y Y Y Y Y
    DeleteAlias          Y Y Y Y Y Y Y Y
    GetKeyLastUsage      Y Y Y Y Y Y Y Y
    EnableKey            Y Y I I I Y I I
    DisableKey           Y Y I I I Y I I
    ScheduleKeyDeletion  Y Y I I Y Y Y I
    CancelKeyDeletion    I I Y Y I I I I
    EnableKeyRotation    Y D I I U U I Y
    DisableKeyRotation   Y D I I U U I Y
    GetKeyRotationStatus Y Y Y Y U U Y Y
    RotateKeyOnDemand    Y D I I I U I Y
    ListKeyRotations     Y Y Y Y Y U Y Y
    GetParametersForImport Y Y I I Y U I Y
    ImportKeyMaterial    Y Y I I Y U I Y
    DeleteImportedKeyMaterial Y Y Y Y Y U I Y
    TagResource          Y Y I I Y Y Y Y
    UntagResource        Y Y I I Y Y Y Y
    UpdateKeyDescription Y Y I I Y Y Y Y
    CreateAlias          Y Y I I Y Y Y Y
    UpdateAlias          Y Y I I Y Y Y Y
    CreateGrant          Y D I I I Y I Y
    ReplicateKey         Y D I I I U I I
    UpdatePrimaryRegion  Y D I I I U I Y
    Encrypt              Y D I I I I I Y
    Decrypt              Y D I I I I I Y
    ReEncrypt            Y D I I I I I Y
    GenerateDataKey      Y D I I I I I Y
    GenerateDataKeyWithoutPlaintext Y D I I I I I Y
    GenerateDataKeyPair  Y D I I I I I Y
    GenerateDataKeyPairWithoutPlaintext Y D I I I I I Y
    GenerateMac          Y D I I I I I Y
    VerifyMac            Y D I I I I I Y
    Sign                 Y D I I I I I Y
    Verify               Y D I I I I I Y
    DeriveSharedSecret   Y D I I I I I Y
    Encapsulate          Y D I I I I I Y
    Decapsulate          Y D I I I I I Y
    GetPublicKey         Y D I I I I I Y
";

#[tokio::test]
async fn every_operation_does_in_every_state_what_the_table_says() {
    let (double, client) = start().await;
    let mut cells = 0;
    for row in CELLS.lines().map(str::trim).filter(|row| !row.is_empty()) {
        let mut words = row.split_whitespace();
        let operation = words.next().unwrap();
        for (state, word) in STATES.into_iter().zip(words) {
            let (key, members) = prepare(&double, &client, operation, state).await;
            let seen = double.ledger().last().map_or(0, |entry| entry.seq);
            let expected = match word {
                "Y" => "OK",
                "D" => "400 DisabledException",
                "I" => "400 KMSInvalidStateException",
                "U" => "400 UnsupportedOperationException",
                other => panic!("no such cell: {other}"),
            };
            assert_eq!(client.outcome(operation, members).await, expected, "{operation} on a key that is {state:?}");
            // Another key may settle in between.
            let entry = &double.ledger_after(seen).into_iter().find(|entry| entry.operation == operation).unwrap();
            if operation != "ReEncrypt" {
                // Its ledger entry is about the destination.
                assert_eq!(entry.state_before, Some(state), "{operation}");
            }
            if word != "Y" {
                assert!(!entry.took_effect && !entry.changed, "{operation} on {state:?}: {entry:?}");
                assert!(operation == "ReEncrypt" || entry.state_after == Some(state), "{operation}");
                assert_eq!(double.key(&key).unwrap().state, state, "{operation}");
            }
            cells += 1;
        }
    }
    assert_eq!(cells, 46 * 8);
}

/// A key in that state and the members of a call of the operation on it.
async fn prepare(double: &Double, client: &Client, operation: &str, state: KeyState) -> (String, Value) {
    let multi_region = matches!(operation, "ReplicateKey" | "UpdatePrimaryRegion");
    let imports = matches!(operation, "GetParametersForImport" | "ImportKeyMaterial" | "DeleteImportedKeyMaterial");
    let origin = match state {
        _ if imports => Origin::External,
        KeyState::PendingImport => Origin::External,
        KeyState::Unavailable => Origin::AwsCloudHsm,
        _ => Origin::AwsKms,
    };
    let alias = format!("alias/{operation}-{state:?}");
    let (spec, usage) = spec_for(operation);
    let plant = Plant {
        origin,
        multi_region,
        spec: spec.to_owned(),
        usage: Some(usage.to_owned()),
        state: Some(KeyState::Enabled),
        alias: (operation == "DeleteAlias").then(|| alias.clone()),
        ..Plant::new(kms_double::ACCOUNT, REGION)
    };
    let at = double.plant(&plant).unwrap();
    let (id, arn) = (at.id.clone(), at.arn());
    let mut members = json!({ "KeyId": id });
    let more = match operation {
        "PutKeyPolicy" => {
            json!({ "Policy": client.ok("GetKeyPolicy", members.clone()).await["Policy"] })
        }
        "TagResource" => json!({ "Tags": [{ "TagKey": "a", "TagValue": "b" }] }),
        "UntagResource" => json!({ "TagKeys": ["a"] }),
        "UpdateKeyDescription" => json!({ "Description": "new" }),
        "CreateAlias" => json!({ "AliasName": alias, "TargetKeyId": id }),
        "UpdateAlias" => {
            double.plant(&Plant { alias: Some(alias.clone()), ..Plant::new(kms_double::ACCOUNT, REGION) }).unwrap();
            json!({ "AliasName": alias, "TargetKeyId": id })
        }
        "DeleteAlias" => json!({ "AliasName": alias }),
        "ReplicateKey" => json!({ "ReplicaRegion": "us-east-1" }),
        "UpdatePrimaryRegion" => {
            if origin == Origin::AwsKms {
                client.ok("ReplicateKey", json!({ "KeyId": id, "ReplicaRegion": "us-east-1" })).await;
                double.resume(&arn.replace(REGION, "us-east-1")).unwrap();
            }
            json!({ "PrimaryRegion": "us-east-1" })
        }
        "GetParametersForImport" => json!({ "WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048" }),
        "ImportKeyMaterial" => crate::imported::wrap(client, &id, &[7; 32]).await,
        "DeleteImportedKeyMaterial" => {
            client.ok("ImportKeyMaterial", crate::imported::wrap(client, &id, &[7; 32]).await).await;
            json!({})
        }
        "CreateGrant" => grant(),
        "RetireGrant" | "RevokeGrant" => {
            let mut granted = json!({ "KeyId": id });
            granted.as_object_mut().unwrap().extend(grant().as_object().unwrap().clone());
            json!({ "GrantId": client.ok("CreateGrant", granted).await["GrantId"] })
        }
        "Encrypt" => json!({ "Plaintext": "aGk=" }),
        "ReEncrypt" => {
            let encrypted = client.ok("Encrypt", json!({ "KeyId": id, "Plaintext": "aGk=" })).await;
            let to = double.plant(&Plant::new(kms_double::ACCOUNT, REGION)).unwrap().id;
            json!({ "CiphertextBlob": encrypted["CiphertextBlob"], "SourceKeyId": id, "DestinationKeyId": to })
        }
        "GenerateDataKey" | "GenerateDataKeyWithoutPlaintext" => json!({ "KeySpec": "AES_256" }),
        "GenerateDataKeyPair" | "GenerateDataKeyPairWithoutPlaintext" => json!({ "KeyPairSpec": "ECC_NIST_P256" }),
        "GenerateMac" => json!({ "Message": "aGk=", "MacAlgorithm": "HMAC_SHA_256" }),
        "VerifyMac" => {
            let made = client.ok("GenerateMac", json!({ "KeyId": id, "Message": "aGk=", "MacAlgorithm": "HMAC_SHA_256" })).await;
            json!({ "Message": "aGk=", "MacAlgorithm": "HMAC_SHA_256", "Mac": made["Mac"] })
        }
        "Sign" => json!({ "Message": "aGk=", "SigningAlgorithm": "ECDSA_SHA_256" }),
        "Verify" => {
            let made = client.ok("Sign", json!({ "KeyId": id, "Message": "aGk=", "SigningAlgorithm": "ECDSA_SHA_256" })).await;
            json!({ "Message": "aGk=", "SigningAlgorithm": "ECDSA_SHA_256", "Signature": made["Signature"] })
        }
        "DeriveSharedSecret" => {
            let public = client.ok("GetPublicKey", json!({ "KeyId": id })).await["PublicKey"].clone();
            json!({ "KeyAgreementAlgorithm": "ECDH", "PublicKey": public })
        }
        "Encapsulate" => json!({ "EncapsulationAlgorithm": "ML_KEM" }),
        "Decapsulate" => {
            let made = client.ok("Encapsulate", json!({ "KeyId": id, "EncapsulationAlgorithm": "ML_KEM" })).await;
            json!({ "EncapsulationAlgorithm": "ML_KEM", "SharedSecretCiphertextBlob": made["SharedSecretCiphertextBlob"] })
        }
        "Decrypt" => {
            let encrypted = client.ok("Encrypt", json!({ "KeyId": id, "Plaintext": "aGk=" })).await;
            json!({ "CiphertextBlob": encrypted["CiphertextBlob"] })
        }
        _ => json!({}),
    };
    members.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    if matches!(operation, "CreateAlias" | "UpdateAlias" | "DeleteAlias") {
        members.as_object_mut().unwrap().remove("KeyId");
    }
    double.set_state(&arn, state).unwrap();
    (arn, members)
}

/// The spec and usage of a key that the operation is for.
fn spec_for(operation: &str) -> (&'static str, &'static str) {
    match operation {
        "GenerateMac" | "VerifyMac" => ("HMAC_256", "GENERATE_VERIFY_MAC"),
        "Sign" | "Verify" | "GetPublicKey" => ("ECC_NIST_P256", "SIGN_VERIFY"),
        "DeriveSharedSecret" => ("ECC_NIST_P384", "KEY_AGREEMENT"),
        "Encapsulate" | "Decapsulate" => ("ML_KEM_512", "ENCAPSULATE_DECAPSULATE"),
        _ => ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"),
    }
}

fn grant() -> Value {
    json!({ "GranteePrincipal": format!("arn:aws:iam::{}:role/reader", kms_double::ACCOUNT), "Operations": ["DescribeKey"] })
}
