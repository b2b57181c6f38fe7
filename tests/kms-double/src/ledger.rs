//! The ledger: every call, in the order in which the calls took effect, and what the KMS did by itself.
//!
//! Tests use it as the truth, so it is append-only, and an entry is written under the same lock as its effect.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::world::KeyState;

/// The result code of a call that succeeded.
pub const OK: &str = "OK";

/// The result of a call that a fault stopped before it was done, and that got no answer. Its status is 0.
pub const NOT_CARRIED_OUT: &str = "NotCarriedOut";

/// One call, or one action of the KMS itself (then `accessKey` is absent, and the operation is `DeleteKey`, `RotateKey`, `SettleKey` or
/// `DeleteExpiredKeyMaterial`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The number, from 1 without gaps.
    pub seq: u64,
    /// The real time.
    pub time: Timestamp,
    /// The time on the double's clock.
    pub double_time: Timestamp,
    /// `kms`, `sts`, `ciphertrust`, `huawei-kms` or `huawei-iam`. Calls that `ciphertrust` makes to AWS have no entries.
    pub service: String,
    /// The caller, if the signature or token names one: an access key or a user name.
    pub access_key: Option<String>,
    /// The caller's account. For an action of the KMS, the key's account.
    pub account: Option<String>,
    /// The Region of the call.
    pub region: Option<String>,
    /// For example `ScheduleKeyDeletion`, or `schedule-key-deletion` for Huawei Cloud.
    pub operation: String,
    /// ARN of the key, if it is known.
    pub key: Option<String>,
    /// The members of the request, without plaintext and ciphertext.
    pub params: Value,
    /// [`OK`], the error code, or [`NOT_CARRIED_OUT`], whether the caller learned it or not.
    pub result: String,
    /// The error's message.
    pub message: Option<String>,
    /// The HTTP status that belongs to the result.
    pub status: u16,
    /// The key's state before.
    pub state_before: Option<KeyState>,
    /// The key's state after.
    pub state_after: Option<KeyState>,
    /// Whether the KMS did a mutating operation, even if it changed nothing (such as enabling an enabled key).
    pub took_effect: bool,
    /// Whether it changed something.
    pub changed: bool,
    /// The fault that was injected into this call.
    pub fault: Option<String>,
    /// Whether the double tried to reply. False if it cut the connection or left the call hanging.
    pub replied: bool,
    /// The request id of the reply.
    pub request_id: String,
}

impl Entry {
    /// Whether the call succeeded at the KMS.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.result == OK
    }
}

/// All entries since the start.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: Vec<Entry>,
}

impl Ledger {
    /// Appends an entry and sets its number.
    pub(crate) fn append(&mut self, mut entry: Entry) {
        entry.seq = self.entries.len() as u64 + 1;
        tracing::debug!(
            seq = entry.seq,
            operation = %entry.operation,
            key = entry.key.as_deref(),
            result = %entry.result,
            fault = entry.fault.as_deref(),
            "call"
        );
        self.entries.push(entry);
    }

    /// The entries with a number above `seq`.
    pub(crate) fn after(&self, seq: u64) -> &[Entry] {
        let from = usize::try_from(seq).unwrap_or(usize::MAX).min(self.entries.len());
        self.entries.get(from..).unwrap_or_default()
    }
}
