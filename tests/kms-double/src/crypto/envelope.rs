//! Symmetric encryption: AES-256-GCM with a random nonce. What is said beside it, such as the encryption context, is authenticated.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{SHA256, digest};

use super::Failed;

/// The nonce and the ciphertext.
pub(crate) fn seal(secret: &[u8], beside: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, Failed> {
    let mut sealed = plaintext.to_vec();
    let nonce = key(secret)?.seal_in_place_append_tag(Aad::from(beside), &mut sealed)?;
    Ok([&nonce.as_ref()[..], &sealed].concat())
}

/// The plaintext, if nothing was changed.
pub(crate) fn open(secret: &[u8], beside: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Failed> {
    let (nonce, rest) = sealed.split_at_checked(NONCE_LEN).ok_or(Failed)?;
    let mut opened = rest.to_vec();
    let plaintext = key(secret)?.open_in_place(Nonce::try_assume_unique_for_key(nonce)?, Aad::from(beside), &mut opened)?;
    Ok(plaintext.to_vec())
}

/// Some vendors import secrets of other lengths, so the key is a digest.
fn key(secret: &[u8]) -> Result<RandomizedNonceKey, Failed> {
    RandomizedNonceKey::new(&AES_256_GCM, digest(&SHA256, secret).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_only_what_was_sealed() {
        let sealed = seal(b"secret", b"beside", b"text").unwrap();
        assert_eq!(open(b"secret", b"beside", &sealed).unwrap(), b"text");
        assert_ne!(seal(b"secret", b"beside", b"text").unwrap(), sealed);
        assert!(open(b"other", b"beside", &sealed).is_err());
        assert!(open(b"secret", b"else", &sealed).is_err());
        assert!((0..sealed.len()).all(|index| {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            open(b"secret", b"beside", &changed).is_err() && open(b"secret", b"beside", &sealed[..index]).is_err()
        }));
    }
}
