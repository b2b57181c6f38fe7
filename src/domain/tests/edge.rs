//! The edge: every word × pending or not × the record's number lower, the same or higher × the word it announced × an open call × a token.

use super::fixtures::{GENERATION, HELD, ID, NONCE, SEQ, Scene, brief, days_on, external, minutes, now, ours, use_alone, word};
use crate::{
    api::{
        Reason,
        condition::seconds,
        managed_key::{Deletion, DeletionCall, HoldReason},
        mark,
    },
    domain::{
        deletion::{
            Edge::{self, CountEnded, Holds, Passes, Say},
            Intent, MAX_SEQ,
            Passed::{ChangedDays, Confirmed, Edge as Seen, OpenCall},
            Saying, Word, edge,
        },
        desired::Life,
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

/// The record's number, compared with the mark's.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Own {
    None,
    Behind,
    Equal,
    Ahead,
}

/// What the reference says in §3.1, case by case, in another order than the code.
fn expected(said: Word, pending: bool, own: Own, announced: Option<Word>, record: Option<&Deletion>, confirmed: bool) -> Edge {
    use HoldReason::{CancelledOutside, Interrupted, NotSeenLive, RollbackSuspected};
    let open = record.filter(|known| known.call == OPEN).and_then(|known| known.schedule_days);
    let open = open.filter(|days| announced.is_none_or(|word| word == Word::Days(*days)));
    let by_another = record == Some(&external());
    let say = |reason| Say(Saying::Held(reason));
    let why = if record.is_some() { CancelledOutside } else { NotSeenLive };
    let resumed = |days| Passes(if days == 7 { OpenCall } else { Seen });
    match (own, said) {
        (Own::None | Own::Behind, HELD) if !pending && confirmed => Passes(Confirmed),
        (Own::None | Own::Behind, _) if pending || said == HELD => Holds(RollbackSuspected.into()),
        (Own::None | Own::Behind, _) => say(RollbackSuspected),
        (_, Word::Days(written)) if pending => {
            let ours = record.is_some_and(|known| known.schedule_days == Some(written) || known.call == OPEN);
            if ours && announced != Some(HELD) { Passes(ChangedDays) } else { Holds(CancelledOutside.into()) }
        }
        _ if pending => Holds(CancelledOutside.into()),
        (Own::Equal, HELD) => {
            if confirmed {
                Passes(Confirmed)
            } else {
                Holds(why.into())
            }
        }
        (Own::Equal, Word::Days(written)) => {
            let interrupted = record.is_some_and(|known| known.call == OPEN);
            let over = say(if interrupted { Interrupted } else { CancelledOutside });
            open.filter(|days| *days == written).map_or(over, resumed)
        }
        (Own::Equal, _) => {
            if by_another {
                say(CancelledOutside)
            } else {
                Passes(Seen)
            }
        }
        // From here on, the word that the object announced is not on the key.
        (Own::Ahead, HELD) if confirmed && open.is_some() => Passes(Confirmed),
        (Own::Ahead, _) if said != HELD && open.is_some() => resumed(open.unwrap()),
        (Own::Ahead, _) if announced == Some(HELD) => Say(Saying::Again),
        (Own::Ahead, Word::Live) if announced == Some(Word::Live) && by_another => say(CancelledOutside),
        (Own::Ahead, Word::Live) if announced == Some(Word::Live) => Say(Saying::Again),
        // Our own cancel took effect; otherwise the deletion would still be on record.
        (Own::Ahead, Word::Days(_)) if announced == Some(Word::Live) && record.is_none() => Say(Saying::Again),
        (Own::Ahead, _) => say(why),
    }
}

/// Shows S8.
#[test]
fn every_word_state_number_record_and_token() {
    let mut rows = 0;
    for said in [Word::Live, HELD, Word::Days(7), Word::Days(9)] {
        for pending in [false, true] {
            for own in [Own::None, Own::Behind, Own::Equal, Own::Ahead] {
                for announced in [None, Some(Word::Live), Some(HELD), Some(Word::Days(7)), Some(Word::Days(9))] {
                    // If the numbers are the same, the announced word is the one on the key, or it was not kept.
                    if own == Own::Equal && announced.is_some_and(|word| word != said) {
                        continue;
                    }
                    for record in [None, Some(external()), Some(ours(7, OPEN)), Some(ours(9, OPEN)), Some(ours(9, None))] {
                        for confirmed in [false, true] {
                            let mut scene = scene(said, if pending { State::PendingDeletion } else { State::Enabled });
                            let status = &mut scene.memory.status;
                            status.deletion = record.clone();
                            status.intent_word = announced.map(|word| word.to_string());
                            status.intent_seq = match own {
                                Own::None => None,
                                Own::Behind => Some(SEQ - 1),
                                Own::Equal => Some(SEQ),
                                Own::Ahead => Some(SEQ + 1),
                            };
                            scene.desired.confirmation =
                                if confirmed { Some(scene.token().unwrap_or_else(|| format!("{ID}@{SEQ}"))) } else { None };
                            assert_eq!(
                                ask(&mut scene),
                                expected(said, pending, own, announced, record.as_ref(), confirmed),
                                "word {said:?}, pending {pending}, number {own:?}, announced {announced:?}, record {record:?}, token {confirmed}"
                            );
                            rows += 1;
                        }
                    }
                }
            }
        }
    }
    assert_eq!(rows, 4 * 2 * (3 * 5 + 2) * 5 * 2);
}

/// Shows S8.
#[test]
fn a_number_at_its_end_holds_for_ever() {
    let with = |mark: &str, own: i64| {
        let (mark, token) = (mark.to_owned(), format!("{ID}@{own}-aaaaaa"));
        move |s: &mut Scene| {
            s.tags().insert(mark::INTENT.into(), mark);
            s.memory.status.intent_seq = Some(own);
            s.desired.confirmation = Some(token);
        }
    };
    let most = MAX_SEQ;
    for (mark, own) in [
        (format!("{most}.1.live"), most),
        (format!("{most}.1.held-aaaaaa"), most),
        (format!("{}.1.live", i64::MAX), 3),
        (format!("{}.1.live", i64::MAX), i64::MAX),
        ("99999999999999999999.1.live".into(), 3),
        ("3.1.live".into(), most + 1),
        ("3.1.live".into(), i64::MAX),
        ("3.1.live".into(), i64::MIN),
        ("3.1.held-aaaaaa".into(), -1),
    ] {
        for state in [State::Enabled, State::Disabled] {
            assert_eq!(ask(&mut scene(Word::Live, state).with(with(&mark, own))), CountEnded, "{mark} {own}");
        }
    }
    let last = format!("{}.1.live", most - 1);
    let held = Say(Saying::Held(HoldReason::NotSeenLive));
    assert_eq!(
        ask(&mut scene(Word::Live, State::Enabled).with(with(&last, most - 1))),
        held,
        "there is one word left, and nobody counted to it"
    );
}

/// Shows S8.
#[test]
fn a_key_that_was_taken_up_needs_a_confirmation_for_a_day() {
    let at = |ago: i64| {
        let seq = (now() - minutes(ago)).as_second();
        scene(Word::Live, State::Enabled).with(|s| s.intent(Intent { seq, ..word(Word::Live) }))
    };
    for (ago, expected) in [
        (0, Say(Saying::Held(HoldReason::NotSeenLive))),
        (24 * 60 - 1, Say(Saying::Held(HoldReason::NotSeenLive))),
        (24 * 60, Passes(Seen)),
        // The clock was wrong when the key was taken up.
        (-60, Say(Saying::Held(HoldReason::NotSeenLive))),
        (-48 * 60, Say(Saying::Held(HoldReason::NotSeenLive))),
    ] {
        assert_eq!(ask(&mut at(ago)), expected, "{ago} minutes ago");
    }
    // Later words have higher numbers, and tell it as well.
    let mut held = at(60).with(|s| s.intent(Intent { seq: (now() - minutes(60)).as_second() + 5, ..word(HELD) }));
    held.desired.confirmation = held.token();
    assert_eq!(ask(&mut held), Passes(Confirmed));
}

/// After that day the wish of the object is enough, unless its provider demands a confirmation of each deletion.
#[test]
fn a_provider_may_demand_a_confirmation_after_the_day_of_a_take_up() {
    let taken_up = |ago: i64, demands: bool| {
        let seq = (now() - minutes(ago)).as_second();
        let scene = scene(Word::Live, State::Enabled).with(|s| s.rules.guard.require_confirmation = demands);
        scene.with(|s| s.intent(Intent { seq, ..word(Word::Live) }))
    };
    for (ago, demands, expected) in [
        (24 * 60 - 1, false, "mark the key held"),
        (24 * 60, false, "schedule the deletion in 7 days"),
        (24 * 60 - 1, true, "mark the key held"),
        (24 * 60, true, "mark the key held"),
        (365 * 24 * 60, true, "mark the key held"),
    ] {
        assert_eq!(brief(&taken_up(ago, demands).plan()), expected, "{ago} minutes ago, {demands}");
    }
}

/// Shows S8.
#[test]
fn the_edge_itself() {
    use HoldReason::{CancelledOutside, NotSeenLive, RollbackSuspected};
    let say = |reason| Say(Saying::Held(reason));
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
        ("disabled by someone", applied(live(State::Disabled), Some(true)), say(CancelledOutside)),
        (
            "disabled by us, enabled by someone, and disabled again",
            applied(live(State::Disabled), Some(false)).with(was(State::Enabled)),
            say(NotSeenLive),
        ),
        ("disabled when last seen, and enabled by someone", live(State::Enabled).with(was(State::Disabled)), say(CancelledOutside)),
        ("held, and disabled by someone", applied(scene(HELD, State::Disabled), Some(true)), Holds(CancelledOutside.into())),
        ("held, and disabled by us", applied(scene(HELD, State::Disabled), Some(false)), Holds(NotSeenLive.into())),
        ("disabled, no record", applied(live(State::Disabled), None), say(NotSeenLive)),
        (
            "the same, held by a use of the key before",
            applied(live(State::Disabled), None).with(|s| s.memory.status.deletion = Some(use_alone())),
            say(NotSeenLive),
        ),
        ("disabled, no record at all", live(State::Disabled).with(|s| s.memory.status.applied = None), say(NotSeenLive)),
        ("no material yet", live(State::PendingImport), Passes(Seen)),
        ("its store is disconnected", live(State::Unavailable), Passes(Seen)),
        ("a generation that goes back proves nothing", live(State::Enabled).with(|s| s.desired.generation = 1), Passes(Seen)),
        ("held by a use of the key before", live(State::Enabled).with(|s| s.memory.status.deletion = Some(use_alone())), Passes(Seen)),
        ("scheduled by someone since", live(State::Enabled).with(|s| s.memory.status.deletion = Some(external())), say(CancelledOutside)),
        ("seen pending, and not pending any more", live(State::Enabled).with(was(State::PendingDeletion)), say(CancelledOutside)),
        (
            "the same after a restore",
            live(State::Enabled).with(was(State::PendingDeletion)).with(|s| s.memory.status.intent_seq = Some(1)),
            { say(RollbackSuspected) },
        ),
        (
            "held, seen pending, and not pending any more",
            scene(HELD, State::Disabled).with(was(State::PendingDeletion)),
            say(CancelledOutside),
        ),
        (
            "held, waiting for replicas, and not any more",
            scene(HELD, State::Disabled).with(was(State::PendingReplicaDeletion)),
            say(CancelledOutside),
        ),
        ("held", scene(HELD, State::Enabled), Holds(NotSeenLive.into())),
        ("held without a nonce, of which no token can be made", scene(Word::Held(None), State::Enabled), say(NotSeenLive)),
        (
            "held, as the object has it on record",
            scene(HELD, State::Enabled).with(|s| s.memory.status.intent_reason = Some(HoldReason::ConfirmationRequired)),
            Holds(Reason::ConfirmationRequired),
        ),
        (
            "held on record, and live on the key with the same number",
            live(State::Enabled).with(|s| s.memory.status.intent_word = Some(HELD.to_string())),
            say(NotSeenLive),
        ),
        (
            "live on record, and held on the key with the same number",
            scene(HELD, State::Enabled).with(|s| s.memory.status.intent_word = Some("live".into())),
            { Holds(NotSeenLive.into()) },
        ),
        ("no mark", live(State::Enabled).with(without_mark(None)), say(NotSeenLive)),
        ("no mark, pending", live(State::PendingDeletion).with(without_mark(None)), say(NotSeenLive)),
        ("a mark that nobody wrote", live(State::Enabled).with(without_mark(Some("yes"))), say(NotSeenLive)),
        ("tags that were not read", live(State::Enabled).with(|s| s.key().tags = None), say(NotSeenLive)),
    ];
    for (name, mut scene, expected) in rows {
        assert_eq!(ask(&mut scene), expected, "{name}");
    }
}

#[test]
fn an_open_call_counts_only_if_it_matches_in_every_respect() {
    let since = |ago: i64| {
        move |s: &mut Scene| {
            s.memory.status.deletion = Some(Deletion { requested_time: Some(seconds(now() - minutes(ago))), ..ours(7, OPEN) });
        }
    };
    let open = |ago| scene(Word::Days(7), State::Enabled).with(since(ago));
    let days = |days| move |s: &mut Scene| s.memory.status.deletion.as_mut().unwrap().schedule_days = Some(days);
    // Another word is on the key, with a lower number.
    let say_before =
        |word| move |s: &mut Scene| drop(s.tags().insert(mark::INTENT.into(), Intent { seq: SEQ - 1, generation: 1, word }.to_string()));
    let cancelled = Say(Saying::Held(HoldReason::CancelledOutside));
    let interrupted = Say(Saying::Held(HoldReason::Interrupted));
    let rows: Vec<(&str, Scene, Edge)> = vec![
        ("just now", open(0), Passes(OpenCall)),
        ("15 minutes", open(15), Passes(OpenCall)),
        ("16 minutes", open(16), interrupted),
        ("a clock that went back an hour", open(-60), interrupted),
        ("no time", open(0).with(|s| s.memory.status.deletion.as_mut().unwrap().requested_time = None), interrupted),
        ("closed", open(0).with(|s| s.memory.status.deletion.as_mut().unwrap().call = None), cancelled),
        (
            "other days in the record than on the key",
            open(0).with(|s| s.memory.status.deletion.as_mut().unwrap().schedule_days = Some(9)),
            interrupted,
        ),
        (
            "other days are asked for, over a call that was refused",
            scene(Word::Days(9), State::Enabled).with(since(0)).with(days(9)),
            Passes(Seen),
        ),
        ("the word is not on the key yet", open(0).with(say_before(Word::Live)), Passes(OpenCall)),
        ("the word is not on the key yet, after our own cancel", open(0).with(say_before(Word::Days(9))), Passes(OpenCall)),
        ("the key is held, and no call of which a status tells ends that", open(0).with(say_before(HELD)), cancelled),
        ("another word was announced since", open(0).with(|s| s.memory.status.intent_word = Some(HELD.to_string())), cancelled),
        ("another state", open(0).with(|s| s.memory.status.key_state = Some(State::Disabled.into())), cancelled),
        ("no state", open(0).with(|s| s.memory.status.key_state = None), cancelled),
        ("behind the mark", open(0).with(|s| s.memory.status.intent_seq = Some(SEQ - 1)), Say(Saying::Held(HoldReason::RollbackSuspected))),
        (
            "refused since",
            open(16).with(|s| {
                let key = s.key().clone();
                s.memory.refused(&key, now());
            }),
            Passes(OpenCall),
        ),
        (
            "a refusal opens nothing",
            scene(Word::Days(7), State::Enabled).with(|s| {
                let key = s.key().clone();
                s.memory.refused(&key, now());
            }),
            cancelled,
        ),
    ];
    for (name, mut scene, expected) in rows {
        assert_eq!(ask(&mut scene), expected, "{name}");
    }
}

/// If Keyward was about to cancel, nobody can know whether Keyward or somebody else did. Otherwise it was somebody else.
#[test]
fn our_own_cancel_is_not_reported_as_somebody_elses() {
    // The process ended on the way from 7 days to 14, between the cancel and the schedule.
    let rescheduling = |state| {
        scene(Word::Days(7), state).with(|s| {
            s.memory.status.deletion = Some(ours(14, OPEN));
            s.memory.status.key_state = Some(State::PendingDeletion.into());
            (s.memory.status.intent_seq, s.memory.status.intent_word) = (Some(SEQ + 1), Some("14".into()));
        })
    };
    // The deletion was withdrawn, the process ended after the cancel, and the deletion is asked for again.
    let withdrawn = |state| {
        rescheduling(state).with(|s| {
            s.memory.status.deletion = Some(ours(7, None));
            s.memory.status.intent_word = Some("live".into());
        })
    };
    let say = |reason| Say(Saying::Held(reason));
    use HoldReason::{CancelledOutside, Interrupted};
    let rows: Vec<(&str, Scene, Edge)> = vec![
        ("between our cancel and our schedule", rescheduling(State::Disabled), say(Interrupted)),
        ("and enabled by somebody since", rescheduling(State::Enabled), say(CancelledOutside)),
        ("after our cancel", withdrawn(State::Disabled), say(Interrupted)),
        ("after our cancel, and enabled by somebody since", withdrawn(State::Enabled), say(CancelledOutside)),
        (
            "with no call of ours under way",
            scene(Word::Days(7), State::Disabled).with(|s| {
                s.memory.status.deletion = Some(ours(7, None));
                s.memory.status.key_state = Some(State::PendingDeletion.into());
            }),
            say(CancelledOutside),
        ),
    ];
    for (name, mut scene, expected) in rows {
        assert_eq!(ask(&mut scene), expected, "{name}");
    }
}

/// Shows S8.
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

/// Shows S8.
#[test]
fn a_token_is_for_one_key_one_word_and_one_hold() {
    let held = |token: &str| scene(HELD, State::Enabled).with(|s| s.desired.confirmation = Some(token.into()));
    let not_seen = Holds(Reason::NotSeenLive);
    for (token, expected) in [
        (format!("{ID}@{SEQ}-{NONCE}"), Passes(Confirmed)),
        (format!("{ID}@{}-{NONCE}", SEQ - 1), not_seen),
        (format!("{ID}@{}-{NONCE}", SEQ + 1), not_seen),
        (format!("{ID}@0{SEQ}-{NONCE}"), not_seen),
        (format!("other@{SEQ}-{NONCE}"), not_seen),
        // A person who knows the key and counts the words still cannot write the token before the hold.
        (format!("{ID}@{SEQ}"), not_seen),
        (format!("{ID}@{SEQ}-"), not_seen),
        (format!("{ID}@{SEQ}-bbbbbb"), not_seen),
        (String::new(), not_seen),
    ] {
        assert_eq!(ask(&mut held(&token)), expected, "{token}");
    }
    // The mark changes, and the token is void.
    let mut moved = held(&format!("{ID}@{SEQ}-{NONCE}"));
    moved.intent(Intent { seq: SEQ + 1, ..word(HELD) });
    assert_eq!(ask(&mut moved), not_seen);
}

/// Shows S10.
#[test]
fn a_token_does_not_outlive_a_cancel_that_was_seen() {
    // A person confirmed. Before that took effect, somebody scheduled the deletion; after it was seen, somebody cancelled it.
    let cancelled = Say(Saying::Held(HoldReason::CancelledOutside));
    for said in [HELD, Word::Live] {
        let mut scene = scene(said, State::Disabled).with(|s| s.memory.status.deletion = Some(external()));
        scene.memory.status.key_state = Some(State::PendingDeletion.into());
        scene.desired.confirmation = scene.token();
        assert_eq!(ask(&mut scene), cancelled);
        let (desired, key, now) = (scene.desired.clone(), scene.key().clone(), scene.now);
        let step = crate::domain::step::Step::Mark { say: Saying::Held(HoldReason::CancelledOutside) };
        let nonce = crate::domain::deletion::Nonce::of([1; 6]);
        let intent = scene.memory.open(&step, &desired, &key, now, nonce).unwrap().unwrap();
        assert_eq!(ask(&mut scene), Say(Saying::Again), "nor a crash before the mark");
        scene.tags().insert(mark::INTENT.into(), intent.to_string());
        assert_eq!(ask(&mut scene), Holds(Reason::CancelledOutside));
    }
}
