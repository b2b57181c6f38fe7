//! The one gate before every call that can make data unreadable: `ScheduleKeyDeletion`, and `DisableKey` when an object is deleted.
//!
//! It is asked right before the call, over reads made for that call. It is a list of rules, each a function and a row in the table of tests: a new
//! rule is a function, a line in [`RULES`] and rows in the tests. If one rule holds, nothing is called.
//!
//! # The proof
//!
//! [`check`] gives a [`Cleared`], and nothing else can make one. The calls of the KMS that can make data unreadable take it by value, so a
//! destructive call that was not checked does not compile:
//!
//! ```compile_fail,E0451
//! use keyward::domain::deletion::guard::ClearedDeletion;
//! # use keyward::domain::deletion::Passed;
//! let forged = ClearedDeletion { key: "1234".into(), days: 7, passed: Passed::Edge };
//! ```
//!
//! ```compile_fail,E0061
//! # use keyward::kms::Kms;
//! async fn delete(kms: &impl Kms) {
//!     let _ = kms.schedule_deletion("1234", 7).await;
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
//! And a step that is planned is not yet one that may be done:
//!
//! ```compile_fail,E0308
//! # use keyward::domain::{deletion::guard::Cleared, step::{Destruction, Step}};
//! let step: Step<Cleared> = Step::Destroy(Destruction::Disable);
//! ```
//!
//! This is how it goes:
//!
//! ```
//! use keyward::{domain::deletion::guard::{Cleared, Evidence, check}, kms::Kms};
//!
//! async fn delete(kms: &impl Kms, evidence: &Evidence<'_>) {
//!     if let Ok(Cleared::Schedule(cleared)) = check(evidence) {
//!         let _ = kms.schedule_deletion(cleared).await;
//!     }
//! }
//! ```
//!
//! Shows S1.

use std::convert::Infallible;

use jiff::Timestamp;

use super::{
    Edge, Passed, Saying, edge as ask_marks,
    hold::{Hold, hold, window_refused},
};
use crate::{
    api::Reason,
    domain::{
        desired::Desired,
        memory::Memory,
        observed::Key,
        ownership::Ownership,
        rules::Rules,
        step::{Destruction, Step},
    },
};

/// What was read for this one call.
#[derive(Clone, Debug)]
pub struct Evidence<'a> {
    /// What is to be done.
    pub ask: Destruction,
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

/// Proof that the guard let one call pass. Only [`check`] makes one.
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
}

/// Proof that one key may be disabled once, though no object will enable it again.
#[derive(Debug, PartialEq, Eq)]
pub struct ClearedDisabling {
    key: String,
}

impl Cleared {
    const fn new(key: String, destruction: Destruction) -> Self {
        match destruction {
            Destruction::Schedule { days, passed } => Self::Schedule(ClearedDeletion { key, days, passed }),
            Destruction::Reschedule { days, passed } => Self::Reschedule(ClearedDeletion { key, days, passed }),
            Destruction::Disable => Self::Disable(ClearedDisabling { key }),
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
}

impl ClearedDisabling {
    /// The key, by its canonical reference.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl Step {
    /// The step as it may be done without asking the guard.
    ///
    /// # Errors
    /// What can make data unreadable, for which the guard has to be asked.
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

/// Asks every rule. What they let pass may be done once.
///
/// # Errors
/// The first hold, with the sentence for `DeletionHeld`.
pub fn check(evidence: &Evidence<'_>) -> Result<Cleared, Hold> {
    match RULES.iter().find_map(|(_, rule)| rule(evidence)) {
        None => Ok(Cleared::new(evidence.key.arn.clone(), evidence.ask)),
        Some(reason) => Err(hold(evidence.desired, evidence.key, evidence.ask.days(), reason)),
    }
}

impl Evidence<'_> {
    /// Whether the object bears the token for this act and the key's present mark.
    fn has_token(&self) -> bool {
        let mark = self.key.intent();
        let token = match self.ask {
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
    window_refused(evidence.ask.days()?, evidence.rules).map(|_| Reason::InvalidSpec)
}

/// What the marks say; `None`: they are not asked.
fn asked_edge(evidence: &Evidence<'_>) -> Option<Edge> {
    let days = evidence.ask.days()?;
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

fn stopped(evidence: &Evidence<'_>) -> Option<Reason> {
    (evidence.rules.guard.max_per_hour == 0).then_some(Reason::BudgetExhausted)
}

fn confirmed(evidence: &Evidence<'_>) -> Option<Reason> {
    // A call that was confirmed and opened is not asked again: its token is spent by its own mark.
    let open = asked_edge(evidence) == Some(Edge::Passes(Passed::OpenCall));
    (evidence.rules.guard.require_confirmation && !open && !evidence.has_token()).then_some(Reason::ConfirmationRequired)
}
