//! The rows of the table of what is declared and what is observed.

use keyward::api::{ConditionType, ManagedKey, managed_key::KeyState};
use kms_double::{Entry, Fault, FaultAction, KeyState as Actual};
use serde_json::json;

use crate::support::{
    eventually,
    operator::WITHIN,
    scene::{Scene, find, message},
};

#[tokio::test]
async fn a_key_is_created_with_rotation_tags_and_its_claim() {
    let scene = Scene::new("create").await;
    scene
        .create("orders", json!({ "autoRotation": true, "tags": { "team": "shop" }, "aliases": [format!("{}-orders", scene.namespace)], "description": "order signing" }))
        .await;
    let object = scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await;
    assert_eq!(key.state, Actual::Enabled);
    assert_eq!((key.rotation.enabled, key.rotation.period_days), (true, Some(365)));
    assert_eq!(key.description, "order signing");
    assert_eq!(key.tags["team"], "shop");
    assert_eq!(key.tags["keyward-owner"], format!("{}.orders", scene.namespace));
    assert_eq!(key.tags["keyward-uid"], object.metadata.uid.clone().unwrap());
    assert_eq!(key.tags["keyward-intent"], "1.1.live");
    assert!(key.aliases.contains(&scene.claim("orders")), "{:?}", key.aliases);
    let status = object.status.unwrap();
    assert_eq!(status.key_state, Some(KeyState::Enabled));
    assert_eq!((status.intent_seq, status.observed_generation), (Some(1), Some(1)));
    assert_eq!(scene.calls("CreateKey").len(), 1);
    scene.until_event("orders", "KeyCreated").await;
}

#[tokio::test]
async fn a_creation_costs_six_calls_and_three_writes() {
    let scene = Scene::new("cost").await;
    // The first creation through a provider reads the marks of all its keys, and those after it do not.
    scene.create("first", json!({})).await;
    scene.until_ready("first", "True", "Available").await;
    scene.look_at_all("first").await;
    let first = scene.now();
    assert_eq!(scene.calls("ListKeys").len(), 1);
    scene.create("orders", json!({ "autoRotation": true, "tags": { "team": "shop" } })).await;
    let object = scene.until_ready("orders", "True", "Available").await;
    eventually("the look after the change", WITHIN, async || {
        let looks = scene.calls("DescribeKey").iter().filter(|call| call.seq > first).count();
        if looks >= 2 { Ok(()) } else { Err(format!("{looks} looks")) }
    })
    .await;
    let kms = |calls: Vec<Entry>| {
        calls.into_iter().filter(|call| call.service == "kms" && call.seq > first).map(|call| call.operation).collect::<Vec<_>>()
    };
    let calls = ["DescribeKey", "CreateKey", "CreateAlias", "EnableKeyRotation", "GetKeyRotationStatus", "DescribeKey"];
    assert_eq!(kms(scene.operator_calls()), calls);
    // A person who asks for a look sees what it wrote by then: the attempt, the key, and one status each.
    scene.look("orders").await;
    assert_eq!(scene.writes("orders").await, ["status", "object", "status", "status"]);
    let known = |object: ManagedKey| object.status.and_then(|status| status.rotation).and_then(|rotation| rotation.next_rotation_time);
    assert!(known(object).is_some(), "the first status has it all");
}

#[tokio::test]
async fn while_the_marks_of_all_keys_are_read_an_object_says_so_and_holds_up_no_other() {
    let scene = Scene::new("survey").await;
    scene.double.inject(Fault::on("ListKeys", FaultAction::Delay { millis: 4000 }).nth(1));
    scene.create("orders", json!({})).await;
    let object = scene.until_ready("orders", "False", "Creating").await;
    assert!(
        message(&object).contains("the marks of all keys") && find(&object, ConditionType::Reconciling).is_some(),
        "{}",
        message(&object)
    );
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!((scene.calls("ListKeys").len(), scene.calls("CreateKey").len()), (1, 1));
}

#[tokio::test]
async fn a_key_is_scheduled_then_cancelled_and_enabled() {
    let scene = Scene::real("schedule").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;

    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    let object = scene.until_ready("orders", "True", "DeletionScheduled").await;
    let pending = find(&object, ConditionType::PendingDeletion).expect("says that it is pending");
    assert_eq!(pending.reason, "Declared");
    assert!(pending.message.contains("kubectl-client-side-apply"), "{}", pending.message);
    let key = scene.key("orders").await;
    assert_eq!((key.state, key.pending_window_days), (Actual::PendingDeletion, Some(7)));
    let status = object.status.clone().unwrap();
    assert_eq!(status.deletion_date.map(|date| date.0.as_second()), key.deletion_date.map(jiff::Timestamp::as_second));
    scene.until_event("orders", "KeyDeletionScheduled").await;

    scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
    let object = scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.key("orders").await.state, Actual::Enabled);
    let status = object.status.clone().unwrap();
    assert_eq!((status.deletion_date, status.deletion), (None, None));
    assert!(find(&object, ConditionType::PendingDeletion).is_none());
    assert!(message(&object).contains("enabled"));
    scene.until_event("orders", "KeyDeletionCancelled").await;
    assert_eq!(scene.calls("ScheduleKeyDeletion").len(), 1);
    assert_eq!(scene.calls("CancelKeyDeletion").len(), 1);
}
