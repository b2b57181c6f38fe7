//! The users, and the names that a double starts with.

use serde::{Deserialize, Serialize};

/// A user of the root domain that sees the kms of account 111122223333.
pub const CIPHERTRUST_USER: &str = "keyward";
/// The password of [`CIPHERTRUST_USER`].
pub const CIPHERTRUST_PASSWORD: &str = "Example-Pass-1";
/// The kms object of account 111122223333. The root domain and [`CIPHERTRUST_DOMAIN`] each have one with this name.
pub const CIPHERTRUST_KMS: &str = "aws-main";
/// A child domain. It has its own kms objects and rows, but the AWS accounts are those of the root domain.
pub const CIPHERTRUST_DOMAIN: &str = "tenant";
/// A user of the root domain that sees the kms of account 444455556666.
pub const CIPHERTRUST_SECOND_USER: &str = "keyward-second";
/// The password of [`CIPHERTRUST_SECOND_USER`].
pub const CIPHERTRUST_SECOND_PASSWORD: &str = "Example-Pass-2";
/// The kms object of account 444455556666, in the same domains as [`CIPHERTRUST_KMS`].
pub const CIPHERTRUST_SECOND_KMS: &str = "aws-second";

/// A known user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CiphertrustUser {
    /// The name to log in with.
    pub username: String,
    /// The password.
    pub password: String,
    /// The AWS account whose kms objects and keys the user may see. This replaces the access lists of CCKM here.
    pub account: String,
    /// The name of the user's domain. None means the root domain, whose users can log in to every domain.
    #[serde(default)]
    pub domain: Option<String>,
    /// The allowed operations, by their names in the ledger. None means every operation. Others get 403.
    #[serde(default)]
    pub allow: Option<Vec<String>>,
}

impl CiphertrustUser {
    /// A user of the root domain that may do everything in one account.
    #[must_use]
    pub fn new(username: &str, password: &str, account: &str) -> Self {
        Self { username: username.to_owned(), password: password.to_owned(), account: account.to_owned(), domain: None, allow: None }
    }

    /// Whether the operation is allowed.
    pub(crate) fn may(&self, operation: &str) -> bool {
        self.allow.as_ref().is_none_or(|allowed| allowed.iter().any(|allowed| allowed == operation))
    }
}
