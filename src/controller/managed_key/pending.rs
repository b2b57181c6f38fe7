//! A key that is pending deletion may outlive its object. Then the list of its provider continues the alert that the object can no longer give.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{Resource, runtime::reflector::ObjectRef};

use super::{object::Object, round::View};
use crate::{
    api::{
        ConditionType, ManagedKey, ManagedKeyStatus, Reason, condition,
        key_provider::{PendingDeletion, WatchedDeletion},
        managed_key::{DeletionCall, KeyState, ManagementPolicy},
    },
    controller::{
        Context,
        alarms::{Alarm, Source},
        error::Ending,
        key_provider,
    },
    domain::{
        deletion::Record,
        event::Event,
        observed::{Key, Observed},
        ownership::{Owner, Ownership},
        pending::{self, Change},
        rules, status,
        step::Step,
    },
    metrics::PendingKey,
};

/// The entry for the object's key in the provider's list, if the key is pending while the object goes. `seen` is the key from a read; without a read the
/// status tells what it was.
pub(super) fn entry(context: &Context, object: &Object<'_>, seen: Option<&Key>) -> Option<PendingDeletion> {
    let desired = &object.desired;
    if desired.policy == ManagementPolicy::Observe {
        return None;
    }
    let provider = context.providers.get(&object.provider)?;
    let spec = &provider.decoded().ok()?.spec;
    let cancel = crate::domain::limits::Limits::of(spec.type_).calls.cancel;
    let status = &object.memory.status;
    match seen {
        Some(key) if key.state.is_pending() && was_ours(object, key) => {
            pending::gone(&key.arn, Record::of(status).date_of(key), &desired.owner, cancel, Some(&rules::endpoint(spec)))
        }
        Some(_) => None,
        None => {
            let pends = matches!(status.key_state, Some(KeyState::PendingDeletion | KeyState::PendingReplicaDeletion));
            let key = status.key_arn.as_deref().filter(|_| pends)?;
            pending::gone(key, status.deletion_date.clone(), &desired.owner, cancel, seen_at(status))
        }
    }
}

/// The endpoint at which an object saw its key last.
fn seen_at(status: &ManagedKeyStatus) -> Option<&str> {
    status.provider.as_ref()?.endpoint.as_deref()
}

/// Whether the key is the object's by its marks, or was and has no marks any more.
fn was_ours(object: &Object<'_>, key: &Key) -> bool {
    match key.tags.as_ref().map(|tags| Ownership::of_former(tags, &object.desired.owner)) {
        Some(Ownership::Ours) => true,
        Some(Ownership::Unmarked) | None => object.memory.is_bound(),
        Some(_) => false,
    }
}

/// Puts the key on the provider's list before its object goes. The alert exists from now on, even if the write fails. `seen`: a read showed the key.
pub(super) async fn list(context: &Context, object: &Object<'_>, entry: &PendingDeletion, seen: bool) -> Result<(), Ending> {
    context.alarms.say(&Source::Object(object.uid().to_owned()), vec![key_provider::alarm(entry)]);
    let change = if seen { Change::Gone(entry.clone()) } else { Change::Told(entry.clone()) };
    key_provider::commit(context, &object.provider, vec![change]).await.map(drop).map_err(Ending::Error)
}

/// The alarm about the object's key, from its status.
pub(super) fn alarm(context: &Context, owner: &Owner, status: &ManagedKeyStatus, view: View<'_>) -> Option<Alarm> {
    status::pending(status)?;
    let seen = if let Some(Observed::Present(key)) = view.observed { Some(key) } else { None };
    // Without a read it is the key from before.
    let known = || status.key_arn.clone().or_else(|| context.alarms.key_of(&owner.uid)).unwrap_or_default();
    let key = seen.map_or_else(known, |key| key.arn.clone());
    let (namespace, name) = (owner.namespace.clone(), owner.name.clone());
    let date = seen.map_or_else(|| status.deletion_date.clone(), |key| Record::of(status).date_of(key));
    let at = date.as_ref().map_or(0, |date| date.0.as_second());
    Some((PendingKey { namespace, name, key, state: pending::state(date.as_ref()).as_str() }, at))
}

/// Whether the status tells what a round saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reported {
    /// It is written.
    InStatus,
    /// The status could not be written: the object may be gone.
    Nowhere {
        /// The round ended with a call that may have taken effect.
        unsure: bool,
        /// Somebody else changed the object, or it is gone.
        changed: bool,
    },
}

/// Updates the provider's lists after a round read the object's key. A pending key goes on the list of watched keys, so that the operator notices if the
/// object goes while no operator runs. A key that is alive comes off the lists. If a list cannot be written, the next read updates it.
///
/// If the status could not be written, there may be no next read. Then a key whose schedule may have been accepted is watched too, and the provider's own read
/// shows whether it was.
pub(super) async fn watch(context: &Context, object: &Object<'_>, view: View<'_>, steps: &[Step], reported: Reported) {
    let Some(Observed::Present(key)) = view.observed else { return };
    let desired = &object.desired;
    let Some(provider) = context.providers.get(&object.provider) else { return };
    let Ok(provider) = provider.decoded() else { return };
    if desired.policy == ManagementPolicy::Observe || (reported == Reported::InStatus && object.metadata.deletion_timestamp.is_some()) {
        return;
    }
    let Some(listed) = &provider.status else { return };
    let known = |arn: &str| listed.pending_deletions.iter().any(|entry| entry.key == arn);
    let watches = listed.watched_deletions.iter().find(|entry| entry.key == key.arn);
    let status = &object.memory.status;
    let open = status.deletion.as_ref().is_some_and(|deletion| deletion.call == Some(DeletionCall::Open));
    let may_pend = matches!(reported, Reported::Nowhere { unsure: true, .. }) && open;
    let rests = matches!(status.key_state, Some(KeyState::PendingDeletion | KeyState::PendingReplicaDeletion)) && !object.memory.is_bound();
    // No list has the key, and it was this object's, whatever its marks say now.
    let lost = object.memory.is_bound() && watches.is_none() && !known(&key.arn);
    let own = rests || was_ours(object, key) || lost;
    let pends = key.state.is_pending() && status::pending(status).is_some();
    let change = if (pends || may_pend) && own {
        match pending::watched(key, Record::of(status).date_of(key), &desired.owner, &rules::endpoint(&provider.spec)) {
            Some(entry) if watches.is_none() && !known(&key.arn) && !pending::has_room(listed, &entry) => {
                return key_provider::remember(context, &object.provider, entry);
            }
            Some(entry) if known(&key.arn) || watches != Some(&entry) => Change::Watched(entry),
            _ => return,
        }
    } else {
        // A read that may show the state from before our last steps proves nothing, unless we cancelled the deletion ourselves.
        let sure = steps.contains(&Step::Cancel) || context.unsettled(object.uid()).is_none();
        let marked = key.tags.is_some() && was_ours(object, key);
        if key.state.is_pending() || !sure || !marked {
            return;
        }
        key_provider::over(context, &object.provider, object.uid());
        if watches.is_none() && !known(&key.arn) {
            return;
        }
        Change::Over(key.arn.clone())
    };
    let Owner { namespace, name, uid, .. } = &desired.owner;
    // An object that somebody else changed is looked at again in a moment, and that round must not wait for a list: it may be a rescue. If the object goes
    // before that, its key is listed from memory.
    if reported == (Reported::Nowhere { unsure: false, changed: true }) && is_there(context, namespace, name, uid) {
        return remember(context, &object.provider, change);
    }
    if let Err(error) = key_provider::commit(context, &object.provider, vec![change.clone()]).await {
        remember(context, &object.provider, change);
        tracing::warn!(
            key = key.arn,
            error = &error as &dyn std::error::Error,
            "the provider's list of pending keys could not be written; a later read writes it"
        );
    }
}

/// Remembers a pending key that is on no list yet, so that it is noticed if its object goes.
fn remember(context: &Context, provider: &str, change: Change) {
    if let Change::Watched(entry) = change {
        key_provider::remember(context, provider, entry);
    }
}

/// Whether the watch shows an object of that namespace, name and UID.
fn is_there(context: &Context, namespace: &str, name: &str, uid: &str) -> bool {
    context.keys().get(&ObjectRef::new(name).within(namespace)).is_some_and(|object| object.meta().uid.as_deref() == Some(uid))
}

/// Publishes an event for each pending key whose object went without a round that let it go.
pub(in crate::controller) async fn told_of_the_vanished(context: &Context) {
    let there = |namespace: &str, name: &str, uid: &str| is_there(context, namespace, name, uid);
    for left in key_provider::vanished(context, there, |provider| pending_there(context, provider)).await {
        let Some((namespace, name)) = pending::owner(&left.entry.owner) else { continue };
        let owner = Owner { cluster: context.settings.cluster_id.clone(), namespace: namespace.into(), name: name.into(), uid: left.uid };
        told(context, &owner, &left.entry, &left.provider);
    }
}

/// Raises the alarms that the statuses tell of, before the first read. So an alert of an earlier process does not end because a KMS does not answer, or because
/// other objects are looked at first.
pub(in crate::controller) fn told_as_known(context: &Context) {
    for object in context.keys().state() {
        let Ok(ManagedKey { metadata, status: Some(status), .. }) = object.decoded() else { continue };
        let (Some(namespace), Some(name), Some(uid)) = (&metadata.namespace, &metadata.name, &metadata.uid) else { continue };
        let cluster = context.settings.cluster_id.clone();
        let owner = Owner { cluster, namespace: namespace.clone(), name: name.clone(), uid: uid.clone() };
        if let Some(alarm) = alarm(context, &owner, status, View::default()) {
            context.gauge_as_known(&owner, alarm);
        }
    }
}

/// The pending keys of a provider's objects, from their statuses.
fn pending_there(context: &Context, provider: &str) -> Vec<WatchedDeletion> {
    let watched = |object: &ManagedKey| {
        let (metadata, status) = (&object.metadata, object.status.as_ref()?);
        let is_own = object.spec.provider_ref.name == provider && object.spec.management_policy != ManagementPolicy::Observe;
        let is_anothers = |ready: &Condition| ready.reason == Reason::OwnedByAnother.as_str();
        if !is_own || condition::find(&status.conditions, ConditionType::Ready).is_some_and(is_anothers) {
            return None;
        }
        status::pending(status)?;
        Some(WatchedDeletion {
            key: status.key_arn.clone().unwrap_or_default(),
            date: status.deletion_date.clone(),
            owner: format!("{}/{}", metadata.namespace.as_deref()?, metadata.name.as_deref()?),
            uid: metadata.uid.clone()?,
            endpoint: seen_at(status).map(pending::place),
        })
    };
    context.keys().state().iter().filter_map(|object| watched(object.decoded().ok()?)).collect()
}

/// Publishes the event about a pending key whose object goes: beside the object, and in the namespace `default`, which nobody deletes.
pub(super) fn told(context: &Context, owner: &Owner, entry: &PendingDeletion, provider: &str) {
    let event = Event { reason: "KeyReleased", action: "Release", warning: true, note: pending::note(entry, provider) };
    context.events.publish_widely(owner, &event);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        controller::fixtures,
        domain::{observed::State, tests::fixtures as domain_fixtures},
    };

    fn managed(uid: &str) -> ManagedKey {
        let key = domain_fixtures::key(State::PendingDeletion);
        let condition = json!({ "type": "PendingDeletion", "status": "True", "reason": "External", "message": "x", "lastTransitionTime": "2026-11-20T10:00:00Z" });
        let object = json!({
            "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey",
            "metadata": { "name": "orders", "namespace": "shop", "uid": uid, "resourceVersion": "7", "generation": 1 },
            "spec": {},
            "status": { "keyId": key.id, "keyArn": key.arn, "keyState": "PendingDeletion", "conditions": [condition] },
        });
        serde_json::from_value(object).unwrap()
    }

    #[tokio::test]
    async fn a_pending_key_that_could_not_be_listed_is_missed_when_its_object_goes() {
        let provider = json!({ "conditions": [] });
        for (name, told, there, writes) in [
            ("the list is refused", Reported::InStatus, true, 1),
            ("the object was changed", Reported::Nowhere { unsure: false, changed: true }, true, 0),
            ("the object is gone", Reported::Nowhere { unsure: false, changed: true }, false, 1),
            ("a call may have been taken", Reported::Nowhere { unsure: true, changed: true }, true, 1),
        ] {
            let stored = managed("u1");
            let objects = if there { vec![stored.clone()] } else { Vec::new() };
            let (context, server) = fixtures::context(&provider, &objects);
            server.refuse(1);
            let object = Object::new(&context, &stored, None).unwrap();
            let key = domain_fixtures::key(State::PendingDeletion);
            let arn = key.arn.clone();
            let observed = Observed::Present(Box::new(key));
            let view = View { observed: Some(&observed), ..View::default() };
            watch(&context, &object, view, &[], told).await;
            assert_eq!(server.writes().len(), writes, "{name}");
            assert!(context.providers.is_watched("u1"), "{name}: the alert does not end");
            server.refuse(0);
            let left = key_provider::vanished(&context, |_, _, _| false, |_| Vec::new()).await;
            assert_eq!(left.iter().map(|left| left.entry.key.as_str()).collect::<Vec<_>>(), [arn.as_str()], "{name}");
        }
    }

    #[tokio::test]
    async fn an_alert_is_there_from_the_beginning_of_a_process_until_a_round_tells_otherwise() {
        let object = managed("u1");
        let (context, _) = fixtures::context(&json!({}), std::slice::from_ref(&object));
        let is_told = || context.alarms.key_of("u1") == Some(domain_fixtures::key(State::PendingDeletion).arn);
        assert!(!is_told());
        told_as_known(&context);
        assert!(is_told(), "before any read");
        context.gauge(&Object::new(&context, &object, None).unwrap().desired.owner, None, &[]);
        assert!(!is_told(), "a read showed it alive");
        told_as_known(&context);
        assert!(!is_told(), "what the watch still has is older than that");
    }

    /// If a KMS leaves the date out, the last known one stands, in the lists and in the series. The list continues the series of the object.
    #[tokio::test]
    async fn a_missing_date_changes_neither_a_list_nor_a_series() {
        let mut key = domain_fixtures::key(State::PendingDeletion);
        let date = key.deletion_date.take().unwrap();
        let watched = json!({ "key": key.arn, "date": date.to_string(), "owner": "shop/orders", "uid": "u1", "endpoint": "default" });
        for (known, provider) in [(true, json!({ "watchedDeletions": [watched] })), (false, json!({ "conditions": [] }))] {
            let mut stored = managed("u1");
            let status = stored.status.as_mut().unwrap();
            status.deletion_date = known.then(|| condition::seconds(date));
            let (context, server) = fixtures::context(&provider, &[stored.clone()]);
            let object = Object::new(&context, &stored, None).unwrap();
            let observed = Observed::Present(Box::new(key.clone()));
            let view = View { observed: Some(&observed), ..View::default() };
            watch(&context, &object, view, &[], Reported::InStatus).await;
            assert_eq!(server.writes().is_empty(), known, "{:?}", server.writes());
            for seen in [Some(&key), None] {
                let view = View { observed: seen.and(Some(&observed)), ..View::default() };
                let of_object = alarm(&context, &object.desired.owner, &object.memory.status, view).unwrap();
                let of_list = key_provider::alarm(&entry(&context, &object, seen).unwrap());
                assert_eq!((&of_list, of_list.1 != 0), (&of_object, known));
            }
        }
    }
}
