//! The one gate before every call that can make data unreadable: `ScheduleKeyDeletion`, and `DisableKey` when an object is deleted.
//!
//! It is asked right before the call, with reads made for that call. It is a list of rules: each is a function, a line in [`RULES`], and rows in the table of
//! tests. If one rule holds, nothing is called.
//!
//! # The proof
//!
//! [`check`] gives a [`Checked`], and with an entry in the provider's [book](super::budget) that becomes a [`Cleared`]. Nothing else can make one. The calls of
//! the KMS that can make data unreadable take it by value, so a destructive call that was not checked does not compile. Rustdoc does not compare the error of an
//! example that must not compile, so each stands beside one that compiles and differs only by the proof.
//!
//! A call needs the proof:
//!
//! ```
//! # use keyward::{domain::deletion::guard::ClearedDeletion, kms::Kms};
//! async fn delete(kms: &impl Kms, cleared: ClearedDeletion) {
//!     let _ = kms.schedule_deletion(cleared).await;
//! }
//! ```
//!
//! ```compile_fail,E0061
//! # use keyward::{domain::deletion::guard::ClearedDeletion, kms::Kms};
//! async fn delete(kms: &impl Kms, cleared: ClearedDeletion) {
//!     let _ = kms.schedule_deletion(cleared.key(), cleared.days()).await;
//! }
//! ```
//!
//! One check is good for one call:
//!
//! ```compile_fail,E0382
//! # use keyward::{domain::deletion::guard::ClearedDeletion, kms::Kms};
//! async fn delete(kms: &impl Kms, cleared: ClearedDeletion) {
//!     let _ = kms.schedule_deletion(cleared).await;
//!     let _ = kms.schedule_deletion(cleared).await;
//! }
//! ```
//!
//! A proof is passed on, and not made, because its fields are private:
//!
//! ```
//! # use keyward::domain::deletion::guard::{ClearedDeletion, ClearedDisabling};
//! fn deletion(proof: ClearedDeletion) -> ClearedDeletion { proof }
//! fn disabling(proof: ClearedDisabling) -> ClearedDisabling { proof }
//! ```
//!
//! ```compile_fail,E0451
//! # use keyward::domain::deletion::guard::{ClearedDeletion, ClearedDisabling};
//! fn deletion(proof: ClearedDeletion) -> ClearedDeletion { ClearedDeletion { ..proof } }
//! fn disabling(proof: ClearedDisabling) -> ClearedDisabling { proof }
//! ```
//!
//! ```compile_fail,E0451
//! # use keyward::domain::deletion::guard::{ClearedDeletion, ClearedDisabling};
//! fn deletion(proof: ClearedDeletion) -> ClearedDeletion { proof }
//! fn disabling(proof: ClearedDisabling) -> ClearedDisabling { ClearedDisabling { ..proof } }
//! ```
//!
//! And a step that is planned is not yet one that may be done:
//!
//! ```
//! # use keyward::domain::{deletion::guard::Cleared, step::{Destruction, Step}};
//! fn planned(destruction: Destruction) -> Step { Step::Destroy(destruction) }
//! fn cleared(destruction: Cleared) -> Step<Cleared> { Step::Destroy(destruction) }
//! ```
//!
//! ```compile_fail,E0308
//! # use keyward::domain::{deletion::guard::Cleared, step::{Destruction, Step}};
//! fn planned(destruction: Destruction) -> Step { Step::Destroy(destruction) }
//! fn cleared(destruction: Destruction) -> Step<Cleared> { Step::Destroy(destruction) }
//! ```
//!
//! This is how it goes:
//!
//! ```
//! use keyward::{domain::deletion::{budget::Entry, guard::{Cleared, Evidence, check}}, kms::Kms};
//!
//! async fn delete(kms: &impl Kms, evidence: &Evidence<'_>, entry: Entry) {
//!     let Ok(checked) = check(evidence) else { return };
//!     // Here the book of the provider is written with `entry.book()`, and the API server answers with what it stored.
//!     let stored = entry.book().clone();
//!     let Some(booked) = entry.written(Some(&stored)) else { return };
//!     if let Some(Cleared::Schedule(cleared)) = checked.counted(&booked) {
//!         let _ = kms.schedule_deletion(cleared).await;
//!     }
//! }
//! ```
//!
//! Shows S1.

use std::convert::Infallible;

use jiff::Timestamp;

use super::{
    Edge, IntentMark, LastUse, Passed, Saying, Word,
    budget::Booked,
    edge as ask_marks,
    hold::{Hold, hold, in_use, window_refused},
};
use crate::{
    api::Reason,
    domain::{
        desired::Desired,
        memory::Memory,
        observed::Key,
        rules::Rules,
        step::{Destruction, Step},
    },
};

/// What was read for this one call.
#[derive(Clone, Debug)]
pub struct Evidence<'a> {
    /// What is to be done.
    pub requested: Destruction,
    /// The object, read live.
    pub desired: &'a Desired,
    /// The object's memory, read live.
    pub memory: &'a Memory,
    /// Whether the live object, planned again, still asks for exactly this.
    pub still_asked: bool,
    /// The provider, read live.
    pub rules: &'a Rules,
    /// The key, read live, with its marks.
    pub key: &'a Key,
    /// When the key was last used.
    pub last_use: LastUse,
    /// Whether the namespace or the CRD is being deleted.
    pub terminating: bool,
    /// Now.
    pub now: Timestamp,
}

/// Every rule let one call pass. It still has to be counted in the provider's book.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the guard was asked for a call"]
pub struct Checked {
    cleared: Cleared,
    id: String,
}

impl Checked {
    /// The id of the key, as the book has it.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.id
    }

    /// The call may be made: it is in the book. `None`: that is the entry of another key.
    #[must_use]
    pub fn counted(self, booked: &Booked) -> Option<Cleared> {
        (booked.key == self.id).then_some(self.cleared)
    }
}

/// Proof that the guard let one call pass, and that it is counted. Only [`Checked::counted`] gives one.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the guard was asked for a call"]
pub enum Cleared {
    /// A deletion may be scheduled.
    Schedule(ClearedDeletion),
    /// A deletion that is scheduled may be cancelled and scheduled with other days.
    Reschedule(ClearedDeletion),
    /// A key may be disabled, because its object is deleted.
    Disable(ClearedDisabling),
}

/// Proof that the deletion of one key may be scheduled once, with these days.
#[derive(Debug, PartialEq, Eq)]
pub struct ClearedDeletion {
    key: String,
    days: i32,
    passed: Passed,
    last_use: LastUse,
}

/// Proof that one key may be disabled once. No object will enable it again.
#[derive(Debug, PartialEq, Eq)]
pub struct ClearedDisabling {
    key: String,
    last_use: LastUse,
}

impl Cleared {
    const fn new(key: String, destruction: Destruction, last_use: LastUse) -> Self {
        match destruction {
            Destruction::Schedule { days, passed } => Self::Schedule(ClearedDeletion { key, days, passed, last_use }),
            Destruction::Reschedule { days, passed } => Self::Reschedule(ClearedDeletion { key, days, passed, last_use }),
            Destruction::Disable => Self::Disable(ClearedDisabling { key, last_use }),
        }
    }

    /// What was asked for.
    #[must_use]
    pub const fn destruction(&self) -> Destruction {
        match *self {
            Self::Schedule(ClearedDeletion { days, passed, .. }) => Destruction::Schedule { days, passed },
            Self::Reschedule(ClearedDeletion { days, passed, .. }) => Destruction::Reschedule { days, passed },
            Self::Disable(_) => Destruction::Disable,
        }
    }
}

impl ClearedDeletion {
    /// The key, by its canonical reference.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Days until the KMS deletes the key.
    #[must_use]
    pub const fn days(&self) -> i32 {
        self.days
    }

    /// When the key was last used, as far as the guard knows. It is only for messages.
    #[must_use]
    pub const fn last_use(&self) -> LastUse {
        self.last_use
    }
}

impl ClearedDisabling {
    /// The key, by its canonical reference.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// When the key was last used, as far as the guard knows. It is only for messages.
    #[must_use]
    pub const fn last_use(&self) -> LastUse {
        self.last_use
    }
}

impl Step {
    /// The step, if it may be done without asking the guard.
    ///
    /// # Errors
    /// The step can make data unreadable, so the guard has to be asked.
    pub fn harmless(&self) -> Result<Step<Cleared>, Destruction> {
        self.try_map(|destruction| Err(*destruction))
    }
}

impl Step<Cleared> {
    /// The step that was asked for.
    #[must_use]
    pub fn asked(&self) -> Step {
        let Ok(step) = self.try_map(|cleared| Ok::<_, Infallible>(cleared.destruction()));
        step
    }
}

/// Holds, or has nothing against it.
type Rule = fn(&Evidence<'_>) -> Option<Reason>;

/// The rules, in the order in which they are asked. The first rule that holds is reported.
pub const RULES: &[(&str, Rule)] = &[
    ("nothing is destroyed because a namespace or the CRD goes", terminating),
    ("the key bears this object's marks", owned),
    ("what the KMS says of the key is new enough", fresh),
    ("the live object still asks for exactly this", still_asked),
    ("the object has no finalizer of others", unneeded),
    ("the window is one that the provider accepts", window),
    ("the marks saw the key alive before the object asked", edge),
    ("the key was not used lately", idle),
    ("the provider is not stopped", stopped),
    ("a person confirmed, where the provider demands it", confirmed),
];

/// Asks every rule. If all let it pass, it may be done once.
///
/// # Errors
/// The first hold, with the sentence for `DeletionHeld`.
pub fn check(evidence: &Evidence<'_>) -> Result<Checked, Hold> {
    match RULES.iter().find_map(|(_, rule)| rule(evidence)) {
        None => Ok(Checked {
            cleared: Cleared::new(evidence.key.arn.clone(), evidence.requested, evidence.last_use),
            id: evidence.key.id.clone(),
        }),
        Some(Reason::KeyInUse) => Err(in_use(evidence.desired, evidence.rules, evidence.key, evidence.requested.days(), evidence.last_use)),
        Some(reason) => Err(hold(evidence.desired, evidence.rules, evidence.key, evidence.requested.days(), reason)),
    }
}

impl Evidence<'_> {
    /// Whether the object has the token for this act and for the mark as it is on the key.
    fn has_token(&self) -> bool {
        let mark = self.key.intent();
        let token = match self.requested {
            Destruction::Schedule { .. } | Destruction::Reschedule { .. } => mark.token(&self.key.id),
            Destruction::Disable => mark.token_to_disable(&self.key.id),
        };
        token.is_some() && token == self.desired.confirmation
    }
}

fn terminating(evidence: &Evidence<'_>) -> Option<Reason> {
    evidence.terminating.then_some(Reason::Terminating)
}

fn owned(evidence: &Evidence<'_>) -> Option<Reason> {
    (!evidence.key.is_of(&evidence.desired.owner)).then_some(Reason::NotOwned)
}

fn fresh(evidence: &Evidence<'_>) -> Option<Reason> {
    evidence.rules.stale(evidence.key).then_some(Reason::StaleView)
}

fn still_asked(evidence: &Evidence<'_>) -> Option<Reason> {
    (!evidence.still_asked).then_some(Reason::StaleObject)
}

fn unneeded(evidence: &Evidence<'_>) -> Option<Reason> {
    (!evidence.desired.finalizers.is_empty()).then_some(Reason::OtherFinalizers)
}

fn window(evidence: &Evidence<'_>) -> Option<Reason> {
    window_refused(evidence.requested.days()?, evidence.rules).map(|_| Reason::InvalidSpec)
}

/// What the edge says; `None`: no deletion is asked for.
fn asked_edge(evidence: &Evidence<'_>) -> Option<Edge> {
    let days = evidence.requested.days()?;
    let confirmation = evidence.desired.confirmation.as_deref();
    Some(ask_marks(days, evidence.desired.generation, evidence.key, &evidence.memory.status, confirmation, evidence.now))
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

/// Whether a call of ours is open, and its word is on the key. The guard let it pass before that word was written. The record alone does not show this: whoever
/// can write a status can open a call there, and the word on the key is one that only Keyward writes.
fn passed_before(evidence: &Evidence<'_>) -> bool {
    let IntentMark::Is(on_key) = evidence.key.intent() else { return false };
    let is_open = asked_edge(evidence) == Some(Edge::Passes(Passed::OpenCall));
    is_open && evidence.memory.status.intent_seq == Some(on_key.seq) && evidence.requested.days().map(Word::Days) == Some(on_key.word)
}

/// No token lifts this: whoever confirmed another hold was not told that the key is used. A key that is pending cannot be used, and a call of ours that is open
/// passed this rule already.
fn idle(evidence: &Evidence<'_>) -> Option<Reason> {
    let days = evidence.rules.guard.minimum_idle_days;
    let busy = evidence.last_use.busy_until(days, evidence.now).is_some() && !evidence.key.state.is_pending();
    (busy && !passed_before(evidence)).then_some(Reason::KeyInUse)
}

fn stopped(evidence: &Evidence<'_>) -> Option<Reason> {
    evidence.rules.is_stopped().then_some(Reason::BudgetExhausted)
}

fn confirmed(evidence: &Evidence<'_>) -> Option<Reason> {
    // An open call was confirmed before. Its own mark replaced the one that the token was for.
    (evidence.rules.guard.require_confirmation && !passed_before(evidence) && !evidence.has_token()).then_some(Reason::ConfirmationRequired)
}
