//! RSA encryption with OAEP.

use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
};

use super::Failed;

/// The largest plaintext that a key of this spec encrypts with this algorithm (API page of `Encrypt`).
pub(crate) fn largest(spec: &str, algorithm: &str) -> Option<usize> {
    let modulus = match spec {
        "RSA_2048" => 256,
        "RSA_3072" => 384,
        "RSA_4096" => 512,
        _ => return None,
    };
    match algorithm {
        "RSAES_OAEP_SHA_1" => Some(modulus - 42),
        "RSAES_OAEP_SHA_256" => Some(modulus - 66),
        _ => None,
    }
}

pub(crate) fn encrypt(algorithm: &str, secret: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, Failed> {
    let key = OaepPublicEncryptingKey::new(PrivateDecryptingKey::from_pkcs8(secret)?.public_key())?;
    let mut room = vec![0; key.ciphertext_size()];
    Ok(key.encrypt(named(algorithm)?, plaintext, &mut room, None)?.to_vec())
}

pub(crate) fn decrypt(algorithm: &str, secret: &[u8], ciphertext: &[u8]) -> Result<Vec<u8>, Failed> {
    let key = OaepPrivateDecryptingKey::new(PrivateDecryptingKey::from_pkcs8(secret)?)?;
    let mut room = vec![0; key.min_output_size()];
    Ok(key.decrypt(named(algorithm)?, ciphertext, &mut room, None)?.to_vec())
}

fn named(algorithm: &str) -> Result<&'static OaepAlgorithm, Failed> {
    match algorithm {
        "RSAES_OAEP_SHA_1" => Ok(&OAEP_SHA1_MGF1SHA1),
        "RSAES_OAEP_SHA_256" => Ok(&OAEP_SHA256_MGF1SHA256),
        _ => Err(Failed),
    }
}
