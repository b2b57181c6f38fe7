//! What an object knows of a key that it finds and that is not on record.

use super::fixtures::{HELD, ID, Scene, now};
use crate::{
    api::{
        ConditionType, ManagedKey, ManagedKeySpec, ManagedKeyStatus, Reason,
        condition::{self, seconds},
        managed_key::{Applied, CreateAttempt},
    },
    domain::{
        deletion::{Intent, Word},
        memory::{Attempt, Memory},
        observed::State,
        ownership::Tags,
        step::How,
    },
};

/// A key as `CreateKey` made it, for an object with nothing on record.
fn made() -> Scene {
    Scene::finds(State::Enabled).with(|s| {
        s.desired.tags = Tags::from([("team".into(), "shop".into())]);
        marked(s, 1, Word::Live);
    })
}

/// That word is on the key, and the object announced none.
fn marked(scene: &mut Scene, seq: i64, word: Word) {
    scene.intent(Intent { seq, generation: 1, word });
    scene.memory.status.intent_seq = None;
}

#[test]
fn conditions_of_others_are_not_remembered() {
    let mut object = ManagedKey::new("orders", ManagedKeySpec::default());
    let mut status = ManagedKeyStatus::default();
    condition::set(&mut status.conditions, ConditionType::Ready, true, Reason::Available, "the key is enabled", 1, now());
    let mut foreign = status.conditions.clone();
    for known in &mut foreign {
        known.type_ = "Foreign".into();
    }
    object.status = Some(ManagedKeyStatus { conditions: [foreign, status.conditions.clone()].concat(), ..status.clone() });
    assert_eq!(Memory::of(&object).status, status);
}

fn attempted(mut scene: Scene) -> Scene {
    scene.memory.attempt = Some(Attempt::Unreadable);
    scene
}

fn open() -> CreateAttempt {
    CreateAttempt { id: "a".into(), account: "111122223333".into(), region: "eu-west-1".into(), endpoint: None, time: seconds(now()) }
}

/// A key that a person or another object created says nothing about this object's own creation.
#[test]
fn an_object_that_takes_another_key_ends_its_own_creation() {
    for (how, ends) in [(How::Create, false), (How::TakeUp, true), (How::Adopt, true)] {
        let mut scene = made();
        scene.memory.status.create_attempt = Some(open());
        let key = scene.key().clone();
        scene.memory.name_key(&key, how);
        assert_eq!((scene.memory.open_attempt().is_none(), scene.memory.reference()), (ends, Some(&*key.arn)), "{how:?}");
        assert!(!scene.memory.is_bound(), "its marks were not seen");
    }
}

#[test]
fn an_open_creation_is_inherited_where_it_was_begun() {
    let elsewhere = CreateAttempt { account: "444455556666".into(), ..open() };
    let nowhere = CreateAttempt { region: "eu-north-1".into(), ..open() };
    for (attempt, inherits) in [(Some(open()), true), (Some(elsewhere), false), (Some(nowhere), false), (None, false)] {
        let mut scene = made();
        scene.memory.inherit(attempt.clone(), &scene.rules);
        assert_eq!(scene.memory.open_attempt().is_some(), inherits, "{attempt:?}");
    }
}

#[test]
fn a_creation_that_was_not_recorded_to_its_end_is_recalled() {
    let told = |s: &mut Scene| {
        condition::set(&mut s.memory.status.conditions, ConditionType::Ready, false, Reason::ProviderNotFound, "no provider", 1, now());
    };
    let bound_late = |s: &mut Scene| marked(s, 1_795_773_646, Word::Live);
    for (what, scene, expected) in [
        ("made, and nothing told", made(), true),
        ("made, and something told before", made().with(told), true),
        ("made, and an attempt open", attempted(made()), true),
        ("made, and an attempt open in the status", made().with(|s| s.memory.status.create_attempt = Some(open())), true),
        ("marked after it was made, an attempt open", attempted(made().with(bound_late)), true),
        ("marked after it was made, no attempt", made().with(bound_late), false),
        ("written to before: its status was wiped", made().with(|s| s.memory.status.key_id = Some(ID.into())), false),
        ("the object has a word on record", made().with(|s| s.memory.status.intent_seq = Some(1)), false),
        ("the key has a later word", made().with(|s| marked(s, 2, Word::Live)), false),
        ("the key has another word", made().with(|s| marked(s, 1, HELD)), false),
        ("disabled since", made().with(|s| s.key().state = State::Disabled), false),
        ("on record", attempted(made()).with(|s| s.memory.status.applied = Some(Applied::default())), false),
    ] {
        let mut scene = scene;
        let (key, desired) = (scene.key().clone(), scene.desired.clone());
        let before = scene.memory.clone();
        assert_eq!(scene.memory.recall_creation(&key, &desired), expected, "{what}");
        if expected {
            let applied = scene.memory.status.applied.clone().unwrap();
            assert_eq!((applied.generation, applied.enabled, applied.tag_keys), (0, Some(true), vec!["team".to_owned()]), "{what}");
            assert_eq!(scene.memory.status.intent_seq, before.status.intent_seq, "{what}: no word was written");
        } else {
            assert_eq!(scene.memory, before, "{what}");
        }
    }
}
