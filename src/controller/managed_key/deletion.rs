//! The object is being deleted, and its policy asks for a last act. The table is in [`crate::domain::release`].

use std::{sync::Arc, time::Instant};

use crate::{
    api::{ManagedKey, Reason},
    controller::{
        Context,
        account::same_account,
        error::{Abort, Halt},
        key_provider::{Awaits, Rejected, Unusable},
        lane::Lane,
        retry,
        watched::Watched,
    },
    domain::{
        deletion::hold::Hold,
        desired::Invalid,
        event::{self, Event},
        failure::Failure,
        observed::{Facets, Key, Observed},
        plan::{self, Gone, Note, Plan, Situation, Tried},
        release::{self, Circumstances, Release},
        status::Conclusion,
        step::Step,
    },
    kms::{self, Kms},
};

use super::{
    events, execute, guard,
    object::Object,
    observe, pending,
    provider::{self, Provider, Resolved},
    report::{self, End},
    round::{self, Round, View},
};

/// The way out of every wait.
const WAY_OUT: &str = "; to let the object go and leave the key, set deletionPolicy: Retain";
/// Steps and reads at most.
const TURNS: usize = 8;

/// Does what the policy asks for, then lets the object go.
pub(super) async fn release<'a>(context: &'a Context, mut object: Object<'a>, watched: &Watched<ManagedKey>) -> Result<End, Abort> {
    let Ok(stored) = watched.decoded() else { return Ok(End::Gone) };
    if !object.has_finalizer() {
        return Ok(End::Gone);
    }
    let provider = provider::resolve(context, stored).await?;
    let admitted = !matches!(&provider, Resolved::Unusable(unusable) if unusable.note.reason == Reason::NamespaceNotAllowed);
    let circumstances = Circumstances { terminating: object.is_terminating().await?, admitted };
    match release::first(&object.desired, circumstances) {
        Release::LetGo => return Box::pin(let_go(context, object, None, &[])).await,
        Release::Look | Release::Missing(..) | Release::Wait(_) | Release::Say(_) | Release::Destroy(_) | Release::Hold(_) => {}
    }
    let provider = match provider {
        Resolved::Usable(provider) => *provider,
        Resolved::Untried => return Ok(End::Again(retry::SOON)),
        Resolved::Unusable(unusable) => {
            let message = format!("{}{WAY_OUT}", unusable.note.message);
            let unusable = Unusable { note: Note { message, ..unusable.note }, ..unusable };
            return report::unusable(context, object, unusable).await;
        }
    };
    if let Some(Note { reason, message }) = plan::elsewhere(&object.memory, &provider.rules) {
        let note = Note { reason, message: format!("{message}{WAY_OUT}") };
        return report::unusable(context, object, Unusable { note, awaits: Awaits::Person }).await;
    }
    let connected = Arc::clone(&provider.connected);
    let _permit = match connected.breaker.permit(Lane::Ordinary) {
        Ok(permit) => permit,
        Err(Rejected::Long(failure)) => return report::failed(context, object, provider, with_way_out(failure)).await,
        Err(lately) => return report::rejected(context, object, provider, lately).await,
    };
    // A key that is as the policy wants by what the KMS showed before our last step may not be so.
    round::settled(context, &object)?;
    object.refresh().await?;
    let started = Instant::now();
    let observed = match read(&provider, &object).await {
        Ok(observed) => observed,
        Err(failure) => {
            provider.failed(context, &failure);
            return report::failed(context, object, provider, with_way_out(failure)).await;
        }
    };
    provider.answered(context);
    let mut round = Round::new(context, started, object, provider, observed, Tried::default());
    match work(&mut round).await {
        Ok(Release::Wait(note)) => wait(round, note).await,
        Ok(Release::Missing(missing, note)) => report::planned(round, &Plan::Missing(missing, note, Gone::Unsure)).await,
        Ok(Release::Hold(hold)) => report::planned(round, &Plan::Hold(hold)).await,
        // Whatever did not come to its end is begun anew; the finalizer goes only when nothing is left to do.
        Ok(Release::Look | Release::Say(_) | Release::Destroy(_)) => Err(Abort::Changed),
        Ok(Release::LetGo) => {
            let steps = std::mem::take(&mut round.steps);
            let key = round.key().cloned();
            Box::pin(let_go(context, round.object, key.as_ref(), &steps)).await
        }
        Err(Halt::Failed(failure)) => {
            round.provider.failed(context, &failure);
            report::halted(round, Halt::Failed(with_way_out(failure))).await
        }
        Err(Halt::Held(hold)) => {
            let message = format!("{}{WAY_OUT}", hold.message);
            report::halted(round, Halt::Held(Hold { message, ..hold })).await
        }
        Err(halt) => report::halted(round, halt).await,
    }
}

/// The object is being deleted and its spec cannot be read. It goes where that asks nothing of the key; otherwise a person has to say what is meant.
pub(super) async fn release_unread(context: &Context, stored: &ManagedKey, invalid: &Invalid) -> Result<End, Abort> {
    let Some(object) = report::readable(context, stored).filter(Object::has_finalizer) else { return Ok(End::Gone) };
    let circumstances = Circumstances { terminating: object.is_terminating().await?, admitted: true };
    if release::first(&object.desired, circumstances) == Release::LetGo {
        return Box::pin(let_go(context, object, None, &[])).await;
    }
    report::invalid(context, stored, &Invalid(format!("{invalid}{WAY_OUT}"))).await
}

/// What keeps the finalizer says how the object can go all the same.
fn with_way_out(failure: Failure) -> Failure {
    Failure { message: format!("{}{WAY_OUT}", failure.message), ..failure }
}

/// The key with its marks.
async fn read(provider: &Provider, object: &Object<'_>) -> Result<Observed, Failure> {
    let kms = &provider.connected.kms;
    let (mut observed, _nothing_else_was_read) = observe::quick_read(kms, object, provider.rules.limits(), None).await?;
    match &mut observed {
        Observed::Present(key) => **key = kms.complete((**key).clone(), Facets::TAGS).await.whole()?,
        Observed::Absent(_) => same_account(kms, &provider.rules.account).await?,
        Observed::Several(_) => {}
    }
    Ok(observed)
}

async fn work(round: &mut Round<'_>) -> Result<Release, Halt> {
    for _ in 0..TURNS {
        let step = match release::release(&round.situation(), &round.observed) {
            Release::Say(say) => Step::Mark { say },
            Release::Destroy(destruction) => {
                let still =
                    |situation: &Situation<'_>, observed: &Observed| release::release(situation, observed) == Release::Destroy(destruction);
                Step::Destroy(guard::ask(round, destruction, still).await?)
            }
            other => return Ok(other),
        };
        Box::pin(kms::hastily(execute::execute(round, step))).await?;
    }
    Ok(Release::Look)
}

/// The finalizer waits, and says for what.
async fn wait(mut round: Round<'_>, note: Note) -> Result<End, Abort> {
    if note.reason == Reason::Paused {
        report::write(round.context, &mut round.object, None, View::default(), Conclusion::Paused, &[]).await?;
        return Ok(End::Again(round.provider.resync));
    }
    report::planned(round, &Plan::Wait(note)).await
}

/// Takes the finalizer away. A key that is pending is on its provider's list before that: as a look `saw` it, or else as the status tells of it.
async fn let_go<'a>(context: &'a Context, mut object: Object<'a>, saw: Option<&Key>, steps: &[Step]) -> Result<End, Abort> {
    let listed = pending::entry(context, &object, saw);
    if let Some(entry) = &listed {
        pending::list(context, &object, entry).await?;
    }
    if let Some(key) = saw {
        for event in event::last_events(&key.arn, key.deletion_date, &object.desired.owner, steps) {
            events::publish(context, &object.desired.owner, &event).await;
        }
    }
    let key = object.memory.bound_to().unwrap_or("no key").to_owned();
    let what = steps.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut note =
        if what.is_empty() { format!("the object is gone; {key} is left as it is") } else { format!("the object is gone; {key}: {what}") };
    if let Some(attempt) = object.memory.open_attempt() {
        let claim = object.desired.owner.claim_alias();
        note = format!(
            "{note}; a creation was under way ({attempt}): look for a key with the alias {claim} or the tag keyward-uid={}",
            object.uid()
        );
    }
    object.remove_finalizer().await?;
    match &listed {
        Some(entry) => pending::told(context, &object.desired.owner, entry, &object.provider).await,
        None => {
            events::publish(context, &object.desired.owner, &Event { reason: "KeyReleased", action: "Release", warning: false, note })
                .await;
        }
    }
    Ok(End::Gone)
}
