//! One call: its turn, its attempts, its span and metric, and its failure.
//!
//! Each attempt is watched, because the last answer does not tell whether an earlier attempt took effect. For example, if the reply to a
//! schedule was lost, AWS refuses the second try.

use std::{
    error::Error,
    fmt,
    marker::PhantomData,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use aws_sdk_kms::{
    client::customize::CustomizableOperation,
    config::{
        self as kms, ConfigBag, Intercept, RuntimeComponents,
        http::HttpResponse,
        interceptors::{BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef, InterceptorContext},
        retry::{ClassifyRetry, RetryAction, RetryConfig},
    },
    error::{BoxError, ProvideErrorMetadata, SdkError},
};
use aws_sdk_sts::{client::customize::CustomizableOperation as CustomizableSts, config as sts};
use serde_json::Value;
use tracing::{Instrument, field};

use super::{
    convert::missing,
    failure::{self, Context},
    operation::Operation,
    quota::{self, Account},
};
use crate::{
    domain::failure::{Failure, FailureKind, Outcome},
    kms::{
        LeaderCheck,
        quota::{NotYet, Turn},
    },
    metrics::Metrics,
};

/// How often a throttled request is sent at most, each time in a new turn.
const THROTTLED: u32 = 3;
/// The provider's name in metrics and spans.
const PROVIDER: &str = "AWS";

/// Sends calls. Clones share limiters and metrics.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) region: Arc<str>,
    pub(super) account: Arc<Account>,
    pub(super) metrics: Metrics,
    pub(super) leader_check: LeaderCheck,
}

impl Caller {
    /// Waits for a turn, sends the request that `request` makes, and returns the answer or a failure. `subject` is the key, alias or role;
    /// it is empty for the whole account.
    pub(super) async fn call<T, E, F>(
        &self,
        operation: Operation,
        subject: &str,
        mut request: impl FnMut(&Call) -> F + Send,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let span =
            tracing::info_span!("kms", provider = PROVIDER, operation = operation.as_str(), region = &*self.region, failure = field::Empty);
        let call = Call {
            operation,
            attempts: Arc::new(Attempts {
                operation,
                metrics: self.metrics.clone(),
                leader_check: self.leader_check.clone(),
                seen: Mutex::default(),
            }),
        };
        let result = async {
            let mut sent = 0;
            loop {
                // An earlier attempt of this call may have taken effect, whatever became of the turn for the next one.
                let turn = self.turn(operation, subject, sent > 0).await;
                let outcome = self.context(operation, subject, &call.attempts.seen()).outcome;
                let turn = turn.map_err(|failure| Failure { outcome, ..failure })?;
                turn.iter().for_each(Turn::sent);
                sent += 1;
                let failure = match request(&call).await {
                    Ok(answer) => {
                        let lacks = call.attempts.seen().lacks;
                        return lacks.map_or(Ok(answer), |member| Err(self.unusable(operation, subject, &missing(member))));
                    }
                    Err(error) => self.context(operation, subject, &call.attempts.seen()).classify(error),
                };
                // Assuming a role can be throttled as well, which says nothing about this quota.
                let Some(turn) = turn.filter(|_| failure.kind == FailureKind::Throttled && failure.operation == operation.as_str()) else {
                    return Err(failure);
                };
                turn.throttled();
                if !operation.repeats() || sent >= THROTTLED {
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

    /// A turn within the operation's quota, if it has one. `again`: the KMS throttled it before.
    pub(super) async fn turn(&self, operation: Operation, subject: &str, again: bool) -> Result<Option<Turn>, Failure> {
        let not_yet = |NotYet| self.refuse(operation, subject, FailureKind::Waiting, format!("{} waits for its turn", operation.as_str()));
        self.account.quotas().turn(operation, again).await.map_err(not_yet)
    }

    /// The failure for an answer that lacks something required. It leaves open whether anything changed.
    pub(super) fn unusable(&self, operation: Operation, subject: &str, why: &dyn fmt::Display) -> Failure {
        let open = Seen { open: operation.changes(), ..Seen::default() };
        self.context(operation, subject, &open).unusable(why)
    }

    /// A failure without a request: nothing was sent.
    pub(super) fn refuse(&self, operation: Operation, subject: &str, kind: FailureKind, message: String) -> Failure {
        self.context(operation, subject, &Seen::default()).failure(kind, message)
    }

    fn context<'a>(&'a self, operation: Operation, subject: &'a str, seen: &'a Seen) -> Context<'a> {
        let outcome = if operation.changes() && seen.may_have_taken_effect() { Outcome::Unknown } else { Outcome::Refused };
        Context { operation, subject, region: &self.region, host: &seen.host, outcome }
    }
}

/// One call, before it is sent.
#[derive(Debug)]
pub(super) struct Call {
    operation: Operation,
    attempts: Arc<Attempts>,
}

impl Call {
    /// Watches a request to KMS and lets the SDK repeat it only where that helps and does no harm.
    pub(super) fn kms<T, E, B>(&self, request: CustomizableOperation<T, E, B>) -> CustomizableOperation<T, E, B>
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let mut config = kms::Config::builder().retry_classifier(Watch::<E>::new(&self.attempts));
        if !self.operation.repeats() {
            config = config.retry_config(RetryConfig::disabled());
        }
        request.config_override(config).interceptor(Watch::<E>::new(&self.attempts))
    }

    /// The same for a request to STS.
    pub(super) fn sts<T, E, B>(&self, request: CustomizableSts<T, E, B>) -> CustomizableSts<T, E, B>
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let config = sts::Config::builder().retry_classifier(Watch::<E>::new(&self.attempts));
        request.config_override(config).interceptor(Watch::<E>::new(&self.attempts))
    }
}

/// The attempts of one call.
#[derive(Debug)]
struct Attempts {
    operation: Operation,
    metrics: Metrics,
    leader_check: LeaderCheck,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// When the running attempt began.
    running: Option<Instant>,
    /// Whether it was sent.
    sent: bool,
    /// Whether it is open if an earlier attempt took effect.
    open: bool,
    /// The host that it was sent to.
    host: String,
    /// A required member that its answer lacks.
    lacks: Option<&'static str>,
}

impl Seen {
    fn may_have_taken_effect(&self) -> bool {
        self.open || (self.running.is_some() && self.sent)
    }
}

impl Attempts {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, code: &str, began: Instant) {
        self.metrics.provider_request(PROVIDER, self.operation.as_str(), code, began.elapsed());
        if failure::kind(code) == Some(FailureKind::Throttled) {
            self.metrics.provider_throttled(PROVIDER);
        }
    }
}

/// Counts an attempt that was cut off, by the deadline of the call or by the end of its caller.
impl Drop for Attempts {
    fn drop(&mut self) {
        let began = self.seen().running;
        if let Some(began) = began {
            self.count("Abandoned", began);
        }
    }
}

/// Watches the attempts of a call whose errors are `E`, and stops the SDK from repeating one where it should not.
struct Watch<E> {
    attempts: Arc<Attempts>,
    error: PhantomData<fn() -> E>,
}

impl<E> Watch<E> {
    fn new(attempts: &Arc<Attempts>) -> Self {
        Self { attempts: Arc::clone(attempts), error: PhantomData }
    }
}

impl<E> fmt::Debug for Watch<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("attempts", &self.attempts).finish()
    }
}

/// A member that the answer lacks and that must not be guessed. AWS calls these members optional. For an absent one the SDK puts `false`,
/// which would mean a disabled key or switched-off rotation.
fn lacks(operation: Operation, answer: &[u8]) -> Option<&'static str> {
    /// One of these is enough to tell the state.
    const STATE: [&str; 4] = ["KeyState", "Enabled", "DeletionDate", "PendingDeletionWindowInDays"];
    let members = |value: &Value, names: &[&str]| names.iter().any(|name| value.get(name).is_some_and(|value| !value.is_null()));
    if !matches!(operation, Operation::DescribeKey | Operation::CreateKey | Operation::GetKeyRotationStatus) {
        return None;
    }
    let answer: Value = serde_json::from_slice(answer).ok()?;
    match (operation, answer.get("KeyMetadata")) {
        (Operation::GetKeyRotationStatus, _) => (!members(&answer, &["KeyRotationEnabled"])).then_some("KeyRotationEnabled"),
        (_, Some(metadata)) => (!members(metadata, &STATE)).then_some("KeyState"),
        (_, None) => None,
    }
}

/// The code of the error that AWS answered.
fn code<E: ProvideErrorMetadata + Error + Send + Sync + 'static>(context: &InterceptorContext) -> Option<&str> {
    context.output_or_error()?.err()?.as_operation_error()?.downcast_ref::<E>()?.code()
}

impl<E: ProvideErrorMetadata + Error + Send + Sync + 'static> Intercept for Watch<E> {
    fn name(&self) -> &'static str {
        "Watch"
    }

    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let mut seen = self.attempts.seen();
        seen.running = Some(Instant::now());
        seen.sent = false;
        Ok(())
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // Checked here and not earlier: the call may have waited for a turn or a retry, and the process may have been frozen meanwhile.
        if self.attempts.operation.changes() && !self.attempts.leader_check.asked() {
            return Err("this process may change nothing any more".into());
        }
        let mut seen = self.attempts.seen();
        seen.sent = true;
        context.request().uri().split('/').nth(2).unwrap_or_default().clone_into(&mut seen.host);
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let code = code::<E>(context.inner());
        let failed = !matches!(context.output_or_error(), Some(Ok(_)));
        let client_error = context.response().is_some_and(|response| response.status().is_client_error());
        let mut seen = self.attempts.seen();
        // Only a known code proves that nothing was done. A proxy in between can answer 4xx without a code, whatever AWS did.
        let settled = !failed || (client_error && code.is_some_and(|code| failure::kind(code).is_some()));
        seen.open |= seen.sent && !settled;
        seen.lacks = context.response().filter(|_| !failed).and_then(|response| lacks(self.attempts.operation, response.body().bytes()?));
        let code = match (failed, code) {
            (false, _) => "OK",
            (true, Some(code)) => code,
            (true, None) if seen.sent => "NoAnswer",
            (true, None) => "NotSent",
        };
        if let Some(began) = seen.running.take() {
            self.attempts.count(code, began);
        }
        Ok(())
    }
}

impl<E: ProvideErrorMetadata + Error + Send + Sync + 'static> ClassifyRetry for Watch<E> {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        match code::<E>(context) {
            Some(code) if !failure::repeatable(code) => RetryAction::RetryForbidden,
            // The caller waits for another turn instead.
            Some(code) if failure::kind(code) == Some(FailureKind::Throttled) && quota::is_limited(self.attempts.operation) => {
                RetryAction::RetryForbidden
            }
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "Watch"
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;
    use crate::{
        kms::{
            Books, Kms, LeaderCheck,
            aws::{AwsCredentials, AwsEndpoints, AwsKms, AwsSettings},
        },
        metrics::Metrics,
    };

    /// The first request may have taken effect: its reply is lost. The others are throttled, and then no turn comes.
    #[tokio::test]
    async fn a_call_that_waits_for_its_next_turn_may_have_taken_effect() {
        let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        // It ends with the runtime of the test.
        tokio::spawn(async move {
            let mut is_lost = true;
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 4096];
                if stream.read(&mut request).await.is_ok_and(|read| read > 0) && !std::mem::take(&mut is_lost) {
                    let body = r#"{"__type":"ThrottlingException"}"#;
                    let head = format!("HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
                    let _sent = stream.write_all(format!("{head}{body}").as_bytes()).await;
                }
            }
        });
        let credentials =
            AwsCredentials::Keys { access_key_id: "AKIAEXAMPLE".into(), secret_access_key: "secret".into(), session_token: None };
        let kms = AwsKms::new(AwsSettings {
            region: "eu-west-1".into(),
            endpoints: AwsEndpoints { kms: Some(url.clone()), sts: Some(url), ..AwsEndpoints::default() },
            ca_pem: None,
            role_arn: None,
            external_id: None,
            credentials,
            quota_share_percent: 100,
            books: Books::default(),
            metrics: Metrics::new(false),
            leader_check: LeaderCheck::when(|| true),
        });
        let failure = crate::kms::if_free(kms.unwrap().set_description("key-1", "new")).await.unwrap_err();
        assert_eq!((failure.kind, failure.outcome), (FailureKind::Waiting, Outcome::Unknown), "{failure}");
        assert!(!failure.had_no_effect(), "its place in the budget is not given back");
    }
}
