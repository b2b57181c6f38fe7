//! What ends a round early, apart from what a KMS answers.

use std::{fmt, time::Duration};

use super::watched::Watched;
use crate::{
    api::ManagedKey,
    domain::{deletion::hold::Hold, failure::Failure},
    metrics::RoundResult,
    telemetry::causes,
};

/// Why a round could not be brought to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused or did not answer. The source goes to the log only: its text has debug output in it.
    #[error("the API server did not take {0}")]
    Api(&'static str, #[source] Box<kube::Error>),
    /// The round took too long.
    #[error("the round did not end within {} seconds", .0.as_secs())]
    Timeout(Duration),
    /// Its task ended without a result.
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

    /// What the metric counts it as.
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

/// What ends a round with nothing to report.
#[derive(Debug)]
pub enum Abort {
    /// The object changed under the round, or was written by someone else: it is looked at anew.
    Changed,
    /// A live read showed that the object is not as the round took it: it is looked at anew, as it was read.
    Newer(Box<Watched<ManagedKey>>),
    /// The step was done a moment ago, and the KMS may not show it yet.
    TooSoon(Duration),
    /// The round cannot go on.
    Error(Error),
}

impl fmt::Display for Abort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed => f.write_str("the object was changed by someone else"),
            Self::Newer(_) => f.write_str("the object is not as the watch had it"),
            Self::TooSoon(left) => write!(f, "the step was done a moment ago; {} ms are left", left.as_millis()),
            Self::Error(error) => f.write_str(&causes(error)),
        }
    }
}

impl Halt {
    /// One word for logs.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Failed(failure) => failure.kind.as_str(),
            Self::Held(_) => "Held",
            Self::ReadBack => "ReadBack",
            Self::MarksNotWritable(_) => "MarksNotWritable",
            Self::Contended(_) => "Contended",
            Self::Unkept(_) => "Unkept",
            Self::Abort(_) => "Aborted",
        }
    }
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(failure) | Self::MarksNotWritable(failure) => f.write_str(&failure.message),
            Self::Held(hold) => f.write_str(&hold.message),
            Self::ReadBack => f.write_str("the marks are read back first"),
            Self::Contended(by) => write!(f, "another object is being bound to the same key: {by}"),
            Self::Unkept(left) => write!(f, "it was done before and did not stick; {} ms are left", left.as_millis()),
            Self::Abort(abort) => abort.fmt(f),
        }
    }
}

/// What keeps a step from being done.
#[derive(Debug)]
pub enum Halt {
    /// The KMS failed it.
    Failed(Failure),
    /// The guard holds it.
    Held(Hold),
    /// The marks were written; they are read back before anything else is done.
    ReadBack,
    /// The marks could not be written, so nothing else is done to the key.
    MarksNotWritable(Failure),
    /// Another object is being bound to the same key.
    Contended(String),
    /// The setting was set before and did not stick: it waits that long, and the rest goes on without it.
    Unkept(Duration),
    /// Nothing is known that the status does not say already.
    Abort(Abort),
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Abort> for Halt {
    fn from(abort: Abort) -> Self {
        Self::Abort(abort)
    }
}

/// Names what was asked of the API server. A conflict, or an object that is gone, means that the view was old.
pub(super) fn api(what: &'static str) -> impl FnOnce(kube::Error) -> Abort {
    move |error| match &error {
        kube::Error::Api(status) if status.is_conflict() || status.is_not_found() => Abort::Changed,
        _ => Abort::Error(Error::Api(what, Box::new(error))),
    }
}
