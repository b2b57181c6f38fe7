//! Requests CCKM to read from AWS again.

use serde_json::json;

use super::{Answer, Call, Reply};
use crate::ciphertrust::appliance::{Kms, REGIONS};
use crate::ciphertrust::failure::Failure;
use crate::ciphertrust::query;
use crate::ciphertrust::sync::{self, Job, Progress};

/// `refresh`: the answer only confirms the request and has no key.
pub(super) fn refresh(call: &mut Call<'_>) -> Answer {
    let id = call.row()?.id;
    let body = json!({ "message": format!("AWS key '{id}' will be refreshed and persisted") });
    sync::later(call.shared, call.inner, move |inner, shared, now| sync::refresh(inner, shared, &id, now));
    Ok(Reply { status: 202, body })
}

/// `POST synchronization-jobs`: some kms objects and Regions, or everything.
pub(super) fn synchronize(call: &mut Call<'_>) -> Answer {
    let body = call.body()?;
    let named = body.texts("kms")?;
    let regions = body.texts("regions")?;
    let all = body.flag("synchronize_all")?;
    let appliance = &call.inner.appliance;
    let kms: Vec<Kms> = match (&named, all) {
        (Some(named), false) => {
            let find = |name: &String| appliance.find_kms(call.session, name).cloned().ok_or_else(Failure::not_found);
            named.iter().map(find).collect::<Result<_, _>>()?
        }
        (None, true) if regions.is_none() => appliance.seen_kms(call.session).cloned().collect(),
        _ => return Err(Failure::invalid("give either kms, with regions if you like, or synchronize_all")),
    };
    let regions = regions.unwrap_or_else(|| REGIONS.map(str::to_owned).to_vec());
    if let Some(region) = regions.iter().find(|region| !REGIONS.contains(&region.as_str())) {
        return Err(Failure::invalid(format!("region {region} is not among the regions of the kms")));
    }
    let running = |job: &&Job| job.progress == Progress::Running && job.kms.iter().any(|one| kms.contains(one));
    if let Some(job) = appliance.jobs.iter().find(running) {
        return Err(Failure::conflict(format!("synchronization {} is in progress", job.id)));
    }
    let id = uuid::Uuid::new_v4().to_string();
    let job = Job { id: id.clone(), kms, regions, created: call.now, updated: call.now, progress: Progress::Running };
    let body = job.show();
    call.inner.appliance.jobs.push(job);
    sync::later(call.shared, call.inner, move |inner, shared, now| sync::finish(inner, shared, &id, now));
    Ok(Reply { status: 201, body })
}

pub(super) fn list(call: &mut Call<'_>) -> Answer {
    let meets = |job: &&Job, name: &str, value: &str| {
        Ok(match name {
            "id" => job.id == value,
            "overall_status" => job.status() == value,
            _ => job.kms.iter().any(|kms| kms.id == value || kms.name == value),
        })
    };
    let jobs = call.inner.appliance.jobs.iter().filter(|job| seen(call, job));
    let found = query::filter(jobs, &call.request.query, &["id", "overall_status", "kms"], meets)?;
    Ok(Reply { status: 200, body: query::page(found.into_iter().map(Job::show).collect(), &call.request.query)? })
}

pub(super) fn get(call: &mut Call<'_>) -> Answer {
    Ok(Reply { status: 200, body: find(call)?.show() })
}

/// The state name of a cancelled job is not documented. The job reads nothing any more.
pub(super) fn cancel(call: &mut Call<'_>) -> Answer {
    let Job { id, progress, .. } = find(call)?;
    if progress != Progress::Running {
        return Err(Failure::conflict(format!("synchronization {id} is over")));
    }
    let now = call.now;
    let job = call.inner.appliance.jobs.iter_mut().find(|job| job.id == id).ok_or_else(Failure::not_found)?;
    job.progress = Progress::Canceled;
    job.updated = now;
    Ok(Reply { status: 200, body: job.show() })
}

fn find(call: &Call<'_>) -> Result<Job, Failure> {
    let job = call.inner.appliance.jobs.iter().find(|job| job.id == call.id() && seen(call, job));
    job.cloned().ok_or_else(Failure::not_found)
}

/// Whether the session may see one of the kms objects of the job.
fn seen(call: &Call<'_>, job: &Job) -> bool {
    job.kms.iter().any(|kms| call.inner.appliance.find_kms(call.session, &kms.id).is_some())
}
