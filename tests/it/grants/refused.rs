//! A grant that may not be made. What the rules admit in detail is in the tests of `src/domain/grant`.

use kms_double::{Fault, FaultAction, Options};
use serde_json::{Value, json};

use super::{READER, any, create, done, find, message, of_orders, reads, scene, until_ready, with_key};
use crate::support::{scene::Scene, vendor::CIPHER_TRUST};
use keyward::api::ConditionType;

/// The calls of the operator that are about grants.
fn about_grants(scene: &Scene) -> usize {
    scene.operator_calls().iter().filter(|call| call.operation.to_lowercase().contains("grant")).count()
}

#[tokio::test]
async fn by_default_no_grant_is_made_and_nothing_is_called() {
    let scene = Scene::new("default").await;
    with_key(&scene).await;
    create(&scene, "reader", reads(&["Decrypt"])).await;
    let refused = async |allow: Value, words: &str| {
        scene.provide(&scene.provider, json!({ "allow": { "grants": allow } })).await;
        super::until(&scene, "reader", words, |grant| message(grant).contains(words)).await;
        let grant = until_ready(&scene, "reader", "False", "GrantNotAllowed").await;
        assert!(find(&grant, ConditionType::Stalled).is_some());
        assert_eq!(about_grants(&scene), 0, "{words}");
    };
    refused(json!({}), "does not allow a grant with granteePrincipal arn:aws:iam::111122223333:role/reader").await;
    refused(json!({ "principals": ["*"] }), "does not allow a grant of Decrypt").await;
    refused(json!({ "operations": ["*"] }), "(spec.allow.grants.principals)").await;
    refused(json!({ "principals": ["arn:aws:iam::111122223333:role/read"], "operations": ["*"] }), "(spec.allow.grants.principals)").await;
    refused(json!({ "principals": ["*"], "operations": ["Decrypt2", "decrypt"] }), "(spec.allow.grants.operations)").await;
    // As soon as it is allowed, it is made.
    scene.provide(&scene.provider, json!({ "allow": { "grants": { "principals": [READER], "operations": ["Decrypt"] } } })).await;
    until_ready(&scene, "reader", "True", "Granted").await;

    // Narrower rules take no access away, and say so.
    scene.provide(&scene.provider, json!({ "allow": { "grants": { "principals": [], "operations": [] } } })).await;
    let grant = until_ready(&scene, "reader", "False", "GrantNotAllowed").await;
    assert!(message(&grant).ends_with("stays until this object is deleted"), "{}", message(&grant));
    assert_eq!((of_orders(&scene).await.len(), done(&scene)), (1, vec!["CreateGrant".to_owned()]));
    // Revoking is always allowed.
    super::delete(&scene, "reader").await;
    super::until_gone(&scene, "reader").await;
    assert!(of_orders(&scene).await.is_empty());
}

/// A status can be forged in a database, so the key's own marks say whose it is.
#[tokio::test]
async fn no_grant_is_made_of_the_key_of_another_namespace() {
    let scene = scene("theft").await;
    let bank = scene.another_namespace("bank").await;
    let pay = json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": { "name": "pay" }, "spec": { "providerRef": { "name": scene.provider } } });
    let keys = kube::Api::<keyward::api::ManagedKey>::namespaced(scene.client.clone(), &bank);
    keys.create(&kube::api::PostParams::default(), &serde_json::from_value(pay).unwrap()).await.unwrap();
    let pay = crate::support::eventually("the key of the bank", crate::support::operator::WITHIN, async || {
        keys.get("pay").await.unwrap().status.and_then(|status| status.key_id.and(status.key_arn)).ok_or("none")
    })
    .await;
    // Paused, the object keeps the forged status.
    scene.patch("orders", json!({ "metadata": { "annotations": { "keyward.dev/paused": "true" } } })).await;
    scene.until_paused("orders").await;
    let id = pay.rsplit('/').next().unwrap();
    scene.patch_status("orders", json!({ "keyId": id, "keyArn": pay })).await;
    create(&scene, "reader", reads(&["Decrypt"])).await;
    scene
        .patch(
            "orders",
            json!({ "metadata": { "annotations": { "keyward.dev/paused": null } }, "spec": { "managementPolicy": "Observe" } }),
        )
        .await;
    // The object of the key finds out as well, and then it has none.
    super::until(&scene, "reader", "it is refused", |grant| {
        find(grant, ConditionType::Ready).is_some_and(|ready| ["OwnedByAnother", "KeyNotReady"].contains(&&*ready.reason))
    })
    .await;
    super::look(&scene, "reader").await;
    assert!(scene.double.grants(&pay).unwrap().is_empty() && done(&scene).is_empty());
}

#[tokio::test]
async fn what_the_kms_cannot_do_is_said() {
    let scene = scene("invalid").await;
    let said = async |spec: Value, reason: &str, words: &str| {
        create(&scene, "bad", spec).await;
        let grant = until_ready(&scene, "bad", "False", reason).await;
        assert!(message(&grant).contains(words), "{reason}: {}", message(&grant));
        assert!(find(&grant, ConditionType::Stalled).is_some(), "{reason}");
        super::delete(&scene, "bad").await;
        super::until_gone(&scene, "bad").await;
    };
    said(reads(&["Sign"]), "InvalidSpec", "Sign cannot be granted for key ").await;
    assert!(done(&scene).is_empty() && scene.calls("CreateGrant").is_empty(), "the KMS is not asked");
    // What Keyward does not know, the KMS knows.
    said(reads(&["BrandNew"]), "InvalidSpec", "AWS does not accept CreateGrant on ").await;
    let quota = FaultAction::Error { code: "LimitExceededException".into(), status: 400, message: String::new() };
    scene.double.inject(Fault::on("CreateGrant", quota));
    said(reads(&["Decrypt"]), "QuotaExceeded", "the quota of grants of a key (50,000) is used up").await;
    let denied = FaultAction::Error { code: "AccessDeniedException".into(), status: 400, message: String::new() };
    scene.double.clear_faults();
    scene.double.inject(Fault::on("CreateGrant", denied));
    said(reads(&["Decrypt"]), "AccessDenied", "AWS denies kms:CreateGrant on ").await;
}

#[tokio::test]
async fn a_kms_without_grants_says_so() {
    let scene = Scene::alone(&CIPHER_TRUST, "none", Options::default(), any()).await;
    with_key(&scene).await;
    create(&scene, "reader", reads(&["Decrypt"])).await;
    let grant = until_ready(&scene, "reader", "False", "InvalidSpec").await;
    assert!(message(&grant).starts_with("Keyward makes no grants at CipherTrust, "), "{}", message(&grant));
    assert!(find(&grant, ConditionType::Stalled).is_some() && about_grants(&scene) == 0);
    super::delete(&scene, "reader").await;
    super::until_gone(&scene, "reader").await;
}
