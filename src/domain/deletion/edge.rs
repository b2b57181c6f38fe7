//! The edge that a deletion needs: the key was seen alive by this object, and then the object asked.
//!
//! [`edge`] is the table of the reference, §3.1, as one function. It is asked while planning, and again by the guard on reads made for the call.

use jiff::Timestamp;

use super::{
    mark::{IntentMark, Passed, Saying, Word},
    record::{Record, taken_up_lately},
};
use crate::{
    api::{ManagedKeyStatus, Reason, managed_key::HoldReason},
    domain::observed::Key,
};

/// What the mark and the record say to a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// It may go on.
    Passes(Passed),
    /// It is held.
    Holds(Reason),
    /// It is held, and a word has to be written first, before any token is looked at.
    Say(Saying),
    /// It is held for ever: the sequence number is at its end, so no word can be written.
    CountEnded,
}

/// Asks the mark on `key`, and the object's own record, whether its deletion in `days` may go on.
///
/// `confirmation` is the object's token, if it has one.
#[must_use]
pub fn edge(days: i32, generation: i64, key: &Key, status: &ManagedKeyStatus, confirmation: Option<&str>, now: Timestamp) -> Edge {
    let (mark, record) = (key.intent(), Record::of(status, key));
    if mark.next_seq(record.seq(), 0).is_none() {
        return Edge::CountEnded;
    }
    let held = |reason| Edge::Say(Saying::Held(reason));
    let IntentMark::Is(intent) = mark else {
        return held(record.hold_reason().unwrap_or_else(|| record.why_unseen()));
    };
    let behind = record.seq().is_none_or(|own| own < intent.seq);
    if key.state.is_pending() {
        // A pending key takes no tags, so no word can be written.
        return match intent.word {
            _ if behind => Edge::Holds(Reason::RollbackSuspected),
            Word::Days(written) if generation > intent.generation && record.scheduled_exactly(written) => Edge::Passes(Passed::ChangedDays),
            _ => Edge::Holds(Reason::CancelledOutside),
        };
    }
    let ahead = !behind && record.seq() != Some(intent.seq);
    let opened = record.resumable_days(now);
    let confirmed = confirmation.is_some() && confirmation == mark.token(&key.id).as_deref();
    // A word that is still under way is said first, unless it is the very call that was confirmed.
    if confirmed && !record.cancelled_outside() && (!ahead || opened.is_some()) {
        return Edge::Passes(Passed::Confirmed);
    }
    if behind {
        // A hold on the key has its token already, whoever wrote it.
        return if mark.token(&key.id).is_some() { Edge::Holds(Reason::RollbackSuspected) } else { held(HoldReason::RollbackSuspected) };
    }
    let says = |opened| if ahead { !matches!(intent.word, Word::Held(_)) } else { intent.word == Word::Days(opened) };
    // Our own call, which was refused, or of which the end is not known. Until it takes effect other days may be asked for as well.
    if let Some(opened) = opened.filter(|&opened| says(opened)) {
        return Edge::Passes(if opened == days { Passed::OpenCall } else { Passed::Edge });
    }
    if record.cancelled_outside() {
        return held(record.why_not_pending());
    }
    let reason = || record.hold_reason().unwrap_or_else(|| record.why_unseen());
    if ahead {
        return match (record.word(), intent.word) {
            // Somebody put an older mark back, or the hold could not be written yet.
            (Some(Word::Held(Some(_))), _) => Edge::Say(Saying::Again),
            // Over `held` it is not, because a status is no authority that could end a hold. Over days it is if our own cancel came to its end.
            (Some(Word::Live), said) if said == Word::Live || (matches!(said, Word::Days(_)) && record.deletion().is_none()) => {
                seen_live(record, intent.seq, now).unwrap_or(Edge::Say(Saying::Again))
            }
            _ => held(reason()),
        };
    }
    match (record.word().unwrap_or(intent.word), intent.word) {
        // The hold that stands on the key counts, whatever the record says.
        (_, Word::Held(Some(_))) => Edge::Holds(reason().into()),
        (_, Word::Held(None)) | (Word::Held(_), _) => held(reason()),
        (_, Word::Days(_)) | (Word::Days(_), _) => held(record.why_not_pending()),
        (Word::Live, Word::Live) => seen_live(record, intent.seq, now).unwrap_or(Edge::Passes(Passed::Edge)),
    }
}

/// What speaks against a deletion though the object saw its key alive: what others did to the key since has to be said on the key, or the hold would end
/// as soon as somebody changes the key back to save it.
fn seen_live(record: Record<'_>, seq: i64, now: Timestamp) -> Option<Edge> {
    let reason = match () {
        () if record.disabled_by_another() => record.why_unseen(),
        () if record.enabled_by_another() || record.scheduled_by_another() => HoldReason::CancelledOutside,
        () if taken_up_lately(seq, now) => HoldReason::NotSeenLive,
        () => return None,
    };
    Some(Edge::Say(Saying::Held(reason)))
}
