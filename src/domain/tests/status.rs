//! What people and tools see: each outcome, twice.

use jiff::Timestamp;

use super::{
    fixtures::{GENERATION, HELD, ID, SEQ, Scene, arn, brief, days_on, external, minutes, note, now, ours, owner, word},
    model::World,
};
use crate::{
    api::{
        ConditionType, ManagedKey, ManagedKeyStatus, Reason,
        condition::{self, seconds},
        managed_key::{DeletionOrigin, KeyState, ManagementPolicy, Missing, RotationStatus, RotationType},
        mark,
    },
    domain::{
        deletion::{
            Intent, LastUse, Word,
            hold::{Hold, SENTENCES, in_use},
        },
        desired::{Life, WantedRotation},
        event::{About, events},
        failure::{Failure, FailureKind, Outcome},
        memory::Memory,
        observed::{MultiRegion, Observed, Rotated, Rotation, Rotations, Searched, State},
        ownership::{Owner, OwnerMark, Tags},
        plan::{Gone, Note, Plan},
        rescue, rotation,
        status::{Conclusion, PAUSED, Report, SetBy, fit, pending, status, unreachable_for},
        step::Step,
    },
};

/// The status after one round of the scene, at that time.
fn after(scene: &Scene, conclusion: Conclusion<'_>, at: Timestamp) -> ManagedKeyStatus {
    ended(scene, Some(&scene.observed), conclusion, true, at)
}

/// The same, for a round that saw only that, and a last good look that is young or old.
fn ended(scene: &Scene, observed: Option<&Observed>, conclusion: Conclusion<'_>, word_stands: bool, at: Timestamp) -> ManagedKeyStatus {
    status(&scene.memory, &Report { observed, word_stands, now: at, ..scene.report(conclusion) })
}

/// The conditions in a few words: `Ready=Available Synced …`; a `!` stands for False, a `?` for Unknown.
fn said(status: &ManagedKeyStatus) -> String {
    let mut words: Vec<_> = status
        .conditions
        .iter()
        .map(|known| {
            let sign = match known.status.as_str() {
                "True" => "",
                "False" => "!",
                _ => "?",
            };
            format!("{sign}{}={}", known.type_, known.reason)
        })
        .collect();
    words.sort_by_key(|word| {
        let order = ["Ready", "Synced", "Reconciling", "Stalled", "PendingDeletion", "Drifted", "DeletionHeld"];
        order.iter().position(|name| word.trim_start_matches(['!', '?']).starts_with(&format!("{name}=")))
    });
    words.join(" ")
}

/// What is true for the conditions of every status.
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

/// No answer of a KMS and no long history makes a status that the API server refuses. The bounds are those of the schema.
#[test]
fn a_status_fits_its_schema() {
    let mut scene = Scene::of(State::Enabled);
    let long = "Ä".repeat(100);
    scene.key().kind.spec = long.clone();
    scene.key().kind.origin = long;
    let many = |count: usize| (0..count).map(|number| format!("tag-{number:03}")).collect::<Vec<_>>();
    let known = scene.memory.status.applied.get_or_insert_default();
    (known.tag_keys, known.aliases) = (many(128), many(200));
    let plan = Plan::Wait(Note { reason: Reason::Creating, message: "x".repeat(40_000) });
    let mut fitted = after(&scene, Conclusion::Planned(&plan), now());
    fit(&mut fitted);
    let key = fitted.key.as_ref().unwrap();
    assert_eq!((key.spec.chars().count(), key.origin.chars().count(), key.usage.as_str()), (64, 64, "ENCRYPT_DECRYPT"));
    let applied = fitted.applied.as_ref().unwrap();
    assert_eq!((applied.tag_keys.len(), applied.aliases.len()), (128, 128));
    assert!(fitted.conditions.iter().all(|known| known.message.chars().count() <= 32768));
    let once = fitted.clone();
    fit(&mut fitted);
    assert_eq!(fitted, once);
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

/// The last word is `held`, as after a deletion that was asked for without an edge.
fn held(scene: Scene) -> Scene {
    scene.with(|s| s.intent(word(HELD)))
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
    let hold = |reason, passes| Some(Plan::Hold(Hold { reason, message: "held".into(), passes, used: None }));
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
            held(asked(Scene::of(State::Disabled), 7)),
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
            "not found at another endpoint",
            absent(Scene::of(State::Enabled)).with(|s| s.rules.endpoint = "kms.example.com".into()),
            None,
            "!Ready=WrongAccount !Synced=WrongAccount Stalled=WrongAccount",
        ),
        (
            "not found at another endpoint, while pending",
            absent(Scene::scheduled(7)).with(|s| s.rules.endpoint = "kms.example.com".into()),
            None,
            "!Ready=WrongAccount !Synced=WrongAccount Stalled=WrongAccount PendingDeletion=Declared",
        ),
        (
            "deleted",
            absent(Scene::scheduled(7)).with(|s| s.now = days_on(8)).with(|s| {
                s.memory.status.missing = Some(Missing { count: 3, first_time: seconds(now()) });
            }),
            None,
            "!Ready=KeyDeleted !Synced=KeyDeleted Stalled=KeyDeleted",
        ),
        (
            "another's",
            Scene::of(State::Enabled).with(|s| drop(s.tags().insert(mark::UID.into(), "u9".into()))),
            None,
            "!Ready=OwnedByAnother !Synced=OwnedByAnother Stalled=OwnedByAnother",
        ),
        (
            "a period that is refused",
            Scene::of(State::Enabled).with(|s| s.desired.rotation = Some(WantedRotation::On(Some(45)))),
            None,
            "!Ready=InvalidSpec !Synced=InvalidSpec Stalled=InvalidSpec",
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

/// What the KMS does to us is no news about the key.
#[test]
fn ready_keeps_its_value_for_a_while_if_the_kms_cannot_be_reached() {
    let failure = |kind| Failure { kind, operation: "DescribeKey", message: "no".into(), outcome: Outcome::Refused, source: None };
    let no_news = FailureKind::ALL.into_iter().filter(|kind| kind.verdict().is_no_news());
    for (kind, refused) in no_news.flat_map(|kind| [(kind, false), (kind, true)]) {
        let (failure, reason) = (failure(kind), kind.verdict().reason);
        // The first look failed, or there was none, as the provider has no client yet.
        let refusal = || Conclusion::Refused { note: named(reason), stalled: false };
        let conclusion = || if refused { refusal() } else { Conclusion::Failed(&failure) };
        let unheard = |scene: &Scene, stands| {
            let status = ended(scene, None, conclusion(), stands, now() + minutes(1));
            is_well_formed(failure.operation, &status);
            status
        };
        let reason = reason.as_str();
        let known = |mut scene: Scene| {
            scene.memory.status = after(&scene, Conclusion::Planned(&scene.plan()), now());
            scene
        };
        let pending = "PendingDeletion=Declared";
        for (scene, word, also) in [
            (Scene::of(State::Enabled), "Ready=Available", String::new()),
            (Scene::scheduled(7), "Ready=DeletionScheduled", format!(" {pending}")),
            (held(asked(Scene::of(State::Disabled), 7)), "!Ready=CancelledOutside", String::new()),
        ] {
            let mut scene = known(scene);
            let before = scene.memory.status.clone();
            let status = unheard(&scene, true);
            let rest = if word.starts_with('!') { " Stalled=CancelledOutside DeletionHeld=CancelledOutside" } else { &also };
            assert_eq!(said(&status), format!("{word} !Synced={reason}{rest}"));
            let ready = |status: &ManagedKeyStatus| condition::find(&status.conditions, ConditionType::Ready).cloned();
            assert_eq!(ready(&status), ready(&before), "word for word");
            scene.memory.status = status.clone();
            assert_eq!(unheard(&scene, true), status, "and nothing is written while nothing changes");
            let status = unheard(&scene, false);
            let rest = if word.starts_with('!') { " DeletionHeld=CancelledOutside" } else { &also };
            assert_eq!(said(&status), format!("?Ready={reason} !Synced={reason} Reconciling={reason}{rest}"));
            scene.memory.status = status.clone();
            assert_eq!(unheard(&scene, false), status);
        }
        // A spec that was not applied yet, and a key that was never seen, are not as declared.
        for scene in [known(Scene::of(State::Enabled)).with(|s| s.desired.generation += 1), Scene::of(State::Enabled)] {
            for stands in [true, false] {
                assert_eq!(said(&unheard(&scene, stands)), format!("!Ready={reason} !Synced={reason} Reconciling={reason}"));
            }
        }
    }
}

#[test]
fn a_setting_that_fails_each_time_changes_nothing_after_the_first() {
    let denied =
        Failure { kind: FailureKind::Denied, operation: "TagResource", message: "no".into(), outcome: Outcome::Refused, source: None };
    let mut scene = Scene::of(State::Enabled);
    scene.memory.status = after(&scene, Conclusion::Planned(&scene.plan()), now());
    let look = |scene: &Scene, at| {
        let plan = scene.plan();
        let failed = std::slice::from_ref(&denied);
        status(&scene.memory, &Report { failed, now: at, ..scene.report(Conclusion::Planned(&plan)) })
    };
    let first = look(&scene, now() + minutes(1));
    assert_eq!(said(&first), "!Ready=AccessDenied !Synced=AccessDenied Stalled=AccessDenied");
    scene.memory.status = first.clone();
    assert_eq!(look(&scene, now() + minutes(10)), first, "not even the time of a transition");
}

#[test]
fn what_was_seen_before_a_call_failed_counts() {
    let throttled =
        Failure { kind: FailureKind::Throttled, operation: "EnableKey", message: "no".into(), outcome: Outcome::Refused, source: None };
    let mut scene = Scene::of(State::Enabled);
    scene.memory.status = after(&scene, Conclusion::Planned(&scene.plan()), now());
    let said_of = |scene: &Scene, observed: &Observed| said(&ended(scene, Some(observed), Conclusion::Failed(&throttled), true, now()));
    assert_eq!(said_of(&scene, &scene.observed), "Ready=Available !Synced=Throttled");
    let disabled = Scene::of(State::Disabled).observed;
    assert_eq!(said_of(&scene, &disabled), "!Ready=Throttled !Synced=Throttled Reconciling=Throttled", "it is not enabled any more");
    let pending = Scene::of(State::PendingDeletion).observed;
    assert!(said_of(&scene, &pending).starts_with("!Ready=Throttled !Synced=Throttled Reconciling=Throttled"));
    assert!(said_of(&scene, &Observed::Absent(Searched::Reference)).starts_with("!Ready=Throttled"));
    // Cancelled in this very round, and not enabled yet: the record says Disabled by then.
    let mut cancelled = scene.clone();
    cancelled.memory.status.key_state = Some(KeyState::Disabled);
    assert!(said_of(&cancelled, &disabled).starts_with("!Ready=Throttled"));
}

/// A new process has no memory; the status tells it how long `Ready` may still be relied on.
#[test]
fn the_status_tells_for_how_long_a_kms_could_not_be_asked() {
    let throttled =
        Failure { kind: FailureKind::Throttled, operation: "DescribeKey", message: "no".into(), outcome: Outcome::Refused, source: None };
    let mut scene = Scene::of(State::Enabled);
    scene.memory.status = after(&scene, Conclusion::Planned(&scene.plan()), now());
    let unreachable = |scene: &Scene, at| unreachable_for(&scene.memory.status, at).map(|unreachable| unreachable.as_secs());
    assert_eq!(unreachable(&scene, now() + minutes(5)), None, "it could be asked");
    scene.memory.status = ended(&scene, None, Conclusion::Failed(&throttled), true, now());
    assert_eq!(unreachable(&scene, now() + minutes(5)), Some(300));
    assert_eq!(unreachable(&scene, now() - minutes(5)), Some(0), "by a clock that was ahead");
    scene.memory.status = ended(&scene, None, Conclusion::Failed(&throttled), true, now() + minutes(9));
    assert_eq!(unreachable(&scene, now() + minutes(10)), Some(600), "it is one silence");
    let denied = Failure { kind: FailureKind::Denied, ..throttled };
    scene.memory.status = ended(&scene, None, Conclusion::Failed(&denied), true, now());
    assert_eq!(unreachable(&scene, now() + minutes(5)), None, "a denial is an answer");
}

#[test]
fn what_was_denied_says_how_often_it_is_tried_and_how_to_try_at_once() {
    let denied =
        Failure { kind: FailureKind::Denied, operation: "DescribeKey", message: "no".into(), outcome: Outcome::Refused, source: None };
    let scene = Scene::of(State::Enabled);
    let status = ended(&scene, None, Conclusion::Failed(&denied), true, now());
    let Owner { namespace, name, .. } = owner();
    let expected = format!(
        "no; it is tried again after 30 seconds, then less often, and at least every 600 seconds; to have it tried at once: \
         kubectl annotate --overwrite --field-manager=keyward-cli -n {namespace} managedkey {name} \
         keyward.dev/reconcile-requested-at=\"$(date +%s)\""
    );
    for kind in [ConditionType::Ready, ConditionType::Synced, ConditionType::Stalled] {
        assert_eq!(condition::find(&status.conditions, kind).unwrap().message, expected);
    }
}

/// A state that nobody sees any more is not shown, except if it speaks against a deletion.
#[test]
fn a_key_that_is_lost_has_no_state() {
    let lost = |scene: Scene| {
        let plan = Plan::Missing(Missing { count: 3, first_time: seconds(now()) }, named(Reason::KeyMissing), Gone::Lost);
        let absent = Observed::Absent(Searched::Reference);
        ended(&scene, Some(&absent), Conclusion::Planned(&plan), true, now()).key_state
    };
    let seen = |state, scene: Scene| scene.with(|s| s.memory.status.key_state = Some(state));
    assert_eq!(lost(seen(KeyState::Enabled, Scene::of(State::Enabled))), None);
    let disabled = lost(seen(KeyState::Disabled, Scene::of(State::Disabled)));
    assert_eq!(disabled, Some(KeyState::Disabled), "a deletion that is asked for later has to know");
    assert_eq!(lost(Scene::scheduled(7)), Some(KeyState::PendingDeletion), "its date is still to come");
    let asked_for = asked(seen(KeyState::Disabled, Scene::of(State::Disabled)), 7);
    assert_eq!(lost(asked_for), Some(KeyState::Disabled), "somebody disabled it, which holds the deletion");
}

fn message(status: &ManagedKeyStatus, kind: ConditionType) -> String {
    condition::find(&status.conditions, kind).unwrap_or_else(|| panic!("no {kind:?}: {}", said(status))).message.clone()
}

#[test]
fn a_key_that_is_ready_stays_so_while_its_marks_are_read_back() {
    let reading = || Conclusion::ReadingBack(Note { reason: Reason::Adopting, message: "the marks are read back".into() });
    let mut scene = Scene::of(State::Enabled);
    let new = after(&scene, reading(), now());
    is_well_formed("new", &new);
    assert_eq!(said(&new), "!Ready=Adopting !Synced=Adopting Reconciling=Adopting");
    scene.memory.status = after(&scene, Conclusion::Planned(&scene.plan()), now());
    let known = after(&scene, reading(), now());
    is_well_formed("known", &known);
    assert_eq!(said(&known), "Ready=Available !Synced=Adopting");
}

/// A hold is told once, by an event. So it is told when its token is on the key, and not while the marks are read back.
#[test]
fn a_new_hold_is_told_with_its_token() {
    let reading = || Conclusion::ReadingBack(Note { reason: Reason::Adopting, message: "the marks are read back".into() });
    let told = |status: &ManagedKeyStatus| condition::find(&status.conditions, ConditionType::DeletionHeld).cloned();
    // Taken up with the field: the word is on record, and not seen on the key yet.
    let mut scene = asked(Scene::of(State::Enabled), 7);
    (scene.memory.status.intent_seq, scene.memory.status.intent_word) = (Some(SEQ + 1), Some(HELD.to_string()));
    assert_eq!(told(&after(&scene, reading(), now())), None);
    let failure =
        Failure { kind: FailureKind::Denied, operation: "TagResource", message: "denied".into(), outcome: Outcome::Refused, source: None };
    assert!(told(&after(&scene, Conclusion::Failed(&failure), now())).unwrap().message.contains("there is no token to confirm it with"));
    scene.intent(Intent { seq: SEQ + 1, ..word(HELD) });
    scene.memory.status = after(&scene, Conclusion::Planned(&scene.plan()), now());
    let held = told(&scene.memory.status).unwrap();
    assert!(held.message.contains("confirm-deletion="), "{}", held.message);
    assert_eq!(told(&after(&scene, reading(), now())), Some(held), "what was told stays");
}

/// A key whose primary Region changes can be used. A new spec is not applied until that ends, so it is not Ready.
#[test]
fn a_key_that_is_ready_stays_so_while_the_kms_updates_it() {
    let mut scene = Scene::of(State::Enabled);
    let plan = |scene: &Scene| scene.plan();
    let ready = after(&scene, Conclusion::Planned(&plan(&scene)), now());
    assert_eq!(said(&ready), "Ready=Available Synced=Synced");
    scene.key().state = State::Updating;
    let new = after(&scene, Conclusion::Planned(&plan(&scene)), now());
    is_well_formed("new", &new);
    assert_eq!(said(&new), "!Ready=Updating !Synced=Updating Reconciling=Updating");
    let text = message(&new, ConditionType::Ready);
    assert!(text.contains("the KMS is still updating it") && text.contains(&scene.key().arn), "{text}");

    scene.memory.status = ready;
    let known = after(&scene, Conclusion::Planned(&plan(&scene)), now());
    is_well_formed("known", &known);
    assert_eq!(said(&known), "Ready=Available !Synced=Updating");
    let step = Plan::Do(Step::Describe { description: "signing".into() });
    assert_eq!(said(&after(&scene, Conclusion::Planned(&step), now())), "Ready=Available !Synced=Updating", "a round that did not end");

    scene.desired.generation += 1;
    let changed = after(&scene, Conclusion::Planned(&plan(&scene)), now());
    assert_eq!(said(&changed), "!Ready=Updating !Synced=Updating Reconciling=Updating", "the new spec is not applied");
    scene.desired.generation -= 1;
    scene.desired.enabled = Some(false);
    assert_eq!(said(&after(&scene, Conclusion::Planned(&plan(&scene)), now())), "!Ready=Updating !Synced=Updating Reconciling=Updating");
}

/// Somebody tried to pause the object, and nothing is paused.
#[test]
fn a_misspelt_pause_is_reported() {
    let spelt = |scene: Scene| scene.with(|s| s.desired.misspelt_pause = Some("yes".into()));
    let mut well = spelt(Scene::of(State::Enabled));
    let status = after(&well, Conclusion::Planned(&well.plan()), now());
    is_well_formed("well", &status);
    assert_eq!(said(&status), "Ready=Available !Synced=InvalidSpec");
    assert!(message(&status, ConditionType::Synced).contains("keyward.dev/paused is \"yes\", which pauses nothing"));
    well.memory.status = status.clone();
    assert_eq!(after(&well, Conclusion::Planned(&well.plan()), now() + minutes(60)), status);
    let held = spelt(held(asked(Scene::of(State::Disabled), 7)));
    let status = after(&held, Conclusion::Planned(&held.plan()), now());
    let synced = message(&status, ConditionType::Synced);
    assert!(synced.contains("is held") && synced.contains("which pauses nothing"), "{synced}");
}

/// The message does not claim the declared days for another's schedule.
#[test]
fn a_schedule_of_other_days_says_both() {
    let ready = |scene: &Scene| message(&after(scene, Conclusion::Planned(&scene.plan()), now()), ConditionType::Ready);
    assert_eq!(ready(&Scene::scheduled(7)), "the key is pending deletion, as declared");
    let by_another = ready(&asked(Scene::of(State::PendingDeletion), 9));
    assert!(by_another.contains(&days_on(7).to_string()) && by_another.contains("spec.deletionScheduleDays is 9"), "{by_another}");
    // Made again over the pending key of an earlier object of its name, with another number.
    let earlier = asked(Scene::finds(State::PendingDeletion), 9).with(|s| {
        s.tags().extend(Owner { uid: "u0".into(), ..owner() }.marks(word(Word::Days(30)), OwnerMark::Name));
    });
    let found = ready(&earlier);
    assert!(found.contains("scheduled with 30 days") && found.contains("spec.deletionScheduleDays is 9"), "{found}");
    let synced = message(&after(&earlier, Conclusion::Planned(&earlier.plan()), now()), ConditionType::Synced);
    assert!(!synced.contains("as declared"), "{synced}");
    let watched = ready(&policy(asked(Scene::of(State::PendingDeletion), 9), ManagementPolicy::Observe));
    assert!(!watched.contains("remove the field"), "it would cancel nothing: {watched}");
}

/// The message of a hold says how the key is now, and whether the person's token fits.
#[test]
fn a_hold_says_how_the_key_is_and_what_is_wrong_with_a_token() {
    let held = |change: fn(&mut Scene)| {
        let scene = held(asked(Scene::of(State::Disabled), 7)).with(change);
        note(&scene.plan()).1.to_owned()
    };
    let plain = held(|_| {});
    assert!(plain.contains("; the key is disabled now; to keep the key and have it enabled, remove spec.deletionScheduleDays"), "{plain}");
    assert!(!plain.contains("not the token"), "{plain}");
    let wrong = held(|s| s.desired.confirmation = Some(format!("{ID}@2-aaaaaa")));
    let says = format!("the annotation keyward.dev/confirm-deletion is \"{ID}@2-aaaaaa\", which is not the token of this hold");
    assert!(wrong.contains(&says), "{wrong}");
    let long = held(|s| s.desired.confirmation = Some("x".repeat(100_000)));
    assert!(long.len() < 1000, "{}", long.len());
    let off = held(|s| s.desired.enabled = Some(false));
    assert!(off.contains("; to keep the key, remove spec.deletionScheduleDays"), "{off}");
    let pending = asked(Scene::scheduled(7), 9).with(|s| s.memory.status.intent_seq = None);
    let pending = note(&pending.plan()).1.to_owned();
    assert!(pending.contains("the deletion that was scheduled with 7 days stands"), "{pending}");
}

#[test]
fn a_missing_key_is_reported_by_its_deletion_date() {
    let absent = |scene: Scene, at: Timestamp| {
        let scene = scene.with(|s| (s.observed, s.now) = (Observed::Absent(Searched::Reference), at));
        note(&scene.plan()).1.to_owned()
    };
    let due = absent(Scene::scheduled(7), days_on(8));
    assert!(due.contains(&format!("Keyward confirms its deletion, which was due at {}", days_on(7))), "{due}");
    let past = Scene::scheduled(7).with(|s| (s.observed, s.now) = (Observed::Absent(Searched::Reference), days_on(8)));
    let pending = message(&after(&past, Conclusion::Planned(&past.plan()), past.now), ConditionType::PendingDeletion);
    assert!(pending.contains("was to be deleted") && pending.contains("is not found any more"), "{pending}");
    let early = absent(Scene::scheduled(7), days_on(1));
    assert!(early.contains("its deletion was due later") && !early.contains("confirmed"), "{early}");
    assert!(absent(Scene::of(State::Enabled), now()).contains("no deletion of it was known"));
}

/// From what to what, and the life of the key first.
#[test]
fn drift_is_reported_with_the_old_and_the_new_value() {
    let drifted = policy(Scene::of(State::Enabled), ManagementPolicy::EnforceOnChange).with(|s| {
        s.desired.enabled = Some(false);
        s.desired.rotation = Some(WantedRotation::On(Some(90)));
        s.desired.description = Some("orders".into());
        s.desired.tags = Tags::from([("team".into(), "shop".into()), ("tier".into(), "1".into())]);
        s.desired.aliases = ["alias/orders".into()].into();
        s.tags().insert("team".into(), "thieves".into());
        let applied = s.memory.status.applied.as_mut().unwrap();
        applied.enabled = Some(false);
    });
    let status = after(&drifted, Conclusion::Planned(&drifted.plan()), now());
    let said = message(&status, ConditionType::Drifted);
    assert!(
        said.starts_with(
            "the state is Enabled, declared Disabled; rotation is off, declared every 90 days; the description is \"\", declared \"orders\"; \
             tag team is \"thieves\", declared \"shop\"; tag tier is absent, declared \"1\"; alias/orders is absent, declared present; "
        ),
        "{said}"
    );
    let mut key = super::fixtures::key(State::Enabled);
    key.description = Some("ä".repeat(1000));
    let step = Step::Describe { description: String::new() };
    assert!(step.differences(&key)[0].left().len() < 200);
}

#[test]
fn a_correction_is_reported_with_the_old_and_the_new_value() {
    let scene = Scene::of(State::Enabled);
    let steps = [Step::AddAlias { alias: "alias/orders".into() }, Step::Enable];
    let mut key = super::fixtures::key(State::Disabled);
    let found: Vec<_> = steps
        .iter()
        .map(|step| {
            let found = step.differences(&key);
            key = key.clone().after(step);
            (step.clone(), found)
        })
        .collect();
    let about = About { desired: &scene.desired, set_by: None, found: &found, created: None };
    let told = events(&scene.memory.status, &scene.memory.status, about, &steps);
    let drift = told.iter().find(|event| event.reason == "DriftDetected").unwrap();
    assert!(drift.note.ends_with("corrected: the state from Disabled to Enabled; alias/orders from absent to present"), "{}", drift.note);
}

#[test]
fn a_pause_is_an_event_once() {
    let mut scene = Scene::of(State::Enabled);
    let about = |scene: &Scene, before: &ManagedKeyStatus, after: &ManagedKeyStatus| {
        let about = About { desired: &scene.desired, set_by: None, found: &[], created: None };
        events(before, after, about, &[]).into_iter().map(|event| (event.reason, event.warning)).collect::<Vec<_>>()
    };
    scene.memory.status = after(&scene, Conclusion::Planned(&scene.plan()), now());
    let paused = after(&scene, Conclusion::Paused(PAUSED), now());
    assert_eq!(about(&scene, &scene.memory.status, &paused), [("Paused", false)]);
    scene.memory.status = paused.clone();
    assert_eq!(about(&scene, &paused, &after(&scene, Conclusion::Paused(PAUSED), now())), []);
}

#[test]
fn a_deleted_key_stays_deleted() {
    let mut world = World::new(Scene::scheduled(7));
    world.key = None;
    let mut seen = Vec::new();
    for round in 0..6 {
        world.scene.now = days_on(7) + minutes(round * 10);
        seen.push(world.settle().remove(0));
    }
    assert_eq!(
        seen,
        ["missing 1 Unsure", "missing 2 Unsure", "missing 3 Deleted", "missing 3 Deleted", "missing 3 Deleted", "missing 3 Deleted"]
    );
    let status = &world.scene.memory.status;
    assert_eq!((status.key_state, &status.deletion_date, &status.deletion), (Some(KeyState::Deleted), &None, &None));
    assert_eq!(status.key_id.as_deref(), Some(ID), "the id stays");
    // It was not deleted after all.
    world.key = Some(super::fixtures::key(State::Enabled));
    world.scene.desired.life = Life::Live;
    world.settle();
    assert_eq!((world.scene.memory.status.key_state, &world.scene.memory.status.missing), (Some(KeyState::Enabled), &None));
}

#[test]
fn a_deletion_at_its_date_is_no_failure() {
    let reasons = |since: Timestamp| {
        let scene = Scene::scheduled(7).with(|s| s.observed = Observed::Absent(Searched::Reference));
        let missing = |count, gone, reason| Plan::Missing(Missing { count, first_time: seconds(since) }, named(reason), gone);
        let first = after(&scene, Conclusion::Planned(&missing(1, Gone::Unsure, Reason::KeyMissing)), since);
        let mut later = scene.clone();
        later.memory.status = first.clone();
        let second = after(&later, Conclusion::Planned(&missing(3, Gone::Deleted, Reason::KeyDeleted)), since + minutes(10));
        let about = || About { desired: &scene.desired, set_by: None, found: &[], created: None };
        let told = [events(&scene.memory.status, &first, about(), &[]), events(&first, &second, about(), &[])];
        told.map(|events| events.into_iter().map(|event| event.reason).collect::<Vec<_>>())
    };
    assert_eq!(reasons(days_on(8)), [vec![], vec!["KeyDeleted"]]);
    assert_eq!(reasons(days_on(2)), [vec!["SyncFailed"], vec!["KeyDeleted"]], "before its date it is one");
}

/// A hold has an event of its own, whatever its reason is.
#[test]
fn a_hold_is_told_once() {
    for sentence in SENTENCES {
        let scene = asked(Scene::of(State::Enabled), 7);
        let plan = Plan::Hold(Hold { reason: sentence.reason, message: "held".into(), passes: sentence.next.passes(), used: None });
        let reported = after(&scene, Conclusion::Planned(&plan), now());
        let about = About { desired: &scene.desired, set_by: None, found: &[], created: None };
        let told: Vec<_> = events(&scene.memory.status, &reported, about, &[]).into_iter().map(|event| event.reason).collect();
        assert_eq!(told, ["DeletionHeld"], "{:?}", sentence.reason);
    }
}

#[test]
fn a_pause_changes_nothing_but_its_message() {
    for mut scene in [Scene::of(State::Enabled), Scene::scheduled(7), held(asked(Scene::of(State::Disabled), 7))] {
        let before = after(&scene, Conclusion::Planned(&scene.plan()), now());
        scene.memory.status = before.clone();
        // Edited while paused.
        scene.desired.generation += 1;
        scene.desired.life = Life::Live;
        let mut paused = after(&scene, Conclusion::Paused(PAUSED), now() + minutes(1));
        is_well_formed("paused", &paused);
        assert_eq!(paused.observed_generation, before.observed_generation);
        let find = |status: &ManagedKeyStatus, kind| condition::find(&status.conditions, kind).cloned();
        for kind in [ConditionType::Ready, ConditionType::PendingDeletion, ConditionType::DeletionHeld] {
            assert_eq!(find(&paused, kind), find(&before, kind), "{kind:?}");
        }
        assert_eq!(find(&paused, ConditionType::Synced).unwrap().reason, "Paused");
        scene.memory.status = paused.clone();
        assert_eq!(after(&scene, Conclusion::Paused(PAUSED), now() + minutes(60)), paused);
        paused.conditions = before.conditions.clone();
        assert_eq!(paused, before, "a pause changes nothing else");
    }
    // Paused before the first look, with the schema's default for the generation.
    let mut scene = Scene::unbound(Searched::Reference);
    scene.memory.status.observed_generation = Some(-1);
    let status = after(&scene, Conclusion::Paused(PAUSED), now());
    assert_eq!((status.observed_generation, said(&status).as_str()), (Some(-1), "!Ready=Paused !Synced=Paused"));
    assert!(status.conditions.iter().all(|known| known.observed_generation == Some(0)));
}

#[test]
fn the_record_of_a_deletion() {
    let at = |scene: &Scene| after(scene, Conclusion::Planned(&scene.plan()), now()).deletion;
    let pending = || Scene::of(State::PendingDeletion).with(|s| s.memory.status.key_state = Some(KeyState::Enabled));
    let origin = |scene: &Scene| at(scene).map(|known| (known.origin, known.schedule_days));
    let days = |s: &mut Scene| s.intent(word(Word::Days(7)));
    assert_eq!(origin(&pending()), Some((DeletionOrigin::External, None)), "no mark of ours");
    assert_eq!(origin(&pending().with(days)), Some((DeletionOrigin::Keyward, Some(7))), "our mark");
    assert_eq!(at(&Scene::scheduled(7)), Some(ours(7, None)), "what is known stays, with its time");
    assert_eq!(at(&Scene::scheduled(7).with(|s| s.key().tags = None)), Some(ours(7, None)), "a look without marks");
    let opened = Some(crate::api::managed_key::DeletionCall::Open);
    let took_effect = Scene::scheduled(7).with(|s| {
        s.memory.status.deletion = Some(ours(7, opened));
        s.memory.status.key_state = Some(KeyState::Enabled);
    });
    assert_eq!(at(&took_effect), Some(ours(7, None)), "the call took effect");
    let changing = asked(Scene::scheduled(7), 9).with(|s| s.memory.status.deletion = Some(ours(9, opened)));
    assert_eq!(at(&changing), Some(ours(9, opened)), "new days are on their way");
    let changed_back = asked(Scene::scheduled(7), 7).with(|s| s.memory.status.deletion = Some(ours(9, opened)));
    assert_eq!(at(&changed_back), Some(ours(7, None)), "new days were on their way, and are not asked for any more");
    let replaced = Scene::scheduled(7).with(|s| s.key().deletion_date = Some(days_on(20)));
    assert_eq!(origin(&replaced), Some((DeletionOrigin::External, None)), "another date is another's schedule");
    let untold = Scene::scheduled(7).with(|s| s.key().deletion_date = None);
    assert_eq!(at(&untold), Some(ours(7, None)), "a date that was not told is no other date");
    let status = after(&untold, Conclusion::Planned(&untold.plan()), now());
    assert_eq!(status.deletion_date, Some(seconds(days_on(7))), "what was known of it stands");
    let replicas = untold.with(|s| s.key().state = State::PendingReplicaDeletion);
    assert_eq!(origin(&replicas), Some((DeletionOrigin::External, None)), "a wait for replicas is another schedule");
    assert_eq!(at(&Scene::of(State::Enabled).with(|s| s.memory.status.deletion = Some(external()))), None, "alive again");
    let watched = policy(Scene::of(State::Enabled).with(|s| s.memory.status.deletion = Some(external())), ManagementPolicy::Observe);
    assert_eq!(at(&watched), Some(external()), "what was seen still counts against a deletion");
}

#[test]
fn a_use_that_holds_a_deletion_is_told_for_as_long_as_it_holds() {
    let held = |scene: &Scene, at: &str| {
        let Observed::Present(key) = &scene.observed else { panic!("a key") };
        let hold = in_use(&scene.desired, &scene.rules, key, Some(7), LastUse::At(at.parse().unwrap()));
        after(scene, Conclusion::Planned(&Plan::Hold(hold)), now())
    };
    let told = |status: &ManagedKeyStatus| status.deletion.as_ref()?.last_used_time.as_ref().map(|time| time.0.to_string());
    let mut scene = asked(Scene::of(State::Enabled), 7);
    let first = held(&scene, "2026-11-20T08:00:00Z");
    assert_eq!((told(&first).as_deref(), said(&first).contains("KeyInUse")), (Some("2026-11-20T08:00:00Z"), true));
    scene.memory.status = first.clone();
    assert_eq!(held(&scene, "2026-11-20T23:00:00Z"), first, "another use on that day is no reason to write");
    let next = held(&scene, "2026-11-21T01:00:00Z");
    assert_eq!(told(&next).as_deref(), Some("2026-11-21T01:00:00Z"));
    scene.memory.status = next;
    // It is no evidence against the deletion, nor for a rescue.
    let plan = scene.plan();
    assert_eq!(brief(&plan), "schedule the deletion in 7 days");
    assert_eq!(after(&scene, Conclusion::Planned(&plan), now()).deletion, None, "nothing holds it any more");
    let failed =
        Failure { kind: FailureKind::Denied, operation: "GetKeyLastUsage", message: "no".into(), outcome: Outcome::Refused, source: None };
    let unknown = after(&scene, Conclusion::Failed(&failed), now());
    assert_eq!(told(&unknown).as_deref(), Some("2026-11-21T01:00:00Z"), "a round that fails ends no hold");
    assert!(said(&unknown).contains("KeyInUse"), "{}", said(&unknown));
    let withdrawn = scene.clone().with(|s| s.desired.life = Life::Live);
    assert_eq!(after(&withdrawn, Conclusion::Failed(&failed), now()).deletion, None, "nothing is asked for any more");
    assert_eq!(told(&after(&scene, Conclusion::Paused(PAUSED), now())).as_deref(), Some("2026-11-21T01:00:00Z"), "a pause leaves all");
    // What others did stays evidence.
    let mut watched = scene.with(|s| s.memory.status.deletion = Some(external()));
    watched.memory.status = held(&watched, "2026-11-20T08:00:00Z");
    assert_eq!(told(&watched.memory.status).as_deref(), Some("2026-11-20T08:00:00Z"));
    let over = after(&watched, Conclusion::Planned(&watched.plan()), now());
    assert_eq!(over.deletion, Some(external()));
}

#[test]
fn a_schedule_that_is_left_as_it_is_applies_nothing() {
    let mut world = World::new(policy(Scene::of(State::PendingDeletion), ManagementPolicy::EnforceOnChange));
    world.scene.desired.generation += 1;
    world.scene.desired.tags = Tags::from([("team".into(), "shop".into())]);
    assert_eq!(world.settle(), ["rest life drifted"]);
    // Whoever scheduled it cancelled it and enabled the key.
    let alive = super::fixtures::key(State::Enabled);
    world.key = Some(alive);
    assert_eq!(world.settle(), ["mark the key live", "set the tags team", "rest"]);
}

#[test]
fn a_request_is_not_answered_while_it_is_paused() {
    let scene = Scene::of(State::Enabled);
    let handled = |conclusion: Conclusion<'_>| {
        status(&scene.memory, &Report { requested: Some("now"), ..scene.report(conclusion) }).last_handled_reconcile_at
    };
    assert_eq!(handled(Conclusion::Paused(PAUSED)), None);
    assert_eq!(handled(Conclusion::Planned(&scene.plan())).as_deref(), Some("now"));
}

/// The API server refuses a status that has them.
#[test]
fn a_request_is_answered_without_control_characters() {
    let asked = format!("now\n\u{1b}\u{7f}\u{9b}\u{feff}\u{ffff}{}", "x".repeat(2000));
    let handled = super::super::status::handled(&asked);
    assert!(handled.starts_with("now\\n\\u{1b}\\u{7f}\\u{9b}\\u{feff}\\u{ffff}x"), "{handled}");
    assert_eq!(handled.chars().count(), 1024);
}

#[test]
fn a_hold_and_a_schedule_name_who_set_the_field() {
    let text = |scene: &Scene, managers: &str, stays: bool, kind| {
        let plan = scene.plan();
        let set_by = SetBy { managers: managers.into(), stays };
        let report = Report { set_by: Some(&set_by), requested: Some("now"), ..scene.report(Conclusion::Planned(&plan)) };
        let status = status(&scene.memory, &report);
        assert_eq!(status.last_handled_reconcile_at.as_deref(), Some("now"));
        condition::find(&status.conditions, kind).unwrap().message.clone()
    };
    for (scene, kinds) in [
        (Scene::scheduled(7), [ConditionType::Ready, ConditionType::PendingDeletion]),
        (held(asked(Scene::of(State::Disabled), 7)), [ConditionType::DeletionHeld, ConditionType::Stalled]),
    ] {
        for kind in kinds {
            let by_hand = text(&scene, "kubectl-patch", true, kind);
            assert!(by_hand.contains("set by kubectl-patch, and a manifest without the field will not remove it"), "{by_hand}");
            let by_tool = text(&scene, "argocd-controller", false, kind);
            assert!(!by_tool.contains("will not remove it"), "{by_tool}");
            assert!(kind == ConditionType::Ready || by_tool.contains("spec.deletionPolicy"), "{by_tool}");
        }
    }
    let replicas = Scene::scheduled(7).with(|s| {
        (s.key().state, s.key().deletion_date) = (State::PendingReplicaDeletion, None);
        s.key().multi_region = Some(MultiRegion::Primary(vec!["arn:replica".into()]));
    });
    assert!(text(&replicas, "helm", false, ConditionType::Ready).contains("waits for its replicas arn:replica"));
}

#[test]
fn status_shows_a_key_only_to_the_object_that_has_it() {
    let shown = |scene: &Scene| {
        let status = after(scene, Conclusion::Planned(&scene.plan()), now());
        (status.key_id.is_some(), status.key_state.is_some())
    };
    let by = |owner: Owner| move |s: &mut Scene| s.tags().extend(owner.marks(word(Word::Live), OwnerMark::Name));
    let finds = |state| Scene::finds(state).with(by(Owner { uid: "u0".into(), ..owner() }));
    assert_eq!(shown(&Scene::finds(State::Enabled)), (true, true), "ours");
    assert_eq!(shown(&finds(State::Enabled)), (false, false), "not taken up yet");
    assert_eq!(shown(&asked(finds(State::PendingDeletion), 7)), (false, true), "resting on a pending key without being bound");
    let watches = |scene: Scene| policy(scene, ManagementPolicy::Observe);
    assert_eq!(shown(&watches(finds(State::Enabled))), (false, true), "watching an earlier object's key");
    let unmarked = watches(Scene::finds(State::Enabled)).with(|s| {
        s.tags().clear();
        s.desired.adopt = Some(ID.into());
        s.rules.adoption = super::fixtures::admitting();
    });
    assert_eq!(shown(&unmarked), (true, true), "watching a key without marks");
    assert_eq!(shown(&Scene::finds(State::Enabled).with(by(Owner { name: "x".into(), ..owner() }))), (false, false), "another's");
    let bound = Scene::of(State::Enabled).with(|s| s.memory.status.key_id = Some("first".into()));
    assert_eq!(after(&bound, Conclusion::Planned(&bound.plan()), now()).key_id.as_deref(), Some("first"), "an id never changes");
}

/// Shows S12.
#[test]
fn an_object_whose_key_is_anothers_tells_that_it_is_pending_and_takes_no_more_from_it() {
    let by = Owner { uid: "u2".into(), ..owner() };
    let mut scene = Scene::of(State::PendingDeletion).with(|s| {
        s.tags().extend(by.marks(word(Word::Days(7)), OwnerMark::Name));
        s.key().deletion_date = Some(days_on(7));
        (s.memory.status.key_state, s.memory.status.deletion) = (Some(KeyState::Enabled), None);
    });
    let bound = scene.memory.status.clone();
    let date = scene.key().deletion_date.map(seconds);
    scene.memory.status = after(&scene, Conclusion::Planned(&scene.plan()), now());
    let status = &scene.memory.status;
    assert_eq!(said(status), "!Ready=OwnedByAnother !Synced=OwnedByAnother Stalled=OwnedByAnother PendingDeletion=External");
    assert!(date.is_some() && status.deletion_date == date, "{:?}", status.deletion_date);
    assert_eq!((status.key_state, &status.deletion), (bound.key_state, &bound.deletion), "that is no evidence of what this object did");
    assert_eq!(pending(status), Some(KeyState::PendingDeletion));
    let told = events(&bound, status, About { desired: &scene.desired, set_by: None, found: &[], created: None }, &[]);
    assert!(told.iter().any(|event| event.warning && event.note.contains(&days_on(7).to_string())), "{told:?}");

    let failure =
        Failure { kind: FailureKind::Throttled, operation: "DescribeKey", message: "x".into(), outcome: Outcome::Refused, source: None };
    let without = ended(&scene, None, Conclusion::Failed(&failure), true, now());
    assert_eq!((without.deletion_date.clone(), pending(&without)), (date, Some(KeyState::PendingDeletion)), "no look, no news");

    let replica = scene.clone().with(|s| (s.key().state, s.key().deletion_date) = (State::PendingReplicaDeletion, None));
    let status = after(&replica, Conclusion::Planned(&replica.plan()), now());
    assert_eq!((status.deletion_date.clone(), pending(&status)), (None, Some(KeyState::PendingReplicaDeletion)));

    let rescued = scene.clone().with(|s| {
        (s.key().state, s.key().deletion_date) = (State::Disabled, None);
        (s.key().rotation, s.key().aliases) = (Some(Rotation::default()), Some(Vec::new()));
    });
    let status = after(&rescued, Conclusion::Planned(&rescued.plan()), now());
    assert_eq!((status.deletion_date.clone(), pending(&status)), (None, None));
    assert_eq!(said(&status), "!Ready=OwnedByAnother !Synced=OwnedByAnother Stalled=OwnedByAnother");
}

/// One answer that does not find the key proves nothing, and neither does one that does not tell whose the key is.
#[test]
fn the_alert_about_a_key_without_its_marks_lasts_until_the_key_is_seen_alive_or_taken_for_gone() {
    let pends = |scene: &Scene| pending(&scene.memory.status).is_some();
    let told = |mut scene: Scene, conclusion: Conclusion<'_>, at| {
        scene.memory.status = after(&scene, conclusion, at);
        scene
    };
    let plans = |scene: Scene| {
        let plan = scene.plan();
        told(scene, Conclusion::Planned(&plan), now())
    };
    for date in [Some(days_on(7)), None] {
        let stripped = plans(Scene::of(State::PendingDeletion).with(|s| {
            s.tags().clear();
            s.key().deletion_date = date;
            s.memory.status.key_state = Some(KeyState::Enabled);
        }));
        assert!(pends(&stripped));
        let absent = stripped.clone().with(|s| s.observed = Observed::Absent(Searched::Reference));
        let answers = |scene: &Scene, first, step: i64, count: i64| {
            (0..count).fold(scene.clone(), |scene, answer| {
                let scene = scene.with(|s| s.now = first + minutes(step * answer));
                let (plan, at) = (scene.plan(), scene.now);
                told(scene, Conclusion::Planned(&plan), at)
            })
        };
        assert!(pends(&answers(&absent, now(), 1, 1)), "not found once");
        assert!(pends(&answers(&absent, now(), 1, 4)), "nor for long");
        assert_eq!(pends(&answers(&absent, now(), 5, 3)), date.is_some(), "taken for lost, which no key is before its date");
        let over = answers(&absent, days_on(8), 5, 3);
        assert!(!pends(&over) && over.memory.status.deletion_date.is_none(), "{date:?}: {}", said(&over.memory.status));
        let failure =
            Failure { kind: FailureKind::Throttled, operation: "ListKeys", message: "x".into(), outcome: Outcome::Refused, source: None };
        assert!(pends(&told(absent.clone(), Conclusion::Failed(&failure), now())), "not found, and then nothing answered");
    }

    // Found by its claim, and then its tags could not be read.
    let claimed = plans(Scene::finds(State::PendingDeletion).with(|s| s.tags().clear()));
    assert!(said(&claimed.memory.status).contains("Ready=ClaimUnclear") && pends(&claimed));
    let untagged = claimed.clone().with(|s| s.key().tags = None);
    for kind in [FailureKind::Throttled, FailureKind::Denied] {
        let failure = Failure { kind, operation: "ListResourceTags", message: "x".into(), outcome: Outcome::Refused, source: None };
        let unread = told(untagged.clone(), Conclusion::Failed(&failure), now());
        assert!(pends(&unread), "{kind:?}: {}", said(&unread.memory.status));
        assert_eq!(unread.memory.status.deletion_date, claimed.memory.status.deletion_date, "{kind:?}");
        let alive = untagged.clone().with(|s| (s.key().state, s.key().deletion_date) = (State::Disabled, None));
        assert!(!pends(&told(alive, Conclusion::Failed(&failure), now())), "{kind:?}");
    }
}

/// Somebody removed the marks: the object's data would be lost with the key.
///
/// Shows S12.
#[test]
fn an_object_tells_that_the_key_it_had_is_pending_whatever_its_marks_say() {
    type Change = fn(&mut Scene);
    let denied =
        |operation| Failure { kind: FailureKind::Denied, operation, message: "no".into(), outcome: Outcome::Refused, source: None };
    let strips: [(&str, Change); 5] = [
        ("all", |s| s.tags().clear()),
        ("the owner's", |s| drop(s.tags().remove(mark::OWNER))),
        ("the UID", |s| drop(s.tags().remove(mark::UID))),
        ("the cluster's", |s| drop(s.tags().remove(mark::CLUSTER))),
        ("another cluster's", |s| drop(s.tags().insert(mark::CLUSTER.into(), "other".into()))),
    ];
    let memories: [(&str, Change); 3] =
        [("bound", |_| {}), ("on record", |s| s.memory.status.key_id = None), ("found by its claim", |s| s.memory = Memory::default())];
    let ends: [(&str, Option<Failure>); 2] = [("stalled", None), ("its cancel is denied", Some(denied("CancelKeyDeletion")))];
    for (((name, strip), (known, memory)), (end, failure)) in strips
        .iter()
        .flat_map(|strip| memories.iter().map(move |memory| (strip, memory)))
        .flat_map(|all| ends.iter().map(move |end| (all, end)))
    {
        let name = format!("{name} off, {known}, {end}");
        let mut scene = Scene::of(State::PendingDeletion);
        scene.memory.status.key_state = Some(KeyState::Enabled);
        strip(&mut scene);
        memory(&mut scene);
        let before = scene.memory.status.clone();
        let plan = scene.plan();
        let conclusion = |plan| failure.as_ref().map_or(Conclusion::Planned(plan), Conclusion::Failed);
        let found = after(&scene, conclusion(&plan), now());
        assert_eq!(pending(&found), Some(KeyState::PendingDeletion), "{name}: {}", said(&found));
        assert_eq!(found.deletion_date, Some(seconds(days_on(7))), "{name}");
        assert_eq!((found.key_state, &found.deletion), (before.key_state, &before.deletion), "{name}: no evidence of what this object did");
        let told = events(&before, &found, About { desired: &scene.desired, set_by: None, found: &[], created: None }, &[]);
        assert!(told.iter().any(|event| event.warning && event.note.contains(&days_on(7).to_string())), "{name}: {told:?}");
        scene.memory.status = found.clone();
        assert_eq!(after(&scene, conclusion(&plan), now() + minutes(60)), found, "{name}");
        scene.key().deletion_date = None;
        assert_eq!(after(&scene, conclusion(&plan), now() + minutes(60)), found, "{name}: a date that is not told is what it was");
        // Cancelled by somebody.
        (scene.key().state, scene.key().deletion_date) = (State::Disabled, None);
        assert_eq!(pending(&after(&scene, conclusion(&scene.plan()), now())), None, "{name}");
    }

    // Scheduled while it bore the marks, then without them, and cancelled by somebody.
    for days in [None, Some(7)] {
        let mut scene = Scene::of(State::PendingDeletion);
        if let Some(days) = days {
            scene = asked(scene, days);
        }
        scene.memory.status = after(&scene, Conclusion::Planned(&scene.plan()), now());
        let deletion = scene.memory.status.deletion.clone();
        scene.tags().clear();
        scene.memory.status = after(&scene, Conclusion::Planned(&scene.plan()), now());
        assert_eq!(scene.memory.status.key_state, Some(KeyState::PendingDeletion));
        (scene.key().state, scene.key().deletion_date) = (State::Disabled, None);
        scene.memory.status = after(&scene, Conclusion::Planned(&scene.plan()), now());
        let throttled = denied("DescribeKey");
        let status = ended(&scene, None, Conclusion::Failed(&throttled), true, now());
        assert_eq!(status.deletion, deletion, "{days:?}: what somebody did to the key is not forgotten");
        if days.is_some() {
            assert_eq!(status.key_state, Some(KeyState::PendingDeletion), "it is evidence against the deletion that is declared");
            continue;
        }
        assert_eq!((pending(&status), &status.deletion_date), (None, &None), "a round without a look brings no alert back");
        let object = ManagedKey { status: Some(status), ..ManagedKey::default() };
        assert!(!rescue::suspected(&object), "nothing is left to rescue");
    }

    // An object that only names a key, and may not adopt it, learns nothing about that key.
    let stranger = Scene::finds(State::PendingDeletion).with(|s| {
        s.tags().clear();
        s.desired.adopt = Some(arn());
    });
    let status = after(&stranger, Conclusion::Planned(&stranger.plan()), now());
    assert_eq!(said(&status), "!Ready=AdoptionNotAllowed !Synced=AdoptionNotAllowed Stalled=AdoptionNotAllowed");
    assert_eq!(status.deletion_date, None);
}

#[test]
fn what_the_kms_does_not_tell_of_a_key_this_time_is_what_it_was() {
    let mut scene = Scene::of(State::Enabled).with(|s| s.key().creation_time = Some(now()));
    scene.memory.status = after(&scene, Conclusion::Planned(&scene.plan()), now());
    let whole = scene.memory.status.clone();
    let key = scene.key();
    (key.kind.spec, key.kind.usage, key.kind.origin, key.creation_time) = Default::default();
    let status = after(&scene, Conclusion::Planned(&scene.plan()), now());
    assert_eq!(status, whole);
    assert_eq!(status.key.unwrap().creation_time, Some(seconds(now())));
}

#[test]
fn only_what_the_kms_has_on_record_is_a_rotation() {
    let rotating = |period, next| Some(Rotation { enabled: true, period_days: Some(period), next: Some(next), ..Rotation::default() });
    let off = Some(Rotation::default());
    let mut scene = Scene::of(State::Enabled).with(|s| s.key().rotation = rotating(90, days_on(1)));
    let mut look = |rotation, listed: Option<&[Timestamp]>, at| {
        let entry = |date: &Timestamp| Rotated { date: *date, kind: Some(RotationType::Automatic) };
        (scene.key().rotation, scene.key().rotations) = (rotation, listed.map(|dates| Rotations(dates.iter().map(entry).collect())));
        scene.memory.status = after(&scene, Conclusion::Planned(&scene.plan()), at);
        scene.memory.status.rotation.clone().unwrap().last_rotation_time
    };
    let told = |day| Some(seconds(days_on(day)));
    assert_eq!(look(rotating(90, days_on(1)), None, now()), None);
    assert_eq!(look(off, None, now()), None);
    assert_eq!(look(rotating(90, days_on(90)), None, now()), None, "switched off outside and on again: a new period, and no rotation");
    assert_eq!(look(rotating(90, days_on(1)), None, now()), None);
    assert_eq!(look(rotating(90, days_on(91)), None, days_on(2)), None, "its date has passed, but the KMS did not say that it rotated");
    assert_eq!(look(rotating(90, days_on(91)), Some(&[]), days_on(2)), None, "nor that it did not");
    assert_eq!(look(rotating(90, days_on(91)), Some(&[days_on(1), days_on(-89)]), days_on(2)), told(1), "the newest, in any order");
    assert_eq!(look(rotating(90, days_on(91)), None, days_on(3)), told(1), "what it said stands");
    assert_eq!(look(None, None, days_on(3)), told(1), "not read");
    assert_eq!(look(off, Some(&[days_on(-89), days_on(4), days_on(1)]), days_on(3)), told(1), "a time of the past is never in the future");
    assert_eq!(look(off, Some(&[days_on(4)]), days_on(5)), told(4));
    let along = |last| Some(Rotation { last: Some(last), ..Rotation::default() });
    assert_eq!(look(along(days_on(5)), None, days_on(6)), told(5), "some KMS tell the last one along with the rest");
    assert_eq!(look(along(days_on(7)), None, days_on(6)), told(5), "which is not told before it was");
    assert_eq!(look(off, Some(&[days_on(1)]), days_on(6)), told(5), "a rotation that was told is not undone by a list that ends before it");
    assert_eq!(look(off, Some(&[]), days_on(6)), told(5), "nor by one that has none");
    scene.memory.status.rotation.as_mut().unwrap().last_rotation_time = Some(seconds(days_on(400)));
    let told = after(&scene, Conclusion::Planned(&scene.plan()), days_on(92)).rotation.unwrap().last_rotation_time;
    assert_eq!(told, None, "nor is what an earlier version wrote");
    let pending = Scene::scheduled(7).with(|s| s.memory.status.rotation = Some(Default::default()));
    let mut pending = pending;
    pending.key().rotation = Some(Rotation { enabled: true, period_days: Some(1), ..Rotation::default() });
    let status = after(&pending, Conclusion::Planned(&pending.plan()), now());
    assert_eq!(status.rotation, Some(Default::default()), "while pending AWS reports rotation off; what is known stays");
}

#[test]
fn the_kms_is_asked_for_a_rotation_once_its_date_came_and_is_the_next_no_longer() {
    let next = |next| Rotation { enabled: true, period_days: Some(90), next, ..Rotation::default() };
    let before = rotation::record(None, next(Some(days_on(1))), None, now());
    let asks = |found, at| rotation::is_suspected(Some(&before), found, at);
    assert!(asks(next(Some(days_on(91))), days_on(2)));
    assert!(asks(Rotation::default(), days_on(2)), "it may have been switched off since");
    assert!(asks(next(Some(days_on(30))), days_on(2)), "and on again with another period");
    assert!(!asks(next(Some(days_on(1))), days_on(2)), "the KMS is late with it");
    assert!(!asks(next(Some(days_on(91))), now()), "the date had not come");
    assert!(asks(next(Some(days_on(91))), days_on(1) - minutes(4)), "by the clock of the KMS it had");
    assert!(!asks(Rotation::default(), now()), "switched off before its date");
    let without = rotation::record(None, next(None), None, now());
    assert!(!rotation::is_suspected(Some(&without), next(Some(days_on(91))), days_on(2)), "no date was known");
    assert!(!rotation::is_suspected(None, next(Some(days_on(91))), days_on(2)), "nor was the key");
}

#[test]
fn a_rotation_is_told_once_and_only_if_the_object_was_there() {
    let scene = Scene::of(State::Enabled);
    let with = |last: Option<i32>| {
        let rotation = RotationStatus { last_rotation_time: last.map(|day| seconds(days_on(day))), ..RotationStatus::default() };
        ManagedKeyStatus { rotation: Some(rotation), ..scene.memory.status.clone() }
    };
    let told = |before, after, created: i32| {
        let about = About { desired: &scene.desired, set_by: None, found: &[], created: Some(days_on(created)) };
        events(&with(before), &with(after), about, &[]).into_iter().map(|event| (event.reason, event.note)).collect::<Vec<_>>()
    };
    let (reason, note) = told(None, Some(2), 0).remove(0);
    assert_eq!((reason, note), ("KeyRotated", format!("the KMS rotated {} at {}", arn(), days_on(2))));
    assert_eq!(told(Some(1), Some(2), 0).len(), 1);
    assert_eq!(told(None, Some(2), 2).len(), 1);
    for (what, before, after, created) in [
        ("it was told", Some(2), Some(2), 0),
        ("it is of before the object", None, Some(2), 3),
        ("it is no new one", Some(2), Some(1), 0),
        ("it is none", Some(2), None, 0),
    ] {
        assert_eq!(told(before, after, created), [], "{what}");
    }
}

#[test]
fn no_message_has_a_time_that_moves() {
    let mut scene = held(asked(Scene::of(State::Disabled), 7));
    let first = scene.plan();
    scene.now += minutes(600);
    assert_eq!(note(&first), note(&scene.plan()));
    let held = note(&first).1.to_owned();
    assert!(held.contains(&format!("{ID}@{SEQ}")) && !held.contains("2026"), "{held}");
    assert_eq!(Memory { key: Some(arn()), ..Memory::default() }.bound_to(), Some(&*arn()));
    assert_eq!(scene.desired.generation, GENERATION + 1);
}

fn counted(scene: &Scene, conclusion: Conclusion<'_>) -> Option<Missing> {
    after(scene, conclusion, now()).missing
}

/// Another answer, or another place, ends a row of answers that there is no such key. No answer at all does not.
#[test]
fn a_row_of_answers_is_ended_by_another_answer() {
    let missing = || Some(Missing { count: 2, first_time: seconds(now() - minutes(4)) });
    let scene = Scene::of(State::Enabled).with(|s| s.memory.status.missing = missing());
    assert_eq!(counted(&scene, Conclusion::Unfinished), None, "the key was seen");
    let scene = scene.with(|s| s.observed = Observed::Absent(Searched::Reference));
    for kind in FailureKind::ALL {
        use FailureKind::{Faulted, NotFound, Throttled, Unavailable, Waiting};
        let failure = Failure { kind, operation: "DescribeKey", message: "no".into(), outcome: Outcome::Refused, source: None };
        let goes_on = matches!(kind, NotFound | Throttled | Waiting | Faulted | Unavailable);
        assert_eq!(counted(&scene, Conclusion::Failed(&failure)), missing().filter(|_| goes_on), "{kind:?}");
        let deleted = scene.clone().with(|s| s.memory.status.key_state = Some(KeyState::Deleted));
        assert_eq!(counted(&deleted, Conclusion::Failed(&failure)), missing(), "{kind:?}: what is sure stays");
    }
    for (reason, goes_on) in [(Reason::WrongAccount, false), (Reason::ProviderNotFound, true), (Reason::CredentialsInvalid, true)] {
        let refused = Conclusion::Refused { note: named(reason), stalled: true };
        assert_eq!(counted(&scene, refused), missing().filter(|_| goes_on), "{reason:?}");
    }
    let elsewhere = scene.with(|s| s.rules.endpoint = "kms.example.com".into());
    let plan = elsewhere.plan();
    assert_eq!(counted(&elsewhere, Conclusion::Planned(&plan)), None, "{plan:?}");
}
