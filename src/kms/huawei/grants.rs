//! Grants of Huawei Cloud KMS.
//!
//! A grant has a name, but no document says that the name makes `create-grant` idempotent. So the grants are listed before one is made, and
//! the request is sent once. If its answer is lost, the next round finds the grant by its name.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::{
    HuaweiKms,
    convert::{Loose, Unusable},
    failure,
    operation::Operation,
    search::NO_WAY_ON,
};
use crate::{
    api::key_grant::LONGEST_GRANT_ID,
    domain::{
        failure::{Failure, FailureKind},
        grant::{ACCOUNT, GRANTS, Grant, NewGrant, Terms},
    },
    kms::Grants,
};

/// Entries per page, as in the examples of Huawei. It is also the number of grants that a key may have.
const PAGE: usize = 100;

/// A page of `list-grants`.
#[derive(Debug, Deserialize)]
pub(super) struct Listed {
    grants: Option<Vec<Entry>>,
    next_marker: Option<String>,
    truncated: Option<Loose>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    grant_id: Option<String>,
    name: Option<String>,
    grantee_principal: Option<String>,
    grantee_principal_type: Option<String>,
    retiring_principal: Option<String>,
    operations: Option<Vec<String>>,
}

/// The answer to `create-grant`.
#[derive(Debug, Deserialize)]
pub(super) struct Made {
    grant_id: Option<String>,
}

impl Grants for HuaweiKms {
    async fn grants(&self, key: &str) -> Result<Option<Vec<Grant>>, Failure> {
        match self.all_grants(key).await {
            Ok(grants) => Ok(Some(grants)),
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    async fn create_grant(&self, key: &str, grant: &NewGrant) -> Result<String, Failure> {
        let operation = Operation::CreateGrant;
        let NewGrant { name, terms } = grant;
        let Terms { grantee, retiring, operations, context_equals, context_subset } = terms;
        if !context_equals.is_empty() || !context_subset.is_empty() {
            let message = format!("a grant of Huawei has no constraints, so key {key} gets none with an encryption context");
            return Err(self.refuse(operation, key, message));
        }
        if let Some(made) = self.all_grants(key).await?.into_iter().find(|made| made.name == *name && made.terms == *terms) {
            return Ok(made.id);
        }
        let (kind, grantee) = grantee.strip_prefix(ACCOUNT).map_or(("user", grantee.as_str()), |account| ("domain", account));
        let mut body = json!({
            "key_id": self.id(operation, key)?,
            "name": name,
            "grantee_principal": grantee,
            "grantee_principal_type": kind,
            "operations": operations,
        });
        if let (Some(retiring), Some(body)) = (retiring, body.as_object_mut()) {
            body.insert("retiring_principal".to_owned(), json!(retiring));
        }
        let made: Made = self.json(&self.post(operation, key, body)).await?;
        made.id().map_err(|why| self.unusable(operation, key, why))
    }

    /// Huawei refuses to revoke a grant that does not exist.
    async fn revoke_grant(&self, key: &str, id: &str) -> Result<(), Failure> {
        let operation = Operation::RevokeGrant;
        let call = self.post(operation, key, json!({ "key_id": self.id(operation, key)?, "grant_id": id }));
        match self.done(&call).await {
            Err(refused) if failure::says(&refused, failure::NO_SUCH_GRANT) => {
                let is_there = self.all_grants(key).await?.iter().any(|grant| grant.id == id);
                if is_there { Err(refused) } else { Ok(()) }
            }
            done => done,
        }
    }
}

impl HuaweiKms {
    /// The grants with a name, from all pages.
    async fn all_grants(&self, key: &str) -> Result<Vec<Grant>, Failure> {
        let operation = Operation::ListGrants;
        let id = self.id(operation, key)?;
        let (mut all, mut marker) = (Vec::new(), None::<String>);
        loop {
            let mut body = json!({ "key_id": id, "limit": PAGE.to_string() });
            if let (Some(marker), Some(body)) = (&marker, body.as_object_mut()) {
                body.insert("marker".to_owned(), json!(marker));
            }
            let listed: Listed = self.json(&self.post(operation, key, body)).await?;
            let next = listed.next(marker.as_deref()).map_err(|why| self.unusable(operation, key, why))?;
            all.extend(listed.named().map_err(|why| self.unusable(operation, key, why))?);
            marker = Some(match next {
                Some(next) => next,
                None => return Ok(all),
            });
        }
    }
}

impl Listed {
    /// Where the page after the one at `marker` begins; `None`: there is none.
    fn next(&self, marker: Option<&str>) -> Result<Option<String>, Unusable> {
        let next = self.next_marker.clone().filter(|next| !next.is_empty());
        match self.truncated.as_ref().map(ToString::to_string).as_deref() {
            Some("false") => Ok(None),
            Some("true") if next.is_some() && next.as_deref() != marker => Ok(next),
            _ => Err(Unusable(NO_WAY_ON.into())),
        }
    }

    /// Its grants that have a name.
    pub(super) fn named(self) -> Result<Vec<Grant>, Unusable> {
        let entries = self.grants.ok_or_else(|| Unusable("it has no grants".into()))?;
        entries.into_iter().filter_map(|entry| entry.named().transpose()).collect()
    }
}

impl Entry {
    /// The grant, if it has a name. One of somebody else that cannot be read is left out, so that it keeps nobody from the own ones.
    fn named(self) -> Result<Option<Grant>, Unusable> {
        let Self { grant_id, name, grantee_principal, grantee_principal_type, retiring_principal, operations } = self;
        let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(None) };
        let id = match (Made { grant_id }).id() {
            Err(_) if !name.starts_with(GRANTS) => return Ok(None),
            id => id?,
        };
        let grantee = grantee_principal.unwrap_or_default();
        let terms = Terms {
            grantee: if grantee_principal_type.as_deref() == Some("domain") { format!("{ACCOUNT}{grantee}") } else { grantee },
            retiring: retiring_principal.filter(|retiring| !retiring.is_empty()),
            operations: operations.unwrap_or_default().into_iter().collect(),
            context_equals: BTreeMap::new(),
            context_subset: BTreeMap::new(),
        };
        Ok(Some(Grant { id, name, terms }))
    }
}

impl Made {
    /// An id that a status has room for.
    fn id(self) -> Result<String, Unusable> {
        let id = self.grant_id.filter(|id| !id.is_empty()).ok_or_else(|| Unusable("it has no grant_id".into()))?;
        if id.len() > LONGEST_GRANT_ID {
            return Err(Unusable(format!("its grant_id has {} characters", id.len())));
        }
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn listed(grants: &Value) -> Listed {
        serde_json::from_value(json!({ "grants": grants, "next_marker": "m", "truncated": true })).unwrap()
    }

    #[test]
    fn only_a_grant_with_a_name_is_taken_and_only_with_an_id_that_fits() {
        let entry = |name: &str, id: &str| {
            listed(&json!([{ "grant_id": id, "name": name, "grantee_principal": "u", "operations": ["x"] }])).named()
        };
        assert_eq!(entry("", "g"), Ok(Vec::new()));
        let grants = entry("reader", "g").unwrap();
        assert!(grants.len() == 1 && grants[0].terms.grantee == "u" && grants[0].terms.operations.contains("x"), "{grants:?}");
        let long = "g".repeat(LONGEST_GRANT_ID + 1);
        for id in ["", &long] {
            assert!(entry("keyward/prod/u1/a", id).is_err(), "{id}");
            assert_eq!(entry("reader", id), Ok(Vec::new()), "somebody else's");
        }
        assert!(serde_json::from_value::<Listed>(json!({})).unwrap().named().is_err(), "no list is not an empty one");
    }

    #[test]
    fn an_account_is_no_user_of_that_id() {
        let entry =
            |kind: Value| listed(&json!([{ "grant_id": "g", "name": "n", "grantee_principal": "a", "grantee_principal_type": kind }]));
        let grantee = |kind: Value| entry(kind).named().unwrap()[0].terms.grantee.clone();
        assert_eq!((grantee(json!("user")), grantee(Value::Null), grantee(json!("domain"))), ("a".into(), "a".into(), "account/a".into()));
    }

    #[test]
    fn a_list_that_does_not_go_on_is_no_answer() {
        assert_eq!(listed(&json!([])).next(None), Ok(Some("m".into())));
        assert!(listed(&json!([])).next(Some("m")).is_err());
        let page = |page: Value| serde_json::from_value::<Listed>(page).unwrap().next(None);
        assert!(page(json!({ "grants": [] })).is_err() && page(json!({ "truncated": "true", "next_marker": "" })).is_err());
        assert_eq!(page(json!({ "truncated": "false", "next_marker": "" })), Ok(None));
    }
}
