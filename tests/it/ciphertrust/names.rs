//! The names of a key: AWS's two, CCKM's, and aliases.

use keyward::{
    api::managed_key::KeyTemplate,
    domain::{
        deletion::{Intent, Word},
        failure::{FailureKind, Outcome},
        observed::State,
        ownership::{Owner, OwnerMark},
    },
    kms::{Creation, Kms},
};

use super::{Scene, creation};
use crate::support::fixtures::ReadKey as _;

#[tokio::test]
async fn a_key_is_found_by_aws_s_id() {
    let scene = Scene::new().await;
    let kind = KeyTemplate { multi_region: true, ..KeyTemplate::default() };
    let family = scene.kms.create(&Creation { kind, ..creation("family") }).await.unwrap();
    for key in [scene.key("orders").await, family] {
        let id = key.arn.rsplit('/').next().unwrap();
        let found = scene.found(id).await;
        assert_eq!((found.id, found.arn.as_str()), (key.id, key.arn.as_str()), "{id}");
        assert_eq!(found.kind.multi_region, id.starts_with("mrk-"));
    }
    assert_eq!(scene.kms.describe("mrk-0123456789abcdef0123456789abcdef").await.unwrap(), None);
}

#[tokio::test]
async fn a_key_that_cckm_has_not_synchronised_is_not_seen() {
    let scene = Scene::new().await;
    let key = scene.aws.create(&creation("orders")).await.unwrap();
    assert_eq!(scene.kms.describe(&key.arn).await.unwrap(), None);
    scene.double.ciphertrust_sync();
    assert_eq!(scene.found(&key.arn).await.arn, key.arn);
}

#[tokio::test]
async fn a_search_by_marks_finds_what_cckm_has_not_synchronised_or_is_no_answer() {
    let scene = Scene::new().await;
    let owner = Owner { cluster: "prod".into(), namespace: "shop".into(), name: "orders".into(), uid: "u1".into() };
    let intent = Intent { seq: 1, generation: 1, word: Word::Live };
    let marked = Creation { tags: owner.marks(intent, OwnerMark::Name), ..creation("orders") };
    // As where CCKM failed between AWS's CreateKey and its own record.
    scene.aws.create(&marked).await.unwrap();
    scene.double.set_refresh_delay(None);
    let failure = scene.kms.find_marked(&owner).await.unwrap_err();
    assert_eq!((failure.kind, failure.outcome), (FailureKind::Conflict, Outcome::Refused), "{failure}");
    assert!(failure.message.contains("synchronisation"), "{failure}");

    let scene = Scene::new().await;
    let marked = Creation { tags: owner.marks(intent, OwnerMark::Name), ..creation("orders") };
    let found = scene.aws.create(&marked).await.unwrap();
    assert_eq!(scene.kms.find_marked(&owner).await.unwrap(), [found.arn]);
}

#[tokio::test]
async fn an_id_that_cckm_no_longer_knows_is_looked_up_again() {
    let scene = Scene::new().await;
    let (key, other) = (scene.key("orders").await, scene.key("invoices").await);
    scene.renumber(&key).await;
    assert_ne!(scene.found(&key.arn).await.id, key.id);
    assert_eq!(scene.kms.describe(&key.id).await.unwrap(), None, "the id itself is no more");
    scene.renumber(&other).await;
    scene.kms.disable(&other.arn).await.unwrap();
    assert_eq!(scene.calls("disable").iter().map(kms_double::Entry::succeeded).collect::<Vec<_>>(), [false, true]);
    assert_eq!(scene.found(&other.arn).await.state, State::Disabled);
}
