//! Rounds from their beginning to their end, before an API server that has only the parts that they ask.

use std::sync::{Arc, Mutex};

use futures::{StreamExt, channel::mpsc::unbounded};
use kube::{
    Client, Resource,
    runtime::{
        controller::Action,
        reflector::{self, ObjectRef, Store},
        watcher,
    },
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use tokio_util::sync::CancellationToken;

use super::{
    fingerprint::{fingerprint, fingerprint_of},
    keep,
    object::Object,
    prepare,
    reconcile::{self, ended},
    report::{self, Finished},
    round::Reached,
    run,
};
use crate::{
    api::{ManagedKey, Reason},
    controller::{
        Context, Settings,
        error::{Ending, Error},
        key_provider,
        lane::{Lane, Lanes},
        watch::Anew,
        watched::Watched,
    },
    domain::{
        failure::{Failure, FailureKind, Outcome},
        plan::Note,
        requeue::{Cause, Next},
        status,
    },
    lease::Held,
    metrics::{Metrics, RoundResult},
};

/// What was written: method, path without its query, and body.
type Written = Arc<Mutex<Vec<(String, String, Value)>>>;

/// Answers reads with that object, and writes with what they wrote.
async fn api_server(object: Value) -> (Client, Written) {
    api_server_without(object, None).await
}

/// The same, but it never answers a write to a path that ends so.
async fn api_server_without(object: Value, unanswered: Option<&'static str>) -> (Client, Written) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let written = Written::default();
    let writes = Arc::clone(&written);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, object.clone(), Arc::clone(&writes), unanswered));
        }
    });
    let client = Client::try_from(kube::Config::new(format!("http://{address}").parse().unwrap())).unwrap();
    (client, written)
}

/// One connection, to its end.
async fn answer(stream: TcpStream, object: Value, written: Written, unanswered: Option<&str>) {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut head, mut length) = (Vec::new(), 0);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or_default() == 0 {
                return;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
            head.push(line);
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let mut request = head[0].split([' ', '?']);
        let (method, path) = (request.next().unwrap(), request.next().unwrap());
        let reply = if method == "GET" {
            object.clone()
        } else {
            let body: Value = serde_json::from_slice(&body).unwrap();
            written.lock().unwrap().push((method.into(), path.into(), body.clone()));
            if unanswered.is_some_and(|unanswered| path.ends_with(unanswered)) {
                std::future::pending::<()>().await;
            }
            if path.ends_with("/status") { object.clone() } else { body }
        };
        let reply = reply.to_string();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", reply.len());
        stream.write_all([head, reply].concat().as_bytes()).await.unwrap();
    }
}

fn context(client: &Client) -> Context {
    let anew = Anew::default();
    let (_, providers) = key_provider::prepare(client, &settings(), &anew);
    let (_, keys, _) = prepare(client, &providers, &anew);
    context_over(client, keys, Lanes::new().0)
}

fn settings() -> Settings {
    let seconds = std::time::Duration::from_secs;
    Settings {
        cluster_id: "test".into(),
        namespace: "keyward-system".into(),
        instance: "test".into(),
        watch_namespaces: Vec::new(),
        concurrency: 1,
        consistency: seconds(1),
        missing_after: seconds(1),
        attempt_wait: seconds(1),
        principal_wait: seconds(1),
        orphans_every: seconds(86_400),
        per_object_metrics: true,
    }
}

/// The same over a store that a test fills.
fn context_over(client: &Client, keys: Store<Watched<ManagedKey>>, lanes: Lanes) -> Context {
    let (settings, anew) = (settings(), Anew::default());
    let (_, providers) = key_provider::prepare(client, &settings, &anew);
    let (_, _, namespaces) = prepare(client, &providers, &anew);
    Context::new(client.clone(), settings, Held::always(), Metrics::new(true), providers, keys, namespaces, anew, lanes)
}

/// Posts the events that were published so far.
async fn drain(context: &Context) {
    let ended = CancellationToken::new();
    ended.cancel();
    context.events.post(&CancellationToken::new(), &ended).await;
}

fn with_aliases(name: &str, declared: &[&str], applied: &[&str]) -> Watched<ManagedKey> {
    let object = json!({
        "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": { "name": name, "namespace": "shop", "uid": format!("u-{name}") },
        "spec": { "aliases": declared }, "status": { "applied": { "generation": 1, "aliases": applied } },
    });
    serde_json::from_value(object).unwrap()
}

/// A round that waits for a quota holds its turn in the queue. It gives it up if its object goes or its alias becomes free, because
/// its plan is old.
#[tokio::test]
async fn a_waiting_round_ends_if_its_object_is_deleted_or_its_alias_becomes_free() {
    let (client, _) = api_server(json!({})).await;
    let (store, mut writer) = reflector::store();
    let (lanes, queues) = Lanes::new();
    let context = Arc::new(context_over(&client, store, lanes));
    let (green, blue, gone) =
        (with_aliases("green", &["live"], &[]), with_aliases("blue", &["live"], &["live"]), with_aliases("gone", &[], &[]));
    for object in [&green, &blue, &gone] {
        writer.apply_watcher_event(&watcher::Event::Apply(object.clone()));
    }
    context.aliases.wait(green.meta(), "default", "alias/live", [&green, &blue].into_iter().filter_map(|object| object.decoded().ok()));
    let rounds =
        [&green, &blue, &gone].map(|object| context.lanes.begin(ObjectRef::from_obj(object), fingerprint_of(object, &context)).unwrap());

    // Nothing is another yet.
    let (tell, told) = unbounded();
    let (stop, running) = (CancellationToken::new(), Arc::clone(&context));
    let run = tokio::spawn(run(told.map(Ok), queues, running, stop.clone()));
    let tell_of = async |name: &str| {
        tell.unbounded_send(ObjectRef::new(name).within("shop")).unwrap();
        // All of it is taken in at one go, in the one thread of this test.
        while !tell.is_empty() {
            tokio::task::yield_now().await;
        }
        [&rounds[0], &rounds[1], &rounds[2]].map(|round| round.unwanted.is_cancelled())
    };
    for name in ["green", "blue", "gone"] {
        assert_eq!(tell_of(name).await, [false; 3], "{name}");
    }
    // The alias is let go, which is news for whoever waits for it.
    writer.apply_watcher_event(&watcher::Event::Apply(with_aliases("blue", &[], &["live"])));
    assert_eq!(tell_of("blue").await, [true, false, false]);
    writer.apply_watcher_event(&watcher::Event::Delete(gone.clone()));
    assert_eq!(tell_of("gone").await, [true, false, true]);
    // Rounds begin with the first list, and end with the watch.
    stop.cancel();
    drop(writer);
    run.await.unwrap();
}

#[tokio::test]
async fn a_panic_is_reported_on_its_object_which_is_not_reconciled_for_a_while() {
    let object = json!({
        "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey",
        "metadata": { "name": "orders", "namespace": "shop", "uid": "u1", "resourceVersion": "7", "generation": 2 },
        "spec": {}, "status": { "observedGeneration": 1, "keyState": "PendingDeletion", "deletionDate": "2026-12-20T10:00:00Z" },
    });
    let (client, written) = api_server(object.clone()).await;
    let context = context(&client);
    let watched: Watched<ManagedKey> = serde_json::from_value(object).unwrap();

    let action = ended(&watched, &context, None, async { panic!("{} is 0", "secret") }).await.unwrap();
    let waits = |least: u64, most: u64| (least..=most).any(|second| format!("{action:?}").contains(&format!("{second}.")));
    assert!(waits(5, 6), "{action:?}");

    drain(&context).await;
    let told = std::mem::take(&mut *written.lock().unwrap());
    let (_, _, status) =
        told.iter().find(|(method, path, _)| method == "PATCH" && path.ends_with("/shop/managedkeys/orders/status")).unwrap();
    assert_eq!(status.pointer("/metadata/resourceVersion"), Some(&json!("7")));
    let condition = |kind: &str| {
        let conditions = status.pointer("/status/conditions").and_then(Value::as_array).unwrap();
        conditions.iter().find(|known| known["type"] == kind).unwrap_or_else(|| panic!("no {kind} in {status}"))
    };
    for (kind, is) in [("Ready", "False"), ("Synced", "False"), ("Reconciling", "True")] {
        assert_eq!((&condition(kind)["status"], &condition(kind)["reason"]), (&json!(is), &json!("UnknownError")), "{kind}");
        let message = condition(kind)["message"].as_str().unwrap();
        assert!(message.contains("a fault of its own") && !message.contains("secret"), "{message}");
    }
    assert_eq!(condition("PendingDeletion")["status"], "True", "what was known stands");
    let is_warning = |(method, path, body): &(String, String, Value)| {
        method == "POST" && path.ends_with("/shop/events") && body["reason"] == "SyncFailed" && body["type"] == "Warning"
    };
    assert!(told.iter().any(is_warning), "{told:?}");
    let metrics = context.metrics.encode();
    for line in [
        r#"keyward_reconciliations_total{controller="managedkey",result="panic"} 1"#,
        r#"keyward_managedkey_deletion_timestamp_seconds{namespace="shop",name="orders",key="",state="PendingDeletion"}"#,
    ] {
        assert!(metrics.contains(line), "no {line} in {metrics}");
    }

    // It is left alone, later and later, unless it changes.
    let print = |object: &ManagedKey| fingerprint(object, &context);
    let mut changed = watched.decoded().unwrap().clone();
    assert!(context.settled("u1", print(&changed)).is_some());
    changed.metadata.generation = Some(3);
    assert!(context.settled("u1", print(&changed)).is_none());
    assert_eq!(context.failed("u1", Cause::Panicked), 2);
    // And the others go on.
    let goes_on = ended(&watched, &context, None, async { Ok((Action::await_change(), RoundResult::Ok)) });
    assert_eq!(goes_on.await.unwrap(), Action::await_change());
}

/// An object that only has to report in its status that it is paused.
fn orders(annotations: &Value) -> Value {
    json!({
        "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey",
        "metadata": {
            "name": "orders", "namespace": "shop", "uid": "u1", "resourceVersion": "7", "generation": 2, "annotations": annotations,
        },
        "spec": {},
    })
}

#[tokio::test]
async fn an_api_server_that_hangs_on_events_costs_no_round() {
    let object = orders(&json!({ "keyward.dev/paused": "true" }));
    let (client, written) = api_server_without(object.clone(), Some("/events")).await;
    let context = Arc::new(context(&client));
    let stop = CancellationToken::new();
    let (posting, stopped) = (Arc::clone(&context), stop.clone());
    let worker = tokio::spawn(async move { posting.events.post(&stopped, &stopped).await });

    let watched: Arc<Watched<ManagedKey>> = Arc::new(serde_json::from_value(object).unwrap());
    let round = reconcile::reconcile(Arc::clone(&watched), Arc::clone(&context), Lane::Ordinary);
    let patience = std::time::Duration::from_secs(20);
    tokio::time::timeout(patience, round).await.expect("the round waits for its event").unwrap();
    let is_status = |(method, path, _): &(String, String, Value)| method == "PATCH" && path.ends_with("/managedkeys/orders/status");
    assert!(written.lock().unwrap().iter().any(is_status));
    // The object is left alone from here on, as after any round.
    assert!(context.settled("u1", fingerprint_of(&watched, &context)).is_some());

    // The event is under way all the same, and the end of the process does not wait for it for long.
    let is_event = |(method, path, body): &(String, String, Value)| {
        method == "POST" && path.ends_with("/namespaces/shop/events") && body["reason"] == "Paused"
    };
    tokio::time::timeout(patience, async {
        while !written.lock().unwrap().iter().any(is_event) {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the event is posted");
    stop.cancel();
    tokio::time::timeout(patience, worker).await.expect("the worker ends").unwrap();
    let metrics = context.metrics.encode();
    assert!(metrics.contains(r#"keyward_events_lost_total{cause="stopped"} 1"#), "{metrics}");
}

/// A cancel that was denied is tried again soon, whatever became of the policy that may have denied it.
#[test]
fn a_denied_cancel_does_not_wait_for_a_policy() {
    let failure = |message: &str| Failure {
        kind: FailureKind::Denied,
        operation: "CancelKeyDeletion",
        message: message.into(),
        outcome: Outcome::Refused,
        source: None,
    };
    let after = |set| keep::after_policy(failure("denied"), set);
    assert!(matches!(after(Ok(())), Ok(None)));
    let unset = "denied; spec.policy may allow it, and could not be set: no";
    for (set, message) in [(Ending::Failed(failure("no")), unset), (Ending::Unkept(std::time::Duration::from_hours(1)), "denied")] {
        let Ok(Some(Ending::Failed(cancel))) = after(Err(set)) else { panic!("{message}") };
        assert_eq!(cancel.message, message);
    }
    assert!(matches!(after(Err(Ending::ReadBack)), Err(Ending::ReadBack)));
}

/// The table from the end of a round to the next read.
#[tokio::test]
async fn each_ending_has_its_next_round_and_some_write_a_status() {
    let failure = |kind| Failure { kind, operation: "DescribeKey", message: "x".into(), outcome: Outcome::Refused, source: None };
    let note = || Note { reason: Reason::ProviderNotFound, message: "x".into() };
    let seconds = std::time::Duration::from_secs;
    // The ending, the least wait in milliseconds, whether it has jitter, whether the status is written, and the result.
    let rows: [(Ending, Option<u64>, bool, bool, RoundResult); 15] = [
        (Ending::Paused(status::PAUSED), Some(600_000), true, true, RoundResult::Ok),
        (Ending::Refused { note: note(), stalled: true }, Some(600_000), true, true, RoundResult::Ok),
        (Ending::Contended { key: "arn:1".into(), by: "the object shop/other".into() }, Some(600_000), true, true, RoundResult::Failed),
        (Ending::Failed(failure(FailureKind::Denied)), Some(30_000), true, true, RoundResult::Failed),
        (Ending::Failed(failure(FailureKind::Unavailable)), Some(5_000), true, true, RoundResult::Failed),
        (Ending::MarksNotWritable(failure(FailureKind::Denied)), Some(30_000), true, true, RoundResult::Failed),
        (Ending::ReadBack, Some(1_000), true, true, RoundResult::Ok),
        (Ending::Unknown, Some(10_000), true, false, RoundResult::Ok),
        (Ending::Failed(failure(FailureKind::Waiting)), Some(1_000), false, false, RoundResult::Waiting),
        (Ending::Later(Next::AtOnce), Some(0), false, false, RoundResult::Waiting),
        (Ending::until(seconds(7)), Some(7_000), false, false, RoundResult::Waiting),
        (Ending::Later(Next::TurnedAway(seconds(2))), Some(2_000), true, false, RoundResult::Waiting),
        (Ending::Unkept(seconds(7)), Some(7_000), false, false, RoundResult::Waiting),
        (Ending::Changed, Some(500), true, false, RoundResult::Changed),
        (Ending::Gone, None, false, false, RoundResult::Idle),
    ];
    for (ending, least, jitter, tells, result) in rows {
        let name = format!("{ending:?}");
        let object = orders(&json!({}));
        let (client, written) = api_server(object.clone()).await;
        let context = context(&client);
        let stored: ManagedKey = serde_json::from_value(object).unwrap();
        let reached = Reached::Object(Object::new(&context, &stored, None).unwrap());
        let Finished::Until(wait, label) = report::finish(&context, 1, reached, ending).await.unwrap() else { panic!("{name}") };
        assert_eq!((label, !written.lock().unwrap().is_empty()), (result, tells), "{name}");
        assert_eq!(context.settled("u1", 1).is_some(), matches!(result, RoundResult::Ok | RoundResult::Failed), "{name}: left alone");
        let wait = wait.map(|wait| u64::try_from(wait.as_millis()).unwrap());
        match (wait, least) {
            (Some(wait), Some(least)) => {
                let most = if jitter { least + least / 5 } else { least };
                assert!((least..=most).contains(&wait), "{name}: {wait} ms");
            }
            (wait, least) => assert_eq!(wait, least, "{name}"),
        }
    }
    let (client, written) = api_server(json!({})).await;
    let context = context(&client);
    let stored: ManagedKey = serde_json::from_value(orders(&json!({}))).unwrap();
    let reached = || Reached::Object(Object::new(&context, &stored, None).unwrap());
    let error = report::finish(&context, 1, reached(), Ending::Error(Error::NotLeader)).await;
    assert!(matches!(error, Err(Error::NotLeader)));
    let newer = Box::new(serde_json::from_value(orders(&json!({}))).unwrap());
    assert!(matches!(report::finish(&context, 1, reached(), Ending::Newer(newer)).await, Ok(Finished::Newer(_))));
    assert!(written.lock().unwrap().is_empty());
}

/// Edits of an object do not lengthen the back-off after failures of its KMS, and these failures do not lengthen the wait after an edit.
#[tokio::test]
async fn an_object_that_changes_does_not_make_the_wait_after_a_failed_call_longer() {
    let object = orders(&json!({}));
    let (client, _) = api_server(object.clone()).await;
    let context = context(&client);
    let stored: ManagedKey = serde_json::from_value(object).unwrap();
    let wait = async |ending| {
        let reached = Reached::Object(Object::new(&context, &stored, None).unwrap());
        match report::finish(&context, 1, reached, ending).await.unwrap() {
            Finished::Until(Some(wait), _) => wait.as_secs_f64(),
            finished => panic!("{finished:?}"),
        }
    };
    let failed = || {
        Ending::Failed(Failure {
            kind: FailureKind::Unavailable,
            operation: "DescribeKey",
            message: "x".into(),
            outcome: Outcome::Refused,
            source: None,
        })
    };
    for _ in 0..5 {
        wait(Ending::Changed).await;
    }
    let first = wait(failed()).await;
    assert!((5.0..=6.0).contains(&first), "{first} s");
    for _ in 0..3 {
        wait(failed()).await;
    }
    let changed = wait(Ending::Changed).await;
    assert!((0.5..=0.6).contains(&changed), "{changed} s");
    let fifth = wait(failed()).await;
    assert!((80.0..=96.0).contains(&fifth), "{fifth} s: the change does not end the row of failures either");
}
