//! `CipherTrust`'s answers in the other forms that its documents allow; see [`Form::CckmTopLevel`].

use serde_json::Value;

use crate::form::Form;

/// An answer, in those forms.
pub(super) fn in_form(mut answer: Value, forms: &[Form]) -> Value {
    if forms.contains(&Form::CckmTopLevel) {
        lift(&mut answer);
    }
    if forms.contains(&Form::CckmSparse) {
        thin(&mut answer);
    }
    answer
}

/// The optional members of a row.
const OPTIONAL: [&str; 17] = [
    "AWSAccountId",
    "CreationDate",
    "CustomerMasterKeySpec",
    "Description",
    "Enabled",
    "EncryptionAlgorithms",
    "KeyManager",
    "KeyMaterialState",
    "KeyUsage",
    "NextRotationDate",
    "Origin",
    "Policy",
    "RotationPeriodInDays",
    "RotationType",
    "createdAt",
    "key_material_origin",
    "key_type",
];

fn thin(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !OPTIONAL.contains(&name.as_str()));
            members.values_mut().for_each(thin);
        }
        Value::Array(values) => values.iter_mut().for_each(thin),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Moves the state and the deletion date of every key out of its `aws_param`.
fn lift(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(lift);
            for (inner, outer) in [("KeyState", "key_state"), ("DeletionDate", "deletion_date")] {
                let taken = members.get_mut("aws_param").and_then(Value::as_object_mut).and_then(|param| param.remove(inner));
                members.extend(taken.map(|value| (outer.to_owned(), value)));
            }
        }
        Value::Array(values) => values.iter_mut().for_each(lift),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn state_and_date_stand_beside_what_aws_says() {
        let page = json!({ "resources": [{ "aws_param": { "KeyState": "PendingDeletion", "DeletionDate": "d", "Arn": "a" } }] });
        let lifted = json!({ "resources": [{ "aws_param": { "Arn": "a" }, "key_state": "PendingDeletion", "deletion_date": "d" }] });
        assert_eq!(in_form(page.clone(), &[Form::CckmTopLevel]), lifted);
        assert_eq!(in_form(page.clone(), &[]), page);
        let row = json!({ "id": "1", "createdAt": "d", "aws_param": { "Arn": "a", "KeyState": "Enabled", "KeyUsage": "u" } });
        let thin = json!({ "id": "1", "aws_param": { "Arn": "a", "KeyState": "Enabled" } });
        assert_eq!(in_form(row, &[Form::CckmSparse]), thin);
    }
}
