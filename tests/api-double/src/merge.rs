//! How a patch changes an object.

use serde_json::{Map, Value};

/// A list whose elements are told apart by their `type`.
const CONDITIONS: &str = "conditions";

/// A merge patch: what is null goes.
pub(crate) fn merge(object: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        object.clone_from(patch);
        return;
    };
    for (key, value) in patch {
        if value.is_null() {
            map(object).remove(key);
        } else {
            merge(map(object).entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Server-side apply: what this manager applied before and does not apply now goes, and what others wrote stays.
pub(crate) fn apply(object: &mut Value, before: &Value, now: &Value) {
    let (Value::Object(now), nothing) = (now, Map::new()) else {
        object.clone_from(now);
        return;
    };
    let before = before.as_object().unwrap_or(&nothing);
    let object = map(object);
    object.retain(|key, _| !before.contains_key(key) || now.get(key).is_some_and(|value| !value.is_null()));
    for (key, value) in now.iter().filter(|(_, value)| !value.is_null()) {
        let known = before.get(key).unwrap_or(&Value::Null);
        let place = object.entry(key.clone()).or_insert(Value::Null);
        if key == CONDITIONS {
            *place = conditions(place, known, value);
        } else {
            apply(place, known, value);
        }
    }
}

/// The conditions of others, where they stood, and those that are applied.
fn conditions(there: &Value, before: &Value, now: &Value) -> Value {
    let kinds = |list: &Value| list.as_array().into_iter().flatten().map(|condition| condition["type"].clone()).collect::<Vec<_>>();
    let (before, after) = (kinds(before), kinds(now));
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut all = list(there);
    all.retain(|condition| !before.contains(&condition["type"]) || after.contains(&condition["type"]));
    for condition in list(now) {
        match all.iter_mut().find(|known| known.get("type") == condition.get("type")) {
            Some(known) => *known = condition,
            None => all.push(condition),
        }
    }
    all.into()
}

/// The value as an object, which it becomes if it is none.
pub(crate) fn map(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("it was made one"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_apply_takes_away_what_it_had_applied_and_leaves_the_rest() {
        let mut object =
            json!({ "a": 1, "b": 2, "conditions": [{ "type": "Theirs" }, { "type": "Ours", "status": "True" }, { "type": "Past" }] });
        let before = json!({ "a": 1, "conditions": [{ "type": "Ours" }, { "type": "Past" }] });
        apply(&mut object, &before, &json!({ "c": { "d": 3 }, "conditions": [{ "type": "Ours", "status": "False" }] }));
        assert_eq!(object, json!({ "b": 2, "c": { "d": 3 }, "conditions": [{ "type": "Theirs" }, { "type": "Ours", "status": "False" }] }));
    }

    #[test]
    fn a_merge_takes_away_what_is_null() {
        let mut object = json!({ "a": { "b": 1, "c": [1] } });
        merge(&mut object, &json!({ "a": { "b": null, "c": [2] }, "d": null }));
        assert_eq!(object, json!({ "a": { "c": [2] } }));
    }
}
