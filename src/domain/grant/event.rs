//! The events of a `KeyGrant`.

use super::{Terms, status::turned};
use crate::{
    api::{ConditionType, KeyGrantStatus, Reason},
    domain::event::Event,
    text,
};

/// The grant was made. `again`: the id of the one that somebody revoked.
#[must_use]
pub fn created(key: &str, id: &str, terms: &Terms, again: Option<&str>) -> Vec<Event> {
    let operations: Vec<_> = terms.operations.iter().map(String::as_str).collect();
    let note = format!("grant {id} lets {} use {key} for {}", text::name(&terms.grantee), operations.join(", "));
    let drift = again.map(|old| Event {
        reason: "DriftDetected",
        action: "CorrectDrift",
        warning: true,
        note: format!("somebody revoked grant {old} of {key}; corrected: the grant was made again"),
    });
    drift.into_iter().chain([Event { reason: "GrantCreated", action: "CreateGrant", warning: false, note }]).collect()
}

/// A grant of the object was revoked.
#[must_use]
pub fn revoked(key: &str, id: &str, why: &str) -> Event {
    Event { reason: "GrantRevoked", action: "RevokeGrant", warning: false, note: format!("revoked grant {id} of {key}, because {why}") }
}

/// The object goes, and its grants stay on these keys.
#[must_use]
pub fn released(keys: &[String], why: &str) -> Event {
    let left = if keys.is_empty() { "nothing is left".into() } else { format!("its grants stay on {}", keys.join(", ")) };
    let note = format!("the object is gone; {left}, because {why}");
    Event { reason: "GrantReleased", action: "Release", warning: false, note }
}

/// What changed in the conditions.
#[must_use]
pub fn turns(before: &KeyGrantStatus, after: &KeyGrantStatus) -> Vec<Event> {
    let turned = |kind| turned(&before.conditions, &after.conditions, kind);
    let mut events = Vec::new();
    if let Some(drifted) = turned(ConditionType::Drifted) {
        events.push(Event { reason: "DriftDetected", action: "ReportDrift", warning: true, note: drifted.message.clone() });
    }
    let Some(synced) = turned(ConditionType::Synced).filter(|synced| synced.status == "False") else { return events };
    let is = |reason: Reason| synced.reason == reason.as_str();
    if is(Reason::Paused) {
        events.push(Event { reason: "Paused", action: "Pause", warning: false, note: synced.message.clone() });
    } else if !is(Reason::Drifted) && !is(Reason::KeyNotReady) {
        events.push(Event { reason: "SyncFailed", action: "Reconcile", warning: true, note: synced.message.clone() });
    }
    events
}
