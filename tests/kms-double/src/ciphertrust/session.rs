//! Tokens: the user, the domain, and the lifetime.
//!
//! A bearer token is valid for 300 s after its issue, a refresh token for 30 minutes after its last use, both on the double's clock. A
//! token stays valid when its user is removed, like a signed token. [`Sessions::forget`] ends all tokens.

use std::collections::HashMap;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::failure::Failure;

/// The lifetime of a bearer token in seconds.
pub(crate) const TOKEN_SECONDS: i64 = 300;
/// The lifetime of an unused refresh token in seconds, as replies have it.
pub(crate) const REFRESH_SECONDS: i64 = 1799;

/// The user and the domain of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) username: String,
    pub(crate) account: String,
    /// Id of the domain of the login.
    pub(crate) domain: String,
}

/// The issued tokens.
#[derive(Debug)]
pub(crate) struct Sessions {
    secret: hmac::Key,
    bearers: HashMap<String, (Session, Timestamp)>,
    refreshes: HashMap<String, (Session, Timestamp)>,
    /// Every token that was ever issued.
    pub(crate) issued: Vec<String>,
}

impl Default for Sessions {
    fn default() -> Self {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, uuid::Uuid::new_v4().as_bytes());
        Self { secret, bearers: HashMap::new(), refreshes: HashMap::new(), issued: Vec::new() }
    }
}

impl Sessions {
    /// A new bearer token: a JSON web token with times in whole seconds.
    pub(crate) fn issue(&mut self, session: &Session, now: Timestamp) -> String {
        let (issued, expires) = (now.as_second(), now.as_second() + TOKEN_SECONDS);
        let claims = json!({
            "iss": "kylo",
            "acc": "kylo",
            "aud": "kylo",
            "sub": format!("local|{}", session.username),
            "preferred_username": session.username,
            "cust": { "domain_id": session.domain, "groups": [], "sid": uuid::Uuid::new_v4().to_string(), "zone_id": session.domain },
            "jwtid": uuid::Uuid::new_v4().to_string(),
            "iat": issued,
            "exp": expires,
        });
        let head = URL_SAFE_NO_PAD.encode(json!({ "alg": "HS256", "typ": "JWT" }).to_string());
        let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&self.secret, signed.as_bytes())));
        let expires = Timestamp::from_second(expires).unwrap_or(Timestamp::MAX);
        self.bearers.insert(token.clone(), (session.clone(), expires));
        self.issued.push(token.clone());
        token
    }

    /// A new refresh token.
    pub(crate) fn issue_refresh(&mut self, session: &Session, now: Timestamp) -> String {
        let token = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        self.refreshes.insert(token.clone(), (session.clone(), refresh_end(now)));
        self.issued.push(token.clone());
        token
    }

    /// The session of this bearer token.
    pub(crate) fn bearer(&self, token: Option<&str>, now: Timestamp) -> Result<Session, Failure> {
        let token = token.ok_or_else(|| Failure::unauthorized("Bearer token is missing"))?;
        let known = self.bearers.get(token).ok_or_else(|| Failure::unauthorized("Bearer token malformed: signature is invalid"))?;
        let (session, expires) = known;
        if *expires <= now {
            let text = format!("Bearer token malformed: Token is expired by {}", ago(now.duration_since(*expires)));
            return Err(Failure::unauthorized(text));
        }
        Ok(session.clone())
    }

    /// The session of this refresh token. Its use extends its lifetime.
    pub(crate) fn refresh(&mut self, token: &str, now: Timestamp) -> Result<Session, Failure> {
        let known = self.refreshes.get_mut(token).filter(|(_, expires)| *expires > now);
        let (session, expires) = known.ok_or_else(|| Failure::unauthorized("Refresh token is invalid or expired"))?;
        *expires = refresh_end(now);
        Ok(session.clone())
    }

    /// Ends one refresh token, which another replaces.
    pub(crate) fn drop_refresh(&mut self, token: &str) {
        self.refreshes.remove(token);
    }

    /// Ends every token.
    pub(crate) fn forget(&mut self) {
        self.bearers.clear();
        self.refreshes.clear();
    }
}

fn refresh_end(now: Timestamp) -> Timestamp {
    now.checked_add(SignedDuration::from_secs(REFRESH_SECONDS)).unwrap_or(Timestamp::MAX)
}

/// A duration as the server writes it: `50s`, `1m5s`, `2h0m5s`.
fn ago(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m{rest}s"),
        _ => format!("{hours}h{minutes}m{rest}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_ends_after_five_minutes_and_says_by_how_much_it_is_late() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let session = Session { username: "u".to_owned(), account: "1".to_owned(), domain: "root".to_owned() };
        let mut sessions = Sessions::default();
        let token = sessions.issue(&session, now);
        let at = |seconds| now + SignedDuration::from_secs(seconds);
        assert_eq!(sessions.bearer(Some(&token), at(299)), Ok(session));
        let late = sessions.bearer(Some(&token), at(350)).unwrap_err();
        assert_eq!((late.status, late.text.as_str()), (401, "Bearer token malformed: Token is expired by 50s"));
        assert_eq!([65, 7205].map(|seconds| ago(SignedDuration::from_secs(seconds))), ["1m5s", "2h0m5s"]);
    }
}
