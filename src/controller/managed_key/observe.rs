//! Finds the object's key and reads what is asked for. Nothing here changes anything.

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
        observed::{Facet, Facets, Key, Observed, Searched},
        ownership,
        rules::Rules,
        settings,
    },
    kms::{AnyKms, Kms, Reading},
};

/// A quick read: the key's state and one facet, which `reads` chooses, the number of reads that came before; without it the state alone. Two requests at most. If the facet
/// fails, the failure is returned together with the key.
pub(super) async fn quick_read(
    kms: &AnyKms,
    object: &Object<'_>,
    rules: &Rules,
    reads: Option<usize>,
) -> Result<(Observed, Option<Failure>), Failure> {
    // If the object's own creation may have made a key, that key is looked for first.
    let adopts = object.desired.adopt.as_deref().filter(|_| object.memory.open_attempt().is_none());
    let named = object.memory.reference().or(adopts);
    let reference = named.map_or_else(|| object.desired.owner.claim_alias(), str::to_owned);
    let Some(Reading { mut key, .. }) = kms.read(&reference, Facets::NONE).await? else {
        return Ok((Observed::Absent(Searched::Reference), None));
    };
    let declared = settings::declared_facets(&object.desired, rules);
    let facet = reads.and_then(|reads| next_facet(&key, rules.limits(), declared, reads));
    let failures = match facet {
        Some(facet) => read_facets(kms, &mut key, Facets::NONE.with(facet)).await,
        None => Vec::new(),
    };
    Ok((Observed::Present(Box::new(key)), failures.into_iter().next().map(|(_, failure)| failure)))
}

/// The facet that a quick read reads after that many reads; `None` if the key has all that matters in its state.
fn next_facet(key: &Key, limits: &Limits, declared: Facets, reads: usize) -> Option<Facet> {
    if key.is_complete(limits, declared) {
        return None;
    }
    let is_pending = key.state.is_pending();
    Some(match reads % if declared.is_empty() { 3 } else { 4 } {
        3 if !is_pending => Facet::Policy,
        1 if !is_pending && limits.rotates(&key.kind.spec, &key.kind.origin) => Facet::Rotation,
        2 if !is_pending => Facet::Aliases,
        _ => Facet::Tags,
    })
}

/// Reads those facets and notes in the key which of them failed and are not needed for its life.
async fn read_facets(kms: &AnyKms, key: &mut Key, facets: Facets) -> Vec<(Facet, Failure)> {
    let reading = kms.complete(key.clone(), facets).await;
    *key = reading.key;
    for (facet, _) in reading.failures.iter().filter(|(facet, _)| *facet != Facet::Tags) {
        key.unread = key.unread.with(*facet);
    }
    reading.failures
}

/// Reads every facet that matters and was not read yet. Returns the failures of facets that the key's life does not need.
///
/// # Errors
/// The tags could not be read, or a failure ends the round: nothing may follow then.
pub(super) async fn complete(kms: &AnyKms, key: &mut Key, limits: &Limits, declared: Facets) -> Result<Vec<Failure>, Failure> {
    let lacking = key.lacks(limits, declared);
    if lacking.is_empty() {
        return Ok(Vec::new());
    }
    let mut unread = Vec::new();
    for (facet, failure) in read_facets(kms, key, lacking).await {
        if facet == Facet::Tags {
            return Err(failure);
        }
        unread.push(failure);
    }
    match unread.iter().position(|failure| failure.kind.ends_round()) {
        Some(at) => Err(unread.swap_remove(at)),
        None => Ok(unread),
    }
}

/// Searches for a key by the marks of every key of the account and Region.
pub(super) async fn everywhere(kms: &AnyKms, object: &Object<'_>) -> Result<Observed, Failure> {
    let mut found = kms.find_marked(&object.desired.owner).await?;
    match (found.pop(), found.is_empty()) {
        (None, _) => Ok(Observed::Absent(Searched::Everywhere)),
        (Some(key), true) => {
            let found = kms.read(&key, Facets::NONE).await?;
            Ok(found.map_or(Observed::Absent(Searched::Everywhere), |reading| Observed::Present(Box::new(reading.key))))
        }
        (Some(last), false) => {
            found.push(last);
            Ok(Observed::Several(found))
        }
    }
}

/// Whether the object that an owner mark names exists. It is read live.
pub(super) async fn exists(context: &Context, mark: &str) -> Result<bool, Ending> {
    let failed = |error| Ending::Error(Error::Api("a live read of the key's other owner", Box::new(error)));
    if let Some((namespace, name)) = mark.split_once('.').filter(|(namespace, name)| ownership::can_be_named(namespace, name)) {
        let read = Api::<Watched<ManagedKey>>::namespaced(context.client.clone(), namespace).get_opt(name).await;
        return read.map(|object| object.is_some()).map_err(failed);
    }
    if !ownership::is_digest(mark) {
        // Keyward did not write a mark that is neither a name nor a digest. Whoever wrote it may still own the key.
        return Ok(true);
    }
    // A digest does not tell the name, so it is compared with every object.
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
