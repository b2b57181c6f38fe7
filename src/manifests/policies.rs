//! Optional policies about who may ask for a deletion, or for a rotation on demand. The API server itself asks them, so nothing that can be down stands in the path of an edit.
//!
//! They see requests to the API server only. What the API server deletes by itself, such as all objects of a CRD that is deleted, they do not see; the guard
//! does. Taking a deletion back is never refused.

use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use kube::api::ObjectMeta;

use super::{Admission, NAME, admission::Rule, labels, yaml};
use crate::api::{GROUP, annotation, key_provider::DeletionGuard};

/// The verb that lets somebody ask for a deletion, on `managedkeys`.
pub const SCHEDULE: &str = "schedule-deletion";
/// The verb that lets somebody confirm one that is held, on `managedkeys`.
pub const CONFIRM: &str = "confirm-deletion";
/// The verb that lets somebody resume deletions that were stopped, on `keyproviders`.
pub const RESUME: &str = "resume-deletions";
/// The verb that lets somebody request a rotation on demand, on `managedkeys`.
pub const ROTATE: &str = "rotate";
/// The verb that lets somebody confirm a rotation on demand that is held, on `managedkeys`.
pub const CONFIRM_ROTATION: &str = "confirm-rotation";

/// Whether the user has that verb on the object that `of` names.
fn may(resource: &str, of: &str, verb: &str) -> String {
    let namespace = if resource == "managedkeys" { format!(".namespace({of}.metadata.namespace)") } else { String::new() };
    format!("authorizer.group('{GROUP}').resource('{resource}'){namespace}.name({of}.metadata.name).check('{verb}').allowed()")
}

/// An annotation of an object, or nothing.
fn annotated(of: &str, key: &str) -> String {
    format!("{of}.metadata.?annotations[?'{key}'].orValue('')")
}

/// A field of the spec, or what stands for its absence.
fn field(of: &str, name: &str, absent: &str) -> String {
    format!("{of}.spec.?{name}.orValue({absent})")
}

/// The same before the request.
fn before(value: &str, absent: &str) -> String {
    format!("oldObject == null ? {absent} : {value}")
}

/// Whether a `deletionGuard` lets no deletion pass that the other one holds.
fn is_no_looser(guard: &str, than: &str) -> String {
    let number = |of: &str, name: &str, absent: i32| format!("int({of}.?{name}.orValue({absent}))");
    let no_less = |name: &str, absent: i32| format!("{} >= {}", number(guard, name, absent), number(than, name, absent));
    let default = DeletionGuard::default();
    [
        format!("{} <= {}", number(guard, "maxPerHour", default.max_per_hour), number(than, "maxPerHour", default.max_per_hour)),
        no_less("minimumIdleDays", default.minimum_idle_days),
        no_less("minimumScheduleDays", default.minimum_schedule_days),
        no_less("objectDeletionDays", default.object_deletion_days),
        format!("({guard}.?requireConfirmation.orValue(false) || !{than}.?requireConfirmation.orValue(false))"),
    ]
    .join(" && ")
}

/// All of them, in the order of the documentation.
#[must_use]
#[allow(clippy::too_many_lines, reason = "a table is as long as its rows")]
pub fn policies() -> Vec<Admission> {
    let days = |of: &str| field(of, "deletionScheduleDays", "0");
    let policy = |of: &str| field(of, "deletionPolicy", "'Retain'");
    let terminating = "has(namespaceObject.metadata.deletionTimestamp)";
    let asks = "only those with the verb schedule-deletion on managedkeys.keyward.dev in this namespace";
    let only_resumers = format!("only those with the verb {RESUME} on keyproviders.{GROUP}");
    let rules = [
        Rule {
            name: "warn-created-with-deletion",
            resources: &["managedkeys"],
            operations: &["CREATE"],
            action: "Warn",
            variables: vec![("days", days("object"))],
            validations: vec![(
                "variables.days == null || variables.days == 0",
                "spec.deletionScheduleDays schedules the key of this object for deletion now; it does not set a waiting period for later. A living key is held until a person \
                 confirms. For what happens when the object is deleted, use spec.deletionPolicy"
                    .into(),
            )],
        },
        Rule {
            name: "delete-needs-annotation",
            resources: &["managedkeys"],
            operations: &["DELETE"],
            action: "Deny",
            variables: vec![("allowed", annotated("oldObject", annotation::ALLOW_DELETE))],
            validations: vec![(
                "variables.allowed == oldObject.metadata.name || has(oldObject.metadata.deletionTimestamp) || \
                 has(namespaceObject.metadata.deletionTimestamp)",
                format!("to delete this ManagedKey, first set the annotation {} to its name", annotation::ALLOW_DELETE),
            )],
        },
        Rule {
            name: "who-schedules-deletions",
            resources: &["managedkeys"],
            operations: &["CREATE", "UPDATE"],
            action: "Deny",
            variables: vec![
                ("days", days("object")),
                ("daysBefore", before(&days("oldObject"), "0")),
                ("policy", policy("object")),
                ("policyBefore", before(&policy("oldObject"), "'Retain'")),
                ("allowed", may("managedkeys", "object", SCHEDULE)),
            ],
            validations: vec![
                (
                    "variables.days == null || variables.days == 0 || variables.days == variables.daysBefore || variables.allowed",
                    format!("{asks} set spec.deletionScheduleDays; everybody who may edit the object may remove it"),
                ),
                (
                    "variables.policy == 'Retain' || variables.policy == variables.policyBefore || variables.allowed",
                    format!("{asks} set spec.deletionPolicy to Disable or Delete; everybody who may edit the object may set it to Retain"),
                ),
            ],
        },
        Rule {
            name: "who-deletes",
            resources: &["managedkeys"],
            operations: &["DELETE"],
            action: "Deny",
            variables: vec![
                ("policy", policy("oldObject")),
                ("leaves", format!("{terminating} || has(oldObject.metadata.deletionTimestamp)")),
                ("allowed", may("managedkeys", "oldObject", SCHEDULE)),
            ],
            validations: vec![(
                "variables.policy == 'Retain' || variables.leaves || variables.allowed",
                format!("{asks} delete an object whose spec.deletionPolicy is Disable or Delete; set it to Retain to delete the object and leave its key"),
            )],
        },
        Rule {
            name: "who-confirms-deletions",
            resources: &["managedkeys"],
            operations: &["CREATE", "UPDATE"],
            action: "Deny",
            variables: vec![
                ("token", annotated("object", annotation::CONFIRM_DELETION)),
                ("tokenBefore", before(&annotated("oldObject", annotation::CONFIRM_DELETION), "''")),
                ("allowed", may("managedkeys", "object", CONFIRM)),
            ],
            validations: vec![(
                "variables.token == '' || variables.token == variables.tokenBefore || variables.allowed",
                format!(
                    "only those with the verb {CONFIRM} on managedkeys.{GROUP} in this namespace set the annotation {}",
                    annotation::CONFIRM_DELETION
                ),
            )],
        },
        Rule {
            name: "who-rotates",
            resources: &["managedkeys"],
            // An annotation that is present at the creation causes no rotation. So a restore of an object needs no verb.
            operations: &["UPDATE"],
            action: "Deny",
            variables: vec![
                ("text", annotated("object", annotation::ROTATE_REQUESTED_AT)),
                ("textBefore", annotated("oldObject", annotation::ROTATE_REQUESTED_AT)),
                ("allowed", may("managedkeys", "object", ROTATE)),
            ],
            validations: vec![(
                "variables.text == '' || variables.text == variables.textBefore || variables.allowed",
                format!(
                    "only those with the verb {ROTATE} on managedkeys.{GROUP} in this namespace set the annotation {}; everybody who may edit the object \
                     may remove it",
                    annotation::ROTATE_REQUESTED_AT
                ),
            )],
        },
        Rule {
            name: "who-confirms-rotations",
            resources: &["managedkeys"],
            // Whoever creates an object could otherwise confirm a request that comes later.
            operations: &["CREATE", "UPDATE"],
            action: "Deny",
            variables: vec![
                ("confirm", annotated("object", annotation::ROTATE_CONFIRM)),
                ("confirmBefore", before(&annotated("oldObject", annotation::ROTATE_CONFIRM), "''")),
                ("allowed", may("managedkeys", "object", CONFIRM_ROTATION)),
            ],
            validations: vec![(
                "variables.confirm == '' || variables.confirm == variables.confirmBefore || variables.allowed",
                format!(
                    "only those with the verb {CONFIRM_ROTATION} on managedkeys.{GROUP} in this namespace set the annotation {}",
                    annotation::ROTATE_CONFIRM
                ),
            )],
        },
        Rule {
            name: "who-resumes-deletions",
            resources: &["keyproviders"],
            operations: &["CREATE", "UPDATE"],
            action: "Deny",
            variables: vec![
                ("trip", annotated("object", annotation::RESUME_DELETIONS)),
                ("tripBefore", before(&annotated("oldObject", annotation::RESUME_DELETIONS), "''")),
                ("allowed", may("keyproviders", "object", RESUME)),
            ],
            validations: vec![(
                "variables.trip == '' || variables.trip == variables.tripBefore || variables.allowed",
                format!("only those with the verb {RESUME} on keyproviders.{GROUP} set the annotation {}", annotation::RESUME_DELETIONS),
            )],
        },
        Rule {
            name: "who-loosens-the-guard",
            resources: &["keyproviders"],
            // A provider that is created has the default guard before it, so nobody loosens a guard by making another provider.
            operations: &["CREATE", "UPDATE"],
            action: "Deny",
            variables: vec![
                ("guard", field("object", "deletionGuard", "{}")),
                ("guardBefore", before(&field("oldObject", "deletionGuard", "{}"), "{}")),
                ("noLooser", is_no_looser("variables.guard", "variables.guardBefore")),
                ("allowed", may("keyproviders", "object", RESUME)),
            ],
            validations: vec![(
                "variables.noLooser || variables.allowed",
                format!(
                    "only those with the verb {RESUME} on keyproviders.{GROUP} make spec.deletionGuard looser than it was, or create a KeyProvider whose guard is \
                     looser than the default: more deletions per hour, fewer days, or no confirmation; everybody who may edit the provider may make it stricter"
                ),
            )],
        },
        Rule {
            name: "who-deletes-providers",
            resources: &["keyproviders"],
            operations: &["DELETE"],
            action: "Deny",
            variables: vec![
                ("guard", field("oldObject", "deletionGuard", "{}")),
                ("unset", "{}".into()),
                ("stricter", format!("!({})", is_no_looser("variables.unset", "variables.guard"))),
                ("book", "oldObject.?status.?deletions.orValue({})".into()),
                ("stopped", "has(variables.book.tripped)".into()),
                ("counted", "size(variables.book.?recent.orValue([])) > 0".into()),
                ("allowed", may("keyproviders", "oldObject", RESUME)),
            ],
            validations: vec![
                (
                    "!variables.stopped || variables.allowed",
                    format!("all deletions through this KeyProvider are stopped, and a new one of its name would not be; {only_resumers} delete it"),
                ),
                (
                    "variables.stopped || !variables.counted || variables.allowed",
                    format!(
                        "deletions were counted in the budget of this KeyProvider, and a new one of its name would begin at none; {only_resumers} delete it"
                    ),
                ),
                (
                    "variables.stopped || variables.counted || !variables.stricter || variables.allowed",
                    format!(
                        "the deletionGuard of this KeyProvider is stricter than the default, and a new one of its name need not be; {only_resumers} delete it"
                    ),
                ),
            ],
        },
    ];
    rules.into_iter().map(Rule::build).collect()
}

/// Roles to be bound to people, one for each verb. Whoever asks for a deletion or a rotation should not be the one who confirms it.
#[must_use]
pub fn roles() -> Vec<ClusterRole> {
    let role = |name: &str, resource: &str, verbs: &[&str]| ClusterRole {
        metadata: ObjectMeta { name: Some(format!("{NAME}-{name}")), labels: Some(labels()), ..ObjectMeta::default() },
        rules: Some(vec![PolicyRule {
            api_groups: Some(vec![GROUP.into()]),
            resources: Some(vec![resource.into()]),
            verbs: verbs.iter().map(|&verb| verb.into()).collect(),
            ..PolicyRule::default()
        }]),
        ..ClusterRole::default()
    };
    vec![
        role("deletion-requester", "managedkeys", &[SCHEDULE]),
        role("deletion-approver", "managedkeys", &["get", "list", "watch", "patch", CONFIRM]),
        role("key-rotator", "managedkeys", &["get", "list", "watch", "patch", ROTATE]),
        role("rotation-approver", "managedkeys", &["get", "list", "watch", "patch", CONFIRM_ROTATION]),
        role("deletion-resumer", "keyproviders", &["get", "list", "watch", "patch", RESUME]),
    ]
}

/// All policies, their bindings and the roles as one YAML stream.
pub fn policies_yaml() -> anyhow::Result<String> {
    let mut documents = Vec::new();
    for admission in policies() {
        documents.extend([admission.policy_yaml()?, admission.binding_yaml()?]);
    }
    for role in roles() {
        documents.push(yaml::document(&role)?);
    }
    Ok(yaml::stream(&documents))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field that the policy does not compare lets everybody who may edit a provider loosen its guard.
    #[test]
    fn who_loosens_the_guard_compares_every_field_of_it() {
        let text = policies_yaml().unwrap();
        let crds = crate::manifests::crds();
        let provider = crds.iter().find(|crd| crd.spec.names.kind == "KeyProvider").unwrap();
        let root = provider.spec.versions[0].schema.clone().unwrap().open_api_v3_schema.unwrap();
        let guard = root.properties.unwrap()["spec"].properties.as_ref().unwrap()["deletionGuard"].properties.clone().unwrap();
        for field in guard.keys() {
            let is_compared = [".?", "."].iter().any(|dot| text.contains(&format!("variables.guardBefore{dot}{field}")));
            assert!(is_compared, "compare deletionGuard.{field} in is_no_looser of src/manifests/policies.rs");
        }
    }
}
