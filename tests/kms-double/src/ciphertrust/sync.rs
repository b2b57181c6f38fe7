//! Reads from AWS: a refresh of one key, and jobs that synchronize whole Regions.
//!
//! Both are queued: the reply comes at once, and the rows change when the delay is over. Then the rows show AWS at that moment, and do not
//! change until CCKM reads again.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::appliance::{Kms, REGIONS};
use super::cloud::Cloud;
use super::row::Row;
use crate::state::{Inner, Shared};
use crate::world::KeyRef;

/// The state of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Running,
    Completed,
    Canceled,
}

/// A synchronization job.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) kms: Vec<Kms>,
    pub(crate) regions: Vec<String>,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    pub(crate) progress: Progress,
}

impl Job {
    pub(crate) fn status(&self) -> &'static str {
        match self.progress {
            Progress::Running => "in_progress",
            Progress::Completed => "completed",
            Progress::Canceled => "canceled",
        }
    }

    /// The job, as it is sent on the wire.
    pub(crate) fn show(&self) -> Value {
        let domain = self.kms.first().map(|kms| kms.domain.path()).unwrap_or_default();
        let mut job = json!({
            "id": self.id,
            "uri": format!("kylo:{domain}:cckm:synchronize:{}", self.id),
            "createdAt": self.created,
            "updatedAt": self.updated,
            "overall_status": self.status(),
            "cloud_name": "aws",
            "kms": self.kms.iter().map(|kms| kms.name).collect::<Vec<_>>(),
        });
        if self.progress == Progress::Completed {
            let places = self.kms.iter().flat_map(|kms| self.regions.iter().map(move |region| format!("{}/{region}", kms.account)));
            let done: serde_json::Map<_, _> = places.map(|place| (place, json!("region synchronized successfully"))).collect();
            if let Some(members) = job.as_object_mut() {
                members.insert("detailed_status".to_owned(), Value::Object(done));
                members.insert("completed_at".to_owned(), json!(self.updated));
            }
        }
        job
    }
}

/// Does `work` at the end of a refresh that begins now, unless the double stops first. Without a delay setting the refresh never ends.
pub(crate) fn later(shared: &Arc<Shared>, inner: &Inner, work: impl FnOnce(&mut Inner, &Shared, Timestamp) + Send + 'static) {
    let Some(delay) = inner.appliance.refresh_delay else {
        return;
    };
    let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        if shared.wait(millis).await {
            let mut inner = shared.lock();
            let now = inner.pass_time();
            work(&mut inner, &shared, now);
        }
    });
}

/// Reads a key and its multi-Region family from AWS.
pub(crate) fn refresh(inner: &mut Inner, shared: &Shared, id: &str, now: Timestamp) {
    let Some(row) = inner.appliance.rows.iter().find(|row| row.id == id) else {
        return;
    };
    let (kms, key) = (row.kms.clone(), row.at.clone());
    for at in relatives(inner, &kms, &key) {
        let found = cloud(inner, shared, now).read(&at);
        if let Some(row) = inner.appliance.row_of(&kms, &at) {
            row.sync(found, now);
        }
    }
}

/// Ends a job, if it was not cancelled.
pub(crate) fn finish(inner: &mut Inner, shared: &Shared, id: &str, now: Timestamp) {
    let Some(job) = inner.appliance.jobs.iter_mut().find(|job| job.id == id && job.progress == Progress::Running) else {
        return;
    };
    job.progress = Progress::Completed;
    job.updated = now;
    let (kms, regions) = (job.kms.clone(), job.regions.clone());
    for kms in &kms {
        synchronize(inner, shared, kms, &regions, now);
    }
}

/// Reads every Region of every kms object from AWS at once.
pub(crate) fn synchronize_all(inner: &mut Inner, shared: &Shared) {
    let now = inner.pass_time();
    let regions = REGIONS.map(str::to_owned);
    for kms in &inner.appliance.kms.clone() {
        synchronize(inner, shared, kms, &regions, now);
    }
}

/// Writes AWS's state after a change to the rows of a key and its family. This does not count as a synchronization.
pub(crate) fn write_through(inner: &mut Inner, shared: &Shared, kms: &Kms, key: &KeyRef, now: Timestamp) {
    for at in relatives(inner, kms, key) {
        let found = cloud(inner, shared, now).read(&at);
        if let (Some(row), Some(found)) = (inner.appliance.row_of(kms, &at), found)
            && (at == *key || row.aws != found)
        {
            row.aws = found;
            row.touch(now);
        }
    }
}

/// CCKM reads keys in a transitional state by itself, until the state has ended.
pub(crate) fn watch_passing(inner: &mut Inner, shared: &Shared, now: Timestamp) {
    let passing: Vec<(Kms, KeyRef)> =
        inner.appliance.rows.iter().filter(|row| row.is_passing() && !row.gone).map(|row| (row.kms.clone(), row.at.clone())).collect();
    for (kms, at) in passing {
        let shown = inner.appliance.row_of(&kms, &at).map(|row| row.word("KeyState").to_owned());
        let state = inner.world.key(&at).map(|key| key.state.name().to_owned());
        if state.is_some() && state != shown {
            write_through(inner, shared, &kms, &at, now);
        }
    }
}

fn synchronize(inner: &mut Inner, shared: &Shared, kms: &Kms, regions: &[String], now: Timestamp) {
    let here = |at: &KeyRef| at.account == kms.account && regions.contains(&at.region);
    let mut keys: BTreeSet<KeyRef> = inner.world.all_keys().map(|key| key.at.clone()).filter(here).collect();
    keys.extend(inner.appliance.rows.iter().filter(|row| row.kms.id == kms.id).map(|row| row.at.clone()).filter(here));
    for at in keys {
        let found = cloud(inner, shared, now).read(&at);
        match (inner.appliance.row_of(kms, &at), found) {
            (Some(row), found) => row.sync(found, now),
            (None, Some(found)) => inner.appliance.rows.push(Row::new(kms.clone(), at, found, now)),
            (None, None) => {}
        }
    }
}

/// The key and the other keys of its multi-Region family that the kms object knows.
fn relatives(inner: &Inner, kms: &Kms, key: &KeyRef) -> Vec<KeyRef> {
    let related = |row: &&Row| row.kms.id == kms.id && row.at.id == key.id && row.at.account == key.account;
    inner.appliance.rows.iter().filter(related).map(|row| row.at.clone()).collect()
}

fn cloud<'a>(inner: &'a mut Inner, shared: &'a Shared, now: Timestamp) -> Cloud<'a> {
    Cloud { inner, shared, now, request_id: "", counted: false }
}
