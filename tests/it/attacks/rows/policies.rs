//! Key policies. The provider `policies` lets its objects give access to its own account.

use serde_json::{Value, json};

use super::{Act, Attack, accepted, ready, refused, texts::TEXT};

/// As whom AWS sees the operator.
const KEYWARD: &str = "arn:aws:iam::111122223333:user/keyward";

fn allow(principal: &str, action: &str) -> Value {
    json!({ "Sid": "Use", "Effect": "Allow", "Principal": { "AWS": principal }, "Action": action, "Resource": "*" })
}

/// Keyward may do everything, and what follows.
fn policy(statement: &Value) -> String {
    json!({ "Version": "2012-10-17", "Statement": [allow(KEYWARD, "kms:*"), statement] }).to_string()
}

fn declared(w: &super::World, policy: &str) -> Value {
    json!({ "spec": { "providerRef": w.provider("policies"), "policy": policy } })
}

pub fn rows() -> Vec<Attack> {
    vec![
        accepted(
            "policy-at-none",
            "A key policy, at a provider that allows none",
            Act::Create(|_| json!({ "spec": { "policy": policy(&allow("arn:aws:iam::111122223333:root", "kms:*")) } })),
            "PolicyNotAllowed",
        ),
        accepted(
            "policy-for-another-account",
            "A key policy that gives access to another account, where only the own one is allowed",
            Act::Create(|w| declared(w, &policy(&allow("444455556666", "kms:Decrypt")))),
            "PolicyNotAllowed",
        ),
        accepted(
            "policy-for-everybody",
            "The same for everybody, with a condition that anybody can fulfil",
            Act::Create(|w| {
                let mut statement = allow("*", "kms:Decrypt");
                statement["Condition"] = json!({ "StringLike": { "kms:CallerAccount": "111122223333" } });
                declared(w, &policy(&statement))
            }),
            "PolicyNotAllowed",
        ),
        accepted(
            "policy-read-in-two-ways",
            "A key policy with two lists of statements, of which another program may read the other one",
            Act::Create(|w| {
                let other = json!([allow("444455556666", "kms:*")]);
                declared(w, &policy(&allow(KEYWARD, "kms:*")).replacen('{', &format!("{{\"Statement\":{other},"), 1))
            }),
            "InvalidSpec",
        ),
        accepted(
            "policy-deep",
            "A key policy of 32,768 brackets, to use up the stack",
            Act::Create(|w| declared(w, &"[".repeat(32_768))),
            "InvalidSpec",
        ),
        refused(
            "policy-long",
            "A key policy of 100,000 characters",
            Act::Create(|w| declared(w, &"x".repeat(100_000))),
            "Too long",
            ready("InvalidSpec"),
        ),
        accepted(
            "policy-text",
            "A text that looks like a line of a log, in the name and the principal of a statement",
            Act::Create(|w| {
                let mut statement = allow(TEXT, "kms:Decrypt");
                statement["Sid"] = json!(TEXT);
                // AWS takes no such character as it is, and takes it with its number.
                let escaped: String = policy(&statement)
                    .chars()
                    .map(|c| if c.is_ascii() { c.to_string() } else { format!("\\u{:04x}", u32::from(c)) })
                    .collect();
                declared(w, &escaped)
            }),
            "PolicyNotAllowed",
        ),
    ]
}
