//! What becomes of a round that panics, before an API server of which only the parts are there that it asks.

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
    fingerprint::{fingerprint, looks},
    prepare,
    reconcile::ended,
    run,
};
use crate::{
    api::ManagedKey,
    controller::{Context, Settings, key_provider, lane::Lanes, watch::Anew, watched::Watched},
    lease::Held,
    metrics::{Metrics, RoundResult},
};

/// What was written: method, path without its query, and body.
type Written = Arc<Mutex<Vec<(String, String, Value)>>>;

/// Answers reads with that object, and writes with what they wrote.
async fn api_server(object: Value) -> (Client, Written) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let written = Written::default();
    let writes = Arc::clone(&written);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, object.clone(), Arc::clone(&writes)));
        }
    });
    let client = Client::try_from(kube::Config::new(format!("http://{address}").parse().unwrap())).unwrap();
    (client, written)
}

/// One connection, to its end.
async fn answer(stream: TcpStream, object: Value, written: Written) {
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
        concurrency: 1,
        consistency: seconds(1),
        missing_after: seconds(1),
        attempt_wait: seconds(1),
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

fn with_aliases(name: &str, declared: &[&str], applied: &[&str]) -> Watched<ManagedKey> {
    let object = json!({
        "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": { "name": name, "namespace": "shop", "uid": format!("u-{name}") },
        "spec": { "aliases": declared }, "status": { "applied": { "generation": 1, "aliases": applied } },
    });
    serde_json::from_value(object).unwrap()
}

/// A round that waits for its turn within a quota holds a place in that line, and what it is about to do was planned for what was.
#[tokio::test]
async fn a_round_that_waits_ends_once_its_object_goes_or_another_lets_go_of_its_alias() {
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
    let rounds = [&green, &blue, &gone].map(|object| context.lanes.begin(ObjectRef::from_obj(object), looks(object, &context)).unwrap());

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
async fn a_round_that_panics_is_told_on_its_object_which_is_left_alone_for_a_while() {
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
    assert_eq!(context.failed("u1"), 2);
    // And the others go on.
    let goes_on = ended(&watched, &context, None, async { Ok((Action::await_change(), RoundResult::Ok)) });
    assert_eq!(goes_on.await.unwrap(), Action::await_change());
}
