//! Reading the members of a JSON request.
//!
//! It behaves like AWS: a member of the wrong type is a `SerializationException`, a member that violates a constraint of the model is a
//! `ValidationException`, null means absent, and unknown members are ignored.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::failure::Failure;

/// Members with data of cryptographic operations.
const DATA: [&str; 9] = [
    "CiphertextBlob",
    "EncryptedKeyMaterial",
    "ImportToken",
    "Mac",
    "Message",
    "Plaintext",
    "PublicKey",
    "SharedSecretCiphertextBlob",
    "Signature",
];

/// The members of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Members(pub(crate) Map<String, Value>);

impl Members {
    /// Reads the body of a request. An empty body is a request without members.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Failure> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            Ok(_) => Err(Failure::serialization("Start of structure or map found where not expected.")),
            Err(error) => Err(Failure::serialization(format!("the body is not JSON: {error}"))),
        }
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A string, if present.
    pub(crate) fn string(&self, name: &str) -> Result<Option<&str>, Failure> {
        self.get(name).map(|value| value.as_str().ok_or_else(|| wrong_type(value, "a String"))).transpose()
    }

    /// A string of `min` to `max` characters, if present.
    pub(crate) fn sized(&self, name: &str, min: usize, max: usize) -> Result<Option<&str>, Failure> {
        let text = self.string(name)?;
        text.map(|text| check_length(text, name, min, max).map(|()| text)).transpose()
    }

    /// A required string of `min` to `max` characters.
    pub(crate) fn required(&self, name: &str, min: usize, max: usize) -> Result<&str, Failure> {
        self.sized(name, min, max)?.ok_or_else(|| missing(name))
    }

    /// One of the values of an enum, if present.
    pub(crate) fn one_of(&self, name: &str, values: &[&str]) -> Result<Option<&str>, Failure> {
        let Some(text) = self.string(name)? else {
            return Ok(None);
        };
        if values.contains(&text) {
            return Ok(Some(text));
        }
        Err(Failure::constraint(text, name, &format!("Member must satisfy enum value set: [{}]", values.join(", "))))
    }

    /// An integer from `min` to `max`, if present.
    pub(crate) fn int(&self, name: &str, min: u32, max: u32) -> Result<Option<u32>, Failure> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let number = value.as_i64().ok_or_else(|| wrong_type(value, "an Integer"))?;
        if number < i64::from(min) {
            let constraint = format!("Member must have value greater than or equal to {min}");
            return Err(Failure::constraint(&number.to_string(), name, &constraint));
        }
        let in_range = u32::try_from(number).ok().filter(|number| *number <= max);
        in_range.map(Some).ok_or_else(|| {
            let constraint = format!("Member must have value less than or equal to {max}");
            Failure::constraint(&number.to_string(), name, &constraint)
        })
    }

    /// A time, as seconds since 1970, if present.
    pub(crate) fn time(&self, name: &str) -> Result<Option<Timestamp>, Failure> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let seconds = value.as_f64().ok_or_else(|| wrong_type(value, "a Timestamp"))?;
        let millis = SignedDuration::try_from_secs_f64(seconds).ok().and_then(|since| Timestamp::UNIX_EPOCH.checked_add(since).ok());
        millis.map(Some).ok_or_else(|| wrong_type(value, "a Timestamp"))
    }

    /// A boolean. Absent means false.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Failure> {
        let Some(value) = self.get(name) else {
            return Ok(false);
        };
        value.as_bool().ok_or_else(|| wrong_type(value, "a Boolean"))
    }

    /// Base64 of 1 to `max` bytes, if present.
    pub(crate) fn blob(&self, name: &str, max: usize) -> Result<Option<Vec<u8>>, Failure> {
        let Some(text) = self.string(name)? else {
            return Ok(None);
        };
        let bytes = STANDARD.decode(text).map_err(|_| Failure::serialization(format!("{name} is not base64")))?;
        if bytes.is_empty() || bytes.len() > max {
            return Err(Failure::constraint("*", name, &format!("Member must have length from 1 to {max}")));
        }
        Ok(Some(bytes))
    }

    /// Base64 of 1 to `max` bytes.
    pub(crate) fn required_blob(&self, name: &str, max: usize) -> Result<Vec<u8>, Failure> {
        self.blob(name, max)?.ok_or_else(|| missing(name))
    }

    /// A list, if present.
    pub(crate) fn list(&self, name: &str) -> Result<Option<&[Value]>, Failure> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        value.as_array().map(|list| Some(list.as_slice())).ok_or_else(|| wrong_type(value, "a List"))
    }

    /// A list of strings, if present.
    pub(crate) fn strings(&self, name: &str) -> Result<Option<Vec<&str>>, Failure> {
        let list = self.list(name)?;
        list.map(|list| list.iter().map(|value| value.as_str().ok_or_else(|| wrong_type(value, "a String"))).collect()).transpose()
    }

    /// A structure, if present.
    pub(crate) fn structure(&self, name: &str) -> Result<Option<Self>, Failure> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        value.as_object().map(|members| Some(Self(members.clone()))).ok_or_else(|| wrong_type(value, "a Structure"))
    }

    /// A map from strings to strings. Absent means empty.
    pub(crate) fn string_map(&self, name: &str) -> Result<Vec<(&str, &str)>, Failure> {
        let Some(value) = self.get(name) else {
            return Ok(Vec::new());
        };
        let map = value.as_object().ok_or_else(|| wrong_type(value, "a Map"))?;
        map.iter()
            .map(|(key, value)| value.as_str().map(|text| (key.as_str(), text)).ok_or_else(|| wrong_type(value, "a String")))
            .collect()
    }

    /// The members for the ledger: all except the data of cryptographic operations.
    pub(crate) fn for_ledger(&self) -> Value {
        let members = self.0.iter().filter(|(name, _)| !DATA.contains(&name.as_str()));
        Value::Object(members.map(|(name, value)| (name.clone(), value.clone())).collect())
    }
}

/// A required member is missing.
pub(crate) fn missing(name: &str) -> Failure {
    let null = Failure::constraint("null", name, "Member must not be null");
    Failure { message: null.message.replace("Value 'null'", "Value null"), ..null }
}

/// Length in characters, as the model counts it.
pub(crate) fn check_length(text: &str, name: &str, min: usize, max: usize) -> Result<(), Failure> {
    let length = text.chars().count();
    let refuse = |constraint: String| Err(Failure::constraint(text, name, &constraint));
    if length < min {
        return refuse(format!("Member must have length greater than or equal to {min}"));
    }
    if length > max {
        return refuse(format!("Member must have length less than or equal to {max}"));
    }
    Ok(())
}

/// A value of another JSON type than the model's.
pub(crate) fn wrong_type(value: &Value, wanted: &str) -> Failure {
    let kind = match value {
        Value::Null => "NULL",
        Value::Bool(true) => "TRUE_VALUE",
        Value::Bool(false) => "FALSE_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        Value::String(_) => "STRING_VALUE",
        Value::Array(_) => "START_ARRAY",
        Value::Object(_) => "START_OBJECT",
    };
    Failure::serialization(format!("{kind} can not be converted to {wanted}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn members(value: &Value) -> Members {
        Members::parse(value.to_string().as_bytes()).unwrap()
    }

    fn code<T: std::fmt::Debug>(result: Result<T, Failure>) -> String {
        result.unwrap_err().code
    }

    #[test]
    fn tells_a_wrong_type_from_a_bad_value() {
        let m = members(&json!({"N": "7", "S": 7, "B": "true", "L": {}, "Big": 31, "Half": 7.5}));
        assert_eq!(code(m.int("N", 7, 30)), "SerializationException");
        assert_eq!(code(m.int("Half", 7, 30)), "SerializationException");
        assert_eq!(code(m.string("S")), "SerializationException");
        assert_eq!(code(m.flag("B")), "SerializationException");
        assert_eq!(code(m.list("L")), "SerializationException");
        assert_eq!(code(m.int("Big", 7, 30)), "ValidationException");
    }

    #[test]
    fn takes_null_for_absent_and_ignores_unknown_members() {
        let m = members(&json!({"KeyId": null, "Whatever": [1]}));
        assert_eq!(m.string("KeyId"), Ok(None));
        assert_eq!(m.required("KeyId", 1, 2048).unwrap_err().message, missing("KeyId").message);
        assert!(missing("KeyId").message.contains("Value null at 'keyId'"));
    }

    #[test]
    fn refuses_a_body_that_is_no_object() {
        assert_eq!(code(Members::parse(b"{")), "SerializationException");
        assert_eq!(code(Members::parse(b"[]")), "SerializationException");
        assert!(Members::parse(b"").unwrap().0.is_empty());
    }
}
