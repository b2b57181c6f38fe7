//! Others can write anything into status, marks and annotations. A round takes all of it: no number overflows, no text or date is trusted, nothing panics.
//!
//! Shows S8.

mod marks;
mod policies;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use super::{
    fixtures::{ACCOUNT, ID, NONCE, REGION, Scene, arn, minutes, now, rules},
    model::call,
};
use crate::{
    api::{ManagedKey, annotation, managed_key::Missing, mark},
    domain::{
        deletion::MAX_SEQ,
        desired::Desired,
        memory::Memory,
        observed::{Observed, Searched, State},
        plan::Plan,
        release::{self, Release},
        status::{self, Conclusion},
        step::{Destruction, Step},
    },
};

const NUMBERS: [i64; 12] = [i64::MIN, -1, 0, 1, 2, 3, i32::MAX as i64, 1_795_000_000, MAX_SEQ - 1, MAX_SEQ, MAX_SEQ + 1, i64::MAX];
const SMALL: [i64; 9] = [i32::MIN as i64, -1, 0, 1, 3, 7, 30, 1096, i32::MAX as i64];
const TEXTS: [&str; 8] = ["", "live", "held", "held-abcdef", "7", "99999999999999999999", "\u{1F511}.\u{0}", "../../x"];

struct Dice(fastrand::Rng);

impl Dice {
    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.0.usize(..all.len())]
    }

    fn some(&mut self, value: impl FnOnce(&mut Self) -> Value) -> Value {
        if self.0.bool() { value(self) } else { Value::Null }
    }

    fn number(&mut self) -> Value {
        json!(self.of(&NUMBERS))
    }

    fn small(&mut self) -> Value {
        json!(self.of(&SMALL))
    }

    fn text(&mut self) -> Value {
        json!(self.of(&TEXTS))
    }

    fn time(&mut self) -> Value {
        let all = [
            "0001-01-01T00:00:00Z".parse().unwrap(),
            Timestamp::UNIX_EPOCH,
            now() - minutes(10),
            now(),
            now() + minutes(60),
            "9999-12-30T00:00:00Z".parse().unwrap(),
        ];
        json!(Time(self.of(&all)))
    }

    fn intent(&mut self) -> String {
        match self.0.usize(..3) {
            0 => self.of(&TEXTS).to_owned(),
            _ => format!("{}.{}.{}", self.of(&NUMBERS), self.of(&NUMBERS), self.of(&TEXTS)),
        }
    }

    /// An object as somebody may have stored it before the CRD had rules.
    fn object(&mut self) -> ManagedKey {
        let state = json!(self.of(&["Enabled", "Disabled", "PendingDeletion", "Deleted", "Unavailable"]));
        let mut status = json!({
            "observedGeneration": self.some(Self::number),
            "keyId": self.some(|_| json!(ID)),
            "keyArn": self.some(|dice| if dice.0.bool() { json!(arn()) } else { dice.text() }),
            "keyState": self.some(|_| state),
            "deletionDate": self.some(Self::time),
            "intentSeq": self.some(Self::number),
            "intentWord": self.some(Self::text),
            "intentReason": self.some(|dice| json!(dice.of(&["NotSeenLive", "CancelledOutside", "BudgetExhausted"]))),
            "lastHandledReconcileAt": self.some(Self::text),
            "applied": self.some(|dice| json!({
                "generation": dice.number(), "enabled": dice.some(|dice| json!(dice.0.bool())), "deletionScheduleDays": dice.some(Self::small),
                "tagKeys": [dice.text()], "aliases": [dice.text()],
            })),
            "deletion": self.some(|dice| json!({
                "scheduleDays": dice.some(Self::small), "requestedTime": dice.some(Self::time), "origin": dice.of(&["Keyward", "External"]),
                "call": dice.some(|dice| json!(dice.of(&["Open", "Refused"]))), "lastUsedTime": dice.some(Self::time),
            })),
            "rotation": self.some(|dice| json!({ "enabled": true, "periodDays": dice.small(), "nextRotationTime": dice.time() })),
            "missing": self.some(|dice| json!({ "count": dice.small(), "firstTime": dice.time() })),
            "provider": self.some(|dice| json!({ "type": "AWS", "account": dice.of(&[ACCOUNT, ""]), "region": dice.of(&[REGION, "x"]) })),
        });
        status.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let text = |dice: &mut Self| dice.of(&TEXTS).to_owned();
        let attempt = format!("a/{ACCOUNT}/{REGION}/{}", self.time().as_str().unwrap());
        let annotations = [
            (annotation::CREATE_ATTEMPT, self.of(&[attempt.as_str(), "x", ""]).to_owned()),
            (annotation::KEY, text(self)),
            (annotation::CONFIRM_DELETION, format!("{ID}@{}-abcdef", self.of(&NUMBERS))),
            (annotation::RECONCILE_REQUESTED_AT, text(self)),
        ];
        let annotations: serde_json::Map<_, _> =
            annotations.into_iter().filter(|_| self.0.bool()).map(|(name, value)| (name.to_owned(), json!(value))).collect();
        let policy = self.of(&["Enforce", "EnforceOnChange", "Observe"]);
        let spec = json!({
            "deletionScheduleDays": self.of(&[0, 7, 9, 31]), "managementPolicy": policy,
            "deletionPolicy": self.of(&["Retain", "Disable", "Delete"]), "enabled": self.0.bool(),
        });
        let metadata = json!({
            "name": "orders", "namespace": "shop", "uid": "u1", "generation": self.of(&[1, MAX_SEQ, i64::MAX]), "annotations": annotations,
        });
        serde_json::from_value(json!({
            "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": metadata, "spec": spec, "status": status,
        }))
        .unwrap()
    }

    fn scene(&mut self) -> Scene {
        let object = self.object();
        let state = self.of(&[State::Enabled, State::Disabled, State::PendingDeletion, State::Unavailable]);
        let mut scene = Scene::of(state);
        scene.desired = Desired::of(&object, "prod").unwrap();
        scene.memory = Memory::of(&object);
        scene.rules = rules();
        scene.rules.guard.require_confirmation = self.0.bool();
        if self.0.usize(..6) == 0 {
            scene.observed = Observed::Absent(Searched::Everywhere);
        } else {
            let (name, text) = (self.of(&[mark::INTENT, mark::INTENT, mark::INTENT, mark::UID, mark::OWNER]), self.intent());
            scene.tags().insert(name.into(), text);
        }
        scene
    }
}

/// The API server accepts what the round wrote. What others wrote before may be outside the bounds.
fn within_bounds(scene: &Scene, before: &Memory) {
    let (was, is) = (&before.status, &scene.memory.status);
    assert!(is.intent_seq == was.intent_seq || is.intent_seq.is_some_and(|seq| (0..=MAX_SEQ).contains(&seq)), "{is:?}");
    assert!(is.intent_word == was.intent_word || is.intent_word.as_ref().is_some_and(|word| word.len() <= 16), "{is:?}");
    assert!(is.missing == was.missing || is.missing.as_ref().is_none_or(|Missing { count, .. }| (0..=3).contains(count)), "{is:?}");
}

#[test]
fn nothing_that_others_write_ends_a_round() {
    let mut dice = Dice(fastrand::Rng::with_seed(11));
    let (mut steps, mut holds) = (0, 0);
    for _ in 0..20_000 {
        let mut scene = dice.scene();
        let _released = match release::release(&scene.situation(), &scene.observed) {
            Release::Say(say) => Step::<Destruction>::Mark { say }.to_string(),
            Release::Destroy(destruction) => Step::Destroy(destruction).to_string(),
            other => format!("{other:?}"),
        };
        for _ in 0..12 {
            let before = scene.memory.clone();
            let plan = scene.plan();
            match &plan {
                Plan::Do(Step::Create) => break,
                Plan::Do(step) => {
                    steps += 1;
                    let (desired, mut key, now) = (scene.desired.clone(), scene.key().clone(), scene.now);
                    let opened = scene.memory.open(step, &desired, &key, now, NONCE).unwrap();
                    within_bounds(&scene, &before);
                    if let Some(intent) = opened {
                        key.tags.get_or_insert_default().extend(desired.owner.marks(intent, crate::domain::ownership::OwnerMark::Name));
                    }
                    let sent = match step {
                        Step::Destroy(Destruction::Reschedule { days, passed }) => {
                            call(&mut key, &Step::Cancel).unwrap();
                            Step::Destroy(Destruction::Schedule { days: *days, passed: *passed })
                        }
                        step => step.clone(),
                    };
                    call(&mut key, &sent).unwrap();
                    *scene.key() = key;
                    scene.memory.close(step, &desired);
                }
                plan => {
                    holds += usize::from(matches!(plan, Plan::Hold(_)));
                    scene.memory.status = status::status(&scene.memory, &scene.report(Conclusion::Planned(plan)));
                    within_bounds(&scene, &before);
                    break;
                }
            }
        }
    }
    assert!(steps > 5_000 && holds > 500, "{steps} steps and {holds} holds are too few to mean anything");
}
