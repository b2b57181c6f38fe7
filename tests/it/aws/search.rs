//! The search for keys by their marks: complete, or a failure.

use keyward::{
    domain::{
        deletion::{Intent, Word},
        failure::FailureKind,
        ownership::{Owner, OwnerMark},
    },
    kms::Kms,
};
use kms_double::{Fault, FaultAction, Plant};

use super::{Bench, owner, tags};
use crate::support::fixtures::Destroy as _;

const LIVE: Intent = Intent { seq: 1, generation: 1, word: Word::Live };

/// A key that bears all marks of that owner.
async fn marked(bench: &Bench, owner: &Owner) -> String {
    let key = bench.key().await.arn;
    bench.kms.tag(&key, &owner.marks(LIVE, OwnerMark::Name)).await.unwrap();
    key
}

fn refusal(code: &str) -> FaultAction {
    FaultAction::Error { code: code.into(), status: 400, message: "for a test".into() }
}

#[tokio::test]
async fn finds_every_key_of_that_name_and_no_other() {
    let bench = Bench::new().await;
    assert_eq!(bench.kms.find_marked(&owner("orders")).await.unwrap(), Vec::<String>::new());
    // A search does not ask for the UID: it is by the name that a re-created object finds its key.
    let earlier = Owner { uid: "another".into(), ..owner("orders") };
    let mut ours = [marked(&bench, &owner("orders")).await, marked(&bench, &earlier).await];
    ours.sort_unstable();
    marked(&bench, &owner("invoices")).await;
    marked(&bench, &Owner { cluster: "test".into(), ..owner("orders") }).await;
    marked(&bench, &Owner { namespace: "other".into(), ..owner("orders") }).await;
    let half = bench.key().await.arn;
    bench.kms.tag(&half, &tags(&[("keyward-owner", "shop.orders")])).await.unwrap();
    assert_eq!(bench.kms.find_marked(&owner("orders")).await.unwrap(), ours);
}

#[tokio::test]
async fn finds_a_key_that_is_pending_deletion() {
    let bench = Bench::new().await;
    let key = marked(&bench, &owner("orders")).await;
    bench.kms.schedule(&key, 7).await.unwrap();
    assert_eq!(bench.kms.find_marked(&owner("orders")).await.unwrap(), [key]);
}

#[tokio::test]
async fn finds_keys_on_every_page() {
    let bench = Bench::new().await;
    // One page holds a thousand.
    for _ in 0..1005 {
        bench.double.plant(&Plant::new(kms_double::ACCOUNT, super::REGION)).unwrap();
    }
    let mut ours = Vec::new();
    for _ in 0..3 {
        ours.push(marked(&bench, &owner("orders")).await);
    }
    ours.sort_unstable();
    assert_eq!(bench.kms.find_marked(&owner("orders")).await.unwrap(), ours);
    assert_eq!(bench.calls("ListKeys").len(), 2);
    assert_eq!(bench.calls("ListResourceTags").len(), 1008);
}

#[tokio::test]
async fn a_key_that_vanishes_meanwhile_is_passed_over() {
    let bench = Bench::new().await;
    let (ours, vanished) = (marked(&bench, &owner("orders")).await, bench.key().await.arn);
    bench.double.inject(Fault::on("ListResourceTags", refusal("NotFoundException")).for_key(&vanished));
    assert_eq!(bench.kms.find_marked(&owner("orders")).await.unwrap(), [ours]);
}

#[tokio::test]
async fn owners_are_read_although_one_key_cannot_be_read_but_not_if_none_can() {
    let bench = Bench::new().await;
    marked(&bench, &owner("orders")).await;
    let foreign = bench.key().await.arn;
    bench.double.inject(Fault::on("ListResourceTags", refusal("AccessDeniedException")).for_key(&foreign));
    assert_eq!(bench.kms.owners("prod").await.unwrap(), [owner("orders").mark()]);
    let listing = bench.kms.marked("prod").await.unwrap();
    assert_eq!((listing.found.len(), listing.denied.len()), (1, 1));
    assert!(listing.denied[0].message.contains(&foreign), "{}", listing.denied[0]);
    let listing = bench.kms.unmarked().await.unwrap();
    assert_eq!((listing.found.len(), listing.denied.len()), (0, 1), "whether it has marks is not known");
    bench.double.inject(Fault::on("ListResourceTags", refusal("AccessDeniedException")));
    let failure = bench.kms.owners("prod").await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Denied);
    bench.double.clear_faults();
    bench.double.inject(Fault::on("ListResourceTags", refusal("NeverHeardOfException")).for_key(&foreign));
    assert_eq!(bench.kms.owners("prod").await.unwrap_err().kind, FailureKind::Unknown);
}

#[tokio::test]
async fn a_key_that_cannot_be_read_fails_the_search() {
    let bench = Bench::new().await;
    marked(&bench, &owner("orders")).await;
    let foreign = bench.key().await.arn;
    bench.double.inject(Fault::on("ListResourceTags", refusal("AccessDeniedException")).for_key(&foreign));
    let failure = bench.kms.find_marked(&owner("orders")).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Denied);
    assert!(failure.message.contains(&foreign) && failure.message.contains("kms:ListResourceTags"), "{failure}");
    assert!(failure.message.ends_with("a search has to read the tags of every key of the account"), "{failure}");
    bench.double.clear_faults();
    bench.double.inject(Fault::on("ListKeys", refusal("AccessDeniedException")));
    let failure = bench.kms.find_marked(&owner("orders")).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Denied);
}
