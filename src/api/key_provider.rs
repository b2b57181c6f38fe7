//! `KeyProvider`: one account and Region of a KMS, with the administrator's rules for its use.
//!
//! It is cluster-scoped because endpoints, roles and credentials belong to the administrator. Keyward reads secrets only from the
//! operator's own namespace.

// `kubectl explain` prints these texts without change, so product names are written without backticks.
#![allow(clippy::doc_markdown)]
// Each column of the table is an attribute with the same keys.
#![allow(clippy::duplicated_attributes)]

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{condition, managed_key::tag_value};

/// The rule of an endpoint, in CEL. It has one spelling, which a person reads as the program does; it is `https`, except on loopback; and it is never an
/// address where only the machine itself answers. The program checks the same, in `kms::endpoint`, and one test tries both.
///
/// It has regular expressions only: the API server estimates the cost of a rule before it takes a CRD, and it knows the length of the URL, but not of a part
/// of it, such as its host.
const ENDPOINT: &str = "isURL(self) \
    && self.matches('^https?://([A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)*|[[](::1|([23][0-9A-Fa-f]{3}|[Ff][CDcd][0-9A-Fa-f]{2})(:[0-9A-Fa-f]{0,4}){1,7})[]])\
    (:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?(/[A-Za-z0-9._~/-]*)?$') \
    && (!self.matches('^https?://([^/:]*[.])?([0-9]+|0[Xx][0-9A-Fa-f]*)(:|/|$)') \
    || self.matches('^https?://((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])[.]){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(:|/|$)')) \
    && !self.matches('^https?://((0|22[4-9]|2[3-5][0-9])([.][0-9]+){3}|169[.]254([.][0-9]+){2}|100[.]100[.]100[.]200|168[.]63[.]129[.]16|192[.]0[.]0[.]192)(:|/|$)') \
    && !self.matches('^https?://[[](2002|[Ff][Dd]00:0?[Ee][Cc]2|[Ff][Dd]20:0{0,2}[Cc][Ee])(:|[]])') \
    && (self.startsWith('https://') || self.matches('^http://(127([.][0-9]+){3}|[[]::1[]])(:|/|$)'))";

/// How Keyward reaches a KMS, and who may use it for what.
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
    doc = "One account and Region of a KMS for ManagedKeys, and the rules for its use. Deleting a KeyProvider changes no key.",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.type"),
    printcolumn(name = "Account", type_ = "string", json_path = ".status.identity.account"),
    printcolumn(name = "Region", type_ = "string", json_path = ".status.identity.region"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason", priority = 1)
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    // A provider that was stored before these rules existed stays editable: it must always be possible to set `maxPerHour: 0`.
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
    /// The type of the KMS: `AWS`, `CipherTrust` or `Huawei`. Set the field `aws`, `cipherTrust` or `huawei` to match. Immutable.
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
    /// The namespaces whose ManagedKeys may use this provider. For a ManagedKey in any other namespace Keyward makes no call at all.
    #[x_kube(validation = Rule::new("(self.from == 'Names') == has(self.names) && (self.from == 'Selector') == has(self.selector)")
        .message("set names with from: Names, selector with from: Selector, and neither with from: All"))]
    pub namespaces: Namespaces,
    /// Which existing keys may be adopted, and by which namespaces. Default: none.
    #[serde(default)]
    pub adoption: Adoption,
    /// What ManagedKeys may set on keys, and which KeyGrants are made. All of it can grant access. Default: all tags and aliases, which they
    /// may also remove again, no key policy, and no grant.
    #[serde(default)]
    pub allow: Allow,
    /// Tags that Keyward keeps on every key of this provider, at most 46. A tag with the same key in `spec.tags` of the ManagedKey wins. Tag
    /// keys cannot begin with `aws:` or `keyward-`. `allow.tagKeys` does not limit these tags. If you change them, Keyward changes all
    /// keys, as fast as the request quotas of the KMS permit. If you remove one, Keyward removes it from these
    /// keys, also from a key that had it before. If `spec.tags` of a ManagedKey is refused, its key keeps the tags that it has, and gets no
    /// new ones, also none of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 46, "additionalProperties" = tag_value()))]
    #[x_kube(
        validation = Rule::new("self.all(k, k.size() >= 1 && k.size() <= 128)").message("a tag key has 1 to 128 characters"),
        validation = Rule::new("self.all(k, !k.startsWith('aws:') && !k.startsWith('keyward-'))").message("tag keys that begin with aws: or keyward- are reserved")
    )]
    pub default_tags: Option<BTreeMap<String, String>>,
    /// What must be true before Keyward schedules a deletion.
    #[serde(default)]
    pub deletion_guard: DeletionGuard,
    /// Seconds between two reads of a key, 30 to 86400. Default: 600. Keyward adds up to a fifth each time, so that it does not read all
    /// keys at the same time.
    #[serde(default = "default_resync")]
    #[schemars(range(min = 30, max = 86400))]
    pub resync_seconds: i32,
    /// The maximum share of the provider's documented default request quotas that Keyward uses, in percent, 1 to 10000. Default: 100. Set
    /// it above 100 if the provider raised your quotas. Keyward backs off when the KMS throttles. Calls that cancel a deletion, or enable a
    /// key after it, may use the whole quota.
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

/// The type of the KMS.
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
    // A provider that was stored before this rule existed stays editable.
    validation = Rule::new("!(has(self.endpoint) && has(self.stsEndpoint) && (self.fips || self.dualStack)) || (oldSelf.hasValue() && has(oldSelf.value().endpoint) && has(oldSelf.value().stsEndpoint) && (oldSelf.value().fips || oldSelf.value().dualStack))")
        .message("fips and dualStack select the Region's own endpoints, so they have no effect if endpoint and stsEndpoint are both set; remove fips and dualStack, or one of the endpoints")
        .optional_old_self(true)
)]
pub struct AwsProvider {
    /// The Region, such as `eu-west-1`. Immutable.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[a-z]{2,4}(-[a-z0-9]+)+-[0-9]+$"))]
    pub region: String,
    /// The 12-digit id of the account that the credentials must belong to. If absent, Keyward expects the account that it sees first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 12), regex(pattern = "^[0-9]{12}$"))]
    pub account_id: Option<String>,
    /// ARN of an IAM role to assume for every call. If absent, Keyward uses the credentials directly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 20, max = 2048), regex(pattern = "^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$"))]
    pub role_arn: Option<String>,
    /// The external id that the trust policy of the role requires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 1224))]
    pub external_id: Option<String>,
    /// URL of another endpoint for KMS, such as a VPC endpoint. It is not used for STS. It must begin with `https`. Only for 127.0.0.1 and
    /// ::1 it can be `http`, for tests. Addresses where no KMS is, such as link-local ones, are refused. If absent, Keyward uses the endpoint
    /// of the Region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = Rule::new(ENDPOINT).message("endpoint must be an https URL, such as https://vpce-….kms.eu-west-1.vpce.amazonaws.com, and not of an address such as 169.254.169.254; http is accepted for 127.0.0.1 and [::1] only"))]
    pub endpoint: Option<String>,
    /// URL of another endpoint for STS, in the same Region. Keyward asks STS for the identity of the credentials and for the role. The
    /// rules of `endpoint` apply. If absent, Keyward uses the endpoint of the Region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = Rule::new(ENDPOINT).message("stsEndpoint must be an https URL, such as https://vpce-….sts.eu-west-1.vpce.amazonaws.com, and not of an address such as 169.254.169.254; http is accepted for 127.0.0.1 and [::1] only"))]
    pub sts_endpoint: Option<String>,
    /// Use the FIPS endpoints of the Region. Default: false. It does not change `endpoint` or `stsEndpoint`.
    #[serde(default)]
    pub fips: bool,
    /// Use the dual-stack endpoints of the Region, which have IPv6 addresses too. Default: false. It does not change `endpoint` or
    /// `stsEndpoint`.
    #[serde(default)]
    pub dual_stack: bool,
    /// The Secret with `ca.crt`, the certificate authority of the endpoints or of a proxy that terminates TLS. Keyward trusts it in
    /// addition to the system's authorities and to the file in `AWS_CA_BUNDLE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretRef>,
    /// The Secret with `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, for temporary credentials, `AWS_SESSION_TOKEN`. If absent, Keyward
    /// uses the default chain of the SDK (IRSA, Pod Identity, environment).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<SecretRef>,
}

/// AWS keys behind a Thales CipherTrust Manager.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CipherTrustProvider {
    /// URL of the CipherTrust Manager. It must begin with `https`. Addresses where no KMS is, such as link-local ones, are refused.
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(
        validation = Rule::new(ENDPOINT).message("url must be that of a host or IP address in its usual form, such as https://ciphertrust.example.com, and not of an address such as 169.254.169.254"),
        validation = Rule::new("self.startsWith('https://')").message("url must be an https URL, such as https://ciphertrust.example.com")
    )]
    pub url: String,
    /// Name or id of the KMS (the AWS account) in CCKM.
    #[schemars(length(min = 1, max = 256))]
    pub kms: String,
    /// Region of the keys.
    #[schemars(length(min = 1, max = 64))]
    pub region: String,
    /// The domain to work in. If absent, the root domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub domain: Option<String>,
    /// The domain to authenticate in. If absent, the root domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub auth_domain: Option<String>,
    /// The Secret with `ca.crt`, the certificate authority of the server. If absent, Keyward trusts the system's authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretRef>,
    /// The Secret with `username` and `password`.
    pub credentials_secret_ref: SecretRef,
    /// The maximum age in seconds of CCKM's copy of a key on which Keyward may base a change, 30 to 86400. Default: 600. Keyward refreshes
    /// an older copy first. Calls that cancel a deletion, or enable the key after it, do not wait for the refresh.
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
    /// URL of another endpoint for KMS. It must begin with `https`. Only for 127.0.0.1 and ::1 it can be `http`, for tests. Addresses where
    /// no KMS is, such as link-local ones, are refused. If absent, Keyward uses the endpoint of the region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = Rule::new(ENDPOINT).message("endpoint must be an https URL, and not of an address such as 169.254.169.254; http is accepted for 127.0.0.1 and [::1] only"))]
    pub endpoint: Option<String>,
    /// URL of another endpoint for IAM. The rules of `endpoint` apply. If absent, Keyward uses the endpoint of the region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = Rule::new(ENDPOINT).message("iamEndpoint must be an https URL, and not of an address such as 169.254.169.254; http is accepted for 127.0.0.1 and [::1] only"))]
    pub iam_endpoint: Option<String>,
    /// How to authenticate: `AccessKey` (default) signs requests with an access key; `Password` gets a token for a user name and password.
    #[serde(default)]
    pub auth: HuaweiAuth,
    /// The Secret with `accessKey`, `secretKey` and, for temporary credentials, `securityToken`. With `auth: Password`, the Secret with
    /// `username`, `password` and `domain`, the name of the account. Without `domain`, the account has the name of the user.
    pub credentials_secret_ref: SecretRef,
}

/// How to authenticate at Huawei Cloud.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum HuaweiAuth {
    /// Sign requests with an access key.
    #[default]
    AccessKey,
    /// Get a token for a user name and password.
    Password,
}

/// A Secret in the operator's own namespace.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// The namespaces whose `ManagedKey`s may use a provider.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Namespaces {
    /// `All` admits every namespace, `Names` those in `names`, `Selector` those that `selector` matches.
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

/// Kubernetes' own schema of a selector has no bounds, but every list and string in a CRD needs them.
fn selector_properties() -> Value {
    let key = || json!({ "type": "string", "description": "Key of the label.", "minLength": 1, "maxLength": 317 });
    let value = || json!({ "type": "string", "maxLength": 63 });
    json!({
        "matchLabels": {
            "type": "object",
            "description": "The namespace must have all of these labels, with these values.",
            "maxProperties": 64,
            "additionalProperties": value(),
        },
        "matchExpressions": {
            "type": "array",
            "description": "All of these expressions must be true.",
            "maxItems": 64,
            "items": {
                "type": "object",
                "required": ["key", "operator"],
                "properties": {
                    "key": key(),
                    "operator": { "type": "string", "description": "How the label is compared with the values.", "enum": ["In", "NotIn", "Exists", "DoesNotExist"] },
                    "values": { "type": "array", "description": "The values for In and NotIn.", "maxItems": 64, "items": value() },
                },
            },
        },
    })
}

fn namespace_name() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 63 })
}

/// How namespaces are selected.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NamespacesFrom {
    /// Every namespace.
    All,
    /// The namespaces in `names`.
    Names,
    /// The namespaces that `selector` matches.
    Selector,
}

/// Which existing keys may be adopted, and by which namespaces.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Adoption {
    /// `None` (default): no key. `Tagged`: a key that has the tag `keyward-adopt` with the namespace as its value. `Rules`: the keys that
    /// `rules` admits.
    #[serde(default)]
    pub from: AdoptionFrom,
    /// The rules for `from: Rules`. A namespace may adopt a key if one rule names both.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = 64, "default" = json!([])))]
    pub rules: Vec<AdoptionRule>,
    /// Cluster ids of other clusters. The marks of these clusters do not prevent an adoption that `from` permits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = 32, "items" = cluster_id(), "default" = json!([])))]
    pub from_clusters: Vec<String>,
}

fn cluster_id() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 36, "pattern": "^[a-z0-9-]+$" })
}

/// What permits an adoption.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AdoptionFrom {
    /// No key may be adopted.
    #[default]
    None,
    /// A tag on the key permits it.
    Tagged,
    /// A rule permits it.
    Rules,
}

/// A rule that lets namespaces adopt keys.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdoptionRule {
    /// Namespaces whose objects may adopt the keys. `*` matches any number of characters.
    #[schemars(extend("minItems" = 1, "maxItems" = 64, "items" = pattern_text(63)))]
    pub namespaces: Vec<String>,
    /// ARNs of the keys. `*` matches any number of characters.
    #[schemars(extend("minItems" = 1, "maxItems" = 64, "items" = pattern_text(2048)))]
    pub keys: Vec<String>,
}

fn pattern_text(longest: usize) -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": longest })
}

/// What `ManagedKey`s may set on keys: tags and aliases, which they may also remove again, and key policies. And which `KeyGrant`s are made.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Allow {
    /// Tag keys. `*` matches any number of characters. Default: `*`.
    #[serde(default = "anything")]
    #[schemars(extend("maxItems" = 64, "items" = pattern_text(128)))]
    pub tag_keys: Vec<String>,
    /// Aliases, without the prefix `alias/`. `*` matches any number of characters. Default: `*`.
    #[serde(default = "anything")]
    #[schemars(extend("maxItems" = 64, "items" = pattern_text(250)))]
    pub aliases: Vec<String>,
    /// Which key policies. A key policy gives access to the key. Default: none.
    #[serde(default)]
    pub policies: AllowPolicies,
    /// Which grants KeyGrants may have. A grant gives access to a key. Default: none.
    #[serde(default)]
    pub grants: AllowGrants,
}

/// Which grants are made. A grant needs both: each of its principals and each of its operations must be listed.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllowGrants {
    /// Who may get access, and who may retire a grant, as the KMS names principals: at AWS ARNs, such as
    /// `arn:aws:iam::111122223333:role/shop-*`, at Huawei ids of users, and `account/` and ids of accounts. `*` matches any number of characters, also `/` and `:`. Default: nobody.
    #[serde(default)]
    #[schemars(extend("maxItems" = 64, "items" = pattern_text(256)))]
    pub principals: Vec<String>,
    /// Which operations a grant may allow, such as `Decrypt`, or `decrypt-data` at Huawei. `*` stands for all, also for `CreateGrant`, which lets
    /// the principal give access to others. Default: none.
    #[serde(default)]
    #[schemars(extend("maxItems" = 64, "items" = pattern_text(64)))]
    pub operations: Vec<String>,
}

/// Which key policies `ManagedKey`s may set.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllowPolicies {
    /// `None` (default): no key policy. `Any`: every key policy. `Accounts`: a key policy that gives access only to the account of this
    /// provider, to `accounts` and to `services`. With `Accounts`, an allow for everybody needs a condition `StringEquals` on
    /// `kms:CallerAccount` or `aws:PrincipalAccount` with such accounts, and an allow for `NotPrincipal` or for a federated principal is
    /// refused. So is an allow for `kms:ScheduleKeyDeletion`, `kms:DisableKey`, `kms:DeleteImportedKeyMaterial`, `kms:PutKeyPolicy` or
    /// `kms:CreateGrant` to anybody but the root of the own account, Keyward itself and `services`.
    #[serde(default)]
    pub from: PoliciesFrom,
    /// With `from: Accounts`, the 12-digit ids of other accounts that may get access.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = 64, "items" = account_id(), "default" = json!([])))]
    pub accounts: Vec<String>,
    /// With `from: Accounts`, the AWS services that may get access, such as `logs.eu-west-1.amazonaws.com`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = 64, "items" = pattern_text(128), "default" = json!([])))]
    pub services: Vec<String>,
}

fn account_id() -> Value {
    json!({ "type": "string", "maxLength": 12, "pattern": "^[0-9]{12}$" })
}

/// Which key policies are allowed.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PoliciesFrom {
    /// No key policy.
    #[default]
    None,
    /// Every key policy.
    Any,
    /// Key policies that give access only to listed accounts and services.
    Accounts,
}

fn anything() -> Vec<String> {
    vec!["*".into()]
}

impl Default for Allow {
    fn default() -> Self {
        Self { tag_keys: anything(), aliases: anything(), policies: AllowPolicies::default(), grants: AllowGrants::default() }
    }
}

/// What must be true before Keyward schedules a deletion.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeletionGuard {
    /// The shortest waiting period in days that an object may ask for: 7 to 30, at Huawei 7 to 1096. Default: 7.
    #[serde(default = "default_minimum")]
    #[schemars(range(min = 7, max = 1096))]
    pub minimum_schedule_days: i32,
    /// The waiting period in days if an object with `deletionPolicy: Delete` and without `deletionScheduleDays` is deleted: 7 to 30, at
    /// Huawei 7 to 1096. Default: 30.
    #[serde(default = "default_object_deletion")]
    #[schemars(range(min = 7, max = 1096))]
    pub object_deletion_days: i32,
    /// Days during which a key must not have been used before it is scheduled for deletion, or disabled because its object is deleted, 0 to 365. Default: 7.
    /// 0 switches the check off. Only AWS reports when a key was last used: up to an hour late, and not from before 2026-04-23. If nothing is reported, nothing
    /// is held. The check needs `kms:GetKeyLastUsage`.
    #[serde(default = "default_minimum")]
    #[schemars(range(min = 0, max = 365))]
    pub minimum_idle_days: i32,
    /// How many keys may be scheduled for deletion, or disabled because their object is deleted, through this provider within an hour, 0 to 1000. Default: 10.
    /// The first one above the limit stops all of them, and so does 0. They stay stopped until a person sets the annotation `keyward.dev/resume-deletions` to
    /// `status.deletions.tripped.id`. Each deletion that was held needs its own token after that.
    #[serde(default = "default_per_hour")]
    #[schemars(range(min = 0, max = 1000))]
    pub max_per_hour: i32,
    /// Whether a person must confirm every deletion, and every key that `deletionPolicy: Disable` disables. Default: false.
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

/// How many keys of default tags a provider remembers.
pub const MOST_DEFAULTS: usize = 256;

/// What Keyward knows about a provider.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyProviderStatus {
    /// The generation of the spec that this status describes. -1 before the first check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The identity of the credentials. The first successful check pins the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentityStatus>,
    /// The deletions that the guard counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletions: Option<DeletionBook>,
    /// Keys that are pending deletion and whose object is gone, the earliest date first. Keyward reads them at each resync. It removes a
    /// key from this list when the key is not pending any more, or when an object has it again. The alert about the key lasts as long. If
    /// there are more keys than the list can hold, each namespace gets the same share of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = MOST_PENDING))]
    pub pending_deletions: Vec<PendingDeletion>,
    /// Keys that `pendingDeletions` has no room for, counted by namespace. Keyward does not read them, so each count and its alert stay
    /// until one day after the latest of their dates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = MOST_COUNTED))]
    pub more_pending_deletions: Vec<MoreDeletions>,
    /// Keys that are pending deletion and whose object exists. With this list Keyward finds objects that were deleted while no operator was
    /// running. If there are more keys than the list can hold, each namespace gets the same share of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = MOST_PENDING))]
    pub watched_deletions: Vec<WatchedDeletion>,
    /// Keys that `watchedDeletions` has no room for, counted by namespace. If objects are deleted while no operator runs, these counts tell
    /// how many.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = MOST_COUNTED))]
    pub more_watched_deletions: Vec<MoreDeletions>,
    /// Keys of the tags that are in `spec.defaultTags`, or were. Keyward may remove these from the keys on which it put them. If the list is
    /// full, default tags that are not in it stay on the keys when they are removed from the spec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = MOST_DEFAULTS), inner(length(max = 128)))]
    pub default_tag_keys: Vec<String>,
    /// The conditions of the provider. `Ready` is True if the KMS accepted the credentials and the account is the expected one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = condition::MOST, "items" = condition::schema()))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// The identity of the credentials.
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

/// The maximum number of keys in a list of pending keys. Both lists fit into an object even with the longest texts.
pub const MOST_PENDING: usize = 500;
/// The maximum number of counts for keys that a list has no room for: one for each of 100 namespaces, and one for all others together.
pub const MOST_COUNTED: usize = 101;
/// The maximum of `maxPerHour`, and so the maximum number of counted deletions. With the longest texts they take a sixth of an object.
pub const MOST_BOOKED: usize = 1000;
/// The maximum length of a key's id in a counted deletion.
pub const LONGEST_BOOKED: usize = 128;
/// The maximum length of a key's reference in these lists.
pub const LONGEST_KEY: usize = 512;
/// The maximum length of the sentence that says how to rescue a key.
pub const LONGEST_RESCUE: usize = 512;
/// The maximum length of an endpoint in these lists.
pub const LONGEST_PLACE: usize = 80;

/// A key that is pending deletion and has no object.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PendingDeletion {
    /// The canonical reference of the key.
    #[schemars(length(max = LONGEST_KEY))]
    pub key: String,
    /// When the KMS deletes the key. Absent while the KMS reports no date, for example for a primary key that waits for its replicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<Time>,
    /// Namespace and name of the last object that had the key, as `namespace/name`.
    #[schemars(length(max = 320))]
    pub owner: String,
    /// How to rescue the key.
    #[serde(default)]
    #[schemars(length(max = LONGEST_RESCUE))]
    pub rescue: String,
    /// The endpoint at which the key was seen last: host and port, and for CipherTrust the KMS and the domain; `default` for the endpoint of the Region. A text
    /// that is longer is replaced by its SHA-256. If the provider names another endpoint and the key is not found there, the entry stays until one day after
    /// the date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = LONGEST_PLACE))]
    pub endpoint: Option<String>,
}

/// A key that is pending deletion and whose object exists.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WatchedDeletion {
    /// The canonical reference of the key.
    #[schemars(length(max = LONGEST_KEY))]
    pub key: String,
    /// When the KMS deletes the key. Absent while the KMS reports no date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<Time>,
    /// Namespace and name of the object, as `namespace/name`.
    #[schemars(length(max = 320))]
    pub owner: String,
    /// UID of the object.
    #[schemars(length(max = 64))]
    pub uid: String,
    /// The endpoint at which the key was seen last, as in `pendingDeletions`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = LONGEST_PLACE))]
    pub endpoint: Option<String>,
}

/// The pending keys of a namespace that a list has no room for.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MoreDeletions {
    /// Namespace of their objects. Empty for the count of all namespaces that have no count of their own.
    #[schemars(length(max = 63))]
    pub namespace: String,
    /// The number of keys.
    #[schemars(range(min = 0))]
    pub count: i32,
    /// The earliest of their dates. Absent if no key has a date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earliest: Option<Time>,
    /// The latest of their dates. Absent if a key has no date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<Time>,
}

/// The deletions that the guard counts.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeletionBook {
    /// The deletions of the last hour, each key once. An entry is written before its call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = MOST_BOOKED))]
    pub recent: Vec<RecentDeletion>,
    /// Present while all deletions are stopped. No deletion is scheduled until a person resumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tripped: Option<Tripped>,
    /// The number of objects of this provider whose deletion was held because all deletions were stopped. Each needs its own token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub waiting: Option<i32>,
}

/// A deletion that was scheduled.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecentDeletion {
    /// When.
    pub time: Time,
    /// The id of the key.
    #[schemars(length(max = LONGEST_BOOKED))]
    pub key: String,
}

/// `maxPerHour` was exceeded, or it was 0.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tripped {
    /// The value that a person writes into the annotation `keyward.dev/resume-deletions` to resume deletions.
    #[schemars(length(max = 64))]
    pub id: String,
    /// When.
    pub time: Time,
}
