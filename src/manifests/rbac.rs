//! The rights of the operator: every rule with the reason for it, which is printed above the rule.
//!
//! A right that is not here is one that a stolen token does not give. Tests run the operator with these rights, never as an administrator.

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject};
use kube::{CustomResourceExt, api::ObjectMeta};

use super::{NAME, labels, yaml};
use crate::api::{GROUP, KeyProvider, ManagedKey};

/// A right, and why the operator needs it.
#[derive(Clone, Debug)]
pub struct Right {
    /// The rule as Kubernetes has it.
    pub rule: PolicyRule,
    /// A sentence that says what fails without it.
    pub reason: &'static str,
}

/// All that gives the operator its rights, for an installation in one namespace.
#[derive(Clone, Debug)]
pub struct Rbac {
    /// Whom the operator runs as.
    pub service_account: ServiceAccount,
    /// Rights in the whole cluster; [`cluster_rights`] has the reasons.
    pub cluster_role: ClusterRole,
    /// Gives them to the `ServiceAccount`.
    pub cluster_role_binding: ClusterRoleBinding,
    /// Rights in the operator's own namespace; [`own_rights`] has the reasons.
    pub role: Role,
    /// Gives them to the `ServiceAccount`.
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
            "Reads what is declared; writes the finalizer and the annotation that forbids a second creation.",
        ),
        right(GROUP, &["managedkeys/status"], &["patch"], "Says what was seen and done, by server-side apply."),
        right(
            GROUP,
            &["managedkeys/finalizers"],
            &["update"],
            "Clusters with the OwnerReferencesPermissionEnforcement plugin ask for this before they accept the finalizer.",
        ),
        right(GROUP, &["keyproviders"], &["get", "list", "watch"], "Reads how a KMS is reached and who may use it for what."),
        right(GROUP, &["keyproviders/status"], &["patch"], "Says whose credentials they are, and keeps the deletion guard's book."),
        right(
            "",
            &["namespaces"],
            &["get", "list", "watch"],
            "A provider admits namespaces by name or label: labels are watched, by metadata alone, while one selects by them. And keys are left alone while their namespace is being deleted.",
        ),
        named(
            right(
                "apiextensions.k8s.io",
                &["customresourcedefinitions"],
                &["get"],
                "Keys are left alone while their own CRD is being deleted: that is an uninstall, not a wish about keys. And a CRD that is older than this \
                 version is told at the start.",
            ),
            &[ManagedKey::crd_name(), KeyProvider::crd_name()],
        ),
        right("events.k8s.io", &["events"], &["create"], "Tells once per transition, in the object's namespace, what was done to its key."),
    ]
}

/// Rights in the operator's own namespace alone.
#[must_use]
pub fn own_rights() -> Vec<Right> {
    vec![
        right("", &["secrets"], &["get", "list", "watch"], "Reads providers' credentials, and notices when they are renewed."),
        right(
            "coordination.k8s.io",
            &["leases"],
            &["get", "create", "update"],
            "One replica works at a time: the one that holds the lease.",
        ),
    ]
}

/// The rights of an operator that runs in `namespace`.
#[must_use]
pub fn rbac(namespace: &str) -> Rbac {
    let cluster_wide = || ObjectMeta { name: Some(NAME.into()), labels: Some(labels()), ..ObjectMeta::default() };
    let inside = || ObjectMeta { namespace: Some(namespace.into()), ..cluster_wide() };
    let role_ref = |kind: &str| RoleRef { api_group: "rbac.authorization.k8s.io".into(), kind: kind.into(), name: NAME.into() };
    let subject = Subject { kind: "ServiceAccount".into(), name: NAME.into(), namespace: Some(namespace.into()), ..Subject::default() };
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
    /// One YAML stream, ready for `kubectl apply -f -`, with the reason above each rule.
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
