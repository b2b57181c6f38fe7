//! The token that every request bears: had for a password or for a refresh token, renewed ahead of its end, and by one task at a time.
//!
//! Its life is counted on the clock of this process alone, from before it was asked for: the server's clock may be another. Neither it nor the password may
//! ever be shown.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::{Method, header::HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{login::LoginDialect, operation::Operation};
use crate::{
    domain::failure::{Failure, FailureKind},
    kms::rest::{Ask, Caller},
};

/// How long a token lives if the server does not say (`CipherTrust`: 300 seconds).
const LIFE: u64 = 300;
/// How long before its end a token is renewed, and at most that part of its life.
const AHEAD: (Duration, u32) = (Duration::from_mins(1), 5);
/// For how long a refused password is not tried again: a server locks out whoever tries too often.
const REFUSED: Duration = Duration::from_mins(1);

/// How long it takes until another token is asked for in place of one that was never taken, so that a server which takes none of its own is not asked for one at
/// each call.
const UNPROVED: Duration = Duration::from_secs(30);

/// Whose tokens they are.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) username: String,
    pub(super) password: SecretString,
    pub(super) domain: Option<String>,
    pub(super) auth_domain: Option<String>,
}

/// What a request bears. Its header is marked as a secret, so that it is not shown.
#[derive(Debug)]
struct Token {
    /// When it was asked for.
    since: Instant,
    /// Whether the server ever took it.
    proved: AtomicBool,
    header: HeaderValue,
    renew_at: Instant,
    ends: Instant,
}

/// Makes tokens, one at a time, and keeps the last.
pub(super) struct Tokens {
    caller: Caller<LoginDialect>,
    login: Login,
    current: Mutex<Option<Arc<Token>>>,
    renewal: tokio::sync::Mutex<Renewal>,
}

/// What the task that renews knows.
#[derive(Debug, Default)]
struct Renewal {
    refresh: Option<SecretString>,
    refused: Option<(Instant, FailureKind, String)>,
}

/// The answer to a login.
#[derive(Deserialize)]
struct Granted {
    jwt: String,
    duration: Option<u64>,
    refresh_token: Option<String>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("username", &self.login.username).finish_non_exhaustive()
    }
}

impl Tokens {
    pub(super) fn new(caller: Caller<LoginDialect>, login: Login) -> Self {
        Self { caller, login, current: Mutex::default(), renewal: tokio::sync::Mutex::default() }
    }

    /// The value of `Authorization`. Whoever comes while a token is renewed ahead takes the one that still lives; the others wait for the new one.
    pub(super) async fn header(&self) -> Result<HeaderValue, Failure> {
        let living = self.living();
        let mut renewal = match &living {
            Some(token) if Instant::now() < token.renew_at => return Ok(token.header.clone()),
            Some(token) => match self.renewal.try_lock() {
                Ok(renewal) => renewal,
                Err(_) => return Ok(token.header.clone()),
            },
            None => self.renewal.lock().await,
        };
        if let Some(token) = self.living().filter(|token| Instant::now() < token.renew_at) {
            return Ok(token.header.clone());
        }
        match (self.renew(&mut renewal).await, living) {
            (Ok(token), _) | (Err(_), Some(token)) => Ok(token.header.clone()),
            (Err(failure), None) => Err(failure),
        }
    }

    /// The server took that token.
    pub(super) fn accepted(&self, header: Option<&HeaderValue>) {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = current.as_ref().filter(|token| Some(&token.header) == header) {
            token.proved.store(true, Ordering::Relaxed);
        }
    }

    /// Drops the token that was refused, unless another has taken its place already. Whether another may do better: if it was
    /// given out a moment ago and was never taken, then it is not the token that is wrong.
    pub(super) fn refused(&self, header: Option<&HeaderValue>) -> bool {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_none_or(|token| Some(&token.header) != header) {
            return true;
        }
        if current.as_ref().is_some_and(|token| !token.proved.load(Ordering::Relaxed) && token.since.elapsed() < UNPROVED) {
            return false;
        }
        *current = None;
        true
    }

    fn living(&self) -> Option<Arc<Token>> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.clone().filter(|token| Instant::now() < token.ends)
    }

    /// The refresh token is tried first and once, whatever comes of it; then the password.
    async fn renew(&self, renewal: &mut Renewal) -> Result<Arc<Token>, Failure> {
        if let Some(refresh) = renewal.refresh.take() {
            let body = json!({ "grant_type": "refresh_token", "refresh_token": refresh.expose_secret(), "renew_refresh_token": true });
            match self.ask(body).await {
                Ok((token, next)) => {
                    // A server that gives no new one lets the old one be used again.
                    renewal.refresh = Some(next.unwrap_or(refresh));
                    return Ok(token);
                }
                Err(failure) => {
                    tracing::debug!(error = &failure as &dyn std::error::Error, "the token is not refreshed; the password is used");
                }
            }
        }
        if let Some((_, kind, message)) = renewal.refused.as_ref().filter(|(at, ..)| at.elapsed() < REFUSED) {
            return Err(self.caller.refuse(Operation::Login, "", *kind, message.clone()));
        }
        renewal.refused = None;
        match self.ask(self.login.body()).await {
            Ok((token, refresh)) => {
                renewal.refresh = refresh;
                Ok(token)
            }
            Err(failure) => {
                if !matches!(failure.kind, FailureKind::Throttled | FailureKind::Unavailable) {
                    renewal.refused = Some((Instant::now(), failure.kind, failure.message.clone()));
                }
                Err(failure)
            }
        }
    }

    async fn ask(&self, body: Value) -> Result<(Arc<Token>, Option<SecretString>), Failure> {
        let asked = Instant::now();
        let answer = self.caller.call(&Ask::new(Operation::Login, "", Method::POST, "/auth/tokens".to_owned()).with(body)).await?;
        // What serde says of a text that it cannot read may quote it.
        let unusable = || self.caller.unusable(Operation::Login, "", &"it has no jwt that fits a header");
        let Granted { jwt, duration, refresh_token } = serde_json::from_slice(&answer.body).map_err(|_| unusable())?;
        if jwt.is_empty() {
            return Err(unusable());
        }
        let mut header = HeaderValue::try_from(format!("Bearer {jwt}")).map_err(|_| unusable())?;
        header.set_sensitive(true);
        let token = Arc::new(Token::new(header, asked, duration.unwrap_or(LIFE)));
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&token));
        Ok((token, refresh_token.filter(|token| !token.is_empty()).map(SecretString::from)))
    }
}

impl Token {
    fn new(header: HeaderValue, asked: Instant, seconds: u64) -> Self {
        // No token lives a day.
        let life = Duration::from_secs(seconds.min(86_400));
        let ahead = AHEAD.0.min(life / AHEAD.1);
        Self { header, since: asked, proved: AtomicBool::new(false), renew_at: asked + life.saturating_sub(ahead), ends: asked + life }
    }
}

impl Login {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> Login {
        Login { username: "keyward".into(), password: "hush".into(), domain: None, auth_domain: Some("shop".into()) }
    }

    #[test]
    fn a_token_is_renewed_ahead_of_its_end() {
        let asked = Instant::now();
        for (life, ahead) in [(300, 60), (100, 20), (0, 0), (u64::MAX, 60)] {
            let token = Token::new(HeaderValue::from_static("Bearer x"), asked, life);
            assert_eq!(token.ends - token.renew_at, Duration::from_secs(ahead), "{life}");
            assert_eq!(token.ends - asked, Duration::from_secs(life.min(86_400)));
        }
    }

    #[test]
    fn what_is_not_set_is_not_sent() {
        let expected = json!({ "grant_type": "password", "username": "keyward", "password": "hush", "auth_domain": "shop" });
        assert_eq!(login().body(), expected);
    }

    #[test]
    fn nothing_secret_is_shown() {
        let mut header = HeaderValue::from_static("Bearer hush");
        header.set_sensitive(true);
        let shown = format!("{:?} {:?}", login(), Token::new(header, Instant::now(), 300));
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
    }
}
