//! The look: finds the object's key and reads the parts that are asked for. Nothing here changes a key.

use kube::{Api, ResourceExt, api::ListParams};

use super::object::Object;
use crate::{
    api::ManagedKey,
    controller::{
        Context,
        error::{Ending, Error},
        watched::Watched,
    },
    domain::{
        failure::Failure,
        limits::Limits,
        observed::{Facet, Key, Observed, Searched},
        ownership,
    },
    kms::{AnyKms, Kms},
};

/// The first look: the state of the key and, by `turn`, one of rotation, tags and aliases. At most two reads. If the second fails, its failure is returned
/// beside the result of the first.
pub(super) async fn quick_read(
    kms: &AnyKms,
    object: &Object<'_>,
    limits: &Limits,
    turn: Option<usize>,
) -> Result<(Observed, Option<Failure>), Failure> {
    // If the object's own creation may have made a key, that key is looked for first.
    let adopts = object.desired.adopt.as_deref().filter(|_| object.memory.open_attempt().is_none());
    let named = object.memory.reference().or(adopts);
    let reference = named.map_or_else(|| object.desired.owner.claim_alias(), str::to_owned);
    let Some(mut key) = kms.describe(&reference).await? else {
        return Ok((Observed::Absent(Searched::Reference), None));
    };
    let rotates = limits.rotates(&key.kind.spec, &key.kind.origin) && !key.state.is_pending();
    let failure = match turn.map(|turn| turn % 3) {
        None => None,
        _ if key.tags.is_some() && key.aliases.is_some() && (key.rotation.is_some() || !rotates) => None,
        Some(1) if rotates => rotation(kms, &mut key).await,
        Some(2) if !key.state.is_pending() => aliases(kms, &mut key).await,
        _ => match kms.tags(&key.arn).await {
            Ok(tags) => {
                key.tags = Some(tags);
                None
            }
            Err(failure) => Some(failure),
        },
    };
    Ok((Observed::Present(Box::new(key)), failure))
}

/// Reads the rotation. Steps on the life of a key do not need it.
async fn rotation(kms: &AnyKms, key: &mut Key) -> Option<Failure> {
    match kms.rotation(&key.arn).await {
        Ok(rotation) => {
            key.rotation = Some(rotation);
            None
        }
        Err(failure) => {
            key.unread.insert(Facet::Rotation);
            Some(failure)
        }
    }
}

/// Reads the aliases. Steps on the life of a key do not need them.
async fn aliases(kms: &AnyKms, key: &mut Key) -> Option<Failure> {
    match kms.aliases(&key.arn).await {
        Ok(aliases) => {
            key.aliases = Some(aliases);
            None
        }
        Err(failure) => {
            key.unread.insert(Facet::Aliases);
            Some(failure)
        }
    }
}

/// Reads the parts that a look has not read yet. Returns the failures of reads that the life of the key does not need.
///
/// # Errors
/// The marks could not be read, or a failure is not understood. Nothing may follow then.
pub(super) async fn complete(kms: &AnyKms, key: &mut Key, limits: &Limits) -> Result<Vec<Failure>, Failure> {
    if key.tags.is_none() {
        key.tags = Some(kms.tags(&key.arn).await?);
    }
    let mut unread = Vec::new();
    if key.state.is_pending() {
        return Ok(unread);
    }
    let wanted = |known: bool, facet, key: &Key| !known && !key.unread.contains(&facet);
    if wanted(key.rotation.is_some(), Facet::Rotation, key) && limits.rotates(&key.kind.spec, &key.kind.origin) {
        unread.extend(rotation(kms, key).await);
    }
    if wanted(key.aliases.is_some(), Facet::Aliases, key) {
        unread.extend(aliases(kms, key).await);
    }
    match unread.iter().position(|failure| failure.kind.ends_round()) {
        Some(at) => Err(unread.swap_remove(at)),
        None => Ok(unread),
    }
}

/// Looks for a key by the marks of every key of the account and Region.
pub(super) async fn everywhere(kms: &AnyKms, object: &Object<'_>) -> Result<Observed, Failure> {
    let mut found = kms.find_marked(&object.desired.owner).await?;
    match (found.pop(), found.is_empty()) {
        (None, _) => Ok(Observed::Absent(Searched::Everywhere)),
        (Some(key), true) => {
            Ok(kms.describe(&key).await?.map_or(Observed::Absent(Searched::Everywhere), |key| Observed::Present(Box::new(key))))
        }
        (Some(last), false) => {
            found.push(last);
            Ok(Observed::Several(found))
        }
    }
}

/// Whether the object that an owner mark names exists, read live.
pub(super) async fn exists(context: &Context, mark: &str) -> Result<bool, Ending> {
    let failed = |error| Ending::Error(Error::Api("a live read of the key's other owner", Box::new(error)));
    if let Some((namespace, name)) = mark.split_once('.') {
        let read = Api::<Watched<ManagedKey>>::namespaced(context.client.clone(), namespace).get_opt(name).await;
        return read.map(|object| object.is_some()).map_err(failed);
    }
    // A digest names an object only to those who know its name, so it is compared with every object.
    if !ownership::is_digest(mark) {
        // Keyward did not write such a mark. Whoever did may still own the key.
        return Ok(true);
    }
    let objects = Api::<ManagedKey>::all(context.client.clone());
    let mut page = ListParams::default().limit(500);
    loop {
        let list = objects.list_metadata(&page).await.map_err(failed)?;
        if list.items.iter().any(|object| ownership::names(mark, &object.namespace().unwrap_or_default(), &object.name_any())) {
            return Ok(true);
        }
        match list.metadata.continue_.filter(|next| !next.is_empty()) {
            Some(next) => page = page.continue_token(&next),
            None => return Ok(false),
        }
    }
}
