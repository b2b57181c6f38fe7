//! The fingerprint of an object: if it changes, the object needs a round.

use std::hash::{DefaultHasher, Hash, Hasher};

use kube::{ResourceExt, runtime::reflector::ObjectRef};

use crate::{
    api::{ManagedKey, annotation},
    controller::{Context, watched::Watched},
    domain::{desired::others, memory::KeyRecord},
};

/// The fingerprint of an object as the watch has it.
pub(super) fn fingerprint_of(watched: &Watched<ManagedKey>, context: &Context) -> u64 {
    watched.decoded().map_or(0, |object| fingerprint(object, context))
}

/// If the fingerprint of the object changed, its round stops waiting for a turn.
pub(super) fn stop_waiting_if_changed(context: &Context, object: &ObjectRef<Watched<ManagedKey>>) {
    context.lanes.changed(object, || context.keys().get(object).as_deref().map_or(0, |watched| fingerprint_of(watched, context)));
}

/// The fingerprint covers the spec, the annotations that Keyward reads, the names of the finalizers of others, whether the object is being deleted, and its
/// provider. Status and Keyward's own finalizer are not part of it, so that the writes of a round do not call for another round.
pub(super) fn fingerprint(object: &ManagedKey, context: &Context) -> u64 {
    let mut hasher = DefaultHasher::new();
    let metadata = &object.metadata;
    // If the storage was set back, a generation may come again with another spec.
    (context.era(), context.woken(metadata.uid.as_deref().unwrap_or_default()), metadata.generation, metadata.deletion_timestamp.is_some())
        .hash(&mut hasher);
    for key in annotation::READ.iter().filter(|key| **key != annotation::KEY) {
        object.annotations().get(*key).hash(&mut hasher);
    }
    misrecorded(object).hash(&mut hasher);
    for finalizer in others(metadata) {
        finalizer.name.hash(&mut hasher);
    }
    let provider = &object.spec.provider_ref.name;
    context.providers.epoch(provider).hash(&mut hasher);
    context.labels(provider, metadata.namespace.as_deref().unwrap_or_default()).hash(&mut hasher);
    hasher.finish()
}

/// The annotation `keyward.dev/key`, if it does not say what it should. If the value is right, Keyward wrote it, so no read is
/// needed.
fn misrecorded(object: &ManagedKey) -> Option<&str> {
    let key = object.status.as_ref().and_then(|status| status.key_arn.as_deref()).filter(|_| object.spec.key_id.is_none());
    let right = key.map(|key| KeyRecord::text(&object.namespace().unwrap_or_default(), &object.name_any(), key));
    let written = object.annotations().get(annotation::KEY).map(String::as_str);
    (written != right.as_deref()).then(|| written.unwrap_or_default())
}
