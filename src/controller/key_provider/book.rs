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
        deletion::budget::{self, Answer, Booked, Slot},
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

/// Gives the place of a call back that was not sent, or was certainly refused. If that cannot be written, the entry counts for its hour.
pub async fn give_back(context: &Context, name: &str, slot: &Slot) {
    let lock = context.providers.lists.write_lock(name);
    let _writing = lock.lock().await;
    let api = Api::<Watched<KeyProvider>>::all(context.client.clone());
    let mut tries = 0;
    let failed = loop {
        tries += 1;
        let read = match api.get_opt(name).await {
            Ok(read) => read,
            Err(error) => break Error::Api("a live read of the provider", Box::new(error)),
        };
        let Some(provider) = read.and_then(|read| read.into_decoded().ok()) else { return };
        let mut status = provider::ours(&provider).unwrap_or_default();
        let Some(book) = budget::given_back(status.deletions.as_ref(), slot) else { return };
        status.deletions = (book != DeletionBook::default()).then_some(book);
        match write(context, &provider, &status).await {
            Ok(stored) => return listed::say(context, name, stored.version.as_deref(), &status),
            Err(error) if error.is_conflict() && tries < TRIES => {}
            Err(error) => break error,
        }
    };
    tracing::debug!(provider = name, error = &failed as &dyn std::error::Error, "a deletion that was refused counts for an hour");
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

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use api_double::ApiDouble;
    use futures::future::join_all;
    use kube::{Client, api::PostParams, client::Body};
    use serde_json::json;
    use tower::{Service, ServiceExt};

    use super::*;
    use crate::controller::fixtures::{self, PROVIDER};

    /// Two processes at one API server, and the provider there.
    struct World {
        contexts: [Context; 2],
        api: Api<KeyProvider>,
        made_for: MadeFor,
        /// How often the provider was read.
        reads: Arc<AtomicUsize>,
    }

    impl World {
        async fn new(max_per_hour: i32) -> Self {
            let (server, reads) = (ApiDouble::default(), Arc::new(AtomicUsize::new(0)));
            let client = || {
                let (service, reads) = (server.service::<Body>(), Arc::clone(&reads));
                let counting = tower::service_fn(move |request: http::Request<Body>| {
                    if request.method() == http::Method::GET {
                        reads.fetch_add(1, Ordering::Relaxed);
                    }
                    let mut service = service.clone();
                    async move { service.ready().await?.call(request).await }
                });
                Client::new(counting, "default")
            };
            let mut provider = fixtures::provider(&json!({}));
            provider["spec"]["deletionGuard"] = json!({ "maxPerHour": max_per_hour });
            let contexts = [(); 2].map(|()| fixtures::context_at(client(), &provider, &[]));
            let api = Api::<KeyProvider>::all(client());
            provider["metadata"] = json!({ "name": PROVIDER });
            let made = api.create(&PostParams::default(), &serde_json::from_value(provider).unwrap()).await.unwrap();
            let made_for = MadeFor { uid: made.metadata.uid.unwrap(), generation: made.metadata.generation.unwrap(), secrets: Vec::new() };
            Self { contexts, api, made_for, reads }
        }

        async fn enter(&self, process: usize, key: &str) -> Entered {
            enter(&self.contexts[process], PROVIDER, &self.made_for, key).await.unwrap()
        }

        async fn book(&self) -> DeletionBook {
            self.api.get(PROVIDER).await.unwrap().status.and_then(|status| status.deletions).unwrap_or_default()
        }
    }

    /// Two replicas that both believe to lead enter eight keys each, where there is room for ten.
    ///
    /// Shows S1.
    #[tokio::test]
    async fn two_writers_of_one_book_lose_no_entry_and_give_no_place_twice() {
        let world = World::new(10).await;
        let keys: Vec<(usize, String)> = (0..16).map(|number| (number % 2, format!("key-{number}"))).collect();
        let entered = join_all(keys.iter().map(|(process, key)| world.enter(*process, key))).await;
        let (mut booked, mut trips) = (BTreeSet::new(), BTreeSet::new());
        for ((_, key), entered) in keys.iter().zip(entered) {
            match entered {
                Entered::Booked(_) => assert!(booked.insert(key.clone())),
                Entered::Stopped(trip) => _ = trips.insert(trip),
                Entered::Changed => panic!("{key}: nobody changed the provider"),
            }
        }
        assert_eq!((booked.len(), trips.len()), (10, 1), "{booked:?} {trips:?}");
        let book = world.book().await;
        let stored: Vec<String> = book.recent.iter().map(|entry| entry.key.clone()).collect();
        assert_eq!(stored.len(), 10);
        assert_eq!(stored.into_iter().collect::<BTreeSet<_>>(), booked);
        assert_eq!(book.tripped.map(|trip| trip.id), trips.pop_first());
        // Ten entries and a trip are eleven writes. Each further read came from a write conflict.
        assert!(world.reads.load(Ordering::Relaxed) > 16, "no two writes met, so this shows nothing");
    }

    #[tokio::test]
    async fn a_place_that_is_given_back_is_free_and_that_of_another_writer_stays() {
        let world = World::new(2).await;
        let slot = |entered: Entered| if let Entered::Booked(booked) = entered { booked.slot() } else { panic!("{entered:?}") };
        let taken = slot(world.enter(0, "taken").await);
        let first = slot(world.enter(0, "denied").await);
        let second = slot(world.enter(1, "denied").await);
        // The first entry was replaced by the second, so there is nothing to give back for it.
        give_back(&world.contexts[0], PROVIDER, &first).await;
        give_back(&world.contexts[1], PROVIDER, &second).await;
        let keys = |book: DeletionBook| book.recent.into_iter().map(|entry| entry.key).collect::<Vec<_>>();
        assert!(keys(world.book().await).contains(&"denied".into()), "the call of the earlier writer may have taken effect");
        futures::join!(give_back(&world.contexts[0], PROVIDER, &taken), give_back(&world.contexts[1], PROVIDER, &taken));
        assert_eq!(keys(world.book().await), ["denied"]);
        let _next = slot(world.enter(1, "next").await);
        assert!(matches!(world.enter(0, "one-more").await, Entered::Stopped(_)));
    }
}
