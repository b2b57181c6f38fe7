//! Who calls, from where, and what is said when AWS does not have it.

use jiff::{SignedDuration, Timestamp};
use keyward::{
    api::managed_key::KeyTemplate,
    domain::{
        failure::{Failure, FailureKind, Outcome},
        observed::State,
    },
    kms::{
        Identity, Kms, LeaderCheck,
        aws::{AwsCredentials, AwsKms},
    },
};
use kms_double::{ACCESS_KEY, ACCOUNT, Credential, Plant, Role, SECOND_ACCOUNT, SECRET_KEY};

use super::{Bench, REGION, assert_steady, creation, keys, settings, tags};
use crate::support::{
    fixtures::{Destroy as _, ReadKey as _},
    program::alone,
};

const ROLE: &str = "arn:aws:iam::444455556666:role/shared";

#[tokio::test]
async fn the_identity_is_that_of_the_credentials() {
    let identity = Bench::new().await.kms.identity().await.unwrap();
    let principal = format!("arn:aws:iam::{ACCOUNT}:user/keyward");
    assert_eq!(identity, Identity { account: ACCOUNT.into(), region: REGION.into(), principal });
}

#[tokio::test]
async fn a_role_is_assumed_with_its_external_id() {
    let bench = Bench::with(|settings| {
        settings.role_arn = Some(ROLE.into());
        settings.external_id = Some("sesame".into());
    })
    .await;
    bench.double.add_role(Role::new(ROLE).with_external_id("sesame"));
    let identity = bench.kms.identity().await.unwrap();
    assert_eq!(identity.account, SECOND_ACCOUNT);
    assert_eq!(identity.principal, format!("arn:aws:sts::{SECOND_ACCOUNT}:assumed-role/shared/keyward"));
    let key = bench.key().await;
    assert_eq!(key.account, SECOND_ACCOUNT);
    assert_eq!(bench.calls("CreateKey")[0].account.as_deref(), Some(SECOND_ACCOUNT));
    // A session is kept, once for each of the two clients.
    bench.found(&key.arn).await;
    assert!(bench.calls("AssumeRole").len() <= 2);
    assert!(bench.metrics.encode().contains(r#"operation="AssumeRole",code="OK""#));
}

#[tokio::test]
async fn a_role_that_does_not_trust_us_is_named() {
    for external_id in [None, Some("open")] {
        let bench = Bench::with(|settings| {
            settings.role_arn = Some(ROLE.into());
            settings.external_id = external_id.map(Into::into);
        })
        .await;
        bench.double.add_role(Role::new(ROLE).with_external_id("sesame"));
        for failure in [bench.kms.identity().await.unwrap_err(), bench.kms.enable("key").await.unwrap_err()] {
            assert_eq!((failure.kind, failure.outcome), (FailureKind::Denied, Outcome::Refused), "{failure}");
            assert!(failure.message.contains("sts:AssumeRole") && failure.message.contains(ROLE), "{failure}");
            assert!(failure.message.contains("externalId"), "{failure}");
            assert_steady(&bench, &failure);
        }
        assert!(bench.calls("EnableKey").is_empty());
    }
}

#[tokio::test]
async fn credentials_that_aws_does_not_take_are_told_apart() {
    let expired = Credential {
        session_token: Some("token".into()),
        expires: Some(Timestamp::now() - SignedDuration::from_hours(1)),
        ..Credential::new("ASIAEXPIRED", "secret", ACCOUNT)
    };
    let cases = [
        (keys("ASIAEXPIRED", "secret", Some("token")), FailureKind::Expired, "expired"),
        (keys(ACCESS_KEY, "wrong", None), FailureKind::Credentials, "AWS_SECRET_ACCESS_KEY"),
        (keys("AKIAUNKNOWN", SECRET_KEY, None), FailureKind::Credentials, "AWS_ACCESS_KEY_ID"),
    ];
    for (credentials, kind, hint) in cases {
        let bench = Bench::with(|settings| settings.credentials = credentials).await;
        bench.double.add_credential(expired.clone());
        let failures: [Failure; 3] = [
            bench.kms.identity().await.unwrap_err(),
            bench.kms.describe("alias/a").await.unwrap_err(),
            bench.kms.enable("key").await.unwrap_err(),
        ];
        for failure in failures {
            assert_eq!((failure.kind, failure.outcome), (kind, Outcome::Refused), "{failure}");
            assert!(failure.message.contains(hint), "{failure}");
            assert_steady(&bench, &failure);
        }
    }
}

#[tokio::test]
async fn a_denial_names_the_action() {
    let bench = Bench::with(|settings| settings.credentials = keys("AKIAREADER", "secret", None)).await;
    let allow = Some(vec!["kms:DescribeKey".into()]);
    bench.double.add_credential(Credential { allow, ..Credential::new("AKIAREADER", "secret", ACCOUNT) });
    let key = bench.double.plant(&Plant::new(ACCOUNT, REGION)).unwrap().arn();
    bench.found(&key).await;
    let failure = bench.kms.schedule(&key, 7).await.unwrap_err();
    assert_eq!((failure.kind, failure.outcome), (FailureKind::Denied, Outcome::Refused));
    let denied = format!("AWS denies kms:ScheduleKeyDeletion on {key}, because no identity-based policy allows");
    assert!(failure.message.starts_with(&denied), "{failure}");
    let again = bench.kms.schedule(&key, 7).await.unwrap_err();
    assert_eq!(failure.message, again.message);
    assert_steady(&bench, &failure);
}

/// Shows S7.
#[tokio::test]
async fn a_key_of_another_account_or_region_is_never_absent() {
    let bench = Bench::new().await;
    let id = "11111111-2222-3333-4444-555555555555";
    let abroad = bench.kms.describe(&format!("arn:aws:kms:us-east-1:{ACCOUNT}:key/{id}")).await.unwrap_err();
    assert_eq!(abroad.kind, FailureKind::Invalid);
    assert!(abroad.message.contains("us-east-1") && abroad.message.contains(REGION), "{abroad}");
    // Asking for an alias of AWS's own can make a key.
    let own = bench.kms.describe("alias/aws/s3").await.unwrap_err();
    assert_eq!(own.kind, FailureKind::Invalid, "{own}");
    assert!(bench.double.ledger().is_empty(), "neither is worth a call");
    let foreign = bench.kms.describe(&format!("arn:aws:kms:{REGION}:{SECOND_ACCOUNT}:key/{id}")).await.unwrap_err();
    assert_eq!(foreign.kind, FailureKind::Denied, "{foreign}");
}

#[tokio::test]
async fn an_endpoint_that_is_no_url_is_refused() {
    let failure = AwsKms::new(settings("kms.example.com")).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Invalid);
    assert!(failure.message.starts_with("spec.aws.endpoint is no URL of an endpoint; write it as https://host,"), "{failure}");
}

#[tokio::test]
async fn without_any_credentials_a_person_is_told_what_to_set() {
    if !alone("aws::access::without_any_credentials_a_person_is_told_what_to_set", &[("AWS_EC2_METADATA_DISABLED", "true")]) {
        return;
    }
    let bench = Bench::with(|settings| settings.credentials = AwsCredentials::DefaultChain).await;
    let failure = bench.kms.enable("key").await.unwrap_err();
    assert_eq!((failure.kind, failure.outcome), (FailureKind::Credentials, Outcome::Refused), "{failure}");
    assert_eq!(failure.message, "no AWS credentials were found; set credentialsSecretRef, or give the pod a role");
    assert!(bench.double.ledger().is_empty());
}

#[tokio::test]
async fn the_environment_gives_credentials_and_nothing_else() {
    let environment = [
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:1"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_PROFILE", "nobody"),
        ("AWS_MAX_ATTEMPTS", "9"),
    ];
    if !alone("aws::access::the_environment_gives_credentials_and_nothing_else", &environment) {
        return;
    }
    let bench = Bench::with(|settings| settings.credentials = AwsCredentials::DefaultChain).await;
    assert_eq!(bench.kms.identity().await.unwrap().account, ACCOUNT);
    assert_eq!(bench.key().await.region, REGION);
    assert!(bench.double.ledger().iter().all(|entry| entry.region.as_deref() == Some(REGION)));

    // Given keys are used though the environment has others, and without an endpoint the Region's own is meant.
    let mut own = settings(&bench.double.endpoint());
    own.credentials = keys(kms_double::SECOND_ACCESS_KEY, kms_double::SECOND_SECRET_KEY, None);
    assert_eq!(AwsKms::new(own.clone()).unwrap().identity().await.unwrap().account, SECOND_ACCOUNT);
    own.endpoints.kms = None;
    // A Region that is no Region has no host, so nothing leaves this machine.
    own.region = "xx-nowhere-1".into();
    let failure = AwsKms::new(own).unwrap().describe("alias/a").await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unavailable);
    assert!(failure.message.contains("kms.xx-nowhere-1.amazonaws.com"), "{failure}");
}

#[tokio::test]
async fn a_process_that_may_change_nothing_sends_no_change() {
    let bench = Bench::with(|settings| settings.leader_check = LeaderCheck::when(|| false)).await;
    let plant = Plant { alias: Some("alias/orders".into()), ..Plant::new(ACCOUNT, REGION) };
    let key = bench.double.plant(&plant).unwrap().arn();
    let before = bench.double.ledger().len();
    let kms = &bench.kms;
    let refused = [
        kms.create(&creation(KeyTemplate::default())).await.map(|_| ()),
        kms.add_alias(&key, "alias/orders").await,
        kms.remove_alias(&key, "alias/orders").await,
        kms.tag(&key, &tags(&[("team", "shop")])).await,
        kms.untag(&key, &["team".into()]).await,
        kms.set_description(&key, "orders").await,
        kms.enable(&key).await,
        kms.disable(&key).await,
        kms.start_rotation(&key, 365).await,
        kms.stop_rotation(&key).await,
        kms.schedule(&key, 7).await.map(|_| ()),
        kms.cancel_deletion(&key).await,
    ];
    for failure in refused.into_iter().map(Result::unwrap_err) {
        assert_eq!((failure.kind, failure.outcome), (FailureKind::Unavailable, Outcome::Refused), "{failure}");
    }
    let sent: Vec<_> = bench.double.ledger().into_iter().skip(before).map(|entry| entry.operation).collect();
    assert!(sent.iter().all(|operation| ["DescribeKey", "ListAliases"].contains(&operation.as_str())), "{sent:?}");
    assert_eq!(bench.found(&key).await.state, State::Enabled, "what only reads goes on");
}
