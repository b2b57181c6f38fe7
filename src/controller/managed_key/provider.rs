//! The provider of a round. No call is made unless it exists, admits the namespace, and has credentials of the right account.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;

use crate::{
    api::{
        KeyProvider, Reason,
        key_provider::{NamespacesFrom, ProviderType},
    },
    controller::{
        Context,
        error::{Ending, Error},
        key_provider::{Connected, Unusable},
    },
    domain::{
        failure::Failure,
        provider as known,
        requeue::RESYNC,
        rules::{self, Rules},
    },
};

/// A provider that can be used.
#[derive(Debug)]
pub(in crate::controller) struct Provider {
    /// What the provider allows.
    pub(in crate::controller) rules: Rules,
    /// Its client.
    pub(in crate::controller) connected: Arc<Connected>,
}

impl Provider {
    /// The KMS answered.
    pub(in crate::controller) fn answered(&self, context: &Context) {
        self.heard(context, self.connected.breaker.answered());
    }

    /// A call failed.
    pub(in crate::controller) fn failed(&self, context: &Context, failure: &Failure) {
        self.heard(context, self.connected.breaker.failed(failure));
    }

    /// If the KMS was silent for long, its keys are read now, and not when they would be tried again.
    fn heard(&self, context: &Context, again: bool) {
        if again {
            context.providers.wake(&self.rules.name);
        }
    }
}

/// Whether an object's provider can be used.
#[derive(Debug)]
pub(in crate::controller) enum Resolved {
    /// It can be used.
    Usable(Box<Provider>),
    /// It cannot be used, and the status of the object says why.
    Unusable(Unusable),
    /// Its present spec is being tried. Its objects are woken after that, and until then there is nothing to report.
    Untried,
}

/// The client of the provider of that name, if there is one. It must not be used before the provider is [resolved](resolve).
pub(in crate::controller) fn connected(context: &Context, name: &str) -> Option<Arc<Connected>> {
    let watched = context.providers.get(name)?;
    context.providers.client(watched.decoded().ok()?)?.ok()
}

/// The wait between two regular reads of the keys of that provider, or the default if it does not exist.
pub(in crate::controller) fn resync(context: &Context, name: &str) -> Duration {
    let watched = context.providers.get(name);
    let seconds = watched.and_then(|provider| provider.decoded().ok().map(|provider| provider.spec.resync_seconds));
    seconds.and_then(|seconds| u64::try_from(seconds).ok()).map_or(RESYNC, Duration::from_secs)
}

/// The provider of that name, for an object of `namespace`.
pub(in crate::controller) async fn resolve(context: &Context, name: &str, namespace: &str) -> Result<Resolved, Ending> {
    let Some(watched) = context.providers.get(name) else {
        return Ok(Resolved::Unusable(known::none(name)));
    };
    let Ok(provider) = watched.decoded() else {
        let message = format!("this version of Keyward does not understand KeyProvider {name}; upgrade Keyward or correct the provider");
        return Ok(Resolved::Unusable(Unusable::by_a_person(Reason::ProviderNotReady, message)));
    };
    if !admits(context, provider, namespace).await? {
        return Ok(Resolved::Unusable(known::not_admitted(name, &provider.spec.namespaces, namespace)));
    }
    Ok(match context.providers.client(provider) {
        None => Resolved::Untried,
        Some(Err(unusable)) => Resolved::Unusable(known::told_by_objects(name, unusable)),
        Some(Ok(connected)) => Resolved::Usable(Box::new(Provider {
            rules: Rules {
                principal: (provider.spec.type_ == ProviderType::Aws).then(|| connected.identity.principal.clone()),
                ..Rules::new(name, provider, &connected.identity.account, &connected.identity.region)
            },
            connected,
        })),
    })
}

/// Whether the provider admits the namespace. Labels are read live, and only where a selector asks for them.
pub(in crate::controller) async fn admits(context: &Context, provider: &KeyProvider, namespace: &str) -> Result<bool, Ending> {
    let namespaces = &provider.spec.namespaces;
    let read = if namespaces.from == NamespacesFrom::Selector {
        let read = Api::<Namespace>::all(context.client.clone()).get_opt(namespace).await;
        read.map_err(|error| Ending::Error(Error::Api("a read of the namespace", Box::new(error))))?
    } else {
        None
    };
    let labels = read.map(|namespace| namespace.metadata.labels.unwrap_or_default());
    Ok(rules::admits_namespace(namespaces, namespace, labels.as_ref()))
}
