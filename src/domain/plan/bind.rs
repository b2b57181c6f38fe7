//! A key answers: whose it is, and whether it may become this object's.

use super::{
    Plan, Read, Rest, Situation, bound,
    live::{enforced, pending_undeclared},
    scheduled::stands,
    stall, transitional,
};
use crate::{
    api::{
        Reason,
        managed_key::{HoldReason, KeyState, KeyTemplate, ManagementPolicy},
        mark,
    },
    domain::{
        deletion::{Intent, Saying, Word, hold::window_refused},
        desired::Life,
        observed::{Key, State},
        ownership::{self, Ownership, Tags},
        step::{How, Step},
    },
};

/// What every claim alias begins with.
const CLAIMS: &str = "alias/keyward/";

/// What has to happen before the key is this object's; `None`: it is.
pub(super) fn bind(s: &Situation<'_>, key: &Key, tags: &Tags) -> Option<Plan> {
    let was_bound = s.memory.is_bound();
    let admitted = s.rules.admits_adoption(&s.desired.owner.namespace, &key.arn, tags);
    let names_key = adopts(s);
    let owned = |by: String| stall(Reason::OwnedByAnother, ownership::belongs_to(&key.arn, &by, &way_out(s, key, tags)));
    let ownership = if was_bound { Ownership::of_former } else { Ownership::of }(tags, &s.desired.owner);
    Some(match ownership {
        Ownership::Ours => return None,
        Ownership::Nameless => owned("an object that its marks do not name; put the tags keyward-cluster and keyward-owner back".into()),
        Ownership::Namesake if was_bound => owned("another object of this name, with another UID".into()),
        Ownership::Namesake => take(s, key, How::TakeUp),
        Ownership::Stranger(name) => stall(
            Reason::OwnedByAnother,
            format!(
                "key {} bears {}={name} and no {}, so it belongs to an object of a cluster that cannot be told; \
                 have its owner put that tag back, or take the tags keyward-* off if it has none",
                key.arn,
                mark::OWNER,
                mark::CLUSTER
            ),
        ),
        Ownership::Other(name) if !names_key || was_bound => owned(format!("the object {name}")),
        Ownership::Other(name) => match s.other_owner.filter(|other| other.mark == name).map(|other| other.exists) {
            None => Plan::Read(Read::OtherOwner(name)),
            Some(true) => owned(format!("the object {name}")),
            Some(false) if admitted => take(s, key, How::Adopt),
            Some(false) => not_admitted(s, key),
        },
        // The very object, whose operator had another cluster id: the UID is nobody else's.
        Ownership::OtherCluster(cluster) if was_bound && is_own(s, tags) && s.rules.admits_cluster(&cluster) => take(s, key, How::Adopt),
        Ownership::OtherCluster(cluster) if was_bound || !names_key || !s.rules.admits_cluster(&cluster) => {
            stall(Reason::OwnedByAnother, of_cluster(s, key, tags, &cluster))
        }
        Ownership::Unmarked if claimed_by_another(s, key) => stall(
            Reason::AdoptionNotAllowed,
            format!(
                "key {} has the name of another object's claim, so its creation may be under way; if it is not, rename the key at {}",
                key.arn,
                s.rules.limits().name
            ),
        ),
        Ownership::OtherCluster(_) | Ownership::Unmarked if admitted && (names_key || was_bound) => take(s, key, How::Adopt),
        Ownership::OtherCluster(_) => not_admitted(s, key),
        Ownership::Unmarked if was_bound => stall(
            Reason::AdoptionNotAllowed,
            format!(
                "key {} no longer bears Keyward's marks, and KeyProvider {} does not let namespace {} adopt it; {}put these tags back with {}: {}; \
                 or admit the key in the provider's spec.adoption",
                key.arn,
                s.rules.name,
                s.desired.owner.namespace,
                cancel_first(s, key),
                s.rules.limits().calls.tag,
                marks(s)
            ),
        ),
        Ownership::Unmarked if created(s, key) => take(s, key, How::Create),
        Ownership::Unmarked if names_key => not_admitted(s, key),
        // It was on record before its marks were written, and they were not.
        Ownership::Unmarked if s.memory.reference().is_some() => stall(
            Reason::ClaimUnclear,
            format!(
                "this object's status names key {}, which does not bear Keyward's marks; \
                 delete this object and make it again, with spec.keyId to adopt that key, or without to have the key of its name",
                key.arn
            ),
        ),
        Ownership::Unmarked => stall(
            Reason::ClaimUnclear,
            format!(
                "alias {} points to key {}, which does not bear Keyward's marks; remove the alias, or name the key in spec.keyId of a new object",
                s.desired.owner.claim_alias(),
                key.arn
            ),
        ),
    })
}

/// How a key whose marks name another becomes this object's again: which tag is in the way, its value and the right one, and the call that sets it.
fn way_out(s: &Situation<'_>, key: &Key, tags: &Tags) -> String {
    let owner = &s.desired.owner;
    let right =
        [(mark::CLUSTER, owner.cluster.clone()), (mark::OWNER, owner.mark_as(s.rules.limits().owner_mark)), (mark::UID, owner.uid.clone())];
    let is_right = |name: &str, found: &str, right: &str| found == right || (name == mark::OWNER && owner.is_marked(found));
    let wrong = right.iter().filter(|(name, right)| !tags.get(*name).is_some_and(|found| is_right(name, found, right)));
    let (mut found, mut set) = (Vec::new(), Vec::new());
    for (name, right) in wrong {
        found.push(tags.get(*name).map_or_else(|| format!("the tag {name} is missing"), |found| format!("its tag {name} is {found}")));
        set.push(format!("{name}={right}"));
    }
    let found = found.join(" and ");
    // An object that is made again takes up the key of its name, whatever UID the key bears.
    let only_uid = set.iter().all(|tag| tag.starts_with(mark::UID));
    let set = format!("set {} with {}", set.join(" and "), s.rules.limits().calls.tag);
    let Some(rescue) = rescue(s, key, only_uid, &set) else {
        return format!(": {found}; remove one of the two objects, or, if that tag is wrong, {}{set}", cancel_first(s, key));
    };
    format!(": {found}; {rescue}")
}

/// How a key on its way to its end is saved for an object that wants it alive and does not own it.
fn rescue(s: &Situation<'_>, key: &Key, only_uid: bool, set: &str) -> Option<String> {
    let way = if only_uid {
        "delete this object and make it again with enabled: true, which takes the key up and cancels the deletion".to_owned()
    } else {
        format!("if the key is this object's, {}{set}", cancel_first(s, key))
    };
    let at_risk = key.state.is_pending() && s.desired.life == Life::Live;
    at_risk.then(|| format!("the key is PENDING DELETION while this object wants it alive: {way}"))
}

/// Whether all marks but the cluster's are this very object's.
fn is_own(s: &Situation<'_>, tags: &Tags) -> bool {
    let owner = &s.desired.owner;
    tags.get(mark::UID) == Some(&owner.uid) && tags.get(mark::OWNER).is_some_and(|name| owner.is_marked(name))
}

/// Another cluster's mark is on the key. The operator's own id may be the one that is wrong.
fn of_cluster(s: &Situation<'_>, key: &Key, tags: &Tags, cluster: &str) -> String {
    let admit = format!("add {cluster} to spec.adoption.fromClusters of KeyProvider {}", s.rules.name);
    let take_over = match s.memory.is_bound() {
        true if is_own(s, tags) => admit,
        // Whoever was bound and finds another's UID never writes its own back.
        true => format!("make an object with spec.keyId, and {admit}"),
        false if adopts(s) => format!("{admit}, whose rules have to admit the key as well"),
        false => format!("name it in spec.keyId of a new object, and {admit}"),
    };
    let calls = &s.rules.limits().calls;
    let set = format!("set {}={} with {}", mark::CLUSTER, s.desired.owner.cluster, calls.tag);
    let rescue = rescue(s, key, false, &set).map_or_else(String::new, |rescue| format!("; {rescue}"));
    format!(
        "key {} is managed by cluster id {cluster}, and this operator runs as {}; if both are the same cluster, set --cluster-id \
         (KEYWARD_CLUSTER_ID) back to {cluster}; to take the key over, {take_over}{rescue}",
        key.arn, s.desired.owner.cluster
    )
}

/// A pending key takes no tags.
fn cancel_first(s: &Situation<'_>, key: &Key) -> String {
    if key.state.is_pending() { format!("cancel the deletion with {}, then ", s.rules.limits().calls.cancel) } else { String::new() }
}

/// The four marks of this object's key, as they are to be.
fn marks(s: &Situation<'_>) -> String {
    let (status, owner) = (&s.memory.status, &s.desired.owner);
    let word = status.intent_word.as_deref().and_then(|word| word.parse().ok()).unwrap_or(Word::Live);
    let intent = Intent { seq: status.intent_seq.unwrap_or(1), generation: s.desired.generation, word };
    let marks = owner.marks(intent, s.rules.limits().owner_mark);
    marks.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
}

/// Whether the object is to have the key that its spec names. One whose own creation may have made a key is not, until that is known.
fn adopts(s: &Situation<'_>) -> bool {
    s.desired.adopt.is_some() && s.memory.open_attempt().is_none()
}

/// Whether an unmarked key is one that this very object's creation made, at a KMS that makes keys without tags: its description says so from its first
/// moment. The annotation of the attempt proves nothing, as whoever may edit the object can write it.
fn created(s: &Situation<'_>, key: &Key) -> bool {
    let made = !s.rules.limits().creates_with_tags && key.description.as_ref() == Some(&s.desired.owner.birth());
    // An annotation that names a key forbids it, as it does a creation.
    made && !adopts(s) && !s.memory.is_bound() && s.memory.key.is_none()
}

/// Whether an unmarked key has the claim of another object as an alias, at a KMS that makes keys without tags: it may be on its way to its marks.
fn claimed_by_another(s: &Situation<'_>, key: &Key) -> bool {
    let claim = s.desired.owner.claim_alias();
    let another = |alias: &String| alias.starts_with(CLAIMS) && *alias != claim;
    !s.rules.limits().creates_with_tags && key.aliases.iter().flatten().any(another)
}

/// Whether the object says outright that its key is to be enabled, and there is no record yet by which `EnforceOnChange` could tell what changed: it was
/// made again to cancel the deletion, as the event of that deletion says.
fn asks_for_rescue(s: &Situation<'_>) -> bool {
    let recorded = s.memory.status.applied.as_ref().and_then(|applied| applied.enabled);
    s.desired.policy == ManagementPolicy::EnforceOnChange && s.desired.enabled == Some(true) && recorded.is_none()
}

fn not_admitted(s: &Situation<'_>, key: &Key) -> Plan {
    stall(
        Reason::AdoptionNotAllowed,
        format!(
            "KeyProvider {} does not let namespace {} adopt key {}; ask its administrator to admit it in spec.adoption",
            s.rules.name, s.desired.owner.namespace, key.arn
        ),
    )
}

/// Whether a key is of the kind that is declared, as far as the KMS tells it, or wholly.
fn agrees(wanted: &KeyTemplate, found: &KeyTemplate, wholly: bool) -> bool {
    let word = |wanted: &str, found: &str| wanted == found || (!wholly && found.is_empty());
    word(&wanted.spec, &found.spec)
        && word(&wanted.usage, &found.usage)
        && word(&wanted.origin, &found.origin)
        && wanted.multi_region == found.multi_region
}

/// The key may become this object's.
fn take(s: &Situation<'_>, key: &Key, how: How) -> Plan {
    let desired = s.desired;
    let wanted = desired.kind.as_ref().map(|wanted| s.rules.limits().kind(wanted));
    // Of a key that bears this object's marks, what is not told is what it was.
    if let Some(wanted) = wanted.filter(|wanted| !agrees(wanted, &key.kind, how == How::Adopt)) {
        let text = |kind: &KeyTemplate| {
            let word = |word: &str| if word.is_empty() { "(not told)".to_owned() } else { word.to_owned() };
            format!(
                "{} for {} of origin {}{}",
                word(&kind.spec),
                word(&kind.usage),
                word(&kind.origin),
                if kind.multi_region { ", multi-Region" } else { "" }
            )
        };
        return stall(
            Reason::AdoptionMismatch,
            format!("key {} is {}, but spec.key says {}; make an object that agrees", key.arn, text(&key.kind), text(&wanted)),
        );
    }
    if desired.policy == ManagementPolicy::Observe {
        return match bound(s, key) {
            Plan::Rest(rest) => Plan::Rest(Rest { unbound: true, ..rest }),
            plan => plan,
        };
    }
    // The very object, whose key it was all along, need not say so again.
    let own = s.memory.is_bound() && key.tags.as_ref().is_some_and(|tags| is_own(s, tags));
    let outright = own || desired.enabled.is_some() || desired.days().is_some();
    if how == How::Adopt && !outright && (key.state == State::Disabled || key.state.is_pending()) {
        return stall(
            Reason::AdoptionNotAllowed,
            format!(
                "key {} is {}, perhaps on purpose; say spec.enabled: true or false, or spec.deletionScheduleDays, to adopt it",
                key.arn,
                KeyState::from(key.state).as_str()
            ),
        );
    }
    if let Some(message) = desired.days().filter(|&days| !stands(key, days)).and_then(|days| window_refused(days, s.rules)) {
        return stall(Reason::InvalidSpec, message);
    }
    if s.memory.count_ended(key) && !key.state.is_pending() {
        return stall(
            Reason::MarksNotWritable,
            format!(
                "the sequence number in the mark {} of key {} is at its end (2^53) or outside its bounds, so no word can follow it and the key cannot be \
                 bound; if somebody else wrote that tag, remove it",
                mark::INTENT,
                key.arn
            ),
        );
    }
    match (key.state, desired.life) {
        (State::Creating | State::Updating, _) => transitional(key.state),
        (State::PendingDeletion | State::PendingReplicaDeletion, Life::Live) if !enforced(s).life && !asks_for_rescue(s) => {
            Plan::Rest(Rest { unbound: true, ..pending_undeclared() })
        }
        // A pending key takes no tags: wanted alive, it is cancelled first and marked then.
        (State::PendingDeletion | State::PendingReplicaDeletion, Life::Live) => Plan::Do(Step::Cancel),
        (State::PendingDeletion | State::PendingReplicaDeletion, Life::Scheduled(_)) => {
            Plan::Rest(Rest { unbound: true, ..Rest::default() })
        }
        (_, Life::Live) => Plan::Do(Step::Bind { how, say: Saying::Live }),
        (_, Life::Scheduled(_)) => Plan::Do(Step::Bind { how, say: Saying::Held(HoldReason::NotSeenLive) }),
    }
}
