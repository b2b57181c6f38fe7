//! The next step, from what is declared, what is remembered and what was seen: the table of the reference, as one function.
//!
//! | observed | live, `enabled: true` | live, `enabled: false` | `deletionScheduleDays: N` |
//! |---|---|---|---|
//! | absent, never bound | find by claim, else create | find by claim, else create, then disable | find by claim, else stall |
//! | absent, was bound | count, then stall | count, then stall | count, then stall |
//! | Enabled | settings | settings, disable last | guard, schedule |
//! | Disabled | enable, settings | what a disabled key allows | guard, schedule |
//! | pending deletion | cancel, mark live, enable | cancel, mark live | rest, or change the days |
//! | `PendingImport`, `Unavailable` | say so | rest | guard, schedule |
//! | Creating, Updating | wait | wait | wait |
//!
//! Steps come one at a time, in the order cancel → mark → enable → settings → disable, each from a fresh view.
//! This module must never read a clock, a network or a condition.

use jiff::{SignedDuration, Timestamp};

use super::{
    desired::{Desired, Life},
    intent::{self, Edge, Intent, IntentMark, Word},
    memory::{Attempt, Memory},
    observed::{Key, Observed, Searched, State},
    ownership::{Ownership, Tags},
    rules::Rules,
    settings,
    step::{How, Step},
};
use crate::api::{
    ConditionType, Reason,
    condition::{self, seconds},
    managed_key::{KeyState, ManagementPolicy, Missing},
    mark,
};

/// All that a decision rests on, but for the look itself.
#[derive(Clone, Debug)]
pub struct Situation<'a> {
    /// What the object declares.
    pub desired: &'a Desired,
    /// What the object remembers.
    pub memory: &'a Memory,
    /// What the provider allows.
    pub rules: &'a Rules,
    /// The time of the look.
    pub now: Timestamp,
    /// For how long a key must not be found before it is taken for gone; at least three answers.
    pub missing_after: SignedDuration,
    /// For how long a creation whose outcome is not known bars another.
    pub attempt_wait: SignedDuration,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// Nothing: what was read is as declared, or is left as it is.
    Rest(Rest),
    /// More has to be read before anything can be decided.
    Read(Read),
    /// One step.
    Do(Step),
    /// It passes by itself.
    Wait(Note),
    /// A person must act.
    Stall(Note),
    /// A deletion is asked for and the marks hold it.
    Hold(Hold),
    /// The key was not found.
    Missing(Missing, Note, Gone),
}

/// How a round ends when nothing is left to do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rest {
    /// Differences that the policy leaves as they are.
    pub drift: Vec<String>,
    /// Whether the key's state is among them.
    pub life_drifted: bool,
    /// What waits for another state of the key.
    pub waits: Option<String>,
    /// That the KMS answered from a copy which is too old for a change to follow from it.
    pub stale: Option<String>,
    /// Whether the object does not own the key: it rests on a pending key that takes no marks, or only watches one that bears none of its own.
    pub unbound: bool,
}

/// What has to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// Tags, rotation and aliases of the key.
    Facets,
    /// The marks of every key.
    Everywhere,
    /// Whether the object `namespace.name`, named by the key's mark, exists.
    OtherOwner(String),
}

/// A reason and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// For conditions.
    pub reason: Reason,
    /// For people: what was seen, and what to do.
    pub message: String,
}

/// Why a deletion is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// For conditions.
    pub reason: Reason,
    /// For people: what was seen, and the command that goes on.
    pub message: String,
    /// Whether it passes by itself.
    pub passes: bool,
}

/// Whether a key that is not found is taken for gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// Not yet.
    Unsure,
    /// Its deletion date has passed.
    Deleted,
    /// No deletion was known.
    Lost,
}

/// What every claim alias begins with.
const CLAIMS: &str = "alias/keyward/";

/// The next step.
#[must_use]
pub fn plan(situation: &Situation<'_>, observed: &Observed) -> Plan {
    let decided = match observed {
        Observed::Absent(searched) => absent(situation, *searched),
        Observed::Several(keys) => stall(
            Reason::ClaimUnclear,
            format!(
                "{} keys bear this object's marks: {}; remove the keyward-* tags from all but the one to keep",
                keys.len(),
                keys.join(", ")
            ),
        ),
        Observed::Present(key) => match out_of_reach(situation, key) {
            Some(plan) => return plan,
            None => present(situation, key),
        },
    };
    let decided = match (decided, observed) {
        (Plan::Do(step), Observed::Present(key)) if !step.saves() => stale(situation, key).map_or(Plan::Do(step), Plan::Wait),
        (Plan::Rest(rest), Observed::Present(key)) => Plan::Rest(Rest { stale: stale(situation, key).map(|note| note.message), ..rest }),
        (decided, _) => decided,
    };
    match (decided, observed) {
        // What was not read is taken to be as declared only as long as that means doing nothing.
        (Plan::Rest(rest), _) => Plan::Rest(rest),
        (_, Observed::Present(key)) if !key.is_complete(situation.rules.limits()) => Plan::Read(Read::Facets),
        (plan, _) => plan,
    }
}

fn stall(reason: Reason, message: impl Into<String>) -> Plan {
    Plan::Stall(Note { reason, message: message.into() })
}

fn wait(reason: Reason, message: impl Into<String>) -> Plan {
    Plan::Wait(Note { reason, message: message.into() })
}

/// What is said of a copy that is too old. No change follows from it, but one that brings the key back.
pub(super) fn stale(s: &Situation<'_>, key: &Key) -> Option<Note> {
    let most = s.rules.max_staleness.filter(|_| s.rules.stale(key))?;
    let message = format!(
        "{} last read key {} from AWS longer ago than maxStalenessSeconds ({}), and did not end the refresh that was asked for; \
         nothing is changed until it does: look at its connection to AWS",
        s.rules.limits().name,
        key.arn,
        most.as_secs()
    );
    Some(Note { reason: Reason::StaleView, message })
}

/// No key answers.
fn absent(s: &Situation<'_>, searched: Searched) -> Plan {
    if let Some(key) = s.memory.bound_to() {
        return missing(s, key);
    }
    if let Some(key) = &s.desired.adopt {
        return stall(
            Reason::KeyMissing,
            format!("no key {key} in account {} and Region {}; make an object with the right keyId", s.rules.account, s.rules.region),
        );
    }
    if s.desired.policy == ManagementPolicy::Observe {
        return stall(Reason::KeyMissing, "no key is found for this object, and managementPolicy Observe creates none; set keyId");
    }
    if let Some(plan) = s.memory.attempt.as_ref().and_then(|attempt| unresolved(s, attempt, searched)) {
        return plan;
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
    if let Some(message) = settings::refused(s.desired, s.rules, &s.desired.template(s.rules.limits()), None) {
        return stall(Reason::InvalidSpec, message);
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
    Plan::Do(Step::Create)
}

/// A key that was there is not found. One such answer proves nothing: a KMS is eventually consistent.
fn missing(s: &Situation<'_>, key: &str) -> Plan {
    const ANSWERS: i32 = 3;
    if let Some((account, region)) = s.memory.place().filter(|place| *place != (&*s.rules.account, &*s.rules.region)) {
        return stall(
            Reason::WrongAccount,
            format!(
                "key {key} is in account {account} and Region {region}, and KeyProvider {} is for account {} and Region {} now, \
                 so nothing is known of it; mend the provider",
                s.rules.name, s.rules.account, s.rules.region
            ),
        );
    }
    let before = s.memory.status.missing.as_ref();
    let first = before.map_or_else(|| seconds(s.now), |missing| missing.first_time.clone());
    let sure = before.is_some_and(|missing| missing.count + 1 >= ANSWERS) && s.now.duration_since(first.0) >= s.missing_after;
    // The count stops once it has done its work, so that a settled status stays as it is.
    let count = before.map_or(0, |missing| missing.count).saturating_add(1).min(ANSWERS);
    let missing = Missing { count, first_time: first };
    let status = &s.memory.status;
    // Once that is settled it stays so: the date is shown only while a deletion is pending.
    let due = status.key_state == Some(KeyState::Deleted) || status.deletion_date.as_ref().is_some_and(|date| date.0 <= s.now);
    let known = status
        .deletion_date
        .as_ref()
        .map_or_else(|| "no deletion of it was known".to_owned(), |date| format!("its deletion was due later, at {}", date.0));
    let (gone, reason, message) = match due {
        _ if !sure => {
            (Gone::Unsure, Reason::KeyMissing, format!("key {key} was not found; it is looked for again before it is taken for gone"))
        }
        true => (Gone::Deleted, Reason::KeyDeleted, format!("key {key} is deleted: its deletion date has passed; remove this object")),
        false => (
            Gone::Lost,
            Reason::KeyMissing,
            format!(
                "key {key} is not found in account {} and Region {}, and {known}; find out what became of it; \
                 to start over with a new key, make a new object",
                s.rules.account, s.rules.region
            ),
        ),
    };
    Plan::Missing(missing, Note { reason, message }, gone)
}

/// A `CreateKey` was begun and nothing says how it ended. `None`: it is taken to have made no key.
fn unresolved(s: &Situation<'_>, attempt: &Attempt, searched: Searched) -> Option<Plan> {
    let way_out = format!(
        "look for a key with the alias {} or the tag keyward-uid of this object; \
         if there is none, remove the annotation keyward.dev/create-attempt to let another key be created",
        s.desired.owner.claim_alias()
    );
    let Attempt::At { account, region, time, .. } = attempt else {
        return Some(stall(Reason::CreateUnresolved, format!("the annotation keyward.dev/create-attempt cannot be read; {way_out}")));
    };
    if (account, region) != (&s.rules.account, &s.rules.region) {
        return Some(stall(
            Reason::CreateUnresolved,
            format!("a key may have been created in account {account} and Region {region}, which this provider no longer is; {way_out}"),
        ));
    }
    if searched != Searched::Everywhere {
        return Some(Plan::Read(Read::Everywhere));
    }
    (s.now.duration_since(*time) < s.attempt_wait).then(|| {
        wait(
            Reason::Creating,
            format!("CreateKey was sent at {time} and its outcome is not known; its key is looked for until another is created"),
        )
    })
}

/// There is a key.
fn present(s: &Situation<'_>, key: &Key) -> Plan {
    let applied = s.memory.status.applied.as_ref();
    let news = applied.is_none_or(|applied| applied.generation != s.desired.generation);
    if !key.is_complete(s.rules.limits()) && (news || differed(s.memory)) {
        return Plan::Read(Read::Facets);
    }
    match &key.tags {
        Some(tags) => bind(s, key, tags).unwrap_or_else(|| bound(s, key)),
        None if s.memory.status.key_arn.is_some() => bound(s, key),
        None => Plan::Read(Read::Facets),
    }
}

/// A key that no object may have through this provider, whatever its marks say; they are not even read.
fn out_of_reach(s: &Situation<'_>, key: &Key) -> Option<Plan> {
    if (&key.account, &key.region) != (&s.rules.account, &s.rules.region) {
        return Some(stall(
            Reason::AdoptionNotAllowed,
            format!(
                "key {} is in account {} and Region {}, and KeyProvider {} is for account {} and Region {}; use the provider of that place",
                key.arn, key.account, key.region, s.rules.name, s.rules.account, s.rules.region
            ),
        ));
    }
    (!key.customer_managed).then(|| {
        stall(
            Reason::AdoptionNotAllowed,
            format!("key {} is managed by a service of the provider; only customer keys can be kept", key.arn),
        )
    })
}

/// Whether the last report said that something differs, or is another's. It would come and go from look to look if it were not read each time.
fn differed(memory: &Memory) -> bool {
    let synced = condition::find(&memory.status.conditions, ConditionType::Synced);
    let said = |reason: Reason| synced.is_some_and(|synced| synced.reason == reason.as_str());
    synced.is_some_and(|synced| synced.status != "True") || said(Reason::Drifted) || said(Reason::Disabled)
}

/// What has to happen before the key is this object's; `None`: it is.
fn bind(s: &Situation<'_>, key: &Key, tags: &Tags) -> Option<Plan> {
    let was_bound = s.memory.status.key_arn.is_some();
    let admitted = s.rules.admits_adoption(&s.desired.owner.namespace, &key.arn, tags);
    let names_key = s.desired.adopt.is_some();
    let owned = |by: String| {
        let alert = if key.state.is_pending() && s.desired.life == Life::Live {
            "; the key is PENDING DELETION while this object wants it alive: delete and re-create this object to cancel that"
        } else {
            "; remove one of the two objects"
        };
        stall(Reason::OwnedByAnother, format!("key {} belongs to {by}{alert}", key.arn))
    };
    let ownership = match Ownership::of(tags, &s.desired.owner) {
        // Nobody else's UID is on the key: its marks are gone in part.
        Ownership::Namesake if was_bound && !tags.contains_key(mark::UID) => Ownership::Unmarked,
        ownership => ownership,
    };
    Some(match ownership {
        Ownership::Ours => return None,
        Ownership::Nameless => owned("an object that its marks do not name; put the tags keyward-cluster and keyward-owner back".into()),
        Ownership::Namesake if was_bound => owned("another object of this name, with another UID".into()),
        Ownership::Namesake => take(s, key, How::TakeUp),
        Ownership::Other(name) if !names_key || was_bound => owned(format!("the object {name}")),
        Ownership::Other(name) => match key.other_owner_exists {
            None => Plan::Read(Read::OtherOwner(name)),
            Some(true) => owned(format!("the object {name}")),
            Some(false) if admitted => take(s, key, How::Adopt),
            Some(false) => not_admitted(s, key),
        },
        Ownership::OtherCluster(cluster) if was_bound || !names_key || !s.rules.admits_cluster(&cluster) => {
            owned(format!("the cluster {cluster}"))
        }
        Ownership::Unmarked if claimed_by_another(s, key) => stall(
            Reason::AdoptionNotAllowed,
            format!(
                "key {} has the name of another object's claim, so its creation may be under way; if it is not, rename the key at {}",
                key.arn,
                s.rules.limits().name
            ),
        ),
        Ownership::OtherCluster(_) | Ownership::Unmarked if admitted && (names_key || was_bound) => take(s, key, How::Adopt),
        Ownership::OtherCluster(_) => not_admitted(s, key),
        Ownership::Unmarked if was_bound => stall(
            Reason::AdoptionNotAllowed,
            format!(
                "key {} no longer bears Keyward's marks, and KeyProvider {} does not let namespace {} adopt it; put the keyward-* tags back, \
                 or admit it in the provider's spec.adoption",
                key.arn, s.rules.name, s.desired.owner.namespace
            ),
        ),
        Ownership::Unmarked if created(s, key) => take(s, key, How::Create),
        Ownership::Unmarked if names_key => not_admitted(s, key),
        Ownership::Unmarked => stall(
            Reason::ClaimUnclear,
            format!(
                "alias {} points to key {}, which does not bear Keyward's marks; remove the alias, or name the key in spec.keyId of a new object",
                s.desired.owner.claim_alias(),
                key.arn
            ),
        ),
    })
}

/// Whether an unmarked key is one that this very object's creation made, at a KMS that makes keys without tags: its description says so from its first
/// moment. The annotation of the attempt proves nothing, as whoever may edit the object can write it.
fn created(s: &Situation<'_>, key: &Key) -> bool {
    let made = !s.rules.limits().creates_with_tags && key.description == s.desired.owner.birth();
    made && s.desired.adopt.is_none() && s.memory.bound_to().is_none()
}

/// Whether an unmarked key has the claim of another object as an alias, at a KMS that makes keys without tags: it may be on its way to its marks.
fn claimed_by_another(s: &Situation<'_>, key: &Key) -> bool {
    let claim = s.desired.owner.claim_alias();
    let another = |alias: &String| alias.starts_with(CLAIMS) && *alias != claim;
    !s.rules.limits().creates_with_tags && key.aliases.iter().flatten().any(another)
}

fn not_admitted(s: &Situation<'_>, key: &Key) -> Plan {
    stall(
        Reason::AdoptionNotAllowed,
        format!(
            "KeyProvider {} does not let namespace {} adopt key {}; ask its administrator to admit it in spec.adoption",
            s.rules.name, s.desired.owner.namespace, key.arn
        ),
    )
}

/// The key may become this object's.
fn take(s: &Situation<'_>, key: &Key, how: How) -> Plan {
    let desired = s.desired;
    let wanted = desired.kind.as_ref().map(|wanted| s.rules.limits().kind(wanted));
    if let Some(wanted) = wanted.filter(|wanted| *wanted != key.kind) {
        let text = |kind: &crate::api::managed_key::KeyTemplate| {
            format!("{} for {} of origin {}{}", kind.spec, kind.usage, kind.origin, if kind.multi_region { ", multi-Region" } else { "" })
        };
        return stall(
            Reason::AdoptionMismatch,
            format!("key {} is {}, but spec.key says {}; make an object that agrees", key.arn, text(&key.kind), text(&wanted)),
        );
    }
    if desired.policy == ManagementPolicy::Observe {
        return match bound(s, key) {
            Plan::Rest(rest) => Plan::Rest(Rest { unbound: true, ..rest }),
            plan => plan,
        };
    }
    let outright = desired.enabled.is_some() || desired.days().is_some();
    if how == How::Adopt && !outright && (key.state == State::Disabled || key.state.is_pending()) {
        return stall(
            Reason::AdoptionNotAllowed,
            format!(
                "key {} is {}, perhaps on purpose; say spec.enabled: true or false, or spec.deletionScheduleDays, to adopt it",
                key.arn,
                KeyState::from(key.state).as_str()
            ),
        );
    }
    if let Some(message) = desired.days().filter(|&days| !stands(key, days)).and_then(|days| window_refused(days, s.rules)) {
        return stall(Reason::InvalidSpec, message);
    }
    match (key.state, desired.life) {
        (State::Creating | State::Updating, _) => transitional(key.state),
        (State::PendingDeletion | State::PendingReplicaDeletion, Life::Live) if !enforced(s).life => {
            Plan::Rest(Rest { unbound: true, ..pending_undeclared() })
        }
        // A pending key takes no tags: wanted alive, it is cancelled first and marked then.
        (State::PendingDeletion | State::PendingReplicaDeletion, Life::Live) => Plan::Do(Step::Cancel),
        (State::PendingDeletion | State::PendingReplicaDeletion, Life::Scheduled(_)) => {
            Plan::Rest(Rest { unbound: true, ..Rest::default() })
        }
        (_, Life::Live) => Plan::Do(Step::Bind { how, word: Word::Live }),
        (_, Life::Scheduled(_)) => Plan::Do(Step::Bind { how, word: Word::Held }),
    }
}

fn transitional(state: State) -> Plan {
    wait(Reason::Creating, format!("the KMS is not done with the key, which is {}", KeyState::from(state).as_str()))
}

/// The key is this object's.
fn bound(s: &Situation<'_>, key: &Key) -> Plan {
    match (key.state, s.desired.life) {
        (State::Creating | State::Updating, _) => transitional(key.state),
        _ if s.desired.policy == ManagementPolicy::Observe => unusable(s, key).unwrap_or_else(|| Plan::Rest(observe(s, key))),
        (_, Life::Live) => live(s, key),
        (_, Life::Scheduled(days)) => scheduled(s, key, days),
    }
}

/// Which declarations are enforced now.
struct Enforced {
    life: bool,
    enabled: bool,
    settings: bool,
}

fn enforced(s: &Situation<'_>) -> Enforced {
    let all = |value| Enforced { life: value, enabled: value, settings: value };
    match (s.desired.policy, &s.memory.status.applied) {
        (ManagementPolicy::Enforce, _) => all(true),
        (ManagementPolicy::Observe, _) | (ManagementPolicy::EnforceOnChange, None) => all(false),
        (ManagementPolicy::EnforceOnChange, Some(applied)) => {
            let life = applied.deletion_schedule_days != s.desired.days();
            Enforced {
                life,
                // A cancelled key is disabled, and being alive again includes being enabled again.
                enabled: life || applied.enabled != Some(s.desired.wants_enabled()),
                settings: applied.generation != s.desired.generation,
            }
        }
    }
}

/// The schedule of someone else, which the policy leaves as it is.
fn pending_undeclared() -> Rest {
    Rest { drift: vec!["the key is pending deletion, which is not declared".into()], life_drifted: true, ..Rest::default() }
}

/// Whether our own schedule of that many days stands already, so that nothing is asked of the KMS.
fn stands(key: &Key, days: i32) -> bool {
    key.state.is_pending() && matches!(key.intent(), IntentMark::Is(Intent { word: Word::Days(written), .. }) if written == days)
}

fn live(s: &Situation<'_>, key: &Key) -> Plan {
    let enforced = enforced(s);
    if key.state.is_pending() {
        if enforced.life {
            return Plan::Do(Step::Cancel);
        }
        return Plan::Rest(pending_undeclared());
    }
    let mut rest = Rest::default();
    let wants_enabled = s.desired.wants_enabled();
    // A copy that is too old takes no marks, as they may be another's by now, and a key that was just saved is enabled all the same.
    let saved = s.rules.stale(key) && key.state == State::Disabled && wants_enabled && enforced.enabled;
    if key.tags.is_some() && !saved && !key.intent().is_live(s.desired.generation, s.memory.status.intent_seq) {
        return Plan::Do(Step::Mark { word: Word::Live });
    }
    if let Some(message) = settings::refused(s.desired, s.rules, &key.kind, key.multi_region.as_ref()) {
        return stall(Reason::InvalidSpec, message);
    }
    if key.state == State::Disabled && wants_enabled {
        if enforced.enabled {
            return Plan::Do(Step::Enable);
        }
        rest.drift.push("the key is disabled".into());
        rest.life_drifted = true;
    }
    let settings = settings::compare(s.desired, s.memory, s.rules, key);
    if enforced.settings {
        if let Some(step) = settings.steps.into_iter().next() {
            return Plan::Do(step);
        }
    } else {
        rest.drift.extend(settings.steps.iter().map(|step| format!("to be as declared, Keyward would {step}")));
    }
    rest.waits = settings.waits;
    match key.state {
        State::Enabled if !wants_enabled && enforced.enabled => return Plan::Do(Step::Disable),
        State::Enabled if !wants_enabled => {
            rest.drift.push("the key is enabled".into());
            rest.life_drifted = true;
        }
        _ => {}
    }
    unusable(s, key).unwrap_or(Plan::Rest(rest))
}

/// A key that is to be enabled and that nothing but a person can make usable.
fn unusable(s: &Situation<'_>, key: &Key) -> Option<Plan> {
    match key.state {
        _ if s.desired.life != Life::Live || !s.desired.wants_enabled() => None,
        State::PendingImport => {
            Some(stall(Reason::PendingImport, format!("key {} waits for its key material; import it with the KMS's own tools", key.arn)))
        }
        State::Unavailable => {
            Some(stall(Reason::KeyUnavailable, format!("key {} cannot be used: {}", key.arn, s.rules.limits().unavailable)))
        }
        _ => None,
    }
}

/// What messages call the declared days.
pub const DAYS_FIELD: &str = "spec.deletionScheduleDays";

/// The sentence that refuses the declared window, if it is to be refused. Nothing is rounded, and nothing is used in its place.
#[must_use]
pub fn window_refused(days: i32, rules: &Rules) -> Option<String> {
    days_refused(DAYS_FIELD, days, rules)
}

/// The sentence that refuses the days which stand in `field`.
#[must_use]
pub fn days_refused(field: &str, days: i32, rules: &Rules) -> Option<String> {
    let limits = rules.limits();
    let (least, most) = limits.window;
    if !(least..=most).contains(&days) {
        return Some(format!("{field} is {days}, but {} accepts {least} to {most} days", limits.name));
    }
    let minimum = rules.guard.minimum_schedule_days;
    (days < minimum).then(|| {
        format!("{field} is {days}, but KeyProvider {} demands at least {minimum} days (deletionGuard.minimumScheduleDays)", rules.name)
    })
}

fn scheduled(s: &Situation<'_>, key: &Key, days: i32) -> Plan {
    if let Some(message) = window_refused(days, s.rules).filter(|_| !stands(key, days)) {
        return stall(Reason::InvalidSpec, message);
    }
    if key.tags.is_none() {
        // A glance at a pending key sees what it should; anything else needs the marks.
        return if key.state.is_pending() { Plan::Rest(Rest::default()) } else { Plan::Read(Read::Facets) };
    }
    let pending = key.state.is_pending();
    match key.intent() {
        IntentMark::Is(Intent { word: Word::Days(written), .. }) if pending && written != days => {}
        // Our own schedule stands, or someone else's does: what is declared is the case.
        _ if pending => return Plan::Rest(Rest::default()),
        _ => {}
    }
    if s.desired.policy == ManagementPolicy::EnforceOnChange && s.memory.status.applied.is_none() {
        let drift = if pending { "the key is pending deletion with other days" } else { "the key is not pending deletion" };
        return Plan::Rest(Rest { drift: vec![drift.into()], life_drifted: true, ..Rest::default() });
    }
    let confirmation = s.desired.confirmation.as_deref();
    match intent::edge(days, s.desired.generation, key, &s.memory.status, confirmation, s.now) {
        Edge::Passes(passed) if pending => Plan::Do(Step::Reschedule { days, passed }),
        Edge::Passes(passed) => Plan::Do(Step::Schedule { days, passed }),
        Edge::WriteHeld => Plan::Do(Step::Mark { word: Word::Held }),
        Edge::Holds(reason) => Plan::Hold(hold(s.desired, key, Some(days), reason)),
    }
}

/// The sentence of a held deletion, or, without days, of a held `Disable`: what was seen, and the command that goes on.
#[must_use]
pub fn hold(desired: &Desired, key: &Key, days: Option<i32>, reason: Reason) -> Hold {
    let seen = match reason {
        Reason::NotSeenLive => {
            "this object was never seen without deletionScheduleDays while its key was alive, so the field may be a copy"
        }
        Reason::RollbackSuspected => "the key's mark is newer than this object's status, so the object may come from a backup",
        Reason::CancelledOutside => "the deletion was cancelled, or the key changed, outside Keyward",
        Reason::ConfirmationRequired => "the provider asks for a confirmation of every deletion",
        Reason::NotOwned => "the key does not bear this object's marks",
        Reason::StaleObject => "the object changed while the deletion was decided; it is decided anew",
        Reason::StaleView => "the KMS answers from a copy that is older than maxStalenessSeconds, and its refresh did not end",
        Reason::InvalidSpec => "the days are outside of what the provider accepts",
        Reason::BudgetExhausted => "the provider's deletionGuard.maxPerHour is 0, which stops all deletions",
        Reason::Terminating => "the namespace, or the CRD, is being deleted, and keys are left as they are then",
        _ => "the guard holds it",
    };
    let owner = &desired.owner;
    let confirmable =
        matches!(reason, Reason::NotSeenLive | Reason::RollbackSuspected | Reason::CancelledOutside | Reason::ConfirmationRequired);
    let keep = if desired.days().is_some() { "; to keep the key, remove spec.deletionScheduleDays" } else { "" };
    let go_on = key.intent().token(&key.id).filter(|_| confirmable).map_or_else(String::new, |token| {
        format!(
            "{keep}; if the key is to be deleted, run: kubectl annotate --overwrite --field-manager=keyward-cli -n {} managedkey {} {}={token}",
            owner.namespace,
            owner.name,
            crate::api::annotation::CONFIRM_DELETION
        )
    });
    let passes = matches!(reason, Reason::StaleObject | Reason::StaleView);
    let act = days.map_or_else(|| format!("disabling key {}", key.id), |days| format!("deletion of key {} in {days} days", key.id));
    Hold { reason, message: format!("{act} is held: {seen}{go_on}"), passes }
}

/// What `Observe` sees. Only what is declared outright can differ.
fn observe(s: &Situation<'_>, key: &Key) -> Rest {
    let mut rest = Rest::default();
    let mut life = |text: &str| {
        rest.drift.push(text.into());
        rest.life_drifted = true;
    };
    match (key.state.is_pending(), s.desired.life) {
        (true, Life::Live) => life("the key is pending deletion, which is not declared"),
        (false, Life::Scheduled(_)) => life("the key is not pending deletion"),
        _ => {}
    }
    match (key.state, s.desired.enabled) {
        (State::Disabled, Some(true)) => life("the key is disabled"),
        (State::Enabled, Some(false)) => life("the key is enabled"),
        _ => {}
    }
    let mut unclaimed = s.desired.clone();
    // The claim alias is ours to keep, not the user's to miss.
    unclaimed.adopt.get_or_insert_default();
    let settings = settings::compare(&unclaimed, s.memory, s.rules, key);
    rest.drift.extend(settings.steps.iter().map(|step| format!("to be as declared, Keyward would {step}")));
    rest.waits = settings.waits;
    rest
}
