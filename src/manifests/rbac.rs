//! The rights of the operator: every rule with its reason, which is printed above the rule.
//!
//! Every right that is missing here is a right that a stolen token does not give. Tests run the operator with these rights, never as an
//! administrator.

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject};
use kube::{CustomResourceExt, api::ObjectMeta};

use super::{NAME, labels, policies, yaml};
use crate::api::{GROUP, KeyGrant, KeyProvider, ManagedKey, publish_to::PublishKind};

/// A right, and why the operator needs it.
#[derive(Clone, Debug)]
pub struct Right {
    /// The rule, as Kubernetes defines it.
    pub rule: PolicyRule,
    /// A sentence that says why the rule is needed.
    pub reason: &'static str,
}

/// All objects that give the operator its rights, for an installation in one namespace.
#[derive(Clone, Debug)]
pub struct Rbac {
    /// The account that the operator runs as.
    pub service_account: ServiceAccount,
    /// Rights in the whole cluster. [`cluster_rights`] has the reasons.
    pub cluster_role: ClusterRole,
    /// Binds these rights to the `ServiceAccount`.
    pub cluster_role_binding: ClusterRoleBinding,
    /// Rights in the operator's own namespace. [`own_rights`] has the reasons.
    pub role: Role,
    /// Binds these rights to the `ServiceAccount`.
    pub role_binding: RoleBinding,
}

fn right(group: &str, resources: &[&str], verbs: &[&str], reason: &'static str) -> Right {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let rule =
        PolicyRule { api_groups: Some(owned(&[group])), resources: Some(owned(resources)), verbs: owned(verbs), ..PolicyRule::default() };
    Right { rule, reason }
}

fn named(mut right: Right, names: &[&str]) -> Right {
    right.rule.resource_names = Some(names.iter().map(|name| (*name).to_owned()).collect());
    right
}

/// Rights in the whole cluster. None of them reads a secret.
#[must_use]
pub fn cluster_rights() -> Vec<Right> {
    vec![
        right(
            GROUP,
            &["managedkeys"],
            &["get", "list", "watch", "patch"],
            "Reads what is declared. Writes the finalizer, and the annotation that forbids a second creation.",
        ),
        right(GROUP, &["managedkeys/status"], &["patch"], "Writes the status with server-side apply."),
        right(
            GROUP,
            &["managedkeys/finalizers"],
            &["update"],
            "Clusters with the OwnerReferencesPermissionEnforcement plugin require this right to set the finalizer.",
        ),
        right(
            GROUP,
            &["keygrants"],
            &["get", "list", "watch", "patch"],
            "Reads which grants are declared. Writes the finalizer, so that a grant is revoked before its object goes.",
        ),
        right(GROUP, &["keygrants/status"], &["patch"], "Writes the status with server-side apply."),
        right(
            GROUP,
            &["keygrants/finalizers"],
            &["update"],
            "Clusters with the OwnerReferencesPermissionEnforcement plugin require this right to set the finalizer.",
        ),
        right(GROUP, &["keyproviders"], &["get", "list", "watch"], "Reads how to reach a KMS, and who may use it for what."),
        right(
            GROUP,
            &["keyproviders/status"],
            &["patch"],
            "Writes the status: the identity of the credentials, the conditions, and the lists of keys that are pending deletion.",
        ),
        right(
            "",
            &["namespaces"],
            &["get", "list", "watch"],
            "A provider admits namespaces by name or label. While a provider selects by labels, Keyward watches the metadata of namespaces. It also leaves keys as they are while their namespace is being deleted.",
        ),
        named(
            right(
                "apiextensions.k8s.io",
                &["customresourcedefinitions"],
                &["get"],
                "Keyward leaves keys and grants as they are while their CRD is being deleted, because that is an uninstall and not a request about keys. At the start it also \
                 reports a CRD that is older than this version.",
            ),
            &[ManagedKey::crd_name(), KeyGrant::crd_name(), KeyProvider::crd_name()],
        ),
        right("events.k8s.io", &["events"], &["create"], "Posts events in the namespace of the object about what was done to its key."),
    ]
}

/// Rights in the operator's own namespace.
#[must_use]
pub fn own_rights() -> Vec<Right> {
    vec![
        right("", &["secrets"], &["get", "list", "watch"], "Reads the credentials of providers, and notices when they are renewed."),
        right(
            "coordination.k8s.io",
            &["leases"],
            &["get", "create", "update"],
            "Leader election: only the replica that holds the lease works.",
        ),
    ]
}

/// Rights of people in their namespaces, each list with the end of the name of its `ClusterRole`. Kubernetes adds them to its own roles of that name if an
/// administrator wants it. None of them lets anybody confirm a deletion, and none shows a `KeyProvider`, which is the administrator's.
#[must_use]
pub fn user_rights() -> [(&'static str, Vec<Right>); 3] {
    const OBJECTS: [&str; 2] = ["managedkeys", "keygrants"];
    let read = right(GROUP, &OBJECTS, &["get", "list", "watch"], "Reads which keys and grants are declared, and their status.");
    let write = right(
        GROUP,
        &OBJECTS,
        &["create", "update", "patch", "delete"],
        "Declares keys and grants. Without the optional policies, this lets somebody request the deletion of a key. All objects of a namespace cannot be deleted with one request.",
    );
    let ask = right(
        GROUP,
        &["managedkeys"],
        &[policies::SCHEDULE, policies::ROTATE],
        "With the optional policies, requests the deletion of a key, and its rotation on demand.",
    );
    [("view", vec![read.clone()]), ("edit", vec![read.clone(), write.clone()]), ("admin", vec![read, write, ask])]
}

/// The right to publish keys to objects of that kind. It is not among [`cluster_rights`]: an administrator gives it, in the whole cluster or in some
/// namespaces. RBAC cannot limit a creation to names.
#[must_use]
pub fn publish_right(kind: PublishKind) -> Right {
    let reason = match kind {
        PublishKind::ConfigMap => {
            "Optional. Keeps the ConfigMaps of spec.publishTo. Keyward changes and removes only those that a ManagedKey owns."
        }
        PublishKind::Secret => {
            "Optional. Keeps the Secrets of spec.publishTo. Keyward changes and removes only those that a ManagedKey owns, but with this right its token can read every Secret of these namespaces."
        }
    };
    right("", &[kind.plural()], &["get", "create", "patch", "delete"], reason)
}

/// The name of the `ClusterRole` that gives the right to publish to objects of that kind.
#[must_use]
pub fn publish_role(kind: PublishKind) -> String {
    format!("{NAME}-publish-{}", kind.plural())
}

/// One YAML stream that gives this right in the whole cluster to an operator that runs in `namespace`.
pub fn publish_yaml(kind: PublishKind, namespace: &str) -> anyhow::Result<String> {
    let name = publish_role(kind);
    let metadata = || ObjectMeta { name: Some(name.clone()), labels: Some(labels()), ..ObjectMeta::default() };
    let role = ClusterRole { metadata: metadata(), ..ClusterRole::default() };
    let binding =
        ClusterRoleBinding { metadata: metadata(), role_ref: role_ref("ClusterRole", &name), subjects: Some(vec![subject(namespace)]) };
    Ok(yaml::stream(&[format!("{}rules:\n{}", yaml::document(&role)?, rules_yaml(&[publish_right(kind)])?), yaml::document(&binding)?]))
}

fn role_ref(kind: &str, name: &str) -> RoleRef {
    RoleRef { api_group: "rbac.authorization.k8s.io".into(), kind: kind.into(), name: name.into() }
}

fn subject(namespace: &str) -> Subject {
    Subject { kind: "ServiceAccount".into(), name: NAME.into(), namespace: Some(namespace.into()), ..Subject::default() }
}

/// The rights of an operator that runs in `namespace`.
#[must_use]
pub fn rbac(namespace: &str) -> Rbac {
    let cluster_wide = || ObjectMeta { name: Some(NAME.into()), labels: Some(labels()), ..ObjectMeta::default() };
    let inside = || ObjectMeta { namespace: Some(namespace.into()), ..cluster_wide() };
    let role_ref = |kind: &str| role_ref(kind, NAME);
    let subject = subject(namespace);
    let rules = |rights: Vec<Right>| Some(rights.into_iter().map(|right| right.rule).collect());
    Rbac {
        service_account: ServiceAccount { metadata: inside(), ..ServiceAccount::default() },
        cluster_role: ClusterRole { metadata: cluster_wide(), rules: rules(cluster_rights()), ..ClusterRole::default() },
        cluster_role_binding: ClusterRoleBinding {
            metadata: cluster_wide(),
            role_ref: role_ref("ClusterRole"),
            subjects: Some(vec![subject.clone()]),
        },
        role: Role { metadata: inside(), rules: rules(own_rights()) },
        role_binding: RoleBinding { metadata: inside(), role_ref: role_ref("Role"), subjects: Some(vec![subject]) },
    }
}

impl Rbac {
    /// One YAML stream for `kubectl apply -f -`, with the reason above each rule.
    pub fn to_yaml(&self) -> anyhow::Result<String> {
        let cluster_role = ClusterRole { rules: None, ..self.cluster_role.clone() };
        let role = Role { rules: None, ..self.role.clone() };
        Ok(yaml::stream(&[
            yaml::document(&self.service_account)?,
            format!("{}rules:\n{}", yaml::document(&cluster_role)?, rules_yaml(&cluster_rights())?),
            yaml::document(&self.cluster_role_binding)?,
            format!("{}rules:\n{}", yaml::document(&role)?, rules_yaml(&own_rights())?),
            yaml::document(&self.role_binding)?,
        ]))
    }
}

/// The list of rules, each under its reason.
pub fn rules_yaml(rights: &[Right]) -> anyhow::Result<String> {
    rights.iter().map(|Right { rule, reason }| Ok(format!("# {reason}\n{}", yaml::document(&[rule])?))).collect()
}
