//! The object is being deleted, and its policy may ask for a last act on the key. The table is in [`crate::domain::release`].

use super::{
    execute, guard,
    object::Object,
    observe, pending,
    provider::{Provider, Resolved},
    round::{Round, settled},
};
use crate::{
    api::Reason,
    controller::{Context, account::same_account, error::Ending},
    domain::{
        desired::Invalid,
        event,
        failure::Failure,
        observed::{Facets, Key, Observed},
        plan::{Gone, Plan, Situation},
        release::{self, Circumstances, Release},
        step::Step,
    },
    kms::{self, Kms},
};

/// How many steps and reads one round may take.
const MOST_STEPS: usize = 8;

/// Lets the object go at once where nothing is asked of the key, whether or not its provider can be used.
pub(super) async fn first(context: &Context, object: &mut Object<'_>, provider: &Resolved) -> Result<(), Ending> {
    let admitted = !matches!(provider, Resolved::Unusable(unusable) if unusable.note.reason == Reason::NamespaceNotAllowed);
    let circumstances = Circumstances { terminating: object.is_terminating().await?, admitted };
    match release::first(&object.desired, circumstances) {
        Release::LetGo => Err(let_go(context, object, None, &[]).await?),
        Release::Read | Release::Missing(..) | Release::Wait(_) | Release::Say(_) | Release::Destroy(_) | Release::Hold(_) => Ok(()),
    }
}

/// The spec cannot be read. The object goes if nothing is asked of the key; otherwise a person has to say what is meant.
pub(super) async fn release_unread(context: &Context, object: &mut Object<'_>, invalid: &Invalid) -> Ending {
    if !object.has_finalizer() {
        return Ending::Gone;
    }
    let go = async {
        let circumstances = Circumstances { terminating: object.is_terminating().await?, admitted: true };
        if release::first(&object.desired, circumstances) == Release::LetGo {
            return let_go(context, object, None, &[]).await;
        }
        Ok(Ending::from(invalid))
    };
    go.await.unwrap_or_else(|ending| ending)
}

/// The first read: the key with its marks.
pub(super) async fn first_read(
    context: &Context,
    object: &mut Object<'_>,
    provider: &Provider,
) -> Result<(Observed, Option<Failure>), Ending> {
    // If the KMS still shows the key from before our last step, it may look as the policy wants it while it is not.
    settled(context, object)?;
    object.refresh().await?;
    let kms = &provider.connected.kms;
    let (mut observed, unread) = observe::quick_read(kms, object, &provider.rules, None).await?;
    match &mut observed {
        Observed::Present(key) => **key = kms.complete((**key).clone(), Facets::TAGS).await.whole()?,
        Observed::Absent(_) => same_account(kms, &provider.rules.account).await?,
        Observed::Several(_) => {}
    }
    Ok((observed, unread))
}

/// Does what the policy asks for, then lets the object go.
pub(super) async fn release(round: &mut Round<'_>) -> Ending {
    match work(round).await {
        Ok(Release::Wait(note)) if note.reason == Reason::Paused => Ending::Paused(release::PAUSED),
        Ok(Release::Wait(note)) => Plan::Wait(note).into(),
        Ok(Release::Missing(missing, note)) => Plan::Missing(missing, note, Gone::Unsure).into(),
        Ok(Release::Hold(hold)) => Plan::Hold(hold).into(),
        // What did not come to its end begins again; the finalizer goes only when nothing is left to do.
        Ok(Release::Read | Release::Say(_) | Release::Destroy(_)) => Ending::Changed,
        Ok(Release::LetGo) => {
            let key = round.key().cloned();
            Box::pin(let_go(round.context, &mut round.object, key.as_ref(), &round.steps)).await.unwrap_or_else(|ending| ending)
        }
        Err(ending) => ending,
    }
}

async fn work(round: &mut Round<'_>) -> Result<Release, Ending> {
    for _ in 0..MOST_STEPS {
        let step = match release::release(&round.situation(), &round.observed) {
            Release::Say(say) => Step::Mark { say },
            Release::Destroy(destruction) => {
                let still =
                    |situation: &Situation<'_>, observed: &Observed| release::release(situation, observed) == Release::Destroy(destruction);
                let Some(cleared) = guard::check(round, destruction, still).await? else { continue };
                Step::Destroy(cleared)
            }
            other => return Ok(other),
        };
        Box::pin(kms::hastily(execute::execute(round, step))).await?;
    }
    Ok(Release::Read)
}

/// Takes the finalizer away. A key that is pending deletion is on its provider's list before that: `saw` is the key as a read showed it, and without a read
/// the status tells what it was.
///
/// The events are in the queue before the finalizer goes, and are posted beside the round. If the process is killed in between they are lost; the list of
/// the provider still has the key.
async fn let_go(context: &Context, object: &mut Object<'_>, saw: Option<&Key>, steps: &[Step]) -> Result<Ending, Ending> {
    let listed = pending::entry(context, object, saw);
    if let Some(entry) = &listed {
        pending::list(context, object, entry, saw.is_some()).await?;
    }
    if let Some(key) = saw {
        for event in event::last_events(key, &object.desired.owner, &object.memory.status, steps) {
            context.events.publish(&object.desired.owner, &event);
        }
    }
    let released = event::released(&object.memory, &object.desired.owner, steps);
    object.remove_finalizer().await?;
    if let Some(entry) = &listed {
        pending::told(context, &object.desired.owner, entry, &object.provider);
    } else {
        context.events.publish(&object.desired.owner, &released);
    }
    Ok(Ending::Gone)
}
