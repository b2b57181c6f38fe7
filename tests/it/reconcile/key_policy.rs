//! Key policies: Keyward keeps the declared one, sets none that the provider does not allow or that locks Keyward out, and says which statement differs.

use std::time::Duration;

use keyward::api::ConditionType;
use kms_double::{Fault, FaultAction, Options};
use serde_json::{Value, json};

use crate::support::{
    eventually,
    memory::Memory,
    operator::WITHIN,
    scene::{Scene, describe, find, message},
    vendor::{AWS, CIPHER_TRUST, HUAWEI, Vendor},
};

/// As whom AWS sees the operator of a scene.
const KEYWARD: &str = "arn:aws:iam::111122223333:user/keyward";

fn allow(sid: &str, principal: &str, action: &str) -> Value {
    json!({ "Sid": sid, "Effect": "Allow", "Principal": { "AWS": principal }, "Action": action, "Resource": "*" })
}

/// A policy that lets Keyward do everything, and that principal use the key.
fn policy(principal: &str) -> String {
    let statements = [allow("AllowKeyward", KEYWARD, "kms:*"), allow("AllowUse", principal, "kms:Decrypt")];
    json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}

fn any() -> Value {
    json!({ "allow": { "policies": { "from": "Any" } } })
}

/// The policy that the key of `orders` has.
async fn found(scene: &Scene) -> Value {
    serde_json::from_str(&scene.key("orders").await.policy).unwrap()
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn a_declared_policy_is_kept_and_one_that_is_not_is_left() {
    let scene = Scene::with("policy", Options::default(), any()).await;
    scene.create("orders", json!({ "description": "first" })).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.look_at_all("orders").await;
    assert!(scene.calls("GetKeyPolicy").is_empty() && scene.calls("PutKeyPolicy").is_empty(), "absent: left alone, and not even read");

    let declared = policy("444455556666");
    scene.spec("orders", json!({ "policy": declared })).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(found(&scene).await, value(&declared));
    let note = scene.until_event("orders", "PolicyChanged").await;
    assert!(note.contains("as declared; before that, Id differs, statement AllowKeyward is missing"), "{note}");

    // The same in another spelling is no drift.
    let key = scene.key("orders").await.arn;
    let put = |policy: String| scene.person().put_key_policy().key_id(&key).policy_name("default").policy(policy).send();
    let respelled = declared.replace("\"444455556666\"", "[\"arn:aws:iam::444455556666:root\"]").replace("kms:Decrypt", "KMS:decrypt");
    put(respelled.clone()).await.unwrap();
    scene.look("orders").await;
    assert_eq!(found(&scene).await, value(&respelled));
    assert_eq!(scene.operator_calls().iter().filter(|call| call.operation == "PutKeyPolicy").count(), 1);

    // Another one is put back, and what differed is said without showing it.
    put(policy("777788889999")).await.unwrap();
    scene.look("orders").await;
    assert_eq!(found(&scene).await, value(&declared));
    let note = scene.until_event("orders", "DriftDetected").await;
    assert!(note.contains("corrected: the key policy, in which statement AllowUse differs"), "{note}");
    assert!(!note.contains("777788889999"), "{note}");

    // Or it is only reported.
    scene.spec("orders", json!({ "managementPolicy": "EnforceOnChange" })).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.look("orders").await;
    put(policy("777788889999")).await.unwrap();
    let object = scene.look("orders").await;
    let drifted = find(&object, ConditionType::Drifted).expect("it is said");
    assert!(drifted.message.starts_with("in the key policy, statement AllowUse differs; "), "{}", drifted.message);
    assert_eq!(found(&scene).await, value(&policy("777788889999")));

    // Without the field it is left alone.
    scene.spec("orders", json!({ "policy": null, "managementPolicy": "Enforce" })).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(found(&scene).await, value(&policy("777788889999")));
    let sent = scene.calls("PutKeyPolicy");
    assert!(sent.iter().all(|call| !format!("{call:?}").contains("Bypass")), "the lockout check is never skipped");
}

#[tokio::test]
async fn a_policy_that_may_not_be_set_holds_nothing_up() {
    let scene = Scene::new("policy-refused").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    let before = found(&scene).await;
    let refused = async |allow: Value, policy: &str, reason: &str, words: &str| {
        scene.provide(&scene.provider, json!({ "allow": { "policies": allow } })).await;
        let description = uuid::Uuid::new_v4().to_string();
        scene.spec("orders", json!({ "policy": policy, "description": description })).await;
        let object = scene.until_ready("orders", "False", reason).await;
        assert!(message(&object).contains(words), "{reason}: {}", message(&object));
        assert!(find(&object, ConditionType::Stalled).is_some(), "{reason}");
        let key = scene.key("orders").await;
        assert_eq!((key.description, value(&key.policy)), (description, before.clone()), "{reason}: the others are applied");
    };
    let account = "arn:aws:iam::111122223333:root";
    refused(json!({ "from": "None" }), &policy(account), "PolicyNotAllowed", "spec.policy sets a key policy").await;
    let accounts = || json!({ "from": "Accounts", "accounts": ["444455556666"] });
    refused(accounts(), &policy("777788889999"), "PolicyNotAllowed", "statement AllowUse, which gives access to account 777788889999")
        .await;
    refused(accounts(), &policy("*"), "PolicyNotAllowed", "statement AllowUse, which gives access to everybody").await;
    let others = json!({ "Statement": allow("AllowOthers", "arn:aws:iam::111122223333:user/ann", "kms:*") }).to_string();
    refused(json!({ "from": "Any" }), &others, "PolicyWouldLockOut", "kms:PutKeyPolicy, kms:RevokeGrant, kms:TagResource").await;
    refused(json!({ "from": "Any" }), "{\n\"Statement\"", "InvalidSpec", "at line 2 column 11").await;
    assert!(scene.calls("PutKeyPolicy").is_empty());

    // What is allowed is set, as soon as the provider allows it.
    let good = policy("444455556666");
    scene.provide(&scene.provider, json!({ "allow": { "policies": { "from": "None" } } })).await;
    scene.spec("orders", json!({ "policy": good })).await;
    scene.until_ready("orders", "False", "PolicyNotAllowed").await;
    scene.provide(&scene.provider, json!({ "allow": { "policies": accounts() } })).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(found(&scene).await, value(&good));
}

/// A principal may be new. If it is not, a person has to act.
#[tokio::test]
async fn a_policy_that_aws_does_not_accept_is_tried_again_if_it_names_a_principal() {
    let scene = Scene::with("policy-malformed", Options::default(), any()).await;
    let refused =
        || FaultAction::Error { code: "MalformedPolicyDocumentException".into(), status: 400, message: "invalid principals".into() };
    scene.double.inject(Fault::on("PutKeyPolicy", refused()));
    let account = json!({ "Statement": allow("AllowAccount", "111122223333", "kms:*") }).to_string();
    scene.create("orders", json!({ "policy": account })).await;
    let object = scene.until_ready("orders", "False", "PolicyNotAccepted").await;
    assert!(find(&object, ConditionType::Stalled).is_some(), "no principal in it can be new: {}", message(&object));

    scene.spec("orders", json!({ "policy": policy("arn:aws:iam::111122223333:role/new"), "enabled": false })).await;
    let object = scene
        .until("orders", "the principal may be new", |object| {
            find(object, ConditionType::Reconciling).is_some_and(|found| found.message.contains("role/new"))
        })
        .await;
    assert!(message(&object).contains("tried again for ten minutes"), "{}", message(&object));
    assert!(find(&object, ConditionType::Stalled).is_none());
    assert_eq!(scene.key("orders").await.state, kms_double::KeyState::Disabled, "the life of the key does not wait");
    scene.double.clear_faults();
    scene.until_ready("orders", "True", "Disabled").await;
    assert_eq!(found(&scene).await, value(&policy("arn:aws:iam::111122223333:role/new")));
}

/// Neither the role nor its id is there. It might be new, so a person is asked only after a while.
#[tokio::test]
async fn a_policy_whose_role_was_deleted_ends_stalled_and_names_it() {
    names_the_deleted_role(&AWS).await;
}

#[tokio::test]
async fn a_policy_whose_role_was_deleted_ends_stalled_behind_ciphertrust_too() {
    names_the_deleted_role(&CIPHER_TRUST).await;
}

async fn names_the_deleted_role(vendor: &'static Vendor) {
    let role = "arn:aws:iam::111122223333:role/reader";
    let declares = |principal: &str| {
        let statements = [allow("AllowAccount", "111122223333", "kms:*"), allow("AllowUse", principal, "kms:Decrypt")];
        json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
    };
    let memory = Memory::new().await;
    let scene = Scene::within(&memory, vendor, "policy-deleted", Options::default(), any()).await;
    let _operator = memory.start_with(|settings| settings.principal_wait = Duration::from_secs(1));
    scene.create("orders", json!({ "policy": declares(role) })).await;
    scene.until_ready("orders", "True", "Available").await;
    let ends_stalled = async |named: &str| {
        let may_be_new = format!("the key policy names {named}, which may be new");
        scene
            .until("orders", "the principal may be new", |object| {
                find(object, ConditionType::Reconciling).is_some_and(|found| found.message.contains(&may_be_new))
            })
            .await;
        let lost = format!("the key policy names {named}; correct what was deleted or is misspelt");
        let object = eventually("a person is asked", WITHIN, async || {
            let object = scene.look("orders").await;
            let is_asked = find(&object, ConditionType::Stalled).is_some_and(|found| found.message.contains(&lost));
            if is_asked { Ok(object) } else { Err(describe(&object)) }
        })
        .await;
        let ready = find(&object, ConditionType::Ready).unwrap();
        assert_eq!((&*ready.status, &*ready.reason), ("False", "PolicyNotAccepted"), "{}", ready.message);
        assert!(find(&object, ConditionType::Reconciling).is_none(), "{named}");
    };

    scene.double.delete_principal(role, "AROAEXAMPLEID");
    scene.double.ciphertrust_sync();
    scene.look_at_all("orders").await;
    ends_stalled(role).await;
    assert_eq!(found(&scene).await, value(&declares("AROAEXAMPLEID")), "the key is left as it is");

    // The same if the manifest was written after the key.
    scene.spec("orders", json!({ "policy": declares("AROANEVERTHERE") })).await;
    ends_stalled("AROANEVERTHERE").await;

    scene.spec("orders", json!({ "policy": declares("444455556666") })).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(found(&scene).await, value(&declares("444455556666")));
}

#[tokio::test]
async fn a_policy_is_set_through_ciphertrust() {
    let scene = Scene::alone(&CIPHER_TRUST, "policy", Options::default(), any()).await;
    let account = json!({ "Version": "2012-10-17", "Statement": [allow("AllowAccount", "111122223333", "kms:*")] });
    scene.create("orders", json!({ "policy": account.to_string() })).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(found(&scene).await, account);
    scene.look_at_all("orders").await;
    assert_eq!(scene.calls("policy").len(), 1);
    let note = scene.until_event("orders", "PolicyChanged").await;
    assert!(note.contains("it is not known as which principal AWS sees Keyward"), "{note}");
    scene.spec("orders", json!({ "policy": policy("AROAEXAMPLE") })).await;
    let object = scene.until_ready("orders", "False", "PolicyNotAccepted").await;
    assert!(message(&object).contains("AROAEXAMPLE"), "{}", message(&object));
}

#[tokio::test]
async fn huawei_has_no_policies_and_says_so() {
    let scene = Scene::alone(&HUAWEI, "policy", Options::default(), any()).await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.spec("orders", json!({ "policy": policy("*"), "description": "second" })).await;
    let object = scene.until_ready("orders", "False", "InvalidSpec").await;
    assert!(message(&object).contains("spec.policy is set, but Huawei has no key policies; remove spec.policy"), "{}", message(&object));
    assert_eq!(scene.key("orders").await.description, "second");
}

/// Somebody else's policy keeps Keyward from cancelling the deletion. The declared one is set, and the cancel is tried again at once.
///
/// Shows S11.
#[tokio::test]
async fn a_policy_that_denies_a_cancel_is_corrected_and_the_cancel_is_tried_again() {
    let scene = Scene::with("policy-rescue", Options::default(), any()).await;
    let declared = policy("444455556666");
    scene.create("orders", json!({ "policy": declared })).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    let key = scene.key("orders").await.arn;
    let denying = value(&declared);
    let put = scene.person().put_key_policy().key_id(&key).policy_name("default").policy(policy("777788889999")).send();
    put.await.unwrap();
    assert_ne!(found(&scene).await, denying);
    let denied = || FaultAction::Error { code: "AccessDeniedException".into(), status: 400, message: "not authorized".into() };
    scene.double.inject(Fault::on("CancelKeyDeletion", denied()).times(1));
    let before = scene.now();
    scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(found(&scene).await, denying);
    let rescue = |call: &kms_double::Entry| ["CancelKeyDeletion", "PutKeyPolicy"].contains(&call.operation.as_str());
    let calls = || scene.operator_calls().into_iter().filter(|call| call.seq > before).filter(rescue);
    assert_eq!(calls().map(|call| call.operation).collect::<Vec<_>>(), ["CancelKeyDeletion", "PutKeyPolicy", "CancelKeyDeletion"]);

    // A policy that is as declared is not what denies it, so it is not set again, and nothing loops.
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    scene.double.inject(Fault::on("CancelKeyDeletion", denied()));
    scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
    scene.until_ready("orders", "False", "AccessDenied").await;
    scene.look("orders").await;
    assert_eq!(calls().filter(|call| call.operation == "PutKeyPolicy").count(), 1);
}
