//! Canary credentials: nothing that proves who somebody is stands in a log, an event, a status, a metric or a Rust structure.
//!
//! The real program runs at level TRACE, with credentials in secrets and in the environment, for each KMS and each way to prove oneself. Every read and every
//! change fails in each way that the doubles know, and so does the API server. Answers repeat the credentials, as servers do. Then all that the program wrote is
//! searched. A panic has a process of its own.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use axum::http::StatusCode;
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use futures::future::join_all;
use keyward::{
    api::{ConditionType, KeyProvider, ManagedKey, condition},
    domain::failure::Failure,
    kms::{
        Books, Kms, LeaderCheck,
        aws::{AwsCredentials, AwsKms, AwsSettings},
        ciphertrust::{CipherTrustKms, CipherTrustSettings},
        huawei::{HuaweiCredentials, HuaweiKms, HuaweiSettings},
    },
    metrics::Metrics,
};
use kms_double::{
    ACCOUNT, CIPHERTRUST_KMS, CiphertrustUser, Credential, Double, Fault, FaultAction, HUAWEI_DOMAIN_NAME, HUAWEI_PROJECT, HUAWEI_REGION,
    HuaweiCredential, HuaweiUser, Options, Role,
};
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::support::{
    control_plane::ControlPlane,
    eventually,
    fixtures::aws_endpoints,
    gate::{Gate, Trouble},
    program::{Program, alone, written_alone},
    vendor::{AWS, CIPHER_TRUST, HUAWEI, Vendor},
};

const WITHIN: Duration = Duration::from_mins(1);

/// What is secret. Each is told apart from all other text, and has characters that encodings change.
const SECRETS: [&str; 11] =
    [AWS_SECRET, AWS_TOKEN, ENV_SECRET, ENV_TOKEN, CT_PASSWORD, HW_SECRET, HW_TOKEN, HW_PASSWORD, CA_KEY, WRONG, PROXY_PASSWORD];
const AWS_SECRET: &str = "CanaryAwsSecretKey+1/xyzABCDEFGHIJKLMNOP";
const AWS_TOKEN: &str = "CanaryAwsSessionToken+2/xyz==";
const ENV_SECRET: &str = "CanaryEnvSecretKey+3/xyzABCDEFGHIJKLMNOP";
const ENV_TOKEN: &str = "CanaryEnvSessionToken+4/xyz==";
const CT_PASSWORD: &str = "CanaryCipherTrustPass+5/x y&z\"";
const HW_SECRET: &str = "CanaryHuaweiSecretKey6xyzABCDEFGHIJKLMNO";
const HW_TOKEN: &str = "CanaryHuaweiSecurityToken+7/xyz==";
const HW_PASSWORD: &str = "CanaryHuaweiPass+8/x y&z\"";
const CA_KEY: &str = "CanaryAuthorityKey9xyz";
const WRONG: &str = "CanaryWrongPass+10/xyz";
const PROXY_PASSWORD: &str = "CanaryProxyPass11xyz";
/// A proxy that is not used, because all is on this machine.
const PROXY: [(&str, &str); 2] = [("HTTPS_PROXY", "http://proxy-user:CanaryProxyPass11xyz@127.0.0.1:1"), ("NO_PROXY", "127.0.0.1")];
/// In milliseconds: no attempt of a call waits so long for an answer.
const SLOW: u64 = 3500;
/// Ids of access keys. They are no secrets, and AWS's stand nowhere all the same.
const AWS_ACCESS_KEY: &str = "AKIACANARYSECRET0001";
const ENV_ACCESS_KEY: &str = "AKIACANARYENVIRON002";
/// At Huawei and `CipherTrust` an access key or a user name is all that tells who it is: `status.identity.principal` of the provider has it.
const HW_ACCESS_KEY: &str = "CANARYHUAWEIKEY00003";
const CT_USER: &str = "canary-ciphertrust-user";
const HW_USER: &str = "canary-huawei-user";
const EXTERNAL_ID: &str = "CanaryExternalId";
const ROLE: &str = "arn:aws:iam::111122223333:role/canary";
/// What a request bears that is made from a secret.
const DERIVED: [&str; 6] = ["Signature=", "AWS4-HMAC-SHA256", "SDK-HMAC-SHA256", "Bearer ey", "X-Auth-Token: ", "x-amz-security-token: "];

/// The forms in which a text can stand somewhere: as it is, as JSON, percent-encoded, in hexadecimal, and in base64 at each place within other bytes.
fn forms(secret: &str) -> Vec<String> {
    let percent = |keep: &str| -> String {
        let byte = |byte: u8| match char::from(byte) {
            c if c.is_ascii_alphanumeric() || keep.contains(c) => c.to_string(),
            c => format!("%{:02X}", u32::from(c)),
        };
        secret.bytes().map(byte).collect()
    };
    let mut forms = vec![secret.to_owned(), percent("-._~"), percent("-._~/").replace("%20", "+"), hex::encode(secret)];
    forms.push(serde_json::to_string(secret).unwrap().trim_matches('"').to_owned());
    forms.push(format!("{:?}", secret.as_bytes()).trim_matches(['[', ']']).to_owned());
    for before in 0..3 {
        let bytes = [&b"   "[..before], secret.as_bytes()].concat();
        for text in [BASE64_STANDARD_NO_PAD.encode(&bytes), BASE64_URL_SAFE_NO_PAD.encode(&bytes)] {
            // The first and the last letters also depend on what is around.
            forms.push(text[[0, 2, 3][before]..text.len() - 2].to_owned());
        }
    }
    forms
}

/// Where one of the secrets stands in a text, with a part of what is around it.
fn found(place: &str, text: &str, secrets: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for secret in secrets {
        for form in forms(secret) {
            if let Some(at) = text.find(&form) {
                let (from, to) = (text.floor_char_boundary(at.saturating_sub(300)), text.ceil_char_boundary(at + 60));
                found.push(format!("{place}: {secret} as {form}: …{}…", &text[from..to]));
                break;
            }
        }
    }
    found
}

#[test]
fn each_form_of_a_secret_is_found() {
    for secret in SECRETS {
        let needles = [secret.to_owned()];
        let basic = |user: &str| BASE64_STANDARD_NO_PAD.encode(format!("{user}:{secret}"));
        let percent = |byte: u8| format!("%{byte:02X}");
        for text in [
            format!("password is {secret}."),
            json!({ "password": secret }).to_string(),
            hex::encode(secret),
            format!("{:?}", secret.as_bytes()),
            basic("a"),
            basic("ab"),
            basic("abc"),
            BASE64_URL_SAFE_NO_PAD.encode(secret),
            secret.bytes().map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { percent(byte) }).collect(),
        ] {
            assert_eq!(found("here", &text, &needles).len(), 1, "{secret} in {text}");
        }
        assert!(found("here", "nothing", &needles).is_empty());
    }
}

/// Codes and HTTP statuses at AWS, `CipherTrust` and Huawei.
const OF_CREDENTIALS: [(&str, u16); 3] = [("InvalidSignatureException", 403), ("NCERRUnauthorized", 401), ("APIGW.0301", 401)];
const DENIALS: [(&str, u16); 3] = [("AccessDeniedException", 400), ("NCERRForbidden", 403), ("KMS.0307", 403)];
const THROTTLES: [(&str, u16); 3] = [("ThrottlingException", 400), ("ThrottlingException", 429), ("APIGW.0308", 429)];
const BROKEN: [(&str, u16); 3] = [("KMSInternalException", 500), ("NCERRInternalServerError", 500), ("KMS.0101", 500)];

/// What every refusal of the test repeats.
fn echo() -> String {
    let headers =
        format!("x-amz-security-token:{AWS_TOKEN} {ENV_TOKEN} X-Security-Token:{HW_TOKEN} Authorization=AWS4-HMAC-SHA256 Signature=0123");
    format!("the request was {headers} with the body {CT_PASSWORD} {HW_PASSWORD} {WRONG}")
}

/// A double that knows the canaries.
async fn double() -> Double {
    let double = Double::start(Options { ciphertrust: true, ..Options::default() }).await.unwrap();
    let session = |access_key: &str, secret: &str, token: &str| Credential {
        session_token: Some(token.into()),
        ..Credential::new(access_key, secret, ACCOUNT)
    };
    double.add_credential(session(AWS_ACCESS_KEY, AWS_SECRET, AWS_TOKEN));
    double.add_credential(session(ENV_ACCESS_KEY, ENV_SECRET, ENV_TOKEN));
    double.add_role(Role { external_id: Some(EXTERNAL_ID.into()), ..Role::new(ROLE) });
    double.put_ciphertrust_user(CiphertrustUser::new(CT_USER, CT_PASSWORD, ACCOUNT));
    double.add_huawei_credential(HuaweiCredential {
        security_token: Some(HW_TOKEN.into()),
        ..HuaweiCredential::new(HW_ACCESS_KEY, HW_SECRET, HUAWEI_PROJECT)
    });
    double.add_huawei_user(HuaweiUser::new(HUAWEI_DOMAIN_NAME, HW_USER, HW_PASSWORD));
    double
}

/// A provider for each way to prove oneself: its name, its secret, and its part of the spec.
fn providers([aws, cipher_trust, huawei]: &[Double; 3]) -> Vec<(&'static str, Value, Value)> {
    let authority = cipher_trust.ca_pem();
    let aws = |over: Value| {
        let mut spec = json!({ "region": "eu-west-1", "endpoint": aws.endpoint(), "stsEndpoint": aws.endpoint() });
        spec.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
        json!({ "type": "AWS", "aws": spec })
    };
    let huawei = |auth: &str, secret: &str| {
        json!({ "type": "Huawei", "huawei": {
            "region": HUAWEI_REGION, "projectId": HUAWEI_PROJECT, "endpoint": huawei.endpoint(), "iamEndpoint": huawei.endpoint(),
            "auth": auth, "credentialsSecretRef": { "name": secret },
        } })
    };
    let cipher_trust = json!({ "type": "CipherTrust", "cipherTrust": {
        "url": cipher_trust.ciphertrust_endpoint(), "kms": CIPHERTRUST_KMS, "region": "eu-west-1",
        "caSecretRef": { "name": "cipher-trust" }, "credentialsSecretRef": { "name": "cipher-trust" },
    } });
    vec![
        (
            "aws-keys",
            json!({ "AWS_ACCESS_KEY_ID": AWS_ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": AWS_SECRET, "AWS_SESSION_TOKEN": AWS_TOKEN }),
            aws(json!({ "credentialsSecretRef": { "name": "aws-keys" } })),
        ),
        ("aws-role", json!({}), aws(json!({ "roleArn": ROLE, "externalId": EXTERNAL_ID }))),
        ("cipher-trust", json!({ "username": CT_USER, "password": CT_PASSWORD, "ca.crt": authority, "tls.key": CA_KEY }), cipher_trust),
        (
            "huawei-keys",
            json!({ "accessKey": HW_ACCESS_KEY, "secretKey": HW_SECRET, "securityToken": HW_TOKEN }),
            huawei("AccessKey", "huawei-keys"),
        ),
        (
            "huawei-token",
            json!({ "username": HW_USER, "password": HW_PASSWORD, "domain": HUAWEI_DOMAIN_NAME }),
            huawei("Password", "huawei-token"),
        ),
    ]
}

/// The program on a control plane of its own.
struct Site {
    control_plane: &'static ControlPlane,
    namespace: String,
    kubeconfig: PathBuf,
    /// The way of the program to the API server.
    gate: Gate,
    program: Program,
    /// Of AWS, of `CipherTrust` and of Huawei.
    doubles: [Double; 3],
}

impl Site {
    async fn start() -> Self {
        let control_plane: &'static ControlPlane = Box::leak(Box::new(
            tokio::task::spawn_blocking(|| ControlPlane::start().and_then(ControlPlane::with_crds)).await.unwrap().unwrap(),
        ));
        let (doubles, namespace) = ([double().await, double().await, double().await], control_plane.namespace("canary").await);
        let own = control_plane.service_account_kubeconfig(&namespace).await;
        // The program proves itself to the gate as to an API server.
        let gate = Gate::start(control_plane.client_of(&own).await).await;
        let mut config: Value = serde_json::from_str(&std::fs::read_to_string(&own).unwrap()).unwrap();
        config["clusters"][0]["cluster"] = json!({ "server": format!("http://{}", gate.address()) });
        let kubeconfig = control_plane.dir.join("canary.kubeconfig");
        std::fs::write(&kubeconfig, config.to_string()).unwrap();
        let environment = [
            ("AWS_ACCESS_KEY_ID", ENV_ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", ENV_SECRET),
            ("AWS_SESSION_TOKEN", ENV_TOKEN),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("KEYWARD_CONSISTENCY", "300ms"),
            ("RUST_BACKTRACE", "full"),
            PROXY[0],
            PROXY[1],
        ];
        let flags = ["--cluster-id", "canary", "--namespace", &namespace, "--leader-election", "false", "--log-level", "trace"];
        let program = Program::within(&kubeconfig, "127.0.0.1:0", &flags, &environment);
        Self { control_plane, namespace, kubeconfig, gate, program, doubles }
    }

    /// Lays that over the spec of each object.
    async fn declare(&self, spec: &Value) {
        let keys = self.keys().await;
        let patch = Patch::Merge(json!({ "spec": spec }));
        join_all(keys.list(&ListParams::default()).await.unwrap().items.iter().map(async |object| {
            keys.patch(object.metadata.name.as_deref().unwrap(), &PatchParams::default(), &patch).await.unwrap();
        }))
        .await;
    }

    /// Every change fails in another way, each in turn: what is declared changes, and reads go on.
    async fn fail_changes(&self) {
        const VENDORS: [&Vendor; 3] = [&AWS, &CIPHER_TRUST, &HUAWEI];
        let changes = |vendor: &Vendor| {
            let of = &vendor.operations;
            [of.describe, of.tag, of.alias, of.rotate, of.disable, of.enable, of.schedule, of.cancel]
        };
        let ways = |at: usize| -> [FaultAction; 9] {
            let error =
                |codes: [(&str, u16); 3], message: String| FaultAction::Error { code: codes[at].0.into(), status: codes[at].1, message };
            [
                FaultAction::LoseReply,
                FaultAction::LateReply { millis: SLOW },
                FaultAction::Hang,
                error(BROKEN, "for a test".into()),
                error(OF_CREDENTIALS, echo()),
                error(DENIALS, "no policy allows it".into()),
                error(THROTTLES, "slow down".into()),
                error([("Garbled", 200); 3], echo()),
                FaultAction::Cut,
            ]
        };
        let all = ways(0).len();
        // The ways in which no change failed yet at a KMS. A delayed call has no entry, because nobody waits for it.
        let missing = || -> Vec<String> {
            let of = |(double, vendor): (&Double, &Vendor)| {
                let entries = double.ledger().into_iter().filter(|entry| changes(vendor).contains(&&*entry.operation));
                let struck: BTreeSet<String> = entries.filter_map(|entry| entry.fault).collect();
                let every = ["cut", "error", "hang", "lateReply", "loseReply"].into_iter().filter(|way| !struck.contains(*way));
                every.map(|way| format!("{:?}: {way}", vendor.provider)).collect::<Vec<_>>()
            };
            self.doubles.iter().zip(VENDORS).flat_map(of).collect()
        };
        // Which changes a turn comes to depends on what failed before. So there are turns until each way was met.
        for turn in 0..4 * all {
            let before: Vec<u64> = self.doubles.iter().map(|double| double.ledger().last().map_or(0, |entry| entry.seq)).collect();
            for (at, (double, vendor)) in self.doubles.iter().zip(VENDORS).enumerate() {
                // Each edit is marked on the key first. If that failed in each turn, little else would be tried.
                let tried =
                    changes(vendor).into_iter().enumerate().filter(|(_, operation)| *operation != vendor.operations.tag || turn % 3 == 0);
                for (number, operation) in tried {
                    double.inject(Fault::on(operation, ways(at)[(number + turn) % all].clone()));
                }
            }
            // One after the other: settings, then the life of the key. A key that was scheduled is brought back with the next turn.
            let days = (turn % 3 == 2).then_some(7);
            self.declare(&json!({
                "description": format!("turn {turn}"), "tags": { "team": format!("team-{turn}") }, "aliases": [format!("turn-{turn}")],
                "rotationPeriodDays": 100 + turn, "enabled": turn % 3 != 1, "deletionScheduleDays": days,
            }))
            .await;
            // A deletion may be held by now, because marks failed in an earlier turn. Then nothing is called.
            if days.is_some() {
                self.look(&format!("turn {turn}")).await;
            } else {
                eventually("changes fail at each KMS", WITHIN, async || {
                    let struck =
                        |double: &Double, after: u64| double.ledger_after(after).iter().filter(|entry| entry.fault.is_some()).count();
                    let counts: Vec<_> = self.doubles.iter().zip(&before).map(|(double, after)| struck(double, *after)).collect();
                    if counts.iter().all(|count| *count > 0) { Ok(()) } else { Err(format!("turn {turn}: {counts:?}")) }
                })
                .await;
            }
            self.doubles.iter().for_each(Double::clear_faults);
            if missing().is_empty() {
                break;
            }
        }
        self.look("changes are well again").await;
        let missing = missing();
        assert!(missing.is_empty(), "{missing:?}");
    }

    /// The API server is in trouble in each way, while objects and Secrets change.
    async fn fail_api_server(&self, providers: &[(&'static str, Value, Value)]) {
        for (number, trouble) in [
            Trouble::Refused(StatusCode::UNAUTHORIZED),
            Trouble::Refused(StatusCode::FORBIDDEN),
            Trouble::Refused(StatusCode::CONFLICT),
            Trouble::Refused(StatusCode::TOO_MANY_REQUESTS),
            Trouble::Refused(StatusCode::INTERNAL_SERVER_ERROR),
            Trouble::Garbled,
            Trouble::Torn,
            Trouble::Unanswered,
        ]
        .into_iter()
        .enumerate()
        {
            self.gate.trouble(Some(trouble));
            for (name, secret, _) in providers {
                // Another value that is not read, so that the secret has changed and is read again.
                let mut secret = secret.clone();
                secret["note"] = json!(format!("trouble {number}"));
                self.secret(name, &secret).await;
            }
            self.declare(&json!({ "description": format!("trouble {number}") })).await;
            eventually("requests come to grief", WITHIN, async || match self.gate.troubled() {
                (reads, writes) if reads + writes >= 3 => Ok(()),
                other => Err(format!("{trouble:?}: {other:?}")),
            })
            .await;
            self.gate.trouble(None);
        }
        self.look("after all trouble").await;
    }

    async fn client(&self) -> kube::Client {
        self.control_plane.client().await
    }

    async fn secret(&self, name: &str, values: &Value) {
        let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "stringData": values });
        let api = Api::<k8s_openapi::api::core::v1::Secret>::namespaced(self.client().await, &self.namespace);
        api.patch(name, &PatchParams::apply("tests").force(), &Patch::Apply(secret)).await.unwrap();
    }

    async fn keys(&self) -> Api<ManagedKey> {
        Api::namespaced(self.client().await, &self.namespace)
    }

    /// Waits until the object of each provider is as asked.
    async fn until(&self, what: &str, ask: impl Fn(&ManagedKey) -> bool) {
        let keys = self.keys().await;
        eventually(what, WITHIN, async || {
            let objects = keys.list(&ListParams::default()).await.unwrap().items;
            match objects.iter().find(|object| !ask(object)) {
                None => Ok(()),
                Some(object) => Err(serde_json::to_string(object).unwrap()),
            }
        })
        .await;
    }

    /// Asks for a look at each object, and waits until it has been.
    async fn look(&self, at: &str) {
        let keys = self.keys().await;
        let patch = Patch::Merge(json!({ "metadata": { "annotations": { (keyward::api::annotation::RECONCILE_REQUESTED_AT): at } } }));
        join_all(keys.list(&ListParams::default()).await.unwrap().items.iter().map(async |object| {
            keys.patch(object.metadata.name.as_deref().unwrap(), &PatchParams::default(), &patch).await.unwrap();
        }))
        .await;
        self.until(at, |object| object.status.as_ref().is_some_and(|status| status.last_handled_reconcile_at.as_deref() == Some(at))).await;
    }

    /// All that the program wrote, by place.
    async fn written(&self) -> Vec<(&'static str, String)> {
        let client = self.client().await;
        let everything = ListParams::default();
        let text = |value: Value| value.to_string();
        let keys = Api::<ManagedKey>::all(client.clone()).list(&everything).await.unwrap();
        let statuses = keys.items.iter().map(|object| json!([object.metadata.annotations, object.status])).collect();
        let providers = Api::<KeyProvider>::all(client.clone()).list(&everything).await.unwrap();
        // Who the credentials are is what that field is for.
        let of_provider = |provider: &KeyProvider| {
            let mut status = serde_json::to_value(&provider.status).unwrap();
            if let Some(identity) = status.pointer_mut("/identity").and_then(Value::as_object_mut) {
                identity.remove("principal");
            }
            json!([provider.metadata.annotations, status])
        };
        let of_providers = providers.items.iter().map(of_provider).collect();
        let events = Api::<k8s_openapi::api::events::v1::Event>::all(client).list(&everything).await.unwrap();
        vec![
            ("the log", self.program.log()),
            ("metrics", self.program.get("/metrics").await.1),
            ("a status", text(Value::Array(statuses))),
            ("the status of a provider", text(Value::Array(of_providers))),
            ("an event", serde_json::to_string(&events.items).unwrap()),
        ]
    }
}

fn is_ready(object: &ManagedKey, status: &str) -> bool {
    let conditions = object.status.as_ref().map(|status| &*status.conditions).unwrap_or_default();
    condition::find(conditions, ConditionType::Ready).is_some_and(|ready| ready.status == status)
}

#[tokio::test]
async fn no_credential_stands_in_anything_that_the_program_writes() {
    let site = Site::start().await;
    let providers = providers(&site.doubles);
    for (name, secret, spec) in &providers {
        site.secret(name, secret).await;
        let mut spec = spec.clone();
        (spec["namespaces"], spec["resyncSeconds"], spec["quotaSharePercent"]) = (json!({ "from": "All" }), json!(30), json!(10_000));
        let provider = json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "KeyProvider", "metadata": { "name": name }, "spec": spec });
        let api = Api::<KeyProvider>::all(site.client().await);
        api.create(&PostParams::default(), &serde_json::from_value(provider).unwrap()).await.unwrap();
        let key = json!({
            "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": { "name": name },
            "spec": { "providerRef": { "name": name }, "tags": { "team": "shop" }, "autoRotation": true },
        });
        site.keys().await.create(&PostParams::default(), &serde_json::from_value(key).unwrap()).await.unwrap();
    }
    site.until("all are ready", |object| is_ready(object, "True")).await;

    // Every read fails in each of these ways. Refusals of credentials, and answers that are none, repeat what they were sent.
    let error = |(code, status): (&str, u16), message: String| FaultAction::Error { code: code.into(), status, message };
    let all = |action: FaultAction| [action.clone(), action.clone(), action];
    let faults = [
        OF_CREDENTIALS.map(|code| error(code, echo())),
        DENIALS.map(|code| error(code, "no policy allows it".into())),
        THROTTLES.map(|code| error(code, "slow down".into())),
        BROKEN.map(|code| error(code, "for a test".into())),
        // It says that all is well, and has another body than the call.
        all(error(("Garbled", 200), echo())),
        all(FaultAction::Cut),
        all(FaultAction::LoseReply),
        all(FaultAction::Delay { millis: SLOW }),
        all(FaultAction::LateReply { millis: SLOW }),
        all(FaultAction::Hang),
    ];
    for (at, actions) in faults.into_iter().enumerate() {
        for (double, action) in site.doubles.iter().zip(actions) {
            double.kill_ciphertrust_tokens();
            double.inject(Fault::on("*", action));
        }
        site.look(&format!("fault {at}")).await;
        site.doubles.iter().for_each(Double::clear_faults);
    }
    site.look("reads are well again").await;
    site.fail_changes().await;
    site.fail_api_server(&providers).await;
    // Wrong secrets, with which each client proves itself anew.
    for (name, secret, _) in &providers {
        let mut wrong = secret.clone();
        for (key, value) in wrong.as_object_mut().unwrap() {
            if !["ca.crt", "username", "domain", "AWS_ACCESS_KEY_ID", "accessKey"].contains(&key.as_str()) {
                *value = json!(WRONG);
            }
        }
        site.secret(name, &wrong).await;
    }
    let names_secret = |object: &ManagedKey| object.metadata.name.as_deref() == Some("aws-role");
    site.until("they are refused", |object| names_secret(object) || is_ready(object, "False") || !is_synced(object)).await;

    let mut secrets: Vec<String> = SECRETS.iter().map(|secret| (*secret).to_owned()).collect();
    let issued: Vec<String> = site.doubles.iter().flat_map(Double::issued).collect();
    assert!(issued.len() >= 5, "sessions of a role, tokens of CipherTrust and of IAM: {}", issued.len());
    secrets.extend(issued);
    secrets.extend([AWS_ACCESS_KEY, ENV_ACCESS_KEY, HW_ACCESS_KEY, CT_USER, HW_USER, EXTERNAL_ID].map(str::to_owned));
    let kubeconfig: Value = serde_json::from_str(&std::fs::read_to_string(&site.kubeconfig).unwrap()).unwrap();
    secrets.push(kubeconfig.pointer("/users/0/user/token").unwrap().as_str().unwrap().to_owned());
    let (mut hits, mut length) = (Vec::new(), 0);
    for (place, text) in site.written().await {
        length += text.len();
        hits.extend(found(place, &text, &secrets));
        hits.extend(DERIVED.iter().filter_map(|word| {
            text.find(word).map(|at| format!("{place}: {word}: {}", &text[at.saturating_sub(200)..text.len().min(at + 80)]))
        }));
    }
    assert!(hits.is_empty(), "{} hits in {length} bytes:\n{}", hits.len(), hits.join("\n"));
    // There was something to be found in: the program logged at TRACE, and libraries at DEBUG.
    let log = site.program.log();
    assert!(log.contains("\"level\":\"DEBUG\"") && log.contains("\"target\":\"hyper_util") && length > 100_000, "{length}");
}

fn is_synced(object: &ManagedKey) -> bool {
    let conditions = object.status.as_ref().map(|status| &*status.conditions).unwrap_or_default();
    condition::find(conditions, ConditionType::Synced).is_some_and(|synced| synced.status == "True")
}

fn books() -> (Books, Metrics, LeaderCheck) {
    (Books::default(), Metrics::new(false), LeaderCheck::when(|| true))
}

fn aws(double: &Double, access_key: &str, secret: &str, token: &str, role: bool) -> AwsSettings {
    let (books, metrics, leader_check) = books();
    AwsSettings {
        region: "eu-west-1".into(),
        endpoints: aws_endpoints(&double.endpoint()),
        ca_pem: None,
        role_arn: role.then(|| ROLE.into()),
        external_id: role.then(|| EXTERNAL_ID.into()),
        credentials: AwsCredentials::Keys {
            access_key_id: access_key.into(),
            secret_access_key: secret.into(),
            session_token: Some(token.into()),
        },
        quota_share_percent: 10_000,
        books,
        metrics,
        leader_check,
    }
}

fn cipher_trust(double: &Double, password: &str) -> CipherTrustSettings {
    let (books, metrics, leader_check) = books();
    CipherTrustSettings {
        url: double.ciphertrust_endpoint(),
        kms: CIPHERTRUST_KMS.into(),
        region: "eu-west-1".into(),
        domain: None,
        auth_domain: None,
        ca_pem: Some(double.ca_pem().into()),
        username: CT_USER.into(),
        password: password.into(),
        max_staleness: Duration::from_mins(10),
        quota_share_percent: 10_000,
        books,
        metrics,
        leader_check,
    }
}

fn huawei(double: &Double, credentials: HuaweiCredentials) -> HuaweiSettings {
    let (books, metrics, leader_check) = books();
    HuaweiSettings {
        region: HUAWEI_REGION.into(),
        project_id: HUAWEI_PROJECT.into(),
        endpoint: Some(double.endpoint()),
        iam_endpoint: Some(double.endpoint()),
        credentials,
        quota_share_percent: 10_000,
        books,
        metrics,
        leader_check,
    }
}

/// A server that does not accept the credentials repeats them, by each code that says so.
const OF_AWS: [(&str, u16); 5] = [
    ("InvalidSignatureException", 403),
    ("SignatureDoesNotMatch", 403),
    ("IncompleteSignature", 400),
    ("UnrecognizedClientException", 400),
    ("ExpiredToken", 400),
];
/// The same of `CipherTrust`.
const OF_CIPHER_TRUST: [(&str, u16); 2] = [("NCERRUnauthorized", 401), ("UnrecognizedClientException", 400)];
/// The same of Huawei.
const OF_HUAWEI: [(&str, u16); 4] = [("APIGW.0301", 401), ("APIG.0301", 401), ("KMS.0301", 403), ("401", 401)];

/// What a panic would print, and what the log has of a failure: the structure, and each cause.
fn shown(failure: &Failure) -> String {
    let mut texts = vec![format!("{failure:?} {failure}")];
    let mut cause = std::error::Error::source(failure);
    while let Some(error) = cause {
        texts.push(format!("{error:?} {error}"));
        cause = error.source();
    }
    texts.join(" ")
}

/// What each public type that holds a credential shows of itself, before and after it was used, and what every failure shows that a server can cause which
/// repeats the request. Last, the metrics.
async fn structures(double: &Double) -> Vec<String> {
    let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let keys = || HuaweiCredentials::Keys {
        access_key: HW_ACCESS_KEY.into(),
        secret_key: HW_SECRET.into(),
        security_token: Some(HW_TOKEN.into()),
    };
    let password =
        |password: &str| HuaweiCredentials::Password { domain: HUAWEI_DOMAIN_NAME.into(), user: HW_USER.into(), password: password.into() };
    let mut texts = Vec::new();
    macro_rules! show {
        ($kms:ty, $codes:ident, $settings:expr) => {{
            let settings = $settings;
            let metrics = settings.metrics.clone();
            texts.push(format!("{settings:?} {settings:#?}"));
            let kms = <$kms>::new(settings).unwrap();
            texts.push(format!("{kms:?}"));
            let identity = kms.identity().await;
            texts.push(match &identity {
                Ok(_) => format!("{kms:?} {kms:#?}"),
                Err(failure) => shown(failure),
            });
            for (code, status) in $codes {
                double.kill_ciphertrust_tokens();
                double.inject(Fault::on("*", FaultAction::Error { code: code.into(), status, message: echo() }));
                texts.push(kms.identity().await.map_or_else(|failure| shown(&failure), |_| String::new()));
                double.clear_faults();
            }
            // A login has a password, whatever kind of refusal it gets, and an answer that is none has what it is for.
            for operation in ["login", "create-token", "AssumeRole"] {
                for (code, status) in
                    [("NCERRInvalidParamValue", 400), ("NCERRInternalServerError", 500), ("400", 400), ("500", 500), ("1", 302), ("2", 200)]
                {
                    double.kill_ciphertrust_tokens();
                    double.inject(Fault::on(operation, FaultAction::Error { code: code.into(), status, message: echo() }));
                    texts.push(kms.identity().await.map_or_else(|failure| shown(&failure), |_| String::new()));
                    double.clear_faults();
                }
            }
            texts.push(metrics.encode());
        }};
    }
    show!(AwsKms, OF_AWS, aws(double, AWS_ACCESS_KEY, AWS_SECRET, AWS_TOKEN, false));
    show!(AwsKms, OF_AWS, aws(double, ENV_ACCESS_KEY, ENV_SECRET, ENV_TOKEN, true));
    show!(AwsKms, OF_AWS, aws(double, AWS_ACCESS_KEY, WRONG, AWS_TOKEN, false));
    show!(CipherTrustKms, OF_CIPHER_TRUST, cipher_trust(double, CT_PASSWORD));
    show!(CipherTrustKms, OF_CIPHER_TRUST, cipher_trust(double, WRONG));
    show!(HuaweiKms, OF_HUAWEI, huawei(double, keys()));
    show!(HuaweiKms, OF_HUAWEI, huawei(double, password(HW_PASSWORD)));
    show!(HuaweiKms, OF_HUAWEI, huawei(double, password(WRONG)));
    texts
}

fn secrets(double: &Double) -> Vec<String> {
    SECRETS.iter().map(|secret| (*secret).to_owned()).chain(double.issued()).collect()
}

#[tokio::test]
async fn no_credential_is_shown_by_a_structure_or_a_failure() {
    if !alone("threats::credentials::no_credential_is_shown_by_a_structure_or_a_failure", &PROXY) {
        return;
    }
    let double = double().await;
    let texts = structures(&double).await;
    let hits: Vec<_> = texts.iter().flat_map(|text| found("shown", text, &secrets(&double))).collect();
    assert!(hits.is_empty(), "{}", hits.join("\n"));
    assert!(texts.iter().any(|text| text.contains("its text is not shown")), "refusals were seen: {texts:#?}");
    assert!(texts.iter().any(|text| text.contains("# EOF")), "metrics were seen");
}

/// The program logs each panic with its message and a backtrace. A panic here has what each structure shows of itself.
#[tokio::test]
async fn no_credential_is_in_the_log_of_a_panic() {
    const PANICS: &str = "a round met a fault with";
    let environment = [PROXY[0], PROXY[1], ("RUST_BACKTRACE", "full")];
    let Some(written) = written_alone("threats::credentials::no_credential_is_in_the_log_of_a_panic", &environment) else {
        keyward::telemetry::start(keyward::telemetry::LogFormat::Json, &"trace".parse().unwrap()).unwrap();
        keyward::run::end_on_panic();
        let double = double().await;
        for text in structures(&double).await {
            let ended: Result<(), _> = keyward::controller::contained(async move { panic!("{PANICS} {text}") }).await;
            ended.unwrap_err();
        }
        // Tokens and sessions are of this process.
        let hits: Vec<_> = double.issued().into_iter().map(|issued| format!("{ISSUED}{}", hex::encode(issued))).collect();
        eprintln!("{}", hits.join("\n"));
        return;
    };
    let (issued, log): (Vec<&str>, Vec<&str>) = written.lines().partition(|line| line.starts_with(ISSUED));
    let log = log.join("\n");
    let text = |line: &str| String::from_utf8(hex::decode(line.trim_start_matches(ISSUED)).unwrap()).unwrap();
    let secrets: Vec<String> = SECRETS.iter().map(|secret| (*secret).to_owned()).chain(issued.iter().map(|line| text(line))).collect();
    let hits = found("the log", &log, &secrets);
    assert!(hits.is_empty(), "{}", hits.join("\n"));
    assert!(log.matches(PANICS).count() > 20 && log.contains("\"backtrace\"") && issued.len() >= 3, "{} {}", log.len(), issued.len());
}

/// Before a secret that the double issued, in hexadecimal.
const ISSUED: &str = "issued: ";
