//! Logs in to `CipherTrust` with a refresh token or a password.

use std::time::Duration;

use reqwest::{Method, Request, header::HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    failure,
    operation::Operation,
    request::{AUTHORITY, NAME, Root},
};
use crate::{
    domain::failure::{Failure, FailureKind},
    kms::{
        rest::{Answer, Call, Caller, Dialect, Grant, Login, Refusal},
        waits,
    },
};

/// Who logs in.
#[derive(Clone, Debug)]
pub(super) struct Credentials {
    pub(super) username: String,
    pub(super) password: SecretString,
    pub(super) domain: Option<String>,
    pub(super) auth_domain: Option<String>,
}

/// The answer to a login.
#[derive(Deserialize)]
struct Granted {
    jwt: String,
    duration: Option<u64>,
    refresh_token: Option<String>,
}

/// Logs in, with a password at first.
#[derive(Debug)]
pub(super) struct PasswordLogin {
    pub(super) caller: Caller<LoginDialect>,
    pub(super) credentials: Credentials,
}

impl Login for PasswordLogin {
    const UNPROVED: Duration = waits::CIPHERTRUST_UNPROVED;
    const REPLACED: Duration = Duration::ZERO;
    const PASSING: &'static [FailureKind] = &[FailureKind::Throttled, FailureKind::Unavailable];

    async fn login(&self, refresh: Option<&SecretString>) -> Result<Grant, Failure> {
        let Self { caller, credentials } = self;
        let body = match refresh {
            Some(refresh) => {
                json!({ "grant_type": "refresh_token", "refresh_token": refresh.expose_secret(), "renew_refresh_token": true })
            }
            None => credentials.body(),
        };
        let answer = caller.call(&Call::new(Operation::Login, "", Method::POST, "/auth/tokens".to_owned()).with(body)).await?;
        let granted: Option<Granted> = serde_json::from_slice(&answer.body).ok();
        // The error of serde may quote the token.
        granted.and_then(Granted::grant).ok_or_else(|| caller.unusable(Operation::Login, "", &"it has no jwt that fits a header"))
    }
}

impl Granted {
    fn grant(self) -> Option<Grant> {
        let Self { jwt, duration, refresh_token } = self;
        if jwt.is_empty() {
            return None;
        }
        let life = duration.map_or(waits::CIPHERTRUST_TOKEN, Duration::from_secs);
        let (longest, part) = waits::CIPHERTRUST_RENEWAL;
        Some(Grant {
            header: HeaderValue::try_from(format!("Bearer {jwt}")).ok()?,
            life,
            ahead: longest.min(life / part),
            refresh: refresh_token.filter(|token| !token.is_empty()).map(SecretString::from),
        })
    }
}

impl Credentials {
    /// Unset members are left out: an explicit null may mean something else to the server.
    fn body(&self) -> Value {
        let mut body = json!({ "grant_type": "password", "username": self.username, "password": self.password.expose_secret() });
        for (member, value) in [("domain", &self.domain), ("auth_domain", &self.auth_domain)] {
            if let (Some(value), Some(body)) = (value, body.as_object_mut()) {
                body.insert(member.to_owned(), Value::from(value.as_str()));
            }
        }
        body
    }
}

/// The wire protocol of a login, which has no token yet.
#[derive(Debug)]
pub(super) struct LoginDialect(pub(super) Root);

impl Dialect for LoginDialect {
    type Operation = Operation;
    const LOGS_IN: bool = true;
    const NAME: &'static str = NAME;
    const AUTHORITY: &'static str = AUTHORITY;

    async fn request(&self, call: &Call<'_, Operation>) -> Result<Request, Failure> {
        self.0.request(call)
    }

    /// If `CipherTrust` itself refuses a login, the credentials or the domains are wrong.
    fn refusal(&self, answer: &Answer) -> Refusal {
        let refusal = failure::refusal(answer);
        match refusal.kind {
            FailureKind::NotFound | FailureKind::Invalid => Refusal { kind: FailureKind::Credentials, ..refusal },
            _ => refusal,
        }
    }

    fn renew(&self, _: &Request) -> bool {
        false
    }

    fn permission(&self, operation: Operation) -> &'static str {
        failure::permission(operation)
    }

    fn credentials(&self, refusal: &Refusal) -> &'static str {
        failure::credentials(refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> Credentials {
        Credentials { username: "keyward".into(), password: "hush".into(), domain: None, auth_domain: Some("shop".into()) }
    }

    #[test]
    fn a_token_is_renewed_ahead_of_its_end() {
        for (life, ahead) in [(300, 60), (100, 20), (0, 0), (u64::MAX, 60)] {
            let granted = Granted { jwt: "a.b.c".into(), duration: Some(life), refresh_token: None };
            let grant = granted.grant().unwrap();
            assert_eq!((grant.life, grant.ahead), (Duration::from_secs(life), Duration::from_secs(ahead)), "{life}");
        }
    }

    #[test]
    fn what_is_not_set_is_not_sent() {
        let expected = json!({ "grant_type": "password", "username": "keyward", "password": "hush", "auth_domain": "shop" });
        assert_eq!(login().body(), expected);
    }

    #[test]
    fn nothing_secret_is_shown() {
        let shown = format!("{:?}", login());
        assert!(shown.contains("keyward") && !shown.contains("hush"), "{shown}");
    }

    #[test]
    fn a_reply_needs_a_token_and_no_more() {
        let granted: Granted = serde_json::from_str(r#"{"jwt":"a.b.c"}"#).unwrap();
        assert!(granted.duration.is_none() && granted.refresh_token.is_none());
        let whole =
            r#"{"jwt":"h.p.s","duration":300,"token_type":"Bearer","client_id":"c","refresh_token":"r","refresh_token_expires_in":1799}"#;
        let granted: Granted = serde_json::from_str(whole).unwrap();
        assert_eq!((granted.jwt.as_str(), granted.duration), ("h.p.s", Some(300)));
        assert!(serde_json::from_str::<Granted>(r#"{"duration":300}"#).is_err());
        for unusable in [r#"{"jwt":""}"#, r#"{"jwt":"a\nb"}"#] {
            assert!(serde_json::from_str::<Granted>(unusable).unwrap().grant().is_none(), "{unusable}");
        }
    }
}
