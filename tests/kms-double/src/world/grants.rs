//! Grants: who may use a key besides its owner.
//!
//! A grant belongs to one key and dies with it. Principals and operations have the names of the protocol. What a grant permits, and which
//! grants may be made, is decided by the protocol.

use std::collections::BTreeMap;
use std::time::Instant;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::lagged::Lagged;
use super::{KeyRef, World};

/// A grant of one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// 64 hex digits.
    pub id: String,
    /// When it was made, on the double's clock.
    pub created: Timestamp,
    /// The account that made it.
    pub issuer: String,
    /// What it permits, and to whom.
    #[serde(flatten)]
    pub terms: GrantTerms,
}

/// What a grant permits, and to whom. Two grants of a key can have the same terms.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GrantTerms {
    /// The name that the caller gave it.
    pub name: Option<String>,
    /// Who may use the key: an ARN, or the name of a service.
    pub grantee: String,
    /// Who may retire the grant: an ARN, or the name of a service.
    pub retiring: Option<String>,
    /// The operations, in the order of the request.
    pub operations: Vec<String>,
    /// The encryption context must contain these pairs.
    pub context_subset: Option<BTreeMap<String, String>>,
    /// The encryption context must be these pairs.
    pub context_equals: Option<BTreeMap<String, String>>,
    /// The resource for which the request must be made.
    pub source_arn: Option<String>,
}

/// The grants of a Region: by the id of the key, then by the id of the grant.
pub(super) type Grants = BTreeMap<String, BTreeMap<String, Lagged<Grant>>>;

impl World {
    /// The grants of a key as writers see them, by id.
    pub(crate) fn grants(&self, at: &KeyRef) -> impl Iterator<Item = &Grant> {
        self.slots(at).filter_map(Lagged::present)
    }

    /// The grants of a key that readers see, by id.
    pub(crate) fn seen_grants(&self, at: &KeyRef, now: Instant) -> impl Iterator<Item = &Grant> {
        self.slots(at).filter_map(move |slot| slot.seen(now))
    }

    /// The grants of every key in a Region that readers see, whatever the account.
    pub(crate) fn seen_grants_in(&self, region: &str, now: Instant) -> impl Iterator<Item = (KeyRef, &Grant)> {
        let regions = self.regions.iter().filter(move |((_, name), _)| name == region);
        let of_keys = regions.flat_map(|((account, region), inside)| {
            inside
                .grants
                .iter()
                .map(move |(id, grants)| (KeyRef { account: account.clone(), region: region.clone(), id: id.clone() }, grants))
        });
        of_keys.flat_map(move |(at, grants)| grants.values().filter_map(move |slot| slot.seen(now)).map(move |grant| (at.clone(), grant)))
    }

    /// Adds a grant to a key, or replaces the one with its id.
    pub(crate) fn put_grant(&mut self, at: &KeyRef, grant: Grant) {
        let (now, lag) = (Instant::now(), self.lag);
        let region = self.regions.entry((at.account.clone(), at.region.clone())).or_default();
        let slot = region.grants.entry(at.id.clone()).or_default().entry(grant.id.clone()).or_default();
        *slot.change(now, lag) = Some(grant);
        self.revision += 1;
    }

    /// Removes a grant, if it exists.
    pub(crate) fn remove_grant(&mut self, at: &KeyRef, id: &str) {
        let (now, lag) = (Instant::now(), self.lag);
        let Some(region) = self.regions.get_mut(&(at.account.clone(), at.region.clone())) else {
            return;
        };
        let Some(grants) = region.grants.get_mut(&at.id) else {
            return;
        };
        let Some(slot) = grants.get_mut(id).filter(|slot| slot.present().is_some()) else {
            return;
        };
        *slot.change(now, lag) = None;
        if slot.is_gone(now) {
            grants.remove(id);
        }
        self.revision += 1;
    }

    fn slots(&self, at: &KeyRef) -> impl Iterator<Item = &Lagged<Grant>> {
        let region = self.region(&at.account, &at.region);
        region.and_then(|region| region.grants.get(&at.id)).into_iter().flat_map(BTreeMap::values)
    }
}
