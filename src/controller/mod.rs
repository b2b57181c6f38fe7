//! The controller.
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::lease::Held;
use crate::metrics::Metrics;
use crate::server::Readiness;

/// What a person sets, once for all objects.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How this cluster knows its keys: `[a-z0-9-]{1,36}`.
    pub cluster_id: String,
    /// The operator's own namespace.
    pub namespace: String,
    /// The name of this replica.
    pub instance: String,
    /// How many objects are reconciled at once.
    pub concurrency: u16,
    /// How long a KMS may answer with the state from before a change.
    pub consistency: Duration,
    /// For how long a key must not be found before it is taken for gone.
    pub missing_after: Duration,
    /// How long an unresolved `CreateKey` bars a second one.
    pub attempt_wait: Duration,
    /// Whether there are metrics per object.
    pub per_object_metrics: bool,
}

/// Runs until `stop`.
pub async fn run(
    _client: kube::Client,
    _settings: Settings,
    _held: Held,
    _metrics: Metrics,
    _readiness: Readiness,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    stop.cancelled().await;
    Ok(())
}
