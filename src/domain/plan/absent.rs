//! No key answers: it is created, waited for, or told as missing.

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
        memory::{Attempt, Memory, place},
        observed::Searched,
        ownership::Owner,
        rules::Rules,
        settings,
        step::Step,
    },
};

/// No key answers.
pub(super) fn absent(s: &Situation<'_>, searched: Searched) -> Plan {
    if let Some(key) = s.memory.reference() {
        return missing(s, key);
    }
    let attempt = s.memory.open_attempt();
    if let Some(key) = s.desired.adopt.as_ref().filter(|_| attempt.is_none()) {
        return stall(
            Reason::KeyMissing,
            format!("no key {key} in account {} and Region {}; make an object with the right keyId", s.rules.account, s.rules.region),
        );
    }
    if s.desired.policy == ManagementPolicy::Observe {
        return stall(Reason::KeyMissing, "no key is found for this object, and managementPolicy Observe creates none; set keyId");
    }
    if let Some(plan) = attempt.as_ref().and_then(|attempt| unresolved(s, attempt, searched)) {
        return plan;
    }
    if let Some(key) = &s.desired.adopt {
        return stall(
            Reason::CreateUnresolved,
            format!(
                "CreateKey was sent for this object before spec.keyId named {key}, and no key of it is found; \
                 to adopt {key}, delete this object and make it again"
            ),
        );
    }
    if let Some(key) = &s.memory.key {
        // The annotation alone: whoever may edit the object can write it, so that it is no address. What it is about is found by its marks, or not at all.
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
                    "spec.deletionScheduleDays is {days}, but there is no key to delete, and none is created; \
                     remove the field, and use spec.deletionPolicy for what happens when this object is deleted"
                ),
            )
        } else {
            Plan::Read(Read::Everywhere)
        };
    }
    let refusals = settings::refusals(s.desired, s.rules, &s.desired.template(s.rules.limits()), None);
    if let Some(refusal) = refusals.into_iter().next() {
        return stall(Reason::InvalidSpec, refusal.message);
    }
    let (limits, claim) = (s.rules.limits(), s.desired.owner.claim_alias());
    if let Some(end) = limits.reserved_ending.filter(|end| claim.ends_with(end)) {
        return stall(
            Reason::InvalidSpec,
            format!(
                "the key would be named {claim}, and {} keeps names that end in {end} to itself; give this object another name",
                limits.name
            ),
        );
    }
    // An earlier object of this name, or this one by a record that is lost, may have made a key that no alias leads to.
    if searched == Searched::Everywhere { Plan::Do(Step::Create) } else { Plan::Read(Read::Everywhere) }
}

/// Why the key that an object is bound to is not asked for at all: by the object's status it is at another KMS, or of another account or Region, than the
/// provider is for by now. A status may be forged, and all that follows from this is that nothing is called.
#[must_use]
pub fn elsewhere(memory: &Memory, rules: &Rules) -> Option<Note> {
    not_here(memory.reference()?, memory, rules)
}

/// Why the key that `spec.keyId` names is not asked for at all: its ARN is of another account or Region than the provider. What the KMS would answer tells
/// neither: a key of another account is denied, and one of another Region looks absent.
#[must_use]
pub fn named_elsewhere(desired: &Desired, memory: &Memory, rules: &Rules) -> Option<Note> {
    let named = desired.adopt.as_deref().filter(|_| memory.reference().is_none() && memory.open_attempt().is_none())?;
    // To a cloud that has no ARNs it is no reference at all, which its adapter says.
    let (account, region) = place(named).filter(|_| rules.provider != ProviderType::Huawei)?;
    let is_here = (account, region) == (&*rules.account, &*rules.region);
    (!is_here).then(|| Note { reason: Reason::AdoptionNotAllowed, message: super::of_another_place(named, account, region, rules) })
}

fn not_here(key: &str, memory: &Memory, rules: &Rules) -> Option<Note> {
    let (account, region) = memory.place()?;
    let here = rules.provider.as_str();
    let kms = memory.status.provider.as_ref().map_or(here, |provider| provider.type_.as_str());
    if (kms, account, region) == (here, &*rules.account, &*rules.region) {
        return None;
    }
    let message = format!(
        "key {key} is in {kms} account {account} and Region {region}, and KeyProvider {} is for {here} account {} and Region {} now, \
         so nothing is known of it; mend the provider",
        rules.name, rules.account, rules.region
    );
    Some(Note { reason: Reason::WrongAccount, message })
}

/// A key that was there is not found. One such answer proves nothing: a KMS is eventually consistent.
fn missing(s: &Situation<'_>, key: &str) -> Plan {
    const ANSWERS: i32 = 3;
    if let Some(note) = not_here(key, s.memory, s.rules) {
        return Plan::Stall(note);
    }
    let before = s.memory.status.missing.as_ref();
    let first = before.map_or_else(|| seconds(s.now), |missing| missing.first_time.clone());
    let sure = before.is_some_and(|missing| missing.count.saturating_add(1) >= ANSWERS) && s.now.duration_since(first.0) >= s.missing_after;
    // The count stops once it has done its work, so that a settled status stays as it is.
    let count = before.map_or(0, |missing| missing.count.max(0)).saturating_add(1).min(ANSWERS);
    let missing = Missing { count, first_time: first };
    let status = &s.memory.status;
    // Once that is settled it stays so: the date is shown only while a deletion is pending.
    let due = status.key_state == Some(KeyState::Deleted) || status.deletion_date.as_ref().is_some_and(|date| date.0 <= s.now);
    let date = status.deletion_date.as_ref();
    let known = date.map_or_else(|| "no deletion of it was known".to_owned(), |date| format!("its deletion was due later, at {}", date.0));
    let (gone, reason, message) = match due {
        true if !sure => {
            let when = date.map_or_else(String::new, |date| format!(", which was due at {}", date.0));
            (Gone::Unsure, Reason::KeyMissing, format!("key {key} is not found any more; its deletion{when}, is being confirmed"))
        }
        false if !sure => (
            Gone::Unsure,
            Reason::KeyMissing,
            format!("key {key} was not found, and {known}; it is looked for again before it is taken for gone"),
        ),
        true => (Gone::Deleted, Reason::KeyDeleted, format!("key {key} is deleted: its deletion date has passed; remove this object")),
        false => (
            Gone::Lost,
            Reason::KeyMissing,
            format!(
                "key {key} is not found in account {} and Region {}, and {known}; find out what became of it; {}",
                s.rules.account,
                s.rules.region,
                start_over(s)
            ),
        ),
    };
    Plan::Missing(missing, Note { reason, message }, gone)
}

/// How a person lets another key be created.
fn start_over(s: &Situation<'_>) -> String {
    let owner = &s.desired.owner;
    if s.memory.reference().is_some() {
        return "to start over with a new key, make a new object".into();
    }
    format!(
        "only the annotation {} says that this object had it; to let a new key be created, run: {}",
        annotation::KEY,
        without(owner, annotation::KEY)
    )
}

/// The command that takes an annotation off an object.
fn without(owner: &Owner, annotation: &str) -> String {
    let Owner { namespace, name, .. } = owner;
    format!("kubectl annotate --field-manager=keyward-cli -n {namespace} managedkey {name} {annotation}-")
}

/// A `CreateKey` was begun and nothing says how it ended. `None`: it is taken to have made no key.
fn unresolved(s: &Situation<'_>, attempt: &Attempt, searched: Searched) -> Option<Plan> {
    let way_out = format!(
        "look for a key with the alias {} or the tag keyward-uid of this object; if there is none, {}",
        s.desired.owner.claim_alias(),
        if s.memory.status.create_attempt.is_some() {
            "delete this object and make it again to let another key be created".to_owned()
        } else {
            format!(
                "remove the annotation {0}, which lets another key be created; run: {1}",
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
                "a key may have been created in account {account} and Region {region}, which this provider no longer is; \
                 mend the provider, or {way_out}"
            ),
        ));
    }
    if searched != Searched::Everywhere {
        return Some(Plan::Read(Read::Everywhere));
    }
    // Written by a clock that was wrong, or by somebody else: waiting for that time could be for ever.
    if time.duration_since(s.now) > s.attempt_wait {
        return Some(stall(
            Reason::CreateUnresolved,
            format!("the record of a creation (status.createAttempt) says that CreateKey was sent at {time}, which is to come; {way_out}"),
        ));
    }
    (s.now.duration_since(*time) < s.attempt_wait).then(|| {
        wait(
            Reason::Creating,
            format!("CreateKey was sent at {time} and its outcome is not known; its key is looked for until another is created"),
        )
    })
}
