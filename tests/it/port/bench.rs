//! A double, the adapter that talks to it, and what cases ask of the two.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jiff::SignedDuration;
use keyward::{
    api::{key_provider::ProviderType, managed_key::KeyTemplate},
    domain::{
        failure::Failure,
        observed::Key,
        ownership::{Owner, Tags},
    },
    kms::{
        AnyKms, Creation, Kms, LeaderCheck,
        aws::{AwsCredentials, AwsKms, AwsSettings},
        ciphertrust::{CipherTrustKms, CipherTrustSettings},
        huawei::{HuaweiCredentials, HuaweiKms, HuaweiSettings},
    },
    metrics::Metrics,
};
use kms_double::{
    ACCESS_KEY, ACCOUNT, CIPHERTRUST_KMS, CIPHERTRUST_PASSWORD, CIPHERTRUST_USER, Double, Entry, Fault, FaultAction, Form,
    HUAWEI_ACCESS_KEY, HUAWEI_PROJECT, HUAWEI_REGION, HUAWEI_SECRET_KEY, Options, Plant, SECRET_KEY,
};

use super::ways::{Ways, Wire};
use crate::support::fixtures::{ReadKey as _, aws_endpoints};

const REGION: &str = "eu-west-1";

/// A double, and the adapter that talks to it.
pub struct Bench {
    pub ways: &'static Ways,
    pub kms: AnyKms,
    pub double: Double,
    pub metrics: Metrics,
    /// How far a deletion date may be from the one that was asked for.
    pub dates_within: SignedDuration,
    /// Whether its answers lack optional fields. The properties of a key are then read from the double itself.
    pub sparse: bool,
    leader_check: Arc<AtomicBool>,
}

impl Bench {
    pub async fn new(ways: &'static Ways, forms: &[Form]) -> Self {
        // As `main` does first.
        let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let options = Options { ciphertrust: ways.provider == ProviderType::CipherTrust, forms: forms.to_vec(), ..Options::default() };
        let double = Double::start(options).await.unwrap();
        let (metrics, leader_check) = (Metrics::new(false), Arc::new(AtomicBool::new(true)));
        let kms = connect(ways, &endpoint(ways, &double), double.ca_pem(), secret(ways), &metrics, &leader_check);
        // A date at the midnight before is nearer by up to a day.
        let dates_within = if forms.contains(&Form::MidnightDates) { SignedDuration::from_hours(24) } else { SignedDuration::from_mins(5) };
        let sparse = forms.iter().any(|form| matches!(form, Form::AwsSparse | Form::AwsStateOnly | Form::CckmSparse | Form::HuaweiSparse));
        Self { ways, kms, double, metrics, dates_within, sparse, leader_check }
    }

    /// Another client of the same KMS, which remembers nothing.
    pub fn another(&self) -> AnyKms {
        self.elsewhere(&endpoint(self.ways, &self.double))
    }

    /// One with a wrong secret.
    pub fn impostor(&self) -> AnyKms {
        let endpoint = endpoint(self.ways, &self.double);
        connect(self.ways, &endpoint, self.double.ca_pem(), "guessed", &self.metrics, &self.leader_check)
    }

    /// One of a KMS elsewhere.
    pub fn elsewhere(&self, endpoint: &str) -> AnyKms {
        connect(self.ways, endpoint, self.double.ca_pem(), secret(self.ways), &self.metrics, &self.leader_check)
    }

    pub fn account(&self) -> &'static str {
        match self.ways.provider {
            ProviderType::Aws | ProviderType::CipherTrust => ACCOUNT,
            ProviderType::Huawei => HUAWEI_PROJECT,
        }
    }

    pub fn region(&self) -> &'static str {
        match self.ways.provider {
            ProviderType::Aws | ProviderType::CipherTrust => REGION,
            ProviderType::Huawei => HUAWEI_REGION,
        }
    }

    /// How the double is spoken to.
    pub fn scheme(&self) -> &'static str {
        match self.ways.provider {
            ProviderType::CipherTrust => "https",
            ProviderType::Aws | ProviderType::Huawei => "http",
        }
    }

    /// Has that many keys of others come to be.
    pub fn plant(&self, count: usize) {
        for _ in 0..count {
            self.double.plant(&Plant::new(self.account(), self.region())).unwrap();
        }
        // A KMS that keeps copies now learns of the keys.
        self.double.ciphertrust_sync();
    }

    pub fn forbid_changes(&self) {
        self.leader_check.store(false, Ordering::SeqCst);
    }

    /// A key of the usual kind, whose claim ends with `name`.
    pub async fn key(&self, name: &str) -> Key {
        self.kms.create(&self.creation(name)).await.unwrap()
    }

    pub fn creation(&self, name: &str) -> Creation {
        let kind = self.ways.limits().kind(&KeyTemplate::default());
        Creation {
            kind,
            description: Some(format!("key of {name}")),
            tags: tags(&[("team", "shop")]),
            claim: format!("alias/keyward/prod/shop/{name}"),
        }
    }

    /// The answer has the actual value. A sparse answer may leave it out.
    #[allow(clippy::needless_pass_by_value, reason = "what is told and what is there are often made for this alone")]
    pub fn assert_told<T: PartialEq + std::fmt::Debug>(&self, told: Option<T>, there: T) {
        assert!(told.as_ref().map_or(self.sparse, |told| *told == there), "{told:?} for {there:?}");
    }

    pub async fn found(&self, reference: &str) -> Key {
        self.kms.describe(reference).await.unwrap().unwrap_or_else(|| panic!("{reference} is not there"))
    }

    /// Has the next `times` calls of an operation, or all, end that way.
    pub fn fault(&self, operation: &str, action: FaultAction, times: Option<u64>) {
        let fault = Fault::on(operation, action);
        self.double.inject(match times {
            Some(times) => fault.times(times),
            None => fault,
        });
    }

    pub fn refuse(&self, operation: &str, error: Wire) {
        self.fault(operation, refusal(error), None);
    }

    pub fn calls(&self, operation: &str) -> Vec<Entry> {
        self.double.ledger().into_iter().filter(|entry| entry.operation == operation).collect()
    }

    /// How many calls of an operation took effect.
    pub fn effects(&self, operation: &str) -> usize {
        self.calls(operation).iter().filter(|entry| entry.took_effect).count()
    }

    /// The calls so far that changed something.
    pub fn changes(&self) -> Vec<String> {
        self.double.ledger().into_iter().filter(|entry| entry.changed).map(|entry| entry.operation).collect()
    }

    /// A failure message names its object and cause. It is the same at each try, and it has no secret in it.
    pub fn assert_steady(&self, failure: &Failure) {
        for entry in self.double.ledger() {
            assert!(entry.request_id.is_empty() || !failure.message.contains(&entry.request_id), "{failure} tells a request id");
        }
        assert!(
            !failure.message.contains(secret(self.ways)) && !failure.message.contains('\n') && !failure.message.ends_with('.'),
            "{failure}"
        );
    }
}

fn endpoint(ways: &Ways, double: &Double) -> String {
    match ways.provider {
        ProviderType::CipherTrust => double.ciphertrust_endpoint(),
        ProviderType::Aws | ProviderType::Huawei => double.endpoint(),
    }
}

fn secret(ways: &Ways) -> &'static str {
    match ways.provider {
        ProviderType::CipherTrust => CIPHERTRUST_PASSWORD,
        ProviderType::Aws => SECRET_KEY,
        ProviderType::Huawei => HUAWEI_SECRET_KEY,
    }
}

fn connect(ways: &Ways, endpoint: &str, ca_pem: &str, secret: &str, metrics: &Metrics, leader_check: &Arc<AtomicBool>) -> AnyKms {
    let allowed = Arc::clone(leader_check);
    let leader_check = LeaderCheck::when(move || allowed.load(Ordering::SeqCst));
    match ways.provider {
        ProviderType::Aws => {
            let settings = AwsSettings {
                region: REGION.into(),
                endpoints: aws_endpoints(endpoint),
                ca_pem: None,
                role_arn: None,
                external_id: None,
                credentials: AwsCredentials::Keys {
                    access_key_id: ACCESS_KEY.into(),
                    secret_access_key: secret.into(),
                    session_token: None,
                },
                quota_share_percent: 10_000,
                books: keyward::kms::Books::default(),
                metrics: metrics.clone(),
                leader_check,
            };
            AnyKms::Aws(AwsKms::new(settings).unwrap())
        }
        ProviderType::CipherTrust => {
            let settings = CipherTrustSettings {
                url: endpoint.into(),
                kms: CIPHERTRUST_KMS.into(),
                region: REGION.into(),
                domain: None,
                auth_domain: None,
                ca_pem: Some(ca_pem.into()),
                username: CIPHERTRUST_USER.into(),
                password: secret.into(),
                max_staleness: Duration::from_mins(10),
                quota_share_percent: 10_000,
                books: keyward::kms::Books::default(),
                metrics: metrics.clone(),
                leader_check,
            };
            AnyKms::CipherTrust(CipherTrustKms::new(settings).unwrap())
        }
        ProviderType::Huawei => {
            let settings = HuaweiSettings {
                region: HUAWEI_REGION.into(),
                project_id: HUAWEI_PROJECT.into(),
                endpoint: Some(endpoint.into()),
                iam_endpoint: None,
                credentials: HuaweiCredentials::Keys {
                    access_key: HUAWEI_ACCESS_KEY.into(),
                    secret_key: secret.into(),
                    security_token: None,
                },
                quota_share_percent: 10_000,
                books: keyward::kms::Books::default(),
                metrics: metrics.clone(),
                leader_check,
            };
            AnyKms::Huawei(HuaweiKms::new(settings).unwrap())
        }
    }
}

pub fn refusal((code, status): Wire) -> FaultAction {
    FaultAction::Error { code: code.into(), status, message: "for a test".into() }
}

pub fn tags(tags: &[(&str, &str)]) -> Tags {
    tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

pub fn owner(name: &str) -> Owner {
    Owner { cluster: "prod".into(), namespace: "shop".into(), name: name.into(), uid: format!("uid-of-{name}") }
}
