//! The provider: whom it admits, whose credentials it has, and that it can go without harm.

use keyward::api::{ConditionType, KeyProvider, KeyProviderStatus, condition};
use kms_double::{
    ACCESS_KEY, ACCOUNT, Credential, Fault, FaultAction, Options, SECOND_ACCESS_KEY, SECOND_ACCOUNT, SECOND_SECRET_KEY, SECRET_KEY,
};
use kube::{Api, api::DeleteParams};
use serde_json::json;

use crate::support::{
    eventually,
    memory::Memory,
    operator::WITHIN,
    scene::{Scene, find, message},
    vendor::AWS,
};

fn providers(scene: &Scene) -> Api<KeyProvider> {
    Api::all(scene.client.clone())
}

/// The object waits for something that does not exist yet. Nobody has to act on the object.
fn is_awaited(object: &keyward::api::ManagedKey) -> bool {
    find(object, ConditionType::Reconciling).is_some() && find(object, ConditionType::Stalled).is_none()
}

/// The operator's calls that concern keys, and not whose credentials it has.
fn key_calls(scene: &Scene) -> Vec<String> {
    scene.operator_calls().into_iter().filter(|entry| entry.service == "kms").map(|entry| entry.operation).collect()
}

/// Waits until the provider says that, and gives its status.
async fn provider(scene: &Scene, reason: &str) -> KeyProviderStatus {
    eventually(&format!("the provider says {reason}"), WITHIN, async || {
        let status = providers(scene).get(&scene.provider).await.unwrap().status.unwrap_or_default();
        let ready = condition::find(&status.conditions, ConditionType::Ready);
        if ready.is_some_and(|ready| ready.reason == reason) { Ok(status) } else { Err(format!("{status:?}")) }
    })
    .await
}

#[tokio::test]
async fn a_provider_shows_whose_credentials_it_has() {
    let scene = Scene::with("identity", Options::default(), json!({ "aws": { "accountId": ACCOUNT } })).await;
    let identity = provider(&scene, "Ready").await.identity.unwrap();
    assert_eq!((identity.account.as_str(), identity.region.as_str()), (ACCOUNT, "eu-west-1"));
    assert!(identity.principal.contains(ACCOUNT), "{}", identity.principal);
    assert_eq!(key_calls(&scene), [""; 0]);
}

#[tokio::test]
async fn a_namespace_that_is_not_admitted_causes_no_call() {
    let names = |names: &[&str]| json!({ "namespaces": { "from": "Names", "names": names } });
    let scene = Scene::with("not-admitted", Options::default(), names(&["elsewhere"])).await;
    scene.create("orders", json!({ "deletionPolicy": "Delete" })).await;
    let object = scene.until_ready("orders", "False", "NamespaceNotAllowed").await;
    assert!(find(&object, ConditionType::Stalled).is_some());
    assert!(message(&object).contains(&scene.provider), "{}", message(&object));
    scene.look_at_all("orders").await;
    assert_eq!(key_calls(&scene), [""; 0]);

    scene.provide(&scene.provider, names(&["elsewhere", &scene.namespace])).await;
    scene.until_ready("orders", "True", "Available").await;
}

/// Shows L2.
#[tokio::test]
async fn a_namespace_is_admitted_by_its_labels() {
    // The next round is far away, so only the label can wake the object.
    let selector = json!({ "resyncSeconds": 3600, "namespaces": { "from": "Selector", "selector": { "matchLabels": { "keys": "yes" } } } });
    let scene = Scene::real_with("by-label", Options::default(), selector).await;
    scene.create("orders", json!({})).await;
    assert!(is_awaited(&scene.until_ready("orders", "False", "NamespaceNotAllowed").await));
    assert_eq!(key_calls(&scene), [""; 0]);
    scene.control_plane().kubectl(&["label", "namespace", &scene.namespace, "keys=yes"]).await.expect("kubectl label");
    scene.until_ready("orders", "True", "Available").await;
    // After this one, no round is due for an hour.
    scene.look_at_all("orders").await;
    let calls = key_calls(&scene).len();
    scene.control_plane().kubectl(&["label", "namespace", &scene.namespace, "keys-"]).await.expect("kubectl label");
    scene.until_ready("orders", "False", "NamespaceNotAllowed").await;
    assert_eq!(key_calls(&scene).len(), calls);

    // A provider that comes to select by labels while it is in use.
    scene.provide(&scene.provider, json!({ "namespaces": { "from": "All", "selector": null } })).await;
    scene.until_ready("orders", "True", "Available").await;
}

#[tokio::test]
async fn a_provider_can_go_and_come_back_and_no_key_is_touched() {
    let scene = Scene::new("provider-gone").await;
    scene.create("orders", json!({ "deletionPolicy": "Delete" })).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await;
    let before = scene.now();
    providers(&scene).delete(&scene.provider, &DeleteParams::default()).await.unwrap();
    // The object notices by itself that the provider is gone, and that it is back.
    let object = scene.until_ready("orders", "False", "ProviderNotFound").await;
    assert!(is_awaited(&object));
    scene.spec("orders", json!({ "enabled": false })).await;
    scene.until_ready("orders", "False", "ProviderNotFound").await;
    assert_eq!(scene.changes(before), [""; 0]);
    assert_eq!(scene.double.key(&key.arn).unwrap().tags, key.tags);

    scene.provide(&scene.provider, json!({})).await;
    scene.until_ready("orders", "True", "Disabled").await;
    assert_eq!(scene.key("orders").await.arn, key.arn);
}

#[tokio::test]
async fn an_object_finds_its_provider_when_that_comes_later() {
    let scene = Scene::new("provider-late").await;
    let late = format!("{}-late", scene.provider);
    scene.create("orders", json!({ "providerRef": { "name": late } })).await;
    assert!(is_awaited(&scene.until_ready("orders", "False", "ProviderNotFound").await));
    scene.provide(&late, json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
}

#[tokio::test]
async fn credentials_of_another_account_than_declared_read_no_key() {
    let scene = Scene::with("wrong-account", Options::default(), json!({ "aws": { "accountId": SECOND_ACCOUNT } })).await;
    scene.create("orders", json!({})).await;
    let object = scene.until_ready("orders", "False", "WrongAccount").await;
    assert!(find(&object, ConditionType::Stalled).is_some());
    assert!(message(&object).contains(ACCOUNT) && message(&object).contains(SECOND_ACCOUNT), "{}", message(&object));
    provider(&scene, "WrongAccount").await;
    scene.look_at_all("orders").await;
    assert_eq!(key_calls(&scene), [""; 0]);
    scene.provide(&scene.provider, json!({ "aws": { "accountId": ACCOUNT } })).await;
    scene.until_ready("orders", "True", "Available").await;
}

#[tokio::test]
async fn a_provider_that_is_made_again_for_another_account_asks_for_no_key_of_the_first() {
    let scene = Scene::new("made-again").await;
    for (name, policy) in [("orders", "Retain"), ("leaving", "Delete")] {
        scene.create(name, json!({ "deletionPolicy": policy })).await;
        scene.until_ready(name, "True", "Available").await;
        scene.look_at_all(name).await;
    }
    let again = async |access_key: &str, secret_key: &str| {
        providers(&scene).delete(&scene.provider, &DeleteParams::default()).await.unwrap();
        scene.until_ready("orders", "False", "ProviderNotFound").await;
        scene.secret(&scene.provider, access_key, secret_key).await;
        scene.provide(&scene.provider, json!({})).await;
    };
    let calls = key_calls(&scene).len();
    again(SECOND_ACCESS_KEY, SECOND_SECRET_KEY).await;
    let object = scene.until_ready("orders", "False", "WrongAccount").await;
    assert!(find(&object, ConditionType::Stalled).is_some());
    assert!(message(&object).contains(ACCOUNT) && message(&object).contains(SECOND_ACCOUNT), "{}", message(&object));
    let object = scene.look_at_all("orders").await;
    assert!(object.status.unwrap().missing.is_none());
    scene.delete("leaving").await;
    let object = scene
        .until("leaving", "it waits", |object| object.metadata.deletion_timestamp.is_some() && message(object).contains("Retain"))
        .await;
    assert_eq!(find(&object, ConditionType::Ready).unwrap().reason, "WrongAccount");
    assert_eq!(key_calls(&scene).len(), calls, "{:?}", key_calls(&scene));

    again(ACCESS_KEY, SECRET_KEY).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.until_gone("leaving").await;
}

#[tokio::test]
async fn credentials_that_change_to_another_account_do_not_make_keys_absent() {
    let scene = Scene::new("other-account").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.secret(&scene.provider, SECOND_ACCESS_KEY, SECOND_SECRET_KEY).await;
    let object = scene.until_ready("orders", "False", "WrongAccount").await;
    let calls = key_calls(&scene).len();
    assert!(message(&object).contains("first used with account"), "{}", message(&object));
    let object = scene.look_at_all("orders").await;
    assert!(object.status.unwrap().missing.is_none());
    assert_eq!(key_calls(&scene).len(), calls);
    scene.secret(&scene.provider, ACCESS_KEY, SECRET_KEY).await;
    scene.until_ready("orders", "True", "Available").await;
}

#[tokio::test]
async fn a_wrong_secret_is_said_and_a_right_one_is_picked_up() {
    let scene = Scene::new("wrong-secret").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.secret(&scene.provider, ACCESS_KEY, "wrong").await;
    let object = scene.until_ready("orders", "False", "CredentialsInvalid").await;
    assert!(find(&object, ConditionType::Stalled).is_some());
    assert!(!message(&object).contains(SECRET_KEY) && !message(&object).contains("wrong "), "{}", message(&object));
    provider(&scene, "CredentialsInvalid").await;
    scene.spec("orders", json!({ "enabled": false })).await;
    scene.until_ready("orders", "False", "CredentialsInvalid").await;
    assert!(scene.calls("DisableKey").is_empty());
    scene.secret(&scene.provider, ACCESS_KEY, SECRET_KEY).await;
    scene.until_ready("orders", "True", "Disabled").await;
}

#[tokio::test]
async fn a_secret_that_is_missing_or_lacks_a_key_is_named() {
    let scene = Scene::new("no-secret").await;
    let spec = json!({ "aws": { "credentialsSecretRef": { "name": format!("{}-other", scene.provider) } } });
    scene.provide(&scene.provider, spec).await;
    scene.create("orders", json!({})).await;
    let object = scene.until_ready("orders", "False", "ProviderNotReady").await;
    assert!(is_awaited(&object));
    provider(&scene, "ProviderNotReady").await;
    assert!(message(&object).contains(&format!("secret {}-other", scene.provider)), "{}", message(&object));
    assert!(message(&object).contains(&scene.operator_namespace), "{}", message(&object));
    let other = format!("{}-other", scene.provider);
    scene.secret(&other, ACCESS_KEY, "").await;
    let named = |object: &keyward::api::ManagedKey| message(object).contains("AWS_SECRET_ACCESS_KEY");
    scene.until("orders", "the missing key of the secret is named", named).await;
    scene.secret(&other, ACCESS_KEY, SECRET_KEY).await;
    scene.until_ready("orders", "True", "Available").await;
}

#[tokio::test]
async fn providers_that_do_not_answer_hold_up_no_other() {
    // How often a KMS is asked within one call that hangs.
    const ATTEMPTS: usize = 3;
    let memory = Memory::new().await;
    let scene = Scene::within(&memory, &AWS, "hanging", Options::default(), json!({})).await;
    let silent: Vec<String> = (0..6).map(|number| format!("AKIASILENTEXAMPLE00{number}")).collect();
    for access_key in &silent {
        scene.double.add_credential(Credential::new(access_key, SECRET_KEY, ACCOUNT));
        scene.double.inject(Fault::on("GetCallerIdentity", FaultAction::Hang).for_caller(access_key));
        let name = format!("{}-{}", scene.provider, access_key.to_lowercase());
        scene.secret(&name, access_key, SECRET_KEY).await;
        scene.provide(&name, json!({ "aws": { "credentialsSecretRef": { "name": name } } })).await;
    }
    // The operator finds all of them at once, so the order of calls does not depend on how fast this test is.
    let _operator = memory.start();
    let calls = eventually("every provider is tried", WITHIN, async || {
        let ledger = scene.operator_calls().into_iter();
        let calls: Vec<String> = ledger.filter_map(|entry| entry.access_key.filter(|key| silent.contains(key))).collect();
        if silent.iter().all(|key| calls.contains(key)) { Ok(calls) } else { Err(format!("{calls:?}")) }
    })
    .await;
    // Until the last of them was asked for the first time, no call of another came to its end.
    let last = silent.iter().filter_map(|key| calls.iter().position(|called| called == key)).max().unwrap();
    let most = silent.iter().map(|key| calls[..last].iter().filter(|called| *called == key).count()).max().unwrap();
    assert!(most < ATTEMPTS, "{calls:?}");
}

#[tokio::test]
async fn the_objects_of_a_kms_that_does_not_answer_hold_up_no_other() {
    let silent = Scene::new("silent").await;
    silent.create("first", json!({})).await;
    silent.until_ready("first", "True", "Available").await;
    silent.double.inject(kms_double::Fault::on("DescribeKey", kms_double::FaultAction::Hang));
    // One after the other through all workers, they would take longer than a test waits.
    for number in 0..150 {
        silent.create(&format!("key-{number}"), json!({})).await;
    }
    silent.until_event("key-0", "SyncFailed").await;
    let other = Scene::new("other").await;
    other.create("orders", json!({})).await;
    other.until_ready("orders", "True", "Available").await;
    assert_eq!(silent.calls("CreateKey").len(), 1);
}
