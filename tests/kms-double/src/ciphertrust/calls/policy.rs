//! The key policy in requests.

use serde_json::{Value, json};

use crate::aws;
use crate::ciphertrust::body::Body;
use crate::ciphertrust::failure::Failure;
use crate::ciphertrust::row::Lists;

/// The lists of users from which a policy can be made.
const LISTS: [&str; 5] = ["external_accounts", "key_admins", "key_admins_roles", "key_users", "key_users_roles"];
const ADMINISTER: &[&str] =
    &["kms:Create*", "kms:Describe*", "kms:Enable*", "kms:List*", "kms:Put*", "kms:Update*", "kms:Disable*", "kms:Get*"];
const USE: &[&str] = &["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"];

/// A policy, and the lists from which it was made, if any.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Policy {
    document: Value,
    pub(super) lists: Lists,
}

impl Policy {
    /// The policy in a body: a document, lists, or nothing. They exclude each other.
    pub(super) fn read(body: &Body, document: Option<Body>, account: &str) -> Result<Option<Self>, Failure> {
        let mut lists = Lists::new();
        for name in LISTS {
            lists.extend(body.texts(name)?.map(|list| (name, list)));
        }
        let template = body.text("policytemplate")?;
        match (document, template, lists.is_empty()) {
            (None, None, true) => Ok(None),
            (Some(document), None, true) => Ok(Some(Self { document: Value::Object(document.0), lists })),
            (None, Some(template), true) => {
                Err(Failure::new(404, "NCERRResourceNotFound", format!("there is no policy template {template}")))
            }
            (None, None, false) => Ok(Some(Self { document: made_of(account, &lists), lists })),
            _ => Err(Failure::invalid("policy, policytemplate and the lists of users exclude one another")),
        }
    }

    /// The document in AWS's format.
    pub(super) fn text(&self) -> String {
        self.document.to_string()
    }
}

/// The policy for the lists: the account, the administrators, the users.
fn made_of(account: &str, lists: &Lists) -> Value {
    let named = |users: &str, roles: &str| -> Vec<String> {
        let kinds = [("user", lists.get(users)), ("role", lists.get(roles))];
        let names = kinds.into_iter().flat_map(|(kind, names)| names.into_iter().flatten().map(move |name| (kind, name)));
        names.map(|(kind, name)| format!("arn:aws:iam::{account}:{kind}/{name}")).collect()
    };
    let outside = lists.get("external_accounts").into_iter().flatten().map(|account| format!("arn:aws:iam::{account}:root"));
    let users: Vec<String> = named("key_users", "key_users_roles").into_iter().chain(outside).collect();
    let admins = named("key_admins", "key_admins_roles");
    let groups = [("Allow access for Key Administrators", admins, ADMINISTER), ("Allow use of the key", users, USE)];
    let mut policy: Value = serde_json::from_str(&aws::default_policy(account, "")).unwrap_or_default();
    if let Some(statements) = policy.get_mut("Statement").and_then(Value::as_array_mut) {
        for (sid, who, actions) in groups.into_iter().filter(|(_, who, _)| !who.is_empty()) {
            statements.push(json!({ "Sid": sid, "Effect": "Allow", "Principal": { "AWS": who }, "Action": actions, "Resource": "*" }));
        }
    }
    policy
}
