//! Grants: what Keyward rests on, on each KMS that has them. A KMS without them refuses and is sent nothing.

use keyward::{
    api::key_provider::ProviderType,
    domain::{
        failure::{FailureKind, Outcome},
        grant::{NewGrant, Terms},
    },
    kms::Grants,
};
use kms_double::{FaultAction, GrantTerms};

use super::bench::Bench;

/// Who gets access, as that KMS names users, and two of its operations.
fn words(bench: &Bench) -> (&'static str, [&'static str; 2]) {
    match bench.ways.provider {
        ProviderType::Aws | ProviderType::CipherTrust => ("arn:aws:iam::111122223333:role/reader", ["Decrypt", "DescribeKey"]),
        ProviderType::Huawei => ("0d0466b00d0466b00d0466b00d0466b0", ["decrypt-data", "describe-key"]),
    }
}

pub(super) fn grant(bench: &Bench, name: &str) -> NewGrant {
    let (grantee, operations) = words(bench);
    let operations = operations.map(str::to_owned).into();
    let terms = Terms { grantee: grantee.into(), retiring: Some(grantee.into()), operations, ..Terms::default() };
    NewGrant { name: format!("keyward/prod/uid/{name}"), terms }
}

/// Grants of somebody else, with that name or without one.
fn plant(bench: &Bench, key: &str, name: Option<&str>, count: usize) {
    let (grantee, [operation, _]) = words(bench);
    let name = name.map(str::to_owned);
    let terms = GrantTerms { name, grantee: grantee.into(), operations: vec![operation.into()], ..GrantTerms::default() };
    bench.double.plant_grants(key, &terms, count).unwrap();
}

/// Whether the KMS has no grants. Then every call is refused, and nothing is sent.
async fn has_none(bench: &Bench, key: &str) -> bool {
    if bench.ways.limits().grants {
        return false;
    }
    let sent = bench.double.ledger().len();
    let refused = [
        bench.kms.grants(key).await.map(drop).unwrap_err(),
        bench.kms.create_grant(key, &grant(bench, "a")).await.map(drop).unwrap_err(),
        bench.kms.revoke_grant(key, "a").await.unwrap_err(),
    ];
    for failure in refused {
        assert_eq!((failure.kind, failure.outcome), (FailureKind::Invalid, Outcome::Refused), "{failure}");
        assert!(failure.message.contains(key), "{failure}");
    }
    assert_eq!(bench.double.ledger().len(), sent);
    true
}

pub async fn a_grant_is_made_as_asked_for_and_listed(bench: Bench) {
    let key = bench.key("orders").await.arn;
    if has_none(&bench, &key).await {
        return;
    }
    let wanted = grant(&bench, "a");
    let id = bench.kms.create_grant(&key, &wanted).await.unwrap();
    let listed = bench.kms.grants(&key).await.unwrap().unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0].id, &listed[0].name, &listed[0].terms), (&id, &wanted.name, &wanted.terms));
}

pub async fn the_same_grant_again_is_one_grant(bench: Bench) {
    let key = bench.key("orders").await.arn;
    if has_none(&bench, &key).await {
        return;
    }
    let first = bench.kms.create_grant(&key, &grant(&bench, "a")).await.unwrap();
    assert_eq!(bench.kms.create_grant(&key, &grant(&bench, "a")).await.unwrap(), first);
    assert_ne!(bench.kms.create_grant(&key, &grant(&bench, "b")).await.unwrap(), first, "another name is another grant");
    assert_eq!(bench.double.grants(&key).unwrap().len(), 2);
}

pub async fn a_grant_is_revoked_and_revoked_again(bench: Bench) {
    let key = bench.key("orders").await.arn;
    if has_none(&bench, &key).await {
        return;
    }
    let id = bench.kms.create_grant(&key, &grant(&bench, "a")).await.unwrap();
    for _ in 0..2 {
        bench.kms.revoke_grant(&key, &id).await.unwrap();
        assert_eq!(bench.kms.grants(&key).await.unwrap(), Some(Vec::new()));
    }
}

pub async fn grants_with_a_name_are_found_on_every_page(bench: Bench) {
    let key = bench.key("orders").await.arn;
    if has_none(&bench, &key).await {
        return;
    }
    let id = bench.kms.create_grant(&key, &grant(&bench, "a")).await.unwrap();
    plant(&bench, &key, Some("theirs"), 60);
    plant(&bench, &key, None, 60);
    let listed = bench.kms.grants(&key).await.unwrap().unwrap();
    assert_eq!(listed.len(), 61, "those without a name are left out");
    assert!(listed.iter().any(|grant| grant.id == id));
}

pub async fn a_key_that_is_not_there_has_no_list_of_grants(bench: Bench) {
    let key = bench.key("orders").await.arn;
    if has_none(&bench, &key).await {
        return;
    }
    for absent in bench.ways.absent {
        assert_eq!(bench.kms.grants(absent).await.unwrap(), None, "{absent}");
        let failure = bench.kms.revoke_grant(absent, &"0".repeat(64)).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::NotFound, "{failure}");
    }
}

pub async fn a_grant_whose_reply_is_lost_is_made_once(bench: Bench) {
    let key = bench.key("orders").await.arn;
    if has_none(&bench, &key).await {
        return;
    }
    let operation = bench.ways.operations.create_grant.expect("it has grants");
    bench.fault(operation, FaultAction::LoseReply, Some(1));
    let id = match bench.kms.create_grant(&key, &grant(&bench, "a")).await {
        Ok(id) => id,
        Err(failure) => {
            assert_eq!(failure.outcome, Outcome::Unknown, "{failure}");
            bench.assert_steady(&failure);
            bench.kms.create_grant(&key, &grant(&bench, "a")).await.unwrap()
        }
    };
    let made = bench.double.grants(&key).unwrap();
    assert!(made.len() == 1 && made[0].id == id, "{made:?}");
}

pub async fn a_grant_that_is_refused_is_known_to_be(bench: Bench) {
    let key = bench.key("orders").await.arn;
    if has_none(&bench, &key).await {
        return;
    }
    bench.refuse(bench.ways.operations.create_grant.expect("it has grants"), bench.ways.errors.denied);
    let failure = bench.kms.create_grant(&key, &grant(&bench, "a")).await.unwrap_err();
    assert_eq!((failure.kind, failure.outcome), (FailureKind::Denied, Outcome::Refused), "{failure}");
    assert!(failure.message.contains(&key), "{failure}");
    assert!(bench.double.grants(&key).unwrap().is_empty());
}
