//! Puts events on objects. An event that is not taken fails no round.

use std::collections::BTreeSet;

use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event as ApiEvent},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Resource,
    api::{ObjectMeta, PostParams},
};

use crate::{
    api::{FIELD_MANAGER, ManagedKey},
    controller::{Context, now},
    domain::{event::Event, ownership::Owner},
};

/// Where an event goes that the object's own namespace does not take, or may not keep.
const ELSEWHERE: &str = "default";

/// Puts an event on the object. In a namespace that is being deleted events are refused: it goes to `default` then.
pub(super) async fn publish(context: &Context, owner: &Owner, event: &Event) {
    log_event(event);
    if !post(context, owner, event, &owner.namespace).await {
        post(context, owner, event, ELSEWHERE).await;
    }
}

/// Puts an event on the object, and beside it where nobody deletes it together with the object's namespace.
pub(super) async fn publish_widely(context: &Context, owner: &Owner, event: &Event) {
    log_event(event);
    for namespace in BTreeSet::from([owner.namespace.as_str(), ELSEWHERE]) {
        post(context, owner, event, namespace).await;
    }
}

fn log_event(event: &Event) {
    if event.warning {
        tracing::warn!(reason = event.reason, "{}", event.note);
    } else {
        tracing::info!(reason = event.reason, "{}", event.note);
    }
}

/// Whether the namespace takes events. It does not while it is being deleted, nor once it is gone.
async fn post(context: &Context, owner: &Owner, event: &Event, namespace: &str) -> bool {
    let time = now();
    let posted = ApiEvent {
        metadata: ObjectMeta {
            name: Some(format!("{}.{:x}", owner.name, time.as_nanosecond())),
            namespace: Some(namespace.into()),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(time)),
        reporting_controller: Some(FIELD_MANAGER.into()),
        reporting_instance: Some(context.settings.instance.chars().take(128).collect()),
        action: Some(event.action.into()),
        reason: Some(event.reason.into()),
        type_: Some(if event.warning { "Warning" } else { "Normal" }.into()),
        // The API server refuses longer ones.
        note: Some(event.note.chars().take(1024).collect()),
        regarding: Some(ObjectReference {
            api_version: Some(ManagedKey::api_version(&()).into()),
            kind: Some(ManagedKey::kind(&()).into()),
            namespace: Some(owner.namespace.clone()),
            name: Some(owner.name.clone()),
            uid: Some(owner.uid.clone()),
            ..ObjectReference::default()
        }),
        ..ApiEvent::default()
    };
    let api = Api::<ApiEvent>::namespaced(context.client.clone(), namespace);
    match api.create(&PostParams::default(), &posted).await {
        // Forbidden while it is being deleted, not found once it is gone.
        Err(kube::Error::Api(status)) if status.is_forbidden() || status.is_not_found() => false,
        Ok(_) => true,
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, reason = event.reason, "an event was not taken");
            true
        }
    }
}
