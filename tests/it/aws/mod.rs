//! The AWS adapter against the double: what each method of the port does, and what becomes of it when AWS, the network or a person stands in its way.
//!
//! The double's ledger says what was sent. Nothing here asks a real account, nor the metadata service of a cloud: credentials are given, or the
//! test runs in a process of its own with the environment that it says.

mod access;
mod canned;
mod documented;
mod endpoints;
mod faults;
mod life;
mod partitions;
mod pod;
mod search;

use crate::support::fixtures::{ReadKey as _, aws_endpoints};
use keyward::{
    api::managed_key::KeyTemplate,
    domain::{
        failure::Failure,
        observed::Key,
        ownership::{Owner, Tags},
    },
    kms::{
        Creation, Kms, LeaderCheck,
        aws::{AwsCredentials, AwsKms, AwsSettings},
    },
    metrics::Metrics,
};
use kms_double::{ACCESS_KEY, Double, Entry, Options, SECRET_KEY};

const REGION: &str = "eu-west-1";

/// Settings for that endpoint, as the double's first account, without regard to quotas.
fn settings(endpoint: &str) -> AwsSettings {
    AwsSettings {
        region: REGION.into(),
        endpoints: aws_endpoints(endpoint),
        ca_pem: None,
        role_arn: None,
        external_id: None,
        credentials: keys(ACCESS_KEY, SECRET_KEY, None),
        quota_share_percent: 100,
        books: keyward::kms::Books::default(),
        metrics: Metrics::new(false),
        leader_check: LeaderCheck::when(|| true),
    }
}

fn keys(access_key: &str, secret_key: &str, session_token: Option<&str>) -> AwsCredentials {
    AwsCredentials::Keys {
        access_key_id: access_key.into(),
        secret_access_key: secret_key.into(),
        session_token: session_token.map(Into::into),
    }
}

/// A double, and the adapter that talks to it.
struct Bench {
    double: Double,
    kms: AwsKms,
    metrics: Metrics,
}

impl Bench {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With settings that `change` has changed.
    async fn with(change: impl FnOnce(&mut AwsSettings)) -> Self {
        let double = Double::start(Options::default()).await.unwrap();
        let mut settings = settings(&double.endpoint());
        change(&mut settings);
        let metrics = settings.metrics.clone();
        Self { kms: AwsKms::new(settings).unwrap(), double, metrics }
    }

    /// A symmetric key without tags.
    async fn key(&self) -> Key {
        self.kms.create(&creation(KeyTemplate::default())).await.unwrap()
    }

    /// The calls of an operation.
    fn calls(&self, operation: &str) -> Vec<Entry> {
        self.double.ledger().into_iter().filter(|entry| entry.operation == operation).collect()
    }

    async fn found(&self, reference: &str) -> Key {
        self.kms.describe(reference).await.unwrap().unwrap()
    }
}

fn creation(kind: KeyTemplate) -> Creation {
    Creation { kind, description: None, tags: Tags::new(), claim: "alias/keyward/prod/shop/orders".into() }
}

fn owner(name: &str) -> Owner {
    Owner { cluster: "prod".into(), namespace: "shop".into(), name: name.into(), uid: format!("uid-of-{name}") }
}

fn tags(tags: &[(&str, &str)]) -> Tags {
    tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// A failure message names its object and cause. It is the same at each try, and it has no secret in it.
fn assert_steady(bench: &Bench, failure: &Failure) {
    for entry in bench.double.ledger() {
        assert!(!failure.message.contains(&entry.request_id), "{failure} tells a request id");
    }
    assert!(!failure.message.contains(SECRET_KEY), "{failure} tells a secret");
    assert!(failure.message.chars().next().is_some_and(|first| !first.is_uppercase() || failure.message.starts_with("AWS")), "{failure}");
    assert!(!failure.message.ends_with('.'), "{failure}");
}
