//! What the API server takes and a KMS, or its provider, does not.

use keyward::api::ConditionType;
use kms_double::{ACCOUNT, Entry, KeyState, Options, Origin, Plant, SECOND_ACCOUNT};
use serde_json::{Value, json};

use crate::support::scene::{REGION, Scene, find, message};

/// An object that cannot be as declared.
struct Bad {
    name: &'static str,
    spec: Value,
    reason: &'static str,
    /// What its message has to say.
    words: Vec<String>,
    /// The changes that are sent to the KMS until the value is known to be wrong. Reads are not in it.
    changes: &'static [&'static str],
}

fn bad<const N: usize>(name: &'static str, spec: Value, reason: &'static str, words: [&str; N]) -> Bad {
    Bad { name, spec, reason, words: words.map(str::to_owned).into(), changes: &[] }
}

/// Tags `tag-0` and up.
fn tags(count: usize) -> Value {
    (0..count).map(|number| (format!("tag-{number}"), json!("value"))).collect::<serde_json::Map<_, _>>().into()
}

/// Shows S6.
#[tokio::test]
async fn an_impossible_spec_is_stalled_with_the_way_out_and_delays_no_other_object() {
    let spec = json!({
        "resyncSeconds": 600,
        "adoption": { "from": "Rules", "rules": [{ "namespaces": ["*"], "keys": ["*"] }] },
        "deletionGuard": { "minimumScheduleDays": 14 },
    });
    let scene = Scene::with("input", Options::default(), spec).await;
    scene.create("owner", json!({})).await;
    scene.until_ready("owner", "True", "Available").await;

    let elsewhere = scene.double.plant(&Plant::new(SECOND_ACCOUNT, REGION)).unwrap();
    let crowded = scene.foreign_key().await;
    scene.tag(&crowded, &[("a", "1"), ("b", "2"), ("c", "3")]).await;
    let full = scene.foreign_key().await;
    let all: Vec<String> = (0..48).map(|number| format!("mine-{number}")).collect();
    scene.tag(&full, &all.iter().map(|tag| (tag.as_str(), "x")).collect::<Vec<_>>()).await;
    let stored = scene.double.plant(&Plant { origin: Origin::AwsCloudHsm, ..Plant::new(ACCOUNT, REGION) }).unwrap().arn();
    let nobody = "12345678-1234-1234-1234-123456789012";
    let claim = scene.claim("owner");
    let rsa = json!({ "spec": "RSA_2048", "usage": "ENCRYPT_DECRYPT", "origin": "AWS_KMS" });
    let unknown = json!({ "spec": "NOPE_1", "usage": "ENCRYPT_DECRYPT", "origin": "AWS_KMS" });
    let hsm = json!({ "spec": "SYMMETRIC_DEFAULT", "usage": "ENCRYPT_DECRYPT", "origin": "AWS_CLOUDHSM" });
    let no_store = json!({ "origin": "AWS_CLOUDHSM", "customKeyStoreId": "cks-none" });
    let rows = [
        bad(
            "window",
            json!({ "deletionScheduleDays": 31 }),
            "InvalidSpec",
            ["spec.deletionScheduleDays is 31", "AWS accepts 7 to 30 days"],
        ),
        bad("minimum", json!({ "deletionScheduleDays": 13 }), "InvalidSpec", ["is 13", "at least 14 days", "minimumScheduleDays"]),
        bad("period", json!({ "autoRotation": true, "rotationPeriodDays": 89 }), "InvalidSpec", ["is 89", "90 to 2560 days"]),
        bad("rsa", json!({ "autoRotation": true, "key": rsa }), "InvalidSpec", ["RSA_2048", "remove spec.autoRotation"]),
        Bad {
            changes: &["TagResource"],
            ..bad("stored", json!({ "autoRotation": true, "keyId": stored }), "InvalidSpec", ["AWS_CLOUDHSM", "remove spec.autoRotation"])
        },
        bad("absent", json!({ "keyId": nobody }), "KeyMissing", [nobody, ACCOUNT, REGION, "the right keyId"]),
        bad("malformed", json!({ "keyId": "not-a-key" }), "KeyMissing", ["not-a-key", "the right keyId"]),
        bad("no-arn", json!({ "keyId": "arn:aws:kms:nonsense" }), "InvalidSpec", ["arn:aws:kms:nonsense"]),
        bad("account-id", json!({ "keyId": elsewhere.id }), "KeyMissing", [&elsewhere.id, ACCOUNT]),
        bad("account-arn", json!({ "keyId": elsewhere.arn() }), "AdoptionNotAllowed", [&elsewhere.arn(), "the provider for that account"]),
        bad(
            "region",
            json!({ "keyId": format!("arn:aws:kms:us-east-1:{ACCOUNT}:key/{nobody}") }),
            "AdoptionNotAllowed",
            ["us-east-1", "is for account", "the provider for that account"],
        ),
        bad("theirs", json!({ "keyId": claim }), "OwnedByAnother", [&format!("{}.owner", scene.namespace)]),
        bad("nowhere", json!({ "providerRef": { "name": "nobody" } }), "ProviderNotFound", ["KeyProvider nobody", "create it"]),
        Bad { changes: &["CreateKey"], ..bad("unknown", json!({ "key": unknown }), "InvalidSpec", ["CreateKey", "NOPE_1"]) },
        bad("hsm", json!({ "key": hsm }), "InvalidSpec", ["AWS_CLOUDHSM", "customKeyStoreId is absent"]),
        Bad {
            changes: &["CreateKey"],
            ..bad("no-store", json!({ "key": no_store, "deletionPolicy": "Delete" }), "InvalidSpec", ["CreateKey", "cks-none"])
        },
        Bad { changes: &["TagResource"], ..bad("full", json!({ "keyId": full }), "MarksNotWritable", ["cannot be marked", "tags"]) },
        // The marks still fit, and what is declared does not.
        Bad {
            changes: &["TagResource", "TagResource"],
            ..bad("crowded", json!({ "keyId": crowded, "tags": tags(46) }), "InvalidSpec", ["TagResource", "tags"])
        },
    ];
    let begun = scene.now();
    for row in &rows {
        scene.create(row.name, row.spec.clone()).await;
    }
    for row in &rows {
        let object = scene.until_ready(row.name, "False", row.reason).await;
        // A provider that is not there yet is waited for.
        let kind = if row.reason == "ProviderNotFound" { ConditionType::Reconciling } else { ConditionType::Stalled };
        assert!(find(&object, kind).is_some(), "{}: {:?}", row.name, object.status);
        for word in &row.words {
            assert!(message(&object).contains(word), "{}: no {word:?} in: {}", row.name, message(&object));
        }
        assert_eq!(object.status.unwrap().create_attempt, None, "{}: nothing was created", row.name);
    }
    let settled = scene.now();

    // Meanwhile an object with the largest allowed values is created.
    let good = json!({
        "autoRotation": true, "rotationPeriodDays": 2560, "description": "d".repeat(8192), "tags": tags(46),
        "key": { "spec": "SYMMETRIC_DEFAULT", "usage": "ENCRYPT_DECRYPT", "origin": "AWS_KMS", "multiRegion": true },
    });
    scene.create("good", good).await;
    scene.until_ready("good", "True", "Available").await;
    scene.look_at_all("good").await;
    let key = scene.key("good").await;
    assert_eq!((key.rotation.period_days, key.description.len(), key.tags.len()), (Some(2560), 8192, 50));
    assert!(key.multi_region.is_some() && key.state == KeyState::Enabled, "{key:?}");
    for row in &rows {
        let again: Vec<_> = calls(&scene, row, settled).collect();
        assert!(again.is_empty(), "{} waits for a person, and yet: {again:?}", row.name);
        let until: Vec<_> = calls(&scene, row, begun).map(|entry| entry.operation).collect();
        let changed: Vec<_> = until.iter().filter(|operation| is_change(operation)).collect();
        assert_eq!(changed, row.changes.iter().collect::<Vec<_>>(), "{}", row.name);
        // Marks are written once the key was read in whole, and read back.
        let most = if row.changes.contains(&"TagResource") { 10 } else { 5 };
        assert!(until.len() <= most, "{}: {until:?}", row.name);
    }
    // A person who asks for a look gets one, and no storm either.
    for row in &rows {
        let before = scene.now();
        scene.look(row.name).await;
        let calls: Vec<_> = calls(&scene, row, before).map(|entry| entry.operation).collect();
        // All facets, the record of rotations, and what is tried again.
        assert!(calls.len() <= 6, "{}: {calls:?}", row.name);
    }
    assert_eq!(scene.double.keys().len(), 2 + 4, "the owner's, the good one, and those of others");
}

fn is_change(operation: &str) -> bool {
    !["Describe", "Get", "List"].iter().any(|verb| operation.starts_with(verb))
}

/// The operator's calls after that number which are about an object, by its name or by the key that it names.
fn calls(scene: &Scene, object: &Bad, after: u64) -> impl Iterator<Item = Entry> {
    let reference = object.spec["keyId"].as_str().map(str::to_owned);
    let names = [format!("/{}\"", object.name), format!(".{}\"", object.name)];
    scene.operator_calls().into_iter().filter(move |entry| {
        let params = entry.params.to_string();
        let by_key = reference.as_deref().is_some_and(|key| params.contains(key) || entry.key.as_deref() == Some(key));
        entry.seq > after && (by_key || names.iter().any(|name| params.contains(name.as_str())))
    })
}
