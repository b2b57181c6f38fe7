//! Calls whose outcome nobody is told: connections that are cut, replies that are lost, servers that hang.

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
        let attempt = object.metadata.annotations.unwrap_or_default();
        assert!(attempt.contains_key(annotation::CREATE_ATTEMPT), "the attempt stands: {attempt:?}");
        let object = scene.until_ready("orders", "True", "Available").await;
        assert!(!object.metadata.annotations.unwrap().contains_key(annotation::CREATE_ATTEMPT));
        assert_eq!((scene.calls("CreateKey").len(), scene.double.keys().len()), (1, 1));
        let key = scene.key("orders").await;
        assert!(key.rotation.enabled && key.aliases == [scene.claim("orders")], "{key:?}");
    });
    join_all(each).await;
}

#[tokio::test]
async fn a_creation_that_may_have_been_is_repeated_only_after_the_wait_and_an_empty_search() {
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
    scene.double.inject(Fault::on("CreateKey", FaultAction::LoseReply).nth(1));
    scene.double.inject(Fault::on("CreateAlias", FaultAction::Cut));
    scene.double.inject(refusal("ListKeys", "AccessDeniedException", 400));
    scene.create("orders", json!({})).await;
    let object = scene.until_ready("orders", "False", "AccessDenied").await;
    assert!(message(&object).contains("kms:ListKeys") && find(&object, ConditionType::Stalled).is_some(), "{}", message(&object));
    scene.look("orders").await;
    assert_eq!(scene.calls("CreateKey").len(), 1);
    scene.double.clear_faults();
    scene.look("orders").await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!((scene.calls("CreateKey").len(), scene.double.keys().len()), (1, 1));
}

#[tokio::test]
async fn schedule_and_cancel_take_effect_once_however_many_replies_are_lost() {
    // Once: sent again, and refused as done. Three times: nobody is told, and the next look sees it.
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
