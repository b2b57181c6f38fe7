//! What of an object calls for a round when it changes.

use std::hash::{DefaultHasher, Hash, Hasher};

use kube::ResourceExt;

use crate::{
    api::{ManagedKey, annotation},
    controller::{Context, watched::Watched},
    domain::memory::KeyRecord,
};

/// What an object looks like to a round.
pub(super) fn looks(watched: &Watched<ManagedKey>, context: &Context) -> u64 {
    watched.decoded().map_or(0, |object| fingerprint(object, context))
}

/// What of an object matters to a round: its spec, the annotations that are read, whether it is being deleted, and its provider. Status and finalizers are
/// not among it, so that a round's own writing does not call for another.
pub(super) fn fingerprint(object: &ManagedKey, context: &Context) -> u64 {
    let mut hasher = DefaultHasher::new();
    let metadata = &object.metadata;
    // A generation may have been there before, with another spec, where the storage was set back.
    (context.era(), context.woken(metadata.uid.as_deref().unwrap_or_default()), metadata.generation, metadata.deletion_timestamp.is_some())
        .hash(&mut hasher);
    for key in annotation::READ.iter().filter(|key| **key != annotation::KEY) {
        object.annotations().get(*key).hash(&mut hasher);
    }
    misrecorded(object).hash(&mut hasher);
    let provider = &object.spec.provider_ref.name;
    context.providers.epoch(provider).hash(&mut hasher);
    context.labels(provider, metadata.namespace.as_deref().unwrap_or_default()).hash(&mut hasher);
    hasher.finish()
}

/// What the record of its key says on an object, if that is not what it is to say. Keyward writes it itself, which calls for no look.
fn misrecorded(object: &ManagedKey) -> Option<&str> {
    let key = object.status.as_ref().and_then(|status| status.key_arn.as_deref()).filter(|_| object.spec.key_id.is_none());
    let right = key.map(|key| KeyRecord::text(&object.namespace().unwrap_or_default(), &object.name_any(), key));
    let written = object.annotations().get(annotation::KEY).map(String::as_str);
    (written != right.as_deref()).then(|| written.unwrap_or_default())
}
