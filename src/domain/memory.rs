//! What an object remembers of its key: its status, and the two annotations that Keyward writes.
//!
//! Memory gives no authority over a key; the key's own marks do. It only ever forbids: a second creation, or a deletion.

use std::{fmt, str::FromStr};

use jiff::Timestamp;

use super::{
    desired::Desired,
    intent::{Intent, IntentMark, Passed, Word},
    observed::{Key, State},
    step::Step,
};
use crate::api::{
    ManagedKey, ManagedKeyStatus, annotation,
    condition::seconds,
    managed_key::{Applied, Deletion, DeletionCall, DeletionOrigin, KeyState},
};

/// An object's memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// The status as it was last written.
    pub status: ManagedKeyStatus,
    /// The creation that was begun and not yet recorded as done.
    pub attempt: Option<Attempt>,
    /// The key that the object was bound to, by its annotation.
    pub key: Option<String>,
}

impl Memory {
    /// Reads an object.
    #[must_use]
    pub fn of(object: &ManagedKey) -> Self {
        let get = |key: &str| object.metadata.annotations.as_ref().and_then(|all| all.get(key));
        Self {
            status: object.status.clone().unwrap_or_default(),
            attempt: get(annotation::CREATE_ATTEMPT).map(|text| text.parse().unwrap_or(Attempt::Unreadable)),
            key: get(annotation::KEY).cloned(),
        }
    }

    /// The key that the object was ever bound to. Such an object never causes another creation.
    #[must_use]
    pub fn bound_to(&self) -> Option<&str> {
        self.key.as_deref().or(self.status.key_arn.as_deref()).or(self.status.key_id.as_deref())
    }
}

impl Memory {
    /// The account and Region of the key that the object was bound to. A search in any other place proves nothing.
    #[must_use]
    pub fn place(&self) -> Option<(&str, &str)> {
        let status = self.status.provider.as_ref().map(|provider| (&*provider.account, &*provider.region));
        status.or_else(|| {
            // `arn:<partition>:kms:<region>:<account>:…`. Huawei's reference has the account, and not the project that stands for it here.
            let mut parts = self.bound_to()?.strip_prefix("arn:")?.split(':').skip(2);
            let (region, account, _) = (parts.next()?, parts.next()?, parts.next()?);
            Some((account, region))
        })
    }
}

/// What has to be remembered around a step.
impl Memory {
    /// What has to stand in the status **before** `step` is called, and the mark that then has to be written on the key, before the call too.
    ///
    /// The order is status, mark, call: whatever is lost on the way, the mark on the key is never ahead of an intention that was not recorded.
    pub fn open(&mut self, step: &Step, desired: &Desired, key: &Key, now: Timestamp) -> Option<Intent> {
        if *step == Step::Cancel {
            // Whatever is pending after this is another's, or comes from a call that is opened anew.
            let status = &mut self.status;
            (status.key_state, status.deletion_date) = (Some(key.state.into()), key.deletion_date.map(seconds));
            if let Some(deletion) = &mut status.deletion {
                deletion.call = None;
            }
        }
        let (word, schedule) = match step {
            Step::Bind { word, .. } | Step::Mark { word } => (*word, None),
            // A call that is taken up again keeps its word.
            Step::Schedule { passed: Passed::OpenCall, .. } => return None,
            Step::Schedule { days, .. } | Step::Reschedule { days, .. } => (Word::Days(*days), Some(*days)),
            _ => return None,
        };
        let status = &mut self.status;
        // A mark that was wiped took its number along. Counted from 1 again, an old token or an old status could fit by accident; the clock is
        // ahead of all that was ever counted.
        let floor = if let IntentMark::Is(_) = key.intent() { 0 } else { now.as_second() };
        let seq = key.intent().next_seq(status.intent_seq).max(floor);
        status.intent_seq = Some(seq);
        match (schedule, word) {
            (Some(days), _) => {
                // From here on this was asked of the KMS, so that taking the field out is a change under every policy.
                if let Some(applied) = &mut status.applied {
                    applied.deletion_schedule_days = Some(days);
                }
                // What the call was opened over.
                status.key_state = Some(key.state.into());
                status.deletion_date = key.deletion_date.map(seconds);
                status.deletion = Some(Deletion {
                    schedule_days: Some(days),
                    requested_time: Some(seconds(now)),
                    origin: DeletionOrigin::Keyward,
                    call: Some(DeletionCall::Open),
                    last_used_time: None,
                });
            }
            (None, Word::Live) => status.deletion = None,
            // What was asked for stays known, so that the hold can say whether something was cancelled. That it was is said once.
            (None, _) => {
                status.key_state = Some(key.state.into());
                status.deletion_date = key.deletion_date.map(seconds);
                if let Some(deletion) = &mut status.deletion {
                    deletion.call = None;
                }
            }
        }
        Some(Intent { seq, generation: desired.generation, word })
    }

    /// Takes a key that bears the object's marks, and of which nothing is on record, for the key of a creation that was not recorded to its end: it is as
    /// `CreateKey` made it, and nothing else was applied. Says whether it did, which then has to be written **before** the attempt is taken back: the attempt
    /// alone tells such a key from one that was taken up.
    pub fn recall_creation(&mut self, key: &Key, desired: &Desired) -> bool {
        let status = &self.status;
        // Whose status has an id, which the CRD lets nobody take away, had a record and lost it.
        let untold = status.key_id.is_none() && status.intent_seq.is_none();
        let as_made = matches!(key.intent(), IntentMark::Is(Intent { seq: 1, word: Word::Live, .. })) && key.state == State::Enabled;
        let recalls = status.applied.is_none() && (self.attempt.is_some() || untold && as_made);
        if recalls {
            let seq = status.intent_seq;
            self.close(&Step::Create, desired);
            self.status.intent_seq = seq;
        }
        recalls
    }

    /// The KMS refused a step for certain, as when it throttles: nothing is on its way, so a call that stands open may be sent again from `now` on.
    pub fn refused(&mut self, now: Timestamp) {
        if let Some(deletion) = self.status.deletion.as_mut().filter(|deletion| deletion.call == Some(DeletionCall::Open)) {
            deletion.requested_time = Some(seconds(now));
        }
    }

    /// What is known **after** a step took effect.
    pub fn close(&mut self, step: &Step, desired: &Desired) {
        let applied = || Applied { generation: 0, ..Applied::default() };
        match step {
            Step::Create => {
                self.status.intent_seq = Some(1);
                // What `CreateKey` made: an enabled key with all declared tags, and nothing else yet.
                self.status.applied = Some(Applied { enabled: Some(true), tag_keys: desired.tags.keys().cloned().collect(), ..applied() });
            }
            Step::Tag { tags } => {
                let known = &mut self.status.applied.get_or_insert_with(applied).tag_keys;
                known.extend(tags.keys().cloned());
                known.sort();
                known.dedup();
            }
            Step::AddAlias { alias } if desired.aliases.contains(alias) => {
                let known = &mut self.status.applied.get_or_insert_with(applied).aliases;
                known.extend(alias.strip_prefix("alias/").map(str::to_owned));
                known.sort();
                known.dedup();
            }
            // The reply was seen, so nothing is on its way. The date is left for the next look.
            Step::Schedule { .. } | Step::Reschedule { .. } => {
                (self.status.key_state, self.status.deletion_date) = (Some(KeyState::PendingDeletion), None);
                if let Some(deletion) = &mut self.status.deletion {
                    deletion.call = None;
                }
            }
            // A KMS leaves a key disabled by this.
            Step::Cancel => (self.status.key_state, self.status.deletion_date) = (Some(KeyState::Disabled), None),
            Step::Enable | Step::Disable => {
                self.status.applied.get_or_insert_with(applied).enabled = Some(*step == Step::Enable);
                self.status.key_state = Some(if *step == Step::Enable { KeyState::Enabled } else { KeyState::Disabled });
            }
            _ => {}
        }
    }
}

/// The annotation `keyward.dev/create-attempt`: `<uuid>/<account>/<region>/<time>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// Begun at a known time and place.
    At {
        /// Names the attempt.
        id: String,
        /// Account in which the key would be.
        account: String,
        /// Region in which the key would be.
        region: String,
        /// When it was begun.
        time: Timestamp,
    },
    /// Somebody wrote something else there. It still forbids a creation.
    Unreadable,
}

/// A text that is no attempt.
#[derive(Debug)]
pub struct Unreadable;

impl FromStr for Attempt {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let mut parts = text.splitn(4, '/').map(str::to_owned);
        match (parts.next(), parts.next(), parts.next(), parts.next().map(|time| time.parse())) {
            (Some(id), Some(account), Some(region), Some(Ok(time))) => Ok(Self::At { id, account, region, time }),
            _ => Err(Unreadable),
        }
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At { id, account, region, time } => write!(f, "{id}/{account}/{region}/{time}"),
            Self::Unreadable => f.write_str("unreadable"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that meets a broken assumption is to fail there")]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_reads_back_as_it_was_written() {
        let text = "0198c5a2-7a3b-7000-8000-000000000000/111122223333/eu-west-1/2026-11-22T10:00:00Z";
        let attempt: Attempt = text.parse().unwrap();
        assert_eq!(attempt.to_string(), text);
        assert!("x/y".parse::<Attempt>().is_err());
        assert!("a/b/c/yesterday".parse::<Attempt>().is_err());
    }
}
