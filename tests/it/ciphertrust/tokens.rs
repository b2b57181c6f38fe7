//! Tokens: one for all, renewed when it ends, and never asked for again and again.

use futures::future::join_all;
use jiff::SignedDuration;
use keyward::{domain::failure::FailureKind, kms::Kms};
use kms_double::{Fault, FaultAction};

use super::Scene;
use crate::support::fixtures::ReadKey as _;

#[tokio::test]
async fn many_calls_at_once_log_in_once() {
    let scene = Scene::new().await;
    let key = scene.key("orders").await.arn;
    let kms = scene.with(|_| {});
    let logins = scene.calls("login").len();
    let reads = join_all((0..20).map(|_| kms.describe(&key))).await;
    assert!(reads.into_iter().all(|read| read.unwrap().is_some()));
    assert_eq!(scene.calls("login").len(), logins + 1);
}

#[tokio::test]
async fn a_token_that_has_expired_is_renewed_with_its_refresh_token() {
    let scene = Scene::new().await;
    let key = scene.key("orders").await.arn;
    scene.double.advance(SignedDuration::from_mins(6)).unwrap();
    scene.found(&key).await;
    let logins = scene.calls("login");
    assert_eq!(logins.len(), 2);
    assert!(logins[1].params.to_string().contains("refresh_token") && logins[1].succeeded(), "{:?}", logins[1]);
}

#[tokio::test]
async fn where_no_token_is_left_the_password_is_used() {
    let scene = Scene::new().await;
    let key = scene.key("orders").await.arn;
    scene.double.kill_ciphertrust_tokens();
    let reads = join_all((0..5).map(|_| scene.kms.describe(&key))).await;
    assert!(reads.into_iter().all(|read| read.unwrap().is_some()));
    let logins = scene.calls("login");
    assert_eq!(logins.iter().map(kms_double::Entry::succeeded).collect::<Vec<_>>(), [true, false, true]);
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_and_said() {
    let scene = Scene::new().await;
    let kms = scene.with(|settings| settings.password = "guessed".into());
    let reads = join_all((0..5).map(|_| kms.describe("alias/a"))).await;
    for refused in reads.into_iter().map(Result::unwrap_err) {
        assert_eq!(refused.kind, FailureKind::Credentials, "{refused}");
        assert!(refused.message.contains("password") && refused.message.contains("credentialsSecretRef"), "{refused}");
        assert!(!refused.message.contains("guessed"), "{refused}");
    }
    assert_eq!(scene.calls("login").len(), 1);
}

#[tokio::test]
async fn a_server_that_takes_none_of_its_tokens_is_not_asked_for_one_at_each_call() {
    let scene = Scene::new().await;
    let refusal = FaultAction::Error { code: "NCERRUnauthorized".into(), status: 401, message: "invalid token".into() };
    scene.double.inject(Fault::on("list-kms", refusal));
    for _ in 0..5 {
        let refused = scene.kms.identity().await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::Credentials, "{refused}");
    }
    assert_eq!((scene.calls("list-kms").len(), scene.calls("login").len()), (5, 1));
    scene.double.clear_faults();
    scene.kms.identity().await.unwrap();
}

#[tokio::test]
async fn a_domain_that_is_not_known_is_said() {
    let scene = Scene::new().await;
    let kms = scene.with(|settings| settings.domain = Some("nowhere".into()));
    let refused = kms.identity().await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Credentials, "{refused}");
    assert!(refused.message.contains("spec.cipherTrust.domain"), "{refused}");
}

#[tokio::test]
async fn each_domain_has_its_own_keys() {
    let scene = Scene::new().await;
    let key = scene.key("orders").await.arn;
    let tenant = scene.with(|settings| settings.domain = Some(kms_double::CIPHERTRUST_DOMAIN.into()));
    assert_eq!(tenant.describe(&key).await.unwrap(), None, "it is not synchronised there");
    assert!(tenant.identity().await.unwrap().principal.contains(kms_double::CIPHERTRUST_DOMAIN));
}
