//! The types for keys that tests and the ledger use too.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::aws::partition;

/// The place and id of a key. Multi-Region keys have the same id in every Region, so an id alone does not identify a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KeyRef {
    /// Twelve digits.
    pub account: String,
    /// For example `eu-west-1`.
    pub region: String,
    /// A UUID, or `mrk-` and 32 hex digits.
    pub id: String,
}

impl KeyRef {
    /// The key's ARN.
    #[must_use]
    pub fn arn(&self) -> String {
        format!("arn:{}:kms:{}:{}:key/{}", partition::of(&self.region), self.region, self.account, self.id)
    }

    /// The key of a key ARN.
    pub(crate) fn of_arn(arn: &str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':').skip(3);
        let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
        let id = resource.strip_prefix("key/")?;
        Some(Self { account: account.to_owned(), region: region.to_owned(), id: id.to_owned() })
    }

    /// Whether `text` names this key: its id, its ARN, or another vendor's reference, which ends in the id after a slash or colon.
    pub(crate) fn is_named_by(&self, text: &str) -> bool {
        let reference = || text.strip_suffix(&self.id).is_some_and(|before| before.ends_with(['/', ':']));
        text == self.id || if text.starts_with("arn:") { text == self.arn() } else { reference() }
    }
}

/// The states of AWS's key state page. The states of other vendors are subsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum KeyState {
    /// A replica for some seconds after `ReplicateKey`.
    Creating,
    /// The key can be used.
    Enabled,
    /// The key cannot be used, but nothing is lost.
    Disabled,
    /// The key will be deleted when its deletion date passes.
    PendingDeletion,
    /// Has no key material yet.
    PendingImport,
    /// A multi-Region primary whose deletion waits for its replicas.
    PendingReplicaDeletion,
    /// Its custom key store is disconnected.
    Unavailable,
    /// Both keys for some seconds during `UpdatePrimaryRegion`.
    Updating,
}

impl KeyState {
    /// Every state, in the order of the declaration.
    pub const ALL: [Self; 8] = [
        Self::Creating,
        Self::Enabled,
        Self::Disabled,
        Self::PendingDeletion,
        Self::PendingImport,
        Self::PendingReplicaDeletion,
        Self::Unavailable,
        Self::Updating,
    ];

    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Creating => "Creating",
            Self::Enabled => "Enabled",
            Self::Disabled => "Disabled",
            Self::PendingDeletion => "PendingDeletion",
            Self::PendingImport => "PendingImport",
            Self::PendingReplicaDeletion => "PendingReplicaDeletion",
            Self::Unavailable => "Unavailable",
            Self::Updating => "Updating",
        }
    }

    /// Whether deletion was scheduled.
    #[must_use]
    pub fn is_pending_deletion(self) -> bool {
        matches!(self, Self::PendingDeletion | Self::PendingReplicaDeletion)
    }
}

/// Where the key material comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// Made by the KMS.
    #[serde(rename = "AWS_KMS")]
    AwsKms,
    /// Imported.
    #[serde(rename = "EXTERNAL")]
    External,
    /// In a `CloudHSM` key store.
    #[serde(rename = "AWS_CLOUDHSM")]
    AwsCloudHsm,
    /// In an external key store.
    #[serde(rename = "EXTERNAL_KEY_STORE")]
    ExternalKeyStore,
}

/// Who manages the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Manager {
    /// An AWS service created it for the account. Customers can only read it.
    #[serde(rename = "AWS")]
    Aws,
    /// The customer.
    #[serde(rename = "CUSTOMER")]
    Customer,
}

/// Why the material was rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RotationKind {
    /// By the period.
    Automatic,
    /// By a call.
    OnDemand,
}

/// A rotation that took place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotated {
    /// When it was complete, on the double's clock.
    pub date: Timestamp,
    /// Why.
    pub kind: RotationKind,
    /// Id of its new material: 64 hex digits.
    pub material: String,
}

/// The role of a key in its multi-Region family.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MultiRegion {
    /// The key that is replicated and rotated.
    Primary {
        /// Regions of its replicas.
        replicas: BTreeSet<String>,
    },
    /// A copy.
    Replica {
        /// Region of the primary.
        primary: String,
    },
}

/// The last successful cryptographic operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastUse {
    /// When.
    pub time: Timestamp,
    /// Which operation.
    pub operation: String,
    /// The request id of that call.
    pub request_id: String,
}
