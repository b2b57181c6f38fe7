//! What the chart renders: Helm checks it, each value does what it is for, and a real API server accepts all of it.

use std::collections::BTreeSet;

use futures::{StreamExt, stream};
use serde_json::{Value, json};

use super::values::Values;
use crate::support::{
    control_plane::{ControlPlane, own},
    helm,
};

/// The kinds of the Prometheus operator, for a rendering without a cluster.
const MONITORING: [&str; 6] = [
    "--api-versions",
    "monitoring.coreos.com/v1/ServiceMonitor",
    "--api-versions",
    "monitoring.coreos.com/v1/PodMonitor",
    "--api-versions",
    "monitoring.coreos.com/v1/PrometheusRule",
];

/// These values in the place that a path names.
fn at(path: &str, value: Value) -> Value {
    path.rsplit('.').fold(value, |inner, key| json!({ key: inner }))
}

/// Lays `over` over `base`.
fn lay(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                lay(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over,
    }
}

/// A cluster id, and these.
fn with(values: &[&Value]) -> Value {
    let mut all = json!({ "clusterId": "prod" });
    for value in values {
        lay(&mut all, (*value).clone());
    }
    all
}

/// The objects in a stream of YAML.
pub fn objects(manifests: &str) -> Vec<Value> {
    let documents = manifests.split("\n---\n").map(|document| serde_saphyr::from_str::<Value>(document).expect(document));
    documents.filter(|object| !object.is_null()).collect()
}

/// The values as shipped, and with a cluster id, pass the strict check of Helm. The only remark is about an icon.
#[tokio::test]
async fn helm_finds_no_fault_with_the_chart() {
    let chart = helm::chart();
    for more in [&[][..], &["--set", "clusterId=prod"]] {
        let linted = helm::offline(&[&["lint", "--strict", chart.to_str().unwrap()], more].concat()).await.expect("lint");
        let remarks: Vec<_> = linted.lines().filter(|line| line.starts_with('[')).collect();
        assert!(remarks.iter().all(|line| line.starts_with("[INFO]")), "{linted}");
    }
}

/// A row: the value, what it is set to, what else has to be set, and what is rendered then that was not before.
type Row = (&'static str, Value, Value, &'static [&'static str]);

#[allow(clippy::too_many_lines, reason = "a table is as long as its rows")]
fn rows() -> Vec<Row> {
    let none = || json!({});
    let on = |path: &str| at(path, true.into());
    let monitor = || on("metrics.serviceMonitor.enabled");
    let pods = || on("metrics.podMonitor.enabled");
    let rule = || on("metrics.prometheusRule.enabled");
    let secret = || json!([{ "name": "registry" }]);
    let map = || json!({ "example.com/a": "b" });
    let mapped: &[&str] = &["example.com/a: b"];
    vec![
        ("clusterId", "other".into(), none(), &["value: \"other\""]),
        ("previousClusterId", "old".into(), none(), &[]),
        ("clusterIdFrom.configMap", "ids".into(), json!({ "clusterId": "" }), &["configMapKeyRef:", "name: ids", "key: cluster-id"]),
        ("clusterIdFrom.key", "id".into(), json!({ "clusterId": "", "clusterIdFrom": { "configMap": "ids" } }), &["key: id"]),
        (
            "aws.credentials.secretName",
            "key".into(),
            none(),
            &["secretName: key", "name: AWS_SHARED_CREDENTIALS_FILE", "mountPath: /etc/keyward/aws"],
        ),
        ("aws.credentials.secretKey", "file".into(), at("aws.credentials.secretName", "key".into()), &["key: file"]),
        ("aws.credentials.profile", "kms".into(), at("aws.credentials.secretName", "key".into()), &["value: \"kms\""]),
        ("caBundle.configMap", "roots".into(), none(), &["configMap:", "name: roots", "name: AWS_CA_BUNDLE", "mountPath: /etc/keyward/ca"]),
        ("caBundle.secret", "roots".into(), none(), &["secretName: roots", "name: AWS_CA_BUNDLE"]),
        ("caBundle.key", "pem".into(), at("caBundle.secret", "roots".into()), &["key: pem"]),
        ("proxy.http", "http://proxy:1".into(), none(), &["name: HTTP_PROXY", "name: NO_PROXY"]),
        (
            "proxy.https",
            "http://proxy:2".into(),
            none(),
            &["name: HTTPS_PROXY", "value: \"http://proxy:2\"", "$(KUBERNETES_SERVICE_HOST),kubernetes.default.svc,.svc,.cluster.local\""],
        ),
        ("proxy.noProxy", "kms.example.com".into(), at("proxy.https", "http://proxy:2".into()), &[".cluster.local,kms.example.com\""]),
        ("image.registry", "registry.example.com".into(), none(), &["image: \"registry.example.com/keyward:"]),
        ("image.repository", "team/keyward".into(), none(), &["image: \"team/keyward:"]),
        ("image.tag", "v9".into(), none(), &["image: \"keyward:v9\""]),
        (
            "image.digest",
            format!("sha256:{}", "0".repeat(64)).into(),
            json!({ "image": { "tag": "v9" } }),
            &["image: \"keyward@sha256:000"],
        ),
        ("image.pullPolicy", "Always".into(), none(), &["imagePullPolicy: Always"]),
        ("imagePullSecrets", secret(), none(), &["- name: registry"]),
        (
            "global.imageRegistry",
            "mirror.example.com".into(),
            json!({ "image": { "registry": "no" } }),
            &["image: \"mirror.example.com/keyward:"],
        ),
        ("global.imagePullSecrets", secret(), none(), &["- name: registry"]),
        ("replicaCount", 3.into(), none(), &["replicas: 3"]),
        ("leaderElection.enabled", false.into(), none(), &["--leader-election=false"]),
        (
            "watchNamespaces",
            json!(["shop", "bank"]),
            none(),
            &[
                "\"--watch-namespaces=shop,bank\"",
                "kind: RoleBinding\nmetadata:\n  name: keyward-objects\n  namespace: shop\n",
                "kind: RoleBinding\nmetadata:\n  name: keyward-objects\n  namespace: bank\n",
            ],
        ),
        ("log.level", "info,keyward=debug".into(), none(), &["\"--log-level=info,keyward=debug\""]),
        ("log.format", "text".into(), none(), &["--log-format=text"]),
        ("extraArgs", json!(["--concurrency=32"]), none(), &["- \"--concurrency=32\""]),
        ("extraEnv", json!([{ "name": "A", "value": "b" }]), none(), &["- name: A\n"]),
        ("extraEnvFrom", json!([{ "secretRef": { "name": "env" } }]), none(), &["envFrom:", "name: env"]),
        ("crds.enabled", false.into(), none(), &[]),
        ("crds.keep", false.into(), none(), &[]),
        ("crds.annotations", map(), none(), mapped),
        ("rbac.create", false.into(), none(), &[]),
        ("rbac.aggregateToView", false.into(), none(), &[]),
        ("rbac.aggregateToEdit", true.into(), none(), &["aggregate-to-edit: \"true\""]),
        ("rbac.aggregateToAdmin", true.into(), none(), &["aggregate-to-admin: \"true\""]),
        ("publish.kinds", json!(["ConfigMap", "Secret"]), none(), &["name: keyward-publish-configmaps", "name: keyward-publish-secrets"]),
        ("publish.namespaces", json!(["shop"]), json!({ "publish": { "kinds": ["ConfigMap"] } }), &["namespace: shop"]),
        ("admission.enabled", false.into(), none(), &[]),
        ("policies.enabled", true.into(), none(), &["name: keyward-who-schedules-deletions", "name: keyward-deletion-approver"]),
        ("serviceAccount.create", false.into(), none(), &[]),
        ("serviceAccount.name", "kms".into(), none(), &["serviceAccountName: kms", "'system:serviceaccount:keyward-system:kms'"]),
        ("serviceAccount.annotations", json!({ "eks.amazonaws.com/role-arn": "arn:r" }), none(), &["eks.amazonaws.com/role-arn: arn:r"]),
        ("serviceAccount.automountServiceAccountToken", false.into(), none(), &["automountServiceAccountToken: false"]),
        (
            "extraObjects",
            json!(["apiVersion: v1\nkind: ConfigMap\nmetadata: { name: '{{ .Release.Name }}-text' }", { "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "{{ .Release.Name }}-object" } }]),
            none(),
            &["'keyward-text'", "name: 'keyward-object'"],
        ),
        ("metrics.port", 9000.into(), none(), &["--listen=0.0.0.0:9000", "containerPort: 9000", "port: 9000"]),
        ("metrics.perObject", false.into(), none(), &["--per-object-metrics=false"]),
        ("metrics.renderMode", "alwaysRender".into(), none(), &[]),
        ("metrics.service.enabled", false.into(), none(), &[]),
        ("metrics.service.annotations", map(), none(), mapped),
        ("metrics.service.labels", map(), none(), mapped),
        ("metrics.serviceMonitor.enabled", true.into(), none(), &["kind: ServiceMonitor", "honorLabels: true"]),
        ("metrics.serviceMonitor.namespace", "watch".into(), monitor(), &["namespace: watch"]),
        ("metrics.serviceMonitor.additionalLabels", map(), monitor(), mapped),
        ("metrics.serviceMonitor.interval", "31s".into(), monitor(), &["interval: 31s"]),
        ("metrics.serviceMonitor.scrapeTimeout", "9s".into(), monitor(), &["scrapeTimeout: 9s"]),
        ("metrics.podMonitor.enabled", true.into(), none(), &["kind: PodMonitor", "honorLabels: true"]),
        ("metrics.podMonitor.namespace", "watch".into(), pods(), &["namespace: watch"]),
        ("metrics.podMonitor.additionalLabels", map(), pods(), mapped),
        ("metrics.podMonitor.interval", "31s".into(), pods(), &["interval: 31s"]),
        ("metrics.podMonitor.scrapeTimeout", "9s".into(), pods(), &["scrapeTimeout: 9s"]),
        ("metrics.prometheusRule.enabled", true.into(), none(), &["kind: PrometheusRule", "alert: KeywardKeyDeletedSoon"]),
        ("metrics.prometheusRule.namespace", "watch".into(), rule(), &["namespace: watch"]),
        ("metrics.prometheusRule.additionalLabels", map(), rule(), mapped),
        ("nameOverride", "kms".into(), none(), &["app.kubernetes.io/name: kms", "name: keyward-kms\n"]),
        ("fullnameOverride", "kms".into(), none(), &["kind: Deployment\nmetadata:\n  name: kms\n"]),
        (
            "namespaceOverride",
            "elsewhere".into(),
            none(),
            &["kind: Deployment\nmetadata:\n  name: keyward\n  namespace: elsewhere\n", "'system:serviceaccount:elsewhere:keyward'"],
        ),
        ("commonLabels", map(), none(), mapped),
        ("commonAnnotations", map(), none(), mapped),
        ("deploymentAnnotations", map(), none(), mapped),
        ("podAnnotations", map(), none(), mapped),
        ("podLabels", map(), none(), mapped),
        ("podSecurityContext", json!({ "fsGroup": 1234 }), none(), &["fsGroup: 1234"]),
        ("securityContext", json!({ "runAsUser": 1234 }), none(), &["runAsUser: 1234"]),
        ("openshift", "force".into(), none(), &[]),
        ("resources", json!({ "limits": { "cpu": 1 } }), none(), &["cpu: 1\n"]),
        ("livenessProbe", json!({ "failureThreshold": 7 }), none(), &["failureThreshold: 7"]),
        ("readinessProbe", json!({ "periodSeconds": 7 }), none(), &["periodSeconds: 7"]),
        ("strategy", json!({ "type": "Recreate" }), none(), &["type: Recreate"]),
        ("revisionHistoryLimit", 3.into(), none(), &["revisionHistoryLimit: 3"]),
        ("terminationGracePeriodSeconds", 45.into(), none(), &["terminationGracePeriodSeconds: 45"]),
        ("nodeSelector", map(), none(), mapped),
        ("tolerations", json!([{ "key": "kms", "operator": "Exists" }]), none(), &["key: kms"]),
        (
            "affinity",
            json!({ "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [{ "matchExpressions": [{ "key": "kms", "operator": "Exists" }] }] } } }),
            none(),
            &["key: kms"],
        ),
        (
            "topologySpreadConstraints",
            json!([{ "maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule" }]),
            none(),
            &["topologyKey: zone", "- labelSelector:\n          matchLabels:\n            app.kubernetes.io/instance: keyward"],
        ),
        ("priorityClassName", "system-cluster-critical".into(), none(), &["priorityClassName: system-cluster-critical"]),
        ("runtimeClassName", "gvisor".into(), none(), &["runtimeClassName: gvisor"]),
        ("hostNetwork", true.into(), none(), &["hostNetwork: true", "dnsPolicy: ClusterFirstWithHostNet"]),
        ("dnsPolicy", "Default".into(), none(), &["dnsPolicy: Default"]),
        ("dnsConfig", json!({ "nameservers": ["192.0.2.1"] }), none(), &["- 192.0.2.1"]),
        ("hostAliases", json!([{ "ip": "192.0.2.1", "hostnames": ["kms"] }]), none(), &["ip: 192.0.2.1"]),
        ("extraVolumes", json!([{ "name": "more", "emptyDir": {} }]), none(), &["name: more"]),
        (
            "extraVolumeMounts",
            json!([{ "name": "more", "mountPath": "/more" }]),
            json!({ "extraVolumes": [{ "name": "more", "emptyDir": {} }] }),
            &["mountPath: /more"],
        ),
        (
            "extraContainers",
            json!([{ "name": "beside", "image": "beside", "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } } }]),
            none(),
            &["name: beside"],
        ),
        ("podDisruptionBudget.enabled", true.into(), json!({ "replicaCount": 2 }), &["kind: PodDisruptionBudget", "maxUnavailable: 1"]),
        (
            "podDisruptionBudget.maxUnavailable",
            "50%".into(),
            json!({ "replicaCount": 2, "podDisruptionBudget": { "enabled": true } }),
            &["maxUnavailable: 50%"],
        ),
        (
            "podDisruptionBudget.minAvailable",
            1.into(),
            json!({ "replicaCount": 2, "podDisruptionBudget": { "enabled": true } }),
            &["minAvailable: 1"],
        ),
        ("networkPolicy.enabled", true.into(), none(), &["kind: NetworkPolicy", "- port: http", "port: 6443"]),
        ("networkPolicy.ingress", json!([{ "ports": [{ "port": 8080 }] }]), on("networkPolicy.enabled"), &["- port: 8080"]),
        ("networkPolicy.egress", json!([{ "ports": [{ "port": 8443 }] }]), on("networkPolicy.enabled"), &["- port: 8443"]),
    ]
}

/// What is not rendered any more.
const GONE: [(&str, &str); 11] = [
    ("watchNamespaces", "kind: ClusterRoleBinding\nmetadata:\n  name: keyward-objects\n"),
    ("crds.enabled", "kind: CustomResourceDefinition"),
    ("crds.keep", "helm.sh/resource-policy: keep"),
    ("rbac.create", "kind: ClusterRole"),
    ("rbac.aggregateToView", "aggregate-to-view"),
    ("admission.enabled", "kind: ValidatingAdmissionPolicy"),
    ("serviceAccount.create", "kind: ServiceAccount\nmetadata"),
    ("metrics.service.enabled", "kind: Service\n"),
    ("openshift", "runAsUser"),
    ("publish.namespaces", "kind: ClusterRoleBinding\nmetadata:\n  name: keyward-publish"),
    ("image.digest", ":v9"),
];

/// These have nothing to change in a rendering without a cluster: tests on a cluster show them.
const ON_A_CLUSTER: [&str; 2] = ["previousClusterId", "metrics.renderMode"];

/// Every value of `values.yaml` has a row that shows what it is for.
#[tokio::test]
async fn each_value_does_what_it_is_for() {
    let rows = rows();
    let tried: BTreeSet<&str> = rows.iter().map(|(path, ..)| *path).collect();
    let values = Values::read();
    let there: BTreeSet<&str> = values.all.iter().map(|value| value.path.as_str()).collect();
    assert_eq!(tried, there, "values.yaml has other values than the table");
    stream::iter(rows)
        .for_each_concurrent(6, async |(path, value, needs, expected)| {
            let before = helm::render(&with(&[&needs]), &MONITORING).await;
            // A value may be what another one requires.
            let before = if before.success { before.stdout } else { String::new() };
            let after = helm::render(&with(&[&needs, &at(path, value)]), &MONITORING).await.expect(path);
            for part in expected {
                assert!(after.contains(part) && !before.contains(part), "{path}: {part:?}\n{after}");
            }
            let gone: Vec<_> = GONE.iter().filter(|(of, _)| *of == path).map(|(_, part)| *part).collect();
            for part in &gone {
                assert!(!after.contains(part) && before.contains(part), "{path}: {part:?} is still there\n{after}");
            }
            assert_eq!(expected.is_empty() && gone.is_empty(), ON_A_CLUSTER.contains(&path), "{path}: the row shows nothing");
        })
        .await;
}

/// What cannot work is refused with the way out, and a mistyped name at any depth.
#[tokio::test]
async fn what_cannot_work_is_refused() {
    let rows = [
        (json!({ "clusterId": "" }), "set clusterId: a unique name"),
        (json!({ "clusterId": "Prod" }), "clusterId"),
        (json!({ "clusterId": "0123456789012345678901234567890123456" }), "clusterId"),
        (json!({ "clusterIdFrom": { "configMap": "ids" } }), "not both"),
        (json!({ "replicas": 2 }), "replicas"),
        (json!({ "image": { "name": "keyward" } }), "name"),
        (json!({ "log": { "format": "xml" } }), "log"),
        (json!({ "watchNamespaces": ["shop,bank"] }), "watchNamespaces"),
        (json!({ "publish": { "kinds": ["Pod"] } }), "publish"),
        (json!({ "tolerations": [{ "kye": "kms" }] }), "kye"),
        (json!({ "livenessProbe": { "httpGet": { "pth": "/" } } }), "pth"),
        (json!({ "extraContainers": [{ "name": "a", "securityContext": { "capabilities": { "dorp": [] } } }] }), "dorp"),
        (
            json!({ "metrics": { "serviceMonitor": { "enabled": true }, "service": { "enabled": false } } }),
            "use metrics.podMonitor.enabled",
        ),
        (json!({ "metrics": { "serviceMonitor": { "enabled": true }, "podMonitor": { "enabled": true } } }), "not both"),
    ];
    for (values, expected) in rows {
        let refused = helm::render(&with(&[&values]), &MONITORING).await;
        assert!(!refused.success && refused.stderr.contains(expected), "{values}: {}", refused.stderr);
    }
    let monitor = at("metrics.prometheusRule.enabled", true.into());
    let refused = helm::render(&with(&[&monitor]), &[]).await;
    assert!(!refused.success && refused.stderr.contains("install the Prometheus operator"), "{}", refused.stderr);
    let skip = at("metrics.renderMode", "skipIfMissing".into());
    assert!(!helm::render(&with(&[&monitor, &skip]), &[]).await.expect("skipped").contains("kind: PrometheusRule"));
    let always = at("metrics.renderMode", "alwaysRender".into());
    assert!(helm::render(&with(&[&monitor, &always]), &[]).await.expect("rendered").contains("kind: PrometheusRule"));
    assert!(helm::render(&with(&[&json!({ "global": { "another": "chart" } })]), &[]).await.success);
}

/// `OpenShift` gives each namespace users of its own, and its default rule refuses pods that choose one.
#[tokio::test]
async fn openshift_chooses_the_user() {
    let groups = json!({ "podSecurityContext": { "fsGroup": 1, "supplementalGroups": [1] }, "securityContext": { "runAsUser": 1 } });
    let openshift = ["--api-versions", "security.openshift.io/v1"];
    let rendered = helm::render(&with(&[&groups]), &openshift).await.expect("render");
    let deployment = objects(&rendered).into_iter().find(|object| object["kind"] == "Deployment").unwrap();
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(pod["securityContext"], json!({ "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } }));
    let container = json!({ "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] } });
    assert_eq!(pod["containers"][0]["securityContext"], container);
    let kept = helm::render(&with(&[&groups, &at("openshift", "disabled".into())]), &openshift).await.expect("render");
    assert!(kept.contains("runAsUser: 65532") && kept.contains("fsGroup: 1"), "{kept}");
}

/// Every alert asks for metrics that exist, and says what it means.
#[tokio::test]
async fn alerts_ask_for_metrics_that_exist() {
    let rules: Value = serde_saphyr::from_str(include_str!("../../../charts/keyward/files/alerts/keyward.yaml")).unwrap();
    let metrics = include_str!("../../../src/metrics.rs");
    let alerts: Vec<_> = rules["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
    assert!(!alerts.is_empty());
    for alert in alerts {
        let expression = alert["expr"].as_str().unwrap();
        let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let asked: Vec<_> = words.filter_map(|word| word.strip_prefix("keyward_")).collect();
        assert!(!asked.is_empty(), "{alert}");
        for name in asked {
            let registered = name.strip_suffix("_total").or(name.strip_suffix("_seconds")).unwrap_or(name);
            assert!(metrics.contains(&format!("\"{registered}\"")), "no metric is named {name}: {alert}");
        }
        for text in ["/labels/severity", "/annotations/summary", "/annotations/description"] {
            assert!(alert.pointer(text).is_some_and(Value::is_string), "{alert} has no {text}");
        }
    }
}

/// The credentials that a release has decide whether its notes warn.
#[tokio::test]
async fn the_notes_warn_of_missing_credentials() {
    let role = json!({ "serviceAccount": { "annotations": { "eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/keyward" } } });
    let chart = helm::chart();
    for (values, warns) in [(json!({}), true), (role, false), (at("aws.credentials.secretName", "key".into()), false)] {
        let file = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        std::fs::write(file.path(), with(&[&values]).to_string()).unwrap();
        let [name, flag, namespace] = helm::RELEASE;
        let dry =
            ["install", name, chart.to_str().unwrap(), flag, namespace, "--dry-run=client", "--values", file.path().to_str().unwrap()];
        let shown = helm::offline(&dry).await.expect("dry run");
        let notes = shown.split_once("NOTES:").unwrap().1;
        assert_eq!(notes.contains("WARNING: this release has no credentials"), warns, "{values}: {notes}");
        assert!(notes.contains("kubectl apply -f -") && notes.contains("manages the keys of cluster \"prod\""), "{notes}");
    }
}

/// Values as users combine them.
fn matrix() -> Vec<(&'static str, Value)> {
    let mut all = json!({});
    for (path, value, needs, _) in rows() {
        let alone = [
            "clusterIdFrom",
            "namespaceOverride",
            "caBundle.configMap",
            "metrics.podMonitor",
            "hostNetwork",
            "crds.enabled",
            "rbac.create",
            "serviceAccount.create",
            "nameOverride",
            "fullnameOverride",
        ];
        let elsewhere =
            path.ends_with(".namespace") || path == "publish.namespaces" || path == "watchNamespaces" || path == "metrics.service.enabled";
        if !elsewhere && !alone.iter().any(|prefix| path.starts_with(prefix)) {
            lay(&mut all, needs);
            lay(&mut all, at(path, value));
        }
    }
    vec![
        ("as shipped", json!({})),
        (
            "highly available",
            json!({ "replicaCount": 2, "podDisruptionBudget": { "enabled": true }, "networkPolicy": { "enabled": true }, "topologySpreadConstraints": [{ "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway" }] }),
        ),
        ("all at once", all),
        (
            "pod monitor",
            json!({ "metrics": { "podMonitor": { "enabled": true }, "prometheusRule": { "enabled": true }, "service": { "enabled": false } } }),
        ),
        (
            "rights of others",
            json!({ "rbac": { "create": false }, "serviceAccount": { "create": false }, "crds": { "enabled": false }, "admission": { "enabled": false } }),
        ),
        (
            "names",
            json!({ "nameOverride": "kms", "fullnameOverride": "keys", "watchNamespaces": ["default"], "caBundle": { "configMap": "roots" }, "publish": { "kinds": ["ConfigMap"], "namespaces": ["default"] } }),
        ),
        ("on the network of the node", json!({ "hostNetwork": true, "metrics": { "port": 9443 } })),
        ("OpenShift", json!({ "openshift": "force" })),
    ]
}

/// Installs the kinds of the Prometheus operator, from its own module.
pub async fn with_monitoring(cluster: &'static ControlPlane) {
    let folder = helm::made("tests/prometheus-operator/crds");
    for kind in ["servicemonitors", "podmonitors", "prometheusrules"] {
        let file = folder.join(format!("monitoring.coreos.com_{kind}.yaml"));
        cluster.kubectl(&["apply", "--server-side", "-f", file.to_str().unwrap()]).await.expect("apply");
        let crd = format!("crd/{kind}.monitoring.coreos.com");
        cluster.kubectl(&["wait", "--for=condition=Established", "--timeout=60s", &crd]).await.expect("established");
    }
}

/// The API server accepts every object of every rendering, and in a namespace that enforces restricted pods, the pods.
#[tokio::test]
async fn the_server_accepts_every_rendering() {
    let cluster = own();
    let cluster = cluster.get();
    with_monitoring(cluster).await;
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "keyward-system", "labels": { "pod-security.kubernetes.io/enforce": "restricted" } } });
    cluster.kubectl_with(&["create", "-f", "-"], &namespace.to_string()).await.expect("namespace");
    for (name, values) in matrix() {
        let rendered = helm::render(&with(&[&values]), &MONITORING).await.expect(name);
        let apply = ["apply", "--server-side", "--force-conflicts", "--validate=strict", "--dry-run=server", "-f", "-"];
        let applied = cluster.kubectl_with(&apply, &rendered).await.expect(name);
        let objects = objects(&rendered);
        assert_eq!(applied.lines().count(), objects.len(), "{name}: {applied}");

        // A Deployment is accepted whatever its pods are, so the pod is tried by itself. Its ServiceAccount is not there yet.
        let mut pod = objects.into_iter().find(|object| object["kind"] == "Deployment").unwrap()["spec"]["template"].take();
        lay(
            &mut pod,
            json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "one" }, "spec": { "serviceAccountName": "default" } }),
        );
        let create = ["create", "--dry-run=server", "--namespace", "keyward-system", "-f", "-"];
        let created = cluster.kubectl_with(&create, &pod.to_string()).await;
        let restricted = name != "on the network of the node";
        let runtime = pod["spec"]["runtimeClassName"].is_string();
        assert!(created.success == (restricted && !runtime), "{name}: {created:?}");
        assert!(created.success || created.stderr.contains(if runtime { "gvisor" } else { "hostNetwork" }), "{name}: {created:?}");
    }
}
