//! The Huawei adapter against the double, and against a server that says whatever it is told to: what is Huawei's own, beside the suite of the port.
//!
//! The double's ledger says what was sent.

mod access;
mod canned;
mod documented;
mod life;
mod proxy;
mod search;

use crate::support::fixtures::ReadKey as _;
use keyward::{
    domain::{
        limits,
        observed::Key,
        ownership::{Owner, Tags},
    },
    kms::{
        Creation, Kms, LeaderCheck,
        huawei::{HuaweiCredentials, HuaweiKms, HuaweiSettings},
    },
    metrics::Metrics,
};
use kms_double::{
    Double, Entry, HUAWEI_ACCESS_KEY, HUAWEI_DOMAIN_NAME, HUAWEI_PASSWORD, HUAWEI_PROJECT, HUAWEI_REGION, HUAWEI_SECRET_KEY, HUAWEI_USER,
    Options,
};

/// Settings for that endpoint, as the double's first project, without regard to quotas.
fn settings(endpoint: &str) -> HuaweiSettings {
    // As `main` does first.
    let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    HuaweiSettings {
        region: HUAWEI_REGION.into(),
        project_id: HUAWEI_PROJECT.into(),
        endpoint: Some(endpoint.into()),
        iam_endpoint: Some(endpoint.into()),
        credentials: keys(HUAWEI_ACCESS_KEY, HUAWEI_SECRET_KEY, None),
        quota_share_percent: 10_000,
        books: keyward::kms::Books::default(),
        metrics: Metrics::new(false),
        leader_check: LeaderCheck::when(|| true),
    }
}

fn keys(access_key: &str, secret_key: &str, security_token: Option<&str>) -> HuaweiCredentials {
    HuaweiCredentials::Keys { access_key: access_key.into(), secret_key: secret_key.into(), security_token: security_token.map(Into::into) }
}

fn password(password: &str) -> HuaweiCredentials {
    HuaweiCredentials::Password { domain: HUAWEI_DOMAIN_NAME.into(), user: HUAWEI_USER.into(), password: password.into() }
}

/// A double, and the adapter that talks to it.
struct Bench {
    double: Double,
    kms: HuaweiKms,
}

impl Bench {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With settings that `change` has changed.
    async fn with(change: impl FnOnce(&mut HuaweiSettings)) -> Self {
        let double = Double::start(Options::default()).await.unwrap();
        let mut settings = settings(&double.endpoint());
        change(&mut settings);
        Self { kms: HuaweiKms::new(settings).unwrap(), double }
    }

    async fn with_password() -> Self {
        Self::with(|settings| settings.credentials = password(HUAWEI_PASSWORD)).await
    }

    async fn key(&self, name: &str) -> Key {
        self.kms.create(&creation(name)).await.unwrap()
    }

    /// The calls of an operation.
    fn calls(&self, operation: &str) -> Vec<Entry> {
        self.double.ledger().into_iter().filter(|entry| entry.operation == operation).collect()
    }

    /// The operations that were called after entry `seq` of the ledger.
    fn called_after(&self, seq: usize) -> Vec<String> {
        self.double.ledger().into_iter().skip(seq).map(|entry| entry.operation).collect()
    }

    async fn found(&self, reference: &str) -> Key {
        self.kms.describe(reference).await.unwrap().unwrap()
    }
}

fn creation(name: &str) -> Creation {
    let kind = limits::HUAWEI.kind(&keyward::api::managed_key::KeyTemplate::default());
    Creation { kind, description: None, tags: Tags::new(), claim: format!("alias/keyward/prod/shop/{name}") }
}

fn owner(name: &str) -> Owner {
    Owner { cluster: "prod".into(), namespace: "shop".into(), name: name.into(), uid: format!("uid-of-{name}") }
}

fn tags(tags: &[(&str, &str)]) -> Tags {
    tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}
