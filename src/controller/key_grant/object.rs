//! The object of a round. It is read live before the first change, and every write has the version that was read as its precondition.

use kube::{
    Api, Resource,
    api::{ObjectMeta, Patch, PatchParams},
};
use serde_json::json;

use super::shared::Shared;
use crate::{
    api::{
        FIELD_MANAGER, GRANT_FINALIZER, KeyGrant, KeyGrantSpec, KeyGrantStatus, Reason, annotation, condition,
        key_grant::{FormerGrant, GrantProvider, MOST_FORMER},
    },
    controller::{
        error::{Ending, Error, api},
        managed_key, room,
        watched::{MOST_FINALIZERS, Watched},
    },
    domain::{
        event::Event,
        grant::{Names, Terms, status::handled, target::Target},
        plan::Note,
    },
};

/// An object, as it stands for this round.
#[derive(Debug)]
pub(super) struct Object<'a> {
    pub(super) shared: &'a Shared,
    pub(super) metadata: ObjectMeta,
    pub(super) spec: KeyGrantSpec,
    pub(super) terms: Terms,
    pub(super) names: Names,
    /// The status. During a round it is ahead of the API server.
    pub(super) status: KeyGrantStatus,
    /// The status as the API server has it, without the conditions of others.
    pub(super) stored: KeyGrantStatus,
    others: usize,
    /// Events of what was done.
    pub(super) events: Vec<Event>,
    /// Whether it, and its `ManagedKey`, were read live.
    live: bool,
}

impl<'a> Object<'a> {
    /// Takes an object as it was read.
    pub(super) fn new(shared: &'a Shared, grant: &KeyGrant) -> Self {
        let mut status = grant.status.clone().unwrap_or_default();
        let others = room::others(status.conditions.iter());
        status.conditions.retain(|known| condition::is_ours(&known.type_));
        let terms = Terms::of(&grant.spec);
        let uid = grant.metadata.uid.clone().unwrap_or_default();
        Self {
            shared,
            metadata: grant.metadata.clone(),
            spec: grant.spec.clone(),
            names: Names::of(&shared.context.settings.cluster_id, &uid, &terms),
            terms,
            stored: status.clone(),
            status,
            others,
            events: Vec::new(),
            live: false,
        }
    }

    pub(super) fn uid(&self) -> &str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }

    pub(super) fn namespace(&self) -> &str {
        self.metadata.namespace.as_deref().unwrap_or_default()
    }

    pub(super) fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    pub(super) fn generation(&self) -> i64 {
        self.metadata.generation.unwrap_or_default()
    }

    fn annotation(&self, key: &str) -> Option<&str> {
        self.metadata.annotations.as_ref()?.get(key).map(String::as_str)
    }

    pub(super) fn is_paused(&self) -> bool {
        self.annotation(annotation::PAUSED) == Some("true")
    }

    /// The text with which a person asked for this round, or for the last one. Of two, the one that was not answered counts.
    pub(super) fn requested(&self) -> Option<&str> {
        let texts = [annotation::RECONCILE_REQUESTED_AT, annotation::FLUX_REQUESTED_AT].map(|key| self.annotation(key));
        let answered = |text: &&str| self.stored.last_handled_reconcile_at.as_deref() == Some(&*handled(text));
        texts.into_iter().flatten().find(|text| !answered(text)).or(texts[0]).or(texts[1])
    }

    pub(super) fn has_finalizer(&self) -> bool {
        self.metadata.finalizers.iter().flatten().any(|name| name == GRANT_FINALIZER)
    }

    /// The `ManagedKey`, as the watch has it.
    pub(super) fn target(&self) -> Option<Target> {
        self.shared.target(self.namespace(), &self.spec.key_ref.name)
    }

    fn api(&self) -> Api<Watched<KeyGrant>> {
        Api::namespaced(self.shared.context.client.clone(), self.namespace())
    }

    /// Reads the object and its `ManagedKey` live, once in a round, before anything is changed. The round ends if either is not as the round
    /// took it: nothing is done that was decided on an old view.
    pub(super) async fn confirm(&mut self, target: Option<&Target>) -> Result<(), Ending> {
        if self.live {
            return Ok(());
        }
        let read = self.api().get(self.name()).await.map_err(api("a live read of the object"))?;
        let Ok(object) = read.into_decoded() else { return Err(Ending::Changed) };
        let fresh = Self::new(self.shared, &object);
        let same = fresh.metadata.uid == self.metadata.uid
            && fresh.metadata.deletion_timestamp == self.metadata.deletion_timestamp
            && fresh.has_finalizer() == self.has_finalizer()
            && fresh.spec == self.spec
            && fresh.stored == self.stored
            && fresh.is_paused() == self.is_paused();
        if !same {
            return Err(Ending::Changed);
        }
        let context = &self.shared.context;
        let key = managed_key::read_live(context, self.namespace(), &self.spec.key_ref.name).await.map_err(Ending::Error)?;
        let key = key.as_ref().and_then(|key| key.decoded().ok()).map(|key| Target::of(key, &context.settings.cluster_id));
        // The state is not compared: it changes without anybody editing the object, and it decides nothing.
        let decides = |target: Option<&Target>| target.map(|target| Target { state: None, ..target.clone() });
        if decides(key.as_ref()) != decides(target) {
            return Err(Ending::Changed);
        }
        self.metadata = fresh.metadata;
        self.others = fresh.others;
        self.live = true;
        Ok(())
    }

    /// The same before each further call: what came before may have waited long for its turn.
    pub(super) async fn confirm_anew(&mut self, target: Option<&Target>) -> Result<(), Ending> {
        self.live = false;
        self.confirm(target).await
    }

    fn may_write(&self) -> Result<(), Ending> {
        if self.shared.context.held.is_held() { Ok(()) } else { Err(Ending::Error(Error::NotLeader)) }
    }

    /// Records where the grant is going to be, after the finalizer: from then on the object does not go before the grant is revoked. A key
    /// that had a grant before is kept in `former`.
    pub(super) async fn record(&mut self, target: &Target, key: &str, provider: &GrantProvider) -> Result<(), Ending> {
        let is_on_record = self.status.key_arn.as_deref() == Some(key) && self.status.provider.as_ref() == Some(provider);
        if is_on_record && self.has_finalizer() {
            return Ok(());
        }
        self.confirm(Some(target)).await?;
        if !self.has_finalizer() {
            self.write_finalizer(true).await?;
        }
        if is_on_record {
            return Ok(());
        }
        let status = &mut self.status;
        let moves = status.key_arn.as_deref().is_some_and(|known| known != key);
        if let Some((key_arn, provider)) = status.key_arn.take().zip(status.provider.take()).filter(|_| moves) {
            status.former.push(FormerGrant { key_arn, provider, missing: status.missing.take() });
            (status.grant_id, status.applied_name) = (None, None);
        }
        status.former.retain(|former| former.key_arn != key);
        if status.former.len() > MOST_FORMER {
            let message = format!(
                "earlier grants of this object on {MOST_FORMER} other keys are not revoked yet, so no further key is begun; \
                 see KeyProvider {}",
                provider.name
            );
            self.status = self.stored.clone();
            return Err(Ending::Refused { note: Note { reason: Reason::KeyNotReady, message }, stalled: true });
        }
        (status.key_arn, status.provider, status.missing) = (Some(key.to_owned()), Some(provider.clone()), None);
        self.write_status().await
    }

    /// Adds the finalizer, or removes it so that the object can go.
    pub(super) async fn write_finalizer(&mut self, wanted: bool) -> Result<(), Ending> {
        self.may_write()?;
        let mut finalizers = self.metadata.finalizers.clone().unwrap_or_default();
        if finalizers.len() >= MOST_FINALIZERS {
            finalizers = self.all_finalizers().await?;
        }
        finalizers.retain(|name| name != GRANT_FINALIZER);
        finalizers.extend(wanted.then(|| GRANT_FINALIZER.to_owned()));
        let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
        let patch = Patch::Merge(json!({ "metadata": { "resourceVersion": self.metadata.resource_version, "finalizers": finalizers } }));
        let written = self.api().patch(self.name(), &parameters, &patch).await.map_err(api("the finalizer"))?;
        self.metadata = written.meta().clone();
        Ok(())
    }

    /// The finalizers of an object that may have more of them than were kept of it.
    async fn all_finalizers(&self) -> Result<Vec<String>, Ending> {
        let objects = Api::<KeyGrant>::namespaced(self.shared.context.client.clone(), self.namespace());
        let read = objects.get(self.name()).await.map_err(api("a live read of the finalizers"))?;
        let is_same = read.metadata.resource_version == self.metadata.resource_version;
        read.metadata.finalizers.filter(|_| is_same).ok_or(Ending::Changed)
    }

    /// Writes the status, if it differs from what the API server has.
    pub(super) async fn write_status(&mut self) -> Result<(), Ending> {
        if self.status == self.stored {
            return Ok(());
        }
        self.may_write()?;
        if self.others > room::OTHERS {
            let cleared = room::make::<KeyGrant>(self.shared.context.client.clone(), &self.metadata).await;
            self.metadata.resource_version = cleared.map_err(api("the removal of conditions that leave no room"))?;
            self.others = room::OTHERS;
        }
        let patch = json!({
            "apiVersion": KeyGrant::api_version(&()), "kind": KeyGrant::kind(&()),
            "metadata": { "name": self.name(), "namespace": self.namespace(), "resourceVersion": self.metadata.resource_version },
            "status": self.status,
        });
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        let written = self.api().patch_status(self.name(), &parameters, &Patch::Apply(&patch)).await.map_err(api("the status"))?;
        self.metadata.resource_version.clone_from(&written.meta().resource_version);
        self.stored = self.status.clone();
        Ok(())
    }
}
