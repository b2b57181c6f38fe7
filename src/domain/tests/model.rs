//! A KMS of one key, with AWS's table of what each operation does in each state, and the executor's order around a step: status, mark, call, close.
//!
//! It shares only types with the code under test, so a wrong belief about a state shows as a refused call.

use jiff::SignedDuration;

use crate::{
    api::mark,
    domain::{
        candidates::Unmarked,
        deletion::{Intent, Word},
        deletion::{
            LastUse,
            budget::{self, Answer},
            guard::{self, Evidence},
        },
        memory::Attempt,
        observed::{Key, KeyPolicy, MultiRegion, Observed, Rotation, Searched, State},
        ownership::OwnerMark,
        plan::{OtherOwner, Plan, Read},
        status::{self, Conclusion},
        step::{Destruction, Step},
        tests::fixtures::{ACCOUNT, NONCE, REGION, Scene, arn, brief, days_on, key},
    },
};

/// Whether the step can make data unreadable.
pub const fn destroys(step: &Step) -> bool {
    matches!(step, Step::Destroy(_))
}

/// What a KMS says to an operation that the key's state does not allow.
#[derive(Debug, PartialEq, Eq)]
pub struct InvalidState(pub &'static str, pub State);

/// Sends one step to the KMS. Sources: the AWS KMS Developer Guide, "Key states of AWS KMS keys", and the API reference of each operation.
pub fn call(key: &mut Key, step: &Step) -> Result<(), InvalidState> {
    use State::{Creating, Disabled, Enabled, PendingImport, Unavailable, Updating};
    let state = key.state;
    let pending = matches!(state, State::PendingDeletion | State::PendingReplicaDeletion);
    let refuse = |operation| Err(InvalidState(operation, state));
    match step {
        Step::Create => panic!("a second CreateKey"),
        Step::Destroy(Destruction::Disable) => return call(key, &Step::Disable),
        Step::Enable | Step::Disable if matches!(state, Enabled | Disabled) => {
            key.state = if *step == Step::Enable { Enabled } else { Disabled };
        }
        // It takes effect once the key store is connected again.
        Step::Enable | Step::Disable if state == Unavailable => {}
        Step::Enable => return refuse("EnableKey"),
        Step::Disable => return refuse("DisableKey"),
        Step::Cancel if pending => {
            key.state = Disabled;
            key.deletion_date = None;
        }
        Step::Cancel => return refuse("CancelKeyDeletion"),
        Step::Destroy(Destruction::Schedule { .. }) if pending || state == Updating => return refuse("ScheduleKeyDeletion"),
        Step::Destroy(Destruction::Schedule { days, .. }) => match &key.multi_region {
            Some(MultiRegion::Primary(replicas)) if !replicas.is_empty() => key.state = State::PendingReplicaDeletion,
            _ => {
                key.state = State::PendingDeletion;
                key.deletion_date = Some(days_on(*days));
            }
        },
        Step::Destroy(Destruction::Reschedule { .. }) => panic!("no KMS has such an operation"),
        Step::StartRotation { .. } | Step::StopRotation if !matches!(state, Enabled | Updating) => return refuse("EnableKeyRotation"),
        Step::StartRotation { period_days } => {
            key.rotation = Some(Rotation { enabled: true, period_days: Some(*period_days), ..Rotation::default() });
        }
        Step::StopRotation => key.rotation = Some(Rotation::default()),
        Step::MovePrimary { .. } if state != Enabled => return refuse("UpdatePrimaryRegion"),
        // Its end is the KMS's: here the key is updated at once.
        Step::MovePrimary { from } => key.multi_region = Some(MultiRegion::Primary(vec![from.clone()])),
        Step::RotateOnDemand { .. } if state != Enabled => return refuse("RotateKeyOnDemand"),
        Step::Bind { .. } | Step::Mark { .. } | Step::RotateOnDemand { .. } => {}
        Step::Describe { .. } | Step::Tag { .. } | Step::Untag { .. } | Step::AddAlias { .. } | Step::MoveAlias { .. } if pending => {
            return refuse("TagResource");
        }
        Step::Describe { description } => key.description = Some(description.clone()),
        Step::Tag { tags } => key.tags.as_mut().unwrap().extend(tags.clone()),
        Step::Untag { keys } => key.tags.as_mut().unwrap().retain(|key, _| !keys.contains(key)),
        Step::AddAlias { alias } | Step::MoveAlias { alias, .. } => key.aliases.as_mut().unwrap().push(alias.clone()),
        // It works in every state.
        Step::SetPolicy { policy, .. } => key.policy = Some(KeyPolicy::Text(policy.clone())),
        Step::RemoveAlias { alias } => key.aliases.as_mut().unwrap().retain(|known| known != alias),
    }
    assert!(!matches!(state, Creating) || !destroys(step), "a key that is being created is left alone");
    assert!(state != PendingImport || *step != Step::Enable);
    Ok(())
}

/// A KMS with at most one key, and the object that is to be kept.
#[derive(Clone, Debug)]
pub struct World {
    /// What is declared, remembered and allowed; its `observed` is the last read.
    pub scene: Scene,
    /// The key as it is.
    pub key: Option<Key>,
    /// Whether every read gets everything at once, and not by turns.
    pub thorough: bool,
    /// How many deletions were ever scheduled: no two have the same date.
    pub schedules: i64,
}

/// Where the process ends within a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// It does not.
    Never,
    /// The status is written, and nothing is called.
    AfterStatus,
    /// A schedule was cancelled, to schedule again with other days.
    AfterCancel,
    /// The mark is written, and the call is not sent.
    AfterMark,
    /// The call took effect, and that is not on record.
    BeforeClose,
    /// It does not end: the mark was refused, as when tagging is denied or throttled.
    MarkRefused,
    /// It does not end: the call that schedules was refused.
    CallRefused,
}

impl World {
    /// The key is as the scene sees it.
    pub fn new(scene: Scene) -> Self {
        let key = match &scene.observed {
            Observed::Present(seen) => {
                let mut key = Key::clone(seen);
                // While a key is pending, a KMS keeps these and does not show them.
                if key.state.is_pending() {
                    let hidden = self::key(State::Enabled);
                    key.rotation = key.rotation.or(hidden.rotation);
                    key.aliases = key.aliases.or(hidden.aliases);
                }
                Some(key)
            }
            _ => None,
        };
        Self { scene, key, thorough: false, schedules: 0 }
    }

    /// A read of the state alone, or of everything that can be read.
    pub fn look(&mut self, full: bool, searched: Searched) {
        self.scene.observed = match &self.key {
            None => Observed::Absent(searched),
            Some(key) => {
                let mut seen = key.clone();
                if !full {
                    seen.tags = None;
                }
                if !full || seen.state.is_pending() {
                    (seen.rotation, seen.aliases) = (None, None);
                }
                Observed::Present(Box::new(seen))
            }
        };
    }

    /// Looks and plans until the plan is something else than another read.
    pub fn decide(&mut self) -> Plan {
        let mut full = self.thorough || self.scene.memory.status.key_arn.is_none();
        let mut searched = Searched::Reference;
        self.look(full, searched);
        for _ in 0..4 {
            match self.scene.plan() {
                Plan::Read(Read::Facets) => full = true,
                Plan::Read(Read::Everywhere) => searched = Searched::Everywhere,
                Plan::Read(Read::OtherOwner(mark)) => self.scene.other_owner = Some(OtherOwner { mark, exists: false }),
                Plan::Read(Read::Unmarked) => self.scene.unmarked = Some(Unmarked::Unread),
                plan => return plan,
            }
            self.look(full, searched);
        }
        panic!("reads for ever: {:#?}", self.scene)
    }

    /// One step as the executor takes it: the guard, the status, the mark, the call, and what is known after it.
    pub fn execute(&mut self, step: &Step) {
        self.execute_until(step, Crash::Never);
    }

    /// A step that the process may not live through.
    pub fn execute_until(&mut self, step: &Step, crash: Crash) {
        let scene = &mut self.scene;
        let desired = scene.desired.clone();
        if *step == Step::Create {
            assert!(self.key.is_none(), "a second key");
            let mut made = key(State::Enabled);
            made.tags = Some(desired.owner.marks(Intent { seq: 1, generation: desired.generation, word: Word::Live }, OwnerMark::Name));
            made.tags.as_mut().unwrap().extend(desired.tags.clone());
            made.description = Some(desired.description.clone().unwrap_or_default());
            // The attempt is in the annotations before the call. The key's ARN replaces it after the call.
            let time = scene.now;
            let attempt = Attempt::At { id: "a".into(), account: ACCOUNT.into(), region: REGION.into(), time };
            scene.memory.attempt = Some(attempt);
            if matches!(crash, Crash::AfterStatus | Crash::AfterMark) {
                return;
            }
            self.key = Some(made);
            if crash == Crash::Never {
                scene.memory.attempt = None;
                scene.memory.key = Some(arn());
                scene.memory.close(step, &desired);
            }
            return;
        }
        let key = self.key.as_mut().unwrap();
        if let Step::Destroy(destruction) = step {
            let evidence = Evidence {
                requested: *destruction,
                desired: &desired,
                memory: &scene.memory,
                still_asked: true,
                rules: &scene.rules,
                key,
                last_use: LastUse::Untold,
                terminating: false,
                now: scene.now,
            };
            let checked = guard::check(&evidence).unwrap_or_else(|hold| panic!("planned, and held by the guard: {hold:?}"));
            let Answer::Room(entry) = budget::check(None, 10, checked.key_id(), scene.now, "trip") else { panic!("the book is empty") };
            let stored = entry.book().clone();
            let booked = entry.written(Some(&stored)).expect("it is in the book");
            assert_eq!(checked.counted(&booked).map(|cleared| cleared.destruction()), Some(*destruction));
        }
        let opened = scene.memory.open(step, &desired, key, scene.now, NONCE).expect("planned, and no word can follow");
        if let Step::Bind { how, .. } = step {
            scene.memory.name_key(key, *how);
        }
        let mark = |key: &mut Key, all: bool| {
            let Some(intent) = opened else { return };
            assert!(!key.state.is_pending(), "a pending key takes no tags: {step:?}");
            let mut marks = desired.owner.marks(intent, OwnerMark::Name);
            marks.retain(|name, _| all || name == mark::UID || name == mark::INTENT);
            key.tags.as_mut().unwrap().extend(marks);
        };
        if crash == Crash::AfterStatus {
            return;
        }
        let calls = if let Step::Destroy(Destruction::Reschedule { days, passed }) = step {
            call(key, &Step::Cancel).unwrap();
            if crash == Crash::AfterCancel {
                return;
            }
            Step::Destroy(Destruction::Schedule { days: *days, passed: *passed })
        } else {
            step.clone()
        };
        if crash != Crash::MarkRefused {
            mark(key, matches!(step, Step::Bind { .. }));
        }
        if crash == Crash::AfterMark {
            return;
        }
        if matches!(crash, Crash::MarkRefused | Crash::CallRefused) {
            scene.memory.refused(key, scene.now);
            scene.observed = Observed::Present(Box::new(key.clone()));
            return;
        }
        call(key, &calls).unwrap_or_else(|refused| panic!("planned a call that the KMS refuses: {refused:?}"));
        if destroys(step) {
            self.schedules += 1;
            key.deletion_date = key.deletion_date.map(|date| date + SignedDuration::from_secs(self.schedules));
        }
        if crash == Crash::Never {
            scene.memory.close(step, &desired);
        }
    }

    /// What is known after a round.
    pub fn report(&mut self, conclusion: Conclusion<'_>) {
        let scene = &mut self.scene;
        scene.memory.status = status::status(&scene.memory, &scene.report(conclusion));
    }

    /// Continues until nothing is left to do. Returns the steps and the end, in a few words each.
    pub fn settle(&mut self) -> Vec<String> {
        let mut story = Vec::new();
        for _ in 0..12 {
            let plan = self.decide();
            story.push(brief(&plan));
            match &plan {
                Plan::Do(step) => self.execute(step),
                plan => {
                    self.report(Conclusion::Planned(plan));
                    return story;
                }
            }
        }
        panic!("more than 12 steps: {story:?}\n{:#?}", self.scene)
    }
}
