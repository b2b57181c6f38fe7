//! What the log says of a change: once its answer is there, with it, and in fields by which a person finds all lines of an object or a key.

use serde_json::{Value, json};

use super::refusal;
use crate::support::{
    eventually,
    operator::{PATIENCE, shared},
    scene::Scene,
};

/// The lines of the shared operator about a step of that object.
fn steps(scene: &Scene, name: &str) -> Vec<Value> {
    let log = std::fs::read_to_string(&shared().log).unwrap();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["namespace"] == scene.namespace && line["name"] == name && line.get("step").is_some()).collect()
}

#[tokio::test]
async fn a_change_is_logged_after_its_answer_and_with_it() {
    let scene = Scene::new("logged").await;
    scene.double.inject(refusal("CreateKey", "AccessDeniedException", 400));
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "False", "AccessDenied").await;
    let refused = eventually("a line", PATIENCE, async || steps(&scene, "orders").pop().ok_or("none")).await;
    assert_eq!((&refused["step"], &refused["outcome"]), (&json!("create the key"), &json!("Denied")), "{refused}");
    assert!(refused["message"].as_str().unwrap().starts_with("a step did not succeed: AWS denies kms:CreateKey"), "{refused}");
    assert!(!steps(&scene, "orders").iter().any(|line| line["outcome"] == "Done"), "nothing was changed");

    scene.double.clear_faults();
    scene.look("orders").await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;
    let done = eventually("the creation", PATIENCE, async || {
        steps(&scene, "orders").into_iter().find(|line| line["outcome"] == "Done").ok_or("none")
    })
    .await;
    assert_eq!((&done["kind"], &done["step"]), (&json!("ManagedKey"), &json!("create the key")), "{done}");
    assert_eq!((&done["key"], &done["message"]), (&json!(key), &json!("a key was changed")), "{done}");
    assert!(done["duration"].as_f64().is_some_and(|seconds| seconds > 0.0), "{done}");
}

/// No line has a structure of Rust in it: `Some(…)`, or a name with braces.
#[tokio::test]
async fn no_line_has_a_structure_of_rust() {
    let scene = Scene::new("plain").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    let log = std::fs::read_to_string(&shared().log).unwrap();
    let ours = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    for line in ours.filter(|line| line["target"].as_str().is_some_and(|target| target.starts_with("keyward"))) {
        let text = line.to_string();
        assert!(!["Some(", "Status {", "Failure {", "Error {", "Err("].iter().any(|word| text.contains(word)), "{text}");
    }
}
