//! The documented IAM policy is the smallest: with exactly its actions everything works, and each of them is used.

use std::collections::BTreeSet;

use keyward::{api::annotation, kms::aws::OPERATIONS};
use kms_double::{ACCESS_KEY, ACCOUNT, Credential, KeyState, Options, Role, SECRET_KEY};
use serde_json::{Value, json};

use crate::support::scene::Scene;

const ROLE: &str = "arn:aws:iam::111122223333:role/keyward";

/// The actions that `docs/aws-iam.md` allows: to Keyward's role, and to the credentials with which it is assumed. Denials allow nothing.
fn documented() -> (Vec<String>, Vec<String>) {
    let page = include_str!("../../docs/aws-iam.md");
    let blocks = page.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let policies: Vec<Value> = blocks.map(|block| serde_json::from_str(block).unwrap()).collect();
    let statements = policies.iter().flat_map(|policy| policy["Statement"].as_array().cloned().unwrap_or_else(|| vec![policy.clone()]));
    let allowed = statements.filter(|statement| statement["Effect"] == "Allow");
    let actions = allowed.flat_map(|statement| match &statement["Action"] {
        Value::String(action) => vec![action.clone()],
        list => serde_json::from_value(list.clone()).unwrap(),
    });
    actions.partition(|action| action != "sts:AssumeRole")
}

#[tokio::test]
async fn everything_works_with_the_documented_actions_and_needs_each_of_them() {
    let (of_role, of_base) = documented();
    let spec = json!({ "aws": { "roleArn": ROLE }, "adoption": { "from": "Rules", "rules": [{ "namespaces": ["*"], "keys": ["*"] }] }, "allow": { "policies": { "from": "Accounts" }, "grants": { "principals": ["*"], "operations": ["*"] } } });
    let options = Options {
        credentials: vec![Credential { allow: Some(of_base), ..Credential::new(ACCESS_KEY, SECRET_KEY, ACCOUNT) }],
        roles: vec![Role { allow: Some(of_role), ..Role::new(ROLE) }],
        ..Options::default()
    };
    let scene = Scene::with("iam", options, spec).await;

    // Each is an edit, and the state in which it ends.
    let statement =
        json!({ "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::111122223333:root" }, "Action": "kms:*", "Resource": "*" });
    let policy = json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string();
    let story = [
        (json!({ "policy": policy }), "Available"),
        (json!({ "description": "second", "tags": { "team": "bank", "cost": null }, "aliases": ["iam-two"] }), "Available"),
        (json!({ "rotationPeriodDays": 180 }), "Available"),
        (json!({ "autoRotation": false, "rotationPeriodDays": null }), "Available"),
        (json!({ "enabled": false }), "Disabled"),
        (json!({ "enabled": true }), "Available"),
        (json!({ "deletionScheduleDays": 7 }), "DeletionScheduled"),
        (json!({ "deletionScheduleDays": 9 }), "DeletionScheduled"),
        (json!({ "deletionScheduleDays": null }), "Available"),
    ];
    let first = json!({ "autoRotation": true, "description": "first", "tags": { "team": "shop", "cost": "42" }, "aliases": ["iam-one"] });
    scene.create("orders", first).await;
    scene.until_ready("orders", "True", "Available").await;
    for (edit, reason) in story {
        scene.spec("orders", edit).await;
        scene.until_ready("orders", "True", reason).await;
        scene.look_at_all("orders").await;
    }
    let now = json!({ "metadata": { "annotations": { (annotation::ROTATE_REQUESTED_AT): "now" } } });
    scene.patch("orders", now).await;
    scene.until_event("orders", "RotationRequested").await;
    // A replica is made in another Region, and becomes the primary key.
    let abroad = format!("{}-abroad", scene.provider);
    scene.provide(&abroad, json!({ "aws": { "roleArn": ROLE, "region": "us-east-1" } })).await;
    scene.create("multi", json!({ "key": { "multiRegion": true } })).await;
    scene.until_ready("multi", "True", "Available").await;
    let replica = json!({ "providerRef": { "name": abroad }, "replicaOf": { "name": "multi" }, "primary": true });
    scene.create("replica", replica).await;
    scene.until_event("replica", "PrimaryMoved").await;
    let key = scene.key("orders").await.arn;
    crate::grants::is_made_and_revoked(&scene).await;
    // An alias goes to another object.
    scene.create("invoices", json!({ "aliases": ["iam-two"] })).await;
    scene.until_ready("invoices", "False", "AliasTaken").await;
    scene.spec("orders", json!({ "aliases": [] })).await;
    scene.until_ready("invoices", "True", "Available").await;
    scene.until_ready("orders", "True", "Available").await;

    // Without its alias a key is found by the marks of all keys.
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    scene.person().delete_alias().alias_name(scene.claim("orders")).send().await.unwrap();
    // The alias says nothing, so the object has to look everywhere: it asks for the end of a key.
    scene.create("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "False", "NotSeenLive").await;
    assert_eq!(scene.key("orders").await.arn, key);

    let foreign = scene.foreign_key().await;
    scene.create("adopted", json!({ "keyId": foreign, "deletionPolicy": "Disable" })).await;
    scene.until_ready("adopted", "True", "Available").await;
    scene.delete("adopted").await;
    scene.until_gone("adopted").await;
    assert_eq!(scene.double.key(&foreign).unwrap().state, KeyState::Disabled);

    let calls = scene.operator_calls();
    let denied: Vec<_> = calls.iter().filter(|call| !call.succeeded() && call.result.contains("AccessDenied")).collect();
    assert!(denied.is_empty(), "{denied:?}");
    let used: BTreeSet<String> = calls.iter().map(|call| format!("{}:{}", call.service, call.operation)).collect();
    assert_eq!(used, OPERATIONS.iter().map(ToString::to_string).collect(), "what is used, and what is granted");
}
