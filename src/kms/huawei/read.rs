//! Describes a key by any of its names.
//!
//! Only a reference that can name a key in this Region is looked up, because anything else would look absent. Only Huawei's own code for it
//! makes a key absent.

use serde_json::json;

use super::{
    HuaweiKms,
    convert::{self, Described, Details, Unusable},
    operation::Operation,
    urn::{Reference, urn},
};
use crate::domain::{
    failure::{Failure, FailureKind},
    observed::Key,
};

/// A key, and its whole description.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) key: Key,
    pub(super) details: Details,
}

impl HuaweiKms {
    /// What a reference names. A reference that cannot name a key in this Region is refused, because the key would look absent.
    pub(super) fn reference<'a>(&self, operation: Operation, text: &'a str) -> Result<Reference<'a>, Failure> {
        let named = Reference::parse(text).map_err(|why| self.refuse(operation, text, format!("{text:?} cannot be looked up: {why}")))?;
        match named.location().map(|location| location.region).filter(|region| *region != self.region) {
            None => Ok(named),
            Some(region) => {
                let here = &self.region;
                let message =
                    format!("{text} is a key of Region {region}, but this provider works in {here}; use a KeyProvider of that Region");
                Err(self.refuse(operation, text, message))
            }
        }
    }

    /// The id of the key that a method is about.
    pub(super) fn id<'a>(&self, operation: Operation, key: &'a str) -> Result<&'a str, Failure> {
        match self.reference(operation, key)? {
            Reference::Key { id, .. } => Ok(id),
            Reference::Alias { .. } => Err(self.refuse(operation, key, format!("{key} is an alias; name the key by its id"))),
        }
    }

    pub(super) async fn find(&self, reference: &str) -> Result<Option<Found>, Failure> {
        let operation = Operation::DescribeKey;
        let named = self.reference(operation, reference)?;
        let found = match named {
            Reference::Key { id, .. } => self.read_by_id(reference, id).await?,
            Reference::Alias { name, .. } => match self.holder(reference, name).await? {
                None => None,
                // Two answers that contradict each other do not make a key absent.
                Some(id) => {
                    let contradicted = || {
                        let message =
                            format!("Huawei lists {reference} as the key {id}, but does not find that key; it is looked at again");
                        self.caller.refuse(operation, reference, FailureKind::Conflict, message)
                    };
                    Some(self.read_by_id(reference, &id).await?.ok_or_else(contradicted)?)
                }
            },
        };
        // A key of the same name in another account is another key. Only a key tells which account this is, so without one it cannot be
        // checked.
        match (&found, named.location()) {
            (Some(Found { key, .. }), Some(location)) if !key.arn.starts_with(&urn(&key.region, location.account, "")) => {
                let message = format!(
                    "{reference} is of another account than the key that is found by it here; if that key is meant, write {}",
                    key.arn
                );
                Err(self.refuse(operation, reference, message))
            }
            _ => Ok(found),
        }
    }

    /// The key with that id. Only Huawei's own code for it means that there is none.
    pub(super) async fn read_by_id(&self, reference: &str, id: &str) -> Result<Option<Found>, Failure> {
        let operation = Operation::DescribeKey;
        match self.json::<Described>(&self.post(operation, reference, json!({ "key_id": id }))).await {
            Ok(described) => {
                let read = || {
                    let details = described.key_info.ok_or_else(|| Unusable("it has no key_info".to_owned()))?;
                    convert::same(&details.id()?, id)?;
                    Ok(Found { key: details.key(&self.region, &self.caller.dialect.project)?, details })
                };
                read().map(Some).map_err(|why: Unusable| self.unusable(operation, reference, why))
            }
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// The name that the key was made with.
    pub(super) async fn own_name(&self, operation: Operation, key: &str) -> Result<String, Failure> {
        let Some(found) = self.find(key).await? else {
            let message = format!("Huawei has no key {key}; a change made moments ago may not be visible yet");
            return Err(self.caller.refuse(operation, key, FailureKind::NotFound, message));
        };
        found.details.name().map_err(|why| self.unusable(Operation::DescribeKey, key, why))
    }
}
