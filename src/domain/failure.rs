//! What can go wrong at a KMS, and what follows from it.
//!
//! Every error of every provider becomes one [`FailureKind`]; every kind has one [`Verdict`] and one reason, in one exhaustive match. An error that
//! is not known is [`FailureKind::Unknown`], and no mutation ever follows from it.

use crate::api::Reason;

/// A call that failed, in words that stay the same from one try to the next.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What kind it is.
    pub kind: FailureKind,
    /// The provider's name of the operation, such as `DescribeKey`.
    pub operation: &'static str,
    /// For people: no request ids, no times, no secrets, so that a repeated failure is an unchanged status.
    pub message: String,
    /// Whether the request may have taken effect though no success was seen.
    pub outcome: Outcome,
    /// The whole chain, for the log alone.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Whether a failed request changed anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The KMS refused it: nothing changed.
    Refused,
    /// No answer, or one that leaves it open.
    Unknown,
}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The key, or the alias, is not there. It may still appear, or be in another account or Region.
    NotFound,
    /// A value that the KMS cannot take.
    Invalid,
    /// The key's state does not allow it; often a view that was old.
    Conflict,
    /// The alias belongs to another key.
    AliasTaken,
    /// The KMS denies it.
    Denied,
    /// The KMS does not accept the credentials.
    Credentials,
    /// The credentials were good and have expired; whoever renews them may be about to.
    Expired,
    /// The credentials belong to another account.
    WrongAccount,
    /// A quota of the account is used up.
    Quota,
    /// Too many requests.
    Throttled,
    /// Its turn within a quota has not come, and it was not sent: no failure, and told to nobody.
    Waiting,
    /// The KMS answered with a fault of its own at this call. It may answer calls about other keys well.
    Faulted,
    /// The KMS, or the way to it, does not answer.
    Unavailable,
    /// Anything else.
    Unknown,
}

impl FailureKind {
    /// One word for logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "NotFound",
            Self::Invalid => "Invalid",
            Self::Conflict => "Conflict",
            Self::AliasTaken => "AliasTaken",
            Self::Denied => "Denied",
            Self::Credentials => "Credentials",
            Self::Expired => "Expired",
            Self::WrongAccount => "WrongAccount",
            Self::Quota => "Quota",
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

/// When to try again. How long each of these waits stands in [`requeue`](super::requeue).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// At the next regular look, or when the spec changes.
    Resync,
    /// What a person has to mend at the KMS: from 30 seconds, doubling, to the resync and at most ten minutes.
    Slow,
    /// From 5 seconds, doubling, to ten minutes.
    Backoff,
}

impl Verdict {
    /// Whether it is about the way to the KMS alone.
    #[must_use]
    pub fn is_no_news(self) -> bool {
        is_no_news(self.reason, self.stalled)
    }
}

/// Whether that is about the way to the KMS alone: throttling, an outage, an expired token, an answer that is not known. It tells nothing of the key, so
/// that what was known of the key stands for a while.
#[must_use]
pub fn is_no_news(reason: Reason, stalled: bool) -> bool {
    !stalled && matches!(reason, Reason::Throttled | Reason::ProviderUnavailable | Reason::CredentialsInvalid | Reason::UnknownError)
}

impl FailureKind {
    /// Every kind, for tests.
    pub const ALL: [Self; 14] = [
        Self::NotFound,
        Self::Invalid,
        Self::Conflict,
        Self::AliasTaken,
        Self::Denied,
        Self::Credentials,
        Self::Expired,
        Self::WrongAccount,
        Self::Quota,
        Self::Throttled,
        Self::Waiting,
        Self::Faulted,
        Self::Unavailable,
        Self::Unknown,
    ];

    /// Whether nothing more is done in a round in which it occurred: what it means is not known, all calls would fail alike, or the round is to begin anew.
    #[must_use]
    pub const fn ends_round(self) -> bool {
        matches!(self, Self::Unknown | Self::Credentials | Self::Expired | Self::WrongAccount | Self::Waiting)
    }

    /// The one verdict on this kind.
    #[must_use]
    pub const fn verdict(self) -> Verdict {
        let (retry, stalled, reason) = match self {
            // A look that finds no key is no failure; this is a call to a key that was there a moment ago.
            Self::NotFound => (Retry::Backoff, false, Reason::KeyMissing),
            Self::Invalid => (Retry::Resync, true, Reason::InvalidSpec),
            Self::AliasTaken => (Retry::Resync, true, Reason::AliasTaken),
            Self::Denied => (Retry::Slow, true, Reason::AccessDenied),
            Self::Credentials => (Retry::Slow, true, Reason::CredentialsInvalid),
            Self::Expired => (Retry::Slow, false, Reason::CredentialsInvalid),
            Self::WrongAccount => (Retry::Slow, true, Reason::WrongAccount),
            Self::Quota => (Retry::Slow, true, Reason::QuotaExceeded),
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
    fn only_what_a_person_must_mend_is_stalled() {
        use FailureKind::{AliasTaken, Credentials, Denied, Invalid, Quota, WrongAccount};
        let stalled: Vec<_> = FailureKind::ALL.into_iter().filter(|kind| kind.verdict().stalled).collect();
        assert_eq!(stalled, [Invalid, AliasTaken, Denied, Credentials, WrongAccount, Quota]);
    }

    #[test]
    fn nothing_that_stalls_is_retried_within_half_a_minute() {
        for kind in FailureKind::ALL.into_iter().filter(|kind| kind.verdict().stalled) {
            assert_ne!(kind.verdict().retry, Retry::Backoff, "{kind:?}");
        }
    }

    #[test]
    fn only_what_is_about_the_way_to_the_kms_is_no_news_of_the_key() {
        use FailureKind::{Expired, Faulted, Throttled, Unavailable, Unknown, Waiting};
        let no_news: Vec<_> = FailureKind::ALL.into_iter().filter(|kind| kind.verdict().is_no_news()).collect();
        assert_eq!(no_news, [Expired, Throttled, Waiting, Faulted, Unavailable, Unknown]);
    }
}
