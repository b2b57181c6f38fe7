//! An object that is being deleted: its grant is revoked first, or a message says why it waits and how to let it go.

use std::time::{Duration, Instant};

use keyward::api::ConditionType;
use kms_double::{Fault, FaultAction, GrantTerms};
use kube::api::DeleteParams;
use serde_json::json;

use super::{READER, api, create, delete, done, find, look, message, of_orders, own, patch, reads, scene, until, until_gone, until_ready};
use crate::support::scene::Scene;

const WAY_OUT: &str = "; to let the object go and leave the grant, set deletionPolicy: Retain";

async fn granted(name: &str) -> Scene {
    let scene = scene(name).await;
    create(&scene, "reader", reads(&["Decrypt"])).await;
    until_ready(&scene, "reader", "True", "Granted").await;
    look(&scene, "reader").await;
    scene
}

/// Waits until the object says why it stays.
async fn waits(scene: &Scene, reason: &str, words: &str) {
    let grant = until(scene, "reader", words, |grant| {
        find(grant, ConditionType::Synced).is_some_and(|synced| synced.reason == reason && synced.message.contains(words))
    })
    .await;
    let synced = find(&grant, ConditionType::Synced).unwrap();
    assert!(synced.message.contains(WAY_OUT), "{}", synced.message);
    assert!(grant.metadata.deletion_timestamp.is_some());
}

#[tokio::test]
async fn the_grant_is_revoked_and_those_of_others_stay() {
    let scene = granted("release").await;
    let key = scene.key("orders").await.arn;
    let terms =
        GrantTerms { name: Some("reader".into()), grantee: READER.into(), operations: vec!["Decrypt".into()], ..GrantTerms::default() };
    scene.double.plant_grants(&key, &terms, 1).unwrap();
    delete(&scene, "reader").await;
    until_gone(&scene, "reader").await;
    let left = of_orders(&scene).await;
    assert!(left.len() == 1 && left[0].terms.name.as_deref() == Some("reader"), "{left:?}");
    let note = scene.until_event("reader", "GrantRevoked").await;
    assert!(note.ends_with("because its object is deleted"), "{note}");
    assert_eq!(done(&scene), ["CreateGrant", "RevokeGrant"]);
}

/// The key's own object goes first, and the key stays. The access that nobody declares any more goes.
#[tokio::test]
async fn the_grant_is_revoked_although_the_object_of_its_key_is_gone() {
    let scene = granted("alone").await;
    let key = scene.key("orders").await.arn;
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    look(&scene, "reader").await;
    let grant = until_ready(&scene, "reader", "False", "KeyNotReady").await;
    assert!(message(&grant).ends_with(" stays until this object is deleted"), "{}", message(&grant));
    assert_eq!(scene.double.grants(&key).unwrap().len(), 1, "nobody asked to take access away: {:?}", grant.status);
    delete(&scene, "reader").await;
    until_gone(&scene, "reader").await;
    assert!(scene.double.grants(&key).unwrap().is_empty());
}

#[tokio::test]
async fn a_grant_that_is_retained_or_of_a_key_that_is_observed_stays() {
    for (why, grant, key) in [
        ("deletionPolicy is Retain", json!({ "deletionPolicy": "Retain" }), json!({})),
        ("managementPolicy of the ManagedKey is Observe", json!({}), json!({ "managementPolicy": "Observe" })),
    ] {
        let scene = granted("retain").await;
        patch(&scene, "reader", json!({ "spec": grant })).await;
        scene.spec("orders", key).await;
        scene.look("orders").await;
        delete(&scene, "reader").await;
        until_gone(&scene, "reader").await;
        assert_eq!(of_orders(&scene).await.len(), 1, "{why}");
        let note = scene.until_event("reader", "GrantReleased").await;
        assert!(note.contains("its grants stay on arn:") && note.ends_with(why), "{note}");
    }
}

#[tokio::test]
async fn an_object_that_cannot_revoke_waits_and_names_the_way_out() {
    let scene = granted("denied").await;
    let error = FaultAction::Error { code: "AccessDeniedException".into(), status: 400, message: String::new() };
    scene.double.inject(Fault::on("RevokeGrant", error));
    delete(&scene, "reader").await;
    waits(&scene, "AccessDenied", "AWS denies kms:RevokeGrant on ").await;
    scene.double.clear_faults();

    // Paused, it is not even tried.
    patch(&scene, "reader", json!({ "metadata": { "annotations": { "keyward.dev/paused": "true" } } })).await;
    waits(&scene, "Paused", "of this object stops all work").await;
    assert_eq!(of_orders(&scene).await.len(), 1);

    // A namespace that is not admitted any more: no call, and the grant is not forgotten.
    scene.provide(&scene.provider, json!({ "namespaces": { "from": "Names", "names": ["other"] } })).await;
    patch(&scene, "reader", json!({ "metadata": { "annotations": { "keyward.dev/paused": null } } })).await;
    waits(&scene, "NamespaceNotAllowed", "does not admit namespace").await;
    scene.provide(&scene.provider, json!({ "namespaces": { "from": "All", "names": null } })).await;
    until_gone(&scene, "reader").await;
    assert!(of_orders(&scene).await.is_empty());
}

#[tokio::test]
async fn without_its_provider_an_object_waits_until_somebody_says_retain() {
    let scene = granted("gone").await;
    let providers = kube::Api::<keyward::api::KeyProvider>::all(scene.client.clone());
    providers.delete(&scene.provider, &DeleteParams::default()).await.unwrap();
    delete(&scene, "reader").await;
    waits(&scene, "ProviderNotFound", "does not exist").await;
    patch(&scene, "reader", json!({ "spec": { "deletionPolicy": "Retain" } })).await;
    until_gone(&scene, "reader").await;
    assert_eq!(of_orders(&scene).await.len(), 1);
}

/// A key that is not found once may still be there.
#[tokio::test]
async fn an_object_whose_key_is_gone_goes_once_that_is_certain() {
    let scene = granted("deleted").await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    let key = scene.key("orders").await.arn;
    scene.double.advance(jiff::SignedDuration::from_hours(24 * 9)).unwrap();
    assert!(scene.double.key(&key).is_none());
    delete(&scene, "reader").await;
    waits(&scene, "KeyMissing", "looks for it again before it counts the key and its grants as gone").await;
    until_gone(&scene, "reader").await;
    assert_eq!(done(&scene), ["CreateGrant"]);
}

/// A record in the status says where to look, and only a grant's name says whose it is.
#[tokio::test]
async fn a_forged_status_leads_to_no_grant_of_another_object() {
    let scene = granted("forged").await;
    create(&scene, "other", reads(&["Encrypt"])).await;
    let other = until_ready(&scene, "other", "True", "Granted").await;
    let id = other.status.as_ref().unwrap().grant_id.clone().unwrap();
    patch(&scene, "reader", json!({ "metadata": { "annotations": { "keyward.dev/paused": "true" } } })).await;
    until(&scene, "reader", "paused", |grant| find(grant, ConditionType::Synced).is_some_and(|synced| synced.reason == "Paused")).await;
    let forged = json!({ "status": { "grantId": id, "appliedName": "keyward/it/x/y" } });
    api(&scene).patch_status("reader", &kube::api::PatchParams::default(), &kube::api::Patch::Merge(forged)).await.unwrap();
    patch(&scene, "reader", json!({ "metadata": { "annotations": { "keyward.dev/paused": null } } })).await;
    let healed = until(&scene, "reader", "it knows its own again", |grant| {
        grant.status.as_ref().is_some_and(|status| status.grant_id.as_deref() != Some(&*id))
    })
    .await;
    assert!(message(&healed).starts_with("grant "), "{}", message(&healed));
    delete(&scene, "reader").await;
    until_gone(&scene, "reader").await;
    let left = own(&scene, &other).await;
    assert!(left.len() == 1 && left[0].id == id, "{left:?}");
}

/// Another `--cluster-id` than the one that made the grant: its name is not known, and it is not taken for gone.
#[tokio::test]
async fn a_grant_that_was_made_with_another_cluster_id_is_not_forgotten() {
    let scene = granted("cluster").await;
    let key = scene.key("orders").await.arn;
    let reader = api(&scene).get("reader").await.unwrap();
    let name = format!("keyward/earlier/{}/a", reader.metadata.uid.as_deref().unwrap());
    let terms =
        GrantTerms { name: Some(name.clone()), grantee: READER.into(), operations: vec!["Decrypt".into()], ..GrantTerms::default() };
    scene.double.plant_grants(&key, &terms, 1).unwrap();
    let id = of_orders(&scene).await.into_iter().find(|grant| grant.terms.name.as_deref() == Some(&*name)).unwrap().id;
    patch(&scene, "reader", json!({ "metadata": { "annotations": { "keyward.dev/paused": "true" } } })).await;
    until(&scene, "reader", "paused", |grant| find(grant, ConditionType::Synced).is_some_and(|synced| synced.reason == "Paused")).await;
    let recorded = json!({ "status": { "grantId": id, "appliedName": name } });
    api(&scene).patch_status("reader", &kube::api::PatchParams::default(), &kube::api::Patch::Merge(recorded)).await.unwrap();
    patch(&scene, "reader", json!({ "metadata": { "annotations": { "keyward.dev/paused": null } } })).await;
    let kept = until_ready(&scene, "reader", "False", "OwnedByAnother").await;
    assert!(message(&kept).contains("was made with the cluster id earlier"), "{}", message(&kept));
    delete(&scene, "reader").await;
    waits(&scene, "OwnedByAnother", "revoke the grant yourself; to let the object go").await;
    assert_eq!(of_orders(&scene).await.len(), 2);
}

/// More finalizers than are kept in memory: none of others is lost, and our own is found wherever it is.
#[tokio::test]
async fn many_finalizers_of_others_are_kept_and_the_grant_is_revoked() {
    let scene = scene("finalizers").await;
    let others: Vec<String> = (0..100).map(|number| format!("example.com/other-{number}")).collect();
    let object = json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "KeyGrant", "spec": reads(&["Decrypt"]),
        "metadata": { "name": "reader", "finalizers": others } });
    api(&scene).create(&kube::api::PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    let grant = until_ready(&scene, "reader", "True", "Granted").await;
    assert_eq!(grant.metadata.finalizers.unwrap().len(), 101);
    delete(&scene, "reader").await;
    let left =
        until(&scene, "reader", "only others hold it", |grant| grant.metadata.finalizers.as_ref().is_some_and(|all| all.len() == 100))
            .await;
    assert_eq!((left.metadata.finalizers, of_orders(&scene).await.len()), (Some(others), 0));
    patch(&scene, "reader", json!({ "metadata": { "finalizers": null } })).await;
    until_gone(&scene, "reader").await;
}

/// AWS may show a grant late, so a list without it proves nothing for a while after it was made.
#[tokio::test]
async fn a_list_that_lacks_the_grant_lets_no_object_go_at_once() {
    let scene = scene("late").await;
    let begun = Instant::now();
    create(&scene, "reader", reads(&["Decrypt"])).await;
    until_ready(&scene, "reader", "True", "Granted").await;
    let (key, [grant]) = (scene.key("orders").await.arn, <[_; 1]>::try_from(of_orders(&scene).await).unwrap());
    scene.person().revoke_grant().key_id(&key).grant_id(&grant.id).send().await.unwrap();
    delete(&scene, "reader").await;
    until_gone(&scene, "reader").await;
    // Thirty times the consistency of operators in memory, which is a tenth of a second.
    assert!(begun.elapsed() >= Duration::from_secs(3), "{:?}", begun.elapsed());
}

/// The policy of the present key says nothing about the grant on an earlier one.
#[tokio::test]
async fn a_grant_on_an_earlier_key_is_revoked_although_the_present_key_is_only_observed() {
    let scene = granted("moved").await;
    scene.create("bills", json!({})).await;
    scene.until_ready("bills", "True", "Available").await;
    scene.spec("bills", json!({ "managementPolicy": "Observe" })).await;
    scene.look("bills").await;
    patch(&scene, "reader", json!({ "spec": { "keyRef": { "name": "bills" } } })).await;
    until_ready(&scene, "reader", "False", "Drifted").await;
    assert_eq!(of_orders(&scene).await.len(), 1);
    delete(&scene, "reader").await;
    until_gone(&scene, "reader").await;
    assert_eq!((of_orders(&scene).await.len(), done(&scene)), (0, vec!["CreateGrant".to_owned(), "RevokeGrant".to_owned()]));
}

/// A restored database, or a hand: the record is gone, and the finalizer shows that a grant was asked for.
#[tokio::test]
async fn a_grant_whose_record_is_lost_is_revoked_with_its_object() {
    let scene = granted("lost").await;
    patch(&scene, "reader", json!({ "metadata": { "annotations": { "keyward.dev/paused": "true" } } })).await;
    until(&scene, "reader", "paused", |grant| find(grant, ConditionType::Synced).is_some_and(|synced| synced.reason == "Paused")).await;
    let lost = json!({ "status": { "grantId": null, "keyArn": null, "provider": null, "appliedName": null } });
    api(&scene).patch_status("reader", &kube::api::PatchParams::default(), &kube::api::Patch::Merge(lost)).await.unwrap();
    delete(&scene, "reader").await;
    waits(&scene, "Paused", "of this object stops all work").await;
    patch(&scene, "reader", json!({ "metadata": { "annotations": { "keyward.dev/paused": null } } })).await;
    until_gone(&scene, "reader").await;
    assert!(of_orders(&scene).await.is_empty());
    let note = scene.until_event("reader", "GrantRevoked").await;
    assert!(note.ends_with("because its object is deleted"), "{note}");
}

/// A pause is about the key of the paused object.
#[tokio::test]
async fn a_grant_on_an_earlier_key_is_revoked_although_the_present_key_is_paused() {
    let scene = granted("paused-later").await;
    scene.create("bills", json!({})).await;
    scene.until_ready("bills", "True", "Available").await;
    patch(&scene, "reader", json!({ "spec": { "keyRef": { "name": "bills" } } })).await;
    until_ready(&scene, "reader", "True", "Granted").await;
    let bills = scene.key("bills").await.arn;
    let terms = GrantTerms {
        name: Some(own_name(&scene, &bills)),
        grantee: READER.into(),
        operations: vec!["Decrypt".into()],
        ..GrantTerms::default()
    };
    // It comes back on the earlier key, which is on record as such.
    scene.double.plant_grants(&scene.key("orders").await.arn, &terms, 1).unwrap();
    let provider = api(&scene).get("reader").await.unwrap().status.unwrap().provider.unwrap();
    let former = json!({ "status": { "former": [{ "keyArn": scene.key("orders").await.arn, "provider": provider }] } });
    scene.patch("bills", json!({ "metadata": { "annotations": { "keyward.dev/paused": "true" } } })).await;
    until(&scene, "reader", "paused", |grant| find(grant, ConditionType::Synced).is_some_and(|synced| synced.reason == "Paused")).await;
    api(&scene).patch_status("reader", &kube::api::PatchParams::default(), &kube::api::Patch::Merge(former)).await.unwrap();
    delete(&scene, "reader").await;
    waits(&scene, "Paused", "of its ManagedKey stops all work").await;
    assert!(of_orders(&scene).await.is_empty() && scene.double.grants(&bills).unwrap().len() == 1);
    scene.patch("bills", json!({ "metadata": { "annotations": { "keyward.dev/paused": null } } })).await;
    until_gone(&scene, "reader").await;
    assert!(scene.double.grants(&bills).unwrap().is_empty());
}

/// The name of the only grant of a key.
fn own_name(scene: &Scene, key: &str) -> String {
    scene.double.grants(key).unwrap().remove(0).terms.name.unwrap()
}
