//! Room for Keyward's conditions among those that others put into a status.
//!
//! A status holds a bounded number of conditions, and whoever may write it can fill it. Conditions of others stay as long as they leave room for all that
//! Keyward may have to say; those that do not are removed before it says anything. Server-side apply leaves alone what others own, so that takes a write of
//! its own.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Api, Client, Resource,
    api::{ApiResource, DynamicObject, ObjectMeta, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::api::{ConditionType, FIELD_MANAGER, condition};

/// How many conditions of others leave room for each of Keyward's.
pub(super) const OTHERS: usize = condition::MOST - ConditionType::ALL.len();

/// How many of these conditions are not Keyward's.
pub(super) fn others<'a>(conditions: impl Iterator<Item = &'a Condition>) -> usize {
    conditions.filter(|known| !condition::is_ours(&known.type_)).count()
}

/// Removes conditions of others from the status until there is room, if the object is still as `metadata` says; gives the version after it. Everything else
/// is sent back as it was read, so that nothing becomes Keyward's by it.
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
        "conditions of others left no room in the status and are removed"
    );
    let patch = json!({ "metadata": { "resourceVersion": metadata.resource_version }, "status": { "conditions": kept } });
    let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
    Ok(api.patch_status(name, &parameters, &Patch::Merge(&patch)).await?.metadata.resource_version)
}

/// The conditions that stay, and the types of those that go.
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
    fn there_is_room_for_all_that_is_ours() {
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
