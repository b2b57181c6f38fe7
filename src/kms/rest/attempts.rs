//! The attempts of one call: how each ended, and whether one may have taken effect.

use std::time::Instant;

use crate::{domain::failure::Outcome, metrics::Metrics};

/// The attempts of one call. If it is dropped while an attempt runs, that attempt counts as abandoned.
#[derive(Debug)]
pub(super) struct Attempts<'a> {
    pub(super) provider: &'static str,
    pub(super) operation: &'static str,
    pub(super) changes: bool,
    pub(super) metrics: &'a Metrics,
    /// When the running attempt began.
    running: Option<Instant>,
    /// Whether it is open if a sent attempt took effect.
    open: bool,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ended<'a> {
    /// It was not sent.
    NotSent,
    /// It was done.
    Done,
    /// The KMS refused it.
    Refused {
        /// The KMS's code.
        code: &'a str,
        /// Whether it was throttled.
        throttled: bool,
    },
    /// The server failed, or something that is not the KMS answered.
    Failed(&'a str),
    /// No answer.
    NoAnswer,
}

impl<'a> Attempts<'a> {
    pub(super) const fn new(provider: &'static str, operation: &'static str, changes: bool, metrics: &'a Metrics) -> Self {
        Self { provider, operation, changes, metrics, running: None, open: false }
    }

    pub(super) fn begin(&mut self) {
        self.running = Some(Instant::now());
    }

    pub(super) fn end(&mut self, ended: Ended<'_>) {
        let code = match ended {
            Ended::NotSent => "NotSent",
            Ended::Done => "OK",
            Ended::Refused { code, throttled } => {
                if throttled {
                    self.metrics.provider_throttled(self.provider);
                }
                code
            }
            Ended::Failed(code) => code,
            Ended::NoAnswer => "NoAnswer",
        };
        self.open |= matches!(ended, Ended::Failed(_) | Ended::NoAnswer);
        self.count(code);
    }

    /// Whether the call may have taken effect although no success was seen.
    pub(super) fn outcome(&self) -> Outcome {
        if self.changes && (self.open || self.running.is_some()) { Outcome::Unknown } else { Outcome::Refused }
    }

    fn count(&mut self, code: &str) {
        if let Some(began) = self.running.take() {
            self.metrics.provider_request(self.provider, self.operation, code, began.elapsed());
        }
    }
}

impl Drop for Attempts<'_> {
    fn drop(&mut self) {
        self.count("Abandoned");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_refusal_does_not_settle_what_an_earlier_attempt_left_open() {
        let metrics = Metrics::new(false);
        let outcome = |ends: &[Ended<'_>]| {
            let mut attempts = Attempts::new("Test", "schedule", true, &metrics);
            for ended in ends {
                attempts.begin();
                attempts.end(*ended);
            }
            attempts.outcome()
        };
        let refused = Ended::Refused { code: "C", throttled: false };
        assert_eq!(outcome(&[refused]), Outcome::Refused);
        assert_eq!(outcome(&[Ended::NotSent]), Outcome::Refused);
        assert_eq!(outcome(&[Ended::NoAnswer, refused]), Outcome::Unknown);
        assert_eq!(outcome(&[Ended::Failed("C"), refused]), Outcome::Unknown);

        let mut running = Attempts::new("Test", "schedule", true, &metrics);
        running.begin();
        assert_eq!(running.outcome(), Outcome::Unknown);
        drop(running);
        assert!(metrics.encode().contains("Abandoned"));
    }

    #[test]
    fn a_read_without_an_answer_has_changed_nothing() {
        let metrics = Metrics::new(false);
        let mut attempts = Attempts::new("Test", "describe", false, &metrics);
        attempts.begin();
        attempts.end(Ended::NoAnswer);
        assert_eq!(attempts.outcome(), Outcome::Refused);
    }
}
