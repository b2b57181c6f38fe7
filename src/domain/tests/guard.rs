//! The guard: each rule alone holds a deletion. If no rule holds, it passes.

use super::fixtures::{GENERATION, HELD, ID, NONCE, SEQ, Scene, backup, minutes, now, ours, owner, word};
use crate::{
    api::{Reason, condition::seconds, managed_key::DeletionCall, mark},
    domain::{
        deletion::{
            LastUse, Passed, Word,
            budget::{self, Answer},
            guard::{Checked, Evidence, RULES, check},
            hold::{Hold, hold},
        },
        desired::Life,
        observed::State,
        ownership::{Owner, OwnerMark},
        step::Destruction,
    },
};

fn schedule(days: i32) -> Destruction {
    Destruction::Schedule { days, passed: Passed::Edge }
}

/// A case: the scene, and what else was read.
struct Case {
    scene: Scene,
    requested: Destruction,
    still_asked: bool,
    last_use: LastUse,
    terminating: bool,
}

impl Case {
    fn evidence<R>(&mut self, use_it: impl FnOnce(&Evidence<'_>) -> R) -> R {
        let key = self.scene.key().clone();
        use_it(&Evidence {
            requested: self.requested,
            desired: &self.scene.desired,
            memory: &self.scene.memory,
            still_asked: self.still_asked,
            rules: &self.scene.rules,
            key: &key,
            last_use: self.last_use,
            terminating: self.terminating,
            now: self.scene.now,
        })
    }

    fn check(&mut self) -> Result<Checked, Hold> {
        self.evidence(check)
    }
}

/// A deletion that nothing speaks against: seen alive, then asked for, with the token that a strict provider wants.
fn clean() -> Case {
    let scene = Scene::of(State::Enabled).with(|s| {
        s.desired.generation = GENERATION + 1;
        s.desired.life = Life::Scheduled(7);
    });
    Case { scene, requested: schedule(7), still_asked: true, last_use: LastUse::Untold, terminating: false }
}

#[test]
fn nothing_speaks_against_a_clean_deletion() {
    assert_eq!(clean().check().map(drop), Ok(()));
    let mut strict = clean();
    strict.scene.rules.guard.require_confirmation = true;
    strict.scene.intent(word(HELD));
    strict.scene.desired.confirmation = strict.scene.token();
    assert_eq!(strict.check().map(drop), Ok(()));
    let mut disable = Case { requested: Destruction::Disable, ..clean() };
    assert_eq!(disable.check().map(drop), Ok(()));
}

/// Shows S1.
#[test]
fn each_rule_alone_holds() {
    type Spoil = fn(&mut Case);
    let rows: &[(&str, Spoil, Reason)] = &[
        ("nothing is destroyed because a namespace or the CRD goes", |c| c.terminating = true, Reason::Terminating),
        ("the key bears this object's marks", |c| drop(c.scene.tags().insert(mark::UID.into(), "u2".into())), Reason::NotOwned),
        (
            "what the KMS says of the key is new enough",
            |c| {
                c.scene.rules.max_staleness = Some(minutes(10));
                c.scene.key().age = Some(minutes(11));
            },
            Reason::StaleView,
        ),
        ("the live object still asks for exactly this", |c| c.still_asked = false, Reason::StaleObject),
        ("the object has no finalizer of others", |c| c.scene.desired.finalizers = vec![backup()], Reason::OtherFinalizers),
        ("the window is one that the provider accepts", |c| c.requested = schedule(31), Reason::InvalidSpec),
        ("the marks saw the key alive before the object asked", |c| c.scene.intent(word(HELD)), Reason::NotSeenLive),
        ("the key was not used lately", |c| c.last_use = LastUse::At(now() - minutes(60)), Reason::KeyInUse),
        ("the provider is not stopped", |c| c.scene.rules.guard.max_per_hour = 0, Reason::BudgetExhausted),
        (
            "a person confirmed, where the provider demands it",
            |c| c.scene.rules.guard.require_confirmation = true,
            Reason::ConfirmationRequired,
        ),
    ];
    assert_eq!(rows.iter().map(|row| row.0).collect::<Vec<_>>(), RULES.iter().map(|rule| rule.0).collect::<Vec<_>>());
    for (at, (name, spoil, reason)) in rows.iter().enumerate() {
        let mut case = clean();
        spoil(&mut case);
        let hold = case.check().unwrap_err();
        assert_eq!(hold.reason, *reason, "{name}");
        assert!(hold.message.contains("is held: ") && !hold.message.contains("the guard holds it"), "{name}: {}", hold.message);
        assert_eq!(
            hold.passes,
            matches!(reason, Reason::StaleObject | Reason::StaleView | Reason::OtherFinalizers | Reason::KeyInUse),
            "{name}"
        );
        for (other, (_, rule)) in RULES.iter().enumerate() {
            assert_eq!(case.evidence(rule).is_some(), other == at, "{name}: {}", RULES[other].0);
        }
        // Whatever else is wrong, an earlier rule is the one that is reported.
        for (_, spoil_too, _) in &rows[at + 1..] {
            let mut both = clean();
            spoil_too(&mut both);
            spoil(&mut both);
            assert_eq!(both.check().unwrap_err().reason, *reason, "{name}");
        }
    }
}

/// The record has an open call with its word. The key still has the word `live`.
fn opened_in_the_status_alone(c: &mut Case) {
    let status = &mut c.scene.memory.status;
    status.deletion = Some(ours(7, Some(DeletionCall::Open)));
    (status.intent_seq, status.intent_word) = (Some(SEQ + 1), Some("7".into()));
    c.requested = Destruction::Schedule { days: 7, passed: Passed::OpenCall };
}

/// Shows S1.
#[test]
fn each_rule_case_by_case() {
    type Change = fn(&mut Case);
    let rows: &[(&str, Change, Option<Reason>)] = &[
        ("marks that were not read", |c| c.scene.key().tags = None, Some(Reason::NotOwned)),
        ("no marks", |c| c.scene.tags().clear(), Some(Reason::NotOwned)),
        (
            "another cluster's",
            |c| {
                let other = Owner { cluster: "test".into(), ..owner() };
                c.scene.tags().extend(other.marks(word(Word::Live), OwnerMark::Name));
            },
            Some(Reason::NotOwned),
        ),
        ("6 days", |c| c.requested = schedule(6), Some(Reason::InvalidSpec)),
        ("0 days", |c| c.requested = schedule(0), Some(Reason::InvalidSpec)),
        ("30 days", |c| c.requested = schedule(30), None),
        ("below the provider's minimum", |c| c.scene.rules.guard.minimum_schedule_days = 8, Some(Reason::InvalidSpec)),
        ("this object is behind", |c| c.scene.memory.status.intent_seq = Some(SEQ - 1), Some(Reason::RollbackSuspected)),
        ("disabled by someone", |c| c.scene.key().state = State::Disabled, Some(Reason::CancelledOutside)),
        ("cancelled outside, not yet said", |c| c.scene.intent(word(Word::Days(7))), Some(Reason::CancelledOutside)),
        (
            "the token lifts the edge",
            |c| {
                c.scene.intent(word(HELD));
                c.scene.desired.confirmation = c.scene.token();
            },
            None,
        ),
        ("used before the days that the provider demands", |c| c.last_use = LastUse::At(now() - minutes(7 * 24 * 60)), None),
        ("never used", |c| c.last_use = LastUse::Never, None),
        (
            "used lately, and the provider demands no days",
            |c| (c.last_use, c.scene.rules.guard.minimum_idle_days) = (LastUse::At(now()), 0),
            None,
        ),
        (
            "used lately, and another hold was confirmed",
            |c| {
                c.last_use = LastUse::At(now());
                c.scene.intent(word(HELD));
                c.scene.desired.confirmation = c.scene.token();
            },
            Some(Reason::KeyInUse),
        ),
        (
            "used before a call of ours that is open",
            |c| {
                c.last_use = LastUse::At(now());
                c.scene.intent(word(Word::Days(7)));
                c.scene.memory.status.deletion = Some(ours(7, Some(DeletionCall::Open)));
            },
            None,
        ),
        (
            "to disable a key that was used lately",
            |c| (c.requested, c.last_use) = (Destruction::Disable, LastUse::At(now())),
            Some(Reason::KeyInUse),
        ),
        (
            "the token does not lift NotOwned",
            |c| {
                c.scene.desired.confirmation = c.scene.token();
                c.scene.tags().insert(mark::UID.into(), "u2".into());
            },
            Some(Reason::NotOwned),
        ),
        (
            "the token does not lift StaleObject",
            |c| {
                c.scene.desired.confirmation = c.scene.token();
                c.still_asked = false;
            },
            Some(Reason::StaleObject),
        ),
        (
            "a token for another word, where one is demanded",
            |c| {
                c.scene.rules.guard.require_confirmation = true;
                c.scene.desired.confirmation = Some(format!("{ID}@{}", SEQ - 1));
            },
            Some(Reason::ConfirmationRequired),
        ),
        (
            "a call that was confirmed and is open",
            |c| {
                c.scene.rules.guard.require_confirmation = true;
                c.scene.intent(word(Word::Days(7)));
                c.scene.memory.status.deletion = Some(ours(7, Some(DeletionCall::Open)));
            },
            None,
        ),
        (
            "a call that was opened, and never marked, is not confirmed by that",
            |c| {
                c.scene.rules.guard.require_confirmation = true;
                c.scene.memory.status.deletion = Some(ours(7, Some(DeletionCall::Open)));
                c.scene.memory.status.deletion.as_mut().unwrap().requested_time = Some(seconds(now() - minutes(5000)));
            },
            Some(Reason::ConfirmationRequired),
        ),
        (
            "a call that the status alone says is open is not confirmed by that",
            |c| {
                c.scene.rules.guard.require_confirmation = true;
                opened_in_the_status_alone(c);
            },
            Some(Reason::ConfirmationRequired),
        ),
        (
            "a key used lately, and a call that the status alone says is open",
            |c| {
                c.last_use = LastUse::At(now());
                opened_in_the_status_alone(c);
            },
            Some(Reason::KeyInUse),
        ),
        ("a call of ours that was interrupted before its mark", opened_in_the_status_alone, None),
        ("to disable, marks are needed", |c| (c.requested, c.scene.key().tags) = (Destruction::Disable, None), Some(Reason::NotOwned)),
        (
            "to disable, the object has to be gone",
            |c| (c.requested, c.still_asked) = (Destruction::Disable, false),
            Some(Reason::StaleObject),
        ),
        ("to disable in a namespace that goes", |c| (c.requested, c.terminating) = (Destruction::Disable, true), Some(Reason::Terminating)),
        (
            "to disable, no edge",
            |c| {
                c.requested = Destruction::Disable;
                c.scene.intent(word(HELD));
            },
            None,
        ),
        (
            "to disable, the token where one is demanded",
            |c| {
                c.requested = Destruction::Disable;
                c.scene.rules.guard.require_confirmation = true;
                c.scene.intent(word(HELD));
            },
            Some(Reason::ConfirmationRequired),
        ),
        (
            "to disable, with the token that is demanded",
            |c| {
                c.requested = Destruction::Disable;
                c.scene.rules.guard.require_confirmation = true;
                c.scene.intent(word(HELD));
                c.scene.desired.confirmation = c.scene.token_to_disable();
            },
            None,
        ),
        (
            "to disable, with the token for a deletion",
            |c| {
                c.requested = Destruction::Disable;
                c.scene.rules.guard.require_confirmation = true;
                c.scene.intent(word(HELD));
                c.scene.desired.confirmation = c.scene.token();
            },
            Some(Reason::ConfirmationRequired),
        ),
        (
            "to delete, with the token for a disabling",
            |c| {
                c.scene.rules.guard.require_confirmation = true;
                c.scene.intent(word(HELD));
                c.scene.desired.confirmation = c.scene.token_to_disable();
            },
            Some(Reason::NotSeenLive),
        ),
        (
            "to disable, through a provider that is stopped",
            |c| (c.requested, c.scene.rules.guard.max_per_hour) = (Destruction::Disable, 0),
            Some(Reason::BudgetExhausted),
        ),
        ("through a provider whose budget was exceeded", |c| c.scene.rules.trip = Some("abcdef".into()), Some(Reason::BudgetExhausted)),
        (
            "the token does not lift BudgetExhausted",
            |c| {
                c.scene.rules.trip = Some("abcdef".into());
                c.scene.intent(word(HELD));
                c.scene.desired.confirmation = c.scene.token();
            },
            Some(Reason::BudgetExhausted),
        ),
    ];
    for (name, change, expected) in rows {
        let mut case = clean();
        change(&mut case);
        assert_eq!(case.check().err().map(|hold| hold.reason), *expected, "{name}");
    }
}

#[test]
fn a_hold_shows_the_token_only_where_it_helps() {
    for (reason, helps) in [
        (Reason::NotSeenLive, true),
        (Reason::RollbackSuspected, true),
        (Reason::CancelledOutside, true),
        (Reason::ConfirmationRequired, true),
        (Reason::NotOwned, false),
        (Reason::StaleObject, false),
        (Reason::Terminating, false),
    ] {
        let mut case = clean();
        case.scene.intent(word(HELD));
        let key = case.scene.key().clone();
        let hold = hold(&case.scene.desired, &case.scene.rules, &key, Some(7), reason);
        assert_eq!(hold.message.contains(&format!("{ID}@{SEQ}-{NONCE}")), helps, "{reason:?}");
    }
}

#[test]
fn what_is_checked_is_cleared_by_the_entry_of_its_own_key_alone() {
    let booked = |key: &str| {
        let Answer::Room(entry) = budget::check(None, 10, key, now(), "abcdef") else { panic!("the book is empty") };
        let stored = entry.book().clone();
        entry.written(Some(&stored)).unwrap()
    };
    let checked = || clean().check().unwrap();
    assert_eq!(checked().counted(&booked("another")), None);
    let id = checked().key_id().to_owned();
    assert_eq!(checked().counted(&booked(&id)).map(|cleared| cleared.destruction()), Some(schedule(7)));
}

#[test]
fn a_hold_for_a_use_names_the_day_on_which_it_passes() {
    let mut case = clean();
    case.last_use = LastUse::At("2026-11-20T23:59:00Z".parse().unwrap());
    let hold = case.check().unwrap_err();
    assert!(
        hold.message.contains("the key was used on 2026-11-20, and KeyProvider aws demands 7 days without use")
            && hold.message.contains("by 2026-11-28"),
        "{}",
        hold.message
    );
}
