//! What AWS's client is made from.

use k8s_openapi::api::core::v1::Secret;
use secrecy::SecretString;

use super::{Unusable, hidden, may_change, needed, value};
use crate::{
    api::{KeyProviderSpec, key_provider::AwsProvider},
    controller::Context,
    kms::aws::{AwsCredentials, AwsSettings},
};

/// Settings from the spec and the secret with the credentials, if there is one.
pub(super) fn settings(
    context: &Context,
    spec: &KeyProviderSpec,
    aws: &AwsProvider,
    secret: Option<&Secret>,
) -> Result<AwsSettings, Unusable> {
    let credentials = match secret {
        None => AwsCredentials::DefaultChain,
        Some(secret) => AwsCredentials::Keys {
            access_key_id: needed(secret, "AWS_ACCESS_KEY_ID")?,
            secret_access_key: hidden(secret, "AWS_SECRET_ACCESS_KEY")?,
            session_token: value(secret, "AWS_SESSION_TOKEN")?.map(SecretString::from),
        },
    };
    // Named in full, so that a new field cannot go unused.
    let AwsProvider { region, account_id: _, role_arn, external_id, endpoint, credentials_secret_ref: _ } = aws;
    Ok(AwsSettings {
        region: region.clone(),
        endpoint: endpoint.clone(),
        role_arn: role_arn.clone(),
        external_id: external_id.clone(),
        credentials,
        quota_share_percent: spec.quota_share_percent,
        metrics: context.metrics.clone(),
        may_change: may_change(context),
    })
}
