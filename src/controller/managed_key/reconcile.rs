//! One round: **observe → plan → guard → execute → report**.

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use kube::{
    Resource, ResourceExt,
    runtime::{controller::Action, reflector::ObjectRef},
};
use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument;

use super::{
    deletion, execute,
    fingerprint::{fingerprint, looks},
    guard,
    object::{self, Object},
    observe,
    provider::{self, Resolved},
    report::{self, End},
    round::{Round, settled},
};
use crate::{
    api::ManagedKey,
    controller::{
        Context,
        account::same_account,
        contained,
        crowd::{Begun, Kind},
        error::{Abort, Error, Halt},
        key_provider::{Awaits, Rejected, Unusable},
        lane::{Busy, Lane},
        retry, spawned,
        watched::Watched,
    },
    domain::{
        plan::{Plan, Read, Tried, elsewhere, named_elsewhere, plan},
        rescue,
    },
    kms::{self, Patience},
    metrics::RoundResult,
};

/// How long one round may take: longer than every call in it, shorter than anyone's patience.
const ROUND: Duration = Duration::from_mins(2);
/// How soon it is seen whether the round in the other lane is over.
const BUSY: Duration = Duration::from_millis(200);
/// How many steps and reads one round may take. A key is as declared after at most twelve steps, and one for each alias that comes or goes: 49 of each. A key
/// that works must not be told as unfinished because its round was.
const TURNS: usize = 128;
/// How many readings of an object one round may take in.
const READINGS: usize = 3;

/// Keeps one key as declared.
pub(super) async fn reconcile(watched: Arc<Watched<ManagedKey>>, context: Arc<Context>, lane: Lane) -> Result<Action, Error> {
    let object = ObjectRef::from_obj(&*watched);
    // It may have changed since it was queued, or since the round that asked for this one.
    let belongs = Lane::of(&watched);
    if belongs != lane {
        context.lanes.queue(belongs, object);
        return Ok(Action::await_change());
    }
    let Some(busy) = context.lanes.begin(object, looks(&watched, &context)) else { return Ok(Action::requeue(retry::jittered(BUSY))) };
    let span = tracing::info_span!("round", kind = "ManagedKey", namespace = watched.namespace(), name = watched.name_any());
    match lane {
        Lane::Rescue => {
            let rescue = async move {
                let _busy = busy;
                let round = Box::pin(round(&watched, &context, lane));
                kms::rescuing(ended(&watched, &context, None, round)).instrument(span).await
            };
            spawned(Box::pin(rescue)).await
        }
        Lane::Ordinary => {
            let Some((begun, place)) = place(&watched, &context, &busy).await else { return Ok(Action::requeue(Duration::ZERO)) };
            let ordinary = async move {
                let patience = Arc::new(Patience::new(Box::new(place), busy.unwanted.clone()));
                let _held = (busy, begun);
                let round = Box::pin(round(&watched, &context, lane));
                kms::patiently(Arc::clone(&patience), ended(&watched, &context, Some(&patience), round)).instrument(span).await
            };
            spawned(Box::pin(ordinary)).await
        }
    }
}

/// What a round of an object needs to be begun, and a place among those that work.
type Places = (Option<Begun>, Option<OwnedSemaphorePermit>);

/// Waits for both; `None`: the object changed meanwhile. Those that have a client to ask have places of their provider.
async fn place(watched: &Watched<ManagedKey>, context: &Context, busy: &Busy) -> Option<Places> {
    let connected = watched.decoded().ok().filter(|_| !is_settled(watched, context)).and_then(|object| {
        let connected = provider::connected(context, object)?;
        let uid = object.metadata.uid.clone().unwrap_or_default();
        let kind = Kind::begun(object, context.comes_again_as(&uid));
        Some((connected, kind, uid))
    });
    let wait = async {
        match &connected {
            Some((connected, kind, uid)) => (connected.crowd.enter(*kind, uid).await, connected.crowd.place().await),
            // Never closed.
            None => (None, Arc::clone(&context.places).acquire_owned().await.ok()),
        }
    };
    tokio::select! {
        biased;
        () = busy.unwanted.cancelled() => None,
        places = wait => Some(places),
    }
}

/// What a round led to, and the label of its end in metrics.
type Labelled = Result<(Action, RoundResult), Error>;

/// Runs a round to its end, to its deadline, or to its panic.
pub(super) async fn ended(
    watched: &Watched<ManagedKey>,
    context: &Context,
    patience: Option<&Patience>,
    round: impl Future<Output = Labelled>,
) -> Result<Action, Error> {
    let started = Instant::now();
    let mut round = pin!(contained(round));
    let mut limit = ROUND;
    let result = loop {
        match tokio::time::timeout(limit.saturating_sub(started.elapsed()), &mut round).await {
            Ok(Ok(ended)) => break ended,
            Ok(Err(_logged)) => break Ok((Action::requeue(Box::pin(quarantine(watched, context)).await), RoundResult::Panic)),
            Err(_) => {
                // What was waited for turns does not count.
                let longer = ROUND.saturating_add(patience.map(Patience::waited).unwrap_or_default());
                if longer <= started.elapsed() {
                    break Err(Error::Timeout(ROUND));
                }
                limit = longer;
            }
        }
    };
    let label = result.as_ref().map_or_else(Error::result, |(_, label)| *label);
    let took = started.elapsed();
    context.metrics.reconciled("managedkey", label, took);
    tracing::debug!(outcome = label.as_str(), duration = took.as_secs_f64(), "a round ended");
    result.map(|(action, _)| action)
}

/// What failed at the API server is tried again, later and later.
#[allow(clippy::needless_pass_by_value, reason = "the signature is kube's")]
pub(super) fn retry(watched: Arc<Watched<ManagedKey>>, error: &Error, context: Arc<Context>) -> Action {
    let (namespace, name) = (watched.namespace(), watched.name_any());
    tracing::warn!(kind = "ManagedKey", namespace, name, error = error as &dyn std::error::Error, "a round did not end");
    let failures = context.failed(watched.meta().uid.as_deref().unwrap_or_default());
    Action::requeue(retry::jittered(crate::domain::failure::Retry::Backoff.wait(failures, Duration::ZERO)))
}

/// Leaves an object alone whose round panicked, later and later, until it changes or somebody asks for a look; and says so on the object. How long.
async fn quarantine(watched: &Watched<ManagedKey>, context: &Context) -> Duration {
    let uid = watched.meta().uid.as_deref().unwrap_or_default();
    let wait = retry::jittered(crate::domain::failure::Retry::Backoff.wait(context.failed(uid), Duration::ZERO));
    let Ok(object) = watched.decoded() else { return wait };
    // Saying so is no safer than the round was.
    match tokio::time::timeout(ROUND, contained(Box::pin(report::panicked(context, object)))).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(abort))) => tracing::warn!(%abort, "the status does not say that the round panicked"),
        Ok(Err(panicked)) => {
            tracing::error!(error = &panicked as &dyn std::error::Error, "the status does not say that the round panicked");
        }
        Err(_) => tracing::warn!("the status does not say that the round panicked: the API server does not answer"),
    }
    if let Ok(fingerprint) = contained(async { fingerprint(object, context) }).await {
        context.looked(uid, fingerprint, wait);
    }
    wait
}

/// A round. An object that a live read shows to be another than the watch has is looked at as it was read: the watch may
/// be late, or silent.
async fn round(watched: &Watched<ManagedKey>, context: &Context, lane: Lane) -> Labelled {
    let mut newer: Option<Box<Watched<ManagedKey>>> = None;
    if context.era() > 0 && !is_settled(watched, context) {
        let (namespace, name) = (watched.namespace().unwrap_or_default(), watched.name_any());
        match object::read_live(context, &namespace, &name).await {
            Ok(Some(read)) => newer = Some(Box::new(read)),
            Ok(None) => return Ok((Action::await_change(), RoundResult::Idle)),
            Err(error) => return Err(error),
        }
    }
    for _ in 0..READINGS {
        match Box::pin(once(newer.as_deref().unwrap_or(watched), context, lane)).await? {
            Ended::Newer(read) => newer = Some(read),
            Ended::With(action, label) => return Ok((action, label)),
        }
    }
    // It is edited all the time.
    let uid = watched.meta().uid.as_deref().unwrap_or_default();
    Ok((Action::requeue(retry::unseen(context.failed(uid))), RoundResult::Changed))
}

/// Whether an object may be left alone, as the watch has it.
fn is_settled(watched: &Watched<ManagedKey>, context: &Context) -> bool {
    let left = |object: &ManagedKey| context.settled(object.metadata.uid.as_deref().unwrap_or_default(), fingerprint(object, context));
    watched.decoded().is_ok_and(|object| left(object).is_some())
}

/// What came of a round with one reading of the object.
enum Ended {
    With(Action, RoundResult),
    Newer(Box<Watched<ManagedKey>>),
}

async fn once(watched: &Watched<ManagedKey>, context: &Context, lane: Lane) -> Result<Ended, Error> {
    let object = match watched.decoded() {
        Ok(object) => object,
        Err(undecodable) => {
            tracing::warn!(error = undecodable.error, "this version of Keyward does not understand the object and leaves it alone");
            return Ok(Ended::With(Action::await_change(), RoundResult::Undecodable));
        }
    };
    let uid = object.metadata.uid.as_deref().unwrap_or_default();
    let fingerprint = fingerprint(object, context);
    if let Some(left) = context.settled(uid, fingerprint) {
        return Ok(Ended::With(Action::requeue(left), RoundResult::Idle));
    }
    let end = match Object::new(context, object, watched.set_by.clone()) {
        Err(invalid) if object.metadata.deletion_timestamp.is_some() => deletion::release_unread(context, object, &invalid).await,
        Err(invalid) => report::invalid(context, object, &invalid).await,
        Ok(object) if object.metadata.deletion_timestamp.is_some() => Box::pin(deletion::release(context, object, watched)).await,
        Ok(paused) if paused.desired.paused => report::paused(context, paused).await,
        Ok(kept) => Box::pin(keep(context, kept, object, context.turn(uid, fingerprint), lane)).await,
    };
    let (wait, label) = match end {
        Ok(End::Gone) => return Ok(Ended::With(Action::await_change(), RoundResult::Idle)),
        Ok(End::Again(wait)) => (wait, RoundResult::Ok),
        Ok(End::Failed(wait)) => (wait, RoundResult::Failed),
        Err(Abort::Newer(read)) => return Ok(Ended::Newer(read)),
        // The watch will show what was changed; until then the object is left alone, and longer if the watch is silent.
        Err(Abort::Changed) => return Ok(Ended::With(Action::requeue(retry::unseen(context.failed(uid))), RoundResult::Changed)),
        Err(Abort::TooSoon(left)) => return Ok(Ended::With(Action::requeue(left), RoundResult::Waiting)),
        Err(Abort::Error(error)) => return Err(error),
    };
    let wait = retry::jittered(wait);
    context.looked(uid, fingerprint, wait);
    Ok(Ended::With(Action::requeue(wait), label))
}

/// The five steps. `turn` says what a glance reads.
async fn keep<'a>(context: &'a Context, object: Object<'a>, stored: &ManagedKey, turn: Option<usize>, lane: Lane) -> Result<End, Abort> {
    // What brings a key back need not wait: see `may_conclude`.
    if !rescue::suspected(stored) {
        settled(context, &object)?;
    }
    // Before anything is asked of the API server: thousands may be waiting.
    if let Some(pause) = provider::connected(context, stored).filter(|_| lane == Lane::Rescue).and_then(|known| known.breaker.turns_away())
    {
        return Err(Abort::TooSoon(retry::jittered(pause)));
    }
    let provider = match provider::resolve(context, stored).await? {
        Resolved::Usable(provider) => *provider,
        Resolved::Unusable(unusable) => return report::unusable(context, object, unusable).await,
        Resolved::Untried => return Ok(End::Again(retry::SOON)),
    };
    // A key that is of another place is not found in this one, and whose owner this provider's account is may not even be told its name.
    let place = elsewhere(&object.memory, &provider.rules);
    if let Some(note) = place.or_else(|| named_elsewhere(&object.desired, &object.memory, &provider.rules)) {
        return report::unusable(context, object, Unusable { note, awaits: Awaits::Person }).await;
    }
    let started = Instant::now();
    let connected = Arc::clone(&provider.connected);
    let _permit = match connected.breaker.permit(lane) {
        Ok(permit) => permit,
        Err(Rejected::Busy(pause)) => return Err(Abort::TooSoon(retry::jittered(pause))),
        Err(silent) => return report::rejected(context, object, provider, silent).await,
    };
    let (observed, unread) = match observe::quick_read(&connected.kms, &object, provider.rules.limits(), turn).await {
        Ok(observed) => observed,
        Err(failure) => {
            provider.failed(context, &failure);
            return report::failed(context, object, provider, failure).await;
        }
    };
    provider.answered(context);
    let rotation_had_its_try = context.rotation_failed(object.uid(), object.desired.generation);
    let mut round = Round::new(context, started, object, provider, observed, Tried::new(rotation_had_its_try));
    if let Some(failure) = unread {
        if failure.kind.ends_round() {
            round.provider.failed(context, &failure);
            return report::halted(round, Halt::Failed(failure)).await;
        }
        round.leave_unread(failure);
    }
    let ended = work(&mut round).await;
    let whole = matches!(ended, Ok(Plan::Rest(_) | Plan::Hold(_) | Plan::Wait(_)));
    round.note_rotation(whole).await;
    match ended {
        Ok(plan) => report::planned(round, &plan).await,
        Err(halt) => {
            if let Halt::Failed(failure) = &halt {
                round.provider.failed(context, failure);
            }
            report::halted(round, halt).await
        }
    }
}

/// Plans and does one step after the other, until nothing is left to do or something halts it.
async fn work(round: &mut Round<'_>) -> Result<Plan, Halt> {
    // A person who asks for a look is told of everything that there is to see, and a record that is wrong is written anew by what the marks say.
    if (round.object.is_asked_for() || round.object.is_misrecorded()) && round.object.memory.is_bound() && round.key().is_some() {
        round.read(Read::Facets).await?;
    }
    for _ in 0..TURNS {
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
            // Now it is known: from here on the calls have turns of their own, in whichever lane the round began.
            Plan::Do(step) if step.saves() && !kms::is_rescuing() => return kms::rescuing(Box::pin(work(round))).await,
            Plan::Do(step) if !round.goes_on(&step) => return Err(Halt::Abort(Abort::TooSoon(Duration::ZERO))),
            // A step is only ever done when a live read of the object asks for it.
            Plan::Do(_) if !round.object.live => round.object.refresh().await?,
            // Each further step, too: what is not wanted any more is not done.
            Plan::Do(_) if !round.steps.is_empty() && !round.object.is_unchanged().await? => return Err(Halt::Abort(Abort::Changed)),
            Plan::Do(step) if round.stays(&step) => {}
            Plan::Do(step) => {
                let cleared = guard::pass(round, &step).await?;
                let execution = execute::execute(round, cleared);
                let executed = if step.needs_fresh_reads() { Box::pin(kms::hastily(execution)).await } else { execution.await };
                if let Err(halt) = executed
                    && let Some(halt) = round.after_taken(&step, halt).await?
                {
                    round.go_on_without(&step, halt)?;
                }
            }
            Plan::Missing(..) if !round.object.live => {
                same_account(round.kms(), &round.provider.rules.account).await?;
                round.object.refresh().await?;
            }
            // Nor is a key left to its end because of what the watch says.
            Plan::Hold(_) | Plan::Rest(_) | Plan::Wait(_) | Plan::Stall(_) if !round.object.live && round.is_at_risk(&decided) => {
                round.object.refresh().await?;
            }
            // Nothing is said of what is over in a moment.
            Plan::Rest(_)
                if let Some(left) = round.again.filter(|_| !round.hands_over && round.failed.is_empty() && round.unread.is_empty()) =>
            {
                return Err(Halt::Abort(Abort::TooSoon(left)));
            }
            settled => return Ok(settled),
        }
    }
    Ok(plan(&round.situation(), &round.observed))
}
