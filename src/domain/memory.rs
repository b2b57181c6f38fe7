//! What an object remembers of its key: its status, and the two annotations that Keyward writes.
//!
//! Memory gives no authority over a key; the key's own marks do. It only ever forbids: a second creation, or a deletion.

use std::{fmt, str::FromStr};

use jiff::Timestamp;

use super::{
    deletion::{Intent, IntentMark, Word},
    desired::Desired,
    observed::{Key, State},
    step::Step,
};
use crate::api::{
    ManagedKey, ManagedKeyStatus, annotation,
    condition,
    managed_key::{Applied, KeyState},
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
        let mut status = object.status.clone().unwrap_or_default();
        // Those of others are not Keyward's to keep, and no reason to begin a round anew.
        status.conditions.retain(|known| condition::is_ours(&known.type_));
        Self {
            status,
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

/// What is known of the steps that were taken.
impl Memory {
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
            let said = (status.intent_seq, status.intent_word.clone());
            self.close(&Step::Create, desired);
            (self.status.intent_seq, self.status.intent_word) = said;
        }
        recalls
    }

    /// What is known **after** a step took effect.
    pub fn close(&mut self, step: &Step, desired: &Desired) {
        let applied = || Applied { generation: 0, ..Applied::default() };
        match step {
            Step::Create => {
                (self.status.intent_seq, self.status.intent_word) = (Some(1), Some(Word::Live.to_string()));
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
