//! Imported key material: wrapped by a client, used, deleted, expired and imported again.

use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded};
use aws_lc_rs::signature::{self, EcdsaKeyPair, KeyPair, UnparsedPublicKey};
use aws_lc_rs::{hmac, rsa};
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::SignedDuration;
use kms_double::{Double, KeyState};
use serde_json::{Value, json};

use crate::client::{Client, days, seconds, start};

fn bytes(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}

/// Encrypts with the public key of an answer.
fn oaep(public: &Value, algorithm: &'static rsa::OaepAlgorithm, plaintext: &[u8]) -> Vec<u8> {
    let key = rsa::OaepPublicEncryptingKey::new(rsa::PublicEncryptingKey::from_der(&bytes(public)).unwrap()).unwrap();
    let mut room = vec![0; key.ciphertext_size()];
    key.encrypt(algorithm, plaintext, &mut room, None).unwrap().to_vec()
}

/// The members of an `ImportKeyMaterial` of this material, which does not expire.
pub(crate) async fn wrap(client: &Client, key: &str, material: &[u8]) -> Value {
    let asked = json!({ "KeyId": key, "WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048" });
    let parameters = client.ok("GetParametersForImport", asked).await;
    json!({
        "KeyId": key,
        "ImportToken": parameters["ImportToken"],
        "EncryptedKeyMaterial": STANDARD.encode(oaep(&parameters["PublicKey"], &rsa::OAEP_SHA256_MGF1SHA256, material)),
        "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE",
    })
}

/// The members of a request with others in addition. Null removes one.
fn with(mut members: Value, others: &Value) -> Value {
    members.as_object_mut().unwrap().extend(others.as_object().unwrap().clone());
    members
}

async fn import(client: &Client, key: &str, material: &[u8], others: &Value) -> Value {
    client.ok("ImportKeyMaterial", with(wrap(client, key, material).await, others)).await
}

async fn external(client: &Client) -> String {
    client.create(json!({ "Origin": "EXTERNAL" })).await
}

async fn seal(client: &Client, key: &str) -> Value {
    let sealed = client.ok("Encrypt", json!({ "KeyId": key, "Plaintext": "aGVsbG8=" })).await;
    json!({ "CiphertextBlob": sealed["CiphertextBlob"] })
}

#[tokio::test]
async fn material_is_imported_deleted_and_imported_again() {
    let (_double, client) = start().await;
    let key = external(&client).await;
    let waiting = client.describe(&key).await;
    assert!(["ExpirationModel", "CurrentKeyMaterialId"].iter().all(|name| waiting.get(name).is_none()), "{waiting}");
    assert_eq!(client.ok("DeleteImportedKeyMaterial", json!({ "KeyId": key })).await.get("KeyMaterialId"), None);
    let imported = import(&client, &key, &[7; 32], &json!({ "KeyMaterialDescription": "first" })).await;
    let described = client.describe(&key).await;
    assert_eq!((&described["KeyState"], &described["ExpirationModel"]), (&json!("Enabled"), &json!("KEY_MATERIAL_DOES_NOT_EXPIRE")));
    assert_eq!(described["CurrentKeyMaterialId"], imported["KeyMaterialId"]);
    let sealed = seal(&client, &key).await;

    let deleted = client.ok("DeleteImportedKeyMaterial", json!({ "KeyId": key })).await;
    assert_eq!(deleted, imported);
    assert_eq!(client.describe(&key).await["KeyState"], "PendingImport");
    assert_eq!(client.refused("Decrypt", sealed.clone()).await, "KMSInvalidStateException");
    assert_eq!(client.refused("EnableKey", json!({ "KeyId": key })).await, "KMSInvalidStateException");
    let other = wrap(&client, &key, &[8; 32]).await;
    assert_eq!(client.refused("ImportKeyMaterial", other).await, "IncorrectKeyMaterialException");
    assert_eq!(import(&client, &key, &[7; 32], &json!({})).await, imported, "the same material has the same id");
    assert_eq!(client.ok("Decrypt", sealed).await["Plaintext"], "aGVsbG8=");
    // Another key with the same material is another key.
    let second = external(&client).await;
    assert_ne!(import(&client, &second, &[7; 32], &json!({})).await["KeyMaterialId"], imported["KeyMaterialId"]);
}

#[tokio::test]
async fn material_expires_on_its_date() {
    let (double, client) = start().await;
    let key = external(&client).await;
    let ends = double.now().as_second() + 10 * 86_400;
    let expiring = json!({ "ExpirationModel": "KEY_MATERIAL_EXPIRES", "ValidTo": ends });
    import(&client, &key, &[7; 32], &expiring).await;
    let described = client.describe(&key).await;
    assert_eq!(
        (&described["ExpirationModel"], seconds(&described["ValidTo"])),
        (&json!("KEY_MATERIAL_EXPIRES"), f64::from(u32::try_from(ends).unwrap()))
    );
    double.advance(days(9)).unwrap();
    assert_eq!(client.describe(&key).await["KeyState"], "Enabled");
    double.advance(days(1) + SignedDuration::from_secs(1)).unwrap();
    let expired = client.describe(&key).await;
    assert_eq!(expired["KeyState"], "PendingImport");
    assert!(expired.get("ValidTo").is_none() && expired.get("ExpirationModel").is_none(), "{expired}");
    let done = double.ledger().into_iter().find(|entry| entry.operation == "DeleteExpiredKeyMaterial").unwrap();
    assert_eq!((done.state_before, done.state_after), (Some(KeyState::Enabled), Some(KeyState::PendingImport)));
    import(&client, &key, &[7; 32], &json!({})).await;
    double.advance(days(400)).unwrap();
    assert_eq!(client.describe(&key).await["KeyState"], "Enabled");
}

#[tokio::test]
async fn new_material_waits_for_a_rotation_and_then_the_key_needs_both() {
    let (double, client) = start().await;
    let key = external(&client).await;
    let first = import(&client, &key, &[1; 32], &json!({})).await["KeyMaterialId"].clone();
    let old = seal(&client, &key).await;
    let second = import(&client, &key, &[2; 32], &json!({ "ImportType": "NEW_KEY_MATERIAL" })).await["KeyMaterialId"].clone();
    let third = with(wrap(&client, &key, &[3; 32]).await, &json!({ "ImportType": "NEW_KEY_MATERIAL" }));
    assert_eq!(client.refused("ImportKeyMaterial", third).await, "KMSInvalidStateException");
    assert_eq!(client.describe(&key).await["CurrentKeyMaterialId"], first);
    let all = json!({ "KeyId": key, "IncludeKeyMaterial": "ALL_KEY_MATERIAL" });
    let states = |listed: &Value| -> Vec<(Value, Value, Value)> {
        let entries = listed["Rotations"].as_array().unwrap().iter();
        entries.map(|entry| (entry["KeyMaterialId"].clone(), entry["KeyMaterialState"].clone(), entry["ImportState"].clone())).collect()
    };
    let listed = client.ok("ListKeyRotations", all.clone()).await;
    let expected = |id: &Value, state: &str, import: &str| (id.clone(), json!(state), json!(import));
    assert_eq!(states(&listed), [expected(&first, "CURRENT", "IMPORTED"), expected(&second, "PENDING_ROTATION", "IMPORTED")]);
    assert_eq!(client.ok("ListKeyRotations", json!({ "KeyId": key })).await["Rotations"], json!([]));

    client.ok("RotateKeyOnDemand", json!({ "KeyId": key })).await;
    double.advance(SignedDuration::from_secs(6)).unwrap();
    assert_eq!(client.describe(&key).await["CurrentKeyMaterialId"], second);
    let rotated = client.ok("ListKeyRotations", json!({ "KeyId": key })).await["Rotations"][0].clone();
    assert_eq!((&rotated["RotationType"], &rotated["KeyMaterialState"]), (&json!("ON_DEMAND"), &json!("CURRENT")));
    let new = seal(&client, &key).await;
    for (sealed, material) in [(&old, &first), (&new, &second)] {
        assert_eq!(&client.ok("Decrypt", sealed.clone()).await["KeyMaterialId"], material);
    }
    assert_eq!(client.refused("RotateKeyOnDemand", json!({ "KeyId": key })).await, "KMSInvalidStateException");

    client.ok("DeleteImportedKeyMaterial", json!({ "KeyId": key, "KeyMaterialId": first })).await;
    assert_eq!(client.refused("Decrypt", new.clone()).await, "KMSInvalidStateException");
    let listed = client.ok("ListKeyRotations", all).await;
    assert_eq!(states(&listed), [expected(&first, "NON_CURRENT", "PENDING_IMPORT"), expected(&second, "CURRENT", "IMPORTED")]);
    let wrong = with(wrap(&client, &key, &[1; 32]).await, &json!({ "KeyMaterialId": second }));
    assert_eq!(client.refused("ImportKeyMaterial", wrong).await, "IncorrectKeyMaterialException");
    import(&client, &key, &[1; 32], &json!({ "KeyMaterialId": first })).await;
    client.ok("Decrypt", new).await;
}

#[tokio::test]
async fn each_region_imports_the_material_of_the_primary() {
    let (double, client) = start().await;
    let other = client.in_region("us-east-1");
    let key = client.create(json!({ "Origin": "EXTERNAL", "MultiRegion": true })).await;
    import(&client, &key, &[1; 32], &json!({})).await;
    client.ok("ReplicateKey", json!({ "KeyId": key, "ReplicaRegion": "us-east-1" })).await;
    double.advance(SignedDuration::from_secs(5)).unwrap();
    assert_eq!(other.describe(&key).await["KeyState"], "PendingImport");
    let wrong = wrap(&other, &key, &[2; 32]).await;
    assert_eq!(other.refused("ImportKeyMaterial", wrong).await, "IncorrectKeyMaterialException");
    let new = with(wrap(&other, &key, &[1; 32]).await, &json!({ "ImportType": "NEW_KEY_MATERIAL" }));
    assert_eq!(other.refused("ImportKeyMaterial", new).await, "UnsupportedOperationException");
    import(&other, &key, &[1; 32], &json!({})).await;
    let sealed = seal(&client, &key).await;
    assert_eq!(other.ok("Decrypt", sealed.clone()).await["Plaintext"], "aGVsbG8=");
    // What one Region loses, the other keeps.
    other.ok("DeleteImportedKeyMaterial", json!({ "KeyId": key })).await;
    assert_eq!(other.describe(&key).await["KeyState"], "PendingImport");
    client.ok("Decrypt", sealed).await;
    import(&other, &key, &[1; 32], &json!({})).await;

    import(&client, &key, &[2; 32], &json!({ "ImportType": "NEW_KEY_MATERIAL" })).await;
    let all = json!({ "KeyId": key, "IncludeKeyMaterial": "ALL_KEY_MATERIAL" });
    let state = client.ok("ListKeyRotations", all.clone()).await["Rotations"][1]["KeyMaterialState"].clone();
    assert_eq!(state, "PENDING_MULTI_REGION_IMPORT_AND_ROTATION");
    assert_eq!(client.refused("RotateKeyOnDemand", json!({ "KeyId": key })).await, "KMSInvalidStateException");
    import(&other, &key, &[2; 32], &json!({})).await;
    assert_eq!(client.ok("ListKeyRotations", all).await["Rotations"][1]["KeyMaterialState"], "PENDING_ROTATION");
    client.ok("RotateKeyOnDemand", json!({ "KeyId": key })).await;
    double.advance(SignedDuration::from_secs(6)).unwrap();
    let sealed = seal(&other, &key).await;
    assert_eq!(client.ok("Decrypt", sealed).await["Plaintext"], "aGVsbG8=");
}

#[tokio::test]
async fn asymmetric_and_hmac_keys_work_as_their_material_does_elsewhere() {
    let (_double, client) = start().await;
    let secret = [9; 32];
    let key = client.create(json!({ "Origin": "EXTERNAL", "KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC" })).await;
    let imported = import(&client, &key, &secret, &json!({})).await;
    assert!(imported.get("KeyMaterialId").is_none(), "{imported}");
    let made = client.ok("GenerateMac", json!({ "KeyId": key, "Message": "aGk=", "MacAlgorithm": "HMAC_SHA_256" })).await;
    let expected = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), b"hi");
    assert_eq!(bytes(&made["Mac"]), expected.as_ref());

    // An RSA_AES algorithm wraps the material with an AES key, and the AES key with the RSA key.
    let pair = EcdsaKeyPair::generate(&signature::ECDSA_P521_SHA512_ASN1_SIGNING).unwrap();
    let private = pair.to_pkcs8v1().unwrap();
    let key = client.create(json!({ "Origin": "EXTERNAL", "KeySpec": "ECC_NIST_P521", "KeyUsage": "SIGN_VERIFY" })).await;
    let asked = |algorithm: &str| json!({ "KeyId": key, "WrappingAlgorithm": algorithm, "WrappingKeySpec": "RSA_2048" });
    assert_eq!(client.refused("GetParametersForImport", asked("RSAES_OAEP_SHA_1")).await, "UnsupportedOperationException");
    let parameters = client.ok("GetParametersForImport", asked("RSA_AES_KEY_WRAP_SHA_1")).await;
    let aes = [3; 32];
    let mut room = vec![0; private.as_ref().len() + 16];
    let wrapped = AesKek::new(&AES_256, &aes).unwrap().wrap_with_padding(private.as_ref(), &mut room).unwrap();
    let material = [oaep(&parameters["PublicKey"], &rsa::OAEP_SHA1_MGF1SHA1, &aes), wrapped.to_vec()].concat();
    let members = json!({ "KeyId": key, "ImportToken": parameters["ImportToken"], "EncryptedKeyMaterial": STANDARD.encode(material),
        "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE" });
    client.ok("ImportKeyMaterial", members.clone()).await;
    let signed = client.ok("Sign", json!({ "KeyId": key, "Message": "aGk=", "SigningAlgorithm": "ECDSA_SHA_512" })).await;
    let public = UnparsedPublicKey::new(&signature::ECDSA_P521_SHA512_ASN1, pair.public_key().as_ref());
    public.verify(b"hi", &bytes(&signed["Signature"])).unwrap();
    assert_eq!(
        client.refused("ImportKeyMaterial", with(members, &json!({ "ImportType": "NEW_KEY_MATERIAL" }))).await,
        "ValidationException"
    );
}

#[tokio::test]
async fn a_pending_deletion_outlives_its_material() {
    let (double, client) = start().await;
    let key = external(&client).await;
    import(&client, &key, &[7; 32], &json!({})).await;
    client.ok("ScheduleKeyDeletion", json!({ "KeyId": key, "PendingWindowInDays": 7 })).await;
    client.ok("DeleteImportedKeyMaterial", json!({ "KeyId": key })).await;
    assert_eq!(client.describe(&key).await["KeyState"], "PendingDeletion");
    client.ok("CancelKeyDeletion", json!({ "KeyId": key })).await;
    client.ok("EnableKey", json!({ "KeyId": key })).await;
    assert_eq!(client.describe(&key).await["KeyState"], "PendingImport");
    import(&client, &key, &[7; 32], &json!({})).await;
    assert_eq!(double.key(&key).unwrap().state, KeyState::Enabled);
}

#[tokio::test]
async fn what_can_be_imported_is_checked_as_documented() {
    let (double, client) = start().await;
    let key = external(&client).await;
    let other = external(&client).await;
    let own = client.create(json!({})).await;
    let rsa = client.create(json!({ "Origin": "EXTERNAL", "KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY" })).await;
    let asked = |key: &str, algorithm: &str, spec: &str| json!({ "KeyId": key, "WrappingAlgorithm": algorithm, "WrappingKeySpec": spec });
    let import = wrap(&client, &key, &[7; 32]).await;
    let short = wrap(&client, &key, &[7; 31]).await;
    let now = double.now().as_second();
    let expires = |date: Value| with(import.clone(), &json!({ "ExpirationModel": "KEY_MATERIAL_EXPIRES", "ValidTo": date }));
    let but = |name: &str, value: Value| with(import.clone(), &json!({ name: value }));
    let of_other = wrap(&client, &other, &[7; 32]).await;
    // The public key and the token of one answer belong together.
    let mixed = wrap(&client, &key, &[7; 32]).await["EncryptedKeyMaterial"].clone();
    let mixed = with(wrap(&client, &key, &[7; 32]).await, &json!({ "EncryptedKeyMaterial": mixed }));
    let refused = [
        ("GetParametersForImport", asked(&own, "RSAES_OAEP_SHA_256", "RSA_2048"), "UnsupportedOperationException"),
        ("GetParametersForImport", asked(&key, "RSAES_PKCS1_V1_5", "RSA_2048"), "UnsupportedOperationException"),
        ("GetParametersForImport", asked(&key, "SM2PKE", "SM2"), "UnsupportedOperationException"),
        ("GetParametersForImport", asked(&rsa, "RSAES_OAEP_SHA_256", "RSA_2048"), "UnsupportedOperationException"),
        ("GetParametersForImport", asked(&key, "RSAES_OAEP_SHA_256", "RSA_1024"), "ValidationException"),
        ("GetParametersForImport", json!({ "KeyId": key }), "ValidationException"),
        ("ImportKeyMaterial", short, "IncorrectKeyMaterialException"),
        ("ImportKeyMaterial", mixed, "InvalidCiphertextException"),
        ("ImportKeyMaterial", but("ExpirationModel", Value::Null), "ValidationException"),
        ("ImportKeyMaterial", but("ValidTo", json!(now + 60)), "ValidationException"),
        ("ImportKeyMaterial", expires(json!(now - 60)), "ValidationException"),
        ("ImportKeyMaterial", expires(json!(now + 366 * 86_400)), "ValidationException"),
        ("ImportKeyMaterial", expires(json!("tomorrow")), "SerializationException"),
        ("ImportKeyMaterial", but("EncryptedKeyMaterial", json!("aGk=")), "InvalidCiphertextException"),
        ("ImportKeyMaterial", but("ImportToken", json!("aGk=")), "InvalidImportTokenException"),
        ("ImportKeyMaterial", but("ImportToken", of_other["ImportToken"].clone()), "InvalidImportTokenException"),
        ("ImportKeyMaterial", but("ImportType", json!("EXISTING_KEY_MATERIAL")), "IncorrectKeyMaterialException"),
        ("ImportKeyMaterial", but("KeyMaterialId", json!("0".repeat(64))), "ValidationException"),
        ("ImportKeyMaterial", but("KeyMaterialDescription", json!("*")), "ValidationException"),
        ("ImportKeyMaterial", but("KeyId", json!(own)), "UnsupportedOperationException"),
        ("DeleteImportedKeyMaterial", json!({ "KeyId": own }), "UnsupportedOperationException"),
        ("DeleteImportedKeyMaterial", json!({ "KeyId": key, "KeyMaterialId": "0".repeat(64) }), "NotFoundException"),
        ("DeleteImportedKeyMaterial", json!({ "KeyId": key, "KeyMaterialId": "0" }), "ValidationException"),
    ];
    for (operation, members, code) in refused {
        assert_eq!(client.refused(operation, members.clone()).await, code, "{operation} {members}");
    }
    assert_eq!(client.describe(&key).await["KeyState"], "PendingImport");
    double.advance(SignedDuration::from_hours(25)).unwrap();
    assert_eq!(client.refused("ImportKeyMaterial", import).await, "ExpiredImportTokenException");
    let quiet = ["ImportToken", "EncryptedKeyMaterial"];
    assert!(Double::ledger(&double).iter().all(|entry| quiet.iter().all(|name| entry.params.get(name).is_none())));
}
