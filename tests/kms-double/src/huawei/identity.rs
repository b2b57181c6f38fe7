//! The callers: projects, permanent and temporary access keys, IAM users, and the issued tokens.
//!
//! As for AWS there is no policy language. A caller may do everything in its own project and nothing in another, unless it has a list of
//! allowed operations.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Region of the projects that are known from the start.
pub const HUAWEI_REGION: &str = "eu-west-101";
/// Access key for [`HUAWEI_PROJECT`].
pub const HUAWEI_ACCESS_KEY: &str = "HUAWEIACCESSEXAMPLE1";
/// The secret of [`HUAWEI_ACCESS_KEY`].
pub const HUAWEI_SECRET_KEY: &str = "HuaweiSecretKeyExample000000000000000001";
/// Project of [`HUAWEI_DOMAIN`] in [`HUAWEI_REGION`].
pub const HUAWEI_PROJECT: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f9";
/// The account's id.
pub const HUAWEI_DOMAIN: &str = "d0a1b2c3d4e5f60718293a4b5c6d7e8f";
/// The account's name.
pub const HUAWEI_DOMAIN_NAME: &str = "keyward-example";
/// IAM user of the account.
pub const HUAWEI_USER: &str = "keyward";
/// The password of [`HUAWEI_USER`].
pub const HUAWEI_PASSWORD: &str = "Example-Passw0rd";
/// Access key for [`HUAWEI_SECOND_PROJECT`].
pub const HUAWEI_SECOND_ACCESS_KEY: &str = "HUAWEIACCESSEXAMPLE2";
/// The secret of [`HUAWEI_SECOND_ACCESS_KEY`].
pub const HUAWEI_SECOND_SECRET_KEY: &str = "HuaweiSecretKeyExample000000000000000002";
/// Project of another account, in [`HUAWEI_REGION`] as well.
pub const HUAWEI_SECOND_PROJECT: &str = "f9e8d7c6b5a4938271605f4e3d2c1b0a";
/// That account's id.
pub const HUAWEI_SECOND_DOMAIN: &str = "d9e8d7c6b5a4938271605f4e3d2c1b0a";
/// That account's name.
pub const HUAWEI_SECOND_DOMAIN_NAME: &str = "keyward-example-2";

/// The lifetime of a token on the double's clock.
const TOKEN_LIFE: SignedDuration = SignedDuration::from_hours(24);

/// A project: an account's part of one Region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HuaweiProject {
    /// 32 hex digits.
    pub id: String,
    /// The Region, which is the project's name too.
    pub region: String,
    /// Id of the account.
    pub domain: String,
    /// Name of the account.
    pub domain_name: String,
}

impl HuaweiProject {
    /// A project of [`HUAWEI_DOMAIN`].
    #[must_use]
    pub fn new(id: &str, region: &str) -> Self {
        let (domain, domain_name) = (HUAWEI_DOMAIN.to_owned(), HUAWEI_DOMAIN_NAME.to_owned());
        Self { id: id.to_owned(), region: region.to_owned(), domain, domain_name }
    }
}

/// An access key that the double knows, permanent or temporary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HuaweiCredential {
    /// The AK.
    pub access_key: String,
    /// The SK.
    pub secret_key: String,
    /// The required value of `X-Security-Token`. Only temporary credentials have one.
    #[serde(default)]
    pub security_token: Option<String>,
    /// Id of the one project for which it is valid.
    pub project: String,
    /// When it expires, in real time.
    #[serde(default)]
    pub expires: Option<Timestamp>,
    /// The allowed operations, such as `describe-key`. None means every operation.
    #[serde(default)]
    pub allow: Option<Vec<String>>,
}

impl HuaweiCredential {
    /// A permanent credential that may do everything in its project.
    #[must_use]
    pub fn new(access_key: &str, secret_key: &str, project: &str) -> Self {
        let (access_key, secret_key, project) = (access_key.to_owned(), secret_key.to_owned(), project.to_owned());
        Self { access_key, secret_key, security_token: None, project, expires: None, allow: None }
    }
}

/// An IAM user, who can get tokens for the projects of the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HuaweiUser {
    /// Name of the account.
    pub domain_name: String,
    /// The user's name.
    pub name: String,
    /// The password.
    pub password: String,
    /// The allowed operations, such as `describe-key`. None means every operation.
    #[serde(default)]
    pub allow: Option<Vec<String>>,
}

impl HuaweiUser {
    /// A user who may do everything in the account's projects.
    #[must_use]
    pub fn new(domain_name: &str, name: &str, password: &str) -> Self {
        Self { domain_name: domain_name.to_owned(), name: name.to_owned(), password: password.to_owned(), allow: None }
    }
}

/// The identities of Huawei Cloud. By default two accounts with a project and an access key each, and a user of the first account.
#[derive(Clone, Debug)]
pub struct HuaweiIdentities {
    /// The projects.
    pub projects: Vec<HuaweiProject>,
    /// The access keys.
    pub credentials: Vec<HuaweiCredential>,
    /// The IAM users.
    pub users: Vec<HuaweiUser>,
}

impl Default for HuaweiIdentities {
    fn default() -> Self {
        let (domain, domain_name) = (HUAWEI_SECOND_DOMAIN.to_owned(), HUAWEI_SECOND_DOMAIN_NAME.to_owned());
        Self {
            projects: vec![
                HuaweiProject::new(HUAWEI_PROJECT, HUAWEI_REGION),
                HuaweiProject { domain, domain_name, ..HuaweiProject::new(HUAWEI_SECOND_PROJECT, HUAWEI_REGION) },
            ],
            credentials: vec![
                HuaweiCredential::new(HUAWEI_ACCESS_KEY, HUAWEI_SECRET_KEY, HUAWEI_PROJECT),
                HuaweiCredential::new(HUAWEI_SECOND_ACCESS_KEY, HUAWEI_SECOND_SECRET_KEY, HUAWEI_SECOND_PROJECT),
            ],
            users: vec![HuaweiUser::new(HUAWEI_DOMAIN_NAME, HUAWEI_USER, HUAWEI_PASSWORD)],
        }
    }
}

/// A token that was issued.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) domain_name: String,
    pub(crate) user: String,
    /// Id of its project.
    pub(crate) project: String,
    /// The expiry time, on the double's clock.
    pub(crate) issued: Timestamp,
    pub(crate) expires: Timestamp,
}

/// The known identities and the issued tokens.
#[derive(Debug)]
pub(crate) struct Known {
    identities: HuaweiIdentities,
    tokens: HashMap<String, Token>,
    /// Every token that was ever issued.
    pub(crate) issued: Vec<String>,
}

impl Known {
    pub(crate) fn new(identities: HuaweiIdentities) -> Self {
        Self { identities, tokens: HashMap::new(), issued: Vec::new() }
    }

    pub(crate) fn put_project(&mut self, project: HuaweiProject) {
        self.identities.projects.retain(|known| known.id != project.id);
        self.identities.projects.push(project);
    }

    pub(crate) fn put_credential(&mut self, credential: HuaweiCredential) {
        self.remove_credential(&credential.access_key);
        self.identities.credentials.push(credential);
    }

    pub(crate) fn remove_credential(&mut self, access_key: &str) -> bool {
        let before = self.identities.credentials.len();
        self.identities.credentials.retain(|known| known.access_key != access_key);
        self.identities.credentials.len() < before
    }

    /// New passwords or rights of a user end the user's tokens.
    pub(crate) fn put_user(&mut self, user: HuaweiUser) {
        self.tokens.retain(|_, token| token.domain_name != user.domain_name || token.user != user.name);
        self.identities.users.retain(|known| known.domain_name != user.domain_name || known.name != user.name);
        self.identities.users.push(user);
    }

    pub(crate) fn projects(&self) -> &[HuaweiProject] {
        &self.identities.projects
    }

    pub(crate) fn project(&self, id: &str) -> Option<&HuaweiProject> {
        self.identities.projects.iter().find(|project| project.id == id)
    }

    pub(crate) fn credential(&self, access_key: &str) -> Option<&HuaweiCredential> {
        self.identities.credentials.iter().find(|credential| credential.access_key == access_key)
    }

    pub(crate) fn user(&self, domain_name: &str, name: &str) -> Option<&HuaweiUser> {
        self.identities.users.iter().find(|user| user.domain_name == domain_name && user.name == name)
    }

    pub(crate) fn token(&self, text: &str) -> Option<&Token> {
        self.tokens.get(text)
    }

    /// Issues a token. Real tokens are long too, and a client must not cut them.
    pub(crate) fn issue(&mut self, user: &HuaweiUser, project: &str, now: Timestamp) -> (String, Token) {
        let text: String = (0..60).map(|_| uuid::Uuid::new_v4().simple().to_string()).collect();
        let text = format!("MII{text}");
        let token = Token {
            domain_name: user.domain_name.clone(),
            user: user.name.clone(),
            project: project.to_owned(),
            issued: now,
            expires: now.checked_add(TOKEN_LIFE).unwrap_or(Timestamp::MAX),
        };
        self.tokens.insert(text.clone(), token.clone());
        self.issued.push(text.clone());
        (text, token)
    }
}
