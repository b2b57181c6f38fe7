//! Each method, where nothing goes wrong or where the KMS answers with an error.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use keyward::{
    api::managed_key::KeyTemplate,
    domain::{
        failure::{FailureKind, Outcome},
        grant::{NewGrant, terms::Terms},
        observed::{Facets, Key, KeyPolicy, MultiRegion, Rotation, State},
        replica,
    },
    kms::{
        Creation, Grants, Kms, Replication, Scheduled,
        aws::{AwsKms, OPERATIONS},
    },
};
use kms_double::{ACCOUNT, KeyState};

use super::{Bench, REGION, creation, owner, settings, tags};
use crate::support::fixtures::{Destroy as _, ReadKey as _};

fn template(spec: &str, usage: &str) -> KeyTemplate {
    KeyTemplate { spec: spec.into(), usage: usage.into(), ..KeyTemplate::default() }
}

#[tokio::test]
async fn a_created_key_is_as_it_was_asked_for() {
    let bench = Bench::new().await;
    let asked = Creation {
        kind: KeyTemplate::default(),
        description: Some("order signing".into()),
        tags: tags(&[("keyward-cluster", "prod"), ("keyward-owner", "shop.orders"), ("team", "shop")]),
        claim: "alias/keyward/prod/shop/orders".into(),
    };
    let created = bench.kms.create(&asked).await.unwrap();
    assert_eq!(created.kind, asked.kind);
    assert_eq!(created.description.as_deref(), Some("order signing"));
    assert_eq!((created.account.as_str(), created.region.as_str(), created.state), (ACCOUNT, REGION, State::Enabled));
    assert!(created.customer_managed && created.creation_time.is_some() && created.deletion_date.is_none());
    assert_eq!(
        (created.multi_region.as_ref(), created.rotation, &created.tags, &created.aliases),
        (None, None, &Some(asked.tags.clone()), &None)
    );

    let calls = bench.calls("CreateKey");
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].params["Tags"].as_array().unwrap().len(), 3, "marks are on the key from its first moment");
    assert_eq!(bench.kms.tags(&created.arn).await.unwrap(), asked.tags);

    bench.kms.add_alias(&created.arn, "alias/orders").await.unwrap();
    let described = Key { tags: None, ..created.clone() };
    for reference in [&created.id, &created.arn, "alias/orders", &format!("arn:aws:kms:{REGION}:{ACCOUNT}:alias/orders")] {
        assert_eq!(bench.found(reference).await, described, "{reference}");
    }
}

#[tokio::test]
async fn keys_of_every_kind_are_read_back_as_that_kind() {
    let bench = Bench::new().await;
    let kinds = [
        template("RSA_2048", "SIGN_VERIFY"),
        template("HMAC_256", "GENERATE_VERIFY_MAC"),
        KeyTemplate { origin: "EXTERNAL".into(), ..KeyTemplate::default() },
        KeyTemplate { multi_region: true, ..KeyTemplate::default() },
    ];
    for kind in kinds {
        let created = bench.kms.create(&creation(kind.clone())).await.unwrap();
        let found = bench.found(&created.arn).await;
        assert_eq!(found.kind, kind);
        assert_eq!(found.state, if kind.origin == "EXTERNAL" { State::PendingImport } else { State::Enabled });
        assert_eq!(found.multi_region, kind.multi_region.then(|| MultiRegion::Primary(Vec::new())));
    }
    let refused = bench.kms.create(&creation(template("RSA_2048", "GENERATE_VERIFY_MAC"))).await.unwrap_err();
    assert_eq!((refused.kind, refused.outcome), (FailureKind::Invalid, Outcome::Refused), "{refused}");
}

#[tokio::test]
async fn a_key_that_does_not_exist_is_none() {
    let bench = Bench::new().await;
    let id = "11111111-2222-3333-4444-555555555555";
    for reference in [id, &format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{id}"), "alias/nowhere"] {
        assert_eq!(bench.kms.describe(reference).await.unwrap(), None, "{reference}");
    }
    // Only `describe` answers that a key is absent; elsewhere it is a failure.
    let failure = bench.kms.tags(id).await.unwrap_err();
    assert_eq!((failure.kind, failure.outcome), (FailureKind::NotFound, Outcome::Refused), "{failure}");
    let failure = bench.kms.enable(id).await.unwrap_err();
    assert_eq!((failure.kind, failure.outcome), (FailureKind::NotFound, Outcome::Refused), "{failure}");
}

#[tokio::test]
async fn a_malformed_reference_is_invalid() {
    let bench = Bench::new().await;
    for reference in ["arn:aws:kms", "arn:aws:iam::111122223333:role/keyward", &"x".repeat(2049)] {
        let failure = bench.kms.describe(reference).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Invalid, "{reference}: {failure}");
        let named = keyward::text::name(reference);
        assert!(failure.message.starts_with(&format!("AWS does not accept DescribeKey on {named}: ")), "{failure}");
    }
}

#[tokio::test]
async fn tags_and_the_description_are_set_and_removed() {
    let bench = Bench::new().await;
    let key = bench.key().await.arn;
    bench.kms.tag(&key, &tags(&[("team", "shop"), ("tier", "1")])).await.unwrap();
    bench.kms.tag(&key, &tags(&[("tier", "2")])).await.unwrap();
    assert_eq!(bench.kms.tags(&key).await.unwrap(), tags(&[("team", "shop"), ("tier", "2")]));
    for _ in 0..2 {
        bench.kms.untag(&key, &["team".into()]).await.unwrap();
        assert_eq!(bench.kms.tags(&key).await.unwrap(), tags(&[("tier", "2")]));
    }
    bench.kms.set_description(&key, "new").await.unwrap();
    assert_eq!(bench.found(&key).await.description.as_deref(), Some("new"));
    let refused = bench.kms.tag(&key, &tags(&[("aws:x", "1")])).await.unwrap_err();
    assert_eq!((refused.kind, refused.outcome), (FailureKind::Invalid, Outcome::Refused), "{refused}");
}

/// Shows S3.
#[tokio::test]
async fn aliases_come_and_go_and_are_never_moved() {
    let bench = Bench::new().await;
    let (mine, other) = (bench.key().await, bench.key().await);
    for _ in 0..2 {
        bench.kms.add_alias(&mine.arn, "alias/a").await.unwrap();
    }
    bench.kms.add_alias(&mine.arn, "alias/b").await.unwrap();
    let mut aliases = bench.kms.aliases(&mine.arn).await.unwrap();
    aliases.sort_unstable();
    assert_eq!(aliases, ["alias/a", "alias/b"]);
    assert_eq!(bench.kms.aliases(&other.arn).await.unwrap(), Vec::<String>::new());

    let taken = bench.kms.add_alias(&other.arn, "alias/a").await.unwrap_err();
    assert_eq!((taken.kind, taken.outcome), (FailureKind::AliasTaken, Outcome::Refused));
    assert!(taken.message.contains("alias/a") && taken.message.contains(&mine.arn), "{taken}");
    assert_eq!(bench.found("alias/a").await.id, mine.id);

    for _ in 0..2 {
        bench.kms.remove_alias(&mine.id, "alias/a").await.unwrap();
    }
    assert_eq!(bench.kms.aliases(&mine.arn).await.unwrap(), ["alias/b"]);
    let invalid = bench.kms.add_alias(&mine.arn, "alias/a b").await.unwrap_err();
    assert_eq!((invalid.kind, invalid.outcome), (FailureKind::Invalid, Outcome::Refused), "{invalid}");
}

#[tokio::test]
async fn a_key_is_switched_on_and_off() {
    let bench = Bench::new().await;
    let key = bench.key().await.arn;
    for _ in 0..2 {
        bench.kms.disable(&key).await.unwrap();
        assert_eq!(bench.found(&key).await.state, State::Disabled);
    }
    for _ in 0..2 {
        bench.kms.enable(&key).await.unwrap();
        assert_eq!(bench.found(&key).await.state, State::Enabled);
    }
}

#[tokio::test]
async fn rotation_has_the_period_that_was_given() {
    let bench = Bench::new().await;
    let key = bench.key().await.arn;
    assert_eq!(bench.kms.rotation(&key).await.unwrap(), Rotation::default());
    for days in [90, 2560] {
        bench.kms.start_rotation(&key, days).await.unwrap();
        let rotation = bench.kms.rotation(&key).await.unwrap();
        assert_eq!((rotation.enabled, rotation.period_days), (true, Some(days)));
        assert_eq!(rotation.next.unwrap().subsec_nanosecond(), 0, "times have whole seconds");
    }
    let outside = bench.kms.start_rotation(&key, 89).await.unwrap_err();
    assert_eq!((outside.kind, outside.outcome), (FailureKind::Invalid, Outcome::Refused), "{outside}");
    bench.kms.stop_rotation(&key).await.unwrap();
    assert!(!bench.kms.rotation(&key).await.unwrap().enabled);

    bench.kms.disable(&key).await.unwrap();
    let disabled = bench.kms.start_rotation(&key, 365).await.unwrap_err();
    assert_eq!((disabled.kind, disabled.outcome), (FailureKind::Conflict, Outcome::Refused), "{disabled}");

    let rsa = bench.kms.create(&creation(template("RSA_2048", "SIGN_VERIFY"))).await.unwrap().arn;
    assert_eq!(bench.kms.rotation(&rsa).await.unwrap(), Rotation::default(), "what AWS cannot rotate is not rotated");
    let refused = bench.kms.start_rotation(&rsa, 365).await.unwrap_err();
    assert_eq!((refused.kind, refused.outcome), (FailureKind::Invalid, Outcome::Refused), "{refused}");
}

#[tokio::test]
async fn a_deletion_is_scheduled_once_and_cancelled_once() {
    let bench = Bench::new().await;
    let key = bench.key().await.arn;
    let scheduled = bench.kms.schedule(&key, 7).await.unwrap();
    assert_eq!(scheduled.state, State::PendingDeletion);
    let found = bench.found(&key).await;
    assert_eq!((found.state, found.deletion_date), (scheduled.state, scheduled.deletion_date));
    let distance = scheduled.deletion_date.unwrap().duration_since(bench.double.now());
    assert!((distance - SignedDuration::from_hours(7 * 24)).abs() < SignedDuration::from_mins(5), "{distance:?}");

    // The window of a schedule that stands does not change, and the answer says so.
    assert_eq!(bench.kms.schedule(&key, 30).await.unwrap(), scheduled);
    assert_eq!(bench.calls("ScheduleKeyDeletion").iter().filter(|entry| entry.took_effect).count(), 1);
    let pending = bench.kms.tag(&key, &tags(&[("a", "b")])).await.unwrap_err();
    assert_eq!((pending.kind, pending.outcome), (FailureKind::Conflict, Outcome::Refused), "{pending}");

    for _ in 0..2 {
        bench.kms.cancel_deletion(&key).await.unwrap();
        assert_eq!(bench.found(&key).await.state, State::Disabled);
    }
    assert_eq!(bench.found(&key).await.deletion_date, None);

    bench.kms.schedule(&key, 7).await.unwrap();
    bench.double.advance(SignedDuration::from_hours(8 * 24)).unwrap();
    assert_eq!(bench.kms.describe(&key).await.unwrap(), None);
    let gone = bench.kms.cancel_deletion(&key).await.unwrap_err();
    assert_eq!(gone.kind, FailureKind::NotFound, "{gone}");
}

const ABROAD: &str = "us-east-1";

/// The KMS of another Region.
fn kms_in(bench: &Bench, region: &str) -> AwsKms {
    let mut settings = settings(&bench.double.endpoint());
    settings.region = region.into();
    AwsKms::new(settings).unwrap()
}

#[tokio::test]
async fn a_replica_and_its_primary_know_each_other() {
    let bench = Bench::new().await;
    let primary = bench.kms.create(&creation(KeyTemplate { multi_region: true, ..KeyTemplate::default() })).await.unwrap();
    let abroad = kms_in(&bench, ABROAD);
    assert_eq!(abroad.describe(&primary.id).await.unwrap(), None, "the id is that of every Region, but there is no replica yet");

    replicate(&bench, &primary.arn, ABROAD).await;
    let replica = abroad.describe(&primary.id).await.unwrap().unwrap();
    assert_eq!((replica.id.as_str(), replica.region.as_str()), (primary.id.as_str(), ABROAD));
    assert_eq!(replica.multi_region, Some(MultiRegion::Replica(primary.arn.clone())));
    assert_eq!(bench.found(&primary.id).await.multi_region, Some(MultiRegion::Primary(vec![replica.arn])));

    let scheduled = bench.kms.schedule(&primary.arn, 7).await.unwrap();
    assert_eq!(scheduled, Scheduled { state: State::PendingReplicaDeletion, deletion_date: None });
    assert_eq!(bench.kms.schedule(&primary.arn, 7).await.unwrap(), scheduled);
    bench.kms.cancel_deletion(&primary.arn).await.unwrap();
    assert_eq!(bench.found(&primary.arn).await.state, State::Disabled);
}

/// A person makes a replica, with tools of their own.
async fn replicate(bench: &Bench, key: &str, region: &str) {
    use aws_sdk_kms::config::{BehaviorVersion, Credentials, Region};
    let config = aws_sdk_kms::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(bench.double.endpoint())
        .region(Region::from_static(REGION))
        .credentials_provider(Credentials::new(kms_double::ACCESS_KEY, kms_double::SECRET_KEY, None, None, "a person"))
        .build();
    aws_sdk_kms::Client::from_conf(config).replicate_key().key_id(key).replica_region(region).send().await.unwrap();
}

/// Days that no KMS has do not pass the guard; Huawei's longest do, and are more than AWS's.
///
/// Shows S6.
#[tokio::test]
async fn windows_are_sent_as_they_are() {
    let bench = Bench::new().await;
    let key = bench.key().await.arn;
    for days in [31, 1096] {
        let refused = bench.kms.schedule(&key, days).await.unwrap_err();
        assert_eq!((refused.kind, refused.outcome), (FailureKind::Invalid, Outcome::Refused), "{days}: {refused}");
    }
    let sent: Vec<_> = bench.calls("ScheduleKeyDeletion").iter().map(|entry| entry.params["PendingWindowInDays"].as_i64()).collect();
    assert_eq!(sent, [Some(31), Some(1096)]);
    assert_eq!(bench.found(&key).await.state, State::Enabled);
}

#[tokio::test]
async fn a_state_that_allows_no_schedule_is_a_conflict() {
    let bench = Bench::new().await;
    let key = bench.key().await.arn;
    bench.double.set_state(&key, KeyState::Updating).unwrap();
    let failure = bench.kms.schedule(&key, 7).await.unwrap_err();
    assert_eq!((failure.kind, failure.outcome), (FailureKind::Conflict, Outcome::Refused), "{failure}");
}

#[tokio::test]
async fn the_port_calls_what_is_listed_and_no_more() {
    let bench = Bench::with(|settings| settings.role_arn = Some(format!("arn:aws:iam::{ACCOUNT}:role/keyward"))).await;
    let kms = &bench.kms;
    kms.identity().await.unwrap();
    let key = bench.key().await.arn;
    kms.describe(&key).await.unwrap();
    kms.tags(&key).await.unwrap();
    kms.rotation(&key).await.unwrap();
    kms.rotations(&key).await.unwrap();
    kms.last_use(&key).await.unwrap();
    kms.aliases(&key).await.unwrap();
    kms.find_marked(&owner("orders")).await.unwrap();
    kms.add_alias(&key, "alias/a").await.unwrap();
    let other = bench.key().await.arn;
    kms.move_alias(&other, "alias/a", &key).await.unwrap();
    kms.remove_alias(&other, "alias/a").await.unwrap();
    kms.tag(&key, &tags(&[("a", "b")])).await.unwrap();
    kms.untag(&key, &["a".into()]).await.unwrap();
    kms.set_description(&key, "new").await.unwrap();
    kms.start_rotation(&key, 365).await.unwrap();
    kms.stop_rotation(&key).await.unwrap();
    kms.rotate_on_demand(&key).await.unwrap();
    let Some(KeyPolicy::Text(policy)) = kms.read(&key, Facets::POLICY).await.unwrap().unwrap().key.policy else {
        panic!("a key of AWS has a policy")
    };
    kms.set_policy(&key, &policy).await.unwrap();
    let terms = Terms {
        grantee: format!("arn:aws:iam::{ACCOUNT}:role/reader"),
        retiring: None,
        operations: ["Decrypt".to_owned()].into(),
        context_equals: BTreeMap::new(),
        context_subset: BTreeMap::new(),
    };
    let grant = kms.create_grant(&key, &NewGrant { name: "keyward/prod/u1/a".into(), terms }).await.unwrap();
    assert_eq!(kms.grants(&key).await.unwrap().unwrap().len(), 1);
    kms.revoke_grant(&key, &grant).await.unwrap();
    let primary = kms.create(&creation(KeyTemplate { multi_region: true, ..KeyTemplate::default() })).await.unwrap();
    let replica = Replication {
        replica: replica::arn_in(&primary.arn, ABROAD).unwrap(),
        primary: primary.arn.clone(),
        region: ABROAD.into(),
        kind: primary.kind.clone(),
        description: None,
        tags: tags(&[]),
        policy: None,
    };
    kms.replicate(&replica).await.unwrap();
    // The replica is made after a while.
    bench.double.advance(SignedDuration::from_secs(10)).unwrap();
    kms.move_primary(&primary.arn, ABROAD).await.unwrap();
    kms.disable(&key).await.unwrap();
    kms.enable(&key).await.unwrap();
    kms.schedule(&key, 7).await.unwrap();
    kms.cancel_deletion(&key).await.unwrap();
    let ledger = bench.double.ledger();
    let calls = ledger.iter().filter(|entry| entry.access_key.is_some());
    let called: BTreeSet<_> = calls.map(|entry| format!("{}:{}", entry.service, entry.operation)).collect();
    assert_eq!(called, OPERATIONS.iter().map(ToString::to_string).collect());
}
