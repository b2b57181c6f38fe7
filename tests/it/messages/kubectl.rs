//! Some situations of the page as they are: the real operator writes, the real `kubectl describe` prints.

use jiff::Timestamp;
use keyward::api::{ConditionType, Reason};
use kms_double::{KeyState as Actual, Options};
use serde_json::{Value, json};

use super::{ACCOUNT, ID, REGION};
use crate::support::{
    eventually,
    operator::WITHIN,
    scene::{Scene, find, merge},
};

/// The lines of a condition that the page prints.
const LINES: [&str; 4] = ["Message:", "Reason:", "Status:", "Type:"];

/// The conditions of a text as `kubectl` prints it, in the order of their types, without what moves.
fn conditions(text: &str) -> Vec<String> {
    let all = text.split_once("  Conditions:\n").unwrap_or_else(|| panic!("no conditions: {text}")).1;
    let lines =
        all.lines().take_while(|line| line.starts_with("    ")).filter(|line| LINES.iter().any(|word| line.trim_start().starts_with(word)));
    let lines: Vec<&str> = lines.collect();
    let mut found: Vec<String> = lines.chunks(LINES.len()).map(|lines| lines.join("\n")).collect();
    found.sort_by_key(|condition| condition.lines().last().map(str::to_owned));
    found
}

/// What the page says of a situation.
fn page(title: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/messages.md");
    let page = std::fs::read_to_string(path).unwrap();
    let told = page.split_once(&format!("\n## {title}\n")).unwrap_or_else(|| panic!("{title}")).1;
    told.split("```").nth(1).unwrap().to_owned()
}

/// Names, times and tokens as the page has them: those differ, and nothing else does.
fn steady(text: &str) -> String {
    let word = |word: &str| {
        let bare = word.trim_end_matches([',', ';']);
        let end = &word[bare.len()..];
        match bare.split_once(&format!("{ID}@")) {
            Some((before, _)) => format!("{before}<token>{end}"),
            None if bare.parse::<Timestamp>().is_ok() => format!("<time>{end}"),
            None => word.to_owned(),
        }
    };
    text.lines().map(|line| line.split(' ').map(word).collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join("\n")
}

async fn compare(scene: &Scene, title: &str) {
    let key = scene.key("orders").await;
    let shown = scene.control_plane().kubectl(&["describe", "managedkey", "orders", "-n", &scene.namespace]).await.expect("describe");
    let shown = shown.replace(&key.key_id, ID).replace(&format!("-n {}", scene.namespace), "-n shop").replace(&scene.provider, "aws");
    assert_eq!(key.arn, format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{}", key.key_id));
    let page = page(title);
    let steadied = |text: &str| conditions(text).iter().map(|condition| steady(condition)).collect::<Vec<_>>();
    assert_eq!(steadied(&shown), steadied(&page), "{title}");
    let shown = steady(&shown);
    for event in page.split_once("Events:\n").map(|(_, events)| events).unwrap_or_default().lines() {
        let event = steady(event);
        let (kind, rest) = event.trim().split_once(' ').unwrap();
        let (reason, note) = rest.trim().split_once("  ").unwrap();
        let fits = |line: &str| line.trim_start().starts_with(kind) && line.contains(reason) && line.ends_with(note);
        assert!(shown.lines().any(fits), "{title}: no {kind} {reason} {note:?} in\n{shown}");
    }
}

async fn synced(scene: &Scene, reason: Reason) {
    let is = |object: &keyward::api::ManagedKey| find(object, ConditionType::Synced).is_some_and(|synced| synced.reason == reason.as_str());
    scene.until("orders", reason.as_str(), is).await;
}

async fn annotate(scene: &Scene, name: &str, value: Value) {
    scene.patch("orders", json!({ "metadata": { "annotations": { (name): value } } })).await;
}

#[tokio::test]
async fn kubectl_prints_what_the_page_says() {
    let scene = Scene::real("described").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.look_at_all("orders").await;
    compare(&scene, "The key is as declared").await;

    annotate(&scene, "keyward.dev/paused", json!("true")).await;
    scene.until_event("orders", "Paused").await;
    compare(&scene, "The object is paused").await;
    annotate(&scene, "keyward.dev/paused", json!("yes")).await;
    scene.until_event("orders", "SyncFailed").await;
    synced(&scene, Reason::InvalidSpec).await;
    compare(&scene, "The pause annotation has a wrong value").await;
    annotate(&scene, "keyward.dev/paused", json!(null)).await;
    synced(&scene, Reason::Synced).await;

    scene.set_outside("orders", Actual::Disabled).await;
    scene.look("orders").await;
    scene.until_event("orders", "DriftDetected").await;
    synced(&scene, Reason::Synced).await;
    compare(&scene, "Somebody disabled the key, and it is enabled again").await;

    let patch = ["patch", "managedkey", "orders", "-n", &scene.namespace, "--type=merge", "-p", r#"{"spec":{"deletionScheduleDays":7}}"#];
    scene.control_plane().kubectl(&patch).await.expect("patch");
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    scene.until_event("orders", "KeyDeletionScheduled").await;
    synced(&scene, Reason::Synced).await;
    compare(&scene, "The deletion is scheduled, as declared").await;
    scene.set_outside("orders", Actual::Disabled).await;
    scene.look("orders").await;
    scene.until_ready("orders", "False", "CancelledOutside").await;
    scene.until_event("orders", "DeletionHeld").await;
    compare(&scene, "A deletion is held: somebody cancelled it at the KMS").await;
}

#[tokio::test]
async fn kubectl_prints_of_a_provider_what_the_page_says() {
    let scene = Scene::real_with("described-by", Options::default(), json!({ "resyncSeconds": 600 })).await;
    let good = scene.vendor.secret(&scene.double);
    let with = |change: Value| {
        let mut secret = good.clone();
        merge(&mut secret, change);
        Some(secret)
    };
    let account = json!({ "aws": { "accountId": "999999999999" } });
    let rows = [
        ("The provider can be used", Some(good.clone()), json!({})),
        ("The provider's Secret does not exist", None, json!({})),
        ("The provider's Secret lacks a key", with(json!({ "AWS_SECRET_ACCESS_KEY": null })), json!({})),
        ("AWS refuses the credentials", with(json!({ "AWS_SECRET_ACCESS_KEY": "wrong" })), json!({})),
        ("The credentials belong to another account than the declared one", Some(good.clone()), account),
    ];
    for (number, (title, secret, spec)) in rows.into_iter().enumerate() {
        let name = format!("{}-{number}", scene.provider);
        if let Some(secret) = secret {
            scene.secret_of(&name, secret).await;
        }
        let mut all = json!({ "resyncSeconds": 600, "aws": { "credentialsSecretRef": { "name": name } } });
        merge(&mut all, spec);
        scene.provide(&name, all).await;
        let page = page(title);
        let shown = eventually(&format!("what is said of {name}"), WITHIN, async || {
            let shown = scene.control_plane().kubectl(&["describe", "keyprovider", &name]).await.expect("describe");
            if shown.contains("\n  Conditions:\n") { Ok(shown) } else { Err(shown) }
        })
        .await;
        let shown = shown.replace(&name, "aws").replace(&scene.operator_namespace, "keyward-system");
        assert_eq!(conditions(&shown), conditions(&page), "{title}");
        for line in page.lines().skip_while(|line| *line != "  Identity:") {
            let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            assert!(shown.lines().any(|shown| words(shown) == words(line)), "{title}: no {line:?} in\n{shown}");
        }
    }
}
