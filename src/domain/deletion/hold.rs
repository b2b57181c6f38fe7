//! What is told of a held deletion: the reason, what was seen, and the command that continues it.
//!
//! A new reason needs a row in [`SENTENCES`], and a rule in [`RULES`](super::guard::RULES) or an answer of `edge`.

use jiff::{Timestamp, tz::TimeZone};

use super::{Intent, IntentMark, LastUse, Word};
use crate::{
    api::{Reason, annotation},
    domain::{
        desired::Desired,
        observed::{Key, State},
        rules::Rules,
    },
};

/// Tells people that the field decides nothing about the deletion of the object.
pub const AT_THE_END: &str = "spec.deletionPolicy says what happens to the key when this object is deleted";

/// Why a deletion is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// For conditions.
    pub reason: Reason,
    /// For people: what was seen, and the command that continues.
    pub message: String,
    /// Whether the hold ends by itself.
    pub passes: bool,
    /// When the key was last used, if this use holds the deletion.
    pub used: Option<Timestamp>,
}

/// The field of the declared days, as messages name it.
pub const DAYS_FIELD: &str = "spec.deletionScheduleDays";

/// The sentence that refuses the declared days, if the provider does not accept them. Keyward rounds nothing and uses no other value in their place.
#[must_use]
pub fn window_refused(days: i32, rules: &Rules) -> Option<String> {
    days_refused(DAYS_FIELD, days, rules)
}

/// The sentence that refuses the days in `field`.
#[must_use]
pub fn days_refused(field: &str, days: i32, rules: &Rules) -> Option<String> {
    let limits = rules.limits();
    let (least, most) = limits.window;
    if !(least..=most).contains(&days) {
        return Some(format!("{field} is {days}, but {} accepts {least} to {most} days", limits.name));
    }
    let minimum = rules.guard.minimum_schedule_days;
    (days < minimum).then(|| {
        format!("{field} is {days}, but KeyProvider {} demands at least {minimum} days (deletionGuard.minimumScheduleDays)", rules.name)
    })
}

/// What is held: a deletion or, without days, disabling the key.
fn act(key: &Key, days: Option<i32>) -> String {
    days.map_or_else(|| format!("disabling key {}", key.id), |days| format!("deletion of key {} in {days} days", key.id))
}

/// The hold that never ends, because no word can be written any more.
#[must_use]
pub fn count_ended(key: &Key, days: Option<i32>) -> Hold {
    let way_out = days.map_or(
        "do it with the KMS's own tools",
        |_| "to keep the key, remove spec.deletionScheduleDays; to delete it, use the KMS's own tools",
    );
    let message = format!(
        "{} is held for ever: the sequence number in its mark keyward-intent, or in this object's status.intentSeq, is at \
         its end (2^53) or outside its bounds, so no word can follow it; somebody else wrote that number; {way_out}",
        act(key, days)
    );
    Hold { reason: Reason::RollbackSuspected, message, passes: false, used: None }
}

/// What is told of one reason.
#[derive(Debug)]
pub struct Sentence {
    /// The reason, for conditions.
    pub reason: Reason,
    /// What was seen.
    pub seen: &'static str,
    /// Whether a person can confirm, so that the deletion continues.
    pub confirmable: bool,
    /// Whether the hold ends by itself.
    pub passes: bool,
}

impl Sentence {
    const fn new(reason: Reason, seen: &'static str) -> Self {
        Self { reason, seen, confirmable: false, passes: false }
    }

    const fn confirmable(self) -> Self {
        Self { confirmable: true, ..self }
    }

    const fn passing(self) -> Self {
        Self { passes: true, ..self }
    }
}

/// What is told of each reason that [`RULES`](super::guard::RULES) and the edge have for a hold.
///
/// Three sentences are functions, because they name what is not the same for every object:
/// - [`in_use`] names the last use, the provider's days and the day on which the hold ends.
/// - `stopped_by` names the provider and its `maxPerHour`. It takes the place of the row's sentence while the provider is stopped.
/// - [`count_ended`] is about a number that has no successor. It has the reason of a row here, but no token can lift it.
pub const SENTENCES: &[Sentence] = &[
    Sentence::new(
        Reason::NotSeenLive,
        "the key's mark does not show that this object was without deletionScheduleDays while its key was alive, or this object took the \
         key up by its name less than a day ago; the field may come from a copied manifest",
    )
    .confirmable(),
    Sentence::new(Reason::RollbackSuspected, "the key's mark is newer than this object's status, so the object may come from a backup")
        .confirmable(),
    Sentence::new(Reason::CancelledOutside, "the deletion was cancelled, or the key changed, outside Keyward").confirmable(),
    Sentence::new(
        Reason::Interrupted,
        "Keyward was interrupted between its own calls for this deletion, so it cannot tell its own changes from those of others",
    )
    .confirmable(),
    Sentence::new(
        Reason::ConfirmationRequired,
        "the provider asks for a confirmation of every deletion, and before a key is disabled with its object",
    )
    .confirmable(),
    Sentence::new(Reason::NotOwned, "the key does not bear this object's marks"),
    Sentence::new(Reason::StaleObject, "the object changed while Keyward decided about the deletion; Keyward decides again").passing(),
    Sentence::new(Reason::StaleView, "the KMS answers from a copy that is older than maxStalenessSeconds, and its refresh did not finish")
        .passing(),
    Sentence::new(Reason::InvalidSpec, "the provider does not accept these days"),
    Sentence::new(Reason::KeyInUse, "the key was used within the days of the provider's deletionGuard.minimumIdleDays").passing(),
    Sentence::new(Reason::OtherFinalizers, "the object has a finalizer of somebody else, who may still need the key").passing(),
    Sentence::new(Reason::BudgetExhausted, "all deletions through the provider were stopped when this one was requested").confirmable(),
    Sentence::new(Reason::Terminating, "the namespace or the CRD is being deleted; Keyward then leaves keys as they are"),
];

/// What is told of a reason that no rule has.
const OTHER: Sentence = Sentence::new(Reason::StaleObject, "the guard holds it");

fn sentence(reason: Reason) -> &'static Sentence {
    SENTENCES.iter().find(|known| known.reason == reason).unwrap_or(&OTHER)
}

/// What was seen that holds a deletion.
#[must_use]
pub fn why(reason: Reason) -> &'static str {
    sentence(reason).seen
}

/// The hold of a deletion or, without days, of disabling the key: what was seen, how the key is now, and the command that continues.
#[must_use]
pub fn hold(desired: &Desired, rules: &Rules, key: &Key, days: Option<i32>, reason: Reason) -> Hold {
    let owner = &desired.owner;
    let &Sentence { seen, confirmable, passes, .. } = sentence(reason);
    let stopped = reason == Reason::BudgetExhausted && rules.is_stopped();
    // No token helps while everything is stopped.
    let confirmable = confirmable && !stopped;
    let seen = match reason {
        _ if stopped => stopped_by(rules),
        Reason::OtherFinalizers => format!("{seen}: {}; Keyward continues when it is gone", named(&desired.finalizers)),
        _ => seen.to_owned(),
    };
    let now = match key.intent() {
        _ if key.state == State::Disabled => "; the key is disabled now".to_owned(),
        IntentMark::Is(Intent { word: Word::Days(written), .. }) if key.state.is_pending() => {
            format!("; the deletion that was scheduled with {written} days stands")
        }
        _ if key.state.is_pending() => "; the deletion that was scheduled stands".to_owned(),
        _ => String::new(),
    };
    let keep = match desired.days() {
        Some(_) if confirmable && key.state.is_pending() => {
            "; to have other days, remove spec.deletionScheduleDays, which cancels the deletion, and set it again"
        }
        Some(_) if (confirmable || reason == Reason::BudgetExhausted) && key.state == State::Disabled && desired.wants_enabled() => {
            "; to keep the key and have it enabled, remove spec.deletionScheduleDays"
        }
        Some(_) if confirmable || reason == Reason::BudgetExhausted => "; to keep the key, remove spec.deletionScheduleDays",
        _ => "",
    };
    let policy = if keep.is_empty() { String::new() } else { format!("; {AT_THE_END}") };
    // A pending key takes no tags, so it cannot have the word that makes a token.
    let mark = key.intent();
    let token = if days.is_some() { mark.token(&key.id) } else { mark.token_to_disable(&key.id) };
    let token = token.filter(|_| confirmable);
    let go_on = token.map_or_else(String::new, |token| {
        format!(
            "{}; if the key is to be {}, run: kubectl annotate --overwrite --field-manager=keyward-cli -n {} managedkey {} {}={token}",
            not_the_token(desired, &token),
            if days.is_some() { "deleted" } else { "disabled" },
            owner.namespace,
            owner.name,
            annotation::CONFIRM_DELETION
        )
    });
    let resume = if stopped { resume(rules, key.state.is_pending()) } else { String::new() };
    Hold { reason, message: format!("{} is held: {seen}{now}{keep}{policy}{go_on}{resume}", act(key, days)), passes, used: None }
}

/// The first of these names, and how many more there are.
fn named(names: &[String]) -> String {
    const MOST: usize = 3;
    let first = names.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > MOST { format!("{first} and {} more", names.len() - MOST) } else { first }
}

/// The sentence of a deletion that is held because the key was used lately. It names days and not times, so that it does not change with every use.
#[must_use]
pub fn in_use(desired: &Desired, rules: &Rules, key: &Key, days: Option<i32>, last_use: LastUse) -> Hold {
    let Rules { name, guard, .. } = rules;
    let day = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
    let seen = match last_use {
        LastUse::At(used) => format!("the key was used on {}", day(used)),
        LastUse::Never | LastUse::Untold => "the key was used".to_owned(),
    };
    // Only the end date is needed. With the earliest `now`, it always lies ahead.
    let until = last_use.busy_until(guard.minimum_idle_days, Timestamp::MIN);
    let goes_on = until.map_or_else(String::new, |until| {
        let next = day(until).tomorrow().unwrap_or_else(|_| day(until));
        format!("; if nothing uses it until then, this goes on by itself by {next}")
    });
    let keep = match desired.days() {
        Some(_) => format!("; to keep the key, remove {DAYS_FIELD}; {AT_THE_END}"),
        None => String::new(),
    };
    let message = format!(
        "{} is held: {seen}, and KeyProvider {name} demands {} days without use (deletionGuard.minimumIdleDays){goes_on}{keep}; to have it sooner, ask \
         the administrator of the provider for fewer days",
        act(key, days),
        guard.minimum_idle_days
    );
    let used = if let LastUse::At(used) = last_use { Some(used) } else { None };
    Hold { reason: Reason::KeyInUse, message, passes: true, used }
}

/// Why all deletions through a provider are stopped.
fn stopped_by(Rules { name, guard, .. }: &Rules) -> String {
    match guard.max_per_hour {
        ..=0 => format!("all deletions through KeyProvider {name} are stopped, because its deletionGuard.maxPerHour is 0"),
        most => format!(
            "all deletions through KeyProvider {name} are stopped, because more than {most} were asked for within an hour \
             (deletionGuard.maxPerHour), or because that was 0"
        ),
    }
}

/// How deletions through a provider go on. There is no token for other days of a pending deletion.
fn resume(Rules { name, trip, guard, .. }: &Rules, pending: bool) -> String {
    let first = if guard.max_per_hour <= 0 { ", sets deletionGuard.maxPerHour above 0, and then runs" } else { " and runs" };
    let command = trip.as_ref().filter(|id| !id.is_empty()).map_or_else(
        || "the command in the condition DeletionsStopped of the provider".to_owned(),
        |id| format!("kubectl annotate --overwrite --field-manager=keyward-cli keyprovider {name} {}={id}", annotation::RESUME_DELETIONS),
    );
    let token = if pending { "" } else { "; this deletion needs its own token after that" };
    format!("; to resume them, an administrator looks at what is held{first}: {command}{token}")
}

/// What is told of a confirmation that is not the token.
fn not_the_token(desired: &Desired, token: &str) -> String {
    const LONGEST: usize = 80;
    desired.confirmation.as_deref().filter(|found| *found != token).map_or_else(String::new, |found| {
        let found: String = found.chars().take(LONGEST).collect();
        format!("; the annotation {} is {found:?}, which is not the token of this hold", annotation::CONFIRM_DELETION)
    })
}
