//! The end of every round: the status if it changed, then events, gauges, and when to look again.
//!
//! [`finish`] is the one place where an [`Ending`] becomes these. A failure is in the status before it is retried.

use std::{collections::BTreeSet, time::Duration};

use kube::Api;

use super::{
    object::{Object, readable},
    pending::{self, Reported},
    primary,
    round::{Reached, Round, View},
};
use crate::{
    api::{ManagedKey, ManagedKeyStatus, Reason},
    controller::{
        Context,
        error::{Ending, Error, api},
        now,
        watched::Watched,
    },
    domain::{
        event::{self, About},
        failure::Outcome,
        memory::Memory,
        observed::Observed,
        ownership,
        plan::{Note, Plan},
        release,
        requeue::{Cause, Leftover, Next},
        rules::Rules,
        status::{self, Conclusion},
        step::{How, Step},
    },
    metrics::RoundResult,
};

/// What a round with one reading of its object leads to.
#[derive(Debug)]
pub(super) enum Finished {
    /// The object is looked at again after this time, or only when it changes. The round counts as this in metrics.
    Until(Option<Duration>, RoundResult),
    /// The object was read anew and differs, so the round begins again with it.
    Newer(Box<Watched<ManagedKey>>),
}

/// Ends a round: writes the status, publishes its events, and chooses when the object is looked at again. `fingerprint`: what the object looked like.
pub(super) async fn finish(context: &Context, fingerprint: u64, mut reached: Reached<'_>, ending: Ending) -> Result<Finished, Error> {
    let ending = ending.without_turns();
    let attempt_open = reached.object().memory.open_attempt().is_some();
    let ending = tell(context, &mut reached, &ending).await.map_or_else(|untold| untold, |()| ending);
    let object = reached.object();
    let (uid, resync) = (object.uid().to_owned(), object.resync());
    let (next, result) = match ending {
        Ending::Error(error) => return Err(error),
        Ending::Newer(read) => return Ok(Finished::Newer(read)),
        Ending::Gone => (Next::OnChange, RoundResult::Idle),
        // The watch will show what was changed. Until then the object is left alone, and longer if the watch is silent.
        Ending::Changed => (Next::Unseen(context.failed(&uid, Cause::Changed)), RoundResult::Changed),
        Ending::Later(next) => (next, RoundResult::Waiting),
        Ending::Unkept(left) => (Next::Until(left), RoundResult::Waiting),
        Ending::Unknown => (Next::Soon, RoundResult::Ok),
        Ending::Paused(_) | Ending::Refused { .. } => (Next::Regular, RoundResult::Ok),
        Ending::Held(hold) => (Next::of_hold(&hold), RoundResult::Ok),
        Ending::Contended { .. } => (Next::Regular, RoundResult::Failed),
        Ending::Failed(failure) | Ending::MarksNotWritable(failure) => {
            (Next::Retry(failure.kind.verdict().retry, context.failed(&uid, Cause::Kms)), RoundResult::Failed)
        }
        Ending::ReadBack => {
            context.succeeded(&uid, false);
            (Next::Changed, RoundResult::Ok)
        }
        Ending::Planned(plan) => match &reached {
            Reached::Key(round) => planned(context, round, &plan, attempt_open),
            Reached::Object(_) | Reached::Provider(..) => (Next::Regular, RoundResult::Ok),
        },
    };
    let wait = context.wait(next, resync);
    if let (Some(wait), RoundResult::Ok | RoundResult::Failed) = (wait, result) {
        context.reported(&uid);
        context.due_in(&uid, fingerprint, wait);
    }
    Ok(Finished::Until(wait, result))
}

/// When a key is looked at again whose plan came to its end.
fn planned(context: &Context, round: &Round<'_>, plan: &Plan, attempt_open: bool) -> (Next, RoundResult) {
    let object = &round.object;
    let changed = !round.steps.is_empty();
    if !round.awaiting {
        context.aliases.forget(object.uid());
    }
    if !changed && matches!(plan, Plan::Rest(_)) {
        round.note_what_stuck();
    }
    let failed = round.failed.iter().chain(&round.unread).map(|failure| failure.kind.verdict().retry);
    let failed: Vec<_> = failed.chain(round.unpublished.iter().map(|trouble| trouble.retry)).collect();
    let (failures, result) = if failed.is_empty() {
        // Only after the status was written: a status that cannot be written is tried again later and later.
        context.succeeded(object.uid(), round.made_and_knows());
        (0, RoundResult::Ok)
    } else {
        (context.failed(object.uid(), Cause::Kms), RoundResult::Failed)
    };
    let requested = if let Plan::Rest(rest) = plan { rest.demand.as_ref().and_then(|undone| undone.again) } else { None };
    let lingers = round.again.into_iter().chain(requested).min();
    let left = Leftover { unkept: round.unkept.iter().map(|(_, left)| *left).min(), lingers, failed, failures };
    let next = Next::of_plan(plan, changed, attempt_open);
    (next.after_plan(&left, &context.pace(object.resync())), result)
}

/// Writes the status that an ending calls for, and publishes its events.
async fn tell(context: &Context, reached: &mut Reached<'_>, ending: &Ending) -> Result<(), Ending> {
    log(reached, ending);
    let plan_of_hold;
    let conclusion = match ending {
        Ending::Planned(plan) => Conclusion::Planned(plan),
        Ending::Held(hold) => {
            plan_of_hold = Plan::Hold(hold.clone());
            Conclusion::Planned(&plan_of_hold)
        }
        Ending::Paused(message) => Conclusion::Paused(message),
        Ending::Refused { note, stalled } => Conclusion::Refused { note: note.clone(), stalled: *stalled },
        Ending::Failed(failure) => Conclusion::Failed(failure),
        Ending::MarksNotWritable(failure) => {
            let object = reached.object();
            Conclusion::Refused { note: status::marks_not_writable(failure, object.resync(), &object.desired.owner), stalled: true }
        }
        Ending::Contended { key, by } => {
            let message = ownership::belongs_to(key, by, "; remove one of the two objects");
            Conclusion::Refused { note: Note { reason: Reason::OwnedByAnother, message }, stalled: true }
        }
        Ending::ReadBack => {
            let created = matches!(reached.steps().last(), Some(Step::Bind { how: How::Create, .. }));
            let reason = if created { Reason::Creating } else { Reason::Adopting };
            let message = "the key was marked as this object's; the marks are read back before anything else is done".into();
            Conclusion::ReadingBack(Note { reason, message })
        }
        Ending::Later(_) | Ending::Changed | Ending::Newer(_) | Ending::Error(Error::Api(..) | Error::Timeout(_) | Error::Ended(_)) => {
            // What was done is told, even if the round has to begin again.
            if reached.steps().is_empty() && !reached.object().ends_attempt() {
                return Ok(());
            }
            Conclusion::Unfinished
        }
        Ending::Unkept(_) | Ending::Unknown | Ending::Gone | Ending::Error(Error::NotLeader) => return Ok(()),
    };
    let unkept: BTreeSet<String> = reached.unkept().iter().map(|(step, _)| step.to_string()).collect();
    let unkept: Vec<String> = unkept.into_iter().collect();
    let repeats: Vec<Step> = reached.unkept().iter().map(|(step, _)| step.clone()).collect();
    let (object, rules, view, steps) = reached.parts();
    match conclusion {
        Conclusion::Planned(_) => {
            // A step that is done again and again was told when it was done first.
            let told: Vec<Step> = steps.iter().filter(|step| !repeats.contains(step)).cloned().collect();
            write(context, object, rules, View { unkept: &unkept, ..view }, conclusion, &told).await
        }
        Conclusion::Paused(_) => write(context, object, None, View::default(), conclusion, &[]).await,
        Conclusion::Unfinished => {
            write(context, object, rules, View { failed: &[], unread: &[], unpublished: None, ..view }, conclusion, steps).await
        }
        _ => write(context, object, rules, view, conclusion, steps).await,
    }
}

/// The round panicked. What it wrote before that is not known, so the object is read again.
pub(super) async fn panicked(context: &Context, stored: &ManagedKey) -> Result<(), Ending> {
    let (Some(name), Some(namespace)) = (&stored.metadata.name, &stored.metadata.namespace) else { return Ok(()) };
    let read = Api::<Watched<ManagedKey>>::namespaced(context.client.clone(), namespace).get(name).await;
    let read = read.map_err(api("a live read of the object"))?.into_decoded().map_err(|_| Ending::Changed)?;
    let Some(mut object) = readable(context, &read).filter(|object| Some(object.uid()) == stored.metadata.uid.as_deref()) else {
        return Err(Ending::Changed);
    };
    let way_out = if object.metadata.deletion_timestamp.is_some() { release::WAY_OUT } else { "" };
    let message = format!(
        "Keyward met a fault of its own at this object and leaves it alone for a while, its key as it is; \
         the operator's log has it: report it, and look for a newer version{way_out}"
    );
    let note = Note { reason: Reason::UnknownError, message };
    write(context, &mut object, None, View::default(), Conclusion::Refused { note, stalled: false }, &[]).await
}

/// Logs the calls that failed, each with its key, if one is known.
fn log(reached: &Reached<'_>, ending: &Ending) {
    let key = reached.key();
    let ended = match ending {
        Ending::Failed(failure) | Ending::MarksNotWritable(failure) => Some(failure),
        _ => None,
    };
    let gone_without = match (reached, ending) {
        (Reached::Key(round), Ending::Planned(_) | Ending::Held(_)) => [&*round.failed, &*round.unread],
        _ => [&[][..]; 2],
    };
    for failure in gone_without.into_iter().flatten().chain(ended) {
        let source = failure.source.as_deref().map(|source| source as &dyn std::error::Error);
        tracing::warn!(key, operation = failure.operation, outcome = failure.kind.as_str(), source, "{}", failure.message);
    }
}

/// Writes the status if it changed, then publishes the events of the change.
pub(super) async fn write(
    context: &Context,
    object: &mut Object<'_>,
    rules: Option<&Rules>,
    view: View<'_>,
    conclusion: Conclusion<'_>,
    steps: &[Step],
) -> Result<(), Ending> {
    let before = object.stored().clone();
    if matches!(view.observed, Some(Observed::Present(_))) {
        context.heard(object.uid());
    }
    let unsure = matches!(conclusion, Conclusion::Failed(failure) if failure.outcome != Outcome::Refused);
    object.memory.status = concluded(object, &object.memory, rules, view, conclusion);
    let written = match object.write_status().await {
        Err(Ending::Changed) if !steps.is_empty() || object.ends_attempt() => match object.rebase().await {
            Ok(()) => object.write_status().await,
            Err(ending) => Err(ending),
        },
        written => written,
    };

    let after = &object.memory.status;
    let owner = &object.desired.owner;
    // The alert is there even if the API server does not take the status.
    if matches!(written, Ok(()) | Err(Ending::Error(Error::Api(..)))) {
        context.gauge(owner, pending::alarm(context, owner, after, view), &after.conditions);
    }
    // The status of an object that is gone by now cannot tell of its key.
    let told = match &written {
        Ok(()) => Reported::InStatus,
        Err(ending) => Reported::Nowhere { unsure, changed: matches!(ending, Ending::Changed) },
    };
    Box::pin(pending::watch(context, object, view, steps, told)).await;
    written?;
    object.answered();
    let after = &object.memory.status;
    let created = object.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let about = About { desired: &object.desired, set_by: object.set_by.as_deref(), found: view.found, created };
    for event in event::events(&before, after, about, steps) {
        context.events.publish(&object.desired.owner, &event);
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
    let replicas = primary::waits_for(object.context, &object.desired, view.observed);
    let report = status::Report {
        generation: object.desired.generation,
        desired: Some(&object.desired),
        rules,
        observed: view.observed,
        conclusion,
        failed: view.failed,
        unread: view.unread,
        unkept: view.unkept,
        unpublished: view.unpublished,
        last_use: view.latest_use,
        replicas: &replicas,
        set_by: object.set_by.as_deref(),
        requested: object.requested(),
        word_stands: object.was_seen_lately(),
        resync: object.resync(),
        now: now(),
    };
    status::status(memory, &report)
}
