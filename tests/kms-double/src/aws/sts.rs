//! STS: the caller's identity, and sessions of roles. It uses the query protocol: the request is a form, the answer is XML.

use jiff::{SignedDuration, Timestamp};

use super::call::Caller;
use crate::identity::{Credential, Identities};

/// A refused call, with the codes of STS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StsFailure {
    pub(crate) code: &'static str,
    pub(crate) status: u16,
    pub(crate) message: String,
}

/// The minimum, maximum and default length of a session, in seconds.
const SESSION: std::ops::RangeInclusive<i64> = 900..=43_200;
const SESSION_DEFAULT: i64 = 3600;

/// The actions of STS that the double does not have. It denies them for every caller. The actions that it has are checked first.
pub const STS_NOT_SERVED: [&str; 10] = [
    "AssumeRoleWithSAML",
    "AssumeRoleWithWebIdentity",
    "AssumeRoot",
    "DecodeAuthorizationMessage",
    "GetAccessKeyInfo",
    "GetDelegatedAccessToken",
    "GetFederationToken",
    "GetScopedCredentials",
    "GetSessionToken",
    "GetWebIdentityToken",
];

/// Does an action and returns its result element.
pub(crate) fn carry_out(
    action: &str,
    form: &[(String, String)],
    caller: &Caller,
    identities: &mut Identities,
    now: Timestamp,
) -> Result<String, StsFailure> {
    match action {
        "GetCallerIdentity" => Ok(format!(
            "<Arn>{}</Arn><UserId>{}</UserId><Account>{}</Account>",
            escape(&caller.principal),
            escape(&caller.user_id),
            escape(&caller.account)
        )),
        "AssumeRole" => assume_role(form, caller, identities, now),
        _ if STS_NOT_SERVED.contains(&action) => Err(StsFailure {
            code: "AccessDenied",
            status: 403,
            message: format!(
                "User: {} is not authorized to perform: sts:{action} because no identity-based policy allows the sts:{action} action",
                caller.principal
            ),
        }),
        _ => Err(StsFailure {
            code: "InvalidAction",
            status: 400,
            message: format!("Could not find operation {action} for version 2011-06-15"),
        }),
    }
}

/// Does the one action without a signature. A token of the cluster's own issuer authenticates it.
pub(crate) fn assume_role_with_web_identity(
    form: &[(String, String)],
    identities: &mut Identities,
    now: Timestamp,
) -> Result<String, StsFailure> {
    let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let arn = field("RoleArn").ok_or_else(|| invalid("Value null at 'roleArn' failed to satisfy constraint: Member must not be null"))?;
    let session = field("RoleSessionName").filter(|name| is_session_name(name));
    let session = session.ok_or_else(|| invalid("Value at 'roleSessionName' failed to satisfy constraint: Member must not be null"))?;
    let token = field("WebIdentityToken").unwrap_or_default();
    let (partition, account, name) = split_role(arn).ok_or_else(|| invalid(&format!("{arn} is invalid")))?;
    let failure = |code, status, message: &str| StsFailure { code, status, message: message.to_owned() };
    let known = identities.web_identity(token);
    let known = known.ok_or_else(|| failure("InvalidIdentityToken", 400, "The ID Token provided is not a valid JWT."))?;
    if known.expires.is_some_and(|expires| expires <= now) {
        return Err(failure("ExpiredTokenException", 400, "Token expired: the current date/time must be before the expiration date/time"));
    }
    let role = identities.role(arn).filter(|_| known.role == arn).cloned();
    let role = role.ok_or_else(|| failure("AccessDenied", 403, "Not authorized to perform sts:AssumeRoleWithWebIdentity"))?;
    let subject = known.subject.clone();
    let expires = now.checked_add(SignedDuration::from_secs(SESSION_DEFAULT)).map_err(|_| invalid("the session would end out of range"))?;
    let credential = session_of(partition, account, name, session, expires, role.allow);
    let answer = format!(
        "<SubjectFromWebIdentityToken>{}</SubjectFromWebIdentityToken>{}",
        escape(&subject),
        credentials_of(&credential, partition, expires)
    );
    identities.issue(credential);
    Ok(answer)
}

/// The temporary credential of a role's session.
fn session_of(partition: &str, account: &str, role: &str, session: &str, expires: Timestamp, allow: Option<Vec<String>>) -> Credential {
    Credential {
        access_key: format!("ASIA{}", random(16).to_uppercase()),
        secret_key: random(40),
        session_token: Some(random(128)),
        account: account.to_owned(),
        arn: Some(format!("arn:{partition}:sts::{account}:assumed-role/{role}/{session}")),
        expires: Some(expires),
        allow,
    }
}

/// The members that describe a session.
fn credentials_of(credential: &Credential, partition: &str, expires: Timestamp) -> String {
    format!(
        "<AssumedRoleUser><AssumedRoleId>{}</AssumedRoleId><Arn>{}</Arn></AssumedRoleUser>\
         <Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey>\
         <SessionToken>{}</SessionToken><Expiration>{}</Expiration></Credentials>",
        escape(&credential.user_id()),
        escape(&credential.principal(partition)),
        credential.access_key,
        credential.secret_key,
        credential.session_token.as_deref().unwrap_or_default(),
        expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
}

fn assume_role(form: &[(String, String)], caller: &Caller, identities: &mut Identities, now: Timestamp) -> Result<String, StsFailure> {
    let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let arn = field("RoleArn").ok_or_else(|| invalid("Value null at 'roleArn' failed to satisfy constraint: Member must not be null"))?;
    let session = field("RoleSessionName").filter(|name| is_session_name(name));
    let session = session.ok_or_else(|| {
        invalid(
            "Value at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]{2,64}",
        )
    })?;
    let seconds = field("DurationSeconds").map_or(Ok(SESSION_DEFAULT), str::parse::<i64>);
    let seconds = seconds.ok().filter(|seconds| SESSION.contains(seconds));
    let seconds =
        seconds.ok_or_else(|| invalid("Value at 'durationSeconds' failed to satisfy constraint: Member must be between 900 and 43200"))?;
    let (partition, account, name) = split_role(arn).ok_or_else(|| invalid(&format!("{arn} is invalid")))?;
    // A missing role and a role that does not trust the caller give the same answer.
    let role = identities.role(arn).filter(|role| role.external_id.is_none() || role.external_id.as_deref() == field("ExternalId"));
    let Some(role) = role.cloned() else {
        return Err(StsFailure {
            code: "AccessDenied",
            status: 403,
            message: format!("User: {} is not authorized to perform: sts:AssumeRole on resource: {arn}", caller.principal),
        });
    };
    let expires = now.checked_add(SignedDuration::from_secs(seconds)).map_err(|_| invalid("the session would end out of range"))?;
    let credential = session_of(partition, account, name, session, expires, role.allow);
    let answer = credentials_of(&credential, partition, expires);
    identities.issue(credential);
    Ok(answer)
}

/// The document that answers `action`.
pub(crate) fn answer_document(action: &str, result: &str, request_id: &str) -> String {
    format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result>{result}</{action}Result>\
         <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{action}Response>"
    )
}

/// The document of a refusal.
pub(crate) fn error_document(code: &str, message: &str, request_id: &str) -> String {
    format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>{}</Code>\
         <Message>{}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>",
        escape(code),
        escape(message)
    )
}

fn invalid(message: &str) -> StsFailure {
    StsFailure { code: "ValidationError", status: 400, message: message.to_owned() }
}

/// Partition, account and name of `arn:PARTITION:iam::ACCOUNT:role/PATH/NAME`.
fn split_role(arn: &str) -> Option<(&str, &str, &str)> {
    let (partition, rest) = arn.strip_prefix("arn:")?.split_once(":iam::")?;
    let (account, role) = rest.split_once(":role/")?;
    let name = role.rsplit('/').next().filter(|name| !name.is_empty())?;
    (account.len() == 12).then_some((partition, account, name))
}

fn is_session_name(name: &str) -> bool {
    (2..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte))
}

fn random(length: usize) -> String {
    let mut text = String::new();
    while text.len() < length {
        text.push_str(&uuid::Uuid::new_v4().simple().to_string());
    }
    text.truncate(length);
    text
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Role;

    fn caller() -> Caller {
        Caller {
            access_key: "AK".to_owned(),
            account: "111122223333".to_owned(),
            principal: "arn:aws:iam::111122223333:user/keyward".to_owned(),
            user_id: "AIDA".to_owned(),
            region: "us-east-1".to_owned(),
        }
    }

    fn assume(fields: &[(&str, &str)]) -> Result<String, StsFailure> {
        let mut identities = Identities::default();
        identities.put_role(Role::new("arn:aws:iam::444455556666:role/keyward").with_external_id("x-1"));
        let form: Vec<_> = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        carry_out("AssumeRole", &form, &caller(), &mut identities, Timestamp::now())
    }

    #[test]
    fn what_it_lacks_is_denied_and_what_nobody_has_is_no_action() {
        let code = |action: &str| carry_out(action, &[], &caller(), &mut Identities::default(), Timestamp::now()).unwrap_err().code;
        assert_eq!(code("GetSessionToken"), "AccessDenied");
        assert_eq!(code("GetSessionTokens"), "InvalidAction");
    }

    #[test]
    fn a_role_wants_its_external_id() {
        let arn = ("RoleArn", "arn:aws:iam::444455556666:role/keyward");
        let session = ("RoleSessionName", "test");
        let answer = assume(&[arn, session, ("ExternalId", "x-1")]).unwrap();
        assert!(answer.contains("<Arn>arn:aws:sts::444455556666:assumed-role/keyward/test</Arn>"));
        for refused in [&[arn, session][..], &[arn, session, ("ExternalId", "x-2")]] {
            assert_eq!(assume(refused).unwrap_err().code, "AccessDenied");
        }
        let unknown = ("RoleArn", "arn:aws:iam::444455556666:role/other");
        assert_eq!(assume(&[unknown, session]).unwrap_err().code, "AccessDenied");
        assert_eq!(assume(&[arn]).unwrap_err().code, "ValidationError");
        assert_eq!(assume(&[arn, session, ("DurationSeconds", "60")]).unwrap_err().code, "ValidationError");
    }
}
