//! What can go wrong at a KMS, and what follows from it.
//!
//! Every error of every provider becomes one [`FailureKind`]. Every kind has one [`Verdict`] with one reason, in one exhaustive match. An
//! unknown error is
//! [`FailureKind::Unknown`]; nothing is ever changed after it.

use crate::api::Reason;

/// A call that failed. Its message is the same at every try.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What kind it is.
    pub kind: FailureKind,
    /// The provider's name of the operation, such as `DescribeKey`.
    pub operation: &'static str,
    /// For people. It has no request id, no time and no secret, so a repeated failure leaves the status unchanged.
    pub message: String,
    /// Whether the request may have taken effect although no success was seen.
    pub outcome: Outcome,
    /// The whole chain of causes, only for the log.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Failure {
    /// Whether the call certainly took no effect, and neither did an earlier one like it. A key whose state does not allow the call may have that state because
    /// of an earlier call.
    #[must_use]
    pub fn had_no_effect(&self) -> bool {
        self.outcome == Outcome::Refused && !matches!(self.kind, FailureKind::Conflict | FailureKind::NotFound | FailureKind::Unknown)
    }
}

/// Whether a failed request changed anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The KMS refused it: nothing changed.
    Refused,
    /// There was no answer, or the answer leaves it open.
    Unknown,
}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The KMS has no such key or alias. It may still appear, or be in another account or Region.
    NotFound,
    /// The KMS cannot take a value.
    Invalid,
    /// The KMS does not accept a key policy. It may name a principal that does not exist.
    Policy,
    /// The KMS does not accept a key policy that names a principal. The principal may be so new that the KMS does not know it yet.
    NewPrincipal,
    /// The key's state does not allow it. Often the view of the key was too old.
    Conflict,
    /// The alias is on another key.
    AliasTaken,
    /// The KMS has already what the call would make: a replica in that Region.
    Exists,
    /// The KMS denies the call.
    Denied,
    /// The KMS does not accept the credentials.
    Credentials,
    /// The credentials were good and have expired. They may be renewed soon.
    Expired,
    /// The credentials belong to another account.
    WrongAccount,
    /// A quota of the account is used up.
    Quota,
    /// The key was rotated on demand as often as the KMS allows in its life.
    RotationLimit,
    /// Too many requests.
    Throttled,
    /// The turn of the request within a quota has not come, so it was not sent. This is no failure and is not reported.
    Waiting,
    /// The KMS answered this call with an internal error. Calls about other keys may succeed.
    Faulted,
    /// The KMS, or the network to it, does not answer.
    Unavailable,
    /// Anything else.
    Unknown,
}

impl FailureKind {
    /// Whether the KMS refused the credentials. What it says then can repeat a part of the request that proves who sent it, so it is shown nowhere.
    #[must_use]
    pub const fn is_of_credentials(self) -> bool {
        matches!(self, Self::Credentials | Self::Expired)
    }

    /// One word for logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "NotFound",
            Self::Invalid => "Invalid",
            Self::Policy => "Policy",
            Self::NewPrincipal => "NewPrincipal",
            Self::Conflict => "Conflict",
            Self::AliasTaken => "AliasTaken",
            Self::Exists => "Exists",
            Self::Denied => "Denied",
            Self::Credentials => "Credentials",
            Self::Expired => "Expired",
            Self::WrongAccount => "WrongAccount",
            Self::Quota => "Quota",
            Self::RotationLimit => "RotationLimit",
            Self::Throttled => "Throttled",
            Self::Waiting => "Waiting",
            Self::Faulted => "Faulted",
            Self::Unavailable => "Unavailable",
            Self::Unknown => "Unknown",
        }
    }
}

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// When to try again.
    pub retry: Retry,
    /// Whether a person must act: retrying alone will not help.
    pub stalled: bool,
    /// What the conditions say.
    pub reason: Reason,
}

/// When to try again. How long each of these waits stands in `src/domain/requeue.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// At the next regular read, or when the spec changes.
    Resync,
    /// After 30 seconds, then doubling, up to the resync and at most ten minutes. A person has to correct something at the KMS.
    Slow,
    /// After 5 seconds, then doubling, up to ten minutes.
    Backoff,
}

impl Verdict {
    /// Whether it says nothing about the key. See [`is_no_news`].
    #[must_use]
    pub fn is_no_news(self) -> bool {
        is_no_news(self.reason, self.stalled)
    }
}

/// Whether the reason says nothing about the key, only about the way to the KMS: throttling, an outage, an expired token, an unknown
/// answer. What was known of the key then stays valid for a while.
#[must_use]
pub fn is_no_news(reason: Reason, stalled: bool) -> bool {
    !stalled && matches!(reason, Reason::Throttled | Reason::ProviderUnavailable | Reason::CredentialsInvalid | Reason::UnknownError)
}

impl FailureKind {
    /// Every kind, for tests.
    pub const ALL: [Self; 18] = [
        Self::NotFound,
        Self::Invalid,
        Self::Policy,
        Self::NewPrincipal,
        Self::Conflict,
        Self::AliasTaken,
        Self::Exists,
        Self::Denied,
        Self::Credentials,
        Self::Expired,
        Self::WrongAccount,
        Self::Quota,
        Self::RotationLimit,
        Self::Throttled,
        Self::Waiting,
        Self::Faulted,
        Self::Unavailable,
        Self::Unknown,
    ];

    /// Whether the round ends after such a failure: its meaning is unknown, all other calls would fail too, or the round has to start
    /// again.
    #[must_use]
    pub const fn ends_round(self) -> bool {
        matches!(self, Self::Unknown | Self::Credentials | Self::Expired | Self::WrongAccount | Self::Waiting)
    }

    /// Whether the KMS answered, with something else than that there is no such key. Such an answer ends a row of answers that there is none.
    #[must_use]
    pub const fn is_answer(self) -> bool {
        match self {
            Self::NotFound | Self::Throttled | Self::Waiting | Self::Faulted | Self::Unavailable => false,
            Self::Invalid
            | Self::Policy
            | Self::NewPrincipal
            | Self::Conflict
            | Self::AliasTaken
            | Self::Exists
            | Self::Denied
            | Self::Credentials
            | Self::Expired
            | Self::WrongAccount
            | Self::Quota
            | Self::RotationLimit
            | Self::Unknown => true,
        }
    }

    /// The one verdict on this kind.
    #[must_use]
    pub const fn verdict(self) -> Verdict {
        let (retry, stalled, reason) = match self {
            // A read that finds no key is no failure. This is a call about a key that existed a moment ago.
            Self::NotFound => (Retry::Backoff, false, Reason::KeyMissing),
            Self::Invalid => (Retry::Resync, true, Reason::InvalidSpec),
            Self::Policy => (Retry::Resync, true, Reason::PolicyNotAccepted),
            Self::NewPrincipal => (Retry::Backoff, false, Reason::PolicyNotAccepted),
            Self::AliasTaken => (Retry::Resync, true, Reason::AliasTaken),
            Self::Exists => (Retry::Resync, true, Reason::ClaimUnclear),
            Self::Denied => (Retry::Slow, true, Reason::AccessDenied),
            Self::Credentials => (Retry::Slow, true, Reason::CredentialsInvalid),
            Self::Expired => (Retry::Slow, false, Reason::CredentialsInvalid),
            Self::WrongAccount => (Retry::Slow, true, Reason::WrongAccount),
            Self::Quota => (Retry::Slow, true, Reason::QuotaExceeded),
            Self::RotationLimit => (Retry::Resync, true, Reason::RotationLimitReached),
            Self::Throttled | Self::Waiting => (Retry::Backoff, false, Reason::Throttled),
            Self::Conflict => (Retry::Backoff, false, Reason::KeyUnavailable),
            Self::Faulted | Self::Unavailable => (Retry::Backoff, false, Reason::ProviderUnavailable),
            Self::Unknown => (Retry::Backoff, false, Reason::UnknownError),
        };
        Verdict { retry, stalled, reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_failure_that_a_person_must_correct_is_stalled() {
        use FailureKind::{AliasTaken, Credentials, Denied, Exists, Invalid, Policy, Quota, RotationLimit, WrongAccount};
        let stalled: Vec<_> = FailureKind::ALL.into_iter().filter(|kind| kind.verdict().stalled).collect();
        assert_eq!(stalled, [Invalid, Policy, AliasTaken, Exists, Denied, Credentials, WrongAccount, Quota, RotationLimit]);
    }

    #[test]
    fn nothing_that_stalls_is_retried_within_half_a_minute() {
        for kind in FailureKind::ALL.into_iter().filter(|kind| kind.verdict().stalled) {
            assert_ne!(kind.verdict().retry, Retry::Backoff, "{kind:?}");
        }
    }

    #[test]
    fn only_a_failure_to_reach_the_kms_says_nothing_about_the_key() {
        use FailureKind::{Expired, Faulted, Throttled, Unavailable, Unknown, Waiting};
        let no_news: Vec<_> = FailureKind::ALL.into_iter().filter(|kind| kind.verdict().is_no_news()).collect();
        assert_eq!(no_news, [Expired, Throttled, Waiting, Faulted, Unavailable, Unknown]);
    }
}
