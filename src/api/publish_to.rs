//! `spec.publishTo` of a `ManagedKey`: the ConfigMap or Secret from which applications read which key they are to use.

// `kubectl explain` prints these texts without change, so product names are written without backticks.
#![allow(clippy::doc_markdown)]

use std::fmt;

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::text;

/// The longest name in the data of a ConfigMap or Secret, and the longest name of such an object (Kubernetes, `IsConfigMapKey`, `IsDNS1123Subdomain`).
pub const LONGEST_NAME: usize = 253;
/// Names that begin with this belong to Kubernetes: it puts `kube-root-ca.crt` into every namespace.
pub const RESERVED: &str = "kube-";
/// How many objects are remembered that Keyward began to publish to, or has to remove.
pub const MOST_ATTEMPTS: usize = 8;

/// Two values must not have one name. A value without a name of its own keeps the name of its field.
const DISTINCT: &str = "[self.?keyId.orValue('keyId'), self.?keyArn.orValue('keyArn'), self.?alias.orValue('alias'), \
     self.?region.orValue('region'), self.?account.orValue('account')].all(name, [self.?keyId.orValue('keyId'), \
     self.?keyArn.orValue('keyArn'), self.?alias.orValue('alias'), self.?region.orValue('region'), \
     self.?account.orValue('account')].exists_one(other, other == name))";

/// Where the key is published.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishTo {
    /// `ConfigMap` or `Secret`. Nothing that is published is secret, so prefer `ConfigMap`.
    pub kind: PublishKind,
    /// Name of the object, in the namespace of this one. Keyward creates it, and never changes an object that it did not create for this
    /// one. Names that begin with `kube-` are reserved.
    #[schemars(length(min = 1, max = LONGEST_NAME), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"))]
    #[x_kube(validation = Rule::new("!self.startsWith('kube-')").message("names that begin with kube- are reserved"))]
    pub name: String,
    /// The names under which the values are published. A value without a name here has the name of its field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<PublishKeys>,
}

/// The kind of object to which a key is published.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PublishKind {
    /// A `ConfigMap`.
    ConfigMap,
    /// A `Secret` of type `Opaque`.
    Secret,
}

impl PublishKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::ConfigMap, Self::Secret];

    /// The name of the kind.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }

    /// The name of the kind in paths and rights.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::ConfigMap => "configmaps",
            Self::Secret => "secrets",
        }
    }
}

/// The names under which the values are published: at most 253 letters, digits, `-`, `_` and `.`. No two values can have one name.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(DISTINCT).message("two values have one name; a value without a name has the name of its field"))]
pub struct PublishKeys {
    /// The name of the provider's id of the key. Default: `keyId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "value_name")]
    pub key_id: Option<String>,
    /// The name of the canonical reference of the key; at AWS its ARN. Default: `keyArn`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "value_name")]
    pub key_arn: Option<String>,
    /// The name of the alias, which is published with `alias/`: the first of `spec.aliases` that the key has, otherwise the alias that
    /// Keyward gave the key when it created it. If the key has neither, no alias is published. Default: `alias`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "value_name")]
    pub alias: Option<String>,
    /// The name of the Region of the key. Default: `region`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "value_name")]
    pub region: Option<String>,
    /// The name of the account that owns the key. Default: `account`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "value_name")]
    pub account: Option<String>,
}

/// The name of a value, as `IsConfigMapKey` of Kubernetes accepts it.
fn value_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "nullable": true,
        "minLength": 1,
        "maxLength": LONGEST_NAME,
        "pattern": "^[-._a-zA-Z0-9]+$",
        "x-kubernetes-validations": [
            { "rule": "self != '.' && !self.startsWith('..')", "message": "the name of a value is not . and does not begin with .." },
        ],
    })
}

/// An object to which a key is published.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishedTo {
    /// Its kind.
    pub kind: PublishKind,
    /// Its name, in the namespace of this object.
    #[schemars(length(max = LONGEST_NAME))]
    pub name: String,
}

impl fmt::Display for PublishedTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), text::name(&self.name))
    }
}
