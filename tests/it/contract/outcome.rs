//! How a case says that a server did something the documents do not say.

use std::{fmt::Debug, panic::Location};

use aws_sdk_kms::{
    error::{ProvideErrorMetadata, SdkError},
    primitives::DateTime,
};

/// A case ends well, or with what the server did otherwise.
pub(super) type Outcome<T = ()> = Result<T, Mismatch>;

/// What a server did, what is documented, and the line of the case that noticed.
#[derive(Debug)]
pub(super) struct Mismatch(String);

impl Mismatch {
    #[track_caller]
    pub(super) fn new(what: impl std::fmt::Display) -> Self {
        let at = Location::caller();
        Self(format!("{what} ({}:{})", at.file(), at.line()))
    }

    /// Whether this is the departure that a row of the table declares.
    pub(super) fn shows(&self, departure: &str) -> bool {
        self.0.contains(departure)
    }
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The two ways in which a call can be documented to end.
pub(super) trait Answer {
    /// What the call returns when it works.
    type Output;

    /// The call works.
    fn accepted(self) -> Outcome<Self::Output>;

    /// The call fails with this code and HTTP status 400, which is what KMS answers to a request it understood and refuses.
    fn refused(self, code: &str) -> Outcome;

    /// The call fails with one of these codes and a status of 4xx: for refusals whose code the documents leave open.
    fn refused_with_one_of(self, codes: &[&str]) -> Outcome;
}

impl<T, E: ProvideErrorMetadata + Debug> Answer for Result<T, SdkError<E>> {
    type Output = T;

    #[track_caller]
    fn accepted(self) -> Outcome<T> {
        self.map_err(|error| {
            let Refusal { code, status, message } = Refusal::of(&error);
            Mismatch::new(format_args!("{} was refused with {code} ({status}: {message})", operation::<E>()))
        })
    }

    #[track_caller]
    fn refused(self, documented: &str) -> Outcome {
        let Refusal { code, status, message } = refusal(self, documented)?;
        if code == documented && status == 400 {
            return Ok(());
        }
        Err(Mismatch::new(format_args!(
            "{} was refused with {code} ({status}: {message}); documented: {documented} (400)",
            operation::<E>()
        )))
    }

    #[track_caller]
    fn refused_with_one_of(self, documented: &[&str]) -> Outcome {
        let Refusal { code, status, message } = refusal(self, &documented.join(" or "))?;
        if documented.contains(&code.as_str()) && (400..500).contains(&status) {
            return Ok(());
        }
        Err(Mismatch::new(format_args!(
            "{} was refused with {code} ({status}: {message}); documented: {}",
            operation::<E>(),
            documented.join(" or ")
        )))
    }
}

/// A value in an answer is the documented one.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "the documented value is written in place, and a reference to it would only be noise")]
pub(super) fn same<T: PartialEq + Debug>(what: &str, seen: T, documented: T) -> Outcome {
    if seen == documented {
        return Ok(());
    }
    Err(Mismatch::new(format_args!("{what} is {seen:?}; documented: {documented:?}")))
}

/// A statement about an answer holds; `documented` is that statement in words.
#[track_caller]
pub(super) fn holds(documented: &str, holds: bool) -> Outcome {
    if holds {
        return Ok(());
    }
    Err(Mismatch::new(format_args!("it does not hold that {documented}")))
}

/// A date lies `days` after now, or up to a day later: AWS promises no more, since the wait may last 24 hours longer than asked for.
#[track_caller]
pub(super) fn days_from_now(what: &str, date: Option<&DateTime>, days: i64) -> Outcome {
    const DAY: i64 = 24 * 60 * 60;
    // The request, a busy machine and two clocks that are read apart lie between the server's now and ours.
    const LEEWAY: i64 = 10 * 60;

    let Some(date) = date else {
        return Err(Mismatch::new(format_args!("{what} is absent; documented: {days} days from now")));
    };
    let ahead = date.secs() - jiff::Timestamp::now().as_second();
    if (days * DAY - LEEWAY..(days + 1) * DAY).contains(&ahead) {
        return Ok(());
    }
    Err(Mismatch::new(format_args!("{what} is {ahead} seconds from now; documented: {days} days")))
}

struct Refusal {
    code: String,
    status: u16,
    message: String,
}

impl Refusal {
    fn of<E: ProvideErrorMetadata + Debug>(error: &SdkError<E>) -> Self {
        let status = error.raw_response().map_or(0, |response| response.status().as_u16());
        // A call that never got an answer has neither code nor message; its cause is all there is to show.
        let code = error.code().unwrap_or("no error code").to_owned();
        let message = error.message().map_or_else(|| format!("{error:?}"), str::to_owned);
        Self { code, status, message }
    }
}

#[track_caller]
fn refusal<T, E: ProvideErrorMetadata + Debug>(answer: Result<T, SdkError<E>>, documented: &str) -> Outcome<Refusal> {
    match answer {
        Ok(_) => Err(Mismatch::new(format_args!("{} was accepted; documented: {documented}", operation::<E>()))),
        Err(error) => Ok(Refusal::of(&error)),
    }
}

/// The operation whose error type this is: `EnableKey` of `aws_sdk_kms::operation::enable_key::EnableKeyError`.
fn operation<E>() -> &'static str {
    let error = std::any::type_name::<E>();
    let error = error.rsplit("::").next().unwrap_or(error);
    error.strip_suffix("Error").unwrap_or(error)
}
