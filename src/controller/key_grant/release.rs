//! Revokes the grants of an object that is being deleted, and lets it go. The table is in [`crate::domain::grant::release`].

use kube::CustomResourceExt;

use super::{
    object::Object,
    report::{Done, Ended},
    revoke::{Revoked, revoke_all, settled},
};
use crate::{
    api::{KeyGrant, Reason},
    controller::{error::Ending, managed_key},
    domain::{
        event::Event,
        grant::{
            event,
            release::{Circumstances, OBSERVED, Release, WAY_OUT, places, release},
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
            object.events.push(left(&keys, why));
            Err(Ending::Gone)
        }
        Release::Wait(Note { reason: Reason::Paused, message }) => {
            Ok(Done { conclusion: Conclusion::Paused(format!("{message}{WAY_OUT}")), next: Next::Regular })
        }
        Release::Wait(note) => Ok(Done::regular(Conclusion::Waiting(with_way_out(note)))),
        Release::Revoke(but) => revoke_everywhere(object, target.as_ref(), but.as_deref()).await,
    }
}

/// What is left at the KMS, and why.
fn left(keys: &[String], why: &str) -> Event {
    let left = if keys.is_empty() { "nothing is left".into() } else { format!("its grants stay on {}", keys.join(", ")) };
    event::released(format!("the object is gone; {left}, because {why}"))
}

fn with_way_out(note: Note) -> Note {
    let Note { reason, mut message } = note;
    message.push_str(WAY_OUT);
    Note { reason, message }
}

async fn revoke_everywhere(object: &mut Object<'_>, target: Option<&Target>, but: Option<&str>) -> Ended {
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
    object.confirm(target).await?;
    object.write_finalizer(false).await?;
    if let Some(key) = but.filter(|_| present.as_deref() == but) {
        object.events.push(left(&[key.to_owned()], OBSERVED));
    }
    Err(Ending::Gone)
}
