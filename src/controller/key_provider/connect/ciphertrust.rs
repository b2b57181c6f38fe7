//! What the client of a `CipherTrust` Manager is made from.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;

use super::means::{Means, hidden, needed, secret};
use crate::{
    api::{KeyProviderSpec, key_provider::CipherTrustProvider},
    domain::provider::Unusable,
    kms::ciphertrust::CipherTrustSettings,
};

/// Settings from the spec and its secrets: that with the credentials, and that with the authority, if it has one.
pub(super) fn settings(
    means: &Means,
    name: &str,
    spec: &KeyProviderSpec,
    cipher_trust: &CipherTrustProvider,
    secrets: &[Secret],
) -> Result<CipherTrustSettings, Unusable> {
    // Named in full, so that a new field cannot go unused.
    let CipherTrustProvider { url, kms, region, domain, auth_domain, ca_secret_ref, credentials_secret_ref: _, max_staleness_seconds } =
        cipher_trust;
    let credentials = secret(secrets, 0)?;
    let ca_pem = match ca_secret_ref {
        None => None,
        Some(_) => Some(needed(secret(secrets, 1)?, "ca.crt")?.into_bytes()),
    };
    Ok(CipherTrustSettings {
        url: url.clone(),
        kms: kms.clone(),
        region: region.clone(),
        domain: domain.clone(),
        auth_domain: auth_domain.clone(),
        ca_pem,
        username: needed(credentials, "username")?,
        password: hidden(credentials, "password")?,
        max_staleness: Duration::from_secs(u64::try_from(*max_staleness_seconds).unwrap_or_default()),
        quota_share_percent: spec.quota_share_percent,
        books: means.books.clone(),
        metrics: means.metrics.of_provider(name),
        leader_check: means.leader_check.clone(),
    })
}
