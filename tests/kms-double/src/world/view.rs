//! A key as tests see it: everything, without lag.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Key, KeyRef, KeyState, LastUse, Manager, MultiRegion, Origin, Rotated, World};

/// A key in its current state, without read lag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyView {
    /// The key's ARN.
    pub arn: String,
    /// The key's id.
    pub key_id: String,
    /// Twelve digits.
    pub account: String,
    /// The Region.
    pub region: String,
    /// The state.
    pub state: KeyState,
    /// Who manages it.
    pub manager: Manager,
    /// Where the material comes from.
    pub origin: Origin,
    /// For example `SYMMETRIC_DEFAULT`.
    pub spec: String,
    /// For example `ENCRYPT_DECRYPT`.
    pub usage: String,
    /// The description.
    pub description: String,
    /// The key policy.
    pub policy: String,
    /// The tags.
    pub tags: BTreeMap<String, String>,
    /// Alias names, with the prefix `alias/`.
    pub aliases: Vec<String>,
    /// When it was created, on the double's clock.
    pub created: Timestamp,
    /// When it is deleted, if the waiting period has started.
    pub deletion_date: Option<Timestamp>,
    /// The requested window, while a deletion is scheduled.
    pub pending_window_days: Option<u32>,
    /// Its rotation. A replica has the rotation of its primary.
    pub rotation: RotationView,
    /// Its role in its multi-Region family.
    pub multi_region: Option<MultiRegion>,
    /// Its last cryptographic use.
    pub last_use: Option<LastUse>,
}

/// The rotation setting of a key, also while the wire protocol says "off" because a deletion is pending.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RotationView {
    /// Whether automatic rotation is on.
    pub enabled: bool,
    /// Its period, while it is on.
    pub period_days: Option<u32>,
    /// Its next date, while it is on.
    pub next: Option<Timestamp>,
    /// The rotations that took place, oldest first.
    pub rotated: Vec<Rotated>,
}

impl KeyView {
    pub(crate) fn at(&self) -> KeyRef {
        KeyRef { account: self.account.clone(), region: self.region.clone(), id: self.key_id.clone() }
    }

    pub(crate) fn of(world: &World, key: &Key) -> Self {
        let lead = world.key(&World::lead(key)).unwrap_or(key);
        Self {
            arn: key.at.arn(),
            key_id: key.at.id.clone(),
            account: key.at.account.clone(),
            region: key.at.region.clone(),
            state: key.state,
            manager: key.manager,
            origin: key.origin,
            spec: key.spec.clone(),
            usage: key.usage.clone(),
            description: key.description.clone(),
            policy: key.policy.clone(),
            tags: key.tags.clone(),
            aliases: world.aliases_of(&key.at).into_iter().map(|alias| alias.name.clone()).collect(),
            created: key.created,
            deletion_date: key.deletion.as_ref().and_then(|deletion| deletion.date),
            pending_window_days: key.deletion.as_ref().map(|deletion| deletion.window_days),
            rotation: RotationView {
                enabled: lead.rotation.is_some(),
                period_days: lead.rotation.as_ref().map(|rotation| rotation.period_days),
                next: lead.rotation.as_ref().map(|rotation| rotation.next),
                rotated: lead.rotated.clone(),
            },
            multi_region: key.multi_region.clone(),
            last_use: key.last_use.clone(),
        }
    }
}
