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

/// Where an operator works.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Its own namespace.
    pub namespace: String,
    /// The only namespaces in which it changes objects. Empty: all of them.
    pub watch_namespaces: Vec<String>,
}

impl Scope {
    /// An operator that runs in `namespace` and works in all of them.
    #[must_use]
    pub fn whole(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), watch_namespaces: Vec::new() }
    }

    /// The namespaces in which it needs [`object_rights`]; `None` is the whole cluster.
    pub fn objects(&self) -> impl Iterator<Item = Option<&str>> {
        let whole = self.watch_namespaces.is_empty().then_some(None);
        whole.into_iter().chain(self.watch_namespaces.iter().map(|name| Some(name.as_str())))
    }
}

/// All objects that give the operator its rights.
#[derive(Clone, Debug)]
pub struct Rbac {
    /// The account that the operator runs as.
    pub service_account: ServiceAccount,
    /// Rights in the whole cluster. [`cluster_rights`] has the reasons.
    pub cluster_role: ClusterRole,
    /// Binds these rights to the `ServiceAccount`.
    pub cluster_role_binding: ClusterRoleBinding,
    /// Rights to change objects. [`object_rights`] has the reasons.
    pub object_role: ClusterRole,
    /// Binds these rights to the `ServiceAccount` in the whole cluster, if it works in all namespaces.
    pub object_cluster_role_binding: Option<ClusterRoleBinding>,
    /// Binds these rights to the `ServiceAccount` in each namespace, if it does not.
    pub object_role_bindings: Vec<RoleBinding>,
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

/// Rights in the whole cluster. None of them reads a secret, and none changes a `ManagedKey` or a `KeyGrant`.
#[must_use]
pub fn cluster_rights() -> Vec<Right> {
    vec![
        right(
            GROUP,
            &["managedkeys", "keygrants"],
            &["get", "list", "watch"],
            "Reads which keys and grants are declared, in all namespaces: whose a key is can be told only from all objects.",
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

/// Rights in the namespaces in which the operator works.
#[must_use]
pub fn object_rights() -> Vec<Right> {
    vec![
        right(GROUP, &["managedkeys"], &["patch"], "Writes the finalizer, and the annotation that forbids a second creation."),
        right(GROUP, &["keygrants"], &["patch"], "Writes the finalizer, so that a grant is revoked before its object goes."),
        right(GROUP, &["managedkeys/status", "keygrants/status"], &["patch"], "Writes the status with server-side apply."),
        right(
            GROUP,
            &["managedkeys/finalizers", "keygrants/finalizers"],
            &["update"],
            "Clusters with the OwnerReferencesPermissionEnforcement plugin require this right to set the finalizer.",
        ),
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

/// The name of the `ClusterRole` with [`object_rights`].
fn object_role_name() -> String {
    format!("{NAME}-objects")
}

/// The rights of an operator.
#[must_use]
pub fn rbac(scope: &Scope) -> Rbac {
    let Scope { namespace, watch_namespaces } = scope;
    let named = |name: &str| ObjectMeta { name: Some(name.into()), labels: Some(labels()), ..ObjectMeta::default() };
    let inside = |namespace: &str, name: &str| ObjectMeta { namespace: Some(namespace.into()), ..named(name) };
    let objects = object_role_name();
    let subjects = || Some(vec![subject(namespace)]);
    let rules = |rights: Vec<Right>| Some(rights.into_iter().map(|right| right.rule).collect());
    let cluster_role = |name: &str, rights| ClusterRole { metadata: named(name), rules: rules(rights), ..ClusterRole::default() };
    let cluster_role_binding =
        |name: &str| ClusterRoleBinding { metadata: named(name), role_ref: role_ref("ClusterRole", name), subjects: subjects() };
    let object_role_binding = |within: &String| RoleBinding {
        metadata: inside(within, &objects),
        role_ref: role_ref("ClusterRole", &objects),
        subjects: subjects(),
    };
    Rbac {
        service_account: ServiceAccount { metadata: inside(namespace, NAME), ..ServiceAccount::default() },
        cluster_role: cluster_role(NAME, cluster_rights()),
        cluster_role_binding: cluster_role_binding(NAME),
        object_role: cluster_role(&objects, object_rights()),
        object_cluster_role_binding: watch_namespaces.is_empty().then(|| cluster_role_binding(&objects)),
        object_role_bindings: watch_namespaces.iter().map(object_role_binding).collect(),
        role: Role { metadata: inside(namespace, NAME), rules: rules(own_rights()) },
        role_binding: RoleBinding { metadata: inside(namespace, NAME), role_ref: role_ref("Role", NAME), subjects: subjects() },
    }
}

impl Rbac {
    /// One YAML stream for `kubectl apply -f -`, with the reason above each rule.
    pub fn to_yaml(&self) -> anyhow::Result<String> {
        let without_rules = |role: &ClusterRole| yaml::document(&ClusterRole { rules: None, ..role.clone() });
        let role = Role { rules: None, ..self.role.clone() };
        let mut documents = vec![
            yaml::document(&self.service_account)?,
            format!("{}rules:\n{}", without_rules(&self.cluster_role)?, rules_yaml(&cluster_rights())?),
            yaml::document(&self.cluster_role_binding)?,
            format!("{}rules:\n{}", without_rules(&self.object_role)?, rules_yaml(&object_rights())?),
        ];
        documents.extend(self.object_cluster_role_binding.iter().map(yaml::document).collect::<Result<Vec<_>, _>>()?);
        documents.extend(self.object_role_bindings.iter().map(yaml::document).collect::<Result<Vec<_>, _>>()?);
        documents.push(format!("{}rules:\n{}", yaml::document(&role)?, rules_yaml(&own_rights())?));
        documents.push(yaml::document(&self.role_binding)?);
        Ok(yaml::stream(&documents))
    }
}

/// The list of rules, each under its reason.
pub fn rules_yaml(rights: &[Right]) -> anyhow::Result<String> {
    rights.iter().map(|Right { rule, reason }| Ok(format!("# {reason}\n{}", yaml::document(&[rule])?))).collect()
}
