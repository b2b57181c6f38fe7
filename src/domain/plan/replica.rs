//! A replica is made, found again, and made the primary key.

use super::{Note, Plan, Read, Situation, stall};
use crate::{
    api::{Reason, managed_key::KeyTemplate},
    domain::{
        observed::{Key, KeyPolicy, MultiRegion, Searched, State},
        primary::{self, Barred, Primary, SeenPrimary},
        replica::{PrimaryRef, same_set},
        settings,
        step::Step,
    },
};

/// What becomes of it.
fn barred(Barred { reason, message, stalled }: &Barred) -> Plan {
    let note = Note { reason: *reason, message: message.clone() };
    if *stalled { Plan::Stall(note) } else { Plan::Wait(note) }
}

/// No key is found for an object that declares a replica.
pub(super) fn creation(s: &Situation<'_>, of: &PrimaryRef, searched: Searched) -> Plan {
    let limits = s.rules.limits();
    if !limits.multi_region {
        let message = format!(
            "spec.replicaOf is set, but {} has no multi-Region keys that Keyward can replicate; make a new object without spec.replicaOf",
            limits.name
        );
        return stall(Reason::InvalidSpec, message);
    }
    let told = || KeyTemplate { multi_region: true, ..KeyTemplate::default() };
    // Whatever its kind is, a replica has the rotation of its primary.
    let replica = MultiRegion::Replica(of.told());
    if let Some(refusal) = settings::refusals(s.desired, s.rules, &told(), Some(&replica)).into_iter().next() {
        return stall(refusal.reason, refusal.message);
    }
    if searched != Searched::Everywhere {
        return Plan::Read(Read::Everywhere);
    }
    let primary = match s.primary {
        None => return Plan::Read(Read::Primary),
        Some(Primary::Barred(why)) => return barred(why),
        Some(Primary::Seen(primary)) => primary,
    };
    match primary::bars_replica(&s.desired.owner, s.rules, primary).or_else(|| locks_out(s, primary)) {
        Some(why) => barred(&why),
        None => Plan::Do(Step::Create),
    }
}

/// A replica begins with the policy of its primary. If that policy takes away what Keyward needs, the replica could not be kept alive.
fn locks_out(s: &Situation<'_>, primary: &SeenPrimary) -> Option<Barred> {
    let Some(KeyPolicy::Text(text)) = &primary.key.policy else { return None };
    let lost = settings::lost_with(text, s.desired, s.rules, &primary.key.arn)?;
    let message = format!(
        "a replica begins with the key policy of its primary, and that of key {} does not allow Keyward what it needs: {lost}; correct that policy",
        primary.key.arn
    );
    Some(Barred::stalled(Reason::PolicyWouldLockOut, message))
}

/// Why a key that has the marks of this object's name is not the replica that the object declares. `None`: it is, or the object declares none.
pub(super) fn mismatch(s: &Situation<'_>, key: &Key) -> Option<Plan> {
    let of = match s.desired.replica.as_ref()? {
        PrimaryRef::Key { arn, .. } => arn,
        PrimaryRef::Unreadable => return Some(stall(Reason::InvalidSpec, s.desired.left_out.join("; "))),
        PrimaryRef::Object(_) => match s.primary {
            None => return Some(Plan::Read(Read::Primary)),
            Some(Primary::Barred(why)) => return Some(barred(why)),
            Some(Primary::Seen(primary)) => &primary.key.arn,
        },
    };
    (!same_set(of, &key.arn)).then(|| {
        let message = format!(
            "key {} has the marks of this object's name, but is no replica of key {of}, which spec.replicaOf names; make a new object for the replica under \
             another name, or, if the key is not this object's, remove the keyward-* tags from it",
            key.arn
        );
        stall(Reason::AdoptionMismatch, message)
    })
}

/// The sentence about a replica that is in the place of this object's, and that nobody owns. `None`: the key is another one.
pub(super) fn in_its_place(s: &Situation<'_>, key: &Key) -> Option<Plan> {
    let of = match (s.desired.replica.as_ref()?, s.primary) {
        (_, Some(Primary::Seen(primary))) => &primary.key.arn,
        (PrimaryRef::Key { arn, .. }, _) => arn,
        _ => return None,
    };
    same_set(of, &key.arn).then(|| {
        let message = format!(
            "Region {} has a replica of key {of} already, key {}, which does not have this object's marks; to adopt it, delete this object and make one with \
             spec.keyId in place of spec.replicaOf",
            key.region, key.arn
        );
        stall(Reason::ClaimUnclear, message)
    })
}

/// What is done about `spec.primary`.
#[derive(Debug, PartialEq)]
pub(super) enum Role {
    /// Nothing: it is not declared, or the key is the primary key.
    AsIs,
    /// The primary key has to be read first.
    Unread,
    /// The key becomes the primary key.
    Move(Step),
    /// It does not, for the reason given.
    Barred(Barred),
}

/// What is done about `spec.primary` for a key that is not to be disabled or deleted. `decides`: whether the policy corrects it; otherwise it is only told.
pub(super) fn role(s: &Situation<'_>, key: &Key, decides: bool) -> Role {
    if !s.desired.primary {
        return Role::AsIs;
    }
    let from = match &key.multi_region {
        Some(MultiRegion::Replica(primary)) => primary,
        // The KMS need not tell the role of a key without replicas.
        Some(MultiRegion::Primary(_)) => return Role::AsIs,
        None if key.kind.multi_region => return Role::AsIs,
        None => {
            let message = format!("spec.primary is true, but key {} is no multi-Region key; remove spec.primary", key.arn);
            return Role::Barred(Barred::stalled(Reason::NotAPrimary, message));
        }
    };
    let step = Step::MovePrimary { from: from.clone() };
    if !decides || s.tried.leaves_out(&step) {
        return Role::Move(step);
    }
    if key.state != State::Enabled || !s.desired.wants_enabled() {
        return Role::Barred(Barred::for_now(format!("key {} becomes the primary key when it is enabled", key.arn)));
    }
    match s.primary {
        None => Role::Unread,
        Some(Primary::Barred(why)) => Role::Barred(why.clone()),
        Some(Primary::Seen(primary)) if primary.key.arn != *from => Role::Unread,
        Some(Primary::Seen(primary)) => primary::bars_move(&s.desired.owner, primary).map_or(Role::Move(step), Role::Barred),
    }
}
