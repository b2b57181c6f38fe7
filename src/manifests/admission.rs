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

/// The verb that lets a person restore a status, on `managedkeys/status`, `keygrants/status` or `keyproviders/status`.
const RESTORE: &str = "restore";

/// Whether somebody may write a status: the operator, and who may restore one.
const MAY_WRITE: &str = "request.userInfo.username == variables.operator || \
                         authorizer.group('keyward.dev').resource(request.resource.resource).subresource('status').check('restore').allowed()";

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
    let rule = Rule {
        name: "status",
        resources: &["managedkeys/status", "keygrants/status", "keyproviders/status"],
        operations: &["CREATE", "UPDATE"],
        action: "Deny",
        variables: vec![("operator", format!("'system:serviceaccount:{namespace}:{NAME}'"))],
        validations: vec![(
            MAY_WRITE,
            format!(
                "only Keyward may write this status; to restore a status, ask an administrator for the verb {RESTORE} on it in the whole cluster"
            ),
        )],
    };
    rule.build()
}

/// What one policy refuses, or warns of.
pub(super) struct Rule {
    pub(super) name: &'static str,
    pub(super) resources: &'static [&'static str],
    pub(super) operations: &'static [&'static str],
    pub(super) action: &'static str,
    /// Names and expressions.
    pub(super) variables: Vec<(&'static str, String)>,
    /// Expressions that have to be true, and what is said if one is not.
    pub(super) validations: Vec<(&'static str, String)>,
}

impl Rule {
    pub(super) fn build(self) -> Admission {
        let name = format!("{NAME}-{}", self.name);
        let metadata = || ObjectMeta { name: Some(name.clone()), labels: Some(labels()), ..ObjectMeta::default() };
        let rule = NamedRuleWithOperations {
            api_groups: Some(vec![GROUP.into()]),
            api_versions: Some(vec!["*".into()]),
            operations: Some(self.operations.iter().map(|&operation| operation.into()).collect()),
            resources: Some(self.resources.iter().map(|&resource| resource.into()).collect()),
            ..NamedRuleWithOperations::default()
        };
        let variables = self.variables.into_iter().map(|(name, expression)| Variable { name: name.into(), expression });
        let validations = self.validations.into_iter().map(|(expression, message)| Validation {
            expression: expression.into(),
            message: Some(message),
            reason: Some("Forbidden".into()),
            ..Validation::default()
        });
        Admission {
            policy: ValidatingAdmissionPolicy {
                metadata: metadata(),
                spec: Some(ValidatingAdmissionPolicySpec {
                    failure_policy: Some("Fail".into()),
                    match_constraints: Some(MatchResources { resource_rules: Some(vec![rule]), ..MatchResources::default() }),
                    variables: Some(variables.collect()),
                    validations: Some(validations.collect()),
                    ..ValidatingAdmissionPolicySpec::default()
                }),
                ..ValidatingAdmissionPolicy::default()
            },
            binding: ValidatingAdmissionPolicyBinding {
                metadata: metadata(),
                spec: Some(ValidatingAdmissionPolicyBindingSpec {
                    policy_name: Some(name),
                    validation_actions: Some(vec![self.action.into()]),
                    ..ValidatingAdmissionPolicyBindingSpec::default()
                }),
            },
        }
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
