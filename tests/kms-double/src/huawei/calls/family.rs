//! Keys in several regions: `replicate`, `update-primary-region`, `list-regions`.
//!
//! Only what a client can see is modelled: a replica is a key with the same id in a project of the same account in another region. Its
//! rotation is read-only. Otherwise it is a separate key.

use std::collections::BTreeSet;

use serde_json::json;

use super::create::{add_named, read_description};
use super::{ALIAS_PREFIX, create, tag};
use crate::huawei::call::{Answer, Call, Result};
use crate::huawei::failure::{Code, Failure};
use crate::huawei::identity::HuaweiProject;
use crate::world::{Key, KeyRef, MultiRegion};

pub(super) fn replicate(call: &mut Call<'_>) -> Result {
    let region = call.members.required("replica_region")?.to_owned();
    let description = read_description(call.members)?;
    let tags = tag::read_tags(call.members)?;
    let asked_project = call.members.string("replica_project_id")?;
    let key = call.open()?;
    if matches!(key.multi_region, Some(MultiRegion::Replica { .. })) {
        return Err(Failure::of(Code::ReplicaKey));
    }
    let bare = call.members.string("key_alias")?.unwrap_or_else(|| super::describe::own_name(&key)).to_owned();
    create::check_bare(&bare)?;
    let project = sibling(call, &region).filter(|project| asked_project.is_none_or(|asked| asked == project.id));
    let project = project.ok_or_else(|| Failure::because(Code::Parameter, format!("there is no other project in {region}")))?;
    let at = KeyRef { account: project.id.clone(), region: region.clone(), id: key.at.id.clone() };
    let name = format!("{ALIAS_PREFIX}{bare}");
    if call.world.key(&at).is_some() {
        return Err(Failure::because(Code::Parameter, format!("the key is in {region} already")));
    }
    if call.world.alias(&at.account, &at.region, &name).is_some() {
        return Err(Failure::of(Code::AliasTaken));
    }
    let mut replica = Key::new(at, call.now, &key.spec, &key.usage, key.origin);
    replica.description = description.map_or_else(|| key.description.clone(), str::to_owned);
    replica.tags = tags;
    replica.first_material.clone_from(&key.first_material);
    replica.multi_region = Some(MultiRegion::Replica { primary: key.at.region.clone() });
    add_named(call, replica, &name);
    Ok(Answer::json(json!({ "key_id": key.at.id, "domain_id": project.domain, "region": region })))
}

/// The replica in that region becomes the primary, and the primary a replica.
pub(super) fn move_primary(call: &mut Call<'_>) -> Result {
    let region = call.members.required("primary_region")?.to_owned();
    let key = call.open()?;
    let other = sibling(call, &region).map(|project| KeyRef { account: project.id, region: region.clone(), id: key.at.id.clone() });
    let other = other.filter(|at| call.world.key(at).is_some() && key.multi_region.is_none());
    let other = other.ok_or_else(|| Failure::because(Code::Parameter, format!("{region} has no replica of this primary key")))?;
    call.world.change(&other, |key| key.multi_region = None);
    call.world.change(&key.at, |key| key.multi_region = Some(MultiRegion::Replica { primary: region.clone() }));
    Ok(Answer::json(json!({ "key_id": key.at.id, "primary_region": region })))
}

pub(super) fn regions(call: &Call<'_>) -> Answer {
    let own = call.known.projects().iter().filter(|project| project.domain == call.caller.project.domain);
    let regions: BTreeSet<&str> = own.map(|project| project.region.as_str()).collect();
    Answer::json(json!({ "regions": regions }))
}

/// The account's project in another region.
fn sibling(call: &Call<'_>, region: &str) -> Option<HuaweiProject> {
    let own = &call.caller.project;
    let mut projects = call.known.projects().iter().filter(|project| project.domain == own.domain && project.id != own.id);
    projects.find(|project| project.region == region).cloned()
}
