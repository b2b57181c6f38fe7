//! Who owns a key, by the marks on the key.
//!
//! The marks are tags. They outlive the object, the cluster and its backups, so they are the truth; the status is a view of them.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::deletion::{Intent, IntentMark};
use crate::api::mark;

/// The form of the owner mark at a KMS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnerMark {
    /// `namespace.name`.
    Name,
    /// A digest of it, for a KMS whose tags are too short for the name.
    Digest,
}

/// A key's tags.
pub type Tags = BTreeMap<String, String>;

/// The object that a key is bound to, or is to be bound to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The operator's cluster id.
    pub cluster: String,
    /// Namespace of the object.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
    /// UID of the object. An object that is deleted and created again has another UID.
    pub uid: String,
}

impl Owner {
    /// `namespace.name`, the value of the owner mark. A namespace has no dots, so the two parts can be told apart.
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

    /// Whether a key's tags have the marks of this object's cluster, namespace and name. The UID may be another.
    #[must_use]
    pub fn is_named_by(&self, tags: &Tags) -> bool {
        owner_in(&self.cluster, tags).is_some_and(|found| self.is_marked(found))
    }

    /// Whether an owner mark, in either form, names this object.
    #[must_use]
    pub fn is_marked(&self, found: &str) -> bool {
        names(found, &self.namespace, &self.name)
    }

    /// The claim alias of a created key: `alias/keyward/<cluster>/<namespace>/<name>`. A later object of the same name finds the key by it.
    ///
    /// It has at most 256 characters, the limit of `CreateAlias`: cluster 36, namespace 63, name 141. An alias may have no dots, and a name
    /// has no underscores, so with `_` for `.` two names never become one alias.
    #[must_use]
    pub fn claim_alias(&self) -> String {
        format!("alias/keyward/{}/{}/{}", self.cluster, self.namespace, self.name.replace('.', "_"))
    }

    /// The description of a new key until its marks are set, at a KMS that creates keys without tags. It is created together with the key
    /// and has the UID, which no user can choose, so it proves which object created the key.
    #[must_use]
    pub fn birth(&self) -> String {
        format!("{}: {}", mark::UID, self.uid)
    }

    /// The four marks, which one call writes.
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

/// Whether a namespace and a name can be those of an object: a DNS label, and a DNS subdomain (RFC 1123). What relies on this: a namespace has no dot, and
/// neither has a character with a meaning in a path. The API server checks both, but not what is already in its storage, and a mark may say anything.
#[must_use]
pub fn can_be_named(namespace: &str, name: &str) -> bool {
    let is_label = |text: &str| {
        let plain = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        plain && !text.is_empty() && !text.starts_with('-') && !text.ends_with('-')
    };
    namespace.len() <= 63 && is_label(namespace) && name.len() <= 253 && name.split('.').all(is_label)
}

/// `namespace.name`.
fn owner_name(namespace: &str, name: &str) -> String {
    format!("{namespace}.{name}")
}

/// The SHA-256 of an owner mark in base64url without padding: 43 characters, which every KMS accepts in a tag.
fn digest(mark: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(mark))
}

/// Whether an owner mark can be a digest. A name has a dot, which a digest has not.
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

/// The owner mark of a key that has the mark of that cluster.
#[must_use]
pub fn owner_in<'a>(cluster: &str, tags: &'a Tags) -> Option<&'a str> {
    tags.get(mark::OWNER).map(String::as_str).filter(|_| is_of(cluster, tags))
}

/// Whether a key has the mark of that cluster.
#[must_use]
pub fn is_of(cluster: &str, tags: &Tags) -> bool {
    tags.get(mark::CLUSTER).is_some_and(|found| found == cluster)
}

/// The message that a key belongs to somebody else. `rest` begins with its own separator.
#[must_use]
pub fn belongs_to(key: &str, owner: &str, rest: &str) -> String {
    format!("key {key} belongs to {owner}{rest}")
}

/// The message that another key has an alias, and what to do.
#[must_use]
pub fn alias_of(alias: &str, key: &str, next: &str) -> String {
    alias_held(alias, &format!("the key {key}"), next)
}

/// The same, for a key that only words can name.
#[must_use]
pub fn alias_held(alias: &str, holder: &str, next: &str) -> String {
    format!("{alias} belongs to {holder}, and is not moved; {next}")
}

/// What a key's marks say, from the view of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// The key is this object's.
    Ours,
    /// The key belongs to an earlier or later object of the same cluster, namespace and name, with another UID.
    Namesake,
    /// The key has no marks.
    Unmarked,
    /// The key belongs to another object of this cluster, by its owner mark.
    Other(String),
    /// The key belongs to another cluster.
    OtherCluster(String),
    /// The key belongs to that object, and no mark names the cluster. That this cluster has no such object proves nothing.
    Stranger(String),
    /// The key has another UID, and the marks that name its owner are gone.
    Nameless,
}

impl Ownership {
    /// Reads the marks from a key's tags.
    #[must_use]
    pub fn of(tags: &Tags, owner: &Owner) -> Self {
        let get = |key: &str| tags.get(key).map(String::as_str);
        match (get(mark::CLUSTER), get(mark::OWNER), get(mark::UID)) {
            (Some(cluster), _, _) if cluster != owner.cluster => Self::OtherCluster(cluster.into()),
            (Some(_), Some(name), _) if !owner.is_marked(name) => Self::Other(name.into()),
            (Some(_), Some(_), Some(uid)) if uid == owner.uid => Self::Ours,
            (Some(_), Some(_), _) => Self::Namesake,
            // If somebody removed some of the marks, the rest counts only if it names somebody else.
            (None, Some(name), uid) if uid.is_none() || !owner.is_marked(name) => Self::Stranger(name.into()),
            (_, _, Some(uid)) if uid != owner.uid => Self::Nameless,
            _ => Self::Unmarked,
        }
    }

    /// The same for an object that had the key. If the key has nobody else's UID, then the object's own marks were removed, all or some of
    /// them.
    #[must_use]
    pub fn of_former(tags: &Tags, owner: &Owner) -> Self {
        match Self::of(tags, owner) {
            Self::Namesake if !tags.contains_key(mark::UID) => Self::Unmarked,
            Self::Stranger(name) if owner.is_marked(&name) => Self::Unmarked,
            ownership => ownership,
        }
    }
}

/// The intent mark in a key's tags.
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
    fn an_owner_is_named_by_its_cluster_and_its_mark_in_either_form() {
        for form in [OwnerMark::Name, OwnerMark::Digest] {
            let ours = owner().marks(Intent { seq: 1, generation: 1, word: Word::Live }, form);
            assert_eq!(owner_in("prod", &ours), Some(owner().mark_as(form).as_str()));
            assert_eq!(owner_in("test", &ours), None);
            assert!(owner().is_named_by(&ours) && Owner { uid: "u2".into(), ..owner() }.is_named_by(&ours));
            for other in [Owner { cluster: "test".into(), ..owner() }, Owner { name: "orders".into(), ..owner() }] {
                assert!(!other.is_named_by(&ours), "{other:?}");
            }
            for gone in [mark::CLUSTER, mark::OWNER] {
                let mut tags = ours.clone();
                tags.remove(gone);
                assert!(!owner().is_named_by(&tags) && owner_in("prod", &tags).is_none(), "without {gone}");
            }
        }
    }

    #[test]
    fn two_objects_never_have_the_same_names_on_keys() {
        let owner = |namespace: &str, name: &str| Owner { namespace: namespace.into(), name: name.into(), ..owner() };
        // These collide, and one of the two cannot be an object.
        assert_eq!(owner("a", "b.c").mark(), owner("a.b", "c").mark());
        assert_eq!(owner("a", "b.c").claim_alias(), owner("a", "b_c").claim_alias());
        for (namespace, name) in [("a", "b.c"), ("a-1", "c"), ("0", "0.0")] {
            assert!(can_be_named(namespace, name), "{namespace} {name}");
        }
        let (long, longer) = ("n".repeat(64), "n".repeat(254));
        for (namespace, name) in [
            ("a.b", "c"),
            ("a", "b_c"),
            ("a", "b/c"),
            ("a", ".."),
            ("a", "b..c"),
            ("a", ""),
            ("", "b"),
            ("a", "B"),
            ("-a", "b"),
            ("a", "b-"),
            ("a/managedkeys", "b"),
            ("a", "b?c"),
            ("a", "b%2fc"),
            ("a", "b\n"),
            (&long, "b"),
            ("a", &longer),
        ] {
            assert!(!can_be_named(namespace, name), "{namespace} {name}");
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
