//! Every row with admission on: a real control plane with the CRDs and the policy that is always installed, and a user who has all rights in one namespace.

use std::sync::Mutex;

use keyward::{api::ManagedKey, manifests, text::shown};
use kms_double::Options;
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use super::{
    Admission, Ends, rows,
    world::{Way, World, all, attempt},
};
use crate::{
    replicas,
    support::{
        control_plane::{ControlPlane, apply, shared},
        eventually,
        operator::{self, WITHIN},
        scene::Scene,
    },
};

/// Everything on Keyward's kinds, their statuses included, in that namespace.
async fn grant(cluster: &'static ControlPlane, user: &str, namespace: &str) {
    let (group, version) = ("rbac.authorization.k8s.io", "rbac.authorization.k8s.io/v1");
    let metadata = json!({ "name": "mallory", "namespace": namespace });
    let rules = json!([
        { "apiGroups": ["keyward.dev"], "resources": ["*"], "verbs": ["*"] },
        { "apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["list"] },
    ]);
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": [
        { "apiVersion": version, "kind": "Role", "metadata": metadata, "rules": rules },
        { "apiVersion": version, "kind": "RoleBinding", "metadata": metadata, "roleRef": { "apiGroup": group, "kind": "Role", "name": "mallory" }, "subjects": [{ "apiGroup": group, "kind": "User", "name": user }] },
    ] });
    cluster.kubectl_with(&["create", "-f", "-"], &list.to_string()).await.expect("rights");
}

/// The policy for statuses, as it is shipped, in that namespace alone.
async fn protect(client: &Client, operator: &str, namespace: &str) {
    let mut admission = manifests::admission(operator);
    admission.policy.metadata.name = Some(namespace.into());
    admission.binding.metadata.name = Some(namespace.into());
    let spec = admission.binding.spec.as_mut().unwrap();
    spec.policy_name = Some(namespace.into());
    // Providers of other tests have no namespace, so a selector of namespaces leaves none of them out.
    let limits = json!({
        "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": namespace } },
        "resourceRules": [{ "apiGroups": ["keyward.dev"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"], "scope": "Namespaced" }],
    });
    spec.match_resources = serde_json::from_value(limits).unwrap();
    apply(&Api::all(client.clone()), &admission.policy).await;
    apply(&Api::all(client.clone()), &admission.binding).await;
}

/// The policy for statuses in one namespace.
pub struct Policy(String);

impl Policy {
    pub async fn remove(self) {
        for kind in ["validatingadmissionpolicybinding", "validatingadmissionpolicy"] {
            shared().kubectl(&["delete", kind, &self.0]).await.expect("delete");
        }
    }
}

/// Puts admission on in a namespace, and gives the client of somebody who has all rights there and no other.
async fn mallory(admin: &Client, namespace: &str) -> (Client, Policy) {
    let cluster = shared();
    grant(cluster, namespace, namespace).await;
    protect(admin, &operator::shared().post.namespace, namespace).await;
    let mallory = cluster.client_as(namespace).await;
    let keys = Api::<ManagedKey>::namespaced(mallory.clone(), namespace);
    let probe = json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": { "name": "probe" },
        "spec": { "providerRef": { "name": "none" } } });
    let probe: ManagedKey = serde_json::from_value(probe).unwrap();
    Api::<ManagedKey>::namespaced(admin.clone(), namespace).create(&PostParams::default(), &probe).await.unwrap();
    eventually("the rights and the policy are in force", WITHIN, async || {
        let dry = PatchParams { dry_run: true, ..PatchParams::default() };
        let nothing = Patch::Merge(json!({ "status": { "observedGeneration": 1 } }));
        match keys.patch_status("probe", &dry, &nothing).await {
            Err(error) if error.to_string().contains("only Keyward may write this status") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    keys.delete("probe", &DeleteParams::default()).await.unwrap();
    (mallory, Policy(namespace.into()))
}

/// A scene on the control plane in which everything is done by such a tenant.
pub async fn tenant(spec: Value) -> (Scene, Policy) {
    let mut scene = Scene::real_with("tenant", Options::default(), spec).await;
    let (client, policy) = mallory(&scene.client, &scene.namespace).await;
    scene.client = client;
    (scene, policy)
}

/// Shows S3.
#[tokio::test]
async fn every_attack_through_admission_is_refused_or_harmless() {
    let attacks = rows::all();
    let world = Box::pin(World::new(Scene::real("mallory").await)).await;
    let (admin, namespace) = (world.scene.client.clone(), world.scene.namespace.clone());
    let (mallory, policy) = mallory(&admin, &namespace).await;

    let left_alone = Mutex::new(Vec::new());
    let mut wrong = all(&attacks, async |attack| match attack.admission {
        Admission::Refused(words) => match attempt(&world, &mallory, attack).await {
            Err(said) if said.contains(words) => Ok(()),
            Err(said) => Err(format!("refused, but with: {}", said.chars().take(500).collect::<String>())),
            Ok(()) => Err(format!("accepted, and was to be refused: {words}")),
        },
        Admission::Accepted(ends) => {
            let stored = world.act(Way::Admitted(&mallory), attack).await?;
            if ends == Ends::LeftAlone {
                left_alone.lock().unwrap().push(stored.clone());
            }
            world.ended(Way::Admitted(&mallory), attack, &stored, ends).await
        }
    })
    .await;
    wrong.extend(world.harm(&left_alone.into_inner().unwrap()).await);
    wrong.extend(logged(&namespace));
    policy.remove().await;
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

/// Lines of the operator about that namespace that are none, or that have what a terminal obeys.
pub fn logged(namespace: &str) -> Vec<String> {
    let log = std::fs::read_to_string(&operator::shared().log).unwrap();
    // The last line may be half written.
    let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let is_wrong = |line: &&str| {
        let fields = serde_json::from_str::<Value>(line).ok();
        let forged = fields.as_ref().is_none_or(|fields| fields["message"] == "forged" || fields.get("timestamp").is_none());
        shown(line) != *line || (line.contains(namespace) && forged)
    };
    whole.lines().filter(is_wrong).map(|line| format!("logged: {line}")).collect()
}

/// Objects cost nothing, and keys do. What limits the objects of a namespace is a quota of Kubernetes.
#[tokio::test]
async fn a_quota_bounds_the_objects_of_a_namespace() {
    const COUNT: &str = "count/managedkeys.keyward.dev";
    let cluster = shared();
    let namespace = cluster.namespace("quota").await;
    let kubectl = async |args: &[&str], stdin: &Value| {
        let args: Vec<&str> = args.iter().copied().chain(["-n", &namespace]).collect();
        cluster.kubectl_with(&args, &stdin.to_string()).await
    };
    let metadata = |name: &str| json!({ "name": name });
    let quota = json!({ "apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata("keys"), "spec": { "hard": { COUNT: "2" } } });
    kubectl(&["create", "-f", "-"], &quota).await.expect("a quota");
    // The controller that counts does not run here.
    let counted = json!({ "status": { "hard": { COUNT: "2" }, "used": { COUNT: "0" } } }).to_string();
    kubectl(&["patch", "resourcequota", "keys", "--subresource=status", "--type=merge", "-p", &counted], &json!(null))
        .await
        .expect("a count");
    let key = |name: &str| {
        let spec = json!({ "providerRef": { "name": namespace } });
        json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": metadata(name), "spec": spec })
    };
    for name in ["one", "two"] {
        eventually("the quota is known", WITHIN, async || {
            let output = kubectl(&["apply", "-f", "-"], &key(name)).await;
            if output.success { Ok(()) } else { Err(output.stderr) }
        })
        .await;
    }
    let third = kubectl(&["create", "-f", "-"], &key("three")).await;
    assert!(!third.success && third.stderr.contains("exceeded quota: keys"), "{third:?}");
}

/// There are the secrets of all providers, and the cluster id.
#[tokio::test]
async fn a_tenant_writes_nothing_in_the_namespace_of_the_operator() {
    let (scene, policy) = tenant(json!({})).await;
    let keys = Api::<ManagedKey>::namespaced(scene.client.clone(), &scene.operator_namespace);
    let spec = json!({ "providerRef": { "name": scene.provider }, "publishTo": { "kind": "ConfigMap", "name": "keyward" } });
    let object = json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": { "name": "orders" }, "spec": spec });
    let refused = keys.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap_err();
    assert!(refused.to_string().contains("cannot create resource \"managedkeys\""), "{refused}");
    policy.remove().await;
}

/// A watch would end at such an object. The API server reads metadata before it asks who may write what.
#[tokio::test]
async fn metadata_that_cannot_be_decoded_is_refused() {
    let cluster = shared();
    let namespace = cluster.namespace("undecodable").await;
    let uri = format!("/apis/keyward.dev/v1alpha1/namespaces/{namespace}/managedkeys");
    for (metadata, is_read) in [
        (json!({ "name": "orders", "annotations": { "note": "text" } }), true),
        (json!({ "name": "orders-1", "annotations": { "note": 1 } }), false),
        (json!({ "name": "orders-2", "annotations": ["note"] }), false),
        (json!({ "name": "orders-3", "finalizers": "text" }), false),
        (json!({ "name": "orders-4", "ownerReferences": [1] }), false),
        (json!({ "name": "orders-5", "labels": { "note": {} } }), false),
    ] {
        let spec = json!({ "providerRef": { "name": "none" } });
        let object = json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": metadata, "spec": spec });
        let output = cluster.kubectl_with(&["create", "--raw", &uri, "-f", "-"], &object.to_string()).await;
        assert_eq!(output.success, is_read, "{object}: {output:?}");
    }
    let stored = cluster.kubectl(&["get", "managedkeys", "-n", &namespace, "-o", "name"]).await.expect("get");
    assert_eq!(stored.trim(), "managedkey.keyward.dev/orders");
}

#[tokio::test]
async fn the_primary_key_of_others_is_not_moved() {
    let mut scene = Scene::real_with("primary", Options::default(), replicas::moved::all_keys()).await;
    replicas::provide_abroad(&scene, json!({})).await;
    let (client, policy) = mallory(&scene.client, &scene.namespace).await;
    scene.client = client;
    replicas::moved::the_primary_key_of_others(&scene).await;
    policy.remove().await;
}
