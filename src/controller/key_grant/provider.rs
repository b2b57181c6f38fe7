//! The provider of a round, and where a key is.

use crate::{
    api::{Reason, key_grant::GrantProvider},
    controller::{
        Context,
        error::Ending,
        managed_key::provider::{self, Provider, Resolved},
    },
    domain::{plan::Note, rules::Rules},
    text,
};

/// The provider of that name, if it can be used for objects of that namespace.
pub(super) async fn usable(context: &Context, name: &str, namespace: &str) -> Result<Box<Provider>, Ending> {
    match provider::resolve(context, name, namespace).await? {
        Resolved::Usable(provider) => Ok(provider),
        Resolved::Unusable(unusable) if unusable.note.reason == Reason::ProviderNotFound => {
            let message = format!("KeyProvider {} does not exist, and Keyward waits for it; create it", text::name(name));
            Err(Ending::Refused { note: Note { message, ..unusable.note }, stalled: false })
        }
        Resolved::Unusable(unusable) => Err(unusable.into()),
        Resolved::Untried => Err(Ending::Unknown),
    }
}

/// Tells the circuit breaker of the provider whether the KMS answered.
pub(super) fn heard<T>(context: &Context, provider: &Provider, result: &Result<T, Ending>) {
    match result {
        Err(Ending::Failed(failure)) => provider.failed(context, failure),
        Ok(_) => provider.answered(context),
        Err(_) => {}
    }
}

/// Where a key is, as the status records it.
pub(super) fn place(rules: &Rules) -> GrantProvider {
    GrantProvider {
        name: rules.name.clone(),
        account: rules.account.clone(),
        region: rules.region.clone(),
        endpoint: rules.endpoint.clone(),
    }
}
