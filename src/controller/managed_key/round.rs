//! What one round works with: the object, its provider, the key as it was seen, and the steps that were done so far.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    object::Object,
    observe,
    primary::{self, ReadPrimary},
    provider::Provider,
};
use crate::{
    api::Reason,
    controller::{
        Context,
        aliases::Move,
        crowd::RoundKind,
        error::Ending,
        key_provider::give_back,
        now,
        survey::{Lookup, Shows},
        waits,
    },
    domain::{
        candidates::Unmarked,
        deletion::{LastUse, budget::Slot},
        failure::{Failure, FailureKind},
        limits::Limits,
        memory::Attempt,
        observed::{Facet, Facets, Key, Observed, Searched},
        on_demand,
        plan::{Note, OtherOwner, Plan, Read, Situation, Tried, policy_before_cancel},
        primary::not_to_replicate,
        publish::Trouble,
        replica, rotation,
        rules::Rules,
        settings,
        step::{Difference, Part, Step},
    },
    kms::{self, AnyKms, Kms},
};

/// What a round saw, and what failed in it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct View<'a> {
    /// The last read; `None` when there was none.
    pub(super) observed: Option<&'a Observed>,
    /// Changes that failed, and without which the round went on.
    pub(super) failed: &'a [Failure],
    /// Reads that failed, and without which the round went on.
    pub(super) unread: &'a [Failure],
    /// What each step found that was not as declared.
    pub(super) found: &'a [(Step, Vec<Difference>)],
    /// Settings that were set before and did not stick.
    pub(super) unkept: &'a [String],
    /// Why the key is not published.
    pub(super) unpublished: Option<&'a Trouble>,
    /// When the key was last used. `None`: the KMS was not asked.
    pub(super) latest_use: Option<LastUse>,
}

/// What a round works with.
#[derive(Debug)]
pub(super) struct Round<'a> {
    pub(super) context: &'a Context,
    /// When the round began to read the key.
    pub(super) started: Instant,
    pub(super) object: Object<'a>,
    pub(super) provider: Provider,
    pub(super) observed: Observed,
    /// Whether the object that another's mark on the key names exists, if that was asked for.
    pub(super) other_owner: Option<OtherOwner>,
    /// The keys that no mark gives to an object, if they were asked for.
    pub(super) unmarked: Option<Arc<Unmarked>>,
    /// The primary key of the replica that the object declares or has, if it was asked for.
    pub(super) primary: Option<ReadPrimary>,
    /// The steps that were done.
    pub(super) steps: Vec<Step>,
    /// What each of these steps found that was not as declared.
    pub(super) found: Vec<(Step, Vec<Difference>)>,
    /// Settings that were set before and did not stick, and how long the next try waits.
    pub(super) unkept: Vec<(Step, Duration)>,
    /// What failed, and is not tried again in this round.
    pub(super) tried: Tried,
    /// Changes that failed, and without which the round goes on.
    pub(super) failed: Vec<Failure>,
    /// Reads that failed, and without which the round goes on.
    pub(super) unread: Vec<Failure>,
    /// Why the key is not published.
    pub(super) unpublished: Option<Trouble>,
    /// When the key was last used, for the status alone. The guard reads it itself.
    pub(super) latest_use: Option<LastUse>,
    /// Whether it waits for an alias of another object.
    pub(super) awaiting: bool,
    /// Whether an alias stays on the key for another object that declares it.
    pub(super) hands_over: bool,
    /// How soon the key is looked at again because an alias stays on it for now.
    pub(super) again: Option<Duration>,
    /// The aliases that it moves. No other object touches them meanwhile.
    pub(super) moves: Vec<Move<'a>>,
    /// The place in the provider's book of a call that was not sent yet, or that took no effect.
    pub(super) slot: Option<Slot>,
    /// Whether the key policy was read because the KMS denied a cancel.
    pub(super) unlocked: bool,
}

/// How far a round came: what its end can tell of.
#[derive(Debug)]
pub(super) enum Reached<'a> {
    /// The object. Its provider cannot be used, or was not asked for.
    Object(Object<'a>),
    /// The provider too, whose KMS gave no view of the key.
    Provider(Object<'a>, Box<Provider>),
    /// A view of the key.
    Key(Box<Round<'a>>),
}

impl<'a> Reached<'a> {
    pub(super) fn object(&self) -> &Object<'a> {
        match self {
            Self::Object(object) | Self::Provider(object, _) => object,
            Self::Key(round) => &round.object,
        }
    }

    /// The steps that were done.
    pub(super) fn steps(&self) -> &[Step] {
        if let Self::Key(round) = self { &round.steps } else { &[] }
    }

    /// The settings that did not stick.
    pub(super) fn unkept(&self) -> &[(Step, Duration)] {
        if let Self::Key(round) = self { &round.unkept } else { &[] }
    }

    /// The key, as far as it is known, for logs.
    pub(super) fn key(&self) -> Option<&str> {
        match self {
            Self::Object(object) | Self::Provider(object, _) => object.memory.reference(),
            Self::Key(round) => round.key().map(|key| key.arn.as_str()),
        }
    }

    /// The parts that a status is made of: the object to write, its provider, what was seen, and the steps that were done.
    pub(super) fn parts(&mut self) -> (&mut Object<'a>, Option<&Rules>, View<'_>, &[Step]) {
        match self {
            Self::Object(object) => (object, None, View::default(), &[]),
            Self::Provider(object, provider) => (object, Some(&provider.rules), View::default(), &[]),
            Self::Key(round) => {
                let Round { object, provider, observed, steps, found, failed, unread, unpublished, latest_use, .. } = &mut **round;
                let view = View {
                    observed: Some(&*observed),
                    failed,
                    unread,
                    found,
                    unkept: &[],
                    unpublished: unpublished.as_ref(),
                    latest_use: *latest_use,
                };
                (object, Some(&provider.rules), view, steps)
            }
        }
    }
}

/// Ends a round that would read a key while the KMS may still show what was before our last steps.
pub(super) fn settled(context: &Context, object: &Object<'_>) -> Result<(), Ending> {
    context.unsettled(object.uid()).map_or(Ok(()), |left| Err(Ending::until(left)))
}

impl<'a> Round<'a> {
    /// A round without any step so far.
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
            other_owner: None,
            unmarked: None,
            primary: None,
            steps: Vec::new(),
            found: Vec::new(),
            unkept: Vec::new(),
            tried,
            failed: Vec::new(),
            unread: Vec::new(),
            unpublished: None,
            latest_use: None,
            awaiting: false,
            hands_over: false,
            again: None,
            moves: Vec::new(),
            slot: None,
            unlocked: false,
        }
    }
}

impl Round<'_> {
    /// Goes on after a change that failed, if no other step depends on it.
    pub(super) fn go_on_without(&mut self, step: &Step, ending: Ending) -> Result<(), Ending> {
        let failure = match ending {
            Ending::Failed(failure) => failure,
            Ending::Unkept(left) => {
                self.tried.leave_out(step);
                self.unkept.push((step.clone(), left));
                return Ok(());
            }
            other => return Err(other),
        };
        if step.part() == Part::OnDemand && failure.kind == FailureKind::Conflict {
            self.tried.refuse_rotation(failure.message);
            return Ok(());
        }
        if step.part() == Part::Rotation && failure.kind != FailureKind::Waiting {
            self.context.rotation_fails(self.object.uid(), self.object.desired.generation);
        }
        if !self.tried.goes_on_without(step, &failure) {
            return Err(Ending::Failed(failure));
        }
        self.provider.failed(self.context, &failure);
        self.failed.push(failure);
        Ok(())
    }

    /// Whether the round may wait for the turn of this step. If not, the object comes again later, so that other objects are looked at meanwhile.
    pub(super) fn goes_on(&self, step: &Step) -> bool {
        let Some(kind) = RoundKind::for_step(step) else { return true };
        let goes_on = self.provider.connected.crowd.goes_on(kind, self.object.uid());
        if !goes_on {
            self.context.comes_again(self.object.uid(), kind);
        }
        goes_on
    }

    /// The key policy to set before a cancel is tried again that the KMS denied. It is read only now, because no rescue waits for a setting. Once in a round.
    pub(super) async fn policy_before_cancel(&mut self) -> Option<Step> {
        let reads = self.declared_facets().has(Facet::Policy) && !std::mem::replace(&mut self.unlocked, true);
        let key = self.key().filter(|_| reads)?.clone();
        let read = match self.kms().complete(key, Facets::POLICY).await.whole() {
            Ok(key) => key,
            Err(failure) => {
                tracing::info!(operation = failure.operation, "the key policy could not be read: {}", failure.message);
                return None;
            }
        };
        let step = policy_before_cancel(&self.situation(), &read);
        self.observed = Observed::Present(Box::new(read));
        step
    }

    /// Gives the place in the provider's book back, if there is one that no call used.
    pub(super) async fn give_back(&mut self) {
        if let Some(slot) = self.slot.take() {
            give_back(self.context, &self.provider.rules.name, &slot).await;
        }
    }

    /// Forgets the steps on those parts of the key that this read shows as declared.
    pub(super) fn note_what_stuck(&self) {
        let Some(key) = self.key() else { return };
        let seen = [
            (Part::Description, true),
            (Part::Tags, key.tags.is_some()),
            (Part::Rotation, key.rotation.is_some()),
            (Part::OnDemand, true),
            (Part::Aliases, key.aliases.is_some()),
            (Part::Policy, key.policy.is_some()),
            (Part::Role, true),
        ];
        for (part, _) in seen.into_iter().filter(|(part, seen)| *seen && !self.tried.left_out(*part)) {
            self.context.stuck(self.object.uid(), part);
        }
    }

    /// Goes on after the read of a part failed that the life of the key does not need.
    pub(super) fn leave_unread(&mut self, failure: Failure) {
        self.provider.failed(self.context, &failure);
        self.unread.push(failure);
    }

    /// Nothing is concluded from a read that may show the state from before the last steps: neither a change, nor that no change is needed. Only a rescue
    /// follows from it at once, unless it was just done.
    pub(super) fn may_conclude(&self, decided: &Plan) -> Result<(), Ending> {
        if !self.steps.is_empty() {
            return Ok(());
        }
        let uid = self.object.uid();
        let left = match decided {
            Plan::Read(_) => None,
            Plan::Do(step) if step.saves() => self.context.unsaved(uid, step),
            _ => self.context.unsettled(uid),
        };
        left.map_or(Ok(()), |left| Err(Ending::until(left)))
    }

    /// Whether the key is pending deletion, or a deletion is held.
    pub(super) fn is_at_risk(&self, decided: &Plan) -> bool {
        matches!(decided, Plan::Hold(_)) || self.key().is_some_and(|key| key.state.is_pending())
    }

    pub(super) fn kms(&self) -> &AnyKms {
        &self.provider.connected.kms
    }

    pub(super) fn limits(&self) -> &'static Limits {
        self.provider.rules.limits()
    }

    /// The facets that are read only because the object declares them.
    pub(super) fn declared_facets(&self) -> Facets {
        settings::declared_facets(&self.object.desired, &self.provider.rules)
    }

    /// The key, if there is one.
    pub(super) fn key(&self) -> Option<&Key> {
        if let Observed::Present(key) = &self.observed { Some(key) } else { None }
    }

    /// Whether the round made the key and knows every part of it, so that the next read need not get them: the tags came with the key, and the KMS told
    /// when it is rotated.
    pub(super) fn made_and_knows(&self) -> bool {
        let knows = |key: &Key| {
            let told = key.rotation.as_ref().is_none_or(|rotation| !rotation.enabled || rotation.next.is_some());
            told && key.is_complete(self.limits(), self.declared_facets())
        };
        self.steps.contains(&Step::Create) && self.key().is_some_and(knows)
    }

    /// The alias that Keyward gives a key that it creates.
    pub(super) fn claim(&self) -> Option<String> {
        self.object.desired.adopt.is_none().then(|| self.object.desired.owner.claim_alias())
    }

    /// Everything that a decision depends on.
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
            other_owner: self.other_owner.as_ref(),
            unmarked: self.unmarked.as_deref(),
            primary: self.primary.as_ref().map(|read| &read.primary),
        }
    }

    /// Reads more.
    pub(super) async fn read(&mut self, read: Read) -> Result<(), Ending> {
        let kms = &self.provider.connected.kms;
        match (read, &mut self.observed) {
            (Read::Facets, Observed::Present(key)) => {
                let declared = settings::declared_facets(&self.object.desired, &self.provider.rules);
                for failure in observe::complete(kms, key, self.provider.rules.limits(), declared).await? {
                    self.leave_unread(failure);
                }
            }
            (Read::OtherOwner(mark), Observed::Present(_)) => {
                let exists = observe::exists(self.context, &mark).await?;
                self.other_owner = Some(OtherOwner { mark, exists });
            }
            (Read::Rotations, Observed::Present(key)) => match kms.rotations(&key.arn).await {
                Ok(listed) => key.rotations = Some(listed),
                // Only the request for a rotation needs the list, so an answer that nobody knows ends no round.
                Err(failure) if failure.kind.ends_round() && failure.kind != FailureKind::Unknown => return Err(Ending::Failed(failure)),
                Err(failure) => {
                    self.tried.leave_rotations_unread();
                    self.leave_unread(failure);
                }
            },
            (Read::Primary, _) => self.read_primary().await?,
            (Read::Unmarked, _) => self.unmarked = Some(self.context.unmarked.list(&self.provider.connected).await),
            (Read::Everywhere | Read::Facets | Read::Rotations | Read::OtherOwner(_), _) => {
                self.observed = observe::everywhere(kms, &self.object).await?;
            }
        }
        Ok(())
    }

    /// Reads the primary key of the replica that the object has or declares. In the second case, it also looks for the replica: its ARN follows from that of
    /// the primary key, so it is found even if nothing else leads to it.
    async fn read_primary(&mut self) -> Result<(), Ending> {
        let (context, desired) = (self.context, &self.object.desired);
        let bound = self.key().filter(|key| key.is_of(&desired.owner) || self.object.memory.is_bound());
        let read = match bound {
            Some(key) => primary::of_replica(context, &self.object.metadata, desired, key).await?,
            None => primary::declared(context, desired).await?,
        };
        // The Regions of a key are not shown to an object that may not use it.
        let may = |key: &Key, rules: &Rules| not_to_replicate(&desired.owner, key, rules).is_none();
        let seen = read.seen().filter(|(key, provider)| may(key, &provider.rules));
        let expected = seen.and_then(|(key, _)| replica::arn_in(&key.arn, &self.provider.rules.region).filter(|arn| *arn != key.arn));
        if let (Observed::Absent(_), Some(arn)) = (&self.observed, expected)
            && let Some(reading) = self.kms().read(&arn, Facets::NONE).await?
        {
            self.observed = Observed::Present(Box::new(reading.key));
        }
        self.primary = Some(read);
        Ok(())
    }

    /// Reads when the KMS rotated the key, if that may have changed. No step depends on it: without the right to read it, rotations are not reported, and
    /// that is all. `whole`: the round came to its end; otherwise a later round reads it.
    pub(super) async fn note_rotation(&mut self, whole: bool) {
        let (uid, before) = (self.object.uid(), self.object.memory.status.rotation.as_ref());
        let Some(key) = self.key().filter(|key| !key.state.is_pending()) else { return };
        let Some(found) = key.rotation else { return };
        if rotation::is_suspected(before, found, now()) {
            self.context.suspects_rotation(uid);
        }
        // A KMS that returns the last rotation with the other facts was asked already.
        let asked = self.object.is_asked_for() && before.is_some() && found.last.is_none();
        // After a rotation on demand its date is still to come.
        let awaited = on_demand::of(&self.object.memory.status).is_some_and(|record| on_demand::is_awaited(record, now()));
        if !whole || key.rotations.is_some() || !(asked || awaited || self.context.asks_for_rotation(uid)) {
            return;
        }
        let listed = kms::hastily(self.kms().rotations(&key.arn)).await;
        let settled = match &listed {
            Ok(listed) => {
                let known = before.and_then(|before| before.last_rotation_time.as_ref()).map(|last| last.0);
                rotation::newest(listed, now()).map(|(last, _)| last.0) > known
            }
            Err(failure) => {
                tracing::debug!(
                    operation = failure.operation,
                    outcome = failure.kind.as_str(),
                    "the last rotation is not reported: {}",
                    failure.message
                );
                !matches!(failure.kind, FailureKind::Throttled | FailureKind::Waiting | FailureKind::Faulted | FailureKind::Unavailable)
            }
        };
        self.context.asked_for_rotation(uid, settled);
        if let Observed::Present(key) = &mut self.observed {
            key.rotations = listed.ok();
        }
    }

    /// Reads when the key was last used, for the status, once a day. The guard has the same quota, so this request is sent only if its turn has come already: it
    /// never waits in the line. Without the right to read it, the status does not tell it, and that is all.
    pub(super) async fn note_last_use(&mut self) {
        let uid = self.object.uid();
        let Some(key) = self.key().filter(|key| key.tags.as_ref().is_none_or(|_| key.is_of(&self.object.desired.owner))) else { return };
        let grown = key.creation_time.is_some_and(|made| now().duration_since(made).unsigned_abs() >= waits::LAST_USE);
        if !grown || !self.context.asks_for_last_use(uid) {
            return;
        }
        match kms::if_free(self.kms().last_use(&key.arn)).await {
            Ok(last_use) => {
                self.context.asked_for_last_use(uid);
                self.latest_use = Some(last_use);
            }
            Err(failure) => {
                let FailureKind::Waiting = failure.kind else {
                    self.context.asked_for_last_use(uid);
                    let (operation, outcome) = (failure.operation, failure.kind.as_str());
                    return tracing::debug!(operation, outcome, "the last use is not reported: {}", failure.message);
                };
            }
        }
    }

    /// Looks for a key with the object's marks. For an object that began no creation, the survey of the provider answers, unless a key may have the
    /// object's name.
    pub(super) async fn search(&mut self) -> Result<Option<Plan>, Ending> {
        let context = self.context;
        // An annotation can only forbid a creation. Whoever wrote it, it does not replace what the process knows.
        if self.object.memory.status.create_attempt.is_none() {
            let owner = &self.object.desired.owner;
            match context.surveys.look_up(&self.provider.connected, owner, context.settings.consistency).await? {
                Lookup::Nobody(begun) => {
                    self.observed = Observed::Absent(Searched::Everywhere);
                    return Ok(self.awaits_survey(begun));
                }
                // The earlier object's creation may have made a key, so this object waits as that one would have.
                Lookup::Perhaps(attempt) => self.object.memory.inherit(attempt, &self.provider.rules),
                Lookup::NotYet(left) => return Err(Ending::until(left)),
                Lookup::Underway => {
                    let message = "the marks of all keys of the account are read once, before the first key is created".into();
                    return Ok(Some(Plan::Wait(Note { reason: Reason::Creating, message })));
                }
            }
        }
        self.read(Read::Everywhere).await.map(|()| None)
    }

    /// Only an annotation says that a creation was begun, and the survey shows no key of it. While that creation may be under way, nothing is created anyway.
    /// Once it is over, the survey has to be from after that. Everybody who may edit the object can write the annotation, so it does not have the marks of all
    /// keys read at any time.
    fn awaits_survey(&self, begun: Instant) -> Option<Plan> {
        let Some(Attempt::At { time, .. }) = &self.object.memory.attempt else { return None };
        let situation = self.situation();
        let ago = situation.now.duration_since(*time).checked_sub(situation.attempt_wait)?;
        // Negative: it is not over.
        let ago = Duration::try_from(ago).ok()?;
        let when = match self.context.surveys.shows(&self.provider.connected, begun, ago) {
            Shows::Yes => return None,
            Shows::Next => "soon",
            Shows::Later => "within minutes",
        };
        let message = format!(
            "the annotation keyward.dev/create-attempt says that CreateKey was sent at {time}; the marks of all keys are read again {when}, before a key is created; \
             if that annotation is wrong, remove it"
        );
        Some(Plan::Wait(Note { reason: Reason::Creating, message }))
    }
}
