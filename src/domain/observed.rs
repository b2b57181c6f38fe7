//! What a read of the KMS found.
//!
//! A read need not cover everything. What was not read is `None`; it is neither compared nor changed. `Absent` is a value, not an error.

use jiff::{SignedDuration, Timestamp};

use super::{
    deletion::IntentMark,
    limits::Limits,
    ownership::{self, Owner, Ownership, Tags},
    replica,
};
use crate::api::managed_key::{KeyState, KeyTemplate, RotationType};

/// What was found for an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Observed {
    /// The KMS has no key for the object's reference, or for its claim.
    Absent(Searched),
    /// This key.
    Present(Box<Key>),
    /// Several keys have the object's marks, and its claim alias points to none of them.
    Several(Vec<String>),
}

/// How far a search for a key went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Searched {
    /// Only the known reference, or the claim alias, was looked up.
    Reference,
    /// The marks of every key of the account and Region were read as well.
    Everywhere,
}

/// The state of a key that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// See [`KeyState::Creating`].
    Creating,
    /// See [`KeyState::Enabled`].
    Enabled,
    /// See [`KeyState::Disabled`].
    Disabled,
    /// See [`KeyState::PendingDeletion`].
    PendingDeletion,
    /// See [`KeyState::PendingImport`].
    PendingImport,
    /// See [`KeyState::PendingReplicaDeletion`].
    PendingReplicaDeletion,
    /// See [`KeyState::Unavailable`].
    Unavailable,
    /// See [`KeyState::Updating`].
    Updating,
}

impl State {
    /// Every state, for tests and for the model.
    pub const ALL: [Self; 8] = [
        Self::Creating,
        Self::Enabled,
        Self::Disabled,
        Self::PendingDeletion,
        Self::PendingImport,
        Self::PendingReplicaDeletion,
        Self::Unavailable,
        Self::Updating,
    ];

    /// Whether the deletion of the key is pending.
    #[must_use]
    pub const fn is_pending(self) -> bool {
        matches!(self, Self::PendingDeletion | Self::PendingReplicaDeletion)
    }
}

impl From<State> for KeyState {
    fn from(state: State) -> Self {
        match state {
            State::Creating => Self::Creating,
            State::Enabled => Self::Enabled,
            State::Disabled => Self::Disabled,
            State::PendingDeletion => Self::PendingDeletion,
            State::PendingImport => Self::PendingImport,
            State::PendingReplicaDeletion => Self::PendingReplicaDeletion,
            State::Unavailable => Self::Unavailable,
            State::Updating => Self::Updating,
        }
    }
}

/// Whether a multi-Region key is the primary or a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MultiRegion {
    /// The primary, with the ARNs of its replicas.
    Primary(Vec<String>),
    /// A replica, with the ARN of its primary. Rotation is set on the primary.
    Replica(String),
}

/// Automatic rotation as the KMS has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// Whether the KMS rotates the key.
    pub enabled: bool,
    /// Days between rotations.
    pub period_days: Option<i32>,
    /// When it rotates next.
    pub next: Option<Timestamp>,
    /// When the KMS last rotated the key. `None`: this answer does not say it; the KMS may have a separate list of rotations.
    pub last: Option<Timestamp>,
    /// When a rotation on demand began that is not complete yet.
    pub rotating_since: Option<Timestamp>,
}

/// A rotation that the KMS has on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// When it took place.
    pub date: Timestamp,
    /// What caused it. `None`: the KMS does not say it.
    pub kind: Option<RotationType>,
}

/// The rotations that the KMS has on record, in no order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rotations(pub Vec<Rotated>);

impl Rotations {
    /// The newest rotation that is not in the future.
    #[must_use]
    pub fn newest(&self, now: Timestamp) -> Option<Rotated> {
        self.0.iter().filter(|rotated| rotated.date <= now).max_by_key(|rotated| rotated.date).copied()
    }

    /// The rotations that may have been on demand: the KMS says it, or does not say what caused them.
    pub fn on_demand(&self) -> impl Iterator<Item = &Rotated> {
        self.0.iter().filter(|rotated| rotated.kind != Some(RotationType::Automatic))
    }
}

impl Rotation {
    /// The last rotation, from an answer that tells it along with the rest. It does not say what caused it.
    #[must_use]
    pub fn told(&self) -> Option<Rotations> {
        self.last.map(|date| Rotations(vec![Rotated { date, kind: None }]))
    }
}

/// A part of a key that may take a request of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Facet {
    /// Tags, and with them the marks. Nothing is decided without them.
    Tags,
    /// Automatic rotation. The life of a key does not need it.
    Rotation,
    /// Aliases. The life of a key does not need them.
    Aliases,
    /// The key policy. It is read only if it is declared.
    Policy,
}

impl Facet {
    /// Every facet, in the order in which they are read.
    pub const ALL: [Self; 4] = [Self::Tags, Self::Rotation, Self::Aliases, Self::Policy];

    const fn bit(self) -> u8 {
        match self {
            Self::Tags => 1,
            Self::Rotation => 2,
            Self::Aliases => 4,
            Self::Policy => 8,
        }
    }
}

/// A set of facets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facets(u8);

impl Facets {
    /// None: the key itself, and what the same answer tells.
    pub const NONE: Self = Self(0);
    /// Tags alone.
    pub const TAGS: Self = Self::NONE.with(Facet::Tags);
    /// Rotation alone.
    pub const ROTATION: Self = Self::NONE.with(Facet::Rotation);
    /// Aliases alone.
    pub const ALIASES: Self = Self::NONE.with(Facet::Aliases);
    /// The key policy alone.
    pub const POLICY: Self = Self::NONE.with(Facet::Policy);

    /// This set and that facet.
    #[must_use]
    pub const fn with(self, facet: Facet) -> Self {
        Self(self.0 | facet.bit())
    }

    /// Whether that facet is in the set.
    #[must_use]
    pub const fn has(self, facet: Facet) -> bool {
        self.0 & facet.bit() != 0
    }

    /// Whether the set has no facet.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Facet> for Facets {
    fn from_iter<I: IntoIterator<Item = Facet>>(facets: I) -> Self {
        facets.into_iter().fold(Self::NONE, Self::with)
    }
}

/// The key policy as the KMS has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPolicy {
    /// Its text.
    Text(String),
    /// The KMS has no key policies, or does not tell this one.
    Untold,
}

impl KeyPolicy {
    /// Its text, if it is told.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

/// A key, as far as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// The provider's id.
    pub id: String,
    /// The provider's canonical reference; at AWS the ARN.
    pub arn: String,
    /// Account that owns the key.
    pub account: String,
    /// Region of the key.
    pub region: String,
    /// Its state.
    pub state: State,
    /// When it will be deleted; only while [`State::PendingDeletion`].
    pub deletion_date: Option<Timestamp>,
    /// Spec, usage, origin, and whether it is a multi-Region key. An empty word means that the KMS did not tell it.
    pub kind: KeyTemplate,
    /// Whether a customer manages the key, or the KMS does not say otherwise. Keyward cannot manage the key of a provider's service: the
    /// KMS refuses even tags.
    pub customer_managed: bool,
    /// Whether it is a primary or a replica. `None`: it has no replicas, or the KMS did not tell.
    pub multi_region: Option<MultiRegion>,
    /// Its description. `None`: not told.
    pub description: Option<String>,
    /// When it was created.
    pub creation_time: Option<Timestamp>,
    /// How old the copy is from which the KMS answered. The KMS's own clock measures it, so a wrong clock here makes no copy look younger.
    /// `None`: the answer is not a copy.
    pub age: Option<SignedDuration>,
    /// An alias, with `alias/`, that the KMS tells together with the key and leaves out of its list of aliases. `None`: there is none.
    pub name: Option<String>,
    /// Automatic rotation. `None`: not read.
    pub rotation: Option<Rotation>,
    /// The rotations of the key, by the KMS's own list. `None`: not read, or not told.
    pub rotations: Option<Rotations>,
    /// Tags. `None`: not read.
    pub tags: Option<Tags>,
    /// All aliases, with `alias/`. `None`: not read.
    pub aliases: Option<Vec<String>>,
    /// The key policy. `None`: not read.
    pub policy: Option<KeyPolicy>,
    /// Facets that could not be read in this round. They are not compared, and not read again in it.
    pub unread: Facets,
}

impl Key {
    /// Whether the marks say that the key is this object's. Tags that were not read show nothing, so then it is not.
    #[must_use]
    pub fn is_of(&self, owner: &Owner) -> bool {
        self.tags.as_ref().is_some_and(|tags| Ownership::of(tags, owner) == Ownership::Ours)
    }

    /// Whether a reference, in any spelling, names this key: its id, its canonical reference, the id inside that reference, an alias, or the ARN or URN of an
    /// alias in the key's own place. Aliases that were not read name nothing.
    #[must_use]
    pub fn is_named_by(&self, reference: &str) -> bool {
        let (place, resource) = parts(reference);
        let (here, own) = parts(&self.arn);
        let has = |alias: &str| self.aliases.iter().flatten().chain(&self.name).any(|known| known == alias);
        if let Some(place) = place {
            return Some(place) == here && (resource == own || resource.is_some_and(|resource| has(&resource.alias())));
        }
        reference == self.id || reference == self.arn || own.is_some_and(|own| own == Resource::Key(reference)) || has(reference)
    }

    /// Whether the key is a replica, and its primary key is in that Region.
    #[must_use]
    pub fn has_its_primary_in(&self, region: &str) -> bool {
        matches!(&self.multi_region, Some(MultiRegion::Replica(primary)) if replica::region(primary) == Some(region))
    }

    /// The intent mark; `Missing` when tags were not read.
    #[must_use]
    pub fn intent(&self) -> IntentMark {
        self.tags.as_ref().map_or(IntentMark::Missing, ownership::intent)
    }

    /// Whether that facet was read.
    #[must_use]
    pub const fn knows(&self, facet: Facet) -> bool {
        match facet {
            Facet::Tags => self.tags.is_some(),
            Facet::Rotation => self.rotation.is_some(),
            Facet::Aliases => self.aliases.is_some(),
            Facet::Policy => self.policy.is_some(),
        }
    }

    /// The facets that matter in its state and are still to be read. While the deletion is pending, AWS reports rotation as off and refuses
    /// changes, so neither rotation nor aliases nor the policy matter then. Tags always matter. `declared`: facets that matter only if they
    /// are declared.
    #[must_use]
    pub fn lacks(&self, limits: &Limits, declared: Facets) -> Facets {
        let matters = |facet: &Facet| match facet {
            Facet::Tags => true,
            Facet::Rotation => !self.state.is_pending() && limits.rotates(&self.kind.spec, &self.kind.origin),
            Facet::Aliases => !self.state.is_pending(),
            Facet::Policy => !self.state.is_pending() && declared.has(Facet::Policy),
        };
        let given_up = |facet: Facet| facet != Facet::Tags && self.unread.has(facet);
        Facet::ALL.into_iter().filter(matters).filter(|facet| !self.knows(*facet) && !given_up(*facet)).collect()
    }

    /// Whether everything was read that matters in its state, or could not be read.
    #[must_use]
    pub fn is_complete(&self, limits: &Limits, declared: Facets) -> bool {
        self.lacks(limits, declared).is_empty()
    }
}

/// What an ARN or a URN names, without its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resource<'a> {
    Key(&'a str),
    /// Without `alias/`.
    Alias(&'a str),
}

impl Resource<'_> {
    /// The alias with `alias/`; empty for a key.
    fn alias(self) -> String {
        if let Self::Alias(name) = self { format!("alias/{name}") } else { String::new() }
    }
}

/// The place and the resource of an ARN, `arn:<partition>:kms:<region>:<account>:key/<id>`, or of a URN, `kms:<region>:<account>:KeyId:<id>`. Neither is known of
/// another text.
fn parts(reference: &str) -> (Option<(&str, &str)>, Option<Resource<'_>>) {
    let arn = || {
        let mut parts = reference.splitn(6, ':');
        let (arn, _partition, _service) = (parts.next()?, parts.next()?, parts.next()?);
        let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
        let resource = match resource.split_once('/')? {
            ("key", id) => Resource::Key(id),
            ("alias", name) => Resource::Alias(name),
            _ => return None,
        };
        (arn == "arn").then_some(((region, account), resource))
    };
    let urn = || {
        let mut parts = reference.splitn(5, ':');
        let (kms, region, account) = (parts.next()?, parts.next()?, parts.next()?);
        let resource = match (parts.next()?, parts.next()?) {
            ("KeyId", id) => Resource::Key(id),
            ("alias", name) => Resource::Alias(name),
            _ => return None,
        };
        (kms == "kms").then_some(((region, account), resource))
    };
    arn().or_else(urn).map_or((None, None), |(place, resource)| (Some(place), Some(resource)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str, arn: &str) -> Key {
        Key {
            id: id.into(),
            arn: arn.into(),
            account: String::new(),
            region: String::new(),
            state: State::Enabled,
            deletion_date: None,
            kind: KeyTemplate::default(),
            customer_managed: true,
            multi_region: None,
            description: None,
            creation_time: None,
            age: None,
            name: Some("alias/own".into()),
            rotation: None,
            rotations: None,
            tags: None,
            policy: None,
            aliases: Some(vec!["alias/orders".into(), "alias/a:b/c".into()]),
            unread: Facets::NONE,
        }
    }

    /// Shows S3.
    #[test]
    fn a_key_is_known_by_every_spelling() {
        let aws = key("cckm-1", "arn:aws:kms:eu-west-1:111122223333:key/1234");
        let place = "kms:eu-west-1:111122223333";
        for (reference, named) in [
            ("cckm-1".to_owned(), true),
            ("1234".to_owned(), true),
            (aws.arn.clone(), true),
            ("alias/orders".to_owned(), true),
            ("alias/own".to_owned(), true),
            (format!("arn:aws:{place}:alias/orders"), true),
            (format!("arn:aws:{place}:alias/a:b/c"), true),
            // AWS looks at no other part of an ARN.
            (format!("arn:aws-cn:{place}:key/1234"), true),
            (format!("arn:aws:{place}:key/orders"), false),
            (format!("arn:aws:{place}:alias/1234"), false),
            (format!("arn:aws:{place}:key/"), false),
            ("arn:aws:kms:us-east-1:111122223333:key/1234".to_owned(), false),
            ("arn:aws:kms:eu-west-1:444455556666:alias/orders".to_owned(), false),
            ("alias/other".to_owned(), false),
            ("orders".to_owned(), false),
            (String::new(), false),
            ("key/1234".to_owned(), false),
        ] {
            assert_eq!(aws.is_named_by(&reference), named, "{reference}");
        }
        let huawei = key("0d04", "kms:eu-west-101:d0:KeyId:0d04");
        for (reference, named) in [
            ("0d04", true),
            ("kms:eu-west-101:d0:KeyId:0d04", true),
            ("alias/a:b/c", true),
            ("kms:eu-west-101:d0:alias:a:b/c", true),
            ("kms:eu-west-101:d0:alias:own", true),
            ("kms:eu-west-101:d1:alias:own", false),
            ("kms:cn-north-4:d0:KeyId:0d04", false),
            ("kms:eu-west-101:d0:key:0d04", false),
        ] {
            assert_eq!(huawei.is_named_by(reference), named, "{reference}");
        }
        assert!(!Key { aliases: None, name: None, ..aws }.is_named_by("alias/orders"), "they were not read");
    }

    #[test]
    fn a_set_has_what_was_put_into_it() {
        for facet in Facet::ALL {
            assert!(!Facets::NONE.has(facet));
            let set: Facets = Facet::ALL.into_iter().filter(|other| *other != facet).collect();
            assert!(Facet::ALL.into_iter().all(|other| set.has(other) == (other != facet)), "{facet:?}");
            assert!(Facet::ALL.into_iter().all(|other| set.with(facet).has(other)), "{facet:?}");
        }
        assert!(Facets::NONE.is_empty() && !Facets::TAGS.is_empty());
    }
}
