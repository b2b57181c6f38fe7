//! Reads a key: finds its row in CCKM, and refreshes a row that is too old.
//!
//! A row is a copy, and its age is part of the answer. A key is absent only if CCKM says that it has no such row, or that AWS has no such
//! key any more. A key of another account or Region than the provider's is refused, never called absent.

use std::time::Instant;

use jiff::Timestamp;
use reqwest::Method;
use tokio::time::{sleep, timeout_at};

use super::{
    CipherTrustKms, clock,
    convert::Row,
    failure::is_absent,
    id::{Arn, CckmId, Reference},
    id_cache::Refresh,
    operation::Operation,
};
use crate::kms::waits;
use crate::{
    domain::{
        failure::{Failure, FailureKind},
        observed::Key,
    },
    kms::rest::Call,
};

/// Where keys are.
pub(super) const KEYS: &str = "/cckm/aws/keys";
/// How many rows may match one name. At most one of them can be right.
const NAMESAKES: usize = 4;

/// How new a row has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    /// Within the staleness that the provider allows.
    Allowed,
    /// Refreshed from AWS now, unless the refresh does not end in time.
    Newest,
}

/// A row, and the time of the answer by the server's clock.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) row: Row,
    pub(super) now: Timestamp,
}

impl CipherTrustKms {
    /// The key that a reference names.
    pub(super) async fn read_key(&self, reference: &str, age: Age) -> Result<Option<Key>, Failure> {
        match self.find(reference, age).await? {
            Some(seen) => self.key(&seen, Operation::GetKey, reference).map(Some),
            None => Ok(None),
        }
    }

    /// CCKM's id of a key, for a call about it.
    pub(super) async fn id(&self, key: &str, operation: Operation) -> Result<CckmId, Failure> {
        if let Some(id) = Arn::parse(key).and_then(|arn| self.id_cache.id(&arn)) {
            return Ok(id);
        }
        match self.find(key, Age::Allowed).await? {
            Some(seen) => seen.row.id().map_err(|why| self.caller.unusable(Operation::GetKey, key, &why)),
            None => Err(self.not_found(operation, key)),
        }
    }

    pub(super) fn not_found(&self, operation: Operation, key: &str) -> Failure {
        let message = format!(
            "CipherTrust has no key {key}, so {} was not sent; a key that is new in AWS has to be synchronised in CCKM",
            operation.name()
        );
        self.caller.refuse(operation, key, FailureKind::NotFound, message)
    }

    /// The key that a row tells, in an answer to that operation.
    pub(super) fn key(&self, seen: &Seen, operation: Operation, subject: &str) -> Result<Key, Failure> {
        seen.row.key(seen.now).map_err(|why| self.caller.unusable(operation, subject, &why))
    }

    async fn find(&self, reference: &str, age: Age) -> Result<Option<Seen>, Failure> {
        let Some(parsed) = Reference::parse(reference) else {
            let message = format!("{reference} is no name of a key; give its ARN, CCKM's id, the AWS key id, or an alias with alias/");
            return Err(self.refuse(reference, message));
        };
        if reference.starts_with("alias/aws/") {
            return Err(self.refuse(reference, format!("{reference} is an alias of AWS's own; name a key that you manage yourself")));
        }
        if let Reference::Arn(arn) = &parsed {
            self.is_here(arn).await?;
        }
        let mut found = Vec::new();
        for seen in self.candidates(&parsed, reference).await? {
            let seen = if seen.row.is_gone() { None } else { self.settle(seen, age, reference).await? };
            found.extend(seen.filter(|seen| parsed.is_of(&seen.row)));
        }
        let Some(seen) = found.pop() else { return Ok(None) };
        if let Some(other) = found.pop() {
            return Err(self.several(reference, &[seen, other]));
        }
        let arn = seen.row.arn().map_err(|why| self.caller.unusable(Operation::GetKey, reference, &why))?;
        self.is_here(&arn).await?;
        Ok(Some(seen))
    }

    /// The rows that may be meant. Old ones are not refreshed yet.
    async fn candidates(&self, reference: &Reference, subject: &str) -> Result<Vec<Seen>, Failure> {
        match reference {
            Reference::Cckm(id) => Ok(self.get(id, subject).await?.into_iter().collect()),
            Reference::Arn(arn) => {
                if let Some(id) = self.id_cache.id(arn) {
                    match self.get(&id, subject).await? {
                        Some(seen) if reference.is_of(&seen.row) && !seen.row.is_gone() => return Ok(vec![seen]),
                        _ => self.id_cache.forget(arn),
                    }
                }
                self.search(("arn", arn.as_str()), reference, subject).await
            }
            Reference::Aws(id) => self.search(("keyid", id.as_str()), reference, subject).await,
            Reference::Alias(alias) => self.search(("alias", alias.strip_prefix("alias/").unwrap_or(alias)), reference, subject).await,
            Reference::Either(aws, cckm) => {
                let found = self.search(("keyid", aws.as_str()), &Reference::Aws(aws.clone()), subject).await?;
                if found.is_empty() { Ok(self.get(cckm, subject).await?.into_iter().collect()) } else { Ok(found) }
            }
        }
    }

    /// The rows of this KMS and Region that have a name. CCKM's filters are not documented, so each row is compared.
    async fn search(&self, (name, value): (&'static str, &str), reference: &Reference, subject: &str) -> Result<Vec<Seen>, Failure> {
        let filter = [vec![(name, value.to_owned())], self.here().await?].concat();
        let listed = self.list::<Row>(Operation::ListKeys, subject, KEYS, &filter, Row::id_text).await?;
        let now = listed.now;
        let rows = listed.items.into_iter().filter(|row| reference.is_of(row) && !row.is_gone());
        let found: Vec<Seen> = rows.map(|row| Seen { row, now }).collect();
        for seen in &found {
            self.learn(&seen.row);
        }
        if found.len() > NAMESAKES { Err(self.several(subject, &found)) } else { Ok(found) }
    }

    /// The filter for rows of this KMS and Region.
    pub(super) async fn here(&self) -> Result<Vec<(&'static str, String)>, Failure> {
        Ok(vec![("kms_id", self.account().await?.id.clone()), ("region", self.account_cache.region.clone())])
    }

    /// The row with that id, by a request of its own. `None`: CCKM says that it has no such row.
    pub(super) async fn get_alone(&self, id: &CckmId, subject: &str) -> Result<Option<Seen>, Failure> {
        let call = Call::new(Operation::GetKey, subject, Method::GET, format!("{KEYS}/{}", id.as_str()));
        let answer = match self.caller.call(&call).await {
            Ok(answer) => answer,
            Err(failure) if is_absent(&failure) => return Ok(None),
            Err(failure) => return Err(failure),
        };
        let row: Row = serde_json::from_slice(&answer.body).map_err(|error| self.caller.unusable(Operation::GetKey, subject, &error))?;
        if row.id_text() != id.as_str() {
            return Err(self.caller.unusable(Operation::GetKey, subject, &"it is of another key"));
        }
        self.learn(&row);
        Ok(Some(Seen { row, now: clock::now(&answer) }))
    }

    pub(super) fn learn(&self, row: &Row) {
        if let (Ok(arn), Ok(id)) = (row.arn(), row.id()) {
            self.id_cache.learn(arn, id);
        }
    }

    /// Refreshes the row if it is too old, or if the key's deletion date has passed: only a new row tells whether the key is gone.
    async fn settle(&self, seen: Seen, wanted: Age, subject: &str) -> Result<Option<Seen>, Failure> {
        let unusable = |why| self.caller.unusable(Operation::GetKey, subject, &why);
        let age = seen.row.age(seen.now).map_err(unusable)?;
        let past = seen.row.deletion_date().map_err(unusable)?.is_some_and(|date| date <= seen.now);
        if wanted == Age::Allowed && age <= self.max_staleness && !past {
            return Ok(Some(seen));
        }
        self.refreshed(seen, subject).await
    }

    /// Asks CCKM to read the key from AWS again, and waits a little for it. It is done when `synced_at` has changed; `updated_at` also
    /// changes with every write. If that does not happen, or if CCKM refuses, the old row is returned with its age.
    async fn refreshed(&self, seen: Seen, subject: &str) -> Result<Option<Seen>, Failure> {
        let unusable = |why| self.caller.unusable(Operation::GetKey, subject, &why);
        let (id, from) = (seen.row.id().map_err(unusable)?, seen.row.synced_at().map_err(unusable)?);
        let refresh = self.id_cache.refresh(&id, from);
        let (Refresh::Request(asked) | Refresh::Wait(asked)) = refresh;
        let until = tokio::time::Instant::from_std(asked + waits::REFRESH);
        let waited = async {
            if let Refresh::Request(_) = refresh {
                let call = Call::new(Operation::Refresh, subject, Method::POST, format!("{KEYS}/{}/refresh", id.as_str()));
                // After a passing failure, the next read asks again.
                let passed = |failure: &Failure| !failure.kind.verdict().stalled;
                self.caller.call(&call).await.inspect_err(|failure| {
                    if passed(failure) {
                        self.id_cache.unrequest(&id);
                    }
                })?;
            }
            let mut wait = waits::FIRST_POLL;
            loop {
                sleep(wait).await;
                wait *= 2;
                match self.get(&id, subject).await? {
                    Some(new) if new.row.is_gone() => return Ok(None),
                    Some(new) if !new.row.is_newer(from, new.now).map_err(unusable)? => {}
                    new => return Ok(new),
                }
            }
        };
        if Instant::now() >= asked + waits::REFRESH {
            return Ok(Some(seen));
        }
        match timeout_at(until, waited).await {
            Ok(Ok(new)) => Ok(new),
            Ok(Err(failure)) => {
                let failure: Failure = failure;
                tracing::warn!(key = subject, error = &failure as &dyn std::error::Error, "CCKM's copy of a key is not made new");
                Ok(Some(seen))
            }
            Err(_) => {
                tracing::debug!(key = subject, "CCKM's copy of a key is not new yet");
                Ok(Some(seen))
            }
        }
    }

    /// Refuses a key of another Region or account. It would look absent, or be another key.
    async fn is_here(&self, arn: &Arn) -> Result<(), Failure> {
        let here = &self.account_cache.region;
        if arn.region != *here {
            let message =
                format!("{arn} is a key of Region {}, but this provider works in {here}; use a KeyProvider of that Region", arn.region);
            return Err(self.refuse(arn.as_str(), message));
        }
        let account = self.account().await?;
        if arn.account != account.number {
            let message = format!(
                "{arn} is a key of account {}, but this provider's KMS {} is account {}; use a KeyProvider of that account",
                arn.account, self.account_cache.kms, account.number
            );
            return Err(self.refuse(arn.as_str(), message));
        }
        Ok(())
    }

    fn refuse(&self, reference: &str, message: String) -> Failure {
        self.caller.refuse(Operation::GetKey, reference, FailureKind::Invalid, message)
    }

    fn several(&self, reference: &str, found: &[Seen]) -> Failure {
        let mut arns: Vec<String> = found.iter().map(|seen| seen.row.arn_text().to_owned()).collect();
        arns.sort_unstable();
        let message =
            format!("CCKM shows several keys for {reference}: {}; refresh them in CCKM, or name the key by its ARN", arns.join(", "));
        self.caller.refuse(Operation::ListKeys, reference, FailureKind::Unknown, message)
    }
}

impl Reference {
    /// Whether a row is of the key that is meant. The ARN is compared as it came. If it contradicts the rest of the row, a later check
    /// refuses the row: that does not make the key absent.
    fn is_of(&self, row: &Row) -> bool {
        let aws = |id: &str| row.arn_text().rsplit_once('/').is_some_and(|(_, found)| found == id);
        match self {
            Self::Arn(arn) => row.arn_text() == arn.as_str(),
            Self::Cckm(id) => row.id_text() == id.as_str(),
            Self::Aws(id) => aws(id.as_str()),
            Self::Either(id, cckm) => aws(id.as_str()) || row.id_text() == cckm.as_str(),
            Self::Alias(alias) => row.aliases().contains(alias),
        }
    }
}
