//! `CreateKey`.

use serde_json::json;

use super::describe::metadata;
use super::{key_store, policy, tag};
use crate::aws::call::{Answer, Call};
use crate::aws::failure::Failure;
use crate::aws::spec::{self, Spec, USAGES};
use crate::world::{Key, KeyRef, MultiRegion, Origin};

/// The maximum length of a description.
pub(super) const DESCRIPTION_MAX: usize = 8192;

const ORIGINS: &[&str] = &["AWS_KMS", "EXTERNAL", "AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"];

pub(super) fn create(call: &mut Call<'_>) -> Answer {
    let members = call.members;
    let spec = read_spec(call)?;
    let usage = read_usage(call, spec)?;
    let origin = read_origin(call, spec)?;
    let stored = key_store::read(call, origin)?;
    let multi_region = members.flag("MultiRegion")?;
    let description = members.sized("Description", 0, DESCRIPTION_MAX)?.unwrap_or_default();
    let tags = tag::read_tags(members)?;
    // "To use this parameter, you must have kms:TagResource permission in an IAM policy."
    if !tags.is_empty() {
        call.need("kms:TagResource", "*")?;
    }
    let policy = policy::read(call)?;

    let id = if multi_region { format!("mrk-{}", uuid::Uuid::new_v4().simple()) } else { uuid::Uuid::new_v4().to_string() };
    let at = KeyRef { account: call.caller.account.clone(), region: call.caller.region.clone(), id };
    let mut key = Key::new(at.clone(), call.now, spec.name, &usage, origin);
    description.clone_into(&mut key.description);
    key.tags = tags.into_iter().collect();
    key.policy = policy.unwrap_or_else(|| policy::default(&at.account, &at.region));
    key.stored = stored;
    key.multi_region = multi_region.then(|| MultiRegion::Primary { replicas: std::collections::BTreeSet::new() });
    call.world.add(key.clone());
    call.touched = Some(at);
    Ok(json!({ "KeyMetadata": metadata(call, &key) }))
}

/// `KeySpec` or its older name, but not both.
fn read_spec(call: &Call<'_>) -> Result<&'static Spec, Failure> {
    let names = spec::names();
    let new = call.members.one_of("KeySpec", &names)?;
    let old = call.members.one_of("CustomerMasterKeySpec", &spec::old_names())?;
    if new.is_some() && old.is_some() {
        return Err(Failure::validation(
            "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated.",
        ));
    }
    let name = new.or(old).unwrap_or(spec::SYMMETRIC);
    let spec = spec::find(name).ok_or_else(|| Failure::unsupported(format!("KeySpec {name} is not supported")))?;
    if name == "SM2" && !call.caller.region.starts_with("cn-") {
        return Err(Failure::unsupported("KeySpec SM2 is supported in China Regions only"));
    }
    Ok(spec)
}

fn read_usage(call: &Call<'_>, spec: &Spec) -> Result<String, Failure> {
    let Some(usage) = call.members.one_of("KeyUsage", USAGES)? else {
        if spec.name == spec::SYMMETRIC {
            return Ok("ENCRYPT_DECRYPT".to_owned());
        }
        return Err(Failure::validation("You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys."));
    };
    if spec.usages.contains(&usage) {
        Ok(usage.to_owned())
    } else {
        Err(Failure::validation(format!("KeyUsage {usage} is not compatible with KeySpec {}", spec.name)))
    }
}

fn read_origin(call: &Call<'_>, spec: &Spec) -> Result<Origin, Failure> {
    let origin = call.members.one_of("Origin", ORIGINS)?.unwrap_or("AWS_KMS");
    let custom = matches!(origin, "AWS_CLOUDHSM" | "EXTERNAL_KEY_STORE");
    if custom && (spec.name != spec::SYMMETRIC || call.members.flag("MultiRegion")?) {
        return Err(Failure::unsupported(format!("Origin {origin} is for single-Region symmetric encryption keys only")));
    }
    Ok(match origin {
        "EXTERNAL" => Origin::External,
        "AWS_CLOUDHSM" => Origin::AwsCloudHsm,
        "EXTERNAL_KEY_STORE" => Origin::ExternalKeyStore,
        _ => Origin::AwsKms,
    })
}
