//! What one round works with: the object, its provider, the key as it was seen, and what was done so far.

use std::time::{Duration, Instant};

use super::{object::Object, observe, provider::Provider};
use crate::{
    api::Reason,
    controller::{
        Context,
        aliases::Move,
        crowd::Kind,
        error::{Abort, Halt},
        now,
        survey::Known,
    },
    domain::{
        failure::{Failure, FailureKind},
        limits::Limits,
        observed::{Key, Observed, Searched},
        plan::{Note, OtherOwner, Plan, Read, Situation, Tried},
        rotation,
        step::{Difference, Part, Step},
    },
    kms::{self, AnyKms, Kms},
};

/// What a round saw, and what it did without.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct View<'a> {
    /// The last look; `None` when there was none.
    pub(super) observed: Option<&'a Observed>,
    /// Changes that failed, and without which the round went on.
    pub(super) failed: &'a [Failure],
    /// Reads that failed, and without which the round went on.
    pub(super) unread: &'a [Failure],
    /// What each step found that was not as declared.
    pub(super) found: &'a [(Step, Vec<Difference>)],
    /// Changes that were made before and did not stick.
    pub(super) unkept: &'a [String],
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
    /// Whether the object that another's mark on the key names exists, if that was asked for.
    pub(super) other_owner: Option<OtherOwner>,
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
            other_owner: None,
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
    pub(super) fn go_on_without(&mut self, step: &Step, halt: Halt) -> Result<(), Halt> {
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
    pub(super) fn goes_on(&self, step: &Step) -> bool {
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
    pub(super) fn leave_unread(&mut self, failure: Failure) {
        self.provider.failed(self.context, &failure);
        self.unread.push(failure);
    }

    /// Nothing is concluded from a look that may show what was before the last steps: neither a change nor that none is needed. Only what brings a key back
    /// follows from it at once, unless that was just done.
    pub(super) fn may_conclude(&self, decided: &Plan) -> Result<(), Abort> {
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
    pub(super) fn is_at_risk(&self, decided: &Plan) -> bool {
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
            other_owner: self.other_owner.as_ref(),
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
            (Read::OtherOwner(mark), Observed::Present(_)) => {
                let exists = observe::exists(self.context, &mark).await?;
                self.other_owner = Some(OtherOwner { mark, exists });
            }
            (Read::Everywhere | Read::Facets | Read::OtherOwner(_), _) => self.observed = observe::everywhere(kms, &self.object).await?,
        }
        Ok(())
    }

    /// Reads when the KMS rotated the key, if that may be news. Nothing rests on it: whoever may not read it is told nothing of rotations, and nothing else is
    /// held up. In a round that is not `whole` it is left for a later one.
    pub(super) async fn note_rotation(&mut self, whole: bool) {
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
                !matches!(failure.kind, FailureKind::Throttled | FailureKind::Waiting | FailureKind::Faulted | FailureKind::Unavailable)
            }
        };
        self.context.asked_for_rotation(uid, settled);
        if let Observed::Present(key) = &mut self.observed {
            key.rotations = listed.ok();
        }
    }

    /// Looks for a key that bears the object's marks. What all keys bear is known for objects that began no creation of their own, unless a key of the
    /// object's name may be among them.
    pub(super) async fn search(&mut self) -> Result<Option<Plan>, Halt> {
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
