//! The edge that a deletion needs: the object was seen without `deletionScheduleDays` while its key was alive, and then it was seen with the field.
//!
//! [`edge`] is this table: the first row that fits decides. It is asked while a step is planned, and the guard asks it again on reads made for the call.
//! "The number" is the sequence number. The record is the object's, the mark is the key's.
//!
//! | what the record and the mark show | the deletion |
//! |---|---|
//! | the number is at its end | is held for ever |
//! | the key has no mark, or not one that Keyward wrote | is held; `held` is written |
//! | **what lets it pass** | |
//! | the same number, the word `live`, and nobody changed the key since | passes |
//! | our open call, for the same days | passes, and the call is sent again |
//! | our open call, for other days | passes, as a new call |
//! | the key is pending with exactly our days, and the object is newer than the mark | passes, with other days; is held if a stop held other days before |
//! | the confirmation token of the mark | passes |
//! | **what holds it, and no word is written** | |
//! | the record's number is lower or missing, and the key is pending or has a token already | is held: `RollbackSuspected` |
//! | the key is pending: it takes no tags | is held: `CancelledOutside` |
//! | the same number, and the word `held` with its token | is held, with the reason on record |
//! | **what holds it, and a word is written first** | |
//! | the record's number is higher, and its word may still be written | is held; that word is written |
//! | everything else | is held; `held` is written, with the reason of `Request::why` |

use jiff::Timestamp;

use super::{
    mark::{IntentMark, Passed, Saying, Word},
    record::Record,
};
use crate::{
    api::{ManagedKeyStatus, Reason, managed_key::HoldReason},
    domain::{
        observed::{Key, State},
        periods::TAKEN_UP_LATELY,
    },
};

/// What the mark and the record say to a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// It may go on.
    Passes(Passed),
    /// It is held.
    Holds(Reason),
    /// It is held, and a word has to be written first. Only then a token is looked at.
    Say(Saying),
    /// It is held for ever: the sequence number is at its end, so no word can be written.
    CountEnded,
}

/// Asks the mark on `key`, and the object's record, whether its deletion in `days` may go on. `confirmation` is the object's token, if it has one.
#[must_use]
pub fn edge(days: i32, generation: i64, key: &Key, status: &ManagedKeyStatus, confirmation: Option<&str>, now: Timestamp) -> Edge {
    let request = Request { days, generation, key, mark: key.intent(), record: Record::of(status), confirmation, now };
    match request.number() {
        Number::Ended => Edge::CountEnded,
        Number::NoMark => Edge::Say(Saying::Held(request.why())),

        _ if request.was_seen_alive() => Edge::Passes(Passed::Edge),
        _ if request.open_call_is_for_these_days() => Edge::Passes(Passed::OpenCall),
        _ if request.open_call_is_for_other_days() => Edge::Passes(Passed::Edge),
        // What a stop held does not go on by itself when it is lifted.
        _ if request.changes_our_schedule() && request.record.holds_other_days() => Edge::Holds(Reason::BudgetExhausted),
        _ if request.changes_our_schedule() => Edge::Passes(Passed::ChangedDays),
        _ if request.is_confirmed() => Edge::Passes(Passed::Confirmed),

        Number::Lower if request.takes_no_word() || request.token().is_some() => Edge::Holds(Reason::RollbackSuspected),
        _ if request.takes_no_word() => Edge::Holds(Reason::CancelledOutside),
        Number::Same if request.is_held_on_the_key() => Edge::Holds(request.why().into()),

        Number::Higher if request.last_word_may_be_written() => Edge::Say(Saying::Again),
        _ => Edge::Say(Saying::Held(request.why())),
    }
}

/// The record's number, compared with the mark's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Number {
    /// One of the two is at its end.
    Ended,
    /// There is no mark to compare with.
    NoMark,
    /// Another hand wrote the mark, or the object comes from a backup.
    Lower,
    /// This object wrote the word on the key.
    Same,
    /// The word on record is not on the key yet, or somebody put an older mark back.
    Higher,
}

/// A deletion that is asked for, with all that answers for it.
struct Request<'a> {
    days: i32,
    generation: i64,
    key: &'a Key,
    mark: IntentMark,
    record: Record<&'a ManagedKeyStatus>,
    confirmation: Option<&'a str>,
    now: Timestamp,
}

impl Request<'_> {
    /// How the record's number compares with the mark's.
    fn number(&self) -> Number {
        if self.mark.next_seq(self.record.seq(), 0).is_none() {
            return Number::Ended;
        }
        let IntentMark::Is(mark) = self.mark else { return Number::NoMark };
        match self.record.seq() {
            None => Number::Lower,
            Some(seq) if seq < mark.seq => Number::Lower,
            Some(seq) if seq == mark.seq => Number::Same,
            Some(_) => Number::Higher,
        }
    }

    /// Whether this object saw its key alive, and nobody changed the key since.
    fn was_seen_alive(&self) -> bool {
        let said = self.number() == Number::Same && self.live_is_the_last_word();
        said && !self.takes_no_word() && !self.cancelled_outside() && self.changed_by_others().is_none()
    }

    /// Whether our own call for these days was refused, or its end is not known: it is sent again.
    fn open_call_is_for_these_days(&self) -> bool {
        self.open_call() == Some(self.days)
    }

    /// Whether our own call for other days was refused, or its end is not known. Until it takes effect, other days may be asked for.
    fn open_call_is_for_other_days(&self) -> bool {
        self.open_call().is_some_and(|days| days != self.days)
    }

    /// Whether the key is pending with exactly the days that this object scheduled, and the object changed since.
    fn changes_our_schedule(&self) -> bool {
        let IntentMark::Is(mark) = self.mark else { return false };
        let Word::Days(written) = mark.word else { return false };
        let is_ours = self.number() != Number::Lower && self.record.scheduled_exactly(self.key, written);
        self.key.state.is_pending() && is_ours && self.generation > mark.generation
    }

    /// Whether the object has the token of the mark. A cancel that was seen ends a token. A word that is not on the key yet is written first, unless it is
    /// the very call that was confirmed.
    fn is_confirmed(&self) -> bool {
        let has_token = self.token().is_some() && self.confirmation == self.token().as_deref();
        let waits_for_a_word = self.number() == Number::Higher && self.record.resumable_days(self.key, self.now).is_none();
        has_token && !self.takes_no_word() && !self.cancelled_outside() && !waits_for_a_word
    }

    /// Whether no word can be written, because the key is pending and takes no tags.
    fn takes_no_word(&self) -> bool {
        self.key.state.is_pending()
    }

    /// The token that confirms this deletion, if the mark has one. It does not matter who wrote the mark.
    fn token(&self) -> Option<String> {
        self.mark.token(&self.key.id)
    }

    /// Whether the key has the word `held`, and nobody cancelled the deletion since. The word in the record does not matter.
    fn is_held_on_the_key(&self) -> bool {
        matches!(self.on_key(), Some(Word::Held(Some(_)))) && !self.cancelled_outside()
    }

    /// Whether the word that the object announced last may still be written on the key: a hold always, `live` if nobody changed the key since.
    fn last_word_may_be_written(&self) -> bool {
        let is_held = matches!(self.record.word(), Some(Word::Held(Some(_))));
        let is_live = self.live_is_the_last_word() && self.changed_by_others().is_none();
        !self.cancelled_outside() && (is_held || is_live)
    }

    /// Why the deletion is held, for the word that says so.
    fn why(&self) -> HoldReason {
        match self.number() {
            Number::Lower => HoldReason::RollbackSuspected,
            Number::Same | Number::Higher if self.cancelled_outside() => self.why_not_pending(),
            Number::Same if self.days_are_the_last_word() => self.why_not_pending(),
            _ if self.live_is_the_last_word() => self.changed_by_others().unwrap_or_else(|| self.record.why_held(self.key)),
            _ => self.record.why_held(self.key),
        }
    }

    /// The word on the key.
    fn on_key(&self) -> Option<Word> {
        if let IntentMark::Is(mark) = self.mark { Some(mark.word) } else { None }
    }

    /// Whether `live` is the last word: it is on the key and on record, or it is on record and may follow the word on the key. It may not follow a hold, because
    /// a status has no authority to end one. It may follow days once our own cancel took effect.
    fn live_is_the_last_word(&self) -> bool {
        match (self.number(), self.record.word(), self.on_key()) {
            (Number::Same, None | Some(Word::Live), Some(Word::Live)) | (Number::Higher, Some(Word::Live), Some(Word::Live)) => true,
            (Number::Higher, Some(Word::Live), Some(Word::Days(_))) => self.record.deletion().is_none(),
            _ => false,
        }
    }

    /// Whether a deletion is the last word, on the key or on record, and neither says `held`.
    fn days_are_the_last_word(&self) -> bool {
        let words = [self.on_key(), self.record.word()];
        words.iter().any(|word| matches!(word, Some(Word::Days(_)))) && !words.iter().any(|word| matches!(word, Some(Word::Held(_))))
    }

    /// The days of our open call, if the mark allows that it is sent again: its word is on the key, or it is not on the key yet and no hold is there.
    fn open_call(&self) -> Option<i32> {
        let days = self.record.resumable_days(self.key, self.now).filter(|_| !self.takes_no_word())?;
        let is_allowed = match self.number() {
            Number::Same => self.on_key() == Some(Word::Days(days)),
            Number::Higher => !matches!(self.on_key(), Some(Word::Held(_))),
            Number::Ended | Number::NoMark | Number::Lower => false,
        };
        is_allowed.then_some(days)
    }

    /// Whether somebody cancelled the deletion outside of Keyward.
    fn cancelled_outside(&self) -> bool {
        self.record.cancelled_outside(self.key)
    }

    /// What speaks against a deletion though this object saw its key alive. What others did to the key has to be written on it: otherwise the hold would end
    /// as soon as somebody changes the key back to save it.
    fn changed_by_others(&self) -> Option<HoldReason> {
        match () {
            () if self.record.disabled_by_another(self.key) => Some(self.record.why_unseen(self.key)),
            () if self.record.enabled_by_another(self.key) || self.record.scheduled_by_another() => Some(HoldReason::CancelledOutside),
            () if self.taken_up_lately() => Some(HoldReason::NotSeenLive),
            () => None,
        }
    }

    /// Whether the key was taken up within the last day. The number tells it: a take-up counts on from the seconds of the clock, and otherwise only a count
    /// that was lost on both sides does.
    fn taken_up_lately(&self) -> bool {
        let IntentMark::Is(mark) = self.mark else { return false };
        // A number ahead of the clock comes from a clock that was wrong, or from somebody who may tag. It tells no age, so it counts as late.
        mark.seq > self.now.as_second().saturating_sub(TAKEN_UP_LATELY.as_secs())
    }

    /// Why a deletion is held whose key is not pending, or not any more. If a call of ours has no known end, and the key is as it was before that call or as our
    /// own cancel leaves it, then perhaps nobody else did anything.
    fn why_not_pending(&self) -> HoldReason {
        let withdrawn = self.number() == Number::Higher && self.record.word() == Some(Word::Live);
        let is_under_way = withdrawn || self.record.deletion().is_some_and(|known| known.call.is_some());
        let as_we_left_it = self.record.state_is_as_known(self.key) || (self.record.was_pending() && self.key.state == State::Disabled);
        if is_under_way && as_we_left_it { HoldReason::Interrupted } else { HoldReason::CancelledOutside }
    }
}
