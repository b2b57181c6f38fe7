//! The look: finds the object's key and reads of it what is asked for. Nothing here changes anything.

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

/// A first look: the key's state, and one more of rotation, tags and aliases in turn, or none if it is nobody's turn. Two reads at most. What the second failed
/// with stands beside what the first saw.
pub(super) async fn quick_read(
    kms: &AnyKms,
    object: &Object<'_>,
    limits: &Limits,
    turn: Option<usize>,
) -> Result<(Observed, Option<Failure>), Failure> {
    // An object whose own creation may have made a key looks for that one first.
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

/// Reads rotation, which the life of a key does not need.
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

/// Reads aliases, which the life of a key does not need.
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

/// Reads what a look has not read yet; gives what could not be read and is not needed.
///
/// # Errors
/// The marks could not be read, or what went wrong is not known: nothing may follow then.
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
    // A digest, which names an object without saying which: all of them are asked.
    if !ownership::is_digest(mark) {
        // A mark that is neither was not written by Keyward; whoever did may still own the key.
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
