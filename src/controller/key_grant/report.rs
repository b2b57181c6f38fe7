//! The end of every round: the status if it changed, then events, and when to look again.

use std::time::Duration;

use kube::Resource;

use super::{object::Object, shared::Shared};
use crate::{
    api::{KeyGrant, Reason},
    controller::{
        error::{Ending, Error},
        managed_key::provider::resync,
        now,
    },
    domain::{
        failure::FailureKind,
        grant::{
            event,
            status::{Conclusion, Report, conclude},
        },
        plan::Note,
        requeue::{Cause, Next},
    },
    metrics::RoundResult,
};

/// What a round came to, or why it came to no end.
pub(super) type Ended = Result<Done, Ending>;

/// What a round came to, and when the object is looked at again.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) conclusion: Conclusion,
    pub(super) next: Next,
}

impl Done {
    /// The object is looked at again at the next regular read, or when something changes.
    pub(super) const fn regular(conclusion: Conclusion) -> Self {
        Self { conclusion, next: Next::Regular }
    }
}

/// Ends a round. `fingerprint`: what the object looked like.
pub(super) async fn finish(object: &mut Object<'_>, fingerprint: u64, ended: Ended) -> Result<(Option<Duration>, RoundResult), Error> {
    let (shared, uid) = (object.shared, object.uid().to_owned());
    let pause = wait_of(object);
    let (told, next, result) = match ended.map_err(Ending::without_turns) {
        Ok(Done { conclusion, next }) => (Some(conclusion), next, RoundResult::Ok),
        Err(Ending::Refused { note, stalled }) => {
            let conclusion = if stalled { Conclusion::Stalled(note) } else { Conclusion::Waiting(note) };
            (Some(conclusion), Next::Regular, RoundResult::Ok)
        }
        Err(Ending::Failed(failure)) => {
            let source = failure.source.as_deref().map(|source| source as &dyn std::error::Error);
            let key = object.status.key_arn.as_deref();
            tracing::warn!(key, operation = failure.operation, outcome = failure.kind.as_str(), source, "{}", failure.message);
            let principal_wait = shared.context.settings.principal_wait;
            let waits =
                failure.kind == FailureKind::NewPrincipal && shared.memory.principal_refused(&uid, object.generation(), principal_wait);
            let retry = failure.kind.verdict().retry;
            let again = retry.told(resync_of(object)).map(|told| format!("; {told}")).unwrap_or_default();
            let conclusion = Conclusion::failed(failure.kind, &failure.message, &again, waits);
            // A principal that is not there after ten minutes is waited for no more.
            let next = match failure.kind {
                FailureKind::NewPrincipal if !waits => Next::Regular,
                _ => Next::Retry(retry, shared.memory.failed(&uid, Cause::Kms)),
            };
            (Some(conclusion), next, RoundResult::Failed)
        }
        Err(Ending::Unknown) => (None, Next::Soon, RoundResult::Ok),
        Err(Ending::Changed) => (None, Next::Unseen(shared.memory.failed(&uid, Cause::Changed)), RoundResult::Changed),
        Err(Ending::Gone) => {
            publish(object);
            return Ok((None, RoundResult::Idle));
        }
        Err(Ending::Later(next)) => (None, next, RoundResult::Waiting),
        Err(Ending::Error(error)) => {
            publish(object);
            return Err(error);
        }
        // These belong to keys and are not made here.
        Err(_) => (None, Next::Soon, RoundResult::Waiting),
    };
    let before = object.stored.clone();
    if let Some(conclusion) = &told {
        tell(object, conclusion);
    }
    // What was done is told even if the round has to begin again.
    publish(object);
    let next = match object.write_status().await {
        Ok(()) => next,
        Err(Ending::Changed) => Next::Unseen(shared.memory.failed(&uid, Cause::Changed)),
        Err(Ending::Error(error)) => return Err(error),
        Err(_) => Next::Soon,
    };
    if told.is_some() && object.status == object.stored {
        for event in event::turns(&before, &object.status) {
            shared.context.events.publish_on_grant(&object.metadata, &event);
        }
        shared.memory.reported(&uid, result == RoundResult::Ok);
    }
    let wait = pause(next);
    if let (Some(wait), RoundResult::Ok | RoundResult::Failed) = (wait, result) {
        shared.memory.looked(&uid, fingerprint, wait);
    }
    Ok((wait, result))
}

/// How long to wait by a rule.
fn wait_of<'a>(object: &Object<'a>) -> impl Fn(Next) -> Option<Duration> + use<'a> {
    let (context, resync) = (&object.shared.context, resync_of(object));
    move |next| context.wait(next, resync)
}

fn resync_of(object: &Object<'_>) -> Duration {
    let provider = object.target().map(|target| target.provider);
    let provider = provider.or_else(|| object.status.provider.as_ref().map(|provider| provider.name.clone()));
    resync(&object.shared.context, &provider.unwrap_or_default())
}

fn tell(object: &mut Object<'_>, conclusion: &Conclusion) {
    let (shared, uid) = (object.shared, object.uid().to_owned());
    let word_stands = shared.memory.unheard(&uid, shared.context.started) <= resync_of(object).saturating_mul(2);
    let requested = object.requested().map(str::to_owned);
    let report = Report { generation: object.generation(), conclusion, word_stands, requested: requested.as_deref(), now: now() };
    conclude(&mut object.status, &report);
}

fn publish(object: &mut Object<'_>) {
    for event in std::mem::take(&mut object.events) {
        object.shared.context.events.publish_on_grant(&object.metadata, &event);
    }
}

/// The round panicked. The object says so, as it was read.
pub(super) async fn panicked(shared: &Shared, grant: &KeyGrant) -> Result<(), Ending> {
    let mut object = Object::new(shared, grant);
    let message = "Keyward met a fault of its own at this object and leaves it alone for a while, its grant as it is; \
                   the operator's log has it: report it, and look for a newer version";
    let note = Note { reason: Reason::UnknownError, message: message.into() };
    tell(&mut object, &Conclusion::Waiting(note));
    object.write_status().await
}

/// Names an object in the log.
pub(super) fn named(grant: &impl Resource) -> (String, String) {
    (grant.meta().namespace.clone().unwrap_or_default(), grant.meta().name.clone().unwrap_or_default())
}
