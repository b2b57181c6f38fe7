//! Makes a client from a provider's spec and its secret, and finds out whose credentials it has.

mod aws;
mod ciphertrust;
mod huawei;
mod means;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};

use self::means::Means;
use super::{
    breaker::Breaker,
    clients::{Connected, MadeFor},
};
use crate::{
    api::{KeyProvider, KeyProviderSpec, Reason, key_provider::ProviderType},
    controller::{Context, crowd::Crowd},
    domain::provider::{Unusable, no_secret, right_account, unread_secret},
    kms::{AnyKms, Books, Identity, Kms, LeaderCheck, aws::AwsKms, ciphertrust::CipherTrustKms, huawei::HuaweiKms},
    metrics::Metrics,
};

/// The names of a provider's secrets: that with its credentials, then others.
pub(super) fn secrets_of(spec: &KeyProviderSpec) -> Vec<&str> {
    let references = match spec.type_ {
        ProviderType::Aws => spec.aws.as_ref().map(|aws| vec![aws.credentials_secret_ref.as_ref(), aws.ca_secret_ref.as_ref()]),
        ProviderType::CipherTrust => spec
            .cipher_trust
            .as_ref()
            .map(|cipher_trust| vec![Some(&cipher_trust.credentials_secret_ref), cipher_trust.ca_secret_ref.as_ref()]),
        ProviderType::Huawei => spec.huawei.as_ref().map(|huawei| vec![Some(&huawei.credentials_secret_ref)]),
    };
    references.into_iter().flatten().flatten().map(|reference| reference.name.as_str()).collect()
}

/// Makes a client for the provider, or takes the one there is if nothing changed, and asks whose credentials it has.
pub(super) async fn connect(context: &Context, name: &str, provider: &KeyProvider) -> Result<Connected, Unusable> {
    let means = Means::of(context);
    let secrets = read_all(&means, &provider.spec).await?;
    let made_for = MadeFor {
        uid: provider.metadata.uid.clone().unwrap_or_default(),
        generation: provider.metadata.generation.unwrap_or_default(),
        secrets: versions(&secrets),
    };
    let (kms, identity) = open(&means, name, provider, &secrets).await?;
    tracing::info!(provider = name, account = identity.account, region = identity.region, "the provider's credentials were accepted");
    let crowd = Crowd::new(context.settings.concurrency.into());
    Ok(Connected { made_for, kms, identity, breaker: Breaker::default(), crowd })
}

/// A client that refuses every request that changes something.
#[derive(Debug)]
pub struct ReadOnly {
    /// The client.
    pub kms: AnyKms,
    /// The identity of its credentials.
    pub identity: Identity,
}

/// Makes a client of the provider for a process that only reads. `namespace` has the provider's secrets.
pub async fn read_only(client: &Client, namespace: &str, name: &str, provider: &KeyProvider) -> Result<ReadOnly, Unusable> {
    let means = Means {
        client: client.clone(),
        namespace: namespace.to_owned(),
        books: Books::default(),
        metrics: Metrics::new(false),
        leader_check: LeaderCheck::when(|| false),
    };
    let secrets = read_all(&means, &provider.spec).await?;
    let (kms, identity) = open(&means, name, provider, &secrets).await?;
    Ok(ReadOnly { kms, identity })
}

/// Makes a client from a provider and its secrets, and asks whose credentials it has.
async fn open(means: &Means, name: &str, provider: &KeyProvider, secrets: &[Secret]) -> Result<(AnyKms, Identity), Unusable> {
    let spec = &provider.spec;
    let missing = |field: &str| Unusable::by_a_person(Reason::InvalidSpec, format!("spec.{field} is missing; set it"));
    let kms = match spec.type_ {
        ProviderType::Aws => {
            let aws = spec.aws.as_ref().ok_or_else(|| missing("aws"))?;
            AnyKms::Aws(AwsKms::new(aws::settings(means, name, spec, aws, secrets)?)?)
        }
        ProviderType::CipherTrust => {
            let cipher_trust = spec.cipher_trust.as_ref().ok_or_else(|| missing("cipherTrust"))?;
            AnyKms::CipherTrust(CipherTrustKms::new(ciphertrust::settings(means, name, spec, cipher_trust, secrets)?)?)
        }
        ProviderType::Huawei => {
            let huawei = spec.huawei.as_ref().ok_or_else(|| missing("huawei"))?;
            AnyKms::Huawei(HuaweiKms::new(huawei::settings(means, name, spec, huawei, secrets)?)?)
        }
    };
    let identity = kms.identity().await?;
    right_account(provider, &identity.account)?;
    Ok((kms, identity))
}

/// The versions of the provider's secrets, without what they hold; `None` when one cannot be read.
pub(super) async fn secret_versions(context: &Context, spec: &KeyProviderSpec) -> Option<Vec<String>> {
    read_all(&Means::of(context), spec).await.ok().map(|secrets| versions(&secrets))
}

fn versions(secrets: &[Secret]) -> Vec<String> {
    secrets.iter().map(|secret| secret.metadata.resource_version.clone().unwrap_or_default()).collect()
}

async fn read_all(means: &Means, spec: &KeyProviderSpec) -> Result<Vec<Secret>, Unusable> {
    let mut secrets = Vec::new();
    for name in secrets_of(spec) {
        secrets.push(read(means, name).await?);
    }
    Ok(secrets)
}

async fn read(means: &Means, name: &str) -> Result<Secret, Unusable> {
    let namespace = &means.namespace;
    match Api::<Secret>::namespaced(means.client.clone(), namespace).get_opt(name).await {
        Ok(Some(secret)) => Ok(secret),
        Ok(None) => Err(no_secret(name, namespace)),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, secret = name, "a secret could not be read");
            Err(unread_secret(name, namespace))
        }
    }
}
