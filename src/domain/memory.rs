//! What an object remembers of its key: its status, the annotation that Keyward writes, and one that an earlier version wrote.
//!
//! Memory gives no authority over a key; only the key's own marks do. Memory can only forbid a second creation or a deletion.
//!
//! What the status remembers of a deletion is `Record`'s to change. Here it is passed the steps.

use std::{fmt, str::FromStr};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{
    deletion::{CountEnded, Intent, IntentMark, LastUse, Nonce, Observation, Opening, Passed, Record, Word},
    desired::Desired,
    observed::{Key, State},
    on_demand,
    ownership::Tags,
    periods::{ROUNDED, SURELY_BEFORE},
    rules::Rules,
    step::{Destruction, How, Step},
};
use crate::api::{
    ManagedKey, ManagedKeyStatus, annotation, condition,
    managed_key::{Applied, CreateAttempt, ManagementPolicy},
};

/// An object's memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// The status as it was last written.
    pub status: ManagedKeyStatus,
    /// The creation that was begun, as the annotation of an earlier version says it. The annotation names no object, so its time has to tell whose it is.
    pub attempt: Option<Attempt>,
    /// The key that the object was bound to, as its annotation says it; the whole text if it cannot be read. Anybody can write the annotation, so Keyward never
    /// looks at that key. An annotation that is there forbids a creation, and nothing else.
    pub key: Option<String>,
    /// When the object was made, by the API server's clock. `None`: it is not known.
    pub made: Option<Timestamp>,
}

impl Memory {
    /// Reads an object.
    #[must_use]
    pub fn of(object: &ManagedKey) -> Self {
        let metadata = &object.metadata;
        let get = |key: &str| metadata.annotations.as_ref().and_then(|all| all.get(key));
        let (namespace, name) = (metadata.namespace.as_deref().unwrap_or_default(), metadata.name.as_deref().unwrap_or_default());
        let mut status = object.status.clone().unwrap_or_default();
        // Conditions of others are not kept here, and their change is no reason to begin a round again.
        status.conditions.retain(|known| condition::is_ours(&known.type_));
        Self {
            status,
            attempt: get(annotation::CREATE_ATTEMPT).and_then(|text| Attempt::read(text, made(metadata))),
            key: get(annotation::KEY).and_then(|text| KeyRecord::read(text, namespace, name).into_forbidding(text)),
            made: made(metadata),
        }
    }

    /// Whether the object has this UID on a key that it did not make, and nothing is on record of that key: the record was lost, or somebody wrote the tag. Only
    /// a take-up may bind such a key.
    #[must_use]
    pub fn could_not_have_made(&self, key: &Key) -> bool {
        self.reference().is_none() && self.status.intent_seq.is_none() && self.is_younger_than(key)
    }

    /// Whether a key certainly existed before this object could have created it: before its creation was begun, or else before the object was made. If that
    /// key has this object's UID, then another key's owner or a person wrote it there.
    #[must_use]
    pub fn is_younger_than(&self, key: &Key) -> bool {
        let began = match self.open_attempt() {
            Some(Attempt::At { time, .. }) => Some(time),
            Some(Attempt::Unreadable) | None => self.made,
        };
        key.creation_time.zip(began).is_some_and(|(created, began)| began.duration_since(created) > SURELY_BEFORE)
    }

    /// The creation that was begun and not yet recorded as done. The status has it, which no manifest can drop.
    #[must_use]
    pub fn open_attempt(&self) -> Option<Attempt> {
        let CreateAttempt { id, account, region, time, endpoint: _ } = match &self.status.create_attempt {
            Some(attempt) => attempt.clone(),
            None => return self.attempt.clone(),
        };
        Some(Attempt::At { id, account, region, time: time.0 })
    }

    /// Takes over the creation that was begun for an earlier object of the same name, so that this object waits for it too. A creation that was begun in another
    /// account or Region, or at another endpoint, made no key that can be found here.
    pub fn inherit(&mut self, attempt: Option<CreateAttempt>, rules: &Rules) {
        self.status.create_attempt = attempt
            .filter(|begun| (&begun.account, &begun.region) == (&rules.account, &rules.region) && was_begun_at(begun, &rules.endpoint));
    }

    /// Ends the record of a creation: the key is on record, or the creation certainly made none.
    pub fn close_attempt(&mut self) {
        (self.status.create_attempt, self.attempt) = (None, None);
    }

    /// The reference by which the key is read. Without a reference, the key is found by its claim, else by its marks.
    #[must_use]
    pub fn reference(&self) -> Option<&str> {
        self.status.key_arn.as_deref().or(self.status.key_id.as_deref())
    }

    /// Whether the object's marks were seen on its key. Before that, a reference in the status only says which key was about to be marked.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.status.key_id.is_some()
    }

    /// The key that the object was ever bound to, for messages. Such an object never creates another key.
    #[must_use]
    pub fn bound_to(&self) -> Option<&str> {
        self.reference().or(self.key.as_deref())
    }
}

impl Memory {
    /// Records whether the KMS told when the key was last used, right before its deletion is scheduled.
    pub fn note_use(&mut self, last_use: LastUse) {
        if last_use == LastUse::Untold {
            Record::of(&mut self.status).seen(Observation::UseUntold);
        }
    }
}

/// Whether a creation was sent to that endpoint, as far as its record says. An earlier version recorded no endpoint.
#[must_use]
pub fn was_begun_at(attempt: &CreateAttempt, endpoint: &str) -> bool {
    attempt.endpoint.as_deref().is_none_or(|begun| begun == endpoint)
}

/// Where a reference says that its key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location<'a> {
    /// An ARN of AWS: `arn:<partition>:kms:<region>:<account>:…`.
    Aws {
        /// The account.
        account: &'a str,
        /// The Region.
        region: &'a str,
    },
    /// A URN of Huawei: `kms:<region>:<account>:…`. Keyward uses the project in place of the account, and the URN does not name the project.
    Huawei {
        /// The Region.
        region: &'a str,
    },
}

/// Where a reference says that its key is; `None`: it does not say it.
#[must_use]
pub fn location(reference: &str) -> Option<Location<'_>> {
    if let Some(rest) = reference.strip_prefix("arn:") {
        let mut parts = rest.split(':').skip(2);
        let (region, account, _) = (parts.next()?, parts.next()?, parts.next()?);
        return Some(Location::Aws { account, region });
    }
    let mut parts = reference.strip_prefix("kms:")?.split(':');
    let (region, _account, _) = (parts.next()?, parts.next()?, parts.next()?);
    Some(Location::Huawei { region })
}

/// What is known of a key that was not found.
impl Memory {
    /// Drops a count of such answers that cannot be true: its first answer is in the future, was long before the object was made, or was before this process
    /// last saw the key. Somebody else wrote that count, or a clock was changed. The count then begins again, so a key never counts as gone sooner.
    ///
    /// `seen_ago`: how long ago this process last saw the key; `None`: it did not see the key yet. Then the status is all that is known, and a count that an
    /// earlier process wrote continues.
    pub fn doubt_missing(&mut self, now: Timestamp, made: Option<Timestamp>, seen_ago: Option<SignedDuration>) {
        let Some(first) = self.status.missing.as_ref().map(|missing| missing.first_time.0) else { return };
        let age = now.duration_since(first);
        let in_future = first > now;
        let before_object = made.is_some_and(|made| made.duration_since(first) > SURELY_BEFORE);
        let before_seen = seen_ago.is_some_and(|ago| age.checked_sub(ROUNDED).is_none_or(|age| age > ago));
        if in_future || before_object || before_seen {
            self.status.missing = None;
        }
    }
}

/// What is known of the steps that were taken.
impl Memory {
    /// Names the key that is about to be marked, in the write before its mark. From here on, Keyward reads the key by this reference, even if an alias that led
    /// to the key points to another key later.
    ///
    /// If a person or another object created the key, this object's own creation ends: a key that it may have left behind is another key.
    pub fn name_key(&mut self, key: &Key, how: How) {
        self.status.key_arn = Some(key.arn.clone());
        if how != How::Create {
            self.close_attempt();
        }
    }

    /// Recognises the key of a creation that was not recorded to its end: the key bears the object's marks, and nothing is on record of it. Such a key is as
    /// `CreateKey` made it, so that is recorded as applied. Returns whether it was recognised. The status then has to be written **before** the attempt is
    /// taken back, because without the attempt nothing tells such a key from one that was taken up.
    pub fn recall_creation(&mut self, key: &Key, desired: &Desired) -> bool {
        let status = &self.status;
        // `keyId` is immutable, so a `keyId` without a record means that the record was lost.
        let no_record = status.key_id.is_none() && status.intent_seq.is_none();
        let as_made = matches!(key.intent(), IntentMark::Is(Intent { seq: 1, word: Word::Live, .. })) && key.state == State::Enabled;
        let recalls = status.applied.is_none() && (self.open_attempt().is_some() || no_record && as_made);
        if recalls {
            self.applied(&Step::Create, desired);
        }
        recalls
    }

    /// The record of the deletion, to ask it.
    #[must_use]
    pub const fn record(&self) -> Record<&ManagedKeyStatus> {
        Record::of(&self.status)
    }

    /// Before the call of a step: what has to be in the status, and the mark that has to be on the key, before it is sent.
    ///
    /// # Errors
    /// `CountEnded` if no word can follow; then nothing may be done.
    pub fn open(&mut self, step: &Step, desired: &Desired, key: &Key, now: Timestamp, nonce: Nonce) -> Result<Option<Intent>, CountEnded> {
        let was_bound = self.bound_to().is_some();
        let opened = Record::of(&mut self.status).opened(&Opening { step, desired, key, was_bound, now, nonce })?;
        let applied = &mut self.status.applied;
        match step {
            // The new record does not say that the key was enabled, so a key that is to live is enabled as well.
            Step::Cancel if desired.policy == ManagementPolicy::EnforceOnChange => {
                applied.get_or_insert_with(|| Applied { generation: desired.generation, ..Applied::default() });
            }
            // A call that is sent again was recorded when it was opened.
            Step::Destroy(Destruction::Schedule { passed: Passed::OpenCall, .. }) => {}
            // The days are asked of the KMS from here on, so removing the field is a change under every policy.
            Step::Destroy(Destruction::Schedule { days, .. } | Destruction::Reschedule { days, .. }) => {
                if let Some(applied) = applied {
                    applied.deletion_schedule_days = Some(*days);
                }
            }
            Step::RotateOnDemand { request } => on_demand::open(on_demand::of_mut(&mut self.status), request, key.rotations.as_ref(), now),
            _ => {}
        }
        Ok(opened)
    }

    /// After the reply of a step: what is known now.
    pub fn close(&mut self, step: &Step, desired: &Desired) {
        Record::of(&mut self.status).called(step);
        if matches!(step, Step::RotateOnDemand { .. }) {
            on_demand::accepted(on_demand::of_mut(&mut self.status));
        }
        self.applied(step, desired);
    }

    /// A key was created with these tags as well, which the object does not declare itself.
    pub fn created_with(&mut self, tags: &Tags) {
        if let Some(applied) = &mut self.status.applied {
            applied.tag_keys.extend(tags.keys().cloned());
            applied.tag_keys.sort();
            applied.tag_keys.dedup();
        }
    }

    /// The KMS refused a step for certain.
    pub fn refused(&mut self, key: &Key, now: Timestamp) {
        Record::of(&mut self.status).refused(key, now);
    }

    /// The KMS refused a rotation on demand for certain.
    pub fn rotation_refused(&mut self) {
        on_demand::refused(on_demand::of_mut(&mut self.status));
    }

    /// Records what a step applied.
    fn applied(&mut self, step: &Step, desired: &Desired) {
        let none = || Applied { generation: 0, ..Applied::default() };
        let applied = &mut self.status.applied;
        match step {
            // `CreateKey` makes an enabled key with all declared tags, and nothing else.
            Step::Create => *applied = Some(Applied { enabled: Some(true), tag_keys: desired.tags.keys().cloned().collect(), ..none() }),
            Step::Tag { tags } => {
                let known = &mut applied.get_or_insert_with(none).tag_keys;
                known.extend(tags.keys().cloned());
                known.sort();
                known.dedup();
            }
            Step::Describe { .. } => {
                applied.get_or_insert_with(none).description = desired.description.is_some().then_some(true);
            }
            Step::AddAlias { alias } | Step::MoveAlias { alias, .. } if desired.aliases.contains(alias) => {
                let known = &mut applied.get_or_insert_with(none).aliases;
                known.extend(alias.strip_prefix("alias/").map(str::to_owned));
                known.sort();
                known.dedup();
            }
            // Another object may wait for the alias, and sees here that it is free.
            Step::RemoveAlias { alias } => {
                if let Some(applied) = applied {
                    applied.aliases.retain(|known| alias.strip_prefix("alias/") != Some(known));
                }
            }
            // A cancel leaves the key disabled, so Keyward disabled it.
            Step::Cancel | Step::Disable | Step::Destroy(Destruction::Disable) => {
                applied.get_or_insert_with(none).enabled = Some(false);
            }
            Step::Enable => applied.get_or_insert_with(none).enabled = Some(true),
            _ => {}
        }
    }
}

/// The annotation `keyward.dev/key`: `<namespace>/<name>/<reference of the key>`. It names the object that it was written on, so it is void on a copy of the
/// object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyRecord {
    /// Written on this object, which had that key.
    Own(String),
    /// Written on that other object, `<namespace>/<name>`, and void on this one.
    Of(String),
    /// Somebody wrote another text, or an earlier version of Keyward wrote the reference alone. It still forbids a creation.
    Unreadable,
}

impl KeyRecord {
    /// What the annotation says on the object of that namespace and name.
    #[must_use]
    pub fn read(text: &str, namespace: &str, name: &str) -> Self {
        // A namespace and a name have these characters only, and a reference has others.
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

    /// What the annotation has to say on the object of that namespace and name.
    #[must_use]
    pub fn text(namespace: &str, name: &str, key: &str) -> String {
        format!("{namespace}/{name}/{key}")
    }

    /// The part that forbids a creation.
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
    /// Begun at a known time, in a known account and Region.
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
    /// Somebody wrote another text. It still forbids a creation.
    Unreadable,
}

/// When an object was made, by the API server's clock.
#[must_use]
pub fn made(object: &ObjectMeta) -> Option<Timestamp> {
    object.creation_timestamp.as_ref().map(|time| time.0)
}

impl Attempt {
    /// What the annotation says on an object that was made then. `None`: the attempt began before the object existed, so the annotation was copied from another
    /// object or an earlier one, and is void.
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
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::api::managed_key::Missing;

    #[test]
    fn a_count_of_answers_that_cannot_be_true_begins_again() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let now = at("2026-11-22T12:00:00.5Z");
        let made = Some(at("2026-11-22T10:00:00Z"));
        let ago = |seconds: i64| Some(SignedDuration::from_secs(seconds));
        for (name, first, seen_ago, stays) in [
            ("what an earlier process wrote", at("2026-11-22T11:50:00Z"), None, true),
            ("since this process saw the key", at("2026-11-22T11:50:00Z"), ago(601), true),
            ("in the second in which this process saw the key", at("2026-11-22T11:50:00Z"), ago(600), true),
            ("before this process saw the key", at("2026-11-22T11:50:00Z"), ago(590), false),
            ("a clock that went forward", at("2026-11-22T11:00:00Z"), ago(300), false),
            ("now", at("2026-11-22T12:00:00Z"), ago(0), true),
            ("in the future", at("2026-11-22T12:00:01Z"), None, false),
            ("at the end of time", Timestamp::MAX, None, false),
            ("at its beginning", Timestamp::MIN, None, false),
            ("at its beginning, and seen", Timestamp::MIN, ago(0), false),
            ("a little before the object, by another clock", at("2026-11-22T09:45:00Z"), None, true),
            ("before the object", at("2026-11-22T09:44:59Z"), None, false),
        ] {
            for count in [i32::MIN, -1, 0, 1, 3, i32::MAX] {
                let mut memory = Memory::default();
                memory.status.missing = Some(Missing { count, first_time: Time(first) });
                memory.doubt_missing(now, made, seen_ago);
                assert_eq!(memory.status.missing.is_some(), stays, "{name}, {count}");
            }
        }
        let mut memory = Memory::default();
        memory.status.missing = Some(Missing { count: 3, first_time: Time(Timestamp::MIN) });
        memory.doubt_missing(Timestamp::MAX, None, Some(SignedDuration::MAX));
        memory.doubt_missing(Timestamp::MAX, None, Some(SignedDuration::MIN));
        memory.doubt_missing(Timestamp::MIN, Some(Timestamp::MAX), None);
    }

    #[test]
    fn a_reference_says_where_its_key_is() {
        for (reference, expected) in [
            ("arn:aws:kms:eu-west-1:111122223333:key/1", Some(Location::Aws { account: "111122223333", region: "eu-west-1" })),
            ("arn:aws-cn:kms:cn-north-1:1:key/1", Some(Location::Aws { account: "1", region: "cn-north-1" })),
            ("kms:eu-west-101:d0:KeyId:1", Some(Location::Huawei { region: "eu-west-101" })),
            ("arn:aws:kms:eu-west-1:111122223333", None),
            ("kms:eu-west-101:d0", None),
            ("alias/kms:a:b:c", None),
            ("1234abcd", None),
            ("", None),
        ] {
            assert_eq!(location(reference), expected, "{reference}");
        }
    }

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
