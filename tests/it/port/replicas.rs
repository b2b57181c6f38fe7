//! A replica of a multi-Region key is made in another Region, and becomes the primary key.

use jiff::SignedDuration;
use keyward::{
    api::managed_key::KeyTemplate,
    domain::{
        failure::{FailureKind, Outcome},
        observed::{Key, MultiRegion},
        replica,
    },
    kms::{Creation, Kms, Replication},
};

use super::bench::{Bench, tags};

const ABROAD: &str = "us-east-1";

/// A primary key, and a replica to make of it. `None`: the KMS has no replicas, sends nothing, and says so.
pub(super) async fn pair(bench: &Bench) -> Option<(Key, Replication)> {
    let has = bench.ways.limits().multi_region;
    let mut creation = bench.creation("orders");
    creation.kind = KeyTemplate { multi_region: has, ..creation.kind };
    let primary = bench.kms.create(&Creation { ..creation }).await.unwrap();
    let replication = Replication {
        primary: primary.arn.clone(),
        replica: replica::arn_in(&primary.arn, ABROAD).unwrap_or_default(),
        region: ABROAD.into(),
        kind: primary.kind.clone(),
        description: Some("there".into()),
        tags: tags(&[("team", "shop"), ("cost", "42")]),
        policy: None,
    };
    if has {
        return Some((primary, replication));
    }
    let before = bench.double.ledger().len();
    let made = bench.kms.replicate(&replication).await.map(drop);
    for refused in [made, bench.kms.move_primary(&primary.arn, ABROAD).await] {
        let refused = refused.unwrap_err();
        assert_eq!((refused.kind, refused.outcome), (FailureKind::Invalid, Outcome::Refused), "{refused}");
        bench.assert_steady(&refused);
    }
    assert_eq!(bench.double.ledger().len(), before, "nothing is sent");
    None
}

/// The KMS is done with what it does by itself, and shows it.
pub(super) fn settle(bench: &Bench) {
    bench.double.advance(SignedDuration::from_secs(10)).unwrap();
    bench.double.ciphertrust_sync();
}

/// Shows S2.
pub async fn a_replica_is_made_once_with_all_its_tags(bench: Bench) {
    let Some((_, replication)) = pair(&bench).await else { return };
    let made = bench.kms.replicate(&replication).await.unwrap();
    assert_eq!((&made.arn, &*made.region, made.kind.multi_region), (&replication.replica, ABROAD, true));
    let there = bench.double.key(&made.arn).unwrap();
    for (tag, value) in &replication.tags {
        assert_eq!(there.tags.get(tag), Some(value));
    }
    assert_eq!(there.description, "there");
    assert!(made.tags.is_none_or(|told| replication.tags.iter().all(|(tag, value)| told.get(tag) == Some(value))));
    let exists = bench.kms.replicate(&replication).await.unwrap_err();
    assert_eq!((exists.kind, exists.outcome), (FailureKind::Exists, Outcome::Refused), "{exists}");
    assert!(exists.message.contains(ABROAD), "{exists}");
    bench.assert_steady(&exists);
    assert_eq!(bench.effects(bench.ways.operations.replicate.unwrap()), 1);
}

pub async fn a_key_of_one_region_is_not_replicated(bench: Bench) {
    let Some((_, replication)) = pair(&bench).await else { return };
    let single = bench.key("single").await;
    let replica = replica::arn_in(&single.arn, ABROAD).unwrap();
    let refused = bench.kms.replicate(&Replication { primary: single.arn, replica, ..replication }).await.unwrap_err();
    assert_eq!((refused.kind, refused.outcome), (FailureKind::Invalid, Outcome::Refused), "{refused}");
    bench.assert_steady(&refused);
}

pub async fn a_primary_key_is_moved_and_moved_again(bench: Bench) {
    let Some((primary, replication)) = pair(&bench).await else { return };
    bench.kms.replicate(&replication).await.unwrap();
    settle(&bench);
    bench.kms.move_primary(&primary.arn, ABROAD).await.unwrap();
    settle(&bench);
    match bench.kms.move_primary(&primary.arn, ABROAD).await {
        Ok(()) => {}
        // Such an answer does not tell that it was done.
        Err(refused) => assert!(bench.sparse && (refused.kind, refused.outcome) == (FailureKind::Conflict, Outcome::Refused), "{refused}"),
    }
    assert_eq!(bench.effects(bench.ways.operations.move_primary.unwrap()), 1);
    let found = bench.found(&primary.arn).await;
    bench.assert_told(found.multi_region, MultiRegion::Replica(replication.replica.clone()));
    // Where there is no replica, there is nothing to move to.
    let refused = bench.kms.move_primary(&primary.arn, "us-west-2").await.unwrap_err();
    assert_eq!(refused.outcome, Outcome::Refused, "{refused}");
    bench.assert_steady(&refused);
}
