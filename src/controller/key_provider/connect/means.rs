//! What every client is made with, and how the values of its secrets are read.

use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use secrecy::SecretString;

use crate::{
    api::{Reason, key_provider::SecretRef},
    controller::Context,
    domain::provider::{Unusable, lacks},
    kms::{Books, LeaderCheck},
    metrics::Metrics,
};

/// What a client is made with beside the provider and its secrets.
pub(super) struct Means {
    /// The API server, for the secrets.
    pub(super) client: Client,
    /// The operator's own namespace, where they are.
    pub(super) namespace: String,
    pub(super) books: Books,
    pub(super) metrics: Metrics,
    /// Asked right before each request that changes a key.
    pub(super) leader_check: LeaderCheck,
}

impl Means {
    pub(super) fn of(context: &Context) -> Self {
        let held = context.held.clone();
        Self {
            client: context.client.clone(),
            namespace: context.settings.namespace.clone(),
            books: context.books.clone(),
            metrics: context.metrics.clone(),
            leader_check: LeaderCheck::when(move || held.is_held()),
        }
    }
}

/// A value that has to be there.
pub(super) fn needed(secret: &Secret, key: &str) -> Result<String, Unusable> {
    value(secret, key)?.ok_or_else(|| lacks(secret.metadata.name.as_deref().unwrap_or_default(), key))
}

/// A value that has to be there and is not shown.
pub(super) fn hidden(secret: &Secret, key: &str) -> Result<SecretString, Unusable> {
    needed(secret, key).map(SecretString::from)
}

/// The secret at that index among those of the provider, which has been read.
pub(super) fn secret(secrets: &[Secret], at: usize) -> Result<&Secret, Unusable> {
    secrets
        .get(at)
        .ok_or_else(|| Unusable::by_a_person(Reason::CredentialsInvalid, "spec names no secret with credentials; set credentialsSecretRef"))
}

/// The secret of that name among those of the provider, which has been read.
pub(super) fn named<'a>(secrets: &'a [Secret], reference: &SecretRef) -> Result<&'a Secret, Unusable> {
    let found = secrets.iter().find(|secret| secret.metadata.name.as_ref() == Some(&reference.name));
    found.ok_or_else(|| {
        Unusable::by_a_person(Reason::CredentialsInvalid, format!("secret {} was not read; it is tried again", reference.name))
    })
}

/// A value of a secret, without the line end that `--from-file` leaves.
pub(super) fn value(secret: &Secret, key: &str) -> Result<Option<String>, Unusable> {
    let Some(bytes) = secret.data.as_ref().and_then(|data| data.get(key)) else {
        return Ok(None);
    };
    let name = secret.metadata.name.as_deref().unwrap_or_default();
    let text = std::str::from_utf8(&bytes.0)
        .map_err(|_| Unusable::by_a_person(Reason::CredentialsInvalid, format!("key {key} of secret {name} is not text")))?;
    Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
}
