//! Who may write a status, under the policy that is shipped.

use keyward::{
    api::{FIELD_MANAGER, KeyProvider, ManagedKey},
    manifests,
};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::support::{
    control_plane::{ControlPlane, Output, apply, shared},
    eventually,
    operator::WITHIN,
};

/// One who wants to write a status.
struct Writer {
    who: &'static str,
    refused: bool,
}

pub(super) async fn create(cluster: &'static ControlPlane, object: Value) {
    cluster.kubectl_with(&["create", "-f", "-"], &object.to_string()).await.expect("create");
}

/// Gives a user, in the whole cluster or in that namespace, everything, or only those verbs on statuses.
pub(super) async fn grant(cluster: &'static ControlPlane, name: &str, user: &str, namespace: Option<&str>, rules: Value) {
    let (role, binding) = if namespace.is_some() { ("Role", "RoleBinding") } else { ("ClusterRole", "ClusterRoleBinding") };
    let group = "rbac.authorization.k8s.io";
    let metadata = json!({ "name": name, "namespace": namespace });
    create(cluster, json!({ "apiVersion": format!("{group}/v1"), "kind": role, "metadata": metadata, "rules": rules })).await;
    let subject = json!({ "apiGroup": group, "kind": "User", "name": user });
    let reference = json!({ "apiGroup": group, "kind": role, "name": name });
    create(
        cluster,
        json!({ "apiVersion": format!("{group}/v1"), "kind": binding, "metadata": metadata, "roleRef": reference, "subjects": [subject] }),
    )
    .await;
}

/// Writes a status as somebody, and keeps nothing of it.
async fn write(cluster: &'static ControlPlane, who: &str, kind: &str, name: &str, namespace: &str) -> Output {
    let status = json!({ "status": { "conditions": [] } }).to_string();
    let mut args = vec!["patch", kind, name, "-n", namespace, "--subresource=status", "--type=merge", "--dry-run=server", "-p", &status];
    let user = format!("--as={who}");
    if who != "administrator" {
        args.push(&user);
    }
    cluster.kubectl(&args).await
}

#[tokio::test]
async fn nobody_but_the_operator_writes_a_status_unless_an_administrator_lets_them() {
    let cluster = shared();
    let namespace = cluster.namespace("status").await;
    let operator = cluster.client_of(&cluster.service_account_kubeconfig(&namespace).await).await;
    let admin = cluster.client().await;

    // The shipped policy, under another name, and bound to what is this test's alone.
    let mut admission = manifests::admission(&namespace);
    admission.policy.metadata.name = Some(namespace.clone());
    admission.binding.metadata.name = Some(namespace.clone());
    let spec = admission.binding.spec.as_mut().unwrap();
    spec.policy_name = Some(namespace.clone());
    spec.match_resources = serde_json::from_value(json!({ "objectSelector": { "matchLabels": { "of": namespace } } })).unwrap();
    let label = json!({ "of": namespace });
    create(
        cluster,
        json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": { "name": "orders", "namespace": namespace, "labels": label }, "spec": { "providerRef": { "name": namespace } } }),
    )
    .await;
    create(
        cluster,
        json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "KeyGrant", "metadata": { "name": "reader", "namespace": namespace, "labels": label }, "spec": { "keyRef": { "name": "orders" }, "granteePrincipal": "arn:aws:iam::111122223333:role/reader", "operations": ["Decrypt"] } }),
    )
    .await;
    create(
        cluster,
        json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "KeyProvider", "metadata": { "name": namespace, "labels": label }, "spec": { "type": "AWS", "aws": { "region": "eu-west-1" }, "namespaces": { "from": "Names", "names": [] } } }),
    )
    .await;

    let everything = json!([{ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] }]);
    let edits =
        json!([{ "apiGroups": ["keyward.dev"], "resources": ["*"], "verbs": ["get", "list", "watch", "create", "update", "patch"] }]);
    let restores = json!([
        { "apiGroups": ["keyward.dev"], "resources": ["managedkeys", "keygrants", "keyproviders"], "verbs": ["get"] },
        { "apiGroups": ["keyward.dev"], "resources": ["managedkeys/status", "keygrants/status", "keyproviders/status"], "verbs": ["get", "patch", "restore"] },
    ]);
    let name = |who: &str| format!("{who}-{namespace}");
    grant(cluster, &name("tenant"), "tenant", Some(&namespace), everything).await;
    grant(cluster, &name("editor"), "editor", None, edits).await;
    grant(cluster, &name("restorer"), "restorer", None, restores).await;
    // Without the policy all of them may.
    for who in ["tenant", "editor", "restorer"] {
        eventually(&format!("the rights of {who}"), WITHIN, async || {
            let output = write(cluster, who, "managedkey", "orders", &namespace).await;
            if output.success { Ok(()) } else { Err(output.stderr) }
        })
        .await;
    }

    apply(&Api::all(admin.clone()), &admission.policy).await;
    apply(&Api::all(admin.clone()), &admission.binding).await;
    let refused = |output: &Output| !output.success && output.stderr.contains("only Keyward may write this status");
    eventually("the policy is in force", WITHIN, async || {
        let output = write(cluster, "tenant", "managedkey", "orders", &namespace).await;
        if refused(&output) { Ok(()) } else { Err(format!("{output:?}")) }
    })
    .await;
    for Writer { who, refused: expected } in [
        Writer { who: "editor", refused: true },
        Writer { who: "restorer", refused: false },
        Writer { who: "administrator", refused: false },
    ] {
        for (kind, object) in [("managedkey", "orders"), ("keygrant", "reader"), ("keyprovider", namespace.as_str())] {
            let output = write(cluster, who, kind, object, &namespace).await;
            assert_eq!((output.success, refused(&output)), (!expected, expected), "{who} {kind}: {output:?}");
        }
    }
    let status = |kind: &str| json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": kind, "status": { "observedGeneration": 1 } });
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    let keys = Api::<ManagedKey>::namespaced(operator.clone(), &namespace);
    keys.patch_status("orders", &parameters, &Patch::Apply(status("ManagedKey"))).await.unwrap();
    let grants = Api::<keyward::api::KeyGrant>::namespaced(operator.clone(), &namespace);
    grants.patch_status("reader", &parameters, &Patch::Apply(status("KeyGrant"))).await.unwrap();
    let providers = Api::<KeyProvider>::all(operator);
    providers.patch_status(&namespace, &parameters, &Patch::Apply(status("KeyProvider"))).await.unwrap();
    // What everybody may still do: cancel, and let an object go.
    let edit =
        ["patch", "managedkey", "orders", "-n", &namespace, "--type=merge", "-p", "{\"spec\":{\"deletionScheduleDays\":0}}", "--as=editor"];
    cluster.kubectl(&edit).await.expect("an edit of the spec");

    for kind in ["validatingadmissionpolicybinding", "validatingadmissionpolicy", "keyprovider"] {
        cluster.kubectl(&["delete", kind, &namespace]).await.expect("delete");
    }
    for who in ["editor", "restorer"] {
        for kind in ["clusterrolebinding", "clusterrole"] {
            cluster.kubectl(&["delete", kind, &name(who)]).await.expect("delete");
        }
    }
}
