//! The text of an error, for a log line or a message.

/// An error and its causes, each once. The causes are needed because the error of a client often says only that it failed.
#[must_use]
pub fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = message(error);
    for cause in std::iter::successors(error.source(), |cause| cause.source()).map(message) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// The message of one error. kube's own message contains the whole answer of the API server as a Rust structure, so it is replaced.
fn message(error: &(dyn std::error::Error + 'static)) -> String {
    let kube = error.downcast_ref::<kube::Error>().or_else(|| error.downcast_ref::<Box<kube::Error>>().map(|error| &**error));
    match kube {
        Some(kube::Error::Api(status)) => format!("{} ({})", status.message, status.code),
        _ => error.to_string(),
    }
}
