//! Policies of an organization that deny the deletion of keys by the condition keys that AWS has for it.
//!
//! As on AWS, the answer says which kind of policy denies the call, and not which condition.

use jiff::Timestamp;

use super::call::Caller;
use super::calls::{DEFAULT_WINDOW_DAYS, TRACKING_START};
use super::failure::Failure;
use super::members::Members;
use super::operation::Operation;
use crate::world::{Key, KeyRef, World};

/// A service control policy of an account with a `Deny` on `ScheduleKeyDeletion` and, where AWS has the condition key for it, on
/// `DisableKey`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The account. All its principals are denied.
    pub account: String,
    /// `NumericLessThan` of `kms:ScheduleKeyDeletionPendingWindowInDays`: shorter windows are denied.
    pub window_below: Option<i64>,
    /// `NumericLessThan` of `kms:TrailingDaysWithoutKeyUsage`: keys that were idle for fewer whole days are denied.
    pub idle_below: Option<i64>,
}

/// What a call asks for.
pub(super) struct Asked<'a> {
    pub(super) operation: Operation,
    pub(super) caller: &'a Caller,
    pub(super) members: &'a Members,
    /// The key, if the request names one that can be found.
    pub(super) key: Option<&'a KeyRef>,
}

/// The refusal of a call that a policy denies. Policies are checked before the state of the key.
pub(super) fn refusal(denials: &[Denial], asked: &Asked<'_>, world: &World, now: Timestamp) -> Option<Failure> {
    let Asked { operation, caller, members, key } = asked;
    if !matches!(operation, Operation::ScheduleKeyDeletion | Operation::DisableKey) {
        return None;
    }
    let found = key.and_then(|at| world.key(at));
    // A condition on a value that the request does not have denies nothing.
    let window = members.int("PendingWindowInDays", 1, 365).ok().filter(|_| *operation == Operation::ScheduleKeyDeletion);
    let window = window.map(|window| i64::from(window.unwrap_or(DEFAULT_WINDOW_DAYS)));
    let idle = found.map(|key| idle_days(key, now));
    let is_below = |value: Option<i64>, least: Option<i64>| value.zip(least).is_some_and(|(value, least)| value < least);
    let denies =
        |denial: &&Denial| denial.account == caller.account && (is_below(window, denial.window_below) || is_below(idle, denial.idle_below));
    let resource = || key.map_or_else(|| "*".to_owned(), KeyRef::arn);
    denials.iter().find(denies).map(|_| Failure::denied_by_an_organization(&caller.principal, &operation.action(), &resource()))
}

/// Whole days since the last use, or, for a key that was never used, since it was created or since AWS began to track usage.
fn idle_days(key: &Key, now: Timestamp) -> i64 {
    let tracked = Timestamp::from_second(i64::from(TRACKING_START)).unwrap_or(key.created);
    let since = key.last_use.as_ref().map_or_else(|| key.created.max(tracked), |last| last.time);
    now.duration_since(since).as_hours() / 24
}
