//! The next step. It follows from what is declared, what is remembered and what was seen, as in this table:
//!
//! | observed | live, `enabled: true` | live, `enabled: false` | `deletionScheduleDays: N` |
//! |---|---|---|---|
//! | absent, never bound | find by claim, else create | find by claim, else create, then disable | find by claim, else stall |
//! | absent, was bound | count, then stall | count, then stall | count, then stall |
//! | Enabled | settings | settings, disable last | guard, schedule |
//! | Disabled | enable, settings | what a disabled key allows | guard, schedule |
//! | pending deletion | cancel, enable, mark live | cancel, mark live | rest, or change the days |
//! | `PendingImport`, `Unavailable` | say so | rest | guard, schedule |
//! | Creating, Updating | wait | wait | wait |
//!
//! There is one step at a time, in the order cancel → enable → mark → settings → disable. Each step is planned on a fresh view of the key.
//! This module must never read a clock or a network. No condition decides a step.

use super::{
    memory::Memory,
    observed::{Key, Observed},
    step::Step,
};
use crate::api::{ConditionType, Reason, condition, managed_key::ManagementPolicy};

mod absent;
mod bind;
mod bound;
mod live;
mod on_demand;
mod outcome;
mod replica;
mod scheduled;
mod tried;

pub use self::absent::named_elsewhere;
pub(crate) use self::absent::{elsewhere, not_here};
pub(crate) use self::live::policy_before_cancel;
pub(super) use self::outcome::{stale, unsettled};
pub(crate) use self::scheduled::edge;
use self::{
    bound::bound,
    on_demand::Demand,
    outcome::{of_another_account, stall, wait},
};
pub use self::{
    outcome::{Gone, Note, OtherOwner, Plan, Read, Rest, Situation, Undone},
    tried::Tried,
};

/// The next step.
#[must_use]
pub fn plan(situation: &Situation<'_>, observed: &Observed) -> Plan {
    let decided = match observed {
        Observed::Absent(searched) => absent::absent(situation, *searched),
        Observed::Several(keys) => stall(
            Reason::ClaimUnclear,
            format!(
                "{} keys have this object's marks: {}; remove the keyward-* tags from all keys but the one to keep",
                keys.len(),
                keys.join(", ")
            ),
        ),
        Observed::Present(key) => match out_of_reach(situation, key) {
            Some(plan) => return plan,
            None => present(situation, key),
        },
    };
    let decided = match (decided, observed) {
        (Plan::Rest(rest), Observed::Present(key)) => requested(situation, key, rest),
        (decided, _) => decided,
    };
    let decided = match (decided, observed) {
        (Plan::Do(step), Observed::Present(key)) if !step.saves() => stale(situation, key).map_or(Plan::Do(step), Plan::Wait),
        (Plan::Rest(rest), Observed::Present(key)) => Plan::Rest(Rest { stale: stale(situation, key).map(|note| note.message), ..rest }),
        (decided, _) => decided,
    };
    match (decided, observed) {
        // A part that was not read counts as declared only if the plan is to do nothing.
        (Plan::Rest(rest), _) => Plan::Rest(rest),
        (_, Observed::Present(key)) if !situation.is_complete(key) => Plan::Read(Read::Facets),
        (plan, _) => plan,
    }
}

/// The plan for a key that is as declared, if its object requests a rotation.
fn requested(s: &Situation<'_>, key: &Key, rest: Rest) -> Plan {
    // An object that only observes has no marks on the key.
    if rest.unbound && s.desired.policy != ManagementPolicy::Observe {
        return Plan::Rest(rest);
    }
    match on_demand::demand(s, key) {
        Demand::Nothing => Plan::Rest(rest),
        Demand::Read => Plan::Read(Read::Rotations),
        // A request makes no key that is as declared less ready.
        Demand::Rotate(_) if let Some(Note { message, .. }) = stale(s, key) => {
            let note = Note { reason: Reason::RotationPending, message };
            Plan::Rest(Rest { demand: Some(Undone { note, stalled: false, again: None }), ..rest })
        }
        Demand::Rotate(step) => Plan::Do(step),
        Demand::Undone(undone) => Plan::Rest(Rest { demand: Some(undone), ..rest }),
    }
}

/// Whether an object is bound to this key and may take it again, or would take it now. An object that has another key, or that is refused,
/// does neither.
#[must_use]
pub fn takes(situation: &Situation<'_>, key: &Key) -> bool {
    let Situation { desired, memory, rules, .. } = situation;
    if memory.reference().is_some_and(|known| known != key.arn && known != key.id) {
        return false;
    }
    // If something keeps the object from its key for now, such as a pause, the key still goes to nobody else.
    let tags = key.tags.clone().unwrap_or_default();
    let keeps = memory.is_bound() && rules.admits_adoption(&desired.owner.namespace, &key.arn, &tags);
    keeps
        || !desired.paused
            && matches!(plan(situation, &Observed::Present(Box::new(key.clone()))), Plan::Do(Step::Bind { .. } | Step::Cancel))
}

/// A key was found.
fn present(s: &Situation<'_>, key: &Key) -> Plan {
    let applied = s.memory.status.applied.as_ref();
    // The default tags of the provider may have changed as well.
    let defaults = s.rules.default_tags_digest();
    let news = applied.is_none_or(|applied| applied.generation != s.desired.generation || applied.default_tags != defaults);
    if !s.is_complete(key) && (news || differed(s.memory)) {
        return Plan::Read(Read::Facets);
    }
    match &key.tags {
        // This key is not the one that the creation may have made.
        Some(tags) if s.memory.reference().is_none() && !key.is_of(&s.desired.owner) => {
            absent::begun_elsewhere(s).or_else(|| bind::bind(s, key, tags)).unwrap_or_else(|| bound(s, key))
        }
        Some(tags) => bind::bind(s, key, tags).unwrap_or_else(|| bound(s, key)),
        None if s.memory.is_bound() => bound(s, key),
        None => Plan::Read(Read::Facets),
    }
}

/// A key that no object may have through this provider. Its marks do not matter and are not read.
fn out_of_reach(s: &Situation<'_>, key: &Key) -> Option<Plan> {
    if (&key.account, &key.region) != (&s.rules.account, &s.rules.region) {
        return Some(stall(Reason::AdoptionNotAllowed, of_another_account(&key.arn, &key.account, &key.region, s.rules)));
    }
    (!key.customer_managed).then(|| {
        stall(
            Reason::AdoptionNotAllowed,
            format!("key {} is managed by a service of the provider, and Keyward manages only customer keys; name another key", key.arn),
        )
    })
}

/// Whether the last report said that something differs, or belongs to another object. Then everything is read each time; otherwise the
/// report would come and go from read to read.
fn differed(memory: &Memory) -> bool {
    let synced = condition::find(&memory.status.conditions, ConditionType::Synced);
    let said = |reason: Reason| synced.is_some_and(|synced| synced.reason == reason.as_str());
    synced.is_some_and(|synced| synced.status != "True") || said(Reason::Drifted) || said(Reason::Disabled)
}
