//! The key belongs to this object: what is declared of its life decides.

use super::{Plan, Situation, live, scheduled, unsettled};
use crate::{
    api::managed_key::ManagementPolicy,
    domain::{desired::Life, observed::Key},
};

/// The key belongs to this object.
pub(super) fn bound(s: &Situation<'_>, key: &Key) -> Plan {
    match s.desired.life {
        _ if let Some(note) = unsettled(key) => Plan::Wait(note),
        _ if s.desired.policy == ManagementPolicy::Observe => live::unusable(s, key).unwrap_or_else(|| Plan::Rest(live::observe(s, key))),
        Life::Live => live::live(s, key),
        Life::Scheduled(days) => scheduled::scheduled(s, key, days),
    }
}
