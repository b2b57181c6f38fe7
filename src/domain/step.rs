//! The steps that change a key. The plan gives one at a time.

use std::{collections::BTreeSet, fmt};

use super::{
    deletion::{Passed, Saying},
    observed::{Key, KeyPolicy, MultiRegion, Rotation, State},
    ownership::Tags,
    policy::{Document, compare},
};
use crate::api::managed_key::KeyState;

/// Why a key without this object's marks is bound to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The spec names the key, and the provider's rules permit the adoption.
    Adopt,
    /// An earlier object of the same namespace and name owned it.
    TakeUp,
    /// The creation of this object made the key, but stopped before the marks were on it.
    Create,
}

/// One change.
///
/// It is planned as `Step`, and done as `Step<`[`Cleared`](super::deletion::guard::Cleared)`>`. Then a step that can make data unreadable
/// contains the proof that the guard let it pass, instead of the request for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<D = Destruction> {
    /// Create a key with one call that includes the marks, then give it the claim alias.
    Create,
    /// Write all four marks. After that the key belongs to this object.
    Bind {
        /// Why.
        how: How,
        /// The word to write with them.
        say: Saying,
    },
    /// Write the UID and the intent.
    Mark {
        /// The word.
        say: Saying,
    },
    /// Cancel the deletion; the key is disabled afterwards.
    Cancel,
    /// Enable the key.
    Enable,
    /// Disable the key.
    Disable,
    /// Switch rotation on, or change its period.
    StartRotation {
        /// Days between rotations.
        period_days: i32,
    },
    /// Switch rotation off.
    StopRotation,
    /// Rotate the key now.
    RotateOnDemand {
        /// The text that requests it.
        request: String,
    },
    /// Set the description.
    Describe {
        /// The new one.
        description: String,
    },
    /// Set tags.
    Tag {
        /// The tags that differ.
        tags: Tags,
    },
    /// Remove tags.
    Untag {
        /// Tags that this object had set.
        keys: BTreeSet<String>,
    },
    /// Give the key an alias.
    AddAlias {
        /// With the prefix `alias/`.
        alias: String,
    },
    /// Move an alias from another key to this key in one call, so that it always belongs to a key.
    MoveAlias {
        /// With the prefix `alias/`.
        alias: String,
        /// The other key, by its canonical reference.
        from: String,
    },
    /// Remove an alias.
    RemoveAlias {
        /// With the prefix `alias/`.
        alias: String,
    },
    /// Make the key, which is a replica, the primary key.
    MovePrimary {
        /// The primary key until now, by its ARN.
        from: String,
    },
    /// Set the key policy.
    SetPolicy {
        /// The text.
        policy: String,
        /// Why it is not certain that Keyward keeps what it needs, if it is not.
        unsure: Option<String>,
    },
    /// A change that can make data unreadable.
    Destroy(D),
}

/// A change that can make data unreadable. It is done only with the proof that [`guard::check`](super::deletion::guard::check) gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destruction {
    /// Schedule the deletion.
    Schedule {
        /// Days until the KMS deletes the key.
        days: i32,
        /// Why it may pass.
        passed: Passed,
    },
    /// Cancel the deletion and schedule it again, because a window cannot be changed.
    Reschedule {
        /// The new days.
        days: i32,
        /// Why it may pass.
        passed: Passed,
    },
    /// Disable the key because its object is deleted.
    Disable,
}

impl Destruction {
    /// The days of a deletion.
    #[must_use]
    pub const fn days(self) -> Option<i32> {
        match self {
            Self::Schedule { days, .. } | Self::Reschedule { days, .. } => Some(days),
            Self::Disable => None,
        }
    }
}

/// The part of a key that a step changes. A later step on the same part replaces an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Creation and marks.
    Binding,
    /// The state.
    Life,
    /// Automatic rotation.
    Rotation,
    /// The key material, by a rotation on demand.
    OnDemand,
    /// The description.
    Description,
    /// Tags.
    Tags,
    /// Aliases.
    Aliases,
    /// The key policy.
    Policy,
    /// Whether it is the primary key or a replica.
    Role,
}

impl Step {
    /// The part of the key that it changes.
    #[must_use]
    pub const fn part(&self) -> Part {
        match self {
            Self::Create | Self::Bind { .. } | Self::Mark { .. } => Part::Binding,
            Self::Cancel | Self::Enable | Self::Disable | Self::Destroy(_) => Part::Life,
            Self::StartRotation { .. } | Self::StopRotation => Part::Rotation,
            Self::RotateOnDemand { .. } => Part::OnDemand,
            Self::Describe { .. } => Part::Description,
            Self::Tag { .. } | Self::Untag { .. } => Part::Tags,
            Self::AddAlias { .. } | Self::MoveAlias { .. } | Self::RemoveAlias { .. } => Part::Aliases,
            Self::SetPolicy { .. } => Part::Policy,
            Self::MovePrimary { .. } => Part::Role,
        }
    }

    /// Whether it changes only a setting, which the life of the key does not need.
    #[must_use]
    pub const fn is_setting(&self) -> bool {
        matches!(self.part(), Part::Rotation | Part::OnDemand | Part::Description | Part::Tags | Part::Aliases | Part::Policy | Part::Role)
    }

    /// Whether the step could harm another object's key, or destroy data, if the reads behind it were old. Such a step is done at once or
    /// not at all.
    #[must_use]
    pub const fn needs_fresh_reads(&self) -> bool {
        matches!(self, Self::Destroy(_) | Self::Bind { .. } | Self::MoveAlias { .. } | Self::RemoveAlias { .. } | Self::MovePrimary { .. })
    }

    /// Whether it brings a key back. Such a step is allowed even if a fresh read is not possible.
    #[must_use]
    pub const fn saves(&self) -> bool {
        matches!(self, Self::Cancel | Self::Enable)
    }
}

impl<D> Step<D> {
    /// The same step, with another value in `Destroy`.
    ///
    /// # Errors
    /// Returns the error of `destroy`.
    pub fn try_map<C, E>(&self, destroy: impl FnOnce(&D) -> Result<C, E>) -> Result<Step<C>, E> {
        Ok(match self {
            Self::Create => Step::Create,
            Self::Bind { how, say } => Step::Bind { how: *how, say: *say },
            Self::Mark { say } => Step::Mark { say: *say },
            Self::Cancel => Step::Cancel,
            Self::Enable => Step::Enable,
            Self::Disable => Step::Disable,
            Self::StartRotation { period_days } => Step::StartRotation { period_days: *period_days },
            Self::StopRotation => Step::StopRotation,
            Self::RotateOnDemand { request } => Step::RotateOnDemand { request: request.clone() },
            Self::Describe { description } => Step::Describe { description: description.clone() },
            Self::Tag { tags } => Step::Tag { tags: tags.clone() },
            Self::Untag { keys } => Step::Untag { keys: keys.clone() },
            Self::AddAlias { alias } => Step::AddAlias { alias: alias.clone() },
            Self::MoveAlias { alias, from } => Step::MoveAlias { alias: alias.clone(), from: from.clone() },
            Self::RemoveAlias { alias } => Step::RemoveAlias { alias: alias.clone() },
            Self::MovePrimary { from } => Step::MovePrimary { from: from.clone() },
            Self::SetPolicy { policy, unsure } => Step::SetPolicy { policy: policy.clone(), unsure: unsure.clone() },
            Self::Destroy(destruction) => Step::Destroy(destroy(destruction)?),
        })
    }
}

impl Key {
    /// The key after a step took effect, as far as the step alone determines it.
    ///
    /// The controller uses it to continue after a setting without reading it back. The tests use it as their model of a KMS. Values that
    /// the KMS decides, such as the date of a deletion, stay unknown until the next read.
    #[must_use]
    pub fn after(mut self, step: &Step) -> Self {
        match step {
            Step::Create | Step::Bind { .. } | Step::Mark { .. } => {}
            Step::Cancel => {
                self.state = State::Disabled;
                self.deletion_date = None;
                // These were not read while the key was pending.
                self.rotation = None;
                self.aliases = None;
                self.policy = None;
            }
            Step::Enable => self.state = State::Enabled,
            Step::Disable | Step::Destroy(Destruction::Disable) => self.state = State::Disabled,
            Step::StartRotation { period_days } => {
                let before = self.rotation.unwrap_or_default();
                self.rotation = Some(Rotation { enabled: true, period_days: Some(*period_days), ..before });
            }
            Step::StopRotation => self.rotation = Some(Rotation::default()),
            // The list is older than the step.
            Step::RotateOnDemand { .. } => self.rotations = None,
            Step::Describe { description } => self.description = Some(description.clone()),
            Step::Tag { tags } => self.tags.get_or_insert_default().extend(tags.clone()),
            Step::Untag { keys } => self.tags.get_or_insert_default().retain(|key, _| !keys.contains(key)),
            Step::AddAlias { alias } | Step::MoveAlias { alias, .. } => self.aliases.get_or_insert_default().push(alias.clone()),
            Step::RemoveAlias { alias } => self.aliases.get_or_insert_default().retain(|known| known != alias),
            Step::MovePrimary { from } => {
                self.state = State::Updating;
                self.multi_region = Some(MultiRegion::Primary(vec![from.clone()]));
            }
            Step::SetPolicy { policy, .. } => self.policy = Some(KeyPolicy::Text(policy.clone())),
            Step::Destroy(Destruction::Schedule { .. } | Destruction::Reschedule { .. }) => self.state = State::PendingDeletion,
        }
        self
    }
}

/// One part of a key that differs from the spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// A value.
    Value {
        /// The part.
        what: String,
        /// Its value on the key.
        found: String,
        /// Its declared value.
        declared: String,
    },
    /// A part of the key policy, which is named and not shown.
    Policy(String),
}

impl Difference {
    fn new(what: impl Into<String>, found: impl Into<String>, declared: impl Into<String>) -> Self {
        Self::Value { what: what.into(), found: found.into(), declared: declared.into() }
    }

    /// The sentence for a difference that stays.
    #[must_use]
    pub fn left(&self) -> String {
        match self {
            Self::Value { what, found, declared } => format!("{what} is {found}, declared {declared}"),
            Self::Policy(text) => format!("in the key policy, {text}"),
        }
    }

    /// What differs in the key policy, as a clause.
    #[must_use]
    pub fn clause(&self) -> Option<&str> {
        if let Self::Policy(clause) = self { Some(clause) } else { None }
    }

    /// The sentence for a difference that was corrected.
    #[must_use]
    pub fn corrected(&self) -> String {
        match self {
            Self::Value { what, found, declared } => format!("{what} from {found} to {declared}"),
            Self::Policy(text) => format!("the key policy, in which {text}"),
        }
    }
}

impl Step {
    /// Whether the KMS does not report the setting of this key that the step would set.
    #[must_use]
    pub fn is_untold(&self, key: &Key) -> bool {
        match self {
            Self::Describe { .. } => key.description.is_none(),
            Self::SetPolicy { .. } => key.policy == Some(KeyPolicy::Untold),
            Self::StartRotation { .. } => key.rotation.is_some_and(|found| found.enabled && found.period_days.is_none()),
            _ => false,
        }
    }

    /// The differences of the key, as it was read, that this step corrects.
    #[must_use]
    pub fn differences(&self, key: &Key) -> Vec<Difference> {
        let state = || KeyState::from(key.state).as_str();
        let every = |days: i32| format!("every {days} days");
        let rotation = || match key.rotation {
            Some(Rotation { enabled: true, period_days: Some(days), .. }) => every(days),
            Some(Rotation { enabled: true, .. }) => "on".into(),
            _ => "off".into(),
        };
        let tag = |tag: &str| key.tags.as_ref().and_then(|tags| tags.get(tag)).map_or_else(|| "absent".to_owned(), |value| quoted(value));
        let one = |what: &str, found: String, declared: String| vec![Difference::new(what, found, declared)];
        match self {
            Self::Cancel => one("the state", state().into(), "alive".into()),
            Self::Enable => one("the state", state().into(), KeyState::Enabled.as_str().into()),
            Self::Disable => one("the state", state().into(), KeyState::Disabled.as_str().into()),
            Self::StartRotation { period_days } => one("rotation", rotation(), every(*period_days)),
            Self::StopRotation => one("rotation", rotation(), "off".into()),
            Self::Describe { description } => {
                one("the description", key.description.as_deref().map_or_else(|| "unknown".to_owned(), quoted), quoted(description))
            }
            Self::Tag { tags } => {
                tags.iter().map(|(name, value)| Difference::new(format!("tag {name}"), tag(name), quoted(value))).collect()
            }
            Self::Untag { keys } => keys.iter().map(|name| Difference::new(format!("tag {name}"), tag(name), "absent")).collect(),
            Self::AddAlias { alias } => one(alias, "absent".into(), "present".into()),
            Self::MoveAlias { alias, from } => one(alias, format!("on key {from}"), "present".into()),
            Self::RemoveAlias { alias } => one(alias, "present".into(), "absent".into()),
            Self::MovePrimary { from } => one("the primary key", from.clone(), "this key".into()),
            Self::SetPolicy { policy, .. } => policy_differences(policy, key).into_iter().map(Difference::Policy).collect(),
            Self::Create | Self::Bind { .. } | Self::Mark { .. } | Self::RotateOnDemand { .. } | Self::Destroy(_) => Vec::new(),
        }
    }
}

/// What differs between a declared policy and the one of the key, each as a clause.
fn policy_differences(declared: &str, key: &Key) -> Vec<String> {
    let Some(KeyPolicy::Text(found)) = &key.policy else { return vec!["nothing is told by the KMS".into()] };
    match (Document::read(declared), Document::read(found)) {
        (Ok(declared), Ok(found)) => {
            let mut all: Vec<String> = compare::differences(&declared, &found, &key.arn).iter().map(ToString::to_string).collect();
            let deleted = compare::deleted_principals(&found);
            if !deleted.is_empty() {
                let ids = deleted.into_iter().map(quoted_id).collect::<Vec<_>>().join(", ");
                all.push(format!("{ids} is what is left of a principal that was deleted"));
            }
            all
        }
        _ => vec!["the policy of the key cannot be read".into()],
    }
}

/// An id of AWS, shortened so that it fits into a sentence.
fn quoted_id(id: &str) -> String {
    id.chars().take(32).collect()
}

/// A text from a key or a spec, shortened so that it fits into a sentence.
fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create => f.write_str("create the key"),
            Self::Bind { how: How::Adopt, .. } => f.write_str("adopt the key"),
            Self::Bind { how: How::TakeUp, .. } => f.write_str("take the key up again"),
            Self::Bind { how: How::Create, .. } => f.write_str("mark the created key"),
            Self::Mark { say: Saying::Live } => f.write_str("mark the key live"),
            Self::Mark { say: Saying::Held(_) } => f.write_str("mark the key held"),
            Self::Mark { say: Saying::Again } => f.write_str("write the last word on the key again"),
            Self::Cancel => f.write_str("cancel the deletion"),
            Self::Enable => f.write_str("enable the key"),
            Self::Disable | Self::Destroy(Destruction::Disable) => f.write_str("disable the key"),
            Self::StartRotation { period_days } => write!(f, "rotate the key every {period_days} days"),
            Self::StopRotation => f.write_str("stop rotating the key"),
            Self::RotateOnDemand { .. } => f.write_str("rotate the key on demand"),
            Self::Describe { .. } => f.write_str("set the description"),
            Self::Tag { tags } => write!(f, "set the tags {}", tags.keys().map(String::as_str).collect::<Vec<_>>().join(", ")),
            Self::Untag { keys } => write!(f, "remove the tags {}", keys.iter().map(String::as_str).collect::<Vec<_>>().join(", ")),
            Self::AddAlias { alias } => write!(f, "add {alias}"),
            Self::MoveAlias { alias, from } => write!(f, "move {alias} here from key {from}"),
            Self::RemoveAlias { alias } => write!(f, "remove {alias}"),
            Self::MovePrimary { from } => write!(f, "make it the primary key in place of {from}"),
            Self::SetPolicy { .. } => f.write_str("set the key policy"),
            Self::Destroy(Destruction::Schedule { days, .. }) => write!(f, "schedule the deletion in {days} days"),
            Self::Destroy(Destruction::Reschedule { days, .. }) => write!(f, "change the scheduled deletion to {days} days"),
        }
    }
}
