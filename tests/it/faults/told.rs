//! A deletion that nobody could be told of is not scheduled: statuses that others filled, and an API server that refuses them.

use keyward::api::{ConditionType, ManagedKeyStatus};
use kms_double::KeyState;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::support::{
    eventually,
    operator::WITHIN,
    scene::{Scene, find},
};

/// Conditions of other types, as another controller would write them.
fn foreign(count: usize) -> Vec<Value> {
    let condition = |number| json!({ "type": format!("Foreign{number}"), "status": "True", "reason": "Because", "message": "of another", "lastTransitionTime": "2026-11-20T10:00:00Z" });
    (0..count).map(condition).collect()
}

fn others(status: &ManagedKeyStatus) -> usize {
    status.conditions.iter().filter(|known| known.type_.starts_with("Foreign")).count()
}

/// A scene with `orders` Ready, whose key was read wholly.
async fn ready(name: &str) -> Scene {
    let scene = Scene::real(name).await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.look_at_all("orders").await;
    scene
}

#[tokio::test]
async fn a_deletion_is_reported_in_a_status_that_others_filled() {
    for by_apply in [true, false] {
        let scene = ready("full").await;
        let object = scene.keys().get("orders").await.unwrap();
        if by_apply {
            let patch = json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "status": { "conditions": foreign(14) } });
            scene.keys().patch_status("orders", &PatchParams::apply("another"), &Patch::Apply(patch)).await.unwrap();
        } else {
            let ours = serde_json::to_value(&object.status.as_ref().unwrap().conditions).unwrap();
            let all: Vec<Value> = ours.as_array().unwrap().iter().cloned().chain(foreign(14)).collect();
            scene.patch_status("orders", json!({ "conditions": all })).await;
        }
        scene.until("orders", "it is full", |object| object.status.as_ref().unwrap().conditions.len() == 16).await;

        scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
        let object = scene.until_ready("orders", "True", "DeletionScheduled").await;
        assert!(find(&object, ConditionType::PendingDeletion).is_some());
        let status =
            scene.until("orders", "its date", |object| object.status.as_ref().unwrap().deletion_date.is_some()).await.status.unwrap();
        assert_eq!(others(&status), 8, "what leaves room stays: {status:?}");
        scene.until_event("orders", "KeyDeletionScheduled").await;

        // Keyward still knows its own conditions, and it removes those that are no longer true.
        scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
        let object = scene.until_ready("orders", "True", "Available").await;
        assert!(find(&object, ConditionType::PendingDeletion).is_none());
        assert_eq!(others(object.status.as_ref().unwrap()), 8);
    }
}

/// Has the API server refuse statuses of the scene's namespace by that expression, and waits until it does.
async fn refuse(scene: &Scene, expression: &str, probe: Value) -> String {
    let name = format!("refuse-{}", uuid::Uuid::new_v4());
    let only = json!({ "matchLabels": { "kubernetes.io/metadata.name": scene.namespace } });
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": { "name": name },
        "spec": {
            "matchConstraints": { "resourceRules": [{
                "apiGroups": ["keyward.dev"], "apiVersions": ["*"], "operations": ["UPDATE"], "resources": ["managedkeys/status"],
            }] },
            "validations": [{ "expression": expression, "message": "refused for a test" }],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": { "name": name },
        "spec": { "policyName": name, "validationActions": ["Deny"], "matchResources": { "namespaceSelector": only } },
    });
    for object in [policy, binding] {
        scene.control_plane().kubectl_with(&["create", "-f", "-"], &object.to_string()).await.expect("create");
    }
    let dry = PatchParams { dry_run: true, ..PatchParams::default() };
    eventually("the policy is in force", WITHIN, async || {
        match scene.keys().patch_status("orders", &dry, &Patch::Merge(json!({ "status": probe }))).await {
            Err(kube::Error::Api(status)) if status.message.contains("refused for a test") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    name
}

async fn allow(scene: &Scene, name: &str) {
    for kind in ["validatingadmissionpolicybinding", "validatingadmissionpolicy"] {
        scene.control_plane().kubectl(&["delete", kind, name]).await.expect("delete");
    }
}

#[tokio::test]
async fn a_deletion_that_cannot_be_reported_is_not_scheduled() {
    let pending = "!object.status.conditions.exists(known, known.type == 'PendingDeletion')";
    let condition = json!({ "type": "PendingDeletion", "status": "True", "reason": "Declared", "message": "a probe", "lastTransitionTime": "2026-11-20T10:00:00Z" });
    // First only the status after the call is refused; then all statuses are.
    for (expression, probe) in [(pending, json!({ "conditions": [condition] })), ("false", json!({ "keyState": "Creating" }))] {
        let scene = ready("untold").await;
        let policy = refuse(&scene, expression, probe).await;
        let refusals = refused_statuses(&scene);
        scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
        eventually("a status is refused, and the round is tried again", WITHIN, async || {
            let now = refused_statuses(&scene);
            if now >= refusals + 2 { Ok(()) } else { Err(format!("{now} after {refusals}")) }
        })
        .await;
        assert!(scene.calls("ScheduleKeyDeletion").is_empty(), "{expression}");
        let key = scene.key("orders").await;
        assert_eq!((key.state, key.tags["keyward-intent"].as_str()), (KeyState::Enabled, "1.1.live"), "{expression}");
        allow(&scene, &policy).await;
        scene.until_ready("orders", "True", "DeletionScheduled").await;
        assert_eq!(scene.calls("ScheduleKeyDeletion").len(), 1);
    }
}

/// How many statuses of `orders` the API server refused the operator so far.
fn refused_statuses(scene: &Scene) -> usize {
    let log = std::fs::read_to_string(&scene.control_plane().audit_log).unwrap();
    let operator = format!("system:serviceaccount:{}:", scene.operator_namespace);
    let refused = |line: &&str| {
        let entry: Value = serde_json::from_str(line).unwrap_or_default();
        let text = |pointer: &str| entry.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        text("/stage") == "ResponseComplete"
            && entry.pointer("/responseStatus/code").and_then(Value::as_u64).is_some_and(|code| code == 422 || code == 403)
            && text("/user/username").starts_with(&operator)
            && text("/objectRef/subresource") == "status"
            && text("/objectRef/namespace") == scene.namespace
    };
    log.lines().filter(refused).count()
}
