//! CCKM's row of a key, and its format on the wire.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::appliance::Kms;
use crate::world::KeyRef;

/// Lists of users, by their names on the wire.
pub(crate) type Lists = BTreeMap<&'static str, Vec<String>>;

/// What CCKM knows about a key: its state when CCKM last read or changed it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    /// 32 hex digits, not related to the key's id at AWS.
    pub(crate) id: String,
    pub(crate) at: KeyRef,
    pub(crate) kms: Kms,
    pub(crate) created: Timestamp,
    /// Changes with every write.
    pub(crate) updated: Timestamp,
    /// Changes only when the key was read from AWS.
    pub(crate) synced: Timestamp,
    /// CCKM read the key, and AWS had no such key.
    pub(crate) gone: bool,
    /// The key in AWS's format: `aws_param`.
    pub(crate) aws: Map<String, Value>,
    /// The lists from which its policy was made.
    pub(crate) lists: Lists,
    pub(crate) rotated_at: Option<Timestamp>,
    pub(crate) rotated_from: Option<String>,
    pub(crate) rotated_to: Option<String>,
}

impl Row {
    /// The row of a key that CCKM finds now.
    pub(crate) fn new(kms: Kms, at: KeyRef, aws: Map<String, Value>, now: Timestamp) -> Self {
        Self {
            id: uuid::Uuid::new_v4().simple().to_string(),
            at,
            kms,
            created: now,
            updated: now,
            synced: now,
            gone: false,
            aws,
            lists: BTreeMap::new(),
            rotated_at: None,
            rotated_from: None,
            rotated_to: None,
        }
    }

    /// Records a write. Two writes never have the same time, so that a client that waits for a change of `updatedAt` sees it.
    pub(crate) fn touch(&mut self, now: Timestamp) {
        let next = self.updated.checked_add(SignedDuration::from_nanos(1)).unwrap_or(now);
        self.updated = now.max(next);
    }

    /// Records a read from AWS: the key that was found, or that it is gone.
    pub(crate) fn sync(&mut self, found: Option<Map<String, Value>>, now: Timestamp) {
        self.touch(now);
        self.synced = self.updated;
        self.gone = found.is_none();
        if let Some(found) = found {
            self.aws = found;
        }
    }

    /// A member of `aws_param` that is a string.
    pub(crate) fn word(&self, name: &str) -> &str {
        self.aws.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether the row has a transitional state.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self.word("KeyState"), "Creating" | "Updating")
    }

    /// The key object, as it is sent on the wire.
    pub(crate) fn show(&self) -> Value {
        let domain = self.kms.domain.path();
        let mut object = json!({
            "id": self.id,
            "uri": format!("kylo:{domain}:cckm:aws-key:{}", self.id),
            "account": format!("kylo:kylo:admin:accounts:{domain}"),
            "application": "ncryptify:gemalto:admin:apps:kylo",
            "devAccount": "ncryptify:gemalto:admin:accounts:gemalto",
            "createdAt": self.created,
            "updatedAt": self.updated,
            "kms_id": self.kms.id,
            "kms": self.kms.name,
            "synced_at": self.synced,
            "rotation_status": "",
            "cloud_name": "aws",
            "key_type": self.key_type(),
            "basic_view_enabled": false,
            "region": self.at.region,
            "gone": self.gone,
            "key_material_origin": self.material_origin(),
            "aws_param": self.aws,
        });
        if let Some(members) = object.as_object_mut() {
            members.extend(self.lists.iter().map(|(name, list)| ((*name).to_owned(), json!(list))));
            let rotated_at = self.rotated_at.map(|at| json!(at));
            let [from, to] = [&self.rotated_from, &self.rotated_to].map(|id| id.as_ref().map(|id| json!(id)));
            let rotated = [("rotated_at", rotated_at), ("rotated_from", from), ("rotated_to", to)];
            members.extend(rotated.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        }
        object
    }

    pub(crate) fn key_type(&self) -> &'static str {
        match self.word("CustomerMasterKeySpec") {
            "SYMMETRIC_DEFAULT" => "symmetric",
            spec if spec.starts_with("HMAC_") => "hmac",
            _ => "asymmetric",
        }
    }

    /// Material that AWS made is `native`. For other material CCKM cannot tell whether it came from CCKM.
    pub(crate) fn material_origin(&self) -> &'static str {
        if self.word("Origin") == "AWS_KMS" { "native" } else { "unknown" }
    }
}
