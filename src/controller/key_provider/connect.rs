//! Makes a client from a provider's spec and its secret, and finds out whose credentials it has.

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use secrecy::SecretString;

use super::{Connected, MadeFor, Unusable};
use crate::{
    api::{KeyProvider, KeyProviderSpec, Reason, key_provider::AwsProvider, key_provider::ProviderType},
    controller::Context,
    domain::{failure::Failure, plan::Note},
    kms::{
        AnyKms, Kms,
        aws::{AwsCredentials, AwsKms, AwsSettings, MayChange},
    },
};

/// The name of the secret that a provider's credentials are in.
pub(super) fn secret_of(spec: &KeyProviderSpec) -> Option<&str> {
    let reference = match spec.type_ {
        ProviderType::Aws => spec.aws.as_ref().and_then(|aws| aws.credentials_secret_ref.as_ref()),
        ProviderType::CipherTrust => spec.cipher_trust.as_ref().map(|cipher_trust| &cipher_trust.credentials_secret_ref),
        ProviderType::Huawei => spec.huawei.as_ref().map(|huawei| &huawei.credentials_secret_ref),
    };
    reference.map(|reference| reference.name.as_str())
}

fn unusable(reason: Reason, message: impl Into<String>) -> Unusable {
    Unusable { note: Note { reason, message: message.into() }, stalled: true }
}

impl From<Failure> for Unusable {
    fn from(failure: Failure) -> Self {
        let verdict = failure.kind.verdict();
        Self { note: Note { reason: verdict.reason, message: failure.message }, stalled: verdict.stalled }
    }
}

/// Makes a client for the provider, or takes the one there is if nothing changed, and asks whose credentials it has.
pub(super) async fn connect(context: &Context, name: &str, provider: &KeyProvider) -> Result<Connected, Unusable> {
    let spec = &provider.spec;
    let secret = match secret_of(spec) {
        Some(secret) => Some(read(context, secret).await?),
        None => None,
    };
    let made_for = MadeFor {
        uid: provider.metadata.uid.clone().unwrap_or_default(),
        generation: provider.metadata.generation.unwrap_or_default(),
        secret: secret.as_ref().and_then(|secret| secret.metadata.resource_version.clone()),
    };
    let kms = match (spec.type_, &spec.aws) {
        (ProviderType::Aws, Some(aws)) => AnyKms::Aws(AwsKms::new(settings(context, spec, aws, secret.as_ref())?).await?),
        (ProviderType::Aws, None) => return Err(unusable(Reason::InvalidSpec, "spec.aws is missing; set it")),
        (other @ (ProviderType::CipherTrust | ProviderType::Huawei), _) => {
            return Err(unusable(
                Reason::ProviderNotSupported,
                format!("this version of Keyward has no adapter for {} yet; its keys are left as they are", other.as_str()),
            ));
        }
    };
    let identity = kms.identity().await?;
    right_account(provider, &identity.account)?;
    tracing::info!(provider = name, account = identity.account, region = identity.region, "the provider's credentials were accepted");
    Ok(Connected { made_for, kms, identity, reach: super::Reach::default() })
}

/// Whether the account is the one that is declared, and the one that was seen first. Otherwise no key is looked at: one that is not found in a wrong
/// account would be taken for gone.
pub(super) fn right_account(provider: &KeyProvider, account: &str) -> Result<(), Unusable> {
    let declared = provider.spec.aws.as_ref().and_then(|aws| aws.account_id.as_deref());
    let pinned = provider.status.as_ref().and_then(|status| status.identity.as_ref()).map(|identity| identity.account.as_str());
    match (declared, pinned) {
        (Some(expected), _) if expected != account => Err(unusable(
            Reason::WrongAccount,
            format!("the credentials belong to account {account}, but spec.aws.accountId is {expected}; correct either of them"),
        )),
        (_, Some(expected)) if expected != account => Err(unusable(
            Reason::WrongAccount,
            format!(
                "the credentials belong to account {account}, but this provider was first used with account {expected}; \
                 give it credentials of that account, or make another KeyProvider"
            ),
        )),
        _ => Ok(()),
    }
}

/// The version of the provider's secret, without what it holds; `None` when it has none or it cannot be read.
pub(super) async fn secret_version(context: &Context, spec: &KeyProviderSpec) -> Option<String> {
    read(context, secret_of(spec)?).await.ok()?.metadata.resource_version
}

async fn read(context: &Context, name: &str) -> Result<Secret, Unusable> {
    let namespace = &context.settings.namespace;
    match Api::<Secret>::namespaced(context.client.clone(), namespace).get_opt(name).await {
        Ok(Some(secret)) => Ok(secret),
        Ok(None) => Err(unusable(
            Reason::CredentialsInvalid,
            format!("there is no secret {name} in namespace {namespace}, the operator's own; create it there"),
        )),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, secret = name, "a secret could not be read");
            let message = format!("secret {name} in namespace {namespace} could not be read; it is tried again");
            Err(Unusable { note: Note { reason: Reason::ProviderNotReady, message }, stalled: false })
        }
    }
}

fn settings(context: &Context, spec: &KeyProviderSpec, aws: &AwsProvider, secret: Option<&Secret>) -> Result<AwsSettings, Unusable> {
    let credentials = match secret {
        None => AwsCredentials::DefaultChain,
        Some(secret) => AwsCredentials::Keys {
            access_key_id: value(secret, "AWS_ACCESS_KEY_ID")?.ok_or_else(|| missing(secret, "AWS_ACCESS_KEY_ID"))?,
            secret_access_key: value(secret, "AWS_SECRET_ACCESS_KEY")?
                .map(SecretString::from)
                .ok_or_else(|| missing(secret, "AWS_SECRET_ACCESS_KEY"))?,
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
        may_change: MayChange::when({
            let held = context.held.clone();
            move || held.is_held()
        }),
    })
}

fn missing(secret: &Secret, key: &str) -> Unusable {
    let name = secret.metadata.name.as_deref().unwrap_or_default();
    unusable(Reason::CredentialsInvalid, format!("secret {name} has no key {key}; add it"))
}

/// A value of a secret, without the line end that `--from-file` leaves.
fn value(secret: &Secret, key: &str) -> Result<Option<String>, Unusable> {
    let Some(bytes) = secret.data.as_ref().and_then(|data| data.get(key)) else {
        return Ok(None);
    };
    let name = secret.metadata.name.as_deref().unwrap_or_default();
    let text = std::str::from_utf8(&bytes.0)
        .map_err(|_| unusable(Reason::CredentialsInvalid, format!("key {key} of secret {name} is not text")))?;
    Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
}
