//! The guard's book in a provider's status: each deletion is entered before its call.
//!
//! Every write has the version that was read as its precondition, so that restarts and other replicas count along. Within this process one enters at a time.

use std::collections::HashMap;

use kube::{Api, ResourceExt};

use super::{clients::MadeFor, listed, status::write};
use crate::{
    api::{KeyProvider, KeyProviderStatus, Reason, condition, key_provider::DeletionBook},
    controller::{Context, error::Error, now, watched::Watched},
    domain::{
        deletion::budget::{self, Answer, Booked},
        provider,
    },
};

/// How often a write is begun anew because another came between.
const TRIES: usize = 8;

/// What came of an entry.
#[derive(Debug)]
pub enum Entered {
    /// The deletion is in the book.
    Booked(Booked),
    /// All deletions are stopped, by the trip of that id.
    Stopped(String),
    /// The provider is not the one that the client was made for any more, or its status does not have the entry.
    Changed,
}

/// Enters a deletion of the key with that id into the book of a provider, or stops all deletions if there is no room.
pub async fn enter(context: &Context, name: &str, made_for: &MadeFor, key: &str) -> Result<Entered, Error> {
    let lock = context.providers.lists.write_lock(name);
    let _writing = lock.lock().await;
    let api = Api::<Watched<KeyProvider>>::all(context.client.clone());
    let mut tries = 0;
    loop {
        tries += 1;
        let read = api.get_opt(name).await.map_err(|error| Error::Api("a live read of the provider", Box::new(error)))?;
        let provider = read.and_then(|read| read.into_decoded().ok()).filter(|provider| made_for.is(provider));
        let Some(provider) = provider else { return Ok(Entered::Changed) };
        let mut status = provider::ours(&provider).unwrap_or_default();
        let max_per_hour = provider.spec.deletion_guard.max_per_hour;
        let (book, entered) = match budget::check(status.deletions.as_ref(), max_per_hour, key, now(), &trip_id()) {
            Answer::Stopped => return Ok(Entered::Stopped(trip(&status))),
            Answer::Trips(book) => (book, None),
            Answer::Room(entry) => (entry.book().clone(), Some(entry)),
        };
        status.deletions = Some(book);
        provider::say_stopped(&mut status, &provider, now());
        let stored = match write(context, &provider, &status).await {
            Ok(stored) => stored,
            Err(error) if error.is_conflict() && tries < TRIES => continue,
            Err(error) => return Err(error),
        };
        listed::say(context, name, stored.version.as_deref(), &status);
        if let Some(entry) = entered {
            return Ok(entry.written(stored.book.as_ref()).map_or(Entered::Changed, Entered::Booked));
        }
        // Each object that asks for a deletion is looked at now, so that its key bears the word before anybody resumes.
        context.providers.wake(name);
        return Ok(Entered::Stopped(trip(&status)));
    }
}

fn trip(status: &KeyProviderStatus) -> String {
    status.deletions.as_ref().and_then(|book| book.tripped.as_ref()).map_or_else(String::new, |trip| trip.id.clone())
}

/// Names a trip, so that an annotation that is left behind does not lift a later one.
pub(super) fn trip_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Has each provider, and its series, say how many deletions wait because all were stopped. Nothing is written where the number is the same. Its series also say
/// how many are held for any reason.
pub async fn count_waiting(context: &Context) {
    let all = held(context);
    for watched in context.providers.store.state() {
        let Ok(provider) = watched.decoded() else { continue };
        let name = provider.name_any();
        let Held { any, stopped: waiting } = all.get(&name).copied().unwrap_or_default();
        let count = (waiting > 0).then_some(waiting);
        let book = provider.status.as_ref().and_then(|status| status.deletions.as_ref());
        let stopped = book.is_some_and(|book| book.tripped.is_some());
        context.metrics.of_provider(&name).deletions(stopped, waiting, any);
        if book.and_then(|book| book.waiting) == count {
            continue;
        }
        if let Err(error) = tell_waiting(context, &name, count).await {
            tracing::debug!(provider = name, error = &error as &dyn std::error::Error, "how many deletions wait is written later");
        }
    }
}

/// How many objects of a provider say that their deletion is held.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    /// For any reason.
    any: i32,
    /// Because all deletions were stopped.
    stopped: i32,
}

/// The numbers of each provider that has such objects.
fn held(context: &Context) -> HashMap<String, Held> {
    let mut all: HashMap<String, Held> = HashMap::new();
    for object in context.keys().state() {
        let Ok(object) = object.decoded() else { continue };
        let conditions = object.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        let Some(reason) = condition::held(conditions) else { continue };
        let count = all.entry(object.spec.provider_ref.name.clone()).or_default();
        count.any = count.any.saturating_add(1);
        count.stopped = count.stopped.saturating_add((reason == Reason::BudgetExhausted).into());
    }
    all
}

async fn tell_waiting(context: &Context, name: &str, count: Option<i32>) -> Result<(), Error> {
    let lock = context.providers.lists.write_lock(name);
    let _writing = lock.lock().await;
    let api = Api::<Watched<KeyProvider>>::all(context.client.clone());
    let read = api.get_opt(name).await.map_err(|error| Error::Api("a live read of the provider", Box::new(error)))?;
    let Some(provider) = read.and_then(|read| read.into_decoded().ok()) else { return Ok(()) };
    let mut status = provider::ours(&provider).unwrap_or_default();
    let book = DeletionBook { waiting: count, ..status.deletions.take().unwrap_or_default() };
    status.deletions = (book != DeletionBook::default()).then_some(book);
    let stored = write(context, &provider, &status).await?;
    listed::say(context, name, stored.version.as_deref(), &status);
    Ok(())
}
