//! What `keyward orphans` prints. The names of the fields are stable; `docs/orphans.md` describes them.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use crate::api::managed_key::KeyState;

/// An object's namespace and name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ObjectName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Why a key with this cluster's mark is on the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Why {
    /// The object that its marks name does not exist.
    NoObject,
    /// It has the cluster's mark, and no mark says which object it belongs to.
    NoOwnerMark,
    /// The object that its marks name exists, has another UID, and has no key.
    NotTakenUp,
    /// The object that its marks name exists and has another key.
    AnotherKey,
    /// The object that its marks name exists and has no key, and several keys have its marks.
    SeveralKeys,
    /// The object that its marks name began a creation whose outcome is not on record. This key may be the one.
    CreationUnderWay,
}

impl Why {
    /// The sentence for people. `object` is the one that the marks name.
    #[must_use]
    pub fn sentence(self, object: Option<&ObjectName>) -> String {
        let object = object.map_or_else(|| "the object".to_owned(), |object| format!("ManagedKey {object}"));
        match self {
            Self::NoObject => "no object has this name; make one to take the key up, or delete the key at the KMS".into(),
            Self::NoOwnerMark => "the tag keyward-owner is missing; find out whose key it is".into(),
            Self::NotTakenUp => format!("{object} has another UID and has no key; its conditions say why it does not take this one up"),
            Self::AnotherKey => format!("{object} has another key"),
            Self::SeveralKeys => format!("several keys have the marks of {object}; remove the keyward-* tags from all but one"),
            Self::CreationUnderWay => format!("{object} began to create a key, and this may be it"),
        }
    }
}

/// A key that no object has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Orphan {
    /// Its canonical reference.
    pub key: String,
    /// Its id at the KMS.
    pub key_id: String,
    /// Its state.
    pub state: KeyState,
    /// When it was created, if the KMS tells it.
    pub creation_time: Option<Timestamp>,
    /// When the KMS will delete it.
    pub deletion_date: Option<Timestamp>,
    /// The object that had it last, by its marks.
    pub last_owner: Option<ObjectName>,
    /// The owner mark as it is on the key.
    pub owner_mark: Option<String>,
    /// The UID mark as it is on the key.
    pub owner_uid: Option<String>,
    /// Why it is on the list.
    pub reason: Why,
    /// The same as a sentence.
    pub message: String,
    /// What the KMS bills for it each month, in US dollars. `None`: not known.
    pub cost_per_month: Option<u32>,
}

/// An object whose key the KMS does not find.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LostKey {
    /// The object.
    pub object: ObjectName,
    /// The key that its status names.
    pub key: String,
    /// The state of the key that its status names.
    pub state: Option<KeyState>,
    /// Since when Keyward does not find it, by its status.
    pub missing_since: Option<Timestamp>,
}

/// A claim alias that leads to no key of its cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StrayAlias {
    /// The alias.
    pub alias: String,
    /// The key that it points to, which does not have the mark of the alias's cluster. `None`: it points to no key.
    pub key: Option<String>,
}

/// A creation whose outcome is not on record, and the keys that it may have made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenCreation {
    /// The object.
    pub object: ObjectName,
    /// When it was begun, if the record can be read.
    pub begun: Option<Timestamp>,
    /// Ids of keys that have the marks of the object.
    pub marked_keys: Vec<String>,
    /// Ids of keys without an owner's mark that were created at that time.
    pub unmarked_keys: Vec<String>,
}

/// Something that could not be read, so that the list may lack entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unread {
    /// What it is.
    pub kind: UnreadKind,
    /// How many.
    pub count: usize,
    /// Why the first of them could not be read.
    pub message: String,
}

/// What could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum UnreadKind {
    /// Keys, or their tags.
    Keys,
    /// Objects.
    Objects,
}

/// How much was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Keys without an object.
    pub keys: usize,
    /// Objects whose key is gone.
    pub objects: usize,
    /// Claim aliases without a key of their cluster.
    pub aliases: usize,
    /// The known costs of the keys, in US dollars a month.
    pub cost_per_month: u32,
    /// Keys whose cost is not known.
    pub cost_unknown: usize,
}

/// What is left behind at one provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The cluster whose marks were searched for.
    pub cluster: String,
    /// The `KeyProvider`.
    pub provider: String,
    /// Its type.
    #[serde(rename = "type")]
    pub type_: String,
    /// The account.
    pub account: String,
    /// The Region.
    pub region: String,
    /// Keys without an object.
    pub keys: Vec<Orphan>,
    /// Objects whose key is gone.
    pub objects: Vec<LostKey>,
    /// Claim aliases without a key of their cluster.
    pub aliases: Vec<StrayAlias>,
    /// Creations whose outcome is not on record, with a key that may be the one.
    pub creations: Vec<OpenCreation>,
    /// What could not be read.
    pub unread: Vec<Unread>,
    /// How much was found.
    pub totals: Totals,
}

impl Report {
    /// Sorts everything, so that two reports of the same findings are equal, and counts it.
    #[must_use]
    pub fn complete(mut self) -> Self {
        // Those of one owner stand together, and the oldest of them first.
        self.keys.sort_by(|one, other| {
            let place = |key: &Orphan| (key.last_owner.is_none(), key.last_owner.clone(), key.creation_time, key.key.clone());
            place(one).cmp(&place(other))
        });
        self.objects.sort_by(|one, other| one.object.cmp(&other.object));
        self.aliases.sort();
        self.creations.sort_by(|one, other| one.object.cmp(&other.object));
        self.unread.sort_by_key(|unread| unread.kind);
        let costs = self.keys.iter().map(|key| key.cost_per_month);
        self.totals = Totals {
            keys: self.keys.len(),
            objects: self.objects.len(),
            aliases: self.aliases.len(),
            cost_per_month: costs.clone().flatten().fold(0, u32::saturating_add),
            cost_unknown: costs.filter(Option::is_none).count(),
        };
        self
    }

    /// Whether something is on the list.
    #[must_use]
    pub fn has_findings(&self) -> bool {
        let Self { keys, objects, aliases, creations, .. } = self;
        !(keys.is_empty() && objects.is_empty() && aliases.is_empty() && creations.is_empty())
    }

    /// The exit code: 1 if something could not be read, because then the list may lack entries; else 2 if something is on it; else 0.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match (self.unread.is_empty(), self.has_findings()) {
            (false, _) => 1,
            (true, true) => 2,
            (true, false) => 0,
        }
    }
}
