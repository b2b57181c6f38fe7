//! The `ManagedKey` of a grant, as far as the grant depends on it.

use crate::{
    api::{
        ManagedKey, annotation,
        managed_key::{KeyState, ManagementPolicy},
    },
    domain::ownership::Owner,
};

/// The `ManagedKey` that `keyRef` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The object, by which the marks of its key name it.
    pub owner: Owner,
    /// Its provider.
    pub provider: String,
    /// How far the spec is enforced on the key, and so on its grants.
    pub policy: ManagementPolicy,
    /// Whether no call may be made for the key.
    pub paused: bool,
    /// Whether the object is being deleted.
    pub going: bool,
    /// The canonical reference of the key, if the object has one. Only the marks on the key prove that.
    pub key: Option<String>,
    /// The state of the key when it was last read. It decides nothing, but a change of it is a reason to look.
    pub state: Option<KeyState>,
}

impl Target {
    /// What an object of that cluster says.
    #[must_use]
    pub fn of(object: &ManagedKey, cluster: &str) -> Self {
        let metadata = &object.metadata;
        let status = object.status.as_ref();
        let pause = metadata.annotations.as_ref().and_then(|annotations| annotations.get(annotation::PAUSED));
        Self {
            owner: Owner {
                cluster: cluster.into(),
                namespace: metadata.namespace.clone().unwrap_or_default(),
                name: metadata.name.clone().unwrap_or_default(),
                uid: metadata.uid.clone().unwrap_or_default(),
            },
            provider: object.spec.provider_ref.name.clone(),
            policy: object.spec.management_policy,
            paused: pause.is_some_and(|pause| pause == "true"),
            going: metadata.deletion_timestamp.is_some(),
            // The reference is written before the marks, and the id after them.
            key: status.and_then(|status| status.key_id.as_ref().and(status.key_arn.clone())),
            state: status.and_then(|status| status.key_state),
        }
    }
}
