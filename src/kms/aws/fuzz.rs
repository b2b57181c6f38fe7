//! ARNs that people write, and answers that are not quite AWS's: read by the SDK and by the adapter, without a network.

use std::sync::{Arc, Mutex};

use aws_credential_types::Credentials;
use aws_sdk_kms::config::{
    BehaviorVersion, HttpClient, Region, RuntimeComponents, http::HttpRequest, http::HttpResponse, retry::RetryConfig,
};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector};
use fastrand::Rng;
use serde_json::{Value, json};

use super::{
    AwsKms,
    arn::{self, Arn},
    call::Caller,
    client::Clients,
    quota::Account,
};
use crate::{
    domain::observed::State,
    fuzz::{body, fuzz, one, text},
    kms::{Books, LeaderCheck, reading::Source},
    metrics::Metrics,
};

const ACCOUNT: &str = "111122223333";
const ARN: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234";

#[test]
fn arns() {
    fuzz("arns", |rng| {
        let text = text(rng, &[ARN, "arn:aws-cn:kms:cn-north-1:111122223333:alias/x", "1234", "alias/a:b"]);
        if let Some(Arn { region, account, resource }) = Arn::parse(&text) {
            assert!(text.ends_with(&format!(":kms:{region}:{account}:{resource}")) && text.starts_with("arn:"), "{text:?}");
            assert!(!region.is_empty() && !region.contains(':') && !account.contains(':') && !resource.is_empty(), "{text:?}");
        }
        if let Some(alias) = arn::alias(&text) {
            assert!(alias.starts_with("alias/") && text.ends_with(alias), "{text:?}");
        }
        if let Some(made) = arn::of_key("1234", &text, "eu-west-1", Some(ACCOUNT)) {
            let parts = Arn::parse(&made).expect("an ARN was made");
            assert!(parts.resource == "key/1234" && !parts.account.is_empty(), "{text:?}: {made}");
        }
    });
}

/// Answers whatever it was told to.
#[derive(Clone, Debug, Default)]
struct Canned(Arc<Mutex<(u16, String)>>);

impl HttpConnector for Canned {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let (status, body) = self.0.lock().expect("no test panicked in it").clone();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status.try_into().expect("a status"), body.into())))
    }
}

impl HttpClient for Canned {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// The adapter, with what answers it. Each execution has its own, because one that failed leaves nothing behind for the next.
fn adapter() -> (AwsKms, Canned) {
    let canned = Canned::default();
    let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", "secret", None, None, "fuzz");
    let region = Region::from_static("eu-west-1");
    let kms = aws_sdk_kms::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(region.clone())
        .credentials_provider(credentials.clone())
        .retry_config(RetryConfig::disabled())
        .http_client(canned.clone());
    let sts = aws_sdk_sts::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(region)
        .credentials_provider(credentials)
        .retry_config(RetryConfig::disabled())
        .http_client(canned.clone());
    let account = Account::new(Books::default(), "eu-west-1", None, 10_000);
    account.is(ACCOUNT);
    let caller = Caller {
        region: "eu-west-1".into(),
        account: Arc::new(account),
        metrics: Metrics::new(false),
        leader_check: LeaderCheck::when(|| true),
    };
    let clients = Clients { kms: aws_sdk_kms::Client::from_conf(kms.build()), sts: aws_sdk_sts::Client::from_conf(sts.build()), caller };
    (AwsKms(clients), canned)
}

fn metadata() -> Value {
    json!({ "KeyMetadata": {
        "AWSAccountId": ACCOUNT, "KeyId": "1234", "Arn": ARN, "CreationDate": 1_700_000_000.25, "Enabled": true, "Description": "",
        "KeyUsage": "ENCRYPT_DECRYPT", "KeyState": "Enabled", "Origin": "AWS_KMS", "KeyManager": "CUSTOMER", "KeySpec": "SYMMETRIC_DEFAULT",
        "MultiRegion": false,
    } })
}

fn pending() -> Value {
    let mut body = metadata();
    let key = &mut body["KeyMetadata"];
    (key["KeyState"], key["Enabled"], key["DeletionDate"]) = (json!("PendingDeletion"), json!(false), json!(1_700_600_000));
    body
}

/// Only what AWS requires, and what it leaves out where it says nothing.
fn sparse() -> Value {
    json!({ "KeyMetadata": { "KeyId": "1234", "Enabled": false, "Origin": "AWS_KMS", "MultiRegion": false } })
}

#[test]
fn aws_keys() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (kms, canned) = adapter();
    let refused = [json!({ "__type": "NotFoundException", "message": "no such key" }), json!({ "__type": "DisabledException" })];
    fuzz("aws_keys", |rng: &mut Rng| {
        let (status, text) = match rng.u8(..4) {
            0 => (*one(rng, &[&400, &403, &404]), body(rng, &refused)),
            _ => (200, body(rng, &[metadata(), pending(), sparse()])),
        };
        canned.0.lock().expect("nothing panics in it").clone_from(&(status, text.clone()));
        match runtime.block_on(kms.describe("1234")) {
            Ok(None) => assert!(status != 200 && text.contains("NotFoundException"), "{status} {text} is taken for an absent key"),
            Ok(Some(key)) => {
                // The SDK reads some numbers that are no JSON, such as `1.`.
                let Ok(told) = serde_json::from_str::<Value>(&text) else { return };
                let told = &told["KeyMetadata"];
                assert_eq!(status, 200, "{text}");
                assert!(told["KeyId"] == json!(key.id) && !key.id.is_empty(), "{text}: {key:?}");
                match told["KeyState"].as_str() {
                    Some(state) => assert_eq!(state, format!("{:?}", key.state), "{text}"),
                    None => assert!(key.state != State::Enabled || told["Enabled"] == json!(true), "{text}"),
                }
                assert!(key.deletion_date.is_none() || key.state == State::PendingDeletion, "{text}");
                assert!(!key.customer_managed || told["KeyManager"] != json!("AWS"), "{text}");
            }
            Err(failure) => assert!(!failure.message.contains('\n') && failure.message.len() < 1000, "{text}: {failure}"),
        }
    });
}

#[test]
fn aws_rotations_and_tags() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (kms, canned) = adapter();
    let rotation = [json!({ "KeyRotationEnabled": true, "RotationPeriodInDays": 365, "NextRotationDate": 1_700_000_000 })];
    let tags = [
        json!({ "Tags": [{ "TagKey": "keyward-intent", "TagValue": "1.1.live" }, { "TagKey": "a", "TagValue": "" }], "Truncated": false }),
    ];
    fuzz("aws_rotations_and_tags", |rng: &mut Rng| {
        let text = body(rng, &rotation);
        canned.0.lock().expect("nothing panics in it").clone_from(&(200, text.clone()));
        if let (Ok(rotation), Ok(told)) = (runtime.block_on(kms.rotation("1234")), serde_json::from_str::<Value>(&text)) {
            assert_eq!(told["KeyRotationEnabled"], json!(rotation.enabled), "{text}");
        }
        let text = body(rng, &tags);
        canned.0.lock().expect("nothing panics in it").clone_from(&(200, text.clone()));
        if let (Ok(tags), Ok(told)) = (runtime.block_on(kms.tags("1234")), serde_json::from_str::<Value>(&text)) {
            let told = told["Tags"].as_array().cloned().unwrap_or_else(|| panic!("{text} has no list, which is not an empty one"));
            // A value that is null is an empty one, and so no mark.
            let value = |tag: &Value| tag["TagValue"].as_str().unwrap_or_default().to_owned();
            let in_it = |(key, found): (&String, &String)| {
                told.iter().any(|tag| tag["TagKey"].as_str().unwrap_or_default() == key && value(tag) == *found)
            };
            assert!(tags.iter().all(in_it), "{text}: {tags:?}");
        }
    });
}
