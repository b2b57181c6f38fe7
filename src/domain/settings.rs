//! Rotation, description, tags and aliases: what differs, and what a spec may not ask for.

use std::collections::BTreeSet;

use super::{
    desired::{Desired, WantedRotation},
    limits::{Limits, TagLimits},
    memory::Memory,
    observed::{Key, MultiRegion, State},
    ownership::Tags,
    rules::Rules,
    step::{Part, Step},
};
use crate::api::{managed_key::KeyTemplate, mark};

/// What is to be done about the settings of a key.
#[derive(Debug, Default, PartialEq)]
pub struct Settings {
    /// The steps that are left, in their order.
    pub steps: Vec<Step>,
    /// What cannot be done in the key's present state, and why.
    pub waits: Option<String>,
}

/// A part of the spec that this key, or this provider, cannot take. The other parts are applied.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is left out because of it.
    part: Refused,
    /// The sentence for the person who wrote it.
    pub message: String,
}

#[derive(Debug, PartialEq, Eq)]
enum Refused {
    /// It cannot be had by a key that exists.
    Kind,
    /// It was left out of what is declared, so that no step does it.
    LeftOut,
    Rotation,
    Description,
    Tags,
    /// One alias, with `alias/`.
    Alias(String),
}

impl Refusal {
    /// Whether a step would do what is refused.
    #[must_use]
    pub fn bars(&self, step: &Step) -> bool {
        match (&self.part, step) {
            (Refused::Alias(refused), Step::AddAlias { alias } | Step::MoveAlias { alias, .. }) => alias == refused,
            (Refused::Tags, Step::Tag { .. }) => true,
            (Refused::Rotation, step) => step.part() == Part::Rotation,
            (Refused::Description, step) => step.part() == Part::Description,
            (Refused::Kind | Refused::LeftOut | Refused::Alias(_) | Refused::Tags, _) => false,
        }
    }
}

/// What the spec asks for that this key, or this provider, cannot take.
#[must_use]
pub fn refusals(desired: &Desired, rules: &Rules, kind: &KeyTemplate, multi_region: Option<&MultiRegion>) -> Vec<Refusal> {
    let limits = rules.limits();
    let mut refusals = Vec::new();
    let mut refuse = |part, message: Option<String>| refusals.extend(message.map(|message| Refusal { part, message }));
    for sentence in &desired.left_out {
        refuse(Refused::LeftOut, Some(sentence.clone()));
    }
    refuse(Refused::Rotation, rotation_refused(desired, limits, kind, multi_region));
    let kind_refused = (kind.multi_region && !limits.multi_region)
        .then(|| format!("spec.key.multiRegion is true, but {} has no such keys; set it to false", limits.name));
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
        Some(format!("spec.tags has {tag}, which KeyProvider {} does not allow; see its spec.allow.tagKeys", rules.name))
    };
    refuse(Refused::Tags, tags_refused(desired, limits).or_else(forbidden));
    for alias in &desired.aliases {
        let name = alias.strip_prefix("alias/").unwrap_or(alias);
        let message = (!rules.allows_alias(name))
            .then(|| format!("spec.aliases has {name}, which KeyProvider {} does not allow; see its spec.allow.aliases", rules.name));
        refuse(Refused::Alias(alias.clone()), message);
    }
    refusals
}

fn rotation_refused(desired: &Desired, limits: &Limits, kind: &KeyTemplate, multi_region: Option<&MultiRegion>) -> Option<String> {
    if let (Some(_), Some(MultiRegion::Replica(primary))) = (desired.rotation, multi_region) {
        return Some(format!(
            "spec.autoRotation is set, but this key is a replica and takes its rotation from {primary}; set it there and remove it here"
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
    Some(format!("spec.rotationPeriodDays is {period}, but {} accepts {} to {} days", limits.name, limits.rotation.0, limits.rotation.1))
}

/// Tags that the KMS cannot take.
fn tags_refused(desired: &Desired, limits: &Limits) -> Option<String> {
    let Limits { name, tags: TagLimits { key, value, count, forbidden }, .. } = limits;
    let long = |text: &str, most: usize| text.chars().count() > most;
    if let Some((tag, _)) = desired.tags.iter().find(|(tag, text)| long(tag, *key) || long(text, *value)) {
        return Some(format!("spec.tags has {tag}, but {name} accepts keys of at most {key} and values of at most {value} characters"));
    }
    let bars = |text: &str| text.chars().any(|c| forbidden.contains(c) || (!forbidden.is_empty() && c.is_control()));
    if let Some((tag, _)) = desired.tags.iter().find(|(tag, text)| bars(tag) || bars(text)) {
        return Some(format!("spec.tags has {tag}, but {name} accepts no control characters and none of {forbidden} in keys and values"));
    }
    let most = count - mark::COUNT;
    (desired.tags.len() > most).then(|| {
        format!("spec.tags has {} tags, but {name} accepts {count} on a key, of which {} are Keyward's", desired.tags.len(), mark::COUNT)
    })
}

/// Whether no object may set or remove a tag of that key: marks are Keyward's own, and `aws:` is the KMS's.
#[must_use]
pub fn is_reserved_tag(key: &str) -> bool {
    key.starts_with(mark::RESERVED_PREFIX) || key.starts_with("aws:")
}

/// Whether no object may set or remove that alias, written without `alias/`: claims are Keyward's own, and `aws/` is the KMS's.
#[must_use]
pub fn is_reserved_alias(alias: &str) -> bool {
    alias.starts_with("keyward/") || alias.starts_with("aws/")
}

/// What differs between the declared settings and those that were read. What was not read is not compared.
#[must_use]
pub fn compare(desired: &Desired, memory: &Memory, rules: &Rules, key: &Key) -> Settings {
    let mut settings = Settings::default();
    if key.state.is_pending() {
        return settings;
    }
    rotation(desired, memory, rules, key, &mut settings);
    // One that this object set goes with the field.
    let is_ours = memory.status.applied.as_ref().is_some_and(|applied| applied.description == Some(true));
    let wanted = desired.description.clone().or_else(|| is_ours.then(String::new));
    let differs = |wanted: &String| key.description.as_ref().map_or_else(|| is_news(desired, memory), |found| found != wanted);
    if let Some(description) = wanted.filter(differs) {
        settings.steps.push(Step::Describe { description });
    }
    tags(desired, memory, rules, key, &mut settings);
    aliases(desired, memory, rules, key, &mut settings);
    settings
}

/// Whether the spec, as it is now, was not applied yet. What the KMS does not tell is set then, and taken to be as it was set from there on.
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
        (Some(step), State::Enabled) => settings.steps.push(step),
        (Some(step), _) => {
            settings.waits = Some(format!(
                "cannot {step} while it is {}; it waits until the key is enabled",
                crate::api::managed_key::KeyState::from(key.state).as_str()
            ));
        }
    }
}

fn tags(desired: &Desired, memory: &Memory, rules: &Rules, key: &Key, settings: &mut Settings) {
    let Some(found) = &key.tags else {
        return;
    };
    let missing: Tags =
        desired.tags.iter().filter(|(key, value)| found.get(*key) != Some(value)).map(|(k, v)| (k.clone(), v.clone())).collect();
    let applied = memory.status.applied.iter().flat_map(|applied| &applied.tag_keys);
    // What status lists is no authority: over the marks, or over what the object could not have set.
    let applied = applied.filter(|key| !is_reserved_tag(key) && rules.allows_tag(key));
    let surplus: BTreeSet<String> = applied.filter(|key| !desired.tags.contains_key(*key) && found.contains_key(*key)).cloned().collect();
    let new = missing.keys().filter(|key| !found.contains_key(*key)).count();
    let fits = found.len() + new <= rules.limits().tags.count;
    let set = (!missing.is_empty()).then_some(Step::Tag { tags: missing });
    let remove = (!surplus.is_empty()).then_some(Step::Untag { keys: surplus });
    // Access may hang on a tag, so what comes is set before what goes is removed, unless there is no room for both.
    settings.steps.extend(if fits { [set, remove] } else { [remove, set] }.into_iter().flatten());
}

/// Whether the key has no room for another alias.
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
    // One step is taken at a time, and the next is planned on what it leaves: where a key has no room, one goes for each that comes.
    settings.steps.extend(if is_full(rules, key) { [remove, add] } else { [add, remove] }.into_iter().flatten());
}
