//! Reads the JSON body of a request.
//!
//! Thales's own clients send null, "" and 0 for members that are not set, so these mean absent. Unknown members are ignored. A member of
//! the wrong type is refused: a number in a string is not a number.

use serde_json::{Map, Value};

use super::failure::Failure;

/// Members whose values must not be in the ledger.
const SECRETS: [&str; 2] = ["password", "refresh_token"];

/// The members of a body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Body(pub(crate) Map<String, Value>);

impl Body {
    /// Reads a body. An empty body has no members.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Failure> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            Ok(Value::Null) => Ok(Self::default()),
            Ok(_) => Err(Failure::invalid("the body is not a JSON object")),
            Err(error) => Err(Failure::invalid(format!("the body is not JSON: {error}"))),
        }
    }

    /// A member without conversion, if present.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        let absent = |value: &Value| value.is_null() || value.as_str() == Some("") || value.as_i64() == Some(0);
        self.0.get(name).filter(|value| !absent(value))
    }

    /// A string, if present.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, Failure> {
        self.get(name).map(|value| value.as_str().ok_or_else(|| wrong(name, "a string"))).transpose()
    }

    /// A required string.
    pub(crate) fn required(&self, name: &str) -> Result<&str, Failure> {
        self.text(name)?.ok_or_else(|| missing(name))
    }

    /// An integer, if present.
    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, Failure> {
        self.get(name).map(|value| value.as_i64().ok_or_else(|| wrong(name, "an integer"))).transpose()
    }

    /// A boolean. Absent means false.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Failure> {
        self.get(name).map_or(Ok(false), |value| value.as_bool().ok_or_else(|| wrong(name, "a boolean")))
    }

    /// A list of strings, if present. An empty list means absent.
    pub(crate) fn texts(&self, name: &str) -> Result<Option<Vec<String>>, Failure> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let list = value.as_array().ok_or_else(|| wrong(name, "a list"))?;
        let texts = list.iter().map(|text| text.as_str().map(str::to_owned).ok_or_else(|| wrong(name, "a list of strings")));
        let texts = texts.collect::<Result<Vec<_>, _>>()?;
        Ok(Some(texts).filter(|texts| !texts.is_empty()))
    }

    /// An object, if present. An empty object means absent.
    pub(crate) fn object(&self, name: &str) -> Result<Option<Self>, Failure> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let members = value.as_object().ok_or_else(|| wrong(name, "an object"))?;
        Ok(Some(Self(members.clone())).filter(|members| !members.0.is_empty()))
    }

    /// A list of tags, each an object with these two members. None if absent.
    pub(crate) fn tags(&self, name: &str, key: &str, value: &str) -> Result<Option<Vec<Value>>, Failure> {
        let Some(tags) = self.get(name) else {
            return Ok(None);
        };
        let tags = tags.as_array().ok_or_else(|| wrong(name, "a list"))?;
        let read = |tag: &Value| {
            let members = tag.as_object().ok_or_else(|| wrong(name, "a list of objects"))?;
            let part = |part: &str| members.get(part).and_then(Value::as_str).ok_or_else(|| missing(&format!("{name}[].{part}")));
            Ok(serde_json::json!({ "TagKey": part(key)?, "TagValue": part(value)? }))
        };
        Ok(Some(tags.iter().map(read).collect::<Result<Vec<_>, Failure>>()?).filter(|tags| !tags.is_empty()))
    }

    /// The members for the ledger: all except secrets.
    pub(crate) fn for_ledger(&self) -> Value {
        let open = self.0.iter().filter(|(name, _)| !SECRETS.contains(&name.as_str()));
        Value::Object(open.map(|(name, value)| (name.clone(), value.clone())).collect())
    }
}

/// A required member is missing.
pub(crate) fn missing(name: &str) -> Failure {
    Failure::invalid(format!("{name} is required"))
}

/// A member has another type.
pub(crate) fn wrong(name: &str, wanted: &str) -> Failure {
    Failure::invalid(format!("{name} is not {wanted}"))
}
