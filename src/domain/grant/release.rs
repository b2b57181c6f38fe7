//! What happens to the grants of an object that is being deleted. The first row that fits counts:
//!
//! | situation | the grants | the finalizer |
//! |---|---|---|
//! | the CRD is being deleted, even if the object is paused | left | goes |
//! | `deletionPolicy: Retain` | left | goes |
//! | `managementPolicy: Observe` of the `ManagedKey` | left on its key, revoked on earlier keys | goes |
//! | no key is on record, and the `ManagedKey` does not exist or has no key | nobody knows of any | goes |
//! | the object is paused | left | waits |
//! | its `ManagedKey` is paused | left on its key, revoked on earlier keys | waits for those on its key |
//! | no key is on record, and the `ManagedKey` has a key | those on this key are looked for | goes when they are revoked |
//! | the provider does not exist, cannot be used, or is for another account; the KMS denies a call | left | waits |
//! | the key is gone | gone with it | goes |
//! | otherwise | revoked | goes |
//!
//! The finalizer is set right before the first key is recorded. So an object with a finalizer and without a record lost its status, or the process
//! was killed in between. Only the key of its `ManagedKey` is known then.
//!
//! A namespace that is being deleted does not change this: access that nobody declares any more is taken away.

use jiff::{SignedDuration, Timestamp};

use super::target::Target;
use crate::{
    api::{
        KeyGrantStatus, Reason,
        condition::seconds,
        key_grant::{FormerGrant, GrantDeletionPolicy},
        managed_key::{ManagementPolicy, Missing},
    },
    domain::plan::Note,
};

/// The end of every message that says why the finalizer stays.
pub const WAY_OUT: &str = "; to let the object go and leave the grant, set deletionPolicy: Retain";

/// Why the grants on a key stay that is only observed.
pub const OBSERVED: &str = "managementPolicy of the ManagedKey is Observe";

/// What the row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Release {
    /// The finalizer goes, and the grants stay for this reason, if there are any.
    Leave(&'static str),
    /// The finalizer waits.
    Wait(Note),
    /// The grants are revoked, but not those on this key; then the finalizer goes.
    Revoke(Option<String>),
    /// The grants are revoked, but not those on this key; then the finalizer waits.
    RevokeOthers(String, Note),
    /// No key is on record. The grants on this key, through this provider, are looked for and revoked; then the finalizer goes.
    Search {
        /// The key of the `ManagedKey`.
        key: String,
        /// Its provider.
        provider: String,
    },
}

/// What is known before a provider is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// Whether the CRD is being deleted.
    pub uninstalling: bool,
    /// What the object says.
    pub policy: GrantDeletionPolicy,
    /// Whether the object is paused.
    pub paused: bool,
    /// Its `ManagedKey`, if it is still there.
    pub target: Option<&'a Target>,
    /// Its status.
    pub status: &'a KeyGrantStatus,
}

/// The row that fits.
#[must_use]
pub fn release(c: &Circumstances<'_>) -> Release {
    let paused = |whose: &str| {
        let message = format!("the annotation keyward.dev/paused of {whose} stops all work on this object; remove it to go on");
        Release::Wait(Note { reason: Reason::Paused, message })
    };
    match (c, c.target) {
        _ if c.uninstalling => Release::Leave("the CRD is being deleted"),
        _ if c.policy == GrantDeletionPolicy::Retain => Release::Leave("deletionPolicy is Retain"),
        (_, Some(target)) if target.policy == ManagementPolicy::Observe && !has_others(c.status, target) => Release::Leave(OBSERVED),
        _ if places(c.status).is_empty() && c.target.is_none_or(|target| target.key.is_none()) => {
            Release::Leave("no grant of it is on record")
        }
        _ if c.paused => paused("this object"),
        (_, Some(target)) if target.paused => match (paused("its ManagedKey"), &target.key) {
            (Release::Wait(note), Some(key)) if has_others(c.status, target) => Release::RevokeOthers(key.clone(), note),
            (wait, _) => wait,
        },
        (_, Some(Target { key: Some(key), provider, .. })) if places(c.status).is_empty() => {
            Release::Search { key: key.clone(), provider: provider.clone() }
        }
        (_, Some(target)) if target.policy == ManagementPolicy::Observe => Release::Revoke(target.key.clone()),
        _ => Release::Revoke(None),
    }
}

/// Whether a grant may be on another key than that of the object which is only observed. Its policy says nothing about that key.
fn has_others(status: &KeyGrantStatus, target: &Target) -> bool {
    target.key.as_ref().is_some_and(|key| places(status).iter().any(|place| place.key_arn != *key))
}

/// Every key on which a grant of the object may be: the present one last.
#[must_use]
pub fn places(status: &KeyGrantStatus) -> Vec<FormerGrant> {
    let present = status.key_arn.clone().zip(status.provider.clone());
    let present = present.map(|(key_arn, provider)| FormerGrant { key_arn, provider, missing: status.missing.clone() });
    status.former.iter().cloned().chain(present).collect()
}

/// One more answer that a key does not exist, and whether it is certain by now that the key is gone. A single answer proves nothing,
/// because a KMS is eventually consistent. It takes three, and `missing_after` between the first and the last.
#[must_use]
pub fn not_found(before: Option<&Missing>, now: Timestamp, missing_after: SignedDuration) -> (Missing, bool) {
    const ANSWERS: i32 = 3;
    let first_time = before.map_or_else(|| seconds(now), |missing| missing.first_time.clone());
    // The count stops at the limit, so that a settled status does not change any more.
    let count = before.map_or(0, |missing| missing.count.max(0)).saturating_add(1).min(ANSWERS);
    let sure = count >= ANSWERS && now.duration_since(first_time.0) >= missing_after;
    (Missing { count, first_time }, sure)
}
