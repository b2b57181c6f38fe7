//! Tokens of IAM, for those who have a password and no access key.
//!
//! IAM limits how often it may be asked, and locks out whoever is wrong too often. So a token is kept, renewed long before it ends and got by one caller
//! for all; and neither a login that was refused nor one whose token was refused is repeated at once, however many keys are waiting for it. A password
//! must never be in a message.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use reqwest::{
    Method, Request, Url,
    header::{CONTENT_TYPE, HeaderValue},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::{failure, operation::Operation, request::request};
use crate::{
    domain::failure::{Failure, FailureKind, Outcome},
    kms::rest::{Answer, Ask, Caller, Dialect, Refusal},
};

/// How long a token lives where IAM does not say it.
const LIFE: Duration = Duration::from_hours(24);
/// How long nothing is asked of IAM after it did not give a token.
const REST: Duration = Duration::from_mins(1);
/// The header with the token.
const SUBJECT_TOKEN: &str = "x-subject-token";

/// The tokens of one user.
#[derive(Debug)]
pub(super) struct Tokens {
    caller: Caller<Iam>,
    kept: Mutex<Kept>,
    /// Held by the one who logs in; it knows how the last login was refused.
    login: tokio::sync::Mutex<Option<Refused>>,
}

#[derive(Debug, Default)]
struct Kept {
    token: Option<Token>,
    /// When a token that the KMS refused was last given up for another.
    given_up: Option<Instant>,
}

/// A token and how long it is good for, by a clock that nobody sets.
#[derive(Clone)]
struct Token {
    value: HeaderValue,
    renew: Instant,
    end: Instant,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("renew", &self.renew).field("end", &self.end).finish_non_exhaustive()
    }
}

/// A login that was refused.
#[derive(Debug)]
struct Refused {
    kind: FailureKind,
    message: String,
    until: Instant,
}

impl Tokens {
    pub(super) fn new(caller: Caller<Iam>) -> Self {
        Self { caller, kept: Mutex::default(), login: tokio::sync::Mutex::default() }
    }

    /// A token as the value of a header. One that still is good stands in where another cannot be had.
    pub(super) async fn token(&self) -> Result<HeaderValue, Failure> {
        if let Some(token) = self.young() {
            return Ok(token);
        }
        let mut refused = self.login.lock().await;
        // Whoever waited finds what the one before has brought.
        if let Some(token) = self.young() {
            return Ok(token);
        }
        let failure = match refused.as_ref().filter(|refused| Instant::now() < refused.until) {
            Some(refused) => Failure {
                kind: refused.kind,
                operation: Operation::CreateToken.as_str(),
                message: refused.message.clone(),
                outcome: Outcome::Refused,
                source: None,
            },
            None => match self.login().await {
                Ok(token) => {
                    *refused = None;
                    let value = token.value.clone();
                    self.kept().token = Some(token);
                    return Ok(value);
                }
                Err(failure) => {
                    // What cannot be reached may be reached in the next moment; what answers so will answer so again.
                    *refused = (!matches!(failure.kind, FailureKind::Faulted | FailureKind::Unavailable)).then(|| Refused {
                        kind: failure.kind,
                        message: failure.message.clone(),
                        until: Instant::now() + REST,
                    });
                    failure
                }
            },
        };
        self.still_good().ok_or(failure)
    }

    /// The KMS refused that token: whether another can be had. One that is another by now is kept; if the last one was given up just now, then it is not
    /// the token that is wrong.
    pub(super) fn give_up(&self, refused: Option<&HeaderValue>) -> bool {
        let (now, mut kept) = (Instant::now(), self.kept());
        if kept.token.as_ref().is_none_or(|token| refused != Some(&token.value)) {
            return true;
        }
        if kept.given_up.is_some_and(|before| now < before + REST) {
            return false;
        }
        *kept = Kept { token: None, given_up: Some(now) };
        true
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn young(&self) -> Option<HeaderValue> {
        self.kept().token.as_ref().filter(|token| Instant::now() < token.renew).map(|token| token.value.clone())
    }

    /// The token, if it has not ended. It is renewed a while later, so that not every request waits for IAM.
    fn still_good(&self) -> Option<HeaderValue> {
        let now = Instant::now();
        let mut kept = self.kept();
        let token = kept.token.as_mut().filter(|token| now < token.end)?;
        token.renew = now + REST;
        Some(token.value.clone())
    }

    async fn login(&self) -> Result<Token, Failure> {
        let asked = Instant::now();
        let Iam { user, domain, password, project, .. } = &self.caller.dialect;
        let identity = json!({ "methods": ["password"], "password": { "user": {
            "domain": { "name": domain }, "name": user, "password": password.expose_secret(),
        } } });
        let body = json!({ "auth": { "identity": identity, "scope": { "project": { "id": project } } } });
        let path = "/v3/auth/tokens".to_owned();
        let ask = Ask::new(Operation::CreateToken, "", Method::POST, path).query(vec![("nocatalog", "true".to_owned())]).with(body);
        let answer = self.caller.call(&ask).await?;
        let token = answer.headers.get(SUBJECT_TOKEN).filter(|token| !token.is_empty());
        let mut value =
            token.cloned().ok_or_else(|| self.caller.unusable(Operation::CreateToken, "", &"it has no header X-Subject-Token"))?;
        value.set_sensitive(true);
        let life = life(&answer.body);
        Ok(Token { value, renew: asked + life / 2, end: asked + life })
    }
}

/// How long a token lives, by IAM's own clock alone.
fn life(body: &[u8]) -> Duration {
    let told = || {
        let body: Value = serde_json::from_slice(body).ok()?;
        let time = |member: &str| body.get("token")?.get(member)?.as_str()?.parse::<Timestamp>().ok();
        Duration::try_from(time("expires_at")?.duration_since(time("issued_at")?)).ok()
    };
    told().map_or(LIFE, |told| told.min(LIFE))
}

/// How IAM is spoken to.
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
    const NAME: &'static str = "Huawei";

    async fn request(&self, ask: &Ask<'_, Operation>) -> Result<Request, Failure> {
        let mut request = request(&self.base, ask);
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
    use std::sync::Arc;

    use super::*;
    use crate::{
        kms::{
            LeaderCheck,
            huawei::quota,
            rest::{Authorities, client},
        },
        metrics::Metrics,
    };

    /// Tokens of an IAM that does not listen, of which one is kept that is to be renewed, and ends that much later.
    fn kept(end: Duration) -> Tokens {
        let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let base = Url::parse(&format!("http://{closed}")).unwrap();
        let dialect = Iam { base, user: "u".into(), domain: "d".into(), password: "p".into(), project: "0".into() };
        let tokens = Tokens::new(Caller {
            dialect,
            http: client(&Authorities::System).unwrap(),
            quotas: Arc::new(quota::quotas(100, &crate::kms::Books::default(), "")),
            metrics: Metrics::new(false),
            leader_check: LeaderCheck::when(|| false),
        });
        let now = Instant::now();
        tokens.kept().token = Some(Token { value: HeaderValue::from_static("hush"), renew: now, end: now + end });
        tokens
    }

    #[tokio::test]
    async fn a_token_that_is_still_good_stands_in_for_one_that_cannot_be_had() {
        let tokens = kept(Duration::from_hours(1));
        assert_eq!(tokens.token().await.unwrap(), "hush");
        assert!(tokens.young().is_some(), "not every request waits for IAM");
        let failure = kept(Duration::ZERO).token().await.unwrap_err();
        assert_eq!((failure.kind, failure.outcome), (FailureKind::Unavailable, Outcome::Refused), "{failure}");
    }

    #[test]
    fn a_token_is_given_up_once_a_minute_at_most() {
        let (tokens, hush) = (kept(LIFE), HeaderValue::from_static("hush"));
        let (now, another) = (Instant::now(), HeaderValue::from_static("another"));
        assert!(tokens.give_up(Some(&another)), "it is another by now");
        assert!(tokens.kept().token.is_some());
        assert!(tokens.give_up(Some(&hush)));
        assert!(tokens.kept().token.is_none());
        tokens.kept().token = Some(Token { value: hush.clone(), renew: now + LIFE, end: now + LIFE });
        assert!(!tokens.give_up(Some(&hush)), "another would be refused as well");
        assert!(tokens.kept().token.is_some());
    }

    #[test]
    fn the_life_of_a_token_is_read_from_the_clock_of_iam() {
        let body = |issued: &str, expires: &str| json!({ "token": { "issued_at": issued, "expires_at": expires } }).to_string();
        let life = |body: &str| life(body.as_bytes());
        assert_eq!(life(&body("2020-01-04T07:05:22.701000Z", "2020-01-04T09:05:22.701000Z")), Duration::from_hours(2));
        assert_eq!(life(&body("2020-01-04T09:05:22.701000Z", "2021-01-04T09:05:22.701000Z")), LIFE, "never longer than documented");
        for other in ["", "{}", "<html>", &body("soon", "late"), &body("2020-01-04T09:05:22Z", "2020-01-04T07:05:22Z")] {
            assert_eq!(life(other), LIFE, "{other}");
        }
    }

    #[test]
    fn a_token_is_not_shown() {
        let token = Token { value: HeaderValue::from_static("hush"), renew: Instant::now(), end: Instant::now() };
        assert!(!format!("{token:?} {:?}", kept(LIFE)).contains("hush"));
    }
}
