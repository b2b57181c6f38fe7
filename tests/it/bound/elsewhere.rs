//! A provider that is edited to point somewhere else: its objects say `WrongAccount`, nothing is changed in either place, and all is well by itself once the
//! provider points back.
//!
//! Shows S7.

use std::sync::atomic::{AtomicI32, Ordering};

use keyward::api::{ConditionType, KeyProvider, ManagedKey, annotation, key_provider::ProviderType};
use kms_double::{
    ACCESS_KEY, ACCOUNT, CIPHERTRUST_DOMAIN, CIPHERTRUST_SECOND_KMS, CIPHERTRUST_SECOND_PASSWORD, CIPHERTRUST_SECOND_USER, Double,
    HUAWEI_SECOND_ACCESS_KEY, HUAWEI_SECOND_PROJECT, HUAWEI_SECOND_SECRET_KEY, KeyState as Actual, Options, Role, SECOND_ACCESS_KEY,
    SECOND_ACCOUNT, SECOND_SECRET_KEY,
};
use kube::{Api, api::PostParams};
use serde_json::{Value, json};

use super::on_each;
use crate::support::{
    eventually,
    operator::WITHIN,
    proxy::Proxy,
    scene::{Scene, find, merge, message},
    vendor::Vendor,
};

/// A provider that points somewhere else: what it is, and what is laid over its spec and its secret.
struct Elsewhere {
    name: &'static str,
    spec: Value,
    secret: Value,
    reason: &'static str,
}

const ROLE: &str = "arn:aws:iam::444455556666:role/keyward";

/// The ways to point a provider to another account or to `other`, a KMS of the same account without any key.
fn ways(vendor: &Vendor, other: &Double) -> Vec<Elsewhere> {
    let to = |name, spec, secret| Elsewhere { name, spec, secret, reason: "WrongAccount" };
    match vendor.provider {
        ProviderType::Aws => vec![
            to("endpoint", json!({ "aws": { "endpoint": other.endpoint() } }), json!({})),
            to("both endpoints", json!({ "aws": { "endpoint": other.endpoint(), "stsEndpoint": other.endpoint() } }), json!({})),
            to("role", json!({ "aws": { "roleArn": ROLE } }), json!({})),
            to("account", json!({ "aws": { "accountId": SECOND_ACCOUNT } }), json!({})),
            to("credentials", json!({}), json!({ "AWS_ACCESS_KEY_ID": SECOND_ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECOND_SECRET_KEY })),
            to(
                "credentials and account",
                json!({ "aws": { "accountId": SECOND_ACCOUNT } }),
                json!({ "AWS_ACCESS_KEY_ID": SECOND_ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECOND_SECRET_KEY }),
            ),
        ],
        ProviderType::CipherTrust => vec![
            to("url", json!({ "cipherTrust": { "url": other.ciphertrust_endpoint() } }), json!({ "ca.crt": other.ca_pem() })),
            to("domain", json!({ "cipherTrust": { "domain": CIPHERTRUST_DOMAIN } }), json!({})),
            to(
                "kms",
                json!({ "cipherTrust": { "kms": CIPHERTRUST_SECOND_KMS } }),
                json!({ "username": CIPHERTRUST_SECOND_USER, "password": CIPHERTRUST_SECOND_PASSWORD }),
            ),
            // This user does not see that KMS, so its account is not known.
            Elsewhere {
                reason: "InvalidSpec",
                ..to("kms of others", json!({ "cipherTrust": { "kms": CIPHERTRUST_SECOND_KMS } }), json!({}))
            },
        ],
        ProviderType::Huawei => vec![
            to("endpoint", json!({ "huawei": { "endpoint": other.endpoint() } }), json!({})),
            to(
                "project",
                json!({ "huawei": { "projectId": HUAWEI_SECOND_PROJECT } }),
                json!({ "accessKey": HUAWEI_SECOND_ACCESS_KEY, "secretKey": HUAWEI_SECOND_SECRET_KEY }),
            ),
            to("project of others", json!({ "huawei": { "projectId": HUAWEI_SECOND_PROJECT } }), json!({})),
        ],
    }
}

/// Points the provider of a scene somewhere. Its spec is never the same twice, so the secret is read again at once.
async fn point(scene: &Scene, spec: Value, secret: Value) {
    static RESYNC: AtomicI32 = AtomicI32::new(600);
    let mut values = scene.vendor.secret(&scene.double);
    merge(&mut values, secret);
    scene.secret_of(&scene.provider, values).await;
    let mut over = json!({ "resyncSeconds": RESYNC.fetch_add(1, Ordering::Relaxed) });
    merge(&mut over, spec);
    scene.provide(&scene.provider, over).await;
}

/// The calls to a KMS that are no reads.
fn changes(double: &Double) -> Vec<String> {
    let ledger = double.ledger().into_iter();
    ledger.filter(|entry| entry.took_effect).map(|entry| entry.operation).collect()
}

#[tokio::test]
async fn objects_of_a_provider_that_points_elsewhere_say_so_and_are_well_when_it_points_back() {
    on_each(async |vendor| {
        let scene = Scene::alone(vendor, "elsewhere", Options::default(), json!({ "resyncSeconds": 600 })).await;
        scene.double.add_role(Role::new(ROLE));
        let other = Double::start(vendor.options(Options::default())).await.unwrap();
        scene.create("orders", json!({})).await;
        scene.create("ending", json!({ "deletionPolicy": "Disable" })).await;
        for name in ["orders", "ending"] {
            scene.until_ready(name, "True", "Available").await;
            scene.look_at_all(name).await;
        }
        scene.spec("ending", json!({ "deletionScheduleDays": 7 })).await;
        let pending = scene.until_ready("ending", "True", "DeletionScheduled").await;
        let date = pending.status.unwrap().deletion_date;
        scene.look_at_all("ending").await;
        let (begun, tags) = (scene.now(), scene.key("orders").await.tags);
        for Elsewhere { name, spec, secret, reason } in ways(vendor, &other) {
            point(&scene, spec, secret).await;
            for object in ["orders", "ending"] {
                let told = scene.until_ready(object, "False", reason).await;
                assert!(find(&told, ConditionType::Stalled).is_some(), "{name}: {:?}", told.status);
                assert!(message(&told).contains(&scene.provider), "{name}: {}", message(&told));
                // It is looked at again, and nothing is counted.
                let told = scene.look(object).await;
                let ready = find(&told, ConditionType::Ready).unwrap();
                let status = told.status.clone().unwrap();
                assert_eq!((&*ready.reason, status.missing), (reason, None), "{name}");
                // An alert about a pending deletion goes on.
                let pends = find(&told, ConditionType::PendingDeletion).is_some();
                assert_eq!((pends, status.deletion_date), (object == "ending", date.clone().filter(|_| object == "ending")), "{name}");
            }
            assert_eq!((scene.changes(begun), changes(&other)), (Vec::new(), Vec::new()), "{name}");
            point(&scene, json!({}), json!({})).await;
            scene.until_ready("orders", "True", "Available").await;
            scene.until_ready("ending", "True", "DeletionScheduled").await;
            assert_eq!(scene.changes(begun), [""; 0], "{name}, and back");
        }
        assert_eq!(scene.key("orders").await.tags, tags);
        assert_eq!((scene.double.keys().len(), other.keys().len()), (2, 0));
    })
    .await;
}

/// The key of an object that is deleted is not gone either, so its policy waits.
#[tokio::test]
async fn an_object_that_is_deleted_while_its_provider_points_elsewhere_waits() {
    on_each(async |vendor| {
        let scene = Scene::alone(vendor, "leaving", Options::default(), json!({ "resyncSeconds": 600 })).await;
        let other = Double::start(vendor.options(Options::default())).await.unwrap();
        scene.create("orders", json!({ "deletionPolicy": "Disable" })).await;
        scene.until_ready("orders", "True", "Available").await;
        let key = scene.key("orders").await.arn;
        let Elsewhere { spec, secret, .. } = ways(vendor, &other).swap_remove(0);
        point(&scene, spec, secret).await;
        scene.until_ready("orders", "False", "WrongAccount").await;
        scene.delete("orders").await;
        let told = |object: &ManagedKey| message(object).contains("set deletionPolicy: Retain");
        let object = scene.until("orders", "it waits", told).await;
        assert_eq!(find(&object, ConditionType::Ready).unwrap().reason, "WrongAccount");
        assert_eq!(scene.double.key(&key).unwrap().state, Actual::Enabled);
        point(&scene, json!({}), json!({})).await;
        scene.until_gone("orders").await;
        assert_eq!((scene.double.key(&key).unwrap().state, changes(&other)), (Actual::Disabled, Vec::new()));
    })
    .await;
}

/// Shows S2.
#[tokio::test]
async fn a_creation_that_is_open_is_not_repeated_at_another_place() {
    on_each(async |vendor| {
        let scene = Scene::alone(vendor, "begun", Options::default(), json!({})).await;
        let attempt = |account: &str, region: &str, endpoint: Option<&str>| {
            let time = "2026-01-01T00:00:00Z";
            json!({ "createAttempt": { "id": "a", "account": account, "region": region, "endpoint": endpoint, "time": time } })
        };
        let (account, region) = (vendor.account, vendor.region);
        let rows = [
            ("account", attempt("999999999999", region, None), format!("in account 999999999999 and Region {region}")),
            ("region", attempt(account, "xx-north-1", None), format!("in account {account} and Region xx-north-1")),
            ("endpoint", attempt(account, region, Some("kms.example.com")), "at endpoint kms.example.com".to_owned()),
            ("default", attempt(account, region, Some("default")), "at the default endpoint".to_owned()),
        ];
        for (name, status, _) in &rows {
            let object = json!({
                "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey",
                "metadata": { "name": name, "annotations": { (annotation::PAUSED): "true" } },
                "spec": { "providerRef": { "name": scene.provider } },
            });
            scene.keys().create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
            scene.until_paused(name).await;
            scene.patch_status(name, status.clone()).await;
        }
        for (name, _, place) in &rows {
            scene.patch(name, json!({ "metadata": { "annotations": { (annotation::PAUSED): null } } })).await;
            let object = scene.until_ready(name, "False", "CreateUnresolved").await;
            assert!(message(&object).contains(place.as_str()), "{name}: {}", message(&object));
            scene.look_at_all(name).await;
        }
        assert_eq!(scene.changes(0), [""; 0]);
    })
    .await;
}

/// The key's own reference says where it is, and the project of a key at Huawei shows when the key is found. A read corrects a status that says something else.
#[tokio::test]
async fn a_status_that_names_another_place_is_corrected_or_only_forbids() {
    on_each(async |vendor| {
        let scene = Scene::alone(vendor, "forged", Options::default(), json!({ "resyncSeconds": 600 })).await;
        scene.create("orders", json!({})).await;
        scene.until_ready("orders", "True", "Available").await;
        let object = scene.look_at_all("orders").await;
        let right = object.status.unwrap();
        let (reference, provider) = (right.key_arn.clone().unwrap(), serde_json::to_value(&right.provider).unwrap());
        let begun = scene.now();
        let other = reference.replacen(vendor.region, &vendor.region.to_uppercase(), 1);
        for (name, forged, heals) in [
            ("account", json!({ "provider": { "account": SECOND_ACCOUNT } }), true),
            ("Region", json!({ "provider": { "region": "xx-north-1" } }), true),
            ("endpoint", json!({ "provider": { "endpoint": "kms.example.com" } }), true),
            ("no endpoint", json!({ "provider": { "endpoint": null } }), true),
            ("type", json!({ "provider": { "type": "Other" } }), false),
            ("a Region that is spelled otherwise", json!({ "keyArn": other }), false),
            ("a key of another account", json!({ "keyArn": "arn:aws:kms:eu-west-1:999999999999:key/1" }), false),
            ("a key of another cloud", json!({ "keyArn": "kms:xx-north-1:d0:KeyId:1" }), false),
        ] {
            scene.patch_status("orders", forged).await;
            let object = scene.look("orders").await;
            let ready = find(&object, ConditionType::Ready).unwrap();
            let status = object.status.as_ref().unwrap();
            if heals {
                assert_eq!(ready.reason, "Available", "{name}: {}", ready.message);
                assert_eq!(serde_json::to_value(&status.provider).unwrap(), provider, "{name}");
            } else {
                assert_eq!(ready.reason, "WrongAccount", "{name}: {}", ready.message);
                scene.patch_status("orders", json!({ "provider": provider, "keyArn": reference })).await;
                scene.look("orders").await;
                scene.until_ready("orders", "True", "Available").await;
            }
            assert_eq!(status.missing, None, "{name}");
            assert_eq!(scene.changes(begun), [""; 0], "{name}");
        }
    })
    .await;
}

/// An endpoint may be another way to the same KMS.
#[tokio::test]
async fn a_key_that_is_found_at_another_endpoint_is_kept_there() {
    let scene = Scene::with("moved", Options::default(), json!({ "resyncSeconds": 600 })).await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    scene.look_at_all("orders").await;
    let begun = scene.now();
    let proxy = Proxy::start(scene.double.endpoint().trim_start_matches("http://").parse().unwrap()).await;
    let host = proxy.address.to_string();
    scene.provide(&scene.provider, json!({ "resyncSeconds": 600, "aws": { "endpoint": format!("http://{host}") } })).await;
    scene
        .until("orders", "it was found there", |object| {
            let provider = object.status.as_ref().and_then(|status| status.provider.as_ref());
            provider.is_some_and(|provider| provider.endpoint.as_deref() == Some(&*host))
        })
        .await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.changes(begun), [""; 0]);
    eventually("the provider is ready", WITHIN, async || {
        let api = Api::<KeyProvider>::all(scene.client.clone());
        let identity = api.get(&scene.provider).await.unwrap().status.and_then(|status| status.identity);
        if identity.as_ref().is_some_and(|identity| identity.account == ACCOUNT) { Ok(()) } else { Err(format!("{identity:?}")) }
    })
    .await;
    assert!(scene.operator_calls().iter().all(|call| call.access_key.as_deref() == Some(ACCESS_KEY)));
}
