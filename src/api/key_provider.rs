//! `KeyProvider`: one account and Region of a KMS, with the administrator's rules for its use.
//!
//! It is cluster-scoped because endpoints, roles and credentials are the administrator's; secrets are read only from the operator's own namespace.

// Texts are printed by `kubectl explain` as they stand, so products are named as people write them.
#![allow(clippy::doc_markdown)]
// Each column of a table is an attribute with the same keys.
#![allow(clippy::duplicated_attributes)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::condition;

/// How a KMS is reached, and who may use it for what.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "keyward.dev",
    version = "v1alpha1",
    kind = "KeyProvider",
    plural = "keyproviders",
    shortname = "kp",
    category = "kms",
    status = "KeyProviderStatus",
    derive = "PartialEq",
    doc = "One account and Region of a KMS, through which ManagedKeys are kept, and the rules for its use. Deleting it touches no key.",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.type"),
    printcolumn(name = "Account", type_ = "string", json_path = ".status.identity.account"),
    printcolumn(name = "Region", type_ = "string", json_path = ".status.identity.region"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason", priority = 1)
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    // The rules leave a provider editable that was stored without them: `maxPerHour: 0` must be possible at any time.
    validation = Rule::new("(self.type == 'AWS') == has(self.aws) && (self.type == 'CipherTrust') == has(self.cipherTrust) && (self.type == 'Huawei') == has(self.huawei) || (oldSelf.hasValue() && has(self.aws) == has(oldSelf.value().aws) && has(self.cipherTrust) == has(oldSelf.value().cipherTrust) && has(self.huawei) == has(oldSelf.value().huawei))")
        .message("exactly the member named by type must be set: aws, cipherTrust or huawei")
        .optional_old_self(true),
    validation = Rule::new("self.type == oldSelf.type").message("type is immutable; make another KeyProvider"),
    validation = Rule::new("self.type == 'Huawei' || !has(self.deletionGuard) || self.deletionGuard.minimumScheduleDays <= 30 || (oldSelf.hasValue() && has(oldSelf.value().deletionGuard) && oldSelf.value().deletionGuard.minimumScheduleDays > 30)")
        .message("deletionGuard.minimumScheduleDays can be at most 30, the longest window that AWS and CipherTrust accept")
        .optional_old_self(true),
    validation = Rule::new("self.type == 'Huawei' || !has(self.deletionGuard) || self.deletionGuard.objectDeletionDays <= 30 || (oldSelf.hasValue() && has(oldSelf.value().deletionGuard) && oldSelf.value().deletionGuard.objectDeletionDays > 30)")
        .message("deletionGuard.objectDeletionDays can be at most 30, the longest window that AWS and CipherTrust accept")
        .optional_old_self(true)
)]
pub struct KeyProviderSpec {
    /// Which KMS it is; the member of that name is set. Immutable.
    #[serde(rename = "type")]
    pub type_: ProviderType,
    /// An account and Region of AWS KMS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.region == oldSelf.region").message("region is immutable; make another KeyProvider"))]
    pub aws: Option<AwsProvider>,
    /// AWS keys behind a Thales CipherTrust Manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cipher_trust: Option<CipherTrustProvider>,
    /// A project of Huawei Cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.region == oldSelf.region").message("region is immutable; make another KeyProvider"))]
    pub huawei: Option<HuaweiProvider>,
    /// Whose ManagedKeys may use this provider. A ManagedKey in any other namespace causes no call at all.
    #[x_kube(validation = Rule::new("(self.from == 'Names') == has(self.names) && (self.from == 'Selector') == has(self.selector)")
        .message("set names with from: Names, selector with from: Selector, and neither with from: All"))]
    pub namespaces: Namespaces,
    /// Which existing keys may be adopted, by whom. Default: none.
    #[serde(default)]
    pub adoption: Adoption,
    /// What ManagedKeys may set on keys, and remove again: tags and aliases can grant access. Default: everything.
    #[serde(default)]
    pub allow: Allow,
    /// What has to hold before a deletion is scheduled.
    #[serde(default)]
    pub deletion_guard: DeletionGuard,
    /// Seconds between two looks at a key, 30 to 86400; each time up to a fifth more, so that keys are not all looked at together.
    #[serde(default = "default_resync")]
    #[schemars(range(min = 30, max = 86400))]
    pub resync_seconds: i32,
    /// The most of the provider's documented default request quotas that Keyward uses, in percent, 1 to 10000; above 100 where the provider raised them. Within
    /// it Keyward uses what is free, and backs off when the KMS throttles. Cancelling a deletion, and enabling a key after it, may use all.
    #[serde(default = "default_quota_share")]
    #[schemars(range(min = 1, max = 10000))]
    pub quota_share_percent: i32,
}

fn default_resync() -> i32 {
    600
}

fn default_quota_share() -> i32 {
    100
}

/// Which KMS it is.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ProviderType {
    /// AWS Key Management Service.
    #[serde(rename = "AWS")]
    Aws,
    /// Thales CipherTrust Cloud Key Manager, for AWS keys.
    CipherTrust,
    /// Huawei Cloud Data Encryption Workshop, KMS.
    Huawei,
}

impl ProviderType {
    /// The name as `spec.type` has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "AWS",
            Self::CipherTrust => "CipherTrust",
            Self::Huawei => "Huawei",
        }
    }
}

/// An account and Region of AWS KMS.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    // It leaves a provider editable that was stored without it.
    validation = Rule::new("!(has(self.endpoint) && has(self.stsEndpoint) && (self.fips || self.dualStack)) || (oldSelf.hasValue() && has(oldSelf.value().endpoint) && has(oldSelf.value().stsEndpoint) && (oldSelf.value().fips || oldSelf.value().dualStack))")
        .message("fips and dualStack choose among the Region's endpoints, and both endpoints are named here; leave out fips and dualStack, or one of the endpoints")
        .optional_old_self(true)
)]
pub struct AwsProvider {
    /// The Region, such as `eu-west-1`. Immutable.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[a-z]{2,4}(-[a-z0-9]+)+-[0-9]+$"))]
    pub region: String,
    /// The twelve digits of the account that the credentials must belong to. Absent: the first account seen is the expected one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 12), regex(pattern = "^[0-9]{12}$"))]
    pub account_id: Option<String>,
    /// A role to assume for every call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 20, max = 2048), regex(pattern = "^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$"))]
    pub role_arn: Option<String>,
    /// The external id that the role's trust policy asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 1224))]
    pub external_id: Option<String>,
    /// Another endpoint for KMS alone, such as a VPC endpoint. `http` is for tests. Absent: that of the Region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = Rule::new("isURL(self) && url(self).getScheme() in ['http', 'https']").message("endpoint must be an https URL, such as https://vpce-….kms.eu-west-1.vpce.amazonaws.com"))]
    pub endpoint: Option<String>,
    /// Another endpoint for STS, which is asked whose credentials they are and for the role; it must be one of the same Region. `http` is for tests. Absent: that of the Region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = Rule::new("isURL(self) && url(self).getScheme() in ['http', 'https']").message("stsEndpoint must be an https URL, such as https://vpce-….sts.eu-west-1.vpce.amazonaws.com"))]
    pub sts_endpoint: Option<String>,
    /// Whether the Region's FIPS endpoints are used. An endpoint that is named here is used as it is.
    #[serde(default)]
    pub fips: bool,
    /// Whether the Region's dual-stack endpoints are used, which have IPv6 addresses too. An endpoint that is named here is used as it is.
    #[serde(default)]
    pub dual_stack: bool,
    /// The secret whose `ca.crt` signs the certificates of the endpoints, or of a proxy that opens TLS. It is trusted beside the system's authorities and the file that `AWS_CA_BUNDLE` names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretRef>,
    /// The secret with `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, for temporary credentials, `AWS_SESSION_TOKEN`. Absent: the default chain (IRSA, Pod Identity, environment).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<SecretRef>,
}

/// AWS keys behind a Thales CipherTrust Manager.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CipherTrustProvider {
    /// Address of the CipherTrust Manager; always `https`.
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = Rule::new("isURL(self) && url(self).getScheme() == 'https'").message("url must be an https URL, such as https://ciphertrust.example.com"))]
    pub url: String,
    /// Name or id of the KMS (the AWS account) in CCKM.
    #[schemars(length(min = 1, max = 256))]
    pub kms: String,
    /// Region of the keys.
    #[schemars(length(min = 1, max = 64))]
    pub region: String,
    /// Domain to work in. Absent: the root domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub domain: Option<String>,
    /// Domain to authenticate in. Absent: the root domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub auth_domain: Option<String>,
    /// The secret whose `ca.crt` signs the server's certificate. Absent: the system's authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretRef>,
    /// The secret with `username` and `password`.
    pub credentials_secret_ref: SecretRef,
    /// How old CCKM's view of a key may be for a change to follow from it, in seconds, 30 to 86400. An older one is made new first; what cancels a deletion, or enables the key after it, does not wait for that.
    #[serde(default = "default_staleness")]
    #[schemars(range(min = 30, max = 86400))]
    pub max_staleness_seconds: i32,
}

fn default_staleness() -> i32 {
    600
}

/// A project of Huawei Cloud.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HuaweiProvider {
    /// The region, such as `eu-west-101`. Immutable.
    #[schemars(length(min = 1, max = 64))]
    pub region: String,
    /// Id of the project.
    #[schemars(length(min = 1, max = 64))]
    pub project_id: String,
    /// Another endpoint for KMS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = Rule::new("isURL(self) && url(self).getScheme() in ['http', 'https']").message("endpoint must be an https URL"))]
    pub endpoint: Option<String>,
    /// Another endpoint for IAM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = Rule::new("isURL(self) && url(self).getScheme() in ['http', 'https']").message("iamEndpoint must be an https URL"))]
    pub iam_endpoint: Option<String>,
    /// How to authenticate: signed requests with an access key (default), or a token for a user's password.
    #[serde(default)]
    pub auth: HuaweiAuth,
    /// The secret with `accessKey`, `secretKey` and, for temporary credentials, `securityToken`; or, with `auth: Password`, `username`, `password` and
    /// `domain`, the name of the account. Without `domain`: the account has the name of the user.
    pub credentials_secret_ref: SecretRef,
}

/// How to authenticate at Huawei Cloud.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum HuaweiAuth {
    /// Requests signed with an access key.
    #[default]
    AccessKey,
    /// A token for a user's password.
    Password,
}

/// A secret in the operator's own namespace.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRef {
    /// Name of the secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// Whose `ManagedKey`s may use a provider.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Namespaces {
    /// `All`, `Names` or `Selector`.
    pub from: NamespacesFrom,
    /// Names of the namespaces, with `from: Names`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxItems" = 256, "items" = namespace_name(), "x-kubernetes-list-type" = "set"))]
    pub names: Option<Vec<String>>,
    /// Labels of the namespaces, with `from: Selector`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("properties" = selector_properties()))]
    pub selector: Option<LabelSelector>,
}

/// Kubernetes' own schema of a selector has no bounds, and everything in a CRD needs them.
fn selector_properties() -> Value {
    let key = || json!({ "type": "string", "description": "Key of the label.", "minLength": 1, "maxLength": 317 });
    let value = || json!({ "type": "string", "maxLength": 63 });
    json!({
        "matchLabels": {
            "type": "object",
            "description": "Labels that all have to be there, with these values.",
            "maxProperties": 64,
            "additionalProperties": value(),
        },
        "matchExpressions": {
            "type": "array",
            "description": "Expressions that all have to hold.",
            "maxItems": 64,
            "items": {
                "type": "object",
                "required": ["key", "operator"],
                "properties": {
                    "key": key(),
                    "operator": { "type": "string", "description": "How the label relates to the values.", "enum": ["In", "NotIn", "Exists", "DoesNotExist"] },
                    "values": { "type": "array", "description": "With In and NotIn.", "maxItems": 64, "items": value() },
                },
            },
        },
    })
}

fn namespace_name() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 63 })
}

/// How namespaces are named.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NamespacesFrom {
    /// Every namespace.
    All,
    /// Those in `names`.
    Names,
    /// Those that `selector` matches.
    Selector,
}

/// Which existing keys may be adopted, by whom.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Adoption {
    /// `None` (default): no key. `Tagged`: a key that bears the tag `keyward-adopt` with the namespace as value. `Rules`: what `rules` admits.
    #[serde(default)]
    pub from: AdoptionFrom,
    /// With `from: Rules`: any rule that names both the namespace and the key admits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = 64, "default" = json!([])))]
    pub rules: Vec<AdoptionRule>,
    /// Clusters whose marks do not bar an adoption, by cluster id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = 32, "items" = cluster_id(), "default" = json!([])))]
    pub from_clusters: Vec<String>,
}

fn cluster_id() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 36, "pattern": "^[a-z0-9-]+$" })
}

/// Where the permission to adopt comes from.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AdoptionFrom {
    /// No key may be adopted.
    #[default]
    None,
    /// The key says so by its tag.
    Tagged,
    /// The rules say so.
    Rules,
}

/// Admits keys for namespaces.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdoptionRule {
    /// Namespaces whose objects may adopt; `*` stands for any run of characters.
    #[schemars(extend("minItems" = 1, "maxItems" = 64, "items" = pattern_text(63)))]
    pub namespaces: Vec<String>,
    /// ARNs of the keys; `*` stands for any run of characters.
    #[schemars(extend("minItems" = 1, "maxItems" = 64, "items" = pattern_text(2048)))]
    pub keys: Vec<String>,
}

fn pattern_text(longest: usize) -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": longest })
}

/// What `ManagedKey`s may set on keys, and remove again.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Allow {
    /// Tag keys; `*` stands for any run of characters.
    #[serde(default = "anything")]
    #[schemars(extend("maxItems" = 64, "items" = pattern_text(128)))]
    pub tag_keys: Vec<String>,
    /// Aliases, without `alias/`; `*` stands for any run of characters.
    #[serde(default = "anything")]
    #[schemars(extend("maxItems" = 64, "items" = pattern_text(250)))]
    pub aliases: Vec<String>,
}

fn anything() -> Vec<String> {
    vec!["*".into()]
}

impl Default for Allow {
    fn default() -> Self {
        Self { tag_keys: anything(), aliases: anything() }
    }
}

/// What has to hold before a deletion is scheduled.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeletionGuard {
    /// The shortest window in days that may be asked for, 7 to 1096.
    #[serde(default = "default_minimum")]
    #[schemars(range(min = 7, max = 1096))]
    pub minimum_schedule_days: i32,
    /// The window in days when an object with `deletionPolicy: Delete` is deleted and has no `deletionScheduleDays`: 7 to 30, at Huawei 7 to 1096.
    #[serde(default = "default_object_deletion")]
    #[schemars(range(min = 7, max = 1096))]
    pub object_deletion_days: i32,
    /// Days for which a key must not have been used, 0 to 365; 0 switches the check off. Not checked by this version yet.
    #[serde(default = "default_minimum")]
    #[schemars(range(min = 0, max = 365))]
    pub minimum_idle_days: i32,
    /// How many deletions may be scheduled through this provider in an hour; the first one over it stops all until a person resumes. 0 stops all,
    /// and keeps `deletionPolicy: Disable` from disabling keys. This version enforces 0, and does not count yet.
    #[serde(default = "default_per_hour")]
    #[schemars(range(min = 0, max = 10000))]
    pub max_per_hour: i32,
    /// Whether every deletion needs a person's confirmation, and every key that `deletionPolicy: Disable` disables.
    #[serde(default)]
    pub require_confirmation: bool,
}

fn default_minimum() -> i32 {
    7
}

fn default_object_deletion() -> i32 {
    30
}

fn default_per_hour() -> i32 {
    10
}

impl Default for DeletionGuard {
    fn default() -> Self {
        Self {
            minimum_schedule_days: default_minimum(),
            object_deletion_days: default_object_deletion(),
            minimum_idle_days: default_minimum(),
            max_per_hour: default_per_hour(),
            require_confirmation: false,
        }
    }
}

/// What Keyward knows of a provider.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyProviderStatus {
    /// The generation of the spec that this status speaks of; -1 before the first look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Whose credentials they are. The account is pinned by the first success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentityStatus>,
    /// The guard's book of deletions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletions: Option<DeletionBook>,
    /// Keys that were an object's and whose object is gone while they are pending deletion, the earliest first. They are looked at with each resync, and go
    /// from here once they are not pending any more, or an object has them again. Alerts go on as long. Where there are more than the list takes, each
    /// namespace has the same share of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = MOST_PENDING))]
    pub pending_deletions: Vec<PendingDeletion>,
    /// Those that the list has no room for, counted by namespace. They are not looked at, so each count stays until a day after the latest of their dates, and
    /// so does the alert about them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = MOST_COUNTED))]
    pub more_pending_deletions: Vec<MoreDeletions>,
    /// Keys that are pending deletion while their object is there. An object that goes while no operator runs is found by these. Where there are more than the
    /// list takes, each namespace has the same share of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = MOST_PENDING))]
    pub watched_deletions: Vec<WatchedDeletion>,
    /// Those that the list has no room for, counted by namespace. Of objects that go while no operator runs, these tell how many.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = MOST_COUNTED))]
    pub more_watched_deletions: Vec<MoreDeletions>,
    /// `Ready`: the credentials were accepted and the account is the expected one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = condition::MOST, "items" = condition::schema()))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// Whose credentials they are.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityStatus {
    /// The account.
    #[schemars(length(max = 128))]
    pub account: String,
    /// The Region.
    #[schemars(length(max = 64))]
    pub region: String,
    /// The principal: at AWS the ARN of the user or the assumed role.
    #[schemars(length(max = 2048))]
    pub principal: String,
}

/// How many keys a list of pending keys holds. With the longest texts in each, both lists fit into an object.
pub const MOST_PENDING: usize = 500;
/// How many namespaces have a count of their own of what a list has no room for, and one more for all others together.
pub const MOST_COUNTED: usize = 101;
/// The longest reference of a key in them.
pub const LONGEST_KEY: usize = 512;
/// The longest sentence on how to rescue one.
pub const LONGEST_RESCUE: usize = 512;

/// A pending key without an object.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PendingDeletion {
    /// The key, by its canonical reference.
    #[schemars(length(max = LONGEST_KEY))]
    pub key: String,
    /// When the KMS deletes it; absent while it has told no date, as for a primary that waits for its replicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<Time>,
    /// Namespace and name of the last object that had it, as `namespace/name`.
    #[schemars(length(max = 320))]
    pub owner: String,
    /// How to rescue it.
    #[serde(default)]
    #[schemars(length(max = LONGEST_RESCUE))]
    pub rescue: String,
}

/// A pending key whose object is there.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WatchedDeletion {
    /// The key, by its canonical reference.
    #[schemars(length(max = LONGEST_KEY))]
    pub key: String,
    /// When the KMS deletes it; absent while it has told no date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<Time>,
    /// Namespace and name of its object, as `namespace/name`.
    #[schemars(length(max = 320))]
    pub owner: String,
    /// UID of that object.
    #[schemars(length(max = 64))]
    pub uid: String,
}

/// Pending keys of a namespace that a list has no room for.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MoreDeletions {
    /// Namespace of their objects; empty for those of all namespaces that are not named.
    #[schemars(length(max = 63))]
    pub namespace: String,
    /// How many there are.
    #[schemars(range(min = 0))]
    pub count: i32,
    /// The earliest of their dates; absent if none of them has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earliest: Option<Time>,
    /// The latest of their dates; absent if one of them has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<Time>,
}

/// The guard's book of deletions.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeletionBook {
    /// Those of the last hour.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = 10000))]
    pub recent: Vec<RecentDeletion>,
    /// Present once the budget was exceeded: nothing more is scheduled until a person resumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tripped: Option<Tripped>,
}

/// One deletion that was scheduled.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecentDeletion {
    /// When.
    pub time: Time,
    /// The key.
    #[schemars(length(max = 2048))]
    pub key: String,
}

/// The budget was exceeded.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tripped {
    /// What a person writes into the annotation `keyward.dev/resume-deletions`.
    #[schemars(length(max = 64))]
    pub id: String,
    /// When.
    pub time: Time,
}
