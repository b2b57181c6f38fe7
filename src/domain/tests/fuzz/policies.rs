//! Key policies: whoever may edit an object, or the key at the KMS, writes any text there.

use fastrand::Rng;
use serde_json::{Map, Value, json};

use super::super::fixtures::{ACCOUNT, arn};
use crate::{
    api::key_provider::{AllowPolicies, PoliciesFrom},
    domain::policy::{
        Document, LONGEST,
        access::{Also, Caller, access},
        allowed::Allowed,
        compare::{deleted_principals, differences},
    },
    fuzz::{body, fuzz, one},
};

const OTHER: &str = "444455556666";
const ROLE: &str = "arn:aws:iam::111122223333:role/team/keyward";
const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/keyward/keyward";

fn read(text: &str) -> Document {
    Document::read(text).unwrap_or_else(|why| panic!("{why}: {text}"))
}

fn some<'a>(rng: &mut Rng, of: &[&'a str]) -> Vec<&'a str> {
    let count = rng.usize(1..=of.len().min(3));
    let mut all = of.to_vec();
    rng.shuffle(&mut all);
    all.truncate(count);
    all.sort_unstable();
    all
}

fn principals(rng: &mut Rng) -> Value {
    match rng.u8(..6) {
        0 => json!({ "AWS": "*" }),
        1 => json!({ "Service": some(rng, &["logs.eu-west-1.amazonaws.com", "s3.amazonaws.com"]) }),
        _ => json!({ "AWS": some(rng, &[ACCOUNT, OTHER, ROLE, SESSION, "arn:aws:iam::111122223333:user/Ann", "AROAEXAMPLEID"]) }),
    }
}

fn conditions(rng: &mut Rng) -> Value {
    match rng.u8(..4) {
        0 => json!({ "StringEquals": { "kms:CallerAccount": some(rng, &[ACCOUNT, OTHER]) } }),
        1 => json!({ "Bool": { "kms:GrantIsForAWSResource": true } }),
        2 => json!({ "NumericLessThan": { "kms:RotationPeriodInDays": [90, 120] } }),
        _ => json!({ "StringLike": { "aws:PrincipalArn": "arn:aws:iam::*:role/x", "kms:EncryptionContext:App": "a" } }),
    }
}

/// A policy in one spelling: two statements that are equal are equal as JSON.
fn policy(rng: &mut Rng) -> Value {
    let statements: Vec<Value> = (0..rng.usize(1..=4))
        .map(|number| {
            let mut statement = json!({
                "Effect": one(rng, &["Allow", "Deny"]),
                one(rng, &["Principal", "Principal", "NotPrincipal"]): principals(rng),
                one(rng, &["Action", "Action", "NotAction"]): some(rng, &["kms:*", "kms:PutKeyPolicy", "kms:Describe*", "kms:Decrypt"]),
                "Resource": some(rng, &["*", "arn:aws:kms:*:*:key/*"]),
            });
            if rng.bool() {
                statement["Sid"] = json!(format!("S{number}"));
            }
            if rng.bool() {
                statement["Condition"] = conditions(rng);
            }
            statement
        })
        .collect();
    let mut policy = json!({ "Version": one(rng, &["2012-10-17", "2008-10-17"]), "Statement": statements });
    if rng.bool() {
        policy["Id"] = json!("key-1");
    }
    policy
}

/// Some case of every letter.
fn recased(rng: &mut Rng, text: &str) -> String {
    text.chars().map(|c| if rng.bool() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect()
}

/// The same values in another order, some of them twice, and a single one perhaps without its list.
fn relisted(rng: &mut Rng, value: &Value, mut each: impl FnMut(&mut Rng, &Value) -> Value) -> Value {
    let mut items = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    if rng.bool() {
        items.extend(items.first().cloned());
    }
    rng.shuffle(&mut items);
    let mut items: Vec<Value> = items.iter().map(|item| each(rng, item)).collect();
    if items.len() == 1 && rng.bool() { items.remove(0) } else { items.into() }
}

/// The same principals in another spelling.
fn respelled_principals(rng: &mut Rng, value: &Value) -> Value {
    match value {
        value if value["AWS"] == json!("*") && rng.bool() => json!("*"),
        value => {
            let account = |rng: &mut Rng, item: &Value| match item.as_str() {
                Some(id) if id.len() == 12 && rng.bool() => json!(format!("arn:aws:iam::{id}:root")),
                _ => item.clone(),
            };
            let types = value.as_object().into_iter().flatten();
            Value::Object(types.map(|(kind, list)| (kind.clone(), relisted(rng, list, account))).collect())
        }
    }
}

fn respelled_conditions(rng: &mut Rng, value: &Value) -> Value {
    let text = |rng: &mut Rng, item: &Value| match item {
        Value::String(_) => item.clone(),
        other if rng.bool() => json!(other.to_string()),
        other => other.clone(),
    };
    let mut operators = Map::new();
    for (operator, keys) in value.as_object().into_iter().flatten() {
        let mut recast = Map::new();
        for (key, values) in keys.as_object().into_iter().flatten() {
            recast.insert(recased(rng, key), relisted(rng, values, text));
        }
        operators.insert(recased(rng, operator), recast.into());
    }
    operators.into()
}

/// The same policy in another spelling.
fn respelled(rng: &mut Rng, policy: &Value) -> Value {
    let statement = |rng: &mut Rng, statement: &Value| {
        let mut statement = statement.clone();
        for (name, value) in statement.as_object_mut().into_iter().flatten() {
            *value = match name.as_str() {
                "Principal" | "NotPrincipal" => respelled_principals(rng, value),
                "Action" | "NotAction" => relisted(rng, value, |rng, item| json!(recased(rng, item.as_str().unwrap_or_default()))),
                "Resource" => relisted(rng, value, |_, item| item.clone()),
                "Condition" => respelled_conditions(rng, value),
                _ => value.clone(),
            };
        }
        statement
    };
    let mut new = policy.clone();
    new["Statement"] = relisted(rng, &policy["Statement"], statement);
    if new["Version"] == json!("2008-10-17") && rng.bool() {
        new.as_object_mut().map(|members| members.remove("Version"));
    }
    new
}

/// The text of a value, its members in any order and with any white space.
fn written(rng: &mut Rng, value: &Value) -> String {
    let space = |rng: &mut Rng| (*one(rng, &["", " ", "\n", "\t"])).to_owned();
    let mut parts: Vec<String> = match value {
        Value::Object(members) => {
            let mut parts: Vec<String> =
                members.iter().map(|(name, value)| format!("{}:{}{}", json!(name), space(rng), written(rng, value))).collect();
            rng.shuffle(&mut parts);
            parts
        }
        Value::Array(items) => items.iter().map(|item| written(rng, item)).collect(),
        other => return other.to_string(),
    };
    for part in &mut parts {
        part.push_str(&space(rng));
    }
    let inside = parts.join(",");
    if value.is_object() { format!("{{{inside}}}") } else { format!("[{inside}]") }
}

/// The same policy with one change that gives other access, or that a person sees.
fn changed(rng: &mut Rng, policy: &Value) -> Value {
    let mut new = policy.clone();
    let statements = new["Statement"].as_array_mut().expect("a list");
    let at = rng.usize(..statements.len());
    let statement = &mut statements[at];
    let name = |statement: &Value, names: [&'static str; 2]| if statement.get(names[0]).is_some() { names } else { [names[1], names[0]] };
    let add = |value: &mut Value, item: Value| {
        let items = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        *value = [items, vec![item]].concat().into();
    };
    match rng.u8(..14) {
        0 => statement["Effect"] = if statement["Effect"] == json!("Allow") { json!("Deny") } else { json!("Allow") },
        1 => statement["Sid"] = json!("Changed"),
        2 => {
            let [has, _] = name(statement, ["Principal", "NotPrincipal"]);
            let types = statement[has].as_object_mut().into_iter().flatten();
            types.take(1).for_each(|(_, list)| add(list, json!("arn:aws:iam::777788889999:root")));
        }
        // The same account in another partition is another account.
        3 => {
            let [has, _] = name(statement, ["Principal", "NotPrincipal"]);
            statement[has] = json!({ "AWS": "arn:aws-cn:iam::111122223333:root" });
        }
        4 | 5 => {
            let names = if rng.bool() { ["Principal", "NotPrincipal"] } else { ["Action", "NotAction"] };
            let [has, other] = name(statement, names);
            let moved = statement.as_object_mut().and_then(|members| members.remove(has)).expect("it has it");
            statement[other] = moved;
        }
        6 => {
            let [has, _] = name(statement, ["Action", "NotAction"]);
            add(&mut statement[has], json!("kms:Encrypt"));
        }
        7 => add(&mut statement["Resource"], json!("arn:aws:kms:eu-west-1:111122223333:key/other")),
        8 => {
            let without = statement.as_object_mut().and_then(|members| members.remove("Condition"));
            if without.is_none() {
                statement["Condition"] = json!({ "Bool": { "aws:SecureTransport": "true" } });
            }
        }
        // The case of a value counts.
        9 => statement["Condition"] = json!({ "StringEquals": { "kms:ViaService": "S3.amazonaws.com" } }),
        10 => _ = statements.remove(at),
        11 => statements.push(json!({ "Effect": "Allow", "Principal": { "AWS": OTHER }, "Action": "kms:Sign", "Resource": "*" })),
        12 => new["Version"] = if new["Version"] == json!("2012-10-17") { json!("2008-10-17") } else { json!("2012-10-17") },
        _ => new["Id"] = json!("changed"),
    }
    new
}

#[test]
fn policies_in_any_spelling_are_equal() {
    fuzz("policies_in_any_spelling_are_equal", |rng| {
        let policy = policy(rng);
        let (one, other) = (respelled(rng, &policy), respelled(rng, &policy));
        let (one, other) = (written(rng, &one), written(rng, &other));
        let found = differences(&read(&one), &read(&other), &arn());
        assert!(found.is_empty(), "{found:?}\n{one}\n{other}");
    });
}

#[test]
fn policies_with_one_change_differ() {
    fuzz("policies_with_one_change_differ", |rng| {
        let policy = policy(rng);
        let other = changed(rng, &policy);
        // A statement may be there twice, and then removing one changes nothing. The generator seldom makes such policies.
        let twin = |value: &Value| {
            let all = value["Statement"].as_array().cloned().unwrap_or_default();
            all.iter().enumerate().any(|(at, one)| all.iter().skip(at + 1).any(|two| one == two))
        };
        if twin(&policy) || twin(&other) || policy == other {
            return;
        }
        let (one, other) = (written(rng, &policy), respelled(rng, &other));
        let other = written(rng, &other);
        let found = differences(&read(&one), &read(&other), &arn());
        assert!(!found.is_empty(), "\n{one}\n{other}");
        assert!(found.iter().all(|difference| difference.to_string().len() < 200), "{found:?}");
    });
}

/// No text makes the parser or a question panic, take long, or tell more than a name of the document.
#[test]
fn policies() {
    let rule = AllowPolicies { from: PoliciesFrom::Accounts, accounts: vec![OTHER.into()], services: vec!["s3.amazonaws.com".into()] };
    fuzz("policies", |rng| {
        let good = [policy(rng), policy(rng)];
        let text = body(rng, &good);
        match Document::read(&text) {
            Err(why) => assert!(why.to_string().len() < 400, "{why}"),
            Ok(document) => {
                assert!(text.len() <= LONGEST);
                assert!(differences(&document, &document, &arn()).is_empty(), "{text}");
                let other = read(&good[0].to_string());
                let told: Vec<String> = differences(&other, &document, &arn()).iter().map(ToString::to_string).collect();
                assert!(told.iter().all(|text| text.len() < 400 && !text.chars().any(char::is_control)), "{told:?}");
                let refused = Allowed { rule: &rule, account: ACCOUNT, caller: Caller::of(SESSION) }.refuses(&document);
                assert!(refused.is_none_or(|why| why.len() < 600), "{text}");
                let _ = access(&document, Caller::of(SESSION), &arn(), Also::default());
                let _ = deleted_principals(&document);
            }
        }
    });
}
