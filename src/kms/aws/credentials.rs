//! Where the default chain looks for credentials: the environment, a profile, a web identity (IRSA), Pod Identity, the instance.
//!
//! It is the chain of the SDK, in the SDK's order, with two differences: a web identity is exchanged at the provider's STS endpoint, not at
//! that of the environment; and requests to the machine itself never go through a proxy.

use aws_config::{
    Region, ecs::EcsCredentialsProvider, environment::EnvironmentVariableCredentialsProvider, imds::credentials::ImdsCredentialsProvider,
    meta::credentials::CredentialsProviderChain, profile::ProfileFileCredentialsProvider, provider_config::ProviderConfig,
    timeout::TimeoutConfig,
};
use aws_credential_types::{
    Credentials,
    provider::{self, ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future},
};
use aws_sdk_kms::config::SharedHttpClient;

use super::{call::Caller, operation::Operation};
use crate::domain::failure::FailureKind;

/// The session name of an assumed role, as `CloudTrail` shows it. It is always the same, so the principal is always the same.
pub(super) const SESSION: &str = "keyward";
/// The variables of IRSA, which the webhook of EKS sets in a pod.
const TOKEN_FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
const ROLE: &str = "AWS_ROLE_ARN";
const SESSION_NAME: &str = "AWS_ROLE_SESSION_NAME";

/// The chain. `direct` is a client without a proxy, for the addresses of the machine itself.
pub(super) fn chain(
    region: &str,
    timeouts: &TimeoutConfig,
    http: &SharedHttpClient,
    direct: &SharedHttpClient,
    web_identity: WebIdentity,
) -> SharedCredentialsProvider {
    let config = |http: &SharedHttpClient| {
        ProviderConfig::without_region()
            .with_region(Some(Region::new(region.to_owned())))
            .with_http_client(http.clone())
            .with_timeout_config(timeouts.clone())
    };
    let chain = CredentialsProviderChain::first_try("Environment", EnvironmentVariableCredentialsProvider::new())
        .or_else("Profile", ProfileFileCredentialsProvider::builder().configure(&config(http)).build())
        .or_else("WebIdentityToken", web_identity)
        .or_else("EcsContainer", EcsCredentialsProvider::builder().configure(&config(direct)).build())
        .or_else("Ec2InstanceMetadata", ImdsCredentialsProvider::builder().configure(&config(direct)).build());
    SharedCredentialsProvider::new(chain)
}

/// Exchanges the token of a `ServiceAccount` for a session of a role. The token is read again each time, because the kubelet renews it.
#[derive(Debug)]
pub(super) struct WebIdentity {
    /// A client of STS that signs no requests.
    pub(super) sts: aws_sdk_sts::Client,
    pub(super) caller: Caller,
}

impl WebIdentity {
    async fn assume(&self) -> provider::Result {
        let (Some(file), Some(role)) = (variable(TOKEN_FILE), variable(ROLE)) else {
            return Err(CredentialsError::not_loaded("the environment has no web identity"));
        };
        let refuse = |message: String| {
            CredentialsError::provider_error(self.caller.refuse(Operation::GetCallerIdentity, "", FailureKind::Credentials, message))
        };
        let token = tokio::fs::read_to_string(&file).await.map_err(|error| {
            refuse(format!(
                "{TOKEN_FILE} names {file}, which cannot be read ({error}); check the annotation of the service account and that the pod was made after it"
            ))
        })?;
        let session = variable(SESSION_NAME).unwrap_or_else(|| SESSION.to_owned());
        let request = self.sts.assume_role_with_web_identity().role_arn(&role).role_session_name(session).web_identity_token(token.trim());
        let assumed = request.send().await.map_err(CredentialsError::provider_error)?;
        let given = assumed.credentials.ok_or_else(|| refuse("AWS answers AssumeRoleWithWebIdentity without credentials".to_owned()))?;
        let expires = given
            .expiration
            .try_into()
            .map_err(|_| refuse("AWS answers AssumeRoleWithWebIdentity with an expiration that is no time".to_owned()))?;
        Ok(Credentials::new(given.access_key_id, given.secret_access_key, Some(given.session_token), Some(expires), "keyward-web-identity"))
    }
}

impl ProvideCredentials for WebIdentity {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.assume())
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
