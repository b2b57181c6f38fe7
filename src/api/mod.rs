//! What users write and see: the three kinds, their conditions, and the names that Keyward puts on objects and keys.
//!
//! This is the contract. It contains only types and names. [`crate::domain`] decides what follows from a value. Nothing here reads a clock,
//! a cluster or a KMS.

pub mod condition;
pub mod key_grant;
pub mod key_provider;
pub mod managed_key;
pub mod publish_to;
pub mod replica_of;

pub use condition::{ConditionType, Reason};
pub use key_grant::{KeyGrant, KeyGrantSpec, KeyGrantStatus};
pub use key_provider::{KeyProvider, KeyProviderSpec, KeyProviderStatus};
pub use managed_key::{ManagedKey, ManagedKeySpec, ManagedKeyStatus};

/// The API group of all kinds.
pub const GROUP: &str = "keyward.dev";
/// The finalizer. Only a `ManagedKey` whose `deletionPolicy` is `Disable` or `Delete` has it.
pub const FINALIZER: &str = "keyward.dev/key";
/// The finalizer of a `KeyGrant` that may have a grant at the KMS.
pub const GRANT_FINALIZER: &str = "keyward.dev/grant";
/// The field manager of everything that the operator writes.
pub const FIELD_MANAGER: &str = "keyward";

/// The field manager of everything that a person writes with a command that Keyward names.
pub const CLI_FIELD_MANAGER: &str = "keyward-cli";

/// Annotations on a `ManagedKey`, two of them on a `KeyGrant` as well, and one on a `KeyProvider`.
pub mod annotation {
    /// Set by a person to `"true"`, on a `ManagedKey` or a `KeyGrant`. Then Keyward makes no call for the object, and writes nothing except the condition and event that say
    /// so.
    pub const PAUSED: &str = "keyward.dev/paused";
    /// Set by a person to any text, to request a full read of the key, or of the grant, now. Keyward copies the text to `status.lastHandledReconcileAt`.
    pub const RECONCILE_REQUESTED_AT: &str = "keyward.dev/reconcile-requested-at";
    /// Flux's name for the same request.
    pub const FLUX_REQUESTED_AT: &str = "reconcile.fluxcd.io/requestedAt";
    /// Set by a person to the token that `DeletionHeld` shows. Then Keyward continues with a deletion that is held.
    pub const CONFIRM_DELETION: &str = "keyward.dev/confirm-deletion";
    /// Set by a person to the object's name, so that the optional policy lets the object be deleted. Keyward itself does not read it.
    pub const ALLOW_DELETE: &str = "keyward.dev/allow-delete";
    /// On a `KeyProvider`, set by a person to `status.deletions.tripped.id`, to resume deletions through this provider.
    pub const RESUME_DELETIONS: &str = "keyward.dev/resume-deletions";
    /// Set by a person to any text, to request one rotation on demand. Keyward handles each text once, and copies it to
    /// `status.rotation.onDemand.lastHandled`.
    pub const ROTATE_REQUESTED_AT: &str = "keyward.dev/rotate-requested-at";
    /// Set by a person to the text of the request, so that Keyward continues with a rotation on demand that waits for a confirmation.
    pub const ROTATE_CONFIRM: &str = "keyward.dev/rotate-confirm";
    /// `<uuid>/<account>/<region>/<time>`: an earlier version of Keyward wrote it before it sent `CreateKey`. `status.createAttempt` has
    /// replaced it. It can only forbid a creation.
    pub const CREATE_ATTEMPT: &str = "keyward.dev/create-attempt";
    /// Written by Keyward once a key is bound: `<namespace>/<name>/<ARN>`, so that it is invalid on a copy of the object. It can only
    /// forbid a creation. It gives no authority over the key, and Keyward never uses it as an address to read a key.
    pub const KEY: &str = "keyward.dev/key";
    /// The annotations that stay in the watch cache. It must be all that Keyward reads, because the operator does not see an annotation that is
    /// missing here.
    pub const READ: [&str; 9] = [
        PAUSED,
        RECONCILE_REQUESTED_AT,
        FLUX_REQUESTED_AT,
        CONFIRM_DELETION,
        RESUME_DELETIONS,
        ROTATE_REQUESTED_AT,
        ROTATE_CONFIRM,
        CREATE_ATTEMPT,
        KEY,
    ];
}

/// Tags that Keyward puts on a key. They are the truth about who owns the key; the status is a view of them.
pub mod mark {
    /// The cluster id of the operator that manages the key.
    pub const CLUSTER: &str = "keyward-cluster";
    /// `namespace.name` of the object that owns the key; on Huawei, whose tags are short, the SHA-256 of that in base64url.
    pub const OWNER: &str = "keyward-owner";
    /// UID of the object that owns the key. An object is bound to a key only while this tag has the UID of the object.
    pub const UID: &str = "keyward-uid";
    /// `<seq>.<generation>.<live|held-nonce|N>`: the last word about the key's life. A deletion must agree with it.
    pub const INTENT: &str = "keyward-intent";
    /// The number of marks on a key.
    pub const COUNT: usize = 4;
    /// The prefix that tags of users must not have.
    pub const RESERVED_PREFIX: &str = "keyward-";
    /// The administrator of a key sets this tag to a namespace. With `adoption.from: Tagged`, that namespace may adopt the key.
    pub const ADOPT: &str = "keyward-adopt";
}
