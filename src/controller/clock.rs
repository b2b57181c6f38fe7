//! The clock that decides. The core gets its time as a parameter.

/// The time, for what is written into statuses and events.
#[must_use]
pub(crate) fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
