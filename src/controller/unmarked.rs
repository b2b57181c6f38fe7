//! The keys of a provider that no mark gives to an object, listed once for all objects whose creation has an unknown outcome.
//!
//! The list is only for messages. A listing reads every key of the account, so it is kept for a while: whoever makes many objects with a broken record must
//! not use up the quotas of the account.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use super::{account::same_account, key_provider::Connected, waits};
use crate::{
    domain::{candidates::Unmarked, failure::Failure},
    kms::{Kms, Listing},
};

/// What a list covers: the generation of the provider, its account and its Region.
type Coverage = (i64, String, String);

/// The list of one provider. One round makes it, and others wait for that.
type Slot = Arc<tokio::sync::Mutex<Option<(Instant, Coverage, Arc<Unmarked>)>>>;

/// The lists of all providers, by UID.
#[derive(Debug, Default)]
pub struct UnmarkedKeys(Mutex<HashMap<String, Slot>>);

impl UnmarkedKeys {
    /// The keys of a provider. A failure is logged, and the next caller tries again.
    pub async fn list(&self, connected: &Connected) -> Arc<Unmarked> {
        let (uid, generation) = connected.made_for.spec();
        let covers = (generation, connected.identity.account.clone(), connected.identity.region.clone());
        let slot = Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(uid.to_owned()).or_default());
        let mut slot = slot.lock().await;
        if let Some((at, of, known)) = &*slot
            && *of == covers
            && at.elapsed() < waits::UNMARKED_KEPT
        {
            return Arc::clone(known);
        }
        match read(connected).await {
            Ok(listed) => {
                let listed = Arc::new(listed);
                *slot = Some((Instant::now(), covers, Arc::clone(&listed)));
                listed
            }
            Err(failure) => {
                tracing::warn!(
                    operation = failure.operation,
                    error = &failure as &dyn std::error::Error,
                    "the keys without an owner's mark could not be listed"
                );
                Arc::new(Unmarked::Unread)
            }
        }
    }

    /// Forgets the lists of providers that are gone.
    pub fn forget(&self, is_there: impl Fn(&str) -> bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|uid, _| is_there(uid));
    }
}

/// Reads the list. In another account there are other keys.
async fn read(connected: &Connected) -> Result<Unmarked, Failure> {
    let Listing { found, denied } = connected.kms.unmarked().await?;
    same_account(&connected.kms, &connected.identity.account).await?;
    Ok(Unmarked::Listed { keys: found.into_iter().map(Into::into).collect(), denied: denied.len() })
}
