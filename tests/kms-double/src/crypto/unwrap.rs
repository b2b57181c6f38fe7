//! Unwraps key material that a client wrapped for its import.

use aws_lc_rs::key_wrap::{AES_128, AES_256, AesKek, KeyWrapPadded};

use super::{Failed, oaep_decrypt};

/// The material. `algorithm` is one of the wrapping algorithms of AWS, `wrapping` the secret of an RSA key.
pub(crate) fn unwrap(algorithm: &str, wrapping: &[u8], wrapped: &[u8], modulus: usize) -> Result<Vec<u8>, Failed> {
    match algorithm {
        "RSAES_OAEP_SHA_1" | "RSAES_OAEP_SHA_256" => oaep_decrypt(algorithm, wrapping, wrapped),
        "RSA_AES_KEY_WRAP_SHA_1" => unwrap_aes(&oaep_decrypt("RSAES_OAEP_SHA_1", wrapping, head(wrapped, modulus)?)?, wrapped, modulus),
        "RSA_AES_KEY_WRAP_SHA_256" => unwrap_aes(&oaep_decrypt("RSAES_OAEP_SHA_256", wrapping, head(wrapped, modulus)?)?, wrapped, modulus),
        _ => Err(Failed),
    }
}

/// "You encrypt your key material with an AES key, then encrypt your AES key with the RSA public key": first the AES key, then the material
/// with padding (RFC 5649).
fn unwrap_aes(aes: &[u8], wrapped: &[u8], modulus: usize) -> Result<Vec<u8>, Failed> {
    let rest = wrapped.get(modulus..).ok_or(Failed)?;
    let mut room = vec![0; rest.len()];
    let material = match aes.len() {
        16 => AesKek::new(&AES_128, aes)?.unwrap_with_padding(rest, &mut room)?,
        _ => AesKek::new(&AES_256, aes)?.unwrap_with_padding(rest, &mut room)?,
    };
    Ok(material.to_vec())
}

fn head(wrapped: &[u8], modulus: usize) -> Result<&[u8], Failed> {
    wrapped.get(..modulus).ok_or(Failed)
}
