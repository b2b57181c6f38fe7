//! The callers: access keys, the sessions of assumed roles, and the roles.
//!
//! There is no policy language. A caller may do everything in its own account and nothing in another, unless its credential
//! lists the actions that are allowed.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Access key of account 111122223333, from AWS's documentation.
pub const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
/// The secret of [`ACCESS_KEY`].
pub const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// The account of [`ACCESS_KEY`].
pub const ACCOUNT: &str = "111122223333";
/// Access key of account 444455556666, from AWS's documentation.
pub const SECOND_ACCESS_KEY: &str = "AKIAI44QH8DHBEXAMPLE";
/// The secret of [`SECOND_ACCESS_KEY`].
pub const SECOND_SECRET_KEY: &str = "je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY";
/// The account of [`SECOND_ACCESS_KEY`].
pub const SECOND_ACCOUNT: &str = "444455556666";

/// An access key that the double knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Credential {
    /// The access key id.
    pub access_key: String,
    /// The secret.
    pub secret_key: String,
    /// The required session token. Only temporary credentials have one.
    #[serde(default)]
    pub session_token: Option<String>,
    /// Twelve digits.
    pub account: String,
    /// ARN of the principal. By default `arn:aws:iam::ACCOUNT:user/keyward`, in the partition of the call.
    #[serde(default)]
    pub arn: Option<String>,
    /// When it expires, in real time.
    #[serde(default)]
    pub expires: Option<Timestamp>,
    /// The allowed actions, such as `kms:DescribeKey`. None means every action.
    #[serde(default)]
    pub allow: Option<Vec<String>>,
}

impl Credential {
    /// A permanent credential that may do everything in its account.
    #[must_use]
    pub fn new(access_key: &str, secret_key: &str, account: &str) -> Self {
        Self {
            access_key: access_key.to_owned(),
            secret_key: secret_key.to_owned(),
            session_token: None,
            account: account.to_owned(),
            arn: None,
            expires: None,
            allow: None,
        }
    }

    /// The principal of a call with it in a Region of this partition.
    pub(crate) fn principal(&self, partition: &str) -> String {
        self.arn.clone().unwrap_or_else(|| format!("arn:{partition}:iam::{}:user/keyward", self.account))
    }

    /// The id of the principal, as `GetCallerIdentity` returns it. For a role session it is `ROLE:SESSION`.
    pub(crate) fn user_id(&self) -> String {
        match self.arn.as_deref().unwrap_or_default().split_once(":assumed-role/").and_then(|(_, rest)| rest.split_once('/')) {
            Some((_, session)) => format!("AROA0000000000EXAMPLE:{session}"),
            None => "AIDA0000000000EXAMPLE".to_owned(),
        }
    }

    /// Whether `action` is allowed.
    pub(crate) fn may(&self, action: &str) -> bool {
        self.allow.as_ref().is_none_or(|allowed| allowed.iter().any(|allowed| allowed == action))
    }
}

/// A role that callers of any account can assume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Role {
    /// `arn:aws:iam::ACCOUNT:role/NAME`, or of another partition.
    pub arn: String,
    /// The external id that its trust policy requires.
    #[serde(default)]
    pub external_id: Option<String>,
    /// The actions that its sessions may call. None means every action.
    #[serde(default)]
    pub allow: Option<Vec<String>>,
}

impl Role {
    /// A role that requires no external id.
    #[must_use]
    pub fn new(arn: &str) -> Self {
        Self { arn: arn.to_owned(), external_id: None, allow: None }
    }

    /// Requires this external id.
    #[must_use]
    pub fn with_external_id(mut self, external_id: &str) -> Self {
        self.external_id = Some(external_id.to_owned());
        self
    }
}

/// A token of a cluster's issuer for a `ServiceAccount` (IRSA).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebIdentity {
    /// The token, as it is in the file.
    pub token: String,
    /// The role that trusts it.
    pub role: String,
    /// The subject, such as `system:serviceaccount:keyward-system:keyward`.
    pub subject: String,
    /// When it expires, in real time.
    pub expires: Option<Timestamp>,
}

/// The known credentials and roles.
#[derive(Debug, Default)]
pub(crate) struct Identities {
    tokens: HashMap<String, WebIdentity>,
    credentials: HashMap<String, Credential>,
    roles: HashMap<String, Role>,
    /// The secret keys and the tokens of all sessions that were ever issued.
    pub(crate) issued: Vec<String>,
}

impl Identities {
    /// A session of a role.
    pub(crate) fn issue(&mut self, credential: Credential) {
        self.issued.push(credential.secret_key.clone());
        self.issued.extend(credential.session_token.clone());
        self.put_credential(credential);
    }

    pub(crate) fn put_credential(&mut self, credential: Credential) {
        self.credentials.insert(credential.access_key.clone(), credential);
    }

    pub(crate) fn remove_credential(&mut self, access_key: &str) -> bool {
        self.credentials.remove(access_key).is_some()
    }

    pub(crate) fn put_role(&mut self, role: Role) {
        self.roles.insert(role.arn.clone(), role);
    }

    pub(crate) fn credential(&self, access_key: &str) -> Option<&Credential> {
        self.credentials.get(access_key)
    }

    pub(crate) fn put_web_identity(&mut self, identity: WebIdentity) {
        self.tokens.insert(identity.token.clone(), identity);
    }

    pub(crate) fn web_identity(&self, token: &str) -> Option<&WebIdentity> {
        self.tokens.get(token)
    }

    pub(crate) fn role(&self, arn: &str) -> Option<&Role> {
        self.roles.get(arn)
    }
}
