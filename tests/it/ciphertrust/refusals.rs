//! Who refuses, and what people are told to change.

use keyward::{
    domain::failure::{FailureKind, Outcome},
    kms::{Kms, ciphertrust::CipherTrustKms},
};
use kms_double::{ACCOUNT, CIPHERTRUST_PASSWORD, CIPHERTRUST_USER, CiphertrustUser, Fault, FaultAction};

use super::{Scene, creation, settings};
use crate::support::fixtures::{Destroy as _, ReadKey as _};

#[tokio::test]
async fn aws_s_refusal_is_read_wherever_it_stands() {
    let scene = Scene::new().await;
    let key = scene.key("orders").await.arn;
    scene.kms.schedule(&key, 7).await.unwrap();
    for in_message in [false, true] {
        scene.double.set_ciphertrust_text_in_message(in_message);
        let refused = scene.kms.enable(&key).await.unwrap_err();
        assert_eq!((refused.kind, refused.outcome), (FailureKind::Conflict, Outcome::Refused), "{refused}");
    }
}

/// Days that no KMS has do not pass the guard; Huawei's longest do, and are more than AWS's.
#[tokio::test]
async fn windows_are_sent_as_they_are() {
    let scene = Scene::new().await;
    let key = scene.key("orders").await.arn;
    for days in [31, 1096] {
        let refused = scene.kms.schedule(&key, days).await.unwrap_err();
        assert_eq!((refused.kind, refused.outcome), (FailureKind::Invalid, Outcome::Refused), "{days}: {refused}");
    }
    let sent: Vec<_> = scene.calls("schedule-deletion").iter().map(|entry| entry.params["days"].as_i64()).collect();
    assert_eq!(sent, [Some(31), Some(1096)]);
}

#[tokio::test]
async fn a_key_of_another_account_or_region_is_not_absent() {
    let scene = Scene::new().await;
    scene.key("orders").await;
    for (arn, said) in [
        ("arn:aws:kms:us-east-1:111122223333:key/1", "Region us-east-1"),
        ("arn:aws:kms:eu-west-1:444455556666:key/1", "account 444455556666"),
        ("alias/aws/s3", "AWS's own"),
        ("a/b", "no name of a key"),
    ] {
        let refused = scene.kms.describe(arn).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::Invalid, "{refused}");
        assert!(refused.message.contains(said), "{refused}");
    }
    let elsewhere = scene.with(|settings| settings.region = "us-east-1".into());
    let id = scene.key("invoices").await.id;
    let refused = elsewhere.describe(&id).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Invalid, "{refused}");
}

#[tokio::test]
async fn a_kms_or_region_that_is_not_there_is_a_fault_of_the_settings() {
    let scene = Scene::new().await;
    let key = scene.key("orders").await.arn;
    let unknown = scene.with(|settings| settings.kms = "nowhere".into());
    let by_id = scene.with(|settings| settings.kms = "0b90f8de-8617-498d-ad63-ca18eb717ae7".into());
    let region = scene.with(|settings| settings.region = "eu-north-1".into());
    for (kms, said) in [(unknown, "nowhere"), (by_id, "spec.cipherTrust.kms"), (region, "eu-west-1")] {
        for refused in [kms.identity().await.map(drop), kms.describe(&key).await.map(drop)].map(Result::unwrap_err) {
            assert_eq!(refused.kind, FailureKind::Invalid, "{refused}");
        }
        let refused = kms.identity().await.unwrap_err();
        assert!(refused.message.contains(said), "{refused}");
    }
}

#[tokio::test]
async fn a_kms_is_found_by_its_id_too() {
    let scene = Scene::new().await;
    scene.kms.identity().await.unwrap();
    let before = scene.double.ledger().len();
    scene.kms.identity().await.unwrap();
    let again = scene.double.ledger().split_off(before);
    assert_eq!(again.iter().map(|entry| entry.operation.as_str()).collect::<Vec<_>>(), ["get-kms"], "it is known by now");
    scene.key("orders").await;
    // Keys are made in the KMS by its id.
    let id = scene.calls("create-key")[0].params["kms"].as_str().unwrap().to_owned();
    assert_ne!(id, kms_double::CIPHERTRUST_KMS);
    let by_id = scene.with(|settings| settings.kms = id);
    assert_eq!(by_id.identity().await.unwrap().account, ACCOUNT);
}

/// Nobody calls a key gone before the identity was told again, and that is refused once.
#[tokio::test]
async fn a_kms_that_was_added_anew_is_told_before_its_keys_are_called_gone() {
    let scene = Scene::new().await;
    let key = scene.key("orders").await;
    scene.kms.identity().await.unwrap();
    scene.double.readd_ciphertrust_kms();
    scene.double.ciphertrust_sync();
    assert_eq!(scene.kms.describe(&key.arn).await.unwrap(), None, "it is asked for in the KMS that was");
    let refused = scene.kms.identity().await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Conflict, "{refused}");
    assert!(refused.message.contains("another id"), "{refused}");
    assert_eq!(scene.found(&key.arn).await.arn, key.arn);
    assert_eq!(scene.kms.identity().await.unwrap().account, ACCOUNT);
}

#[tokio::test]
async fn what_the_user_may_not_do_is_denied_and_not_absent() {
    let scene = Scene::new().await;
    let key = scene.key("orders").await.arn;
    let mut user = CiphertrustUser::new(CIPHERTRUST_USER, CIPHERTRUST_PASSWORD, ACCOUNT);
    user.allow = Some(vec!["list-kms".into()]);
    scene.double.put_ciphertrust_user(user);
    for refused in [
        scene.kms.describe(&key).await.map(drop),
        scene.kms.describe("alias/a").await.map(drop),
        scene.kms.schedule(&key, 7).await.map(drop),
        scene.kms.create(&creation("invoices")).await.map(drop),
    ]
    .map(Result::unwrap_err)
    {
        assert_eq!((refused.kind, refused.outcome), (FailureKind::Denied, Outcome::Refused), "{refused}");
        assert!(refused.message.contains("access list"), "{refused}");
    }
}

#[tokio::test]
async fn an_authority_that_is_not_known_is_said() {
    let scene = Scene::new().await;
    let kms = scene.with(|settings| settings.ca_pem = None);
    let refused = kms.identity().await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Unavailable, "{refused}");
    assert!(refused.message.contains("caSecretRef"), "{refused}");
    assert_eq!(scene.double.ledger(), [], "nothing was sent");
}

#[tokio::test]
async fn nothing_is_sent_in_the_clear() {
    let scene = Scene::new().await;
    let mut settings = settings(&scene.double);
    settings.url = settings.url.replace("https", "http");
    let refused = CipherTrustKms::new(settings).unwrap_err();
    assert!(refused.kind == FailureKind::Invalid && refused.message.contains("https"), "{refused}");
}

#[tokio::test]
async fn a_refusal_about_the_alias_leaves_open_whether_there_is_a_key() {
    let scene = Scene::new().await;
    scene.kms.identity().await.unwrap();
    let refused = |code: &str, message: &str| FaultAction::Error { code: code.into(), status: 400, message: message.into() };
    for (fault, kind, outcome) in [
        (refused("AlreadyExistsException", "An alias exists"), FailureKind::AliasTaken, Outcome::Unknown),
        (refused("AccessDeniedException", "User is not authorized to perform: kms:CreateAlias"), FailureKind::Denied, Outcome::Unknown),
        (refused("AccessDeniedException", "User is not authorized to perform: kms:CreateKey"), FailureKind::Denied, Outcome::Refused),
        (refused("LimitExceededException", "too many keys"), FailureKind::Quota, Outcome::Unknown),
    ] {
        scene.double.clear_faults();
        scene.double.inject(Fault::on("create-key", fault));
        let failure = scene.kms.create(&creation("orders")).await.unwrap_err();
        assert_eq!((failure.kind, failure.outcome), (kind, outcome), "{failure}");
    }
}

#[tokio::test]
async fn a_claim_that_is_taken_is_refused_with_its_holder() {
    let scene = Scene::new().await;
    let key = scene.key("orders").await.arn;
    let taken = scene.kms.create(&creation("orders")).await.unwrap_err();
    assert_eq!((taken.kind, taken.outcome), (FailureKind::AliasTaken, Outcome::Refused), "{taken}");
    assert!(taken.message.contains(&key), "{taken}");
    assert_eq!(scene.double.keys().len(), 1);
}

#[tokio::test]
async fn the_tag_of_a_policy_template_stays() {
    let scene = Scene::new().await;
    let key = scene.key("orders").await.arn;
    let tags = [("cckm_policy_template_id", "1"), ("team", "shop")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    scene.kms.tag(&key, &tags.clone().into()).await.unwrap();
    scene.kms.untag(&key, &["cckm_policy_template_id".into()]).await.unwrap();
    assert!(scene.calls("remove-tags").is_empty());
    scene.kms.untag(&key, &["cckm_policy_template_id".into(), "team".into()]).await.unwrap();
    assert_eq!(scene.kms.tags(&key).await.unwrap().into_iter().collect::<Vec<_>>(), [tags[0].clone()]);
}
