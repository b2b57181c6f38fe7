//! A key is found: who owns it, and whether this object may take it.

use super::{
    Plan, Read, Rest, Situation, bound,
    live::{enforced, pending_undeclared},
    replica,
    scheduled::stands,
    stall, unsettled,
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
    text,
};

/// The prefix of every claim alias.
const CLAIMS: &str = "alias/keyward/";

/// What must happen before the key belongs to this object. `None`: it belongs to this object already.
pub(super) fn bind(s: &Situation<'_>, key: &Key, tags: &Tags) -> Option<Plan> {
    let was_bound = s.memory.is_bound();
    let admitted = s.rules.admits_adoption(&s.desired.owner.namespace, &key.arn, tags);
    let names_key = adopts(s);
    let owned = |by: String| stall(Reason::OwnedByAnother, ownership::belongs_to(&key.arn, &by, &way_out(s, key, tags)));
    let ownership = if was_bound { Ownership::of_former } else { Ownership::of }(tags, &s.desired.owner);
    Some(match ownership {
        Ownership::Ours if s.memory.could_not_have_made(key) && s.desired.policy != ManagementPolicy::Observe => take(s, key, How::TakeUp),
        Ownership::Ours => return None,
        Ownership::Nameless => {
            owned("an unknown object, because its marks are not complete; put the tags keyward-cluster and keyward-owner back".into())
        }
        Ownership::Namesake if was_bound => owned("another object of this name, with another UID".into()),
        Ownership::Namesake => take(s, key, How::TakeUp),
        Ownership::Stranger(name) => {
            let way_out = format!(
                ": it has the tag {}={name} but no tag {}; ask the owner to put that tag back, or, if it has no owner, remove the keyward-* tags",
                mark::OWNER,
                mark::CLUSTER
            );
            stall(Reason::OwnedByAnother, ownership::belongs_to(&key.arn, "an object of an unknown cluster", &way_out))
        }
        Ownership::Other(name) if !names_key || was_bound => owned(format!("the object {name}")),
        Ownership::Other(name) => match s.other_owner.filter(|other| other.mark == name).map(|other| other.exists) {
            None => Plan::Read(Read::OtherOwner(name)),
            Some(true) => owned(format!("the object {name}")),
            Some(false) if admitted => take(s, key, How::Adopt),
            Some(false) => not_admitted(s, key),
        },
        // It is the same object, but its operator had another cluster id. No other object has this UID.
        Ownership::OtherCluster(cluster) if was_bound && is_own(s, tags) && s.rules.admits_cluster(&cluster) => take(s, key, How::Adopt),
        Ownership::OtherCluster(cluster) if was_bound || !names_key || !s.rules.admits_cluster(&cluster) => {
            stall(Reason::OwnedByAnother, of_cluster(s, key, tags, &cluster))
        }
        Ownership::Unmarked if claimed_by_another(s, key) => stall(
            Reason::AdoptionNotAllowed,
            format!(
                "key {} has the claim alias of another object, so its creation may be in progress; if it is not, rename the key at {}",
                key.arn,
                s.rules.limits().name
            ),
        ),
        Ownership::OtherCluster(_) | Ownership::Unmarked if admitted && (names_key || was_bound) => take(s, key, How::Adopt),
        Ownership::OtherCluster(_) => not_admitted(s, key),
        Ownership::Unmarked if was_bound => stall(
            Reason::AdoptionNotAllowed,
            format!(
                "key {} no longer has Keyward's marks, and KeyProvider {} does not let namespace {} adopt it; {}put these tags back with {}: {}; \
                 or admit the key in the provider's spec.adoption",
                key.arn,
                s.rules.name,
                s.desired.owner.namespace,
                cancel_first(s, key),
                s.rules.limits().calls.tag,
                marks(s)
            ),
        ),
        Ownership::Unmarked if let Some(plan) = replica::in_its_place(s, key).filter(|_| s.memory.reference().is_none()) => plan,
        Ownership::Unmarked if created(s, key) => take(s, key, How::Create),
        Ownership::Unmarked if names_key => not_admitted(s, key),
        // The status recorded the key before its marks were written, and then they were not written.
        Ownership::Unmarked if s.memory.reference().is_some() => stall(
            Reason::ClaimUnclear,
            format!(
                "this object's status names key {}, which does not have Keyward's marks; delete this object and make it again, \
                 with spec.keyId to adopt that key, or without spec.keyId to get the key of this object's name",
                key.arn
            ),
        ),
        Ownership::Unmarked => stall(
            Reason::ClaimUnclear,
            format!(
                "alias {} points to key {}, which does not have Keyward's marks; remove the alias, or name the key in spec.keyId of a new object",
                s.desired.owner.claim_alias(),
                key.arn
            ),
        ),
    })
}

/// How a key whose marks name another object can come back to this object: the wrong tag, its value, the right value, and the call that
/// sets it.
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
    // If the object is created again, it takes up the key of its name, whatever the UID on the key is.
    let only_uid = set.iter().all(|tag| tag.starts_with(mark::UID));
    let set = format!("set {} with {}", set.join(" and "), s.rules.limits().calls.tag);
    let Some(rescue) = rescue(s, key, only_uid, &set) else {
        return format!(": {found}; remove one of the two objects, or, if that tag is wrong, {}{set}", cancel_first(s, key));
    };
    format!(": {found}; {rescue}")
}

/// How to save a key that is pending deletion, for an object that declares it alive and does not own it.
fn rescue(s: &Situation<'_>, key: &Key, only_uid: bool, set: &str) -> Option<String> {
    let way = if only_uid {
        "delete this object and make it again with enabled: true, which takes the key up and cancels the deletion".to_owned()
    } else {
        format!("if the key belongs to this object, {}{set}", cancel_first(s, key))
    };
    let at_risk = key.state.is_pending() && s.desired.life == Life::Live;
    at_risk.then(|| format!("the key is PENDING DELETION, but this object declares it alive: {way}"))
}

/// Whether all marks except that of the cluster name this object.
fn is_own(s: &Situation<'_>, tags: &Tags) -> bool {
    let owner = &s.desired.owner;
    tags.get(mark::UID) == Some(&owner.uid) && tags.get(mark::OWNER).is_some_and(|name| owner.is_marked(name))
}

/// The sentence for a key with the mark of another cluster. The wrong id may also be that of this operator.
fn of_cluster(s: &Situation<'_>, key: &Key, tags: &Tags, cluster: &str) -> String {
    let admit = format!("add {cluster} to spec.adoption.fromClusters of KeyProvider {}", s.rules.name);
    let take_over = match s.memory.is_bound() {
        true if is_own(s, tags) => admit,
        // An object that was bound and finds another UID on its key never writes its own UID back.
        true => format!("make an object with spec.keyId, and {admit}"),
        false if adopts(s) => format!("{admit}, whose adoption rules must admit the key as well"),
        false => format!("name it in spec.keyId of a new object, and {admit}"),
    };
    let calls = &s.rules.limits().calls;
    let set = format!("set {}={} with {}", mark::CLUSTER, s.desired.owner.cluster, calls.tag);
    let rescue = rescue(s, key, false, &set).map_or_else(String::new, |rescue| format!("; {rescue}"));
    format!(
        "key {} is managed by cluster id {cluster}, but this operator has cluster id {}; if both are the same cluster, set --cluster-id \
         (KEYWARD_CLUSTER_ID) back to {cluster}; to take the key over, {take_over}{rescue}",
        key.arn, s.desired.owner.cluster
    )
}

/// A key that is pending deletion accepts no tags.
fn cancel_first(s: &Situation<'_>, key: &Key) -> String {
    if key.state.is_pending() { format!("cancel the deletion with {}, then ", s.rules.limits().calls.cancel) } else { String::new() }
}

/// The four marks that this object's key must have.
fn marks(s: &Situation<'_>) -> String {
    let (status, owner) = (&s.memory.status, &s.desired.owner);
    let word = status.intent_word.as_deref().and_then(|word| word.parse().ok()).unwrap_or(Word::Live);
    let intent = Intent { seq: status.intent_seq.unwrap_or(1), generation: s.desired.generation, word };
    let marks = owner.marks(intent, s.rules.limits().owner_mark);
    marks.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
}

/// Whether the object should have the key that its spec names. If its own creation may have made a key, it should not until the outcome is
/// known.
fn adopts(s: &Situation<'_>) -> bool {
    s.desired.adopt.is_some() && s.memory.open_attempt().is_none()
}

/// Whether the creation of this object made an unmarked key, at a KMS that creates keys without tags. The description of the key says so
/// from the start. The annotation of the attempt proves nothing, because everybody who may edit the object can write it.
fn created(s: &Situation<'_>, key: &Key) -> bool {
    let made = !s.rules.limits().creates_with_tags && key.description.as_ref() == Some(&s.desired.owner.birth());
    // An annotation that names a key forbids this, as it forbids a creation.
    made && !adopts(s) && !s.memory.is_bound() && s.memory.key.is_none()
}

/// Whether an unmarked key has the claim alias of another object, at a KMS that creates keys without tags. Its marks may be written soon.
fn claimed_by_another(s: &Situation<'_>, key: &Key) -> bool {
    let claim = s.desired.owner.claim_alias();
    let another = |alias: &String| alias.starts_with(CLAIMS) && *alias != claim;
    !s.rules.limits().creates_with_tags && key.aliases.iter().flatten().any(another)
}

/// Whether the object was created again to cancel the deletion, as the event of that deletion says: it sets `enabled: true` explicitly, and
/// `EnforceOnChange` has no record yet that shows what changed.
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

/// Whether a key has the declared kind. If `wholly` is false, values that the KMS does not report are not compared. If `created` is true, this object must be
/// able to create the key; a manifest that only names a key need not say its key store.
fn agrees(wanted: &KeyTemplate, found: &KeyTemplate, wholly: bool, created: bool) -> bool {
    let word = |wanted: &str, found: &str| wanted == found || (!wholly && found.is_empty());
    let within =
        |wanted: Option<&String>, found: Option<&String>| wanted == found || (wanted.is_none() && !created) || (found.is_none() && !wholly);
    word(&wanted.spec, &found.spec)
        && word(&wanted.usage, &found.usage)
        && word(&wanted.origin, &found.origin)
        && wanted.multi_region == found.multi_region
        && within(wanted.custom_key_store_id.as_ref(), found.custom_key_store_id.as_ref())
        && within(wanted.xks_key_id.as_ref(), found.xks_key_id.as_ref())
}

/// The object may take the key.
fn take(s: &Situation<'_>, key: &Key, how: How) -> Plan {
    let desired = s.desired;
    let limits = s.rules.limits();
    // A key that is found by its marks alone is of the kind that this object would create. Otherwise whoever may tag keys could give the object a key whose
    // material is known to others.
    // A key that is pending deletion is rescued first, and compared then.
    let is_rescued = key.state.is_pending() && desired.life == Life::Live;
    if let Some(plan) = replica::mismatch(s, key).filter(|_| !is_rescued) {
        return plan;
    }
    let created = how == How::TakeUp && desired.adopt.is_none() && desired.replica.is_none() && !is_rescued;
    let wanted = desired.kind.as_ref().map(|wanted| limits.kind(wanted)).or_else(|| created.then(|| desired.template(limits)));
    // If a key has this object's marks, a value that the KMS does not report counts as unchanged.
    if let Some(wanted) = wanted.filter(|wanted| !agrees(wanted, &key.kind, how == How::Adopt, created)) {
        let described = |kind: &KeyTemplate| {
            let word = |word: &str| if word.is_empty() { "(not reported)".to_owned() } else { word.to_owned() };
            format!(
                "{} for {} of origin {}{}{}{}",
                word(&kind.spec),
                word(&kind.usage),
                word(&kind.origin),
                if kind.multi_region { ", multi-Region" } else { "" },
                kind.custom_key_store_id.as_ref().map(|id| format!(", in key store {}", text::name(id))).unwrap_or_default(),
                kind.xks_key_id.as_ref().map(|id| format!(", with external key {}", text::name(id))).unwrap_or_default()
            )
        };
        return stall(
            Reason::AdoptionMismatch,
            format!(
                "key {} is {}, but {} {}; make an object that declares the kind of the key{}",
                key.arn,
                described(&key.kind),
                if desired.kind.is_some() { "spec.key declares" } else { "an object without spec.key creates" },
                described(&wanted),
                if how == How::TakeUp { ", or, if the key is not this object's, remove the keyward-* tags from it" } else { "" }
            ),
        );
    }
    if desired.policy == ManagementPolicy::Observe {
        return match bound(s, key) {
            Plan::Rest(rest) => Plan::Rest(Rest { unbound: true, ..rest }),
            plan => plan,
        };
    }
    // If the key always belonged to this object, the object need not declare this again.
    let own = s.memory.is_bound() && key.tags.as_ref().is_some_and(|tags| is_own(s, tags));
    let outright = own || desired.enabled.is_some() || desired.days().is_some();
    if how == How::Adopt && !outright && (key.state == State::Disabled || key.state.is_pending()) {
        return stall(
            Reason::AdoptionNotAllowed,
            format!(
                "key {} is {}, perhaps on purpose, so it is not adopted; to adopt it, set spec.enabled to true or false, or set spec.deletionScheduleDays",
                key.arn,
                KeyState::from(key.state).as_str()
            ),
        );
    }
    if let Some(message) = desired.days().filter(|&days| !stands(key, days)).and_then(|days| window_refused(days, s.rules)) {
        return stall(Reason::InvalidSpec, message);
    }
    if s.memory.record().count_ended(key) && !key.state.is_pending() {
        return stall(
            Reason::MarksNotWritable,
            format!(
                "the sequence number in the mark {} of key {} is at its maximum (2^53) or invalid, so no new word can follow it and the key cannot be \
                 bound; if somebody else wrote that tag, remove it",
                mark::INTENT,
                key.arn
            ),
        );
    }
    match (key.state, desired.life) {
        _ if let Some(note) = unsettled(key) => Plan::Wait(note),
        (State::PendingDeletion | State::PendingReplicaDeletion, Life::Live) if !enforced(s).life && !asks_for_rescue(s) => {
            Plan::Rest(Rest { unbound: true, ..pending_undeclared() })
        }
        // A key that is pending deletion accepts no tags. If it is declared alive, first cancel the deletion, then mark the key.
        (State::PendingDeletion | State::PendingReplicaDeletion, Life::Live) => Plan::Do(Step::Cancel),
        (State::PendingDeletion | State::PendingReplicaDeletion, Life::Scheduled(_)) => {
            Plan::Rest(Rest { unbound: true, ..Rest::default() })
        }
        (_, Life::Live) => Plan::Do(Step::Bind { how, say: Saying::Live }),
        (_, Life::Scheduled(_)) => Plan::Do(Step::Bind { how, say: Saying::Held(HoldReason::NotSeenLive) }),
    }
}
