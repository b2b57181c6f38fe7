//! Publishes the key: keeps the `ConfigMap` or Secret of `spec.publishTo`, and removes one that is not declared any more.
//!
//! An object is created only where there is none, by a request that fails if there is one. It is changed or removed only in the version in which it was read
//! as this object's. What is published comes from a read of the key, and from a key whose marks were read. The contents of Secrets are logged nowhere.

use base64::{Engine, prelude::BASE64_STANDARD};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{
    Api, Resource, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions},
    core::Status,
};
use serde_json::{Value, json};

use super::round::Round;
use crate::{
    api::{
        FIELD_MANAGER, ManagedKey, ManagedKeyStatus,
        managed_key::ManagementPolicy,
        publish_to::{MOST_ATTEMPTS, PublishKind, PublishedTo},
    },
    controller::error::{Ending, Error},
    domain::{
        observed::Key,
        ownership::{Owner, Ownership},
        plan::Read,
        publish::{self, Controller, Declared, Facts, Found, Publication, Trouble, Values, Verdict},
    },
    telemetry::causes,
};

/// How often a write is begun anew because somebody else wrote the same object.
const TRIES: usize = 3;

/// What came of it.
enum Outcome {
    /// The object says what it should.
    There,
    /// Nothing was written, because the key is not known to be this object's. What is published stays.
    Unknown,
    /// Nothing was written, and a person is told why.
    Left(Trouble),
}

impl Round<'_> {
    /// Publishes the key, and removes what was published elsewhere: the new object is there before the old one goes. `rests`: the plan rests on the key.
    ///
    /// # Errors
    /// The round cannot go on. What the KMS, or the API server about the published object, refuses is no error: the status tells it.
    pub(super) async fn publish(&mut self, rests: bool) -> Result<(), Ending> {
        let declared = self.object.desired.publish.clone();
        let status = &self.object.memory.status;
        let keep = match declared {
            Declared::Nothing if status.published_to.is_none() && status.publish_attempts.is_empty() => return Ok(()),
            Declared::Unreadable => return Ok(()),
            Declared::Nothing => None,
            Declared::To(publication) => match self.published(&publication, rests).await? {
                Outcome::There => Some(publication.target),
                Outcome::Unknown => return Ok(()),
                Outcome::Left(trouble) => {
                    let status = &mut self.object.memory.status;
                    if trouble.is_of_another() && status.published_to.as_ref() == Some(&publication.target) {
                        status.published_to = None;
                    }
                    self.unpublished = Some(trouble);
                    return Ok(());
                }
            },
        };
        self.withdraw(keep).await
    }

    async fn published(&mut self, publication: &Publication, rests: bool) -> Result<Outcome, Ending> {
        let (target, owner) = (&publication.target, self.object.desired.owner.clone());
        if owner.namespace == self.context.settings.namespace {
            return Ok(Outcome::Left(publish::own_namespace(&owner.namespace)));
        }
        for _ in 0..TRIES {
            let stored = match self.objects(target.kind).get_opt(&target.name).await {
                Ok(stored) => stored,
                Err(error) => return Ok(failed(error, target, &owner.namespace, publish::READ)),
            };
            let found = stored.as_ref().map(|stored| found(target.kind, stored));
            match self.key() {
                // Its marks were read, and it is not this object's.
                Some(key) if key.tags.is_some() && !is_own(key, self, rests) => return Ok(Outcome::Unknown),
                Some(key) if found.as_ref().is_some_and(|found| publication.stands(&facts(key, self), found, &owner)) => {
                    return Ok(Outcome::There);
                }
                Some(_) => self.read(Read::Facets).await?,
                None => return Ok(Outcome::Unknown),
            }
            let Some(key) = self.key().filter(|key| is_own(key, self, rests)) else { return Ok(Outcome::Unknown) };
            let facts = facts(key, self);
            let values = publication.values_for(&facts, found.as_ref(), &owner);
            let written = match publication.verdict(&values, found.as_ref(), &owner) {
                Verdict::Stands => return Ok(Outcome::There),
                Verdict::Left(trouble) => return Ok(Outcome::Left(trouble)),
                Verdict::Create => {
                    if let Some(trouble) = self.record(target).await? {
                        return Ok(Outcome::Left(trouble));
                    }
                    self.create(target, &values).await.map_err(|error| (error, "create"))
                }
                Verdict::Change(change) => {
                    self.is_asked().await?;
                    let version = stored.as_ref().and_then(ResourceExt::resource_version);
                    let change =
                        change.into_iter().map(|(name, value)| (name, value.map_or(Value::Null, |value| sent(target.kind, &value))));
                    let mut patch =
                        json!({ "metadata": { "resourceVersion": version }, "data": change.collect::<serde_json::Map<_, _>>() });
                    if let Some(all) = patch.as_object_mut().filter(|_| target.kind == PublishKind::ConfigMap) {
                        all.insert("binaryData".to_owned(), Value::Null);
                    }
                    let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
                    let patched = self.objects(target.kind).patch(&target.name, &parameters, &Patch::Merge(patch)).await;
                    patched.map(drop).map_err(|error| (error, "change"))
                }
            };
            match written {
                Ok(()) => {
                    tracing::info!(key = self.key().map(|key| key.arn.as_str()), to = %target, "published the key");
                    return Ok(Outcome::There);
                }
                // Somebody else wrote it meanwhile, so it is read again.
                Err((error, _)) if is_raced(&error) => {}
                Err((error, what)) => return Ok(failed(error, target, &owner.namespace, what)),
            }
        }
        Ok(Outcome::Left(publish::unanswered(target, "keep")))
    }

    /// Creates the object, if there is none of its name. It belongs to this object, so Kubernetes removes it with this one.
    async fn create(&self, target: &PublishedTo, values: &Values) -> kube::Result<()> {
        let Owner { namespace, name, uid, .. } = &self.object.desired.owner;
        let resource = resource(target.kind);
        let data: serde_json::Map<_, _> = values.iter().map(|(name, value)| (name.clone(), sent(target.kind, value))).collect();
        let mut object = json!({
            "apiVersion": resource.api_version, "kind": resource.kind,
            "metadata": {
                "name": target.name, "namespace": namespace,
                "labels": { "app.kubernetes.io/managed-by": FIELD_MANAGER },
                "ownerReferences": [{
                    "apiVersion": ManagedKey::api_version(&()), "kind": ManagedKey::kind(&()), "name": name, "uid": uid, "controller": true,
                }],
            },
            "data": data,
        });
        if let Some(all) = object.as_object_mut().filter(|_| target.kind == PublishKind::Secret) {
            all.insert("type".to_owned(), "Opaque".into());
        }
        let object = serde_json::from_value(object).map_err(kube::Error::SerdeError)?;
        let parameters = PostParams { field_manager: Some(FIELD_MANAGER.into()), ..PostParams::default() };
        self.objects(target.kind).create(&parameters, &object).await.map(drop)
    }

    /// Records an object before it is created, so that it is found again if the process ends here and the spec then changes.
    async fn record(&mut self, target: &PublishedTo) -> Result<Option<Trouble>, Ending> {
        self.is_asked().await?;
        let status = &mut self.object.memory.status;
        if status.published_to.as_ref() == Some(target) || status.publish_attempts.contains(target) {
            return Ok(None);
        }
        if !has_room(status) {
            // Those that were never created, or are gone, make room.
            let keep = status.published_to.clone();
            self.withdraw(keep).await?;
        }
        let status = &mut self.object.memory.status;
        if !has_room(status) {
            return Ok(Some(publish::no_room(target)));
        }
        status.publish_attempts.push(target.clone());
        self.object.write_status().await?;
        Ok(None)
    }

    /// Removes every object on record but `keep`, if it belongs to this object.
    async fn withdraw(&mut self, keep: Option<PublishedTo>) -> Result<(), Ending> {
        let status = &self.object.memory.status;
        let mut old: Vec<PublishedTo> = status.published_to.iter().chain(&status.publish_attempts).cloned().collect();
        old.retain(|target| Some(target) != keep.as_ref());
        old.sort();
        old.dedup();
        let mut left = Vec::new();
        for target in old.into_iter().filter(|target| publish::is_name(&target.name)) {
            if let Some(trouble) = self.remove(&target).await? {
                self.unpublished.get_or_insert(trouble);
                left.push(target);
            }
        }
        let status = &mut self.object.memory.status;
        status.published_to = keep;
        status.publish_attempts = left;
        Ok(())
    }

    async fn remove(&mut self, target: &PublishedTo) -> Result<Option<Trouble>, Ending> {
        let (owner, objects) = (self.object.desired.owner.clone(), self.objects(target.kind));
        let trouble = |error, what| match failed(error, target, &owner.namespace, what) {
            Outcome::Left(trouble) => Some(trouble),
            Outcome::There | Outcome::Unknown => None,
        };
        for _ in 0..TRIES {
            let stored = match objects.get_opt(&target.name).await {
                Ok(Some(stored)) => stored,
                Ok(None) => return Ok(None),
                Err(error) => return Ok(trouble(error, publish::READ_TO_REMOVE)),
            };
            let found = found(target.kind, &stored);
            if !found.is_of(&owner) || found.leaves {
                return Ok(None);
            }
            self.is_asked().await?;
            let preconditions = Preconditions { uid: stored.uid(), resource_version: stored.resource_version() };
            let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
            match objects.delete(&target.name, &parameters).await {
                Ok(_) => {
                    tracing::info!(to = %target, "removed where the key was published before");
                    return Ok(None);
                }
                Err(error) if is_raced(&error) => {}
                Err(error) => return Ok(trouble(error, "remove")),
            }
        }
        Ok(Some(publish::unanswered(target, "remove")))
    }

    /// A write rests on a live read of the object, as a step does.
    async fn is_asked(&mut self) -> Result<(), Ending> {
        if !self.context.held.is_held() {
            return Err(Ending::Error(Error::NotLeader));
        }
        if !self.object.live {
            return self.object.refresh().await;
        }
        if self.object.is_unchanged().await? { Ok(()) } else { Err(Ending::Changed) }
    }

    fn objects(&self, kind: PublishKind) -> Api<DynamicObject> {
        Api::namespaced_with(self.context.client.clone(), &self.object.desired.owner.namespace, &resource(kind))
    }
}

/// Whether the status can name one more object, also if none of those that it names can be removed.
fn has_room(status: &ManagedKeyStatus) -> bool {
    status.publish_attempts.len() + usize::from(status.published_to.is_some()) < MOST_ATTEMPTS
}

/// Whether the key is this object's, by its marks. A key that is only observed has none: it is the one that `spec.keyId` names, whatever the status says, and
/// the plan rests on it only if the provider admits it.
fn is_own(key: &Key, round: &Round<'_>, rests: bool) -> bool {
    let desired = &round.object.desired;
    let Some(tags) = &key.tags else { return false };
    let observes =
        rests && desired.policy == ManagementPolicy::Observe && desired.adopt.as_deref().is_some_and(|named| key.is_named_by(named));
    match Ownership::of(tags, &desired.owner) {
        Ownership::Ours => true,
        Ownership::Unmarked => observes,
        _ => false,
    }
}

fn facts<'a>(key: &'a Key, round: &'a Round<'_>) -> Facts<'a> {
    let Key { id, arn, account, region, .. } = key;
    Facts { id, arn, account, region, aliases: key.aliases.as_deref(), claim: round.claim() }
}

fn resource(kind: PublishKind) -> ApiResource {
    match kind {
        PublishKind::ConfigMap => ApiResource::erase::<ConfigMap>(&()),
        PublishKind::Secret => ApiResource::erase::<Secret>(&()),
    }
}

/// A value as it is sent.
fn sent(kind: PublishKind, value: &str) -> Value {
    match kind {
        PublishKind::ConfigMap => value.into(),
        PublishKind::Secret => BASE64_STANDARD.encode(value).into(),
    }
}

fn found(kind: PublishKind, stored: &DynamicObject) -> Found {
    let references = stored.metadata.owner_references.iter().flatten();
    let controller = references.into_iter().find(|owner| owner.controller == Some(true)).map(|owner| Controller {
        api_version: owner.api_version.clone(),
        kind: owner.kind.clone(),
        name: owner.name.clone(),
        uid: owner.uid.clone(),
    });
    let text = |value: &Value| match kind {
        PublishKind::ConfigMap => value.as_str().map(str::to_owned),
        PublishKind::Secret => String::from_utf8(BASE64_STANDARD.decode(value.as_str()?).ok()?).ok(),
    };
    let part = |name: &str| stored.data.get(name).and_then(Value::as_object);
    Found {
        controller,
        leaves: stored.metadata.deletion_timestamp.is_some(),
        data: part("data").into_iter().flatten().map(|(name, value)| (name.clone(), text(value))).collect(),
        binary: part("binaryData").is_some_and(|data| !data.is_empty()),
    }
}

/// Whether somebody else wrote the object between its read and this write.
fn is_raced(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_conflict() || status.is_already_exists() || status.is_not_found())
}

/// What a request came to that the API server did not do. In a namespace that is being deleted nothing is to be done.
fn failed(error: kube::Error, target: &PublishedTo, namespace: &str, what: &'static str) -> Outcome {
    let kube::Error::Api(status) = error else {
        // The text of an error may repeat what was read.
        let error = if target.kind == PublishKind::ConfigMap { causes(&error) } else { String::new() };
        tracing::warn!(to = %target, namespace, what, error, "the API server did not do what publishes the key");
        return Outcome::Left(publish::unanswered(target, what));
    };
    let Status { code, reason, details, .. } = &*status;
    let ends = details.iter().flat_map(|details| &details.causes).any(|cause| cause.reason == "NamespaceTerminating");
    if ends {
        return Outcome::Unknown;
    }
    // An answer about a Secret may repeat what is in it.
    let message = if target.kind == PublishKind::ConfigMap { status.message.as_str() } else { "" };
    tracing::warn!(to = %target, namespace, code, reason, message, what, "the API server did not do what publishes the key");
    Outcome::Left(match code {
        403 if [publish::READ, publish::READ_TO_REMOVE].contains(&what) => publish::not_permitted(target, namespace, what),
        403 | 422 => publish::refused(target, namespace, what),
        _ => publish::unanswered(target, what),
    })
}
