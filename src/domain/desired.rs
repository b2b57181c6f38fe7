//! What an object declares, parsed once into a form that allows only valid values.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{
    limits::Limits,
    on_demand,
    ownership::{Owner, Tags, can_be_named},
    policy::Document,
    publish::Declared,
    replica::PrimaryRef,
    reserved::{is_reserved_alias, is_reserved_tag},
};
use crate::{
    api::{
        FINALIZER, ManagedKey, annotation,
        managed_key::{DeletionPolicy, KeyTemplate, ManagementPolicy},
    },
    text,
};

/// Whether the key must stay alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// `deletionScheduleDays` is absent, null or 0.
    Live,
    /// The key must be pending deletion, scheduled with this many days.
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

/// A key policy that is declared.
#[derive(Clone, Debug, PartialEq)]
pub struct WantedPolicy {
    /// The text, as it is sent.
    pub text: String,
    /// The same, read.
    pub document: Document,
}

/// A finalizer of somebody else.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Finalizer {
    /// Its place in the list of all finalizers, counted from 0.
    pub at: usize,
    /// Its name.
    pub name: String,
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
    /// Whether the key must stay alive.
    pub life: Life,
    /// Whether the key must be enabled. `None`: not declared. This means yes, except when a key is adopted.
    pub enabled: Option<bool>,
    /// Rotation. `None`: Keyward leaves it as it is.
    pub rotation: Option<WantedRotation>,
    /// Description. `None`: Keyward leaves it as it is.
    pub description: Option<String>,
    /// Tags that Keyward keeps on the key.
    pub tags: Tags,
    /// Aliases that Keyward keeps on the key, with the prefix `alias/`.
    pub aliases: BTreeSet<String>,
    /// The key policy, if the spec declares one.
    pub key_policy: Option<WantedPolicy>,
    /// Where the key is published.
    pub publish: Declared,
    /// The key of which the object's key is to be a replica.
    pub replica: Option<PrimaryRef>,
    /// Whether the key is to be the primary key of its Regions.
    pub primary: bool,
    /// The kind of key, if the spec declares it.
    pub kind: Option<KeyTemplate>,
    /// The key to adopt: ID, ARN or alias.
    pub adopt: Option<String>,
    /// What happens to the key when the object is deleted.
    pub deletion_policy: DeletionPolicy,
    /// Whether a person stopped all work on the object.
    pub paused: bool,
    /// The value of the annotation `keyward.dev/paused` if it is neither `true` nor `false`. Such a value pauses nothing.
    pub misspelt_pause: Option<String>,
    /// The text with which a person requests a rotation on demand.
    pub rotate: Option<String>,
    /// The text with which a person confirms such a request.
    pub rotate_confirm: Option<String>,
    /// The token that a person set to confirm a held deletion.
    pub confirmation: Option<String>,
    /// Finalizers of others: somebody still needs the object, and perhaps its key.
    pub finalizers: Vec<Finalizer>,
    /// Whether the object is being deleted.
    pub goes: bool,
    /// Declared settings that no key can have, one sentence for each. The fields above leave them out, so the life of the key does not wait
    /// for them.
    pub left_out: Vec<String>,
}

/// A spec that admission should have refused. The message names the field and the allowed values.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

impl Desired {
    /// Reads an object of the cluster `cluster`.
    ///
    /// # Errors
    /// `deletionScheduleDays`, the namespace or the name is not valid. They are checked again here, because the object may have been stored before the
    /// CRD had the rule, or past the API server. An invalid setting is no error: it goes into `left_out`.
    pub fn of(object: &ManagedKey, cluster: &str) -> Result<Self, Invalid> {
        let (Some(name), Some(namespace), Some(uid)) =
            (object.metadata.name.clone(), object.metadata.namespace.clone(), object.metadata.uid.clone())
        else {
            return Err(Invalid("the object has no name, namespace or UID".into()));
        };
        if !can_be_named(&namespace, &name) {
            return Err(Invalid("the namespace or the name of the object is not valid in Kubernetes".into()));
        }
        // Every field is named, so that the code does not compile if a new field is not read.
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
            policy,
            publish_to,
            key,
            replica_of,
            primary,
        } = &object.spec;

        let life = match deletion_schedule_days {
            None | Some(0) => Life::Live,
            Some(days) if *days >= 7 => Life::Scheduled(*days),
            Some(days) => return Err(Invalid(format!("spec.deletionScheduleDays is {days}; set it to 0, or to 7 or more"))),
        };
        let mut left_out = Vec::new();
        let mut tags = tags.clone().unwrap_or_default();
        tags.retain(|tag, _| {
            let reserved = is_reserved_tag(tag);
            if reserved {
                left_out
                    .push(format!("spec.tags has {}, but keys that begin with keyward- or aws: are reserved; remove it", text::name(tag)));
            }
            !reserved
        });
        let mut named = BTreeSet::new();
        for alias in aliases.iter().flatten() {
            if is_reserved_alias(alias) {
                left_out.push(format!(
                    "spec.aliases has {}, but aliases that begin with keyward/ or aws/ are reserved; remove it",
                    text::name(alias)
                ));
            } else {
                named.insert(format!("alias/{alias}"));
            }
        }
        let rotation = match (auto_rotation, rotation_period_days) {
            (Some(true), period) => Some(WantedRotation::On(*period)),
            (_, Some(_)) => {
                left_out
                    .push("spec.rotationPeriodDays needs spec.autoRotation: true; set autoRotation, or remove rotationPeriodDays".into());
                None
            }
            (Some(false), None) => Some(WantedRotation::Off),
            (None, None) => None,
        };
        let key_policy = policy.as_ref().and_then(|text| match Document::read(text) {
            Ok(document) => Some(WantedPolicy { text: text.clone(), document }),
            Err(why) => {
                left_out.push(format!("spec.policy is not a valid key policy: {why}; correct it"));
                None
            }
        });
        let named_aliases: Vec<String> = aliases.iter().flatten().filter(|alias| !is_reserved_alias(alias)).cloned().collect();
        let publish = Declared::of(publish_to.as_ref(), &named_aliases, &mut left_out);
        let replica = PrimaryRef::of(replica_of.as_ref(), key_id.is_some() || key.is_some(), &mut left_out);
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
            key_policy,
            publish,
            replica,
            primary: primary.unwrap_or_default(),
            kind: key.clone(),
            adopt: key_id.clone(),
            deletion_policy: *deletion_policy,
            paused: pause.as_deref() == Some("true"),
            misspelt_pause: pause.filter(|text| !["true", "false"].contains(&&**text)).map(|text| text.chars().take(40).collect()),
            rotate: annotation(annotation::ROTATE_REQUESTED_AT).as_deref().and_then(on_demand::request),
            rotate_confirm: annotation(annotation::ROTATE_CONFIRM).as_deref().and_then(on_demand::request),
            confirmation: annotation(annotation::CONFIRM_DELETION),
            finalizers: others(&object.metadata),
            goes: object.metadata.deletion_timestamp.is_some(),
            left_out,
        })
    }

    /// Whether the key must be enabled.
    #[must_use]
    pub fn wants_enabled(&self) -> bool {
        self.enabled.unwrap_or(true)
    }

    /// The waiting period in days, if a deletion is declared.
    #[must_use]
    pub const fn days(&self) -> Option<i32> {
        if let Life::Scheduled(days) = self.life { Some(days) } else { None }
    }

    /// The kind of key to create, in the names of the KMS.
    #[must_use]
    pub fn template(&self, limits: &Limits) -> KeyTemplate {
        limits.kind(&self.kind.clone().unwrap_or_default())
    }
}

/// The finalizers of others on an object.
#[must_use]
pub fn others(object: &ObjectMeta) -> Vec<Finalizer> {
    let all = object.finalizers.iter().flatten().enumerate();
    all.filter(|(_, name)| *name != FINALIZER).map(|(at, name)| Finalizer { at, name: name.clone() }).collect()
}
