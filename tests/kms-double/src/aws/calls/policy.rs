//! `GetKeyPolicy`, `PutKeyPolicy`, `ListKeyPolicies`. Policies are stored and their format is checked. They decide nothing.

use serde_json::{Value, json};

use super::page::{Paging, page};
use crate::aws::call::{Answer, Call, nothing};
use crate::aws::failure::Failure;
use crate::aws::members::missing;
use crate::aws::partition;
use crate::aws::target::Aliases;

/// The maximum length of a policy.
const POLICY_MAX: usize = 32_768;

pub(super) fn get(call: &mut Call<'_>) -> Answer {
    check_name(call)?;
    let key = call.read(Aliases::Refused)?;
    Ok(json!({ "Policy": key.policy, "PolicyName": "default" }))
}

pub(super) fn put(call: &mut Call<'_>) -> Answer {
    check_name(call)?;
    let policy = read(call)?.ok_or_else(|| missing("Policy"))?;
    let key = call.open()?;
    call.world.change(&key.at, |key| key.policy = policy);
    Ok(nothing())
}

/// Keys are not shared through RAM here, so the one policy of a key is `default`.
pub(super) fn list(call: &mut Call<'_>) -> Answer {
    call.read(Aliases::Refused)?;
    let paging = Paging { list: "PolicyNames", default: 100, max: 1000 };
    page(call.members, call.operation, paging, ["default"].into_iter(), |name| (*name).to_owned(), Value::from)
}

/// The policy of a key that is created without one.
pub(crate) fn default(account: &str, region: &str) -> String {
    json!({
        "Version": "2012-10-17",
        "Id": "key-default-1",
        "Statement": [{
            "Sid": "Enable IAM User Permissions",
            "Effect": "Allow",
            "Principal": { "AWS": format!("arn:{}:iam::{account}:root", partition::of(region)) },
            "Action": "kms:*",
            "Resource": "*",
        }],
    })
    .to_string()
}

/// The `Policy` of a request. It must allow someone to change it, unless the caller skips this check.
pub(super) fn read(call: &Call<'_>) -> Result<Option<String>, Failure> {
    let Some(policy) = call.members.sized("Policy", 1, 131_072)? else {
        return Ok(None);
    };
    if policy.len() > POLICY_MAX {
        return Err(Failure::new("LimitExceededException", format!("the policy is longer than {POLICY_MAX} bytes")));
    }
    let malformed = |why: &str| Failure::new("MalformedPolicyDocumentException", why);
    let document: Value = serde_json::from_str(policy).map_err(|_| malformed("This policy contains invalid Json"))?;
    let statements = document.get("Statement").ok_or_else(|| malformed("Missing required field Statement"))?;
    let statements = statements.as_array().cloned().unwrap_or_else(|| vec![statements.clone()]);
    // AWS shows the unique id of a principal that was deleted, and accepts it in no new policy, as little as its ARN.
    let is_deleted = |name: &String| name.starts_with("AIDA") || name.starts_with("AROA") || call.world.deleted_principals.contains(name);
    if statements.iter().flat_map(principals).any(|name| is_deleted(&name)) {
        return Err(malformed("Policy contains a statement with one or more invalid principals."));
    }
    if !call.members.flag("BypassPolicyLockoutSafetyCheck")? && !statements.iter().any(|statement| lets_in(statement, call)) {
        return Err(malformed("The new key policy will not allow you to update the key policy in the future."));
    }
    Ok(Some(policy.to_owned()))
}

/// One text, or a list of texts.
fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// The principals of the account type that a statement names.
fn principals(statement: &Value) -> Vec<String> {
    let principal = statement.get("Principal");
    texts(principal.and_then(|principal| principal.get("AWS")).or(principal))
}

/// Whether a statement lets the caller, or its account, change the policy again.
fn lets_in(statement: &Value, call: &Call<'_>) -> bool {
    let principals = principals(statement);
    let account = &call.caller.account;
    let root = format!("arn:{}:iam::{account}:root", partition::of(&call.caller.region));
    // A session acts for its role: `assumed-role/NAME/SESSION` for `role/NAME`.
    let role = call.caller.principal.split_once(":assumed-role/").and_then(|(_, rest)| rest.split('/').next());
    let is_role = |name: &str| role.is_some_and(|role| name.contains(&format!("::{account}:role/")) && name.ends_with(&format!("/{role}")));
    let is_caller = |name: &String| *name == call.caller.principal || is_role(name);
    let named = principals.iter().any(|name| name == "*" || name == account || *name == root || is_caller(name));
    let acts =
        texts(statement.get("Action")).iter().any(|action| matches!(action.as_str(), "*" | "kms:*" | "kms:Put*" | "kms:PutKeyPolicy"));
    statement.get("Effect").and_then(Value::as_str) == Some("Allow") && named && acts
}

fn check_name(call: &Call<'_>) -> Result<(), Failure> {
    match call.members.sized("PolicyName", 1, 128)? {
        None | Some("default") => Ok(()),
        Some(other) => Err(Failure::not_found(format!("No such policy exists: {other}"))),
    }
}
