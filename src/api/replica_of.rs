//! Replicas of multi-Region keys: what `spec.replicaOf` of a `ManagedKey` names, and what the status tells of a multi-Region key.

// `kubectl explain` prints these texts without change, so product names are written without backticks.
#![allow(clippy::doc_markdown)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The multi-Region key of which the key of this object is a replica.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.name) != has(self.keyArn)").message("set either name or keyArn"),
    validation = Rule::new("has(self.keyArn) == has(self.providerRef)")
        .message("keyArn needs providerRef, the KeyProvider of that key's Region; name needs none")
)]
pub struct ReplicaOf {
    /// Name of a `ManagedKey` in this namespace, 1 to 141 characters. Its key is a multi-Region key of the same account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 141))]
    pub name: Option<String>,
    /// ARN of a multi-Region key of the same account, at most 256 characters. The marks on that key must name an object of this namespace,
    /// or the key has no marks of Keyward and `adoption` of the provider in `providerRef` lets this namespace adopt it. Needs `providerRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = "^arn:[a-z0-9-]+:kms:[a-z0-9-]+:[0-9]+:key/mrk-[0-9a-f]+$"))]
    pub key_arn: Option<String>,
    /// The `KeyProvider` of the Region in `keyArn`. Keyward reads and replicates the primary key through it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_ref: Option<PrimaryProviderRef>,
}

/// The `KeyProvider` of a primary key.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrimaryProviderRef {
    /// Name of the `KeyProvider`.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// How many Regions of a multi-Region key the status lists.
pub const MOST_REGIONS: usize = 64;
/// The maximum length of an ARN that the status shows beside the one of its own key.
pub const LONGEST_ARN: usize = 256;

/// The other Regions of a multi-Region key, as the KMS reports them.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MultiRegionFacts {
    /// Whether this key is the primary key or a replica.
    pub role: MultiRegionRole,
    /// ARN of the primary key, if this key is a replica.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = LONGEST_ARN))]
    pub primary_key_arn: Option<String>,
    /// ARNs of the replicas, if this key is the primary key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = MOST_REGIONS), inner(length(max = LONGEST_ARN)))]
    pub replica_key_arns: Vec<String>,
}

/// The role of a key among the keys of all Regions that share its material.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MultiRegionRole {
    /// The key that can be replicated, and that is rotated.
    Primary,
    /// A copy in another Region than that of the primary key.
    Replica,
}
/// A replica for which the deletion of its primary key waits.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitsFor {
    /// Region of the replica.
    #[schemars(length(max = 64))]
    pub region: String,
    /// ARN of the replica.
    #[schemars(length(max = LONGEST_ARN))]
    pub key_arn: String,
    /// Name of the `ManagedKey` of this namespace that has the replica. Absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub object: Option<String>,
    /// The state of the replica, by the status of that object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub key_state: Option<String>,
    /// When the KMS will delete the replica, by the status of that object. Absent if its deletion is not scheduled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_date: Option<Time>,
}
