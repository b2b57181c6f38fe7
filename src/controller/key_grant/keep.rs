//! Keeps a grant as declared. The table is in [`crate::domain::grant::plan`].

use super::{
    object::Object,
    provider::{heard, place, usable},
    report::{Done, Ended},
    revoke::{Revoked, noted, of_another_cluster, revoke, revoke_all, settled, slowly},
};
use crate::{
    api::Reason,
    controller::{account::same_account, error::Ending, lane::Lane, managed_key::provider::Provider, now},
    domain::{
        grant::{
            Grant, NewGrant, allowed, event,
            plan::{Plan, Situation, plan},
            release::not_found,
            sentences,
            status::Conclusion,
            target::Target,
        },
        observed::{Facets, Key},
        plan::Note,
        requeue::Next,
        status::PAUSED,
    },
    kms::{Grants, Kms},
};

/// How many steps a round takes at most. A change takes two.
const MOST_STEPS: usize = 16;

/// The `ManagedKey` is not there yet, or has no key yet.
fn not_ready(object: &Object<'_>, message: &str) -> Done {
    Done::regular(Conclusion::Waiting(sentences::not_ready(message, object.status.grant_id.as_deref())))
}

/// One round for an object that lives.
pub(super) async fn keep(object: &mut Object<'_>) -> Ended {
    let name = object.spec.key_ref.name.clone();
    if object.is_paused() {
        return Ok(Done::regular(Conclusion::Paused(PAUSED.to_owned())));
    }
    let Some(target) = object.target() else {
        return Ok(not_ready(object, &sentences::no_managed_key(&name, object.namespace())));
    };
    if target.paused {
        return Ok(Done::regular(Conclusion::Paused(sentences::paused(&name))));
    }
    if target.going {
        return Ok(not_ready(object, &sentences::going(&name)));
    }
    let shared = object.shared;
    let context = &shared.context;
    let provider = usable(context, &target.provider, object.namespace()).await?;
    if let Some(Note { reason, message }) = allowed::refused(&object.terms, &provider.rules) {
        // Nothing says that the rules became narrower because of this grant, so the access that somebody has is not taken away.
        let message = sentences::stays(&message, object.status.grant_id.as_deref());
        return Ok(Done::regular(Conclusion::Stalled(Note { reason, message })));
    }
    let Some(key) = target.key.clone() else {
        return Ok(not_ready(object, &sentences::no_key(&name)));
    };
    let _permit = provider.connected.breaker.permit(Lane::Ordinary).map_err(Ending::from)?;
    let kept = work(object, &target, &provider, &key).await;
    heard(context, &provider, &kept);
    kept
}

async fn work(object: &mut Object<'_>, target: &Target, provider: &Provider, reference: &str) -> Ended {
    settled(object)?;
    let (kms, rules) = (&provider.connected.kms, &provider.rules);
    let Some(reading) = kms.read(reference, Facets::TAGS).await? else { return absent(object, provider, reference).await };
    let key = reading.whole()?;
    let Some(mut grants) = kms.grants(&key.arn).await? else { return absent(object, provider, reference).await };
    object.shared.memory.heard(object.uid());
    object.status.missing = None;
    if let Some(note) = of_another_cluster(object, &grants) {
        return Ok(Done::regular(Conclusion::Stalled(note)));
    }
    let mut made: Option<String> = None;
    for _ in 0..MOST_STEPS {
        let recorded = object.status.grant_id.clone().zip(object.status.applied_name.clone());
        let on_this_key = object.status.key_arn.as_deref() == Some(&key.arn);
        let situation = Situation {
            terms: &object.terms,
            names: &object.names,
            target,
            key: &key,
            grants: &grants,
            rules,
            recorded: recorded.as_ref().filter(|_| on_this_key).map(|(id, name)| (id.as_str(), name.as_str())),
            made: made.as_deref(),
        };
        match plan(&situation) {
            Plan::Create { again } => {
                object.record(target, &key.arn, &place(rules)).await?;
                made = Some(create(object, target, provider, &key, again.as_deref()).await?);
            }
            Plan::Revoke(id) => {
                object.record(target, &key.arn, &place(rules)).await?;
                object.confirm_anew(Some(target)).await?;
                revoke(object, provider, &key.arn, &id, "the spec of the object declares another one").await?;
                grants.retain(|grant: &Grant| grant.id != id);
            }
            Plan::Rest(id) => {
                object.record(target, &key.arn, &place(rules)).await?;
                let name = object.names.current.clone();
                (object.status.grant_id, object.status.applied_name) = (Some(id.clone()), Some(name));
                return rest(object, target, &key, &id).await;
            }
            Plan::Drifted(message) => return Ok(Done::regular(Conclusion::Drifted(message))),
            Plan::Wait(note) => return Ok(Done::regular(Conclusion::Waiting(note))),
            Plan::Stall(note) => return Ok(Done::regular(Conclusion::Stalled(note))),
        }
    }
    Err(Ending::Later(Next::Working))
}

async fn create(object: &mut Object<'_>, target: &Target, provider: &Provider, key: &Key, again: Option<&str>) -> Result<String, Ending> {
    object.confirm(Some(target)).await?;
    let grant = NewGrant { name: object.names.current.clone(), terms: object.terms.clone() };
    // Also before the call: a round that is broken off learns of no result.
    object.shared.memory.changed(object.uid());
    let made = provider.connected.kms.create_grant(&key.arn, &grant).await;
    noted(object, &made);
    let id = made?;
    let name = object.names.current.clone();
    (object.status.grant_id, object.status.applied_name) = (Some(id.clone()), Some(name));
    object.events.extend(event::created(&key.arn, &id, &object.terms, again));
    Ok(id)
}

/// The grant is as declared. What is left of earlier keys is revoked now.
async fn rest(object: &mut Object<'_>, target: &Target, key: &Key, id: &str) -> Ended {
    let mut left = None;
    for mut former in object.status.former.clone() {
        let revoked = revoke_all(object, Some(target), &mut former, "keyRef leads to another key now").await;
        let note = match revoked {
            Ok(Revoked::All) => {
                object.status.former.retain(|known| known.key_arn != former.key_arn);
                continue;
            }
            Ok(Revoked::NotYet { note, .. }) => note,
            Err(Ending::Failed(failure)) if !failure.kind.ends_round() => {
                Note { reason: failure.kind.verdict().reason, message: failure.message }
            }
            Err(ending) => return Err(ending),
        };
        if let Some(known) = object.status.former.iter_mut().find(|known| known.key_arn == former.key_arn) {
            known.missing = former.missing;
        }
        left = Some(sentences::left(&former.key_arn, &note));
    }
    let message = sentences::granted(id, &key.arn, &object.terms);
    let next = match (&left, settled(object)) {
        (Some(_), _) => slowly(object),
        (None, Err(_)) => Next::Changed,
        (None, Ok(())) => Next::Regular,
    };
    Ok(Done { conclusion: Conclusion::Granted { message, left }, next })
}

/// The KMS has no such key. It is told, and nothing is concluded: the `ManagedKey` finds out what became of it. Answers are counted only for
/// the key on record, at the place on record.
async fn absent(object: &mut Object<'_>, provider: &Provider, key: &str) -> Ended {
    same_account(&provider.connected.kms, &provider.rules.account).await?;
    let settings = &object.shared.context.settings;
    let after = settings.missing_after.try_into().unwrap_or(jiff::SignedDuration::MAX);
    let status = &mut object.status;
    let is_on_record = status.key_arn.as_deref() == Some(key) && status.provider.as_ref() == Some(&place(&provider.rules));
    let sure = is_on_record && {
        let (missing, sure) = not_found(status.missing.as_ref(), now(), after);
        status.missing = Some(missing);
        sure
    };
    let (reason, name) = (Reason::KeyMissing, &object.spec.key_ref.name);
    if sure {
        let message =
            format!("key {key} of ManagedKey {name} is not found any more, and its grants went with it; see the conditions of that object");
        return Ok(Done::regular(Conclusion::Stalled(Note { reason, message })));
    }
    let message = format!("key {key} of ManagedKey {name} was not found; Keyward looks for it again before it counts the key as gone");
    Ok(Done { conclusion: Conclusion::Waiting(Note { reason, message }), next: Next::NotFound })
}
