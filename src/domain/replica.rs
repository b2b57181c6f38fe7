//! What a spec says about replicas, and how the keys of one set name each other.
//!
//! A multi-Region key is a set: a primary key, and replicas in other Regions. All have the same id, so their ARNs differ only in the Region (AWS KMS Developer
//! Guide, "How multi-Region keys work").

use super::ownership::can_be_named;
use crate::{api::replica_of::ReplicaOf, text};

/// The key of which an object's key is to be a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrimaryRef {
    /// The key of that object of the same namespace.
    Object(String),
    /// That key, which is reached through that provider.
    Key {
        /// Its ARN.
        arn: String,
        /// The name of the provider.
        provider: String,
    },
    /// Something that is not allowed, which is told. No key is created for such an object.
    Unreadable,
}

impl PrimaryRef {
    /// Reads the spec. What is not allowed goes into `left_out`. `others`: whether the spec also names a key to adopt, or a kind of key.
    #[must_use]
    pub fn of(declared: Option<&ReplicaOf>, others: bool, left_out: &mut Vec<String>) -> Option<Self> {
        let ReplicaOf { name, key_arn, provider_ref } = declared?;
        let read = match (name, key_arn, provider_ref) {
            _ if others => {
                Err("spec.replicaOf is set, and neither spec.keyId nor spec.key goes with it; make a new object with one of them")
            }
            (Some(name), None, None) if can_be_named("namespace", name) => Ok(Self::Object(name.clone())),
            (None, Some(arn), Some(provider)) if resource(arn).is_some_and(is_multi_region) => {
                Ok(Self::Key { arn: arn.clone(), provider: provider.name.clone() })
            }
            (None, Some(_), Some(_)) => Err("spec.replicaOf.keyArn is no ARN of a multi-Region key; make a new object with the right ARN"),
            _ => Err("spec.replicaOf needs either name, or keyArn and providerRef; make a new object with one of them"),
        };
        Some(read.unwrap_or_else(|why| {
            left_out.push(why.into());
            Self::Unreadable
        }))
    }

    /// The same, for messages.
    #[must_use]
    pub fn told(&self) -> String {
        match self {
            Self::Object(name) => format!("ManagedKey {}", text::name(name)),
            Self::Key { arn, .. } => format!("key {}", text::name(arn)),
            Self::Unreadable => "a key".into(),
        }
    }
}

/// What an ARN names, without its place: `key/<id>`.
fn resource(arn: &str) -> Option<&str> {
    arn.strip_prefix("arn:")?.splitn(5, ':').nth(4).filter(|resource| resource.starts_with("key/"))
}

/// The ids of multi-Region keys begin like this, and no others.
fn is_multi_region(resource: &str) -> bool {
    resource.starts_with("key/mrk-")
}

/// Whether two ARNs are of keys of one set.
#[must_use]
pub fn same_set(one: &str, other: &str) -> bool {
    let place = |arn: &str| arn.split(':').nth(4).map(str::to_owned);
    resource(one).is_some_and(is_multi_region) && resource(one) == resource(other) && place(one) == place(other)
}

/// The Region in an ARN.
#[must_use]
pub fn region(arn: &str) -> Option<&str> {
    resource(arn).and_then(|_| arn.split(':').nth(3))
}

/// The ARN of the same set in another Region.
#[must_use]
pub fn arn_in(arn: &str, region: &str) -> Option<String> {
    resource(arn)?;
    let mut parts: Vec<&str> = arn.splitn(6, ':').collect();
    *parts.get_mut(3)? = region;
    Some(parts.join(":"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::replica_of::PrimaryProviderRef;

    const ARN: &str = "arn:aws:kms:eu-west-1:111122223333:key/mrk-1234";

    fn of(name: Option<&str>, arn: Option<&str>, provider: Option<&str>, others: bool) -> (Option<PrimaryRef>, usize) {
        let declared = ReplicaOf {
            name: name.map(str::to_owned),
            key_arn: arn.map(str::to_owned),
            provider_ref: provider.map(|name| PrimaryProviderRef { name: name.into() }),
        };
        let mut left_out = Vec::new();
        (PrimaryRef::of(Some(&declared), others, &mut left_out), left_out.len())
    }

    #[test]
    fn what_is_not_allowed_is_told_and_never_read_as_no_replica() {
        assert_eq!(of(Some("orders"), None, None, false), (Some(PrimaryRef::Object("orders".into())), 0));
        let key = PrimaryRef::Key { arn: ARN.into(), provider: "aws".into() };
        assert_eq!(of(None, Some(ARN), Some("aws"), false), (Some(key), 0));
        for (name, arn, provider, others) in [
            (None, None, None, false),
            (Some("orders"), Some(ARN), Some("aws"), false),
            (Some("orders"), None, Some("aws"), false),
            (Some("a/b"), None, None, false),
            (None, Some(ARN), None, false),
            (None, Some("arn:aws:kms:eu-west-1:111122223333:key/1234"), Some("aws"), false),
            (None, Some("arn:aws:kms:eu-west-1:111122223333:alias/mrk-1"), Some("aws"), false),
            (None, Some("mrk-1234"), Some("aws"), false),
            (Some("orders"), None, None, true),
        ] {
            assert_eq!(of(name, arn, provider, others), (Some(PrimaryRef::Unreadable), 1), "{name:?} {arn:?} {provider:?} {others}");
        }
        assert_eq!(PrimaryRef::of(None, true, &mut Vec::new()), None);
    }

    #[test]
    fn the_keys_of_a_set_differ_only_in_their_region() {
        let replica = arn_in(ARN, "us-east-1").unwrap();
        assert_eq!((&*replica, region(&replica)), ("arn:aws:kms:us-east-1:111122223333:key/mrk-1234", Some("us-east-1")));
        assert!(same_set(ARN, &replica) && same_set(ARN, ARN));
        for other in [
            "arn:aws:kms:us-east-1:111122223333:key/mrk-12345",
            "arn:aws:kms:us-east-1:444455556666:key/mrk-1234",
            "arn:aws:kms:us-east-1:111122223333:alias/mrk-1234",
            "mrk-1234",
            "",
        ] {
            assert!(!same_set(ARN, other) && !same_set(other, ARN), "{other}");
        }
        let alone = "arn:aws:kms:eu-west-1:111122223333:key/1234";
        assert!(!same_set(alone, alone), "a key of one Region has no set");
        assert_eq!((arn_in("alias/a", "us-east-1"), region("alias/a"), region("")), (None, None, None));
    }
}
