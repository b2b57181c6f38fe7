//! The key belongs to this object and is declared alive, or is only observed.

use super::{
    Note, Plan, Read, Rest, Situation,
    replica::{self, Role},
    stall,
};
use crate::{
    api::{Reason, managed_key::ManagementPolicy},
    domain::{
        deletion::Saying,
        desired::Life,
        observed::{Key, State},
        primary::Barred,
        settings::{self, Refusal},
        step::{Difference, Step},
    },
};

/// Which declarations are enforced now.
pub(super) struct Enforced {
    pub(super) life: bool,
    enabled: bool,
    settings: bool,
}

pub(super) fn enforced(s: &Situation<'_>) -> Enforced {
    let all = |value| Enforced { life: value, enabled: value, settings: value };
    match (s.desired.policy, &s.memory.status.applied) {
        (ManagementPolicy::Enforce, _) => all(true),
        (ManagementPolicy::Observe, _) | (ManagementPolicy::EnforceOnChange, None) => all(false),
        (ManagementPolicy::EnforceOnChange, Some(applied)) => {
            let life = applied.deletion_schedule_days != s.desired.days();
            Enforced {
                life,
                // After a cancelled deletion the key is disabled, so bringing it back includes enabling it.
                enabled: life || applied.enabled != Some(s.desired.wants_enabled()),
                settings: applied.generation != s.desired.generation,
            }
        }
    }
}

/// The result for a deletion that someone else scheduled and that the policy leaves as it is.
pub(super) fn pending_undeclared() -> Rest {
    Rest { drift: vec!["the key is pending deletion, which is not declared".into()], life_drifted: true, ..Rest::default() }
}

/// Differences that a step would correct, but that the policy leaves.
fn left(step: &Step, key: &Key) -> Vec<String> {
    step.differences(key).iter().map(Difference::left).collect()
}

/// Settings that differ, but that the policy leaves. A value that the KMS does not report is no drift, because nobody could correct it.
fn left_settings(settings: &settings::Settings, key: &Key) -> Vec<String> {
    settings.steps.iter().filter(|step| !step.is_untold(key)).flat_map(|step| left(step, key)).collect()
}

pub(super) fn live(s: &Situation<'_>, key: &Key) -> Plan {
    let enforced = enforced(s);
    if key.state.is_pending() {
        if enforced.life {
            return Plan::Do(Step::Cancel);
        }
        return Plan::Rest(pending_undeclared());
    }
    let mut rest = Rest::default();
    let wants_enabled = s.desired.wants_enabled();
    if key.state == State::Disabled && wants_enabled {
        // This comes before the mark: the call that brings a key back must not wait for a call that may be denied.
        match enforced.enabled {
            true if !s.tried.leaves_out(&Step::Enable) => return Plan::Do(Step::Enable),
            true => {}
            false => {
                rest.drift.extend(left(&Step::Enable, key));
                rest.life_drifted = true;
            }
        }
    }
    let said = key.intent().is_live(s.desired.generation, s.memory.status.intent_seq);
    // If no new word can follow, Keyward still manages the key, and only its deletion is held.
    let mark = Step::Mark { say: Saying::Live };
    if key.tags.is_some() && !said && !s.memory.record().count_ended(key) && !s.tried.leaves_out(&mark) {
        return Plan::Do(mark);
    }
    let mut refusals = settings::refusals(s.desired, s.rules, &key.kind, key.multi_region.as_ref());
    let mut settings = settings::compare(s.desired, s.memory, s.rules, key);
    if enforced.settings && settings.steps.iter().any(|step| matches!(step, Step::SetPolicy { .. })) {
        refusals.extend(settings::locked_out(s.desired, s.rules, key));
    }
    match replica::role(s, key, enforced.settings) {
        Role::AsIs => {}
        Role::Unread => return Plan::Read(Read::Primary),
        // It comes first: rotation needs the primary key.
        Role::Move(step) => settings.steps.insert(0, step),
        Role::Barred(Barred { reason, message, stalled: true }) => refusals.push(settings::role_refused(reason, message)),
        Role::Barred(Barred { message, .. }) => {
            settings.waits = Some([Some(message), settings.waits].into_iter().flatten().collect::<Vec<_>>().join("; "));
        }
    }
    settings.steps.retain(|step| !refusals.iter().any(|refusal| refusal.bars(step)));
    if enforced.settings {
        settings.steps = s.tried.among_others(settings.steps, settings::is_full(s.rules, key));
        rest.stays = s.tried.staying();
        settings.steps.retain(|step| !s.tried.leaves_out(step));
    } else {
        rest.drift.extend(left_settings(&settings, key));
        settings.steps.clear();
    }
    match key.state {
        State::Enabled if !wants_enabled && enforced.enabled && !s.tried.leaves_out(&Step::Disable) => {
            // Only rotation needs an enabled key. It gets one attempt before the key is disabled. All other settings come later.
            let first = settings.steps.into_iter().find(|step| s.tried.may_come_first(step));
            return Plan::Do(first.unwrap_or(Step::Disable));
        }
        State::Enabled if !wants_enabled && !enforced.enabled => {
            // The most important difference comes first.
            rest.drift.splice(..0, left(&Step::Disable, key));
            rest.life_drifted = true;
        }
        _ => {}
    }
    if let Some(step) = settings.steps.into_iter().next() {
        return Plan::Do(step);
    }
    rest.waits = settings.waits;
    rest.refused = refused(&refusals);
    unusable(s, key).unwrap_or(Plan::Rest(rest))
}

/// The key policy to set before a cancel is tried again that the KMS denied.
#[must_use]
pub(crate) fn policy_before_cancel(s: &Situation<'_>, key: &Key) -> Option<Step> {
    let Enforced { life, settings, .. } = enforced(s);
    let wants = s.desired.life == Life::Live && life && settings;
    let may = key.state.is_pending() && key.is_of(&s.desired.owner);
    settings::policy_before_cancel(s.desired, s.memory, s.rules, key).filter(|_| wants && may)
}

/// All refusals in one note. The first one gives the reason.
fn refused(refusals: &[Refusal]) -> Option<Note> {
    let reason = refusals.first()?.reason;
    let messages: Vec<&str> = refusals.iter().map(|refusal| refusal.message.as_str()).collect();
    Some(Note { reason, message: messages.join("; ") })
}

/// A key that must be enabled, but that only a person can make usable.
pub(super) fn unusable(s: &Situation<'_>, key: &Key) -> Option<Plan> {
    match key.state {
        _ if s.desired.life != Life::Live || !s.desired.wants_enabled() => None,
        State::PendingImport => {
            Some(stall(Reason::PendingImport, format!("key {} has no key material yet; import it with the KMS's own tools", key.arn)))
        }
        State::Unavailable => {
            Some(stall(Reason::KeyUnavailable, format!("key {} cannot be used: {}", key.arn, s.rules.limits().unavailable)))
        }
        _ => None,
    }
}

/// What `Observe` reports. Only fields that are declared explicitly can differ.
pub(super) fn observe(s: &Situation<'_>, key: &Key) -> Rest {
    let mut rest = Rest::default();
    let mut life = |text: &str| {
        rest.drift.push(text.into());
        rest.life_drifted = true;
    };
    match (key.state.is_pending(), s.desired.life) {
        (true, Life::Live) => life("the key is pending deletion, which is not declared"),
        (false, Life::Scheduled(days)) => life(&super::scheduled::not_pending(key, days)),
        _ => {}
    }
    match (key.state, s.desired.enabled) {
        (State::Disabled, Some(true)) => left(&Step::Enable, key).iter().for_each(|text| life(text)),
        (State::Enabled, Some(false)) => left(&Step::Disable, key).iter().for_each(|text| life(text)),
        _ => {}
    }
    let mut unclaimed = s.desired.clone();
    // Keyward sets the claim alias, not the user, so a missing claim alias is no drift here.
    unclaimed.adopt.get_or_insert_default();
    let mut settings = settings::compare(&unclaimed, s.memory, s.rules, key);
    if let Role::Move(step) = replica::role(s, key, false) {
        settings.steps.insert(0, step);
    }
    rest.drift.extend(left_settings(&settings, key));
    rest.waits = settings.waits;
    let left_out = || Note { reason: Reason::InvalidSpec, message: s.desired.left_out.join("; ") };
    rest.refused = (!s.desired.left_out.is_empty()).then(left_out);
    rest
}
