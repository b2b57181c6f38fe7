//! No key is found: create it, wait for it, or report it as missing.

use super::{Gone, Note, Plan, Read, Situation, replica, stall, wait};
use crate::{
    api::{
        Reason, annotation,
        condition::seconds,
        key_provider::ProviderType,
        managed_key::{KeyState, KeyTemplate, ManagementPolicy, Missing},
    },
    domain::{
        candidates::Window,
        command::without,
        deletion::hold::window_refused,
        desired::Desired,
        limits::Limits,
        memory::{Attempt, Location, Memory, location, was_begun_at},
        observed::Searched,
        rules::{DEFAULT_ENDPOINT, Rules},
        settings,
        step::Step,
    },
    text,
};

/// No key is found.
pub(super) fn absent(s: &Situation<'_>, searched: Searched) -> Plan {
    if let Some(key) = s.memory.reference() {
        return missing(s, key);
    }
    let attempt = s.memory.open_attempt();
    if let Some(key) = s.desired.adopt.as_ref().filter(|_| attempt.is_none()) {
        let key = text::name(key);
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
        let window = match attempt {
            Some(Attempt::At { time, .. }) => Some(Window::of_attempt(time, s.attempt_wait)),
            Some(Attempt::Unreadable) | None => None,
        };
        let key = text::name(key);
        let message = format!(
            "CreateKey was sent for this object before spec.keyId named {key}, and no key of that call is found; \
             to adopt {key}, delete this object and make it again"
        );
        return with_candidates(s, window, message);
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
    if let Some(of) = &s.desired.replica {
        return replica::creation(s, of, searched);
    }
    let (limits, claim) = (s.rules.limits(), s.desired.owner.claim_alias());
    let template = s.desired.template(limits);
    if let Some(message) = store_refused(&template, limits) {
        return stall(Reason::InvalidSpec, message);
    }
    let refusals = settings::refusals(s.desired, s.rules, &template, None);
    if let Some(refusal) = refusals.into_iter().next() {
        return stall(refusal.reason, refusal.message);
    }
    if let Some(end) = limits.reserved_ending.filter(|end| claim.ends_with(end)) {
        return stall(
            Reason::InvalidSpec,
            format!("the key would be named {claim}, but {} reserves names that end in {end}; give this object another name", limits.name),
        );
    }
    // An earlier object of this name may have made a key that has no alias. This object may have done so too, if its record is lost.
    if searched == Searched::Everywhere { Plan::Do(Step::Create) } else { Plan::Read(Read::Everywhere) }
}

/// Why no key of this kind can be created: the KMS has no key stores for Keyward, or the spec does not say which one, or which external key.
/// AWS would refuse the last two as well (API reference of `CreateKey`, `CustomKeyStoreId` and `XksKeyId`).
fn store_refused(kind: &KeyTemplate, limits: &Limits) -> Option<String> {
    let named = kind.custom_key_store_id.is_some() || kind.xks_key_id.is_some();
    let Some((cluster, external)) = limits.key_stores else {
        return named.then(|| {
            format!(
                "spec.key names a custom key store, but Keyward creates no keys in key stores at {}; make a new object without customKeyStoreId and xksKeyId",
                limits.name
            )
        });
    };
    let origin = kind.origin.as_str();
    let lacks = if (origin == cluster || origin == external) && kind.custom_key_store_id.is_none() {
        "customKeyStoreId"
    } else if origin == external && kind.xks_key_id.is_none() {
        "xksKeyId"
    } else {
        return None;
    };
    Some(format!(
        "spec.key.origin is {origin}, but spec.key.{lacks} is absent, so no key can be created; make a new object with that field"
    ))
}

/// Why Keyward does not ask for the key of an object at all: the key is at another KMS, account or Region than the provider is for now. The key's own reference
/// says where it is; what it does not say, the status says. Both may be forged, but the only effect of this check is that no call is made. The project of a key at
/// Huawei is only in the status, so the key is asked for: if it is found, the status is corrected, and if not, that [says nothing](not_here).
#[must_use]
pub fn elsewhere(memory: &Memory, rules: &Rules) -> Option<Note> {
    let key = memory.reference()?;
    by_reference(key, rules).or_else(|| match location(key) {
        // A status that is wrong about the place is corrected when the key is found.
        Some(Location::Aws { .. } | Location::Huawei { .. }) => by_status(key, memory, rules).filter(|_| is_other_kms(memory, rules)),
        None => by_status(key, memory, rules),
    })
}

/// Why Keyward does not ask for the key that `spec.keyId` names at all: its ARN has another account or Region than the provider. The KMS's
/// answer would not show this: it denies a key of another account, and a key of another Region looks absent.
#[must_use]
pub fn named_elsewhere(desired: &Desired, memory: &Memory, rules: &Rules) -> Option<Note> {
    let named = desired.adopt.as_deref().filter(|_| memory.reference().is_none() && memory.open_attempt().is_none())?;
    // Huawei Cloud has no ARNs, so this is no reference there. Its adapter says so.
    let Some(Location::Aws { account, region }) = location(named).filter(|_| rules.provider != ProviderType::Huawei) else { return None };
    let is_here = (account, region) == (&*rules.account, &*rules.region);
    (!is_here).then(|| Note { reason: Reason::AdoptionNotAllowed, message: super::of_another_account(named, account, region, rules) })
}

/// Why an answer that there is no such key proves nothing: the object had the key at another KMS, account, Region or endpoint.
#[must_use]
pub fn not_here(key: &str, memory: &Memory, rules: &Rules) -> Option<Note> {
    by_reference(key, rules).or_else(|| by_status(key, memory, rules)).or_else(|| by_endpoint(key, memory, rules))
}

/// A reference says that its key is at another KMS, account or Region.
fn by_reference(key: &str, rules: &Rules) -> Option<Note> {
    let place = match (location(key)?, rules.provider) {
        (Location::Aws { account, region }, ProviderType::Aws | ProviderType::CipherTrust)
            if (account, region) == (&*rules.account, &*rules.region) =>
        {
            return None;
        }
        (Location::Huawei { region }, ProviderType::Huawei) if region == rules.region => return None,
        (Location::Aws { account, region }, _) => format!("AWS account {account} and Region {region}"),
        (Location::Huawei { region }, _) => format!("Huawei Region {region}"),
    };
    Some(of_another_place(key, &place, rules, "correct the provider"))
}

/// The status says that the key is at another KMS, account or Region.
fn by_status(key: &str, memory: &Memory, rules: &Rules) -> Option<Note> {
    let known = memory.status.provider.as_ref()?;
    if (&*known.type_, &known.account, &known.region) == (rules.provider.as_str(), &rules.account, &rules.region) {
        return None;
    }
    let place = format!("{} account {} and Region {}", known.type_, known.account, known.region);
    let next = "correct the provider, or, if status.provider of this object is wrong, delete this object and make it again";
    Some(of_another_place(key, &place, rules, next))
}

fn is_other_kms(memory: &Memory, rules: &Rules) -> bool {
    memory.status.provider.as_ref().is_some_and(|known| known.type_ != rules.provider.as_str())
}

fn of_another_place(key: &str, place: &str, rules: &Rules, next: &str) -> Note {
    let message = format!(
        "key {key} is in {place}, but KeyProvider {} is now for {} account {} and Region {}, so the key cannot be read; {next}",
        rules.name,
        rules.provider.as_str(),
        rules.account,
        rules.region
    );
    Note { reason: Reason::WrongAccount, message }
}

/// The key was last found at another endpoint. What is behind an endpoint may be another KMS, even if it names the same account.
fn by_endpoint(key: &str, memory: &Memory, rules: &Rules) -> Option<Note> {
    let known = memory.status.provider.as_ref()?.endpoint.as_deref().filter(|known| *known != rules.endpoint)?;
    let message = format!(
        "key {key} was last found at {}, but KeyProvider {} now names {}, where it is not found, so nothing is known of the key; \
         set the provider back, or, if the key is lost, make a new object",
        told(known),
        rules.name,
        told(&rules.endpoint)
    );
    Some(Note { reason: Reason::WrongAccount, message })
}

/// An endpoint, for messages.
fn told(endpoint: &str) -> String {
    if endpoint == DEFAULT_ENDPOINT { "the default endpoint".to_owned() } else { format!("endpoint {endpoint}") }
}

/// A `CreateKey` was begun at another account, Region or endpoint than the provider is for now. `None`: it was not.
pub(super) fn begun_elsewhere(s: &Situation<'_>) -> Option<Plan> {
    let Some(Attempt::At { account, region, .. }) = s.memory.open_attempt() else { return None };
    let is_here = (&account, &region) == (&s.rules.account, &s.rules.region);
    let begun = s.memory.status.create_attempt.as_ref();
    let place = match begun.filter(|begun| is_here && !was_begun_at(begun, &s.rules.endpoint)).and_then(|begun| begun.endpoint.as_deref()) {
        Some(endpoint) => format!("at {}", told(endpoint)),
        None if is_here => return None,
        None => format!("in account {account} and Region {region}"),
    };
    Some(stall(
        Reason::CreateUnresolved,
        format!(
            "a key may have been created {place}, but this provider is now for another place; correct the provider, or {}",
            unresolved_way_out(s)
        ),
    ))
}

/// A key that existed is not found. A single such answer proves nothing, because a KMS is eventually consistent.
fn missing(s: &Situation<'_>, key: &str) -> Plan {
    const ANSWERS: i32 = 3;
    if let Some(note) = not_here(key, s.memory, s.rules) {
        return Plan::Stall(note);
    }
    let key = text::name(key);
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

/// A `CreateKey` was begun, and its outcome is not known. `None`: it counts as having made no key.
fn unresolved(s: &Situation<'_>, attempt: &Attempt, searched: Searched) -> Option<Plan> {
    let way_out = unresolved_way_out(s);
    let Attempt::At { time, .. } = attempt else {
        let message = format!("the annotation keyward.dev/create-attempt cannot be read; {way_out}");
        return Some(with_candidates(s, s.memory.made.map(Window::of_object), message));
    };
    if let Some(plan) = begun_elsewhere(s) {
        return Some(plan);
    }
    if searched != Searched::Everywhere {
        return Some(Plan::Read(Read::Everywhere));
    }
    // A second `ReplicateKey` makes no second replica: a Region has at most one of each key.
    if s.desired.replica.is_some() {
        return None;
    }
    // The time is from a wrong clock, or somebody else wrote it. Waiting for it could take for ever.
    if time.duration_since(s.now) > s.attempt_wait {
        let message = format!(
            "the record of a creation (status.createAttempt) says that CreateKey was sent at {time}, which is in the future; {way_out}"
        );
        return Some(with_candidates(s, s.memory.made.map(Window::of_object), message));
    }
    (s.now.duration_since(*time) < s.attempt_wait).then(|| {
        wait(
            Reason::Creating,
            format!("CreateKey was sent at {time}, and its outcome is not known; Keyward looks for its key before it creates another"),
        )
    })
}

/// What a person can do about a creation whose outcome is not known.
fn unresolved_way_out(s: &Situation<'_>) -> String {
    format!(
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
    )
}

/// The outcome of a creation stays open: names the keys that it may have made. Without a `window` nothing is known of when that was, so none is named.
fn with_candidates(s: &Situation<'_>, window: Option<Window>, message: String) -> Plan {
    let Some(window) = window else { return stall(Reason::CreateUnresolved, message) };
    let Some(unmarked) = s.unmarked else { return Plan::Read(Read::Unmarked) };
    let adopt = if s.memory.status.create_attempt.is_some() {
        "to adopt one of them, delete this object and make it again with the id in spec.keyId"
    } else {
        "to adopt one of them, set spec.keyId to its id and remove the annotation keyward.dev/create-attempt"
    };
    stall(Reason::CreateUnresolved, format!("{message}; {}", unmarked.sentence(&s.desired.owner, window, adopt)))
}
