//! Condition types and reasons, as closed enums, and the one way in which a condition is set.
//!
//! Conditions are written for people and tools. They are never read to decide what to do: observation decides.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde_json::{Value, json};

/// A closed list of words with their meanings: an enum whose doc comments are its reference page.
macro_rules! words {
    ($(#[doc = $about:literal])+ $list:ident, $field:literal; $($(#[doc = $doc:literal])+ $name:ident,)+) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $list { $($(#[doc = $doc])+ $name,)+ }

        impl $list {
            /// Every word with its meaning, in the order of the reference page.
            pub const ALL: &'static [(Self, &'static str)] = &[$((Self::$name, concat!($($doc),+)),)+];

            #[doc = concat!("The text in `status.conditions[].", $field, "`.")]
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }
        }
    };
}

words! {
    /// The types of condition on a `ManagedKey`. A `KeyProvider` has `Ready`, `Reconciling` and `Stalled`.
    ConditionType, "type";
    /// Always present. True: the key's lifecycle is as declared. A declared schedule that stands is Ready too, and so is a declared
    /// `enabled: false`: otherwise every health check would hang for weeks. While the KMS cannot be asked (throttling, an outage, an expired token) it
    /// stays as it was, until the last good look is older than twice the provider's `resyncSeconds`; then it is Unknown.
    Ready,
    /// Always present. True: the last look read the state of the key and nothing that was read differs from the spec. Each look reads the state; rotation,
    /// tags with the marks, and aliases are read in turn, each at least every third look, and all in a look that was asked for
    /// (`keyward.dev/reconcile-requested-at`), after a change of the spec, before a change of the key, and while this is not True.
    Synced,
    /// Present only while True: Keyward is working, or will try again by itself. Never together with `Stalled`.
    Reconciling,
    /// Present only while True: a person must act; retrying alone will not help.
    Stalled,
    /// Present only while True: the key is going to be deleted by the KMS. The condition to alert on.
    PendingDeletion,
    /// Present only while True: the key differs from what is declared, and the policy says to leave it so.
    Drifted,
    /// Present only while True: a deletion is asked for and the guard holds it.
    DeletionHeld,
}

words! {
    /// Why a condition has its status. A closed list: a reason is part of the API and is never reused for something else.
    Reason, "reason";
    /// The key is enabled and as declared.
    Available,
    /// The key is disabled, as declared.
    Disabled,
    /// The key is pending deletion, as declared.
    DeletionScheduled,
    /// The key is being created, or the KMS is not done creating it.
    Creating,
    /// The key is being made this object's: its marks were written, and are read back before anything else is done.
    Adopting,
    /// The key is pending deletion though the object does not declare it.
    PendingDeletion,
    /// The key waits for its key material; import it, with the KMS's own tools.
    PendingImport,
    /// The KMS cannot reach the key, as when its custom key store is disconnected; or it refuses a call because of the state that the key is in.
    KeyUnavailable,
    /// The key is gone: its deletion date has passed. Remove the object.
    KeyDeleted,
    /// The key this object was bound to cannot be found, though no deletion of it was known.
    KeyMissing,
    /// The object asks for a deletion and has no key.
    NothingToDelete,
    /// A field, or an annotation that a person sets, has a value that cannot be taken; the message names it and what is allowed.
    InvalidSpec,
    /// The key to adopt is not the one that `spec.key` describes.
    AdoptionMismatch,
    /// The provider's adoption rules, or the state of the key, do not admit this adoption.
    AdoptionNotAllowed,
    /// An alias belongs to another key, which the message names. It is moved only from a key of the same namespace and provider whose object no longer declares it.
    AliasTaken,
    /// An alias that is no longer declared stays on the key until the object that declares it now has taken it, so that it is at no moment on no key.
    AliasMoving,
    /// The key bears the marks of another object or cluster.
    OwnedByAnother,
    /// What was found for this object does not say clearly which key is its own; nothing is created.
    ClaimUnclear,
    /// A `CreateKey` may or may not have taken effect, and the search for its key is not conclusive.
    CreateUnresolved,
    /// The marks could not be written on the key, so nothing else is done to it.
    MarksNotWritable,
    /// The provider does not admit this namespace; nothing was called.
    NamespaceNotAllowed,
    /// There is no `KeyProvider` of that name.
    ProviderNotFound,
    /// The `KeyProvider` cannot be used yet, as when its Secret is not there; its own `Ready` condition says why.
    ProviderNotReady,
    /// This version of Keyward has no adapter for that type of provider.
    ProviderNotSupported,
    /// The credentials belong to another account than the provider's; no key was looked at.
    WrongAccount,
    /// The KMS denies the call; the message names the operation to allow.
    AccessDenied,
    /// The KMS does not accept the credentials.
    CredentialsInvalid,
    /// A quota of the account is used up, such as the number of keys.
    QuotaExceeded,
    /// The KMS asks to slow down; the call is repeated later.
    Throttled,
    /// The KMS, or the way to it, does not answer; the call is repeated later.
    ProviderUnavailable,
    /// The KMS answered with something that Keyward does not know, or Keyward met a fault of its own; nothing is changed on either.
    UnknownError,
    /// The key differs from what is declared and the policy says to leave it so.
    Drifted,
    /// The annotation `keyward.dev/paused` stops all work on this object.
    Paused,
    /// The last look read the state of the key, and nothing that was read differs from the spec.
    Synced,
    /// The provider's `Ready` is True: its credentials were accepted and its account is the expected one.
    Ready,
    /// On `PendingDeletion`: the object declares this deletion.
    Declared,
    /// On `PendingDeletion`: someone else scheduled it.
    External,
    /// Held: the key does not bear this object's marks.
    NotOwned,
    /// Held: the object changed while the deletion was decided; it is decided anew.
    StaleObject,
    /// The KMS answers from a copy that is older than the provider's `maxStalenessSeconds`, and its refresh does not end; nothing is changed on such a copy.
    StaleView,
    /// Held: the key's mark does not say that this object was seen without `deletionScheduleDays` while its key was alive, so the field may be a copied or
    /// restored one; or this object took the key up by its name less than a day ago.
    NotSeenLive,
    /// Held: the key's mark is newer than what this object last wrote, so the object may come from a backup.
    RollbackSuspected,
    /// Held: someone cancelled the deletion, or acted on the key, outside Keyward.
    CancelledOutside,
    /// Held: Keyward was interrupted between its own calls for a deletion, or for other days of one, so that what came of them cannot be told from what
    /// others did.
    Interrupted,
    /// Held: the key was used lately.
    KeyInUse,
    /// Held: too many deletions through this provider; a person has to resume them.
    BudgetExhausted,
    /// Held: the provider asks for a person's confirmation of every deletion.
    ConfirmationRequired,
    /// Held: the namespace, or the CRD, is being deleted; keys are left as they are.
    Terminating,
}

/// What a condition says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is so.
    True,
    /// It is not so.
    False,
    /// It is not known: what was known is too old.
    Unknown,
}

impl From<bool> for Status {
    fn from(is: bool) -> Self {
        if is { Self::True } else { Self::False }
    }
}

impl Status {
    /// The text in `status.conditions[].status`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// The reasons of events on a `ManagedKey`, each with its meaning. An event is told once, when something was done or turned.
pub const EVENTS: &[(&str, &str)] = &[
    ("KeyCreated", "The key was created."),
    ("KeyAdopted", "The key that `spec.keyId` names is this object's now."),
    ("KeyTakenUp", "The key of an earlier object of this name is this object's now."),
    ("AliasMoved", "An alias that another object let go was moved to the key."),
    ("KeyEnabled", "The key was enabled."),
    ("KeyDisabled", "The key was disabled."),
    ("RotationEnabled", "Rotation was switched on, or has another period."),
    ("RotationDisabled", "Rotation was switched off."),
    ("KeyRotated", "The KMS has a rotation on record that was not told yet; the note has its date."),
    ("KeyDeletionScheduled", "Warning. The deletion was scheduled; the note has the date and the command that cancels it."),
    ("KeyDeletionCancelled", "The deletion was cancelled."),
    ("KeyDeleted", "Warning. The key is gone."),
    ("DeletionHeld", "Warning. The guard holds a deletion; the note has the command that goes on."),
    ("DriftDetected", "Warning. Somebody changed the key, or a record of Keyward's; the note says from what to what."),
    ("KeyReleased", "The object goes; the note says what became of its key."),
    ("Paused", "The object is paused."),
    ("SyncFailed", "Warning. The key could not be brought, or was not found, as declared."),
];

/// Puts a condition into the list, in place of the one of its type.
///
/// `lastTransitionTime` moves only when `status` flips, so that an unchanged state is an unchanged status.
pub fn set(
    conditions: &mut Vec<Condition>,
    kind: ConditionType,
    status: impl Into<Status>,
    reason: Reason,
    message: impl Into<String>,
    generation: i64,
    now: jiff::Timestamp,
) {
    let status = status.into().as_str();
    let last_transition_time = conditions
        .iter()
        .find(|known| known.type_ == kind.as_str() && known.status == status)
        .map_or_else(|| seconds(now), |known| known.last_transition_time.clone());
    let condition = Condition {
        type_: kind.as_str().into(),
        status: status.into(),
        reason: reason.as_str().into(),
        message: message.into(),
        observed_generation: Some(generation),
        last_transition_time,
    };
    match conditions.iter_mut().find(|known| known.type_ == kind.as_str()) {
        Some(known) => *known = condition,
        None => conditions.push(condition),
    }
}

/// Takes a condition out of the list: those that are present only while True are removed, not set to False.
pub fn remove(conditions: &mut Vec<Condition>, kind: ConditionType) {
    conditions.retain(|known| known.type_ != kind.as_str());
}

/// The condition of that type, if it is there.
#[must_use]
pub fn find(conditions: &[Condition], kind: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|known| known.type_ == kind.as_str())
}

/// Whether that is a type of Keyward's. Others may put conditions of their own into a status.
#[must_use]
pub fn is_ours(kind: &str) -> bool {
    ConditionType::ALL.iter().any(|(known, _)| known.as_str() == kind)
}

/// How many conditions a status holds.
pub const MOST: usize = 16;

/// A point in time as the API server keeps it: to the second. A finer one would differ from what is stored, for ever.
#[must_use]
pub fn seconds(at: jiff::Timestamp) -> Time {
    Time(jiff::Timestamp::from_second(at.as_second()).unwrap_or(at))
}

/// The schema of a condition: Kubernetes' own, whose bounds its Rust type does not carry, and the texts that `kubectl explain` prints.
pub(super) fn schema() -> Value {
    json!({
        "type": "object",
        "required": ["type", "status", "reason", "message", "lastTransitionTime"],
        "properties": {
            "type": { "type": "string", "description": "What is said.", "minLength": 1, "maxLength": 316 },
            "status": { "type": "string", "description": "Whether it is so.", "enum": ["True", "False", "Unknown"] },
            "reason": { "type": "string", "description": "Why, as a word for tools.", "minLength": 1, "maxLength": 1024 },
            "message": { "type": "string", "description": "Why, as a sentence for people, with the way out.", "maxLength": 32768 },
            "observedGeneration": { "type": "integer", "format": "int64", "description": "The generation of the spec that this speaks of." },
            "lastTransitionTime": { "type": "string", "format": "date-time", "description": "When `status` last flipped." },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> jiff::Timestamp {
        jiff::Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn transition_time_moves_only_when_the_status_flips() {
        let mut list = Vec::new();
        set(&mut list, ConditionType::Ready, false, Reason::Creating, "a", 1, at(10));
        set(&mut list, ConditionType::Ready, false, Reason::Throttled, "b", 2, at(20));
        assert_eq!(list[0].last_transition_time, seconds(at(10)));
        assert_eq!((list[0].reason.as_str(), list[0].observed_generation), ("Throttled", Some(2)));
        set(&mut list, ConditionType::Ready, true, Reason::Available, "c", 2, at(30));
        assert_eq!(list[0].last_transition_time, seconds(at(30)));
        assert_eq!(list.len(), 1);
    }

    #[test]
    fn every_word_is_camel_case_and_has_a_meaning() {
        let types = ConditionType::ALL.iter().map(|(word, meaning)| (word.as_str(), meaning));
        for (word, meaning) in types.chain(Reason::ALL.iter().map(|(word, meaning)| (word.as_str(), meaning))) {
            assert!(word.starts_with(|c: char| c.is_ascii_uppercase()), "{word}");
            assert!(meaning.trim().ends_with('.'), "{word}: {meaning}");
        }
    }
}
