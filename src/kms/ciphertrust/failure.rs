//! Reads the refusals of `CipherTrust`.
//!
//! Either `CipherTrust` itself refuses, by an HTTP status and an `NCERR` name, or AWS behind it. CCKM passes on the name of AWS's exception
//! inside its text. Only `CipherTrust`'s own "resource not found" makes a key absent; no other 404 does.

use serde::Deserialize;

use super::operation::Operation;
use crate::{
    domain::failure::{
        Failure,
        FailureKind::{
            self, AliasTaken, Conflict, Credentials, Denied, Faulted, Invalid, NotFound, Policy, Quota, Throttled, Unavailable, Unknown,
        },
    },
    kms::rest::{Answer, Refusal},
};

/// `CipherTrust`'s name for a resource that does not exist.
const ABSENT: &str = "NCERRResourceNotFound";

/// The kind of every exception of AWS that matters here (AWS KMS API reference, errors of the calls that CCKM makes). Exceptions about
/// credentials are denials: they are about CCKM's own connection to AWS, and another token of `CipherTrust` does not help.
const EXCEPTIONS: &[(&str, FailureKind)] = &[
    ("NotFoundException", NotFound),
    ("InvalidAliasNameException", Invalid),
    ("InvalidArnException", Invalid),
    ("MalformedPolicyDocumentException", Policy),
    ("TagException", Invalid),
    ("UnsupportedOperationException", Invalid),
    ("ValidationException", Invalid),
    ("ConflictException", Conflict),
    ("DisabledException", Conflict),
    ("KMSInvalidStateException", Conflict),
    ("AlreadyExistsException", AliasTaken),
    ("AccessDeniedException", Denied),
    ("ExpiredTokenException", Denied),
    ("IncompleteSignatureException", Denied),
    ("InvalidClientTokenId", Denied),
    ("InvalidSignatureException", Denied),
    ("MissingAuthenticationTokenException", Denied),
    ("UnrecognizedClientException", Denied),
    ("LimitExceededException", Quota),
    ("ThrottlingException", Throttled),
    ("TooManyRequestsException", Throttled),
    ("DependencyTimeoutException", Unavailable),
    ("KMSInternalException", Faulted),
    ("KeyUnavailableException", Faulted),
    ("ServiceUnavailableException", Unavailable),
];

/// The kind of every known name of `CipherTrust`'s own, and the status that has to come with it.
const NAMES: &[(&str, u16, FailureKind)] = &[
    (ABSENT, 404, NotFound),
    ("NCERRInvalidParamValue", 400, Invalid),
    ("NCERRUnauthorized", 401, Credentials),
    ("NCERRConflict", 409, Conflict),
    // CCKM has that alias already.
    ("NCERRKeyAlreadyExists", 409, AliasTaken),
];

/// The body of an error. Only the name in `codeDesc` decides anything.
#[derive(Debug, Default, Deserialize)]
struct Body {
    #[serde(rename = "codeDesc")]
    description: Option<String>,
    message: Option<String>,
}

/// Reads an answer that is no success.
pub(super) fn refusal(answer: &Answer) -> Refusal {
    let Body { description, message } = serde_json::from_slice(&answer.body).unwrap_or_default();
    let (description, message) = (description.unwrap_or_default(), message.unwrap_or_default());
    let (name, text) = description.split_once(':').unwrap_or((&description, ""));
    // It is not documented where the rest of the text is: behind the name, or in a member of its own.
    let text = [text.trim(), message.trim()].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(": ");
    let name = name.split_whitespace().next().unwrap_or_default();
    let Some(name) = Some(name).filter(|name| name.starts_with("NCERR")) else {
        // An answer without a name may be from something else than `CipherTrust`. All the same, an expired token is renewed.
        let kind = Some(by_status(answer.status)).filter(|kind| matches!(kind, Credentials | Throttled | Unavailable)).unwrap_or(Unknown);
        return Refusal { kind, code: None, text };
    };
    let kind = kind(name, answer.status);
    if kind == Credentials {
        return Refusal { kind, code: Some(name.to_owned()), text };
    }
    match exception(&text) {
        None => Refusal { kind, code: Some(name.to_owned()), text },
        Some(Exception::Known(name, kind)) => Refusal { kind, code: Some(name.to_owned()), text },
        Some(Exception::Unheard(name)) => Refusal { kind: Unknown, code: Some(name), text },
    }
}

fn kind(name: &str, status: u16) -> FailureKind {
    let known = NAMES.iter().find(|(known, expected, _)| *known == name && *expected == status);
    known.map_or_else(|| if name == ABSENT { Unknown } else { by_status(status) }, |(_, _, kind)| *kind)
}

/// The kind that a status tells without a name. Without a name nothing is absent.
const fn by_status(status: u16) -> FailureKind {
    match status {
        401 => Credentials,
        403 => Denied,
        409 => Conflict,
        422 => Invalid,
        429 => Throttled,
        500.. => Unavailable,
        _ => Unknown,
    }
}

/// An exception of AWS inside a text.
enum Exception {
    Known(&'static str, FailureKind),
    Unheard(String),
}

/// The exception of AWS that a text names as a whole word. If it names several of different kinds, the result is unknown.
fn exception(text: &str) -> Option<Exception> {
    let mut found = None;
    for word in text.split(|c: char| !c.is_ascii_alphanumeric()) {
        let Some((name, kind)) = EXCEPTIONS.iter().find(|(name, _)| *name == word) else {
            if word.len() > "Exception".len() && word.ends_with("Exception") {
                return Some(Exception::Unheard(word.to_owned()));
            }
            continue;
        };
        match found {
            Some((_, other)) if other != *kind => return Some(Exception::Unheard((*name).to_owned())),
            _ => found = Some((*name, *kind)),
        }
    }
    found.map(|(name, kind)| Exception::Known(name, kind))
}

fn code(failure: &Failure) -> Option<&str> {
    failure.source.as_ref()?.downcast_ref::<Refusal>()?.code.as_deref()
}

/// Whether `CipherTrust` itself says that it has no such resource.
pub(super) fn is_absent(failure: &Failure) -> bool {
    failure.kind == NotFound && code(failure) == Some(ABSENT)
}

/// Whether AWS, and not `CipherTrust`, denies the call.
pub(super) fn is_denied_by_aws(failure: &Failure) -> bool {
    failure.kind == Denied && code(failure) == Some("AccessDeniedException")
}

/// Whether AWS does not support the call for keys of this kind.
pub(super) fn is_unsupported(failure: &Failure) -> bool {
    code(failure) == Some("UnsupportedOperationException")
}

/// Whether a refused creation proves that no key was created. CCKM first creates the key in AWS and then does more there. So only a refusal
/// of CCKM itself, or one that names AWS's `CreateKey`, proves it. If there was no answer, the attempts tell the outcome.
pub(super) fn settles_creation(failure: &Failure) -> bool {
    let Some(refusal) = failure.source.as_ref().and_then(|source| source.downcast_ref::<Refusal>()) else { return true };
    let own = refusal.code.as_deref().is_some_and(|code| code.starts_with("NCERR"));
    let words = || refusal.text.split(|c: char| !c.is_ascii_alphanumeric());
    (own && matches!(failure.kind, Credentials | Denied | Invalid | AliasTaken | Throttled)) || words().any(|word| word == "CreateKey")
}

/// What a person can do if an operation is denied.
pub(super) const fn permission(operation: Operation) -> &'static str {
    match operation {
        Operation::Login => "allow the user to log in to spec.cipherTrust.domain",
        Operation::GetKms | Operation::ListKms => {
            "let the user see the KMS: a CCKM administrator does, or one who is in the KMS's access list"
        }
        Operation::Synchronize | Operation::GetSynchronization => {
            "let the user synchronise the KMS in CCKM: before a key is made a second time, it has to be known that there is none"
        }
        Operation::GetKey | Operation::ListKeys | Operation::Refresh => {
            "let the user view and refresh keys of the KMS in CCKM's access list, and its AWS connection describe them"
        }
        _ => "allow it to the user in the access list of the KMS in CCKM, and to the KMS's AWS connection in IAM and in the key's policy",
    }
}

/// What a person can do if the credentials are not accepted.
pub(super) fn credentials(refusal: &Refusal) -> &'static str {
    match refusal.code.as_deref() {
        Some(ABSENT) => "a domain is not known; correct spec.cipherTrust.domain and spec.cipherTrust.authDomain",
        _ => {
            "correct username and password in the secret that spec.cipherTrust.credentialsSecretRef names, \
             and see that the user is of spec.cipherTrust.authDomain and may work in spec.cipherTrust.domain"
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(status: u16, body: &str) -> Refusal {
        refusal(&Answer { status, headers: reqwest::header::HeaderMap::new(), body: body.into() })
    }

    fn named(status: u16, description: &str) -> (FailureKind, Option<String>) {
        let Refusal { kind, code, .. } = read(status, &json!({ "code": 9, "codeDesc": description }).to_string());
        (kind, code)
    }

    #[test]
    fn only_its_own_word_makes_a_key_absent() {
        let absent = read(404, r#"{"code":16,"codeDesc":"NCERRResourceNotFound: Resource not found"}"#);
        assert_eq!((absent.kind, absent.code.as_deref(), absent.text.as_str()), (NotFound, Some(ABSENT), "Resource not found"));
        for (status, body) in [
            (404, ""),
            (404, "<html>not found</html>"),
            (404, "{}"),
            (404, r#"{"code":16}"#),
            (404, r#"{"code":16,"codeDesc":"Resource not found"}"#),
            (404, r#"{"code":10,"codeDesc":"NCERRNoSuchRoute: not found"}"#),
            (400, r#"{"code":16,"codeDesc":"NCERRResourceNotFound: Resource not found"}"#),
            (200, ""),
        ] {
            let refusal = read(status, body);
            assert_ne!(refusal.kind, NotFound, "{status} {body}");
        }
    }

    #[test]
    fn what_aws_says_inside_the_text_decides() {
        let texts = [
            ("KMSInvalidStateException: arn:aws:kms:eu-west-1:1:key/a is pending deletion.", Conflict, "KMSInvalidStateException"),
            ("operation error KMS: EnableKeyRotation, DisabledException: it is disabled", Conflict, "DisabledException"),
            ("(AlreadyExistsException) alias exists", AliasTaken, "AlreadyExistsException"),
            ("BrandNewException: what", Unknown, "BrandNewException"),
            ("NotMyKMSInvalidStateException: what", Unknown, "NotMyKMSInvalidStateException"),
            ("AccessDeniedException: alias/NotFoundException", Unknown, "NotFoundException"),
            ("ThrottlingException: ThrottlingException", Throttled, "ThrottlingException"),
        ];
        for (text, kind, code) in texts {
            assert_eq!(named(400, &format!("NCERRInvalidParamValue: {text}")), (kind, Some(code.into())), "{text}");
        }
        for (name, kind) in EXCEPTIONS {
            for status in [400, 404, 409, 500] {
                assert_eq!(named(status, &format!("NCERRAny: {name}: text")), (*kind, Some((*name).into())), "{name} {status}");
            }
            assert_eq!(read(502, &format!("<html>{name}</html>")).kind, Unavailable, "a page of a proxy is no word of AWS");
        }
    }

    #[test]
    fn the_rest_is_read_by_its_status() {
        for (status, description, kind) in [
            (400, "NCERRInvalidParamValue: days must be at least 7", Invalid),
            (400, "NCERRBrandNew: what", Unknown),
            (401, "NCERRUnauthorized: Bearer token malformed: Token is expired by 50s", Credentials),
            (403, "NCERRForbidden: no", Denied),
            (409, "NCERRConflict: a job runs", Conflict),
            (422, "NCERRBrandNew: what", Invalid),
            (429, "NCERRBrandNew: what", Throttled),
            (500, "NCERRInternalServerError: what", Unavailable),
        ] {
            assert_eq!(named(status, description).0, kind, "{status} {description}");
        }
        assert_eq!((read(401, "expired").kind, read(401, "expired").code), (Credentials, None));
        for status in [400, 403, 404, 407, 409, 422] {
            assert_eq!(read(status, "<html></html>").kind, Unknown, "{status}");
        }
    }
}
