//! The key is this object's and its deletion declared: the window, and the edge.

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

/// Whether our own schedule of that many days stands already, so that nothing is asked of the KMS.
pub(super) fn stands(key: &Key, days: i32) -> bool {
    key.state.is_pending() && matches!(key.intent(), IntentMark::Is(Intent { word: Word::Days(written), .. }) if written == days)
}

pub(super) fn scheduled(s: &Situation<'_>, key: &Key, days: i32) -> Plan {
    if let Some(message) = window_refused(days, s.rules).filter(|_| !stands(key, days)) {
        return stall(Reason::InvalidSpec, message);
    }
    if key.tags.is_none() {
        // A glance at a pending key sees what it should; anything else needs the marks.
        return if key.state.is_pending() { Plan::Rest(Rest::default()) } else { Plan::Read(Read::Facets) };
    }
    let pending = key.state.is_pending();
    match key.intent() {
        IntentMark::Is(Intent { word: Word::Days(written), .. }) if pending && written != days => {}
        // Our own schedule stands, or someone else's does: what is declared is the case.
        _ if pending => return Plan::Rest(Rest::default()),
        _ => {}
    }
    if s.desired.policy == ManagementPolicy::EnforceOnChange && s.memory.status.applied.is_none() {
        let drift = match key.intent() {
            IntentMark::Is(Intent { word: Word::Days(written), .. }) if pending => {
                format!("the key is pending deletion with {written} days, and {days} are declared")
            }
            _ => not_pending(key, days),
        };
        return Plan::Rest(Rest { drift: vec![drift], life_drifted: true, ..Rest::default() });
    }
    match ask(s, key, days) {
        Edge::Passes(passed) if pending => Plan::Do(Step::Destroy(Destruction::Reschedule { days, passed })),
        Edge::Passes(passed) => Plan::Do(Step::Destroy(Destruction::Schedule { days, passed })),
        Edge::Say(say) => Plan::Do(Step::Mark { say }),
        Edge::Holds(reason) => Plan::Hold(hold(s.desired, key, Some(days), reason)),
        Edge::CountEnded => Plan::Hold(count_ended(key, Some(days))),
    }
}

/// That a key which is declared to go is not on its way.
pub(super) fn not_pending(key: &Key, days: i32) -> String {
    format!("the key is {}, and its deletion in {days} days is declared", KeyState::from(key.state).as_str())
}

/// Asks the edge. Where the provider demands a confirmation of every deletion, the word `held` has to be written first, because its token needs the nonce.
#[must_use]
pub fn ask(s: &Situation<'_>, key: &Key, days: i32) -> Edge {
    let confirmation = s.desired.confirmation.as_deref();
    match deletion::edge(days, s.desired.generation, key, &s.memory.status, confirmation, s.now) {
        Edge::Passes(Passed::Edge) if s.rules.guard.require_confirmation => Edge::Say(Saying::Held(HoldReason::ConfirmationRequired)),
        // A pending key takes no tags, so there can be no token for other days.
        Edge::Passes(Passed::ChangedDays) if s.rules.guard.require_confirmation => Edge::Holds(Reason::ConfirmationRequired),
        edge => edge,
    }
}
