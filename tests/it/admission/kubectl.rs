//! What a person sees through the real `kubectl`.

use keyward::api::{FIELD_MANAGER, ManagedKey};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::support::control_plane::shared;

fn manifest(name: &str, spec: &str) -> String {
    format!("apiVersion: keyward.dev/v1alpha1\nkind: ManagedKey\nmetadata:\n  name: {name}\nspec: {spec}\n")
}

/// The words of a table's line; no cell that is tried here has a space.
fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// `kubectl apply` as people type it, client-side and server-side.
#[tokio::test]
async fn apply_says_what_is_wrong() {
    let cluster = shared();
    let namespace = cluster.namespace("apply").await;
    // Of unknown fields and wrong types each side of `apply` speaks in its own words.
    for (spec, client_side, server_side) in [
        (
            "{deletionScheduleDay: 7}",
            "unknown field \"spec.deletionScheduleDay\"",
            ".spec.deletionScheduleDay: field not declared in schema",
        ),
        ("{key: {kind: RSA_2048}}", "unknown field \"spec.key.kind\"", ".spec.key.kind: field not declared in schema"),
        (
            "{deletionScheduleDays: \"7\"}",
            "spec.deletionScheduleDays in body must be of type integer",
            ".spec.deletionScheduleDays: expected numeric (int or float), got string",
        ),
        ("{deletionScheduleDays: 6}", "deletionScheduleDays is 0 (no deletion) or at least 7 days", ""),
        ("{deletionScheduleDays: 1097}", "should be less than or equal to 1096", ""),
        ("{tags: {aws:team: shop}}", "tag keys that begin with aws: or keyward- are reserved", ""),
        ("{aliases: [alias/orders]}", "write the alias without the prefix alias/", ""),
    ] {
        let server_side = if server_side.is_empty() { client_side } else { server_side };
        for (side, said) in [("--server-side=false", client_side), ("--server-side=true", server_side)] {
            let output = cluster.kubectl_with(&["apply", side, "-n", &namespace, "-f", "-"], &manifest("wrong", spec)).await;
            assert!(!output.success && output.stderr.contains(said), "{side} {spec}: {output:?}\nexpected: {said}");
        }
    }
    let output =
        cluster.kubectl_with(&["apply", "-n", &namespace, "-f", "-"], &manifest("right", "{deletionScheduleDays: null, tags: null}")).await;
    assert!(output.success, "{output:?}");
    // What `apply` wrote, `apply` takes out again: that is how a deletion is cancelled.
    let apply = ["apply", "-n", &namespace, "-f", "-"];
    cluster.kubectl_with(&apply, &manifest("right", "{deletionScheduleDays: 7}")).await.expect("set");
    cluster.kubectl_with(&apply, &manifest("right", "{}")).await.expect("take out");
    let left =
        cluster.kubectl(&["get", "mkey", "right", "-n", &namespace, "-o", "jsonpath={.spec.deletionScheduleDays}"]).await.expect("get");
    assert_eq!(left, "");
}

#[tokio::test]
async fn tables_and_selectors() {
    let cluster = shared();
    let namespace = cluster.namespace("tables").await;
    let fresh = manifest("fresh", "{}");
    let orders = manifest("orders", "{providerRef: {name: aws-eu-west-1}, deletionPolicy: Disable}");
    cluster.kubectl_with(&["apply", "-n", &namespace, "-f", "-"], &format!("{fresh}---\n{orders}")).await.expect("apply");
    let api: Api<ManagedKey> = Api::namespaced(cluster.client().await, &namespace);
    let condition = |kind: &str, reason: &str| json!({ "type": kind, "status": "True", "reason": reason, "message": "", "lastTransitionTime": "2026-11-24T00:00:00Z" });
    let status = json!({
        "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey",
        "status": {
            "observedGeneration": 1, "keyId": "1234abcd", "keyArn": "arn:aws:kms:eu-west-1:111122223333:key/1234abcd", "keyState": "PendingDeletion", "deletionDate": "2096-12-01T00:00:00Z", "rotation": { "enabled": true }, "lastUsedTime": "2026-05-01T00:00:00Z",
            "conditions": [condition("Ready", "DeletionScheduled"), condition("Synced", "Synced")],
        },
    });
    api.patch_status("orders", &PatchParams::apply(FIELD_MANAGER), &Patch::Apply(&status)).await.unwrap();

    let get = async |args: &[&str]| cluster.kubectl(&[&["get", "-n", &namespace], args].concat()).await.expect("get");
    let table = get(&["managedkeys"]).await;
    let lines: Vec<_> = table.lines().map(words).collect();
    assert_eq!(lines[0], ["NAME", "READY", "SYNCED", "STATE", "DELETES-AT", "ROTATION", "AGE"], "{table}");
    assert_eq!((lines[1][0], lines[1].len()), ("fresh", 2), "a fresh object has a name and an age: {table}");
    assert_eq!(lines[2][..6], ["orders", "True", "True", "PendingDeletion", "2096-12-01T00:00:00Z", "true"], "{table}");

    let table = get(&["mkey", "-o", "wide"]).await;
    let lines: Vec<_> = table.lines().map(words).collect();
    assert_eq!(lines[0][7..], ["PROVIDER", "KEY-ID", "ARN", "ROTATED", "REASON", "LAST-USED"], "{table}");
    assert!(lines[2][11].ends_with('d'), "how many days ago: {table}");
    assert_eq!(
        lines[2][7..11],
        ["aws-eu-west-1", "1234abcd", "arn:aws:kms:eu-west-1:111122223333:key/1234abcd", "DeletionScheduled"],
        "{table}"
    );

    for (selector, found) in [
        ("spec.providerRef.name=aws-eu-west-1", "orders"),
        ("spec.providerRef.name=default", "fresh"),
        ("spec.deletionPolicy=Disable", "orders"),
        ("spec.deletionPolicy=Retain", "fresh"),
        ("status.keyId=1234abcd", "orders"),
        ("status.keyState=PendingDeletion", "orders"),
        ("status.keyState!=PendingDeletion", "fresh"),
    ] {
        let names = get(&["mkey", "--field-selector", selector, "-o", "name"]).await;
        assert_eq!(names.trim(), format!("managedkey.keyward.dev/{found}"), "{selector}");
    }
    // `kubectl delete all --all` must not reach keys.
    assert!(get(&["kms", "-o", "name"]).await.contains("managedkey.keyward.dev/orders"));
    assert!(!get(&["all", "-o", "name"]).await.contains("orders"));
}

#[tokio::test]
async fn providers_in_a_table() {
    let cluster = shared();
    let provider = "apiVersion: keyward.dev/v1alpha1\nkind: KeyProvider\nmetadata: {name: table}\nspec: {type: AWS, aws: {region: eu-west-1}, namespaces: {from: All}}\n";
    cluster.kubectl_with(&["apply", "-f", "-"], provider).await.expect("apply");
    let table = cluster.kubectl(&["get", "kp", "table", "-o", "wide"]).await.expect("get");
    let lines: Vec<_> = table.lines().map(words).collect();
    assert_eq!(lines[0], ["NAME", "READY", "TYPE", "ACCOUNT", "REGION", "AGE", "REASON"], "{table}");
    assert_eq!(lines[1][..2], ["table", "AWS"], "{table}");
    cluster.kubectl(&["delete", "kp", "table"]).await.expect("delete");
}

#[tokio::test]
async fn explain_prints_our_text() {
    let cluster = shared();
    for (field, text) in [
        ("managedkey", "A key in a KMS. Keyward keeps its lifecycle as declared here"),
        ("managedkey.spec.deletionScheduleDays", "For what happens when this object is deleted, use `deletionPolicy` instead."),
        ("managedkey.spec.deletionPolicy", "`Retain` (default): nothing."),
        ("managedkey.status.conditions.message", "the next step"),
        ("keyprovider.spec.aws.credentialsSecretRef", "`AWS_SECRET_ACCESS_KEY`"),
        ("keyprovider.spec.namespaces.selector.matchLabels", "all of these labels"),
    ] {
        let printed = cluster.kubectl(&["explain", field]).await.expect("explain");
        let printed = printed.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(printed.contains(text), "{field}: {printed}");
    }
}
