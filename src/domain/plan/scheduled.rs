//! The key is this object's and its deletion declared: the window, the edge, and the sentence of what is held.

use super::{Hold, Plan, Read, Rest, Situation, stall};
use crate::{
    api::{
        Reason, annotation,
        managed_key::{HoldReason, KeyState, ManagementPolicy},
    },
    domain::{
        deletion::{self, Edge, Intent, IntentMark, Passed, Saying, Word},
        desired::Desired,
        observed::{Key, State},
        rules::Rules,
        status::AT_THE_END,
        step::{Destruction, Step},
    },
};

/// What messages call the declared days.
pub const DAYS_FIELD: &str = "spec.deletionScheduleDays";

/// The sentence that refuses the declared window, if it is to be refused. Nothing is rounded, and nothing is used in its place.
#[must_use]
pub fn window_refused(days: i32, rules: &Rules) -> Option<String> {
    days_refused(DAYS_FIELD, days, rules)
}

/// The sentence that refuses the days which stand in `field`.
#[must_use]
pub fn days_refused(field: &str, days: i32, rules: &Rules) -> Option<String> {
    let limits = rules.limits();
    let (least, most) = limits.window;
    if !(least..=most).contains(&days) {
        return Some(format!("{field} is {days}, but {} accepts {least} to {most} days", limits.name));
    }
    let minimum = rules.guard.minimum_schedule_days;
    (days < minimum).then(|| {
        format!("{field} is {days}, but KeyProvider {} demands at least {minimum} days (deletionGuard.minimumScheduleDays)", rules.name)
    })
}

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

/// What is held: a deletion, or, without days, a `Disable`.
fn act(key: &Key, days: Option<i32>) -> String {
    days.map_or_else(|| format!("disabling key {}", key.id), |days| format!("deletion of key {} in {days} days", key.id))
}

/// The sentence of what is held for ever, because no word can be written any more.
#[must_use]
pub fn count_ended(key: &Key, days: Option<i32>) -> Hold {
    let way_out = days.map_or(
        "do it with the KMS's own tools",
        |_| "to keep the key, remove spec.deletionScheduleDays; to delete it, use the KMS's own tools",
    );
    let message = format!(
        "{} is held for ever: the sequence number in its mark keyward-intent, or in this object's status.intentSeq, is at \
         its end (2^53) or outside its bounds, so no word can follow it; somebody else wrote that number; {way_out}",
        act(key, days)
    );
    Hold { reason: Reason::RollbackSuspected, message, passes: false }
}

/// What was seen that holds a deletion.
#[must_use]
pub fn why(reason: Reason) -> &'static str {
    match reason {
        Reason::NotSeenLive => {
            "the key's mark does not say that this object was seen without deletionScheduleDays while its key was alive, or this object took \
             the key up by its name less than a day ago, so the field may be a copy"
        }
        Reason::RollbackSuspected => "the key's mark is newer than this object's status, so the object may come from a backup",
        Reason::CancelledOutside => "the deletion was cancelled, or the key changed, outside Keyward",
        Reason::Interrupted => {
            "Keyward was interrupted between its own calls for this deletion, so what came of them cannot be told from what others did"
        }
        Reason::ConfirmationRequired => {
            "the provider asks for a confirmation of every deletion, and before a key is disabled with its object"
        }
        Reason::NotOwned => "the key does not bear this object's marks",
        Reason::StaleObject => "the object changed while the deletion was decided; it is decided anew",
        Reason::StaleView => "the KMS answers from a copy that is older than maxStalenessSeconds, and its refresh did not end",
        Reason::InvalidSpec => "the days are outside of what the provider accepts",
        Reason::BudgetExhausted => {
            "the provider's deletionGuard.maxPerHour is 0, which stops every deletion, and keeps keys from being disabled with their objects, until an administrator raises it"
        }
        Reason::Terminating => "the namespace, or the CRD, is being deleted, and keys are left as they are then",
        _ => "the guard holds it",
    }
}

/// The sentence of a held deletion, or, without days, of a held `Disable`: what was seen, how the key is now, and the command that goes on.
#[must_use]
pub fn hold(desired: &Desired, key: &Key, days: Option<i32>, reason: Reason) -> Hold {
    let owner = &desired.owner;
    let confirmable = matches!(
        reason,
        Reason::NotSeenLive | Reason::RollbackSuspected | Reason::CancelledOutside | Reason::Interrupted | Reason::ConfirmationRequired
    );
    let now = match key.intent() {
        _ if key.state == State::Disabled => "; the key is disabled now".to_owned(),
        IntentMark::Is(Intent { word: Word::Days(written), .. }) if key.state.is_pending() => {
            format!("; the deletion that was scheduled with {written} days stands")
        }
        _ if key.state.is_pending() => "; the deletion that was scheduled stands".to_owned(),
        _ => String::new(),
    };
    let keep = match desired.days() {
        Some(_) if confirmable && key.state.is_pending() => {
            "; to have other days, remove spec.deletionScheduleDays, which cancels the deletion, and set it again"
        }
        Some(_) if (confirmable || reason == Reason::BudgetExhausted) && key.state == State::Disabled && desired.wants_enabled() => {
            "; to keep the key and have it enabled, remove spec.deletionScheduleDays"
        }
        Some(_) if confirmable || reason == Reason::BudgetExhausted => "; to keep the key, remove spec.deletionScheduleDays",
        _ => "",
    };
    let policy = if keep.is_empty() { String::new() } else { format!("; {AT_THE_END}") };
    // A pending key takes no tags, so it cannot bear the word that makes a token.
    let token = key.intent().token(&key.id).filter(|_| confirmable);
    let go_on = token.map_or_else(String::new, |token| {
        format!(
            "{}; if the key is to be {}, run: kubectl annotate --overwrite --field-manager=keyward-cli -n {} managedkey {} {}={token}",
            not_the_token(desired, &token),
            if days.is_some() { "deleted" } else { "disabled" },
            owner.namespace,
            owner.name,
            annotation::CONFIRM_DELETION
        )
    });
    let passes = matches!(reason, Reason::StaleObject | Reason::StaleView);
    Hold { reason, message: format!("{} is held: {}{now}{keep}{policy}{go_on}", act(key, days), why(reason)), passes }
}

/// What is said of a confirmation that confirms nothing.
fn not_the_token(desired: &Desired, token: &str) -> String {
    const LONGEST: usize = 80;
    desired.confirmation.as_deref().filter(|found| *found != token).map_or_else(String::new, |found| {
        let found: String = found.chars().take(LONGEST).collect();
        format!("; the annotation {} is {found:?}, which is not the token of this hold", annotation::CONFIRM_DELETION)
    })
}
