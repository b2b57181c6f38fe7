//! What is only true of keys behind `CipherTrust`: copies and their age, the names of a key, tokens, who refuses, and the calls as documented. The rest is in
//! `port`.

mod age;
mod documented;
mod names;
mod proxy;
mod refusals;
mod tokens;

use std::time::Duration;

use crate::support::fixtures::{ReadKey as _, aws_endpoints};
use keyward::{
    api::managed_key::KeyTemplate,
    domain::{observed::Key, ownership::Tags},
    kms::{
        Creation, Kms, LeaderCheck,
        aws::{AwsCredentials, AwsKms, AwsSettings},
        ciphertrust::{CipherTrustKms, CipherTrustSettings},
    },
    metrics::Metrics,
};
use kms_double::{ACCESS_KEY, CIPHERTRUST_KMS, CIPHERTRUST_PASSWORD, CIPHERTRUST_USER, Double, Entry, Options, SECRET_KEY};
use serde_json::{Value, json};

const REGION: &str = "eu-west-1";
/// How old a copy may become.
const STALENESS: Duration = Duration::from_mins(10);

/// A double, the adapter, and AWS behind `CipherTrust`'s back.
struct Scene {
    double: Double,
    kms: CipherTrustKms,
    aws: AwsKms,
}

impl Scene {
    async fn new() -> Self {
        let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let double = Double::start(Options { ciphertrust: true, ..Options::default() }).await.unwrap();
        let aws = AwsSettings {
            region: REGION.into(),
            endpoints: aws_endpoints(&double.endpoint()),
            ca_pem: None,
            role_arn: None,
            external_id: None,
            credentials: AwsCredentials::Keys {
                access_key_id: ACCESS_KEY.into(),
                secret_access_key: SECRET_KEY.into(),
                session_token: None,
            },
            quota_share_percent: 10_000,
            books: keyward::kms::Books::default(),
            metrics: Metrics::new(false),
            leader_check: LeaderCheck::when(|| true),
        };
        let kms = CipherTrustKms::new(settings(&double)).unwrap();
        Self { kms, aws: AwsKms::new(aws).unwrap(), double }
    }

    fn with(&self, change: impl FnOnce(&mut CipherTrustSettings)) -> CipherTrustKms {
        let mut settings = settings(&self.double);
        change(&mut settings);
        CipherTrustKms::new(settings).unwrap()
    }

    async fn key(&self, name: &str) -> Key {
        self.kms.create(&creation(name)).await.unwrap()
    }

    async fn found(&self, reference: &str) -> Key {
        self.kms.describe(reference).await.unwrap().unwrap()
    }

    /// Has CCKM drop its row of a key, and make another with another id when it looks at AWS.
    async fn renumber(&self, key: &Key) {
        let authority = reqwest::Certificate::from_pem(self.double.ca_pem().as_bytes()).unwrap();
        let http = reqwest::Client::builder().tls_certs_merge([authority]).build().unwrap();
        let root = format!("{}/api/v1", self.double.ciphertrust_endpoint());
        let login = json!({ "username": CIPHERTRUST_USER, "password": CIPHERTRUST_PASSWORD });
        let granted: Value = http.post(format!("{root}/auth/tokens")).json(&login).send().await.unwrap().json().await.unwrap();
        let dropped = http.delete(format!("{root}/cckm/aws/keys/{}", key.id)).bearer_auth(granted["jwt"].as_str().unwrap()).send().await;
        assert_eq!(dropped.unwrap().status(), 204);
        self.double.ciphertrust_sync();
        assert_ne!(self.double.ciphertrust_id(&key.arn).unwrap(), key.id);
    }

    fn calls(&self, operation: &str) -> Vec<Entry> {
        let of = |entry: &Entry| entry.service == "ciphertrust" && entry.operation == operation;
        self.double.ledger().into_iter().filter(of).collect()
    }
}

fn settings(double: &Double) -> CipherTrustSettings {
    CipherTrustSettings {
        url: double.ciphertrust_endpoint(),
        kms: CIPHERTRUST_KMS.into(),
        region: REGION.into(),
        domain: None,
        auth_domain: None,
        ca_pem: Some(double.ca_pem().into()),
        username: CIPHERTRUST_USER.into(),
        password: CIPHERTRUST_PASSWORD.into(),
        max_staleness: STALENESS,
        quota_share_percent: 10_000,
        books: keyward::kms::Books::default(),
        metrics: Metrics::new(false),
        leader_check: LeaderCheck::when(|| true),
    }
}

fn creation(name: &str) -> Creation {
    Creation { kind: KeyTemplate::default(), description: None, tags: Tags::new(), claim: format!("alias/keyward/prod/shop/{name}") }
}
