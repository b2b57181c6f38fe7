//! What users write and see: the two kinds, their conditions, and the names that Keyward puts on objects and keys.
//!
//! This is the contract. It holds types and names alone: what a value leads to is decided in [`crate::domain`], and nothing here reads a
//! clock, a cluster or a KMS.

pub mod condition;
pub mod key_provider;
pub mod managed_key;

pub use condition::{ConditionType, Reason};
pub use key_provider::{KeyProvider, KeyProviderSpec, KeyProviderStatus};
pub use managed_key::{ManagedKey, ManagedKeySpec, ManagedKeyStatus};

/// The API group of both kinds.
pub const GROUP: &str = "keyward.dev";
/// The version served and stored.
pub const VERSION: &str = "v1alpha1";
/// Stands on a `ManagedKey` whose `deletionPolicy` asks for a last act, and on no other.
pub const FINALIZER: &str = "keyward.dev/key";
/// The field manager of everything that the operator writes.
pub const FIELD_MANAGER: &str = "keyward";

/// The field manager of everything that a person writes with a command that Keyward names.
pub const CLI_FIELD_MANAGER: &str = "keyward-cli";

/// Annotations on a `ManagedKey`.
pub mod annotation {
    /// Set by a person to `"true"`: nothing is called and nothing is written but the note that says so.
    pub const PAUSED: &str = "keyward.dev/paused";
    /// Set by a person to any text: asks for a look now. The text is copied to `status.lastHandledReconcileAt`.
    pub const RECONCILE_REQUESTED_AT: &str = "keyward.dev/reconcile-requested-at";
    /// Flux's name for the same request.
    pub const FLUX_REQUESTED_AT: &str = "reconcile.fluxcd.io/requestedAt";
    /// Set by a person to the token that `DeletionHeld` shows: goes on with a deletion that is held.
    pub const CONFIRM_DELETION: &str = "keyward.dev/confirm-deletion";
    /// `<uuid>/<account>/<region>/<time>`: an earlier version of Keyward wrote it before `CreateKey` was sent, where `status.createAttempt` stands now. It
    /// only ever forbids a creation.
    pub const CREATE_ATTEMPT: &str = "keyward.dev/create-attempt";
    /// Written by Keyward once a key is bound: `<namespace>/<name>/<ARN>`, so that it is void on a copy of the object. It only ever forbids a creation; it
    /// gives no authority over the key, and is no address: nothing is looked at because it stands there.
    pub const KEY: &str = "keyward.dev/key";
    /// Those that are kept in memory, which is all of these: one that is missing here is never seen.
    pub const READ: [&str; 6] = [PAUSED, RECONCILE_REQUESTED_AT, FLUX_REQUESTED_AT, CONFIRM_DELETION, CREATE_ATTEMPT, KEY];
}

/// Tags that Keyward puts on a key. They are the truth about who owns it; status is a view of them.
pub mod mark {
    /// The cluster id of the operator that keeps the key.
    pub const CLUSTER: &str = "keyward-cluster";
    /// `namespace.name` of the object that owns the key; on Huawei, whose tags are short, the SHA-256 of that in base64url.
    pub const OWNER: &str = "keyward-owner";
    /// UID of the object that owns the key. An object is bound to a key only while this is its own.
    pub const UID: &str = "keyward-uid";
    /// `<seq>.<generation>.<live|held-nonce|N>`: the last word about the key's life, which a deletion has to agree with.
    pub const INTENT: &str = "keyward-intent";
    /// How many marks a key bears.
    pub const COUNT: usize = 4;
    /// The prefix that users' tags may not have.
    pub const RESERVED_PREFIX: &str = "keyward-";
    /// Set on a key by its administrator to a namespace: `adoption.from: Tagged` lets that namespace adopt it.
    pub const ADOPT: &str = "keyward-adopt";
}
