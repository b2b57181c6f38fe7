//! What is published of a key for applications, and what becomes of the `ConfigMap` or Secret that it is published to.
//!
//! An object is only ever changed or removed if its controlling owner is this very `ManagedKey`, by its UID. A name, a label or a status proves nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    failure::Retry,
    ownership::{Owner, can_be_named},
};
use crate::{
    api::{
        GROUP, Reason,
        publish_to::{LONGEST_NAME, PublishKeys, PublishTo, PublishedTo, RESERVED},
    },
    text,
};

/// What is published, by the name of each value.
pub type Values = BTreeMap<String, String>;

/// What a spec declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Where.
    pub target: PublishedTo,
    /// The names of the values, in the order of [`FIELDS`].
    names: [String; FIELDS.len()],
    /// The aliases of the spec, with `alias/`, in its order.
    aliases: Vec<String>,
}

/// What a spec declares about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Declared {
    /// Nothing is published, and what was is removed.
    #[default]
    Nothing,
    /// Something that is not allowed, which is told. What is published stays.
    Unreadable,
    /// This.
    To(Publication),
}

impl Declared {
    /// Reads the spec. What is not allowed goes into `left_out`. `aliases`: those of the spec.
    #[must_use]
    pub fn of(declared: Option<&PublishTo>, aliases: &[String], left_out: &mut Vec<String>) -> Self {
        let Some(declared) = declared else { return Self::Nothing };
        match Publication::of(declared, aliases) {
            Ok(publication) => Self::To(publication),
            Err(why) => {
                left_out.push(why);
                Self::Unreadable
            }
        }
    }
}

/// The values, by the names that they have without `spec.publishTo.keys`.
const FIELDS: [&str; 5] = ["keyId", "keyArn", "alias", "region", "account"];
/// Where the alias is among them.
const ALIAS: usize = 2;

/// A key, as far as it is published.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The provider's id.
    pub id: &'a str,
    /// The canonical reference.
    pub arn: &'a str,
    /// The account that owns the key.
    pub account: &'a str,
    /// Its Region.
    pub region: &'a str,
    /// All aliases, with `alias/`. `None`: not read.
    pub aliases: Option<&'a [String]>,
    /// The alias that Keyward gave the key when it created it. `None`: the key was adopted.
    pub claim: Option<String>,
}

/// An object of that kind and name, as the API server has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The controlling owner.
    pub controller: Option<Controller>,
    /// Whether it is being deleted.
    pub leaves: bool,
    /// Its data. `None`: a value that is no text.
    pub data: BTreeMap<String, Option<String>>,
    /// Whether it has data of another form, which Keyward never writes.
    pub binary: bool,
}

/// The controlling owner of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Controller {
    /// Its API version.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

/// What becomes of the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It says what it should.
    Stands,
    /// There is none, so it is created.
    Create,
    /// These values are set, and the names without a value are removed.
    Change(BTreeMap<String, Option<String>>),
    /// It is left as it is.
    Left(Trouble),
}

/// Why a key is not published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The reason of the condition.
    pub reason: Reason,
    /// The sentence.
    pub message: String,
    /// Whether a person must act.
    pub stalled: bool,
    /// When it is tried again.
    pub retry: Retry,
}

impl Publication {
    /// Reads the spec. Everything that admission refuses is refused again here.
    ///
    /// # Errors
    /// A sentence about what is not allowed.
    pub fn of(declared: &PublishTo, aliases: &[String]) -> Result<Self, String> {
        let PublishTo { kind, name, keys } = declared;
        if !is_name(name) {
            return Err(format!("spec.publishTo.name is {}, which is no name of a {}; change it", text::name(name), kind.as_str()));
        }
        if name.starts_with(RESERVED) {
            return Err(format!(
                "spec.publishTo.name is {}, but names that begin with {RESERVED} belong to Kubernetes; change it",
                text::name(name)
            ));
        }
        let PublishKeys { key_id, key_arn, alias, region, account } = keys.clone().unwrap_or_default();
        let mut names = FIELDS.map(str::to_owned);
        for (name, (field, declared)) in names.iter_mut().zip(FIELDS.into_iter().zip([key_id, key_arn, alias, region, account])) {
            let Some(declared) = declared else { continue };
            if !is_value_name(&declared) {
                return Err(format!(
                    "spec.publishTo.keys.{field} is {}; a name has 1 to {LONGEST_NAME} letters, digits, -, _ or ., and is not . and does not begin with ..",
                    text::name(&declared)
                ));
            }
            *name = declared;
        }
        let mut known = BTreeSet::new();
        if let Some(twice) = names.iter().find(|name| !known.insert(*name)) {
            return Err(format!(
                "spec.publishTo.keys gives two values the name {}; a value without a name has the name of its field; change one of them",
                text::name(twice)
            ));
        }
        let aliases = aliases.iter().map(|alias| format!("alias/{alias}")).collect();
        Ok(Self { target: PublishedTo { kind: *kind, name: name.clone() }, names, aliases })
    }

    fn values(&self, key: &Facts<'_>, alias: Option<&str>) -> Values {
        let values: [Option<&str>; FIELDS.len()] = [Some(key.id), Some(key.arn), alias, Some(key.region), Some(key.account)];
        self.names.iter().zip(values).filter_map(|(name, value)| Some((name.clone(), value?.to_owned()))).collect()
    }

    /// The aliases that can be published, the best first.
    fn candidates<'a>(&'a self, key: &'a Facts<'_>) -> impl Iterator<Item = &'a str> {
        self.aliases.iter().chain(&key.claim).map(String::as_str)
    }

    /// The best alias that the key has.
    fn found_on<'a>(&'a self, key: &'a Facts<'_>, all: &[String]) -> Option<&'a str> {
        self.candidates(key).find(|alias| all.iter().any(|known| known == alias))
    }

    /// Whether the object says what it should, as far as that is known of the key. If its aliases were not read, the best one counts as the one that the key
    /// has. So a key at rest needs no further request.
    #[must_use]
    pub fn stands(&self, key: &Facts<'_>, found: &Found, owner: &Owner) -> bool {
        let alias = key.aliases.map_or_else(|| self.candidates(key).next(), |all| self.found_on(key, all));
        self.verdict(&self.values(key, alias), Some(found), owner) == Verdict::Stands
    }

    /// What is to be published of a key whose marks were read. An alias is published only if the key has it. If the aliases could not be read, the alias that
    /// was published before stays.
    #[must_use]
    pub fn values_for(&self, key: &Facts<'_>, found: Option<&Found>, owner: &Owner) -> Values {
        let alias = if let Some(all) = key.aliases {
            self.found_on(key, all)
        } else {
            let before = found.filter(|found| found.is_of(owner)).and_then(|found| found.data.get(&self.names[ALIAS])?.as_deref());
            self.candidates(key).find(|alias| Some(*alias) == before)
        };
        self.values(key, alias)
    }

    /// What becomes of the object if these values are to be published.
    #[must_use]
    pub fn verdict(&self, values: &Values, found: Option<&Found>, owner: &Owner) -> Verdict {
        let Some(found) = found else { return Verdict::Create };
        if !found.is_of(owner) {
            return Verdict::Left(self.taken(found, owner));
        }
        if found.leaves {
            let message = format!("{} is being deleted; Keyward creates it again when it is gone", self.target);
            return Verdict::Left(Trouble { reason: Reason::PublishTargetTaken, message, stalled: false, retry: Retry::Backoff });
        }
        let set = values.iter().filter(|(name, value)| found.data.get(*name).and_then(Option::as_ref) != Some(value));
        let set = set.map(|(name, value)| (name.clone(), Some(value.clone())));
        let remove = found.data.keys().filter(|name| !values.contains_key(*name)).map(|name| (name.clone(), None));
        let change: BTreeMap<_, _> = set.chain(remove).collect();
        if change.is_empty() && !found.binary { Verdict::Stands } else { Verdict::Change(change) }
    }

    /// The object belongs to somebody else.
    fn taken(&self, found: &Found, owner: &Owner) -> Trouble {
        let target = &self.target;
        let (message, stalled) = match &found.controller {
            // Kubernetes removes what belongs to an object that is gone.
            Some(other) if other.is_key() && other.name == owner.name => (
                format!("{target} belongs to an earlier object of this name; Keyward creates it again when Kubernetes has removed it"),
                false,
            ),
            Some(other) if other.is_key() => (
                format!(
                    "{target} belongs to the object {}/{}, so this object does not publish to it; change spec.publishTo.name of one of the two",
                    owner.namespace,
                    text::name(&other.name)
                ),
                true,
            ),
            _ => (
                format!(
                    "{target} was not created for this object, so Keyward leaves it as it is; change spec.publishTo.name, or remove the {}",
                    target.kind.as_str()
                ),
                true,
            ),
        };
        let retry = if stalled { Retry::Slow } else { Retry::Backoff };
        Trouble { reason: Reason::PublishTargetTaken, message, stalled, retry }
    }
}

impl Trouble {
    /// Whether the object is not this one's, or not any more.
    #[must_use]
    pub fn is_of_another(&self) -> bool {
        self.reason == Reason::PublishTargetTaken
    }
}

impl Found {
    /// Whether Keyward created it for that object.
    #[must_use]
    pub fn is_of(&self, owner: &Owner) -> bool {
        self.controller.as_ref().is_some_and(|controller| controller.is_key() && controller.uid == owner.uid)
    }
}

impl Controller {
    fn is_key(&self) -> bool {
        self.kind == "ManagedKey" && self.api_version.split_once('/').is_some_and(|(group, _)| group == GROUP)
    }
}

/// Whether it can be the name of an object. A status may say anything, and a name is part of a path.
#[must_use]
pub fn is_name(name: &str) -> bool {
    can_be_named("n", name)
}

fn is_value_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(plain) && name != "." && !name.starts_with("..")
}

/// What is tried first of an object in which a key is to be published, and of one in which it is no longer to be.
pub const READ: &str = "read";
/// See [`READ`].
pub const READ_TO_REMOVE: &str = "read and remove";

/// Keyward may not read objects of that kind in that namespace. `what` is [`READ`] or [`READ_TO_REMOVE`].
#[must_use]
pub fn not_permitted(target: &PublishedTo, namespace: &str, what: &str) -> Trouble {
    let (kind, plural) = (target.kind.as_str(), target.kind.plural());
    let left = if what == READ { "spec.publishTo is not done" } else { "it is not removed" };
    let message = format!(
        "Keyward has no right to {what} {target} in namespace {namespace}, so {left}; an administrator gives the right with {kind} in the value publish.kinds of the Helm chart, \
         or with the component deploy/publish/{plural}"
    );
    Trouble { reason: Reason::PublishNotPermitted, message, stalled: true, retry: Retry::Slow }
}

/// The API server refused a write of an object, although Keyward may read it.
#[must_use]
pub fn refused(target: &PublishedTo, namespace: &str, what: &str) -> Trouble {
    let message = format!(
        "the API server does not let Keyward {what} {target}; look for a quota or an admission policy of namespace {namespace}, for a {} that is immutable, \
         or for a right that is missing; the operator's log has the answer",
        target.kind.as_str()
    );
    Trouble { reason: Reason::PublishNotPermitted, message, stalled: true, retry: Retry::Slow }
}

/// The API server did not answer, or somebody else writes the object at the same time.
#[must_use]
pub fn unanswered(target: &PublishedTo, what: &str) -> Trouble {
    let message = format!("the API server did not {what} {target}; Keyward tries again");
    Trouble { reason: Reason::UnknownError, message, stalled: false, retry: Retry::Backoff }
}

/// The namespace is Keyward's own: its Secrets are credentials, and its `ConfigMap` configures Keyward.
#[must_use]
pub fn own_namespace(namespace: &str) -> Trouble {
    let message = format!("spec.publishTo is set, but Keyward publishes nothing in its own namespace {namespace}; use another namespace");
    Trouble { reason: Reason::InvalidSpec, message, stalled: true, retry: Retry::Resync }
}

/// There is no room to remember one more object.
#[must_use]
pub fn no_room(target: &PublishedTo) -> Trouble {
    let message = format!(
        "{target} is not created, because earlier objects of spec.publishTo are not removed yet; status.publishAttempts has them; remove them"
    );
    Trouble { reason: Reason::PublishTargetTaken, message, stalled: true, retry: Retry::Slow }
}
