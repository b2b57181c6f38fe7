//! Texts that go into a status: a provider's own text, and sentences that all adapters share.

use crate::text;

/// That the KMS does not know what a call was about. A call about an alias can also miss the alias's key.
pub(super) fn not_found(name: &str, operation: &str, subject: &str) -> String {
    let is_key = !subject.is_empty() && !subject.contains("alias/") && !subject.contains(":iam:");
    if is_key {
        return format!("{name} has no key {} ({operation})", text::name(subject));
    }
    let about = if subject.is_empty() { String::new() } else { format!(" on {}", text::name(subject)) };
    format!("{name} does not find the key or alias of {operation}{about}")
}

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
