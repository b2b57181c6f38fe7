//! The protocol under everything that others, restores and crashes can do: an exhaustive walk, with the history as a witness.
//!
//! The witness keeps its own account of who saw what and who asked for what. It never asks the edge, the marks' numbers or the status whether a
//! deletion is right; it only remembers what happened.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use super::{
    fixtures::{Scene, brief, minutes},
    model::{Crash, World, call, destroys},
};
use crate::{
    api::{condition::seconds, managed_key::ManagementPolicy, mark},
    domain::{
        deletion::{IntentMark, Passed, Word},
        desired::{Desired, Life},
        failure::{Failure, FailureKind, Outcome},
        memory::Memory,
        observed::{Searched, State},
        ownership::Tags,
        plan::Plan,
        status::Conclusion,
        step::{Destruction, Step},
    },
};

/// What happened that decides whether a deletion may be scheduled.
#[derive(Clone, Copy, Debug, Default, Hash, PartialEq)]
struct Witness {
    /// This object was seen without the field and with its key alive, and nothing happened since that makes this void.
    alive: bool,
    /// A person confirmed this deletion with the token that was shown.
    confirmed: bool,
    /// Somebody cancelled a deletion, and this could be known.
    cancelled: bool,
    /// The pending deletion was reported by a read.
    pending_reported: bool,
    /// The state of the key when it was last looked at, or after the last step.
    known: Option<State>,
    /// The pending deletion is this object's own.
    scheduled_by_us: bool,
    /// Our call may have been sent, and nobody looked since. A deletion that is pending then is taken for ours, because nobody can know that it is another's.
    unseen: bool,
    /// The object had a key.
    ever_bound: bool,
    /// Which word is on the key, of all words that were ever announced or written by others.
    on_key: u8,
    /// Which word the object announced last.
    announced: u8,
    /// A deletion was rightly asked for, and the KMS refused a part of it for certain, so it may be sent again.
    granted: bool,
}

/// What a restore brings back.
#[derive(Clone, Debug)]
struct Saved {
    desired: Desired,
    memory: Memory,
    /// The tags of the key, as a tool for tags keeps them.
    tags: Tags,
    witness: Witness,
}

/// What others do, and what goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    Request(i32),
    Withdraw,
    Confirm,
    OutsideSchedule,
    OutsideCancel,
    OutsideEnable,
    OutsideDisable,
    WipeMarks,
    WipeIntent,
    Steal,
    EndCount,
    Save,
    Restore,
    RestoreTags,
    ForgeRecord,
    Recreate,
    LoseStatus,
    Wait,
    FailedLook,
    Crash(Crash),
}

const ACTS: [Act; 26] = [
    Act::Request(7),
    Act::Request(9),
    Act::Withdraw,
    Act::Confirm,
    Act::OutsideSchedule,
    Act::OutsideCancel,
    Act::OutsideEnable,
    Act::OutsideDisable,
    Act::WipeMarks,
    Act::WipeIntent,
    Act::Steal,
    Act::EndCount,
    Act::Save,
    Act::Restore,
    Act::RestoreTags,
    Act::ForgeRecord,
    Act::Recreate,
    Act::LoseStatus,
    Act::Wait,
    Act::FailedLook,
    Act::Crash(Crash::AfterStatus),
    Act::Crash(Crash::AfterCancel),
    Act::Crash(Crash::AfterMark),
    Act::Crash(Crash::BeforeClose),
    Act::Crash(Crash::MarkRefused),
    Act::Crash(Crash::CallRefused),
];

fn throttled() -> Failure {
    Failure { kind: FailureKind::Throttled, operation: "TagResource", message: "slow down".into(), outcome: Outcome::Refused, source: None }
}

#[derive(Clone, Debug)]
struct Run {
    world: World,
    /// Counts the words that were announced, or written by others.
    words: u8,
    saved: Option<Box<Saved>>,
    witness: Witness,
    story: Vec<String>,
}

impl Run {
    fn new(policy: ManagementPolicy, enabled: Option<bool>) -> Self {
        let scene = Scene::unbound(Searched::Reference).with(|s| (s.desired.policy, s.desired.enabled) = (policy, enabled));
        let mut world = World::new(scene);
        world.thorough = true;
        Self { world, words: 0, saved: None, witness: Witness::default(), story: Vec::new() }
    }

    fn life(&self) -> Life {
        self.world.scene.desired.life
    }

    fn state(&self) -> Option<State> {
        self.world.key.as_ref().map(|key| key.state)
    }

    fn is_pending(&self) -> bool {
        self.state().is_some_and(State::is_pending)
    }

    fn uid(&self) -> Option<&str> {
        self.world.key.as_ref()?.tags.as_ref()?.get(mark::UID).map(String::as_str)
    }

    fn is_ours(&self) -> bool {
        self.uid() == Some(&self.world.scene.desired.owner.uid)
    }

    fn fail(&self, what: &str) -> ! {
        panic!("{what}\n{}\n{:#?}\n{:#?}", self.story.join("\n"), self.witness, self.world.scene.memory.status)
    }

    /// What the object sees before it does anything.
    fn sees(&mut self) {
        if self.life() == Life::Live && self.is_ours() && !self.is_pending() {
            (self.witness.alive, self.witness.cancelled) = (true, false);
        }
    }

    /// Fails if what happened does not allow this step.
    fn judge(&self, step: &Step) {
        let policy = self.world.scene.desired.policy;
        if policy == ManagementPolicy::Observe {
            self.fail("a change under Observe");
        }
        if *step == Step::Create && (self.witness.ever_bound || self.world.key.is_some()) {
            self.fail("a second key");
        }
        let bound = self.world.scene.memory.is_bound();
        let takes = matches!(step, Step::Bind { .. } | Step::Cancel | Step::Create);
        if !self.is_ours() && (bound && self.uid().is_some() || !takes) {
            self.fail("another's key is changed");
        }
        match *step {
            Step::Cancel if self.life() != Life::Live => self.fail("a deletion that is declared is cancelled"),
            Step::Destroy(Destruction::Schedule { days, passed } | Destruction::Reschedule { days, passed }) => {
                if self.life() != Life::Scheduled(days) {
                    self.fail("other days than declared");
                }
                let changes_ours = matches!(step, Step::Destroy(Destruction::Reschedule { .. })) && self.witness.scheduled_by_us;
                if !self.witness.alive && !self.witness.confirmed && !self.witness.granted && !changes_ours {
                    self.fail("a deletion that nobody asked for of a key seen alive");
                }
                if self.witness.cancelled {
                    self.fail("a deletion over someone's cancel");
                }
                if passed == Passed::ChangedDays && !self.witness.scheduled_by_us {
                    self.fail("another's schedule is changed");
                }
            }
            _ => {}
        }
    }

    /// One step of the operator, or its report if there is none. Returns the plan.
    fn operate(&mut self, crash: Crash) -> Plan {
        let plan = self.world.decide();
        self.story.push(format!("  {} {crash:?}", brief(&plan)));
        self.sees();
        let Plan::Do(step) = &plan else {
            if crash == Crash::Never {
                self.world.report(Conclusion::Planned(&plan));
                self.reported();
            }
            return plan;
        };
        self.judge(step);
        self.witness.unseen = false;
        let (before, said) = (self.world.key.clone(), self.world.scene.memory.status.intent_seq);
        let granted = self.witness.alive || self.witness.confirmed || self.witness.granted || self.witness.scheduled_by_us;
        self.world.execute_until(step, crash);
        let refused = matches!(crash, Crash::MarkRefused | Crash::CallRefused);
        self.witness.granted = destroys(step) && refused && granted;
        if self.world.scene.memory.status.intent_seq != said || *step == Step::Create {
            self.words += 1;
            self.witness.announced = self.words;
        }
        let key = self.world.key.as_ref();
        if key.and_then(|key| key.tags.as_ref()) != before.as_ref().and_then(|key| key.tags.as_ref()) {
            self.witness.on_key = self.witness.announced;
            self.witness.confirmed &= destroys(step);
        }
        self.witness.ever_bound |= self.is_ours();
        self.witness.unseen = destroys(step) && crash == Crash::AfterMark;
        // If the reply of a schedule was not seen, the known state is the one before it.
        if refused || crash == Crash::Never && !destroys(step) {
            self.witness.known = self.state();
        } else if crash != Crash::AfterStatus {
            self.witness.known = before.as_ref().map(|key| key.state);
        }
        // A key that was bound just now was seen just before.
        self.sees();
        if refused {
            self.world.report(Conclusion::Failed(&throttled()));
            self.witness.scheduled_by_us &= self.is_pending();
            self.witness.pending_reported &= self.is_pending();
        } else if destroys(step) && self.is_pending() && crash != Crash::AfterStatus {
            (self.witness.scheduled_by_us, self.witness.pending_reported, self.witness.confirmed) = (true, false, false);
        }
        self.forget_what_the_protocol_does_not_read();
        plan
    }

    fn reported(&mut self) {
        self.witness.known = self.state();
        self.witness.unseen = false;
        self.witness.pending_reported |= self.is_pending();
        self.forget_what_the_protocol_does_not_read();
    }

    fn forget_what_the_protocol_does_not_read(&mut self) {
        let status = &mut self.world.scene.memory.status;
        status.conditions.clear();
        (status.rotation, status.key) = (None, None);
    }

    /// Does the act. `false`: it is not possible now.
    fn act(&mut self, act: Act) -> bool {
        let (life, state) = (self.life(), self.state());
        self.story.push(format!("{act:?}"));
        let scene = &mut self.world.scene;
        match (act, self.world.key.as_mut()) {
            (Act::Request(days), _) if life != Life::Scheduled(days) => {
                scene.desired.life = Life::Scheduled(days);
                scene.desired.generation += 1;
            }
            (Act::Withdraw, _) if life != Life::Live => {
                scene.desired.life = Life::Live;
                scene.desired.generation += 1;
            }
            (Act::Confirm, Some(key)) => {
                let token = key.intent().token(&key.id);
                if scene.desired.confirmation == token || !matches!(self.world.decide(), Plan::Hold(_)) {
                    return false;
                }
                self.world.scene.desired.confirmation = token;
                (self.witness.confirmed, self.witness.cancelled) = (true, false);
            }
            (Act::OutsideSchedule, Some(key)) => {
                if call(key, &Step::Destroy(Destruction::Schedule { days: 8, passed: Passed::Edge })).is_err() {
                    return false;
                }
                self.world.schedules += 1;
                key.deletion_date = key.deletion_date.map(|date| date + jiff::SignedDuration::from_secs(self.world.schedules));
                // Somebody cancelled ours and scheduled again before anybody looked. Nothing can tell the two apart.
                if self.witness.unseen {
                    self.witness.cancelled = false;
                }
                (self.witness.scheduled_by_us, self.witness.pending_reported) = (self.witness.unseen, false);
                self.witness.granted = false;
            }
            (Act::OutsideCancel, Some(key)) => {
                if call(key, &Step::Cancel).is_err() {
                    return false;
                }
                // A cancel without a trace cannot be known: the deletion was never seen, and the key is as it was before.
                self.witness.cancelled = self.witness.pending_reported || self.witness.known != Some(State::Disabled);
                self.witness.confirmed &= !self.witness.cancelled;
                self.witness.unseen = self.witness.scheduled_by_us && !self.witness.pending_reported;
                self.witness.scheduled_by_us = false;
            }
            (Act::OutsideEnable, Some(key)) if key.state == State::Disabled => {
                key.state = State::Enabled;
                // Cancelled and enabled before anybody looked: this is allowed, as the reference says.
                self.witness.cancelled &= self.witness.pending_reported || self.witness.known != Some(State::Enabled);
            }
            (Act::OutsideDisable, Some(key)) if key.state == State::Enabled => key.state = State::Disabled,
            (Act::EndCount, Some(key)) if !key.state.is_pending() => {
                key.tags.as_mut().unwrap().insert(mark::INTENT.into(), format!("{}.1.live", i64::MAX));
                self.marks_spoiled();
            }
            // A tool puts the tags of a key back. A pending key takes no tags.
            (Act::RestoreTags, Some(key)) if !key.state.is_pending() => {
                let Some(saved) = self.saved.as_ref().filter(|saved| key.tags.as_ref() != Some(&saved.tags)) else { return false };
                key.tags = Some(saved.tags.clone());
                // If this is the word that the object announced last, then what was seen at that time is true again.
                self.witness.alive |= saved.witness.alive && saved.witness.on_key == self.witness.announced;
                self.witness.on_key = saved.witness.on_key;
            }
            // Somebody who may write the status tries to end a hold.
            (Act::ForgeRecord, Some(key)) => {
                let IntentMark::Is(intent) = key.intent() else { return false };
                if !matches!(intent.word, Word::Held(_)) || key.state.is_pending() {
                    return false;
                }
                let status = &mut scene.memory.status;
                (status.intent_seq, status.intent_word, status.intent_reason) = (Some(intent.seq + 1), Some("live".into()), None);
                (status.deletion, status.key_state) = (None, Some(key.state.into()));
                status.applied.get_or_insert_default().enabled = Some(key.state == State::Enabled);
            }
            (Act::WipeMarks, Some(key)) => {
                key.tags.as_mut().unwrap().clear();
                self.marks_spoiled();
            }
            (Act::WipeIntent, Some(key)) => {
                if key.tags.as_mut().unwrap().remove(mark::INTENT).is_none() {
                    return false;
                }
                self.marks_spoiled();
            }
            (Act::Steal, Some(key)) => {
                key.tags.as_mut().unwrap().insert(mark::UID.into(), "u9".into());
                self.marks_spoiled();
            }
            (Act::Save, _) => {
                let tags = self.world.key.as_ref().and_then(|key| key.tags.clone()).unwrap_or_default();
                let saved = Saved { desired: scene.desired.clone(), memory: scene.memory.clone(), tags, witness: self.witness };
                self.saved = Some(Box::new(saved));
            }
            (Act::Restore, _) => {
                let Some(saved) = self.saved.clone() else { return false };
                scene.desired = saved.desired;
                scene.memory = saved.memory;
                // What a snapshot knows is true if no word was written since, except the word that it was about to write.
                let same = [saved.witness.on_key, saved.witness.announced].contains(&self.witness.on_key);
                self.witness.announced = saved.witness.announced;
                self.witness.alive = same && saved.witness.alive;
                self.witness.confirmed = same && saved.witness.confirmed;
                self.witness.scheduled_by_us &= same;
                self.witness.ever_bound = saved.witness.ever_bound;
                self.witness.granted = false;
                // A pending key takes no mark, so a restore forgets that another's schedule was seen. If the key is as it was then, there is no trace.
                self.witness.known = saved.witness.known;
                self.witness.pending_reported &= saved.witness.pending_reported;
                self.witness.cancelled &= self.witness.pending_reported || self.witness.known != state;
            }
            (Act::Recreate, _) => {
                let uid = if scene.desired.owner.uid == "u2" { "u3" } else { "u2" };
                scene.desired.owner.uid = uid.into();
                (scene.desired.generation, scene.desired.confirmation) = (1, None);
                scene.memory = Memory::default();
                (self.witness.alive, self.witness.confirmed, self.witness.ever_bound) = (false, false, false);
                (self.witness.scheduled_by_us, self.witness.granted) = (false, false);
                // A backup of the earlier object is no backup of this one.
                self.saved = None;
            }
            (Act::LoseStatus, _) => scene.memory.status = Default::default(),
            (Act::Wait, _) => scene.now += minutes(16),
            (Act::FailedLook, Some(_)) => {
                // The state was read, and the marks were not.
                self.world.look(false, Searched::Reference);
                self.world.report(Conclusion::Failed(&throttled()));
                if self.world.scene.memory.status.key_state.is_some() {
                    self.reported();
                }
                self.forget_what_the_protocol_does_not_read();
            }
            (Act::Crash(crash), _) => {
                let plan = self.world.decide();
                let Plan::Do(step) = &plan else { return false };
                let rescheduled = matches!(step, Step::Destroy(Destruction::Reschedule { .. }));
                let possible = match crash {
                    Crash::AfterCancel => rescheduled,
                    Crash::MarkRefused => matches!(step, Step::Mark { .. } | Step::Bind { .. }) || destroys(step),
                    Crash::CallRefused => destroys(step),
                    _ => true,
                };
                if !possible {
                    return false;
                }
                self.operate(crash);
            }
            _ => return false,
        }
        true
    }

    /// Somebody changed the marks, so what they said is void.
    fn marks_spoiled(&mut self) {
        self.words += 1;
        self.witness.on_key = self.words;
        (self.witness.alive, self.witness.confirmed, self.witness.scheduled_by_us) = (false, false, false);
        self.witness.granted = false;
    }

    /// Everything that the future depends on. Times and dates count only by how they compare.
    fn print(&self) -> u64 {
        fn object(hash: &mut DefaultHasher, run: &Run, desired: &Desired, memory: &Memory) {
            let date = run.world.key.as_ref().and_then(|key| key.deletion_date).map(seconds);
            (&desired.owner.uid, desired.generation, desired.days(), &desired.confirmation).hash(hash);
            let status = &memory.status;
            (
                status.key_arn.is_some(),
                (status.intent_seq, &status.intent_word, status.intent_reason),
                status.key_state,
                (status.deletion_date == date, status.deletion_date.is_some()),
                status.missing.is_some(),
            )
                .hash(hash);
            (memory.attempt.is_some(), memory.key.is_some()).hash(hash);
            let deletion = status.deletion.as_ref();
            deletion
                .map(|known| {
                    let since = known.requested_time.as_ref().unwrap().0;
                    let fresh = run.world.scene.now.duration_since(since) <= minutes(15);
                    (known.schedule_days, known.origin as u8, known.call.is_some(), fresh && known.call.is_some())
                })
                .hash(hash);
            status.applied.as_ref().map(|known| (known.generation, known.enabled, known.deletion_schedule_days)).hash(hash);
        }
        let mut hash = DefaultHasher::new();
        self.world.key.as_ref().map(|key| (key.state, &key.tags, key.deletion_date.is_some())).hash(&mut hash);
        object(&mut hash, self, &self.world.scene.desired, &self.world.scene.memory);
        if let Some(saved) = &self.saved {
            object(&mut hash, self, &saved.desired, &saved.memory);
            let (then, now) = (saved.witness, self.witness);
            (Witness { on_key: 0, announced: 0, ..then }, &saved.tags).hash(&mut hash);
            (then.on_key == then.announced, then.on_key == now.on_key, then.announced == now.on_key).hash(&mut hash);
            (then.on_key == now.announced, then.announced == now.announced).hash(&mut hash);
        }
        (self.witness.on_key == self.witness.announced).hash(&mut hash);
        Witness { on_key: 0, announced: 0, ..self.witness }.hash(&mut hash);
        hash.finish()
    }

    /// Whether the operator did what it can: the declared life is reached, or a hold or a stall has its reason in the story.
    fn has_settled(&self, plan: &Plan) -> bool {
        let policy = self.world.scene.desired.policy;
        if policy == ManagementPolicy::Observe {
            return !matches!(plan, Plan::Do(_));
        }
        match plan {
            Plan::Rest(rest) if rest.life_drifted => policy != ManagementPolicy::Enforce,
            Plan::Rest(_) => match self.life() {
                Life::Scheduled(_) => self.is_pending(),
                Life::Live => self.state() == Some(if self.world.scene.desired.wants_enabled() { State::Enabled } else { State::Disabled }),
            },
            Plan::Hold(_) => self.life() != Life::Live && self.is_ours(),
            Plan::Stall(_) if self.world.key.is_none() => self.life() != Life::Live,
            Plan::Stall(_) => !self.is_ours(),
            // A creation was begun, and its end is awaited.
            Plan::Wait(_) => self.world.key.is_none(),
            _ => false,
        }
    }
}

/// Walks every story with at most `acts` acts. Returns the number of states.
fn explore(start: Run, acts: u8) -> usize {
    // For each state: how many steps the operator still takes from it, and with how many acts left it was walked last.
    let mut known: HashMap<u64, (u8, u8)> = HashMap::new();
    let mut open = vec![(start, acts)];
    while let Some((run, acts)) = open.pop() {
        let mut chain = Vec::new();
        let mut run = run;
        let mut left = loop {
            let print = run.print();
            match known.get(&print) {
                Some(&(left, walked)) if walked >= acts => break left,
                _ => {}
            }
            chain.push(print);
            if chain.len() > 13 {
                run.fail("more than 12 steps");
            }
            if acts > 0 {
                for act in ACTS {
                    let mut other = run.clone();
                    if other.act(act) {
                        open.push((other, acts - 1));
                    }
                }
            }
            let plan = run.operate(Crash::Never);
            if !matches!(plan, Plan::Do(_)) {
                if !run.has_settled(&plan) {
                    run.fail("neither the declared state nor an end");
                }
                let again = run.world.decide();
                if brief(&again) != brief(&plan) {
                    run.fail(&format!("it does not stay: {}", brief(&again)));
                }
                // The reported state is a state of its own. Others act from it, too.
                let print = run.print();
                if acts > 0 && known.get(&print).is_none_or(|&(_, walked)| walked < acts) {
                    known.insert(print, (0, acts));
                    for act in ACTS {
                        let mut other = run.clone();
                        if other.act(act) {
                            open.push((other, acts - 1));
                        }
                    }
                }
                break 0;
            }
        };
        for print in chain.into_iter().rev() {
            known.insert(print, (left, acts));
            left += 1;
            assert!(left <= 13);
        }
    }
    known.len()
}

/// An object whose key was created and is as declared.
fn settled(policy: ManagementPolicy, enabled: Option<bool>) -> Run {
    let mut run = Run::new(ManagementPolicy::Enforce, enabled);
    while matches!(run.operate(Crash::Never), Plan::Do(_)) {}
    run.world.scene.desired.policy = policy;
    run
}

/// Shows S8 and S9.
#[test]
fn no_short_story_schedules_what_was_not_asked_for() {
    use ManagementPolicy::{Enforce, EnforceOnChange};
    let began = std::time::Instant::now();
    let states = explore(settled(Enforce, None), 4)
        + explore(settled(Enforce, Some(false)), 3)
        + explore(settled(EnforceOnChange, None), 3)
        + explore(Run::new(Enforce, None), 3);
    // Printed with `--nocapture`.
    println!("walked {states} states in {} ms", began.elapsed().as_millis());
    assert!(states > 50_000, "{states} states are too few to mean anything");
}

/// Random samples of stories that are too long for the walk: acts and steps in any order, and then the operator alone.
#[test]
fn no_long_story_schedules_what_was_not_asked_for() {
    use ManagementPolicy::{Enforce, EnforceOnChange, Observe};
    let stories = std::env::var("KEYWARD_STORIES").map_or(1500, |count| count.parse().unwrap());
    let mut random = fastrand::Rng::with_seed(7);
    let mut scheduled = 0;
    for _ in 0..stories {
        let enabled = [None, Some(false)][random.usize(..2)];
        let mut run = settled([Enforce, Enforce, EnforceOnChange, Observe][random.usize(..4)], enabled);
        for _ in 0..random.usize(4..16) {
            if random.bool() {
                run.operate(Crash::Never);
            } else {
                let mut other = run.clone();
                if other.act(ACTS[random.usize(..ACTS.len())]) {
                    run = other;
                }
            }
        }
        for steps in 0.. {
            let plan = run.operate(Crash::Never);
            if !matches!(plan, Plan::Do(_)) {
                if !run.has_settled(&plan) {
                    run.fail("neither the declared state nor an end");
                }
                break;
            }
            if steps == 12 {
                run.fail("more than 12 steps");
            }
        }
        scheduled += usize::from(run.witness.scheduled_by_us);
    }
    assert!(scheduled > stories / 50, "only {scheduled} stories of {stories} end with a schedule of ours");
}

/// The operator alone, to its end.
fn operate_to_the_end(run: &mut Run) -> Plan {
    loop {
        let plan = run.operate(Crash::Never);
        if !matches!(plan, Plan::Do(_)) {
            return plan;
        }
    }
}

/// Stories that a review found, and that are too long for the walk.
#[test]
fn reads_without_marks_do_not_hide_what_others_did() {
    // Our cancel is recorded and refused. The deletion is asked for again. A responder cancels it and enables the key.
    for policy in [ManagementPolicy::Enforce, ManagementPolicy::EnforceOnChange] {
        let mut run = settled(policy, None);
        for act in [Act::Request(7), Act::Withdraw, Act::Crash(Crash::AfterStatus), Act::Request(7), Act::OutsideCancel, Act::OutsideEnable]
        {
            assert!(run.act(act), "{act:?}");
            if matches!(act, Act::Request(_)) {
                operate_to_the_end(&mut run);
            }
        }
        assert!(run.act(Act::FailedLook));
        assert_eq!(brief(&operate_to_the_end(&mut run)), "hold CancelledOutside", "{policy:?}");
    }
    // A responder disables the key, and somebody enables it to save it, while the marks cannot be read.
    for looks in [[true, false], [false, true], [true, true]] {
        let mut run = settled(ManagementPolicy::Enforce, None);
        assert!(run.act(Act::OutsideDisable) && run.act(Act::Request(7)));
        for (look, act) in looks.into_iter().zip([Some(Act::OutsideEnable), None]) {
            assert!(!look || run.act(Act::FailedLook));
            assert!(act.is_none_or(|act| run.act(act)));
        }
        let end = operate_to_the_end(&mut run);
        // Nobody looked in between, so it is not known.
        assert_eq!(brief(&end), if looks[0] { "hold CancelledOutside" } else { "rest" }, "{looks:?}");
    }
}

#[test]
fn a_live_that_is_refused_again_and_again_writes_nothing_anew() {
    let mut run = settled(ManagementPolicy::Enforce, None);
    run.world.scene.desired.generation += 1;
    assert!(run.act(Act::Crash(Crash::MarkRefused)));
    let status = run.world.scene.memory.status.clone();
    assert_eq!(status.intent_seq, Some(2));
    for _ in 0..3 {
        assert!(run.act(Act::Crash(Crash::MarkRefused)));
        assert_eq!(run.world.scene.memory.status, status);
    }
    assert_eq!(brief(&operate_to_the_end(&mut run)), "rest");
}
