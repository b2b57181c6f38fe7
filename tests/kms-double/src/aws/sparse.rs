//! Answers without what AWS's pages and model call optional and what an answer can do without: see [`crate::Form::AwsSparse`].
//!
//! What stays is what a caller asked for, and what tells one state of a key from another: `Enabled`, `DeletionDate`, `PendingDeletionWindowInDays`.

use serde_json::Value;

/// Left out wherever they stand.
const OPTIONAL: [&str; 16] = [
    "AWSAccountId",
    "AliasArn",
    "CurrentKeyMaterialId",
    "CustomerMasterKeySpec",
    "EncapsulationAlgorithms",
    "EncryptionAlgorithms",
    "ExpirationModel",
    "KeyAgreementAlgorithms",
    "KeyState",
    "LastUpdatedDate",
    "MacAlgorithms",
    "NextRotationDate",
    "OnDemandRotationStartDate",
    "SigningAlgorithms",
    "TargetKeyId",
    "ValidTo",
];

/// Left out where they are false, which they are when absent.
const FALSE: [&str; 2] = ["MultiRegion", "Truncated"];

/// Takes out of an answer what it can do without.
pub(super) fn thin(answer: &mut Value) {
    match answer {
        Value::Object(members) => {
            // `KeyMetadata` has a required one; every other answer says it back.
            let said_back = members.contains_key("KeyRotationEnabled") || members.contains_key("PendingWindowInDays");
            members.retain(|name, value| {
                let said_by_absence = FALSE.contains(&name.as_str()) && *value == Value::Bool(false);
                let optional = OPTIONAL.contains(&name.as_str()) || (name == "KeyId" && said_back);
                !(optional || said_by_absence)
            });
            members.values_mut().for_each(thin);
        }
        Value::Array(entries) => entries.iter_mut().for_each(thin),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::thin;

    #[test]
    fn what_is_optional_goes_and_the_rest_stays() {
        let mut answer = json!({
            "KeyMetadata": { "KeyId": "1", "Arn": "a", "KeyState": "Disabled", "Enabled": false, "MultiRegion": false, "AWSAccountId": "1" },
            "Aliases": [{ "AliasName": "alias/a", "AliasArn": "b", "TargetKeyId": "1" }],
            "Truncated": true,
        });
        thin(&mut answer);
        let left = json!({
            "KeyMetadata": { "KeyId": "1", "Arn": "a", "Enabled": false },
            "Aliases": [{ "AliasName": "alias/a" }],
            "Truncated": true,
        });
        assert_eq!(answer, left);
        let mut scheduled = json!({ "KeyId": "1", "KeyState": "PendingDeletion", "DeletionDate": 1.0, "PendingWindowInDays": 7 });
        thin(&mut scheduled);
        assert_eq!(scheduled, json!({ "DeletionDate": 1.0, "PendingWindowInDays": 7 }));
    }
}
