//! `KeyGrant`: a permission to use the key of a `ManagedKey`, declared in the cluster and kept at the KMS.
//!
//! `kubectl explain` prints the doc comments of the fields, so they are written for the person who writes the manifest.

// `kubectl explain` prints these texts without change, so product names are written without backticks.
#![allow(clippy::doc_markdown)]
// Each column of the table is an attribute with the same keys.
#![allow(clippy::duplicated_attributes)]

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    condition,
    managed_key::{LONGEST_ENDPOINT, Missing},
};

/// What is declared about one grant. A KMS cannot change a grant. So after a change of the spec, Keyward makes the new grant first and
/// revokes the old one after that.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "keyward.dev",
    version = "v1alpha1",
    kind = "KeyGrant",
    plural = "keygrants",
    shortname = "kgrant",
    category = "kms",
    namespaced,
    status = "KeyGrantStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "A grant at AWS KMS or Huawei Cloud KMS: it lets a principal use the key of a ManagedKey of the same namespace, for the listed operations. The KeyProvider of the key decides in allow.grants which grants are allowed. If you delete this object, Keyward revokes the grant, unless deletionPolicy says otherwise.",
    selectable = ".spec.keyRef.name",
    selectable = ".status.grantId",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Synced", type_ = "string", json_path = ".status.conditions[?(@.type==\"Synced\")].status"),
    printcolumn(name = "Key", type_ = "string", json_path = ".spec.keyRef.name"),
    printcolumn(name = "Grantee", type_ = "string", json_path = ".spec.granteePrincipal"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Grant-ID", type_ = "string", json_path = ".status.grantId", priority = 1),
    printcolumn(name = "ARN", type_ = "string", json_path = ".status.keyArn", priority = 1),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason", priority = 1)
)]
#[serde(rename_all = "camelCase")]
pub struct KeyGrantSpec {
    /// The ManagedKey of this namespace whose key may be used. The key must have the marks of that object. Keyward waits until the object
    /// has a key.
    pub key_ref: KeyRef,
    /// Who may use the key. At AWS the ARN of an account's root, of an IAM user or role, or of a session of either; at Huawei the id of an IAM
    /// user, or `account/` and the id of an account. Wildcards are not allowed.
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9_+=,.@:/-]+$')").message("granteePrincipal names one principal; it has no wildcard and no space"))]
    pub grantee_principal: String,
    /// Who may retire the grant, beside those who may revoke it. It has the form of `granteePrincipal`, and at Huawei it is a user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9_+=,.@:/-]+$')").message("retiringPrincipal names one principal; it has no wildcard and no space"))]
    pub retiring_principal: Option<String>,
    /// The operations that the grant allows, 1 to 32, as the KMS names them, such as `Decrypt` at AWS and `decrypt-data` at Huawei. The KMS accepts
    /// only operations that the kind of the key has.
    #[schemars(extend("minItems" = 1, "maxItems" = 32, "items" = operation(), "x-kubernetes-list-type" = "set"))]
    pub operations: Vec<String>,
    /// Limits the grant to requests with an encryption context. Only for symmetric keys of AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraints: Option<GrantConstraints>,
    /// What happens to the grant when this object is deleted. `Revoke` (default): the grant is revoked. `Retain`: the grant stays, and
    /// Keyward forgets it.
    #[serde(default)]
    pub deletion_policy: GrantDeletionPolicy,
}

fn operation() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[A-Za-z]+(-[A-Za-z]+)*$" })
}

/// A reference to a `ManagedKey` of the same namespace.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRef {
    /// Name of the ManagedKey.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// Limits a grant to requests with an encryption context.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GrantConstraints {
    /// The encryption context of a request must be exactly these pairs, at most 8, with values of at most 384 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 8, "additionalProperties" = context_value()))]
    pub encryption_context_equals: Option<BTreeMap<String, String>>,
    /// The encryption context of a request must contain these pairs, at most 8, with values of at most 384 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 8, "additionalProperties" = context_value()))]
    pub encryption_context_subset: Option<BTreeMap<String, String>>,
}

fn context_value() -> Value {
    json!({ "type": "string", "maxLength": 384 })
}

/// What happens to a grant when its object is deleted.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum GrantDeletionPolicy {
    /// The grant is revoked.
    #[default]
    Revoke,
    /// The grant stays.
    Retain,
}

/// How many keys are remembered on which an earlier grant of the object may still be.
pub const MOST_FORMER: usize = 8;
/// The maximum length of a grant id. AWS KMS API Reference, `RevokeGrant`, `GrantId`. Huawei's have 64 characters.
pub const LONGEST_GRANT_ID: usize = 128;

/// What Keyward saw and did.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyGrantStatus {
    /// The generation of the spec that this status describes. -1 before the first read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The id of the grant at the KMS. Absent until the KMS confirmed the grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = LONGEST_GRANT_ID))]
    pub grant_id: Option<String>,
    /// The canonical reference of the key; at AWS its ARN. Keyward writes it before it makes the grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub key_arn: Option<String>,
    /// The provider through which the grant was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<GrantProvider>,
    /// The name of the grant at the KMS that `grantId` belongs to. It has a digest of the spec, so it shows which spec was applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub applied_name: Option<String>,
    /// Other keys on which an earlier grant of this object may still be, at most 8. Keyward revokes these grants after the new one exists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = MOST_FORMER))]
    pub former: Vec<FormerGrant>,
    /// Counts the answers that the key was not found. Present only while the key is not found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,
    /// The last value of the annotation `reconcile-requested-at` that Keyward handled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub last_handled_reconcile_at: Option<String>,
    /// The state of the object, for tools and people. Types and reasons are a closed list; see `docs/reference/conditions.md`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = condition::MOST, "items" = condition::schema()))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// The provider of a grant.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantProvider {
    /// Name of the KeyProvider.
    #[schemars(length(max = 253))]
    pub name: String,
    /// The account of the key.
    #[schemars(length(max = 256))]
    pub account: String,
    /// The Region of the key.
    #[schemars(length(max = 64))]
    pub region: String,
    /// The endpoint of the KMS, as the provider names it. At another endpoint a key that is not found does not count as gone.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = LONGEST_ENDPOINT))]
    pub endpoint: String,
}

/// A key on which an earlier grant of the object may still be.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FormerGrant {
    /// The canonical reference of the key.
    #[schemars(length(max = 2048))]
    pub key_arn: String,
    /// The provider through which the grant was made.
    pub provider: GrantProvider,
    /// Counts the answers that the key was not found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,
}
