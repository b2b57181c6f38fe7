//! What all rounds of grants share.

use std::sync::Arc;

use kube::runtime::reflector::{ObjectRef, Store};

use super::memory::Memory;
use crate::{
    api::KeyGrant,
    controller::{Context, watched::Watched},
    domain::grant::target::Target,
};

/// An object to look at.
pub(super) type Named = ObjectRef<Watched<KeyGrant>>;

/// What the rounds of grants share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) context: Arc<Context>,
    /// Objects, as the watch has them.
    pub(super) grants: Store<Watched<KeyGrant>>,
    /// What is remembered of them.
    pub(super) memory: Memory,
}

impl Shared {
    /// The `ManagedKey` of that name, as the watch has it.
    pub(super) fn target(&self, namespace: &str, name: &str) -> Option<Target> {
        let watched = self.context.keys().get(&ObjectRef::new(name).within(namespace))?;
        watched.decoded().ok().map(|key| Target::of(key, &self.context.settings.cluster_id))
    }

    /// All grants.
    pub(super) fn all(&self) -> Vec<Named> {
        self.grants.state().iter().map(|grant| ObjectRef::from_obj(&**grant)).collect()
    }
}
