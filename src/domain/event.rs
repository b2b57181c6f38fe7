//! Events for people: the steps that were done, and the changes of state that were seen. Each is told once.

use jiff::Timestamp;

use super::{
    command,
    deletion::hold::AT_THE_END,
    desired::Desired,
    limits::Limits,
    memory::{Attempt, KeyRecord, Memory},
    observed::Key,
    on_demand,
    ownership::Owner,
    status::{self, SetBy},
    step::{Destruction, Difference, How, Part, Step},
};
use crate::api::{
    ConditionType, ManagedKeyStatus, Reason, annotation, condition,
    managed_key::{KeyState, RotationType},
};

/// An event on the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The reason. The reference page has the closed list.
    pub reason: &'static str,
    /// The action, in one word.
    pub action: &'static str,
    /// Whether the event is a warning.
    pub warning: bool,
    /// The text, one sentence.
    pub note: String,
}

/// The object of the events, and the context that their texts need.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The object.
    pub desired: &'a Desired,
    /// Who set `deletionScheduleDays`, as the API server recorded it.
    pub set_by: Option<&'a SetBy>,
    /// What each step found that differed from the spec.
    pub found: &'a [(Step, Vec<Difference>)],
    /// When the object was created. Anything that the KMS did to the key before that is not news.
    pub created: Option<Timestamp>,
}

/// The events of a round that did `steps` and turned the status from `before` into `after`.
#[must_use]
pub fn events(before: &ManagedKeyStatus, after: &ManagedKeyStatus, about: About<'_>, steps: &[Step]) -> Vec<Event> {
    let key = after.key_arn.as_deref().unwrap_or("the key");
    let date = after.deletion_date.as_ref().map(|date| date.0);
    let origin = after.key.as_ref().map(|key| &*key.origin).unwrap_or_default();
    let cancel = format!("{}{}", cancel(about, status::last_use(after)), Limits::left_behind(origin));
    let mut events = Vec::new();
    let settled = before.applied.as_ref().is_some_and(|applied| applied.generation == about.desired.generation);
    let mut drifted: Vec<_> = steps.iter().filter(|step| settled && corrects(step)).collect();
    // Changes to the life of the key come first.
    drifted.sort_by_key(|step| step.part() != Part::Life);
    let corrected: Vec<String> = drifted.into_iter().flat_map(|step| about.corrected(step)).collect();
    if !corrected.is_empty() {
        let note = format!("key {key} was changed outside Keyward; Keyward corrected: {}", corrected.join("; "));
        events.push(Event { reason: "DriftDetected", action: "CorrectDrift", warning: true, note });
    }
    let replica = about.desired.replica.as_ref().map(|of| format!(", a replica of {}", of.told())).unwrap_or_default();
    events.extend(steps.iter().filter_map(|step| done(step, key, date, &cancel)).map(|event| match event.reason {
        "KeyCreated" => Event { note: format!("{}{replica}", event.note), ..event },
        _ => event,
    }));
    events.extend(steps.iter().filter_map(|step| about.policy_set(step, key)));
    events.extend(seen(before, after, key, about.created));
    events
}

/// The events of the last steps for a key whose object is being deleted.
#[must_use]
pub fn last_events(key: &Key, owner: &Owner, status: &ManagedKeyStatus, steps: &[Step]) -> Vec<Event> {
    let Owner { namespace, name, .. } = owner;
    let last_use = status::last_use(status);
    let cancel = format!(
        "because its object is deleted{last_use}; to cancel, create {namespace}/{name} again with enabled: true, or cancel it with the KMS's own tools{}",
        Limits::left_behind(&key.kind.origin)
    );
    steps.iter().filter_map(|step| done(step, &key.arn, key.deletion_date, &cancel)).collect()
}

/// The event of an object that Keyward lets go after these steps, and whose key is not pending deletion.
#[must_use]
pub fn released(memory: &Memory, owner: &Owner, steps: &[Step]) -> Event {
    let key = memory.bound_to().unwrap_or("no key");
    let what = steps.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut note =
        if what.is_empty() { format!("the object is gone; {key} is left as it is") } else { format!("the object is gone; {key}: {what}") };
    if let Some(attempt) = memory.open_attempt() {
        note = format!(
            "{note}; a creation was under way ({attempt}): look for a key with the alias {} or the tag keyward-uid={}",
            owner.claim_alias(),
            owner.uid
        );
    }
    Event { reason: "KeyReleased", action: "Release", warning: false, note }
}

/// The event for an annotation `keyward.dev/key` that does not name the key of its object. It tells the old value before Keyward overwrites
/// it. `None`: the annotation only had the format of an earlier version.
#[must_use]
pub fn record_replaced(text: &str, owner: &Owner, key: &str) -> Option<Event> {
    record_wrong(text, owner, key, "is corrected")
}

/// The event for an annotation `keyward.dev/key` that was copied from another object, on an object that needs no such annotation because it
/// adopted its key. `None`: it was not copied.
#[must_use]
pub fn record_void(text: &str, owner: &Owner, key: &str) -> Option<Event> {
    let is_of_another = matches!(KeyRecord::read(text, &owner.namespace, &owner.name), KeyRecord::Of(_));
    record_wrong(text, owner, key, "is removed").filter(|_| is_of_another)
}

fn record_wrong(text: &str, owner: &Owner, key: &str, becomes: &str) -> Option<Event> {
    let said = match KeyRecord::read(text, &owner.namespace, &owner.name) {
        KeyRecord::Own(named) if named == key => return None,
        KeyRecord::Unreadable if text == key => return None,
        KeyRecord::Own(named) => format!("named {named}"),
        KeyRecord::Of(other) => format!("was copied from the object {other}, and is not valid on this one"),
        KeyRecord::Unreadable => format!("said {text:?}"),
    };
    let note = format!("the annotation {} {said}; this object's key is {key}, and the annotation {becomes}", annotation::KEY);
    Some(Event { reason: "DriftDetected", action: "RepairRecord", warning: true, note })
}

/// The event for an annotation `keyward.dev/create-attempt` that is older than its object, so that Keyward removes it. `None`: it is not
/// older.
#[must_use]
pub fn attempt_void(text: &str, made: Option<Timestamp>) -> Option<Event> {
    if Attempt::read(text, made).is_some() {
        return None;
    }
    let note = format!(
        "the annotation {} was copied from another object: its creation is older than this object, so it is not valid here; the annotation is removed",
        annotation::CREATE_ATTEMPT
    );
    Some(Event { reason: "DriftDetected", action: "RepairRecord", warning: true, note })
}

/// The event for an object whose own creation made a key, but whose spec names another key since then.
#[must_use]
pub fn created_before_adopting(named: &str, key: &str) -> Event {
    let note = format!(
        "spec.keyId names {named}, but this object had already created {key}, which stays its key; \
         to adopt {named}, delete this object and make one with another name"
    );
    Event { reason: "DriftDetected", action: "ReportKeyId", warning: true, note }
}

/// The command that cancels a scheduled deletion. It wins over every manifest.
fn cancel(About { desired, set_by, found: _, created: _ }: About<'_>, last_use: &str) -> String {
    let cancel = command::patch(&desired.owner, r#"{"deletionScheduleDays":0}"#);
    format!("as declared{}{last_use}; to cancel: {cancel}; {AT_THE_END}", status::set_by(set_by))
}

impl About<'_> {
    /// A key policy was set. It decides who may use the key, so the event names the statements, and says what is not certain.
    fn policy_set(&self, step: &Step, key: &str) -> Option<Event> {
        let Step::SetPolicy { unsure, .. } = step else { return None };
        let found = self.found.iter().find(|(done, _)| done == step).map(|(_, differences)| differences.as_slice()).unwrap_or_default();
        let clauses: Vec<&str> = found.iter().filter_map(Difference::clause).collect();
        let before = if clauses.is_empty() { String::new() } else { format!("; before that, {}", clauses.join(", ")) };
        let unsure = unsure.as_ref().map(|why| format!("; {why}")).unwrap_or_default();
        let note = format!("set the key policy of {key} as declared{before}{unsure}");
        Some(Event { reason: "PolicyChanged", action: "SetPolicy", warning: false, note })
    }

    /// The old and the new value of everything that a step corrected.
    fn corrected(&self, step: &Step) -> Vec<String> {
        self.found
            .iter()
            .find(|(done, _)| done == step)
            .map_or_else(|| vec![step.to_string()], |(_, differences)| differences.iter().map(Difference::corrected).collect())
    }
}

/// Whether a step undoes a change by someone else, if the spec has not changed.
const fn corrects(step: &Step) -> bool {
    !matches!(
        step,
        Step::MoveAlias { .. } | Step::Create | Step::Bind { .. } | Step::Mark { .. } | Step::RotateOnDemand { .. } | Step::Destroy(_)
    )
}

fn done(step: &Step, key: &str, deletion_date: Option<Timestamp>, cancel: &str) -> Option<Event> {
    let event = |reason, action, note| Some(Event { reason, action, warning: false, note });
    match step {
        Step::Create => event("KeyCreated", "Create", format!("created {key}")),
        Step::MovePrimary { from } => {
            event("PrimaryMoved", "MovePrimary", format!("made {key} the primary key in place of {from}, which is a replica now"))
        }
        Step::Bind { how: How::Adopt, .. } => event("KeyAdopted", "Adopt", format!("adopted {key}, which spec.keyId names")),
        Step::Bind { how: How::Create, .. } => event("KeyCreated", "Create", format!("created {key}, and wrote its marks")),
        Step::Bind { how: How::TakeUp, .. } => {
            event("KeyTakenUp", "TakeUp", format!("took up {key}, the key of an earlier object of this name"))
        }
        Step::Enable => event("KeyEnabled", "Enable", format!("enabled {key}")),
        Step::Disable | Step::Destroy(Destruction::Disable) => event("KeyDisabled", "Disable", format!("disabled {key}")),
        Step::StartRotation { period_days } => {
            event("RotationEnabled", "StartRotation", format!("{key} is rotated every {period_days} days"))
        }
        Step::RotateOnDemand { request } => {
            let why = format!("as the annotation {} requests: {request:?}", annotation::ROTATE_REQUESTED_AT);
            event("RotationRequested", "RotateOnDemand", format!("asked the KMS to rotate {key} on demand, {why}"))
        }
        Step::StopRotation => event("RotationDisabled", "StopRotation", format!("{key} is no longer rotated")),
        Step::Cancel => event("KeyDeletionCancelled", "CancelDeletion", format!("cancelled the deletion of {key}")),
        Step::Destroy(Destruction::Schedule { .. } | Destruction::Reschedule { .. }) => {
            let when = status::when(deletion_date);
            Some(Event {
                reason: "KeyDeletionScheduled",
                action: "ScheduleDeletion",
                warning: true,
                note: format!("{key} will be deleted {when}, {cancel}"),
            })
        }
        Step::Mark { .. }
        | Step::Describe { .. }
        | Step::Tag { .. }
        | Step::Untag { .. }
        | Step::AddAlias { .. }
        | Step::RemoveAlias { .. }
        | Step::SetPolicy { .. } => None,
        Step::MoveAlias { alias, from } => event("AliasMoved", "MoveAlias", format!("moved {alias} from {from} to {key}")),
    }
}

fn seen(before: &ManagedKeyStatus, after: &ManagedKeyStatus, key: &str, created: Option<Timestamp>) -> Vec<Event> {
    let mut events = Vec::new();
    let warn = |reason, action, note: String| Event { reason, action, warning: true, note };
    let turned = |kind: ConditionType| {
        let now = condition::find(&after.conditions, kind)?;
        let was = condition::find(&before.conditions, kind);
        was.is_none_or(|was| (&was.status, &was.reason) != (&now.status, &now.reason)).then_some(now)
    };
    if let Some(held) = turned(ConditionType::DeletionHeld) {
        events.push(warn("DeletionHeld", "HoldDeletion", held.message.clone()));
    }
    if let Some(drifted) = turned(ConditionType::Drifted) {
        events.push(warn("DriftDetected", "ReportDrift", drifted.message.clone()));
    }
    let unkept = condition::find(&after.conditions, ConditionType::Drifted).is_none();
    if let Some(synced) = turned(ConditionType::Synced).filter(|synced| unkept && synced.reason == Reason::Drifted.as_str()) {
        events.push(warn("DriftDetected", "ReportDrift", synced.message.clone()));
    }
    if let Some(pending) = turned(ConditionType::PendingDeletion).filter(|pending| pending.reason == Reason::External.as_str()) {
        events.push(warn("DriftDetected", "ReportDeletion", pending.message.clone()));
    }
    if after.key_state == Some(KeyState::Deleted) && before.key_state != after.key_state {
        events.push(warn("KeyDeleted", "ObserveDeletion", format!("{key} is deleted; remove this object")));
    }
    let rotated =
        |status: &ManagedKeyStatus| status.rotation.as_ref().and_then(|rotation| rotation.last_rotation_time.as_ref()).map(|last| last.0);
    let news = |at: &Timestamp| rotated(before).is_none_or(|known| *at > known) && created.is_none_or(|created| *at >= created);
    if let Some(at) = rotated(after).filter(news) {
        let kind = match after.rotation.as_ref().and_then(|rotation| rotation.last_rotation_type) {
            Some(RotationType::Automatic) => " automatically",
            Some(RotationType::OnDemand) => " on demand",
            None => "",
        };
        events.push(Event {
            reason: "KeyRotated",
            action: "ObserveRotation",
            warning: false,
            note: format!("the KMS rotated {key}{kind} at {at}"),
        });
    }
    events.extend(published(before, after, key));
    events.extend(skipped(before, after, key));
    if let Some(paused) = turned(ConditionType::Synced).filter(|synced| synced.reason == Reason::Paused.as_str()) {
        events.push(Event { reason: "Paused", action: "Pause", warning: false, note: paused.message.clone() });
    }
    // It is no failure that a key is not found after its deletion date. The event `KeyDeleted` tells of it when it is certain.
    let awaited = after.missing.as_ref().zip(after.deletion_date.as_ref()).is_some_and(|(missing, due)| due.0 <= missing.first_time.0);
    // The event `DeletionHeld` tells of a hold.
    let held = condition::find(&after.conditions, ConditionType::DeletionHeld).map(|held| held.reason.as_str());
    let told_elsewhere = |reason: &str| !failed(reason) || held == Some(reason) || (awaited && reason == Reason::KeyMissing.as_str());
    if let Some(synced) = turned(ConditionType::Synced).filter(|synced| synced.status == "False" && !told_elsewhere(&synced.reason)) {
        events.push(warn("SyncFailed", "Reconcile", synced.message.clone()));
    }
    events
}

/// A text that requests a rotation on demand and counts as handled without one.
fn skipped(before: &ManagedKeyStatus, after: &ManagedKeyStatus, key: &str) -> Option<Event> {
    let known = on_demand::of(before);
    let text = on_demand::of(after)?.last_handled.as_deref()?;
    let why = match known {
        Some(known) if known.last_handled.as_deref() == Some(text) => return None,
        _ if before.key_id.is_none() => "the object had it when it got its key, so it may come from a copy or a backup",
        Some(known) if on_demand::was_handled_before(known, text) => "it was handled before",
        _ => return None,
    };
    let note = format!(
        "the text {text:?} of the annotation {} does not rotate {key}, because {why}; to request a rotation, write another text",
        annotation::ROTATE_REQUESTED_AT
    );
    Some(Event { reason: "RotationSkipped", action: "SkipRotation", warning: true, note })
}

/// Where the key is published has changed.
fn published(before: &ManagedKeyStatus, after: &ManagedKeyStatus, key: &str) -> Vec<Event> {
    if before.published_to == after.published_to {
        return Vec::new();
    }
    let event = |reason, action, note| Event { reason, action, warning: false, note };
    let now = after.published_to.iter().map(|target| event("KeyPublished", "Publish", format!("published {key} to {target}")));
    let was = before.published_to.iter();
    now.chain(was.map(|target| event("KeyUnpublished", "Unpublish", format!("{key} is no longer published to {target}")))).collect()
}

/// Whether `Synced` is False because something failed. Reasons that have their own event, or that only mean work in progress, do not count. For the reason of
/// a hold, ask the condition `DeletionHeld`.
fn failed(reason: &str) -> bool {
    let others = [
        Reason::Paused,
        Reason::Drifted,
        Reason::Disabled,
        Reason::Creating,
        Reason::Updating,
        Reason::Adopting,
        Reason::AliasMoving,
        Reason::RotationPending,
        Reason::KeyDeleted,
        Reason::KeyNotReady,
    ];
    !others.iter().any(|other| other.as_str() == reason)
}
