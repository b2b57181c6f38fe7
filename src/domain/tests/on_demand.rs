//! A rotation on demand: when it is done, when it waits, and when a person is asked.

use jiff::Timestamp;

use super::fixtures::{Scene, arn, days_on, minutes, now};
use crate::{
    api::{
        Reason,
        condition::seconds,
        managed_key::{ManagementPolicy, OnDemand, RotationRequest, RotationState, RotationStatus, RotationType},
    },
    domain::{
        desired::Life,
        event::{About, events},
        failure::{Failure, FailureKind, Outcome},
        observed::{Facet, Facets, MultiRegion, Observed, Rotated, Rotation, Rotations, State},
        plan::{Plan, Read, Rest},
        status::{self, Conclusion},
        step::Step,
    },
};

/// Rotations on demand at these times.
fn on_demand(dates: &[Timestamp]) -> Rotations {
    Rotations(dates.iter().map(|date| Rotated { date: *date, kind: Some(RotationType::OnDemand) }).collect())
}

/// A key that is as declared, whose object asks for a rotation with the text `a`, and whose rotations are these.
fn asked(listed: &[Timestamp]) -> Scene {
    Scene::of(State::Enabled).with(|s| {
        s.desired.rotate = Some("a".into());
        s.key().rotations = Some(on_demand(listed));
    })
}

fn record(scene: &mut Scene) -> &mut OnDemand {
    scene.memory.status.rotation.get_or_insert_default().on_demand.get_or_insert_default()
}

fn request(state: RotationState, ago: i32) -> RotationRequest {
    RotationRequest { text: "a".into(), time: seconds(now() - minutes(ago.into())), newest: None, state }
}

/// What a row changes of a scene.
type Change = Box<dyn Fn(&mut Scene)>;
/// What a row is about, what it changes, and what follows.
type Row = (&'static str, Change, Option<(Reason, bool)>);

/// The reason why a rotation is not done, and whether a person must act.
fn undone(plan: &Plan) -> Option<(Reason, bool)> {
    let Plan::Rest(Rest { demand, .. }) = plan else { panic!("{plan:?}") };
    demand.as_ref().map(|undone| (undone.note.reason, undone.stalled))
}

fn rotates() -> Plan {
    Plan::Do(Step::RotateOnDemand { request: "a".into() })
}

#[test]
fn a_request_is_done_after_everything_else_and_once() {
    assert_eq!(asked(&[]).plan(), rotates());
    assert_eq!(asked(&[]).with(|s| s.key().rotations = None).plan(), Plan::Read(Read::Rotations));
    assert_eq!(asked(&[]).with(|s| s.key().rotation = None).plan(), Plan::Read(Read::Facets));
    let describes = asked(&[]).with(|s| s.desired.description = Some("orders".into()));
    assert_eq!(describes.plan(), Plan::Do(Step::Describe { description: "orders".into() }));
    for (what, change) in [
        ("no text", Box::new(|s: &mut Scene| s.desired.rotate = None) as Change),
        ("handled", Box::new(|s| record(s).last_handled = Some("a".into()))),
        (
            "handled before",
            Box::new(|s| {
                for text in ["a", "b"] {
                    crate::domain::on_demand::open(record(s), text, None, now());
                    crate::domain::on_demand::accepted(record(s));
                }
            }),
        ),
        ("a key that the object does not have yet", Box::new(|s| s.memory.status.key_id = None)),
        ("tried in this round", Box::new(|s| s.tried.leave_out(&Step::RotateOnDemand { request: "a".into() }))),
    ] {
        let plan = asked(&[]).with(|s| change(s)).plan();
        assert_eq!(undone(&plan), None, "{what}");
    }
}

/// A copy that is too old waits with the request, and the key stays as ready as it is.
#[test]
fn a_request_waits_for_a_newer_copy_and_makes_no_key_less_ready() {
    let old = asked(&[]).with(|s| {
        s.rules.max_staleness = Some(minutes(10));
        s.key().age = Some(minutes(11));
    });
    assert_eq!(undone(&old.plan()), Some((Reason::RotationPending, false)));
}

/// It is an explicit request, so a policy that leaves drift alone does not leave it.
#[test]
fn only_observe_leaves_a_request_alone() {
    let of = |policy| asked(&[]).with(|s| s.desired.policy = policy).plan();
    assert_eq!(of(ManagementPolicy::EnforceOnChange), rotates());
    assert_eq!(undone(&of(ManagementPolicy::Observe)), Some((Reason::RotationPending, false)));
}

#[test]
fn a_key_that_cannot_be_rotated_says_so_and_nothing_else_waits() {
    let (pending, invalid) = (Some((Reason::RotationPending, false)), Some((Reason::InvalidSpec, true)));
    let rows: [Row; 10] = [
        (
            "disabled",
            Box::new(|s| {
                s.desired.enabled = Some(false);
                s.key().state = State::Disabled;
            }),
            pending,
        ),
        (
            "pending deletion",
            Box::new(|s| {
                let rotate = s.desired.rotate.clone();
                *s = Scene::scheduled(7);
                s.desired.rotate = rotate;
            }),
            pending,
        ),
        ("asymmetric", Box::new(|s| s.key().kind.spec = "RSA_2048".into()), invalid),
        ("HMAC", Box::new(|s| s.key().kind.spec = "HMAC_256".into()), invalid),
        ("imported", Box::new(|s| s.key().kind.origin = "EXTERNAL".into()), invalid),
        ("in a key store", Box::new(|s| s.key().kind.origin = "AWS_CLOUDHSM".into()), invalid),
        ("a replica", Box::new(|s| s.key().multi_region = Some(MultiRegion::Replica(arn()))), invalid),
        ("rotated now", Box::new(|s| s.key().rotation.as_mut().unwrap().rotating_since = Some(now())), pending),
        (
            "rotated soon",
            Box::new(|s| {
                s.key().rotation = Some(Rotation { enabled: true, next: Some(now() + minutes(19)), ..Rotation::default() });
            }),
            pending,
        ),
        (
            "rotation unread",
            Box::new(|s| {
                s.key().rotation = None;
                s.key().unread = Facets::NONE.with(Facet::Rotation);
            }),
            pending,
        ),
    ];
    for (what, change, expected) in rows {
        let scene = asked(&[]).with(|s| change(s));
        let plan = scene.plan();
        assert_eq!(undone(&plan), expected, "{what}: {plan:?}");
        let Plan::Rest(Rest { demand: Some(told), refused: None, .. }) = &plan else { panic!("{what}: {plan:?}") };
        assert!(told.note.message.contains("rotat"), "{what}: {}", told.note.message);
    }
    let later = asked(&[]).with(|s| {
        s.key().rotation = Some(Rotation { enabled: true, next: Some(now() + minutes(21)), ..Rotation::default() });
    });
    assert_eq!(later.plan(), rotates());
    let unlisted = asked(&[]).with(|s| {
        s.key().rotations = None;
        s.tried.leave_rotations_unread();
    });
    assert_eq!(undone(&unlisted.plan()), pending, "without the KMS's list it is not known whether it was done before");
    let refused = asked(&[]).with(|s| s.tried.refuse_rotation("AWS refuses".into()));
    assert_eq!(undone(&refused.plan()), pending);
}

/// Shows S9.
#[test]
fn a_request_whose_answer_was_lost_is_sent_again_only_if_it_certainly_took_no_effect() {
    let open = |ago: i32, listed: &[Timestamp]| asked(listed).with(|s| record(s).request = Some(request(RotationState::Open, ago)));
    let waits = Some((Reason::RotationPending, false));
    assert_eq!(undone(&open(1, &[]).plan()), waits);
    assert_eq!(undone(&open(14, &[]).plan()), waits);
    assert_eq!(open(15, &[]).plan(), rotates());
    assert_eq!(undone(&open(15, &[now() - minutes(15)]).plan()), None, "it took effect");
    let turning = open(15, &[]).with(|s| s.key().rotation.as_mut().unwrap().rotating_since = Some(now()));
    assert_eq!(undone(&turning.plan()), None, "it is taking effect");
    // A clock that was set back makes it wait longer, and never shorter.
    assert_eq!(undone(&open(-60, &[]).plan()), waits);
    let withdrawn = open(1, &[]).with(|s| s.desired.rotate = None);
    assert_eq!(undone(&withdrawn.plan()), waits, "it may have taken effect all the same");
    assert_eq!(undone(&open(15, &[]).with(|s| s.desired.rotate = None).plan()), None);
    let refused = asked(&[]).with(|s| record(s).request = Some(request(RotationState::Refused, 0)));
    assert_eq!(refused.plan(), rotates(), "it certainly took none");
}

#[test]
fn a_second_request_waits_until_the_first_is_on_the_kms_s_record() {
    let second = |ago: i32, listed: &[Timestamp]| {
        asked(listed).with(|s| {
            s.desired.rotate = Some("b".into());
            let record = record(s);
            record.last_handled = Some("a".into());
            record.request = Some(request(RotationState::Accepted, ago));
        })
    };
    let rotates = Plan::Do(Step::RotateOnDemand { request: "b".into() });
    assert_eq!(undone(&second(5, &[]).plan()), Some((Reason::RotationPending, false)));
    assert_eq!(second(5, &[now()]).plan(), rotates);
    assert_eq!(second(61, &[]).plan(), rotates, "a list that is never right holds nothing up for ever");
    let another = second(5, &[now(), now() + minutes(1)]);
    assert_eq!(undone(&another.plan()), Some((Reason::RotationHeld, true)), "of two new ones only the first was requested");
}

#[test]
fn the_last_rotation_needs_a_confirmation_and_then_none_is_left() {
    let dates = |count: i32| (0..count).map(|day| days_on(day - 100)).collect::<Vec<_>>();
    let used = |count: i32| asked(&dates(count)).with(|s| record(s).last_time = dates(count).last().copied().map(seconds));
    assert_eq!(used(23).plan(), rotates());
    let last = used(24);
    assert_eq!(undone(&last.plan()), Some((Reason::RotationHeld, true)));
    for (text, passes) in [("a", true), ("b", false)] {
        let confirmed = last.clone().with(|s| s.desired.rotate_confirm = Some(text.into()));
        assert_eq!(confirmed.plan() == rotates(), passes, "{text}");
    }
    let none = used(25).with(|s| s.desired.rotate_confirm = Some("a".into()));
    assert_eq!(undone(&none.plan()), Some((Reason::RotationLimitReached, true)));
    assert_eq!(undone(&used(26).plan()), Some((Reason::RotationLimitReached, true)));
    // Automatic rotations do not count, and some KMS have no limit.
    let automatic = asked(&[]).with(|s| {
        let entry = |date| Rotated { date, kind: Some(RotationType::Automatic) };
        s.key().rotations = Some(Rotations(dates(40).into_iter().map(entry).collect()));
    });
    assert_eq!(automatic.plan(), rotates());
    let message = |scene: &Scene| match scene.plan() {
        Plan::Rest(Rest { demand: Some(undone), .. }) => undone.note.message,
        other => panic!("{other:?}"),
    };
    let odd = last.with(|s| s.desired.rotate = Some("it's $(now)".into()));
    let command =
        "kubectl annotate --overwrite --field-manager=keyward-cli -n shop managedkey orders keyward.dev/rotate-confirm='it'\\''s $(now)'";
    assert!(message(&odd).contains(command), "{}", message(&odd));
}

/// A restored object may ask for what was done after its backup.
#[test]
fn a_rotation_that_the_object_does_not_know_is_asked_about() {
    let made = days_on(-30);
    let known = |last: Option<i32>, listed: &[i32]| {
        let dates: Vec<_> = listed.iter().map(|day| days_on(*day)).collect();
        asked(&dates).with(|s| {
            s.memory.made = Some(made);
            record(s).last_time = last.map(|day| seconds(days_on(day)));
        })
    };
    for (what, last, listed, held) in [
        ("none", None, &[][..], false),
        ("one that is known", Some(-5), &[-5][..], false),
        ("one from before the object", None, &[-31][..], false),
        ("one that is not known", None, &[-5][..], true),
        ("one after the one that is known", Some(-5), &[-5, -1][..], true),
    ] {
        let scene = known(last, listed);
        if held {
            assert_eq!(undone(&scene.plan()), Some((Reason::RotationHeld, true)), "{what}");
        } else {
            assert_eq!(scene.plan(), rotates(), "{what}");
        }
    }
    // The hold outlives its round.
    let mut scene = known(None, &[-5]);
    let plan = scene.plan();
    scene.memory.status = status::status(&scene.memory, &scene.report(Conclusion::Planned(&plan)));
    assert_eq!(undone(&scene.plan()), Some((Reason::RotationHeld, true)));
    scene.desired.rotate_confirm = Some("a".into());
    assert_eq!(scene.plan(), rotates());
}

/// A text that came with the object is told once, and is no request.
#[test]
fn a_text_that_the_object_had_when_it_got_its_key_is_skipped() {
    let mut scene = asked(&[]).with(|s| (s.memory.status.key_id, s.memory.status.rotation) = (None, None));
    let plan = scene.plan();
    assert_eq!(undone(&plan), None);
    let before = scene.memory.status.clone();
    let after = status::status(&scene.memory, &scene.report(Conclusion::Planned(&plan)));
    let about = || About { desired: &scene.desired, set_by: None, found: &[], created: None };
    let told: Vec<_> = events(&before, &after, about(), &[]).into_iter().filter(|event| event.reason == "RotationSkipped").collect();
    assert_eq!(told.len(), 1);
    assert_eq!(after.rotation.as_ref().unwrap().on_demand.as_ref().unwrap().last_handled.as_deref(), Some("a"));
    assert!(events(&after, &after, about(), &[]).iter().all(|event| event.reason != "RotationSkipped"));
    scene.memory.status = after;
    assert_eq!(undone(&scene.plan()), None);
    assert_eq!(scene.clone().with(|s| s.desired.rotate = Some("b".into())).plan(), Plan::Do(Step::RotateOnDemand { request: "b".into() }));
}

#[test]
fn a_text_is_recorded_even_if_the_rotation_of_the_key_could_not_be_read() {
    let scene = asked(&[]).with(|s| {
        s.memory.status.key_id = None;
        s.key().rotation = None;
        s.key().unread = Facets::NONE.with(Facet::Rotation);
    });
    let after = status::status(&scene.memory, &scene.report(Conclusion::Planned(&scene.plan())));
    let RotationStatus { enabled, on_demand, .. } = after.rotation.unwrap();
    assert_eq!((enabled, on_demand.unwrap().last_handled.as_deref()), (None, Some("a")));
}

/// A request that waits says nothing against the key; one that a person must look at does.
#[test]
fn ready_stays_while_a_request_waits() {
    let conditions = |scene: &Scene| {
        let plan = scene.plan();
        let status = status::status(&scene.memory, &scene.report(Conclusion::Planned(&plan)));
        let of = |kind| crate::api::condition::find(&status.conditions, kind).map(|found| (found.status.clone(), found.reason.clone()));
        (of(crate::api::ConditionType::Ready).unwrap(), of(crate::api::ConditionType::Synced).unwrap())
    };
    let told = |status: &str, reason: &str| (status.to_owned(), reason.to_owned());
    let waits = asked(&[]).with(|s| s.key().rotation.as_mut().unwrap().rotating_since = Some(now()));
    assert_eq!(conditions(&waits), (told("True", "Available"), told("False", "RotationPending")));
    let held = asked(&[now()]);
    assert_eq!(conditions(&held), (told("False", "RotationHeld"), told("False", "RotationHeld")));
    let failure = Failure {
        kind: FailureKind::RotationLimit,
        operation: "RotateKeyOnDemand",
        message: "no more".into(),
        outcome: Outcome::Refused,
        source: None,
    };
    let failed = [failure];
    let scene = Scene::of(State::Enabled);
    let plan = scene.plan();
    let report = status::Report { failed: &failed, ..scene.report(Conclusion::Planned(&plan)) };
    let status = status::status(&scene.memory, &report);
    let ready = crate::api::condition::find(&status.conditions, crate::api::ConditionType::Ready).unwrap();
    assert_eq!((&*ready.status, &*ready.reason), ("False", "RotationLimitReached"));
}

/// A life that is not declared live is never rotated, and a rotation never changes it.
#[test]
fn a_request_changes_no_plan_about_the_life_of_a_key() {
    for state in State::ALL {
        for life in [Life::Live, Life::Scheduled(7)] {
            let mut scene = Scene::of(state);
            scene.desired.life = life;
            let without = scene.plan();
            scene.desired.rotate = Some("a".into());
            if let Observed::Present(key) = &mut scene.observed {
                key.rotations = Some(Rotations::default());
            }
            match (scene.plan(), &without) {
                (Plan::Do(Step::RotateOnDemand { .. }), Plan::Rest(_)) => assert_eq!((state, life), (State::Enabled, Life::Live)),
                (Plan::Rest(with), Plan::Rest(without)) => assert_eq!(&Rest { demand: None, ..with }, without, "{state:?} {life:?}"),
                (with, without) => assert_eq!(&with, without, "{state:?} {life:?}"),
            }
        }
    }
}
