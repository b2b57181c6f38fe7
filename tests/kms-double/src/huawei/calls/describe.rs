//! `describe-key`, `list-keys`, and the details that both return.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::ALIAS_PREFIX;
use crate::huawei::call::{Answer, Call, Result};
use crate::huawei::failure::{Code, Failure};
use crate::huawei::identity::HuaweiProject;
use crate::huawei::spec::{self, AES_256};
use crate::huawei::states::number;
use crate::world::{Key, Manager, Origin};

use super::page::{Paging, page};

pub(super) fn describe(call: &mut Call<'_>) -> Result {
    let key = call.read_by_any_name()?;
    Ok(Answer::json(json!({ "key_info": details(&key, &call.caller.project) })))
}

/// Without `key_spec` only the keys of the default spec are listed.
pub(super) fn list(call: &mut Call<'_>) -> Result {
    let members = call.members;
    let state = members.string("key_state")?.filter(|state| !state.is_empty());
    if state.is_some_and(|state| !["1", "2", "3", "4", "5", "7"].contains(&state)) {
        return Err(Failure::because(Code::Parameter, "key_state"));
    }
    let spec = members.string("key_spec")?.unwrap_or(AES_256);
    if spec != "ALL" && spec::find(spec).is_none() {
        return Err(Failure::because(Code::Parameter, format!("key_spec {spec}")));
    }
    if members.string("enterprise_project_id")?.is_some_and(|id| id != "0" && id != "all") {
        return Err(Failure::because(Code::Parameter, "enterprise_project_id: there is only 0"));
    }
    let paging = Paging { default: 1000, max: 1000, limit: members.string("limit")?, marker: members.string("marker")? };
    let HuaweiProject { id, region, .. } = &call.caller.project;
    let keys = call.world.seen_keys(id, region, call.seen);
    let wanted = keys.filter(|key| spec == "ALL" || key.spec == spec);
    let wanted: Vec<&Key> = wanted.filter(|key| state.is_none_or(|state| number(key.state).to_string() == state)).collect();
    let total = wanted.len();
    let shown = page(paging, wanted.into_iter(), |key| key.at.id.clone())?;
    let ids: Vec<&str> = shown.items.iter().map(|key| key.at.id.as_str()).collect();
    let details: Vec<Value> = shown.items.iter().map(|key| details(key, &call.caller.project)).collect();
    Ok(Answer::json(json!({
        "keys": ids,
        "key_details": details,
        "next_marker": shown.next.clone().unwrap_or_default(),
        "truncated": shown.next.is_some().to_string(),
        "total": total,
    })))
}

/// Milliseconds since 1970 as a string. The text of the documents says seconds, but all their examples have milliseconds.
pub(super) fn millis(time: Timestamp) -> String {
    time.as_millisecond().to_string()
}

/// A key's own name, as it is returned.
pub(super) fn own_name(key: &Key) -> &str {
    let stored = key.built_in_name.as_deref().unwrap_or_default();
    stored.strip_prefix(ALIAS_PREFIX).unwrap_or(stored)
}

/// The details of a key. Every one is a string.
pub(super) fn details(key: &Key, project: &HuaweiProject) -> Value {
    let deletion = key.deletion.as_ref().and_then(|deletion| deletion.date);
    json!({
        "key_id": key.at.id,
        "domain_id": project.domain,
        "key_alias": own_name(key),
        "realm": project.region,
        "key_spec": key.spec,
        "key_usage": key.usage,
        "key_description": key.description,
        "creation_date": millis(key.created),
        "scheduled_deletion_date": deletion.map(millis).unwrap_or_default(),
        "key_state": number(key.state).to_string(),
        "default_key_flag": if key.manager == Manager::Aws { "1" } else { "0" },
        "key_type": "1",
        "expiration_time": "",
        "origin": if key.origin == Origin::External { "external" } else { "kms" },
        "key_rotation_enabled": key.rotation.is_some().to_string(),
        "sys_enterprise_project_id": "0",
        "keystore_id": "0",
    })
}
