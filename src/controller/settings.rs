//! What the controllers are run with.

use std::time::Duration;

use crate::domain::requeue::NEW_PRINCIPAL;

/// What the flags of `keyward controller` say.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name of the cluster in the marks of every key. It stays the same when the cluster is rebuilt.
    pub cluster_id: String,
    /// The operator's own namespace, where secrets are read.
    pub namespace: String,
    /// The only namespaces with objects to work on. Empty: all of them. Objects of other namespaces are still read: nobody can tell whose a key is without them.
    pub watch_namespaces: Vec<String>,
    /// The name of this process in events.
    pub instance: String,
    /// How many rounds work at the same time. Rescues are not counted.
    pub concurrency: u16,
    /// How long a KMS may answer with the state from before a change.
    pub consistency: Duration,
    /// How long a key must not be found, in at least three answers, before it counts as gone.
    pub missing_after: Duration,
    /// How long a creation of unknown outcome prevents another one.
    pub attempt_wait: Duration,
    /// How long a principal that the KMS does not know may be new.
    pub principal_wait: Duration,
    /// How often the keys without an object are counted.
    pub orphans_every: Duration,
    /// Whether each object has its own series of metrics.
    pub per_object_metrics: bool,
}

impl Settings {
    /// The `principal_wait` of the program.
    pub const PRINCIPAL_WAIT: Duration = NEW_PRINCIPAL;

    /// Whether objects of a namespace are worked on.
    #[must_use]
    pub fn works_in(&self, namespace: &str) -> bool {
        self.watch_namespaces.is_empty() || self.watch_namespaces.iter().any(|watched| watched == namespace)
    }
}
