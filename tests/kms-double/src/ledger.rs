//! The ledger: every call, in the order in which the calls took effect, and what the KMS did by itself.
//!
//! Tests use it as the oracle, so it is append-only and an entry is written under the same lock as the effect it tells of.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::world::KeyState;

/// The result code of a call that succeeded.
pub const OK: &str = "OK";

/// The result of a call that a fault kept from being carried out, and that was not answered. Its status is 0.
pub const NOT_CARRIED_OUT: &str = "NotCarriedOut";

/// One call, or one act of the KMS itself (`accessKey` is absent then; the operation is `DeleteKey`, `RotateKey` or `SettleKey`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// 1 and up, without gaps.
    pub seq: u64,
    /// When, in real time.
    pub time: Timestamp,
    /// When, on the double's clock.
    pub double_time: Timestamp,
    /// `kms` or `sts`; of Huawei Cloud `huawei-kms` or `huawei-iam`.
    pub service: String,
    /// Who called, if the signature named someone; for a token of Huawei Cloud the user's name.
    pub access_key: Option<String>,
    /// The caller's account; for an act of the KMS the key's.
    pub account: Option<String>,
    /// The Region of the call.
    pub region: Option<String>,
    /// For example `ScheduleKeyDeletion`; of Huawei Cloud `schedule-key-deletion`.
    pub operation: String,
    /// ARN of the key concerned, if it could be told.
    pub key: Option<String>,
    /// The members of the request, without plaintext and ciphertext.
    pub params: Value,
    /// [`OK`], the error code, or [`NOT_CARRIED_OUT`]; whether or not the caller got to know it.
    pub result: String,
    /// The error's message.
    pub message: Option<String>,
    /// The HTTP status that belongs to the result.
    pub status: u16,
    /// The key's state before.
    pub state_before: Option<KeyState>,
    /// The key's state after.
    pub state_after: Option<KeyState>,
    /// A mutating operation that the KMS carried out, even if it changed nothing (as enabling an enabled key).
    pub took_effect: bool,
    /// It changed something.
    pub changed: bool,
    /// The fault that was injected into this call.
    pub fault: Option<String>,
    /// Whether the double set out to reply. False for a connection that it cut or a call that it left hanging.
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
    /// Appends an entry; its number is set here.
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
