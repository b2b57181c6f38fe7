//! The primary key of a replica: who leads to it, and the calls that go to the KMS of its Region.
//!
//! AWS takes `ReplicateKey` and `UpdatePrimaryRegion` in the Region of the primary key. So they go through the provider of that Region, which the object of the
//! primary key names, or `spec.replicaOf.providerRef`. The provider has to admit the namespace, as for any other call.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;

use super::{
    object,
    provider::{self, Provider, Resolved},
};
use crate::{
    api::{
        ManagedKey, Reason,
        managed_key::ManagementPolicy,
        replica_of::{LONGEST_ARN, MOST_REGIONS, WaitsFor},
    },
    controller::{Context, error::Ending, lane::Lane},
    domain::{
        desired::{Desired, Life},
        failure::{Failure, FailureKind},
        grant::target::Target,
        memory::{self, Location},
        observed::{Facet, Facets, Key, MultiRegion, Observed, State},
        ownership::Ownership,
        primary::{self, Barred, Primary, SeenPrimary},
        replica::{self, PrimaryRef, same_set},
    },
    kms::{Kms, Reading, Replication},
    text,
};

/// The primary key, and the provider of its Region.
#[derive(Debug)]
pub(super) struct ReadPrimary {
    /// What was learned of it.
    pub(super) primary: Primary,
    /// The provider through which it was read.
    provider: Option<Box<Provider>>,
}

/// What a read leads to, or why there is none.
type Read = Result<(Key, Box<Provider>), Barred>;

impl ReadPrimary {
    fn of(read: Read) -> Self {
        match read {
            Ok((key, provider)) => {
                let seen = SeenPrimary { key, rules: provider.rules.clone() };
                Self { primary: Primary::Seen(Box::new(seen)), provider: Some(provider) }
            }
            Err(barred) => Self { primary: Primary::Barred(barred), provider: None },
        }
    }

    /// The key as it was read, and its provider.
    pub(super) fn seen(&self) -> Option<(&Key, &Provider)> {
        match (&self.primary, &self.provider) {
            (Primary::Seen(seen), Some(provider)) => Some((&seen.key, provider)),
            _ => None,
        }
    }
}

impl Provider {
    /// Makes a replica of one of its keys.
    pub(super) async fn replicate(&self, context: &Context, replication: &Replication) -> Result<Key, Failure> {
        self.connected.kms.replicate(replication).await.map_err(|failure| self.of_another_region(context, failure))
    }

    /// Makes the replica in that Region the primary key in place of its own.
    pub(super) async fn move_primary(&self, context: &Context, primary: &str, region: &str) -> Result<(), Failure> {
        self.connected.kms.move_primary(primary, region).await.map_err(|failure| self.of_another_region(context, failure))
    }

    /// A failure of this provider's KMS, for a round of another provider. That this KMS does not answer says nothing about the other one.
    fn of_another_region(&self, context: &Context, failure: Failure) -> Failure {
        self.failed(context, &failure);
        let kind = if failure.kind == FailureKind::Unavailable { FailureKind::Faulted } else { failure.kind };
        Failure { kind, ..failure }
    }
}

/// Reads the primary key of the replica that an object has, which is `key`, so that it can be moved.
pub(super) async fn of_replica(context: &Context, metadata: &ObjectMeta, desired: &Desired, key: &Key) -> Result<ReadPrimary, Ending> {
    let Some(MultiRegion::Replica(from)) = &key.multi_region else { return Err(Ending::Changed) };
    if let Some(barred) = older_rival(context, metadata, desired, key) {
        return Ok(ReadPrimary::of(Err(barred)));
    }
    let read = match reach(context, desired, from).await? {
        // The reads of the two Regions are not of the same moment.
        Ok((primary, _)) if matches!(primary.multi_region, Some(MultiRegion::Replica(_))) => Err(Barred::for_now(format!(
            "key {from} is not the primary key any more, which this key does not show yet; Keyward reads them again"
        ))),
        read => read,
    };
    Ok(ReadPrimary::of(read))
}

/// Reads the primary key of the replica that an object declares.
pub(super) async fn declared(context: &Context, desired: &Desired) -> Result<ReadPrimary, Ending> {
    let read = match &desired.replica {
        None | Some(PrimaryRef::Unreadable) => return Err(Ending::Changed),
        Some(PrimaryRef::Object(name)) => of_object(context, desired, name, None).await?,
        Some(PrimaryRef::Key { arn, provider }) => through(context, desired, provider, arn).await?,
    };
    let (key, provider) = match read {
        Ok(read) => read,
        Err(barred) => return Ok(ReadPrimary::of(Err(barred))),
    };
    // The primary key may be in another Region by now. If the object may not use the named key, the key
    // is not followed to its primary Region.
    let read = match &key.multi_region {
        Some(MultiRegion::Replica(primary)) if primary::not_to_replicate(&desired.owner, &key, &provider.rules).is_none() => {
            reach(context, desired, primary).await?
        }
        _ => Ok((key, provider)),
    };
    Ok(ReadPrimary::of(read))
}

/// Reads a key by its ARN, through the object of this namespace that has it, or through the provider that the spec names.
async fn reach(context: &Context, desired: &Desired, arn: &str) -> Result<Read, Ending> {
    let has_it = |object: &ManagedKey| {
        object.metadata.namespace.as_deref() == Some(&desired.owner.namespace) && target(object, desired).key.as_deref() == Some(arn)
    };
    let holder = context.keys().state().into_iter().find(|object| object.decoded().is_ok_and(has_it));
    if let Some(name) = holder.and_then(|object| object.meta_name()) {
        return of_object(context, desired, &name, Some(arn)).await;
    }
    if let Some(PrimaryRef::Key { arn: named, provider }) = &desired.replica
        && memory::location(named) == memory::location(arn)
    {
        return through(context, desired, provider, arn).await;
    }
    let message = format!(
        "the primary key is {arn}, which no ManagedKey of namespace {} has, so Keyward knows no provider through which it may be used; let a ManagedKey of this \
         namespace manage it",
        desired.owner.namespace
    );
    Ok(Err(Barred::stalled(Reason::NotAPrimary, message)))
}

fn target(object: &ManagedKey, desired: &Desired) -> Target {
    Target::of(object, &desired.owner.cluster)
}

/// Reads the key of an object of this namespace. `arn`: the key that it has to have.
async fn of_object(context: &Context, desired: &Desired, name: &str, arn: Option<&str>) -> Result<Read, Ending> {
    let namespace = &desired.owner.namespace;
    let told = text::name(name);
    let wait = |why: &str| Ok(Err(Barred::for_now(format!("ManagedKey {told} {why}"))));
    if *name == desired.owner.name {
        let message = "spec.replicaOf names this object itself; make a new object that names another one";
        return Ok(Err(Barred::stalled(Reason::InvalidSpec, message)));
    }
    let read = object::read_live(context, namespace, name).await.map_err(Ending::Error)?;
    let Some(read) = read else {
        return wait(
            "does not exist in this namespace, and Keyward waits for it; create it, or make a new object with the right replicaOf",
        );
    };
    let Ok(object) = read.decoded() else { return wait("cannot be read by this version of Keyward") };
    let target = target(object, desired);
    if target.paused {
        return wait("has the annotation keyward.dev/paused, which stops all work on its key; remove it to go on");
    }
    if target.policy == ManagementPolicy::Observe {
        let message =
            format!("ManagedKey {told} has managementPolicy Observe, so no call that changes its key is made; set another policy there");
        return Ok(Err(Barred::stalled(Reason::NotAPrimary, message)));
    }
    if target.going {
        return wait("is being deleted, so its key is left as it is");
    }
    let Some(key) = target.key.as_deref().filter(|key| arn.is_none_or(|arn| *key == arn)) else {
        return wait("has no key yet, and Keyward waits for it; the conditions of that object say why");
    };
    let read = through(context, desired, &target.provider, key).await?;
    Ok(match read {
        // The status is a view. The marks say whose key it is.
        Ok((found, _)) if !found.tags.as_ref().is_some_and(|tags| Ownership::of(tags, &target.owner) == Ownership::Ours) => {
            Err(Barred::for_now(format!("key {key} does not have the marks of ManagedKey {told}; the conditions of that object say why")))
        }
        read => read,
    })
}

/// Reads a key through a provider, with its tags and its policy.
async fn through(context: &Context, desired: &Desired, name: &str, arn: &str) -> Result<Read, Ending> {
    let barred = |reason, message: String, stalled| Ok(Err(Barred { reason, message, stalled }));
    let provider = match provider::resolve(context, name, &desired.owner.namespace).await? {
        Resolved::Usable(provider) => provider,
        Resolved::Unusable(unusable) => {
            let stalled = unusable.is_stalled() && unusable.note.reason != Reason::ProviderNotFound;
            return barred(unusable.note.reason, format!("the primary key {arn} cannot be read: {}", unusable.note.message), stalled);
        }
        Resolved::Untried => return Err(Ending::Unknown),
    };
    let rules = &provider.rules;
    let is_there =
        matches!(memory::location(arn), Some(Location::Aws { account, region }) if (account, region) == (&*rules.account, &*rules.region));
    if !is_there {
        let message = format!(
            "key {} is not in account {} and Region {}, for which KeyProvider {} is; name the provider of that key's Region",
            text::name(arn),
            rules.account,
            rules.region,
            rules.name
        );
        return barred(Reason::InvalidSpec, message, true);
    }
    let connected = Arc::clone(&provider.connected);
    let _permit = connected.breaker.permit(Lane::Ordinary).map_err(|_| Ending::Unknown)?;
    let read = connected.kms.read(arn, Facets::TAGS.with(Facet::Policy)).await;
    let failed = |failure: Failure| {
        provider.failed(context, &failure);
        let verdict = failure.kind.verdict();
        Ok(Err(Barred {
            reason: verdict.reason,
            message: format!("the primary key cannot be read: {}", failure.message),
            stalled: verdict.stalled,
        }))
    };
    let key = match read.and_then(|read| read.map(Reading::whole).transpose()) {
        Ok(Some(key)) => key,
        Ok(None) => {
            provider.answered(context);
            let message =
                format!("the primary key {arn} is not found through KeyProvider {name}; a key that is new may not be visible yet");
            return barred(Reason::KeyNotReady, message, false);
        }
        Err(failure) => return failed(failure),
    };
    provider.answered(context);
    if rules.stale(&key) {
        return barred(Reason::StaleView, stale_primary(&key), false);
    }
    Ok(Ok((key, provider)))
}

/// The replicas for which a key waits before it can be deleted. Of those that an object of this namespace has, the status of that object tells the rest.
pub(super) fn waits_for(context: &Context, desired: &Desired, observed: Option<&Observed>) -> Vec<WaitsFor> {
    let Some(Observed::Present(key)) = observed else { return Vec::new() };
    let Some(MultiRegion::Primary(replicas)) = key.multi_region.as_ref().filter(|_| key.state == State::PendingReplicaDeletion) else {
        return Vec::new();
    };
    let mut arns: Vec<&String> = replicas.iter().filter(|arn| arn.len() <= LONGEST_ARN && text::shown(arn) == **arn).collect();
    arns.sort_unstable();
    let objects = context.keys().state();
    let near = objects.iter().filter_map(|object| object.decoded().ok());
    let near: Vec<&ManagedKey> = near.filter(|object| object.metadata.namespace.as_ref() == Some(&desired.owner.namespace)).collect();
    let waits = arns.into_iter().take(MOST_REGIONS).map(|arn| {
        let holder = near.iter().find(|object| target(object, desired).key.as_ref() == Some(arn));
        let status = holder.and_then(|object| object.status.as_ref());
        WaitsFor {
            region: replica::region(arn).unwrap_or_default().to_owned(),
            key_arn: arn.clone(),
            object: holder.and_then(|object| object.metadata.name.clone()),
            key_state: status.and_then(|status| status.key_state).map(|state| state.as_str().to_owned()),
            deletion_date: status.and_then(|status| status.deletion_date.clone()),
        }
    });
    waits.collect()
}

fn stale_primary(key: &Key) -> String {
    format!("the copy of the primary key {} is too old for a change to rest on it; Keyward reads it again", key.arn)
}

/// An older object that declares its key of the same set as the primary key.
fn older_rival(context: &Context, metadata: &ObjectMeta, desired: &Desired, key: &Key) -> Option<Barred> {
    let age = |metadata: &ObjectMeta| (metadata.creation_timestamp.clone().map(|time| time.0), metadata.uid.clone());
    let is_rival = |object: &ManagedKey| {
        object.spec.primary == Some(true)
            && object.metadata.uid != metadata.uid
            && object.metadata.deletion_timestamp.is_none()
            && object.spec.management_policy != ManagementPolicy::Observe
            && Desired::of(object, &desired.owner.cluster).is_ok_and(|desired| desired.life == Life::Live)
            && target(object, desired).key.is_some_and(|other| same_set(&other, &key.arn))
            && age(&object.metadata) < age(metadata)
    };
    let older = context.keys().state().into_iter().find(|object| object.decoded().is_ok_and(is_rival))?;
    let is_near = older.meta().namespace.as_ref() == Some(&desired.owner.namespace);
    let who = match older.meta_name().filter(|_| is_near) {
        Some(name) => format!("the older ManagedKey {name}"),
        None => "an older ManagedKey of another namespace".to_owned(),
    };
    let message =
        format!("{who} declares spec.primary for the same multi-Region key, and gets it; remove spec.primary from one of the two");
    Some(Barred::stalled(Reason::NotAPrimary, message))
}
