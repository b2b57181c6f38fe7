//! The secrets of key material, by its id.
//!
//! Regions of a multi-Region key have the same material, so they have the same secret. A secret is made at its first use, because making an
//! RSA key takes a while and most keys in tests are never used.

use std::sync::Arc;

use super::World;

impl World {
    /// The secret of this material. `make` makes it if there is none yet.
    pub(crate) fn secret<E>(&mut self, material: &str, make: impl FnOnce() -> Result<Vec<u8>, E>) -> Result<Arc<[u8]>, E> {
        if let Some(secret) = self.secrets.get(material) {
            return Ok(Arc::clone(secret));
        }
        let secret: Arc<[u8]> = make()?.into();
        self.secrets.insert(material.to_owned(), Arc::clone(&secret));
        Ok(secret)
    }

    /// How many secrets have an id that begins so.
    pub(crate) fn count_secrets(&self, beginning: &str) -> usize {
        self.secrets.keys().filter(|id| id.starts_with(beginning)).count()
    }

    /// Sets the secret of this material.
    pub(crate) fn keep_secret(&mut self, material: &str, secret: Vec<u8>) {
        self.secrets.insert(material.to_owned(), secret.into());
    }
}
