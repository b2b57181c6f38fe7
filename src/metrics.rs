//! The metrics of the operator, in `OpenMetrics` text or in Prometheus's older text.
//!
//! There is one value, which is created once and passed on. There is no global registry, so that two tests in one process do not share
//! counters. No label may have unbounded values that a stranger chooses. The answers of a server are such values, so `Codes` below bounds
//! them. Namespaces and names of objects are the one exception, and a flag switches them off.
#[cfg(target_os = "linux")]
mod process;
mod text;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

/// Upper bounds in seconds. They range from a cached read, over the 10 s timeout of a call to a KMS, to a reconcile with several such
/// calls.
const BUCKETS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The maximum number of codes, from all servers together, that become labels.
const CODES: usize = 100;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Reconciliation {
    controller: &'static str,
    result: &'static str,
}

/// How a reconcile ended. It is a closed set, which `docs/operating.md` explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoundResult {
    /// It finished.
    Ok,
    /// There was nothing to do: nothing changed and no read is due, or the object is gone.
    Idle,
    /// It waits for its turn, or for a change that the KMS does not show yet.
    Waiting,
    /// The object changed in the meantime, and is reconciled again.
    Changed,
    /// A call to the KMS failed. The status of the object says so, and Keyward tries again.
    Failed,
    /// The lease is not held, so nothing was changed.
    NotLeader,
    /// This version does not understand the object.
    Undecodable,
    /// The API server refused a write, or did not answer.
    Api,
    /// It did not finish in time.
    Timeout,
    /// It was interrupted.
    Ended,
    /// It panicked.
    Panic,
}

impl RoundResult {
    /// The label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Idle => "idle",
            Self::Waiting => "waiting",
            Self::Changed => "changed",
            Self::Failed => "failed",
            Self::NotLeader => "not-leader",
            Self::Undecodable => "undecodable",
            Self::Api => "api",
            Self::Timeout => "timeout",
            Self::Ended => "ended",
            Self::Panic => "panic",
        }
    }
}

/// Why an event was not posted: a closed set, which `docs/operating.md` explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventLost {
    /// The queue had no room for it.
    Full,
    /// The API server did not answer in time. It may have taken the event all the same.
    Late,
    /// The API server refused it.
    Refused,
    /// The process stopped before it was posted.
    Stopped,
}

impl EventLost {
    /// The label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Late => "late",
            Self::Refused => "refused",
            Self::Stopped => "stopped",
        }
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Loss {
    cause: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Controller {
    controller: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Watch {
    resource: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Named {
    provider: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Provider {
    provider: String,
    r#type: &'static str,
}

#[allow(clippy::struct_field_names)] // The name of a field is the name of its label.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Operation {
    provider: String,
    r#type: &'static str,
    operation: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answer {
    provider: String,
    r#type: &'static str,
    operation: &'static str,
    code: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Object {
    namespace: String,
    name: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct HeldObject {
    namespace: String,
    name: String,
    reason: &'static str,
}

/// One condition of an object. All values are of closed sets.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ConditionLabels {
    /// The type.
    pub condition: &'static str,
    /// `True`, `False` or `Unknown`.
    pub status: &'static str,
    /// The reason, or `other`.
    pub reason: &'static str,
}

/// The labels of the series of a key that is going to be deleted.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct PendingKey {
    /// Namespace of its object, or of the last object that it had.
    pub namespace: String,
    /// Name of that object.
    pub name: String,
    /// The canonical reference of the key.
    pub key: String,
    /// `PendingDeletion`, or `PendingReplicaDeletion` for a primary that waits for its replicas.
    pub state: &'static str,
}

/// What is left behind at a `KeyProvider`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrphanCounts {
    /// Keys with this cluster's marks that no object has.
    pub keys: usize,
    /// Objects whose key is gone.
    pub objects: usize,
    /// Claim aliases that lead to no key of this cluster.
    pub aliases: usize,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Left {
    provider: String,
    kind: &'static str,
}

/// The kinds of what is left behind: a closed set, which `docs/operating.md` explains.
const KINDS: [&str; 3] = ["key", "object", "alias"];

type Durations<L> = Family<L, Histogram, fn() -> Histogram>;

fn durations<L: Clone + std::hash::Hash + Eq>() -> Durations<L> {
    Family::new_with_constructor(|| Histogram::new(BUCKETS))
}

/// The metrics of one process. Clones share their counters.
#[derive(Clone, Debug)]
pub struct Metrics {
    inner: Arc<Inner>,
    /// The `KeyProvider` for the labels of calls.
    provider: Arc<str>,
}

#[derive(Debug)]
struct Inner {
    registry: Registry,
    codes: Codes,
    leader: Gauge,
    reconciliations: Family<Reconciliation, Counter>,
    reconcile_duration: Durations<Controller>,
    events_lost: Family<Loss, Counter>,
    watch_age: Family<Watch, Gauge<f64, AtomicU64>>,
    provider_requests: Family<Answer, Counter>,
    provider_request_duration: Durations<Operation>,
    provider_throttled: Family<Provider, Counter>,
    deletions_stopped: Family<Named, Gauge>,
    deletions_waiting: Family<Named, Gauge>,
    deletions_held: Family<Named, Gauge>,
    orphans: Family<Left, Gauge>,
    last_success: Family<Named, Gauge<f64, AtomicU64>>,
    provider_ready: Family<Named, Gauge>,
    conditions: Family<ConditionLabels, Gauge>,
    objects: Option<Objects>,
}

/// The series that exist once per object.
#[derive(Debug, Default)]
struct Objects {
    ready: Family<Object, Gauge>,
    held: Family<HeldObject, Gauge>,
    /// The reasons in `held`. An object has at most one.
    reasons: Mutex<HashMap<Object, &'static str>>,
    deletion: Family<PendingKey, Gauge<f64, AtomicU64>>,
}

impl Objects {
    /// Replaces the series of an object whose deletion is held.
    fn hold(&self, object: &Object, held: Option<&'static str>) {
        let series = |reason| HeldObject { namespace: object.namespace.clone(), name: object.name.clone(), reason };
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match held {
            Some(reason) => reasons.insert(object.clone(), reason),
            None => reasons.remove(object),
        };
        if let Some(before) = before.filter(|before| held != Some(*before)) {
            self.held.remove(&series(before));
        }
        if let Some(reason) = held {
            self.held.get_or_create(&series(reason)).set(1);
        }
    }
}

impl Metrics {
    /// Makes all metrics. It makes those per object only if `per_object` is set, because there are as many series as objects.
    #[must_use]
    pub fn new(per_object: bool) -> Self {
        let mut all = Registry::default();
        #[cfg(target_os = "linux")]
        all.register_collector(Box::new(process::ProcessMetrics));
        let registry = all.sub_registry_with_prefix("keyward");
        // The encoder appends `_info`, `_total` and units, so the names here do not have them.
        registry.register("build", "The version of this process", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        let inner = Inner {
            codes: Codes::default(),
            leader: added(
                registry,
                "leader",
                "Whether this replica is the leader and works: 1, or 0 on standby and until it has read all objects",
                Gauge::default(),
            ),
            reconciliations: added(registry, "reconciliations", "Finished reconciles, by result", Family::default()),
            reconcile_duration: in_seconds(registry, "reconcile_duration", "How long a reconcile took", durations()),
            events_lost: added(registry, "events_lost", "Kubernetes events that were not posted, by the cause", Family::default()),
            watch_age: in_seconds(
                registry,
                "watch_age",
                "How long ago the API server last sent an event or a bookmark on a watch",
                Family::default(),
            ),
            provider_requests: added(registry, "provider_requests", "Calls to a KMS, by operation and answer code", Family::default()),
            provider_request_duration: in_seconds(registry, "provider_request_duration", "How long a call to a KMS took", durations()),
            provider_throttled: added(registry, "provider_throttled", "Calls that a KMS throttled", Family::default()),
            deletions_stopped: added(
                registry,
                "provider_deletions_stopped",
                "Whether all deletions through a KeyProvider are stopped until an administrator resumes them: 1 or 0",
                Family::default(),
            ),
            deletions_waiting: added(
                registry,
                "provider_deletions_waiting",
                "Deletions that were held because all through a KeyProvider were stopped",
                Family::default(),
            ),
            deletions_held: added(
                registry,
                "provider_deletions_held",
                "Deletions through a KeyProvider that are requested and held, for any reason",
                Family::default(),
            ),
            orphans: added(
                registry,
                "provider_orphans",
                "Keys without an object, objects whose key is gone, and claim aliases without a key, counted once a day; absent until counted",
                Family::default(),
            ),
            last_success: in_seconds(
                registry,
                "provider_last_success_timestamp",
                "When a KMS last answered a call without an error, as UNIX time, by KeyProvider; absent until it did",
                Family::default(),
            ),
            provider_ready: added(
                registry,
                "provider_ready",
                "Whether the credentials of a KeyProvider work and its KMS answers: 1 or 0",
                Family::default(),
            ),
            conditions: added(
                registry,
                "managedkeys",
                "ManagedKeys that this replica has reconciled, by condition, its status and its reason",
                Family::default(),
            ),
            objects: per_object.then(|| Objects {
                ready: added(registry, "managedkey_ready", "Whether the key is as declared: 1 or 0", Family::default()),
                held: added(
                    registry,
                    "managedkey_deletion_held",
                    "1 while a deletion is requested and held, with the reason; absent otherwise",
                    Family::default(),
                ),
                reasons: Mutex::default(),
                deletion: in_seconds(
                    registry,
                    "managedkey_deletion_timestamp",
                    "When the KMS will delete the key, as UNIX time, or 0 if the time is not known; absent unless a deletion is pending",
                    Family::default(),
                ),
            }),
            registry: all,
        };
        Self { inner: Arc::new(inner), provider: Arc::default() }
    }

    /// The same metrics, for the calls of one `KeyProvider`.
    #[must_use]
    pub fn of_provider(&self, name: &str) -> Self {
        Self { inner: Arc::clone(&self.inner), provider: name.into() }
    }

    /// How long ago the watch of a resource last received something. `None`: the resource is not watched.
    pub fn watch_age(&self, resource: &'static str, age: Option<Duration>) {
        match age {
            Some(age) => _ = self.inner.watch_age.get_or_create(&Watch { resource }).set(age.as_secs_f64()),
            None => _ = self.inner.watch_age.remove(&Watch { resource }),
        }
    }

    /// One reconcile ended. The name of the controller comes from a small fixed set.
    pub fn reconciled(&self, controller: &'static str, result: RoundResult, took: Duration) {
        self.inner.reconciliations.get_or_create(&Reconciliation { controller, result: result.as_str() }).inc();
        self.inner.reconcile_duration.get_or_create(&Controller { controller }).observe(took.as_secs_f64());
    }

    /// One event was not posted.
    pub fn event_lost(&self, cause: EventLost) {
        self.inner.events_lost.get_or_create(&Loss { cause: cause.as_str() }).inc();
    }

    /// One call to a KMS was answered, or failed. `kms` is its type, such as `AWS`. `operation` is the KMS's name of the call. `code` is
    /// `OK`, or the code of the error.
    pub fn provider_request(&self, kms: &'static str, operation: &'static str, code: &str, took: Duration) {
        let (provider, code) = (self.provider.to_string(), self.inner.codes.label(code).to_owned());
        self.inner
            .provider_requests
            .get_or_create(&Answer { provider: provider.clone(), r#type: kms, operation, code: code.clone() })
            .inc();
        if code == "OK" {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            self.inner.last_success.get_or_create(&Named { provider: provider.clone() }).set(now.as_secs_f64());
        }
        let operation = Operation { provider, r#type: kms, operation };
        self.inner.provider_request_duration.get_or_create(&operation).observe(took.as_secs_f64());
    }

    /// A KMS of this type throttled a call.
    pub fn provider_throttled(&self, kms: &'static str) {
        self.inner.provider_throttled.get_or_create(&Provider { provider: self.provider.to_string(), r#type: kms }).inc();
    }

    /// Whether all deletions through this `KeyProvider` are stopped, how many wait because of that, and how many are held for any reason.
    pub fn deletions(&self, stopped: bool, waiting: i32, held: i32) {
        let named = Named { provider: self.provider.to_string() };
        self.inner.deletions_stopped.get_or_create(&named).set(stopped.into());
        self.inner.deletions_waiting.get_or_create(&named).set(waiting.into());
        self.inner.deletions_held.get_or_create(&named).set(held.into());
    }

    /// What is left behind at this `KeyProvider`, as it was counted last.
    pub fn orphans(&self, OrphanCounts { keys, objects, aliases }: OrphanCounts) {
        for (kind, count) in KINDS.into_iter().zip([keys, objects, aliases]) {
            let left = Left { provider: self.provider.to_string(), kind };
            self.inner.orphans.get_or_create(&left).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// It is not known any more what is left behind at this `KeyProvider`.
    pub fn forget_orphans(&self) {
        for kind in KINDS {
            self.inner.orphans.remove(&Left { provider: self.provider.to_string(), kind });
        }
    }

    /// This `KeyProvider` is gone.
    pub fn forget_provider(&self) {
        self.forget_orphans();
        let named = Named { provider: self.provider.to_string() };
        self.inner.deletions_stopped.remove(&named);
        self.inner.deletions_waiting.remove(&named);
        self.inner.deletions_held.remove(&named);
        self.inner.last_success.remove(&named);
        self.inner.provider_ready.remove(&named);
    }

    /// Whether this `KeyProvider` is ready, as its status says.
    pub fn provider_is_ready(&self, is_ready: bool) {
        self.inner.provider_ready.get_or_create(&Named { provider: self.provider.to_string() }).set(is_ready.into());
    }

    /// The conditions of one object are these now, and were those before.
    pub fn count_conditions(&self, before: &[ConditionLabels], now: &[ConditionLabels]) {
        for labels in now {
            self.inner.conditions.get_or_create(labels).inc();
        }
        for labels in before {
            self.inner.conditions.get_or_create(labels).dec();
        }
    }

    /// Whether the key of one `ManagedKey` is as declared, and the reason for which its deletion is held, if it is. Reasons are a closed set.
    pub fn observe_object(&self, namespace: &str, name: &str, ready: bool, held: Option<&'static str>) {
        let Some(objects) = &self.inner.objects else { return };
        let object = Object { namespace: namespace.to_owned(), name: name.to_owned() };
        objects.ready.get_or_create(&object).set(i64::from(ready));
        objects.hold(&object, held);
    }

    /// One `ManagedKey` is gone.
    pub fn forget_object(&self, namespace: &str, name: &str) {
        let Some(objects) = &self.inner.objects else { return };
        let object = Object { namespace: namespace.to_owned(), name: name.to_owned() };
        objects.ready.remove(&object);
        objects.hold(&object, None);
    }

    /// A key will be deleted at this UNIX time in seconds. 0: the KMS has reported no time.
    pub fn deletion_pends(&self, key: &PendingKey, at: i64) {
        let Some(objects) = &self.inner.objects else { return };
        #[allow(clippy::cast_precision_loss)] // UNIX times stay exact in a double for longer than there will be keys.
        objects.deletion.get_or_create(key).set(at as f64);
    }

    /// The key will not be deleted any more.
    pub fn deletion_ended(&self, key: &PendingKey) {
        let Some(objects) = &self.inner.objects else { return };
        objects.deletion.remove(key);
    }

    /// Whether this replica is the leader, and has read everything that it works on.
    pub fn set_leader(&self, leader: bool) {
        self.inner.leader.set(i64::from(leader));
    }

    /// All metrics as `OpenMetrics` text.
    ///
    /// # Panics
    ///
    /// Never, because writing to a `String` does not fail, and the encoders here do not fail.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.inner.registry).expect("a String takes every text");
        text
    }

    /// All metrics in that format.
    #[must_use]
    pub fn encode_as(&self, format: Format) -> String {
        match format {
            Format::OpenMetrics => self.encode(),
            Format::Text => text::older(&self.encode()),
        }
    }
}

/// How the metrics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `OpenMetrics`, version 1.0.0.
    OpenMetrics,
    /// Prometheus's text, version 0.0.4.
    Text,
}

impl Format {
    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

fn added<M>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M
where
    M: prometheus_client::registry::Metric + Clone,
{
    registry.register(name, help, metric.clone());
    metric
}

fn in_seconds<M>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M
where
    M: prometheus_client::registry::Metric + Clone,
{
    registry.register_with_unit(name, help, Unit::Seconds, metric.clone());
    metric
}

/// Bounds the label `code`, because a server, or something that answers in its place, may send any text as a code.
#[derive(Debug, Default)]
struct Codes(Mutex<HashSet<String>>);

impl Codes {
    /// The code itself if it looks like a code and there are not too many codes already. Otherwise `other`.
    fn label<'a>(&self, code: &'a str) -> &'a str {
        let plausible = (1..=64).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if !plausible {
            return "other";
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(code) {
            code
        } else if known.len() < CODES {
            known.insert(code.to_owned());
            code
        } else {
            "other"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl RoundResult {
        /// Every result.
        const ALL: [Self; 11] = [
            Self::Ok,
            Self::Idle,
            Self::Waiting,
            Self::Changed,
            Self::Failed,
            Self::NotLeader,
            Self::Undecodable,
            Self::Api,
            Self::Timeout,
            Self::Ended,
            Self::Panic,
        ];

        /// Whether a person should be alerted if this result repeats.
        const fn alerts(self) -> bool {
            match self {
                Self::Ok | Self::Idle | Self::Waiting | Self::Changed | Self::Failed | Self::NotLeader => false,
                Self::Undecodable | Self::Api | Self::Timeout | Self::Ended | Self::Panic => true,
            }
        }
    }

    fn lines(metrics: &Metrics, start: &str) -> Vec<String> {
        metrics.encode().lines().filter(|line| line.starts_with(start)).map(str::to_owned).collect()
    }

    fn orders() -> PendingKey {
        PendingKey { namespace: "shop".into(), name: "orders".into(), key: "k1".into(), state: "PendingDeletion" }
    }

    #[test]
    fn names_units_and_labels_are_as_documented() {
        let metrics = Metrics::new(true);
        metrics.set_leader(true);
        metrics.reconciled("managedkey", RoundResult::Ok, Duration::from_millis(30));
        let (one, other) = (metrics.of_provider("production"), metrics.of_provider("staging"));
        one.provider_request("AWS", "DescribeKey", "OK", Duration::from_millis(7));
        other.provider_request("AWS", "DescribeKey", "OK", Duration::from_millis(7));
        one.provider_throttled("AWS");
        one.provider_is_ready(false);
        other.provider_is_ready(true);
        one.deletions(true, 290, 292);
        other.deletions(true, 1, 1);
        for provider in [&one, &other] {
            provider.orphans(OrphanCounts { keys: 3, objects: 2, aliases: 1 });
        }
        other.forget_provider();
        metrics.observe_object("shop", "orders", true, None);
        metrics.observe_object("shop", "carts", false, Some("KeyInUse"));
        metrics.observe_object("shop", "carts", false, Some("BudgetExhausted"));
        metrics.observe_object("shop", "bills", false, Some("KeyInUse"));
        metrics.observe_object("shop", "bills", true, None);
        metrics.observe_object("shop", "gone", false, Some("KeyInUse"));
        metrics.forget_object("shop", "gone");
        metrics.deletion_pends(&orders(), 1_796_000_000);
        let ready = ConditionLabels { condition: "Ready", status: "True", reason: "Available" };
        metrics.count_conditions(&[], &[ready, ready]);
        metrics.count_conditions(&[ready], &[]);
        metrics.event_lost(EventLost::Full);
        metrics.watch_age("managedkeys", Some(Duration::from_millis(2500)));
        metrics.watch_age("namespaces", Some(Duration::ZERO));
        metrics.watch_age("namespaces", None);
        let text = metrics.encode();
        for line in [
            concat!("keyward_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
            "keyward_leader 1",
            "# TYPE keyward_reconciliations counter",
            r#"keyward_reconciliations_total{controller="managedkey",result="ok"} 1"#,
            "# UNIT keyward_reconcile_duration_seconds seconds",
            r#"keyward_reconcile_duration_seconds_bucket{le="0.025",controller="managedkey"} 0"#,
            r#"keyward_reconcile_duration_seconds_bucket{le="0.05",controller="managedkey"} 1"#,
            r#"keyward_reconcile_duration_seconds_sum{controller="managedkey"} 0.03"#,
            r#"keyward_provider_requests_total{provider="production",type="AWS",operation="DescribeKey",code="OK"} 1"#,
            r#"keyward_provider_requests_total{provider="staging",type="AWS",operation="DescribeKey",code="OK"} 1"#,
            r#"keyward_provider_request_duration_seconds_count{provider="production",type="AWS",operation="DescribeKey"} 1"#,
            r#"keyward_provider_throttled_total{provider="production",type="AWS"} 1"#,
            r#"keyward_provider_ready{provider="production"} 0"#,
            r#"keyward_provider_deletions_stopped{provider="production"} 1"#,
            r#"keyward_provider_deletions_waiting{provider="production"} 290"#,
            r#"keyward_provider_deletions_held{provider="production"} 292"#,
            r#"keyward_managedkey_deletion_held{namespace="shop",name="carts",reason="BudgetExhausted"} 1"#,
            r#"keyward_provider_orphans{provider="production",kind="key"} 3"#,
            r#"keyward_provider_orphans{provider="production",kind="object"} 2"#,
            r#"keyward_provider_orphans{provider="production",kind="alias"} 1"#,
            r#"keyward_managedkeys{condition="Ready",status="True",reason="Available"} 1"#,
            r#"keyward_managedkey_ready{namespace="shop",name="orders"} 1"#,
            r#"keyward_managedkey_deletion_timestamp_seconds{namespace="shop",name="orders",key="k1",state="PendingDeletion"} 1796000000.0"#,
            r#"keyward_events_lost_total{cause="full"} 1"#,
            r#"keyward_watch_age_seconds{resource="managedkeys"} 2.5"#,
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
        assert!(!text.contains("resource=\"namespaces\""), "it is not watched any more: {text}");
        let times = lines(&metrics, "keyward_provider_last_success_timestamp_seconds{");
        assert!(times.len() == 1 && times[0].contains("production") && !times[0].ends_with(" 0.0"), "{times:?}");
        for series in ["deletions_stopped", "deletions_waiting", "deletions_held", "orphans", "last_success_timestamp_seconds", "ready"] {
            assert!(!text.contains(&format!("keyward_provider_{series}{{provider=\"staging\"")), "it is gone: {text}");
        }
        assert_eq!(lines(&metrics, "keyward_managedkey_deletion_held{").len(), 1, "an object has one reason at most: {text}");
        let page = include_str!("../docs/operating.md");
        for name in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
            let mut names = ["", "_total", "_info"].into_iter().flat_map(|end| ["`", "{"].map(|after| format!("`{name}{end}{after}")));
            assert!(
                names.any(|name| page.contains(&name)),
                "docs/operating.md does not name {name}; add it to the table of what to alert on"
            );
        }
    }

    #[test]
    fn every_result_of_a_reconcile_is_documented_and_those_to_alert_on_are_named() {
        let readme = include_str!("../docs/operating.md");
        for result in RoundResult::ALL {
            let alerted = readme.contains(&format!("`result` is {}", alerting().join(", ")));
            assert!(alerted, "docs/operating.md does not name {:?} as those to alert on", alerting());
            assert!(readme.contains(&format!("`{}`", result.as_str())), "docs/operating.md does not have `{}`", result.as_str());
        }
    }

    fn alerting() -> Vec<String> {
        RoundResult::ALL.iter().filter(|result| result.alerts()).map(|result| format!("`{}`", result.as_str())).collect()
    }

    #[test]
    fn without_the_switch_there_is_nothing_per_object() {
        let metrics = Metrics::new(false);
        metrics.observe_object("shop", "orders", true, Some("KeyInUse"));
        metrics.deletion_pends(&orders(), 1);
        metrics.deletion_ended(&orders());
        metrics.forget_object("shop", "orders");
        assert!(!metrics.encode().contains("managedkey"));
    }

    #[test]
    fn no_label_ends_before_its_end() {
        let metrics = Metrics::new(true).of_provider("a\"} 1\nkeyward_leader 2");
        let series = || metrics.encode().lines().filter(|line| !line.starts_with('#')).count();
        let before = series();
        metrics.observe_object("shop\"} 1\n# EOF", "a\\\"b", true, None);
        metrics.deletion_pends(&PendingKey { key: "\n\"} 1".into(), ..orders() }, 1);
        metrics.deletions(true, 1, 1);
        let text = metrics.encode();
        assert_eq!(series(), before + 5, "one line for each series: {text}");
        assert!(text.contains(r#"keyward_managedkey_ready{namespace="shop\"} 1\n# EOF",name="a\\\"b"} 1"#), "{text}");
        assert_eq!(text.lines().filter(|line| *line == "# EOF").count(), 1);
        assert!(lines(&metrics, "keyward_leader").iter().all(|line| line == "keyward_leader 0"));
    }

    #[test]
    fn codes_are_bounded_in_number_and_form() {
        let metrics = Metrics::new(false);
        for number in 0..10 * CODES {
            metrics.provider_request("AWS", "ListKeys", &format!("Code{number}"), Duration::ZERO);
        }
        let long = "x".repeat(65);
        for odd in ["", "a code\nof two lines", "<html>", &long] {
            metrics.provider_request("AWS", "ListKeys", odd, Duration::ZERO);
        }
        let series = lines(&metrics, "keyward_provider_requests_total");
        assert_eq!(series.len(), CODES + 1);
        let other =
            format!(r#"keyward_provider_requests_total{{provider="",type="AWS",operation="ListKeys",code="other"}} {}"#, 9 * CODES + 4);
        assert!(series.contains(&other), "{series:?}");
    }
}
