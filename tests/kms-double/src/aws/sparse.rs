//! Answers without the members that AWS's model calls optional; see [`Form::AwsSparse`] and [`Form::AwsStateOnly`].
//!
//! The members that stay are those that the caller requested, and those that show the state of a key: deletion dates, and in the first form
//! `Enabled` and `Origin`, in the second `KeyState`.

use serde_json::Value;

use crate::form::Form;

/// These are always left out.
const OPTIONAL: [&str; 29] = [
    "AWSAccountId",
    "AliasArn",
    "Arn",
    "CreationDate",
    "CurrentKeyMaterialId",
    "CustomerMasterKeySpec",
    "Description",
    "EncapsulationAlgorithms",
    "EncryptionAlgorithms",
    "ExpirationModel",
    "KeyAgreementAlgorithms",
    "KeyArn",
    "KeyManager",
    "KeyMaterialId",
    "KeyMaterialState",
    "KeySpec",
    "KeyUsage",
    "LastUpdatedDate",
    "MacAlgorithms",
    "MultiRegion",
    "MultiRegionConfiguration",
    "NextRotationDate",
    "OnDemandRotationStartDate",
    "RotationPeriodInDays",
    "RotationType",
    "SigningAlgorithms",
    "TargetKeyId",
    "Truncated",
    "ValidTo",
];

/// Removes the optional members from an answer.
pub(super) fn thin(answer: &mut Value, form: Form) {
    match answer {
        Value::Object(members) => {
            // In `KeyMetadata` and in a list of keys the id is required. In every other answer it only repeats the request.
            let said_back = ["KeyRotationEnabled", "PendingWindowInDays", "RotationDate"].iter().any(|name| members.contains_key(*name));
            let state = |name: &str| match form {
                Form::AwsStateOnly => matches!(name, "Enabled" | "Origin"),
                _ => name == "KeyState",
            };
            members.retain(|name, _| !(OPTIONAL.contains(&name.as_str()) || state(name) || (name == "KeyId" && said_back)));
            members.values_mut().for_each(|value| thin(value, form));
        }
        Value::Array(entries) => entries.iter_mut().for_each(|entry| thin(entry, form)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_optional_goes_and_the_rest_stays() {
        let whole = json!({
            "KeyMetadata": {
                "KeyId": "1", "Arn": "a", "KeyState": "Disabled", "Enabled": false, "MultiRegion": false, "AWSAccountId": "1", "KeySpec": "s",
                "KeyUsage": "u", "Origin": "o", "KeyManager": "m", "CreationDate": 1.0, "Description": "",
            },
            "Aliases": [{ "AliasName": "alias/a", "AliasArn": "b", "TargetKeyId": "1" }],
            "Truncated": true,
            "NextMarker": "m",
        });
        let left = |form, state: Value| {
            let mut answer = whole.clone();
            thin(&mut answer, form);
            assert_eq!(answer, json!({ "KeyMetadata": state, "Aliases": [{ "AliasName": "alias/a" }], "NextMarker": "m" }));
        };
        left(Form::AwsSparse, json!({ "KeyId": "1", "Enabled": false, "Origin": "o" }));
        left(Form::AwsStateOnly, json!({ "KeyId": "1", "KeyState": "Disabled" }));
        let mut scheduled = json!({ "KeyId": "1", "KeyState": "PendingDeletion", "DeletionDate": 1.0, "PendingWindowInDays": 7 });
        thin(&mut scheduled, Form::AwsSparse);
        assert_eq!(scheduled, json!({ "DeletionDate": 1.0, "PendingWindowInDays": 7 }));
    }
}
