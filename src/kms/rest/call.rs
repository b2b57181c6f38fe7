//! One call: its turn, its attempts, its span and metrics, and its failure.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use backon::{BackoffBuilder, ExponentialBuilder};
use reqwest::{Client, Request, Response};
use serde::de::DeserializeOwned;
use tokio::time::{sleep, timeout};
use tracing::{Instrument, field};

use super::{
    Answer, Call, Dialect, Operation, Refusal,
    attempts::{Attempts, Ended},
};
use crate::{
    domain::failure::{
        Failure,
        FailureKind::{self, Credentials, Expired, Faulted, Throttled, Unavailable, Unknown, Waiting},
        Outcome,
    },
    kms::{
        LeaderCheck,
        messages::{About, Advice, Refused},
        names::NoAddress,
        quota::{NotYet, Quotas, Turn},
        sanitize::sanitize,
        waits,
    },
    metrics::Metrics,
};

/// How often a request is repeated at most.
const REPEATS: usize = 2;
/// The longest answer that is read, in bytes. A page of a thousand keys has about one million bytes.
const LONGEST: usize = 16 * 1024 * 1024;

/// Sends calls. Clones share connections, limiters and metrics.
#[derive(Debug)]
pub(in crate::kms) struct Caller<D: Dialect> {
    pub(in crate::kms) dialect: D,
    pub(in crate::kms) http: Client,
    pub(in crate::kms) quotas: Arc<Quotas<D::Operation>>,
    pub(in crate::kms) metrics: Metrics,
    pub(in crate::kms) leader_check: LeaderCheck,
}

/// Why an attempt has no answer.
#[derive(Debug)]
enum Missed {
    /// The request could not be made, for this reason.
    Unmade(Failure),
    /// This process may not change anything any more.
    Forbidden,
    /// No connection.
    Unreached(reqwest::Error),
    /// No answer, or only a part of one.
    Unanswered(Option<reqwest::Error>),
    /// The answer is longer than any real one.
    TooLong,
}

#[allow(clippy::unused_self, reason = "a caller says which KMS it is about")]
impl<D: Dialect> Caller<D> {
    /// Waits for a turn, sends the request, and returns the answer if it is a success.
    pub(in crate::kms) async fn call(&self, call: &Call<'_, D::Operation>) -> Result<Answer, Failure> {
        let operation = call.operation;
        let span = tracing::info_span!("kms", provider = D::NAME, operation = operation.as_str(), failure = field::Empty);
        let result = async {
            let mut attempts = Attempts::new(D::NAME, operation.as_str(), operation.changes(), &self.metrics);
            let mut throttled = 0;
            loop {
                // An earlier attempt of this call may have taken effect, whatever became of the turn for the next one.
                let turn = self.turn(operation, call.subject, throttled > 0).await;
                let turn = turn.map_err(|failure| Failure { outcome: attempts.outcome(), ..failure })?;
                turn.iter().for_each(Turn::sent);
                // Boxed, because a request may need a login, which is a call as well.
                let attempted = Box::pin(self.attempts(call, &mut attempts, turn.is_some()));
                let failure = match timeout(waits::CALL, attempted).await {
                    Ok(Ok(answer)) => return Ok(answer),
                    Ok(Err(failure)) => failure,
                    Err(_) => self.missed(call, attempts.outcome(), Missed::Unanswered(None)),
                };
                // A login that the request needed can be throttled as well, which says nothing about this quota.
                let Some(turn) = turn.filter(|_| failure.kind == Throttled && failure.operation == operation.as_str()) else {
                    return Err(failure);
                };
                turn.throttled();
                throttled += 1;
                if !operation.repeats() || throttled > REPEATS {
                    return Err(failure);
                }
            }
        }
        .instrument(span.clone())
        .await;
        if let Err(failure) = &result {
            span.record("failure", failure.kind.as_str());
        }
        result
    }

    /// The same, with the answer read as JSON.
    pub(in crate::kms) async fn json<T: DeserializeOwned>(&self, call: &Call<'_, D::Operation>) -> Result<T, Failure> {
        let answer = self.call(call).await?;
        serde_json::from_slice(&answer.body).map_err(|error| self.unusable(call.operation, call.subject, &error))
    }

    /// A turn within the operation's quota, if its quota is known. `again`: the KMS throttled it before.
    pub(in crate::kms) async fn turn(&self, operation: D::Operation, subject: &str, again: bool) -> Result<Option<Turn>, Failure> {
        let not_yet = |NotYet| self.refuse(operation, subject, Waiting, format!("{} waits for its turn", operation.as_str()));
        self.quotas.turn(operation, again).await.map_err(not_yet)
    }

    /// The failure for an answer that lacks something required. It leaves open whether anything changed.
    pub(in crate::kms) fn unusable(&self, operation: D::Operation, subject: &str, why: &dyn fmt::Display) -> Failure {
        let outcome = if operation.changes() { Outcome::Unknown } else { Outcome::Refused };
        let about = about::<D>(operation, subject);
        // The position in the answer can differ at every try.
        let why = why.to_string();
        let why = why.split(" at line ").next().unwrap_or_default();
        about.failure(Unknown, outcome, about.unusable(&why))
    }

    /// A failure without a request: nothing was sent.
    pub(in crate::kms) fn refuse(&self, operation: D::Operation, subject: &str, kind: FailureKind, message: String) -> Failure {
        about::<D>(operation, subject).failure(kind, Outcome::Refused, message)
    }

    async fn attempts(&self, call: &Call<'_, D::Operation>, attempts: &mut Attempts<'_>, limited: bool) -> Result<Answer, Failure> {
        let mut waits = ExponentialBuilder::new().with_jitter().with_min_delay(waits::FIRST_RETRY).with_max_times(REPEATS).build();
        let mut renewed = false;
        loop {
            let (failure, least_wait) = match self.attempt(call, attempts).await {
                Ok((request, answer)) => {
                    if (200..300).contains(&answer.status) {
                        attempts.end(Ended::Done);
                        self.dialect.accepted(&request);
                        return Ok(answer);
                    }
                    let refusal = self.dialect.refusal(&answer);
                    self.settle(&refusal, answer.status, attempts);
                    // Only a code of the KMS proves that a creation was not carried out.
                    let undone = call.operation.repeats() || refusal.code.is_some();
                    if matches!(refusal.kind, Credentials | Expired) && !renewed && self.dialect.renew(&request) && undone {
                        renewed = true;
                        continue;
                    }
                    (self.refused(call, &request, &answer, &refusal, attempts.outcome()), retry_after(&answer))
                }
                Err(missed @ Missed::Forbidden) => return Err(self.missed(call, attempts.outcome(), missed)),
                Err(missed) => (self.missed(call, attempts.outcome(), missed), Duration::ZERO),
            };
            // If the server asks for a longer pause than this call has, the call ends as throttled. A request with a quota waits in its
            // line for another turn.
            let in_line = limited && failure.kind == Throttled && least_wait.is_zero();
            let worthwhile = least_wait <= waits::ATTEMPT
                && call.operation.repeats()
                && matches!(failure.kind, Throttled | Faulted | Unavailable)
                && !in_line;
            match waits.next().filter(|_| worthwhile) {
                Some(wait) => sleep(wait.max(least_wait)).await,
                None => return Err(failure),
            }
        }
    }

    async fn attempt(&self, call: &Call<'_, D::Operation>, attempts: &mut Attempts<'_>) -> Result<(Request, Answer), Missed> {
        let request = self.dialect.request(call).await.map_err(Missed::Unmade)?;
        let told = request.try_clone();
        attempts.begin();
        // Checked here and not earlier: the call may have waited for a turn or a retry, and the process may have been frozen meanwhile.
        if call.operation.changes() && !self.leader_check.asked() {
            attempts.end(Ended::NotSent);
            return Err(Missed::Forbidden);
        }
        let sent = async {
            let response = self
                .http
                .execute(request)
                .await
                .map_err(|error| if error.is_connect() { Missed::Unreached(error) } else { Missed::Unanswered(Some(error)) })?;
            whole(response).await
        };
        let answer = timeout(waits::ATTEMPT, sent).await.unwrap_or(Err(Missed::Unanswered(None)));
        match &answer {
            Ok(_) => {}
            Err(Missed::Unreached(_)) => attempts.end(Ended::NotSent),
            Err(_) => attempts.end(Ended::NoAnswer),
        }
        // A request with its body in memory can always be cloned.
        told.ok_or(Missed::Unanswered(None)).and_then(|request| Ok((request, answer?)))
    }

    /// Only a known code proves that nothing was done. A proxy in between can answer 4xx without a code, whatever the KMS did.
    fn settle(&self, refusal: &Refusal, status: u16, attempts: &mut Attempts<'_>) {
        let throttled = refusal.kind == Throttled;
        attempts.end(match &refusal.code {
            Some(code) if status < 500 && !matches!(refusal.kind, Faulted | Unavailable | Unknown) => Ended::Refused { code, throttled },
            Some(code) => Ended::Failed(code),
            None => Ended::Failed("NoCode"),
        });
    }

    fn refused(&self, call: &Call<'_, D::Operation>, request: &Request, answer: &Answer, refusal: &Refusal, outcome: Outcome) -> Failure {
        let about = about::<D>(call.operation, call.subject);
        let Refusal { kind, code, text } = refusal;
        let host = request.url().host_str().unwrap_or_default();
        // A login that is refused may have its request repeated in the text.
        let text = if D::LOGS_IN { "" } else { text.as_str() };
        let refused = Refused { kind: *kind, code: code.as_deref(), text, status: answer.status, host };
        let advice = DialectAdvice { dialect: &self.dialect, operation: call.operation, request: about.request(), refusal };
        let failure = about.failure(*kind, outcome, about.refused(&refused, &advice));
        let source = if D::LOGS_IN { refusal.of_login() } else { refusal.clone() };
        Failure { source: Some(Box::new(source)), ..failure }
    }

    fn missed(&self, call: &Call<'_, D::Operation>, outcome: Outcome, missed: Missed) -> Failure {
        let about = about::<D>(call.operation, call.subject);
        let (kind, message, source) = match missed {
            Missed::Unmade(failure) => return Failure { outcome, ..failure },
            Missed::Forbidden => (Unavailable, format!("{} is not sent: this process may change nothing any more", about.request()), None),
            Missed::TooLong => (Unknown, about.unusable(&"it is longer than any such answer"), None),
            Missed::Unanswered(error) => {
                (Unavailable, format!("{} did not answer in time, or broke off; it is tried again", D::NAME), error)
            }
            Missed::Unreached(error) => (Unavailable, unreached::<D>(&error), Some(error)),
        };
        // The query of the URL may have private values.
        let source = source.map(|error| Box::new(error.without_url()) as Box<dyn Error + Send + Sync>);
        Failure { source, ..about.failure(kind, outcome, message) }
    }
}

fn about<D: Dialect>(operation: D::Operation, subject: &str) -> About<'_> {
    About { name: D::NAME, operation: operation.as_str(), subject }
}

/// What a dialect knows of a refusal.
struct DialectAdvice<'a, D: Dialect> {
    dialect: &'a D,
    operation: D::Operation,
    request: String,
    refusal: &'a Refusal,
}

impl<D: Dialect> Advice for DialectAdvice<'_, D> {
    fn denied(&self) -> String {
        let code = self.refusal.code.as_deref().map(sanitize).unwrap_or_default();
        format!("{} ({code}); {}", self.request, self.dialect.permission(self.operation))
    }

    fn credentials(&self) -> &'static str {
        self.dialect.credentials(self.refusal)
    }
}

/// Reads the whole answer.
async fn whole(mut response: Response) -> Result<Answer, Missed> {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| Missed::Unanswered(Some(error)))? {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST {
            return Err(Missed::TooLong);
        }
    }
    Ok(Answer { status, headers, body })
}

/// How long the KMS asks to wait (RFC 9110, 10.2.3). A date in place of seconds is ignored.
fn retry_after(answer: &Answer) -> Duration {
    let seconds = answer.headers.get(reqwest::header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Duration::from_secs(seconds.unwrap_or_default())
}

/// Why there is no connection, in a sentence that is the same at every try.
fn unreached<D: Dialect>(error: &reqwest::Error) -> String {
    let (name, authority) = (D::NAME, D::AUTHORITY);
    let host = error.url().map_or_else(String::new, |url| match url.port() {
        Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
        None => url.host_str().unwrap_or_default().to_owned(),
    });
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<rustls::Error>().is_some_and(|error| matches!(error, rustls::Error::InvalidCertificate(_))) {
            return format!(
                "the certificate of {host} is not valid for this client, so nothing was sent to {name}; \
                 put the authority that signed it into {authority}, or correct the host name"
            );
        }
        if let Some(none) = error.downcast_ref::<NoAddress>() {
            return format!("nothing was sent to {name}: {none}; correct the endpoint or the DNS");
        }
        cause = error.source().or_else(|| {
            // `source` of an I/O error skips the error that it wraps.
            error.downcast_ref::<std::io::Error>().and_then(|error| error.get_ref()).map(|error| error as &(dyn Error + 'static))
        });
    }
    format!("cannot reach {name} at {host}; check the endpoint, its certificate and the network")
}
