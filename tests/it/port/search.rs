//! The search for keys by their marks: complete, or a failure.

use keyward::{
    domain::{
        deletion::{Intent, Word},
        failure::FailureKind,
        ownership::Owner,
    },
    kms::Kms,
};

use keyward::domain::observed::Facets;

use super::bench::{Bench, owner, tags};
use crate::support::fixtures::Destroy as _;

const LIVE: Intent = Intent { seq: 1, generation: 1, word: Word::Live };

/// A key that bears all marks of that owner.
async fn marked(bench: &Bench, claim: &str, owner: &Owner) -> String {
    let key = bench.key(claim).await.arn;
    bench.kms.tag(&key, &owner.marks(LIVE, bench.ways.limits().owner_mark)).await.unwrap();
    key
}

async fn search(bench: &Bench, name: &str) -> Vec<String> {
    let mut found = bench.kms.find_marked(&owner(name)).await.unwrap();
    found.sort_unstable();
    found
}

pub async fn nobody_s_key_is_not_found(bench: Bench) {
    assert_eq!(search(&bench, "orders").await, [""; 0]);
    bench.key("orders").await;
    assert_eq!(search(&bench, "orders").await, [""; 0], "a claim is no mark");
}

pub async fn keys_of_that_name_are_found_whatever_their_uid(bench: Bench) {
    let earlier = Owner { uid: "another".into(), ..owner("orders") };
    let mut ours = [marked(&bench, "a", &owner("orders")).await, marked(&bench, "b", &earlier).await];
    ours.sort_unstable();
    assert_eq!(search(&bench, "orders").await, ours);
}

pub async fn keys_of_other_names_namespaces_and_clusters_are_not(bench: Bench) {
    marked(&bench, "a", &owner("invoices")).await;
    marked(&bench, "b", &owner("orders-2")).await;
    marked(&bench, "c", &Owner { cluster: "test".into(), ..owner("orders") }).await;
    marked(&bench, "d", &Owner { namespace: "other".into(), ..owner("orders") }).await;
    assert_eq!(search(&bench, "orders").await, [""; 0]);
    let ours = marked(&bench, "e", &owner("orders")).await;
    assert_eq!(search(&bench, "orders").await, [ours]);
}

pub async fn the_owners_of_all_keys_of_the_cluster_are_told(bench: Bench) {
    let told = async |cluster: &str| {
        let mut owners = bench.kms.owners(cluster).await.unwrap();
        owners.sort_unstable();
        owners
    };
    assert_eq!(told("prod").await, [""; 0]);
    bench.key("nobody-s").await;
    let names: Vec<String> = (0..3).map(|number| format!("orders-{number}")).collect();
    for name in &names {
        marked(&bench, name, &owner(name)).await;
    }
    marked(&bench, "a", &Owner { cluster: "test".into(), ..owner("invoices") }).await;
    let half = marked(&bench, "b", &owner("half")).await;
    bench.kms.untag(&half, &[keyward::api::mark::CLUSTER.to_owned()]).await.unwrap();
    let pending = marked(&bench, "c", &owner("pending")).await;
    bench.kms.schedule(&pending, 7).await.unwrap();
    let form = bench.ways.limits().owner_mark;
    let mut expected: Vec<String> = names.iter().map(String::as_str).chain(["pending"]).map(|name| owner(name).mark_as(form)).collect();
    expected.sort_unstable();
    assert_eq!(told("prod").await, expected);
    assert_eq!(told("test").await, [owner("invoices").mark_as(form)]);
}

pub async fn the_owners_are_told_of_keys_on_every_page(bench: Bench) {
    bench.plant(bench.ways.page);
    marked(&bench, "a", &owner("orders")).await;
    assert_eq!(bench.kms.owners("prod").await.unwrap(), [owner("orders").mark_as(bench.ways.limits().owner_mark)]);
}

pub async fn owners_that_are_refused_are_no_answer(bench: Bench) {
    marked(&bench, "a", &owner("orders")).await;
    bench.refuse(bench.ways.operations.search, bench.ways.errors.denied);
    let failure = bench.kms.owners("prod").await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Denied, "{failure}");
    bench.assert_steady(&failure);
}

pub async fn a_pending_key_is_found(bench: Bench) {
    let key = marked(&bench, "a", &owner("orders")).await;
    bench.kms.schedule(&key, 7).await.unwrap();
    assert_eq!(search(&bench, "orders").await, [key]);
}

pub async fn a_key_without_all_marks_is_not_found(bench: Bench) {
    let key = bench.key("a").await.arn;
    let form = bench.ways.limits().owner_mark;
    bench.kms.tag(&key, &tags(&[("keyward-owner", &owner("orders").mark_as(form))])).await.unwrap();
    assert_eq!(search(&bench, "orders").await, [""; 0]);
    bench.kms.tag(&key, &tags(&[("keyward-cluster", "prod")])).await.unwrap();
    assert_eq!(search(&bench, "orders").await, [key]);
}

pub async fn keys_on_every_page_are_found(bench: Bench) {
    bench.plant(bench.ways.page);
    let mut ours = Vec::new();
    for number in 0..3 {
        ours.push(marked(&bench, &format!("key-{number}"), &owner("orders")).await);
    }
    ours.sort_unstable();
    assert_eq!(search(&bench, "orders").await, ours);
}

pub async fn a_search_that_is_refused_is_no_answer(bench: Bench) {
    marked(&bench, "a", &owner("orders")).await;
    bench.refuse(bench.ways.operations.search, bench.ways.errors.denied);
    let failure = bench.kms.find_marked(&owner("orders")).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Denied, "{failure}");
    bench.assert_steady(&failure);
}

pub async fn the_keys_of_a_cluster_are_listed_with_their_tags(bench: Bench) {
    bench.key("nobody-s").await;
    marked(&bench, "a", &Owner { cluster: "test".into(), ..owner("orders") }).await;
    let mut expected = Vec::new();
    for name in ["orders", "invoices"] {
        expected.push(marked(&bench, name, &owner(name)).await);
    }
    let half = marked(&bench, "b", &owner("half")).await;
    bench.kms.untag(&half, &[keyward::api::mark::OWNER.to_owned()]).await.unwrap();
    expected.push(half);
    let pending = marked(&bench, "c", &owner("pending")).await;
    bench.kms.schedule(&pending, 7).await.unwrap();
    expected.push(pending);
    let listing = bench.kms.marked("prod").await.unwrap();
    assert!(listing.denied.is_empty(), "{:?}", listing.denied);
    let mut found = Vec::new();
    for listed in listing.found {
        // The reference is one by which the key is read.
        let key = bench.kms.read(&listed.reference, Facets::TAGS).await.unwrap().unwrap().whole().unwrap();
        assert_eq!(key.tags.as_ref(), Some(&listed.tags));
        found.push(key.arn);
    }
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

pub async fn a_cluster_s_keys_that_are_refused_are_no_answer(bench: Bench) {
    marked(&bench, "a", &owner("orders")).await;
    bench.refuse(bench.ways.operations.search, bench.ways.errors.denied);
    let failure = bench.kms.marked("prod").await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Denied, "{failure}");
    bench.assert_steady(&failure);
}

pub async fn keys_without_an_owner_s_mark_are_listed(bench: Bench) {
    marked(&bench, "a", &owner("orders")).await;
    marked(&bench, "b", &Owner { cluster: "test".into(), ..owner("orders") }).await;
    let half = bench.key("c").await.arn;
    bench.kms.tag(&half, &tags(&[("keyward-uid", "u1")])).await.unwrap();
    let mut expected = [bench.key("d").await, bench.key("e").await].map(|key| key.arn);
    expected.sort_unstable();
    let listing = bench.kms.unmarked().await.unwrap();
    assert!(listing.denied.is_empty(), "{:?}", listing.denied);
    let mut found = Vec::new();
    for key in listing.found {
        let there = bench.double.key(&key.arn).unwrap();
        assert_eq!(key.tags.as_ref(), Some(&there.tags));
        bench.assert_told(key.creation_time.map(jiff::Timestamp::as_second), there.created.as_second());
        found.push(key.arn);
    }
    found.sort_unstable();
    assert_eq!(found, expected);
}

pub async fn aliases_are_listed_with_their_keys(bench: Bench) {
    let mut expected = Vec::new();
    for (name, alias) in [
        ("orders", "alias/keyward/prod/shop/orders"),
        ("invoices", "alias/keyward/prod/shop/invoices"),
        ("reports", "alias/keyward/prod/shop/reports"),
    ] {
        let key = bench.key(name).await.arn;
        // Some KMS made it together with the key.
        bench.kms.add_alias(&key, alias).await.unwrap();
        expected.push((alias.to_owned(), key));
    }
    bench.kms.add_alias(&expected[0].1, "alias/orders").await.unwrap();
    bench.kms.add_alias(&expected[0].1, "alias/keyward/test/shop/orders").await.unwrap();
    let mut found = Vec::new();
    for pointer in bench.kms.aliases_under("alias/keyward/prod/").await.unwrap() {
        let key = bench.kms.read(&pointer.key.unwrap(), Facets::NONE).await.unwrap().unwrap().key;
        found.push((pointer.alias, key.arn));
    }
    expected.sort_unstable();
    assert_eq!(found, expected, "sorted");
    assert_eq!(bench.kms.aliases_under("alias/keyward/none/").await.unwrap(), []);
}
