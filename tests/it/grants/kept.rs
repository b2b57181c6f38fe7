//! A grant that lives.

use keyward::api::{ConditionType, GRANT_FINALIZER};
use kms_double::{Fault, FaultAction, GrantTerms, Options};
use serde_json::json;

use super::{READER, any, create, done, find, look, message, of_orders, own, patch, reads, scene, until, until_ready};
use crate::support::scene::Scene;

/// Somebody else gives access as well, with a name and without.
fn foreign(scene: &Scene, key: &str) {
    for name in [None, Some("reader"), Some("keyward/other/uid/0")] {
        let terms = GrantTerms {
            name: name.map(str::to_owned),
            grantee: READER.into(),
            operations: vec!["Encrypt".into()],
            ..GrantTerms::default()
        };
        scene.double.plant_grants(key, &terms, 1).unwrap();
    }
}

#[tokio::test]
async fn a_grant_is_made_and_changed_by_a_new_one() {
    let scene = scene("grant").await;
    let key = scene.key("orders").await.arn;
    foreign(&scene, &key);
    let mut spec = reads(&["Decrypt", "DescribeKey"]);
    spec["retiringPrincipal"] = json!("arn:aws:iam::111122223333:role/owner");
    spec["constraints"] = json!({ "encryptionContextSubset": { "tenant": "shop" } });
    create(&scene, "reader", spec).await;
    let grant = until_ready(&scene, "reader", "True", "Granted").await;
    let found = own(&scene, &grant).await;
    let [made] = &found[..] else { panic!("{found:?}") };
    let status = grant.status.as_ref().unwrap();
    assert_eq!((status.grant_id.as_deref(), status.key_arn.as_deref()), (Some(&*made.id), Some(&*key)));
    assert_eq!(status.observed_generation, Some(1));
    assert_eq!(grant.metadata.finalizers.as_deref(), Some(&[GRANT_FINALIZER.to_owned()][..]));
    assert_eq!(find(&grant, ConditionType::Synced).unwrap().status, "True");
    assert!(find(&grant, ConditionType::Reconciling).is_none() && find(&grant, ConditionType::Stalled).is_none());
    let terms = &made.terms;
    assert_eq!((&*terms.grantee, &*terms.operations), (READER, &["Decrypt".to_owned(), "DescribeKey".to_owned()][..]));
    assert_eq!(terms.retiring.as_deref(), Some("arn:aws:iam::111122223333:role/owner"));
    assert_eq!(terms.context_subset.as_ref().unwrap()["tenant"], "shop");
    let note = scene.until_event("reader", "GrantCreated").await;
    assert!(note.contains(&made.id) && note.contains("for Decrypt, DescribeKey"), "{note}");

    // The same in another order is no change.
    patch(&scene, "reader", json!({ "spec": { "operations": ["DescribeKey", "Decrypt"] } })).await;
    until_ready(&scene, "reader", "True", "Granted").await;
    look(&scene, "reader").await;
    assert_eq!(done(&scene), ["CreateGrant"]);

    // A changed spec makes the new grant first.
    patch(&scene, "reader", json!({ "spec": { "operations": ["Decrypt"], "constraints": null } })).await;
    let changed = until_ready(&scene, "reader", "True", "Granted").await;
    let found = own(&scene, &changed).await;
    let [now] = &found[..] else { panic!("{found:?}") };
    assert!(now.id != made.id && now.terms.operations == ["Decrypt"] && now.terms.context_subset.is_none(), "{now:?}");
    assert_eq!(done(&scene), ["CreateGrant", "CreateGrant", "RevokeGrant"]);
    let note = scene.until_event("reader", "GrantRevoked").await;
    assert!(note.contains(&made.id) && note.contains("declares another one"), "{note}");
    assert_eq!(of_orders(&scene).await.len(), 4, "grants of others are never touched");

    // At rest nothing changes.
    let conditions = async || look(&scene, "reader").await.status.map(|status| (status.grant_id, status.conditions));
    let first = conditions().await;
    assert_eq!(conditions().await, first);
    assert_eq!(done(&scene).len(), 3);
}

#[tokio::test]
async fn a_grant_that_somebody_revoked_is_made_again_or_only_reported() {
    let scene = scene("revoked").await;
    create(&scene, "reader", reads(&["Decrypt"])).await;
    let grant = until_ready(&scene, "reader", "True", "Granted").await;
    look(&scene, "reader").await;
    let key = scene.key("orders").await.arn;
    let revoke = async |id: &str| scene.person().revoke_grant().key_id(&key).grant_id(id).send().await.unwrap();
    let first = grant.status.unwrap().grant_id.unwrap();
    revoke(&first).await;
    let again = look(&scene, "reader").await;
    let second = again.status.as_ref().unwrap().grant_id.clone().unwrap();
    assert_ne!(first, second);
    assert_eq!(own(&scene, &again).await.len(), 1);
    let note = scene.until_event("reader", "DriftDetected").await;
    assert!(note.contains(&format!("somebody revoked grant {first}")) && note.contains("made again"), "{note}");

    // Or it is only reported, until the spec changes.
    scene.spec("orders", json!({ "managementPolicy": "EnforceOnChange" })).await;
    until_ready(&scene, "reader", "True", "Granted").await;
    look(&scene, "reader").await;
    revoke(&second).await;
    let reported = look(&scene, "reader").await;
    let drifted = find(&reported, ConditionType::Drifted).expect("it is said");
    assert!(drifted.message.contains(&second) && drifted.message.contains("EnforceOnChange of ManagedKey orders"), "{}", drifted.message);
    assert!(own(&scene, &reported).await.is_empty());
    patch(&scene, "reader", json!({ "spec": { "operations": ["Encrypt"] } })).await;
    let changed = until_ready(&scene, "reader", "True", "Granted").await;
    assert!(find(&changed, ConditionType::Drifted).is_none());
    assert_eq!(own(&scene, &changed).await.len(), 1);

    // A key that is only observed gets no grant and loses none.
    scene.spec("orders", json!({ "managementPolicy": "Observe" })).await;
    look(&scene, "reader").await;
    let before = done(&scene);
    patch(&scene, "reader", json!({ "spec": { "operations": ["Decrypt"] } })).await;
    let observed = until_ready(&scene, "reader", "False", "Drifted").await;
    assert!(message(&observed).contains("managementPolicy Observe of ManagedKey orders makes none"), "{}", message(&observed));
    assert_eq!(done(&scene), before);
}

#[tokio::test]
async fn a_grant_waits_for_its_key() {
    let scene = Scene::with("waits", Options::default(), any()).await;
    create(&scene, "reader", reads(&["Decrypt"])).await;
    let grant = until_ready(&scene, "reader", "False", "KeyNotReady").await;
    assert!(message(&grant).starts_with("ManagedKey orders does not exist in namespace "), "{}", message(&grant));
    assert!(find(&grant, ConditionType::Reconciling).is_some() && find(&grant, ConditionType::Stalled).is_none());
    assert!(grant.metadata.finalizers.is_none(), "an object that never asked for a grant may go at any time");
    super::delete(&scene, "reader").await;
    super::until_gone(&scene, "reader").await;

    // AWS makes no grant of a key that is disabled or is going to be deleted.
    scene.create("orders", json!({ "enabled": false })).await;
    scene.until_ready("orders", "True", "Disabled").await;
    create(&scene, "reader", reads(&["Decrypt"])).await;
    let grant = until_ready(&scene, "reader", "False", "KeyUnavailable").await;
    assert!(message(&grant).contains("is Disabled, and the KMS makes no grant of it"), "{}", message(&grant));
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    until(&scene, "reader", "it says that the key is pending", |grant| message(grant).contains("is PendingDeletion")).await;
    scene.spec("orders", json!({ "deletionScheduleDays": null, "enabled": true })).await;
    until_ready(&scene, "reader", "True", "Granted").await;
    assert_eq!(scene.calls("CreateGrant").len(), 1, "nothing is sent that the KMS would refuse");

    // A grant that exists stays Ready: it is as declared, and a revocation is possible in every state.
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    let grant = look(&scene, "reader").await;
    assert_eq!(find(&grant, ConditionType::Ready).unwrap().reason, "Granted");
    super::delete(&scene, "reader").await;
    super::until_gone(&scene, "reader").await;
    assert!(of_orders(&scene).await.is_empty());
}

#[tokio::test]
async fn a_paused_object_and_the_grants_of_a_paused_key_are_left_alone() {
    let scene = scene("paused").await;
    create(&scene, "reader", reads(&["Decrypt"])).await;
    until_ready(&scene, "reader", "True", "Granted").await;
    look(&scene, "reader").await;
    let pause = |value: serde_json::Value| json!({ "metadata": { "annotations": { "keyward.dev/paused": value } } });
    let paused = async |whose: &str| {
        patch(&scene, "reader", json!({ "spec": { "operations": ["Encrypt"] } })).await;
        let grant = until(&scene, "reader", "it is paused", |grant| {
            find(grant, ConditionType::Synced).is_some_and(|synced| synced.reason == "Paused")
        })
        .await;
        let synced = find(&grant, ConditionType::Synced).unwrap();
        assert!(synced.message.contains(whose), "{}", synced.message);
        assert_eq!(find(&grant, ConditionType::Ready).unwrap().status, "True", "as it was");
    };
    patch(&scene, "reader", pause(json!("true"))).await;
    paused("this object").await;
    patch(&scene, "reader", pause(json!(null))).await;
    until_ready(&scene, "reader", "True", "Granted").await;
    patch(&scene, "reader", json!({ "spec": { "operations": ["Decrypt"] } })).await;
    until_ready(&scene, "reader", "True", "Granted").await;
    let before = done(&scene);
    scene.patch("orders", pause(json!("true"))).await;
    paused("of ManagedKey orders").await;
    assert_eq!(done(&scene), before);
    scene.patch("orders", pause(json!(null))).await;
    until(&scene, "reader", "it goes on", |_| done(&scene).len() == before.len() + 2).await;
}

#[tokio::test]
async fn a_grant_goes_with_its_key_ref() {
    let scene = scene("moved").await;
    scene.create("invoices", json!({})).await;
    scene.until_ready("invoices", "True", "Available").await;
    create(&scene, "reader", reads(&["Decrypt"])).await;
    until_ready(&scene, "reader", "True", "Granted").await;
    let other = scene.key("invoices").await.arn;
    patch(&scene, "reader", json!({ "spec": { "keyRef": { "name": "invoices" } } })).await;
    let grant = until_ready(&scene, "reader", "True", "Granted").await;
    let status = grant.status.as_ref().unwrap();
    assert_eq!((status.key_arn.as_deref(), status.former.len()), (Some(&*other), 0));
    assert_eq!((of_orders(&scene).await.len(), scene.double.grants(&other).unwrap().len()), (0, 1));
    assert_eq!(done(&scene), ["CreateGrant", "CreateGrant", "RevokeGrant"], "the new one first");
}

#[tokio::test]
async fn an_earlier_grant_that_cannot_be_revoked_yet_is_not_forgotten() {
    let scene = scene("earlier").await;
    scene.create("invoices", json!({})).await;
    scene.until_ready("invoices", "True", "Available").await;
    create(&scene, "reader", reads(&["Decrypt"])).await;
    until_ready(&scene, "reader", "True", "Granted").await;
    let denied = FaultAction::Error { code: "AccessDeniedException".into(), status: 400, message: String::new() };
    scene.double.inject(Fault::on("RevokeGrant", denied));
    patch(&scene, "reader", json!({ "spec": { "keyRef": { "name": "invoices" } } })).await;
    let grant = until(&scene, "reader", "it says what is left", |grant| {
        find(grant, ConditionType::Synced).is_some_and(|synced| synced.reason == "AccessDenied")
    })
    .await;
    assert_eq!(find(&grant, ConditionType::Ready).unwrap().status, "True", "the declared grant exists");
    let [former] = &grant.status.as_ref().unwrap().former[..] else { panic!("{:?}", grant.status) };
    assert_eq!(former.key_arn, scene.key("orders").await.arn);
    scene.double.clear_faults();
    let grant = look(&scene, "reader").await;
    assert!(grant.status.unwrap().former.is_empty() && of_orders(&scene).await.is_empty());
}

#[tokio::test]
async fn a_principal_that_is_new_is_waited_for() {
    let scene = scene("new").await;
    let refusal = FaultAction::Error { code: "InvalidArnException".into(), status: 400, message: "no such principal".into() };
    scene.double.inject(Fault::on("CreateGrant", refusal));
    create(&scene, "reader", reads(&["Decrypt"])).await;
    let grant = until_ready(&scene, "reader", "False", "GrantNotAccepted").await;
    assert!(message(&grant).contains("no such principal"), "{}", message(&grant));
    assert!(find(&grant, ConditionType::Reconciling).is_some(), "it is tried again: {:?}", grant.status);
    scene.double.clear_faults();
    look(&scene, "reader").await;
    until_ready(&scene, "reader", "True", "Granted").await;
}

#[tokio::test]
async fn what_the_kms_does_to_us_is_no_news_about_the_grant() {
    let scene = scene("outage").await;
    create(&scene, "reader", reads(&["Decrypt"])).await;
    until_ready(&scene, "reader", "True", "Granted").await;
    look(&scene, "reader").await;
    let error = |code: &str, status: u16| FaultAction::Error { code: code.into(), status, message: String::new() };
    for (code, status, ready, reason) in [
        ("ThrottlingException", 400, "True", "Throttled"),
        ("KMSInternalException", 500, "True", "ProviderUnavailable"),
        ("AccessDeniedException", 400, "False", "AccessDenied"),
        ("BrandNewException", 400, "True", "UnknownError"),
    ] {
        scene.double.inject(Fault::on("ListGrants", error(code, status)));
        look(&scene, "reader").await;
        let grant =
            until(&scene, "reader", code, |grant| find(grant, ConditionType::Synced).is_some_and(|synced| synced.reason == reason)).await;
        assert_eq!(find(&grant, ConditionType::Ready).unwrap().status, ready, "{code}: {:?}", grant.status);
        scene.double.clear_faults();
        look(&scene, "reader").await;
        until_ready(&scene, "reader", "True", "Granted").await;
    }
    assert_eq!(done(&scene), ["CreateGrant"], "nothing follows from an answer that is none");
}
