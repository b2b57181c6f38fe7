//! What is told of a held deletion: the reason, what was seen, and the command that continues it.
//!
//! A new reason needs a row in [`SENTENCES`], and a rule in [`RULES`](super::guard::RULES) or an answer of `edge`.

use jiff::{Timestamp, tz::TimeZone};

use super::{Intent, IntentMark, LastUse, Word};
use crate::{
    api::{Reason, annotation},
    domain::{
        command,
        desired::{Desired, Finalizer},
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

/// The field of the provider with the days for an object that is deleted, as messages name it.
pub const OBJECT_DAYS_FIELD: &str = "deletionGuard.objectDeletionDays of the provider";

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
pub fn count_ended(desired: &Desired, key: &Key, days: Option<i32>) -> Hold {
    let way_out = if days.is_some() && desired.days().is_some() {
        let keep = command::patch(&desired.owner, r#"{"deletionScheduleDays":0}"#);
        format!("to keep the key, remove {DAYS_FIELD}: {keep}; to delete it, use the KMS's own tools")
    } else {
        "do it with the KMS's own tools".into()
    };
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
    /// How it goes on.
    pub next: GoesOn,
}

/// How a held deletion goes on. Every hold says a command that people can run, or that nothing has to be typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoesOn {
    /// A person confirms with the token, which the message has in a command.
    Token,
    /// It ends by itself. The sentence says so, and when Keyward looks again.
    Passes(&'static str),
    /// It ends by itself, or after the command in the message. The sentence says when Keyward looks again.
    PassesOr(&'static str),
    /// The next read decides anew. The sentence says so, and the message has the command that makes it read at once.
    Look(&'static str),
    /// After the command in the message, which the sentence names.
    Command(&'static str),
    /// It does not, and nobody has to do anything. The sentence says so.
    Nothing(&'static str),
}

impl GoesOn {
    /// Whether a person can confirm, so that the deletion continues.
    #[must_use]
    pub const fn is_confirmable(self) -> bool {
        matches!(self, Self::Token)
    }

    /// Whether the hold ends by itself.
    #[must_use]
    pub const fn passes(self) -> bool {
        matches!(self, Self::Passes(_) | Self::PassesOr(_))
    }

    /// How it goes on, in words.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Token => "a person confirms with the token",
            Self::Passes(sentence)
            | Self::PassesOr(sentence)
            | Self::Look(sentence)
            | Self::Command(sentence)
            | Self::Nothing(sentence) => sentence,
        }
    }
}

/// What is told of each reason that [`RULES`](super::guard::RULES) and the edge have for a hold.
///
/// These sentences are functions, because they name what is not the same for every object:
/// - [`in_use`] names the last use, the provider's days and the day on which the hold ends.
/// - `stopped_by` names the provider and its `maxPerHour`. It takes the place of the row's sentence while the provider is stopped.
/// - [`days_refused`] names the days that the provider accepts.
/// - [`count_ended`] is about a number that has no successor. It has the reason of a row here, but no token can lift it.
pub const SENTENCES: &[Sentence] = &[
    Sentence {
        reason: Reason::NotSeenLive,
        seen: "the key's mark does not show that this object was without deletionScheduleDays while its key was alive, or this object took \
               the key up by its name less than a day ago; the field may come from a copied manifest",
        next: GoesOn::Token,
    },
    Sentence {
        reason: Reason::RollbackSuspected,
        seen: "the key's mark is newer than this object's status, so the object may come from a backup",
        next: GoesOn::Token,
    },
    Sentence {
        reason: Reason::CancelledOutside,
        seen: "the deletion was cancelled, or the key changed, outside Keyward",
        next: GoesOn::Token,
    },
    Sentence {
        reason: Reason::Interrupted,
        seen: "Keyward was interrupted between its own calls for this deletion, so it cannot tell its own changes from those of others",
        next: GoesOn::Token,
    },
    Sentence {
        reason: Reason::ConfirmationRequired,
        seen: "the provider asks for a confirmation of every deletion, and before a key is disabled with its object",
        next: GoesOn::Token,
    },
    Sentence {
        reason: Reason::NotOwned,
        seen: "the key does not bear this object's marks",
        next: GoesOn::Look("nothing has to be typed: Keyward reads the marks again at the next read, and then says whose the key is"),
    },
    Sentence {
        reason: Reason::StaleObject,
        seen: "the object changed while Keyward decided about the deletion",
        next: GoesOn::Passes("nothing has to be typed: Keyward decides again in about 10 seconds"),
    },
    Sentence {
        reason: Reason::StaleView,
        seen: "the KMS answers from a copy that is older than maxStalenessSeconds, and its refresh did not finish",
        next: GoesOn::Passes("nothing has to be typed: Keyward asks for a refresh again in about 10 seconds"),
    },
    Sentence {
        reason: Reason::InvalidSpec,
        seen: "the provider does not accept these days",
        next: GoesOn::Command("a person sets days that the provider accepts"),
    },
    Sentence {
        reason: Reason::KeyInUse,
        seen: "the key was used within the days of the provider's deletionGuard.minimumIdleDays",
        next: GoesOn::PassesOr("nothing has to be typed: Keyward asks again at each read, which is every resyncSeconds of the provider"),
    },
    Sentence {
        reason: Reason::OtherFinalizers,
        seen: "the object has a finalizer of somebody else, who may still need the key",
        next: GoesOn::PassesOr("nothing has to be typed: Keyward continues when it is gone"),
    },
    Sentence {
        reason: Reason::BudgetExhausted,
        seen: "all deletions through the provider were stopped when this one was requested",
        next: GoesOn::Token,
    },
    Sentence {
        reason: Reason::Terminating,
        seen: "the namespace or the CRD is being deleted",
        next: GoesOn::Nothing("nothing has to be typed: Keyward leaves the key as it is, and lets the object go"),
    },
];

/// What is told of a reason that no rule has.
const OTHER: Sentence = Sentence {
    reason: Reason::StaleObject,
    seen: "the guard holds it",
    next: GoesOn::Look("nothing has to be typed: Keyward decides again at the next read"),
};

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
    let &Sentence { seen, next, .. } = sentence(reason);
    let stopped = reason == Reason::BudgetExhausted && rules.is_stopped();
    // No token helps while everything is stopped.
    let confirmable = next.is_confirmable() && !stopped;
    let seen = match reason {
        _ if stopped => stopped_by(rules),
        Reason::OtherFinalizers => format!("{seen}: {}", named(&desired.finalizers)),
        Reason::InvalidSpec => days_told(desired, days, rules).unwrap_or_else(|| seen.to_owned()),
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
    // A pending key has no token, so the whole way is a command.
    let again = match (desired.days(), confirmable && key.state.is_pending()) {
        (Some(days), true) => {
            let [cancel, ask] = [0, days].map(|days| command::patch(owner, &format!("{{\"deletionScheduleDays\":{days}}}")));
            format!(": {cancel}; and, when the key is enabled again: {ask}")
        }
        _ => String::new(),
    };
    let policy = if keep.is_empty() { String::new() } else { format!("; {AT_THE_END}") };
    // A pending key takes no tags, so it cannot have the word that makes a token.
    let mark = key.intent();
    let token = if days.is_some() { mark.token(&key.id) } else { mark.token_to_disable(&key.id) };
    let token = token.filter(|_| confirmable);
    let go_on = token.map_or_else(String::new, |token| {
        format!(
            "{}; if the key is to be {}, run: {}",
            not_the_token(desired, &token),
            if days.is_some() { "deleted" } else { "disabled" },
            command::annotate(owner, annotation::CONFIRM_DELETION, &token)
        )
    });
    let resume = if stopped { resume(rules, key.state.is_pending()) } else { String::new() };
    let next = next_step(desired, rules, days, reason, next);
    let message = format!("{} is held: {seen}{now}{keep}{again}{policy}{go_on}{resume}{next}", act(key, days));
    Hold { reason, message, passes: sentence(reason).next.passes(), used: None }
}

/// How a hold goes on that no token lifts.
fn next_step(desired: &Desired, rules: &Rules, days: Option<i32>, reason: Reason, next: GoesOn) -> String {
    let owner = &desired.owner;
    match next {
        GoesOn::Token => String::new(),
        GoesOn::Look(sentence) => format!("; {sentence}; to have it read at once, run: {}", command::look(owner)),
        GoesOn::PassesOr(sentence) if reason == Reason::OtherFinalizers => {
            let first = desired.finalizers.iter().find(|finalizer| is_plain(&finalizer.name));
            let remove = first.map(|finalizer| command::remove_finalizer(owner, finalizer.at, &finalizer.name));
            let remove = remove.map_or_else(String::new, |command| format!("; if nobody is left who removes it, run: {command}"));
            format!("; {sentence}{remove}")
        }
        GoesOn::Passes(sentence) | GoesOn::PassesOr(sentence) | GoesOn::Nothing(sentence) => format!("; {sentence}"),
        GoesOn::Command(_) => {
            let (least, most) = rules.window();
            let accepted = days.unwrap_or(least).clamp(least, most.max(least));
            let command = if desired.days().is_some() {
                command::patch(owner, &format!("{{\"deletionScheduleDays\":{accepted}}}"))
            } else {
                command::patch_provider(&rules.name, &format!("{{\"deletionGuard\":{{\"objectDeletionDays\":{accepted}}}}}"))
            };
            format!("; to have {accepted} days, run: {command}")
        }
    }
}

/// The first of these names, and how many more there are.
fn named(finalizers: &[Finalizer]) -> String {
    const MOST: usize = 3;
    let first = finalizers.iter().take(MOST).map(|finalizer| &*finalizer.name).collect::<Vec<_>>().join(", ");
    if finalizers.len() > MOST { format!("{first} and {} more", finalizers.len() - MOST) } else { first }
}

/// Whether the name of a finalizer is one that the API server accepts, so that it may stand in a command.
fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/'))
}

/// Which days the provider accepts, and where the days come from that it does not accept.
fn days_told(desired: &Desired, days: Option<i32>, rules: &Rules) -> Option<String> {
    let field = if desired.days().is_some() { DAYS_FIELD } else { OBJECT_DAYS_FIELD };
    days_refused(field, days?, rules)
}

/// The sentence of a deletion that is held because the key was used lately. It names days and not times, so that it does not change with every use.
#[must_use]
pub fn in_use(desired: &Desired, rules: &Rules, key: &Key, days: Option<i32>, last_use: LastUse) -> Hold {
    let Rules { name, guard, .. } = rules;
    let day = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
    let seen = match last_use {
        LastUse::At(used) => format!("the key was used on {}", day(used)),
        LastUse::Never | LastUse::Untold | LastUse::NotAsked => "the key was used".to_owned(),
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
    let sooner = command::patch_provider(name, r#"{"deletionGuard":{"minimumIdleDays":0}}"#);
    let message = format!(
        "{} is held: {seen}, and KeyProvider {name} demands {most} days without use (deletionGuard.minimumIdleDays); {}{goes_on}{keep}; to have it sooner, \
         the administrator of the provider demands no days for a while: {sooner}; and demands {most} again after that",
        act(key, days),
        sentence(Reason::KeyInUse).next.sentence(),
        most = guard.minimum_idle_days
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

/// How deletions through a provider go on. There is no token for other days of a pending deletion, because a pending key takes no tags.
fn resume(Rules { name, trip, guard, .. }: &Rules, pending: bool) -> String {
    let first = if guard.max_per_hour <= 0 {
        let raise = command::patch_provider(name, r#"{"deletionGuard":{"maxPerHour":10}}"#);
        format!(", sets deletionGuard.maxPerHour above 0 ({raise}), and then runs")
    } else {
        " and runs".into()
    };
    let command = trip.as_ref().filter(|id| !id.is_empty()).map_or_else(
        || format!("the command in the condition DeletionsStopped of the provider, which this shows: kubectl describe keyprovider {name}"),
        |id| command::annotate_provider(name, annotation::RESUME_DELETIONS, id),
    );
    let token =
        if pending { "; the other days have to be asked for again after that" } else { "; this deletion needs its own token after that" };
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
