//! Has CCKM read every key of the KMS and Region from AWS, before a search says that there is no such key.
//!
//! CCKM shows only the keys that it knows. If CCKM failed while a key was created in AWS, CCKM does not know that key, and a search without
//! it would let a second key be created. If the synchronisation does not end in time, the search fails, and the next search continues with
//! it.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use tokio::time::sleep;

use super::{CipherTrustKms, operation::Operation};
use crate::kms::waits;
use crate::{
    domain::failure::{Failure, FailureKind},
    kms::rest::Call,
};

const JOBS: &str = "/cckm/aws/synchronization-jobs";

/// A synchronisation job of CCKM.
#[derive(Debug, Deserialize)]
struct Job {
    id: String,
    overall_status: Option<String>,
}

/// The last requested synchronisation.
#[derive(Debug, Default)]
pub(super) struct Synchronisation(Mutex<Option<Asked>>);

#[derive(Clone, Debug)]
struct Asked {
    id: String,
    at: Instant,
    ended: bool,
}

impl Synchronisation {
    fn last(&self) -> MutexGuard<'_, Option<Asked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CipherTrustKms {
    /// Returns once CCKM has read every key of the KMS and Region from AWS, now or a moment ago.
    pub(super) async fn synchronised(&self) -> Result<(), Failure> {
        let last = self.synchronisation.last().clone();
        let asked = match last {
            Some(asked) if asked.ended && asked.at.elapsed() < waits::SYNCHRONISED => return Ok(()),
            Some(asked) if !asked.ended => asked,
            _ => self.synchronise().await?,
        };
        let until = Instant::now() + waits::SYNCHRONISATION;
        let mut wait = waits::FIRST_POLL;
        loop {
            match self.ended(&asked.id).await {
                Ok(true) => {
                    *self.synchronisation.last() = Some(Asked { ended: true, ..asked });
                    return Ok(());
                }
                Ok(false) if Instant::now() + wait < until => sleep(wait).await,
                Ok(false) => {
                    let message = "CCKM has not ended the synchronisation of its keys with AWS, without which a search proves nothing; \
                                   it is looked at again";
                    return Err(self.caller.refuse(Operation::GetSynchronization, "", FailureKind::Conflict, message.into()));
                }
                Err(failure) => {
                    // The next search asks for another one.
                    *self.synchronisation.last() = None;
                    return Err(failure);
                }
            }
            wait *= 2;
        }
    }

    async fn synchronise(&self) -> Result<Asked, Failure> {
        let body = json!({ "kms": [self.account().await?.id], "regions": [self.account_cache.region] });
        let at = Instant::now();
        let job: Job = self.caller.json(&Call::new(Operation::Synchronize, "", Method::POST, JOBS.to_owned()).with(body)).await?;
        let asked = Asked { id: job.id, at, ended: false };
        *self.synchronisation.last() = Some(asked.clone());
        Ok(asked)
    }

    /// Whether the job has read everything. The words for its status are not documented, so only the word for success counts.
    async fn ended(&self, id: &str) -> Result<bool, Failure> {
        let operation = Operation::GetSynchronization;
        let escaped: String = id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        let job: Job = self.caller.json(&Call::new(operation, "", Method::GET, format!("{JOBS}/{escaped}"))).await?;
        match job.overall_status.as_deref() {
            Some("completed") => Ok(true),
            Some("failed" | "error" | "canceled") => {
                let message = "CCKM could not synchronise its keys with AWS; look at the synchronisations of the KMS in CCKM";
                Err(self.caller.refuse(operation, "", FailureKind::Conflict, message.into()))
            }
            _ => Ok(false),
        }
    }
}
