//! Collects the evidence for the guard, from reads that are made for this one call, and asks the guard.

use std::sync::Arc;

use kube::Api;

use super::{observe, round::Round};
use crate::{
    api::KeyProvider,
    controller::{
        error::{Ending, Error},
        now,
        watched::Watched,
    },
    domain::{
        deletion::guard::{self, Cleared, Evidence},
        observed::{Facets, Key, Observed},
        plan::{Plan, Situation, plan},
        rules::Rules,
        step::{Destruction, Step},
    },
    kms::{Kms, Reading},
};

/// The step in the form in which it may be done. If it can make data unreadable, the guard is asked.
pub(super) async fn pass(round: &mut Round<'_>, step: &Step) -> Result<Step<Cleared>, Ending> {
    let destruction = match step.harmless() {
        Ok(step) => return Ok(step),
        Err(destruction) => destruction,
    };
    let still = |situation: &Situation<'_>, observed: &Observed| plan(situation, observed) == Plan::Do(step.clone());
    ask(round, destruction, still).await.map(Step::Destroy)
}

/// Asks the guard. `still` says whether the same step follows from what was read live.
pub(super) async fn ask(
    round: &mut Round<'_>,
    ask: Destruction,
    still: impl Fn(&Situation<'_>, &Observed) -> bool,
) -> Result<Cleared, Ending> {
    // The object is read last, so that a deletion which is withdrawn while the KMS answers slowly is noticed.
    let key = live_key(round).await?;
    let rules = live_rules(round).await?;
    let terminating = round.object.is_terminating().await?;
    let unchanged = round.object.is_unchanged().await?;
    round.provider.rules = rules;
    round.observed = Observed::Present(Box::new(key));
    let situation = round.situation();
    let Some(key) = round.key() else { return Err(Ending::Changed) };
    let evidence = Evidence {
        ask,
        desired: &round.object.desired,
        memory: &round.object.memory,
        still_asked: unchanged && still(&situation, &round.observed),
        rules: &round.provider.rules,
        key,
        terminating,
        now: now(),
    };
    guard::check(&evidence).map_err(Ending::Held)
}

/// The provider's rules as they are now.
async fn live_rules(round: &Round<'_>) -> Result<Rules, Ending> {
    let Rules { name, account, region, .. } = &round.provider.rules;
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
    Ok(Rules::new(name, &provider.spec, account, region))
}

/// The key as it is now, with its marks.
async fn live_key(round: &Round<'_>) -> Result<Key, Ending> {
    let Some(known) = round.key() else { return Err(Ending::Changed) };
    let Reading { mut key, .. } = round.kms().read(&known.arn, Facets::NONE).await?.ok_or(Ending::Changed)?;
    // What could not be read in this round is not read again, and does not count as evidence.
    key.unread = known.unread;
    let _not_needed = observe::complete(round.kms(), &mut key, round.limits()).await?;
    Ok(key)
}
