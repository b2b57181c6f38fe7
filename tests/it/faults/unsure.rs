//! A KMS is overloaded, fails, or gives an unknown answer. Keyward asks it again later, and changes nothing because of such an answer.

use futures::future::join_all;
use keyward::api::{ConditionType, managed_key::KeyState};
use kms_double::{KeyState as Actual, Options};
use serde_json::json;

use super::refusal;
use crate::support::{
    eventually,
    operator::WITHIN,
    scene::{Scene, find, message},
};

#[tokio::test]
async fn throttled_creations_get_another_turn_and_nothing_is_reported() {
    const OBJECTS: usize = 12;
    // What was throttled comes before the others, so that both may strike one object. It has three turns.
    const THROTTLED: usize = 2;
    let scene = Scene::new("throttled").await;
    // By then the marks of all keys were read. What comes before that is looked for once more.
    scene.create("first", json!({})).await;
    scene.until_ready("first", "True", "Available").await;
    scene.double.inject(refusal("CreateKey", "ThrottlingException", 400).times(THROTTLED as u64));
    join_all((0..OBJECTS).map(async |number| scene.create(&format!("key-{number}"), json!({})).await)).await;
    for number in 0..OBJECTS {
        let name = format!("key-{number}");
        scene.until_ready(&name, "True", "Available").await;
        scene.until_event(&name, "KeyCreated").await;
        assert_eq!(scene.events(&name).await, ["KeyCreated"], "{name}");
        let key = scene.key(&name).await.arn;
        let created = scene.calls("CreateKey").into_iter().find(|call| call.key.as_deref() == Some(&*key)).unwrap();
        // The look that follows may go by a view of the object from before its key was on record.
        let looks =
            scene.calls("DescribeKey").into_iter().filter(|call| call.seq < created.seq && call.params["KeyId"] == scene.claim(&name));
        assert_eq!(looks.count(), 1, "{name}: it was not looked for again");
    }
    assert_eq!((scene.calls("CreateKey").len(), scene.double.keys().len()), (1 + OBJECTS + THROTTLED, 1 + OBJECTS));
}

/// A provider as it is by default, at a KMS that has AWS's default request quotas. How long it takes is in `make bench`.
#[tokio::test]
async fn within_the_default_quotas_nothing_is_throttled_and_a_key_costs_six_calls() {
    const KEYS: usize = 20;
    let options = Options { quotas: true, ..Options::default() };
    let scene = Scene::with("quotas", options, json!({ "quotaSharePercent": null, "resyncSeconds": null })).await;
    // By then the marks of all keys were read.
    scene.create("first", json!({})).await;
    scene.until_ready("first", "True", "Available").await;
    let names: Vec<_> = (0..KEYS).map(|number| format!("key-{number}")).collect();
    let spec = json!({ "autoRotation": true, "tags": { "team": "shop" } });
    join_all(names.iter().map(async |name| scene.create(name, spec.clone()).await)).await;
    let mut made = 0;
    for name in &names {
        scene.until_ready(name, "True", "Available").await;
        let (key, claim) = (scene.key(name).await.arn, scene.claim(name));
        let of_it = || {
            let calls = scene.operator_calls().into_iter();
            calls.filter(|call| call.key.as_deref() == Some(&*key) || call.params["KeyId"] == claim).map(|call| call.operation).collect()
        };
        // The look that follows the change is the last.
        let looked = async || {
            let calls: Vec<_> = of_it();
            if calls.iter().filter(|call| *call == "DescribeKey").count() > 1 { Ok(calls) } else { Err(format!("{name}: {calls:?}")) }
        };
        let calls = eventually("the look after the change", WITHIN, looked).await;
        made += calls.len();
    }
    // A few are looked for once more, by a view of the object from before its key was on record.
    assert!(made <= 6 * KEYS + KEYS / 4, "{made} calls for {KEYS} keys");
    let throttled = scene.operator_calls().into_iter().filter(|call| call.result == "ThrottlingException");
    assert_eq!(throttled.map(|call| call.operation).collect::<Vec<_>>(), Vec::<String>::new());
    for name in &names {
        assert_eq!(scene.events(name).await, ["KeyCreated", "RotationEnabled"], "{name}: to wait is nothing to tell");
    }
}

#[tokio::test]
async fn creations_that_are_throttled_for_long_come_back_later() {
    let scene = Scene::new("throttled-long").await;
    scene.double.inject(refusal("CreateKey", "ThrottlingException", 400).times(5));
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    let times: Vec<_> = scene.calls("CreateKey").iter().map(|call| call.time).collect();
    assert_eq!((times.len(), scene.double.keys().len()), (6, 1));
    // At least three turns, then five seconds and up to a fifth more. A round that somebody's write interrupts begins again without that wait.
    let later = times.windows(2).skip(2).any(|pair| pair[1].duration_since(pair[0]).as_millis() >= 5000);
    assert!(later, "{times:?}");
}

#[tokio::test]
async fn an_answer_that_is_not_known_is_followed_by_no_change() {
    let scene = Scene::new("unknown").await;
    scene.create("orders", json!({ "autoRotation": true })).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.look_at_all("orders").await;
    let key = scene.key("orders").await.arn;
    // Something to mend, and something to apply.
    scene.person().disable_key().key_id(&key).send().await.unwrap();
    let answers = [
        ("DescribeKey", "FromTheFutureException", 400),
        // It looks like an absent key, and is not the code that says so.
        ("DescribeKey", "NotFound", 404),
        ("ListResourceTags", "FromTheFutureException", 400),
        ("GetKeyRotationStatus", "FromTheFutureException", 400),
        ("ListAliases", "FromTheFutureException", 418),
    ];
    let before = scene.now();
    for (number, (operation, code, status)) in answers.into_iter().enumerate() {
        scene.double.inject(refusal(operation, code, status));
        scene.spec("orders", json!({ "description": format!("{number}") })).await;
        let object = scene.until_ready("orders", "False", "UnknownError").await;
        assert!(find(&object, ConditionType::Stalled).is_none(), "{operation}: it may pass");
        assert!(message(&object).contains(operation) && message(&object).contains(code), "{}", message(&object));
        if operation == "DescribeKey" {
            assert_eq!(object.status.as_ref().unwrap().key_state, Some(KeyState::Enabled), "what was known stays");
        }
        assert_eq!(object.status.unwrap().missing, None, "{operation} {code} is no absent key");
        assert_eq!(scene.changes(before), [""; 0], "{operation} {code}");
        scene.double.clear_faults();
    }
    // A key is not created because of such an answer either.
    scene.double.inject(refusal("DescribeKey", "NotFound", 404));
    scene.create("new", json!({})).await;
    scene.until_ready("new", "False", "UnknownError").await;
    assert_eq!(scene.changes(before), [""; 0]);
    scene.double.clear_faults();
    for name in ["orders", "new"] {
        scene.look(name).await;
        scene.until_ready(name, "True", "Available").await;
    }
    let found = scene.double.key(&key).unwrap();
    assert_eq!((found.state, found.description.as_str()), (Actual::Enabled, "4"));
}

/// An error of the KMS itself says nothing about the key.
#[tokio::test]
async fn an_unreachable_kms_says_nothing_about_the_keys() {
    let scene = Scene::new("away").await;
    scene.create("orders", json!({})).await;
    let before = scene.until_ready("orders", "True", "Available").await;
    for (fault, reason) in
        [(refusal("*", "KMSInternalException", 500), "ProviderUnavailable"), (refusal("*", "ThrottlingException", 400), "Throttled")]
    {
        scene.double.inject(fault);
        scene.look("orders").await;
        let object = scene.until_synced("orders", "False", reason).await;
        let ready = |object| find(object, ConditionType::Ready).cloned();
        assert_eq!(ready(&object), ready(&before), "word for word");
        for kind in [ConditionType::Reconciling, ConditionType::Stalled] {
            assert!(find(&object, kind).is_none(), "{kind:?}");
        }
        scene.double.clear_faults();
        scene.look("orders").await;
        scene.until_synced("orders", "True", "Synced").await;
    }
}

#[tokio::test]
async fn a_failing_kms_is_asked_again_and_gets_no_change_meanwhile() {
    let scene = Scene::new("ill").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    let before = scene.now();
    for operation in ["DescribeKey", "ListResourceTags", "ListAliases", "TagResource"] {
        scene.double.inject(refusal(operation, "KMSInternalException", 500));
    }
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    let object = scene.until_ready("orders", "False", "ProviderUnavailable").await;
    assert!(message(&object).contains("KMSInternalException") && find(&object, ConditionType::Stalled).is_none(), "{object:?}");
    assert_eq!(scene.changes(before), [""; 0]);
    scene.double.clear_faults();
    // By itself.
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    assert_eq!(scene.changes(before), ["TagResource", "ScheduleKeyDeletion"]);
}
