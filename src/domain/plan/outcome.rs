//! What a plan is made from and what comes out of it, and the sentences that several files of the planner have.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Tried;
use crate::{
    api::{Reason, managed_key::Missing},
    domain::{
        candidates::Unmarked,
        deletion::hold::Hold,
        desired::Desired,
        memory::Memory,
        observed::{Key, State},
        primary::Primary,
        rules::Rules,
        settings,
        step::Step,
    },
};

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
    /// The primary key of a replica that is to be made, or to become the primary key; `None`: it was not read.
    pub primary: Option<&'a Primary>,
}

impl Situation<'_> {
    /// Whether everything was read of the key that matters for this object.
    pub(super) fn is_complete(&self, key: &Key) -> bool {
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
    /// A rotation on demand that is requested and not done. Everything else is applied.
    pub demand: Option<Undone>,
    /// Set if the KMS answered from a copy that is too old to base a change on.
    pub stale: Option<String>,
    /// Whether the object does not own the key. Either the key is pending deletion and accepts no marks, or the object only observes a key
    /// that does not have its marks.
    pub unbound: bool,
}

/// A rotation on demand that is requested and not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undone {
    /// Why, and the way out.
    pub note: Note,
    /// Whether a person must act.
    pub stalled: bool,
    /// How soon the key is looked at again because of it. `None`: at the next regular look.
    pub again: Option<Duration>,
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
    /// The rotations of the key that the KMS has on record.
    Rotations,
    /// The primary key of the replica that the object declares or has, and whether the replica exists.
    Primary,
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

pub(super) fn stall(reason: Reason, message: impl Into<String>) -> Plan {
    Plan::Stall(Note { reason, message: message.into() })
}

pub(super) fn wait(reason: Reason, message: impl Into<String>) -> Plan {
    Plan::Wait(Note { reason, message: message.into() })
}

/// The sentence about a copy that is too old. No change may rest on such a copy, except a change that brings the key back.
pub(in crate::domain) fn stale(s: &Situation<'_>, key: &Key) -> Option<Note> {
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

pub(super) fn of_another_account(key: &str, account: &str, region: &str, rules: &Rules) -> String {
    format!(
        "key {key} is in account {account} and Region {region}, and KeyProvider {} is for account {} and Region {}; \
         make an object that names the provider for that account and Region",
        rules.name, rules.account, rules.region
    )
}

/// The sentence about a key on which the KMS still works. No call may change such a key.
pub(in crate::domain) fn unsettled(key: &Key) -> Option<Note> {
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
