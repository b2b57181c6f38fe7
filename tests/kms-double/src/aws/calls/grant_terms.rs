//! Reads what a grant is to permit, and checks that its key can do it.

use std::collections::BTreeMap;

use crate::aws::failure::Failure;
use crate::aws::members::{Members, check_length, missing};
use crate::aws::spec;
use crate::world::{GrantTerms, Key};

/// The operations that a grant can permit, in the order of the model.
const OPERATIONS: &[&str] = &[
    "Decrypt",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "ReEncryptFrom",
    "ReEncryptTo",
    "Sign",
    "Verify",
    "GetPublicKey",
    "CreateGrant",
    "RetireGrant",
    "DescribeKey",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
    "GenerateMac",
    "VerifyMac",
    "DeriveSharedSecret",
    "Encapsulate",
    "Decapsulate",
];

/// The maximum number of pairs of a constraint.
const PAIRS_MAX: usize = 8;
/// The maximum length of a value in a constraint.
const PAIR_VALUE_MAX: usize = 384;

/// The terms in a request. Both the grantee and the retiring principal are a principal or a service.
pub(super) fn read(members: &Members) -> Result<GrantTerms, Failure> {
    let name = members.sized("Name", 1, 256)?;
    if let Some(name) = name.filter(|name| !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":/_-".contains(&byte))) {
        return Err(Failure::constraint(name, "Name", "Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$"));
    }
    let operations = read_operations(members)?;
    let (grantee, grantee_service) = (read_principal(members, "GranteePrincipal")?, read_service(members, "GranteeServicePrincipal")?);
    let (retiring, retiring_service) = (read_principal(members, "RetiringPrincipal")?, read_service(members, "RetiringServicePrincipal")?);
    let constraints = members.structure("Constraints")?.unwrap_or_default();
    let terms = GrantTerms {
        name: name.map(str::to_owned),
        grantee: match (grantee, grantee_service) {
            (Some(one), None) | (None, Some(one)) => one.to_owned(),
            _ => return Err(Failure::validation("You must specify either GranteePrincipal or GranteeServicePrincipal, but not both")),
        },
        retiring: match (retiring, retiring_service) {
            (Some(_), Some(_)) => {
                return Err(Failure::validation("You can specify either RetiringPrincipal or RetiringServicePrincipal, but not both"));
            }
            (one, other) => one.or(other).map(str::to_owned),
        },
        operations,
        context_subset: read_pairs(&constraints, "EncryptionContextSubset")?,
        context_equals: read_pairs(&constraints, "EncryptionContextEquals")?,
        source_arn: constraints.sized("SourceArn", 20, 512)?.map(str::to_owned),
    };
    if grantee_service.is_some() && (terms.source_arn.is_none() || terms.retiring.is_none()) {
        return Err(Failure::validation("A GranteeServicePrincipal needs a SourceArn constraint and a retiring principal"));
    }
    Ok(terms)
}

/// A grant may permit only what its key can do. A constraint on the encryption context needs a key that takes one.
pub(super) fn check_key(terms: &GrantTerms, key: &Key) -> Result<(), Failure> {
    let able = operations_of(key);
    if let Some(operation) = terms.operations.iter().find(|operation| !able.contains(&operation.as_str())) {
        let (arn, spec, usage) = (key.at.arn(), &key.spec, &key.usage);
        return Err(Failure::validation(format!(
            "{operation} cannot be granted for {arn}, whose key spec is {spec} and key usage is {usage}"
        )));
    }
    if key.spec != spec::SYMMETRIC && (terms.context_subset.is_some() || terms.context_equals.is_some()) {
        return Err(Failure::validation("Encryption context constraints are for symmetric encryption keys only"));
    }
    Ok(())
}

/// "Grant operations" in the KMS Developer Guide.
fn operations_of(key: &Key) -> Vec<&'static str> {
    let own: &[&str] = match (key.usage.as_str(), key.spec.as_str()) {
        ("ENCRYPT_DECRYPT", spec::SYMMETRIC) => &[
            "Encrypt",
            "Decrypt",
            "GenerateDataKey",
            "GenerateDataKeyWithoutPlaintext",
            "GenerateDataKeyPair",
            "GenerateDataKeyPairWithoutPlaintext",
            "ReEncryptFrom",
            "ReEncryptTo",
        ],
        ("ENCRYPT_DECRYPT", _) => &["Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo", "GetPublicKey"],
        ("SIGN_VERIFY", _) => &["Sign", "Verify", "GetPublicKey"],
        ("GENERATE_VERIFY_MAC", _) => &["GenerateMac", "VerifyMac"],
        ("KEY_AGREEMENT", _) => &["DeriveSharedSecret", "GetPublicKey"],
        ("ENCAPSULATE_DECAPSULATE", _) => &["Encapsulate", "Decapsulate", "GetPublicKey"],
        _ => &[],
    };
    own.iter().chain(&["CreateGrant", "DescribeKey", "RetireGrant"]).copied().collect()
}

fn read_operations(members: &Members) -> Result<Vec<String>, Failure> {
    let operations = members.strings("Operations")?.ok_or_else(|| missing("Operations"))?;
    if operations.is_empty() {
        return Err(Failure::validation("A grant needs an operation"));
    }
    if let Some(unknown) = operations.iter().find(|operation| !OPERATIONS.contains(operation)) {
        let constraint = format!("Member must satisfy enum value set: [{}]", OPERATIONS.join(", "));
        return Err(Failure::constraint(unknown, "Operations", &constraint));
    }
    Ok(operations.into_iter().map(str::to_owned).collect())
}

/// The ARN of a user, a role, a session or an account.
pub(super) fn read_principal<'a>(members: &'a Members, member: &str) -> Result<Option<&'a str>, Failure> {
    let Some(principal) = members.sized(member, 1, 256)? else {
        return Ok(None);
    };
    if !principal.chars().all(|c| c.is_alphanumeric() || "_+=,.@:/-".contains(c)) {
        return Err(Failure::constraint(principal, member, "Member must satisfy regular expression pattern: ^[\\w+=,.@:/-]+$"));
    }
    let parts: Vec<&str> = principal.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", partition, "iam" | "sts", "", account, resource]
            if partition.starts_with("aws")
                && account.len() == 12
                && account.bytes().all(|byte| byte.is_ascii_digit())
                && !resource.is_empty() =>
        {
            Ok(Some(principal))
        }
        _ => Err(Failure::invalid_arn(format!("{principal} does not refer to a valid principal"))),
    }
}

fn read_service<'a>(members: &'a Members, member: &str) -> Result<Option<&'a str>, Failure> {
    let service = members.sized(member, 1, 128)?;
    let labels = |service: &str| service.split('.').map(|label| !label.is_empty() && label.bytes().all(is_label)).collect::<Vec<_>>();
    match service {
        Some(service) if labels(service).len() < 3 || labels(service).contains(&false) => {
            let constraint = "Member must satisfy regular expression pattern: ^([A-Za-z0-9\\-]+)\\.([A-Za-z0-9\\-]+)(\\.[A-Za-z0-9\\-]+)+$";
            Err(Failure::constraint(service, member, constraint))
        }
        service => Ok(service),
    }
}

fn is_label(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

fn read_pairs(constraints: &Members, member: &str) -> Result<Option<BTreeMap<String, String>>, Failure> {
    let pairs = constraints.string_map(member)?;
    if pairs.len() > PAIRS_MAX {
        return Err(Failure::validation(format!("{member} has more than {PAIRS_MAX} pairs")));
    }
    pairs.iter().try_for_each(|(_, value)| check_length(value, &format!("constraints.{member}"), 0, PAIR_VALUE_MAX))?;
    let pairs: BTreeMap<String, String> = pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Ok((!pairs.is_empty()).then_some(pairs))
}
