//! Each arrow in the diagram of [`deletion`](crate::domain::deletion), walked by the planner and the executor's order against a small KMS.
//!
//! The documentation's table of arrows is read here, so that neither can change alone.

use std::cmp::Ordering;

use super::{
    fixtures::{HELD, SEQ, Scene, days_on, minutes, word},
    model::{Crash, World, call},
};
use crate::{
    api::managed_key::{Deletion, DeletionCall, DeletionOrigin, KeyState},
    domain::{
        deletion::{IntentMark, Passed, Word},
        desired::Life,
        observed::{Searched, State},
        ownership::{Owner, OwnerMark, Ownership},
        plan::Plan,
        status::Conclusion,
        step::{Destruction, Step},
    },
};

const SCHEDULE: Step = Step::Destroy(Destruction::Schedule { days: 7, passed: Passed::Edge });

/// The state of the protocol, by the key and the record alone.
fn state(world: &World) -> &'static str {
    let status = &world.scene.memory.status;
    let Some(key) = &world.key else { return if status.key_state == Some(KeyState::Deleted) { "deleted" } else { "new" } };
    let is_ours = Ownership::of(key.tags.as_ref().unwrap(), &world.scene.desired.owner) == Ownership::Ours;
    let IntentMark::Is(mark) = key.intent() else { panic!("no mark: {key:?}") };
    let call = status.deletion.as_ref().and_then(|known| known.call);
    match (status.intent_seq.cmp(&Some(mark.seq)), mark.word, &status.deletion) {
        _ if !is_ours => "new",
        _ if call == Some(DeletionCall::Open) => "open",
        _ if call == Some(DeletionCall::Refused) => "refused",
        (Ordering::Equal, Word::Days(_), Some(Deletion { origin: DeletionOrigin::Keyward, .. })) if key.state.is_pending() => "pending",
        (Ordering::Less, ..) => "behind",
        (Ordering::Greater, ..) => "ahead",
        (Ordering::Equal, Word::Live, None) => "live",
        (Ordering::Equal, Word::Held(Some(_)), _) => "held",
        other => panic!("a state that the diagram does not have: {other:?}"),
    }
}

fn world(scene: Scene) -> World {
    World { thorough: true, ..World::new(scene) }
}

fn new() -> World {
    world(Scene::unbound(Searched::Reference))
}

fn live() -> World {
    world(Scene::of(State::Enabled))
}

fn held() -> World {
    world(Scene::of(State::Enabled).with(|s| {
        s.intent(word(HELD));
        s.desired.life = Life::Scheduled(7);
    }))
}

fn open() -> World {
    let mut world = live();
    ask(&mut world, 7);
    ends(&mut world, Crash::AfterMark);
    world
}

fn refused() -> World {
    let mut world = open();
    refuse(&mut world);
    world
}

fn pending() -> World {
    world(Scene::scheduled(7))
}

fn ahead() -> World {
    let mut world = live();
    hold_without_mark(&mut world);
    world
}

fn behind() -> World {
    let mut world = live();
    restore(&mut world);
    world
}

/// An earlier object of the same name had the key, and this one is made with the field.
fn bind_with_the_field(world: &mut World) {
    let earlier = Owner { uid: "u0".into(), ..world.scene.desired.owner.clone() };
    let scene = Scene::finds(State::Enabled).with(|s| {
        s.key().tags = Some(earlier.marks(word(Word::Live), OwnerMark::Name));
        s.desired.life = Life::Scheduled(7);
    });
    *world = self::world(scene);
    assert_eq!(state(world), "new");
    settle(world);
}

fn ask(world: &mut World, days: i32) {
    world.scene.desired.life = Life::Scheduled(days);
    world.scene.desired.generation += 1;
}

fn withdraw(world: &mut World) {
    world.scene.desired.life = Life::Live;
    world.scene.desired.generation += 1;
    settle(world);
}

fn settle(world: &mut World) {
    let _story = world.settle();
}

/// The next step ends there.
fn ends(world: &mut World, crash: Crash) {
    match world.decide() {
        Plan::Do(step) => world.execute_until(&step, crash),
        other => panic!("no step: {other:?}"),
    }
}

fn refuse(world: &mut World) {
    world.scene.memory.refused(world.key.as_ref().unwrap(), world.scene.now);
}

fn takes_effect(world: &mut World) {
    call(world.key.as_mut().unwrap(), &SCHEDULE).unwrap();
}

fn look(world: &mut World) {
    let plan = world.decide();
    world.report(Conclusion::Planned(&plan));
}

fn hold_without_mark(world: &mut World) {
    world.key.as_mut().unwrap().state = State::Disabled;
    ask(world, 7);
    ends(world, Crash::MarkRefused);
}

fn restore(world: &mut World) {
    world.scene.memory.status.intent_seq = Some(SEQ - 1);
}

type Arrow = (&'static str, fn() -> World, fn(&mut World));

const ARROWS: [Arrow; 21] = [
    ("created", new, settle),
    ("bound with the field", new, bind_with_the_field),
    ("asked", live, |w| {
        ask(w, 7);
        ends(w, Crash::AfterMark);
    }),
    ("changed outside", live, |w| {
        w.key.as_mut().unwrap().state = State::Disabled;
        ask(w, 7);
        settle(w);
    }),
    ("answered", open, |w| {
        takes_effect(w);
        w.scene.memory.close(&SCHEDULE, &w.scene.desired);
    }),
    ("found pending", open, |w| {
        takes_effect(w);
        assert_eq!(state(w), "open", "nobody looked yet");
        look(w);
    }),
    ("refused", open, refuse),
    ("sent again", refused, |w| ends(w, Crash::AfterMark)),
    ("other days", pending, |w| {
        ask(w, 9);
        ends(w, Crash::AfterStatus);
    }),
    ("withdrawn", pending, withdraw),
    ("withdrawn in time", open, withdraw),
    ("cancelled outside", pending, |w| {
        call(w.key.as_mut().unwrap(), &Step::Cancel).unwrap();
        settle(w);
    }),
    ("interrupted", open, |w| {
        w.scene.now += minutes(16);
        settle(w);
    }),
    ("confirmed", held, |w| {
        let key = w.key.as_ref().unwrap();
        w.scene.desired.confirmation = key.intent().token(&key.id);
        ends(w, Crash::AfterMark);
    }),
    ("hold ended", held, withdraw),
    ("gone", pending, |w| {
        (w.key, w.scene.now) = (None, days_on(8));
        for _ in 0..3 {
            look(w);
            w.scene.now += minutes(6);
        }
    }),
    ("mark refused", live, hold_without_mark),
    ("mark written", ahead, settle),
    ("status restored", live, restore),
    ("not trusted", behind, |w| {
        ask(w, 7);
        settle(w);
    }),
    ("said again", behind, settle),
];

/// The diagram, and its table of arrows: number, name, from, to.
fn documented() -> (String, Vec<[String; 4]>) {
    let text = include_str!("../deletion/mod.rs");
    let diagram = text.split("```").nth(1).unwrap().to_owned();
    let rows = text.lines().filter_map(|line| line.strip_prefix("//! | "));
    let cells = rows.map(|row| row.split(" | ").map(str::to_owned).collect::<Vec<_>>());
    let arrows = cells.filter(|cells| cells[0].parse::<u32>().is_ok());
    (diagram, arrows.map(|cells| cells[..4].to_vec().try_into().unwrap()).collect())
}

#[test]
fn every_arrow_of_the_diagram_leads_where_it_says() {
    let (_, documented) = documented();
    let names: Vec<_> = documented.iter().map(|[_, name, ..]| name.as_str()).collect();
    assert_eq!(names, ARROWS.map(|(name, ..)| name), "the table in src/domain/deletion/mod.rs has the same arrows in the same order");
    for ([_, _, from, to], (name, start, act)) in documented.iter().zip(ARROWS) {
        let mut world = start();
        assert_eq!(state(&world), from, "{name} begins there");
        act(&mut world);
        assert_eq!(state(&world), to, "{name} leads there");
    }
}

#[test]
fn the_diagram_draws_every_arrow_of_its_table_once() {
    let (diagram, documented) = documented();
    let mut drawn: Vec<u32> = diagram.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect();
    drawn.sort_unstable();
    let numbers: Vec<u32> = documented.iter().map(|[number, ..]| number.parse().unwrap()).collect();
    assert_eq!(drawn, numbers);
    for state in documented.iter().flat_map(|[_, _, from, to]| [from, to]) {
        assert!(diagram.contains(state.as_str()), "{state} is drawn");
    }
}
