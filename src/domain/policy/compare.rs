//! Compares two key policies as IAM compares them.
//!
//! These make no difference, because they give the same access:
//!
//! | | document of AWS |
//! |---|---|
//! | the order of members, statements and values, and a value that is there twice | IAM User Guide, "IAM JSON policy element reference" and "Grammar of the IAM JSON policy language" |
//! | one value, or a list of that value | the same |
//! | no `Version`, or `2008-10-17` | "IAM JSON policy elements: Version" |
//! | the number of an account, or the ARN of its root; `"*"`, or `{"AWS": "*"}` | "AWS JSON policy elements: Principal" |
//! | the case of an action | "IAM JSON policy elements: Action" |
//! | the case of a condition key | "IAM JSON policy elements: Condition" |
//! | a number or a boolean in a condition, or its text | "Grammar of the IAM JSON policy language" |
//!
//! The case of a condition operator makes no difference either. AWS's documents do not say that it does, and no two operators differ only
//! in their case. Everything else is a difference, `Sid` and `Id` too: a person who changed them wants to see them changed.

use std::{collections::BTreeSet, fmt};

use super::{Document, Effect, Name, PolicyCondition, Principal, Principals, Statement, Texts, Who};

/// How many differences are told. A person who sees so many compares the documents anyway.
const MOST: usize = 5;

/// A part of a policy that differs from the declared one. A statement is named, and never shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// `Version` or `Id`.
    Member(&'static str),
    /// A statement that both have, but not with the same content.
    Differs(String),
    /// A statement that only the declared policy has.
    Missing(String),
    /// A statement that only the policy of the key has.
    Undeclared(String),
    /// So many more.
    More(usize),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(name) => write!(f, "{name} differs"),
            Self::Differs(name) => write!(f, "{name} differs"),
            Self::Missing(name) => write!(f, "{name} is missing"),
            Self::Undeclared(name) => write!(f, "{name} is not declared"),
            Self::More(count) => write!(f, "{count} more differences"),
        }
    }
}

/// A statement in the one spelling that all equal statements have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Canonical {
    sid: Option<String>,
    effect: Effect,
    principals: Principals,
    actions: Option<Texts>,
    resources: Option<Texts>,
    conditions: BTreeSet<PolicyCondition>,
}

impl Canonical {
    fn of(statement: &Statement, partition: &str) -> Self {
        let Statement { name, effect, principals, actions, resources, conditions } = statement;
        let each = |principals: &BTreeSet<Principal>| principals.iter().map(|principal| canonical(principal, partition)).collect();
        let lower = |texts: &BTreeSet<String>| texts.iter().map(|text| text.to_ascii_lowercase()).collect();
        let condition = |condition: &PolicyCondition| PolicyCondition {
            operator: condition.operator.to_ascii_lowercase(),
            key: condition.key.to_ascii_lowercase(),
            values: condition.values.clone(),
        };
        Self {
            sid: name.sid.clone(),
            effect: *effect,
            principals: match principals {
                Principals::These(principals) => Principals::These(each(principals)),
                Principals::AllBut(principals) => Principals::AllBut(each(principals)),
            },
            actions: actions.as_ref().map(|actions| match actions {
                Texts::These(actions) => Texts::These(lower(actions)),
                Texts::AllBut(actions) => Texts::AllBut(lower(actions)),
            }),
            resources: resources.clone(),
            conditions: conditions.iter().map(condition).collect(),
        }
    }
}

/// An account as the ARN of its root, in the partition of the key.
fn canonical(principal: &Principal, partition: &str) -> Principal {
    match principal.who() {
        Who::Account(account) if account == principal.text => {
            Principal { kind: principal.kind, text: format!("arn:{partition}:iam::{account}:root") }
        }
        _ => principal.clone(),
    }
}

/// The partition of a key's ARN, such as `aws-cn`.
#[must_use]
pub fn partition(key: &str) -> &str {
    key.strip_prefix("arn:").and_then(|rest| rest.split(':').next()).unwrap_or("aws")
}

/// What differs between the declared policy and the one that the key with that ARN has, in the order of the documents. Empty: nothing.
#[must_use]
pub fn differences(declared: &Document, found: &Document, key: &str) -> Vec<Difference> {
    let partition = partition(key);
    let mut differences = Vec::new();
    if declared.version != found.version {
        differences.push(Difference::Member("Version"));
    }
    if declared.id != found.id {
        differences.push(Difference::Member("Id"));
    }
    let all = |document: &Document| document.statements.iter().map(|statement| Canonical::of(statement, partition)).collect::<Vec<_>>();
    let (wanted, seen) = (all(declared), all(found));
    let alone = |of: &Document, mine: &[Canonical], others: &[Canonical]| -> Vec<Name> {
        // A policy may have a thousand statements.
        let others: BTreeSet<&Canonical> = others.iter().collect();
        let pairs = of.statements.iter().zip(mine);
        pairs.filter(|(_, canonical)| !others.contains(canonical)).map(|(statement, _)| statement.name.clone()).collect()
    };
    let mut extra = alone(found, &seen, &wanted);
    for name in alone(declared, &wanted, &seen) {
        // A statement without a `Sid` is compared with the next one without.
        match extra.iter().position(|other| other.sid == name.sid) {
            Some(at) => {
                extra.remove(at);
                differences.push(Difference::Differs(name.to_string()));
            }
            None => differences.push(Difference::Missing(name.to_string())),
        }
    }
    differences.extend(extra.iter().map(|name| Difference::Undeclared(name.to_string())));
    if differences.len() > MOST {
        let more = differences.len() - MOST;
        differences.truncate(MOST);
        differences.push(Difference::More(more));
    }
    differences
}

/// The unique ids that a policy has in place of principals that were deleted: AWS shows them instead of an ARN (IAM User Guide, "AWS JSON
/// policy elements: Principal").
#[must_use]
pub fn deleted_principals(found: &Document) -> BTreeSet<&str> {
    let is_id =
        |text: &str| (text.starts_with("AIDA") || text.starts_with("AROA")) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    found.named_principals().into_iter().filter(|text| is_id(text)).collect()
}
