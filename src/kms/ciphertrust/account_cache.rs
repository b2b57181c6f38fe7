//! The KMS object of CCKM that a provider uses: an AWS account and its Regions.
//!
//! If the KMS cannot be found, or does not have the Region, the settings are wrong. That must never make keys look absent.

use std::sync::{Arc, Mutex, PoisonError};

use reqwest::Method;

use super::{CipherTrustKms, convert::Account, failure::is_absent, id::CckmId, operation::Operation};
use crate::{
    domain::failure::{Failure, FailureKind},
    kms::rest::Call,
};

/// The KMS object, the Region, and what was last found.
#[derive(Debug)]
pub(super) struct AccountCache {
    /// Name or id.
    pub(super) kms: String,
    pub(super) region: String,
    found: Mutex<Option<Arc<Account>>>,
}

impl AccountCache {
    pub(super) const fn new(kms: String, region: String) -> Self {
        Self { kms, region, found: Mutex::new(None) }
    }

    fn found(&self) -> Option<Arc<Account>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl CipherTrustKms {
    /// The account as it was last found, or is found now.
    pub(super) async fn account(&self) -> Result<Arc<Account>, Failure> {
        match self.account_cache.found() {
            Some(account) => Ok(account),
            None => self.account_now().await,
        }
    }

    /// The account as it is now.
    pub(super) async fn account_now(&self) -> Result<Arc<Account>, Failure> {
        let AccountCache { kms, region, found } = &self.account_cache;
        // A known id is tried first, so that a round of the provider is one request.
        let known = self.account_cache.found().map(|account| account.id.clone());
        let by_id = match known.as_deref().or_else(|| looks_like_id(kms).then_some(kms.as_str())).and_then(CckmId::parse) {
            Some(id) => self.account_by_id(&id).await?,
            None => None,
        };
        let account = match by_id.filter(|account| account.id == *kms || account.name == *kms) {
            Some(account) => account,
            None => self.account_by_name().await?,
        };
        if let Some(message) = unfit(&account, kms, region) {
            return Err(self.caller.refuse(Operation::GetKms, kms, FailureKind::Invalid, message));
        }
        let account = Arc::new(account);
        let before = found.lock().unwrap_or_else(PoisonError::into_inner).replace(Arc::clone(&account));
        if before.is_some_and(|before| before.id != account.id) {
            let message = format!("the KMS {kms} has another id in CCKM than before, so its keys are looked for anew");
            return Err(self.caller.refuse(Operation::GetKms, kms, FailureKind::Conflict, message));
        }
        Ok(account)
    }

    async fn account_by_id(&self, id: &CckmId) -> Result<Option<Account>, Failure> {
        let call = Call::new(Operation::GetKms, &self.account_cache.kms, Method::GET, format!("/cckm/aws/kms/{}", id.as_str()));
        match self.caller.json(&call).await {
            Ok(account) => Ok(Some(account)),
            Err(failure) if is_absent(&failure) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    async fn account_by_name(&self) -> Result<Account, Failure> {
        let kms = &self.account_cache.kms;
        let listed = self.list::<Account>(Operation::ListKms, kms, "/cckm/aws/kms", &[], |account| &account.id).await?;
        let mut named = listed.items.into_iter().filter(|account| account.name == *kms || account.id == *kms);
        let message = match (named.next(), named.next()) {
            (Some(account), None) => return Ok(account),
            (Some(_), Some(_)) => format!("several KMS of CCKM are called {kms}; put the id of the right one into spec.cipherTrust.kms"),
            (None, _) => format!(
                "CCKM shows this user no KMS {kms}; correct spec.cipherTrust.kms or spec.cipherTrust.domain, or let the user see it"
            ),
        };
        Err(self.caller.refuse(Operation::ListKms, kms, FailureKind::Invalid, message))
    }
}

/// Why the account cannot be used for that Region.
fn unfit(account: &Account, kms: &str, region: &str) -> Option<String> {
    if account.status.as_deref() == Some("archived") {
        return Some(format!(
            "the KMS {kms} is archived in CCKM, so its keys cannot be worked with; recover it there, or name another in spec.cipherTrust.kms"
        ));
    }
    let regions = account.regions.as_deref().unwrap_or_default();
    (!regions.iter().any(|known| known == region)).then(|| {
        let known = if regions.is_empty() { "none".to_owned() } else { regions.join(", ") };
        format!("the KMS {kms} has no Region {region} in CCKM, only {known}; add it there, or correct spec.cipherTrust.region")
    })
}

/// Ids are UUIDs, or 32 hex digits.
fn looks_like_id(text: &str) -> bool {
    text.chars().filter(char::is_ascii_hexdigit).count() == 32 && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_account_that_is_archived_or_lacks_the_region_is_unfit() {
        let account = |status: &str, regions: &[&str]| -> Account {
            let object =
                json!({ "id": "1", "name": "prod", "account_id": "111122223333", "status": status, "regions": regions, "acls": null });
            serde_json::from_value(object).unwrap()
        };
        let unfit = |account: Account| unfit(&account, "prod", "eu-west-1");
        assert_eq!(unfit(account("active", &["us-east-1", "eu-west-1"])), None);
        assert!(unfit(account("archived", &["eu-west-1"])).unwrap().contains("archived"));
        assert!(unfit(account("active", &["us-east-1", "us-east-2"])).unwrap().contains("only us-east-1, us-east-2"));
        assert!(unfit(account("active", &[])).unwrap().contains("only none"));
    }

    #[test]
    fn an_id_is_told_from_a_name_by_its_form() {
        assert!(looks_like_id("0b90f8de-8617-498d-ad63-ca18eb717ae7") && looks_like_id("0123456789abcdef0123456789abcdef"));
        assert!(!looks_like_id("prod") && !looks_like_id("deadbeef"));
    }
}
