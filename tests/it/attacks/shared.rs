//! What namespaces share: the operator's work, and the brake of a provider. And attacks that take more than one write.
//!
//! Those that are worth a real API server are told twice: by a tenant there, with admission on, and in memory, where nothing is admitted.

use std::collections::BTreeSet;

use keyward::{
    api::{ConditionType, FINALIZER, KeyGrant, KeyProvider, ManagedKey, annotation, condition},
    text::shown,
};
use kms_double::{ACCOUNT, Fault, FaultAction, Options};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use super::{admitted::tenant, rows::TEXT};
use crate::reconcile::held::a_token_is_spent;
use crate::support::{
    eventually,
    memory::Memory,
    operator::WITHIN,
    scene::{REGION, Scene, describe, find},
    vendor::AWS,
};

/// An object of another namespace of the scene.
async fn create_in(scene: &Scene, namespace: &str, name: &str, spec: Value) -> Api<ManagedKey> {
    let mut spec = spec;
    spec["providerRef"] = json!({ "name": scene.provider });
    let object = json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": { "name": name }, "spec": spec });
    let api = Api::<ManagedKey>::namespaced(scene.client.clone(), namespace);
    api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    api
}

async fn until(api: &Api<ManagedKey>, name: &str, reason: &str) -> ManagedKey {
    eventually(&format!("{name}: {reason}"), WITHIN, async || {
        let object = api.get(name).await.unwrap();
        let ready = find(&object, ConditionType::Ready);
        let is = ready.is_some_and(|ready| ready.reason == reason && ready.observed_generation == object.metadata.generation);
        if is { Ok(object) } else { Err(describe(&object)) }
    })
    .await
}

async fn declare(api: &Api<ManagedKey>, name: &str, spec: Value) {
    api.patch(name, &PatchParams::default(), &Patch::Merge(json!({ "spec": spec }))).await.unwrap();
}

/// Measured by the order of service, and not by time: how many keys of the crowd are created before the one of the other namespace. The crowd is listed first.
///
/// Shows S11.
#[tokio::test]
async fn ten_thousand_objects_do_not_delay_the_one_of_another_namespace() {
    const CROWD: usize = 10_000;
    // Rounds of a crowd that began before the other object was seen.
    const BEGUN: usize = 2 * 256 + 64;
    let memory = Memory::new().await;
    let scene = Scene::within(&memory, &AWS, "crowd", Options::default(), json!({})).await;
    for number in 0..CROWD {
        scene.create(&format!("key-{number}"), json!({})).await;
    }
    let shop = scene.another_namespace("shop").await;
    let api = create_in(&scene, &shop, "one", json!({})).await;
    let mut operator = memory.start();
    until(&api, "one", "Available").await;
    operator.kill();
    let created = scene.calls("CreateKey");
    let one = created.iter().position(|entry| entry.params.to_string().contains(&format!("{shop}.one")));
    let before = one.unwrap_or_else(|| panic!("not among {}", created.len()));
    assert!(before < BEGUN, "{before} keys of the crowd were created before it");
}

/// The alert about a pending key without an object names its last owner. Somebody makes an object whose status says that it had the key and that its deletion
/// was due long ago, and deletes that object without a look at the key.
///
/// Shows S12.
#[tokio::test]
async fn a_forged_status_takes_over_no_alert() {
    let memory = Memory::new().await;
    let scene = Scene::within(&memory, &AWS, "forges", Options::default(), json!({})).await;
    let operator = memory.start_with(|settings| settings.per_object_metrics = true);
    let bank = scene.another_namespace("bank").await;
    let api = create_in(&scene, &bank, "old", json!({})).await;
    let key = until(&api, "old", "Available").await.status.and_then(|status| status.key_arn).unwrap();
    declare(&api, "old", json!({ "deletionScheduleDays": 7 })).await;
    until(&api, "old", "DeletionScheduled").await;
    api.delete("old", &DeleteParams::default()).await.unwrap();
    let listed = async || {
        let provider = Api::<KeyProvider>::all(scene.client.clone()).get(&scene.provider).await.unwrap();
        provider.status.unwrap_or_default().pending_deletions
    };
    eventually("the key is listed", WITHIN, async || if listed().await.is_empty() { Err("none is") } else { Ok(()) }).await;
    let before = listed().await;

    let spec = json!({ "providerRef": { "name": scene.provider }, "deletionPolicy": "Retain" });
    let metadata = json!({ "name": "forged", "finalizers": [FINALIZER], "annotations": { (annotation::PAUSED): "true" } });
    let object = json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": metadata, "spec": spec });
    scene.keys().create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    scene.until_paused("forged").await;
    scene.patch_status("forged", json!({ "keyArn": key, "keyState": "PendingDeletion", "deletionDate": "2020-01-01T00:00:00Z" })).await;
    scene.delete("forged").await;
    scene.until_gone("forged").await;
    assert_eq!(listed().await, before);
    let metrics = operator.metrics.encode();
    let alerts = |namespace: &str| {
        let named = [format!("namespace=\"{namespace}\""), format!("key=\"{key}\"")];
        metrics.lines().filter(|line| named.iter().all(|label| line.contains(label))).count()
    };
    assert!(alerts(&bank) > 0, "{metrics}");
}

/// The annotation of an earlier version that says that a creation was begun. Without it, the marks of all keys are read once for all objects.
///
/// Shows S11.
#[tokio::test]
async fn a_forged_record_of_a_creation_has_no_keys_read() {
    const KEYS: usize = 30;
    const EACH: usize = 10;
    let scene = Scene::new("attempts").await;
    for _ in 0..KEYS {
        scene.plant_outside(None);
    }
    scene.create("first", json!({})).await;
    scene.until_ready("first", "True", "Available").await;
    let before = scene.now();
    // By the wait of this scene, 4 seconds: such a creation may be under way, was over before, or is to begin.
    let now = jiff::Timestamp::now();
    let forged = [("under-way", 0), ("over", -4), ("future", 3600)].into_iter().flat_map(|(name, seconds)| {
        let time = now.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap();
        (0..EACH).map(move |number| (format!("{name}-{number}"), format!("id/{ACCOUNT}/{REGION}/{time}")))
    });
    for (name, attempt) in forged {
        let metadata = json!({ "name": name, "annotations": { (annotation::CREATE_ATTEMPT): attempt } });
        let spec = json!({ "providerRef": { "name": scene.provider } });
        let object = json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": metadata, "spec": spec });
        scene.keys().create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    }
    for number in 0..EACH {
        scene.until_ready(&format!("future-{number}"), "False", "CreateUnresolved").await;
        for name in ["under-way", "over"] {
            scene.until_ready(&format!("{name}-{number}"), "False", "Creating").await;
            scene.look(&format!("{name}-{number}")).await;
        }
    }
    let reads = scene.double.ledger_after(before).into_iter().filter(|call| call.operation == "ListResourceTags").count();
    // Messages name the keys without marks. They are listed once for all.
    assert!(reads < 2 * KEYS, "{reads} reads of tags for {} objects without a key", 3 * EACH);
    assert_eq!(scene.calls("CreateKey").len(), 1);
    // Without the annotation the object gets a key as any other.
    scene.patch("over-0", json!({ "metadata": { "annotations": { (annotation::CREATE_ATTEMPT): null } } })).await;
    scene.until_ready("over-0", "True", "Available").await;
}

/// A tenant uses the budget of the provider up. What the other loses is that his own deletions wait for a person; bringing a key back is not braked.
///
/// Shows S1 and S11.
#[tokio::test]
async fn a_tenant_who_trips_the_brake_keeps_nobody_from_bringing_a_key_back() {
    const BUDGET: usize = 3;
    let guard = json!({ "deletionGuard": { "maxPerHour": BUDGET } });
    let scene = Scene::with("flaps", Options::default(), guard).await;
    let bank = scene.another_namespace("bank").await;
    let api = create_in(&scene, &bank, "pay", json!({})).await;
    create_in(&scene, &bank, "old", json!({})).await;
    for name in ["flag", "last", "over"] {
        scene.create(name, json!({})).await;
    }
    for name in ["flag", "last", "over"] {
        scene.until_ready(name, "True", "Available").await;
    }
    until(&api, "pay", "Available").await;
    until(&api, "old", "Available").await;
    declare(&api, "pay", json!({ "deletionScheduleDays": 7 })).await;
    until(&api, "pay", "DeletionScheduled").await;

    // One key counts once, however often its deletion is asked for and withdrawn.
    for _ in 0..BUDGET {
        scene.spec("flag", json!({ "deletionScheduleDays": 7 })).await;
        scene.until_ready("flag", "True", "DeletionScheduled").await;
        scene.spec("flag", json!({ "deletionScheduleDays": null })).await;
        scene.until_ready("flag", "True", "Available").await;
    }
    for (name, status, reason) in [("last", "True", "DeletionScheduled"), ("over", "False", "BudgetExhausted")] {
        scene.spec(name, json!({ "deletionScheduleDays": 7 })).await;
        scene.until_ready(name, status, reason).await;
    }
    let scheduled =
        |scene: &Scene| scene.calls("ScheduleKeyDeletion").into_iter().filter_map(|entry| entry.key).collect::<BTreeSet<_>>().len();
    assert_eq!(scheduled(&scene), BUDGET, "one key of the bank, and two of the attacker");
    let provider = Api::<KeyProvider>::all(scene.client.clone()).get(&scene.provider).await.unwrap();
    let conditions = provider.status.unwrap_or_default().conditions;
    assert!(condition::find(&conditions, ConditionType::DeletionsStopped).is_some(), "an administrator is told");

    declare(&api, "old", json!({ "deletionScheduleDays": 7 })).await;
    until(&api, "old", "BudgetExhausted").await;
    declare(&api, "pay", json!({ "deletionScheduleDays": null })).await;
    until(&api, "pay", "Available").await;
    assert_eq!(scheduled(&scene), BUDGET);
}

/// A status says that a call is open that a person confirmed. The word on the key says nothing of it, so the token is demanded all the same.
///
/// Shows S1.
pub async fn a_status_confirms_no_deletion(scene: Scene, admission: bool) {
    scene.create("orders", json!({})).await;
    let own = scene.until_ready("orders", "True", "Available").await;
    let seq = own.status.and_then(|status| status.intent_seq).unwrap();
    let deletion = json!({ "origin": "Keyward", "call": "Open", "scheduleDays": 7, "requestedTime": jiff::Timestamp::now().to_string() });
    let forged = Patch::Merge(json!({ "status": { "deletion": deletion, "intentWord": "7", "intentSeq": seq + 1 } }));
    let written = scene.keys().patch_status("orders", &PatchParams::default(), &forged).await;
    match written {
        Err(refused) => assert!(admission && refused.to_string().contains("only Keyward may write this status"), "{refused}"),
        Ok(_) => assert!(!admission, "a tenant wrote a status"),
    }
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    let held = scene.until("orders", "it is held", |object| find(object, ConditionType::DeletionHeld).is_some()).await;
    assert!(scene.calls("ScheduleKeyDeletion").is_empty(), "{}", describe(&held));
    // A token of one's own making is none.
    for token in ["held-aaaaaa", "00000000-0000-0000-0000-000000000000@2-aaaaaa"] {
        scene.patch("orders", json!({ "metadata": { "annotations": { "keyward.dev/confirm-deletion": token } } })).await;
        scene.look("orders").await;
    }
    assert!(scene.calls("ScheduleKeyDeletion").is_empty());
}

/// An object of the same namespace and name, made by whoever has the namespace now, takes the key up. For a day it cannot have the key deleted without a token.
///
/// Shows S8.
pub async fn a_namespace_that_changes_hands_gives_no_deletion(scene: Scene) {
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    scene.create("orders", json!({ "deletionPolicy": "Delete" })).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.key("orders").await.arn, key);
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "False", "NotSeenLive").await;
    scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.delete("orders").await;
    scene.until("orders", "it waits", |object| find(object, ConditionType::DeletionHeld).is_some()).await;
    assert!(scene.calls("ScheduleKeyDeletion").is_empty());
}

/// A pause keeps Keyward from adding its finalizer again.
pub async fn a_finalizer_that_is_removed_by_hand_takes_no_key_along(scene: Scene) {
    scene.create("orders", json!({ "deletionPolicy": "Delete" })).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await;
    scene.patch("orders", json!({ "metadata": { "annotations": { "keyward.dev/paused": "true" }, "finalizers": null } })).await;
    scene.until_paused("orders").await;
    let before = scene.now();
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    scene.create("another", json!({})).await;
    scene.until_ready("another", "True", "Available").await;
    assert_eq!(scene.double.key(&key.arn).unwrap().state, key.state);
    assert!(!scene.changes(before).iter().any(|change| ["ScheduleKeyDeletion", "DisableKey"].contains(&change.as_str())));
}

/// What a KMS says of an error goes into conditions and events. A tenant chooses part of it, such as the names in it.
pub async fn the_text_of_an_error_is_told_on_one_line(scene: Scene) {
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    for (number, code) in ["AccessDeniedException", "ValidationException", "Unheard0fException"].into_iter().enumerate() {
        let action = FaultAction::Error { code: code.into(), status: 400, message: format!("forged {TEXT}") };
        scene.double.inject(Fault::on("UpdateKeyDescription", action));
        scene.spec("orders", json!({ "description": format!("text {number}") })).await;
        let told = scene
            .until("orders", code, |object| {
                let synced = find(object, ConditionType::Synced).filter(|synced| synced.status == "False");
                synced.is_some_and(|synced| synced.observed_generation == object.metadata.generation)
            })
            .await;
        let messages: Vec<_> = told.status.iter().flat_map(|status| &status.conditions).map(|condition| &condition.message).collect();
        assert!(messages.iter().any(|message| message.contains("UpdateKeyDescription")), "{messages:?}");
        let events = scene.events_in(&scene.namespace, &told.name_any()).await;
        for text in messages.into_iter().chain(events.iter().map(|(_, note)| note)) {
            assert_eq!(shown(text), *text);
        }
        scene.double.clear_faults();
        scene.look("orders").await;
    }
}

/// An object that somebody who has rights in one namespace makes grants for.
async fn grants_that_may_not_be_made(scene: Scene) {
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    let api = Api::<KeyGrant>::namespaced(scene.client.clone(), &scene.namespace);
    let role = format!("arn:aws:iam::{ACCOUNT}:role/reader");
    for (number, (principal, operation)) in [
        (role.clone(), "CreateGrant"),
        (role.clone(), "Encrypt"),
        (format!("arn:aws:iam::{ACCOUNT}:user/reader"), "Decrypt"),
        (format!("arn:aws:iam::{ACCOUNT}:role/*"), "Decrypt"),
        (format!("arn:aws:iam::{ACCOUNT}:role/reader:admin"), "Decrypt"),
        (format!("arn:aws-cn:iam::{ACCOUNT}:role/reader"), "Decrypt"),
        ("arn:aws:iam::\u{ff11}11122223333:role/reader".into(), "Decrypt"),
        ("*".into(), "Decrypt"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("grant-{number}");
        let spec = json!({ "keyRef": { "name": "orders" }, "granteePrincipal": principal, "operations": [operation] });
        let grant = json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "KeyGrant", "metadata": { "name": name }, "spec": spec });
        // What admission refuses is not there.
        if let Err(refused) = api.create(&PostParams::default(), &serde_json::from_value(grant).unwrap()).await {
            assert!(refused.to_string().contains("spec."), "{refused}");
            continue;
        }
        eventually(&format!("{principal} {operation}: it is refused"), WITHIN, async || {
            let grant = api.get(&name).await.unwrap();
            let conditions = grant.status.map(|status| status.conditions).unwrap_or_default();
            let ready = condition::find(&conditions, ConditionType::Ready).cloned();
            match ready {
                Some(ready) if ready.status == "False" && ["GrantNotAllowed", "InvalidSpec"].contains(&&*ready.reason) => Ok(()),
                ready => Err(format!("{ready:?}")),
            }
        })
        .await;
    }
    assert!(scene.calls("CreateGrant").is_empty());
}

/// What the provider of a story says.
fn spec_of(story: &str) -> Value {
    match story {
        "a_status_confirms_no_deletion" => json!({ "deletionGuard": { "requireConfirmation": true } }),
        "grants_that_may_not_be_made" => {
            json!({ "allow": { "grants": { "principals": [format!("arn:aws:iam::{ACCOUNT}:role/*")], "operations": ["Decrypt"] } } })
        }
        _ => json!({}),
    }
}

macro_rules! twice {
    ($($test:ident: $story:expr;)+) => {
        mod admitted {
            use super::*;
            $(
                #[tokio::test]
                async fn $test() {
                    let (scene, policy) = tenant(spec_of(stringify!($test))).await;
                    let story: fn(Scene, bool) -> _ = $story;
                    story(scene, true).await;
                    policy.remove().await;
                }
            )+
        }
        mod bypassed {
            use super::*;
            $(
                #[tokio::test]
                async fn $test() {
                    let story: fn(Scene, bool) -> _ = $story;
                    story(Scene::with("own", Options::default(), spec_of(stringify!($test))).await, false).await;
                }
            )+
        }
    };
}

twice! {
    a_status_confirms_no_deletion: |scene, admission| super::a_status_confirms_no_deletion(scene, admission);
    a_namespace_that_changes_hands_gives_no_deletion: |scene, _| super::a_namespace_that_changes_hands_gives_no_deletion(scene);
    a_finalizer_that_is_removed_by_hand_takes_no_key_along: |scene, _| super::a_finalizer_that_is_removed_by_hand_takes_no_key_along(scene);
    the_text_of_an_error_is_told_on_one_line: |scene, _| super::the_text_of_an_error_is_told_on_one_line(scene);
    a_token_is_spent_once_its_deletion_was_scheduled: |scene, _| a_token_is_spent(scene);
    grants_that_may_not_be_made: |scene, _| super::grants_that_may_not_be_made(scene);
}
