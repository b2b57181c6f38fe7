//! No key is found: create it, wait for it, or report it as missing.

use super::{Gone, Note, Plan, Read, Situation, stall, wait};
use crate::{
    api::{
        Reason, annotation,
        condition::seconds,
        key_provider::ProviderType,
        managed_key::{KeyState, ManagementPolicy, Missing},
    },
    domain::{
        deletion::hold::window_refused,
        desired::Desired,
        memory::{Attempt, Memory, location},
        observed::Searched,
        ownership::Owner,
        rules::Rules,
        settings,
        step::Step,
    },
};

/// No key is found.
pub(super) fn absent(s: &Situation<'_>, searched: Searched) -> Plan {
    if let Some(key) = s.memory.reference() {
        return missing(s, key);
    }
    let attempt = s.memory.open_attempt();
    if let Some(key) = s.desired.adopt.as_ref().filter(|_| attempt.is_none()) {
        return stall(
            Reason::KeyMissing,
            format!(
                "key {key} is not found in account {} and Region {}; make an object with the right keyId",
                s.rules.account, s.rules.region
            ),
        );
    }
    if s.desired.policy == ManagementPolicy::Observe {
        return stall(Reason::KeyMissing, "no key is found for this object, and managementPolicy Observe does not create one; set keyId");
    }
    if let Some(plan) = attempt.as_ref().and_then(|attempt| unresolved(s, attempt, searched)) {
        return plan;
    }
    if let Some(key) = &s.desired.adopt {
        return stall(
            Reason::CreateUnresolved,
            format!(
                "CreateKey was sent for this object before spec.keyId named {key}, and no key of that call is found; \
                 to adopt {key}, delete this object and make it again"
            ),
        );
    }
    if let Some(key) = &s.memory.key {
        // There is only the annotation. Everybody who may edit the object can write it, so it is not used as an address. The key is found
        // by its marks or not at all.
        return if searched == Searched::Everywhere { missing(s, key) } else { Plan::Read(Read::Everywhere) };
    }
    if let Some(days) = s.desired.days() {
        if let Some(message) = window_refused(days, s.rules) {
            return stall(Reason::InvalidSpec, message);
        }
        return if searched == Searched::Everywhere {
            stall(
                Reason::NothingToDelete,
                format!(
                    "spec.deletionScheduleDays is {days}, but this object has no key to delete, and Keyward creates none; \
                     remove the field, and use spec.deletionPolicy for what happens when this object is deleted"
                ),
            )
        } else {
            Plan::Read(Read::Everywhere)
        };
    }
    let refusals = settings::refusals(s.desired, s.rules, &s.desired.template(s.rules.limits()), None);
    if let Some(refusal) = refusals.into_iter().next() {
        return stall(refusal.reason, refusal.message);
    }
    let (limits, claim) = (s.rules.limits(), s.desired.owner.claim_alias());
    if let Some(end) = limits.reserved_ending.filter(|end| claim.ends_with(end)) {
        return stall(
            Reason::InvalidSpec,
            format!("the key would be named {claim}, but {} reserves names that end in {end}; give this object another name", limits.name),
        );
    }
    // An earlier object of this name may have made a key that has no alias. This object may have done so too, if its record is lost.
    if searched == Searched::Everywhere { Plan::Do(Step::Create) } else { Plan::Read(Read::Everywhere) }
}

/// Why Keyward does not ask for the key of an object at all: the object's status says that the key is at another KMS, account or Region
/// than the provider is for now. A status may be forged, but the only effect of this check is that no call is made.
#[must_use]
pub fn elsewhere(memory: &Memory, rules: &Rules) -> Option<Note> {
    not_here(memory.reference()?, memory, rules)
}

/// Why Keyward does not ask for the key that `spec.keyId` names at all: its ARN has another account or Region than the provider. The KMS's
/// answer would not show this: it denies a key of another account, and a key of another Region looks absent.
#[must_use]
pub fn named_elsewhere(desired: &Desired, memory: &Memory, rules: &Rules) -> Option<Note> {
    let named = desired.adopt.as_deref().filter(|_| memory.reference().is_none() && memory.open_attempt().is_none())?;
    // Huawei Cloud has no ARNs, so this is no reference there. Its adapter says so.
    let (account, region) = location(named).filter(|_| rules.provider != ProviderType::Huawei)?;
    let is_here = (account, region) == (&*rules.account, &*rules.region);
    (!is_here).then(|| Note { reason: Reason::AdoptionNotAllowed, message: super::of_another_account(named, account, region, rules) })
}

fn not_here(key: &str, memory: &Memory, rules: &Rules) -> Option<Note> {
    let (account, region) = memory.location()?;
    let here = rules.provider.as_str();
    let kms = memory.status.provider.as_ref().map_or(here, |provider| provider.type_.as_str());
    if (kms, account, region) == (here, &*rules.account, &*rules.region) {
        return None;
    }
    let message = format!(
        "key {key} is in {kms} account {account} and Region {region}, but KeyProvider {} is now for {here} account {} and Region {}, \
         so the key cannot be read; correct the provider",
        rules.name, rules.account, rules.region
    );
    Some(Note { reason: Reason::WrongAccount, message })
}

/// A key that existed is not found. A single such answer proves nothing, because a KMS is eventually consistent.
fn missing(s: &Situation<'_>, key: &str) -> Plan {
    const ANSWERS: i32 = 3;
    if let Some(note) = not_here(key, s.memory, s.rules) {
        return Plan::Stall(note);
    }
    let before = s.memory.status.missing.as_ref();
    let first = before.map_or_else(|| seconds(s.now), |missing| missing.first_time.clone());
    let sure = before.is_some_and(|missing| missing.count.saturating_add(1) >= ANSWERS) && s.now.duration_since(first.0) >= s.missing_after;
    // The count stops at the limit, so that a settled status does not change any more.
    let count = before.map_or(0, |missing| missing.count.max(0)).saturating_add(1).min(ANSWERS);
    let missing = Missing { count, first_time: first };
    let status = &s.memory.status;
    // When `Deleted` is recorded it stays, because the date is in the status only while a deletion is pending.
    let due = status.key_state == Some(KeyState::Deleted) || status.deletion_date.as_ref().is_some_and(|date| date.0 <= s.now);
    let date = status.deletion_date.as_ref();
    let known = date.map_or_else(|| "no deletion of it was known".to_owned(), |date| format!("its deletion was due later, at {}", date.0));
    let (gone, reason, message) = match due {
        true if !sure => {
            let when = date.map_or_else(String::new, |date| format!(", which was due at {}", date.0));
            (Gone::Unsure, Reason::KeyMissing, format!("key {key} is not found any more; Keyward confirms its deletion{when}"))
        }
        false if !sure => (
            Gone::Unsure,
            Reason::KeyMissing,
            format!("key {key} was not found, and {known}; Keyward looks for it again before it counts the key as gone"),
        ),
        true => {
            (Gone::Deleted, Reason::KeyDeleted, format!("key {key} is deleted, because its deletion date has passed; remove this object"))
        }
        false => (
            Gone::Lost,
            Reason::KeyMissing,
            format!(
                "key {key} is not found in account {} and Region {}, and {known}; find out what happened to it; {}",
                s.rules.account,
                s.rules.region,
                start_over(s)
            ),
        ),
    };
    Plan::Missing(missing, Note { reason, message }, gone)
}

/// How a person can make Keyward create another key.
fn start_over(s: &Situation<'_>) -> String {
    let owner = &s.desired.owner;
    if s.memory.reference().is_some() {
        return "to start over with a new key, make a new object".into();
    }
    format!(
        "only the annotation {} says that this object had the key; to make Keyward create a new key, run: {}",
        annotation::KEY,
        without(owner, annotation::KEY)
    )
}

/// The command that removes an annotation from an object.
fn without(owner: &Owner, annotation: &str) -> String {
    let Owner { namespace, name, .. } = owner;
    format!("kubectl annotate --field-manager=keyward-cli -n {namespace} managedkey {name} {annotation}-")
}

/// A `CreateKey` was begun, and its outcome is not known. `None`: it counts as having made no key.
fn unresolved(s: &Situation<'_>, attempt: &Attempt, searched: Searched) -> Option<Plan> {
    let way_out = format!(
        "look for a key with the alias {} or the tag keyward-uid of this object; if there is none, {}",
        s.desired.owner.claim_alias(),
        if s.memory.status.create_attempt.is_some() {
            "delete this object and make it again to make Keyward create another key".to_owned()
        } else {
            format!(
                "remove the annotation {0} to make Keyward create another key; run: {1}",
                annotation::CREATE_ATTEMPT,
                without(&s.desired.owner, annotation::CREATE_ATTEMPT)
            )
        }
    );
    let Attempt::At { account, region, time, .. } = attempt else {
        return Some(stall(Reason::CreateUnresolved, format!("the annotation keyward.dev/create-attempt cannot be read; {way_out}")));
    };
    if (account, region) != (&s.rules.account, &s.rules.region) {
        return Some(stall(
            Reason::CreateUnresolved,
            format!(
                "a key may have been created in account {account} and Region {region}, but this provider is now for another place; \
                 correct the provider, or {way_out}"
            ),
        ));
    }
    if searched != Searched::Everywhere {
        return Some(Plan::Read(Read::Everywhere));
    }
    // The time is from a wrong clock, or somebody else wrote it. Waiting for it could take for ever.
    if time.duration_since(s.now) > s.attempt_wait {
        return Some(stall(
            Reason::CreateUnresolved,
            format!(
                "the record of a creation (status.createAttempt) says that CreateKey was sent at {time}, which is in the future; {way_out}"
            ),
        ));
    }
    (s.now.duration_since(*time) < s.attempt_wait).then(|| {
        wait(
            Reason::Creating,
            format!("CreateKey was sent at {time}, and its outcome is not known; Keyward looks for its key before it creates another"),
        )
    })
}
