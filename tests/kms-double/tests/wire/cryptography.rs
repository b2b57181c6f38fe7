//! Signatures, codes and shared secrets. Where a client can check a result by itself, it does.

use aws_lc_rs::agreement::{self, PrivateKey};
use aws_lc_rs::digest::{self, digest};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::kem::{Ciphertext, EncapsulationKey, ML_KEM_768};
use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::client::{Client, start};

/// A signing algorithm of AWS, and how a client verifies it.
type Scheme = (&'static str, &'static dyn VerificationAlgorithm);

fn bytes(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}

async fn public_key(client: &Client, key: &str) -> Vec<u8> {
    bytes(&client.ok("GetPublicKey", json!({ "KeyId": key })).await["PublicKey"])
}

#[tokio::test]
async fn what_a_key_signs_anybody_can_verify() {
    let (double, client) = start().await;
    let rsa: &[Scheme] = &[
        ("RSASSA_PSS_SHA_256", &signature::RSA_PSS_2048_8192_SHA256),
        ("RSASSA_PSS_SHA_384", &signature::RSA_PSS_2048_8192_SHA384),
        ("RSASSA_PSS_SHA_512", &signature::RSA_PSS_2048_8192_SHA512),
        ("RSASSA_PKCS1_V1_5_SHA_256", &signature::RSA_PKCS1_2048_8192_SHA256),
        ("RSASSA_PKCS1_V1_5_SHA_384", &signature::RSA_PKCS1_2048_8192_SHA384),
        ("RSASSA_PKCS1_V1_5_SHA_512", &signature::RSA_PKCS1_2048_8192_SHA512),
    ];
    let specs: &[(&str, &[Scheme])] = &[
        ("RSA_2048", rsa),
        ("ECC_NIST_P256", &[("ECDSA_SHA_256", &signature::ECDSA_P256_SHA256_ASN1)]),
        ("ECC_NIST_P384", &[("ECDSA_SHA_384", &signature::ECDSA_P384_SHA384_ASN1)]),
        ("ECC_NIST_P521", &[("ECDSA_SHA_512", &signature::ECDSA_P521_SHA512_ASN1)]),
        ("ECC_SECG_P256K1", &[("ECDSA_SHA_256", &signature::ECDSA_P256K1_SHA256_ASN1)]),
        ("ECC_NIST_EDWARDS25519", &[("ED25519_SHA_512", &signature::ED25519)]),
        ("ML_DSA_44", &[("ML_DSA_SHAKE_256", &signature::ML_DSA_44)]),
        ("ML_DSA_65", &[("ML_DSA_SHAKE_256", &signature::ML_DSA_65)]),
        ("ML_DSA_87", &[("ML_DSA_SHAKE_256", &signature::ML_DSA_87)]),
    ];
    let message = b"a message";
    for (spec, algorithms) in specs {
        let key = client.create(json!({ "KeySpec": spec, "KeyUsage": "SIGN_VERIFY" })).await;
        let public = public_key(&client, &key).await;
        assert!(double.key(&key).unwrap().last_use.is_none(), "GetPublicKey is no use of the key");
        let told = client.ok("GetPublicKey", json!({ "KeyId": key })).await;
        let names: Vec<&str> = told["SigningAlgorithms"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        for (algorithm, scheme) in *algorithms {
            assert!(names.contains(algorithm), "{told}");
            let request = json!({ "KeyId": key, "Message": STANDARD.encode(message), "SigningAlgorithm": algorithm });
            let signed = client.ok("Sign", request.clone()).await;
            UnparsedPublicKey::new(*scheme, &public).verify(message, &bytes(&signed["Signature"])).unwrap();
            let mut verify = request.clone();
            verify["Signature"] = signed["Signature"].clone();
            assert_eq!(client.ok("Verify", verify.clone()).await["SignatureValid"], true, "{spec} {algorithm}");
            verify["Message"] = json!("b3RoZXI=");
            assert_eq!(client.refused("Verify", verify.clone()).await, "KMSInvalidSignatureException");
            verify["DryRun"] = json!(true);
            assert_eq!(client.refused("Verify", verify).await, "KMSInvalidSignatureException", "a dry run checks it too");
            let hash = match algorithm.rsplit('_').next().unwrap() {
                "256" => &digest::SHA256,
                "384" => &digest::SHA384,
                _ => &digest::SHA512,
            };
            let hashed = json!({ "KeyId": key, "Message": STANDARD.encode(digest(hash, message)), "MessageType": "DIGEST", "SigningAlgorithm": algorithm });
            if matches!(*algorithm, "ED25519_SHA_512" | "ML_DSA_SHAKE_256") {
                assert_eq!(client.refused("Sign", hashed).await, "ValidationException");
                continue;
            }
            // The hash of the message is signed as the message is.
            let signed = client.ok("Sign", hashed).await;
            UnparsedPublicKey::new(*scheme, &public).verify(message, &bytes(&signed["Signature"])).unwrap();
        }
        let used = double.key(&key).unwrap().last_use.unwrap().operation;
        assert!(matches!(used.as_str(), "Sign" | "Verify"), "{used}");
    }
    assert!(double.ledger().iter().all(|entry| entry.params.get("Message").is_none() && entry.params.get("Signature").is_none()));
}

#[tokio::test]
async fn what_can_be_signed_is_checked_as_documented() {
    let (_double, client) = start().await;
    let key = client.create(json!({ "KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY" })).await;
    let edwards = client.create(json!({ "KeySpec": "ECC_NIST_EDWARDS25519", "KeyUsage": "SIGN_VERIFY" })).await;
    let ml_dsa = client.create(json!({ "KeySpec": "ML_DSA_44", "KeyUsage": "SIGN_VERIFY" })).await;
    let symmetric = client.create(json!({})).await;
    let hmac = client.create(json!({ "KeySpec": "HMAC_224", "KeyUsage": "GENERATE_VERIFY_MAC" })).await;
    let long = |length: usize| STANDARD.encode(vec![0_u8; length]);
    let sign = |key: &str, algorithm: &str, kind: &str, length: usize| json!({ "KeyId": key, "SigningAlgorithm": algorithm, "MessageType": kind, "Message": long(length) });
    client.ok("Sign", sign(&key, "ECDSA_SHA_256", "RAW", 4096)).await;
    let mut rehearsed = sign(&key, "ECDSA_SHA_256", "RAW", 1);
    rehearsed["DryRun"] = json!(true);
    let mac = |key: &str, algorithm: &str| json!({ "KeyId": key, "MacAlgorithm": algorithm, "Message": "aGk=" });
    let refused = [
        ("Sign", rehearsed, "DryRunOperationException"),
        ("Sign", sign(&key, "ECDSA_SHA_256", "RAW", 4097), "ValidationException"),
        ("Sign", sign(&key, "ECDSA_SHA_256", "DIGEST", 31), "ValidationException"),
        ("Sign", sign(&key, "ECDSA_SHA_256", "EXTERNAL_MU", 64), "ValidationException"),
        ("Sign", sign(&key, "ECDSA_SHA_256", "HASH", 32), "ValidationException"),
        ("Sign", sign(&key, "ECDSA_SHA_384", "RAW", 1), "InvalidKeyUsageException"),
        ("Sign", sign(&key, "ECDSA_SHA_1", "RAW", 1), "ValidationException"),
        ("Sign", json!({ "KeyId": key, "Message": "aGk=" }), "ValidationException"),
        ("Sign", json!({ "KeyId": key, "SigningAlgorithm": "ECDSA_SHA_256" }), "ValidationException"),
        ("Sign", sign(&symmetric, "ECDSA_SHA_256", "RAW", 1), "InvalidKeyUsageException"),
        ("Sign", sign(&edwards, "ED25519_PH_SHA_512", "RAW", 1), "ValidationException"),
        ("Sign", sign(&ml_dsa, "ML_DSA_SHAKE_256", "EXTERNAL_MU", 63), "ValidationException"),
        ("Verify", sign(&key, "ECDSA_SHA_256", "RAW", 1), "ValidationException"),
        ("GenerateMac", mac(&hmac, "HMAC_SHA_256"), "InvalidKeyUsageException"),
        ("GenerateMac", mac(&hmac, "HMAC_SHA_1"), "ValidationException"),
        ("GenerateMac", mac(&key, "HMAC_SHA_224"), "InvalidKeyUsageException"),
        ("GetPublicKey", json!({ "KeyId": symmetric }), "UnsupportedOperationException"),
        ("GetPublicKey", json!({ "KeyId": hmac }), "UnsupportedOperationException"),
        ("DeriveSharedSecret", json!({ "KeyId": key, "KeyAgreementAlgorithm": "ECDH", "PublicKey": "aGk=" }), "InvalidKeyUsageException"),
        ("Encapsulate", json!({ "KeyId": key, "EncapsulationAlgorithm": "ML_KEM" }), "InvalidKeyUsageException"),
    ];
    for (operation, members, code) in refused {
        assert_eq!(client.refused(operation, members.clone()).await, code, "{operation} {members}");
    }
    // AWS signs these, and the double says that it does not.
    let china = client.in_region("cn-north-1");
    let sm2 = china.create(json!({ "KeySpec": "SM2", "KeyUsage": "SIGN_VERIFY" })).await;
    let lacking = [
        (&client, sign(&edwards, "ED25519_PH_SHA_512", "DIGEST", 64)),
        (&client, sign(&ml_dsa, "ML_DSA_SHAKE_256", "EXTERNAL_MU", 64)),
        (&china, sign(&sm2, "SM2DSA", "RAW", 1)),
    ];
    for (client, members) in lacking {
        assert_eq!(client.outcome("Sign", members).await, "500 KMSInternalException");
    }
}

#[tokio::test]
async fn a_code_shows_its_key_and_message() {
    let (_double, client) = start().await;
    for (spec, algorithm, length) in [
        ("HMAC_224", "HMAC_SHA_224", 28),
        ("HMAC_256", "HMAC_SHA_256", 32),
        ("HMAC_384", "HMAC_SHA_384", 48),
        ("HMAC_512", "HMAC_SHA_512", 64),
    ] {
        let key = client.create(json!({ "KeySpec": spec, "KeyUsage": "GENERATE_VERIFY_MAC" })).await;
        let other = client.create(json!({ "KeySpec": spec, "KeyUsage": "GENERATE_VERIFY_MAC" })).await;
        let request = json!({ "KeyId": key, "MacAlgorithm": algorithm, "Message": "aGk=" });
        let made = client.ok("GenerateMac", request.clone()).await;
        assert_eq!(bytes(&made["Mac"]).len(), length);
        assert_eq!(client.ok("GenerateMac", request.clone()).await, made, "the same message has the same code");
        let mut verify = request;
        verify["Mac"] = made["Mac"].clone();
        assert_eq!(client.ok("VerifyMac", verify.clone()).await["MacValid"], true);
        for (name, value) in [("Message", json!("b3RoZXI=")), ("KeyId", json!(other)), ("Mac", json!("aGk="))] {
            let mut wrong = verify.clone();
            wrong[name] = value;
            assert_eq!(client.refused("VerifyMac", wrong).await, "KMSInvalidMacException", "{name}");
        }
    }
}

#[tokio::test]
async fn two_sides_derive_the_same_secret() {
    let (_double, client) = start().await;
    for (spec, algorithm) in
        [("ECC_NIST_P256", &agreement::ECDH_P256), ("ECC_NIST_P384", &agreement::ECDH_P384), ("ECC_NIST_P521", &agreement::ECDH_P521)]
    {
        let key = client.create(json!({ "KeySpec": spec, "KeyUsage": "KEY_AGREEMENT" })).await;
        let own = PrivateKey::generate(algorithm).unwrap();
        let public: Vec<u8> =
            AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(&own.compute_public_key().unwrap()).unwrap().as_ref().to_vec();
        let theirs = agreement::UnparsedPublicKey::new(algorithm, public_key(&client, &key).await);
        let expected = agreement::agree(&own, theirs, (), |secret| Ok(secret.to_vec())).unwrap();
        let request = |public: &[u8]| json!({ "KeyId": key, "KeyAgreementAlgorithm": "ECDH", "PublicKey": STANDARD.encode(public) });
        let derived = client.ok("DeriveSharedSecret", request(&public)).await;
        assert_eq!((bytes(&derived["SharedSecret"]), &derived["KeyOrigin"]), (expected, &json!("AWS_KMS")));
        assert_eq!(client.refused("DeriveSharedSecret", request(b"none")).await, "ValidationException");
    }
}

#[tokio::test]
async fn an_encapsulated_secret_comes_back() {
    let (_double, client) = start().await;
    for spec in ["ML_KEM_512", "ML_KEM_768", "ML_KEM_1024"] {
        let key = client.create(json!({ "KeySpec": spec, "KeyUsage": "ENCAPSULATE_DECAPSULATE" })).await;
        let open = |blob: Value| json!({ "KeyId": key, "EncapsulationAlgorithm": "ML_KEM", "SharedSecretCiphertextBlob": blob });
        let made = client.ok("Encapsulate", json!({ "KeyId": key, "EncapsulationAlgorithm": "ML_KEM" })).await;
        let opened = client.ok("Decapsulate", open(made["SharedSecretCiphertextBlob"].clone())).await;
        assert_eq!(opened["SharedSecret"], made["SharedSecret"]);
        assert_eq!(client.refused("Decapsulate", open(json!("aGk="))).await, "InvalidCiphertextException");
        let public = public_key(&client, &key).await;
        if spec == "ML_KEM_768" {
            // A client takes the public key out of its DER.
            let outside = EncapsulationKey::new(&ML_KEM_768, &public[public.len() - 1184..]).unwrap();
            let (ciphertext, secret) = outside.encapsulate().unwrap();
            let opened = client.ok("Decapsulate", open(json!(STANDARD.encode(Ciphertext::as_ref(&ciphertext))))).await;
            assert_eq!(bytes(&opened["SharedSecret"]), secret.as_ref());
        }
    }
}
