//! What failed in a round, or has to wait for another object, so that the rest of it goes on without: the life of a key never waits for its settings, nor one setting for another.

use std::collections::BTreeMap;

use crate::domain::{
    deletion::Saying,
    failure::{Failure, FailureKind},
    step::{Part, Step},
};

/// What failed in this round, and is not tried again in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tried {
    steps: Vec<Step>,
    /// The KMS did not answer to a setting: the others would only wait for it as well.
    settings_over: bool,
    /// Rotation has to come before the key is disabled, and failed so in the round before. It had its one try.
    rotation_had_its_try: bool,
    /// Aliases of other keys that may come to this one, and the keys that have them.
    comes: BTreeMap<String, String>,
    /// Aliases that stay on the key though they are not declared, and why.
    stays: BTreeMap<String, String>,
}

impl Tried {
    /// Nothing failed yet; whether rotation failed in the round before, for the same spec.
    #[must_use]
    pub const fn new(rotation_had_its_try: bool) -> Self {
        Self { steps: Vec::new(), settings_over: false, rotation_had_its_try, comes: BTreeMap::new(), stays: BTreeMap::new() }
    }

    /// Notes that a step failed. `false`: nothing more may be done in this round.
    pub fn goes_on_without(&mut self, step: &Step, failure: &Failure) -> bool {
        let passable = step.is_setting() || matches!(step, Step::Enable | Step::Disable | Step::Mark { say: Saying::Live });
        if !passable || failure.kind.ends_round() {
            return false;
        }
        self.settings_over |= failure.kind == FailureKind::Unavailable;
        self.steps.push(step.clone());
        true
    }

    /// Notes that an alias may come from that key.
    pub fn comes(&mut self, alias: &str, from: &str) {
        self.comes.insert(alias.into(), from.into());
    }

    /// Notes that an alias is not taken away in this round, and why.
    pub fn stays(&mut self, alias: &str, why: String) {
        self.stays.insert(alias.into(), why);
    }

    /// Why aliases stay on the key that are not declared.
    pub(super) fn staying(&self) -> Option<String> {
        (!self.stays.is_empty()).then(|| self.stays.values().cloned().collect::<Vec<_>>().join("; "))
    }

    /// The steps as what is known of other objects lets them be done. A key that has no room takes no alias while one stays on it.
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

    /// Leaves a setting out of this round that was set a moment ago and did not stick.
    pub fn leave_out(&mut self, step: &Step) {
        self.steps.push(step.clone());
    }

    /// Whether something that changes that part of the key was left out.
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
