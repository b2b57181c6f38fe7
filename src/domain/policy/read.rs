//! Reads the text of a key policy.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{
    Document, Effect, LONGEST, Name, NoPolicy, PolicyCondition, Principal, PrincipalKind, Principals, Statement, Texts, json, shown,
};

/// The version of a document without one.
const OLD: &str = "2008-10-17";
/// The other version.
const NEW: &str = "2012-10-17";

type Members = Map<String, Value>;

fn no(why: impl Into<String>) -> NoPolicy {
    NoPolicy(why.into())
}

impl Document {
    /// Reads a text of at most [`LONGEST`] bytes.
    ///
    /// # Errors
    /// The text is not a valid key policy.
    pub fn read(text: &str) -> Result<Self, NoPolicy> {
        if text.len() > LONGEST {
            return Err(no(format!("it has {} bytes, and a key policy has at most {LONGEST}", text.len())));
        }
        characters(text)?;
        let value = json::read(text).map_err(|error| no(format!("it is not valid JSON: {error}")))?;
        let Value::Object(members) = value else { return Err(no("it is not a JSON object")) };
        only(&members, &["Version", "Id", "Statement"], "the policy")?;
        let version = string(&members, "Version", "the policy")?.unwrap_or(OLD);
        if ![OLD, NEW].contains(&version) {
            return Err(no(format!("its Version is {}, and IAM has {NEW} and {OLD}", shown(version))));
        }
        let statements = match members.get("Statement") {
            Some(Value::Array(statements)) => statements.iter().collect(),
            Some(statement @ Value::Object(_)) => vec![statement],
            Some(_) => return Err(no("its Statement is no list of objects")),
            None => return Err(no("it has no Statement")),
        };
        let statements = statements.into_iter().enumerate().map(|(at, statement)| Statement::read(statement, at + 1));
        Ok(Self {
            version: version.into(),
            id: string(&members, "Id", "the policy")?.map(str::to_owned),
            statements: statements.collect::<Result<_, _>>()?,
        })
    }
}

/// AWS accepts only these characters (AWS KMS API reference, `PutKeyPolicy`: the pattern of `Policy`).
fn characters(text: &str) -> Result<(), NoPolicy> {
    for (at, line) in text.split('\n').enumerate() {
        let odd = line.chars().position(|c| !matches!(c, '\t' | '\r' | '\u{20}'..='\u{ff}'));
        if let Some(column) = odd {
            let place = format!("line {} column {}", at + 1, column + 1);
            return Err(no(format!("it has a character at {place} that AWS does not accept; write it as \\u and its number")));
        }
    }
    Ok(())
}

impl Statement {
    fn read(value: &Value, number: usize) -> Result<Self, NoPolicy> {
        let Value::Object(members) = value else { return Err(no(format!("statement {number} is not an object"))) };
        let sid = string(members, "Sid", &format!("statement {number}"))?.filter(|sid| !sid.is_empty()).map(str::to_owned);
        let name = Name { sid, number };
        let of = name.to_string();
        let known = ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];
        only(members, &known, &of)?;
        let effect = match string(members, "Effect", &of)? {
            Some("Allow") => Effect::Allow,
            Some("Deny") => Effect::Deny,
            _ => return Err(no(format!("the Effect of {of} is neither Allow nor Deny"))),
        };
        let principals = match one_of(members, ["Principal", "NotPrincipal"], &of)? {
            Some(("Principal", value)) => Principals::These(principals(value, &of)?),
            Some((_, value)) => Principals::AllBut(principals(value, &of)?),
            None => return Err(no(format!("{of} has no Principal"))),
        };
        let texts = |names: [&'static str; 2]| match one_of(members, names, &of)? {
            Some((name, value)) if name == names[0] => Ok(Some(Texts::These(list(value, name, &of)?))),
            Some((name, value)) => Ok(Some(Texts::AllBut(list(value, name, &of)?))),
            None => Ok(None),
        };
        let (actions, resources) = (texts(["Action", "NotAction"])?, texts(["Resource", "NotResource"])?);
        let conditions = conditions(members.get("Condition"), &of)?;
        Ok(Self { name, effect, principals, actions, resources, conditions })
    }
}

/// Refuses a member that the grammar does not have: AWS may give it a meaning that this program does not know.
fn only(members: &Members, known: &[&str], of: &str) -> Result<(), NoPolicy> {
    match members.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(no(format!("{of} has the unknown member {:?}", shown(name)))),
        None => Ok(()),
    }
}

fn one_of<'a>(members: &'a Members, names: [&'static str; 2], of: &str) -> Result<Option<(&'static str, &'a Value)>, NoPolicy> {
    match names.map(|name| members.get(name).map(|value| (name, value))) {
        [Some(_), Some(_)] => Err(no(format!("{of} has both {} and {}", names[0], names[1]))),
        [one, other] => Ok(one.or(other)),
    }
}

fn string<'a>(members: &'a Members, name: &str, of: &str) -> Result<Option<&'a str>, NoPolicy> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(no(format!("{name} of {of} is no text"))),
    }
}

/// One text, or a list of texts.
fn list(value: &Value, name: &str, of: &str) -> Result<BTreeSet<String>, NoPolicy> {
    texts(value, |value| value.as_str().map(str::to_owned))
        .ok_or_else(|| no(format!("{name} of {of} is neither a text nor a list of texts")))
}

fn texts(value: &Value, text: impl Fn(&Value) -> Option<String>) -> Option<BTreeSet<String>> {
    match value {
        Value::Array(items) => items.iter().map(text).collect(),
        one => text(one).map(|one| BTreeSet::from([one])),
    }
}

fn principals(value: &Value, of: &str) -> Result<BTreeSet<Principal>, NoPolicy> {
    let everyone = || BTreeSet::from([Principal { kind: PrincipalKind::Aws, text: "*".into() }]);
    let types = match value {
        Value::String(star) if star == "*" => return Ok(everyone()),
        Value::Object(types) => types,
        _ => return Err(no(format!("the principals of {of} are neither \"*\" nor an object"))),
    };
    let mut principals = BTreeSet::new();
    for (name, value) in types {
        let kind = match name.as_str() {
            "AWS" => PrincipalKind::Aws,
            "Service" => PrincipalKind::Service,
            "Federated" => PrincipalKind::Federated,
            "CanonicalUser" => PrincipalKind::CanonicalUser,
            other => return Err(no(format!("{of} has a principal of the unknown type {:?}", shown(other)))),
        };
        principals.extend(list(value, name, of)?.into_iter().map(|text| Principal { kind, text }));
    }
    Ok(principals)
}

fn conditions(value: Option<&Value>, of: &str) -> Result<BTreeSet<PolicyCondition>, NoPolicy> {
    let malformed = || no(format!("the Condition of {of} is not an object of operators, keys and values"));
    let mut conditions = BTreeSet::new();
    let Some(value) = value else { return Ok(conditions) };
    for (operator, keys) in value.as_object().ok_or_else(malformed)? {
        for (key, value) in keys.as_object().ok_or_else(malformed)? {
            let text = |value: &Value| match value {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                Value::Bool(bool) => Some(bool.to_string()),
                Value::Null | Value::Array(_) | Value::Object(_) => None,
            };
            let values = texts(value, text).ok_or_else(malformed)?;
            conditions.insert(PolicyCondition { operator: operator.clone(), key: key.clone(), values });
        }
    }
    Ok(conditions)
}
