//! The object of a round: it is read live, and every write has the version that was read as its precondition.
//!
//! So of two writers one is refused and reads again, and a round that began with an old view of the object ends at its first write.

use std::time::Duration;

use kube::{
    Api, Resource,
    api::{ObjectMeta, Patch, PatchParams},
};
use serde_json::{Value, json};

use super::{provider, terminating};
use crate::{
    api::{
        FIELD_MANAGER, FINALIZER, ManagedKey, ManagedKeyStatus, annotation,
        managed_key::{CreateAttempt, ManagementPolicy},
    },
    controller::{
        Context, Requests,
        error::{Ending, Error, api},
        now, room,
        watched::{MOST_FINALIZERS, Watched},
    },
    domain::{
        deletion::{CountEnded, Intent, Nonce},
        desired::{Desired, Invalid},
        event::{self, Event},
        memory::{self, KeyRecord, Memory},
        observed::Key,
        status::{self, SetBy},
        step::Step,
    },
    lease::is_before,
};

/// What a write does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    /// It stands.
    Kept,
    /// It passes admission as a dry run, and changes nothing.
    Tried,
}

/// An object, as it stands for this round.
#[derive(Debug)]
pub(super) struct Object<'a> {
    pub(super) context: &'a Context,
    /// Metadata, as last read or written.
    pub(super) metadata: ObjectMeta,
    /// The name of its provider.
    pub(super) provider: String,
    /// What it declares.
    pub(super) desired: Desired,
    /// What it remembers. During a round it is ahead of the API server.
    pub(super) memory: Memory,
    /// The status as the API server has it, without the parts of others.
    stored: ManagedKeyStatus,
    /// How many conditions of others the status has.
    others: usize,
    /// Who set `deletionScheduleDays`.
    pub(super) set_by: Option<Box<SetBy>>,
    /// Whether it was read or written in this round. Otherwise it came from the watch.
    pub(super) live: bool,
}

impl<'a> Object<'a> {
    /// Takes an object as the watch has it.
    pub(super) fn new(context: &'a Context, object: &ManagedKey, set_by: Option<Box<SetBy>>) -> Result<Self, Invalid> {
        let desired = Desired::of(object, &context.settings.cluster_id)?;
        let mut memory = Memory::of(object);
        let stored = memory.status.clone();
        let seen_ago = context.seen_ago(&desired.owner.uid).and_then(|ago| ago.try_into().ok());
        memory.doubt_missing(now(), memory::made(&object.metadata), seen_ago);
        let others = room::others(object.status.iter().flat_map(|status| &status.conditions));
        let provider = object.spec.provider_ref.name.clone();
        Ok(Self { context, metadata: object.metadata.clone(), provider, desired, memory, stored, others, set_by, live: false })
    }

    /// The status as the API server has it.
    pub(super) const fn stored(&self) -> &ManagedKeyStatus {
        &self.stored
    }

    /// The object's UID.
    pub(super) fn uid(&self) -> &str {
        &self.desired.owner.uid
    }

    /// The wait between two regular reads of its key.
    pub(super) fn resync(&self) -> Duration {
        provider::resync(self.context, &self.provider)
    }

    /// Whether the key was seen recently enough that `Ready` may keep what it said then.
    pub(super) fn was_seen_lately(&self) -> bool {
        let unreachable = status::unreachable_for(&self.stored, now());
        self.context.unheard(self.uid(), unreachable.unwrap_or_default()) <= self.resync().saturating_mul(2)
    }

    /// Whether a person asked for this reconcile, and was not answered yet.
    pub(super) fn is_asked_for(&self) -> bool {
        let handled = self.stored.last_handled_reconcile_at.as_deref();
        self.requested().is_some_and(|asked| handled != Some(&*status::handled(asked)))
    }

    /// The text with which a person asked for this reconcile, or for the last one.
    pub(super) fn requested(&self) -> Option<&str> {
        let known = self.context.requests(self.uid());
        requested(&self.metadata, self.stored.last_handled_reconcile_at.as_deref(), &known)
    }

    /// Remembers which request was answered.
    pub(super) fn answered(&self) {
        let (own, flux) = requests(&self.metadata);
        let answered = self.memory.status.last_handled_reconcile_at.as_deref();
        let is = |text: Option<&str>| text.is_some_and(|text| answered == Some(&*status::handled(text)));
        if is(own) || is(flux) {
            self.context.answered(self.uid(), own, flux, is(flux));
        }
    }

    /// Whether the annotation `keyward.dev/key` does not say what it should about the key on record, or the annotation of a creation is there although the
    /// object has its key.
    pub(super) fn is_misrecorded(&self) -> bool {
        let records = self.desired.adopt.is_none() && self.desired.policy != ManagementPolicy::Observe && self.memory.is_bound();
        let is_wrong = |key: &str| !self.records(key) || self.record(annotation::CREATE_ATTEMPT).is_some();
        records && self.stored.key_arn.as_deref().is_some_and(is_wrong)
    }

    fn api(&self) -> Api<Watched<ManagedKey>> {
        Api::namespaced(self.context.client.clone(), &self.desired.owner.namespace)
    }

    /// Reads the object live. The round ends if the object is gone, was replaced by another one of its name, or is not as the round took it.
    pub(super) async fn refresh(&mut self) -> Result<(), Ending> {
        let Some(read) = read_live(self.context, &self.desired.owner.namespace, &self.desired.owner.name).await.map_err(Ending::Error)?
        else {
            return Err(Ending::Changed);
        };
        let Ok(object) = read.decoded() else {
            return Err(Ending::Newer(Box::new(read)));
        };
        let same = object.metadata.uid.as_deref() == Some(self.uid());
        // A later read is never older, unless the storage was set back. This is reported once, because every object shows it until it is over.
        let (version, known) = (object.metadata.resource_version.as_deref(), self.metadata.resource_version.as_deref());
        if same && self.context.era() == 0 && is_before(version, known) {
            self.context.set_back();
        }
        if !same || object.metadata.deletion_timestamp != self.metadata.deletion_timestamp {
            return Err(Ending::Newer(Box::new(read)));
        }
        // A decision that was made from an old read is not acted on.
        let same = |fresh: &Self| {
            fresh.desired == self.desired
                && fresh.stored == self.stored
                && (&fresh.memory.attempt, &fresh.memory.key) == (&self.memory.attempt, &self.memory.key)
        };
        match Self::new(self.context, object, read.set_by.clone()) {
            Ok(fresh) if same(&fresh) => {
                // The memory stays, with what this round added to it.
                let memory = std::mem::take(&mut self.memory);
                *self = Self { live: true, memory, ..fresh };
                Ok(())
            }
            _ => Err(Ending::Newer(Box::new(read))),
        }
    }

    /// Whether a live read shows that nobody wrote the object since it was read.
    pub(super) async fn is_unchanged(&self) -> Result<bool, Ending> {
        let read = self.api().get(&self.desired.owner.name).await.map_err(api("a live read of the object"))?;
        Ok(read.meta().resource_version == self.metadata.resource_version && read.meta().uid == self.metadata.uid)
    }

    /// Takes the version of an object that somebody else wrote meanwhile, if it is still the same object with the same status. Only Keyward writes the
    /// status, and what was done must not be lost because a person edited something else.
    pub(super) async fn rebase(&mut self) -> Result<(), Ending> {
        let read = self.api().get(&self.desired.owner.name).await.map_err(api("a live read of the object"))?;
        let object = read.into_decoded().map_err(|_| Ending::Changed)?;
        if object.metadata.uid.as_deref() != Some(self.uid()) || Memory::of(&object).status != self.stored {
            return Err(Ending::Changed);
        }
        self.others = room::others(object.status.iter().flat_map(|status| &status.conditions));
        self.metadata.resource_version = object.metadata.resource_version;
        Ok(())
    }

    /// Remembers what has to be on record before a step, and returns the mark that goes on the key with it.
    pub(super) fn open(&mut self, step: &Step, key: &Key) -> Result<Option<Intent>, Ending> {
        let [one, two, three, four, five, six, ..] = *uuid::Uuid::new_v4().as_bytes();
        let opened = self.memory.open(step, &self.desired, key, now(), Nonce::of([one, two, three, four, five, six]));
        // No such step is planned when the count is at its end.
        opened.map_err(|CountEnded| Ending::Changed)
    }

    fn may_write(&self) -> Result<(), Ending> {
        if self.context.held.is_held() { Ok(()) } else { Err(Ending::Error(Error::NotLeader)) }
    }

    /// Writes the memory's status, if it differs from what the API server has.
    pub(super) async fn write_status(&mut self) -> Result<(), Ending> {
        status::fit(&mut self.memory.status);
        if self.memory.status == self.stored {
            return Ok(());
        }
        let written = self.apply_status(&self.memory.status.clone(), Effect::Kept).await?;
        self.metadata.resource_version = written;
        self.stored = self.memory.status.clone();
        Ok(())
    }

    /// Writes a status as a dry run. Whatever would refuse it later refuses it now.
    pub(super) async fn rehearse_status(&mut self, mut status: ManagedKeyStatus) -> Result<(), Ending> {
        status::fit(&mut status);
        self.apply_status(&status, Effect::Tried).await.map(drop)
    }

    /// Returns the version after the write.
    async fn apply_status(&mut self, status: &ManagedKeyStatus, effect: Effect) -> Result<Option<String>, Ending> {
        self.may_write()?;
        if self.others > room::OTHERS {
            let cleared = room::make::<ManagedKey>(self.context.client.clone(), &self.metadata).await;
            self.metadata.resource_version = cleared.map_err(api("the removal of conditions that leave no room"))?;
            self.others = room::OTHERS;
        }
        let patch = json!({
            "apiVersion": ManagedKey::api_version(&()), "kind": ManagedKey::kind(&()),
            "metadata": { "name": self.desired.owner.name, "namespace": self.desired.owner.namespace, "resourceVersion": self.metadata.resource_version },
            "status": status,
        });
        let parameters = PatchParams { dry_run: effect == Effect::Tried, ..PatchParams::apply(FIELD_MANAGER).force() };
        let written =
            self.api().patch_status(&self.desired.owner.name, &parameters, &Patch::Apply(&patch)).await.map_err(api("the status"))?;
        Ok(written.meta().resource_version.clone())
    }

    /// Records that a creation begins, after the finalizer if the policy needs one. Of two controllers that get here, one is refused. The record is in the
    /// status, because replacing the object by a manifest does not change the status.
    pub(super) async fn begin_creation(&mut self, attempt: CreateAttempt) -> Result<(), Ending> {
        if self.needs_finalizer() {
            self.sync_finalizer().await?;
        }
        self.memory.status.create_attempt = Some(attempt);
        self.write_status().await
    }

    /// Takes back an attempt that certainly created nothing. The report of the round writes it.
    pub(super) fn withdraw_creation(&mut self) {
        self.memory.status.create_attempt = None;
    }

    /// Whether the round ended an attempt that the API server still has on record.
    pub(super) const fn ends_attempt(&self) -> bool {
        self.stored.create_attempt.is_some() && self.memory.status.create_attempt.is_none()
    }

    /// Records the key of the object, in place of the attempt that made it. If the record said something else, or was another object's, an event says so once.
    pub(super) async fn record_key(&mut self, key: &str) -> Result<(), Ending> {
        let replaced = self.record(annotation::KEY).and_then(|text| event::record_replaced(text, &self.desired.owner, key));
        let void = self.void_attempt();
        let annotations = json!({ (annotation::CREATE_ATTEMPT): Value::Null, (annotation::KEY): self.record_of(key) });
        self.patch(json!({ "annotations": annotations }), "the key's annotation").await?;
        self.memory.close_attempt();
        self.memory.key = Some(key.into());
        for event in replaced.iter().chain(&void) {
            self.context.events.publish(&self.desired.owner, event);
        }
        Ok(())
    }

    /// Removes annotations that were copied from another object, where this object writes none of its own. An event says so once.
    pub(super) async fn drop_copied(&mut self, key: &str) -> Result<(), Ending> {
        let record = self.record(annotation::KEY).and_then(|text| event::record_void(text, &self.desired.owner, key));
        let attempt = self.void_attempt();
        let (mut gone, mut told) = (serde_json::Map::new(), Vec::new());
        for (annotation, event) in [(annotation::KEY, record), (annotation::CREATE_ATTEMPT, attempt)] {
            if let Some(event) = event {
                gone.insert(annotation.into(), Value::Null);
                told.push(event);
            }
        }
        if !gone.is_empty() {
            self.patch(json!({ "annotations": gone }), "the annotations of another object").await?;
        }
        for event in &told {
            self.context.events.publish(&self.desired.owner, event);
        }
        Ok(())
    }

    /// The event about an annotation of an attempt that is not this object's.
    pub(super) fn void_attempt(&self) -> Option<Event> {
        event::attempt_void(self.record(annotation::CREATE_ATTEMPT)?, memory::made(&self.metadata))
    }

    /// Whether the annotation says that this object has that key.
    pub(super) fn records(&self, key: &str) -> bool {
        self.record(annotation::KEY) == Some(&self.record_of(key))
    }

    fn record_of(&self, key: &str) -> String {
        KeyRecord::text(&self.desired.owner.namespace, &self.desired.owner.name, key)
    }

    fn record(&self, annotation: &str) -> Option<&str> {
        self.metadata.annotations.as_ref()?.get(annotation).map(String::as_str)
    }

    /// Adds the finalizer if the policy needs it, and removes it otherwise.
    pub(super) async fn sync_finalizer(&mut self) -> Result<(), Ending> {
        if self.needs_finalizer() == self.has_finalizer() {
            return Ok(());
        }
        self.write_finalizer(self.needs_finalizer()).await
    }

    /// Removes the finalizer, so that the object can go.
    pub(super) async fn remove_finalizer(&mut self) -> Result<(), Ending> {
        self.write_finalizer(false).await
    }

    fn needs_finalizer(&self) -> bool {
        self.desired.deletion_policy != crate::api::managed_key::DeletionPolicy::Retain
    }

    /// Whether the object waits for Keyward before it goes.
    pub(super) fn has_finalizer(&self) -> bool {
        self.metadata.finalizers.iter().flatten().any(|name| name == FINALIZER)
    }

    /// Writes the whole list of finalizers, with or without Keyward's own.
    async fn write_finalizer(&mut self, ours: bool) -> Result<(), Ending> {
        let mut all = self.metadata.finalizers.clone().unwrap_or_default();
        if all.len() >= MOST_FINALIZERS {
            all = self.all_finalizers().await?;
        }
        all.retain(|name| name != FINALIZER);
        all.extend(ours.then(|| FINALIZER.to_owned()));
        self.patch(json!({ "finalizers": all }), "the finalizer").await
    }

    /// The finalizers of an object that may have more of them than were kept of it.
    async fn all_finalizers(&self) -> Result<Vec<String>, Ending> {
        let objects = Api::<ManagedKey>::namespaced(self.context.client.clone(), &self.desired.owner.namespace);
        let read = objects.get(&self.desired.owner.name).await.map_err(api("a live read of the finalizers"))?;
        let is_same = read.metadata.resource_version == self.metadata.resource_version;
        read.metadata.finalizers.filter(|_| is_same).ok_or(Ending::Changed)
    }

    async fn patch(&mut self, metadata: Value, what: &'static str) -> Result<(), Ending> {
        self.may_write()?;
        let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
        let mut patch = json!({ "metadata": { "resourceVersion": self.metadata.resource_version } });
        if let (Some(Value::Object(all)), Value::Object(wanted)) = (patch.get_mut("metadata"), metadata) {
            all.extend(wanted);
        }
        let patch = Patch::Merge(patch);
        let written = self.api().patch(&self.desired.owner.name, &parameters, &patch).await.map_err(api(what))?;
        let generation = written.meta().generation;
        self.metadata = written.meta().clone();
        self.live = true;
        // An annotation does not change the generation. If it changed, somebody edited the spec, and the object is looked at again.
        if generation == Some(self.desired.generation) { Ok(()) } else { Err(Ending::Changed) }
    }

    /// Whether the namespace or the CRD is being deleted. Its objects go then without anybody asking for the deletion of their keys.
    pub(super) async fn is_terminating(&self) -> Result<bool, Ending> {
        terminating::is_terminating(&self.context.client, &self.desired.owner.namespace).await
    }
}

/// An object as the API server has it now, if it is there.
pub async fn read_live(context: &Context, namespace: &str, name: &str) -> Result<Option<Watched<ManagedKey>>, Error> {
    let objects = Api::<Watched<ManagedKey>>::namespaced(context.client.clone(), namespace);
    let read = objects.get_opt(name).await.map_err(|error| Error::Api("a live read of the object", Box::new(error)))?;
    context.read_live(namespace, name, read.as_ref().and_then(|object| object.meta().resource_version.as_deref()));
    Ok(read)
}

/// An object without the part of its spec that cannot be read. A status can be written for it, and it can be let go; nothing else may follow from it.
pub(super) fn readable<'a>(context: &'a Context, stored: &ManagedKey) -> Option<Object<'a>> {
    // The days stay if they can be read, so that a deletion that is scheduled is not reported as someone else's.
    Object::new(context, stored, None).ok().or_else(|| {
        let mut harmless = stored.clone();
        harmless.spec.deletion_schedule_days = None;
        Object::new(context, &harmless, None).ok()
    })
}

/// What asks for a reconcile: Keyward's own annotation, and Flux's.
fn requests(object: &ObjectMeta) -> (Option<&str>, Option<&str>) {
    let value = |key| object.annotations.as_ref().and_then(|annotations| annotations.get(key)).map(String::as_str);
    (value(annotation::RECONCILE_REQUESTED_AT), value(annotation::FLUX_REQUESTED_AT))
}

/// The text with which a person asked for this reconcile, or for the last one. If Flux asked too, the later of the two counts. If a text is not a time, the new one
/// counts: the one that is neither in `handled`, which was answered last, nor known from an answer before.
fn requested<'a>(object: &'a ObjectMeta, handled: Option<&str>, known: &Requests) -> Option<&'a str> {
    let (Some(own), Some(flux)) = requests(object) else {
        let (own, flux) = requests(object);
        return own.or(flux);
    };
    let time = |text: &str| text.parse().ok().or_else(|| jiff::Timestamp::from_second(text.parse().ok()?).ok());
    let is_handled = |text: &str| handled == Some(&*status::handled(text));
    Some(match time(own).zip(time(flux)) {
        Some((at, flux_at)) if flux_at > at => flux,
        None if is_handled(own) && !known.is_flux_answered(flux) => flux,
        None if is_handled(flux) && !known.is_own_new(own) => flux,
        Some(_) | None => own,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_request_counts() {
        let (early, late) = ("2026-11-20T10:00:00.123456789Z", "2026-11-20T11:00:00+00:00");
        let object = |own: Option<&str>, flux: Option<&str>| {
            let annotation = |key: &str, value: Option<&str>| value.map(|value| (key.to_owned(), value.to_owned()));
            let annotations = [annotation(annotation::RECONCILE_REQUESTED_AT, own), annotation(annotation::FLUX_REQUESTED_AT, flux)];
            ObjectMeta { annotations: Some(annotations.into_iter().flatten().collect()), ..ObjectMeta::default() }
        };
        for (own, flux, expected) in [
            (None, None, None),
            (Some(early), None, Some(early)),
            (None, Some("now"), Some("now")),
            (Some(early), Some(late), Some(late)),
            (Some(late), Some(early), Some(late)),
            (Some("1795168800"), Some(late), Some(late)),
            (Some("1795176000"), Some(late), Some("1795176000")),
            (Some("now"), Some(late), Some("now")),
        ] {
            assert_eq!(requested(&object(own, flux), None, &Requests::default()), expected, "{own:?} {flux:?}");
        }
        // Each request is answered, and none twice.
        let (mut known, mut handled) = (Requests::default(), None);
        for (own, flux, expected) in [
            (Some("x"), None, "x"),
            (Some("x"), Some(early), early),
            (Some("x"), Some(early), early),
            (Some("y"), Some(early), "y"),
            (Some("y"), Some(early), "y"),
            (Some("y"), Some(late), late),
            (Some("y"), Some(late), late),
            (None, Some(late), late),
            (Some("z"), Some(late), "z"),
            (Some("z"), Some(late), "z"),
        ] {
            let object = object(own, flux);
            let asked = requested(&object, handled, &known).unwrap();
            assert_eq!(asked, expected, "{own:?} {flux:?}");
            handled = Some(expected);
            known.answer(own, flux, Some(asked) == flux);
        }
        // Two requests at once are answered one after the other. After a restart no old request counts as new.
        let both = object(Some("x"), Some(late));
        let mut known = Requests::default();
        assert_eq!(requested(&both, Some("before"), &known), Some("x"));
        known.answer(Some("x"), Some(late), false);
        assert_eq!(requested(&both, Some("x"), &known), Some(late));
        assert_eq!(requested(&both, Some(late), &Requests::default()), Some(late));
    }
}
