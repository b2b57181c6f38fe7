//! `ManagedKey`: a key whose lifecycle is declared in the cluster and whose material stays in a KMS.
//!
//! `kubectl explain` prints the doc comments of the fields, so they are written for the person who writes the manifest.

// `kubectl explain` prints these texts without change, so product names are written without backticks.
#![allow(clippy::doc_markdown)]
// Each column of the table is an attribute with the same keys.
#![allow(clippy::duplicated_attributes)]

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    condition::{self, Reason},
    publish_to::{MOST_ATTEMPTS, PublishTo, PublishedTo},
    replica_of::{MOST_REGIONS, MultiRegionFacts, ReplicaOf, WaitsFor},
};

/// What is declared about one key.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "keyward.dev",
    version = "v1alpha1",
    kind = "ManagedKey",
    plural = "managedkeys",
    shortname = "mkey",
    category = "kms",
    namespaced,
    status = "ManagedKeyStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "A key in a KMS. Keyward keeps its lifecycle as declared here: enabled or disabled, rotated, scheduled for deletion or alive. If you delete this object, the key stays as it is, unless deletionPolicy says otherwise.",
    selectable = ".spec.providerRef.name",
    selectable = ".spec.deletionPolicy",
    selectable = ".status.keyId",
    selectable = ".status.keyState",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Synced", type_ = "string", json_path = ".status.conditions[?(@.type==\"Synced\")].status"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.keyState"),
    // A column of type `date` prints `<invalid>` for a time in the future.
    printcolumn(name = "Deletes-At", type_ = "string", json_path = ".status.deletionDate"),
    printcolumn(name = "Rotation", type_ = "boolean", json_path = ".status.rotation.enabled"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Provider", type_ = "string", json_path = ".spec.providerRef.name", priority = 1),
    printcolumn(name = "Key-ID", type_ = "string", json_path = ".status.keyId", priority = 1),
    printcolumn(name = "ARN", type_ = "string", json_path = ".status.keyArn", priority = 1),
    printcolumn(name = "Rotated", type_ = "date", json_path = ".status.rotation.lastRotationTime", priority = 1),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason", priority = 1),
    printcolumn(name = "Last-Used", type_ = "date", json_path = ".status.lastUsedTime", priority = 1),
    validation = Rule::new("oldSelf.hasValue() || self.metadata.name.size() <= 141")
        .message("the name can have at most 141 characters, so that the alias made of it fits")
        .optional_old_self(true),
    validation = Rule::new("!has(self.spec.keyId) || has(oldSelf.spec.keyId) || !has(oldSelf.status) || !has(oldSelf.status.keyId) || self.spec.keyId == oldSelf.status.keyId || (has(oldSelf.status.keyArn) && self.spec.keyId == oldSelf.status.keyArn)")
        .message(Message::Expression("'this object already manages key ' + oldSelf.status.keyId + '; make a new object to adopt another one'".into()))
        .field_path(".spec.keyId"),
    validation = Rule::new("!has(oldSelf.status) || !has(oldSelf.status.keyId) || (has(self.status) && has(self.status.keyId) && self.status.keyId == oldSelf.status.keyId)")
        .message("status.keyId cannot be changed or removed once it is set")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(oldSelf.keyId) || has(self.keyId)").message("keyId cannot be removed; make a new object for another key"),
    validation = Rule::new("has(self.key) == has(oldSelf.key)").message("key cannot be added or removed; make a new object for a key of another kind"),
    validation = Rule::new("has(self.replicaOf) == has(oldSelf.replicaOf)").message("replicaOf cannot be added or removed; make a new object"),
    validation = Rule::new("self.providerRef.name == oldSelf.providerRef.name").message("providerRef is immutable; make a new object for a key elsewhere"),
    // An object that was stored before this rule existed stays editable: it must always be possible to cancel a deletion.
    validation = Rule::new("!has(self.rotationPeriodDays) || (has(self.autoRotation) && self.autoRotation) || (oldSelf.hasValue() && has(oldSelf.value().rotationPeriodDays) && !(has(oldSelf.value().autoRotation) && oldSelf.value().autoRotation))")
        .message("rotationPeriodDays needs autoRotation: true")
        .optional_old_self(true),
    validation = Rule::new("!has(self.replicaOf) || !has(self.keyId)")
        .message("replicaOf makes a new replica; to adopt one that exists, set keyId without replicaOf"),
    validation = Rule::new("!has(self.replicaOf) || !has(self.key)").message("a replica is of the kind of its primary; remove key")
)]
pub struct ManagedKeySpec {
    /// The `KeyProvider` through which Keyward reaches the key. Default: the provider named `default`. Immutable.
    #[serde(default)]
    pub provider_ref: ProviderRef,
    /// An existing key to adopt: its ID, ARN or alias (`alias/…`). If absent, Keyward creates a key. The field cannot be changed or
    /// removed. It can be added only while the object has no key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("keyId cannot be changed; make a new object for another key"))]
    pub key_id: Option<String>,
    /// `Enforce` (default) applies this spec and corrects changes that others make to the key. `EnforceOnChange` applies changes of this
    /// spec, and only reports changes that others make. With `EnforceOnChange`, a key that differs when it is adopted or taken up again is
    /// only reported until it is as declared, or until `Enforce` was set once. `Observe` changes nothing on the key and fills the status.
    #[serde(default)]
    pub management_policy: ManagementPolicy,
    /// Whether the key can be used for cryptography. If absent, the key is enabled. To adopt a key that is disabled or pending deletion,
    /// set this field or `deletionScheduleDays` explicitly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Whether the KMS rotates the key material automatically. If absent, Keyward leaves rotation as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_rotation: Option<bool>,
    /// Days between automatic rotations, 30 to 2560; AWS accepts 90 to 2560. Needs `autoRotation: true`. If absent, the current period
    /// stays, or is 365 days when rotation is switched on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 30, max = 2560))]
    pub rotation_period_days: Option<i32>,
    /// Schedules the deletion of the key immediately, with a waiting period of this many days, at least 7. AWS and CipherTrust accept 7 to
    /// 30 days, Huawei 7 to 1096. While the field is set, the key stays pending deletion. To cancel the deletion, remove the field or set
    /// it to 0. For what happens when this object is deleted, use `deletionPolicy` instead. If the object was created with this field, the
    /// deletion is held until a person confirms it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1096))]
    #[x_kube(validation = Rule::new("self == 0 || self >= 7").message("deletionScheduleDays is 0 (no deletion) or at least 7 days"))]
    pub deletion_schedule_days: Option<i32>,
    /// What happens to the key when this object is deleted. `Retain` (default): nothing. `Disable`: the key is disabled. `Delete`: the
    /// deletion of the key is scheduled.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// The description of the key at the KMS, at most 8192 characters. If absent, Keyward leaves the description as it is. If you remove
    /// the field, Keyward clears a description that this object set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8192))]
    pub description: Option<String>,
    /// Tags that Keyward keeps on the key, at most 46. It leaves other tags alone. Tag keys cannot begin with `aws:` or `keyward-`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 46, "additionalProperties" = tag_value()))]
    #[x_kube(
        validation = Rule::new("self.all(k, k.size() >= 1 && k.size() <= 128)").message("a tag key has 1 to 128 characters"),
        validation = Rule::new("self.all(k, !k.startsWith('aws:') && !k.startsWith('keyward-'))").message("tag keys that begin with aws: or keyward- are reserved")
    )]
    pub tags: Option<BTreeMap<String, String>>,
    /// Aliases that Keyward keeps on the key, at most 49, written without the prefix `alias/`. It leaves other aliases alone. Aliases
    /// cannot begin with `aws/` or `keyward/`. An alias of another key is moved only if the object of that key has the same namespace and
    /// provider and no longer declares the alias.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxItems" = 49, "items" = alias_name(), "x-kubernetes-list-type" = "set"))]
    pub aliases: Option<Vec<String>>,
    /// The key policy at AWS, which says who may use the key: a JSON document as text, at most 32768 bytes. If absent, Keyward leaves the
    /// policy as it is. The provider's `allow.policies` must allow it. Policies are compared as IAM compares them, so order and spelling do
    /// not matter. Keyward sets no policy that takes away what Keyward needs itself on the key. Huawei has no key policies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32768))]
    pub policy: Option<String>,
    /// A ConfigMap or Secret in which Keyward keeps the id, the ARN, an alias, the Region and the account of the key, for applications. It
    /// belongs to this object and is deleted with it. Keyward needs a right of its own for this, which an administrator gives with the
    /// value `publish.kinds` of the Helm chart or with a component in `deploy/publish`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish_to: Option<PublishTo>,
    /// The kind of key to create, or the kind that an adopted key must have. Immutable. If absent, Keyward creates a symmetric key for
    /// encryption.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("key is immutable; make a new object for a key of another kind"))]
    pub key: Option<KeyTemplate>,
    /// Makes the key a replica of a multi-Region key, in the Region of this object's provider. The replica has tags, aliases, a policy, a
    /// description, a state and a deletion of its own. Its rotation is that of its primary key. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("replicaOf is immutable; make a new object for another replica"))]
    pub replica_of: Option<ReplicaOf>,
    /// `true` makes the key of this object the primary key, if it is a replica: the former primary key becomes a replica. Both keys must be
    /// enabled. If several objects declare it for the same key, the oldest one gets it. If absent or `false`, Keyward leaves the role of the
    /// key as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary: Option<bool>,
}

pub(super) fn tag_value() -> Value {
    json!({ "type": "string", "maxLength": 256 })
}

fn alias_name() -> Value {
    json!({
        "type": "string",
        "minLength": 1,
        "maxLength": 250,
        "pattern": "^[a-zA-Z0-9/_-]+$",
        "x-kubernetes-validations": [
            { "rule": "!self.startsWith('alias/')", "message": "write the alias without the prefix alias/" },
            { "rule": "!self.startsWith('aws/') && !self.startsWith('keyward/')", "message": "aliases that begin with aws/ or keyward/ are reserved" },
        ],
    })
}

/// A reference to a `KeyProvider`.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderRef {
    /// Name of the `KeyProvider`.
    #[serde(default = "default_provider")]
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

fn default_provider() -> String {
    "default".into()
}

impl Default for ProviderRef {
    fn default() -> Self {
        Self { name: default_provider() }
    }
}

/// How far the spec is enforced on the key.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ManagementPolicy {
    /// Applies the spec and corrects drift.
    #[default]
    Enforce,
    /// Applies a changed spec. Reports drift and does not correct it.
    EnforceOnChange,
    /// Makes no call that changes the key.
    Observe,
}

/// What happens to the key when its object is deleted.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DeletionPolicy {
    /// The key stays exactly as it is.
    #[default]
    Retain,
    /// The key is disabled.
    Disable,
    /// The deletion of the key is scheduled.
    Delete,
}

/// The kind of a key. If a key is adopted, every field is compared with it.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.customKeyStoreId) || self.origin in ['AWS_CLOUDHSM', 'EXTERNAL_KEY_STORE']")
        .message("customKeyStoreId needs origin AWS_CLOUDHSM or EXTERNAL_KEY_STORE"),
    validation = Rule::new("!has(self.xksKeyId) || self.origin == 'EXTERNAL_KEY_STORE'").message("xksKeyId needs origin EXTERNAL_KEY_STORE")
)]
pub struct KeyTemplate {
    /// The key spec as the provider names it, such as `SYMMETRIC_DEFAULT`, `RSA_2048`, `ECC_NIST_P256`, `HMAC_256`.
    #[serde(default = "default_spec")]
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9_]+$"))]
    pub spec: String,
    /// The key usage as the provider names it, such as `ENCRYPT_DECRYPT`, `SIGN_VERIFY`, `GENERATE_VERIFY_MAC`.
    #[serde(default = "default_usage")]
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9_]+$"))]
    pub usage: String,
    /// Where the key material comes from: `AWS_KMS` (default), `EXTERNAL` for imported material, or a custom key store of AWS:
    /// `AWS_CLOUDHSM` or `EXTERNAL_KEY_STORE`.
    #[serde(default = "default_origin")]
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9_]+$"))]
    pub origin: String,
    /// Whether the key is a multi-Region primary key. Default: false.
    #[serde(default)]
    pub multi_region: bool,
    /// The id of the custom key store of AWS that has the key, such as `cks-1234567890abcdef0`; 1 to 64 characters. Needs `origin`
    /// `AWS_CLOUDHSM` or `EXTERNAL_KEY_STORE`. A key with one of these origins is created only if this field is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub custom_key_store_id: Option<String>,
    /// The id of the key in the external key manager, 1 to 128 characters. Needs `origin` `EXTERNAL_KEY_STORE`. A key with this origin is
    /// created only if this field is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[a-zA-Z0-9_.-]+$"))]
    pub xks_key_id: Option<String>,
}

fn default_spec() -> String {
    "SYMMETRIC_DEFAULT".into()
}

fn default_usage() -> String {
    "ENCRYPT_DECRYPT".into()
}

fn default_origin() -> String {
    "AWS_KMS".into()
}

impl Default for KeyTemplate {
    fn default() -> Self {
        Self {
            spec: default_spec(),
            usage: default_usage(),
            origin: default_origin(),
            multi_region: false,
            custom_key_store_id: None,
            xks_key_id: None,
        }
    }
}

/// The state of a key, in the words of AWS KMS; other providers' states are mapped to these.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum KeyState {
    /// The KMS is creating the key or its replica.
    Creating,
    /// The key can be used.
    Enabled,
    /// The key cannot be used until it is enabled.
    Disabled,
    /// The key will be deleted at `deletionDate`.
    PendingDeletion,
    /// The key has no key material yet.
    PendingImport,
    /// The key will be deleted when its last replica is deleted and the waiting period after that has passed.
    PendingReplicaDeletion,
    /// The custom key store of the key is disconnected.
    Unavailable,
    /// The primary Region of the key is being changed.
    Updating,
    /// The key is gone.
    Deleted,
}

impl KeyState {
    /// The name that the KMS and `status.keyState` use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "Creating",
            Self::Enabled => "Enabled",
            Self::Disabled => "Disabled",
            Self::PendingDeletion => "PendingDeletion",
            Self::PendingImport => "PendingImport",
            Self::PendingReplicaDeletion => "PendingReplicaDeletion",
            Self::Unavailable => "Unavailable",
            Self::Updating => "Updating",
            Self::Deleted => "Deleted",
        }
    }
}

/// What Keyward saw and did.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManagedKeyStatus {
    /// The generation of the spec that this status describes. -1 before the key was read for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The settings that were last applied completely. Keyward needs them to remove settings, and for `EnforceOnChange`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<Applied>,
    /// The provider's id of the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub key_id: Option<String>,
    /// The canonical reference of the key at the provider; at AWS its ARN. Keyward writes it before it marks the key. It writes `keyId`
    /// when the marks are on the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub key_arn: Option<String>,
    /// The state of the key when it was last read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = key_states()))]
    pub key_state: Option<KeyState>,
    /// When the KMS will delete the key, as the KMS reports it. Present only while the deletion is pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_date: Option<Time>,
    /// The sequence number of the word that this object last announced for the mark `keyward-intent` on the key, at most 2^53. It can only
    /// forbid a deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_992_i64))]
    pub intent_seq: Option<i64>,
    /// The word that this object last announced, before it was written on the key: `live`, `held-` and six letters, or the days of a
    /// deletion. A hold that is recorded here stops the deletion even if the hold could not be written on the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), regex(pattern = "^(live|held(-[a-z]{6})?|[0-9]{1,4})$"))]
    pub intent_word: Option<String>,
    /// Why the announced word is `held`. If that word is the days of a pending deletion: why other days are held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent_reason: Option<HoldReason>,
    /// The deletion of the key that is pending, or that Keyward is scheduling now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion: Option<Deletion>,
    /// Rotation as the KMS reports it, and the rotations on demand that this object requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<RotationStatus>,
    /// The kind of the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyFacts>,
    /// The other Regions of a multi-Region key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multi_region: Option<MultiRegionFacts>,
    /// Where the key is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderFacts>,
    /// When the key was last used for cryptography, as the KMS reports it. Only AWS does: up to an hour late, and not from before
    /// 2026-04-23. Keyward asks once a day, for the first time a day after the key was created. Absent if the KMS does not report a use, or
    /// if Keyward may not ask. Nothing depends on this field: before a deletion Keyward asks the KMS itself.
    #[serde(rename = "lastUsedTime", default, skip_serializing_if = "Option::is_none")]
    pub latest_use: Option<Time>,
    /// The object to which the key is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_to: Option<PublishedTo>,
    /// Other objects that Keyward began to create for `spec.publishTo`, or still has to remove. Keyward removes an object only if this
    /// object owns it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = MOST_ATTEMPTS))]
    pub publish_attempts: Vec<PublishedTo>,
    /// A creation that Keyward began and whose outcome is not recorded yet. Keyward removes it when the outcome is recorded. It can only
    /// forbid another creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create_attempt: Option<CreateAttempt>,
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

/// The values of `status.keyState`. Without this, the optional enum would list `null` as a value.
fn key_states() -> Value {
    json!([
        "Creating",
        "Enabled",
        "Disabled",
        "PendingDeletion",
        "PendingImport",
        "PendingReplicaDeletion",
        "Unavailable",
        "Updating",
        "Deleted"
    ])
}

/// How many tags, and how many aliases, are remembered as applied. There is room for those of two specs, because the first stays remembered
/// until the second is applied completely.
pub const MOST_APPLIED: usize = 128;
/// The maximum length of a KMS's name for a kind of key that the status shows.
pub const LONGEST_WORD: usize = 64;
/// The maximum length of the id of a key in an external key manager.
pub const LONGEST_XKS_KEY_ID: usize = 128;
/// The maximum length of the text that names an endpoint. The parts of a provider's spec that it is made of are not longer together.
pub const LONGEST_ENDPOINT: usize = 3072;

/// The settings that were last applied completely.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// The generation whose settings are on the key.
    #[schemars(range(min = 0))]
    pub generation: i64,
    /// Whether the key was declared enabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The `deletionScheduleDays` that was declared. If absent, no deletion was declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1096))]
    pub deletion_schedule_days: Option<i32>,
    /// Whether this object set the description. Only then Keyward clears it when the field is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<bool>,
    /// Keys of the tags that this object put on the key. Keyward removes only these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = MOST_APPLIED), inner(length(max = 128)))]
    pub tag_keys: Vec<String>,
    /// A digest of the provider's `defaultTags` with which the tags of the key were last compared. Absent if there were none. If they have
    /// changed, Keyward reads the tags of the key at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = LONGEST_WORD))]
    pub default_tags: Option<String>,
    /// Aliases that this object gave the key. Keyward removes only these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = MOST_APPLIED), inner(length(max = 256)))]
    pub aliases: Vec<String>,
}

/// The deletion of the key that is pending, or that Keyward is scheduling now, or the use of the key that holds a deletion.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deletion {
    /// The waiting period in days that was asked for. Absent if someone else scheduled the deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1096))]
    pub schedule_days: Option<i32>,
    /// When the deletion was asked for, or first seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_time: Option<Time>,
    /// Who scheduled it.
    pub origin: DeletionOrigin,
    /// Present while the call is not complete: `Open` if Keyward has not seen the reply, `Refused` if the KMS refused the call for now and
    /// Keyward sends it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Open", "Refused"]))]
    pub call: Option<DeletionCall>,
    /// When the key was last used. Present only while this use holds the deletion. A later use on the same day (UTC) does not change it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_time: Option<Time>,
    /// `Unknown` if the KMS did not tell when the key was last used, so that `deletionGuard.minimumIdleDays` of the provider could not hold this deletion.
    /// Otherwise absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Unknown"]))]
    pub last_use: Option<KnownUse>,
    /// The replicas for which a primary key waits in the state `PendingReplicaDeletion`. Keyward schedules a replica only if its own object declares that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = MOST_REGIONS))]
    pub waits_for: Vec<WaitsFor>,
    /// The earliest date at which the KMS can delete a primary key that waits for its replicas: the last date of a replica, and then the waiting period of the
    /// primary key. Absent while a replica has no known date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earliest_deletion_date: Option<Time>,
}

/// What is known of the last use of a key whose deletion Keyward schedules.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KnownUse {
    /// The KMS was asked, and did not tell.
    Unknown,
}

/// Why a deletion is held for a person. The conditions use the same words as reasons.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HoldReason {
    /// The object was not seen without `deletionScheduleDays` while its key was alive.
    NotSeenLive,
    /// The key's mark is newer than what this object last announced.
    RollbackSuspected,
    /// Someone cancelled the deletion, or acted on the key, outside Keyward.
    CancelledOutside,
    /// Keyward was interrupted between its own calls, so it cannot tell their effects from what others did.
    Interrupted,
    /// The provider requires a confirmation of every deletion.
    ConfirmationRequired,
    /// All deletions through the provider were stopped when this one was asked for.
    BudgetExhausted,
}

impl From<HoldReason> for Reason {
    fn from(reason: HoldReason) -> Self {
        match reason {
            HoldReason::NotSeenLive => Self::NotSeenLive,
            HoldReason::RollbackSuspected => Self::RollbackSuspected,
            HoldReason::CancelledOutside => Self::CancelledOutside,
            HoldReason::Interrupted => Self::Interrupted,
            HoldReason::ConfirmationRequired => Self::ConfirmationRequired,
            HoldReason::BudgetExhausted => Self::BudgetExhausted,
        }
    }
}

/// Who scheduled a deletion.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeletionOrigin {
    /// Keyward, as declared.
    Keyward,
    /// Someone at the KMS.
    External,
}

/// The progress of the call that schedules a deletion.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeletionCall {
    /// Recorded before the call is sent, and removed when its outcome is known. The call may have taken effect.
    Open,
    /// The KMS refused the call, for example because it throttles. The call has certainly not taken effect, and Keyward sends it again.
    Refused,
}

/// Rotation as the KMS reports it, and the rotations on demand that this object requested.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RotationStatus {
    /// Whether the KMS rotates the key automatically. Absent if that was not read yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Days between rotations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_days: Option<i32>,
    /// When the KMS rotates the key next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_rotation_time: Option<Time>,
    /// When the KMS last rotated the key, from its own record. Absent if the KMS has no record of a rotation, does not report it, or was
    /// not asked yet. Keyward asks when the next rotation date that the KMS reported has passed, after a rotation on demand that this object
    /// requested, and when a person sets `reconcile-requested-at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_rotation_time: Option<Time>,
    /// What made the KMS rotate the key at `lastRotationTime`. Absent if the KMS does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Automatic", "OnDemand"]))]
    pub last_rotation_type: Option<RotationType>,
    /// The rotations on demand, which the annotation `keyward.dev/rotate-requested-at` requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_demand: Option<OnDemand>,
}

/// What makes a KMS rotate a key.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RotationType {
    /// The rotation period was over.
    Automatic,
    /// Somebody requested it.
    OnDemand,
}

/// The maximum length of the text that requests a rotation on demand, in characters. What is longer is cut off before it is compared.
pub const LONGEST_REQUEST: usize = 256;
/// How many handled requests are remembered before the last one. AWS allows 25 rotations on demand in a key's life.
pub const MOST_HANDLED: usize = 64;

/// The rotations on demand of the key.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OnDemand {
    /// How many rotations on demand the KMS has on record, whoever requested them. AWS allows 25 in a key's life. Absent if it was not read,
    /// or if the KMS has no such limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub used: Option<i32>,
    /// The last text of `keyward.dev/rotate-requested-at` that was handled. This text causes no further rotation. A text that the object had
    /// when it got its key counts as handled without a rotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = LONGEST_REQUEST))]
    pub last_handled: Option<String>,
    /// When the KMS last rotated the key on demand, from its own record. If the KMS does not say which rotations were on demand, this is its
    /// last rotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_time: Option<Time>,
    /// The digests of the texts that were handled before `lastHandled`, the newest last. None of them causes another rotation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = MOST_HANDLED), inner(length(max = 16)))]
    pub earlier: Vec<String>,
    /// A rotation that Keyward requested and that the KMS does not have on record yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RotationRequest>,
}

/// A rotation on demand that Keyward requests. It is written before the request is sent.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RotationRequest {
    /// The text of the annotation.
    #[schemars(length(max = LONGEST_REQUEST))]
    pub text: String,
    /// When the request was recorded.
    pub time: Time,
    /// The newest rotation that the KMS had on record before the request. A newer one shows that the request took effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<Time>,
    /// How far the request came.
    pub state: RotationState,
}

/// How far a rotation on demand came.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RotationState {
    /// Recorded before the request is sent. It may have taken effect.
    Open,
    /// The KMS refused the request. It has certainly not taken effect, and Keyward sends it again.
    Refused,
    /// The KMS accepted the request. Its record does not show the rotation yet.
    Accepted,
}

/// The kind of the key, as the KMS reports it.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyFacts {
    /// Key spec.
    #[schemars(length(max = LONGEST_WORD))]
    pub spec: String,
    /// Key usage.
    #[schemars(length(max = LONGEST_WORD))]
    pub usage: String,
    /// Origin of the key material.
    #[schemars(length(max = LONGEST_WORD))]
    pub origin: String,
    /// Who manages the key: `CUSTOMER`, or a service of the provider.
    #[schemars(length(max = LONGEST_WORD))]
    pub manager: String,
    /// Whether the key is a multi-Region key.
    pub multi_region: bool,
    /// The custom key store that has the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = LONGEST_WORD))]
    pub custom_key_store_id: Option<String>,
    /// The id of the key in the external key manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = LONGEST_XKS_KEY_ID))]
    pub xks_key_id: Option<String>,
    /// When the key was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation_time: Option<Time>,
}

/// Where the key is.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProviderFacts {
    /// Type of the provider.
    #[serde(rename = "type")]
    #[schemars(length(max = 32))]
    pub type_: String,
    /// Account that owns the key.
    #[schemars(length(max = 128))]
    pub account: String,
    /// Region of the key.
    #[schemars(length(max = 64))]
    pub region: String,
    /// The endpoint at which the key was last found, as the provider names it. If the provider names another endpoint and the key is not
    /// found there, the key does not count as gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = LONGEST_ENDPOINT))]
    pub endpoint: Option<String>,
}

/// A creation that Keyward began. It is written before the request is sent.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateAttempt {
    /// The id of the attempt.
    #[schemars(length(max = 64))]
    pub id: String,
    /// Account in which the key would be.
    #[schemars(length(max = 128))]
    pub account: String,
    /// Region in which the key would be.
    #[schemars(length(max = 64))]
    pub region: String,
    /// The endpoint to which the creation was sent, as the provider names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = LONGEST_ENDPOINT))]
    pub endpoint: Option<String>,
    /// When the creation began.
    pub time: Time,
}

/// The answers that the key was not found.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Missing {
    /// The number of such answers in a row. It stops at 3.
    #[schemars(range(min = 0, max = 3))]
    pub count: i32,
    /// When the first such answer came.
    pub first_time: Time,
}
