//! Encryption and data keys: what one operation encrypts, another decrypts, and nothing else.

use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use aws_lc_rs::{encoding::AsDer, rand::SystemRandom, rsa};
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::SignedDuration;
use kms_double::{ACCOUNT, Credential};
use serde_json::{Value, json};

use crate::client::{Client, REGION, start};

fn bytes(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_data_key_is_given_and_can_be_decrypted() {
    let (double, client) = start().await;
    let key = client.create(json!({})).await;
    client.ok("CreateAlias", json!({ "AliasName": "alias/data", "TargetKeyId": key })).await;
    let context = json!({ "file": "1" });
    let material = client.describe(&key).await["CurrentKeyMaterialId"].clone();
    for (size, length) in
        [(json!({ "KeySpec": "AES_128" }), 16), (json!({ "KeySpec": "AES_256" }), 32), (json!({ "NumberOfBytes": 1024 }), 1024)]
    {
        let mut members = json!({ "KeyId": "alias/data", "EncryptionContext": context });
        members.as_object_mut().unwrap().extend(size.as_object().unwrap().clone());
        let given = client.ok("GenerateDataKey", members.clone()).await;
        assert_eq!(bytes(&given["Plaintext"]).len(), length);
        assert_eq!((&given["KeyId"], &given["KeyMaterialId"]), (&json!(format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{key}")), &material));
        let opened = client.ok("Decrypt", json!({ "CiphertextBlob": given["CiphertextBlob"], "EncryptionContext": context })).await;
        assert_eq!(opened["Plaintext"], given["Plaintext"]);
        let code = client.refused("Decrypt", json!({ "CiphertextBlob": given["CiphertextBlob"] })).await;
        assert_eq!(code, "InvalidCiphertextException");

        let kept = client.ok("GenerateDataKeyWithoutPlaintext", members.clone()).await;
        assert!(kept.get("Plaintext").is_none(), "{kept}");
        let opened = client.ok("Decrypt", json!({ "CiphertextBlob": kept["CiphertextBlob"], "EncryptionContext": context })).await;
        assert_eq!(bytes(&opened["Plaintext"]).len(), length);
        assert_ne!(opened["Plaintext"], given["Plaintext"]);
    }
    // After a rotation old data keys can be decrypted, and the answer says with which material.
    let old = client.ok("GenerateDataKey", json!({ "KeyId": key, "KeySpec": "AES_256" })).await;
    client.ok("RotateKeyOnDemand", json!({ "KeyId": key })).await;
    double.advance(SignedDuration::from_secs(6)).unwrap();
    let new = client.ok("GenerateDataKey", json!({ "KeyId": key, "KeySpec": "AES_256" })).await;
    assert_ne!(new["KeyMaterialId"], material);
    for data_key in [old, new] {
        let opened = client.ok("Decrypt", json!({ "CiphertextBlob": data_key["CiphertextBlob"] })).await;
        assert_eq!((&opened["Plaintext"], &opened["KeyMaterialId"]), (&data_key["Plaintext"], &data_key["KeyMaterialId"]));
    }
    assert_eq!(double.key(&key).unwrap().last_use.unwrap().operation, "Decrypt");
    let data = ["Plaintext", "CiphertextBlob"];
    assert!(double.ledger().iter().all(|entry| data.iter().all(|name| entry.params.get(name).is_none())));
}

#[tokio::test]
async fn a_data_key_pair_belongs_together() {
    let (_double, client) = start().await;
    let key = client.create(json!({})).await;
    let of = |spec: &str| json!({ "KeyId": key, "KeyPairSpec": spec });
    for spec in ["ECC_NIST_P256", "ECC_SECG_P256K1", "ECC_NIST_EDWARDS25519", "RSA_2048"] {
        let pair = client.ok("GenerateDataKeyPair", of(spec)).await;
        let opened = client.ok("Decrypt", json!({ "CiphertextBlob": pair["PrivateKeyCiphertextBlob"] })).await;
        assert_eq!(opened["Plaintext"], pair["PrivateKeyPlaintext"]);
        let private = bytes(&pair["PrivateKeyPlaintext"]);
        let public = match spec {
            "ECC_NIST_P256" => {
                EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P256_SHA256_ASN1_SIGNING, &private).unwrap().public_key().as_der()
            }
            "ECC_SECG_P256K1" => {
                EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P256K1_SHA256_ASN1_SIGNING, &private).unwrap().public_key().as_der()
            }
            "RSA_2048" => rsa::KeyPair::from_pkcs8(&private).unwrap().public_key().as_der(),
            _ => Ed25519KeyPair::from_pkcs8(&private).unwrap().public_key().as_der(),
        };
        assert_eq!(bytes(&pair["PublicKey"]), public.unwrap().as_ref());
        let kept = client.ok("GenerateDataKeyPairWithoutPlaintext", of(spec)).await;
        assert!(kept.get("PrivateKeyPlaintext").is_none() && kept["PublicKey"] != pair["PublicKey"], "{kept}");
        client.ok("Decrypt", json!({ "CiphertextBlob": kept["PrivateKeyCiphertextBlob"] })).await;
    }
    let pair = client.ok("GenerateDataKeyPair", of("ECC_NIST_P384")).await;
    let private = EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P384_SHA384_ASN1_SIGNING, &bytes(&pair["PrivateKeyPlaintext"])).unwrap();
    let signed = private.sign(&SystemRandom::new(), b"text").unwrap();
    let public = UnparsedPublicKey::new(&signature::ECDSA_P384_SHA384_ASN1, bytes(&pair["PublicKey"]));
    public.verify(b"text", signed.as_ref()).unwrap();
    // AWS makes these, and the double says that it does not.
    for spec in ["ML_KEM_512", "ML_KEM_1024"] {
        assert_eq!(client.outcome("GenerateDataKeyPair", of(spec)).await, "500 KMSInternalException");
    }
}

#[tokio::test]
async fn data_is_encrypted_again_without_a_look_at_it() {
    let (double, client) = start().await;
    let from = client.create(json!({})).await;
    let to = client.create(json!({})).await;
    let rsa = client.create(json!({ "KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT" })).await;
    let arn = |id: &str| json!(format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{id}"));
    let sealed = client.ok("Encrypt", json!({ "KeyId": from, "Plaintext": "aGVsbG8=", "EncryptionContext": { "a": "1" } })).await;
    let blob = &sealed["CiphertextBlob"];
    let again = json!({
        "CiphertextBlob": blob,
        "SourceEncryptionContext": { "a": "1" },
        "DestinationKeyId": to,
        "DestinationEncryptionContext": { "b": "2" },
    });
    let moved = client.ok("ReEncrypt", again.clone()).await;
    assert_eq!((&moved["SourceKeyId"], &moved["KeyId"]), (&arn(&from), &arn(&to)));
    assert_eq!(moved["SourceKeyMaterialId"], client.describe(&from).await["CurrentKeyMaterialId"]);
    assert_eq!(moved["DestinationKeyMaterialId"], client.describe(&to).await["CurrentKeyMaterialId"]);
    let open = json!({ "KeyId": to, "CiphertextBlob": moved["CiphertextBlob"], "EncryptionContext": { "b": "2" } });
    assert_eq!(client.ok("Decrypt", open).await["Plaintext"], "aGVsbG8=");
    for key in [&from, &to] {
        let used = double.key(key).unwrap().last_use.unwrap().operation;
        assert_eq!(used, if *key == from { "ReEncrypt" } else { "Decrypt" });
    }
    // To an RSA key and back.
    let to_rsa = json!({ "CiphertextBlob": moved["CiphertextBlob"], "SourceEncryptionContext": { "b": "2" }, "DestinationKeyId": rsa,
        "DestinationEncryptionAlgorithm": "RSAES_OAEP_SHA_256" });
    let moved = client.ok("ReEncrypt", to_rsa).await;
    assert!(moved.get("DestinationKeyMaterialId").is_none(), "{moved}");
    let back = json!({ "CiphertextBlob": moved["CiphertextBlob"], "SourceKeyId": rsa, "SourceEncryptionAlgorithm": "RSAES_OAEP_SHA_256",
        "DestinationKeyId": from });
    let moved = client.ok("ReEncrypt", back).await;
    assert_eq!(client.ok("Decrypt", json!({ "CiphertextBlob": moved["CiphertextBlob"] })).await["Plaintext"], "aGVsbG8=");

    let with = |name: &str, value: Value| {
        let mut members = again.clone();
        members[name] = value;
        members
    };
    let refused = [
        (with("SourceEncryptionContext", json!({})), "InvalidCiphertextException"),
        (with("SourceKeyId", json!(to)), "IncorrectKeyException"),
        (with("DestinationKeyId", Value::Null), "ValidationException"),
        (with("DestinationKeyId", json!(rsa)), "InvalidKeyUsageException"),
        (with("CiphertextBlob", Value::Null), "ValidationException"),
        (with("DryRun", json!(true)), "DryRunOperationException"),
        (
            json!({ "DryRun": true, "DryRunModifiers": ["IGNORE_CIPHERTEXT"], "SourceKeyId": from, "DestinationKeyId": to }),
            "DryRunOperationException",
        ),
        (json!({ "DryRun": true, "DryRunModifiers": ["IGNORE_CIPHERTEXT"], "DestinationKeyId": to }), "ValidationException"),
    ];
    for (members, code) in refused {
        assert_eq!(client.refused("ReEncrypt", members.clone()).await, code, "{members}");
    }
    client.ok("DisableKey", json!({ "KeyId": to })).await;
    assert_eq!(client.refused("ReEncrypt", again.clone()).await, "DisabledException");
    client.ok("EnableKey", json!({ "KeyId": to })).await;

    // Each half has a right of its own, which a grant can give.
    let reader = "arn:aws:iam::111122223333:user/reader";
    let with_rights = |allow: &[&str]| {
        let allow = Some(allow.iter().map(|action| (*action).to_owned()).collect());
        let credential = Credential { arn: Some(reader.to_owned()), allow, ..Credential::new("AKIAREADER0000000000", "secret", ACCOUNT) };
        double.add_credential(credential);
        Client { access_key: "AKIAREADER0000000000".to_owned(), secret: "secret".to_owned(), ..client.clone() }
    };
    with_rights(&["kms:ReEncryptFrom", "kms:ReEncryptTo"]).ok("ReEncrypt", again.clone()).await;
    let half = with_rights(&["kms:ReEncryptTo"]);
    assert_eq!(half.refused("ReEncrypt", again.clone()).await, "AccessDeniedException");
    let constraints = json!({ "EncryptionContextEquals": { "a": "1" } });
    let grant = json!({ "KeyId": from, "GranteePrincipal": reader, "Operations": ["ReEncryptFrom"], "Constraints": constraints });
    client.ok("CreateGrant", grant).await;
    half.ok("ReEncrypt", again.clone()).await;
    assert_eq!(with_rights(&["kms:ReEncryptFrom"]).refused("ReEncrypt", again).await, "AccessDeniedException");
}

#[tokio::test]
async fn what_can_be_encrypted_is_checked_as_documented() {
    let (_double, client) = start().await;
    let key = client.create(json!({})).await;
    let rsa = client.create(json!({ "KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT" })).await;
    let hmac = client.create(json!({ "KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC" })).await;
    let long = |length: usize| STANDARD.encode(vec![0_u8; length]);
    let oaep = |length: usize, algorithm: &str| json!({ "KeyId": rsa, "Plaintext": long(length), "EncryptionAlgorithm": algorithm });
    for (length, algorithm) in [(214, "RSAES_OAEP_SHA_1"), (190, "RSAES_OAEP_SHA_256")] {
        let sealed = client.ok("Encrypt", oaep(length, algorithm)).await;
        let open = json!({ "KeyId": rsa, "CiphertextBlob": sealed["CiphertextBlob"], "EncryptionAlgorithm": algorithm });
        assert_eq!(client.ok("Decrypt", open).await["Plaintext"], long(length));
        assert_eq!(client.refused("Encrypt", oaep(length + 1, algorithm)).await, "ValidationException");
    }
    // What a client encrypts with the public key, KMS decrypts.
    let public = bytes(&client.ok("GetPublicKey", json!({ "KeyId": rsa })).await["PublicKey"]);
    let public = rsa::OaepPublicEncryptingKey::new(rsa::PublicEncryptingKey::from_der(&public).unwrap()).unwrap();
    let mut room = vec![0; public.ciphertext_size()];
    let outside = public.encrypt(&rsa::OAEP_SHA256_MGF1SHA256, b"outside", &mut room, None).unwrap();
    let open = json!({ "KeyId": rsa, "CiphertextBlob": STANDARD.encode(outside), "EncryptionAlgorithm": "RSAES_OAEP_SHA_256" });
    assert_eq!(bytes(&client.ok("Decrypt", open.clone()).await["Plaintext"]), b"outside");

    client.ok("Encrypt", json!({ "KeyId": key, "Plaintext": long(4096) })).await;
    let with = |name: &str, value: Value| {
        let mut members = open.clone();
        members[name] = value;
        members
    };
    let refused = [
        ("Encrypt", json!({ "KeyId": key, "Plaintext": long(4097) }), "ValidationException"),
        ("Encrypt", json!({ "KeyId": key, "Plaintext": "" }), "ValidationException"),
        ("Encrypt", json!({ "KeyId": key, "Plaintext": "a b" }), "SerializationException"),
        ("Encrypt", json!({ "KeyId": rsa, "Plaintext": "aGk=" }), "InvalidKeyUsageException"),
        ("Encrypt", json!({ "KeyId": key, "Plaintext": "aGk=", "EncryptionAlgorithm": "RSAES_OAEP_SHA_1" }), "InvalidKeyUsageException"),
        ("Encrypt", json!({ "KeyId": key, "Plaintext": "aGk=", "EncryptionAlgorithm": "ROT13" }), "ValidationException"),
        ("Decrypt", with("EncryptionContext", json!({ "a": "b" })), "ValidationException"),
        ("Decrypt", with("EncryptionAlgorithm", json!("RSAES_OAEP_SHA_1")), "InvalidCiphertextException"),
        ("Decrypt", with("KeyId", Value::Null), "ValidationException"),
        ("Decrypt", with("DryRun", json!(true)), "DryRunOperationException"),
        ("Decrypt", json!({ "KeyId": key, "DryRun": true, "DryRunModifiers": ["IGNORE_CIPHERTEXT"] }), "DryRunOperationException"),
        ("Decrypt", json!({ "KeyId": key, "DryRun": true, "DryRunModifiers": ["IGNORE_ALL"] }), "ValidationException"),
        ("Decrypt", json!({ "KeyId": key, "DryRunModifiers": ["IGNORE_CIPHERTEXT"] }), "ValidationException"),
        ("GenerateDataKey", json!({ "KeyId": key }), "ValidationException"),
        ("GenerateDataKey", json!({ "KeyId": key, "KeySpec": "AES_256", "NumberOfBytes": 32 }), "ValidationException"),
        ("GenerateDataKey", json!({ "KeyId": key, "NumberOfBytes": 1025 }), "ValidationException"),
        ("GenerateDataKey", json!({ "KeyId": key, "KeySpec": "AES_512" }), "ValidationException"),
        ("GenerateDataKey", json!({ "KeyId": rsa, "KeySpec": "AES_256" }), "InvalidKeyUsageException"),
        ("GenerateDataKey", json!({ "KeyId": hmac, "KeySpec": "AES_256" }), "InvalidKeyUsageException"),
        ("GenerateDataKey", json!({ "KeyId": key, "KeySpec": "AES_256", "DryRun": true }), "DryRunOperationException"),
        ("GenerateDataKey", json!({ "KeyId": key, "KeySpec": "AES_256", "Recipient": {} }), "ValidationException"),
        ("GenerateDataKey", json!({ "KeyId": key, "KeySpec": "AES_256", "GrantTokens": ["none"] }), "InvalidGrantTokenException"),
        ("GenerateDataKeyPair", json!({ "KeyId": key }), "ValidationException"),
        ("GenerateDataKeyPair", json!({ "KeyId": key, "KeyPairSpec": "RSA_1024" }), "ValidationException"),
        ("GenerateDataKeyPair", json!({ "KeyId": key, "KeyPairSpec": "SM2" }), "UnsupportedOperationException"),
        ("GenerateDataKeyPair", json!({ "KeyId": hmac, "KeyPairSpec": "ECC_NIST_P256" }), "InvalidKeyUsageException"),
        ("GenerateRandom", json!({ "NumberOfBytes": 0 }), "ValidationException"),
        ("GenerateRandom", json!({ "NumberOfBytes": 1025 }), "ValidationException"),
        ("GenerateRandom", json!({ "NumberOfBytes": 8, "CustomKeyStoreId": "cks-1" }), "CustomKeyStoreNotFoundException"),
    ];
    for (operation, members, code) in refused {
        assert_eq!(client.refused(operation, members.clone()).await, code, "{operation} {members}");
    }
    let random = client.ok("GenerateRandom", json!({ "NumberOfBytes": 1024 })).await["Plaintext"].clone();
    assert_eq!(bytes(&random).len(), 1024);
    assert_ne!(client.ok("GenerateRandom", json!({ "NumberOfBytes": 1024 })).await["Plaintext"], random);
}
