//! What happens to the key when the object is deleted. The first rule that matches decides.
//!
//! With `Retain`, the default, there is no finalizer and this module is not used. A finalizer that never goes away does harm too, so the
//! message of every wait says how to end it.

use super::{
    command,
    deletion::{
        Edge, IntentMark, Saying,
        hold::{DAYS_FIELD, Hold, OBJECT_DAYS_FIELD, count_ended, days_refused, hold},
    },
    desired::Desired,
    observed::{Key, Observed, State},
    plan::{self, Gone, Note, Plan, Situation},
    step::Destruction,
};
use crate::api::{
    Reason,
    managed_key::{DeletionPolicy, HoldReason, ManagementPolicy, Missing},
};

/// The way out of every wait: the end of every message that says why the finalizer stays.
pub const WAY_OUT: &str = "; to let the object go and leave the key, set deletionPolicy: Retain";

/// What an object says that is paused and being deleted.
pub const PAUSED: &str = "the object is paused, so its key stays as it is and the deletion of the object waits; remove the annotation keyward.dev/paused, \
                          or set deletionPolicy: Retain";

/// What to do with the object.
#[derive(Clone, Debug, PartialEq)]
pub enum Release {
    /// Remove the finalizer. The key stays as it is.
    LetGo,
    /// The key must be read first.
    Read,
    /// Write a word on the key, then decide again.
    Say(Saying),
    /// Do the last step, if the guard lets it pass, then decide again.
    Destroy(Destruction),
    /// The finalizer waits.
    Wait(Note),
    /// The finalizer waits: the key was not found, but does not count as gone yet. The status must keep the count, as for
    /// [`plan::Plan::Missing`].
    Missing(Missing, Note),
    /// The finalizer waits, and the guard holds a deletion.
    Hold(Hold),
}

/// What is known without a call to the KMS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circumstances {
    /// Whether the namespace or the CRD is being deleted.
    pub terminating: bool,
    /// Whether the provider admits the namespace.
    pub admitted: bool,
}

/// Before any read: the cases in which the KMS does not matter.
#[must_use]
pub fn first(desired: &Desired, circumstances: Circumstances) -> Release {
    let Circumstances { terminating, admitted } = circumstances;
    let left = terminating || desired.deletion_policy == DeletionPolicy::Retain || desired.policy == ManagementPolicy::Observe || !admitted;
    if left { Release::LetGo } else { Release::Read }
}

/// After a read.
#[must_use]
pub fn release(s: &Situation<'_>, observed: &Observed) -> Release {
    let asked = match observed {
        Observed::Absent(_) => absent(s, observed),
        // Several keys have the marks. Any choice could be wrong, so all stay as they are.
        Observed::Several(_) => Release::LetGo,
        Observed::Present(key) => present(s, key),
    };
    let asked = match (asked, observed) {
        // A deletion that the brake holds always gets the word `held`. Otherwise it would go on by itself after the brake is lifted.
        (asked @ Release::Say(Saying::Held(HoldReason::BudgetExhausted)), Observed::Present(_)) => asked,
        (Release::Say(_) | Release::Destroy(_), Observed::Present(key)) if !s.desired.finalizers.is_empty() => {
            let days = (s.desired.deletion_policy == DeletionPolicy::Delete).then(|| days(s.desired, s));
            held(s, &hold(s.desired, s.rules, key, days, Reason::OtherFinalizers))
        }
        (asked @ (Release::Say(_) | Release::Destroy(_)), Observed::Present(key)) => {
            plan::stale(s, key).map_or(asked, |note| Release::Wait(way_out(note)))
        }
        (asked, _) => asked,
    };
    match asked {
        // A pause leaves the key as it is. An object that needs no call is let go all the same.
        Release::Say(_) | Release::Destroy(_) | Release::Hold(_) | Release::Wait(_) if s.desired.paused => {
            Release::Wait(Note { reason: Reason::Paused, message: PAUSED.into() })
        }
        asked => asked,
    }
}

/// A single answer that there is no key proves nothing. An object that never had a key has nothing to wait for.
fn absent(s: &Situation<'_>, observed: &Observed) -> Release {
    if s.memory.reference().is_none() {
        return Release::LetGo;
    }
    match plan::plan(s, observed) {
        Plan::Missing(_, _, Gone::Deleted | Gone::Lost) => Release::LetGo,
        Plan::Missing(missing, note, Gone::Unsure) => Release::Missing(missing, way_out(note)),
        Plan::Stall(note) => Release::Wait(way_out(note)),
        // An object that was bound has no other outcome than these. In any other case the key stays as it is.
        _ => Release::Read,
    }
}

fn way_out(Note { reason, message }: Note) -> Note {
    Note { reason, message: format!("{message}; to let the object go now, set deletionPolicy: Retain") }
}

fn present(s: &Situation<'_>, key: &Key) -> Release {
    if key.tags.is_none() {
        return Release::Read;
    }
    if !key.is_of(&s.desired.owner) {
        return Release::LetGo;
    }
    match (s.desired.deletion_policy, key.state) {
        (DeletionPolicy::Retain, _)
        | (_, State::PendingDeletion | State::PendingReplicaDeletion)
        | (DeletionPolicy::Disable, State::Disabled | State::PendingImport) => Release::LetGo,
        _ if let Some(note) = plan::unsettled(key) => Release::Wait(way_out(note)),
        (DeletionPolicy::Disable, _) => disable(s, key),
        (DeletionPolicy::Delete, _) => delete(s, key),
    }
}

/// If the provider requires a confirmation, or all its deletions are stopped, the word `held` is written first, because the token needs its letters.
fn disable(s: &Situation<'_>, key: &Key) -> Release {
    let (stopped, record, mark) = (s.rules.is_stopped(), s.memory.record(), key.intent());
    let token = mark.token_to_disable(&key.id);
    let reason = match (&token, mark) {
        _ if stopped || record.is_held_by_a_stop() => HoldReason::BudgetExhausted,
        // The record of this hold was lost, so it may have been made by a stop.
        (Some(_), IntentMark::Is(on_key)) if s.memory.status.intent_seq != Some(on_key.seq) => HoldReason::RollbackSuspected,
        _ if s.rules.guard.require_confirmation => HoldReason::ConfirmationRequired,
        _ => return Release::Destroy(Destruction::Disable),
    };
    // A token for an earlier hold becomes invalid by the new letters.
    let is_said = !stopped || record.is_held_by_a_stop();
    let refused = match token.filter(|_| is_said) {
        Some(token) if !stopped && s.desired.confirmation.as_deref() == Some(&*token) => return Release::Destroy(Destruction::Disable),
        None if record.count_ended(key) => count_ended(s.desired, key, None),
        None => return Release::Say(Saying::Held(reason)),
        Some(_) => hold(s.desired, s.rules, key, None, reason.into()),
    };
    held(s, &refused)
}

fn held(s: &Situation<'_>, hold: &Hold) -> Release {
    let retain = command::patch(&s.desired.owner, r#"{"deletionPolicy":"Retain"}"#);
    let message = format!("{}{WAY_OUT}: {retain}", hold.message);
    Release::Hold(Hold { message, ..hold.clone() })
}

fn delete(s: &Situation<'_>, key: &Key) -> Release {
    let days = days(s.desired, s);
    let field = if s.desired.days().is_some() { DAYS_FIELD } else { OBJECT_DAYS_FIELD };
    if let Some(message) = days_refused(field, days, s.rules) {
        return Release::Wait(way_out(Note { reason: Reason::InvalidSpec, message }));
    }
    let refused = match plan::edge(s, key, days) {
        Edge::Passes(passed) => return Release::Destroy(Destruction::Schedule { days, passed }),
        Edge::Say(say) => return Release::Say(say),
        Edge::Holds(reason) => hold(s.desired, s.rules, key, Some(days), reason),
        Edge::CountEnded => count_ended(s.desired, key, Some(days)),
    };
    held(s, &refused)
}

/// The waiting period for a key whose object is deleted.
#[must_use]
pub fn days(desired: &Desired, s: &Situation<'_>) -> i32 {
    desired.days().unwrap_or(s.rules.guard.object_deletion_days)
}
