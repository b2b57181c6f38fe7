//! Who calls: signatures, tokens, projects and rights.

use futures::future::join_all;
use jiff::SignedDuration;
use keyward::{
    domain::failure::{FailureKind, Outcome},
    kms::Kms,
};
use kms_double::{
    Fault, FaultAction, HUAWEI_ACCESS_KEY, HUAWEI_DOMAIN_NAME, HUAWEI_PASSWORD, HUAWEI_PROJECT, HUAWEI_SECOND_PROJECT, HUAWEI_SECRET_KEY,
    HUAWEI_USER, HuaweiCredential, HuaweiUser,
};

use super::{Bench, keys, password};
use crate::support::fixtures::{Destroy as _, ReadKey as _};

#[tokio::test]
async fn a_temporary_key_signs_its_token_too() {
    let bench = Bench::with(|settings| settings.credentials = keys("TEMPORARY", "temporary-secret", Some("temporary-token"))).await;
    let credential = HuaweiCredential {
        security_token: Some("temporary-token".into()),
        ..HuaweiCredential::new("TEMPORARY", "temporary-secret", HUAWEI_PROJECT)
    };
    bench.double.add_huawei_credential(credential);
    let identity = bench.kms.identity().await.unwrap();
    assert_eq!((identity.account.as_str(), identity.principal.as_str()), (HUAWEI_PROJECT, "access key TEMPORARY"));
}

#[tokio::test]
async fn another_project_is_never_taken_for_absence() {
    for credentials in [keys(HUAWEI_ACCESS_KEY, HUAWEI_SECRET_KEY, None), password(HUAWEI_PASSWORD)] {
        let bench = Bench::with(|settings| {
            settings.project_id = HUAWEI_SECOND_PROJECT.into();
            settings.credentials = credentials;
        })
        .await;
        let id = "11111111-2222-3333-4444-555555555555";
        for failure in [bench.kms.identity().await.unwrap_err(), bench.kms.describe(id).await.unwrap_err()] {
            assert!(matches!(failure.kind, FailureKind::WrongAccount | FailureKind::Credentials), "{failure}");
            assert!(failure.message.contains("project"), "{failure}");
        }
    }
}

#[tokio::test]
async fn what_is_denied_says_which_action_is_missing() {
    let bench = Bench::new().await;
    let key = bench.key("orders").await.arn;
    let allow = Some(vec!["describe-key".to_owned()]);
    bench
        .double
        .add_huawei_credential(HuaweiCredential { allow, ..HuaweiCredential::new(HUAWEI_ACCESS_KEY, HUAWEI_SECRET_KEY, HUAWEI_PROJECT) });
    let denied = bench.kms.schedule(&key, 7).await.unwrap_err();
    assert_eq!((denied.kind, denied.outcome), (FailureKind::Denied, Outcome::Refused), "{denied}");
    assert!(denied.message.contains("kms:cmk:update") && denied.message.contains("KMS CMKFullAccess"), "{denied}");
}

#[tokio::test]
async fn an_access_key_that_is_not_known_says_what_to_correct() {
    let bench = Bench::with(|settings| settings.credentials = keys("NOBODY", "guessed", None)).await;
    let failure = bench.kms.identity().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Credentials, "{failure}");
    assert!(failure.message.contains("accessKey") && failure.message.contains("clock"), "{failure}");
    assert_eq!(bench.double.ledger().len(), 1, "the same key is not tried again");
}

#[tokio::test]
async fn one_login_is_enough_for_all() {
    let bench = Bench::with_password().await;
    let answers = join_all((0..20).map(|_| bench.kms.identity())).await;
    for answer in answers {
        assert_eq!(answer.unwrap().principal, format!("user {HUAWEI_USER}"));
    }
    assert_eq!(bench.calls("create-token").len(), 1);
}

#[tokio::test]
async fn a_token_that_ended_is_renewed_once() {
    let bench = Bench::with_password().await;
    let key = bench.key("orders").await.arn;
    bench.double.advance(SignedDuration::from_hours(25)).unwrap();
    bench.kms.disable(&key).await.unwrap();
    assert_eq!(bench.calls("create-token").len(), 2);
}

#[tokio::test]
async fn a_creation_is_sent_again_with_another_token_as_the_first_was_not_carried_out() {
    let bench = Bench::with_password().await;
    bench.kms.identity().await.unwrap();
    // A change to a user's rights ends the user's tokens.
    bench.double.add_huawei_user(HuaweiUser::new(HUAWEI_DOMAIN_NAME, HUAWEI_USER, HUAWEI_PASSWORD));
    bench.key("orders").await;
    assert_eq!((bench.calls("create-key").len(), bench.calls("create-token").len(), bench.double.keys().len()), (2, 2, 1));
}

#[tokio::test]
async fn many_who_are_refused_at_once_renew_once() {
    let bench = Bench::with_password().await;
    bench.kms.identity().await.unwrap();
    bench.double.add_huawei_user(HuaweiUser::new(HUAWEI_DOMAIN_NAME, HUAWEI_USER, HUAWEI_PASSWORD));
    for answer in join_all((0..20).map(|_| bench.kms.identity())).await {
        answer.unwrap();
    }
    assert_eq!(bench.calls("create-token").len(), 2);
}

#[tokio::test]
async fn a_wrong_password_is_not_tried_again_and_again() {
    let bench = Bench::with(|settings| settings.credentials = password("guessed")).await;
    let mut said = Vec::new();
    for failure in join_all((0..5).map(|_| bench.kms.identity())).await {
        let failure = failure.unwrap_err();
        assert_eq!((failure.kind, failure.outcome), (FailureKind::Credentials, Outcome::Refused), "{failure}");
        assert!(failure.message.contains("password") && !failure.message.contains("guessed"), "{failure}");
        said.push(failure.message);
    }
    said.dedup();
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(bench.calls("create-token").len(), 1, "IAM locks out whoever is wrong too often");
}

#[tokio::test]
async fn a_token_that_stays_refused_is_told_and_ends() {
    let bench = Bench::with_password().await;
    let refusal = FaultAction::Error { code: "KMS.0303".into(), status: 403, message: "expired".into() };
    bench.double.inject(Fault::on("user-quotas", refusal));
    let failure = bench.kms.identity().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Expired, "{failure}");
    assert_eq!((bench.calls("user-quotas").len(), bench.calls("create-token").len()), (2, 2));
    for _ in 0..3 {
        assert_eq!(bench.kms.identity().await.unwrap_err().message, failure.message);
    }
    assert_eq!(bench.calls("create-token").len(), 2, "another token would be refused as well");
}

#[tokio::test]
async fn an_iam_that_fails_is_no_wrong_password() {
    let bench = Bench::with_password().await;
    bench.double.inject(Fault::on("create-token", FaultAction::Error { code: "503".into(), status: 503, message: String::new() }));
    let failure = bench.kms.disable("11111111-2222-3333-4444-555555555555").await.unwrap_err();
    assert_eq!((failure.kind, failure.outcome), (FailureKind::Unavailable, Outcome::Refused), "{failure}");
    bench.double.clear_faults();
    bench.kms.identity().await.unwrap();
}
