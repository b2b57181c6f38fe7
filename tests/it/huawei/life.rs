//! Keys of Huawei: their states, their names, their rotation.

use keyward::{
    domain::{
        failure::{FailureKind, Outcome},
        observed::{Rotation, State},
    },
    kms::Kms,
};
use kms_double::{HUAWEI_PROJECT, HUAWEI_REGION, KeyState, Manager, Plant};

use super::{Bench, creation, tags};
use crate::support::fixtures::{Destroy as _, ReadKey as _};

#[tokio::test]
async fn a_key_bears_its_claim_as_its_own_name_from_its_first_moment() {
    let bench = Bench::new().await;
    let key = bench.key("orders").await;
    assert_eq!((&key.tags, &key.aliases), (&None, &Some(vec!["alias/keyward/prod/shop/orders".to_owned()])));
    assert_eq!(bench.double.ledger().iter().filter(|entry| entry.changed).count(), 1, "one request makes both");
    assert_eq!(bench.found("alias/keyward/prod/shop/orders").await.arn, key.arn);
}

#[tokio::test]
async fn a_claim_that_is_taken_names_the_key_that_has_it() {
    let bench = Bench::new().await;
    let key = bench.key("orders").await;
    for pending in [false, true] {
        if pending {
            bench.kms.schedule(&key.arn, 7).await.unwrap();
        }
        let taken = bench.kms.create(&creation("orders")).await.unwrap_err();
        assert_eq!((taken.kind, taken.outcome), (FailureKind::AliasTaken, Outcome::Refused), "{taken}");
        assert!(taken.message.contains(&key.arn), "{taken}");
    }
    assert_eq!(bench.double.keys().len(), 1);
}

#[tokio::test]
async fn a_description_and_a_kind_are_made_with_the_key() {
    let bench = Bench::new().await;
    let mut asked = creation("orders");
    asked.kind.spec = "RSA_2048".into();
    asked.kind.usage = "SIGN_VERIFY".into();
    asked.description = Some("密钥 é".into());
    let key = bench.kms.create(&asked).await.unwrap();
    assert_eq!((&key.kind, key.description.as_deref()), (&asked.kind, Some("密钥 é")));
    asked.kind.multi_region = true;
    assert_eq!(bench.kms.create(&asked).await.unwrap_err().kind, FailureKind::Invalid);
}

#[tokio::test]
async fn an_imported_key_waits_for_its_material() {
    let bench = Bench::new().await;
    let mut asked = creation("orders");
    asked.kind.origin = "external".into();
    let key = bench.kms.create(&asked).await.unwrap();
    assert_eq!(key.state, State::PendingImport);
    assert_eq!(bench.kms.enable(&key.arn).await.unwrap_err().kind, FailureKind::Conflict);
    bench.kms.schedule(&key.arn, 7).await.unwrap();
    bench.kms.cancel_deletion(&key.arn).await.unwrap();
    assert_eq!(bench.found(&key.arn).await.state, State::PendingImport);
    assert_eq!(bench.kms.rotation(&key.arn).await.unwrap(), Rotation::default());
}

#[tokio::test]
async fn a_default_key_is_huawei_s_own() {
    let bench = Bench::new().await;
    let mut plant = Plant::new(HUAWEI_PROJECT, HUAWEI_REGION);
    plant.manager = Manager::Aws;
    plant.alias = Some("evs/default".into());
    let id = bench.double.plant(&plant).unwrap().id;
    assert!(!bench.found("alias/evs/default").await.customer_managed);
    let refused = bench.kms.schedule(&id, 7).await.unwrap_err();
    assert_eq!((refused.kind, refused.outcome), (FailureKind::Invalid, Outcome::Refused));
    assert!(refused.message.contains("default key"), "{refused}");
}

#[tokio::test]
async fn a_frozen_key_is_read_and_says_what_thaws_it() {
    let bench = Bench::new().await;
    let key = bench.key("orders").await;
    bench.double.set_state(&key.id, KeyState::Unavailable).unwrap();
    assert_eq!(bench.found(&key.arn).await.state, State::Unavailable);
    let refused = bench.kms.schedule(&key.arn, 7).await.unwrap_err();
    assert_eq!((refused.kind, refused.outcome), (FailureKind::Denied, Outcome::Refused));
    assert!(refused.message.contains("pay"), "{refused}");
}

#[tokio::test]
async fn the_days_are_sent_as_a_text() {
    let bench = Bench::new().await;
    let key = bench.key("orders").await;
    bench.kms.schedule(&key.arn, 1096).await.unwrap();
    let sent = &bench.calls("schedule-key-deletion")[0].params;
    assert_eq!(sent["pending_days"], "1096", "{sent}");
}

#[tokio::test]
async fn rotation_sends_no_more_than_it_needs() {
    let bench = Bench::new().await;
    let key = bench.key("orders").await.arn;
    for (days, sent) in [(365, vec!["enable-key-rotation"]), (365, vec![]), (90, vec!["update-key-rotation-interval"]), (90, vec![])] {
        let before = bench.double.ledger().len();
        bench.kms.start_rotation(&key, days).await.unwrap();
        let mut called = bench.called_after(before);
        called.retain(|operation| operation != "get-key-rotation-status");
        assert_eq!(called, sent, "{days}");
        assert_eq!(bench.kms.rotation(&key).await.unwrap(), Rotation { enabled: true, period_days: Some(days), ..Rotation::default() });
    }
    assert_eq!(bench.calls("update-key-rotation-interval")[0].params["rotation_interval"], 90);
}

#[tokio::test]
async fn a_period_that_is_not_accepted_leaves_rotation_off() {
    let bench = Bench::new().await;
    let key = bench.key("orders").await.arn;
    assert_eq!(bench.kms.start_rotation(&key, 366).await.unwrap_err().kind, FailureKind::Invalid);
    assert_eq!(bench.kms.rotation(&key).await.unwrap(), Rotation::default());
    assert_eq!(bench.calls("enable-key-rotation").len(), 0);
}

#[tokio::test]
async fn a_disabled_key_keeps_its_rotation_and_takes_no_other() {
    let bench = Bench::new().await;
    let key = bench.key("orders").await.arn;
    bench.kms.start_rotation(&key, 90).await.unwrap();
    bench.kms.disable(&key).await.unwrap();
    assert_eq!(bench.kms.rotation(&key).await.unwrap().period_days, Some(90));
    for refused in [bench.kms.start_rotation(&key, 100).await.unwrap_err(), bench.kms.stop_rotation(&key).await.unwrap_err()] {
        assert_eq!((refused.kind, refused.outcome), (FailureKind::Conflict, Outcome::Refused), "{refused}");
    }
}

#[tokio::test]
async fn the_own_name_of_a_key_is_its_first_alias_and_stays() {
    let bench = Bench::new().await;
    let (key, other) = (bench.key("orders").await, bench.key("invoices").await);
    let own = "alias/keyward/prod/shop/orders";
    bench.kms.add_alias(&key.arn, "alias/a").await.unwrap();
    assert_eq!(bench.kms.aliases(&key.arn).await.unwrap(), [own, "alias/a"]);
    bench.kms.add_alias(&key.arn, own).await.unwrap();
    let kept = bench.kms.remove_alias(&key.arn, own).await.unwrap_err();
    assert_eq!((kept.kind, kept.outcome), (FailureKind::Invalid, Outcome::Refused), "{kept}");
    let taken = bench.kms.add_alias(&other.arn, own).await.unwrap_err();
    assert_eq!(taken.kind, FailureKind::AliasTaken, "{taken}");
    assert!(taken.message.contains(&key.arn), "{taken}");
    bench.kms.remove_alias(&other.arn, "alias/a").await.unwrap();
    assert_eq!(bench.kms.aliases(&key.arn).await.unwrap(), [own, "alias/a"], "only the key itself loses its alias");
}

#[tokio::test]
async fn only_tags_that_are_there_are_removed() {
    let bench = Bench::new().await;
    let key = bench.key("orders").await.arn;
    bench.kms.tag(&key, &tags(&[("team", "shop"), ("tier", "1")])).await.unwrap();
    bench.kms.untag(&key, &["team".into(), "never".into()]).await.unwrap();
    let sent = bench.calls("batch-tags").pop().unwrap().params;
    assert_eq!(sent["tags"], serde_json::json!([{ "key": "team", "value": "shop" }]));
    assert_eq!(bench.kms.tags(&key).await.unwrap(), tags(&[("tier", "1")]));
}

#[tokio::test]
async fn a_reference_that_names_no_key_here_is_refused_without_a_request() {
    let bench = Bench::new().await;
    let key = bench.key("orders").await;
    let before = bench.double.ledger().len();
    let elsewhere = key.arn.replace(HUAWEI_REGION, "cn-north-4");
    for (reference, said) in [
        (elsewhere.as_str(), "works in"),
        ("0D0466B0-e727-4d9c-b35d-f84bb474a37f", "lower case"),
        ("orders", "write the id"),
        ("arn:aws:kms:eu-west-1:111122223333:key/1234", "write the id"),
        ("alias/a b", "letters"),
    ] {
        for failure in [bench.kms.describe(reference).await.unwrap_err(), bench.kms.schedule(reference, 7).await.unwrap_err()] {
            assert_eq!((failure.kind, failure.outcome), (FailureKind::Invalid, Outcome::Refused), "{failure}");
            assert!(failure.message.contains(said), "{failure}");
        }
    }
    assert_eq!(bench.kms.enable("alias/orders").await.unwrap_err().kind, FailureKind::Invalid);
    assert_eq!(bench.double.ledger().len(), before);
}

#[tokio::test]
async fn another_account_s_name_for_a_key_is_not_its_name() {
    let bench = Bench::new().await;
    let key = bench.key("orders").await;
    let wrong = format!("kms:{HUAWEI_REGION}:another:KeyId:{}", key.id);
    let failure = bench.kms.describe(&wrong).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Invalid, "{failure}");
    assert!(failure.message.contains(&key.arn), "{failure}");
}

#[tokio::test]
async fn keys_of_every_spec_are_found_by_their_name() {
    let bench = Bench::new().await;
    let mut asked = creation("signing");
    asked.kind.spec = "EC_P256".into();
    asked.kind.usage = "SIGN_VERIFY".into();
    let key = bench.kms.create(&asked).await.unwrap();
    assert_eq!(bench.found(&asked.claim).await.id, key.id);
}
