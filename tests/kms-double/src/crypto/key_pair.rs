//! Makes the secret of a key, and tells the public key that belongs to it.
//!
//! A secret is PKCS #8 for RSA, elliptic curves and ML-DSA, the decapsulation key of FIPS 203 for ML-KEM, and otherwise only bytes.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, PqdsaKeyPair, PqdsaSigningAlgorithm};
use aws_lc_rs::{kem, rsa};

use super::{Failed, random};

/// A new secret for a key of this spec.
pub(crate) fn generate(spec: &str) -> Result<Vec<u8>, Failed> {
    if let Some(length) = secret_length(spec) {
        return random(length);
    }
    if let Some(size) = rsa_size(spec) {
        return Ok(AsDer::as_der(&rsa::KeyPair::generate(size)?)?.as_ref().to_vec());
    }
    if let Some(algorithm) = ecdsa(spec) {
        return Ok(EcdsaKeyPair::generate(algorithm)?.to_pkcs8v1()?.as_ref().to_vec());
    }
    if let Some(algorithm) = ml_dsa(spec) {
        return Ok(PqdsaKeyPair::generate(algorithm)?.to_pkcs8v1()?.as_ref().to_vec());
    }
    if let Some((algorithm, _)) = ml_kem(spec) {
        return Ok(kem::DecapsulationKey::generate(algorithm)?.key_bytes()?.as_ref().to_vec());
    }
    match spec {
        EDWARDS => Ok(Ed25519KeyPair::generate()?.to_pkcs8v1()?.as_ref().to_vec()),
        _ => Err(Failed),
    }
}

/// The public key as DER of X.509 `SubjectPublicKeyInfo`.
pub(crate) fn public_key(spec: &str, secret: &[u8]) -> Result<Vec<u8>, Failed> {
    if rsa_size(spec).is_some() {
        return Ok(rsa::KeyPair::from_pkcs8(secret)?.public_key().as_der()?.as_ref().to_vec());
    }
    if let Some(algorithm) = ecdsa(spec) {
        return Ok(EcdsaKeyPair::from_pkcs8(algorithm, secret)?.public_key().as_der()?.as_ref().to_vec());
    }
    if let Some(algorithm) = ml_dsa(spec) {
        return Ok(PqdsaKeyPair::from_pkcs8(algorithm, secret)?.public_key().as_der()?.as_ref().to_vec());
    }
    if let Some((_, oid)) = ml_kem(spec) {
        // Without parameters, and the raw key in the bit string (RFC 9935).
        let algorithm = tlv(0x30, &tlv(0x06, &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x04, oid]));
        let raw = super::agreement::encapsulation_key(spec, secret).ok_or(Failed)?;
        let bits = tlv(0x03, &[&[0], raw].concat());
        return Ok(tlv(0x30, &[algorithm, bits].concat()));
    }
    match spec {
        EDWARDS => Ok(Ed25519KeyPair::from_pkcs8(secret)?.public_key().as_der()?.as_ref().to_vec()),
        _ => Err(Failed),
    }
}

/// Whether these bytes can be the secret of a key of this spec.
pub(crate) fn takes(spec: &str, secret: &[u8]) -> bool {
    match secret_length(spec) {
        Some(length) if spec.starts_with("HMAC_") => (length..=HMAC_MAX).contains(&secret.len()),
        Some(length) => secret.len() == length,
        None => public_key(spec, secret).is_ok() && rsa_fits(spec, secret),
    }
}

/// The maximum length of an HMAC secret: 1024 bits.
const HMAC_MAX: usize = 128;
const EDWARDS: &str = "ECC_NIST_EDWARDS25519";

/// The length of a secret that has no structure.
fn secret_length(spec: &str) -> Option<usize> {
    match spec {
        "SYMMETRIC_DEFAULT" | "HMAC_256" => Some(32),
        "HMAC_224" => Some(28),
        "HMAC_384" => Some(48),
        "HMAC_512" => Some(64),
        _ => None,
    }
}

fn rsa_size(spec: &str) -> Option<KeySize> {
    match spec {
        "RSA_2048" => Some(KeySize::Rsa2048),
        "RSA_3072" => Some(KeySize::Rsa3072),
        "RSA_4096" => Some(KeySize::Rsa4096),
        _ => None,
    }
}

fn rsa_fits(spec: &str, secret: &[u8]) -> bool {
    let size = |pair: rsa::KeyPair| Some(pair.public_modulus_len()) == rsa_size(spec).map(KeySize::len);
    rsa_size(spec).is_none() || rsa::KeyPair::from_pkcs8(secret).is_ok_and(size)
}

pub(super) fn ecdsa(spec: &str) -> Option<&'static EcdsaSigningAlgorithm> {
    match spec {
        "ECC_NIST_P256" => Some(&signature::ECDSA_P256_SHA256_ASN1_SIGNING),
        "ECC_NIST_P384" => Some(&signature::ECDSA_P384_SHA384_ASN1_SIGNING),
        "ECC_NIST_P521" => Some(&signature::ECDSA_P521_SHA512_ASN1_SIGNING),
        "ECC_SECG_P256K1" => Some(&signature::ECDSA_P256K1_SHA256_ASN1_SIGNING),
        _ => None,
    }
}

pub(super) fn ml_dsa(spec: &str) -> Option<&'static PqdsaSigningAlgorithm> {
    match spec {
        "ML_DSA_44" => Some(&signature::ML_DSA_44_SIGNING),
        "ML_DSA_65" => Some(&signature::ML_DSA_65_SIGNING),
        "ML_DSA_87" => Some(&signature::ML_DSA_87_SIGNING),
        _ => None,
    }
}

/// The algorithm, and the last number of its object identifier.
pub(super) fn ml_kem(spec: &str) -> Option<(&'static kem::Algorithm, u8)> {
    match spec {
        "ML_KEM_512" => Some((&kem::ML_KEM_512, 1)),
        "ML_KEM_768" => Some((&kem::ML_KEM_768, 2)),
        "ML_KEM_1024" => Some((&kem::ML_KEM_1024, 3)),
        _ => None,
    }
}

/// One element of DER, shorter than 64 KiB.
fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap_or(u16::MAX);
    let [high, low] = length.to_be_bytes();
    let head = match length {
        0..0x80 => vec![tag, low],
        0x80..0x100 => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [&head, content].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_spec_has_a_secret_that_it_takes() {
        // RSA keys are made by the wire tests, because making them is slow.
        let specs = [
            "SYMMETRIC_DEFAULT",
            "HMAC_224",
            "HMAC_256",
            "HMAC_384",
            "HMAC_512",
            "ECC_NIST_P256",
            "ECC_NIST_P384",
            "ECC_NIST_P521",
            "ECC_SECG_P256K1",
            EDWARDS,
            "ML_DSA_44",
            "ML_DSA_65",
            "ML_DSA_87",
            "ML_KEM_512",
            "ML_KEM_768",
            "ML_KEM_1024",
        ];
        for (index, spec) in specs.iter().enumerate() {
            let secret = generate(spec).unwrap();
            assert!(takes(spec, &secret), "{spec}");
            for other in specs.iter().skip(index + 1).filter(|other| !spec.contains("256") || !other.contains("HMAC")) {
                let both_are_bytes = secret_length(spec).is_some() && other.starts_with("HMAC_");
                assert!(!takes(other, &secret) || both_are_bytes, "{other} takes the secret of {spec}");
            }
        }
        assert!(generate("SM2").is_err() && !takes("SM2", &[0; 32]));
    }
}
