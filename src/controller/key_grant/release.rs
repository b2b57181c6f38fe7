//! Revokes the grants of an object that is being deleted, and lets it go. The table is in [`crate::domain::grant::release`].

use kube::CustomResourceExt;

use super::{
    object::Object,
    provider::{place, usable},
    report::{Done, Ended},
    revoke::{Revoked, revoke_all, settled},
};
use crate::{
    api::{KeyGrant, Reason},
    controller::{error::Ending, managed_key},
    domain::{
        grant::{
            event,
            release::{Circumstances, OBSERVED, Release, WAY_OUT, places, release},
            sentences::with_way_out,
            status::Conclusion,
            target::Target,
        },
        plan::Note,
        requeue::Next,
    },
};

/// One round for an object that is being deleted.
pub(super) async fn let_go(object: &mut Object<'_>) -> Ended {
    if !object.has_finalizer() {
        return Err(Ending::Gone);
    }
    let target = object.target();
    let uninstalling = managed_key::is_uninstalled(&object.shared.context.client, KeyGrant::crd_name()).await?;
    let circumstances = Circumstances {
        uninstalling,
        policy: object.spec.deletion_policy,
        paused: object.is_paused(),
        target: target.as_ref(),
        status: &object.status,
    };
    match release(&circumstances) {
        Release::Leave(why) => {
            object.confirm(target.as_ref()).await?;
            let keys: Vec<_> = places(&object.status).into_iter().map(|place| place.key_arn).collect();
            object.write_finalizer(false).await?;
            object.events.push(event::released(&keys, why));
            Err(Ending::Gone)
        }
        Release::Wait(Note { reason: Reason::Paused, message }) => {
            Ok(Done { conclusion: Conclusion::Paused(format!("{message}{WAY_OUT}")), next: Next::Regular })
        }
        Release::Wait(note) => Ok(Done::regular(Conclusion::Waiting(with_way_out(note)))),
        Release::Revoke(but) => revoke_everywhere(object, target.as_ref(), but.as_deref(), None).await,
        Release::RevokeOthers(but, wait) => revoke_everywhere(object, target.as_ref(), Some(&but), Some(wait)).await,
        Release::Search { key, provider } => {
            let provider = usable(&object.shared.context, &provider, object.namespace()).await.map_err(|ending| ending.with(WAY_OUT))?;
            // It is on record from now on, like any other.
            (object.status.key_arn, object.status.provider) = (Some(key), Some(place(&provider.rules)));
            revoke_everywhere(object, target.as_ref(), None, None).await
        }
    }
}

/// `wait`: why the object waits if it has grants on the key that is left alone.
async fn revoke_everywhere(object: &mut Object<'_>, target: Option<&Target>, but: Option<&str>, wait: Option<Note>) -> Ended {
    settled(object)?;
    let present = object.status.key_arn.clone();
    for mut place in places(&object.status).into_iter().filter(|place| Some(&*place.key_arn) != but) {
        let revoked = revoke_all(object, target, &mut place, "its object is deleted").await.map_err(|ending| ending.with(WAY_OUT));
        match revoked? {
            Revoked::All => object.status.former.retain(|former| former.key_arn != place.key_arn),
            Revoked::NotYet { note, stalled, next } => {
                if present.as_deref() == Some(&place.key_arn) {
                    object.status.missing = place.missing;
                } else if let Some(former) = object.status.former.iter_mut().find(|former| former.key_arn == place.key_arn) {
                    former.missing = place.missing;
                }
                let note = with_way_out(note);
                let conclusion = if stalled { Conclusion::Stalled(note) } else { Conclusion::Waiting(note) };
                return Ok(Done { conclusion, next });
            }
        }
    }
    if let Some(Note { message, .. }) = wait.filter(|_| present.as_deref() == but) {
        return Ok(Done { conclusion: Conclusion::Paused(format!("{message}{WAY_OUT}")), next: Next::Regular });
    }
    object.confirm(target).await?;
    object.write_finalizer(false).await?;
    if let Some(key) = but.filter(|_| present.as_deref() == but) {
        object.events.push(event::released(&[key.to_owned()], OBSERVED));
    }
    Err(Ending::Gone)
}
