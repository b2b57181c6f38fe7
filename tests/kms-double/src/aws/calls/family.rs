//! Multi-Region keys: `ReplicateKey`, `UpdatePrimaryRegion`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::create::DESCRIPTION_MAX;
use super::describe::metadata;
use super::{policy, tag};
use crate::aws::call::{Answer, Call, nothing};
use crate::aws::failure::Failure;
use crate::aws::partition;
use crate::aws::sigv4::is_region;
use crate::world::{Key, KeyRef, KeyState, MultiRegion, Origin};

pub(super) fn replicate(call: &mut Call<'_>) -> Answer {
    let region = read_region(call, "ReplicaRegion")?;
    let description = call.members.sized("Description", 0, DESCRIPTION_MAX)?.unwrap_or_default();
    let tags = tag::read_tags(call.members)?;
    let policy = policy::read(call)?;
    let key = call.find("KeyId")?;
    let replicas = replicas(&key)?;
    call.permit(&key)?;
    let at = KeyRef { region: region.clone(), ..key.at.clone() };
    if partition::of(&region) != partition::of(&key.at.region) {
        return Err(Failure::unsupported(format!("{region} is in another partition than {}", key.at.arn())));
    }
    // The caller must be able to create the replica in its Region.
    call.need("kms:CreateKey", &at.arn())?;
    if !tags.is_empty() {
        call.need("kms:TagResource", &at.arn())?;
    }
    // A replica that is pending deletion still exists, so its deletion must be cancelled instead.
    if replicas.contains(&region) || region == key.at.region || call.world.key(&at).is_some() {
        return Err(Failure::new("AlreadyExistsException", format!("{} already exists", at.arn())));
    }
    let mut replica = Key::new(at.clone(), call.now, &key.spec, &key.usage, key.origin);
    description.clone_into(&mut replica.description);
    replica.tags = tags.into_iter().collect();
    replica.policy = policy.unwrap_or_else(|| policy::default(&at.account, &at.region));
    replica.first_material.clone_from(&key.first_material);
    replica.multi_region = Some(MultiRegion::Replica { primary: key.at.region.clone() });
    let then = if key.origin == Origin::External { KeyState::PendingImport } else { KeyState::Enabled };
    let ends = call.now.checked_add(call.settling).unwrap_or(call.now);
    replica.pass_through(KeyState::Creating, then, ends);
    call.world.change(&key.at, |key| {
        key.multi_region = Some(MultiRegion::Primary { replicas: with(&replicas, &region, None) });
    });
    call.world.add(replica.clone());
    let mut answer = json!({ "ReplicaKeyMetadata": metadata(call, &replica), "ReplicaPolicy": replica.policy });
    // If there are no tags, AWS leaves the member out.
    if let (false, Some(members)) = (replica.tags.is_empty(), answer.as_object_mut()) {
        let shown = replica.tags.iter().map(|(name, value)| json!({ "TagKey": name, "TagValue": value }));
        members.insert("ReplicaTags".to_owned(), shown.collect::<Vec<Value>>().into());
    }
    Ok(answer)
}

pub(super) fn update_primary(call: &mut Call<'_>) -> Answer {
    let region = read_region(call, "PrimaryRegion")?;
    let key = call.find("KeyId")?;
    let replicas = replicas(&key)?;
    call.permit(&key)?;
    let heir = KeyRef { region: region.clone(), ..key.at.clone() };
    if region == key.at.region {
        return Err(Failure::unsupported(format!("{} is the primary key already", key.at.arn())));
    }
    let heir_key = call.world.key(&heir).cloned().ok_or_else(|| Failure::no_key(&heir))?;
    call.permit(&heir_key)?;
    let ends = call.now.checked_add(call.settling).unwrap_or(call.now);
    let remaining = with(&replicas, &key.at.region, Some(&region));
    for sibling in remaining.iter().filter(|sibling| **sibling != key.at.region) {
        let at = KeyRef { region: sibling.clone(), ..key.at.clone() };
        call.world.change(&at, |key| {
            key.multi_region = Some(MultiRegion::Replica { primary: region.clone() });
        });
    }
    let (rotation, rotating, rotated) = (key.rotation.clone(), key.rotating.clone(), key.rotated.clone());
    let (first, pending) = (key.first_material.clone(), key.pending_material.clone());
    call.world.change(&heir, |heir| {
        heir.multi_region = Some(MultiRegion::Primary { replicas: remaining });
        (heir.rotation, heir.rotating, heir.rotated) = (rotation, rotating, rotated);
        (heir.first_material, heir.pending_material) = (first, pending);
        heir.pass_through(KeyState::Updating, KeyState::Enabled, ends);
    });
    call.world.change(&key.at, |old| {
        old.multi_region = Some(MultiRegion::Replica { primary: region });
        (old.rotation, old.rotating, old.pending_material) = (None, None, None);
        old.rotated.clear();
        old.pass_through(KeyState::Updating, KeyState::Enabled, ends);
    });
    Ok(nothing())
}

/// The replicas of a primary; other keys cannot be replicated.
fn replicas(key: &Key) -> Result<BTreeSet<String>, Failure> {
    match &key.multi_region {
        Some(MultiRegion::Primary { replicas }) => Ok(replicas.clone()),
        Some(MultiRegion::Replica { .. }) | None => {
            Err(Failure::unsupported(format!("{} is not a multi-region primary key.", key.at.arn())))
        }
    }
}

fn with(replicas: &BTreeSet<String>, new: &str, gone: Option<&str>) -> BTreeSet<String> {
    let kept = replicas.iter().filter(|region| Some(region.as_str()) != gone).cloned();
    kept.chain([new.to_owned()]).collect()
}

fn read_region(call: &Call<'_>, member: &str) -> Result<String, Failure> {
    let region = call.members.required(member, 1, 32)?;
    if is_region(region) {
        return Ok(region.to_owned());
    }
    Err(Failure::constraint(region, member, "Member must satisfy regular expression pattern: ^([a-z]+-){2,3}\\d+$"))
}
