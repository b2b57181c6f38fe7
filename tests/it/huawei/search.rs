//! Searches that take more than one page.

use keyward::{
    domain::{
        deletion::{Intent, Word},
        failure::FailureKind,
        orphans::Pointer,
        ownership::OwnerMark,
    },
    kms::Kms,
};
use kms_double::{HUAWEI_PROJECT, HUAWEI_REGION, Plant};

use super::{Bench, owner, tags};
use crate::support::fixtures::ReadKey as _;

#[tokio::test]
async fn a_name_is_found_behind_many_keys() {
    let bench = Bench::new().await;
    for _ in 0..250 {
        bench.double.plant(&Plant::new(HUAWEI_PROJECT, HUAWEI_REGION)).unwrap();
    }
    let key = bench.key("orders").await;
    assert_eq!(bench.found("alias/keyward/prod/shop/orders").await.id, key.id);
    assert_eq!(bench.kms.describe("alias/keyward/prod/shop/order").await.unwrap(), None);
    assert_eq!(bench.calls("list-keys").iter().filter(|call| call.params["marker"].is_null()).count(), 2);
    assert!(bench.calls("list-keys").len() >= 4, "all pages were read before it was called absent");
    assert_eq!(bench.kms.unmarked().await.unwrap().found.len(), 251, "keys without an owner's mark, from every page");
    let claim = Pointer { alias: "alias/keyward/prod/shop/orders".into(), key: Some(key.id) };
    assert_eq!(bench.kms.aliases_under("alias/keyward/").await.unwrap(), [claim]);
}

#[tokio::test]
async fn an_alias_is_found_behind_many() {
    let bench = Bench::new().await;
    let (many, key) = (bench.key("many").await, bench.key("orders").await);
    for number in 0..120 {
        bench.kms.add_alias(&many.arn, &format!("alias/a-{number}")).await.unwrap();
    }
    bench.kms.add_alias(&key.arn, "alias/z").await.unwrap();
    assert_eq!(bench.found("alias/z").await.id, key.id);
    assert_eq!(bench.kms.aliases(&many.arn).await.unwrap().len(), 121);
}

#[tokio::test]
async fn a_key_of_another_account_is_not_one_of_the_same_name_here() {
    let bench = Bench::new().await;
    let key = bench.key("orders").await;
    bench.kms.add_alias(&key.arn, "alias/z").await.unwrap();
    let here = key.arn.split_once(":KeyId:").unwrap().0;
    let there = format!("kms:{HUAWEI_REGION}:3bab8e245e854f68af5967c00dd43127");
    for name in ["alias:keyward/prod/shop/orders", "alias:z", &format!("KeyId:{}", key.id)] {
        assert_eq!(bench.found(&format!("{here}:{name}")).await.id, key.id);
        let failure = bench.kms.describe(&format!("{there}:{name}")).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Invalid, "{failure}");
        assert!(failure.message.contains("another account") && failure.message.contains(&key.arn), "{failure}");
    }
}

#[tokio::test]
async fn the_digest_of_an_owner_is_compared_exactly() {
    let bench = Bench::new().await;
    let marks = owner("orders").marks(Intent { seq: 1, generation: 1, word: Word::Live }, OwnerMark::Digest);
    let key = bench.key("orders").await.arn;
    bench.kms.tag(&key, &marks).await.unwrap();
    let other = bench.key("invoices").await.arn;
    let digest = &marks["keyward-owner"];
    bench.kms.tag(&other, &tags(&[("keyward-cluster", "prod"), ("keyward-owner", &digest[..42])])).await.unwrap();
    assert_eq!(bench.kms.find_marked(&owner("orders")).await.unwrap(), [key]);
    let filter = &bench.calls("filter-resources")[0].params;
    assert_eq!((&filter["limit"], &filter["offset"]), (&"1000".into(), &"0".into()), "{filter}");
}
