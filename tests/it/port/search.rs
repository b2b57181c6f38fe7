//! The search for keys by their marks: complete, or a failure.

use keyward::{
    domain::{
        deletion::{Intent, Word},
        failure::FailureKind,
        ownership::Owner,
    },
    kms::Kms,
};

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
