//! Who owns a key, read off its own marks.
//!
//! The marks are tags on the key. They outlive the object, the cluster and its backups, so they are the truth; status is a view of them.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::deletion::{Intent, IntentMark};
use crate::api::mark;

/// How a KMS bears the owner mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnerMark {
    /// `namespace.name`.
    Name,
    /// A digest of that, for a KMS whose tags are too short for it.
    Digest,
}

/// A key's tags.
pub type Tags = BTreeMap<String, String>;

/// The object that a key is, or is to be, bound to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The operator's cluster id.
    pub cluster: String,
    /// Namespace of the object.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
    /// UID of the object. A re-created object has another one.
    pub uid: String,
}

impl Owner {
    /// `namespace.name`, the value of the owner mark. A namespace has no dots, so this can be taken apart again.
    #[must_use]
    pub fn mark(&self) -> String {
        owner_name(&self.namespace, &self.name)
    }

    /// The owner mark in that form.
    #[must_use]
    pub fn mark_as(&self, form: OwnerMark) -> String {
        match form {
            OwnerMark::Name => self.mark(),
            OwnerMark::Digest => digest(&self.mark()),
        }
    }

    /// Whether an owner mark, in either form, is this object's.
    #[must_use]
    pub fn is_marked(&self, found: &str) -> bool {
        names(found, &self.namespace, &self.name)
    }

    /// The alias that a created key gets, by which a later object of the same name finds it: `alias/keyward/<cluster>/<namespace>/<name>`.
    ///
    /// At most 256 characters, the limit of `CreateAlias`: cluster 36, namespace 63, name 141. Aliases know no dots; names know no underscores,
    /// so writing `_` for `.` cannot make two names one.
    #[must_use]
    pub fn claim_alias(&self) -> String {
        format!("alias/keyward/{}/{}/{}", self.cluster, self.namespace, self.name.replace('.', "_"))
    }

    /// What the description of a new key says until its marks are on it, at a KMS that makes keys without tags. It is made together with the key and names
    /// the UID, which no user can choose, so that it proves whose creation the key is.
    #[must_use]
    pub fn birth(&self) -> String {
        format!("{}: {}", mark::UID, self.uid)
    }

    /// The four marks, as they are written in one call.
    #[must_use]
    pub fn marks(&self, intent: Intent, form: OwnerMark) -> Tags {
        Tags::from([
            (mark::CLUSTER.into(), self.cluster.clone()),
            (mark::OWNER.into(), self.mark_as(form)),
            (mark::UID.into(), self.uid.clone()),
            (mark::INTENT.into(), intent.to_string()),
        ])
    }
}

/// `namespace.name`.
fn owner_name(namespace: &str, name: &str) -> String {
    format!("{namespace}.{name}")
}

/// The SHA-256 of an owner mark in base64url without padding: 43 characters, of which every KMS takes each.
fn digest(mark: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(mark))
}

/// Whether an owner mark may be a digest. A name has a dot.
#[must_use]
pub fn is_digest(found: &str) -> bool {
    found.len() == 43 && found.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// Whether an owner mark, in either form, names that object.
#[must_use]
pub fn names(found: &str, namespace: &str, name: &str) -> bool {
    let mark = owner_name(namespace, name);
    found == mark || found == digest(&mark)
}

/// What a key's marks say, seen from one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// The key is this object's.
    Ours,
    /// The key belongs to an object of the same cluster, namespace and name with another UID: an earlier one, or a later one.
    Namesake,
    /// Nobody's marks are on the key.
    Unmarked,
    /// The key belongs to another object of this cluster, by its owner mark.
    Other(String),
    /// The key belongs to another cluster.
    OtherCluster(String),
    /// The key belongs to that object of some cluster, which no mark names: that none of ours is called so proves nothing.
    Stranger(String),
    /// Another UID is on the key, and the marks that say whose it is are gone.
    Nameless,
}

impl Ownership {
    /// Reads the marks among a key's tags.
    #[must_use]
    pub fn of(tags: &Tags, owner: &Owner) -> Self {
        let get = |key: &str| tags.get(key).map(String::as_str);
        match (get(mark::CLUSTER), get(mark::OWNER), get(mark::UID)) {
            (Some(cluster), _, _) if cluster != owner.cluster => Self::OtherCluster(cluster.into()),
            (Some(_), Some(name), _) if !owner.is_marked(name) => Self::Other(name.into()),
            (Some(_), Some(_), Some(uid)) if uid == owner.uid => Self::Ours,
            (Some(_), Some(_), _) => Self::Namesake,
            // Marks that someone took away in part are no marks, unless what is left names somebody else.
            (None, Some(name), uid) if uid.is_none() || !owner.is_marked(name) => Self::Stranger(name.into()),
            (_, _, Some(uid)) if uid != owner.uid => Self::Nameless,
            _ => Self::Unmarked,
        }
    }

    /// The same for an object that had the key: where nobody else's UID is on it, its marks are gone, be it in part.
    #[must_use]
    pub fn of_former(tags: &Tags, owner: &Owner) -> Self {
        match Self::of(tags, owner) {
            Self::Namesake if !tags.contains_key(mark::UID) => Self::Unmarked,
            Self::Stranger(name) if owner.is_marked(&name) => Self::Unmarked,
            ownership => ownership,
        }
    }
}

/// The intent mark among a key's tags.
#[must_use]
pub fn intent(tags: &Tags) -> IntentMark {
    tags.get(mark::INTENT).map_or(IntentMark::Missing, |text| IntentMark::read(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::deletion::Word;

    fn owner() -> Owner {
        Owner { cluster: "prod".into(), namespace: "shop".into(), name: "orders.v2".into(), uid: "u1".into() }
    }

    /// Shows S3.
    #[test]
    fn marks_are_read_from_the_side_of_one_object() {
        for form in [OwnerMark::Name, OwnerMark::Digest] {
            marks_are_read(&owner().marks(Intent { seq: 1, generation: 1, word: Word::Live }, form));
        }
    }

    fn marks_are_read(ours: &Tags) {
        let with = |key: &str, value: Option<&str>| {
            let mut tags = ours.clone();
            tags.remove(key);
            tags.extend(value.map(|value| (key.to_owned(), value.to_owned())));
            Ownership::of(&tags, &owner())
        };
        assert_eq!(Ownership::of(ours, &owner()), Ownership::Ours);
        assert_eq!(Ownership::of(&Tags::new(), &owner()), Ownership::Unmarked);
        assert_eq!(with(mark::UID, Some("u2")), Ownership::Namesake);
        assert_eq!(with(mark::UID, None), Ownership::Namesake);
        assert_eq!(with(mark::OWNER, Some("shop.other")), Ownership::Other("shop.other".into()));
        assert_eq!(with(mark::CLUSTER, Some("test")), Ownership::OtherCluster("test".into()));
        assert_eq!(with(mark::CLUSTER, None), Ownership::Unmarked);
        for (name, uid) in
            [("bank.pay".into(), Some("u2")), ("bank.pay".into(), Some("u1")), ("bank.pay".into(), None), (ours[mark::OWNER].clone(), None)]
        {
            let mut tags = Tags::from([(mark::OWNER.into(), String::clone(&name))]);
            tags.extend(uid.map(|uid| (mark::UID.to_owned(), uid.to_owned())));
            assert_eq!(Ownership::of(&tags, &owner()), Ownership::Stranger(name), "of a cluster that nothing names, {uid:?}");
        }
        assert_eq!(with(mark::OWNER, None), Ownership::Unmarked);
        for gone in [mark::CLUSTER, mark::OWNER] {
            let mut tags = ours.clone();
            tags.insert(mark::UID.into(), "u2".into());
            tags.remove(gone);
            assert_eq!(Ownership::of(&tags, &owner()), Ownership::Nameless, "without {gone} it may be anybody's");
        }
    }

    #[test]
    fn a_digest_fits_the_shortest_tags() {
        let digest = owner().mark_as(OwnerMark::Digest);
        assert_eq!(digest, "a7fTJPrnaW2gk--W6nFeOKR1xLuhSiJOfohchR9V4EM");
        assert!(names(&digest, "shop", "orders.v2") && !names(&digest, "shop", "orders"));
    }

    #[test]
    fn the_longest_claim_alias_fits() {
        let longest = Owner { cluster: "c".repeat(36), namespace: "n".repeat(63), name: "x".repeat(141), uid: String::new() }.claim_alias();
        assert_eq!(longest.len(), 256);
        assert_eq!(owner().claim_alias(), "alias/keyward/prod/shop/orders_v2");
    }
}
