//! Reserved names, which no object may declare. They belong to Keyward or to the KMS.

use crate::api::mark;

/// Whether a tag key is reserved, so that no object may set or remove it. Marks belong to Keyward, and `aws:` belongs to the KMS.
#[must_use]
pub fn is_reserved_tag(key: &str) -> bool {
    key.starts_with(mark::RESERVED_PREFIX) || key.starts_with("aws:")
}

/// Whether an alias, written without `alias/`, is reserved, so that no object may set or remove it. Claims belong to Keyward, and `aws/`
/// belongs to the KMS.
#[must_use]
pub fn is_reserved_alias(alias: &str) -> bool {
    alias.starts_with("keyward/") || alias.starts_with("aws/")
}
