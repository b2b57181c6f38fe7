//! Rotation, description, tags, aliases and the key policy: what differs from the spec, and what the spec cannot have.

use std::collections::BTreeSet;

use super::{
    desired::{Desired, Life, WantedRotation},
    limits::{Limits, TagLimits},
    memory::Memory,
    observed::{Facets, Key, KeyPolicy, MultiRegion, State},
    ownership::Tags,
    policy::{
        Document,
        access::{self, Access, Also, Caller, access},
        allowed::Allowed,
        compare,
    },
    reserved::is_reserved_alias,
    rules::Rules,
    step::{Part, Step},
};
use crate::{
    api::{
        Reason,
        managed_key::{DeletionPolicy, KeyTemplate, ManagementPolicy},
        mark,
    },
    text,
};

/// What to do about the settings of a key.
#[derive(Debug, Default, PartialEq)]
pub struct Settings {
    /// The steps that remain, in their order.
    pub steps: Vec<Step>,
    /// What cannot be done in the key's current state, and why.
    pub waits: Option<String>,
}

/// A part of the spec that this key, or this provider, cannot accept. The other parts are applied.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The part that is left out.
    part: Refused,
    /// For conditions.
    pub reason: Reason,
    /// The sentence for the person who wrote the spec.
    pub message: String,
}

#[derive(Debug, PartialEq, Eq)]
enum Refused {
    /// The kind of key. It cannot change on a key that exists.
    Kind,
    /// `Desired` left it out, so no step does it.
    LeftOut,
    Rotation,
    Description,
    Tags,
    /// One alias, with `alias/`.
    Alias(String),
    Policy,
    /// That the key is the primary key.
    Role,
}

impl Refusal {
    /// Whether a step would apply the refused part.
    #[must_use]
    pub fn bars(&self, step: &Step) -> bool {
        match (&self.part, step) {
            (Refused::Alias(refused), Step::AddAlias { alias } | Step::MoveAlias { alias, .. }) => alias == refused,
            (Refused::Tags, Step::Tag { .. }) => true,
            (Refused::Rotation, step) => step.part() == Part::Rotation,
            (Refused::Description, step) => step.part() == Part::Description,
            (Refused::Policy, step) => step.part() == Part::Policy,
            (Refused::Role, step) => step.part() == Part::Role,
            (Refused::Kind | Refused::LeftOut | Refused::Alias(_) | Refused::Tags, _) => false,
        }
    }
}

/// The parts of the spec that this key, or this provider, cannot accept.
#[must_use]
pub fn refusals(desired: &Desired, rules: &Rules, kind: &KeyTemplate, multi_region: Option<&MultiRegion>) -> Vec<Refusal> {
    let limits = rules.limits();
    let mut refusals = Vec::new();
    let mut refuse = |part, message: Option<String>| {
        refusals.extend(message.map(|message| Refusal { part, reason: Reason::InvalidSpec, message }));
    };
    for sentence in &desired.left_out {
        refuse(Refused::LeftOut, Some(sentence.clone()));
    }
    refuse(Refused::Rotation, rotation_refused(desired, limits, kind, multi_region));
    let kind_refused = (kind.multi_region && !limits.multi_region)
        .then(|| format!("spec.key.multiRegion is true, but Keyward cannot create such keys at {}; set it to false", limits.name));
    refuse(Refused::Kind, kind_refused);
    let length = desired.description.as_ref().map(|text| text.chars().count()).filter(|length| *length > limits.description);
    refuse(
        Refused::Description,
        length.map(|length| {
            format!("spec.description has {length} characters, but {} accepts at most {}; shorten it", limits.name, limits.description)
        }),
    );
    let forbidden = || {
        let tag = desired.tags.keys().find(|tag| !rules.allows_tag(tag))?;
        Some(format!("spec.tags has {}, which KeyProvider {} does not allow; see its spec.allow.tagKeys", text::name(tag), rules.name))
    };
    refuse(Refused::Tags, tags_refused(desired, rules).or_else(forbidden));
    for alias in &desired.aliases {
        let name = alias.strip_prefix("alias/").unwrap_or(alias);
        let message = (!rules.allows_alias(name)).then(|| {
            format!("spec.aliases has {}, which KeyProvider {} does not allow; see its spec.allow.aliases", text::name(name), rules.name)
        });
        refuse(Refused::Alias(alias.clone()), message);
    }
    refusals.extend(policy_refused(desired, rules));
    refusals
}

/// A key policy that the KMS does not have, or that the provider does not allow.
fn policy_refused(desired: &Desired, rules: &Rules) -> Option<Refusal> {
    let wanted = desired.key_policy.as_ref()?;
    let refuse = |reason, message| Some(Refusal { part: Refused::Policy, reason, message });
    if !rules.limits().key_policies {
        let message = format!("spec.policy is set, but {} has no key policies; remove spec.policy", rules.limits().name);
        return refuse(Reason::InvalidSpec, message);
    }
    let caller = rules.principal.as_deref().and_then(Caller::of);
    let why = Allowed { rule: &rules.allow.policies, account: &rules.account, caller }.refuses(&wanted.document)?;
    refuse(
        Reason::PolicyNotAllowed,
        format!("spec.policy {why}, which KeyProvider {} does not allow; see its spec.allow.policies", rules.name),
    )
}

/// The key does not become the primary key.
#[must_use]
pub const fn role_refused(reason: Reason, message: String) -> Refusal {
    Refusal { part: Refused::Role, reason, message }
}

/// What a key policy, which is not the declared one, would take away of what Keyward needs, as a list. `None`: nothing certainly, or it cannot be read.
#[must_use]
pub fn lost_with(policy: &str, desired: &Desired, rules: &Rules, arn: &str) -> Option<String> {
    // A replica is replicated, and becomes the primary key, with the principal of another provider.
    let Access::Loses(actions) = own_access(&Document::read(policy).ok()?, desired, rules, arn, desired.primary) else { return None };
    Some(listed(actions))
}

fn listed(actions: BTreeSet<&'static str>) -> String {
    actions.into_iter().collect::<Vec<_>>().join(", ")
}

/// The facets that are read only because they are declared. A policy that cannot be set is not read either, except for an object that only
/// observes.
#[must_use]
pub fn declared_facets(desired: &Desired, rules: &Rules) -> Facets {
    let observes = desired.policy == ManagementPolicy::Observe && rules.limits().key_policies;
    let reads = desired.key_policy.is_some() && (observes || policy_refused(desired, rules).is_none());
    if reads { Facets::POLICY } else { Facets::NONE }
}

/// Whether the step that sets the policy would take away what Keyward needs on the key.
#[must_use]
pub fn locked_out(desired: &Desired, rules: &Rules, key: &Key) -> Option<Refusal> {
    let wanted = &desired.key_policy.as_ref()?.document;
    let lost = |document| match on_key(document, desired, rules, key) {
        Access::Loses(actions) => actions,
        Access::Keeps | Access::Unknown(_) => BTreeSet::new(),
    };
    let mut actions = lost(wanted);
    // A policy that takes nothing more away is set, so that a correction of another statement does not wait: what the key lacks already is told where it is
    // called. This does not hold for what keeps the key alive.
    if let Some(KeyPolicy::Text(found)) = &key.policy
        && let Ok(found) = Document::read(found)
    {
        let missing = lost(&found);
        actions.retain(|action| access::keeps_alive(action) || !missing.contains(action));
    }
    if actions.is_empty() {
        return None;
    }
    let who = rules.principal.as_deref().and_then(Caller::of).map_or_else(|| "Keyward".into(), Caller::shown);
    let message = format!(
        "spec.policy does not allow {who} what Keyward needs on key {}: {}; correct the policy, so that it allows them",
        key.arn,
        listed(actions)
    );
    Some(Refusal { part: Refused::Policy, reason: Reason::PolicyWouldLockOut, message })
}

/// The step that sets the declared key policy on a key whose deletion Keyward was denied to cancel: the key's own policy may be what denies it. A key policy is
/// the one setting that can be set while a key is pending deletion (AWS KMS Developer Guide, "Key states of AWS KMS keys"). `None`: the policy of the key was
/// not read or is as declared, or the declared one is refused. Only what keeps the key alive is asked of it, because a key that cannot be saved is lost.
#[must_use]
pub fn policy_before_cancel(desired: &Desired, memory: &Memory, rules: &Rules, key: &Key) -> Option<Step> {
    let mut settings = Settings::default();
    key_policy(desired, memory, rules, key, &mut settings);
    let caller = rules.principal.as_deref().and_then(Caller::of);
    let locks_out = |wanted| matches!(access(wanted, caller, &key.arn, Also::default()), Access::Loses(_));
    let refused = policy_refused(desired, rules).is_some() || desired.key_policy.as_ref().is_some_and(|wanted| locks_out(&wanted.document));
    settings.steps.pop().filter(|_| !refused)
}

/// What Keyward may do on that key under a policy.
fn on_key(policy: &Document, desired: &Desired, rules: &Rules, key: &Key) -> Access {
    let is_replica = matches!(key.multi_region, Some(MultiRegion::Replica(_)));
    let is_primary = desired.primary || (!is_replica && (key.kind.multi_region || key.multi_region.is_some()));
    own_access(policy, desired, rules, &key.arn, is_primary)
}

fn own_access(policy: &Document, desired: &Desired, rules: &Rules, arn: &str, primary: bool) -> Access {
    let (is_scheduled, grants) = (desired.life != Life::Live, &rules.allow.grants);
    let also = Also {
        rotation: desired.rotation.map(|rotation| rotation != WantedRotation::Off),
        on_demand: desired.rotate.is_some(),
        description: desired.description.is_some(),
        tags: !desired.tags.is_empty() || !rules.default_tags.is_empty() || !rules.default_tag_keys.is_empty(),
        claim: desired.adopt.is_none(),
        aliases: !desired.aliases.is_empty(),
        revoking: true,
        grants: !grants.principals.is_empty() && !grants.operations.is_empty(),
        primary,
        deletion: is_scheduled || desired.deletion_policy == DeletionPolicy::Delete,
        last_use: rules.guard.minimum_idle_days > 0 && (is_scheduled || desired.deletion_policy != DeletionPolicy::Retain),
    };
    access(policy, rules.principal.as_deref().and_then(Caller::of), arn, also)
}

fn rotation_refused(desired: &Desired, limits: &Limits, kind: &KeyTemplate, multi_region: Option<&MultiRegion>) -> Option<String> {
    // A key that is to become the primary key gets its rotation then.
    if let (Some(_), Some(MultiRegion::Replica(primary)), false) = (desired.rotation, multi_region, desired.primary) {
        return Some(format!(
            "spec.autoRotation is set, but this key is a replica, which has the rotation of its primary {primary}; set it there and remove it here"
        ));
    }
    let Some(WantedRotation::On(period)) = desired.rotation else { return None };
    if !limits.rotates(&kind.spec, &kind.origin) {
        return Some(format!(
            "spec.autoRotation is true, but {} rotates only {} keys of origin {}, and this one is {} of origin {}; remove spec.autoRotation",
            limits.name,
            limits.rotatable.0.join(" and "),
            limits.rotatable.1,
            kind.spec,
            kind.origin
        ));
    }
    let period = period.filter(|period| !(limits.rotation.0..=limits.rotation.1).contains(period))?;
    Some(format!(
        "spec.rotationPeriodDays is {period}, but {} accepts {} to {} days; change it",
        limits.name, limits.rotation.0, limits.rotation.1
    ))
}

/// Tags that the KMS cannot accept.
fn tags_refused(desired: &Desired, rules: &Rules) -> Option<String> {
    let Limits { name, tags: TagLimits { key, value, count, forbidden }, .. } = rules.limits();
    let tags = rules.tags_with(&desired.tags);
    let has = |tag: &str| {
        if desired.tags.contains_key(tag) {
            format!("spec.tags has {}", text::name(tag))
        } else {
            format!("spec.defaultTags of KeyProvider {} has {}", rules.name, text::name(tag))
        }
    };
    let long = |text: &str, most: usize| text.chars().count() > most;
    if let Some((tag, _)) = tags.iter().find(|(tag, text)| long(tag, *key) || long(text, *value)) {
        return Some(format!(
            "{}, but {name} accepts keys of at most {key} and values of at most {value} characters; shorten it",
            has(tag)
        ));
    }
    let bars = |text: &str| text.chars().any(|c| forbidden.contains(c) || (!forbidden.is_empty() && c.is_control()));
    if let Some((tag, _)) = tags.iter().find(|(tag, text)| bars(tag) || bars(text)) {
        return Some(format!(
            "{}, but {name} accepts no control characters and none of {forbidden} in keys and values; remove them",
            has(tag)
        ));
    }
    let (own, most) = (desired.tags.len(), count - mark::COUNT);
    let more = match tags.len() - own {
        0 => String::new(),
        more => format!(" and spec.defaultTags of KeyProvider {} adds {more}", rules.name),
    };
    (tags.len() > most).then(|| {
        format!(
            "spec.tags has {own} tags{more}, but {name} accepts {count} on a key, and Keyward needs {} of them; remove some",
            mark::COUNT
        )
    })
}

/// Compares the declared settings with those that were read. A setting that was not read is not compared.
#[must_use]
pub fn compare(desired: &Desired, memory: &Memory, rules: &Rules, key: &Key) -> Settings {
    let mut settings = Settings::default();
    if key.state.is_pending() {
        return settings;
    }
    rotation(desired, memory, rules, key, &mut settings);
    // If this object set the description and the field is removed, the description is cleared.
    let is_ours = memory.status.applied.as_ref().is_some_and(|applied| applied.description == Some(true));
    let wanted = desired.description.clone().or_else(|| is_ours.then(String::new));
    let differs = |wanted: &String| key.description.as_ref().map_or_else(|| is_news(desired, memory), |found| found != wanted);
    if let Some(description) = wanted.filter(differs) {
        settings.steps.push(Step::Describe { description });
    }
    tags(desired, memory, rules, key, &mut settings);
    aliases(desired, memory, rules, key, &mut settings);
    key_policy(desired, memory, rules, key, &mut settings);
    settings
}

/// Whether the current spec was not applied yet. Then a setting that the KMS does not report is set once, and counts as unchanged after
/// that.
fn is_news(desired: &Desired, memory: &Memory) -> bool {
    memory.status.applied.as_ref().is_none_or(|applied| applied.generation != desired.generation)
}

fn rotation(desired: &Desired, memory: &Memory, rules: &Rules, key: &Key, settings: &mut Settings) {
    let (Some(wanted), Some(found)) = (desired.rotation, key.rotation) else {
        return;
    };
    let step = match wanted {
        WantedRotation::Off => found.enabled.then_some(Step::StopRotation),
        WantedRotation::On(None) => (!found.enabled).then(|| Step::StartRotation { period_days: rules.limits().default_rotation }),
        WantedRotation::On(Some(period_days)) => {
            let differs = found.period_days.map_or_else(|| is_news(desired, memory), |found| found != period_days);
            (!found.enabled || differs).then_some(Step::StartRotation { period_days })
        }
    };
    match (step, key.state) {
        (None, _) => {}
        (Some(step), _) if matches!(key.multi_region, Some(MultiRegion::Replica(_))) && desired.primary => {
            settings.waits = Some(format!("cannot {step} while it is a replica; Keyward does it when the key is the primary key"));
        }
        (Some(step), State::Enabled) => settings.steps.push(step),
        (Some(step), _) => {
            settings.waits = Some(format!(
                "cannot {step} while it is {}; Keyward does it when the key is enabled",
                crate::api::managed_key::KeyState::from(key.state).as_str()
            ));
        }
    }
}

fn tags(desired: &Desired, memory: &Memory, rules: &Rules, key: &Key, settings: &mut Settings) {
    let Some(found) = &key.tags else {
        return;
    };
    let wanted = rules.tags_with(&desired.tags);
    let missing: Tags = wanted.iter().filter(|(key, value)| found.get(*key) != Some(value)).map(|(k, v)| (k.clone(), v.clone())).collect();
    let applied = memory.status.applied.iter().flat_map(|applied| &applied.tag_keys);
    // The list in the status gives no right to remove marks, or tags that neither the object nor the provider could have set.
    let applied = applied.filter(|key| rules.lets_remove_tag(key));
    let surplus: BTreeSet<String> = applied.filter(|key| !wanted.contains_key(*key) && found.contains_key(*key)).cloned().collect();
    let new = missing.keys().filter(|key| !found.contains_key(*key)).count();
    let fits = found.len() + new <= rules.limits().tags.count;
    let set = (!missing.is_empty()).then_some(Step::Tag { tags: missing });
    let remove = (!surplus.is_empty()).then_some(Step::Untag { keys: surplus });
    // A tag may grant access, so new tags are set before old ones are removed, unless there is no room for both.
    settings.steps.extend(if fits { [set, remove] } else { [remove, set] }.into_iter().flatten());
}

/// Whether the key has no room for one more alias.
#[must_use]
pub fn is_full(rules: &Rules, key: &Key) -> bool {
    rules.limits().aliases.is_some_and(|most| key.aliases.as_ref().is_some_and(|found| found.len() >= most))
}

fn aliases(desired: &Desired, memory: &Memory, rules: &Rules, key: &Key, settings: &mut Settings) {
    let Some(found) = &key.aliases else {
        return;
    };
    // A key that Keyward created keeps its claim, so that a later object of the same name finds it.
    let claim = desired.adopt.is_none().then(|| desired.owner.claim_alias());
    let wanted = claim.iter().chain(&desired.aliases);
    let add: Vec<Step> = wanted.filter(|alias| !found.contains(alias)).map(|alias| Step::AddAlias { alias: alias.clone() }).collect();
    let applied = memory.status.applied.iter().flat_map(|applied| &applied.aliases);
    let applied = applied.filter(|alias| !is_reserved_alias(alias) && rules.allows_alias(alias));
    let applied = applied.map(|alias| format!("alias/{alias}"));
    let surplus = applied.filter(|alias| !desired.aliases.contains(alias) && found.contains(alias));
    let remove: Vec<Step> = surplus.map(|alias| Step::RemoveAlias { alias }).collect();
    // One step is done at a time, and the next is planned on its result. So if a key has no room, one alias is removed for each that is
    // added.
    settings.steps.extend(if is_full(rules, key) { [remove, add] } else { [add, remove] }.into_iter().flatten());
}

/// The policy comes last: it may take away rights that the other settings need.
fn key_policy(desired: &Desired, memory: &Memory, rules: &Rules, key: &Key, settings: &mut Settings) {
    let (Some(wanted), Some(found)) = (&desired.key_policy, &key.policy) else {
        return;
    };
    let differs = match found {
        KeyPolicy::Untold => is_news(desired, memory),
        KeyPolicy::Text(text) => {
            Document::read(text).map_or(true, |found| !compare::differences(&wanted.document, &found, &key.arn).is_empty())
        }
    };
    if differs {
        let unsure = match on_key(&wanted.document, desired, rules, key) {
            Access::Unknown(why) => Some(why.to_string()),
            Access::Loses(actions) => Some(format!("it does not allow Keyward {}", listed(actions))),
            Access::Keeps => None,
        };
        settings.steps.push(Step::SetPolicy { policy: wanted.text.clone(), unsure });
    }
}
