//! Grants of AWS KMS.
//!
//! `CreateGrant` with a `Name` is idempotent: the same request again answers the id of the grant that exists (AWS KMS API Reference,
//! `CreateGrant`, `Name`). So it may be repeated.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_kms::types::{GrantConstraints, GrantListEntry, GrantOperation};

use super::{AwsKms, Page, convert, failure::Answered, operation::Operation};
use crate::{
    api::key_grant::LONGEST_GRANT_ID,
    domain::{
        failure::{Failure, FailureKind},
        grant::{GRANTS, Grant, NewGrant, Terms},
    },
    kms::Grants,
};

/// Entries per page, the most that AWS allows (`ListGrants`, `Limit`).
const PAGE: i32 = 100;

impl Grants for AwsKms {
    async fn grants(&self, key: &str) -> Result<Option<Vec<Grant>>, Failure> {
        let operation = Operation::ListGrants;
        let page = |marker| async move {
            let request = self.0.kms.list_grants().key_id(key).limit(PAGE).set_marker(marker);
            let page = self.0.caller.call(operation, key, |call| call.kms(request.clone().customize()).send()).await?;
            Ok(Page { entries: page.grants, truncated: page.truncated, next: page.next_marker })
        };
        match self.pages(operation, key, page).await {
            Ok(entries) => {
                let grants = entries.into_iter().filter_map(|entry| named(entry).transpose());
                grants.collect::<Result<_, _>>().map(Some).map_err(|why| self.unusable(operation, key, why))
            }
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    async fn create_grant(&self, key: &str, grant: &NewGrant) -> Result<String, Failure> {
        let operation = Operation::CreateGrant;
        let NewGrant { name, terms } = grant;
        let Terms { grantee, retiring, operations, context_equals, context_subset } = terms;
        let pairs = |pairs: &BTreeMap<String, String>| (!pairs.is_empty()).then(|| pairs.clone().into_iter().collect::<HashMap<_, _>>());
        let constraints = terms.is_constrained().then(|| {
            let equals = GrantConstraints::builder().set_encryption_context_equals(pairs(context_equals));
            equals.set_encryption_context_subset(pairs(context_subset)).build()
        });
        let operations = operations.iter().map(|operation| GrantOperation::from(operation.as_str())).collect();
        let request = self
            .0
            .kms
            .create_grant()
            .key_id(key)
            .name(name)
            .grantee_principal(grantee)
            .set_retiring_principal(retiring.clone())
            .set_operations(Some(operations))
            .set_constraints(constraints);
        let sent = self.0.caller.call(operation, key, |call| call.kms(request.clone().customize()).send()).await;
        // The key is named by its ARN, which the KMS took before. So this is about a principal, and a principal may be too new to be known.
        let made = sent.map_err(|failure| {
            if is(&failure, "InvalidArnException") { Failure { kind: FailureKind::NewPrincipal, ..failure } } else { failure }
        })?;
        let id = convert::text(made.grant_id(), "GrantId").and_then(fitting);
        id.map_err(|why| self.unusable(operation, key, why))
    }

    /// AWS refuses to revoke a grant that does not exist, with the same code as for a key that does not exist.
    async fn revoke_grant(&self, key: &str, id: &str) -> Result<(), Failure> {
        let request = self.0.kms.revoke_grant().key_id(key).grant_id(id);
        let sent = self.0.caller.call(Operation::RevokeGrant, key, |call| call.kms(request.clone().customize()).send()).await;
        let Err(refused) = sent else { return Ok(()) };
        if refused.kind != FailureKind::NotFound && !is(&refused, "InvalidGrantIdException") {
            return Err(refused);
        }
        match self.grants(key).await? {
            Some(grants) if grants.iter().all(|grant| grant.id != id) => Ok(()),
            _ => Err(refused),
        }
    }
}

fn is(failure: &Failure, code: &str) -> bool {
    failure.source.as_ref().and_then(|error| error.downcast_ref::<Answered>()).is_some_and(|answered| answered.is(code))
}

/// An id that a status has room for.
fn fitting(id: String) -> Result<String, convert::Unusable> {
    if id.len() > LONGEST_GRANT_ID {
        return Err(convert::Unusable(format!("its GrantId has {} characters", id.len())));
    }
    Ok(id)
}

/// A grant with a name. One of somebody else that cannot be read is left out, so that it keeps nobody from the own ones. A member that is absent is empty, and so it is as nobody declares it.
fn named(entry: GrantListEntry) -> Result<Option<Grant>, convert::Unusable> {
    let Some(name) = entry.name().filter(|name| !name.is_empty()).map(str::to_owned) else { return Ok(None) };
    let id = match convert::text(entry.grant_id(), "GrantId").and_then(fitting) {
        Err(_) if !name.starts_with(GRANTS) => return Ok(None),
        id => id?,
    };
    let constraints = entry.constraints.unwrap_or_else(|| GrantConstraints::builder().build());
    let pairs = |pairs: Option<HashMap<String, String>>| pairs.unwrap_or_default().into_iter().collect::<BTreeMap<_, _>>();
    let terms = Terms {
        grantee: entry.grantee_principal.or(entry.grantee_service_principal).unwrap_or_default(),
        retiring: entry.retiring_principal.or(entry.retiring_service_principal),
        operations: entry.operations.unwrap_or_default().iter().map(|operation| operation.as_str().to_owned()).collect(),
        context_equals: pairs(constraints.encryption_context_equals),
        context_subset: pairs(constraints.encryption_context_subset),
    };
    Ok(Some(Grant { id, name, terms }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_grant_with_a_name_is_taken_and_only_with_an_id_that_fits() {
        let entry = |name: Option<&str>, id: &str| {
            let operations = Some(vec![GrantOperation::Decrypt, GrantOperation::from("BrandNew")]);
            let builder = GrantListEntry::builder().set_name(name.map(str::to_owned)).grant_id(id).set_operations(operations);
            named(builder.grantee_principal("arn:aws:iam::1:root").build())
        };
        assert_eq!(entry(None, "g"), Ok(None));
        assert_eq!(entry(Some(""), "g"), Ok(None));
        let grant = entry(Some("reader"), "g").unwrap().unwrap();
        assert!(grant.terms.operations.contains("BrandNew") && grant.terms.retiring.is_none(), "{grant:?}");
        let long = "g".repeat(LONGEST_GRANT_ID + 1);
        for id in ["", &long] {
            assert!(entry(Some("keyward/prod/u1/a"), id).is_err(), "{id}");
            assert_eq!(entry(Some("reader"), id), Ok(None), "somebody else's");
        }
    }
}
