//! The one gate before every call that can make data unreadable: `ScheduleKeyDeletion`, and `DisableKey` when an object is deleted.
//!
//! It is asked right before the call, over reads made for that call. It is a list of rules, each a function and a row in the table of tests: a new
//! rule is a function, a line in [`RULES`] and rows in the tests. If one rule holds, nothing is called.

use jiff::Timestamp;

use super::{
    deletion::{self, Edge, Passed, Saying},
    desired::Desired,
    memory::Memory,
    observed::Key,
    ownership::Ownership,
    plan::{self, Hold},
    rules::Rules,
};
use crate::api::Reason;

/// What was read for this one call.
#[derive(Clone, Debug)]
pub struct Evidence<'a> {
    /// What is to be done.
    pub ask: Ask,
    /// The object, read live.
    pub desired: &'a Desired,
    /// The object's memory, read live.
    pub memory: &'a Memory,
    /// Whether the live object, planned again, still asks for exactly this.
    pub still_asked: bool,
    /// The provider, read live.
    pub rules: &'a Rules,
    /// The key, read live, marks included.
    pub key: &'a Key,
    /// Whether the namespace or the CRD is being deleted.
    pub terminating: bool,
    /// Now.
    pub now: Timestamp,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Schedule the deletion, with these days.
    Schedule(i32),
    /// Disable the key because its object is deleted.
    Disable,
}

/// Holds, or has nothing against it.
type Rule = fn(&Evidence<'_>) -> Option<Reason>;

/// The rules, in the order in which they are asked. The first that holds is the one that is reported.
pub const RULES: &[(&str, Rule)] = &[
    ("nothing is destroyed because a namespace or the CRD goes", terminating),
    ("the key bears this object's marks", owned),
    ("what the KMS says of the key is new enough", fresh),
    ("the live object still asks for exactly this", still_asked),
    ("the window is one that the provider accepts", window),
    ("the marks saw the key alive before the object asked", edge),
    ("the provider is not stopped", stopped),
    ("a person confirmed, where the provider demands it", confirmed),
];

/// Asks every rule.
///
/// # Errors
/// The first hold, with the sentence for `DeletionHeld`.
pub fn check(evidence: &Evidence<'_>) -> Result<(), Hold> {
    match RULES.iter().find_map(|(_, rule)| rule(evidence)) {
        None => Ok(()),
        Some(reason) => Err(plan::hold(evidence.desired, evidence.key, evidence.days(), reason)),
    }
}

impl Evidence<'_> {
    fn days(&self) -> Option<i32> {
        if let Ask::Schedule(days) = self.ask { Some(days) } else { None }
    }

    /// Whether the object bears the token for the key's present mark.
    fn has_token(&self) -> bool {
        let token = self.key.intent().token(&self.key.id);
        token.is_some() && token == self.desired.confirmation
    }
}

fn terminating(evidence: &Evidence<'_>) -> Option<Reason> {
    evidence.terminating.then_some(Reason::Terminating)
}

fn owned(evidence: &Evidence<'_>) -> Option<Reason> {
    let ours = evidence.key.tags.as_ref().is_some_and(|tags| Ownership::of(tags, &evidence.desired.owner) == Ownership::Ours);
    (!ours).then_some(Reason::NotOwned)
}

fn fresh(evidence: &Evidence<'_>) -> Option<Reason> {
    evidence.rules.stale(evidence.key).then_some(Reason::StaleView)
}

fn still_asked(evidence: &Evidence<'_>) -> Option<Reason> {
    (!evidence.still_asked).then_some(Reason::StaleObject)
}

fn window(evidence: &Evidence<'_>) -> Option<Reason> {
    match evidence.ask {
        Ask::Schedule(days) => plan::window_refused(days, evidence.rules).map(|_| Reason::InvalidSpec),
        Ask::Disable => None,
    }
}

/// What the marks say; `None`: they are not asked.
fn asked_edge(evidence: &Evidence<'_>) -> Option<Edge> {
    let Ask::Schedule(days) = evidence.ask else {
        return None;
    };
    let confirmation = evidence.desired.confirmation.as_deref();
    Some(deletion::edge(days, evidence.desired.generation, evidence.key, &evidence.memory.status, confirmation, evidence.now))
}

fn edge(evidence: &Evidence<'_>) -> Option<Reason> {
    match asked_edge(evidence)? {
        Edge::Passes(_) => None,
        Edge::Holds(reason) => Some(reason),
        Edge::Say(Saying::Held(reason)) => Some(reason.into()),
        Edge::Say(Saying::Live | Saying::Again) => Some(Reason::CancelledOutside),
        Edge::CountEnded => Some(Reason::RollbackSuspected),
    }
}

fn stopped(evidence: &Evidence<'_>) -> Option<Reason> {
    (evidence.rules.guard.max_per_hour == 0).then_some(Reason::BudgetExhausted)
}

fn confirmed(evidence: &Evidence<'_>) -> Option<Reason> {
    // A call that was confirmed and opened is not asked again: its token is spent by its own mark.
    let open = asked_edge(evidence) == Some(Edge::Passes(Passed::OpenCall));
    (evidence.rules.guard.require_confirmation && !open && !evidence.has_token()).then_some(Reason::ConfirmationRequired)
}
