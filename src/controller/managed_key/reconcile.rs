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
    deletion, execute, fingerprint, guard, looks,
    object::{self, Object},
    observe,
    provider::{self, Provider, Resolved},
    report::{self, End},
};
use crate::{
    api::{ManagedKey, Reason},
    controller::{
        Context,
        aliases::Move,
        contained,
        crowd::{Begun, Kind},
        error::{Abort, Error, Halt},
        key_provider::{Awaits, Silent, Unusable},
        lane::{Busy, Lane},
        now, retry, spawned,
        survey::Known,
        watched::Watched,
    },
    domain::{
        failure::{Failure, FailureKind},
        limits::Limits,
        observed::{Key, Observed, Searched},
        plan::{Note, Plan, Read, Situation, Tried, elsewhere, named_elsewhere, plan},
        rescue, rotation,
        step::{Difference, Part, Step},
    },
    kms::{self, AnyKms, Kms, Patience},
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
        let kind = context.comes_again_as(&uid).unwrap_or_else(|| Kind::of(object));
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

/// What a round works with.
#[derive(Debug)]
pub(super) struct Round<'a> {
    pub(super) context: &'a Context,
    /// Before anything was read of the key.
    pub(super) started: Instant,
    pub(super) object: Object<'a>,
    pub(super) provider: Provider,
    pub(super) observed: Observed,
    /// What was done.
    pub(super) steps: Vec<Step>,
    /// What each of them found that was not as declared.
    pub(super) found: Vec<(Step, Vec<Difference>)>,
    /// Settings that were set before and did not stick, and how long the next try waits.
    pub(super) unkept: Vec<(Step, Duration)>,
    /// What failed, and is not tried again in this round.
    pub(super) tried: Tried,
    /// Changes that failed, and without which the round goes on.
    pub(super) failed: Vec<Failure>,
    /// Reads that failed, and without which the round goes on.
    pub(super) unread: Vec<Failure>,
    /// It waits for an alias of another object.
    pub(super) awaiting: bool,
    /// An alias stays on the key for another object that declares it.
    pub(super) hands_over: bool,
    /// How soon it is looked at again, because an alias stays on the key for now.
    pub(super) again: Option<Duration>,
    /// Aliases that it moves, which nobody else has to do with meanwhile.
    pub(super) moves: Vec<Move<'a>>,
}

/// The five steps. `turn` says what a glance reads.
async fn keep<'a>(context: &'a Context, object: Object<'a>, stored: &ManagedKey, turn: Option<usize>, lane: Lane) -> Result<End, Abort> {
    // What brings a key back need not wait: see `may_conclude`.
    if !rescue::suspected(stored) {
        settled(context, &object)?;
    }
    // Before anything is asked of the API server: thousands may be waiting.
    if let Some(pause) = provider::connected(context, stored).filter(|_| lane == Lane::Rescue).and_then(|known| known.reach.turns_away()) {
        return Err(Abort::TooSoon(retry::jittered(pause)));
    }
    let provider = match provider::resolve(context, stored).await? {
        Resolved::Usable(provider) => *provider,
        Resolved::Unusable(unusable) => return report::unusable(context, object, unusable).await,
        Resolved::Untried => return Ok(End::Again(report::SOON)),
    };
    // A key that is of another place is not found in this one, and whose owner this provider's account is may not even be told its name.
    let place = elsewhere(&object.memory, &provider.rules);
    if let Some(note) = place.or_else(|| named_elsewhere(&object.desired, &object.memory, &provider.rules)) {
        return report::unusable(context, object, Unusable { note, awaits: Awaits::Person }).await;
    }
    let started = Instant::now();
    let connected = Arc::clone(&provider.connected);
    let _leave = match connected.reach.leave(lane) {
        Ok(leave) => leave,
        Err(Silent::Busy(pause)) => return Err(Abort::TooSoon(retry::jittered(pause))),
        Err(silent) => return report::silent(context, object, provider, silent).await,
    };
    let (observed, unread) = match observe::glance(&connected.kms, &object, provider.rules.limits(), turn).await {
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
                observe::same_account(round.kms(), &round.provider.rules.account).await?;
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

/// Halts a round that would look at a key while the KMS may still show what was before our last steps.
pub(super) fn settled(context: &Context, object: &Object<'_>) -> Result<(), Abort> {
    context.unsettled(object.uid()).map_or(Ok(()), |left| Err(Abort::TooSoon(left)))
}

impl<'a> Round<'a> {
    /// A round in which nothing was done yet.
    pub(super) fn new(
        context: &'a Context,
        started: Instant,
        object: Object<'a>,
        provider: Provider,
        observed: Observed,
        tried: Tried,
    ) -> Self {
        Self {
            context,
            started,
            object,
            provider,
            observed,
            steps: Vec::new(),
            found: Vec::new(),
            unkept: Vec::new(),
            tried,
            failed: Vec::new(),
            unread: Vec::new(),
            awaiting: false,
            hands_over: false,
            again: None,
            moves: Vec::new(),
        }
    }
}

impl Round<'_> {
    /// Goes on after a change that failed, if nothing else rests on it.
    fn go_on_without(&mut self, step: &Step, halt: Halt) -> Result<(), Halt> {
        let failure = match halt {
            Halt::Failed(failure) => failure,
            Halt::Unkept(left) => {
                self.tried.leave_out(step);
                self.unkept.push((step.clone(), left));
                return Ok(());
            }
            other => return Err(other),
        };
        if step.part() == Part::Rotation && failure.kind != FailureKind::Waiting {
            self.context.rotation_fails(self.object.uid(), self.object.desired.generation);
        }
        if !self.tried.goes_on_without(step, &failure) {
            return Err(Halt::Failed(failure));
        }
        self.provider.failed(self.context, &failure);
        self.failed.push(failure);
        Ok(())
    }

    /// Whether the step may be waited for. Otherwise the object is looked at anew once it may: others are to be looked at meanwhile.
    fn goes_on(&self, step: &Step) -> bool {
        let Some(kind) = Kind::for_step(step) else { return true };
        let goes_on = self.provider.connected.crowd.goes_on(kind, self.object.uid());
        if !goes_on {
            self.context.comes_again(self.object.uid(), kind);
        }
        goes_on
    }

    /// Forgets what was done to the parts of the key that this look shows as declared.
    pub(super) fn note_what_stuck(&self) {
        let Some(key) = self.key() else { return };
        let seen = [
            (Part::Description, true),
            (Part::Tags, key.tags.is_some()),
            (Part::Rotation, key.rotation.is_some()),
            (Part::Aliases, key.aliases.is_some()),
        ];
        for (part, _) in seen.into_iter().filter(|(part, seen)| *seen && !self.tried.left_out(*part)) {
            self.context.stuck(self.object.uid(), part);
        }
    }

    /// Goes on after a read that failed, of what the life of the key does not need.
    fn leave_unread(&mut self, failure: Failure) {
        self.provider.failed(self.context, &failure);
        self.unread.push(failure);
    }

    /// Nothing is concluded from a look that may show what was before the last steps: neither a change nor that none is needed. Only what brings a key back
    /// follows from it at once, unless that was just done.
    fn may_conclude(&self, decided: &Plan) -> Result<(), Abort> {
        if !self.steps.is_empty() {
            return Ok(());
        }
        let uid = self.object.uid();
        let left = match decided {
            Plan::Read(_) => None,
            Plan::Do(step) if step.saves() => self.context.unsaved(uid, step),
            _ => self.context.unsettled(uid),
        };
        left.map_or(Ok(()), |left| Err(Abort::TooSoon(left)))
    }

    /// Whether the key is on its way to its end, or about to be.
    fn is_at_risk(&self, decided: &Plan) -> bool {
        matches!(decided, Plan::Hold(_)) || self.key().is_some_and(|key| key.state.is_pending())
    }

    pub(super) fn kms(&self) -> &AnyKms {
        &self.provider.connected.kms
    }

    pub(super) fn limits(&self) -> &'static Limits {
        self.provider.rules.limits()
    }

    /// The key, if there is one.
    pub(super) fn key(&self) -> Option<&Key> {
        if let Observed::Present(key) = &self.observed { Some(key) } else { None }
    }

    /// Whether the round made the key and knows all of it, so that the next look need not read it: the tags came with the key, and the KMS told when it
    /// is rotated.
    pub(super) fn made_and_knows(&self) -> bool {
        let knows = |key: &Key| {
            let told = key.rotation.as_ref().is_none_or(|rotation| !rotation.enabled || rotation.next.is_some());
            told && key.is_complete(self.limits())
        };
        self.steps.contains(&Step::Create) && self.key().is_some_and(knows)
    }

    /// What a decision rests on.
    pub(super) fn situation(&self) -> Situation<'_> {
        let settings = &self.context.settings;
        Situation {
            desired: &self.object.desired,
            memory: &self.object.memory,
            rules: &self.provider.rules,
            now: now(),
            missing_after: settings.missing_after.try_into().unwrap_or(jiff::SignedDuration::MAX),
            attempt_wait: settings.attempt_wait.try_into().unwrap_or(jiff::SignedDuration::MAX),
            tried: &self.tried,
        }
    }

    /// Reads more.
    pub(super) async fn read(&mut self, read: Read) -> Result<(), Halt> {
        let kms = &self.provider.connected.kms;
        match (read, &mut self.observed) {
            (Read::Facets, Observed::Present(key)) => {
                for failure in observe::complete(kms, key, self.provider.rules.limits()).await? {
                    self.leave_unread(failure);
                }
            }
            (Read::OtherOwner(mark), Observed::Present(key)) => key.other_owner_exists = Some(observe::exists(self.context, &mark).await?),
            (Read::Everywhere | Read::Facets | Read::OtherOwner(_), _) => self.observed = observe::everywhere(kms, &self.object).await?,
        }
        Ok(())
    }

    /// Reads when the KMS rotated the key, if that may be news. Nothing rests on it: whoever may not read it is told nothing of rotations, and nothing else is
    /// held up. In a round that is not `whole` it is left for a later one.
    async fn note_rotation(&mut self, whole: bool) {
        let (uid, before) = (self.object.uid(), self.object.memory.status.rotation.as_ref());
        let Some(key) = self.key().filter(|key| !key.state.is_pending()) else { return };
        let Some(found) = key.rotation else { return };
        if rotation::is_suspected(before, found, now()) {
            self.context.suspects_rotation(uid);
        }
        // The KMS that tells the last rotation along with the rest was asked already.
        let asked = self.object.is_asked_for() && before.is_some() && found.last.is_none();
        if !whole || !(asked || self.context.asks_for_rotation(uid)) {
            return;
        }
        let listed = kms::hastily(self.kms().rotations(&key.arn)).await;
        let settled = match &listed {
            Ok(dates) => {
                let known = before.and_then(|before| before.last_rotation_time.as_ref()).map(|last| last.0);
                rotation::newest(dates, now()).map(|last| last.0) > known
            }
            Err(failure) => {
                tracing::debug!(operation = failure.operation, outcome = failure.kind.as_str(), "no rotation is told: {}", failure.message);
                !matches!(failure.kind, FailureKind::Throttled | FailureKind::Waiting | FailureKind::Unavailable)
            }
        };
        self.context.asked_for_rotation(uid, settled);
        if let Observed::Present(key) = &mut self.observed {
            key.rotations = listed.ok();
        }
    }

    /// Looks for a key that bears the object's marks. What all keys bear is known for objects that began no creation of their own, unless a key of the
    /// object's name may be among them.
    async fn search(&mut self) -> Result<Option<Plan>, Halt> {
        let context = self.context;
        // An annotation only forbids: whoever wrote it, it stands in for nothing that the process knows.
        if self.object.memory.status.create_attempt.is_none() {
            let owner = &self.object.desired.owner;
            match context.surveys.ask(&self.provider.connected, owner, context.settings.consistency).await? {
                Known::Nobody if self.object.memory.attempt.is_some() => {}
                Known::Nobody => {
                    self.observed = Observed::Absent(Searched::Everywhere);
                    return Ok(None);
                }
                // It may be that key's: it waits for it as the earlier object would have.
                Known::Perhaps(attempt) => self.object.memory.inherit(attempt, &self.provider.rules),
                Known::NotYet(left) => return Err(Halt::Abort(Abort::TooSoon(left))),
                Known::Underway => {
                    let message = "the marks of all keys of the account are read once, before the first key is created".into();
                    return Ok(Some(Plan::Wait(Note { reason: Reason::Creating, message })));
                }
            }
        }
        self.read(Read::Everywhere).await.map(|()| None)
    }
}
