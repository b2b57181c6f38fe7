//! What a grant permits, and the name that says which object and which spec it belongs to.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::api::KeyGrantSpec;

/// What a grant permits, and to whom. The order of operations has no meaning.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Terms {
    /// Who may use the key.
    pub grantee: String,
    /// Who may retire the grant.
    pub retiring: Option<String>,
    /// The operations.
    pub operations: BTreeSet<String>,
    /// The encryption context must be exactly these pairs; empty: any.
    pub context_equals: BTreeMap<String, String>,
    /// The encryption context must contain these pairs.
    pub context_subset: BTreeMap<String, String>,
}

impl Terms {
    /// What a spec declares.
    #[must_use]
    pub fn of(spec: &KeyGrantSpec) -> Self {
        let KeyGrantSpec { key_ref: _, grantee_principal, retiring_principal, operations, constraints, deletion_policy: _ } = spec;
        let constraints = constraints.clone().unwrap_or_default();
        Self {
            grantee: grantee_principal.clone(),
            retiring: retiring_principal.clone(),
            operations: operations.iter().cloned().collect(),
            context_equals: constraints.encryption_context_equals.unwrap_or_default(),
            context_subset: constraints.encryption_context_subset.unwrap_or_default(),
        }
    }

    /// Whether it limits the encryption context.
    #[must_use]
    pub fn is_constrained(&self) -> bool {
        !self.context_equals.is_empty() || !self.context_subset.is_empty()
    }

    /// Its principals, each with the field that names it.
    pub fn principals(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let retiring = self.retiring.as_deref().map(|retiring| ("retiringPrincipal", retiring));
        std::iter::once(("granteePrincipal", self.grantee.as_str())).chain(retiring)
    }

    /// 32 hex digits that differ for every other grant. Each part stands with its length, so that no two specs give one text.
    fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        let mut part = |text: &str| {
            hasher.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
            hasher.update(text);
        };
        let count = |many: usize| many.to_string();
        part(&self.grantee);
        // An absent principal is not an empty one.
        part(&count(usize::from(self.retiring.is_some())));
        part(self.retiring.as_deref().unwrap_or_default());
        part(&count(self.operations.len()));
        self.operations.iter().for_each(|operation| part(operation));
        for pairs in [&self.context_equals, &self.context_subset] {
            part(&count(pairs.len()));
            for (key, value) in pairs {
                part(key);
                part(value);
            }
        }
        let number = hasher.finalize().iter().take(16).fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
        format!("{number:032x}")
    }
}

/// The names of an object's grants: `keyward/<cluster>/<uid>/<digest>`, at most 114 characters. AWS accepts 256, of letters, digits and
/// `:/_-` (AWS KMS API Reference, `CreateGrant`, `Name`), and Huawei 255 of these (API reference, `CreateGrant`, `name`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    prefix: String,
    /// The name of the grant that the present spec declares.
    pub current: String,
}

/// How `granteePrincipal` begins at Huawei if it is an account (`domain`) and no user.
pub const ACCOUNT: &str = "account/";

/// How the name of every grant of a Keyward begins.
pub const GRANTS: &str = "keyward/";

impl Names {
    /// The names of the object with that UID.
    #[must_use]
    pub fn of(cluster: &str, uid: &str, terms: &Terms) -> Self {
        let prefix = format!("{GRANTS}{cluster}/{uid}/");
        let current = format!("{prefix}{}", terms.digest());
        Self { prefix, current }
    }

    /// Whether a grant of that name is this object's, for whatever spec.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        name.starts_with(&self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> Terms {
        Terms {
            grantee: "arn:aws:iam::111122223333:role/reader".into(),
            retiring: Some("arn:aws:iam::111122223333:role/owner".into()),
            operations: ["Decrypt".to_owned(), "Encrypt".to_owned()].into(),
            context_equals: [("a".to_owned(), "b".to_owned())].into(),
            context_subset: BTreeMap::new(),
        }
    }

    fn name(terms: &Terms) -> String {
        Names::of("prod", "8c1e3f0a-0000-4000-8000-000000000001", terms).current
    }

    #[test]
    fn every_change_of_the_spec_gives_another_name_and_the_order_of_operations_does_not() {
        type Change = fn(&mut Terms);

        let spec = |operations: &[&str]| KeyGrantSpec {
            grantee_principal: "a".into(),
            operations: operations.iter().map(|operation| (*operation).to_owned()).collect(),
            ..KeyGrantSpec::default()
        };
        assert_eq!(name(&Terms::of(&spec(&["Encrypt", "Decrypt"]))), name(&Terms::of(&spec(&["Decrypt", "Encrypt"]))));
        let changes: [(&str, Change); 9] = [
            ("grantee", |terms| terms.grantee.push('2')),
            ("no retiring principal", |terms| terms.retiring = None),
            ("an empty retiring principal", |terms| terms.retiring = Some(String::new())),
            ("one operation less", |terms| drop(terms.operations.pop_last())),
            ("one operation more", |terms| terms.operations.extend(["DescribeKey".to_owned()])),
            ("a value", |terms| drop(terms.context_equals.insert("a".into(), "c".into()))),
            ("a pair", |terms| drop(terms.context_equals.insert("b".into(), String::new()))),
            ("no pairs", |terms| terms.context_equals.clear()),
            ("equals becomes subset", |terms| std::mem::swap(&mut terms.context_equals, &mut terms.context_subset)),
        ];
        let mut seen = BTreeSet::from([name(&terms())]);
        for (what, change) in changes {
            let mut other = terms();
            change(&mut other);
            assert!(seen.insert(name(&other)), "{what}: another grant of the same name");
        }
        // Parts do not run into each other.
        let of = |grantee: &str, operation: &str| {
            name(&Terms { grantee: grantee.into(), operations: [operation.to_owned()].into(), ..Terms::default() })
        };
        assert_ne!(of("a", "bc"), of("ab", "c"));
    }

    #[test]
    fn a_name_is_one_that_each_kms_accepts_and_belongs_to_one_object() {
        let names = Names::of(&"c".repeat(36), "8c1e3f0a-0000-4000-8000-000000000001", &terms());
        assert_eq!(names.current.len(), 114);
        assert!(names.current.chars().all(|c| c.is_ascii_alphanumeric() || ":/_-".contains(c)), "{}", names.current);
        assert!(names.has(&names.current));
        let of = |cluster: &str, uid: &str| Names::of(cluster, uid, &terms());
        for (cluster, uid) in [("prod", "u2"), ("prod2", "u1"), ("prod", "u"), ("pro", "u1"), ("prod", "")] {
            assert!(!of("prod", "u1").has(&of(cluster, uid).current), "{cluster} {uid}");
        }
        assert!(!of("prod", "u1").has("") && !of("prod", "u1").has("reader") && !of("prod", "u1").has("keyward/prod/u1"));
    }
}
