//! What the client of Huawei Cloud KMS is made from.

use k8s_openapi::api::core::v1::Secret;
use secrecy::SecretString;

use super::means::{Means, hidden, needed, secret, value};
use crate::{
    api::{
        KeyProviderSpec,
        key_provider::{HuaweiAuth, HuaweiProvider},
    },
    domain::provider::Unusable,
    kms::huawei::{HuaweiCredentials, HuaweiSettings},
};

/// Settings from the spec and the secret with the credentials.
pub(super) fn settings(
    means: &Means,
    name: &str,
    spec: &KeyProviderSpec,
    huawei: &HuaweiProvider,
    secrets: &[Secret],
) -> Result<HuaweiSettings, Unusable> {
    // Named in full, so that a new field cannot go unused.
    let HuaweiProvider { region, project_id, endpoint, iam_endpoint, auth, credentials_secret_ref: _ } = huawei;
    let secret = secret(secrets, 0)?;
    let credentials = match auth {
        HuaweiAuth::AccessKey => HuaweiCredentials::Keys {
            access_key: needed(secret, "accessKey")?,
            secret_key: hidden(secret, "secretKey")?,
            security_token: value(secret, "securityToken")?.map(SecretString::from),
        },
        HuaweiAuth::Password => {
            let user = needed(secret, "username")?;
            // The first user of an account bears its name.
            let domain = value(secret, "domain")?.unwrap_or_else(|| user.clone());
            HuaweiCredentials::Password { domain, user, password: hidden(secret, "password")? }
        }
    };
    Ok(HuaweiSettings {
        region: region.clone(),
        project_id: project_id.clone(),
        endpoint: endpoint.clone(),
        iam_endpoint: iam_endpoint.clone(),
        credentials,
        quota_share_percent: spec.quota_share_percent,
        books: means.books.clone(),
        metrics: means.metrics.of_provider(name),
        leader_check: means.leader_check.clone(),
    })
}
