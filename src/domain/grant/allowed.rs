//! Whether a grant may be made at all: whether the KMS has grants and can take this one, and whether the provider allows it. It is decided
//! before any call.

use super::{ACCOUNT, Terms};
use crate::{
    api::{Reason, key_provider::ProviderType},
    domain::{
        observed::Key,
        plan::Note,
        rules::{Rules, matches},
    },
    text,
};

/// The operations that a grant can give for each usage of a key, and for every key. AWS KMS Developer Guide, "Grant operations".
const AWS_OPERATIONS: [(&str, &[&str]); 6] = [
    (
        "ENCRYPT_DECRYPT",
        &[
            "Decrypt",
            "Encrypt",
            "GenerateDataKey",
            "GenerateDataKeyPair",
            "GenerateDataKeyPairWithoutPlaintext",
            "GenerateDataKeyWithoutPlaintext",
            "GetPublicKey",
            "ReEncryptFrom",
            "ReEncryptTo",
        ],
    ),
    ("SIGN_VERIFY", &["GetPublicKey", "Sign", "Verify"]),
    ("GENERATE_VERIFY_MAC", &["GenerateMac", "VerifyMac"]),
    ("KEY_AGREEMENT", &["DeriveSharedSecret", "GetPublicKey"]),
    ("ENCAPSULATE_DECAPSULATE", &["Decapsulate", "Encapsulate", "GetPublicKey"]),
    ("", &["CreateGrant", "DescribeKey", "RetireGrant"]),
];

/// The operations of a grant of Huawei (API reference, `CreateGrant`, `operations`).
const HUAWEI_OPERATIONS: [&str; 9] = [
    "create-datakey",
    "create-datakey-without-plaintext",
    "create-grant",
    "decrypt-data",
    "decrypt-datakey",
    "describe-key",
    "encrypt-data",
    "encrypt-datakey",
    "retire-grant",
];

/// What only symmetric keys for encryption have, and what only the other keys have.
const SYMMETRIC: [&str; 4] =
    ["GenerateDataKey", "GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext", "GenerateDataKeyWithoutPlaintext"];
const ASYMMETRIC: [&str; 1] = ["GetPublicKey"];

/// Why the grant may not be made, by the spec and the provider alone; `None`: it may.
#[must_use]
pub fn refused(terms: &Terms, rules: &Rules) -> Option<Note> {
    let kms = rules.limits().name;
    let note = |reason, message| Some(Note { reason, message });
    if !rules.limits().grants {
        let message = format!(
            "Keyward makes no grants at {kms}, and the key of keyRef is there; remove this object, and give access with the KMS's own tools"
        );
        return note(Reason::InvalidSpec, message);
    }
    if let Some(message) = misfit(terms, rules) {
        return note(Reason::InvalidSpec, message);
    }
    let allow = &rules.allow.grants;
    let admits = |patterns: &[String], text: &str| patterns.iter().any(|pattern| matches(pattern, text));
    let unlisted = terms.principals().find(|(_, principal)| !admits(&allow.principals, principal));
    if let Some((field, principal)) = unlisted {
        let message = format!(
            "KeyProvider {} does not allow a grant with {field} {}; ask its administrator (spec.allow.grants.principals)",
            rules.name,
            text::name(principal)
        );
        return note(Reason::GrantNotAllowed, message);
    }
    let operation = terms.operations.iter().find(|operation| !admits(&allow.operations, operation))?;
    let message = format!(
        "KeyProvider {} does not allow a grant of {}; ask its administrator (spec.allow.grants.operations), or remove it from spec.operations",
        rules.name,
        text::name(operation)
    );
    note(Reason::GrantNotAllowed, message)
}

/// What in the terms the KMS does not have; `None`: nothing.
fn misfit(terms: &Terms, rules: &Rules) -> Option<String> {
    let kms = rules.limits().name;
    let (is_principal, takes): (fn(&str, &str) -> bool, _) = match rules.provider {
        ProviderType::Aws | ProviderType::CipherTrust => (
            |_, text| is_aws_principal(text),
            "the ARN of an account's root, of an IAM user or role, or of a session (arn:aws:iam::111122223333:role/reader), and no account \
             id, service or wildcard",
        ),
        ProviderType::Huawei => (
            is_huawei_principal,
            "the id of an IAM user, which has 1 to 64 letters and digits, or in granteePrincipal account/ and the id of an account",
        ),
    };
    if let Some((field, principal)) = terms.principals().find(|(field, principal)| !is_principal(field, principal)) {
        return Some(format!("{field} is {}, and {kms} takes {takes}; correct it", text::name(principal)));
    }
    if rules.provider != ProviderType::Huawei {
        return None;
    }
    if terms.is_constrained() {
        return Some(format!("a grant of {kms} has no constraints; remove spec.constraints"));
    }
    if let Some(operation) = terms.operations.iter().find(|operation| !HUAWEI_OPERATIONS.contains(&operation.as_str())) {
        return Some(format!(
            "{} is no operation that a grant of {kms} can give; it has {}; correct spec.operations",
            text::name(operation),
            HUAWEI_OPERATIONS.join(", ")
        ));
    }
    let is_alone = terms.operations.iter().all(|operation| operation == "create-grant");
    is_alone.then(|| format!("{kms} makes no grant of create-grant alone; add another of spec.operations"))
}

/// Why that key cannot have such a grant; `None`: it can, or only the KMS knows.
#[must_use]
pub fn refused_for(terms: &Terms, key: &Key, rules: &Rules) -> Option<Note> {
    if rules.provider != ProviderType::Aws {
        return None;
    }
    let is_symmetric = key.kind.spec == "SYMMETRIC_DEFAULT";
    let usages = |operation: &str| -> Vec<&str> {
        AWS_OPERATIONS.iter().filter(|(_, operations)| operations.contains(&operation)).map(|(usage, _)| *usage).collect()
    };
    let misfits = |operation: &str| {
        let usages = usages(operation);
        let by_usage = !usages.is_empty() && !usages.contains(&"") && !usages.contains(&&*key.kind.usage);
        by_usage || (!is_symmetric && SYMMETRIC.contains(&operation)) || (is_symmetric && ASYMMETRIC.contains(&operation))
    };
    // A KMS that does not tell the kind of the key decides by itself.
    let known = !key.kind.usage.is_empty() && !key.kind.spec.is_empty();
    let kind = format!("key {}, whose spec is {} and usage is {}", key.arn, text::name(&key.kind.spec), text::name(&key.kind.usage));
    if let Some(operation) = terms.operations.iter().find(|operation| known && misfits(operation)) {
        let message = format!("{} cannot be granted for {kind}; remove it from spec.operations", text::name(operation));
        return Some(Note { reason: Reason::InvalidSpec, message });
    }
    if known && !is_symmetric && terms.is_constrained() {
        let message = format!("{kind}, takes no encryption context; remove spec.constraints");
        return Some(Note { reason: Reason::InvalidSpec, message });
    }
    None
}

/// Whether the text is the id of a user, or in `granteePrincipal` of an account: `^[a-zA-Z0-9]{1,64}$` (Huawei, API reference, `CreateGrant`).
fn is_huawei_principal(field: &str, text: &str) -> bool {
    let id = match text.strip_prefix(ACCOUNT) {
        Some(account) if field == "granteePrincipal" => account,
        _ => text,
    };
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Whether the text is the ARN of a principal that a grant can have. A colon or a wildcard in the last part would let one pattern of a
/// provider admit another principal than its administrator meant.
fn is_aws_principal(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    let ["arn", partition, service, "", account, resource] = parts.as_slice() else { return false };
    let plain = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c));
    let mut path = resource.split('/');
    let kind = path.next().unwrap_or_default();
    let names: Vec<&str> = path.collect();
    let is_kind = match *service {
        "iam" => (kind == "root" && names.is_empty()) || (matches!(kind, "user" | "role") && !names.is_empty()),
        "sts" => (kind == "assumed-role" && names.len() == 2) || (kind == "federated-user" && names.len() == 1),
        _ => false,
    };
    let is_partition = *partition == "aws" || partition.strip_prefix("aws-").is_some_and(plain);
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    is_kind && is_partition && is_account && names.into_iter().all(plain)
}
