//! The policy that decides who may write a status. The API server evaluates it itself, so no component that can be down is in the path of a
//! write.
//!
//! A status gives no authority over a key. But it says what an object set on the key, and so what Keyward removes when it is removed from
//! the spec. A role that lets people edit objects often lets them write `status` too.

use k8s_openapi::api::admissionregistration::v1::{
    MatchResources, NamedRuleWithOperations, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
    ValidatingAdmissionPolicyBindingSpec, ValidatingAdmissionPolicySpec, Validation, Variable,
};
use kube::api::ObjectMeta;

use super::{NAME, labels, yaml};
use crate::api::GROUP;

/// The verb that lets a person restore a status, on `managedkeys/status` or `keyproviders/status`.
pub const RESTORE: &str = "restore";

/// A policy, and the binding that activates it.
#[derive(Clone, Debug)]
pub struct Admission {
    /// What the policy refuses.
    pub policy: ValidatingAdmissionPolicy,
    /// Where it is active, which is everywhere.
    pub binding: ValidatingAdmissionPolicyBinding,
}

/// The policy for an operator that runs in `namespace`.
///
/// The verb `restore` must be granted in the whole cluster. A person with all rights in one namespace does not have it; `cluster-admin`
/// does.
#[must_use]
pub fn admission(namespace: &str) -> Admission {
    let name = format!("{NAME}-status");
    let metadata = || ObjectMeta { name: Some(name.clone()), labels: Some(labels()), ..ObjectMeta::default() };
    let rule = NamedRuleWithOperations {
        api_groups: Some(vec![GROUP.into()]),
        api_versions: Some(vec!["*".into()]),
        operations: Some(vec!["CREATE".into(), "UPDATE".into()]),
        resources: Some(vec!["managedkeys/status".into(), "keyproviders/status".into()]),
        ..NamedRuleWithOperations::default()
    };
    let validation = Validation {
        expression: format!(
            "request.userInfo.username == variables.operator || \
             authorizer.group('{GROUP}').resource(request.resource.resource).subresource('status').check('{RESTORE}').allowed()"
        ),
        message: Some(format!(
            "only Keyward may write this status; to restore a status, ask an administrator for the verb {RESTORE} on it in the whole cluster"
        )),
        reason: Some("Forbidden".into()),
        ..Validation::default()
    };
    Admission {
        policy: ValidatingAdmissionPolicy {
            metadata: metadata(),
            spec: Some(ValidatingAdmissionPolicySpec {
                failure_policy: Some("Fail".into()),
                match_constraints: Some(MatchResources { resource_rules: Some(vec![rule]), ..MatchResources::default() }),
                variables: Some(vec![Variable {
                    name: "operator".into(),
                    expression: format!("'system:serviceaccount:{namespace}:{NAME}'"),
                }]),
                validations: Some(vec![validation]),
                ..ValidatingAdmissionPolicySpec::default()
            }),
            ..ValidatingAdmissionPolicy::default()
        },
        binding: ValidatingAdmissionPolicyBinding {
            metadata: metadata(),
            spec: Some(ValidatingAdmissionPolicyBindingSpec {
                policy_name: Some(name),
                validation_actions: Some(vec!["Deny".into()]),
                ..ValidatingAdmissionPolicyBindingSpec::default()
            }),
        },
    }
}

impl Admission {
    /// One YAML stream for `kubectl apply -f -`.
    pub fn to_yaml(&self) -> anyhow::Result<String> {
        Ok(yaml::stream(&[self.policy_yaml()?, self.binding_yaml()?]))
    }

    /// The policy as a single document.
    pub fn policy_yaml(&self) -> anyhow::Result<String> {
        yaml::document(&self.policy)
    }

    /// The binding as a single document.
    pub fn binding_yaml(&self) -> anyhow::Result<String> {
        yaml::document(&self.binding)
    }
}
