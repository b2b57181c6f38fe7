//! What can be measured from outside, in `OpenMetrics` text.
//!
//! One value, made once and passed on: no global registry, so that two tests in one process do not count together.
//! It must never take a label whose values a stranger chooses without bound. What a server answers is such a thing,
//! hence `Codes` below; namespaces and names of objects are the one exception, behind a switch.
use std::collections::HashSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

/// Upper bounds in seconds. From a cached read to the 10 s after which a call to a KMS is given up, and what a
/// reconcile of several such calls can take.
const BUCKETS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// How many different codes of all servers together become labels.
const CODES: usize = 100;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Reconciliation {
    controller: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Controller {
    controller: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Provider {
    provider: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Operation {
    provider: String,
    operation: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answer {
    provider: String,
    operation: &'static str,
    code: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Object {
    namespace: String,
    name: String,
}

type Durations<L> = Family<L, Histogram, fn() -> Histogram>;

fn durations<L: Clone + std::hash::Hash + Eq>() -> Durations<L> {
    Family::new_with_constructor(|| Histogram::new(BUCKETS))
}

/// The metrics of one process. Clones count together.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    codes: Codes,
    leader: Gauge,
    reconciliations: Family<Reconciliation, Counter>,
    reconcile_duration: Durations<Controller>,
    provider_requests: Family<Answer, Counter>,
    provider_request_duration: Durations<Operation>,
    provider_throttled: Family<Provider, Counter>,
    objects: Option<Objects>,
}

/// The series that exist once per object.
#[derive(Clone, Debug, Default)]
struct Objects {
    ready: Family<Object, Gauge>,
    deletion: Family<Object, Gauge<f64, AtomicU64>>,
}

impl Metrics {
    /// Makes all metrics; those per object only if asked for, as there are as many series as objects.
    #[must_use]
    pub fn new(per_object: bool) -> Self {
        let mut registry = Registry::with_prefix("keyward");
        // The encoder appends `_info`, `_total` and units: they are not repeated in the names here.
        registry.register("build", "The version that runs", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        let inner = Inner {
            codes: Codes::default(),
            leader: added(&mut registry, "leader", "Whether this replica acts on keys: 1, or 0 while it stands by", Gauge::default()),
            reconciliations: added(&mut registry, "reconciliations", "Reconciles that ended, by their result", Family::default()),
            reconcile_duration: in_seconds(&mut registry, "reconcile_duration", "How long a reconcile took", durations()),
            provider_requests: added(
                &mut registry,
                "provider_requests",
                "Calls to a KMS, by operation and the code of the answer",
                Family::default(),
            ),
            provider_request_duration: in_seconds(&mut registry, "provider_request_duration", "How long a call to a KMS took", durations()),
            provider_throttled: added(
                &mut registry,
                "provider_throttled",
                "Calls that a KMS refused because there were too many",
                Family::default(),
            ),
            objects: per_object.then(|| Objects {
                ready: added(&mut registry, "managedkey_ready", "Whether the key is as declared: 1 or 0", Family::default()),
                deletion: in_seconds(
                    &mut registry,
                    "managedkey_deletion_timestamp",
                    "When the KMS will delete the key, as UNIX time; absent unless a deletion is pending",
                    Family::default(),
                ),
            }),
            registry,
        };
        Self(Arc::new(inner))
    }

    /// One reconcile ended. Both texts come from small fixed sets.
    pub fn reconciled(&self, controller: &'static str, result: &'static str, took: Duration) {
        self.0.reconciliations.get_or_create(&Reconciliation { controller, result }).inc();
        self.0.reconcile_duration.get_or_create(&Controller { controller }).observe(took.as_secs_f64());
    }

    /// One call to a KMS was answered, or failed. `provider` is the type of the KMS, such as `AWS`; `operation` as the KMS
    /// names it, `code` is `OK`, or the code of the error.
    pub fn provider_request(&self, provider: &str, operation: &'static str, code: &str, took: Duration) {
        let code = self.0.codes.label(code).to_owned();
        self.0.provider_requests.get_or_create(&Answer { provider: provider.to_owned(), operation, code }).inc();
        let operation = Operation { provider: provider.to_owned(), operation };
        self.0.provider_request_duration.get_or_create(&operation).observe(took.as_secs_f64());
    }

    /// A KMS refused a call because there were too many.
    pub fn provider_throttled(&self, provider: &str) {
        self.0.provider_throttled.get_or_create(&Provider { provider: provider.to_owned() }).inc();
    }

    /// What is known of one `ManagedKey`. `deletion` is the UNIX time in seconds at which the KMS deletes its key.
    pub fn observe_object(&self, namespace: &str, name: &str, ready: bool, deletion: Option<i64>) {
        let Some(objects) = &self.0.objects else { return };
        let object = Object { namespace: namespace.to_owned(), name: name.to_owned() };
        objects.ready.get_or_create(&object).set(i64::from(ready));
        match deletion {
            // UNIX times stay exact in a double for longer than there will be keys.
            #[allow(clippy::cast_precision_loss)]
            Some(at) => _ = objects.deletion.get_or_create(&object).set(at as f64),
            None => _ = objects.deletion.remove(&object),
        }
    }

    /// One `ManagedKey` is gone: its series end.
    pub fn forget_object(&self, namespace: &str, name: &str) {
        let Some(objects) = &self.0.objects else { return };
        let object = Object { namespace: namespace.to_owned(), name: name.to_owned() };
        objects.ready.remove(&object);
        objects.deletion.remove(&object);
    }

    /// Whether this replica acts.
    pub fn set_leader(&self, leader: bool) {
        self.0.leader.set(i64::from(leader));
    }

    /// All metrics as `OpenMetrics` text, version 1.0.0.
    ///
    /// # Panics
    ///
    /// Never: writing to a `String` does not fail, and no encoder here fails by itself.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.0.registry).expect("a String takes every text");
        text
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

/// Bounds the label `code`: a server, or whatever answers in its place, may send any text as a code.
#[derive(Debug, Default)]
struct Codes(Mutex<HashSet<String>>);

impl Codes {
    /// The code itself if it looks like one and there are not too many already, else `other`.
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

    fn lines(metrics: &Metrics, start: &str) -> Vec<String> {
        metrics.encode().lines().filter(|line| line.starts_with(start)).map(str::to_owned).collect()
    }

    #[test]
    fn names_units_and_labels_are_as_documented() {
        let metrics = Metrics::new(true);
        metrics.set_leader(true);
        metrics.reconciled("managedkey", "ok", Duration::from_millis(30));
        metrics.provider_request("aws", "DescribeKey", "OK", Duration::from_millis(7));
        metrics.provider_throttled("aws");
        metrics.observe_object("shop", "orders", true, Some(1_796_000_000));
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
            r#"keyward_provider_requests_total{provider="aws",operation="DescribeKey",code="OK"} 1"#,
            r#"keyward_provider_request_duration_seconds_count{provider="aws",operation="DescribeKey"} 1"#,
            r#"keyward_provider_throttled_total{provider="aws"} 1"#,
            r#"keyward_managedkey_ready{namespace="shop",name="orders"} 1"#,
            r#"keyward_managedkey_deletion_timestamp_seconds{namespace="shop",name="orders"} 1796000000.0"#,
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn the_deletion_time_ends_with_the_pending_deletion_and_everything_with_the_object() {
        let metrics = Metrics::new(true);
        metrics.observe_object("shop", "orders", true, Some(1_796_000_000));
        metrics.observe_object("shop", "orders", false, None);
        assert_eq!(lines(&metrics, "keyward_managedkey_"), [r#"keyward_managedkey_ready{namespace="shop",name="orders"} 0"#]);
        metrics.forget_object("shop", "orders");
        assert!(lines(&metrics, "keyward_managedkey_").is_empty());
    }

    #[test]
    fn without_the_switch_there_is_nothing_per_object() {
        let metrics = Metrics::new(false);
        metrics.observe_object("shop", "orders", true, Some(1));
        metrics.forget_object("shop", "orders");
        assert!(!metrics.encode().contains("managedkey"));
    }

    #[test]
    fn codes_are_bounded_in_number_and_form() {
        let metrics = Metrics::new(false);
        for number in 0..10 * CODES {
            metrics.provider_request("aws", "ListKeys", &format!("Code{number}"), Duration::ZERO);
        }
        let long = "x".repeat(65);
        for odd in ["", "a code\nof two lines", "<html>", &long] {
            metrics.provider_request("aws", "ListKeys", odd, Duration::ZERO);
        }
        let series = lines(&metrics, "keyward_provider_requests_total");
        assert_eq!(series.len(), CODES + 1);
        let other = format!(r#"keyward_provider_requests_total{{provider="aws",operation="ListKeys",code="other"}} {}"#, 9 * CODES + 4);
        assert!(series.contains(&other), "{series:?}");
    }
}
