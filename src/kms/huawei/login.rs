//! Logs in to IAM, for a user who has a password and no access key.
//!
//! IAM limits how often it may be asked, and locks out a user who is wrong too often. A password must never be in a message.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::{
    Method, Request, Url,
    header::{CONTENT_TYPE, HeaderValue},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::{failure, operation::Operation, request::request};
use crate::{
    domain::failure::{Failure, FailureKind},
    kms::{
        rest::{Answer, Call, Caller, Dialect, Grant, Login, Refusal},
        waits,
    },
};

/// The header with the token.
const SUBJECT_TOKEN: &str = "x-subject-token";

/// Logs in with a password.
#[derive(Debug)]
pub(super) struct PasswordLogin(pub(super) Caller<Iam>);

impl Login for PasswordLogin {
    const UNPROVED: Duration = Duration::ZERO;
    const REPLACED: Duration = waits::HUAWEI_REPLACED;
    const PASSING: &'static [FailureKind] = &[FailureKind::Faulted, FailureKind::Unavailable];

    /// IAM has no refresh tokens. Half of a token's life is left when it is renewed.
    async fn login(&self, _: Option<&SecretString>) -> Result<Grant, Failure> {
        let Self(caller) = self;
        let Iam { user, domain, password, project, .. } = &caller.dialect;
        let identity = json!({ "methods": ["password"], "password": { "user": {
            "domain": { "name": domain }, "name": user, "password": password.expose_secret(),
        } } });
        let body = json!({ "auth": { "identity": identity, "scope": { "project": { "id": project } } } });
        let path = "/v3/auth/tokens".to_owned();
        let call = Call::new(Operation::CreateToken, "", Method::POST, path).query(vec![("nocatalog", "true".to_owned())]).with(body);
        let answer = caller.call(&call).await?;
        let token = answer.headers.get(SUBJECT_TOKEN).filter(|token| !token.is_empty());
        let header = token.cloned().ok_or_else(|| caller.unusable(Operation::CreateToken, "", &"it has no header X-Subject-Token"))?;
        let life = life(&answer.body);
        Ok(Grant { header, life, ahead: life / 2, refresh: None })
    }
}

/// How long a token lives, by IAM's own clock only.
fn life(body: &[u8]) -> Duration {
    let told = || {
        let body: Value = serde_json::from_slice(body).ok()?;
        let time = |member: &str| body.get("token")?.get(member)?.as_str()?.parse::<Timestamp>().ok();
        Duration::try_from(time("expires_at")?.duration_since(time("issued_at")?)).ok()
    };
    told().map_or(waits::HUAWEI_TOKEN, |told| told.min(waits::HUAWEI_TOKEN))
}

/// The wire protocol of IAM.
#[derive(Debug)]
pub(super) struct Iam {
    pub(super) base: Url,
    pub(super) user: String,
    pub(super) domain: String,
    pub(super) password: SecretString,
    pub(super) project: String,
}

impl Dialect for Iam {
    type Operation = Operation;
    const LOGS_IN: bool = true;
    const NAME: &'static str = "Huawei";

    async fn request(&self, call: &Call<'_, Operation>) -> Result<Request, Failure> {
        let mut request = request(&self.base, call);
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json;charset=utf8"));
        Ok(request)
    }

    fn refusal(&self, answer: &Answer) -> Refusal {
        failure::refusal(answer)
    }

    fn renew(&self, _: &Request) -> bool {
        false
    }

    fn permission(&self, operation: Operation) -> &'static str {
        operation.permission()
    }

    fn credentials(&self, _: &Refusal) -> &'static str {
        "IAM does not know this user with this password, or gives no token for the project; correct username, password and domain in the secret, or \
         the project id of the provider"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_life_of_a_token_is_read_from_the_clock_of_iam() {
        let body = |issued: &str, expires: &str| json!({ "token": { "issued_at": issued, "expires_at": expires } }).to_string();
        let life = |body: &str| life(body.as_bytes());
        assert_eq!(life(&body("2020-01-04T07:05:22.701000Z", "2020-01-04T09:05:22.701000Z")), Duration::from_hours(2));
        assert_eq!(
            life(&body("2020-01-04T09:05:22.701000Z", "2021-01-04T09:05:22.701000Z")),
            waits::HUAWEI_TOKEN,
            "never longer than documented"
        );
        for other in ["", "{}", "<html>", &body("soon", "late"), &body("2020-01-04T09:05:22Z", "2020-01-04T07:05:22Z")] {
            assert_eq!(life(other), waits::HUAWEI_TOKEN, "{other}");
        }
    }
}
