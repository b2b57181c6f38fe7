//! From every small state, the declared state is reached in at most twelve steps, and stays: every key, every memory, every spec.
//!
//! Shows L1 and L2.

use super::{
    fixtures::{GENERATION, HELD, SEQ, Scene, admitting, brief, days_on, external, key, ours, owner},
    model::World,
};
use crate::{
    api::{
        Reason,
        condition::seconds,
        managed_key::{Applied, DeletionCall, ManagementPolicy},
        mark,
    },
    domain::{
        deletion::{Intent, Word},
        desired::{Life, WantedRotation},
        memory::Memory,
        observed::{Observed, Rotation, State},
        ownership::{Owner, OwnerMark},
        plan::{Plan, Rest},
    },
};

/// Whose marks are on the key.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Marks {
    Ours,
    None,
    Earlier,
    Other,
}

/// What the object remembers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Remembers {
    Nothing,
    AllButStatus,
    Bound,
    Behind,
    Ahead,
    DisabledByUs,
    OpenCall,
    Schedule,
    AnothersSchedule,
}

const MARKS: [Marks; 4] = [Marks::Ours, Marks::None, Marks::Earlier, Marks::Other];
const REMEMBERS: [Remembers; 9] = [
    Remembers::Nothing,
    Remembers::AllButStatus,
    Remembers::Bound,
    Remembers::Behind,
    Remembers::Ahead,
    Remembers::DisabledByUs,
    Remembers::OpenCall,
    Remembers::Schedule,
    Remembers::AnothersSchedule,
];
const POLICIES: [ManagementPolicy; 3] = [ManagementPolicy::Enforce, ManagementPolicy::EnforceOnChange, ManagementPolicy::Observe];
const WISHES: [(Life, Option<bool>); 5] =
    [(Life::Live, None), (Life::Live, Some(true)), (Life::Live, Some(false)), (Life::Scheduled(7), None), (Life::Scheduled(9), None)];

fn remember(scene: &mut Scene, how: Remembers) {
    let memory = &mut scene.memory;
    let status = &mut memory.status;
    match how {
        Remembers::Nothing => *memory = Memory::default(),
        Remembers::AllButStatus => *memory = Memory { key: memory.key.clone(), ..Memory::default() },
        Remembers::Bound => {}
        Remembers::Behind => status.intent_seq = Some(SEQ - 1),
        Remembers::Ahead => status.intent_seq = Some(SEQ + 1),
        Remembers::DisabledByUs => status.applied.as_mut().unwrap().enabled = Some(false),
        Remembers::OpenCall => {
            status.deletion = Some(ours(7, Some(DeletionCall::Open)));
            // A call that took effect was opened while the key was alive.
            status.key_state = status.key_state.filter(|state| state.as_str() != "PendingDeletion").or(Some(State::Enabled.into()));
        }
        Remembers::Schedule => {
            status.key_state = Some(State::PendingDeletion.into());
            status.deletion_date = Some(seconds(days_on(7)));
            status.deletion = Some(ours(7, None));
            status.applied = Some(Applied { deletion_schedule_days: Some(7), ..status.applied.clone().unwrap() });
        }
        Remembers::AnothersSchedule => {
            status.key_state = Some(State::PendingDeletion.into());
            status.deletion_date = Some(seconds(days_on(7)));
            status.deletion = Some(external());
        }
    }
}

fn scenes(state: State, marks: Marks, policy: ManagementPolicy) -> Vec<(String, Scene)> {
    let words: &[Option<Word>] = match marks {
        Marks::None => &[None],
        Marks::Other => &[Some(Word::Live)],
        _ => &[None, Some(Word::Live), Some(HELD), Some(Word::Days(7)), Some(Word::Days(9))],
    };
    let mut all = Vec::new();
    for word in words {
        for how in REMEMBERS {
            for (life, enabled) in WISHES {
                for (generation, settings, admits) in
                    [(GENERATION, false, false), (GENERATION + 1, true, false), (GENERATION + 1, false, true)]
                {
                    let mut scene = Scene::of(state);
                    scene.desired.policy = policy;
                    // A key of another kind than is created without a word has to be declared.
                    scene.desired.kind = Some(scene.key().kind.clone());
                    (scene.desired.life, scene.desired.enabled, scene.desired.generation) = (life, enabled, generation);
                    let by = match marks {
                        Marks::Ours | Marks::None => owner(),
                        Marks::Earlier => Owner { uid: "u0".into(), ..owner() },
                        Marks::Other => Owner { name: "other".into(), uid: "u9".into(), ..owner() },
                    };
                    let tags = by.marks(Intent { seq: SEQ, generation: GENERATION, word: Word::Live }, OwnerMark::Name);
                    *scene.tags() = if marks == Marks::None { Default::default() } else { tags };
                    match word {
                        Some(word) => drop(
                            scene.tags().insert(mark::INTENT.into(), Intent { seq: SEQ, generation: GENERATION, word: *word }.to_string()),
                        ),
                        None => drop(scene.tags().remove(mark::INTENT)),
                    }
                    remember(&mut scene, how);
                    if settings {
                        scene.desired.tags.insert("team".into(), "shop".into());
                        scene.desired.aliases.insert("alias/orders".into());
                        scene.desired.description = Some("order signing".into());
                        if scene.key().kind.origin == "AWS_KMS" {
                            scene.desired.rotation = Some(WantedRotation::On(Some(100)));
                        }
                    }
                    if admits {
                        scene.rules.adoption = admitting();
                        // This is on the key and is not declared.
                        scene.desired.rotation = Some(WantedRotation::Off);
                        if scene.key().rotation.is_some() {
                            scene.key().rotation = Some(Rotation { enabled: true, period_days: Some(365), ..Rotation::default() });
                        }
                    }
                    let name = format!(
                        "{state:?}, marks {marks:?} {word:?}, remembers {how:?}, {policy:?}, {life:?} {enabled:?}, generation {generation}, settings {settings}, admits {admits}"
                    );
                    all.push((name, scene));
                }
            }
        }
    }
    all
}

/// Whether the end is the declared state, or another end that the reference names.
fn is_an_end(plan: &Plan, world: &World) -> bool {
    let desired = &world.scene.desired;
    let key = world.key.as_ref().unwrap();
    let pending = key.state.is_pending();
    match plan {
        Plan::Rest(Rest { life_drifted: true, .. }) => desired.policy != ManagementPolicy::Enforce,
        Plan::Rest(Rest { drift, .. }) if !drift.is_empty() && desired.policy == ManagementPolicy::Enforce => false,
        Plan::Rest(rest) if desired.life != Life::Live => pending && rest.drift.is_empty(),
        Plan::Rest(rest) => {
            // Enforce applies everything that a disabled key does not refuse.
            let settled = desired.policy != ManagementPolicy::Enforce
                || desired.tags.iter().all(|(name, value)| key.tags.as_ref().unwrap().get(name) == Some(value))
                    && desired.aliases.iter().all(|alias| key.aliases.as_ref().unwrap().contains(alias))
                    && desired.description.as_ref().is_none_or(|text| Some(text) == key.description.as_ref())
                    && (rest.waits.is_some()
                        || key
                            .rotation
                            .is_none_or(|found| desired.rotation.is_none_or(|wanted| found.enabled == (wanted != WantedRotation::Off))));
            let enabled = match key.state {
                State::Enabled => desired.wants_enabled() || desired.policy != ManagementPolicy::Enforce && desired.enabled.is_none(),
                State::Disabled => {
                    desired.enabled != Some(true) && (desired.enabled == Some(false) || desired.policy == ManagementPolicy::Observe)
                }
                State::PendingImport | State::Unavailable => !desired.wants_enabled(),
                _ => false,
            };
            settled && enabled
        }
        Plan::Wait(note) => matches!((key.state, note.reason), (State::Creating, Reason::Creating) | (State::Updating, Reason::Updating)),
        Plan::Hold(_) => desired.life != Life::Live && desired.policy != ManagementPolicy::Observe,
        Plan::Stall(note) => match note.reason {
            Reason::PendingImport => key.state == State::PendingImport && desired.wants_enabled(),
            Reason::KeyUnavailable => key.state == State::Unavailable && desired.wants_enabled(),
            Reason::OwnedByAnother => key.tags.as_ref().unwrap().get(mark::UID).is_some_and(|uid| *uid != desired.owner.uid),
            Reason::ClaimUnclear | Reason::AdoptionNotAllowed => !key.tags.as_ref().unwrap().contains_key(mark::UID),
            _ => false,
        },
        Plan::Do(_) | Plan::Read(_) | Plan::Missing(..) => false,
    }
}

#[test]
fn from_every_small_state_the_declared_one_is_reached_and_stays() {
    let mut count = 0;
    let mut longest = 0;
    for state in State::ALL {
        for marks in MARKS {
            for policy in POLICIES {
                for (name, scene) in scenes(state, marks, policy) {
                    let mut world = World::new(scene);
                    world.thorough = true;
                    let before = world.key.clone();
                    let story = world.settle();
                    longest = longest.max(story.len() - 1);
                    let end = world.decide();
                    assert_eq!(Some(&brief(&end)), story.last(), "it does not stay: {name}\n{story:?}");
                    assert!(is_an_end(&end, &world), "no end: {name}\n{story:?}\n{end:?}\n{:?}", world.key);
                    let cancels = story.iter().filter(|step| step.starts_with("cancel")).count();
                    assert!(cancels == 0 || world.scene.desired.life == Life::Live, "cancelled what is declared: {name}");
                    if policy == ManagementPolicy::Observe || marks == Marks::Other {
                        assert_eq!(world.key, before, "changed: {name}\n{story:?}");
                    }
                    if !before.unwrap().state.is_pending() && world.key.as_ref().unwrap().state.is_pending() {
                        assert_eq!(marks, Marks::Ours, "scheduled without a word of its own: {name}");
                    }
                    count += 1;
                }
            }
        }
    }
    assert_eq!(count, 8 * 3 * (2 * 5 + 2) * 9 * 5 * 3);
    assert!(longest >= 7, "the longest story has {longest} steps: the states are too small");
}

#[test]
fn without_a_key_the_declared_state_is_reached_too() {
    use crate::domain::observed::Searched;
    for policy in POLICIES {
        for (life, enabled) in WISHES {
            for how in [Remembers::Nothing, Remembers::AllButStatus, Remembers::Bound] {
                let mut scene = Scene::unbound(Searched::Reference);
                scene.memory = super::fixtures::memory();
                remember(&mut scene, how);
                (scene.desired.policy, scene.desired.life, scene.desired.enabled) = (policy, life, enabled);
                let mut world = World::new(scene);
                let story = world.settle();
                let created = story.iter().any(|step| step == "create the key");
                let may = how == Remembers::Nothing && policy != ManagementPolicy::Observe && life == Life::Live;
                assert_eq!(created, may, "{policy:?} {life:?} {how:?}: {story:?}");
                if created {
                    let end = world.decide();
                    assert!(is_an_end(&end, &world), "{policy:?} {life:?}: {end:?}");
                    let disabled = State::Disabled == world.key.as_ref().unwrap().state;
                    assert_eq!(disabled, enabled == Some(false), "{story:?}");
                }
                assert!(matches!(world.scene.observed, Observed::Absent(_)) != created);
            }
        }
    }
    assert_eq!(key(State::Enabled).state, State::Enabled);
}
