//! The session of one user: the token that each request bears, and when another is asked for.
//!
//! One caller logs in for all others. A token is renewed ahead of its end; until then it serves whoever does not renew it. A refused login
//! is not repeated for a minute, because a server locks out a user who is wrong too often. The life of a token is measured with the clock
//! of this process, from before the login was sent. Neither a token nor a password may ever be shown.

use std::{
    fmt::{self, Debug},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use reqwest::header::HeaderValue;
use secrecy::SecretString;

use crate::domain::failure::{Failure, FailureKind, Outcome};
use crate::kms::waits;

/// How a KMS gives tokens, and how often it may be asked for one.
pub(in crate::kms) trait Login: Debug + Send + Sync + 'static {
    /// How long a token is kept that the KMS refused and never accepted. A refusal of a token that new is not caused by its age.
    const UNPROVED: Duration;
    /// How long a refused token is kept after another was replaced.
    const REPLACED: Duration;
    /// Failures that pass by themselves: after one of them, the next caller may call at once.
    const PASSING: &'static [FailureKind];

    /// Asks for a token, by the refresh token of the last grant if there is one, otherwise by the password.
    fn login(&self, refresh: Option<&SecretString>) -> impl Future<Output = Result<Grant, Failure>> + Send;
}

/// What a login brought.
pub(in crate::kms) struct Grant {
    /// The token, as the value of a header.
    pub(in crate::kms) header: HeaderValue,
    /// How long it lives.
    pub(in crate::kms) life: Duration,
    /// How long before its end it is renewed.
    pub(in crate::kms) ahead: Duration,
    /// What gets the next token without the password.
    pub(in crate::kms) refresh: Option<SecretString>,
}

/// Without the token.
impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { header: _, life, ahead, refresh } = self;
        f.debug_struct("Grant").field("life", life).field("ahead", ahead).field("refresh", refresh).finish_non_exhaustive()
    }
}

/// The session of one user.
#[derive(Debug)]
pub(in crate::kms) struct Session<L> {
    login: L,
    kept: Mutex<Kept>,
    /// Whoever holds it logs in.
    renewal: tokio::sync::Mutex<Renewal>,
}

#[derive(Debug, Default)]
struct Kept {
    token: Option<Token>,
    /// When a refused token was last given up for another.
    replaced: Option<Instant>,
}

/// A token. Its header is marked as a secret, so that it is not shown.
#[derive(Clone, Debug)]
struct Token {
    header: HeaderValue,
    /// When it was asked for.
    since: Instant,
    renew_at: Instant,
    ends: Instant,
    /// Whether the KMS ever accepted it.
    proved: bool,
}

/// What the caller that logs in knows.
#[derive(Debug, Default)]
struct Renewal {
    refresh: Option<SecretString>,
    refused: Option<Refused>,
}

/// A login that was refused.
#[derive(Debug)]
struct Refused {
    at: Instant,
    kind: FailureKind,
    operation: &'static str,
    message: String,
}

impl<L: Login> Session<L> {
    pub(in crate::kms) fn new(login: L) -> Self {
        Self { login, kept: Mutex::default(), renewal: tokio::sync::Mutex::default() }
    }

    /// The token, as the value of a header. While one caller renews it ahead of its end, the others use the token that still lives; without
    /// one they wait.
    pub(in crate::kms) async fn header(&self) -> Result<HeaderValue, Failure> {
        let living = self.living();
        let mut renewal = match living {
            Some(token) if Instant::now() < token.renew_at => return Ok(token.header),
            Some(token) => match self.renewal.try_lock() {
                Ok(renewal) => renewal,
                Err(_) => return Ok(token.header),
            },
            None => self.renewal.lock().await,
        };
        // Whoever waited finds the token that the one before has got.
        if let Some(token) = self.living().filter(|token| Instant::now() < token.renew_at) {
            return Ok(token.header);
        }
        match self.renew(&mut renewal).await {
            Ok(header) => Ok(header),
            Err(failure) => self.postponed().ok_or(failure),
        }
    }

    /// The KMS accepted that token.
    pub(in crate::kms) fn accepted(&self, header: Option<&HeaderValue>) {
        if let Some(token) = self.kept().token.as_mut().filter(|token| Some(&token.header) == header) {
            token.proved = true;
        }
    }

    /// The KMS refused that token. Whether the request may be sent again: with the token that has taken its place by now, or with another
    /// that has to be asked for. If another would be refused as well, the token is kept.
    pub(in crate::kms) fn refused(&self, header: Option<&HeaderValue>) -> bool {
        let (now, mut kept) = (Instant::now(), self.kept());
        let Some(token) = kept.token.as_ref().filter(|token| Some(&token.header) == header) else { return true };
        let is_new = !token.proved && now < token.since + L::UNPROVED;
        if is_new || kept.replaced.is_some_and(|at| now < at + L::REPLACED) {
            return false;
        }
        *kept = Kept { token: None, replaced: Some(now) };
        true
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn living(&self) -> Option<Token> {
        self.kept().token.clone().filter(|token| Instant::now() < token.ends)
    }

    /// The token, if it still lives though it could not be renewed. The next try is a while later, so that not every request waits for a
    /// login.
    fn postponed(&self) -> Option<HeaderValue> {
        let (now, mut kept) = (Instant::now(), self.kept());
        let token = kept.token.as_mut().filter(|token| now < token.ends)?;
        token.renew_at = now + waits::LOGIN_PAUSE.min((token.ends - now) / 2);
        Some(token.header.clone())
    }

    /// The refresh token is tried once, and then the password.
    async fn renew(&self, renewal: &mut Renewal) -> Result<HeaderValue, Failure> {
        if let Some(refresh) = renewal.refresh.take() {
            match self.grant(Some(&refresh)).await {
                Ok((header, next)) => {
                    // A server that gives no new refresh token lets the old one be used again.
                    renewal.refresh = Some(next.unwrap_or(refresh));
                    return Ok(header);
                }
                Err(failure) => {
                    tracing::debug!(error = &failure as &dyn std::error::Error, "the token is not refreshed; the password is used");
                }
            }
        }
        if let Some(Refused { kind, operation, message, .. }) =
            renewal.refused.as_ref().filter(|refused| refused.at.elapsed() < waits::LOGIN_PAUSE)
        {
            let (message, outcome) = (message.clone(), Outcome::Refused);
            return Err(Failure { kind: *kind, operation, message, outcome, source: None });
        }
        renewal.refused = None;
        match self.grant(None).await {
            Ok((header, refresh)) => {
                renewal.refresh = refresh;
                Ok(header)
            }
            Err(failure) => {
                if !L::PASSING.contains(&failure.kind) {
                    let Failure { kind, operation, ref message, .. } = failure;
                    renewal.refused = Some(Refused { at: Instant::now(), kind, operation, message: message.clone() });
                }
                Err(failure)
            }
        }
    }

    async fn grant(&self, refresh: Option<&SecretString>) -> Result<(HeaderValue, Option<SecretString>), Failure> {
        let asked = Instant::now();
        let granted = self.login.login(refresh).await?;
        let token = Token::new(asked, &granted);
        let header = token.header.clone();
        self.kept().token = Some(token);
        Ok((header, granted.refresh))
    }
}

impl Token {
    fn new(asked: Instant, granted: &Grant) -> Self {
        let Grant { header, life, ahead, refresh: _ } = granted;
        let mut header = header.clone();
        header.set_sensitive(true);
        let life = (*life).min(waits::LONGEST_TOKEN);
        Self { header, since: asked, renew_at: asked + life.saturating_sub(*ahead), ends: asked + life, proved: false }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    /// Grants tokens that are called by their number, or fails.
    #[derive(Debug)]
    struct Fake<const UNPROVED: u64, const REPLACED: u64> {
        logins: Arc<AtomicUsize>,
        refreshes: Arc<AtomicUsize>,
        life: Duration,
        ahead: Duration,
        fails: Option<FailureKind>,
        refresh: bool,
    }

    impl<const UNPROVED: u64, const REPLACED: u64> Login for Fake<UNPROVED, REPLACED> {
        const UNPROVED: Duration = Duration::from_secs(UNPROVED);
        const REPLACED: Duration = Duration::from_secs(REPLACED);
        const PASSING: &'static [FailureKind] = &[FailureKind::Unavailable];

        async fn login(&self, refresh: Option<&SecretString>) -> Result<Grant, Failure> {
            let count = if refresh.is_some() { &self.refreshes } else { &self.logins };
            let number = count.fetch_add(1, Ordering::SeqCst);
            // Others come meanwhile.
            tokio::task::yield_now().await;
            if let Some(kind) = self.fails {
                return Err(Failure { kind, operation: "login", message: "no".into(), outcome: Outcome::Refused, source: None });
            }
            let header = HeaderValue::try_from(format!("hush {}{number}", if refresh.is_some() { "refreshed " } else { "" })).unwrap();
            let refresh = self.refresh.then(|| SecretString::from("hush"));
            Ok(Grant { header, life: self.life, ahead: self.ahead, refresh })
        }
    }

    type Plain = Fake<30, 0>;

    fn fake<const UNPROVED: u64, const REPLACED: u64>(fails: Option<FailureKind>) -> Fake<UNPROVED, REPLACED> {
        let (logins, refreshes) = (Arc::default(), Arc::default());
        Fake { logins, refreshes, life: HOUR, ahead: HOUR / 5, fails, refresh: false }
    }

    fn count(count: &AtomicUsize) -> usize {
        count.load(Ordering::SeqCst)
    }

    /// A session whose token is to be renewed and ends that much later.
    fn to_renew(login: Plain, end: Duration) -> Session<Plain> {
        let session = Session::new(login);
        let now = Instant::now();
        let header = HeaderValue::from_static("old");
        session.kept().token = Some(Token { header, since: now, renew_at: now, ends: now + end, proved: true });
        session
    }

    #[tokio::test]
    async fn many_callers_at_once_log_in_once() {
        let session = Session::new(fake::<30, 0>(None));
        for header in futures::future::join_all((0..20).map(|_| session.header())).await {
            assert_eq!(header.unwrap(), "hush 0");
        }
        assert_eq!(count(&session.login.logins), 1);
    }

    #[tokio::test]
    async fn a_token_is_renewed_ahead_of_its_end_and_serves_the_others_meanwhile() {
        let session = to_renew(fake(None), HOUR);
        let headers = futures::future::join_all((0..3).map(|_| session.header())).await;
        let headers: Vec<_> = headers.into_iter().map(Result::unwrap).collect();
        assert_eq!(headers, ["hush 0", "old", "old"]);
        assert_eq!((session.header().await.unwrap(), count(&session.login.logins)), (HeaderValue::from_static("hush 0"), 1));
    }

    #[tokio::test]
    async fn a_token_that_still_lives_stands_in_for_one_that_cannot_be_had() {
        let session = to_renew(fake(Some(FailureKind::Unavailable)), HOUR);
        for _ in 0..3 {
            assert_eq!(session.header().await.unwrap(), "old");
        }
        assert_eq!(count(&session.login.logins), 1, "not every request waits for a login");
        assert_eq!(
            to_renew(fake(Some(FailureKind::Unavailable)), Duration::ZERO).header().await.unwrap_err().kind,
            FailureKind::Unavailable
        );
    }

    #[tokio::test]
    async fn a_refused_login_is_not_repeated_and_one_that_failed_in_passing_is() {
        for (kind, logins) in [(FailureKind::Credentials, 1), (FailureKind::Unavailable, 3)] {
            let session = Session::new(fake::<30, 0>(Some(kind)));
            for _ in 0..3 {
                let failure = session.header().await.unwrap_err();
                assert_eq!((failure.kind, failure.operation, failure.message.as_str()), (kind, "login", "no"));
            }
            assert_eq!(count(&session.login.logins), logins, "{kind:?}");
        }
    }

    #[tokio::test]
    async fn the_refresh_token_comes_before_the_password() {
        let session = Session::new(Plain { life: Duration::ZERO, refresh: true, ..fake(None) });
        assert_eq!(session.header().await.unwrap(), "hush 0");
        assert_eq!(session.header().await.unwrap(), "hush refreshed 0");
        assert_eq!((count(&session.login.logins), count(&session.login.refreshes)), (1, 1));
        let session = Session::new(Plain { life: Duration::ZERO, fails: Some(FailureKind::Credentials), ..fake(None) });
        session.renewal.lock().await.refresh = Some("hush".into());
        session.header().await.unwrap_err();
        session.header().await.unwrap_err();
        assert_eq!((count(&session.login.logins), count(&session.login.refreshes)), (1, 1), "it is tried once");
    }

    #[tokio::test]
    async fn a_token_that_was_never_accepted_is_not_replaced_at_once() {
        let session = Session::new(fake::<30, 0>(None));
        let header = session.header().await.unwrap();
        assert!(session.refused(Some(&HeaderValue::from_static("another"))), "it is another by now");
        assert!(!session.refused(Some(&header)), "another would be refused as well");
        session.accepted(Some(&header));
        assert!(session.refused(Some(&header)));
        assert!(session.living().is_none());
    }

    #[tokio::test]
    async fn a_token_is_replaced_once_a_minute_at_most() {
        let session = Session::new(fake::<0, 60>(None));
        let header = session.header().await.unwrap();
        assert!(session.refused(Some(&header)));
        let next = session.header().await.unwrap();
        session.accepted(Some(&next));
        assert!(!session.refused(Some(&next)), "another would be refused as well");
        assert!(session.living().is_some());
    }

    #[test]
    fn no_token_lives_longer_than_a_day() {
        let asked = Instant::now();
        let token = |life, ahead| Token::new(asked, &Grant { header: HeaderValue::from_static("x"), life, ahead, refresh: None });
        let ends = token(Duration::MAX, Duration::from_mins(1));
        assert_eq!((ends.ends - asked, ends.ends - ends.renew_at), (waits::LONGEST_TOKEN, Duration::from_mins(1)));
        assert_eq!(token(Duration::ZERO, Duration::ZERO).ends, asked);
    }

    #[tokio::test]
    async fn nothing_secret_is_shown() {
        let session = Session::new(Plain { refresh: true, ..fake(None) });
        session.header().await.unwrap();
        let shown = format!("{session:?}");
        assert!(!shown.contains("hush"), "{shown}");
    }
}
