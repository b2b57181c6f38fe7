//! Whether a grant has to be looked at: what its rounds depend on, as one number.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use kube::ResourceExt;

use super::shared::Shared;
use crate::api::{KeyGrant, annotation};

/// The fingerprint of an object: if it changes, the object needs a round. It covers the spec, the annotations that Keyward reads, whether the
/// object is being deleted, what it depends on of its `ManagedKey`, and the providers. The status is not part of it, so that the writes of a
/// round do not call for another one.
pub(super) fn fingerprint(shared: &Shared, grant: &KeyGrant) -> u64 {
    let mut hasher = DefaultHasher::new();
    let context = &shared.context;
    let metadata = &grant.metadata;
    (context.era(), metadata.generation, metadata.deletion_timestamp.is_some()).hash(&mut hasher);
    for key in annotation::READ {
        grant.annotations().get(key).hash(&mut hasher);
    }
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    let target = shared.target(namespace, &grant.spec.key_ref.name);
    if let Some(target) = &target {
        (&target.owner.uid, &target.policy, target.paused, target.going, &target.key, target.state).hash(&mut hasher);
    }
    let recorded = grant.status.iter().flat_map(|status| status.provider.iter().chain(status.former.iter().map(|former| &former.provider)));
    let providers: BTreeSet<_> = target.iter().map(|target| &target.provider).chain(recorded.map(|provider| &provider.name)).collect();
    for provider in providers {
        context.providers.epoch(provider).hash(&mut hasher);
        context.labels(provider, namespace).hash(&mut hasher);
    }
    hasher.finish()
}
