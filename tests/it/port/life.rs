//! A key comes to be, is found, and is switched on and off.

use keyward::{
    domain::{
        failure::{FailureKind, Outcome},
        observed::{Facet, Facets, State},
    },
    kms::{Identity, Kms},
};

use super::bench::{Bench, tags};
use crate::support::fixtures::{Destroy as _, ReadKey as _};

pub async fn the_identity_names_account_and_region(bench: Bench) {
    let Identity { account, region, principal } = bench.kms.identity().await.unwrap();
    assert_eq!((account.as_str(), region.as_str()), (bench.account(), bench.region()));
    assert!(!principal.is_empty());
}

/// Shows S2.
pub async fn a_created_key_is_as_it_was_asked_for(bench: Bench) {
    let asked = bench.creation("orders");
    let created = bench.kms.create(&asked).await.unwrap();
    for key in [&created, &bench.found(&created.arn).await] {
        assert_eq!((key.state, key.kind.multi_region), (State::Enabled, asked.kind.multi_region));
        bench.assert_told(key.description.as_deref(), "key of orders");
        for (told, there) in
            [(&key.kind.spec, &asked.kind.spec), (&key.kind.usage, &asked.kind.usage), (&key.kind.origin, &asked.kind.origin)]
        {
            bench.assert_told(Some(told).filter(|told| !told.is_empty()), there);
        }
        assert_eq!((key.account.as_str(), key.region.as_str()), (bench.account(), bench.region()));
        assert!(key.customer_managed && (bench.sparse || key.creation_time.is_some()) && key.deletion_date.is_none());
    }
    assert_eq!(bench.calls(bench.ways.operations.create).len(), 1);
}

/// Shows S2.
pub async fn what_a_creation_made_along_with_the_key_is_there(bench: Bench) {
    let asked = bench.creation("orders");
    let created = bench.kms.create(&asked).await.unwrap();
    assert_eq!(created.tags.is_some(), bench.ways.limits().creates_with_tags);
    assert_eq!(bench.kms.tags(&created.arn).await.unwrap(), created.tags.unwrap_or_default());
    assert_eq!(bench.kms.aliases(&created.arn).await.unwrap(), created.aliases.unwrap_or_default());
}

pub async fn a_key_is_found_by_its_id(bench: Bench) {
    let key = bench.key("orders").await;
    bench.key("invoices").await;
    assert_eq!(bench.found(&key.id).await.arn, key.arn);
}

pub async fn a_key_is_found_by_its_canonical_reference(bench: Bench) {
    let key = bench.key("orders").await;
    bench.key("invoices").await;
    assert_eq!(bench.found(&key.arn).await.id, key.id);
    assert_eq!(bench.another().describe(&key.arn).await.unwrap().unwrap().id, key.id, "nothing has to be remembered for it");
}

pub async fn a_facet_that_is_known_costs_no_request(bench: Bench) {
    let key = bench.key("orders").await;
    let all: Facets = Facet::ALL.into_iter().collect();
    let described = bench.kms.read(&key.arn, Facets::NONE).await.unwrap().unwrap().key;
    let before = bench.double.ledger().len();
    let whole = bench.kms.complete(described, all).await.whole().unwrap();
    assert!(Facet::ALL.into_iter().all(|facet| whole.knows(facet)));
    let requests = bench.double.ledger().len() - before;
    assert!(requests <= 4, "at most one for each facet, and not {requests}");
    let before = bench.double.ledger().len();
    assert_eq!(bench.kms.complete(whole.clone(), all).await.whole().unwrap(), whole);
    assert_eq!(bench.double.ledger().len(), before);
}

pub async fn a_key_is_found_by_an_alias(bench: Bench) {
    let key = bench.key("orders").await;
    bench.kms.add_alias(&key.arn, "alias/orders").await.unwrap();
    assert_eq!(bench.found("alias/orders").await.arn, key.arn);
}

pub async fn a_key_that_does_not_exist_is_none(bench: Bench) {
    bench.key("orders").await;
    for reference in [bench.ways.absent[0], bench.ways.absent[1], "alias/nowhere"] {
        assert_eq!(bench.kms.describe(reference).await.unwrap(), None, "{reference}");
    }
}

pub async fn a_call_to_a_key_that_is_not_there_fails(bench: Bench) {
    let [_, key] = bench.ways.absent;
    let failures = [
        bench.kms.tags(key).await.unwrap_err(),
        bench.kms.rotation(key).await.unwrap_err(),
        bench.kms.rotations(key).await.unwrap_err(),
        bench.kms.rotate_on_demand(key).await.unwrap_err(),
        bench.kms.enable(key).await.unwrap_err(),
        bench.kms.disable(key).await.unwrap_err(),
        bench.kms.tag(key, &tags(&[("a", "b")])).await.unwrap_err(),
        bench.kms.schedule(key, 7).await.unwrap_err(),
        bench.kms.cancel_deletion(key).await.unwrap_err(),
    ];
    for failure in failures {
        assert_eq!((failure.kind, failure.outcome), (FailureKind::NotFound, Outcome::Refused), "{failure}");
        bench.assert_steady(&failure);
    }
}

pub async fn a_change_by_another_is_seen(bench: Bench) {
    let key = bench.key("orders").await;
    let another = bench.another();
    another.disable(&key.arn).await.unwrap();
    assert_eq!(bench.found(&key.arn).await.state, State::Disabled);
    another.tag(&key.arn, &tags(&[("team", "audit")])).await.unwrap();
    assert_eq!(bench.kms.tags(&key.arn).await.unwrap()["team"], "audit");
}

pub async fn a_key_is_switched_off_and_off_again(bench: Bench) {
    let key = bench.key("orders").await;
    for _ in 0..2 {
        bench.kms.disable(&key.arn).await.unwrap();
        assert_eq!(bench.found(&key.arn).await.state, State::Disabled);
    }
}

pub async fn a_key_is_switched_on_and_on_again(bench: Bench) {
    let key = bench.key("orders").await;
    bench.kms.disable(&key.arn).await.unwrap();
    for _ in 0..2 {
        bench.kms.enable(&key.arn).await.unwrap();
        assert_eq!(bench.found(&key.arn).await.state, State::Enabled);
    }
}

pub async fn reading_changes_nothing(bench: Bench) {
    let key = bench.key("orders").await;
    let before = bench.changes();
    bench.kms.identity().await.unwrap();
    bench.found(&key.id).await;
    bench.found(&key.arn).await;
    bench.kms.describe("alias/nowhere").await.unwrap();
    bench.kms.tags(&key.arn).await.unwrap();
    bench.kms.rotation(&key.arn).await.unwrap();
    bench.kms.rotations(&key.arn).await.unwrap();
    bench.kms.aliases(&key.arn).await.unwrap();
    bench.kms.find_marked(&super::bench::owner("orders")).await.unwrap();
    assert_eq!(bench.changes(), before);
}

pub async fn a_process_that_may_change_nothing_changes_nothing(bench: Bench) {
    let key = bench.key("orders").await.arn;
    // A KMS may make keys without tags. Then there would be no tag to remove.
    bench.kms.tag(&key, &tags(&[("team", "shop")])).await.unwrap();
    let before = bench.changes();
    bench.forbid_changes();
    let kms = &bench.kms;
    let refused = [
        kms.create(&bench.creation("invoices")).await.map(|_| ()),
        kms.add_alias(&key, "alias/orders").await,
        kms.tag(&key, &tags(&[("team", "audit")])).await,
        kms.untag(&key, &["team".into()]).await,
        kms.set_description(&key, "orders").await,
        kms.disable(&key).await,
        kms.start_rotation(&key, bench.ways.limits().rotation.1).await,
        kms.rotate_on_demand(&key).await,
        kms.schedule(&key, 7).await.map(|_| ()),
    ];
    for failure in refused.into_iter().map(Result::unwrap_err) {
        assert_eq!((failure.kind, failure.outcome), (FailureKind::Unavailable, Outcome::Refused), "{failure}");
    }
    assert_eq!(bench.changes(), before);
    assert_eq!(bench.found(&key).await.state, State::Enabled, "what only reads goes on");
}
