//! A KMS's own text, for a status.

/// The text on one line, shortened and without a request id, so that the same failure has the same text at every try.
pub(super) fn sanitize(text: &str) -> String {
    const LONGEST: usize = 400;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let id = ["request id", "requestid", "request-id"].iter().filter_map(|word| line.to_ascii_lowercase().find(word)).min();
    let line = match id {
        // Also cut an opening bracket or a comma before the id.
        Some(at) => line.get(..at).unwrap_or_default().trim_end_matches([' ', '(', ',', ';', '[']),
        None => &line,
    };
    line.chars().take(LONGEST).collect()
}
