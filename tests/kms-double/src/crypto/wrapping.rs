//! RSA keys with which clients wrap key material.
//!
//! Making one takes a second without optimization, and a test may import often. So a process has two for each spec, which are given in turn:
//! a client that mixes the parts of two successive answers still fails.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::{Failed, generate};

static MADE: Mutex<BTreeMap<(String, bool), Vec<u8>>> = Mutex::new(BTreeMap::new());

/// The secret of this spec for the turn with this number.
pub(crate) fn wrapping_secret(spec: &str, turn: usize) -> Result<Vec<u8>, Failed> {
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let name = (spec.to_owned(), turn.is_multiple_of(2));
    if let Some(secret) = made.get(&name) {
        return Ok(secret.clone());
    }
    let secret = generate(spec)?;
    made.insert(name, secret.clone());
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_successive_secrets_differ() {
        let secrets: Vec<_> = (0..4).map(|turn| wrapping_secret("ECC_NIST_P256", turn).unwrap()).collect();
        assert!(secrets.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(wrapping_secret("SM2", 0).is_err());
    }
}
