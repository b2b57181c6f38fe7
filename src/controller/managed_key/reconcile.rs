//! The driver: one round of one `ManagedKey`, **observe → plan → guard → execute → report**.
//!
//! [`reconcile`] gets a worker permit for the round, [`ended`] bounds it, `round` takes in readings of the object, and [`drive`] is the round itself.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kube::{
    Resource, ResourceExt,
    runtime::{controller::Action, reflector::ObjectRef},
};
use tracing::Instrument;

use super::{
    deletion,
    fingerprint::{fingerprint, fingerprint_of},
    keep,
    object::{self, Object},
    provider::{self, Provider, Resolved},
    report::{self, Finished},
    round::{Reached, Round},
};
use crate::controller::waits;
use crate::{
    api::ManagedKey,
    controller::{
        Context, action,
        bounded::bounded,
        contained,
        crowd::{Begun, RoundKind},
        error::{Ending, Error},
        fair::Permit,
        key_provider::Rejected,
        lane::{Busy, Lane},
        spawned,
        watched::Watched,
    },
    domain::{
        failure::Retry,
        plan::{Tried, elsewhere},
        release,
        requeue::{Cause, Next, RESYNC},
        status,
    },
    kms::{self, Patience},
    metrics::RoundResult,
};

/// How many readings of an object one round may take in.
const READINGS: usize = 3;

/// Keeps one key as declared.
pub(super) async fn reconcile(watched: Arc<Watched<ManagedKey>>, context: Arc<Context>, lane: Lane) -> Result<Action, Error> {
    if !context.settings.works_in(&watched.namespace().unwrap_or_default()) {
        return Ok(Action::await_change());
    }
    let object = ObjectRef::from_obj(&*watched);
    // It may have changed since it was queued, or since the round that asked for this one.
    let belongs = Lane::of(&watched);
    if belongs != lane {
        context.lanes.queue(belongs, object);
        return Ok(Action::await_change());
    }
    let Some(busy) = context.lanes.begin(object, fingerprint_of(&watched, &context)) else {
        return Ok(action(context.wait(Next::Busy, RESYNC)));
    };
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
            let Some((begun, permit)) = permits(&watched, &context, &busy).await else {
                return Ok(action(context.wait(Next::AtOnce, RESYNC)));
            };
            let ordinary = async move {
                let patience = Arc::new(Patience::new(Box::new(permit), busy.unwanted.clone()));
                let _held = (busy, begun);
                let round = Box::pin(round(&watched, &context, lane));
                kms::patiently(Arc::clone(&patience), ended(&watched, &context, Some(&patience), round)).instrument(span).await
            };
            spawned(Box::pin(ordinary)).await
        }
    }
}

/// What a round needs to begin, and its worker permit.
type Permits = (Option<Begun>, Option<Permit>);

/// Waits for both; `None`: the object changed meanwhile. A round whose provider has a client takes a worker permit of that provider.
async fn permits(watched: &Watched<ManagedKey>, context: &Context, busy: &Busy) -> Option<Permits> {
    let connected = watched.decoded().ok().filter(|_| !is_settled(watched, context)).and_then(|object| {
        let connected = provider::connected(context, &object.spec.provider_ref.name)?;
        let uid = object.metadata.uid.clone().unwrap_or_default();
        let kind = RoundKind::begun(object, context.comes_again_as(&uid));
        Some((connected, kind, uid))
    });
    let namespace = watched.namespace().unwrap_or_default();
    let wait = async {
        match &connected {
            Some((connected, kind, uid)) => {
                (connected.crowd.enter(*kind, &namespace, uid).await, connected.crowd.worker_permit(&namespace).await)
            }
            None => (None, context.permits.take(&namespace).await),
        }
    };
    tokio::select! {
        biased;
        () = busy.unwanted.cancelled() => None,
        permits = wait => Some(permits),
    }
}

/// When to look again, and the result of the round in metrics.
type Labelled = Result<(Action, RoundResult), Error>;

/// Runs a round until it ends, panics, or is out of time.
pub(super) async fn ended(
    watched: &Watched<ManagedKey>,
    context: &Context,
    patience: Option<&Patience>,
    round: impl Future<Output = Labelled>,
) -> Result<Action, Error> {
    let started = Instant::now();
    let result = match bounded(patience, round).await {
        Ok(Ok(ended)) => ended,
        Ok(Err(_logged)) => Ok((action(Box::pin(quarantine(watched, context)).await), RoundResult::Panic)),
        Err(error) => Err(error),
    };
    let label = result.as_ref().map_or_else(Error::result, |(_, label)| *label);
    let took = started.elapsed();
    context.metrics.reconciled("managedkey", label, took);
    tracing::debug!(outcome = label.as_str(), duration = took.as_secs_f64(), "a round ended");
    result.map(|(action, _)| action)
}

/// A round that did not end is tried again, later and later.
#[allow(clippy::needless_pass_by_value, reason = "the signature is kube's")]
pub(super) fn retry(watched: Arc<Watched<ManagedKey>>, error: &Error, context: Arc<Context>) -> Action {
    let (namespace, name) = (watched.namespace(), watched.name_any());
    tracing::warn!(kind = "ManagedKey", namespace, name, error = error as &dyn std::error::Error, "a round did not end");
    let failures = context.failed(watched.meta().uid.as_deref().unwrap_or_default(), Cause::Unended);
    action(context.wait(Next::Retry(Retry::Backoff, failures), RESYNC))
}

/// Leaves an object alone whose round panicked, and says so in its status. Returns for how long: longer each time, until the object changes or somebody asks
/// for a reconcile.
async fn quarantine(watched: &Watched<ManagedKey>, context: &Context) -> Option<Duration> {
    let uid = watched.meta().uid.as_deref().unwrap_or_default();
    let wait = context.wait(Next::Retry(Retry::Backoff, context.failed(uid, Cause::Panicked)), RESYNC);
    let Ok(object) = watched.decoded() else { return wait };
    // Writing the status may panic too.
    match tokio::time::timeout(waits::ROUND, contained(Box::pin(report::panicked(context, object)))).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(ending))) => tracing::warn!(%ending, "the status does not say that the round panicked"),
        Ok(Err(panicked)) => {
            tracing::error!(error = &panicked as &dyn std::error::Error, "the status does not say that the round panicked");
        }
        Err(_) => tracing::warn!("the status does not say that the round panicked: the API server does not answer"),
    }
    if let (Some(wait), Ok(fingerprint)) = (wait, contained(async { fingerprint(object, context) }).await) {
        context.due_in(uid, fingerprint, wait);
    }
    wait
}

/// A round. If a live read shows that the object is not as the watch has it, the round goes on with the object as it was read: the watch may be late, or
/// silent.
async fn round(watched: &Watched<ManagedKey>, context: &Context, lane: Lane) -> Labelled {
    let mut newer: Option<Box<Watched<ManagedKey>>> = None;
    if context.era() > 0 && !is_settled(watched, context) {
        let (namespace, name) = (watched.namespace().unwrap_or_default(), watched.name_any());
        match object::read_live(context, &namespace, &name).await? {
            Some(read) => newer = Some(Box::new(read)),
            None => return Ok((Action::await_change(), RoundResult::Idle)),
        }
    }
    for _ in 0..READINGS {
        match Box::pin(once(newer.as_deref().unwrap_or(watched), context, lane)).await? {
            Finished::Newer(read) => newer = Some(read),
            Finished::Until(wait, label) => return Ok((action(wait), label)),
        }
    }
    // It is edited all the time.
    let changes = context.failed(watched.meta().uid.as_deref().unwrap_or_default(), Cause::Changed);
    Ok((action(context.wait(Next::Unseen(changes), RESYNC)), RoundResult::Changed))
}

/// Whether an object may be left alone, as the watch has it.
fn is_settled(watched: &Watched<ManagedKey>, context: &Context) -> bool {
    let left = |object: &ManagedKey| context.settled(object.metadata.uid.as_deref().unwrap_or_default(), fingerprint(object, context));
    watched.decoded().is_ok_and(|object| left(object).is_some())
}

/// A round with one reading of the object.
async fn once(watched: &Watched<ManagedKey>, context: &Context, lane: Lane) -> Result<Finished, Error> {
    let object = match watched.decoded() {
        Ok(object) => object,
        Err(undecodable) => {
            tracing::warn!(error = undecodable.error, "this version of Keyward does not understand the object and leaves it alone");
            return Ok(Finished::Until(None, RoundResult::Undecodable));
        }
    };
    let uid = object.metadata.uid.as_deref().unwrap_or_default();
    let fingerprint = fingerprint(object, context);
    if let Some(left) = context.settled(uid, fingerprint) {
        return Ok(Finished::Until(Some(left), RoundResult::Idle));
    }
    let way = if object.metadata.deletion_timestamp.is_some() {
        Way::Release
    } else {
        Way::Keep { lane, reads: context.reads(uid, fingerprint) }
    };
    let (reached, ending) = match Object::new(context, object, watched.set_by.clone()) {
        Ok(paused) if way != Way::Release && paused.desired.paused => (Reached::Object(paused), Ending::Paused(status::PAUSED)),
        Ok(object) => Box::pin(drive(context, object, watched, way)).await,
        Err(invalid) => {
            let Some(mut harmless) = object::readable(context, object) else {
                tracing::warn!(error = &invalid as &dyn std::error::Error, "the object is left alone: nothing can be written for it");
                return Ok(Finished::Until(None, RoundResult::Idle));
            };
            let ending =
                if way == Way::Release { deletion::release_unread(context, &mut harmless, &invalid).await } else { Ending::from(&invalid) };
            (Reached::Object(harmless), ending)
        }
    };
    let ending = if way == Way::Release { ending.with(release::WAY_OUT) } else { ending };
    report::finish(context, fingerprint, reached, ending).await
}

/// What a round is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// To keep the key as declared.
    Keep {
        /// Which workers it has.
        lane: Lane,
        /// How many reads came before, which chooses what the first one reads beside the state.
        reads: Option<usize>,
    },
    /// The object is being deleted, and its policy may ask for a last act.
    Release,
}

impl Way {
    const fn lane(self) -> Lane {
        match self {
            Self::Keep { lane, .. } => lane,
            Self::Release => Lane::Ordinary,
        }
    }
}

/// The five steps: the provider, a read of the key, then plan, guard and execute until nothing is left to do. How far the round came and how it ended goes to
/// the report, which is the same for all.
async fn drive<'a>(context: &'a Context, mut object: Object<'a>, watched: &Watched<ManagedKey>, way: Way) -> (Reached<'a>, Ending) {
    let provider = match usable(context, &mut object, watched, way).await {
        Ok(provider) => provider,
        Err(ending) => return (Reached::Object(object), ending),
    };
    let started = Instant::now();
    let connected = Arc::clone(&provider.connected);
    let _permit = match connected.breaker.permit(way.lane()) {
        Ok(permit) => permit,
        Err(rejected) => return (Reached::Provider(object, provider), rejected.into()),
    };
    let read = match way {
        Way::Keep { reads, .. } => keep::first_read(&object, &provider, reads).await,
        Way::Release => deletion::first_read(context, &mut object, &provider).await,
    };
    let (observed, unread) = match read {
        Ok(seen) => seen,
        Err(ending) => {
            if let Ending::Failed(failure) = &ending {
                provider.failed(context, failure);
            }
            return (Reached::Provider(object, provider), ending);
        }
    };
    provider.answered(context);
    let rotation_had_its_try = context.rotation_failed(object.uid(), object.desired.generation);
    let tried = Tried::new(way != Way::Release && rotation_had_its_try);
    let mut round = Box::new(Round::new(context, started, object, *provider, observed, tried));
    let ending = match way {
        Way::Keep { .. } => Box::pin(keep::keep(&mut round, unread)).await,
        Way::Release => Box::pin(deletion::release(&mut round)).await,
    };
    if let Ending::Failed(failure) = &ending {
        round.provider.failed(context, failure);
    }
    (Reached::Key(round), ending)
}

/// The provider, if the key may be looked at now. Before this nothing is asked of a KMS.
async fn usable<'a>(
    context: &'a Context,
    object: &mut Object<'a>,
    watched: &Watched<ManagedKey>,
    way: Way,
) -> Result<Box<Provider>, Ending> {
    let Ok(stored) = watched.decoded() else { return Err(Ending::Gone) };
    match way {
        Way::Keep { lane, .. } => keep::may_read(context, object, stored, lane)?,
        Way::Release if !object.has_finalizer() => return Err(Ending::Gone),
        Way::Release => {}
    }
    let namespace = stored.metadata.namespace.as_deref().unwrap_or_default();
    let resolved = provider::resolve(context, &stored.spec.provider_ref.name, namespace).await?;
    if way == Way::Release {
        deletion::first(context, object, &resolved).await?;
    }
    let provider = match resolved {
        Resolved::Usable(provider) => provider,
        Resolved::Unusable(unusable) => return Err(unusable.into()),
        Resolved::Untried => return Err(Ending::Unknown),
    };
    // A key of another account or Region is not found in this one.
    if let Some(note) = elsewhere(&object.memory, &provider.rules) {
        return Err(Ending::Refused { note, stalled: true });
    }
    if way != Way::Release {
        keep::is_near(object, &provider)?;
    }
    Ok(provider)
}

impl From<Rejected> for Ending {
    fn from(rejected: Rejected) -> Self {
        match rejected {
            Rejected::Busy(pause) => Self::Later(Next::TurnedAway(pause)),
            Rejected::Lately => Self::Unknown,
            Rejected::Long(failure) => Self::Failed(failure),
        }
    }
}
