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

use jiff::{SignedDuration, Timestamp};

use super::{
    candidates::Unmarked,
    deletion::hold::Hold,
    desired::{Desired, Life},
    memory::Memory,
    observed::{Key, Observed, State},
    rules::Rules,
    settings,
    step::Step,
};
use crate::api::{
    ConditionType, Reason, condition,
    managed_key::{ManagementPolicy, Missing},
};

mod absent;
mod bind;
mod live;
mod scheduled;
mod tried;

pub use self::absent::named_elsewhere;
pub(crate) use self::absent::{elsewhere, not_here};
pub(crate) use self::live::policy_before_cancel;
pub(crate) use self::scheduled::edge;
pub use self::tried::Tried;

/// Everything that a decision needs, except what was read of the key.
#[derive(Clone, Debug)]
pub struct Situation<'a> {
    /// What the object declares.
    pub desired: &'a Desired,
    /// What the object remembers.
    pub memory: &'a Memory,
    /// What the provider allows.
    pub rules: &'a Rules,
    /// The time of the read.
    pub now: Timestamp,
    /// How long a key must be absent before it counts as gone. At least three answers are needed too.
    pub missing_after: SignedDuration,
    /// How long a creation with an unknown outcome prevents another creation.
    pub attempt_wait: SignedDuration,
    /// What failed in this round.
    pub tried: &'a Tried,
    /// What a live read said about the object that the key's owner mark names; `None`: it was not asked for.
    pub other_owner: Option<&'a OtherOwner>,
    /// The keys that no mark gives to an object; `None`: they were not asked for.
    pub unmarked: Option<&'a Unmarked>,
}

impl Situation<'_> {
    /// Whether everything was read of the key that matters for this object.
    fn is_complete(&self, key: &Key) -> bool {
        key.is_complete(self.rules.limits(), settings::declared_facets(self.desired, self.rules))
    }
}

/// Whether the object that an owner mark names exists, read live in this round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherOwner {
    /// The owner mark.
    pub mark: String,
    /// Whether that object exists.
    pub exists: bool,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// Do nothing: the key is as declared, or the policy leaves it as it is.
    Rest(Rest),
    /// Read more before deciding.
    Read(Read),
    /// One step.
    Do(Step),
    /// Wait: the cause will pass without a person.
    Wait(Note),
    /// A person must act.
    Stall(Note),
    /// A deletion is requested, and the marks hold it.
    Hold(Hold),
    /// The key was not found.
    Missing(Missing, Note, Gone),
}

/// How a round ends when nothing is left to do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rest {
    /// Differences that the policy leaves as they are.
    pub drift: Vec<String>,
    /// Whether the key's state is among them.
    pub life_drifted: bool,
    /// Settings that wait for another state of the key.
    pub waits: Option<String>,
    /// Settings that the key or the provider cannot accept. The others are applied.
    pub refused: Option<Note>,
    /// Aliases that stay on the key for now although they are not declared, and why.
    pub stays: Option<String>,
    /// Set if the KMS answered from a copy that is too old to base a change on.
    pub stale: Option<String>,
    /// Whether the object does not own the key. Either the key is pending deletion and accepts no marks, or the object only observes a key
    /// that does not have its marks.
    pub unbound: bool,
}

/// What to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// Tags, rotation and aliases of the key.
    Facets,
    /// The marks of every key.
    Everywhere,
    /// Whether the object exists that this owner mark of the key names.
    OtherOwner(String),
    /// The keys that no mark gives to an object. They are only named in a message.
    Unmarked,
}

/// A reason and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// For conditions.
    pub reason: Reason,
    /// For people: what was seen, and what to do next.
    pub message: String,
}

/// Whether a key that is not found counts as gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// Not yet.
    Unsure,
    /// Its deletion date has passed.
    Deleted,
    /// No deletion was known.
    Lost,
}

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

fn stall(reason: Reason, message: impl Into<String>) -> Plan {
    Plan::Stall(Note { reason, message: message.into() })
}

fn wait(reason: Reason, message: impl Into<String>) -> Plan {
    Plan::Wait(Note { reason, message: message.into() })
}

/// The sentence about a copy that is too old. No change may rest on such a copy, except a change that brings the key back.
pub(super) fn stale(s: &Situation<'_>, key: &Key) -> Option<Note> {
    let most = s.rules.max_staleness.filter(|_| s.rules.stale(key))?;
    let message = format!(
        "key {1} is not changed, because the copy that {0} has of it is older than maxStalenessSeconds ({2}), and the refresh from AWS \
         did not end; check the connection of {0} to AWS",
        s.rules.limits().name,
        key.arn,
        most.as_secs()
    );
    Some(Note { reason: Reason::StaleView, message })
}

/// A key was found.
fn present(s: &Situation<'_>, key: &Key) -> Plan {
    let applied = s.memory.status.applied.as_ref();
    let news = applied.is_none_or(|applied| applied.generation != s.desired.generation);
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

fn of_another_account(key: &str, account: &str, region: &str, rules: &Rules) -> String {
    format!(
        "key {key} is in account {account} and Region {region}, and KeyProvider {} is for account {} and Region {}; \
         make an object that names the provider for that account and Region",
        rules.name, rules.account, rules.region
    )
}

/// Whether the last report said that something differs, or belongs to another object. Then everything is read each time; otherwise the
/// report would come and go from read to read.
fn differed(memory: &Memory) -> bool {
    let synced = condition::find(&memory.status.conditions, ConditionType::Synced);
    let said = |reason: Reason| synced.is_some_and(|synced| synced.reason == reason.as_str());
    synced.is_some_and(|synced| synced.status != "True") || said(Reason::Drifted) || said(Reason::Disabled)
}

/// The sentence about a key on which the KMS still works. No call may change such a key.
pub(super) fn unsettled(key: &Key) -> Option<Note> {
    let (reason, work) = match key.state {
        State::Creating => (Reason::Creating, "creating it"),
        State::Updating => (Reason::Updating, "updating it, for example because its primary Region changes"),
        State::Enabled
        | State::Disabled
        | State::PendingDeletion
        | State::PendingReplicaDeletion
        | State::PendingImport
        | State::Unavailable => return None,
    };
    let message =
        format!("key {} is not changed now, because the KMS is still {work}; Keyward waits for that, and continues by itself", key.arn);
    Some(Note { reason, message })
}

/// The key belongs to this object.
fn bound(s: &Situation<'_>, key: &Key) -> Plan {
    match s.desired.life {
        _ if let Some(note) = unsettled(key) => Plan::Wait(note),
        _ if s.desired.policy == ManagementPolicy::Observe => live::unusable(s, key).unwrap_or_else(|| Plan::Rest(live::observe(s, key))),
        Life::Live => live::live(s, key),
        Life::Scheduled(days) => scheduled::scheduled(s, key, days),
    }
}
