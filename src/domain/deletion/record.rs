//! The record: what the object's status remembers of its deletion, and the word that the object announced last.
//!
//! It is written before the mark is tried, so that a hold outlives every failure to write it on the key. Whoever may write a status can write
//! anything here, so a record only ever forbids: it never lets a deletion pass that the mark alone would hold.

use jiff::{SignedDuration, Timestamp};

use super::mark::{Intent, IntentMark, MAX_SEQ, Nonce, Passed, Saying, Word};
use crate::{
    api::{
        ManagedKeyStatus,
        condition::seconds,
        managed_key::{Applied, Deletion, DeletionCall, DeletionOrigin, HoldReason, KeyState, ManagementPolicy},
    },
    domain::{
        desired::Desired,
        memory::Memory,
        observed::{Key, State},
        ownership::Ownership,
        step::{Destruction, How, Step},
    },
};

/// How long an open call of ours may be taken up again.
pub const OPEN_CALL: SignedDuration = SignedDuration::from_mins(15);
/// For how long after a take-up an edge is not enough: the name alone is weak evidence that the object has a right to the key.
const TAKEN_UP_LATELY: SignedDuration = SignedDuration::from_hours(24);

/// The sequence number of the mark, or of the record, is at its end. No word can be written any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountEnded;

/// The record of one object, asked about one key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    status: &'a ManagedKeyStatus,
    key: &'a Key,
}

impl<'a> Record<'a> {
    pub(super) const fn of(status: &'a ManagedKeyStatus, key: &'a Key) -> Self {
        Self { status, key }
    }

    /// The number of the word that the object announced last.
    pub(super) const fn seq(self) -> Option<i64> {
        self.status.intent_seq
    }

    /// The word that the object announced last, if it can be read.
    pub(super) fn word(self) -> Option<Word> {
        self.status.intent_word.as_deref().and_then(|word| word.parse().ok())
    }

    /// Why the announced word is `held`.
    pub(super) const fn hold_reason(self) -> Option<HoldReason> {
        self.status.intent_reason
    }

    pub(super) const fn deletion(self) -> Option<&'a Deletion> {
        self.status.deletion.as_ref()
    }

    /// Whether the last look saw the key pending.
    pub(super) const fn was_pending(self) -> bool {
        matches!(self.status.key_state, Some(KeyState::PendingDeletion | KeyState::PendingReplicaDeletion))
    }

    /// Whether the key is in the state in which it was last seen, or in which our call was opened.
    pub(super) fn state_is_as_known(self) -> bool {
        self.status.key_state == Some(self.key.state.into())
    }

    /// The call that we opened and of which no end is known, for a key in the state in which it was opened, or for one that it may have scheduled. One that
    /// was refused has scheduled none.
    pub(super) fn open_call(self) -> Option<&'a Deletion> {
        self.deletion().filter(|known| match known.call {
            Some(DeletionCall::Open) => self.key.state.is_pending() || self.state_is_as_known(),
            Some(DeletionCall::Refused) => self.state_is_as_known(),
            None => false,
        })
    }

    /// The days of our open call, if it was opened, or refused for certain, not long ago, and is what the object announced last.
    pub(super) fn resumable_days(self, now: Timestamp) -> Option<i32> {
        let known = self.open_call()?;
        let days = known.schedule_days?;
        let lately = known.requested_time.as_ref().is_some_and(|since| now.duration_since(since.0).abs() <= OPEN_CALL);
        (lately && self.word().is_none_or(|word| word == Word::Days(days))).then_some(days)
    }

    /// Whether the last look saw the key pending, and it is not any more. Nobody but someone else cancels while the object asks for a deletion.
    pub(super) fn cancelled_outside(self) -> bool {
        !self.key.state.is_pending() && self.open_call().is_none() && self.was_pending()
    }

    /// Why a deletion is held whose key is not on its way to its end, or not any more. Where a call of ours is on record of which no end is known, and the key is
    /// as it was before that call, or as our own cancel leaves it, nobody else need have done anything.
    pub(super) fn why_not_pending(self) -> HoldReason {
        let is_ahead = matches!(self.key.intent(), IntentMark::Is(on_key) if self.seq() > Some(on_key.seq));
        let withdrawn = is_ahead && self.word() == Some(Word::Live);
        let under_way = withdrawn || self.deletion().is_some_and(|known| known.call.is_some());
        let as_left = self.state_is_as_known() || (self.was_pending() && self.key.state == State::Disabled);
        if under_way && as_left { HoldReason::Interrupted } else { HoldReason::CancelledOutside }
    }

    /// Whether the key is disabled and it is not we who disabled it, or cannot be known to be.
    pub(super) fn disabled_by_another(self) -> bool {
        self.key.state == State::Disabled && !(self.applied_enabled() == Some(false) && self.status.key_state == Some(KeyState::Disabled))
    }

    /// Whether the key was disabled when it was last seen and is enabled now. Nobody but someone else enables it while the object asks for its deletion.
    pub(super) fn enabled_by_another(self) -> bool {
        self.key.state == State::Enabled && self.status.key_state == Some(KeyState::Disabled)
    }

    /// Whether somebody else scheduled a deletion since the object last said `live`.
    pub(super) fn scheduled_by_another(self) -> bool {
        self.deletion().is_some_and(|known| known.origin == DeletionOrigin::External)
    }

    /// Why a deletion is held for which nothing else says why: something happened to the key outside, or the object was not seen to want it alive.
    pub(super) fn why_unseen(self) -> HoldReason {
        let disabled_outside = self.key.state == State::Disabled && self.applied_enabled() == Some(true);
        if self.deletion().is_some() || disabled_outside || self.enabled_by_another() {
            HoldReason::CancelledOutside
        } else {
            HoldReason::NotSeenLive
        }
    }

    /// Whether the pending deletion is exactly the one that this object scheduled with `written` days.
    pub(super) fn scheduled_exactly(self, written: i32) -> bool {
        // No date is known while replicas are waited for, nor between our call and the look after it.
        let recorded = self.status.deletion_date.as_ref().map(|date| date.0.as_second());
        let stands = self.was_pending() && (recorded.is_none() || recorded == self.key.deletion_date.map(Timestamp::as_second));
        let open = self.open_call().is_some();
        let is_held = matches!(self.word(), Some(Word::Held(_)));
        self.deletion().filter(|known| !is_held && known.origin == DeletionOrigin::Keyward).is_some_and(|known| {
            match known.schedule_days {
                // Our call took effect, and this is the first look since.
                Some(opened) if opened == written && open => true,
                Some(scheduled) if scheduled == written => stands,
                // New days were opened over exactly our schedule, which still stands.
                Some(_) => open && stands,
                None => false,
            }
        })
    }

    fn applied_enabled(self) -> Option<bool> {
        self.status.applied.as_ref().and_then(|applied| applied.enabled)
    }
}

/// Whether a mark with that number was begun by a take-up within the last day. A take-up counts on from the clock's seconds, and nothing else does
/// but a count that was lost on both sides.
pub(super) fn taken_up_lately(seq: i64, now: Timestamp) -> bool {
    // A number that is ahead of the clock was written by a clock that was wrong, or by somebody who may tag: it tells no age.
    seq > now.as_second().saturating_sub(TAKEN_UP_LATELY.as_secs())
}

/// What has to be remembered around a word.
impl Memory {
    /// Whether no word can be written on that key any more.
    #[must_use]
    pub fn count_ended(&self, key: &Key) -> bool {
        key.intent().next_seq(self.status.intent_seq, 0).is_none()
    }

    /// Whether a hold is on record. Only `live`, written after the field was seen gone, or the token for the mark as it stands, ends it.
    #[must_use]
    pub fn is_held(&self) -> bool {
        matches!(self.status.intent_word.as_deref().map(str::parse), Some(Ok(Word::Held(_))))
    }

    /// What has to stand in the status **before** `step` is called, and the mark that then has to be written on the key, before the call too.
    ///
    /// The order is status, mark, call: whatever is lost on the way, the mark on the key is never ahead of an intention that was not recorded.
    ///
    /// # Errors
    /// [`CountEnded`] if no word can follow; nothing may be done then.
    pub fn open(&mut self, step: &Step, desired: &Desired, key: &Key, now: Timestamp, nonce: Nonce) -> Result<Option<Intent>, CountEnded> {
        match step {
            Step::Cancel => {
                // Whatever is pending after this is another's, or comes from a call that is opened anew.
                self.saw(key);
                // The key is wanted alive. A pending one takes no tags, so the word follows later; that the cancel is ours is on record now.
                let ours = key.tags.as_ref().is_some_and(|tags| Ownership::of(tags, &desired.owner) == Ownership::Ours);
                if let (true, Ok(seq)) = (ours, self.next_live(step, key, now)) {
                    self.said(seq, Word::Live, None, desired);
                }
                // From here on there is a record, which does not say that the key was enabled: being alive again includes that.
                if desired.policy == ManagementPolicy::EnforceOnChange {
                    self.status.applied.get_or_insert_with(|| Applied { generation: desired.generation, ..Applied::default() });
                }
                Ok(None)
            }
            Step::Bind { say, .. } | Step::Mark { say } => self.announce(step, *say, desired, key, now, nonce).map(Some),
            // A call that is taken up again keeps its word, which may not be on the key yet.
            Step::Destroy(Destruction::Schedule { passed: Passed::OpenCall, .. }) => {
                if let Some(deletion) = &mut self.status.deletion {
                    deletion.call = Some(DeletionCall::Open);
                }
                let last = self.last_word(desired, key)?;
                let stands = matches!(key.intent(), IntentMark::Is(on_key) if (on_key.seq, on_key.word) == (last.seq, last.word));
                Ok((!stands).then_some(last))
            }
            Step::Destroy(Destruction::Schedule { days, .. } | Destruction::Reschedule { days, .. }) => {
                self.call(step, *days, desired, key, now).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The key as it is now, with no call of ours under way.
    fn saw(&mut self, key: &Key) {
        let status = &mut self.status;
        (status.key_state, status.deletion_date) = (Some(key.state.into()), key.deletion_date.map(seconds));
        if let Some(deletion) = &mut status.deletion {
            deletion.call = None;
        }
    }

    /// The word that the object announced last, as it is written on the key.
    fn last_word(&self, desired: &Desired, key: &Key) -> Result<Intent, CountEnded> {
        let status = &self.status;
        let seq = status.intent_seq.filter(|seq| (0..=MAX_SEQ).contains(seq)).ok_or(CountEnded)?;
        // A record from before the words were kept has the days of its open call alone.
        let days = || status.deletion.as_ref()?.schedule_days.map(Word::Days);
        let word = Record::of(status, key).word().or_else(days).ok_or(CountEnded)?;
        if key.intent() == IntentMark::CountEnded { Err(CountEnded) } else { Ok(Intent { seq, generation: desired.generation, word }) }
    }

    fn announce(
        &mut self,
        step: &Step,
        say: Saying,
        desired: &Desired,
        key: &Key,
        now: Timestamp,
        nonce: Nonce,
    ) -> Result<Intent, CountEnded> {
        let (word, reason) = match say {
            Saying::Live => (Word::Live, None),
            Saying::Held(reason) => (Word::Held(Some(nonce)), Some(reason)),
            Saying::Again => return self.last_word(desired, key),
        };
        let seq = if word == Word::Live { self.next_live(step, key, now)? } else { self.next_seq(step, key, now)? };
        match word {
            Word::Live => self.status.deletion = None,
            // What was asked for stays known, so that the hold can say whether something was cancelled. That it was is said once.
            _ => self.saw(key),
        }
        Ok(self.said(seq, word, reason, desired))
    }

    /// The record of a call that schedules the deletion in `days`.
    fn call(&mut self, step: &Step, days: i32, desired: &Desired, key: &Key, now: Timestamp) -> Result<Intent, CountEnded> {
        let seq = self.next_seq(step, key, now)?;
        self.saw(key);
        let status = &mut self.status;
        // From here on this was asked of the KMS, so that taking the field out is a change under every policy.
        if let Some(applied) = &mut status.applied {
            applied.deletion_schedule_days = Some(days);
        }
        status.deletion = Some(Deletion {
            schedule_days: Some(days),
            requested_time: Some(seconds(now)),
            origin: DeletionOrigin::Keyward,
            call: Some(DeletionCall::Open),
            last_used_time: None,
        });
        Ok(self.said(seq, Word::Days(days), None, desired))
    }

    fn next_seq(&self, step: &Step, key: &Key, now: Timestamp) -> Result<i64, CountEnded> {
        let own = self.status.intent_seq;
        let floor = match step {
            // Other objects counted before; and the number tells for a day that the key was taken up.
            Step::Bind { how: How::TakeUp, .. } => now.as_second(),
            Step::Bind { .. } if self.bound_to().is_none() => 0,
            // If the mark and the record are both lost, so is the number. Counted from 1 again, an old status could fit by accident; the clock is
            // ahead of all that was ever counted.
            _ if own.is_none() && !matches!(key.intent(), IntentMark::Is(_)) => now.as_second(),
            _ => 0,
        };
        key.intent().next_seq(own, floor).ok_or(CountEnded)
    }

    /// The number of `live`. One that was announced and is not on the key yet is said with its own number, so that a try that is refused writes nothing anew.
    fn next_live(&self, step: &Step, key: &Key, now: Timestamp) -> Result<i64, CountEnded> {
        let next = self.next_seq(step, key, now)?;
        let waits = matches!(key.intent(), IntentMark::Is(on_key) if self.status.intent_seq > Some(on_key.seq));
        let again = self.status.intent_seq.filter(|_| waits && self.status.intent_word.as_deref() == Some("live"));
        Ok(again.unwrap_or(next))
    }

    fn said(&mut self, seq: i64, word: Word, reason: Option<HoldReason>, desired: &Desired) -> Intent {
        let status = &mut self.status;
        (status.intent_seq, status.intent_word, status.intent_reason) = (Some(seq), Some(word.to_string()), reason);
        Intent { seq, generation: desired.generation, word }
    }

    /// The KMS refused a step for certain, as when it throttles: nothing is on its way. A call that stands open may be sent again from `now` on, for the
    /// key as it is: on the way to other days it was our own cancel that disabled it.
    pub fn refused(&mut self, key: &Key, now: Timestamp) {
        let status = &mut self.status;
        if let Some(deletion) = status.deletion.as_mut().filter(|deletion| deletion.call.is_some()) {
            (deletion.requested_time, deletion.call) = (Some(seconds(now)), Some(DeletionCall::Refused));
            (status.key_state, status.deletion_date) = (Some(key.state.into()), key.deletion_date.map(seconds));
        }
    }
}
