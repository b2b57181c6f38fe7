//! Messages about calls that failed. A message names the key or alias, the cause and the next step, and is the same at every try. The
//! message about a KMS that cannot be reached names neither key nor operation, because all objects get the same one.

use std::{fmt, marker::PhantomData};

use super::{Dialect, Operation, Refusal};
use crate::{
    domain::failure::{
        Failure,
        FailureKind::{
            self, AliasTaken, Conflict, Credentials, Denied, Expired, Faulted, Invalid, NewPrincipal, NotFound, Policy, Quota, Throttled,
            Unavailable, Waiting, WrongAccount,
        },
        Outcome,
    },
    kms::sanitize::{not_found, sanitize},
    text,
};

/// The operation of a call, and the key or alias that it was about.
pub(super) struct About<'a, D: Dialect> {
    operation: D::Operation,
    subject: &'a str,
    dialect: PhantomData<D>,
}

impl<'a, D: Dialect> About<'a, D> {
    pub(super) const fn new(operation: D::Operation, subject: &'a str) -> Self {
        Self { operation, subject, dialect: PhantomData }
    }

    pub(super) fn failure(&self, kind: FailureKind, outcome: Outcome, message: String) -> Failure {
        Failure { kind, operation: self.operation.as_str(), message, outcome, source: None }
    }

    /// The operation and its subject.
    pub(super) fn request(&self) -> String {
        match self.subject {
            "" => self.operation.as_str().to_owned(),
            subject => format!("{} on {}", self.operation.as_str(), text::name(subject)),
        }
    }

    /// The message for an answer that lacks something required.
    pub(super) fn unusable(&self, why: &dyn fmt::Display) -> String {
        let why = sanitize(&why.to_string());
        format!("cannot use {}'s answer to {}: {why}; nothing is changed because of it", D::NAME, self.request())
    }

    /// The message for a refusal.
    pub(super) fn refused(&self, dialect: &D, refusal: &Refusal, status: u16, host: &str) -> String {
        let (name, request) = (D::NAME, self.request());
        let Some(code) = refusal.code.as_deref().map(sanitize) else {
            return match refusal.kind {
                Faulted | Unavailable | Throttled => format!("{host} answers with HTTP {status}; it is tried again"),
                _ => format!("{host} answers {request} with HTTP {status} and no code of {name}; check that the endpoint is one of {name}"),
            };
        };
        let said = match sanitize(&refusal.text) {
            text if text.is_empty() || D::LOGS_IN => code.clone(),
            text => text.trim_end_matches('.').to_owned(),
        };
        match refusal.kind {
            NotFound => {
                format!("{}; a change made moments ago may not be visible yet", not_found(name, self.operation.as_str(), self.subject))
            }
            Invalid | Policy | NewPrincipal => format!("{name} does not accept {request}: {said}"),
            Conflict => format!("the state of the key does not allow {request}; it is looked at again"),
            AliasTaken => format!("{name} does not allow {request}: the name is taken"),
            Denied => format!("{name} denies {request} ({code}); {}", dialect.permission(self.operation)),
            Credentials | Expired => format!("{name} does not accept the credentials of {request}: {}", dialect.credentials(refusal)),
            WrongAccount => {
                format!("{name} says that the credentials of {request} belong to another account ({code}); correct either of them")
            }
            Quota => format!("{name} refuses {request}: a quota is used up ({code}); remove what is not needed, or ask for more"),
            Throttled | Waiting => format!("{name} throttles {}; it is tried again, more slowly", self.operation.as_str()),
            Faulted | Unavailable => format!("{name} answers with {code}; it is tried again"),
            FailureKind::Unknown => {
                format!("{name} answers {request} with the unknown code {code}; nothing is changed because of it")
            }
        }
    }
}
