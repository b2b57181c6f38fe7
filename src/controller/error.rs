//! How a round ends: one enum for a `ManagedKey`, and the errors that are no answer of a KMS.

use std::{fmt, time::Duration};

use super::watched::Watched;
use crate::{
    api::{ManagedKey, Reason},
    domain::{
        deletion::hold::Hold,
        desired::Invalid,
        failure::{Failure, FailureKind},
        plan::{Note, Plan},
        provider::Unusable,
        requeue::Next,
    },
    metrics::RoundResult,
    telemetry::causes,
};

/// Why a round could not be brought to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused or did not answer. The source goes to the log only, because its text contains debug output.
    #[error("the API server did not take {0}")]
    Api(&'static str, #[source] Box<kube::Error>),
    /// The round took too long.
    #[error("the round did not end within {} seconds", .0.as_secs())]
    Timeout(Duration),
    /// The task of the round ended without a result.
    #[error("the round was broken off")]
    Ended(#[source] tokio::task::JoinError),
    /// This process is not, or not safely, the leader.
    #[error("the lease is not held; nothing more is changed")]
    NotLeader,
}

impl Error {
    fn status(&self) -> Option<&kube::core::Status> {
        match self {
            Self::Api(_, source) => {
                if let kube::Error::Api(status) = &**source {
                    Some(status)
                } else {
                    None
                }
            }
            _ => None,
        }
    }

    /// Whether the object changed since it was read.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.status().is_some_and(kube::core::Status::is_conflict)
    }

    /// Whether the object is gone.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.status().is_some_and(kube::core::Status::is_not_found)
    }

    /// The label of the round in metrics.
    #[must_use]
    pub const fn result(&self) -> RoundResult {
        match self {
            Self::Api(..) => RoundResult::Api,
            Self::Timeout(_) => RoundResult::Timeout,
            Self::Ended(_) => RoundResult::Ended,
            Self::NotLeader => RoundResult::NotLeader,
        }
    }
}

/// How the round of a `ManagedKey` ends.
///
/// Every step of a round returns one of these instead of its result when the round cannot go on as planned. Two places look at it before the end: a round
/// goes on without a setting that [failed](Self::Failed) or [did not stick](Self::Unkept), if nothing else depends on it. Otherwise `finish` in
/// `managed_key/report.rs` decides what each variant means: what the status says, and when the object is looked at again.
#[derive(Debug)]
pub enum Ending {
    /// The plan came to its end: nothing is left to do now. The status tells the plan, and the plan says when to look again.
    Planned(Box<Plan>),
    /// The guard holds a deletion. The status says why, and what lifts the hold.
    Held(Hold),
    /// The object is paused. The status says so, with this sentence. Next: the regular look.
    Paused(&'static str),
    /// No key was looked at: the provider cannot be used, or the spec cannot be read. The status says why. Next: the regular look, or a change of either.
    Refused {
        /// What the status says.
        note: Note,
        /// Whether a person must act.
        stalled: bool,
    },
    /// A call to the KMS failed. The status says so. Next: a try by the kind of failure, later and later.
    Failed(Failure),
    /// The marks could not be written, so nothing else is done to the key. The status says so. Next: as after a failed call.
    MarksNotWritable(Failure),
    /// Another object has the key, or is being bound to it. The status says which. Next: the regular read.
    Contended {
        /// The key.
        key: String,
        /// The other object, in words.
        by: String,
    },
    /// The marks were written. Next: they are read back before anything else is done, once the KMS must show them.
    ReadBack,
    /// Nothing is known yet that the object could say: its provider is being tried, or did not answer a moment ago and others are finding out. Next: soon.
    Unknown,
    /// The setting was set before and did not stick. The round goes on without it, and it is set again once this time is over.
    Unkept(Duration),
    /// Nothing may be done or concluded before this. What the round did until now is written; otherwise the status stays as it is.
    Later(Next),
    /// Somebody else changed the object during the round. What the round did until now is written. Next: when the watch shows the change.
    Changed,
    /// A live read showed that the object is not as the watch has it. Next: at once, another reading of the object in this round, as it was read.
    Newer(Box<Watched<ManagedKey>>),
    /// The object is gone, or was let go. Nothing is written, and it is not looked at again.
    Gone,
    /// The API server failed the round, or the lease is not held. Nothing more is written. Next: another round, later and later.
    Error(Error),
}

impl Ending {
    /// The time until which a step waits that was just done.
    #[must_use]
    pub const fn until(left: Duration) -> Self {
        Self::Later(Next::Until(left))
    }

    /// One word for logs.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Failed(failure) => failure.kind.as_str(),
            Self::Held(_) => "Held",
            Self::ReadBack => "ReadBack",
            Self::MarksNotWritable(_) => "MarksNotWritable",
            Self::Contended { .. } => "Contended",
            Self::Unkept(_) => "Unkept",
            Self::Planned(_) | Self::Paused(_) | Self::Refused { .. } | Self::Unknown | Self::Gone => "Ended",
            Self::Later(_) | Self::Changed | Self::Newer(_) | Self::Error(_) => "Aborted",
        }
    }

    /// Whether the step was not even tried, so that there is nothing to tell of it.
    #[must_use]
    pub const fn is_untried(&self) -> bool {
        matches!(self, Self::Later(_) | Self::Changed | Self::Newer(_) | Self::Error(_))
    }

    /// A request that did not get its turn within a quota was not sent: the round only gave up its turn, and nothing failed.
    #[must_use]
    pub fn without_turns(self) -> Self {
        match self {
            Self::Failed(failure) if failure.kind == FailureKind::Waiting => Self::Later(Next::TurnGivenUp),
            ending => ending,
        }
    }

    /// The same with a sentence at the end of what the status says.
    #[must_use]
    pub fn with(self, sentence: &str) -> Self {
        let longer = |message: String| format!("{message}{sentence}");
        match self {
            Self::Failed(failure) => Self::Failed(Failure { message: longer(failure.message), ..failure }),
            Self::Held(hold) => Self::Held(Hold { message: longer(hold.message), ..hold }),
            Self::Refused { note, stalled } => Self::Refused { note: Note { message: longer(note.message), ..note }, stalled },
            ending => ending,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Planned(_) => f.write_str("nothing is left to do"),
            Self::Held(hold) => f.write_str(&hold.message),
            Self::Paused(message) => f.write_str(message),
            Self::Refused { note, .. } => f.write_str(&note.message),
            Self::ReadBack => f.write_str("the marks are read back first"),
            Self::Failed(failure) | Self::MarksNotWritable(failure) => f.write_str(&failure.message),
            Self::Contended { key, by } => write!(f, "another object is being bound to key {key}: {by}"),
            Self::Unknown => f.write_str("nothing is known of the key yet"),
            Self::Unkept(left) => write!(f, "the step was done before and did not stick; it waits {} ms more", left.as_millis()),
            Self::Later(Next::Until(left)) => write!(f, "the KMS may not show yet what was done; {} ms are left", left.as_millis()),
            Self::Later(next) => write!(f, "it is done in a later round: {next:?}"),
            Self::Changed => f.write_str("the object was changed by someone else"),
            Self::Newer(_) => f.write_str("the object is not as the watch had it"),
            Self::Gone => f.write_str("the object is gone"),
            Self::Error(error) => f.write_str(&causes(error)),
        }
    }
}

impl From<Failure> for Ending {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Error> for Ending {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<Unusable> for Ending {
    fn from(unusable: Unusable) -> Self {
        Self::Refused { stalled: unusable.is_stalled(), note: unusable.note }
    }
}

impl From<&Invalid> for Ending {
    fn from(invalid: &Invalid) -> Self {
        Self::Refused { note: Note { reason: Reason::InvalidSpec, message: invalid.to_string() }, stalled: true }
    }
}

impl From<Plan> for Ending {
    fn from(plan: Plan) -> Self {
        Self::Planned(Box::new(plan))
    }
}

/// Names what was asked of the API server. A conflict, or an object that is gone, means that the object changed since it was read.
pub(super) fn api(what: &'static str) -> impl FnOnce(kube::Error) -> Ending {
    move |error| match &error {
        kube::Error::Api(status) if status.is_conflict() || status.is_not_found() => Ending::Changed,
        _ => Ending::Error(Error::Api(what, Box::new(error))),
    }
}
