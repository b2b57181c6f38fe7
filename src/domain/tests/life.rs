//! The life of a key never waits for its settings, and no setting waits for another, whatever is refused, fails or cannot be read.
//!
//! Shows S11.

use super::{
    fixtures::{Scene, brief},
    model::call,
    policy::{self, wanted},
};
use crate::{
    api::{ConditionType, Reason, condition, key_provider::PoliciesFrom, managed_key::ManagementPolicy},
    domain::{
        deletion::Saying,
        desired::{Life, WantedRotation},
        failure::{Failure, FailureKind, Outcome},
        observed::{Facets, KeyPolicy, Observed, Rotation, State},
        plan::{Plan, Read, Tried},
        status::{self, Conclusion, Report},
        step::{Part, Step},
    },
};

fn failure(kind: FailureKind) -> Failure {
    Failure { kind, operation: "Any", message: format!("{kind:?}, for a test"), outcome: Outcome::Refused, source: None }
}

/// Everything is declared and nothing of it is on the key yet.
fn declared(state: State) -> Scene {
    Scene::of(state).with(|s| {
        s.desired.generation += 1;
        s.desired.rotation = Some(WantedRotation::On(Some(100)));
        s.desired.description = Some("order signing".into());
        s.desired.tags.insert("team".into(), "shop".into());
        s.desired.aliases.insert("alias/orders".into());
        s.desired.key_policy = Some(wanted(&policy::declared()));
        s.rules.allow.policies.from = PoliciesFrom::Any;
        s.rules.principal = Some(policy::SESSION.into());
        s.key().policy = (!state.is_pending()).then(|| KeyPolicy::Text(policy::default()));
    })
}

/// What goes wrong with the settings.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    LeftOut,
    PeriodRefused,
    AliasRefused,
    TagsRefused,
    /// The step that changes this part, or the mark, fails.
    Fails(Part, FailureKind),
    RotationUnread,
    AliasesUnread,
    PolicyUnread,
    PolicyNotAllowed,
    PolicyLocksOut,
}

const TROUBLES: [Trouble; 17] = [
    Trouble::PolicyUnread,
    Trouble::PolicyNotAllowed,
    Trouble::PolicyLocksOut,
    Trouble::Fails(Part::Policy, FailureKind::Policy),
    Trouble::LeftOut,
    Trouble::PeriodRefused,
    Trouble::AliasRefused,
    Trouble::TagsRefused,
    Trouble::Fails(Part::Rotation, FailureKind::Denied),
    Trouble::Fails(Part::Rotation, FailureKind::Throttled),
    Trouble::Fails(Part::Rotation, FailureKind::Unavailable),
    Trouble::Fails(Part::Description, FailureKind::Denied),
    Trouble::Fails(Part::Tags, FailureKind::Quota),
    Trouble::Fails(Part::Aliases, FailureKind::AliasTaken),
    Trouble::Fails(Part::Binding, FailureKind::Denied),
    Trouble::RotationUnread,
    Trouble::AliasesUnread,
];

/// A round with that trouble: what was done, what failed, and the scene and the plan at its end.
fn round(mut scene: Scene, trouble: Trouble) -> (Vec<Step>, Vec<Step>, Scene, Plan) {
    match trouble {
        Trouble::LeftOut => scene.desired.left_out.push("spec.tags has aws:x, for a test".into()),
        Trouble::PeriodRefused => scene.desired.rotation = Some(WantedRotation::On(Some(45))),
        Trouble::AliasRefused => scene.rules.allow.aliases = vec!["other".into()],
        Trouble::TagsRefused => scene.desired.tags.extend((0..60).map(|number| (format!("tag-{number}"), String::new()))),
        Trouble::RotationUnread => scene.key().rotation = None,
        Trouble::AliasesUnread => scene.key().aliases = None,
        Trouble::PolicyUnread => scene.key().policy = None,
        Trouble::PolicyNotAllowed => scene.rules.allow.policies.from = PoliciesFrom::None,
        Trouble::PolicyLocksOut => scene.desired.key_policy = Some(wanted(&policy::for_others())),
        Trouble::Fails(..) => {}
    }
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for _ in 0..24 {
        match scene.plan() {
            Plan::Read(Read::Facets) => {
                let key = scene.key();
                match trouble {
                    Trouble::RotationUnread => key.unread = Facets::ROTATION,
                    _ => key.rotation = Some(Rotation::default()),
                }
                match trouble {
                    Trouble::PolicyUnread => key.unread = Facets::POLICY,
                    _ => key.policy = Some(KeyPolicy::Text(policy::default())),
                }
                match trouble {
                    Trouble::AliasesUnread => key.unread = Facets::ALIASES,
                    _ => key.aliases = Some(vec!["alias/keyward/prod/shop/orders".into()]),
                }
            }
            Plan::Do(step) => {
                if let Trouble::Fails(part, kind) = trouble
                    && step.part() == part
                {
                    assert!(!failed.contains(&step), "{step} is tried twice");
                    assert!(scene.tried.goes_on_without(&step, &failure(kind)), "{step}");
                    failed.push(step);
                    continue;
                }
                let mut key = scene.key().clone();
                call(&mut key, &step).unwrap();
                let desired = scene.desired.clone();
                if let Step::Mark { say: Saying::Live } = step {
                    scene.intent(crate::domain::deletion::Intent {
                        seq: 9,
                        generation: desired.generation,
                        word: crate::domain::deletion::Word::Live,
                    });
                    done.push(step);
                    continue;
                }
                if key.state.is_pending() {
                    (key.rotation, key.aliases, key.policy) = (None, None, None);
                }
                *scene.key() = key.after(&step);
                scene.memory.close(&step, &desired);
                done.push(step);
            }
            plan => return (done, failed, scene, plan),
        }
    }
    panic!("it does not end: {done:?} {failed:?}");
}

#[test]
fn an_alias_of_another_key_comes_and_one_that_another_takes_stays_for_now() {
    let mut scene = Scene::of(State::Enabled).with(|s| {
        s.desired.generation += 1;
        s.desired.aliases.insert("alias/live".into());
        s.memory.status.applied.as_mut().unwrap().aliases = vec!["next".into()];
        s.key().aliases.as_mut().unwrap().push("alias/next".into());
        s.intent(crate::domain::deletion::Intent { seq: 4, generation: s.desired.generation, word: crate::domain::deletion::Word::Live });
    });
    assert_eq!(brief(&scene.plan()), "add alias/live");
    scene.tried.comes("alias/live", "arn:other");
    assert_eq!(brief(&scene.plan()), "move alias/live here from key arn:other");
    // A step that failed is not tried again in the round. An alias that the provider refuses is not moved.
    let step = Step::MoveAlias { alias: "alias/live".into(), from: "arn:other".into() };
    let refused = scene.clone().with(|s| s.rules.allow.aliases = vec!["next".into()]);
    assert_eq!(brief(&refused.plan()), "remove alias/next");
    let mut failed = scene.clone();
    assert!(failed.tried.goes_on_without(&step, &failure(FailureKind::Denied)));
    assert_eq!(brief(&failed.plan()), "remove alias/next");

    let (key, desired) = (scene.key().clone().after(&step), scene.desired.clone());
    *scene.key() = key;
    scene.memory.close(&step, &desired);
    assert_eq!(scene.memory.status.applied.as_ref().unwrap().aliases, ["live", "next"]);
    assert_eq!(brief(&scene.plan()), "remove alias/next");
    scene.tried.stays("alias/next", "alias/next stays".into());
    let Plan::Rest(rest) = scene.plan() else { panic!("{:?}", scene.plan()) };
    assert_eq!(rest.stays.as_deref(), Some("alias/next stays"));
    // The key is Ready all the same, and the status remembers which aliases it has.
    let plan = Plan::Rest(rest);
    let status = status::status(&scene.memory, &scene.report(Conclusion::Planned(&plan)));
    let says = |kind| condition::find(&status.conditions, kind).map(|found| (found.status.clone(), found.reason.clone()));
    let text = |status: &str, reason: Reason| Some((status.to_owned(), reason.as_str().to_owned()));
    assert_eq!(says(ConditionType::Ready), text("True", Reason::Available));
    assert_eq!(says(ConditionType::Synced), text("False", Reason::AliasMoving));
    assert_eq!(says(ConditionType::Reconciling), text("True", Reason::AliasMoving));
    assert_eq!(status.applied.unwrap().aliases, ["live", "next"]);

    // Once the alias is gone from the key, the object that waits for it can see that.
    let step = Step::RemoveAlias { alias: "alias/next".into() };
    scene.memory.close(&step, &desired);
    assert_eq!(scene.memory.status.applied.as_ref().unwrap().aliases, ["live"]);
}

#[test]
fn a_full_key_takes_no_alias_while_one_stays_on_it() {
    let mut scene = Scene::of(State::Enabled).with(|s| {
        s.desired.aliases = (0..49).map(|number| format!("alias/{number}")).collect();
        s.memory.status.applied.as_mut().unwrap().aliases = (1..50).map(|number| number.to_string()).collect();
        s.key().aliases.as_mut().unwrap().extend((1..50).map(|number| format!("alias/{number}")));
    });
    assert_eq!(brief(&scene.plan()), "remove alias/49");
    scene.tried.stays("alias/49", "alias/49 stays".into());
    assert_eq!(brief(&scene.plan()), "rest", "the KMS would refuse another one");
}

#[test]
fn no_setting_holds_up_the_life_of_a_key() {
    for trouble in TROUBLES {
        for (was, enabled, days, is) in [
            (State::Enabled, Some(false), None, State::Disabled),
            (State::Disabled, Some(true), None, State::Enabled),
            (State::PendingDeletion, None, None, State::Enabled),
            (State::PendingDeletion, Some(false), None, State::Disabled),
            (State::Enabled, None, Some(7), State::PendingDeletion),
        ] {
            let mut scene = declared(was);
            scene.desired.enabled = enabled;
            scene.desired.life = days.map_or(Life::Live, Life::Scheduled);
            let (done, failed, mut scene, plan) = round(scene, trouble);
            let what = format!("{trouble:?}, {was:?} to {is:?}: {done:?}, in vain {failed:?}, {}", brief(&plan));
            assert_eq!(scene.key().state, is, "{what}");
            // Disabling comes at once. Only rotation comes before it, with one try, because it needs an enabled key.
            if let Some(at) = done.iter().position(|step| *step == Step::Disable) {
                assert!(done[..at].iter().all(|step| matches!(step.part(), Part::Rotation | Part::Binding | Part::Life)), "{what}");
            }
            if days.is_some() {
                continue;
            }
            // Every setting that can be applied is applied.
            let has = |part| done.iter().any(|step| step.part() == part);
            if !matches!(trouble, Trouble::Fails(_, FailureKind::Unavailable)) {
                for part in [Part::Description, Part::Tags, Part::Aliases, Part::Policy] {
                    let barred = match trouble {
                        Trouble::AliasRefused | Trouble::AliasesUnread => part == Part::Aliases,
                        Trouble::TagsRefused => part == Part::Tags,
                        Trouble::PolicyUnread | Trouble::PolicyNotAllowed | Trouble::PolicyLocksOut => part == Part::Policy,
                        Trouble::Fails(failing, _) => part == failing,
                        _ => false,
                    };
                    assert_eq!(has(part), !barred, "{part:?}: {what}");
                }
            }
        }
    }
}

#[test]
fn rotation_that_failed_before_does_not_come_first_again() {
    let mut scene = declared(State::Enabled).with(|s| s.desired.enabled = Some(false));
    scene.intent(crate::domain::deletion::Intent {
        seq: 3,
        generation: scene.desired.generation,
        word: crate::domain::deletion::Word::Live,
    });
    assert_eq!(scene.plan(), Plan::Do(Step::StartRotation { period_days: 100 }));
    scene.tried = Tried::new(true);
    assert_eq!(scene.plan(), Plan::Do(Step::Disable));
}

/// A deletion was withdrawn under `EnforceOnChange`, and enabling fails: the withdrawal stays on record until the key is enabled.
#[test]
fn a_rescue_is_gone_on_with_after_enabling_failed() {
    let mut scene = Scene::of(State::Disabled).with(|s| {
        s.desired.policy = ManagementPolicy::EnforceOnChange;
        s.desired.generation += 1;
        s.memory.status.applied.as_mut().unwrap().deletion_schedule_days = Some(7);
    });
    assert_eq!(scene.plan(), Plan::Do(Step::Enable));
    let failed = [failure(FailureKind::Throttled)];
    assert!(scene.tried.goes_on_without(&Step::Enable, &failed[0]));
    scene.intent(crate::domain::deletion::Intent { seq: 4, generation: 6, word: crate::domain::deletion::Word::Live });
    let plan = scene.plan();
    assert_eq!(brief(&plan), "rest");
    scene.memory.status = status::status(&scene.memory, &Report { failed: &failed, ..scene.report(Conclusion::Planned(&plan)) });
    scene.tried = Tried::default();
    assert_eq!(scene.plan(), Plan::Do(Step::Enable));
}

#[test]
fn what_is_not_known_ends_the_round() {
    for (step, kind, goes_on) in [
        (Step::StopRotation, FailureKind::Denied, true),
        (Step::StopRotation, FailureKind::Unknown, false),
        (Step::StopRotation, FailureKind::Credentials, false),
        (Step::StopRotation, FailureKind::WrongAccount, false),
        (Step::Disable, FailureKind::Denied, true),
        (Step::Cancel, FailureKind::Denied, false),
        (Step::Mark { say: Saying::Live }, FailureKind::Denied, true),
        (Step::Mark { say: Saying::Again }, FailureKind::Denied, false),
    ] {
        assert_eq!(Tried::default().goes_on_without(&step, &failure(kind)), goes_on, "{step} {kind:?}");
    }
}

#[test]
fn all_that_failed_is_said_together_and_the_gravest_is_the_reason() {
    let (_, _, scene, plan) = round(declared(State::Enabled), Trouble::AliasRefused);
    let failed = [failure(FailureKind::Throttled), failure(FailureKind::Denied)];
    let unread = [failure(FailureKind::Unavailable)];
    let conditions = |plan: &Plan, failed: &[Failure], unread: &[Failure]| {
        status::status(&scene.memory, &Report { failed, unread, ..scene.report(Conclusion::Planned(plan)) })
    };
    let said = conditions(&plan, &failed, &unread);
    let ready = condition::find(&said.conditions, ConditionType::Ready).unwrap();
    assert_eq!((&*ready.status, &*ready.reason), ("False", Reason::InvalidSpec.as_str()));
    for part in ["spec.aliases has orders", "Throttled, for a test", "Denied, for a test", "not read: Unavailable, for a test"] {
        assert!(ready.message.contains(part), "{part}: {}", ready.message);
    }
    assert!(condition::find(&said.conditions, ConditionType::Stalled).is_some());
    assert!(condition::find(&said.conditions, ConditionType::Reconciling).is_none());
    assert_eq!(said.applied.as_ref().map(|applied| applied.generation), Some(5), "its settings are gone on with");

    // What could not be read says nothing against the key.
    let whole = declared(State::Enabled).with(|s| s.desired.policy = ManagementPolicy::Enforce);
    let (.., plan) = round(whole, Trouble::RotationUnread);
    let said = conditions(&plan, &[], &unread);
    let status = |kind| condition::find(&said.conditions, kind).map(|known| (known.status.clone(), known.reason.clone()));
    assert_eq!(status(ConditionType::Ready), Some(("True".into(), "Available".into())));
    assert_eq!(status(ConditionType::Synced), Some(("False".into(), "ProviderUnavailable".into())));
    assert_eq!(status(ConditionType::Stalled), None);
    assert!(matches!(scene.observed, Observed::Present(_)));
}
