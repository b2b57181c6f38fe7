//! Multi-Region keys.

use serde_json::{Map, Value, json};

use super::create::check_alias;
use super::policy::Policy;
use super::{Answer, Call, Reply};
use crate::aws::Operation as Aws;
use crate::ciphertrust::appliance::REGIONS;
use crate::ciphertrust::failure::Failure;
use crate::ciphertrust::sync;
use crate::world::KeyRef;

/// `replicate-key`. The reply is the replica's object, which is `Creating` at first.
pub(super) fn replicate(call: &mut Call<'_>) -> Answer {
    let body = call.body()?;
    let row = call.row()?;
    let region = body.required("replica_region")?;
    if !REGIONS.contains(&region) {
        return Err(Failure::invalid(format!("region {region} is not among the regions of the kms")));
    }
    let wanted = body.object("aws_param")?.unwrap_or_default();
    let policy = Policy::read(body, wanted.object("Policy")?, &row.at.account)?;
    let mut members = Map::new();
    members.insert("ReplicaRegion".to_owned(), json!(region));
    members.insert("BypassPolicyLockoutSafetyCheck".to_owned(), json!(wanted.flag("BypassPolicyLockoutSafetyCheck")?));
    members.extend(wanted.text("Description")?.map(|text| ("Description".to_owned(), json!(text))));
    members.extend(wanted.tags("Tags", "TagKey", "TagValue")?.map(|tags| ("Tags".to_owned(), Value::Array(tags))));
    members.extend(policy.map(|policy| ("Policy".to_owned(), json!(policy.text()))));
    if let Some(alias) = wanted.text("Alias")? {
        check_alias(call, &row.kms, region, alias)?;
    }
    call.on(&row.at, Aws::ReplicateKey, Value::Object(members))?;

    let at = KeyRef { region: region.to_owned(), ..row.at.clone() };
    if let Some(alias) = wanted.text("Alias")? {
        call.alias(&at, Aws::CreateAlias, alias)?;
    }
    let replica = call.take_up(&row.kms, at)?;
    sync::write_through(call.inner, call.shared, &row.kms, &row.at, call.now);
    Ok(Reply { status: 200, body: replica.show() })
}

/// `update-primary-region`, called on the primary. Both keys are `Updating` for a while. CCKM reads them by itself until that has ended.
pub(super) fn update_primary(call: &mut Call<'_>) -> Answer {
    let row = call.row()?;
    let region = call.body()?.required("PrimaryRegion")?;
    call.on(&row.at, Aws::UpdatePrimaryRegion, json!({ "PrimaryRegion": region }))?;
    call.written(&row)
}
