//! What an object declares, parsed once into a form that cannot be wrong.

use std::collections::BTreeSet;

use super::{
    limits::Limits,
    ownership::{Owner, Tags},
    reserved::{is_reserved_alias, is_reserved_tag},
};
use crate::api::{
    ManagedKey, annotation,
    managed_key::{DeletionPolicy, KeyTemplate, ManagementPolicy},
};

/// Whether the key is to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// `deletionScheduleDays` is absent, null or 0.
    Live,
    /// The key is to be pending deletion, scheduled with this many days.
    Scheduled(i32),
}

/// What is declared about automatic rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WantedRotation {
    /// `autoRotation: true`, with the period if one is declared.
    On(Option<i32>),
    /// `autoRotation: false`.
    Off,
}

/// What an object declares.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// The object.
    pub owner: Owner,
    /// Generation of the spec.
    pub generation: i64,
    /// How far the spec is enforced.
    pub policy: ManagementPolicy,
    /// Whether the key is to live.
    pub life: Life,
    /// Whether the key is to be enabled; `None`: not said, which means yes, but not on adoption.
    pub enabled: Option<bool>,
    /// Rotation; `None`: left as it is.
    pub rotation: Option<WantedRotation>,
    /// Description; `None`: left as it is.
    pub description: Option<String>,
    /// Tags that are kept.
    pub tags: Tags,
    /// Aliases that are kept, with the prefix `alias/`.
    pub aliases: BTreeSet<String>,
    /// The kind of key, if the spec says it.
    pub kind: Option<KeyTemplate>,
    /// The key to adopt: ID, ARN or alias.
    pub adopt: Option<String>,
    /// What becomes of the key when the object is deleted.
    pub deletion_policy: DeletionPolicy,
    /// Whether a person stopped all work on the object.
    pub paused: bool,
    /// What stands in the annotation that pauses an object, where it is neither `true` nor `false`: nothing is paused by it.
    pub misspelt_pause: Option<String>,
    /// The token that a person set to let a held deletion go on.
    pub confirmation: Option<String>,
    /// What the spec asks for and no key can have, a sentence each. It is left out above, and the rest is read as it stands: the life of a key waits for none
    /// of it.
    pub left_out: Vec<String>,
}

/// A spec that admission should have refused. The message names the field and what is allowed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

impl Desired {
    /// Reads an object of the cluster `cluster`.
    ///
    /// # Errors
    /// The days are checked again, because an object may have been stored before a rule of the CRD was there. What is wrong with a setting is left out and
    /// told instead.
    pub fn of(object: &ManagedKey, cluster: &str) -> Result<Self, Invalid> {
        let (Some(name), Some(namespace), Some(uid)) =
            (object.metadata.name.clone(), object.metadata.namespace.clone(), object.metadata.uid.clone())
        else {
            return Err(Invalid("the object has no name, namespace or UID".into()));
        };
        // Named in full, so that a new field cannot go unread.
        let crate::api::ManagedKeySpec {
            provider_ref: _,
            key_id,
            management_policy,
            enabled,
            auto_rotation,
            rotation_period_days,
            deletion_schedule_days,
            deletion_policy,
            description,
            tags,
            aliases,
            key,
        } = &object.spec;

        let life = match deletion_schedule_days {
            None | Some(0) => Life::Live,
            Some(days) if *days >= 7 => Life::Scheduled(*days),
            Some(days) => return Err(Invalid(format!("spec.deletionScheduleDays is {days}; set it to 0, or to at least 7 days"))),
        };
        let mut left_out = Vec::new();
        let mut tags = tags.clone().unwrap_or_default();
        tags.retain(|tag, _| {
            let reserved = is_reserved_tag(tag);
            if reserved {
                left_out.push(format!("spec.tags has {tag}, but keys that begin with keyward- or aws: are reserved; remove it"));
            }
            !reserved
        });
        let mut named = BTreeSet::new();
        for alias in aliases.iter().flatten() {
            if is_reserved_alias(alias) {
                left_out.push(format!("spec.aliases has {alias}, but aliases that begin with keyward/ or aws/ are reserved; remove it"));
            } else {
                named.insert(format!("alias/{alias}"));
            }
        }
        let rotation = match (auto_rotation, rotation_period_days) {
            (Some(true), period) => Some(WantedRotation::On(*period)),
            (_, Some(_)) => {
                left_out.push("spec.rotationPeriodDays needs spec.autoRotation: true; set that, or remove the period".into());
                None
            }
            (Some(false), None) => Some(WantedRotation::Off),
            (None, None) => None,
        };
        let annotation = |key: &str| object.metadata.annotations.as_ref().and_then(|all| all.get(key)).cloned();
        let pause = annotation(annotation::PAUSED);
        Ok(Self {
            owner: Owner { cluster: cluster.into(), namespace, name, uid },
            generation: object.metadata.generation.unwrap_or_default(),
            policy: *management_policy,
            life,
            enabled: *enabled,
            rotation,
            description: description.clone(),
            tags,
            aliases: named,
            kind: key.clone(),
            adopt: key_id.clone(),
            deletion_policy: *deletion_policy,
            paused: pause.as_deref() == Some("true"),
            misspelt_pause: pause.filter(|text| !["true", "false"].contains(&&**text)).map(|text| text.chars().take(40).collect()),
            confirmation: annotation(annotation::CONFIRM_DELETION),
            left_out,
        })
    }

    /// Whether the key is to be enabled.
    #[must_use]
    pub fn wants_enabled(&self) -> bool {
        self.enabled.unwrap_or(true)
    }

    /// The days after which the key is to be deleted, if it is.
    #[must_use]
    pub const fn days(&self) -> Option<i32> {
        if let Life::Scheduled(days) = self.life { Some(days) } else { None }
    }

    /// The kind of key to create, in the words of the KMS.
    #[must_use]
    pub fn template(&self, limits: &Limits) -> KeyTemplate {
        limits.kind(&self.kind.clone().unwrap_or_default())
    }
}
