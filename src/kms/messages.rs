//! The sentences about a call that failed, for all adapters. A message names the key or alias, the cause and the next step, and is the same at every try. The
//! message about a KMS that does not work names neither key nor operation, because all objects get the same one.

use std::fmt;

use super::sanitize::sanitize;
use crate::domain::failure::{
    Failure,
    FailureKind::{
        self, AliasTaken, Conflict, Credentials, Denied, Exists, Expired, Faulted, Invalid, NewPrincipal, NotFound, Policy, Quota,
        RotationLimit, Throttled, Unavailable, Unknown, Waiting, WrongAccount,
    },
    Outcome,
};
use crate::{api::annotation, text};

/// The operation of a call, and what it was about.
#[derive(Clone, Copy, Debug)]
pub(super) struct About<'a> {
    /// The KMS.
    pub(super) name: &'static str,
    /// The operation, as the KMS names it.
    pub(super) operation: &'static str,
    /// The key, alias or role; empty for the whole account.
    pub(super) subject: &'a str,
}

/// Says of a refused rotation on demand that none is left, if that is why.
pub(super) fn of_rotation(name: &str, key: &str, failure: Failure) -> Failure {
    if failure.kind != Quota {
        return failure;
    }
    let message = format!(
        "{name} does not rotate {} on demand any more, because it did so as often as it does in a key's life; remove the annotation {}",
        text::name(key),
        annotation::ROTATE_REQUESTED_AT
    );
    Failure { kind: RotationLimit, message, ..failure }
}

/// Says that a Region has a replica of a key already.
pub(super) fn replica_exists(primary: &str, region: &str, failure: Failure) -> Failure {
    let message = format!("Region {} has a replica of key {} already", text::name(region), text::name(primary));
    Failure { kind: Exists, message, ..failure }
}

/// What the KMS answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused<'a> {
    /// The kind of its code.
    pub(super) kind: FailureKind,
    /// Its code. An answer without one is not from the KMS, but from something in between.
    pub(super) code: Option<&'a str>,
    /// Its text.
    pub(super) text: &'a str,
    /// The HTTP status.
    pub(super) status: u16,
    /// The host that answered.
    pub(super) host: &'a str,
}

/// What an adapter knows of a refusal beyond its kind.
pub(super) trait Advice {
    /// What was denied, and what a person can do: `TagResource on key-1 (AccessDenied); allow it`.
    fn denied(&self) -> String;
    /// What a person can do if the KMS does not accept the credentials.
    fn credentials(&self) -> &'static str;
    /// The quota that this operation uses up.
    fn quota(&self) -> &'static str {
        "a quota"
    }
    /// The Region whose requests the KMS counts. `None`: it counts all of them together.
    fn region(&self) -> Option<&str> {
        None
    }
}

impl About<'_> {
    /// The failure with this message.
    pub(super) fn failure(&self, kind: FailureKind, outcome: Outcome, message: String) -> Failure {
        Failure { kind, operation: self.operation, message, outcome, source: None }
    }

    /// The operation and its subject.
    pub(super) fn request(&self) -> String {
        match self.subject {
            "" => self.operation.to_owned(),
            subject => format!("{} on {}", self.operation, text::name(subject)),
        }
    }

    /// The message for an answer that lacks something required.
    pub(super) fn unusable(&self, why: &dyn fmt::Display) -> String {
        let why = sanitize(&why.to_string());
        format!("cannot use {}'s answer to {}: {why}; nothing is changed because of it", self.name, self.request())
    }

    /// The message for a refusal.
    pub(super) fn refused(&self, refused: &Refused<'_>, advice: &impl Advice) -> String {
        let (name, operation, request) = (self.name, self.operation, self.request());
        let &Refused { kind, status, host, .. } = refused;
        let Some(code) = refused.code.map(sanitize) else {
            return match kind {
                Faulted | Unavailable | Throttled => format!("{host} answers with HTTP {status}; it is tried again"),
                _ => format!("{host} answers {request} with HTTP {status} and no code of {name}; check that the endpoint is one of {name}"),
            };
        };
        match kind {
            NotFound => format!("{}; a change made moments ago may not be visible yet", self.not_found()),
            Invalid | Policy | NewPrincipal => match sanitize(refused.text) {
                text if text.is_empty() => format!("{name} does not accept {request}: {code}"),
                text => format!("{name} does not accept {request}: {}", text.trim_end_matches('.')),
            },
            Conflict => format!("the state of the key does not allow {request}; it is looked at again"),
            AliasTaken => format!("{name} does not allow {request}: the name is taken"),
            Exists => format!("{name} does not allow {request}: a replica is there already"),
            Denied => format!("{name} denies {}", advice.denied()),
            Credentials | Expired => format!("{name} does not accept the credentials of {request}: {}", advice.credentials()),
            WrongAccount => {
                format!("{name} says that the credentials of {request} belong to another account ({code}); correct either of them")
            }
            Quota | RotationLimit => {
                format!("{name} refuses {request}: {} is used up ({code}); remove what is not needed, or ask for more", advice.quota())
            }
            Throttled | Waiting => match advice.region() {
                Some(region) => format!("{name} throttles {operation} in {region}; it is tried again, more slowly"),
                None => format!("{name} throttles {operation}; it is tried again, more slowly"),
            },
            // One key can be faulted while the KMS works.
            Faulted => format!("{name} answers {request} with {code}; it is tried again"),
            Unavailable => format!("{name} answers with {code}; it is tried again"),
            Unknown => format!("{name} answers {request} with the unknown code {code}; nothing is changed because of it"),
        }
    }

    /// That the KMS does not know what the call was about. A call about an alias can also miss the alias's key.
    fn not_found(&self) -> String {
        let Self { name, operation, subject } = self;
        let is_key = !subject.is_empty() && !subject.contains("alias/") && !subject.contains(":iam:");
        if is_key {
            return format!("{name} has no key {} ({operation})", text::name(subject));
        }
        format!("{name} does not find the key or alias of {}", self.request())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Allow;

    impl Advice for Allow {
        fn denied(&self) -> String {
            "read on key-1; allow it".to_owned()
        }

        fn credentials(&self) -> &'static str {
            "correct them"
        }
    }

    #[test]
    fn text_of_a_kms_is_shortened_to_one_line() {
        let about = About { name: "KMS", operation: "read", subject: "key-1" };
        let odd = "odd\n".repeat(1000);
        let refused = |kind| Refused { kind, code: Some(&odd), text: &odd, status: 400, host: "kms" };
        for message in [about.refused(&refused(Unknown), &Allow), about.refused(&refused(Invalid), &Allow), about.unusable(&odd)] {
            assert!(!message.contains('\n') && message.len() < 600 && message.contains("odd odd"), "{message}");
        }
    }

    /// A KMS that does not work gives all objects the same message. A fault of one key names the key.
    #[test]
    fn only_a_fault_of_one_key_names_it() {
        let message = |kind, subject| {
            let refused = Refused { kind, code: Some("Odd"), text: "", status: 500, host: "kms" };
            About { name: "KMS", operation: "read", subject }.refused(&refused, &Allow)
        };
        assert_eq!(message(Unavailable, "key-1"), message(Unavailable, "key-2"));
        assert_eq!(message(Faulted, "key-1"), "KMS answers read on key-1 with Odd; it is tried again");
    }
}
