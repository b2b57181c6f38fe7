//! Signatures and message authentication codes.

use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, PqdsaKeyPair, RsaEncoding, UnparsedPublicKey, VerificationAlgorithm,
};

use super::Failed;
use super::key_pair::{ecdsa, ml_dsa};

/// What is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message<'a> {
    /// The message, which is hashed first if the algorithm says so.
    Raw(&'a [u8]),
    /// The hash of the message.
    Digest(&'a [u8]),
}

/// The signature of a message.
pub(crate) fn sign(spec: &str, algorithm: &str, secret: &[u8], message: Message<'_>) -> Result<Vec<u8>, Failed> {
    if let Some((encoding, _)) = rsa_algorithm(algorithm) {
        let pair = rsa::KeyPair::from_pkcs8(secret)?;
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign_digest(encoding, &hashed(algorithm, message)?, &mut signature)?;
        return Ok(signature);
    }
    if let Some(curve) = ecdsa(spec) {
        let pair = EcdsaKeyPair::from_pkcs8(curve, secret)?;
        let signature = match message {
            Message::Raw(bytes) => pair.sign(&SystemRandom::new(), bytes)?,
            Message::Digest(_) => pair.sign_digest(&hashed(algorithm, message)?)?,
        };
        return Ok(signature.as_ref().to_vec());
    }
    let Message::Raw(bytes) = message else {
        return Err(Failed);
    };
    match (algorithm, ml_dsa(spec)) {
        ("ML_DSA_SHAKE_256", Some(parameters)) => {
            let mut signature = vec![0; parameters.signature_len()];
            let length = PqdsaKeyPair::from_pkcs8(parameters, secret)?.sign(bytes, &mut signature)?;
            signature.truncate(length);
            Ok(signature)
        }
        ("ED25519_SHA_512", None) => Ok(Ed25519KeyPair::from_pkcs8(secret)?.try_sign(bytes)?.as_ref().to_vec()),
        _ => Err(Failed),
    }
}

/// Whether a signature is one of this key and message.
pub(crate) fn verify(spec: &str, algorithm: &str, secret: &[u8], message: Message<'_>, signature: &[u8]) -> Result<(), Failed> {
    if let Some((_, scheme)) = rsa_algorithm(algorithm) {
        let public = rsa::KeyPair::from_pkcs8(secret)?.public_key().as_ref().to_vec();
        return UnparsedPublicKey::new(scheme, public).verify_digest(&hashed(algorithm, message)?, signature);
    }
    if let Some(curve) = ecdsa(spec) {
        let public = EcdsaKeyPair::from_pkcs8(curve, secret)?.public_key().as_ref().to_vec();
        let scheme: &'static dyn VerificationAlgorithm = match spec {
            "ECC_NIST_P256" => &signature::ECDSA_P256_SHA256_ASN1,
            "ECC_NIST_P384" => &signature::ECDSA_P384_SHA384_ASN1,
            "ECC_NIST_P521" => &signature::ECDSA_P521_SHA512_ASN1,
            _ => &signature::ECDSA_P256K1_SHA256_ASN1,
        };
        return UnparsedPublicKey::new(scheme, public).verify_digest(&hashed(algorithm, message)?, signature);
    }
    let Message::Raw(bytes) = message else {
        return Err(Failed);
    };
    let scheme: &'static dyn VerificationAlgorithm = match spec {
        "ML_DSA_44" => &signature::ML_DSA_44,
        "ML_DSA_65" => &signature::ML_DSA_65,
        "ML_DSA_87" => &signature::ML_DSA_87,
        _ => &signature::ED25519,
    };
    let public = match ml_dsa(spec) {
        Some(parameters) => PqdsaKeyPair::from_pkcs8(parameters, secret)?.public_key().as_ref().to_vec(),
        None => Ed25519KeyPair::from_pkcs8(secret)?.public_key().as_ref().to_vec(),
    };
    UnparsedPublicKey::new(scheme, public).verify(bytes, signature)
}

/// The length of the hash that an algorithm signs. None if it does not sign hashes.
pub(crate) fn digest_length(algorithm: &str) -> Option<usize> {
    hash(algorithm).map(digest::Algorithm::output_len)
}

/// The code of a message.
pub(crate) fn mac(algorithm: &str, secret: &[u8], message: &[u8]) -> Result<Vec<u8>, Failed> {
    Ok(hmac::sign(&hmac::Key::new(hmac_algorithm(algorithm)?, secret), message).as_ref().to_vec())
}

/// Whether a code is the one of this key and message.
pub(crate) fn verify_mac(algorithm: &str, secret: &[u8], message: &[u8], code: &[u8]) -> Result<(), Failed> {
    hmac::verify(&hmac::Key::new(hmac_algorithm(algorithm)?, secret), message, code)
}

fn hmac_algorithm(algorithm: &str) -> Result<hmac::Algorithm, Failed> {
    match algorithm {
        "HMAC_SHA_224" => Ok(hmac::HMAC_SHA224),
        "HMAC_SHA_256" => Ok(hmac::HMAC_SHA256),
        "HMAC_SHA_384" => Ok(hmac::HMAC_SHA384),
        "HMAC_SHA_512" => Ok(hmac::HMAC_SHA512),
        _ => Err(Failed),
    }
}

fn rsa_algorithm(algorithm: &str) -> Option<(&'static dyn RsaEncoding, &'static dyn VerificationAlgorithm)> {
    match algorithm {
        "RSASSA_PSS_SHA_256" => Some((&signature::RSA_PSS_SHA256, &signature::RSA_PSS_2048_8192_SHA256)),
        "RSASSA_PSS_SHA_384" => Some((&signature::RSA_PSS_SHA384, &signature::RSA_PSS_2048_8192_SHA384)),
        "RSASSA_PSS_SHA_512" => Some((&signature::RSA_PSS_SHA512, &signature::RSA_PSS_2048_8192_SHA512)),
        "RSASSA_PKCS1_V1_5_SHA_256" => Some((&signature::RSA_PKCS1_SHA256, &signature::RSA_PKCS1_2048_8192_SHA256)),
        "RSASSA_PKCS1_V1_5_SHA_384" => Some((&signature::RSA_PKCS1_SHA384, &signature::RSA_PKCS1_2048_8192_SHA384)),
        "RSASSA_PKCS1_V1_5_SHA_512" => Some((&signature::RSA_PKCS1_SHA512, &signature::RSA_PKCS1_2048_8192_SHA512)),
        _ => None,
    }
}

/// ML-DSA and Ed25519 hash the message as part of the signature.
fn hash(algorithm: &str) -> Option<&'static digest::Algorithm> {
    let hashes_first = algorithm.starts_with("RSASSA_") || algorithm.starts_with("ECDSA_");
    match algorithm.rsplit('_').next().filter(|_| hashes_first)? {
        "256" => Some(&digest::SHA256),
        "384" => Some(&digest::SHA384),
        "512" => Some(&digest::SHA512),
        _ => None,
    }
}

fn hashed(algorithm: &str, message: Message<'_>) -> Result<Digest, Failed> {
    let hash = hash(algorithm).ok_or(Failed)?;
    match message {
        Message::Raw(bytes) => Ok(digest::digest(hash, bytes)),
        Message::Digest(bytes) => Digest::import_less_safe(bytes, hash),
    }
}
