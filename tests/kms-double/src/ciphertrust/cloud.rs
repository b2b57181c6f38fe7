//! AWS for CCKM: the double's own operations, called for the account of a kms object.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::aws::{self, Inside, Operation};
use crate::state::{Inner, Shared};
use crate::world::KeyRef;

/// The members of `DescribeKey` that a row keeps, with their names in the row.
const KEPT: [(&str, &str); 15] = [
    ("AWSAccountId", "AWSAccountId"),
    ("Arn", "Arn"),
    ("KeyId", "KeyID"),
    ("KeyManager", "KeyManager"),
    ("KeyState", "KeyState"),
    ("Enabled", "Enabled"),
    ("KeyUsage", "KeyUsage"),
    ("CustomerMasterKeySpec", "CustomerMasterKeySpec"),
    ("EncryptionAlgorithms", "EncryptionAlgorithms"),
    ("SigningAlgorithms", "SigningAlgorithms"),
    ("MacAlgorithms", "MacAlgorithms"),
    ("Origin", "Origin"),
    ("Description", "Description"),
    ("MultiRegion", "MultiRegion"),
    ("MultiRegionConfiguration", "MultiRegionConfiguration"),
];

/// AWS for one request or one job.
#[derive(Debug)]
pub(crate) struct Cloud<'a> {
    pub(crate) inner: &'a mut Inner,
    pub(crate) shared: &'a Shared,
    pub(crate) now: Timestamp,
    pub(crate) request_id: &'a str,
    /// Whether mutations count against AWS's quotas.
    pub(crate) counted: bool,
}

impl Cloud<'_> {
    /// Calls an operation in an account and Region. Returns AWS's answer, and the key that it created or used.
    pub(crate) fn call(
        &mut self,
        account: &str,
        region: &str,
        operation: Operation,
        members: Value,
    ) -> Result<(Value, Option<KeyRef>), aws::Failure> {
        let inside = Inside { account, region, now: self.now, request_id: self.request_id, counted: self.counted };
        aws::call_inside(self.inner, self.shared, inside, operation, members)
    }

    /// Calls an operation on a key.
    pub(crate) fn on(&mut self, at: &KeyRef, operation: Operation, members: Value) -> Result<Value, aws::Failure> {
        let mut members = members;
        if let Some(members) = members.as_object_mut() {
            members.insert("KeyId".to_owned(), json!(at.id));
        }
        self.call(&at.account, &at.region, operation, members).map(|(answer, _)| answer)
    }

    /// Reads a key from AWS for its row. None if AWS has no such key.
    pub(crate) fn read(&mut self, at: &KeyRef) -> Option<Map<String, Value>> {
        let described = self.on(at, Operation::DescribeKey, json!({})).ok()?;
        let metadata = described.get("KeyMetadata")?;
        let kept = KEPT.iter().filter_map(|(theirs, ours)| Some(((*ours).to_owned(), metadata.get(theirs)?.clone())));
        let mut row: Map<String, Value> = kept.collect();
        let created = time(metadata.get("CreationDate")).and_then(|time| Timestamp::from_second(time.as_second()).ok());
        row.extend(created.map(|created| ("CreationDate".to_owned(), json!(created))));
        row.extend(time(metadata.get("DeletionDate")).map(|date| ("DeletionDate".to_owned(), json!(date))));

        let policy = self.on(at, Operation::GetKeyPolicy, json!({})).ok();
        let policy = policy.as_ref().and_then(|policy| policy.get("Policy")).and_then(Value::as_str).unwrap_or_default();
        row.insert("Policy".to_owned(), serde_json::from_str(policy).unwrap_or_default());
        let tags = self.on(at, Operation::ListResourceTags, json!({})).ok();
        row.insert("Tags".to_owned(), tags.and_then(|tags| tags.get("Tags").cloned()).unwrap_or_else(|| json!([])));
        let aliases = self.on(at, Operation::ListAliases, json!({})).ok();
        let aliases = aliases.as_ref().and_then(|aliases| aliases.get("Aliases")).and_then(Value::as_array);
        let names: Vec<Value> = aliases.into_iter().flatten().filter_map(|alias| alias.get("AliasName").cloned()).collect();
        row.insert("Alias".to_owned(), Value::Array(names));
        // A key that cannot rotate counts as one that does not rotate. While a deletion is pending AWS says "off", and so does the row.
        let status = self.on(at, Operation::GetKeyRotationStatus, json!({})).unwrap_or_default();
        let on = status.get("KeyRotationEnabled").and_then(Value::as_bool).unwrap_or_default();
        row.insert("KeyRotationEnabled".to_owned(), json!(on));
        row.extend(status.get("RotationPeriodInDays").map(|days| ("RotationPeriodInDays".to_owned(), days.clone())));
        row.extend(time(status.get("NextRotationDate")).map(|date| ("NextRotationDate".to_owned(), json!(date))));
        Some(row)
    }
}

/// A time in AWS's JSON protocol: seconds since 1970, with milliseconds.
#[expect(clippy::cast_possible_truncation, reason = "the double's own times, in milliseconds, are far below 2^53")]
pub(crate) fn time(value: Option<&Value>) -> Option<Timestamp> {
    let millis = value?.as_f64()? * 1000.0;
    Timestamp::from_millisecond(millis.round() as i64).ok()
}
