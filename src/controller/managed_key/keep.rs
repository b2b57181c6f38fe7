//! Keeps a key as declared: one step after the other, until nothing is left to do. The table is in [`crate::domain::plan`].

use super::{
    execute, guard,
    object::Object,
    observe,
    provider::Provider,
    round::{Round, settled},
};
use crate::{
    api::ManagedKey,
    controller::{Context, account::same_account, error::Ending, lane::Lane},
    domain::{
        failure::{Failure, FailureKind},
        observed::Observed,
        plan::{Plan, Read, named_elsewhere, plan},
        requeue::Next,
        rescue,
        step::Step,
    },
    kms,
};

/// How many steps and reads one round may take. A key is as declared after at most twelve steps, and one more for each alias that comes or goes: 49 of each.
/// The limit is high, so that a working key is not reported as unfinished when a round runs out of steps.
const MOST_STEPS: usize = 128;

/// Whether the key may be read now, before anything is asked of the API server: thousands of objects may be waiting.
pub(super) fn may_read(context: &Context, object: &Object<'_>, stored: &ManagedKey, lane: Lane) -> Result<(), Ending> {
    // A rescue does not wait for this: see `may_conclude`.
    if !rescue::suspected(stored) {
        settled(context, object)?;
    }
    let connected = super::provider::connected(context, &stored.spec.provider_ref.name).filter(|_| lane == Lane::Rescue);
    connected.and_then(|connected| connected.breaker.turns_away()).map_or(Ok(()), |pause| Err(Ending::Later(Next::TurnedAway(pause))))
}

/// Whether `spec.keyId` names a key that another provider has. This one would not find it, and the owner of its account must not learn the name.
pub(super) fn is_near(object: &Object<'_>, provider: &Provider) -> Result<(), Ending> {
    match named_elsewhere(&object.desired, &object.memory, &provider.rules) {
        Some(note) => Err(Ending::Refused { note, stalled: true }),
        None => Ok(()),
    }
}

/// The first read. `reads`: how many reads of the object came before, which chooses what is read beside the state.
pub(super) async fn first_read(
    object: &Object<'_>,
    provider: &Provider,
    reads: Option<usize>,
) -> Result<(Observed, Option<Failure>), Ending> {
    Ok(observe::quick_read(&provider.connected.kms, object, &provider.rules, reads).await?)
}

/// Keeps the key. `unread`: what the first read failed to read beside the state.
pub(super) async fn keep(round: &mut Round<'_>, unread: Option<Failure>) -> Ending {
    if let Some(failure) = unread {
        if failure.kind.ends_round() {
            return Ending::Failed(failure);
        }
        round.leave_unread(failure);
    }
    let ending = work(round).await.map_or_else(|ending| ending, Ending::from);
    let published = match &ending {
        Ending::Planned(plan) => round.publish(matches!(**plan, Plan::Rest(_))).await,
        Ending::Held(_) => round.publish(false).await,
        _ => Ok(()),
    };
    let ending = published.map_or_else(|ending| ending, |()| ending);
    let whole = matches!(&ending, Ending::Planned(plan) if matches!(**plan, Plan::Rest(_) | Plan::Hold(_) | Plan::Wait(_)));
    round.note_rotation(whole).await;
    if whole {
        round.note_last_use().await;
    }
    ending
}

/// If the KMS denied a cancel, the key's own policy may be what denies it. A declared policy that differs is set, and the cancel is planned again. Returns the
/// ending of the cancel if there is nothing to set.
async fn unlock(round: &mut Round<'_>, step: &Step, ending: Ending) -> Result<Option<Ending>, Ending> {
    let cancel = match ending {
        Ending::Failed(failure) if *step == Step::Cancel && failure.kind == FailureKind::Denied => failure,
        other => return Ok(Some(other)),
    };
    let policy = round.policy_before_cancel().await.and_then(|policy| policy.harmless().ok());
    let Some(policy) = policy else { return Ok(Some(Ending::Failed(cancel))) };
    after_policy(cancel, Box::pin(execute::execute(round, policy)).await)
}

/// What follows a cancel that was denied, by whether the policy was set. `None`: the cancel is planned again.
pub(super) fn after_policy(cancel: Failure, set: Result<(), Ending>) -> Result<Option<Ending>, Ending> {
    match set {
        Ok(()) => Ok(None),
        Err(Ending::Failed(policy)) => {
            let message = format!("{}; spec.policy may allow it, and could not be set: {}", cancel.message, policy.message);
            Ok(Some(Ending::Failed(Failure { message, ..cancel })))
        }
        // The policy was set lately and did not stick. The cancel does not wait for it.
        Err(Ending::Unkept(_)) => Ok(Some(Ending::Failed(cancel))),
        Err(other) => Err(other),
    }
}

/// Plans and does one step after the other, until nothing is left to do or a step ends the round.
async fn work(round: &mut Round<'_>) -> Result<Plan, Ending> {
    // A person who asks for a reconcile is told everything there is to see. A record that is wrong is written again from what the marks say.
    if (round.object.is_asked_for() || round.object.is_misrecorded()) && round.object.memory.is_bound() && round.key().is_some() {
        round.read(Read::Facets).await?;
    }
    for _ in 0..MOST_STEPS {
        round.keep_record().await?;
        let decided = plan(&round.situation(), &round.observed);
        round.may_conclude(&decided)?;
        match decided {
            Plan::Read(Read::Everywhere) => {
                if let Some(wait) = round.search().await? {
                    return Ok(wait);
                }
            }
            Plan::Read(read) => round.read(read).await?,
            // Now it is known that this is a rescue: from here on its calls have turns of their own, whichever lane the round began in.
            Plan::Do(step) if step.saves() && !kms::is_rescuing() => return kms::rescuing(Box::pin(work(round))).await,
            Plan::Do(step) if !round.goes_on(&step) => return Err(Ending::Later(Next::AtOnce)),
            // A step is done only if a live read of the object asks for it.
            Plan::Do(_) if !round.object.live => round.object.refresh().await?,
            // The same for each further step: what is not wanted any more is not done.
            Plan::Do(_) if !round.steps.is_empty() && !round.object.is_unchanged().await? => return Err(Ending::Changed),
            Plan::Do(step) if round.stays(&step) => {}
            Plan::Do(step) => {
                let Some(cleared) = guard::pass(round, &step).await? else { continue };
                let execution = execute::execute(round, cleared);
                let executed = if step.needs_fresh_reads() { Box::pin(kms::hastily(execution)).await } else { execution.await };
                if let Err(ending) = executed
                    && let Some(ending) = round.after_taken(&step, ending).await?
                    && let Some(ending) = unlock(round, &step, ending).await?
                {
                    round.go_on_without(&step, ending)?;
                }
            }
            Plan::Missing(..) if !round.object.live => {
                same_account(round.kms(), &round.provider.rules.account).await?;
                round.object.refresh().await?;
            }
            // A pending key is not left to its deletion because of what the watch says: the object is read live first.
            Plan::Hold(_) | Plan::Rest(_) | Plan::Wait(_) | Plan::Stall(_) if !round.object.live && round.is_at_risk(&decided) => {
                round.object.refresh().await?;
            }
            // An alias that stays for only a moment is not reported.
            Plan::Rest(_)
                if let Some(left) = round.again.filter(|_| !round.hands_over && round.failed.is_empty() && round.unread.is_empty()) =>
            {
                return Err(Ending::until(left));
            }
            settled => return Ok(settled),
        }
    }
    Ok(plan(&round.situation(), &round.observed))
}
