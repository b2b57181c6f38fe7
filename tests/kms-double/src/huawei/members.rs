//! Reading the members of a JSON request.
//!
//! Only the documented types are accepted: if the documents say string, a number is an invalid message (`KMS.0202`), and the other way
//! round. Null means absent, and unknown members are ignored.

use serde_json::{Map, Value};

use super::failure::{Code, Failure};

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
            Ok(_) => Err(Failure::because(Code::Json, "the body is no object")),
            Err(error) => Err(Failure::because(Code::Json, error)),
        }
    }

    /// Reads an element of a list.
    pub(crate) fn of(value: &Value) -> Result<Self, Failure> {
        value.as_object().cloned().map(Self).ok_or_else(|| Failure::because(Code::Json, format!("{value} is no object")))
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A string, if present.
    pub(crate) fn string(&self, name: &str) -> Result<Option<&str>, Failure> {
        self.get(name).map(|value| value.as_str().ok_or_else(|| wrong_type(name, "a string"))).transpose()
    }

    /// A required string.
    pub(crate) fn required(&self, name: &str) -> Result<&str, Failure> {
        self.string(name)?.ok_or_else(|| missing(name))
    }

    /// A whole number, if present.
    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, Failure> {
        self.get(name).map(|value| value.as_i64().ok_or_else(|| wrong_type(name, "an integer"))).transpose()
    }

    /// A list, if present.
    pub(crate) fn list(&self, name: &str) -> Result<Option<&[Value]>, Failure> {
        self.get(name).map(|value| value.as_array().map(Vec::as_slice).ok_or_else(|| wrong_type(name, "a list"))).transpose()
    }

    /// An object, if present.
    pub(crate) fn object(&self, name: &str) -> Result<Option<Self>, Failure> {
        self.get(name).map(Self::of).transpose()
    }

    /// The members for the ledger: all except passwords.
    pub(crate) fn for_ledger(&self) -> Value {
        let mut members = Value::Object(self.0.clone());
        hide_passwords(&mut members);
        members
    }
}

/// A required member is missing.
pub(crate) fn missing(name: &str) -> Failure {
    Failure::because(Code::Missing, name)
}

fn wrong_type(name: &str, wanted: &str) -> Failure {
    Failure::because(Code::Json, format!("{name} is not {wanted}"))
}

/// The member `password` can also be an object, a method of authentication. Only texts are secrets.
fn hide_passwords(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, value| name != "password" || !value.is_string());
            members.values_mut().for_each(hide_passwords);
        }
        Value::Array(values) => values.iter_mut().for_each(hide_passwords),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn takes_the_documented_type_only() {
        let members = Members(json!({ "days": 7, "interval": "90", "key_id": null }).as_object().unwrap().clone());
        assert_eq!(members.string("days").unwrap_err().code, "KMS.0202");
        assert_eq!(members.number("interval").unwrap_err().code, "KMS.0202");
        assert_eq!(members.required("key_id").unwrap_err().code, "KMS.0204");
        assert_eq!(Members::parse(b"[]").unwrap_err().code, "KMS.0202");
        assert!(Members::parse(b"").unwrap().0.is_empty());
    }

    #[test]
    fn tells_the_ledger_no_password() {
        let body = json!({ "password": { "user": { "name": "u", "password": "p" } } });
        assert_eq!(Members(body.as_object().unwrap().clone()).for_ledger(), json!({ "password": { "user": { "name": "u" } } }));
    }
}
