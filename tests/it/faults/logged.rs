//! The log reports a change after its answer, and with that answer. By its fields, a person finds all lines of an object or a key.

use serde_json::{Value, json};

use super::refusal;
use crate::support::{
    eventually,
    operator::{WITHIN, shared},
    scene::Scene,
};

/// The lines of the shared operator about that object that have that field.
fn lines(scene: &Scene, name: &str, field: &str) -> Vec<Value> {
    let log = std::fs::read_to_string(&shared().log).unwrap();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["namespace"] == scene.namespace && line["name"] == name && line.get(field).is_some()).collect()
}

/// Those about a step of it.
fn steps(scene: &Scene, name: &str) -> Vec<Value> {
    lines(scene, name, "step")
}

/// The first line about `orders` in which a field is that text.
async fn line(scene: &Scene, field: &str, text: &str) -> Value {
    eventually(&format!("a line with {field} {text}"), WITHIN, async || {
        lines(scene, "orders", field).into_iter().find(|line| line[field] == text).ok_or("none")
    })
    .await
}

#[tokio::test]
async fn a_change_is_logged_after_its_answer_and_with_it() {
    let scene = Scene::real("logged").await;
    scene.double.inject(refusal("CreateKey", "AccessDeniedException", 400));
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "False", "AccessDenied").await;
    let refused = eventually("a line", WITHIN, async || steps(&scene, "orders").pop().ok_or("none")).await;
    assert_eq!((&refused["step"], &refused["outcome"]), (&json!("create the key"), &json!("Denied")), "{refused}");
    assert!(refused["message"].as_str().unwrap().starts_with("a step did not succeed: AWS denies kms:CreateKey"), "{refused}");
    assert!(!steps(&scene, "orders").iter().any(|line| line["outcome"] == "Done"), "nothing was changed");

    let warned = line(&scene, "reason", "SyncFailed").await;
    assert_eq!(warned["level"], "WARN", "as is the event: {warned}");
    let failed = line(&scene, "operation", "CreateKey").await;
    assert_eq!((&failed["level"], failed.get("key")), (&json!("WARN"), None), "there is no key yet: {failed}");

    scene.double.clear_faults();
    scene.look("orders").await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;
    let done = eventually("the creation", WITHIN, async || {
        steps(&scene, "orders").into_iter().find(|line| line["outcome"] == "Done").ok_or("none")
    })
    .await;
    assert_eq!((&done["kind"], &done["step"]), (&json!("ManagedKey"), &json!("create the key")), "{done}");
    assert_eq!((&done["key"], &done["message"]), (&json!(key), &json!("a key was changed")), "{done}");
    assert!(done["duration"].as_f64().is_some_and(|seconds| seconds > 0.0), "{done}");
    let created = line(&scene, "reason", "KeyCreated").await;
    assert_eq!(created["level"], "INFO", "{created}");

    // A step that fails has the key, the step and how long it took, and so has the call that failed but for what its step says already.
    scene.double.inject(refusal("UpdateKeyDescription", "AccessDeniedException", 400));
    scene.spec("orders", json!({ "description": "order signing" })).await;
    scene.until_ready("orders", "False", "AccessDenied").await;
    let failed = line(&scene, "operation", "UpdateKeyDescription").await;
    assert_eq!((&failed["level"], &failed["key"], &failed["outcome"]), (&json!("WARN"), &json!(key), &json!("Denied")), "{failed}");
    let refused = eventually("the step", WITHIN, async || {
        steps(&scene, "orders").into_iter().rfind(|line| line["outcome"] == "Denied" && line["key"] == key).ok_or("none")
    })
    .await;
    assert_eq!(refused["step"], "set the description", "{refused}");
    assert!(refused["duration"].as_f64().is_some_and(|seconds| seconds > 0.0), "{refused}");

    // The line of a read that fails has the key as well.
    scene.double.inject(refusal("DescribeKey", "KMSInternalException", 500));
    scene.look("orders").await;
    let failed = line(&scene, "operation", "DescribeKey").await;
    assert_eq!((&failed["level"], &failed["key"]), (&json!("WARN"), &json!(key)), "{failed}");
}

/// No line has a structure of Rust in it: `Some(…)`, or a name with braces.
#[tokio::test]
async fn no_line_has_a_structure_of_rust() {
    let scene = Scene::real("plain").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    let log = std::fs::read_to_string(&shared().log).unwrap();
    let ours = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    for line in ours.filter(|line| line["target"].as_str().is_some_and(|target| target.starts_with("keyward"))) {
        let text = line.to_string();
        assert!(!["Some(", "Status {", "Failure {", "Error {", "Err("].iter().any(|word| text.contains(word)), "{text}");
    }
}
