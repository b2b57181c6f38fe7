//! Finds the service and the sender of a request.

use axum::http::HeaderMap;
use jiff::Timestamp;
use serde_json::Value;

use super::call::Caller;
use super::failure::Failure;
use super::form;
use super::members::Members;
use super::operation::Operation;
use super::partition;
use super::sigv4::{self, Claim, Mistrust, Signed};
use crate::identity::Identities;

/// A service of AWS that the double serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Kms,
    Sts,
}

impl Service {
    /// Its name in a credential scope.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kms => "kms",
            Self::Sts => "sts",
        }
    }

    /// The content type of its replies.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Kms => "application/x-amz-json-1.1",
            Self::Sts => "text/xml",
        }
    }
}

/// A request, read as far as possible.
#[derive(Debug)]
pub(crate) enum Request {
    /// By its header `X-Amz-Target`.
    Kms {
        /// None for an unknown operation.
        operation: Option<Operation>,
        name: String,
        members: Result<Members, Failure>,
    },
    /// By its form.
    Sts { action: String, form: Vec<(String, String)> },
}

impl Request {
    pub(crate) fn parse(headers: &HeaderMap, body: &[u8]) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let target = text("x-amz-target");
        if target.is_empty() && text("content-type").starts_with("application/x-www-form-urlencoded") {
            let form = form::pairs(&String::from_utf8_lossy(body));
            let action = form.iter().find(|(name, _)| name == "Action").map(|(_, value)| value.clone());
            return Self::Sts { action: action.unwrap_or_default(), form };
        }
        let name = target.strip_prefix("TrentService.").unwrap_or(target);
        let operation = target.strip_prefix("TrentService.").and_then(Operation::parse);
        Self::Kms { operation, name: name.to_owned(), members: Members::parse(body) }
    }

    pub(crate) fn service(&self) -> Service {
        match self {
            Self::Kms { .. } => Service::Kms,
            Self::Sts { .. } => Service::Sts,
        }
    }

    /// The operation as the caller wrote it.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Kms { name, .. } => name,
            Self::Sts { action, .. } => action,
        }
    }

    /// The members, if they can be read.
    pub(crate) fn members(&self) -> Option<&Members> {
        match self {
            Self::Kms { members, .. } => members.as_ref().ok(),
            Self::Sts { .. } => None,
        }
    }

    /// The request, as the ledger shows it.
    pub(crate) fn for_ledger(&self) -> Value {
        match self {
            Self::Kms { members, .. } => members.as_ref().map_or(Value::Null, Members::for_ledger),
            Self::Sts { form, .. } => {
                form.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect::<serde_json::Map<_, _>>().into()
            }
        }
    }
}

/// An unknown sender.
#[derive(Debug)]
pub(crate) struct Stranger {
    pub(crate) access_key: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) failure: Failure,
}

/// Why a sender is refused. Each service has its own error for it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Refusal {
    Mistrust(Mistrust),
    UnknownKey,
    Expired,
}

/// Finds the sender of a request. `now` is real time.
pub(crate) fn authenticate(identities: &Identities, request: &Request, signed: Signed<'_>, now: Timestamp) -> Result<Caller, Stranger> {
    let service = request.service();
    let claim = sigv4::claim(signed.headers).map_err(|mistrust| Stranger {
        access_key: None,
        region: None,
        failure: words(service, Refusal::Mistrust(mistrust)),
    })?;
    check(identities, service, &claim, signed, now).map_err(|refusal| Stranger {
        access_key: Some(claim.access_key.clone()),
        region: Some(claim.region.clone()),
        failure: words(service, refusal),
    })
}

fn check(identities: &Identities, service: Service, claim: &Claim, signed: Signed<'_>, now: Timestamp) -> Result<Caller, Refusal> {
    let credential = identities.credential(&claim.access_key).ok_or(Refusal::UnknownKey)?;
    let token = signed.headers.get("x-amz-security-token").and_then(|value| value.to_str().ok());
    if token != credential.session_token.as_deref() {
        return Err(Refusal::UnknownKey);
    }
    if credential.expires.is_some_and(|expires| expires <= now) {
        return Err(Refusal::Expired);
    }
    sigv4::verify(signed, claim, &credential.secret_key, service.name(), now).map_err(Refusal::Mistrust)?;
    Ok(Caller {
        access_key: claim.access_key.clone(),
        account: credential.account.clone(),
        principal: credential.principal(partition::of(&claim.region)),
        user_id: credential.user_id(),
        region: claim.region.clone(),
    })
}

/// KMS answers 400 to all of these, STS mostly 403.
fn words(service: Service, refusal: Refusal) -> Failure {
    let (kms, sts, sts_status, message) = match refusal {
        Refusal::UnknownKey => {
            let message = "The security token included in the request is invalid.".to_owned();
            ("UnrecognizedClientException", "InvalidClientTokenId", 403, message)
        }
        Refusal::Expired => {
            let message = "The security token included in the request is expired".to_owned();
            ("ExpiredTokenException", "ExpiredToken", 403, message)
        }
        Refusal::Mistrust(Mistrust::Missing) => {
            let message = match service {
                Service::Kms => "Missing Authentication Token",
                Service::Sts => "Request is missing Authentication Token",
            };
            ("MissingAuthenticationTokenException", "MissingAuthenticationToken", 403, message.to_owned())
        }
        Refusal::Mistrust(Mistrust::Incomplete(message)) => ("IncompleteSignatureException", "IncompleteSignature", 400, message),
        Refusal::Mistrust(Mistrust::Invalid(message)) => ("InvalidSignatureException", "SignatureDoesNotMatch", 403, message),
    };
    match service {
        Service::Kms => Failure::new(kms, message),
        Service::Sts => Failure { code: sts.to_owned(), status: sts_status, message },
    }
}
