//! Collects the guard's evidence, over reads made for one call, and asks it.

use std::sync::Arc;

use kube::Api;

use super::{observe, round::Round};
use crate::{
    api::KeyProvider,
    controller::{
        error::{Abort, Error, Halt},
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

/// The step as it may be done. For what can make data unreadable the guard is asked.
pub(super) async fn pass(round: &mut Round<'_>, step: &Step) -> Result<Step<Cleared>, Halt> {
    let destruction = match step.harmless() {
        Ok(step) => return Ok(step),
        Err(destruction) => destruction,
    };
    let still = |situation: &Situation<'_>, observed: &Observed| plan(situation, observed) == Plan::Do(step.clone());
    ask(round, destruction, still).await.map(Step::Destroy)
}

/// Asks the guard. `still` says whether the same still follows from what was read live.
pub(super) async fn ask(
    round: &mut Round<'_>,
    ask: Destruction,
    still: impl Fn(&Situation<'_>, &Observed) -> bool,
) -> Result<Cleared, Halt> {
    // What people write is read last: a wish that is withdrawn while the KMS answers slowly is seen to be.
    let key = live_key(round).await?;
    let rules = live_rules(round).await?;
    let terminating = round.object.is_terminating().await?;
    let unchanged = round.object.is_unchanged().await?;
    round.provider.rules = rules;
    round.observed = Observed::Present(Box::new(key));
    let situation = round.situation();
    let Some(key) = round.key() else { return Err(Halt::Abort(Abort::Changed)) };
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
    guard::check(&evidence).map_err(Halt::Held)
}

/// The provider's rules as they are now.
async fn live_rules(round: &Round<'_>) -> Result<Rules, Halt> {
    let Rules { name, account, region, .. } = &round.provider.rules;
    let read = Api::<Watched<KeyProvider>>::all(round.context.client.clone()).get(name).await;
    let read = read.map_err(|error| Halt::Abort(Abort::Error(Error::Api("a live read of the provider", Box::new(error)))))?;
    let provider = read.into_decoded().map_err(|_| Halt::Abort(Abort::Changed))?;
    let namespace = &round.object.desired.owner.namespace;
    // Another provider of that name, or one that was edited, has another client; and one that no longer admits the namespace has none for it.
    let known = round.context.providers.client(&provider);
    let is_known = matches!(known, Some(Ok(known)) if Arc::ptr_eq(&known, &round.provider.connected));
    if !is_known
        || !round.provider.connected.made_for.is(&provider)
        || !super::provider::admits(round.context, &provider, namespace).await?
    {
        return Err(Halt::Abort(Abort::Changed));
    }
    Ok(Rules::new(name, &provider.spec, account, region))
}

/// The key as it is now, with its marks.
async fn live_key(round: &Round<'_>) -> Result<Key, Halt> {
    let Some(known) = round.key() else { return Err(Halt::Abort(Abort::Changed)) };
    let Reading { mut key, .. } = round.kms().read(&known.arn, Facets::NONE).await?.ok_or(Halt::Abort(Abort::Changed))?;
    // What could not be read in this round is no evidence, and was told.
    key.unread = known.unread;
    let _not_needed = observe::complete(round.kms(), &mut key, round.limits()).await?;
    Ok(key)
}
