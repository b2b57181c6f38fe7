//! What a look at the KMS found.
//!
//! A look need not read everything: what was not read is `None`, and is neither compared nor changed. `Absent` is a value, not an error.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::{
    deletion::IntentMark,
    limits::Limits,
    ownership::{self, Tags},
    step::Step,
};
use crate::api::managed_key::{KeyState, KeyTemplate};

/// What was found for an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Observed {
    /// No key answers to the object's reference, or to its claim.
    Absent(Searched),
    /// This key.
    Present(Box<Key>),
    /// Several keys bear the object's marks, and its claim alias names none of them.
    Several(Vec<String>),
}

/// How far a search for a key went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Searched {
    /// The one reference that is known, or the claim alias.
    Reference,
    /// The marks of every key of the account and Region, too.
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

    /// Whether the key is on its way out.
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

/// A multi-Region key's place among its replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MultiRegion {
    /// The primary, with the ARNs of its replicas.
    Primary(Vec<String>),
    /// A replica; rotation is set on its primary, whose ARN this is.
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
    /// When it last rotated the key, where the KMS tells that along with the rest; `None`: it says nothing of it, and may have a list of its own.
    pub last: Option<Timestamp>,
}

/// A part of a key that takes a read of its own and that its life does not need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Facet {
    /// Automatic rotation.
    Rotation,
    /// Aliases.
    Aliases,
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
    /// Spec, usage, origin, and whether it is a multi-Region key. A word that is empty was not told.
    pub kind: KeyTemplate,
    /// Whether it is a customer's key, or not said to be another. Nothing can be done to a key that a provider's service manages: the KMS refuses even its marks.
    pub customer_managed: bool,
    /// Its place among replicas; `None`: it has none, or it was not told.
    pub multi_region: Option<MultiRegion>,
    /// Its description; `None`: not told.
    pub description: Option<String>,
    /// When it was created.
    pub creation_time: Option<Timestamp>,
    /// How old the copy is that the answer is from, by the clock of the KMS itself, so that clocks that differ make no copy younger than it is; `None`: the
    /// answer is the key's own.
    pub age: Option<SignedDuration>,
    /// Automatic rotation; `None`: not read.
    pub rotation: Option<Rotation>,
    /// When the KMS rotated the key, by its own list; `None`: not read, or not told.
    pub rotations: Option<Vec<Timestamp>>,
    /// Tags; `None`: not read.
    pub tags: Option<Tags>,
    /// Aliases with the prefix `alias/`; `None`: not read.
    pub aliases: Option<Vec<String>>,
    /// What could not be read in this round. It is not compared, and not asked for again.
    pub unread: BTreeSet<Facet>,
    /// Whether the object named by another's mark exists; `None`: not asked.
    pub other_owner_exists: Option<bool>,
}

impl Key {
    /// The intent mark; `Missing` when tags were not read.
    #[must_use]
    pub fn intent(&self) -> IntentMark {
        self.tags.as_ref().map_or(IntentMark::Missing, ownership::intent)
    }

    /// Whether everything was read that can matter in its state. While pending, AWS reports rotation off and refuses changes, so neither
    /// rotation nor aliases are read.
    #[must_use]
    pub fn is_complete(&self, limits: &Limits) -> bool {
        let unread = |facet| self.unread.contains(&facet);
        let rotation = self.rotation.is_some() || unread(Facet::Rotation) || !limits.rotates(&self.kind.spec, &self.kind.origin);
        let aliases = self.aliases.is_some() || unread(Facet::Aliases);
        self.tags.is_some() && (self.state.is_pending() || (rotation && aliases))
    }

    /// The key after a step took effect, as far as that follows from the step alone.
    ///
    /// The controller uses it to go on after a setting without reading it back, and the tests as their model of a KMS. What a KMS decides
    /// itself, such as the date of a deletion, is left for the next look.
    #[must_use]
    pub fn after(mut self, step: &Step) -> Self {
        match step {
            Step::Create | Step::Bind { .. } | Step::Mark { .. } => {}
            Step::Cancel => {
                self.state = State::Disabled;
                self.deletion_date = None;
                // Both were not read while the key was pending.
                self.rotation = None;
                self.aliases = None;
            }
            Step::Enable => self.state = State::Enabled,
            Step::Disable => self.state = State::Disabled,
            Step::StartRotation { period_days } => {
                let before = self.rotation.unwrap_or_default();
                self.rotation = Some(Rotation { enabled: true, period_days: Some(*period_days), ..before });
            }
            Step::StopRotation => self.rotation = Some(Rotation::default()),
            Step::Describe { description } => self.description = Some(description.clone()),
            Step::Tag { tags } => self.tags.get_or_insert_default().extend(tags.clone()),
            Step::Untag { keys } => self.tags.get_or_insert_default().retain(|key, _| !keys.contains(key)),
            Step::AddAlias { alias } | Step::MoveAlias { alias, .. } => self.aliases.get_or_insert_default().push(alias.clone()),
            Step::RemoveAlias { alias } => self.aliases.get_or_insert_default().retain(|known| known != alias),
            Step::Schedule { .. } | Step::Reschedule { .. } => self.state = State::PendingDeletion,
        }
        self
    }
}
