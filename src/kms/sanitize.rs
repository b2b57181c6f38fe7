//! Texts of a provider that go into a status.

/// A provider's text in a form that does not change from one try to the next: on one line, without a request id, and short.
pub(super) fn sanitize(text: &str) -> String {
    const LONGEST: usize = 400;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let id = ["request id", "requestid", "request-id"].iter().filter_map(|word| line.to_ascii_lowercase().find(word)).min();
    let line = match id {
        // An opening bracket or a comma before the id goes with it.
        Some(at) => line.get(..at).unwrap_or_default().trim_end_matches([' ', '(', ',', ';', '[']),
        None => &line,
    };
    line.chars().take(LONGEST).collect()
}
