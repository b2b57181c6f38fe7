//! Converts Huawei's answers to the types of the domain.
//!
//! Huawei writes the same member sometimes as a text and sometimes as a number or a boolean, so each form is read. If a required member is
//! missing, or a value is not known, the answer cannot be used. Everything else stays unknown: nothing is guessed.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

use super::urn::urn;
use crate::{
    api::managed_key::KeyTemplate,
    domain::{
        observed::{Facets, Key, Rotation, State},
        ownership::Tags,
    },
};

/// A time of at least this number is in milliseconds, as in all examples of Huawei. A smaller one is in seconds, as Huawei's text says.
const MILLISECONDS: i64 = 100_000_000_000;

/// Why an answer cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unusable(pub(super) String);

fn missing(member: &str) -> Unusable {
    Unusable(format!("it has no {member}"))
}

/// A text, a number or a boolean, as a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Loose(String);

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(text)),
            Value::Number(number) => Ok(Self(number.to_string())),
            Value::Bool(flag) => Ok(Self(flag.to_string())),
            _ => Err(D::Error::custom("a text, a number or a boolean is expected")),
        }
    }
}

impl fmt::Display for Loose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The answer to `describe-key`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Described {
    pub(super) key_info: Option<Details>,
}

/// A key as `describe-key` and `list-keys` have it.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Details {
    key_id: Option<String>,
    domain_id: Option<String>,
    realm: Option<String>,
    key_alias: Option<String>,
    key_description: Option<String>,
    key_spec: Option<String>,
    key_usage: Option<String>,
    origin: Option<String>,
    key_state: Option<Loose>,
    creation_date: Option<Loose>,
    scheduled_deletion_date: Option<Loose>,
    default_key_flag: Option<Loose>,
    key_rotation_enabled: Option<Loose>,
}

impl Details {
    /// The key's id.
    pub(super) fn id(&self) -> Result<String, Unusable> {
        text(self.key_id.as_deref(), "key_id")
    }

    /// The key's own name, without `alias/`.
    pub(super) fn name(&self) -> Result<String, Unusable> {
        text(self.key_alias.as_deref(), "key_alias")
    }

    /// Whether Huawei rotates the key. The details do not tell the period.
    pub(super) fn is_rotated(&self) -> Result<bool, Unusable> {
        flag(self.key_rotation_enabled.as_ref(), "key_rotation_enabled")
    }

    /// The key, without rotation, tags and aliases. `region` and `project` are those of the client.
    pub(super) fn key(&self, region: &str, project: &str) -> Result<Key, Unusable> {
        let id = self.id()?;
        let region = self.realm.as_deref().filter(|realm| !realm.is_empty()).unwrap_or(region);
        let state = state(self.key_state.as_ref())?;
        Ok(Key {
            arn: urn(region, &text(self.domain_id.as_deref(), "domain_id")?, &id),
            account: project.to_owned(),
            region: region.to_owned(),
            state,
            deletion_date: match state {
                State::PendingDeletion => time(self.scheduled_deletion_date.as_ref())?,
                _ => None,
            },
            kind: KeyTemplate {
                spec: self.key_spec.clone().unwrap_or_default(),
                usage: self.key_usage.clone().unwrap_or_default(),
                origin: self.origin.clone().unwrap_or_default(),
                ..KeyTemplate::default()
            },
            customer_managed: match self.default_key_flag.as_ref().map(|flag| flag.0.as_str()) {
                Some("0") => true,
                Some("1") => false,
                Some(other) => return Err(Unusable(format!("its default_key_flag is {other}"))),
                // Only the key of a service has a name of that form ("API Reference", "Creating a Key").
                None => !text(self.key_alias.as_deref(), "default_key_flag")?.ends_with("/default"),
            },
            multi_region: None,
            description: self.key_description.clone(),
            creation_time: time(self.creation_date.as_ref())?,
            age: None,
            id,
            name: self.name().ok().map(|name| format!("alias/{name}")),
            rotation: None,
            rotations: None,
            tags: None,
            aliases: None,
            policy: None,
            unread: Facets::NONE,
        })
    }
}

/// The answer to `create-key` and to a change of a key's state. Some have the key in a member of its own.
#[derive(Clone, Debug, Default, Deserialize)]
#[allow(clippy::struct_field_names, reason = "the names are those of Huawei")]
pub(super) struct Changed {
    key_info: Option<Box<Changed>>,
    key_id: Option<String>,
    key_state: Option<Loose>,
}

impl Changed {
    fn inner(&self) -> &Self {
        self.key_info.as_deref().unwrap_or(self)
    }

    /// The id of the key that it is about.
    pub(super) fn id(&self) -> Result<String, Unusable> {
        text(self.inner().key_id.as_deref(), "key_id")
    }

    /// The state of the key. The answer has to be about the key with that id.
    pub(super) fn state_of(&self, id: &str) -> Result<State, Unusable> {
        same(&self.id()?, id)?;
        state(self.inner().key_state.as_ref())
    }
}

/// Checks that an answer is about the right key.
pub(super) fn same(found: &str, asked: &str) -> Result<(), Unusable> {
    if found == asked { Ok(()) } else { Err(Unusable(format!("it is about the key {found}"))) }
}

/// "API Reference", "Querying Key Information": 6 is no state.
fn state(state: Option<&Loose>) -> Result<State, Unusable> {
    match state.map(|state| state.0.as_str()) {
        Some("1") => Ok(State::Creating),
        Some("2") => Ok(State::Enabled),
        Some("3") => Ok(State::Disabled),
        Some("4") => Ok(State::PendingDeletion),
        Some("5") => Ok(State::PendingImport),
        Some("7") => Ok(State::Unavailable),
        Some(other) => Err(Unusable(format!("its key_state is {other}"))),
        None => Err(missing("key_state")),
    }
}

/// The answer to `get-key-rotation-status`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct RotationStatus {
    key_rotation_enabled: Option<Loose>,
    rotation_interval: Option<Loose>,
    // Nothing depends on these two, so any value is accepted.
    number_of_rotations: Option<Value>,
    last_rotation_time: Option<Value>,
}

impl RotationStatus {
    /// Rotation. Huawei does not tell the next date. The period of a switched-off rotation means nothing.
    pub(super) fn rotation(&self) -> Result<Rotation, Unusable> {
        let last = self.last().unwrap_or_default();
        if !flag(self.key_rotation_enabled.as_ref(), "key_rotation_enabled")? {
            return Ok(Rotation { last, ..Rotation::default() });
        }
        let days = |days: &Loose| days.0.parse().map_err(|_| Unusable(format!("its rotation_interval is {days}")));
        let period_days = self.rotation_interval.as_ref().map(days).transpose()?;
        Ok(Rotation { enabled: true, period_days, last, ..Rotation::default() })
    }

    /// When Huawei last rotated the key, if it tells. If the count is zero, the time means nothing.
    pub(super) fn last(&self) -> Result<Option<Timestamp>, Unusable> {
        let loose = |value: &Option<Value>| {
            let value = value.clone().filter(|value| !value.is_null());
            value.map(serde_json::from_value::<Loose>).transpose().map_err(|error| Unusable(error.to_string()))
        };
        if loose(&self.number_of_rotations)?.is_some_and(|count| count.0 == "0") {
            return Ok(None);
        }
        time(loose(&self.last_rotation_time)?.as_ref())
    }
}

fn flag(flag: Option<&Loose>, member: &str) -> Result<bool, Unusable> {
    match flag.map(|flag| flag.0.as_str()) {
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(other) => Err(Unusable(format!("its {member} is {other}"))),
        None => Err(missing(member)),
    }
}

/// A tag.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Tag {
    key: String,
    value: Option<String>,
}

/// Tags as the domain has them.
pub(super) fn tags(tags: Option<Vec<Tag>>) -> Result<Tags, Unusable> {
    let tags = tags.ok_or_else(|| missing("tags"))?;
    Ok(tags.into_iter().map(|Tag { key, value }| (key, value.unwrap_or_default())).collect())
}

/// A time in whole seconds. Empty or zero means none.
fn time(time: Option<&Loose>) -> Result<Option<Timestamp>, Unusable> {
    let Some(Loose(text)) = time.filter(|Loose(text)| !text.is_empty() && text != "0") else { return Ok(None) };
    let unreadable = || Unusable(format!("a time in it is {text}"));
    let number: i64 = text.parse().map_err(|_| unreadable())?;
    let seconds = if number >= MILLISECONDS { number / 1000 } else { number };
    if seconds < 0 {
        return Err(unreadable());
    }
    Timestamp::from_second(seconds).map(Some).map_err(|_| unreadable())
}

/// A required text.
pub(super) fn text(text: Option<&str>, member: &str) -> Result<String, Unusable> {
    text.filter(|text| !text.is_empty()).map(str::to_owned).ok_or_else(|| missing(member))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "0d0466b0-e727-4d9c-b35d-f84bb474a37f";

    fn described(change: impl FnOnce(&mut Value)) -> Result<Key, Unusable> {
        let mut details = json!({
            "key_id": ID, "domain_id": "b168fe00ff56492495a7d22974df2d0b", "realm": "cn-north-7", "key_alias": "orders", "key_description": "signing",
            "key_spec": "AES_256", "key_usage": "ENCRYPT_DECRYPT", "creation_date": "1472442386987", "scheduled_deletion_date": "",
            "key_state": "2", "default_key_flag": "0", "key_type": "1", "expiration_time": "", "origin": "kms", "key_rotation_enabled": "true",
            "sys_enterprise_project_id": "0", "keystore_id": "0",
        });
        change(&mut details);
        serde_json::from_value::<Details>(details).unwrap().key("cn-north-4", "project")
    }

    #[test]
    fn every_member_is_converted() {
        assert_eq!(
            described(|_| {}).unwrap(),
            Key {
                id: ID.into(),
                arn: format!("kms:cn-north-7:b168fe00ff56492495a7d22974df2d0b:KeyId:{ID}"),
                account: "project".into(),
                region: "cn-north-7".into(),
                state: State::Enabled,
                deletion_date: None,
                kind: KeyTemplate {
                    spec: "AES_256".into(),
                    usage: "ENCRYPT_DECRYPT".into(),
                    origin: "kms".into(),
                    ..KeyTemplate::default()
                },
                customer_managed: true,
                multi_region: None,
                description: Some("signing".into()),
                creation_time: Some(Timestamp::from_second(1_472_442_386).unwrap()),
                age: None,
                name: Some("alias/orders".into()),
                rotation: None,
                rotations: None,
                tags: None,
                aliases: None,
                policy: None,
                unread: Facets::NONE,
            }
        );
        assert_eq!(described(|key| key["realm"] = Value::Null).unwrap().region, "cn-north-4");
    }

    #[test]
    fn numbers_and_booleans_are_read_like_texts() {
        let key = described(|key| {
            key["key_state"] = json!(4);
            key["default_key_flag"] = json!(1);
            key["creation_date"] = json!(1_472_442_386_000_i64);
            key["scheduled_deletion_date"] = json!(1_472_528_786);
        })
        .unwrap();
        assert_eq!((key.state, key.customer_managed), (State::PendingDeletion, false));
        assert_eq!(key.creation_time, Some(Timestamp::from_second(1_472_442_386).unwrap()));
        assert_eq!(key.deletion_date, Some(Timestamp::from_second(1_472_528_786).unwrap()));
        for status in [json!(true), json!("true")] {
            for days in [json!(90), json!("90")] {
                let status: RotationStatus =
                    serde_json::from_value(json!({ "key_rotation_enabled": status, "rotation_interval": days })).unwrap();
                assert_eq!(status.rotation().unwrap(), Rotation { enabled: true, period_days: Some(90), ..Rotation::default() });
            }
        }
    }

    #[test]
    fn every_state_is_read_and_no_other_is_guessed() {
        let known = [
            ("1", State::Creating),
            ("2", State::Enabled),
            ("3", State::Disabled),
            ("4", State::PendingDeletion),
            ("5", State::PendingImport),
            ("7", State::Unavailable),
        ];
        for (number, expected) in known {
            assert_eq!(described(|key| key["key_state"] = json!(number)).unwrap().state, expected);
        }
        for other in ["0", "6", "8", "04", "2 ", "enabled"] {
            let unknown = described(|key| key["key_state"] = json!(other)).unwrap_err();
            assert_eq!(unknown, Unusable(format!("its key_state is {other}")));
        }
    }

    #[test]
    fn times_are_told_apart_by_their_size() {
        let time = |text: &str| time(Some(&Loose(text.into())));
        for (text, second) in [
            ("1472442386", 1_472_442_386),
            ("1472442386000", 1_472_442_386),
            ("1472442386999", 1_472_442_386),
            ("99999999999", 99_999_999_999),
            ("100000000000", 100_000_000),
        ] {
            assert_eq!(time(text).unwrap(), Some(Timestamp::from_second(second).unwrap()), "{text}");
        }
        assert_eq!((time("").unwrap(), time("0").unwrap(), super::time(None).unwrap()), (None, None, None));
        for text in ["soon", "-1", "1472442386.5", "99999999999999999999"] {
            assert_eq!(time(text).unwrap_err(), Unusable(format!("a time in it is {text}")));
        }
    }

    #[test]
    fn a_deletion_date_is_told_only_while_pending() {
        let dated = |state: &str| {
            let key = described(|key| {
                key["key_state"] = json!(state);
                key["scheduled_deletion_date"] = json!("1800000000000");
            });
            key.unwrap().deletion_date
        };
        assert_eq!(dated("4"), Some(Timestamp::from_second(1_800_000_000).unwrap()));
        assert_eq!((dated("2"), dated("3")), (None, None));
    }

    #[test]
    fn a_missing_member_is_named() {
        let without = |member: &str| described(|key| _ = key.as_object_mut().unwrap().remove(member));
        for member in ["key_id", "domain_id", "key_state"] {
            assert_eq!(without(member).unwrap_err(), missing(member));
        }
        let whole = described(|_| {}).unwrap();
        let kind = |spec: &str, usage: &str, origin: &str| KeyTemplate {
            spec: spec.into(),
            usage: usage.into(),
            origin: origin.into(),
            ..KeyTemplate::default()
        };
        for (member, expected) in [
            ("key_spec", Key { kind: kind("", "ENCRYPT_DECRYPT", "kms"), ..whole.clone() }),
            ("key_usage", Key { kind: kind("AES_256", "", "kms"), ..whole.clone() }),
            ("origin", Key { kind: kind("AES_256", "ENCRYPT_DECRYPT", ""), ..whole.clone() }),
            ("key_description", Key { description: None, ..whole.clone() }),
            ("creation_date", Key { creation_time: None, ..whole.clone() }),
            ("key_rotation_enabled", whole.clone()),
            ("default_key_flag", whole.clone()),
        ] {
            assert_eq!(without(member).unwrap(), expected, "{member}");
        }
        let of_service = described(|key| (key["default_key_flag"], key["key_alias"]) = (Value::Null, json!("obs/default")));
        assert!(!of_service.unwrap().customer_managed);
        let nameless = described(|key| (key["default_key_flag"], key["key_alias"]) = (Value::Null, Value::Null));
        assert_eq!(nameless.unwrap_err(), missing("default_key_flag"));
        assert!(described(|key| key["default_key_flag"] = json!("2")).is_err());
        assert_eq!(tags(None).unwrap_err(), missing("tags"), "no tags at all would mean that the marks are gone");
        assert!(serde_json::from_value::<Details>(json!({ "key_state": ["2"] })).is_err());
    }

    #[test]
    fn a_rotation_that_is_off_has_no_period() {
        let status = |status: Value| serde_json::from_value::<RotationStatus>(status).unwrap().rotation();
        assert_eq!(status(json!({ "key_rotation_enabled": false, "rotation_interval": 365 })).unwrap(), Rotation::default());
        assert_eq!(status(json!({ "key_rotation_enabled": true })).unwrap(), Rotation { enabled: true, ..Rotation::default() }, "not told");
        let last = |status: Value| serde_json::from_value::<RotationStatus>(status).unwrap().last();
        let at = Some(Timestamp::from_second(1_501_578_672).unwrap());
        for count in [json!({ "number_of_rotations": 3 }), json!({ "number_of_rotations": "3" }), json!({})] {
            let mut told = count;
            told["last_rotation_time"] = json!("1501578672000");
            assert_eq!(last(told).unwrap(), at);
        }
        assert_eq!(last(json!({ "number_of_rotations": 0, "last_rotation_time": "1501578672000" })).unwrap(), None, "there was none");
        assert_eq!(last(json!({ "number_of_rotations": 2 })).unwrap(), None, "not told when");
        let odd = status(json!({ "key_rotation_enabled": false, "last_rotation_time": ["soon"] })).unwrap();
        assert_eq!(odd, Rotation::default(), "nothing rests on it");
        assert_eq!(status(json!({})).unwrap_err(), missing("key_rotation_enabled"));
        assert!(status(json!({ "key_rotation_enabled": 1, "rotation_interval": 365 })).is_err());
    }

    #[test]
    fn a_change_is_about_the_key_that_was_asked_about() {
        let changed = |answer: Value| serde_json::from_value::<Changed>(answer).unwrap();
        for answer in [json!({ "key_id": ID, "key_state": "4" }), json!({ "key_info": { "key_id": ID, "key_state": 4 } })] {
            assert_eq!(changed(answer).state_of(ID).unwrap(), State::PendingDeletion);
        }
        assert!(changed(json!({ "key_id": "another", "key_state": "4" })).state_of(ID).is_err());
        assert!(changed(json!({})).state_of(ID).is_err());
    }
}
