//! The key belongs to this object and its deletion is declared: checks the window and the edge.

use super::{Plan, Read, Rest, Situation, stall};
use crate::{
    api::{
        Reason,
        managed_key::{HoldReason, KeyState, ManagementPolicy},
    },
    domain::{
        deletion::{
            self, Edge, Intent, IntentMark, Passed, Saying, Word,
            hold::{count_ended, hold, window_refused},
        },
        observed::Key,
        step::{Destruction, Step},
    },
};

/// Whether Keyward already scheduled the deletion with this many days, so that no call is needed.
pub(super) fn stands(key: &Key, days: i32) -> bool {
    key.state.is_pending() && matches!(key.intent(), IntentMark::Is(Intent { word: Word::Days(written), .. }) if written == days)
}

pub(super) fn scheduled(s: &Situation<'_>, key: &Key, days: i32) -> Plan {
    if let Some(message) = window_refused(days, s.rules).filter(|_| !stands(key, days)) {
        return stall(Reason::InvalidSpec, message);
    }
    if key.tags.is_none() {
        // A quick read that finds the key pending deletion is enough. In any other state the marks are needed.
        return if key.state.is_pending() { Plan::Rest(Rest::default()) } else { Plan::Read(Read::Facets) };
    }
    let pending = key.state.is_pending();
    match key.intent() {
        IntentMark::Is(Intent { word: Word::Days(written), .. }) if pending && written != days => {}
        // Keyward or someone else scheduled the deletion, so the key is as declared.
        _ if pending => return Plan::Rest(Rest::default()),
        _ => {}
    }
    if s.desired.policy == ManagementPolicy::EnforceOnChange && s.memory.status.applied.is_none() {
        let drift = match key.intent() {
            IntentMark::Is(Intent { word: Word::Days(written), .. }) if pending => {
                format!("the key is pending deletion with {written} days, but {days} days are declared")
            }
            _ => not_pending(key, days),
        };
        return Plan::Rest(Rest { drift: vec![drift], life_drifted: true, ..Rest::default() });
    }
    match edge(s, key, days) {
        // Somebody may still need the key. What happened to the key is written down all the same.
        Edge::Passes(_) if !s.desired.finalizers.is_empty() => {
            Plan::Hold(hold(s.desired, s.rules, key, Some(days), Reason::OtherFinalizers))
        }
        Edge::Passes(passed) if pending => Plan::Do(Step::Destroy(Destruction::Reschedule { days, passed })),
        Edge::Passes(passed) => Plan::Do(Step::Destroy(Destruction::Schedule { days, passed })),
        Edge::Say(say) => Plan::Do(Step::Mark { say }),
        Edge::Holds(reason) => Plan::Hold(hold(s.desired, s.rules, key, Some(days), reason)),
        Edge::CountEnded => Plan::Hold(count_ended(s.desired, key, Some(days))),
    }
}

/// The sentence for a key whose deletion is declared but not pending.
pub(super) fn not_pending(key: &Key, days: i32) -> String {
    format!("the key is {}, but its deletion in {days} days is declared", KeyState::from(key.state).as_str())
}

/// Asks the edge. If the provider requires a confirmation of every deletion, or all its deletions are stopped, the word `held` must be written first, because
/// the token needs its nonce. So a deletion that was held by a stop does not continue by itself when the stop is lifted.
#[must_use]
pub fn edge(s: &Situation<'_>, key: &Key, days: i32) -> Edge {
    let confirmation = s.desired.confirmation.as_deref();
    match deletion::edge(days, s.desired.generation, key, &s.memory.status, confirmation, s.now) {
        Edge::Passes(passed) if s.rules.is_stopped() => match passed {
            // A pending key takes no tags.
            _ if key.state.is_pending() => Edge::Holds(Reason::BudgetExhausted),
            // Confirmed for this very stop, before it was lifted: the token stays.
            Passed::Confirmed if s.memory.record().is_held_by_a_stop() => Edge::Holds(Reason::BudgetExhausted),
            // A token for an earlier hold becomes invalid by the new letters.
            _ => Edge::Say(Saying::Held(HoldReason::BudgetExhausted)),
        },
        Edge::Passes(Passed::Edge) if s.rules.guard.require_confirmation => Edge::Say(Saying::Held(HoldReason::ConfirmationRequired)),
        // A key that is pending deletion accepts no tags, so there can be no token for other days.
        Edge::Passes(Passed::ChangedDays) if s.rules.guard.require_confirmation => Edge::Holds(Reason::ConfirmationRequired),
        edge => edge,
    }
}
