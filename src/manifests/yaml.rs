//! YAML as people read it in a diff: keys in alphabetical order, long texts folded, no options left to chance.

use serde::Serialize;
use serde_json::Value;

/// One document, without a `---`. The error is a type that cannot be written as JSON; none of ours is.
pub(super) fn document(object: &impl Serialize) -> anyhow::Result<String> {
    // By way of a JSON value: its maps are ordered, and fields that Kubernetes leaves out are left out.
    Ok(serde_saphyr::to_string(&whole_numbers(serde_json::to_value(object)?))?)
}

/// Bounds in a schema are floats to Rust (`7.0`), and whole numbers to everyone who reads them.
fn whole_numbers(value: Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            #[allow(clippy::cast_possible_truncation)] // Only whole numbers below 2^53 get there.
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 9e15 => Value::from(float as i64),
            _ => Value::Number(number),
        },
        Value::Array(items) => items.into_iter().map(whole_numbers).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, field)| (name, whole_numbers(field))).collect(),
        other => other,
    }
}

/// Documents in one stream.
pub(super) fn stream(documents: &[String]) -> String {
    documents.iter().flat_map(|document| ["---\n", document]).collect()
}
