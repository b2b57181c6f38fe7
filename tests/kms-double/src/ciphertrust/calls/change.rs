//! The actions that change one key. Each becomes one operation of AWS, and the result is written to the row.

use serde_json::{Value, json};

use super::policy::Policy;
use super::{Answer, Call};
use crate::aws::Operation as Aws;
use crate::ciphertrust::body::{missing, wrong};
use crate::ciphertrust::failure::Failure;
use crate::ciphertrust::operation::Operation;
use crate::ciphertrust::row::Row;

/// Does the action at AWS and returns the row after it.
pub(super) fn change(call: &mut Call<'_>) -> Answer {
    let row = call.row()?;
    let body = call.body()?;
    match call.operation {
        Operation::AddAlias => {
            call.alias(&row.at, Aws::CreateAlias, body.required("alias")?)?;
        }
        Operation::DeleteAlias => delete_alias(call, &row)?,
        Operation::Policy => put_policy(call, &row)?,
        _ => {
            let (operation, members) = translate(call)?;
            call.on(&row.at, operation, members)?;
        }
    }
    call.written(&row)
}

/// The operation of AWS for the action, and its members.
fn translate(call: &Call<'_>) -> Result<(Aws, Value), Failure> {
    let body = call.body()?;
    Ok(match call.operation {
        Operation::Enable => (Aws::EnableKey, json!({})),
        Operation::Disable => (Aws::DisableKey, json!({})),
        Operation::ScheduleDeletion => {
            let days = body.integer("days")?.ok_or_else(|| missing("days"))?;
            if !(7..=30).contains(&days) {
                return Err(Failure::invalid(format!("days is {days}, and has to be from 7 to 30")));
            }
            (Aws::ScheduleKeyDeletion, json!({ "PendingWindowInDays": days }))
        }
        Operation::CancelDeletion => (Aws::CancelKeyDeletion, json!({})),
        // AWS checks the period.
        Operation::EnableAutoRotation => {
            (Aws::EnableKeyRotation, json!({ "RotationPeriodInDays": body.integer("rotation_period_in_days")? }))
        }
        Operation::DisableAutoRotation => (Aws::DisableKeyRotation, json!({})),
        Operation::RotateMaterial => (Aws::RotateKeyOnDemand, json!({})),
        Operation::AddTags => {
            let tags = body.tags("tags", "tag_key", "tag_value")?.ok_or_else(|| missing("tags"))?;
            (Aws::TagResource, json!({ "Tags": tags }))
        }
        Operation::RemoveTags => {
            let names = body.texts("tags")?.ok_or_else(|| missing("tags"))?;
            (Aws::UntagResource, json!({ "TagKeys": names }))
        }
        // Here "" is a value, which removes the description.
        Operation::UpdateDescription => {
            let text = body.0.get("description").filter(|text| !text.is_null()).ok_or_else(|| missing("description"))?;
            let text = text.as_str().ok_or_else(|| wrong("description", "a string"))?;
            (Aws::UpdateKeyDescription, json!({ "Description": text }))
        }
        _ => return Err(Failure::not_found()),
    })
}

/// AWS would remove an alias from any key, but the action is about this key.
fn delete_alias(call: &mut Call<'_>, row: &Row) -> Result<(), Failure> {
    let name = format!("alias/{}", call.body()?.required("alias")?);
    let at = &row.at;
    let target = call.inner.world.alias(&at.account, &at.region, &name).map(|alias| alias.target.clone());
    if target.is_some_and(|target| target != at.id) {
        return Err(Failure::invalid(format!("{name} is not an alias of this key")));
    }
    call.at(&at.account, &at.region, Aws::DeleteAlias, json!({ "AliasName": name })).map(|_| ())
}

/// The member is `policy` in the documentation, but `Policy` in Thales's provider.
fn put_policy(call: &mut Call<'_>, row: &Row) -> Result<(), Failure> {
    let body = call.body()?;
    let document = match body.object("policy")? {
        Some(document) => Some(document),
        None => body.object("Policy")?,
    };
    let policy = Policy::read(body, document, &row.at.account)?.ok_or_else(|| missing("policy"))?;
    call.on(&row.at, Aws::PutKeyPolicy, json!({ "Policy": policy.text(), "PolicyName": "default" }))?;
    if let Some(row) = call.inner.appliance.row_of(&row.kms, &row.at) {
        row.lists = policy.lists;
    }
    Ok(())
}
