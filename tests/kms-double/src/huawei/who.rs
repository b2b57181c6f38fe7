//! Finds the sender of a request by its signature, or by the token of an IAM user.

use jiff::Timestamp;

use super::call::Caller;
use super::failure::{Code, Failure, Service};
use super::identity::Known;
use super::signature::{self, Sent};

/// An unknown sender.
#[derive(Debug)]
pub(crate) struct Stranger {
    pub(crate) name: Option<String>,
    pub(crate) failure: Failure,
}

/// Finds the sender of a request to `service`. Signatures and temporary credentials use `real` time, tokens use the `double`'s time.
pub(crate) fn recognise(known: &Known, service: Service, sent: Sent<'_>, real: Timestamp, double: Timestamp) -> Result<Caller, Stranger> {
    if let Some(authorization) = sent.header("authorization") {
        return by_signature(known, authorization, sent, real);
    }
    by_token(known, sent, double).map_err(|(name, code)| Stranger {
        name,
        failure: match service {
            Service::Kms => Failure::of(code),
            Service::Iam => Failure::iam(401, "The request you have made requires authentication."),
        },
    })
}

fn by_signature(known: &Known, authorization: &str, sent: Sent<'_>, now: Timestamp) -> Result<Caller, Stranger> {
    let refuse =
        |name: Option<&str>, why: &str| Stranger { name: name.map(str::to_owned), failure: Failure::because(Code::NotAuthentic, why) };
    let claim = signature::claim(authorization).map_err(|why| refuse(None, &why))?;
    let name = Some(claim.access_key.as_str());
    let credential = known.credential(&claim.access_key).ok_or_else(|| refuse(name, "the access key is not known"))?;
    if sent.header("x-security-token") != credential.security_token.as_deref() {
        return Err(refuse(name, "the security token does not belong to the access key"));
    }
    if credential.expires.is_some_and(|expires| expires <= now) {
        return Err(refuse(name, "the security token has expired"));
    }
    signature::verify(sent, &claim, &credential.secret_key, now).map_err(|why| refuse(name, &why))?;
    let project = known.project(&credential.project).cloned().ok_or_else(|| refuse(name, "the project is not known"))?;
    Ok(Caller { name: claim.access_key.clone(), project, allow: credential.allow.clone() })
}

fn by_token(known: &Known, sent: Sent<'_>, now: Timestamp) -> Result<Caller, (Option<String>, Code)> {
    let text = sent.header("x-auth-token").filter(|text| !text.is_empty()).ok_or((None, Code::NoToken))?;
    let token = known.token(text).ok_or((None, Code::BadToken))?;
    if token.expires <= now {
        return Err((Some(token.user.clone()), Code::OldToken));
    }
    let user = known.user(&token.domain_name, &token.user).zip(known.project(&token.project));
    let (user, project) = user.ok_or((Some(token.user.clone()), Code::BadToken))?;
    Ok(Caller { name: user.name.clone(), project: project.clone(), allow: user.allow.clone() })
}
