//! The edge that a deletion needs: the key was seen alive by this object, and then the object asked.
//!
//! The last word stands on the key, as the mark `keyward-intent`, so that no restore, wipe or copy of the cluster can turn it back. The object
//! keeps the number of the last word it wrote itself: a number that is behind the mark's, or missing, only ever forbids.

use std::{fmt, str::FromStr};

use jiff::{SignedDuration, Timestamp};

use super::observed::{Key, State};
use crate::api::{
    Reason,
    managed_key::{DeletionCall, DeletionOrigin, KeyState, ManagedKeyStatus},
};

/// How long an open call of ours may be taken up again.
pub const OPEN_CALL: SignedDuration = SignedDuration::from_mins(15);

/// The last word about a key's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Word {
    /// The object was seen without `deletionScheduleDays`.
    Live,
    /// A deletion was asked for without an edge, or was cancelled by someone else.
    Held,
    /// Keyward was about to schedule the deletion with this many days.
    Days(i32),
}

/// The mark `keyward-intent`: `<seq>.<generation>.<live|held|N>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Intent {
    /// Grows by one with each word that is written.
    pub seq: i64,
    /// Generation of the object when the word was written.
    pub generation: i64,
    /// The word.
    pub word: Word,
}

impl fmt::Display for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seq, generation, word } = self;
        match word {
            Word::Live => write!(f, "{seq}.{generation}.live"),
            Word::Held => write!(f, "{seq}.{generation}.held"),
            Word::Days(days) => write!(f, "{seq}.{generation}.{days}"),
        }
    }
}

/// A text that is not an intent mark.
#[derive(Debug, PartialEq, Eq)]
pub struct NotAnIntent;

impl FromStr for Intent {
    type Err = NotAnIntent;

    fn from_str(text: &str) -> Result<Self, NotAnIntent> {
        let number = |text: &str| match text.parse::<i64>() {
            Ok(value) if value >= 0 && value.to_string() == text => Ok(value),
            _ => Err(NotAnIntent),
        };
        let mut parts = text.split('.');
        let (Some(seq), Some(generation), Some(word), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(NotAnIntent);
        };
        let word = match word {
            "live" => Word::Live,
            "held" => Word::Held,
            days => Word::Days(i32::try_from(number(days)?).map_err(|_| NotAnIntent)?),
        };
        Ok(Self { seq: number(seq)?, generation: number(generation)?, word })
    }
}

/// What stands on the key in the place of the intent mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntentMark {
    /// No mark.
    Missing,
    /// A text that Keyward did not write.
    Malformed,
    /// The last word.
    Is(Intent),
}

impl IntentMark {
    /// The number that the next word gets: above both the key's and the object's.
    #[must_use]
    pub fn next_seq(self, own: Option<i64>) -> i64 {
        let on_key = if let Self::Is(intent) = self { intent.seq } else { 0 };
        on_key.max(own.unwrap_or(0)) + 1
    }

    /// Whether the mark says `live`, for this generation, with the number that this object last wrote.
    #[must_use]
    pub fn is_live(self, generation: i64, own: Option<i64>) -> bool {
        matches!(self, Self::Is(Intent { seq, generation: written, word: Word::Live }) if written == generation && own == Some(seq))
    }

    /// The token that lifts a hold: `<key id>@<seq>`. It is spent when the mark moves.
    #[must_use]
    pub fn token(self, key_id: &str) -> Option<String> {
        if let Self::Is(intent) = self { Some(format!("{key_id}@{}", intent.seq)) } else { None }
    }
}

/// Why a deletion may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// The key was seen alive by this object, and then the object asked.
    Edge,
    /// A call of ours was under way; it is sent again, without another word.
    OpenCall,
    /// The declared days changed while the key was pending with exactly ours.
    ChangedDays,
    /// A person confirmed.
    Confirmed,
}

/// What the marks say to a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// It may go on.
    Passes(Passed),
    /// It is held.
    Holds(Reason),
    /// It is held, and the word `held` has to be written first, before any token is looked at.
    WriteHeld,
}

/// Asks the marks of `key`, and the object's own record, whether its deletion in `days` may go on.
///
/// `confirmation` is the object's token, if it has one. Asked while planning, and again by the guard on reads made for the call.
#[must_use]
pub fn edge(days: i32, generation: i64, key: &Key, record: &ManagedKeyStatus, confirmation: Option<&str>, now: Timestamp) -> Edge {
    let mark = key.intent();
    let IntentMark::Is(intent) = mark else {
        return Edge::WriteHeld;
    };
    let confirmed = confirmation.is_some() && confirmation == mark.token(&key.id).as_deref();
    let hold = |reason| if confirmed { Edge::Passes(Passed::Confirmed) } else { Edge::Holds(reason) };
    let behind = record.intent_seq.is_none_or(|own| own < intent.seq);
    let pending = key.state.is_pending();
    let deletion = record.deletion.as_ref();
    // A call stands open for a key in the state in which it was opened, and for one that it may have scheduled.
    let open =
        deletion.is_some_and(|known| known.call == Some(DeletionCall::Open)) && (pending || record.key_state == Some(key.state.into()));
    // The last look saw the key pending, and it is not: nobody but someone else cancels while the object asks for a deletion.
    let cancelled = !pending && !open && matches!(record.key_state, Some(KeyState::PendingDeletion | KeyState::PendingReplicaDeletion));
    // A word was begun and is not on the key: whatever it was to say, it has to be said before a token counts.
    let interrupted = !open && record.intent_seq.is_some_and(|own| own > intent.seq);
    let enabled = record.applied.as_ref().and_then(|applied| applied.enabled);
    let disabled_outside = key.state == State::Disabled && enabled == Some(true);
    // We disabled it, and it is known to have been so since.
    let disabled_by_us = enabled == Some(false) && record.key_state == Some(KeyState::Disabled);

    match intent.word {
        Word::Days(written) if pending => {
            let was_pending = matches!(record.key_state, Some(KeyState::PendingDeletion | KeyState::PendingReplicaDeletion));
            // No date is known while replicas are waited for, nor between our call and the look after it.
            let recorded = record.deletion_date.as_ref().map(|date| date.0.as_second());
            let stands = was_pending && (recorded.is_none() || recorded == key.deletion_date.map(Timestamp::as_second));
            let exactly_ours = deletion.filter(|known| known.origin == DeletionOrigin::Keyward).is_some_and(|known| {
                match known.schedule_days {
                    // Our call took effect, and this is the first look since.
                    Some(opened) if opened == written && open => true,
                    Some(scheduled) if scheduled == written => stands,
                    // New days were opened over exactly our schedule, which still stands.
                    Some(_) => open && stands,
                    None => false,
                }
            });
            if behind {
                hold(Reason::RollbackSuspected)
            } else if generation > intent.generation && exactly_ours {
                Edge::Passes(Passed::ChangedDays)
            } else {
                hold(Reason::CancelledOutside)
            }
        }
        Word::Days(written) => {
            let fits = open
                && deletion.is_some_and(|known| {
                    known.schedule_days == Some(days)
                        && known.requested_time.as_ref().is_some_and(|since| now.duration_since(since.0).abs() <= OPEN_CALL)
                });
            if fits && written == days && !behind { Edge::Passes(Passed::OpenCall) } else { Edge::WriteHeld }
        }
        Word::Held | Word::Live if behind => hold(Reason::RollbackSuspected),
        Word::Held | Word::Live if cancelled => Edge::WriteHeld,
        // To say `live` it would have forgotten the deletion first.
        Word::Held | Word::Live if interrupted && (intent.word == Word::Held || deletion.is_some()) => Edge::WriteHeld,
        Word::Held => hold(if deletion.is_some() || disabled_outside { Reason::CancelledOutside } else { Reason::NotSeenLive }),
        // It has to be said, or the hold would end as soon as somebody enables the key to save it.
        Word::Live if key.state == State::Disabled && !disabled_by_us => Edge::WriteHeld,
        // Nobody but someone else enables a key while the object asks for its deletion.
        Word::Live if key.state == State::Enabled && record.key_state == Some(KeyState::Disabled) => Edge::WriteHeld,
        Word::Live if deletion.is_some_and(|known| known.origin == DeletionOrigin::External) => hold(Reason::CancelledOutside),
        Word::Live => Edge::Passes(Passed::Edge),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that meets a broken assumption is to fail there")]
mod tests {
    use super::*;

    #[test]
    fn a_mark_reads_back_as_it_was_written() {
        for (text, word) in [("1.1.live", Word::Live), ("12.3.held", Word::Held), ("7.9.30", Word::Days(30))] {
            let intent: Intent = text.parse().unwrap();
            assert_eq!((intent.word, intent.to_string()), (word, text.to_owned()));
        }
        for text in ["", "1.live", "1.1.1.live", "a.1.live", "1.-1.live", "1.1.LIVE", "01.1.live", "1.1.7d", "1.1."] {
            assert_eq!(text.parse::<Intent>(), Err(NotAnIntent), "{text:?}");
        }
    }

    #[test]
    fn a_new_word_is_above_the_key_and_the_object() {
        let mark = IntentMark::Is(Intent { seq: 4, generation: 1, word: Word::Live });
        assert_eq!(mark.next_seq(None), 5);
        assert_eq!(mark.next_seq(Some(7)), 8);
        assert_eq!(IntentMark::Missing.next_seq(None), 1);
    }

    #[test]
    fn live_counts_only_for_this_generation_and_this_objects_number() {
        let mark = IntentMark::Is(Intent { seq: 4, generation: 2, word: Word::Live });
        assert!(mark.is_live(2, Some(4)));
        assert!(!mark.is_live(3, Some(4)));
        assert!(!mark.is_live(2, Some(3)));
        assert!(!mark.is_live(2, None));
    }
}
