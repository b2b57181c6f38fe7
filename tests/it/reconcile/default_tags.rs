//! Default tags of a provider: every key of it has them, below the tags of its object.

use futures::future::join_all;
use keyward::api::KeyProvider;
use kms_double::Options;
use kube::Api;
use serde_json::{Value, json};

use crate::support::{
    eventually,
    operator::WITHIN,
    scene::{Scene, find, message},
    vendor::HUAWEI,
};

/// Sets the default tags, and leaves only one tag to objects.
async fn defaults(scene: &Scene, tags: Value) {
    scene.provide(&scene.provider, json!({ "defaultTags": tags, "allow": { "tagKeys": ["team"] } })).await;
}

async fn until_tag(scene: &Scene, name: &str, tag: &str, value: Option<&str>) {
    eventually(&format!("{name}: {tag}={value:?}"), WITHIN, async || {
        let tags = scene.key(name).await.tags;
        if tags.get(tag).map(String::as_str) == value { Ok(()) } else { Err(format!("{tags:?}")) }
    })
    .await;
}

#[tokio::test]
async fn keys_have_the_default_tags_from_their_creation_and_those_of_the_object_win() {
    let scene = Scene::with(
        "defaults",
        Options::default(),
        json!({ "defaultTags": { "cost": "42", "team": "platform" }, "allow": { "tagKeys": ["team"] } }),
    )
    .await;
    scene.create("orders", json!({ "tags": { "team": "shop" } })).await;
    scene.create("invoices", json!({ "managementPolicy": "EnforceOnChange" })).await;
    let orders = scene.until_ready("orders", "True", "Available").await;
    scene.until_ready("invoices", "True", "Available").await;
    let tags = scene.key("orders").await.tags;
    assert_eq!((&*tags["cost"], &*tags["team"], &*scene.key("invoices").await.tags["team"]), ("42", "shop", "platform"));
    assert!(scene.calls("TagResource").is_empty(), "they come with CreateKey");
    assert_eq!(orders.status.unwrap().applied.unwrap().tag_keys, ["cost", "team"]);

    // A default that changes goes to the keys, and with EnforceOnChange it is only reported.
    defaults(&scene, json!({ "cost": "43", "team": "platform", "audit": "yes" })).await;
    until_tag(&scene, "orders", "cost", Some("43")).await;
    until_tag(&scene, "orders", "audit", Some("yes")).await;
    scene.until_synced("invoices", "False", "Drifted").await;
    assert_eq!(scene.key("invoices").await.tags.get("audit"), None);

    // The tag of the object goes, and the default comes back.
    scene.spec("orders", json!({ "tags": null })).await;
    until_tag(&scene, "orders", "team", Some("platform")).await;

    // A default that is removed goes from the keys that got it from Keyward, whatever objects may set. Another's tag of that name stays.
    let invoices = scene.key("invoices").await.arn;
    scene.tag(&invoices, &[("audit", "ann")]).await;
    scene.tag(&scene.key("orders").await.arn, &[("theirs", "x")]).await;
    // A status that claims more removes nothing that was never a default.
    let applied = json!({ "applied": { "generation": 1, "tagKeys": ["audit", "cost", "team", "theirs"] } });
    scene.look("orders").await;
    scene.patch_status("orders", applied).await;
    defaults(&scene, json!({ "team": "platform" })).await;
    until_tag(&scene, "orders", "audit", None).await;
    until_tag(&scene, "orders", "cost", None).await;
    scene.look_at_all("invoices").await;
    assert_eq!(scene.key("invoices").await.tags["audit"], "ann");
    // The policy left the old default on this key. The next change of the spec removes it, because Keyward put it there.
    assert_eq!(scene.key("invoices").await.tags["cost"], "42");
    scene.spec("invoices", json!({ "description": "second" })).await;
    until_tag(&scene, "invoices", "cost", None).await;
    assert_eq!(scene.key("invoices").await.tags["audit"], "ann");
    let orders = scene.key("orders").await.tags;
    assert_eq!((&*orders["theirs"], &*orders["team"]), ("x", "platform"));
    assert!(orders.contains_key("keyward-owner"));
    let provider = Api::<KeyProvider>::all(scene.client.clone()).get(&scene.provider).await.unwrap();
    assert_eq!(provider.status.unwrap().default_tag_keys, ["audit", "cost", "team"]);
}

/// Past admission, marks and tags of the KMS are no default tags; and what does not fit is told, with where it comes from.
#[tokio::test]
async fn default_tags_that_a_key_cannot_have_are_told_and_hold_nothing_else_up() {
    let many = |count: usize| (0..count).map(|number| (format!("tag-{number:02}"), json!("v"))).collect::<Value>();
    let scene = Scene::new("defaults-many").await;
    scene.create("orders", json!({ "tags": { "team": "shop" } })).await;
    scene.until_ready("orders", "True", "Available").await;
    let mut tags = many(46);
    tags["keyward-uid"] = json!("u");
    tags["aws:x"] = json!("y");
    scene.provide(&scene.provider, json!({ "defaultTags": tags })).await;
    let object = scene.until_ready("orders", "False", "InvalidSpec").await;
    let says = format!("spec.tags has 1 tags and spec.defaultTags of KeyProvider {} adds 46, but AWS accepts 50 on a key", scene.provider);
    assert!(message(&object).contains(&says), "{}", message(&object));
    scene.spec("orders", json!({ "description": "second", "enabled": false })).await;
    eventually("the rest is applied", WITHIN, async || {
        let key = scene.key("orders").await;
        if key.description == "second" && key.state == kms_double::KeyState::Disabled { Ok(()) } else { Err(format!("{key:?}")) }
    })
    .await;
    scene.spec("orders", json!({ "tags": null, "enabled": true })).await;
    scene.until_ready("orders", "True", "Available").await;
    let found = scene.key("orders").await.tags;
    assert_eq!((found.len(), found["keyward-uid"] == "u"), (50, false));

    let scene = Scene::alone(&HUAWEI, "defaults", Options::default(), json!({ "defaultTags": { "cost": "x".repeat(44) } })).await;
    scene.create("orders", json!({})).await;
    let object = scene.until_ready("orders", "False", "InvalidSpec").await;
    assert!(message(&object).contains("has cost, but Huawei accepts keys of at most 36 and values of at most 43"), "{}", message(&object));
    assert!(message(&object).starts_with("spec.defaultTags of KeyProvider "), "{}", message(&object));
    assert!(find(&object, keyward::api::ConditionType::Stalled).is_some());
}

/// AWS takes ten requests a second to tag a key.
#[tokio::test]
async fn all_keys_get_another_default_tag_at_the_rate_of_the_quota() {
    const KEYS: usize = 14;
    let limited = json!({ "resyncSeconds": 600, "quotaSharePercent": null });
    let scene = Scene::with("defaults-rate", Options { quotas: true, ..Options::default() }, limited.clone()).await;
    let names: Vec<_> = (0..KEYS).map(|number| format!("key-{number}")).collect();
    join_all(names.iter().map(|name| scene.create(name, json!({})))).await;
    for name in &names {
        scene.until_ready(name, "True", "Available").await;
    }
    let mut spec = limited;
    spec["defaultTags"] = json!({ "cost": "42" });
    scene.provide(&scene.provider, spec).await;
    for name in &names {
        until_tag(&scene, name, "cost", Some("42")).await;
    }
    let calls = scene.calls("TagResource");
    let times: Vec<_> = calls.iter().map(|call| call.time).collect();
    let took = times.iter().max().unwrap().duration_since(*times.iter().min().unwrap());
    assert!(calls.len() == KEYS && calls.iter().all(|call| call.result == "OK"), "one each, and none is throttled: {calls:?}");
    assert!(took.as_millis() >= 300, "ten at once, and the rest at ten a second: {took:?}");
}
