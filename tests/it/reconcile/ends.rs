//! What becomes of a key when its object is deleted: the table of the contract, row by row and for each policy.
//!
//! The KMS's ledger says what was done to the key, and the API server whether the object went. Whatever waits names the way out, and takes it.
//!
//! Shows S1.

use std::pin::Pin;

use aws_sdk_kms::primitives::Blob;
use futures::future::join_all;
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use keyward::api::{ConditionType, FINALIZER, KeyProvider, annotation};
use kms_double::{ACCESS_KEY, Fault, FaultAction, KeyState as Actual, Options};
use kube::{Api, api::DeleteParams};
use serde_json::json;

use crate::support::{
    eventually,
    operator::WITHIN,
    scene::{Scene, describe, find, message},
};

/// What becomes of the key and of the object.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// Nothing is called, and the object goes.
    Left,
    /// The key is disabled, and the object goes.
    Disabled,
    /// The deletion of the key is scheduled with so many days, and the object goes.
    Scheduled(u32),
    /// Nothing is called, and the object waits with this reason.
    Waits(&'static str),
}

use End::{Disabled, Left, Scheduled, Waits};

/// What is the case when the object is deleted.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Case {
    Alive,
    Declared,
    AlreadyDisabled,
    AlreadyPending,
    WithoutMaterial,
    Unavailable,
    Creating,
    Updating,
    Observed,
    OwnedByAnother,
    MarksGone,
    NeverBound,
    Paused,
    PausedAndDisabled,
    OtherFinalizer,
    InUse,
    NotSeenAlive,
    Denied,
    Broken,
}

/// With `Disable` and with `Delete`. With `Retain` the key is left and the object goes, always.
const CASES: [(Case, End, End); 19] = [
    (Case::Alive, Disabled, Scheduled(30)),
    (Case::Declared, Left, Left),
    (Case::AlreadyDisabled, Left, Scheduled(30)),
    (Case::AlreadyPending, Left, Left),
    (Case::WithoutMaterial, Left, Scheduled(30)),
    (Case::Unavailable, Disabled, Scheduled(30)),
    (Case::Creating, Waits("Creating"), Waits("Creating")),
    (Case::Updating, Waits("Updating"), Waits("Updating")),
    (Case::Observed, Left, Left),
    (Case::OwnedByAnother, Left, Left),
    (Case::MarksGone, Left, Left),
    (Case::NeverBound, Left, Left),
    (Case::Paused, Waits("Paused"), Waits("Paused")),
    (Case::PausedAndDisabled, Left, Waits("Paused")),
    (Case::OtherFinalizer, Waits("OtherFinalizers"), Waits("OtherFinalizers")),
    (Case::InUse, Waits("KeyInUse"), Waits("KeyInUse")),
    (Case::NotSeenAlive, Disabled, Waits("NotSeenLive")),
    (Case::Denied, Waits("AccessDenied"), Waits("AccessDenied")),
    (Case::Broken, Waits("ProviderUnavailable"), Waits("ProviderUnavailable")),
];

const POLICIES: [&str; 3] = ["Retain", "Disable", "Delete"];
const OTHER: &str = "shop.example/backup";

#[tokio::test]
async fn every_row_of_the_end_of_an_object_for_every_policy() {
    let scene = Scene::with("ends", Options::default(), json!({ "deletionGuard": { "maxPerHour": 1000 } })).await;
    let each = CASES.into_iter().flat_map(|(case, disable, delete)| {
        let ends = POLICIES.into_iter().zip([Left, disable, delete]);
        ends.map(|(policy, end)| Box::pin(row(&scene, case, policy, end)) as Pin<Box<dyn Future<Output = ()> + '_>>).collect::<Vec<_>>()
    });
    join_all(each).await;
}

async fn row(scene: &Scene, case: Case, policy: &'static str, end: End) {
    let name = &format!("{case:?}-{policy}").to_lowercase();
    let key = arranged(scene, name, case, policy).await;
    let before = scene.now();
    scene.delete(name).await;
    if case == Case::OtherFinalizer && policy == "Retain" {
        // Nothing of Keyward's keeps it.
        let object = scene.keys().get(name).await.unwrap();
        assert_eq!(object.metadata.finalizers, Some(vec![OTHER.to_owned()]), "{name}");
        scene.patch(name, json!({ "metadata": { "finalizers": null } })).await;
    }
    ends(scene, name, key.as_deref(), before, end).await;
}

/// Waits until the object ended like that, and reads in the ledger what was done to its key after that number.
async fn ends(scene: &Scene, name: &str, key: Option<&str>, before: u64, end: End) {
    if let Waits(reason) = end {
        let what = format!("waits: {reason}");
        let waits = scene.until(name, &what, |object| {
            let kind = if reason == "Paused" { ConditionType::Synced } else { ConditionType::Ready };
            let told = find(object, kind).is_some_and(|told| told.reason == reason && told.status == "False");
            let way_out = find(object, kind).is_some_and(|told| told.message.contains("deletionPolicy: Retain"));
            object.metadata.deletion_timestamp.is_some() && told && way_out
        });
        let object = waits.await;
        assert!(object.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER), "{name}: {}", describe(&object));
        if reason == "OtherFinalizers" {
            assert!(message(&object).contains(OTHER), "{name}: {}", message(&object));
        }
        scene.spec(name, json!({ "deletionPolicy": "Retain" })).await;
        if reason == "OtherFinalizers" {
            scene.until(name, "our finalizer is gone", |object| object.metadata.finalizers == Some(vec![OTHER.to_owned()])).await;
            scene.patch(name, json!({ "metadata": { "finalizers": null } })).await;
        }
    }
    scene.until_gone(name).await;
    let Some(key) = key else { return };
    let done = scene.operator_calls().into_iter().filter(|call| call.seq > before && call.changed && call.key.as_deref() == Some(key));
    let mut done: Vec<_> = done.map(|call| call.operation).collect();
    // The word of a hold.
    done.retain(|operation| !matches!(end, Waits(_)) || operation != "TagResource");
    match end {
        Left | Waits(_) => assert_eq!(done, [""; 0], "{name}"),
        Disabled => assert_eq!(done, ["DisableKey"], "{name}"),
        Scheduled(days) => {
            assert_eq!(done, ["TagResource", "ScheduleKeyDeletion"], "{name}");
            assert_eq!(scene.double.key(key).unwrap().pending_window_days, Some(days), "{name}");
        }
    }
}

/// An object with a key, in that case.
async fn arranged(scene: &Scene, name: &str, case: Case, policy: &str) -> Option<String> {
    let mut spec = json!({ "deletionPolicy": policy });
    match case {
        Case::NeverBound => spec["deletionScheduleDays"] = json!(7),
        Case::AlreadyDisabled | Case::PausedAndDisabled => spec["enabled"] = json!(false),
        Case::WithoutMaterial => spec["key"] = json!({ "origin": "EXTERNAL" }),
        _ => {}
    }
    scene.create(name, spec.clone()).await;
    match case {
        Case::NeverBound => {
            scene.until_ready(name, "False", "NothingToDelete").await;
            return None;
        }
        Case::AlreadyDisabled | Case::PausedAndDisabled => _ = scene.until_ready(name, "True", "Disabled").await,
        Case::WithoutMaterial => _ = scene.until_ready(name, "False", "PendingImport").await,
        _ => _ = scene.until_ready(name, "True", "Available").await,
    }
    let key = scene.key(name).await.arn;
    let person = scene.person();
    match case {
        Case::Alive | Case::NeverBound | Case::AlreadyDisabled | Case::WithoutMaterial => {}
        Case::Declared => {
            scene.spec(name, json!({ "deletionScheduleDays": 9 })).await;
            scene.until_ready(name, "True", "DeletionScheduled").await;
        }
        Case::AlreadyPending => {
            // Otherwise Keyward cancels it.
            pause(scene, name).await;
            person.schedule_key_deletion().key_id(&key).pending_window_in_days(14).send().await.unwrap();
        }
        Case::Unavailable => scene.double.set_state(&key, Actual::Unavailable).unwrap(),
        Case::Creating => scene.double.set_state(&key, Actual::Creating).unwrap(),
        Case::Updating => scene.double.set_state(&key, Actual::Updating).unwrap(),
        Case::Observed => {
            scene.spec(name, json!({ "managementPolicy": "Observe" })).await;
            scene.until(name, "observed", |object| seen_generation(object) == object.metadata.generation).await;
        }
        Case::OwnedByAnother => scene.tag(&key, &[("keyward-uid", "00000000-0000-4000-8000-000000000000")]).await,
        Case::MarksGone => {
            let marks = ["keyward-cluster", "keyward-owner", "keyward-uid", "keyward-intent"].map(str::to_owned);
            person.untag_resource().key_id(&key).set_tag_keys(Some(marks.to_vec())).send().await.unwrap();
        }
        Case::Paused | Case::PausedAndDisabled => pause(scene, name).await,
        Case::OtherFinalizer => {
            let mut finalizers = scene.keys().get(name).await.unwrap().metadata.finalizers.unwrap_or_default();
            finalizers.push(OTHER.into());
            scene.patch(name, json!({ "metadata": { "finalizers": finalizers } })).await;
        }
        Case::InUse => _ = person.encrypt().key_id(&key).plaintext(Blob::new("data")).send().await.unwrap(),
        Case::NotSeenAlive => {
            // Another object of the name takes the key up.
            scene.spec(name, json!({ "deletionPolicy": "Retain" })).await;
            scene.until(name, "no finalizer", |object| object.metadata.finalizers.is_none()).await;
            scene.delete(name).await;
            scene.until_gone(name).await;
            scene.create(name, spec).await;
            scene.until_ready(name, "True", "Available").await;
        }
        Case::Denied => refuse(scene, &key, "AccessDeniedException", 400),
        Case::Broken => refuse(scene, &key, "KMSInternalException", 500),
    }
    Some(key)
}

fn seen_generation(object: &keyward::api::ManagedKey) -> Option<i64> {
    object.status.as_ref().and_then(|status| status.observed_generation)
}

async fn pause(scene: &Scene, name: &str) {
    scene.patch(name, json!({ "metadata": { "annotations": { (annotation::PAUSED): "true" } } })).await;
    scene.until_paused(name).await;
}

/// The KMS refuses both acts on that key.
fn refuse(scene: &Scene, key: &str, code: &str, status: u16) {
    for operation in ["ScheduleKeyDeletion", "DisableKey"] {
        let action = FaultAction::Error { code: code.into(), status, message: "for a test".into() };
        scene.double.inject(Fault::on(operation, action).for_caller(ACCESS_KEY).for_key(key));
    }
}

/// What is the case with a provider or a namespace, for all its objects.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Around {
    NamespaceDeleted,
    NamespaceNotAdmitted,
    NoProvider,
    NoSecret,
    WrongSecret,
    Unreachable,
    KeyGone,
    Stopped,
    MustBeConfirmed,
}

/// With `Disable` and with `Delete`.
const AROUND: [(Around, End, End); 9] = [
    (Around::NamespaceDeleted, Left, Left),
    (Around::NamespaceNotAdmitted, Left, Left),
    (Around::NoProvider, Waits("ProviderNotFound"), Waits("ProviderNotFound")),
    (Around::NoSecret, Waits("ProviderNotReady"), Waits("ProviderNotReady")),
    (Around::WrongSecret, Waits("CredentialsInvalid"), Waits("CredentialsInvalid")),
    (Around::Unreachable, Waits("ProviderUnavailable"), Waits("ProviderUnavailable")),
    (Around::KeyGone, Left, Left),
    (Around::Stopped, Waits("BudgetExhausted"), Waits("BudgetExhausted")),
    (Around::MustBeConfirmed, Waits("ConfirmationRequired"), Waits("ConfirmationRequired")),
];

/// Objects of a namespace that is deleted go even if they are paused.
#[tokio::test]
async fn every_row_about_a_provider_or_a_namespace_for_every_policy() {
    join_all(AROUND.map(async |(around, disable, delete)| {
        let guard = match around {
            Around::Stopped => json!({ "maxPerHour": 0 }),
            Around::MustBeConfirmed => json!({ "requireConfirmation": true }),
            _ => json!({}),
        };
        let guard = json!({ "deletionGuard": guard });
        // What ends with its namespace, ends on a real API server only.
        let scene = match around {
            Around::NamespaceDeleted => Scene::real_with("ends-all", Options::default(), guard).await,
            _ => Scene::with("ends-all", Options::default(), guard).await,
        };
        let rows = POLICIES.into_iter().zip([Left, disable, delete]);
        let mut keys = Vec::new();
        for (policy, end) in rows {
            let name = policy.to_lowercase();
            scene.create(&name, json!({ "deletionPolicy": policy })).await;
            scene.until_ready(&name, "True", "Available").await;
            keys.push((scene.key(&name).await.arn, name, end));
        }
        if around == Around::NamespaceDeleted {
            for (_, name, _) in &keys {
                pause(&scene, name).await;
            }
        }
        happens(&scene, around, &keys).await;
        let before = scene.now();
        for (_, name, _) in keys.iter().filter(|_| around != Around::NamespaceDeleted) {
            scene.delete(name).await;
        }
        for (key, name, end) in &keys {
            ends(&scene, name, Some(key), before, *end).await;
        }
    }))
    .await;
}

async fn happens(scene: &Scene, around: Around, keys: &[(String, String, End)]) {
    let seen = async |reason: &str| {
        for (_, name, _) in keys {
            scene.until(name, reason, |object| find(object, ConditionType::Synced).is_some_and(|synced| synced.reason == reason)).await;
        }
    };
    let secrets = Api::<Secret>::namespaced(scene.client.clone(), &scene.operator_namespace);
    match around {
        Around::Stopped | Around::MustBeConfirmed => {}
        Around::NamespaceDeleted => {
            let namespaces = Api::<Namespace>::all(scene.client.clone());
            namespaces.delete(&scene.namespace, &DeleteParams::default()).await.unwrap();
            eventually("the namespace goes", WITHIN, async || match namespaces.get_opt(&scene.namespace).await.unwrap() {
                None => Ok(()),
                Some(namespace) => Err(format!("{:?}", namespace.status)),
            })
            .await;
        }
        Around::NamespaceNotAdmitted => {
            scene.provide(&scene.provider, json!({ "namespaces": { "from": "Names", "names": ["elsewhere"] } })).await;
            seen("NamespaceNotAllowed").await;
        }
        Around::NoProvider => {
            Api::<KeyProvider>::all(scene.client.clone()).delete(&scene.provider, &DeleteParams::default()).await.unwrap();
            seen("ProviderNotFound").await;
        }
        Around::NoSecret => {
            secrets.delete(&scene.provider, &DeleteParams::default()).await.unwrap();
            seen("ProviderNotReady").await;
        }
        Around::WrongSecret => {
            scene.secret(&scene.provider, ACCESS_KEY, "not-the-secret").await;
            seen("CredentialsInvalid").await;
        }
        Around::Unreachable => scene.double.inject(Fault::on("*", FaultAction::Cut).for_caller(ACCESS_KEY)),
        Around::KeyGone => {
            let person = scene.person();
            for (key, name, _) in keys {
                pause(scene, name).await;
                person.schedule_key_deletion().key_id(key).pending_window_in_days(7).send().await.unwrap();
            }
            scene.double.advance(SignedDuration::from_hours(8 * 24)).unwrap();
        }
    }
}

/// Nothing that a KMS does is needed for a spec that says Retain by now.
#[tokio::test]
async fn a_policy_is_the_one_of_now() {
    let scene = Scene::new("ends-now").await;
    scene.create("orders", json!({ "deletionPolicy": "Delete" })).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;
    scene.double.inject(Fault::on("*", FaultAction::Cut).for_caller(ACCESS_KEY));
    let before = scene.now();
    scene.spec("orders", json!({ "deletionPolicy": "Retain" })).await;
    scene.delete("orders").await;
    ends(&scene, "orders", Some(&key), before, Left).await;
}
