//! Makes the adapter: endpoints, credentials and quotas. Only the settings decide; the environment can only name a proxy.

use std::{fmt, sync::Arc};

use secrecy::SecretString;

use super::{
    HuaweiKms,
    dialect::{Huawei, Signer},
    login::{Iam, PasswordLogin},
    operation::Operation,
    quota,
};
use crate::{
    domain::failure::{Failure, FailureKind, Outcome},
    kms::{
        Books, LeaderCheck,
        endpoint::Endpoint,
        names::Names,
        rest::{Authorities, Caller, Session, client},
    },
    metrics::Metrics,
};

/// How to reach Huawei's KMS, and with which credentials.
#[derive(Clone, Debug)]
pub struct HuaweiSettings {
    /// The Region.
    pub region: String,
    /// The project that has the keys. A project is in one Region.
    pub project_id: String,
    /// Another endpoint of the KMS; `None`: that of the Region.
    pub endpoint: Option<String>,
    /// Another endpoint of IAM, which gives tokens; `None`: that of the Region.
    pub iam_endpoint: Option<String>,
    /// The credentials.
    pub credentials: HuaweiCredentials,
    /// How much of Huawei's default request quotas to use, 1 to 10,000 percent.
    pub quota_share_percent: i32,
    /// The limiters of all clients.
    pub books: Books,
    /// Where calls are counted.
    pub metrics: Metrics,
    /// Checked right before each request that changes something.
    pub leader_check: LeaderCheck,
}

/// The credentials for the KMS.
#[derive(Clone, Debug)]
pub enum HuaweiCredentials {
    /// An access key, with which each request is signed.
    Keys {
        /// Its id.
        access_key: String,
        /// Its secret.
        secret_key: SecretString,
        /// The token that comes with a temporary key.
        security_token: Option<SecretString>,
    },
    /// A user of IAM, who logs in with a password.
    Password {
        /// The name of the user's account.
        domain: String,
        /// The user's name.
        user: String,
        /// The user's password.
        password: SecretString,
    },
}

impl HuaweiCredentials {
    /// The principal, for people.
    pub(super) fn principal(&self) -> String {
        match self {
            Self::Keys { access_key, .. } => format!("access key {access_key}"),
            Self::Password { user, .. } => format!("user {user}"),
        }
    }
}

impl HuaweiKms {
    /// Makes the client; nothing is sent yet.
    pub fn new(settings: HuaweiSettings) -> Result<Self, Failure> {
        let HuaweiSettings { region, project_id, endpoint, iam_endpoint, credentials, quota_share_percent, books, metrics, leader_check } =
            settings;
        let word = |name: &str, text: &str| {
            let fits = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
            if fits { Ok(()) } else { Err(invalid(format!("the {name} {text:?} is not one of Huawei; correct it"))) }
        };
        word("region", &region)?;
        word("project id", &project_id)?;
        let endpoint_of = |service: &str, field: &str, given: Option<String>| {
            let text = given.unwrap_or_else(|| default_endpoint(service, &region));
            Endpoint::read(&text).map_err(|why| invalid(format!("spec.huawei.{field} {why}")))
        };
        let http = |endpoint: &Endpoint| {
            client(endpoint, &Authorities::System, Names::default())
                .map_err(|why| invalid(format!("the certificates of this machine: {why}")))
        };
        let principal = credentials.principal();
        let (kms, iam) = (endpoint_of("kms", "endpoint", endpoint)?, endpoint_of("iam", "iamEndpoint", iam_endpoint)?);
        let base = kms.url().clone();
        let share = u32::try_from(quota_share_percent).unwrap_or_default();
        let quotas = Arc::new(quota::quotas(share, &books, &format!("Huawei {base} {project_id}")));
        let signer = match credentials {
            HuaweiCredentials::Keys { access_key, secret_key, security_token } => Signer::Keys { access_key, secret_key, security_token },
            HuaweiCredentials::Password { domain, user, password } => {
                let dialect = Iam { base: iam.url().clone(), user, domain, password, project: project_id.clone() };
                let caller = Caller {
                    dialect,
                    http: http(&iam)?,
                    quotas: Arc::clone(&quotas),
                    metrics: metrics.clone(),
                    leader_check: leader_check.clone(),
                };
                Signer::Tokens(Box::new(Session::new(PasswordLogin(caller))))
            }
        };
        let dialect = Huawei { base, project: project_id, signer };
        Ok(Self { caller: Box::new(Caller { dialect, http: http(&kms)?, quotas, metrics, leader_check }), region, principal })
    }
}

/// The endpoint of a service in a Region. Europe has a domain of its own ("Regions and Endpoints").
fn default_endpoint(service: &str, region: &str) -> String {
    let top = if region == "eu-west-101" { "eu" } else { "com" };
    format!("https://{service}.{region}.myhuaweicloud.{top}")
}

fn invalid(message: impl fmt::Display) -> Failure {
    Failure {
        kind: FailureKind::Invalid,
        operation: Operation::UserQuotas.as_str(),
        message: message.to_string(),
        outcome: Outcome::Refused,
        source: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(credentials: HuaweiCredentials) -> HuaweiSettings {
        let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
        HuaweiSettings {
            region: "cn-north-4".into(),
            project_id: "0123456789abcdef0123456789abcdef".into(),
            endpoint: None,
            iam_endpoint: None,
            credentials,
            quota_share_percent: 100,
            books: Books::default(),
            metrics: Metrics::new(false),
            leader_check: LeaderCheck::when(|| true),
        }
    }

    fn password() -> HuaweiCredentials {
        HuaweiCredentials::Password { domain: "acme".into(), user: "keyward".into(), password: "hush".into() }
    }

    fn keys() -> HuaweiCredentials {
        HuaweiCredentials::Keys { access_key: "AKEXAMPLE".into(), secret_key: "hush".into(), security_token: Some("hush too".into()) }
    }

    #[tokio::test]
    async fn secrets_are_not_shown() {
        for (credentials, who) in [(keys(), "access key AKEXAMPLE"), (password(), "user keyward")] {
            let settings = settings(credentials);
            let shown = format!("{settings:?} {:?}", HuaweiKms::new(settings.clone()).unwrap());
            assert!(!shown.contains("hush"), "{shown}");
            assert_eq!(settings.credentials.principal(), who);
        }
    }

    #[test]
    fn every_region_has_its_endpoints() {
        assert_eq!(default_endpoint("kms", "cn-north-4"), "https://kms.cn-north-4.myhuaweicloud.com");
        assert_eq!(default_endpoint("iam", "eu-west-101"), "https://iam.eu-west-101.myhuaweicloud.eu");
    }

    #[tokio::test]
    async fn settings_that_lead_nowhere_are_refused() {
        let cases: [fn(&mut HuaweiSettings); 5] = [
            |settings| settings.endpoint = Some("kms.example.com".into()),
            |settings| settings.iam_endpoint = Some("ftp://iam.example.com".into()),
            |settings| settings.region = "cn north".into(),
            |settings| settings.project_id = String::new(),
            |settings| settings.project_id = "../iam".into(),
        ];
        for change in cases {
            let mut settings = settings(password());
            change(&mut settings);
            let failure = HuaweiKms::new(settings).unwrap_err();
            assert_eq!((failure.kind, failure.outcome), (FailureKind::Invalid, Outcome::Refused), "{failure}");
        }
    }
}
