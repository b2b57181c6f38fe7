//! Does one step. What has to be remembered is written first. So if the process is killed at any `await`, the next one finishes the work and does nothing
//! twice.

use std::time::{Duration, Instant};

use jiff::SignedDuration;

use super::{
    primary::ReadPrimary,
    provider, report,
    round::{Round, View},
};
use crate::{
    api::{
        condition::seconds,
        managed_key::{CreateAttempt, DeletionPolicy, ManagementPolicy, RotationStatus},
        mark,
    },
    controller::{
        Seen,
        account::same_account,
        error::{Ending, Error},
        now,
    },
    domain::{
        deletion::{
            CountEnded, Intent, LastUse, Nonce, Word,
            guard::{Cleared, ClearedDeletion},
        },
        desired::Desired,
        event,
        failure::{Failure, FailureKind, Outcome},
        memory::Memory,
        observed::{Facets, Key, KeyPolicy, Observed, Rotation},
        ownership::{Owner, Tags},
        plan::{Plan, Rest, Situation, takes},
        policy, replica,
        status::Conclusion,
        step::{Destruction, How, Step},
    },
    kms::{self, Creation, Kms, Reading, Replication},
};

/// How often a round begins a creation again that the KMS throttled.
const THROTTLED: usize = 2;

/// Does a step, and updates the view of the key and the object's memory accordingly. A destructive call that was not sent, or that was certainly refused, gives
/// its place in the provider's book back.
pub(super) async fn execute(round: &mut Round<'_>, cleared: Step<Cleared>) -> Result<(), Ending> {
    let executed = Box::pin(try_step(round, cleared)).await;
    round.give_back().await;
    executed
}

async fn try_step(round: &mut Round<'_>, cleared: Step<Cleared>) -> Result<(), Ending> {
    let step = cleared.asked();
    let uid = round.object.uid().to_owned();
    let generation = round.object.desired.generation;
    if let Some(left) = round.context.too_soon(&uid, generation, &step) {
        return Err(if step.is_setting() { Ending::Unkept(left) } else { Ending::until(left) });
    }
    if !round.context.held.is_held() {
        return Err(Ending::Error(Error::NotLeader));
    }
    let found = round.key().map(|key| step.differences(key)).unwrap_or_default();
    let (known, began) = (round.key().map(|key| key.arn.clone()), Instant::now());
    let acted = act(round, &step, cleared).await;
    tell(round.key().map(|key| key.arn.clone()).or(known).as_deref(), &step, &acted, began.elapsed());
    if let Err(ending) = acted {
        if may_have_changed(&step, &ending) {
            round.context.unsure(&uid);
        }
        return Err(ending);
    }
    let repeated = round.context.stepped(&uid, generation, &step);
    if repeated > 0 && step.is_setting() {
        let left = round.context.too_soon(&uid, generation, &step).unwrap_or_default();
        round.unkept.push((step.clone(), left));
    }
    if let Step::MoveAlias { alias, .. } = &step {
        round.context.aliases.end_move(&round.provider.rules.name, alias, &uid, round.context.settings.consistency);
    }
    if matches!(step, Step::Bind { .. }) {
        round.steps.push(step);
        return Err(Ending::ReadBack);
    }
    let object = &mut round.object;
    object.memory.close(&step, &object.desired);
    if step == Step::Create {
        object.memory.created_with(&round.provider.rules.default_tags);
    }
    round.found.push((step.clone(), found));
    round.steps.push(step);
    Ok(())
}

/// Logs a step with its result.
fn tell(key: Option<&str>, step: &Step, acted: &Result<(), Ending>, took: Duration) {
    let (step, duration) = (step.to_string(), took.as_secs_f64());
    match acted {
        Ok(()) => tracing::info!(key, step, outcome = "Done", duration, "a key was changed"),
        Err(ending) if ending.is_untried() => {
            tracing::debug!(key, step, outcome = ending.as_str(), duration, "a step was not taken: {ending}");
        }
        Err(ending) => tracing::info!(key, step, outcome = ending.as_str(), duration, "a step did not succeed: {ending}"),
    }
}

/// Whether a step that failed may have changed something: its call was not refused, or it has other calls before the last one.
fn may_have_changed(step: &Step, ending: &Ending) -> bool {
    let several = matches!(step, Step::Create | Step::Destroy(Destruction::Schedule { .. } | Destruction::Reschedule { .. }));
    several || matches!(ending, Ending::Failed(failure) | Ending::MarksNotWritable(failure) if failure.outcome != Outcome::Refused)
}

/// Makes the calls of a step.
async fn act(round: &mut Round<'_>, step: &Step, cleared: Step<Cleared>) -> Result<(), Ending> {
    let Some(key) = round.key().cloned() else {
        return if matches!(cleared, Step::Create) { create(round).await } else { Err(Ending::Changed) };
    };
    match cleared {
        // There is a key by now.
        Step::Create => return Err(Ending::Changed),
        Step::Bind { how, .. } => return bind(round, step, how, &key).await,
        Step::Mark { .. } => {
            let marked = mark(round, step, key, LastUse::NotAsked).await?;
            round.observed = Observed::Present(Box::new(marked));
            return Ok(());
        }
        Step::Destroy(Cleared::Schedule(deletion)) => {
            rehearse(round, step, &key, &deletion).await?;
            let marked = mark(round, step, key, deletion.last_use()).await?;
            return schedule(round, marked, deletion).await;
        }
        Step::Destroy(Cleared::Reschedule(deletion)) => {
            rehearse(round, step, &key, &deletion).await?;
            return reschedule(round, step, key, deletion).await;
        }
        Step::Destroy(Cleared::Disable(disabling)) => {
            let slot = round.slot.take();
            let disabled = round.kms().disable_for_good(disabling).await;
            round.slot = slot.filter(|_| disabled.as_ref().is_err_and(Failure::had_no_effect));
            disabled?;
        }
        Step::Cancel => return cancel(round, step, key).await,
        Step::StartRotation { period_days } => return start_rotation(round, step, key, period_days).await,
        Step::StopRotation => round.kms().stop_rotation(&key.arn).await?,
        Step::RotateOnDemand { .. } => return rotate_on_demand(round, step, key).await,
        Step::Enable => round.kms().enable(&key.arn).await?,
        Step::Disable => round.kms().disable(&key.arn).await?,
        Step::Describe { description } => round.kms().set_description(&key.arn, &description).await?,
        Step::Tag { tags } => round.kms().tag(&key.arn, &tags).await?,
        Step::Untag { keys } => round.kms().untag(&key.arn, &keys.into_iter().collect::<Vec<_>>()).await?,
        Step::AddAlias { alias } => round.kms().add_alias(&key.arn, &alias).await?,
        Step::MoveAlias { alias, from } => round.kms().move_alias(&key.arn, &alias, &from).await?,
        Step::RemoveAlias { alias } => round.kms().remove_alias(&key.arn, &alias).await?,
        Step::MovePrimary { from } => move_primary(round, &from).await?,
        Step::SetPolicy { policy, .. } => set_policy(round, &key, &policy).await?,
    }
    round.observed = Observed::Present(Box::new(key.after(step)));
    Ok(())
}

/// Cancels the deletion. A cancel writes no word on the key. But a deletion that is pending after this one is somebody else's, and the status says so first.
async fn cancel(round: &mut Round<'_>, step: &Step, key: Key) -> Result<(), Ending> {
    round.object.open(step, &key)?;
    round.object.write_status().await?;
    round.kms().cancel_deletion(&key.arn).await?;
    let mut key = key.after(step);
    // A KMS that still shows the key as pending would show its rotation as off, and the next step would set another period than the one that came back.
    key.rotation = round.object.memory.status.rotation.as_ref().filter(|known| known.enabled.is_some()).map(known_rotation);
    round.observed = Observed::Present(Box::new(key));
    Ok(())
}

/// Switches rotation on. Only the KMS knows when the next rotation is due. If it does not show that yet, a later read does.
async fn start_rotation(round: &mut Round<'_>, step: &Step, key: Key, period_days: i32) -> Result<(), Ending> {
    round.kms().start_rotation(&key.arn, period_days).await?;
    let mut after = key.after(step);
    let unread = Key { rotation: None, ..after.clone() };
    match round.kms().complete(unread, Facets::ROTATION).await.whole() {
        Ok(Key { rotation: Some(found), .. }) if found.enabled && found.period_days == Some(period_days) => after.rotation = Some(found),
        Ok(_) => {}
        Err(failure) => tracing::debug!(error = &failure as &dyn std::error::Error, "a later read shows when the key is rotated next"),
    }
    round.observed = Observed::Present(Box::new(after));
    Ok(())
}

/// Rotates the key on demand. The request is on record before it is sent, with what the KMS had on record by then. So after a lost reply the next round sees
/// whether the key was rotated. No KMS has an idempotency token for it.
async fn rotate_on_demand(round: &mut Round<'_>, step: &Step, key: Key) -> Result<(), Ending> {
    round.object.open(step, &key)?;
    round.object.write_status().await?;
    if let Err(failure) = round.kms().rotate_on_demand(&key.arn).await {
        return Err(rotation_refused(round, failure).await);
    }
    let mut after = key.after(step);
    // A KMS may tell the new rotation along with the setting.
    let unread = Key { rotation: None, ..after.clone() };
    match round.kms().complete(unread, Facets::ROTATION).await.whole() {
        Ok(Key { rotation: Some(found), .. }) => after.rotation = Some(found),
        Ok(_) => {}
        Err(failure) => tracing::debug!(error = &failure as &dyn std::error::Error, "a later read shows the rotation on demand"),
    }
    round.observed = Observed::Present(Box::new(after));
    Ok(())
}

/// The KMS did not rotate the key. If it refused for certain, that goes on record at once, so that the next round need not wait for a sign of it.
async fn rotation_refused(round: &mut Round<'_>, failure: Failure) -> Ending {
    if failure.outcome == Outcome::Refused {
        round.object.memory.rotation_refused();
        let written = match round.object.write_status().await {
            // Somebody edited the object meanwhile, perhaps to withdraw the request.
            Err(Ending::Changed) => match round.object.rebase().await {
                Ok(()) => round.object.write_status().await,
                Err(ending) => Err(ending),
            },
            written => written,
        };
        if let Err(ending) = written {
            return ending;
        }
    }
    failure.into()
}

/// Sets the key policy. AWS may not know a principal yet that was created moments ago, and then refuses the policy as if the principal did not exist. So a
/// policy that names principals is tried again for a while, as AWS advises (AWS KMS API reference, `PutKeyPolicy`).
async fn set_policy(round: &Round<'_>, key: &Key, policy: &str) -> Result<(), Failure> {
    let (uid, generation) = (round.object.uid(), round.object.desired.generation);
    let failure = match round.kms().set_policy(&key.arn, policy).await {
        Ok(()) => {
            round.context.policy_accepted(uid);
            return Ok(());
        }
        Err(failure) if failure.kind == FailureKind::Policy => failure,
        Err(failure) => return Err(failure),
    };
    let wanted = round.object.desired.key_policy.as_ref();
    let named = wanted.and_then(|wanted| wanted.document.new_principals(key.policy.as_ref()));
    let again = named.is_some() && round.context.policy_refused(uid, generation);
    Err(policy::not_accepted(failure, named.as_deref(), again))
}

/// Makes the key the primary key. The call goes to the KMS of the former one.
async fn move_primary(round: &Round<'_>, from: &str) -> Result<(), Ending> {
    let Some((_, provider)) = round.primary.as_ref().and_then(ReadPrimary::seen).filter(|(primary, _)| primary.arn == from) else {
        return Err(Ending::Changed);
    };
    Ok(provider.move_primary(round.context, from, &round.provider.rules.region).await?)
}

/// The rotation as it was last read. A deletion does not change it.
fn known_rotation(status: &RotationStatus) -> Rotation {
    let next = status.next_rotation_time.as_ref().map(|time| time.0);
    Rotation { enabled: status.enabled.unwrap_or_default(), period_days: status.period_days, next, ..Rotation::default() }
}

/// Creates a key. No KMS has an idempotency token, so a second `CreateKey` would make a second key. So the attempt is on record before the call, and the
/// key has its marks from the beginning.
async fn create(round: &mut Round<'_>) -> Result<(), Ending> {
    let rules = &round.provider.rules;
    // The claim alias was not found. The account is checked first: in another account the alias is never found.
    same_account(round.kms(), &rules.account).await?;
    let mut throttled = 0;
    loop {
        let turns = round.kms().creation_turn(throttled > 0).await?;
        match kms::in_turn(turns, Box::pin(create_once(round))).await? {
            Created::Done => return Ok(()),
            Created::Throttled(failure) if throttled == THROTTLED => return Err(failure.into()),
            Created::Throttled(_) => throttled += 1,
        }
    }
}

/// What came of a creation that was sent.
enum Created {
    /// The key is there, and on record.
    Done,
    /// The KMS throttled it, so nothing was made. It begins again in another turn, and is on record with its new time.
    Throttled(Failure),
}

async fn create_once(round: &mut Round<'_>) -> Result<Created, Ending> {
    let rules = &round.provider.rules;
    let (account, region, time) = (rules.account.clone(), rules.region.clone(), seconds(now()));
    let endpoint = Some(rules.endpoint.clone());
    let attempt = CreateAttempt { id: uuid::Uuid::new_v4().to_string(), account, region, endpoint, time };
    round.object.begin_creation(attempt.clone()).await?;
    let name = round.object.desired.owner.mark();
    let before = round.context.surveys.begin(name.clone(), Some(attempt));

    let desired = &round.object.desired;
    let intent = Intent { seq: 1, generation: desired.generation, word: Word::Live };
    let mut tags = rules.tags_with(&desired.tags);
    tags.extend(desired.owner.marks(intent, round.limits().owner_mark));
    let claim = desired.owner.claim_alias();
    let kind = desired.template(round.limits());
    // A key that is made without tags names its object in its description until it has its marks.
    let description = if round.limits().creates_with_tags { desired.description.clone() } else { Some(desired.owner.birth()) };
    let made = if round.object.desired.replica.is_some() {
        Box::pin(replicate(round, description, tags)).await
    } else {
        round.kms().create(&Creation { kind, description, tags, claim: claim.clone() }).await
    };
    let mut key = match made {
        Ok(key) => key,
        Err(failure) => {
            if failure.outcome == Outcome::Refused {
                round.object.withdraw_creation();
                round.context.surveys.withdraw(&name, before);
                if failure.kind == FailureKind::Throttled {
                    return Ok(Created::Throttled(failure));
                }
            }
            return Err(failure.into());
        }
    };
    // A new key is not rotated, and a replica as its primary is.
    let rotates = round.limits().rotates(&key.kind.spec, &key.kind.origin) && round.object.desired.replica.is_none();
    key.rotation = rotates.then(Rotation::default);
    // The attempt stays on record until the key has its marks. So if the process ends here, the next one knows whose key it is.
    if key.tags.is_none() {
        reserve(round, &key)?;
        // Only the marks: the declared tags may be refused, and follow in a step of their own.
        let marks = round.object.desired.owner.marks(intent, round.limits().owner_mark);
        let tagged = round.kms().tag(&key.arn, &marks).await;
        round.context.bound(&key.arn, round.object.uid());
        tagged?;
        key.tags = Some(marks);
    }
    let claimed = match &key.aliases {
        Some(_) => Ok(()),
        None => round.kms().add_alias(&key.arn, &claim).await,
    };
    round.object.record_key(&key.arn).await?;
    round.context.surveys.end(&name);
    key.aliases.get_or_insert_with(|| claimed.is_ok().then_some(claim).into_iter().collect());
    round.observed = Observed::Present(Box::new(key));
    if claimed.is_err() {
        // The key exists anyway, and its object has seen it alive.
        let object = &mut round.object;
        object.memory.close(&Step::Create, &object.desired);
        object.memory.created_with(&round.provider.rules.default_tags);
        round.steps.push(Step::Create);
    }
    claimed?;
    Ok(Created::Done)
}

/// Makes a replica. A Region has at most one of each key, so a replica that is there already was made by an earlier request of this object, or by somebody
/// else: its marks tell.
async fn replicate(round: &Round<'_>, description: Option<String>, tags: Tags) -> Result<Key, Failure> {
    let region = &round.provider.rules.region;
    let read = round.primary.as_ref().and_then(ReadPrimary::seen);
    let Some((primary, provider, replica)) = read.and_then(|(key, provider)| Some((key, provider, replica::arn_in(&key.arn, region)?)))
    else {
        let message = "the primary key is read again before its replica is made".to_owned();
        return Err(Failure { kind: FailureKind::Conflict, operation: "ReplicateKey", message, outcome: Outcome::Refused, source: None });
    };
    let policy = primary.policy.as_ref().and_then(KeyPolicy::text).map(str::to_owned);
    let (arn, kind) = (primary.arn.clone(), primary.kind.clone());
    let replication = Replication { primary: arn, replica, region: region.clone(), kind, description, tags, policy };
    let exists = match provider.replicate(round.context, &replication).await {
        Err(failure) if failure.kind == FailureKind::Exists => failure,
        made => return made,
    };
    match round.kms().read(&replication.replica, Facets::TAGS).await?.map(Reading::whole).transpose()? {
        Some(key) if key.is_of(&round.object.desired.owner) => Ok(key),
        Some(key) => {
            let message = format!(
                "{}, key {}, which does not have this object's marks; to adopt it, delete this object and make one with spec.keyId in place of spec.replicaOf",
                exists.message, key.arn
            );
            Err(Failure { message, ..exists })
        }
        None => {
            let message = format!("{}, which that Region does not show yet; Keyward looks for it again", exists.message);
            Err(Failure { kind: FailureKind::Conflict, message, ..exists })
        }
    }
}

/// Binds the key to this object. Of two objects that want the same key the older one gets it, and only one is bound at a time.
async fn bind(round: &mut Round<'_>, step: &Step, how: How, key: &Key) -> Result<(), Ending> {
    if let Some((namespace, name)) = older_rival(round, key).await? {
        return Err(Ending::Contended { key: key.arn.clone(), by: format!("the older object {namespace}/{name}") });
    }
    reserve(round, key)?;
    let Some(intent) = round.object.open(step, key)? else { return Ok(()) };
    round.object.memory.name_key(key, how);
    let _known = round.context.surveys.begin(round.object.desired.owner.mark(), None);
    round.object.write_status().await?;
    let marks = round.object.desired.owner.marks(intent, round.limits().owner_mark);
    let tagged = round.kms().tag(&key.arn, &marks).await;
    round.context.bound(&key.arn, round.object.uid());
    tagged
        .inspect_err(|failure| {
            if failure.outcome == Outcome::Refused {
                round.context.give_back(&key.arn, round.object.uid());
            }
        })
        .map_err(|failure| match failure.kind {
            FailureKind::Denied | FailureKind::Quota | FailureKind::Invalid => Ending::MarksNotWritable(failure),
            _ => Ending::Failed(failure),
        })
}

/// Reserves the key, so that no other object of this process binds it meanwhile.
fn reserve(round: &Round<'_>, key: &Key) -> Result<(), Ending> {
    let seen = key.tags.as_ref().map(|tags| Seen { since: round.started, marked: tags.get(mark::UID).map(String::as_str) });
    let contended = |other| Ending::Contended { key: key.arn.clone(), by: format!("the object with UID {other}") };
    round.context.reserve(&key.arn, round.object.uid(), seen).map_err(contended)
}

/// An older object that wants the key and is bound to it, or could take it now. An object that has another key, or would be refused, does not count.
async fn older_rival(round: &Round<'_>, key: &Key) -> Result<Option<(String, String)>, Ending> {
    let rules = &round.provider.rules;
    let Some(watched) = round.context.providers.get(&rules.name) else { return Err(Ending::Changed) };
    let Ok(provider) = watched.decoded() else { return Err(Ending::Changed) };
    for other in round.context.older_rivals(&round.object.metadata, key, &rules.name) {
        let Ok(object) = other.decoded() else { continue };
        let Ok(desired) = Desired::of(object, &round.object.desired.owner.cluster) else { continue };
        let (memory, Owner { namespace, name, .. }) = (Memory::of(object), &desired.owner);
        let its_own = Situation { desired: &desired, memory: &memory, ..round.situation() };
        if takes(&its_own, key) && provider::admits(round.context, provider, namespace).await? {
            return Ok(Some((namespace.clone(), name.clone())));
        }
    }
    Ok(None)
}

/// Writes a word: first into the status, then, with the UID, on the key. `last_use`: what the guard knows of it, for a word that schedules a deletion.
async fn mark(round: &mut Round<'_>, step: &Step, mut key: Key, last_use: LastUse) -> Result<Key, Ending> {
    let opened = round.object.open(step, &key)?;
    round.object.memory.note_use(last_use);
    let Some(intent) = opened else { return Ok(key) };
    round.object.write_status().await?;
    match write_mark(round, &mut key, intent).await {
        Ok(()) => Ok(key),
        Err(failure) => Err(refused(round, failure).await),
    }
}

async fn write_mark(round: &Round<'_>, key: &mut Key, intent: Intent) -> Result<(), Failure> {
    let marks = Tags::from([(mark::UID.into(), round.object.uid().into()), (mark::INTENT.into(), intent.to_string())]);
    round.kms().tag(&key.arn, &marks).await?;
    key.tags.get_or_insert_default().extend(marks);
    Ok(())
}

/// Tries the status that will have to report the deletion. A deletion that cannot be reported is not scheduled.
async fn rehearse(round: &mut Round<'_>, step: &Step, key: &Key, deletion: &ClearedDeletion) -> Result<(), Ending> {
    let (now, object, days) = (now(), &round.object, deletion.days());
    let mut memory = object.memory.clone();
    // The letters of the nonce do not matter here: the status has the same length with any.
    let opened = memory.open(step, &object.desired, key, now, Nonce::of([0; Nonce::LENGTH]));
    opened.map_err(|CountEnded| Ending::Changed)?;
    memory.note_use(deletion.last_use());
    memory.close(step, &object.desired);
    let deletion_date = now.checked_add(SignedDuration::from_hours(24 * i64::from(days))).ok();
    let observed = Observed::Present(Box::new(Key { deletion_date, ..key.clone().after(step) }));
    let plan = Plan::Rest(Rest::default());
    let rules = Some(&round.provider.rules);
    let view = View { observed: Some(&observed), ..View::default() };
    let status = report::concluded(object, &memory, rules, view, Conclusion::Planned(&plan));
    round.object.rehearse_status(status).await
}

/// Sends the one call that can make data unreadable. A refusal is put on record with its time, so that the call can be sent again. After a lost reply nothing
/// is recorded, because the key itself will show whether it is pending.
async fn schedule(round: &mut Round<'_>, mut key: Key, deletion: ClearedDeletion) -> Result<(), Ending> {
    if !round.context.held.is_held() {
        return Err(Ending::Error(Error::NotLeader));
    }
    let slot = round.slot.take();
    let scheduled = round.kms().schedule_deletion(deletion).await;
    round.slot = slot.filter(|_| scheduled.as_ref().is_err_and(Failure::had_no_effect));
    match scheduled {
        Ok(scheduled) => {
            key.state = scheduled.state;
            key.deletion_date = scheduled.deletion_date;
            round.observed = Observed::Present(Box::new(key));
            Ok(())
        }
        Err(failure) => Err(refused(round, failure).await),
    }
}

/// Changes the days of a deletion. No KMS can do that, so the deletion is cancelled and scheduled again. The guard passed before the cancel and is not asked in
/// between. If the process is killed in between, the key stays disabled and the deletion is held.
async fn reschedule(round: &mut Round<'_>, step: &Step, mut key: Key, deletion: ClearedDeletion) -> Result<(), Ending> {
    let Some(intent) = round.object.open(step, &key)? else { return Ok(()) };
    round.object.write_status().await?;
    round.kms().cancel_deletion(&key.arn).await?;
    key = key.after(&Step::Cancel);
    round.observed = Observed::Present(Box::new(key.clone()));
    if let Err(failure) = write_mark(round, &mut key, intent).await {
        return Err(refused(round, failure).await);
    }
    schedule(round, key, deletion).await
}

/// The KMS failed a mark or a schedule. If it refused for certain, that goes on record: the call stays open, and a later round continues it.
async fn refused(round: &mut Round<'_>, failure: Failure) -> Ending {
    if let (Outcome::Refused, Observed::Present(key)) = (failure.outcome, &round.observed) {
        round.object.memory.refused(key, now());
        if let Err(ending) = round.object.write_status().await {
            return ending;
        }
    }
    failure.into()
}

impl Round<'_> {
    /// If the marks of the key say that it is this object's, records that on the object. An object with such a record never causes another creation.
    pub(super) async fn keep_record(&mut self) -> Result<(), Ending> {
        let Observed::Present(key) = &self.observed else { return Ok(()) };
        let object = &mut self.object;
        if !key.is_of(&object.desired.owner) || object.desired.policy == ManagementPolicy::Observe {
            return Ok(());
        }
        // The plan takes such a key up, if it may. Recorded here, it would count as made by this object.
        if object.memory.could_not_have_made(key) {
            return Ok(());
        }
        // An object that adopted its key began no creation after that, whatever an annotation says.
        let attempted = object.memory.open_attempt().is_some() && (object.desired.adopt.is_none() || !object.memory.is_bound());
        if object.desired.adopt.is_none() || attempted {
            let recalled = object.memory.recall_creation(key, &object.desired);
            if attempted {
                // The write that ends the attempt names the key.
                object.memory.name_key(key, How::Create);
                object.memory.status.create_attempt = None;
                let _known = self.context.surveys.begin(object.desired.owner.mark(), None);
            }
            if recalled {
                object.write_status().await?;
            }
            if !object.records(&key.arn) || object.memory.attempt.is_some() || object.void_attempt().is_some() {
                object.record_key(&key.arn).await?;
            }
            if let Some(named) = object.desired.adopt.as_deref().filter(|named| ![key.id.as_str(), key.arn.as_str()].contains(named)) {
                self.context.events.publish(&object.desired.owner, &event::created_before_adopting(named, &key.arn));
            }
        } else {
            object.drop_copied(&key.arn).await?;
        }
        if object.desired.deletion_policy == DeletionPolicy::Retain && !object.has_finalizer() {
            return Ok(());
        }
        object.sync_finalizer().await
    }
}
