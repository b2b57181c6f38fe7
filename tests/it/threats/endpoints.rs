//! Endpoints that nobody should call: none is accepted by the CRD, none by the program, and no connection is opened.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::Path,
};

use axum::http::{StatusCode, header::LOCATION};
use futures::{StreamExt, future::join_all, stream};
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use keyward::{
    api::KeyProvider,
    domain::failure::FailureKind,
    kms::{
        Books, Kms, LeaderCheck,
        aws::{AwsCredentials, AwsEndpoints, AwsKms, AwsSettings},
        ciphertrust::{CipherTrustKms, CipherTrustSettings},
        huawei::{HuaweiCredentials, HuaweiKms, HuaweiSettings},
    },
    metrics::Metrics,
};
use kms_double::{ACCESS_KEY, Double, HUAWEI_ACCESS_KEY, HUAWEI_PROJECT, HUAWEI_REGION, HUAWEI_SECRET_KEY, Options, SECRET_KEY};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, PostParams},
};
use serde_json::{Value, json};

use crate::support::{
    control_plane,
    fixtures::ReadKey as _,
    program::alone,
    recorder::Recorder,
    scene::{Scene, message},
    tunnel::Tunnel,
    vendor::{AWS, CIPHER_TRUST, HUAWEI, Vendor},
};

/// What nobody should call, `PORT` being one at which a server counts connections.
const REFUSED: &[&str] = &[
    // In plain text to another machine, or to a name that says loopback.
    "http://kms.example.com",
    "http://10.0.0.1",
    "http://localhost:PORT",
    "http://localhost.:PORT",
    "http://localhost.localdomain:PORT",
    "http://127.0.0.1.nip.io:PORT",
    "http://[fd12:3456::1]",
    // Link-local addresses and instance metadata.
    "http://169.254.169.254/latest/meta-data",
    "https://169.254.169.254",
    "https://169.254.169.254:443/latest/meta-data/",
    "https://169.254.170.2/v2/credentials",
    "https://169.254.170.23/v1/credentials",
    "https://169.254.0.1",
    "https://100.100.100.200",
    "https://168.63.129.16",
    "https://192.0.0.192",
    "https://[fd00:ec2::254]",
    "https://[fd00:ec2::23]",
    "https://[FD00:EC2::254]",
    "https://[fd00:ec2:0:0:0:0:0:254]",
    "https://[fd20:ce::254]",
    "https://[fe80::1]",
    // Zones.
    "https://[fe80::1%eth0]",
    "https://[fe80::1%25eth0]",
    "http://[::1%25lo]:PORT",
    // IPv4 in IPv6.
    "https://[::ffff:169.254.169.254]",
    "https://[::ffff:a9fe:a9fe]",
    "http://[::ffff:127.0.0.1]:PORT",
    "https://[::169.254.169.254]",
    "https://[64:ff9b::a9fe:a9fe]",
    "https://[2002:a9fe:a9fe::1]",
    // No machine's address.
    "http://0.0.0.0:PORT",
    "https://0.0.0.0:PORT",
    "http://[::]:PORT",
    "https://[::]:PORT",
    "https://224.0.0.1",
    "https://255.255.255.255",
    "https://[ff02::1]",
    // Octal, hexadecimal, decimal and short forms of 127.0.0.1 and 169.254.169.254.
    "http://0177.0.0.1:PORT",
    "http://017700000001:PORT",
    "http://0x7f.0.0.1:PORT",
    "http://0x7f000001:PORT",
    "http://2130706433:PORT",
    "http://127.1:PORT",
    "http://127.0.1:PORT",
    "http://127.000.000.001:PORT",
    "https://0:PORT",
    "https://0x:PORT",
    "https://0251.0376.0251.0376",
    "https://0xa9fea9fe",
    "https://0XA9.254.169.254",
    "https://2852039166",
    "https://169.254.43518",
    "https://169.16689662",
    // Dots.
    "http://127.0.0.1.:PORT",
    "https://169.254.169.254.",
    "https://kms.example.com.",
    "https://kms..example.com",
    "https://.example.com",
    // User names, of which some look like the host.
    "https://user@kms.example.com",
    "https://user:hush@kms.example.com",
    "https://kms.eu-west-1.amazonaws.com@127.0.0.1:PORT",
    "https://kms.eu-west-1.amazonaws.com:443@127.0.0.1:PORT",
    "http://127.0.0.1:80@127.0.0.1:PORT",
    "https://@127.0.0.1:PORT",
    // Parts that an endpoint does not have, and slashes of other kinds.
    "https://kms.example.com?x=y",
    "https://kms.example.com#",
    "https://127.0.0.1:PORT#@kms.example.com",
    "https://127.0.0.1:PORT?@kms.example.com",
    "https://127.0.0.1:PORT\\@kms.example.com",
    "https:\\\\127.0.0.1:PORT",
    "https:127.0.0.1:PORT",
    "https:/127.0.0.1:PORT",
    "https:///127.0.0.1:PORT",
    "https://https://127.0.0.1:PORT",
    "//127.0.0.1:PORT",
    "127.0.0.1:PORT",
    "https://",
    "https://kms.example.com:",
    "https://kms.example.com:99999",
    "https://[127.0.0.1]:PORT",
    "https://[::1",
    // Schemes.
    "HTTPS://127.0.0.1:PORT",
    "hTTp://127.0.0.1:PORT",
    "ftp://127.0.0.1:PORT",
    "gopher://127.0.0.1:PORT",
    "file:///etc/passwd",
    "unix:///run/containerd.sock",
    "javascript:alert(1)",
    // Digits and dots beyond ASCII, which become 127.0.0.1 and 169.254.169.254, and letters that look like others.
    "http://１２７.０.０.１:PORT",
    "http://①②⑦.⓪.⓪.①:PORT",
    "http://127。0。0。1:PORT",
    "https://１６９。２５４。１６９。２５４",
    "https://kms.eu-wеst-1.amazonaws.com",
    "https://münchen.example",
    "https://loc\u{ad}alhost:PORT",
    // Encoded hosts.
    "http://%31%32%37.0.0.1:PORT",
    "https://kms%2eexample.com",
    "https://kms.example.com%00.evil.example",
    // Blanks and control characters.
    " https://127.0.0.1:PORT",
    "https://127.0.0.1:PORT ",
    "https://127.0.0.1:PORT\t",
    "htt\nps://127.0.0.1:PORT",
    "https://127.0.0.1:PORT\r\nHost: evil",
    "https://kms example.com",
];

/// What a person may name.
const ACCEPTED: &[&str] = &[
    "https://kms.eu-west-1.amazonaws.com",
    "https://vpce-0123-abcd.kms.eu-west-1.vpce.amazonaws.com",
    "https://KMS.Example.com:8443",
    "https://kms_1.example.com/gateway/v1/",
    "https://xn--mnchen-3ya.example",
    "https://localhost:PORT",
    "https://10.0.0.1",
    "https://192.168.1.1:8443",
    "https://127.0.0.1:PORT",
    "https://[fd12:3456::1]:8443",
    "https://[::1]:PORT",
];

/// The same, for tests, where plain text is accepted.
const ACCEPTED_PLAIN: &[&str] = &["http://127.0.0.1:PORT", "http://127.8.8.8:PORT", "http://[::1]:PORT/path"];

/// A field that names an endpoint.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Field {
    Aws,
    AwsSts,
    CipherTrust,
    Huawei,
    HuaweiIam,
}

const FIELDS: [Field; 5] = [Field::Aws, Field::AwsSts, Field::CipherTrust, Field::Huawei, Field::HuaweiIam];

impl Field {
    /// A provider that has the URL there.
    fn spec(self, url: &str) -> Value {
        let secret = json!({ "name": "secret" });
        let mut spec = match self {
            Self::Aws => json!({ "type": "AWS", "aws": { "region": "eu-west-1", "endpoint": url } }),
            Self::AwsSts => json!({ "type": "AWS", "aws": { "region": "eu-west-1", "stsEndpoint": url } }),
            Self::CipherTrust => json!({
                "type": "CipherTrust", "cipherTrust": { "url": url, "kms": "prod", "region": "eu-west-1", "credentialsSecretRef": secret },
            }),
            Self::Huawei => json!({ "type": "Huawei", "huawei": huawei(&json!({ "endpoint": url })) }),
            Self::HuaweiIam => json!({ "type": "Huawei", "huawei": huawei(&json!({ "iamEndpoint": url })) }),
        };
        spec["namespaces"] = json!({ "from": "All" });
        spec
    }

    /// Makes the program's client, and if there is one, asks who it is. Why there is none.
    async fn client(self, url: &str, ask: bool) -> Result<(), (FailureKind, String)> {
        let failed = |failure: keyward::domain::failure::Failure| (failure.kind, failure.message);
        // The other endpoint of the provider is one where nobody listens.
        let other = || Some("http://127.0.0.1:1".to_owned());
        match self {
            Self::Aws | Self::AwsSts => {
                let (kms, sts) = if self == Self::Aws { (Some(url.to_owned()), other()) } else { (other(), Some(url.to_owned())) };
                let kms = AwsKms::new(aws(AwsEndpoints { kms, sts, ..AwsEndpoints::default() })).map_err(failed)?;
                // Each at its own endpoint.
                if ask && self == Self::Aws {
                    let _failed = kms.describe("alias/orders").await;
                } else if ask {
                    let _failed = kms.identity().await;
                }
            }
            Self::CipherTrust => {
                let kms = CipherTrustKms::new(cipher_trust(url)).map_err(failed)?;
                if ask {
                    let _failed = kms.identity().await;
                }
            }
            Self::Huawei | Self::HuaweiIam => {
                let mut settings = huawei_settings(url);
                (settings.endpoint, settings.iam_endpoint) =
                    if self == Self::Huawei { (Some(url.to_owned()), other()) } else { (other(), Some(url.to_owned())) };
                if self == Self::HuaweiIam {
                    settings.credentials =
                        HuaweiCredentials::Password { domain: "acme".into(), user: "keyward".into(), password: "hush".into() };
                }
                let kms = HuaweiKms::new(settings).map_err(failed)?;
                if ask {
                    let _failed = kms.identity().await;
                }
            }
        }
        Ok(())
    }
}

fn huawei(over: &Value) -> Value {
    let mut spec = json!({ "region": HUAWEI_REGION, "projectId": HUAWEI_PROJECT, "credentialsSecretRef": { "name": "secret" } });
    spec.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
    spec
}

fn aws(endpoints: AwsEndpoints) -> AwsSettings {
    AwsSettings {
        region: "eu-west-1".into(),
        endpoints,
        ca_pem: None,
        role_arn: None,
        external_id: None,
        credentials: AwsCredentials::Keys { access_key_id: ACCESS_KEY.into(), secret_access_key: SECRET_KEY.into(), session_token: None },
        quota_share_percent: 10_000,
        books: Books::default(),
        metrics: Metrics::new(false),
        leader_check: LeaderCheck::when(|| true),
    }
}

fn cipher_trust(url: &str) -> CipherTrustSettings {
    CipherTrustSettings {
        url: url.into(),
        kms: "prod".into(),
        region: "eu-west-1".into(),
        domain: None,
        auth_domain: None,
        ca_pem: None,
        username: "keyward".into(),
        password: "hush".into(),
        max_staleness: std::time::Duration::from_mins(10),
        quota_share_percent: 10_000,
        books: Books::default(),
        metrics: Metrics::new(false),
        leader_check: LeaderCheck::when(|| true),
    }
}

fn huawei_settings(url: &str) -> HuaweiSettings {
    HuaweiSettings {
        region: HUAWEI_REGION.into(),
        project_id: HUAWEI_PROJECT.into(),
        endpoint: Some(url.into()),
        iam_endpoint: Some(url.into()),
        credentials: HuaweiCredentials::Keys {
            access_key: HUAWEI_ACCESS_KEY.into(),
            secret_key: HUAWEI_SECRET_KEY.into(),
            security_token: None,
        },
        quota_share_percent: 10_000,
        books: Books::default(),
        metrics: Metrics::new(false),
        leader_check: LeaderCheck::when(|| true),
    }
}

/// Counts connections to this machine, whatever comes over them.
struct Counter(TcpListener);

impl Counter {
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn port(&self) -> String {
        self.0.local_addr().unwrap().port().to_string()
    }

    /// The connections since the last call. The kernel takes them, so none is missed.
    fn connections(&self) -> usize {
        std::iter::from_fn(|| self.0.accept().ok()).count()
    }
}

/// Every URL in every field: whether it is to be accepted.
fn rows(port: &str) -> Vec<(Field, String, bool)> {
    let mut rows = Vec::new();
    for field in FIELDS {
        let with = |urls: &[&str], accepted| urls.iter().map(|url| (field, url.replace("PORT", port), accepted)).collect::<Vec<_>>();
        rows.extend(with(REFUSED, false));
        rows.extend(with(ACCEPTED, true));
        rows.extend(with(ACCEPTED_PLAIN, field != Field::CipherTrust));
    }
    rows
}

#[tokio::test]
async fn the_api_server_refuses_an_endpoint_that_nobody_should_call() {
    assert!(REFUSED.len() >= 60);
    let api = Api::<DynamicObject>::all_with(control_plane::shared().client().await, &ApiResource::erase::<KeyProvider>(&()));
    let wrong: Vec<String> = stream::iter(rows("4599"))
        .map(|(field, url, accepted)| {
            let api = &api;
            async move {
                let object = json!({
                    "apiVersion": "keyward.dev/v1alpha1", "kind": "KeyProvider",
                    "metadata": { "generateName": "endpoint-" }, "spec": field.spec(&url),
                });
                let dry = PostParams { dry_run: true, ..PostParams::default() };
                let said = api.create(&dry, &serde_json::from_value(object).unwrap()).await;
                let is_told = said.as_ref().err().is_some_and(|error| error.to_string().contains("https"));
                (said.is_ok() != accepted || !accepted && !is_told).then(|| format!("{field:?} {url:?}: {said:?}"))
            }
        })
        .buffer_unordered(16)
        .filter_map(async |wrong| wrong)
        .collect()
        .await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The rules of the CRD are bypassed: an object may be older than they are.
#[tokio::test]
async fn the_program_refuses_an_endpoint_that_nobody_should_call_and_opens_no_connection() {
    let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let counter = Counter::start();
    let mut wrong = Vec::new();
    for (field, url, accepted) in rows(&counter.port()) {
        match (field.client(&url, !accepted).await, accepted) {
            (Ok(()), true) => {}
            (Err((FailureKind::Invalid, message)), false) if message.starts_with("spec.") && !message.contains("hush") => {}
            (made, _) => wrong.push(format!("{field:?} {url:?}: {made:?}")),
        }
        let connections = counter.connections();
        if connections > 0 {
            wrong.push(format!("{field:?} {url:?}: {connections} connections"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The counter counts: an endpoint that is accepted is called.
#[tokio::test]
async fn an_endpoint_that_is_accepted_is_called() {
    let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let counter = Counter::start();
    let _waits_for_an_answer = tokio::time::timeout(
        std::time::Duration::from_millis(500),
        Field::Huawei.client(&format!("http://127.0.0.1:{}", counter.port()), true),
    )
    .await;
    assert!(counter.connections() > 0);
}

/// With the API server's rules bypassed, the provider says what is wrong, and no object of it gets a call.
#[tokio::test]
async fn a_stored_endpoint_that_nobody_should_call_is_told_in_the_provider() {
    async fn told(vendor: &'static Vendor, endpoint: Value) {
        let counter = Counter::start();
        let scene = Scene::alone(vendor, "stored-endpoint", Options::default(), json!({})).await;
        let provider = format!("{}-other", scene.provider);
        let spec: Value = serde_json::from_str(&endpoint.to_string().replace("PORT", &counter.port())).unwrap();
        scene.provide(&provider, spec).await;
        scene.create("orders", json!({ "providerRef": { "name": provider } })).await;
        let object = scene.until_ready("orders", "False", "InvalidSpec").await;
        assert!(message(&object).contains("is no URL of an endpoint"), "{}", message(&object));
        assert_eq!(counter.connections(), 0, "{endpoint}");
    }
    told(&AWS, json!({ "aws": { "endpoint": "http://0x7f.1:PORT", "stsEndpoint": "http://0x7f.1:PORT" } })).await;
    told(&CIPHER_TRUST, json!({ "cipherTrust": { "url": "https://kms.example.com@127.0.0.1:PORT" } })).await;
    told(&HUAWEI, json!({ "huawei": { "endpoint": "http://2130706433:PORT" } })).await;
}

/// A signed request is for one host. Whoever answers with a redirect, such as to instance metadata, gets nobody to go there.
#[tokio::test]
async fn no_redirect_is_followed() {
    let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let statuses = [StatusCode::MOVED_PERMANENTLY, StatusCode::FOUND, StatusCode::TEMPORARY_REDIRECT, StatusCode::PERMANENT_REDIRECT];
    let rows =
        statuses.iter().flat_map(|status| [Field::Aws, Field::AwsSts, Field::Huawei, Field::HuaweiIam].map(|field| (*status, field)));
    join_all(rows.map(async |(status, field)| {
        let counter = Counter::start();
        let to = format!("http://127.0.0.1:{}/latest/meta-data/iam/security-credentials/", counter.port());
        let server = Recorder::answering(move |_, _| (status, [(LOCATION, to.clone())])).await;
        field.client(&server.endpoint, true).await.unwrap();
        assert!(!server.requests().is_empty(), "{field:?} {status}: it was asked");
        assert_eq!(counter.connections(), 0, "{field:?} {status}");
    }))
    .await;
}

/// A request in plain text is for this machine. A proxy would read it, and the credentials in it.
#[tokio::test]
async fn a_request_in_plain_text_never_goes_through_a_proxy() {
    const TEST: &str = "threats::endpoints::a_request_in_plain_text_never_goes_through_a_proxy";
    let tunnel = Tunnel::start();
    let proxy = format!("http://{}", tunnel.address);
    let environment = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"].map(|name| (name, proxy.as_str()));
    if alone(TEST, &environment) {
        let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let double = Double::start(Options::default()).await.unwrap();
        let aws = AwsKms::new(aws(crate::support::fixtures::aws_endpoints(&double.endpoint()))).unwrap();
        aws.identity().await.unwrap();
        aws.describe("alias/orders").await.unwrap();
        let mut settings = huawei_settings(&double.endpoint());
        HuaweiKms::new(settings.clone()).unwrap().identity().await.unwrap();
        settings.credentials = HuaweiCredentials::Password {
            domain: kms_double::HUAWEI_DOMAIN_NAME.into(),
            user: kms_double::HUAWEI_USER.into(),
            password: kms_double::HUAWEI_PASSWORD.into(),
        };
        HuaweiKms::new(settings).unwrap().identity().await.unwrap();
        return;
    }
    assert_eq!(tunnel.asked(), [""; 0]);
}

/// Who may write a provider may name an endpoint. No field of a `ManagedKey` is one, and the optional policies and the chart give no tenant that right.
#[test]
fn only_a_provider_names_an_endpoint() {
    let crds = keyward::manifests::crds();
    // What a status tells of an endpoint is not taken for one.
    let text = |kind: &str| {
        let mut crd = serde_json::to_value(crds.iter().find(|crd| crd.spec.names.kind == kind).unwrap()).unwrap();
        let schema = crd.pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties").unwrap().as_object_mut().unwrap();
        schema.remove("status").unwrap();
        crd.to_string()
    };
    assert!(text("KeyProvider").contains("stsEndpoint"));
    for word in ["\"endpoint\"", "\"url\"", "Endpoint\"", "isURL"] {
        assert!(!text("ManagedKey").contains(word), "{word}");
    }
    let provider = crds.iter().find(|crd| crd.spec.names.kind == "KeyProvider").unwrap();
    assert_eq!(provider.spec.scope, "Cluster");
    // The roles that an installation adds to those of tenants, from the chart's files and as rendered.
    let mut rules: Vec<PolicyRule> = Vec::new();
    for role in ["view", "edit", "admin"] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/keyward/files/rules").join(role).with_extension("yaml");
        rules.extend(serde_saphyr::from_str::<Vec<PolicyRule>>(&std::fs::read_to_string(file).unwrap()).unwrap());
    }
    let rendered = include_str!("../../../deploy/base/install.yaml");
    let aggregated = rendered.split("\n---\n").filter(|text| text.contains("aggregate-to-"));
    let aggregated: Vec<ClusterRole> = aggregated.map(|text| serde_saphyr::from_str(text).unwrap()).collect();
    assert!(!aggregated.is_empty());
    rules.extend(aggregated.into_iter().flat_map(|role| role.rules.unwrap()));
    for rule in rules {
        let only =
            |words: Option<&Vec<String>>, allowed: &[&str]| words.is_some_and(|words| words.iter().all(|word| allowed.contains(&&**word)));
        assert!(only(rule.api_groups.as_ref(), &["keyward.dev"]), "{rule:?}");
        assert!(only(rule.resources.as_ref(), &["managedkeys", "keygrants"]), "{rule:?}");
        let verbs = ["get", "list", "watch", "create", "update", "patch", "delete", "schedule-deletion", "rotate"];
        assert!(only(Some(&rule.verbs), &verbs), "nobody confirms by a role of every tenant: {rule:?}");
    }
}
