//! The errors of the KMS API: code, HTTP status, message.
//!
//! Codes and statuses are those of the service model. `ValidationException`, `ThrottlingException` and `AccessDeniedException` are not in
//! the model, but AWS answers 400 with them. Texts are similar to AWS's, but clients should not read them.

use crate::world::{KeyRef, KeyState};

/// A refused call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: String,
    pub(crate) status: u16,
    pub(crate) message: String,
}

/// What a call does to a key in its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The call works.
    Works,
    /// `DisabledException`.
    Disabled,
    /// `KMSInvalidStateException`.
    InvalidState,
    /// `UnsupportedOperationException`.
    Unsupported,
}

impl Failure {
    /// A failure with status 400. All failures have it, except the service's own faults.
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), status: 400, message: message.into() }
    }

    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    /// A member of the request violates a constraint of the model.
    pub(crate) fn constraint(value: &str, member: &str, constraint: &str) -> Self {
        Self::validation(format!(
            "1 validation error detected: Value '{value}' at '{}' failed to satisfy constraint: {constraint}",
            lower_first(member)
        ))
    }

    pub(crate) fn serialization(message: impl Into<String>) -> Self {
        Self::new("SerializationException", message)
    }

    pub(crate) fn unknown_operation() -> Self {
        Self::new("UnknownOperationException", "")
    }

    pub(crate) fn no_key(at: &KeyRef) -> Self {
        Self::new("NotFoundException", format!("Key '{}' does not exist", at.arn()))
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new("NotFoundException", message)
    }

    pub(crate) fn invalid_arn(message: impl Into<String>) -> Self {
        Self::new("InvalidArnException", message)
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new("UnsupportedOperationException", message)
    }

    pub(crate) fn tag(message: impl Into<String>) -> Self {
        Self::new("TagException", message)
    }

    /// The key cannot be used for this operation or algorithm.
    pub(crate) fn key_usage(message: impl Into<String>) -> Self {
        Self::new("InvalidKeyUsageException", message)
    }

    /// A fault of the service itself.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self { status: 500, ..Self::new("KMSInternalException", message) }
    }

    pub(crate) fn throttled() -> Self {
        Self::new("ThrottlingException", "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.")
    }

    /// `why` is `identity` or `resource`: which kind of policy lacks the permission.
    pub(crate) fn access_denied(principal: &str, action: &str, resource: &str, why: &str) -> Self {
        Self::new(
            "AccessDeniedException",
            format!(
                "User: {principal} is not authorized to perform: {action} on resource: {resource} \
                 because no {why}-based policy allows the {action} action"
            ),
        )
    }

    /// A service control policy denies the call. AWS does not name the condition of the policy.
    pub(crate) fn denied_by_an_organization(principal: &str, action: &str, resource: &str) -> Self {
        Self::new(
            "AccessDeniedException",
            format!(
                "User: {principal} is not authorized to perform: {action} on resource: {resource} \
                 with an explicit deny in a service control policy"
            ),
        )
    }

    /// The failure for a key whose state forbids the call. None if the call works.
    pub(crate) fn of_state(verdict: Verdict, at: &KeyRef, state: KeyState) -> Option<Self> {
        let arn = at.arn();
        match verdict {
            Verdict::Works => None,
            Verdict::Disabled => Some(Self::new("DisabledException", format!("{arn} is disabled."))),
            Verdict::InvalidState => Some(Self::new("KMSInvalidStateException", format!("{arn} {}.", describe(state)))),
            Verdict::Unsupported => Some(Self::unsupported(format!("{arn} origin is not valid for this operation."))),
        }
    }
}

fn describe(state: KeyState) -> &'static str {
    match state {
        KeyState::Creating => "is creating",
        KeyState::Enabled => "is not pending deletion",
        KeyState::Disabled => "is disabled",
        KeyState::PendingDeletion => "is pending deletion",
        KeyState::PendingImport => "is pending import",
        KeyState::PendingReplicaDeletion => "is pending replica deletion",
        KeyState::Unavailable => "is unavailable",
        KeyState::Updating => "is updating",
    }
}

fn lower_first(member: &str) -> String {
    let mut chars = member.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
