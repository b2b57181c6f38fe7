//! YAML as people read it in a diff: keys in alphabetical order, long texts folded, no options left to chance.

use serde::Serialize;

/// One document, without a `---`. The error is a type that cannot be written as JSON; none of ours is.
pub(super) fn document(object: &impl Serialize) -> anyhow::Result<String> {
    // By way of a JSON value: its maps are ordered, and fields that Kubernetes leaves out are left out.
    Ok(serde_saphyr::to_string(&serde_json::to_value(object)?)?)
}

/// Documents in one stream.
pub(super) fn stream(documents: &[String]) -> String {
    documents.iter().map(|document| format!("---\n{document}")).collect()
}
