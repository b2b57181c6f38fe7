//! The clock of the server, which measures the age of a copy.

use jiff::Timestamp;
use reqwest::header::DATE;

use crate::kms::rest::Answer;

/// The time in the answer's `Date` (RFC 9110, 6.6.1), in whole seconds. Without a readable one, the time of this process.
pub(super) fn now(answer: &Answer) -> Timestamp {
    let date = answer.headers.get(DATE).and_then(|date| date.to_str().ok());
    let date = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
    date.map_or_else(Timestamp::now, |date| date.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(date: Option<&str>) -> Timestamp {
        let headers = date.map(|date| (DATE, date.parse().unwrap())).into_iter().collect();
        now(&Answer { status: 200, headers, body: Vec::new() })
    }

    #[test]
    fn the_clock_of_the_server_counts() {
        assert_eq!(answered(Some("Sun, 06 Nov 1994 08:49:37 GMT")).as_second(), 784_111_777);
    }

    #[test]
    fn without_a_readable_time_of_the_server_the_own_clock_counts() {
        for date in [None, Some("yesterday"), Some("")] {
            let before = Timestamp::now();
            assert!(answered(date) >= before, "{date:?}");
        }
    }
}
