//! What the record takes over from a read of the key.
//!
//! The record is evidence for the [edge](super::edge()), so a read must not make it say more than was known. A mark of ours that is still on the key does
//! not prove that the schedule is ours, and a read without the marks does not prove that nobody changed the key.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::{
    mark::{Intent, IntentMark, Word},
    record::{Record, is_use_alone},
};
use crate::{
    api::{
        ManagedKeyStatus,
        condition::seconds,
        managed_key::{Deletion, DeletionCall, DeletionOrigin, HoldReason, KeyState, KnownUse},
        replica_of::WaitsFor,
    },
    domain::observed::Key,
};

/// What a read showed.
#[derive(Clone, Copy, Debug)]
pub enum Observation<'a> {
    /// The object's own key, or the key that the object rests on without being bound to it.
    Own {
        /// The key.
        key: &'a Key,
        /// The days of the deletion that is declared; `None`: the key is to live.
        asked: Option<i32>,
        /// Whether this round asked the edge. If it did, the round took into account what the record shows.
        judged: bool,
        /// The time of the read.
        now: Timestamp,
    },
    /// A key that does not bear the object's marks.
    Unmarked {
        /// The key.
        key: &'a Key,
        /// Whether it is the key that the object had, or that it looks for.
        concerns: bool,
        /// The days of the deletion that is declared; `None`: the key is to live.
        asked: Option<i32>,
    },
    /// The key was not found so often that it counts as deleted.
    Deleted,
    /// The key was not found so often that it counts as lost.
    Lost,
    /// The object's own key, alive, with all of its life as declared.
    Alive,
    /// Other days were declared for a pending deletion, and they are held because all deletions through the provider are stopped.
    OtherDaysStopped,
    /// No pending deletion is reported, so no date is reported either.
    NothingPending,
    /// The key was used lately, and that holds the deletion.
    InUse {
        /// When it was used last.
        used: Timestamp,
    },
    /// The replicas for which the object's own key waits before it can be deleted; none if it waits for none.
    Waits {
        /// The replicas.
        replicas: &'a [WaitsFor],
    },
    /// No use holds a deletion.
    NotInUse,
    /// The KMS was asked when the key was last used, and did not tell. Its deletion is scheduled next.
    UseUntold,
}

impl Record<&mut ManagedKeyStatus> {
    /// **After a read of the key.**
    pub fn seen(&mut self, observation: Observation<'_>) {
        match observation {
            Observation::Own { key, asked, judged, .. } if self.keeps_evidence(key, asked, judged) => {}
            Observation::Own { key, asked, now, .. } => {
                if key.state.is_pending() {
                    self.0.deletion = Some(self.pending_deletion(key, asked, now));
                    // The other days that were held are not asked for any more.
                    if self.holds_other_days() && is_marked_with(key, asked) {
                        self.0.intent_reason = None;
                    }
                } else if !self.state_is_as_known(key)
                    && let Some(known) = &mut self.0.deletion
                {
                    known.call = None;
                }
                (self.0.key_state, self.0.deletion_date) = (Some(key.state.into()), self.date_of(key));
            }
            Observation::Unmarked { key, concerns, asked } => self.seen_unmarked(key, concerns, asked),
            Observation::Deleted => (self.0.key_state, self.0.deletion, self.0.deletion_date) = (Some(KeyState::Deleted), None, None),
            // A disabled key is evidence for a deletion that is asked for now or later. A pending one has a date that is still to come.
            Observation::Lost if self.0.key_state == Some(KeyState::Disabled) || self.was_pending() => {}
            Observation::Lost => self.0.key_state = None,
            Observation::Alive => self.0.deletion = None,
            Observation::OtherDaysStopped if !self.is_held() => self.0.intent_reason = Some(HoldReason::BudgetExhausted),
            Observation::OtherDaysStopped => {}
            Observation::NothingPending if self.was_pending() => {}
            Observation::NothingPending => self.0.deletion_date = None,
            Observation::InUse { used } => self.seen_in_use(used),
            Observation::UseUntold => {
                if let Some(known) = &mut self.0.deletion {
                    known.last_use = Some(KnownUse::Unknown);
                }
            }
            Observation::Waits { replicas } => self.seen_waiting(replicas),
            Observation::NotInUse => {
                self.0.deletion = self.0.deletion.take().filter(|known| !is_use_alone(known));
                if let Some(known) = &mut self.0.deletion {
                    known.last_used_time = None;
                }
            }
        }
    }

    /// The replicas for which the key waits. Its own window begins when the last of them is deleted (API reference of `ScheduleKeyDeletion`), so a date can be
    /// told if all of them have one.
    fn seen_waiting(&mut self, replicas: &[WaitsFor]) {
        let Some(known) = &mut self.0.deletion else { return };
        let dates: Option<Vec<Timestamp>> = replicas.iter().map(|replica| Some(replica.deletion_date.as_ref()?.0)).collect();
        let last = dates.and_then(|dates| dates.into_iter().max());
        let window = known.schedule_days.map(|days| SignedDuration::from_hours(24 * i64::from(days)));
        known.waits_for = replicas.to_vec();
        known.earliest_deletion_date = last.zip(window).and_then(|(last, window)| last.checked_add(window).ok()).map(seconds);
    }

    /// The use that holds the deletion. Of the uses of one day the first that was seen stays, so that a key that is used all the time does not have its status
    /// written all the time.
    fn seen_in_use(&mut self, used: Timestamp) {
        let day = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
        let known = self.0.deletion.get_or_insert(Deletion {
            schedule_days: None,
            requested_time: None,
            origin: DeletionOrigin::Keyward,
            call: None,
            last_used_time: None,
            last_use: None,
            waits_for: Vec::new(),
            earliest_deletion_date: None,
        });
        if known.last_used_time.as_ref().is_none_or(|last| day(last.0) != day(used)) {
            known.last_used_time = Some(seconds(used));
        }
    }

    /// Whether the state on record stays, though the read showed another. It stays if a deletion is asked for, this round did not ask the edge about it, and
    /// the record shows that the key was pending, or that somebody disabled it. Without this, a failed round would forget what others did to the key.
    fn keeps_evidence(&self, key: &Key, asked: Option<i32>, judged: bool) -> bool {
        let is_evidence = self.was_pending() || self.enabled_by_another(key);
        asked.is_some() && !judged && !key.state.is_pending() && is_evidence
    }

    /// Only the date, which people are told. What happens to a key without this object's marks is no evidence of what this object did.
    fn seen_unmarked(&mut self, key: &Key, concerns: bool, asked: Option<i32>) {
        let pending = key.state.is_pending();
        if self.was_pending() {
            // The deletion is over, so no rescue is needed any more. If a deletion is declared, the state on record stays: it is evidence against it.
            if concerns && !pending && asked.is_none() {
                (self.0.key_state, self.0.deletion_date) = (None, None);
            }
        } else if !pending || key.tags.is_some() {
            self.0.deletion_date = self.date_of(key).filter(|_| concerns && pending);
        }
    }

    /// The deletion of a key that is pending: whose it is, and whether our call is still on its way.
    fn pending_deletion(&self, key: &Key, asked: Option<i32>, now: Timestamp) -> Deletion {
        let known = self.deletion();
        let open = known.is_some_and(|known| known.call == Some(DeletionCall::Open));
        // A window cannot be moved, so another date is another schedule. A key that waited for its replicas had no date before.
        let had_a_date = self.0.key_state == Some(KeyState::PendingDeletion) && self.0.deletion_date.is_some();
        let replaced = had_a_date && self.0.deletion_date != self.date_of(key);
        let is_the_same = self.was_pending() && !replaced;
        let marked = match (&key.tags, key.intent()) {
            (Some(_), IntentMark::Is(Intent { word: Word::Days(days), .. })) => Some(days),
            (Some(_), _) => None,
            // This read did not get the marks, so the record is all there is.
            (None, _) => known.filter(|known| known.origin == DeletionOrigin::Keyward).and_then(|known| known.schedule_days),
        };
        // New days were opened while the key is still pending with the old ones, and they are still asked for.
        let changes = |known: &Deletion| key.tags.is_none() || ![known.schedule_days, asked].contains(&marked);
        if let Some(known) = known.filter(|known| is_the_same && (!open || changes(known))) {
            return known.clone();
        }
        let doubtful = match known {
            Some(known) if open => !is_the_same && known.schedule_days != marked,
            // The schedule on record was over before, and no call of ours was on its way.
            Some(_) => true,
            // The days on the key are older than the word that the object announced last.
            None => self.was_pending() || self.word().is_some_and(|word| !matches!(word, Word::Days(_))),
        };
        let ours = marked.filter(|_| !doubtful);
        let since = known.filter(|_| !replaced).and_then(|known| known.requested_time.clone());
        let last_use = known.filter(|_| ours.is_some()).and_then(|known| known.last_use);
        Deletion {
            schedule_days: ours,
            requested_time: Some(since.unwrap_or_else(|| seconds(now))),
            origin: if ours.is_some() { DeletionOrigin::Keyward } else { DeletionOrigin::External },
            call: None,
            last_used_time: None,
            last_use,
            waits_for: Vec::new(),
            earliest_deletion_date: None,
        }
    }
}

/// Whether the mark on the key has exactly the days that are asked for.
fn is_marked_with(key: &Key, asked: Option<i32>) -> bool {
    matches!(key.intent(), IntentMark::Is(Intent { word: Word::Days(written), .. }) if asked == Some(written))
}
