//! What the conditions of a `KeyGrant` say after a round.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::{
    api::{ConditionType, KeyGrantStatus, Reason, condition},
    domain::{
        failure::{FailureKind, Verdict, is_no_news},
        plan::Note,
    },
    text::shown,
};

/// How a round ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// The grant exists as declared. `left`: what is still to be revoked, and why it is not.
    Granted {
        /// What the condition says.
        message: String,
        /// A grant on another key that could not be revoked yet.
        left: Option<Note>,
    },
    /// It differs, and is left so.
    Drifted(String),
    /// It is waited for.
    Waiting(Note),
    /// A person must act.
    Stalled(Note),
    /// Nothing is done.
    Paused(String),
    /// Nothing is known: the KMS could not be asked, or could not answer.
    Unheard(Note),
}

impl Conclusion {
    /// The conclusion from a failed call. `again`: when it is tried again, in words.
    #[must_use]
    pub fn failed(kind: FailureKind, message: &str, again: &str, waits: bool) -> Self {
        let Verdict { stalled, reason, retry: _ } = kind.verdict();
        let note = Note { reason, message: format!("{message}{again}") };
        match kind {
            // A principal of the grant. The reason of the verdict is about key policies.
            FailureKind::NewPrincipal if waits => Self::Waiting(Note { reason: Reason::GrantNotAccepted, ..note }),
            FailureKind::NewPrincipal => Self::Stalled(Note { reason: Reason::GrantNotAccepted, ..note }),
            _ if stalled => Self::Stalled(note),
            _ if is_no_news(reason, stalled) => Self::Unheard(note),
            _ => Self::Waiting(note),
        }
    }
}

/// What a round reports.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    /// Generation of the object.
    pub generation: i64,
    /// How the round ended.
    pub conclusion: &'a Conclusion,
    /// Whether the grant was seen recently enough that `Ready` may keep what it said then.
    pub word_stands: bool,
    /// The text with which a person asked for this round.
    pub requested: Option<&'a str>,
    /// The time.
    pub now: Timestamp,
}

/// Puts the conclusion into the status.
pub fn conclude(status: &mut KeyGrantStatus, report: &Report<'_>) {
    let Report { generation, conclusion, word_stands, requested, now } = *report;
    let conditions = &mut status.conditions;
    let mut set =
        |kind, is: condition::Status, reason, message: &str| condition::set(conditions, kind, is, reason, message, generation, now);
    let (no, yes) = (condition::Status::False, condition::Status::True);
    let mut present: Vec<ConditionType> = Vec::new();
    let mut reports = true;
    match conclusion {
        Conclusion::Granted { message, left } => {
            set(ConditionType::Ready, yes, Reason::Granted, message);
            match left {
                None => set(ConditionType::Synced, yes, Reason::Synced, "the grant is as declared"),
                Some(note) => set(ConditionType::Synced, no, note.reason, &note.message),
            }
        }
        Conclusion::Drifted(message) => {
            set(ConditionType::Ready, no, Reason::Drifted, message);
            set(ConditionType::Synced, no, Reason::Drifted, message);
            set(ConditionType::Drifted, yes, Reason::Drifted, message);
            set(ConditionType::Stalled, yes, Reason::Drifted, message);
            present.extend([ConditionType::Drifted, ConditionType::Stalled]);
        }
        Conclusion::Waiting(note) | Conclusion::Stalled(note) => {
            let kind = if matches!(conclusion, Conclusion::Stalled(_)) { ConditionType::Stalled } else { ConditionType::Reconciling };
            set(ConditionType::Ready, no, note.reason, &note.message);
            set(ConditionType::Synced, no, note.reason, &note.message);
            set(kind, yes, note.reason, &note.message);
            present.push(kind);
        }
        Conclusion::Paused(message) => {
            set(ConditionType::Synced, no, Reason::Paused, message);
            reports = false;
        }
        Conclusion::Unheard(note) => {
            set(ConditionType::Synced, no, note.reason, &note.message);
            set(ConditionType::Reconciling, yes, note.reason, &note.message);
            present.push(ConditionType::Reconciling);
            let known = condition::find(conditions, ConditionType::Ready).is_some();
            if !(known && word_stands) {
                let is = if known { condition::Status::Unknown } else { no };
                condition::set(conditions, ConditionType::Ready, is, note.reason, note.message.as_str(), generation, now);
            }
        }
    }
    // A paused object is left as it was, its request for a look included.
    if !reports {
        let ready = condition::find(conditions, ConditionType::Ready).is_some();
        if !ready && let Conclusion::Paused(message) = conclusion {
            condition::set(conditions, ConditionType::Ready, false, Reason::Paused, message.as_str(), generation, now);
        }
        return;
    }
    for kind in [ConditionType::Reconciling, ConditionType::Stalled, ConditionType::Drifted] {
        if !present.contains(&kind) {
            condition::remove(conditions, kind);
        }
    }
    status.observed_generation = Some(generation);
    if let Some(requested) = requested {
        status.last_handled_reconcile_at = Some(handled(requested));
    }
}

/// The value of a request for a look, as the status confirms it.
#[must_use]
pub fn handled(requested: &str) -> String {
    shown(requested).chars().take(1024).collect()
}

/// Whether a condition differs from what it was in status or reason.
#[must_use]
pub fn turned<'a>(before: &[Condition], after: &'a [Condition], kind: ConditionType) -> Option<&'a Condition> {
    let now = condition::find(after, kind)?;
    let was = condition::find(before, kind);
    was.is_none_or(|was| (&was.status, &was.reason) != (&now.status, &now.reason)).then_some(now)
}
