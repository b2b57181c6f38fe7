//! What becomes of the key when the object is deleted: the table, row by row.

use super::fixtures::{ACCOUNT, HELD, SEQ, Scene, backup, minutes, now, owner, word};
use crate::{
    api::{
        Reason,
        condition::seconds,
        managed_key::{DeletionPolicy, ManagementPolicy, Missing},
        mark,
    },
    domain::{
        deletion::Word,
        desired::Life,
        memory::{Attempt, Memory},
        observed::{Observed, Searched, State},
        ownership::{Owner, OwnerMark},
        release::{Circumstances, Release, first, release},
        step::{Destruction, Step},
    },
};

fn brief(release: &Release) -> String {
    match release {
        Release::LetGo => "let go".into(),
        Release::Read => "read".into(),
        Release::Say(say) => Step::<Destruction>::Mark { say: *say }.to_string(),
        Release::Destroy(destruction) => Step::Destroy(*destruction).to_string(),
        Release::Wait(note) => format!("wait {}", note.reason.as_str()),
        Release::Missing(missing, _) => format!("missing {}", missing.count),
        Release::Hold(hold) => format!("hold {}", hold.reason.as_str()),
    }
}

/// The object is being deleted, which counts as a new generation.
fn goes(policy: DeletionPolicy, state: State) -> Scene {
    Scene::of(state).with(|s| {
        s.desired.deletion_policy = policy;
        s.desired.generation += 1;
    })
}

const CALM: Circumstances = Circumstances { terminating: false, admitted: true };

/// Both stages, as the controller asks them.
fn ask(scene: &Scene, circumstances: Circumstances) -> Release {
    match first(&scene.desired, circumstances) {
        Release::Read => release(&scene.situation(), &scene.observed),
        decided => decided,
    }
}

fn check<const N: usize>(rows: [(&str, Scene, &str); N]) {
    for (name, scene, expected) in rows {
        let found = ask(&scene, CALM);
        assert_eq!(brief(&found), expected, "{name}");
        // A finalizer that stands for ever is its own harm.
        let message = match &found {
            Release::Wait(note) | Release::Missing(_, note) => &note.message,
            Release::Hold(hold) => &hold.message,
            _ => continue,
        };
        assert!(message.contains("deletionPolicy: Retain"), "{name}: {message}");
    }
}

#[test]
fn cases_in_which_the_kms_does_not_matter() {
    use DeletionPolicy::{Delete, Disable, Retain};
    for policy in [Retain, Disable, Delete] {
        for paused in [false, true] {
            for (terminating, admitted, observe) in
                [(false, true, false), (true, true, false), (false, false, false), (false, true, true), (true, false, true)]
            {
                let scene = goes(policy, State::Enabled).with(|s| {
                    s.desired.paused = paused;
                    s.desired.policy = if observe { ManagementPolicy::Observe } else { ManagementPolicy::Enforce };
                });
                let left = terminating || !admitted || observe || policy == Retain;
                let expected = if left { Release::LetGo } else { Release::Read };
                assert_eq!(first(&scene.desired, Circumstances { terminating, admitted }), expected, "{policy:?} {terminating} {admitted}");
            }
        }
    }
}

#[test]
fn every_policy_against_every_state() {
    use DeletionPolicy::{Delete, Disable, Retain};
    let rows = [
        (State::Creating, "wait Creating", "wait Creating"),
        (State::Enabled, "disable the key", "schedule the deletion in 30 days"),
        (State::Disabled, "let go", "mark the key held"),
        (State::PendingDeletion, "let go", "let go"),
        (State::PendingImport, "let go", "schedule the deletion in 30 days"),
        (State::PendingReplicaDeletion, "let go", "let go"),
        (State::Unavailable, "disable the key", "schedule the deletion in 30 days"),
        (State::Updating, "wait Updating", "wait Updating"),
    ];
    assert_eq!(rows.map(|row| row.0), State::ALL);
    for (state, disable, delete) in rows {
        for (policy, expected) in [(Retain, "let go"), (Disable, disable), (Delete, delete)] {
            let scene = goes(policy, state);
            assert_eq!(brief(&ask(&scene, CALM)), expected, "{policy:?} {state:?}");
            let paused = scene.with(|s| s.desired.paused = true);
            let expected = if expected == "let go" { expected } else { "wait Paused" };
            assert_eq!(brief(&ask(&paused, CALM)), expected, "{policy:?} {state:?}, paused");
        }
    }
}

#[test]
fn keys_that_are_not_this_objects() {
    let by = |owner: Owner| move |s: &mut Scene| s.tags().extend(owner.marks(word(Word::Live), OwnerMark::Name));
    let absent = |scene: Scene| scene.with(|s| s.observed = Observed::Absent(Searched::Reference));
    for policy in [DeletionPolicy::Disable, DeletionPolicy::Delete] {
        let goes = || goes(policy, State::Enabled);
        check([
            ("another UID", goes().with(by(Owner { uid: "u2".into(), ..owner() })), "let go"),
            ("another object", goes().with(by(Owner { name: "x".into(), ..owner() })), "let go"),
            ("another cluster", goes().with(by(Owner { cluster: "test".into(), ..owner() })), "let go"),
            ("marks gone", goes().with(|s| s.tags().clear()), "let go"),
            ("the UID alone gone", goes().with(|s| drop(s.tags().remove(mark::UID))), "let go"),
            ("marks not read", goes().with(|s| s.key().tags = None), "read"),
            (
                "bound by the marks, whatever status says",
                goes().with(|s| s.memory = Memory::default()).with(|s| s.desired.deletion_policy = DeletionPolicy::Disable),
                "disable the key",
            ),
            ("never bound", absent(goes()).with(|s| s.memory = Memory::default()), "let go"),
            (
                "never bound, an attempt open",
                absent(goes()).with(|s| s.memory = Memory { attempt: Some(Attempt::Unreadable), ..Memory::default() }),
                "let go",
            ),
            ("several keys, none of them the one", goes().with(|s| s.observed = Observed::Several(vec!["a".into(), "b".into()])), "let go"),
        ]);
    }
}

#[test]
fn a_key_that_is_gone_already() {
    let absent = |count: i32, ago: i64| {
        goes(DeletionPolicy::Delete, State::Enabled)
            .with(|s| s.observed = Observed::Absent(Searched::Reference))
            .with(|s| s.memory.status.missing = (count > 0).then(|| Missing { count, first_time: seconds(now() - minutes(ago)) }))
    };
    check([
        ("one answer proves nothing", absent(0, 0), "missing 1"),
        ("nor do two", absent(1, 3), "missing 2"),
        ("three do, over five minutes", absent(2, 5), "let go"),
        ("three do, paused or not", absent(2, 5).with(|s| s.desired.paused = true), "let go"),
        ("one answer proves nothing, paused or not", absent(0, 0).with(|s| s.desired.paused = true), "missing 1"),
        ("no answer from another account counts", absent(2, 5).with(|s| s.rules.account = format!("9{ACCOUNT}")), "wait WrongAccount"),
    ]);
}

/// Shows S1.
#[test]
fn deleting_the_object_requests_a_deletion_as_the_field_does() {
    let delete = |state| goes(DeletionPolicy::Delete, state);
    let days = |days: i32| move |s: &mut Scene| s.desired.life = Life::Scheduled(days);
    check([
        ("with its own days", delete(State::Enabled).with(days(9)), "schedule the deletion in 9 days"),
        ("disabled by us", delete(State::Disabled).with(|s| s.memory.status.applied.as_mut().unwrap().enabled = Some(false)), {
            "schedule the deletion in 30 days"
        }),
        ("held", delete(State::Enabled).with(|s| s.intent(word(HELD))), "hold NotSeenLive"),
        ("cancelled outside", delete(State::Enabled).with(|s| s.intent(word(Word::Days(7)))), "mark the key held"),
        ("behind the mark", delete(State::Enabled).with(|s| s.memory.status.intent_seq = Some(SEQ - 1)), "mark the key held"),
        ("status lost", delete(State::Enabled).with(|s| s.memory.status.intent_seq = None), "mark the key held"),
        (
            "confirmed",
            delete(State::Enabled).with(|s| s.intent(word(HELD))).with(|s| s.desired.confirmation = s.token()),
            "schedule the deletion in 30 days",
        ),
        ("days that AWS refuses", delete(State::Enabled).with(days(31)), "wait InvalidSpec"),
        (
            "days of the provider that AWS refuses",
            delete(State::Enabled).with(|s| s.rules.guard.object_deletion_days = 60),
            "wait InvalidSpec",
        ),
    ]);
    let Release::Wait(note) = ask(&delete(State::Enabled).with(|s| s.rules.guard.object_deletion_days = 60), CALM) else { panic!() };
    assert_eq!(note.reason, Reason::InvalidSpec);
    assert!(
        note.message.starts_with("deletionGuard.objectDeletionDays of the provider is 60, but AWS accepts 7 to 30 days"),
        "{}",
        note.message
    );
}

/// Where the provider demands a person's word, disabling a key with its object needs it as well: first the word `held`, then its token.
#[test]
fn a_disable_is_confirmed_where_the_provider_demands_it() {
    let strict = || {
        goes(DeletionPolicy::Disable, State::Enabled).with(|s| {
            s.rules.guard.require_confirmation = true;
            s.rules.guard.max_per_hour = 10;
        })
    };
    let held = || strict().with(|s| s.intent(word(HELD)));
    check([
        ("the word first", strict(), "mark the key held"),
        ("held", held(), "hold ConfirmationRequired"),
        ("with a token of another hold", held().with(|s| s.desired.confirmation = Some(format!("{ACCOUNT}@1-aaaaaa"))), {
            "hold ConfirmationRequired"
        }),
        ("with the token for a deletion", held().with(|s| s.desired.confirmation = s.token()), "hold ConfirmationRequired"),
        ("with its token", held().with(|s| s.desired.confirmation = s.token_to_disable()), "disable the key"),
        (
            "with its token, and now it is to be deleted",
            held().with(|s| s.desired.confirmation = s.token_to_disable()).with(|s| s.desired.deletion_policy = DeletionPolicy::Delete),
            "hold NotSeenLive",
        ),
        ("a key that is disabled already", strict().with(|s| s.key().state = State::Disabled), "let go"),
        ("no word can be written", strict().with(|s| s.memory.status.intent_seq = Some(i64::MAX)), "hold RollbackSuspected"),
    ]);
    let Release::Hold(told) = ask(&held(), CALM) else { panic!() };
    assert!(told.message.starts_with("disabling key ") && told.message.contains("if the key is to be disabled, run: "), "{}", told.message);
}

/// Shows S7.
#[test]
fn nothing_follows_from_an_old_copy() {
    let old = |policy, state| {
        goes(policy, state).with(|s| {
            s.rules.max_staleness = Some(minutes(10));
            s.key().age = Some(minutes(11));
        })
    };
    check([
        ("to be disabled", old(DeletionPolicy::Disable, State::Enabled), "wait StaleView"),
        ("to be scheduled", old(DeletionPolicy::Delete, State::Enabled), "wait StaleView"),
        // Writing the word is also a change, so it waits for a fresh copy.
        (
            "to be held",
            old(DeletionPolicy::Delete, State::Enabled).with(|s| {
                let written = word(Word::Days(7)).to_string();
                s.key().tags.get_or_insert_default().insert(mark::INTENT.into(), written);
            }),
            "wait StaleView",
        ),
        ("to be kept", old(DeletionPolicy::Retain, State::Enabled), "let go"),
    ]);
}

#[test]
fn a_key_is_left_while_others_keep_its_object() {
    let kept = |scene: Scene| scene.with(|s| s.desired.finalizers = vec![backup()]);
    check([
        ("to be disabled", kept(goes(DeletionPolicy::Disable, State::Enabled)), "hold OtherFinalizers"),
        ("to be scheduled", kept(goes(DeletionPolicy::Delete, State::Enabled)), "hold OtherFinalizers"),
        ("a word that waits to be said", kept(goes(DeletionPolicy::Delete, State::Enabled)).with(|s| s.intent(word(Word::Days(7)))), {
            "hold OtherFinalizers"
        }),
        ("nothing is asked of the key", kept(goes(DeletionPolicy::Retain, State::Enabled)), "let go"),
        ("it is pending already", kept(goes(DeletionPolicy::Delete, State::PendingDeletion)), "let go"),
        ("it is disabled already", kept(goes(DeletionPolicy::Disable, State::Disabled)), "let go"),
    ]);
    let Release::Hold(told) = ask(&kept(goes(DeletionPolicy::Delete, State::Enabled)), CALM) else { panic!() };
    assert!(told.passes && told.message.contains("shop.example/backup") && told.message.contains("in 30 days"), "{}", told.message);
}
