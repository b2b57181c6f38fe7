//! The rights of the operator are what it uses, and what it uses are its rights. The witness is the API server's audit log.

use std::collections::BTreeSet;

use k8s_openapi::api::rbac::v1::PolicyRule;
use keyward::{
    api::publish_to::PublishKind,
    manifests::{self, rbac},
};
use kms_double::Options;
use serde_json::{Value, json};

use super::rendered::objects;
use crate::{
    grants, publishing,
    support::{
        control_plane::{ControlPlane, own, shared},
        eventually, helm,
        operator::{Post, WITHIN},
        scene::Scene,
    },
};

/// Where a right counts: in the operator's own namespace, or in all.
type Used = (&'static str, String, String);

const OWN: &str = "in its own namespace";
const ALL: &str = "everywhere";

fn granted(at: &'static str, rule: &PolicyRule) -> Vec<Used> {
    let groups = rule.api_groups.iter().flatten();
    let resources = groups.flat_map(|group| rule.resources.iter().flatten().map(move |resource| format!("{resource}.{group}")));
    resources.flat_map(|resource| rule.verbs.iter().map(move |verb| (at, resource.clone(), verb.clone()))).collect()
}

/// What the `ServiceAccount` asked for until now, and what was refused.
fn asked(cluster: &ControlPlane, post: &Post) -> (BTreeSet<Used>, Vec<String>) {
    let log = std::fs::read_to_string(&cluster.audit_log).unwrap();
    let account = format!("system:serviceaccount:{}:{}", post.namespace, manifests::NAME);
    // The last line may be half written.
    let entries = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let (mut used, mut refused) = (BTreeSet::new(), Vec::new());
    for entry in entries.filter(|entry| entry["user"]["username"] == *account) {
        let object = &entry["objectRef"];
        let text = |field: &str| object[field].as_str().unwrap_or_default().to_owned();
        let part = object["subresource"].as_str().map(|part| format!("/{part}")).unwrap_or_default();
        // The log gives a namespace its own name as its namespace.
        let at = if text("namespace") == post.namespace && text("resource") != "namespaces" { OWN } else { ALL };
        used.insert((at, format!("{}{part}.{}", text("resource"), text("apiGroup")), entry["verb"].as_str().unwrap().to_owned()));
        if entry["responseStatus"]["code"] == 403 {
            refused.push(entry.to_string());
        }
    }
    (used, refused)
}

/// A life in which the operator does all that it can: each right is needed, and no other is asked for.
#[tokio::test]
async fn rights_are_exactly_what_is_used() {
    let cluster = own();
    let cluster = cluster.get();
    let post = Post::new(cluster).await;
    let everywhere = rbac::cluster_rights().into_iter().chain(rbac::object_rights());
    let mut rights: Vec<(&str, rbac::Right)> = everywhere.map(|right| (ALL, right)).collect();
    rights.extend(rbac::own_rights().into_iter().map(|right| (OWN, right)));
    let granted_to_publish = PublishKind::ALL.map(|kind| (kind, rbac::publish_right(kind)));
    rights.extend(granted_to_publish.iter().map(|(_, right)| (ALL, right.clone())));
    for (_, right) in &rights {
        let rule = serde_json::to_string(&right.rule).unwrap();
        assert!(!rule.contains('*'), "a wildcard: {rule}");
    }
    let expected: BTreeSet<Used> = rights.iter().flat_map(|(at, right)| granted(at, &right.rule)).collect();

    // It competes for the Lease, as the Deployment has it.
    let _operator = post.start_with(&["--leader-election=true"]);
    let scene = Scene::on(cluster, &post, "rights", Options::default(), grants::any()).await;
    for (kind, right) in granted_to_publish {
        publishing::grant(&scene, kind, &right.rule.verbs).await;
    }
    let ours = json!({ "matchLabels": { "kubernetes.io/metadata.name": scene.namespace } });
    let mut provider = grants::any();
    provider["namespaces"] = json!({ "from": "Selector", "selector": ours });
    scene.provide(&scene.provider, provider).await;
    scene.create("orders", json!({ "deletionPolicy": "Disable", "publishTo": { "kind": "ConfigMap", "name": "key" } })).await;
    let published = async |what: Value| {
        eventually("it is published", WITHIN, async || {
            let object = scene.look("orders").await;
            let to = object.status.and_then(|status| status.published_to).map(|to| serde_json::to_value(to).unwrap());
            let same = to.as_ref().map_or(what.is_null(), |to| to["kind"] == what["kind"] && to["name"] == what["name"]);
            if same { Ok(()) } else { Err(format!("{to:?}")) }
        })
        .await;
    };
    // Each object is created, changed in its place, and removed.
    let named = |kind: &str, keys: Value| json!({ "kind": kind, "name": "key", "keys": keys });
    let places =
        ["ConfigMap", "Secret"].into_iter().flat_map(|kind| [Value::Null, json!({ "keyArn": "ARN" })].map(|keys| named(kind, keys)));
    for to in places.chain([Value::Null]) {
        scene.spec("orders", json!({ "publishTo": to })).await;
        published(to).await;
    }
    grants::is_made_and_revoked(&scene).await;
    scene.delete("orders").await;
    scene.until_gone("orders").await;

    // Clusters with the OwnerReferencesPermissionEnforcement plugin ask for these rights. Nobody sends such a request.
    let asked_by_a_plugin = |(_, resource, _): &&Used| resource.contains("/finalizers.");
    // Every user may ask what it may do.
    let everybody: Used = (ALL, "selfsubjectaccessreviews.authorization.k8s.io".into(), "create".into());
    eventually("every right is used", WITHIN, async || {
        let (used, refused) = asked(cluster, &post);
        assert_eq!(refused, [""; 0], "it asks for what it may not do");
        let more: Vec<_> = used.difference(&expected).filter(|used| **used != everybody).collect();
        assert!(more.is_empty(), "it used what nobody granted: {more:?}");
        let unused: Vec<_> = expected.difference(&used).filter(|unused| !asked_by_a_plugin(unused)).collect();
        if unused.is_empty() { Ok(()) } else { Err(format!("not used: {unused:?}")) }
    })
    .await;
}

/// With `--watch-namespaces` it works in these namespaces, with rights to change objects there and nowhere else.
#[tokio::test]
async fn an_operator_of_some_namespaces_changes_no_object_of_another() {
    let cluster = own();
    let cluster = cluster.get();
    let namespace = cluster.namespace("operator").await;
    let scene =
        Scene::on(cluster, &Post::installed(cluster, &namespace, cluster.kubeconfig.clone()), "inside", Options::default(), grants::any())
            .await;
    let outside = scene.another_namespace("outside").await;
    let object = json!({
        "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": { "name": "orders" },
        "spec": { "deletionPolicy": "Delete", "providerRef": { "name": scene.provider } },
    });
    let grant = json!({
        "apiVersion": "keyward.dev/v1alpha1", "kind": "KeyGrant", "metadata": { "name": "reader" },
        "spec": { "keyRef": { "name": "orders" }, "granteePrincipal": "arn:aws:iam::111122223333:role/reader", "operations": ["Decrypt"] },
    });
    for object in [object, grant] {
        cluster.kubectl_with(&["create", "-n", &outside, "-f", "-"], &object.to_string()).await.expect("create");
    }

    let scope = rbac::Scope { namespace: namespace.clone(), watch_namespaces: vec![namespace.clone(), scene.namespace.clone()] };
    let post = Post::installed(cluster, &namespace, cluster.kubeconfig_of(&scope).await);
    let operator = post.start_with(&["--leader-election=true", "--watch-namespaces", &scope.watch_namespaces.join(",")]);
    scene.create("orders", json!({ "deletionPolicy": "Delete" })).await;
    scene.until_ready("orders", "True", "Available").await;
    grants::is_made_and_revoked(&scene).await;
    scene.delete("orders").await;
    scene.until_gone("orders").await;

    assert_eq!(scene.calls("CreateKey").len(), 1, "a key of the other namespace");
    let left = cluster.kubectl(&["get", "managedkey", "orders", "-n", &outside, "-o", "json"]).await.expect("get");
    let left: Value = serde_json::from_str(&left).unwrap();
    assert_eq!((&left["metadata"]["finalizers"], &left["status"]["conditions"]), (&Value::Null, &Value::Null), "{left}");
    assert_eq!(asked(cluster, &post).1, [""; 0], "it asks for what it may not do");
    let log = std::fs::read_to_string(&operator.log).unwrap();
    assert!(log.contains("keyward starts") && !log.contains("does not let this process"), "{}", operator.tail());
}

/// The roles of people, as the API server judges them: nobody confirms a deletion, and a provider is the administrator's.
#[tokio::test]
async fn people_have_the_rights_of_their_role() {
    let cluster = shared();
    let namespace = cluster.namespace("people").await;
    let rendered = helm::render(&json!({ "clusterId": "prod", "fullnameOverride": namespace }), &[]).await.expect("render");
    let roles = ["view", "edit", "admin"].map(|role| format!("{namespace}-{role}"));
    let mut found = objects(&rendered);
    found.retain(|object| object["kind"] == "ClusterRole" && roles.iter().any(|role| object["metadata"]["name"] == *role));
    assert_eq!(found.len(), 3, "{rendered}");
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": found });
    cluster.kubectl_with(&["create", "-f", "-"], &list.to_string()).await.expect("roles");
    for role in &roles {
        let binding = ["create", "rolebinding", role, "--namespace", &namespace, "--clusterrole", role, "--user", role];
        cluster.kubectl(&binding).await.expect("a binding");
    }
    let may = async |role: &str, verb: &str, resource: &str| {
        let (resource, part) = resource.split_once('/').unwrap_or((resource, ""));
        let asked = ["auth", "can-i", verb, resource, "--subresource", part, "--namespace", &namespace, "--as", role];
        cluster.kubectl(&asked).await.stdout.trim_end() == "yes"
    };
    // The authorizer learns of roles and bindings a moment later.
    for role in &roles {
        let learned = async || if may(role, "list", "managedkeys.keyward.dev").await { Ok(()) } else { Err("not yet") };
        eventually("the rights of the role", WITHIN, learned).await;
    }
    // What those with `view`, `edit` and `admin` may do.
    for (verb, resource, expected) in [
        ("list", "managedkeys.keyward.dev", [true, true, true]),
        ("watch", "keygrants.keyward.dev", [true, true, true]),
        ("create", "managedkeys.keyward.dev", [false, true, true]),
        ("patch", "keygrants.keyward.dev", [false, true, true]),
        ("delete", "managedkeys.keyward.dev", [false, true, true]),
        ("schedule-deletion", "managedkeys.keyward.dev", [false, false, true]),
        ("rotate", "managedkeys.keyward.dev", [false, false, true]),
        ("confirm-deletion", "managedkeys.keyward.dev", [false, false, false]),
        ("deletecollection", "managedkeys.keyward.dev", [false, false, false]),
        ("patch", "managedkeys.keyward.dev/status", [false, false, false]),
        ("get", "keyproviders.keyward.dev", [false, false, false]),
        ("get", "secrets", [false, false, false]),
    ] {
        for (role, expected) in roles.iter().zip(expected) {
            assert_eq!(may(role, verb, resource).await, expected, "{role}: {verb} {resource}");
        }
    }
    cluster.kubectl(&[&["delete", "clusterrole"][..], &roles.each_ref().map(String::as_str)].concat()).await.expect("delete");
}
