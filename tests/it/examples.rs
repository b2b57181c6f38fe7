//! The examples as a user takes them: the API server accepts each as it stands, and Keyward does what they say, on the KMS that they are for.

use std::path::{Path, PathBuf};

use keyward::api::key_provider::ProviderType;
use kms_double::{KeyState, Options};
use serde_json::{Value, json};

use crate::support::{
    control_plane,
    scene::{Scene, merge},
    vendor::{self, Vendor},
};

/// The folder of the examples for a KMS.
fn folder(vendor: &Vendor) -> PathBuf {
    let name = match vendor.provider {
        ProviderType::Aws => "aws",
        ProviderType::CipherTrust => "ciphertrust",
        ProviderType::Huawei => "huawei",
    };
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

/// The object in a file.
fn object(vendor: &Vendor, file: &str) -> Value {
    let text = std::fs::read_to_string(folder(vendor).join(file)).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// The spec of the object in a file, without the provider that it names: a test has its own.
fn spec(vendor: &Vendor, file: &str) -> Value {
    let mut spec = object(vendor, file)["spec"].take();
    spec.as_object_mut().unwrap().remove("providerRef");
    spec
}

async fn lives_as_the_examples_say(vendor: &'static Vendor) {
    let mut provider = spec(vendor, "provider.yaml");
    // The place and the credentials are the double's, and the namespace is the test's.
    provider["namespaces"] = json!({ "from": "All", "names": null });
    let scene = Scene::of(vendor, "example", Options::default(), json!({})).await;
    merge(&mut provider, vendor.spec(&scene.double, &scene.provider));
    scene.provide(&scene.provider, provider).await;

    scene.create("orders", spec(vendor, "key.yaml")).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await;
    assert_eq!((key.state, key.rotation.period_days), (KeyState::Enabled, Some(365)));
    assert_eq!((&*key.tags["team"], &*key.description), ("shop", "encrypts the orders of the shop"));
    assert!(key.aliases.contains(&"alias/orders".to_owned()), "{:?}", key.aliases);

    if vendor.provider == ProviderType::Aws {
        let declared = spec(vendor, "key-policy.yaml");
        scene.create("invoices", declared.clone()).await;
        scene.until_ready("invoices", "True", "Available").await;
        let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(value(&scene.key("invoices").await.policy), value(declared["policy"].as_str().unwrap()));
    }

    if folder(vendor).join("rotated-key.yaml").exists() {
        let mut rotated = object(vendor, "rotated-key.yaml");
        assert_eq!(spec(vendor, "rotated-key.yaml"), spec(vendor, "key.yaml"), "only the annotation differs");
        scene.patch("orders", json!({ "metadata": { "annotations": rotated["metadata"]["annotations"].take() } })).await;
        scene.until_event("orders", "RotationRequested").await;
    }

    if folder(vendor).join("grant.yaml").exists() {
        let object = json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "KeyGrant", "metadata": { "name": "reader" }, "spec": spec(vendor, "grant.yaml") });
        crate::grants::is_made_as_declared(&scene, object).await;
    }

    if folder(vendor).join("replica.yaml").exists() {
        let member = if vendor.provider == ProviderType::CipherTrust { "cipherTrust" } else { "aws" };
        let abroad = format!("{}-abroad", scene.provider);
        let region = object(vendor, "replica-provider.yaml")["spec"][member]["region"].clone();
        scene.provide(&abroad, json!({ (member): { "region": region } })).await;
        scene.create("orders-multi", spec(vendor, "primary.yaml")).await;
        scene.until_ready("orders-multi", "True", "Available").await;
        let mut replica = spec(vendor, "replica.yaml");
        replica["providerRef"] = json!({ "name": abroad });
        scene.create("orders-us", replica).await;
        scene.until_event("orders-us", "KeyCreated").await;
        assert_eq!(scene.key("orders-us").await.key_id, scene.key("orders-multi").await.key_id);
    }

    let scheduled = spec(vendor, "scheduled-key.yaml");
    let days = scheduled["deletionScheduleDays"].as_u64().unwrap();
    scene.spec("orders", scheduled).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    assert_eq!(scene.key("orders").await.pending_window_days.map(u64::from), Some(days));

    // As the comment there says: the first manifest again cancels.
    let mut again = spec(vendor, "key.yaml");
    again["deletionScheduleDays"] = Value::Null;
    scene.spec("orders", again).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.key("orders").await.state, KeyState::Enabled);
}

#[tokio::test]
async fn a_key_of_aws_lives_as_the_examples_say() {
    lives_as_the_examples_say(&vendor::AWS).await;
}

#[tokio::test]
async fn a_key_of_ciphertrust_lives_as_the_examples_say() {
    lives_as_the_examples_say(&vendor::CIPHER_TRUST).await;
}

#[tokio::test]
async fn a_key_of_huawei_lives_as_the_examples_say() {
    lives_as_the_examples_say(&vendor::HUAWEI).await;
}

#[test]
fn each_provider_has_a_name_of_its_own_which_its_keys_name() {
    let vendors = [&vendor::AWS, &vendor::CIPHER_TRUST, &vendor::HUAWEI];
    let names: std::collections::BTreeSet<_> =
        vendors.map(|vendor| object(vendor, "provider.yaml")["metadata"]["name"].as_str().unwrap().to_owned()).into();
    assert_eq!(names.len(), vendors.len(), "{names:?}: one applied after the other would change the first");
    for vendor in vendors {
        let provider = &object(vendor, "provider.yaml")["metadata"]["name"];
        for file in ["key.yaml", "scheduled-key.yaml"] {
            assert_eq!(&object(vendor, file)["spec"]["providerRef"]["name"], provider, "{file}");
        }
    }
}

#[tokio::test]
async fn the_api_server_takes_each_example_as_it_stands() {
    let control_plane = control_plane::shared();
    for namespace in ["keyward-system", "shop"] {
        let manifest = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
        control_plane.kubectl_with(&["apply", "-f", "-"], &manifest.to_string()).await.expect("kubectl apply");
    }
    for vendor in [&vendor::AWS, &vendor::CIPHER_TRUST, &vendor::HUAWEI] {
        let folder = folder(vendor);
        let arguments = ["apply", "--dry-run=server", "--validate=strict", "-f"];
        control_plane.kubectl(&[&arguments[..], &[folder.to_str().unwrap()]].concat()).await.expect("kubectl apply --dry-run=server");
    }
}
