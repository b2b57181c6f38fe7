//! YAML that is easy to read in a diff: keys in alphabetical order, long texts folded, the same output every time.

use serde::Serialize;
use serde_json::Value;

/// One document, without `---`. It fails for a type that cannot be written as JSON; our types all can.
pub(super) fn document(object: &impl Serialize) -> anyhow::Result<String> {
    // It goes through a JSON value, because JSON maps are ordered here and fields that Kubernetes omits are omitted.
    Ok(serde_saphyr::to_string(&whole_numbers(serde_json::to_value(object)?))?)
}

/// Writes bounds of a schema as whole numbers (`7`). In Rust they are floats (`7.0`).
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
