//! All deletions through a provider are stopped: what was asked for is held on the key, and does not go on by itself once they are resumed.
//!
//! Shows S1.

use jiff::Timestamp;
use serde_json::json;

use super::fixtures::{GENERATION, HELD, ID, NONCE, SEQ, Scene, backup, brief, note, now, ours, word};
use crate::{
    api::{
        ConditionType, KeyProvider, KeyProviderStatus, condition,
        key_provider::DeletionBook,
        managed_key::{DeletionCall, DeletionPolicy, HoldReason},
    },
    domain::{
        deletion::Word,
        desired::Life,
        observed::State,
        provider::{say_stopped, status, turned},
        release::{Release, release},
        rules::Rules,
        status::Conclusion,
        step::Step,
    },
};

const TRIP: &str = "abcdef";

/// Seen alive, then asked for.
fn asked() -> Scene {
    Scene::of(State::Enabled).with(|s| {
        s.desired.generation = GENERATION + 1;
        s.desired.life = Life::Scheduled(7);
    })
}

/// What the step that writes `held` leaves: the word on record, with its reason, and on the key.
fn held(mut scene: Scene) -> Scene {
    scene.intent(word(HELD));
    scene.memory.status.intent_reason = Some(HoldReason::BudgetExhausted);
    scene
}

fn stopped(scene: Scene) -> Scene {
    scene.with(|s| s.rules.trip = Some(TRIP.into()))
}

fn confirmed(scene: Scene) -> Scene {
    scene.with(|s| s.desired.confirmation = s.token())
}

#[test]
fn a_stop_is_said_on_the_key_and_needs_a_token_after_it_is_lifted() {
    let zero = |scene: Scene| scene.with(|s| s.rules.guard.max_per_hour = 0);
    let open = |scene: Scene| {
        scene.with(|s| s.memory.status.deletion = Some(ours(7, Some(DeletionCall::Open)))).with(|s| s.intent(word(Word::Days(7))))
    };
    let other_days = |scene: Scene| scene.with(|s| s.desired.life = Life::Scheduled(9)).with(|s| s.desired.generation += 1);
    for (name, scene, expected) in [
        ("nothing is stopped", asked(), "schedule the deletion in 7 days"),
        ("stopped: the word first", stopped(asked()), "mark the key held"),
        ("maxPerHour is 0: the word first", zero(asked()), "mark the key held"),
        ("a call of ours that was under way", open(asked()), "schedule the deletion in 7 days"),
        ("the same, stopped", stopped(open(asked())), "mark the key held"),
        ("held, stopped", stopped(held(asked())), "hold BudgetExhausted"),
        ("held, stopped, and confirmed", stopped(confirmed(held(asked()))), "hold BudgetExhausted"),
        ("another hold, confirmed before the stop", stopped(confirmed(asked().with(|s| s.intent(word(HELD))))), "mark the key held"),
        ("held, and lifted", held(asked()), "hold BudgetExhausted"),
        ("held, lifted and confirmed", confirmed(held(asked())), "schedule the deletion in 7 days"),
        ("held, lifted, and the wish is gone", held(Scene::of(State::Enabled)), "mark the key live"),
        ("a schedule that stands is left", stopped(Scene::scheduled(7)), "rest"),
        ("other days of one that stands", other_days(Scene::scheduled(7)), "change the scheduled deletion to 9 days"),
        ("the same, stopped", stopped(other_days(Scene::scheduled(7))), "hold BudgetExhausted"),
        ("a rescue is never stopped", stopped(Scene::scheduled(7)).with(|s| s.desired.life = Life::Live), "cancel the deletion"),
    ] {
        assert_eq!(brief(&scene.plan()), expected, "{name}");
    }
}

/// A pending key takes no tags, so no word says that other days were held. The status keeps it, and nothing but another wish ends it.
#[test]
fn other_days_that_a_stop_held_stay_held_when_it_is_lifted() {
    let asked = |scene: Scene, days| {
        scene.with(|s| {
            s.desired.life = Life::Scheduled(days);
            s.desired.generation += 1;
        })
    };
    // The round that holds them, and its status.
    let reported = |scene: Scene| {
        let plan = scene.plan();
        let status = crate::domain::status::status(&scene.memory, &scene.report(Conclusion::Planned(&plan)));
        scene.with(|s| s.memory.status = status)
    };
    let held = reported(stopped(asked(Scene::scheduled(14), 7)));
    let lifted = held.clone().with(|s| s.rules.trip = None);
    let (reason, told) = {
        let plan = lifted.plan();
        (brief(&plan), note(&plan).1.to_owned())
    };
    assert_eq!(reason, "hold BudgetExhausted");
    assert!(
        told.contains("remove spec.deletionScheduleDays, which cancels the deletion, and set it again")
            && !told.contains("confirm-deletion"),
        "{told}"
    );
    let stopped_now = note(&held.plan()).1.to_owned();
    assert!(stopped_now.contains("the other days have to be asked for again after that"), "{stopped_now}");
    for (name, scene, expected) in [
        ("another edit, and yet other days", asked(lifted.clone(), 9), "hold BudgetExhausted"),
        ("with a status of its own in between", reported(asked(lifted.clone(), 9)), "hold BudgetExhausted"),
        (
            "a text of the annotation confirms nothing",
            lifted.clone().with(|s| s.desired.confirmation = Some(ID.into())),
            "hold BudgetExhausted",
        ),
        ("the days that stand", asked(lifted.clone(), 14), "rest"),
        ("asked for anew after that", asked(reported(asked(lifted.clone(), 14)), 7), "change the scheduled deletion to 7 days"),
        ("the wish is gone", lifted.with(|s| s.desired.life = Life::Live), "cancel the deletion"),
    ] {
        assert_eq!(brief(&scene.plan()), expected, "{name}");
    }
}

#[test]
fn a_deleted_object_waits_for_its_token_too() {
    let goes = |policy: DeletionPolicy| {
        Scene::of(State::Enabled).with(|s| {
            s.desired.deletion_policy = policy;
            s.desired.generation += 1;
        })
    };
    let brief = |scene: &Scene| match release(&scene.situation(), &scene.observed) {
        Release::Destroy(destruction) => Step::Destroy(destruction).to_string(),
        Release::Say(say) => Step::<crate::domain::step::Destruction>::Mark { say }.to_string(),
        Release::Hold(hold) => format!("hold {}", hold.reason.as_str()),
        other => format!("{other:?}"),
    };
    for (policy, act) in [(DeletionPolicy::Delete, "schedule the deletion in 30 days"), (DeletionPolicy::Disable, "disable the key")] {
        let token = |scene: Scene| {
            scene.with(|s| s.desired.confirmation = if policy == DeletionPolicy::Delete { s.token() } else { s.token_to_disable() })
        };
        for (name, scene, expected) in [
            ("nothing is stopped", goes(policy), act),
            ("stopped: the word first", stopped(goes(policy)), "mark the key held"),
            ("held, stopped", stopped(held(goes(policy))), "hold BudgetExhausted"),
            ("held, stopped and confirmed", stopped(token(held(goes(policy)))), "hold BudgetExhausted"),
            ("held, and lifted", held(goes(policy)), "hold BudgetExhausted"),
            ("another hold, confirmed before the stop", stopped(token(goes(policy).with(|s| s.intent(word(HELD))))), "mark the key held"),
            (
                "kept by others too: the word all the same",
                stopped(goes(policy)).with(|s| s.desired.finalizers = vec![backup()]),
                "mark the key held",
            ),
            (
                "held, and its record is lost",
                held(goes(policy)).with(|s| {
                    let status = &mut s.memory.status;
                    (status.intent_seq, status.intent_word, status.intent_reason) = (None, None, None);
                }),
                "hold RollbackSuspected",
            ),
            ("held, lifted and confirmed", token(held(goes(policy))), act),
        ] {
            assert_eq!(brief(&scene), expected, "{policy:?}: {name}");
        }
    }
}

#[test]
fn the_sentence_names_the_command_of_whoever_can_go_on() {
    let said = |scene: &Scene| note(&scene.plan()).1.to_owned();
    let stopped_now = said(&stopped(held(asked())));
    assert!(
        stopped_now.contains("all deletions through KeyProvider aws are stopped")
            && stopped_now.contains(&format!("keyprovider aws keyward.dev/resume-deletions={TRIP}"))
            && stopped_now.contains("to keep the key, remove spec.deletionScheduleDays")
            && !stopped_now.contains("confirm-deletion"),
        "{stopped_now}"
    );
    let lifted = said(&held(asked()));
    assert!(
        lifted.contains(&format!("keyward.dev/confirm-deletion={ID}@{SEQ}-{NONCE}")) && !lifted.contains("resume-deletions"),
        "{lifted}"
    );
    let zero = said(&held(asked()).with(|s| s.rules.guard.max_per_hour = 0));
    assert!(zero.contains("maxPerHour is 0") && zero.contains("sets deletionGuard.maxPerHour above 0"), "{zero}");
}

fn provider(max_per_hour: i32, resume: Option<&str>, book: Option<&DeletionBook>) -> KeyProvider {
    let annotations = resume.map(|id| json!({ "keyward.dev/resume-deletions": id }));
    serde_json::from_value(json!({
        "apiVersion": "keyward.dev/v1alpha1", "kind": "KeyProvider",
        "metadata": { "name": "aws", "generation": 1, "annotations": annotations },
        "spec": { "type": "AWS", "aws": { "region": "eu-west-1" }, "namespaces": { "from": "All" }, "deletionGuard": { "maxPerHour": max_per_hour } },
        "status": { "deletions": book },
    }))
    .unwrap()
}

#[test]
fn a_provider_says_that_it_is_stopped_until_a_person_resumes() {
    let round = |max: i32, resume: Option<&str>, book: Option<&DeletionBook>, now: Timestamp| -> KeyProviderStatus {
        status(&provider(max, resume, book), Ok(()), None, now, TRIP)
    };
    let says = |status: &KeyProviderStatus| {
        condition::find(&status.conditions, ConditionType::DeletionsStopped).map(|found| found.message.clone())
    };
    let calm = round(10, None, None, now());
    assert_eq!((calm.deletions.clone(), says(&calm)), (None, None));
    let zero = round(0, None, None, now());
    assert!(says(&zero).unwrap().contains(&format!("keyprovider aws keyward.dev/resume-deletions={TRIP}")), "{zero:?}");
    let raised = round(10, None, zero.deletions.as_ref(), now());
    assert!(says(&raised).is_some(), "raising it resumes nothing");
    // Whoever wrote a status puts no words into the command that a person runs.
    let mut forged = raised.deletions.clone().unwrap();
    forged.tripped.as_mut().unwrap().id = "x; rm -rf /".into();
    let read = round(10, Some("x; rm -rf /"), Some(&forged), now());
    assert_eq!((read.deletions.clone(), says(&read)), (raised.deletions.clone(), says(&raised)));
    let rules = Rules::new("aws", &provider(10, None, Some(&forged)), "111122223333", "eu-west-1");
    let told = note(&held(asked()).with(|s| s.rules = rules).plan()).1.to_owned();
    assert!(!told.contains("rm -rf") && told.contains("the command in the condition DeletionsStopped"), "{told}");
    let resumed = round(10, Some(TRIP), raised.deletions.as_ref(), now());
    assert_eq!((resumed.deletions.clone(), says(&resumed)), (None, None));
}

#[test]
fn a_stop_and_its_end_are_an_event_each_and_once() {
    let mut known = provider(0, None, None);
    let mut round = |max: i32, resume: Option<&str>| {
        let book = known.status.as_ref().and_then(|status| status.deletions.clone());
        known = KeyProvider { status: known.status.clone(), ..provider(max, resume, book.as_ref()) };
        let after = status(&known, Ok(()), None, now(), TRIP);
        let event = turned(&known, &after);
        known.status = Some(after);
        event.map(|event| (event.reason, event.warning, event.note))
    };
    let (reason, warning, note) = round(0, None).unwrap();
    assert_eq!(
        (reason, warning, note.contains(&format!("keyward.dev/resume-deletions={TRIP}"))),
        ("DeletionsStopped", true, true),
        "{note}"
    );
    assert_eq!(round(0, None), None);
    assert_eq!(round(10, None), None, "raising it resumes nothing");
    let (reason, warning, note) = round(10, Some(TRIP)).unwrap();
    assert_eq!((reason, warning, note.contains("KeyProvider aws")), ("DeletionsResumed", false, true), "{note}");
    assert_eq!(round(10, Some(TRIP)), None);
}

/// The API server takes notes of 1024 characters.
#[test]
fn the_note_of_a_stop_has_the_whole_command_whatever_the_name() {
    let name = "n".repeat(253);
    for max in [0, 10] {
        let mut stopped = provider(max, None, None);
        stopped.metadata.name = Some(name.clone());
        let mut after = status(&provider(0, None, None), Ok(()), None, now(), &"i".repeat(36));
        say_stopped(&mut after, &stopped, now());
        let note = turned(&stopped, &after).unwrap().note;
        let command = format!("keyprovider {name} keyward.dev/resume-deletions={}", "i".repeat(36));
        assert!(note.len() <= 1024 && note.contains(&command), "{}: {note}", note.len());
    }
}
