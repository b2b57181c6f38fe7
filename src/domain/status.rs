//! The status that people and tools see, made from the report of a round.
//!
//! The same result gives the same status, so an idle operator writes nothing. Messages are sentences with a next step. They have no request ids, no times
//! that move, and no secrets.
//!
//! What the status remembers of a deletion is `Record`'s to change. Here it is told what a look showed.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{
    command,
    deletion::{
        LastUse, Observation, Record,
        hold::{AT_THE_END, Hold, why},
    },
    desired::{Desired, Life},
    failure::{self, Failure, Retry},
    limits::Limits,
    memory::Memory,
    observed::{Facet, Key, MultiRegion, Observed, State},
    on_demand::{self, Look},
    ownership::{Owner, Ownership},
    plan::{Gone, Note, Plan, Rest, Undone},
    publish::Trouble,
    requeue::RESYNC,
    rotation,
    rules::Rules,
    step::Step,
};
use crate::{
    api::{
        ConditionType, ManagedKeyStatus, Reason, annotation,
        condition::{self, seconds},
        managed_key::{
            Applied, Deletion, DeletionOrigin, DeletionPolicy, KeyFacts, KeyState, KnownUse, LONGEST_WORD, LONGEST_XKS_KEY_ID,
            MOST_APPLIED, ManagementPolicy, OnDemand, ProviderFacts,
        },
        publish_to::MOST_ATTEMPTS,
        replica_of::{LONGEST_ARN, MOST_REGIONS, MultiRegionFacts, MultiRegionRole, WaitsFor},
    },
    text::shown,
};

/// How a round ended.
#[derive(Debug)]
pub enum Conclusion<'a> {
    /// The last plan: nothing more can be done.
    Planned(&'a Plan),
    /// A call failed.
    Failed(&'a Failure),
    /// The round could not look at the key, or does not want to.
    Refused {
        /// Why.
        note: Note,
        /// Whether a person must act.
        stalled: bool,
    },
    /// The marks of the key were written. They are read back before anything else is done.
    ReadingBack(Note),
    /// The round ended after a step and begins again. The status keeps what was done, and says nothing new.
    Unfinished,
    /// The object is paused. The sentence says what helps.
    Paused(&'static str),
}

/// What an object says that is paused.
pub const PAUSED: &str = "the annotation keyward.dev/paused stops all work on this object; remove it to go on";

/// Who set `deletionScheduleDays`, as the API server recorded it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetBy {
    /// The managers of the field, joined.
    pub managers: String,
    /// Whether the field stays when the manifest is applied without it, because a manager other than the one that applies the manifest set it.
    pub stays: bool,
}

/// What a round reports: how far it went, and how it ended.
#[derive(Debug)]
pub struct Report<'a> {
    /// Generation of the object.
    pub generation: i64,
    /// What was declared; `None` when it could not be read.
    pub desired: Option<&'a Desired>,
    /// The provider; `None` when there is none that can be used.
    pub rules: Option<&'a Rules>,
    /// The last look; `None` when there was none.
    pub observed: Option<&'a Observed>,
    /// How it ended.
    pub conclusion: Conclusion<'a>,
    /// Changes that failed; the round continued without them.
    pub failed: &'a [Failure],
    /// Reads that failed; the round continued without them.
    pub unread: &'a [Failure],
    /// Changes that were made before, and that the key does not show.
    pub unkept: &'a [String],
    /// Why the key is not published.
    pub unpublished: Option<&'a Trouble>,
    /// When the key was last used. `None`: the KMS was not asked.
    pub last_use: Option<LastUse>,
    /// The replicas for which the key waits, as far as other objects tell of them.
    pub replicas: &'a [WaitsFor],
    /// Who set `deletionScheduleDays`, as the API server recorded it.
    pub set_by: Option<&'a SetBy>,
    /// The value of the annotation that asked for this look.
    pub requested: Option<&'a str>,
    /// Whether the last look that saw the key is recent enough to rely on.
    pub word_stands: bool,
    /// The wait between regular looks.
    pub resync: Duration,
    /// The time of the round.
    pub now: Timestamp,
}

impl<'a> Report<'a> {
    /// The report of a round with that conclusion and nothing else: nothing failed, nobody asked for it, and the last read is recent. Reads are ten minutes
    /// apart.
    #[must_use]
    pub fn plain(
        desired: &'a Desired,
        rules: &'a Rules,
        observed: Option<&'a Observed>,
        conclusion: Conclusion<'a>,
        now: Timestamp,
    ) -> Self {
        Self {
            generation: desired.generation,
            desired: Some(desired),
            rules: Some(rules),
            observed,
            conclusion,
            failed: &[],
            unread: &[],
            unkept: &[],
            unpublished: None,
            last_use: None,
            replicas: &[],
            set_by: None,
            requested: None,
            word_stands: true,
            resync: RESYNC,
            now,
        }
    }
}

/// How long the KMS could not be asked, by the status alone; `None`: it could be asked, or that is not known. A process that just started knows no more.
#[must_use]
pub fn unreachable_for(status: &ManagedKeyStatus, now: Timestamp) -> Option<Duration> {
    let stalled = condition::find(&status.conditions, ConditionType::Stalled).is_some();
    let synced = condition::find(&status.conditions, ConditionType::Synced).filter(|synced| synced.status == "False")?;
    let (reason, _) = Reason::ALL.iter().find(|(reason, _)| reason.as_str() == synced.reason)?;
    let unreachable = !stalled && failure::is_no_news(*reason, false);
    unreachable.then(|| now.duration_since(synced.last_transition_time.0).try_into().unwrap_or_default())
}

/// The status after a round, as the report tells it.
#[must_use]
pub fn status(memory: &Memory, report: &Report<'_>) -> ManagedKeyStatus {
    let mut status = memory.status.clone();
    // A paused object is not looked at, so the request waits until the pause ends.
    if let Some(requested) = report.requested.filter(|_| !matches!(report.conclusion, Conclusion::Paused(_))) {
        status.last_handled_reconcile_at = Some(handled(requested));
    }
    if !matches!(report.conclusion, Conclusion::Paused(_) | Conclusion::Unfinished) {
        status.observed_generation = Some(report.generation);
    }
    if matches!(report.observed, Some(Observed::Present(_)))
        || interrupts(&report.conclusion) && status.key_state != Some(KeyState::Deleted)
    {
        status.missing = None;
    }
    if let (Some(Observed::Present(key)), Some(desired), Some(rules)) = (report.observed, report.desired, report.rules) {
        facts(&mut status, key, desired, rules, memory, report);
    }
    if let Conclusion::Planned(Plan::Missing(missing, _, gone)) = &report.conclusion {
        status.missing = Some(missing.clone());
        match gone {
            Gone::Deleted => Record::of(&mut status).seen(Observation::Deleted),
            Gone::Lost => Record::of(&mut status).seen(Observation::Lost),
            Gone::Unsure => {}
        }
    }
    if let (Conclusion::Planned(Plan::Hold(Hold { reason: Reason::BudgetExhausted, .. })), Some(Observed::Present(key))) =
        (&report.conclusion, report.observed)
        && key.state.is_pending()
    {
        Record::of(&mut status).seen(Observation::OtherDaysStopped);
    }
    if let (Conclusion::Planned(Plan::Rest(rest)), Some(desired)) = (&report.conclusion, report.desired) {
        rested(&mut status, rest, desired, report);
    }
    conditions(&mut status, memory, report);
    if condition::find(&status.conditions, ConditionType::PendingDeletion).is_none() {
        Record::of(&mut status).seen(Observation::NothingPending);
    }
    used(&mut status, report);
    status
}

/// Whether a round that did not see the key ends a row of answers that there is no such key: the KMS gave another answer, or the provider is for another place.
const fn interrupts(conclusion: &Conclusion<'_>) -> bool {
    match conclusion {
        Conclusion::Failed(failure) => failure.kind.is_answer(),
        Conclusion::Refused { note, .. } | Conclusion::Planned(Plan::Stall(note)) => matches!(note.reason, Reason::WrongAccount),
        Conclusion::Planned(_) | Conclusion::ReadingBack(_) | Conclusion::Unfinished | Conclusion::Paused(_) => false,
    }
}

/// The use of the key, for as long as it holds the deletion.
fn used(status: &mut ManagedKeyStatus, report: &Report<'_>) {
    if let Conclusion::Planned(Plan::Hold(Hold { used: Some(used), .. })) = &report.conclusion {
        return Record::of(status).seen(Observation::InUse { used: *used });
    }
    if condition::held(&status.conditions) != Some(Reason::KeyInUse) {
        Record::of(status).seen(Observation::NotInUse);
    }
}

/// Shortens what others wrote to what the schema accepts, so that the API server does not refuse the status. Identifiers stay as they are: a shorter one would
/// name another key.
pub fn fit(status: &mut ManagedKeyStatus) {
    if let Some(applied) = &mut status.applied {
        // What is dropped here stays on the key. This object cannot have put so many there: no KMS accepts as many tags.
        applied.tag_keys.truncate(MOST_APPLIED);
        applied.aliases.truncate(MOST_APPLIED);
    }
    status.publish_attempts.truncate(MOST_ATTEMPTS);
    if let Some(MultiRegionFacts { role: _, primary_key_arn, replica_key_arns }) = &mut status.multi_region {
        let fits = |arn: &String| arn.chars().count() <= LONGEST_ARN && shown(arn) == *arn;
        primary_key_arn.take_if(|arn| !fits(arn));
        replica_key_arns.retain(fits);
        replica_key_arns.truncate(MOST_REGIONS);
    }
    if let Some(KeyFacts { spec, usage, origin, manager, multi_region: _, custom_key_store_id, xks_key_id, creation_time: _ }) =
        &mut status.key
    {
        for word in [spec, usage, origin, manager] {
            *word = shown(word).chars().take(LONGEST_WORD).collect();
        }
        for (id, longest) in [(custom_key_store_id, LONGEST_WORD), (xks_key_id, LONGEST_XKS_KEY_ID)] {
            id.take_if(|id| id.chars().count() > longest || shown(id) != *id);
        }
    }
}

/// The value of a request for a look, as the status confirms it. The API server refuses longer texts. It also refuses a whole status that has control
/// characters, because it reads it as YAML.
#[must_use]
pub fn handled(requested: &str) -> String {
    shown(requested).chars().take(1024).collect()
}

/// What a look at the key says of it.
fn facts(status: &mut ManagedKeyStatus, key: &Key, desired: &Desired, rules: &Rules, memory: &Memory, report: &Report<'_>) {
    let ours = match key.tags.as_ref().map(|tags| Ownership::of(tags, &desired.owner)) {
        Some(Ownership::Ours) => true,
        // A key that is only watched has no marks.
        Some(Ownership::Unmarked) => {
            desired.policy == ManagementPolicy::Observe && matches!(report.conclusion, Conclusion::Planned(Plan::Rest(_)))
        }
        Some(_) => false,
        None => status.key_id.is_some(),
    };
    let resting = rests_unbound(report);
    if !ours && !resting {
        let concerns = estranged(memory, report).is_some();
        return Record::of(status).seen(Observation::Unmarked { key, concerns, asked: desired.days() });
    }
    if ours {
        // `keyId` is immutable once it is set.
        status.key_id.get_or_insert_with(|| key.id.clone());
        status.key_arn.get_or_insert_with(|| key.arn.clone());
    }
    let judged = matches!(report.conclusion, Conclusion::Planned(Plan::Rest(_) | Plan::Hold(_) | Plan::Do(_)) | Conclusion::Unfinished);
    Record::of(&mut *status).seen(Observation::Own { key, asked: desired.days(), judged, now: report.now });
    Record::of(&mut *status).seen(Observation::Waits { replicas: report.replicas });
    // These facts of a key never change. If the KMS does not tell one this time, the known one stays.
    let known = status.key.take().unwrap_or_default();
    let word = |told: &str, known: String| if told.is_empty() { known } else { told.to_owned() };
    status.key = Some(KeyFacts {
        spec: word(&key.kind.spec, known.spec),
        usage: word(&key.kind.usage, known.usage),
        origin: word(&key.kind.origin, known.origin),
        manager: if key.customer_managed { "CUSTOMER" } else { "PROVIDER" }.into(),
        multi_region: key.kind.multi_region,
        custom_key_store_id: key.kind.custom_key_store_id.clone().or(known.custom_key_store_id),
        xks_key_id: key.kind.xks_key_id.clone().or(known.xks_key_id),
        creation_time: key.creation_time.map(seconds).or(known.creation_time),
    });
    // The KMS need not tell the role of a key without replicas.
    status.multi_region = key.multi_region.as_ref().map(regions).or(status.multi_region.take()).filter(|_| key.kind.multi_region);
    status.provider = Some(ProviderFacts {
        type_: rules.provider.as_str().into(),
        account: key.account.clone(),
        region: key.region.clone(),
        endpoint: Some(rules.endpoint.clone()),
    });
    // It is never in the future, whatever the clock of the KMS is.
    match report.last_use {
        Some(LastUse::At(used)) => status.latest_use = Some(seconds(used.min(report.now))),
        Some(LastUse::Never | LastUse::Untold) => status.latest_use = None,
        Some(LastUse::NotAsked) | None => {}
    }
    // While a key is pending, AWS reports rotation as off. After a cancel the old value is back, so the known one stays.
    let found = key.rotation.filter(|_| !key.state.is_pending());
    if let Some(found) = found {
        status.rotation = Some(rotation::record(status.rotation.as_ref(), found, key.rotations.as_ref(), report.now));
    }
    on_demand_seen(status, key, desired, rules, memory, report);
}

/// What the KMS tells of the other Regions of a multi-Region key. The KMS does not promise an order.
fn regions(told: &MultiRegion) -> MultiRegionFacts {
    match told {
        MultiRegion::Primary(replicas) => {
            let mut replica_key_arns = replicas.clone();
            replica_key_arns.sort_unstable();
            MultiRegionFacts { role: MultiRegionRole::Primary, primary_key_arn: None, replica_key_arns }
        }
        MultiRegion::Replica(primary) => {
            MultiRegionFacts { role: MultiRegionRole::Replica, primary_key_arn: Some(primary.clone()), replica_key_arns: Vec::new() }
        }
    }
}

/// What a look says of the rotations on demand that the object requested.
fn on_demand_seen(status: &mut ManagedKeyStatus, key: &Key, desired: &Desired, rules: &Rules, memory: &Memory, report: &Report<'_>) {
    let mut record = on_demand::of(status).cloned().unwrap_or_default();
    let look = Look {
        asked: desired.rotate.as_deref(),
        had_key: memory.is_bound(),
        found: key.rotation.filter(|_| !key.state.is_pending()),
        listed: key.rotations.as_ref(),
        counts: rules.limits().rotations_on_demand.is_some(),
        now: report.now,
    };
    on_demand::seen(&mut record, &look);
    if record != OnDemand::default() {
        *on_demand::of_mut(status) = record;
    }
}

/// Whether the object rests on a key that it is not bound to.
const fn rests_unbound(report: &Report<'_>) -> bool {
    matches!(report.conclusion, Conclusion::Planned(Plan::Rest(rest)) if rest.unbound)
}

/// The key that the object had or looks for, if it does not have the object's marks any more. If that key is pending deletion, this may be a mistake, and the
/// object's data would be lost with the key. So it is told.
///
/// A key that the object only names in `spec.keyId`, and that it may not adopt, is not told of: whoever knows the name of a key would learn what happens to it.
fn estranged<'a>(memory: &Memory, report: &Report<'a>) -> Option<&'a Key> {
    let (Some(Observed::Present(key)), Some(desired)) = (report.observed, report.desired) else { return None };
    let ownership = Ownership::of(key.tags.as_ref()?, &desired.owner);
    let watches = desired.policy == ManagementPolicy::Observe && ownership == Ownership::Unmarked;
    if watches || ownership == Ownership::Ours || rests_unbound(report) {
        return None;
    }
    let refused = matches!(&report.conclusion, Conclusion::Planned(Plan::Stall(note)) if note.reason != Reason::OwnedByAnother);
    let only_named = desired.adopt.is_some() && memory.reference().is_none() && ownership != Ownership::Namesake;
    (!(refused && only_named)).then_some(key)
}

/// Whether a look shows that there is no pending deletion to tell of any more. A look that does not find the key, or does not read whose it is, shows nothing: the
/// known deletion is told until the key is taken for deleted, or for lost after its date.
fn shows_no_deletion(status: &ManagedKeyStatus, report: &Report<'_>) -> bool {
    let is_due = status.deletion_date.as_ref().is_none_or(|date| date.0 <= report.now);
    match (report.observed, &report.conclusion) {
        (Some(Observed::Present(key)), _) => !key.state.is_pending() || key.tags.is_some(),
        (Some(Observed::Absent(_)), Conclusion::Planned(Plan::Missing(_, _, gone))) => match gone {
            Gone::Deleted => true,
            Gone::Lost => is_due,
            Gone::Unsure => false,
        },
        // A key is not looked for where the object had it.
        (Some(Observed::Absent(_)), Conclusion::Planned(Plan::Stall(note))) if note.reason == Reason::WrongAccount => false,
        // The object has no key and does not look for one any more.
        (Some(Observed::Absent(_)), Conclusion::Planned(plan)) => !matches!(plan, Plan::Wait(_) | Plan::Read(_)),
        (None | Some(Observed::Several(_) | Observed::Absent(_)), _) => false,
    }
}

/// How the key of this status is pending, if it is. The condition `PendingDeletion` says that it is, even if the key belongs to another object.
#[must_use]
pub fn pending(status: &ManagedKeyStatus) -> Option<KeyState> {
    condition::find(&status.conditions, ConditionType::PendingDeletion)?;
    if Record::of(status).was_pending() {
        return status.key_state;
    }
    Some(if status.deletion_date.is_some() { KeyState::PendingDeletion } else { KeyState::PendingReplicaDeletion })
}

/// What was applied, once nothing is left to do.
fn rested(status: &mut ManagedKeyStatus, rest: &Rest, desired: &Desired, report: &Report<'_>) {
    if rest.unbound || desired.policy == ManagementPolicy::Observe {
        return;
    }
    let without_record = desired.policy == ManagementPolicy::EnforceOnChange && status.applied.is_none();
    if without_record && !rest.drift.is_empty() {
        return;
    }
    let Some(Observed::Present(key)) = report.observed else { return };
    if desired.life == Life::Live && key.state.is_pending() {
        // The policy leaves the schedule as it is, and nothing was compared or applied.
        return;
    }
    let before = status.applied.take().unwrap_or_default();
    // A default tag that the policy leaves as it is was not applied, and one that it leaves on the key still was.
    let mut tag_keys: BTreeSet<String> = desired.tags.keys().cloned().collect();
    if rest.drift.is_empty() {
        tag_keys.extend(report.rules.into_iter().flat_map(|rules| rules.default_tags.keys().cloned()));
    } else {
        tag_keys.extend(before.tag_keys.iter().cloned());
    }
    let unread =
        (desired.rotation.is_some() && key.unread.has(Facet::Rotation)) || key.unread.has(Facet::Aliases) || key.unread.has(Facet::Policy);
    let whole = rest.refused.is_none() && rest.stays.is_none() && report.failed.is_empty() && !unread;
    status.applied = Some(match desired.life {
        // Some settings are not on the key yet. The next round continues with them.
        Life::Live if !whole => {
            let as_wanted = key.state == if desired.wants_enabled() { State::Enabled } else { State::Disabled };
            let enabled = if as_wanted { Some(desired.wants_enabled()) } else { before.enabled };
            // A withdrawn deletion stays on record until the key is enabled again, if it is to be enabled.
            let deletion_schedule_days = before.deletion_schedule_days.filter(|_| !as_wanted);
            Applied { enabled, deletion_schedule_days, ..before }
        }
        Life::Live => Applied {
            generation: desired.generation,
            enabled: Some(desired.wants_enabled()),
            deletion_schedule_days: None,
            description: desired.description.is_some().then_some(true),
            tag_keys: tag_keys.into_iter().collect(),
            default_tags: report.rules.and_then(Rules::default_tags_digest),
            aliases: desired.aliases.iter().filter_map(|alias| alias.strip_prefix("alias/")).map(str::to_owned).collect(),
        },
        // While a deletion is declared nothing else is applied. What was applied before stays.
        Life::Scheduled(days) => Applied { generation: desired.generation, deletion_schedule_days: Some(days), ..before },
    });
    if desired.life == Life::Live {
        Record::of(status).seen(Observation::Alive);
    }
}

/// All conditions.
fn conditions(status: &mut ManagedKeyStatus, memory: &Memory, report: &Report<'_>) {
    // The schema's default for an object that was never looked at is -1.
    let generation = status.observed_generation.unwrap_or(report.generation).max(0);
    let mut set = Setter {
        conditions: std::mem::take(&mut status.conditions),
        generation,
        recorded: status.applied.is_some(),
        schedule: status.deletion.clone(),
        now: report.now,
    };
    match &report.conclusion {
        Conclusion::Unfinished => {}
        Conclusion::Paused(message) => set.paused(message),
        Conclusion::Refused { note, stalled: true } => set.stalled(note),
        Conclusion::Refused { note, stalled: false } if failure::is_no_news(note.reason, false) => set.unheard(note, memory, report),
        Conclusion::Refused { note, stalled: false } => set.waiting(note),
        Conclusion::ReadingBack(note) => set.working(note),
        Conclusion::Failed(failure) => set.failed(failure, memory, report),
        Conclusion::Planned(plan) => {
            set.planned(plan, memory, report);
            set.unkept(report);
            set.troubles(plan, memory, report);
        }
    }
    if let Conclusion::Refused { note: Note { message, .. }, .. }
    | Conclusion::ReadingBack(Note { message, .. })
    | Conclusion::Failed(Failure { message, .. }) = &report.conclusion
    {
        set.still_held(memory, report, message);
    }
    if let Some(text) = report.desired.and_then(|desired| desired.misspelt_pause.as_deref()) {
        set.misspelt_pause(text);
    }
    // A pause changes nothing but the note that says so.
    if !matches!(report.conclusion, Conclusion::Paused(_)) {
        set.deletion(status, memory, report);
    }
    // Conditions may have been set several times above. Only a changed status is a transition.
    for known in &mut set.conditions {
        let before = memory.status.conditions.iter().find(|before| before.type_ == known.type_ && before.status == known.status);
        if let Some(before) = before {
            known.last_transition_time = before.last_transition_time.clone();
        }
    }
    status.conditions = set.conditions;
}

struct Setter {
    conditions: Vec<Condition>,
    generation: i64,
    /// Whether it is known what was applied.
    recorded: bool,
    /// The deletion that is on record.
    schedule: Option<Deletion>,
    now: Timestamp,
}

impl Setter {
    fn set(&mut self, kind: ConditionType, status: impl Into<condition::Status>, reason: Reason, message: impl Into<String>) {
        condition::set(&mut self.conditions, kind, status, reason, message, self.generation, self.now);
    }

    fn remove(&mut self, kinds: &[ConditionType]) {
        for &kind in kinds {
            condition::remove(&mut self.conditions, kind);
        }
    }

    /// Removes the conditions that are present only while True, but not those in `kept`: a condition that is removed and set again would look new.
    fn only(&mut self, kept: &[ConditionType]) {
        use ConditionType::{DeletionHeld, Drifted, Reconciling, Stalled};
        for kind in [Reconciling, Stalled, Drifted, DeletionHeld].into_iter().filter(|kind| !kept.contains(kind)) {
            condition::remove(&mut self.conditions, kind);
        }
    }

    /// Nothing new is known, so `Ready` stays as it was.
    fn paused(&mut self, message: &str) {
        if condition::find(&self.conditions, ConditionType::Ready).is_none() {
            self.set(ConditionType::Ready, false, Reason::Paused, message);
        }
        self.set(ConditionType::Synced, false, Reason::Paused, message);
        self.remove(&[ConditionType::Reconciling, ConditionType::Stalled]);
    }

    /// Neither `Ready` nor `Synced`, for one reason. The conditions of `also` are set with the same reason; others that are present only while True are removed.
    fn not_ready(&mut self, note: &Note, also: &[ConditionType]) {
        self.set(ConditionType::Ready, false, note.reason, &note.message);
        self.set(ConditionType::Synced, false, note.reason, &note.message);
        self.only(also);
        for &kind in also {
            self.set(kind, true, note.reason, &note.message);
        }
    }

    fn stalled(&mut self, note: &Note) {
        self.not_ready(note, &[ConditionType::Stalled]);
    }

    fn waiting(&mut self, note: &Note) {
        self.not_ready(note, &[ConditionType::Reconciling]);
    }

    /// Work on the key that does not end its use: a key that was Ready stays Ready.
    fn working(&mut self, note: &Note) {
        let is_ready = condition::find(&self.conditions, ConditionType::Ready).is_some_and(|ready| ready.status == "True");
        if !is_ready {
            return self.waiting(note);
        }
        self.only(&[]);
        self.set(ConditionType::Synced, false, note.reason, &note.message);
    }

    /// Somebody tried to pause the object, and it is not paused.
    fn misspelt_pause(&mut self, text: &str) {
        let message =
            format!("the annotation {} is {text:?}, which pauses nothing; write \"true\" to pause, or remove it", annotation::PAUSED);
        match condition::find(&self.conditions, ConditionType::Synced) {
            Some(synced) if synced.status == "False" => self.append(ConditionType::Synced, &message),
            _ => self.set(ConditionType::Synced, false, Reason::InvalidSpec, message),
        }
    }

    fn failed(&mut self, failure: &Failure, memory: &Memory, report: &Report<'_>) {
        let verdict = failure.kind.verdict();
        let note = Note { reason: verdict.reason, message: format!("{}{}", failure.message, again(verdict.retry, report)) };
        match verdict {
            _ if verdict.stalled => self.stalled(&note),
            _ if verdict.is_no_news() => self.unheard(&note, memory, report),
            _ => self.waiting(&note),
        }
    }

    /// The KMS could not be asked, so nothing new is known of the key. `Synced` says so at once. `Ready` stays while the last look is recent enough and was about
    /// this spec, and nothing speaks against it.
    fn unheard(&mut self, note: &Note, memory: &Memory, report: &Report<'_>) {
        if !self.knows(memory, report) {
            return self.waiting(note);
        }
        self.set(ConditionType::Synced, false, note.reason, &note.message);
        if !report.word_stands {
            self.only(&[ConditionType::Reconciling]);
            self.set(ConditionType::Reconciling, true, note.reason, &note.message);
            let message = format!("the key was not seen for longer than twice the provider's resyncSeconds: {}", note.message);
            self.set(ConditionType::Ready, condition::Status::Unknown, note.reason, message);
        }
    }

    /// Whether `Ready` said something about this spec, and nothing was seen since that contradicts it.
    fn knows(&self, memory: &Memory, report: &Report<'_>) -> bool {
        let find = |kind| condition::find(&self.conditions, kind);
        let Some(ready) = find(ConditionType::Ready).filter(|ready| ready.observed_generation == Some(report.generation)) else {
            return false;
        };
        match report.observed {
            None => ready.status != "False" || find(ConditionType::Stalled).is_some(),
            Some(Observed::Present(key)) => {
                ready.status != "False" && report.desired.is_some_and(|desired| is_as_before(key, desired, memory))
            }
            Some(_) => false,
        }
    }

    /// A hold stays, whatever failed, and even if it could not be written on the key. So it is told once.
    fn still_held(&mut self, memory: &Memory, report: &Report<'_>, trouble: &str) {
        let before = condition::find(&memory.status.conditions, ConditionType::DeletionHeld);
        let days = report.desired.and_then(Desired::days);
        let stands = condition::find(&self.conditions, ConditionType::DeletionHeld).is_some();
        // A hold that passes by itself, such as that of a key in use, writes no word. Its condition is all there is of it.
        let asks =
            report.desired.is_some_and(|desired| days.is_some() || (desired.goes && desired.deletion_policy != DeletionPolicy::Retain));
        let pends = matches!(report.observed, Some(Observed::Present(key)) if key.state.is_pending());
        let is_held = memory.record().is_held() || (before.is_some() && asks && !pends);
        if stands || !is_held || (before.is_none() && days.is_none()) {
            return;
        }
        if let Some(before) = before {
            self.conditions.push(before.clone());
            return;
        }
        // The token is a moment away, so the hold is told with it.
        if matches!(report.conclusion, Conclusion::ReadingBack(_)) {
            return;
        }
        let reason = memory.status.intent_reason.map_or(Reason::NotSeenLive, Reason::from);
        let message = format!(
            "the deletion is held: {}; the hold is on record and not on the key yet, so there is no token to confirm it with: {trouble}",
            why(reason)
        );
        self.set(ConditionType::DeletionHeld, true, reason, message);
    }

    /// A hold also says who set the field: a manifest without the field may not remove it.
    fn held(&mut self, hold: &Hold, report: &Report<'_>) {
        let note = Note { reason: hold.reason, message: format!("{}{}", hold.message, set_by(report.set_by)) };
        let kind = if hold.passes { ConditionType::Reconciling } else { ConditionType::Stalled };
        self.not_ready(&note, &[kind, ConditionType::DeletionHeld]);
    }

    fn planned(&mut self, plan: &Plan, memory: &Memory, report: &Report<'_>) {
        match plan {
            Plan::Rest(rest) => {
                self.rest(rest, report);
                self.undone(rest);
            }
            Plan::Stall(note) | Plan::Missing(_, note, Gone::Deleted | Gone::Lost) => self.stalled(note),
            Plan::Wait(note) if note.reason == Reason::Updating => self.updating(note, memory, report),
            Plan::Wait(note) | Plan::Missing(_, note, Gone::Unsure) => self.waiting(note),
            Plan::Hold(hold) => self.held(hold, report),
            Plan::Do(Step::Create) => {
                self.waiting(&Note { reason: Reason::Creating, message: "the key is not created yet; Keyward creates it next".into() });
            }
            Plan::Do(step) => {
                let message = format!("the key is not as declared yet; the next step is to {step}, and Keyward continues by itself");
                self.updating(&Note { reason: Reason::Updating, message }, memory, report);
            }
            Plan::Read(_) => {
                let message = "the key was not read to the end yet; Keyward continues by itself".into();
                self.updating(&Note { reason: Reason::Updating, message }, memory, report);
            }
        }
    }

    /// The key is being changed. If it was Ready for this spec, and its state does not speak against that, it stays Ready.
    fn updating(&mut self, note: &Note, memory: &Memory, report: &Report<'_>) {
        let is_about_this_spec = condition::find(&self.conditions, ConditionType::Ready)
            .is_some_and(|ready| ready.observed_generation == Some(report.generation));
        let is_as_before = match (report.observed, report.desired) {
            (Some(Observed::Present(key)), Some(desired)) => is_as_before(key, desired, memory),
            _ => false,
        };
        if is_about_this_spec && is_as_before { self.working(note) } else { self.waiting(note) }
    }

    /// What was set and does not stay. The message is the same for as long as that lasts.
    fn unkept(&mut self, report: &Report<'_>) {
        let is_synced = condition::find(&self.conditions, ConditionType::Synced).is_some_and(|synced| synced.status == "True");
        if report.unkept.is_empty() || !is_synced {
            return;
        }
        let steps = report.unkept.join(", ");
        let message = format!(
            "Keyward did this, and the key does not show it: {steps}; Keyward does it again, after longer and longer waits of at most 10 minutes; \
             look for another program that changes the key, or for a KMS that does not keep the change"
        );
        self.set(ConditionType::Synced, false, Reason::Drifted, message);
    }

    /// What failed, could not be read, or is refused, while the round continued without it. All of it is told; the gravest gives the reason.
    fn troubles(&mut self, plan: &Plan, memory: &Memory, report: &Report<'_>) {
        let of = |failure: &Failure| (failure.kind.verdict().stalled, failure.kind.verdict().reason, failure.message.clone());
        let (refused, undone) = if let Plan::Rest(rest) = plan { (rest.refused.clone(), rest.demand.clone()) } else { (None, None) };
        let undone = undone.filter(|undone| undone.stalled).map(|undone| undone.note);
        let mut failed: Vec<_> = refused.into_iter().chain(undone).map(|Note { reason, message }| (true, reason, message)).collect();
        failed.extend(report.failed.iter().map(of));
        failed.extend(report.unpublished.iter().map(|trouble| (trouble.stalled, trouble.reason, trouble.message.clone())));
        let unread = report.unread.iter().map(of);
        let all: Vec<_> =
            failed.iter().cloned().chain(unread.map(|(stalled, reason, text)| (stalled, reason, format!("not read: {text}")))).collect();
        let Some((_, reason, _)) = all.iter().find(|(stalled, ..)| *stalled).or(all.first()) else { return };
        let mut texts: Vec<&str> = Vec::new();
        for (_, _, text) in &all {
            if !texts.contains(&text.as_str()) {
                texts.push(text);
            }
        }
        let failures = report.failed.iter().chain(report.unread).map(|failure| failure.kind.verdict().retry);
        let slow = failures.chain(report.unpublished.map(|trouble| trouble.retry)).find(|retry| *retry == Retry::Slow);
        let again = slow.map(|retry| again(retry, report)).unwrap_or_default();
        let (reason, message) = (*reason, format!("{}{again}", texts.join("; ")));
        let synced = condition::find(&self.conditions, ConditionType::Synced).filter(|synced| synced.status == "False");
        let before = synced.map(|synced| format!("{}; ", synced.message)).unwrap_or_default();
        let is_ready = condition::find(&self.conditions, ConditionType::Ready).is_some_and(|ready| ready.status == "True");
        match before.is_empty() {
            true => self.set(ConditionType::Synced, false, reason, &message),
            // The reason of the plan stays: it is about the life of the key.
            false if !is_ready => self.append(ConditionType::Synced, &message),
            false => self.set(ConditionType::Synced, false, reason, format!("{before}{message}")),
        }
        // A read that failed says nothing against the key, and neither does a KMS that could not be asked: the key's life is as declared.
        let was_ready = condition::find(&memory.status.conditions, ConditionType::Ready)
            .is_some_and(|ready| ready.status == "True" && ready.observed_generation == Some(report.generation));
        let unheard = failed.iter().all(|(stalled, reason, _)| failure::is_no_news(*reason, *stalled));
        if failed.is_empty() || !is_ready || (was_ready && unheard) {
            return;
        }
        let stalled = failed.iter().any(|(stalled, ..)| *stalled);
        self.set(ConditionType::Ready, false, reason, &message);
        self.remove(&[if stalled { ConditionType::Reconciling } else { ConditionType::Stalled }]);
        self.set(if stalled { ConditionType::Stalled } else { ConditionType::Reconciling }, true, reason, message);
    }

    /// Adds to the message of a condition.
    fn append(&mut self, kind: ConditionType, text: &str) {
        if let Some(known) = self.conditions.iter_mut().find(|known| known.type_ == kind.as_str()) {
            known.message = condition::message(&format!("{}; {text}", known.message));
        }
    }

    fn rest(&mut self, rest: &Rest, report: &Report<'_>) {
        let (Some(Observed::Present(key)), Some(desired)) = (report.observed, report.desired) else {
            return;
        };
        let drift = rest.drift.join("; ");
        let mut left = Vec::new();
        if !rest.drift.is_empty() {
            left.push(ConditionType::Drifted);
        }
        if rest.life_drifted {
            left.push(ConditionType::Stalled);
        } else if rest.stays.is_some() {
            left.push(ConditionType::Reconciling);
        }
        self.only(&left);
        let way_out = match desired.policy {
            ManagementPolicy::Observe => "managementPolicy Observe leaves it so",
            ManagementPolicy::EnforceOnChange if !self.recorded => {
                "managementPolicy EnforceOnChange only reports until Keyward knows what was applied; \
                 set Enforce until the spec is applied, or make the key as declared"
            }
            _ => "managementPolicy EnforceOnChange leaves it so until the spec changes",
        };
        if rest.life_drifted {
            let reason = if key.state.is_pending() { Reason::PendingDeletion } else { Reason::Drifted };
            let message = format!("{drift}; {way_out}");
            self.set(ConditionType::Ready, false, reason, &message);
            self.set(ConditionType::Stalled, true, reason, message);
        } else {
            let (reason, message) = self.ready(key, desired, report);
            self.set(ConditionType::Ready, true, reason, message);
            if let Some(stays) = &rest.stays {
                self.set(ConditionType::Reconciling, true, Reason::AliasMoving, stays);
            }
        }
        if !rest.drift.is_empty() {
            self.set(ConditionType::Drifted, true, Reason::Drifted, format!("{drift}; {way_out}"));
        }
        match (&rest.waits, rest.drift.is_empty()) {
            _ if let Some(stale) = &rest.stale => self.set(ConditionType::Synced, false, Reason::StaleView, stale),
            (Some(waits), _) => self.set(ConditionType::Synced, false, Reason::Disabled, waits),
            (None, false) => self.set(ConditionType::Synced, false, Reason::Drifted, drift),
            (None, true) if let Some(stays) = &rest.stays => self.set(ConditionType::Synced, false, Reason::AliasMoving, stays),
            (None, true) => {
                let others = key.state.is_pending() && desired.days().is_some_and(|days| !self.is_declared(days));
                let message =
                    if others { "the key is pending deletion, and its schedule is left as it is" } else { "the key is as declared" };
                self.set(ConditionType::Synced, true, Reason::Synced, message);
            }
        }
    }

    /// A requested rotation that waits. It says nothing against the key, so `Ready` stays as it is.
    fn undone(&mut self, rest: &Rest) {
        let Some(Undone { note, stalled: false, .. }) = &rest.demand else { return };
        match condition::find(&self.conditions, ConditionType::Synced) {
            Some(synced) if synced.status == "False" => self.append(ConditionType::Synced, &note.message),
            _ => self.set(ConditionType::Synced, false, note.reason, &note.message),
        }
    }

    /// `PendingDeletion` follows the key alone, whatever else failed.
    fn deletion(&mut self, status: &ManagedKeyStatus, memory: &Memory, report: &Report<'_>) {
        if let Some(key) = estranged(memory, report) {
            if key.state.is_pending() {
                let when = when(Record::of(status).date_of(key).map(|date| date.0));
                let is_anothers =
                    matches!(&report.conclusion, Conclusion::Planned(Plan::Stall(note)) if note.reason == Reason::OwnedByAnother);
                let whose = if is_anothers { "it belongs to another object" } else { "it does not bear this object's marks" };
                let message =
                    format!("the key will be deleted {when}, and {whose}; the condition Ready says what to do if it is this object's");
                self.set(ConditionType::PendingDeletion, true, Reason::External, message);
            } else {
                self.remove(&[ConditionType::PendingDeletion]);
            }
            return;
        }
        if !Record::of(status).was_pending() {
            if shows_no_deletion(status, report) {
                self.remove(&[ConditionType::PendingDeletion]);
            }
            return;
        }
        // Without a look, the known state stays.
        let Some(desired) = report.desired else { return };
        let date = status.deletion_date.as_ref().map(|date| date.0);
        let goes = match (date.is_some_and(|date| date <= report.now), report.observed) {
            (true, Some(Observed::Absent(_))) => format!("the key was to be deleted {}, and is not found any more", when(date)),
            (true, _) => format!("the key was to be deleted {}, and can be gone at any moment", when(date)),
            (false, _) => {
                let origin = status.key.as_ref().map(|key| &*key.origin).unwrap_or_default();
                format!("the key will be deleted {}{}", when(date), Limits::left_behind(origin))
            }
        };
        let absent = matches!(report.observed, Some(Observed::Absent(_)));
        let (reason, message) = match desired.life {
            Life::Scheduled(_) if absent => (Reason::Declared, goes),
            Life::Scheduled(_) => {
                let text = format!(
                    "{goes}{}; to cancel, remove spec.deletionScheduleDays or set it to 0; {AT_THE_END}{}",
                    last_use(status),
                    set_by(report.set_by)
                );
                (Reason::Declared, text)
            }
            Life::Live => (Reason::External, format!("{goes}, which this object does not declare")),
        };
        self.set(ConditionType::PendingDeletion, true, reason, message);
    }
}

/// How often Keyward tries again, and how a person can have it try at once.
#[must_use]
pub fn tried_again(retry: Retry, resync: Duration, owner: &Owner) -> String {
    let Some(told) = retry.told(resync) else { return String::new() };
    format!("; {told}; to have it tried at once: {}", command::look(owner))
}

/// What is told of a key whose marks cannot be written.
#[must_use]
pub fn marks_not_writable(failure: &Failure, resync: Duration, owner: &Owner) -> Note {
    let again = tried_again(failure.kind.verdict().retry, resync, owner);
    let message = format!("the key cannot be marked as this object's, so nothing is done to it: {}{again}", failure.message);
    Note { reason: Reason::MarksNotWritable, message }
}

fn again(retry: Retry, report: &Report<'_>) -> String {
    report.desired.map_or_else(String::new, |desired| tried_again(retry, report.resync, &desired.owner))
}

/// Whether a key that was as declared still is, by its state.
fn is_as_before(key: &Key, desired: &Desired, memory: &Memory) -> bool {
    match (desired.life, key.state) {
        // AWS lets a key be used while it updates it, and updates only enabled keys.
        (Life::Live, State::Enabled | State::Updating) if desired.wants_enabled() => true,
        (Life::Live, State::Disabled | State::PendingImport | State::Unavailable) if !desired.wants_enabled() => true,
        (Life::Scheduled(_), state) => state.is_pending(),
        // Nothing is declared about this state, so it is only compared with the last look.
        _ => desired.policy == ManagementPolicy::Observe && memory.status.key_state == Some(key.state.into()),
    }
}

/// The replicas for which a primary key waits, with what is known of each.
fn waited_for(arns: &[String], known: &[WaitsFor]) -> String {
    let told = |arn: &String| match known.iter().find(|replica| replica.key_arn == *arn) {
        Some(WaitsFor { object: Some(object), key_state, deletion_date, .. }) => {
            let state = key_state.as_deref().unwrap_or("in an unknown state");
            let date = deletion_date.as_ref().map(|date| format!(" until {}", date.0)).unwrap_or_default();
            format!("{arn} (ManagedKey {object}, {state}{date})")
        }
        Some(_) => format!("{arn} (of no ManagedKey of this namespace)"),
        None => arn.clone(),
    };
    arns.iter().map(told).collect::<Vec<_>>().join(", ")
}

/// When a pending key will be deleted, in words.
pub(super) fn when(date: Option<Timestamp>) -> String {
    date.map_or_else(
        || "at a date that the KMS has not told yet, or, if it is a primary with replicas, once the last of them is deleted".to_owned(),
        |date| format!("at {date}"),
    )
}

/// What is said of a deletion if the KMS did not tell when its key was last used.
pub(super) fn last_use(status: &ManagedKeyStatus) -> &'static str {
    match status.deletion.as_ref().and_then(|known| known.last_use) {
        Some(KnownUse::Unknown) => "; the KMS did not tell when the key was last used, so nobody checked whether it is still in use",
        None => "",
    }
}

/// Who set the field: a manifest in Git does not remove a value that another client set.
pub(super) fn set_by(by: Option<&SetBy>) -> String {
    by.map_or_else(String::new, |SetBy { managers, stays }| {
        let tool = if *stays { ", and a manifest without the field will not remove it; a manifest with 0 will" } else { "" };
        format!(" (spec.deletionScheduleDays was set by {managers}{tool})")
    })
}

impl Setter {
    fn ready(&self, key: &Key, desired: &Desired, report: &Report<'_>) -> (Reason, String) {
        match (key.state, desired.life) {
            (State::PendingDeletion | State::PendingReplicaDeletion, Life::Scheduled(days)) => {
                let replicas = match &key.multi_region {
                    Some(MultiRegion::Primary(replicas)) if key.state == State::PendingReplicaDeletion => {
                        format!("; it waits for its replicas {}", waited_for(replicas, report.replicas))
                    }
                    _ => String::new(),
                };
                (Reason::DeletionScheduled, format!("{}{replicas}{}", self.stands(key, desired, days), set_by(report.set_by)))
            }
            (State::Disabled, _) => (Reason::Disabled, "the key is disabled".into()),
            (State::PendingImport | State::Unavailable, _) => {
                (Reason::Disabled, "the key cannot be used, and it is not to be enabled".into())
            }
            _ => (Reason::Available, "the key is enabled".into()),
        }
    }

    /// Whether the deletion on record is our own, with the declared days.
    fn is_declared(&self, days: i32) -> bool {
        self.schedule.as_ref().is_some_and(|known| known.origin == DeletionOrigin::Keyward && known.schedule_days == Some(days))
    }

    /// Which deletion is pending. Another's is left as it is, because the key is declared to be deleted.
    fn stands(&self, key: &Key, desired: &Desired, declared: i32) -> String {
        if self.is_declared(declared) {
            return "the key is pending deletion, as declared".into();
        }
        let found = match self.schedule.as_ref().map(|known| (known.origin, known.schedule_days)) {
            Some((DeletionOrigin::Keyward, Some(days))) => format!("the key is pending deletion, scheduled with {days} days"),
            _ => format!(
                "the key is pending deletion by a schedule that is not this object's: it will be deleted {}",
                when(key.deletion_date)
            ),
        };
        let way = if desired.policy == ManagementPolicy::Observe {
            ""
        } else {
            "; to have these days, remove the field, which cancels the deletion, and set it again"
        };
        format!("{found}; Keyward leaves that schedule as it is; spec.deletionScheduleDays is {declared}{way}")
    }
}
