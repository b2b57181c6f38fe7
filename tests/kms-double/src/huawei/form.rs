//! Huawei Cloud's answers in the other forms that its documents allow; see [`Form`].

use serde_json::{Value, json};

use super::operation::Operation;
use crate::form::Form;

/// Members that are text in most answers although they contain a number or a boolean.
const TEXTS: [&str; 11] = [
    "create_time",
    "creation_date",
    "default_key_flag",
    "expiration_time",
    "key_rotation_enabled",
    "key_state",
    "key_type",
    "last_rotation_time",
    "scheduled_deletion_date",
    "truncated",
    "update_time",
];

/// Members that are numbers in every answer.
const NUMBERS: [&str; 10] = [
    "current_count",
    "existTagsNum",
    "instance_num",
    "number_of_rotations",
    "quota",
    "rotation_interval",
    "state",
    "total",
    "total_count",
    "used",
];

/// The answer of `operation` in these forms.
pub(super) fn in_form(operation: Operation, mut answer: Value, forms: &[Form]) -> Value {
    for form in forms {
        match (form, operation) {
            (Form::HuaweiSdkTypes, Operation::ListAliases) => answer = json!([answer]),
            (Form::HuaweiSdkTypes, Operation::FilterResources) | (Form::HuaweiTexts, _) => {
                // The count is a number in the SDK too.
                each_member(&mut answer, &|name, value| {
                    let text = TEXTS.contains(&name) || (*form == Form::HuaweiTexts && NUMBERS.contains(&name));
                    if text && (value.is_number() || value.is_boolean()) {
                        *value = json!(value.to_string());
                    }
                });
            }
            (Form::HuaweiNumbers, _) => each_member(&mut answer, &|name, value| {
                if TEXTS.contains(&name)
                    && let Some(number) = value.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok())
                {
                    *value = number;
                }
            }),
            (
                Form::HuaweiSdkTypes
                | Form::MidnightDates
                | Form::IdleAliases
                | Form::AwsSparse
                | Form::AwsStateOnly
                | Form::CckmTopLevel
                | Form::CckmSparse,
                _,
            ) => {}
            (Form::HuaweiSparse, _) => thin(&mut answer),
        }
    }
    answer
}

/// The optional members of an answer. The description of a new key names its owner, so it stays.
const OPTIONAL: [&str; 17] = [
    "creation_date",
    "create_time",
    "default_key_flag",
    "existTagsNum",
    "expiration_time",
    "grantee_principal_type",
    "issuing_principal",
    "key_materials",
    "key_spec",
    "key_type",
    "key_usage",
    "keystore_id",
    "origin",
    "realm",
    "rotation_interval",
    "sys_enterprise_project_id",
    "update_time",
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

fn each_member(value: &mut Value, change: &impl Fn(&str, &mut Value)) {
    match value {
        Value::Object(members) => members.iter_mut().for_each(|(name, value)| {
            each_member(value, change);
            change(name, value);
        }),
        Value::Array(values) => values.iter_mut().for_each(|value| each_member(value, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_another_answer_of_the_same_sense() {
        let listed = json!({ "keys": ["1"], "key_details": [{ "key_state": "4", "key_description": "4", "creation_date": "", "truncated": "true" }], "total": 1 });
        let numbers = in_form(Operation::ListKeys, listed.clone(), &[Form::HuaweiNumbers]);
        let expected = json!({ "keys": ["1"], "key_details": [{ "key_state": 4, "key_description": "4", "creation_date": "", "truncated": true }], "total": 1 });
        assert_eq!(numbers, expected);
        let texts = in_form(Operation::ListKeys, numbers, &[Form::HuaweiTexts]);
        assert_eq!(texts["total"], "1");
        assert_eq!(texts["key_details"], listed["key_details"]);
        let found = json!({ "resources": [{ "resource_detail": { "key_state": 2 } }], "total_count": 1 });
        let typed = json!({ "resources": [{ "resource_detail": { "key_state": "2" } }], "total_count": 1 });
        assert_eq!(in_form(Operation::FilterResources, found.clone(), &[Form::HuaweiSdkTypes]), typed);
        assert_eq!(in_form(Operation::ListAliases, json!({}), &[Form::HuaweiSdkTypes]), json!([{}]));
        assert_eq!(in_form(Operation::FilterResources, found.clone(), &[]), found);
        let details = json!({ "key_info": { "key_id": "1", "key_state": "2", "key_spec": "AES_256", "origin": "kms" } });
        let thin = json!({ "key_info": { "key_id": "1", "key_state": "2" } });
        assert_eq!(in_form(Operation::DescribeKey, details, &[Form::HuaweiSparse]), thin);
    }
}
