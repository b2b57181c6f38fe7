//! Collects the evidence for the guard, from reads that are made for this one call, and asks the guard.

use std::sync::Arc;

use kube::Api;

use super::{observe, round::Round};
use crate::{
    api::KeyProvider,
    controller::{
        error::{Ending, Error},
        key_provider::{Entered, enter},
        now,
        watched::Watched,
    },
    domain::{
        deletion::{
            LastUse,
            guard::{self, Cleared, Evidence},
        },
        observed::{Facets, Key, Observed},
        plan::{Plan, Situation, plan},
        rules::Rules,
        step::{Destruction, Step},
    },
    kms::{Kms, Reading},
};

/// The step in the form in which it may be done. If it can make data unreadable, the guard is asked. `None`: as for [`check`].
pub(super) async fn pass(round: &mut Round<'_>, step: &Step) -> Result<Option<Step<Cleared>>, Ending> {
    let destruction = match step.harmless() {
        Ok(step) => return Ok(Some(step)),
        Err(destruction) => destruction,
    };
    let still = |situation: &Situation<'_>, observed: &Observed| plan(situation, observed) == Plan::Do(step.clone());
    Ok(check(round, destruction, still).await?.map(Step::Destroy))
}

/// Asks the guard, and counts what it lets pass. `still` says whether the same step follows from what was read live. `None`: all deletions through the provider
/// are stopped. The round knows that now, so it has to plan again.
pub(super) async fn check(
    round: &mut Round<'_>,
    requested: Destruction,
    still: impl Fn(&Situation<'_>, &Observed) -> bool,
) -> Result<Option<Cleared>, Ending> {
    // The object is read last, so that a deletion which is withdrawn while the KMS answers slowly is noticed.
    let key = live_key(round).await?;
    let rules = live_rules(round).await?;
    let last_use = last_use(round, &rules, &key).await?;
    let terminating = round.object.is_terminating().await?;
    let unchanged = round.object.is_unchanged().await?;
    round.provider.rules = rules;
    round.observed = Observed::Present(Box::new(key));
    if round.provider.rules.is_stopped() {
        return Ok(None);
    }
    let situation = round.situation();
    let Some(key) = round.key() else { return Err(Ending::Changed) };
    let evidence = Evidence {
        requested,
        desired: &round.object.desired,
        memory: &round.object.memory,
        still_asked: unchanged && still(&situation, &round.observed),
        rules: &round.provider.rules,
        key,
        last_use,
        terminating,
        now: now(),
    };
    let checked = guard::check(&evidence).map_err(Ending::Held)?;
    // It is counted last, so that a held deletion uses nothing of the budget.
    let entered = enter(round.context, &round.provider.rules.name, &round.provider.connected.made_for, checked.key_id()).await;
    match entered.map_err(Ending::Error)? {
        Entered::Booked(booked) => {
            let cleared = checked.counted(&booked);
            round.slot = Some(booked.slot());
            // The object may have changed while it waited to write.
            let unchanged = round.object.is_unchanged().await;
            let cleared = unchanged.and_then(|unchanged| cleared.filter(|_| unchanged).ok_or(Ending::Changed));
            if cleared.is_err() {
                round.give_back().await;
            }
            cleared.map(Some)
        }
        Entered::Stopped(trip) => {
            round.provider.rules.trip = Some(trip);
            Ok(None)
        }
        Entered::Changed => Err(Ending::Changed),
    }
}

/// The provider's rules as they are now.
async fn live_rules(round: &Round<'_>) -> Result<Rules, Ending> {
    let Rules { name, account, region, principal, .. } = &round.provider.rules;
    let read = Api::<Watched<KeyProvider>>::all(round.context.client.clone()).get(name).await;
    let read = read.map_err(|error| Ending::Error(Error::Api("a live read of the provider", Box::new(error))))?;
    let provider = read.into_decoded().map_err(|_| Ending::Changed)?;
    let namespace = &round.object.desired.owner.namespace;
    // The provider must be the same, not edited since, and still admit the namespace.
    let known = round.context.providers.client(&provider);
    let is_known = matches!(known, Some(Ok(known)) if Arc::ptr_eq(&known, &round.provider.connected));
    if !is_known
        || !round.provider.connected.made_for.is(&provider)
        || !super::provider::admits(round.context, &provider, namespace).await?
    {
        return Err(Ending::Changed);
    }
    // The client is the same, and so is who it calls as.
    Ok(Rules { principal: principal.clone(), ..Rules::new(name, &provider, account, region) })
}

/// When the key was last used, where the provider demands days without use. That it cannot be read holds the deletion as any other failure does.
async fn last_use(round: &Round<'_>, rules: &Rules, key: &Key) -> Result<LastUse, Ending> {
    if rules.guard.minimum_idle_days <= 0 || key.state.is_pending() {
        return Ok(LastUse::NotAsked);
    }
    let last_use = round.kms().last_use(&key.arn).await?;
    if last_use == LastUse::Untold {
        tracing::info!(key = key.arn, "the KMS does not tell when the key was last used, so deletionGuard.minimumIdleDays holds nothing");
    }
    Ok(last_use)
}

/// The key as it is now, with its marks.
async fn live_key(round: &Round<'_>) -> Result<Key, Ending> {
    let Some(known) = round.key() else { return Err(Ending::Changed) };
    let Reading { mut key, .. } = round.kms().read(&known.arn, Facets::NONE).await?.ok_or(Ending::Changed)?;
    // What could not be read in this round is not read again, and does not count as evidence.
    key.unread = known.unread;
    let _not_needed = observe::complete(round.kms(), &mut key, round.limits(), round.declared_facets()).await?;
    Ok(key)
}
