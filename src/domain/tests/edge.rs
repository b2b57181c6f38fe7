//! The edge: every word × pending or not × the object's number behind, equal or ahead × an open call × a token.

use super::fixtures::{GENERATION, ID, SEQ, Scene, days_on, external, minutes, now, ours, word};
use crate::{
    api::{
        Reason,
        condition::seconds,
        managed_key::{Deletion, DeletionCall},
        mark,
    },
    domain::{
        desired::Life,
        intent::{
            Edge::{self, Holds, Passes, WriteHeld},
            Intent,
            Passed::{ChangedDays, Confirmed, Edge as Seen, OpenCall},
            Word, edge,
        },
        observed::State,
    },
};

const OPEN: Option<DeletionCall> = Some(DeletionCall::Open);

/// The object asks for 7 days in a new generation; the last word on the key is `said`.
fn scene(said: Word, state: State) -> Scene {
    Scene::of(state).with(|s| {
        s.desired.generation = GENERATION + 1;
        s.desired.life = Life::Scheduled(7);
        s.intent(word(said));
        s.memory.status.deletion_date = s.key().deletion_date.map(seconds);
    })
}

fn ask(scene: &mut Scene) -> Edge {
    let (desired, memory, now) = (scene.desired.clone(), scene.memory.clone(), scene.now);
    edge(7, desired.generation, scene.key(), &memory.status, desired.confirmation.as_deref(), now)
}

#[test]
fn every_word_state_number_record_and_token() {
    use Reason::{CancelledOutside, NotSeenLive, RollbackSuspected};
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Own {
        None,
        Behind,
        Equal,
        Ahead,
    }
    let mut rows = 0;
    for said in [Word::Live, Word::Held, Word::Days(7), Word::Days(9)] {
        for pending in [false, true] {
            for own in [Own::None, Own::Behind, Own::Equal, Own::Ahead] {
                for record in [None, Some(external()), Some(ours(7, OPEN)), Some(ours(9, OPEN)), Some(ours(9, None))] {
                    for confirmed in [false, true] {
                        let mut scene = scene(said, if pending { State::PendingDeletion } else { State::Enabled });
                        scene.memory.status.deletion = record.clone();
                        scene.memory.status.intent_seq = match own {
                            Own::None => None,
                            Own::Behind => Some(SEQ - 1),
                            Own::Equal => Some(SEQ),
                            Own::Ahead => Some(SEQ + 1),
                        };
                        let token = scene.token();
                        scene.desired.confirmation = confirmed.then_some(token);
                        let behind = matches!(own, Own::None | Own::Behind);
                        let call = record.as_ref().is_some_and(|known| known.call == OPEN);
                        let held = |reason| if confirmed { Passes(Confirmed) } else { Holds(reason) };
                        let by_another = record == Some(external());
                        let expected = match said {
                            // Whatever the word N is followed by, it is not N for a key that lives, unless our call is open with just that.
                            Word::Days(7) if !pending && record == Some(ours(7, OPEN)) && !behind => Passes(OpenCall),
                            Word::Days(_) if !pending => WriteHeld,
                            _ if behind => held(RollbackSuspected),
                            Word::Days(written) => match &record {
                                Some(known) if known.schedule_days == Some(written) || call => Passes(ChangedDays),
                                _ => held(CancelledOutside),
                            },
                            // A word was begun, and was not this one.
                            Word::Held if own == Own::Ahead && !call => WriteHeld,
                            Word::Live if own == Own::Ahead && !call && record.is_some() => WriteHeld,
                            Word::Held => held(if record.is_some() { CancelledOutside } else { NotSeenLive }),
                            Word::Live if by_another => held(CancelledOutside),
                            Word::Live => Passes(Seen),
                        };
                        assert_eq!(
                            ask(&mut scene),
                            expected,
                            "word {said:?}, pending {pending}, number {own:?}, record {record:?}, token {confirmed}"
                        );
                        rows += 1;
                    }
                }
            }
        }
    }
    assert_eq!(rows, 4 * 2 * 4 * 5 * 2);
}

#[test]
fn the_edge_itself() {
    use Reason::{CancelledOutside, NotSeenLive, RollbackSuspected};
    let applied = |scene: Scene, enabled| scene.with(|s| s.memory.status.applied.get_or_insert_default().enabled = enabled);
    let without_mark = |text: Option<&str>| {
        let text = text.map(str::to_owned);
        move |s: &mut Scene| {
            s.tags().remove(mark::INTENT);
            s.tags().extend(text.map(|text| (mark::INTENT.to_owned(), text)));
        }
    };
    let was = |state: State| move |s: &mut Scene| s.memory.status.key_state = Some(state.into());
    let live = |state| scene(Word::Live, state);
    let rows: Vec<(&str, Scene, Edge)> = vec![
        ("enabled, seen live", live(State::Enabled), Passes(Seen)),
        ("disabled by us", applied(live(State::Disabled), Some(false)), Passes(Seen)),
        ("disabled by someone", applied(live(State::Disabled), Some(true)), WriteHeld),
        (
            "disabled by us, enabled by someone, and disabled again",
            applied(live(State::Disabled), Some(false)).with(was(State::Enabled)),
            WriteHeld,
        ),
        ("disabled when last seen, and enabled by someone", live(State::Enabled).with(was(State::Disabled)), WriteHeld),
        ("held, and disabled by someone", applied(scene(Word::Held, State::Disabled), Some(true)), Holds(CancelledOutside)),
        ("held, and disabled by us", applied(scene(Word::Held, State::Disabled), Some(false)), Holds(NotSeenLive)),
        ("disabled, no record", applied(live(State::Disabled), None), WriteHeld),
        ("disabled, no record at all", live(State::Disabled).with(|s| s.memory.status.applied = None), WriteHeld),
        ("no material yet", live(State::PendingImport), Passes(Seen)),
        ("its store is disconnected", live(State::Unavailable), Passes(Seen)),
        ("a generation that goes back proves nothing", live(State::Enabled).with(|s| s.desired.generation = 1), Passes(Seen)),
        ("scheduled by someone since", live(State::Enabled).with(|s| s.memory.status.deletion = Some(external())), Holds(CancelledOutside)),
        ("seen pending, and not pending any more", live(State::Enabled).with(was(State::PendingDeletion)), WriteHeld),
        (
            "the same after a restore",
            live(State::Enabled).with(was(State::PendingDeletion)).with(|s| s.memory.status.intent_seq = Some(1)),
            { Holds(RollbackSuspected) },
        ),
        ("held, seen pending, and not pending any more", scene(Word::Held, State::Disabled).with(was(State::PendingDeletion)), WriteHeld),
        (
            "held, waiting for replicas, and not any more",
            scene(Word::Held, State::Disabled).with(was(State::PendingReplicaDeletion)),
            WriteHeld,
        ),
        ("held", scene(Word::Held, State::Enabled), Holds(NotSeenLive)),
        ("no mark", live(State::Enabled).with(without_mark(None)), WriteHeld),
        ("no mark, pending", live(State::PendingDeletion).with(without_mark(None)), WriteHeld),
        ("a mark that nobody wrote", live(State::Enabled).with(without_mark(Some("yes"))), WriteHeld),
        ("tags that were not read", live(State::Enabled).with(|s| s.key().tags = None), WriteHeld),
    ];
    for (name, mut scene, expected) in rows {
        assert_eq!(ask(&mut scene), expected, "{name}");
    }
}

#[test]
fn an_open_call_fits_in_every_respect_or_is_none() {
    let since = |ago: i64| {
        move |s: &mut Scene| {
            s.memory.status.deletion = Some(Deletion { requested_time: Some(seconds(now() - minutes(ago))), ..ours(7, OPEN) });
        }
    };
    let open = |ago| scene(Word::Days(7), State::Enabled).with(since(ago));
    let rows: Vec<(&str, Scene, Edge)> = vec![
        ("just now", open(0), Passes(OpenCall)),
        ("15 minutes", open(15), Passes(OpenCall)),
        ("16 minutes", open(16), WriteHeld),
        ("a clock that went back an hour", open(-60), WriteHeld),
        ("no time", open(0).with(|s| s.memory.status.deletion.as_mut().unwrap().requested_time = None), WriteHeld),
        ("closed", open(0).with(|s| s.memory.status.deletion.as_mut().unwrap().call = None), WriteHeld),
        ("other days in the record", open(0).with(|s| s.memory.status.deletion.as_mut().unwrap().schedule_days = Some(9)), WriteHeld),
        ("another state", open(0).with(|s| s.memory.status.key_state = Some(State::Disabled.into())), WriteHeld),
        ("no state", open(0).with(|s| s.memory.status.key_state = None), WriteHeld),
        ("behind the mark", open(0).with(|s| s.memory.status.intent_seq = Some(SEQ - 1)), WriteHeld),
        ("refused since", open(16).with(|s| s.memory.refused(now())), Passes(OpenCall)),
        ("a refusal opens nothing", scene(Word::Days(7), State::Enabled).with(|s| s.memory.refused(now())), WriteHeld),
    ];
    for (name, mut scene, expected) in rows {
        assert_eq!(ask(&mut scene), expected, "{name}");
    }
}

#[test]
fn changed_days_need_exactly_our_schedule() {
    let ours_stands = || scene(Word::Days(9), State::PendingDeletion).with(|s| s.memory.status.deletion = Some(ours(9, None)));
    // AWS answers with fractions of a second, and the status keeps whole ones.
    let fraction = |s: &mut Scene| s.key().deletion_date = Some(days_on(7) + jiff::SignedDuration::from_millis(250));
    let held = Holds(Reason::CancelledOutside);
    let rows: Vec<(&str, Scene, Edge)> = vec![
        ("ours", ours_stands(), Passes(ChangedDays)),
        ("ours, to the second", ours_stands().with(fraction), Passes(ChangedDays)),
        ("the same generation", ours_stands().with(|s| s.desired.generation = GENERATION), held),
        ("another date", ours_stands().with(|s| s.memory.status.deletion_date = Some(seconds(days_on(8)))), held),
        ("no date yet: our call was answered, and nobody has looked", ours_stands().with(|s| s.memory.status.deletion_date = None), {
            Passes(ChangedDays)
        }),
        (
            "not pending when it was last seen",
            ours_stands().with(|s| (s.memory.status.deletion_date, s.memory.status.key_state) = (None, Some(State::Disabled.into()))),
            held,
        ),
        (
            "it took effect, and this is the first look since",
            ours_stands().with(|s| {
                s.memory.status.deletion = Some(ours(9, OPEN));
                (s.memory.status.deletion_date, s.memory.status.key_state) = (None, Some(State::Enabled.into()));
            }),
            Passes(ChangedDays),
        ),
        ("other days in the record", ours_stands().with(|s| s.memory.status.deletion = Some(ours(8, None))), held),
        ("opened and not sent", ours_stands().with(|s| s.memory.status.deletion = Some(ours(7, OPEN))), Passes(ChangedDays)),
        (
            "opened, not sent, and replaced by someone",
            ours_stands().with(|s| s.memory.status.deletion = Some(ours(7, OPEN))).with(|s| s.key().deletion_date = Some(days_on(20))),
            held,
        ),
    ];
    for (name, mut scene, expected) in rows {
        assert_eq!(ask(&mut scene), expected, "{name}");
    }
}

#[test]
fn a_token_is_for_one_key_and_one_word() {
    let held = |token: &str| scene(Word::Held, State::Enabled).with(|s| s.desired.confirmation = Some(token.into()));
    for (token, expected) in [
        (format!("{ID}@{SEQ}"), Passes(Confirmed)),
        (format!("{ID}@{}", SEQ - 1), Holds(Reason::NotSeenLive)),
        (format!("{ID}@{}", SEQ + 1), Holds(Reason::NotSeenLive)),
        (format!("{ID}@0{SEQ}"), Holds(Reason::NotSeenLive)),
        (format!("other@{SEQ}"), Holds(Reason::NotSeenLive)),
        (String::new(), Holds(Reason::NotSeenLive)),
    ] {
        assert_eq!(ask(&mut held(&token)), expected, "{token}");
    }
    // The mark moves, and the token is spent.
    let mut moved = held(&format!("{ID}@{SEQ}"));
    moved.tags().insert(mark::INTENT.into(), Intent { seq: SEQ + 1, generation: GENERATION, word: Word::Held }.to_string());
    moved.memory.status.intent_seq = Some(SEQ + 1);
    assert_eq!(ask(&mut moved), Holds(Reason::NotSeenLive));
}

#[test]
fn a_token_does_not_outlive_a_cancel_that_was_seen() {
    // Confirmed; scheduled by someone before that took effect; cancelled by someone after that was seen.
    for said in [Word::Held, Word::Live] {
        let mut scene = scene(said, State::Disabled).with(|s| s.memory.status.deletion = Some(external()));
        scene.memory.status.key_state = Some(State::PendingDeletion.into());
        let token = scene.token();
        scene.desired.confirmation = Some(token);
        assert_eq!(ask(&mut scene), WriteHeld);
        let (desired, key, now) = (scene.desired.clone(), scene.key().clone(), scene.now);
        let step = crate::domain::step::Step::Mark { word: Word::Held };
        let intent = scene.memory.open(&step, &desired, &key, now).unwrap();
        assert_eq!(ask(&mut scene), WriteHeld, "nor a crash before the mark");
        scene.intent(intent);
        assert_eq!(ask(&mut scene), Holds(Reason::CancelledOutside));
    }
}
