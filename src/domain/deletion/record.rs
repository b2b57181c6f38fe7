//! The record: what the object's status remembers of its deletion, and the word that the object announced last.
//!
//! Six fields of the status are the record. Only this file and [`observation`](super::observation) edit them:
//!
//! | fields | what they remember |
//! |---|---|
//! | `intentSeq`, `intentWord`, `intentReason` | the word that the object announced last |
//! | `keyState`, `deletionDate` | the key as it was seen last |
//! | `deletion` | the deletion that is scheduled, or the call that asks for it |
//!
//! `intentReason` is why the word is `held`. Beside the days of a pending deletion, it says that other days are held.
//!
//! They change in four transitions:
//!
//! | transition | when |
//! |---|---|
//! | [`opened`](Record::opened) | before a call |
//! | [`refused`](Record::refused) | the KMS refused the call for certain |
//! | [`called`](Record::called) | the reply of the call came |
//! | [`seen`](Record::seen) | after a read of the key |
//!
//! Keyward writes the record first and the mark second. So a hold stays even if the mark can never be written. Everybody who may write a status can write
//! any record. So the record can only hold a deletion: it lets no deletion pass that the mark alone would hold.

use std::ops::Deref;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::mark::{Intent, IntentMark, MAX_SEQ, Nonce, Passed, Saying, Word};
use crate::{
    api::{
        ManagedKeyStatus,
        condition::seconds,
        managed_key::{Deletion, DeletionCall, DeletionOrigin, HoldReason, KeyState},
    },
    domain::{
        desired::Desired,
        observed::{Key, State},
        periods::OPEN_CALL,
        step::{Destruction, How, Step},
    },
};

/// The sequence number of the mark, or of the record, is at its end. No word can be written any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountEnded;

/// The record of one object: `Record<&ManagedKeyStatus>` answers questions, `Record<&mut ManagedKeyStatus>` changes too.
#[derive(Clone, Copy, Debug)]
pub struct Record<S>(pub(super) S);

/// What a step is opened with.
#[derive(Debug)]
pub struct Opening<'a> {
    /// The step that is about to be called.
    pub step: &'a Step,
    /// What is declared.
    pub desired: &'a Desired,
    /// The key as it is before the call.
    pub key: &'a Key,
    /// Whether the object was ever bound to a key.
    pub was_bound: bool,
    /// The time of the call.
    pub now: Timestamp,
    /// The letters of a new `held`.
    pub nonce: Nonce,
}

/// Questions.
impl<S: Deref<Target = ManagedKeyStatus>> Record<S> {
    /// The record in that status.
    pub const fn of(status: S) -> Self {
        Self(status)
    }

    /// Whether no word can be written on the key any more.
    #[must_use]
    pub fn count_ended(&self, key: &Key) -> bool {
        key.intent().next_seq(self.seq(), 0).is_none()
    }

    /// Whether the object announced a hold. A hold ends in two ways: the field is removed and the object announces `live`, or a person writes the token of
    /// the mark that is on the key.
    #[must_use]
    pub fn is_held(&self) -> bool {
        matches!(self.word(), Some(Word::Held(_)))
    }

    /// Whether the object announced a hold because all deletions through its provider were stopped.
    #[must_use]
    pub fn is_held_by_a_stop(&self) -> bool {
        self.is_held() && self.0.intent_reason == Some(HoldReason::BudgetExhausted)
    }

    /// Whether other days than those of the pending deletion were held because all deletions through the provider were stopped. A pending key takes no tags, so
    /// there is no word for this, and no token.
    pub(super) fn holds_other_days(&self) -> bool {
        !self.is_held() && self.0.intent_reason == Some(HoldReason::BudgetExhausted)
    }

    /// Whether the key was pending when it was last seen.
    #[must_use]
    pub fn was_pending(&self) -> bool {
        matches!(self.0.key_state, Some(KeyState::PendingDeletion | KeyState::PendingReplicaDeletion))
    }

    /// When the key will be deleted: the date of this read, or else the date on record. No KMS moves the date of a pending deletion, so the date on record
    /// stays true while the key is pending. A key that waits for its replicas has no date.
    #[must_use]
    pub fn date_of(&self, key: &Key) -> Option<Time> {
        match key.state {
            State::PendingDeletion => key.deletion_date.map(seconds).or_else(|| self.0.deletion_date.clone()),
            State::PendingReplicaDeletion => key.deletion_date.map(seconds),
            _ => None,
        }
    }

    /// The number of the word that the object announced last.
    pub(super) fn seq(&self) -> Option<i64> {
        self.0.intent_seq
    }

    /// The word that the object announced last, if it can be read.
    pub(super) fn word(&self) -> Option<Word> {
        self.0.intent_word.as_deref().and_then(|word| word.parse().ok())
    }

    /// Whether a deletion is on record: one that is pending, or one whose call was opened.
    #[must_use]
    pub fn has_deletion(&self) -> bool {
        self.deletion().is_some()
    }

    /// The deletion on record. A record that has only the last use of the key is no deletion.
    pub(super) fn deletion(&self) -> Option<&Deletion> {
        self.0.deletion.as_ref().filter(|known| !is_use_alone(known))
    }

    /// Whether the key is in the state on record: the one in which it was last seen, or in which our call was opened.
    pub(super) fn state_is_as_known(&self, key: &Key) -> bool {
        self.0.key_state == Some(key.state.into())
    }

    /// Our call, if its result is not known and it may still take effect. An open call may, if the key has the state that it had when the call was opened,
    /// or is pending because of the call. A refused call scheduled nothing. It may be sent again if the key has the state that it had at the refusal.
    pub(super) fn open_call(&self, key: &Key) -> Option<&Deletion> {
        self.deletion().filter(|known| match known.call {
            Some(DeletionCall::Open) => key.state.is_pending() || self.state_is_as_known(key),
            Some(DeletionCall::Refused) => self.state_is_as_known(key),
            None => false,
        })
    }

    /// The days of our open call, if it may be sent again: it was opened or refused at most [`OPEN_CALL`] ago, and the object announced no other word since.
    pub(super) fn resumable_days(&self, key: &Key, now: Timestamp) -> Option<i32> {
        let known = self.open_call(key)?;
        let days = known.schedule_days?;
        let lately = known.requested_time.as_ref().is_some_and(|since| now.duration_since(since.0).abs() <= OPEN_CALL);
        (lately && self.word().is_none_or(|word| word == Word::Days(days))).then_some(days)
    }

    /// Whether the key was pending when it was last seen, is not pending now, and no call of ours is on its way. While the object asks for a deletion,
    /// only somebody else cancels it.
    pub(super) fn cancelled_outside(&self, key: &Key) -> bool {
        self.was_pending() && !key.state.is_pending() && self.open_call(key).is_none()
    }

    /// Whether the key is disabled and nothing proves that Keyward disabled it.
    pub(super) fn disabled_by_another(&self, key: &Key) -> bool {
        let by_us = self.applied_enabled() == Some(false) && self.0.key_state == Some(KeyState::Disabled);
        key.state == State::Disabled && !by_us
    }

    /// Whether the key was disabled when it was last seen, and is enabled now. While the object asks for a deletion, only somebody else enables it.
    pub(super) fn enabled_by_another(&self, key: &Key) -> bool {
        key.state == State::Enabled && self.0.key_state == Some(KeyState::Disabled)
    }

    /// Whether somebody else scheduled a deletion since the object last said `live`.
    pub(super) fn scheduled_by_another(&self) -> bool {
        self.deletion().is_some_and(|known| known.origin == DeletionOrigin::External)
    }

    /// Why a deletion is held: the reason on record, else what the key and the record show.
    pub(super) fn why_held(&self, key: &Key) -> HoldReason {
        self.0.intent_reason.unwrap_or_else(|| self.why_unseen(key))
    }

    /// Why a deletion is held that has no reason on record: something happened to the key outside of Keyward, or this object did not see the key alive.
    pub(super) fn why_unseen(&self, key: &Key) -> HoldReason {
        let disabled_outside = key.state == State::Disabled && self.applied_enabled() == Some(true);
        if self.deletion().is_some() || disabled_outside || self.enabled_by_another(key) {
            HoldReason::CancelledOutside
        } else {
            HoldReason::NotSeenLive
        }
    }

    /// Whether the pending deletion is exactly the one that this object scheduled with `written` days.
    pub(super) fn scheduled_exactly(&self, key: &Key, written: i32) -> bool {
        // The date is not known while the key waits for its replicas, nor between our call and the next read.
        let recorded = self.0.deletion_date.as_ref().map(|date| date.0.as_second());
        let is_the_same = self.was_pending() && (recorded.is_none() || recorded == key.deletion_date.map(Timestamp::as_second));
        let is_open = self.open_call(key).is_some();
        let ours = self.deletion().filter(|known| known.origin == DeletionOrigin::Keyward && !self.is_held());
        match ours.and_then(|known| known.schedule_days) {
            // Our call took effect, and this is the first read since.
            Some(days) if days == written && is_open => true,
            Some(days) if days == written => is_the_same,
            // Other days were opened over exactly our schedule, and it is still the same.
            Some(_) => is_open && is_the_same,
            None => false,
        }
    }

    fn applied_enabled(&self) -> Option<bool> {
        self.0.applied.as_ref().and_then(|applied| applied.enabled)
    }

    /// The word that the object announced last, as it is written on the key.
    fn last_word(&self, desired: &Desired, key: &Key) -> Result<Intent, CountEnded> {
        let seq = self.seq().filter(|seq| (0..=MAX_SEQ).contains(seq)).ok_or(CountEnded)?;
        // An earlier version kept no words; its record has the days of the open call.
        let days = || self.deletion()?.schedule_days.map(Word::Days);
        let word = self.word().or_else(days).ok_or(CountEnded)?;
        if key.intent() == IntentMark::CountEnded { Err(CountEnded) } else { Ok(Intent { seq, generation: desired.generation, word }) }
    }

    /// The number of a new word.
    fn next_seq(&self, opening: &Opening<'_>) -> Result<i64, CountEnded> {
        let &Opening { step, key, was_bound, now, .. } = opening;
        let mark = key.intent();
        let floor = match step {
            // Earlier objects wrote numbers too, so continue from the clock. For a day, this number also shows that the key was taken up.
            Step::Bind { how: How::TakeUp, .. } => now.as_second(),
            Step::Bind { .. } if !was_bound => 0,
            // The mark and the record are lost, and so is the number. If the count began again at 1, it could come to the number in an old status. The
            // clock is ahead of every number that was ever written, so continue from the clock.
            _ if self.seq().is_none() && !matches!(mark, IntentMark::Is(_)) => now.as_second(),
            _ => 0,
        };
        mark.next_seq(self.seq(), floor).ok_or(CountEnded)
    }

    /// The number of a new `live`. A `live` that was announced and is not on the key yet keeps its number, so that a refused try changes no status.
    fn next_live(&self, opening: &Opening<'_>) -> Result<i64, CountEnded> {
        let next = self.next_seq(opening)?;
        let waits = matches!(opening.key.intent(), IntentMark::Is(on_key) if self.seq() > Some(on_key.seq));
        Ok(self.seq().filter(|_| waits && self.word() == Some(Word::Live)).unwrap_or(next))
    }
}

/// Transitions around a call.
impl Record<&mut ManagedKeyStatus> {
    /// **Before a call.** Records what `opening.step` is about to do, and gives the mark that has to be written on the key before the call.
    ///
    /// The order is status, mark, call. If the process ends on the way, the mark on the key is never ahead of the record.
    ///
    /// # Errors
    /// [`CountEnded`] if no word can follow; then nothing may be done.
    pub fn opened(&mut self, opening: &Opening<'_>) -> Result<Option<Intent>, CountEnded> {
        match opening.step {
            Step::Cancel => {
                self.opened_cancel(opening);
                Ok(None)
            }
            Step::Bind { say, .. } | Step::Mark { say } => self.opened_word(opening, *say).map(Some),
            Step::Destroy(Destruction::Schedule { passed: Passed::OpenCall, .. }) => self.opened_again(opening),
            Step::Destroy(Destruction::Schedule { days, .. } | Destruction::Reschedule { days, .. }) => {
                self.opened_deletion(opening, *days).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// **The KMS refused the call for certain**, as when it throttles: nothing is on its way. An open call may be sent again, for [`OPEN_CALL`] from `now`
    /// on. The state of the key is recorded as it is now: on the way to other days, our own cancel disabled it.
    pub fn refused(&mut self, key: &Key, now: Timestamp) {
        let status = &mut *self.0;
        if let Some(deletion) = status.deletion.as_mut().filter(|deletion| deletion.call.is_some()) {
            (deletion.requested_time, deletion.call) = (Some(seconds(now)), Some(DeletionCall::Refused));
            (status.key_state, status.deletion_date) = (Some(key.state.into()), key.deletion_date.map(seconds));
        }
    }

    /// **The reply of the call came**: the step took effect, and no call is on its way.
    pub fn called(&mut self, step: &Step) {
        let status = &mut *self.0;
        match step {
            // `CreateKey` writes this word.
            Step::Create => (status.intent_seq, status.intent_word) = (Some(1), Some(Word::Live.to_string())),
            // The next read tells the date.
            Step::Destroy(Destruction::Schedule { .. } | Destruction::Reschedule { .. }) => {
                (status.key_state, status.deletion_date) = (Some(KeyState::PendingDeletion), None);
                if let Some(deletion) = &mut status.deletion {
                    deletion.call = None;
                }
            }
            // The cancel leaves the key disabled.
            Step::Cancel => (status.key_state, status.deletion_date, status.deletion) = (Some(KeyState::Disabled), None, None),
            Step::Enable => status.key_state = Some(KeyState::Enabled),
            Step::Disable | Step::Destroy(Destruction::Disable) => status.key_state = Some(KeyState::Disabled),
            _ => {}
        }
    }

    /// A cancel. Whatever is pending after it is another's, or comes from a new call.
    ///
    /// A pending key takes no tags, so `live` follows later. It is announced now, so that the record tells that the cancel is ours.
    fn opened_cancel(&mut self, opening: &Opening<'_>) {
        let &Opening { desired, key, .. } = opening;
        self.closed(key);
        if let (true, Ok(seq)) = (key.is_of(&desired.owner), self.next_live(opening)) {
            self.announced(seq, Word::Live, None, desired);
        }
    }

    /// A word that is written without another call.
    fn opened_word(&mut self, opening: &Opening<'_>, say: Saying) -> Result<Intent, CountEnded> {
        let &Opening { desired, key, nonce, .. } = opening;
        match say {
            Saying::Again => self.last_word(desired, key),
            Saying::Live => {
                let seq = self.next_live(opening)?;
                self.0.deletion = None;
                Ok(self.announced(seq, Word::Live, None, desired))
            }
            Saying::Held(reason) => {
                let seq = self.next_seq(opening)?;
                // The deletion stays on record, so that the hold can say whether something was cancelled. The state is the one of now, so that a cancel
                // is reported once.
                self.closed(key);
                Ok(self.announced(seq, Word::Held(Some(nonce)), Some(reason), desired))
            }
        }
    }

    /// A call that schedules the deletion in `days`.
    fn opened_deletion(&mut self, opening: &Opening<'_>, days: i32) -> Result<Intent, CountEnded> {
        let &Opening { desired, key, now, .. } = opening;
        let seq = self.next_seq(opening)?;
        self.closed(key);
        // A key that is pending cannot be used, so what was known of its last use stays true for other days.
        let last_use = self.deletion().filter(|_| key.state.is_pending()).and_then(|known| known.last_use);
        self.0.deletion = Some(Deletion {
            schedule_days: Some(days),
            requested_time: Some(seconds(now)),
            origin: DeletionOrigin::Keyward,
            call: Some(DeletionCall::Open),
            last_used_time: None,
            last_use,
            waits_for: Vec::new(),
            earliest_deletion_date: None,
        });
        Ok(self.announced(seq, Word::Days(days), None, desired))
    }

    /// Our open call, which is sent again with its own word. That word may not be on the key yet.
    fn opened_again(&mut self, opening: &Opening<'_>) -> Result<Option<Intent>, CountEnded> {
        let &Opening { desired, key, .. } = opening;
        if let Some(deletion) = &mut self.0.deletion {
            deletion.call = Some(DeletionCall::Open);
        }
        let last = self.last_word(desired, key)?;
        let is_on_key = matches!(key.intent(), IntentMark::Is(on_key) if (on_key.seq, on_key.word) == (last.seq, last.word));
        Ok((!is_on_key).then_some(last))
    }

    /// The key as it is now, with no call of ours on its way.
    fn closed(&mut self, key: &Key) {
        let status = &mut *self.0;
        (status.key_state, status.deletion_date) = (Some(key.state.into()), key.deletion_date.map(seconds));
        if let Some(deletion) = &mut status.deletion {
            deletion.call = None;
        }
    }

    /// The object announces a word.
    fn announced(&mut self, seq: i64, word: Word, reason: Option<HoldReason>, desired: &Desired) -> Intent {
        let status = &mut *self.0;
        (status.intent_seq, status.intent_word, status.intent_reason) = (Some(seq), Some(word.to_string()), reason);
        Intent { seq, generation: desired.generation, word }
    }
}

/// Whether the record has only the last use of the key, and no deletion.
pub(super) fn is_use_alone(known: &Deletion) -> bool {
    let Deletion { schedule_days, requested_time, origin, call, last_used_time, last_use, waits_for, earliest_deletion_date } = known;
    let is_empty = schedule_days.is_none() && requested_time.is_none() && call.is_none() && last_use.is_none();
    let is_empty = is_empty && waits_for.is_empty() && earliest_deletion_date.is_none();
    last_used_time.is_some() && is_empty && *origin == DeletionOrigin::Keyward
}
