//! Who may write a status: a policy that the API server itself asks, so that nothing that can be down stands in the path of a write.
//!
//! Status gives no authority over a key, but it says what an object set on it, and so what is removed again when it is taken out of the spec. A role that
//! lets people edit objects often lets them write `status`, too.

use k8s_openapi::api::admissionregistration::v1::{
    MatchResources, NamedRuleWithOperations, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
    ValidatingAdmissionPolicyBindingSpec, ValidatingAdmissionPolicySpec, Validation, Variable,
};
use kube::api::ObjectMeta;

use super::{NAME, labels, yaml};
use crate::api::GROUP;

/// The verb that lets a person restore a status, on `managedkeys/status` or `keyproviders/status`.
pub const RESTORE: &str = "restore";

/// A policy, and the binding that puts it into force.
#[derive(Clone, Debug)]
pub struct Admission {
    /// What is refused.
    pub policy: ValidatingAdmissionPolicy,
    /// Where: everywhere.
    pub binding: ValidatingAdmissionPolicyBinding,
}

/// The policy for an operator that runs in `namespace`.
///
/// The right to restore is asked for in the whole cluster: whoever may do everything in a namespace does not have it, and `cluster-admin` does.
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
            "only Keyward writes this status; to restore one, have an administrator give you the verb {RESTORE} on it in the whole cluster"
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
    /// One YAML stream, ready for `kubectl apply -f -`.
    pub fn to_yaml(&self) -> anyhow::Result<String> {
        Ok(yaml::stream(&[self.policy_yaml()?, self.binding_yaml()?]))
    }

    /// The policy as a document by itself.
    pub fn policy_yaml(&self) -> anyhow::Result<String> {
        yaml::document(&self.policy)
    }

    /// The binding as a document by itself.
    pub fn binding_yaml(&self) -> anyhow::Result<String> {
        yaml::document(&self.binding)
    }
}
