//! The shared state of the double: everything that calls and tests read and write, under one lock.
//!
//! There is one lock, so that an effect and its ledger entry are one step. It must never be held across an await.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::watch;

use crate::aws::Denial;
use crate::ciphertrust::Appliance;
use crate::clock::Clock;
use crate::double::Options;
use crate::fault::{FaultAction, Faults};
use crate::form::Form;
use crate::huawei;
use crate::identity::Identities;
use crate::ledger::{Entry, Ledger, OK};
use crate::model::Models;
use crate::quota::Quotas;
use crate::wire::Cut;
use crate::world::{Due, World};

/// The double's state and its fixed settings.
#[derive(Debug)]
pub(crate) struct Shared {
    inner: Mutex<Inner>,
    /// Whether calls above the request quotas are refused.
    pub(crate) throttles: bool,
    /// How long transitional states and on-demand rotations last, on the double's clock.
    pub(crate) settling: SignedDuration,
    /// The other forms of answers that are used.
    pub(crate) forms: Vec<Form>,
    /// True, or closed, when the double stops.
    stopped: watch::Receiver<bool>,
}

/// The data under the lock.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) clock: Clock,
    pub(crate) world: World,
    pub(crate) ledger: Ledger,
    pub(crate) faults: Faults,
    pub(crate) quotas: Quotas,
    pub(crate) identities: Identities,
    pub(crate) denials: Vec<Denial>,
    pub(crate) appliance: Appliance,
    pub(crate) huawei: huawei::Known,
    /// The models for the check of answers, if there are any.
    pub(crate) models: Option<&'static Models>,
    /// Whether a form of answers makes numbers, booleans and text interchangeable.
    pub(crate) any_scalars: bool,
    /// The answers that do not match the models, as sentences.
    pub(crate) violations: Vec<String>,
}

impl Shared {
    pub(crate) fn new(options: &Options, stopped: watch::Receiver<bool>) -> anyhow::Result<Self> {
        let mut identities = Identities::default();
        options.credentials.iter().for_each(|credential| identities.put_credential(credential.clone()));
        options.roles.iter().for_each(|role| identities.put_role(role.clone()));
        let clock = Clock::behind(options.clock_behind)?;
        let appliance = Appliance::new(options.refresh_delay, clock.now());
        let inner = Inner {
            clock,
            world: World::new(options.read_lag, options.deletion_delay),
            ledger: Ledger::default(),
            faults: Faults::default(),
            quotas: Quotas::default(),
            identities,
            denials: Vec::new(),
            appliance,
            huawei: huawei::Known::new(options.huawei.clone()),
            models: if options.checked { Models::of_environment()? } else { None },
            any_scalars: options.forms.iter().any(|form| matches!(form, Form::HuaweiNumbers | Form::HuaweiTexts)),
            violations: Vec::new(),
        };
        let forms = options.forms.clone();
        Ok(Self { inner: Mutex::new(inner), throttles: options.quotas, settling: options.settling, forms, stopped })
    }

    /// The state. After a panic under the lock the test has failed already, but the ledger is still useful.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits this long. False if the double stops first.
    pub(crate) async fn wait(&self, millis: u64) -> bool {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(millis)) => true,
            () = self.stopped() => false,
        }
    }

    /// Delays a call as its fault says, before it is done. If the double stops during the delay, the call is not done.
    pub(crate) async fn hold_back(&self, fault: Option<FaultAction>) -> Option<FaultAction> {
        match fault {
            Some(FaultAction::Delay { millis }) if !self.wait(millis).await => Some(FaultAction::Cut),
            fault => fault,
        }
    }

    /// Delays the reply of a call as its fault says, or cuts its connection.
    pub(crate) async fn let_go(&self, fault: Option<FaultAction>, cut: &Cut) {
        let replies = match fault {
            None | Some(FaultAction::Error { .. } | FaultAction::Delay { .. }) => true,
            Some(FaultAction::LateReply { millis }) => self.wait(millis).await,
            Some(FaultAction::LoseReply | FaultAction::Cut) => false,
            Some(FaultAction::Hang) => {
                self.stopped().await;
                false
            }
        };
        if !replies {
            cut.pull();
        }
    }

    /// Waits until the double stops.
    pub(crate) async fn stopped(&self) {
        let mut stopped = self.stopped.clone();
        // An error means that the double is gone, which is the expected signal.
        let _gone = stopped.wait_for(|stopped| *stopped).await;
    }
}

impl Inner {
    /// Checks an answer against the models, unless a fault made it. Mismatches are kept until the double is dropped.
    pub(crate) fn check(&mut self, fault: Option<&FaultAction>, check: impl FnOnce(&Models) -> Result<(), String>) {
        let own = !matches!(fault, Some(FaultAction::Error { .. } | FaultAction::Cut | FaultAction::Hang));
        if let Some(Err(violation)) = self.models.filter(|_| own).map(check) {
            tracing::error!("{violation}");
            self.violations.push(violation);
        }
    }

    /// Does everything that is due, and returns the time on the double's clock.
    pub(crate) fn pass_time(&mut self) -> Timestamp {
        let now = self.clock.now();
        for happening in self.world.settle(now) {
            let operation = match happening.due {
                Due::Die => "DeleteKey",
                Due::Rotate | Due::FinishRotation => "RotateKey",
                Due::Settle => "SettleKey",
                Due::Expire => "DeleteExpiredKeyMaterial",
            };
            self.ledger.append(Entry {
                seq: 0,
                time: Timestamp::now(),
                double_time: happening.at,
                service: if huawei::is_project(&happening.key.account) { "huawei-kms" } else { "kms" }.to_owned(),
                access_key: None,
                account: Some(happening.key.account.clone()),
                region: Some(happening.key.region.clone()),
                operation: operation.to_owned(),
                key: Some(happening.key.arn()),
                params: Value::Null,
                result: OK.to_owned(),
                message: None,
                status: 200,
                state_before: Some(happening.before),
                state_after: happening.after,
                took_effect: true,
                changed: true,
                fault: None,
                replied: false,
                request_id: String::new(),
            });
        }
        now
    }
}
