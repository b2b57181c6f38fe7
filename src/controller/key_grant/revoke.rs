//! Revokes grants. A grant is revoked only if its name has the UID of the object.

use super::{
    object::Object,
    provider::{heard, usable},
};
use crate::{
    api::{Reason, key_grant::FormerGrant},
    controller::{account::same_account, error::Ending, lane::Lane, managed_key::provider::Provider, now, waits},
    domain::{
        failure::{Failure, Outcome, Retry},
        grant::{Grant, event, release::not_found, target::Target},
        plan::Note,
        requeue::{Cause, Next},
    },
    kms::Grants,
    text,
};

/// What became of the object's grants on one key.
#[derive(Debug)]
pub(super) enum Revoked {
    /// None is left.
    All,
    /// Nothing could be done yet.
    NotYet {
        /// Why.
        note: Note,
        /// Whether a person must act.
        stalled: bool,
        /// When to try again.
        next: Next,
    },
}

/// The list of grants may be older than what Keyward did last, so nothing is concluded from it before it must show that.
pub(super) fn settled(object: &Object<'_>) -> Result<(), Ending> {
    let context = &object.shared.context;
    if object.status.key_arn.is_none() {
        return Ok(());
    }
    match object.shared.memory.unsettled(object.uid(), context.started, context.settings.consistency) {
        Some(left) => Err(Ending::until(left)),
        None => Ok(()),
    }
}

/// Revokes one grant of the object.
pub(super) async fn revoke(object: &mut Object<'_>, provider: &Provider, key: &str, id: &str, why: &str) -> Result<(), Ending> {
    // Also before the call: a round that is broken off learns of no result.
    object.shared.memory.changed(object.uid());
    let revoked = provider.connected.kms.revoke_grant(key, id).await;
    noted(object, &revoked);
    revoked?;
    object.events.push(event::revoked(key, id, why));
    Ok(())
}

/// Remembers that the KMS may not show yet what was done, or what may have been done.
pub(super) fn noted<T>(object: &Object<'_>, result: &Result<T, Failure>) {
    if result.as_ref().err().is_none_or(|failure| failure.outcome == Outcome::Unknown) {
        object.shared.memory.changed(object.uid());
    }
}

/// Revokes every grant of the object on one key. The marks of the key are not asked: its `ManagedKey` may be gone, and the name of a grant
/// says whose it is.
pub(super) async fn revoke_all(
    object: &mut Object<'_>,
    target: Option<&Target>,
    place: &mut FormerGrant,
    why: &str,
) -> Result<Revoked, Ending> {
    let context = &object.shared.context;
    let provider = match usable(context, &place.provider.name, object.namespace()).await {
        Ok(provider) => provider,
        Err(Ending::Refused { note, stalled }) => return Ok(Revoked::NotYet { note, stalled, next: slowly(object) }),
        Err(ending) => return Err(ending),
    };
    let rules = &provider.rules;
    let elsewhere = |what: &str| {
        let message = format!(
            "KeyProvider {} is for another {what} than that of key {}, so its grants cannot be revoked; give the provider its own again",
            rules.name, place.key_arn
        );
        Ok(Revoked::NotYet { note: Note { reason: Reason::WrongAccount, message }, stalled: true, next: slowly(object) })
    };
    if (&place.provider.account, &place.provider.region) != (&rules.account, &rules.region) {
        return elsewhere("account or Region");
    }
    let _permit = provider.connected.breaker.permit(Lane::Ordinary).map_err(Ending::from)?;
    let listed = provider.connected.kms.grants(&place.key_arn).await.map_err(Ending::from);
    heard(context, &provider, &listed);
    let Some(grants) = listed? else {
        same_account(&provider.connected.kms, &rules.account).await?;
        if place.provider.endpoint != rules.endpoint {
            return elsewhere("endpoint");
        }
        let after = context.settings.missing_after.try_into().unwrap_or(jiff::SignedDuration::MAX);
        let (missing, sure) = not_found(place.missing.as_ref(), now(), after);
        place.missing = Some(missing);
        if sure {
            return Ok(Revoked::All);
        }
        let message =
            format!("key {} was not found; Keyward looks for it again before it counts the key and its grants as gone", place.key_arn);
        return Ok(Revoked::NotYet { note: Note { reason: Reason::KeyMissing, message }, stalled: false, next: Next::NotFound });
    };
    place.missing = None;
    object.shared.memory.heard(object.uid());
    if let Some(note) = of_another_cluster(object, &grants) {
        return Ok(Revoked::NotYet { note, stalled: true, next: slowly(object) });
    }
    let own: Vec<String> = grants.into_iter().filter(|grant: &Grant| object.names.has(&grant.name)).map(|grant| grant.id).collect();
    if own.is_empty()
        && let Some(left) =
            object.shared.memory.unsettled(object.uid(), context.started, waits::grant_is_shown(context.settings.consistency))
    {
        return Err(Ending::until(left));
    }
    for id in own {
        object.confirm_anew(target).await?;
        revoke(object, &provider, &place.key_arn, &id, why).await?;
    }
    Ok(Revoked::All)
}

/// What is told if the grant on record has this object's UID in its name, and another cluster's id: this process has another `--cluster-id` than the one that
/// made the grant. Without this, the grant would be taken for gone, and nobody would ever revoke it.
pub(super) fn of_another_cluster(object: &Object<'_>, grants: &[Grant]) -> Option<Note> {
    let id = object.status.grant_id.as_deref()?;
    let uid = format!("/{}/", object.uid());
    let found = grants.iter().find(|grant| grant.id == id && grant.name.contains(&uid) && !object.names.has(&grant.name))?;
    let cluster = found.name.split('/').nth(1).unwrap_or_default();
    let message = format!(
        "grant {id} of this object was made with the cluster id {}, and this Keyward has another; set --cluster-id back, or revoke the grant yourself",
        text::name(cluster)
    );
    Some(Note { reason: Reason::OwnedByAnother, message })
}

/// The provider wakes its grants when it changes. The deletion of the CRD wakes nobody.
pub(super) fn slowly(object: &Object<'_>) -> Next {
    Next::Retry(Retry::Slow, object.shared.memory.failed(object.uid(), Cause::Kms))
}
