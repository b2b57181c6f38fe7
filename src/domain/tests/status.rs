//! What people and tools see: each outcome, twice.

use jiff::Timestamp;

use super::{
    fixtures::{GENERATION, ID, SEQ, Scene, arn, days_on, external, minutes, note, now, ours, owner, word},
    model::World,
};
use crate::{
    api::{
        ConditionType, ManagedKeyStatus, Reason,
        condition::{self, seconds},
        managed_key::{DeletionOrigin, KeyState, ManagementPolicy, Missing},
        mark,
    },
    domain::{
        desired::{Life, WantedRotation},
        failure::{Failure, FailureKind, Outcome},
        intent::Word,
        memory::Memory,
        observed::{MultiRegion, Observed, Rotation, Searched, State},
        ownership::{Owner, Tags},
        plan::{Gone, Hold, Note, Plan},
        status::{Conclusion, Round, status},
    },
};

/// The status after one round of the scene, at that time.
fn after(scene: &Scene, conclusion: Conclusion<'_>, at: Timestamp) -> ManagedKeyStatus {
    status(
        &scene.memory,
        &Round {
            generation: scene.desired.generation,
            desired: Some(&scene.desired),
            rules: Some(&scene.rules),
            observed: Some(&scene.observed),
            conclusion,
            set_by: None,
            requested: None,
            now: at,
        },
    )
}

/// The conditions in a few words: `Ready=Available Synced …`; a `!` stands for False.
fn said(status: &ManagedKeyStatus) -> String {
    let mut words: Vec<_> = status
        .conditions
        .iter()
        .map(|known| format!("{}{}={}", if known.status == "True" { "" } else { "!" }, known.type_, known.reason))
        .collect();
    words.sort_by_key(|word| {
        let order = ["Ready", "Synced", "Reconciling", "Stalled", "PendingDeletion", "Drifted", "DeletionHeld"];
        order.iter().position(|name| word.trim_start_matches('!').starts_with(&format!("{name}=")))
    });
    words.join(" ")
}

/// What holds for the conditions of every status, whatever happened.
fn is_well_formed(name: &str, status: &ManagedKeyStatus) {
    let find = |kind| condition::find(&status.conditions, kind);
    for kind in [ConditionType::Ready, ConditionType::Synced] {
        assert!(find(kind).is_some(), "{name}: no {kind:?}");
    }
    for kind in [
        ConditionType::Reconciling,
        ConditionType::Stalled,
        ConditionType::PendingDeletion,
        ConditionType::Drifted,
        ConditionType::DeletionHeld,
    ] {
        assert!(find(kind).is_none_or(|known| known.status == "True"), "{name}: {kind:?} is there and not True");
    }
    assert!(
        find(ConditionType::Reconciling).is_none() || find(ConditionType::Stalled).is_none(),
        "{name}: Reconciling and Stalled together"
    );
    let ready = find(ConditionType::Ready).unwrap().status == "True";
    assert!(!ready || (find(ConditionType::Reconciling).is_none() && find(ConditionType::Stalled).is_none()), "{name}: Ready and not");
    for known in &status.conditions {
        assert!(Reason::ALL.iter().any(|(reason, _)| reason.as_str() == known.reason), "{name}: {}", known.reason);
        assert!(!known.message.is_empty() && !known.message.ends_with('.'), "{name}: {:?}", known.message);
        let types = status.conditions.iter().filter(|other| other.type_ == known.type_).count();
        assert_eq!(types, 1, "{name}: {} twice", known.type_);
    }
    let pending = matches!(status.key_state, Some(KeyState::PendingDeletion | KeyState::PendingReplicaDeletion));
    assert!(pending || status.deletion_date.is_none(), "{name}: a deletion date without a pending deletion");
    assert_eq!(find(ConditionType::PendingDeletion).is_some(), pending, "{name}: PendingDeletion");
}

/// A row: its name, the scene, how its round ended, and the conditions then.
type Row = (&'static str, Scene, Option<Plan>, &'static str);

/// The scene's own plan, or the given one, is reported: now, and again an hour later, when nothing has changed.
fn check<const N: usize>(rows: [Row; N]) {
    let mut wrong = Vec::new();
    for (name, mut scene, plan, expected) in rows {
        let plan = plan.unwrap_or_else(|| scene.plan());
        let first = after(&scene, Conclusion::Planned(&plan), now());
        if said(&first) != expected {
            wrong.push(format!("{name}:\n  expected {expected}\n  found    {}", said(&first)));
            continue;
        }
        is_well_formed(name, &first);
        assert_eq!(first.observed_generation, Some(scene.desired.generation), "{name}");
        scene.memory.status = first.clone();
        let second = after(&scene, Conclusion::Planned(&plan), now() + minutes(60));
        assert_eq!(first, second, "{name}: the same round twice is not the same status");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn asked(mut scene: Scene, days: i32) -> Scene {
    scene.desired.generation += 1;
    scene.desired.life = Life::Scheduled(days);
    scene
}

fn policy(mut scene: Scene, policy: ManagementPolicy) -> Scene {
    scene.desired.policy = policy;
    scene
}

fn off(mut scene: Scene) -> Scene {
    scene.desired.enabled = Some(false);
    scene
}

fn named(reason: Reason) -> Note {
    Note { reason, message: "something, so do something".into() }
}

#[test]
fn the_conditions_of_every_outcome() {
    use ManagementPolicy::{EnforceOnChange, Observe};
    let hold = |reason, passes| Some(Plan::Hold(Hold { reason, message: "held".into(), passes }));
    let gone = |count, gone, reason| Some(Plan::Missing(Missing { count, first_time: seconds(now()) }, named(reason), gone));
    let absent = |scene: Scene| scene.with(|s| s.observed = Observed::Absent(Searched::Reference));
    let untagged = |scene: Scene| scene.with(|s| s.desired.tags = Tags::from([("team".into(), "shop".into())]));
    check([
        ("enabled", Scene::of(State::Enabled), None, "Ready=Available Synced=Synced"),
        ("disabled, as declared", off(Scene::of(State::Disabled)), None, "Ready=Disabled Synced=Synced"),
        ("scheduled, as declared", Scene::scheduled(7), None, "Ready=DeletionScheduled Synced=Synced PendingDeletion=Declared"),
        (
            "scheduled by someone, as declared",
            asked(Scene::of(State::PendingDeletion), 7),
            None,
            "Ready=DeletionScheduled Synced=Synced PendingDeletion=Declared",
        ),
        (
            "waiting for replicas, as declared",
            Scene::scheduled(7).with(|s| (s.key().state, s.key().deletion_date) = (State::PendingReplicaDeletion, None)),
            None,
            "Ready=DeletionScheduled Synced=Synced PendingDeletion=Declared",
        ),
        ("being created", Scene::of(State::Creating), None, "!Ready=Creating !Synced=Creating Reconciling=Creating"),
        ("without material", Scene::of(State::PendingImport), None, "!Ready=PendingImport !Synced=PendingImport Stalled=PendingImport"),
        ("unavailable", Scene::of(State::Unavailable), None, "!Ready=KeyUnavailable !Synced=KeyUnavailable Stalled=KeyUnavailable"),
        (
            "nothing to delete",
            asked(Scene::unbound(Searched::Everywhere), 7),
            None,
            "!Ready=NothingToDelete !Synced=NothingToDelete Stalled=NothingToDelete",
        ),
        (
            "rotation waits",
            off(Scene::of(State::Disabled)).with(|s| s.desired.rotation = Some(WantedRotation::On(None))),
            None,
            "Ready=Disabled !Synced=Disabled",
        ),
        (
            "a tag is missing, and left so",
            policy(untagged(Scene::of(State::Enabled)), EnforceOnChange),
            None,
            "Ready=Available !Synced=Drifted Drifted=Drifted",
        ),
        (
            "disabled by someone, and left so",
            policy(Scene::of(State::Disabled), EnforceOnChange),
            None,
            "!Ready=Drifted !Synced=Drifted Stalled=Drifted Drifted=Drifted",
        ),
        (
            "scheduled by someone, and left so",
            policy(Scene::of(State::PendingDeletion), EnforceOnChange),
            None,
            "!Ready=PendingDeletion !Synced=Drifted Stalled=PendingDeletion PendingDeletion=External Drifted=Drifted",
        ),
        (
            "scheduled by someone, and only observed",
            policy(Scene::of(State::PendingDeletion), Observe),
            None,
            "!Ready=PendingDeletion !Synced=Drifted Stalled=PendingDeletion PendingDeletion=External Drifted=Drifted",
        ),
        (
            "held for a person",
            asked(Scene::of(State::Disabled), 7),
            None,
            "!Ready=CancelledOutside !Synced=CancelledOutside Stalled=CancelledOutside DeletionHeld=CancelledOutside",
        ),
        (
            "held by what passes",
            asked(Scene::of(State::Enabled), 7),
            hold(Reason::StaleObject, true),
            "!Ready=StaleObject !Synced=StaleObject Reconciling=StaleObject DeletionHeld=StaleObject",
        ),
        (
            "held while pending with the old days",
            asked(Scene::scheduled(7), 9).with(|s| s.memory.status.intent_seq = None),
            None,
            "!Ready=RollbackSuspected !Synced=RollbackSuspected Stalled=RollbackSuspected PendingDeletion=Declared DeletionHeld=RollbackSuspected",
        ),
        (
            "not found once",
            absent(Scene::of(State::Enabled)),
            gone(1, Gone::Unsure, Reason::KeyMissing),
            "!Ready=KeyMissing !Synced=KeyMissing Reconciling=KeyMissing",
        ),
        (
            "lost",
            absent(Scene::of(State::Enabled)),
            gone(3, Gone::Lost, Reason::KeyMissing),
            "!Ready=KeyMissing !Synced=KeyMissing Stalled=KeyMissing",
        ),
        (
            "not found once, while pending",
            absent(Scene::scheduled(7)),
            gone(1, Gone::Unsure, Reason::KeyMissing),
            "!Ready=KeyMissing !Synced=KeyMissing Reconciling=KeyMissing PendingDeletion=Declared",
        ),
        (
            "another's",
            Scene::of(State::Enabled).with(|s| drop(s.tags().insert(mark::UID.into(), "u9".into()))),
            None,
            "!Ready=OwnedByAnother !Synced=OwnedByAnother Stalled=OwnedByAnother",
        ),
        ("refused days", asked(Scene::of(State::Enabled), 31), None, "!Ready=InvalidSpec !Synced=InvalidSpec Stalled=InvalidSpec"),
    ]);
}

#[test]
fn the_conditions_of_rounds_that_could_not_plan() {
    let failure = |kind| Failure { kind, operation: "DescribeKey", message: "no".into(), outcome: Outcome::Refused, source: None };
    for kind in FailureKind::ALL {
        let mut scene = Scene::of(State::Enabled);
        let failure = failure(kind);
        let first = after(&scene, Conclusion::Failed(&failure), now());
        is_well_formed(failure.operation, &first);
        let reason = kind.verdict().reason.as_str();
        let also = if kind.verdict().stalled { "Stalled" } else { "Reconciling" };
        assert_eq!(said(&first), format!("!Ready={reason} !Synced={reason} {also}={reason}"));
        scene.memory.status = first.clone();
        assert_eq!(after(&scene, Conclusion::Failed(&failure), now() + minutes(60)), first);
    }
    for (stalled, also) in [(true, "Stalled"), (false, "Reconciling")] {
        let status = after(&Scene::of(State::Enabled), Conclusion::Refused { note: named(Reason::ProviderNotFound), stalled }, now());
        assert_eq!(said(&status), format!("!Ready=ProviderNotFound !Synced=ProviderNotFound {also}=ProviderNotFound"));
    }
}
