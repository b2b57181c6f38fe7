//! A rotation on demand that the annotation `keyward.dev/rotate-requested-at` requests.
//!
//! It comes after everything else, and nothing else waits for it. It is done once for each text. The KMS's own list of rotations is read first, because it shows
//! whether an earlier call took effect, and how many rotations are left.

use std::time::Duration;

use jiff::SignedDuration;

use super::outcome::{Note, Situation, Undone};
use crate::{
    api::{
        Reason, annotation,
        condition::seconds,
        managed_key::{KeyState, ManagementPolicy, OnDemand, RotationRequest, RotationState},
    },
    domain::{
        observed::{Facet, Key, MultiRegion, Rotations, State},
        on_demand::{self, Look},
        periods::{AUTOMATIC_ROTATION_NEAR, SURELY_BEFORE},
        step::{Part, Step},
    },
};

/// What follows from a request.
#[derive(Debug, PartialEq)]
pub(super) enum Demand {
    /// There is none, or it is handled.
    Nothing,
    /// The KMS's list of rotations has to be read first.
    Read,
    /// The key has to be rotated.
    Rotate(Step),
    /// It is not done now.
    Undone(Undone),
}

fn waits(message: String) -> Demand {
    Demand::Undone(Undone { note: Note { reason: Reason::RotationPending, message }, stalled: false, again: None })
}

fn refuses(reason: Reason, message: String) -> Demand {
    Demand::Undone(Undone { note: Note { reason, message }, stalled: true, again: None })
}

/// What follows from the request of this object, if it has one. The key is as declared otherwise.
pub(super) fn demand(s: &Situation<'_>, key: &Key) -> Demand {
    let record = on_demand::of(&s.memory.status).cloned().unwrap_or_default();
    let open = record.request.as_ref().filter(|request| request.state == RotationState::Open);
    // A text that an object had when it got its key is no request, see `on_demand::seen`.
    let asked = s.desired.rotate.as_deref().filter(|text| s.memory.is_bound() && !on_demand::has_handled(&record, text));
    if asked.is_none() && open.is_none() {
        return Demand::Nothing;
    }
    if let Some(no) = asked.and_then(|_| refused(s, key).or_else(|| not_now(s, key))) {
        return no;
    }
    if key.state != State::Enabled || s.tried.left_out(Part::OnDemand) {
        return Demand::Nothing;
    }
    let unread = "the rotation on demand waits, because Keyward must read first which rotations the KMS has on record, and cannot read it";
    // A key that is not rotated automatically has nothing to read there.
    let found = match key.rotation {
        None if key.unread.has(Facet::Rotation) => return waits(unread.into()),
        None if s.rules.limits().rotates(&key.kind.spec, &key.kind.origin) => return Demand::Read,
        found => found.unwrap_or_default(),
    };
    let Some(listed) = &key.rotations else {
        return if s.tried.rotations_are_unread() { waits(unread.into()) } else { Demand::Read };
    };
    // What the status records of this look.
    let mut settled = record.clone();
    let look = Look { asked, had_key: true, found: Some(found), listed: Some(listed), counts: false, now: s.now };
    on_demand::seen(&mut settled, &look);
    if let Some(left) = settled.request.as_ref().filter(|request| request.state == RotationState::Open).and_then(|request| left(s, request))
    {
        let message = "the KMS was asked to rotate the key on demand, and the answer was lost; Keyward looks whether the key was rotated, and asks again \
                       only if it certainly was not"
            .to_owned();
        return Demand::Undone(Undone { note: Note { reason: Reason::RotationPending, message }, stalled: false, again: Some(left) });
    }
    let Some(text) = asked.filter(|text| !on_demand::has_handled(&settled, text)) else { return Demand::Nothing };
    if let Some(why) = s.tried.rotation_refused_for_now() {
        return waits(format!("{why}; the key may be rotated already, or is about to be; Keyward asks again"));
    }
    if settled.request.as_ref().is_some_and(|request| request.state == RotationState::Accepted) && on_demand::is_awaited(&settled, s.now) {
        return waits(format!(
            "the KMS accepted the last rotation of key {} on demand, and does not have it on record yet; Keyward requests the next one after that",
            key.arn
        ));
    }
    if found.rotating_since.is_some() {
        return waits(format!(
            "the KMS rotates key {} on demand already; Keyward requests the next rotation when that one is complete",
            key.arn
        ));
    }
    if found.next.is_some_and(|next| found.enabled && next.duration_since(s.now).abs() <= AUTOMATIC_ROTATION_NEAR) {
        return waits(format!("the KMS rotates key {} automatically within 20 minutes; Keyward requests the rotation after that", key.arn));
    }
    may_rotate(s, key, &settled, listed, text)
}

/// A key, or a policy, for which there is no rotation on demand.
fn refused(s: &Situation<'_>, key: &Key) -> Option<Demand> {
    let (limits, kind, request) = (s.rules.limits(), &key.kind, annotation::ROTATE_REQUESTED_AT);
    if s.desired.policy == ManagementPolicy::Observe {
        return Some(waits(format!(
            "the annotation {request} requests a rotation, but managementPolicy Observe rotates nothing; set Enforce, or remove the annotation"
        )));
    }
    if let Some(MultiRegion::Replica(primary)) = &key.multi_region {
        let message = format!(
            "the annotation {request} requests a rotation, but this key is a replica, which has the rotation of its primary {primary}; request it there, \
             and remove the annotation here"
        );
        return Some(refuses(Reason::InvalidSpec, message));
    }
    (!limits.rotates_on_demand(&kind.spec, &kind.origin)).then(|| {
        let message = format!(
            "the annotation {request} requests a rotation, but at {} Keyward has only {} keys of origin {} rotated on demand, and this one is {} of origin {}; \
             remove the annotation",
            limits.name,
            limits.rotatable_on_demand.0.join(" and "),
            limits.rotatable_on_demand.1.join(" and "),
            kind.spec,
            kind.origin
        );
        refuses(Reason::InvalidSpec, message)
    })
}

/// A state in which no KMS rotates a key.
fn not_now(s: &Situation<'_>, key: &Key) -> Option<Demand> {
    let until = match key.state {
        State::Enabled => return None,
        State::PendingDeletion | State::PendingReplicaDeletion => "the deletion is cancelled and the key is enabled",
        State::Disabled | State::Creating | State::PendingImport | State::Unavailable | State::Updating => "the key is enabled",
    };
    let state = KeyState::from(key.state).as_str();
    Some(waits(format!(
        "the key is not rotated on demand while it is {state}; Keyward does it when {until}; to withdraw the request, remove the annotation {} from {}",
        annotation::ROTATE_REQUESTED_AT,
        s.desired.owner.name
    )))
}

/// How long to wait until a call whose answer was lost certainly took no effect. Until then the KMS may not show it yet.
fn left(s: &Situation<'_>, request: &RotationRequest) -> Option<Duration> {
    let waited = s.now.duration_since(request.time.0).max(SignedDuration::ZERO);
    s.attempt_wait.checked_sub(waited).filter(SignedDuration::is_positive)?.try_into().ok()
}

/// The rotation, unless none is left or a person has to confirm it.
fn may_rotate(s: &Situation<'_>, key: &Key, record: &OnDemand, listed: &Rotations, text: &str) -> Demand {
    let used = listed.on_demand().count();
    let most = s.rules.limits().rotations_on_demand;
    if let Some(most) = most.filter(|most| used >= *most) {
        let message = format!(
            "{0} rotates a key on demand {most} times in its life, and key {1} was rotated {used} times; remove the annotation {2}; \
             automatic rotation has no such limit",
            s.rules.limits().name,
            key.arn,
            annotation::ROTATE_REQUESTED_AT
        );
        return refuses(Reason::RotationLimitReached, message);
    }
    let confirmed = s.desired.rotate_confirm.as_deref() == Some(text);
    let is_lost = record.request.as_ref().is_some_and(|request| request.state == RotationState::Open);
    let why = if is_lost && s.rules.limits().lists_rotations_late {
        Some(format!(
            "the answer to the last request was lost, and {} may show the rotation late; look at AWS whether the key was rotated",
            s.rules.limits().name
        ))
    } else if most.is_some_and(|most| used + 1 == most) {
        Some(format!("it is the last of the {} rotations on demand that {} allows in a key's life", used + 1, s.rules.limits().name))
    } else {
        unknown(s, record, listed)
    };
    match why.filter(|_| !confirmed) {
        Some(why) => refuses(
            Reason::RotationHeld,
            format!("the rotation on demand of key {} waits for a confirmation, because {why}; {}", key.arn, confirm(s, text)),
        ),
        None => Demand::Rotate(Step::RotateOnDemand { request: text.into() }),
    }
}

/// A rotation after the object was made that it does not know. It may be the one that this text asked for, before the object was restored from a backup.
fn unknown(s: &Situation<'_>, record: &OnDemand, listed: &Rotations) -> Option<String> {
    let newest = on_demand::newest(listed).filter(|newest| Some(newest) > record.last_time.as_ref())?;
    let before = s.memory.made.and_then(|made| made.checked_sub(SURELY_BEFORE).ok()).map(seconds);
    if before.is_some_and(|before| newest < before) {
        return None;
    }
    Some(format!(
        "the KMS rotated it at {}, which this object does not know; that may have been this request, if the object was restored",
        newest.0
    ))
}

/// The command that confirms a request.
fn confirm(s: &Situation<'_>, text: &str) -> String {
    let owner = &s.desired.owner;
    format!(
        "to have the key rotated: kubectl annotate --overwrite --field-manager=keyward-cli -n {} managedkey {} {}={}; otherwise remove the annotation {}",
        owner.namespace,
        owner.name,
        annotation::ROTATE_CONFIRM,
        quoted(text),
        annotation::ROTATE_REQUESTED_AT
    )
}

/// A text as an argument of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
