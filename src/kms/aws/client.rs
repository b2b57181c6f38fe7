//! Makes the clients: endpoints, credentials and time limits.
//!
//! Only the settings decide. A variable such as `AWS_ENDPOINT_URL`, or the Region of a profile, must never send a client elsewhere: keys
//! would look deleted there. The environment is read only for credentials, and only by [`AwsCredentials::DefaultChain`].

use std::sync::Arc;

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_credential_types::{
    Credentials,
    provider::{self, ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future},
};
use aws_sdk_kms::config::{SharedHttpClient, retry::RetryPartition};
use aws_smithy_http_client::{
    Builder, ConnectorBuilder,
    proxy::ProxyConfig,
    tls::{Provider, TlsContext, rustls_provider::CryptoMode},
};
use secrecy::{ExposeSecret, SecretString};

use super::{
    call::Caller,
    credentials::{self, SESSION, WebIdentity},
    endpoint::AwsEndpoints,
    operation::Operation,
    quota::Account,
    trust,
};
use crate::kms::waits;
use crate::{
    domain::failure::{Failure, FailureKind},
    kms::{Books, LeaderCheck, names::Names},
    metrics::Metrics,
};

/// How often a request is sent at most.
const ATTEMPTS: u32 = 3;

/// How to reach AWS KMS, and with which credentials.
#[derive(Clone, Debug)]
pub struct AwsSettings {
    /// The Region.
    pub region: String,
    /// The endpoints of KMS and STS.
    pub endpoints: AwsEndpoints,
    /// Authorities to trust in addition to those of the system, in PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// A role to assume for all calls.
    pub role_arn: Option<String>,
    /// The external id that the trust policy of the role requires.
    pub external_id: Option<String>,
    /// The credentials; with a role, those that assume it.
    pub credentials: AwsCredentials,
    /// How much of AWS's default request quotas to use, 1 to 10,000 percent.
    pub quota_share_percent: i32,
    /// The limiters of all clients.
    pub books: Books,
    /// Where calls are counted.
    pub metrics: Metrics,
    /// Checked right before each request that changes something.
    pub leader_check: LeaderCheck,
}

/// Where the credentials come from.
#[derive(Clone, Debug)]
pub enum AwsCredentials {
    /// The default chain of the SDK: environment, profile, web identity (IRSA), Pod Identity, instance.
    DefaultChain,
    /// An access key.
    Keys {
        /// Its id.
        access_key_id: String,
        /// Its secret.
        secret_access_key: SecretString,
        /// The token that comes with a temporary key.
        session_token: Option<SecretString>,
    },
}

/// One client for each service. Both share their connections.
#[derive(Clone, Debug)]
pub(super) struct Clients {
    pub(super) kms: aws_sdk_kms::Client,
    pub(super) sts: aws_sdk_sts::Client,
    pub(super) caller: Caller,
}

impl Clients {
    /// Makes the clients. Nothing is sent.
    pub(super) fn new(settings: AwsSettings) -> Result<Self, Failure> {
        Self::with(settings, Names::default())
    }

    /// The same, with names that are resolved so.
    pub(super) fn with(settings: AwsSettings, names: Names) -> Result<Self, Failure> {
        let AwsSettings {
            region,
            endpoints,
            ca_pem,
            role_arn,
            external_id,
            credentials,
            quota_share_percent,
            books,
            metrics,
            leader_check,
        } = settings;
        let share = u32::try_from(quota_share_percent).unwrap_or_default();
        let account = Arc::new(Account::new(books, &region, endpoints.kms.as_deref(), share));
        let caller = Caller { region: region.as_str().into(), account, metrics, leader_check };
        let refuse = |message| caller.refuse(Operation::GetCallerIdentity, "", FailureKind::Invalid, message);
        // The SDK has a retry budget for each partition. A failing provider must not use up the budget of another one.
        let partition = format!("{region} {endpoints}");
        let endpoints = endpoints.read(&region).map_err(refuse)?;
        let trusted = trust::store(ca_pem.as_deref()).map_err(refuse)?;
        let http = http_client(trusted.clone(), ProxyConfig::from_env(), Some(names));
        // For the addresses of the machine itself, which the chain of credentials asks.
        let direct = http_client(trusted, ProxyConfig::disabled(), None);
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.clone()))
            .http_client(http.clone())
            .timeout_config(timeouts())
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .build();
        let sts = |credentials: Option<SharedCredentialsProvider>| {
            let mut config = endpoints.sts(&config, &direct).to_builder();
            config.set_credentials_provider(credentials);
            let config =
                aws_sdk_sts::config::Builder::from(&config.build()).retry_partition(RetryPartition::new(format!("sts {partition}")));
            aws_sdk_sts::Client::from_conf(config.build())
        };
        let base = match credentials {
            AwsCredentials::Keys { access_key_id, secret_access_key, session_token } => SharedCredentialsProvider::new(Credentials::new(
                access_key_id,
                secret_access_key.expose_secret(),
                session_token.map(|token| token.expose_secret().to_owned()),
                None,
                "keyward",
            )),
            AwsCredentials::DefaultChain => {
                let web_identity = WebIdentity { sts: sts(None), caller: caller.clone() };
                credentials::chain(&region, &timeouts(), &http, &direct, web_identity)
            }
        };
        let credentials = match role_arn {
            Some(arn) => SharedCredentialsProvider::new(Role { sts: sts(Some(base)), caller: caller.clone(), arn, external_id }),
            None => base,
        };
        let kms = endpoints.kms(&config, &direct).to_builder().credentials_provider(credentials.clone()).build();
        let kms = aws_sdk_kms::config::Builder::from(&kms).retry_partition(RetryPartition::new(format!("kms {partition}")));
        Ok(Self { kms: aws_sdk_kms::Client::from_conf(kms.build()), sts: sts(Some(credentials)), caller })
    }
}

/// The HTTP client of the SDK, made once, so that connections and trusted certificates are shared. It follows no redirect.
fn http_client(trusted: TlsContext, proxy: ProxyConfig, names: Option<Names>) -> SharedHttpClient {
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = ConnectorBuilder::default().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).tls_context(trusted.clone());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(aws_sdk_kms::config::RuntimeComponents::sleep_impl));
        connector.set_proxy_config(Some(proxy.clone()));
        match &names {
            Some(names) => connector.build_with_resolver(names.clone()),
            None => connector.build(),
        }
    })
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(waits::CONNECT)
        .operation_attempt_timeout(waits::ATTEMPT)
        .operation_timeout(waits::CALL)
        .build()
}

/// Assumes a role. The SDK can do that too, but its calls would be neither counted nor classified.
#[derive(Debug)]
struct Role {
    sts: aws_sdk_sts::Client,
    caller: Caller,
    arn: String,
    external_id: Option<String>,
}

impl Role {
    async fn assume(&self) -> provider::Result {
        let request = self.sts.assume_role().role_arn(&self.arn).set_external_id(self.external_id.clone()).role_session_name(SESSION);
        let assumed = self.caller.call(Operation::AssumeRole, &self.arn, |call| call.sts(request.clone().customize()).send()).await;
        let assumed = assumed.map_err(CredentialsError::provider_error)?;
        let credentials = assumed.credentials.ok_or_else(|| self.unusable("it has no credentials"))?;
        let expires = credentials.expiration.try_into().map_err(|_| self.unusable("it has no expiration"))?;
        Ok(Credentials::new(
            credentials.access_key_id,
            credentials.secret_access_key,
            Some(credentials.session_token),
            Some(expires),
            "keyward-role",
        ))
    }

    fn unusable(&self, why: &str) -> CredentialsError {
        CredentialsError::provider_error(self.caller.unusable(Operation::AssumeRole, &self.arn, &why))
    }
}

impl ProvideCredentials for Role {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.assume())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let credentials = AwsCredentials::Keys {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
            secret_access_key: "hush".into(),
            session_token: Some("hush too".into()),
        };
        let settings = AwsSettings {
            region: "eu-west-1".into(),
            endpoints: AwsEndpoints::default(),
            ca_pem: None,
            role_arn: None,
            external_id: None,
            credentials,
            quota_share_percent: 100,
            books: Books::default(),
            metrics: Metrics::new(false),
            leader_check: LeaderCheck::when(|| true),
        };
        let shown = format!("{settings:?}");
        assert!(shown.contains("AKIAIOSFODNN7EXAMPLE") && !shown.contains("hush"), "{shown}");
    }

    /// KMS and STS are asked for by names, which have what address DNS says at that moment.
    #[tokio::test]
    async fn a_name_that_leads_to_the_machine_itself_is_not_called() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("https://kms.example.com:{}", listener.local_addr().unwrap().port());
        let settings = || AwsSettings {
            region: "eu-west-1".into(),
            endpoints: AwsEndpoints { kms: Some(url.clone()), sts: Some(url.clone()), ..AwsEndpoints::default() },
            ca_pem: None,
            role_arn: None,
            external_id: None,
            credentials: AwsCredentials::Keys {
                access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
                secret_access_key: "hush".into(),
                session_token: None,
            },
            quota_share_percent: 100,
            books: Books::default(),
            metrics: Metrics::new(false),
            leader_check: LeaderCheck::when(|| true),
        };
        // `0.0.0.0` is this machine as well, so a connection to it would be seen.
        for (address, called) in [("127.0.0.1", true), ("0.0.0.0", false), ("::ffff:0.0.0.0", false)] {
            let clients = Clients::with(settings(), Names::told(move || vec![address.parse().unwrap()])).unwrap();
            let describe = clients
                .caller
                .call(Operation::DescribeKey, "k", |call| call.kms(clients.kms.describe_key().key_id("k").customize()).send());
            // Nobody answers the greeting of TLS.
            let patience = if called { std::time::Duration::from_millis(300) } else { std::time::Duration::from_mins(1) };
            let failure = tokio::time::timeout(patience, describe).await;
            assert_eq!(std::iter::from_fn(|| listener.accept().ok()).count() > 0, called, "{address}");
            if !called {
                let failure = failure.unwrap().unwrap_err();
                assert!(failure.message.contains("kms.example.com has no address that a KMS can have"), "{failure}");
            }
        }
    }
}
