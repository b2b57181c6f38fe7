//! Calls whose outcome nobody is told: connections that are cut, replies that are lost, servers that hang.
//!
//! Shows S9.

use futures::future::join_all;
use keyward::api::{ConditionType, annotation, managed_key::DeletionOrigin};
use kms_double::{Fault, FaultAction, KeyState, Options};
use serde_json::json;

use super::refusal;
use crate::support::scene::{Scene, find, message};

/// How many calls of an operation took effect.
fn effects(scene: &Scene, operation: &str) -> usize {
    scene.calls(operation).iter().filter(|call| call.took_effect).count()
}

#[tokio::test]
async fn a_creation_whose_reply_is_lost_is_found_again() {
    // With a lost alias, too, only its marks tell the key.
    let each = [FaultAction::LoseReply, FaultAction::Cut].map(async |alias| {
        let scene = Scene::new("lost-creation").await;
        scene.double.inject(Fault::on("CreateKey", FaultAction::LoseReply).nth(1));
        scene.double.inject(Fault::on("CreateAlias", alias).nth(1));
        scene.create("orders", json!({ "autoRotation": true, "tags": { "team": "shop" }, "deletionPolicy": "Disable" })).await;
        let object = scene.until_ready("orders", "False", "ProviderUnavailable").await;
        assert!(object.status.unwrap().create_attempt.is_some(), "the attempt stands");
        let object = scene.until_ready("orders", "True", "Available").await;
        assert_eq!(object.status.unwrap().create_attempt, None);
        assert_eq!((scene.calls("CreateKey").len(), scene.double.keys().len()), (1, 1));
        let key = scene.key("orders").await;
        assert!(key.rotation.enabled && key.aliases == [scene.claim("orders")], "{key:?}");
    });
    join_all(each).await;
}

/// What somebody does to an object whose creation is open.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// `kubectl replace`: fields that are not in the manifest are gone.
    Replace,
    /// `kubectl replace --force`: another object of the name.
    ReplaceByForce,
    /// The same, twice.
    ReplaceByForceTwice,
    /// Another key is named.
    NameAnother,
}

/// Shows S2.
#[tokio::test]
async fn whatever_becomes_of_its_object_a_creation_whose_reply_is_lost_makes_one_key() {
    let each = [Act::Replace, Act::ReplaceByForce, Act::ReplaceByForceTwice, Act::NameAnother].map(async |act| {
        let rules = json!({ "adoption": { "from": "Rules", "rules": [{ "namespaces": ["*"], "keys": ["*"] }] } });
        let scene = Scene::with("lost-object", Options::default(), rules).await;
        let other = scene.foreign_key().await;
        scene.double.inject(Fault::on("CreateKey", FaultAction::LoseReply).nth(1));
        let created = scene.create("orders", json!({})).await;
        scene.until("orders", "the attempt is open", |object| object.status.as_ref().is_some_and(|it| it.create_attempt.is_some())).await;
        match act {
            Act::Replace => scene.replace("orders", json!({})).await,
            Act::ReplaceByForce | Act::ReplaceByForceTwice => {
                for _ in 0..if matches!(act, Act::ReplaceByForce) { 1 } else { 2 } {
                    scene.delete("orders").await;
                    scene.until_gone("orders").await;
                    scene.create("orders", json!({})).await;
                }
            }
            Act::NameAnother => drop(scene.spec("orders", json!({ "keyId": other })).await),
        }
        let object = scene.until_ready("orders", "True", "Available").await;
        let key = scene.key("orders").await;
        assert_eq!(key.tags["keyward-uid"], object.metadata.uid.clone().unwrap(), "{act:?}");
        assert!(key.arn != other && scene.double.key(&other).unwrap().tags.is_empty(), "{act:?}");
        scene.look_at_all("orders").await;
        assert_eq!((scene.calls("CreateKey").len(), scene.double.keys().len()), (1, 2), "{act:?}");
        assert_eq!(object.status.unwrap().create_attempt, None, "{act:?}");
        match act {
            Act::Replace => assert_eq!(object.metadata.uid, created.metadata.uid),
            Act::NameAnother => assert!(scene.until_event("orders", "DriftDetected").await.contains(&other)),
            Act::ReplaceByForce | Act::ReplaceByForceTwice => {}
        }
    });
    join_all(each).await;
}

/// Shows S2.
#[tokio::test]
async fn a_key_without_its_claim_is_found_by_every_later_object_of_its_name() {
    let scene = Scene::with("unclaimed", Options::default(), json!({ "resyncSeconds": 600 })).await;
    scene.double.inject(refusal("CreateAlias", "AccessDeniedException", 400));
    let mut known = None;
    for _ in 0..3 {
        scene.create("orders", json!({})).await;
        let object = scene.until_ready("orders", "False", "AccessDenied").await;
        let key = object.status.unwrap().key_arn;
        assert!(key.is_some() && *known.get_or_insert_with(|| key.clone()) == key, "{known:?} {key:?}");
        scene.delete("orders").await;
        scene.until_gone("orders").await;
    }
    assert_eq!((scene.calls("CreateKey").len(), scene.double.keys().len()), (1, 1));
}

#[tokio::test]
async fn an_unresolved_creation_is_repeated_only_after_the_wait_and_an_empty_search() {
    let each = [Fault::on("CreateKey", FaultAction::Cut), refusal("CreateKey", "KMSInternalException", 500)].map(async |fault| {
        let scene = Scene::new("cut-creation").await;
        scene.double.inject(fault.nth(1));
        scene.create("orders", json!({})).await;
        scene.until_ready("orders", "True", "Available").await;
        let calls = scene.calls("CreateKey");
        let [first, second] = calls.as_slice() else { panic!("{calls:?}") };
        assert!(second.time.duration_since(first.time).as_millis() >= 4000, "{calls:?}");
        let searched = scene.calls("ListKeys").iter().any(|call| call.seq < second.seq && call.seq > first.seq && call.succeeded());
        assert!(searched && scene.double.keys().len() == 1);
    });
    join_all(each).await;
}

#[tokio::test]
async fn an_attempt_that_cannot_be_read_waits_for_a_person_who_takes_it_away() {
    let scene = Scene::with("unreadable-attempt", Options::default(), json!({ "resyncSeconds": 600 })).await;
    let object = json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey",
        "metadata": { "name": "orders", "annotations": { (annotation::CREATE_ATTEMPT): "begun some time" } },
        "spec": { "providerRef": { "name": scene.provider } } });
    scene.restore(&serde_json::from_value(object).unwrap()).await;
    let object = scene.until_ready("orders", "False", "CreateUnresolved").await;
    assert!(find(&object, ConditionType::Stalled).is_some());
    assert!(message(&object).contains("remove the annotation keyward.dev/create-attempt"), "{}", message(&object));
    assert_eq!(scene.changes(0), [""; 0]);

    scene.patch("orders", json!({ "metadata": { "annotations": { (annotation::CREATE_ATTEMPT): null } } })).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.calls("CreateKey").len(), 1);
}

#[tokio::test]
async fn a_search_that_cannot_be_read_lets_no_second_creation_through() {
    let scene = Scene::with("unreadable-search", Options::default(), json!({ "resyncSeconds": 600 })).await;
    let denied = async || {
        let object = scene.until_ready("orders", "False", "AccessDenied").await;
        assert!(message(&object).contains("kms:ListKeys") && find(&object, ConditionType::Stalled).is_some(), "{}", message(&object));
        scene.look("orders").await;
    };
    // The first creation is not made either: an earlier object of the name may have made a key.
    scene.double.inject(refusal("ListKeys", "AccessDeniedException", 400));
    scene.create("orders", json!({})).await;
    denied().await;
    assert_eq!(scene.calls("CreateKey").len(), 0);
    scene.double.clear_faults();
    scene.create("first", json!({})).await;
    scene.until_ready("first", "True", "Available").await;

    scene.double.inject(Fault::on("CreateKey", FaultAction::LoseReply).nth(1));
    scene.double.inject(Fault::on("CreateAlias", FaultAction::Cut));
    scene.double.inject(refusal("ListKeys", "AccessDeniedException", 400));
    scene.look("orders").await;
    denied().await;
    assert_eq!(scene.calls("CreateKey").len(), 2);
    scene.double.clear_faults();
    scene.look("orders").await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!((scene.calls("CreateKey").len(), scene.double.keys().len()), (2, 2));
}

#[tokio::test]
async fn schedule_and_cancel_take_effect_once_however_many_replies_are_lost() {
    // One lost reply: the call is sent again, and refused because it was done. Three: Keyward gets no answer, and the next read sees the
    // change.
    let each = [1, 3].map(async |times| {
        let scene = Scene::new("lost-schedule").await;
        scene.create("orders", json!({})).await;
        scene.until_ready("orders", "True", "Available").await;
        scene.double.inject(Fault::on("ScheduleKeyDeletion", FaultAction::LoseReply).times(times));
        scene.double.inject(Fault::on("CancelKeyDeletion", FaultAction::LoseReply).times(times));
        scene.spec("orders", json!({ "deletionScheduleDays": 9 })).await;
        let object = scene.until_ready("orders", "True", "DeletionScheduled").await;
        let deletion = object.status.unwrap().deletion.unwrap();
        assert_eq!((deletion.origin, deletion.schedule_days, deletion.call), (DeletionOrigin::Keyward, Some(9), None));
        assert_eq!(scene.key("orders").await.pending_window_days, Some(9));
        scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
        scene.until_ready("orders", "True", "Available").await;
        assert_eq!(scene.key("orders").await.state, KeyState::Enabled);
        for operation in ["ScheduleKeyDeletion", "CancelKeyDeletion", "EnableKey"] {
            assert_eq!(effects(&scene, operation), 1, "{operation}, {times} replies lost");
        }
    });
    join_all(each).await;
}

#[tokio::test]
async fn a_call_that_hangs_ends_and_holds_up_no_other_object() {
    let scene = Scene::new("hung").await;
    scene.double.inject(Fault::on("EnableKeyRotation", FaultAction::Hang).times(3));
    scene.create("orders", json!({ "autoRotation": true })).await;
    scene.create("other", json!({})).await;
    scene.until_ready("other", "True", "Available").await;
    let object = scene.until_ready("orders", "False", "ProviderUnavailable").await;
    assert!(message(&object).contains("did not answer EnableKeyRotation"), "{}", message(&object));
    scene.until_ready("orders", "True", "Available").await;
    assert!(scene.key("orders").await.rotation.enabled);
    assert_eq!(effects(&scene, "EnableKeyRotation"), 1);
}
