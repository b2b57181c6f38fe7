//! How many rounds of a provider are begun, so that those which wait for their turn within a quota are not too many, and none of another kind waits behind them.
//!
//! A round that waits for a turn holds no place among those that work, but it holds what it has seen. What is not begun holds next to nothing, and is begun in
//! the order in which it came. It must never decide what is done.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::api::{ManagedKey, managed_key::KeyState};

/// How many rounds of each kind are under way at one provider. As many creations have their turns in less than a minute, so what was seen before is not old.
const BEGUN: usize = 256;

/// What a round is likely to do, told from its object alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// To make a key.
    New,
    /// To change the life of a key: what an incident asks for does not wait for anybody's tags.
    Life,
    /// To look, and to change settings.
    Others,
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
        let Some(state) = status.and_then(|status| status.key_state) else {
            return if spec.key_id.is_none() { Self::New } else { Self::Others };
        };
        let wants_enabled = spec.enabled.unwrap_or(true);
        let as_declared = match (spec.deletion_schedule_days, state) {
            (None | Some(0), KeyState::Enabled) => wants_enabled,
            (None | Some(0), KeyState::Disabled) => !wants_enabled,
            (days, KeyState::PendingDeletion | KeyState::PendingReplicaDeletion) => days.is_some_and(|days| days > 0),
            (days, _) => days.is_none_or(|days| days <= 0),
        };
        if as_declared { Self::Others } else { Self::Life }
    }
}

/// The rounds of one provider that are under way, by kind.
#[derive(Debug)]
pub struct Crowd([Arc<Semaphore>; 3]);

impl Default for Crowd {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Arc::new(Semaphore::new(BEGUN))))
    }
}

impl Crowd {
    /// Waits until one more may be begun, first come, first served. It is under way until what this gives is dropped.
    pub async fn enter(&self, kind: Kind) -> Option<OwnedSemaphorePermit> {
        let [new, life, others] = &self.0;
        let of = match kind {
            Kind::New => new,
            Kind::Life => life,
            Kind::Others => others,
        };
        // Never closed.
        Arc::clone(of).acquire_owned().await.ok()
    }
}

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
            (json!({}), None, Kind::New),
            (json!({ "keyId": "alias/a" }), None, Kind::Others),
            (json!({ "tags": { "a": "b" } }), Some("Enabled"), Kind::Others),
            (json!({ "enabled": false }), Some("Enabled"), Kind::Life),
            (json!({ "enabled": false }), Some("Disabled"), Kind::Others),
            (json!({}), Some("Disabled"), Kind::Life),
            (json!({ "deletionScheduleDays": 7 }), Some("Enabled"), Kind::Life),
            (json!({ "deletionScheduleDays": 7 }), Some("PendingDeletion"), Kind::Others),
            (json!({ "deletionScheduleDays": 0 }), Some("PendingDeletion"), Kind::Life),
            (json!({}), Some("Unavailable"), Kind::Others),
        ];
        for (spec, state, expected) in rows {
            assert_eq!(Kind::of(&object(&spec, state)), expected, "{spec} {state:?}");
        }
        let mut deleted = object(&json!({}), Some("Enabled"));
        deleted.metadata.deletion_timestamp = Some(crate::api::condition::seconds(jiff::Timestamp::UNIX_EPOCH));
        assert_eq!(Kind::of(&deleted), Kind::Life);
    }

    #[tokio::test]
    async fn one_kind_does_not_wait_behind_another_and_is_begun_in_its_order() {
        let crowd = Crowd::default();
        let mut begun: Vec<_> = futures::future::join_all((0..BEGUN).map(|_| crowd.enter(Kind::New))).await;
        // What is asked more than so often in one go is told to come again.
        tokio::task::yield_now().await;
        let (mut first, mut second) = (Box::pin(crowd.enter(Kind::New)), Box::pin(crowd.enter(Kind::New)));
        assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
        assert!(crowd.enter(Kind::Life).now_or_never().is_some() && crowd.enter(Kind::Others).now_or_never().is_some());
        begun.pop();
        assert!(second.as_mut().now_or_never().is_none() && first.as_mut().now_or_never().is_some());
    }
}
