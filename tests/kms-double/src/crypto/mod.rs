//! Cryptography of keys, by the names of AWS's key specs and algorithms. It knows no key, no state and no protocol.
//!
//! The results are real, so that a client can verify a signature or decrypt a data key by itself. The keys are for tests only: secrets
//! stay in memory, and nothing protects them.
//!
//! There is no SM2, no `Ed25519ph` and no ML-KEM key in seed form, because the library does not have them.

mod agreement;
mod envelope;
mod key_pair;
mod oaep;
mod signing;
mod unwrap;
mod wrapping;

pub(crate) use agreement::{decapsulate, derive, encapsulate};
pub(crate) use aws_lc_rs::error::Unspecified as Failed;
pub(crate) use envelope::{open, seal};
pub(crate) use key_pair::{generate, public_key, takes};
pub(crate) use oaep::{decrypt as oaep_decrypt, encrypt as oaep_encrypt, largest as oaep_largest};
pub(crate) use signing::{Message, digest_length, mac, sign, verify, verify_mac};
pub(crate) use unwrap::unwrap;
pub(crate) use wrapping::wrapping_secret;

/// Random bytes.
pub(crate) fn random(length: usize) -> Result<Vec<u8>, Failed> {
    let mut bytes = vec![0; length];
    aws_lc_rs::rand::fill(&mut bytes)?;
    Ok(bytes)
}
