//! Shared secrets: ECDH and ML-KEM.

use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::kem::{Ciphertext, DecapsulationKey, EncapsulationKey};

use super::Failed;
use super::key_pair::ml_kem;

/// The secret that a key shares with another public key, which is DER of `SubjectPublicKeyInfo`.
pub(crate) fn derive(spec: &str, secret: &[u8], other: &[u8]) -> Result<Vec<u8>, Failed> {
    let algorithm = match spec {
        "ECC_NIST_P256" => &agreement::ECDH_P256,
        "ECC_NIST_P384" => &agreement::ECDH_P384,
        "ECC_NIST_P521" => &agreement::ECDH_P521,
        _ => return Err(Failed),
    };
    let own = PrivateKey::from_private_key_der(algorithm, secret)?;
    agreement::agree(&own, UnparsedPublicKey::new(algorithm, other), Failed, |shared| Ok(shared.to_vec()))
}

/// A new shared secret, and its ciphertext for the key.
pub(crate) fn encapsulate(spec: &str, secret: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Failed> {
    let (algorithm, _) = ml_kem(spec).ok_or(Failed)?;
    let public = EncapsulationKey::new(algorithm, encapsulation_key(spec, secret).ok_or(Failed)?)?;
    let (ciphertext, shared) = public.encapsulate()?;
    Ok((shared.as_ref().to_vec(), ciphertext.as_ref().to_vec()))
}

/// The shared secret of a ciphertext. As FIPS 203 requires, a changed ciphertext gives another secret, and one of another length fails.
pub(crate) fn decapsulate(spec: &str, secret: &[u8], ciphertext: &[u8]) -> Result<Vec<u8>, Failed> {
    let (algorithm, _) = ml_kem(spec).ok_or(Failed)?;
    let shared = DecapsulationKey::new(algorithm, secret)?.decapsulate(Ciphertext::from(ciphertext))?;
    Ok(shared.as_ref().to_vec())
}

/// FIPS 203, algorithm 16: a decapsulation key has 384·k bytes, the encapsulation key of 384·k + 32 bytes, and 64 bytes.
pub(super) fn encapsulation_key<'a>(spec: &str, secret: &'a [u8]) -> Option<&'a [u8]> {
    let k = match spec {
        "ML_KEM_512" => 2,
        "ML_KEM_768" => 3,
        "ML_KEM_1024" => 4,
        _ => return None,
    };
    let public = secret.get(384 * k..2 * 384 * k + 32)?;
    (secret.len() == 2 * 384 * k + 96).then_some(public)
}
