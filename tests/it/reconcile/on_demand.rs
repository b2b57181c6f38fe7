//! Rotation on demand: each text of `keyward.dev/rotate-requested-at` rotates the key once, whatever happens to the object.

use jiff::SignedDuration;
use keyward::api::{
    ConditionType, ManagedKey, annotation,
    managed_key::{OnDemand, RotationType},
};
use kms_double::{Fault, FaultAction, Options};
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::support::{
    scene::{Scene, describe, find},
    vendor::{self, Vendor},
};

/// A scene whose KMS completes a rotation on demand at once.
async fn scene(vendor: &'static Vendor, name: &str) -> Scene {
    let options = Options { settling: SignedDuration::ZERO, ..Options::default() };
    Scene::alone(vendor, name, options, json!({})).await
}

/// The same, with a key.
async fn with_key(vendor: &'static Vendor, name: &str, spec: Value) -> Scene {
    let scene = scene(vendor, name).await;
    scene.create("orders", spec).await;
    scene.until_ready("orders", "True", "Available").await;
    scene
}

async fn annotate(scene: &Scene, name: &str, text: Value) -> ManagedKey {
    scene.patch("orders", json!({ "metadata": { "annotations": { name: text } } })).await
}

async fn request(scene: &Scene, text: &str) {
    annotate(scene, annotation::ROTATE_REQUESTED_AT, json!(text)).await;
}

fn record(object: &ManagedKey) -> OnDemand {
    object.status.clone().and_then(|status| status.rotation?.on_demand).unwrap_or_default()
}

/// Waits until a request is handled, and its rotation is on the KMS's record.
async fn until_rotated(scene: &Scene, text: &str) -> ManagedKey {
    scene
        .until("orders", &format!("rotated for {text}"), |object| {
            let record = record(object);
            record.last_handled.as_deref() == Some(text) && record.request.is_none() && record.last_time.is_some()
        })
        .await
}

/// How often the key was rotated on demand.
fn rotations(scene: &Scene) -> usize {
    scene.calls(scene.vendor.operations.rotate_now).iter().filter(|call| call.took_effect).count()
}

/// So that two rotations have two dates.
fn later(scene: &Scene) {
    scene.double.advance(SignedDuration::from_mins(1)).unwrap();
}

async fn each_text_rotates_the_key_once(vendor: &'static Vendor) {
    let scene = with_key(vendor, "rotate", json!({})).await;
    assert_eq!(rotations(&scene), 0);
    request(&scene, "first").await;
    let object = until_rotated(&scene, "first").await;
    let rotated = scene.key("orders").await.rotation.rotated;
    let date = keyward::api::condition::seconds(rotated[0].date);
    assert_eq!((rotated.len(), rotations(&scene), record(&object).last_time), (1, 1, Some(date.clone())));
    let note = scene.until_event("orders", "RotationRequested").await;
    assert!(note.contains("\"first\""), "{note}");
    let note = scene.until_event("orders", "KeyRotated").await;
    assert!(note.contains(&date.0.to_string()), "{note}");
    let rotation = object.status.clone().unwrap().rotation.unwrap();
    assert_eq!(rotation.last_rotation_time, Some(date));
    // Huawei says neither how many rotations were on demand, nor which.
    if vendor.provider == keyward::api::key_provider::ProviderType::Huawei {
        assert_eq!((rotation.last_rotation_type, rotation.on_demand.unwrap().used), (None, None));
    } else {
        assert_eq!((rotation.last_rotation_type, rotation.on_demand.unwrap().used), (Some(RotationType::OnDemand), Some(1)));
        assert!(note.contains("on demand"), "{note}");
    }
    assert_eq!(find(&object, ConditionType::Synced).unwrap().status, "True", "{}", describe(&object));

    // The text stays, and nothing is asked for it again.
    let listed = scene.calls(vendor.operations.rotations).len();
    scene.look_by_itself("orders").await;
    let object = scene.look("orders").await;
    assert_eq!((rotations(&scene), record(&object).last_handled.as_deref()), (1, Some("first")));
    later(&scene);
    request(&scene, "second").await;
    until_rotated(&scene, "second").await;
    assert_eq!(rotations(&scene), 2);
    assert!(scene.calls(vendor.operations.rotations).len() > listed);

    // An old manifest brings the first text back, and a replaced one the second.
    later(&scene);
    request(&scene, "first").await;
    scene.until("orders", "the old text is skipped", |object| record(object).last_handled.as_deref() == Some("first")).await;
    let note = scene.until_event("orders", "RotationSkipped").await;
    assert!(note.contains("it was handled before"), "{note}");
    scene.replace("orders", json!({ "description": "replaced" })).await;
    scene.look("orders").await;
    request(&scene, "second").await;
    scene.until("orders", "the old text is skipped", |object| record(object).last_handled.as_deref() == Some("second")).await;
    scene.look_at_all("orders").await;
    assert_eq!(rotations(&scene), 2, "each text once");
    request(&scene, "third").await;
    until_rotated(&scene, "third").await;
    assert_eq!(rotations(&scene), 3);
}

#[tokio::test]
async fn each_text_rotates_a_key_of_aws_once() {
    each_text_rotates_the_key_once(&vendor::AWS).await;
}

#[tokio::test]
async fn each_text_rotates_a_key_of_ciphertrust_once() {
    each_text_rotates_the_key_once(&vendor::CIPHER_TRUST).await;
}

#[tokio::test]
async fn each_text_rotates_a_key_of_huawei_once() {
    each_text_rotates_the_key_once(&vendor::HUAWEI).await;
}

/// A manifest in Git, a copy, or a backup without status brings an old text with it.
async fn a_text_that_came_with_the_object_rotates_nothing(vendor: &'static Vendor) {
    let scene = scene(vendor, "rotate-old").await;
    let metadata = json!({ "name": "orders", "annotations": { (annotation::ROTATE_REQUESTED_AT): "old" } });
    let spec = json!({ "providerRef": { "name": scene.provider } });
    let manifest = json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": metadata, "spec": spec });
    let manifest: ManagedKey = serde_json::from_value(manifest).unwrap();
    scene.keys().create(&PostParams::default(), &manifest).await.unwrap();
    scene.until_ready("orders", "True", "Available").await;
    let note = scene.until_event("orders", "RotationSkipped").await;
    assert!(note.contains("the object had it when it got its key"), "{note}");
    let object = scene.look_at_all("orders").await;
    assert_eq!((rotations(&scene), record(&object).last_handled.as_deref()), (0, Some("old")));
    request(&scene, "new").await;
    until_rotated(&scene, "new").await;

    // The object is made again, with the text that was handled, and the status is lost.
    let object = scene.keys().get("orders").await.unwrap();
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    scene.restore(&object).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.until("orders", "the text is skipped", |object| record(object).last_handled.as_deref() == Some("new")).await;
    scene.look_at_all("orders").await;
    assert_eq!(rotations(&scene), 1);
}

#[tokio::test]
async fn a_text_that_came_with_an_object_of_aws_rotates_nothing() {
    a_text_that_came_with_the_object_rotates_nothing(&vendor::AWS).await;
}

#[tokio::test]
async fn a_text_that_came_with_an_object_of_huawei_rotates_nothing() {
    a_text_that_came_with_the_object_rotates_nothing(&vendor::HUAWEI).await;
}

/// The command in the message that confirms a rotation.
async fn confirm(scene: &Scene, object: &ManagedKey) {
    let message = &find(object, ConditionType::Ready).unwrap().message;
    let (_, command) = message.split_once("to have the key rotated: kubectl ").unwrap_or_else(|| panic!("no command in: {message}"));
    let (_, argument) = command.split_once("managedkey orders ").unwrap();
    let (annotation, text) = argument.split_once("='").unwrap();
    let (text, _) = text.split_once('\'').unwrap();
    annotate(scene, annotation, json!(text)).await;
}

async fn a_status_that_was_set_back_rotates_nothing_without_a_person(vendor: &'static Vendor) {
    let scene = with_key(vendor, "rotate-back", json!({})).await;
    request(&scene, "once").await;
    until_rotated(&scene, "once").await;
    scene.look("orders").await;
    // The storage is put back to before the rotation.
    let rotation = json!({ "onDemand": null, "lastRotationTime": null, "lastRotationType": null });
    scene.patch_status("orders", json!({ "rotation": rotation })).await;
    let object = scene.until_ready("orders", "False", "RotationHeld").await;
    let stalled = find(&object, ConditionType::Stalled).unwrap();
    assert!(stalled.message.contains("which this object does not know"), "{}", stalled.message);
    let object = scene.look_at_all("orders").await;
    assert_eq!(rotations(&scene), 1, "{}", describe(&object));
    // The person sees that it was done, and withdraws the request.
    annotate(&scene, annotation::ROTATE_REQUESTED_AT, Value::Null).await;
    scene.until_ready("orders", "True", "Available").await;
    // A look that the person asks for learns what the KMS has on record.
    scene.look("orders").await;
    later(&scene);
    request(&scene, "again").await;
    until_rotated(&scene, "again").await;
    assert_eq!(rotations(&scene), 2);
}

/// Shows S9.
#[tokio::test]
async fn a_status_that_was_set_back_rotates_no_key_of_aws_without_a_person() {
    a_status_that_was_set_back_rotates_nothing_without_a_person(&vendor::AWS).await;
}

/// Shows S9.
#[tokio::test]
async fn a_status_that_was_set_back_rotates_no_key_of_huawei_without_a_person() {
    a_status_that_was_set_back_rotates_nothing_without_a_person(&vendor::HUAWEI).await;
}

#[tokio::test]
async fn the_last_rotation_needs_a_confirmation_and_then_none_is_left() {
    let scene = with_key(&vendor::AWS, "rotate-last", json!({ "tags": { "team": "shop" } })).await;
    let key = scene.key("orders").await.arn;
    for _ in 0..24 {
        scene.person().rotate_key_on_demand().key_id(&key).send().await.unwrap();
        later(&scene);
    }
    // A look that a person asks for learns of them.
    let object = scene.look("orders").await;
    assert_eq!(record(&object).used, Some(24));
    request(&scene, "last").await;
    let object = scene.until_ready("orders", "False", "RotationHeld").await;
    assert!(find(&object, ConditionType::Ready).unwrap().message.contains("the last of the 25"), "{}", describe(&object));
    assert_eq!(rotations(&scene), 0);
    // Other settings do not wait.
    scene.spec("orders", json!({ "tags": { "team": "bank" } })).await;
    scene
        .until("orders", "the tag is set", |object| object.status.as_ref().unwrap().observed_generation == object.metadata.generation)
        .await;
    assert_eq!(scene.key("orders").await.tags["team"], "bank");
    confirm(&scene, &object).await;
    let object = until_rotated(&scene, "last").await;
    assert_eq!((rotations(&scene), record(&object).used), (1, Some(25)));
    later(&scene);
    request(&scene, "more").await;
    let object = scene.until_ready("orders", "False", "RotationLimitReached").await;
    assert!(find(&object, ConditionType::Stalled).is_some());
    let sent = scene.calls("RotateKeyOnDemand").len();
    scene.look_at_all("orders").await;
    assert_eq!(scene.calls("RotateKeyOnDemand").len(), sent, "what AWS would refuse is not sent");
    annotate(&scene, annotation::ROTATE_REQUESTED_AT, Value::Null).await;
    scene.until_ready("orders", "True", "Available").await;
}

/// AWS may count in another way than its list shows.
#[tokio::test]
async fn a_limit_that_the_kms_tells_is_told_and_nothing_else_fails() {
    for vendor in [&vendor::AWS, &vendor::CIPHER_TRUST] {
        let scene = with_key(vendor, "rotate-limit", json!({})).await;
        let (code, status, message) = match vendor.provider {
            keyward::api::key_provider::ProviderType::CipherTrust => ("NCERRBadRequest", 400, "LimitExceededException: no more"),
            _ => ("LimitExceededException", 400, "no more"),
        };
        let fault = FaultAction::Error { code: code.into(), status, message: message.into() };
        scene.double.inject(Fault::on(vendor.operations.rotate_now, fault));
        request(&scene, "now").await;
        let object = scene.until_ready("orders", "False", "RotationLimitReached").await;
        assert!(find(&object, ConditionType::Stalled).unwrap().message.contains("remove the annotation"), "{}", describe(&object));
        annotate(&scene, annotation::ROTATE_REQUESTED_AT, Value::Null).await;
        let object = scene.until_ready("orders", "True", "Available").await;
        assert_eq!(record(&object).last_handled, None);
    }
}

async fn without_the_right_nothing_else_fails(vendor: &'static Vendor) {
    let scene = with_key(vendor, "rotate-denied", json!({})).await;
    let (code, status) = vendor.denied;
    let deny = |operation: &str| {
        scene.double.inject(Fault::on(operation, FaultAction::Error { code: code.into(), status, message: "no".into() }));
    };
    deny(vendor.operations.rotate_now);
    request(&scene, "now").await;
    let object = scene.until_ready("orders", "False", "AccessDenied").await;
    let message = &find(&object, ConditionType::Stalled).unwrap().message;
    assert!(message.contains(vendor.operations.rotate_now), "{message}");
    scene.spec("orders", json!({ "tags": { "team": "shop" } })).await;
    scene.until("orders", "a new spec", |object| object.status.as_ref().unwrap().observed_generation == object.metadata.generation).await;
    assert_eq!(scene.key("orders").await.tags["team"], "shop");
    // What was refused is tried again, and is not taken for done.
    scene.double.clear_faults();
    scene.look("orders").await;
    until_rotated(&scene, "now").await;
    assert_eq!(rotations(&scene), 1);
    scene.until_ready("orders", "True", "Available").await;
}

#[tokio::test]
async fn without_the_right_to_rotate_keys_of_aws_nothing_else_fails() {
    without_the_right_nothing_else_fails(&vendor::AWS).await;
}

#[tokio::test]
async fn without_the_right_to_rotate_keys_of_ciphertrust_nothing_else_fails() {
    without_the_right_nothing_else_fails(&vendor::CIPHER_TRUST).await;
}

#[tokio::test]
async fn without_the_right_to_rotate_keys_of_huawei_nothing_else_fails() {
    without_the_right_nothing_else_fails(&vendor::HUAWEI).await;
}

/// Without the list nobody could tell whether a lost call took effect.
#[tokio::test]
async fn without_the_list_of_rotations_none_is_requested() {
    let scene = with_key(&vendor::AWS, "rotate-unlisted", json!({})).await;
    let (code, status) = vendor::AWS.denied;
    scene.double.inject(Fault::on("ListKeyRotations", FaultAction::Error { code: code.into(), status, message: "no".into() }));
    request(&scene, "now").await;
    let object = scene.until_synced("orders", "False", "AccessDenied").await;
    let (ready, synced) = (find(&object, ConditionType::Ready).unwrap(), find(&object, ConditionType::Synced).unwrap());
    assert_eq!(ready.status, "True", "{}", describe(&object));
    assert!(synced.message.contains("kms:ListKeyRotations") && synced.message.contains("waits"), "{}", synced.message);
    assert_eq!(scene.calls("RotateKeyOnDemand").len(), 0);
    scene.double.clear_faults();
    scene.look("orders").await;
    until_rotated(&scene, "now").await;
}

/// Only the request needs the list, so an answer that nobody knows concerns nothing else.
#[tokio::test]
async fn a_list_of_rotations_that_cannot_be_understood_holds_up_the_request_alone() {
    let scene = with_key(&vendor::AWS, "rotate-unknown", json!({})).await;
    let error = FaultAction::Error { code: "BrandNewException".into(), status: 400, message: "new".into() };
    scene.double.inject(Fault::on("ListKeyRotations", error));
    request(&scene, "now").await;
    let object = scene.until_synced("orders", "False", "UnknownError").await;
    let synced = find(&object, ConditionType::Synced).unwrap();
    assert!(synced.message.contains("waits"), "{}", synced.message);
    assert_eq!(scene.calls("RotateKeyOnDemand").len(), 0);
}

/// A Region of Huawei without that operation says so.
#[tokio::test]
async fn a_region_of_huawei_without_rotation_on_demand_says_so() {
    let scene = with_key(&vendor::HUAWEI, "rotate-none", json!({})).await;
    let absent = FaultAction::Error { code: "APIGW.0101".into(), status: 404, message: "The API does not exist".into() };
    scene.double.inject(Fault::on("rotate-on-demand", absent));
    request(&scene, "now").await;
    let object = scene.until_ready("orders", "False", "InvalidSpec").await;
    let message = &find(&object, ConditionType::Stalled).unwrap().message;
    assert!(message.contains("rotates no key on demand"), "{message}");
}

/// A rotation that is under way, or about to be, says nothing against the key.
#[tokio::test]
async fn a_kms_that_rotates_the_key_already_is_asked_again_later() {
    let scene = with_key(&vendor::AWS, "rotate-busy", json!({})).await;
    let busy = FaultAction::Error { code: "ConflictException".into(), status: 400, message: "busy".into() };
    scene.double.inject(Fault::on("RotateKeyOnDemand", busy));
    request(&scene, "now").await;
    let object = scene.until_synced("orders", "False", "RotationPending").await;
    assert_eq!(find(&object, ConditionType::Ready).unwrap().status, "True", "{}", describe(&object));
    scene.double.clear_faults();
    scene.look("orders").await;
    until_rotated(&scene, "now").await;
    assert_eq!(rotations(&scene), 1);
    assert!(scene.events("orders").await.iter().all(|reason| reason != "SyncFailed"));
}

#[tokio::test]
async fn a_request_waits_for_a_key_that_is_disabled_or_paused_and_observe_leaves_it() {
    let scene = scene(&vendor::AWS, "rotate-waits").await;
    scene.create("orders", json!({ "enabled": false })).await;
    scene.until_ready("orders", "True", "Disabled").await;
    request(&scene, "now").await;
    let object = scene.until_synced("orders", "False", "RotationPending").await;
    assert_eq!(find(&object, ConditionType::Ready).unwrap().reason, "Disabled", "{}", describe(&object));
    scene.spec("orders", json!({ "managementPolicy": "Observe", "enabled": null })).await;
    let seen = |object: &ManagedKey| object.status.as_ref().unwrap().observed_generation == object.metadata.generation;
    let object = scene.until("orders", "it is observed", seen).await;
    let synced = &find(&object, ConditionType::Synced).unwrap().message;
    assert!(synced.contains("managementPolicy Observe rotates nothing"), "{synced}");
    annotate(&scene, annotation::PAUSED, json!("true")).await;
    scene.until_paused("orders").await;
    // It is an explicit request, so a policy that only reports drift does not hold it up. The edit of `enabled` is one too.
    scene.spec("orders", json!({ "managementPolicy": "EnforceOnChange", "enabled": true })).await;
    assert_eq!(scene.calls("RotateKeyOnDemand").len(), 0);
    annotate(&scene, annotation::PAUSED, Value::Null).await;
    until_rotated(&scene, "now").await;
    assert_eq!(rotations(&scene), 1);
}

/// A person may write anything into an annotation.
#[tokio::test]
async fn a_text_of_any_kind_is_shown_as_it_can_be_and_compared_so() {
    let scene = with_key(&vendor::AWS, "rotate-odd", json!({})).await;
    let odd = format!("a\n\u{1b}[2J{}", "x".repeat(4000));
    request(&scene, &odd).await;
    let object = scene
        .until("orders", "it is handled", |object| record(object).last_handled.is_some_and(|text| text.starts_with("a\\n\\u{1b}[2Jx")))
        .await;
    assert_eq!(record(&object).last_handled.unwrap().chars().count(), 256);
    request(&scene, "").await;
    scene.look_at_all("orders").await;
    assert_eq!(rotations(&scene), 1, "an empty text requests nothing");
}
