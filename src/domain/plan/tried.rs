//! What failed in a round, or must wait for another object. The rest of the round continues without it, because the life of a key never
//! waits for its settings, and one setting never waits for another.

use std::collections::BTreeMap;

use crate::domain::{
    deletion::Saying,
    failure::{Failure, FailureKind},
    step::{Part, Step},
};

/// What failed in this round. It is not tried again in the same round.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tried {
    steps: Vec<Step>,
    /// The KMS did not answer a call for a setting. The other settings would only wait for it as well.
    settings_over: bool,
    /// Rotation had its one attempt before the key is disabled, and failed in the round before.
    rotation_had_its_try: bool,
    /// Aliases of other keys that may be moved to this key, and the keys that have them.
    comes: BTreeMap<String, String>,
    /// Aliases that stay on the key although they are not declared, and why.
    stays: BTreeMap<String, String>,
    /// The KMS's list of rotations could not be read.
    rotations_unread: bool,
    /// Why the KMS does not rotate the key on demand for now.
    rotation_refused: Option<String>,
}

impl Tried {
    /// The start of a round. `rotation_had_its_try`: whether rotation failed in the round before, for the same spec.
    #[must_use]
    pub const fn new(rotation_had_its_try: bool) -> Self {
        Self {
            steps: Vec::new(),
            settings_over: false,
            rotation_had_its_try,
            comes: BTreeMap::new(),
            stays: BTreeMap::new(),
            rotations_unread: false,
            rotation_refused: None,
        }
    }

    /// Records that the KMS's list of rotations could not be read.
    pub const fn leave_rotations_unread(&mut self) {
        self.rotations_unread = true;
    }

    /// Whether the KMS's list of rotations could not be read.
    pub(super) const fn rotations_are_unread(&self) -> bool {
        self.rotations_unread
    }

    /// Records that the KMS does not rotate the key on demand for now, and why.
    pub fn refuse_rotation(&mut self, why: String) {
        self.rotation_refused = Some(why);
    }

    /// Why the KMS does not rotate the key on demand for now.
    pub(super) fn rotation_refused_for_now(&self) -> Option<&str> {
        self.rotation_refused.as_deref()
    }

    /// Records that a step failed. Returns `false` if nothing more may be done in this round.
    pub fn goes_on_without(&mut self, step: &Step, failure: &Failure) -> bool {
        let passable = step.is_setting() || matches!(step, Step::Enable | Step::Disable | Step::Mark { say: Saying::Live });
        if !passable || failure.kind.ends_round() {
            return false;
        }
        self.settings_over |= failure.kind == FailureKind::Unavailable;
        self.steps.push(step.clone());
        true
    }

    /// Records that an alias may be moved from that key.
    pub fn comes(&mut self, alias: &str, from: &str) {
        self.comes.insert(alias.into(), from.into());
    }

    /// Records that an alias is not removed in this round, and why.
    pub fn stays(&mut self, alias: &str, why: String) {
        self.stays.insert(alias.into(), why);
    }

    /// Why aliases that are not declared stay on the key.
    pub(super) fn staying(&self) -> Option<String> {
        (!self.stays.is_empty()).then(|| self.stays.values().cloned().collect::<Vec<_>>().join("; "))
    }

    /// The steps that the state of other objects allows. If the key has no room, it gets no new alias while one must stay on it.
    pub(super) fn among_others(&self, steps: Vec<Step>, full: bool) -> Vec<Step> {
        let one = |step| match step {
            Step::RemoveAlias { alias } if self.stays.contains_key(&alias) => None,
            Step::AddAlias { .. } if full && !self.stays.is_empty() => None,
            Step::AddAlias { alias } => Some(match self.comes.get(&alias) {
                Some(from) => Step::MoveAlias { alias, from: from.clone() },
                None => Step::AddAlias { alias },
            }),
            step => Some(step),
        };
        steps.into_iter().filter_map(one).collect()
    }

    /// Leaves out of this round a setting that was set a moment ago and did not stay.
    pub fn leave_out(&mut self, step: &Step) {
        self.steps.push(step.clone());
    }

    /// Whether a step that changes this part of the key was left out.
    #[must_use]
    pub fn left_out(&self, part: Part) -> bool {
        self.settings_over || self.steps.iter().any(|step| step.part() == part)
    }

    /// Whether a step is left out of the rest of the round.
    pub(super) fn leaves_out(&self, step: &Step) -> bool {
        self.steps.contains(step) || (self.settings_over && step.is_setting())
    }

    /// Whether a step may still come before the key is disabled.
    pub(super) fn may_come_first(&self, step: &Step) -> bool {
        step.part() == Part::Rotation && !self.rotation_had_its_try
    }
}
