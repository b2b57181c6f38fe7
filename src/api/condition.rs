//! Condition types and reasons as closed enums, and the one function that sets a condition.
//!
//! Conditions are written for people and tools. No code reads them to decide what to do. Only observations decide.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde_json::{Value, json};

use crate::text;

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
    /// The types of condition on a `ManagedKey`. A `KeyProvider` has `Ready`, `Reconciling`, `Stalled` and `DeletionsStopped`. A `KeyGrant` has
    /// `Ready`, `Synced`, `Reconciling`, `Stalled` and `Drifted`.
    ConditionType, "type";
    /// Always present. True: the key's lifecycle is as declared. A pending deletion that is declared is Ready too, and so is a declared
    /// `enabled: false`; otherwise every health check would wait for weeks. If the KMS cannot be reached (throttling, an outage, an expired
    /// token), `Ready` keeps its value until the last successful read is older than twice the provider's `resyncSeconds`. Then it is
    /// Unknown.
    Ready,
    /// Always present. True: the last read got the state of the key, and nothing that was read differs from the spec. Every read gets the
    /// state. Rotation, tags (with the marks) and aliases are read in turn, each at least in every third read. If `spec.policy` is set, the
    /// key policy is read in turn too, and each of the four at least in every fourth read. All of them are read when a person requests it
    /// (`keyward.dev/reconcile-requested-at`), after a change of the spec, before a change of the key, and while this condition is not True.
    Synced,
    /// Present only while True: Keyward is working, or will retry automatically. Never present together with `Stalled`.
    Reconciling,
    /// Present only while True: a person must act. Retrying alone will not help.
    Stalled,
    /// Present only while True: the KMS is going to delete the key. Set your alert on this condition.
    PendingDeletion,
    /// Present only while True: the key differs from what is declared, and the management policy says not to correct it.
    Drifted,
    /// Present only while True: a deletion is requested, and the guard holds it.
    DeletionHeld,
    /// On a `KeyProvider`, present only while True: all deletions through it are stopped until an administrator resumes them. The message has the command.
    DeletionsStopped,
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
    /// Keyward is creating the key, or the KMS has not finished creating it.
    Creating,
    /// Keyward is changing the key, or the KMS has not finished changing it, for example its primary Region. Nothing else is changed until
    /// then. A key that was Ready stays Ready.
    Updating,
    /// Keyward is binding the key to this object: it wrote the marks, and reads them back before it does anything else.
    Adopting,
    /// The key is pending deletion, but the object does not declare it.
    PendingDeletion,
    /// The key waits for its key material. Import it with the KMS's own tools.
    PendingImport,
    /// The KMS cannot reach the key, for example because its custom key store is disconnected. Or the KMS refuses a call because of the
    /// state of the key.
    KeyUnavailable,
    /// The key is gone, because its deletion date has passed. Remove the object.
    KeyDeleted,
    /// The key of this object is not found, and no deletion of it was known.
    KeyMissing,
    /// The object requests a deletion, but has no key.
    NothingToDelete,
    /// A field, or an annotation that a person sets, has a value that is not allowed. The message names the field and the allowed values.
    InvalidSpec,
    /// The key to adopt does not match `spec.key`.
    AdoptionMismatch,
    /// The provider's adoption rules, or the state of the key, do not permit this adoption.
    AdoptionNotAllowed,
    /// An alias belongs to another key, which the message names. Keyward moves an alias only from a key of the same namespace and provider,
    /// and only if the object of that key no longer declares the alias.
    AliasTaken,
    /// An alias is no longer declared here, but another object declares it now. The alias stays on the key until that object takes it, so
    /// that it always belongs to a key.
    AliasMoving,
    /// The provider does not allow the key policy. The message names the statement.
    PolicyNotAllowed,
    /// Keyward does not set the key policy, because the policy does not allow Keyward's own principal what it needs. The message names the
    /// missing actions.
    PolicyWouldLockOut,
    /// The KMS does not accept the key policy. If the policy names a principal that was created moments ago, the KMS may not know it yet:
    /// Keyward tries for ten minutes, and then the object is Stalled.
    PolicyNotAccepted,
    /// Keyward has no right to write the `ConfigMap` or Secret of `spec.publishTo`. The message names what gives the right.
    PublishNotPermitted,
    /// The `ConfigMap` or Secret of `spec.publishTo` was not created for this object, so Keyward leaves it as it is.
    PublishTargetTaken,
    /// A rotation on demand that was requested is not done yet: it waits for another state of the key, or for the KMS. Keyward does it later by
    /// itself.
    RotationPending,
    /// A rotation on demand that was requested waits for a person: it is the last one that the KMS allows for this key, or the KMS has a
    /// rotation on record that this object does not know. The message has the command that confirms it.
    RotationHeld,
    /// The key was rotated on demand as often as the KMS allows in a key's life. Automatic rotation continues.
    RotationLimitReached,
    /// On a `KeyGrant`: the grant exists at the KMS as declared.
    Granted,
    /// On a `KeyGrant`: the `ManagedKey` that `keyRef` names does not exist, is being deleted, or has no key of its own yet. On a `ManagedKey`:
    /// the same of the object that `replicaOf` names, or the primary key is not enabled.
    KeyNotReady,
    /// The key that `replicaOf` names is no multi-Region key. Or the key of this object cannot become the primary key: it is no multi-Region
    /// key, or an older object declares `primary` for the same key. Remove `primary` from one of the two.
    NotAPrimary,
    /// On a `KeyGrant`: the provider does not allow the grant. The message names the principal or the operation.
    GrantNotAllowed,
    /// On a `KeyGrant`: the KMS does not know a principal of the grant. It may have been created moments ago: Keyward tries for ten minutes,
    /// and then the object is Stalled.
    GrantNotAccepted,
    /// The key has the marks of another object or cluster.
    OwnedByAnother,
    /// Keyward cannot tell which key belongs to this object, so it creates none.
    ClaimUnclear,
    /// Keyward sent `CreateKey` and does not know whether it took effect. The search for the key gave no clear answer.
    CreateUnresolved,
    /// Keyward could not write the marks on the key, so it makes no other change to it.
    MarksNotWritable,
    /// The provider does not admit this namespace. Keyward made no call.
    NamespaceNotAllowed,
    /// There is no `KeyProvider` with this name.
    ProviderNotFound,
    /// The `KeyProvider` cannot be used yet, for example because its Secret is missing. Its own `Ready` condition says why.
    ProviderNotReady,
    /// The credentials belong to an account that is not the provider's account, or the provider is now for another account, Region or
    /// endpoint than that of the object's key. Keyward changes nothing, and the key does not count as gone.
    WrongAccount,
    /// The KMS denies the call. The message names the operation to allow.
    AccessDenied,
    /// The KMS does not accept the credentials.
    CredentialsInvalid,
    /// A quota of the account is used up, such as the number of keys.
    QuotaExceeded,
    /// The KMS throttles requests. Keyward repeats the call later.
    Throttled,
    /// The KMS does not answer, or cannot be reached. Keyward repeats the call later.
    ProviderUnavailable,
    /// The KMS gave an answer that Keyward does not know, or Keyward has an internal fault. Keyward changes nothing because of it.
    UnknownError,
    /// The key differs from what is declared, and the management policy says not to correct it.
    Drifted,
    /// The annotation `keyward.dev/paused` stops all work on this object.
    Paused,
    /// The last read got the state of the key, and nothing that was read differs from the spec.
    Synced,
    /// The provider is Ready: the KMS accepted its credentials, and its account is the expected one.
    Ready,
    /// On `PendingDeletion`: the object declares this deletion.
    Declared,
    /// On `PendingDeletion`: someone else scheduled the deletion.
    External,
    /// Held: the key does not have this object's marks.
    NotOwned,
    /// Held: the object changed while Keyward decided about the deletion. Keyward decides again.
    StaleObject,
    /// The KMS answers from a copy that is older than the provider's `maxStalenessSeconds`, and the refresh of the copy does not end.
    /// Keyward changes nothing on the basis of such a copy, except to bring a key back.
    StaleView,
    /// Held: the mark on the key does not say that this object was seen without `deletionScheduleDays` while its key was alive, so the
    /// field may come from a copy or a restored backup. Or this object took the key up by its name less than a day ago.
    NotSeenLive,
    /// Held: the mark on the key is newer than the last word that this object wrote, so the object may come from a backup.
    RollbackSuspected,
    /// Held: someone cancelled the deletion, or acted on the key, outside Keyward.
    CancelledOutside,
    /// Held: Keyward was interrupted between its own calls that schedule a deletion or change its days, so it cannot tell their effects
    /// from what others did.
    Interrupted,
    /// Held: the key was used recently.
    KeyInUse,
    /// Held: all deletions through the provider are stopped, or were when this one was requested. An administrator resumes them. After that this one needs its
    /// own token.
    BudgetExhausted,
    /// Held: the provider requires a person's confirmation of every deletion.
    ConfirmationRequired,
    /// Held: the object is being deleted and has a finalizer of somebody else, who may still need the key. Keyward continues when that finalizer is gone.
    OtherFinalizers,
    /// Held: the namespace or the CRD is being deleted. Keyward leaves the keys as they are.
    Terminating,
}

/// What a condition says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is so.
    True,
    /// It is not so.
    False,
    /// It is not known, because the last information is too old.
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

/// The reasons of events on a `ManagedKey`, and on the other kinds where it says so, each with its meaning. Keyward posts an event once, when it did something or when a condition
/// changed.
pub const EVENTS: &[(&str, &str)] = &[
    ("KeyCreated", "The key was created."),
    ("KeyAdopted", "The object adopted the key that `spec.keyId` names."),
    ("KeyTakenUp", "The object took up the key of an earlier object of this name."),
    ("AliasMoved", "Keyward moved an alias to the key from the key of another object that no longer declares it."),
    ("PrimaryMoved", "Keyward made the key, a replica until then, the primary key; the note names the former primary key."),
    ("KeyEnabled", "The key was enabled."),
    ("KeyDisabled", "The key was disabled."),
    ("RotationEnabled", "Rotation was switched on, or its period was changed."),
    ("RotationDisabled", "Rotation was switched off."),
    ("PolicyChanged", "The key policy was set; the note says which statements differed."),
    ("KeyPublished", "The key was published to the ConfigMap or Secret of `spec.publishTo`; the note names it."),
    ("KeyUnpublished", "The key is no longer published to a ConfigMap or Secret; the note names it."),
    (
        "KeyRotated",
        "The KMS reports a new rotation of the key; the note has its date, and says whether it was automatic or on demand if the KMS says it.",
    ),
    ("RotationRequested", "Keyward asked the KMS to rotate the key on demand; the note has the text of the annotation that requested it."),
    (
        "RotationSkipped",
        "Warning. The text of `keyward.dev/rotate-requested-at` causes no rotation: the object had it when it got its key, or it was handled before.",
    ),
    ("KeyDeletionScheduled", "Warning. The deletion of the key was scheduled; the note has the date and the command that cancels it."),
    ("KeyDeletionCancelled", "The deletion was cancelled."),
    ("KeyDeleted", "Warning. The key is gone."),
    (
        "DeletionHeld",
        "Warning. The guard holds a deletion; the note says why, and how it goes on; where a person can confirm it, it has the command.",
    ),
    ("DeletionsStopped", "Warning, on a `KeyProvider`. All deletions through it are stopped; the note has the command that resumes them."),
    ("DeletionsResumed", "On a `KeyProvider`. A person resumed the deletions through it."),
    ("DriftDetected", "Warning. Somebody changed the key, or a record that Keyward keeps; the note has the old and the new value."),
    ("GrantCreated", "On a `KeyGrant`. The grant was made; the note has its id, the principal and the operations."),
    ("GrantRevoked", "On a `KeyGrant`. A grant of this object was revoked; the note says why."),
    ("GrantReleased", "On a `KeyGrant`. The object is being deleted; the note says what is left at the KMS."),
    ("KeyReleased", "The object is being deleted; the note says what happened to its key."),
    ("Paused", "The object is paused."),
    ("SyncFailed", "Warning. Keyward could not bring the key to the declared state, or did not find the key."),
];

/// Puts a condition into the list. It replaces the condition of the same type.
///
/// `lastTransitionTime` moves only when `status` flips, so that an unchanged state is an unchanged status. The message is made [fit](message).
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
        message: self::message(&message.into()),
        observed_generation: Some(generation),
        last_transition_time,
    };
    match conditions.iter_mut().find(|known| known.type_ == kind.as_str()) {
        Some(known) => *known = condition,
        None => conditions.push(condition),
    }
}

/// The longest message that the API server accepts, in characters.
const LONGEST: usize = 32768;

/// A message as a condition may have it: on one line, no longer than the API server accepts. It may quote what others wrote.
#[must_use]
pub fn message(text: &str) -> String {
    text::shown(text).chars().take(LONGEST).collect()
}

/// Removes a condition from the list. Conditions that are present only while True are removed and not set to False.
pub fn remove(conditions: &mut Vec<Condition>, kind: ConditionType) {
    conditions.retain(|known| known.type_ != kind.as_str());
}

/// The condition of this type, if the list has one.
#[must_use]
pub fn find(conditions: &[Condition], kind: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|known| known.type_ == kind.as_str())
}

/// Why a deletion is held, if the conditions say that one is.
#[must_use]
pub fn held(conditions: &[Condition]) -> Option<Reason> {
    reason(find(conditions, ConditionType::DeletionHeld)?)
}

fn reason(condition: &Condition) -> Option<Reason> {
    Reason::ALL.iter().map(|(reason, _)| *reason).find(|reason| reason.as_str() == condition.reason)
}

/// Each of Keyward's conditions in the list, once. A reason that Keyward does not have is left out, because somebody else wrote it.
pub fn ours(conditions: &[Condition]) -> impl Iterator<Item = (ConditionType, Status, Option<Reason>)> {
    ConditionType::ALL.iter().filter_map(|(kind, _)| {
        let found = find(conditions, *kind)?;
        let status = [Status::True, Status::False].into_iter().find(|status| status.as_str() == found.status).unwrap_or(Status::Unknown);
        Some((*kind, status, reason(found)))
    })
}

/// Whether this is a condition type of Keyward. Others may put their own conditions into a status.
#[must_use]
pub fn is_ours(kind: &str) -> bool {
    ConditionType::ALL.iter().any(|(known, _)| known.as_str() == kind)
}

/// The maximum number of conditions in a status.
pub const MOST: usize = 16;

/// A point in time with the precision of the API server, which is seconds. A finer value would always differ from the stored one.
#[must_use]
pub fn seconds(at: jiff::Timestamp) -> Time {
    Time(jiff::Timestamp::from_second(at.as_second()).unwrap_or(at))
}

/// The schema of a condition. It adds Kubernetes' own bounds, which the Rust type does not have, and the texts that `kubectl explain`
/// prints.
pub(super) fn schema() -> Value {
    json!({
        "type": "object",
        "required": ["type", "status", "reason", "message", "lastTransitionTime"],
        "properties": {
            "type": { "type": "string", "description": "The type of the condition.", "minLength": 1, "maxLength": 316 },
            "status": { "type": "string", "description": "Whether the condition is true.", "enum": ["True", "False", "Unknown"] },
            "reason": { "type": "string", "description": "The reason for the status, as one word for tools.", "minLength": 1, "maxLength": 1024 },
            "message": { "type": "string", "description": "The reason for the status and the next step, as a sentence for people.", "maxLength": LONGEST },
            "observedGeneration": { "type": "integer", "format": "int64", "description": "The generation of the spec that this condition describes." },
            "lastTransitionTime": { "type": "string", "format": "date-time", "description": "When `status` last changed." },
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
    fn a_message_is_one_line_that_the_api_server_accepts() {
        let mut list = Vec::new();
        let text = format!("tag \u{1b}[2Jteam\nreason: Available\u{202e}{}", "x".repeat(100_000));
        set(&mut list, ConditionType::Ready, false, Reason::InvalidSpec, text, 1, at(10));
        assert!(list[0].message.starts_with("tag \\u{1b}[2Jteam\\nreason: Available\\u{202e}x"), "{}", &list[0].message[..60]);
        assert_eq!(list[0].message.chars().count(), LONGEST);
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
