//! The table: every state of a key against every wish, and the bullets under it.

use jiff::Timestamp;

use super::{
    fixtures::{
        ACCOUNT, GENERATION, ID, NONCE, REGION, SEQ, Scene, admitting, arn, brief, days_on, external, facts, minutes, note, now, ours,
        owner, rules, word,
    },
    model::{Crash, World, call},
};
use crate::{
    api::{
        ConditionType, ManagedKeyStatus, Reason,
        condition::{self, seconds},
        key_provider::{Adoption, AdoptionFrom, ProviderType},
        managed_key::{Applied, CreateAttempt, DeletionCall, KeyTemplate, ManagementPolicy, Missing, ProviderFacts},
        mark,
    },
    domain::{
        candidates::{Unmarked, UnmarkedKey},
        deletion::{Intent, Word, hold::window_refused},
        desired::{Life, WantedRotation},
        failure::{Failure, FailureKind, Outcome},
        memory::{Attempt, Memory},
        observed::{Key, MultiRegion, Observed, Rotation, Searched, State},
        ownership::{Owner, OwnerMark, Tags},
        plan::{self, Gone, OtherOwner, Plan},
        status::Conclusion,
        step::Step,
    },
};

/// A row: its name, where it begins, and everything that follows from there, up to the end.
type Row = (&'static str, Scene, &'static [&'static str]);

fn check<const N: usize>(rows: [Row; N]) {
    let mut wrong = Vec::new();
    for (name, scene, expected) in rows {
        let mut world = World::new(scene);
        let story = world.settle();
        if story != expected {
            wrong.push(format!("{name}:\n  expected {expected:?}\n  found    {story:?}"));
            continue;
        }
        if story.iter().any(|end| end.starts_with("missing")) {
            continue;
        }
        // The end is one: the same plan again, with nothing more to do.
        let again = world.settle();
        if again.len() != 1 || again.last() != story.last() {
            wrong.push(format!("{name}:\n  ended with {:?}\n  and then   {again:?}", story.last()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `enabled: false`.
fn off(mut scene: Scene) -> Scene {
    scene.desired.enabled = Some(false);
    scene
}

/// The field was set in a new generation.
fn asked(mut scene: Scene, days: i32) -> Scene {
    scene.desired.generation += 1;
    scene.desired.life = Life::Scheduled(days);
    scene
}

fn policy(mut scene: Scene, policy: ManagementPolicy) -> Scene {
    scene.desired.policy = policy;
    scene
}

/// Rotation every 100 days, a tag, an alias and a description are declared, and nothing of it is on the key.
fn declares(mut scene: Scene) -> Scene {
    scene.desired.generation += 1;
    if !matches!(&scene.observed, Observed::Present(key) if key.kind.origin != "AWS_KMS") {
        scene.desired.rotation = Some(WantedRotation::On(Some(100)));
    }
    scene.desired.tags = Tags::from([("team".into(), "shop".into())]);
    scene.desired.aliases = ["alias/orders".into()].into();
    scene.desired.description = Some("order signing".into());
    scene
}

/// We disabled the key ourselves.
fn by_us(mut scene: Scene) -> Scene {
    scene.memory.status.applied.get_or_insert_default().enabled = Some(false);
    scene
}

const HELD: &[&str] = &["mark the key held", "hold CancelledOutside"];
const SYNC: &[&str] =
    &["mark the key live", "rotate the key every 100 days", "set the description", "set the tags team", "add alias/orders", "rest"];

/// Shows S4, S5 and L1.
#[test]
fn every_cell_of_desired_against_observed() {
    use Searched::{Everywhere, Reference};
    use State::{Creating, Disabled, Enabled, PendingDeletion, PendingImport, PendingReplicaDeletion, Unavailable, Updating};
    let gone = |scene: Scene| scene.with(|s| s.observed = Observed::Absent(Reference));
    let replicas = |mut scene: Scene| {
        scene.key().multi_region = Some(MultiRegion::Primary(vec!["arn:aws:kms:eu-north-1:111122223333:key/mrk-1".into()]));
        scene
    };
    check([
        // absent, never bound
        ("absent, never bound × live, enabled", Scene::unbound(Reference), &["create the key", "rest"]),
        ("absent, never bound × live, disabled", off(Scene::unbound(Reference)), &["create the key", "disable the key", "rest"]),
        ("absent, never bound × scheduled: find by claim", asked(Scene::unbound(Reference), 7), &["stall NothingToDelete"]),
        ("absent, never bound × scheduled: find by marks", asked(Scene::unbound(Everywhere), 7), &["stall NothingToDelete"]),
        ("found by claim × live, enabled", Scene::finds(Enabled), &["mark the key live", "rest"]),
        ("found by claim × live, disabled", off(Scene::finds(Enabled)), &["mark the key live", "disable the key", "rest"]),
        ("found by claim × scheduled", asked(Scene::finds(Enabled), 7), &["mark the key held", "hold RollbackSuspected"]),
        // absent, was bound
        ("absent, was bound × live, enabled", gone(Scene::of(Enabled)), &["missing 1 Unsure"]),
        ("absent, was bound × live, disabled", gone(off(Scene::of(Enabled))), &["missing 1 Unsure"]),
        ("absent, was bound × scheduled", gone(asked(Scene::of(Enabled), 7)), &["missing 1 Unsure"]),
        // Enabled
        ("Enabled × live, enabled", Scene::of(Enabled), &["rest"]),
        ("Enabled × live, enabled: sync settings", declares(Scene::of(Enabled)), SYNC),
        ("Enabled × live, disabled", off(Scene::of(Enabled)), &["disable the key", "rest"]),
        (
            "Enabled × live, disabled: rotation needs an enabled key, and nothing else does",
            off(declares(Scene::of(Enabled))),
            &[
                "mark the key live",
                "rotate the key every 100 days",
                "disable the key",
                "set the description",
                "set the tags team",
                "add alias/orders",
                "rest",
            ],
        ),
        ("Enabled × scheduled", asked(Scene::of(Enabled), 7), &["schedule the deletion in 7 days", "rest"]),
        ("Enabled × scheduled: settings wait", asked(declares(Scene::of(Enabled)), 7), &["schedule the deletion in 7 days", "rest"]),
        // Disabled
        ("Disabled × live, enabled", Scene::of(Disabled), &["enable the key", "rest"]),
        (
            "Disabled × live, enabled: enable, then sync",
            declares(Scene::of(Disabled)),
            &[
                "enable the key",
                "mark the key live",
                "rotate the key every 100 days",
                "set the description",
                "set the tags team",
                "add alias/orders",
                "rest",
            ],
        ),
        ("Disabled × live, disabled", off(Scene::of(Disabled)), &["rest"]),
        (
            "Disabled × live, disabled: sync what a disabled key allows",
            off(declares(Scene::of(Disabled))),
            &["mark the key live", "set the description", "set the tags team", "add alias/orders", "rest waits"],
        ),
        ("Disabled by us × scheduled", asked(by_us(Scene::of(Disabled)), 7), &["schedule the deletion in 7 days", "rest"]),
        ("Disabled by another × scheduled", asked(Scene::of(Disabled), 7), HELD),
        // PendingDeletion
        ("PendingDeletion, theirs × live, enabled", Scene::of(PendingDeletion), &["cancel the deletion", "enable the key", "rest"]),
        (
            "PendingDeletion, ours × live, enabled: cancel, mark live, enable",
            Scene::scheduled(7).with(|s| s.desired.life = Life::Live).with(|s| s.desired.generation += 1),
            &["cancel the deletion", "enable the key", "mark the key live", "rest"],
        ),
        ("PendingDeletion, theirs × live, disabled", off(Scene::of(PendingDeletion)), &["cancel the deletion", "rest"]),
        (
            "PendingDeletion, ours × live, disabled: cancel, mark live",
            off(Scene::scheduled(7).with(|s| s.desired.life = Life::Live).with(|s| s.desired.generation += 1)),
            &["cancel the deletion", "mark the key live", "rest"],
        ),
        ("PendingDeletion, ours × scheduled", Scene::scheduled(7), &["rest"]),
        ("PendingDeletion, theirs × scheduled", asked(Scene::of(PendingDeletion), 7), &["rest"]),
        (
            "PendingDeletion, ours × scheduled, N changed",
            asked(Scene::scheduled(7), 9),
            &["change the scheduled deletion to 9 days", "rest"],
        ),
        // PendingReplicaDeletion
        (
            "PendingReplicaDeletion × live, enabled",
            replicas(Scene::of(PendingReplicaDeletion)),
            &["cancel the deletion", "enable the key", "rest"],
        ),
        ("PendingReplicaDeletion × live, disabled", off(replicas(Scene::of(PendingReplicaDeletion))), &["cancel the deletion", "rest"]),
        ("PendingReplicaDeletion × scheduled", asked(replicas(Scene::of(PendingReplicaDeletion)), 7), &["rest"]),
        // PendingImport
        ("PendingImport × live, enabled: no enable", Scene::of(PendingImport), &["stall PendingImport"]),
        (
            "PendingImport × live, enabled: what can be synced is",
            declares(Scene::of(PendingImport)),
            &["mark the key live", "set the description", "set the tags team", "add alias/orders", "stall PendingImport"],
        ),
        ("PendingImport × live, disabled", off(Scene::of(PendingImport)), &["rest"]),
        ("PendingImport × scheduled", asked(Scene::of(PendingImport), 7), &["schedule the deletion in 7 days", "rest"]),
        // Creating, Updating
        ("Creating × live, enabled", Scene::of(Creating), &["wait Creating"]),
        ("Creating × live, disabled", off(Scene::of(Creating)), &["wait Creating"]),
        ("Creating × scheduled", asked(Scene::of(Creating), 7), &["wait Creating"]),
        ("Updating × live, enabled", Scene::of(Updating), &["wait Updating"]),
        ("Updating × live, disabled", off(Scene::of(Updating)), &["wait Updating"]),
        ("Updating × scheduled", asked(Scene::of(Updating), 7), &["wait Updating"]),
        // Unavailable
        ("Unavailable × live, enabled", Scene::of(Unavailable), &["stall KeyUnavailable"]),
        ("Unavailable × live, disabled", off(Scene::of(Unavailable)), &["rest"]),
        ("Unavailable × scheduled", asked(Scene::of(Unavailable), 7), &["schedule the deletion in 7 days", "rest"]),
    ]);
}

#[test]
fn what_the_kms_does_not_tell_is_set_when_the_spec_is_new_and_is_no_drift_then() {
    let untold = |generation: i64| {
        Scene::of(State::Enabled).with(|s| {
            s.desired.description = Some("signing".into());
            s.desired.rotation = Some(WantedRotation::On(Some(100)));
            s.memory.status.applied.get_or_insert_default().generation = generation;
            let key = s.key();
            key.description = None;
            key.rotation = Some(Rotation { enabled: true, ..Rotation::default() });
            (key.kind.spec, key.kind.usage, key.kind.origin) = Default::default();
        })
    };
    check([("new", untold(GENERATION - 1), &["rotate the key every 100 days", "set the description", "rest"])]);
    assert_eq!(brief(&untold(GENERATION).plan()), "rest", "it was applied");
    let off = untold(GENERATION).with(|s| s.key().rotation = Some(Rotation::default()));
    assert_eq!(brief(&off.plan()), "rotate the key every 100 days", "what is told counts");
    for policy in [ManagementPolicy::Observe, ManagementPolicy::EnforceOnChange] {
        let left = |scene: Scene| {
            let scene = scene.with(|s| (s.desired.policy, s.memory.status.applied) = (policy, None));
            brief(&scene.plan())
        };
        assert_eq!(left(untold(GENERATION)), "rest", "{policy:?}: nobody could end that drift");
        assert_eq!(left(off.clone()), "rest drift", "{policy:?}: what is told counts");
        assert_eq!(left(untold(GENERATION).with(|s| s.key().description = Some("x".into()))), "rest drift", "{policy:?}");
    }
    let named = |uid: &str| {
        untold(GENERATION).with(|s| {
            s.desired.kind = Some(KeyTemplate::default());
            s.tags().insert(mark::UID.into(), uid.into());
            s.memory = Memory::default();
        })
    };
    assert_eq!(brief(&named("an earlier one").plan()), "take the key up again", "its own key is of the kind that it was");
    let adopted = named("").with(|s| {
        s.key().tags = Some(Tags::new());
        s.desired.adopt = Some(arn());
        s.rules.adoption = admitting();
    });
    let plan = adopted.plan();
    assert_eq!(note(&plan).0, Reason::AdoptionMismatch, "another's is not adopted on a guess");
    assert!(note(&plan).1.contains("is (not reported) for (not reported) of origin (not reported)"), "{}", note(&plan).1);
}

#[test]
fn what_is_synced_and_what_is_left_alone() {
    let rotating = |period: i32| Some(Rotation { enabled: true, period_days: Some(period), ..Rotation::default() });
    let wants = |scene: Scene, wanted: WantedRotation| scene.with(|s| s.desired.rotation = Some(wanted));
    let on = |period| WantedRotation::On(period);
    let applied = |scene: Scene, tags: &[&str], aliases: &[&str]| {
        scene.with(|s| {
            let known = s.memory.status.applied.get_or_insert_default();
            known.tag_keys = tags.iter().map(|&tag| tag.into()).collect();
            known.aliases = aliases.iter().map(|&alias| alias.into()).collect();
            // Everything is read when the spec is new.
            known.generation -= 1;
        })
    };
    let fresh = || applied(Scene::of(State::Enabled), &[], &[]);
    check([
        ("rotation absent is left on", fresh().with(|s| s.key().rotation = rotating(200)), &["rest"]),
        ("rotation on, no period: 365", wants(fresh(), on(None)), &["rotate the key every 365 days", "rest"]),
        ("rotation on already, no period: as it is", wants(fresh(), on(None)).with(|s| s.key().rotation = rotating(200)), &["rest"]),
        (
            "another period",
            wants(fresh(), on(Some(100))).with(|s| s.key().rotation = rotating(200)),
            &["rotate the key every 100 days", "rest"],
        ),
        ("the same period", wants(fresh(), on(Some(200))).with(|s| s.key().rotation = rotating(200)), &["rest"]),
        (
            "rotation off",
            wants(fresh(), WantedRotation::Off).with(|s| s.key().rotation = rotating(200)),
            &["stop rotating the key", "rest"],
        ),
        (
            "rotation off waits while disabled",
            off(wants(applied(Scene::of(State::Disabled), &[], &[]), WantedRotation::Off)).with(|s| s.key().rotation = rotating(200)),
            &["rest waits"],
        ),
        ("rotation off on a key that cannot rotate", wants(Scene::of(State::PendingImport), WantedRotation::Off), &["stall PendingImport"]),
        (
            "a replica takes its rotation from its primary",
            wants(fresh(), on(None)).with(|s| s.key().multi_region = Some(MultiRegion::Replica("arn:primary".into()))),
            &["rest refused"],
        ),
        (
            "a primary rotates",
            wants(fresh(), on(None)).with(|s| s.key().multi_region = Some(MultiRegion::Primary(vec![]))),
            &["rotate the key every 365 days", "rest"],
        ),
        ("an imported key does not rotate", wants(fresh(), on(None)).with(|s| s.key().kind.origin = "EXTERNAL".into()), &["rest refused"]),
        ("an asymmetric key does not rotate", wants(fresh(), on(None)).with(|s| s.key().kind.spec = "RSA_2048".into()), &["rest refused"]),
        ("an HMAC key does not rotate", wants(fresh(), on(None)).with(|s| s.key().kind.spec = "HMAC_256".into()), &["rest refused"]),
        (
            "an asymmetric key is not created with rotation",
            wants(Scene::unbound(Searched::Reference), on(None))
                .with(|s| s.desired.kind = Some(KeyTemplate { spec: "RSA_2048".into(), ..KeyTemplate::default() })),
            &["stall InvalidSpec"],
        ),
        ("a period that AWS refuses", wants(fresh(), on(Some(89))), &["rest refused"]),
        ("an outside tag is left alone", fresh().with(|s| drop(s.tags().insert("theirs".into(), "1".into()))), &["rest"]),
        (
            "a tag taken out of the spec is removed if it was applied",
            applied(fresh(), &["team"], &[]).with(|s| drop(s.tags().insert("team".into(), "shop".into()))),
            &["remove the tags team", "rest"],
        ),
        (
            "a tag that the object may not set is not its own to remove, whatever its status lists",
            applied(fresh(), &["abac-tier", "team"], &[])
                .with(|s| s.rules.allow.tag_keys = vec!["team".into()])
                .with(|s| s.tags().extend(["abac-tier", "team"].map(|tag| (tag.into(), "1".into())))),
            &["remove the tags team", "rest"],
        ),
        (
            "an alias that the object may not set is not its own to remove, whatever its status lists",
            applied(fresh(), &[], &["app-prod", "shop/orders"]).with(|s| s.rules.allow.aliases = vec!["shop/*".into()]).with(|s| {
                s.key().aliases.get_or_insert_default().extend(["app-prod", "shop/orders"].map(|alias| format!("alias/{alias}")));
            }),
            &["remove alias/shop/orders", "rest"],
        ),
        ("a tag that is gone already is not removed", applied(fresh(), &["team"], &[]), &["rest"]),
        (
            "a changed value is set again",
            applied(fresh(), &["team"], &[])
                .with(|s| drop(s.desired.tags.insert("team".into(), "shop".into())))
                .with(|s| drop(s.tags().insert("team".into(), "bank".into()))),
            &["set the tags team", "rest"],
        ),
        (
            "a tag that the provider does not allow",
            fresh()
                .with(|s| s.rules.allow.tag_keys = vec!["cost-*".into()])
                .with(|s| drop(s.desired.tags.insert("team".into(), "x".into()))),
            &["rest refused"],
        ),
        (
            "an alias that the provider does not allow",
            fresh().with(|s| s.rules.allow.aliases = vec!["shop/*".into()]).with(|s| s.desired.aliases = ["alias/orders".into()].into()),
            &["rest refused"],
        ),
        (
            "an alias that the provider allows",
            fresh()
                .with(|s| s.rules.allow.aliases = vec!["shop/*".into()])
                .with(|s| s.desired.aliases = ["alias/shop/orders".into()].into()),
            &["add alias/shop/orders", "rest"],
        ),
        ("an outside alias is left alone", fresh().with(|s| s.key().aliases.as_mut().unwrap().push("alias/theirs".into())), &["rest"]),
        (
            "an alias taken out of the spec is removed if it was applied",
            applied(fresh(), &[], &["orders"]).with(|s| s.key().aliases.as_mut().unwrap().push("alias/orders".into())),
            &["remove alias/orders", "rest"],
        ),
        ("the claim comes back", fresh().with(|s| s.key().aliases = Some(vec![])), &["add alias/keyward/prod/shop/orders", "rest"]),
        (
            "an adopted key gets no claim",
            fresh().with(|s| s.desired.adopt = Some(ID.into())).with(|s| s.key().aliases = Some(vec![])),
            &["rest"],
        ),
        ("no description is left alone", fresh().with(|s| s.key().description = Some("theirs".into())), &["rest"]),
        (
            "a declared description is kept",
            fresh().with(|s| s.desired.description = Some(String::new())).with(|s| s.key().description = Some("theirs".into())),
            &["set the description", "rest"],
        ),
    ]);
}

/// Shows S5.
#[test]
fn nothing_is_compared_while_the_key_is_pending() {
    let mut scene = Scene::scheduled(7).with(|s| s.desired.rotation = Some(WantedRotation::On(None)));
    // AWS reports rotation off then.
    scene.key().rotation = Some(Rotation::default());
    scene.key().aliases = Some(vec![]);
    scene.desired.tags = Tags::from([("team".into(), "shop".into())]);
    assert_eq!(brief(&scene.plan()), "rest");
    scene.desired.policy = ManagementPolicy::Observe;
    assert_eq!(brief(&scene.plan()), "rest");
}

/// Shows S7.
#[test]
fn what_was_not_read_is_neither_compared_nor_changed() {
    let quick = |mut scene: Scene| {
        let key = scene.key();
        (key.tags, key.rotation, key.aliases) = (None, None, None);
        brief(&scene.plan())
    };
    assert_eq!(quick(Scene::of(State::Enabled)), "rest");
    assert_eq!(quick(Scene::scheduled(7)), "rest");
    for (name, scene) in [
        ("a new generation", declares(Scene::of(State::Enabled))),
        // It would be Ready after each read that does not show whose the key is.
        (
            "a key that was another's at the last look",
            Scene::of(State::Enabled).with(|s| {
                let conditions = &mut s.memory.status.conditions;
                condition::set(conditions, ConditionType::Synced, false, Reason::OwnedByAnother, "it is another's", GENERATION, now());
            }),
        ),
        ("no record of what was applied", Scene::of(State::Enabled).with(|s| s.memory.status.applied = None)),
        ("nothing says that the key is ours", Scene::finds(State::Enabled)),
        ("a key to be enabled", Scene::of(State::Disabled)),
        ("a key to be cancelled", Scene::of(State::PendingDeletion)),
        ("a key to be scheduled", asked(Scene::of(State::Enabled), 7)),
        ("a schedule that is gone", Scene::scheduled(7).with(|s| s.key().state = State::Enabled)),
    ] {
        assert_eq!(quick(scene), "read Facets", "{name}");
    }
}

#[test]
fn changed_days_take_a_cancel_and_a_schedule_or_nothing_at_all() {
    let changed = || asked(Scene::scheduled(7), 9);
    check([
        ("exactly ours, newer generation", changed(), &["change the scheduled deletion to 9 days", "rest"]),
        ("no newer generation", changed().with(|s| s.desired.generation = GENERATION).with(forget_applied), &["hold CancelledOutside"]),
        ("this object is behind the mark", changed().with(|s| s.memory.status.intent_seq = Some(SEQ - 1)), &["hold RollbackSuspected"]),
        ("no number at all", changed().with(|s| s.memory.status.intent_seq = None), &["hold RollbackSuspected"]),
        ("a lost status", changed().with(|s| s.memory.status = ManagedKeyStatus::default()), &["hold RollbackSuspected"]),
        ("another's schedule", changed().with(|s| s.memory.status.deletion = Some(external())), &["hold CancelledOutside"]),
        (
            "scheduled again by someone, with another date",
            changed().with(|s| s.key().deletion_date = Some(days_on(30))),
            &["hold CancelledOutside"],
        ),
        ("another's schedule, its days are not ours to change", asked(Scene::of(State::PendingDeletion), 9), &["rest"]),
        ("days that AWS refuses: no cancel on the way", asked(Scene::scheduled(7), 31), &["stall InvalidSpec"]),
        (
            "days below the provider's minimum: no cancel on the way",
            asked(Scene::scheduled(14), 9).with(|s| s.rules.guard.minimum_schedule_days = 10),
            &["stall InvalidSpec"],
        ),
        (
            "the provider's minimum was raised since: what stands, stands",
            Scene::scheduled(7).with(|s| s.rules.guard.minimum_schedule_days = 14),
            &["rest"],
        ),
        (
            "a pending key has no token, so a number instead of one confirms nothing",
            changed().with(|s| s.memory.status.intent_seq = None).with(|s| s.desired.confirmation = Some(format!("{ID}@{SEQ}"))),
            &["hold RollbackSuspected"],
        ),
        (
            "a confirmation is demanded, and a pending key can have no token for it",
            changed().with(|s| s.rules.guard.require_confirmation = true),
            &["hold ConfirmationRequired"],
        ),
    ]);
}

/// Shows S10.
#[test]
fn drift_is_never_corrected_towards_deletion() {
    let cancelled = |state| Scene::scheduled(7).with(|s| s.key().state = state).with(|s| s.key().deletion_date = None);
    let world = |scene: Scene| {
        let mut scene = scene;
        let full = super::fixtures::key(State::Enabled);
        (scene.key().rotation, scene.key().aliases) = (full.rotation, full.aliases);
        scene
    };
    check([
        ("cancelled outside", world(cancelled(State::Disabled)), HELD),
        ("cancelled and enabled outside", world(cancelled(State::Enabled)), HELD),
        (
            "a token for the word before is spent by the word held",
            world(cancelled(State::Disabled)).with(|s| s.desired.confirmation = s.token()),
            HELD,
        ),
        ("EnforceOnChange too", policy(world(cancelled(State::Disabled)), ManagementPolicy::EnforceOnChange), HELD),
        ("Observe only says so", policy(world(cancelled(State::Disabled)), ManagementPolicy::Observe), &["rest life drifted"]),
    ]);
}

/// Shows S5.
#[test]
fn the_policies() {
    use ManagementPolicy::{EnforceOnChange, Observe};
    use State::{Disabled, Enabled, PendingDeletion};
    let on_change = |scene| policy(scene, EnforceOnChange);
    let observe = |scene| policy(scene, Observe);
    let new = |scene: Scene| scene.with(|s| s.desired.generation += 1);
    let forgot = |scene: Scene| scene.with(|s| s.memory.status.applied = None);
    let untagged = |scene: Scene| {
        scene.with(|s| {
            s.desired.tags = Tags::from([("team".into(), "shop".into())]);
        })
    };
    // The drift of what is read by turns is seen when it is read.
    let seen = |scene: Scene, expected: &str| assert_eq!(brief(&scene.plan()), expected);
    seen(untagged(Scene::of(Enabled)), "set the tags team");
    seen(on_change(untagged(Scene::of(Enabled))), "rest drift");
    seen(on_change(untagged(forgot(Scene::of(Enabled)))), "rest drift");
    seen(observe(untagged(Scene::of(Enabled))), "rest drift");

    let names = |scene: Scene| scene.with(|s| s.desired.adopt = Some(ID.into())).with(|s| s.rules.adoption = admitting());
    let earlier = || Owner { uid: "u0".into(), ..owner() };
    check([
        (
            "OnChange, no record: another's schedule on a key to take up",
            on_change(Scene::finds(PendingDeletion).with(marked(earlier()))),
            &["rest unbound life drifted"],
        ),
        ("OnChange, no record: pending with other days", on_change(forgot(asked(Scene::scheduled(7), 9))), &["rest life drifted"]),
        (
            "OnChange: scheduled, a crash, and the field removed",
            on_change(Scene::of(PendingDeletion)).with(|s| {
                s.desired.generation += 2;
                s.intent(word(Word::Days(7)));
                // What stood in the status before the call: see the test of `Memory::open`.
                s.memory.status.deletion = Some(ours(7, Some(DeletionCall::Open)));
                s.memory.status.applied.as_mut().unwrap().deletion_schedule_days = Some(7);
            }),
            &["cancel the deletion", "enable the key", "mark the key live", "rest"],
        ),
        ("Observe: a key without marks", observe(names(Scene::finds(Enabled)).with(unmarked)), &["rest unbound"]),
        ("Observe: such a key, disabled", observe(names(Scene::finds(Disabled)).with(unmarked)), &["rest unbound"]),
        ("Observe: an earlier object's key", observe(Scene::finds(Enabled).with(marked(earlier()))), &["rest unbound"]),
        ("OnChange: a new generation applies settings", on_change(declares(Scene::of(Enabled))), SYNC),
        ("OnChange: disabled by someone", on_change(Scene::of(Disabled)), &["rest life drifted"]),
        (
            "OnChange: an edit of a tag does not enable",
            on_change(new(untagged(Scene::of(Disabled)))),
            &["mark the key live", "set the tags team", "rest life drifted"],
        ),
        ("OnChange: enabled changed to false", on_change(new(off(Scene::of(Enabled)))), &["mark the key live", "disable the key", "rest"]),
        ("OnChange: enabled changed to true", on_change(new(by_us(Scene::of(Disabled)))), &["enable the key", "mark the key live", "rest"]),
        ("OnChange: enabled by someone", on_change(off(by_us(Scene::of(Enabled)))), &["rest life drifted"]),
        ("OnChange: scheduled by someone", on_change(Scene::of(PendingDeletion)), &["rest life drifted"]),
        ("OnChange: scheduled by someone, a tag edited", on_change(new(untagged(Scene::of(PendingDeletion)))), &["rest life drifted"]),
        (
            "OnChange: the field removed is cancelled, and enabled again",
            on_change(Scene::scheduled(7).with(|s| s.desired.life = Life::Live).with(|s| s.desired.generation += 1)),
            &["cancel the deletion", "enable the key", "mark the key live", "rest"],
        ),
        (
            "OnChange: cancelled by us, and a crash before it was enabled",
            on_change(Scene::scheduled(7).with(|s| s.desired.life = Life::Live).with(|s| s.desired.generation += 1)).with(|s| {
                let full = super::fixtures::key(Disabled);
                (s.key().rotation, s.key().aliases, s.key().state, s.key().deletion_date) = (full.rotation, full.aliases, Disabled, None);
            }),
            &["enable the key", "mark the key live", "rest"],
        ),
        ("OnChange: the field set", on_change(asked(Scene::of(Enabled), 7)), &["schedule the deletion in 7 days", "rest"]),
        ("OnChange, no record: disabled", on_change(forgot(Scene::of(Disabled))), &["rest life drifted"]),
        ("OnChange, no record: pending", on_change(forgot(Scene::of(PendingDeletion))), &["rest life drifted"]),
        ("OnChange, no record: the field set", on_change(forgot(asked(Scene::of(Enabled), 7))), &["rest life drifted"]),
        ("OnChange, no record, nothing differs: a record", on_change(forgot(Scene::of(Enabled))), &["rest"]),
        ("OnChange creates", on_change(Scene::unbound(Searched::Reference)), &["create the key", "rest"]),
        ("Observe: as declared", observe(Scene::of(Enabled)), &["rest"]),
        ("Observe: settings", observe(declares(Scene::of(Enabled))), &["rest drift"]),
        ("Observe: disabled, nothing declared", observe(Scene::of(Disabled)), &["rest"]),
        ("Observe: disabled", observe(Scene::of(Disabled).with(|s| s.desired.enabled = Some(true))), &["rest life drifted"]),
        ("Observe: enabled", observe(off(Scene::of(Enabled))), &["rest life drifted"]),
        ("Observe: pending", observe(Scene::of(PendingDeletion)), &["rest life drifted"]),
        ("Observe: the field set", observe(asked(Scene::of(Enabled), 7)), &["rest life drifted"]),
        ("Observe: the field set, pending", observe(Scene::scheduled(7)), &["rest"]),
        ("Observe: being created", observe(Scene::of(State::Creating)), &["wait Creating"]),
        ("Observe: without material", observe(Scene::of(State::PendingImport)), &["stall PendingImport"]),
        ("Observe: without material, nor to be enabled", observe(off(Scene::of(State::PendingImport))), &["rest"]),
        ("Observe: unavailable", observe(Scene::of(State::Unavailable)), &["stall KeyUnavailable"]),
        ("Observe: no key", observe(Scene::unbound(Searched::Reference)), &["stall KeyMissing"]),
    ]);
}

/// Shows S4.
#[test]
fn a_key_is_taken_for_gone_after_three_answers_over_five_minutes() {
    let found = |count: i32, since: i64, date: Option<i32>| {
        Scene::of(State::Enabled)
            .with(|s| s.observed = Observed::Absent(Searched::Reference))
            .with(|s| s.memory.status.missing = (count > 0).then(|| Missing { count, first_time: seconds(now() - minutes(since)) }))
            .with(|s| s.memory.status.deletion_date = date.map(|days| seconds(days_on(days))))
    };
    let annotated = |searched| {
        found(0, 0, None).with(|s| s.memory.status = ManagedKeyStatus::default()).with(|s| s.observed = Observed::Absent(searched))
    };
    for (name, scene, expected) in [
        ("the first answer", found(0, 0, None), "missing 1 Unsure"),
        ("the second", found(1, 60, None), "missing 2 Unsure"),
        ("the third, too early", found(2, 4, None), "missing 3 Unsure"),
        ("the third, in time", found(2, 5, None), "missing 3 Lost"),
        ("many, too early", found(3, 4, None), "missing 3 Unsure"),
        ("many", found(3, 50, None), "missing 3 Lost"),
        ("a clock that went back", found(3, -50, None), "missing 3 Unsure"),
        ("past its date", found(2, 5, Some(-1)), "missing 3 Deleted"),
        ("before its date", found(2, 5, Some(1)), "missing 3 Lost"),
        ("past its date, the first answer", found(0, 0, Some(-1)), "missing 1 Unsure"),
        ("bound by annotation alone: its marks are searched", annotated(Searched::Reference), "read Everywhere"),
        ("bound by annotation alone, and not found", annotated(Searched::Everywhere), "missing 1 Unsure"),
        (
            "bound by annotation alone, to be deleted",
            annotated(Searched::Everywhere).with(|s| s.desired.life = Life::Scheduled(7)),
            "missing 1 Unsure",
        ),
        (
            "bound by annotation alone, and it names another to adopt",
            annotated(Searched::Reference).with(|s| s.desired.adopt = Some(ID.into())),
            "stall KeyMissing",
        ),
        (
            "bound by its id in status alone",
            found(0, 0, None).with(|s| (s.memory.key, s.memory.status.key_arn) = (None, None)),
            "missing 1 Unsure",
        ),
        ("in another account", found(2, 5, None).with(|s| s.rules.account = "444455556666".into()), "stall WrongAccount"),
        ("in another Region", found(2, 5, Some(-1)).with(|s| s.rules.region = "eu-north-1".into()), "stall WrongAccount"),
        (
            "in another account than its ARN says, status lost",
            found(2, 5, None).with(|s| s.memory.status.provider = None).with(|s| s.rules.account = "444455556666".into()),
            "stall WrongAccount",
        ),
        (
            "a reference that names no place",
            found(2, 5, None).with(|s| (s.memory.status.provider, s.memory.status.key_arn) = (None, Some("0d0466b0".into()))),
            "missing 3 Lost",
        ),
        ("at another endpoint", found(2, 5, None).with(|s| s.rules.endpoint = "kms.example.com".into()), "stall WrongAccount"),
        ("at another endpoint, past its date", found(2, 5, Some(-1)).with(|s| s.rules.endpoint = "x".into()), "stall WrongAccount"),
        (
            "at an endpoint that an earlier version did not record",
            found(2, 5, None).with(|s| s.memory.status.provider = Some(facts())).with(|s| s.rules.endpoint = "kms.example.com".into()),
            "missing 3 Lost",
        ),
        (
            "in another account than a status says whose ARN is here",
            found(2, 5, None).with(|s| s.memory.status.provider.as_mut().unwrap().account = "444455556666".into()),
            "stall WrongAccount",
        ),
        (
            "bound by an annotation alone, of another account",
            annotated(Searched::Everywhere).with(|s| s.rules.account = "444455556666".into()),
            "stall WrongAccount",
        ),
        (
            "bound by an annotation alone, of another Region of Huawei",
            annotated(Searched::Everywhere).with(|s| {
                (s.rules.provider, s.rules.region) = (ProviderType::Huawei, "cn-north-4".into());
                s.memory.key = Some("kms:eu-west-101:d0:KeyId:1".into());
            }),
            "stall WrongAccount",
        ),
        (
            "bound by an annotation alone, of another KMS",
            annotated(Searched::Everywhere).with(|s| s.memory.key = Some("kms:eu-west-1:d0:KeyId:1".into())),
            "stall WrongAccount",
        ),
        ("a count that is too large", found(i32::MAX, 5, None), "missing 3 Lost"),
        ("a count below zero", found(1, 50, None).with(|s| s.memory.status.missing.as_mut().unwrap().count = i32::MIN), "missing 1 Unsure"),
        ("Observe counts too", policy(found(2, 5, None), ManagementPolicy::Observe), "missing 3 Lost"),
        ("an adopted key", found(2, 5, None).with(|s| s.desired.adopt = Some(ID.into())), "missing 3 Lost"),
    ] {
        assert_eq!(brief(&scene.plan()), expected, "{name}");
    }
    let Plan::Missing(_, note, gone) = found(2, 5, None).plan() else { panic!() };
    assert_eq!((note.reason, gone), (Reason::KeyMissing, Gone::Lost));
    assert!(note.message.contains("make a new object"), "{}", note.message);
    let lost = annotated(Searched::Everywhere).with(|s| s.memory.status.missing = found(2, 5, None).memory.status.missing).plan();
    let Plan::Missing(_, lost, Gone::Lost) = lost else { panic!("{lost:?}") };
    let command = "kubectl annotate --field-manager=keyward-cli -n shop managedkey orders keyward.dev/key-";
    assert!(lost.message.contains(command), "{}", lost.message);
}

/// Shows S2.
#[test]
fn a_creation_whose_outcome_is_not_known() {
    let attempt = |minutes_ago: i64, account: &str, region: &str| Attempt::At {
        id: "a".into(),
        account: account.into(),
        region: region.into(),
        time: now() - minutes(minutes_ago),
    };
    let at = |time| Attempt::At { id: "a".into(), account: ACCOUNT.into(), region: REGION.into(), time };
    let begun = |searched, attempt| Scene::unbound(searched).with(|s| s.memory.attempt = Some(attempt));
    let opened = |searched, minutes_ago: i64, account: &str| {
        let (id, account, region) = ("a".into(), account.into(), REGION.into());
        let attempt = CreateAttempt { id, account, region, endpoint: None, time: seconds(now() - minutes(minutes_ago)) };
        Scene::unbound(searched).with(|s| s.memory.status.create_attempt = Some(attempt))
    };
    let names = |scene: Scene| scene.with(|s| s.desired.adopt = Some("another".into())).with(|s| s.rules.adoption = admitting());
    let at_endpoint =
        |scene: Scene, endpoint: &str| scene.with(|s| s.memory.status.create_attempt.as_mut().unwrap().endpoint = Some(endpoint.into()));
    let finds = |s: &mut Scene| s.observed = Scene::finds(State::Enabled).observed;
    let namesake = |s: &mut Scene| drop(s.tags().insert(mark::UID.into(), "u8".into()));
    use Searched::{Everywhere, Reference};
    for (name, scene, expected) in [
        ("the alias first, then the marks", begun(Reference, attempt(60, ACCOUNT, REGION)), "read Everywhere"),
        ("not before 15 minutes", begun(Everywhere, attempt(14, ACCOUNT, REGION)), "wait Creating"),
        ("after 15 minutes", begun(Everywhere, attempt(15, ACCOUNT, REGION)), "create the key"),
        ("another account", begun(Everywhere, attempt(60, "444455556666", REGION)), "stall CreateUnresolved"),
        ("another Region", begun(Everywhere, attempt(60, ACCOUNT, "eu-north-1")), "stall CreateUnresolved"),
        ("unreadable", begun(Everywhere, Attempt::Unreadable), "stall CreateUnresolved"),
        ("of a clock that is a little ahead", begun(Everywhere, attempt(-15, ACCOUNT, REGION)), "wait Creating"),
        ("from the future: the marks first", begun(Reference, attempt(-16, ACCOUNT, REGION)), "read Everywhere"),
        ("from the future", begun(Everywhere, attempt(-16, ACCOUNT, REGION)), "stall CreateUnresolved"),
        ("from the end of time", begun(Everywhere, at(jiff::Timestamp::MAX)), "stall CreateUnresolved"),
        ("from its beginning", begun(Everywhere, at(jiff::Timestamp::MIN)), "create the key"),
        ("to be deleted: none is created", asked(begun(Everywhere, attempt(60, ACCOUNT, REGION)), 7), "stall NothingToDelete"),
        ("to be deleted, not yet sure", asked(begun(Everywhere, attempt(14, ACCOUNT, REGION)), 7), "wait Creating"),
        (
            "settings that such a key cannot have",
            begun(Everywhere, attempt(60, ACCOUNT, REGION)).with(|s| s.desired.rotation = Some(WantedRotation::On(Some(89)))),
            "stall InvalidSpec",
        ),
        (
            "the annotation of a key forbids it, attempt or not",
            begun(Everywhere, attempt(60, ACCOUNT, REGION)).with(|s| s.memory.key = Some(arn())),
            "missing 1 Unsure",
        ),
        ("an attempt in the status", opened(Reference, 60, ACCOUNT), "read Everywhere"),
        ("an attempt in the status, not before 15 minutes", opened(Everywhere, 14, ACCOUNT), "wait Creating"),
        ("an attempt in the status, after 15 minutes", opened(Everywhere, 15, ACCOUNT), "create the key"),
        ("an attempt in the status, another account", opened(Everywhere, 60, "444455556666"), "stall CreateUnresolved"),
        (
            "an attempt in the status, another endpoint",
            at_endpoint(opened(Everywhere, 60, ACCOUNT), "kms.example.com"),
            "stall CreateUnresolved",
        ),
        ("an attempt in the status, the same endpoint", at_endpoint(opened(Everywhere, 15, ACCOUNT), "default"), "create the key"),
        ("another endpoint: the marks first", at_endpoint(opened(Reference, 60, ACCOUNT), "kms.example.com"), "stall CreateUnresolved"),
        (
            "another endpoint, where a key has its marks",
            at_endpoint(opened(Everywhere, 60, ACCOUNT).with(finds), "kms.example.com"),
            "mark the key live",
        ),
        (
            "another endpoint, where a key of an earlier object is",
            at_endpoint(opened(Everywhere, 60, ACCOUNT).with(finds).with(namesake), "kms.example.com"),
            "stall CreateUnresolved",
        ),
        (
            "another account, where a key of an earlier object is",
            opened(Everywhere, 60, "444455556666").with(finds).with(namesake),
            "stall CreateUnresolved",
        ),
        ("here, where a key of an earlier object is", opened(Everywhere, 60, ACCOUNT).with(finds).with(namesake), "take the key up again"),
        (
            "the status counts, whatever the annotation says",
            opened(Everywhere, 14, ACCOUNT).with(|s| s.memory.attempt = Some(attempt(60, ACCOUNT, REGION))),
            "wait Creating",
        ),
        ("a key is named meanwhile", names(opened(Reference, 60, ACCOUNT)), "read Everywhere"),
        ("a key is named meanwhile, not before 15 minutes", names(opened(Everywhere, 14, ACCOUNT)), "wait Creating"),
        ("a key is named meanwhile, and none is found: what could it be", names(opened(Everywhere, 15, ACCOUNT)), "read Unmarked"),
        (
            "a key is named meanwhile, and none is found",
            names(opened(Everywhere, 15, ACCOUNT)).with(|s| s.unmarked = Some(Unmarked::Unread)),
            "stall CreateUnresolved",
        ),
        (
            "unreadable, on an object of known age",
            begun(Everywhere, Attempt::Unreadable).with(|s| s.memory.made = Some(now())),
            "read Unmarked",
        ),
        (
            "from the future, on an object of known age",
            begun(Everywhere, attempt(-16, ACCOUNT, REGION)).with(|s| s.memory.made = Some(now())),
            "read Unmarked",
        ),
        ("a key is named, an attempt that cannot be read", names(begun(Reference, Attempt::Unreadable)), "stall CreateUnresolved"),
        ("no attempt: the marks are searched all the same", Scene::unbound(Reference), "read Everywhere"),
        ("no attempt, and no key bears the marks", Scene::unbound(Everywhere), "create the key"),
        ("Observe creates nothing", policy(begun(Everywhere, attempt(60, ACCOUNT, REGION)), ManagementPolicy::Observe), "stall KeyMissing"),
        (
            "the key is found after all",
            Scene::finds(State::Enabled).with(|s| s.memory.attempt = Some(attempt(60, ACCOUNT, REGION))),
            "mark the key live",
        ),
    ] {
        assert_eq!(brief(&scene.plan()), expected, "{name}");
    }
    for way_out in [Attempt::Unreadable, attempt(60, "444455556666", REGION), attempt(-16, ACCOUNT, REGION)] {
        let plan = begun(Everywhere, way_out).plan();
        let way_out = "remove the annotation keyward.dev/create-attempt to make Keyward create another key; \
                       run: kubectl annotate --field-manager=keyward-cli -n shop managedkey orders keyward.dev/create-attempt-";
        assert!(note(&plan).1.contains(way_out), "{}", note(&plan).1);
    }
}

/// An object whose key is in that project and Region of Huawei.
fn huawei(project: &str, region: &str) -> Scene {
    Scene::of(State::Enabled).with(|s| {
        (s.rules.provider, s.rules.account, s.rules.region) = (ProviderType::Huawei, project.into(), region.into());
        s.memory.status.key_arn = Some(format!("kms:{region}:d0:KeyId:1"));
        s.memory.status.provider = Some(ProviderFacts {
            type_: "Huawei".into(),
            account: project.into(),
            region: region.into(),
            endpoint: Some("default".into()),
        });
    })
}

/// Shows S2.
#[test]
fn what_stays_unresolved_names_the_keys_that_could_be_it() {
    let unmarked =
        |id: &str, minutes_ago: i64| UnmarkedKey { id: id.into(), created: Some(now() - minutes(minutes_ago)), description: None };
    let listed = |keys: Vec<UnmarkedKey>, denied| Some(Unmarked::Listed { keys, denied });
    let (early, late) = (unmarked("early", 90), unmarked("late", 30));
    // The creation was begun an hour ago and certainly over a quarter of an hour later.
    let in_time: Vec<UnmarkedKey> = (0..7).map(|number| unmarked(&format!("k{number}"), 62 - number)).collect();
    let undated = UnmarkedKey { created: None, ..unmarked("undated", 0) };
    let born = |uid: &str| UnmarkedKey { description: Some(Owner { uid: uid.into(), ..owner() }.birth()), ..unmarked(uid, 60) };
    let told = |unmarked: Option<Unmarked>| {
        let (id, account, region) = ("a".into(), ACCOUNT.into(), REGION.into());
        let attempt = CreateAttempt { id, account, region, endpoint: None, time: seconds(now() - minutes(60)) };
        let scene = Scene::unbound(Searched::Everywhere).with(|s| {
            s.memory.status.create_attempt = Some(attempt);
            s.desired.adopt = Some("another".into());
            s.unmarked = unmarked;
        });
        let plan = scene.plan();
        assert_eq!(note(&plan).0, Reason::CreateUnresolved);
        note(&plan).1.split_once("make it again; ").unwrap().1.to_owned()
    };
    let adopt = "to adopt one of them, delete this object and make it again with the id in spec.keyId";
    for (unmarked, expected) in [
        (Some(Unmarked::Unread), "the keys that it may have made are not known, because the keys of the account could not be listed".to_owned()),
        (listed(vec![early.clone(), late.clone()], 0), "no key without an owner's mark was created at the time of that call".into()),
        (
            listed(vec![late.clone(), in_time[0].clone(), early.clone()], 0),
            format!("one key without an owner's mark was created at the time of that call: k0; {adopt}"),
        ),
        (
            listed(vec![in_time[1].clone(), in_time[0].clone()], 0),
            format!("these keys without an owner's mark were created at the time of that call: k0, k1; {adopt}"),
        ),
        (
            listed(in_time.iter().rev().cloned().collect(), 0),
            format!("these keys without an owner's mark were created at the time of that call: k0, k1, k2, k3, k4, and 2 more; {adopt}"),
        ),
        (
            listed(vec![undated.clone()], 2),
            "no key without an owner's mark was created at the time of that call; the KMS does not tell when 1 key without an owner's mark was created; \
             2 keys could not be read"
                .into(),
        ),
        (
            listed(vec![born("u2"), born("u1")], 0),
            format!("one key without an owner's mark was created at the time of that call: u1; {adopt}"),
        ),
    ] {
        assert_eq!(told(unmarked), expected);
    }
    let annotated = Scene::unbound(Searched::Everywhere).with(|s| {
        s.memory.attempt = Some(Attempt::Unreadable);
        s.memory.made = Some(now() - minutes(60));
        s.unmarked = listed(vec![early, late], 0);
    });
    let plan = annotated.plan();
    let rest = "one key without an owner's mark was created since this object was made: late; \
                to adopt one of them, set spec.keyId to its id and remove the annotation keyward.dev/create-attempt";
    assert!(note(&plan).1.ends_with(rest), "{}", note(&plan).1);
}

#[test]
fn a_bound_key_of_another_place_is_not_asked_for() {
    let place = |s: &mut Scene, change: fn(&mut ProviderFacts)| change(s.memory.status.provider.as_mut().unwrap());
    for (name, scene, expected) in [
        ("here", Scene::of(State::Enabled), false),
        ("another account", Scene::of(State::Enabled).with(|s| s.rules.account = "444455556666".into()), true),
        ("another Region", Scene::of(State::Enabled).with(|s| s.rules.region = "eu-north-1".into()), true),
        ("another KMS of the account", Scene::of(State::Enabled).with(|s| place(s, |it| it.type_ = "CipherTrust".into())), true),
        // What is behind an endpoint is asked: it may be the same KMS.
        ("another endpoint", Scene::of(State::Enabled).with(|s| s.rules.endpoint = "kms.example.com".into()), false),
        ("of a place that nobody tells", Scene::of(State::Enabled).with(|s| s.memory.status.provider = None), false),
        // The ARN is looked up, and the look corrects the status.
        (
            "another account in a forged status",
            Scene::of(State::Enabled).with(|s| place(s, |it| it.account = "444455556666".into())),
            false,
        ),
        ("another Region in a forged status", Scene::of(State::Enabled).with(|s| place(s, |it| it.region = "eu-north-1".into())), false),
        (
            "another account that a forged status hides",
            Scene::of(State::Enabled).with(|s| {
                s.rules.account = "444455556666".into();
                place(s, |it| it.account = "444455556666".into());
            }),
            true,
        ),
        (
            "a Region spelled otherwise",
            Scene::of(State::Enabled).with(|s| s.memory.status.key_arn = Some(arn().to_uppercase().replacen("ARN", "arn", 1))),
            true,
        ),
        (
            "a reference of Huawei",
            Scene::of(State::Enabled).with(|s| s.memory.status.key_arn = Some("kms:eu-west-1:d0:KeyId:1".into())),
            true,
        ),
        ("an ARN, and a provider of Huawei", Scene::of(State::Enabled).with(|s| s.rules.provider = ProviderType::Huawei), true),
        ("another project, which only a look can show", huawei("p0", "eu-west-101").with(|s| s.rules.account = "p1".into()), false),
        ("another Region of Huawei", huawei("p0", "eu-west-101").with(|s| s.rules.region = "cn-north-4".into()), true),
        (
            "another Region of Huawei, by its reference alone",
            huawei("p0", "eu-west-101").with(|s| s.memory.status.provider = None).with(|s| s.rules.region = "cn-north-4".into()),
            true,
        ),
        ("a project and Region of Huawei", huawei("p0", "eu-west-101"), false),
        (
            "by its reference alone",
            Scene::of(State::Enabled).with(|s| s.memory.status.provider = None).with(|s| s.rules.account = "444455556666".into()),
            true,
        ),
        (
            "not bound",
            Scene::of(State::Enabled).with(|s| s.rules.account = "444455556666".into()).with(|s| {
                (s.memory.status.key_arn, s.memory.status.key_id) = (None, None);
            }),
            false,
        ),
    ] {
        let note = plan::elsewhere(&scene.memory, &scene.rules);
        assert_eq!(note.as_ref().map(|note| note.reason), expected.then_some(Reason::WrongAccount), "{name}: {note:?}");
    }
}

/// The marks of another owner, with a word of its own.
fn marked(by: Owner) -> impl FnOnce(&mut Scene) {
    move |scene| scene.tags().extend(by.marks(word(Word::Live), OwnerMark::Name))
}

fn unmarked(scene: &mut Scene) {
    scene.tags().retain(|key, _| !key.starts_with(mark::RESERVED_PREFIX));
}

/// After a change of the flag every object says which two ids there are, and each way out is one that works.
#[test]
fn a_wrong_cluster_id_is_told_with_both() {
    let of_test = |scene: Scene| scene.with(marked(Owner { cluster: "test".into(), ..owner() }));
    let bound = of_test(Scene::of(State::Enabled));
    let (reason, message) = (note(&bound.plan()).0, note(&bound.plan()).1.to_owned());
    assert_eq!(reason, Reason::OwnedByAnother);
    for words in [
        "is managed by cluster id test, but this operator has cluster id prod",
        "set --cluster-id (KEYWARD_CLUSTER_ID) back to test",
        "add test to spec.adoption.fromClusters of KeyProvider aws",
    ] {
        assert!(message.contains(words), "{words}: {message}");
    }
    let pending = of_test(Scene::of(State::PendingDeletion));
    assert!(note(&pending.plan()).1.contains("PENDING DELETION"), "{}", note(&pending.plan()).1);
    // Once that is admitted, the very object saves its key, and need not say so outright.
    let admitted = pending.with(|s| s.rules.adoption.from_clusters = vec!["test".into()]);
    assert_eq!(brief(&admitted.plan()), "cancel the deletion");
}

/// An ARN says where its key is, so nothing is asked of a KMS that would deny it, or call it absent.
#[test]
fn a_key_that_is_named_of_another_place_is_not_asked_for() {
    let named = |arn: &str| {
        let scene = Scene::unbound(Searched::Reference).with(|s| s.desired.adopt = Some(arn.into()));
        crate::domain::plan::named_elsewhere(&scene.desired, &scene.memory, &scene.rules)
    };
    for elsewhere in [
        "arn:aws:kms:eu-west-1:999999999999:key/1234abcd",
        "arn:aws:kms:us-east-1:111122223333:key/1234abcd",
        "arn:aws:kms:eu-west-1:999999999999:alias/orders",
    ] {
        let note = named(elsewhere).unwrap();
        assert_eq!(note.reason, Reason::AdoptionNotAllowed);
        assert!(note.message.contains(elsewhere) && note.message.contains("111122223333"), "{}", note.message);
    }
    for here in ["arn:aws:kms:eu-west-1:111122223333:key/1234abcd", "alias/orders", ID] {
        assert_eq!(named(here), None, "{here}");
    }
    // What an object has is looked at by its own record.
    let bound = Scene::of(State::Enabled).with(|s| s.desired.adopt = Some("arn:aws:kms:eu-west-1:999999999999:key/x".into()));
    assert_eq!(crate::domain::plan::named_elsewhere(&bound.desired, &bound.memory, &bound.rules), None);
}

/// Shows S3.
#[test]
fn adoption() {
    let names = |state| Scene::finds(state).with(|s| s.desired.adopt = Some(ID.into())).with(unmarked);
    let admits = |scene: Scene| scene.with(|s| s.rules.adoption = admitting());
    let tagged = |scene: Scene, namespace: &str| {
        scene
            .with(|s| s.rules.adoption = Adoption { from: AdoptionFrom::Tagged, ..Adoption::default() })
            .with(|s| drop(s.tags().insert(mark::ADOPT.into(), namespace.into())))
    };
    let other = || Owner { name: "invoices".into(), uid: "u7".into(), ..owner() };
    let elsewhere = || Owner { cluster: "test".into(), uid: "u8".into(), ..owner() };
    let strange = |by: Owner| {
        move |s: &mut Scene| {
            marked(by)(s);
            s.tags().remove(mark::CLUSTER);
        }
    };
    let from_test = |s: &mut Scene| s.rules.adoption.from_clusters = vec!["test".into()];
    let announced = |s: &mut Scene| s.memory.status.key_arn = Some(arn());
    let outright = |scene: Scene| scene.with(|s| s.desired.enabled = Some(true));
    use State::{Disabled, Enabled, PendingDeletion, PendingImport};
    check([
        ("by no rule", names(Enabled), &["stall AdoptionNotAllowed"]),
        ("by a rule", admits(names(Enabled)), &["adopt the key", "rest"]),
        ("by its tag", tagged(names(Enabled), "shop"), &["adopt the key", "rest"]),
        ("by another's tag", tagged(names(Enabled), "bank"), &["stall AdoptionNotAllowed"]),
        ("by a tag, under rules", admits(tagged(names(Enabled), "bank")), &["adopt the key", "rest"]),
        (
            "rules for another namespace",
            admits(names(Enabled)).with(|s| s.rules.adoption.rules[0].namespaces = vec!["bank".into()]),
            &["stall AdoptionNotAllowed"],
        ),
        ("announced, and not marked yet", admits(names(Enabled)).with(announced), &["adopt the key", "rest"]),
        ("announced, and no longer admitted", names(Enabled).with(announced), &["stall AdoptionNotAllowed"]),
        ("announced, and another's by now", admits(names(Enabled)).with(announced).with(marked(elsewhere())), &["stall OwnedByAnother"]),
        (
            "announced, and gone",
            admits(names(Enabled)).with(announced).with(|s| s.observed = Observed::Absent(Searched::Reference)),
            &["missing 1 Unsure"],
        ),
        ("a disabled key, nothing said", admits(names(Disabled)), &["stall AdoptionNotAllowed"]),
        ("a disabled key, enabled: true", admits(outright(names(Disabled))), &["adopt the key", "enable the key", "rest"]),
        ("a disabled key, enabled: false", admits(off(names(Disabled))), &["adopt the key", "rest"]),
        ("a disabled key, to be deleted", admits(asked(names(Disabled), 7)), &["adopt the key", "hold NotSeenLive"]),
        ("a living key, to be deleted", admits(asked(names(Enabled), 7)), &["adopt the key", "hold NotSeenLive"]),
        ("a pending key, nothing said", admits(names(PendingDeletion)), &["stall AdoptionNotAllowed"]),
        (
            "a pending key, enabled: true: cancelled first, marked then",
            admits(outright(names(PendingDeletion))),
            &["cancel the deletion", "adopt the key", "enable the key", "rest"],
        ),
        ("a pending key, to be deleted", admits(asked(names(PendingDeletion), 7)), &["rest unbound"]),
        ("days that AWS refuses: no mark on the way", admits(asked(names(Enabled), 31)), &["stall InvalidSpec"]),
        ("a pending key, days that AWS refuses", admits(asked(names(PendingDeletion), 31)), &["stall InvalidSpec"]),
        ("a pending key, to be deleted, by no rule", asked(names(PendingDeletion), 7), &["stall AdoptionNotAllowed"]),
        ("a key without material", admits(off(names(PendingImport))), &["adopt the key", "rest"]),
        ("a key that is being created", admits(names(State::Creating)), &["wait Creating"]),
        (
            "another kind of key",
            admits(names(Enabled)).with(|s| s.desired.kind = Some(KeyTemplate { spec: "RSA_2048".into(), ..KeyTemplate::default() })),
            &["stall AdoptionMismatch"],
        ),
        (
            "a key of another kind in every respect",
            admits(names(Enabled)).with(|s| s.desired.kind = Some(KeyTemplate { multi_region: true, ..KeyTemplate::default() })),
            &["stall AdoptionMismatch"],
        ),
        (
            "a key in a key store, which the manifest does not name",
            admits(names(Enabled)).with(|s| s.key().kind = stored("cks-1")).with(|s| {
                s.desired.kind = Some(KeyTemplate { custom_key_store_id: None, ..stored("cks-1") });
            }),
            &["adopt the key", "rest"],
        ),
        (
            "a key in another key store",
            admits(names(Enabled)).with(|s| s.key().kind = stored("cks-1")).with(|s| s.desired.kind = Some(stored("cks-2"))),
            &["stall AdoptionMismatch"],
        ),
        ("the same kind", admits(names(Enabled)).with(|s| s.desired.kind = Some(KeyTemplate::default())), &["adopt the key", "rest"]),
        ("a service's key", admits(names(Enabled)).with(|s| s.key().customer_managed = false), &["stall AdoptionNotAllowed"]),
        ("another account's", admits(names(Enabled)).with(|s| s.key().account = "444455556666".into()), &["stall AdoptionNotAllowed"]),
        ("another Region's", admits(names(Enabled)).with(|s| s.key().region = "eu-north-1".into()), &["stall AdoptionNotAllowed"]),
        ("no such key", Scene::unbound(Searched::Reference).with(|s| s.desired.adopt = Some(ID.into())), &["stall KeyMissing"]),
        ("another cluster's", admits(names(Enabled)).with(marked(elsewhere())), &["stall OwnedByAnother"]),
        ("another cluster's, admitted", admits(names(Enabled)).with(marked(elsewhere())).with(from_test), &["adopt the key", "rest"]),
        (
            "another cluster's, admitted, by no rule",
            names(Enabled).with(marked(elsewhere())).with(from_test),
            &["stall AdoptionNotAllowed"],
        ),
        (
            "the object's own, from before the operator had another cluster id",
            Scene::of(Enabled).with(new_generation).with(marked(Owner { cluster: "test".into(), ..owner() })),
            &["stall OwnedByAnother"],
        ),
        (
            "the object's own under another cluster id, which is admitted",
            Scene::of(Enabled).with(new_generation).with(marked(Owner { cluster: "test".into(), ..owner() })).with(from_test),
            &["adopt the key", "rest"],
        ),
        (
            "another UID under another cluster id, which is admitted",
            Scene::of(Enabled).with(new_generation).with(marked(elsewhere())).with(from_test),
            &["stall OwnedByAnother"],
        ),
        (
            "another object's name under another cluster id, which is admitted",
            Scene::of(Enabled)
                .with(new_generation)
                .with(marked(Owner { cluster: "test".into(), name: "invoices".into(), ..owner() }))
                .with(from_test),
            &["stall OwnedByAnother"],
        ),
        ("a stranger's: no mark says of which cluster", admits(names(Enabled)).with(strange(other())), &["stall OwnedByAnother"]),
        (
            "a stranger's, without its UID",
            admits(names(Enabled)).with(strange(other())).with(|s| drop(s.tags().remove(mark::UID))),
            &["stall OwnedByAnother"],
        ),
        (
            "a stranger's of this very name",
            admits(names(Enabled)).with(strange(owner())).with(|s| drop(s.tags().remove(mark::UID))),
            &["stall OwnedByAnother"],
        ),
        (
            "a stranger's, from clusters that are admitted",
            admits(names(Enabled)).with(strange(other())).with(from_test),
            &["stall OwnedByAnother"],
        ),
        ("another object's that is gone", admits(names(Enabled)).with(marked(other())), &["adopt the key", "rest"]),
        ("another object's that is gone, by no rule", names(Enabled).with(marked(other())), &["stall AdoptionNotAllowed"]),
    ]);
    for mut beyond in [
        admits(names(Enabled)).with(|s| s.key().customer_managed = false),
        admits(names(Enabled)).with(|s| s.key().account = "444455556666".into()),
    ] {
        let key = beyond.key();
        (key.tags, key.rotation, key.aliases) = (None, None, None);
        assert_eq!(brief(&beyond.plan()), "stall AdoptionNotAllowed", "nothing more is read of such a key");
    }
    let asks = names(Enabled).with(marked(other())).plan();
    assert_eq!(brief(&asks), "read OtherOwner(\"shop.invoices\")");
    let lives = admits(names(Enabled))
        .with(marked(other()))
        .with(|s| s.other_owner = Some(OtherOwner { mark: "shop.invoices".into(), exists: true }))
        .plan();
    assert_eq!(brief(&lives), "stall OwnedByAnother");
    assert!(note(&lives).1.contains("shop.invoices"), "{}", note(&lives).1);
}

/// A KMS that makes keys without tags shows, for a while, a claimed key without marks.
///
/// Shows S2.
#[test]
fn a_key_made_before_its_marks_is_this_objects_own() {
    let made = || {
        Scene::finds(State::Enabled).with(unmarked).with(|s| {
            s.rules.provider = ProviderType::Huawei;
            s.key().description = Some(owner().birth());
        })
    };
    let attempt = |s: &mut Scene| {
        let (account, region) = (ACCOUNT.into(), REGION.into());
        s.memory.attempt = Some(Attempt::At { id: "0198c5a2".into(), account, region, time: now() - minutes(1) });
    };
    let open = |s: &mut Scene| {
        let (id, account, region) = ("0198c5a2".into(), ACCOUNT.into(), REGION.into());
        s.memory.status.create_attempt = Some(CreateAttempt { id, account, region, endpoint: None, time: seconds(now() - minutes(1)) });
    };
    check([
        ("by its description", made(), &["mark the created key", "rest"]),
        (
            "by its description, its mark announced",
            made().with(|s| s.memory.status.key_arn = Some(arn())),
            &["mark the created key", "rest"],
        ),
        (
            "by its description, the attempt open, and another named meanwhile",
            made().with(open).with(|s| s.desired.adopt = Some("another".into())).with(|s| s.rules.adoption = admitting()),
            &["mark the created key", "rest"],
        ),
        ("by its description, the attempt open", made().with(attempt), &["mark the created key", "rest"]),
        ("to be deleted by now", asked(made(), 7), &["mark the created key", "hold NotSeenLive"]),
        (
            "of another object of the name",
            made().with(|s| s.key().description = Some(Owner { uid: "u0".into(), ..owner() }.birth())),
            &["stall ClaimUnclear"],
        ),
        // Whoever may edit the object can write the annotation.
        ("by an attempt alone", made().with(attempt).with(|s| s.key().description = Some("orders".into())), &["stall ClaimUnclear"]),
        ("at a KMS that makes keys with their tags", made().with(|s| s.rules.provider = ProviderType::Aws), &["stall ClaimUnclear"]),
        // A description with our UID does not replace the provider's adoption rules, and it does not give the object a second key.
        ("named in the spec", made().with(|s| s.desired.adopt = Some(arn())), &["stall AdoptionNotAllowed"]),
        ("of an object that was bound already", made().with(|s| s.memory.key = Some("another".into())), &["stall ClaimUnclear"]),
    ]);
}

#[test]
fn a_key_on_its_way_to_its_marks_is_adopted_by_nobody() {
    let named = |alias: String| {
        Scene::finds(State::Enabled).with(unmarked).with(move |s| {
            s.rules.adoption = admitting();
            s.rules.provider = ProviderType::Huawei;
            s.desired.adopt = Some(arn());
            s.key().aliases = Some(vec![alias]);
        })
    };
    let other = Owner { name: "invoices".into(), ..owner() };
    check([
        ("by another's claim", named(other.claim_alias()), &["stall AdoptionNotAllowed"]),
        ("by its own claim", named(owner().claim_alias()), &["adopt the key", "rest"]),
        ("by a name of the users", named("alias/orders".into()), &["adopt the key", "rest"]),
        (
            "where keys are made with their tags",
            named(other.claim_alias()).with(|s| s.rules.provider = ProviderType::Aws),
            &["adopt the key", "rest"],
        ),
    ]);
}

#[test]
fn a_name_that_the_kms_keeps_to_itself_is_refused() {
    let create = |provider| {
        Scene::finds(State::Enabled).with(|s| {
            s.observed = Observed::Absent(Searched::Everywhere);
            s.rules.provider = provider;
            s.desired.owner.name = "default".into();
        })
    };
    assert_eq!(brief(&create(ProviderType::Huawei).plan()), "stall InvalidSpec");
    assert_eq!(brief(&create(ProviderType::Aws).plan()), "create the key");
}

/// Shows S7.
#[test]
fn nothing_but_a_rescue_follows_from_an_old_copy() {
    let old = |scene: Scene| {
        scene.with(|s| {
            s.rules.max_staleness = Some(minutes(10));
            s.key().age = Some(minutes(11));
        })
    };
    use State::{Disabled, Enabled, PendingDeletion};
    let declares = |days| asked(Scene::of(Enabled), days);
    assert_eq!(brief(&old(declares(7)).plan()), "wait StaleView");
    assert_eq!(brief(&old(off(Scene::of(Enabled))).plan()), "wait StaleView");
    assert_eq!(brief(&old(Scene::of(PendingDeletion)).plan()), "cancel the deletion");
    assert_eq!(brief(&old(Scene::of(Disabled)).plan()), "enable the key");
    // The copy is old, so the mark waits. Enabling the key does not wait.
    assert_eq!(brief(&old(Scene::of(Disabled)).with(new_generation).plan()), "enable the key");
    assert_eq!(brief(&old(Scene::of(Enabled)).with(new_generation).plan()), "wait StaleView");
    let rests = old(Scene::of(Enabled)).plan();
    assert!(
        matches!(&rests, Plan::Rest(rest) if rest.stale.as_ref().is_some_and(|told| told.contains("maxStalenessSeconds (600)"))),
        "{rests:?}"
    );
    let new = old(Scene::of(Enabled)).with(|s| s.key().age = Some(minutes(9))).plan();
    assert!(matches!(&new, Plan::Rest(rest) if rest.stale.is_none()), "{new:?}");
}

/// Whoever may tag keys can write every mark, also this object's UID. What they cannot choose is when a key was made, and of what kind it is.
///
/// Shows S8.
#[test]
fn a_tag_alone_makes_no_key_this_objects_own() {
    use State::Enabled;
    let made = |object: Timestamp, key: Option<Timestamp>| {
        Scene::finds(Enabled).with(move |s| {
            s.memory = Memory { made: Some(object), ..Memory::default() };
            s.key().creation_time = key;
        })
    };
    let (hour, minute) = (minutes(60), minutes(1));
    let first = |scene: &Scene| brief(&scene.plan());
    let older = made(now(), Some(now() - hour));
    assert_eq!(first(&older), "take the key up again", "so its deletion needs a token for a day");
    check([
        ("a key that is older", older.clone(), &["take the key up again", "rest"]),
        ("a key that is older, with the field", asked(older.clone(), 7), &["take the key up again", "hold NotSeenLive"]),
    ]);
    let begun = |time: Timestamp| Some(Attempt::At { id: "a".into(), account: ACCOUNT.into(), region: REGION.into(), time });
    let attempted = older.clone().with(|s| s.memory.attempt = begun(now()));
    assert_eq!(first(&attempted), "take the key up again", "it is not what that creation made");
    for (own, why) in [
        (made(now(), Some(now() - minute)), "clocks differ"),
        (made(now() - hour, Some(now())), "its own creation can have made it"),
        (made(now(), None), "the KMS does not tell"),
        (older.clone().with(|s| s.memory.attempt = begun(now() - hour)), "that creation can have made it"),
        (older.clone().with(|s| s.memory.status.key_arn = Some(arn())), "it is on record"),
        (older.clone().with(|s| s.memory.status.intent_seq = Some(1)), "this very round created it, whatever the clock of the KMS says"),
    ] {
        assert_ne!(first(&own), "take the key up again", "{why}");
    }

    // Material that somebody else brought, or another kind of key.
    let earlier = Owner { uid: "u0".into(), ..owner() };
    let of = |kind: KeyTemplate| Scene::finds(Enabled).with(marked(earlier.clone())).with(move |s| s.key().kind = kind);
    let imported = || KeyTemplate { origin: "EXTERNAL".into(), ..KeyTemplate::default() };
    let asymmetric = KeyTemplate { spec: "RSA_2048".into(), usage: "ENCRYPT_DECRYPT".into(), ..KeyTemplate::default() };
    for kind in [imported(), asymmetric, KeyTemplate { multi_region: true, ..KeyTemplate::default() }] {
        let plan = of(kind.clone()).plan();
        assert_eq!(note(&plan).0, Reason::AdoptionMismatch, "{kind:?}");
        assert!(note(&plan).1.contains("an object without spec.key creates SYMMETRIC_DEFAULT"), "{}", note(&plan).1);
        let declared = of(kind.clone()).with(|s| s.desired.kind = Some(kind.clone()));
        assert_eq!(first(&declared), "take the key up again", "{kind:?}, which is declared");
        let pending = of(kind.clone()).with(|s| s.key().state = State::PendingDeletion);
        check([("a rescue comes before the comparison of kinds", pending, &["cancel the deletion", "stall AdoptionMismatch"])]);
    }
    // An object that does not name the key store could not have created the key.
    let nameless = of(stored("cks-1")).with(|s| s.desired.kind = Some(KeyTemplate { custom_key_store_id: None, ..stored("cks-1") }));
    assert_eq!(note(&nameless.plan()).0, Reason::AdoptionMismatch);
    assert!(note(&nameless.plan()).1.contains("in key store cks-1"), "{}", note(&nameless.plan()).1);
    let own = of(stored("cks-1")).with(|s| s.desired.kind = Some(stored("cks-1")));
    assert_eq!(first(&own), "take the key up again");
    let named = of(imported()).with(|s| s.desired.adopt = Some(arn()));
    assert_eq!(first(&named), "take the key up again", "a key that was adopted may be of any kind");
}

/// The kind of a key in a custom key store.
fn stored(store: &str) -> KeyTemplate {
    KeyTemplate { origin: "AWS_CLOUDHSM".into(), custom_key_store_id: Some(store.into()), ..KeyTemplate::default() }
}

/// Shows S3.
#[test]
fn taking_up_and_losing_a_key() {
    let earlier = || Owner { uid: "u0".into(), ..owner() };
    let finds = |state| Scene::finds(state).with(marked(earlier()));
    let had = |state| Scene::of(state).with(marked(earlier())).with(new_generation);
    use State::{Disabled, Enabled, PendingDeletion};
    check([
        ("a re-created object", finds(Enabled), &["take the key up again", "rest"]),
        ("a re-created object, key disabled", finds(Disabled), &["take the key up again", "enable the key", "rest"]),
        ("a re-created object, with the field", asked(finds(Enabled), 7), &["take the key up again", "hold NotSeenLive"]),
        (
            "a re-created object, key pending",
            finds(PendingDeletion),
            &["cancel the deletion", "take the key up again", "enable the key", "rest"],
        ),
        ("a re-created object with the field, key pending", asked(finds(PendingDeletion), 7), &["rest unbound"]),
        (
            "a rebuilt cluster, ours pending",
            asked(finds(PendingDeletion), 7).with(|s| drop(s.tags().insert(mark::INTENT.into(), "3.5.7".into()))),
            &["rest unbound"],
        ),
        ("one way only", had(Enabled), &["stall OwnedByAnother"]),
        ("one way only, with the field", asked(had(Enabled), 7), &["stall OwnedByAnother"]),
        ("one way only, pending", had(PendingDeletion), &["stall OwnedByAnother"]),
        (
            "ours by the annotation alone is not bound: the marks decide",
            finds(Enabled).with(|s| s.memory.key = Some(arn())),
            &["take the key up again", "rest"],
        ),
        (
            "a re-created object that announced its mark and did not write it",
            finds(Enabled).with(|s| s.memory.status.key_arn = Some(arn())),
            &["take the key up again", "rest"],
        ),
        ("found by its alias, without a mark", Scene::finds(Enabled).with(unmarked), &["stall ClaimUnclear"]),
        (
            "found by its alias, another's",
            Scene::finds(Enabled).with(marked(Owner { name: "invoices".into(), ..owner() })),
            &["stall OwnedByAnother"],
        ),
        ("marks gone from a bound key", Scene::of(Enabled).with(unmarked).with(new_generation), &["stall AdoptionNotAllowed"]),
        (
            "marks gone, and admitted",
            Scene::of(Enabled).with(unmarked).with(new_generation).with(|s| s.rules.adoption = admitting()),
            &["adopt the key", "rest"],
        ),
        (
            "marks gone, admitted, with the field",
            asked(Scene::of(Enabled).with(unmarked).with(|s| s.rules.adoption = admitting()), 7),
            &["adopt the key", "hold NotSeenLive"],
        ),
        (
            "the UID alone is gone from a bound key",
            Scene::of(Enabled).with(|s| drop(s.tags().remove(mark::UID))).with(new_generation),
            &["stall AdoptionNotAllowed"],
        ),
        (
            "the UID alone is gone, and admitted",
            Scene::of(Enabled).with(|s| drop(s.tags().remove(mark::UID))).with(new_generation).with(|s| s.rules.adoption = admitting()),
            &["adopt the key", "rest"],
        ),
        (
            "another UID, and nobody's name",
            finds(Enabled).with(|s| drop(s.tags().remove(mark::OWNER))).with(|s| s.rules.adoption = admitting()),
            &["stall OwnedByAnother"],
        ),
        (
            "another cluster's marks on a bound key",
            Scene::of(Enabled).with(marked(Owner { cluster: "test".into(), ..owner() })).with(new_generation),
            &["stall OwnedByAnother"],
        ),
        (
            "the intent alone is gone",
            Scene::of(Enabled).with(|s| drop(s.tags().remove(mark::INTENT))).with(new_generation),
            &["mark the key live", "rest"],
        ),
        (
            "the intent alone is gone, with the field",
            asked(Scene::of(Enabled).with(|s| drop(s.tags().remove(mark::INTENT))), 7),
            &["mark the key held", "hold NotSeenLive"],
        ),
    ]);
    let several = Scene::unbound(Searched::Everywhere).with(|s| s.observed = Observed::Several(vec!["k1".into(), "k2".into()])).plan();
    assert_eq!(brief(&several), "stall ClaimUnclear");
    assert!(note(&several).1.contains("k1, k2"));
}

#[test]
fn a_full_key_loses_old_settings_before_it_gets_new_ones() {
    let tags = |from: i32, count: i32| (from..from + count).map(|number| (format!("tag-{number}"), "1".to_owned()));
    let renamed = |old: i32, new: i32, provider: ProviderType| {
        Scene::of(State::Enabled).with(new_generation).with(|s| {
            s.rules.provider = provider;
            s.tags().extend(tags(0, old));
            s.memory.status.applied.as_mut().unwrap().tag_keys = tags(0, old).map(|(key, _)| key).collect();
            s.desired.tags = tags(100, new).collect();
        })
    };
    let order = |mut scene: Scene| {
        let mut order = Vec::new();
        let mut most = scene.tags().len();
        while let Plan::Do(step) = scene.plan() {
            let mut key = scene.key().clone();
            call(&mut key, &step).unwrap();
            most = most.max(key.tags.as_ref().unwrap().len());
            let is_mark = matches!(step, Step::Mark { .. });
            order.extend((!is_mark).then_some(if matches!(step, Step::Untag { .. }) { "remove" } else { "set" }));
            if is_mark {
                scene.intent(Intent { generation: GENERATION + 1, ..word(Word::Live) });
                continue;
            }
            *scene.key() = key;
            let desired = scene.desired.clone();
            scene.memory.close(&step, &desired);
        }
        (order, most)
    };
    for (old, new, provider, first_removed, most) in [
        (2, 2, ProviderType::Aws, false, 8),
        (23, 23, ProviderType::Aws, false, 50),
        (24, 23, ProviderType::Aws, true, 28),
        (46, 46, ProviderType::CipherTrust, true, 50),
        (16, 16, ProviderType::Huawei, true, 20),
    ] {
        let (order, reached) = order(renamed(old, new, provider));
        assert_eq!(order, if first_removed { ["remove", "set"] } else { ["set", "remove"] }, "{old} to {new} at {provider:?}");
        assert_eq!(reached, most, "{old} to {new} at {provider:?}");
    }

    // 49 aliases and the claim fill a key: one goes for each that comes.
    let aliases = |from: usize| (from..from + 49).map(|number| format!("alias/{number}"));
    let mut scene = Scene::of(State::Enabled).with(|s| {
        s.key().aliases.get_or_insert_default().extend(aliases(0));
        s.memory.status.applied.as_mut().unwrap().aliases = (0..49).map(|number| number.to_string()).collect();
        s.desired.aliases = aliases(30).collect();
    });
    let mut steps = 0;
    while let Plan::Do(step) = scene.plan() {
        let key = scene.key().clone().after(&step);
        assert!(key.aliases.as_ref().unwrap().len() >= 49 && key.aliases.as_ref().unwrap().len() <= 50, "{step}");
        *scene.key() = key;
        steps += 1;
    }
    assert_eq!(steps, 60);
}

#[test]
fn wrong_marks_are_reported_with_the_way_out() {
    let with = |name: &'static str, value: Option<&'static str>, pending: bool| {
        Scene::of(if pending { State::PendingDeletion } else { State::Enabled }).with(new_generation).with(move |s| {
            s.tags().remove(name);
            s.tags().extend(value.map(|value| (name.to_owned(), value.to_owned())));
        })
    };
    let huawei = |scene: Scene| scene.with(|s| s.rules.provider = ProviderType::Huawei);
    let ciphertrust = |scene: Scene| scene.with(|s| s.rules.provider = ProviderType::CipherTrust);
    let gone = |pending| with(mark::UID, None, pending).with(|s| s.tags().clear());
    for (scene, expected) in [
        (
            with(mark::UID, Some("u9"), true),
            "its tag keyward-uid is u9; the key is PENDING DELETION, but this object declares it alive: delete this object and \
          make it again with enabled: true, which takes the key up and cancels the deletion",
        ),
        (
            with(mark::OWNER, Some("bank.pay"), true),
            "its tag keyward-owner is bank.pay; the key is PENDING DELETION, but this object declares it alive: if the \
          key belongs to this object, cancel the deletion with CancelKeyDeletion, then set keyward-owner=shop.orders with TagResource",
        ),
        (
            with(mark::OWNER, Some("bank.pay"), false),
            "its tag keyward-owner is bank.pay; remove one of the two objects, or, if that tag is wrong, set \
          keyward-owner=shop.orders with TagResource",
        ),
        (
            with(mark::CLUSTER, Some("test"), true),
            "if the key belongs to this object, cancel the deletion with CancelKeyDeletion, then set keyward-cluster=prod with \
          TagResource",
        ),
        (
            ciphertrust(with(mark::CLUSTER, Some("test"), true)),
            "cancel the deletion with cancel-deletion, then set keyward-cluster=prod with add-tags",
        ),
        (
            huawei(with(mark::OWNER, Some("bank.pay"), true)),
            "cancel the deletion with CancelKeyDeletion, then set \
          keyward-owner=dFj0TNvx1QmtUQI066rReGj3_ExXkoQSnQoInB2XKuc with BatchCreateKmsTags",
        ),
        (
            gone(false),
            "; put these tags back with TagResource: keyward-cluster=prod, keyward-intent=3.6.live, keyward-owner=shop.orders, keyward-uid=u1; or",
        ),
        (gone(true), "; cancel the deletion with CancelKeyDeletion, then put these tags back with TagResource: keyward-cluster=prod, "),
    ] {
        let plan = scene.plan();
        assert!(note(&plan).1.contains(expected), "{}\n{expected}", note(&plan).1);
    }
}

#[test]
fn an_object_that_is_made_again_to_rescue_its_key_does_so_under_every_policy_that_changes_anything() {
    use ManagementPolicy::{Enforce, EnforceOnChange};
    let earlier = || Owner { uid: "u0".into(), ..owner() };
    let found = |enabled, policy| {
        Scene::finds(State::PendingDeletion).with(marked(earlier())).with(|s| (s.desired.enabled, s.desired.policy) = (enabled, policy))
    };
    let rescued: &[&str] = &["cancel the deletion", "take the key up again", "enable the key", "rest"];
    check([
        ("Enforce", found(Some(true), Enforce), rescued),
        ("EnforceOnChange", found(Some(true), EnforceOnChange), rescued),
        ("EnforceOnChange, which says nothing outright", found(None, EnforceOnChange), &["rest unbound life drifted"]),
        ("EnforceOnChange, which wants it disabled", found(Some(false), EnforceOnChange), &["rest unbound life drifted"]),
    ]);
    // Killed between the record and the cancel, and again after it, it goes on.
    for crash in [Crash::AfterStatus, Crash::BeforeClose] {
        let mut world = World::new(found(Some(true), EnforceOnChange));
        let Plan::Do(step) = world.decide() else { panic!() };
        world.execute_until(&step, crash);
        world.settle();
        assert_eq!(world.key.as_ref().map(|key| key.state), Some(State::Enabled), "{crash:?}");
    }
}

/// Everything is read when nothing says what was applied.
fn forget_applied(scene: &mut Scene) {
    scene.memory.status.applied = None;
}

fn new_generation(scene: &mut Scene) {
    scene.desired.generation += 1;
}

/// Shows S9.
#[test]
fn a_schedule_after_a_restart_goes_on_or_is_held() {
    // Recorded, marked, and not called.
    let open = |ago: i64, state: State| {
        asked(Scene::of(State::Enabled), 7).with(|s| {
            s.intent(Intent { seq: SEQ + 1, generation: GENERATION + 1, word: Word::Days(7) });
            let mut deletion = ours(7, Some(DeletionCall::Open));
            deletion.requested_time = Some(seconds(now() - minutes(ago)));
            s.memory.status.deletion = Some(deletion);
            s.key().state = state;
        })
    };
    check([
        ("taken up again", open(15, State::Enabled), &["schedule the deletion in 7 days", "rest"]),
        ("too late", open(16, State::Enabled), &["mark the key held", "hold Interrupted"]),
        ("in another state", open(1, State::Disabled), HELD),
        (
            "other days, while it cannot have taken effect",
            open(1, State::Enabled).with(|s| s.desired.life = Life::Scheduled(9)),
            &["schedule the deletion in 9 days", "rest"],
        ),
        (
            "recorded and not marked",
            open(1, State::Enabled).with(|s| drop(s.tags().insert(mark::INTENT.into(), word(Word::Live).to_string()))),
            &["schedule the deletion in 7 days", "rest"],
        ),
        ("the wish was withdrawn", open(1, State::Enabled).with(|s| s.desired.life = Life::Live), &["mark the key live", "rest"]),
        (
            "it took effect, and the wish was withdrawn",
            open(1, State::PendingDeletion).with(|s| s.desired.life = Life::Live),
            &["cancel the deletion", "enable the key", "mark the key live", "rest"],
        ),
    ]);
}

#[test]
fn a_failed_read_does_not_lend_its_state_to_an_open_call() {
    // Someone scheduled and cancelled while nothing looked; then the key's state is read, and its marks are not.
    let mut world = World::new(asked(Scene::of(State::Enabled), 7));
    world.scene.intent(Intent { seq: SEQ + 1, generation: GENERATION + 1, word: Word::Days(7) });
    world.scene.memory.status.deletion = Some(ours(7, Some(DeletionCall::Open)));
    world.key = Some(Key { tags: world.scene.key().tags.clone(), ..super::fixtures::key(State::Disabled) });
    world.look(false, Searched::Reference);
    let failure = Failure {
        kind: FailureKind::Throttled,
        operation: "ListResourceTags",
        message: "slow down".into(),
        outcome: Outcome::Refused,
        source: None,
    };
    world.report(Conclusion::Failed(&failure));
    assert_eq!(world.settle(), HELD);
}

#[test]
fn what_the_kms_cannot_take_is_refused_before_anything_is_made() {
    let said = |provider, change: fn(&mut Scene)| {
        let plan = Scene::unbound(Searched::Everywhere).with(|s| s.rules.provider = provider).with(change).plan();
        if let Plan::Stall(note) = plan { note.message } else { brief(&plan) }
    };
    let tag = |s: &mut Scene| s.desired.tags = Tags::from([("cost".into(), "a=b".into())]);
    assert!(said(ProviderType::Huawei, tag).contains(r"spec.tags has cost, but Huawei accepts no control characters and none of *<>\="));
    assert_eq!(said(ProviderType::Aws, tag), "create the key");
    let long = |s: &mut Scene| s.desired.tags = Tags::from([("cost".into(), "x".repeat(44))]);
    assert!(said(ProviderType::Huawei, long).contains("values of at most 43"));
    assert_eq!(said(ProviderType::CipherTrust, long), "create the key");
    let description = |s: &mut Scene| s.desired.description = Some("x".repeat(256));
    assert!(said(ProviderType::Huawei, description).contains("256 characters, but Huawei accepts at most 255"));
    assert_eq!(said(ProviderType::Aws, description), "create the key");
}

/// Shows S6.
#[test]
fn a_window_that_is_refused_names_the_range() {
    let text = |days, provider| window_refused(days, &crate::domain::rules::Rules { provider, ..rules() }).unwrap_or_default();
    for days in [6, 31, 1096, -1] {
        assert_eq!(text(days, ProviderType::Aws), format!("spec.deletionScheduleDays is {days}, but AWS accepts 7 to 30 days"));
        assert_eq!(
            text(days, ProviderType::CipherTrust),
            format!("spec.deletionScheduleDays is {days}, but CipherTrust accepts 7 to 30 days")
        );
    }
    assert_eq!(text(1097, ProviderType::Huawei), "spec.deletionScheduleDays is 1097, but Huawei accepts 7 to 1096 days");
    for (days, provider) in [(7, ProviderType::Aws), (30, ProviderType::Aws), (30, ProviderType::CipherTrust), (1096, ProviderType::Huawei)]
    {
        assert_eq!(text(days, provider), "");
    }
    let mut strict = rules();
    strict.guard.minimum_schedule_days = 14;
    let refused = window_refused(13, &strict).unwrap();
    assert!(refused.contains("at least 14 days") && refused.contains("deletionGuard.minimumScheduleDays"), "{refused}");
    assert_eq!(window_refused(14, &strict), None);
    for days in [6, 31] {
        let plan = asked(Scene::of(State::Enabled), days).plan();
        assert_eq!(note(&plan), (Reason::InvalidSpec, &*format!("spec.deletionScheduleDays is {days}, but AWS accepts 7 to 30 days")));
    }
}

#[test]
fn a_hold_shows_the_command_that_goes_on() {
    let mut world = World::new(asked(Scene::finds(State::Enabled), 7));
    let said = world.decide();
    let Plan::Do(step) = said else { panic!("{said:?}: a token needs the nonce of a hold") };
    world.execute(&step);
    let plan = world.decide();
    let (reason, message) = note(&plan);
    assert_eq!(reason, Reason::RollbackSuspected);
    let command = format!(
        "kubectl annotate --overwrite --field-manager=keyward-cli -n shop managedkey orders keyward.dev/confirm-deletion={ID}@{}-{NONCE}",
        SEQ + 1
    );
    assert!(message.ends_with(&command), "{message}");
}

#[test]
fn an_opened_schedule_counts_as_applied() {
    let mut scene = asked(Scene::of(State::Enabled), 7);
    let Plan::Do(step) = scene.plan() else { panic!() };
    let (desired, key) = (scene.desired.clone(), scene.key().clone());
    let intent = scene.memory.open(&step, &desired, &key, now(), NONCE).unwrap().unwrap();
    assert_eq!((intent.seq, intent.generation, intent.word), (SEQ + 1, GENERATION + 1, Word::Days(7)));
    let status = &scene.memory.status;
    assert_eq!(status.applied.as_ref().unwrap().deletion_schedule_days, Some(7));
    assert_eq!((status.intent_seq, status.key_state), (Some(SEQ + 1), Some(State::Enabled.into())));
    assert_eq!(status.deletion.as_ref().unwrap().call, Some(DeletionCall::Open));
}

#[test]
fn the_record_follows_what_was_applied() {
    let mut world = World::new(declares(Scene::unbound(Searched::Reference)));
    world.settle();
    let status = &world.scene.memory.status;
    assert_eq!(
        status.applied,
        Some(Applied {
            generation: GENERATION + 1,
            enabled: Some(true),
            deletion_schedule_days: None,
            description: Some(true),
            tag_keys: vec!["team".into()],
            default_tags: None,
            aliases: vec!["orders".into()],
        })
    );
    assert_eq!(status.intent_seq, Some(1));
    assert_eq!(status.provider, Some(ProviderFacts { endpoint: Some("default".into()), ..facts() }));
    assert_eq!(Memory { status: status.clone(), ..Memory::default() }.bound_to(), Some(&*arn()));
}

/// Of two objects that name one key the older one has it, if it would have it at all.
#[test]
fn a_rival_is_bound_to_the_key_or_would_take_it_now() {
    let names = |state| {
        Scene::finds(state).with(|s| {
            *s.tags() = Tags::new();
            s.desired.adopt = Some(arn());
            s.rules.adoption = admitting();
        })
    };
    let takes = |mut scene: Scene| {
        let key = scene.key().clone();
        plan::takes(&scene.situation(), &key)
    };
    assert!(takes(names(State::Enabled)));
    assert!(takes(names(State::PendingDeletion).with(|s| s.desired.enabled = Some(true))), "it is cancelled first");
    let bound = |state| names(state).with(|s| s.memory = super::fixtures::memory());
    assert!(takes(bound(State::Enabled)), "bound to it, and its marks are gone");
    // What keeps it from its key for now gives the key to nobody else.
    assert!(takes(bound(State::Enabled).with(|s| s.desired.paused = true)), "paused");
    assert!(takes(bound(State::Disabled)), "it does not say that a disabled key is to be enabled");
    for (why, scene) in [
        ("it has another key", names(State::Enabled).with(|s| s.memory.status.key_arn = Some("arn:other".into()))),
        (
            "the key is of another kind",
            names(State::Enabled).with(|s| s.desired.kind = Some(KeyTemplate { spec: "RSA_2048".into(), ..KeyTemplate::default() })),
        ),
        ("it does not say that a disabled key is to be enabled", names(State::Disabled)),
        ("it is paused", names(State::Enabled).with(|s| s.desired.paused = true)),
        ("bound to it, and the provider does not admit it", bound(State::Enabled).with(|s| s.rules.adoption = Adoption::default())),
        ("the provider does not admit it", names(State::Enabled).with(|s| s.rules.adoption = Adoption::default())),
        ("it only watches", policy(names(State::Enabled), ManagementPolicy::Observe)),
        ("its own creation may have made a key", names(State::Enabled).with(|s| s.memory.attempt = Some(Attempt::Unreadable))),
    ] {
        assert!(!takes(scene), "{why}");
    }
}

#[test]
fn a_description_goes_with_its_field_if_this_object_set_it() {
    let story = |was: &str, applied: Option<bool>| {
        let scene = Scene::of(State::Enabled).with(|s| {
            s.key().description = Some(was.into());
            s.memory.status.applied.as_mut().unwrap().description = applied;
        });
        World::new(scene).settle()
    };
    assert_eq!(story("order signing", Some(true)), ["set the description", "rest"]);
    assert_eq!(story("somebody else's", None), ["rest"]);
    assert_eq!(story("", Some(true)), ["rest"]);
}

#[test]
fn a_key_that_the_status_names_is_not_told_as_one_that_an_alias_led_to() {
    let scene = |arn: Option<String>| {
        Scene::finds(State::Enabled).with(|s| {
            *s.tags() = Tags::new();
            s.memory.status.key_arn = arn;
        })
    };
    let (by_status, by_alias) = (scene(Some(arn())).plan(), scene(None).plan());
    assert_eq!((note(&by_status).0, note(&by_alias).0), (Reason::ClaimUnclear, Reason::ClaimUnclear));
    assert!(note(&by_status).1.contains("this object's status names key") && !note(&by_status).1.contains("alias"), "{by_status:?}");
    assert!(note(&by_alias).1.starts_with("alias alias/keyward/") || note(&by_alias).1.contains("points to key"), "{by_alias:?}");
}
