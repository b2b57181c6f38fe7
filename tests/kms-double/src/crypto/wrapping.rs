//! RSA keys with which clients wrap key material.
//!
//! Making one takes a second without optimization, and a test may import often. So the keys of a process are two for each spec, in turn:
//! a client that mixes the parts of two successive answers still fails.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::{Failed, generate};

/// The secrets that were made, and how many were given.
type Made = (Vec<Vec<u8>>, usize);

static MADE: Mutex<BTreeMap<String, Made>> = Mutex::new(BTreeMap::new());

/// The next secret of this spec.
pub(crate) fn wrapping_secret(spec: &str) -> Result<Vec<u8>, Failed> {
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let (secrets, given) = made.entry(spec.to_owned()).or_default();
    *given += 1;
    if secrets.len() < 2 {
        secrets.push(generate(spec)?);
        return secrets.last().cloned().ok_or(Failed);
    }
    secrets.get((*given + 1) % 2).cloned().ok_or(Failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_successive_secrets_differ() {
        let secrets: Vec<_> = (0..4).map(|_| wrapping_secret("ECC_NIST_P256").unwrap()).collect();
        assert!(secrets.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(wrapping_secret("SM2").is_err());
    }
}
