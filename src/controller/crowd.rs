//! How many rounds of a provider are begun, and how many of them work, so that those which wait are not too many, and nobody's look waits behind them: neither
//! one at another provider, whose KMS is none of this one's business, nor a first look behind those who saw already that they need a turn within a quota.
//!
//! A round that waits for a turn holds no place among those that work, but it holds what it has seen. What is not begun holds next to nothing, and is begun in
//! the order in which it came. It must never decide what is done.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    api::{ManagedKey, managed_key::KeyState},
    domain::step::Step,
};

/// How many rounds of each kind are under way at one provider. As many creations have their turns in less than a minute, so what was seen before is not old.
const BEGUN: usize = 256;

/// What a round is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// To look. What has to be done is not known before.
    Look,
    /// To change the life of a key: what an incident asks for does not wait for anybody's tags.
    Life,
    /// To make a key.
    New,
    /// To change settings.
    Settings,
}

impl Kind {
    /// Of an object as it stands.
    #[must_use]
    pub fn of(object: &ManagedKey) -> Self {
        let spec = &object.spec;
        let status = object.status.as_ref();
        if object.metadata.deletion_timestamp.is_some() {
            return Self::Life;
        }
        let Some(state) = status.and_then(|status| status.key_state) else { return Self::Look };
        let wants_enabled = spec.enabled.unwrap_or(true);
        let as_declared = match (spec.deletion_schedule_days, state) {
            (None | Some(0), KeyState::Enabled) => wants_enabled,
            (None | Some(0), KeyState::Disabled) => !wants_enabled,
            (days, KeyState::PendingDeletion | KeyState::PendingReplicaDeletion) => days.is_some_and(|days| days > 0),
            (days, _) => days.is_none_or(|days| days <= 0),
        };
        if as_declared { Self::Look } else { Self::Life }
    }

    /// What a round of an object is begun as, if the last one saw that it is about `again`. What was declared since for the life of the key comes first.
    #[must_use]
    pub fn begun(object: &ManagedKey, again: Option<Self>) -> Self {
        match Self::of(object) {
            Self::Look => again.unwrap_or(Self::Look),
            kind => kind,
        }
    }

    /// What a round that looked is about from here on, if the step may wait for long.
    #[must_use]
    pub const fn for_step(step: &Step) -> Option<Self> {
        match step {
            Step::Create => Some(Self::New),
            step if step.is_setting() => Some(Self::Settings),
            _ => None,
        }
    }
}

/// The rounds of one provider that are under way. Clones are of the same.
#[derive(Clone, Debug)]
pub struct Crowd(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    kinds: [Arc<Semaphore>; 4],
    /// Places for those that work.
    places: Arc<Semaphore>,
    /// By the UID of their objects.
    begun: Mutex<HashMap<String, (Kind, OwnedSemaphorePermit)>>,
}

/// A round that is under way until this is dropped.
#[derive(Debug)]
pub struct Begun {
    crowd: Crowd,
    uid: String,
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.crowd.begun().remove(&self.uid);
    }
}

impl Crowd {
    /// Nobody yet. `places`: how many work at the same time.
    #[must_use]
    pub fn new(places: usize) -> Self {
        let kinds = std::array::from_fn(|_| Arc::new(Semaphore::new(BEGUN)));
        Self(Arc::new(Inner { kinds, places: Arc::new(Semaphore::new(places)), begun: Mutex::default() }))
    }

    fn begun(&self) -> MutexGuard<'_, HashMap<String, (Kind, OwnedSemaphorePermit)>> {
        self.0.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, kind: Kind) -> Arc<Semaphore> {
        let [look, life, new, settings] = &self.0.kinds;
        Arc::clone(match kind {
            Kind::Look => look,
            Kind::Life => life,
            Kind::New => new,
            Kind::Settings => settings,
        })
    }

    /// Waits until a round of that object may be begun, first come, first served. There is one of an object at a time.
    pub async fn enter(&self, kind: Kind, uid: &str) -> Option<Begun> {
        // Never closed.
        let permit = self.of(kind).acquire_owned().await.ok()?;
        self.begun().insert(uid.to_owned(), (kind, permit));
        Some(Begun { crowd: self.clone(), uid: uid.to_owned() })
    }

    /// Waits for a place among those that work.
    pub async fn place(&self) -> Option<OwnedSemaphorePermit> {
        // Never closed.
        Arc::clone(&self.0.places).acquire_owned().await.ok()
    }

    /// A round that looked goes on as one of that kind, if one more may be begun. One of another kind goes on as it is, as does one that brings a key back.
    pub fn goes_on(&self, kind: Kind, uid: &str) -> bool {
        let mut begun = self.begun();
        let Some(looks) = begun.get_mut(uid).filter(|(kind, _)| *kind == Kind::Look) else { return true };
        let Ok(permit) = self.of(kind).try_acquire_owned() else { return false };
        *looks = (kind, permit);
        true
    }
}

/// Shows S11.
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by panicking")]
mod tests {
    use futures::FutureExt;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_changes_the_life_of_a_key_is_no_setting() {
        let object = |spec: &Value, state: Option<&str>| -> ManagedKey {
            let status = state.map(|state| json!({ "keyState": state }));
            serde_json::from_value(json!({
                "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": { "name": "orders" }, "spec": spec, "status": status,
            }))
            .unwrap()
        };
        let rows = [
            (json!({}), None, Kind::Look),
            (json!({ "tags": { "a": "b" } }), Some("Enabled"), Kind::Look),
            (json!({ "enabled": false }), Some("Enabled"), Kind::Life),
            (json!({ "enabled": false }), Some("Disabled"), Kind::Look),
            (json!({}), Some("Disabled"), Kind::Life),
            (json!({ "deletionScheduleDays": 7 }), Some("Enabled"), Kind::Life),
            (json!({ "deletionScheduleDays": 7 }), Some("PendingDeletion"), Kind::Look),
            (json!({ "deletionScheduleDays": 0 }), Some("PendingDeletion"), Kind::Life),
            (json!({}), Some("Unavailable"), Kind::Look),
        ];
        for (spec, state, expected) in rows {
            let object = object(&spec, state);
            assert_eq!((Kind::of(&object), Kind::begun(&object, None)), (expected, expected), "{spec} {state:?}");
            let again = if expected == Kind::Look { Kind::Settings } else { expected };
            assert_eq!(Kind::begun(&object, Some(Kind::Settings)), again, "{spec} {state:?}: it was to be begun anew");
        }
        let mut deleted = object(&json!({}), Some("Enabled"));
        deleted.metadata.deletion_timestamp = Some(crate::api::condition::seconds(jiff::Timestamp::UNIX_EPOCH));
        assert_eq!(Kind::of(&deleted), Kind::Life);
    }

    #[tokio::test]
    async fn one_kind_does_not_wait_behind_another_and_is_begun_in_its_order() {
        let crowd = Crowd::new(1);
        let names: Vec<_> = (0..BEGUN).map(|number| format!("u{number}")).collect();
        let mut begun: Vec<_> = futures::future::join_all(names.iter().map(|uid| crowd.enter(Kind::New, uid))).await;
        // What is asked more than so often in one go is told to come again.
        tokio::task::yield_now().await;
        let (mut first, mut second) = (Box::pin(crowd.enter(Kind::New, "first")), Box::pin(crowd.enter(Kind::New, "second")));
        assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
        assert!(crowd.enter(Kind::Life, "a").now_or_never().is_some() && crowd.enter(Kind::Settings, "b").now_or_never().is_some());
        begun.pop();
        assert!(second.as_mut().now_or_never().is_none() && first.as_mut().now_or_never().is_some());
    }

    #[tokio::test]
    async fn nobody_waits_for_a_first_look_behind_those_that_wait_for_a_turn() {
        let crowd = Crowd::new(1);
        let mut waiting = Vec::new();
        for number in 0..BEGUN {
            let uid = format!("u{number}");
            waiting.push(crowd.enter(Kind::Look, &uid).await);
            assert!(crowd.goes_on(Kind::New, &uid) && crowd.goes_on(Kind::Settings, &uid), "it is made, and its settings with it");
            tokio::task::yield_now().await;
        }
        let looks = crowd.enter(Kind::Look, "u").now_or_never().expect("a first look");
        assert!(!crowd.goes_on(Kind::New, "u"), "it comes again, and waits among its like");
        assert!(crowd.goes_on(Kind::Settings, "u"));
        drop(looks);
        waiting.pop();
        let _looks = crowd.enter(Kind::Look, "u").await;
        assert!(crowd.goes_on(Kind::New, "u"));
        assert!(crowd.goes_on(Kind::New, "rescued"), "what is not of the crowd is not held up by it");
    }

    #[tokio::test]
    async fn one_provider_has_no_place_of_another() {
        let (slow, other) = (Crowd::new(1), Crowd::new(1));
        let _works = slow.place().await;
        assert!(slow.place().now_or_never().is_none());
        assert!(other.place().now_or_never().is_some());
    }
}
