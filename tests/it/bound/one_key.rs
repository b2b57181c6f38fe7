//! Two objects, or two clusters, and one key: whatever spelling the others use, the key has one owner, and the others only read.
//!
//! Shows S3.

use futures::future::join_all;
use keyward::{
    api::{ConditionType, ManagedKey, key_provider::ProviderType},
    controller::Settings,
};
use kms_double::{KeyView, Options};
use kube::ResourceExt;
use serde_json::{Value, json};

use super::on_each;
use crate::support::{
    eventually,
    memory::Memory,
    operator::WITHIN,
    scene::{Scene, describe, find, message},
    vendor::Vendor,
};

/// Any key, for any namespace.
fn any() -> Value {
    json!({ "resyncSeconds": 600, "adoption": { "from": "Rules", "rules": [{ "namespaces": ["*"], "keys": ["*"] }] } })
}

/// The spellings of a key that are looked up, and those that name nothing, another place or another key.
fn spellings(scene: &Scene, key: &KeyView, alias: &str) -> (Vec<String>, Vec<String>) {
    let bare = alias.trim_start_matches("alias/");
    let id = || key.key_id.clone();
    match scene.vendor.provider {
        ProviderType::Aws => {
            let of_alias = key.arn.replace(&format!("key/{}", key.key_id), alias);
            (
                vec![id(), key.arn.clone(), alias.to_owned(), of_alias.clone()],
                vec![
                    id().to_uppercase(),
                    key.arn.replace(&key.key_id, &key.key_id.to_uppercase()),
                    format!(" {}", key.key_id),
                    format!("{} ", key.arn),
                    format!("{alias} "),
                    alias.to_uppercase().replacen("ALIAS", "alias", 1),
                    key.arn.replacen("arn:aws:", "arn:aws-cn:", 1),
                    key.arn.replacen("eu-west-1", "us-east-1", 1),
                    of_alias.replacen("eu-west-1", "us-east-1", 1),
                    format!("key/{}", key.key_id),
                    bare.to_owned(),
                ],
            )
        }
        ProviderType::CipherTrust => {
            let cckm = scene.double.ciphertrust_id(&key.arn).unwrap();
            (
                vec![cckm.clone(), id(), key.arn.clone(), alias.to_owned()],
                vec![
                    cckm.to_uppercase(),
                    key.arn.replace(&key.key_id, alias),
                    format!(" {cckm}"),
                    format!("{} ", key.arn),
                    key.arn.replacen("eu-west-1", "us-east-1", 1),
                    bare.to_owned(),
                ],
            )
        }
        ProviderType::Huawei => {
            let urn = format!("kms:{}:{}:KeyId:{}", scene.vendor.region, kms_double::HUAWEI_DOMAIN, key.key_id);
            (
                vec![id(), urn.clone(), alias.to_owned(), urn.replace(&format!("KeyId:{}", key.key_id), &format!("alias:{bare}"))],
                vec![
                    format!("0A{}", &key.key_id[2..]),
                    format!(" {}", key.key_id),
                    format!("{urn} "),
                    urn.replacen(scene.vendor.region, "cn-north-4", 1),
                    urn.replacen(kms_double::HUAWEI_DOMAIN, kms_double::HUAWEI_SECOND_DOMAIN, 1),
                    bare.to_owned(),
                ],
            )
        }
    }
}

/// A key of the object `orders` with an alias of its own, in every spelling.
async fn owned(scene: &Scene) -> (KeyView, Vec<String>, Vec<String>) {
    scene.create("orders", json!({ "aliases": ["shop-orders"] })).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.look_at_all("orders").await;
    let key = scene.key("orders").await;
    let (right, wrong) = spellings(scene, &key, "alias/shop-orders");
    (key, right, wrong)
}

/// Waits until each of those objects is refused, and gives them.
async fn refused(scene: &Scene, count: usize) -> Vec<ManagedKey> {
    eventually("all are refused", WITHIN, async || {
        let mut objects = scene.keys().list(&kube::api::ListParams::default()).await.unwrap().items;
        objects.retain(|object| object.name_any() != "orders" && find(object, ConditionType::Stalled).is_some());
        if objects.len() == count { Ok(objects) } else { Err(objects.iter().map(describe).collect::<Vec<_>>().join("\n")) }
    })
    .await
}

#[tokio::test]
async fn a_key_in_any_spelling_is_its_owners() {
    on_each(async |vendor| {
        let scene = Scene::alone(vendor, "spelled", Options::default(), any()).await;
        let (key, right, wrong) = owned(&scene).await;
        let begun = scene.now();
        let all: Vec<_> = right.iter().chain(&wrong).collect();
        for (number, spelling) in all.iter().enumerate() {
            // Each would like it most of all to be gone.
            let spec = json!({ "keyId": spelling, "deletionScheduleDays": 7, "deletionPolicy": "Delete" });
            scene.create(&format!("thief-{number}"), spec).await;
        }
        let objects = refused(&scene, all.len()).await;
        for object in &objects {
            let spelling = object.spec.key_id.as_deref().unwrap();
            let reason = &*find(object, ConditionType::Ready).unwrap().reason;
            let is_right = right.iter().any(|right| right == spelling);
            // A partition that is spelled otherwise is the same key where AWS looks it up, and an error where not.
            assert!(!is_right || reason == "OwnedByAnother", "{spelling:?}: {reason} {}", message(object));
            assert!(
                ["OwnedByAnother", "KeyMissing", "InvalidSpec", "AdoptionNotAllowed"].contains(&reason),
                "{spelling:?}: {}",
                describe(object)
            );
        }
        for object in objects {
            scene.look(&object.name_any()).await;
        }
        assert_eq!(scene.changes(begun), [""; 0], "they only read");
        assert_eq!(scene.double.key(&key.arn).unwrap().tags, key.tags);
        // They go, and take nothing along.
        for number in 0..all.len() {
            scene.delete(&format!("thief-{number}")).await;
        }
        for number in 0..all.len() {
            scene.until_gone(&format!("thief-{number}")).await;
        }
        scene.look_at_all("orders").await;
        scene.until_ready("orders", "True", "Available").await;
        assert_eq!(scene.changes(begun), [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn of_many_that_name_one_key_at_once_one_gets_it() {
    on_each(async |vendor| {
        let scene = Scene::alone(vendor, "at-once", Options::default(), any()).await;
        scene.create("first", json!({})).await;
        scene.until_ready("first", "True", "Available").await;
        scene.plant_outside(Some("alias/legacy"));
        let keys = scene.double.keys();
        let key = keys.iter().find(|key| key.aliases.iter().any(|alias| alias == "alias/legacy")).unwrap();
        let (right, _) = spellings(&scene, key, "alias/legacy");
        let begun = scene.now();
        join_all(right.iter().enumerate().map(async |(number, spelling)| {
            scene.create(&format!("object-{number}"), json!({ "keyId": spelling })).await;
        }))
        .await;
        let objects = eventually("one has it, and the others do not", WITHIN, async || {
            let mut objects = scene.keys().list(&kube::api::ListParams::default()).await.unwrap().items;
            objects.retain(|object| object.name_any() != "first");
            let is = |object: &ManagedKey, reason: &str| find(object, ConditionType::Ready).is_some_and(|ready| ready.reason == reason);
            let ready = objects.iter().filter(|object| is(object, "Available")).count();
            let refused = objects.iter().filter(|object| is(object, "OwnedByAnother")).count();
            if (ready, refused) == (1, right.len() - 1) {
                Ok(objects)
            } else {
                Err(objects.iter().map(describe).collect::<Vec<_>>().join("\n"))
            }
        })
        .await;
        let owner = objects.iter().find(|object| find(object, ConditionType::Ready).is_some_and(|ready| ready.status == "True")).unwrap();
        assert_eq!(scene.double.key(&key.arn).unwrap().tags["keyward-uid"], owner.uid().unwrap());
        for object in &objects {
            scene.look_at_all(&object.name_any()).await;
        }
        let tagged = |entry: &kms_double::Entry| entry.seq > begun && entry.operation == vendor.operations.tag;
        assert_eq!(scene.operator_calls().into_iter().filter(tagged).count(), 1, "{:?}", scene.changes(begun));
    })
    .await;
}

/// The provider of another cluster, at the same KMS.
fn at(vendor: &Vendor, scene: &Scene) -> Value {
    let mut spec = any();
    let own = vendor.spec(&scene.double, "other");
    crate::support::scene::merge(&mut spec, own);
    spec
}

/// Shows S3.
#[tokio::test]
async fn a_key_of_another_cluster_is_left_alone_in_any_spelling() {
    on_each(async |vendor| {
        let scene = Scene::alone(vendor, "cluster-a", Options::default(), any()).await;
        let (key, right, wrong) = owned(&scene).await;
        let memory = Memory::new().await;
        let other = Scene::within(&memory, vendor, "cluster-b", Options::default(), any()).await;
        other.secret_of("other", vendor.secret(&scene.double)).await;
        other.provide(&other.provider, at(vendor, &scene)).await;
        let _operator = memory.start_with(|settings: &mut Settings| settings.cluster_id = "other".into());
        let begun = scene.now();
        let all: Vec<_> = right.iter().chain(&wrong).collect();
        for (number, spelling) in all.iter().enumerate() {
            other.create(&format!("thief-{number}"), json!({ "keyId": spelling, "deletionScheduleDays": 7 })).await;
        }
        for object in refused(&other, all.len()).await {
            let spelling = object.spec.key_id.as_deref().unwrap();
            let reason = &*find(&object, ConditionType::Ready).unwrap().reason;
            assert!(!right.iter().any(|right| right == spelling) || reason == "OwnedByAnother", "{spelling:?}: {}", message(&object));
            assert!(["OwnedByAnother", "KeyMissing", "InvalidSpec", "AdoptionNotAllowed"].contains(&reason), "{}", describe(&object));
        }
        // Both clusters have the same credentials, so the ledger has the calls of both.
        assert_eq!(scene.changes(begun), [""; 0], "the loser only reads");
        assert_eq!(scene.double.key(&key.arn).unwrap().tags, key.tags);
        scene.look_at_all("orders").await;
        scene.until_ready("orders", "True", "Available").await;
    })
    .await;
}

/// A replica has tags and a life of its own. By the name that it shares with its primary, a provider means the key of its own Region.
#[tokio::test]
async fn a_replica_leads_nobody_to_its_primary() {
    let scene = Scene::with("replica", Options::default(), any()).await;
    scene.create("orders", json!({ "key": { "multiRegion": true } })).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.look_at_all("orders").await;
    let primary = scene.key("orders").await;
    scene.person().replicate_key().key_id(&primary.arn).replica_region("us-east-1").send().await.unwrap();
    scene.double.advance(jiff::SignedDuration::from_mins(1)).unwrap();
    let replica = primary.arn.replace("eu-west-1", "us-east-1");
    let abroad = format!("{}-abroad", scene.provider);
    let mut spec = any();
    spec["aws"] = json!({ "region": "us-east-1" });
    scene.provide(&abroad, spec).await;
    let begun = scene.now();
    for (name, provider, key, reason) in [
        ("by-id", &scene.provider, &primary.key_id, "OwnedByAnother"),
        ("of-abroad", &scene.provider, &replica, "AdoptionNotAllowed"),
        ("from-abroad", &abroad, &primary.arn, "AdoptionNotAllowed"),
    ] {
        scene.create(name, json!({ "providerRef": { "name": provider }, "keyId": key, "deletionScheduleDays": 7 })).await;
        scene.until_ready(name, "False", reason).await;
        scene.look(name).await;
    }
    assert_eq!(scene.changes(begun), [""; 0], "they only read");
    // The replica bears nobody's marks, so the rules decide who may have it, and the first who names it has it.
    scene.create("abroad", json!({ "providerRef": { "name": abroad }, "keyId": primary.key_id })).await;
    scene.until_ready("abroad", "True", "Available").await;
    scene.create("late", json!({ "providerRef": { "name": abroad }, "keyId": replica, "deletionScheduleDays": 7 })).await;
    scene.until_ready("late", "False", "OwnedByAnother").await;
    let touched = scene.operator_calls().into_iter().filter(|entry| entry.seq > begun && entry.took_effect);
    assert!(touched.into_iter().all(|entry| entry.key.as_deref() == Some(&*replica)), "{:?}", scene.changes(begun));
    assert_eq!(scene.double.key(&primary.arn).unwrap().tags, primary.tags);
}
