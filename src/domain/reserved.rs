//! Names that are Keyward's own or the KMS's, which no object may declare.

use crate::api::mark;

/// Whether no object may set or remove a tag of that key: marks are Keyward's own, and `aws:` is the KMS's.
#[must_use]
pub fn is_reserved_tag(key: &str) -> bool {
    key.starts_with(mark::RESERVED_PREFIX) || key.starts_with("aws:")
}

/// Whether no object may set or remove that alias, written without `alias/`: claims are Keyward's own, and `aws/` is the KMS's.
#[must_use]
pub fn is_reserved_alias(alias: &str) -> bool {
    alias.starts_with("keyward/") || alias.starts_with("aws/")
}
