//! What AWS's client is made from.

use k8s_openapi::api::core::v1::Secret;
use secrecy::SecretString;

use super::means::{Means, hidden, named, needed, value};
use crate::{
    api::{KeyProviderSpec, key_provider::AwsProvider},
    domain::provider::Unusable,
    kms::aws::{AwsCredentials, AwsEndpoints, AwsSettings},
};

/// Settings from the spec and its secrets: that with the credentials, and that with the authority, if it has them.
pub(super) fn settings(
    means: &Means,
    name: &str,
    spec: &KeyProviderSpec,
    aws: &AwsProvider,
    secrets: &[Secret],
) -> Result<AwsSettings, Unusable> {
    // Named in full, so that a new field cannot go unused.
    let AwsProvider {
        region,
        account_id: _,
        role_arn,
        external_id,
        endpoint,
        sts_endpoint,
        fips,
        dual_stack,
        ca_secret_ref,
        credentials_secret_ref,
    } = aws;
    let credentials = match credentials_secret_ref.as_ref().map(|reference| named(secrets, reference)).transpose()? {
        None => AwsCredentials::DefaultChain,
        Some(secret) => AwsCredentials::Keys {
            access_key_id: needed(secret, "AWS_ACCESS_KEY_ID")?,
            secret_access_key: hidden(secret, "AWS_SECRET_ACCESS_KEY")?,
            session_token: value(secret, "AWS_SESSION_TOKEN")?.map(SecretString::from),
        },
    };
    let ca_pem = match ca_secret_ref {
        None => None,
        Some(reference) => Some(needed(named(secrets, reference)?, "ca.crt")?.into_bytes()),
    };
    Ok(AwsSettings {
        region: region.clone(),
        endpoints: AwsEndpoints { kms: endpoint.clone(), sts: sts_endpoint.clone(), fips: *fips, dual_stack: *dual_stack },
        ca_pem,
        role_arn: role_arn.clone(),
        external_id: external_id.clone(),
        credentials,
        quota_share_percent: spec.quota_share_percent,
        books: means.books.clone(),
        metrics: means.metrics.of_provider(name),
        leader_check: means.leader_check.clone(),
    })
}
