//! Limits how many rounds of a provider are begun, and how many of these work at the same time. So the rounds of one provider do not delay those of another,
//! and a first read does not wait behind rounds that already wait for a turn within a quota.
//!
//! A round that waits for a turn has given up its worker permit, but it keeps what it read in memory. A round that is not begun needs almost no memory.
//! Namespaces begin rounds in turn, and within a namespace rounds begin in the order in which they came. This must never decide what is done to a key.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::fair::{Fair, Permit};
use crate::{
    api::{ManagedKey, managed_key::KeyState},
    domain::step::Step,
};

/// How many rounds of each kind are under way at one provider. This many creations get their turns in less than a minute, so what they read before is not too
/// old.
const BEGUN: usize = 256;

/// What a round is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoundKind {
    /// A read: what has to be done is not known yet.
    Read,
    /// A change of the life of a key. In an incident it must not wait for the tags of other keys.
    Life,
    /// A creation.
    New,
    /// A change of settings.
    Settings,
}

impl RoundKind {
    /// The kind that an object needs as it stands.
    #[must_use]
    pub fn of(object: &ManagedKey) -> Self {
        let spec = &object.spec;
        let status = object.status.as_ref();
        if object.metadata.deletion_timestamp.is_some() {
            return Self::Life;
        }
        let Some(state) = status.and_then(|status| status.key_state) else { return Self::Read };
        let wants_enabled = spec.enabled.unwrap_or(true);
        let as_declared = match (spec.deletion_schedule_days, state) {
            (None | Some(0), KeyState::Enabled) => wants_enabled,
            (None | Some(0), KeyState::Disabled) => !wants_enabled,
            (days, KeyState::PendingDeletion | KeyState::PendingReplicaDeletion) => days.is_some_and(|days| days > 0),
            (days, _) => days.is_none_or(|days| days <= 0),
        };
        if as_declared { Self::Read } else { Self::Life }
    }

    /// The kind that a round begins as, if the last round found that it needs `again`. A change of the key's life that was declared since then comes first.
    #[must_use]
    pub fn begun(object: &ManagedKey, again: Option<Self>) -> Self {
        match Self::of(object) {
            Self::Read => again.unwrap_or(Self::Read),
            kind => kind,
        }
    }

    /// The kind of a round that looked and found this step, if the step may have to wait long for its turn.
    #[must_use]
    pub const fn for_step(step: &Step) -> Option<Self> {
        match step {
            Step::Create => Some(Self::New),
            step if step.is_setting() => Some(Self::Settings),
            _ => None,
        }
    }
}

/// The rounds of one provider that are under way. Clones share them.
#[derive(Clone, Debug)]
pub struct Crowd(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    kinds: [Fair; 4],
    /// Permits for the rounds that work.
    permits: Fair,
    /// By the UID of their objects.
    begun: Mutex<HashMap<String, (RoundKind, Permit)>>,
}

/// A round is under way until this value is dropped.
#[derive(Debug)]
pub struct Begun {
    crowd: Crowd,
    uid: String,
}

impl Drop for Begun {
    fn drop(&mut self) {
        // The permit goes on to the next round only when the map is not locked any more.
        let permit = self.crowd.begun().remove(&self.uid);
        drop(permit);
    }
}

impl Crowd {
    /// Without any round. `permits`: how many rounds work at the same time.
    #[must_use]
    pub fn new(permits: usize) -> Self {
        let kinds = std::array::from_fn(|_| Fair::new(BEGUN));
        Self(Arc::new(Inner { kinds, permits: Fair::new(permits), begun: Mutex::default() }))
    }

    fn begun(&self) -> MutexGuard<'_, HashMap<String, (RoundKind, Permit)>> {
        self.0.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, kind: RoundKind) -> &Fair {
        let [read, life, new, settings] = &self.0.kinds;
        match kind {
            RoundKind::Read => read,
            RoundKind::Life => life,
            RoundKind::New => new,
            RoundKind::Settings => settings,
        }
    }

    /// Waits until a round of that object of `namespace` may begin. An object has one round at a time.
    pub async fn enter(&self, kind: RoundKind, namespace: &str, uid: &str) -> Option<Begun> {
        let permit = self.of(kind).take(namespace).await?;
        self.begun().insert(uid.to_owned(), (kind, permit));
        Some(Begun { crowd: self.clone(), uid: uid.to_owned() })
    }

    /// Waits for a worker permit.
    pub async fn worker_permit(&self, namespace: &str) -> Option<Permit> {
        self.0.permits.take(namespace).await
    }

    /// Turns a round that looked into one of that kind, if one more of that kind may begin. Rounds of other kinds, and rescues, go on as they are.
    pub fn goes_on(&self, kind: RoundKind, uid: &str) -> bool {
        let before = {
            let mut begun = self.begun();
            let Some(looks) = begun.get_mut(uid).filter(|(kind, _)| *kind == RoundKind::Read) else { return true };
            let Some(permit) = self.of(kind).try_take() else { return false };
            std::mem::replace(looks, (kind, permit))
        };
        // The permit goes on to the next round only when the map is not locked any more.
        drop(before);
        true
    }
}

/// Shows S11.
#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_change_of_the_life_of_a_key_is_not_a_setting() {
        let object = |spec: &Value, state: Option<&str>| -> ManagedKey {
            let status = state.map(|state| json!({ "keyState": state }));
            serde_json::from_value(json!({
                "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": { "name": "orders" }, "spec": spec, "status": status,
            }))
            .unwrap()
        };
        let rows = [
            (json!({}), None, RoundKind::Read),
            (json!({ "tags": { "a": "b" } }), Some("Enabled"), RoundKind::Read),
            (json!({ "enabled": false }), Some("Enabled"), RoundKind::Life),
            (json!({ "enabled": false }), Some("Disabled"), RoundKind::Read),
            (json!({}), Some("Disabled"), RoundKind::Life),
            (json!({ "deletionScheduleDays": 7 }), Some("Enabled"), RoundKind::Life),
            (json!({ "deletionScheduleDays": 7 }), Some("PendingDeletion"), RoundKind::Read),
            (json!({ "deletionScheduleDays": 0 }), Some("PendingDeletion"), RoundKind::Life),
            (json!({}), Some("Unavailable"), RoundKind::Read),
        ];
        for (spec, state, expected) in rows {
            let object = object(&spec, state);
            assert_eq!((RoundKind::of(&object), RoundKind::begun(&object, None)), (expected, expected), "{spec} {state:?}");
            let again = if expected == RoundKind::Read { RoundKind::Settings } else { expected };
            assert_eq!(RoundKind::begun(&object, Some(RoundKind::Settings)), again, "{spec} {state:?}: it was to be begun anew");
        }
        let mut deleted = object(&json!({}), Some("Enabled"));
        deleted.metadata.deletion_timestamp = Some(crate::api::condition::seconds(jiff::Timestamp::UNIX_EPOCH));
        assert_eq!(RoundKind::of(&deleted), RoundKind::Life);
    }

    #[tokio::test]
    async fn round_kinds_do_not_wait_for_each_other_and_begin_in_order() {
        let crowd = Crowd::new(1);
        let names: Vec<_> = (0..BEGUN).map(|number| format!("u{number}")).collect();
        let mut begun: Vec<_> = futures::future::join_all(names.iter().map(|uid| crowd.enter(RoundKind::New, "shop", uid))).await;
        // After too many polls in one run, tokio makes the task yield.
        tokio::task::yield_now().await;
        let (mut first, mut second) =
            (Box::pin(crowd.enter(RoundKind::New, "shop", "first")), Box::pin(crowd.enter(RoundKind::New, "shop", "second")));
        assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
        assert!(
            crowd.enter(RoundKind::Life, "shop", "a").now_or_never().is_some()
                && crowd.enter(RoundKind::Settings, "shop", "b").now_or_never().is_some()
        );
        begun.pop();
        assert!(second.as_mut().now_or_never().is_none() && first.as_mut().now_or_never().is_some());
    }

    #[tokio::test]
    async fn the_one_object_of_a_namespace_does_not_wait_behind_all_of_another() {
        let crowd = Crowd::new(1);
        let names: Vec<_> = (0..2 * BEGUN).map(|number| format!("u{number}")).collect();
        let mut all: Vec<_> = names.iter().map(|uid| Box::pin(crowd.enter(RoundKind::New, "crowded", uid))).collect();
        let mut begun = Vec::new();
        for enters in &mut all {
            begun.extend(enters.as_mut().now_or_never().flatten());
        }
        assert_eq!(begun.len(), BEGUN);
        let mut one = Box::pin(crowd.enter(RoundKind::New, "shop", "one"));
        assert!(one.as_mut().now_or_never().is_none());
        // One of the crowd came first, and then it is the turn of the other namespace.
        begun.pop();
        begun.pop();
        assert!(one.as_mut().now_or_never().flatten().is_some());
    }

    #[tokio::test]
    async fn a_first_read_does_not_wait_behind_rounds_that_wait_for_a_turn() {
        let crowd = Crowd::new(1);
        let mut waiting = Vec::new();
        for number in 0..BEGUN {
            let uid = format!("u{number}");
            waiting.push(crowd.enter(RoundKind::Read, "shop", &uid).await);
            assert!(
                crowd.goes_on(RoundKind::New, &uid) && crowd.goes_on(RoundKind::Settings, &uid),
                "it is made, and its settings with it"
            );
            tokio::task::yield_now().await;
        }
        let looks = crowd.enter(RoundKind::Read, "shop", "u").now_or_never().expect("a first look");
        assert!(!crowd.goes_on(RoundKind::New, "u"), "it comes again, and waits among its like");
        assert!(crowd.goes_on(RoundKind::Settings, "u"));
        drop(looks);
        waiting.pop();
        let _looks = crowd.enter(RoundKind::Read, "shop", "u").await;
        assert!(crowd.goes_on(RoundKind::New, "u"));
        assert!(crowd.goes_on(RoundKind::New, "rescued"), "what is not of the crowd is not held up by it");
    }

    #[tokio::test]
    async fn providers_do_not_share_worker_permits() {
        let (slow, other) = (Crowd::new(1), Crowd::new(1));
        let _works = slow.worker_permit("shop").await;
        assert!(slow.worker_permit("shop").now_or_never().is_none());
        assert!(other.worker_permit("shop").now_or_never().is_some());
    }
}
