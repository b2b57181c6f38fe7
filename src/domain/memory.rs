//! What an object remembers of its key: its status, the annotation that Keyward writes, and one that an earlier version wrote.
//!
//! Memory gives no authority over a key; the key's own marks do. It only ever forbids: a second creation, or a deletion.

use std::{fmt, str::FromStr};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{
    deletion::{Intent, IntentMark, Word},
    desired::Desired,
    observed::{Key, State},
    rules::Rules,
    step::{Destruction, How, Step},
};
use crate::api::{
    ManagedKey, ManagedKeyStatus, annotation, condition,
    managed_key::{Applied, CreateAttempt, KeyState},
};

/// An object's memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// The status as it was last written.
    pub status: ManagedKeyStatus,
    /// The creation that was begun, by the annotation that an earlier version wrote. It names no object, so its time has to tell whose it is.
    pub attempt: Option<Attempt>,
    /// The key that the object was bound to, by its annotation; all of the annotation where it cannot be read. Anybody can write it, so it is never looked at:
    /// that it is there forbids a creation, and nothing else follows from it.
    pub key: Option<String>,
}

impl Memory {
    /// Reads an object.
    #[must_use]
    pub fn of(object: &ManagedKey) -> Self {
        let metadata = &object.metadata;
        let get = |key: &str| metadata.annotations.as_ref().and_then(|all| all.get(key));
        let (namespace, name) = (metadata.namespace.as_deref().unwrap_or_default(), metadata.name.as_deref().unwrap_or_default());
        let mut status = object.status.clone().unwrap_or_default();
        // Those of others are not Keyward's to keep, and no reason to begin a round anew.
        status.conditions.retain(|known| condition::is_ours(&known.type_));
        Self {
            status,
            attempt: get(annotation::CREATE_ATTEMPT).and_then(|text| Attempt::read(text, made(metadata))),
            key: get(annotation::KEY).and_then(|text| KeyRecord::read(text, namespace, name).into_forbidding(text)),
        }
    }

    /// The creation that was begun and not yet recorded as done. The status has it, which no manifest can drop.
    #[must_use]
    pub fn open_attempt(&self) -> Option<Attempt> {
        let CreateAttempt { id, account, region, time } = match &self.status.create_attempt {
            Some(attempt) => attempt.clone(),
            None => return self.attempt.clone(),
        };
        Some(Attempt::At { id, account, region, time: time.0 })
    }

    /// Takes over the creation that was begun for an earlier object of the name, so that it is waited for as that one would have. One begun elsewhere made no key
    /// that could be found here.
    pub fn inherit(&mut self, attempt: Option<CreateAttempt>, rules: &Rules) {
        self.status.create_attempt = attempt.filter(|begun| (&begun.account, &begun.region) == (&rules.account, &rules.region));
    }

    /// A creation is on record to its end, or surely made nothing.
    pub fn close_attempt(&mut self) {
        (self.status.create_attempt, self.attempt) = (None, None);
    }

    /// The reference by which the object's key is looked at. Without one it is found by its claim, else by its marks.
    #[must_use]
    pub fn reference(&self) -> Option<&str> {
        self.status.key_arn.as_deref().or(self.status.key_id.as_deref())
    }

    /// Whether the object's marks were seen on its key. Until then a reference in the status only says which key was about to be marked.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.status.key_id.is_some()
    }

    /// The key that the object was ever bound to, for people to read. Such an object never causes another creation.
    #[must_use]
    pub fn bound_to(&self) -> Option<&str> {
        self.reference().or(self.key.as_deref())
    }
}

impl Memory {
    /// The account and Region of the key that the object was bound to. A search in any other place proves nothing.
    #[must_use]
    pub fn place(&self) -> Option<(&str, &str)> {
        let status = self.status.provider.as_ref().map(|provider| (&*provider.account, &*provider.region));
        status.or_else(|| place(self.bound_to()?))
    }
}

/// The account and Region that an ARN names: `arn:<partition>:kms:<region>:<account>:…`. Huawei's reference has the account, and not the project that
/// stands for it here.
#[must_use]
pub fn place(reference: &str) -> Option<(&str, &str)> {
    let mut parts = reference.strip_prefix("arn:")?.split(':').skip(2);
    let (region, account, _) = (parts.next()?, parts.next()?, parts.next()?);
    Some((account, region))
}

/// What is known of the steps that were taken.
impl Memory {
    /// Names the key that is about to be marked, in the write that goes before its mark: from here on no other reference is looked at, whatever an alias that
    /// led to the key points to by then.
    ///
    /// A key that another object's creation made, or a person, ends this object's own: what it may have left behind is not taken for this key.
    pub fn name_key(&mut self, key: &Key, how: How) {
        self.status.key_arn = Some(key.arn.clone());
        if how != How::Create {
            self.close_attempt();
        }
    }

    /// Takes a key that bears the object's marks, and of which nothing is on record, for the key of a creation that was not recorded to its end: it is as
    /// `CreateKey` made it, and nothing else was applied. Says whether it did, which then has to be written **before** the attempt is taken back: the attempt
    /// alone tells such a key from one that was taken up.
    pub fn recall_creation(&mut self, key: &Key, desired: &Desired) -> bool {
        let status = &self.status;
        // Whose status has an id, which the CRD lets nobody take away, had a record and lost it.
        let untold = status.key_id.is_none() && status.intent_seq.is_none();
        let as_made = matches!(key.intent(), IntentMark::Is(Intent { seq: 1, word: Word::Live, .. })) && key.state == State::Enabled;
        let recalls = status.applied.is_none() && (self.open_attempt().is_some() || untold && as_made);
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
            Step::Describe { .. } => {
                self.status.applied.get_or_insert_with(applied).description = desired.description.is_some().then_some(true);
            }
            Step::AddAlias { alias } | Step::MoveAlias { alias, .. } if desired.aliases.contains(alias) => {
                let known = &mut self.status.applied.get_or_insert_with(applied).aliases;
                known.extend(alias.strip_prefix("alias/").map(str::to_owned));
                known.sort();
                known.dedup();
            }
            // Whoever waits for the alias sees that it is free.
            Step::RemoveAlias { alias } => {
                if let Some(applied) = &mut self.status.applied {
                    applied.aliases.retain(|known| alias.strip_prefix("alias/") != Some(known));
                }
            }
            // The reply was seen, so nothing is on its way. The date is left for the next look.
            Step::Destroy(Destruction::Schedule { .. } | Destruction::Reschedule { .. }) => {
                (self.status.key_state, self.status.deletion_date) = (Some(KeyState::PendingDeletion), None);
                if let Some(deletion) = &mut self.status.deletion {
                    deletion.call = None;
                }
            }
            // A KMS leaves a key disabled by this, so it is we who disabled it.
            Step::Cancel => {
                (self.status.key_state, self.status.deletion_date, self.status.deletion) = (Some(KeyState::Disabled), None, None);
                self.status.applied.get_or_insert_with(applied).enabled = Some(false);
            }
            Step::Enable | Step::Disable | Step::Destroy(Destruction::Disable) => {
                self.status.applied.get_or_insert_with(applied).enabled = Some(*step == Step::Enable);
                self.status.key_state = Some(if *step == Step::Enable { KeyState::Enabled } else { KeyState::Disabled });
            }
            _ => {}
        }
    }
}

/// The annotation `keyward.dev/key`: `<namespace>/<name>/<reference of the key>`. It names the object that it was written on, so that a copy of the object
/// does not take it over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyRecord {
    /// Written on this object, which had that key.
    Own(String),
    /// Written on that other object, `<namespace>/<name>`, and void on this one.
    Of(String),
    /// Somebody wrote something else there, or an earlier version of Keyward wrote the reference alone. It still forbids a creation.
    Unreadable,
}

impl KeyRecord {
    /// What the annotation says on the object of that namespace and name.
    #[must_use]
    pub fn read(text: &str, namespace: &str, name: &str) -> Self {
        // Neither a namespace nor a name can have another character, and a reference has one.
        let names =
            |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.');
        let mut parts = text.splitn(3, '/');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(its_namespace), Some(its_name), Some(key)) if names(its_namespace) && names(its_name) && !key.is_empty() => {
                if (its_namespace, its_name) == (namespace, name) {
                    Self::Own(key.into())
                } else {
                    Self::Of(format!("{its_namespace}/{its_name}"))
                }
            }
            _ => Self::Unreadable,
        }
    }

    /// What it is to say on the object of that namespace and name.
    #[must_use]
    pub fn text(namespace: &str, name: &str, key: &str) -> String {
        format!("{namespace}/{name}/{key}")
    }

    /// What of it forbids a creation.
    fn into_forbidding(self, text: &str) -> Option<String> {
        match self {
            Self::Own(key) => Some(key),
            Self::Of(_) => None,
            Self::Unreadable => Some(text.into()),
        }
    }
}

/// A creation that was begun: `status.createAttempt`, or the annotation `keyward.dev/create-attempt`, `<uuid>/<account>/<region>/<time>`.
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

/// How long before an object was made an attempt must have begun to be surely none of its own. Clocks differ by less, and a KMS shows the key of an attempt
/// sooner, so that nothing else is to be waited for either. Under a clock that was further behind, an object's own attempt of an earlier version is void as well.
const SURELY_BEFORE: SignedDuration = SignedDuration::from_mins(15);

/// When an object was made, by the API server's clock.
#[must_use]
pub fn made(object: &ObjectMeta) -> Option<Timestamp> {
    object.creation_timestamp.as_ref().map(|time| time.0)
}

impl Attempt {
    /// What the annotation says on an object that was made then. `None`: the attempt began before there was this object, so that the annotation came with a
    /// copy, of another object or of an earlier one, and is void.
    #[must_use]
    pub fn read(text: &str, made: Option<Timestamp>) -> Option<Self> {
        let attempt = text.parse().unwrap_or(Self::Unreadable);
        let is_before = |time: Timestamp| made.is_some_and(|made| made.duration_since(time) > SURELY_BEFORE);
        match attempt {
            Self::At { time, .. } if is_before(time) => None,
            attempt => Some(attempt),
        }
    }
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
    fn the_record_of_a_key_is_of_one_object() {
        let arn = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd";
        let of = |namespace: &str, name: &str, text: &str| {
            let metadata = serde_json::json!({ "namespace": namespace, "name": name, "annotations": { (annotation::KEY): text } });
            let object =
                serde_json::json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": metadata, "spec": {} });
            Memory::of(&serde_json::from_value(object).unwrap()).key
        };
        let text = KeyRecord::text("shop", "orders.v2", arn);
        assert_eq!(of("shop", "orders.v2", &text).as_deref(), Some(arn));
        for (namespace, name) in [("shop", "orders"), ("bank", "orders.v2")] {
            assert_eq!(of(namespace, name, &text), None, "a copy of the object");
        }
        for unreadable in [arn, "", "/", "shop/orders.v2", "shop/orders.v2/", "//x", "shop//x", "Shop/orders.v2/x", "no"] {
            assert_eq!(of("shop", "orders.v2", unreadable).as_deref(), Some(unreadable), "it still forbids");
        }
    }

    #[test]
    fn an_attempt_reads_back_as_it_was_written() {
        let text = "0198c5a2-7a3b-7000-8000-000000000000/111122223333/eu-west-1/2026-11-22T10:00:00Z";
        let attempt: Attempt = text.parse().unwrap();
        assert_eq!(attempt.to_string(), text);
        assert!("x/y".parse::<Attempt>().is_err());
        assert!("a/b/c/yesterday".parse::<Attempt>().is_err());
    }

    /// The form names no object, so a copy of the object is told by its age.
    #[test]
    fn an_attempt_is_of_no_object_that_was_made_long_after_it() {
        let text = "0198c5a2-7a3b-7000-8000-000000000000/111122223333/eu-west-1/2026-11-22T10:00:00Z";
        let reads = |text: &str, made: Option<&str>| {
            let metadata =
                serde_json::json!({ "name": "orders", "creationTimestamp": made, "annotations": { (annotation::CREATE_ATTEMPT): text } });
            let object =
                serde_json::json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": metadata, "spec": {} });
            Memory::of(&serde_json::from_value(object).unwrap()).attempt
        };
        let attempt = Some(text.parse().unwrap());
        for (made, of_this) in [
            (None, true),
            (Some("2026-11-22T09:59:59Z"), true),
            // The clocks of the operator and of the API server may differ that much.
            (Some("2026-11-22T10:15:00Z"), true),
            (Some("2026-11-22T10:15:01Z"), false),
            (Some("2027-11-22T10:00:00Z"), false),
        ] {
            assert_eq!(reads(text, made), attempt.clone().filter(|_| of_this), "{made:?}");
            assert_eq!(reads("x", made), Some(Attempt::Unreadable), "what Keyward did not write forbids");
        }
    }
}
