//! Creates keys with `keys` and `rotate`, and removes rows.

use serde_json::{Map, Value, json};

use super::policy::Policy;
use super::{Answer, Call, Reply};
use crate::aws::{self, Operation as Aws};
use crate::ciphertrust::appliance::Kms;
use crate::ciphertrust::failure::Failure;
use crate::ciphertrust::row::Row;
use crate::world::KeyRef;

/// `POST keys`. Key and alias are two calls at AWS. It first checks whether the alias is free, so that a refused creation leaves no key
/// behind.
pub(super) fn create(call: &mut Call<'_>) -> Answer {
    let body = call.body()?;
    let kms = call.kms()?;
    let region = call.place()?;
    let wanted = body.object("aws_param")?.unwrap_or_default();
    let alias = wanted.text("Alias")?;
    let policy = Policy::read(body, wanted.object("Policy")?, kms.account)?;

    let mut members = Map::new();
    for name in ["Description", "CustomerMasterKeySpec", "KeyUsage", "Origin"] {
        members.extend(wanted.text(name)?.map(|text| (name.to_owned(), json!(text))));
    }
    for name in ["MultiRegion", "BypassPolicyLockoutSafetyCheck"] {
        members.insert(name.to_owned(), json!(wanted.flag(name)?));
    }
    members.extend(wanted.tags("Tags", "TagKey", "TagValue")?.map(|tags| ("Tags".to_owned(), Value::Array(tags))));
    members.extend(policy.as_ref().map(|policy| ("Policy".to_owned(), json!(policy.text()))));

    if let Some(alias) = alias {
        check_alias(call, &kms, &region, alias)?;
    }
    let at = make(call, &kms, &region, Value::Object(members))?;
    if let Some(alias) = alias {
        call.alias(&at, Aws::CreateAlias, alias)?;
    }
    let row = call.take_up(&kms, at)?;
    let row = match (policy, call.inner.appliance.row_of(&kms, &row.at)) {
        (Some(policy), Some(row)) => {
            row.lists = policy.lists;
            row.clone()
        }
        _ => row,
    };
    Ok(Reply { status: 201, body: row.show() })
}

/// `rotate`: a new key replaces the old key, which stays. The new key gets its tags and policy, and takes over its aliases. With
/// `retain_alias` the old key keeps them under another name. The reply is the object of the new key.
pub(super) fn rotate(call: &mut Call<'_>) -> Answer {
    let body = call.body()?;
    let old = call.row()?;
    let imported = body.text("source_key_tier")?.is_some() || body.text("source_key_id")?.is_some();
    if imported || old.word("Origin") != "AWS_KMS" {
        return Err(Failure::invalid("source_key_tier: only keys with material of AWS's own can be rotated here"));
    }
    let retain = body.flag("retain_alias")?;
    let (kms, at) = (old.kms.clone(), old.at.clone());
    // The current state at AWS, not the row.
    let Some(now) = call.cloud().read(&at) else {
        call.on(&at, Aws::DescribeKey, json!({}))?;
        return Err(Failure::not_found());
    };
    let mut members = Map::new();
    for name in ["CustomerMasterKeySpec", "KeyUsage", "MultiRegion", "Tags"] {
        members.extend(now.get(name).map(|value| (name.to_owned(), value.clone())));
    }
    let description = body.text("description")?.map_or_else(|| now.get("Description").cloned().unwrap_or_default(), |text| json!(text));
    members.insert("Description".to_owned(), description);
    members.insert("Policy".to_owned(), json!(now.get("Policy").cloned().unwrap_or_default().to_string()));
    members.insert("BypassPolicyLockoutSafetyCheck".to_owned(), json!(true));
    // An update that changes nothing, to let AWS check whether the state of the old key allows changes.
    call.on(&at, Aws::UpdateKeyDescription, json!({ "Description": now.get("Description") }))?;
    let new = make(call, &kms, &at.region, Value::Object(members))?;

    let aliases: Vec<String> = names(now.get("Alias"));
    for name in &aliases {
        call.alias(&new, Aws::UpdateAlias, name)?;
        if retain {
            let stamp = call.now.strftime("%Y%m%d%H%M%S").to_string();
            call.alias(&at, Aws::CreateAlias, &format!("{name}-rotated-{stamp}"))?;
        }
    }
    let made = call.take_up(&kms, new)?;
    call.written(&old)?;
    let when = call.now;
    if let Some(row) = call.inner.appliance.row_of(&kms, &at) {
        row.rotated_to = Some(made.id.clone());
        row.rotated_at = Some(when);
    }
    let row = call.inner.appliance.row_of(&kms, &made.at).ok_or_else(Failure::not_found)?;
    row.rotated_from = Some(old.id);
    Ok(Reply { status: 200, body: row.show() })
}

/// `DELETE keys/{id}`: CCKM removes its row. The key stays at AWS.
pub(super) fn forget(call: &mut Call<'_>) -> Answer {
    let Row { id, .. } = call.row()?;
    call.inner.appliance.rows.retain(|row| row.id != id);
    Ok(Reply { status: 204, body: Value::Null })
}

/// Creates a key at AWS.
fn make(call: &mut Call<'_>, kms: &Kms, region: &str, members: Value) -> Result<KeyRef, Failure> {
    let (_, made) = call.at(kms.account, region, Aws::CreateKey, members)?;
    let made = made.ok_or_else(Failure::not_found)?;
    call.touched = Some(made.clone());
    Ok(made)
}

/// Refuses an alias that is not possible for a new key. CCKM refuses it if it knows the key with the alias, otherwise AWS refuses it.
pub(super) fn check_alias(call: &mut Call<'_>, kms: &Kms, region: &str, name: &str) -> Result<(), Failure> {
    let full = format!("alias/{name}");
    let here = |row: &&Row| row.kms.id == kms.id && row.at.region == region && !row.gone;
    let has = |row: &Row| names(row.aws.get("Alias")).iter().any(|alias| alias == name);
    let taken = call.inner.world.alias(kms.account, region, &full).is_some();
    if taken && call.inner.appliance.rows.iter().filter(here).any(has) {
        return Err(Failure::alias_exists(name));
    }
    if taken {
        let taken = aws::Failure::new("AlreadyExistsException", format!("An alias with the name {full} already exists"));
        return Err(Failure::of_aws(call.operation, &taken));
    }
    // AWS checks the name before the key, so a call with a key that does not exist shows whether AWS accepts the name.
    let nobody = KeyRef { account: kms.account.to_owned(), region: region.to_owned(), id: uuid::Uuid::new_v4().to_string() };
    match call.alias(&nobody, Aws::CreateAlias, name) {
        Err(failure) if failure.code == "NotFoundException" => Ok(()),
        other => other,
    }
}

/// Alias names without their prefix.
fn names(aliases: Option<&Value>) -> Vec<String> {
    let aliases = aliases.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    aliases.filter_map(|alias| alias.strip_prefix("alias/")).map(str::to_owned).collect()
}
