//! The end of a round: the status if it changed, events, gauges, and when to look again.
//!
//! A failure is in the status before it is retried.

use std::{collections::BTreeSet, time::Duration};

use kube::Api;

use super::{
    events,
    object::Object,
    pending::{self, Told},
    provider::Provider,
    round::{Round, View},
};
use crate::{
    api::{ConditionType, ManagedKey, ManagedKeyStatus, Reason, condition},
    controller::{
        Context,
        error::{Abort, Error, Halt, api},
        key_provider::{Rejected, Unusable},
        now, retry,
        watched::Watched,
    },
    domain::{
        desired::Invalid,
        event::{self, About},
        failure::{Failure, FailureKind, Outcome},
        memory::Memory,
        observed::Observed,
        plan::{Gone, Note, Plan},
        rules::Rules,
        status::{self, Conclusion},
        step::{How, Step},
    },
};

/// How a round ended.
#[derive(Debug)]
pub(super) enum End {
    /// The object goes; nothing is left to do.
    Gone,
    /// The object is looked at again after this long.
    Again(Duration),
    /// A call failed, the status says so, and it is tried again after this long.
    Failed(Duration),
}

/// A round that came to its end.
pub(super) async fn planned(mut round: Round<'_>, plan: &Plan) -> Result<End, Abort> {
    let context = round.context;
    let settings = &context.settings;
    let changed = !round.steps.is_empty();
    let wait = match plan {
        // What was changed is looked at once more when the KMS must show it.
        Plan::Rest(_) if changed => settings.consistency.max(Duration::from_millis(100)),
        Plan::Hold(hold) if hold.passes => retry::SOON,
        Plan::Rest(_) | Plan::Stall(_) | Plan::Hold(_) | Plan::Missing(_, _, Gone::Deleted | Gone::Lost) => round.provider.resync,
        Plan::Missing(_, _, Gone::Unsure) => (settings.missing_after / 2).max(Duration::from_millis(100)),
        // Looking for the key of an attempt reads the tags of every key.
        Plan::Wait(_) if round.object.memory.open_attempt().is_some() => settings.attempt_wait / 10,
        Plan::Wait(_) | Plan::Do(_) | Plan::Read(_) => retry::SOON.min(settings.attempt_wait),
    };
    if !round.awaiting {
        context.aliases.forget(round.object.uid());
    }
    let unkept: BTreeSet<String> = round.unkept.iter().map(|(step, _)| step.to_string()).collect();
    let unkept: Vec<String> = unkept.into_iter().collect();
    let view = View { observed: Some(&round.observed), failed: &round.failed, unread: &round.unread, found: &round.found, unkept: &unkept };
    // What is done again and again was told when it was done first.
    let is_repeat = |step: &Step| round.unkept.iter().any(|(repeat, _)| repeat == step);
    let told: Vec<Step> = round.steps.iter().filter(|step| !is_repeat(step)).cloned().collect();
    write(context, &mut round.object, Some(&round.provider.rules), view, Conclusion::Planned(plan), &told).await?;
    if !changed && matches!(plan, Plan::Rest(_)) {
        round.note_what_stuck();
    }
    let wait = round.unkept.iter().map(|(_, left)| *left).min().map_or(wait, |left| round.provider.resync.min(left));
    let wait = round.again.map_or(wait, |again| wait.min(again.max(Duration::from_millis(100))));
    let key = round.key().map(|key| key.arn.as_str());
    let troubles = round.failed.iter().chain(&round.unread);
    if round.failed.is_empty() && round.unread.is_empty() {
        // Only now: what cannot be written is tried again later and later.
        context.succeeded(round.object.uid(), round.made_and_knows());
        return Ok(End::Again(wait));
    }
    let failures = context.failed(round.object.uid());
    let retried =
        troubles.inspect(|failure| log(failure, key)).map(|failure| failure.kind.verdict().retry.wait(failures, round.provider.resync));
    let retried = retried.min().unwrap_or(wait);
    Ok(End::Failed(round.again.map_or(retried, |_| retried.min(wait))))
}

/// A round that was halted.
pub(super) async fn halted(mut round: Round<'_>, halt: Halt) -> Result<End, Abort> {
    let context = round.context;
    let stalled = |reason, message| Conclusion::Refused { note: Note { reason, message }, stalled: true };
    let consistency = context.settings.consistency.max(Duration::from_millis(100));
    let failed = !matches!(halt, Halt::ReadBack);
    let halt = match halt {
        Halt::Failed(failure) if failure.kind == FailureKind::Waiting => Halt::Abort(Abort::TooSoon(retry::AGAIN)),
        halt => halt,
    };
    let failure;
    let (conclusion, wait) = match halt {
        Halt::Abort(abort) => {
            let tells = !round.steps.is_empty() || round.object.ends_attempt();
            if tells && !matches!(abort, Abort::Error(Error::NotLeader)) {
                let view = View { observed: Some(&round.observed), found: &round.found, ..View::default() };
                let rules = Some(&round.provider.rules);
                write(context, &mut round.object, rules, view, Conclusion::Unfinished, &round.steps).await?;
            }
            return Err(abort);
        }
        Halt::Failed(found) => {
            log(&found, round.key().map(|key| key.arn.as_str()));
            failure = found;
            let failures = context.failed(round.object.uid());
            (Conclusion::Failed(&failure), failure.kind.verdict().retry.wait(failures, round.provider.resync))
        }
        Halt::Held(hold) => {
            let plan = Plan::Hold(hold);
            return planned(round, &plan).await;
        }
        Halt::MarksNotWritable(failure) => {
            log(&failure, round.key().map(|key| key.arn.as_str()));
            let (retry, resync) = (failure.kind.verdict().retry, round.provider.resync);
            let again = status::tried_again(retry, resync, &round.object.desired.owner);
            let message = format!("the key cannot be marked as this object's, so nothing is done to it: {}{again}", failure.message);
            (stalled(Reason::MarksNotWritable, message), retry.wait(context.failed(round.object.uid()), resync))
        }
        Halt::Contended(other) => {
            (stalled(Reason::OwnedByAnother, format!("the key belongs to {other}; remove one of the two objects")), round.provider.resync)
        }
        Halt::Unkept(left) => return Err(Abort::TooSoon(left)),
        Halt::ReadBack => {
            let created = matches!(round.steps.last(), Some(Step::Bind { how: How::Create, .. }));
            let reason = if created { Reason::Creating } else { Reason::Adopting };
            let message = "the key was marked as this object's; the marks are read back before anything else is done".into();
            (Conclusion::ReadingBack(Note { reason, message }), consistency)
        }
    };
    let view =
        View { observed: Some(&round.observed), failed: &round.failed, unread: &round.unread, found: &round.found, ..View::default() };
    write(context, &mut round.object, Some(&round.provider.rules), view, conclusion, &round.steps).await?;
    if failed {
        return Ok(End::Failed(wait));
    }
    context.succeeded(round.object.uid(), false);
    Ok(End::Again(wait))
}

/// The first look failed.
pub(super) async fn failed<'a>(context: &'a Context, mut object: Object<'a>, provider: Provider, failure: Failure) -> Result<End, Abort> {
    if failure.kind == FailureKind::Waiting {
        return Err(Abort::TooSoon(retry::AGAIN));
    }
    log(&failure, object.memory.reference());
    let failures = context.failed(object.uid());
    let wait = failure.kind.verdict().retry.wait(failures, provider.resync);
    write(context, &mut object, Some(&provider.rules), View::default(), Conclusion::Failed(&failure), &[]).await?;
    Ok(End::Failed(wait))
}

/// The KMS does not answer, and others are asking it.
pub(super) async fn rejected<'a>(context: &'a Context, object: Object<'a>, provider: Provider, rejected: Rejected) -> Result<End, Abort> {
    match rejected {
        Rejected::Busy(_) | Rejected::Lately => Ok(End::Again(retry::SOON)),
        Rejected::Long(failure) => failed(context, object, provider, failure).await,
    }
}

/// The provider cannot be used. The object is looked at again when that changes.
pub(super) async fn unusable<'a>(context: &'a Context, mut object: Object<'a>, unusable: Unusable) -> Result<End, Abort> {
    let stalled = unusable.is_stalled();
    write(context, &mut object, None, View::default(), Conclusion::Refused { note: unusable.note, stalled }, &[]).await?;
    Ok(End::Again(object.resync()))
}

/// The object is paused.
pub(super) async fn paused<'a>(context: &'a Context, mut object: Object<'a>) -> Result<End, Abort> {
    write(context, &mut object, None, View::default(), Conclusion::Paused, &[]).await?;
    Ok(End::Again(object.resync()))
}

/// The object cannot be understood, though the API server took it.
pub(super) async fn invalid(context: &Context, stored: &ManagedKey, invalid: &Invalid) -> Result<End, Abort> {
    let Some(mut object) = readable(context, stored) else {
        tracing::warn!(error = invalid as &dyn std::error::Error, "the object has no name or UID");
        return Ok(End::Gone);
    };
    let note = Note { reason: Reason::InvalidSpec, message: invalid.to_string() };
    write(context, &mut object, None, View::default(), Conclusion::Refused { note, stalled: true }, &[]).await?;
    Ok(End::Again(object.resync()))
}

/// The round panicked. What it wrote before that is not known here, so the object is read anew.
pub(super) async fn panicked(context: &Context, stored: &ManagedKey) -> Result<(), Abort> {
    let (Some(name), Some(namespace)) = (&stored.metadata.name, &stored.metadata.namespace) else { return Ok(()) };
    let read = Api::<Watched<ManagedKey>>::namespaced(context.client.clone(), namespace).get(name).await;
    let read = read.map_err(api("a live read of the object"))?.into_decoded().map_err(|_| Abort::Changed)?;
    let Some(mut object) = readable(context, &read).filter(|object| Some(object.uid()) == stored.metadata.uid.as_deref()) else {
        return Err(Abort::Changed);
    };
    let way_out = if object.metadata.deletion_timestamp.is_some() {
        "; to let the object go and leave the key, set deletionPolicy: Retain"
    } else {
        ""
    };
    let message = format!(
        "Keyward met a fault of its own at this object and leaves it alone for a while, its key as it is; \
         the operator's log has it: report it, and look for a newer version{way_out}"
    );
    let note = Note { reason: Reason::UnknownError, message };
    write(context, &mut object, None, View::default(), Conclusion::Refused { note, stalled: false }, &[]).await
}

/// An object without the wishes that cannot be read: a status can be written for it, and it can be let go. Nothing else may follow from it.
pub(super) fn readable<'a>(context: &'a Context, stored: &ManagedKey) -> Option<Object<'a>> {
    // The days stay if they can, so that a deletion that stands is not told as someone else's.
    Object::new(context, stored, None).ok().or_else(|| {
        let mut harmless = stored.clone();
        harmless.spec.deletion_schedule_days = None;
        Object::new(context, &harmless, None).ok()
    })
}

/// Logs a failed call, with the key that it was about, if one was known.
fn log(failure: &Failure, key: Option<&str>) {
    let source = failure.source.as_deref().map(|source| source as &dyn std::error::Error);
    tracing::warn!(key, operation = failure.operation, outcome = failure.kind.as_str(), source, "{}", failure.message);
}

/// Writes the status if it changed, then tells what is worth telling.
pub(super) async fn write(
    context: &Context,
    object: &mut Object<'_>,
    rules: Option<&Rules>,
    view: View<'_>,
    conclusion: Conclusion<'_>,
    steps: &[Step],
) -> Result<(), Abort> {
    let before = object.stored().clone();
    if matches!(view.observed, Some(Observed::Present(_))) {
        context.heard(object.uid());
    }
    let unsure = matches!(conclusion, Conclusion::Failed(failure) if failure.outcome != Outcome::Refused);
    object.memory.status = concluded(object, &object.memory, rules, view, conclusion);
    let written = match object.write_status().await {
        Err(Abort::Changed) if !steps.is_empty() || object.ends_attempt() => match object.rebase().await {
            Ok(()) => object.write_status().await,
            Err(abort) => Err(abort),
        },
        written => written,
    };

    let after = &object.memory.status;
    let owner = &object.desired.owner;
    // What the API server does not take is alerted on all the same.
    if matches!(written, Ok(()) | Err(Abort::Error(Error::Api(..)))) {
        let ready = condition::find(&after.conditions, ConditionType::Ready).is_some_and(|ready| ready.status == "True");
        context.gauge(owner, ready, pending::alarm(context, owner, after, view));
    }
    // An object that is gone by now tells nobody of its key.
    let told = match &written {
        Ok(()) => Told::ByStatus,
        Err(abort) => Told::ByNobody { unsure, changed: matches!(abort, Abort::Changed) },
    };
    Box::pin(pending::watch(context, object, view, steps, told)).await;
    written?;
    object.answered();
    let after = &object.memory.status;
    let created = object.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let about = About { desired: &object.desired, set_by: object.set_by.as_deref(), found: view.found, created };
    for event in event::events(&before, after, about, steps) {
        events::publish(context, &object.desired.owner, &event).await;
    }
    Ok(())
}

/// The status that an object with that memory has after a round.
pub(super) fn concluded(
    object: &Object<'_>,
    memory: &Memory,
    rules: Option<&Rules>,
    view: View<'_>,
    conclusion: Conclusion<'_>,
) -> ManagedKeyStatus {
    let round = status::Round {
        generation: object.desired.generation,
        desired: Some(&object.desired),
        rules,
        observed: view.observed,
        conclusion,
        failed: view.failed,
        unread: view.unread,
        unkept: view.unkept,
        set_by: object.set_by.as_deref(),
        requested: object.requested(),
        word_stands: object.was_seen_lately(),
        resync: object.resync(),
        now: now(),
    };
    status::status(memory, &round)
}
