//! Makes room for Keyward's conditions in a status.
//!
//! A status holds a limited number of conditions, and everybody who may write it can fill it. Conditions of others stay while they leave room for all of
//! Keyward's. Otherwise some are removed before Keyward writes its own. Server-side apply does not touch what others own, so the removal is a separate write.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Api, Client, Resource,
    api::{ApiResource, DynamicObject, ObjectMeta, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::api::{ConditionType, FIELD_MANAGER, condition};

/// How many conditions of others may stand beside all of Keyward's.
pub(super) const OTHERS: usize = condition::MOST - ConditionType::ALL.len();

/// How many of these conditions are not Keyward's.
pub(super) fn others<'a>(conditions: impl Iterator<Item = &'a Condition>) -> usize {
    conditions.filter(|known| !condition::is_ours(&known.type_)).count()
}

/// Removes conditions of others from the status until there is room, if the object still has the version in `metadata`. Returns the version after that. All
/// other conditions are sent back as they were read, so Keyward does not become their owner.
pub(super) async fn make<K: Resource<DynamicType = ()>>(client: Client, metadata: &ObjectMeta) -> Result<Option<String>, kube::Error> {
    let resource = ApiResource::erase::<K>(&());
    let api: Api<DynamicObject> = match &metadata.namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, &resource),
        None => Api::all_with(client, &resource),
    };
    let name = metadata.name.as_deref().unwrap_or_default();
    let read = api.get(name).await?;
    let conditions = read.data.pointer("/status/conditions").and_then(Value::as_array);
    let (kept, removed) = divide(conditions.map(Vec::as_slice).unwrap_or_default());
    tracing::warn!(
        name,
        namespace = metadata.namespace,
        removed = removed.join(", "),
        "removed conditions of others from the status, because they left no room for Keyward's"
    );
    let patch = json!({ "metadata": { "resourceVersion": metadata.resource_version }, "status": { "conditions": kept } });
    let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
    Ok(api.patch_status(name, &parameters, &Patch::Merge(&patch)).await?.metadata.resource_version)
}

/// The conditions that stay, and the types of those that are removed.
fn divide(conditions: &[Value]) -> (Vec<&Value>, Vec<&str>) {
    let mut left = OTHERS;
    let (mut kept, mut removed) = (Vec::new(), Vec::new());
    for known in conditions {
        let kind = known.get("type").and_then(Value::as_str).unwrap_or_default();
        match left.checked_sub(1) {
            _ if condition::is_ours(kind) => kept.push(known),
            Some(less) => {
                left = less;
                kept.push(known);
            }
            None => removed.push(kind),
        }
    }
    (kept, removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_all_conditions_of_keyward() {
        let of = |kind: &str| json!({ "type": kind });
        let foreign: Vec<_> = (0..condition::MOST).map(|number| of(&format!("Foreign{number}"))).collect();
        let ours: Vec<_> = ConditionType::ALL.iter().map(|(kind, _)| of(kind.as_str())).collect();
        let all = [foreign.clone(), ours.clone()].concat();
        let (kept, removed) = divide(&all);
        assert_eq!(kept.len(), condition::MOST);
        assert!(ours.iter().all(|known| kept.contains(&known)) && removed.len() == ours.len(), "{removed:?}");
        assert_eq!(divide(&foreign[..OTHERS]).1, [""; 0], "what leaves room stays");
    }
}
